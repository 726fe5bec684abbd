/* SPDX-License-Identifier: Apache-2.0 */
/* Sinks at work: a thread for each, which runs the cell's jobs; those that stream share one (edges_thread.c). */
#include <stdio.h>

#include "engine/edge/cell_impl.h"
#include "engine/edge/cell_thread.h"
#include "host/log.h"

static void *sink_main(void *arg)
{
	struct cell_sink_thread *s = arg;
	struct engine_cell *x = s->cell;

	pthread_setname_np(pthread_self(), "weir-sink");
	pthread_mutex_lock(&x->lock);
	while (!x->quit) {
		if (s->state != SINK_TODO) {
			pthread_cond_wait(&s->cond, &x->lock);
			continue;
		}
		pthread_mutex_unlock(&x->lock);
		weir_job_run(&s->job);
		pthread_mutex_lock(&x->lock);
		s->state = SINK_DONE;
		pthread_cond_signal(&x->cond);
	}
	pthread_mutex_unlock(&x->lock);
	return NULL;
}

/* A job of a sink that streams, which changed nothing: it stays until there is a better one. */
static bool parked(struct engine_cell *x, uint32_t i)
{
	struct cell_sink_thread *s = &x->sink[i];

	if (s->state != SINK_PARKED)
		return false;
	if (!weir_cell_job_stale(&x->cell, i, &s->job))
		return true;
	s->state = SINK_DONE;
	return false;
}

static void hand_over(struct engine_cell *x, struct cell_sink_thread *s)
{
	s->state = SINK_TODO;
	if (s->streams)
		weir__cell_edges_wake(x->engine);
	else
		pthread_cond_signal(&s->cond);
}

/* Results in, new jobs out. With the lock. 1: there were results, which the cell has not looked at yet. */
int weir__cell_serve_sinks(struct engine_cell *x, struct weir_err *err)
{
	uint64_t now = weir_mono_ns();
	int news = 0;

	for (uint32_t i = 0; i < x->cell.sink_count; i++) {
		struct cell_sink_thread *s = &x->sink[i];

		if (parked(x, i))
			continue;
		if (s->state == SINK_DONE) {
			int r = weir_cell_job_done(&x->cell, i, now, &s->job, err);

			s->state = SINK_IDLE;
			if (r < 0)
				return r;
			news = 1;
		}
		if (s->state == SINK_IDLE && weir_cell_job(&x->cell, i, now, &s->job))
			hand_over(x, s);
	}
	return news;
}

bool weir__cell_sinks_waiting(const struct engine_cell *x)
{
	for (uint32_t i = 0; i < x->cell.sink_count; i++) {
		struct weir_cell_sink_info info;

		weir_cell_sink_info(&x->cell, i, &info);
		if (info.waiting && !info.streams)
			return true;
	}
	return false;
}

/* Stopped while a sink did not take its output. */
void weir__cell_say_waiting(struct engine_cell *x)
{
	for (uint32_t i = 0; i < x->cell.sink_count; i++) {
		struct weir_cell_sink_info info;
		char epochs[16];

		weir_cell_sink_info(&x->cell, i, &info);
		if (!info.waiting)
			continue;
		snprintf(epochs, sizeof(epochs), "%u", info.waiting);
		weir_log(
			info.streams ? WEIR_LOG_INFO : WEIR_LOG_WARN,
			info.streams
				? "output for another region is committed and not confirmed yet: the "
				  "next start goes on with it"
				: "output is committed and not handed over yet: the next start does it",
			"step", x->engine->p->step[info.step].name, "epochs", epochs, NULL);
	}
}

int weir__cell_start_sinks(struct weir_engine *e, struct weir_err *err)
{
	struct engine_cell *x = e->cell;
	int r;

	x->sink = weir_region_array(&e->region, struct cell_sink_thread, x->cell.sink_count);
	for (uint32_t i = 0; i < x->cell.sink_count; i++) {
		struct weir_cell_sink_info info;

		weir_cell_sink_info(&x->cell, i, &info);
		x->sink[i].cell = x;
		x->sink[i].streams = info.streams;
		pthread_cond_init(&x->sink[i].cond, NULL);
		r = info.streams ? 0
				 : pthread_create(&x->sink[i].thread, NULL, sink_main, &x->sink[i]);
		if (r)
			return weir_err_set(err, -r, "cannot start a thread for a sink: %s",
					    weir_strerror(-r));
		x->sink_threads++;
	}
	return 0;
}

/* x->quit is set. */
void weir__cell_join_sinks(struct engine_cell *x)
{
	for (uint32_t i = 0; i < x->sink_threads; i++) {
		if (!x->sink[i].streams)
			pthread_join(x->sink[i].thread, NULL);
		pthread_cond_destroy(&x->sink[i].cond);
	}
}
