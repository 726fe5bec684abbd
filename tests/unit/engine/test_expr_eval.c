/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/expr_lib.h"

#define OVER "error: arithmetic overflow"
#define ZERO "error: division by zero"
#define CONV "error: conversion failed"
#define RANGE "error: index out of range"

EXPR_CASES(test_int, {"i + j", "int64 4"}, {"i - j", "int64 10"}, {"i * j", "int64 -21"},
	   {"i / j", "int64 -2"}, {"i % j", "int64 1"}, {"j % i", "int64 -3"}, {"i + 1", "int64 8"},
	   {"1 + i", "int64 8"}, {"i - 1", "int64 6"}, {"1 - i", "int64 -6"}, {"i * 3", "int64 21"},
	   {"3 * i", "int64 21"}, {"i / 2", "int64 3"}, {"j / 2", "int64 -1"},
	   {"100 / i", "int64 14"}, {"i % 4", "int64 3"}, {"j % 2", "int64 -1"},
	   {"i % -4", "int64 3"}, {"max64 / 2", "int64 4611686018427387903"},
	   {"max64 % 1000", "int64 807"}, {"-i", "int64 -7"}, {"abs(j)", "int64 3"},
	   {"abs(i)", "int64 7"}, {"max64 + 1", OVER}, {"max64 + i", OVER}, {"i + max64", OVER},
	   {"min64 - 1", OVER}, {"min64 + j", OVER}, {"j - max64", OVER}, {"max64 - j", OVER},
	   {"max64 * 2", OVER}, {"max64 * i", OVER}, {"-min64", OVER}, {"abs(min64)", OVER},
	   {"min64 / -1", OVER}, {"min64 / (z - 1)", OVER}, {"min64 % -1", "int64 0"},
	   {"min64 % (z - 1)", "int64 0"}, {"i / 0", ZERO}, {"i % 0", ZERO}, {"i / z", ZERO},
	   {"i % z", ZERO}, {"min64 * -1", OVER}, {"min64 + 0", "int64 -9223372036854775808"},
	   {"9223372036854775807 + 1", OVER}, {"1 / 0", ZERO}, {"i / -1", "int64 -7"},
	   {"i / (z - 1)", "int64 -7"}, {"min(i, j, 2)", "int64 -3"}, {"max(i, j, 2)", "int64 7"})

EXPR_CASES(test_float, {"f + 1.0", "float64 3.5"}, {"f - 0.5", "float64 2"},
	   {"0.5 - f", "float64 -2"}, {"f * f", "float64 6.25"}, {"f / 2.0", "float64 1.25"},
	   {"1 / f", "float64 0.4"}, {"f + i", "float64 9.5"}, {"i * 0.908", "float64 6.356"},
	   {"i / 2.0", "float64 3.5"}, {"f / 0.0", "float64 Infinity"},
	   {"-f / 0", "float64 -Infinity"}, {"0.0 / 0.0", "float64 NaN"}, {"-f", "float64 -2.5"},
	   {"abs(-f)", "float64 2.5"}, {"f - f", "float64 0"}, {"min(f, i)", "float64 2.5"},
	   {"max(f, i)", "float64 7"}, {"min(f, nan)", "float64 NaN"},
	   {"min(nan, f)", "float64 NaN"}, {"max(f, nan)", "float64 NaN"},
	   {"max(nan, f)", "float64 NaN"}, {"min(1.5, 2)", "float64 1.5"})

