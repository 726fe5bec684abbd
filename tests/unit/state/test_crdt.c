/* SPDX-License-Identifier: Apache-2.0 */
/* What each type of state/crdt.h says when it is read, and what it refuses. */
#include "tests/unit/state/test_crdt_rig.h"

static const struct weir_crdt *type_of(enum weir_crdt_type type, uint32_t limit)
{
	static struct weir_crdt t[WEIR_CRDT_TYPE_COUNT];

	t[type] = (struct weir_crdt){.type = type, .limit = limit};
	return &t[type];
}

static void test_crdt_names(void **state)
{
	(void)state;
	for (unsigned i = 1; i < WEIR_CRDT_TYPE_COUNT; i++)
		assert_int_equal(weir_crdt_find(weir_str_c(weir_crdt_name(i))), i);
	assert_int_equal(weir_crdt_find(WEIR_STR("counter")), -1);
	assert_string_equal(weir_crdt_name(0), "?");
	assert_string_equal(weir_crdt_name(WEIR_CRDT_TYPE_COUNT), "?");
}

static void test_crdt_numbers_have_the_order_of_bytes(void **state)
{
	const int64_t i[] = {INT64_MIN, -5, -1, 0, 1, 7, INT64_MAX};
	const double f[] = {-1e300, -2.5, -1e-300, 0, 1e-300, 2.5, 1e300};
	uint8_t a[8], b[8];

	(void)state;
	for (size_t k = 0; k < 7; k++) {
		weir_crdt_i64(i[k], b);
		assert_true(weir_crdt_i64_of(b) == i[k]);
		if (k)
			assert_true(memcmp(a, b, 8) < 0);
		memcpy(a, b, 8);
	}
	for (size_t k = 0; k < 7; k++) {
		weir_crdt_f64(f[k], b);
		assert_true(weir_crdt_f64_of(b) == f[k]);
		if (k)
			assert_true(memcmp(a, b, 8) < 0);
		memcpy(a, b, 8);
	}
	weir_crdt_f64(-0.0, a);
	weir_crdt_f64(0.0, b);
	assert_memory_equal(a, b, 8);
	weir_crdt_f64(-__builtin_nan(""), a);
	assert_true(weir_crdt_f64_of(a) != weir_crdt_f64_of(a));
}

static void test_crdt_pcount(void **state)
{
	struct rig a = rig_of(type_of(WEIR_CRDT_PCOUNT, 0), 1), b = rig_of(a.t, 2);
	int64_t n;

	(void)state;
	assert_int_equal(rig_number(&a), 0);
	rig_amount(&a, WEIR_CRDT_ADD, 10);
	rig_amount(&b, WEIR_CRDT_SUB, 12);
	rig_meet(&a, &b);
	assert_int_equal(rig_number(&a), -2);
	rig_amount(&a, WEIR_CRDT_SUB, 10);
	rig_amount(&a, WEIR_CRDT_ADD, INT64_MAX);
	assert_int_equal(rig_amount(&a, WEIR_CRDT_ADD, 1), WEIR_E_RANGE);
	rig_amount(&b, WEIR_CRDT_ADD, 13);
	rig_meet(&a, &b);
	assert_int_equal(weir_crdt_number(a.t, a.x, &n), WEIR_E_RANGE);
	assert_int_equal(weir_crdt_seen(a.t, a.x, b.w), 2);
	assert_int_equal(weir_crdt_seen(a.t, a.x, W(9)), 0);
}

static int grant(struct rig *r, int64_t amount, weir_writer to)
{
	return rig_op(r,
		      (struct weir_crdt_op){.verb = WEIR_CRDT_GRANT, .amount = amount, .to = to});
}

static void test_crdt_bcount_is_never_below_zero(void **state)
{
	struct rig a = rig_of(type_of(WEIR_CRDT_BCOUNT, 0), 1), b = rig_of(a.t, 2);
	struct rig c = rig_of(a.t, 3);

	(void)state;
	assert_int_equal(rig_amount(&a, WEIR_CRDT_SUB, 1), WEIR_E_RANGE);
	rig_amount(&a, WEIR_CRDT_ADD, 10);
	assert_int_equal(grant(&a, 11, b.w), WEIR_E_RANGE);
	assert_int_equal(grant(&a, 1, a.w), WEIR_E_RANGE);
	assert_int_equal(grant(&a, 1, 0), WEIR_E_RANGE);
	assert_int_equal(grant(&a, 6, b.w), 0);
	assert_int_equal(grant(&a, 1, c.w), 0);
	assert_int_equal(grant(&a, 1, b.w), 0);
	assert_int_equal(rig_amount(&b, WEIR_CRDT_SUB, 1), WEIR_E_RANGE);
	rig_tell(&a, &b);
	assert_int_equal(rig_amount(&b, WEIR_CRDT_SUB, 8), WEIR_E_RANGE);
	assert_int_equal(rig_amount(&b, WEIR_CRDT_SUB, 7), 0);
	assert_int_equal(rig_amount(&a, WEIR_CRDT_SUB, 3), WEIR_E_RANGE);
	assert_int_equal(rig_amount(&a, WEIR_CRDT_SUB, 2), 0);
	/* c hears of what was used before it hears of what there was. */
	rig_tell(&b, &c);
	assert_int_equal(rig_number(&c), 0);
	rig_tell(&a, &c);
	assert_int_equal(rig_number(&c), 1);
	assert_int_equal(rig_amount(&c, WEIR_CRDT_SUB, 1), 0);
	assert_int_equal(rig_amount(&c, WEIR_CRDT_ADD, 0), WEIR_E_RANGE);
	assert_int_equal(rig_number(&c), 0);
	rig_amount(&c, WEIR_CRDT_ADD, INT64_MAX);
	assert_int_equal(rig_amount(&c, WEIR_CRDT_ADD, 1), WEIR_E_RANGE);
	assert_int_equal(grant(&c, INT64_MAX, b.w), 0);
}

