/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/roots.h"

#include <stdio.h>

#include "engine/edge/cell_impl.h"
#include "host/cluster.h"

static bool on_worker(const struct weir_engine *e, uint32_t chain, const struct engine_worker *w)
{
	const struct weir_chain *c = &e->plan.tasks.chain[chain];

	for (uint32_t i = 0; i < c->parallelism; i++)
		if (e->task[c->first_task + i].worker == w)
			return true;
	return false;
}

static const struct weir_step_stats *chain_stats(const struct weir_engine *e,
						 const struct weir_engine_stats *s, uint32_t chain)
{
	return &s->step[e->plan.tasks.chain[chain].step[0]];
}

/* What a chain lacks may be its core, taken by another chain: of those on its workers that are not held up
 * themselves, the busiest. */
static uint32_t core_taker(const struct weir_engine *e, const struct weir_engine_stats *s,
			   uint32_t chain)
{
	const struct weir_tasks *t = &e->plan.tasks;
	uint32_t best = chain;

	for (uint32_t c = 0; c < t->chain_count; c++) {
		const struct weir_step_stats *st = chain_stats(e, s, c);
		bool shared = false;

		for (uint32_t i = 0; i < t->chain[chain].parallelism && !shared; i++)
			shared = on_worker(e, c, e->task[t->chain[chain].first_task + i].worker);
		if (shared && st->out_fill < WEIR_ROOT_FULL &&
		    st->busy_ns > chain_stats(e, s, best)->busy_ns)
			best = c;
	}
	return best;
}

/*
 * The step that holds the others up is the one whose input is full while its own output is not: all
 * before it wait for room. Fused steps share rings; the root of the chain stands for them.
 */
int32_t weir__bottleneck(const struct weir_engine *e, const struct weir_engine_stats *s)
{
	const struct weir_tasks *t = &e->plan.tasks;
	double best_fill = WEIR_ROOT_FULL;
	int32_t best = -1;

	for (uint32_t c = 0; c < t->chain_count; c++) {
		const struct weir_step_stats *st = chain_stats(e, s, c);

		if (st->ring_fill > best_fill && st->out_fill < WEIR_ROOT_FULL) {
			best_fill = st->ring_fill;
			best = (int32_t)c;
		}
	}
	return best < 0 ? -1 : (int32_t)t->chain[core_taker(e, s, (uint32_t)best)].step[0];
}

/* ---- names ---- */

static void name_step(const struct weir_engine *e, uint32_t step, char *ret, size_t cap)
{
	const char *region = e->p->region;

	snprintf(ret, cap, "%s%s%s", e->p->step[step].name, region ? "@" : "",
		 region ? region : "");
}

static void name_chain(const struct weir_engine *e, uint32_t chain, char *ret, size_t cap)
{
	const struct weir_chain *c = &e->plan.tasks.chain[chain];
	const struct weir_step *first = &e->p->step[c->step[0]];
	bool edge = first->kind == WEIR_STEP_SOURCE && first->source.connector == WEIR_CONN_EDGE;

	/* An edge does nothing but bring records: the work is behind it. */
	name_step(e, c->step[edge && c->step_count > 1], ret, cap);
}

static void name_edge(const struct weir_engine *e, const struct weir_edge_stats *x, char *ret,
		      size_t cap)
{
	if (*x->blocked_by)
		snprintf(ret, cap, "%s", x->blocked_by);
	else
		name_step(e, x->edge->step, ret, cap);
}

/* ---- the way to the root ---- */

static const struct weir_edge_stats *full_edge(const struct weir_engine *e,
					       const struct weir_engine_stats *s, uint32_t chain)
{
	const struct weir_edge_stats *best = NULL;

	for (uint32_t i = 0; i < s->edge_count; i++) {
		const struct weir_edge_stats *x = &s->edge[i];

		if (x->edge->out && x->fill >= WEIR_ROOT_FULL &&
		    (chain == UINT32_MAX || e->plan.tasks.step_chain[x->edge->step] == chain) &&
		    (!best || x->fill > best->fill))
			best = x;
	}
	return best;
}

/* The chain behind this one that it waits for most; UINT32_MAX: none. */
static uint32_t full_behind(const struct weir_engine *e, const struct weir_engine_stats *s,
			    uint32_t chain)
{
	const struct weir_tasks *t = &e->plan.tasks;
	double best_fill = WEIR_ROOT_FULL;
	uint32_t best = UINT32_MAX;

	for (uint32_t i = 0; i < t->link_count; i++) {
		if (t->link[i].from_chain != chain || s->link_fill[i] < best_fill)
			continue;
		best_fill = s->link_fill[i];
		best = t->link[i].to_chain;
	}
	return best;
}

