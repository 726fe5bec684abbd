/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/prng.h - a small random generator with a seed: the same numbers everywhere.
 *
 * Use:    one generator per purpose, derived from one seed by name, so that drawing more for one purpose does
 *         not change another. Not for secrets.
 * Source: SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
 */
#ifndef WEIR_BASE_PRNG_H
#define WEIR_BASE_PRNG_H

#include "base/base.h"

struct weir_prng {
	uint64_t state;
};

weir_inline uint64_t weir_prng_u64(struct weir_prng *p)
{
	uint64_t z = (p->state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* 0 .. n-1; n at least 1. */
weir_inline uint64_t weir_prng_below(struct weir_prng *p, uint64_t n)
{
	return (uint64_t)(((unsigned __int128)weir_prng_u64(p) * n) >> 64);
}

/* low .. high, both included. */
weir_inline uint64_t weir_prng_range(struct weir_prng *p, uint64_t low, uint64_t high)
{
	return low + weir_prng_below(p, high - low + 1);
}

/* true in num of den cases. */
weir_inline bool weir_prng_chance(struct weir_prng *p, uint64_t num, uint64_t den)
{
	return weir_prng_below(p, den) < num;
}

weir_inline struct weir_prng weir_prng_of(uint64_t seed, const char *purpose)
{
	struct weir_prng p = {.state = seed};

	for (; *purpose; purpose++) {
		p.state ^= (uint8_t)*purpose;
		p.state = weir_prng_u64(&p);
	}
	return p;
}

#endif
