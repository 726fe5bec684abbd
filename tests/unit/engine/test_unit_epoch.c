/* SPDX-License-Identifier: Apache-2.0 */
/* Barriers through a task: freeze, encode in pieces, touch, hand over, the last report, restore. */
#include "engine/core/cell.h"
#include "engine/core/freeze.h"
#include "engine/core/unit.h"
#include "tests/unit/engine/task_rig.h"

/* A source that gives rows when it is told to, and a step and a sink that count them. */
struct counted {
	struct weir_source s; /* of the source */
	uint32_t give;
	int64_t n;
	/* state */
	uint64_t rows, frozen_rows;
	uint32_t freezes, touches, begins, settles;
	uint32_t pieces, left; /* encode() and touch() need so many calls */
	uint32_t touch_pieces, touch_left;
	uint64_t epoch; /* task->epoch at the freeze */
	int64_t held_n; /* largest row at the freeze */
};

struct fixture {
	struct weir_region region;
	struct weir_unit u;
	struct weir_node node[4];
	struct counted op[4];
	struct rig_ring ring[2];
	struct weir_report report;
};

static int source_run(struct weir_node *n)
{
	struct counted *o = n->op;
	struct weir_port *p = &n->port[0];
	uint32_t done = 0;

	p->scratch_used = 0;
	while (o->give && done < o->s.budget && weir_port_room(p)) {
		struct weir_frame *f = row_build(p->scratch + p->scratch_used, 0, o->n, 0, 0, 0);

		p->scratch_used += weir_frame_stride(f);
		weir_port_push(p, f);
		weir_source_saw(&o->s, f->time_ns);
		o->n++;
		o->rows++;
		o->s.rows++;
		o->give--;
		done++;
	}
	return done > 0;
}

static int step_run(struct weir_node *n)
{
	struct counted *o = n->op;
	struct weir_batch *in = &n->in;
	uint32_t k = WEIR_MIN(in->count - in->pos, weir_port_room(&n->port[0]));
	int progress = k > 0;

	weir_port_push_rows(&n->port[0], in->row + in->pos, k);
	in->pos += k;
	o->rows += k;
	if (in->pos == in->count && in->ctl.kind && weir_node_forward_ctl(n))
		progress = 1;
	return progress;
}

/* Takes `give` rows in all; forwards nothing, so it freezes itself. */
static int end_run(struct weir_node *n)
{
	struct counted *o = n->op;
	struct weir_batch *in = &n->in;
	uint32_t k = WEIR_MIN(in->count - in->pos, o->give);

	in->pos += k;
	o->give -= k;
	o->rows += k;
	if (in->pos < in->count || !in->ctl.kind)
		return k > 0;
	if (in->ctl.kind == WEIR_FRAME_BARRIER)
		weir_node_freeze(n);
	if (in->ctl.kind == WEIR_FRAME_WATERMARK)
		n->watermark = in->ctl.value;
	in->ctl.kind = 0;
	return 1;
}

static void counted_freeze(struct weir_node *n, struct weir_out *o)
{
	struct counted *c = n->op;

	assert_ptr_equal(o, n->part);
	c->freezes++;
	c->frozen_rows = c->rows;
	c->epoch = n->task->epoch;
	c->left = c->pieces;
	weir_out_u64(o, c->rows);
}

static bool counted_encode(struct weir_node *n, struct weir_out *o, size_t budget)
{
	struct counted *c = n->op;

	assert_true(budget > 0);
	if (c->left) {
		c->left--;
		weir_out_u8(o, 'p');
	}
	return c->left == 0;
}

static bool counted_touch(struct weir_node *n, bool begin, size_t budget)
{
	struct counted *c = n->op;

	assert_true(budget > 0);
	c->touches++;
	c->begins += begin;
	if (begin)
		c->touch_left = c->touch_pieces;
	if (c->touch_left)
		c->touch_left--;
	return c->touch_left == 0;
}

static void source_settled(struct weir_node *n)
{
	struct counted *c = n->op;

	c->settles++;
}

static const struct weir_state_ops whole_ops = {.freeze = counted_freeze};
static const struct weir_state_ops piece_ops = {
	.freeze = counted_freeze, .encode = counted_encode, .touch = counted_touch};
