/* SPDX-License-Identifier: Apache-2.0 */
/* Power cuts after every step, failed, lost and misdirected writes. */
#include "tests/unit/engine/journal_case.h"

/*
 * A run: restart, some bundles, a base. Ends early when the disk dies. *acked: what durable() said last. false: it
 * ended early.
 */
static bool run(struct jcase *c, struct weir_prng *r, uint32_t bundles, uint64_t *acked)
{
	uint64_t epoch;
	bool whole;

	if (jcase_try_open(c) < 0)
		return false;
	for (uint64_t e = weir_journal_durable(c->j) + 1; e < CASE_EPOCHS; e++)
		c->size[e] = 0;
	jcase_replay(c);
	*acked = WEIR_MAX(*acked, weir_journal_durable(c->j));
	if (jcase_try_start(c) < 0)
		return false;
	epoch = weir_journal_durable(c->j);
	for (uint32_t i = 0; i < bundles; i++) {
		int e;

		epoch += weir_prng_range(r, 1, 2);
		while ((e = jcase_append(c, epoch, weir_prng_below(r, 40000))) == WEIR_E_BUSY) {
			e = weir_journal_step(c->j, 1, &c->err);
			*acked = weir_journal_durable(c->j);
			if (e < 0)
				return false;
		}
		if (e == 0 && weir_prng_chance(r, 1, 2))
			e = weir_journal_step(c->j, 1, &c->err);
		*acked = weir_journal_durable(c->j);
		if (e == 0 && *acked > 4 && weir_prng_chance(r, 1, 4))
			e = jcase_base(c, *acked - 3);
		*acked = weir_journal_durable(c->j);
		if (e < 0)
			return false;
	}
	whole = jcase_drain(c) == 0;
	*acked = weir_journal_durable(c->j);
	if (!whole)
		return false;
	assert_int_equal(*acked, epoch);
	return true;
}

/* After a power cut: nothing that was durable is gone, and all that is there is right. */
static void check(struct jcase *c, uint64_t acked)
{
	uint64_t durable;

	jcase_close(c);
	memdisk_cut(&c->d);
	jcase_open(c);
	durable = weir_journal_durable(c->j);
	assert_true(durable >= acked);
	for (uint64_t e = durable + 1; e < CASE_EPOCHS; e++)
		c->size[e] = 0;
	for (uint32_t i = 0; i < c->report.count; i++)
		assert_true(c->report.finding[i].fault == WEIR_JOURNAL_TORN ||
			    c->report.finding[i].fault == WEIR_JOURNAL_COPY);
	jcase_replay(c);
	jcase_close(c);
	/* Opening changes nothing: the same epochs again. */
	jcase_open(c);
	assert_int_equal(weir_journal_durable(c->j), durable);
	jcase_replay(c);
	jcase_close(c);
}

static void test_power_cut_after_every_step(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 3; seed++) {
		bool whole = false;

		for (uint64_t at = 1; !whole; at++) {
			struct weir_prng r = weir_prng_of(seed, "crash");
			struct jcase *c = jcase_new(seed * 1000 + at, 64 * KIB);
			uint64_t acked = 0;

			c->d.shuffle = true;
			c->d.die_at = at;
			whole = run(c, &r, 12, &acked);
			check(c, acked);
			/* And once more, into what the first one left. */
			c->d.die_at = weir_prng_range(&r, 1, 60);
			c->d.steps = 0;
			run(c, &r, 8, &acked);
			check(c, acked);
			assert_true(run(c, &r, 3, &acked));
			check(c, acked);
			jcase_free(c);
		}
	}
}

/* Whatever a creation that was interrupted left: the next one starts over, and the journal works. */
static void test_power_cut_while_the_journal_is_made(void **state)
{
	bool whole = false;

	(void)state;
	for (uint64_t at = 1; !whole; at++) {
		struct jcase *c = jcase_new(at, 64 * KIB);

		c->d.die_at = at;
		whole = jcase_try_open(c) == 0;
		jcase_close(c);
		memdisk_cut(&c->d);
		jcase_open(c);
		assert_int_equal(weir_journal_durable(c->j), 0);
		jcase_start(c);
		jcase_add(c, 1, 10);
		jcase_reopen(c);
		assert_int_equal(c->report.count, 0);
		jcase_free(c);
	}
}

