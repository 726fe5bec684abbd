/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/roots.h"

#include <stdio.h>

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

static void root_of_chain(const struct weir_engine *e, const struct weir_engine_stats *s,
			  uint32_t chain, char *ret, size_t cap)
{
	const struct weir_edge_stats *x;
	uint32_t next;

	/* Links lead forward only. */
	while ((next = full_behind(e, s, chain)) != UINT32_MAX)
		chain = next;
	x = full_edge(e, s, chain);
	if (x)
		name_edge(e, x, ret, cap);
	else
		name_chain(e, core_taker(e, s, chain), ret, cap);
}

/* Input is held, or slowed, for what is outside of the rings. false: it is not. */
static bool root_of_hold(const struct weir_engine *e, const struct weir_engine_stats *s, char *ret,
			 size_t cap)
{
	const struct weir_edge_stats *x = full_edge(e, s, UINT32_MAX);

	if (x)
		name_edge(e, x, ret, cap);
	else if (s->held_by >= 0)
		name_step(e, (uint32_t)s->held_by, ret, cap);
	return x || s->held_by >= 0;
}

void weir_root(const struct weir_engine *e, const struct weir_engine_stats *s, char *ret,
	       size_t cap)
{
	*ret = 0;
	if (!s->running || root_of_hold(e, s, ret, cap))
		return;
	if (s->bottleneck >= 0)
		name_chain(e, e->plan.tasks.step_chain[s->bottleneck], ret, cap);
}

void weir_root_of_ring(const struct weir_engine *e, const struct weir_engine_stats *s,
		       uint32_t ring, char *ret, size_t cap)
{
	root_of_chain(e, s, weir_tasks_ring_link(&e->plan.tasks, ring)->to_chain, ret, cap);
}

void weir_root_of_edge(const struct weir_engine *e, const struct weir_engine_stats *s,
		       uint32_t step, char *ret, size_t cap)
{
	uint32_t chain = e->plan.tasks.step_chain[step];
	const struct weir_step_stats *st = chain_stats(e, s, chain);

	*ret = 0;
	if (st->out_fill >= WEIR_ROOT_FULL || st->ring_fill > WEIR_ROOT_FULL)
		root_of_chain(e, s, chain, ret, cap);
	else
		root_of_hold(e, s, ret, cap);
}
