/* SPDX-License-Identifier: Apache-2.0 */
/* Sinks that stream: starts, base rounds, ends, and how full they are. */
#include "tests/unit/engine/stream_case.h"

/* ---- starts ---- */

static void test_stream_start_goes_on_with_the_outbox(void **state)
{
	(void)state;
	for (uint32_t memory = 60; memory < 100000; memory *= 7) {
		struct ccase *c = begin(3);
		uint32_t before;

		c->opt.stream_memory = memory;
		case_up(c);
		assert_int_equal(c->store[0].resumed, 0);
		assert_int_equal(c->store[0].resumed_bytes, 0);
		feed(c, 100);
		case_arrive(&c->store[0], 7);
		feed(c, 20); /* a bundle says so */
		case_arrive(&c->store[0], 4); /* none says this */
		before = info(c, 0).waiting;
		case_again(c);
		assert_true(info(c, 0).waiting >= before);
		assert_true(c->store[0].resumed <= c->store[0].cursor);
		assert_int_equal(c->store[0].resumed, info(c, 0).cursor);
		assert_int_equal(c->store[0].resumed_bytes, inside(c, 0)->first->bytes);
		assert_true(info(c, 0).memory_bytes <= memory + inside(c, 0)->first->bytes);
		assert_int_equal(case_probed("cell.stream_replay_spills"), memory < 1000);
		check_outbox(c, 0);
		check_outbox(c, 1);
		/* It has more than was known. */
		case_ticks(c, 2);
		assert_int_equal(info(c, 0).cursor, c->store[0].cursor);
		feed(c, 50);
		check_outbox(c, 0);
		drain(c, 0);
		drain(c, 1);
		case_again(c);
		drain(c, 0);
		case_free(c);
	}
}

static void test_stream_that_cannot_resume(void **state)
{
	struct ccase *c = start(1);

	(void)state;
	feed(c, 20);
	case_down(c);
	c->store[0].resume_result = WEIR_E_CONFIG;
	assert_int_equal(case_try_up(c), WEIR_E_CONFIG);
	assert_string_equal(c->err.text, "played lane");
	case_free(c);
}

/* ---- base rounds ---- */

/* The journal is kept for an edge, and one round waits: it is not said again and again. */
static void test_stream_keeps_the_journal(void **state)
{
	struct ccase *c = begin(1);
	uint64_t covered, round, restated;
	struct weir_journal_stats st;

	(void)state;
	c->opt.base_bytes = 100000;
	c->opt.stream_memory = 200;
	case_up(c);
	c->store[0].near = true;
	for (uint32_t i = 0; i < 3000 && c->cell.covered < 20; i++)
		feed(c, 1);
	assert_true(c->cell.covered >= 20);
	c->store[0].near = false;
	feed(c, 200);
	covered = c->cell.covered;
	round = c->cell.round;
	/* Ten times the base: one round at most. */
	for (weir_journal_stats(c->cell.journal, &st); st.bytes_live < 2000000;
	     weir_journal_stats(c->cell.journal, &st)) {
		case_feed(c);
		c->played[c->chain[KEYS].first_task].slot[0]++;
		case_ticks(c, 4);
		assert_true(c->cell.covered < inside(c, 0)->first->epoch);
		check_outbox(c, 0);
	}
	assert_in_range(c->cell.round, round, round + 1);
	assert_true(c->cell.covered - covered < 100);
	restated = c->cell.round;
	/* Confirmed: segments go, and the next round does not wait for the journal to double. */
	drain(c, 0);
	c->store[0].near = true;
	for (uint32_t i = 0; i < 400 && c->cell.round < restated + 2; i++)
		feed(c, 1);
	assert_true(c->cell.round >= restated + 1);
	weir_journal_stats(c->cell.journal, &st);
	assert_true(st.bytes_live < 1000000);
	case_again(c);
	drain(c, 0);
	case_free(c);
}

