/* SPDX-License-Identifier: Apache-2.0 */
/* Sinks that stream: outboxes that are handed over before they are confirmed, and that may be larger than memory. */
#include "tests/unit/engine/stream_case.h"

/* ---- handing over ---- */

static void test_stream_goes_on_before_the_cursor_moves(void **state)
{
	struct ccase *c = start(1);
	uint64_t epoch;

	(void)state;
	feed(c, 100);
	assert_true(info(c, 0).streams && !info(c, 1).streams);
	assert_true(info(c, 0).waiting >= 20);
	assert_true(info(c, 0).unsent <= 2);
	assert_true(c->store[0].way_count >= 20);
	assert_int_equal(info(c, 0).cursor, 0);
	assert_int_equal(c->store[0].n, 0);
	assert_false(c->cell.hold);
	/* One move takes several off. */
	case_arrive(&c->store[0], 10);
	epoch = c->store[0].cursor;
	case_ticks(c, 2);
	assert_int_equal(info(c, 0).cursor, epoch);
	check_outbox(c, 0);
	drain(c, 0);
	assert_int_equal(c->store[0].applied, c->store[0].job[WEIR_JOB_APPLY].calls);
	case_free(c);
}

static void test_stream_commit_waits_for_no_prepare(void **state)
{
	struct ccase *c = start(3);

	(void)state;
	c->no_sinks = true;
	feed(c, 50);
	assert_true(c->cell.durable >= 10);
	c->no_sinks = false;
	drain(c, 0);
	drain(c, 1);
	/* All were committed before: there was nothing to be shipped early. */
	assert_int_equal(c->store[0].job[WEIR_JOB_PREPARE].calls, 0);
	case_free(c);
}

static void test_stream_prepares_each_epoch_once(void **state)
{
	const int result[] = {0, WEIR_SINK_LATER, WEIR_SINK_UNKNOWN};

	(void)state;
	for (uint32_t k = 0; k < WEIR_COUNT_OF(result); k++) {
		struct ccase *c = start(1);
		uint32_t epochs;

		c->no_disk = true;
		answer(&c->store[0], WEIR_JOB_PREPARE, result[k], UINT32_MAX);
		feed(c, 40);
		epochs = info(c, 0).waiting;
		assert_true(epochs >= 3);
		assert_int_equal(c->store[0].job[WEIR_JOB_PREPARE].calls, epochs);
		assert_int_equal(c->store[0].job[WEIR_JOB_APPLY].calls, 0); /* I7 */
		c->no_disk = false;
		drain(c, 0);
		case_free(c);
	}
}

/* The same once more, as soon as the owner likes: nothing grows longer and longer. */
static void test_stream_later_is_the_same_job_again(void **state)
{
	struct ccase *c = start(1);
	struct weir_job job;

	(void)state;
	answer(&c->store[0], WEIR_JOB_APPLY, WEIR_SINK_LATER, UINT32_MAX);
	feed(c, 40);
	assert_true(info(c, 0).unsent >= 5 && !info(c, 0).unknown);
	answer(&c->store[0], WEIR_JOB_APPLY, WEIR_SINK_LATER, 30);
	c->no_sinks = true;
	for (uint32_t i = 0; i < 30; i++) {
		assert_true(weir_cell_job(&c->cell, 0, c->now.mono_ns, &job));
		assert_int_equal(job.kind, WEIR_JOB_APPLY);
		assert_int_equal(job.e.prev, 0);
		weir_job_run(&job);
		assert_true(weir_job_changes_nothing(&job));
		assert_false(weir_cell_job_stale(&c->cell, 0, &job));
		/* In the hands of the owner it may be run as often as wanted. */
		if (i % 3)
			weir_job_run(&job), i++;
		assert_int_equal(weir_cell_job_done(&c->cell, 0, c->now.mono_ns, &job, &c->err), 0);
	}
	c->no_sinks = false;
	drain(c, 0);
	case_free(c);
}