EXPR_CASES(test_compare, {"i == 7", "bool true"}, {"7 == i", "bool true"}, {"i != 7", "bool false"},
	   {"i < 8", "bool true"}, {"i <= 7", "bool true"}, {"i > 7", "bool false"},
	   {"i >= 7", "bool true"}, {"8 > i", "bool true"}, {"6 > i", "bool false"},
	   {"7 >= i", "bool true"}, {"7 <= i", "bool true"}, {"7 < i", "bool false"},
	   {"i > j", "bool true"}, {"i >= j", "bool true"}, {"i < j", "bool false"},
	   {"i <= j", "bool false"}, {"i == j", "bool false"}, {"i != j", "bool true"},
	   {"f == 2.5", "bool true"}, {"f != 2.5", "bool false"}, {"f < 3", "bool true"},
	   {"3 < f", "bool false"}, {"f >= 2.5", "bool true"}, {"f <= f", "bool true"},
	   {"f > f", "bool false"}, {"f < f", "bool false"}, {"f >= f", "bool true"},
	   {"f == f", "bool true"}, {"f != f", "bool false"}, {"f > 2", "bool true"},
	   {"f <= 2.4", "bool false"}, {"nan == nan", "bool false"}, {"nan != nan", "bool true"},
	   {"nan < 1.0", "bool false"}, {"nan >= i", "bool false"}, {"nan != i", "bool true"},
	   {"nan == i", "bool false"}, {"i < f", "bool false"}, {"i > f", "bool true"},
	   {"f < i", "bool true"}, {"f == i", "bool false"}, {"i >= f", "bool true"},
	   {"i <= f", "bool false"}, {"i != f", "bool true"}, {"b == true", "bool true"},
	   {"b < false", "bool false"}, {"s == 'Hello, W\xc3\xb6rld'", "bool true"},
	   {"s != e", "bool true"}, {"s < 'I'", "bool true"}, {"s <= s", "bool true"},
	   {"s > 'Hello'", "bool true"}, {"s >= 'Z'", "bool false"}, {"e < s", "bool true"},
	   {"y == b'\\x01\\xff'", "bool true"}, {"y > b'\\x01'", "bool true"},
	   {"e == ''", "bool true"}, {"min(s, 'A')", "string A"}, {"max(s, 'A', 'Z')", "string Z"})

/* 2^53 + 1 and the ends of int64 have no float64 of their own. */
EXPR_CASES(test_exact_int_float, {"9007199254740993 == 9007199254740992.0", "bool false"},
	   {"9007199254740993 > 9007199254740992.0", "bool true"},
	   {"max64 == 9223372036854775807.0", "bool false"},
	   {"max64 < 9223372036854775807.0", "bool true"},
	   {"max64 < 9223372036854775808.0 + f - f", "bool true"},
	   {"min64 == -9223372036854775808.0", "bool true"},
	   {"min64 == -9223372036854775808.0 * (f - 1.5)", "bool true"},
	   {"min64 > -1e300 * f", "bool true"}, {"i == f + 4.5", "bool true"},
	   {"i < f + 4.75", "bool true"}, {"i > f + 4.25", "bool true"},
	   {"j < -(f + 0.25)", "bool true"}, {"j > -(f + 0.75)", "bool true"},
	   {"i == 7.0", "bool true"}, {"i < 7.5", "bool true"}, {"i != 7.5", "bool true"},
	   {"9007199254740993 == f", "bool false"}, {"i in [2.5, 7.0]", "bool true"},
	   {"f in [1, 2.5]", "bool true"})

EXPR_CASES(test_logic, {"b && true", "bool true"}, {"b && false", "bool false"},
	   {"b || false", "bool true"}, {"!b", "bool false"},
	   {"!b || i == 7 && f > 2", "bool true"}, {"b && i / z > 1", ZERO},
	   {"!b && i / z > 1", "bool false"}, {"i / z > 1 && !b", "bool false"},
	   {"i / z > 1 || b", "bool true"}, {"b || i / z > 1", "bool true"},
	   {"i / z > 1 || !b", ZERO}, {"1 / 0 > 1 || true", "bool true"}, {"!(i / z > 1)", ZERO},
	   {"b ? i : i / z", "int64 7"}, {"b ? i / z : i", ZERO}, {"!b ? i / z : i", "int64 7"},
	   {"i / z > 0 ? 1 : 2", ZERO}, {"b ? s : e", "string Hello, W\\xc3\\xb6rld"},
	   {"b ? 1 : 2.5", "float64 1"}, {"b ? li : li", "list<int64> 3,7,-1"},
	   {"b ? ls : s.split(',')", "list<string> red,,gr\\xc3\\xbcn"},
	   {"!b ? ls : s.split(', ')", "list<string> Hello,W\\xc3\\xb6rld"})

