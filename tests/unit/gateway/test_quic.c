/* SPDX-License-Identifier: Apache-2.0 */
/* Links between gateways: up, bytes both ways, credit, loss, ends of all kinds. On a net in memory with its own clock. */
#include <sys/mman.h>

#include "tests/unit/gateway/quic_world.h"

static void join(struct world *w, struct app_link **ret_a, struct app_link **ret_b)
{
	world_open(w, 0);
	world_open(w, 1);
	*ret_a = world_dial(w, 0, 1, 0);
	assert_true(world_until(w, 1000 * MS, (*ret_a)->up && world_accepted(w, 1)));
	*ret_b = world_accepted(w, 1);
}

static void test_up(void **state)
{
	struct world *w = world_new(1, 1);
	struct app_link *a, *b;
	struct weir_quic_link_info info;

	(void)state;
	join(w, &a, &b);
	assert_true(a->ours);
	assert_string_equal(a->region, "us");
	assert_string_equal(a->gateway, "gw0");
	assert_false(b->ours);
	assert_string_equal(b->region, "eu");
	assert_string_equal(b->gateway, "gw0");
	world_run(w, 20000 * MS); /* nothing to say: heartbeats keep it */
	assert_int_equal(a->down + b->down, 0);
	assert_true(weir_quic_link_info(w->end[0].q, a->id, &info));
	assert_true(info.up && info.ours && info.rtt_ns >= 2 * MS && info.rtt_ns < 40 * MS);
	assert_true(info.payload > 1350 && info.cwnd > 10000 && info.datagrams_in > 40);
	assert_string_equal(info.region, "us");
	assert_string_equal(info.congestion, "bbr2");
	assert_false(weir_quic_link_info(w->end[0].q, 999, &info));
	assert_int_equal(world_stats(w, 0).dialled, 1);
	assert_int_equal(world_stats(w, 1).accepted, 1);
	assert_int_equal(world_stats(w, 1).half_open, 0);
	assert_int_equal(world_stats(w, 1).links, 1);
	world_free(w);
}

static void test_control(void **state)
{
	struct world *w = world_new(1, 2);
	struct app_link *a, *b;
	const struct weir_link_ops *o;
	char big[WEIR_LINK_CONTROL_MAX];
	uint32_t taken = 0;

	(void)state;
	join(w, &a, &b);
	o = ops_of(&w->end[0]);
	memset(big, 'x', sizeof(big));
	assert_true(o->control(o->ctx, a->id, "hello", 5));
	assert_true(ops_of(&w->end[1])->control(ops_of(&w->end[1])->ctx, b->id, "", 0));
	assert_true(world_until(w, 1000 * MS, b->controls == 1 && a->controls == 1));
	assert_string_equal(b->control, "hello");
	assert_string_equal(a->control, "");
	while (o->control(o->ctx, a->id, big, sizeof(big)))
		taken++;
	assert_in_range(taken, 14, 16); /* bounded */
	assert_true(world_until(w, 1000 * MS, b->controls == 1 + taken));
	for (int i = 0; i < 200; i++) { /* the ring goes round */
		assert_true(o->control(o->ctx, a->id, big, 3000));
		world_run(w, 10 * MS);
	}
	assert_int_equal(b->controls, 201 + taken);
	assert_false(o->control(o->ctx, 999, "x", 1));
	world_free(w);
}

static uint64_t got(struct end *e)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < e->streams; i++) {
		assert_false(e->stream[i].wrong);
		sum += e->stream[i].got;
	}
	return sum;
}

