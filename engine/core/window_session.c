/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Session windows: per key a list of sessions, newest first, at least the gap apart. Two heaps by time
 * say what closes: `fire` (session end) and, with allowed lateness, `gone` (end + lateness). A
 * session that grew is found when its old time comes up, and goes back with its new one.
 */
#include "engine/core/window_session_int.h"

#include "base/assert.h"

/* ---- heaps ---- */

static bool alarm_before(const struct alarm *a, const struct alarm *b)
{
	return a->at != b->at ? a->at < b->at : a->session->born < b->session->born;
}

void weir_session_alarm(struct weir_window_op *op, struct alarms *h, int64_t at, struct session *s)
{
	struct alarm a = {.at = at, .session = s};
	uint32_t i = h->count++;

	if (i == h->cap) {
		uint32_t cap = h->cap ? h->cap * 2 : 64;
		struct alarm *heap = op->mem->alloc(op->mem->ctx, cap * sizeof(*heap), 16);

		if (h->cap) {
			memcpy(heap, h->heap, h->cap * sizeof(*heap));
			op->mem->free(op->mem->ctx, h->heap, h->cap * sizeof(*heap));
		}
		h->heap = heap;
		h->cap = cap;
	}
	while (i && alarm_before(&a, &h->heap[(i - 1) / 2])) {
		h->heap[i] = h->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	h->heap[i] = a;
}

/* Puts `a` into the place of the first one, or removes the first one when a is NULL. */
static void alarm_replace(struct alarms *h, const struct alarm *replacement)
{
	struct alarm a = replacement ? *replacement : h->heap[--h->count];
	uint32_t i = 0;

	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child >= h->count)
			break;
		if (child + 1 < h->count && alarm_before(&h->heap[child + 1], &h->heap[child]))
			child++;
		if (!alarm_before(&h->heap[child], &a))
			break;
		h->heap[i] = h->heap[child];
		i = child;
	}
	h->heap[i] = a;
}

/* ---- sessions ---- */

static void session_free_dead(struct weir_window_op *op, struct session *s)
{
	struct sessions *d = op->state;

	if (s->dead && !s->in_fire && !s->in_gone)
		weir_slab_free(&d->slab, s, weir_session_bytes(op));
}

/* The sessions of the key are about to change. */
static void key_change(struct weir_window_op *op, uint32_t key)
{
	struct sessions *d = op->state;

	if (op->track.on)
		weir_track_change(&op->track, &d->keys, key);
}

/* Out of its key's list; the key goes with its last session. The key has been marked as changed. */
static void session_drop(struct weir_window_op *op, struct session *s)
{
	struct sessions *d = op->state;
	struct session **link = weir_session_list(op, s->key);

	while (*link != s)
		link = &(*link)->next;
	*link = s->next;
	if (!*weir_session_list(op, s->key)) {
		if (op->track.on)
			weir_track_forget(&op->track, &d->keys, s->key);
		weir_window_key_release(&op->key, &d->slab,
					weir_table_entry(&d->keys.table, s->key));
		weir_table_remove(&d->keys.table, s->key);
	}
	op->payload.release(op->payload.ctx, &d->slab, weir_session_state(s));
	s->dead = true;
	session_free_dead(op, s);
}

static struct session *session_new(struct weir_window_op *op, uint32_t key, int64_t t,
				   struct session **link)
{
	struct sessions *d = op->state;
	struct session *s = weir_slab_alloc(&d->slab, weir_session_bytes(op));

	memset(s, 0, weir_session_bytes(op));
	s->first = s->last = t;
	s->key = key;
	s->born = d->born++;
	s->next = *link;
	*link = s;
	return s;
}