/* A part is only said again in short. */
static void test_stream_is_said_again_in_short(void **state)
{
	struct ccase *c = begin(1);
	uint64_t said;

	(void)state;
	c->brief = true;
	c->opt.base_bytes = 100000;
	case_up(c);
	feed(c, 30);
	drain(c, 0);
	said = case_task(c, OUT)->rows_all;
	assert_in_range(inside(c, 0)->state.bytes, 10, 10);
	for (uint32_t i = 0; i < 20000 && c->cell.covered < 200; i++) {
		struct played *keys = case_task(c, KEYS);

		c->now.input_rows++;
		case_set(keys, i % SLOTS, i);
		case_tick(c);
	}
	assert_true(c->cell.covered >= 200 && case_probed("cell.sink_restated"));
	for (uint32_t life = 0; life < 3; life++) {
		case_again(c);
		assert_int_equal(case_task(c, OUT)->said, said);
		assert_int_equal(inside(c, 0)->state.bytes, 10);
		assert_int_equal(info(c, 0).waiting, 0);
		assert_true(c->store[0].resumed == c->store[0].cursor);
	}
	feed(c, 20);
	drain(c, 0);
	case_free(c);
}

/* Confirmed, trimmed, and the newest bundle was closed before: what the base left behind is known to be in. */
static void test_stream_trims_what_no_bundle_calls_confirmed(void **state)
{
	(void)state;
	for (uint32_t extra = 0; extra < 30; extra++) {
		struct ccase *c = begin(3);

		case_seen.make = "cell.base_early";
		case_up(c);
		c->store[0].near = c->store[1].near = true;
		for (uint32_t i = 0; i < 2000 && c->cell.covered < 10 + extra % 3; i++)
			feed(c, 1);
		assert_true(c->cell.covered >= 10);
		for (uint32_t i = 0; i < extra; i++)
			extra % 2 ? feed(c, 1) : case_tick(c);
		case_again(c);
		feed(c, 10);
		drain(c, 0);
		drain(c, 1);
		case_free(c);
	}
}

static void test_stream_when_the_disk_is_nearly_full(void **state)
{
	struct ccase *c = begin(1);

	(void)state;
	c->opt.base_bytes = 65536;
	c->opt.space_min = 1 << 20;
	c->d.space = 3 << 20;
	case_up(c);
	for (uint32_t i = 0; i < 5000 && !c->cell.space_low; i++)
		feed(c, 1);
	assert_true(c->cell.space_low && c->cell.hold);
	/* What is there still goes out, and as it is confirmed there is room again. */
	c->store[0].near = true;
	for (uint32_t i = 0; i < 500 && c->cell.space_low; i++) {
		c->now.input_rows++;
		case_tick(c);
	}
	assert_false(c->cell.space_low || c->cell.hold);
	feed(c, 20);
	drain(c, 0);
	case_free(c);
}

/* ---- the end ---- */

static void test_stream_stop_does_not_wait(void **state)
{
	struct ccase *c = start(3);

	(void)state;
	feed(c, 50);
	c->now.stop = true;
	for (uint32_t i = 0; i < 100 && !c->cell.finished; i++)
		case_tick(c);
	assert_true(c->cell.finished && !c->cell.ended);
	assert_true(info(c, 0).waiting > 5);
	case_again(c);
	assert_true(info(c, 0).waiting > 5);
	drain(c, 0);
	drain(c, 1);
	case_free(c);
}

static void end_all(struct ccase *c)
{
	for (uint32_t t = 0; t < c->tasks.task_count; t++)
		c->played[t].end = true;
}

