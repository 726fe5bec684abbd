/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the bytes of a stream come from when a packet is filled. They are sent from where the core has them, and stay there until
 * acknowledged. With a library that repeats data of a stream that was reset (ngtcp2_compat.h) that is not enough: shut() would
 * have to wait for the peer. There they are copied into chunks, which live as long as the library knows the stream.
 */
#include "gateway/edge/quic_priv.h"
#include "host/heap.h"

static uint32_t ask(struct weir_quic_stream *s, uint64_t offset, const uint8_t **ret_p)
{
	const struct weir_stream_source *source = &s->link->q->o.source;

	return source->peek(source->ctx, s->id, offset, ret_p);
}

#if WEIR_NG_STAGES

/* Spare chunks are kept: the allocator would clear them each time. */
static struct weir_quic_chunk *take_chunk(struct weir_quic *q)
{
	struct weir_quic_chunk *c = q->spare_chunk;

	if (!c)
		return (struct weir_quic_chunk *)weir_heap_mem.alloc(NULL, sizeof(*c), 16);
	q->spare_chunk = c->next;
	q->spare_chunks--;
	c->next = NULL;
	c->used = 0;
	return c;
}

static void give_chunk(struct weir_quic *q, struct weir_quic_chunk *c)
{
	if (q->spare_chunks >= WEIR_QUIC_SPARE_CHUNKS) {
		weir_heap_mem.free(NULL, c, sizeof(*c));
		return;
	}
	c->next = q->spare_chunk;
	q->spare_chunk = c;
	q->spare_chunks++;
}

static struct weir_quic_chunk *last_chunk(struct weir_quic_stream *s)
{
	struct weir_quic_chunk *c = s->stage_last;

	if (c && c->used < WEIR_QUIC_STAGE_CHUNK)
		return c;
	c = take_chunk(s->link->q);
	if (s->stage_last) {
		c->at = s->stage_last->at + s->stage_last->used;
		s->stage_last->next = c;
	} else {
		c->at = s->sent;
		s->stage_first = c;
	}
	s->stage_last = c;
	return c;
}

uint32_t weir_quic__stage_peek(struct weir_quic_stream *s, const uint8_t **ret_p)
{
	struct weir_quic_chunk *c = s->stage_last;
	uint64_t end = c ? c->at + c->used : s->sent;
	const uint8_t *p;
	uint32_t n;

	/* The next bytes are copied when less than a packet is left, so that packets are full. */
	if (end - s->sent < 2048 && (n = ask(s, end, &p)) > 0) {
		c = last_chunk(s);
		n = WEIR_MIN(n, WEIR_QUIC_STAGE_CHUNK - c->used);
		memcpy(c->data + c->used, p, n);
		c->used += n;
	}
	if (!s->stage_now)
		s->stage_now = s->stage_first;
	while ((c = s->stage_now) && c->at + c->used <= s->sent && c->next)
		s->stage_now = c->next;
	if (!c || c->at + c->used <= s->sent)
		return 0;
	*ret_p = c->data + (s->sent - c->at);
	return (uint32_t)(c->at + c->used - s->sent);
}

static void drop_first(struct weir_quic_stream *s)
{
	struct weir_quic_chunk *c = s->stage_first;

	s->stage_first = c->next;
	if (s->stage_now == c)
		s->stage_now = c->next;
	if (!c->next)
		s->stage_last = NULL;
	give_chunk(s->link->q, c);
}

void weir_quic__stage_acked(struct weir_quic_stream *s)
{
	struct weir_quic_chunk *c;

	while ((c = s->stage_first) && c->used == WEIR_QUIC_STAGE_CHUNK &&
	       c->at + c->used <= s->acked)
		drop_first(s);
}

void weir_quic__stage_free(struct weir_quic_stream *s)
{
	while (s->stage_first)
		drop_first(s);
}

void weir_quic__stage_fini(struct weir_quic *q)
{
	while (q->spare_chunk) {
		struct weir_quic_chunk *c = q->spare_chunk;

		q->spare_chunk = c->next;
		weir_heap_mem.free(NULL, c, sizeof(*c));
	}
}

#else

uint32_t weir_quic__stage_peek(struct weir_quic_stream *s, const uint8_t **ret_p)
{
	return ask(s, s->sent, ret_p);
}

void weir_quic__stage_acked(struct weir_quic_stream *s)
{
	(void)s;
}

void weir_quic__stage_free(struct weir_quic_stream *s)
{
	(void)s;
}

void weir_quic__stage_fini(struct weir_quic *q)
{
	(void)q;
}

#endif

uint64_t weir_quic__waiting(struct weir_quic_stream *s, uint64_t enough)
{
	const uint8_t *p;
	uint64_t n = weir_quic__stage_peek(s, &p), more = n;

	/* What one peek gives may end with a chunk or with the core's ring. */
	for (; more && n < enough; n += more)
		more = ask(s, s->sent + n, &p);
	return n;
}