static const struct weir_sink_ops sink_ops = {.best = WEIR_GUARANTEE_EXACTLY_ONCE};
static const struct weir_op_class source_class = {.name = "source",
						  .run = source_run,
						  .settled = source_settled,
						  .source = true,
						  .state = &whole_ops};
static const struct weir_op_class step_class = {
	.name = "step", .run = step_run, .state = &piece_ops};
static const struct weir_op_class plain_class = {.name = "plain", .run = step_run};
static const struct weir_op_class sink_class = {
	.name = "sink", .run = end_run, .state = &piece_ops, .sink = &sink_ops};

/* source (or rings) -> step -> plain -> sink */
static struct fixture *start(bool rings)
{
	static const struct weir_op_class *const cls[] = {&source_class, &step_class, &plain_class,
							  &sink_class};
	static const char *const name[] = {"src", "step", "", "sink"};
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	weir_region_init(&f->region, &weir_test_mem);
	f->u.task.mem = &weir_test_mem;
	f->u.task.record_max = 1024;
	f->u.task.node = f->node;
	f->u.task.node_count = 4;
	f->u.task.mono_ns = 1000000000;
	f->u.inlet.watermark = WEIR_TIME_MIN;
	for (uint32_t i = 0; i < 4; i++) {
		node_init(&f->node[i], &f->u.task, name[i]);
		f->node[i].step = 10 + i;
		f->node[i].cls = rings && i == 0 ? &plain_class : cls[i];
		f->node[i].op = &f->op[i];
		if (i < 3)
			node_ports(&f->node[i], &f->region, 1, &f->node[i + 1], 300 * 1024);
		f->op[i].give = i == 3 ? UINT32_MAX : 0;
	}
	f->op[0].s.watermark = WEIR_TIME_MIN;
	if (rings) {
		weir_inlet_init(&f->u.inlet, 2, &f->region);
		for (uint32_t i = 0; i < 2; i++) {
			ring_open(&f->ring[i], 4096, 256);
			weir_ring_rx_init(&f->u.inlet.ring[i].rx, f->ring[i].block,
					  f->ring[i].base);
		}
	} else {
		f->u.source = &f->op[0].s;
	}
	return f;
}

static struct fixture *start_epochs(bool rings)
{
	struct fixture *f = start(rings);

	weir_unit_epochs(&f->u, &f->region, &weir_test_mem);
	return f;
}

static void drop(struct fixture *f)
{
	for (uint32_t i = 0; i < f->report.part_count; i++)
		weir_out_fini(&f->report.part[i].out);
	f->report.part_count = 0;
}

static void stop(struct fixture *f)
{
	drop(f);
	for (uint32_t i = 0; f->u.part && i < 4; i++)
		weir_out_fini(&f->u.part[i]);
	if (f->u.own.mem)
		weir_out_fini(&f->u.own);
	for (uint32_t i = 0; i < 2; i++)
		if (f->ring[i].block)
			ring_close(&f->ring[i]);
	weir_region_fini(&f->region);
	free(f);
}

static void take(struct fixture *f)
{
	drop(f);
	assert_true(weir_unit_take(&f->u, &f->report));
	assert_int_equal(f->u.phase, WEIR_FREEZE_NONE);
	assert_false(weir_unit_take(&f->u, &f->report));
}

static uint64_t part_u64(const struct fixture *f, uint32_t i)
{
	uint64_t v;

	assert_true(f->report.part[i].out.bytes >= 8);
	memcpy(&v, f->report.part[i].out.first->data, 8);
	return v;
}

/* ---- barriers ---- */

