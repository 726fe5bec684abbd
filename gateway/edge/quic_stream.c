/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams of a link. A stream lives as long as the library knows it (the header and staged bytes belong to it); the core's id of it
 * ends earlier: with shut(), CLOSED or DOWN.
 */
#include <stdio.h>

#include "base/assert.h"
#include "gateway/edge/quic_priv.h"
#include "host/heap.h"

enum { CODE_SHUT = 1, CODE_GONE = 2 };

struct weir_quic_stream *weir_quic__stream_new(struct weir_quic_link *l, bool ours)
{
	struct weir_quic *q = l->q;
	struct weir_quic_stream *s =
		(struct weir_quic_stream *)weir_heap_mem.alloc(NULL, sizeof(*s), 16);
	struct weir_quic_stream **bucket;

	s->id = q->next_stream++;
	weir_assert(q->next_stream); /* four billion streams of one process */
	s->link = l;
	s->qid = -1;
	s->ours = ours;
	s->known = true;
	s->granted = WEIR_STREAM_CREDIT; /* more may come before the stream has begun */
	bucket = &q->stream_bucket[s->id % WEIR_QUIC_STREAM_BUCKETS];
	s->id_next = *bucket;
	*bucket = s;
	s->next = l->streams;
	if (s->next)
		s->next->prev = s;
	l->streams = s;
	l->stream_count++;
	return s;
}

void weir_quic__stream_forget(struct weir_quic_stream *s)
{
	struct weir_quic_stream **at;

	if (!s->known)
		return;
	at = &s->link->q->stream_bucket[s->id % WEIR_QUIC_STREAM_BUCKETS];
	while (*at != s)
		at = &(*at)->id_next;
	*at = s->id_next;
	s->known = false;
	weir_quic__run_remove(s);
}

static void todo_remove(struct weir_quic_stream *s)
{
	struct weir_quic_link *l = s->link;
	struct weir_quic_stream *before = NULL, *at = l->todo_first;

	if (!s->todo)
		return;
	for (; at != s; at = at->todo_next)
		before = at;
	if (before)
		before->todo_next = s->todo_next;
	else
		l->todo_first = s->todo_next;
	if (l->todo_last == s)
		l->todo_last = before;
	s->todo = false;
}

void weir_quic__stream_free(struct weir_quic_stream *s)
{
	struct weir_quic_link *l = s->link;

	weir_quic__stream_forget(s);
	todo_remove(s);
	weir_quic__stage_free(s);
	if (s->excess)
		weir_heap_mem.free(NULL, s->excess, WEIR_QUIC_SLACK);
	if (s->prev)
		s->prev->next = s->next;
	else
		l->streams = s->next;
	if (s->next)
		s->next->prev = s->prev;
	l->stream_count--;
	weir_heap_mem.free(NULL, s, sizeof(*s));
}

static void todo_add(struct weir_quic_stream *s)
{
	struct weir_quic_link *l = s->link;

	if (s->todo)
		return;
	s->todo = true;
	s->todo_next = NULL;
	if (l->todo_last)
		l->todo_last->todo_next = s;
	else
		l->todo_first = s;
	l->todo_last = s;
}

void weir_quic__todo(struct weir_quic_stream *s)
{
	todo_add(s);
	weir_quic__work(s->link);
}

void weir_quic__run(struct weir_quic_stream *s)
{
	struct weir_quic_link *l = s->link;

	if (s->queued || s->blocked || s->qid < 0 || !s->known || s->gone ||
	    (!s->ours && !s->header.done))
		return;
	s->queued = true;
	s->run_next = NULL;
	s->ready_ns = l->q->now;
	if (l->run_last)
		l->run_last->run_next = s;
	else
		l->run_first = s;
	l->run_last = s;
	weir_quic__work(l);
}

void weir_quic__run_remove(struct weir_quic_stream *s)
{
	struct weir_quic_link *l = s->link;
	struct weir_quic_stream *before = NULL, *at = l->run_first;

	if (!s->queued)
		return;
	for (; at != s; at = at->run_next)
		before = at;
	if (before)
		before->run_next = s->run_next;
	else
		l->run_first = s->run_next;
	if (l->run_last == s)
		l->run_last = before;
	s->queued = false;
}

void weir_quic__stream_begin(struct weir_quic_stream *s, int64_t qid)
{
	s->qid = qid;
	ngtcp2_conn_extend_max_stream_offset(
		s->link->conn, qid, WEIR_STREAM_CREDIT + WEIR_QUIC_SLACK - WEIR_QUIC_WINDOW_FIRST);
	weir_quic__run(s);
}

/* Gives the core what it granted of n bytes; how many. */
static size_t give(struct weir_quic_stream *s, const uint8_t *p, size_t n)
{
	struct weir_link_event e = {
		.kind = WEIR_LINK_STREAM_DATA, .link = s->link->id, .stream = s->id, .data = p};

	e.n = (uint32_t)WEIR_MIN((uint64_t)n, s->granted - s->got);
	if (!e.n)
		return 0;
	s->got += e.n;
	weir_quic__emit(s->link->q, &e);
	return e.n;
}

static void give_excess(struct weir_quic_stream *s)
{
	size_t n = give(s, s->excess, s->excess_n);

	s->excess_n -= (uint32_t)n;
	memmove(s->excess, s->excess + n, s->excess_n);
	if (!s->excess_n) {
		weir_heap_mem.free(NULL, s->excess, WEIR_QUIC_SLACK);
		s->excess = NULL;
	}
}