static void carry(uint32_t streams, uint64_t bytes, uint32_t loss, uint64_t delay, uint64_t limit,
		  bool cubic)
{
	struct world *w = world_new(1, 3);
	struct app_link *a, *b;
	uint64_t all = streams * bytes, acked = 0;
	struct weir_quic_link_info info;

	w->cluster.cubic = cubic;
	w->delay = delay;
	join(w, &a, &b);
	w->loss = loss;
	w->end[1].reply = bytes;
	for (uint32_t i = 0; i < streams; i++) {
		char header[32];

		snprintf(header, sizeof(header), "stream %u", i);
		world_stream(w, 0, a, header, bytes);
	}
	assert_true(world_until(w, limit,
				(got(&w->end[0]) == all && got(&w->end[1]) == all) || a->down));
	assert_int_equal(a->down, 0);
	assert_int_equal(w->end[1].streams, streams);
	world_run(w, 2000 * MS);
	for (uint32_t i = 0; i < streams; i++)
		acked += w->end[0].stream[i].acked;
	assert_int_equal(acked, all);
	weir_quic_link_info(w->end[0].q, a->id, &info);
	assert_int_equal(info.streams, streams);
	assert_true(info.bytes_out > all && info.bytes_in > all);
	if (!loss)
		assert_true(info.lost <= 2); /* probes of the handshake */
	else
		assert_true(info.lost > 0 && info.retransmitted > 0);
	/* Full datagrams leave together. */
	if (!loss && bytes > 1000000)
		assert_true(w->end[0].sent * 4 < w->end[0].sent_segments);
	world_free(w);
}

static void test_both_ways(void **state)
{
	(void)state;
	/* One credit each round trip, and nothing waits to fill a packet where there is more. */
	carry(1, 20000000, 0, MS, 200 * MS, false);
	carry(1, 5000000, 0, MS, 200 * MS, true);
}

static void test_64_streams(void **state)
{
	(void)state;
	carry(64, 300000, 0, 5 * MS, 10000 * MS, false);
	carry(1024, 3000, 0, MS, 10000 * MS, false);
}

static void test_loss(void **state)
{
	(void)state;
	carry(4, 500000, 655, 5 * MS, 60000 * MS, false);
	carry(4, 200000, 3277, 5 * MS, 60000 * MS, false);
	carry(4, 100000, 6554, 5 * MS, 120000 * MS, false);
}

/* A stream whose receiver gives nothing back stops at its credit, and no other does. */
static void test_credit(void **state)
{
	struct world *w = world_new(1, 4);
	struct app_link *a, *b;
	struct app_stream *slow, *fast, *at;
	struct end *e;

	(void)state;
	w->cluster.window_bytes = 2 << 20;
	join(w, &a, &b);
	e = &w->end[1];
	e->stingy = true;
	slow = world_stream(w, 0, a, "slow", 30000000);
	assert_true(world_until(w, 2000 * MS, e->streams == 1));
	e->stingy = false;
	fast = world_stream(w, 0, a, "fast", 10000000);
	assert_true(world_until(w, 10000 * MS, fast->acked == 10000000));
	at = &e->stream[0];
	assert_int_equal(at->got, WEIR_STREAM_CREDIT);
	assert_true(slow->acked >= WEIR_STREAM_CREDIT &&
		    slow->acked <= WEIR_STREAM_CREDIT + WEIR_QUIC_SLACK);
	ops_of(e)->credit(ops_of(e)->ctx, at->id, 500000);
	world_run(w, 1000 * MS);
	assert_int_equal(at->got, WEIR_STREAM_CREDIT + 500000);
	at->greedy = true;
	ops_of(e)->credit(ops_of(e)->ctx, at->id, WEIR_STREAM_CREDIT);
	assert_true(world_until(w, 20000 * MS, slow->acked == 30000000));
	assert_false(at->wrong);
	world_free(w);
}

