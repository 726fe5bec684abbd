/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/cell_thread.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "engine/edge/cell_impl.h"
#include "host/log.h"
#include "shm/doorbell.h"

#define WAIT_MAX_NS ((uint64_t)WEIR_NS_PER_S)
#define WRITE_WAIT_NS                                                                              \
	((uint64_t)WEIR_NS_PER_MS) /* for a write, before the inbox is looked at again */

/* ---- workers ---- */

void weir__cell_before_turn(struct engine_task *t)
{
	struct engine_cell *x = t->engine->cell;
	struct weir_unit *u = &t->unit;

	u->barrier_want = atomic_load_explicit(&x->barrier, memory_order_acquire);
	/* The cell may be waiting for a slow disk: memory is bounded without it. */
	u->hold = atomic_load_explicit(&x->hold, memory_order_relaxed) ||
		  atomic_load_explicit(&x->held, memory_order_relaxed) >= x->held_limit;
	u->task.closing = atomic_load_explicit(&x->closing, memory_order_relaxed);
	u->round_want = atomic_load_explicit(&x->round, memory_order_relaxed);
	u->touch_bytes = atomic_load_explicit(&x->touch_bytes, memory_order_relaxed);
	u->durable = atomic_load_explicit(&x->durable, memory_order_relaxed);
	u->brake = weir__edges_brake(x, &x->task[t->index]);
}

static void wake_workers(struct weir_engine *e)
{
	for (uint32_t i = 0; i < e->plan.place.worker_count; i++)
		weir_doorbell_ring(e->worker[i].doorbell);
}

/* What the sinks of the task hold. The cell looks once an interval; output that grows faster does not wait for that. */
static void note_held(struct weir_engine *e, struct cell_task *ct, const struct weir_unit *u)
{
	struct engine_cell *x = e->cell;
	uint64_t was = ct->held, held = 0, total;

	for (uint32_t i = 0; i < u->task.node_count; i++)
		held += u->task.node[i].held;
	if (held == was)
		return;
	ct->held = held;
	total = atomic_fetch_add(&x->held, held - was);
	if (held / x->held_step > was / x->held_step)
		weir__cell_wake(e);
	if (total >= x->held_limit && total + (held - was) < x->held_limit)
		wake_workers(e); /* sources wait for this */
}

/* The parts of the epoch at hand go into the cell's inbox. */
static void report(struct engine_task *t)
{
	struct engine_cell *x = t->engine->cell;
	struct weir_unit *u = &t->unit;
	struct weir_report *r;

	r = &x->task[t->index].report;
	pthread_mutex_lock(&x->lock);
	/* The last one was taken in before this epoch was asked for. A final report may follow at once: then it has
	 * to wait. */
	if (!x->task[t->index].reported) {
		weir_unit_take(u, r);
		r->task = t->index;
		r->next = x->inbox;
		x->inbox = r;
		x->task[t->index].reported = true;
		pthread_cond_signal(&x->cond);
	} else {
		x->turned_away = true;
	}
	pthread_mutex_unlock(&x->lock);
}

void weir__cell_after_turn(struct engine_task *t)
{
	struct engine_cell *x = t->engine->cell;
	struct weir_unit *u = &t->unit;

	if (u->source)
		atomic_store_explicit(&x->task[t->index].rows, u->source->rows,
				      memory_order_relaxed);
	if (x->task[t->index].sinks)
		note_held(t->engine, &x->task[t->index], u);
	if (u->phase == WEIR_FREEZE_READY)
		report(t);
	/* Behind it: what was taken is the cell's now. */
	if (x->task[t->index].stream_count)
		weir__edges_held(t->engine, &x->task[t->index]);
}

/* ---- the cell ---- */

static void take_inbox(struct engine_cell *x)
{
	struct weir_report *r, *next;

	for (r = x->inbox; r; r = next) {
		next = r->next;
		weir_cell_report(&x->cell, r);
		x->task[r->task].reported = false;
	}
	x->inbox = NULL;
}

