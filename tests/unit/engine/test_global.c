/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of a global aggregate one by one, with records made by hand; what may stand in them and in their state. */
#include "tests/unit/engine/global_case.h"

/* ---- results ---- */

static void test_global_final_when_all_are_past(void **state)
{
	const struct global_merge *m;

	(void)state;
	start(PIPE(", "), "a", 2);
	m = rig.node[0].op;
	put(part_of("us", 2, "x", 0, 1, -3));
	put(part_of("eu", 1, "x", 0, 2, 5));
	put(part_of("us", 4, "x", 0, 4, -9));
	put(part_of("us", 2, "x", 0, 1, -3)); /* it comes again */
	put(mark_of("eu", 2, 109));
	put(mark_of("us", 5, 108)); /* one too few: the lateness */
	weir_oprig_watermark(&rig, 1000); /* marks say more */
	assert_int_equal(rig.out[0].count, 0);
	put(mark_of("us", 6, 109));
	put(mark_of("us", 5, 500)); /* older than what is known */
	assert_int_equal(rig.out[0].count, 1);
	out_is(0, 0, RESULT("x", "6", "-4", "7", "true", "eu,us", ""));
	assert_int_equal(rig.out[0].frame[0]->time_ns, 99);
	put(part_of("us", 7, "x", 0, 9, 9));
	assert_int_equal(rig.node[0].late, 1);
	assert_int_equal(m->live_count, 0);
	assert_int_equal(m->member[1].counts.in, 3);
	tick(0);
	out_is(0, 1, "watermark 99");
	assert_int_equal(rig.out[0].count, 3);
	tick(0);
	assert_int_equal(rig.out[0].count, 4);
	weir_oprig_ctl(&rig, WEIR_FRAME_IDLE, 0);
	weir_oprig_eos(&rig);
	out_is(0, 5, "eos");
}

static void test_global_order_is_that_of_keys(void **state)
{
	static const char *const key[] = {"d", "a", "c", "b", "e", "f", "g", "h"};
	char first[8][1024], text[1024];

	(void)state;
	start(PIPE(", "), "a", 1);
	for (int round = 0; round < 2; round++) {
		uint32_t from = rig.out[0].count;

		for (int i = 0; i < 8; i++)
			put(part_of("eu", 1 + i, key[round ? 7 - i : i], 100 * round, 1, 0));
		put(mark_of("eu", 20 + round, 100 * round + 109));
		for (int i = 0; i < 8; i++) {
			snprintf(text, sizeof(text), "%.12s",
				 weir_oprig_text(&rig, 0, from + (uint32_t)i));
			if (round)
				assert_string_equal(text, first[i]);
			memcpy(first[i], text, sizeof(text));
		}
	}
}

static void test_global_provisional(void **state)
{
	(void)state;
	start(PIPE(", provisional: 10ms, "), "a", 3);
	put(part_of("us", 1, "x", 0, 1, 0));
	put(mark_of("us", 2, 200));
	tick(1000 * MS); /* the clock is looked at */
	tick(1009 * MS);
	assert_int_equal(rig.out[0].rows, 0);
	tick(1010 * MS);
	assert_int_equal(rig.out[0].rows, 1);
	out_is(0, 2, RESULT("x", "1", "0", "2", "false", "us", "eu,ap"));
	tick(1050 * MS); /* nothing is new */
	assert_int_equal(rig.out[0].rows, 1);
	put(mark_of("eu", 1, 200));
	tick(1055 * MS);
	assert_int_equal(rig.out[0].rows, 1);
	tick(500 * MS); /* set back: not for longer than the interval */
	tick(511 * MS);
	assert_int_equal(rig.out[0].rows, 2);
	out_is(0, 7, RESULT("x", "1", "0", "3", "false", "eu,us", "ap"));
}

