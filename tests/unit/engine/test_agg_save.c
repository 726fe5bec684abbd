/* SPDX-License-Identifier: Apache-2.0 */
/* Every function over every type it takes: states as bytes and back. */
#include <math.h>

#include "engine/core/agg_fn.h"
#include "tests/unit/engine/save_case.h"

#define STATE_WORDS 8
#define ROWS 96
#define TEXT_LEN 200

/* One function and random rows for it. */
struct rig {
	struct weir_agg agg;
	struct weir_agg_col arg, by;
	uint64_t slot[2][ROWS];
	struct weir_str str[2][ROWS];
	uint8_t null[2][ROWS];
	char text[2][ROWS][TEXT_LEN];
	struct weir_frame frame[ROWS];
	struct weir_slab slab;
	struct weir_prng rnd;
};

struct acc {
	uint64_t word[STATE_WORDS];
};

static struct rig g;

static uint64_t random_f64(struct weir_prng *rnd)
{
	static const double odd[] = {NAN, -NAN, INFINITY, -INFINITY, 0.0, -0.0};
	double d = (double)((int64_t)weir_prng_below(rnd, 64) - 32) / 4;
	uint64_t slot;

	if (weir_prng_chance(rnd, 1, 30))
		d = odd[weir_prng_below(rnd, WEIR_COUNT_OF(odd))];
	memcpy(&slot, &d, 8);
	return slot;
}

static uint64_t random_slot(struct weir_prng *rnd, unsigned type)
{
	if (type == WEIR_BOOL)
		return weir_prng_below(rnd, 2);
	if (type == WEIR_FLOAT64)
		return random_f64(rnd);
	if (weir_prng_chance(rnd, 1, 8))
		return weir_prng_u64(rnd);
	if (weir_prng_chance(rnd, 1, 4))
		return (uint64_t)INT64_MAX + weir_prng_below(rnd, 2); /* or the smallest */
	return weir_prng_below(rnd, 40) - 20;
}

static void random_cell(int which, uint32_t i, unsigned type)
{
	char *text = g.text[which][i];
	size_t n = weir_prng_below(&g.rnd, weir_prng_chance(&g.rnd, 1, 10) ? TEXT_LEN : 4);

	for (size_t k = 0; k < n; k++)
		text[k] = (char)(k < 150 ? 'a' + weir_prng_below(&g.rnd, 2) : 0xff);
	g.str[which][i] = (struct weir_str){text, n};
	g.slot[which][i] = random_slot(&g.rnd, type);
	g.null[which][i] = weir_prng_chance(&g.rnd, 1, 6) ? WEIR_LANE_NULL : WEIR_LANE_OK;
}

static struct weir_typeinfo type_of(unsigned type)
{
	return type == WEIR_DECIMAL ? (struct weir_typeinfo){type, 0, 18, 2} : weir_type_of(type);
}

/* false: the function does not take these types. */
static bool rig_init(enum weir_agg_fn fn, unsigned type, unsigned by, uint64_t seed)
{
	struct weir_agg_spec spec = {.fn = fn, .arg_type = type_of(type), .by_type = type_of(by)};

	memset(&g, 0, sizeof(g));
	spec.result_type = fn == WEIR_AGG_COUNT || fn == WEIR_AGG_DISTINCT ? type_of(WEIR_INT64)
			   : fn == WEIR_AGG_AVG && type != WEIR_DURATION && type != WEIR_TIMESTAMP
				   ? type_of(WEIR_FLOAT64)
				   : spec.arg_type;
	if (weir_agg_init(&g.agg, &spec) < 0)
		return false;
	assert_true(g.agg.size <= sizeof(struct acc));
	g.rnd = weir_prng_of(seed, g.agg.cls->name);
	g.arg = (struct weir_agg_col){g.slot[0], g.str[0], g.null[0]};
	g.by = (struct weir_agg_col){g.slot[1], g.str[1], g.null[1]};
	g.agg.arg = type ? &g.arg : NULL;
	g.agg.by = by ? &g.by : NULL;
	weir_slab_init(&g.slab, &weir_test_mem);
	for (uint32_t i = 0; i < ROWS; i++) {
		random_cell(0, i, type);
		random_cell(1, i, by);
		g.frame[i].time_ns = (int64_t)weir_prng_below(&g.rnd, 20) - 10;
	}
	return true;
}

static void release(struct acc *a)
{
	if (g.agg.cls->release)
		g.agg.cls->release(&g.agg, &g.slab, a);
	memset(a, 0, sizeof(*a));
}

