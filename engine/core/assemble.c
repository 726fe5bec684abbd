/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/assemble.h"

#include "base/assert.h"
#include "engine/core/global.h"
#include "engine/core/table.h"

#define SCRATCH_BYTES (128u * 1024)

/* One task being built. */
struct build {
	const struct weir_assembly *a;
	struct weir_region *region;
	struct weir_unit *u;
	struct weir_assembled *out;
	uint32_t index, chain, instance;
};

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

static int init_node(struct build *b, struct weir_node *n, bool hashed)
{
	const struct weir_assembly *a = b->a;
	const struct weir_step *s = &a->p->step[n->step];
	struct weir_op_env env = {
		.step = s,
		.in = input_schema(a->p, s),
		.region = b->region,
		.regex = a->regex,
		.hashed = hashed,
		.late_port = used_port(s, s->late_port),
		.rejects_port = used_port(s, s->rejects_port),
		.instance = b->instance,
		.instances = a->tasks->chain[b->chain].parallelism,
		.epochs = a->epochs,
	};

	switch (s->kind) {
	case WEIR_STEP_SOURCE:
		return a->source(a->ctx, n, &env);
	case WEIR_STEP_SINK:
		return a->sink(a->ctx, n, &env);
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
	case WEIR_STEP_KEYS:
		return weir_keys_init(n, &env);
	case WEIR_STEP_AGGREGATE:
		return weir_aggregate_init(n, &env);
	case WEIR_STEP_TOP:
		return weir_top_init(n, &env);
	case WEIR_STEP_TABLE:
		return weir_rtable_init(n, &env);
	case WEIR_STEP_TABLE_OPS:
		return weir_rtable_ops_init(n, &env);
	case WEIR_STEP_GLOBAL_MARK:
		return weir_global_mark_init(n, &env);
	case WEIR_STEP_GLOBAL_MERGE:
		return weir_global_merge_init(n, &env);
	default:
		weir_assert(s->kind == WEIR_STEP_OPERATOR);
		return a->oper(a->ctx, n, &env);
	}
}

static void make_ports(struct build *b, struct weir_node *n, const struct weir_step *s)
{
	uint32_t record_max = b->u->task.record_max;

	n->port_count = s->port_count;
	n->port = weir_region_array(b->region, struct weir_port, s->port_count);
	for (uint32_t i = 0; i < s->port_count; i++) {
		struct weir_port *p = &n->port[i];

		p->name = s->port[i].name;
		p->schema = s->port[i].schema;
		/* One more than needed: a tap may sit down there. */
		p->target = weir_region_array(b->region, struct weir_node *, s->port[i].uses + 1u);
		if (s->port[i].uses == 0)
			continue;
		p->scratch_cap = SCRATCH_BYTES + WEIR_ALIGN_UP(record_max, 8u);
		p->scratch = weir_region_alloc(b->region, p->scratch_cap);
	}
}

static void connect_outlet(struct build *b, const struct weir_link *l, struct weir_node *n)
{
	const struct weir_step *from = &b->a->p->step[l->from_step];
	const struct weir_step *to = &b->a->p->step[l->to_step];
	uint32_t first = l->first_ring + b->instance * l->per_task;
	uint32_t i = b->out->outlet_count++;
	struct weir_outlet *o;

	n->step = l->from_step;
	n->step_name = "";
	n->task = &b->u->task;
	o = weir_outlet_init(n, l->spread, from->port[l->from_port].schema, to->key, to->key_count,
			     l->per_task, b->region);
	/* Producers start their turn at different readers. */
	o->turn = l->spread == WEIR_SPREAD_TURN ? b->instance % l->per_task : 0;
	b->out->outlet[i] = o;
	b->out->outlet_ring[i] = first;
	for (uint32_t k = 0; k < l->per_task; k++) {
		struct weir_ring_block *block;
		uint8_t *base;

		b->a->ring(b->a->ctx, first + k, &block, &base);
		weir_ring_tx_init(&o->tx[k], block, base);
		o->woken[k] = o->tx[k].published;
	}
}