static void test_global_without_provisional(void **state)
{
	(void)state;
	start(PIPE(", provisional: off, "), "a", 2);
	put(part_of("us", 1, "x", 0, 1, 0));
	tick(1000 * MS);
	tick(INT64_C(1) << 60);
	assert_int_equal(rig.out[0].rows, 0);
}

static void test_global_results_that_fail(void **state)
{
	static const char *const policy[] = {", on_error: stop, ", ", on_error: skip, "};
	char *longer = malloc(8001);

	(void)state;
	for (int i = 0; i < 2; i++) {
		char yaml[1024];

		snprintf(yaml, sizeof(yaml), PIPE("%s"), policy[i]);
		start(yaml, "a", 2);
		put(part_of("us", 1, "x", 0, 1, INT64_MAX));
		put(part_of("eu", 1, "x", 0, 1, INT64_MAX));
		put(mark_of("eu", 2, 200));
		put(mark_of("us", 2, 200));
		assert_int_equal(rig.failed, i ? 0 : WEIR_E_REJECT);
		assert_int_equal(rig.node[0].rejects, i);
		stop(NULL);
	}
	start(SOURCE
	      "  a: {from: s, key_by: k, window: {tumbling: 100ns}, scope: global, on_error: route, "
	      "aggregate: {n: count(), total: sum(v), t: max(k)}}\n"
	      "  o: {from: [a], sink: blackhole}\n  r: {from: a.rejects, sink: blackhole}\n",
	      "a", 1);
	assert_non_null(longer);
	memset(longer, 'y', 8000);
	longer[8000] = 0;
	put(part_of("eu", 1, longer, 0, 1, 0));
	put(mark_of("eu", 2, 200));
	assert_int_equal(rig.out[0].rows, 0);
	assert_int_equal(rig.out[1].rows, 1);
	assert_non_null(
		strstr(weir_oprig_text(&rig, 1, 0), "window result larger than record_max"));
	free(longer);
}

static void test_global_many_windows_and_long_results(void **state)
{
	char key[1501];

	(void)state;
	start(PIPE(", "), "a", 1);
	memset(key, 'k', 1500);
	key[1500] = 0;
	for (int i = 0; i < 200; i++)
		put(part_of("eu", 1 + i, key, 100 * i, 1, 0));
	put(mark_of("eu", 300, 100 * 200 + 9));
	assert_int_equal(rig.out[0].rows, 200);
	for (int i = 0; i < 200; i++)
		assert_int_equal(rig.out[0].frame[i]->time_ns, 100 * i + 99);
}

/* ---- what is none ---- */

static void wrong(struct record r, const char *text)
{
	put(r);
	assert_int_equal(rig.failed, WEIR_E_CORRUPT);
	if (!strstr(rig.task.err.text, text))
		fail_msg("%s", rig.task.err.text);
	stop(NULL);
	start(PIPE(", "), "a", 1);
}

static void test_global_records_that_are_none(void **state)
{
	struct record r;

	(void)state;
	start(PIPE(", "), "a", 1);
	wrong(part_of("us", 1, "x", 0, 1, 0), "it is of a region that takes no part");
	r = part_of("eu", 1, "x", 0, 1, 0);
	r.kind = WEIR_GLOBAL_COUNT;
	wrong(r, "its kind is unknown");
	wrong(part_of("eu", 0, "x", 0, 1, 0), "a window that is none");
	wrong(part_of("eu", 1, "x", 50, 1, 0), "a window that is none");
	wrong(part_of("eu", 1, "x", INT64_MIN, 1, 0), "a window that is none");
	r = part_of("eu", 1, "x", 0, 1, 0);
	r.end = 99;
	wrong(r, "a window that is none");
	r = mark_of("eu", 1, 0);
	weir_out_u8(&r.body, 0);
	wrong(r, "a mark that is none");
	wrong(mark_of("eu", 0, 0), "a mark that is none");

	r = part_of("eu", 1, "x", 0, 1, 0);
	weir_out_u8(&r.body, 0);
	put(r);
	wrong(mark_of("eu", 2, 200), "bytes behind its accumulators");
	r = part_of("eu", 1, "x", 0, 1, 0);
	weir_out_fini(&r.body);
	weir_out_u8(&r.body, 1);
	put(r);
	wrong(mark_of("eu", 2, 200), "an accumulator cannot be read");
	r = part_of("eu", 1, "x", 0, 1, 0);
	weir_out_u8(&r.key, 1);
	put(r);
	wrong(mark_of("eu", 2, 200), "its key cannot be read");
	r = part_of("eu", 1, "x", 0, 1, 0);
	weir_out_fini(&r.key);
	weir_out_u64(&r.key, 7);
	put(r);
	wrong(mark_of("eu", 2, 200), "its key cannot be read");
}

