/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to a global aggregate. */
#include "tests/unit/engine/global_case.h"

static char rows[WEIR_QUERY_BYTES + 1];
static struct weir_query_out answer;

static int ask(const struct weir_query *q, uint32_t limit)
{
	int r;

	weir_query_out_init(&answer, rows, limit);
	r = rig.node[0].cls->query(&rig.node[0], q, &answer);
	rows[answer.rows.len] = 0;
	assert_int_equal(rig.task.err.code, 0);
	return r;
}

static struct weir_query get_of(const char *key)
{
	return (struct weir_query){.verb = WEIR_QUERY_GET, .key = weir_str_c(key)};
}

static struct weir_query list_of(const char *prefix)
{
	return (struct weir_query){.verb = WEIR_QUERY_LIST, .prefix = weir_str_c(prefix)};
}

static void answer_is(struct weir_query q, const char *want)
{
	assert_int_equal(ask(&q, 100), 0);
	assert_string_equal(rows, want);
}

static void answer_has(struct weir_query q, uint32_t count, const char *text)
{
	assert_int_equal(ask(&q, 100), 0);
	assert_int_equal(answer.count, count);
	if (!strstr(rows, text))
		fail_msg("%s", rows);
}

static void refused(struct weir_query q, int code, const char *text)
{
	assert_int_equal(ask(&q, 100), code);
	assert_int_equal(answer.err.code, code);
	assert_string_equal(answer.err.text, text);
	assert_int_equal(answer.count, 0);
}

/* Pieces of `limit` rows until the end; how many rows, and pieces. */
static uint32_t ask_all(struct weir_query q, uint32_t limit, uint32_t *ret_pieces)
{
	uint32_t count = 0, pieces = 1;

	for (; ask(&q, limit) == 1; pieces++) {
		count += answer.count;
		q.at = answer.at;
		assert_true(pieces < 100000);
	}
	if (ret_pieces)
		*ret_pieces = pieces;
	return count + answer.count;
}

static void test_global_query_rows_are_results(void **state)
{
	(void)state;
	start(PIPE(", "), "a", 2);
	answer_is(get_of("x"), "");
	answer_is(list_of(""), "");
	put(part_of("us", 2, "x", 0, 1, -3));
	put(part_of("eu", 1, "x", 0, 2, 5));
	put(part_of("us", 3, "xy", 0, 1, 7));
	put(part_of("us", 4, "x", 100, 4, -9));
	put(part_of("us", 5, "z", 100, 4, -9));
	answer_has(get_of("x"), 2, RESULT("x", "3", "2", "3", "false", "", "eu,us") ",");
	put(mark_of("us", 6, 109));
	answer_has(get_of("x"), 2, RESULT("x", "3", "2", "4", "false", "us", "eu") ",");
	answer_has(get_of("x"), 2,
		   "\"n\":4,\"total\":-9,\"t\":\"x\",\"out_ver\":4,\"final\":false,\"regions\":"
		   "\"\",\"missing\":\"eu,us\"}");
	answer_is(get_of("xy"), RESULT("xy", "1", "7", "4", "false", "us", "eu"));
	answer_is(get_of("nobody"), "");
	answer_is(list_of("xy"), RESULT("xy", "1", "7", "4", "false", "us", "eu"));
	for (uint32_t limit = 1; limit < 6; limit++) {
		assert_int_equal(ask_all(list_of(""), limit, NULL), 4);
		assert_int_equal(ask_all(list_of("x"), limit, NULL), 3);
		assert_int_equal(ask_all(get_of("x"), limit, NULL), 2);
	}
	/* Asking changes nothing: the result comes as it would have, and the window is gone then. */
	put(mark_of("eu", 2, 109));
	out_is(0, 0, RESULT("x", "3", "2", "5", "true", "eu,us", ""));
	assert_int_equal(rig.out[0].count, 2);
	answer_has(get_of("x"), 1, "\"missing\":\"eu,us\"");
	answer_is(get_of("xy"), "");
}