/* A job that looks at the lane gives way when there is something to hand over. */
static void test_stream_idle_jobs_give_way(void **state)
{
	struct ccase *c = start(1);
	struct weir_job job, none;

	(void)state;
	assert_true(weir_cell_job(&c->cell, 0, c->now.mono_ns, &job));
	assert_int_equal(job.kind, WEIR_JOB_CURSOR);
	assert_false(job.waiting);
	weir_job_run(&job);
	assert_true(weir_job_changes_nothing(&job) && !weir_cell_job_stale(&c->cell, 0, &job));
	c->no_sinks = true;
	c->no_disk = true;
	case_feed(c);
	while (!weir_cell_job_stale(&c->cell, 0, &job))
		case_tick(c);
	assert_false(weir_cell_job(&c->cell, 0, c->now.mono_ns, &none));
	assert_int_equal(weir_cell_job_done(&c->cell, 0, c->now.mono_ns, &job, &c->err), 0);
	assert_true(weir_cell_job(&c->cell, 0, c->now.mono_ns, &job));
	assert_int_equal(job.kind, WEIR_JOB_PREPARE);
	assert_true(job.waiting);
	weir_job_run(&job);
	/* That it was shipped early has to be told. */
	assert_false(weir_job_changes_nothing(&job));
	/* While it is at work the epoch becomes durable. */
	c->no_disk = false;
	case_ticks(c, 8);
	assert_true(c->cell.durable >= job.e.epoch);
	assert_true(weir_cell_job_stale(&c->cell, 0, &job));
	assert_int_equal(weir_cell_job_done(&c->cell, 0, c->now.mono_ns, &job, &c->err), 0);
	check_outbox(c, 0);
	assert_true(weir_cell_job(&c->cell, 0, c->now.mono_ns, &job));
	assert_int_equal(job.kind, WEIR_JOB_APPLY);
	weir_job_run(&job);
	assert_false(weir_job_changes_nothing(&job));
	assert_int_equal(weir_cell_job_done(&c->cell, 0, c->now.mono_ns, &job, &c->err), 0);
	/* The lane opens or closes: the cell has to know. */
	assert_true(weir_cell_job(&c->cell, 0, c->now.mono_ns, &job));
	c->store[0].flow.open = false;
	weir_job_run(&job);
	assert_int_equal(job.kind, WEIR_JOB_CURSOR);
	assert_false(weir_job_changes_nothing(&job));
	assert_int_equal(weir_cell_job_done(&c->cell, 0, c->now.mono_ns, &job, &c->err), 0);
	/* A moved cursor as well. */
	assert_true(weir_cell_job(&c->cell, 0, c->now.mono_ns, &job));
	weir_job_run(&job);
	assert_true(weir_job_changes_nothing(&job));
	case_arrive(&c->store[0], 1);
	weir_job_run(&job);
	assert_false(weir_job_changes_nothing(&job));
	assert_int_equal(weir_cell_job_done(&c->cell, 0, c->now.mono_ns, &job, &c->err), 0);
	assert_int_equal(info(c, 0).waiting, 0);
	c->no_sinks = false;
	drain(c, 0);
	case_free(c);
}

/* ---- once more ---- */

static void test_stream_again_from_the_first(void **state)
{
	const enum weir_job_kind kind[] = {WEIR_JOB_PREPARE, WEIR_JOB_APPLY, WEIR_JOB_CURSOR};

	(void)state;
	for (uint32_t k = 0; k < WEIR_COUNT_OF(kind); k++) {
		struct ccase *c = start(1);
		uint32_t applied;

		feed(c, 60);
		case_arrive(&c->store[0], 3);
		case_ticks(c, 2);
		applied = c->store[0].applied;
		answer(&c->store[0], kind[k], WEIR_SINK_AGAIN, 1);
		feed(c, 6);
		while (c->store[0].job[kind[k]].times)
			feed(c, 1);
		assert_true(case_probed("cell.stream_again"));
		check_outbox(c, 0);
		case_ticks(c, 60);
		/* Those above the cursor, once more. */
		assert_true(c->store[0].applied >= 2 * applied - 3);
		assert_int_equal(c->store[0].way_count, info(c, 0).waiting);
		drain(c, 0);
		case_free(c);
	}
}

