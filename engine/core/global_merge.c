/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A: the newest accumulators of every region, by window and key.
 *
 *   final        when the smallest MARK of all members is past window end and lateness, at the MARK
 *   provisional  at a barrier, `provisional` after the first part came, then as often while something changes
 *
 * A watermark passes on at the next barrier: what the final results allow (the smallest MARK less the lateness). Neither a final nor
 * a provisional result is behind it.
 */
#include "base/assert.h"
#include "base/keyhash.h"
#include "engine/core/global_int.h"

static int damaged(struct global_merge *m, const char *what)
{
	return weir_err_set(&m->node->task->err, WEIR_E_CORRUPT,
			    "step `%s`: a record between the regions is wrong: %s",
			    m->node->step_name, what);
}

/* ---- records ---- */

/* Is what came older than what there is, or the same again? */
static bool keep_old(const struct global_part *p, int64_t version, struct weir_str body)
{
	if (weir_planted(GLOBAL_BY_VALUE))
		return weir_str_cmp((struct weir_str){p->body.p, p->body.n}, body) >= 0;
	return version <= p->version && !weir_planted(GLOBAL_OLD_PART);
}

static int take_part(struct global_merge *m, uint32_t member, const struct weir_frame *f)
{
	static const uint16_t key[1] = {WEIR_GLOBAL_KEY};
	const struct weir_schema *s = weir_global_schema();
	int64_t start = weir_get_i64(f, s, WEIR_GLOBAL_START);
	int64_t end = weir_get_i64(f, s, WEIR_GLOBAL_END);
	int64_t version = weir_get_i64(f, s, WEIR_GLOBAL_VERSION);
	struct weir_str body = weir_get_str(f, s, WEIR_GLOBAL_BODY);
	uint64_t hash = weir_key_hash(f, s, key, 1);
	struct global_window *w;
	struct global_part *p;
	uint32_t e;

	if (version <= 0 || !weir__global_start_fine(m, start) || end != start + m->slicing.size)
		return damaged(m, "a window that is none");
	if (global_horizon(m, start) <= m->passed) {
		/* Its own MARK was before it, or it comes again: the result is final. */
		weir_probe("global.done_part");
		m->node->late++;
		return 0;
	}
	w = weir__global_window(m, start);
	e = weir_table_find(&w->keys.table, hash, weir_window_key_is_frame, f, &m->key);
	if (e == WEIR_TABLE_NONE) {
		e = weir_table_insert(&w->keys.table, hash);
		weir_window_key_store(&m->key, f, &w->slab, weir_table_entry(&w->keys.table, e));
	}
	p = &global_parts(m, weir_table_entry(&w->keys.table, e))[member];
	if (p->version && keep_old(p, version, body)) {
		weir_probe("global.old_part");
		return 0;
	}
	if (m->track.on)
		weir_track_change(&m->track, &w->keys, e);
	p->version = version;
	weir_agg_text_set(&p->body, &w->slab, body);
	return 0;
}

/* The smallest mark of all; with planted bugs, of all but one. */
static int64_t smallest_mark(const struct global_merge *m)
{
	int64_t first = WEIR_TIME_MAX, second = WEIR_TIME_MAX;

	for (uint32_t i = 0; i < m->member_count; i++) {
		int64_t w = m->member[i].mark;

		if (w < first) {
			second = first;
			first = w;
		} else {
			second = WEIR_MIN(second, w);
		}
	}
	return weir_planted(GLOBAL_FINAL_EARLY) && m->member_count > 1 ? second : first;
}

static int take_mark(struct global_merge *m, uint32_t member, const struct weir_frame *f)
{
	const struct weir_schema *s = weir_global_schema();
	struct global_member *g = &m->member[member];
	int64_t version = weir_get_i64(f, s, WEIR_GLOBAL_VERSION);
	struct weir_global_counts c;

	if (version <= 0 || !weir_global_counts_get(weir_get_str(f, s, WEIR_GLOBAL_BODY), &c))
		return damaged(m, "a mark that is none");
	if (version <= g->version)
		return 0;
	g->version = version;
	g->counts = c;
	g->mark = WEIR_MAX(g->mark, weir_get_i64(f, s, WEIR_GLOBAL_END));
	m->passed = WEIR_MAX(m->passed, smallest_mark(m));
	if (m->live_count && global_horizon(m, m->live[0]->start) <= m->passed) {
		m->firing = GLOBAL_FINAL;
		m->at = 0;
	}
	return 0;
}

static int take_row(struct global_merge *m, const struct weir_frame *f)
{
	const struct weir_schema *s = weir_global_schema();
	int member = weir__global_index(m, weir_get_i64(f, s, WEIR_GLOBAL_REGION));

	if (member < 0)
		return damaged(m, "it is of a region that takes no part");
	switch (weir_get_i64(f, s, WEIR_GLOBAL_KIND)) {
	case WEIR_GLOBAL_PART:
		return take_part(m, (uint32_t)member, f);
	case WEIR_GLOBAL_MARK:
		return take_mark(m, (uint32_t)member, f);
	default:
		return damaged(m, "its kind is unknown");
	}
}

/* ---- controls ---- */

