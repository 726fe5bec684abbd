/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/regions.h"

#include <stdlib.h>

#include "engine/edge/lane_pack.h"
#include "tests/sim/hooks.h"
#include "tests/sim/situation.h"

#define CALM_NS_MAX ((uint64_t)120 * WEIR_NS_PER_S) /* to the end, once faults have ended (L1) */
#define FAULT_LOOK_NS ((uint64_t)10 * WEIR_NS_PER_MS)

static const char *const gate_names[SIM_GATES_MAX] = {"gw0", "gw1"};

/* ---- what regions tell ---- */

bool sim_region_excuse(struct sim *s, const struct weir_err *err, int r)
{
	(void)err;
	return s->region->w->now < s->region->w->excuse_ns &&
	       (r == WEIR_E_CORRUPT || r == WEIR_E_LIMIT || r == WEIR_E_CONFIG || r == WEIR_E_BUSY);
}

void sim_region_wake(struct sim_region *g)
{
	g->s->idle_until = 0;
}

/* ---- a turn of a region ---- */

static void failed(struct sim_region *g)
{
	struct sim_regions *w = g->w;

	memcpy(w->s->verdict.id, g->s->verdict.id, sizeof(w->s->verdict.id));
	snprintf(w->s->verdict.text, sizeof(w->s->verdict.text), "region %s: %.440s", g->name,
		 g->s->verdict.text);
	longjmp(w->s->out, SIM_JUMP_FAIL);
}

/* All is done here: what is left is to answer other regions. */
static void rest(struct sim_region *g)
{
	struct sim_life *l = g->s->life;

	sim_life_look(l);
	for (uint32_t t = 0; t < l->tasks.task_count; t++) {
		int r = 0;

		if (sim_life_rung(l, t))
			r = sim_edge_attend(l, t);
		sim_check(g->s, r >= 0 || sim_region_excuse(g->s, &l->err, r), "L1",
			  "a region that is through stops: %s", l->err.text);
	}
	g->s->idle_until = l->look_ns;
}

static void on_its_way(const struct sim_life *l)
{
	for (uint32_t i = 0; l && l->cell_open && i < l->cell.stream_count; i++)
		if (l->cell.stream[i].outstanding)
			sim_situation(SIM_SAW_KILL_STREAM);
}

static void step(struct sim_region *g)
{
	struct sim *s = g->s;

	switch (setjmp(s->out)) {
	case SIM_JUMP_FAIL:
		failed(g);
		break;
	case SIM_JUMP_KILL:
		on_its_way(s->life);
		sim_world_killed(s);
		sim_world_begin(s);
		g->through = false;
		break;
	default:
		if (g->through)
			rest(g);
		else if (!sim_world_step(s))
			g->through = true;
		sim_region_look(g);
		sim_region_check(g);
		break;
	}
}

static void turn(struct sim_region *g)
{
	struct sim_regions *w = g->w;

	sim_now = g->s;
	g->s->now = w->now;
	g->s->idle_until = 0;
	step(g);
	w->now = WEIR_MAX(w->now, g->s->now);
	w->s->now = w->now;
	sim_now = w->s;
}

/* ---- everybody ---- */

static void advance(struct sim_regions *w)
{
	uint64_t next = w->now + (uint64_t)WEIR_NS_PER_S;

	next = WEIR_MIN(next, sim_net_next(w->net));
	if (!w->s->calm)
		next = WEIR_MIN(next, w->now + FAULT_LOOK_NS);
	for (uint32_t i = 0; i < w->count; i++) {
		const struct sim_region *g = &w->region[i];

		next = WEIR_MIN(next, WEIR_MAX(g->s->idle_until, g->slow_until_ns));
		for (uint32_t k = 0; k < w->gates; k++)
			next = WEIR_MIN(next, sim_gate_next(g->gate[k]));
	}
	w->now = w->s->now = WEIR_MAX(next, w->now + 1);
}

