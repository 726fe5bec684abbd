/* SPDX-License-Identifier: Apache-2.0 */
/* Kills and starts: state, numbers of epochs, base rounds, changed pipelines, damaged bundles. */
#include "engine/core/cell_int.h"
#include "tests/unit/engine/cell_case.h"

static const struct weir_hooks hooks = {.probe = case_on_probe, .buggify = case_on_buggify};

static struct ccase *start(const char *make)
{
	struct ccase *c = case_new();

	case_seen.make = make;
	weir_hooks = &hooks;
	case_up(c);
	return c;
}

/* ---- state ---- */

static void test_restore_of_nothing(void **state)
{
	struct ccase *c = start(NULL);

	(void)state;
	assert_int_equal(c->cell.open + c->cell.durable + c->cell.aligned + c->cell.covered, 0);
	assert_false(c->cell.ended || c->cell.finished);
	for (uint32_t t = 0; t < c->tasks.task_count; t++)
		assert_int_equal(c->played[t].restored, 0);
	case_free(c);
}

static void test_restore_of_the_newest_durable_epoch(void **state)
{
	struct ccase *c = start(NULL);

	(void)state;
	for (uint32_t life = 0; life < 5; life++) {
		case_rows(c, 17);
		case_again(c);
		assert_true(case_task(c, SRC)->slot[0] > 0);
	}
	case_settle(c);
	case_free(c);
}

static void test_restore_errors_name_the_step(void **state)
{
	struct ccase *c = start(NULL);
	struct weir_journal *j;
	uint32_t way;

	(void)state;
	case_rows(c, 10);
	case_settle(c);
	case_down(c);
	for (way = 0; way < 2; way++) {
		case_make(c);
		assert_int_equal(case_try_journal(c, &j), 0);
		c->is_up = true;
		c->played[KEYS].restore_result = way == 0 ? WEIR_E_CORRUPT : 0;
		c->played[KEYS].restored_result = way == 1 ? WEIR_E_LIMIT : 0;
		assert_int_equal(weir_cell_open(&c->cell, &c->opt, &c->p, &c->tasks, c->unit, j,
						&weir_test_mem, &c->region, &c->err),
				 way == 0 ? WEIR_E_CORRUPT : WEIR_E_LIMIT);
		assert_non_null(strstr(c->err.text, "step `keys`: its state cannot be read back"));
		case_down(c);
	}
	/* A node's own text comes first. */
	c->keys_sign = "keys";
	case_up(c);
	case_check_restored(c, c->cell.durable);
	case_free(c);
}

static void test_restore_passes_errors_of_the_disk_on(void **state)
{
	struct ccase *c = start(NULL);
	uint64_t writes;

	(void)state;
	case_rows(c, 10);
	case_settle(c);
	case_down(c);
	writes = c->d.writes;
	c->d.fail_write = writes + 1; /* the fence */
	assert_int_equal(case_try_up(c), WEIR_E_IO);
	case_down(c);
	c->d.fail_write = 0;
	case_up(c);
	case_check_restored(c, c->cell.durable);
	case_free(c);
}

/* ---- numbers ---- */

static void test_numbers_are_never_used_again(void **state)
{
	struct ccase *c = start(NULL);
	uint64_t highest = 0;

	(void)state;
	/* Lives without any commit, also right at the beginning, and lives with some. */
	for (uint32_t life = 0; life < 24; life++) {
		c->no_disk = life % 8 < 4;
		for (uint32_t i = 0; i < 90; i++) {
			case_feed(c);
			case_tick(c);
		}
		assert_true(c->cell.open > highest);
		highest = WEIR_MAX(highest, c->cell.open);
		c->no_disk = false;
		case_again(c);
		assert_true(c->cell.open >= highest); /* I2 */
		assert_true(c->cell.durable <= highest);
	}
	case_settle(c);
	case_free(c);
}

static void test_numbers_of_folded_epochs_are_never_used_again(void **state)
{
	struct ccase *c = start("cell.fold");
	uint64_t highest = 0;

	(void)state;
	for (uint32_t life = 0; life < 10; life++) {
		c->no_disk = life % 2;
		for (uint32_t i = 0; i < 1500; i++) {
			if (i % 4 == 0)
				case_feed(c);
			case_tick(c);
		}
		highest = WEIR_MAX(highest, c->cell.open);
		c->no_disk = false;
		case_again(c);
		assert_true(c->cell.open >= highest);
	}
	case_free(c);
}

