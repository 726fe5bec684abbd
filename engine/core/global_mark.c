/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A+mark: whose the parts are, their versions, and how far the region is.
 *
 * Watermarks are held back until another control comes, most often the barrier: then a MARK says the newest one, behind all
 * parts it covers, and the watermark itself and the control follow. So there is about one MARK for an epoch.
 *
 *   part of a bundle:  version i64 | watermark seen i64 | told in the newest MARK i64 | counts, varints | of the newest MARK, varints |
 */
#include "base/assert.h"
#include "base/hooks.h"
#include "engine/core/freeze.h"
#include "engine/core/global.h"

struct mark {
	int64_t region, version;
	int64_t seen; /* watermark of the input */
	int64_t told; /* in the newest MARK */
	struct weir_global_counts counts, counts_told;
};

static int mark_bad(struct weir_node *n, const char *what)
{
	return weir_err_set(&n->task->err, WEIR_E_CORRUPT, "step `%s`: %s", n->step_name, what);
}

/* ---- rows ---- */

static void set_slot(struct weir_frame *f, const struct weir_schema *s, unsigned i, int64_t v)
{
	memcpy((uint8_t *)(f + 1) + (size_t)8 * (s->null_words + i), &v, 8);
}

/* 0, 1: no room, <0. */
static int mark_row(struct weir_node *n, const struct weir_frame *f)
{
	const struct weir_schema *s = weir_global_schema();
	uint32_t bytes = weir_frame_stride(f), cap;
	struct weir_global_counts c;
	struct mark *m = n->op;
	struct weir_frame *to;

	if (weir_get_i64(f, s, WEIR_GLOBAL_KIND) == WEIR_GLOBAL_COUNT) {
		if (!weir_global_counts_get(weir_get_str(f, s, WEIR_GLOBAL_BODY), &c))
			return mark_bad(n, "counts that are none");
		m->counts.in += c.in;
		m->counts.late += c.late;
		m->counts.rejected += c.rejected;
		return 0;
	}
	weir_assert(weir_get_i64(f, s, WEIR_GLOBAL_KIND) == WEIR_GLOBAL_PART);
	to = weir_port_room(&n->port[0]) ? weir_port_claim(&n->port[0], bytes, &cap) : NULL;
	if (!to)
		return 1;
	weir_frame_copy(to, f, bytes);
	set_slot(to, s, WEIR_GLOBAL_REGION, m->region);
	set_slot(to, s, WEIR_GLOBAL_VERSION, ++m->version);
	weir_port_keep(&n->port[0], bytes);
	weir_port_push(&n->port[0], to);
	return 0;
}

/* ---- marks ---- */

static bool same_counts(const struct weir_global_counts *a, const struct weir_global_counts *b)
{
	return a->in == b->in && a->late == b->late && a->rejected == b->rejected;
}

/* false: no room. */
static bool tell(struct weir_node *n)
{
	struct mark *m = n->op;
	struct weir_builder b;
	struct weir_out body;
	uint32_t cap, at;
	void *mem, *p;

	if (m->seen <= m->told && same_counts(&m->counts, &m->counts_told))
		return true;
	mem = weir_port_room(&n->port[0])
		      ? weir_port_claim(&n->port[0], WEIR_GLOBAL_COUNT_BYTES, &cap)
		      : NULL;
	if (!mem)
		return false;
	weir_build_begin(&b, mem, cap, weir_global_schema());
	weir_build_i64(&b, WEIR_GLOBAL_KIND, WEIR_GLOBAL_MARK);
	weir_build_i64(&b, WEIR_GLOBAL_REGION, m->region);
	weir_build_i64(&b, WEIR_GLOBAL_VERSION, ++m->version);
	weir_build_i64(&b, WEIR_GLOBAL_END, m->seen);
	weir_out_init(&body, n->task->mem);
	weir_global_counts_put(&body, &m->counts);
	p = weir_build_tail(&b, (size_t)body.bytes, 1, &at);
	weir_assert(p);
	weir_out_copy(&body, p);
	weir_build_slot(&b, WEIR_GLOBAL_BODY, (uint64_t)at | body.bytes << 32);
	weir_out_fini(&body);
	b.f->flags = WEIR_FRAME_F_TIMED;
	b.f->time_ns = m->seen;
	weir_assert(weir_build_end(&b));
	weir_port_keep(&n->port[0], weir_frame_stride(b.f));
	weir_port_push(&n->port[0], b.f);
	m->told = m->seen;
	m->counts_told = m->counts;
	return true;
}