static void set_i64(struct rig *r, int64_t v)
{
	uint8_t b[8];

	weir_crdt_i64(v, b);
	rig_op(r, (struct weir_crdt_op){.verb = WEIR_CRDT_SET, .value = {(const char *)b, 8}});
}

static void test_crdt_max_and_min(void **state)
{
	struct rig a = rig_of(type_of(WEIR_CRDT_MAX, 0), 1), b = rig_of(a.t, 2);
	struct rig m = rig_of(type_of(WEIR_CRDT_MIN, 0), 1);
	int64_t n;

	(void)state;
	assert_int_equal(weir_crdt_number(a.t, a.x, &n), WEIR_E_RANGE);
	assert_string_equal(rig_value(&a), "(none)");
	set_i64(&a, -3);
	set_i64(&b, 4);
	rig_meet(&a, &b);
	assert_int_equal(rig_number(&a), 4);
	set_i64(&a, 4);
	assert_int_equal(weir_crdt_seen(a.t, a.x, a.w), 1); /* nothing changed */
	a.x = rig_pruned(a.t, a.x, rig_none);
	assert_int_equal(weir_crdt_seen(a.t, a.x, a.w), 1);
	a.x = rig_pruned(a.t, a.x, rig_all);
	assert_int_equal(weir_crdt_seen(a.t, a.x, a.w), 0);
	assert_int_equal(rig_number(&a), 4);
	set_i64(&m, 5);
	set_i64(&m, -7);
	set_i64(&m, 6);
	assert_int_equal(rig_number(&m), -7);
	assert_int_equal(rig_amount(&m, WEIR_CRDT_ADD, 1), WEIR_E_RANGE);
}

static void flags(enum weir_crdt_type type, int64_t both)
{
	struct rig a = rig_of(type_of(type, 0), 1), b = rig_of(a.t, 2);

	assert_int_equal(rig_number(&a), 0);
	rig_text(&a, WEIR_CRDT_SET, "1");
	assert_int_equal(rig_number(&a), 1);
	rig_tell(&a, &b);
	rig_text(&b, WEIR_CRDT_CLEAR, "");
	rig_text(&a, WEIR_CRDT_SET, "1");
	rig_meet(&a, &b);
	assert_int_equal(rig_number(&a), both);
	assert_int_equal(rig_number(&b), both);
	rig_text(&a, WEIR_CRDT_SET, "");
	rig_meet(&a, &b);
	assert_int_equal(rig_number(&b), 0);
	assert_int_equal(rig_pruned(a.t, b.x, rig_all).n, 0);
	assert_int_equal(rig_text(&a, WEIR_CRDT_ADD, "1"), WEIR_E_RANGE);
}

static void test_crdt_flags(void **state)
{
	(void)state;
	flags(WEIR_CRDT_FLAG, 1);
	flags(WEIR_CRDT_FLAG_OFF, 0);
}

static void test_crdt_mv_keeps_concurrent_writes(void **state)
{
	struct rig a = rig_of(type_of(WEIR_CRDT_MV, 0), 1), b = rig_of(a.t, 2);

	(void)state;
	rig_text(&a, WEIR_CRDT_SET, "x");
	rig_text(&b, WEIR_CRDT_SET, "y");
	rig_meet(&a, &b);
	assert_string_equal(rig_items(&a), "x y ");
	assert_int_equal(rig_number(&b), 2);
	rig_text(&b, WEIR_CRDT_SET, "z");
	rig_meet(&a, &b);
	assert_string_equal(rig_items(&a), "z ");
	rig_text(&a, WEIR_CRDT_CLEAR, "");
	rig_meet(&a, &b);
	assert_string_equal(rig_items(&b), "");
	b.x = rig_pruned(b.t, b.x, rig_none);
	assert_true(b.x.n > 0);
	assert_int_equal(rig_pruned(b.t, b.x, rig_all).n, 0);
}

