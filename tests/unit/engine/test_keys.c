/* SPDX-License-Identifier: Apache-2.0 */
/* The step that gives each key group to the output of the region that owns it. */
#include "base/keyhash.h"
#include "tests/unit/engine/step_case.h"

static struct step_case c;

static void start(uint32_t ports)
{
	step_case_init(&c, WEIR_STEP_KEYS, WEIR_ON_ERROR_STOP, ports);
	c.step.keys.key_count = 2;
	c.step.keys.key[0] = CASE_S;
	c.step.keys.key[1] = CASE_N;
	step_case_start(&c, weir_keys_init);
}

static void test_keys_every_record_goes_to_the_part_with_its_key(void **state)
{
	static const char *const text[] = {"", "a", "b", "a longer text", "zebra"};

	(void)state;
	for (uint32_t ports = 1; ports <= 5; ports++) {
		uint32_t rows = 0;

		start(ports);
		c.rig.room = ports; /* every emission is interrupted somewhere */
		c.rig.seed = ports;
		for (int64_t i = 0; i < 2000; i++)
			step_case_put(&c, i, i % 100, text[i % 5]);
		weir_oprig_watermark(&c.rig, 77);
		weir_oprig_eos(&c.rig);
		for (uint32_t p = 0; p < ports; p++) {
			const struct weir_oprig_out *out = &c.rig.out[p];

			rows += out->rows;
			assert_true(out->rows > 0);
			assert_int_equal(out->count, out->rows + 2); /* watermark, end */
			assert_string_equal(weir_oprig_text(&c.rig, p, out->count - 1), "eos");
			for (uint32_t i = 0; i < out->rows; i++) {
				uint64_t h =
					weir_key_hash(out->frame[i], &c.in, c.step.keys.key, 2);

				assert_int_equal(weir_key_group(h) * ports / WEIR_KEY_GROUPS, p);
				/* As it came: the hash in it belongs to another key. */
				assert_int_equal(out->frame[i]->key_hash, 77);
				if (i)
					assert_true(out->frame[i]->time_ns >
						    out->frame[i - 1]->time_ns);
			}
		}
		assert_int_equal(rows, 2000);
		step_case_fini(&c);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_keys_every_record_goes_to_the_part_with_its_key),
};

WEIR_TEST_MAIN("keys", tests)
