/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stress/stress.h - run time, clock and random numbers for the stress programs.
 *
 * WEIR_STRESS_SECONDS says how long one program runs (default 4), WEIR_STRESS_SEED repeats the
 * random choices (not the timing).
 */
#ifndef WEIR_TESTS_STRESS_STRESS_H
#define WEIR_TESTS_STRESS_STRESS_H

#include <time.h>

#include "tests/lib/test.h"

static inline int64_t stress_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * WEIR_NS_PER_S + t.tv_nsec;
}

/* Share of the program's time for one of `parts` test cases. */
static inline int64_t stress_part_ns(int parts)
{
	const char *s = getenv("WEIR_STRESS_SECONDS");
	double seconds = s ? strtod(s, NULL) : 4;

	return (int64_t)(seconds * 1e9) / parts;
}

static inline uint64_t stress_seed(void)
{
	const char *s = getenv("WEIR_STRESS_SEED");

	return s ? strtoull(s, NULL, 0) : (uint64_t)stress_now_ns();
}

/* splitmix64 (Sebastiano Vigna, public domain) */
static inline uint64_t stress_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline void stress_pause(int64_t ns)
{
	struct timespec t = {.tv_sec = ns / WEIR_NS_PER_S, .tv_nsec = ns % WEIR_NS_PER_S};

	nanosleep(&t, NULL);
}

#endif