static void test_many_power_cuts_in_a_row(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 15; seed++) {
		struct weir_prng r = weir_prng_of(seed, "crashes");
		struct jcase *c = jcase_new(seed, (16 + weir_prng_below(&r, 8)) * 4 * KIB);
		uint64_t acked = 0;

		c->d.shuffle = true;
		for (int i = 0; i < 25; i++) {
			c->d.die_at = weir_prng_range(&r, 1, 150);
			c->d.steps = 0;
			run(c, &r, 12, &acked);
			check(c, acked);
		}
		jcase_free(c);
	}
}

/* I35: after a write that failed, no epoch becomes durable, and what was durable stays. */
static void test_a_failed_write_is_the_end(void **state)
{
	bool whole = false;

	(void)state;
	for (uint64_t at = 1; !whole; at++) {
		struct weir_prng r = weir_prng_of(7, "fail");
		struct jcase *c = jcase_new(at, 64 * KIB);
		uint64_t acked = 0;

		c->d.fail_write = at;
		whole = run(c, &r, 12, &acked);
		if (c->started && !whole) {
			struct weir_out out;

			assert_non_null(strstr(c->err.text, "offset"));
			for (int i = 0; i < 20; i++)
				assert_int_equal(weir_journal_step(c->j, 1, &c->err), WEIR_E_IO);
			weir_out_init(&out, &weir_test_mem);
			assert_int_equal(weir_journal_durable(c->j), acked);
			assert_int_equal(weir_journal_base(c->j, 1, &c->err), WEIR_E_IO);
			assert_int_equal(weir_journal_append(c->j, CASE_EPOCHS, &out, &c->err),
					 WEIR_E_IO);
			assert_true(weir_journal_durable(c->j) >= acked);
		}
		assert_true(whole || c->d.writes >= at);
		check(c, acked);
		c->d.fail_write = 0;
		assert_true(run(c, &r, 3, &acked));
		check(c, acked);
		jcase_free(c);
	}
}

/* The disk says a write is done that never was, or did it elsewhere: noticed or harmless, never a wrong answer. */
static void liar(struct jcase *c, uint64_t seed, uint64_t lose, uint64_t misdirect, int64_t by,
		 bool *ret_whole, uint32_t *ret_noticed)
{
	struct weir_prng r = weir_prng_of(seed, "liar");
	uint64_t acked = 0;
	int e;

	/* A first run leaves stale units above its frontier. */
	c->d.die_at = 60;
	c->d.shuffle = true;
	run(c, &r, 12, &acked);
	check(c, acked);
	c->d.shuffle = false;
	c->d.writes = 0;
	c->d.lose_write = lose;
	c->d.misdirect_write = misdirect;
	c->d.misdirect_by = by;
	if (!run(c, &r, 12, &acked)) {
		/* Reading back for the base noticed it. */
		assert_int_equal(c->err.code, WEIR_E_CORRUPT);
		(*ret_noticed)++;
	}
	*ret_whole = c->d.writes < lose + misdirect;
	acked = weir_journal_durable(c->j);
	jcase_close(c);
	c->d.lose_write = c->d.misdirect_write = 0;
	memdisk_cut(&c->d);
	e = jcase_try_open(c);
	if (e < 0) {
		assert_int_equal(e, WEIR_E_CORRUPT);
		assert_true(c->report.count > 0);
		(*ret_noticed)++;
		return;
	}
	assert_true(weir_journal_durable(c->j) >= acked);
	jcase_replay(c);
	jcase_close(c);
	assert_true(run(c, &r, 3, &acked));
	check(c, acked);
}

static void test_lost_writes_are_noticed_or_harmless(void **state)
{
	uint32_t noticed = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 4; seed++) {
		bool whole = false;

		for (uint64_t at = 1; !whole; at++) {
			struct jcase *c = jcase_new(at, 64 * KIB);

			liar(c, seed, at, 0, 0, &whole, &noticed);
			jcase_free(c);
		}
	}
	assert_true(noticed > 10);
}

static void test_misdirected_writes_are_noticed_or_harmless(void **state)
{
	static const int64_t by[] = {-4, -1, 1};
	uint32_t noticed = 0;

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(by); i++) {
		bool whole = false;

		for (uint64_t at = 1; !whole; at++) {
			struct jcase *c = jcase_new(at, 64 * KIB);

			liar(c, i % 2, 0, at, by[i], &whole, &noticed);
			jcase_free(c);
		}
	}
	assert_true(noticed > 10);
}

/* The write over a unit of an uncommitted bundle is lost, and that unit is of the same length and epoch: only the fence
 * in its head, and with it the chain, tells them apart. */