static void calm_down(struct sim_regions *w)
{
	if (w->s->calm || w->now - SIM_START_NS < w->s->opt.fault_ns)
		return;
	w->calm_ns = w->now;
	sim_world_calm(w->s);
	sim_net_calm(w);
	for (uint32_t i = 0; i < w->count; i++) {
		w->region[i].s->now = w->now;
		sim_world_calm(w->region[i].s);
	}
}

static bool gates_turn(struct sim_regions *w)
{
	bool any = false;

	for (uint32_t i = 0; i < w->count; i++)
		for (uint32_t k = 0; k < w->gates; k++)
			any |= sim_gate_turn(w, w->region[i].gate[k]);
	return any;
}

static bool regions_turn(struct sim_regions *w)
{
	uint32_t first = (uint32_t)weir_prng_below(&w->prng, w->count);
	bool any = false;

	for (uint32_t i = 0; i < w->count; i++) {
		struct sim_region *g = &w->region[(first + i) % w->count];

		if (w->now < g->s->idle_until || w->now < g->slow_until_ns)
			continue;
		turn(g);
		any = true;
	}
	return any;
}

static bool all_through(const struct sim_regions *w)
{
	for (uint32_t i = 0; i < w->count; i++)
		if (!w->region[i].through)
			return false;
	return true;
}

static void work(struct sim_regions *w)
{
	while (!all_through(w)) {
		bool any = false;

		calm_down(w);
		sim_net_faults(w);
		any |= sim_net_deliver(w);
		any |= gates_turn(w);
		any |= sim_net_pump(w);
		any |= regions_turn(w);
		if (!any)
			advance(w);
		sim_check(w->s, !w->s->calm || w->now - w->calm_ns < CALM_NS_MAX, "L1",
			  "faults ended %.0f s ago, and not all regions are through",
			  (double)(w->now - w->calm_ns) / 1e9);
	}
	sim_regions_end(w);
}

/* ---- a run ---- */

static void open_region(struct sim_regions *w, uint32_t i, const struct sim_run *run)
{
	struct sim_region *g = &w->region[i];
	struct sim_options o;
	struct sim_run own = *run;

	g->w = w;
	g->number = i;
	snprintf(g->name, sizeof(g->name), "r%u", i);
	snprintf(g->tag, sizeof(g->tag), "%-4s", g->name);
	w->name[i] = g->name;
	w->gate_count[i] = w->gates;
	w->gate_name[i] = gate_names;
	own.seed = weir_prng_u64(&w->prng) >> 1;
	own.opt = &o;
	sim_options_region(&o, &w->s->opt, own.seed, i);
	g->s = sim_alloc(sizeof(*g->s));
	sim_world_open(g->s, &own);
	g->s->region = g;
	g->s->number = i;
	g->s->trace.tag = g->tag;
	snprintf(w->cluster.region[i].name, sizeof(w->cluster.region[i].name), "%s", g->name);
	w->cluster.region[i].gateway_count = w->gates;
}

static void open_world(struct sim_regions *w, const struct sim_run *run)
{
	struct sim_options o;
	struct sim_run own = *run;
	struct weir_err err = {0};

	own.regions = 0;
	sim_options_regions(&o, run->seed, run->regions);
	own.opt = &o;
	w->s = sim_alloc(sizeof(*w->s));
	sim_world_open(w->s, &own);
	w->s->trace.tag = "    ";
	w->now = w->s->now;
	w->prng = weir_prng_of(run->seed, "world");
	w->count = run->regions;
	w->gates = o.gateways;
	snprintf(w->cluster.name, sizeof(w->cluster.name), "sim");
	w->cluster.region_count = w->count;
	w->cluster.buffer_bytes = o.buffer_bytes;
	w->cluster.spill_bytes = o.spill_bytes;
	w->cluster.compression = o.compression;
	w->pack = weir_lane_pack_new(&w->cluster, NULL, &err);
	w->edge_cap = w->count * w->count * 2 + 2 * w->count + 4;
	w->edge = sim_alloc(w->edge_cap * sizeof(*w->edge));
	w->net = sim_net_new(w);
	w->broken = sim_site_find("edge.in_broken_session");
	w->broken_before = w->broken->hits;
	for (uint32_t i = 0; i < w->count; i++)
		open_region(w, i, run);
	sim_now = w->s;
	for (uint32_t i = 0; i < w->count; i++) {
		sim_world_begin(w->region[i].s);
		for (uint32_t k = 0; k < w->gates; k++)
			sim_gate_init(w, i, k);
	}
}

