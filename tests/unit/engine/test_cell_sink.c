/* SPDX-License-Identifier: Apache-2.0 */
/* Outboxes: prepare, release, apply, unknown outcomes, cursors. */
#include "tests/unit/engine/cell_case.h"

static const struct weir_hooks hooks = {.probe = case_on_probe, .buggify = case_on_buggify};

static struct ccase *start(void)
{
	struct ccase *c = case_new();

	weir_hooks = &hooks;
	case_up(c);
	return c;
}

static struct weir_cell_sink_info info(struct ccase *c, uint32_t i)
{
	struct weir_cell_sink_info ret;

	weir_cell_sink_info(&c->cell, i, &ret);
	return ret;
}

static void test_sink_names_of_guarantees(void **state)
{
	(void)state;
	assert_string_equal(weir_guarantee_name(WEIR_GUARANTEE_NONE), "none");
	assert_string_equal(weir_guarantee_name(WEIR_GUARANTEE_AT_LEAST_ONCE), "at_least_once");
	assert_string_equal(weir_guarantee_name(WEIR_GUARANTEE_EXACTLY_ONCE), "exactly_once");
	assert_string_equal(weir_guarantee_name(0), "?");
	assert_string_equal(weir_guarantee_name(77), "?");
}

static void test_sink_is_prepared_before_the_append(void **state)
{
	struct ccase *c = start();

	(void)state;
	c->no_sinks = true;
	case_feed(c);
	case_ticks(c, 60);
	/* Aligned, and the journal has nothing: `out` has not said that its part is durable. */
	assert_true(c->cell.aligned >= 1);
	assert_int_equal(c->cell.durable, 0);
	assert_int_equal(c->cell.bundle_bytes, 0);
	assert_true(weir_journal_idle(c->cell.journal));
	c->no_sinks = false;
	case_ticks(c, 10);
	assert_true(c->cell.durable >= 1);
	case_free(c);
}

static void test_sink_gets_nothing_before_it_is_durable(void **state)
{
	struct ccase *c = start();

	(void)state;
	c->no_disk = true;
	for (uint32_t i = 0; i < 100; i++) {
		case_feed(c);
		case_tick(c);
	}
	assert_true(c->store[0].job[WEIR_JOB_PREPARE].calls > 0);
	assert_int_equal(c->store[0].job[WEIR_JOB_APPLY].calls, 0);
	assert_int_equal(c->store[1].job[WEIR_JOB_APPLY].calls, 0);
	assert_int_equal(info(c, 0).waiting, c->cell.aligned);
	assert_true(info(c, 0).waiting_bytes > 0);
	c->no_disk = false;
	/* One after the other, as they become durable. */
	while (info(c, 0).waiting) {
		case_tick(c);
		assert_true(info(c, 0).cursor <= c->cell.durable);
	}
	assert_int_equal(info(c, 0).waiting_bytes, 0);
	assert_int_equal(info(c, 0).cursor, c->store[0].cursor);
	assert_int_equal(info(c, 0).step, OUT);
	assert_int_equal(info(c, 1).step, PIPE);
	assert_int_equal(info(c, 1).task, 0);
	case_free(c);
}

static void test_sink_epochs_without_output_are_no_work(void **state)
{
	struct ccase *c = start();
	uint32_t calls;

	(void)state;
	case_feed(c);
	case_settle(c);
	calls = c->store[0].job[WEIR_JOB_APPLY].calls;
	for (uint32_t i = 0; i < 100; i++) {
		c->now.input_rows++;
		case_tick(c);
	}
	assert_true(c->cell.durable > calls + 3);
	assert_int_equal(c->store[0].job[WEIR_JOB_APPLY].calls, calls);
	/* The next output names the last epoch with output as its predecessor: the store checks it. */
	case_feed(c);
	case_settle(c);
	assert_int_equal(c->store[0].job[WEIR_JOB_APPLY].calls, calls + 1);
	case_free(c);
}

static void answer(struct store *s, enum weir_job_kind kind, int result, uint32_t times)
{
	s->job[kind].result = result;
	s->job[kind].times = times;
	s->job[kind].calls = 0;
}