/* Any credit, however small, lets as much through and no more. */
static void test_small_credit(void **state)
{
	static const uint32_t step[] = {1, 1, 100, 7, 33000, 2, 40000, 1, 1};
	struct world *w = world_new(1, 16);
	struct app_link *a, *b;
	struct end *e;
	uint64_t want = WEIR_STREAM_CREDIT;

	(void)state;
	join(w, &a, &b);
	e = &w->end[1];
	e->stingy = true;
	world_stream(w, 0, a, "slow", 30000000);
	assert_true(world_until(w, 2000 * MS, e->streams == 1 && e->stream[0].got == want));
	for (int round = 0; round < 20; round++) {
		uint32_t n = step[round % (int)WEIR_COUNT_OF(step)];

		want += n;
		ops_of(e)->credit(ops_of(e)->ctx, e->stream[0].id, n);
		world_run(w, 20 * MS);
		assert_int_equal(e->stream[0].got, want);
	}
	assert_false(e->stream[0].wrong);
	ops_of(e)->credit(ops_of(e)->ctx, 4711, 1); /* no such stream */
	world_free(w); /* with bytes that nobody asked for */
}

/* Credit that is given while a stream is still to begin counts. */
static void test_early_credit(void **state)
{
	struct world *w = world_new(1, 18);
	struct app_link *a, *b;
	struct app_stream *s;
	uint64_t more = 7 * WEIR_STREAM_CREDIT;

	(void)state;
	join(w, &a, &b);
	w->end[0].stingy = true;
	w->end[1].reply = more + 2 * WEIR_STREAM_CREDIT;
	s = world_stream(w, 0, a, "early", 1000);
	s->greedy = false;
	ops_of(&w->end[0])->credit(ops_of(&w->end[0])->ctx, s->id, more);
	world_run(w, 2000 * MS);
	assert_int_equal(s->got, WEIR_STREAM_CREDIT + more);
	assert_false(s->wrong);
	world_free(w); /* with bytes that nobody asked for */
}

/* More streams than a peer takes at once: they wait until others have ended. */
static void test_too_many_streams(void **state)
{
	struct world *w = world_new(1, 17);
	struct app_link *a, *b;
	struct end *e;
	const struct weir_link_ops *o;

	(void)state;
	join(w, &a, &b);
	e = &w->end[1];
	o = ops_of(&w->end[0]);
	for (uint32_t i = 0; i < WEIR_QUIC_STREAMS_MAX + 20; i++)
		world_stream(w, 0, a, "s", 100);
	assert_true(world_until(w, 2000 * MS, e->streams == WEIR_QUIC_STREAMS_MAX));
	world_run(w, 1000 * MS);
	assert_int_equal(e->streams, WEIR_QUIC_STREAMS_MAX);
	for (uint32_t i = 0; i < 20; i++) {
		o->shut(o->ctx, w->end[0].stream[i * 3].id, "make room");
		w->end[0].stream[i * 3].closed = true;
	}
	assert_true(world_until(w, 2000 * MS, e->streams == WEIR_QUIC_STREAMS_MAX + 20));
	assert_true(world_until(w, 2000 * MS, got(e) == (WEIR_QUIC_STREAMS_MAX + 20) * 100));
	/* One that waits is shut. */
	for (int i = 0; i < 3; i++) {
		struct app_stream *s = world_stream(w, 0, a, "s", 100);

		world_run(w, 50 * MS);
		o->shut(o->ctx, s->id, "no patience");
	}
	world_run(w, 500 * MS);
	assert_int_equal(a->down, 0);
	world_free(w);
}

/* An address in between changes: what end 0 sends comes from elsewhere, and answers go there. */
static bool moved(struct world *w, int from, int to, const uint8_t *p, uint32_t n)
{
	if (from == 0)
		world_post(w, 5, to, p, n);
	else if (to == 5)
		world_post(w, from, 0, p, n);
	return from != 0 && to != 5;
}

