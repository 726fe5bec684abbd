/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions in bundles. What changes is a key: its record holds all its sessions, newest first.
 *
 *   head:    born u64 |
 *   gone:    length, hash | key |
 *   record:  length, hash | key | sessions varint | { first, last i64 | born u64 | waits u8 | state } ... |
 *
 * Heaps are not kept: a session says which of them it waits in.
 */
#include "engine/core/window_session_int.h"

#define WAITS_FIRE 1u
#define WAITS_GONE 2u
#define SESSION_BYTES_MIN 25u

void weir_session_save(void *ctx, const struct weir_tracked *t, uint32_t number, struct weir_out *o)
{
	const struct weir_window_op *op = ctx;
	struct session *first = *weir_session_list(op, number);
	uint64_t count = 0;

	weir_window_key_save(&op->key, weir_table_entry(&t->table, number), o);
	for (const struct session *s = first; s; s = s->next)
		count++;
	weir_out_varint(o, count);
	for (struct session *s = first; s; s = s->next) {
		weir_out_i64(o, s->first);
		weir_out_i64(o, s->last);
		weir_out_u64(o, s->born);
		weir_out_u8(o, (uint8_t)((s->in_fire ? WAITS_FIRE : 0) |
					 (s->in_gone ? WAITS_GONE : 0)));
		op->payload.save(op->payload.ctx, weir_session_state(s), o);
	}
}

void weir_sessions_freeze(struct weir_window_op *op, struct weir_out *o)
{
	struct sessions *d = op->state;

	weir_out_u64(o, d->born);
	weir_track_freeze(&op->track, o);
	weir_tracked_freeze(&d->keys);
}

bool weir_sessions_encode(struct weir_window_op *op, size_t budget)
{
	struct sessions *d = op->state;

	return weir_tracked_encode(&op->track, &d->keys, &budget);
}

bool weir_sessions_touch(struct weir_window_op *op, bool begin, size_t budget)
{
	struct sessions *d = op->state;

	if (begin)
		d->touch = 0;
	return weir_tracked_touch(&op->track, &d->keys, &d->touch, &budget);
}

/* ---- restore: no session is in a heap yet ---- */

static void list_free(struct weir_window_op *op, uint32_t key)
{
	struct sessions *d = op->state;
	struct session **list = weir_session_list(op, key), *s;

	while ((s = *list) != NULL) {
		*list = s->next;
		op->payload.release(op->payload.ctx, &d->slab, weir_session_state(s));
		weir_slab_free(&d->slab, s, weir_session_bytes(op));
	}
}

static void key_remove(void *ctx, uint32_t key)
{
	struct weir_window_op *op = ctx;
	struct sessions *d = op->state;

	list_free(op, key);
	weir_window_key_release(&op->key, &d->slab, weir_table_entry(&d->keys.table, key));
	weir_table_remove(&d->keys.table, key);
}

/* Times in order, in range, a gap apart from the newer session, and waiting for something. */
static bool session_fine(const struct weir_window_op *op, const struct session *s,
			 const struct session *newer, uint8_t waits)
{
	return s->first <= s->last && weir_slicing_in_range(&op->slicing, s->first) &&
	       weir_slicing_in_range(&op->slicing, s->last) &&
	       (!newer || (s->last < newer->first && newer->first - s->last >= op->slicing.size)) &&
	       waits && waits <= (WAITS_FIRE | WAITS_GONE);
}

/* A session behind the newer one. */
static int session_restore(struct weir_window_op *op, uint32_t key, struct session *newer,
			   struct weir_reader *record, struct session **link)
{
	struct sessions *d = op->state;
	struct session head = {.key = key}, *s;
	uint8_t waits;

	head.first = weir_read_i64(record);
	head.last = weir_read_i64(record);
	head.born = weir_read_u64(record);
	waits = weir_read_u8(record);
	head.in_fire = waits & WAITS_FIRE;
	head.in_gone = waits & WAITS_GONE;
	if (record->bad || !session_fine(op, &head, newer, waits))
		return weir_track_corrupt(&op->track, "a session is out of order");
	s = weir_slab_alloc(&d->slab, weir_session_bytes(op));
	memset(s, 0, weir_session_bytes(op));
	*s = head;
	*link = s;
	if (op->payload.load(op->payload.ctx, &d->slab, weir_session_state(s), record) < 0)
		return weir_track_corrupt(&op->track, "the state of a session cannot be read");
	return 0;
}

static int key_restore(struct weir_window_op *op, struct weir_reader *record, uint64_t hash)
{
	struct sessions *d = op->state;
	struct session **link, *newer = NULL;
	uint64_t count;
	uint32_t key;
	bool fresh;
	int r = weir_track_take(&op->track, &d->keys, &d->slab, record, hash, &key, &fresh);

	if (r < 0)
		return r;
	list_free(op, key);
	count = weir_read_varint(record);
	if (record->bad || !count || count > weir_reader_left(record) / SESSION_BYTES_MIN)
		return weir_track_corrupt(&op->track, "a key has no sessions");
	link = weir_session_list(op, key);
	for (; count; count--) {
		r = session_restore(op, key, newer, record, link);
		if (r < 0)
			return r;
		newer = *link;
		link = &newer->next;
	}
	return weir_reader_left(record) ? weir_track_corrupt(&op->track, "a key is too long") : 0;
}

int weir_sessions_restore(struct weir_window_op *op, struct weir_restore *r)
{
	struct sessions *d = op->state;
	uint64_t born = weir_read_u64(&r->in);
	int rc;

	if (r->in.bad)
		return weir_track_corrupt(&op->track, "it is cut short");
	d->born = WEIR_MAX(d->born, born);
	rc = weir_track_read_gone(&op->track, &d->keys, &d->slab, r, key_remove);
	while (!rc && weir_reader_left(&r->in)) {
		struct weir_reader record;
		uint64_t hash;

		if (!weir_track_read(&r->in, &record, &hash))
			return weir_track_corrupt(&op->track, "a key is cut short");
		if (weir_track_mine(&op->track, r, hash))
			rc = key_restore(op, &record, hash);
	}
	return rc;
}

int weir_sessions_restored(struct weir_window_op *op)
{
	struct sessions *d = op->state;

	for (uint32_t key = 0; key < d->keys.table.high; key++) {
		if (!weir_track_alive(&op->track, &d->keys, key) || weir_planted(TIMER_LOST))
			continue;
		for (struct session *s = *weir_session_list(op, key); s; s = s->next) {
			int64_t end = weir_session_end(op, s);

			if (s->in_fire)
				weir_session_alarm(op, &d->fire, end, s);
			if (s->in_gone)
				weir_session_alarm(op, &d->gone, end + op->slicing.lateness, s);
		}
	}
	return 0;
}
