/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/unit.h - one task as the scheduler sees it: take input, run the nodes, give space back.
 *
 * weir_unit_turn() does bounded work and returns how much. It never blocks: a full ring ends the turn
 * with `blocked`, and the next turn goes on where it stopped.
 * Epochs: a barrier goes through all nodes, each freezes (engine/core/freeze.h); then turns also encode what was frozen,
 *         in pieces, until weir_unit_take() can hand it over. At the end of the input the task freezes once more.
 * Pure: time comes in task.mono_ns and task.now_ns. Thread: the worker that owns the unit.
 */
#ifndef WEIR_ENGINE_CORE_UNIT_H
#define WEIR_ENGINE_CORE_UNIT_H

#include "base/bytes.h"
#include "engine/core/outlet.h"
#include "engine/core/pace.h"
#include "engine/core/source.h"

/* A watermark goes out after so many rows or so much time, whichever comes first: it is a control
 * frame in every ring and a look at every window. */
#define WEIR_WATERMARK_ROWS 4096u
#define WEIR_WATERMARK_NS (UINT64_C(20) * 1000 * 1000)

#define WEIR_REPORT_PARTS_MAX 258 /* nodes of a chain and the task itself */

enum weir_freeze_phase {
	WEIR_FREEZE_NONE = 0, /* no epoch at hand */
	WEIR_FREEZE_BARRIER = 1, /* the barrier is on its way through the nodes */
	WEIR_FREEZE_ENCODE = 2, /* what was frozen is being written */
	WEIR_FREEZE_READY = 3, /* weir_unit_take() gets it */
};

struct weir_report;

struct weir_unit {
	struct weir_task task;
	struct weir_inlet inlet;
	struct weir_source *source; /* NULL: reads rings */
	bool stopping; /* source: end as if the input had ended */
	bool ended; /* the end has been handed to the root node */
	bool passed; /* and has passed all nodes */
	bool done; /* and, with epochs, the last report has been taken */
	bool blocked; /* the last turn stopped at a full output */
	uint64_t wait_until_ns; /* source: nothing before this (monotonic), 0: unknown */

	/* epochs (engine/core/cell.h); set before a turn from what the cell says */
	bool epochs; /* the pipeline keeps state */
	bool hold; /* source: emit no rows */
	uint32_t brake; /* source: how full the fullest edge behind it is, 0 .. WEIR_BRAKE_MAX */
	uint64_t barrier_want; /* source: newest epoch whose barrier is due */
	uint64_t round_want; /* base round to work on; 0: none */
	size_t touch_bytes; /* of it per epoch */

	/* the unit's own */
	enum weir_freeze_phase phase;
	uint64_t durable; /* newest epoch that is (source: for its acknowledgements) */
	struct weir_pace pace; /* source */
	uint32_t batch_less; /* source: of a full batch so many rows are left out */
	uint64_t batch_ns; /* when the last one was read */
	bool stuck; /* it met a full output */
	bool final; /* the epoch at hand is the task's last */
	uint64_t epoch; /* newest epoch that was frozen, or is at hand */
	uint64_t round,
		round_reported; /* newest round that is through; of them at the last freeze */
	uint64_t round_at; /* round that is under way */
	uint32_t round_node; /* and the node it has come to */
	bool round_begun; /* in that node */
	bool late; /* a planted bug */
	uint64_t restored; /* epoch of the last part that was taken in */
	size_t touch_left;
	uint32_t encode_node;
	struct weir_out own; /* the TASK part */
	struct weir_out *part; /* per node; NULL without epochs */
};

/* Before the first turn: room for the parts. out_mem must be thread-safe: parts change hands. */
void weir_unit_epochs(struct weir_unit *u, struct weir_region *region,
		      const struct weir_mem *keep_out_mem);

/* The parts of the epoch at hand when the phase is READY: moved into *ret. false: not ready. */
bool weir_unit_take(struct weir_unit *u, struct weir_report *ret);

/* A TASK part of an earlier run: watermarks of the inlet and of the nodes. 0 or WEIR_E_CORRUPT. */
struct weir_restore;
int weir_unit_restore(struct weir_unit *u, struct weir_restore *r);

/* At most `batches` batches. >0: progress; 0: nothing to do, or blocked; <0: error in task.err. */
int weir_unit_turn(struct weir_unit *u, uint32_t batches);

#endif