static void test_moved(void **state)
{
	struct world *w = world_new(1, 18);
	struct app_link *a, *b;
	struct app_stream *s;
	const struct weir_link_ops *o;

	(void)state;
	join(w, &a, &b);
	s = world_stream(w, 0, a, "x", 3000000);
	world_run(w, 4 * MS);
	w->hook = moved;
	assert_true(world_until(w, 10000 * MS, s->acked == 3000000 || a->down));
	assert_int_equal(a->down + b->down, 0);
	s->limit += 500000;
	ops_of(&w->end[0])->ready(ops_of(&w->end[0])->ctx, s->id);
	assert_true(world_until(w, 3000 * MS, s->acked == 3500000));
	o = ops_of(&w->end[1]);
	o->close(o->ctx, b->id, "enough"); /* goes to where the peer is now */
	assert_true(world_until(w, 100 * MS, a->down));
	assert_string_equal(a->text, "closed by the peer: enough");
	world_free(w);
}

/* The reason comes in time even when packets are lost, or the stream is closed without one; never both. */
static void test_shut_lossy(void **state)
{
	struct world *w = world_new(1, 19);
	struct app_link *a, *b;
	uint32_t told = 0;

	(void)state;
	join(w, &a, &b);
	w->loss = 13107;
	w->end[1].reply = 50000;
	for (uint32_t i = 0; i < 60; i++) {
		const struct weir_link_ops *o = ops_of(&w->end[0]);
		struct app_stream *s = world_stream(w, 0, a, "x", 30000);

		assert_true(world_until(w, 5000 * MS, w->end[1].streams == i + 1));
		o->shut(o->ctx, s->id, "why not");
		s->closed = true;
		assert_true(world_until(w, 5000 * MS, w->end[1].stream[i].closed));
		told += !strcmp(w->end[1].stream[i].text, "why not");
	}
	assert_true(told > 40);
	w->loss = 0;
	world_run(w, 3000 * MS);
	assert_int_equal(w->end[0].q->links->stream_count + w->end[1].q->links->stream_count, 0);
	got(&w->end[1]);
	world_free(w);
}

static void test_shut(void **state)
{
	struct world *w = world_new(1, 5);
	struct app_link *a, *b;
	struct app_stream *s, *other;
	const struct weir_link_ops *o;

	(void)state;
	join(w, &a, &b);
	o = ops_of(&w->end[0]);
	w->end[1].reply = 100000000;
	s = world_stream(w, 0, a, "one", 100000000);
	other = world_stream(w, 0, a, "two", 3000000);
	assert_true(world_until(w, 5000 * MS, w->end[1].streams == 2 && s->got > 500000));
	o->shut(o->ctx, s->id, "the direct link is back");
	s->closed = true;
	assert_true(world_until(w, 1000 * MS, w->end[1].stream[0].closed));
	assert_string_equal(w->end[1].stream[0].text, "the direct link is back");
	assert_true(world_until(w, 10000 * MS, other->acked == 3000000));
	assert_false(other->closed);
	o->ready(o->ctx, s->id); /* a late word about a stream that is gone */
	o->credit(o->ctx, s->id, 100);
	o->shut(o->ctx, s->id, "again");
	/* The other end may do so too. */
	ops_of(&w->end[1])->shut(ops_of(&w->end[1])->ctx, w->end[1].stream[1].id, "");
	w->end[1].stream[1].closed = true;
	assert_true(world_until(w, 1000 * MS, other->closed));
	assert_string_equal(other->text, "the peer ended the stream");
	world_run(w, 3000 * MS);
	assert_int_equal(w->end[0].q->links->stream_count, 0); /* nothing is left of them */
	assert_int_equal(w->end[1].q->links->stream_count, 0);
	assert_int_equal(a->down + b->down, 0);
	/* Shut before a packet could go. */
	s = world_stream(w, 0, a, "three", 10);
	o->shut(o->ctx, s->id, "never mind");
	world_run(w, 100 * MS);
	assert_int_equal(w->end[1].streams, 2);
	world_free(w);
}