/* The chain behind this one whose rings are kept small, because it is slow: also just when one of them is empty. Only asked
 * while records wait: a limit stays as it is when nothing is written. */
static uint32_t slow_behind(const struct weir_engine *e, uint32_t chain)
{
	const struct weir_tasks *t = &e->plan.tasks;
	uint64_t least = UINT64_MAX;
	uint32_t best = UINT32_MAX;

	for (uint32_t i = 0; i < t->link_count; i++) {
		if (t->link[i].from_chain != chain)
			continue;
		for (uint32_t k = 0; k < t->link[i].ring_count; k++) {
			uint32_t ring = t->link[i].first_ring + k;
			uint64_t limit = weir__ring_limit(e, ring);

			if (limit > e->segment.ring[ring].capacity / WEIR_ROOT_NARROW ||
			    limit >= least)
				continue;
			least = limit;
			best = t->link[i].to_chain;
		}
	}
	return best;
}

static void root_of_chain(const struct weir_engine *e, const struct weir_engine_stats *s,
			  uint32_t chain, bool waits, char *ret, size_t cap)
{
	const struct weir_edge_stats *x;
	uint32_t next;

	/* Links lead forward only. */
	while ((next = full_behind(e, s, chain)) != UINT32_MAX ||
	       (waits && (next = slow_behind(e, chain)) != UINT32_MAX))
		chain = next;
	x = full_edge(e, s, chain);
	if (x)
		name_edge(e, x, ret, cap);
	else
		name_chain(e, core_taker(e, s, chain), ret, cap);
}

void weir_root(const struct weir_engine *e, const struct weir_engine_stats *s, char *ret,
	       size_t cap)
{
	const struct weir_edge_stats *x = s->running ? full_edge(e, s, UINT32_MAX) : NULL;

	*ret = 0;
	if (!s->running)
		return;
	/* Nobody there complains of an edge while a step here is behind: it is the epochs here that come late. */
	if (x && (*x->blocked_by || s->bottleneck < 0))
		name_edge(e, x, ret, cap);
	else if (s->held_by >= 0)
		name_step(e, (uint32_t)s->held_by, ret, cap);
	else if (s->bottleneck >= 0)
		name_chain(e, e->plan.tasks.step_chain[s->bottleneck], ret, cap);
}

void weir_root_of_ring(const struct weir_engine *e, const struct weir_engine_stats *s,
		       uint32_t ring, char *ret, size_t cap)
{
	root_of_chain(e, s, weir_tasks_ring_link(&e->plan.tasks, ring)->to_chain, false, ret, cap);
}

/* The fullest of the edges that records of this source's chain get to. */
static const struct weir_edge_stats *
full_edge_reached(const struct weir_engine *e, const struct weir_engine_stats *s, uint32_t chain)
{
	const struct weir_edge_stats *best = NULL;
	const uint32_t *stream;
	uint32_t count =
		weir_cell_reached(&e->cell->cell, e->plan.tasks.chain[chain].first_task, &stream);

	for (uint32_t k = 0; k < count; k++) {
		uint32_t task = e->cell->cell.stream[stream[k]].task;
		const struct weir_edge_stats *x = full_edge(e, s, e->plan.tasks.task_chain[task]);

		if (x && (!best || x->fill > best->fill))
			best = x;
	}
	return best;
}

/* Records that came over the edge wait for their turn: rings behind them may be empty all the same, when their readers are
 * on the same core, where nothing is written while they are read. */
static bool waits(const struct weir_engine *e, const struct weir_engine_stats *s, uint32_t step)
{
	uint64_t buffer = e->opt.cluster ? e->opt.cluster->buffer_bytes : WEIR_SINK_BUFFER_DEFAULT;

	for (uint32_t i = 0; i < s->edge_count; i++)
		if (!s->edge[i].edge->out && s->edge[i].edge->step == step)
			return s->edge[i].ready_bytes > buffer / WEIR_ROOT_READY;
	return false;
}

void weir_root_of_edge(const struct weir_engine *e, const struct weir_engine_stats *s,
		       uint32_t step, char *ret, size_t cap)
{
	uint32_t chain = e->plan.tasks.step_chain[step];
	const struct weir_step_stats *st = chain_stats(e, s, chain);
	const struct weir_edge_stats *x = full_edge_reached(e, s, chain);
	bool waiting = !x && waits(e, s, step);

	*ret = 0;
	if (st->out_fill >= WEIR_ROOT_FULL || st->ring_fill > WEIR_ROOT_FULL || waiting) {
		root_of_chain(e, s, chain, waiting, ret, cap);
		return;
	}
	if (x)
		name_edge(e, x, ret, cap);
	else if (s->held_by >= 0)
		name_step(e, (uint32_t)s->held_by, ret, cap);
}
