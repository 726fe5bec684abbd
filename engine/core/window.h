/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/window.h - event-time windows over any kind of state per key and window.
 *
 *   rows ──▶ window.c ──▶ window_slices.c  (tumbling, sliding)  ──▶ payload: aggregate.c
 *            run()        window_session.c (sessions)                       top.c
 *   bundles: window_state.c, window_slices_state.c, window_session_state.c
 *   queries: window_query.c, window_slices_query.c, window_session_query.c
 *
 * window.c takes rows and controls and decides what comes next; one of two stores keeps the state
 * of each key and slice or session; a payload says what that state is: accumulators, or whole
 * records.
 *
 * Rules:  a window fires when the watermark W reaches its last instant (W >= end - 1), by window end;
 *         its state is kept until W >= end - 1 + lateness. A row for a window that has fired and
 *         is kept makes the row's key fire again at the end of the batch. A row whose windows are
 *         all gone is late. The end of the stream is the watermark WEIR_TIME_MAX.
 * Order:  deterministic for the same rows, batches and watermarks.
 * Errors: a row with an argument that cannot be computed, a time too near the ends of int64, or a
 *         result that does not fit goes the way of weir_node_reject().
 * Memory: the operator in the region; state from task->mem, given back by fini.
 * Pure.
 */
#ifndef WEIR_ENGINE_CORE_WINDOW_H
#define WEIR_ENGINE_CORE_WINDOW_H

#include "base/buf.h"
#include "base/bytes.h"
#include "engine/core/agg_fn.h"
#include "engine/core/track.h"
#include "engine/core/window_assign.h"
#include "engine/core/window_key.h"
#include "state/table.h"

struct weir_window_op;

/* One result: the key in `entry`, its state, and the window. */
struct weir_window_result {
	const struct weir_window_key *key;
	const void *entry;
	const void *state;
	int64_t start, end;
};

struct weir_window_payload {
	uint32_t bytes; /* of state, a multiple of 8; all zeroes is empty */
	bool slab; /* states have pieces in a slab */
	/* Looks at a batch (lanes 0..n). Lane states when some lane is an error, else NULL. What it
	 * computed is used by update() until the next call. */
	const uint8_t *(*prepare)(void *ctx, const struct weir_frame *const *row, uint32_t n);
	void (*update)(void *ctx, const struct weir_agg_rows *rows);
	void (*merge)(void *ctx, struct weir_slab *slab, void *dst, const void *src);
	void (*release)(void *ctx, struct weir_slab *slab, void *state);
	/* Rows of a result, and building one: NULL, or why it cannot be given. */
	uint32_t (*rows)(void *ctx, const void *state);
	const char *(*build)(void *ctx, const struct weir_window_result *r, uint32_t row,
			     struct weir_builder *b);
	void (*fini)(void *ctx); /* may be NULL */
	/* Before a control other than a watermark passes on: rows of its own. 0 done, 1 no room; may be NULL. */
	int (*closing)(void *ctx, struct weir_node *n);
	/* A state as bytes and back (into a zeroed one); load: 0 or WEIR_E_CORRUPT, the state is then as after
	 * release(). sign: what the bytes mean, as text (engine/core/freeze.h). */
	void (*save)(void *ctx, const void *state, struct weir_out *o);
	int (*load)(void *ctx, struct weir_slab *slab, void *state, struct weir_reader *r);
	void (*sign)(void *ctx, struct weir_buf *b);
	bool part; /* of a global aggregate: questions are for the whole (global.h) */
	bool asked; /* build() also shows a window that is open, for queries (window_query.c) */
	void *ctx;
};

struct weir_window_ask;

/* The two stores. apply: 0 all rows taken, 1 stopped at row *ret_taken for lack of room, <0.
 * fire: emits what is due at op->watermark; 0 done, 1 no room (call again), <0.
 * expire: forgets what is gone at op->watermark.
 * freeze .. restored: engine/core/freeze.h; sign: the name of the window. The store's table entries are tracked by
 * op->track; window_state.c writes and reads the watermark in front of what freeze() and restore() handle. */
struct weir_window_store {
	void (*init)(struct weir_window_op *op, struct weir_region *region);
	void (*fini)(struct weir_window_op *op);
	int (*apply)(struct weir_window_op *op, const struct weir_frame *const *row, uint32_t n,
		     const uint8_t *bad, uint32_t *ret_taken);
	bool (*due)(const struct weir_window_op *op); /* fire() has something after apply() */
	int (*fire)(struct weir_window_op *op);
	void (*expire)(struct weir_window_op *op);
	void (*freeze)(struct weir_window_op *op, struct weir_out *o);
	bool (*encode)(struct weir_window_op *op, size_t budget);
	bool (*touch)(struct weir_window_op *op, bool begin, size_t budget);
	int (*restore)(struct weir_window_op *op, struct weir_restore *r);
	int (*restored)(struct weir_window_op *op);
	int (*query)(struct weir_window_op *op, struct weir_window_ask *a); /* window_query.h */
	const char *sign;
};

extern const struct weir_window_store weir__window_slices;
extern const struct weir_window_store weir__window_session;
extern const struct weir_state_ops weir__window_state;

struct weir_window_op {
	struct weir_node *node;
	const struct weir_mem *mem;
	const struct weir_window_store *store;
	void *state; /* of the store */
	struct weir_window_payload payload;
	struct weir_window_key key;
	struct weir_track track;
	struct weir_slicing slicing;
	const struct weir_schema *in, *out;
	enum weir_on_error policy;
	int late_port, rejects_port;
	bool hashed;
	bool due; /* fire() is under way */
	bool closing; /* the watermark in the input has been taken over */
	uint32_t applied; /* rows from in.pos that are in the state already */
	uint32_t want; /* scratch bytes to ask for per result */
	uint32_t cursor; /* rows of the present result that are out */
	int64_t watermark;
	/* Of the batch at hand: hashes by lane; the others by selected row. */
	uint64_t hash[WEIR_BATCH_ROWS];
	uint16_t lane[WEIR_BATCH_ROWS];
	uint8_t *at[WEIR_BATCH_ROWS];
	struct weir_slab *slab[WEIR_BATCH_ROWS];
};

/* Sets node->cls and op. Takes over the payload (also when it fails). 0 or a code with task->err. */
int weir_window_init(struct weir_node *n, const struct weir_op_env *env,
		     const struct weir_window_spec *spec, const uint16_t *key, uint32_t key_count,
		     const struct weir_window_payload *payload);

/* ---- for the stores ---- */

/* Emits a result from op->cursor on. 0: all rows out (cursor is 0 again), 1: no room, <0. */
int weir_window_emit(struct weir_window_op *op, const void *entry, const void *state, int64_t start,
		     int64_t end);

/* A row that no kept window takes. 0, or 1: no room in the late port. */
int weir_window_late(struct weir_window_op *op, const struct weir_frame *f);

/* A row with a bad argument (lane state), or, with WEIR_LANE_OK, a time out of range. As
 * weir_node_reject(). */
int weir_window_reject(struct weir_window_op *op, const struct weir_frame *f, unsigned lane_state);

#endif
