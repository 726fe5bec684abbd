/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/cell_thread.h - the cell of an engine at work: its thread, one thread for each sink, and the doors
 * between them and the workers.
 *
 *   worker ──report──▶ inbox ──▶ cell thread ──▶ disk
 *          ◀─barrier, hold, round─     │ job ▲ result
 *                                      ▼     │
 *                                 sink thread (one per sink task; one, "weir-edges", for all that stream)
 *
 * Thread: open and close from the main thread; the functions for workers say so.
 */
#ifndef WEIR_ENGINE_EDGE_CELL_THREAD_H
#define WEIR_ENGINE_EDGE_CELL_THREAD_H

#include "engine/core/cell.h"
#include "engine/edge/engine_impl.h"

struct engine_cell;
struct weir_doorbell;

/* State directory, disk and journal; the step table of the newest bundle may fix the parallelism of e->p's steps. Before
 * tasks are planned. */
int weir__cell_open_journal(struct weir_engine *e, struct weir_err *err);
/* State into the nodes, cursors of the sinks. After all tasks are built. */
int weir__cell_open_state(struct weir_engine *e, struct weir_err *err);
int weir__cell_start(struct weir_engine *e, struct weir_err *err);
void weir__cell_wake(struct weir_engine *e);
void weir__cell_close(struct weir_engine *e);

/*
 * The edges' thread (edges_thread.c) serves all sinks that stream: it runs the cell's jobs, sleeps on a doorbell, and looks again
 * when it is rung, some 300 times a second while something is unconfirmed, 20 times otherwise.
 * bell: a doorbell others ring when a lane has moved (in the segment; NULL: one of its own). wait: asked before it sleeps, once its
 * bell is announced: how long it may sleep at most, ns; 0: a lane has news; negative: no limit of the lanes; NULL: the same.
 * Before weir__cell_start().
 */
void weir__cell_edges_bell(struct weir_engine *e, struct weir_doorbell *keep_bell,
			   int64_t (*wait)(void *ctx, uint64_t mono_ns), void *ctx);
/* There is something new for the edges. Any thread. */
void weir__cell_edges_wake(struct weir_engine *e);

/* Worker: what the cell wants of this task, before its turn; and what the task has for the cell, after it. */
void weir__cell_before_turn(struct engine_task *t);
void weir__cell_after_turn(struct engine_task *t);

#endif
