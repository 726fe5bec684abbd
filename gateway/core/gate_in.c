/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/core/gate_in.c - from a stream's bytes to whole frames in the in ring, in place: the frame grows in memory that was claimed
 * and is not kept before its last byte and its checks. What finds no room waits; the stream's credit bounds it.
 */
#include <stdio.h>

#include "gateway/core/gate_int.h"

#define HEAD ((uint32_t)sizeof(struct weir_lane_head))

void weir__gate_in_reset(struct gate_lane *l)
{
	if (weir_planted(LANE_KEEPS_HALF))
		return;
	l->head_n = 0;
	l->frame = NULL;
	l->frame_n = l->frame_size = 0;
	weir_gate_fifo_fini(&l->hold);
}

/* ---- what the engine is told ---- */

static bool tell(struct weir_gate *g, struct gate_lane *l, enum weir_lane_type type,
		 uint64_t session, const char *text)
{
	uint32_t body = (uint32_t)strnlen(text, GATE_WHY);
	uint32_t n = WEIR_ALIGN_UP(HEAD + body, 8u);
	struct weir_lane_head *h =
		(struct weir_lane_head *)g->ops->in_claim(g->ops->ctx, l->index, n);

	if (!h) {
		weir_probe("gate.in_told_late");
		return false;
	}
	memset(h, 0, n);
	h->f.key_hash = l->is.edge;
	h->f.time_ns = (int64_t)session;
	memcpy(h + 1, text, body);
	weir_lane_seal(h, type, body);
	g->ops->in_keep(g->ops->ctx, l->index, n);
	return true;
}

/* Brings what the engine knows up to date; frames of a stream come behind its OPEN. false: no room yet. */
static bool tell_all(struct weir_gate *g, struct gate_lane *l)
{
	bool knows = l->told == GATE_TOLD_OPEN && l->told_session == l->session;

	if (l->stream && knows)
		return true;
	/* Also a stream that was replaced by another one ends first, and what an earlier gateway said. */
	if (l->told != GATE_TOLD_CLOSED) {
		if (!tell(g, l, WEIR_LANE_CLOSED, l->told_session, l->why))
			return false;
		l->told = GATE_TOLD_CLOSED;
	}
	if (!l->stream)
		return true;
	if (!tell(g, l, WEIR_LANE_OPEN, l->session, ""))
		return false;
	l->told = GATE_TOLD_OPEN;
	l->told_session = l->session;
	return true;
}

/* ---- frames ---- */

static void in_bad(struct weir_gate *g, struct gate_lane *l, const char *why)
{
	struct gate_peer *p = l->link->peer;

	weir_probe("gate.in_bad_frame");
	g->region[p->region].bad_frames++;
	weir__gate_refused(g, p, why);
	l->backoff_ns = GATE_BACKOFF_MAX;
	l->opened_ns = g->now; /* not steady */
	weir__gate_lane_drop(g, l, why, true);
}

/* The head is there: room for the frame. false: no room, or it was bad (then there is no stream any more). */
static bool frame_begin(struct weir_gate *g, struct gate_lane *l)
{
	const struct weir_lane_head *h = (const struct weir_lane_head *)(const void *)l->head;
	int64_t stride = weir_lane_stride(l->head, HEAD, l->is.frame_max);

	if (stride <= 0) {
		in_bad(g, l, "a lane frame that is broken or too large");
		return false;
	}
	if (h->f.flags == WEIR_LANE_OPEN || h->f.flags == WEIR_LANE_CLOSED ||
	    h->f.key_hash != l->is.edge) {
		in_bad(g, l, "a lane frame that does not belong there");
		return false;
	}
	l->frame = (uint8_t *)g->ops->in_claim(g->ops->ctx, l->index, (uint32_t)stride);
	if (!l->frame) {
		weir_probe("gate.in_no_room");
		return false;
	}
	memcpy(l->frame, l->head, HEAD);
	l->frame_n = HEAD;
	l->frame_size = (uint32_t)stride;
	return true;
}

