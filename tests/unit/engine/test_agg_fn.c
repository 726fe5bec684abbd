/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/agg_fn.h"

#include <math.h>

#include "tests/lib/test.h"

#define STATE_WORDS 8

/* One function over columns that the test fills. */
struct rig {
	struct weir_agg agg;
	struct weir_agg_col arg, by;
	uint64_t slot[64], by_slot[64];
	struct weir_str str[64];
	uint8_t state[64];
	struct weir_slab slab;
	struct weir_frame frame[64];
	uint64_t acc[STATE_WORDS];
	uint32_t count;
	struct weir_schema out;
	uint64_t mem[64];
	struct weir_builder b;
};

static struct weir_typeinfo type_of(unsigned type)
{
	struct weir_typeinfo t = weir_type_of(type);

	if (type == WEIR_DECIMAL) {
		t.precision = 4;
		t.scale = 2;
	}
	return t;
}

static void rig_init(struct rig *g, enum weir_agg_fn fn, unsigned type, unsigned by,
		     unsigned result)
{
	struct weir_agg_spec spec = {.fn = fn,
				     .arg_type = type_of(type),
				     .by_type = type_of(by),
				     .result_type = type_of(result)};

	memset(g, 0, sizeof(*g));
	assert_int_equal(weir_agg_init(&g->agg, &spec), 0);
	assert_true(g->agg.size <= sizeof(g->acc) && g->agg.size % 8 == 0);
	g->arg = (struct weir_agg_col){.slot = g->slot, .str = g->str, .state = g->state};
	g->by = (struct weir_agg_col){.slot = g->by_slot};
	g->agg.arg = type ? &g->arg : NULL;
	g->agg.by = by ? &g->by : NULL;
	weir_slab_init(&g->slab, &weir_test_mem);
	weir_schema_add(&g->out, WEIR_STR("r"), type_of(result), true);
	weir_schema_seal(&g->out);
}

static void rig_fini(struct rig *g)
{
	if (g->agg.cls->release)
		g->agg.cls->release(&g->agg, &g->slab, g->acc);
	assert_int_equal(g->slab.used, 0);
	weir_slab_fini(&g->slab);
}

static void add_slot(struct rig *g, uint64_t v)
{
	g->frame[g->count].time_ns = g->count;
	g->slot[g->count++] = v;
}

static void add_f64(struct rig *g, double d)
{
	uint64_t v;

	memcpy(&v, &d, 8);
	add_slot(g, v);
}

static void add_null(struct rig *g)
{
	g->state[g->count] = WEIR_LANE_NULL;
	add_slot(g, 0);
}

static void add_text(struct rig *g, const char *s)
{
	g->str[g->count] = weir_str_c(s);
	add_slot(g, 0);
}

/* Rows [from, to) into acc. */
static void update(struct rig *g, uint32_t from, uint32_t to, void *acc)
{
	uint16_t lane[64];
	uint8_t *at[64];
	struct weir_slab *slab[64];
	const struct weir_frame *frame[64];
	struct weir_agg_rows rows = {
		.count = to - from, .lane = lane, .at = at, .slab = slab, .frame = frame};

	for (uint32_t i = 0; i < 64; i++)
		frame[i] = &g->frame[i];
	for (uint32_t i = from; i < to; i++) {
		lane[i - from] = (uint16_t)i;
		at[i - from] = acc;
		slab[i - from] = &g->slab;
	}
	g->agg.cls->update(&g->agg, &rows);
}

static const char *result(struct rig *g)
{
	const char *reason;

	weir_build_begin(&g->b, g->mem, sizeof(g->mem), &g->out);
	reason = g->agg.cls->build(&g->agg, g->acc, &g->b, 0);
	assert_true(weir_build_end(&g->b));
	return reason;
}

/* Adds all rows, split in two states that are merged at every place; leaves the result. */
static void run(struct rig *g)
{
	uint64_t first[64];

	update(g, 0, g->count, g->acc);
	assert_null(result(g));
	memcpy(first, g->mem, sizeof(first));
	for (uint32_t cut = 0; cut <= g->count; cut++) {
		uint64_t other[STATE_WORDS] = {0};

		if (g->agg.cls->release)
			g->agg.cls->release(&g->agg, &g->slab, g->acc);
		memset(g->acc, 0, sizeof(g->acc));
		update(g, cut, g->count, g->acc);
		update(g, 0, cut, other);
		g->agg.cls->merge(&g->agg, &g->slab, g->acc, other);
		if (g->agg.cls->release)
			g->agg.cls->release(&g->agg, &g->slab, other);
		assert_null(result(g));
		assert_memory_equal(first, g->mem, g->b.f->size);
	}
}

