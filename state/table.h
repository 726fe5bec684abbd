/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state/table.h - hash table of fixed-size entries, keyed by a 64-bit hash and the caller's equality.
 *
 *   slots (8 bytes, open addressing, linear)        entries (dense, in order of insertion)
 *   | tag 32 bit | entry number + 1 |    ──▶        | hash | what the caller keeps ... |
 *
 * Use:    weir_table_find(), and weir_table_insert() when there is nothing. An entry starts with its hash;
 *         new entries are zeroed behind it. Numbers stay, pointers move when the table grows.
 * Order:  entries are walked by number: without removals that is the order of insertion, the same
 *         for the same input. Slots are ordered by the hash bits below the key group (top 12 bits),
 *         because a task owns some of the groups only, and the top bits would all fall into a
 *         part of the table. weir_table_by_group() lists the entries of each group.
 * Memory: grows by doubling, at 3/4 of the slots. An empty table has no memory. Clearing keeps it,
 *         unless it is far too large for what it held.
 * Limits: 2^30 entries.
 * Thread: one table, one thread. Pure.
 */
#ifndef WEIR_STATE_TABLE_H
#define WEIR_STATE_TABLE_H

#include "base/mem.h"

#define WEIR_TABLE_NONE UINT32_MAX
#define WEIR_TABLE_GROUPS 4096u

struct weir_table_slot {
	uint32_t tag;
	uint32_t at; /* entry number + 1; 0: empty */
};

struct weir_table {
	const struct weir_mem *mem; /* keeps */
	struct weir_table_slot *slot;
	uint8_t *entry;
	uint32_t entry_bytes;
	uint32_t shift; /* 32 - log2(number of slots) */
	uint32_t mask; /* number of slots - 1 */
	uint32_t limit; /* entries before the slots must grow */
	uint32_t count; /* entries alive */
	uint32_t high; /* numbers given out so far: [0, high) */
	uint32_t cap; /* numbers there is memory for */
	uint32_t vacant; /* list of removed numbers, + 1 */
};

/* entry_bytes: at least 16 and a multiple of 8, the hash included. */
void weir_table_init(struct weir_table *t, const struct weir_mem *keep_mem, uint32_t entry_bytes);
void weir_table_fini(struct weir_table *t);
void weir_table_clear(struct weir_table *t);

weir_inline uint32_t weir_table_tag(uint64_t hash)
{
	return (uint32_t)(hash >> 20);
}

weir_inline void *weir_table_entry(const struct weir_table *t, uint32_t number)
{
	return t->entry + (size_t)number * t->entry_bytes;
}

weir_inline uint64_t weir_table_hash(const struct weir_table *t, uint32_t number)
{
	uint64_t h;

	memcpy(&h, weir_table_entry(t, number), 8);
	return h;
}

/* Equality of an entry (its hash is compared already) and the key that is looked for. */
typedef bool (*weir_table_eq)(const void *entry, const void *key, const void *ctx);

/* Number of the entry or WEIR_TABLE_NONE. eq is inlined when it is a constant. */
weir_inline uint32_t weir_table_find(const struct weir_table *t, uint64_t hash, weir_table_eq eq,
				     const void *key, const void *ctx)
{
	uint32_t tag = weir_table_tag(hash);
	uint32_t i = tag >> t->shift;

	for (;; i = (i + 1) & t->mask) {
		struct weir_table_slot s = t->slot[i];

		if (weir_unlikely(s.at == 0))
			return WEIR_TABLE_NONE;
		if (weir_likely(s.tag == tag)) {
			const void *e = weir_table_entry(t, s.at - 1);
			uint64_t h;

			memcpy(&h, e, 8);
			if (weir_likely(h == hash && eq(e, key, ctx)))
				return s.at - 1;
		}
	}
}

/* Two steps ahead of a find: the slot, then the entry it points to. */
weir_inline void weir_table_prefetch_slot(const struct weir_table *t, uint64_t hash)
{
	__builtin_prefetch(&t->slot[weir_table_tag(hash) >> t->shift]);
}

weir_inline void weir_table_prefetch_entry(const struct weir_table *t, uint64_t hash)
{
	uint32_t at = t->slot[weir_table_tag(hash) >> t->shift].at;

	if (at)
		__builtin_prefetch(weir_table_entry(t, at - 1), 1);
}

/* Adds an entry that is not there yet. Pointers to entries are void afterwards. */
uint32_t weir_table_insert(struct weir_table *t, uint64_t hash);

/* The number may be given out again by a later insert. */
void weir_table_remove(struct weir_table *t, uint32_t number);

/* All live entries sorted by key group: ret_entry[count] holds numbers, group g is
 * [ret_start[g], ret_start[g + 1]); within a group in the order of the slots. */
void weir_table_by_group(const struct weir_table *t, uint32_t ret_start[WEIR_TABLE_GROUPS + 1],
			 uint32_t *ret_entry);

weir_inline size_t weir_table_bytes(const struct weir_table *t)
{
	return (size_t)t->cap * t->entry_bytes +
	       (t->limit ? ((size_t)t->mask + 1) * sizeof(struct weir_table_slot) : 0);
}

#endif