static void test_stream_end_waits_for_all(void **state)
{
	struct ccase *c = start(3);

	(void)state;
	feed(c, 50);
	end_all(c);
	case_ticks(c, 300);
	assert_true(c->cell.ended && !c->cell.finished);
	/* Also after a start; what its sinks could not finish for a while they finish. */
	case_again(c);
	case_ticks(c, 100);
	assert_true(c->cell.ended && !c->cell.finished);
	answer(&c->store[0], WEIR_JOB_FINISH, WEIR_SINK_LATER, 5);
	c->store[1].near = true;
	drain(c, 0);
	for (uint32_t i = 0; i < 100 && !c->cell.finished; i++)
		case_tick(c);
	assert_true(c->cell.finished);
	assert_int_equal(c->store[0].job[WEIR_JOB_FINISH].calls, 6);
	/* The journal says that everything is confirmed: the next start has nothing to do, and no lane is needed. */
	assert_true(case_probed("cell.sealed"));
	case_again(c);
	assert_int_equal(info(c, 0).waiting, 0);
	assert_int_equal(info(c, 1).waiting, 0);
	for (uint32_t i = 0; i < 100 && !c->cell.finished; i++)
		case_tick(c);
	assert_true(c->cell.finished);
	case_free(c);
}

static void test_stream_end_may_be_stopped(void **state)
{
	struct ccase *c = start(1);

	(void)state;
	feed(c, 30);
	end_all(c);
	case_ticks(c, 200);
	assert_true(c->cell.ended && !c->cell.finished);
	c->now.stop = true;
	for (uint32_t i = 0; i < 100 && !c->cell.finished; i++)
		case_tick(c);
	assert_true(c->cell.finished);
	case_again(c);
	drain(c, 0);
	case_free(c);
}

/* ---- how full ---- */

static void test_stream_reaches_back_to_its_sources(void **state)
{
	struct ccase *c = begin(3);
	const uint32_t *reach;

	(void)state;
	c->keys_tasks = 3;
	case_up(c);
	assert_int_equal(c->cell.stream_count, 2);
	assert_int_equal(c->cell.stream[0].sink, 0);
	assert_int_equal(c->cell.stream[0].task, c->chain[OUT].first_task);
	assert_ptr_equal(c->cell.stream[0].node, case_task(c, OUT)->node);
	/* `out` by two ways, `pipe` by none. */
	assert_int_equal(weir_cell_reached(&c->cell, c->chain[SRC].first_task, &reach), 1);
	assert_int_equal(reach[0], 0);
	for (uint32_t t = 1; t < c->tasks.task_count; t++)
		assert_int_equal(weir_cell_reached(&c->cell, t, &reach), 0);
	case_free(c);
}

static void test_stream_fill(void **state)
{
	(void)state;
	assert_int_equal(weir_cell_fill(0, 0, 1000), 0);
	assert_int_equal(weir_cell_fill(250, 250, 1000), 512);
	assert_int_equal(weir_cell_fill(999, 0, 1000), 1022);
	assert_int_equal(weir_cell_fill(999, 1, 1000), 1024);
	assert_int_equal(weir_cell_fill(UINT64_MAX / 2, 0, UINT64_MAX), 511);
	assert_int_equal(weir_cell_fill(5, 0, 0), 1024);
	assert_false(weir_cell_urges(250, 1000));
	assert_true(weir_cell_urges(251, 1000));
}

static uint64_t outstanding(const struct ccase *c)
{
	return inside(c, 0)->waiting_bytes + inside(c, 0)->waiting * (uint64_t)CELL_STREAM_COST +
	       inside(c, 0)->collect.bytes;
}

static void test_stream_limit_follows_the_lane(void **state)
{
	struct ccase *c = begin(1);
	const struct weir_cell_stream *x;
	uint64_t last;

	(void)state;
	c->store[0].flow = (struct weir_sink_flow){true, 4000, 50000};
	case_up(c);
	x = &c->cell.stream[0];
	/* Nothing is outstanding: the buffer is the limit from the start. */
	assert_int_equal(x->limit, 4000);
	feed(c, 20);
	assert_int_equal(x->limit, 4000);
	/* The lane closes. */
	c->store[0].flow.open = false;
	feed(c, 200);
	assert_int_equal(x->limit, 50000);
	assert_int_equal(x->outstanding, outstanding(c));
	assert_true(x->outstanding > 20000);
	assert_false(c->cell.hold); /* other sources go on */
	/* It opens: the limit goes down with the backlog, never up. */
	c->store[0].flow.open = true;
	case_ticks(c, 3);
	assert_int_equal(x->limit, x->outstanding + 2000);
	last = x->limit;
	while (info(c, 0).waiting) {
		case_arrive(&c->store[0], 1);
		if (info(c, 0).waiting % 3 == 0)
			case_feed(c);
		case_tick(c);
		assert_true(x->limit <= last && x->limit >= 4000);
		assert_true(x->limit >= WEIR_MIN(x->outstanding, last));
		last = x->limit;
	}
	assert_int_equal(x->limit, 4000);
	case_free(c);
}

