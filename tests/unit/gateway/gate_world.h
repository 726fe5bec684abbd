/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/gateway/gate_world.h - gateways, engines and the network between them in memory, for tests of the gate.
 *
 * Network: connections with two ends; packets of one direction stay in order and come after the pair's delay. A cut between two
 *          gateways stops packets, which come when it heals (as a transport repeats them). Nobody is told but by silence.
 * Engine:  rings as straight memory; writes numbered frames, checks what comes: whole frames of its edge, OPEN, frames, CLOSED in this
 *          order, numbers without a gap within one opening.
 * Time:    virtual, in steps of at most STEP_NS or to the next due thing.
 */
#ifndef WEIR_TESTS_UNIT_GATEWAY_GATE_WORLD_H
#define WEIR_TESTS_UNIT_GATEWAY_GATE_WORLD_H

#include <string.h>

#include "base/prng.h"
#include "gateway/core/gate.h"
#include "tests/lib/test.h"

#define W_NODES 8u
#define W_LANES 4u
#define W_CONNS 4096u
#define W_STREAMS 4096u
#define W_MS UINT64_C(1000000)
#define W_S (1000 * W_MS)
#define W_RING ((size_t)24 << 20)
#define w_static static __attribute__((unused))

enum w_kind { W_DIAL, W_ACCEPT, W_CLOSE, W_CONTROL, W_OPEN, W_DATA, W_ACK, W_CREDIT, W_SHUT };

struct w_packet {
	struct w_packet *next;
	uint64_t due, offset;
	enum w_kind kind;
	uint32_t conn, stream, n;
	uint8_t data[];
};

struct w_conn {
	uint32_t node[2]; /* dialled, answered */
	uint32_t life[2]; /* of the nodes, when it began */
	bool end[2], greeted[2]; /* this side has it; has been told UP */
	struct w_packet *first[2], *last[2]; /* on the way to side i */
};

struct w_stream {
	uint32_t conn, node[2]; /* opened, accepted */
	bool end[2], told[2], ready[2];
	uint64_t sent[2], credit[2]; /* by side i: so far, at most */
};

struct w_lane {
	bool held; /* by this node's gateway */
	struct weir_gate_lane is;
	uint8_t *out, *in;
	uint64_t out_head, out_tail, in_head, in_tail, in_cap;
	uint32_t engine; /* index of the engine's side: region */
	bool open;
	uint64_t session, expect, got, highest, opens, closes, next_out;
	char why[128];
};

struct w_node {
	bool alive;
	uint32_t life, region, gateway;
	struct weir_gate *g;
	struct weir_link_ops link;
	struct weir_gate_lane_ops ops;
	struct w_engine *engine; /* NULL: none */
	uint32_t map[W_LANES], lanes; /* numbers for ops to the engine's */
	uint64_t due;
	uint32_t ups, downs, refused, lane_opens, lane_closes, dials;
	uint64_t dial_ns[64];
	enum weir_gate_health noted[8];
	uint64_t noted_ns[8], down_ns; /* of the last link that was up */
	char text[128]; /* of the last note */
};

/* One region's engine: rings that all its gateways share. */
struct w_engine {
	bool alive;
	struct w_lane lane[W_LANES];
	uint32_t lanes;
};

static struct w_world {
	uint64_t now, delay[W_NODES][W_NODES];
	bool cut[W_NODES][W_NODES], refuse[W_NODES]; /* refuse: a dial fails at once */
	struct weir_prng prng;
	uint32_t regions, nodes;
	const char *region[4];
	uint32_t gateways[4];
	const char *const *names[4];
	struct w_node node[W_NODES];
	struct w_engine engine[4];
	struct w_conn conn[W_CONNS];
	struct w_stream stream[W_STREAMS];
	uint32_t conns, streams;
	uint32_t chunk; /* DATA events are of at most so many bytes */
	uint64_t control_fails; /* so many messages are not taken */
	uint64_t resent, frames;
} w;

w_static const char *const w_gw_names[] = {"gw0", "gw1", "gw2", "gw3"};