/* A key that was pruned away here and not there: what is written anew must stand above it there. */
static void test_crdt_a_pruned_key_that_comes_back_is_newer(void **state)
{
	const enum weir_crdt_type types[] = {WEIR_CRDT_LWW, WEIR_CRDT_ORMAP};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct rig a = rig_of(type_of(types[i], 0), 1), b = rig_of(a.t, 2);
		const struct weir_crdt_seen seen[] = {{a.w, 2}, {b.w, 0}};

		a.hlc = 100;
		rig_text(&a, i ? WEIR_CRDT_PUT : WEIR_CRDT_SET, "old");
		rig_text(&a, WEIR_CRDT_CLEAR, "");
		rig_tell(&a, &b);
		b.x = rig_pruned(b.t, b.x, rig_all);
		assert_int_equal(b.x.n, 0);
		rig_op(&b, (struct weir_crdt_op){.verb = i ? WEIR_CRDT_PUT : WEIR_CRDT_SET,
						 .value = WEIR_STR("new"),
						 .seen = seen,
						 .seen_count = 2});
		rig_tell(&b, &a);
		assert_string_equal(i ? rig_items(&a) : rig_value(&a), i ? "new " : "new");
		assert_true(
			weir_str_eq(rig_pruned(a.t, a.x, rig_all), rig_pruned(a.t, b.x, rig_all)));
	}
}

/* ... and where it was not pruned: what is added there stands above all that is dead, so that nothing of that is left. */
static void test_crdt_what_begins_anew_covers_what_others_pruned(void **state)
{
	static const enum weir_crdt_type types[] = {WEIR_CRDT_ORSET, WEIR_CRDT_ORMAP};

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(types); i++) {
		enum weir_crdt_verb add = i ? WEIR_CRDT_PUT : WEIR_CRDT_ADD;
		struct rig a = rig_of(type_of(types[i], 4), 1), b = rig_of(a.t, 2),
			   c = rig_of(a.t, 3);

		rig_text(&a, add, "x");
		rig_text(&c, add, "z");
		rig_meet(&a, &b);
		rig_tell(&c, &b);
		rig_text(&b, WEIR_CRDT_CLEAR, "");
		rig_tell(&b, &a);
		rig_tell(&c, &a);
		rig_tell(&b, &c);
		rig_tell(&a, &c);
		c.x = rig_pruned(c.t, c.x, rig_all);
		assert_int_equal(c.x.n, 0);
		rig_text(&a, add, "y");
		rig_tell(&a, &c);
		assert_string_equal(rig_items(&a), rig_items(&c));
		assert_true(weir_str_eq(rig_pruned(a.t, a.x, rig_all), c.x));
	}
}

static bool three(void *ctx, const struct weir_crdt_item *item)
{
	(void)item;
	return ++*(int *)ctx < 3;
}

static void test_crdt_orset_add_wins(void **state)
{
	struct rig a = rig_of(type_of(WEIR_CRDT_ORSET, 4), 1), b = rig_of(a.t, 2);
	int n = 0;

	(void)state;
	rig_text(&a, WEIR_CRDT_ADD, "x");
	rig_text(&a, WEIR_CRDT_ADD, "w");
	rig_meet(&a, &b);
	rig_text(&a, WEIR_CRDT_ADD, "x");
	rig_text(&b, WEIR_CRDT_REMOVE, "x");
	assert_string_equal(rig_items(&b), "w ");
	rig_meet(&a, &b);
	assert_string_equal(rig_items(&b), "w x ");
	rig_text(&b, WEIR_CRDT_REMOVE, "x");
	rig_meet(&a, &b);
	assert_string_equal(rig_items(&a), "w ");
	rig_text(&b, WEIR_CRDT_REMOVE, "x");
	assert_int_equal(weir_crdt_seen(b.t, b.x, b.w), 2); /* nothing changed */
	rig_text(&b, WEIR_CRDT_ADD, "a");
	rig_text(&b, WEIR_CRDT_ADD, "b");
	rig_text(&b, WEIR_CRDT_ADD, "c");
	assert_int_equal(rig_text(&b, WEIR_CRDT_ADD, "d"), WEIR_E_RANGE);
	assert_int_equal(rig_text(&b, WEIR_CRDT_ADD, "c"), 0);
	assert_int_equal(rig_number(&b), 4);
	assert_int_equal(weir_crdt_each(b.t, b.x, three, &n), 0);
	assert_int_equal(n, 3);
	rig_text(&b, WEIR_CRDT_CLEAR, "");
	rig_meet(&a, &b);
	assert_int_equal(rig_number(&a), 0);
	assert_int_equal(rig_pruned(a.t, a.x, rig_all).n, 0);
	assert_int_equal(rig_text(&b, WEIR_CRDT_PUT, "x"), WEIR_E_RANGE);
}

