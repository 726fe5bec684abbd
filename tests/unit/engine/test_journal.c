/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/journal_case.h"

static void test_new_journal_is_empty_and_takes_fences(void **state)
{
	struct jcase *c = jcase_new(1, 64 * KIB);
	struct weir_journal_stats st;

	(void)state;
	for (uint64_t fence = 1; fence < 5; fence++) {
		jcase_open(c);
		assert_int_equal(c->report.count, 0);
		assert_int_equal(weir_journal_fence(c->j), fence - 1);
		assert_int_equal(weir_journal_durable(c->j), 0);
		assert_int_equal(weir_journal_newest(c->j, jcase_on_bundle, c, &c->err), 0);
		jcase_replay(c);
		jcase_start(c);
		assert_int_equal(weir_journal_fence(c->j), fence);
		assert_true(weir_journal_idle(c->j));
		weir_journal_stats(c->j, &st);
		assert_int_equal(st.segments, 2);
		assert_int_equal(st.bytes_live, 0);
		assert_true(st.space_free > 0);
		jcase_close(c);
	}
	jcase_free(c);
}

static void test_bundles_of_all_sizes_come_back(void **state)
{
	static const uint64_t size[] = {0,	   1,	      3968,
					3969,	   4096,      64 * KIB - 128,
					64 * KIB,  MIB - 129, MIB - 128,
					MIB - 127, 5 * MIB,   10 * MIB};
	static const uint64_t segment[] = {1, 64 * KIB, 68 * KIB, MIB, 4 * MIB, 0};

	(void)state;
	for (size_t s = 0; s < WEIR_COUNT_OF(segment); s++) {
		struct jcase *c = jcase_new(2, segment[s]);
		struct weir_journal_stats st;

		jcase_open(c);
		jcase_start(c);
		for (uint64_t e = 1; e <= WEIR_COUNT_OF(size); e++)
			jcase_add(c, e * 2, size[e - 1]);
		weir_journal_stats(c->j, &st);
		assert_int_equal(st.commits, WEIR_COUNT_OF(size));
		assert_true(st.bytes_live > 16 * MIB && st.units_written >= 16);
		assert_true(st.bytes_written > st.bytes_live);
		jcase_reopen(c);
		assert_int_equal(c->report.count, 0);
		assert_int_equal(c->count, WEIR_COUNT_OF(size));
		c->count = c->last = 0;
		assert_int_equal(weir_journal_newest(c->j, jcase_on_bundle, c, &c->err), 0);
		assert_int_equal(c->count, 1);
		assert_int_equal(c->last, 2 * WEIR_COUNT_OF(size));
		jcase_free(c);
	}
}

static void test_random_bundles_restarts_and_bases(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 30; seed++) {
		struct weir_prng r = weir_prng_of(seed, "bundles");
		struct jcase *c = jcase_new(seed, (16 + weir_prng_below(&r, 40)) * 4 * KIB);
		uint64_t epoch = 0;

		c->d.shuffle = seed % 2;
		for (int run = 0; run < 5; run++) {
			jcase_open(c);
			jcase_replay(c);
			jcase_start(c);
			for (int i = 0; i < 20; i++) {
				uint64_t n = weir_prng_below(
					&r, weir_prng_chance(&r, 1, 8) ? 2 * MIB : 20000);

				epoch += weir_prng_range(&r, 1, 3);
				while (jcase_append(c, epoch, n) == WEIR_E_BUSY)
					assert_int_equal(weir_journal_step(c->j, 5, &c->err), 0);
				if (weir_prng_chance(&r, 1, 6) && weir_journal_durable(c->j) > 4)
					assert_int_equal(
						jcase_base(c, weir_journal_durable(c->j) - 2), 0);
			}
			assert_int_equal(jcase_drain(c), 0);
			assert_int_equal(weir_journal_durable(c->j), epoch);
			jcase_replay(c);
			jcase_reopen(c);
			assert_int_equal(c->report.count, 0);
			jcase_close(c);
		}
		jcase_free(c);
	}
}

static void test_epochs_become_durable_in_order_and_only_whole(void **state)
{
	struct jcase *c = jcase_new(3, 4 * MIB);
	uint64_t before = 0;

	(void)state;
	c->o.in_flight = 0;
	jcase_open(c);
	jcase_start(c);
	c->d.slow = true;
	for (uint64_t e = 1; e <= 6; e++)
		assert_int_equal(jcase_append(c, e, e % 2 ? 100 : 300 * KIB), 0);
	while (!weir_journal_idle(c->j)) {
		uint64_t now;

		assert_int_equal(weir_journal_step(c->j, 1, &c->err), 0);
		now = weir_journal_durable(c->j);
		assert_true(now == before || now == before + 1);
		before = now;
	}
	assert_int_equal(before, 6);
	jcase_free(c);
}