/* ---- network: what the gate asks ---- */

w_static unsigned w_side(const struct w_conn *c, uint32_t node)
{
	return c->node[0] == node ? 0 : 1;
}

w_static void w_send(uint32_t conn, unsigned from, enum w_kind kind, uint32_t stream,
		     uint64_t offset, const void *p, uint32_t n)
{
	struct w_conn *c = &w.conn[conn];
	struct w_packet *k = calloc(1, sizeof(*k) + n + 1);

	k->kind = kind;
	k->conn = conn;
	k->stream = stream;
	k->offset = offset;
	k->n = n;
	k->due = w.now + w.delay[c->node[0]][c->node[1]];
	if (n)
		memcpy(k->data, p, n);
	if (c->last[1 - from])
		c->last[1 - from]->next = k;
	else
		c->first[1 - from] = k;
	c->last[1 - from] = k;
}

w_static weir_link_id w_dial(void *ctx, uint32_t region, uint32_t gateway)
{
	struct w_node *n = ctx;
	uint32_t me = (uint32_t)(n - w.node), id = ++w.conns;
	struct w_conn *c = &w.conn[id];

	assert_true(id < W_CONNS);
	*c = (struct w_conn){.node = {me, UINT32_MAX}, .end = {true, false}};
	for (uint32_t i = 0; i < w.nodes; i++)
		if (w.node[i].region == region && w.node[i].gateway == gateway)
			c->node[1] = i;
	assert_true(c->node[1] != UINT32_MAX);
	c->life[0] = n->life;
	c->life[1] = w.node[c->node[1]].life;
	if (n->dials < 64)
		n->dial_ns[n->dials] = w.now;
	n->dials++;
	w_send(id, 0, W_DIAL, 0, 0, NULL, 0);
	return id;
}

w_static void w_end_streams(uint32_t conn, unsigned side)
{
	for (uint32_t i = 1; i <= w.streams; i++)
		if (w.stream[i].conn == conn)
			w.stream[i].end[w.stream[i].node[0] == w.conn[conn].node[side] ? 0 : 1] =
				false;
}

w_static void w_close(void *ctx, weir_link_id link, const char *why)
{
	struct w_node *n = ctx;
	struct w_conn *c = &w.conn[link];
	unsigned side = w_side(c, (uint32_t)(n - w.node));

	if (!c->end[side])
		return;
	w_send(link, side, W_CLOSE, 0, 0, why, (uint32_t)strlen(why));
	c->end[side] = false;
	w_end_streams(link, side);
}

w_static bool w_control(void *ctx, weir_link_id link, const void *p, uint32_t n)
{
	struct w_node *me = ctx;
	struct w_conn *c = &w.conn[link];
	unsigned side = w_side(c, (uint32_t)(me - w.node));

	assert_true(n <= WEIR_LINK_CONTROL_MAX);
	if (w.control_fails) {
		w.control_fails--;
		return false;
	}
	if (c->end[side])
		w_send(link, side, W_CONTROL, 0, 0, p, n);
	return true;
}

w_static weir_stream_id w_open(void *ctx, weir_link_id link, const void *header, uint32_t n)
{
	struct w_node *me = ctx;
	uint32_t node = (uint32_t)(me - w.node), id;
	struct w_conn *c = &w.conn[link];
	unsigned side = w_side(c, node);

	assert_true(n <= 255);
	if (!c->end[side])
		return 0;
	id = ++w.streams;
	assert_true(id < W_STREAMS);
	w.stream[id] = (struct w_stream){.conn = link,
					 .node = {node, c->node[1 - side]},
					 .end = {true, false},
					 .credit = {WEIR_STREAM_CREDIT, WEIR_STREAM_CREDIT}};
	w_send(link, side, W_OPEN, id, 0, header, n);
	return id;
}

w_static unsigned w_stream_side(uint32_t stream, uint32_t node)
{
	return w.stream[stream].node[0] == node ? 0 : 1;
}