EXPR_CASES(test_lists, {"li", "list<int64> 3,7,-1"}, {"li[0]", "int64 3"},
	   {"li[i - 5]", "int64 -1"}, {"li[3]", RANGE}, {"li[-1]", RANGE}, {"li[max64]", RANGE},
	   {"ls[2]", "string gr\\xc3\\xbcn"}, {"ls[1]", "string "}, {"ls[3]", RANGE},
	   {"lf[0] + 1", "float64 1.5"}, {"lp[1]", "decimal(10,2) 10.99"},
	   {"lt[0] == t", "bool true"}, {"ly[0]", "bytes red"}, {"size(li)", "int64 3"},
	   {"ls.size()", "int64 3"}, {"7 in li", "bool true"}, {"i in li", "bool true"},
	   {"8 in li", "bool false"}, {"'red' in ls", "bool true"}, {"s in ls", "bool false"},
	   {"7 in lf", "bool true"}, {"0.0 in lf", "bool true"}, {"f in lf", "bool false"},
	   {"2.5 in lp", "bool true"}, {"10.99 in lp", "bool true"}, {"11 in lp", "bool false"},
	   {"p in lp", "bool false"}, {"t in lt", "bool true"}, {"b'red' in ly", "bool true"},
	   {"i in [7]", "bool true"}, {"i in [1, 2, 3, 5, 8, 13, 21]", "bool false"},
	   {"i in [9, 8, 7, 6, 5]", "bool true"},
	   {"s in ['x', 'Hello, W\xc3\xb6rld', 'a']", "bool true"},
	   {"s in ['x', 'a']", "bool false"}, {"'a' in ['b', 'a']", "bool true"},
	   {"p in [10.5, 11]", "bool true"}, {"p in [10.505, 11]", "bool false"},
	   {"t in [timestamp('2016-02-29T13:30:04.91Z')]", "bool true"},
	   {"b in [true]", "bool true"}, {"i in [j, 7]", "bool true"}, {"i in [j, i / z]", ZERO},
	   {"i in [i, i / z]", "bool true"},
	   {"i in [i, 1 / z][0]", "5+10 TYPE: a list can only be written on the right of 'in'"},
	   {"size('a,b'.split(',')) in [i, 2]", "bool true"},
	   {"ly", "list<bytes> red,,gr\\xc3\\xbcn"}, {"lp", "list<decimal(10,2)> 2.50,10.99"},
	   {"lf", "list<float64> 0.5,7,-0"})

EXPR_CASES(test_convert, {"int(f)", "int64 2"}, {"int(-f)", "int64 -2"}, {"int(nan)", CONV},
	   {"int(f * 1e300)", CONV}, {"int(p)", "int64 10"}, {"int(q)", "int64 -1"},
	   {"int('42')", "int64 42"}, {"int(s)", CONV}, {"int(b)", "int64 1"},
	   {"int(t)", "int64 1456752604"}, {"int(timestamp('1969-12-31T23:59:59.5Z'))", "int64 -1"},
	   {"int(d)", "int64 5400250000000"}, {"int(i)", "int64 7"}, {"double(i)", "float64 7"},
	   {"double(p)", "float64 10.5"}, {"double('2.5')", "float64 2.5"}, {"double(e)", CONV},
	   {"double('inf')", "float64 Infinity"}, {"string(i)", "string 7"},
	   {"string(f)", "string 2.5"}, {"string(nan)", "string NaN"},
	   {"string(p)", "string 10.50"}, {"string(b)", "string true"},
	   {"string(!b)", "string false"}, {"string(t)", "string 2016-02-29T13:30:04.91Z"},
	   {"string(d)", "string 1h30m0s250ms"}, {"string(bytes(s)) == s", "bool true"},
	   {"string(y)", CONV}, {"bool('true')", "bool true"}, {"bool('no')", "bool false"},
	   {"bool(s)", CONV}, {"bool(i)", "bool true"}, {"bool(z)", "bool false"},
	   {"bytes(e)", "bytes "}, {"timestamp(string(t)) == t", "bool true"},
	   {"timestamp(i)", "timestamp 1970-01-01T00:00:07Z"}, {"timestamp(max64)", CONV},
	   {"timestamp(s)", CONV}, {"duration(string(d)) == d", "bool true"}, {"duration(s)", CONV},
	   {"duration(d) == d", "bool true"}, {"timestamp(t) == t", "bool true"},
	   {"max64 == int(string(max64))", "bool true"},
	   {"min64 == int(string(min64))", "bool true"},
	   {"double(9007199254740993)", "float64 9007199254740992"})

