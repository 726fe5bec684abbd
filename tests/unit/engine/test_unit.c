/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/unit.h"
#include "tests/unit/engine/task_rig.h"

/* Emits what the test asks for: at most `give` rows, all ports in turn, memory of port 0. */
struct scripted {
	struct weir_source s;
	uint32_t give; /* rows still to come */
	uint32_t per_run;
	uint32_t runs, last_budget;
	int64_t n;
	int result; /* <0: fail */
	bool end; /* ended when nothing is left to give */
	size_t text;
};

static int scripted_run(struct weir_node *n)
{
	struct scripted *o = n->op;
	struct weir_port *mem = &n->port[0];
	uint32_t k = WEIR_MIN(o->give, WEIR_MIN(o->s.budget, o->per_run)), done = 0;

	o->runs++;
	o->last_budget = o->s.budget;
	if (o->result < 0)
		return weir_err_set(&n->task->err, o->result, "scripted");
	for (uint32_t i = 0; i < n->port_count; i++)
		k = WEIR_MIN(k, weir_port_room(&n->port[i]));
	/* A source runs only while its task is idle, so the memory is free as a whole. */
	mem->scratch_used = 0;
	while (done < k && mem->scratch_cap - mem->scratch_used >= ROW_BYTES_MAX + 8) {
		struct weir_frame *f =
			row_build(mem->scratch + mem->scratch_used, 0, o->n, o->n, 0, o->text);

		mem->scratch_used += weir_frame_stride(f);
		weir_port_push(&n->port[(uint64_t)o->n % n->port_count], f);
		o->n++;
		o->s.rows++;
		weir_source_saw(&o->s, f->time_ns);
		done++;
	}
	o->give -= done;
	if (o->give == 0)
		o->s.ended = o->end;
	return done > 0;
}

static const struct weir_op_class scripted_class = {
	.name = "scripted", .run = scripted_run, .source = true};

struct fixture {
	struct weir_region region;
	struct weir_unit u;
	struct weir_node node[4];
	struct scripted src;
	struct collector c[4];
};

static struct fixture *start(uint32_t readers)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	weir_region_init(&f->region, &weir_test_mem);
	f->u.task.mem = &weir_test_mem;
	f->u.task.record_max = 1024;
	f->u.task.node = f->node;
	f->u.task.node_count = 1 + readers;
	f->u.task.mono_ns = 1000000000;
	node_init(&f->node[0], &f->u.task, "source");
	node_ports(&f->node[0], &f->region, readers, &f->node[1], 300 * 1024);
	f->node[0].cls = &scripted_class;
	f->node[0].op = &f->src;
	for (uint32_t i = 1; i <= readers; i++) {
		node_init(&f->node[i], &f->u.task, "reader");
		collector_init(&f->node[i], &f->c[i]);
	}
	f->src.s.timed = true;
	f->src.s.watermark = WEIR_TIME_MIN;
	f->src.per_run = UINT32_MAX;
	f->u.source = &f->src.s;
	return f;
}

static void stop(struct fixture *f)
{
	weir_region_fini(&f->region);
	free(f);
}

static void test_unit_source_runs_to_its_end(void **state)
{
	struct fixture *f = start(1);

	(void)state;
	f->src.give = 1000;
	f->src.end = true;
	assert_true(weir_unit_turn(&f->u, 2) > 0);
	assert_int_equal(f->c[1].rows, 2 * WEIR_BATCH_ROWS);
	assert_false(f->u.ended || f->u.done || f->u.blocked);
	while (!f->u.done)
		assert_true(weir_unit_turn(&f->u, 1) >= 0);
	assert_int_equal(f->c[1].rows, 1000);
	assert_true(f->c[1].eos);
	assert_int_equal(f->node[0].watermark, WEIR_TIME_MAX);
	assert_int_equal(weir_unit_turn(&f->u, 5), 0);
	stop(f);
}

