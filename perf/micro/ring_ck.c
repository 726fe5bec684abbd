/* SPDX-License-Identifier: Apache-2.0 */
/* Concurrency Kit ck_ring: pointers (8 bytes), and 64-byte records by CK_RING_PROTOTYPE. It has no
 * batches. */
#include "perf/micro/ring_bench.h"

#include <ck_ring.h>

CK_RING_PROTOTYPE(rec64, rec64)

struct ck {
	ck_ring_t ring;
	void *data;
};

static void *ck_open(struct ring_pool *pool, uint64_t records, unsigned record)
{
	struct ck *c = ring_pool_get(pool, sizeof(*c));

	c->data = ring_pool_get(pool, records * record);
	ck_ring_init(&c->ring, (unsigned)records);
	return c;
}

static void ck_close(void *q)
{
	(void)q;
}

static inline bool push8(void *q, struct rec8 *r)
{
	struct ck *c = q;

	return ck_ring_enqueue_spsc(&c->ring, c->data, (void *)(uintptr_t)r->w);
}

static inline bool pop8(void *q, struct rec8 *r)
{
	struct ck *c = q;
	void *p;

	if (!ck_ring_dequeue_spsc(&c->ring, c->data, &p))
		return false;
	r->w = (uintptr_t)p;
	return true;
}

static inline bool push64(void *q, struct rec64 *r)
{
	struct ck *c = q;

	return CK_RING_ENQUEUE_SPSC(rec64, &c->ring, c->data, r);
}

static inline bool pop64(void *q, struct rec64 *r)
{
	struct ck *c = q;

	return CK_RING_DEQUEUE_SPSC(rec64, &c->ring, c->data, r);
}

RING_SINGLE_LOOPS(ck8, rec8, push8, pop8)
RING_SINGLE_LOOPS(ck64, rec64, push64, pop64)
RING_RTT_LOOPS(ck8, push8, pop8)

static const struct ring_contestant list[] = {
	{.name = "ck_ring",
	 .record = 8,
	 .batch = 1,
	 .open = ck_open,
	 .close = ck_close,
	 .produce = ck8_produce,
	 .consume = ck8_consume,
	 .ping = ck8_ping,
	 .pong = ck8_pong},
	{.name = "ck_ring",
	 .record = 64,
	 .batch = 1,
	 .open = ck_open,
	 .close = ck_close,
	 .produce = ck64_produce,
	 .consume = ck64_consume},
};

const struct ring_contestants ring_ck = {list, sizeof(list) / sizeof(list[0])};
