/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limit of the cores themselves: two halves of a buffer as large as the ring go back and forth,
 * one number for each half. No ring can be much faster with the same memory. Its round trip is the
 * ping-pong of a single line.
 */
#include "perf/micro/ring_bench.h"

struct limit {
	uint64_t written __attribute__((aligned(BENCH_LINE)));
	uint64_t read __attribute__((aligned(BENCH_LINE)));
	uint64_t half __attribute__((aligned(BENCH_LINE))); /* records */
	void *data;
};

static void *limit_open(struct ring_pool *pool, uint64_t records, unsigned record)
{
	struct limit *l = ring_pool_get(pool, sizeof(*l));

	l->half = records / 2;
	l->data = ring_pool_get(pool, records * record);
	return l;
}

static void limit_close(void *q)
{
	(void)q;
}

#define LOOPS(name, rec)                                                                           \
	static void name##_produce(void *q, uint64_t n, unsigned spin)                             \
	{                                                                                          \
		struct limit *l = q;                                                               \
		uint64_t half = l->half;                                                           \
                                                                                                   \
		for (uint64_t i = 0; i < n; i += half) {                                           \
			struct rec *r = (struct rec *)l->data + (i / half & 1) * half;             \
			uint64_t k = n - i < half ? n - i : half;                                  \
                                                                                                   \
			while (i >= 2 * half &&                                                    \
			       __atomic_load_n(&l->read, __ATOMIC_ACQUIRE) < i - half)             \
				ring_spin(spin);                                                   \
			for (uint64_t j = 0; j < k; j++)                                           \
				rec##_fill(&r[j], i + j);                                          \
			__atomic_store_n(&l->written, i + k, __ATOMIC_RELEASE);                    \
		}                                                                                  \
	}                                                                                          \
	static uint64_t name##_consume(void *q, uint64_t n, unsigned spin)                         \
	{                                                                                          \
		struct limit *l = q;                                                               \
		uint64_t half = l->half, sum = 0;                                                  \
                                                                                                   \
		for (uint64_t i = 0; i < n; i += half) {                                           \
			const struct rec *r = (const struct rec *)l->data + (i / half & 1) * half; \
			uint64_t k = n - i < half ? n - i : half;                                  \
                                                                                                   \
			while (__atomic_load_n(&l->written, __ATOMIC_ACQUIRE) < i + k)             \
				ring_spin(spin);                                                   \
			for (uint64_t j = 0; j < k; j++)                                           \
				sum += rec##_sum(&r[j]);                                           \
			__atomic_store_n(&l->read, i + k, __ATOMIC_RELEASE);                       \
		}                                                                                  \
		return sum;                                                                        \
	}

LOOPS(limit8, rec8)
LOOPS(limit64, rec64)

static void limit_ping(void *out, void *in, uint64_t n)
{
	struct limit *l = out;

	(void)in;
	for (uint64_t i = 0; i < n; i++) {
		__atomic_store_n(&l->written, 2 * i + 1, __ATOMIC_RELEASE);
		while (__atomic_load_n(&l->written, __ATOMIC_ACQUIRE) != 2 * i + 2)
			;
	}
}

static void limit_pong(void *out, void *in, uint64_t n)
{
	struct limit *l = in;

	(void)out;
	for (uint64_t i = 0; i < n; i++) {
		while (__atomic_load_n(&l->written, __ATOMIC_ACQUIRE) != 2 * i + 1)
			;
		__atomic_store_n(&l->written, 2 * i + 2, __ATOMIC_RELEASE);
	}
}

static const struct ring_contestant list[] = {
	{.name = "limit",
	 .record = 8,
	 .batch = 0,
	 .open = limit_open,
	 .close = limit_close,
	 .produce = limit8_produce,
	 .consume = limit8_consume,
	 .ping = limit_ping,
	 .pong = limit_pong},
	{.name = "limit",
	 .record = 64,
	 .batch = 0,
	 .open = limit_open,
	 .close = limit_close,
	 .produce = limit64_produce,
	 .consume = limit64_consume},
};

const struct ring_contestants ring_limit = {list, sizeof(list) / sizeof(list[0])};
