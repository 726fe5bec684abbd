/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/core/gate_relay.c - streams passed on between two other regions: two streams, and what is on its way between them. Bytes
 * are given back to one side as credit when the other has acknowledged them, so a way holds at most one stream's credit.
 */
#include "gateway/core/gate_int.h"

static void refuse(struct weir_gate *g, struct gate_link *k, weir_stream_id stream, const char *why)
{
	weir__gate_refused(g, k->peer, why);
	weir__gate_request(g, GATE_SHUT, stream, why);
}

static void half_init(struct weir_gate *g, struct gate_half *h, struct gate_link *k)
{
	h->link = k;
	h->granted = WEIR_STREAM_CREDIT;
	weir_gate_fifo_init(&h->in, g->o.mem);
}

static void half_open(struct weir_gate *g, struct gate_relay *r, unsigned half, weir_stream_id id)
{
	struct gate_stream *s = weir__gate_stream_add(g, id, GATE_STREAM_RELAY);

	s->relay = r;
	s->half = (uint8_t)half;
	r->half[half].stream = id;
}

void weir__gate_relay_ask(struct weir_gate *g, struct gate_link *k, weir_stream_id stream,
			  const struct weir_gate_header *h)
{
	const struct weir_mem *m = g->o.mem;
	uint32_t from = k->peer->region, to = (uint32_t)weir__gate_region_find(g, h->to);
	uint64_t since = 0;
	struct gate_link *other;
	struct gate_relay *r;

	if (to == g->o.here)
		return refuse(g, k, stream, "a relay to where it is");
	other = weir__gate_link_to(g, to, h->edge, &since);
	weir_probe("gate.relay_asked");
	if (!other)
		return refuse(g, k, stream, "a relay to where the lane cannot be reached");
	for (r = g->relay; r; r = r->next)
		if (!r->gone && r->edge == h->edge && r->from == from && r->to == to) {
			weir_probe("gate.relay_asked_again");
			weir__gate_relay_drop(g, r, 2, "the lane was asked for again");
		}
	if (g->relay_count == WEIR_GATE_RELAYS_MAX)
		return refuse(g, k, stream, "too many relays");
	r = (struct gate_relay *)m->alloc(m->ctx, sizeof(*r), _Alignof(struct gate_relay));
	r->edge = h->edge;
	r->from = from;
	r->to = to;
	half_init(g, &r->half[0], k);
	half_init(g, &r->half[1], other);
	half_open(g, r, 0, stream);
	r->next = g->relay;
	g->relay = r;
	g->relay_count++;
}

void weir__gate_relay_data(struct weir_gate *g, struct gate_relay *r, unsigned half,
			   const uint8_t *p, uint32_t n)
{
	struct gate_half *h = &r->half[half];
	struct gate_peer *peer = h->link->peer;

	if (h->in.end + n > h->granted) {
		weir__gate_refused(g, peer, "more than its credit");
		weir__gate_relay_drop(g, r, 2, "more than its credit");
		return;
	}
	weir_gate_fifo_put(&h->in, p, n);
	g->region[peer->region].relayed_bytes += n;
	r->half[1 - half].news = true;
}

void weir__gate_relay_acked(struct weir_gate *g, struct gate_relay *r, unsigned half,
			    uint64_t offset)
{
	struct gate_half *from = &r->half[1 - half];

	(void)g;
	if (offset <= from->in.start || offset > from->in.end)
		return;
	if (weir_planted(GATE_RELAY_FORGETS))
		offset = from->in.end;
	from->credit += offset - from->in.start;
	weir_gate_fifo_drop(&from->in, offset);
}

uint32_t weir__gate_relay_peek(struct gate_relay *r, unsigned half, uint64_t offset,
			       const uint8_t **ret_p)
{
	struct weir_gate_fifo *f = &r->half[1 - half].in;

	if (offset < f->start || offset > f->end) {
		weir_probe("gate.relay_late_peek");
		return 0;
	}
	return weir_gate_fifo_peek(f, offset, ret_p);
}

void weir__gate_relay_drop(struct weir_gate *g, struct gate_relay *r, unsigned half,
			   const char *why)
{
	for (unsigned i = 0; i < 2; i++) {
		struct gate_half *h = &r->half[i];

		if (h->stream) {
			weir__gate_stream_remove(g, h->stream);
			if (i != half && !weir_planted(GATE_RELAY_HALF))
				weir__gate_request(g, GATE_SHUT, h->stream, why);
		}
		h->stream = 0;
	}
	r->gone = true;
	g->relay_count--;
}

void weir__gate_relays_link_down(struct weir_gate *g, const struct gate_link *k, const char *why)
{
	for (struct gate_relay *r = g->relay; r; r = r->next)
		for (unsigned i = 0; i < 2 && !r->gone; i++)
			if (r->half[i].link == k) {
				weir_probe("gate.relay_link_down");
				weir__gate_relay_drop(g, r, i, why);
			}
}

static void relay_free(struct weir_gate *g, struct gate_relay *r)
{
	weir_gate_fifo_fini(&r->half[0].in);
	weir_gate_fifo_fini(&r->half[1].in);
	g->o.mem->free(g->o.mem->ctx, r, sizeof(*r));
}

static void relay_open(struct weir_gate *g, struct gate_relay *r)
{
	struct weir_gate_header h = {.hop = WEIR_GATE_RELAYED,
				     .edge = r->edge,
				     .from = weir_str_c(g->o.region[r->from]),
				     .to = weir_str_c(g->o.region[r->to])};
	uint8_t bytes[WEIR_GATE_HEADER_MAX];
	weir_stream_id id = g->o.link->open(g->o.link->ctx, r->half[1].link->id, bytes,
					    weir_gate_header_put(bytes, &h));

	if (id)
		half_open(g, r, 1, id);
	else
		weir__gate_relay_drop(g, r, 1, "the relay's other link is down");
}

static void half_step(struct weir_gate *g, struct gate_half *h)
{
	const struct weir_link_ops *ops = g->o.link;

	if (h->news)
		ops->ready(ops->ctx, h->stream);
	h->news = false;
	if (h->credit)
		ops->credit(ops->ctx, h->stream, h->credit);
	h->granted += h->credit;
	h->credit = 0;
}

void weir__gate_relays_step(struct weir_gate *g)
{
	struct gate_relay **at = &g->relay;

	while (*at) {
		struct gate_relay *r = *at;

		if (!r->gone && !r->half[1].stream)
			relay_open(g, r);
		if (r->gone) {
			*at = r->next;
			relay_free(g, r);
			continue;
		}
		half_step(g, &r->half[0]);
		half_step(g, &r->half[1]);
		at = &r->next;
	}
}

void weir__gate_relays_fini(struct weir_gate *g)
{
	while (g->relay) {
		struct gate_relay *r = g->relay;

		g->relay = r->next;
		relay_free(g, r);
	}
}
