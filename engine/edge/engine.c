/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/buf.h"
#include "engine/edge/cell_impl.h"
#include "engine/edge/cell_thread.h"
#include "engine/edge/engine_impl.h"
#include "numa/bind.h"
#include "shm/doorbell.h"

static uint64_t round_pow2(uint64_t v)
{
	uint64_t p = 4096;

	while (p < v)
		p <<= 1;
	return p;
}

#define HUGE_BYTES ((uint64_t)2 << 20)

static uint64_t tap_bytes(const struct weir_pipeline *p)
{
	return round_pow2(WEIR_MAX((uint64_t)256 * 1024, (uint64_t)p->record_max * 2));
}

static uint32_t worker_count(const struct weir_pipeline *p, const struct weir_engine_options *opt,
			     const struct weir_topo *topo)
{
	uint32_t cores = 0;

	if (opt->workers)
		return opt->workers;
	if (p->workers)
		return p->workers;
	for (uint32_t i = 0; i < topo->cpu_count; i++)
		cores += topo->cpu[i].smt == 0;
	return WEIR_MAX(cores, 1u);
}

static int place(struct weir_engine_plan *plan, uint32_t workers, struct weir_region *region)
{
	const struct weir_tasks *t = &plan->tasks;
	struct weir_plan_task *task =
		weir_region_array(region, struct weir_plan_task, t->task_count);
	struct weir_plan_link *link =
		weir_region_array(region, struct weir_plan_link, t->ring_count);

	for (uint32_t i = 0; i < t->task_count; i++) {
		const struct weir_chain *c = &t->chain[t->task_chain[i]];

		task[i].weight = WEIR_MAX(c->weight, 1u);
		task[i].group = t->task_chain[i];
	}
	for (uint32_t i = 0; i < t->ring_count; i++) {
		const struct weir_link *l = weir_tasks_ring_link(t, i);

		link[i].from = weir_tasks_ring_end(t, i, 0);
		link[i].to = weir_tasks_ring_end(t, i, 1);
		link[i].weight = l->spread == WEIR_SPREAD_FORWARD ? 4 : 1;
	}
	return weir_plan_place(&plan->topo, WEIR_MIN(workers, t->task_count), task, t->task_count,
			       link, t->ring_count, region, &plan->place);
}

int weir_engine_plan(const struct weir_pipeline *p, const struct weir_engine_options *opt,
		     struct weir_region *region, struct weir_engine_plan *ret, struct weir_err *err)
{
	uint32_t workers, ports = 0;
	int r;

	memset(ret, 0, sizeof(*ret));
	if (opt->topo) {
		ret->topo = *opt->topo;
	} else {
		r = weir_topo_load(&ret->topo, err);
		if (r < 0)
			return r;
	}
	workers = worker_count(p, opt, &ret->topo);
	r = weir_tasks_plan(p, workers, region, &ret->tasks, err);
	if (r < 0)
		return r;
	r = place(ret, workers, region);
	if (r < 0)
		return weir_err_set(err, r, "cannot place %u tasks on %u workers: %s",
				    ret->tasks.task_count, workers, weir_strerror(r));
	/* A ring must take a few of the largest records, or one of them could stop it for good. */
	ret->ring_bytes = round_pow2(WEIR_MAX(p->ring_bytes, (uint64_t)p->record_max * 4));
	ret->ring_total = ret->ring_bytes * ret->tasks.ring_count;
	/* A ring ends on a page, and every task has a ring for a tap. */
	ret->segment_huge_total = WEIR_MAX(ret->ring_bytes, HUGE_BYTES) * ret->tasks.ring_count +
				  WEIR_MAX(tap_bytes(p), HUGE_BYTES) * ret->tasks.task_count +
				  HUGE_BYTES;
	for (uint32_t i = 0; i < p->step_count; i++)
		for (uint32_t k = 0; k < p->step[i].port_count; k++)
			ports += (p->step[i].port[k].uses > 0) * ret->tasks.step_parallelism[i];
	ret->scratch_total = (uint64_t)ports * (128 * 1024 + p->record_max);
	return 0;
}

/* ---- the segment ---- */

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
	b->ring =
		weir_region_array(&e->region, struct weir_ring_spec, t->ring_count + t->task_count);
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
		r->capacity =
			round_pow2(WEIR_MAX((uint64_t)256 * 1024, (uint64_t)e->p->record_max * 2));
		r->frame_max = e->p->record_max;
		r->schema = r->producer_doorbell = r->consumer_doorbell = UINT32_MAX;
	}
	b->opt.ring_count = t->ring_count + t->task_count;
}

