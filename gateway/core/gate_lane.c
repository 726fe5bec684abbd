/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "gateway/core/gate_int.h"

/* ---- the set of lanes ---- */

static struct gate_lane *lane_find(struct weir_gate *g, uint64_t edge)
{
	uint32_t low = 0, high = g->lane_count;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (g->lane[mid]->is.edge == edge)
			return g->lane[mid];
		if (g->lane[mid]->is.edge < edge)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static void lane_free(struct weir_gate *g, struct gate_lane *l)
{
	weir_gate_fifo_fini(&l->hold);
	g->o.mem->free(g->o.mem->ctx, l, sizeof(*l));
}

void weir__gate_lanes_fini(struct weir_gate *g)
{
	for (uint32_t i = 0; i < g->lane_count; i++)
		lane_free(g, g->lane[i]);
	g->lane_count = 0;
}

static int lanes_check(const struct weir_gate *g, const struct weir_gate_lane *lane, uint32_t count)
{
	if (count > WEIR_GATE_LANES_MAX)
		return WEIR_E_LIMIT;
	for (uint32_t i = 0; i < count; i++) {
		if (lane[i].peer >= g->o.region_count || lane[i].peer == g->o.here)
			return WEIR_E_RANGE;
		for (uint32_t j = 0; j < i; j++)
			if (lane[j].edge == lane[i].edge)
				return WEIR_E_RANGE;
	}
	return 0;
}

static struct gate_lane *lane_new(struct weir_gate *g, const struct weir_gate_lane *is)
{
	const struct weir_mem *m = g->o.mem;
	struct gate_lane *l =
		(struct gate_lane *)m->alloc(m->ctx, sizeof(*l), _Alignof(struct gate_lane));

	l->is = *is;
	l->opens = g->o.here < is->peer;
	l->backoff_ns = GATE_BACKOFF_MIN;
	weir_gate_fifo_init(&l->hold, m);
	snprintf(l->why, sizeof(l->why), "the gateway has just taken this lane");
	return l;
}

/* Into the sorted list; it is short and seldom changed. */
static void lane_insert(struct weir_gate *g, struct gate_lane *l)
{
	uint32_t at = g->lane_count++;

	for (; at > 0 && g->lane[at - 1]->is.edge > l->is.edge; at--)
		g->lane[at] = g->lane[at - 1];
	g->lane[at] = l;
}

/* What is not there any more goes, and what changed its shape. */
static void lanes_sweep(struct weir_gate *g, const struct weir_gate_lane *lane, uint32_t count,
			const char *why)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < g->lane_count; i++) {
		struct gate_lane *l = g->lane[i];
		bool stays = false;

		for (uint32_t j = 0; j < count; j++)
			stays |= lane[j].edge == l->is.edge && lane[j].peer == l->is.peer &&
				 lane[j].frame_max == l->is.frame_max &&
				 lane[j].in_bytes == l->is.in_bytes;
		if (stays) {
			g->lane[left++] = l;
			continue;
		}
		if (l->stream)
			weir__gate_lane_drop(g, l, why, true);
		lane_free(g, l);
	}
	g->lane_count = left;
}

int weir_gate_lanes(struct weir_gate *g, const struct weir_gate_lane *lane, uint32_t count,
		    const struct weir_gate_lane_ops *ops, uint64_t mono_ns)
{
	bool same = ops && ops == g->ops && ops->ctx == g->ops_ctx;
	int r = lanes_check(g, lane, count);

	if (r < 0)
		return r;
	weir_assert(ops || count == 0);
	g->now = WEIR_MAX(g->now, mono_ns);
	lanes_sweep(g, lane, same ? count : 0,
		    ops ? "the lane has moved to another gateway" : "the engine is gone");
	g->ops = ops;
	g->ops_ctx = ops ? ops->ctx : NULL;
	for (uint32_t i = 0; i < count; i++) {
		struct gate_lane *l = lane_find(g, lane[i].edge);

		if (!l) {
			l = lane_new(g, &lane[i]);
			lane_insert(g, l);
		}
		l->index = i;
	}
	weir__gate_links_announce(g);
	return 0;
}

/* ---- a stream comes and goes ---- */

static void lane_take(struct weir_gate *g, struct gate_lane *l, struct gate_link *k,
		      weir_stream_id stream, const char *relay)
{
	struct gate_stream *s = weir__gate_stream_add(g, stream, GATE_STREAM_LANE);

	s->lane = l;
	l->stream = stream;
	l->link = k;
	l->relayed = relay != NULL;
	l->opened_ns = g->now;
	/* Also another gateway after this one must not use a number twice: the clock does not go back. */
	l->session = WEIR_MAX(l->session + 1, g->now);
	l->out_done = l->out_seen = l->out_given = l->out_acked = 0;
	l->granted = WEIR_STREAM_CREDIT;
	l->received = 0;
	l->opened++;
	weir__gate_note(g, &(struct weir_gate_note){.kind = WEIR_GATE_NOTE_LANE_OPEN,
						    .region = g->o.region[l->is.peer],
						    .edge = l->is.edge,
						    .text = relay ? relay : ""});
}

