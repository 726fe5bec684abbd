/* SPDX-License-Identifier: Apache-2.0 */
/* The expected values are frozen: a seed that someone wrote down gives the same run. */
#include "base/prng.h"

#include "tests/lib/test.h"

/* Of the reference code, with the seed 1234567. */
static void test_numbers_are_those_of_splitmix64(void **state)
{
	static const uint64_t want[] = {UINT64_C(6457827717110365317),
					UINT64_C(3203168211198807973),
					UINT64_C(9817491932198370423),
					UINT64_C(4593380528125082431),
					UINT64_C(16408922859458223821)};
	struct weir_prng p = {.state = 1234567};

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(want); i++)
		assert_true(weir_prng_u64(&p) == want[i]);
}

static void test_purposes_are_independent(void **state)
{
	struct weir_prng a = weir_prng_of(1, "disk"), b = weir_prng_of(1, "disk");
	struct weir_prng c = weir_prng_of(1, "dusk"), d = weir_prng_of(2, "disk");
	struct weir_prng e = weir_prng_of(1, "kisd");
	uint64_t v = weir_prng_u64(&a);

	(void)state;
	assert_true(v == weir_prng_u64(&b));
	assert_true(v != weir_prng_u64(&c));
	assert_true(v != weir_prng_u64(&d));
	assert_true(v != weir_prng_u64(&e));
}

static void test_numbers_stay_in_their_range(void **state)
{
	struct weir_prng p = weir_prng_of(3, "range");
	uint32_t seen[10] = {0}, hits = 0;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		uint64_t r = weir_prng_range(&p, 5, 14);

		assert_true(r >= 5 && r <= 14);
		seen[r - 5]++;
		hits += weir_prng_chance(&p, 1, 4);
		assert_int_equal(weir_prng_below(&p, 1), 0);
		assert_false(weir_prng_chance(&p, 0, 4));
		assert_true(weir_prng_chance(&p, 4, 4));
	}
	for (int i = 0; i < 10; i++)
		assert_in_range(seen[i], 9500, 10500);
	assert_in_range(hits, 24000, 26000);
	assert_true(weir_prng_below(&p, UINT64_MAX) < UINT64_MAX);
	assert_int_equal(weir_prng_range(&p, UINT64_MAX, UINT64_MAX) == UINT64_MAX, 1);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_numbers_are_those_of_splitmix64),
	cmocka_unit_test(test_purposes_are_independent),
	cmocka_unit_test(test_numbers_stay_in_their_range),
};

WEIR_TEST_MAIN("base/prng", tests)
