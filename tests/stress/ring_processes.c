/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A producer and a consumer process are killed at random points, again and again, and restarted.
 *
 * What holds, and is checked:
 *   K1 Nothing published is lost: frame numbers seen by the consumers have no gap.
 *   K2 What was kept and not published was never there: the next producer, which continues at the
 *      published tail, sends these numbers again, and nobody sees one twice because of that.
 *   K3 A consumer that dies repeats for its successor exactly the frames it did not release: the
 *      successor starts at the first of them, with the same bytes.
 *   K4 The end of a dead process can be claimed at once, that of a living one never.
 *
 * How a side knows its number again: it notes (position, number) in one of two places before it
 * publishes or releases; whichever position equals that in the ring is true. This is what a
 * real peer does with its journal.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/doorbell.h"
#include "shm/segment.h"
#include "tests/stress/frames.h"

struct note {
	weir_atomic_u64 position, seq, check;
};

struct cursor {
	struct note note[2];
};

struct world {
	struct cursor producer, consumer;
	weir_atomic_u64 high; /* one more than the highest number any consumer has seen */
	weir_atomic_u64 repeated;
	weir_atomic_u32 stop, done;
	/* What went wrong, by the child that found it. */
	char wrong[200];
};

#define NOTE_CHECK(position, seq) ((position) ^ ((seq)*UINT64_C(0x9e3779b97f4a7c15)) ^ 1)

/* The other of the two places; a note torn by a kill has a wrong check word. */
static void note_write(struct cursor *c, uint64_t ring_position, uint64_t position, uint64_t seq)
{
	/* The note that is true now must survive until the new position is in the ring. */
	unsigned i = weir_load_relaxed(&c->note[0].position) == ring_position &&
		     weir_load_relaxed(&c->note[0].check) ==
			     NOTE_CHECK(ring_position, weir_load_relaxed(&c->note[0].seq));
	struct note *n = &c->note[i];

	weir_store_release(&n->check, 0);
	weir_store_release(&n->position, position);
	weir_store_release(&n->seq, seq);
	weir_store_release(&n->check, NOTE_CHECK(position, seq));
}

static bool note_read(struct cursor *c, uint64_t ring_position, uint64_t *ret_seq)
{
	if (ring_position == 0) {
		*ret_seq = 0;
		return true;
	}
	for (unsigned i = 0; i < 2; i++) {
		uint64_t seq = weir_load_acquire(&c->note[i].seq);

		if (weir_load_acquire(&c->note[i].position) == ring_position &&
		    weir_load_acquire(&c->note[i].check) == NOTE_CHECK(ring_position, seq)) {
			*ret_seq = seq;
			return true;
		}
	}
	return false;
}

static _Noreturn void wrong(struct world *w, const char *what, uint64_t a, uint64_t b)
{
	snprintf(w->wrong, sizeof(w->wrong), "%s: %llu, %llu", what, (unsigned long long)a,
		 (unsigned long long)b);
	_exit(2);
}

/* With a limit: the other side may die after it moved its position and before it rings. */
static void wait_for(struct weir_doorbell *d, weir_atomic_u64 *position, uint64_t old)
{
	uint32_t word = weir_doorbell_prepare(d);

	if (weir_load_acquire(position) == old)
		weir_doorbell_wait(d, word, WEIR_NS_PER_MS);
	weir_doorbell_cancel(d);
}

static _Noreturn void producer_main(struct world *w, struct weir_segment *s, uint64_t seed)
{
	struct weir_ring_block *block = &s->ring[0];
	struct weir_ring_tx tx;
	uint64_t seq, r = seed;

	if (weir_ring_role_claim(&block->producer, NULL) < 0)
		wrong(w, "producer: cannot claim", 0, 0);
	weir_ring_tx_init(&tx, block, s->ring_base[0]);
	if (!note_read(&w->producer, tx.tail, &seq))
		wrong(w, "producer: no note for the tail", tx.tail, 0);
	while (!weir_load_acquire(&w->stop)) {
		for (uint64_t n = 1 + stress_random(&r) % 20; n && frame_put(&tx, seq); n--)
			seq++;
		if (tx.tail == tx.published) {
			wait_for(&s->doorbell[0], &block->head, tx.head_cache);
			continue;
		}
		note_write(&w->producer, tx.published, tx.tail, seq);
		weir_ring_publish(&tx);
		weir_doorbell_ring(&s->doorbell[1]);
	}
	weir_ring_role_drop(&block->producer);
	weir_store_release(&w->done, 1);
	_exit(0);
}

