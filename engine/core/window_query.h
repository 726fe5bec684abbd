/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/window_query.h - open windows as they are now, for queries (engine/core/query.h).
 *
 * A row is the record that the window would give if it closed now; windows that have fired are not shown. One with a result that
 * cannot be given (a sum that overflows) has a member "error" in addition.
 * Places: slices, GET: next window; LIST: slice, entry in it, window. Sessions: entry (LIST), and the first time of the
 *         session that was shown last: they come newest first.
 * Memory: what a piece needs is from the task, and given back.
 * Pure.
 */
#ifndef WEIR_ENGINE_CORE_WINDOW_QUERY_H
#define WEIR_ENGINE_CORE_WINDOW_QUERY_H

#include "engine/core/query.h"
#include "engine/core/window.h"

struct weir_window_ask {
	const struct weir_query *q;
	struct weir_query_out *out;
	const void *key; /* GET: an entry with the key and its hash; LIST: NULL */
	uint64_t hash; /* of it */
	struct weir_slab slab; /* of this piece */
	void *frame; /* where rows are built */
	uint32_t frame_cap;
};

int weir__window_query(struct weir_node *n, const struct weir_query *q, struct weir_query_out *out);

/* For the stores: a row of the answer. false: it is not in, the piece ends (weir_query_row_end()). */
bool weir_window_ask_row(struct weir_window_op *op, struct weir_window_ask *a, const void *entry,
			 const void *state, int64_t start, int64_t end);

#endif