/* What was shipped early is shipped once more. */
static void test_stream_again_before_the_commit(void **state)
{
	struct ccase *c = start(1);
	uint32_t calls;

	(void)state;
	c->no_disk = true;
	feed(c, 40);
	calls = c->store[0].job[WEIR_JOB_PREPARE].calls;
	answer(&c->store[0], WEIR_JOB_CURSOR, WEIR_SINK_AGAIN, 1);
	feed(c, 20);
	assert_int_equal(c->store[0].job[WEIR_JOB_PREPARE].calls, calls * 2);
	c->no_disk = false;
	drain(c, 0);
	case_free(c);
}

/* ---- more than fits in memory ---- */

static void test_stream_spills_and_reads_back(void **state)
{
	struct ccase *c = begin(3);

	(void)state;
	c->opt.stream_memory = 150;
	case_up(c);
	for (uint32_t i = 0; i < 2; i++)
		answer(&c->store[i], WEIR_JOB_APPLY, WEIR_SINK_LATER, UINT32_MAX);
	for (uint32_t i = 0; i < 300; i++) {
		feed(c, 1);
		check_outbox(c, 0);
		check_outbox(c, 1);
		/* What the journal does not have yet comes on top. */
		assert_true(info(c, 0).memory_bytes <= 150 + 4 * 60);
	}
	assert_true(case_probed("cell.stream_spills"));
	assert_true(info(c, 0).waiting_bytes > 1500);
	for (uint32_t i = 0; i < 2; i++)
		c->store[i].job[WEIR_JOB_APPLY].times = 0;
	/* Handed over, and not confirmed: they go through memory. */
	for (uint32_t i = 0; i < 300; i++) {
		case_tick(c);
		check_outbox(c, 0);
		check_outbox(c, 1);
		assert_true(info(c, 0).memory_bytes <= 150 + 4 * 60);
	}
	assert_true(case_probed("cell.stream_reads_back") && case_probed("cell.stream_forgets"));
	assert_int_equal(info(c, 0).unsent, 0);
	assert_true(info(c, 0).waiting > 50);
	/* And all of them once more. */
	answer(&c->store[0], WEIR_JOB_CURSOR, WEIR_SINK_AGAIN, 1);
	case_tick(c);
	check_outbox(c, 0);
	feed(c, 30);
	answer(&c->store[0], WEIR_JOB_CURSOR, WEIR_SINK_AGAIN, 1);
	feed(c, 30);
	check_outbox(c, 0);
	drain(c, 0);
	drain(c, 1);
	case_free(c);
}

/* Confirmed while it is on its way back from the journal: by an earlier session. */
static void test_stream_confirmed_while_it_is_read_back(void **state)
{
	struct ccase *c = begin(1);
	struct cell_sink *s;

	(void)state;
	c->opt.stream_memory = 100;
	case_up(c);
	feed(c, 200);
	assert_true(info(c, 0).waiting > 40 && c->store[0].way_count > 40);
	answer(&c->store[0], WEIR_JOB_APPLY, WEIR_SINK_LATER, UINT32_MAX);
	/* Lost for the cell, and on its way all the same. */
	c->store[0].job[WEIR_JOB_CURSOR].result = WEIR_SINK_AGAIN;
	s = &c->cell.own->sink[0];
	c->no_sinks = true;
	assert_int_equal(weir_cell_job(&c->cell, 0, c->now.mono_ns, &c->job[0]), true);
	c->job[0].result = 0;
	c->job[0].again = true;
	assert_int_equal(weir_cell_job_done(&c->cell, 0, c->now.mono_ns, &c->job[0], &c->err), 0);
	check_outbox(c, 0);
	assert_ptr_equal(s->stream.load, s->first);
	/* As if half of it had been read. */
	s->stream.loading = weir_test_mem.alloc(weir_test_mem.ctx, s->first->bytes, 16);
	case_arrive(&c->store[0], 20);
	c->store[0].afresh = true;
	c->no_sinks = false;
	case_tick(c);
	check_outbox(c, 0);
	assert_int_equal(info(c, 0).cursor, c->store[0].cursor);
	case_ticks(c, 3);
	/* Again while something is being read. */
	weir_cell_job(&c->cell, 0, c->now.mono_ns, &c->job[0]);
	if (s->stream.load && !s->stream.loading)
		s->stream.loading =
			weir_test_mem.alloc(weir_test_mem.ctx, s->stream.load->bytes, 16);
	c->job[0].again = true;
	c->job[0].result = WEIR_SINK_LATER;
	assert_int_equal(weir_cell_job_done(&c->cell, 0, c->now.mono_ns, &c->job[0], &c->err), 0);
	c->store[0].afresh = true;
	c->store[0].job[WEIR_JOB_APPLY].times = 0;
	case_lose(&c->store[0]);
	drain(c, 0);
	/* And the end of the cell. */
	answer(&c->store[0], WEIR_JOB_APPLY, WEIR_SINK_LATER, UINT32_MAX);
	feed(c, 100);
	assert_non_null(s->stream.load);
	if (!s->stream.loading)
		s->stream.loading =
			weir_test_mem.alloc(weir_test_mem.ctx, s->stream.load->bytes, 16);
	case_free(c);
}

