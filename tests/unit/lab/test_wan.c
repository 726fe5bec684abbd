/* SPDX-License-Identifier: Apache-2.0 */
#include "host/heap.h"
#include "lab/command.h"
#include "tests/lib/test.h"

#define MS ((uint64_t)WEIR_NS_PER_MS)

static struct weir_lab_net *net_new(uint32_t regions, uint64_t seed)
{
	static const char *const name[] = {"eu", "us", "ap", "sa", "af"};
	struct weir_lab_net *n = calloc(1, sizeof(*n));

	n->regions = regions;
	for (uint32_t i = 0; i < regions; i++)
		snprintf(n->name[i], sizeof(n->name[i]), "%s", name[i]);
	n->wan = weir_wan_new(regions, seed, 20000, &weir_heap_mem);
	return n;
}

static void net_free(struct weir_lab_net *n)
{
	weir_wan_free(n->wan);
	free(n);
}

static int say(struct weir_lab_net *n, const char *text)
{
	struct weir_err err;

	return weir_lab_command(n, weir_str_c(text), false, &err);
}

static void test_delay_and_order(void **state)
{
	struct weir_lab_net *n = net_new(2, 1);
	struct weir_wan_frame f;

	(void)state;
	assert_int_equal(say(n, "eu,us rtt=80ms"), 0);
	assert_int_equal(weir_wan_due(n->wan), UINT64_MAX);
	for (uint8_t i = 0; i < 100; i++)
		weir_wan_put(n->wan, 0, 1, &i, 1, i * MS);
	for (uint8_t i = 0; i < 100; i++) {
		assert_int_equal(weir_wan_due(n->wan), (40 + i) * MS);
		assert_false(weir_wan_next(n->wan, (40 + i) * MS - 1, &f));
		assert_true(weir_wan_next(n->wan, (40 + i) * MS, &f));
		assert_int_equal(f.p[0], i);
		assert_int_equal(f.to, 1);
	}
	net_free(n);
}

static uint32_t drain(struct weir_lab_net *n)
{
	struct weir_wan_frame f;
	uint32_t k = 0;

	while (weir_wan_next(n->wan, UINT64_MAX - 1, &f))
		k++;
	return k;
}

static void test_chances(void **state)
{
	struct weir_lab_net *n = net_new(2, 7);
	struct weir_wan_stats s;
	uint8_t b[100] = {0};
	uint32_t out;

	(void)state;
	assert_int_equal(say(n, "eu:us loss=5% dup=2% reorder=3% corrupt=1% delay=40ms jitter=5ms"),
			 0);
	for (uint32_t i = 0; i < 10000; i++)
		weir_wan_put(n->wan, 0, 1, b, sizeof(b), i * MS / 10);
	out = drain(n);
	weir_wan_stats(n->wan, 0, 1, &s);
	assert_in_range(s.lost, 400, 600);
	assert_in_range(s.duplicated, 130, 260);
	assert_in_range(s.reordered, 220, 380);
	assert_in_range(s.corrupted, 60, 150);
	assert_int_equal(s.in, 10000);
	assert_int_equal(out, s.in - s.lost + s.duplicated);
	assert_int_equal(out, s.out);
	assert_int_equal(s.bytes_out, out * 100u);
	assert_int_equal(s.waiting, 0);
	/* The way back has none of it. */
	weir_wan_put(n->wan, 1, 0, b, sizeof(b), 5);
	assert_int_equal(weir_wan_due(n->wan), 5);
	net_free(n);
}

static void test_same_seed_same_fate(void **state)
{
	uint64_t sum[2] = {0, 0};

	(void)state;
	for (int k = 0; k < 2; k++) {
		struct weir_lab_net *n = net_new(3, 99);
		struct weir_wan_frame f;

		assert_int_equal(say(n, "all loss=10% jitter=3ms delay=20ms"), 0);
		for (uint32_t i = 0; i < 5000; i++) {
			weir_wan_put(n->wan, i % 3, (i + 1) % 3, &i, 4, i);
			if (k == 1 &&
			    i % 3 == 0) /* other traffic on another path changes nothing here */
				weir_wan_put(n->wan, 0, 2, &i, 4, i);
		}
		while (weir_wan_next(n->wan, UINT64_MAX - 1, &f))
			if (f.from == 1)
				sum[k] = sum[k] * 31 + f.due_ns;
		net_free(n);
	}
	assert_int_equal(sum[0], sum[1]);
}

