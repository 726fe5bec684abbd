/* SPDX-License-Identifier: Apache-2.0 */
/* One task of the engine: assembled by the core, with rings of the segment and connectors of this process. */
#include "engine/core/assemble.h"
#include "engine/edge/cell_impl.h"
#include "engine/edge/connector.h"
#include "engine/edge/engine_impl.h"
#include "engine/edge/lanes.h"
#include "engine/edge/operator.h"

static void ring_at(void *ctx, uint32_t ring, struct weir_ring_block **ret_block,
		    uint8_t **ret_base)
{
	struct weir_engine *e = ctx;

	*ret_block = &e->segment.ring[ring];
	*ret_base = e->segment.ring_base[ring];
}

static struct weir_conn_env conn_env(const struct weir_engine *e, const struct weir_op_env *env)
{
	struct engine_lane *lane = weir__lane_of(e, (uint32_t)(env->step - e->p->step));

	return (struct weir_conn_env){
		.pipeline = e->p,
		.step = env->step,
		.in = env->in,
		.region = env->region,
		.rejects_port = env->rejects_port,
		.instance = env->instance,
		.instances = env->instances,
		.fresh = e->opt.fresh,
		.epochs = env->epochs,
		.lane = lane ? &lane->end : NULL,
		.cluster = e->opt.cluster,
		.journal = e->epochs ? e->cell->journal : NULL,
	};
}

static int make_source(void *ctx, struct weir_node *n, const struct weir_op_env *env)
{
	struct weir_conn_env conn = conn_env(ctx, env);

	return weir_source_open(n, &conn);
}

static int make_sink(void *ctx, struct weir_node *n, const struct weir_op_env *env)
{
	struct weir_conn_env conn = conn_env(ctx, env);

	return weir_sink_open(n, &conn);
}

static int make_oper(void *ctx, struct weir_node *n, const struct weir_op_env *env)
{
	(void)ctx;
	return weir_operator_init(n, env);
}

/* Whose worker is to be woken when a ring moves. */
static void note_doorbells(struct weir_engine *e, struct engine_task *t,
			   const struct weir_assembled *made)
{
	const struct weir_tasks *plan = &e->plan.tasks;
	const uint32_t *worker = e->plan.place.task_worker;
	uint32_t inputs = t->unit.inlet.ring_count;

	t->outlet_doorbell = weir_region_array(&t->region, uint32_t *, made->outlet_count);
	for (uint32_t i = 0; i < made->outlet_count; i++) {
		uint32_t n = made->outlet[i]->ring_count;

		t->outlet_doorbell[i] = weir_region_array(&t->region, uint32_t, n);
		for (uint32_t k = 0; k < n; k++)
			t->outlet_doorbell[i][k] =
				worker[weir_tasks_ring_end(plan, made->outlet_ring[i] + k, 1)];
	}
	t->inlet_doorbell = weir_region_array(&t->region, uint32_t, inputs);
	for (uint32_t i = 0; i < inputs; i++)
		t->inlet_doorbell[i] = worker[weir_tasks_ring_end(plan, made->inlet_ring[i], 0)];
}

int weir__task_build(struct weir_engine *e, struct engine_task *t, struct weir_err *err)
{
	struct weir_assembly a = {
		.p = e->p,
		.tasks = &e->plan.tasks,
		.regex = e->opt.regex,
		.epochs = e->epochs,
		.ring = ring_at,
		.source = make_source,
		.sink = make_sink,
		.oper = make_oper,
		.ctx = e,
	};
	struct weir_assembled made;
	int r;

	t->unit.task.mem = weir_arena_mem(t->worker->arena);
	t->tap_have = UINT32_MAX;
	r = weir_assemble_task(&a, t->index, &t->region, &t->unit, &made);
	if (r < 0) {
		*err = t->unit.task.err;
		return r;
	}
	t->step_node_count = made.step_nodes;
	t->tap_node = &t->unit.task.node[t->unit.task.node_count];
	t->outlet_count = made.outlet_count;
	t->outlet = made.outlet;
	note_doorbells(e, t, &made);
	weir__lanes_built(e, t);
	if (e->epochs)
		weir_unit_epochs(&t->unit, &t->region, &weir_heap_mem);
	return 0;
}

void weir__task_fini(struct engine_task *t)
{
	/* The last word to those who wait for an acknowledgement. */
	if (t->unit.source && t->engine->epochs)
		weir_source_settle(&t->unit.task.node[0], t->engine->cell->shown.durable);
	weir_disassemble_task(&t->unit);
	/* Stopped between a freeze and its report. A tap's node has no part. */
	for (uint32_t i = 0; i < t->unit.task.node_count; i++)
		if (t->unit.task.node[i].part)
			weir_out_fini(t->unit.task.node[i].part);
	if (t->unit.part)
		weir_out_fini(&t->unit.own);
}
