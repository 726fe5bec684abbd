/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread for all sinks that stream (edges to other regions), and how full they are, for the workers of sources.
 *
 *   cell thread ──job──▶ to run ──run──▶ done ──▶ cell thread
 *                          ▲   │ changed nothing
 *                  news,   │   ▼
 *                  time ── parked ──▶ cell thread, when it has another job
 */
#include <errno.h>

#include "engine/edge/cell_impl.h"
#include "engine/edge/cell_thread.h"

#define LOOK_NS ((uint64_t)3 * WEIR_NS_PER_MS) /* while something is unconfirmed */
#define REST_NS ((uint64_t)50 * WEIR_NS_PER_MS)

/* ---- the thread ---- */

/* Runs what is to be done; parked jobs once more when there is news. With the lock. true: the cell was given something. */
static bool serve(struct engine_cell *x, bool news)
{
	bool gave = false;

	for (uint32_t i = 0; i < x->cell.sink_count && !x->quit; i++) {
		struct cell_sink_thread *s = &x->sink[i];

		if (!s->streams || !(s->state == SINK_TODO || (s->state == SINK_PARKED && news)))
			continue;
		s->state = SINK_TODO;
		pthread_mutex_unlock(&x->lock);
		weir_job_run(&s->job);
		pthread_mutex_lock(&x->lock);
		if (weir_job_changes_nothing(&s->job)) {
			s->state = SINK_PARKED;
			continue;
		}
		s->state = SINK_DONE;
		pthread_cond_signal(&x->cond);
		gave = true;
	}
	return gave;
}

static bool unconfirmed(const struct engine_cell *x)
{
	for (uint32_t i = 0; i < x->cell.sink_count; i++)
		if (x->sink[i].streams && x->sink[i].job.waiting)
			return true;
	return false;
}

/* Only a parked job reads its lane: without one, news must wait for the cell thread, which may be writing the journal. */
static bool listens(const struct engine_cell *x)
{
	for (uint32_t i = 0; i < x->cell.sink_count; i++)
		if (x->sink[i].streams && x->sink[i].state == SINK_PARKED)
			return true;
	return false;
}

static void sleep_until_rung(struct engine_cell *x, uint64_t most, bool listen)
{
	struct weir_edges *d = &x->edges;
	uint32_t word = weir_doorbell_prepare(d->bell);
	int64_t lanes = listen && d->wait ? d->wait(d->wait_ctx, weir_mono_ns()) : -1;

	if (lanes >= 0)
		most = WEIR_MIN(most, (uint64_t)lanes);
	if (most && !atomic_load(&d->rung))
		weir_doorbell_wait(d->bell, word, (int64_t)most);
	weir_doorbell_cancel(d->bell);
}

static void *edges_main(void *arg)
{
	struct engine_cell *x = arg;
	bool news = true;

	pthread_setname_np(pthread_self(), "weir-edges");
	pthread_mutex_lock(&x->lock);
	while (!x->quit) {
		uint64_t most;
		bool listen;

		atomic_store(&x->edges.rung,
			     false); /* what comes behind this is seen in the next round */
		if (serve(x, news)) {
			news = false;
			continue;
		}
		most = unconfirmed(x) ? LOOK_NS : REST_NS;
		listen = listens(x);
		pthread_mutex_unlock(&x->lock);
		sleep_until_rung(x, most, listen);
		news = true;
		pthread_mutex_lock(&x->lock);
	}
	pthread_mutex_unlock(&x->lock);
	return NULL;
}

void weir__cell_edges_bell(struct weir_engine *e, struct weir_doorbell *keep_bell,
			   int64_t (*wait)(void *ctx, uint64_t mono_ns), void *ctx)
{
	e->cell->edges.bell = keep_bell ? keep_bell : &e->cell->edges.own_bell;
	e->cell->edges.wait = wait;
	e->cell->edges.wait_ctx = ctx;
}