static void rig_fini(void)
{
	assert_int_equal(g.slab.used, 0);
	weir_slab_fini(&g.slab);
}

/* One row after the other, so that the order is the caller's. */
static void add(struct acc *a, const uint16_t *lane, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint8_t *at = (uint8_t *)a;
		struct weir_slab *slab = &g.slab;
		const struct weir_frame *frame[ROWS];
		struct weir_agg_rows rows = {
			.count = 1, .lane = &lane[i], .at = &at, .slab = &slab, .frame = frame};

		frame[lane[i]] = &g.frame[lane[i]];
		g.agg.cls->update(&g.agg, &rows);
	}
}

static void add_all(struct acc *a, uint32_t n)
{
	uint16_t lane[ROWS] = {0};

	for (uint32_t i = 0; i < n; i++)
		lane[i] = (uint16_t)i;
	add(a, lane, n);
}

static void merge(struct acc *to, struct acc *from)
{
	g.agg.cls->merge(&g.agg, &g.slab, to, from);
	release(from);
}

static struct saved save(const struct acc *a)
{
	struct weir_out o;

	weir_out_init(&o, &weir_test_mem);
	g.agg.cls->save(&g.agg, a, &o);
	return saved_of(&o);
}

static void load(struct acc *a, const struct saved *s)
{
	struct weir_reader r = weir_reader_of(s->p, s->n);

	memset(a, 0, sizeof(*a));
	assert_int_equal(g.agg.cls->load(&g.agg, &g.slab, a, &r), 0);
	assert_int_equal(weir_reader_left(&r), 0);
}

static void save_load(struct acc *a)
{
	struct saved s = save(a);

	release(a);
	load(a, &s);
	saved_free(&s);
}

/* The result of a state, in a schema of one field. */
static void result(const struct acc *a, uint64_t *mem, size_t bytes)
{
	static struct weir_schema out;
	struct weir_builder b;

	memset(&out, 0, sizeof(out));
	memset(mem, 0, bytes);
	weir_schema_add(&out, WEIR_STR("r"), g.agg.result_type, true);
	weir_schema_seal(&out);
	weir_build_begin(&b, mem, bytes, &out);
	g.agg.cls->build(&g.agg, a, &b, 0);
	assert_true(weir_build_end(&b));
}

/* The same bytes, the same result. */
static void same(const struct acc *a, const struct acc *b)
{
	struct saved s = save(a), t = save(b);
	uint64_t x[64], y[64];

	saved_same(&s, &t);
	saved_free(&s);
	saved_free(&t);
	result(a, x, sizeof(x));
	result(b, y, sizeof(y));
	assert_memory_equal(x, y, sizeof(x));
}

/* ---- cases ---- */

/* A loaded state is the state: the same bytes, the same result, now and after more rows. */
static void round_trip_of(struct acc *a)
{
	struct saved s = save(a);
	struct acc b;

	load(&b, &s);
	saved_free(&s);
	same(a, &b);
	add_all(a, ROWS);
	add_all(&b, ROWS);
	same(a, &b);
	release(a);
	release(&b);
}

static void round_trip(uint32_t n)
{
	struct acc a = {{0}};

	add_all(&a, n);
	round_trip_of(&a);
}

/* The same rows in another order, in several states that go through bytes and are merged. */
static void other_history(uint32_t n)
{
	struct acc a = {{0}}, part[4];
	uint16_t lane[ROWS] = {0};

	memset(part, 0, sizeof(part));
	add_all(&a, n);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t k = (uint32_t)weir_prng_below(&g.rnd, i + 1);

		lane[i] = lane[k];
		lane[k] = (uint16_t)i;
	}
	for (uint32_t i = 0; i < n; i++) {
		struct acc *p = &part[weir_prng_below(&g.rnd, 4)];

		add(p, &lane[i], 1);
		if (weir_prng_chance(&g.rnd, 1, 5))
			save_load(p);
	}
	merge(&part[2], &part[3]);
	merge(&part[0], &part[1]);
	save_load(&part[2]);
	merge(&part[2], &part[0]);
	same(&a, &part[2]);
	release(&a);
	release(&part[2]);
}