static void test_unit_source_stops_when_told(void **state)
{
	struct fixture *f = start(1);

	(void)state;
	f->src.give = UINT32_MAX;
	weir_unit_turn(&f->u, 1);
	f->u.stopping = true;
	weir_unit_turn(&f->u, 3);
	assert_true(f->u.done && f->c[1].eos);
	assert_int_equal(f->c[1].rows, WEIR_BATCH_ROWS);
	stop(f);
}

static void test_unit_passes_errors_on(void **state)
{
	struct fixture *f = start(1);

	(void)state;
	f->src.result = WEIR_E_FORMAT;
	assert_int_equal(weir_unit_turn(&f->u, 1), WEIR_E_FORMAT);
	assert_string_equal(f->u.task.err.text, "scripted");
	stop(f);
}

static int failing(struct weir_node *n)
{
	return weir_err_set(&n->task->err, WEIR_E_RANGE, "reader");
}

static void test_unit_passes_errors_of_readers_on(void **state)
{
	static const struct weir_op_class cls = {.name = "failing", .run = failing};
	struct fixture *f = start(1);

	(void)state;
	f->node[1].cls = &cls;
	f->src.give = 10;
	/* The drain at the end of a turn finds it; and the one at the start of the next. */
	assert_int_equal(weir_unit_turn(&f->u, 1), WEIR_E_RANGE);
	assert_int_equal(weir_unit_turn(&f->u, 1), WEIR_E_RANGE);
	stop(f);
}

static void test_unit_blocked_until_the_reader_takes_everything(void **state)
{
	struct fixture *f = start(2);

	(void)state;
	f->src.give = 100;
	f->src.end = true;
	f->c[1].appetite = 3;
	assert_true(weir_unit_turn(&f->u, 4) > 0);
	assert_true(f->u.blocked);
	assert_int_equal(f->src.runs, 1);
	assert_int_equal(weir_unit_turn(&f->u, 4), 0);
	assert_true(f->u.blocked);
	f->c[1].appetite = UINT32_MAX;
	f->c[2].refuse_ctl = true;
	while (!f->c[1].eos)
		assert_true(weir_unit_turn(&f->u, 1) > 0);
	/* The end is on its way, but not through. */
	assert_int_equal(weir_unit_turn(&f->u, 1), 0);
	assert_true(f->u.ended && f->u.blocked && !f->u.done);
	f->c[2].refuse_ctl = false;
	weir_unit_turn(&f->u, 2);
	assert_true(f->u.done && !f->u.blocked && f->c[2].eos);
	stop(f);
}

static void test_unit_source_with_ports_that_share_memory(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed < 40; seed++) {
		struct fixture *f = start(3);
		uint64_t r = seed;

		f->src.give = 5000;
		f->src.end = true;
		while (!f->u.done) {
			f->src.per_run = 1 + (uint32_t)rig_rand(&r) % 256;
			f->src.text = rig_rand(&r) % ROW_TEXT_MAX;
			for (int i = 1; i <= 3; i++)
				f->c[i].appetite = (uint32_t)(rig_rand(&r) % 100);
			assert_true(weir_unit_turn(&f->u, 1 + (uint32_t)rig_rand(&r) % 4) >= 0);
			f->u.task.mono_ns += rig_rand(&r) % 10000000;
		}
		assert_int_equal(f->c[1].rows + f->c[2].rows + f->c[3].rows, 5000);
		stop(f);
	}
}

