/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/global_int.h - the merging step of a global aggregate: what its files share.
 *
 *   global_merge.c        records and controls
 *   global_windows.c      which windows are live, whom they wait for
 *   global_fire.c         which results are given, in which order
 *   global_result.c       one result: folding the regions' accumulators, its fields
 *   global_merge_state.c  bundles
 *   global_query.c        questions: the results as they would be now
 *
 *   entry:  | hash | key of the record: text | told u64 | struct global_part, one for each member | mark |
 */
#ifndef WEIR_ENGINE_CORE_GLOBAL_INT_H
#define WEIR_ENGINE_CORE_GLOBAL_INT_H

#include "base/hooks.h"
#include "engine/core/agg_fn.h"
#include "engine/core/global.h"
#include "engine/core/query.h"
#include "engine/core/track.h"
#include "engine/core/window_assign.h"

/* A user's key: what struct weir_window_key may take at most. */
#define GLOBAL_KEY_WORDS (2 + WEIR_KEYS_MAX * sizeof(struct weir_str) / sizeof(uint64_t))

/* Newest accumulators of one region, as bytes. */
struct global_part {
	int64_t version; /* 0: none yet */
	struct weir_agg_text body;
};

/* One window. */
struct global_window {
	int64_t start;
	int64_t due_ns; /* next provisional result, wall clock; 0: the clock was not looked at yet */
	struct weir_tracked keys;
	struct weir_slab slab;
	struct global_window *next; /* in the free list */
	struct global_window *next_frozen;
	bool frozen, leaving; /* waits to be encoded; is no longer live */
};

struct global_member {
	const char *name;
	int64_t id;
	int64_t version; /* of its newest MARK */
	int64_t mark; /* its watermark */
	struct weir_global_counts counts;
};

enum global_firing { GLOBAL_REST = 0, GLOBAL_FINAL, GLOBAL_PROVISIONAL };

struct global_merge {
	struct weir_node *node;
	const struct weir_mem *mem;
	const struct weir_schema *out;
	struct weir_slicing slicing;
	int64_t provisional_ns;
	enum weir_on_error policy;
	int rejects_port;
	struct weir_window_key key; /* of an entry: the record's key field */
	struct weir_track track;
	uint32_t member_count, here; /* here: index of this region, or member_count */
	struct global_member *member;
	/* Windows before are done: what the regions' marks allow. Never goes back. */
	int64_t passed;
	struct global_window **live; /* by start */
	uint32_t live_count, live_cap;
	struct global_window *spare, *frozen;
	/* Results under way: window live[at], its entries in the order of their keys. */
	enum global_firing firing;
	uint32_t taken; /* rows from in.pos that are in the state already: 0 or 1 */
	bool looked; /* provisional results for the barrier at hand are out */
	uint32_t at;
	uint32_t *order, order_count, order_cap, order_at;
	int64_t now_ns;
	/* The base round has come to this window and entry. */
	int64_t touch_start;
	uint32_t touch_entry;
	/* global_result.c */
	uint32_t want; /* bytes to ask for per result */
	uint32_t agg_count, bytes;
	struct weir_agg *agg;
	const struct weir_agg_spec *spec;
	struct weir_window_key user_key;
	struct weir_slab fold_slab;
	uint8_t *sum, *other; /* groups of accumulators */
};

weir_inline uint64_t *global_told(const struct global_merge *m, void *entry)
{
	return (uint64_t *)(void *)((uint8_t *)entry + m->key.bytes);
}

weir_inline struct global_part *global_parts(const struct global_merge *m, void *entry)
{
	return (struct global_part *)(void *)((uint8_t *)entry + m->key.bytes + 8);
}

weir_inline int64_t global_end(const struct global_merge *m, const struct global_window *w)
{
	return w->start + m->slicing.size;
}

/* The watermark from which on a region adds nothing more to the window. */
weir_inline int64_t global_horizon(const struct global_merge *m, int64_t start)
{
	return start + m->slicing.size - 1 + m->slicing.lateness;
}

/* Members whose watermark is past the window. */
uint32_t weir__global_mask(const struct global_merge *m, const struct global_window *w);
/* The first live window from this start on: an index of live[]. */
uint32_t weir__global_from(const struct global_merge *m, int64_t start);
/* The live window, made when it is missing. */
struct global_window *weir__global_window(struct global_merge *m, int64_t start);
/* The first live window goes. */
void weir__global_drop_first(struct global_merge *m);
/* Live windows that are done at m->passed go. */
void weir__global_drop(struct global_merge *m);
void weir__global_recycle(struct global_merge *m, struct global_window *w);
int weir__global_index(const struct global_merge *m, int64_t id); /* of a member, or -1 */
/* Is this the start of a window with times in range? */
bool weir__global_start_fine(const struct global_merge *m, int64_t start);

/* global_fire.c: what m->firing says. 0: all is out, and it is at rest; 1: no room, <0. */
int weir__global_fire(struct global_merge *m);

/* global_result.c */
int weir__global_result_init(struct global_merge *m, const struct weir_op_env *env);
void weir__global_result_fini(struct global_merge *m);
/* Grows whenever the result would be another one; the same in all regions for the same parts and mask. */
uint64_t weir__global_out_ver(const struct global_merge *m, const void *entry, uint32_t mask);
/* Emits the result of an entry. 0, 1: no room, <0. */
int weir__global_emit(struct global_merge *m, const struct global_window *w, const void *entry,
		      uint32_t mask, bool final);

/* The steps of that: each gives NULL, or what is wrong. Texts of the key and the fold are in fold_slab until it is reset;
 * the fold is in m->sum. */
const char *weir__global_user_key(struct global_merge *m, const void *entry,
				  uint64_t ret[GLOBAL_KEY_WORDS]);
const char *weir__global_fold(struct global_merge *m, const void *entry);
const char *weir__global_build(struct global_merge *m, const struct global_window *w,
			       const void *entry, const uint64_t *user_key, uint32_t mask,
			       bool final, struct weir_builder *b);

/* global_query.c */
int weir__global_query(struct weir_node *n, const struct weir_query *q, struct weir_query_out *out);

extern const struct weir_state_ops weir__global_merge_state;
void weir__global_save(void *ctx, const struct weir_tracked *t, uint32_t number,
		       struct weir_out *o);

#endif
