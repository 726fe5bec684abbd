/* SPDX-License-Identifier: Apache-2.0 */
/* weir's ring (shm/ring.h) in a segment as the engine makes it: records written and read in place. */
#include "perf/micro/ring_bench.h"

#include "shm/segment.h"

struct ring {
	struct weir_ring_tx tx __attribute__((aligned(BENCH_LINE)));
	struct weir_ring_rx rx __attribute__((aligned(BENCH_LINE)));
	struct weir_segment seg __attribute__((aligned(BENCH_LINE)));
};

static void *weir_open(struct ring_pool *pool, uint64_t records, unsigned record)
{
	struct ring *r = ring_pool_get(pool, sizeof(*r));
	struct weir_ring_spec spec = {.name = "bench",
				      .capacity = records * record,
				      .schema = UINT32_MAX,
				      .frame_max = record,
				      .producer_doorbell = UINT32_MAX,
				      .consumer_doorbell = UINT32_MAX};
	/* A ring smaller than a huge page would grow to one. */
	struct weir_segment_options opt = {.name = "bench",
					   .huge = pool->huge && spec.capacity >= 2u << 20,
					   .ring_count = 1,
					   .ring = &spec,
					   .node = -1};
	struct weir_err err = {0};

	if (weir_segment_create(&opt, &r->seg, &err) || weir_segment_map_ring(&r->seg, 0, &err)) {
		fprintf(stderr, "cannot make a segment: %s\n", err.text);
		exit(1);
	}
	memset(r->seg.ring_base[0], 0, spec.capacity);
	weir_ring_tx_init(&r->tx, &r->seg.ring[0], r->seg.ring_base[0]);
	weir_ring_rx_init(&r->rx, &r->seg.ring[0], r->seg.ring_base[0]);
	return r;
}

static void weir_close(void *q)
{
	weir_segment_close(&((struct ring *)q)->seg);
}

/* The producer publishes each batch. The consumer gives space back by the quarter of the ring, and when
 * it finds nothing more: what comes back seldom moves the line of the head seldom. */
#define LOOPS(name, rec, batch)                                                                    \
	static void name##_produce(void *q, uint64_t n, unsigned spin)                             \
	{                                                                                          \
		struct weir_ring_tx tx = ((struct ring *)q)->tx;                                   \
                                                                                                   \
		for (uint64_t i = 0; i < n; i += (batch)) {                                        \
			struct rec *r;                                                             \
                                                                                                   \
			while (!(r = weir_ring_claim(&tx, (batch) * sizeof(*r))))                  \
				ring_spin(spin);                                                   \
			for (unsigned k = 0; k < (batch); k++)                                     \
				rec##_fill(&r[k], i + k);                                          \
			weir_ring_keep(&tx, (batch) * sizeof(*r));                                 \
			weir_ring_publish(&tx);                                                    \
		}                                                                                  \
	}                                                                                          \
	static uint64_t name##_consume(void *q, uint64_t n, unsigned spin)                         \
	{                                                                                          \
		struct weir_ring_rx rx = ((struct ring *)q)->rx;                                   \
		uint64_t sum = 0, quarter = rx.block->capacity / 4;                                \
                                                                                                   \
		for (uint64_t i = 0; i < n;) {                                                     \
			const void *p;                                                             \
			uint64_t k =                                                               \
				weir_ring_peek(&rx, sizeof(struct rec), &p) / sizeof(struct rec);  \
			const struct rec *r = p;                                                   \
                                                                                                   \
			if (!k) {                                                                  \
				weir_ring_release(&rx);                                            \
				ring_spin(spin);                                                   \
				continue;                                                          \
			}                                                                          \
			if (k > (batch))                                                           \
				k = (batch);                                                       \
			for (uint64_t j = 0; j < k; j++)                                           \
				sum += rec##_sum(&r[j]);                                           \
			weir_ring_consume(&rx, k * sizeof(*r));                                    \
			if (rx.head - rx.released >= quarter)                                      \
				weir_ring_release(&rx);                                            \
			i += k;                                                                    \
		}                                                                                  \
		weir_ring_release(&rx);                                                            \
		return sum;                                                                        \
	}

LOOPS(one8, rec8, 1)
LOOPS(one64, rec64, 1)
LOOPS(batch8, rec8, 32)
LOOPS(batch64, rec64, 32)

static inline bool push8(struct weir_ring_tx *tx, const struct rec8 *r)
{
	struct rec8 *p = weir_ring_claim(tx, sizeof(*p));

	if (!p)
		return false;
	*p = *r;
	weir_ring_keep(tx, sizeof(*p));
	weir_ring_publish(tx);
	return true;
}

static inline bool pop8(struct weir_ring_rx *rx, struct rec8 *r)
{
	const void *p;

	if (weir_ring_peek(rx, sizeof(*r), &p) < sizeof(*r))
		return false;
	*r = *(const struct rec8 *)p;
	weir_ring_consume(rx, sizeof(*r));
	weir_ring_release(rx);
	return true;
}

static void weir_ping(void *out, void *in, uint64_t n)
{
	struct weir_ring_tx tx = ((struct ring *)out)->tx;
	struct weir_ring_rx rx = ((struct ring *)in)->rx;

	for (uint64_t i = 0; i < n; i++) {
		struct rec8 r = {i};

		while (!push8(&tx, &r))
			;
		while (!pop8(&rx, &r))
			;
		if (r.w != i)
			abort();
	}
}

static void weir_pong(void *out, void *in, uint64_t n)
{
	struct weir_ring_tx tx = ((struct ring *)out)->tx;
	struct weir_ring_rx rx = ((struct ring *)in)->rx;

	for (uint64_t i = 0; i < n; i++) {
		struct rec8 r;

		while (!pop8(&rx, &r))
			;
		while (!push8(&tx, &r))
			;
	}
}

#define ENTRY(label, loops, bytes, n)                                                              \
	{                                                                                          \
		.name = label, .record = bytes, .batch = n, .open = weir_open,                     \
		.close = weir_close, .produce = loops##_produce, .consume = loops##_consume        \
	}

static const struct ring_contestant list[] = {
	{.name = "weir",
	 .record = 8,
	 .batch = 1,
	 .open = weir_open,
	 .close = weir_close,
	 .produce = one8_produce,
	 .consume = one8_consume,
	 .ping = weir_ping,
	 .pong = weir_pong},
	ENTRY("weir", one64, 64, 1),
	ENTRY("weir", batch8, 8, 32),
	ENTRY("weir", batch64, 64, 32),
};

const struct ring_contestants ring_weir = {list, sizeof(list) / sizeof(list[0])};
