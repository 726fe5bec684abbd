/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/agg_case.h"

static struct weir_window_spec session(int64_t gap, int64_t lateness)
{
	return (struct weir_window_spec){
		.kind = WEIR_WINDOW_SESSION, .size_ns = gap, .lateness_ns = lateness};
}

static void test_session_ends_a_gap_after_the_last_row(void **state)
{
	(void)state;
	start_count(session(10, 0));
	row(0, 1);
	row(9, 1);
	row(18, 1);
	row(28, 1); /* exactly the gap later: another session */
	row(5, 2);
	weir_oprig_watermark(&rig, 13);
	assert_int_equal(rig.out[0].count, 1);
	weir_oprig_watermark(&rig, 27);
	expect(1, 2, 5, 15, 1);
	expect(2, 1, 0, 28, 3);
	weir_oprig_watermark(&rig, 36);
	assert_int_equal(rig.out[0].rows, 2);
	weir_oprig_watermark(&rig, 37);
	expect(5, 1, 28, 38, 1);
	stop();
}

static void test_session_bridge_merges_both_sides(void **state)
{
	(void)state;
	start_count(session(10, 0));
	row(0, 1);
	row(15, 1);
	row(100, 1);
	row(30, 1);
	row(8, 1); /* joins 0 and 15 */
	row(22, 1); /* and 30 */
	row(-5, 1);
	weir_oprig_eos(&rig);
	expect(0, 1, -5, 40, 6);
	expect(1, 1, 100, 110, 1);
	assert_int_equal(rig.out[0].rows, 2);
	stop();
}

static void test_session_late_rows(void **state)
{
	(void)state;
	start_count(session(10, 0));
	row(50, 1);
	weir_oprig_watermark(&rig, 55);
	row(46, 2); /* its own session would end at 56, watermark 55 closed it */
	row(47, 2); /* ends at 57: opens a session */
	row(42, 1); /* joins the open one, so it is not late */
	row(46, 2); /* joins the session of 47 */
	row(20, 1);
	weir_oprig_run(&rig);
	assert_int_equal(rig.node[0].late, 2);
	assert_int_equal(rig.out[1].rows, 2);
	weir_oprig_eos(&rig);
	expect(1, 2, 46, 57, 2);
	expect(2, 1, 42, 60, 2);
	stop();
}

static void test_session_lateness_fires_again_and_may_grow(void **state)
{
	(void)state;
	start_count(session(10, 20));
	row(0, 1);
	weir_oprig_watermark(&rig, 9);
	expect(0, 1, 0, 10, 1);
	row(2, 1); /* end 12: open again */
	weir_oprig_run(&rig);
	assert_int_equal(rig.out[0].rows, 1);
	weir_oprig_watermark(&rig, 25);
	expect(2, 1, 0, 12, 2);
	row(5, 1); /* fires at once: end 15 */
	weir_oprig_run(&rig);
	expect(4, 1, 0, 15, 3);
	row(-4, 1); /* to the front */
	weir_oprig_run(&rig);
	expect(5, 1, -4, 15, 4);
	weir_oprig_watermark(&rig, 34);
	row(5, 1);
	weir_oprig_run(&rig);
	assert_int_equal(rig.node[0].late, 1);
	weir_oprig_eos(&rig);
	assert_int_equal(rig.out[0].rows, 4);
	stop();
}

static void test_session_times_at_the_ends_are_rejected(void **state)
{
	(void)state;
	start_count(session(10, 0));
	row(INT64_MAX, 1);
	row(INT64_MIN, 1);
	row(7, 1);
	weir_oprig_eos(&rig);
	assert_int_equal(rig.node[0].rejects, 2);
	assert_int_equal(rig.out[0].rows, 1);
	stop();
}

/* Many keys come and go: nothing is left behind but the memory for reuse. */
static void test_session_keys_are_recycled(void **state)
{
	(void)state;
	start_count(session(10, 5));
	for (int64_t round = 0; round < 40; round++) {
		for (int64_t k = 0; k < 500; k++)
			row(round * 100 + k % 7, round * 500 + k);
		weir_oprig_watermark(&rig, round * 100 + 50);
		assert_int_equal(rig.out[0].rows, 500 * (round + 1));
	}
	stop();
}

static void random_run(struct weir_window_spec spec, enum winref_key key, int64_t disorder,
		       int64_t behind, uint64_t seed, bool single)
{
	int64_t now = -200, high = INT64_MIN;
	char *expected, *actual;

	start(spec, key);
	rig.seed = seed;
	rig.room = 1 + (uint32_t)(winref_rand(&seed) % 5);
	for (uint32_t i = 0; i < 500; i++) {
		uint64_t r = winref_rand(&seed);
		int64_t t = now - (int64_t)(r >> 8) % (disorder + 1);
		struct weir_frame *f = winref_random(&w, &seed, t);

		weir_oprig_put_frame(&rig, f);
		if (single)
			weir_oprig_run(&rig);
		winref_add(&w, f);
		high = WEIR_MAX(high, t);
		now += (int64_t)(r % 5);
		if ((r >> 40) % 30 == 0)
			now += 25;
		if ((r >> 50) % 25 == 0) {
			weir_oprig_watermark(&rig, high - behind);
			winref_watermark(&w, high - behind);
		}
	}
	weir_oprig_eos(&rig);
	assert_int_equal(rig.failed, 0);
	assert_int_equal(rig.node[0].late, w.late);
	assert_int_equal(rig.out[1].rows, w.late);
	expected = winref_expected(&w, &rig);
	actual = winref_actual(&w, &rig, spec.lateness_ns > 0);
	if (spec.lateness_ns == 0)
		assert_string_equal(actual, expected);
	/* With lateness there are also results of sessions that were merged later. */
	for (char *line = strtok(expected, "\n"); line; line = strtok(NULL, "\n"))
		assert_non_null(strstr(actual, line));
	stop();
}

static void test_session_random_rows_equal_the_naive_result(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++) {
		random_run(session(10, 0), WINREF_KEY_INT, 20, 20, seed, false);
		random_run(session(6, 0), WINREF_KEY_BOTH, 60, 10, seed, false);
		random_run(session(3, 0), WINREF_KEY_NONE, 30, 5, seed, false);
		random_run(session(15, 0), WINREF_KEY_FLOAT, 80, 0, seed, true);
		random_run(session(8, 30), WINREF_KEY_INT, 60, 5, seed, false);
		random_run(session(8, 30), WINREF_KEY_BOTH, 80, 0, seed, true);
		random_run(session(2, 10), WINREF_KEY_NONE, 30, 0, seed, true);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_session_ends_a_gap_after_the_last_row),
	cmocka_unit_test(test_session_bridge_merges_both_sides),
	cmocka_unit_test(test_session_late_rows),
	cmocka_unit_test(test_session_lateness_fires_again_and_may_grow),
	cmocka_unit_test(test_session_times_at_the_ends_are_rejected),
	cmocka_unit_test(test_session_keys_are_recycled),
	cmocka_unit_test(test_session_random_rows_equal_the_naive_result),
};

WEIR_TEST_MAIN("engine/session", tests)
