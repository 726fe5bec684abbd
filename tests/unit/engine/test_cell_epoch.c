/* SPDX-License-Identifier: Apache-2.0 */
/* When epochs begin and end, what they wait for, folding, stop and end. */
#include "tests/unit/engine/cell_case.h"

static void hooks(const char *make)
{
	static const struct weir_hooks h = {.probe = case_on_probe, .buggify = case_on_buggify};

	case_seen.make = make;
	weir_hooks = &h;
}

static struct ccase *start(void)
{
	struct ccase *c = case_new();

	hooks(NULL);
	case_up(c);
	return c;
}

/* ---- when the next one is due ---- */

static void test_epoch_defaults(void **state)
{
	struct ccase *c = case_new();

	(void)state;
	c->opt.space_min = 0;
	c->d.space = (uint64_t)1 << 40;
	case_up(c);
	assert_int_equal(c->cell.opt.epoch_ns, 200 * MS);
	assert_int_equal(c->cell.opt.epoch_bytes, 64 << 20);
	assert_int_equal(c->cell.opt.in_flight, 4);
	assert_int_equal(c->cell.opt.deadline_ns, 10000 * MS);
	assert_int_equal(c->cell.opt.base_bytes, 64 << 20);
	assert_int_equal(c->cell.opt.space_min, 64 << 20);
	case_down(c);
	c->opt.in_flight = 1000;
	case_up(c);
	assert_int_equal(c->cell.opt.in_flight, WEIR_EPOCHS_IN_FLIGHT_MAX / 2);
	case_free(c);
}

static void test_epoch_by_time_while_rows_come(void **state)
{
	struct ccase *c = start();
	uint64_t from;

	(void)state;
	case_feed(c);
	case_tick(c);
	from = c->cell.open;
	/* Four seconds with rows: one epoch per 200 ms and a tick or two to get there. */
	for (uint32_t i = 0; i < 400; i++) {
		if (i % 5 == 0)
			case_feed(c);
		case_tick(c);
		assert_true(c->cell.next_ns <= c->now.mono_ns + 200 * MS);
	}
	assert_in_range(c->cell.open - from, 19, 20);
	assert_in_range(c->cell.durable, c->cell.open - 1, c->cell.open);
	assert_true(c->cell.bundles >= 19 && c->cell.last_bundle_bytes > 0);
	assert_true(c->cell.bundle_bytes > c->cell.last_bundle_bytes);
	assert_int_equal(c->cell.folded, 0);
	case_free(c);
}

static void test_epoch_of_a_quiet_pipeline_is_rare(void **state)
{
	struct ccase *c = start();
	uint64_t from, asked = 0;

	(void)state;
	case_ticks(c, 400);
	from = c->cell.open;
	for (uint32_t i = 0; i < 1600; i++) {
		case_tick(c);
		asked += c->cell.next_ns != 0 && c->cell.next_ns <= c->now.mono_ns + 190 * MS;
	}
	assert_in_range(c->cell.open - from, 4, 6); /* one in 3.2 s instead of 16 */
	assert_true(asked > 1500); /* all the same it looks for rows once an interval */
	/* The first row ends the rest. */
	case_feed(c);
	case_ticks(c, 25);
	assert_in_range(c->cell.open - from, 5, 7);
	/* Output without input, a window that closes, counts as well. */
	case_settle(c);
	from = c->cell.open;
	case_row(c, OUT);
	case_ticks(c, 45);
	assert_true(c->cell.open > from);
	case_free(c);
}

static void test_epoch_begins_early_when_much_was_given(void **state)
{
	struct ccase *c = case_new();
	uint64_t from;

	(void)state;
	c->opt.epoch_bytes = 40;
	case_up(c);
	case_feed(c);
	case_ticks(c, 2);
	from = c->cell.open;
	for (uint32_t i = 0; i < 10; i++)
		case_feed(c);
	case_tick(c);
	assert_int_equal(c->cell.open, from + 1);
	case_free(c);
}

