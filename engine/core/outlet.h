/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/outlet.h - the ends of a task: rings in (inlet) and rings out (outlet).
 *
 * Outlet: the node behind a port whose records leave the task. Spreads rows over the rings of the
 *         tasks behind: by key group, one to one, or in turn (whole batches). Controls go to all.
 * Inlet:  fills the root node's batch from one ring at a time and merges watermarks, idleness and
 *         ends of all of them.
 * Limit:  a ring holds about what its reader takes in WEIR_OUTLET_NS, but never less than a few records: barriers travel behind records, so a
 *         full ring in front of a slow step would hold up the epochs of the whole region. A reader that has caught up
 *         since the last look gets twice as much, up to the whole ring.
 * Wake:   nothing here makes a system call; the worker compares what was published and released
 *         with what it last told the other side.
 * Pure. Thread: the worker that runs the task.
 */
#ifndef WEIR_ENGINE_CORE_OUTLET_H
#define WEIR_ENGINE_CORE_OUTLET_H

#include "base/keyhash.h"
#include "engine/core/op.h"
#include "shm/ring.h"

enum weir_spread {
	WEIR_SPREAD_FORWARD = 1, /* exactly one ring */
	WEIR_SPREAD_KEY = 2, /* by key group */
	WEIR_SPREAD_TURN = 3, /* batch by batch to the next ring */
	WEIR_SPREAD_COUNT
};

#define WEIR_OUTLET_NS (20 * (uint64_t)WEIR_NS_PER_MS)
#define WEIR_OUTLET_BYTES_MIN ((uint64_t)16 << 10)

/* How much one ring may hold. */
struct weir_outlet_gauge {
	uint64_t head, tail; /* at the last look */
	uint64_t max; /* all of the ring */
	bool met_full; /* since then */
	_Atomic uint64_t limit; /* 0: not looked at yet; read by statistics */
};

struct weir_outlet {
	enum weir_spread spread;
	const struct weir_schema *schema;
	uint32_t key_count;
	uint16_t key[16];
	uint32_t ring_count;
	struct weir_ring_tx *tx; /* of each target task */
	uint64_t *woken; /* published position the target's worker was told about */
	uint16_t *group_ring; /* WEIR_SPREAD_KEY: key group -> ring */
	uint32_t turn; /* WEIR_SPREAD_TURN: ring of the next batch */
	uint32_t ctl_next; /* rings before this one have the control already */
	struct weir_outlet_gauge *gauge; /* of each ring */
	uint64_t looked_ns;
	int32_t blocked; /* ring that had no room at the last run, or -1 */
};

/* The region must outlive the node. Rings (tx) are initialised by the caller afterwards. */
struct weir_outlet *weir_outlet_init(struct weir_node *n, enum weir_spread spread,
				     const struct weir_schema *schema, const uint16_t *key,
				     uint32_t key_count, uint32_t ring_count,
				     struct weir_region *region);

struct weir_inlet_ring {
	struct weir_ring_rx rx;
	int64_t watermark;
	bool idle, ended;
	bool aligned; /* its barrier is here: nothing more is read until those of the others are */
	uint64_t told; /* released position the producer's worker was told about */
};

struct weir_inlet {
	uint32_t ring_count;
	struct weir_inlet_ring *ring;
	uint32_t next; /* ring to look at first */
	uint32_t held; /* ring whose frames are in the batch */
	uint64_t held_bytes; /* of them; given back when the task is idle again */
	int64_t watermark; /* last one passed on */
	uint64_t rows;
	uint64_t barrier; /* epoch whose barrier some ring has delivered; 0: none */
	bool idle;
};

void weir_inlet_init(struct weir_inlet *in, uint32_t ring_count, struct weir_region *region);

/* Gives the frames of the last batch back. Call when the task is idle. */
void weir_inlet_release(struct weir_inlet *in);

/* Fills an empty batch: rows, a control, or both. false: nothing there. */
bool weir_inlet_fill(struct weir_inlet *in, struct weir_batch *b);

#endif
