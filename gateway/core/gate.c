/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/core/gate_int.h"

#include <stdio.h>

/* ---- requests to the transport: made when nobody is inside of it ---- */

void weir__gate_request(struct weir_gate *g, enum gate_request_kind kind, uint32_t id,
			const char *why)
{
	struct gate_request *q;

	if (g->request_count == g->request_cap) {
		uint32_t cap = g->request_cap ? 2 * g->request_cap : 16;
		const struct weir_mem *m = g->o.mem;

		q = (struct gate_request *)m->alloc(m->ctx, cap * sizeof(*q),
						    _Alignof(struct gate_request));
		if (g->request_cap) {
			memcpy(q, g->request, g->request_count * sizeof(*q));
			m->free(m->ctx, g->request, g->request_cap * sizeof(*q));
		}
		g->request = q;
		g->request_cap = cap;
	}
	q = &g->request[g->request_count++];
	q->kind = kind;
	q->id = id;
	snprintf(q->why, sizeof(q->why), "%s", why);
}

static void requests_flush(struct weir_gate *g)
{
	const struct weir_link_ops *ops = g->o.link;

	for (uint32_t i = 0; i < g->request_count; i++) {
		const struct gate_request *q = &g->request[i];

		if (q->kind == GATE_CLOSE)
			ops->close(ops->ctx, q->id, q->why);
		else
			ops->shut(ops->ctx, q->id, q->why);
	}
	g->request_count = 0;
}

/* ---- streams by number: open addressing, linear; a removed entry pulls up those behind it ---- */

static uint32_t stream_slot(weir_stream_id id)
{
	return (uint32_t)((id * UINT32_C(2654435769)) >> 16) & (GATE_STREAM_SLOTS - 1);
}

struct gate_stream *weir__gate_stream_find(struct weir_gate *g, weir_stream_id id)
{
	for (uint32_t i = stream_slot(id);; i = (i + 1) & (GATE_STREAM_SLOTS - 1)) {
		if (g->stream[i].id == 0)
			return NULL;
		if (g->stream[i].id == id)
			return &g->stream[i];
	}
}

struct gate_stream *weir__gate_stream_add(struct weir_gate *g, weir_stream_id id,
					  enum gate_stream_kind kind)
{
	uint32_t i = stream_slot(id);

	weir_assert(id != 0);
	while (g->stream[i].id != 0) {
		weir_assert(g->stream[i].id != id); /* numbers are never used again */
		i = (i + 1) & (GATE_STREAM_SLOTS - 1);
	}
	g->stream[i] = (struct gate_stream){.id = id, .kind = kind};
	return &g->stream[i];
}

void weir__gate_stream_remove(struct weir_gate *g, weir_stream_id id)
{
	struct gate_stream *s = weir__gate_stream_find(g, id);
	uint32_t hole, i;

	weir_assert(s);
	hole = i = (uint32_t)(s - g->stream);
	for (;;) {
		uint32_t home;

		i = (i + 1) & (GATE_STREAM_SLOTS - 1);
		if (g->stream[i].id == 0)
			break;
		home = stream_slot(g->stream[i].id);
		/* May it stand in the hole? Not when its own slot lies behind the hole. */
		if (((i - home) & (GATE_STREAM_SLOTS - 1)) < ((i - hole) & (GATE_STREAM_SLOTS - 1)))
			continue;
		g->stream[hole] = g->stream[i];
		hole = i;
	}
	g->stream[hole].id = 0;
}

/* ---- small things ---- */

void weir__gate_due(struct weir_gate *g, uint64_t at)
{
	g->due = WEIR_MIN(g->due, at);
}

void weir__gate_note(struct weir_gate *g, const struct weir_gate_note *n)
{
	if (g->o.note)
		g->o.note(g->o.ctx, n);
}

void weir__gate_refused(struct weir_gate *g, const struct gate_peer *p, const char *why)
{
	struct gate_region *r = &g->region[p->region];

	r->refused++;
	snprintf(r->last_error, sizeof(r->last_error), "%s", why);
	weir__gate_note(
		g, &(struct weir_gate_note){.kind = WEIR_GATE_NOTE_REFUSED,
					    .region = g->o.region[p->region],
					    .gateway = g->o.gateway_name[p->region][p->gateway],
					    .text = why});
}

int weir__gate_region_find(const struct weir_gate *g, struct weir_str name)
{
	for (uint32_t i = 0; i < g->o.region_count; i++)
		if (weir_str_is(name, g->o.region[i]))
			return (int)i;
	return -1;
}

/* ---- life ---- */

struct weir_gate *weir_gate_new(const struct weir_gate_options *o)
{
	struct weir_gate *g;