void weir__gate_lane_drop(struct weir_gate *g, struct gate_lane *l, const char *why, bool tell)
{
	weir_assert(l->stream);
	weir__gate_stream_remove(g, l->stream);
	if (tell)
		weir__gate_request(g, GATE_SHUT, l->stream, why);
	l->stream = 0;
	l->link = NULL;
	weir__gate_in_reset(l);
	snprintf(l->why, sizeof(l->why), "%s", why);
	if (g->now - l->opened_ns >= GATE_STEADY)
		l->backoff_ns = GATE_BACKOFF_MIN;
	l->closed_ns = g->now;
	l->retry_ns = g->now + weir__gate_random(g, l->backoff_ns);
	l->backoff_ns = WEIR_MIN(2 * l->backoff_ns, GATE_BACKOFF_MAX);
	g->dirty = true;
	weir__gate_note(g, &(struct weir_gate_note){.kind = WEIR_GATE_NOTE_LANE_CLOSED,
						    .region = g->o.region[l->is.peer],
						    .edge = l->is.edge,
						    .text = why});
}

void weir__gate_lanes_link_down(struct weir_gate *g, const struct gate_link *k, const char *why)
{
	char text[GATE_WHY];

	snprintf(text, sizeof(text), "the link to %s/%s is down: %s", g->o.region[k->peer->region],
		 g->o.gateway_name[k->peer->region][k->peer->gateway], why);
	for (uint32_t i = 0; i < g->lane_count; i++)
		if (g->lane[i]->stream && g->lane[i]->link == k) {
			weir__gate_lane_drop(g, g->lane[i], text, false);
			g->lane[i]->retry_ns = 0; /* another link may do at once */
		}
}

/* The stream goes on over a better link, at the next step: then the old one is shut. */
static void lane_move(struct weir_gate *g, struct gate_lane *l, const char *why)
{
	weir_probe("gate.lane_moved");
	weir__gate_lane_drop(g, l, why, true);
	l->retry_ns = 0;
	l->backoff_ns = GATE_BACKOFF_MIN;
}

/* ---- streams that peers open ---- */

static void header_refuse(struct weir_gate *g, struct gate_link *k, weir_stream_id stream,
			  const char *why)
{
	weir__gate_refused(g, k->peer, why);
	weir__gate_request(g, GATE_SHUT, stream, why);
}

void weir__gate_lane_header(struct weir_gate *g, struct gate_link *k, weir_stream_id stream,
			    const void *p, uint32_t n)
{
	struct weir_gate_header h;
	struct gate_lane *l;
	int from, to;

	if (k->state != GATE_LINK_UP)
		return header_refuse(g, k, stream, "a stream before the hello");
	if (weir_gate_header_read(p, n, &h) < 0)
		return header_refuse(g, k, stream, "a stream whose header makes no sense");
	from = weir__gate_region_find(g, h.from);
	to = weir__gate_region_find(g, h.to);
	if (from < 0 || to < 0 || from == to || from == (int)g->o.here)
		return header_refuse(g, k, stream, "a stream between regions it cannot be between");
	/* Only a relay speaks for another region. */
	if ((h.hop == WEIR_GATE_RELAYED) == (from == (int)k->peer->region))
		return header_refuse(g, k, stream, "a stream in the name of another region");
	if (h.hop == WEIR_GATE_ASKS)
		return weir__gate_relay_ask(g, k, stream, &h);
	l = lane_find(g, h.edge);
	if (to != (int)g->o.here || !l) {
		weir_probe("gate.lane_not_here");
		return header_refuse(g, k, stream, "a stream for a lane that is not held here");
	}
	if (l->is.peer != (uint32_t)from || l->opens)
		return header_refuse(g, k, stream, "a stream for a lane that it may not open");
	if (l->broken) /* not the peer's fault */
		return weir__gate_request(g, GATE_SHUT, stream, "the engine's end is broken");
	if (l->stream) {
		weir_probe("gate.lane_replaced");
		weir__gate_lane_drop(g, l, "the peer has opened another stream", true);
	}
	lane_take(g, l, k, stream,
		  h.hop == WEIR_GATE_RELAYED ? g->o.region[k->peer->region] : NULL);
	g->dirty = true;
}

/* ---- streams that we open ---- */