/* ---- base rounds ---- */

static void test_base_a_source_that_ended_long_ago_comes_back(void **state)
{
	struct ccase *c = start(NULL);
	struct played *keys;

	(void)state;
	c->opt.base_bytes = 60000;
	case_again(c);
	case_rows(c, 20);
	case_task(c, SRC)->end = true;
	case_ticks(c, 50);
	assert_true(case_task(c, SRC)->final);
	keys = case_task(c, KEYS);
	for (uint32_t i = 0; i < 30000 && c->cell.covered < case_task(c, SRC)->epoch + 100; i++) {
		c->now.input_rows++;
		case_set(keys, i % 4, i);
		case_tick(c);
	}
	assert_true(c->cell.covered >= case_task(c, SRC)->epoch + 100);
	assert_true(case_probed("cell.ended_task_restated"));
	for (uint32_t life = 0; life < 3; life++) {
		case_again(c);
		assert_int_equal(case_task(c, SRC)->slot[0], 20);
		assert_int_equal(case_task(c, SRC)->node[0].watermark, 20);
	}
	/* It ends again, with the same last part. */
	case_task(c, SRC)->end = true;
	case_ticks(c, 100);
	assert_true(case_task(c, SRC)->final);
	case_again(c);
	case_free(c);
}

static void test_base_goes_round_and_round(void **state)
{
	struct ccase *c = start("cell.base_early");
	uint64_t rounds = 0;
	struct weir_journal_stats st;

	(void)state;
	for (uint32_t i = 0; i < 6000; i++) {
		if (i % 4 == 0 && c->played[0].rows_all < 20000)
			case_feed(c);
		else
			c->now.input_rows++;
		case_tick(c);
		if (i % 997 == 0) {
			rounds += c->cell.round;
			case_again(c);
		}
	}
	rounds += c->cell.round;
	assert_true(rounds > 20 && c->cell.covered > 100);
	weir_journal_stats(c->cell.journal, &st);
	assert_true(st.bytes_live < 400000);
	case_free(c);
}

/* A round waits for tasks that are slow, goes on over a folded epoch, and does not begin anew meanwhile. */
static void test_base_round_waits_for_all_tasks(void **state)
{
	struct ccase *c = start("cell.base_early");
	uint64_t covered;

	(void)state;
	for (uint32_t i = 0; i < 30; i++) {
		case_feed(c);
		case_tick(c);
	}
	covered = c->cell.covered;
	/* This one does not say that it is through. */
	for (uint32_t i = 0; i < 400; i++) {
		struct played *keys = case_task(c, KEYS);

		keys->slow = true;
		if (c->cell.barrier > keys->epoch)
			case_report(c, keys, false);
		case_feed(c);
		case_tick(c);
	}
	assert_true(c->cell.covered <= covered + 2);
	case_task(c, KEYS)->slow = false;
	for (uint32_t i = 0; i < 200; i++) {
		case_feed(c);
		case_tick(c);
	}
	assert_true(c->cell.covered > covered + 2);
	case_again(c);
	case_free(c);
}

static void test_base_that_is_unreadable_stops_the_pipeline(void **state)
{
	struct ccase *c = start("cell.base_early");
	int r = 0;

	(void)state;
	for (uint32_t i = 0; i < 1000 && r == 0; i++) {
		case_feed(c);
		r = case_try_tick(c);
		/* All segments rot as soon as they are written. */
		for (uint32_t k = 0; k < MEMDISK_FILES; k++)
			if (strncmp(c->d.file[k].name, "journal-", 8) == 0)
				memset(c->d.file[k].data, 0x55, c->d.file[k].bytes);
	}
	assert_int_equal(r, WEIR_E_CORRUPT);
	assert_non_null(strstr(c->err.text, "is damaged"));
	assert_int_equal(c->cell.covered, 0);
	case_free(c);
}

