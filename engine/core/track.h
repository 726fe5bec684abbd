/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/track.h - tables of keyed state that go into bundles: which entries changed, and their records.
 *
 *   entry:   | hash | key | the operator's own ... | weir_track_mark |
 *   record:  | length u32 | hash u64 | what save() writes: the key and the whole value |
 *   gone:    | length u32 | hash u64 | the key |
 *
 * Use:    one weir_track per node, a weir_tracked per table. weir_track_change() before an entry changes or right
 *         behind its insertion, weir_track_forget() before one is removed (while it still holds its value).
 *         At the barrier weir_track_freeze() and weir_tracked_freeze() for each table, then
 *         weir_tracked_encode() until it is true for all of them, then weir_track_done().
 * Gone:   keys that were removed are written when it happens and come first in the part: a key that was removed and
 *         made again in one epoch is there when the part has been read. What no part can hold is not told.
 * Off:    without epochs entries have no mark, and nothing but init and fini is called.
 * Memory: lists from node->task->mem; records from the memory of the node's part.
 * Thread: the node's. Pure.
 */
#ifndef WEIR_ENGINE_CORE_TRACK_H
#define WEIR_ENGINE_CORE_TRACK_H

#include "base/bytes.h"
#include "engine/core/freeze.h"
#include "engine/core/window_key.h"
#include "state/dirty.h"
#include "state/table.h"

struct weir_track_mark {
	uint32_t mark; /* state/dirty.h */
	uint32_t known; /* 1: a part may hold the entry. Both are 0 for an entry that is gone. */
};

struct weir_tracked {
	struct weir_table table;
	struct weir_dirty dirty;
};

struct weir_track {
	struct weir_node *node;
	const struct weir_window_key *key;
	bool on; /* there are epochs */
	uint32_t mark_at; /* of an entry */
	struct weir_out *part; /* from freeze() until all that was frozen is written, else NULL */
	struct weir_out gone; /* keys removed in the open epoch */
	uint64_t saved, saved_bytes; /* records written so far: what one takes */
	void (*save)(void *ctx, const struct weir_tracked *t, uint32_t number, struct weir_out *o);
	void *ctx;
};

/* entry_bytes: without the mark, a multiple of 8. ctx is handed to save(). */
void weir_track_init(struct weir_track *tr, struct weir_node *n, bool on,
		     const struct weir_window_key *keep_key, uint32_t entry_bytes,
		     void (*save)(void *, const struct weir_tracked *, uint32_t, struct weir_out *),
		     void *ctx);
void weir_track_fini(struct weir_track *tr);

void weir_tracked_init(const struct weir_track *tr, struct weir_tracked *t);
void weir_tracked_fini(struct weir_tracked *t);
/* Forgets all entries; nothing is told about them. */
void weir_tracked_clear(struct weir_tracked *t);

weir_inline struct weir_track_mark *weir_track_mark(const struct weir_track *tr,
						    const struct weir_tracked *t, uint32_t number)
{
	return (struct weir_track_mark *)(void *)((uint8_t *)weir_table_entry(&t->table, number) +
						  tr->mark_at);
}

weir_inline bool weir_track_alive(const struct weir_track *tr, const struct weir_tracked *t,
				  uint32_t number)
{
	const struct weir_track_mark *m = weir_track_mark(tr, t, number);

	return m->mark || m->known;
}

void weir_track__change(struct weir_track *tr, struct weir_tracked *t, uint32_t number);

/* For a caller that has the entry at hand: mark is where it is, tr->mark_at in the entry. */
weir_inline void weir_track_change_at(struct weir_track *tr, struct weir_tracked *t,
				      uint32_t number, const void *mark)
{
	if (weir_dirty_is_new(&t->dirty, ((const struct weir_track_mark *)mark)->mark))
		weir_track__change(tr, t, number);
}

/* Pointers into entries stay valid. */
weir_inline void weir_track_change(struct weir_track *tr, struct weir_tracked *t, uint32_t number)
{
	weir_track_change_at(tr, t, number, weir_track_mark(tr, t, number));
}

/* Before the caller removes the entry. */
void weir_track_forget(struct weir_track *tr, struct weir_tracked *t, uint32_t number);

/* ---- parts ---- */

/* Behind the head: | bytes of what is gone, varint | gone ... |. Later records go to o too. */
void weir_track_freeze(struct weir_track *tr, struct weir_out *o);
/* true: some entry waits for weir_tracked_encode(). */
bool weir_tracked_freeze(struct weir_tracked *t);
/* Writes records until *left bytes are used up. true: the table's are all written. */
bool weir_tracked_encode(struct weir_track *tr, struct weir_tracked *t, size_t *left);
/* All tables are encoded: the part is complete. */
void weir_track_done(struct weir_track *tr);
/* Entries from number *at on count as changed, worth *left bytes; *at is where to go on. true: all are through. */
bool weir_tracked_touch(struct weir_track *tr, struct weir_tracked *t, uint32_t *at, size_t *left);

/* ---- restore ---- */

/* The next record. false: it is damaged. */
bool weir_track_read(struct weir_reader *in, struct weir_reader *ret_record, uint64_t *ret_hash);
/* Is an entry for this task? Without keys each task keeps its own. */
bool weir_track_mine(const struct weir_track *tr, const struct weir_restore *r, uint64_t hash);
/* The entry of the key in a record: found, or made. It is clean. 0, or WEIR_E_CORRUPT. */
int weir_track_take(struct weir_track *tr, struct weir_tracked *t, struct weir_slab *slab,
		    struct weir_reader *record, uint64_t hash, uint32_t *ret_number, bool *ret_new);
/* What a part says is gone; remove() drops an entry with all it holds. 0, or WEIR_E_CORRUPT. */
int weir_track_read_gone(struct weir_track *tr, struct weir_tracked *t, struct weir_slab *slab,
			 struct weir_restore *r, void (*remove)(void *ctx, uint32_t number));
/* Sets the error of the task and gives its code. */
int weir_track_corrupt(const struct weir_track *tr, const char *what);

#endif