static void test_unit_watermarks_by_rows_and_by_time(void **state)
{
	struct fixture *f = start(1);

	(void)state;
	f->src.give = UINT32_MAX;
	f->src.s.lateness_ns = 10;
	/* The first one at once: told_ns is 0. */
	weir_unit_turn(&f->u, 1);
	assert_int_equal(f->c[1].controls, 1);
	assert_int_equal(f->c[1].watermark, 255 - 10 - 1);
	weir_unit_turn(&f->u, WEIR_WATERMARK_ROWS / WEIR_BATCH_ROWS - 1);
	assert_int_equal(f->c[1].controls, 1);
	weir_unit_turn(&f->u, 1);
	assert_int_equal(f->c[1].controls, 2);
	assert_int_equal(f->c[1].watermark, WEIR_WATERMARK_ROWS + 255 - 11);
	f->u.task.mono_ns += WEIR_WATERMARK_NS - 1;
	weir_unit_turn(&f->u, 1);
	assert_int_equal(f->c[1].controls, 2);
	f->u.task.mono_ns += 1;
	weir_unit_turn(&f->u, 1);
	assert_int_equal(f->c[1].controls, 3);
	/* Nothing more: what is not told yet goes out at once, also within the same instant. */
	weir_unit_turn(&f->u, 1);
	f->src.give = 0;
	assert_int_equal(f->c[1].controls, 3);
	assert_true(weir_unit_turn(&f->u, 1) > 0);
	assert_int_equal(f->c[1].controls, 4);
	assert_int_equal(f->c[1].watermark, f->src.s.watermark);
	assert_int_equal(weir_unit_turn(&f->u, 1), 0);
	stop(f);
}

static void test_unit_untimed_sources_have_no_watermark(void **state)
{
	struct fixture *f = start(1);

	(void)state;
	f->src.give = 10000;
	f->src.s.timed = false;
	while (f->src.give)
		weir_unit_turn(&f->u, 1);
	weir_unit_turn(&f->u, 1);
	assert_int_equal(f->c[1].controls, 0);
	stop(f);
}

static void test_unit_idle_is_said_once_and_again_after_rows(void **state)
{
	struct fixture *f = start(1);

	(void)state;
	f->src.s.idle_ns = 1000;
	f->src.give = 1;
	weir_unit_turn(&f->u, 3);
	assert_int_equal(f->c[1].controls, 1); /* the watermark */
	f->u.task.mono_ns += 999;
	assert_int_equal(weir_unit_turn(&f->u, 1), 0);
	f->u.task.mono_ns += 1;
	assert_true(weir_unit_turn(&f->u, 1) > 0);
	assert_int_equal(f->c[1].controls, 2);
	f->u.task.mono_ns += 100000;
	assert_int_equal(weir_unit_turn(&f->u, 1), 0);
	f->src.give = 1;
	weir_unit_turn(&f->u, 2);
	assert_int_equal(f->c[1].controls, 3);
	f->u.task.mono_ns += 1000;
	weir_unit_turn(&f->u, 1);
	assert_int_equal(f->c[1].controls, 4);
	stop(f);
}

static void test_unit_idle_from_the_start(void **state)
{
	struct fixture *f = start(1);

	(void)state;
	f->src.s.idle_ns = 1000;
	assert_int_equal(weir_unit_turn(&f->u, 1), 0);
	f->u.task.mono_ns += 1000;
	assert_true(weir_unit_turn(&f->u, 1) > 0);
	assert_int_equal(f->c[1].controls, 1);
	stop(f);
}

/* Turns of 16 batches, `batch_ns` each, for so long. Rows of it; *ret_most: of one turn. */
static uint32_t run_for(struct fixture *f, uint64_t batch_ns, uint64_t ns, uint32_t *ret_most)
{
	uint64_t end = f->u.task.mono_ns + ns;
	uint32_t from = f->c[1].rows;

	*ret_most = 0;
	while (f->u.task.mono_ns < end) {
		uint32_t before = f->c[1].rows, n;

		assert_true(weir_unit_turn(&f->u, 16) >= 0);
		n = f->c[1].rows - before;
		*ret_most = WEIR_MAX(*ret_most, n);
		f->u.task.mono_ns += (n / WEIR_BATCH_ROWS + 1) * batch_ns;
		if (!n && f->u.wait_until_ns > f->u.task.mono_ns)
			f->u.task.mono_ns = f->u.wait_until_ns;
	}
	return f->c[1].rows - from;
}