static int open_segment(struct weir_engine *e, struct weir_err *err)
{
	const struct weir_tasks *t = &e->plan.tasks;
	struct seg_build b = {0};
	int r;

	plan_counters(e, &b);
	plan_rings(e, &b);
	b.opt.name = weir_pipeline_instance(e->p);
	b.opt.path = e->opt.segment_path;
	b.opt.huge = !e->opt.no_huge;
	b.opt.node = -1;
	b.opt.doorbell_count = e->plan.place.worker_count;
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
	return 0;
}

/* ---- life ---- */

static int open_arenas(struct weir_engine *e, struct weir_err *err)
{
	const struct weir_topo *topo = &e->plan.topo;

	e->arena =
		weir_region_array(&e->region, struct weir_arena *, WEIR_MAX(topo->node_count, 1u));
	e->arena_count = WEIR_MAX(topo->node_count, 1u);
	for (uint32_t w = 0; w < e->plan.place.worker_count; w++) {
		uint32_t node = topo->cpu[e->plan.place.worker_cpu[w]].node;
		int os_node = topo->node_count > 1 ? (int)topo->node_os[node] : -1;

		if (!e->arena[node]) {
			int r = weir_arena_open(os_node, !e->opt.no_huge, &e->arena[node], err);

			if (r < 0)
				return r;
		}
		e->worker[w].arena = e->arena[node];
	}
	return 0;
}

static void assign_tasks(struct weir_engine *e)
{
	const struct weir_tasks *t = &e->plan.tasks;

	for (uint32_t w = 0; w < e->plan.place.worker_count; w++) {
		struct engine_worker *worker = &e->worker[w];

		worker->engine = e;
		worker->index = w;
		worker->os_cpu = e->plan.topo.cpu[e->plan.place.worker_cpu[w]].os_index;
		worker->task = weir_region_array(&e->region, struct engine_task *, t->task_count);
	}
	for (uint32_t i = 0; i < t->task_count; i++) {
		struct engine_worker *worker = &e->worker[e->plan.place.task_worker[i]];
		struct engine_task *task = &e->task[i];

		task->engine = e;
		task->index = i;
		task->chain = t->task_chain[i];
		task->instance = i - t->chain[task->chain].first_task;
		task->worker = worker;
		worker->task[worker->task_count++] = task;
	}
}

static int open_all(struct weir_engine *e, struct weir_err *err)
{
	int r = 0;

	e->epochs = e->p->state.guarantee != WEIR_GUARANTEE_NONE;
	if (e->epochs)
		r = weir__cell_open_journal(e, err);
	if (r == 0)
		r = weir_engine_plan(e->p, &e->opt, &e->region, &e->plan, err);
	if (r < 0)
		return r;
	e->task = weir_region_array(&e->region, struct engine_task, e->plan.tasks.task_count);
	e->worker = weir_region_array(&e->region, struct engine_worker, e->plan.place.worker_count);
	assign_tasks(e);
	r = open_arenas(e, err);
	if (r < 0)
		return r;
	r = open_segment(e, err);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < e->plan.place.worker_count; i++)
		e->worker[i].doorbell = &e->segment.doorbell[i];
	for (uint32_t i = 0; i < e->plan.tasks.task_count; i++) {
		weir_region_init(&e->task[i].region, weir_arena_mem(e->task[i].worker->arena));
		r = weir__task_build(e, &e->task[i], err);
		if (r < 0)
			return r;
	}
	return e->epochs ? weir__cell_open_state(e, err) : 0;
}

int weir_engine_open(const struct weir_pipeline *keep_p, const struct weir_engine_options *opt,
		     struct weir_engine **ret, struct weir_err *err)
{
	struct weir_engine *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return weir_err_set(err, -ENOMEM, "out of memory");
	e->p = keep_p;
	e->opt = *opt;
	pthread_mutex_init(&e->lock, NULL);
	weir_cond_init(&e->ended);
	weir_region_init(&e->region, &weir_heap_mem);
	atomic_store(&e->tap_want, UINT32_MAX);
	r = open_all(e, err);
	if (r < 0) {
		weir_engine_close(e);
		return r;
	}
	*ret = e;
	return 0;
}