/* What workers look at, and statistics. true: workers have to look now. */
static bool publish(struct engine_cell *x)
{
	struct weir_cell *c = &x->cell;
	bool news = atomic_load_explicit(&x->barrier, memory_order_relaxed) != c->barrier ||
		    atomic_load_explicit(&x->hold, memory_order_relaxed) != c->hold ||
		    atomic_load_explicit(&x->round, memory_order_relaxed) != c->round ||
		    atomic_load_explicit(&x->durable, memory_order_relaxed) != c->durable;

	atomic_store_explicit(&x->touch_bytes, c->touch_bytes, memory_order_relaxed);
	atomic_store_explicit(&x->round, c->round, memory_order_relaxed);
	atomic_store_explicit(&x->hold, c->hold, memory_order_relaxed);
	atomic_store_explicit(&x->closing, c->closing, memory_order_relaxed);
	atomic_store_explicit(&x->durable, c->durable, memory_order_relaxed);
	atomic_store_explicit(&x->barrier, c->barrier, memory_order_release);
	weir__edges_publish(x);
	x->shown = *c;
	weir_journal_stats(c->journal, &x->journal_shown);
	for (uint32_t i = 0; i < c->sink_count; i++)
		weir_cell_sink_info(c, i, &x->sink_shown[i]);
	return news;
}

static void say_space(struct engine_cell *x)
{
	char free_mb[24], need_mb[24];

	if (x->cell.space_low == x->said_space)
		return;
	x->said_space = x->cell.space_low;
	snprintf(free_mb, sizeof(free_mb), "%llu",
		 (unsigned long long)(x->journal_shown.space_free >> 20));
	snprintf(need_mb, sizeof(need_mb), "%llu",
		 (unsigned long long)(x->cell.opt.space_min >> 20));
	weir_log(
		WEIR_LOG_WARN,
		x->said_space
			? "the disk of the state directory is nearly full: input stops until there is room, "
			  "what is on the way is committed"
			: "the disk of the state directory has room again: input goes on",
		"dir", x->dir.path, "free_mib", free_mb, "needed_mib", need_mb, NULL);
}

static struct weir_cell_now now_of(struct weir_engine *e)
{
	struct engine_cell *x = e->cell;
	struct weir_cell_now now = {.mono_ns = weir_mono_ns(),
				    .wall_ns = weir_wall_ns(),
				    .output_bytes = atomic_load(&x->held),
				    .urge = weir__edges_urge(x),
				    .stop = atomic_load(&x->stop)};

	for (uint32_t i = 0; i < e->plan.tasks.task_count; i++)
		now.input_rows += atomic_load_explicit(&x->task[i].rows, memory_order_relaxed);
	return now;
}

/* With the lock; gives it away while it waits for something to happen. */
static void wait_for_news(struct weir_engine *e)
{
	struct engine_cell *x = e->cell;
	uint64_t now = weir_mono_ns(), until = now + WAIT_MAX_NS;

	if (x->inbox || x->woken)
		return;
	for (uint32_t i = 0; i < x->cell.sink_count; i++)
		if (x->sink[i].state == SINK_DONE)
			return;
	if (weir__cell_sinks_waiting(x))
		until = now + (uint64_t)(10 * WEIR_NS_PER_MS); /* a retry may be due */
	if (x->cell.next_ns)
		until = WEIR_MIN(until, x->cell.next_ns);
	if (until > now && atomic_load(&e->stop) != 2)
		weir_cond_wait_until(&x->cond, &x->lock, until);
}

static int one_round(struct weir_engine *e, struct weir_err *err)
{
	struct engine_cell *x = e->cell;
	struct weir_cell_now now;
	bool news;
	int r;

	x->woken = false; /* before now_of(): what comes behind it wakes once more */
	now = now_of(e);
	take_inbox(x);
	r = weir__cell_serve_sinks(x, err);
	pthread_mutex_unlock(&x->lock);
	if (r >= 0)
		r = weir_cell_step(&x->cell, &now, err);
	if (r == 0)
		r = weir_cell_journal(&x->cell,
				      weir_journal_idle(x->cell.journal) ? 0 : WRITE_WAIT_NS, err);
	say_space(x);
	pthread_mutex_lock(&x->lock);
	if (r < 0)
		return r;
	news = publish(x) || x->turned_away;
	x->turned_away = false;
	if (news) {
		pthread_mutex_unlock(&x->lock);
		wake_workers(e);
		pthread_mutex_lock(&x->lock);
	}
	r = weir__cell_serve_sinks(x, err);
	/* What has just become durable or got into a sink is for the next step to see, at once. */
	if (r == 0 && !x->cell.finished && weir_journal_idle(x->cell.journal) &&
	    weir_journal_durable(x->cell.journal) == x->cell.durable)
		wait_for_news(e);
	return r < 0 ? r : 0;
}