static void test_unknown_outcome_that_did_happen(void **state)
{
	struct ccase *c = start();

	(void)state;
	answer(&c->store[0], WEIR_JOB_APPLY, WEIR_SINK_UNKNOWN, 1);
	c->store[0].lands = true;
	case_feed(c);
	while (!info(c, 0).unknown)
		case_tick(c);
	/* In the store, not yet known: it is not applied again. */
	assert_true(c->store[0].n > 0);
	assert_int_equal(info(c, 0).waiting, 1);
	case_settle(c);
	assert_false(info(c, 0).unknown);
	assert_int_equal(c->store[0].job[WEIR_JOB_APPLY].calls, 1);
	assert_int_equal(c->store[0].job[WEIR_JOB_CURSOR].calls, 1);
	assert_true(case_probed("cell.unknown_outcome") && case_probed("cell.unknown_was_applied"));
	case_free(c);
}

static void test_unknown_outcome_that_did_not_happen(void **state)
{
	struct ccase *c = start();

	(void)state;
	answer(&c->store[0], WEIR_JOB_APPLY, WEIR_SINK_UNKNOWN, 3);
	case_feed(c);
	case_settle(c);
	assert_int_equal(c->store[0].job[WEIR_JOB_APPLY].calls, 4);
	assert_int_equal(c->store[0].job[WEIR_JOB_CURSOR].calls, 3);
	assert_true(case_probed("cell.unknown_was_not_applied"));
	case_feed(c);
	case_settle(c);
	case_free(c);
}

static void test_unknown_is_asked_more_and_more_rarely(void **state)
{
	struct ccase *c = start();
	uint32_t calls;

	(void)state;
	answer(&c->store[0], WEIR_JOB_APPLY, WEIR_SINK_UNKNOWN, 1);
	answer(&c->store[0], WEIR_JOB_CURSOR, WEIR_SINK_UNKNOWN, UINT32_MAX);
	c->store[0].lands = true;
	case_feed(c);
	case_ticks(c, 1000);
	assert_true(info(c, 0).unknown);
	calls = c->store[0].job[WEIR_JOB_CURSOR].calls;
	/* 20, 40, 80 ... 1280 ms, then every two seconds. */
	assert_in_range(calls, 10, 14);
	case_ticks(c, 1000);
	assert_in_range(c->store[0].job[WEIR_JOB_CURSOR].calls - calls, 4, 6);
	assert_int_equal(c->store[0].job[WEIR_JOB_APPLY].calls, 1);
	c->store[0].job[WEIR_JOB_CURSOR].times = 0;
	case_ticks(c, 210);
	assert_int_equal(info(c, 0).waiting, 0);
	case_free(c);
}

static void test_unknown_prepare_is_tried_again(void **state)
{
	struct ccase *c = start();

	(void)state;
	answer(&c->store[0], WEIR_JOB_PREPARE, WEIR_SINK_UNKNOWN, 4);
	case_feed(c);
	case_settle(c);
	assert_true(c->store[0].job[WEIR_JOB_PREPARE].calls >= 5);
	assert_int_equal(c->store[0].job[WEIR_JOB_CURSOR].calls, 0);
	case_free(c);
}

static void test_cursor_that_is_neither_is_an_error(void **state)
{
	struct ccase *c = start();
	uint64_t cursor;
	int r = 0;

	(void)state;
	case_feed(c);
	case_settle(c);
	cursor = c->store[0].cursor;
	answer(&c->store[0], WEIR_JOB_APPLY, WEIR_SINK_UNKNOWN, 1);
	case_feed(c);
	while (!info(c, 0).unknown)
		case_tick(c);
	c->store[0].cursor = cursor + 100;
	for (uint32_t i = 0; i < 100 && r == 0; i++)
		r = case_try_tick(c);
	assert_int_equal(r, WEIR_E_CORRUPT);
	assert_non_null(strstr(c->err.text, "step `out`: the sink's cursor is at epoch"));
	assert_non_null(strstr(c->err.text, "something else writes there"));
	case_free(c);
}