w_static void w_shut(void *ctx, weir_stream_id stream, const char *why)
{
	uint32_t node = (uint32_t)((struct w_node *)ctx - w.node);
	struct w_stream *s = &w.stream[stream];
	unsigned side = w_stream_side(stream, node);

	if (!s->end[side])
		return;
	s->end[side] = false;
	w_send(s->conn, w_side(&w.conn[s->conn], node), W_SHUT, stream, 0, why,
	       (uint32_t)strlen(why));
}

w_static void w_ready(void *ctx, weir_stream_id stream)
{
	w.stream[stream].ready[w_stream_side(stream, (uint32_t)((struct w_node *)ctx - w.node))] =
		true;
}

w_static void w_credit(void *ctx, weir_stream_id stream, uint64_t bytes)
{
	uint32_t node = (uint32_t)((struct w_node *)ctx - w.node);
	struct w_stream *s = &w.stream[stream];

	assert_true(bytes > 0);
	if (s->end[w_stream_side(stream, node)])
		w_send(s->conn, w_side(&w.conn[s->conn], node), W_CREDIT, stream, bytes, NULL, 0);
}

/* ---- engine: what the gate sees of the rings ---- */

w_static struct w_lane *w_lane_of(void *ctx, uint32_t lane)
{
	struct w_node *n = ctx;

	assert_true(n->engine && lane < n->lanes);
	return &n->engine->lane[n->map[lane]];
}

w_static uint64_t w_out_peek(void *ctx, uint32_t lane, uint64_t skip, const uint8_t **ret_p)
{
	struct w_lane *l = w_lane_of(ctx, lane);

	assert_true(l->out_head + skip <= l->out_tail);
	*ret_p = l->out + l->out_head + skip;
	return l->out_tail - l->out_head - skip;
}

w_static void w_out_done(void *ctx, uint32_t lane, uint64_t bytes)
{
	struct w_lane *l = w_lane_of(ctx, lane);

	assert_int_equal(weir_lane_stride(l->out + l->out_head, l->out_tail - l->out_head,
					  l->is.frame_max),
			 bytes);
	memset(l->out + l->out_head, 0xee, bytes); /* it may be written again from now on */
	l->out_head += bytes;
}

w_static void *w_in_claim(void *ctx, uint32_t lane, uint32_t size)
{
	struct w_lane *l = w_lane_of(ctx, lane);

	assert_true(size % 8 == 0);
	return l->in_tail + size - l->in_head <= l->in_cap ? l->in + l->in_tail : NULL;
}

w_static void w_in_keep(void *ctx, uint32_t lane, uint32_t size)
{
	struct w_lane *l = w_lane_of(ctx, lane);

	l->in_tail += size;
	assert_true(l->in_tail - l->in_head <= l->in_cap && l->in_tail < W_RING);
}

w_static uint64_t w_in_used(void *ctx, uint32_t lane)
{
	struct w_lane *l = w_lane_of(ctx, lane);

	return l->in_tail - l->in_head;
}

/* A frame of n bytes in all, numbered; false: the ring's memory ends. */
w_static void w_write(struct w_lane *l, uint32_t n)
{
	struct weir_lane_head *h = (struct weir_lane_head *)(void *)(l->out + l->out_tail);
	uint32_t size = WEIR_ALIGN_UP(n, 8u);

	assert_true(l->out_tail + size <= W_RING);
	memset(h, 0, size);
	h->f.key_hash = l->is.edge;
	h->seq = l->next_out++;
	memset(h + 1, (int)(h->seq & 0x7f), n - sizeof(*h));
	weir_lane_seal_body(h, n == sizeof(*h) ? WEIR_LANE_COMMIT : WEIR_LANE_HELLO,
			    n - (uint32_t)sizeof(*h));
	l->out_tail += size;
}

