/* SPDX-License-Identifier: Apache-2.0 */
/* The shared segment of an engine: what rings, doorbells and counters there are, and which number each has. */
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "engine/edge/engine_impl.h"
#include "engine/edge/lanes.h"
#include "numa/bind.h"

uint64_t weir__round_pow2(uint64_t v)
{
	uint64_t p = 4096;

	while (p < v)
		p <<= 1;
	return p;
}

uint64_t weir__tap_bytes(const struct weir_pipeline *p)
{
	return weir__round_pow2(WEIR_MAX((uint64_t)256 * 1024, (uint64_t)p->record_max * 2));
}

struct seg_build {
	struct weir_segment_options opt;
	struct weir_ring_spec *ring;
	struct weir_counter_spec *counter;
	const struct weir_schema **schema;
	uint32_t counters;
};

static void add_counter(struct seg_build *b, uint32_t kind, const char *fmt, ...)
	weir_printf_like(3, 4);
static void add_counter(struct seg_build *b, uint32_t kind, const char *fmt, ...)
{
	struct weir_counter_spec *c = &b->counter[b->counters++];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->name, sizeof(c->name), fmt, ap);
	va_end(ap);
	c->kind = kind;
}

static void plan_counters(struct weir_engine *e, struct seg_build *b)
{
	static const char *const step_counter[WEIR_CNT_STEP_COUNT] = {"rows_in", "rows_out", "late",
								      "rejects", "watermark_ns"};
	static const char *const task_counter[WEIR_CNT_TASK_COUNT] = {"busy_ns", "blocked_ns",
								      "turns"};
	const struct weir_tasks *t = &e->plan.tasks;
	size_t n = (size_t)e->plan.place.worker_count * WEIR_CNT_WORKER_COUNT;

	for (uint32_t i = 0; i < t->task_count; i++)
		n += WEIR_CNT_TASK_COUNT +
		     (size_t)t->chain[t->task_chain[i]].step_count * WEIR_CNT_STEP_COUNT;
	n += weir__lanes_counters(e);
	b->counter = weir_region_array(&e->region, struct weir_counter_spec, n);
	for (uint32_t i = 0; i < t->task_count; i++) {
		const struct weir_chain *c = &t->chain[t->task_chain[i]];

		e->task[i].counter = b->counters;
		for (uint32_t k = 0; k < WEIR_CNT_TASK_COUNT; k++)
			add_counter(b, 0, "task.%u.%s", i, task_counter[k]);
		for (uint32_t s = 0; s < c->step_count; s++)
			for (uint32_t k = 0; k < WEIR_CNT_STEP_COUNT; k++)
				add_counter(b, k == WEIR_CNT_WATERMARK, "step.%s.%u.%s",
					    e->p->step[c->step[s]].name, i - c->first_task,
					    step_counter[k]);
	}
	for (uint32_t w = 0; w < e->plan.place.worker_count; w++) {
		e->worker[w].counter = b->counters;
		add_counter(b, 0, "worker.%u.busy_ns", w);
		add_counter(b, 0, "worker.%u.sleep_ns", w);
	}
	weir__lanes_counter_specs(e, b->counter + b->counters, b->counters);
	b->counters += weir__lanes_counters(e);
	weir_assert(b->counters == n);
}

static uint32_t add_schema(struct seg_build *b, const struct weir_schema *s)
{
	for (uint32_t i = 0; i < b->opt.schema_count; i++)
		if (b->schema[i] == s)
			return i;
	b->schema[b->opt.schema_count] = s;
	return b->opt.schema_count++;
}

static void plan_rings(struct weir_engine *e, struct seg_build *b)
{
	const struct weir_tasks *t = &e->plan.tasks;
	uint32_t schemas = 0;

	for (uint32_t i = 0; i < e->p->step_count; i++)
		schemas += e->p->step[i].port_count;
	b->schema = weir_region_array(&e->region, const struct weir_schema *, schemas);
	b->opt.ring_count = t->ring_count + t->task_count + 2 * weir__lanes_count(e);
	b->ring = weir_region_array(&e->region, struct weir_ring_spec, b->opt.ring_count);
	for (uint32_t i = 0; i < t->ring_count; i++) {
		const struct weir_link *l = weir_tasks_ring_link(t, i);
		const struct weir_step *from = &e->p->step[l->from_step];
		uint32_t writer = weir_tasks_ring_end(t, i, 0),
			 reader = weir_tasks_ring_end(t, i, 1);
		struct weir_ring_spec *r = &b->ring[i];

		snprintf(r->name, sizeof(r->name), "%.24s%s%.8s.%u>%.24s.%u", from->name,
			 from->port[l->from_port].name[0] ? "." : "", from->port[l->from_port].name,
			 writer - t->chain[l->from_chain].first_task, e->p->step[l->to_step].name,
			 reader - t->chain[l->to_chain].first_task);
		r->capacity = e->plan.ring_bytes;
		r->frame_max = e->p->record_max;
		r->schema = add_schema(b, from->port[l->from_port].schema);
		r->producer_doorbell = e->plan.place.task_worker[writer];
		r->consumer_doorbell = e->plan.place.task_worker[reader];
	}
	/* Tap rings: small, one per task, not touched until somebody looks. */
	e->tap_ring = t->ring_count;
	for (uint32_t i = 0; i < t->task_count; i++) {
		struct weir_ring_spec *r = &b->ring[t->ring_count + i];

		snprintf(r->name, sizeof(r->name), "tap.%u", i);
		r->capacity = weir__tap_bytes(e->p);
		r->frame_max = e->p->record_max;
		r->schema = r->producer_doorbell = r->consumer_doorbell = UINT32_MAX;
	}
	weir__lanes_ring_specs(e, b->ring + t->ring_count + t->task_count,
			       t->ring_count + t->task_count);
}

int weir__segment_open(struct weir_engine *e, struct weir_err *err)
{
	const struct weir_tasks *t = &e->plan.tasks;
	struct seg_build b = {0};
	int r;

	weir__lanes_plan(e);
	plan_counters(e, &b);
	plan_rings(e, &b);
	b.opt.name = weir_pipeline_instance(e->p);
	b.opt.path = e->opt.segment_path;
	b.opt.huge = !e->opt.no_huge;
	b.opt.node = -1;
	b.opt.doorbell_count = e->plan.place.worker_count + weir__lanes_doorbells(e);
	b.opt.ring = b.ring;
	b.opt.counter = b.counter;
	b.opt.counter_count = b.counters;
	b.opt.schema = b.schema;
	r = weir_segment_create(&b.opt, &e->segment, err);
	if (r < 0)
		return r;
	e->segment_open = true;
	for (uint32_t i = 0; i < t->ring_count; i++) {
		uint32_t reader = e->plan.place.task_worker[weir_tasks_ring_end(t, i, 1)];
		const struct weir_cpu *cpu = &e->plan.topo.cpu[e->plan.place.worker_cpu[reader]];

		r = weir_segment_map_ring(&e->segment, i, err);
		if (r < 0)
			return r;
		if (e->plan.topo.node_count > 1) /* best effort: the ring works anywhere */
			weir_bind_memory(e->segment.ring_base[i], e->segment.ring[i].capacity,
					 e->plan.topo.node_os[cpu->node]);
		weir_ring_role_claim(&e->segment.ring[i].producer, NULL);
		weir_ring_role_claim(&e->segment.ring[i].consumer, NULL);
	}
	return weir__lanes_open(e, err);
}
