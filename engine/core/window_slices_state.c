/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slices in bundles.
 *
 *   head:    open i64 | kept i64 | what is gone: nothing, `kept` says it |
 *   record:  length, hash | slice number i64 | key | state |
 *
 * Each slice has its own list of changed entries. A slice whose windows are gone while its entries still wait to be
 * encoded leaves the live ones and is let go by encode().
 */
#include "engine/core/window_slices_int.h"

#include "base/assert.h"

#define HEADS_MAX 65536u

void weir_slices_save(void *ctx, const struct weir_tracked *t, uint32_t number, struct weir_out *o)
{
	const struct weir_window_op *op = ctx;
	const struct slice *s = (const struct slice *)(const void *)((const uint8_t *)t -
								     offsetof(struct slice, keys));

	weir_out_i64(o, s->number);
	weir_window_key_save(&op->key, weir_table_entry(&t->table, number), o);
	op->payload.save(op->payload.ctx, weir_slices_entry_state(op, &t->table, number), o);
}

/* ---- freeze, encode, touch ---- */

void weir_slices_freeze(struct weir_window_op *op, struct weir_out *o)
{
	struct slices *d = op->state;

	weir_assert(!d->frozen);
	weir_out_i64(o, d->open);
	weir_out_i64(o, d->kept);
	weir_track_freeze(&op->track, o);
	for (uint32_t i = d->live_count; i-- > 0;) {
		struct slice *s = d->live[i];

		if (weir_tracked_freeze(&s->keys)) {
			s->frozen = true;
			s->next_frozen = d->frozen;
			d->frozen = s;
		}
	}
}

bool weir_slices_encode(struct weir_window_op *op, size_t budget)
{
	struct slices *d = op->state;
	struct slice *s;

	while ((s = d->frozen) != NULL) {
		if (!weir_tracked_encode(&op->track, &s->keys, &budget))
			return false;
		d->frozen = s->next_frozen;
		s->frozen = false;
		if (s->leaving)
			weir_slices_recycle(op, s);
	}
	return true;
}

/* First live slice with this number or a higher one. */
static uint32_t live_number(const struct slices *d, int64_t number)
{
	uint32_t low = 0, high = d->live_count;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (d->live[mid]->number >= number)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

bool weir_slices_touch(struct weir_window_op *op, bool begin, size_t budget)
{
	struct slices *d = op->state;

	if (begin) {
		d->touch_slice = INT64_MIN;
		d->touch_entry = 0;
	}
	/* Slices that came in below the cursor are new: all their entries are in deltas of this round. */
	for (uint32_t i = live_number(d, d->touch_slice); i < d->live_count; i++) {
		struct slice *s = d->live[i];

		if (s->number != d->touch_slice) {
			d->touch_slice = s->number;
			d->touch_entry = 0;
		}
		if (!weir_tracked_touch(&op->track, &s->keys, &d->touch_entry, &budget))
			return false;
	}
	d->touch_slice = INT64_MAX;
	return true;
}

/* ---- restore ---- */

void weir_slices_heads_free(struct weir_window_op *op)
{
	struct slices *d = op->state;

	if (d->head)
		op->mem->free(op->mem->ctx, d->head, d->heads * sizeof(*d->head));
	d->head = NULL;
	d->heads = 0;
}

/* The newest word of each task counts; all of them together say what is still there. */
static void heads_apply(struct weir_window_op *op)
{
	struct slices *d = op->state;
	int64_t open = INT64_MAX, kept = INT64_MAX;

	for (uint32_t i = 0; i < d->heads; i++) {
		if (!d->head[i].set)
			return;
		open = WEIR_MIN(open, d->head[i].open);
		kept = WEIR_MIN(kept, d->head[i].kept);
	}
	if (d->heads) {
		d->open = open;
		d->kept = kept;
		weir_slices_drop(op, kept);
	}
}

static int head_restore(struct weir_window_op *op, struct weir_restore *r)
{
	struct slices *d = op->state;
	bool same = r->instances_then == r->instances;
	uint32_t heads = same ? 1 : r->instances_then, at = same ? 0 : r->instance_then;
	struct slices_head h = {.set = true};
	int64_t min = weir_window_open(&op->slicing, WEIR_TIME_MIN);
	int64_t max = weir_window_open(&op->slicing, WEIR_TIME_MAX);

	h.open = weir_read_i64(&r->in);
	h.kept = weir_read_i64(&r->in);
	if (r->in.bad || h.open < min || h.open > max || h.kept < min || h.kept > h.open)
		return weir_track_corrupt(&op->track, "its windows are out of range");
	if (heads > HEADS_MAX || at >= heads)
		return weir_track_corrupt(&op->track, "the number of its task is wrong");
	if (heads != d->heads) {
		weir_slices_heads_free(op);
		d->head = op->mem->alloc(op->mem->ctx, heads * sizeof(*d->head), 8);
		d->heads = heads;
	}
	d->head[at] = h;
	heads_apply(op);
	return 0;
}

/* The live slice with this number, made when it is missing. NULL: no time has it. */
static struct slice *slice_get(struct weir_window_op *op, int64_t number)
{
	const struct weir_slicing *w = &op->slicing;
	struct slices *d = op->state;
	uint32_t at = live_number(d, number);

	if (at < d->live_count && d->live[at]->number == number)
		return d->live[at];
	if (number < weir_slice_of(w, w->time_min) || number > weir_slice_of(w, w->time_max) ||
	    weir_slice_window_first(w, number) > weir_slice_window_last(w, number))
		return NULL;
	return weir_slices_new(op, number, at);
}

static int entry_restore(struct weir_window_op *op, struct weir_reader *record, uint64_t hash)
{
	struct slice *s = slice_get(op, weir_read_i64(record));
	uint32_t number;
	uint8_t *state;
	bool fresh;
	int r;

	if (record->bad || !s)
		return weir_track_corrupt(&op->track, "a slice is out of range");
	r = weir_track_take(&op->track, &s->keys, &s->slab, record, hash, &number, &fresh);
	if (r < 0)
		return r;
	state = weir_slices_entry_state(op, &s->keys.table, number);
	if (!fresh) {
		op->payload.release(op->payload.ctx, &s->slab, state);
		memset(state, 0, op->payload.bytes);
	}
	if (op->payload.load(op->payload.ctx, &s->slab, state, record) < 0 ||
	    weir_reader_left(record))
		return weir_track_corrupt(&op->track, "the state of a key cannot be read");
	return 0;
}

int weir_slices_restore(struct weir_window_op *op, struct weir_restore *r)
{
	int rc = head_restore(op, r);

	if (rc < 0)
		return rc;
	if (weir_read_varint(&r->in) || r->in.bad)
		return weir_track_corrupt(&op->track, "a slice cannot lose a key");
	while (weir_reader_left(&r->in)) {
		struct weir_reader record;
		uint64_t hash;

		if (!weir_track_read(&r->in, &record, &hash))
			return weir_track_corrupt(&op->track, "a key is cut short");
		if (!weir_track_mine(&op->track, r, hash))
			continue;
		rc = entry_restore(op, &record, hash);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int weir_slices_restored(struct weir_window_op *op)
{
	heads_apply(op);
	weir_slices_heads_free(op);
	return 0;
}
