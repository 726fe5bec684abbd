/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker: one pinned thread that gives its tasks bounded turns, tells other workers when their rings
 * moved, and sleeps when nobody has anything to do.
 */
#include <sched.h>
#include <stdio.h>

#include "engine/edge/cell_thread.h"
#include "engine/edge/engine_impl.h"
#include "engine/edge/lanes.h"
#include "engine/edge/query.h"
#include "numa/bind.h"
#include "shm/doorbell.h"

#define TURN_BATCHES 16u
#define TURN_NS                                                                                    \
	(2 * (uint64_t)WEIR_NS_PER_MS) /* a longer one keeps the worker's other tasks waiting */
#define SPINS 64u /* passes without work before yielding */
#define YIELDS 16u /* yields before sleeping */
#define SLEEP_MAX_NS (100 * WEIR_NS_PER_MS)
#define TICK_NS (100 * (uint64_t)WEIR_NS_PER_MS)
#define COUNT_NS (uint64_t) WEIR_NS_PER_MS /* how often counters are copied to the segment */

void weir__engine_fail(struct weir_engine *e, const struct weir_err *err)
{
	pthread_mutex_lock(&e->lock);
	if (!e->err.code)
		e->err = *err;
	pthread_mutex_unlock(&e->lock);
	atomic_store(&e->failed, 1);
	weir_engine_stop(e, true);
}

static void set_counter(struct weir_engine *e, uint32_t i, uint64_t v)
{
	weir_store_relaxed(&e->segment.counter[i].value, v);
}

static void copy_counters(struct engine_task *t)
{
	struct weir_engine *e = t->engine;
	uint32_t c = t->counter;

	set_counter(e, c + WEIR_CNT_BUSY_NS, t->busy_ns);
	set_counter(e, c + WEIR_CNT_BLOCKED_NS, t->blocked_ns);
	set_counter(e, c + WEIR_CNT_TURNS, t->turns);
	c += WEIR_CNT_TASK_COUNT;
	for (uint32_t i = 0; i < t->step_node_count; i++, c += WEIR_CNT_STEP_COUNT) {
		const struct weir_node *n = &t->unit.task.node[i];
		uint64_t out = 0;

		for (uint32_t p = 0; p < n->port_count; p++)
			out += n->port[p].rows;
		set_counter(e, c + WEIR_CNT_ROWS_IN, n->rows_in);
		set_counter(e, c + WEIR_CNT_ROWS_OUT, out);
		set_counter(e, c + WEIR_CNT_LATE, n->late);
		set_counter(e, c + WEIR_CNT_REJECTS, n->rejects);
		set_counter(e, c + WEIR_CNT_WATERMARK, (uint64_t)n->watermark);
	}
}

/* Rings doorbells of the tasks whose rings this task moved. One fence for all of them. */
static void wake_others(struct engine_task *t, uint32_t own)
{
	struct weir_doorbell *bell = t->engine->segment.doorbell;
	bool fenced = false;

	for (uint32_t i = 0; i < t->outlet_count; i++) {
		struct weir_outlet *o = t->outlet[i];

		for (uint32_t k = 0; k < o->ring_count; k++) {
			if (o->tx[k].published == o->woken[k])
				continue;
			o->woken[k] = o->tx[k].published;
			if (t->outlet_doorbell[i][k] == own)
				continue;
			if (!fenced)
				weir_fence_seq_cst(); /* as in weir_doorbell_ring() */
			fenced = true;
			if (weir_load_relaxed(&bell[t->outlet_doorbell[i][k]].sleeping))
				weir_doorbell__wake(&bell[t->outlet_doorbell[i][k]]);
		}
	}
	for (uint32_t k = 0; k < t->unit.inlet.ring_count; k++) {
		struct weir_inlet_ring *r = &t->unit.inlet.ring[k];

		if (r->rx.released == r->told)
			continue;
		r->told = r->rx.released;
		if (t->inlet_doorbell[k] == own)
			continue;
		if (!fenced)
			weir_fence_seq_cst();
		fenced = true;
		if (weir_load_relaxed(&bell[t->inlet_doorbell[k]].sleeping))
			weir_doorbell__wake(&bell[t->inlet_doorbell[k]]);
	}
}

