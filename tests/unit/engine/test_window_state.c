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

/* The window itself is in the text, the lateness is not. */
static void test_window_sign(void **state)
{
	char first[4096];

	(void)state;
	windows_are(tumbling(10, 3, 0), WINREF_KEY_INT, false);
	strcpy(first, state_sign());
	winref_fini(&ref);
	assert_memory_equal(first, "window 1 size=10 slide=10 offset=3 key=(", 40);
	windows_are(tumbling(10, 3, 99), WINREF_KEY_INT, false);
	assert_string_equal(state_sign(), first);
	winref_fini(&ref);
	windows_are(tumbling(10, 4, 0), WINREF_KEY_INT, false);
	assert_string_not_equal(state_sign(), first);
	winref_fini(&ref);
	windows_are(tumbling(10, 3, 0), WINREF_KEY_BOTH, false);
	assert_string_not_equal(state_sign(), first);
	winref_fini(&ref);
}

static void test_window_damage_names_the_step(void **state)
{
	static const int64_t head[3] = {0, INT64_MAX, INT64_MAX};

	(void)state;
	windows_are(tumbling(10, 0, 0), WINREF_KEY_INT, false);
	assert_string_equal(state_refused("1234", 4),
			    "step `win`: its saved state is damaged: it is cut short");
	assert_string_equal(state_refused(head, sizeof(head)),
			    "step `win`: its saved state is damaged: its windows are out of range");
	winref_fini(&ref);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_window_lives_equal_one_life),
	cmocka_unit_test(test_window_sign),
	cmocka_unit_test(test_window_damage_names_the_step),
};

WEIR_TEST_MAIN("engine/window_state", tests)