void weir__cell_edges_wake(struct weir_engine *e)
{
	atomic_store(&e->cell->edges.rung, true);
	if (e->cell->edges.bell)
		weir_doorbell_ring(e->cell->edges.bell);
}

int weir__edges_start(struct weir_engine *e, struct weir_err *err)
{
	struct engine_cell *x = e->cell;
	int r;

	if (!x->cell.stream_count)
		return 0;
	r = pthread_create(&x->edges.thread, NULL, edges_main, x);
	if (r)
		return weir_err_set(err, -r, "cannot start the thread of the edges: %s",
				    weir_strerror(-r));
	x->edges.started = true;
	return 0;
}

/* x->quit is set. */
void weir__edges_join(struct weir_engine *e)
{
	if (!e->cell->edges.started)
		return;
	weir__cell_edges_wake(e);
	pthread_join(e->cell->edges.thread, NULL);
}

/* ---- how full ---- */

void weir__edges_open(struct weir_engine *e)
{
	struct engine_cell *x = e->cell;
	const struct weir_cell *c = &x->cell;

	if (!x->edges.bell)
		x->edges.bell = &x->edges.own_bell;
	x->stream = weir_region_array(&e->region, struct cell_stream_flow, c->stream_count);
	for (uint32_t t = 0; t < e->plan.tasks.task_count; t++) {
		struct cell_task *ct = &x->task[t];

		ct->reach_count = weir_cell_reached(c, t, &ct->reach);
		ct->stream = weir_region_array(&e->region, uint32_t, c->stream_count);
		for (uint32_t k = 0; k < c->stream_count; k++)
			if (c->stream[k].task == t)
				ct->stream[ct->stream_count++] = k;
	}
}

void weir__edges_publish(struct engine_cell *x)
{
	for (uint32_t k = 0; k < x->cell.stream_count; k++) {
		atomic_store_explicit(&x->stream[k].outstanding, x->cell.stream[k].outstanding,
				      memory_order_relaxed);
		atomic_store_explicit(&x->stream[k].limit, x->cell.stream[k].limit,
				      memory_order_relaxed);
	}
}

bool weir__edges_urge(const struct engine_cell *x)
{
	for (uint32_t k = 0; k < x->cell.stream_count; k++)
		if (weir_cell_urges(atomic_load(&x->stream[k].held), x->cell.stream[k].limit))
			return true;
	return false;
}

uint32_t weir__edges_brake(const struct engine_cell *x, const struct cell_task *ct)
{
	uint32_t brake = 0;

	for (uint32_t i = 0; i < ct->reach_count; i++) {
		const struct cell_stream_flow *f = &x->stream[ct->reach[i]];
		uint32_t fill =
			weir_cell_fill(atomic_load_explicit(&f->outstanding, memory_order_relaxed),
				       atomic_load_explicit(&f->held, memory_order_relaxed),
				       atomic_load_explicit(&f->limit, memory_order_relaxed));

		brake = WEIR_MAX(brake, fill);
	}
	return brake;
}

/* Also what was frozen and is not taken yet. */
void weir__edges_held(struct weir_engine *e, const struct cell_task *ct)
{
	struct engine_cell *x = e->cell;

	for (uint32_t i = 0; i < ct->stream_count; i++) {
		struct cell_stream_flow *f = &x->stream[ct->stream[i]];
		const struct weir_node *n = x->cell.stream[ct->stream[i]].node;
		uint64_t was = atomic_load_explicit(&f->held, memory_order_relaxed);
		uint64_t held = n->held + n->part->bytes;
		uint64_t limit = atomic_load_explicit(&f->limit, memory_order_relaxed);

		if (held == was)
			continue;
		atomic_store_explicit(&f->held, held, memory_order_relaxed);
		if (weir_cell_urges(held, limit) && !weir_cell_urges(was, limit))
			weir__cell_wake(e);
	}
}
