/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/step_case.h"

static struct step_case c;
static const char *text[2];

static void start(enum weir_on_error policy, const char *a, const char *b)
{
	step_case_init(&c, WEIR_STEP_SPLIT, policy, 3);
	text[0] = a;
	text[1] = b;
	c.step.split.count = 2;
	c.step.split.text = text;
	step_case_start(&c, weir_split_init);
}

static void test_split_first_true_one_takes_the_record(void **state)
{
	(void)state;
	for (uint32_t room = 1; room < 10; room++) {
		start(WEIR_ON_ERROR_STOP, "i > 6", "i > 3");
		c.rig.room = room;
		c.rig.seed = room;
		for (int64_t i = 0; i < 500; i++)
			step_case_put(&c, i, i % 10, "a");
		weir_oprig_eos(&c.rig);
		assert_int_equal(c.rig.out[0].rows, 150);
		assert_int_equal(c.rig.out[1].rows, 150);
		assert_int_equal(c.rig.out[2].rows, 200);
		for (uint32_t p = 0; p < 3; p++) {
			assert_string_equal(weir_oprig_text(&c.rig, p, c.rig.out[p].count - 1),
					    "eos");
			for (uint32_t i = 1; i < c.rig.out[p].rows; i++)
				assert_true(c.rig.out[p].frame[i]->time_ns >
					    c.rig.out[p].frame[i - 1]->time_ns);
		}
		step_case_fini(&c);
	}
}

static void test_split_null_goes_on_to_the_next(void **state)
{
	(void)state;
	start(WEIR_ON_ERROR_STOP, "n == 1", "i == 3");
	step_case_put(&c, 1, 3, "a"); /* n is null */
	step_case_put(&c, 2, 2, "a");
	step_case_put(&c, 3, 5, "a");
	weir_oprig_eos(&c.rig);
	assert_int_equal(c.rig.out[0].frame[0]->time_ns, 2);
	assert_int_equal(c.rig.out[1].frame[0]->time_ns, 1);
	assert_int_equal(c.rig.out[2].frame[0]->time_ns, 3);
	step_case_fini(&c);
}

static void test_split_errors_count_only_when_they_have_to_decide(void **state)
{
	(void)state;
	start(WEIR_ON_ERROR_ROUTE, "i == 0", "10 / i > 4");
	for (int64_t i = -1; i < 4; i++)
		step_case_put(&c, i, i, "a");
	weir_oprig_eos(&c.rig);
	assert_int_equal(c.rig.out[0].rows, 1);
	assert_int_equal(c.rig.out[1].rows, 2);
	assert_int_equal(c.rig.out[2].rows, 2);
	assert_int_equal(c.rig.out[3].rows, 0);
	step_case_fini(&c);
	for (uint32_t room = 1; room < 5; room++) {
		start(WEIR_ON_ERROR_ROUTE, "10 / i > 4", "true");
		c.rig.room = room;
		for (int64_t i = 0; i < 100; i++)
			step_case_put(&c, i, i % 4, "a");
		weir_oprig_eos(&c.rig);
		assert_int_equal(c.rig.out[0].rows, 50);
		assert_int_equal(c.rig.out[1].rows, 25);
		assert_int_equal(c.rig.out[3].rows, 25);
		assert_int_equal(c.rig.node[0].rejects, 25);
		step_case_fini(&c);
	}
	start(WEIR_ON_ERROR_STOP, "10 / i > 4", "true");
	step_case_put(&c, 1, 0, "a");
	weir_oprig_run(&c.rig);
	assert_int_equal(c.rig.failed, WEIR_E_REJECT);
	assert_non_null(strstr(c.rig.task.err.text, "step `it`: division by zero in record"));
	step_case_fini(&c);
}

static void test_split_text_that_does_not_compile(void **state)
{
	(void)state;
	start(WEIR_ON_ERROR_STOP, "true", "false");
	step_case_fini(&c);
	text[1] = "i ==";
	assert_true(weir_oprig_init(&c.rig, weir_split_init, &c.step, &c.in) < 0);
	assert_non_null(strstr(c.rig.task.err.text, "step `it`: split: "));
	step_case_fini(&c);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_split_first_true_one_takes_the_record),
	cmocka_unit_test(test_split_null_goes_on_to_the_next),
	cmocka_unit_test(test_split_errors_count_only_when_they_have_to_decide),
	cmocka_unit_test(test_split_text_that_does_not_compile),
};

WEIR_TEST_MAIN("split", tests)
