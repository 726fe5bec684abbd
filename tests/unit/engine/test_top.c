/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/oprig.h"
#include "tests/lib/winref.h"

static struct winref w;
static struct weir_oprig rig;

static const struct weir_window_spec tumbling = {
	.kind = WEIR_WINDOW_TUMBLING, .size_ns = 20, .slide_ns = 20};
static const struct weir_window_spec sliding = {
	.kind = WEIR_WINDOW_SLIDING, .size_ns = 30, .slide_ns = 10, .offset_ns = 3};
static const struct weir_window_spec session = {.kind = WEIR_WINDOW_SESSION, .size_ns = 8};

static void start(struct weir_window_spec spec, enum winref_key key, const char *by, uint32_t k,
		  bool smallest, bool ties)
{
	winref_init(&w, spec, key);
	winref_top(&w, by, k, smallest, ties);
	assert_int_equal(weir_oprig_init(&rig, weir_top_init, &w.step, &w.in), 0);
}

static void stop(void)
{
	weir_oprig_fini(&rig);
	winref_fini(&w);
}

static void row(int64_t t, int64_t k, int64_t v)
{
	struct weir_oprig_value x[WINREF_FIELDS] = {WEIR_ROW_I(k),	WEIR_ROW_NULL,
						    WEIR_ROW_I(v),	WEIR_ROW_NULL,
						    WEIR_ROW_S("text"), WEIR_ROW_I(t)};

	if (v < 0)
		x[WINREF_V] = WEIR_ROW_NULL;
	weir_oprig_put(&rig, t, x);
}

static void expect(uint32_t i, int64_t k, int64_t v, int64_t d, int64_t end)
{
	const struct weir_frame *f;

	assert_true(i < rig.out[0].count);
	f = rig.out[0].frame[i];
	assert_int_equal(f->kind, WEIR_FRAME_DATA);
	assert_int_equal(f->time_ns, end - 1);
	assert_int_equal(weir_get_i64(f, &w.out, WINREF_K), k);
	assert_int_equal(weir_get_i64(f, &w.out, WINREF_V), v);
	assert_int_equal(weir_get_i64(f, &w.out, WINREF_D), d);
	assert_true(weir_str_is(weir_get_str(f, &w.out, WINREF_S), "text"));
	assert_int_equal(weir_get_i64(f, &w.out, WINREF_FIELDS + 1), end);
}

static void test_top_gives_whole_records_best_first(void **state)
{
	(void)state;
	start(tumbling, WINREF_KEY_INT, "v", 2, false, false);
	rig.room = 1;
	row(1, 1, 5);
	row(2, 1, 9);
	row(3, 1, 7);
	row(4, 2, 1);
	row(5, 1, -1);
	row(5, 3, -1);
	row(9, 1, 7);
	weir_oprig_eos(&rig);
	expect(0, 1, 9, 2, 20);
	expect(1, 1, 7, 3, 20); /* of two sevens the earlier one */
	expect(2, 2, 1, 4, 20);
	assert_int_equal(rig.out[0].rows, 3);
	stop();
}

static void test_top_ties_keep_everything_equal_to_the_last(void **state)
{
	(void)state;
	start(tumbling, WINREF_KEY_NONE, "v", 2, true, true);
	row(1, 1, 7);
	row(2, 1, 7);
	row(3, 1, 7);
	row(4, 1, 8);
	weir_oprig_run(&rig);
	row(5, 1, 3);
	row(6, 1, 7);
	weir_oprig_watermark(&rig, 19);
	assert_int_equal(rig.out[0].rows, 5);
	expect(0, 1, 3, 5, 20);
	expect(1, 1, 7, 1, 20);
	expect(4, 1, 7, 6, 20);
	row(21, 1, 7);
	row(21, 1, 3);
	row(21, 1, 2);
	row(22, 1, 3);
	weir_oprig_eos(&rig);
	assert_int_equal(rig.out[0].rows, 8);
	stop();
}

static void test_top_by_an_expression(void **state)
{
	(void)state;
	start(tumbling, WINREF_KEY_NONE, "100 / v", 1, false, false);
	row(1, 1, 5);
	row(2, 1, 0);
	row(3, 1, 4);
	row(4, 1, -1);
	weir_oprig_eos(&rig);
	assert_int_equal(rig.node[0].rejects, 1);
	assert_int_equal(rig.out[0].rows, 1);
	expect(0, 1, 4, 3, 20);
	stop();
	start(sliding, WINREF_KEY_NONE, "s + string(v)", 1, true, false);
	row(13, 1, 5);
	row(14, 1, 4);
	row(25, 1, 3);
	weir_oprig_eos(&rig);
	assert_int_equal(rig.out[0].rows, 4);
	expect(0, 1, 4, 14, 23);
	expect(1, 1, 3, 25, 33);
	stop();
}

static void test_top_refuses_what_it_does_not_know(void **state)
{
	(void)state;
	winref_init(&w, tumbling, WINREF_KEY_INT);
	winref_top(&w, "nothing", 1, false, false);
	assert_true(weir_oprig_init(&rig, weir_top_init, &w.step, &w.in) < 0);
	assert_non_null(strstr(rig.task.err.text, "by: "));
	stop();
}

static void random_run(struct weir_window_spec spec, enum winref_key key, const char *by,
		       uint32_t k, bool smallest, bool ties, uint64_t seed)
{
	int64_t now = -200, high = INT64_MIN;

	start(spec, key, by, k, smallest, ties);
	rig.seed = seed;
	rig.room = 1 + (uint32_t)(winref_rand(&seed) % 5);
	for (uint32_t i = 0; i < 500; i++) {
		uint64_t r = winref_rand(&seed);
		int64_t t = now - (int64_t)(r >> 8) % 25;
		struct weir_frame *f = winref_random(&w, &seed, t);

		weir_oprig_put_frame(&rig, f);
		winref_add(&w, f);
		high = WEIR_MAX(high, t);
		now += (int64_t)(r % 3);
		if ((r >> 50) % 25 == 0) {
			weir_oprig_watermark(&rig, high - 10);
			winref_watermark(&w, high - 10);
		}
	}
	weir_oprig_eos(&rig);
	assert_int_equal(rig.failed, 0);
	assert_int_equal(rig.node[0].late, w.late);
	assert_string_equal(winref_actual(&w, &rig, false),
			    winref_expected_top(&w, &rig, by, k, smallest, ties));
	stop();
}

static void test_top_random_rows_equal_the_naive_result(void **state)
{
	static const char *const by[] = {"v", "f", "s", "d", "k"};
	const struct weir_window_spec spec[] = {tumbling, sliding, session};

	(void)state;
	for (size_t s = 0; s < 3; s++) {
		for (size_t b = 0; b < WEIR_COUNT_OF(by); b++) {
			uint64_t seed = 100 * s + b;

			random_run(spec[s], WINREF_KEY_INT, by[b], 1, false, false, seed);
			random_run(spec[s], WINREF_KEY_BOTH, by[b], 3, true, false, seed);
			random_run(spec[s], WINREF_KEY_INT, by[b], 2, false, true, seed);
			random_run(spec[s], WINREF_KEY_NONE, by[b], 10, true, true, seed);
		}
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_top_gives_whole_records_best_first),
	cmocka_unit_test(test_top_ties_keep_everything_equal_to_the_last),
	cmocka_unit_test(test_top_by_an_expression),
	cmocka_unit_test(test_top_refuses_what_it_does_not_know),
	cmocka_unit_test(test_top_random_rows_equal_the_naive_result),
};

WEIR_TEST_MAIN("engine/top", tests)
