/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/window_slices_int.h - slices of tumbling and sliding windows: shared by window_slices.c (rows and results)
 * and window_slices_state.c (bundles).
 */
#ifndef WEIR_ENGINE_CORE_WINDOW_SLICES_INT_H
#define WEIR_ENGINE_CORE_WINDOW_SLICES_INT_H

#include "engine/core/window.h"

struct slice {
	int64_t number, start;
	int64_t window_first, window_last; /* that contain it */
	struct weir_tracked keys;
	struct weir_slab slab;
	struct slice *next; /* in the free list */
	struct slice *next_frozen; /* in the list of slices to encode */
	bool frozen; /* is in it */
	bool leaving; /* no longer live, but not encoded yet */
};

/* A key that changed in a window that has fired. */
struct touch {
	struct slice *slice;
	uint32_t entry;
};

/* What a part says before its entries. */
struct slices_head {
	bool set;
	int64_t open, kept;
};

struct slices {
	struct slice **live; /* by number */
	uint32_t live_count, live_cap;
	struct slice *spare;
	/* The slice of the last row: [low, high) are its times; empty when there is none. */
	struct slice *now;
	int64_t low, high;
	int64_t open; /* first window that has not fired */
	int64_t kept; /* first window that is not gone */
	uint32_t touch_count;
	int64_t touch_next; /* windows below have been fired again */
	/* The window being emitted. */
	const struct weir_table *source; /* NULL: none */
	int64_t window;
	uint32_t entry;
	struct weir_table merged;
	struct weir_slab merged_slab;
	struct touch touch[WEIR_BATCH_ROWS];
	struct slice *slice[WEIR_BATCH_ROWS]; /* of the selected rows */
	uint32_t number[WEIR_BATCH_ROWS]; /* and their entries */
	struct slice *frozen; /* encoded from the front */
	/* The base round has come to this slice and entry. */
	int64_t touch_slice;
	uint32_t touch_entry;
	/* Restore: newest head of each task of the layout that was read last. */
	struct slices_head *head;
	uint32_t heads;
};

weir_inline uint8_t *weir_slices_entry_state(const struct weir_window_op *op,
					     const struct weir_table *t, uint32_t number)
{
	return (uint8_t *)weir_table_entry(t, number) + op->key.bytes;
}

weir_inline bool weir_slice_in_window(const struct slice *s, int64_t window)
{
	return s->window_first <= window && window <= s->window_last;
}

/* First live slice that belongs to this window or a later one. */
uint32_t weir_slices_from(const struct slices *d, int64_t window);
/* First live slice for which start > t. */
uint32_t weir_slices_after(const struct slices *d, int64_t t);
/* Makes a slice live, at this place of the list. */
struct slice *weir_slices_new(struct weir_window_op *op, int64_t number, uint32_t at);
/* Live slices without a window from `kept` on go. */
void weir_slices_drop(struct weir_window_op *op, int64_t kept);
/* Empties a slice that is not live, for reuse. */
void weir_slices_recycle(struct weir_window_op *op, struct slice *s);

/* window_slices_state.c */
void weir_slices_save(void *ctx, const struct weir_tracked *t, uint32_t number, struct weir_out *o);
void weir_slices_freeze(struct weir_window_op *op, struct weir_out *o);
bool weir_slices_encode(struct weir_window_op *op, size_t budget);
bool weir_slices_touch(struct weir_window_op *op, bool begin, size_t budget);
int weir_slices_restore(struct weir_window_op *op, struct weir_restore *r);
int weir_slices_restored(struct weir_window_op *op);
void weir_slices_heads_free(struct weir_window_op *op);

/* window_slices_query.c */
int weir_slices_query(struct weir_window_op *op, struct weir_window_ask *a);

#endif