/* A base that takes several reads is done without waiting in between. */
static void test_base_of_many_bytes_goes_on_at_once(void **state)
{
	struct ccase *c = start(NULL);
	uint32_t urgent = 0;

	(void)state;
	c->opt.base_bytes = 6 << 20;
	case_again(c);
	for (uint32_t i = 0; i < 1500 && !urgent; i++) {
		struct played *keys = case_task(c, KEYS);

		/* Half a megabyte: the same slot many times. */
		if (c->cell.barrier > keys->epoch) {
			struct weir_report *r = calloc(1, sizeof(*r));

			r->task = keys->index;
			r->epoch = ++keys->epoch;
			/* The round takes them more than ten epochs. */
			keys->round =
				c->cell.open > c->cell.own->round_covers + 12 ? c->cell.round : 0;
			r->round = keys->round;
			part_of(r, WEIR_PART_NODE, keys);
			for (uint32_t k = 0; k < 60000; k++) {
				weir_out_u8(&r->part[0].out, 0);
				weir_out_u64(&r->part[0].out, 7);
			}
			weir_cell_report(&c->cell, r);
			free(r);
		}
		keys->slow = true;
		c->now.input_rows++;
		assert_int_equal(case_try_tick(c), 0);
		urgent += c->cell.next_ns == 1;
	}
	assert_true(urgent > 0);
	case_free(c);
}

/* ---- changed pipelines ---- */

static void test_change_is_refused(void **state)
{
	struct ccase *c = start(NULL);

	(void)state;
	case_rows(c, 20);
	case_settle(c);
	case_down(c);
	c->keys_sign = "keys, but other ones";
	assert_int_equal(case_try_up(c), WEIR_E_CONFIG);
	assert_non_null(
		strstr(c->err.text, "step `keys` means something else now: was `keys`, is"));
	assert_non_null(strstr(c->err.text, "--drop-state"));
	case_down(c);
	c->keys_sign = "keys";
	c->keys_name = "buttons";
	assert_int_equal(case_try_up(c), WEIR_E_CONFIG);
	assert_non_null(
		strstr(c->err.text, "step `keys` the pipeline has no step of this name any more"));
	case_down(c);
	/* Nothing was touched. */
	c->keys_name = "keys";
	case_up(c);
	case_check_restored(c, c->cell.durable);
	case_free(c);
}

static void test_change_that_is_accepted_starts_empty(void **state)
{
	const char *const name[] = {"keys", "buttons"};

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		struct ccase *c = start(NULL);

		case_rows(c, 20);
		case_settle(c);
		case_down(c);
		c->keys_sign = "keys, but other ones";
		c->keys_name = name[i];
		c->opt.accept_loss = true;
		case_up(c);
		assert_int_equal(case_task(c, KEYS)->restored, 0);
		assert_int_equal(case_task(c, SRC)->slot[0], 20);
		c->opt.accept_loss = false;
		/* From now on this is what it means. */
		for (uint32_t e = 0; e < EPOCHS; e++)
			c->snap[KEYS][e].there = false;
		case_rows(c, 20);
		case_settle(c);
		case_again(c);
		assert_int_equal(case_task(c, SRC)->slot[0], 40);
		assert_true(case_task(c, KEYS)->restored > 0);
		case_free(c);
	}
}

static void test_change_of_a_step_without_a_meaning(void **state)
{
	struct ccase *c = case_new();

	(void)state;
	c->pipe_unsigned = true;
	case_up(c);
	case_rows(c, 20);
	case_settle(c);
	case_again(c);
	case_rows(c, 5);
	case_settle(c);
	case_free(c);
}

/* The sink begins a new life, too: what it had not got is given up, and nothing asks for it any more. */
static void test_change_of_a_sink_that_is_accepted(void **state)
{
	(void)state;
	for (uint32_t elsewhere = 0; elsewhere < 2; elsewhere++) {
		struct ccase *c = start(NULL);
		size_t n;

		case_rows(c, 20);
		case_settle(c);
		c->store[0].job[WEIR_JOB_APPLY].result = WEIR_SINK_UNKNOWN;
		c->store[0].job[WEIR_JOB_APPLY].times = UINT32_MAX;
		case_rows(c, 20);
		c->store[0].job[WEIR_JOB_APPLY].times = 0;
		case_down(c);
		c->out_sign = "out, elsewhere";
		assert_int_equal(case_try_up(c), WEIR_E_CONFIG);
		case_down(c);
		c->opt.accept_loss = true;
		if (elsewhere)
			c->store[0].cursor = 0;
		case_up(c);
		c->opt.accept_loss = false;
		n = c->store[0].n;
		for (uint32_t i = 0; i < 100; i++) {
			case_feed(c);
			assert_int_equal(case_try_tick(c), 0);
		}
		assert_true(c->store[0].n > n);
		n = c->store[0].n;
		case_down(c);
		case_up(c);
		for (uint32_t i = 0; i < 100; i++) {
			case_feed(c);
			assert_int_equal(case_try_tick(c), 0);
		}
		assert_true(c->store[0].n > n);
		case_free(c);
	}
}

