/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state/dirty.h - which entries of a table changed in this epoch: lists that are swapped at the barrier.
 *
 *            mark == now       in `changed`, for the epoch that is open
 *            mark == now - 1   in `frozen`: belongs to the epoch that is being encoded. Before such an entry
 *                              changes or goes away, it must be encoded (weir_dirty_early())
 *            anything else     clean
 *
 * Use:    each entry holds a 32-bit mark of its own (zeroed for a new entry, and set to 0 when one is removed).
 *         On every change:        if (weir_dirty_is_new(d, *mark)) {
 *                                         if (weir_dirty_early(d, *mark)) encode the entry as it is;
 *                                         weir_dirty_add(d, number, mark);
 *                                 }
 *                                 change the entry
 *         At the barrier:         weir_dirty_freeze(d)         pointer swap, no work per entry
 *         Later, in pieces:       while (weir_dirty_next(d, &number)) if (mark == d->now - 1) encode, mark = 0;
 *         A number may come twice or stand for an entry that is gone: the mark decides.
 * Rules:  freeze() again only when next() has given all.
 * Thread: one thread. Pure.
 */
#ifndef WEIR_STATE_DIRTY_H
#define WEIR_STATE_DIRTY_H

#include "base/assert.h"
#include "base/hooks.h"
#include "base/mem.h"

struct weir_dirty {
	const struct weir_mem *mem; /* keeps */
	uint32_t now; /* from 2, grows by 1 at each freeze */
	uint32_t changed_count, changed_cap;
	uint32_t frozen_count, frozen_cap, frozen_at;
	uint32_t *changed, *frozen; /* entry numbers */
};

void weir_dirty_init(struct weir_dirty *d, const struct weir_mem *keep_mem);
void weir_dirty_fini(struct weir_dirty *d);
/* Forgets both lists (the table was cleared); `now` goes on. */
void weir_dirty_clear(struct weir_dirty *d);
void weir_dirty__grow(struct weir_dirty *d);

weir_inline bool weir_dirty_is_new(const struct weir_dirty *d, uint32_t mark)
{
	return mark != d->now;
}

weir_inline bool weir_dirty_early(const struct weir_dirty *d, uint32_t mark)
{
	return mark == d->now - 1 && !weir_planted(NO_COPY_ON_WRITE);
}

weir_inline void weir_dirty_add(struct weir_dirty *d, uint32_t number, uint32_t *mark)
{
	if (weir_planted(LOSE_TOUCHED) && *mark == d->now - 1)
		return;
	if (weir_unlikely(d->changed_count == d->changed_cap))
		weir_dirty__grow(d);
	d->changed[d->changed_count++] = number;
	*mark = d->now;
}

weir_inline void weir_dirty_freeze(struct weir_dirty *d)
{
	uint32_t *list = d->frozen, cap = d->frozen_cap;

	weir_assert(d->frozen_at == d->frozen_count);
	d->frozen = d->changed;
	d->frozen_count = d->changed_count;
	d->frozen_cap = d->changed_cap;
	d->frozen_at = 0;
	d->changed = list;
	d->changed_cap = cap;
	d->changed_count = 0;
	d->now++;
}

weir_inline bool weir_dirty_next(struct weir_dirty *d, uint32_t *ret_number)
{
	if (d->frozen_at == d->frozen_count)
		return false;
	*ret_number = d->frozen[d->frozen_at++];
	return true;
}

weir_inline bool weir_dirty_encoded(const struct weir_dirty *d)
{
	return d->frozen_at == d->frozen_count;
}

#endif