/* Lanes of one batch do not disturb each other. */
static void test_mixed_lanes(void **state)
{
	static const char *const texts[] = {"i * i / j",	   "ni + i",	 "b && i / j > 0",
					    "coalesce(ni, i / j)", "f + i < 10", "nb || b",
					    "s + string(i / j)",   "b ? ni : i", "li[j]",
					    "ni == null",	   "-i - i",	 "i in [1, 5, ni]"};
	struct expr_world *w = calloc(1, sizeof(*w));
	static uint64_t mem[WEIR_EXPR_LANES][64];
	uint32_t rng = 12345;

	(void)state;
	expr_world_init(w);
	for (unsigned k = 0; k < WEIR_EXPR_LANES; k++) {
		struct weir_builder b;
		uint64_t v = k;

		weir_build_begin(&b, mem[k], sizeof(mem[k]), &w->schema);
		rng = rng * 1664525 + 1013904223;
		weir_build_i64(&b, expr_field(w, "i"),
			       k % 37 == 0 ? INT64_MAX : (int64_t)(rng >> 28));
		weir_build_i64(&b, expr_field(w, "j"), (rng >> 20) % 4);
		weir_build_f64(&b, expr_field(w, "f"), (rng >> 18) % 16);
		weir_build_i64(&b, expr_field(w, "b"), rng >> 16 & 1);
		if (rng >> 15 & 1)
			weir_build_null(&b, expr_field(w, "ni"));
		else
			weir_build_i64(&b, expr_field(w, "ni"), k % 7);
		if (rng >> 14 & 1)
			weir_build_null(&b, expr_field(w, "nb"));
		weir_build_str(&b, expr_field(w, "s"), WEIR_STR("lane"));
		expr_put_list(&b, expr_field(w, "li"), &v, k % 2);
		assert_true(weir_build_end(&b));
		w->rows[k] = (const struct weir_frame *)mem[k];
	}
	for (size_t t = 0; t < WEIR_COUNT_OF(texts); t++) {
		struct weir_evaluator *all = weir_evaluator_new(&w->region);
		struct weir_evaluator *one = weir_evaluator_new(&w->region);
		const struct weir_vec *va, *vo;
		struct weir_expr *e;

		assert_int_equal(
			weir_expr_compile(&w->env, weir_str_c(texts[t]), &w->region, &e, NULL), 0);
		va = weir_expr_eval(e, all, w->rows, WEIR_EXPR_LANES);
		for (uint32_t k = 0; k < WEIR_EXPR_LANES; k++) {
			char a[256], o[256];
			struct weir_buf ba = weir_buf_of(a, sizeof(a)),
					bo = weir_buf_of(o, sizeof(o));

			weir_evaluator_reset(one);
			vo = weir_expr_eval(e, one, &w->rows[k], 1);
			expr_print_lane(&ba, va, weir_expr_type(e), k);
			expr_print_lane(&bo, vo, weir_expr_type(e), 0);
			assert_int_equal(ba.len, bo.len);
			assert_memory_equal(a, o, ba.len);
		}
	}
	expr_world_fini(w);
	free(w);
}

