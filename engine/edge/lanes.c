/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/lanes.h"

#include <stdio.h>

#include "base/assert.h"
#include "engine/edge/cell_thread.h"
#include "engine/edge/lanes_impl.h"
#include "host/cluster.h"
#include "shm/doorbell.h"

/* Without a cluster file (tests): room for one. */
#define GATEWAYS_DEFAULT 1u

/* ---- numbers ---- */

void weir__lanes_plan(struct weir_engine *e)
{
	const struct weir_cluster *c = e->opt.cluster;
	struct engine_lanes *ls;

	if (e->plan.edge_count == 0)
		return;
	ls = weir_region_new(&e->region, struct engine_lanes);
	e->lanes = ls;
	ls->engine = e;
	ls->count = e->plan.edge_count;
	ls->lane = weir_region_array(&e->region, struct engine_lane, ls->count);
	ls->gateways = c ? WEIR_MAX(c->region[e->opt.region].gateway_count, 1u) : GATEWAYS_DEFAULT;
	ls->edges_bell = e->plan.place.worker_count;
	ls->gateway_bell = ls->edges_bell + 1;
	for (uint32_t i = 0; i < ls->count; i++)
		ls->lane[i].edge = &e->plan.edge[i];
	pthread_mutex_init(&ls->lock, NULL);
	weir_cond_init(&ls->cond);
	weir_cond_init(&ls->farewell);
}

uint32_t weir__lanes_count(const struct weir_engine *e)
{
	return e->lanes ? e->lanes->count : 0;
}

struct engine_lane *weir__lane(const struct weir_engine *e, uint32_t i)
{
	return &e->lanes->lane[i];
}

struct engine_lane *weir__lane_of(const struct weir_engine *e, uint32_t step)
{
	for (uint32_t i = 0; i < weir__lanes_count(e); i++)
		if (e->lanes->lane[i].edge->step == step)
			return &e->lanes->lane[i];
	return NULL;
}

uint32_t weir__lanes_doorbells(const struct weir_engine *e)
{
	return e->lanes ? 1 + e->lanes->gateways : 0;
}

uint32_t weir__lanes_counters(const struct weir_engine *e)
{
	return e->lanes ? 2 + e->lanes->count * WEIR_LANE_COUNTERS : 0;
}

void weir__lanes_counter_specs(struct weir_engine *e, struct weir_counter_spec *spec,
			       uint32_t first)
{
	struct engine_lanes *ls = e->lanes;
	uint32_t n = 2;

	if (!ls)
		return;
	ls->bell_counter = first;
	snprintf(spec[0].name, sizeof(spec[0].name), "lane.doorbell.first");
	snprintf(spec[1].name, sizeof(spec[1].name), "lane.doorbell.count");
	spec[0].kind = spec[1].kind = 1;
	for (uint32_t i = 0; i < ls->count; i++) {
		ls->lane[i].counter = first + n;
		for (unsigned k = 0; k < WEIR_LANE_COUNTERS; k++, n++) {
			weir_lane_counter_name(spec[n].name, sizeof(spec[n].name),
					       ls->lane[i].edge->id, k);
			spec[n].kind = k == WEIR_LANE_RTT_NS || k == WEIR_LANE_STATE;
		}
	}
}

/* Who in this process sleeps until the lane moves. */
static uint32_t own_bell(const struct weir_engine *e, const struct weir_edge_spec *edge)
{
	const struct weir_tasks *t = &e->plan.tasks;

	if (edge->out)
		return e->lanes->edges_bell;
	return e->plan.place.task_worker[t->chain[t->step_chain[edge->step]].first_task];
}

