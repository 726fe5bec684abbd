/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/regions_net.h"

#include <stdlib.h>

#include "gateway/core/gate_msg.h"

#define MS ((uint64_t)WEIR_NS_PER_MS)
#define IDLE_NS ((uint64_t)6 * WEIR_NS_PER_S) /* a packet that waits longer: the link is broken */

/* ---- packets: a heap by (due, order) ---- */

static bool before(const struct net_packet *a, const struct net_packet *b)
{
	return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static void put(struct sim_net *n, struct net_packet *p)
{
	uint32_t i = n->packets++;

	n->heap = sim_grow(n->heap, &n->heap_cap, n->packets, sizeof(*n->heap));
	for (; i > 0 && before(p, n->heap[(i - 1) / 2]); i = (i - 1) / 2)
		n->heap[i] = n->heap[(i - 1) / 2];
	n->heap[i] = p;
}

static struct net_packet *take(struct sim_net *n)
{
	struct net_packet *top = n->heap[0], *last = n->heap[--n->packets];
	uint32_t i = 0, k;

	while ((k = 2 * i + 1) < n->packets) {
		if (k + 1 < n->packets && before(n->heap[k + 1], n->heap[k]))
			k++;
		if (!before(n->heap[k], last))
			break;
		n->heap[i] = n->heap[k];
		i = k;
	}
	n->heap[i] = last;
	return top;
}

/* ---- sending ---- */

struct sim_gate *sim_net_gate(const struct sim_regions *w, uint32_t node)
{
	return w->region[node / SIM_GATES_MAX].gate[node % SIM_GATES_MAX];
}

static unsigned side_of(const struct net_link *l, uint32_t node)
{
	return l->node[0] == node ? 0 : 1;
}

bool sim_net_dark(const struct sim_regions *w, uint32_t a, uint32_t b)
{
	const struct sim_options *o = &w->s->opt;

	if (!o->on[SIM_LINK_DARK] || (w->s->fault.mask && w->s->fault.mask->off[SIM_LINK_DARK]))
		return false;
	return (a == o->dark[0] && b == o->dark[1]) || (a == o->dark[1] && b == o->dark[0]);
}

static uint64_t way(struct sim_regions *w, uint32_t from, uint32_t to)
{
	struct sim_net *n = w->net;
	uint64_t at = w->now + n->delay[from][to];

	at += weir_prng_below(&n->prng, n->delay[from][to] / 8 + 1);
	if (sim_fault(w->s, SIM_LINK_JITTER, 20000))
		at += (1 + sim_fault_pick(w->s, SIM_LINK_JITTER, 200)) * MS;
	if (n->clog_until[from][to] > w->now)
		at = WEIR_MAX(at, n->clog_until[from][to]) + weir_prng_below(&n->prng, 20) * MS;
	return at;
}

/* What a gateway that is not to be trusted makes of it: links themselves are checked. */
static void rot(struct sim_regions *w, struct net_packet *k)
{
	if (!sim_fault(w->s, SIM_LINK_ROT, w->s->opt.link_rate * 4))
		return;
	w->net->rotten++;
	k->from = NULL;
	k->data[sim_fault_pick(w->s, SIM_LINK_ROT, k->n)] ^=
		(uint8_t)(1u << sim_fault_pick(w->s, SIM_LINK_ROT, 8));
}

static void send(struct sim_regions *w, uint32_t link, unsigned from, enum net_kind kind,
		 uint32_t stream, uint64_t offset, const void *p, uint32_t bytes)
{
	struct sim_net *n = w->net;
	struct net_link *l = &n->link[link];
	uint64_t *last =
		stream ? &n->stream[stream]
				  .last[n->stream[stream].node[0] == l->node[1 - from] ? 0 : 1]
		       : &l->last[1 - from];
	struct net_packet *k;

	if (l->broken)
		return;
	if (sim_net_dark(w, l->node[0] / SIM_GATES_MAX, l->node[1] / SIM_GATES_MAX))
		return;
	k = sim_alloc(sizeof(*k) + bytes + 1);
	*k = (struct net_packet){.order = n->order++,
				 .sent = w->now,
				 .offset = offset,
				 .kind = kind,
				 .link = link,
				 .stream = stream,
				 .n = bytes,
				 .to = 1 - from};
	if (bytes)
		memcpy(k->data, p, bytes);
	k->data[bytes] = 0;
	k->due = way(w, l->node[from] / SIM_GATES_MAX, l->node[1 - from] / SIM_GATES_MAX);
	/* In order on its stream; and nothing comes before the answer to a dial. */
	k->due = WEIR_MAX(k->due, *last);
	if (kind == NET_OPEN || (stream == 0 && kind != NET_CLOSE))
		k->due = WEIR_MAX(k->due, l->last[1 - from]);
	*last = k->due;
	if (kind == NET_DATA) {
		l->flying[1 - from] += bytes;
		k->from = p;
		rot(w, k);
	}
	put(n, k);
}

static void tell_down(struct sim_regions *w, uint32_t link, unsigned side, uint64_t in_ns,
		      const char *why)
{
	size_t bytes = strlen(why);
	struct net_packet *k = sim_alloc(sizeof(*k) + bytes + 1);

	*k = (struct net_packet){.order = w->net->order++,
				 .sent = w->now,
				 .due = w->now + in_ns,
				 .kind = NET_DOWN,
				 .link = link,
				 .n = (uint32_t)bytes,
				 .to = side};
	memcpy(k->data, why, bytes + 1);
	put(w->net, k);
}

void sim_net_break(struct sim_regions *w, uint32_t link, const char *why)
{
	struct net_link *l = &w->net->link[link];

	if (l->broken || !(l->end[0] || l->end[1]))
		return;
	l->broken = true;
	w->net->breaks++;
	sim_trace(w->s, SIM_EV_BREAK, link, l->node[0], l->node[1]);
	for (unsigned i = 0; i < 2; i++)
		if (l->end[i] && why)
			tell_down(w, link, i, weir_prng_below(&w->net->prng, 400) * MS, why);
}

void sim_net_break_gate(struct sim_regions *w, const struct sim_gate *k)
{
	for (uint32_t i = 1; i <= w->net->links; i++)
		if (w->net->link[i].node[0] == k->node || w->net->link[i].node[1] == k->node)
			sim_net_break(w, i, "connection lost");
}

/* ---- what a gate asks ---- */

static struct sim_regions *world; /* of the run: the gates' calls have the gate only */

static struct net_link *link_new(struct sim_net *n)
{
	n->links++;
	n->link = sim_grow(n->link, &n->link_cap, n->links + 1, sizeof(*n->link));
	memset(&n->link[n->links], 0, sizeof(*n->link));
	return &n->link[n->links];
}

static weir_link_id net_dial(void *ctx, uint32_t region, uint32_t gateway)
{
	const struct sim_gate *k = ctx;
	struct sim_net *n = world->net;
	struct net_link *l = link_new(n);
	uint32_t id = n->links;
	const struct sim_gate *peer = world->region[region].gate[gateway];

	l->node[0] = k->node;
	l->node[1] = peer->node;
	l->life[0] = k->life;
	l->life[1] = peer->life;
	l->end[0] = true;
	if (sim_fault(world->s, SIM_LINK_HANG, 100000))
		return id;
	if (!peer->g && weir_prng_chance(&n->prng, 1, 2))
		tell_down(world, id, 0, 2 * n->delay[k->region][region], "connection refused");
	else
		send(world, id, 0, NET_DIAL, 0, 0, NULL, 0);
	return id;
}

static void end_streams(struct sim_net *n, uint32_t link, unsigned side)
{
	for (uint32_t i = 1; i <= n->streams; i++)
		if (n->stream[i].link == link)
			n->stream[i].end[n->stream[i].node[0] == n->link[link].node[side] ? 0 : 1] =
				false;
}

static void net_close(void *ctx, weir_link_id link, const char *why)
{
	const struct sim_gate *k = ctx;
	struct net_link *l = &world->net->link[link];
	unsigned side = side_of(l, k->node);

	if (!l->end[side])
		return;
	send(world, link, side, NET_CLOSE, 0, 0, why, (uint32_t)strlen(why));
	l->end[side] = false;
	end_streams(world->net, link, side);
}

static bool net_control(void *ctx, weir_link_id link, const void *p, uint32_t bytes)
{
	const struct sim_gate *k = ctx;
	struct net_link *l = &world->net->link[link];
	unsigned side = side_of(l, k->node);

	sim_regions_check(bytes <= WEIR_LINK_CONTROL_MAX, "L5", "a control message of %u bytes",
			  bytes);
	if (weir_prng_chance(&world->net->prng, 1, 200))
		return false;
	if (l->end[side])
		send(world, link, side, NET_CONTROL, 0, 0, p, bytes);
	return true;
}

static weir_stream_id net_open(void *ctx, weir_link_id link, const void *header, uint32_t bytes)
{
	const struct sim_gate *k = ctx;
	struct sim_net *n = world->net;
	struct net_link *l = &n->link[link];
	unsigned side = side_of(l, k->node);
	struct weir_gate_header h;
	struct net_stream *s;

	if (!l->end[side])
		return 0;
	n->streams++;
	n->stream = sim_grow(n->stream, &n->stream_cap, n->streams + 1, sizeof(*n->stream));
	s = &n->stream[n->streams];
	sim_regions_check(weir_gate_header_read(header, bytes, &h) == 0, "LANE",
			  "a gateway opens a stream with a header that is none");
	*s = (struct net_stream){.link = link,
				 .edge = h.edge,
				 .node = {k->node, l->node[1 - side]},
				 .end = {true, false},
				 .allowed = {WEIR_STREAM_CREDIT, WEIR_STREAM_CREDIT},
				 .credit = {WEIR_STREAM_CREDIT, WEIR_STREAM_CREDIT}};
	send(world, link, side, NET_OPEN, n->streams, 0, header, bytes);
	return n->streams;
}

static unsigned stream_side(const struct net_stream *s, uint32_t node)
{
	return s->node[0] == node ? 0 : 1;
}

static void net_shut(void *ctx, weir_stream_id stream, const char *why)
{
	const struct sim_gate *k = ctx;
	struct net_stream *s = &world->net->stream[stream];
	unsigned side = stream_side(s, k->node);

	if (!s->end[side])
		return;
	s->end[side] = false;
	send(world, s->link, side_of(&world->net->link[s->link], k->node), NET_SHUT, stream, 0, why,
	     (uint32_t)strlen(why));
}

static void make_ready(struct sim_net *n, uint32_t stream, unsigned side)
{
	struct net_stream *s = &n->stream[stream];

	s->ready[side] = true;
	if (s->listed[side])
		return;
	s->listed[side] = true;
	n->ready = sim_grow(n->ready, &n->ready_cap, n->ready_count + 1, sizeof(*n->ready));
	n->ready[n->ready_count++] = (struct net_ready){stream, side};
}

static void net_ready(void *ctx, weir_stream_id stream)
{
	const struct sim_gate *k = ctx;

	make_ready(world->net, stream, stream_side(&world->net->stream[stream], k->node));
}

static void net_credit(void *ctx, weir_stream_id stream, uint64_t bytes)
{
	const struct sim_gate *k = ctx;
	struct net_stream *s = &world->net->stream[stream];
	unsigned side = stream_side(s, k->node);

	s->allowed[side] += bytes;
	sim_gate_credit(k, s->edge, s->allowed[side]);
	if (s->end[side])
		send(world, s->link, side_of(&world->net->link[s->link], k->node), NET_CREDIT,
		     stream, bytes, NULL, 0);
}

void sim_net_link_ops(struct sim_regions *w, struct sim_gate *k)
{
	world = w;
	k->link = (struct weir_link_ops){.dial = net_dial,
					 .close = net_close,
					 .control = net_control,
					 .open = net_open,
					 .shut = net_shut,
					 .ready = net_ready,
					 .credit = net_credit,
					 .ctx = k};
}

void sim_net_gate_gone(struct sim_regions *w, const struct sim_gate *k)
{
	struct sim_net *n = w->net;

	for (uint32_t i = 1; i <= n->links; i++) {
		struct net_link *l = &n->link[i];
		unsigned side = side_of(l, k->node);

		if ((l->node[0] != k->node && l->node[1] != k->node) || !l->end[side])
			continue;
		l->end[side] = false;
		end_streams(n, i, side);
		/* A reset, or silence until somebody loses patience. */
		if (l->end[1 - side] && !l->broken) {
			l->broken = true;
			tell_down(w, i, 1 - side, weir_prng_below(&n->prng, 3000) * MS,
				  "connection reset");
		}
	}
}

/* ---- delivery ---- */

static void event(struct sim_regions *w, uint32_t node, const struct weir_link_event *e)
{
	sim_gate_event(w, sim_net_gate(w, node), e);
}

static void up(struct sim_regions *w, uint32_t link, unsigned side)
{
	const struct net_link *l = &w->net->link[link];
	const struct sim_gate *peer = sim_net_gate(w, l->node[1 - side]);
	struct weir_link_event e = {.kind = WEIR_LINK_UP,
				    .link = link,
				    .ours = side == 0,
				    .region = w->name[peer->region],
				    .gateway = w->gate_name[peer->region][peer->number]};

	event(w, l->node[side], &e);
}

static void down(struct sim_regions *w, uint32_t link, unsigned side, const char *why)
{
	struct weir_link_event e = {.kind = WEIR_LINK_DOWN, .link = link, .text = why};
	uint32_t node = w->net->link[link].node[side];

	w->net->link[link].end[side] = false;
	end_streams(w->net, link, side);
	event(w, node, &e);
}

/* A transport sends again what was lost: from where the gateway keeps it. */
static void still_there(struct sim_regions *w, const struct net_packet *k,
			const struct net_stream *s)
{
	const struct net_link *l = &w->net->link[s->link];
	unsigned from = 1 - k->to;
	const struct sim_gate *gate = sim_net_gate(w, l->node[from]);
	unsigned side = stream_side(s, l->node[from]);

	if (!k->from || !gate->g || gate->life != l->life[from] || !l->end[from] || !s->end[side])
		return;
	/* It may have dropped its lanes, and not come to shut their streams. */
	sim_regions_check(memcmp(k->from, k->data, k->n) == 0, "LANE",
			  "bytes of a stream change before gateway %u hears that they have come",
			  gate->node);
}

static void deliver_stream(struct sim_regions *w, const struct net_packet *k, uint32_t node)
{
	struct sim_net *n = w->net;
	struct net_stream *s = &n->stream[k->stream];
	unsigned side = stream_side(s, node);
	uint32_t link = s->link;
	struct weir_link_event e = {.link = link, .stream = k->stream, .offset = k->offset};

	if (k->kind == NET_OPEN) {
		s->end[1] = true;
		e.kind = WEIR_LINK_STREAM_OPEN;
		e.data = k->data;
		e.n = k->n;
		event(w, node, &e);
		return;
	}
	if (k->kind == NET_CREDIT) {
		s->credit[side] += k->offset;
		make_ready(n, k->stream, side);
		return;
	}
	if (!s->end[side])
		return;
	if (k->kind == NET_ACK) {
		e.kind = WEIR_LINK_STREAM_ACKED;
	} else if (k->kind == NET_DATA) {
		still_there(w, k, s);
		e.kind = WEIR_LINK_STREAM_DATA;
		e.data = k->data;
		e.n = k->n;
		if (n->link[link].broken) {
			/* The last that comes through: it ends anywhere. */
			e.n = 1 + (uint32_t)weir_prng_below(&n->prng, k->n);
			n->link[link].cut[k->to] = weir_prng_chance(&n->prng, 1, 3) || e.n < k->n;
		}
		n->delivered += e.n;
		send(w, link, side_of(&n->link[link], node), NET_ACK, k->stream, k->offset + e.n,
		     NULL, 0);
	} else {
		e.kind = WEIR_LINK_STREAM_CLOSED;
		e.text = (const char *)k->data;
		s->end[side] = false;
	}
	event(w, node, &e);
}

static void deliver(struct sim_regions *w, const struct net_packet *k)
{
	struct sim_net *n = w->net;
	struct net_link *l = &n->link[k->link];
	uint32_t node = l->node[k->to];
	const struct sim_gate *gate = sim_net_gate(w, node);
	struct weir_link_event e = {
		.kind = WEIR_LINK_CONTROL, .link = k->link, .data = k->data, .n = k->n};

	sim_trace(w->s, SIM_EV_PACKET, k->kind, k->stream, k->n);
	if (k->kind == NET_DIAL) {
		if (!gate->g || l->broken)
			return; /* nobody answers */
		l->life[1] = gate->life;
		l->end[1] = true;
		send(w, k->link, 1, NET_ACCEPT, 0, 0, NULL, 0);
		up(w, k->link, 1);
		return;
	}
	if (!gate->g || !l->end[k->to] || l->life[k->to] != gate->life)
		return;
	if (k->kind == NET_DOWN || k->kind == NET_CLOSE) {
		down(w, k->link, k->to, (const char *)k->data);
		return;
	}
	if (l->cut[k->to])
		return;
	if (k->kind == NET_ACCEPT)
		up(w, k->link, 0);
	else if (k->kind == NET_CONTROL)
		event(w, node, &e);
	else
		deliver_stream(w, k, node);
}

/* The way is shut: later, or never. true: it is not for now. */
static bool kept_back(struct sim_regions *w, struct net_packet *k)
{
	struct sim_net *n = w->net;
	struct net_link *l = &n->link[k->link];
	uint32_t from = l->node[1 - k->to] / SIM_GATES_MAX, to = l->node[k->to] / SIM_GATES_MAX;
	uint64_t until = n->cut_until[from][to];
	uint64_t *last =
		k->stream ? &n->stream[k->stream]
				     .last[stream_side(&n->stream[k->stream], l->node[k->to])]
			  : &l->last[k->to];

	if (k->kind == NET_DOWN || until <= w->now)
		return false;
	if (w->now - k->sent > IDLE_NS)
		sim_net_break(w, k->link, "timed out");
	k->due = until;
	*last = WEIR_MAX(*last, until);
	put(n, k);
	return true;
}

bool sim_net_deliver(struct sim_regions *w)
{
	struct sim_net *n = w->net;
	bool any = false;

	while (n->packets && n->heap[0]->due <= w->now) {
		struct net_packet *k = take(n);

		if (kept_back(w, k))
			continue;
		if (k->kind == NET_DATA)
			n->link[k->link].flying[k->to] -= k->n;
		/* Held by the net until it is through: a kill of the gate leaves the call. */
		deliver(w, k);
		free(k);
		any = true;
	}
	return any;
}

bool sim_net_rotten(const struct sim_net *n)
{
	return n->rotten > 0;
}

uint64_t sim_net_next(const struct sim_net *n)
{
	return n->packets ? n->heap[0]->due : UINT64_MAX;
}

/* ---- streams send ---- */

/* false: it stays in the list. */
static bool pump(struct sim_regions *w, const struct net_ready *r, bool *any)
{
	struct sim_net *n = w->net;
	uint32_t stream = r->stream;
	unsigned side = r->side;

	for (;;) {
		struct net_stream *s = &n->stream[stream];
		struct net_link *l = &n->link[s->link];
		const struct sim_gate *k = sim_net_gate(w, s->node[side]);
		unsigned from = side_of(l, s->node[side]);
		const uint8_t *p;
		uint64_t may;
		uint32_t got;

		if (!s->end[side] || !k->g || l->life[from] != k->life)
			return true;
		may = WEIR_MIN(s->credit[side] - s->sent[side], (uint64_t)n->chunk);
		if (!may)
			return true; /* credit() lists it again */
		if (l->flying[1 - from] >= n->window)
			return l->broken;
		got = weir_gate_peek(k->g, stream, s->sent[side], &p);
		if (!got) {
			s->ready[side] = false;
			return true;
		}
		got = (uint32_t)WEIR_MIN((uint64_t)got, may);
		if (weir_prng_chance(&n->prng, 1, 4))
			got = 1 + (uint32_t)weir_prng_below(&n->prng, got);
		send(w, s->link, from, NET_DATA, stream, s->sent[side], p, got);
		n->stream[stream].sent[side] += got;
		*any = true;
	}
}

bool sim_net_pump(struct sim_regions *w)
{
	struct sim_net *n = w->net;
	uint32_t count = n->ready_count, kept = 0;
	bool any = false;

	for (uint32_t i = 0; i < count; i++) {
		struct net_ready r = n->ready[i];

		if (pump(w, &r, &any))
			n->stream[r.stream].listed[r.side] = false;
		else
			n->ready[kept++] = r;
	}
	n->ready_count = kept;
	return any;
}

/* ---- life ---- */

struct sim_net *sim_net_new(struct sim_regions *w)
{
	static const uint32_t chunk[] = {64, 1200, 1200, 16384, 65536};
	struct sim_net *n = sim_alloc(sizeof(*n));

	n->prng = weir_prng_of(w->s->seed, "net");
	n->chunk = chunk[weir_prng_below(&n->prng, WEIR_COUNT_OF(chunk))];
	n->window = WEIR_MAX(8192u << weir_prng_below(&n->prng, 9), 16 * n->chunk);
	for (uint32_t i = 0; i < w->count; i++)
		for (uint32_t k = 0; k < w->count; k++)
			n->delay[i][k] = 50000 + weir_prng_below(&n->prng, w->s->opt.delay_ns);
	return n;
}

void sim_net_free(struct sim_net *n)
{
	for (uint32_t i = 0; i < n->packets; i++)
		free(n->heap[i]);
	free(n->heap);
	free(n->link);
	free(n->stream);
	free(n->ready);
	free(n);
}

void sim_net_dump(const struct sim_regions *w, FILE *to)
{
	const struct sim_net *n = w->net;

	fprintf(to, "  net: %u packets on their way, %u links, %u streams, %llu breaks\n",
		n->packets, n->links, n->streams, (unsigned long long)n->breaks);
	for (uint32_t i = 1; i <= n->links; i++)
		if (n->link[i].end[0] || n->link[i].end[1])
			fprintf(to, "  link %u: gateways %u and %u, ends %d %d%s\n", i,
				n->link[i].node[0], n->link[i].node[1], n->link[i].end[0],
				n->link[i].end[1], n->link[i].broken ? ", broken" : "");
}