static void test_rate_and_limit(void **state)
{
	struct weir_lab_net *n = net_new(2, 1);
	struct weir_wan_frame f;
	struct weir_wan_stats s;
	uint8_t b[1226] = {0}; /* 1250 bytes with what the rate counts: 1 ms at 10 Mbit/s */

	(void)state;
	assert_int_equal(say(n, "eu,us rate=10Mbit limit=50"), 0);
	for (uint32_t i = 0; i < 60; i++)
		weir_wan_put(n->wan, 0, 1, b, sizeof(b), 0);
	for (uint32_t i = 1; i <= 50; i++) {
		assert_true(weir_wan_next(n->wan, i * MS, &f));
		assert_int_equal(f.due_ns, i * MS);
	}
	assert_false(weir_wan_next(n->wan, 1000 * MS, &f));
	weir_wan_stats(n->wan, 0, 1, &s);
	assert_int_equal(s.full, 10);
	weir_wan_put(n->wan, 0, 1, b, WEIR_WAN_FRAME_MAX + 1, 0);
	weir_wan_stats(n->wan, 0, 1, &s);
	assert_int_equal(s.full, 11);
	net_free(n);
}

static bool cut(struct weir_lab_net *n, uint32_t a, uint32_t b)
{
	return weir_wan_path(n->wan, a, b)->cut;
}

static void test_cuts_and_schedule(void **state)
{
	struct weir_lab_net *n = net_new(3, 1);
	struct weir_wan_stats s;
	struct weir_err err;

	(void)state;
	assert_int_equal(say(n, "cut eu:us"), 0);
	assert_true(cut(n, 0, 1) && !cut(n, 1, 0) && !cut(n, 0, 2));
	weir_wan_put(n->wan, 0, 1, "x", 1, 0);
	weir_wan_stats(n->wan, 0, 1, &s);
	assert_int_equal(s.cut, 1);
	assert_int_equal(say(n, "heal all"), 0);
	assert_int_equal(say(n, "cut ap"), 0);
	assert_true(cut(n, 2, 0) && cut(n, 0, 2) && cut(n, 1, 2) && !cut(n, 0, 1));
	assert_int_equal(weir_lab_commands(n,
					   WEIR_STR("# a file\nseed 12\n\nat 40s heal all\n"
						    "at 10s cut eu,us\r\nall delay=1ms\n"),
					   &err),
			 0);
	assert_int_equal(n->seed, 12);
	assert_int_equal(weir_lab_due(n, 0), 10000 * MS);
	assert_false(cut(n, 0, 1));
	assert_int_equal(weir_lab_due(n, 10000 * MS), 40000 * MS);
	assert_true(cut(n, 0, 1) && cut(n, 1, 0));
	assert_int_equal(weir_lab_due(n, 50000 * MS), UINT64_MAX);
	assert_false(cut(n, 0, 1) || cut(n, 2, 0));
	assert_int_equal(weir_wan_path(n->wan, 2, 1)->delay_ns, MS);
	net_free(n);
}

static void test_default_round_trips(void **state)
{
	struct weir_lab_net *n = net_new(5, 1);

	(void)state;
	weir_lab_default(n);
	for (uint32_t a = 0; a < 5; a++)
		for (uint32_t b = 0; b < 5; b++) {
			uint64_t d = weir_wan_path(n->wan, a, b)->delay_ns;

			assert_int_equal(d, weir_wan_path(n->wan, b, a)->delay_ns);
			if (a != b)
				assert_in_range(2 * d, 19 * MS, 330 * MS);
		}
	net_free(n);
}

static void test_what_is_refused(void **state)
{
	static const char *const bad[] = {"eu,us",	     "eu,xx rtt=1ms",
					  "eu,eu rtt=1ms",   "eu,us loss=1",
					  "eu,us loss=101%", "eu,us rate=x",
					  "eu,us rate=5bit", "eu,us rtt=2h",
					  "eu,us speed=1",   "cut",
					  "cut eu extra",    "at x cut eu",
					  "at 1s nothing",   "at 1s at 2s cut eu",
					  "seed 5",	     "xx rtt=1ms",
					  "eu,us limit=x",   "eu,us rate=9999999Gbit"};
	struct weir_lab_net *n = net_new(2, 1);
	struct weir_err err;
	char lng[400];

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(bad); i++)
		assert_true(say(n, bad[i]) < 0);
	/* Nothing of a line with one mistake is done. */
	assert_true(say(n, "eu,us rtt=10ms loss=x") < 0);
	assert_int_equal(weir_wan_path(n->wan, 0, 1)->delay_ns, 0);
	assert_true(weir_lab_commands(n, WEIR_STR("eu,us rtt=1ms\nseed 3\n"), &err) < 0);
	assert_non_null(strstr(err.text, "line 2"));
	snprintf(lng, sizeof(lng), "at 1s eu,us %0300d", 1);
	assert_true(say(n, lng) < 0);
	assert_int_equal(say(n, "eu,us rate=0"), 0);
	net_free(n);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_delay_and_order),	    cmocka_unit_test(test_chances),
	cmocka_unit_test(test_same_seed_same_fate), cmocka_unit_test(test_rate_and_limit),
	cmocka_unit_test(test_cuts_and_schedule),   cmocka_unit_test(test_default_round_trips),
	cmocka_unit_test(test_what_is_refused),
};

WEIR_TEST_MAIN("lab wan", tests)
