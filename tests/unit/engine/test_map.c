/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/step_case.h"

static struct step_case c;
static struct weir_map_field field[4];

/* Fields "name:type=expression", the output schema with them. */
static void prepare(enum weir_on_error policy, const char *const (*f)[3], uint32_t count)
{
	step_case_init(&c, WEIR_STEP_MAP, policy, 1);
	memset(&c.out, 0, sizeof(c.out));
	for (uint32_t i = 0; i < count; i++) {
		struct weir_field x;

		assert_int_equal(weir_type_parse(weir_str_c(f[i][1]), &x, NULL), 0);
		weir_schema_add(&c.out, weir_str_c(f[i][0]), x.type, x.nullable);
		snprintf(field[i].name, sizeof(field[i].name), "%s", f[i][0]);
		field[i].text = f[i][2];
	}
	weir_schema_seal(&c.out);
	c.step.map.count = count;
	c.step.map.field = field;
}

static void start(enum weir_on_error policy, const char *const (*f)[3], uint32_t count)
{
	prepare(policy, f, count);
	step_case_start(&c, weir_map_init);
}

static void test_map_fixed_fields(void **state)
{
	static const char *const f[][3] = {
		{"twice", "int64", "i * 2"}, {"i", "int64", "i"}, {"big", "bool", "i > 5"}};

	(void)state;
	start(WEIR_ON_ERROR_STOP, f, 3);
	c.rig.room = 7;
	for (int64_t i = 0; i < 10; i++)
		step_case_put(&c, i, i, "x");
	weir_oprig_eos(&c.rig);
	assert_int_equal(c.rig.out[0].rows, 10);
	assert_string_equal(weir_oprig_text(&c.rig, 0, 6), "{\"twice\":12,\"i\":6,\"big\":true}");
	for (int64_t i = 0; i < 10; i++) {
		const struct weir_frame *r = c.rig.out[0].frame[i];

		assert_int_equal(r->size, 24 + 24);
		assert_int_equal(r->time_ns, i);
		assert_int_equal(r->flags, WEIR_FRAME_F_TIMED); /* the hash was of another record */
		assert_int_equal(r->key_hash, 0);
		assert_int_equal(weir_get_i64(r, &c.out, 0), 2 * i);
	}
	step_case_fini(&c);
}

static void test_map_nulls_texts_and_lists(void **state)
{
	static const char *const f[][3] = {{"t", "string", "s + '!'"},
					   {"n", "int64?", "n + 1"},
					   {"l", "list<int64>?", "l"},
					   {"copy", "string", "s"}};

	(void)state;
	start(WEIR_ON_ERROR_STOP, f, 4);
	step_case_put_list(&c, 1, 1, "a", 2);
	step_case_put_list(&c, 2, 2, "", -1);
	step_case_put_list(&c, 3, 4, "gr\xc3\xbcn", 0);
	weir_oprig_eos(&c.rig);
	assert_string_equal(weir_oprig_text(&c.rig, 0, 0),
			    "{\"t\":\"a!\",\"n\":null,\"l\":[100,101],\"copy\":\"a\"}");
	assert_string_equal(weir_oprig_text(&c.rig, 0, 1),
			    "{\"t\":\"!\",\"n\":2,\"l\":null,\"copy\":\"\"}");
	assert_string_equal(weir_oprig_text(&c.rig, 0, 2),
			    "{\"t\":\"gr\xc3\xbcn!\",\"n\":3,\"l\":[],\"copy\":\"gr\xc3\xbcn\"}");
	step_case_fini(&c);
}

static void test_map_errors(void **state)
{
	static const char *const f[][3] = {{"q", "int64", "10 / i"}, {"s", "string", "s"}};

	(void)state;
	start(WEIR_ON_ERROR_STOP, f, 2);
	step_case_put(&c, 1, 0, "b");
	weir_oprig_run(&c.rig);
	assert_int_equal(c.rig.failed, WEIR_E_REJECT);
	assert_non_null(
		strstr(c.rig.task.err.text, "step `it`: division by zero in record {\"i\":0,"));
	step_case_fini(&c);
	start(WEIR_ON_ERROR_SKIP, f, 2);
	for (int64_t i = 0; i < 30; i++)
		step_case_put(&c, i, i % 3, "b");
	weir_oprig_eos(&c.rig);
	assert_int_equal(c.rig.out[0].rows, 20);
	assert_int_equal(c.rig.node[0].rejects, 10);
	step_case_fini(&c);
	for (uint32_t room = 1; room < 12; room++) {
		start(WEIR_ON_ERROR_ROUTE, f, 2);
		c.rig.room = room;
		c.rig.seed = room;
		for (int64_t i = 0; i < 300; i++)
			step_case_put(&c, i, i % 3, "b");
		weir_oprig_eos(&c.rig);
		assert_int_equal(c.rig.out[0].rows, 200);
		assert_int_equal(c.rig.out[1].rows, 100);
		assert_int_equal(c.rig.node[0].rejects, 100);
		assert_int_equal(c.rig.node[0].rows_in, 300);
		step_case_fini(&c);
	}
}

static void test_map_record_larger_than_record_max(void **state)
{
	static const char *const f[][3] = {{"a", "string", "s + s"}, {"b", "string", "s"}};
	static char big[2001];

	(void)state;
	memset(big, 'x', 2000);
	start(WEIR_ON_ERROR_ROUTE, f, 2);
	step_case_put(&c, 1, 1, "small");
	step_case_put(&c, 2, 2, big);
	step_case_put(&c, 3, 3, "small");
	weir_oprig_eos(&c.rig);
	assert_int_equal(c.rig.out[0].rows, 2);
	assert_int_equal(c.rig.out[1].rows, 1);
	assert_non_null(strstr(weir_oprig_text(&c.rig, 1, 0), "record larger than record_max"));
	/* The reject has the whole record. */
	assert_non_null(strstr(weir_oprig_text(&c.rig, 1, 0), big));
	step_case_fini(&c);
	start(WEIR_ON_ERROR_STOP, f, 2);
	step_case_put(&c, 2, 2, big);
	weir_oprig_run(&c.rig);
	assert_int_equal(c.rig.failed, WEIR_E_REJECT);
	assert_non_null(strstr(c.rig.task.err.text, "record larger than record_max in record {"));
	step_case_fini(&c);
}

static void test_map_text_that_does_not_compile(void **state)
{
	static const char *const f[][3] = {{"a", "int64", "i +"}};

	(void)state;
	prepare(WEIR_ON_ERROR_STOP, f, 1);
	assert_true(weir_oprig_init(&c.rig, weir_map_init, &c.step, &c.in) < 0);
	assert_non_null(strstr(c.rig.task.err.text, "step `it`: field `a`: "));
	step_case_fini(&c);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_map_fixed_fields),
	cmocka_unit_test(test_map_nulls_texts_and_lists),
	cmocka_unit_test(test_map_errors),
	cmocka_unit_test(test_map_record_larger_than_record_max),
	cmocka_unit_test(test_map_text_that_does_not_compile),
};

WEIR_TEST_MAIN("map", tests)