static bool lane_open(struct weir_gate *g, struct gate_lane *l, struct gate_link *k, uint8_t hop)
{
	struct weir_gate_header h = {.hop = hop,
				     .edge = l->is.edge,
				     .from = weir_str_c(g->o.region[g->o.here]),
				     .to = weir_str_c(g->o.region[l->is.peer])};
	uint8_t bytes[WEIR_GATE_HEADER_MAX];
	uint32_t n = weir_gate_header_put(bytes, &h);
	weir_stream_id id = g->o.link->open(g->o.link->ctx, k->id, bytes, n);

	if (id == 0)
		return false; /* DOWN is on its way */
	lane_take(g, l, k, id, hop == WEIR_GATE_ASKS ? g->o.region[k->peer->region] : NULL);
	return true;
}

/* Is there a gateway of the region that no link leads to? */
static bool out_of_reach(const struct weir_gate *g, uint32_t region)
{
	for (uint32_t i = 0; i < g->peer_count; i++)
		if (g->peer[i].region == region && !g->peer[i].link)
			return true;
	return false;
}

/* The next gateway, in turn, of a third region that reaches the peer's. NULL: none. */
static struct gate_link *relay_for(struct weir_gate *g, struct gate_lane *l)
{
	if (!out_of_reach(g, l->is.peer))
		return NULL;
	for (uint32_t i = 0; i < g->peer_count; i++) {
		uint32_t at = (l->relay_turn + i) % g->peer_count;
		struct gate_link *k = g->peer[at].link;

		if (k && g->peer[at].region != l->is.peer &&
		    (k->view[l->is.peer] & WEIR_GATE_REACH)) {
			l->relay_turn = at + 1;
			return k;
		}
	}
	return NULL;
}

static void lane_step(struct weir_gate *g, struct gate_lane *l)
{
	uint64_t since = 0;
	struct gate_link *direct, *relay;

	if (!l->opens || l->broken)
		return;
	direct = weir__gate_link_to(g, l->is.peer, l->is.edge, &since);
	if (l->stream && direct && l->relayed)
		return lane_move(g, l, "a direct link is up");
	if (l->stream && direct && direct != l->link && since > l->opened_ns)
		return lane_move(g, l, "the lane has moved to another gateway");
	if (l->stream)
		return;
	if (direct && since > l->closed_ns)
		l->retry_ns = 0; /* news: no reason to wait */
	if (g->now < l->retry_ns)
		return weir__gate_due(g, l->retry_ns);
	if (direct) {
		lane_open(g, l, direct, WEIR_GATE_DIRECT);
		return;
	}
	relay = relay_for(g, l);
	if (relay) {
		weir_probe("gate.lane_over_relay");
		lane_open(g, l, relay, WEIR_GATE_ASKS);
	}
}

void weir__gate_lanes_step(struct weir_gate *g)
{
	if (g->stopping)
		return;
	for (uint32_t i = 0; i < g->lane_count; i++)
		lane_step(g, g->lane[i]);
}

/* ---- the out ring ---- */

uint32_t weir__gate_lane_peek(struct weir_gate *g, struct gate_lane *l, uint64_t offset,
			      const uint8_t **ret_p)
{
	uint64_t n;

	if (offset < l->out_done || l->broken)
		return 0;
	n = g->ops->out_peek(g->ops->ctx, l->index, offset - l->out_done, ret_p);
	n = WEIR_MIN(n, (uint64_t)WEIR_LANE_FRAME_LIMIT);
	if (offset + n > l->out_given) {
		l->bytes_out += offset + n - l->out_given;
		g->region[l->is.peer].bytes_out += offset + n - l->out_given;
		l->out_given = offset + n;
	}
	l->out_seen = WEIR_MAX(l->out_seen, l->out_given);
	return (uint32_t)n;
}

void weir__gate_lane_acked(struct weir_gate *g, struct gate_lane *l, uint64_t offset)
{
	const uint8_t *p = NULL;

	if (offset > l->out_given || l->broken)
		return; /* of bytes that were never sent */
	l->out_acked = WEIR_MAX(l->out_acked, offset);
	for (;;) {
		uint64_t n = g->ops->out_peek(g->ops->ctx, l->index, 0, &p);
		int64_t stride = weir_lane_stride(p, n, l->is.frame_max);

		if (stride < 0) {
			l->broken = true;
			weir__gate_lane_drop(g, l, "the engine's ring holds no lane frame", true);
			return;
		}
		if (stride > 0 && weir_planted(LANE_GIVE_PART))
			stride = (int64_t)WEIR_MIN((uint64_t)stride, l->out_acked - l->out_done);
		if (stride == 0 || l->out_done + (uint64_t)stride > l->out_acked)
			return;
		g->ops->out_done(g->ops->ctx, l->index, (uint64_t)stride);
		l->out_done += (uint64_t)stride;
	}
}
