/* SPDX-License-Identifier: Apache-2.0 */
/* A source under a brake: how much of the time it works, and how evenly. */
#include "engine/core/pace.h"
#include "tests/lib/test.h"

#define US UINT64_C(1000)
#define MS (1000 * US)

/* Batches in `ns` of a source that could have one each `batch_ns`. *ret_gap: the longest time without one. */
static uint32_t batches(struct weir_pace *p, uint32_t brake, uint64_t batch_ns, uint64_t ns,
			uint64_t *ret_gap)
{
	uint64_t now = p->at_ns ? p->at_ns : 1000 * MS, end = now + ns, last = now, wait;
	uint32_t n = 0;

	*ret_gap = 0;
	while (now < end) {
		weir_pace_turn(p, brake, now);
		wait = weir_pace_wait(p);
		if (wait) {
			now += wait;
			continue;
		}
		assert_false(weir_pace_through(p) && brake > 512);
		n++;
		p->ran = true;
		assert_int_equal(weir_pace_through(p), brake > 512);
		*ret_gap = WEIR_MAX(*ret_gap, now - last);
		last = now;
		now += batch_ns;
	}
	return n;
}

static void test_pace_without_a_brake_is_the_clock(void **state)
{
	struct weir_pace p = {0};
	uint64_t now = 77;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		weir_pace_turn(&p, i % 513, now);
		assert_int_equal(p.time_ns, now);
		assert_int_equal(weir_pace_wait(&p), 0);
		p.ran = i % 3;
		assert_false(weir_pace_through(&p));
		now += i * i;
	}
}

static void test_pace_falls_linearly(void **state)
{
	const uint64_t batch[] = {20 * US, 300 * US, 900 * US};

	(void)state;
	for (uint32_t b = 0; b < WEIR_COUNT_OF(batch); b++) {
		for (uint32_t brake = 512; brake < 1024; brake += 64) {
			struct weir_pace p = {0};
			uint64_t gap, all = 2000 * MS / batch[b];
			double want = 2.0 * (1024 - brake) / 1024 * (double)all;
			uint32_t n = batches(&p, brake, batch[b], 2000 * MS, &gap);

			if (n < want * 0.95 - 2 || n > want * 1.05 + 2)
				fail_msg("brake %u, batch of %llu ns: %u, not %.0f", brake,
					 (unsigned long long)batch[b], n, want);
			/* Not all at once: a rest is about what its work is worth. */
			assert_true(gap <= (batch[b] + WEIR_PACE_NS_MAX) * 3);
		}
	}
}

static void test_pace_full_is_standstill(void **state)
{
	struct weir_pace p = {0};
	uint64_t gap, time;

	(void)state;
	batches(&p, 800, 50 * US, 100 * MS, &gap);
	time = p.time_ns;
	assert_int_equal(batches(&p, 1024, 50 * US, 1000 * MS, &gap), 0);
	assert_int_equal(batches(&p, 5000, 50 * US, 1000 * MS, &gap), 0);
	assert_int_equal(weir_pace_wait(&p), WEIR_PACE_NS_MAX);
	/* Its time stood still, and nothing is made up for. */
	assert_true(p.time_ns == time);
	assert_in_range(batches(&p, 768, 50 * US, 100 * MS, &gap), 900, 1100);
	/* The brake off: at once. */
	assert_in_range(batches(&p, 0, 50 * US, 100 * MS, &gap), 1999, 2001);
}

static void test_pace_time_runs_slower(void **state)
{
	struct weir_pace p = {0};
	uint64_t from;

	(void)state;
	weir_pace_turn(&p, 0, 1000 * MS);
	from = p.time_ns;
	for (uint64_t i = 1; i <= 1000; i++)
		weir_pace_turn(&p, 896, 1000 * MS + i * MS);
	assert_int_equal(p.time_ns - from, 250 * MS);
}

/* A batch costs the time until the next turn, but not all of a long one: the task may have waited for rings. */
static void test_pace_cost_has_a_limit(void **state)
{
	struct weir_pace p = {0};

	(void)state;
	weir_pace_turn(&p, 1023, 1000 * MS);
	p.ran = true;
	weir_pace_turn(&p, 1023, 1000 * MS);
	assert_true(p.ran); /* the same turn */
	weir_pace_turn(&p, 1023, 1000 * MS + 100 * MS);
	assert_false(p.ran);
	assert_in_range(p.debt_ns, 700 * US, MS);
	assert_int_equal(weir_pace_wait(&p), WEIR_PACE_NS_MAX);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_pace_without_a_brake_is_the_clock),
	cmocka_unit_test(test_pace_falls_linearly),
	cmocka_unit_test(test_pace_full_is_standstill),
	cmocka_unit_test(test_pace_time_runs_slower),
	cmocka_unit_test(test_pace_cost_has_a_limit),
};

WEIR_TEST_MAIN("pace", tests)