/* Larger than what is read in one step. */
static void test_stream_reads_large_outputs_in_pieces(void **state)
{
	struct ccase *c = begin(1);
	struct played *p;
	static char big[3 << 20];
	uint32_t steps = 0;

	(void)state;
	c->opt.stream_memory = 1000;
	case_up(c);
	answer(&c->store[0], WEIR_JOB_APPLY, WEIR_SINK_LATER, UINT32_MAX);
	feed(c, 50);
	p = case_task(c, OUT);
	/* Rows that no store is asked to keep. */
	memset(big, 'x', sizeof(big));
	for (uint32_t i = 0; i < 2; i++) {
		weir_out_put(&p->rows, big, sizeof(big));
		case_ticks(c, 30);
	}
	assert_true(info(c, 0).waiting_bytes > sizeof(big));
	assert_true(info(c, 0).memory_bytes < 2000);
	c->store[0].job[WEIR_JOB_APPLY].times = 0;
	while (c->store[0].applied < info(c, 0).waiting) {
		case_tick(c);
		steps += c->cell.next_ns == 1;
		assert_true(c->store[0].applied < 1000);
	}
	assert_true(steps >= 4);
	assert_int_equal(c->store[0].way_count, info(c, 0).waiting);
	for (uint32_t i = 0, large = 0; i < c->store[0].way_count; i++) {
		if (c->store[0].way[i].n < sizeof(big))
			continue;
		assert_memory_equal(c->store[0].way[i].part + c->store[0].way[i].n - sizeof(big),
				    big, sizeof(big));
		large++;
		assert_true(large <= 2);
	}
	case_free(c);
}

static void test_stream_finds_output_that_has_changed(void **state)
{
	struct ccase *c = begin(1);
	struct cell_output *o;
	int r = 0;

	(void)state;
	c->opt.stream_memory = 100;
	case_up(c);
	answer(&c->store[0], WEIR_JOB_APPLY, WEIR_SINK_LATER, UINT32_MAX);
	feed(c, 100);
	o = c->cell.own->sink[0].stream.load;
	assert_non_null(o);
	o->from++;
	c->store[0].job[WEIR_JOB_APPLY].times = 0;
	for (uint32_t i = 0; i < 100 && r == 0; i++)
		r = case_try_tick(c);
	assert_int_equal(r, WEIR_E_CORRUPT);
	assert_non_null(strstr(c->err.text, "step `out`: the output of epoch"));
	case_free(c);
}

static void test_stream_finds_damage_in_the_journal(void **state)
{
	struct ccase *c = begin(1);
	int r = 0;

	(void)state;
	c->opt.stream_memory = 100;
	case_up(c);
	answer(&c->store[0], WEIR_JOB_APPLY, WEIR_SINK_LATER, UINT32_MAX);
	feed(c, 100);
	for (uint32_t i = 0; i < MEMDISK_FILES; i++)
		if (strncmp(c->d.file[i].name, "journal-", 8) == 0)
			for (uint64_t at = 200; at < c->d.file[i].bytes; at += 4096)
				c->d.file[i].data[at] ^= 1;
	c->store[0].job[WEIR_JOB_APPLY].times = 0;
	for (uint32_t i = 0; i < 100 && r == 0; i++)
		r = case_try_tick(c);
	assert_int_equal(r, WEIR_E_CORRUPT);
	assert_non_null(strstr(c->err.text, "is damaged"));
	case_free(c);
}