static void connect_inlet(struct build *b)
{
	const struct weir_tasks *plan = b->a->tasks;
	uint32_t count = weir_tasks_inputs(plan, b->index, NULL, 0);
	uint32_t *ring = weir_region_array(b->region, uint32_t, count);

	weir_tasks_inputs(plan, b->index, ring, count);
	weir_inlet_init(&b->u->inlet, count, b->region);
	b->out->inlet_ring = ring;
	for (uint32_t i = 0; i < count; i++) {
		struct weir_inlet_ring *r = &b->u->inlet.ring[i];
		struct weir_ring_block *block;
		uint8_t *base;

		b->a->ring(b->a->ctx, ring[i], &block, &base);
		weir_ring_rx_init(&r->rx, block, base);
		r->told = r->rx.released;
	}
}

static uint32_t chain_outlets(const struct weir_tasks *plan, uint32_t chain)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < plan->link_count; i++)
		n += plan->link[i].from_chain == chain;
	return n;
}

static struct weir_node *node_of(struct build *b, uint32_t step)
{
	uint32_t i = 0;

	while (b->u->task.node[i].step != step)
		weir_assert(++i < b->out->step_nodes);
	return &b->u->task.node[i];
}

static void add_target(struct weir_port *p, struct weir_node *n)
{
	p->target[p->target_count++] = n;
}

static void connect_nodes(struct build *b)
{
	const struct weir_tasks *plan = b->a->tasks;
	const struct weir_chain *c = &plan->chain[b->chain];
	struct weir_node *outlet = &b->u->task.node[c->step_count];

	for (uint32_t i = 1; i < c->step_count; i++) {
		const struct weir_input *in = &b->a->p->step[c->step[i]].input[0];

		add_target(&node_of(b, in->step)->port[in->port], &b->u->task.node[i]);
	}
	for (uint32_t i = 0; i < plan->link_count; i++) {
		const struct weir_link *l = &plan->link[i];

		if (l->from_chain != b->chain)
			continue;
		connect_outlet(b, l, outlet);
		add_target(&node_of(b, l->from_step)->port[l->from_port], outlet);
		outlet++;
	}
}

static bool hashed_input(const struct weir_tasks *plan, uint32_t chain)
{
	for (uint32_t i = 0; i < plan->link_count; i++)
		if (plan->link[i].to_chain == chain && plan->link[i].spread == WEIR_SPREAD_KEY)
			return true;
	return false;
}

int weir_assemble_task(const struct weir_assembly *a, uint32_t index, struct weir_region *region,
		       struct weir_unit *u, struct weir_assembled *ret)
{
	const struct weir_tasks *plan = a->tasks;
	struct build b = {.a = a,
			  .region = region,
			  .u = u,
			  .out = ret,
			  .index = index,
			  .chain = plan->task_chain[index]};
	const struct weir_chain *c = &plan->chain[b.chain];
	uint32_t outlets = chain_outlets(plan, b.chain);
	bool hashed = hashed_input(plan, b.chain);

	memset(ret, 0, sizeof(*ret));
	b.instance = index - c->first_task;
	u->task.record_max = a->p->record_max;
	u->task.node_count = c->step_count + outlets;
	u->task.node = weir_region_array(region, struct weir_node, u->task.node_count + 1);
	ret->step_nodes = c->step_count;
	ret->outlet = weir_region_array(region, struct weir_outlet *, outlets);
	ret->outlet_ring = weir_region_array(region, uint32_t, outlets);
	connect_inlet(&b);
	for (uint32_t i = 0; i < c->step_count; i++) {
		struct weir_node *n = &u->task.node[i];

		n->step = c->step[i];
		n->step_name = a->p->step[n->step].name;
		n->task = &u->task;
		n->watermark = WEIR_TIME_MIN;
		make_ports(&b, n, &a->p->step[n->step]);
	}
	connect_nodes(&b);
	for (uint32_t i = 0; i < c->step_count; i++) {
		int r = init_node(&b, &u->task.node[i], hashed && i == 0);

		if (r < 0)
			return r;
	}
	if (u->task.node[0].cls->source)
		u->source = u->task.node[0].op;
	return 0;
}

void weir_disassemble_task(struct weir_unit *u)
{
	for (uint32_t i = 0; i < u->task.node_count; i++) {
		struct weir_node *n = &u->task.node[i];

		if (n->cls && n->cls->fini)
			n->cls->fini(n);
	}
}
