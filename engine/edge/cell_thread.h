/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/cell_thread.h - the cell of an engine at work: its thread, one thread for each sink, and the doors
 * between them and the workers.
 *
 *   worker ──report──▶ inbox ──▶ cell thread ──▶ disk
 *          ◀─barrier, hold, round─     │ job ▲ result
 *                                      ▼     │
 *                                 sink thread (one per sink task)
 *
 * Thread: open and close from the main thread; the functions for workers say so.
 */
#ifndef WEIR_ENGINE_EDGE_CELL_THREAD_H
#define WEIR_ENGINE_EDGE_CELL_THREAD_H

#include "engine/core/cell.h"
#include "engine/edge/engine_impl.h"

struct engine_cell;

/* State directory, disk and journal; the step table of the newest bundle may fix the parallelism of e->p's steps. Before
 * tasks are planned. */
int weir__cell_open_journal(struct weir_engine *e, struct weir_err *err);
/* State into the nodes, cursors of the sinks. After all tasks are built. */
int weir__cell_open_state(struct weir_engine *e, struct weir_err *err);
int weir__cell_start(struct weir_engine *e, struct weir_err *err);
void weir__cell_wake(struct weir_engine *e);
void weir__cell_close(struct weir_engine *e);

/* Worker: what the cell wants of this task, before its turn; and what the task has for the cell, after it. */
void weir__cell_before_turn(struct engine_task *t);
void weir__cell_after_turn(struct engine_task *t);

#endif