/* Bytes that are taken are those that the state gives again; others leave nothing. */
static void try_load(const struct saved *s, bool must_fail)
{
	static const struct acc none;
	struct weir_reader r = weir_reader_of(s->p, s->n);
	size_t used = g.slab.used;
	struct acc a = {{0}}, more = {{0}};
	struct saved again;
	int code = g.agg.cls->load(&g.agg, &g.slab, &a, &r);

	if (code < 0) {
		assert_int_equal(code, WEIR_E_CORRUPT);
		assert_int_equal(g.slab.used, used);
		assert_memory_equal(&a, &none, sizeof(a));
		return;
	}
	assert_false(must_fail);
	again = save(&a);
	assert_int_equal(again.n, (size_t)(r.p - s->p));
	assert_memory_equal(again.p, s->p, again.n);
	saved_free(&again);
	result(&a, (uint64_t[64]){0}, 512);
	add_all(&more, 10);
	merge(&a, &more);
	add_all(&a, 10);
	release(&a);
	assert_int_equal(g.slab.used, used);
}

static void damage(uint32_t n)
{
	struct acc a = {{0}};
	struct saved s;

	add_all(&a, n);
	s = save(&a);
	saved_try_damage(&s, &g.rnd, 300, try_load);
	saved_free(&s);
	release(&a);
}

/* Every function with every type or pair of types that it takes. */
static void for_all(void (*one)(uint32_t n), uint32_t seeds)
{
	uint32_t taken = 0;

	for (int fn = 0; fn < WEIR_AGG_FN_COUNT; fn++) {
		bool by = fn == WEIR_AGG_ARG_MIN || fn == WEIR_AGG_ARG_MAX;

		for (unsigned type = fn == WEIR_AGG_COUNT ? WEIR_NONE : WEIR_BOOL;
		     type <= WEIR_DURATION; type++) {
			for (unsigned b = by ? WEIR_BOOL : WEIR_NONE;
			     b <= (by ? WEIR_DURATION : WEIR_NONE); b++) {
				for (uint32_t seed = 0; seed < seeds; seed++) {
					if (!rig_init((enum weir_agg_fn)fn, type, b, seed))
						break;
					one(seed == 0 ? 0
						      : (uint32_t)weir_prng_range(&g.rnd, 1, ROWS));
					rig_fini();
					taken++;
				}
			}
		}
	}
	/* count 9, sum 4, avg 5, min, max, first, last, distinct 8 each, arg_min, arg_max 64 each. */
	assert_int_equal(taken, (9 + 4 + 5 + 5 * 8 + 2 * 64) * seeds);
}

static void test_states_come_back(void **state)
{
	(void)state;
	for_all(round_trip, 12);
}

static void test_bytes_do_not_depend_on_history(void **state)
{
	(void)state;
	for_all(other_history, 12);
}

static void test_damaged_bytes_leave_nothing(void **state)
{
	(void)state;
	for_all(damage, 4);
}

/* ---- the bytes themselves: frozen, they are on disks ---- */

static void expect_bytes(const struct acc *a, const void *want, size_t n)
{
	struct saved s = save(a);

	assert_int_equal(s.n, n);
	assert_memory_equal(s.p, want, n);
	saved_free(&s);
}

static void refused(const void *p, size_t n)
{
	struct saved s = saved_copy(&(struct saved){(uint8_t *)(uintptr_t)p, n}, n);

	try_load(&s, true);
	saved_free(&s);
}

#define EXPECT(a, ...)                                                                             \
	expect_bytes((a), (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))
#define REFUSED(...) refused((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void put(struct acc *a, uint64_t v)
{
	g.slot[0][0] = v;
	g.null[0][0] = WEIR_LANE_OK;
	add_all(a, 1);
}

static void test_sums_are_as_short_as_they_can_be(void **state)
{
	struct acc a = {{0}};

	(void)state;
	assert_true(rig_init(WEIR_AGG_SUM, WEIR_INT64, 0, 1));
	EXPECT(&a, 0);
	put(&a, 0);
	EXPECT(&a, 1, 0);
	put(&a, 127);
	EXPECT(&a, 2, 1, 127);
	put(&a, 1);
	EXPECT(&a, 3, 2, 128, 0);
	put(&a, (uint64_t)-129);
	EXPECT(&a, 4, 1, 255);
	put(&a, (uint64_t)-127);
	EXPECT(&a, 5, 1, 128);
	put(&a, (uint64_t)INT64_MIN);
	put(&a, (uint64_t)INT64_MIN);
	EXPECT(&a, 7, 9, 128, 255, 255, 255, 255, 255, 255, 255, 254);
	REFUSED(7, 3, 1, 0, 0); /* longer than it must be */
	REFUSED(7, 2, 255, 255);
	REFUSED(1, 9, 0, 0, 0, 0, 0, 0, 0, 128, 0); /* more than one int64 gives */
	REFUSED(7, 17, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7, 8);
	REFUSED(255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 0); /* count past int64 */
	release(&a);
	rig_fini();
}

