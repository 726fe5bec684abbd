/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/unit.h - one task as the scheduler sees it: take input, run the nodes, give space back.
 *
 * weir_unit_turn() does bounded work and returns how much. It never blocks: a full ring ends the turn
 * with `blocked`, and the next turn goes on where it stopped.
 * Pure: time comes in task.mono_ns and task.now_ns. Thread: the worker that owns the unit.
 */
#ifndef WEIR_ENGINE_CORE_UNIT_H
#define WEIR_ENGINE_CORE_UNIT_H

#include "engine/core/outlet.h"
#include "engine/core/source.h"

/* A watermark goes out after so many rows or so much time, whichever comes first: it is a control
 * frame in every ring and a look at every window. */
#define WEIR_WATERMARK_ROWS 4096u
#define WEIR_WATERMARK_NS (UINT64_C(20) * 1000 * 1000)

struct weir_unit {
	struct weir_task task;
	struct weir_inlet inlet;
	struct weir_source *source; /* NULL: reads rings */
	bool stopping; /* source: end as if the input had ended */
	bool ended; /* the end has been handed to the root node */
	bool done; /* and has passed all nodes */
	bool blocked; /* the last turn stopped at a full output */
	uint64_t wait_until_ns; /* source: nothing before this (monotonic), 0: unknown */
};

/* At most `batches` batches. >0: progress; 0: nothing to do, or blocked; <0: error in task.err. */
int weir_unit_turn(struct weir_unit *u, uint32_t batches);

#endif
