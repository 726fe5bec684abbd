/* SPDX-License-Identifier: Apache-2.0 */
/* Sinks that stream: outboxes that are handed over before they are confirmed, and that may be larger than memory. */
#include "engine/core/cell_int.h"
#include "tests/unit/engine/cell_case.h"

static const struct weir_hooks hooks = {.probe = case_on_probe, .buggify = case_on_buggify};

static struct ccase *begin(uint32_t streams)
{
	struct ccase *c = case_new();

	weir_hooks = &hooks;
	c->streams = streams;
	c->opt.epoch_ns = 40 * MS;
	return c;
}

static struct ccase *start(uint32_t streams)
{
	struct ccase *c = begin(streams);

	case_up(c);
	return c;
}

static struct weir_cell_sink_info info(struct ccase *c, uint32_t i)
{
	struct weir_cell_sink_info ret;

	weir_cell_sink_info(&c->cell, i, &ret);
	return ret;
}

static void answer(struct store *s, enum weir_job_kind kind, int result, uint32_t times)
{
	s->job[kind].result = result;
	s->job[kind].times = times;
	s->job[kind].calls = 0;
}

/* Rows in every tick, so that each epoch has output. */
static void feed(struct ccase *c, uint32_t ticks)
{
	while (ticks--) {
		case_feed(c);
		case_tick(c);
	}
}

/* Until the store has all that was fed. */
static void drain(struct ccase *c, uint32_t i)
{
	struct store *s = &c->store[i];

	s->near = true;
	for (uint32_t k = 0;
	     k < 3000 && (s->n < case_task(c, OUT + i)->rows_all || info(c, i).waiting); k++)
		case_tick(c);
	assert_int_equal(s->n, case_task(c, OUT + i)->rows_all);
	assert_memory_equal(s->text, c->expect[i], s->n);
	assert_int_equal(info(c, i).waiting, 0);
	assert_int_equal(info(c, i).unsent, 0);
	assert_int_equal(info(c, i).memory_bytes, 0);
	s->near = false;
}

static const struct cell_sink *inside(const struct ccase *c, uint32_t i)
{
	return &c->cell.own->sink[i];
}

/* What cell_stream.c promises of an outbox. */
static void check_outbox(const struct ccase *c, uint32_t i)
{
	const struct cell_sink *s = inside(c, i);
	const struct cell_stream *st = &s->stream;
	uint32_t part = 0, unsent = 0, count = 0; /* old, give, load, fresh */
	uint64_t memory = 0, bytes = 0;

	for (const struct cell_output *o = s->first; o; o = o->next) {
		part = o == st->old ? WEIR_MAX(part, 1u) : part;
		part = o == st->give ? WEIR_MAX(part, 2u) : part;
		part = o == st->load ? 3 : part;
		part = o == st->fresh ? 4 : part;
		assert_int_equal(o->data != NULL, part == 1 || part == 2 || part == 4);
		assert_true(o->data || o->epoch <= c->cell.durable);
		unsent += part >= 2;
		memory += o->data ? o->bytes : 0;
		bytes += o->bytes;
		count++;
	}
	assert_int_equal(unsent, st->give ? st->unsent : 0);
	assert_int_equal(st->unsent, unsent);
	assert_int_equal(memory, st->memory);
	assert_int_equal(bytes, s->waiting_bytes);
	assert_int_equal(count, s->waiting);
}

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

WEIR_TEST_MAIN("cell stream", tests)
