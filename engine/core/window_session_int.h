/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/window_session_int.h - keys with their sessions: shared by window_session.c (rows and results) and
 * window_session_state.c (bundles).
 */
#ifndef WEIR_ENGINE_CORE_WINDOW_SESSION_INT_H
#define WEIR_ENGINE_CORE_WINDOW_SESSION_INT_H

#include "engine/core/window.h"

struct session {
	struct session *next; /* older one of the same key */
	int64_t first, last; /* event times */
	uint64_t born; /* number, decides between equal ends */
	uint32_t key; /* entry in the table */
	bool in_fire, in_gone; /* has a place in the heap */
	bool dead; /* freed when it has left the heaps */
	/* The state follows. */
};

struct alarm {
	int64_t at;
	struct session *session;
};

struct alarms {
	struct alarm *heap;
	uint32_t count, cap;
};

struct sessions {
	struct weir_tracked keys; /* key, then the newest session */
	struct weir_slab slab;
	struct alarms fire, gone;
	uint64_t born;
	uint32_t flushed, selected; /* rows of the batch: added to their states, and selected */
	uint32_t touch; /* key the base round has come to */
};

weir_inline uint8_t *weir_session_state(struct session *s)
{
	return (uint8_t *)(s + 1);
}

weir_inline size_t weir_session_bytes(const struct weir_window_op *op)
{
	return sizeof(struct session) + op->payload.bytes;
}

weir_inline struct session **weir_session_list(const struct weir_window_op *op, uint32_t key)
{
	const struct sessions *d = (const struct sessions *)op->state;

	return (struct session **)(void *)((uint8_t *)weir_table_entry(&d->keys.table, key) +
					   op->key.bytes);
}

weir_inline int64_t weir_session_end(const struct weir_window_op *op, const struct session *s)
{
	return s->last + op->slicing.size;
}

/* A place in a heap; the caller sets in_fire or in_gone. */
void weir_session_alarm(struct weir_window_op *op, struct alarms *h, int64_t at, struct session *s);

/* window_session_state.c */
void weir_session_save(void *ctx, const struct weir_tracked *t, uint32_t number,
		       struct weir_out *o);
void weir_sessions_freeze(struct weir_window_op *op, struct weir_out *o);
bool weir_sessions_encode(struct weir_window_op *op, size_t budget);
bool weir_sessions_touch(struct weir_window_op *op, bool begin, size_t budget);
int weir_sessions_restore(struct weir_window_op *op, struct weir_restore *r);
int weir_sessions_restored(struct weir_window_op *op);

/* window_session_query.c */
int weir_sessions_query(struct weir_window_op *op, struct weir_window_ask *a);

#endif