static void test_epoch_one_is_aligned_at_a_time(void **state)
{
	struct ccase *c = start();

	(void)state;
	case_task(c, KEYS)->slow = true;
	for (uint32_t i = 0; i < 50; i++) {
		case_feed(c);
		case_tick(c);
		assert_true(c->cell.open <= 1);
		assert_int_equal(c->cell.aligned, 0);
	}
	assert_int_equal(c->cell.open, 1);
	case_task(c, KEYS)->slow = false;
	case_tick(c);
	assert_int_equal(c->cell.aligned, 1);
	assert_true(c->cell.align_ns >= 400 * MS && c->cell.align_max_ns == c->cell.align_ns);
	case_settle(c);
	assert_true(c->cell.align_max_ns > c->cell.align_ns);
	case_free(c);
}

static void test_epoch_in_flight_has_a_limit(void **state)
{
	struct ccase *c = case_new();

	(void)state;
	c->opt.in_flight = 3;
	case_up(c);
	c->no_disk = true;
	for (uint32_t i = 0; i < 200; i++) {
		case_feed(c);
		case_tick(c);
		assert_true(c->cell.open - c->cell.durable <= 3); /* I6 */
	}
	assert_int_equal(c->cell.aligned, 3);
	c->no_disk = false;
	case_settle(c);
	assert_true(c->cell.commit_ns > 0);
	case_free(c);
}

/* ---- hold ---- */

static void test_hold_when_an_epoch_is_large_and_the_next_cannot_begin(void **state)
{
	struct ccase *c = case_new();

	(void)state;
	c->opt.epoch_bytes = 100;
	c->opt.in_flight = 1;
	case_up(c);
	c->no_disk = true;
	case_feed(c);
	case_ticks(c, 30);
	assert_int_equal(c->cell.aligned, 1);
	assert_false(c->cell.hold);
	c->now.output_bytes = 100;
	case_tick(c);
	assert_true(c->cell.hold && !c->cell.space_low);
	c->no_disk = false;
	case_ticks(c, 5);
	assert_true(c->cell.durable > 0);
	c->now.output_bytes = 0;
	case_tick(c);
	assert_false(c->cell.hold);
	/* While one is aligned, rows may go on to twice the size. */
	case_task(c, SRC)->slow = true;
	c->now.output_bytes = 150;
	case_ticks(c, 3);
	assert_true(c->cell.open > c->cell.aligned);
	assert_false(c->cell.hold);
	c->now.output_bytes = 200;
	case_tick(c);
	assert_true(c->cell.hold);
	case_free(c);
}

static void test_hold_when_the_disk_is_nearly_full(void **state)
{
	struct ccase *c = case_new();

	(void)state;
	hooks(NULL);
	c->opt.space_min = 4 << 20;
	c->d.space = (4 << 20) + 1500000;
	case_up(c);
	case_feed(c);
	case_tick(c);
	assert_false(c->cell.hold);
	for (uint32_t i = 0; i < 3000 && !c->cell.hold; i++) {
		case_feed(c);
		case_tick(c);
	}
	assert_true(c->cell.hold && c->cell.space_low);
	assert_true(case_probed("cell.space_low"));
	/* What is on the way is committed all the same. */
	case_settle(c);
	case_free(c);
}

/* ---- folding ---- */

static void test_fold_an_epoch_that_misses_its_deadline(void **state)
{
	struct ccase *c = case_new();
	uint64_t epoch;

	(void)state;
	hooks(NULL);
	c->opt.deadline_ns = 300 * MS;
	case_up(c);
	case_feed(c);
	case_settle(c);
	for (uint32_t round = 0; round < 3; round++) {
		epoch = c->cell.open;
		while (c->cell.open == epoch) {
			case_feed(c);
			case_tick(c);
		}
		case_task(c, OUT)->slow = true;
		case_ticks(c, 40);
		assert_int_equal(c->cell.folded, round);
		case_task(c, OUT)->slow = false;
		case_ticks(c, 2);
		assert_int_equal(c->cell.folded, round + 1);
		assert_int_equal(c->cell.aligned, epoch + 1);
		assert_true(c->cell.durable < epoch + 1);
	}
	assert_true(case_probed("cell.folded"));
	/* The output of all of them is in the next one, and the numbers are gone. */
	case_settle(c);
	assert_false(c->store[0].got[epoch + 1]);
	assert_false(c->store[1].got[epoch + 1]);
	case_again(c);
	case_feed(c);
	case_settle(c);
	case_free(c);
}

