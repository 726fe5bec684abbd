/* SPDX-License-Identifier: Apache-2.0 */
/* The laws hold for every type, and the checker finds merges that break them. */
#include <string.h>

#include "state/crdt_laws.h"
#include "tests/lib/test.h"

#define CASES 10000u

static struct weir_crdt type_of(enum weir_crdt_type type)
{
	struct weir_crdt t = {.type = type};

	if (type == WEIR_CRDT_ORSET || type == WEIR_CRDT_ORMAP || type == WEIR_CRDT_LOG)
		t.limit = 4;
	if (type == WEIR_CRDT_TOPK)
		t.limit = 1;
	if (type == WEIR_CRDT_CUSTOM)
		t.limit = 64;
	return t;
}

static void test_laws_hold_for_every_type(void **state)
{
	(void)state;
	for (int i = 1; i < WEIR_CRDT_TYPE_COUNT; i++) {
		struct weir_crdt t = type_of((enum weir_crdt_type)i);
		struct weir_err err = {0};

		if (weir_crdt_laws(&t, 1, CASES, &weir_test_mem, &err))
			fail_msg("%s", err.text);
	}
}

/* ---- users' merges ---- */

/* A set of letters: bytes ascend, none twice. */
static int64_t letters(void *ctx, const void *a, size_t an, const void *b, size_t bn, void *out,
		       size_t cap)
{
	bool has[256] = {0};
	int64_t n = 0;

	(void)ctx;
	for (size_t i = 0; i < an; i++)
		has[((const uint8_t *)a)[i]] = true;
	for (size_t i = 0; i < bn; i++)
		has[((const uint8_t *)b)[i]] = true;
	for (size_t i = 0; i < 256; i++)
		if (has[i] && (size_t)n < cap)
			((uint8_t *)out)[n++] = (uint8_t)i;
	return n;
}

static size_t some_letters(void *ctx, uint64_t random, void *out, size_t cap)
{
	size_t n = 0;

	(void)ctx;
	for (unsigned i = 0; i < 6 && n < cap; i++)
		if (random >> i & 1)
			((uint8_t *)out)[n++] = (uint8_t)('a' + i);
	return n;
}

static int64_t first_one(void *ctx, const void *a, size_t an, const void *b, size_t bn, void *out,
			 size_t cap)
{
	(void)ctx;
	(void)b;
	(void)bn;
	if (an > cap)
		return -1;
	memcpy(out, a, an);
	return (int64_t)an;
}

/* Adds bytes up: twice the same is not the same. */
static int64_t sums(void *ctx, const void *a, size_t an, const void *b, size_t bn, void *out,
		    size_t cap)
{
	uint8_t *o = out;
	size_t n = an > bn ? an : bn;

	(void)ctx;
	if (n > cap)
		return -1;
	for (size_t i = 0; i < n; i++)
		o[i] = (uint8_t)((i < an ? ((const uint8_t *)a)[i] : 0) +
				 (i < bn ? ((const uint8_t *)b)[i] : 0));
	return (int64_t)n;
}

/* The mean of first bytes: commutative, idempotent, and not associative. */
static int64_t means(void *ctx, const void *a, size_t an, const void *b, size_t bn, void *out,
		     size_t cap)
{
	unsigned x = an ? *(const uint8_t *)a : 0, y = bn ? *(const uint8_t *)b : 0;

	(void)ctx;
	(void)cap;
	*(uint8_t *)out = (uint8_t)((x + y) / 2);
	return 1;
}

static size_t one_byte(void *ctx, uint64_t random, void *out, size_t cap)
{
	(void)ctx;
	(void)cap;
	*(uint8_t *)out = (uint8_t)random;
	return 1;
}

/* As with a clock: another answer each time. */
static int64_t ticks(void *ctx, const void *a, size_t an, const void *b, size_t bn, void *out,
		     size_t cap)
{
	(void)a;
	(void)an;
	(void)b;
	(void)bn;
	(void)cap;
	*(uint8_t *)out = (uint8_t)++ * (unsigned *)ctx;
	return 1;
}

static int64_t cannot(void *ctx, const void *a, size_t an, const void *b, size_t bn, void *out,
		      size_t cap)
{
	(void)ctx;
	(void)a;
	(void)an;
	(void)b;
	(void)bn;
	(void)out;
	(void)cap;
	return -1;
}

static int64_t too_long(void *ctx, const void *a, size_t an, const void *b, size_t bn, void *out,
			size_t cap)
{
	(void)ctx;
	(void)a;
	(void)an;
	(void)b;
	(void)bn;
	(void)out;
	return (int64_t)cap + 1;
}