static void *cell_main(void *arg)
{
	struct weir_engine *e = arg;
	struct engine_cell *x = e->cell;
	struct weir_err err = {0};
	int r = 0;

	pthread_setname_np(pthread_self(), "weir-cell");
	pthread_mutex_lock(&x->lock);
	while (r == 0 && !x->cell.finished && atomic_load(&e->stop) != 2)
		r = one_round(e, &err);
	publish(x);
	pthread_mutex_unlock(&x->lock);
	if (x->cell.finished)
		weir__cell_say_waiting(x);
	if (r < 0)
		weir__engine_fail(e, &err); /* I35: nothing is acknowledged after this */
	weir__engine_cell_ended(e, r == 0 && x->cell.finished);
	return NULL;
}

/* ---- life ---- */

struct recalled {
	struct weir_engine *e;
	struct weir_pipeline *p;
};

/* Positions and cursors are per task: as many tasks as there were. */
static int keep_parallelism(void *ctx, const struct weir_bundle_head *h, uint64_t epoch)
{
	struct recalled *q = ctx;

	(void)epoch;
	for (uint32_t i = 0; i < h->step_count; i++) {
		int k = weir_pipeline_find(q->p, h->step[i].name);
		struct weir_step *s = k < 0 ? NULL : &q->p->step[k];

		if (s && (s->kind == WEIR_STEP_SOURCE || s->kind == WEIR_STEP_SINK) &&
		    h->step[i].sign.n)
			s->parallelism = h->step[i].tasks;
	}
	return 0;
}

static void say_findings(const struct weir_journal_report *rep, const char *dir)
{
	for (uint32_t i = 0; i < WEIR_MIN(rep->count, (uint32_t)WEIR_COUNT_OF(rep->finding)); i++) {
		const struct weir_journal_finding *f = &rep->finding[i];
		char offset[24], epochs[48];

		snprintf(offset, sizeof(offset), "%llu", (unsigned long long)f->offset);
		snprintf(epochs, sizeof(epochs), "%llu-%llu", (unsigned long long)f->epoch_first,
			 (unsigned long long)f->epoch_last);
		weir_log(WEIR_LOG_WARN, f->text, "dir", dir, "file", f->file, "offset", offset,
			 f->epoch_last ? "epochs" : NULL, epochs, NULL);
	}
}

static int open_journal(struct weir_engine *e, struct engine_cell *x, struct weir_err *err)
{
	struct weir_journal_options o = {.pipeline = weir_pipeline_instance(e->p),
					 .segment_bytes = e->p->state.segment_bytes};
	struct weir_journal_report rep = {0};
	int r = weir_state_dir_open(e->p->state.dir, WEIR_STATE_DIR_RUN, &x->dir, err);

	if (r < 0)
		return r;
	x->dir_open = true;
	if (e->opt.fresh) {
		r = weir_state_dir_clear(&x->dir, err);
		if (r < 0)
			return r;
	}
	r = weir_disk_open(e->p->state.dir, NULL, &x->disk, err);
	if (r < 0)
		return r;
	if (getrandom(o.identity, sizeof(o.identity), 0) != (ssize_t)sizeof(o.identity))
		return weir_err_set(err, -errno, "no random bytes for a new state directory");
	/* Of two directories the newer one can be told (engine/core/edge.h: lineage). */
	for (int i = 0; i < 6; i++)
		o.identity[i] =
			(uint8_t)((uint64_t)weir_wall_ns() / WEIR_NS_PER_MS >> (40 - 8 * i));
	r = weir_journal_open(&o, &x->disk, &weir_heap_mem, &x->journal, &rep, err);
	say_findings(&rep, x->dir.path);
	if (r < 0)
		return weir_err_prefix(err, "state directory %s", e->p->state.dir);
	return r;
}

int weir__cell_open_journal(struct weir_engine *e, struct weir_err *err)
{
	struct weir_pipeline *copy = weir_region_new(&e->region, struct weir_pipeline);
	struct weir_bundle_head *head = weir_region_new(&e->region, struct weir_bundle_head);
	struct recalled q = {.e = e, .p = copy};
	struct engine_cell *x = weir_region_new(&e->region, struct engine_cell);
	int r;

	e->cell = x;
	x->engine = e;
	x->cells_mem = &weir_heap_mem;
	pthread_mutex_init(&x->lock, NULL);
	weir_cond_init(&x->cond);
	r = open_journal(e, x, err);
	if (r < 0)
		return r;
	*copy = *e->p;
	copy->step = weir_region_array(&e->region, struct weir_step, copy->step_count);
	memcpy(copy->step, e->p->step, copy->step_count * sizeof(*copy->step));
	e->p = copy;
	r = weir_cell_recall(x->journal, head, keep_parallelism, &q, err);
	x->continued = r > 0;
	return r < 0 ? r : 0;
}