static void test_append_refuses_what_cannot_be(void **state)
{
	struct jcase *c = jcase_new(4, 0);
	struct weir_out huge;

	(void)state;
	jcase_open(c);
	jcase_start(c);
	c->d.slow = true;
	jcase_add(c, 5, 10);
	assert_int_equal(jcase_append(c, 5, 10), WEIR_E_RANGE);
	assert_int_equal(jcase_append(c, 4, 10), WEIR_E_RANGE);
	weir_out_init(&huge, &weir_test_mem);
	huge.bytes = WEIR_JOURNAL_BUNDLE_MAX + 1;
	assert_int_equal(weir_journal_append(c->j, 6, &huge, &c->err), WEIR_E_LIMIT);
	/* More than fits into the buffers: the rest waits in the journal, the next bundle with the caller. */
	assert_int_equal(jcase_append(c, 6, 9 * MIB), 0);
	assert_int_equal(jcase_append(c, 7, 10), WEIR_E_BUSY);
	assert_int_equal(jcase_drain(c), 0);
	for (uint64_t e = 7; e < 7 + 64; e++)
		assert_int_equal(jcase_append(c, e, 0), 0);
	assert_int_equal(jcase_append(c, 100, 0), WEIR_E_BUSY);
	assert_int_equal(jcase_drain(c), 0);
	jcase_add(c, 100, 1);
	/* Nothing is on the way: does not wait. */
	assert_int_equal(weir_journal_step(c->j, 1000, &c->err), 0);
	jcase_reopen(c);
	jcase_free(c);
}

static void test_close_with_writes_on_the_way(void **state)
{
	struct jcase *c = jcase_new(5, MIB);

	(void)state;
	jcase_open(c);
	jcase_start(c);
	jcase_add(c, 1, 10);
	c->d.slow = true;
	assert_int_equal(jcase_append(c, 2, 9 * MIB), 0);
	jcase_close(c);
	memdisk_cut(&c->d);
	jcase_reopen(c);
	assert_int_equal(weir_journal_durable(c->j), 1);
	jcase_free(c);
}

static void test_options_and_names(void **state)
{
	struct jcase *c = jcase_new(6, 64 * KIB);

	(void)state;
	c->o.read_only = true;
	assert_int_equal(jcase_try_open(c), -ENOENT);
	c->o.read_only = false;
	c->o.pipeline = "a name of more than sixty three bytes is more than a pipeline file allows";
	assert_int_equal(jcase_try_open(c), WEIR_E_CONFIG);
	c->o.pipeline = "one";
	jcase_open(c);
	jcase_start(c);
	jcase_add(c, 1, 10);
	jcase_close(c);
	c->o.pipeline = "two";
	assert_int_equal(jcase_try_open(c), WEIR_E_CONFIG);
	assert_non_null(strstr(c->err.text, "\"one\""));
	c->o.pipeline = NULL;
	c->o.read_only = true;
	c->d.writes = 0;
	jcase_open(c);
	jcase_replay(c);
	assert_int_equal(c->count, 1);
	assert_int_equal(c->d.writes, 0);
	jcase_free(c);
}

static int stop_at_two(void *ctx, uint64_t epoch, uint64_t fence, struct weir_reader *in)
{
	(void)ctx;
	(void)fence;
	(void)in;
	return epoch == 2 ? -ECANCELED : 7;
}

static void test_replay_ends_with_the_code_of_fn(void **state)
{
	struct jcase *c = jcase_new(7, 64 * KIB);

	(void)state;
	jcase_open(c);
	jcase_start(c);
	for (uint64_t e = 1; e <= 3; e++)
		jcase_add(c, e, 10);
	jcase_close(c);
	jcase_open(c);
	assert_int_equal(weir_journal_replay(c->j, stop_at_two, NULL, &c->err), -ECANCELED);
	jcase_free(c);
}

/* ---- the base ---- */