static void test_unit_brakes_evenly(void **state)
{
	struct fixture *f = start(1);
	uint32_t most, free, braked;

	(void)state;
	f->src.give = UINT32_MAX;
	f->src.per_run = UINT32_MAX;
	f->src.s.timed = false;
	free = run_for(f, 50000, WEIR_NS_PER_S, &most);
	assert_true(most > 4 * WEIR_BATCH_ROWS);
	f->u.brake = 512;
	assert_in_range(run_for(f, 50000, WEIR_NS_PER_S, &most), free * 0.9, free * 1.1);
	/* The pace it had, and twice that at the beginning of the brake. */
	f->u.brake = 768;
	braked = run_for(f, 50000, WEIR_NS_PER_S, &most);
	assert_in_range(braked, free * 0.7, free * 1.1);
	f->u.brake = 992;
	assert_in_range(run_for(f, 50000, WEIR_NS_PER_S, &most), free * 0.05, free * 0.2);
	f->u.brake = 1024;
	assert_int_equal(run_for(f, 50000, WEIR_NS_PER_S, &most), 0);
	f->u.brake = 0;
	assert_in_range(run_for(f, 50000, WEIR_NS_PER_S, &most), free * 0.9, free * 1.1);
	stop(f);
}

static void test_unit_brakes_a_rate(void **state)
{
	struct fixture *f = start(1);
	uint32_t most;

	(void)state;
	f->src.give = UINT32_MAX;
	f->src.per_run = UINT32_MAX;
	f->src.s.timed = false;
	f->src.s.rate = 1000;
	assert_in_range(run_for(f, 10000, 10 * WEIR_NS_PER_S, &most), 9990, 10010);
	f->u.brake = 896;
	assert_in_range(run_for(f, 10000, 10 * WEIR_NS_PER_S, &most), 2490, 2510);
	assert_true(most <= 3);
	f->u.brake = 1024;
	assert_int_equal(run_for(f, 10000, 10 * WEIR_NS_PER_S, &most), 0);
	/* Nothing is made up for. */
	f->u.brake = 0;
	assert_in_range(run_for(f, 10000, 10 * WEIR_NS_PER_S, &most), 9990, 10010);
	assert_true(most <= 6);
	stop(f);
}

/* It does not work, and is not silent of its own will. */
static void test_unit_under_the_brake_is_not_idle(void **state)
{
	struct fixture *f = start(1);

	(void)state;
	f->src.s.idle_ns = 1000;
	f->src.give = 1;
	weir_unit_turn(&f->u, 3);
	assert_int_equal(f->c[1].controls, 1);
	f->src.give = 1;
	f->u.brake = 1024;
	for (uint32_t i = 0; i < 20; i++) {
		f->u.task.mono_ns += 10000000;
		assert_int_equal(weir_unit_turn(&f->u, 4), 0);
		assert_int_equal(f->u.wait_until_ns, f->u.task.mono_ns + WEIR_PACE_NS_MAX);
	}
	assert_int_equal(f->c[1].controls, 1);
	assert_int_equal(f->c[1].rows, 1);
	f->u.brake = 0;
	f->u.task.mono_ns += WEIR_PACE_NS_MAX;
	assert_true(weir_unit_turn(&f->u, 4) > 0);
	assert_int_equal(f->c[1].rows, 2);
	/* One that was idle before stays so. */
	f->u.task.mono_ns += 1000;
	assert_true(weir_unit_turn(&f->u, 1) > 0);
	assert_true(f->src.s.idle);
	f->u.brake = 1024;
	f->u.task.mono_ns += 10000000;
	assert_int_equal(weir_unit_turn(&f->u, 4), 0);
	assert_true(f->src.s.idle);
	/* The end goes through. */
	f->u.stopping = true;
	assert_true(weir_unit_turn(&f->u, 2) > 0);
	assert_true(f->u.done);
	stop(f);
}