static void test_a_stale_unit_in_the_place_of_a_lost_one(void **state)
{
	struct jcase *c = jcase_new(1, 64 * KIB);

	(void)state;
	jcase_open(c);
	jcase_start(c);
	jcase_add(c, 1, 10);
	c->d.slow = true;
	assert_int_equal(jcase_append(c, 2, 10000), 0);
	assert_int_equal(weir_journal_step(c->j, 1, &c->err), 0);
	jcase_close(c);
	c->d.slow = false;
	/* Its unit is there, both places of its commit record are not. */
	assert_int_equal(c->d.pending_count, 2);
	c->d.pending[0].late = c->d.pending[1].late = true;
	memdisk_cut(&c->d);
	jcase_open(c);
	assert_int_equal(weir_journal_durable(c->j), 1);
	assert_true(jcase_found(c, WEIR_JOURNAL_TORN, "journal-00000001"));
	jcase_start(c);
	c->d.lose_write = c->d.writes + 1;
	jcase_add(c, 2, 10000);
	jcase_close(c);
	assert_int_equal(jcase_try_open(c), WEIR_E_CORRUPT);
	assert_true(jcase_found(c, WEIR_JOURNAL_DAMAGED, "journal-00000001"));
	jcase_free(c);
}

/* ---- errors of the directory ---- */

static void test_errors_of_files_at_start(void **state)
{
	struct jcase *c = jcase_new(1, 64 * KIB);

	(void)state;
	c->d.list_error = -EACCES;
	assert_int_equal(jcase_try_open(c), -EACCES);
	c->d.create_error = -EACCES;
	assert_int_equal(jcase_try_open(c), -EACCES);
	for (uint64_t at = 1; at <= 3; at++) {
		c->d.die_at = at;
		c->d.steps = 0;
		assert_int_equal(jcase_try_open(c), -EIO);
		memdisk_cut(&c->d);
	}
	c->d.unlink_error = -EACCES;
	assert_int_equal(jcase_try_open(c), -EACCES);
	jcase_open(c);
	jcase_start(c);
	for (uint64_t e = 1; e < 5; e++)
		jcase_add(c, e, 60 * KIB);
	jcase_close(c);
	c->d.open_error = -EMFILE;
	assert_int_equal(jcase_try_open(c), -EMFILE);
	c->d.read_bad = "superblock";
	c->d.read_error = -ENOMEM;
	assert_int_equal(jcase_try_open(c), -ENOMEM);
	c->d.read_bad = "journal-00000002";
	assert_int_equal(jcase_try_open(c), -ENOMEM);
	c->d.read_bad = NULL;
	jcase_open(c);
	c->d.open_error = -EMFILE;
	assert_int_equal(weir_journal_start(c->j, &c->err), WEIR_E_IO);
	jcase_reopen(c);
	jcase_free(c);
}

static void test_errors_of_files_at_work(void **state)
{
	static const bool rename[] = {true, false};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct jcase *c = jcase_new(2, 64 * KIB);

		jcase_open(c);
		jcase_start(c);
		for (uint64_t e = 1; e < 9; e++)
			jcase_add(c, e, 60 * KIB);
		*(rename[i] ? &c->d.rename_error : &c->d.unlink_error) = -EACCES;
		assert_int_equal(jcase_base(c, 6), WEIR_E_IO);
		jcase_reopen(c);
		assert_int_equal(c->first, 7);
		/* What the base had no longer given back goes now. */
		c->d.unlink_error = rename[i] ? 0 : -EACCES;
		assert_int_equal(weir_journal_start(c->j, &c->err), rename[i] ? 0 : WEIR_E_IO);
		jcase_reopen(c);
		jcase_start(c);
		assert_null(memdisk_find(&c->d, "journal-00000001"));
		jcase_free(c);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_power_cut_after_every_step),
	cmocka_unit_test(test_power_cut_while_the_journal_is_made),
	cmocka_unit_test(test_many_power_cuts_in_a_row),
	cmocka_unit_test(test_a_failed_write_is_the_end),
	cmocka_unit_test(test_lost_writes_are_noticed_or_harmless),
	cmocka_unit_test(test_misdirected_writes_are_noticed_or_harmless),
	cmocka_unit_test(test_a_stale_unit_in_the_place_of_a_lost_one),
	cmocka_unit_test(test_errors_of_files_at_start),
	cmocka_unit_test(test_errors_of_files_at_work),
};

WEIR_TEST_MAIN("journal_crash", tests)
