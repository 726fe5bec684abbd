/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bare ring under the load of a pipeline hop: 64-byte frames copied in from memory in batches of 256,
 * walked through on the other core. Prints one JSON line. The pipeline's hop is compared with it
 * (perf/e2e/bench.py hop).
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "perf/lib/bench.h"
#include "shm/segment.h"

#define RECORDS (UINT64_C(15000) * SOURCE_RECORDS)
#define SOURCE_RECORDS 4096u /* stays in the cache: the ring is what is measured */
#define BATCH 256u
#define RING_BYTES ((uint64_t)1 << 20)

#define PING_ROUNDS 10000

static struct weir_segment seg;
static _Alignas(128) uint64_t ball[2][16]; /* one line before, one after */

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static void *produce(void *arg)
{
	static const struct weir_frame *row[SOURCE_RECORDS + BATCH];
	uint8_t *source = aligned_alloc(64, SOURCE_RECORDS * 64u);
	struct weir_ring_tx tx;
	uint64_t at = 0;

	(void)arg;
	pin(0);
	for (uint32_t i = 0; i < SOURCE_RECORDS; i++) {
		struct weir_frame *f = (struct weir_frame *)(void *)(source + 64u * (size_t)i);

		memset(f, 0, 64);
		f->size = 64;
		f->kind = WEIR_FRAME_DATA;
		f->time_ns = i;
		row[i] = f;
	}
	weir_ring_tx_init(&tx, &seg.ring[0], seg.ring_base[0]);
	bench_ping_pong(ball[0], 1, 100); /* until both have arrived */
	bench_ping_pong(ball[0], 1, PING_ROUNDS);
	for (uint64_t n = 0; n < RECORDS;) {
		uint32_t want = (uint32_t)WEIR_MIN((uint64_t)BATCH, SOURCE_RECORDS - at);
		uint32_t done = weir_ring_put_frames(&tx, row + at, want);

		weir_ring_publish(&tx);
		n += done;
		at = at + done == SOURCE_RECORDS ? 0 : at + done;
		if (done < want)
			weir_cpu_relax();
	}
	bench_ping_pong(ball[1], 1, PING_ROUNDS);
	free(source);
	return NULL;
}

int main(void)
{
	struct weir_ring_spec spec = {.name = "hop",
				      .capacity = RING_BYTES,
				      .schema = UINT32_MAX,
				      .frame_max = 65536,
				      .producer_doorbell = UINT32_MAX,
				      .consumer_doorbell = UINT32_MAX};
	struct weir_segment_options opt = {
		.name = "hop", .huge = true, .ring_count = 1, .ring = &spec, .node = -1};
	struct weir_ring_rx rx;
	struct timespec a, b;
	struct weir_err err;
	uint64_t n = 0, sum = 0;
	pthread_t t;
	int before, after;
	double s;

	if (weir_segment_create(&opt, &seg, &err) < 0 || weir_segment_map_ring(&seg, 0, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	pin(1);
	weir_ring_rx_init(&rx, &seg.ring[0], seg.ring_base[0]);
	pthread_create(&t, NULL, produce, NULL);
	bench_ping_pong(ball[0], 0, 100);
	before = bench_class_of(bench_ping_pong(ball[0], 0, PING_ROUNDS));
	clock_gettime(CLOCK_MONOTONIC, &a);
	while (n < RECORDS) {
		const void *p;
		uint64_t bytes = weir_ring_peek(&rx, 1, &p), at = 0;

		for (uint32_t k = 0; at < bytes && k < BATCH; k++, n++) {
			const struct weir_frame *f = (const void *)((const uint8_t *)p + at);

			sum += (uint64_t)f->time_ns;
			at += weir_frame_stride(f);
		}
		weir_ring_consume(&rx, at);
		if (rx.head - rx.released >= RING_BYTES / 4 || at == bytes)
			weir_ring_release(&rx);
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	after = bench_class_of(bench_ping_pong(ball[1], 0, PING_ROUNDS));
	pthread_join(t, NULL);
	s = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
	printf("{\"records_per_second\": %.0f, \"class\": \"%s\", \"checksum\": %llu}\n",
	       RECORDS / s, bench_class_name(before == after ? before : BENCH_MIXED),
	       (unsigned long long)sum);
	weir_segment_close(&seg);
	return 0;
}