/* Epochs that are not through yet count: also while they are aligned, folded, collected. */
static void test_stream_outstanding_counts_folded_output(void **state)
{
	struct ccase *c = begin(1);

	(void)state;
	case_seen.make = "cell.fold";
	case_up(c);
	for (uint32_t i = 0; i < 100 && !c->cell.folded; i++)
		feed(c, 1);
	assert_true(c->cell.folded);
	case_tick(c);
	assert_true(inside(c, 0)->collect.bytes > 0);
	assert_int_equal(c->cell.stream[0].outstanding, outstanding(c));
	case_seen.make = NULL;
	case_ticks(c, 20);
	drain(c, 0);
	case_free(c);
}

/* An epoch in which an edge has collected much ends early: nothing goes out before it ends. */
static void test_stream_urge_ends_the_epoch(void **state)
{
	struct ccase *c = begin(1);
	uint64_t open;

	(void)state;
	c->opt.epoch_ns = 3600 * (uint64_t)WEIR_NS_PER_S;
	case_up(c);
	case_feed(c);
	case_ticks(c, 100);
	open = c->cell.open;
	case_ticks(c, 100);
	assert_int_equal(c->cell.open, open);
	c->now.urge = true;
	case_tick(c);
	c->now.urge = false;
	assert_int_equal(c->cell.open, open + 1);
	case_ticks(c, 5);
	assert_int_equal(c->cell.durable, open + 1);
	drain(c, 0);
	case_free(c);
}

/* Edges that are far behind hold nobody but their own sources. */
static void test_stream_far_behind_holds_nobody_else(void **state)
{
	struct ccase *c = begin(1);

	(void)state;
	c->opt.epoch_bytes = 50;
	case_up(c);
	answer(&c->store[0], WEIR_JOB_APPLY, WEIR_SINK_LATER, UINT32_MAX);
	for (uint32_t i = 0; i < 600; i++) {
		case_feed(c);
		case_ticks(c, 2);
	}
	assert_true(info(c, 0).waiting > CELL_WAITING_MAX);
	assert_true(info(c, 0).waiting_bytes > 4 * 50);
	assert_true(c->store[1].n > 1000);
	assert_int_equal(info(c, 1).waiting, 0);
	c->store[0].job[WEIR_JOB_APPLY].times = 0;
	drain(c, 0);
	case_free(c);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_stream_start_goes_on_with_the_outbox),
	cmocka_unit_test(test_stream_that_cannot_resume),
	cmocka_unit_test(test_stream_keeps_the_journal),
	cmocka_unit_test(test_stream_is_said_again_in_short),
	cmocka_unit_test(test_stream_trims_what_no_bundle_calls_confirmed),
	cmocka_unit_test(test_stream_when_the_disk_is_nearly_full),
	cmocka_unit_test(test_stream_stop_does_not_wait),
	cmocka_unit_test(test_stream_end_waits_for_all),
	cmocka_unit_test(test_stream_end_may_be_stopped),
	cmocka_unit_test(test_stream_reaches_back_to_its_sources),
	cmocka_unit_test(test_stream_fill),
	cmocka_unit_test(test_stream_limit_follows_the_lane),
	cmocka_unit_test(test_stream_outstanding_counts_folded_output),
	cmocka_unit_test(test_stream_urge_ends_the_epoch),
	cmocka_unit_test(test_stream_far_behind_holds_nobody_else),
};

WEIR_TEST_MAIN("cell stream life", tests)