static void close_world(struct sim_regions *w)
{
	for (uint32_t i = 0; i < w->count; i++) {
		for (uint32_t k = 0; k < w->gates; k++)
			sim_gate_fini(w->region[i].gate[k]);
		sim_world_close(w->region[i].s);
		free(w->region[i].s);
	}
	for (uint32_t i = 0; i < w->edge_count; i++) {
		free(w->edge[i].row);
		free(w->edge[i].seq.m);
		free(w->edge[i].applied.m);
		free(w->edge[i].hello.p);
		for (unsigned k = 0; k < WEIR_COUNT_OF(w->edge[i].old); k++) {
			free(w->edge[i].old[k].p);
			free(w->edge[i].back[k].p);
		}
	}
	free(w->edge);
	sim_net_free(w->net);
	weir_lane_pack_free(w->pack);
	sim_world_close(w->s);
	free(w->s);
	free(w);
}

static void dump(const struct sim_regions *w, FILE *to)
{
	for (uint32_t i = 0; i < w->count; i++) {
		const struct sim_region *g = &w->region[i];
		const struct sim_life *l = g->s->life;

		fprintf(to, " region %s%s%s\n", g->name, g->through ? ", through" : "",
			l ? "" : ", down");
		if (l && l->cell_open)
			sim_life_dump(l, to);
		for (uint32_t k = 0; l && l->lanes && k < l->lanes->count; k++) {
			const struct sim_lane *n = &l->lanes->lane[k];

			fprintf(to, "  lane %s %s: holder %u, %llu bytes to it, %llu from it, %s\n",
				l->p->step[n->step].name, n->out ? "out" : "in", n->holder,
				(unsigned long long)(n->to_gate->block->tail -
						     n->to_gate->block->head),
				(unsigned long long)(n->to_engine->block->tail -
						     n->to_engine->block->head),
				n->end.is_open ? "open" : "closed");
		}
	}
	for (uint32_t i = 0; i < w->edge_count; i++)
		fprintf(to, "  edge %s: %u records, applied and durable %llu, cursor %llu\n",
			w->edge[i].name, w->edge[i].rows,
			(unsigned long long)sim_mark_at(&w->edge[i].applied,
							w->region[w->edge[i].to].s->check->durable),
			(unsigned long long)w->edge[i].cursor);
	sim_net_dump(w, to);
}

static void verdict(struct sim_regions *w, const struct sim_run *run, struct sim_verdict *ret)
{
	struct sim_verdict *v = &w->s->verdict;

	v->hash = w->s->trace.hash;
	v->events = w->s->trace.events;
	v->sim_ns = w->now - SIM_START_NS;
	v->faults = w->s->fault.done;
	if (run->counts)
		memcpy(run->counts, w->s->fault.count, sizeof(w->s->fault.count));
	for (uint32_t i = 0; i < w->count; i++) {
		const struct sim *s = w->region[i].s;

		v->hash = weir_hash128_chain(v->hash, s->trace.hash);
		v->events += s->trace.events;
		v->lives += s->life_count;
		v->faults += s->fault.done;
		v->epochs += s->verdict.epochs;
		for (unsigned c = 0; run->counts && c < SIM_FAULT_COUNT; c++)
			run->counts[c] = WEIR_MAX(run->counts[c], s->fault.count[c]);
	}
	if (v->end == SIM_FAILED && run->dump)
		dump(w, run->dump);
	*ret = *v;
}

void sim_regions_run(const struct sim_run *run, struct sim_verdict *ret)
{
	struct sim_regions *w = sim_alloc(sizeof(*w));

	open_world(w, run);
	if (setjmp(w->s->out)) {
		w->s->verdict.end = SIM_FAILED;
	} else {
		work(w);
		w->s->verdict.end = SIM_DONE;
	}
	verdict(w, run, ret);
	close_world(w);
}