static void test_sink_errors_stop_the_pipeline(void **state)
{
	const enum weir_job_kind kind[] = {WEIR_JOB_PREPARE, WEIR_JOB_APPLY, WEIR_JOB_CURSOR,
					   WEIR_JOB_FINISH};

	(void)state;
	for (uint32_t i = 0; i < WEIR_COUNT_OF(kind); i++) {
		struct ccase *c = start();
		int r = 0;

		answer(&c->store[0], kind[i], WEIR_E_RANGE, 1);
		if (kind[i] == WEIR_JOB_CURSOR)
			answer(&c->store[0], WEIR_JOB_APPLY, WEIR_SINK_UNKNOWN, 1);
		case_feed(c);
		for (uint32_t t = 0; t < c->tasks.task_count && kind[i] == WEIR_JOB_FINISH; t++)
			c->played[t].end = true;
		for (uint32_t k = 0; k < 500 && r == 0; k++)
			r = case_try_tick(c);
		assert_int_equal(r, WEIR_E_RANGE);
		assert_string_equal(c->err.text, "played sink");
		case_free(c);
	}
}

static void test_sink_far_behind_stops_new_epochs(void **state)
{
	struct ccase *c = case_new();
	uint64_t open;

	(void)state;
	c->opt.epoch_bytes = 50;
	case_up(c);
	answer(&c->store[0], WEIR_JOB_APPLY, WEIR_SINK_UNKNOWN, UINT32_MAX);
	answer(&c->store[0], WEIR_JOB_CURSOR, WEIR_SINK_UNKNOWN, UINT32_MAX);
	for (uint32_t i = 0; i < 1000; i++) {
		if (!c->cell.hold)
			case_feed(c);
		case_tick(c);
	}
	/* Four epochs' worth of output wait. */
	assert_true(info(c, 0).waiting_bytes > 200);
	assert_true(c->cell.hold);
	open = c->cell.open;
	case_ticks(c, 300);
	assert_int_equal(c->cell.open, open);
	c->store[0].job[WEIR_JOB_APPLY].times = c->store[0].job[WEIR_JOB_CURSOR].times = 0;
	case_ticks(c, 300);
	assert_true(c->cell.open > open && !c->cell.hold);
	case_free(c);
}

/* ---- starts ---- */

static void test_start_hands_the_outbox_to_the_sink(void **state)
{
	struct ccase *c = start();
	size_t all;

	(void)state;
	case_rows(c, 3);
	case_settle(c);
	answer(&c->store[0], WEIR_JOB_APPLY, WEIR_SINK_UNKNOWN, UINT32_MAX);
	answer(&c->store[1], WEIR_JOB_APPLY, WEIR_SINK_UNKNOWN, UINT32_MAX);
	for (uint32_t i = 0; i < 80; i++) {
		case_feed(c);
		case_tick(c);
	}
	assert_true(info(c, 0).waiting >= 3);
	c->store[0].job[WEIR_JOB_APPLY].times = c->store[1].job[WEIR_JOB_APPLY].times = 0;
	case_again(c);
	assert_true(case_probed("cell.outbox_replayed"));
	assert_true(info(c, 0).waiting >= 3 && info(c, 1).waiting >= 3);
	all = case_task(c, OUT)->rows_all;
	assert_true(c->store[0].n < all);
	case_ticks(c, 10);
	assert_int_equal(c->store[0].n, all);
	assert_int_equal(c->store[1].n, all);
	assert_memory_equal(c->store[1].text, c->expect[1], all);
	assert_int_equal(c->store[0].known, info(c, 0).cursor);
	/* And on behind it. */
	case_rows(c, 3);
	case_settle(c);
	case_free(c);
}

static void test_start_drops_what_the_sink_has_already(void **state)
{
	struct ccase *c = start();

	(void)state;
	case_feed(c);
	case_settle(c);
	answer(&c->store[0], WEIR_JOB_APPLY, WEIR_SINK_UNKNOWN, 1);
	answer(&c->store[0], WEIR_JOB_CURSOR, WEIR_SINK_UNKNOWN, UINT32_MAX);
	c->store[0].lands = true;
	case_feed(c);
	while (!info(c, 0).unknown)
		case_tick(c);
	case_again(c);
	assert_int_equal(info(c, 0).waiting, 0);
	case_feed(c);
	case_settle(c);
	case_free(c);
}