/* ---- state ---- */

static void test_global_state_with_other_regions(void **state)
{
	struct saved two, eu;

	(void)state;
	start(PIPE(", "), "a", 1);
	put(part_of("eu", 1, "x", 0, 1, 0));
	put(mark_of("eu", 2, 60));
	eu = barrier(0);
	stop(NULL);

	/* One more: it has told nothing yet. */
	start(PIPE(", "), "a", 2);
	assert_int_equal(restore(&eu), 0);
	put(mark_of("eu", 3, 200));
	assert_int_equal(rig.out[0].rows, 0);
	put(part_of("us", 1, "x", 0, 1, 4));
	put(mark_of("us", 2, 200));
	out_is(0, 0, RESULT("x", "2", "4", "4", "true", "eu,us", ""));
	two = barrier(0);
	stop(NULL);

	start(PIPE(", "), "a", 1);
	assert_int_equal(restore(&two), WEIR_E_CONFIG);
	assert_non_null(strstr(rig.task.err.text, "a region that takes no part any more"));
	saved_free(&eu);
	saved_free(&two);
}

static void test_global_state_part_of_a_region_that_left(void **state)
{
	struct saved s;
	struct weir_out o;

	(void)state;
	start(PIPE(", "), "a", 2);
	put(part_of("us", 1, "x", 0, 1, 0));
	s = barrier(0);
	stop(NULL);
	start(PIPE(", "), "a", 1);
	/* A head without members, the record as it was. */
	weir_out_init(&o, &weir_test_mem);
	weir_out_i64(&o, WEIR_TIME_MIN);
	weir_out_varint(&o, 0);
	weir_out_put(&o, s.p + 8 + 1 + 2 * (3 * 8 + 3), s.n - 8 - 1 - 2 * (3 * 8 + 3));
	saved_free(&s);
	s = saved_of(&o);
	assert_int_equal(restore(&s), WEIR_E_CONFIG);
	stop(NULL);
	start(PIPE(", "), "a", 2);
	memset(s.p, 0x7f, 8); /* all is done, they say */
	assert_int_equal(restore(&s), WEIR_E_CORRUPT);
	assert_non_null(strstr(rig.task.err.text, "a window is open and done"));
	saved_free(&s);
}

static void test_global_state_damaged(void **state)
{
	struct weir_prng rnd = weir_prng_of(1, "damage");
	struct saved s;
	uint32_t refused = 0;

	(void)state;
	start(PIPE(", "), "a", 2);
	for (int i = 0; i < 6; i++) {
		put(part_of("us", 1 + i, i & 1 ? "x" : "y", 100 * i, 3, 7));
		put(part_of("eu", 1 + i, i & 1 ? "x" : "y", 100 * i, 3, 7));
	}
	put(mark_of("eu", 9, 60));
	s = barrier(0);
	stop(NULL);
	for (size_t i = 0; i < s.n + 2000; i++) {
		struct saved bad = i < s.n ? saved_copy(&s, i) : saved_damaged(&s, &rnd);
		int r;

		start(PIPE(", "), "a", 2);
		if (i & 1)
			assert_int_equal(restore(&s), 0); /* there already */
		r = restore(&bad);
		refused += r < 0;
		if (r < 0)
			assert_memory_equal(rig.task.err.text, "step `a`: its s", 15);
		else
			tick(1);
		saved_free(&bad);
		stop(NULL);
	}
	assert_true(refused > s.n / 2);
	saved_free(&s);
	start(PIPE(", "), "a", 2);
}