static int put(struct rig *r, const char *key, const char *value)
{
	return rig_op(r, (struct weir_crdt_op){.verb = WEIR_CRDT_PUT,
					       .key = weir_str_c(key),
					       .value = weir_str_c(value)});
}

static void count(void *ctx, const struct weir_crdt_conflict *c)
{
	assert_true(weir_str_is(c->key, "k"));
	assert_true(weir_str_is(c->won_value, "from b"));
	++*(int *)ctx;
}

static void test_crdt_ormap_put_wins(void **state)
{
	struct rig a = rig_of(type_of(WEIR_CRDT_ORMAP, 0), 1), b = rig_of(a.t, 2);
	int n = 0;
	struct weir_crdt_conflicts to = {count, &n};
	struct weir_out o;

	(void)state;
	put(&a, "k", "1");
	put(&a, "l", "2");
	rig_meet(&a, &b);
	put(&b, "k", "3");
	rig_text(&a, WEIR_CRDT_REMOVE, "k");
	rig_meet(&a, &b);
	assert_string_equal(rig_items(&a), "k=3 l=2 ");
	/* Not concurrent: the later one wins, whatever its clock says. */
	a.hlc = 0;
	put(&a, "k", "4");
	rig_meet(&a, &b);
	assert_string_equal(rig_items(&b), "k=4 l=2 ");
	put(&a, "k", "from a");
	b.hlc = 50;
	put(&b, "k", "from b");
	weir_out_init(&o, &weir_test_mem);
	weir_crdt_join(a.t, a.x, b.x, &o, &to);
	weir_crdt_join(a.t, b.x, a.x, &o, &to);
	weir_out_fini(&o);
	assert_int_equal(n, 2);
	rig_meet(&a, &b);
	assert_string_equal(rig_items(&a), "k=from b l=2 ");
}

static void test_crdt_log_keeps_the_newest(void **state)
{
	struct rig a = rig_of(type_of(WEIR_CRDT_LOG, 3), 1), b = rig_of(a.t, 2);
	int n = 0;

	(void)state;
	rig_text(&a, WEIR_CRDT_ADD, "a1");
	rig_text(&b, WEIR_CRDT_ADD, "b1");
	rig_text(&b, WEIR_CRDT_ADD, "b2");
	rig_meet(&a, &b);
	assert_string_equal(rig_items(&a), "a1 b1 b2 ");
	b.hlc = 0; /* a clock that went back */
	rig_text(&b, WEIR_CRDT_ADD, "b3");
	rig_text(&b, WEIR_CRDT_ADD, "b4");
	rig_meet(&a, &b);
	assert_string_equal(rig_items(&a), "b2 b3 b4 ");
	assert_int_equal(rig_number(&a), 3);
	assert_int_equal(weir_crdt_each(a.t, a.x, three, &n), 0);
	assert_int_equal(n, 3);
	assert_int_equal(rig_text(&a, WEIR_CRDT_REMOVE, "a1"), WEIR_E_RANGE);
}

static void test_crdt_hll_is_near(void **state)
{
	struct rig r[2] = {rig_of(type_of(WEIR_CRDT_HLL, 0), 1),
			   rig_of(type_of(WEIR_CRDT_HLL, 0), 2)};
	char text[16];
	int64_t n;

	(void)state;
	assert_int_equal(rig_number(&r[0]), 0);
	for (int i = 0; i < 20000; i++) {
		snprintf(text, sizeof(text), "v%d", i);
		rig_text(&r[i % 2], WEIR_CRDT_ADD, text);
		if (i == 99) {
			rig_meet(&r[0], &r[1]);
			assert_in_range(rig_number(&r[0]), 97, 103);
			assert_true(r[0].x.n < 400);
		}
	}
	rig_meet(&r[0], &r[1]);
	n = rig_number(&r[0]);
	assert_in_range(n, 19000, 21000);
	assert_true(r[0].x.n < 2 * 3100);
	assert_int_equal(rig_text(&r[0], WEIR_CRDT_SET, "x"), WEIR_E_RANGE);
}

static int sample(struct rig *r, double v, int64_t times)
{
	uint8_t b[8];

	weir_crdt_f64(v, b);
	return rig_op(r, (struct weir_crdt_op){.verb = WEIR_CRDT_ADD,
					       .amount = times,
					       .value = {(const char *)b, 8}});
}

static void near(double is, double should)
{
	double off = should < 0 ? should - is : is - should, size = should < 0 ? -should : should;

	assert_true(off <= 0.01 * size && -off <= 0.01 * size);
}