/* ---- cursors that cannot be ---- */

static void wrong_cursor(uint64_t (*say)(struct ccase *c))
{
	struct ccase *c = start(1);
	int r = 0;

	feed(c, 60);
	case_arrive(&c->store[0], 5);
	case_ticks(c, 2);
	c->store[0].say = say(c);
	for (uint32_t i = 0; i < 5 && r == 0; i++)
		r = case_try_tick(c);
	assert_int_equal(r, WEIR_E_CORRUPT);
	assert_non_null(strstr(c->err.text, "step `out`: the sink's cursor is at epoch"));
	assert_non_null(strstr(c->err.text, "something else writes there"));
	case_free(c);
}

static uint64_t set_back(struct ccase *c)
{
	return info(c, 0).cursor - 1;
}

static uint64_t beyond(struct ccase *c)
{
	return c->cell.open + 5;
}

static uint64_t not_committed(struct ccase *c)
{
	c->no_disk = true;
	feed(c, 8);
	return inside(c, 0)->newest->epoch;
}

/* An epoch without output, or one that never was. */
static uint64_t between(struct ccase *c)
{
	uint64_t before = inside(c, 0)->newest->epoch;

	case_ticks(c, 200);
	feed(c, 20);
	assert_true(inside(c, 0)->newest->prev > before || inside(c, 0)->newest->prev == before);
	for (const struct cell_output *o = inside(c, 0)->first; o; o = o->next)
		if (o->epoch > o->prev + 1 && o->prev)
			return o->prev + 1;
	fail_msg("no gap");
	return 0;
}

static void test_stream_wrong_cursors_are_errors(void **state)
{
	(void)state;
	wrong_cursor(set_back);
	wrong_cursor(beyond);
	wrong_cursor(not_committed);
	wrong_cursor(between);
}

static void test_stream_errors_stop_the_pipeline(void **state)
{
	const enum weir_job_kind kind[] = {WEIR_JOB_PREPARE, WEIR_JOB_APPLY, WEIR_JOB_CURSOR,
					   WEIR_JOB_FINISH};

	(void)state;
	for (uint32_t i = 0; i < WEIR_COUNT_OF(kind); i++) {
		struct ccase *c = start(1);
		int r = 0;

		c->store[0].near = true;
		answer(&c->store[0], kind[i], WEIR_E_CORRUPT, 1);
		/* Also right behind another call. */
		if (kind[i] == WEIR_JOB_CURSOR)
			c->store[0].job[kind[i]].times = 0;
		case_feed(c);
		for (uint32_t t = 0; t < c->tasks.task_count && kind[i] == WEIR_JOB_FINISH; t++)
			c->played[t].end = true;
		for (uint32_t k = 0; k < 500 && r == 0; k++) {
			if (kind[i] == WEIR_JOB_CURSOR)
				c->store[0].job[kind[i]].times = info(c, 0).unsent;
			r = case_try_tick(c);
		}
		assert_int_equal(r, WEIR_E_CORRUPT);
		assert_string_equal(c->err.text, "played sink");
		case_free(c);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_stream_goes_on_before_the_cursor_moves),
	cmocka_unit_test(test_stream_commit_waits_for_no_prepare),
	cmocka_unit_test(test_stream_prepares_each_epoch_once),
	cmocka_unit_test(test_stream_later_is_the_same_job_again),
	cmocka_unit_test(test_stream_idle_jobs_give_way),
	cmocka_unit_test(test_stream_again_from_the_first),
	cmocka_unit_test(test_stream_again_before_the_commit),
	cmocka_unit_test(test_stream_spills_and_reads_back),
	cmocka_unit_test(test_stream_confirmed_while_it_is_read_back),
	cmocka_unit_test(test_stream_reads_large_outputs_in_pieces),
	cmocka_unit_test(test_stream_finds_output_that_has_changed),
	cmocka_unit_test(test_stream_finds_damage_in_the_journal),
	cmocka_unit_test(test_stream_wrong_cursors_are_errors),
	cmocka_unit_test(test_stream_errors_stop_the_pipeline),
};

WEIR_TEST_MAIN("cell stream", tests)