int weir_engine_start(struct weir_engine *e, struct weir_err *err)
{
	pthread_mutex_lock(&e->lock);
	e->started_ns = weir_mono_ns();
	pthread_mutex_unlock(&e->lock);
	if (e->epochs) {
		int r = weir__cell_start(e, err);

		if (r < 0)
			return r;
		if (weir_engine_had_ended(e))
			return 0; /* nothing runs any more */
	}
	atomic_store(&e->live, e->plan.place.worker_count);
	for (uint32_t i = 0; i < e->plan.place.worker_count; i++) {
		int r = pthread_create(&e->worker[i].thread, NULL, weir__worker_main,
				       &e->worker[i]);

		if (r) {
			atomic_fetch_sub(&e->live, e->plan.place.worker_count - i);
			weir_engine_stop(e, true);
			return weir_err_set(err, -r, "cannot start worker %u: %s", i,
					    weir_strerror(-r));
		}
		e->worker[i].started = true;
	}
	return 0;
}

void weir_engine_stop(struct weir_engine *e, bool now)
{
	uint32_t want = now ? 2 : 1, was = atomic_load(&e->stop);

	if (!now && e->epochs) {
		/* Sources stop and are not ended: the next start goes on where this one stops. */
		atomic_store(&e->cell->stop, true);
		weir__cell_wake(e);
		return;
	}
	while (was < want && !atomic_compare_exchange_weak(&e->stop, &was, want))
		;
	for (uint32_t i = 0; i < e->plan.place.worker_count; i++)
		weir_doorbell_ring(e->worker[i].doorbell);
	if (e->epochs)
		weir__cell_wake(e);
}

void weir__engine_cell_ended(struct weir_engine *e, bool well)
{
	weir_engine_stop(e, true);
	pthread_mutex_lock(&e->lock);
	if (!well && !e->err.code)
		weir_err_set(
			&e->err, WEIR_E_STOPPED,
			"stopped before everything was committed: the next start goes on from the "
			"last epoch that was");
	e->ended_ns = weir_mono_ns();
	pthread_cond_broadcast(&e->ended);
	pthread_mutex_unlock(&e->lock);
}

int weir_engine_wait(struct weir_engine *e, int64_t timeout_ns, struct weir_err *err)
{
	int r = 0;

	pthread_mutex_lock(&e->lock);
	if (timeout_ns < 0) {
		while (!e->ended_ns)
			pthread_cond_wait(&e->ended, &e->lock);
	} else {
		uint64_t until = weir_mono_ns() + (uint64_t)timeout_ns;

		while (!e->ended_ns && weir_cond_wait_until(&e->ended, &e->lock, until) == 0)
			;
	}
	if (!e->ended_ns) {
		r = 1;
	} else if (e->err.code) {
		*err = e->err;
		r = e->err.code;
	}
	pthread_mutex_unlock(&e->lock);
	return r;
}

void weir_engine_close(struct weir_engine *e)
{
	if (!e)
		return;
	if (e->started_ns)
		weir_engine_stop(e, true);
	for (uint32_t i = 0; e->worker && i < e->plan.place.worker_count; i++)
		if (e->worker[i].started)
			pthread_join(e->worker[i].thread, NULL);
	if (e->cell)
		weir__cell_close(e);
	for (uint32_t i = 0; e->task && i < e->plan.tasks.task_count; i++) {
		if (!e->task[i].region.mem)
			continue;
		weir__task_fini(&e->task[i]);
		weir_region_fini(&e->task[i].region);
	}
	if (e->segment_open)
		weir_segment_close(&e->segment);
	for (uint32_t i = 0; i < e->arena_count; i++)
		weir_arena_close(e->arena[i]);
	pthread_mutex_destroy(&e->lock);
	pthread_cond_destroy(&e->ended);
	weir_region_fini(&e->region);
	free(e);
}

bool weir_engine_keeps_state(const struct weir_engine *e)
{
	return e->epochs;
}

const char *weir_engine_state_dir(const struct weir_engine *e)
{
	return e->epochs ? e->p->state.dir : "";
}

const char *weir_engine_disk(const struct weir_engine *e)
{
	return e->epochs ? e->cell->disk.ops->describe(e->cell->disk.ctx) : "";
}

bool weir_engine_continued(const struct weir_engine *e)
{
	return e->epochs && e->cell->continued;
}

bool weir_engine_had_ended(const struct weir_engine *e)
{
	return e->epochs && e->cell->had_ended;
}

const struct weir_pipeline *weir_engine_pipeline(const struct weir_engine *e)
{
	return e->p;
}

const struct weir_engine_plan *weir_engine_plan_of(const struct weir_engine *e)
{
	return &e->plan;
}

const struct weir_segment *weir_engine_segment(const struct weir_engine *e)
{
	return &e->segment;
}
