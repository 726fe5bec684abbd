/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/freeze.h - how a node's state gets into a bundle and back.
 *
 *   barrier n arrives ──▶ freeze()   small things are written at once (positions, watermarks), the list of
 *                                    changed entries is swapped; the node goes on with epoch n+1
 *   later, in pieces  ──▶ encode()   what was set aside is written; an entry that changes before its turn is
 *                                    written first, as it was at the barrier
 *   base round        ──▶ touch()    live entries count as changed, a few at a time: after a whole round the
 *                                    bundles since its start hold all state, older ones are not needed
 *   start             ──▶ restore()  parts of all bundles since the last base, in order
 *
 * Part:     the bytes one node of one task wrote for one epoch: freeze() then encode(). Entries are absolute
 *           (the whole value of a key) or deletions, so that reading a part twice changes nothing.
 *           Entries of keyed state carry their key hash: a step that has another number of tasks
 *           than it had finds each entry in the parts of all its former tasks.
 * Contract: freeze() is called when all rows before the barrier are through the node, and again only after
 *           encode() has returned true. restore() is called before the first run(); its bytes come from a disk:
 *           anything may stand there.
 * Pure. Thread: the worker that owns the task; restore() the main thread.
 */
#ifndef WEIR_ENGINE_CORE_FREEZE_H
#define WEIR_ENGINE_CORE_FREEZE_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/keyhash.h"
#include "engine/core/op.h"

struct weir_restore {
	struct weir_reader in; /* one part */
	uint32_t instance_then, instances_then; /* of the task that wrote it */
	uint32_t instance, instances; /* of this task */
	/* Parts come epoch by epoch. What an epoch says as a whole (watermarks) replaces what earlier ones said; over the
	 * parts of several tasks in one epoch it is put together. */
	uint64_t epoch;
	const int32_t *step_now; /* index of a step then -> now, -1: gone */
	uint32_t step_count;
};

/* Is an entry with this key hash ours? The outlet's rule (engine/core/outlet.c). */
weir_inline bool weir_restore_mine(const struct weir_restore *r, uint64_t hash)
{
	return (uint64_t)weir_key_group(hash) * r->instances / WEIR_KEY_GROUPS == r->instance;
}

struct weir_state_ops {
	void (*freeze)(struct weir_node *n, struct weir_out *o);
	/* Writes about `budget` bytes more. true: the part is complete. NULL: freeze() writes everything. */
	bool (*encode)(struct weir_node *n, struct weir_out *o, size_t budget);
	/* Marks entries worth about `budget` bytes; begin: from the start. true: all are through. NULL: freeze()
	 * writes everything each time. */
	bool (*touch)(struct weir_node *n, bool begin, size_t budget);
	/* 0, or WEIR_E_CORRUPT / _CONFIG with node->task->err. The parts of one epoch come in any order; a step
	 * with as many tasks as before gets its own parts only. */
	int (*restore)(struct weir_node *n, struct weir_restore *r);
	/* All parts are in; may be NULL. */
	int (*restored)(struct weir_node *n);
	/* Describes what the bytes mean (window, keys with types, aggregates ...): parts are only given to a step
	 * whose text is the same. Not in it: what may change freely (parallelism, lateness). */
	void (*sign)(const struct weir_node *n, struct weir_buf *b);
};

#endif