	weir_assert(o->region_count <= WEIR_GATE_REGIONS_MAX && o->here < o->region_count);
	weir_assert(o->gateway < o->gateway_count[o->here]);
	weir_assert(o->heartbeat_ns > 0 && o->suspect_ns >= o->heartbeat_ns &&
		    o->dead_ns >= o->suspect_ns);
	g = (struct weir_gate *)o->mem->alloc(o->mem->ctx, sizeof(*g), _Alignof(struct weir_gate));
	g->o = *o;
	g->prng = weir_prng_of(o->incarnation, "gate");
	weir__gate_links_init(g);
	return g;
}

void weir_gate_free(struct weir_gate *g)
{
	const struct weir_mem *m;

	if (!g)
		return;
	m = g->o.mem;
	weir__gate_relays_fini(g);
	weir__gate_lanes_fini(g);
	weir__gate_links_fini(g);
	if (g->request_cap)
		m->free(m->ctx, g->request, g->request_cap * sizeof(*g->request));
	m->free(m->ctx, g, sizeof(*g));
}

static void set_now(struct weir_gate *g, uint64_t mono_ns)
{
	g->now = WEIR_MAX(g->now, mono_ns);
	if (g->start_ns == 0)
		g->start_ns = WEIR_MAX(g->now, 1);
}

static void stream_event(struct weir_gate *g, const struct weir_link_event *e)
{
	struct gate_stream *s = weir__gate_stream_find(g, e->stream);
	const char *why = e->text && *e->text ? e->text : "the stream was closed";

	if (!s)
		return; /* shut meanwhile */
	switch (e->kind) {
	case WEIR_LINK_STREAM_DATA:
		if (s->kind == GATE_STREAM_LANE)
			weir__gate_in_data(g, s->lane, e->data, e->n);
		else
			weir__gate_relay_data(g, s->relay, s->half, e->data, e->n);
		return;
	case WEIR_LINK_STREAM_ACKED:
		if (s->kind == GATE_STREAM_LANE)
			weir__gate_lane_acked(g, s->lane, e->offset);
		else
			weir__gate_relay_acked(g, s->relay, s->half, e->offset);
		return;
	default: /* WEIR_LINK_STREAM_CLOSED */
		if (s->kind == GATE_STREAM_LANE)
			weir__gate_lane_drop(g, s->lane, why, false);
		else
			weir__gate_relay_drop(g, s->relay, s->half, why);
		return;
	}
}

void weir_gate_event(struct weir_gate *g, const struct weir_link_event *e, uint64_t mono_ns)
{
	struct gate_link *k;

	set_now(g, mono_ns);
	switch (e->kind) {
	case WEIR_LINK_UP:
	case WEIR_LINK_DOWN:
	case WEIR_LINK_CONTROL:
		weir__gate_link_event(g, e);
		return;
	case WEIR_LINK_STREAM_OPEN:
		k = weir__gate_link_find(g, e->link);
		if (k && weir__gate_link_rate(g, k, true))
			weir__gate_lane_header(g, k, e->stream, e->data, e->n);
		return;
	case WEIR_LINK_STREAM_DATA:
	case WEIR_LINK_STREAM_ACKED:
	case WEIR_LINK_STREAM_CLOSED:
		stream_event(g, e);
		return;
	}
}

uint64_t weir_gate_step(struct weir_gate *g, uint64_t mono_ns, uint64_t random)
{
	set_now(g, mono_ns);
	g->prng.state ^= random;
	requests_flush(g); /* what is to be shut comes before what is opened in its place */
	/* The lists of timers are looked at when one is due, or when something changed. */
	if (g->dirty || g->now >= g->due) {
		g->dirty = false;
		g->due = UINT64_MAX;
		weir__gate_links_step(g);
		requests_flush(g);
		weir__gate_lanes_step(g);
	}
	for (uint32_t i = 0; i < g->lane_count; i++)
		weir__gate_in_step(g, g->lane[i]);
	weir__gate_relays_step(g);
	requests_flush(g);
	return g->dirty ? g->now : g->due;
}

void weir_gate_stop(struct weir_gate *g, const char *why, uint64_t mono_ns)
{
	set_now(g, mono_ns);
	g->stopping = true;
	for (uint32_t i = 0; i < g->link_count; i++)
		if (g->link[i].state != GATE_LINK_FREE)
			weir__gate_link_close(g, &g->link[i], why);
	g->dirty = true;
}

uint32_t weir_gate_peek(struct weir_gate *g, weir_stream_id stream, uint64_t offset,
			const uint8_t **ret_p)
{
	struct gate_stream *s = weir__gate_stream_find(g, stream);

	if (!s)
		return 0;
	if (s->kind == GATE_STREAM_LANE)
		return weir__gate_lane_peek(g, s->lane, offset, ret_p);
	return weir__gate_relay_peek(s->relay, s->half, offset, ret_p);
}