/* The pipe gets again what the newest bundle does not call applied, and nothing else. */
static void test_start_repeats_only_what_is_uncertain(void **state)
{
	struct ccase *c = start();
	size_t n;

	(void)state;
	case_rows(c, 30);
	case_settle(c);
	case_ticks(c, 400); /* a bundle that says so */
	n = c->store[1].n;
	case_again(c);
	case_ticks(c, 50);
	assert_int_equal(c->store[1].n, n);
	case_rows(c, 5);
	while (c->store[1].n == n)
		case_tick(c);
	n = c->store[1].n;
	case_again(c);
	case_ticks(c, 50);
	/* One epoch of uncertain outcome. */
	assert_true(c->store[1].n > n && c->store[1].n < n + 60);
	case_free(c);
}

static void test_start_with_a_sink_that_cannot_be_opened(void **state)
{
	struct ccase *c = start();

	(void)state;
	case_feed(c);
	case_settle(c);
	case_down(c);
	c->store[0].open_result = WEIR_E_CONFIG;
	assert_int_equal(case_try_up(c), WEIR_E_CONFIG);
	assert_string_equal(c->err.text, "played sink is gone");
	c->store[0].open_result = 0;
	c->opt.fresh = true;
	case_again(c);
	assert_true(c->store[0].fresh);
	case_free(c);
}

static void refused(struct ccase *c, const char *text)
{
	case_down(c);
	assert_int_equal(case_try_up(c), WEIR_E_CORRUPT);
	if (!strstr(c->err.text, text))
		fail_msg("%s", c->err.text);
	case_down(c);
}

static void test_start_with_a_sink_newer_than_the_journal(void **state)
{
	struct ccase *c = start();

	(void)state;
	case_feed(c);
	case_settle(c);
	c->store[0].open_cursor = c->store[0].cursor + 1;
	refused(c, "is older than the sink");
	c->store[0].open_cursor = 0;
	case_up(c);
	case_check_restored(c, c->cell.durable);
	case_free(c);
}

static void test_start_with_a_sink_that_was_set_back(void **state)
{
	struct ccase *c = start();
	uint64_t first;

	(void)state;
	case_feed(c);
	case_settle(c);
	first = c->store[0].cursor;
	case_rows(c, 100);
	case_settle(c);
	assert_true(c->store[0].cursor > first + 2);
	/* Between two outputs: to no epoch that ever was one. */
	c->store[0].open_cursor = c->store[0].cursor - 1;
	c->store[0].open_cursor -= c->store[0].got[c->store[0].open_cursor];
	while (c->store[0].got[c->store[0].open_cursor])
		c->store[0].open_cursor--;
	assert_true(c->store[0].open_cursor > first);
	refused(c, "was set back");
	case_free(c);
}

/* ---- base rounds ---- */

/* Rows until the journal was trimmed `times` times. */
static void trim(struct ccase *c, uint32_t times)
{
	uint64_t covered = c->cell.covered;

	for (uint32_t i = 0; i < 20000 && times; i++) {
		if (i % 4 == 0)
			case_feed(c);
		case_tick(c);
		times -= c->cell.covered > covered;
		covered = c->cell.covered;
	}
	assert_int_equal(times, 0);
}

static void test_base_leaves_sinks_without_new_output_as_they_are(void **state)
{
	struct ccase *c = case_new();
	uint64_t said;

	(void)state;
	weir_hooks = &hooks;
	c->opt.base_bytes = 100000;
	case_up(c);
	case_feed(c);
	case_settle(c);
	said = case_task(c, OUT)->rows_all;
	/* Only the keys go on, for long. */
	for (uint32_t i = 0; i < 20000 && c->cell.covered < 200; i++) {
		struct played *keys = case_task(c, KEYS);

		c->now.input_rows++;
		case_set(keys, i % SLOTS, i);
		case_tick(c);
	}
	assert_true(c->cell.covered >= 200 && case_probed("cell.base_round"));
	assert_true(case_probed("cell.sink_restated"));
	for (uint32_t life = 0; life < 3; life++) {
		case_again(c);
		assert_int_equal(case_task(c, OUT)->said, said);
		assert_int_equal(info(c, 0).waiting, 0);
		assert_int_equal(info(c, 1).waiting, 0);
	}
	case_feed(c);
	case_settle(c);
	case_free(c);
}