static void test_unit_barrier_of_a_source(void **state)
{
	struct fixture *f = start_epochs(false);

	(void)state;
	f->op[1].pieces = 3;
	f->op[0].give = 5;
	weir_unit_turn(&f->u, 4);
	f->u.barrier_want = 1;
	f->op[0].give = 7;
	/* The barrier comes before the rows that are ready. */
	assert_true(weir_unit_turn(&f->u, 1) > 0);
	assert_int_equal(f->u.epoch, 1);
	assert_int_equal(f->op[0].frozen_rows, 5);
	assert_int_equal(f->op[1].epoch, 1);
	assert_int_equal(f->u.phase, WEIR_FREEZE_ENCODE);
	assert_false(weir_unit_take(&f->u, &f->report));
	/* It goes on with rows while the rest is written, a piece per turn. */
	weir_unit_turn(&f->u, 4);
	assert_int_equal(f->op[3].rows, 12);
	weir_unit_turn(&f->u, 4);
	assert_int_equal(f->u.phase, WEIR_FREEZE_READY);
	weir_unit_turn(&f->u, 4);
	take(f);
	assert_int_equal(f->report.epoch, 1);
	assert_false(f->report.final);
	assert_int_equal(f->report.part_count, 4);
	assert_int_equal(f->report.part[0].kind, WEIR_PART_TASK);
	assert_int_equal(f->report.part[0].step, 10);
	assert_int_equal(f->report.part[1].kind, WEIR_PART_NODE);
	assert_int_equal(f->report.part[1].step, 10);
	assert_int_equal(f->report.part[2].step, 11);
	assert_int_equal(f->report.part[2].out.bytes, 8 + 3);
	assert_int_equal(f->report.part[3].kind, WEIR_PART_SINK);
	assert_int_equal(f->report.part[3].step, 13);
	for (uint32_t i = 1; i < 4; i++)
		assert_int_equal(part_u64(f, i), 5); /* I3 */
	/* Asked once. */
	weir_unit_turn(&f->u, 4);
	assert_int_equal(f->op[0].freezes, 1);
	f->u.barrier_want = 2;
	for (uint32_t i = 0; i < 4; i++)
		weir_unit_turn(&f->u, 4);
	take(f);
	assert_int_equal(f->report.epoch, 2);
	assert_int_equal(part_u64(f, 3), 12);
	stop(f);
}

static void test_unit_barrier_of_a_source_on_hold(void **state)
{
	struct fixture *f = start_epochs(false);

	(void)state;
	f->u.hold = true;
	f->op[0].give = 5;
	f->op[0].s.ended = true;
	assert_int_equal(weir_unit_turn(&f->u, 4), 0);
	assert_int_equal(f->op[0].rows, 0);
	f->u.barrier_want = 1;
	weir_unit_turn(&f->u, 4);
	take(f);
	/* Neither rows nor the end until it is over. */
	assert_false(f->u.ended);
	/* But those who wait for it hear what is durable, once. */
	f->u.durable = 1;
	weir_unit_turn(&f->u, 4);
	weir_unit_turn(&f->u, 4);
	assert_int_equal(f->op[0].s.durable, 1);
	assert_int_equal(f->op[0].settles, 1);
	assert_int_equal(f->op[0].rows, 0);
	f->u.hold = false;
	f->op[0].s.ended = false;
	weir_unit_turn(&f->u, 4);
	assert_int_equal(f->op[0].rows, 5);
	assert_int_equal(f->op[0].settles, 1);
	stop(f);
}

static void test_unit_barrier_waits_behind_rows_that_are_stuck(void **state)
{
	struct fixture *f = start_epochs(false);

	(void)state;
	f->op[0].give = 10;
	f->op[3].give = 4;
	weir_unit_turn(&f->u, 4);
	assert_true(f->u.blocked);
	f->u.barrier_want = 1;
	assert_int_equal(weir_unit_turn(&f->u, 4), 0);
	assert_int_equal(f->u.phase, WEIR_FREEZE_NONE);
	f->op[3].give = UINT32_MAX;
	weir_unit_turn(&f->u, 4);
	take(f);
	assert_int_equal(part_u64(f, 3), 10);
	stop(f);
}