static void test_change_of_the_number_of_tasks(void **state)
{
	const uint32_t tasks[] = {1, 3, 2, 4, 1};
	struct ccase *c = start(NULL);
	uint64_t want[SLOTS] = {0};

	(void)state;
	for (uint32_t i = 1; i < WEIR_COUNT_OF(tasks); i++) {
		int64_t lowest = INT64_MAX;

		case_rows(c, 20);
		case_settle(c);
		c->now.stop = true;
		case_ticks(c, 50);
		for (uint32_t k = 0; k < tasks[i - 1]; k++) {
			const struct played *p = case_task(c, KEYS) + k;

			for (uint32_t s = k; s < SLOTS; s += tasks[i - 1])
				want[s] = p->slot[s];
			lowest = WEIR_MIN(lowest, p->watermark);
		}
		case_down(c);
		c->keys_tasks = tasks[i];
		/* Snapshots go by task, and the sinks' tasks have other numbers now. */
		memset(c->snap, 0, sizeof(c->snap));
		case_up(c);
		assert_true(case_probed("cell.rescaled"));
		for (uint32_t k = 0; k < tasks[i]; k++) {
			const struct played *p = case_task(c, KEYS) + k;

			for (uint32_t s = 0; s < SLOTS; s++)
				assert_int_equal(p->slot[s], s % tasks[i] == k ? want[s] : 0);
			assert_int_equal(p->node[0].watermark, lowest);
		}
		/* The rows so far, where the new numbers look for them. */
		c->snap[c->chain[OUT].first_task][c->cell.durable].there = true;
		c->snap[c->chain[OUT].first_task][c->cell.durable].rows = c->store[0].n;
		c->snap[c->chain[OUT].first_task][c->store[0].cursor].there = true;
		c->snap[c->chain[OUT].first_task][c->store[0].cursor].rows = c->store[0].n;
		case_task(c, OUT)->rows_all = c->store[0].n;
		case_task(c, PIPE)->rows_all = c->store[1].n;
	}
	case_free(c);
}

/* ---- recall ---- */

static int on_recall(void *ctx, const struct weir_bundle_head *h, uint64_t epoch)
{
	uint64_t *ret = ctx;

	assert_int_equal(h->step_count, STEPS);
	assert_true(weir_str_is(h->step[KEYS].name, "keys"));
	assert_true(weir_str_is(h->step[KEYS].sign, "keys"));
	assert_int_equal(h->step[KEYS].tasks, 2);
	assert_int_equal(h->step[OUT].kind, WEIR_STEP_SINK);
	*ret = epoch;
	return 0;
}

static int on_recall_refuse(void *ctx, const struct weir_bundle_head *h, uint64_t epoch)
{
	(void)ctx;
	(void)h;
	(void)epoch;
	return WEIR_E_LIMIT;
}

static void test_recall_of_the_step_table(void **state)
{
	struct weir_bundle_head *head = calloc(1, sizeof(*head));
	struct ccase *c = case_new();
	struct weir_journal *j;
	uint64_t epoch = 0;

	(void)state;
	c->keys_tasks = 2;
	assert_int_equal(case_try_journal(c, &j), 0);
	assert_int_equal(weir_cell_recall(j, head, on_recall, &epoch, &c->err), 0);
	weir_journal_close(j);
	case_up(c);
	case_rows(c, 10);
	case_settle(c);
	case_down(c);
	assert_int_equal(case_try_journal(c, &j), 0);
	assert_int_equal(weir_cell_recall(j, head, on_recall, &epoch, &c->err), 1);
	assert_int_equal(epoch, weir_journal_durable(j));
	assert_int_equal(weir_cell_recall(j, head, on_recall_refuse, &epoch, &c->err),
			 WEIR_E_LIMIT);
	weir_journal_close(j);
	free(head);
	case_free(c);
}