/* Several results live side by side until the reset, and memory stops growing. */
static void test_results_stay_until_reset(void **state)
{
	static const char *const texts[] = {"i", "i + 1", "s + '!'", "b", "s.split(',')", "i"};
	struct expr_world *w = calloc(1, sizeof(*w));
	struct weir_expr *e[6];
	struct weir_evaluator *ev;
	size_t bytes = 0;

	(void)state;
	expr_world_init(w);
	ev = weir_evaluator_new(&w->region);
	for (unsigned k = 0; k < 6; k++)
		assert_int_equal(weir_expr_compile(&w->env, weir_str_c(texts[k]), &w->region, &e[k],
						   NULL),
				 0);
	for (unsigned round = 0; round < 20; round++) {
		const struct weir_vec *v[6];

		for (unsigned k = 0; k < 6; k++)
			v[k] = weir_expr_eval(e[k], ev, w->rows, WEIR_EXPR_LANES);
		for (uint32_t lane = 0; lane < WEIR_EXPR_LANES; lane += 51) {
			assert_int_equal(v[0]->i64[lane], 7);
			assert_int_equal(v[1]->i64[lane], 8);
			assert_true(weir_str_is(v[2]->str[lane], "Hello, W\xc3\xb6rld!"));
			assert_int_equal(v[3]->i64[lane], 1);
			assert_int_equal(v[4]->list[lane].count, 2);
			assert_int_equal(v[5]->i64[lane], 7);
		}
		if (round)
			assert_int_equal(w->region.bytes, bytes);
		bytes = w->region.bytes;
		weir_evaluator_reset(ev);
	}
	assert_true(weir_expr_eval(e[1], ev, w->rows, 0) != NULL);
	expr_world_fini(w);
	free(w);
}

static void test_store(void **state)
{
	struct expr_world *w = calloc(1, sizeof(*w));
	static uint64_t mem[128], small[16];
	static const char *const texts[] = {"i / z", "ls", "li", "f", "s", "p", "ni", "ls"};
	struct weir_schema out = {0};
	struct weir_expr *e[8];
	struct weir_evaluator *ev;
	struct weir_builder b;

	(void)state;
	expr_world_init(w);
	ev = weir_evaluator_new(&w->region);
	for (unsigned k = 0; k < 8; k++) {
		char name[] = "a";

		name[0] = (char)('a' + k);
		assert_int_equal(weir_expr_compile(&w->env, weir_str_c(texts[k]), &w->region, &e[k],
						   NULL),
				 0);
		weir_schema_add(&out, weir_str_c(name), weir_expr_type(e[k]), true);
	}
	weir_schema_seal(&out);
	weir_build_begin(&b, mem, sizeof(mem), &out);
	for (unsigned k = 0; k < 8; k++)
		weir_vec_store(weir_expr_eval(e[k], ev, w->rows, 3), weir_expr_type(e[k]), 2, &b,
			       k);
	assert_true(weir_build_end(&b));
	assert_int_equal(weir_frame_check(mem, sizeof(mem), &out), 0);
	{
		const struct weir_frame *f = (const struct weir_frame *)mem;
		char text[512];
		struct weir_buf json = weir_buf_of(text, sizeof(text) - 1);

		weir_buf_record_json(&json, f, &out);
		text[json.len] = 0;
		assert_string_equal(
			text, "{\"a\":null,\"b\":[\"red\",\"\",\"gr\xc3\xbcn\"],\"c\":[3,7,-1],"
			      "\"d\":2.5,\"e\":\"Hello, W\xc3\xb6rld\",\"f\":10.50,"
			      "\"g\":null,\"h\":[\"red\",\"\",\"gr\xc3\xbcn\"]}");
	}
	/* Too little room is seen at the end, at whatever point it ran out. */
	for (size_t cap = 0; cap < sizeof(small); cap += 8) {
		weir_build_begin(&b, small, cap, &out);
		for (unsigned k = 0; k < 8; k++)
			weir_vec_store(weir_expr_eval(e[k], ev, w->rows, 1), weir_expr_type(e[k]),
				       0, &b, k);
		assert_false(weir_build_end(&b));
		weir_evaluator_reset(ev);
	}
	expr_world_fini(w);
	free(w);
}

static void test_state_texts(void **state)
{
	(void)state;
	for (unsigned s = 0; s <= WEIR_LANE_STATE_COUNT; s++)
		assert_true(strlen(weir_lane_error(s)) > 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_int),
	cmocka_unit_test(test_float),
	cmocka_unit_test(test_compare),
	cmocka_unit_test(test_exact_int_float),
	cmocka_unit_test(test_logic),
	cmocka_unit_test(test_lists),
	cmocka_unit_test(test_convert),
	cmocka_unit_test(test_mixed_lanes),
	cmocka_unit_test(test_results_stay_until_reset),
	cmocka_unit_test(test_store),
	cmocka_unit_test(test_state_texts),
};

WEIR_TEST_MAIN("expr_eval", tests)
