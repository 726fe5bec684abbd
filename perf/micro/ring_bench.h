/* SPDX-License-Identifier: Apache-2.0 */
/*
 * perf/micro/ring_bench.h - what a contestant of the ring benchmark looks like.
 *
 * Every contestant moves the same records, which are really written and summed up, by its own public
 * interface: one by one, in batches with a copy, or in place where it can. Each lives in its own
 * file and is compiled with the same flags.
 */
#ifndef WEIR_PERF_MICRO_RING_BENCH_H
#define WEIR_PERF_MICRO_RING_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "perf/lib/bench.h"

struct rec8 {
	uint64_t w;
};

struct rec64 {
	uint64_t w[8];
} __attribute__((aligned(64)));

static inline void rec8_fill(struct rec8 *r, uint64_t i)
{
	r->w = i + 1;
}

static inline uint64_t rec8_sum(const struct rec8 *r)
{
	return r->w;
}

static inline void rec64_fill(struct rec64 *r, uint64_t i)
{
	for (unsigned k = 0; k < 8; k++)
		r->w[k] = i + k;
}

static inline uint64_t rec64_sum(const struct rec64 *r)
{
	uint64_t s = 0;

	for (unsigned k = 0; k < 8; k++)
		s += r->w[k];
	return s;
}

/* Memory for one contestant at a time. */
struct ring_pool {
	uint8_t *at, *end;
	bool huge; /* for those who bring their own: huge pages are wanted and free */
};

static inline void *ring_pool_get(struct ring_pool *p, size_t n)
{
	uint8_t *at = (uint8_t *)(((uintptr_t)p->at + 4095) & ~(uintptr_t)4095);

	if (n > (size_t)(p->end - at)) {
		fprintf(stderr, "the benchmark's memory is too small\n");
		exit(1);
	}
	p->at = at + n;
	memset(at, 0, n);
	return at;
}

/* One way to use one ring. spin: pauses after a failed try. */
struct ring_contestant {
	const char *name;
	unsigned record, batch; /* bytes; records */
	/* A ring of this many records (a power of two). */
	void *(*open)(struct ring_pool *pool, uint64_t records, unsigned record);
	void (*close)(void *q);
	void (*produce)(void *q, uint64_t n, unsigned spin);
	uint64_t (*consume)(void *q, uint64_t n, unsigned spin); /* sum over all words */
	/* n round trips of 8 bytes over two rings; NULL: not measured. */
	void (*ping)(void *out, void *in, uint64_t n);
	void (*pong)(void *out, void *in, uint64_t n);
};

struct ring_contestants {
	const struct ring_contestant *c;
	size_t count;
};

#ifdef __cplusplus
#define RING_EXTERN extern "C"
#else
#define RING_EXTERN extern
#endif
RING_EXTERN const struct ring_contestants ring_weir, ring_dpdk, ring_ck, ring_boost, ring_limit;

static inline void ring_spin(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		bench_relax();
}

/* Loops for rings that copy one record: push(q, &r) and pop(q, &r) return true when done. */
#define RING_SINGLE_LOOPS(name, rec, push, pop)                                                    \
	static void name##_produce(void *q, uint64_t n, unsigned spin)                             \
	{                                                                                          \
		for (uint64_t i = 0; i < n; i++) {                                                 \
			struct rec r;                                                              \
                                                                                                   \
			rec##_fill(&r, i);                                                         \
			while (!push(q, &r))                                                       \
				ring_spin(spin);                                                   \
		}                                                                                  \
	}                                                                                          \
	static uint64_t name##_consume(void *q, uint64_t n, unsigned spin)                         \
	{                                                                                          \
		uint64_t sum = 0;                                                                  \
                                                                                                   \
		for (uint64_t i = 0; i < n; i++) {                                                 \
			struct rec r;                                                              \
                                                                                                   \
			while (!pop(q, &r))                                                        \
				ring_spin(spin);                                                   \
			sum += rec##_sum(&r);                                                      \
		}                                                                                  \
		return sum;                                                                        \
	}

/* Batches with a copy: push(q, r, n) and pop(q, r, n) return how many. n is a multiple of 32. */
#define RING_BULK_LOOPS(name, rec, push, pop)                                                      \
	static void name##_produce(void *q, uint64_t n, unsigned spin)                             \
	{                                                                                          \
		struct rec r[32];                                                                  \
                                                                                                   \
		for (uint64_t i = 0; i < n; i += 32) {                                             \
			unsigned done = 0;                                                         \
                                                                                                   \
			for (unsigned k = 0; k < 32; k++)                                          \
				rec##_fill(&r[k], i + k);                                          \
			while ((done += (unsigned)push(q, r + done, 32 - done)) < 32)              \
				ring_spin(spin);                                                   \
		}                                                                                  \
	}                                                                                          \
	static uint64_t name##_consume(void *q, uint64_t n, unsigned spin)                         \
	{                                                                                          \
		struct rec r[32];                                                                  \
		uint64_t sum = 0;                                                                  \
                                                                                                   \
		for (uint64_t i = 0; i < n;) {                                                     \
			unsigned got = (unsigned)pop(q, r, 32);                                    \
                                                                                                   \
			if (!got)                                                                  \
				ring_spin(spin);                                                   \
			for (unsigned k = 0; k < got; k++)                                         \
				sum += rec##_sum(&r[k]);                                           \
			i += got;                                                                  \
		}                                                                                  \
		return sum;                                                                        \
	}

/* Round trips; the number comes back. */
#define RING_RTT_LOOPS(name, push, pop)                                                            \
	static void name##_ping(void *out, void *in, uint64_t n)                                   \
	{                                                                                          \
		for (uint64_t i = 0; i < n; i++) {                                                 \
			struct rec8 r = {i};                                                       \
                                                                                                   \
			while (!push(out, &r))                                                     \
				;                                                                  \
			while (!pop(in, &r))                                                       \
				;                                                                  \
			if (r.w != i)                                                              \
				abort();                                                           \
		}                                                                                  \
	}                                                                                          \
	static void name##_pong(void *out, void *in, uint64_t n)                                   \
	{                                                                                          \
		for (uint64_t i = 0; i < n; i++) {                                                 \
			struct rec8 r;                                                             \
                                                                                                   \
			while (!pop(in, &r))                                                       \
				;                                                                  \
			while (!push(out, &r))                                                     \
				;                                                                  \
		}                                                                                  \
	}

#endif
