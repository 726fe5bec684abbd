/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The merging step of a global aggregate in bundles.
 *
 *   head:    passed i64 | varint members | of each: id i64, version i64, mark i64, counts as varints | nothing is gone: `passed` says it |
 *   record:  length, hash | window start i64 | key of the record | told u64 | varint parts | of each: id i64, version i64, text |
 *
 * Regions are known by id, not by their place in the cluster file. One that is new there has told nothing yet; what was of one
 * that takes no part any more cannot be given up silently: an error.
 */
#include "base/assert.h"
#include "base/buf.h"
#include "engine/core/global_int.h"

void weir__global_save(void *ctx, const struct weir_tracked *t, uint32_t number, struct weir_out *o)
{
	const struct global_merge *m = ctx;
	const struct global_window *w =
		(const struct global_window *)(const void *)((const uint8_t *)t -
							     offsetof(struct global_window, keys));
	void *entry = weir_table_entry(&t->table, number);
	const struct global_part *p = global_parts(m, entry);
	uint32_t parts = 0;

	for (uint32_t i = 0; i < m->member_count; i++)
		parts += p[i].version != 0;
	weir_out_i64(o, w->start);
	weir_window_key_save(&m->key, entry, o);
	weir_out_u64(o, *global_told(m, entry));
	weir_out_varint(o, parts);
	for (uint32_t i = 0; i < m->member_count; i++) {
		if (!p[i].version)
			continue;
		weir_out_i64(o, m->member[i].id);
		weir_out_i64(o, p[i].version);
		weir_out_text(o, (struct weir_str){p[i].body.p, p[i].body.n});
	}
}

/* ---- freeze, encode, touch ---- */

static void state_freeze(struct weir_node *n, struct weir_out *o)
{
	struct global_merge *m = n->op;

	weir_assert(m->track.on && !m->firing && !m->taken && !m->frozen);
	weir_out_i64(o, m->passed);
	weir_out_varint(o, m->member_count);
	for (uint32_t i = 0; i < m->member_count; i++) {
		const struct global_member *g = &m->member[i];

		weir_out_i64(o, g->id);
		weir_out_i64(o, g->version);
		weir_out_i64(o, g->mark);
		weir_global_counts_put(o, &g->counts);
	}
	weir_track_freeze(&m->track, o);
	for (uint32_t i = m->live_count; i-- > 0;) {
		struct global_window *w = m->live[i];

		if (weir_tracked_freeze(&w->keys)) {
			w->frozen = true;
			w->next_frozen = m->frozen;
			m->frozen = w;
		}
	}
}

static bool state_encode(struct weir_node *n, struct weir_out *o, size_t budget)
{
	struct global_merge *m = n->op;
	struct global_window *w;

	(void)o; /* the track has it */
	budget = WEIR_MAX(budget, (size_t)1);
	while ((w = m->frozen) != NULL) {
		if (!weir_tracked_encode(&m->track, &w->keys, &budget))
			return false;
		m->frozen = w->next_frozen;
		w->frozen = false;
		if (w->leaving)
			weir__global_recycle(m, w);
	}
	weir_track_done(&m->track);
	return true;
}

static bool state_touch(struct weir_node *n, bool begin, size_t budget)
{
	struct global_merge *m = n->op;

	budget = WEIR_MAX(budget, (size_t)1);
	if (begin) {
		m->touch_start = INT64_MIN;
		m->touch_entry = 0;
	}
	/* Windows that came in below the cursor are new: all their entries are in deltas of this round. */
	for (uint32_t i = 0; i < m->live_count; i++) {
		struct global_window *w = m->live[i];

		if (w->start < m->touch_start)
			continue;
		if (w->start != m->touch_start) {
			m->touch_start = w->start;
			m->touch_entry = 0;
		}
		if (!weir_tracked_touch(&m->track, &w->keys, &m->touch_entry, &budget))
			return false;
	}
	m->touch_start = INT64_MAX;
	return true;
}

/* ---- restore ---- */

static int gone_member(struct global_merge *m)
{
	return weir_err_set(
		&m->node->task->err, WEIR_E_CONFIG,
		"step `%s`: its state has records of a region that takes no part any more; "
		"with --drop-state it starts without them",
		m->node->step_name);
}

static int member_restore(struct global_merge *m, struct weir_reader *r)
{
	int64_t id = weir_read_i64(r), version = weir_read_i64(r), mark = weir_read_i64(r);
	int i = weir__global_index(m, id);
	struct weir_global_counts c;

	c.in = weir_read_varint(r);
	c.late = weir_read_varint(r);
	c.rejected = weir_read_varint(r);
	if (r->bad || version < 0)
		return weir_track_corrupt(&m->track, "a region cannot be read");
	if (i < 0)
		return gone_member(m);
	m->member[i].version = version;
	m->member[i].mark = mark;
	m->member[i].counts = c;
	if (weir_planted(GLOBAL_MASK_SHRINKS))
		m->member[i].mark = WEIR_TIME_MIN;
	return 0;
}

