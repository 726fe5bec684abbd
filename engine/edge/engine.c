/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "engine/edge/cell_impl.h"
#include "engine/edge/cell_thread.h"
#include "engine/edge/edge_end.h"
#include "engine/edge/engine_impl.h"
#include "engine/edge/lanes.h"
#include "host/cluster.h"
#include "numa/bind.h"
#include "shm/doorbell.h"

#define HUGE_BYTES ((uint64_t)2 << 20)

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

/* Lanes: two rings for each edge. */
static int plan_edges(const struct weir_pipeline *p, const struct weir_cluster *cluster,
		      struct weir_region *region, struct weir_engine_plan *ret,
		      struct weir_err *err)
{
	uint64_t window = cluster ? cluster->edge_window_bytes : WEIR_LANE_BYTES_DEFAULT;
	uint32_t frame_max = weir_edge_frame_max(p->record_max);
	uint64_t least = (uint64_t)frame_max * 4;

	ret->edge_count = weir_regions_edges(p, NULL, 0);
	if (ret->edge_count == 0)
		return 0;
	if (!frame_max)
		return weir_err_set(err, WEIR_E_LIMIT,
				    "records of %u bytes are too long for an edge to another "
				    "region: `record_max` must be below 4 MiB",
				    p->record_max);
	ret->edge = weir_region_array(region, struct weir_edge_spec, ret->edge_count);
	weir_regions_edges(p, ret->edge, ret->edge_count);
	ret->lane_frame_max = frame_max;
	ret->lane_bytes = weir__round_pow2(WEIR_MAX(window, least));
	ret->lane_back_bytes = weir__round_pow2(WEIR_MAX(WEIR_LANE_BACK_BYTES, least));
	ret->segment_huge_total += (WEIR_MAX(ret->lane_bytes, HUGE_BYTES) +
				    WEIR_MAX(ret->lane_back_bytes, HUGE_BYTES)) *
				   ret->edge_count;
	return 0;
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
	ret->ring_bytes = weir__round_pow2(WEIR_MAX(p->ring_bytes, (uint64_t)p->record_max * 4));
	ret->ring_total = ret->ring_bytes * ret->tasks.ring_count;
	/* A ring ends on a page, and every task has a ring for a tap. */
	ret->segment_huge_total = WEIR_MAX(ret->ring_bytes, HUGE_BYTES) * ret->tasks.ring_count +
				  WEIR_MAX(weir__tap_bytes(p), HUGE_BYTES) * ret->tasks.task_count +
				  HUGE_BYTES;
	r = plan_edges(p, opt->cluster, region, ret, err);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < p->step_count; i++)
		for (uint32_t k = 0; k < p->step[i].port_count; k++)
			ports += (p->step[i].port[k].uses > 0) * ret->tasks.step_parallelism[i];
	ret->scratch_total = (uint64_t)ports * (128 * 1024 + p->record_max);
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
	r = weir__segment_open(e, err);
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
		int r = weir__lanes_start(e, err);

		if (r == 0)
			r = weir__cell_start(e, err);
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
	if (well)
		weir__lanes_farewell(e);
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
	weir__lanes_stop(e);
	if (e->cell)
		weir__cell_close(e);
	for (uint32_t i = 0; e->task && i < e->plan.tasks.task_count; i++) {
		if (!e->task[i].region.mem)
			continue;
		weir__task_fini(&e->task[i]);
		weir_region_fini(&e->task[i].region);
	}
	weir__lanes_close(e);
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