/* ---- damaged bundles ---- */

struct bytes {
	uint8_t *p;
	size_t n;
};

static int on_bundle(void *ctx, uint64_t epoch, uint64_t fence, struct weir_reader *in)
{
	struct bytes *b = ctx;

	(void)epoch;
	(void)fence;
	b->n = weir_reader_left(in);
	b->p = malloc(b->n);
	memcpy(b->p, in->p, b->n);
	return 0;
}

static void append_bundle(struct ccase *c, const uint8_t *p, size_t n, uint64_t epoch)
{
	struct weir_journal *j;
	struct weir_out out;

	weir_out_init(&out, &weir_test_mem);
	weir_out_put(&out, p, n);
	assert_int_equal(case_try_journal(c, &j), 0);
	assert_int_equal(weir_journal_start(j, &c->err), 0);
	assert_int_equal(weir_journal_append(j, epoch, &out, &c->err), 0);
	while (!weir_journal_idle(j))
		assert_int_equal(weir_journal_step(j, 1000, &c->err), 0);
	weir_journal_close(j);
}

/* A new disk whose journal has these bytes as its only bundle. */
static void put_bundle(struct ccase *c, const uint8_t *p, size_t n, uint64_t epoch)
{
	memdisk_fini(&c->d);
	memdisk_init(&c->d, 1);
	memset(c->store, 0, sizeof(c->store));
	append_bundle(c, p, n, epoch);
}

static void try_damaged(struct ccase *c, const uint8_t *p, size_t n, uint64_t epoch, uint32_t *ok)
{
	struct weir_bundle_head *head = calloc(1, sizeof(*head));
	int r;

	put_bundle(c, p, n, epoch);
	r = case_try_up(c);
	*ok += r == 0;
	if (r < 0) {
		assert_true(c->err.text[0]);
		assert_true(r == WEIR_E_CORRUPT || r == WEIR_E_VERSION || r == WEIR_E_CONFIG);
	}
	case_down(c);
	free(head);
}

static void test_damage_of_a_bundle_never_crashes(void **state)
{
	struct ccase *c = start(NULL);
	struct weir_journal *j;
	struct bytes b;
	uint64_t epoch;
	uint32_t ok = 0;
	struct weir_prng rnd = weir_prng_of(7, "damage");

	(void)state;
	/* All of it in one bundle: keys, output of both sinks. */
	for (uint32_t i = 0; i < 10; i++)
		case_feed(c);
	c->store[0].job[WEIR_JOB_APPLY].result = WEIR_SINK_UNKNOWN;
	c->store[0].job[WEIR_JOB_APPLY].times = UINT32_MAX;
	while (c->cell.durable < 1)
		case_tick(c);
	epoch = c->cell.durable;
	case_down(c);
	assert_int_equal(case_try_journal(c, &j), 0);
	assert_int_equal(weir_journal_newest(j, on_bundle, &b, &c->err), 0);
	weir_journal_close(j);
	try_damaged(c, b.p, b.n, epoch, &ok);
	assert_int_equal(ok, 1);
	for (size_t n = 0; n < b.n; n++)
		try_damaged(c, b.p, n, epoch, &ok);
	/* A prefix that ends between two parts cannot be told; the journal's own length and checksums do that. */
	assert_in_range(ok, 1, 10);
	for (uint32_t i = 0; i < 3000; i++) {
		uint8_t *copy = malloc(b.n);

		memcpy(copy, b.p, b.n);
		for (uint64_t k = 0; k <= weir_prng_below(&rnd, 3); k++)
			copy[weir_prng_below(&rnd, b.n)] ^=
				(uint8_t)(1u << weir_prng_below(&rnd, 8));
		try_damaged(c, copy, b.n, epoch, &ok);
		free(copy);
	}
	/* One in the middle. */
	put_bundle(c, b.p, 20, epoch);
	append_bundle(c, b.p, b.n, epoch + 1);
	assert_int_equal(case_try_up(c), WEIR_E_CORRUPT);
	free(b.p);
	case_free(c);
}