w_static void w_frame_in(struct w_lane *l, const struct weir_lane_head *h)
{
	const uint8_t *body = (const uint8_t *)(h + 1);

	assert_int_equal(h->f.key_hash, l->is.edge);
	if (h->f.flags == WEIR_LANE_OPEN) {
		assert_false(l->open);
		assert_true((uint64_t)h->f.time_ns > l->session);
		l->session = (uint64_t)h->f.time_ns;
		l->open = true;
		l->opens++;
		l->expect = UINT64_MAX;
		return;
	}
	if (h->f.flags == WEIR_LANE_CLOSED) {
		l->open = false;
		l->closes++;
		snprintf(l->why, sizeof(l->why), "%.*s", (int)(h->f.size - sizeof(*h)), body);
		return;
	}
	assert_true(l->open);
	if (l->expect != UINT64_MAX)
		assert_int_equal(h->seq, l->expect);
	l->expect = h->seq + 1;
	for (uint32_t i = 0; i < h->f.size - sizeof(*h); i++)
		assert_int_equal(body[i], h->seq & 0x7f);
	l->got++;
	w.frames++;
	if (l->highest && h->seq < l->highest)
		w.resent++;
	l->highest = WEIR_MAX(l->highest, h->seq + 1);
}

/* The engine takes at most max frames of a lane; how many there were. */
w_static uint32_t w_read(struct w_lane *l, uint32_t max)
{
	uint32_t n = 0;

	while (n < max && l->in_head < l->in_tail) {
		const struct weir_lane_head *h =
			(const struct weir_lane_head *)(const void *)(l->in + l->in_head);

		assert_int_equal(weir_lane_check(h, l->in_tail - l->in_head), 0);
		w_frame_in(l, h);
		l->in_head += WEIR_ALIGN_UP(h->f.size, 8u);
		n++;
	}
	return n;
}

w_static void w_engine_start(uint32_t region)
{
	struct w_engine *e = &w.engine[region];

	e->alive = true;
	e->lanes = 0;
}

/* One lane between two regions; the engines must run. */
w_static void w_lane_add(uint32_t region, uint64_t edge, uint32_t peer, uint32_t frame_max,
			 uint64_t in_cap)
{
	struct w_engine *e = &w.engine[region];
	struct w_lane *l = &e->lane[e->lanes++];
	uint8_t *out = l->out ? l->out : malloc(W_RING), *in = l->in ? l->in : malloc(W_RING);

	assert_true(e->lanes <= W_LANES);
	*l = (struct w_lane){.out = out, .in = in, .in_cap = in_cap};
	l->is = (struct weir_gate_lane){
		.edge = edge, .peer = peer, .frame_max = frame_max, .in_bytes = in_cap};
}

/* The node's gateway holds these lanes of its engine (bits). */
w_static void w_hold(uint32_t node, uint32_t lanes)
{
	struct w_node *n = &w.node[node];
	struct weir_gate_lane is[W_LANES];
	uint32_t count = 0;

	n->engine = lanes ? &w.engine[n->region] : n->engine;
	for (uint32_t i = 0; i < W_LANES; i++)
		if (lanes & 1u << i) {
			n->map[count] = i;
			is[count++] = n->engine->lane[i].is;
		}
	n->lanes = count;
	assert_int_equal(weir_gate_lanes(n->g, is, count, count ? &n->ops : NULL, w.now), 0);
	n->due = w.now;
}

/* ---- gateways ---- */

w_static void w_note(void *ctx, const struct weir_gate_note *k)
{
	struct w_node *n = ctx;

	if (k->text)
		snprintf(n->text, sizeof(n->text), "%s", k->text);
	switch (k->kind) {
	case WEIR_GATE_NOTE_LINK_UP:
		n->ups++;
		return;
	case WEIR_GATE_NOTE_LINK_DOWN:
		n->downs += k->was_up;
		if (k->was_up)
			n->down_ns = w.now;
		return;
	case WEIR_GATE_NOTE_HEALTH:
		for (uint32_t i = 0; i < w.regions; i++)
			if (!strcmp(w.region[i], k->region)) {
				n->noted[i] = k->health;
				n->noted_ns[i] = w.now;
			}
		return;
	case WEIR_GATE_NOTE_LANE_OPEN:
		n->lane_opens++;
		return;
	case WEIR_GATE_NOTE_LANE_CLOSED:
		n->lane_closes++;
		return;
	case WEIR_GATE_NOTE_REFUSED:
		n->refused++;
		return;
	}
}

