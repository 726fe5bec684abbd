/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/engine/save_case.h - what the tests of saved states share: bytes of an output, damage.
 *
 * Bytes are in a block of their own size, so that reading behind them is an error.
 */
#ifndef WEIR_TESTS_UNIT_ENGINE_SAVE_CASE_H
#define WEIR_TESTS_UNIT_ENGINE_SAVE_CASE_H

#include "base/bytes.h"
#include "base/prng.h"
#include "tests/lib/test.h"

struct saved {
	uint8_t *p;
	size_t n;
};

/* Takes the bytes out of o. */
static inline struct saved saved_of(struct weir_out *o)
{
	struct saved s = {.p = malloc(o->bytes + !o->bytes), .n = o->bytes};

	assert_non_null(s.p);
	weir_out_copy(o, s.p);
	weir_out_fini(o);
	return s;
}

static inline struct saved saved_copy(const struct saved *s, size_t n)
{
	struct saved c = {.p = malloc(n + !n), .n = n};

	assert_non_null(c.p);
	memcpy(c.p, s->p, n);
	return c;
}

static inline void saved_free(struct saved *s)
{
	free(s->p);
}

static inline void saved_same(const struct saved *a, const struct saved *b)
{
	assert_int_equal(a->n, b->n);
	assert_memory_equal(a->p, b->p, a->n);
}

/* A few bits or bytes changed, or all. */
static inline struct saved saved_damaged(const struct saved *s, struct weir_prng *rnd)
{
	struct saved c = saved_copy(s, s->n);
	uint64_t how = weir_prng_below(rnd, 8);
	uint64_t times = 1 + weir_prng_below(rnd, 3);

	for (uint64_t i = 0; i < times; i++)
		c.p[weir_prng_below(rnd, c.n)] ^= (uint8_t)(1u << weir_prng_below(rnd, 8));
	if (how == 0)
		c.p[weir_prng_below(rnd, c.n)] = (uint8_t)weir_prng_u64(rnd);
	for (size_t i = 0; how == 1 && i < c.n; i++)
		c.p[i] = (uint8_t)weir_prng_u64(rnd);
	return c;
}

/* Every prefix, which must be refused, and `times` damaged ones. */
static inline void saved_try_damage(const struct saved *s, struct weir_prng *rnd, int times,
				    void (*try_load)(const struct saved *s, bool must_fail))
{
	struct saved bad;

	for (size_t cut = 0; cut < s->n; cut++) {
		bad = saved_copy(s, cut);
		try_load(&bad, true);
		saved_free(&bad);
	}
	for (int i = 0; i < times; i++) {
		bad = saved_damaged(s, rnd);
		try_load(&bad, false);
		saved_free(&bad);
	}
}

#endif