/* One that is late at each epoch must not keep everything from becoming durable, nor use the numbers up. */
static void test_fold_has_an_end(void **state)
{
	struct ccase *c = case_new();

	(void)state;
	hooks("cell.fold");
	case_up(c);
	for (uint32_t i = 0; i < 2000; i++) {
		case_feed(c);
		case_ticks(c, 3);
	}
	assert_true(c->cell.folded > 100);
	assert_true(c->cell.bundles > 5);
	assert_true(c->cell.open - c->cell.durable < WEIR_EPOCHS_IN_FLIGHT_MAX);
	case_again(c);
	case_free(c);
}

/* What they give is kept in memory and becomes one bundle: with enough of it none is folded. */
static void test_fold_not_more_than_an_epoch(void **state)
{
	struct ccase *c = case_new();

	(void)state;
	hooks("cell.fold");
	c->opt.epoch_bytes = 1;
	case_up(c);
	for (uint32_t i = 0; i < 50; i++) {
		case_feed(c);
		case_ticks(c, 3);
	}
	assert_int_equal(c->cell.folded, 0);
	assert_true(c->cell.bundles > 5);
	case_again(c);
	case_free(c);
}

/* ---- the end ---- */

static void test_end_reports_early_and_in_time(void **state)
{
	struct ccase *c = start();

	(void)state;
	case_feed(c);
	case_settle(c);
	case_feed(c);
	/* Between two epochs: kept until the next one, which begins at once. */
	assert_int_equal(c->cell.open, c->cell.aligned);
	case_report(c, case_task(c, SRC), true);
	assert_true(case_probed("cell.early_end"));
	case_tick(c);
	assert_int_equal(c->cell.open, c->cell.aligned + 1);
	case_ticks(c, 3);
	assert_true(c->cell.durable >= case_task(c, SRC)->epoch);
	/* With a barrier on its way. */
	case_task(c, KEYS)->slow = true;
	case_ticks(c, 400);
	assert_int_equal(c->cell.open, c->cell.aligned + 1);
	case_report(c, case_task(c, KEYS), true);
	case_ticks(c, 3);
	assert_int_equal(c->cell.open, c->cell.aligned);
	assert_false(c->cell.ended);
	case_again(c);
	case_free(c);
}

static void test_end_of_all_tasks_ends_the_pipeline(void **state)
{
	struct ccase *c = start();
	uint64_t newest;

	(void)state;
	case_rows(c, 10);
	for (uint32_t t = 0; t < c->tasks.task_count; t++)
		c->played[t].end = true;
	c->no_disk = true;
	case_ticks(c, 100);
	newest = c->cell.open;
	assert_false(c->cell.ended || c->cell.finished);
	/* Nothing is begun behind the last one. */
	case_ticks(c, 1000);
	assert_int_equal(c->cell.open, newest);
	c->no_disk = false;
	case_ticks(c, 100);
	assert_true(c->cell.ended && c->cell.finished);
	assert_int_equal(c->store[0].job[WEIR_JOB_FINISH].calls, 1);
	assert_int_equal(c->store[0].n, case_task(c, OUT)->rows_all);
	assert_int_equal(c->store[1].n, case_task(c, PIPE)->rows_all);
	/* A last bundle said what the pipe has got. */
	assert_true(case_probed("cell.sealed"));
	assert_int_equal(c->cell.durable, newest + 1);
	case_tick(c);
	assert_int_equal(c->cell.durable, newest + 1);
	case_free(c);
}

/* Nobody is left to wake the cell: it must come back by itself. */
static void test_end_of_all_tasks_between_two_epochs_does_not_wait(void **state)
{
	struct ccase *c = start();

	(void)state;
	case_rows(c, 3);
	case_settle(c);
	while (c->cell.open > c->cell.aligned)
		case_tick(c);
	for (uint32_t t = 0; t < c->tasks.task_count; t++)
		case_report(c, &c->played[t], true);
	case_tick(c);
	assert_int_equal(c->cell.open, c->cell.aligned + 1);
	assert_int_equal(c->cell.next_ns, 1);
	case_tick(c);
	assert_int_equal(c->cell.open, c->cell.aligned);
	case_ticks(c, 10);
	assert_true(c->cell.ended && c->cell.finished);
	case_free(c);
}