static int64_t int_result(struct rig *g)
{
	assert_false(weir_null(g->b.f, &g->out, 0));
	return weir_get_i64(g->b.f, &g->out, 0);
}

static double f64_result(struct rig *g)
{
	assert_false(weir_null(g->b.f, &g->out, 0));
	return weir_get_f64(g->b.f, &g->out, 0);
}

static void assert_text(struct rig *g, const char *s)
{
	assert_true(weir_str_is(weir_get_str(g->b.f, &g->out, 0), s));
}

static void test_no_input_is_null_or_zero(void **state)
{
	static const enum weir_agg_fn fn[] = {WEIR_AGG_SUM,   WEIR_AGG_MIN,	WEIR_AGG_MAX,
					      WEIR_AGG_AVG,   WEIR_AGG_FIRST,	WEIR_AGG_LAST,
					      WEIR_AGG_COUNT, WEIR_AGG_DISTINCT};
	static struct rig g;

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(fn); i++) {
		bool counts = fn[i] == WEIR_AGG_COUNT || fn[i] == WEIR_AGG_DISTINCT;

		rig_init(&g, fn[i], WEIR_FLOAT64, 0, counts ? WEIR_INT64 : WEIR_FLOAT64);
		add_null(&g);
		add_null(&g);
		run(&g);
		assert_int_equal(weir_null(g.b.f, &g.out, 0), !counts);
		assert_int_equal(weir_slot(g.b.f, &g.out, 0), 0);
		rig_fini(&g);
	}
}

static void test_sum_is_exact_beyond_64_bits_in_between(void **state)
{
	static struct rig g;

	(void)state;
	rig_init(&g, WEIR_AGG_SUM, WEIR_INT64, 0, WEIR_INT64);
	for (int i = 0; i < 10; i++)
		add_slot(&g, (uint64_t)INT64_MAX);
	for (int i = 0; i < 10; i++)
		add_slot(&g, (uint64_t)-INT64_MAX);
	add_slot(&g, (uint64_t)INT64_MIN);
	run(&g);
	assert_true(int_result(&g) == INT64_MIN);
	add_slot(&g, (uint64_t)-1);
	update(&g, g.count - 1, g.count, g.acc);
	assert_string_equal(result(&g), "sum overflows 64 bits");
	rig_fini(&g);
	rig_init(&g, WEIR_AGG_SUM, WEIR_DECIMAL, 0, WEIR_DECIMAL);
	add_slot(&g, 9999);
	run(&g);
	assert_int_equal(int_result(&g), 9999);
	add_slot(&g, 1);
	update(&g, 1, 2, g.acc);
	assert_string_equal(result(&g), "sum has more digits than its decimal type");
	rig_fini(&g);
	rig_init(&g, WEIR_AGG_SUM, WEIR_DECIMAL, 0, WEIR_DECIMAL);
	add_slot(&g, (uint64_t)-9999);
	run(&g);
	add_slot(&g, (uint64_t)-1);
	update(&g, 1, 2, g.acc);
	assert_non_null(result(&g));
	rig_fini(&g);
}

static void test_avg_divides_once(void **state)
{
	static struct rig g;

	(void)state;
	rig_init(&g, WEIR_AGG_AVG, WEIR_INT64, 0, WEIR_FLOAT64);
	add_slot(&g, (uint64_t)INT64_MAX);
	add_slot(&g, (uint64_t)INT64_MAX);
	add_null(&g);
	add_slot(&g, 1);
	run(&g);
	assert_true(f64_result(&g) == 18446744073709551615.0 / 3);
	rig_fini(&g);
	rig_init(&g, WEIR_AGG_AVG, WEIR_DECIMAL, 0, WEIR_FLOAT64);
	add_slot(&g, 100);
	add_slot(&g, 25);
	run(&g);
	assert_true(f64_result(&g) == 0.625);
	rig_fini(&g);
	rig_init(&g, WEIR_AGG_AVG, WEIR_DURATION, 0, WEIR_DURATION);
	add_slot(&g, (uint64_t)-3);
	add_slot(&g, (uint64_t)-2);
	run(&g);
	assert_int_equal(int_result(&g), -3);
	rig_fini(&g);
	rig_init(&g, WEIR_AGG_AVG, WEIR_TIMESTAMP, 0, WEIR_TIMESTAMP);
	add_slot(&g, 3);
	add_slot(&g, 2);
	run(&g);
	assert_int_equal(int_result(&g), 3);
	rig_fini(&g);
}