static int laws_of(const struct weir_crdt_custom *c,
		   size_t (*value)(void *ctx, uint64_t random, void *out, size_t cap),
		   struct weir_err *err)
{
	struct weir_crdt t = {.type = WEIR_CRDT_CUSTOM, .limit = 64, .custom = c};
	struct weir_crdt_values v = {.value = value};

	*err = (struct weir_err){0};
	return weir_crdt_laws_with(&t, value ? &v : NULL, 1, 2000, &weir_test_mem, err);
}

static void test_laws_let_good_merges_pass(void **state)
{
	struct weir_crdt_custom set = {.join = letters}, never = {.join = cannot};
	struct weir_err err;

	(void)state;
	if (laws_of(&set, some_letters, &err) || laws_of(&never, NULL, &err))
		fail_msg("%s", err.text);
}

static void found(const struct weir_crdt_custom *c,
		  size_t (*value)(void *ctx, uint64_t random, void *out, size_t cap),
		  const char *law)
{
	struct weir_err err;

	assert_int_equal(laws_of(c, value, &err), WEIR_E_FORMAT);
	if (!strstr(err.text, law) || !strstr(err.text, "seed 1, case"))
		fail_msg("%s", err.text);
}

static void test_laws_find_merges_that_break_them(void **state)
{
	unsigned clock = 0;
	struct weir_crdt_custom first = {.join = first_one}, sum = {.join = sums};
	struct weir_crdt_custom mean = {.join = means}, tick = {.join = ticks, .ctx = &clock};
	struct weir_crdt_custom longer = {.join = too_long};

	(void)state;
	found(&first, some_letters, "commutative");
	found(&sum, one_byte, "idempotent");
	found(&mean, one_byte, "associative");
	found(&tick, one_byte, "when asked again");
	found(&longer, one_byte, "room");
}

/* ---- three ways ---- */

/* Counters of one byte: both changes on top of the base. */
static int64_t both_changes(void *ctx, const void *base, size_t basen, const void *a, size_t an,
			    const void *b, size_t bn, void *out, size_t cap)
{
	unsigned o = basen ? *(const uint8_t *)base : 0;

	(void)ctx;
	(void)cap;
	if (an == bn && (!an || *(const uint8_t *)a == *(const uint8_t *)b)) {
		memcpy(out, a, an);
		return (int64_t)an;
	}
	*(uint8_t *)out =
		(uint8_t)((an ? *(const uint8_t *)a : 0) + (bn ? *(const uint8_t *)b : 0) - o);
	return 1;
}

static int64_t takes_a(void *ctx, const void *base, size_t basen, const void *a, size_t an,
		       const void *b, size_t bn, void *out, size_t cap)
{
	(void)base;
	(void)basen;
	return first_one(ctx, a, an, b, bn, out, cap);
}

static int64_t takes_none(void *ctx, const void *base, size_t basen, const void *a, size_t an,
			  const void *b, size_t bn, void *out, size_t cap)
{
	(void)base;
	(void)basen;
	return letters(ctx, a, an, b, bn, out, cap);
}

static void test_laws_of_merges_of_three(void **state)
{
	struct weir_crdt_custom good = {.merge3 = both_changes}, a = {.merge3 = takes_a};
	struct weir_crdt_custom none = {.merge3 = takes_none};
	struct weir_err err;

	(void)state;
	if (laws_of(&good, one_byte, &err))
		fail_msg("%s", err.text);
	found(&a, some_letters, "commutative");
	found(&none, some_letters, "side that changed");
}

static void test_laws_give_the_same_counterexample_again(void **state)
{
	struct weir_crdt_custom sum = {.join = sums};
	struct weir_err a, b;

	(void)state;
	assert_int_equal(laws_of(&sum, one_byte, &a), WEIR_E_FORMAT);
	assert_int_equal(laws_of(&sum, one_byte, &b), WEIR_E_FORMAT);
	assert_string_equal(a.text, b.text);
	assert_non_null(strstr(a.text, "0 steps"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_laws_hold_for_every_type),
	cmocka_unit_test(test_laws_let_good_merges_pass),
	cmocka_unit_test(test_laws_find_merges_that_break_them),
	cmocka_unit_test(test_laws_of_merges_of_three),
	cmocka_unit_test(test_laws_give_the_same_counterexample_again),
};

WEIR_TEST_MAIN("crdt_laws", tests)
