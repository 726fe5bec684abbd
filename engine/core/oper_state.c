/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Custom operators in bundles.
 *
 *   part:    | watermark i64 | generation u32 | gone | records ... |
 *   gone:    length, hash | key |
 *   record:  length, hash | key | generation u32 | state | timers varint | time i64 ... |
 */
#include "base/assert.h"
#include "engine/core/oper_int.h"

void weir_oper_save(void *ctx, const struct weir_tracked *t, uint32_t number, struct weir_out *o)
{
	const struct weir_context *c = ctx;
	uint64_t timers = 0;

	weir_window_key_save(&c->key, weir_table_entry(&t->table, number), o);
	weir_out_u32(o, (uint32_t)weir_oper_generation(c, number));
	weir_out_put(o, weir_oper_entry_state(c, number), c->op->state_bytes);
	for (const struct pending *p = *weir_oper_pending(c, number); p; p = p->next)
		timers++;
	weir_out_varint(o, timers);
	for (const struct pending *p = *weir_oper_pending(c, number); p; p = p->next)
		weir_out_i64(o, p->time_ns);
}

/* ---- freeze, encode, touch ---- */

static void oper_freeze(struct weir_node *n, struct weir_out *o)
{
	struct weir_context *c = n->op;

	weir_out_i64(o, c->watermark);
	weir_out_u32(o, c->generation);
	weir_track_freeze(&c->track, o);
	weir_tracked_freeze(&c->keys);
}

static bool oper_encode(struct weir_node *n, struct weir_out *o, size_t budget)
{
	struct weir_context *c = n->op;
	size_t left = WEIR_MAX(budget, (size_t)1);

	weir_assert(o == c->track.part);
	if (!weir_tracked_encode(&c->track, &c->keys, &left))
		return false;
	weir_track_done(&c->track);
	return true;
}

static bool oper_touch(struct weir_node *n, bool begin, size_t budget)
{
	struct weir_context *c = n->op;
	size_t left = WEIR_MAX(budget, (size_t)1);

	if (begin)
		c->touch = 0;
	return weir_tracked_touch(&c->track, &c->keys, &c->touch, &left);
}

/* ---- restore: no timer is in the heap yet ---- */

static int timers_restore(struct weir_context *c, struct weir_reader *record, uint32_t at)
{
	uint64_t timers = weir_read_varint(record);
	struct pending **link = weir_oper_pending(c, at), *prev = NULL;

	if (record->bad || timers > weir_reader_left(record) / 8)
		return weir_track_corrupt(&c->track, "the timers of a key are cut short");
	for (; timers; timers--) {
		struct pending *p = weir_slab_alloc(&c->slab, sizeof(*p));

		*p = (struct pending){.prev = prev, .time_ns = weir_read_i64(record)};
		*link = p;
		link = &p->next;
		prev = p;
	}
	return weir_reader_left(record) ? weir_track_corrupt(&c->track, "a key is too long") : 0;
}

static int key_restore(struct weir_context *c, struct weir_reader *record, uint64_t hash)
{
	uint64_t generation;
	const void *state;
	uint32_t at;
	bool fresh;
	int r = weir_track_take(&c->track, &c->keys, &c->slab, record, hash, &at, &fresh);

	if (r < 0)
		return r;
	weir_oper_pending_free(c, at);
	generation = weir_read_u32(record);
	state = weir_read(record, c->op->state_bytes);
	if (!state || !generation)
		return weir_track_corrupt(&c->track, "the state of a key is cut short");
	memcpy(weir_oper_entry_state(c, at) - 8, &generation, 8);
	memcpy(weir_oper_entry_state(c, at), state, c->op->state_bytes);
	return timers_restore(c, record, at);
}

static void key_remove(void *ctx, uint32_t at)
{
	weir_oper_drop(ctx, at);
}

static int oper_restore(struct weir_node *n, struct weir_restore *r)
{
	struct weir_context *c = n->op;
	int64_t watermark;
	uint32_t generation;
	int rc;

	weir_assert(c->track.on);
	if (r->instances_then == r->instances && r->instance_then != r->instance)
		return 0;
	watermark = weir_read_i64(&r->in);
	generation = weir_read_u32(&r->in);
	if (r->in.bad)
		return weir_track_corrupt(&c->track, "it is cut short");
	/* Of all tasks and epochs: neither goes back. */
	c->watermark = WEIR_MAX(c->watermark, watermark);
	c->generation = WEIR_MAX(c->generation, generation);
	rc = weir_track_read_gone(&c->track, &c->keys, &c->slab, r, key_remove);
	while (!rc && weir_reader_left(&r->in)) {
		struct weir_reader record;
		uint64_t hash;

		if (!weir_track_read(&r->in, &record, &hash))
			return weir_track_corrupt(&c->track, "a key is cut short");
		if (weir_track_mine(&c->track, r, hash))
			rc = key_restore(c, &record, hash);
	}
	return rc;
}

static int oper_restored(struct weir_node *n)
{
	struct weir_context *c = n->op;

	for (uint32_t at = 0; at < c->keys.table.high; at++) {
		if (!weir_track_alive(&c->track, &c->keys, at) || weir_planted(TIMER_LOST))
			continue;
		for (struct pending *p = *weir_oper_pending(c, at); p; p = p->next) {
			struct timer t = {.time_ns = p->time_ns,
					  .entry = at,
					  .generation = (uint32_t)weir_oper_generation(c, at),
					  .pending = p};

			weir_oper_timer_add(c, &t);
		}
	}
	return 0;
}

/* The file of the library may move; its name says which one it is. */
static const char *library_name(const struct weir_step *s)
{
	const char *slash = s->oper.library ? strrchr(s->oper.library, '/') : NULL;

	return slash ? slash + 1 : s->oper.library ? s->oper.library : "";
}

static void oper_sign(const struct weir_node *n, struct weir_buf *b)
{
	const struct weir_context *c = n->op;
	const struct weir_step *s = c->step;

	weir_buf_printf(b, "operator 1 library=%s name=%s state=%u options=", library_name(s),
			s->oper.symbol ? s->oper.symbol : "", c->op->state_bytes);
	weir_buf_lit(b, s->oper.options);
	weir_buf_lit(b, " key=(");
	weir_window_key_sign(&c->key, b);
	weir_buf_char(b, ')');
}

const struct weir_state_ops weir__oper_state = {
	.freeze = oper_freeze,
	.encode = oper_encode,
	.touch = oper_touch,
	.restore = oper_restore,
	.restored = oper_restored,
	.sign = oper_sign,
};
