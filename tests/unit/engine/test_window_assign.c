/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/window_assign.h"
#include "tests/lib/test.h"

static struct weir_slicing slicing(int64_t size, int64_t slide, int64_t offset, int64_t lateness)
{
	struct weir_window_spec spec = {.kind = WEIR_WINDOW_SLIDING,
					.size_ns = size,
					.slide_ns = slide,
					.offset_ns = offset,
					.lateness_ns = lateness};
	struct weir_slicing s;

	assert_int_equal(weir_slicing_init(&s, &spec), 0);
	return s;
}

static void test_slicing_refuses_lengths(void **state)
{
	struct weir_window_spec ok = {
		.kind = WEIR_WINDOW_SLIDING, .size_ns = 10, .slide_ns = 5, .offset_ns = 4};
	struct weir_window_spec bad;
	struct weir_slicing s;

	(void)state;
	assert_int_equal(weir_slicing_init(&s, &ok), 0);
	bad = ok, bad.size_ns = 0;
	assert_int_equal(weir_slicing_init(&s, &bad), WEIR_E_RANGE);
	bad = ok, bad.slide_ns = -1;
	assert_int_equal(weir_slicing_init(&s, &bad), WEIR_E_RANGE);
	bad = ok, bad.size_ns = WEIR_WINDOW_LENGTH_MAX + 1;
	assert_int_equal(weir_slicing_init(&s, &bad), WEIR_E_RANGE);
	bad = ok, bad.offset_ns = 5;
	assert_int_equal(weir_slicing_init(&s, &bad), WEIR_E_RANGE);
	bad = ok, bad.offset_ns = -1;
	assert_int_equal(weir_slicing_init(&s, &bad), WEIR_E_RANGE);
	bad = ok, bad.lateness_ns = -1;
	assert_int_equal(weir_slicing_init(&s, &bad), WEIR_E_RANGE);
	bad = ok, bad.lateness_ns = INT64_MAX;
	assert_int_equal(weir_slicing_init(&s, &bad), WEIR_E_RANGE);
}

static void test_slicing_uses_the_common_divisor(void **state)
{
	struct weir_slicing s = slicing(60, 10, 0, 0);

	(void)state;
	assert_int_equal(s.slice, 10);
	assert_int_equal(s.per_window, 6);
	assert_int_equal(s.per_slide, 1);
	s = slicing(10, 4, 0, 0);
	assert_int_equal(s.slice, 2);
	assert_int_equal(s.per_window, 5);
	assert_int_equal(s.per_slide, 2);
	s = slicing(7, 7, 3, 0);
	assert_int_equal(s.slice, 7);
	assert_int_equal(s.per_window, 1);
}

/* Every time around 0, compared with the definition. */
static void test_slices_and_windows_follow_the_definition(void **state)
{
	static const int64_t shape[][3] = {{10, 10, 0}, {10, 10, 7}, {10, 5, 0}, {10, 4, 3},
					   {12, 8, 5},	{1, 1, 0},   {3, 7, 2},	 {5, 12, 11}};

	(void)state;
	for (size_t k = 0; k < WEIR_COUNT_OF(shape); k++) {
		struct weir_slicing s = slicing(shape[k][0], shape[k][1], shape[k][2], 0);

		for (int64_t t = -60; t <= 60; t++) {
			int64_t n = weir_slice_of(&s, t);
			int64_t first = weir_slice_window_first(&s, n);
			int64_t last = weir_slice_window_last(&s, n);

			assert_true(weir_slice_start(&s, n) <= t);
			assert_true(t < weir_slice_start(&s, n) + s.slice);
			for (int64_t j = -100; j <= 100; j++) {
				bool in =
					weir_window_start(&s, j) <= t && t < weir_window_end(&s, j);

				assert_int_equal(in, first <= j && j <= last);
			}
		}
	}
}

static void test_windows_close_with_the_watermark(void **state)
{
	struct weir_slicing s = slicing(10, 4, 3, 6);

	(void)state;
	for (int64_t w = -50; w <= 50; w++) {
		int64_t open = weir_window_open(&s, w), kept = weir_window_kept(&s, w);

		assert_true(weir_window_end(&s, open) - 1 > w);
		assert_true(weir_window_end(&s, open - 1) - 1 <= w);
		assert_true(weir_window_end(&s, kept) - 1 + 6 > w);
		assert_true(weir_window_end(&s, kept - 1) - 1 + 6 <= w);
	}
}

static void test_extreme_watermarks_close_nothing_or_all(void **state)
{
	static const int64_t length[] = {1, 1000, WEIR_WINDOW_LENGTH_MAX};

	(void)state;
	for (size_t a = 0; a < 3; a++) {
		for (size_t b = 0; b < 3; b++) {
			struct weir_slicing s = slicing(length[a], length[b], 0, length[b]);
			int64_t low = weir_slice_window_first(&s, weir_slice_of(&s, s.time_min));
			int64_t high = weir_slice_window_last(&s, weir_slice_of(&s, s.time_max));

			assert_true(weir_slicing_in_range(&s, s.time_max));
			assert_false(weir_slicing_in_range(&s, s.time_max + 1));
			assert_false(weir_slicing_in_range(&s, WEIR_TIME_MIN));
			assert_true(weir_window_open(&s, WEIR_TIME_MIN) <= low);
			assert_true(weir_window_kept(&s, WEIR_TIME_MIN) <= low);
			assert_true(weir_window_open(&s, WEIR_TIME_MAX) > high);
			assert_true(weir_window_kept(&s, WEIR_TIME_MAX) > high);
		}
	}
	assert_int_equal(weir_watermark_less(WEIR_TIME_MIN + 3, 4), WEIR_TIME_MIN);
	assert_int_equal(weir_watermark_less(10, 4), 6);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_slicing_refuses_lengths),
	cmocka_unit_test(test_slicing_uses_the_common_divisor),
	cmocka_unit_test(test_slices_and_windows_follow_the_definition),
	cmocka_unit_test(test_windows_close_with_the_watermark),
	cmocka_unit_test(test_extreme_watermarks_close_nothing_or_all),
};

WEIR_TEST_MAIN("engine/window_assign", tests)