static void test_global_signs(void **state)
{
	static const struct {
		const char *name, *text;
	} want[] = {
		{"a+part",
		 "window 1 size=100 slide=100 offset=0 key=(key \"k\" string\n) part 1 aggregate \"n\" "
		 "count()\naggregate \"total\" sum(\"v\" int64)\naggregate \"t\" max(\"k\" string)\n"},
		{"a+mark", "mark 1\n"},
		{"a",
		 "merge 1 size=100 slide=100 offset=0 key=(key \"k\" string\n) aggregate \"n\" "
		 "count()\naggregate \"total\" sum(int64)\naggregate \"t\" max(string)\n"},
	};
	char text[1024];

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(want); i++) {
		struct weir_buf b = weir_buf_of(text, sizeof(text) - 1);

		start(PIPE(", "), want[i].name, 2);
		rig.node[0].cls->state->sign(&rig.node[0], &b);
		text[b.len] = 0;
		assert_string_equal(text, want[i].text);
		stop(NULL);
	}
	start(SOURCE
	      "  a: {from: s, window: {tumbling: 1s}, scope: global, aggregate: {n: \"arg_max(k, v)\"}}\n"
	      "  o: {from: a, sink: blackhole}\n",
	      "a", 1);
	{
		struct weir_buf b = weir_buf_of(text, sizeof(text) - 1);

		rig.node[0].cls->state->sign(&rig.node[0], &b);
		text[b.len] = 0;
		assert_non_null(strstr(text, "aggregate \"n\" arg_max(string, int64)\n"));
	}
}

/* ---- the mark ---- */

static void test_global_mark(void **state)
{
	const struct weir_schema *s = weir_global_schema();
	struct record r = record_of(WEIR_GLOBAL_COUNT, "eu", 0);
	struct saved kept, bad;

	(void)state;
	start(PIPE(", "), "a+mark", 2);
	weir_global_counts_put(&r.body, &(struct weir_global_counts){5, 2, 1});
	put(part_of("us", 0, "x", 0, 1, 0)); /* of whom it is it says itself */
	weir_oprig_watermark(&rig, 70);
	put(r);
	weir_oprig_watermark(&rig, 80);
	weir_oprig_ctl(&rig, WEIR_FRAME_MARKER, 5);
	assert_int_equal(rig.out[0].count, 2);
	assert_int_equal(weir_get_i64(rig.out[0].frame[0], s, WEIR_GLOBAL_REGION),
			 weir_global_region_id("eu"));
	kept = barrier(0);
	/* part, marker, MARK, watermark, barrier */
	assert_int_equal(rig.out[0].count, 5);
	assert_int_equal(weir_get_i64(rig.out[0].frame[2], s, WEIR_GLOBAL_VERSION), 2);
	assert_int_equal(weir_get_i64(rig.out[0].frame[2], s, WEIR_GLOBAL_END), 80);
	out_is(0, 3, "watermark 80");
	tick(0); /* nothing new */
	assert_int_equal(rig.out[0].count, 6);
	stop(NULL);

	start(PIPE(", "), "a+mark", 2);
	assert_int_equal(restore(&kept), 0);
	weir_oprig_ctl(&rig, WEIR_FRAME_IDLE, 0);
	weir_oprig_eos(&rig);
	assert_int_equal(weir_get_i64(rig.out[0].frame[2], s, WEIR_GLOBAL_VERSION), 3);
	assert_int_equal(weir_get_i64(rig.out[0].frame[2], s, WEIR_GLOBAL_END), WEIR_TIME_MAX);
	assert_int_equal(rig.out[0].count, 4); /* watermark, idle, MARK, end */
	for (size_t i = 0; i < kept.n; i++) {
		bad = saved_copy(&kept, i);
		assert_int_equal(restore(&bad), WEIR_E_CORRUPT);
		saved_free(&bad);
	}
	saved_free(&kept);
	r = record_of(WEIR_GLOBAL_COUNT, "eu", 0);
	put(r);
	assert_int_equal(rig.failed, WEIR_E_CORRUPT);
}