static void test_end_waits_for_finish(void **state)
{
	struct ccase *c = start();

	(void)state;
	case_rows(c, 3);
	for (uint32_t t = 0; t < c->tasks.task_count; t++)
		c->played[t].end = true;
	c->store[0].job[WEIR_JOB_FINISH].result = WEIR_SINK_UNKNOWN;
	c->store[0].job[WEIR_JOB_FINISH].times = 3;
	for (uint32_t i = 0; i < 100 && c->store[0].job[WEIR_JOB_FINISH].calls < 3; i++) {
		case_tick(c);
		assert_false(c->cell.finished);
	}
	case_ticks(c, 50);
	assert_true(c->cell.finished);
	assert_int_equal(c->store[0].job[WEIR_JOB_FINISH].calls, 4);
	case_free(c);
}

static void test_end_is_remembered(void **state)
{
	struct ccase *c = start();

	(void)state;
	case_rows(c, 3);
	for (uint32_t t = 0; t < c->tasks.task_count; t++)
		c->played[t].end = true;
	case_ticks(c, 100);
	assert_true(c->cell.finished);
	/* finish() may come once more: a kill right after the last apply must not lose it. */
	case_again(c);
	assert_true(c->cell.ended && !c->cell.finished);
	for (uint32_t t = 0; t < c->tasks.task_count; t++)
		c->played[t].final = true;
	case_ticks(c, 10);
	assert_true(c->cell.finished);
	assert_int_equal(c->store[0].job[WEIR_JOB_FINISH].calls, 2);
	case_free(c);
}

static void test_end_killed_before_the_sinks_had_it(void **state)
{
	struct ccase *c = start();
	size_t all;

	(void)state;
	case_rows(c, 5);
	c->no_sinks = true;
	/* prepare() is needed for the commit. */
	c->store[0].job[WEIR_JOB_APPLY].result = WEIR_SINK_UNKNOWN;
	c->store[0].job[WEIR_JOB_APPLY].times = UINT32_MAX;
	c->store[1].job[WEIR_JOB_APPLY] = c->store[0].job[WEIR_JOB_APPLY];
	c->no_sinks = false;
	for (uint32_t t = 0; t < c->tasks.task_count; t++)
		c->played[t].end = true;
	case_ticks(c, 300);
	assert_true(c->cell.ended && !c->cell.finished);
	all = case_task(c, OUT)->rows_all;
	c->store[0].job[WEIR_JOB_APPLY].times = c->store[1].job[WEIR_JOB_APPLY].times = 0;
	case_again(c);
	assert_true(c->cell.ended && !c->cell.finished);
	for (uint32_t t = 0; t < c->tasks.task_count; t++)
		c->played[t].final = true;
	case_ticks(c, 100);
	assert_true(c->cell.finished);
	assert_int_equal(c->store[0].n, all);
	assert_int_equal(c->store[1].n, all);
	case_free(c);
}

/* ---- stop ---- */

static void stop_and_wait(struct ccase *c, uint32_t ticks)
{
	c->now.stop = true;
	case_tick(c);
	assert_true(c->cell.hold);
	for (uint32_t i = 0; i < ticks && !c->cell.finished; i++)
		case_tick(c);
	assert_true(c->cell.finished);
}

static void test_stop_takes_one_more_epoch(void **state)
{
	struct ccase *c = start();
	uint64_t durable;

	(void)state;
	case_feed(c);
	case_settle(c);
	case_feed(c);
	durable = c->cell.durable;
	stop_and_wait(c, 20);
	assert_int_equal(c->cell.durable, durable + 2); /* and the seal */
	assert_false(c->cell.ended);
	assert_int_equal(c->store[0].n, case_task(c, OUT)->rows_all);
	assert_int_equal(c->store[1].n, case_task(c, PIPE)->rows_all);
	assert_int_equal(c->store[0].job[WEIR_JOB_FINISH].calls, 0);
	/* Nothing comes twice: the seal said what the pipe has. It is not said once more. */
	case_again(c);
	durable = c->cell.open;
	stop_and_wait(c, 20);
	assert_int_equal(c->cell.durable, durable + 1);
	case_again(c);
	case_feed(c);
	case_settle(c);
	assert_int_equal(c->store[1].n, case_task(c, PIPE)->rows_all);
	case_free(c);
}