static void test_crdt_ddsketch_is_within_a_percent(void **state)
{
	struct rig a = rig_of(type_of(WEIR_CRDT_DDSKETCH, 0), 1), b = rig_of(a.t, 2);

	(void)state;
	assert_true(weir_crdt_quantile(a.x, 0.5) != weir_crdt_quantile(a.x, 0.5));
	for (int i = 1; i <= 1000; i++)
		sample(i % 3 ? &a : &b, i * 0.731, 0);
	rig_meet(&a, &b);
	assert_int_equal(rig_number(&a), 1000);
	for (int q = 0; q <= 100; q++)
		near(weir_crdt_quantile(a.x, q / 100.0), (1 + (int)(999 * (q / 100.0))) * 0.731);
	sample(&a, -1e300, 5000);
	near(weir_crdt_quantile(a.x, 0.1), -1e300);
	sample(&a, 0, 50000);
	assert_true(weir_crdt_quantile(a.x, 0.5) == 0);
	sample(&a, 1.7e308, 1);
	near(weir_crdt_quantile(a.x, 1), 1.7e308);
	assert_int_equal(sample(&a, __builtin_inf(), 1), WEIR_E_RANGE);
	assert_int_equal(sample(&a, 1, -1), WEIR_E_RANGE);
	assert_int_equal(sample(&a, 0, INT64_MAX), WEIR_E_RANGE);
	assert_true(weir_crdt_quantile(a.x, 2) != weir_crdt_quantile(a.x, 2));
	sample(&b, 3, INT64_MAX);
	rig_meet(&a, &b);
	assert_int_equal(weir_crdt_number(a.t, a.x, &(int64_t){0}), WEIR_E_RANGE);
}

static int times(struct rig *r, const char *text, int64_t n)
{
	return rig_op(r, (struct weir_crdt_op){
				 .verb = WEIR_CRDT_ADD, .amount = n, .value = weir_str_c(text)});
}

static void test_crdt_countmin_is_never_too_low(void **state)
{
	struct rig a = rig_of(type_of(WEIR_CRDT_COUNTMIN, 0), 1), b = rig_of(a.t, 2);
	char text[16];

	(void)state;
	assert_int_equal(weir_crdt_estimate(a.x, WEIR_STR("x")), 0);
	for (int i = 0; i < 300; i++) {
		snprintf(text, sizeof(text), "v%d", i);
		times(i % 2 ? &a : &b, text, i);
	}
	times(&a, "v2", 7);
	rig_meet(&a, &b);
	for (int i = 1; i < 300; i++) {
		snprintf(text, sizeof(text), "v%d", i);
		assert_in_range(weir_crdt_estimate(a.x, weir_str_c(text)), i, i + 300);
	}
	assert_in_range(weir_crdt_estimate(a.x, WEIR_STR("v2")), 9, 300);
	assert_int_equal(times(&a, "v1", INT64_MAX), WEIR_E_RANGE);
	assert_int_equal(times(&a, "v1", -1), WEIR_E_RANGE);
	times(&a, "big", INT64_MAX - 400);
	times(&b, "big", INT64_MAX - 400);
	rig_meet(&a, &b);
	assert_true(weir_crdt_estimate(a.x, WEIR_STR("big")) == INT64_MAX);
	assert_int_equal(weir_crdt_estimate(WEIR_STR("\1"), WEIR_STR("x")), 0);
}

static void test_crdt_topk(void **state)
{
	struct rig a = rig_of(type_of(WEIR_CRDT_TOPK, 2), 1), b = rig_of(a.t, 2);
	char text[16];

	(void)state;
	times(&a, "x", 5);
	times(&b, "x", 5);
	times(&a, "y", 9);
	times(&b, "z", 1);
	rig_meet(&a, &b);
	assert_string_equal(rig_items(&a), "x*10 y*9 ");
	times(&b, "y", 1);
	rig_meet(&a, &b);
	assert_string_equal(rig_items(&a), "x*10 y*10 ");
	for (int i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "v%d", i);
		times(&a, text, 0);
	}
	times(&a, "x", 100);
	rig_meet(&a, &b);
	assert_int_equal(strncmp(rig_items(&a), "x*", 2), 0);
	assert_true(a.x.n < 300);
	assert_int_equal(times(&a, "x", INT64_MAX), WEIR_E_RANGE);
	assert_int_equal(times(&a, "x", -1), WEIR_E_RANGE);
}

static int64_t longer(void *ctx, const void *a, size_t an, const void *b, size_t bn, void *out,
		      size_t cap)
{
	if (*(bool *)ctx || an + bn > cap)
		return -1;
	memcpy(out, an >= bn ? a : b, an >= bn ? an : bn);
	return (int64_t)(an >= bn ? an : bn);
}

static int64_t three_ways(void *ctx, const void *base, size_t basen, const void *a, size_t an,
			  const void *b, size_t bn, void *out, size_t cap)
{
	(void)ctx;
	return snprintf(out, cap, "%.*s(%.*s|%.*s)", (int)basen, (const char *)base, (int)an,
			(const char *)a, (int)bn, (const char *)b);
}

