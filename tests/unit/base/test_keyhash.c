/* SPDX-License-Identifier: Apache-2.0 */
/* The expected values are frozen: a change here breaks every journal, file and peer. */
#include <math.h>

#include "base/keyhash.h"
#include "tests/lib/test.h"

#define KEY_42 UINT64_C(0x2d1c8760f8047fc7)
#define KEY_NULL UINT64_C(0x282759bf3d6917ac)
#define KEY_ZERO UINT64_C(0x9ca066f1a4ab2eea)
#define KEY_NAN UINT64_C(0x7f9a866907b600aa)

enum { ID, NAME, VALUE, MAYBE, FIELD_COUNT };

static struct weir_schema s;
static uint64_t mem[8][32];

static int set_up(void **state)
{
	(void)state;
	memset(&s, 0, sizeof(s));
	weir_schema_add(&s, WEIR_STR("id"), weir_type_of(WEIR_INT64), false);
	weir_schema_add(&s, WEIR_STR("name"), weir_type_of(WEIR_STRING), false);
	weir_schema_add(&s, WEIR_STR("value"), weir_type_of(WEIR_FLOAT64), false);
	weir_schema_add(&s, WEIR_STR("maybe"), weir_type_of(WEIR_INT64), true);
	weir_schema_seal(&s);
	return 0;
}

static struct weir_frame *row(unsigned n, int64_t id, const char *name, double value)
{
	struct weir_builder b;

	weir_build_begin(&b, mem[n], sizeof(mem[n]), &s);
	weir_build_i64(&b, ID, id);
	weir_build_str(&b, NAME, weir_str_c(name));
	weir_build_f64(&b, VALUE, value);
	weir_build_null(&b, MAYBE);
	assert_true(weir_build_end(&b));
	return b.f;
}

static uint64_t hash1(const struct weir_frame *f, uint16_t field)
{
	return weir_key_hash(f, &s, &field, 1);
}

static void same64(uint64_t got, uint64_t want)
{
	if (got != want)
		fail_msg("%016llx, not %016llx", (unsigned long long)got, (unsigned long long)want);
}

static void test_keyhash_parts_are_frozen(void **state)
{
	char long_text[300];

	(void)state;
	same64(weir_hash_mix(0), 0);
	same64(weir_hash_mix(1), UINT64_C(0xb456bcfc34c2cb2c));
	same64(weir_hash_text(WEIR_STR("")), UINT64_C(0x2d06800538d394c2));
	same64(weir_hash_text((struct weir_str){NULL, 0}), UINT64_C(0x2d06800538d394c2));
	same64(weir_hash_text(WEIR_STR("key")), UINT64_C(0xbbea0d63a05165e3));
	for (unsigned i = 0; i < sizeof(long_text); i++)
		long_text[i] = (char)(i * 7);
	same64(weir_hash_text((struct weir_str){long_text, sizeof(long_text)}),
	       UINT64_C(0xe2558afb5598da2a));
}

static void test_keyhash_of_fields_is_frozen(void **state)
{
	static const uint16_t both[] = {ID, NAME}, turned[] = {NAME, ID},
			      three[] = {ID, NAME, MAYBE};
	struct weir_frame *f = row(0, 42, "key", 2.5);

	(void)state;
	same64(hash1(f, ID), KEY_42);
	same64(hash1(f, NAME), UINT64_C(0x7e7158972194d3d0));
	same64(hash1(f, VALUE), UINT64_C(0x1cabd618c9f251a6));
	same64(hash1(f, MAYBE), KEY_NULL);
	same64(weir_key_hash(f, &s, both, 2), UINT64_C(0x8b6c32abdc43faa6));
	same64(weir_key_hash(f, &s, turned, 2), UINT64_C(0x80f9b684774a85bc));
	same64(weir_key_hash(f, &s, three, 3), UINT64_C(0xb6a55bd42e8ac9ce));
	same64(weir_key_hash(f, &s, NULL, 0), WEIR_KEYHASH_SEED);
	same64(hash1(row(0, -1, "", 0), ID), UINT64_C(0x3cd617bbbcc39640));
	same64(hash1(row(0, -1, "", 0), NAME), UINT64_C(0x928a7eac8a72a7ca));
}

/* Keys that compare equal must meet in one group. */
static void test_keyhash_equal_floats_hash_equal(void **state)
{
	uint64_t quiet = UINT64_C(0x7ff8000000000001), negative = UINT64_C(0xfff8000000000000);

	(void)state;
	same64(hash1(row(0, 0, "", 0.0), VALUE), KEY_ZERO);
	same64(hash1(row(0, 0, "", -0.0), VALUE), KEY_ZERO);
	same64(hash1(row(0, 0, "", NAN), VALUE), KEY_NAN);
	same64(weir_hash_f64_slot(quiet), UINT64_C(0x7ff8000000000000));
	same64(weir_hash_f64_slot(negative), UINT64_C(0x7ff8000000000000));
	same64(weir_hash_f64_slot(UINT64_C(0x8000000000000000)), 0);
	same64(weir_hash_f64_slot(UINT64_C(0x4004000000000000)), UINT64_C(0x4004000000000000));
}

static void test_keyhash_group_is_the_top_12_bits(void **state)
{
	(void)state;
	assert_int_equal(weir_key_group(KEY_42), 721);
	assert_int_equal(weir_key_group(0), 0);
	assert_int_equal(weir_key_group(UINT64_MAX), WEIR_KEY_GROUPS - 1);
}

static void test_keyhash_rows_equal_single(void **state)
{
	static const uint16_t key[][2] = {{ID, NAME}, {NAME, ID}, {VALUE, ID}, {MAYBE, ID}};
	const struct weir_frame *rows[8];
	uint64_t hash[8];

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		rows[i] = row(i, i % 3, i & 1 ? "a" : "b", i & 2 ? -0.0 : 0.0);
	for (size_t k = 0; k < WEIR_COUNT_OF(key); k++) {
		for (uint32_t count = 0; count <= 2; count++) {
			weir_key_hash_rows(rows, 8, &s, key[k], count, hash);
			for (unsigned i = 0; i < 8; i++)
				same64(hash[i], weir_key_hash(rows[i], &s, key[k], count));
		}
	}
	hash[0] = 77;
	weir_key_hash_rows(rows, 0, &s, key[0], 1, hash);
	same64(hash[0], 77);
}

/* Counting keys must spread: no group gets more than a few times its share. */
static void test_keyhash_spreads_counting_keys(void **state)
{
	static uint16_t count[WEIR_KEY_GROUPS];
	unsigned most = 0;

	(void)state;
	memset(count, 0, sizeof(count));
	for (int64_t i = 0; i < 32 * (int64_t)WEIR_KEY_GROUPS; i++)
		count[weir_key_group(weir_hash_mix(WEIR_KEYHASH_SEED ^ (uint64_t)i))]++;
	for (unsigned i = 0; i < WEIR_KEY_GROUPS; i++)
		most = WEIR_MAX(most, count[i]);
	assert_true(most < 32 * 3);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup(test_keyhash_parts_are_frozen, set_up),
	cmocka_unit_test_setup(test_keyhash_of_fields_is_frozen, set_up),
	cmocka_unit_test_setup(test_keyhash_equal_floats_hash_equal, set_up),
	cmocka_unit_test_setup(test_keyhash_group_is_the_top_12_bits, set_up),
	cmocka_unit_test_setup(test_keyhash_rows_equal_single, set_up),
	cmocka_unit_test_setup(test_keyhash_spreads_counting_keys, set_up),
};

WEIR_TEST_MAIN("base_keyhash", tests)