static void test_base_moves_the_start_and_gives_segments_back(void **state)
{
	struct jcase *c = jcase_new(8, 64 * KIB);
	struct weir_journal_stats a, b;

	(void)state;
	jcase_open(c);
	jcase_start(c);
	for (uint64_t e = 1; e <= 20; e++)
		jcase_add(c, e * 2, 100 * KIB);
	weir_journal_stats(c->j, &a);
	assert_true(a.segments > 30);
	assert_int_equal(jcase_base(c, 40), WEIR_E_RANGE);
	assert_int_equal(jcase_base(c, 37), 0);
	assert_int_equal(weir_journal_covered(c->j), 37);
	assert_int_equal(jcase_base(c, 20), 0);
	weir_journal_stats(c->j, &b);
	assert_true(b.segments <= 8);
	assert_true(b.bytes_live < a.bytes_live / 5);
	assert_int_equal(b.segment_bytes, b.segments * 64 * KIB);
	/* Between two bundles: only the number moves. */
	assert_int_equal(jcase_base(c, 38), 0);
	assert_int_equal(jcase_base(c, 39), 0);
	assert_int_equal(weir_journal_covered(c->j), 39);
	jcase_reopen(c);
	assert_int_equal(c->report.count, 0);
	assert_int_equal(c->count, 1);
	jcase_start(c);
	for (uint64_t e = 41; e <= 60; e++)
		jcase_add(c, e, 50 * KIB);
	jcase_reopen(c);
	assert_int_equal(c->count, 21);
	jcase_free(c);
}

static void test_base_reads_in_pieces(void **state)
{
	struct jcase *c = jcase_new(9, 4 * MIB);
	int calls = 0, r;

	(void)state;
	jcase_open(c);
	jcase_start(c);
	for (uint64_t e = 1; e <= 5; e++)
		jcase_add(c, e, 5 * MIB);
	while ((r = weir_journal_base(c->j, 1, &c->err)) == 1) {
		calls++;
		assert_int_equal(weir_journal_covered(c->j), 0);
	}
	assert_int_equal(r, 0);
	assert_in_range(calls, 4, 6);
	/* A new epoch starts over. */
	assert_int_equal(weir_journal_base(c->j, 2, &c->err), 1);
	jcase_add(c, 6, 10);
	assert_int_equal(jcase_base(c, 3), 0);
	jcase_reopen(c);
	assert_int_equal(c->first, 4);
	jcase_free(c);
}

static void test_base_gives_nothing_back_when_what_it_reads_is_damaged(void **state)
{
	static const uint64_t at[] = {64 * KIB + 200, 64 * KIB + 100 * KIB + 2, 40 * 4096 + 9};

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(at); i++) {
		struct jcase *c = jcase_new(10, 512 * KIB);
		struct weir_journal_stats a, b;

		jcase_open(c);
		jcase_start(c);
		for (uint64_t e = 1; e <= 3; e++)
			jcase_add(c, e, 60 * KIB);
		weir_journal_stats(c->j, &a);
		memdisk_find(&c->d, "journal-00000001")->data[at[i]] ^= 4;
		assert_int_equal(jcase_base(c, 1), at[i] == 64 * KIB + 200 ? 0 : WEIR_E_CORRUPT);
		weir_journal_stats(c->j, &b);
		assert_int_equal(a.segments, b.segments);
		/* Not a failed write: the journal goes on. */
		jcase_add(c, 4, 10);
		jcase_free(c);
	}
}

/* Segments of another size than the present ones are not used again. */
static void test_segment_size_may_change(void **state)
{
	struct jcase *c = jcase_new(11, 256 * KIB);
	struct weir_journal_stats st;

	(void)state;
	jcase_open(c);
	jcase_start(c);
	for (uint64_t e = 1; e <= 5; e++)
		jcase_add(c, e, 200 * KIB);
	jcase_close(c);
	c->o.segment_bytes = 64 * KIB;
	for (uint64_t e = 6; e <= 20; e++) {
		jcase_open(c);
		jcase_replay(c);
		jcase_start(c);
		jcase_add(c, e, 120 * KIB);
		jcase_close(c);
	}
	jcase_open(c);
	jcase_start(c);
	assert_int_equal(jcase_base(c, 18), 0);
	weir_journal_stats(c->j, &st);
	assert_int_equal(st.segment_bytes, st.segments * 64 * KIB);
	jcase_reopen(c);
	assert_int_equal(c->count, 2);
	jcase_free(c);
}

/* ---- space ---- */