static void test_stop_while_one_is_aligned_never_folds(void **state)
{
	struct ccase *c = case_new();

	(void)state;
	c->opt.deadline_ns = 50 * MS;
	case_up(c);
	case_feed(c);
	case_task(c, KEYS)->slow = true;
	case_ticks(c, 60);
	c->now.stop = true;
	case_ticks(c, 20);
	assert_false(c->cell.finished);
	case_task(c, KEYS)->slow = false;
	stop_and_wait(c, 50);
	assert_int_equal(c->cell.folded, 0);
	case_again(c);
	case_free(c);
}

static void test_stop_without_anything_new_has_no_seal(void **state)
{
	struct ccase *c = start();

	(void)state;
	stop_and_wait(c, 20);
	assert_int_equal(c->cell.durable, 1);
	assert_false(case_probed("cell.sealed"));
	case_free(c);
}

static void away(struct store *s)
{
	s->job[WEIR_JOB_APPLY].result = s->job[WEIR_JOB_CURSOR].result = WEIR_SINK_UNKNOWN;
	s->job[WEIR_JOB_APPLY].times = s->job[WEIR_JOB_CURSOR].times = UINT32_MAX;
}

static void back(struct store *s)
{
	s->job[WEIR_JOB_APPLY].times = s->job[WEIR_JOB_CURSOR].times = 0;
}

static void test_stop_does_not_wait_for_a_sink_that_is_away(void **state)
{
	struct ccase *c = start();
	size_t all;

	(void)state;
	case_feed(c);
	case_settle(c);
	case_feed(c);
	away(&c->store[0]);
	stop_and_wait(c, 100);
	all = case_task(c, OUT)->rows_all;
	assert_true(c->store[0].n < all);
	back(&c->store[0]);
	case_again(c);
	case_ticks(c, 5);
	assert_int_equal(c->store[0].n, all);
	case_free(c);
}

static void test_stop_with_full_outboxes_ends_too(void **state)
{
	struct ccase *c = case_new();

	(void)state;
	c->opt.epoch_ns = 10 * MS;
	case_up(c);
	away(&c->store[0]);
	for (uint32_t i = 0; i < 2000; i++) {
		case_feed(c);
		case_tick(c);
	}
	/* No more epochs are begun when a sink is so far behind. */
	assert_in_range(c->cell.open, 60, 70);
	stop_and_wait(c, 500); /* it is asked every two seconds only */
	back(&c->store[0]);
	case_again(c);
	case_settle(c);
	assert_int_equal(c->store[0].n, case_task(c, OUT)->rows_all);
	case_free(c);
}

static void test_stop_of_a_pipeline_that_has_just_ended(void **state)
{
	struct ccase *c = start();

	(void)state;
	case_feed(c);
	case_settle(c);
	for (uint32_t t = 0; t < c->tasks.task_count; t++)
		c->played[t].end = true;
	c->no_disk = true;
	case_ticks(c, 50);
	c->now.stop = true;
	c->no_disk = false;
	case_ticks(c, 50);
	assert_true(c->cell.finished && c->cell.ended);
	case_free(c);
}

static void test_close_with_reports_that_are_early(void **state)
{
	struct ccase *c = start();

	(void)state;
	case_rows(c, 3);
	case_settle(c);
	while (c->cell.open > c->cell.aligned)
		case_tick(c);
	case_report(c, case_task(c, SRC), true);
	case_report(c, case_task(c, KEYS), true);
	/* The memory checker sees whether they are given back. */
	case_again(c);
	case_free(c);
}

/* ---- errors of the journal ---- */

static void test_journal_errors_end_the_cell(void **state)
{
	(void)state;
	for (uint64_t nth = 1; nth < 12; nth++) {
		struct ccase *c = start();
		uint64_t durable;
		int r = 0;

		c->d.fail_write = c->d.writes + nth;
		for (uint32_t i = 0; i < 1000 && r == 0; i++) {
			case_feed(c);
			r = case_try_tick(c);
		}
		assert_int_equal(r, WEIR_E_IO);
		assert_true(c->err.text[0]);
		durable = c->cell.durable;
		/* And stay: nothing becomes durable after it (I35). */
		for (uint32_t i = 0; i < 100; i++) {
			case_feed(c);
			assert_int_equal(case_try_tick(c), WEIR_E_IO);
			for (uint32_t k = 0; k < c->cell.sink_count; k++)
				assert_int_equal(case_sink(c, k), 0);
		}
		assert_int_equal(c->cell.durable, durable);
		case_again(c);
		assert_true(c->cell.durable >= durable);
		case_free(c);
	}
}

