/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to a global aggregate: a row is the record that the window would give now, with the regions that are complete
 * and those that are missing. Windows that have fired are gone.
 *
 * Places: the start of a window; of a list also the number of the entry in it.
 */
#include "base/assert.h"
#include "base/keyhash.h"
#include "engine/core/global_int.h"
#include "engine/core/window_key_text.h"

struct ask {
	struct global_merge *m;
	const struct weir_query *q;
	struct weir_query_out *out;
	struct weir_slab slab; /* of the piece */
	void *frame; /* where rows are built */
	uint32_t frame_cap;
};

static const char *build(struct ask *a, const struct global_window *w, const void *entry,
			 const uint64_t *key, struct weir_builder *b)
{
	struct global_merge *m = a->m;
	uint32_t record_max = m->node->task->record_max;
	bool final = global_horizon(m, w->start) <= m->passed;
	const char *reason;

	for (;;) {
		if (!a->frame) {
			a->frame_cap = a->frame_cap ? record_max : m->want;
			a->frame = weir_slab_alloc(&a->slab, a->frame_cap);
		}
		weir_build_begin(b, a->frame, a->frame_cap, m->out);
		reason = weir__global_build(m, w, entry, key, weir__global_mask(m, w), final, b);
		if (weir_build_end(b))
			return reason;
		if (a->frame_cap == record_max)
			break;
		a->frame = NULL;
	}
	weir_build_begin(b, a->frame, a->frame_cap, m->out);
	weir_assert(weir_build_end(b));
	return "window result larger than record_max";
}

/* `damage`: what is wrong with the key, or NULL. false: the row is not in, the piece ends. */
static bool show(struct ask *a, const struct global_window *w, const void *entry,
		 const uint64_t *key, const char *damage)
{
	struct weir_builder b;
	const char *reason = NULL;
	struct weir_buf *row;

	if (!weir_query_room(a->out, a->m->member_count))
		return false;
	if (!damage)
		damage = weir__global_fold(a->m, entry);
	if (!damage)
		reason = build(a, w, entry, key, &b);
	row = weir_query_row(a->out);
	if (damage) {
		weir_buf_lit(row, "{\"error\":\"the part of a region is damaged: ");
		weir_buf_lit(row, damage);
		weir_buf_lit(row, "\"}");
		return weir_query_row_end(a->out);
	}
	weir_buf_record_json(row, b.f, a->m->out);
	if (reason && !row->full) {
		row->len--; /* the brace */
		weir_buf_lit(row, ",\"error\":");
		weir_buf_json_str(row, weir_str_c(reason));
		weir_buf_char(row, '}');
	}
	return weir_query_row_end(a->out);
}

/* What is shown of an entry when its key begins as it should; one that cannot be read is shown as that. */
static bool show_entry(struct ask *a, const struct global_window *w, uint32_t number)
{
	const void *entry = weir_table_entry(&w->keys.table, number);
	uint64_t key[GLOBAL_KEY_WORDS];
	const char *damage = weir__global_user_key(a->m, entry, key);
	bool fits = true;

	if (damage || a->q->verb == WEIR_QUERY_GET ||
	    weir_window_key_begins(&a->m->user_key, key, a->q->prefix))
		fits = show(a, w, entry, key, damage);
	weir_slab_reset(&a->m->fold_slab);
	return fits;
}

/* The key as it stands in a record between the regions: an entry to look for. 0, <0: it is none. */
static int key_wanted(struct ask *a, void *ret_entry)
{
	struct global_merge *m = a->m;
	uint64_t key[GLOBAL_KEY_WORDS], hash;
	struct weir_str text;
	struct weir_out o;
	void *p;
	int r = weir_window_key_parse(&m->user_key, a->q->key, &a->slab, key, &a->out->err);

	if (r < 0) {
		weir_err_prefix(&a->out->err, "step `%s`", m->node->step_name);
		return r;
	}
	weir_out_init(&o, m->mem);
	weir_out_put(&o, key, 8);
	weir_window_key_save(&m->user_key, key, &o);
	p = weir_slab_alloc(&a->slab, (size_t)o.bytes);
	weir_out_copy(&o, p);
	text = (struct weir_str){p, (size_t)o.bytes};
	weir_out_fini(&o);
	hash = weir_hash_mix(WEIR_KEYHASH_SEED ^ weir_hash_text(text));
	memset(ret_entry, 0, m->key.bytes);
	memcpy(ret_entry, &hash, 8);
	memcpy((uint8_t *)ret_entry + m->key.at[0], &text, sizeof(text));
	return 0;
}

static int get(struct ask *a)
{
	struct global_merge *m = a->m;
	uint64_t *want = weir_slab_alloc(&a->slab, m->key.bytes);
	int r = key_wanted(a, want);

	if (r < 0)
		return r;
	for (uint32_t i = weir__global_from(m, weir_query_value(a->q->at.n[0])); i < m->live_count;
	     i++) {
		const struct global_window *w = m->live[i];
		bool fits = weir_query_room(a->out, 1);
		uint32_t e = weir_table_find(&w->keys.table, *want, weir_window_key_is_entry, want,
					     &m->key);

		if (fits && e != WEIR_TABLE_NONE)
			fits = show_entry(a, w, e);
		if (!fits) {
			a->out->at.n[0] = weir_query_place(w->start);
			return 1;
		}
	}
	return 0;
}

static int list(struct ask *a)
{
	const struct global_merge *m = a->m;
	int64_t start = weir_query_value(a->q->at.n[0]);

	for (uint32_t i = weir__global_from(m, start); i < m->live_count; i++) {
		const struct global_window *w = m->live[i];

		for (uint64_t e = w->start == start ? a->q->at.n[1] : 0; e < w->keys.table.high;
		     e++) {
			if (weir_query_room(a->out, 1) && show_entry(a, w, (uint32_t)e))
				continue;
			a->out->at = (struct weir_query_at){{weir_query_place(w->start), e}};
			return 1;
		}
	}
	return 0;
}

int weir__global_query(struct weir_node *n, const struct weir_query *q, struct weir_query_out *out)
{
	struct ask a = {.m = n->op, .q = q, .out = out};
	int r;

	if (q->verb == WEIR_QUERY_CONFLICTS)
		return weir_err_set(&out->err, WEIR_E_USAGE,
				    "step `%s` is an aggregate: only tables have conflicts",
				    n->step_name);
	weir_slab_init(&a.slab, a.m->mem);
	r = q->verb == WEIR_QUERY_GET ? get(&a) : list(&a);
	weir_slab_fini(&a.slab);
	return r;
}

int weir_global_query_elsewhere(struct weir_node *n, const struct weir_query *q,
				struct weir_query_out *out)
{
	int whole = (int)strcspn(n->step_name, "+");

	(void)q;
	return weir_err_set(&out->err, WEIR_E_USAGE,
			    "step `%s` holds only this region's part: ask `%.*s`", n->step_name,
			    whole, n->step_name);
}