static void test_unit_waits_as_the_source_says(void **state)
{
	struct fixture *f = start(1);

	(void)state;
	f->src.s.wait_ns = 500;
	assert_int_equal(weir_unit_turn(&f->u, 4), 0);
	assert_int_equal(f->u.wait_until_ns, f->u.task.mono_ns + 500);
	assert_int_equal(f->src.runs, 1);
	f->src.give = 1;
	f->u.task.mono_ns += 499;
	assert_int_equal(weir_unit_turn(&f->u, 4), 0);
	assert_int_equal(f->src.runs, 1);
	f->u.task.mono_ns += 1;
	assert_true(weir_unit_turn(&f->u, 1) > 0);
	assert_int_equal(f->u.wait_until_ns, 0);
	/* Waiting ends at once when the engine drains. */
	f->u.task.mono_ns += 1;
	weir_unit_turn(&f->u, 1);
	assert_true(f->u.wait_until_ns > 0);
	f->u.stopping = true;
	assert_true(weir_unit_turn(&f->u, 2) > 0);
	assert_true(f->u.done);
	stop(f);
}

static void test_unit_keeps_the_rate(void **state)
{
	struct fixture *f = start(1);
	uint64_t from = f->u.task.mono_ns;
	uint32_t before;

	(void)state;
	f->src.give = UINT32_MAX;
	f->src.s.rate = 1000;
	/* Two seconds in steps of about a millisecond. */
	for (int i = 0; i < 2000; i++) {
		weir_unit_turn(&f->u, 16);
		assert_true(f->u.wait_until_ns > f->u.task.mono_ns);
		assert_true(f->u.wait_until_ns <= f->u.task.mono_ns + 1000001);
		f->u.task.mono_ns += 1000000;
	}
	assert_in_range(f->c[1].rows, 1998, 2000);
	assert_true(f->u.task.mono_ns - from == 2000000000);
	/* A short stall is made up for: */
	before = f->c[1].rows;
	f->u.task.mono_ns += 90000000;
	weir_unit_turn(&f->u, 16);
	assert_in_range(f->c[1].rows - before, 90, 92);
	/* a long one is not: the pace starts anew. */
	before = f->c[1].rows;
	f->u.task.mono_ns += 5000000000;
	weir_unit_turn(&f->u, 16);
	assert_in_range(f->c[1].rows - before, 1, 2);
	/* The count starts anew each minute, and loses nothing much by it. */
	before = f->c[1].rows;
	for (int i = 0; i < 12500; i++) {
		f->u.task.mono_ns += 10000000;
		weir_unit_turn(&f->u, 16);
	}
	assert_in_range(f->c[1].rows - before, 124900, 125001);
	stop(f);
}

static void test_unit_slow_rate_is_no_standstill(void **state)
{
	struct fixture *f = start(1);

	(void)state;
	f->src.give = UINT32_MAX;
	f->src.s.rate = 1;
	for (int i = 0; i < 10001; i++) {
		weir_unit_turn(&f->u, 1);
		f->u.task.mono_ns += 1000000;
	}
	assert_in_range(f->c[1].rows, 9, 10);
	stop(f);
}

static void test_source_watermark_follows_the_times(void **state)
{
	struct weir_source s = {.watermark = WEIR_TIME_MIN, .lateness_ns = 5};

	(void)state;
	weir_source_saw(&s, INT64_MIN + 3); /* below what can be said */
	assert_int_equal(s.watermark, WEIR_TIME_MIN);
	weir_source_saw(&s, INT64_MIN + 5);
	assert_int_equal(s.watermark, WEIR_TIME_MIN);
	weir_source_saw(&s, 100);
	assert_int_equal(s.watermark, 94);
	weir_source_saw(&s, 99);
	assert_int_equal(s.watermark, 94);
}

/* ---- a unit that reads rings ---- */

