/* SPDX-License-Identifier: Apache-2.0 */
/* Lanes of a life, and the engine's nodes of edges on them: they run as they are, and the checker looks at what goes in and
 * comes out. */
#include <stdlib.h>

#include "engine/core/freeze.h"
#include "engine/core/source.h"
#include "engine/edge/lane_pack.h"
#include "shm/role.h"
#include "tests/sim/regions.h"

/* ---- lanes ---- */

static uint64_t now_ns(void)
{
	return sim_now->now;
}

static void lane_open(struct sim_life *l, struct sim_lane *k, const struct weir_edge_spec *spec)
{
	const struct sim_regions *w = l->s->region->w;
	const char *peer = spec->out ? spec->to : spec->from;
	uint64_t bytes = l->s->opt.lane_bytes;

	*k = (struct sim_lane){
		.edge = spec->id, .step = spec->step, .out = spec->out, .free_ns = l->s->now};
	for (uint32_t r = 0; r < w->count; r++)
		if (strcmp(w->name[r], peer) == 0)
			k->peer = r;
	k->to_gate = sim_ring_take(bytes, bytes / 16);
	k->to_engine = sim_ring_take(bytes, bytes / 16);
	k->to_gate->block->frame_max = k->to_engine->block->frame_max =
		weir_edge_frame_max(l->p->record_max);
	weir_lane_end_open(&k->end, k->to_gate->block, k->to_gate->base, k->to_engine->block,
			   k->to_engine->base, NULL, 0);
	k->end.mem = &l->mem.mem;
	k->end.now_ns = now_ns;
	k->end.codecs = weir_lane_pack_codecs(w->pack);
}

void sim_lanes_new(struct sim_life *l)
{
	struct weir_edge_spec spec[6 * SIM_REGIONS_MAX];
	uint32_t n = weir_regions_edges(l->p, spec, WEIR_COUNT_OF(spec));
	struct sim_lanes *ls = sim_alloc(sizeof(*ls));

	sim_regions_check(n <= WEIR_COUNT_OF(spec), "START", "too many edges");
	ls->refs = 1;
	ls->count = n;
	ls->lane = sim_alloc((n + 1) * sizeof(*ls->lane));
	for (uint32_t i = 0; i < n; i++)
		lane_open(l, &ls->lane[i], &spec[i]);
	l->lanes = ls;
}

void sim_lanes_unref(struct sim_lanes *ls)
{
	if (--ls->refs)
		return;
	for (uint32_t i = 0; i < ls->count; i++) {
		sim_ring_give(ls->lane[i].to_gate);
		sim_ring_give(ls->lane[i].to_engine);
		weir_lane_end_close(&ls->lane[i].end);
	}
	free(ls->lane);
	free(ls);
}

void sim_lanes_end(struct sim_lanes *ls)
{
	ls->dead = true;
	sim_lanes_unref(ls);
}

void sim_region_look(struct sim_region *g)
{
	struct sim_life *l = g->s->life;

	for (uint32_t i = 0; l && l->lanes && i < l->lanes->count; i++) {
		struct sim_lane *k = &l->lanes->lane[i];
		uint64_t at = k->to_gate->block->tail + k->to_engine->block->head;

		if (k->gone_ns && g->w->now >= k->gone_ns) {
			k->gone_ns = 0;
			weir_lane_end_gone(&k->end, k->generation);
			g->s->idle_until = 0;
		}
		if (at == k->seen || !k->holder)
			continue;
		k->seen = at;
		g->gate[k->holder - 1]->due = g->w->now;
	}
}

/* ---- nodes ---- */

struct wrap {
	struct weir_op_class cls; /* first: node->cls */
	struct weir_state_ops state;
	const struct weir_op_class *real;
	struct sim *s;
	struct sim_edge *e;
};

static struct wrap *wrap_of(const struct weir_node *n)
{
	return (struct wrap *)(uintptr_t)n->cls;
}

struct sim_edge *sim_edge_of_node(const struct weir_node *n)
{
	return wrap_of(n)->e;
}

static struct wrap *wrap(struct sim_life *l, struct weir_node *n, const struct weir_edge_end *e)
{
	struct wrap *x = weir_region_new(&l->region, struct wrap);

	x->s = l->s;
	x->real = n->cls;
	x->cls = *n->cls;
	x->state = *n->cls->state;
	x->cls.state = &x->state;
	x->e = sim_edge_of(l->s->region->w, e);
	n->cls = &x->cls;
	return x;
}