/* Records in, late, and those that failed, told once. */
static void test_global_part_counts(void **state)
{
	struct weir_oprig_value v[3] = {WEIR_ROW_I(0), WEIR_ROW_S("x"), WEIR_ROW_I(1)};
	struct weir_global_counts c;
	const struct weir_frame *f;
	static char longer[5001];

	(void)state;
	memset(longer, 'x', 5000);
	start(SOURCE
	      "  a: {from: s, key_by: k, window: {tumbling: 100ns}, scope: global, on_error: skip, "
	      "aggregate: {n: sum(10 / v)}}\n  o: {from: a, sink: blackhole}\n",
	      "a+part", 1);
	weir_oprig_put(&rig, 10, v);
	v[2] = WEIR_ROW_I(0);
	weir_oprig_put(&rig, 20, v);
	/* One more whose part fits no record. */
	v[1] = WEIR_ROW_S(longer);
	v[2] = WEIR_ROW_I(1);
	weir_oprig_put(&rig, 25, v);
	weir_oprig_watermark(&rig, 99);
	weir_oprig_put(&rig, 30, v);
	tick(0);
	tick(0);
	/* part, watermark, COUNT, barrier, barrier */
	assert_int_equal(rig.out[0].count, 5);
	f = rig.out[0].frame[2];
	assert_int_equal(weir_get_i64(f, weir_global_schema(), WEIR_GLOBAL_KIND),
			 WEIR_GLOBAL_COUNT);
	assert_true(weir_global_counts_get(weir_get_str(f, weir_global_schema(), WEIR_GLOBAL_BODY),
					   &c));
	assert_int_equal(c.in, 4);
	assert_int_equal(c.late, 1);
	assert_int_equal(c.rejected, 2);
}

/* ---- set-up ---- */

static void test_global_that_cannot_start(void **state)
{
	(void)state;
	start(PIPE(", "), "a", 2);
	weir_oprig_fini(&rig);
	record_max = 64;
	assert_int_equal(start_again(), WEIR_E_RANGE);
	assert_non_null(strstr(rig.task.err.text, "larger than record_max"));
	weir_oprig_fini(&rig);
	record_max = 0;
	step.aggregate.window.size_ns = 0;
	assert_int_equal(start_again(), WEIR_E_RANGE);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_teardown(test_global_final_when_all_are_past, stop),
	cmocka_unit_test_teardown(test_global_order_is_that_of_keys, stop),
	cmocka_unit_test_teardown(test_global_provisional, stop),
	cmocka_unit_test_teardown(test_global_without_provisional, stop),
	cmocka_unit_test_teardown(test_global_results_that_fail, stop),
	cmocka_unit_test_teardown(test_global_many_windows_and_long_results, stop),
	cmocka_unit_test_teardown(test_global_records_that_are_none, stop),
	cmocka_unit_test_teardown(test_global_state_with_other_regions, stop),
	cmocka_unit_test_teardown(test_global_state_part_of_a_region_that_left, stop),
	cmocka_unit_test_teardown(test_global_state_damaged, stop),
	cmocka_unit_test_teardown(test_global_signs, stop),
	cmocka_unit_test_teardown(test_global_mark, stop),
	cmocka_unit_test_teardown(test_global_part_counts, stop),
	cmocka_unit_test_teardown(test_global_that_cannot_start, stop),
};

WEIR_TEST_MAIN("engine/global", tests)
