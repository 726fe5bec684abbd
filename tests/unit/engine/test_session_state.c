/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/window_state_case.h"

#define HEAD 16 /* watermark, born */

static struct weir_window_spec session(int64_t gap, int64_t lateness)
{
	return (struct weir_window_spec){
		.kind = WEIR_WINDOW_SESSION, .size_ns = gap, .lateness_ns = lateness};
}

static void test_session_lives_equal_one_life(void **state)
{
	const struct window_case cases[] = {
		{session(10, 0), WINREF_KEY_INT, false, 3, 20},
		{session(3, 0), WINREF_KEY_BOTH, false, 3, 20},
		{session(6, 20), WINREF_KEY_BOTH, false, 4, 40},
		{session(3, 10), WINREF_KEY_NONE, false, 6, 20},
		{session(8, 0), WINREF_KEY_FLOAT, false, 4, 40},
		{session(5, 5), WINREF_KEY_INT, true, 4, 20},
	};

	(void)state;
	for (uint64_t seed = 1; seed <= 12; seed++)
		for (size_t i = 0; i < WEIR_COUNT_OF(cases); i++)
			window_case_run(&cases[i], HEAD, seed);
}

static void test_session_sign_and_damage(void **state)
{
	(void)state;
	windows_are(session(10, 5), WINREF_KEY_INT, false);
	assert_memory_equal(state_sign(), "session 1 size=10 ", 18);
	assert_string_equal(state_refused("12345678123", 11),
			    "step `win`: its saved state is damaged: it is cut short");
	winref_fini(&ref);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_session_lives_equal_one_life),
	cmocka_unit_test(test_session_sign_and_damage),
};

WEIR_TEST_MAIN("engine/session_state", tests)