static void test_base_waits_for_a_sink_that_is_behind(void **state)
{
	struct ccase *c = case_new();
	uint64_t covered;

	(void)state;
	weir_hooks = &hooks;
	case_seen.make = "cell.base_early";
	case_up(c);
	case_feed(c);
	case_settle(c);
	trim(c, 2);
	answer(&c->store[0], WEIR_JOB_APPLY, WEIR_SINK_UNKNOWN, UINT32_MAX);
	case_ticks(c, 50);
	covered = c->cell.covered;
	for (uint32_t i = 0; i < 1000; i++) {
		case_feed(c);
		case_tick(c);
		assert_true(c->cell.covered <= c->store[0].cursor);
	}
	assert_in_range(c->cell.covered - covered, 0, 3);
	c->store[0].job[WEIR_JOB_APPLY].times = 0;
	trim(c, 2);
	case_again(c);
	case_free(c);
}

/* Applied, then trimmed, while the newest bundle that is durable was closed before the apply. */
static void test_base_trims_what_a_sink_without_cursor_has(void **state)
{
	(void)state;
	for (uint32_t quiet = 0; quiet < 2; quiet++) {
		for (uint32_t extra = 0; extra < 40; extra++) {
			struct ccase *c = case_new();

			weir_hooks = &hooks;
			case_seen.make = "cell.base_early";
			case_up(c);
			trim(c, 1 + extra % 3);
			for (uint32_t i = 0; i < extra; i++) {
				if (!quiet)
					case_feed(c);
				case_tick(c);
			}
			case_again(c);
			assert_true(info(c, 1).cursor >= 1);
			case_feed(c);
			case_settle(c);
			case_free(c);
		}
	}
}

static void test_base_and_then_the_sink_is_emptied(void **state)
{
	struct ccase *c = case_new();

	(void)state;
	weir_hooks = &hooks;
	case_seen.make = "cell.base_early";
	case_up(c);
	trim(c, 2);
	case_settle(c);
	/* Nothing new for long: no output of `out` is in the journal. */
	for (uint32_t i = 0; i < 400; i++) {
		c->now.input_rows++;
		case_tick(c);
	}
	assert_true(c->cell.covered > c->store[0].cursor);
	c->store[0].cursor = 0;
	c->store[0].n = 0;
	refused(c, "step `out`: the sink's cursor is at epoch 0, the journal goes on from epoch");
	case_free(c);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_sink_names_of_guarantees),
	cmocka_unit_test(test_sink_is_prepared_before_the_append),
	cmocka_unit_test(test_sink_gets_nothing_before_it_is_durable),
	cmocka_unit_test(test_sink_epochs_without_output_are_no_work),
	cmocka_unit_test(test_unknown_outcome_that_did_happen),
	cmocka_unit_test(test_unknown_outcome_that_did_not_happen),
	cmocka_unit_test(test_unknown_is_asked_more_and_more_rarely),
	cmocka_unit_test(test_unknown_prepare_is_tried_again),
	cmocka_unit_test(test_cursor_that_is_neither_is_an_error),
	cmocka_unit_test(test_sink_errors_stop_the_pipeline),
	cmocka_unit_test(test_sink_far_behind_stops_new_epochs),
	cmocka_unit_test(test_start_hands_the_outbox_to_the_sink),
	cmocka_unit_test(test_start_drops_what_the_sink_has_already),
	cmocka_unit_test(test_start_repeats_only_what_is_uncertain),
	cmocka_unit_test(test_start_with_a_sink_that_cannot_be_opened),
	cmocka_unit_test(test_start_with_a_sink_newer_than_the_journal),
	cmocka_unit_test(test_start_with_a_sink_that_was_set_back),
	cmocka_unit_test(test_base_leaves_sinks_without_new_output_as_they_are),
	cmocka_unit_test(test_base_waits_for_a_sink_that_is_behind),
	cmocka_unit_test(test_base_trims_what_a_sink_without_cursor_has),
	cmocka_unit_test(test_base_and_then_the_sink_is_emptied),
};

WEIR_TEST_MAIN("cell sink", tests)