static void test_a_full_disk_is_an_error_only_when_space_is_needed(void **state)
{
	struct jcase *c = jcase_new(12, 64 * KIB);
	struct weir_journal_stats st;
	uint64_t e = 1;
	int r = 0;

	(void)state;
	jcase_open(c);
	jcase_start(c);
	c->d.space = 10 * KIB;
	jcase_add(c, e++, 40 * KIB);
	jcase_add(c, e++, 40 * KIB);
	/* In the second segment now, and there is no third one. */
	weir_journal_stats(c->j, &st);
	assert_int_equal(st.space_free, 10 * KIB);
	assert_int_equal(st.segments, 2);
	jcase_add(c, e++, 4 * KIB);
	/* A base gives a segment back, which becomes the third. */
	assert_int_equal(jcase_base(c, 2), 0);
	jcase_add(c, e++, 60 * KIB);
	while (r == 0 && e < 50) {
		r = jcase_append(c, e++, 60 * KIB);
		r = r ? r : jcase_drain(c);
	}
	assert_int_equal(r, WEIR_E_IO);
	assert_non_null(strstr(c->err.text, "No space left"));
	assert_non_null(strstr(c->err.text, "journal-0000000"));
	assert_int_equal(jcase_append(c, e, 10), WEIR_E_IO);
	assert_int_equal(weir_journal_step(c->j, 0, &c->err), WEIR_E_IO);
	assert_int_equal(weir_journal_base(c->j, 3, &c->err), WEIR_E_IO);
	jcase_reopen(c);
	assert_int_equal(weir_journal_start(c->j, &c->err), 0);
	jcase_free(c);
}

/* ---- buggify: units may be cut anywhere ---- */

static uint32_t flips, probes;

static bool on_buggify(void *ctx, const char *name)
{
	(void)ctx;
	(void)name;
	return flips++ % 3 != 0;
}

static void on_probe(void *ctx, const char *name)
{
	(void)ctx;
	(void)name;
	probes++;
}

static void test_small_units(void **state)
{
	static const struct weir_hooks hooks = {on_probe, on_buggify, NULL};
	struct jcase *c = jcase_new(13, 64 * KIB);

	(void)state;
	weir_hooks = &hooks;
	jcase_open(c);
	jcase_start(c);
	for (uint64_t e = 1; e <= 30; e++)
		jcase_add(c, e, e * 5000);
	assert_int_equal(jcase_base(c, 12), 0);
	weir_hooks = NULL;
	assert_true(flips > 100 && probes > 0);
	jcase_reopen(c);
	assert_int_equal(c->count, 18);
	jcase_free(c);
}

static void test_names_of_segments(void **state)
{
	static const char *const bad[] = {"journal-",	       "journal-1",
					  "journal-00000000",  "journal-00000001x",
					  "journal-000000012", "journal-4294967295",
					  "commits",	       "journal-99999999999"};
	char name[WEIR_JNL_FILE_NAME];
	uint32_t n;

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(bad); i++)
		assert_false(weir_jnl_segment_number(bad[i], &n));
	for (uint64_t i = 1; i <= WEIR_JNL_SEGMENT_LAST; i = i * 3 + 1) {
		weir_jnl_segment_name((uint32_t)i, name);
		assert_true(weir_jnl_segment_number(name, &n));
		assert_int_equal(n, i);
	}
	for (int i = 0; i < WEIR_JNL_BAD_COUNT; i++)
		assert_non_null(weir_jnl_bad_text((enum weir_jnl_bad)i));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_new_journal_is_empty_and_takes_fences),
	cmocka_unit_test(test_bundles_of_all_sizes_come_back),
	cmocka_unit_test(test_random_bundles_restarts_and_bases),
	cmocka_unit_test(test_epochs_become_durable_in_order_and_only_whole),
	cmocka_unit_test(test_append_refuses_what_cannot_be),
	cmocka_unit_test(test_close_with_writes_on_the_way),
	cmocka_unit_test(test_options_and_names),
	cmocka_unit_test(test_replay_ends_with_the_code_of_fn),
	cmocka_unit_test(test_base_moves_the_start_and_gives_segments_back),
	cmocka_unit_test(test_base_reads_in_pieces),
	cmocka_unit_test(test_base_gives_nothing_back_when_what_it_reads_is_damaged),
	cmocka_unit_test(test_segment_size_may_change),
	cmocka_unit_test(test_a_full_disk_is_an_error_only_when_space_is_needed),
	cmocka_unit_test(test_small_units),
	cmocka_unit_test(test_names_of_segments),
};

WEIR_TEST_MAIN("journal", tests)