/* Its results wait for room. */
static void test_global_query_of_a_window_that_fires(void **state)
{
	struct global_merge *m;

	(void)state;
	start(PIPE(", "), "a", 1);
	m = rig.node[0].op;
	put(part_of("eu", 1, "x", 0, 1, 0));
	m->member[0].mark = m->passed = 109;
	answer_is(get_of("x"), RESULT("x", "1", "0", "2", "true", "eu", ""));
}

static void test_global_query_keys(void **state)
{
	struct record r;

	(void)state;
	start(SOURCE
	      "  a: {from: s, window: {tumbling: 100ns}, scope: global, aggregate: {n: count()}}\n"
	      "  o: {from: a, sink: blackhole}\n",
	      "a", 1);
	r = record_of(WEIR_GLOBAL_PART, "eu", 1);
	r.end = 100;
	weir_out_u64(&r.key, WEIR_KEYHASH_SEED);
	weir_out_varint(&r.body, 9);
	put(r);
	answer_has((struct weir_query){.verb = WEIR_QUERY_GET}, 1, "\"n\":9,");
	answer_has(list_of(""), 1, "\"n\":9,");
	answer_is(list_of("x"), "");
	refused(get_of("x"), WEIR_E_FORMAT,
		"step `a`: there is one state for all records, ask without a key");
	stop(NULL);
	/* As the part writes it. */
	start(SOURCE "  a: {from: s, key_by: [v, k], window: {tumbling: 100ns}, scope: global, "
		     "aggregate: {n: count()}}\n  o: {from: a, sink: blackhole}\n",
	      "a", 1);
	{
		struct global_merge *m = rig.node[0].op;
		uint64_t key[GLOBAL_KEY_WORDS];
		struct weir_err err;
		struct weir_slab slab;

		weir_slab_init(&slab, &weir_test_mem);
		assert_int_equal(weir_window_key_parse(&m->user_key, weir_str_c("-7,\"a,b\""),
						       &slab, key, &err),
				 0);
		r = record_of(WEIR_GLOBAL_PART, "eu", 1);
		r.end = 100;
		weir_out_put(&r.key, key, 8);
		weir_window_key_save(&m->user_key, key, &r.key);
		weir_slab_fini(&slab);
	}
	weir_out_varint(&r.body, 3);
	put(r);
	answer_has(get_of("-7,\"a,b\""), 1, "{\"v\":-7,\"k\":\"a,b\",");
	answer_has(list_of("-"), 1, "{\"v\":-7,\"k\":\"a,b\",");
	answer_is(list_of("a"), "");
	refused(get_of("7"), WEIR_E_FORMAT, "step `a`: `7` is no key: it is `v,k`");
}

static void test_global_query_pieces_end_by_work(void **state)
{
	char key[16];
	uint32_t pieces;

	(void)state;
	start(PIPE(", "), "a", 2);
	for (int i = 0; i < 3000; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		put(part_of("us", 1 + i, key, 0, 1, 0));
	}
	assert_int_equal(ask_all(list_of("no"), 100, &pieces), 0);
	assert_int_equal(pieces, 3);
	assert_int_equal(ask_all(list_of(""), 1000, &pieces), 3000);
	assert_int_equal(pieces, 12);
	for (int i = 0; i < 2000; i++)
		put(part_of("us", 5000 + i, "x", 100 * i, 1, 0));
	assert_int_equal(ask_all(get_of("nobody"), 100, &pieces), 0);
	assert_int_equal(pieces, 2);
	assert_int_equal(ask_all(get_of("x"), 100, &pieces), 2000);
}