static void test_crdt_custom(void **state)
{
	bool cannot = false;
	struct weir_crdt_custom c = {.join = longer, .ctx = &cannot};
	struct weir_crdt t = {.type = WEIR_CRDT_CUSTOM, .limit = 20, .custom = &c};
	struct rig a = rig_of(&t, 1), b = rig_of(&t, 2);
	struct weir_out o;

	(void)state;
	rig_text(&a, WEIR_CRDT_SET, "long one");
	b.hlc = 9;
	rig_text(&b, WEIR_CRDT_SET, "short");
	rig_meet(&a, &b);
	assert_string_equal(rig_value(&a), "long one");
	assert_true(weir_str_eq(a.x, b.x));
	cannot = true;
	weir_out_init(&o, &weir_test_mem);
	weir_crdt_join(&t, a.x, b.x, &o, NULL);
	a.x = rig_take(&o);
	assert_string_equal(rig_value(&a), "short");
	assert_int_equal(rig_text(&a, WEIR_CRDT_SET, "more than twenty bytes"), WEIR_E_RANGE);
	rig_text(&a, WEIR_CRDT_SET, "after both");
	assert_string_equal(rig_value(&a), "after both");
	rig_text(&a, WEIR_CRDT_CLEAR, "");
	assert_string_equal(rig_value(&a), "(none)");
	assert_int_equal(rig_pruned(&t, a.x, rig_all).n, 0);
}

static void test_crdt_custom_three_ways_has_the_newest_base(void **state)
{
	struct weir_crdt_custom c = {.merge3 = three_ways};
	struct weir_crdt t = {.type = WEIR_CRDT_CUSTOM, .limit = 100, .custom = &c};
	struct rig a = rig_of(&t, 1), b = rig_of(&t, 2);

	(void)state;
	rig_text(&a, WEIR_CRDT_SET, "0");
	rig_text(&a, WEIR_CRDT_SET, "1");
	rig_tell(&a, &b);
	rig_text(&a, WEIR_CRDT_SET, "2");
	rig_text(&a, WEIR_CRDT_SET, "3");
	rig_text(&b, WEIR_CRDT_SET, "x");
	rig_text(&b, WEIR_CRDT_SET, "y");
	rig_meet(&a, &b);
	assert_string_equal(rig_value(&a), "1(3|y)");
	rig_text(&b, WEIR_CRDT_SET, "z");
	rig_tell(&b, &a);
	assert_string_equal(rig_value(&a), "z");
	rig_text(&a, WEIR_CRDT_SET, "4");
	rig_text(&b, WEIR_CRDT_SET, "u");
	rig_meet(&a, &b);
	assert_string_equal(rig_value(&b), "z(4|u)");
}

static void test_crdt_refuses_what_is_not_canonical(void **state)
{
	struct rig r = rig_of(type_of(WEIR_CRDT_ORSET, 0), 1);
	struct weir_dot dot = {.writer = 0, .version = 1};
	struct weir_crdt_op op = {.verb = WEIR_CRDT_ADD, .value = WEIR_STR("x")};
	struct weir_str bad = WEIR_STR("\1\1\2\0\x80");
	struct weir_crdt_item item;
	struct weir_out o;
	int64_t n;
	uint64_t at = 0;

	(void)state;
	weir_out_init(&o, &weir_test_mem);
	assert_int_equal(weir_crdt_apply(r.t, r.x, &op, &dot, &o), WEIR_E_RANGE);
	dot = (struct weir_dot){.writer = 1, .version = UINT64_MAX};
	assert_int_equal(weir_crdt_apply(r.t, r.x, &op, &dot, &o), WEIR_E_RANGE);
	for (unsigned i = 1; i < WEIR_CRDT_TYPE_COUNT; i++) {
		const struct weir_crdt *t = type_of((enum weir_crdt_type)i, 0);

		bad.n = i == WEIR_CRDT_MAX || i == WEIR_CRDT_MIN ? 4 : 5;
		dot = (struct weir_dot){.writer = 1, .version = 1};
		assert_int_equal(weir_crdt_check(t, bad), WEIR_E_CORRUPT);
		assert_int_equal(weir_crdt_join(t, bad, r.x, &o, NULL), WEIR_E_CORRUPT);
		assert_int_equal(weir_crdt_join(t, r.x, bad, &o, NULL), WEIR_E_CORRUPT);
		assert_int_equal(weir_crdt_apply(t, bad, &op, &dot, &o), WEIR_E_CORRUPT);
		assert_int_equal(weir_crdt_own(t, bad, 1, &o), WEIR_E_CORRUPT);
		assert_int_equal(weir_crdt_prune(t, bad, rig_all, NULL, &o), WEIR_E_CORRUPT);
		assert_int_equal(weir_crdt_number(t, bad, &n), WEIR_E_CORRUPT);
		assert_int_equal(weir_crdt_each(t, bad, three, &n), WEIR_E_CORRUPT);
		assert_false(weir_crdt_next(t, bad, &at, &item));
		assert_int_equal(weir_crdt_check(t, WEIR_STR("\1\1")), WEIR_E_CORRUPT);
		assert_int_equal(weir_crdt_seen(t, WEIR_STR("\1\1"), 1), 0);
		assert_int_equal(o.bytes, 0);
	}
	weir_out_fini(&o);
}