/* ---- parts by hand ---- */

static void head_by_hand(struct ccase *c, struct weir_out *o)
{
	struct weir_bundle_head *h = calloc(1, sizeof(*h));

	case_make(c);
	weir_cell_step_table(&c->p, &c->tasks, c->unit, &c->region, h);
	weir_out_init(o, &weir_test_mem);
	weir_bundle_head_put(o, h);
	free(h);
}

static void sink_by_hand(struct weir_out *o, uint32_t task, uint64_t prev, uint64_t cursor,
			 uint8_t has)
{
	struct weir_out part;

	weir_out_init(&part, &weir_test_mem);
	weir_out_u64(&part, prev);
	weir_out_u64(&part, cursor);
	weir_out_u8(&part, has);
	weir_bundle_part_put(o, WEIR_PART_SINK, OUT, task, &part);
}

static void bundle_of(struct weir_out *o, struct bytes *b)
{
	b->n = (size_t)o->bytes;
	b->p = malloc(b->n);
	weir_out_copy(o, b->p);
	weir_out_fini(o);
}

static void expect_open(struct ccase *c, struct weir_out *o, int r, const char *text)
{
	struct bytes b;

	bundle_of(o, &b);
	for (uint32_t t = 0; t < c->tasks.task_count; t++)
		weir_out_fini(&c->played[t].rows);
	weir_region_fini(&c->region);
	put_bundle(c, b.p, b.n, 5);
	free(b.p);
	c->err.text[0] = 0;
	assert_int_equal(case_try_up(c), r);
	if (!strstr(c->err.text, text))
		fail_msg("%s", c->err.text);
	case_down(c);
}

static void test_damage_of_a_sinks_part(void **state)
{
	static const struct {
		uint64_t prev, cursor;
		uint8_t has;
	} bad[] = {{5, 0, 0}, {9, 0, 1}, {0, 6, 0}, {0, 0, 3}};
	struct ccase *c = case_new();
	struct weir_out o, part;

	(void)state;
	for (uint32_t i = 0; i < WEIR_COUNT_OF(bad); i++) {
		head_by_hand(c, &o);
		sink_by_hand(&o, 0, bad[i].prev, bad[i].cursor, bad[i].has);
		expect_open(c, &o, WEIR_E_CORRUPT, "head of a sink's part");
	}
	/* A step that is no sink. */
	head_by_hand(c, &o);
	weir_out_init(&part, &weir_test_mem);
	weir_out_u64(&part, 0);
	weir_out_u64(&part, 0);
	weir_out_u8(&part, 0);
	weir_bundle_part_put(&o, WEIR_PART_SINK, KEYS, 0, &part);
	expect_open(c, &o, WEIR_E_CORRUPT, "epoch 5: the part of sink `keys` does not fit");
	/* A node's own text. */
	head_by_hand(c, &o);
	weir_out_init(&part, &weir_test_mem);
	weir_out_u8(&part, 200);
	weir_bundle_part_put(&o, WEIR_PART_NODE, KEYS, 0, &part);
	expect_open(c, &o, WEIR_E_CORRUPT, "played state");
	/* A sink that is in no bundle has nothing. */
	head_by_hand(c, &o);
	expect_open(c, &o, 0, "");
	case_free(c);
}

/* ---- many lives ---- */

static void all_rows_are_in_the_pipe(struct ccase *c)
{
	size_t n = case_rows_at(c, c->chain[PIPE].first_task, c->cell.durable);
	char *all = calloc(1, TEXT + 1), *have = calloc(1, TEXT + 1), *at, *save = NULL;

	memcpy(all, c->expect[1], n);
	memcpy(have, c->store[1].text, c->store[1].n);
	for (at = strtok_r(all, ";", &save); at; at = strtok_r(NULL, ";", &save)) {
		char row[80];
		size_t k = (size_t)snprintf(row, sizeof(row), "%s;", at);
		const char *p = have;

		while ((p = strstr(p, row)) && p != have && p[-1] != ';')
			p += k;
		if (!p)
			fail_msg("row %s is lost", at);
	}
	free(all);
	free(have);
}

