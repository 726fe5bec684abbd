/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics as anyone sees them: from the shared segment, sampled from outside the tasks. */
#include "engine/edge/connector.h"
#include "engine/edge/edge_stats.h"
#include "engine/edge/engine_impl.h"
#include "engine/edge/roots.h"

struct weir_engine_stats *weir_engine_stats_new(const struct weir_engine *e, struct weir_region *r)
{
	struct weir_engine_stats *s = weir_region_new(r, struct weir_engine_stats);

	s->step_count = e->p->step_count;
	s->step = weir_region_array(r, struct weir_step_stats, s->step_count);
	s->worker_count = e->plan.place.worker_count;
	s->worker = weir_region_alloc(r, sizeof(*s->worker) * s->worker_count);
	s->link_fill = weir_region_array(r, double, e->plan.tasks.link_count);
	s->edge_count = e->plan.edge_count;
	s->edge = weir_region_array(r, struct weir_edge_stats, s->edge_count);
	return s;
}

static uint64_t counter(const struct weir_engine *e, uint32_t i)
{
	return weir_load_relaxed(&e->segment.counter[i].value);
}

static void add_task(const struct weir_engine *e, const struct engine_task *t,
		     struct weir_engine_stats *s)
{
	const struct weir_chain *c = &e->plan.tasks.chain[t->chain];
	uint32_t at = t->counter + WEIR_CNT_TASK_COUNT;

	for (uint32_t i = 0; i < c->step_count; i++, at += WEIR_CNT_STEP_COUNT) {
		struct weir_step_stats *st = &s->step[c->step[i]];
		int64_t w = (int64_t)counter(e, at + WEIR_CNT_WATERMARK);

		st->rows_in += counter(e, at + WEIR_CNT_ROWS_IN);
		st->rows_out += counter(e, at + WEIR_CNT_ROWS_OUT);
		st->late += counter(e, at + WEIR_CNT_LATE);
		st->rejects += counter(e, at + WEIR_CNT_REJECTS);
		st->watermark = st->tasks ? WEIR_MIN(st->watermark, w) : w;
		st->busy_ns += counter(e, t->counter + WEIR_CNT_BUSY_NS);
		st->blocked_ns += counter(e, t->counter + WEIR_CNT_BLOCKED_NS);
		st->tasks++;
	}
}

uint64_t weir__ring_limit(const struct weir_engine *e, uint32_t ring)
{
	const struct engine_task *t = &e->task[weir_tasks_ring_end(&e->plan.tasks, ring, 0)];
	const struct weir_ring_block *b = &e->segment.ring[ring];
	uint64_t limit = 0;

	for (uint32_t i = 0; i < t->outlet_count; i++)
		for (uint32_t k = 0; k < t->outlet[i]->ring_count; k++)
			if (t->outlet[i]->tx[k].block == b)
				limit = atomic_load_explicit(&t->outlet[i]->gauge[k].limit,
							     memory_order_relaxed);
	return limit ? limit : b->capacity;
}

static double ring_fill(const struct weir_engine *e, uint32_t ring)
{
	const struct weir_ring_block *b = &e->segment.ring[ring];
	/* Head first: a tail read later can only be ahead of it. */
	uint64_t head = weir_load_acquire(&b->head), tail = weir_load_acquire(&b->tail);
	double fill = (double)(tail - head) / (double)weir__ring_limit(e, ring);

	return fill > 1 ? 1 : fill;
}

/* Every step of a chain shares the fill of the chain's rings. */
static void add_rings(const struct weir_engine *e, struct weir_engine_stats *s)
{
	const struct weir_tasks *t = &e->plan.tasks;

	for (uint32_t l = 0; l < t->link_count; l++) {
		const struct weir_chain *from = &t->chain[t->link[l].from_chain];
		const struct weir_chain *to = &t->chain[t->link[l].to_chain];
		double fill = 0;

		for (uint32_t i = 0; i < t->link[l].ring_count; i++)
			fill = WEIR_MAX(fill, ring_fill(e, t->link[l].first_ring + i));
		s->link_fill[l] = fill;
		for (uint32_t i = 0; i < from->step_count; i++)
			s->step[from->step[i]].out_fill =
				WEIR_MAX(s->step[from->step[i]].out_fill, fill);
		for (uint32_t i = 0; i < to->step_count; i++)
			s->step[to->step[i]].ring_fill =
				WEIR_MAX(s->step[to->step[i]].ring_fill, fill);
	}
}

void weir_engine_stats_read(struct weir_engine *e, struct weir_engine_stats *s)
{
	memset(s->step, 0, sizeof(*s->step) * s->step_count);
	s->mono_ns = weir_mono_ns();
	s->wall_ns = weir_wall_ns();
	pthread_mutex_lock(&e->lock);
	s->started_ns = e->started_ns;
	s->ended_ns = e->ended_ns;
	pthread_mutex_unlock(&e->lock);
	s->running = s->started_ns && !s->ended_ns;
	s->failed = atomic_load(&e->failed);
	for (uint32_t i = 0; i < e->plan.tasks.task_count; i++)
		add_task(e, &e->task[i], s);
	add_rings(e, s);
	weir__edge_stats_read(e, s);
	for (uint32_t w = 0; w < s->worker_count; w++) {
		s->worker[w].cpu = e->worker[w].os_cpu;
		s->worker[w].busy_ns = counter(e, e->worker[w].counter + WEIR_CNT_W_BUSY_NS);
		s->worker[w].sleep_ns = counter(e, e->worker[w].counter + WEIR_CNT_W_SLEEP_NS);
	}
	s->state_bytes = 0;
	for (uint32_t i = 0; i < e->arena_count; i++)
		s->state_bytes += e->arena[i] ? weir_arena_bytes(e->arena[i]) : 0;
	s->records_in = s->records_out = 0;
	for (uint32_t i = 0; i < s->step_count; i++) {
		if (e->p->step[i].kind == WEIR_STEP_SOURCE)
			s->records_in += s->step[i].rows_out;
		else if (e->p->step[i].kind == WEIR_STEP_SINK)
			s->records_out += s->step[i].rows_in;
	}
	s->bottleneck = s->running ? weir__bottleneck(e, s) : -1;
}

const char *weir_engine_address(const struct weir_engine *e, uint32_t step)
{
	uint32_t chain = e->plan.tasks.step_chain[step];
	const struct engine_task *t = &e->task[e->plan.tasks.chain[chain].first_task];

	if (e->p->step[step].kind != WEIR_STEP_SOURCE)
		return "";
	return weir_source_address(&t->unit.task.node[0]);
}
