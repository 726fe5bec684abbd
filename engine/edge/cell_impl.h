/* SPDX-License-Identifier: Apache-2.0 */
/* engine/edge/cell_impl.h - inside of the cell's thread; also read by the statistics. */
#ifndef WEIR_ENGINE_EDGE_CELL_IMPL_H
#define WEIR_ENGINE_EDGE_CELL_IMPL_H

#include "engine/core/cell.h"
#include "engine/edge/disk.h"
#include "engine/edge/engine_impl.h"
#include "engine/edge/state_dir.h"

struct engine_cell;

enum sink_thread_state { SINK_IDLE = 0, SINK_TODO, SINK_DONE };

struct cell_sink_thread {
	struct engine_cell *cell;
	pthread_t thread;
	pthread_cond_t cond;
	enum sink_thread_state state; /* under the cell's lock */
	struct weir_job job;
};

struct cell_task {
	_Atomic uint64_t rows; /* of its source */
	uint64_t held; /* bytes, of its sinks; the worker's */
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
	uint32_t sink_threads;
	struct cell_task *task;

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

#endif