static void test_float_sums_keep_what_rounding_takes(void **state)
{
	static struct rig g;

	(void)state;
	rig_init(&g, WEIR_AGG_SUM, WEIR_FLOAT64, 0, WEIR_FLOAT64);
	add_f64(&g, 1.0);
	add_f64(&g, 1e100);
	add_f64(&g, 1.0);
	add_f64(&g, -1e100);
	update(&g, 0, 4, g.acc);
	result(&g);
	assert_true(f64_result(&g) == 2.0);
	rig_fini(&g);
	rig_init(&g, WEIR_AGG_SUM, WEIR_FLOAT64, 0, WEIR_FLOAT64);
	add_f64(&g, INFINITY);
	add_f64(&g, 1.0);
	run(&g);
	assert_true(isinf(f64_result(&g)));
	rig_fini(&g);
	rig_init(&g, WEIR_AGG_AVG, WEIR_FLOAT64, 0, WEIR_FLOAT64);
	add_f64(&g, INFINITY);
	add_f64(&g, -INFINITY);
	add_f64(&g, -1.0);
	run(&g);
	assert_true(isnan(f64_result(&g)));
	assert_true(weir_slot(g.b.f, &g.out, 0) == UINT64_C(0x7ff8000000000000));
	rig_fini(&g);
}

static void test_nan_counts_only_alone(void **state)
{
	static struct rig g;

	(void)state;
	for (int fn = WEIR_AGG_MIN; fn <= WEIR_AGG_MAX; fn++) {
		rig_init(&g, (enum weir_agg_fn)fn, WEIR_FLOAT64, 0, WEIR_FLOAT64);
		add_f64(&g, NAN);
		add_f64(&g, -NAN);
		run(&g);
		assert_true(isnan(f64_result(&g)));
		rig_fini(&g);
		rig_init(&g, (enum weir_agg_fn)fn, WEIR_FLOAT64, 0, WEIR_FLOAT64);
		add_f64(&g, NAN);
		add_f64(&g, fn == WEIR_AGG_MIN ? INFINITY : -INFINITY);
		add_f64(&g, -NAN);
		run(&g);
		assert_true(isinf(f64_result(&g)));
		rig_fini(&g);
	}
}

static void test_zeros_have_an_order_but_are_one_value(void **state)
{
	static struct rig g;

	(void)state;
	rig_init(&g, WEIR_AGG_MIN, WEIR_FLOAT64, 0, WEIR_FLOAT64);
	add_f64(&g, 0.0);
	add_f64(&g, -0.0);
	run(&g);
	assert_true(signbit(f64_result(&g)));
	rig_fini(&g);
	rig_init(&g, WEIR_AGG_DISTINCT, WEIR_FLOAT64, 0, WEIR_INT64);
	add_f64(&g, 0.0);
	add_f64(&g, -0.0);
	add_f64(&g, NAN);
	add_f64(&g, -NAN);
	add_f64(&g, 1.5);
	run(&g);
	assert_int_equal(int_result(&g), 3);
	rig_fini(&g);
}

static void test_f64_rank_keeps_order_and_comes_back(void **state)
{
	static const double v[] = {-INFINITY, -1e300, -1.5, -5e-324, -0.0,
				   0.0,	      5e-324, 1.5,  1e300,   INFINITY};
	uint64_t a, b;

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(v); i++) {
		memcpy(&a, &v[i], 8);
		assert_true(weir_f64_unrank(weir_f64_rank(a, i % 2)) == a);
		if (i) {
			memcpy(&b, &v[i - 1], 8);
			assert_true(weir_f64_rank(b, false) < weir_f64_rank(a, false));
		}
	}
	a = UINT64_C(0xfff8000000000001);
	assert_true(weir_f64_rank(a, true) == INT64_MIN);
	assert_true(weir_f64_unrank(INT64_MIN) == UINT64_C(0x7ff8000000000000));
	assert_true(weir_f64_unrank(weir_f64_rank(a, false)) == UINT64_C(0x7ff8000000000000));
}

static void test_text_is_ordered_by_bytes(void **state)
{
	static struct rig g;

	(void)state;
	rig_init(&g, WEIR_AGG_MIN, WEIR_STRING, 0, WEIR_STRING);
	add_text(&g, "b");
	add_text(&g, "ab");
	add_null(&g);
	add_text(&g, "a much longer text that needs another piece");
	run(&g);
	assert_text(&g, "a much longer text that needs another piece");
	rig_fini(&g);
	rig_init(&g, WEIR_AGG_MAX, WEIR_STRING, 0, WEIR_STRING);
	add_text(&g, "");
	run(&g);
	assert_text(&g, "");
	add_text(&g, "z\xc3\xa4");
	add_text(&g, "zz");
	update(&g, 1, 3, g.acc);
	result(&g);
	assert_text(&g, "z\xc3\xa4");
	rig_fini(&g);
}