static void keep_excess(struct weir_quic_stream *s, const uint8_t *p, size_t n)
{
	if (!s->excess)
		s->excess = (uint8_t *)weir_heap_mem.alloc(NULL, WEIR_QUIC_SLACK, 16);
	/* The library has refused more than was announced. */
	weir_assert(n <= WEIR_QUIC_SLACK - s->excess_n);
	memcpy(s->excess + s->excess_n, p, n);
	s->excess_n += (uint32_t)n;
}

void weir_quic__stream_data(struct weir_quic_stream *s, const uint8_t *p, size_t n)
{
	struct weir_quic_link *l = s->link;

	if (!s->known || s->gone)
		return;
	if (!s->ours && !s->header.done) {
		size_t used = weir_quic_header_feed(&s->header, p, n);
		struct weir_link_event e = {.kind = WEIR_LINK_STREAM_OPEN,
					    .link = l->id,
					    .stream = s->id,
					    .data = s->header.buf + 1,
					    .n = s->header.buf[0]};

		p += used;
		n -= used;
		if (!s->header.done)
			return;
		weir_quic__emit(l->q, &e);
		weir_quic__run(s); /* the core may have bytes for it at once */
	}
	if (s->known && !s->excess) { /* the core may have shut it in OPEN */
		size_t used = give(s, p, n);

		p += used;
		n -= used;
	}
	if (s->known && n)
		keep_excess(s, p, n);
}

void weir_quic__stream_acked(struct weir_quic_stream *s, uint64_t upto)
{
	uint64_t head = s->ours ? s->header.have : 0;

	if (upto <= head || upto - head <= s->acked)
		return;
	s->acked = upto - head;
	weir_quic__stage_acked(s);
	if (s->known && !s->gone)
		weir_quic__emit(s->link->q,
				&(struct weir_link_event){.kind = WEIR_LINK_STREAM_ACKED,
							  .link = s->link->id,
							  .stream = s->id,
							  .offset = s->acked});
}

void weir_quic__shut(struct weir_quic_stream *s, const char *why)
{
	struct weir_quic_message m = {
		.kind = WEIR_QUIC_SHUT, .stream = s->qid, .why = weir_str_c(why)};

	if (s->qid >= 0 && !s->gone)
		weir_quic__control_put(s->link, &m);
	s->shut = true;
	weir_quic__stream_forget(s);
	weir_quic__todo(s);
}

/* The peer says why it reset a stream; the reset itself may come before or behind. */
void weir_quic__shut_told(struct weir_quic_link *l, const struct weir_quic_message *m)
{
	for (struct weir_quic_stream *s = l->streams; s; s = s->next)
		if (s->qid == m->stream && s->known && !s->gone) {
			weir_quic_why_clean(s->why, m->why.p, m->why.n);
			s->gone = true;
			weir_quic__run_remove(s);
			weir_quic__todo(s);
		} else if (s->qid == m->stream && !s->why[0]) {
			weir_quic_why_clean(s->why, m->why.p, m->why.n);
		}
}

static void tell_closed(struct weir_quic_stream *s)
{
	struct weir_link_event e = {.kind = WEIR_LINK_STREAM_CLOSED,
				    .link = s->link->id,
				    .stream = s->id,
				    .text = s->why[0] ? s->why : "the peer ended the stream"};
	bool opened = s->ours || s->header.done;

	weir_quic__stream_forget(s);
	if (opened)
		weir_quic__emit(s->link->q, &e);
}

static bool may_open(const struct weir_quic_link *l)
{
	/* The dialling end must have our HELLO before it sees a stream: packets may overtake each other. */
	return (l->ours || l->control.acked >= l->control.hello_end) &&
	       ngtcp2_conn_get_streams_bidi_left(l->conn) > 0;
}

/* false: it waits for its turn to be opened. */
static bool stream_work(struct weir_quic_stream *s)
{
	struct weir_quic_link *l = s->link;

	if (s->qid < 0 && !s->shut) {
		if (!may_open(l) || ngtcp2_conn_open_bidi_stream(l->conn, &s->qid, s))
			return false;
		weir_quic__stream_begin(s, s->qid);
	}
	if (s->credit && !s->shut && !s->gone) {
		ngtcp2_conn_extend_max_stream_offset(l->conn, s->qid, s->credit);
		s->credit = 0;
		if (s->excess)
			give_excess(s);
	}
	if (s->gone && s->known)
		tell_closed(s);
	if ((s->gone || s->shut) && !s->reset && !s->closed && s->qid >= 0) {
		s->reset = true;
		weir_ng_shutdown_stream(l->conn, s->qid, s->shut ? CODE_SHUT : CODE_GONE);
	}
	if (s->closed || s->qid < 0)
		weir_quic__stream_free(s);
	return true;
}

void weir_quic__streams_work(struct weir_quic_link *l)
{
	struct weir_quic_stream *s = l->todo_first, *next;

	l->todo_first = l->todo_last = NULL;
	for (; s; s = next) { /* what an event adds waits for the next round */
		next = s->todo_next;
		s->todo = false;
		if (!stream_work(s))
			todo_add(s); /* a packet of the peer will bring the next round */
	}
}
