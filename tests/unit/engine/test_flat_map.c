/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/step_case.h"

static struct step_case c;

static void start(enum weir_on_error policy)
{
	step_case_init(&c, WEIR_STEP_FLAT_MAP, policy, 1);
	c.step.flat_map.field = CASE_L;
	strcpy(c.out.field[CASE_L].name, "e");
	c.out.field[CASE_L].type = weir_type_of(WEIR_INT64);
	c.out.field[CASE_L].nullable = false;
	weir_schema_seal(&c.out);
	step_case_start(&c, weir_flat_map_init);
}

static void test_flat_map_one_record_per_element(void **state)
{
	(void)state;
	for (uint32_t room = 1; room < 12; room++) {
		uint32_t n = 0;

		start(WEIR_ON_ERROR_STOP);
		c.rig.room = room;
		c.rig.seed = room % 2 ? room : 0;
		for (int64_t i = 0; i < 40; i++)
			step_case_put_list(&c, i, i, "text", i % 8 - 1);
		weir_oprig_watermark(&c.rig, 99);
		weir_oprig_eos(&c.rig);
		for (int64_t i = 0; i < 40; i++) {
			for (int64_t k = 0; k < i % 8 - 1; k++, n++) {
				const struct weir_frame *f = c.rig.out[0].frame[n];

				assert_int_equal(weir_get_i64(f, &c.out, CASE_I), i);
				assert_int_equal(weir_null(f, &c.out, CASE_N), i % 2);
				assert_true(weir_str_is(weir_get_str(f, &c.out, CASE_S), "text"));
				assert_int_equal(weir_get_i64(f, &c.out, CASE_L), 100 + k);
				assert_int_equal(f->time_ns, i);
				assert_int_equal(f->flags, WEIR_FRAME_F_TIMED);
			}
		}
		assert_int_equal(c.rig.out[0].rows, n);
		assert_string_equal(weir_oprig_text(&c.rig, 0, n), "watermark 99");
		assert_string_equal(weir_oprig_text(&c.rig, 0, n + 1), "eos");
		assert_int_equal(c.rig.node[0].rows_in, 40);
		step_case_fini(&c);
	}
}

static void put_texts(int64_t i, const char *const *v, uint32_t count)
{
	static uint64_t mem[4096];
	struct weir_builder b;
	uint64_t slot[4];
	uint32_t at;
	void *p;

	weir_build_begin(&b, mem, sizeof(mem), &c.in);
	weir_build_i64(&b, CASE_I, i);
	weir_build_null(&b, CASE_N);
	weir_build_str(&b, CASE_S, WEIR_STR("s"));
	for (uint32_t k = 0; k < count; k++) {
		p = weir_build_tail(&b, strlen(v[k]), 1, &at);
		assert_non_null(p);
		memcpy(p, v[k], strlen(v[k]));
		slot[k] = (uint64_t)at | (uint64_t)strlen(v[k]) << 32;
	}
	p = weir_build_tail(&b, 8 * (size_t)count, 8, &at);
	assert_non_null(p);
	memcpy(p, slot, 8 * (size_t)count);
	weir_build_slot(&b, CASE_L, (uint64_t)at | (uint64_t)count << 32);
	assert_true(weir_build_end(&b));
	weir_oprig_put_frame(&c.rig, b.f);
}

static void test_flat_map_of_texts(void **state)
{
	static const char *const v[] = {"red", "", "gr\xc3\xbcn"};

	(void)state;
	step_case_init(&c, WEIR_STEP_FLAT_MAP, WEIR_ON_ERROR_STOP, 1);
	c.in.field[CASE_L].type.elem = WEIR_STRING;
	c.out = c.in;
	c.step.flat_map.field = CASE_L;
	c.out.field[CASE_L].type = weir_type_of(WEIR_STRING);
	step_case_start(&c, weir_flat_map_init);
	put_texts(1, v, 3);
	weir_oprig_eos(&c.rig);
	assert_int_equal(c.rig.out[0].rows, 3);
	for (uint32_t k = 0; k < 3; k++) {
		assert_true(weir_str_is(weir_get_str(c.rig.out[0].frame[k], &c.out, CASE_L), v[k]));
		assert_int_equal(c.rig.out[0].frame[k]->flags, 0); /* untimed stays untimed */
	}
	step_case_fini(&c);
}

static void test_flat_map_record_larger_than_record_max(void **state)
{
	static char big[3001];

	(void)state;
	memset(big, 'x', 3000);
	for (uint32_t room = 1; room < 4; room++) {
		start(WEIR_ON_ERROR_ROUTE);
		c.rig.room = room;
		c.rig.seed = room;
		c.rig.task.record_max = 2048;
		step_case_put_list(&c, 1, 1, "a", 2);
		step_case_put_list(&c, 2, 2, big, 3);
		step_case_put_list(&c, 3, 3, "b", 2);
		weir_oprig_eos(&c.rig);
		assert_int_equal(c.rig.out[0].rows, 4);
		assert_int_equal(c.rig.out[1].rows, 3); /* each element's record */
		assert_int_equal(c.rig.node[0].rejects, 3);
		assert_non_null(
			strstr(weir_oprig_text(&c.rig, 1, 0), "record larger than record_max"));
		step_case_fini(&c);
	}
	start(WEIR_ON_ERROR_SKIP);
	c.rig.task.record_max = 2048;
	step_case_put_list(&c, 2, 2, big, 3);
	weir_oprig_eos(&c.rig);
	assert_int_equal(c.rig.out[0].rows, 0);
	assert_int_equal(c.rig.node[0].rejects, 3);
	step_case_fini(&c);
	start(WEIR_ON_ERROR_STOP);
	c.rig.task.record_max = 2048;
	step_case_put_list(&c, 2, 2, big, 3);
	weir_oprig_run(&c.rig);
	assert_int_equal(c.rig.failed, WEIR_E_REJECT);
	step_case_fini(&c);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_flat_map_one_record_per_element),
	cmocka_unit_test(test_flat_map_of_texts),
	cmocka_unit_test(test_flat_map_record_larger_than_record_max),
};

WEIR_TEST_MAIN("flat_map", tests)