/* The watermark that final results allow, before the control at hand. false: no room. */
static bool forward_watermark(struct global_merge *m)
{
	struct weir_node *n = m->node;
	int64_t w = weir_watermark_less(m->passed, m->slicing.lateness);
	struct weir_ctl ctl = n->in.ctl;
	bool through;

	if (w <= n->watermark)
		return true;
	n->in.ctl = (struct weir_ctl){.kind = WEIR_FRAME_WATERMARK, .value = w};
	through = weir_node_forward_ctl(n);
	n->in.ctl = ctl;
	return through;
}

/* true: something was done. */
static bool merge_ctl(struct global_merge *m)
{
	struct weir_node *n = m->node;
	struct weir_ctl *ctl = &n->in.ctl;

	if (ctl->kind == WEIR_FRAME_WATERMARK) {
		ctl->kind = 0; /* marks say more */
		return true;
	}
	if (ctl->kind == WEIR_FRAME_BARRIER && !m->looked && m->provisional_ns) {
		m->looked = true;
		m->firing = GLOBAL_PROVISIONAL;
		m->at = 0;
		m->now_ns = n->task->now_ns;
		return true;
	}
	if (ctl->kind == WEIR_FRAME_BARRIER && !forward_watermark(m))
		return false;
	if (!weir_node_forward_ctl(n))
		return false;
	m->looked = false;
	return true;
}

static int merge_run(struct weir_node *n)
{
	struct global_merge *m = n->op;
	int progress = 0, r;

	for (;;) {
		if (m->firing) {
			uint64_t before = n->port[0].rows + n->rejects;

			r = weir__global_fire(m);
			progress |= r == 0 || n->port[0].rows + n->rejects != before;
			if (r)
				return r < 0 ? r : progress;
			n->in.pos += m->taken;
			m->taken = 0;
		} else if (n->in.pos < n->in.count) {
			r = take_row(m, n->in.row[n->in.pos]);
			if (r < 0)
				return r;
			n->rows_in++;
			progress = 1;
			/* A row that makes results stays in the input until they are out, so that the task is not
			 * taken for idle. */
			if (m->firing)
				m->taken = 1;
			else
				n->in.pos++;
		} else if (n->in.ctl.kind && merge_ctl(m)) {
			progress = 1;
		} else {
			return progress;
		}
	}
}

/* ---- set-up ---- */

static void window_free(struct global_merge *m, struct global_window *w)
{
	weir_tracked_fini(&w->keys);
	weir_slab_fini(&w->slab);
	m->mem->free(m->mem->ctx, w, sizeof(*w));
}

static void merge_fini(struct weir_node *n)
{
	struct global_merge *m = n->op;

	for (struct global_window *w = m->frozen, *next; w; w = next) {
		next = w->next_frozen;
		if (w->leaving)
			window_free(m, w);
	}
	for (uint32_t i = 0; i < m->live_count; i++)
		window_free(m, m->live[i]);
	for (struct global_window *w = m->spare, *next; w; w = next) {
		next = w->next;
		window_free(m, w);
	}
	if (m->live_cap)
		m->mem->free(m->mem->ctx, m->live, m->live_cap * sizeof(*m->live));
	if (m->order_cap)
		m->mem->free(m->mem->ctx, m->order, m->order_cap * sizeof(*m->order));
	weir_track_fini(&m->track);
	weir__global_result_fini(m);
}

static const struct weir_op_class merge_class = {.name = "merge",
						 .run = merge_run,
						 .fini = merge_fini,
						 .state = &weir__global_merge_state,
						 .query = weir__global_query};

static void members_init(struct global_merge *m, const struct weir_global_spec *g,
			 struct weir_region *region)
{
	weir_assert(g->member_count && g->member_count <= WEIR_GLOBAL_MEMBERS_MAX);
	m->member_count = m->here = g->member_count;
	m->member = weir_region_array(region, struct global_member, g->member_count);
	for (uint32_t i = 0; i < g->member_count; i++) {
		m->member[i] = (struct global_member){.name = g->member[i],
						      .id = weir_global_region_id(g->member[i]),
						      .mark = WEIR_TIME_MIN};
		if (strcmp(g->member[i], g->here) == 0)
			m->here = i;
	}
}

int weir_global_merge_init(struct weir_node *n, const struct weir_op_env *env)
{
	static const uint16_t key[1] = {WEIR_GLOBAL_KEY};
	const struct weir_aggregate_spec *spec = &env->step->aggregate;
	struct global_merge *m = weir_region_new(env->region, struct global_merge);
	uint32_t bytes;
	int r;

	weir_assert(spec->global && env->instances == 1);
	m->node = n;
	m->mem = n->task->mem;
	m->out = env->step->port[0].schema;
	m->policy = env->step->on_error;
	m->rejects_port = env->rejects_port;
	m->provisional_ns = spec->global->provisional_ns;
	m->passed = WEIR_TIME_MIN;
	if (weir_slicing_init(&m->slicing, &spec->window) < 0)
		return weir_err_set(&n->task->err, WEIR_E_RANGE,
				    "step `%s`: window length out of range", n->step_name);
	members_init(m, spec->global, env->region);
	weir_assert(weir_window_key_init(&m->key, weir_global_schema(), key, 1) == 0);
	r = weir__global_result_init(m, env);
	if (r < 0)
		return r;
	bytes = m->key.bytes + 8 + m->member_count * (uint32_t)sizeof(struct global_part);
	weir_track_init(&m->track, n, env->epochs, &m->key, bytes, weir__global_save, m);
	n->cls = &merge_class;
	n->op = m;
	return 0;
}
