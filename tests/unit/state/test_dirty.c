/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of numbered values with marks, against what each epoch must say: all entries that changed in it, as
 * they were at its barrier, each once.
 */
#include "state/dirty.h"

#include "base/prng.h"
#include "tests/lib/test.h"

#define ENTRIES 200
#define NONE 0u /* no such entry: the value says so */

struct table {
	struct weir_dirty d;
	uint32_t mark[ENTRIES], value[ENTRIES];
	/* Of the epoch that is open: who changed. Of the frozen one: what must be, and was encoded. */
	bool touched[ENTRIES], want[ENTRIES], got[ENTRIES];
	uint32_t want_value[ENTRIES];
	uint32_t next;
};

static void encode(struct table *t, uint32_t n)
{
	assert_true(t->want[n]);
	assert_false(t->got[n]);
	assert_int_equal(t->value[n], t->want_value[n]);
	t->got[n] = true;
}

/* What a table does before an entry changes. */
static void change(struct table *t, uint32_t n, uint32_t value)
{
	if (weir_dirty_is_new(&t->d, t->mark[n])) {
		if (weir_dirty_early(&t->d, t->mark[n]))
			encode(t, n);
		weir_dirty_add(&t->d, n, &t->mark[n]);
	}
	t->touched[n] = true;
	t->value[n] = value;
}

/* Its number may still be in a list; the mark is gone. That it is gone is told elsewhere. */
static void remove_entry(struct table *t, uint32_t n)
{
	if (weir_dirty_early(&t->d, t->mark[n]))
		encode(t, n);
	t->mark[n] = 0;
	t->value[n] = NONE;
	t->touched[n] = false;
}

static void encode_some(struct table *t, uint32_t budget)
{
	uint32_t n;

	while (budget-- && weir_dirty_next(&t->d, &n)) {
		if (t->mark[n] == t->d.now - 1) {
			encode(t, n);
			t->mark[n] = 0;
		}
	}
}

static void barrier(struct table *t)
{
	encode_some(t, UINT32_MAX);
	assert_true(weir_dirty_encoded(&t->d));
	assert_memory_equal(t->want, t->got, sizeof(t->want));
	memcpy(t->want, t->touched, sizeof(t->want));
	memcpy(t->want_value, t->value, sizeof(t->want_value));
	memset(t->got, 0, sizeof(t->got));
	memset(t->touched, 0, sizeof(t->touched));
	weir_dirty_freeze(&t->d);
}

static void test_each_epoch_gets_what_changed_in_it(void **state)
{
	static struct table t;

	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct weir_prng rnd = weir_prng_of(seed, "dirty");

		memset(&t, 0, sizeof(t));
		weir_dirty_init(&t.d, &weir_test_mem);
		for (int i = 0; i < 20000; i++) {
			uint32_t n = (uint32_t)weir_prng_below(&rnd, ENTRIES);
			uint64_t what = weir_prng_below(&rnd, 100);

			if (what < 70)
				change(&t, n, ++t.next);
			else if (what < 80)
				remove_entry(&t, n);
			else if (what < 99)
				encode_some(&t, (uint32_t)weir_prng_below(&rnd, 6));
			else
				barrier(&t);
		}
		barrier(&t);
		barrier(&t);
		weir_dirty_fini(&t.d);
	}
}

static void test_an_entry_is_listed_once_an_epoch(void **state)
{
	struct weir_dirty d;
	uint32_t mark = 0, n;

	(void)state;
	weir_dirty_init(&d, &weir_test_mem);
	assert_true(weir_dirty_encoded(&d));
	assert_false(weir_dirty_early(&d, mark)); /* a new entry is in no epoch */
	assert_true(weir_dirty_is_new(&d, mark));
	weir_dirty_add(&d, 42, &mark);
	assert_false(weir_dirty_is_new(&d, mark));
	assert_false(weir_dirty_early(&d, mark));
	assert_false(weir_dirty_next(&d, &n)); /* not at the barrier yet */
	weir_dirty_freeze(&d);
	assert_false(weir_dirty_encoded(&d));
	assert_true(weir_dirty_is_new(&d, mark));
	assert_true(weir_dirty_early(&d, mark));
	weir_dirty_add(&d, 42, &mark);
	assert_false(weir_dirty_early(&d, mark));
	assert_true(weir_dirty_next(&d, &n));
	assert_int_equal(n, 42);
	assert_int_not_equal(mark, d.now - 1); /* it was encoded early */
	assert_false(weir_dirty_next(&d, &n));
	assert_true(weir_dirty_encoded(&d));
	weir_dirty_freeze(&d);
	assert_int_equal(mark, d.now - 1);
	weir_dirty_clear(&d);
	assert_true(weir_dirty_encoded(&d));
	assert_false(weir_dirty_next(&d, &n));
	weir_dirty_fini(&d);
}

static void test_lists_in_steady_state_take_no_memory(void **state)
{
	struct weir_dirty d;
	uint32_t mark[1000] = {0}, cap = 0, n;

	(void)state;
	weir_dirty_init(&d, &weir_test_mem);
	assert_int_equal(d.changed_cap + d.frozen_cap, 0);
	for (int epoch = 0; epoch < 6; epoch++) {
		for (uint32_t i = 0; i < 1000; i++)
			weir_dirty_add(&d, i, &mark[i]);
		weir_dirty_freeze(&d);
		for (uint32_t i = 0; i < 1000; i++) {
			assert_true(weir_dirty_next(&d, &n));
			assert_int_equal(n, i);
		}
		if (epoch == 1)
			cap = d.changed_cap + d.frozen_cap;
		assert_true(epoch < 1 || d.changed_cap + d.frozen_cap == cap);
	}
	weir_dirty_fini(&d);
	assert_int_equal(d.changed_cap + d.frozen_cap, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_each_epoch_gets_what_changed_in_it),
	cmocka_unit_test(test_an_entry_is_listed_once_an_epoch),
	cmocka_unit_test(test_lists_in_steady_state_take_no_memory),
};

WEIR_TEST_MAIN("state/dirty", tests)
