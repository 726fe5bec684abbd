/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/window_state_case.h"

#define HEAD 24 /* watermark, open, kept */

static struct weir_window_spec tumbling(int64_t size, int64_t offset, int64_t lateness)
{
	return (struct weir_window_spec){.kind = WEIR_WINDOW_TUMBLING,
					 .size_ns = size,
					 .offset_ns = offset,
					 .lateness_ns = lateness};
}

static struct weir_window_spec sliding(int64_t size, int64_t slide, int64_t lateness)
{
	return (struct weir_window_spec){.kind = WEIR_WINDOW_SLIDING,
					 .size_ns = size,
					 .slide_ns = slide,
					 .lateness_ns = lateness};
}

static void test_window_lives_equal_one_life(void **state)
{
	const struct window_case cases[] = {
		{tumbling(10, 0, 0), WINREF_KEY_INT, false, 2, 10},
		{tumbling(40, 3, 30), WINREF_KEY_BOTH, false, 2, 60},
		{tumbling(7, 0, 50), WINREF_KEY_NONE, false, 3, 40},
		{sliding(30, 10, 0), WINREF_KEY_FLOAT, false, 2, 30},
		{sliding(20, 15, 40), WINREF_KEY_BOTH, false, 2, 50},
		{sliding(5, 20, 0), WINREF_KEY_INT, false, 2, 20},
		{tumbling(25, 0, 0), WINREF_KEY_INT, true, 2, 20},
		{sliding(24, 8, 16), WINREF_KEY_BOTH, true, 2, 30},
	};

	(void)state;
	for (uint64_t seed = 1; seed <= 12; seed++)
		for (size_t i = 0; i < WEIR_COUNT_OF(cases); i++)
			window_case_run(&cases[i], HEAD, seed);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_window_lives_equal_one_life),
};

WEIR_TEST_MAIN("engine/window_state", tests)
