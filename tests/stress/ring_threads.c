/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two threads, one ring, random batches: every frame arrives once, in order, byte for byte.
 */
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "shm/doorbell.h"
#include "shm/segment.h"
#include "tests/stress/frames.h"

struct run {
	struct weir_segment s;
	struct weir_ring_block *block;
	uint8_t *base;
	bool sleeping; /* doorbells, else polling */
	int64_t end_ns;
	uint64_t seed;
	/* results, read after the threads are joined */
	uint64_t sent, got;
	weir_atomic_u32 stop;
};

/* Sleeps until *position differs from `old`. */
static void wait_for(struct weir_doorbell *d, weir_atomic_u64 *position, uint64_t old)
{
	uint32_t word = weir_doorbell_prepare(d);

	if (weir_load_acquire(position) == old)
		weir_doorbell_wait(d, word, -1);
	weir_doorbell_cancel(d);
}

static void *produce(void *arg)
{
	struct run *run = arg;
	struct weir_ring_tx tx;
	uint64_t seq = 0, r = run->seed;

	weir_ring_tx_init(&tx, run->block, run->base);
	while (stress_now_ns() < run->end_ns) {
		for (uint64_t n = 1 + stress_random(&r) % 40; n; n--) {
			if (!frame_put(&tx, seq))
				break;
			seq++;
			if (stress_random(&r) % 64 == 0) {
				/* Something goes wrong in the middle of a batch. */
				uint64_t published = tx.published, lost = 0;

				for (uint64_t at = tx.tail; at > published; lost++)
					at -= frame_size_of(seq - 1 - lost);
				weir_ring_discard(&tx);
				seq -= lost;
			}
		}
		weir_ring_publish(&tx);
		if (run->sleeping) {
			weir_doorbell_ring(&run->s.doorbell[1]);
			if (!weir_ring_claim(&tx, FRAME_MAX))
				wait_for(&run->s.doorbell[0], &run->block->head, tx.head_cache);
		} else if (!weir_ring_claim(&tx, FRAME_MAX)) {
			sched_yield(); /* both may have to share one core */
		}
	}
	run->sent = seq;
	weir_store_release(&run->stop, 1);
	weir_doorbell_ring(&run->s.doorbell[1]);
	return NULL;
}

static void *consume(void *arg)
{
	struct run *run = arg;
	struct weir_ring_rx rx;
	uint64_t seq = 0, r = run->seed + 1;

	weir_ring_rx_init(&rx, run->block, run->base);
	for (;;) {
		bool stop = weir_load_acquire(&run->stop);
		uint64_t limit = 1 + stress_random(&r) % 40, n;
		const void *p;

		n = weir_ring_peek(&rx, 1 + stress_random(&r) % 2000, &p);
		if (n == 0 && stop)
			break;
		if (n == 0 && !run->sleeping)
			sched_yield();
		if (n == 0 && run->sleeping) {
			uint32_t word = weir_doorbell_prepare(&run->s.doorbell[1]);

			if (weir_ring_peek(&rx, 1, &p) == 0 && !weir_load_acquire(&run->stop))
				weir_doorbell_wait(&run->s.doorbell[1], word, -1);
			weir_doorbell_cancel(&run->s.doorbell[1]);
			continue;
		}
		for (; n && limit; limit--) {
			const struct weir_frame *f = p;

			if (!frame_is(f, n, seq)) {
				/* No assertion outside of the main thread, and the producer may
				 * wait for ever now. */
				fprintf(stderr, "frame %llu is lost or damaged\n",
					(unsigned long long)seq);
				_exit(3);
			}
			seq++;
			n -= weir_frame_stride(f);
			p = (const uint8_t *)p + weir_frame_stride(f);
			weir_ring_consume(&rx, weir_frame_stride(f));
		}
		if (stress_random(&r) % 4 == 0 || weir_ring_peek(&rx, 0, &p) == 0) {
			weir_ring_release(&rx);
			if (run->sleeping)
				weir_doorbell_ring(&run->s.doorbell[0]);
		}
	}
	run->got = seq;
	return NULL;
}

static void run_threads(uint64_t capacity, bool sleeping)
{
	struct weir_ring_spec spec = {.name = "stress",
				      .capacity = capacity,
				      .schema = UINT32_MAX,
				      .frame_max = FRAME_MAX,
				      .producer_doorbell = 0,
				      .consumer_doorbell = 1};
	struct weir_segment_options opt = {
		.name = "stress", .doorbell_count = 2, .ring_count = 1, .ring = &spec, .node = -1};
	struct run run = {.sleeping = sleeping, .seed = stress_seed()};
	struct weir_err err = {0};
	pthread_t tx, rx;

	print_message("seed %llu\n", (unsigned long long)run.seed);
	assert_int_equal(weir_segment_create(&opt, &run.s, &err), 0);
	assert_int_equal(weir_segment_map_ring(&run.s, 0, &err), 0);
	run.block = &run.s.ring[0];
	run.base = run.s.ring_base[0];
	run.end_ns = stress_now_ns() + stress_part_ns(3);
	assert_int_equal(pthread_create(&rx, NULL, consume, &run), 0);
	assert_int_equal(pthread_create(&tx, NULL, produce, &run), 0);
	pthread_join(tx, NULL);
	pthread_join(rx, NULL);
	assert_int_equal(run.got, run.sent);
	assert_true(run.got > 0);
	assert_int_equal(run.block->head, run.block->tail);
	print_message("%llu frames, %llu laps\n", (unsigned long long)run.got,
		      (unsigned long long)(run.block->tail / run.block->capacity));
	weir_segment_close(&run.s);
}

static void test_ring_small_polling(void **state)
{
	(void)state;
	run_threads(4096, false);
}

static void test_ring_small_sleeping(void **state)
{
	(void)state;
	run_threads(4096, true);
}

static void test_ring_large_sleeping(void **state)
{
	(void)state;
	run_threads(1 << 18, true);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_ring_small_polling),
	cmocka_unit_test(test_ring_small_sleeping),
	cmocka_unit_test(test_ring_large_sleeping),
};

WEIR_TEST_MAIN("ring_threads", tests)