/* Bytes that were lent may change right after shut(), although packets with them are lost and were to be repeated. */
static void test_shut_frees_bytes(void **state)
{
	struct world *w = world_new(1, 6);
	struct app_link *a, *b;

	(void)state;
	w->delay = 10 * MS;
	join(w, &a, &b);
	for (int round = 0; round < 30; round++) {
		uint8_t *own = (uint8_t *)mmap(NULL, 300000, PROT_READ | PROT_WRITE,
					       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		const struct weir_link_ops *o = ops_of(&w->end[0]);
		char header[16];
		struct app_stream *s;

		snprintf(header, sizeof(header), "s%c", 1 + round);
		s = world_stream(w, 0, a, header, 300000);
		for (uint32_t i = 0; i < 300000; i++)
			own[i] = w->pattern[(i + s->shift) % PATTERN];
		s->own = own;
		w->loss = 6554;
		world_run(w, (uint64_t)(20 + 2 * round) * MS);
		o->shut(o->ctx, s->id, "enough");
		s->closed = true;
		if (round &
		    1) /* nothing comes through: what is on its way is repeated by the timer */
			w->cut = 2;
		assert_int_equal(munmap(own, 300000), 0);
		world_run(w, 300 * MS);
		w->cut = 0;
		w->loss = 0;
		world_run(w, 300 * MS);
		assert_int_equal(a->down, 0);
	}
	assert_true(w->end[1].streams > 20);
	assert_true(got(&w->end[1]) > 300000); /* looks for wrong bytes too */
	world_free(w);
}

static void test_accepted_end_opens(void **state)
{
	struct world *w = world_new(1, 7);
	struct app_link *a;
	struct app_stream *s = NULL;

	(void)state;
	world_open(w, 0);
	world_open(w, 1);
	w->loss = 6554;
	for (int i = 0; i < 20; i++) { /* its first packets may overtake its hello */
		a = world_dial(w, 0, 1, 0);
		if (!world_until(w, 3000 * MS, world_accepted(w, 1) || a->down) || a->down)
			continue;
		s = world_stream(w, 1, world_accepted(w, 1), "from us", 20000);
		assert_true(world_until(w, 5000 * MS, s->acked == 20000 || a->down));
		ops_of(&w->end[0])->close(ops_of(&w->end[0])->ctx, a->id, "next");
		world_run(w, 4000 * MS);
	}
	assert_non_null(s);
	got(&w->end[0]);
	assert_int_equal(world_stats(w, 0).refused[WEIR_QUIC_REFUSED_PROTOCOL], 0);
	assert_true(w->end[0].streams > 10);
	world_free(w);
}

static void test_vanished(void **state)
{
	struct world *w = world_new(1, 8);
	struct app_link *a, *b;
	uint64_t at;

	(void)state;
	for (int busy = 0; busy < 2; busy++) {
		join(w, &a, &b);
		if (busy)
			world_stream(w, 0, a, "x", UINT64_C(1) << 32);
		world_run(w, 1234 * MS);
		at = w->now;
		w->cut = 2;
		assert_true(world_until(w, 10000 * MS, a->down));
		assert_true(w->now - at <= 3000 * MS && w->now - at > 1500 * MS);
		assert_string_equal(a->text, "nothing was heard from 10.0.0.2:7400 for 3000 ms");
		assert_true(world_until(w, 10000 * MS, b->down));
		assert_true(w->now - at <= 3000 * MS);
		assert_int_equal(ops_of(&w->end[0])->open(ops_of(&w->end[0])->ctx, a->id, "", 0),
				 0);
		w->cut = 0;
		world_close(w, 0);
		world_close(w, 1);
	}
	world_free(w);
}

static void test_close(void **state)
{
	struct world *w = world_new(1, 9);
	struct app_link *a, *b;
	const struct weir_link_ops *o;

	(void)state;
	join(w, &a, &b);
	o = ops_of(&w->end[0]);
	world_stream(w, 0, a, "x", 100000000);
	world_run(w, 50 * MS);
	o->close(o->ctx, a->id, "of two links\n the other stays");
	o->close(o->ctx, a->id, "once is enough");
	assert_true(world_until(w, 100 * MS, a->down && b->down));
	assert_string_equal(a->text, "of two links? the other stays");
	assert_string_equal(b->text, "closed by the peer: of two links? the other stays");
	o->close(o->ctx, a->id, "too late");
	world_run(w, 4000 * MS);
	assert_null(w->end[0].q->links);
	assert_null(w->end[1].q->links);
	/* Its last words are lost: it says them again to what still comes. */
	a = world_dial(w, 0, 1, 0);
	assert_true(world_until(w, 1000 * MS, a->up));
	world_run(w, 100 * MS);
	b = world_accepted(w, 1);
	world_stream(w, 1, b, "y", 100000000);
	world_run(w, 3 * MS);
	w->cut = 1;
	o->close(o->ctx, a->id, "bye");
	world_run(w, 1);
	w->cut = 0;
	assert_true(world_until(w, 500 * MS, b->down));
	assert_string_equal(b->text, "closed by the peer: bye");
	world_close(w, 0);
	world_free(w);
}

static void test_stop(void **state)
{
	struct world *w = world_new(1, 10);
	struct app_link *a, *b;

	(void)state;
	join(w, &a, &b);
	world_stream(w, 0, a, "x", 1000000);
	world_run(w, 3 * MS);
	world_close(w, 0);
	assert_true(world_until(w, 100 * MS, b->down));
	assert_string_equal(b->text, "closed by the peer: the gateway stops");
	world_free(w);
}

/* A gateway that was killed and started again does not know the old link; its peer learns that from its first packet. */
static void test_restart(void **state)
{
	struct world *w = world_new(1, 11);
	struct app_link *a, *b;
	uint64_t at;

	(void)state;
	join(w, &a, &b);
	world_run(w, 500 * MS);
	world_kill(w, 1);
	world_open(w, 1);
	at = w->now;
	world_stream(w, 0, a, "x", 5000);
	assert_true(world_until(w, 3000 * MS, a->down));
	assert_true(w->now - at < 500 * MS);
	assert_memory_equal(a->text, "the peer does not know this link any more", 41);
	assert_true(world_stats(w, 1).resets >= 1);
	a = world_dial(w, 0, 1, 0);
	assert_true(world_until(w, 1000 * MS, a->up));
	world_free(w);
}

static void test_nobody_home(void **state)
{
	struct world *w = world_new(1, 12);
	struct app_link *a;

	(void)state;
	world_open(w, 0);
	a = world_dial(w, 0, 1, 0);
	assert_true(world_until(w, 10000 * MS, a->down));
	assert_int_equal(a->up, 0);
	assert_string_equal(a->text, "no link to 10.0.0.2:7400 within 3000 ms");
	/* An address that is none. */
	world_close(w, 0);
	w->cluster.region[1].gateway[0].listen = "[::1]:1";
	world_open(w, 0);
	for (int i = 0; i < 2; i++) {
		a = world_dial(w, 0, 1, 0);
		assert_true(world_until(w, 10 * MS, a->down));
		assert_true(strstr(a->text, i ? "is not known" : "[::1]:1 has no IPv4 address"));
	}
	world_free(w);
}

static void test_linger(void **state)
{
	struct world *w = world_new(1, 13);
	struct app_link *a, *b;
	struct app_stream *s;
	const struct weir_link_ops *o;
	uint64_t before, at;

	(void)state;
	w->cluster.linger_ns = 20 * MS;
	w->cluster.heartbeat_ns = 1500 * MS;
	join(w, &a, &b);
	o = ops_of(&w->end[0]);
	s = world_stream(w, 0, a, "x", 100);
	world_run(w, 500 * MS);
	assert_int_equal(got(&w->end[1]), 100);
	before = w->end[0].sent;
	at = w->now;
	for (int i = 0; i < 10; i++) { /* ten small pieces, one packet */
		s->limit += 64;
		o->ready(o->ctx, s->id);
		world_run(w, MS);
	}
	assert_int_equal(w->end[0].sent, before);
	assert_true(world_until(w, 100 * MS, got(&w->end[1]) == 740));
	assert_true(w->now - at <= 22 * MS);
	assert_true(w->end[0].sent <= before + 2);
	s->limit += 1600; /* more than a packet does not wait, but for its tail */
	o->ready(o->ctx, s->id);
	assert_true(world_until(w, 100 * MS, got(&w->end[1]) > 1500));
	assert_true(world_until(w, 100 * MS, got(&w->end[1]) == 2340));
	s->limit += 10; /* a control message takes it along */
	o->ready(o->ctx, s->id);
	o->control(o->ctx, a->id, "now", 3);
	world_run(w, 3 * MS);
	assert_int_equal(got(&w->end[1]), 2350);
	world_free(w);
}

static void test_no_room(void **state)
{
	struct world *w = world_new(1, 14);
	struct app_link *a, *b;
	struct app_stream *s;

	(void)state;
	join(w, &a, &b);
	s = world_stream(w, 0, a, "x", 3000000);
	for (int i = 0; i < 40; i++) {
		w->end[0].no_room = i & 1;
		w->end[0].blocked = 0;
		world_run(w, 3 * MS);
		if (w->end[0].no_room && w->end[0].blocked)
			assert_true(weir_quic_wants_send(w->end[0].q));
	}
	w->end[0].no_room = false;
	assert_true(world_until(w, 5000 * MS, s->acked == 3000000));
	assert_false(weir_quic_wants_send(w->end[0].q));
	assert_true(world_stats(w, 0).held > 0);
	assert_int_equal(got(&w->end[1]), 3000000);
	world_free(w);
}

/* Many gateways, all to all, dialled from both sides at once. */
static void test_mesh(void **state)
{
	struct world *w = world_new(2, 15);

	(void)state;
	for (int i = 0; i < ENDS; i++)
		world_open(w, i);
	for (int i = 0; i < ENDS; i++)
		for (uint32_t r = 0; r < 4; r++)
			for (uint32_t g = 0; g < 2 && r != (uint32_t)i / 2; g++)
				world_dial(w, i, r, g);
	world_run(w, 3000 * MS);
	for (int i = 0; i < ENDS; i++) {
		assert_int_equal(world_stats(w, i).dialled, 6);
		assert_int_equal(world_stats(w, i).accepted, 6);
		assert_int_equal(world_stats(w, i).links, 12);
		for (uint32_t k = 0; k < w->end[i].links; k++)
			assert_int_equal(w->end[i].link[k].up, 1);
	}
	world_free(w);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_up),
	cmocka_unit_test(test_control),
	cmocka_unit_test(test_both_ways),
	cmocka_unit_test(test_64_streams),
	cmocka_unit_test(test_loss),
	cmocka_unit_test(test_credit),
	cmocka_unit_test(test_small_credit),
	cmocka_unit_test(test_early_credit),
	cmocka_unit_test(test_too_many_streams),
	cmocka_unit_test(test_moved),
	cmocka_unit_test(test_shut_lossy),
	cmocka_unit_test(test_shut),
	cmocka_unit_test(test_shut_frees_bytes),
	cmocka_unit_test(test_accepted_end_opens),
	cmocka_unit_test(test_vanished),
	cmocka_unit_test(test_close),
	cmocka_unit_test(test_stop),
	cmocka_unit_test(test_restart),
	cmocka_unit_test(test_nobody_home),
	cmocka_unit_test(test_linger),
	cmocka_unit_test(test_no_room),
	cmocka_unit_test(test_mesh),
};

WEIR_TEST_MAIN("gateway/quic", tests)