w_static void w_start(uint32_t node)
{
	struct w_node *n = &w.node[node];
	struct weir_gate_options o = {.cluster = "shop",
				      .region_count = w.regions,
				      .here = n->region,
				      .region = w.region,
				      .gateway_count = w.gateways,
				      .gateway = n->gateway,
				      .gateway_name = w.names,
				      .heartbeat_ns = 250 * W_MS,
				      .suspect_ns = W_S,
				      .dead_ns = 3 * W_S,
				      .incarnation = weir_prng_u64(&w.prng),
				      .mem = &weir_test_mem,
				      .link = &n->link,
				      .note = w_note,
				      .ctx = n};

	n->link = (struct weir_link_ops){.dial = w_dial,
					 .close = w_close,
					 .control = w_control,
					 .open = w_open,
					 .shut = w_shut,
					 .ready = w_ready,
					 .credit = w_credit,
					 .ctx = n};
	n->ops = (struct weir_gate_lane_ops){.out_peek = w_out_peek,
					     .out_done = w_out_done,
					     .in_claim = w_in_claim,
					     .in_keep = w_in_keep,
					     .in_used = w_in_used,
					     .ctx = n};
	n->alive = true;
	n->life++;
	n->due = w.now;
	n->ups = n->downs = n->refused = n->dials = n->lane_opens = n->lane_closes = 0;
	n->g = weir_gate_new(&o);
}

/* Gone without a word. */
w_static void w_kill(uint32_t node)
{
	struct w_node *n = &w.node[node];

	weir_gate_free(n->g);
	n->g = NULL;
	n->alive = false;
	n->engine = NULL;
	n->lanes = 0;
	for (uint32_t i = 1; i <= w.conns; i++)
		for (unsigned s = 0; s < 2; s++)
			if (w.conn[i].node[s] == node && w.conn[i].end[s]) {
				w.conn[i].end[s] = false;
				w_end_streams(i, s);
			}
}

/* regions with count gateways each; all start. */
w_static void w_begin(uint32_t regions, const uint32_t *count, uint64_t delay, uint64_t seed)
{
	static const char *const name[] = {"eu", "us", "ap", "sa"};

	memset(&w, 0, offsetof(struct w_world, engine));
	w.conns = w.streams = 0;
	w.control_fails = w.resent = w.frames = 0;
	w.chunk = 1200;
	w.now = W_S;
	w.prng = weir_prng_of(seed, "world");
	w.regions = regions;
	for (uint32_t r = 0; r < regions; r++) {
		w.region[r] = name[r];
		w.gateways[r] = count[r];
		w.names[r] = w_gw_names;
		for (uint32_t i = 0; i < count[r]; i++)
			w.node[w.nodes++] = (struct w_node){.region = r, .gateway = i};
	}
	for (uint32_t i = 0; i < W_NODES; i++)
		for (uint32_t j = 0; j < W_NODES; j++)
			w.delay[i][j] = delay;
	for (uint32_t i = 0; i < w.nodes; i++)
		w_start(i);
}

w_static void w_conn_drop_packets(struct w_conn *c)
{
	for (unsigned s = 0; s < 2; s++) {
		while (c->first[s]) {
			struct w_packet *k = c->first[s];

			c->first[s] = k->next;
			free(k);
		}
		c->last[s] = NULL;
	}
}

w_static void w_end(void)
{
	for (uint32_t i = 0; i < w.nodes; i++)
		if (w.node[i].alive)
			w_kill(i);
	for (uint32_t i = 1; i <= w.conns; i++)
		w_conn_drop_packets(&w.conn[i]);
	for (uint32_t r = 0; r < 4; r++) {
		for (uint32_t i = 0; i < W_LANES; i++) {
			free(w.engine[r].lane[i].out);
			free(w.engine[r].lane[i].in);
		}
		memset(&w.engine[r], 0, sizeof(w.engine[r]));
	}
}