/* Another control before the one at hand. */
static bool forward_watermark(struct weir_node *n, int64_t w)
{
	struct weir_ctl ctl = n->in.ctl;
	bool through;

	if (w <= n->watermark)
		return true;
	n->in.ctl = (struct weir_ctl){.kind = WEIR_FRAME_WATERMARK, .value = w};
	through = weir_node_forward_ctl(n);
	n->in.ctl = ctl;
	return through;
}

static bool mark_ctl(struct weir_node *n)
{
	struct mark *m = n->op;
	struct weir_ctl *ctl = &n->in.ctl;

	if (ctl->kind == WEIR_FRAME_WATERMARK) {
		m->seen = WEIR_MAX(m->seen, ctl->value);
		ctl->kind = 0;
		return true;
	}
	if (ctl->kind == WEIR_FRAME_EOS)
		m->seen = WEIR_TIME_MAX;
	if (ctl->kind == WEIR_FRAME_MARKER)
		return weir_node_forward_ctl(n);
	return tell(n) && (ctl->kind == WEIR_FRAME_EOS || forward_watermark(n, m->seen)) &&
	       weir_node_forward_ctl(n);
}

static int mark_run(struct weir_node *n)
{
	struct mark *m = n->op;
	int progress = 0;

	if (weir_planted(GLOBAL_MARK_FIRST) && n->in.ctl.kind == WEIR_FRAME_WATERMARK) {
		m->seen = WEIR_MAX(m->seen, n->in.ctl.value);
		if (!tell(n))
			return 0;
	}
	for (; n->in.pos < n->in.count; n->in.pos++, n->rows_in++, progress = 1) {
		int r = mark_row(n, n->in.row[n->in.pos]);

		if (r)
			return r < 0 ? r : progress;
	}
	if (n->in.ctl.kind && mark_ctl(n))
		progress = 1;
	return progress;
}

/* ---- state ---- */

static void mark_freeze(struct weir_node *n, struct weir_out *o)
{
	const struct mark *m = n->op;

	weir_out_i64(o, m->version);
	weir_out_i64(o, m->seen);
	weir_out_i64(o, m->told);
	weir_global_counts_put(o, &m->counts);
	weir_global_counts_put(o, &m->counts_told);
}

static void counts_read(struct weir_reader *r, struct weir_global_counts *c)
{
	c->in = weir_read_varint(r);
	c->late = weir_read_varint(r);
	c->rejected = weir_read_varint(r);
}

static int mark_restore(struct weir_node *n, struct weir_restore *r)
{
	struct mark *m = n->op;

	m->version = weir_read_i64(&r->in);
	m->seen = weir_read_i64(&r->in);
	m->told = weir_read_i64(&r->in);
	counts_read(&r->in, &m->counts);
	counts_read(&r->in, &m->counts_told);
	if (r->in.bad || weir_reader_left(&r->in) || m->version < 0 || m->told > m->seen)
		return weir_err_set(&n->task->err, WEIR_E_CORRUPT,
				    "step `%s`: its saved state is damaged", n->step_name);
	if (weir_planted(GLOBAL_VERSION_LOST))
		m->version = 0;
	return 0;
}

static void mark_sign(const struct weir_node *n, struct weir_buf *b)
{
	(void)n;
	weir_buf_lit(b, "mark 1\n");
}

static const struct weir_state_ops mark_state = {
	.freeze = mark_freeze, .restore = mark_restore, .sign = mark_sign};
static const struct weir_op_class mark_class = {.name = "mark",
						.run = mark_run,
						.state = &mark_state,
						.query = weir_global_query_elsewhere};

int weir_global_mark_init(struct weir_node *n, const struct weir_op_env *env)
{
	struct mark *m = weir_region_new(env->region, struct mark);

	weir_assert(env->step->aggregate.global && env->instances == 1);
	m->region = weir_global_region_id(env->step->aggregate.global->here);
	m->seen = m->told = WEIR_TIME_MIN;
	n->cls = &mark_class;
	n->op = m;
	return 0;
}