static void test_global_query_any_place_is_safe(void **state)
{
	const uint64_t some[] = {0,
				 1,
				 7,
				 INT64_MAX,
				 UINT64_C(1) << 63,
				 weir_query_place(100),
				 weir_query_place(50),
				 UINT64_MAX};
	struct weir_query q;

	(void)state;
	start(PIPE(", "), "a", 2);
	for (int i = 0; i < 40; i++)
		put(part_of("us", 1 + i, i & 1 ? "x" : "y", 100 * (i / 2), 1, 0));
	for (size_t i = 0; i < 8 * 8 * 8; i++) {
		q = list_of("");
		q.at = (struct weir_query_at){{some[i % 8], some[i / 8 % 8], some[i / 64]}};
		assert_in_range(ask(&q, 5), 0, 1);
		q.verb = WEIR_QUERY_GET;
		q.key = weir_str_c("x");
		assert_in_range(ask(&q, 5), 0, 1);
	}
	/* The window it stood in goes: the next one from its beginning. */
	q = list_of("");
	assert_int_equal(ask(&q, 1), 1);
	q.at = answer.at;
	put(mark_of("eu", 1, 109));
	put(mark_of("us", 60, 109));
	assert_int_equal(ask_all(q, 100, NULL), 38);
}

static void test_global_query_of_what_cannot_be_given(void **state)
{
	char key[5001];
	struct record r;

	(void)state;
	start(PIPE(", "), "a", 2);
	put(part_of("us", 1, "x", 0, 1, INT64_MAX));
	put(part_of("eu", 1, "x", 0, 1, INT64_MAX));
	answer_has(get_of("x"), 1, "\"missing\":\"eu,us\",\"error\":\"");
	memset(key, 'k', sizeof(key));
	key[1500] = 0;
	put(part_of("us", 2, key, 0, 1, 0));
	answer_has(get_of(key), 1, "\"n\":1,");
	key[1500] = 'k';
	key[5000] = 0;
	put(part_of("us", 3, key, 0, 1, 0));
	answer_has(get_of(key), 1, "\"error\":\"window result larger than record_max\"}");
	r = part_of("us", 4, "z", 0, 1, 0);
	weir_out_u8(&r.body, 0);
	put(r);
	answer_is(get_of("z"), "{\"error\":\"the part of a region is damaged: bytes behind its "
			       "accumulators\"}");
	r = part_of("us", 5, "v", 0, 1, 0);
	weir_out_u8(&r.key, 1);
	put(r);
	answer_has(list_of("nothing"), 1,
		   "the part of a region is damaged: its key cannot be read");
	assert_int_equal(ask_all(list_of(""), 1, NULL), 5);
}

static void test_global_query_refused(void **state)
{
	static const char *const other[] = {"a+part", "a+mark"};
	const struct weir_query q = {.verb = WEIR_QUERY_CONFLICTS};
	char text[128];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		start(PIPE(", "), other[i], 2);
		snprintf(text, sizeof(text), "step `%s` holds only this region's part: ask `a`",
			 other[i]);
		refused(get_of("x"), WEIR_E_USAGE, text);
		refused(list_of(""), WEIR_E_USAGE, text);
		stop(NULL);
	}
	start(PIPE(", "), "a", 2);
	refused(q, WEIR_E_USAGE, "step `a` is an aggregate: only tables have conflicts");
	refused((struct weir_query){.verb = WEIR_QUERY_GET}, WEIR_E_FORMAT,
		"step `a`: which key? It is `k`");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_teardown(test_global_query_rows_are_results, stop),
	cmocka_unit_test_teardown(test_global_query_of_a_window_that_fires, stop),
	cmocka_unit_test_teardown(test_global_query_keys, stop),
	cmocka_unit_test_teardown(test_global_query_pieces_end_by_work, stop),
	cmocka_unit_test_teardown(test_global_query_any_place_is_safe, stop),
	cmocka_unit_test_teardown(test_global_query_of_what_cannot_be_given, stop),
	cmocka_unit_test_teardown(test_global_query_refused, stop),
};

WEIR_TEST_MAIN("engine/global_query", tests)