/* ---- delivery ---- */

w_static void w_event(uint32_t node, struct weir_link_event *e)
{
	weir_gate_event(w.node[node].g, e, w.now);
	w.node[node].due = w.now;
}

w_static void w_up(uint32_t conn, unsigned side)
{
	struct w_conn *c = &w.conn[conn];
	struct w_node *peer = &w.node[c->node[1 - side]];
	struct weir_link_event e = {.kind = WEIR_LINK_UP,
				    .link = conn,
				    .ours = side == 0,
				    .region = w.region[peer->region],
				    .gateway = w_gw_names[peer->gateway]};

	c->greeted[side] = true;
	w_event(c->node[side], &e);
}

w_static void w_down(uint32_t conn, unsigned side, const char *why)
{
	struct weir_link_event e = {.kind = WEIR_LINK_DOWN, .link = conn, .text = why};

	w.conn[conn].end[side] = false;
	w_end_streams(conn, side);
	w_event(w.conn[conn].node[side], &e);
}

w_static void w_deliver_stream(struct w_packet *k, uint32_t node)
{
	struct w_stream *s = &w.stream[k->stream];
	unsigned side = w_stream_side(k->stream, node);
	struct weir_link_event e = {.link = s->conn, .stream = k->stream, .offset = k->offset};

	if (k->kind == W_OPEN) {
		s->end[1] = true;
		e.kind = WEIR_LINK_STREAM_OPEN;
		e.data = k->data;
		e.n = k->n;
		return w_event(node, &e);
	}
	if (k->kind == W_CREDIT) {
		s->credit[side] += k->offset;
		s->ready[side] = true;
		return;
	}
	if (!s->end[side])
		return;
	if (k->kind == W_ACK) {
		e.kind = WEIR_LINK_STREAM_ACKED;
	} else if (k->kind == W_DATA) {
		e.kind = WEIR_LINK_STREAM_DATA;
		e.data = k->data;
		e.n = k->n;
		w_send(s->conn, w_side(&w.conn[s->conn], node), W_ACK, k->stream, k->offset + k->n,
		       NULL, 0);
	} else {
		e.kind = WEIR_LINK_STREAM_CLOSED;
		e.text = (const char *)k->data;
		s->end[side] = false;
	}
	w_event(node, &e);
}

w_static void w_deliver(struct w_packet *k, unsigned side)
{
	struct w_conn *c = &w.conn[k->conn];
	uint32_t node = c->node[side];
	struct weir_link_event e = {.kind = WEIR_LINK_CONTROL, .link = k->conn};

	if (!w.node[node].alive || (c->life[side] != w.node[node].life && k->kind != W_DIAL)) {
		if (k->kind == W_DIAL && w.refuse[node] && c->end[0])
			w_down(k->conn, 0, "refused");
		return;
	}
	switch (k->kind) {
	case W_DIAL:
		c->life[1] = w.node[node].life;
		c->end[1] = true;
		w_send(k->conn, 1, W_ACCEPT, 0, 0, NULL, 0);
		return w_up(k->conn, 1);
	case W_ACCEPT:
		if (c->end[0])
			w_up(k->conn, 0);
		return;
	case W_CLOSE:
		if (c->end[side])
			w_down(k->conn, side, (const char *)k->data);
		return;
	case W_CONTROL:
		e.data = k->data;
		e.n = k->n;
		if (c->end[side])
			w_event(node, &e);
		return;
	default:
		if (c->end[side])
			w_deliver_stream(k, node);
		return;
	}
}

w_static bool w_packets(void)
{
	bool any = false;

	for (uint32_t i = 1; i <= w.conns; i++) {
		struct w_conn *c = &w.conn[i];

		for (unsigned s = 0; s < 2; s++)
			while (c->first[s] && c->first[s]->due <= w.now &&
			       !w.cut[c->node[0]][c->node[1]]) {
				struct w_packet *k = c->first[s];

				c->first[s] = k->next;
				if (!k->next)
					c->last[s] = NULL;
				w_deliver(k, s);
				free(k);
				any = true;
			}
	}
	return any;
}

