/* SPDX-License-Identifier: Apache-2.0 */
/* DPDK rte_ring, single producer and consumer: one by one, in bulk with a copy, and in place. */
#include "perf/micro/ring_bench.h"

#include <rte_ring.h>
#include <rte_ring_elem.h>
#include <rte_ring_peek_zc.h>

/* Without rte_eal_init(): the ring lives in memory of ours. */
static void *dpdk_open(struct ring_pool *pool, uint64_t records, unsigned record)
{
	ssize_t n = rte_ring_get_memsize_elem(record, (unsigned)records);
	struct rte_ring *r = ring_pool_get(pool, (size_t)n);

	if (rte_ring_init(r, "bench", (unsigned)records, RING_F_SP_ENQ | RING_F_SC_DEQ)) {
		fprintf(stderr, "rte_ring_init failed\n");
		exit(1);
	}
	return r;
}

static void dpdk_close(void *q)
{
	(void)q;
}

#define PUSH(q, r) (rte_ring_sp_enqueue_elem((q), (r), sizeof(*(r))) == 0)
#define POP(q, r) (rte_ring_sc_dequeue_elem((q), (r), sizeof(*(r))) == 0)
RING_SINGLE_LOOPS(single8, rec8, PUSH, POP)
RING_SINGLE_LOOPS(single64, rec64, PUSH, POP)
RING_RTT_LOOPS(single8, PUSH, POP)

#define PUSH_BULK(q, r, n) rte_ring_sp_enqueue_bulk_elem((q), (r), sizeof(*(r)), (n), NULL)
#define POP_BURST(q, r, n) rte_ring_sc_dequeue_burst_elem((q), (r), sizeof(*(r)), (n), NULL)
RING_BULK_LOOPS(bulk8, rec8, PUSH_BULK, POP_BURST)
RING_BULK_LOOPS(bulk64, rec64, PUSH_BULK, POP_BURST)

#define ZERO_COPY_LOOPS(name, rec, batch)                                                          \
	static void name##_produce(void *q, uint64_t n, unsigned spin)                             \
	{                                                                                          \
		for (uint64_t i = 0; i < n;) {                                                     \
			unsigned want = n - i < (batch) ? (unsigned)(n - i) : (batch);             \
			struct rte_ring_zc_data z;                                                 \
			unsigned k = rte_ring_enqueue_zc_burst_elem_start(q, sizeof(struct rec),   \
									  want, &z, NULL);         \
			struct rec *r = z.ptr1;                                                    \
                                                                                                   \
			if (!k) {                                                                  \
				ring_spin(spin);                                                   \
				continue;                                                          \
			}                                                                          \
			for (unsigned j = 0; j < z.n1; j++)                                        \
				rec##_fill(&r[j], i + j);                                          \
			r = z.ptr2;                                                                \
			for (unsigned j = z.n1; j < k; j++)                                        \
				rec##_fill(&r[j - z.n1], i + j);                                   \
			rte_ring_enqueue_zc_elem_finish(q, k);                                     \
			i += k;                                                                    \
		}                                                                                  \
	}                                                                                          \
	static uint64_t name##_consume(void *q, uint64_t n, unsigned spin)                         \
	{                                                                                          \
		uint64_t sum = 0;                                                                  \
                                                                                                   \
		for (uint64_t i = 0; i < n;) {                                                     \
			unsigned want = n - i < (batch) ? (unsigned)(n - i) : (batch);             \
			struct rte_ring_zc_data z;                                                 \
			unsigned k = rte_ring_dequeue_zc_burst_elem_start(q, sizeof(struct rec),   \
									  want, &z, NULL);         \
			const struct rec *r = z.ptr1;                                              \
                                                                                                   \
			if (!k) {                                                                  \
				ring_spin(spin);                                                   \
				continue;                                                          \
			}                                                                          \
			for (unsigned j = 0; j < z.n1; j++)                                        \
				sum += rec##_sum(&r[j]);                                           \
			r = z.ptr2;                                                                \
			for (unsigned j = z.n1; j < k; j++)                                        \
				sum += rec##_sum(&r[j - z.n1]);                                    \
			rte_ring_dequeue_zc_elem_finish(q, k);                                     \
			i += k;                                                                    \
		}                                                                                  \
		return sum;                                                                        \
	}

ZERO_COPY_LOOPS(zc8, rec8, 1)
ZERO_COPY_LOOPS(zc64, rec64, 1)
ZERO_COPY_LOOPS(zc8_32, rec8, 32)
ZERO_COPY_LOOPS(zc64_32, rec64, 32)

#define ENTRY(label, loops, bytes, n)                                                              \
	{                                                                                          \
		.name = label, .record = bytes, .batch = n, .open = dpdk_open,                     \
		.close = dpdk_close, .produce = loops##_produce, .consume = loops##_consume        \
	}

static const struct ring_contestant list[] = {
	{.name = "rte_ring",
	 .record = 8,
	 .batch = 1,
	 .open = dpdk_open,
	 .close = dpdk_close,
	 .produce = single8_produce,
	 .consume = single8_consume,
	 .ping = single8_ping,
	 .pong = single8_pong},
	ENTRY("rte_ring", single64, 64, 1),
	ENTRY("rte_ring bulk", bulk8, 8, 32),
	ENTRY("rte_ring bulk", bulk64, 64, 32),
	ENTRY("rte_ring in place", zc8, 8, 1),
	ENTRY("rte_ring in place", zc64, 64, 1),
	ENTRY("rte_ring in place", zc8_32, 8, 32),
	ENTRY("rte_ring in place", zc64_32, 64, 32),
};

const struct ring_contestants ring_dpdk = {list, sizeof(list) / sizeof(list[0])};