static int check(enum weir_crdt_type type, const void *body, size_t n)
{
	struct weir_str s = {body, n}, v;
	struct weir_out o;

	weir_out_init(&o, &weir_test_mem);
	weir_out_varint(&o, 5); /* writer */
	weir_out_varint(&o, 9); /* version */
	weir_out_text(&o, s);
	v = rig_take(&o);
	return weir_crdt_check(type_of(type, 0), v);
}

#define GOOD(type, lit) assert_int_equal(check(type, lit, sizeof(lit) - 1), 0)
#define BAD(type, lit) assert_int_equal(check(type, lit, sizeof(lit) - 1), WEIR_E_CORRUPT)

static void test_crdt_bodies_have_one_form(void **state)
{
	uint8_t dense[3072];

	(void)state;
	/* bcount: minted, used, writer and amount */
	GOOD(WEIR_CRDT_BCOUNT, "\7\2\1\3\6\1");
	BAD(WEIR_CRDT_BCOUNT, "\7\2\6\1\1\3");
	BAD(WEIR_CRDT_BCOUNT, "\7\2\5\1");
	BAD(WEIR_CRDT_BCOUNT, "\7\2\6\0");
	/* elements: text, then runs */
	GOOD(WEIR_CRDT_ORSET, "\6\1a\2\1b\3\3\4\1\2\5\1");
	BAD(WEIR_CRDT_ORSET, "\6\1b\2\1a\3");
	BAD(WEIR_CRDT_ORSET, "\3\1b\12");
	BAD(WEIR_CRDT_ORSET, "\3\1b\0");
	BAD(WEIR_CRDT_ORSET, "\0\3\0");
	BAD(WEIR_CRDT_ORSET, "\0\5\2\1\2");
	BAD(WEIR_CRDT_ORSET, "\0\3\4\1\2\4\1");
	BAD(WEIR_CRDT_ORSET, "\0\3\2\0\1");
	BAD(WEIR_CRDT_ORSET, "\0\4\2\1\1\3\2\1\1");
	/* log: version and hlc go up, the last is the part's */
	GOOD(WEIR_CRDT_LOG, "\2\1\0\0\0\0\0\0\0\1a\11\1\0\0\0\0\0\0\0\1b");
	BAD(WEIR_CRDT_LOG, "\2\2\0\0\0\0\0\0\0\1a\11\1\0\0\0\0\0\0\0\1b");
	BAD(WEIR_CRDT_LOG, "\2\1\0\0\0\0\0\0\0\1a");
	/* register: flags, hlc, context */
	GOOD(WEIR_CRDT_LWW, "\1\0\0\0\0\0\0\0\0\2\3\1x");
	BAD(WEIR_CRDT_LWW, "\0\0\0\0\0\0\0\0\0\2\3\1x");
	BAD(WEIR_CRDT_LWW, "\1\0\0\0\0\0\0\0\0\2\5\1x");
	BAD(WEIR_CRDT_LWW, "\3\0\0\0\0\0\0\0\0\0\0\0x");
	BAD(WEIR_CRDT_FLAG, "\1\0\0\0\0\0\0\0\0\0x");
	GOOD(WEIR_CRDT_TOPK, "\1a\2\1\1b\1\0");
	BAD(WEIR_CRDT_TOPK, "\1b\2\1\1a\1\0");
	BAD(WEIR_CRDT_TOPK, "\1a\2\2");
	GOOD(WEIR_CRDT_HLL, "\1\0\0\1\1\0");
	BAD(WEIR_CRDT_HLL, "\1\1\0\1\0\0");
	BAD(WEIR_CRDT_HLL, "\0\1\0");
	memset(dense, 0, sizeof(dense));
	assert_int_equal(check(WEIR_CRDT_HLL, dense, sizeof(dense)), WEIR_E_CORRUPT);
	memset(dense, 0x41, sizeof(dense));
	assert_int_equal(check(WEIR_CRDT_HLL, dense, sizeof(dense)), 0);
	dense[0] = 0xff;
	assert_int_equal(check(WEIR_CRDT_HLL, dense, sizeof(dense)), WEIR_E_CORRUPT);
	/* A merged text without concurrent writes; writers that do not ascend. */
	assert_int_equal(weir_crdt_check(type_of(WEIR_CRDT_CUSTOM, 0), WEIR_STR("\0\1\1x")),
			 WEIR_E_CORRUPT);
	assert_int_equal(weir_crdt_check(type_of(WEIR_CRDT_MAX, 0), WEIR_STR("\2\1\0\1\1\0")),
			 WEIR_E_CORRUPT);
}