/* Adds the selected rows to their states up to here. */
static void rows_flush(struct weir_window_op *op, const struct weir_frame *const *row)
{
	struct sessions *d = op->state;
	struct weir_agg_rows rows = {.count = d->selected - d->flushed,
				     .lane = op->lane + d->flushed,
				     .at = op->at + d->flushed,
				     .slab = op->slab + d->flushed,
				     .frame = row};

	if (rows.count)
		op->payload.update(op->payload.ctx, &rows);
	d->flushed = d->selected;
}

/* The session next to s (older) is within the gap now: s takes it in. */
static void session_take_in(struct weir_window_op *op, struct session *s,
			    const struct weir_frame *const *row)
{
	struct sessions *d = op->state;
	struct session *old = s->next;

	/* Rows of this batch may still be on their way to the old one. */
	rows_flush(op, row);
	op->payload.merge(op->payload.ctx, &d->slab, weir_session_state(s),
			  weir_session_state(old));
	s->first = WEIR_MIN(s->first, old->first);
	s->last = WEIR_MAX(s->last, old->last);
	session_drop(op, old);
}

/* First link of the key's list whose session does not begin a gap or more after t. */
static struct session **session_near(const struct weir_window_op *op, uint32_t key, int64_t t)
{
	struct session **link = weir_session_list(op, key);

	while (*link && (*link)->first - t >= op->slicing.size)
		link = &(*link)->next;
	return link;
}

static uint32_t key_find(const struct weir_window_op *op, const struct weir_frame *f, uint64_t hash)
{
	const struct sessions *d = op->state;

	if (op->key.single)
		return weir_table_find(&d->keys.table, hash, weir_window_key_is_single, f,
				       &op->key);
	return weir_table_find(&d->keys.table, hash, weir_window_key_is_frame, f, &op->key);
}

static uint32_t key_new(struct weir_window_op *op, const struct weir_frame *f, uint64_t hash)
{
	struct sessions *d = op->state;
	uint32_t key = weir_table_insert(&d->keys.table, hash);

	if (op->track.gone.bytes)
		weir_probe("session.insert_behind_delete");
	weir_window_key_store(&op->key, f, &d->slab, weir_table_entry(&d->keys.table, key));
	return key;
}

/* 0: taken; 1: no room for a late or failing row; <0. */
static int row_apply(struct weir_window_op *op, const struct weir_frame *const *row, uint32_t i,
		     unsigned bad)
{
	struct sessions *d = op->state;
	const struct weir_frame *f = row[i];
	int64_t t = f->time_ns, gap = op->slicing.size;
	uint32_t key;
	struct session **link = NULL, *s = NULL;

	if (!weir_slicing_in_range(&op->slicing, t))
		return weir_window_reject(op, f, WEIR_LANE_OK);
	key = key_find(op, f, op->hash[i]);
	if (key != WEIR_TABLE_NONE) {
		link = session_near(op, key, t);
		if (*link && t - (*link)->last < gap)
			s = *link;
	}
	if (!s && t + gap - 1 <= weir_watermark_less(op->watermark, op->slicing.lateness))
		return weir_window_late(op, f);
	if (bad > WEIR_LANE_NULL)
		return weir_window_reject(op, f, bad);
	if (key == WEIR_TABLE_NONE) {
		key = key_new(op, f, op->hash[i]);
		link = weir_session_list(op, key);
	}
	key_change(op, key);
	if (s) {
		s->first = WEIR_MIN(s->first, t);
		s->last = WEIR_MAX(s->last, t);
		if (s->next && s->first - s->next->last < gap)
			session_take_in(op, s, row);
	} else {
		s = session_new(op, key, t, link);
	}
	if (!s->in_fire) {
		s->in_fire = true;
		weir_session_alarm(op, &d->fire, weir_session_end(op, s), s);
	}
	op->lane[d->selected] = (uint16_t)i;
	op->at[d->selected] = weir_session_state(s);
	op->slab[d->selected] = &d->slab;
	d->selected++;
	return 0;
}