static void test_unit_barrier_that_is_stuck_itself(void **state)
{
	struct fixture *f = start_epochs(true);

	(void)state;
	/* The rows before it are stuck in the sink, in the same batch. */
	for (int64_t n = 0; n < 6; n++)
		ring_put_row(&f->ring[0], 0, n, 0);
	assert_true(weir_ring_put_control(&f->ring[1].tx, WEIR_FRAME_BARRIER, 1, 0));
	weir_ring_publish(&f->ring[1].tx);
	assert_true(weir_ring_put_control(&f->ring[0].tx, WEIR_FRAME_BARRIER, 1, 0));
	weir_ring_publish(&f->ring[0].tx);
	ring_put_row(&f->ring[1], 1, 100, 0);
	f->op[3].give = 2;
	f->u.round_want = 1;
	f->u.touch_bytes = 1 << 20;
	weir_unit_turn(&f->u, 4);
	assert_true(f->u.blocked);
	f->op[3].give = 4;
	weir_unit_turn(&f->u, 1);
	/* On its way or through: rows behind it come later. */
	f->op[3].give = UINT32_MAX;
	for (uint32_t i = 0; i < 4; i++)
		weir_unit_turn(&f->u, 4);
	take(f);
	assert_int_equal(part_u64(f, 1), 6);
	assert_int_equal(part_u64(f, 2), 6);
	assert_int_equal(f->op[3].rows, 7);
	stop(f);
}

static void test_unit_without_epochs_ignores_barriers_that_are_due(void **state)
{
	struct fixture *f = start(false);

	(void)state;
	f->u.barrier_want = 7;
	f->op[0].give = 3;
	weir_unit_turn(&f->u, 4);
	assert_int_equal(f->op[3].rows, 3);
	assert_int_equal(f->op[0].freezes, 0);
	f->op[0].s.ended = true;
	weir_unit_turn(&f->u, 4);
	assert_true(f->u.done);
	stop(f);
}

/* ---- the end ---- */

static void test_unit_end_is_the_last_report(void **state)
{
	struct fixture *f = start_epochs(false);

	(void)state;
	f->op[1].pieces = 2;
	f->u.barrier_want = 1;
	for (uint32_t i = 0; i < 4; i++)
		weir_unit_turn(&f->u, 4);
	/* Not taken yet: the end waits, rows do not. */
	f->op[0].give = 3;
	weir_unit_turn(&f->u, 4);
	f->op[0].s.ended = true;
	weir_unit_turn(&f->u, 4);
	assert_true(f->u.passed && !f->u.done && !f->u.final);
	take(f);
	assert_int_equal(f->report.epoch, 1);
	/* It was frozen before the end: no base may count it as touched. */
	assert_int_equal(f->report.round, 0);
	assert_false(f->report.final || f->u.done);
	assert_int_equal(part_u64(f, 3), 0);
	for (uint32_t i = 0; i < 4; i++)
		weir_unit_turn(&f->u, 4);
	assert_false(f->u.done);
	take(f);
	assert_true(f->report.final && f->u.done);
	assert_int_equal(f->report.epoch, 2);
	assert_true(f->report.round == UINT64_MAX);
	assert_int_equal(part_u64(f, 3), 3);
	assert_int_equal(weir_unit_turn(&f->u, 4), 0);
	stop(f);
}

static void test_unit_end_of_the_rings(void **state)
{
	struct fixture *f = start_epochs(true);

	(void)state;
	assert_true(weir_ring_put_control(&f->ring[0].tx, WEIR_FRAME_BARRIER, 1, 0));
	weir_ring_publish(&f->ring[0].tx);
	ring_put_row(&f->ring[1], 1, 1, 0);
	ring_put_ctl(&f->ring[1], WEIR_FRAME_EOS, 0);
	for (uint32_t i = 0; i < 4; i++)
		weir_unit_turn(&f->u, 4);
	take(f);
	assert_int_equal(f->report.epoch, 1);
	assert_int_equal(part_u64(f, 1), 1);
	ring_put_ctl(&f->ring[0], WEIR_FRAME_EOS, 0);
	for (uint32_t i = 0; i < 4; i++)
		weir_unit_turn(&f->u, 4);
	take(f);
	assert_true(f->report.final && f->report.epoch == 2);
	stop(f);
}

/* ---- base rounds ---- */