static void test_crdt_bcount_grants_stay_in_order(void **state)
{
	struct rig a = rig_of(type_of(WEIR_CRDT_BCOUNT, 0), 1);

	(void)state;
	rig_amount(&a, WEIR_CRDT_ADD, INT64_MAX);
	assert_int_equal(grant(&a, 2, W(9)), 0);
	assert_int_equal(grant(&a, 3, W(5)), 0);
	assert_int_equal(grant(&a, 4, W(7)), 0);
	assert_int_equal(grant(&a, 5, W(5)), 0);
	assert_int_equal(rig_number(&a) - INT64_MAX, 0);
}

/* A part that is empty and wholly covered goes; one whose removals the other has not seen stays. */
static void test_crdt_sets_drop_parts_that_say_nothing(void **state)
{
	struct rig a = rig_of(type_of(WEIR_CRDT_ORSET, 0), 1), b = rig_of(a.t, 2);
	struct rig c = rig_of(a.t, 3);

	(void)state;
	rig_text(&c, WEIR_CRDT_ADD, "x");
	rig_text(&c, WEIR_CRDT_ADD, "y");
	rig_tell(&c, &a);
	rig_text(&a, WEIR_CRDT_REMOVE, "x");
	rig_tell(&a, &b);
	rig_text(&b, WEIR_CRDT_CLEAR, "");
	rig_meet(&a, &b);
	rig_tell(&c, &b);
	/* b has not seen c's part: a's removal of x is not b's. */
	b.x = rig_pruned(b.t, b.x, rig_all);
	assert_string_equal(rig_items(&b), "y ");
	assert_true(weir_crdt_seen(b.t, b.x, a.w) > 0);
	rig_text(&b, WEIR_CRDT_CLEAR, "");
	rig_text(&b, WEIR_CRDT_ADD, "z");
	b.x = rig_pruned(b.t, b.x, rig_all);
	assert_string_equal(rig_items(&b), "z ");
	assert_int_equal(weir_crdt_seen(b.t, b.x, a.w), 0);
	assert_int_equal(weir_crdt_seen(b.t, b.x, c.w), 0);
}

static void test_crdt_has_room_for_so_many_writers(void **state)
{
	struct rig all = rig_of(type_of(WEIR_CRDT_PCOUNT, 0), 1000), one;

	(void)state;
	for (uint32_t i = 1; i <= WEIR_CRDT_PARTS; i++) {
		one = rig_of(all.t, i);
		rig_amount(&one, WEIR_CRDT_ADD, 1);
		rig_tell(&one, &all);
	}
	assert_int_equal(rig_number(&all), WEIR_CRDT_PARTS);
	assert_int_equal(rig_amount(&all, WEIR_CRDT_ADD, 1), WEIR_E_RANGE);
	one = rig_of(all.t, 999);
	rig_amount(&one, WEIR_CRDT_ADD, 1);
	{
		struct weir_out o;

		weir_out_init(&o, &weir_test_mem);
		assert_int_equal(weir_crdt_join(all.t, all.x, one.x, &o, NULL), WEIR_E_RANGE);
		weir_out_fini(&o);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_crdt_names),
	cmocka_unit_test(test_crdt_numbers_have_the_order_of_bytes),
	cmocka_unit_test(test_crdt_pcount),
	cmocka_unit_test(test_crdt_bcount_is_never_below_zero),
	cmocka_unit_test(test_crdt_max_and_min),
	cmocka_unit_test(test_crdt_flags),
	cmocka_unit_test(test_crdt_mv_keeps_concurrent_writes),
	cmocka_unit_test(test_crdt_a_pruned_key_that_comes_back_is_newer),
	cmocka_unit_test(test_crdt_what_begins_anew_covers_what_others_pruned),
	cmocka_unit_test(test_crdt_orset_add_wins),
	cmocka_unit_test(test_crdt_ormap_put_wins),
	cmocka_unit_test(test_crdt_log_keeps_the_newest),
	cmocka_unit_test(test_crdt_hll_is_near),
	cmocka_unit_test(test_crdt_ddsketch_is_within_a_percent),
	cmocka_unit_test(test_crdt_countmin_is_never_too_low),
	cmocka_unit_test(test_crdt_topk),
	cmocka_unit_test(test_crdt_custom),
	cmocka_unit_test(test_crdt_custom_three_ways_has_the_newest_base),
	cmocka_unit_test(test_crdt_refuses_what_is_not_canonical),
	cmocka_unit_test(test_crdt_bodies_have_one_form),
	cmocka_unit_test(test_crdt_bcount_grants_stay_in_order),
	cmocka_unit_test(test_crdt_sets_drop_parts_that_say_nothing),
	cmocka_unit_test(test_crdt_has_room_for_so_many_writers),
};

WEIR_TEST_MAIN("crdt", tests)