static struct weir_conn_env env_of(struct sim_life *l, struct weir_node *n,
				   const struct weir_op_env *env)
{
	struct weir_conn_env c = {.pipeline = l->p,
				  .step = env->step,
				  .in = env->in,
				  .region = env->region,
				  .rejects_port = -1,
				  .instance = env->instance,
				  .instances = env->instances,
				  .epochs = true,
				  .cluster = &l->s->region->w->cluster,
				  .journal = l->journal};

	for (uint32_t i = 0; i < l->lanes->count; i++) {
		struct sim_lane *k = &l->lanes->lane[i];

		if (&l->p->step[k->step] != env->step)
			continue;
		c.lane = &k->end;
		k->node = n;
		k->task = (uint32_t)((struct weir_unit *)(void *)n->task - l->unit);
		if (!k->out)
			l->lanes->of_task[k->task] = (uint16_t)(i + 1);
	}
	return c;
}

/* ---- source ---- */

static int source_run(struct weir_node *n)
{
	struct wrap *x = wrap_of(n);
	const struct weir_source *o = n->op;
	const struct weir_batch *b = &n->port[0].target[0]->in;
	uint64_t before = o->rows;
	int r = x->real->run(n);

	/* The newest rows of the batch. */
	for (uint64_t i = before; i < o->rows; i++)
		sim_edge_applied(x->s->region->w, x->e, i, b->row[b->count - (o->rows - i)]);
	return r;
}

static void source_freeze(struct weir_node *n, struct weir_out *out)
{
	struct wrap *x = wrap_of(n);
	const struct weir_source *o = n->op;

	x->real->state->freeze(n, out);
	sim_mark(&x->e->applied, n->task->epoch, o->rows);
}

int sim_edge_source_init(struct sim_life *l, struct weir_node *n, const struct weir_op_env *env)
{
	struct weir_conn_env c = env_of(l, n, env);
	int r = weir_source_edge_open(n, &c);
	struct wrap *x;

	if (r < 0)
		return r;
	x = wrap(l, n, &env->step->source.edge);
	x->cls.run = source_run;
	x->state.freeze = source_freeze;
	return 0;
}

bool sim_edge_is_source(const struct sim_life *l, uint32_t task)
{
	return l->lanes && l->lanes->of_task[task];
}

bool sim_edge_rung(const struct sim_life *l, uint32_t task)
{
	return weir_lane_end_waiting(&l->lanes->lane[l->lanes->of_task[task] - 1].end);
}

int sim_edge_attend(struct sim_life *l, uint32_t task)
{
	struct weir_node *n;
	int r;

	if (!sim_edge_is_source(l, task))
		return 0;
	l->task[task].rung = false;
	n = l->lanes->lane[l->lanes->of_task[task] - 1].node;
	n->task->mono_ns = l->s->now;
	weir_source_settle(n, l->cell.durable);
	r = weir_source_edge_attend(n, true);
	if (r < 0)
		l->err = n->task->err;
	return r;
}

void sim_region_stopped(struct sim_life *l)
{
	for (uint32_t i = 0; i < l->lanes->count; i++) {
		struct sim_lane *k = &l->lanes->lane[i];

		/* The last word of sources. Their memory goes with the life. */
		if (!k->out && k->node)
			wrap_of(k->node)->real->fini(k->node);
	}
}

/* ---- sink ---- */

static void sink_freeze(struct weir_node *n, struct weir_out *out)
{
	struct wrap *x = wrap_of(n);
	uint64_t before = out->bytes;
	uint8_t *copy;

	x->real->state->freeze(n, out);
	if (out->bytes == before)
		return;
	copy = sim_alloc((size_t)out->bytes);
	weir_out_copy(out, copy);
	sim_edge_froze(x->s->region->w, x->e, n->task->epoch, copy + before,
		       (size_t)(out->bytes - before));
	free(copy);
}

int sim_edge_sink_init(struct sim_life *l, struct weir_node *n, const struct weir_op_env *env)
{
	struct weir_conn_env c = env_of(l, n, env);
	int r = weir_sink_edge_open(n, &c);

	if (r < 0)
		return r;
	wrap(l, n, &env->step->sink.edge)->state.freeze = sink_freeze;
	return 0;
}
