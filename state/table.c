/* SPDX-License-Identifier: Apache-2.0 */
#include "state/table.h"

#include "base/assert.h"

#define SLOTS_MIN 16u
#define ENTRIES_MIN 8u
#define ENTRIES_MAX (1u << 30)
#define KEEP_MIN 4096u /* entries: clearing keeps tables up to here whatever they held */

/* The slots of an empty table: nothing is ever found here, and the limit of 0 makes the first
 * insert grow before it writes. */
static const struct weir_table_slot no_slots[SLOTS_MIN];

static void slots_none(struct weir_table *t)
{
	t->slot = (struct weir_table_slot *)(uintptr_t)no_slots;
	t->mask = SLOTS_MIN - 1;
	t->shift = 28;
	t->limit = 0;
}

void weir_table_init(struct weir_table *t, const struct weir_mem *keep_mem, uint32_t entry_bytes)
{
	weir_assert(entry_bytes >= 16 && entry_bytes % 8 == 0);
	memset(t, 0, sizeof(*t));
	t->mem = keep_mem;
	t->entry_bytes = entry_bytes;
	slots_none(t);
}

static void slots_free(struct weir_table *t)
{
	if (t->limit)
		t->mem->free(t->mem->ctx, t->slot,
			     ((size_t)t->mask + 1) * sizeof(struct weir_table_slot));
	slots_none(t);
}

static void entries_free(struct weir_table *t)
{
	if (t->cap)
		t->mem->free(t->mem->ctx, t->entry, (size_t)t->cap * t->entry_bytes);
	t->entry = NULL;
	t->cap = 0;
}

void weir_table_fini(struct weir_table *t)
{
	slots_free(t);
	entries_free(t);
	weir_table_init(t, t->mem, t->entry_bytes);
}

void weir_table_clear(struct weir_table *t)
{
	if (t->cap > KEEP_MIN && t->high < t->cap / 16) {
		slots_free(t);
		entries_free(t);
	} else if (t->limit && t->high) {
		memset(t->slot, 0, ((size_t)t->mask + 1) * sizeof(struct weir_table_slot));
	}
	t->count = t->high = t->vacant = 0;
}

static uint32_t slot_vacant(const struct weir_table *t, uint32_t tag)
{
	uint32_t i = tag >> t->shift;

	while (t->slot[i].at)
		i = (i + 1) & t->mask;
	return i;
}

static weir_noinline void slots_grow(struct weir_table *t)
{
	struct weir_table_slot *old = t->slot;
	uint32_t old_slots = t->limit ? t->mask + 1 : 0;
	uint32_t slots = old_slots ? old_slots * 2 : SLOTS_MIN;

	weir_assert(t->count < ENTRIES_MAX);
	t->slot =
		t->mem->alloc(t->mem->ctx, slots * sizeof(struct weir_table_slot), WEIR_CACHELINE);
	t->mask = slots - 1;
	t->shift = 32 - (uint32_t)__builtin_ctz(slots);
	t->limit = slots / 4 * 3;
	for (uint32_t i = 0; i < old_slots; i++) {
		if (old[i].at)
			t->slot[slot_vacant(t, old[i].tag)] = old[i];
	}
	if (old_slots)
		t->mem->free(t->mem->ctx, old, (size_t)old_slots * sizeof(struct weir_table_slot));
}

static weir_noinline void entries_grow(struct weir_table *t)
{
	uint32_t cap = t->cap ? t->cap * 2 : ENTRIES_MIN;
	uint8_t *entry = t->mem->alloc(t->mem->ctx, (size_t)cap * t->entry_bytes, WEIR_CACHELINE);

	if (t->high)
		memcpy(entry, t->entry, (size_t)t->high * t->entry_bytes);
	entries_free(t);
	t->entry = entry;
	t->cap = cap;
}

/* A removed entry holds the next removed number + 1 behind its hash. */
static uint32_t number_take(struct weir_table *t)
{
	uint32_t number;

	if (t->vacant) {
		number = t->vacant - 1;
		memcpy(&t->vacant, (uint8_t *)weir_table_entry(t, number) + 8, 4);
		return number;
	}
	if (t->high == t->cap)
		entries_grow(t);
	return t->high++;
}

uint32_t weir_table_insert(struct weir_table *t, uint64_t hash)
{
	uint32_t tag = weir_table_tag(hash);
	uint32_t number, i;
	uint8_t *e;

	if (weir_unlikely(t->count == t->limit))
		slots_grow(t);
	number = number_take(t);
	i = slot_vacant(t, tag);
	t->slot[i] = (struct weir_table_slot){.tag = tag, .at = number + 1};
	t->count++;
	e = weir_table_entry(t, number);
	memcpy(e, &hash, 8);
	memset(e + 8, 0, t->entry_bytes - 8);
	return number;
}

void weir_table_remove(struct weir_table *t, uint32_t number)
{
	uint32_t hole = weir_table_tag(weir_table_hash(t, number)) >> t->shift;
	uint32_t i;

	while (t->slot[hole].at != number + 1) {
		weir_assert(t->slot[hole].at);
		hole = (hole + 1) & t->mask;
	}
	/* Close the gap: move each follower back that may stand in the hole (Knuth, TAOCP vol. 3, 6.4, algorithm R). */
	for (i = (hole + 1) & t->mask; t->slot[i].at; i = (i + 1) & t->mask) {
		uint32_t home = t->slot[i].tag >> t->shift;

		if (((i - home) & t->mask) >= ((i - hole) & t->mask)) {
			t->slot[hole] = t->slot[i];
			hole = i;
		}
	}
	t->slot[hole] = (struct weir_table_slot){0};
	memcpy((uint8_t *)weir_table_entry(t, number) + 8, &t->vacant, 4);
	t->vacant = number + 1;
	t->count--;
}

void weir_table_by_group(const struct weir_table *t, uint32_t ret_start[WEIR_TABLE_GROUPS + 1],
			 uint32_t *ret_entry)
{
	uint32_t sum = 0;

	memset(ret_start, 0, (WEIR_TABLE_GROUPS + 1) * sizeof(uint32_t));
	for (uint32_t i = 0; i <= t->mask; i++) {
		if (t->slot[i].at)
			ret_start[weir_table_hash(t, t->slot[i].at - 1) >> 52]++;
	}
	for (uint32_t g = 0; g <= WEIR_TABLE_GROUPS; g++) {
		uint32_t n = ret_start[g];

		ret_start[g] = sum;
		sum += n;
	}
	/* Each start serves as the write position, ends up at the next start, and is moved back. */
	for (uint32_t i = 0; i <= t->mask; i++) {
		if (t->slot[i].at) {
			uint32_t number = t->slot[i].at - 1;

			ret_entry[ret_start[weir_table_hash(t, number) >> 52]++] = number;
		}
	}
	memmove(ret_start + 1, ret_start, WEIR_TABLE_GROUPS * sizeof(uint32_t));
	ret_start[0] = 0;
}
