/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/oper_int.h - the node of a custom operator: shared by oper.c (calls and output), oper_keys.c (state per key
 * and timers) and oper_state.c (bundles).
 */
#ifndef WEIR_ENGINE_CORE_OPER_INT_H
#define WEIR_ENGINE_CORE_OPER_INT_H

#include "base/buf.h"
#include "engine/core/oper.h"
#include "engine/core/track.h"
#include "state/slab.h"

struct timer {
	int64_t time_ns;
	uint32_t entry;
	uint32_t generation; /* of the key's entry; another one: the key was dropped */
	struct pending *pending; /* with epochs, as long as the key lives */
};

/* With epochs: a timer in the list of its key, so that the key can be written without a look at the heap. */
struct pending {
	struct pending *next, *prev;
	int64_t time_ns;
};

struct weir_writer {
	struct weir_context *context;
	struct weir_port *port;
	struct weir_builder b;
	const struct weir_schema *schema;
	uint32_t record_max;
	bool begun;
	bool in_timer;
	bool same; /* the output has the schema of the input: records may be passed on */
};

struct weir_context {
	struct weir_node *node;
	const struct weir_operator *op;
	const struct weir_schema *in;
	void *self;
	struct weir_window_key key;
	const struct weir_step *step;
	struct weir_track track;
	struct weir_tracked
		keys; /* entry: key, generation (8 bytes), state; with epochs: pending */
	struct weir_slab slab;
	uint32_t state_at, pending_at;
	uint32_t touch; /* key the base round has come to */
	uint32_t timer_bytes; /* scratch memory that must be free before a timer fires */
	struct timer *heap; /* binary heap by (time, generation, entry) */
	uint32_t timers, timer_cap, generation;
	int64_t watermark; /* that timers have been fired for */
	struct weir_writer writer;
};

weir_inline uint8_t *weir_oper_entry_state(const struct weir_context *c, uint32_t at)
{
	return (uint8_t *)weir_table_entry(&c->keys.table, at) + c->state_at;
}

/* 0: the entry is vacant. */
weir_inline uint64_t weir_oper_generation(const struct weir_context *c, uint32_t at)
{
	uint64_t g;

	memcpy(&g, weir_oper_entry_state(c, at) - 8, 8);
	return g;
}

/* Timers of a key, with epochs only. The pointer is void when a key is added. */
weir_inline struct pending **weir_oper_pending(const struct weir_context *c, uint32_t at)
{
	return (struct pending **)(void *)((uint8_t *)weir_table_entry(&c->keys.table, at) +
					   c->pending_at);
}

/* oper_keys.c; the first four are functions of struct weir_host. */
void *weir_oper_state(struct weir_context *c, const struct weir_record *r, int *ret_new);
void weir_oper_state_drop(struct weir_context *c, const struct weir_record *r);
void weir_oper_set_timer(struct weir_context *c, const struct weir_record *r, int64_t time_ns);
int64_t weir_oper_watermark(struct weir_context *c);
void weir_oper_keys_init(struct weir_context *c, bool epochs);
void weir_oper_drop(struct weir_context *c, uint32_t at);
/* Gives the key's list of timers back; those in the heap are void. */
void weir_oper_pending_free(struct weir_context *c, uint32_t at);
/* Into the heap only. */
void weir_oper_timer_add(struct weir_context *c, const struct timer *t);
/* Takes the first timer, and what is the same. true: its key lives, and counts as changed. */
bool weir_oper_timer_take(struct weir_context *c);

/* oper_state.c */
extern const struct weir_state_ops weir__oper_state;
void weir_oper_save(void *ctx, const struct weir_tracked *t, uint32_t number, struct weir_out *o);

#endif