/* Streams send what they may. */
w_static void w_pump(void)
{
	for (uint32_t i = 1; i <= w.streams; i++)
		for (unsigned s = 0; s < 2; s++) {
			struct w_stream *t = &w.stream[i];
			struct w_node *n = &w.node[t->node[s]];
			const uint8_t *p;
			uint32_t most, k;

			while (t->end[s] && t->ready[s] && n->alive) {
				k = weir_gate_peek(n->g, i, t->sent[s], &p);
				most = (uint32_t)WEIR_MIN(t->credit[s] - t->sent[s], w.chunk);
				if (k == 0)
					t->ready[s] = false;
				if (k == 0 || most == 0)
					break;
				k = WEIR_MIN(k, most);
				w_send(t->conn, w_side(&w.conn[t->conn], t->node[s]), W_DATA, i,
				       t->sent[s], p, k);
				t->sent[s] += k;
			}
		}
}

w_static void w_steps(void)
{
	for (uint32_t i = 0; i < w.nodes; i++) {
		struct w_node *n = &w.node[i];
		uint64_t next = w.now;

		if (n->due > w.now) /* nothing is missed */
			continue;
		for (unsigned k = 0; n->alive && next <= w.now; k++) {
			assert_true(k < 8); /* it comes to rest */
			next = weir_gate_step(n->g, w.now, weir_prng_u64(&w.prng));
		}
		n->due = next;
	}
}

/* The engine wakes its gateways. */
w_static void w_ring(uint32_t region)
{
	for (uint32_t i = 0; i < w.nodes; i++)
		if (w.node[i].region == region)
			w.node[i].due = w.now;
}

/* Runs for ns of virtual time; engines read everything unless slow. */
w_static void w_run_slow(uint64_t ns, bool slow)
{
	uint64_t until = w.now + ns;

	for (uint32_t i = 0; i < w.nodes; i++) /* what the test did rings */
		w.node[i].due = w.now;
	while (w.now < until) {
		for (unsigned i = 0; i < 100; i++) {
			bool any = w_packets();

			w_steps();
			w_pump();
			if (!any)
				break;
		}
		for (uint32_t r = 0; r < w.regions && !slow; r++)
			for (uint32_t i = 0; i < w.engine[r].lanes; i++)
				if (w_read(&w.engine[r].lane[i], UINT32_MAX))
					w_ring(r);
		w.now = WEIR_MIN(w.now + 5 * W_MS, until);
	}
}

w_static void w_run(uint64_t ns)
{
	w_run_slow(ns, false);
}

w_static void w_cut_regions(uint32_t a, uint32_t b, bool cut)
{
	for (uint32_t i = 0; i < w.nodes; i++)
		for (uint32_t j = 0; j < w.nodes; j++)
			if ((w.node[i].region == a && w.node[j].region == b) ||
			    (w.node[i].region == b && w.node[j].region == a))
				w.cut[i][j] = cut;
}

w_static struct weir_gate_region_info w_info(uint32_t node, uint32_t region)
{
	struct weir_gate_region_info info;

	weir_gate_region(w.node[node].g, region, &info);
	return info;
}

w_static struct weir_gate_lane_info w_lane_info(uint32_t node, uint32_t lane)
{
	struct weir_gate_lane_info info;

	weir_gate_lane_info(w.node[node].g, lane, &info);
	return info;
}

/* Connections that both ends have. */
w_static uint32_t w_links(uint32_t a, uint32_t b)
{
	uint32_t n = 0;

	for (uint32_t i = 1; i <= w.conns; i++) {
		const struct w_conn *c = &w.conn[i];

		n += c->end[0] && c->end[1] &&
		     ((c->node[0] == a && c->node[1] == b) || (c->node[0] == b && c->node[1] == a));
	}
	return n;
}

#endif
