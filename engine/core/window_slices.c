/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tumbling and sliding windows: a table of keys per slice. A record is added to one slice; a window that
 * fires is merged from its slices, or is its slice when it has only one.
 */
#include "engine/core/window_slices_int.h"

#include "base/assert.h"

#define PREFETCH_ENTRIES 8192u /* smaller tables are in the cache anyway */

static uint8_t *entry_state(const struct weir_window_op *op, const struct weir_table *t,
			    uint32_t number)
{
	return weir_slices_entry_state(op, t, number);
}

/* ---- slices ---- */

/* First live slice for which start > t. */
uint32_t weir_slices_after(const struct slices *d, int64_t t)
{
	uint32_t low = 0, high = d->live_count;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (d->live[mid]->start > t)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

struct slice *weir_slices_new(struct weir_window_op *op, int64_t number, uint32_t at)
{
	struct slices *d = op->state;
	struct slice *s = d->spare;

	if (s) {
		d->spare = s->next;
	} else {
		s = op->mem->alloc(op->mem->ctx, sizeof(*s), WEIR_CACHELINE);
		weir_tracked_init(&op->track, &s->keys);
		weir_slab_init(&s->slab, op->mem);
	}
	s->number = number;
	s->start = weir_slice_start(&op->slicing, number);
	s->window_first = weir_slice_window_first(&op->slicing, number);
	s->window_last = weir_slice_window_last(&op->slicing, number);
	if (d->live_count == d->live_cap) {
		uint32_t cap = d->live_cap ? d->live_cap * 2 : 64;
		struct slice **live = op->mem->alloc(op->mem->ctx, cap * sizeof(*live), 8);

		if (d->live_cap) {
			memcpy(live, d->live, d->live_count * sizeof(*live));
			op->mem->free(op->mem->ctx, d->live, d->live_cap * sizeof(*live));
		}
		d->live = live;
		d->live_cap = cap;
	}
	memmove(d->live + at + 1, d->live + at, (d->live_count - at) * sizeof(*d->live));
	d->live[at] = s;
	d->live_count++;
	return s;
}

enum where { WHERE_SLICE, WHERE_LATE, WHERE_GAP, WHERE_OUT_OF_RANGE };

/* Makes the slice of time t the present one. */
static weir_noinline enum where slice_go(struct weir_window_op *op, int64_t t)
{
	struct slices *d = op->state;
	uint32_t after;
	struct slice *s;

	if (!weir_slicing_in_range(&op->slicing, t))
		return WHERE_OUT_OF_RANGE;
	after = weir_slices_after(d, t);
	if (after && t - d->live[after - 1]->start < op->slicing.slice) {
		s = d->live[after - 1];
	} else {
		int64_t number = weir_slice_of(&op->slicing, t);
		int64_t last = weir_slice_window_last(&op->slicing, number);

		if (weir_slice_window_first(&op->slicing, number) > last)
			return WHERE_GAP;
		if (last < d->kept)
			return WHERE_LATE;
		s = weir_slices_new(op, number, after);
	}
	d->now = s;
	d->low = s->start;
	d->high = s->start + op->slicing.slice;
	return WHERE_SLICE;
}

/* ---- rows ---- */

/* Sorts out late and failing rows; the rest is selected with its slice. */
static int rows_select(struct weir_window_op *op, const struct weir_frame *const *row, uint32_t n,
		       const uint8_t *bad, uint32_t *ret_taken, uint32_t *ret_selected)
{
	struct slices *d = op->state;
	uint32_t i, m = 0;
	int r = 0;

	for (i = 0; i < n; i++) {
		int64_t t = row[i]->time_ns;

		if (weir_unlikely(t < d->low || t >= d->high)) {
			switch (slice_go(op, t)) {
			case WHERE_SLICE:
				break;
			case WHERE_GAP:
				continue;
			case WHERE_LATE:
				r = weir_window_late(op, row[i]);
				break;
			case WHERE_OUT_OF_RANGE:
				r = weir_window_reject(op, row[i], WEIR_LANE_OK);
				break;
			}
			if (r)
				break;
			if (t < d->low || t >= d->high)
				continue;
		}
		if (weir_unlikely(bad && bad[i] > WEIR_LANE_NULL)) {
			r = weir_window_reject(op, row[i], bad[i]);
			if (r)
				break;
			continue;
		}
		op->lane[m] = (uint16_t)i;
		d->slice[m++] = d->now;
	}
	*ret_taken = i;
	*ret_selected = m;
	return r;
}

weir_inline void rows_probe(struct weir_window_op *op, const struct weir_frame *const *row,
			    uint32_t m, weir_table_eq eq)
{
	struct slices *d = op->state;

	for (uint32_t k = 0; k < m; k++) {
		struct slice *s = d->slice[k];
		uint32_t i = op->lane[k];
		uint32_t e = weir_table_find(&s->keys.table, op->hash[i], eq, row[i], &op->key);

		if (weir_unlikely(e == WEIR_TABLE_NONE)) {
			e = weir_table_insert(&s->keys.table, op->hash[i]);
			weir_window_key_store(&op->key, row[i], &s->slab,
					      weir_table_entry(&s->keys.table, e));
		}
		d->number[k] = e;
	}
}

static void rows_prefetch(struct weir_window_op *op, uint32_t m)
{
	struct slices *d = op->state;

	for (uint32_t k = 0; k < m; k++)
		weir_table_prefetch_slot(&d->slice[k]->keys.table, op->hash[op->lane[k]]);
	for (uint32_t k = 0; k < m; k++)
		weir_table_prefetch_entry(&d->slice[k]->keys.table, op->hash[op->lane[k]]);
}

/*
 * Where the states of the selected rows are; with epochs, their entries count as changed. One loop for both: the entry's
 * address is half of what the look at its mark costs.
 */
weir_inline void rows_entries(struct weir_window_op *op, uint32_t m, bool epochs)
{
	const struct slices *d = op->state;
	uint32_t key_bytes = op->key.bytes, mark_at = op->track.mark_at;

	for (uint32_t k = 0; k < m; k++) {
		struct weir_tracked *t = &d->slice[k]->keys;
		uint8_t *e = weir_table_entry(&t->table, d->number[k]);

		op->at[k] = e + key_bytes;
		if (epochs)
			weir_track_change_at(&op->track, t, d->number[k], e + mark_at);
	}
}

static int slices_apply(struct weir_window_op *op, const struct weir_frame *const *row, uint32_t n,
			const uint8_t *bad, uint32_t *ret_taken)
{
	struct slices *d = op->state;
	uint32_t m;
	int r = rows_select(op, row, n, bad, ret_taken, &m);
	struct weir_agg_rows rows = {
		.count = m, .lane = op->lane, .at = op->at, .slab = op->slab, .frame = row};

	if (r < 0 || m == 0)
		return r;
	if (d->slice[m - 1]->keys.table.count > PREFETCH_ENTRIES)
		rows_prefetch(op, m);
	if (op->key.single)
		rows_probe(op, row, m, weir_window_key_is_single);
	else
		rows_probe(op, row, m, weir_window_key_is_frame);
	/* Entries may have moved until here; from now on they stay. */
	if (op->track.on)
		rows_entries(op, m, true);
	else
		rows_entries(op, m, false);
	if (op->payload.slab) {
		for (uint32_t k = 0; k < m; k++)
			op->slab[k] = &d->slice[k]->slab;
	}
	op->payload.update(op->payload.ctx, &rows);
	for (uint32_t k = 0; k < m; k++) {
		if (weir_unlikely(d->slice[k]->window_first < d->open))
			d->touch[d->touch_count++] =
				(struct touch){.slice = d->slice[k], .entry = d->number[k]};
	}
	return r;
}

static bool slices_due(const struct weir_window_op *op)
{
	return ((const struct slices *)op->state)->touch_count > 0;
}

/* ---- firing ---- */

uint32_t weir_slices_from(const struct slices *d, int64_t window)
{
	uint32_t low = 0, high = d->live_count;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (d->live[mid]->window_last >= window)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

/* State of the entry's key in the merged table, added when it is not there. Keys borrow their text. */
static uint8_t *merged_state(struct weir_window_op *op, const void *entry)
{
	struct slices *d = op->state;
	uint64_t hash;
	uint32_t e;

	memcpy(&hash, entry, 8);
	e = weir_table_find(&d->merged, hash, weir_window_key_is_entry, entry, &op->key);
	if (e == WEIR_TABLE_NONE) {
		e = weir_table_insert(&d->merged, hash);
		memcpy(weir_table_entry(&d->merged, e), entry, op->key.bytes);
	}
	return entry_state(op, &d->merged, e);
}

static void merge_slice(struct weir_window_op *op, const struct slice *s)
{
	struct slices *d = op->state;

	for (uint32_t e = 0; e < s->keys.table.high; e++)
		op->payload.merge(op->payload.ctx, &d->merged_slab,
				  merged_state(op, weir_table_entry(&s->keys.table, e)),
				  entry_state(op, &s->keys.table, e));
}

/* The whole window: its slice, or all of them merged. */
static void window_open(struct weir_window_op *op, int64_t window)
{
	struct slices *d = op->state;
	uint32_t i = weir_slices_from(d, window);

	d->window = window;
	d->entry = 0;
	if (i + 1 >= d->live_count || !weir_slice_in_window(d->live[i + 1], window)) {
		d->source = &d->live[i]->keys.table;
		return;
	}
	for (; i < d->live_count && weir_slice_in_window(d->live[i], window); i++)
		merge_slice(op, d->live[i]);
	d->source = &d->merged;
}

/* Only the keys that were touched since the window fired. */
static void window_open_again(struct weir_window_op *op, int64_t window)
{
	struct slices *d = op->state;

	d->window = window;
	d->entry = 0;
	d->source = &d->merged;
	for (uint32_t k = 0; k < d->touch_count; k++)
		if (weir_slice_in_window(d->touch[k].slice, window))
			merged_state(op, weir_table_entry(&d->touch[k].slice->keys.table,
							  d->touch[k].entry));
	for (uint32_t i = weir_slices_from(d, window);
	     i < d->live_count && weir_slice_in_window(d->live[i], window); i++) {
		const struct weir_table *t = &d->live[i]->keys.table;

		for (uint32_t e = 0; e < d->merged.high; e++) {
			const void *key = weir_table_entry(&d->merged, e);
			uint32_t from = weir_table_find(t, weir_table_hash(&d->merged, e),
							weir_window_key_is_entry, key, &op->key);

			if (from != WEIR_TABLE_NONE)
				op->payload.merge(op->payload.ctx, &d->merged_slab,
						  entry_state(op, &d->merged, e),
						  entry_state(op, t, from));
		}
	}
}

/* Opens the next window that is due; false when none is. */
static bool window_next(struct weir_window_op *op)
{
	struct slices *d = op->state;
	int64_t again = INT64_MAX, end;
	uint32_t i;

	for (uint32_t k = 0; k < d->touch_count; k++) {
		const struct slice *s = d->touch[k].slice;
		int64_t j = WEIR_MAX(WEIR_MAX(s->window_first, d->kept), d->touch_next);

		if (j <= s->window_last && j < d->open)
			again = WEIR_MIN(again, j);
	}
	if (again != INT64_MAX) {
		d->touch_next = again + 1;
		window_open_again(op, again);
		return true;
	}
	d->touch_count = 0;
	d->touch_next = INT64_MIN;
	end = weir_window_open(&op->slicing, op->watermark);
	i = weir_slices_from(d, d->open);
	if (i < d->live_count) {
		int64_t j = WEIR_MAX(d->open, d->live[i]->window_first);

		if (j < end) {
			d->open = j + 1;
			window_open(op, j);
			return true;
		}
	}
	d->open = WEIR_MAX(d->open, end);
	return false;
}

static int slices_fire(struct weir_window_op *op)
{
	struct slices *d = op->state;

	while (d->source || window_next(op)) {
		int64_t start = weir_window_start(&op->slicing, d->window);

		for (; d->entry < d->source->high; d->entry++) {
			const void *e = weir_table_entry(d->source, d->entry);
			int r = weir_window_emit(op, e, (const uint8_t *)e + op->key.bytes, start,
						 start + op->slicing.size);

			if (r)
				return r;
		}
		if (d->source == &d->merged) {
			weir_table_clear(&d->merged);
			weir_slab_reset(&d->merged_slab);
		}
		d->source = NULL;
	}
	return 0;
}

void weir_slices_recycle(struct weir_window_op *op, struct slice *s)
{
	struct slices *d = op->state;

	weir_tracked_clear(&s->keys);
	weir_slab_reset(&s->slab);
	s->leaving = false;
	s->next = d->spare;
	d->spare = s;
}

void weir_slices_drop(struct weir_window_op *op, int64_t kept)
{
	struct slices *d = op->state;
	uint32_t gone = 0;

	d->now = NULL;
	d->low = d->high = 0;
	while (gone < d->live_count && d->live[gone]->window_last < kept) {
		struct slice *s = d->live[gone++];

		if (weir_unlikely(s->frozen)) {
			/* Its epoch is not written yet: encode() lets it go. */
			weir_probe("window.slice_leaving");
			s->leaving = true;
		} else {
			weir_slices_recycle(op, s);
		}
	}
	if (gone) {
		d->live_count -= gone;
		memmove(d->live, d->live + gone, d->live_count * sizeof(*d->live));
	}
}

static void slices_expire(struct weir_window_op *op)
{
	struct slices *d = op->state;

	d->kept = weir_window_kept(&op->slicing, op->watermark);
	weir_slices_drop(op, d->kept);
}

/* ---- set-up ---- */

static void slices_init(struct weir_window_op *op, struct weir_region *region)
{
	struct slices *d = weir_region_new(region, struct slices);
	uint32_t bytes = op->key.bytes + op->payload.bytes;

	op->state = d;
	weir_track_init(&op->track, op->node, op->track.on, &op->key, bytes, weir_slices_save, op);
	d->open = weir_window_open(&op->slicing, WEIR_TIME_MIN);
	d->kept = weir_window_kept(&op->slicing, WEIR_TIME_MIN);
	d->touch_next = INT64_MIN;
	weir_table_init(&d->merged, op->mem, WEIR_MAX(bytes, 16u));
	weir_slab_init(&d->merged_slab, op->mem);
}

static void slice_free(struct weir_window_op *op, struct slice *s)
{
	weir_tracked_fini(&s->keys);
	weir_slab_fini(&s->slab);
	op->mem->free(op->mem->ctx, s, sizeof(*s));
}

static void slices_fini(struct weir_window_op *op)
{
	struct slices *d = op->state;

	for (struct slice *s = d->frozen, *next; s; s = next) {
		next = s->next_frozen;
		if (s->leaving)
			slice_free(op, s);
	}
	for (uint32_t i = 0; i < d->live_count; i++)
		slice_free(op, d->live[i]);
	while (d->spare) {
		struct slice *next = d->spare->next;

		slice_free(op, d->spare);
		d->spare = next;
	}
	if (d->live_cap)
		op->mem->free(op->mem->ctx, d->live, d->live_cap * sizeof(*d->live));
	d->live_count = d->live_cap = 0;
	weir_slices_heads_free(op);
	weir_table_fini(&d->merged);
	weir_slab_fini(&d->merged_slab);
}

const struct weir_window_store weir__window_slices = {
	.init = slices_init,
	.fini = slices_fini,
	.apply = slices_apply,
	.due = slices_due,
	.fire = slices_fire,
	.expire = slices_expire,
	.freeze = weir_slices_freeze,
	.encode = weir_slices_encode,
	.touch = weir_slices_touch,
	.restore = weir_slices_restore,
	.restored = weir_slices_restored,
	.query = weir_slices_query,
	.sign = "window",
};