/* Many bundles that are larger than what the journal takes at once: they wait, in order. */
static void test_journal_that_is_busy_is_asked_again(void **state)
{
	struct ccase *c = case_new();
	char *big = calloc(1, 60000);

	(void)state;
	c->opt.in_flight = 32;
	c->opt.epoch_ns = 10 * MS;
	case_up(c);
	memset(big, 'x', 60000);
	c->no_disk = true;
	for (uint32_t i = 0; i < 100; i++) {
		struct played *p = case_task(c, KEYS);
		struct weir_report r = {0};
		struct weir_report *rp = malloc(sizeof(*rp));

		case_feed(c);
		/* A report of the keys by hand: slots, and then the same slot many times. */
		if (c->cell.barrier > p->epoch) {
			*rp = r;
			rp->task = p->index;
			rp->epoch = ++p->epoch;
			part_of(rp, WEIR_PART_NODE, p);
			for (uint32_t k = 0; k < 100000; k++) {
				weir_out_u8(&rp->part[0].out, 0);
				weir_out_u64(&rp->part[0].out, 7);
			}
			p->slot[0] = 7;
			c->snap[p->index][p->epoch].there = true;
			memcpy(c->snap[p->index][p->epoch].slot, p->slot, sizeof(p->slot));
			c->snap[p->index][p->epoch].watermark = WEIR_TIME_MIN;
			for (uint32_t k = 1; k < SLOTS; k++)
				c->snap[p->index][p->epoch].slot[k] = 0;
			weir_cell_report(&c->cell, rp);
		}
		free(rp);
		p->slow = true;
		case_tick(c);
	}
	assert_true(c->cell.aligned > 8);
	c->no_disk = false;
	case_ticks(c, 200);
	assert_true(c->cell.durable >= 20);
	free(big);
	case_free(c);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_epoch_defaults),
	cmocka_unit_test(test_epoch_by_time_while_rows_come),
	cmocka_unit_test(test_epoch_of_a_quiet_pipeline_is_rare),
	cmocka_unit_test(test_epoch_begins_early_when_much_was_given),
	cmocka_unit_test(test_epoch_one_is_aligned_at_a_time),
	cmocka_unit_test(test_epoch_in_flight_has_a_limit),
	cmocka_unit_test(test_hold_when_an_epoch_is_large_and_the_next_cannot_begin),
	cmocka_unit_test(test_hold_when_the_disk_is_nearly_full),
	cmocka_unit_test(test_fold_an_epoch_that_misses_its_deadline),
	cmocka_unit_test(test_fold_has_an_end),
	cmocka_unit_test(test_fold_not_more_than_an_epoch),
	cmocka_unit_test(test_end_reports_early_and_in_time),
	cmocka_unit_test(test_end_of_all_tasks_ends_the_pipeline),
	cmocka_unit_test(test_end_of_all_tasks_between_two_epochs_does_not_wait),
	cmocka_unit_test(test_end_waits_for_finish),
	cmocka_unit_test(test_end_is_remembered),
	cmocka_unit_test(test_end_killed_before_the_sinks_had_it),
	cmocka_unit_test(test_stop_takes_one_more_epoch),
	cmocka_unit_test(test_stop_while_one_is_aligned_never_folds),
	cmocka_unit_test(test_stop_without_anything_new_has_no_seal),
	cmocka_unit_test(test_stop_does_not_wait_for_a_sink_that_is_away),
	cmocka_unit_test(test_stop_with_full_outboxes_ends_too),
	cmocka_unit_test(test_stop_of_a_pipeline_that_has_just_ended),
	cmocka_unit_test(test_close_with_reports_that_are_early),
	cmocka_unit_test(test_journal_errors_end_the_cell),
	cmocka_unit_test(test_journal_that_is_busy_is_asked_again),
};

WEIR_TEST_MAIN("cell epoch", tests)