static void test_float_sums_have_one_nan_and_no_loss_at_infinity(void **state)
{
	struct acc a = {{0}};

	(void)state;
	assert_true(rig_init(WEIR_AGG_SUM, WEIR_FLOAT64, 0, 1));
	put(&a, UINT64_C(0x7fefffffffffffff)); /* the largest */
	put(&a, UINT64_C(0x7fefffffffffffff));
	EXPECT(&a, 2, 0, 0, 0, 0, 0, 0, 0xf0, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0);
	put(&a, UINT64_C(0xfff8000000000123));
	EXPECT(&a, 3, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0);
	REFUSED(3, 1, 0, 0, 0, 0, 0, 0xf8, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0);
	REFUSED(3, 0, 0, 0, 0, 0, 0, 0xf0, 0x7f, 1, 0, 0, 0, 0, 0, 0, 0);
	REFUSED(3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xf0, 0x7f);
	release(&a);
	rig_fini();
}

static void test_best_values_are_flag_rank_value(void **state)
{
	struct acc a = {{0}};

	(void)state;
	assert_true(rig_init(WEIR_AGG_MIN, WEIR_BOOL, 0, 1));
	EXPECT(&a, 0);
	put(&a, 1);
	EXPECT(&a, 1, 1, 0, 0, 0, 0, 0, 0, 0);
	REFUSED(2, 1, 0, 0, 0, 0, 0, 0, 0);
	REFUSED(1, 2, 0, 0, 0, 0, 0, 0, 0);
	release(&a);
	rig_fini();
	assert_true(rig_init(WEIR_AGG_LAST, WEIR_STRING, 0, 1));
	g.str[0][0] = WEIR_STR("hi");
	g.frame[0].time_ns = -2;
	put(&a, 0);
	EXPECT(&a, 1, 254, 255, 255, 255, 255, 255, 255, 255, 2, 'h', 'i');
	release(&a);
	rig_fini();
}

static void test_sets_are_sorted(void **state)
{
	struct acc a = {{0}};

	(void)state;
	assert_true(rig_init(WEIR_AGG_DISTINCT, WEIR_INT64, 0, 1));
	EXPECT(&a, 0);
	put(&a, 300);
	put(&a, 7);
	put(&a, 8);
	EXPECT(&a, 3, 7, 0, 0xa3, 2);
	put(&a, 0);
	EXPECT(&a, 4, 0, 6, 0, 0xa3, 2);
	put(&a, (uint64_t)-1);
	EXPECT(&a, 5, 0, 6, 0, 0xa3, 2, 0xd2, 0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1);
	/* Past the end of the numbers. */
	REFUSED(2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0);
	REFUSED(0xff, 0xff, 0xff, 0xff, 0x0f, 1);
	release(&a);
	rig_fini();
	assert_true(rig_init(WEIR_AGG_DISTINCT, WEIR_STRING, 0, 1));
	for (unsigned i = 0; i < 3; i++) {
		g.str[0][0] = weir_str_c((const char *[]){"b", "", "ab"}[i]);
		put(&a, 0);
	}
	EXPECT(&a, 3, 0, 2, 'a', 'b', 1, 'b');
	REFUSED(2, 1, 'b', 1, 'a');
	REFUSED(2, 1, 'a', 1, 'a');
	release(&a);
	rig_fini();
	assert_true(rig_init(WEIR_AGG_DISTINCT, WEIR_FLOAT64, 0, 1));
	REFUSED(1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1); /* -0.0 */
	rig_fini();
}

static void test_large_sets_come_back(void **state)
{
	struct acc a = {{0}};

	(void)state;
	assert_true(rig_init(WEIR_AGG_DISTINCT, WEIR_INT64, 0, 1));
	for (uint32_t i = 0; i < 50000; i++)
		put(&a, weir_prng_below(&g.rnd, 40000) * 12345);
	round_trip_of(&a);
	rig_fini();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_states_come_back),
	cmocka_unit_test(test_bytes_do_not_depend_on_history),
	cmocka_unit_test(test_damaged_bytes_leave_nothing),
	cmocka_unit_test(test_sums_are_as_short_as_they_can_be),
	cmocka_unit_test(test_float_sums_have_one_nan_and_no_loss_at_infinity),
	cmocka_unit_test(test_best_values_are_flag_rank_value),
	cmocka_unit_test(test_sets_are_sorted),
	cmocka_unit_test(test_large_sets_come_back),
};

WEIR_TEST_MAIN("engine/agg_save", tests)