/* The ring a blocked task waits for, as everyone can see it in the ring's own block. */
static void mark_blocked(struct engine_task *t, uint64_t now)
{
	struct weir_ring_block *at = NULL;

	for (uint32_t i = 0; t->unit.blocked && !at && i < t->outlet_count; i++)
		if (t->outlet[i]->blocked >= 0)
			at = t->outlet[i]->tx[t->outlet[i]->blocked].block;
	if (at == t->blocked_at)
		return;
	if (t->blocked_at) {
		uint64_t since = weir_load_relaxed(&t->blocked_at->blocked_since_ns);

		weir_store_relaxed(&t->blocked_at->blocked_ns,
				   weir_load_relaxed(&t->blocked_at->blocked_ns) + (now - since));
		weir_store_relaxed(&t->blocked_at->blocked_since_ns, 0);
	}
	if (at)
		weir_store_relaxed(&at->blocked_since_ns, now);
	t->blocked_at = at;
}

static void account(struct engine_task *t, uint64_t from, uint64_t to, int progress)
{
	if (t->blocked_since_ns) {
		t->blocked_ns += from - t->blocked_since_ns;
		t->blocked_since_ns = 0;
	}
	if (progress > 0) {
		t->busy_ns += to - from;
		t->worker->busy_ns += to - from;
	}
	if (t->unit.blocked)
		t->blocked_since_ns = progress > 0 ? to : from;
	mark_blocked(t, to);
}

/* When the task wants its next turn, unless something else gives it one before: room in a ring, or the cell. */
static void note_wait(const struct weir_unit *u, uint64_t *until)
{
	bool waits = u->blocked || u->hold || u->passed;

	if (u->wait_until_ns && (!waits || u->task.retry_ns) &&
	    (*until == 0 || u->wait_until_ns < *until))
		*until = u->wait_until_ns;
}

/* A step that waits for something, a disk or a server, takes its time for each record: it gets fewer batches a turn, and
 * the other tasks of the worker, sources among them, go on. */
static void note_turn(struct engine_task *t, uint64_t ns)
{
	uint32_t batches = TURN_BATCHES >> t->turn_less;

	if (ns > TURN_NS && batches > 1)
		t->turn_less++;
	else if (ns < TURN_NS / 2 && t->turn_less)
		t->turn_less--;
}

/* Progress of one pass over all tasks; <0 after a failure. *ret_live: tasks not done. */
static int pass(struct engine_worker *w, uint32_t *ret_live, uint64_t *ret_wait_until)
{
	struct weir_engine *e = w->engine;
	uint64_t now = weir_mono_ns();
	int64_t wall = weir_wall_ns();
	bool draining = atomic_load_explicit(&e->stop, memory_order_relaxed) == 1;
	int total = 0;

	*ret_live = 0;
	*ret_wait_until = 0;
	for (uint32_t i = 0; i < w->task_count; i++) {
		struct engine_task *t = w->task[i];
		struct weir_unit *u = &t->unit;
		uint64_t from = now;
		int r;

		if (weir_unlikely(weir_query_box_has(&t->query)))
			weir__query_serve(t);
		if (u->done)
			continue;
		++*ret_live;
		u->task.mono_ns = now;
		u->task.now_ns = wall;
		u->stopping = draining;
		weir__tap_check(t);
		if (e->epochs)
			weir__cell_before_turn(t);
		r = weir_unit_turn(u, TURN_BATCHES >> t->turn_less);
		if (e->epochs && r >= 0) {
			/* First: the cell may end the pipeline as soon as it has the report. */
			if (u->phase == WEIR_FREEZE_READY)
				copy_counters(t);
			weir__cell_after_turn(t);
		}
		now = weir_mono_ns();
		account(t, from, now, r);
		note_turn(t, now - from);
		t->turns++;
		if (r < 0) {
			weir__engine_fail(e, &u->task.err);
			return r;
		}
		if (e->opt.idle != WEIR_IDLE_POLL)
			wake_others(t, w->index);
		if (u->task.retry_ns)
			u->wait_until_ns = now + u->task.retry_ns;
		note_wait(u, ret_wait_until);
		if (u->done) {
			copy_counters(t);
			weir__lanes_task_done(t);
		}
		total += r;
	}
	return total;
}