static bool frame_end(struct weir_gate *g, struct gate_lane *l)
{
	if (weir_lane_check((const struct weir_lane_head *)(const void *)l->frame, l->frame_size) <
		    0 &&
	    !weir_planted(LANE_NO_CHECK)) {
		in_bad(g, l, "a lane frame whose body is broken");
		return false;
	}
	g->ops->in_keep(g->ops->ctx, l->index, l->frame_size);
	l->frame = NULL;
	l->head_n = l->frame_n = l->frame_size = 0;
	return true;
}

/* Bytes used; fewer than n: no room, or no stream any more. */
static uint32_t in_take(struct weir_gate *g, struct gate_lane *l, const uint8_t *p, uint32_t n)
{
	uint32_t used = 0, take;

	for (;;) {
		if (!l->frame) {
			take = WEIR_MIN(n - used, HEAD - l->head_n);
			memcpy(l->head + l->head_n, p + used, take);
			l->head_n += take;
			used += take;
			if (l->head_n < HEAD || !frame_begin(g, l))
				return used;
		}
		take = WEIR_MIN(n - used, l->frame_size - l->frame_n);
		memcpy(l->frame + l->frame_n, p + used, take);
		l->frame_n += take;
		used += take;
		if (l->frame_n < l->frame_size || !frame_end(g, l) || used == n)
			return used;
	}
}

static void hold_drain(struct weir_gate *g, struct gate_lane *l)
{
	const uint8_t *p = NULL;
	uint32_t n, used;

	/* A head without its frame waits for room even when nothing else does. */
	if (l->head_n == HEAD && !l->frame)
		in_take(g, l, l->head, 0);
	while (l->stream && (n = weir_gate_fifo_peek(&l->hold, l->hold.start, &p)) > 0) {
		used = in_take(g, l, p, n);
		if (!l->stream)
			return;
		weir_gate_fifo_drop(&l->hold, l->hold.start + used);
		if (used < n)
			return;
	}
}

void weir__gate_in_data(struct weir_gate *g, struct gate_lane *l, const uint8_t *p, uint32_t n)
{
	uint32_t used = 0;

	l->received += n;
	l->bytes_in += n;
	g->region[l->is.peer].bytes_in += n;
	if (l->received > l->granted)
		return in_bad(g, l, "more than its credit");
	if (tell_all(g, l) && (weir_gate_fifo_bytes(&l->hold) == 0 || weir_planted(LANE_OVERTAKES)))
		used = in_take(g, l, p, n);
	if (l->stream && used < n && !weir_planted(LANE_DROPS_FULL))
		weir_gate_fifo_put(&l->hold, p + used, n - used);
}

/* What may still come, what waits and what the engine has not consumed is the window. */
static void in_credit(struct weir_gate *g, struct gate_lane *l)
{
	uint64_t window = WEIR_MAX(l->is.in_bytes, WEIR_STREAM_CREDIT);
	uint64_t busy = l->granted - l->received + weir_gate_fifo_bytes(&l->hold) +
			(l->frame ? l->frame_n : l->head_n) +
			g->ops->in_used(g->ops->ctx, l->index);

	if (weir_planted(LANE_CREDIT_EARLY))
		busy = l->granted - l->received;
	if (busy >= window)
		return;
	/* In large pieces: each one is a frame on the wire. Not where a large frame waits for its end. */
	if (window - busy < window / 8 && !(l->frame && l->granted == l->received))
		return;
	l->granted += window - busy;
	g->o.link->credit(g->o.link->ctx, l->stream, window - busy);
}

void weir__gate_in_step(struct weir_gate *g, struct gate_lane *l)
{
	const uint8_t *p = NULL;
	uint64_t n;

	if (!tell_all(g, l) || !l->stream)
		return;
	hold_drain(g, l);
	if (!l->stream)
		return;
	in_credit(g, l);
	if (weir_planted(LANE_GIVE_EARLY))
		weir__gate_lane_acked(g, l, l->out_given);
	n = g->ops->out_peek(g->ops->ctx, l->index, l->out_seen - l->out_done, &p);
	if (n == 0)
		return;
	l->out_seen += n;
	g->o.link->ready(g->o.link->ctx, l->stream);
}