static _Noreturn void consumer_main(struct world *w, struct weir_segment *s, uint64_t seed)
{
	struct weir_ring_block *block = &s->ring[0];
	struct weir_ring_rx rx;
	uint64_t seq, r = seed;
	bool first = true;

	if (weir_ring_role_claim(&block->consumer, NULL) < 0)
		wrong(w, "consumer: cannot claim", 0, 0);
	weir_ring_rx_init(&rx, block, s->ring_base[0]);
	if (!note_read(&w->consumer, rx.head, &seq))
		wrong(w, "consumer: no note for the head", rx.head, 0);
	for (;;) {
		bool done = weir_load_acquire(&w->done);
		const void *p;
		uint64_t n = weir_ring_peek(&rx, 1 + stress_random(&r) % 2000, &p);

		if (n == 0 && done)
			break;
		if (n == 0)
			wait_for(&s->doorbell[1], &block->tail, rx.tail_cache);
		while (n) {
			uint64_t high = weir_load_relaxed(&w->high);

			if (!frame_is(p, n, seq))
				wrong(w,
				      first ? "consumer: successor sees another frame"
					    : "consumer: wrong frame",
				      seq, ((const struct weir_frame *)p)->key_hash);
			first = false;
			if (seq > high)
				wrong(w, "consumer: frames are missing", high, seq);
			if (seq == high)
				weir_store_release(&w->high, seq + 1);
			else
				weir_add_acq_rel(&w->repeated, 1);
			seq++;
			n -= frame_size_of(seq - 1);
			p = (const uint8_t *)p + frame_size_of(seq - 1);
			weir_ring_consume(&rx, frame_size_of(seq - 1));
			if (stress_random(&r) % 8 == 0)
				break;
		}
		/* Not always, so that a kill leaves something to repeat. */
		if (rx.head != rx.released &&
		    (stress_random(&r) % 4 == 0 || weir_ring_peek(&rx, 1, &p) == 0)) {
			note_write(&w->consumer, rx.released, rx.head, seq);
			weir_ring_release(&rx);
			weir_doorbell_ring(&s->doorbell[0]);
		}
	}
	weir_ring_role_drop(&block->consumer);
	_exit(0);
}

struct child {
	pid_t pid;
	bool producer;
};

static void child_start(struct child *c, struct world *w, struct weir_segment *s, uint64_t seed)
{
	c->pid = fork();
	if (c->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (c->producer)
			producer_main(w, s, seed);
		consumer_main(w, s, seed);
	}
}

static void child_kill(struct child *c, struct world *w)
{
	int status;

	kill(c->pid, SIGKILL);
	assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
	if (!WIFSIGNALED(status))
		fail_msg("%s", w->wrong);
}

static void check_invariants(struct weir_ring_block *b)
{
	uint64_t head = weir_load_acquire(&b->head), tail = weir_load_acquire(&b->tail);

	assert_true(head <= tail);
	assert_true(tail - head <= 2 * b->capacity); /* the tail was read later */
}

static void child_join(struct child *c, struct world *w)
{
	int64_t end = stress_now_ns() + 60 * WEIR_NS_PER_S;
	int status;

	while (waitpid(c->pid, &status, WNOHANG) == 0) {
		if (stress_now_ns() > end) {
			kill(c->pid, SIGKILL);
			fail_msg("%s does not come to an end",
				 c->producer ? "producer" : "consumer");
		}
		stress_pause(WEIR_NS_PER_MS);
	}
	if (status != 0)
		fail_msg("%s", w->wrong);
}

static void test_ring_survives_kills(void **state)
{
	struct weir_ring_spec spec = {.name = "stress",
				      .capacity = 8192,
				      .schema = UINT32_MAX,
				      .frame_max = FRAME_MAX,
				      .producer_doorbell = 0,
				      .consumer_doorbell = 1};
	struct weir_segment_options opt = {
		.name = "stress", .doorbell_count = 2, .ring_count = 1, .ring = &spec, .node = -1};
	struct child child[2] = {{.producer = true}, {.producer = false}};
	int64_t end = stress_now_ns() + stress_part_ns(1);
	uint64_t r = stress_seed(), kills[2] = {0};
	struct weir_err err = {0};
	struct weir_segment s;
	struct world *w;

	(void)state;
	print_message("seed %llu\n", (unsigned long long)r);
	w = mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(w != MAP_FAILED);
	assert_int_equal(weir_segment_create(&opt, &s, &err), 0);
	assert_int_equal(weir_segment_map_ring(&s, 0, &err), 0);
	child_start(&child[0], w, &s, stress_random(&r));
	child_start(&child[1], w, &s, stress_random(&r));
	while (stress_now_ns() < end || !kills[0] || !kills[1]) {
		unsigned i = stress_random(&r) % 2;

		stress_pause((int64_t)(stress_random(&r) % 3000) * WEIR_NS_PER_US);
		child_kill(&child[i], w);
		kills[i]++;
		check_invariants(&s.ring[0]);
		if (stress_random(&r) % 8 == 0) { /* both at once */
			child_kill(&child[1 - i], w);
			kills[1 - i]++;
			child_start(&child[1 - i], w, &s, stress_random(&r));
		}
		child_start(&child[i], w, &s, stress_random(&r));
	}
	weir_store_release(&w->stop, 1);
	child_join(&child[0], w);
	child_join(&child[1], w);
	{
		uint64_t sent = 0;

		assert_true(note_read(&w->producer, weir_load_acquire(&s.ring[0].tail), &sent));
		assert_int_equal(weir_load_acquire(&w->high), sent); /* K1, K2 */
		assert_int_equal(s.ring[0].head, s.ring[0].tail);
		assert_int_equal(weir_ring_role_peer(&s.ring[0].producer), WEIR_PEER_LEFT);
		print_message(
			"%llu producers and %llu consumers killed, %llu frames, %llu repeated\n",
			(unsigned long long)kills[0], (unsigned long long)kills[1],
			(unsigned long long)sent,
			(unsigned long long)weir_load_acquire(&w->repeated));
	}
	weir_segment_close(&s);
	munmap(w, sizeof(*w));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_ring_survives_kills),
};

WEIR_TEST_MAIN("ring_processes", tests)