void weir__lanes_ring_specs(struct weir_engine *e, struct weir_ring_spec *spec, uint32_t first)
{
	for (uint32_t i = 0; i < weir__lanes_count(e); i++) {
		struct engine_lane *l = &e->lanes->lane[i];
		const char *peer = l->edge->out ? l->edge->to : l->edge->from;

		l->out_ring = first + 2 * i;
		l->in_ring = l->out_ring + 1;
		for (int k = 0; k < 2; k++) {
			struct weir_ring_spec *r = &spec[2 * i + (uint32_t)k];
			uint32_t own = own_bell(e, l->edge);

			weir_lane_ring_name(r->name, sizeof(r->name), k == 0, l->edge->id, peer,
					    l->edge->of);
			/* Records leave from the sender's out ring into the receiver's in ring. */
			r->capacity = (k == 0) == l->edge->out ? e->plan.lane_bytes
							       : e->plan.lane_back_bytes;
			r->frame_max = e->plan.lane_frame_max;
			r->schema = UINT32_MAX;
			r->producer_doorbell = k == 0 ? own : e->lanes->gateway_bell;
			r->consumer_doorbell = k == 0 ? e->lanes->gateway_bell : own;
		}
	}
}

/* ---- life ---- */

/* Asked by the edges' thread before it sleeps. */
static int64_t edges_wait(void *ctx, uint64_t mono_ns)
{
	struct engine_lanes *ls = ctx;

	(void)mono_ns;
	for (uint32_t i = 0; i < ls->count; i++)
		if (ls->lane[i].edge->out && weir_lane_end_waiting(&ls->lane[i].end))
			return 0;
	return -1;
}

int weir__lanes_open(struct weir_engine *e, struct weir_err *err)
{
	struct engine_lanes *ls = e->lanes;
	struct weir_segment *s = &e->segment;

	if (!ls)
		return 0;
	weir_store_relaxed(&s->counter[ls->bell_counter].value, ls->gateway_bell);
	weir_store_relaxed(&s->counter[ls->bell_counter + 1].value, ls->gateways);
	for (uint32_t i = 0; i < ls->count; i++) {
		struct engine_lane *l = &ls->lane[i];
		int r = weir_segment_map_ring(s, l->out_ring, err);

		if (r == 0)
			r = weir_segment_map_ring(s, l->in_ring, err);
		if (r < 0)
			return r;
		weir_ring_role_claim(&s->ring[l->out_ring].producer, NULL);
		weir_ring_role_claim(&s->ring[l->in_ring].consumer, NULL);
		weir_lane_end_open(&l->end, &s->ring[l->out_ring], s->ring_base[l->out_ring],
				   &s->ring[l->in_ring], s->ring_base[l->in_ring],
				   &s->doorbell[ls->gateway_bell], ls->gateways);
		ls->opened++;
	}
	if (e->epochs)
		weir__cell_edges_bell(e, &s->doorbell[ls->edges_bell], edges_wait, ls);
	return 0;
}

void weir__lanes_built(struct weir_engine *e, struct engine_task *t)
{
	for (uint32_t i = 0; i < t->step_node_count; i++) {
		struct engine_lane *l = weir__lane_of(e, t->unit.task.node[i].step);

		if (!l)
			continue;
		l->node = &t->unit.task.node[i];
		l->task = t;
	}
}

void weir__lanes_close(struct weir_engine *e)
{
	struct engine_lanes *ls = e->lanes;

	if (!ls)
		return;
	for (uint32_t i = 0; i < ls->opened; i++)
		weir_lane_end_close(&ls->lane[i].end);
	pthread_mutex_destroy(&ls->lock);
	pthread_cond_destroy(&ls->cond);
	pthread_cond_destroy(&ls->farewell);
	e->lanes = NULL;
}

void weir__lanes_task_done(struct engine_task *t)
{
	struct weir_engine *e = t->engine;

	for (uint32_t i = 0; i < weir__lanes_count(e); i++) {
		struct engine_lane *l = &e->lanes->lane[i];

		if (l->task == t && !l->edge->out)
			atomic_store_explicit(&l->orphan, true, memory_order_release);
	}
}
