/* SPDX-License-Identifier: Apache-2.0 */
/* engine/edge/cell_impl.h - inside of the cell's thread; also read by the statistics. */
#ifndef WEIR_ENGINE_EDGE_CELL_IMPL_H
#define WEIR_ENGINE_EDGE_CELL_IMPL_H

#include "engine/core/cell.h"
#include "engine/edge/disk.h"
#include "engine/edge/engine_impl.h"
#include "engine/edge/state_dir.h"
#include "shm/doorbell.h"

struct engine_cell;

/* PARKED: sinks that stream; the job was run and changed nothing: the edges' thread runs it again when there is news. */
enum sink_thread_state { SINK_IDLE = 0, SINK_TODO, SINK_DONE, SINK_PARKED };

struct cell_sink_thread {
	struct engine_cell *cell;
	bool streams; /* served by the edges' thread, has none of its own */
	pthread_t thread;
	pthread_cond_t cond;
	enum sink_thread_state state; /* under the cell's lock */
	struct weir_job job;
};

/* A sink that streams, as workers see it. */
struct cell_stream_flow {
	_Atomic uint64_t outstanding, limit; /* the cell's thread */
	_Atomic uint64_t held; /* bytes of the open epoch; the sink's worker */
};

struct cell_task {
	_Atomic uint64_t rows; /* of its source */
	uint64_t held; /* bytes, of its sinks; the worker's */
	uint32_t reach_count; /* of its source: streams that its records get to */
	const uint32_t *reach;
	uint32_t stream_count, *stream; /* its own sinks that stream */
	bool sinks;
	bool reported; /* report is in the inbox; under the lock */
	struct weir_report report;
};

struct engine_cell {
	struct weir_engine *engine;
	struct weir_state_dir dir;
	struct weir_disk disk;
	struct weir_journal *journal;
	struct weir_cell cell; /* the cell thread's */
	const struct weir_mem *cells_mem;
	bool dir_open, cell_open, started, continued, had_ended, said_space;
	pthread_t thread;
	struct cell_sink_thread *sink;
	uint32_t sink_threads; /* sinks that are served */
	struct cell_task *task;
	struct cell_stream_flow *stream; /* as cell.stream */
	struct weir_edges {
		pthread_t thread;
		bool started;
		struct weir_doorbell *bell; /* own_bell, or what weir__cell_edges_bell() said */
		struct weir_doorbell own_bell;
		int64_t (*wait)(void *ctx, uint64_t mono_ns);
		void *wait_ctx;
		_Atomic bool rung; /* there is something new */
	} edges;

	/* for the workers */
	_Atomic uint64_t barrier, round, durable;
	_Atomic uint64_t held; /* bytes, by all sinks */
	/* Fixed: the cell is told each time a task holds so many bytes more; and what all may hold. */
	uint64_t held_step, held_limit;
	_Atomic size_t touch_bytes;
	_Atomic bool hold, closing;
	_Atomic bool stop;

	pthread_mutex_t lock; /* the rest */
	pthread_cond_t cond;
	struct weir_report *inbox;
	bool quit;
	bool woken; /* the cell has to look now: a stop, a large epoch */
	bool turned_away; /* a worker has a report and its last one is still here */
	struct weir_cell shown; /* public fields, for statistics */
	struct weir_journal_stats journal_shown;
	struct weir_cell_sink_info *sink_shown;
	uint64_t fence;
	char disk_text[192]; /* does not change */
};

/* cell_sinks.c; the cell's thread, but for start and join */
int weir__cell_start_sinks(struct weir_engine *e, struct weir_err *err);
void weir__cell_join_sinks(struct engine_cell *x);
/* Results in, new jobs out. With the lock. 1: there were results, which the cell has not looked at yet; <0. */
int weir__cell_serve_sinks(struct engine_cell *x, struct weir_err *err);
/* One has output that it may be asked about again after a while. */
bool weir__cell_sinks_waiting(const struct engine_cell *x);
void weir__cell_say_waiting(struct engine_cell *x); /* after a stop */

/* edges_thread.c */
int weir__edges_start(struct weir_engine *e, struct weir_err *err);
void weir__edges_join(struct weir_engine *e);
/* Cell's thread: what workers see of the streams. */
void weir__edges_publish(struct engine_cell *x);
bool weir__edges_urge(const struct engine_cell *x);
/* Worker: the brake of a source; what the sinks of a task hold. */
uint32_t weir__edges_brake(const struct engine_cell *x, const struct cell_task *ct);
void weir__edges_held(struct weir_engine *e, const struct cell_task *ct);
void weir__edges_open(struct weir_engine *e);

#endif