static void test_unit_with_rings_gives_space_back_only_when_nobody_holds_rows(void **state)
{
	struct fixture *f = start(1);
	struct weir_op_env env = {0};
	struct rig_ring ring;

	(void)state;
	ring_open(&ring, 4096, 128);
	f->u.source = NULL;
	f->u.wait_until_ns = 77;
	assert_int_equal(weir_pass_init(&f->node[0], &env), 0);
	weir_inlet_init(&f->u.inlet, 1, &f->region);
	weir_ring_rx_init(&f->u.inlet.ring[0].rx, ring.block, ring.base);
	assert_int_equal(weir_unit_turn(&f->u, 4), 0);
	assert_int_equal(f->u.wait_until_ns, 0);
	for (int64_t n = 0; n < 20; n++)
		ring_put_row(&ring, 0, n, 0);
	f->c[1].appetite = 5;
	assert_true(weir_unit_turn(&f->u, 4) > 0);
	assert_true(f->u.blocked);
	assert_int_equal(ring.block->head, 0);
	f->c[1].appetite = UINT32_MAX;
	assert_true(weir_unit_turn(&f->u, 4) > 0);
	assert_false(f->u.blocked);
	assert_int_equal(ring.block->head, ring.block->tail);
	ring_put_row(&ring, 0, 20, 0);
	ring_put_ctl(&ring, WEIR_FRAME_EOS, 0);
	/* One batch only: its space is back, and the end is known, but the turn is over. */
	assert_true(weir_unit_turn(&f->u, 1) > 0);
	assert_true(f->u.ended && !f->u.done && f->c[1].eos);
	assert_int_equal(ring.block->head, ring.block->tail);
	weir_unit_turn(&f->u, 1);
	assert_true(f->u.done);
	assert_int_equal(f->c[1].rows, 21);
	ring_close(&ring);
	stop(f);
}

/* A barrier waits for the last batch: one that takes long to get through is followed by smaller ones. */
static void test_unit_batches_shrink_behind_a_slow_reader(void **state)
{
	struct fixture *f = start(1);

	(void)state;
	f->src.give = UINT32_MAX;
	weir_unit_turn(&f->u, 1);
	assert_int_equal(f->src.last_budget, WEIR_BATCH_ROWS);
	for (int i = 0; i < 8; i++) {
		f->c[1].appetite = 0;
		weir_unit_turn(&f->u, 1);
		f->u.task.mono_ns += 30 * (uint64_t)WEIR_NS_PER_MS;
		f->c[1].appetite = f->src.last_budget; /* this one, and not the next */
		weir_unit_turn(&f->u, 1);
	}
	assert_int_equal(f->src.last_budget, 8);
	/* Full for a moment only. */
	f->c[1].appetite = 0;
	weir_unit_turn(&f->u, 1);
	f->u.task.mono_ns += WEIR_NS_PER_MS;
	f->c[1].appetite = UINT32_MAX;
	weir_unit_turn(&f->u, 1);
	assert_true(f->src.last_budget > 8);
	for (int i = 0; i < 6; i++)
		weir_unit_turn(&f->u, 1);
	assert_int_equal(f->src.last_budget, WEIR_BATCH_ROWS);
	stop(f);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_unit_batches_shrink_behind_a_slow_reader),
	cmocka_unit_test(test_unit_source_runs_to_its_end),
	cmocka_unit_test(test_unit_source_stops_when_told),
	cmocka_unit_test(test_unit_passes_errors_on),
	cmocka_unit_test(test_unit_passes_errors_of_readers_on),
	cmocka_unit_test(test_unit_blocked_until_the_reader_takes_everything),
	cmocka_unit_test(test_unit_source_with_ports_that_share_memory),
	cmocka_unit_test(test_unit_watermarks_by_rows_and_by_time),
	cmocka_unit_test(test_unit_untimed_sources_have_no_watermark),
	cmocka_unit_test(test_unit_idle_is_said_once_and_again_after_rows),
	cmocka_unit_test(test_unit_idle_from_the_start),
	cmocka_unit_test(test_unit_waits_as_the_source_says),
	cmocka_unit_test(test_unit_keeps_the_rate),
	cmocka_unit_test(test_unit_slow_rate_is_no_standstill),
	cmocka_unit_test(test_unit_brakes_evenly),
	cmocka_unit_test(test_unit_brakes_a_rate),
	cmocka_unit_test(test_unit_under_the_brake_is_not_idle),
	cmocka_unit_test(test_source_watermark_follows_the_times),
	cmocka_unit_test(test_unit_with_rings_gives_space_back_only_when_nobody_holds_rows),
};

WEIR_TEST_MAIN("unit", tests)
