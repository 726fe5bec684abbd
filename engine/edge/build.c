/* SPDX-License-Identifier: Apache-2.0 */
/* From a chain of the plan to the nodes, ports and rings of one task. */
#include "base/assert.h"
#include "engine/edge/connector.h"
#include "engine/edge/engine_impl.h"
#include "engine/edge/operator.h"

#define SCRATCH_BYTES (128u * 1024)

static const struct weir_schema *input_schema(const struct weir_pipeline *p,
					      const struct weir_step *s)
{
	if (s->input_count == 0)
		return NULL;
	return p->step[s->input[0].step].port[s->input[0].port].schema;
}

static int used_port(const struct weir_step *s, int port)
{
	return port >= 0 && s->port[port].uses ? port : -1;
}

static int init_node(struct weir_engine *e, struct engine_task *t, struct weir_node *n, bool hashed)
{
	const struct weir_step *s = &e->p->step[n->step];
	uint32_t instances = e->plan.tasks.chain[t->chain].parallelism;
	struct weir_op_env env = {
		.step = s,
		.in = input_schema(e->p, s),
		.region = &t->region,
		.regex = e->opt.regex,
		.hashed = hashed,
		.late_port = used_port(s, s->late_port),
		.rejects_port = used_port(s, s->rejects_port),
		.instance = t->instance,
		.instances = instances,
	};
	struct weir_conn_env conn = {
		.pipeline = e->p,
		.step = s,
		.in = env.in,
		.region = &t->region,
		.rejects_port = env.rejects_port,
		.instance = t->instance,
		.instances = instances,
		.fresh = e->opt.fresh,
	};

	switch (s->kind) {
	case WEIR_STEP_SOURCE:
		return weir_source_open(n, &conn);
	case WEIR_STEP_SINK:
		return weir_sink_open(n, &conn);
	case WEIR_STEP_FILTER:
		return weir_filter_init(n, &env);
	case WEIR_STEP_MAP:
		return weir_map_init(n, &env);
	case WEIR_STEP_FLAT_MAP:
		return weir_flat_map_init(n, &env);
	case WEIR_STEP_UNION:
	case WEIR_STEP_KEY_BY:
		return weir_pass_init(n, &env);
	case WEIR_STEP_SPLIT:
		return weir_split_init(n, &env);
	case WEIR_STEP_AGGREGATE:
		return weir_aggregate_init(n, &env);
	case WEIR_STEP_TOP:
		return weir_top_init(n, &env);
	case WEIR_STEP_OPERATOR:
		return weir_operator_init(n, &env);
	default:
		weir_panic(__FILE__, __LINE__, "step kind");
	}
}

static void make_ports(struct engine_task *t, struct weir_node *n, const struct weir_step *s)
{
	uint32_t record_max = t->unit.task.record_max;

	n->port_count = s->port_count;
	n->port = weir_region_array(&t->region, struct weir_port, s->port_count);
	for (uint32_t i = 0; i < s->port_count; i++) {
		struct weir_port *p = &n->port[i];

		p->name = s->port[i].name;
		p->schema = s->port[i].schema;
		/* One more than needed: a tap may sit down there. */
		p->target = weir_region_array(&t->region, struct weir_node *, s->port[i].uses + 1u);
		if (s->port[i].uses == 0)
			continue;
		p->scratch_cap = SCRATCH_BYTES + WEIR_ALIGN_UP(record_max, 8u);
		p->scratch = weir_region_alloc(&t->region, p->scratch_cap);
	}
}

static void connect_outlet(struct weir_engine *e, struct engine_task *t, const struct weir_link *l,
			   struct weir_node *n)
{
	const struct weir_step *to = &e->p->step[l->to_step];
	const struct weir_tasks *plan = &e->plan.tasks;
	struct weir_outlet *o;
	uint32_t i = t->outlet_count++;

	n->step = l->from_step;
	n->step_name = "";
	n->task = &t->unit.task;
	o = weir_outlet_init(n, l->spread, e->p->step[l->from_step].port[l->from_port].schema,
			     to->key, to->key_count, l->per_task, &t->region);
	/* Producers start their turn at different readers. */
	o->turn = l->spread == WEIR_SPREAD_TURN ? t->instance % l->per_task : 0;
	t->outlet[i] = o;
	t->outlet_doorbell[i] = weir_region_array(&t->region, uint32_t, l->per_task);
	for (uint32_t k = 0; k < l->per_task; k++) {
		uint32_t ring = l->first_ring + t->instance * l->per_task + k;
		uint32_t reader = weir_tasks_ring_end(plan, ring, 1);

		weir_ring_tx_init(&o->tx[k], &e->segment.ring[ring], e->segment.ring_base[ring]);
		o->woken[k] = o->tx[k].published;
		t->outlet_doorbell[i][k] = e->plan.place.task_worker[reader];
	}
}

