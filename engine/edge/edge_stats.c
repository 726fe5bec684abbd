/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/edge_stats.h"

#include <stdio.h>

#include "engine/edge/cell_impl.h"
#include "engine/edge/lanes.h"

const char *weir_edge_state_name(enum weir_edge_state s)
{
	static const char *const name[] = {"no gateway", "closed", "open", "live"};

	return s < WEIR_COUNT_OF(name) ? name[s] : "?";
}

static uint64_t lane_counter(const struct weir_engine *e, const struct engine_lane *l,
			     enum weir_lane_counter c)
{
	return weir_load_relaxed(&e->segment.counter[l->counter + c].value);
}

static enum weir_edge_state state_of(const struct weir_engine *e, const struct engine_lane *l,
				     bool lane_open, bool in_session)
{
	if (in_session)
		return WEIR_EDGE_LIVE;
	if (lane_open)
		return WEIR_EDGE_OPEN;
	return weir_ring_role_peer(&e->segment.ring[l->in_ring].producer) == WEIR_PEER_ALIVE
		       ? WEIR_EDGE_CLOSED
		       : WEIR_EDGE_ALONE;
}

static double fill_of(uint64_t part, uint64_t whole)
{
	double fill = whole ? (double)part / (double)whole : 0;

	return fill > 1 ? 1 : fill;
}

static void read_out(struct weir_engine *e, const struct engine_lane *l, struct weir_edge_stats *x,
		     uint64_t now)
{
	struct weir_edge_view v;

	weir_sink_edge_view(l->node, &v);
	x->state = state_of(e, l, v.out.lane_open, v.out.in_session);
	x->records = v.records;
	x->raw_bytes = v.raw_bytes;
	x->frames = v.out.frames_out;
	x->bytes = v.out.bytes_out;
	x->sessions = v.out.sessions;
	x->resent = v.out.resent;
	x->gaps = v.out.gaps;
	x->dropped = v.out.dropped;
	x->broken = v.bad;
	x->lag = v.newest_seq > v.out.durable ? v.newest_seq - v.out.durable : 0;
	x->age_ns = v.unconfirmed_ns && v.unconfirmed_ns < now ? now - v.unconfirmed_ns : 0;
	snprintf(x->blocked_by, sizeof(x->blocked_by), "%s", v.out.blocked_by);
	snprintf(x->reason, sizeof(x->reason), "%s", v.out.lane_open ? "" : v.out.reason);
}

static void read_in(struct weir_engine *e, const struct engine_lane *l, struct weir_edge_stats *x)
{
	const struct weir_ring_block *in = &e->segment.ring[l->in_ring];
	uint64_t head = weir_load_acquire(&in->head), tail = weir_load_acquire(&in->tail);
	struct weir_edge_view v;

	weir_source_edge_view(l->node, &v);
	x->state = state_of(e, l, v.in.lane_open, v.in.in_session);
	x->records = v.records;
	x->raw_bytes = v.raw_bytes;
	x->frames = v.in.frames_in;
	x->bytes = v.in.bytes_in;
	x->sessions = v.in.sessions;
	x->gaps = v.in.gaps;
	x->duplicates = v.in.duplicates;
	x->dropped = v.in.dropped;
	x->broken = v.bad;
	x->lag = v.in.next_seq > v.in.durable ? v.in.next_seq - v.in.durable : 0;
	x->outstanding_bytes = (uint64_t)v.in.staged_bytes + v.in.ready_bytes;
	x->ready_bytes = v.in.ready_bytes;
	x->fill = fill_of(tail - head, in->capacity);
	snprintf(x->reason, sizeof(x->reason), "%s", v.in.lane_open ? "" : v.in.reason);
}

/* Steps of one chain share what is in front of it and behind it. */
static void add_fill(const struct weir_engine *e, struct weir_engine_stats *s,
		     const struct weir_edge_stats *x)
{
	const struct weir_tasks *t = &e->plan.tasks;
	const struct weir_chain *c = &t->chain[t->step_chain[x->edge->step]];

	for (uint32_t i = 0; i < c->step_count; i++) {
		struct weir_step_stats *st = &s->step[c->step[i]];

		if (x->edge->out)
			st->out_fill = WEIR_MAX(st->out_fill, x->fill);
		else
			st->ring_fill = WEIR_MAX(st->ring_fill, x->fill);
	}
}

/* As the brake of its sources sees it. */
static void read_flow(const struct engine_cell *x, struct weir_edge_stats *s)
{
	for (uint32_t k = 0; k < x->cell.stream_count; k++) {
		const struct cell_stream_flow *f = &x->stream[k];

		if (x->cell.stream[k].node->step != s->edge->step)
			continue;
		s->limit = atomic_load(&f->limit);
		s->fill = fill_of(atomic_load(&f->outstanding) + atomic_load(&f->held), s->limit);
	}
}

/* Outboxes; and the sink with the longest one when that is what input waits for. */
static void read_cell(struct weir_engine *e, struct weir_engine_stats *s)
{
	struct engine_cell *x = e->cell;
	uint64_t most = 0;

	s->held_by = -1;
	if (!x || !x->sink_shown)
		return;
	pthread_mutex_lock(&x->lock);
	for (uint32_t i = 0; i < x->cell.sink_count; i++) {
		const struct weir_cell_sink_info *info = &x->sink_shown[i];

		for (uint32_t k = 0; k < s->edge_count; k++) {
			if (s->edge[k].edge->step != info->step || !s->edge[k].edge->out)
				continue;
			s->edge[k].outstanding_bytes = info->waiting_bytes;
			s->edge[k].outstanding_epochs = info->waiting;
			read_flow(x, &s->edge[k]);
		}
		if (!info->streams && x->shown.hold && !x->shown.closing && !x->shown.space_low &&
		    info->waiting_bytes > most) {
			most = info->waiting_bytes;
			s->held_by = (int32_t)info->step;
		}
	}
	pthread_mutex_unlock(&x->lock);
}

void weir__edge_stats_read(struct weir_engine *e, struct weir_engine_stats *s)
{
	memset(s->edge, 0, s->edge_count * sizeof(*s->edge));
	for (uint32_t i = 0; i < s->edge_count; i++)
		s->edge[i].edge = &e->plan.edge[i];
	read_cell(e, s);
	for (uint32_t i = 0; i < s->edge_count; i++) {
		const struct engine_lane *l = weir__lane(e, i);
		struct weir_edge_stats *x = &s->edge[i];

		if (!l->node)
			continue;
		if (x->edge->out)
			read_out(e, l, x, s->mono_ns);
		else
			read_in(e, l, x);
		x->wire_out = lane_counter(e, l, WEIR_LANE_WIRE_OUT);
		x->wire_in = lane_counter(e, l, WEIR_LANE_WIRE_IN);
		x->rtt_ns = lane_counter(e, l, WEIR_LANE_RTT_NS);
		x->relayed = lane_counter(e, l, WEIR_LANE_STATE) == 2;
		add_fill(e, s, x);
	}
}