static int head_restore(struct global_merge *m, struct weir_reader *r)
{
	int64_t passed = weir_read_i64(r);
	uint64_t members = weir_read_varint(r);

	if (r->bad || members > WEIR_GLOBAL_MEMBERS_MAX)
		return weir_track_corrupt(&m->track, "it is cut short");
	for (uint64_t i = 0; i < members; i++) {
		int rc = member_restore(m, r);

		if (rc < 0)
			return rc;
	}
	m->passed = WEIR_MAX(m->passed, passed);
	weir__global_drop(m);
	if (weir_read_varint(r) || r->bad)
		return weir_track_corrupt(&m->track, "a window cannot lose a key");
	return 0;
}

static int part_restore(struct global_merge *m, struct global_window *w, struct global_part *part,
			struct weir_reader *r)
{
	int64_t id = weir_read_i64(r), version = weir_read_i64(r);
	int i = weir__global_index(m, id);

	if (r->bad || version <= 0)
		return weir_track_corrupt(&m->track, "the part of a region cannot be read");
	if (i < 0)
		return gone_member(m);
	if (!weir_agg_text_load(&part[i].body, &w->slab, r))
		return weir_track_corrupt(&m->track, "the part of a region is cut short");
	part[i].version = version;
	return 0;
}

static int entry_restore(struct global_merge *m, struct weir_reader *r, uint64_t hash)
{
	int64_t start = weir_read_i64(r);
	struct global_window *w;
	struct global_part *p;
	uint32_t number;
	uint64_t parts, told;
	bool fresh;
	int rc;

	if (r->bad || !weir__global_start_fine(m, start))
		return weir_track_corrupt(&m->track, "a window is out of range");
	if (global_horizon(m, start) <= m->passed)
		return weir_track_corrupt(&m->track, "a window is open and done");
	w = weir__global_window(m, start);
	rc = weir_track_take(&m->track, &w->keys, &w->slab, r, hash, &number, &fresh);
	if (rc < 0)
		return rc;
	p = global_parts(m, weir_table_entry(&w->keys.table, number));
	for (uint32_t i = 0; i < m->member_count; i++) {
		weir_agg_text_free(&p[i].body, &w->slab);
		p[i].version = 0;
	}
	told = weir_read_u64(r);
	parts = weir_read_varint(r);
	*global_told(m, weir_table_entry(&w->keys.table, number)) =
		weir_planted(GLOBAL_TOLD_LOST) ? 0 : told;
	if (r->bad || parts == 0 || parts > m->member_count)
		return weir_track_corrupt(&m->track, "the parts of a key cannot be read");
	for (uint64_t i = 0; i < parts; i++) {
		rc = part_restore(m, w, p, r);
		if (rc < 0)
			return rc;
	}
	return weir_reader_left(r) ? weir_track_corrupt(&m->track, "a key is too long") : 0;
}

static int state_restore(struct weir_node *n, struct weir_restore *r)
{
	struct global_merge *m = n->op;
	int rc;

	weir_assert(m->track.on);
	rc = head_restore(m, &r->in);
	while (rc == 0 && weir_reader_left(&r->in)) {
		struct weir_reader record;
		uint64_t hash;

		if (!weir_track_read(&r->in, &record, &hash))
			return weir_track_corrupt(&m->track, "a key is cut short");
		rc = entry_restore(m, &record, hash);
	}
	return rc;
}

static void state_sign(const struct weir_node *n, struct weir_buf *b)
{
	const struct global_merge *m = n->op;

	weir_buf_printf(b, "merge 1 size=%lld slide=%lld offset=%lld key=(",
			(long long)m->slicing.size, (long long)m->slicing.slide,
			(long long)m->slicing.offset);
	weir_window_key_sign(&m->user_key, b);
	weir_buf_lit(b, ") ");
	for (uint32_t i = 0; i < m->agg_count; i++) {
		const struct weir_agg_spec *s = &m->spec[i];

		weir_buf_lit(b, "aggregate ");
		weir_buf_json_str(b, weir_str_c(s->name));
		weir_buf_char(b, ' ');
		weir_buf_lit(b, m->agg[i].cls->name);
		weir_buf_char(b, '(');
		if (s->arg)
			weir_window_sign_type(b, s->arg_type, false);
		if (s->by) {
			weir_buf_lit(b, ", ");
			weir_window_sign_type(b, s->by_type, false);
		}
		weir_buf_lit(b, ")\n");
	}
}

const struct weir_state_ops weir__global_merge_state = {
	.freeze = state_freeze,
	.encode = state_encode,
	.touch = state_touch,
	.restore = state_restore,
	.sign = state_sign,
};