static void random_life(struct ccase *c, struct weir_prng *rnd)
{
	static const char *const make[] = {NULL, "cell.base_early", "cell.fold"};
	uint64_t ticks = weir_prng_below(rnd, 300);

	case_seen.make = make[weir_prng_below(rnd, 3)];
	for (uint64_t i = 0; i < ticks && !c->cell.finished; i++) {
		struct store *s = &c->store[weir_prng_below(rnd, 2)];

		if (!c->cell.hold && weir_prng_below(rnd, 3) == 0)
			case_feed(c);
		c->played[weir_prng_below(rnd, c->tasks.task_count)].slow =
			weir_prng_below(rnd, 4) == 0;
		c->no_disk = weir_prng_below(rnd, 4) == 0;
		c->no_sinks = weir_prng_below(rnd, 4) == 0;
		if (weir_prng_below(rnd, 10) == 0) {
			uint64_t kind = WEIR_JOB_PREPARE + weir_prng_below(rnd, 3);

			s->job[kind].result = WEIR_SINK_UNKNOWN;
			s->job[kind].times = (uint32_t)weir_prng_below(rnd, 3);
			s->lands = weir_prng_below(rnd, 2);
		}
		case_tick(c);
	}
	c->no_disk = c->no_sinks = false;
	for (uint32_t t = 0; t < c->tasks.task_count; t++)
		c->played[t].slow = false;
	case_seen.make = NULL;
}

static void test_many_lives(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct ccase *c = case_new();
		struct weir_prng rnd = weir_prng_of(seed, "lives");
		uint64_t highest = 0;

		weir_hooks = &hooks;
		c->d.shuffle = seed % 2;
		c->d.slow = seed % 3 == 0;
		c->opt.in_flight = 1 + (uint32_t)weir_prng_below(&rnd, 8);
		c->opt.epoch_ns = (1 + weir_prng_below(&rnd, 10)) * 10 * MS;
		c->opt.deadline_ns = (1 + weir_prng_below(&rnd, 30)) * 10 * MS;
		c->opt.base_bytes = 50000;
		case_up(c);
		for (uint32_t life = 0; life < 8; life++) {
			random_life(c, &rnd);
			highest = WEIR_MAX(highest, c->cell.open);
			case_again(c);
			assert_true(c->cell.open >= highest);
		}
		for (uint32_t i = 0; i < 2; i++)
			memset(c->store[i].job, 0, sizeof(c->store[i].job));
		for (uint32_t t = 0; t < c->tasks.task_count; t++)
			c->played[t].end = true;
		for (uint32_t i = 0; i < 2000 && !c->cell.finished; i++)
			case_tick(c);
		assert_true(c->cell.finished);
		assert_int_equal(c->store[0].n, case_task(c, OUT)->rows_all);
		all_rows_are_in_the_pipe(c);
		case_free(c);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_restore_of_nothing),
	cmocka_unit_test(test_restore_of_the_newest_durable_epoch),
	cmocka_unit_test(test_restore_errors_name_the_step),
	cmocka_unit_test(test_restore_passes_errors_of_the_disk_on),
	cmocka_unit_test(test_numbers_are_never_used_again),
	cmocka_unit_test(test_numbers_of_folded_epochs_are_never_used_again),
	cmocka_unit_test(test_base_a_source_that_ended_long_ago_comes_back),
	cmocka_unit_test(test_base_goes_round_and_round),
	cmocka_unit_test(test_base_round_waits_for_all_tasks),
	cmocka_unit_test(test_base_that_is_unreadable_stops_the_pipeline),
	cmocka_unit_test(test_base_of_many_bytes_goes_on_at_once),
	cmocka_unit_test(test_change_is_refused),
	cmocka_unit_test(test_change_that_is_accepted_starts_empty),
	cmocka_unit_test(test_change_of_a_step_without_a_meaning),
	cmocka_unit_test(test_change_of_a_sink_that_is_accepted),
	cmocka_unit_test(test_change_of_the_number_of_tasks),
	cmocka_unit_test(test_recall_of_the_step_table),
	cmocka_unit_test(test_damage_of_a_bundle_never_crashes),
	cmocka_unit_test(test_damage_of_a_sinks_part),
	cmocka_unit_test(test_many_lives),
};

WEIR_TEST_MAIN("cell restore", tests)