/* Sinks look after their buffers. */
static int tick(struct engine_worker *w)
{
	for (uint32_t i = 0; i < w->task_count; i++) {
		struct weir_task *t = &w->task[i]->unit.task;

		if (w->task[i]->unit.done)
			continue;
		for (uint32_t k = 0; k < t->node_count; k++) {
			if (t->node[k].cls->tick && t->node[k].cls->tick(&t->node[k]) < 0) {
				weir__engine_fail(w->engine, &t->err);
				return -1;
			}
		}
	}
	return 0;
}

static void publish_counters(struct engine_worker *w)
{
	for (uint32_t i = 0; i < w->task_count; i++)
		copy_counters(w->task[i]);
	set_counter(w->engine, w->counter + WEIR_CNT_W_BUSY_NS, w->busy_ns);
	set_counter(w->engine, w->counter + WEIR_CNT_W_SLEEP_NS, w->sleep_ns);
}

static void sleep_until_rung(struct engine_worker *w, uint64_t wait_until, uint64_t next_tick)
{
	uint32_t word = weir_doorbell_prepare(w->doorbell), live;
	uint64_t now, until, wait;
	int r;

	/* Between the last pass and prepare() a ring may have moved: look once more. */
	r = pass(w, &live, &wait);
	now = weir_mono_ns();
	if (r != 0 || live == 0 || atomic_load(&w->engine->stop) == 2) {
		weir_doorbell_cancel(w->doorbell);
		return;
	}
	if (wait)
		wait_until = wait;
	until = now + SLEEP_MAX_NS;
	until = WEIR_MIN(until, next_tick);
	if (wait_until)
		until = WEIR_MIN(until, wait_until);
	if (until > now)
		weir_doorbell_wait(w->doorbell, word, (int64_t)(until - now));
	weir_doorbell_cancel(w->doorbell);
	w->sleep_ns += weir_mono_ns() - now;
}

static void run(struct engine_worker *w)
{
	struct weir_engine *e = w->engine;
	uint64_t next_tick = weir_mono_ns() + TICK_NS, next_count = 0, now, wait_until;
	uint32_t live, quiet = 0;

	while (atomic_load_explicit(&e->stop, memory_order_relaxed) != 2) {
		int r = pass(w, &live, &wait_until);

		if (r < 0 || live == 0)
			break;
		now = weir_mono_ns();
		if (now >= next_tick) {
			if (tick(w) < 0)
				break;
			next_tick = now + TICK_NS;
		}
		if (now >= next_count) {
			publish_counters(w);
			next_count = now + COUNT_NS;
		}
		if (r > 0) {
			quiet = 0;
			continue;
		}
		quiet++;
		if (e->opt.idle == WEIR_IDLE_POLL || quiet < SPINS) {
			weir_cpu_relax();
		} else if (quiet < SPINS + YIELDS) {
			sched_yield();
		} else {
			publish_counters(w);
			sleep_until_rung(w, wait_until, next_tick);
		}
	}
	publish_counters(w);
}

void *weir__worker_main(void *arg)
{
	struct engine_worker *w = arg;
	struct weir_engine *e = w->engine;
	char name[32]; /* the kernel keeps 15 bytes of it */

	snprintf(name, sizeof(name), "weir-w%02u", w->index);
	pthread_setname_np(pthread_self(), name);
	if (!e->opt.no_pin && !e->plan.place.oversubscribed) {
		int r = weir_bind_thread(w->os_cpu);

		if (r < 0)
			snprintf(w->pin_error, sizeof(w->pin_error), "cannot pin to cpu %u: %s",
				 w->os_cpu, weir_strerror(r));
	}
	run(w);
	atomic_store(&w->left, true);
	/* With epochs the cell's thread has the last word. */
	if (atomic_fetch_sub(&e->live, 1) == 1 && !e->epochs) {
		pthread_mutex_lock(&e->lock);
		for (uint32_t i = 0; i < e->plan.tasks.task_count && !e->err.code; i++)
			if (!e->task[i].unit.done)
				weir_err_set(&e->err, WEIR_E_STOPPED,
					     "stopped before everything was processed");
		e->ended_ns = weir_mono_ns();
		pthread_cond_broadcast(&e->ended);
		pthread_mutex_unlock(&e->lock);
	}
	return NULL;
}