/* Small enough that all sinks together have not much more than an epoch when one of them says so. */
static uint64_t held_step(const struct engine_cell *x)
{
	return WEIR_MAX(x->cell.opt.epoch_bytes / 4 / WEIR_MAX(x->cell.sink_count, 1u),
			(uint64_t)1);
}

int weir__cell_open_state(struct weir_engine *e, struct weir_err *err)
{
	struct engine_cell *x = e->cell;
	const struct weir_state_spec *s = &e->p->state;
	uint32_t tasks = e->plan.tasks.task_count;
	struct weir_unit **unit = weir_region_array(&e->region, struct weir_unit *, tasks);
	struct weir_cell_options o = {
		.epoch_ns = (uint64_t)s->epoch_ns,
		.epoch_bytes = s->epoch_bytes,
		.in_flight = s->in_flight,
		.deadline_ns = (uint64_t)s->deadline_ns,
		.base_bytes = s->base_bytes,
		.fresh = e->opt.fresh,
		.accept_loss = e->opt.drop_state,
	};
	int r;

	x->task = weir_region_array(&e->region, struct cell_task, tasks);
	for (uint32_t i = 0; i < tasks; i++) {
		unit[i] = &e->task[i].unit;
		for (uint32_t k = 0; k < unit[i]->task.node_count; k++)
			x->task[i].sinks |= unit[i]->task.node[k].cls->sink != NULL;
	}
	r = weir_cell_open(&x->cell, &o, e->p, &e->plan.tasks, unit, x->journal, x->cells_mem,
			   &e->region, err);
	x->cell_open = true;
	if (r < 0)
		return r;
	x->had_ended = x->cell.ended;
	x->fence = weir_journal_fence(x->journal);
	x->held_step = held_step(x);
	x->held_limit = x->cell.opt.epoch_bytes * 2; /* as in the cell's own admission */
	snprintf(x->disk_text, sizeof(x->disk_text), "%s", x->disk.ops->describe(x->disk.ctx));
	x->sink_shown =
		weir_region_array(&e->region, struct weir_cell_sink_info, x->cell.sink_count);
	weir__edges_open(e);
	publish(x);
	return 0;
}

int weir__cell_start(struct weir_engine *e, struct weir_err *err)
{
	struct engine_cell *x = e->cell;
	int r;

	r = weir__cell_start_sinks(e, err);
	if (r == 0)
		r = weir__edges_start(e, err);
	if (r < 0)
		return r;
	r = pthread_create(&x->thread, NULL, cell_main, e);
	if (r)
		return weir_err_set(err, -r, "cannot start the cell's thread: %s",
				    weir_strerror(-r));
	x->started = true;
	return 0;
}

void weir__cell_wake(struct weir_engine *e)
{
	pthread_mutex_lock(&e->cell->lock);
	e->cell->woken = true;
	pthread_cond_signal(&e->cell->cond);
	pthread_mutex_unlock(&e->cell->lock);
}

void weir__cell_close(struct weir_engine *e)
{
	struct engine_cell *x = e->cell;

	if (x->started)
		pthread_join(x->thread, NULL);
	pthread_mutex_lock(&x->lock);
	x->quit = true;
	for (uint32_t i = 0; i < x->sink_threads; i++)
		pthread_cond_signal(&x->sink[i].cond);
	pthread_mutex_unlock(&x->lock);
	weir__edges_join(e);
	weir__cell_join_sinks(x);
	for (struct weir_report *r = x->inbox; r; r = r->next)
		for (uint32_t i = 0; i < r->part_count; i++)
			weir_out_fini(&r->part[i].out);
	if (x->cell_open)
		weir_cell_close(&x->cell);
	else if (x->journal)
		weir_journal_close(x->journal);
	weir_disk_close(&x->disk);
	if (x->dir_open)
		weir_state_dir_close(&x->dir);
	pthread_mutex_destroy(&x->lock);
	pthread_cond_destroy(&x->cond);
}