static int sessions_apply(struct weir_window_op *op, const struct weir_frame *const *row,
			  uint32_t n, const uint8_t *bad, uint32_t *ret_taken)
{
	struct sessions *d = op->state;
	uint32_t i;
	int r = 0;

	d->flushed = d->selected = 0;
	for (i = 0; i < n; i++)
		weir_table_prefetch_slot(&d->keys.table, op->hash[i]);
	for (i = 0; i < n; i++) {
		r = row_apply(op, row, i, bad ? bad[i] : WEIR_LANE_OK);
		if (r)
			break;
	}
	rows_flush(op, row);
	*ret_taken = i;
	return r;
}

static bool sessions_due(const struct weir_window_op *op)
{
	const struct sessions *d = op->state;

	return d->fire.count && d->fire.heap[0].at - 1 <= op->watermark;
}

static int sessions_fire(struct weir_window_op *op)
{
	struct sessions *d = op->state;
	int64_t lateness = op->slicing.lateness;

	while (sessions_due(op)) {
		struct session *s = d->fire.heap[0].session;
		struct alarm now = {.at = weir_session_end(op, s), .session = s};

		if (!s->dead && now.at > d->fire.heap[0].at) {
			alarm_replace(&d->fire, &now);
			continue;
		}
		if (!s->dead) {
			int r = weir_window_emit(op, weir_table_entry(&d->keys.table, s->key),
						 weir_session_state(s), s->first, now.at);

			if (r)
				return r;
		}
		if (!s->dead)
			key_change(op, s->key);
		alarm_replace(&d->fire, NULL);
		s->in_fire = false;
		if (s->dead) {
			session_free_dead(op, s);
		} else if (lateness == 0) {
			session_drop(op, s);
		} else if (!s->in_gone) {
			s->in_gone = true;
			weir_session_alarm(op, &d->gone, now.at + lateness, s);
		}
	}
	return 0;
}

static void sessions_expire(struct weir_window_op *op)
{
	struct sessions *d = op->state;

	while (d->gone.count && d->gone.heap[0].at - 1 <= op->watermark) {
		struct session *s = d->gone.heap[0].session;
		struct alarm now = {.at = weir_session_end(op, s) + op->slicing.lateness,
				    .session = s};

		if (!s->dead && now.at > d->gone.heap[0].at) {
			alarm_replace(&d->gone, &now);
			continue;
		}
		if (!s->dead)
			key_change(op, s->key);
		alarm_replace(&d->gone, NULL);
		s->in_gone = false;
		if (s->dead)
			session_free_dead(op, s);
		else
			session_drop(op, s);
	}
}

static void sessions_init(struct weir_window_op *op, struct weir_region *region)
{
	struct sessions *d = weir_region_new(region, struct sessions);

	op->state = d;
	weir_track_init(&op->track, op->node, op->track.on, &op->key,
			op->key.bytes + (uint32_t)sizeof(struct session *), weir_session_save, op);
	weir_tracked_init(&op->track, &d->keys);
	weir_slab_init(&d->slab, op->mem);
}

static void alarms_fini(struct weir_window_op *op, struct alarms *h)
{
	if (h->cap)
		op->mem->free(op->mem->ctx, h->heap, h->cap * sizeof(*h->heap));
	*h = (struct alarms){0};
}

static void sessions_fini(struct weir_window_op *op)
{
	struct sessions *d = op->state;

	weir_tracked_fini(&d->keys);
	weir_slab_fini(&d->slab);
	alarms_fini(op, &d->fire);
	alarms_fini(op, &d->gone);
}

const struct weir_window_store weir__window_session = {
	.init = sessions_init,
	.fini = sessions_fini,
	.apply = sessions_apply,
	.due = sessions_due,
	.fire = sessions_fire,
	.expire = sessions_expire,
	.freeze = weir_sessions_freeze,
	.encode = weir_sessions_encode,
	.touch = weir_sessions_touch,
	.restore = weir_sessions_restore,
	.restored = weir_sessions_restored,
	.query = weir_sessions_query,
	.sign = "session",
};
