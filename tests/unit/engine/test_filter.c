/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/step_case.h"

static struct step_case c;

static void start(const char *text, enum weir_on_error policy)
{
	step_case_init(&c, WEIR_STEP_FILTER, policy, 1);
	c.step.filter.text = text;
	step_case_start(&c, weir_filter_init);
}

static void test_filter_passes_what_is_true(void **state)
{
	(void)state;
	start("i > 2", WEIR_ON_ERROR_STOP);
	for (int64_t i = 0; i < 600; i++)
		step_case_put(&c, i, i % 5, "a");
	weir_oprig_eos(&c.rig);
	assert_int_equal(c.rig.out[0].rows, 240);
	for (uint32_t i = 0; i < 240; i++)
		assert_true(weir_get_i64(c.rig.out[0].frame[i], &c.in, CASE_I) > 2);
	assert_int_equal(c.rig.node[0].rows_in, 600);
	assert_string_equal(weir_oprig_text(&c.rig, 0, 240), "eos");
	step_case_fini(&c);
}

static void test_filter_null_counts_as_false(void **state)
{
	(void)state;
	start("n == 1", WEIR_ON_ERROR_STOP);
	step_case_put(&c, 1, 1, "a"); /* n is null for odd i */
	step_case_put(&c, 2, 2, "b"); /* else i / 2 */
	weir_oprig_eos(&c.rig);
	assert_int_equal(c.rig.out[0].rows, 1);
	assert_int_equal(weir_get_i64(c.rig.out[0].frame[0], &c.in, CASE_I), 2);
	step_case_fini(&c);
}

static void test_filter_errors(void **state)
{
	(void)state;
	start("10 / i > 1", WEIR_ON_ERROR_STOP);
	step_case_put(&c, 1, 1, "a");
	step_case_put(&c, 1, 0, "b");
	weir_oprig_run(&c.rig);
	assert_int_equal(c.rig.failed, WEIR_E_REJECT);
	assert_string_equal(
		c.rig.task.err.text,
		"step `it`: division by zero in record {\"i\":0,\"n\":0,\"s\":\"b\",\"l\":[]} "
		"(on_error: skip or route would go on)");
	step_case_fini(&c);

	start("10 / i > 1", WEIR_ON_ERROR_SKIP);
	for (int64_t i = 0; i < 300; i++)
		step_case_put(&c, i, i % 3, "a");
	weir_oprig_eos(&c.rig);
	assert_int_equal(c.rig.out[0].rows, 200);
	assert_int_equal(c.rig.node[0].rejects, 100);
	step_case_fini(&c);
	for (uint32_t room = 1; room < 20; room++) {
		start("10 / i > 1", WEIR_ON_ERROR_ROUTE);
		c.rig.room = room;
		c.rig.seed = room;
		for (int64_t i = 0; i < 300; i++)
			step_case_put(&c, i, i % 3, "a");
		weir_oprig_eos(&c.rig);
		assert_int_equal(c.rig.failed, 0);
		assert_int_equal(c.rig.out[0].rows, 200);
		assert_int_equal(c.rig.out[1].rows, 100);
		assert_int_equal(c.rig.node[0].rejects, 100);
		assert_string_equal(
			weir_oprig_text(&c.rig, 1, 99),
			"{\"reason\":\"division by zero\",\"step\":\"it\",\"source\":null,"
			"\"line\":null,\"offset\":null,\"record\":"
			"\"{\\\"i\\\":0,\\\"n\\\":0,\\\"s\\\":\\\"a\\\",\\\"l\\\":[]}\"}");
		for (uint32_t i = 1; i < 200; i++)
			assert_true(c.rig.out[0].frame[i]->time_ns >
				    c.rig.out[0].frame[i - 1]->time_ns);
		step_case_fini(&c);
	}
}

static void test_filter_text_that_does_not_compile(void **state)
{
	(void)state;
	step_case_init(&c, WEIR_STEP_FILTER, WEIR_ON_ERROR_STOP, 1);
	c.step.filter.text = "nothing > 2";
	assert_true(weir_oprig_init(&c.rig, weir_filter_init, &c.step, &c.in) < 0);
	assert_non_null(strstr(c.rig.task.err.text, "step `it`: filter: "));
	step_case_fini(&c);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_filter_passes_what_is_true),
	cmocka_unit_test(test_filter_null_counts_as_false),
	cmocka_unit_test(test_filter_errors),
	cmocka_unit_test(test_filter_text_that_does_not_compile),
};

WEIR_TEST_MAIN("filter", tests)