static void test_unit_base_round_in_pieces(void **state)
{
	struct fixture *f = start_epochs(false);

	(void)state;
	f->op[1].touch_pieces = 3;
	f->op[3].touch_pieces = 2;
	f->u.round_want = 1;
	/* Before the first barrier there is no allowance. */
	f->u.touch_bytes = 64 << 10; /* two pieces per epoch */
	weir_unit_turn(&f->u, 4);
	assert_int_equal(f->op[1].touches, 0);
	for (uint64_t epoch = 1; epoch <= 4; epoch++) {
		f->u.barrier_want = epoch;
		for (uint32_t i = 0; i < 8; i++)
			weir_unit_turn(&f->u, 4);
		take(f);
		if (epoch == 1)
			assert_int_equal(f->op[1].touches, 2);
		/* Through in epoch 2: the first report that holds all of it is that of 3. */
		assert_int_equal(f->report.round, epoch >= 3);
	}
	assert_int_equal(f->op[1].begins, 1);
	assert_int_equal(f->op[3].begins, 1);
	assert_int_equal(f->op[1].touches, 3);
	assert_int_equal(f->op[3].touches, 2);
	/* The next one begins anew. */
	f->u.round_want = 2;
	f->u.touch_bytes = 1 << 20;
	for (uint64_t epoch = 5; epoch <= 7; epoch++) {
		f->u.barrier_want = epoch;
		for (uint32_t i = 0; i < 8; i++)
			weir_unit_turn(&f->u, 4);
		take(f);
	}
	assert_int_equal(f->report.round, 2);
	assert_int_equal(f->op[1].begins, 2);
	stop(f);
}

/* ---- restore ---- */

static struct weir_restore how(const struct weir_report *r, uint8_t *copy, const int32_t *now,
			       uint64_t epoch)
{
	weir_out_copy(&r->part[0].out, copy);
	return (struct weir_restore){.in = weir_reader_of(copy, (size_t)r->part[0].out.bytes),
				     .instances_then = 1,
				     .instances = 1,
				     .epoch = epoch,
				     .step_now = now,
				     .step_count = 20};
}

static void steps(int32_t *now)
{
	for (int32_t i = 0; i < 20; i++)
		now[i] = i;
}

/* A task with rings at 30 and 40, and a sink that has seen 30. */
static struct fixture *with_watermarks(void)
{
	struct fixture *f = start_epochs(true);

	ring_put_ctl(&f->ring[0], WEIR_FRAME_WATERMARK, 30);
	ring_put_ctl(&f->ring[1], WEIR_FRAME_WATERMARK, 40);
	weir_unit_turn(&f->u, 4);
	assert_int_equal(f->node[3].watermark, 30);
	for (uint32_t i = 0; i < 2; i++) {
		assert_true(weir_ring_put_control(&f->ring[i].tx, WEIR_FRAME_BARRIER, 1, 0));
		weir_ring_publish(&f->ring[i].tx);
	}
	for (uint32_t i = 0; i < 4; i++)
		weir_unit_turn(&f->u, 4);
	take(f);
	return f;
}

static void test_unit_restore_of_watermarks(void **state)
{
	struct fixture *f = with_watermarks(), *g = start_epochs(true);
	uint8_t copy[1024];
	int32_t now[20];
	struct weir_restore r;

	(void)state;
	steps(now);
	r = how(&f->report, copy, now, 1);
	assert_int_equal(weir_unit_restore(&g->u, &r), 0);
	assert_int_equal(g->u.inlet.watermark, 30);
	assert_int_equal(g->u.inlet.ring[0].watermark, 30);
	assert_int_equal(g->u.inlet.ring[1].watermark, 40);
	assert_int_equal(g->node[0].watermark, 30);
	assert_int_equal(g->node[1].watermark, 30);
	assert_int_equal(g->node[3].watermark, 30);
	assert_int_equal(g->node[2].watermark, WEIR_TIME_MIN); /* an outlet: no step */
	stop(g);
	/* Steps that have other numbers now, or are gone. */
	g = start_epochs(true);
	now[11] = 13;
	now[13] = -1;
	now[10] = -1;
	r = how(&f->report, copy, now, 1);
	assert_int_equal(weir_unit_restore(&g->u, &r), 0);
	assert_int_equal(g->node[0].watermark, WEIR_TIME_MIN);
	assert_int_equal(g->node[3].watermark, 30);
	stop(g);
	stop(f);
}

static void part_by_hand(struct weir_out *o, int64_t inlet, uint32_t rings, int64_t step)
{
	weir_out_init(o, &weir_test_mem);
	weir_out_varint(o, rings);
	weir_out_i64(o, inlet);
	for (uint32_t i = 0; i < rings; i++)
		weir_out_i64(o, inlet + 5);
	weir_out_varint(o, 11);
	weir_out_i64(o, step);
}

