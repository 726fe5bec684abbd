/* SPDX-License-Identifier: Apache-2.0 */
#include "state/table.h"
#include "tests/lib/test.h"

struct entry {
	uint64_t hash, key, value;
};

static bool same_key(const void *entry, const void *key, const void *ctx)
{
	(void)ctx;
	return ((const struct entry *)entry)->key == *(const uint64_t *)key;
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 31)) * UINT64_C(0x9e3779b97f4a7c15);
	return x ^ (x >> 29);
}

static uint32_t find(const struct weir_table *t, uint64_t hash, uint64_t key)
{
	return weir_table_find(t, hash, same_key, &key, NULL);
}

static uint32_t add(struct weir_table *t, uint64_t hash, uint64_t key)
{
	uint32_t n = weir_table_insert(t, hash);
	struct entry *e = weir_table_entry(t, n);

	assert_int_equal(e->hash, hash);
	assert_int_equal(e->key, 0);
	assert_int_equal(e->value, 0);
	e->key = key;
	e->value = key * 3;
	return n;
}

static void test_table_empty_finds_nothing(void **state)
{
	struct weir_table t;

	(void)state;
	weir_table_init(&t, &weir_test_mem, sizeof(struct entry));
	assert_int_equal(find(&t, 0, 0), WEIR_TABLE_NONE);
	assert_int_equal(find(&t, UINT64_MAX, 0), WEIR_TABLE_NONE);
	assert_int_equal(weir_table_bytes(&t), 0);
	weir_table_prefetch_slot(&t, 5);
	weir_table_prefetch_entry(&t, 5);
	weir_table_clear(&t);
	weir_table_fini(&t);
}

static void test_table_numbers_follow_insertion(void **state)
{
	struct weir_table t;

	(void)state;
	weir_table_init(&t, &weir_test_mem, sizeof(struct entry));
	for (uint64_t k = 0; k < 100000; k++)
		assert_int_equal(add(&t, mix(k), k), k);
	assert_int_equal(t.count, 100000);
	for (uint64_t k = 0; k < 100000; k++) {
		assert_int_equal(find(&t, mix(k), k), k);
		weir_table_prefetch_entry(&t, mix(k));
	}
	assert_int_equal(find(&t, mix(100000), 100000), WEIR_TABLE_NONE);
	assert_true(weir_table_bytes(&t) > 100000 * sizeof(struct entry));
	weir_table_fini(&t);
	assert_int_equal(weir_table_bytes(&t), 0);
}

static void test_table_equal_hashes_are_told_apart(void **state)
{
	struct weir_table t;

	(void)state;
	weir_table_init(&t, &weir_test_mem, sizeof(struct entry));
	/* The last slots: the search has to go round. */
	for (uint64_t k = 1; k < 60; k++)
		add(&t, UINT64_MAX, k);
	for (uint64_t k = 1; k < 60; k++)
		assert_int_equal(find(&t, UINT64_MAX, k), k - 1);
	assert_int_equal(find(&t, UINT64_MAX, 60), WEIR_TABLE_NONE);
	/* Same tag, other hash. */
	assert_int_equal(find(&t, UINT64_MAX - 1, 1), WEIR_TABLE_NONE);
	weir_table_fini(&t);
}

/* Inserts and removes at random, compared with a plain array; hashes collide often. */
static void random_ops(uint64_t hash_mask)
{
	struct weir_table t;
	uint32_t number[1000];
	bool in[1000] = {false};
	uint32_t seed = 7, count = 0;

	weir_table_init(&t, &weir_test_mem, sizeof(struct entry));
	for (int round = 0; round < 60000; round++) {
		uint64_t k;

		seed = seed * 1664525u + 1013904223u;
		k = (seed >> 10) % 1000;
		if (in[k]) {
			struct entry *e = weir_table_entry(&t, number[k]);

			assert_int_equal(find(&t, mix(k) & hash_mask, k), number[k]);
			assert_int_equal(e->value, k * 3);
			weir_table_remove(&t, number[k]);
			count--;
		} else {
			assert_int_equal(find(&t, mix(k) & hash_mask, k), WEIR_TABLE_NONE);
			number[k] = add(&t, mix(k) & hash_mask, k);
			count++;
		}
		in[k] = !in[k];
		assert_int_equal(t.count, count);
	}
	for (uint64_t k = 0; k < 1000; k++)
		assert_int_equal(find(&t, mix(k) & hash_mask, k),
				 in[k] ? number[k] : WEIR_TABLE_NONE);
	assert_true(t.high <= 1000);
	weir_table_fini(&t);
}

static void test_table_random_operations(void **state)
{
	(void)state;
	random_ops(UINT64_MAX);
	random_ops(UINT64_C(0x000fff0000000000));
	random_ops(UINT64_C(0x000ff80000000000));
}

static void test_table_clear_keeps_memory_or_shrinks(void **state)
{
	struct weir_table t;
	size_t bytes;

	(void)state;
	weir_table_init(&t, &weir_test_mem, sizeof(struct entry));
	for (uint64_t k = 0; k < 50000; k++)
		add(&t, mix(k), k);
	bytes = weir_table_bytes(&t);
	weir_table_clear(&t);
	assert_int_equal(weir_table_bytes(&t), bytes);
	assert_int_equal(find(&t, mix(3), 3), WEIR_TABLE_NONE);
	for (uint64_t k = 0; k < 10; k++)
		assert_int_equal(add(&t, mix(k), k), k);
	/* Far too large for ten keys. */
	weir_table_clear(&t);
	assert_int_equal(weir_table_bytes(&t), 0);
	assert_int_equal(add(&t, mix(1), 1), 0);
	assert_int_equal(find(&t, mix(1), 1), 0);
	weir_table_fini(&t);
}

static void test_table_by_group_sorts(void **state)
{
	static uint32_t start[WEIR_TABLE_GROUPS + 1], entry[5000];
	struct weir_table t;
	uint32_t seen = 0;

	(void)state;
	weir_table_init(&t, &weir_test_mem, sizeof(struct entry));
	for (uint64_t k = 0; k < 5000; k++)
		add(&t, mix(k * 77), k);
	weir_table_by_group(&t, start, entry);
	assert_int_equal(start[0], 0);
	assert_int_equal(start[WEIR_TABLE_GROUPS], 5000);
	for (uint32_t g = 0; g < WEIR_TABLE_GROUPS; g++) {
		for (uint32_t i = start[g]; i < start[g + 1]; i++, seen++)
			assert_int_equal(weir_table_hash(&t, entry[i]) >> 52, g);
	}
	assert_int_equal(seen, 5000);
	weir_table_fini(&t);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_table_empty_finds_nothing),
	cmocka_unit_test(test_table_numbers_follow_insertion),
	cmocka_unit_test(test_table_equal_hashes_are_told_apart),
	cmocka_unit_test(test_table_random_operations),
	cmocka_unit_test(test_table_clear_keeps_memory_or_shrinks),
	cmocka_unit_test(test_table_by_group_sorts),
};

WEIR_TEST_MAIN("state/table", tests)