static void connect_inlet(struct weir_engine *e, struct engine_task *t)
{
	const struct weir_tasks *plan = &e->plan.tasks;
	uint32_t count = weir_tasks_inputs(plan, t->index, NULL, 0);
	uint32_t *ring = weir_region_array(&t->region, uint32_t, count);

	weir_tasks_inputs(plan, t->index, ring, count);
	weir_inlet_init(&t->unit.inlet, count, &t->region);
	t->inlet_doorbell = weir_region_array(&t->region, uint32_t, count);
	for (uint32_t i = 0; i < count; i++) {
		struct weir_inlet_ring *r = &t->unit.inlet.ring[i];

		weir_ring_rx_init(&r->rx, &e->segment.ring[ring[i]], e->segment.ring_base[ring[i]]);
		r->told = r->rx.released;
		t->inlet_doorbell[i] =
			e->plan.place.task_worker[weir_tasks_ring_end(plan, ring[i], 0)];
	}
}

static uint32_t chain_outlets(const struct weir_tasks *plan, uint32_t chain)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < plan->link_count; i++)
		n += plan->link[i].from_chain == chain;
	return n;
}

static struct weir_node *node_of(struct engine_task *t, uint32_t step)
{
	for (uint32_t i = 0; i < t->step_node_count; i++)
		if (t->unit.task.node[i].step == step)
			return &t->unit.task.node[i];
	return NULL;
}

static void add_target(struct weir_port *p, struct weir_node *n)
{
	p->target[p->target_count++] = n;
}

static void connect_nodes(struct weir_engine *e, struct engine_task *t)
{
	const struct weir_tasks *plan = &e->plan.tasks;
	const struct weir_chain *c = &plan->chain[t->chain];
	struct weir_node *outlet = &t->unit.task.node[c->step_count];

	for (uint32_t i = 1; i < c->step_count; i++) {
		const struct weir_input *in = &e->p->step[c->step[i]].input[0];

		add_target(&node_of(t, in->step)->port[in->port], &t->unit.task.node[i]);
	}
	for (uint32_t i = 0; i < plan->link_count; i++) {
		const struct weir_link *l = &plan->link[i];

		if (l->from_chain != t->chain)
			continue;
		connect_outlet(e, t, l, outlet);
		add_target(&node_of(t, l->from_step)->port[l->from_port], outlet);
		outlet++;
	}
}

int weir__task_build(struct weir_engine *e, struct engine_task *t, struct weir_err *err)
{
	const struct weir_tasks *plan = &e->plan.tasks;
	const struct weir_chain *c = &plan->chain[t->chain];
	struct weir_task *task = &t->unit.task;
	uint32_t outlets = chain_outlets(plan, t->chain);
	bool hashed = false;

	task->mem = weir_arena_mem(t->worker->arena);
	task->record_max = e->p->record_max;
	task->node_count = c->step_count + outlets;
	task->node = weir_region_array(&t->region, struct weir_node, task->node_count + 1);
	t->step_node_count = c->step_count;
	t->tap_node = &task->node[task->node_count];
	t->tap_have = UINT32_MAX;
	t->outlet = weir_region_array(&t->region, struct weir_outlet *, outlets);
	t->outlet_doorbell = weir_region_array(&t->region, uint32_t *, outlets);
	for (uint32_t i = 0; i < plan->link_count; i++)
		hashed |= plan->link[i].to_chain == t->chain &&
			  plan->link[i].spread == WEIR_SPREAD_KEY;
	connect_inlet(e, t);
	for (uint32_t i = 0; i < c->step_count; i++) {
		struct weir_node *n = &task->node[i];

		n->step = c->step[i];
		n->step_name = e->p->step[n->step].name;
		n->task = task;
		n->watermark = WEIR_TIME_MIN;
		make_ports(t, n, &e->p->step[n->step]);
	}
	connect_nodes(e, t);
	for (uint32_t i = 0; i < c->step_count; i++) {
		int r = init_node(e, t, &task->node[i], hashed && i == 0);

		if (r < 0) {
			*err = task->err;
			return r;
		}
	}
	if (task->node[0].cls->source)
		t->unit.source = task->node[0].op;
	return 0;
}

void weir__task_fini(struct engine_task *t)
{
	for (uint32_t i = 0; i < t->unit.task.node_count; i++) {
		struct weir_node *n = &t->unit.task.node[i];

		if (n->cls && n->cls->fini)
			n->cls->fini(n);
	}
}