/* Of several tasks: the lowest of an epoch, and the next epoch replaces it. */
static void test_unit_restore_of_several_tasks(void **state)
{
	static const struct {
		uint64_t epoch;
		int64_t watermark, want;
	} c[] = {{1, 30, 30}, {1, 20, 20}, {1, 25, 20}, {2, 50, 50}, {2, 60, 50}};
	struct fixture *g = start_epochs(true);
	uint8_t copy[1024];
	int32_t now[20];

	(void)state;
	steps(now);
	for (uint32_t i = 0; i < WEIR_COUNT_OF(c); i++) {
		struct weir_report rep = {.part_count = 1};
		struct weir_restore r;

		part_by_hand(&rep.part[0].out, c[i].watermark, 2, c[i].watermark);
		r = how(&rep, copy, now, c[i].epoch);
		r.instances_then = 3;
		assert_int_equal(weir_unit_restore(&g->u, &r), 0);
		assert_int_equal(g->u.inlet.watermark, c[i].want);
		assert_int_equal(g->u.inlet.ring[0].watermark, c[i].want);
		assert_int_equal(g->u.inlet.ring[1].watermark, c[i].want);
		assert_int_equal(g->node[1].watermark, c[i].want);
		weir_out_fini(&rep.part[0].out);
	}
	/* Another number of rings: all are where the task was. */
	{
		struct weir_report rep = {.part_count = 1};
		struct weir_restore r;

		part_by_hand(&rep.part[0].out, 70, 3, 70);
		r = how(&rep, copy, now, 3);
		assert_int_equal(weir_unit_restore(&g->u, &r), 0);
		assert_int_equal(g->u.inlet.ring[1].watermark, 70);
		weir_out_fini(&rep.part[0].out);
	}
	stop(g);
}

static void test_unit_restore_of_damage(void **state)
{
	struct fixture *f = with_watermarks();
	size_t n = (size_t)f->report.part[0].out.bytes;
	uint8_t copy[1024];
	int32_t now[20];
	uint32_t good = 0;

	(void)state;
	steps(now);
	for (size_t k = 0; k < n; k++) {
		struct fixture *g = start_epochs(true);
		struct weir_restore r = how(&f->report, copy, now, 1);
		uint8_t *exact = malloc(k + !k);
		int e;

		memcpy(exact, copy, k);
		r.in = weir_reader_of(exact, k);
		e = weir_unit_restore(&g->u, &r);
		assert_true(e == 0 || e == WEIR_E_CORRUPT);
		good += e == 0;
		free(exact);
		stop(g);
	}
	assert_int_equal(good, 3); /* where a step ends */
	{
		struct fixture *g = start_epochs(true);
		struct weir_restore r = how(&f->report, copy, now, 1);

		r.step_count = 13;
		assert_int_equal(weir_unit_restore(&g->u, &r), WEIR_E_CORRUPT);
		/* As many rings as a number can say. */
		memset(copy, 0xff, 9);
		copy[9] = 1;
		r = (struct weir_restore){.in = weir_reader_of(copy, n),
					  .step_now = now,
					  .step_count = 20,
					  .instances = 1,
					  .instances_then = 1};
		assert_int_equal(weir_unit_restore(&g->u, &r), WEIR_E_CORRUPT);
		stop(g);
	}
	stop(f);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_unit_barrier_of_a_source),
	cmocka_unit_test(test_unit_barrier_of_a_source_on_hold),
	cmocka_unit_test(test_unit_barrier_waits_behind_rows_that_are_stuck),
	cmocka_unit_test(test_unit_barrier_that_is_stuck_itself),
	cmocka_unit_test(test_unit_without_epochs_ignores_barriers_that_are_due),
	cmocka_unit_test(test_unit_end_is_the_last_report),
	cmocka_unit_test(test_unit_end_of_the_rings),
	cmocka_unit_test(test_unit_base_round_in_pieces),
	cmocka_unit_test(test_unit_restore_of_watermarks),
	cmocka_unit_test(test_unit_restore_of_several_tasks),
	cmocka_unit_test(test_unit_restore_of_damage),
};

WEIR_TEST_MAIN("unit epoch", tests)
