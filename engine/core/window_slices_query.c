/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open windows of slices: a window is put together from its slices for one key at a time, in memory of the piece. In a list
 * a key and window come with the first of the window's slices that has the key.
 */
#include "engine/core/window_key_text.h"
#include "engine/core/window_query.h"
#include "engine/core/window_slices_int.h"

static uint32_t find(const struct weir_window_op *op, const struct slice *s, const void *key,
		     uint64_t hash)
{
	return weir_table_find(&s->keys.table, hash, weir_window_key_is_entry, key, &op->key);
}

/* The key in this window, of which slice i (entry e) is the first that has it. */
static bool show(struct weir_window_op *op, struct weir_window_ask *a, uint32_t i, uint32_t e,
		 int64_t window)
{
	struct slices *d = op->state;
	const void *entry = weir_table_entry(&d->live[i]->keys.table, e);
	const uint8_t *state = weir_slices_entry_state(op, &d->live[i]->keys.table, e);
	uint64_t hash = weir_table_hash(&d->live[i]->keys.table, e);
	int64_t start = weir_window_start(&op->slicing, window);
	uint8_t *merged = NULL;
	bool in;

	for (i++; i < d->live_count && weir_slice_in_window(d->live[i], window); i++) {
		e = find(op, d->live[i], entry, hash);
		if (e == WEIR_TABLE_NONE)
			continue;
		if (!merged) {
			merged = weir_slab_alloc(&a->slab, op->payload.bytes);
			memset(merged, 0, op->payload.bytes);
			op->payload.merge(op->payload.ctx, &a->slab, merged, state);
		}
		op->payload.merge(op->payload.ctx, &a->slab, merged,
				  weir_slices_entry_state(op, &d->live[i]->keys.table, e));
	}
	in = weir_window_ask_row(op, a, entry, merged ? merged : state, start,
				 start + op->slicing.size);
	if (merged) {
		op->payload.release(op->payload.ctx, &a->slab, merged);
		weir_slab_free(&a->slab, merged, op->payload.bytes);
	}
	return in;
}

static uint32_t slices_of(const struct weir_window_op *op)
{
	return (uint32_t)WEIR_MIN(op->slicing.per_window, (int64_t)WEIR_QUERY_WORK);
}

static int get(struct weir_window_op *op, struct weir_window_ask *a)
{
	struct slices *d = op->state;
	int64_t window = WEIR_MAX(weir_query_value(a->q->at.n[0]), d->open);
	uint32_t i = weir_slices_from(d, window), e;

	for (; i < d->live_count; i++) {
		const struct slice *s = d->live[i];

		window = WEIR_MAX(window, s->window_first);
		a->out->at.n[0] = weir_query_place(window);
		if (!weir_query_room(a->out, 1))
			return 1;
		e = find(op, s, a->key, a->hash);
		if (e == WEIR_TABLE_NONE)
			continue;
		/* Later windows of this slice have no earlier one with the key either. */
		for (; window <= s->window_last; window++) {
			a->out->at.n[0] = weir_query_place(window);
			if (!weir_query_room(a->out, slices_of(op)) || !show(op, a, i, e, window))
				return 1;
		}
	}
	return 0;
}

/* Some slice before i has the key, and is in the window. */
static bool shown_before(const struct weir_window_op *op, uint32_t i, const void *entry,
			 uint64_t hash, int64_t window)
{
	const struct slices *d = op->state;

	while (i-- > 0 && weir_slice_in_window(d->live[i], window))
		if (find(op, d->live[i], entry, hash) != WEIR_TABLE_NONE)
			return true;
	return false;
}

/* One key of a slice, from this window on. false: no room, *window is where to go on. */
static bool list_entry(struct weir_window_op *op, struct weir_window_ask *a, uint32_t i, uint32_t e,
		       int64_t *window)
{
	const struct slices *d = op->state;
	const struct slice *s = d->live[i];
	const void *entry = weir_table_entry(&s->keys.table, e);
	uint64_t hash = weir_table_hash(&s->keys.table, e);

	*window = WEIR_MAX(*window, WEIR_MAX(d->open, s->window_first));
	for (; *window <= s->window_last; ++*window) {
		if (!weir_query_room(a->out, slices_of(op)))
			return false;
		if (!shown_before(op, i, entry, hash, *window) && !show(op, a, i, e, *window))
			return false;
	}
	return true;
}

static int list(struct weir_window_op *op, struct weir_window_ask *a)
{
	const struct slices *d = op->state;
	int64_t number = weir_query_value(a->q->at.n[0]), window = weir_query_value(a->q->at.n[2]);
	uint64_t e = a->q->at.n[1];

	for (uint32_t i = weir_slices_from(d, d->open); i < d->live_count; i++) {
		const struct slice *s = d->live[i];

		if (s->number < number)
			continue;
		if (s->number > number) {
			e = 0;
			window = INT64_MIN;
		}
		for (; e < s->keys.table.high; e++, window = INT64_MIN) {
			bool fits = weir_query_room(a->out, 1);

			if (fits && weir_window_key_begins(
					    &op->key, weir_table_entry(&s->keys.table, (uint32_t)e),
					    a->q->prefix))
				fits = list_entry(op, a, i, (uint32_t)e, &window);
			if (!fits) {
				a->out->at = (struct weir_query_at){
					{weir_query_place(s->number), e, weir_query_place(window)}};
				return 1;
			}
		}
	}
	return 0;
}

int weir_slices_query(struct weir_window_op *op, struct weir_window_ask *a)
{
	return a->key ? get(op, a) : list(op, a);
}