static void test_first_and_last_go_by_time_then_value(void **state)
{
	static struct rig g;

	(void)state;
	for (int fn = WEIR_AGG_FIRST; fn <= WEIR_AGG_LAST; fn++) {
		rig_init(&g, (enum weir_agg_fn)fn, WEIR_INT64, 0, WEIR_INT64);
		for (int i = 0; i < 6; i++)
			add_slot(&g, (uint64_t)(i * 7 % 6));
		for (int i = 0; i < 6; i++)
			g.frame[i].time_ns = i < 3 ? 50 : 90;
		run(&g);
		assert_int_equal(int_result(&g), fn == WEIR_AGG_FIRST ? 0 : 5);
		rig_fini(&g);
	}
	rig_init(&g, WEIR_AGG_LAST, WEIR_STRING, 0, WEIR_STRING);
	add_text(&g, "old");
	add_text(&g, "new");
	add_null(&g);
	run(&g);
	assert_text(&g, "new");
	rig_fini(&g);
}

static void test_arg_ties_take_the_smaller_value(void **state)
{
	static struct rig g;

	(void)state;
	for (int fn = WEIR_AGG_ARG_MIN; fn <= WEIR_AGG_ARG_MAX; fn++) {
		rig_init(&g, (enum weir_agg_fn)fn, WEIR_STRING, WEIR_INT64, WEIR_STRING);
		add_text(&g, "c");
		add_text(&g, "b");
		add_text(&g, "a");
		add_text(&g, "d");
		g.by_slot[0] = g.by_slot[1] = 5;
		g.by_slot[2] = fn == WEIR_AGG_ARG_MIN ? 6 : 4;
		g.by_slot[3] = 5;
		run(&g);
		assert_text(&g, "b");
		rig_fini(&g);
	}
}

static void test_distinct_counts_each_value_once(void **state)
{
	static struct rig g;

	(void)state;
	rig_init(&g, WEIR_AGG_DISTINCT, WEIR_INT64, 0, WEIR_INT64);
	for (int i = 0; i < 60; i++)
		add_slot(&g, (uint64_t)(i % 23));
	add_null(&g);
	run(&g);
	assert_int_equal(int_result(&g), 23);
	rig_fini(&g);
	rig_init(&g, WEIR_AGG_DISTINCT, WEIR_STRING, 0, WEIR_INT64);
	add_text(&g, "");
	add_text(&g, "a");
	add_text(&g, "");
	add_text(&g, "b");
	add_text(&g, "a");
	add_text(&g, "c");
	add_text(&g, "d");
	run(&g);
	assert_int_equal(int_result(&g), 5);
	rig_fini(&g);
}

static void test_types_that_do_not_fit_are_refused(void **state)
{
	static const struct {
		enum weir_agg_fn fn;
		unsigned type;
	} bad[] = {
		{WEIR_AGG_SUM, WEIR_STRING},	{WEIR_AGG_SUM, WEIR_TIMESTAMP},
		{WEIR_AGG_AVG, WEIR_BOOL},	{WEIR_AGG_MIN, WEIR_LIST},
		{WEIR_AGG_DISTINCT, WEIR_LIST}, {WEIR_AGG_FN_COUNT, WEIR_INT64},
	};

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(bad); i++) {
		struct weir_agg_spec spec = {.fn = bad[i].fn, .arg_type = type_of(bad[i].type)};
		struct weir_agg a;

		assert_int_equal(weir_agg_init(&a, &spec), WEIR_E_TYPE);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_no_input_is_null_or_zero),
	cmocka_unit_test(test_sum_is_exact_beyond_64_bits_in_between),
	cmocka_unit_test(test_avg_divides_once),
	cmocka_unit_test(test_float_sums_keep_what_rounding_takes),
	cmocka_unit_test(test_nan_counts_only_alone),
	cmocka_unit_test(test_zeros_have_an_order_but_are_one_value),
	cmocka_unit_test(test_f64_rank_keeps_order_and_comes_back),
	cmocka_unit_test(test_text_is_ordered_by_bytes),
	cmocka_unit_test(test_first_and_last_go_by_time_then_value),
	cmocka_unit_test(test_arg_ties_take_the_smaller_value),
	cmocka_unit_test(test_distinct_counts_each_value_once),
	cmocka_unit_test(test_types_that_do_not_fit_are_refused),
};

WEIR_TEST_MAIN("engine/agg_fn", tests)
