/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aggregate: accumulators per key and window. Arguments are columns, each computed once per batch.
 * The part of a global aggregate gives the accumulators themselves (global.h).
 */
#include "base/assert.h"
#include "engine/core/global.h"
#include "engine/core/window.h"

/* A distinct argument expression. */
struct column {
	struct weir_agg_col col;
	const char *text;
	struct weir_expr *expr;
	int field; /* it is just this field: read directly, else -1 */
	unsigned type;
	bool nullable;
	union {
		uint64_t slot[WEIR_BATCH_ROWS];
		struct weir_str str[WEIR_BATCH_ROWS];
	};
	uint8_t state[WEIR_BATCH_ROWS];
};

struct aggregate {
	const struct weir_schema *in;
	const struct weir_agg_spec *spec; /* of agg[] */
	struct weir_evaluator *ev; /* NULL: all arguments are fields */
	uint32_t column_count, agg_count;
	uint32_t bytes; /* of a group of states */
	struct column *column[2 * WEIR_AGGREGATES_MAX];
	struct weir_agg agg[WEIR_AGGREGATES_MAX];
	uint8_t bad[WEIR_BATCH_ROWS];
	/* A part: bytes of a result, and what was told of the node's counters. */
	struct weir_out bytes_out;
	struct weir_global_counts told;
};

/* ---- arguments ---- */

static void column_read(const struct aggregate *g, struct column *c,
			const struct weir_frame *const *row, uint32_t n)
{
	unsigned i = (unsigned)c->field;

	if (weir_type_is_text(c->type)) {
		for (uint32_t k = 0; k < n; k++)
			c->str[k] = weir_get_str(row[k], g->in, i);
	} else {
		for (uint32_t k = 0; k < n; k++)
			c->slot[k] = weir_slot(row[k], g->in, i);
	}
	if (c->nullable) {
		for (uint32_t k = 0; k < n; k++)
			c->state[k] = weir_null(row[k], g->in, i) ? WEIR_LANE_NULL : WEIR_LANE_OK;
	}
}

static bool column_errors(const struct weir_vec *v, uint32_t n, uint8_t *bad)
{
	uint8_t worst = 0;

	for (uint32_t k = 0; k < n; k++) {
		bad[k] = WEIR_MAX(bad[k], v->state[k]);
		worst = WEIR_MAX(worst, v->state[k]);
	}
	return worst > WEIR_LANE_NULL;
}

static const uint8_t *aggregate_prepare(void *ctx, const struct weir_frame *const *row, uint32_t n)
{
	struct aggregate *g = ctx;
	bool errors = false;

	if (g->ev) {
		weir_evaluator_reset(g->ev);
		memset(g->bad, 0, n);
	}
	for (uint32_t i = 0; i < g->column_count; i++) {
		struct column *c = g->column[i];
		const struct weir_vec *v;

		if (c->field >= 0) {
			column_read(g, c, row, n);
			continue;
		}
		v = weir_expr_eval(c->expr, g->ev, row, n);
		c->col.slot = (const uint64_t *)(const void *)v->i64;
		c->col.str = v->str;
		c->col.state = v->clean ? NULL : v->state;
		if (!v->clean)
			errors |= column_errors(v, n, g->bad);
	}
	return errors ? g->bad : NULL;
}

/* ---- states ---- */

static void aggregate_update(void *ctx, const struct weir_agg_rows *rows)
{
	const struct aggregate *g = ctx;

	for (uint32_t i = 0; i < g->agg_count; i++)
		g->agg[i].cls->update(&g->agg[i], rows);
}

static void aggregate_merge(void *ctx, struct weir_slab *slab, void *dst, const void *src)
{
	const struct aggregate *g = ctx;

	for (uint32_t i = 0; i < g->agg_count; i++) {
		const struct weir_agg *a = &g->agg[i];

		a->cls->merge(a, slab, (uint8_t *)dst + a->offset,
			      (const uint8_t *)src + a->offset);
	}
}

static void aggregate_release(void *ctx, struct weir_slab *slab, void *state)
{
	const struct aggregate *g = ctx;

	for (uint32_t i = 0; i < g->agg_count; i++)
		if (g->agg[i].cls->release)
			g->agg[i].cls->release(&g->agg[i], slab,
					       (uint8_t *)state + g->agg[i].offset);
}

static uint32_t aggregate_rows(void *ctx, const void *state)
{
	(void)ctx;
	(void)state;
	return 1;
}

static const char *aggregate_build(void *ctx, const struct weir_window_result *r, uint32_t row,
				   struct weir_builder *b)
{
	const struct aggregate *g = ctx;
	const char *reason = NULL;
	uint32_t at = r->key->count;

	(void)row;
	weir_window_key_build(r->key, r->entry, b);
	weir_build_i64(b, at, r->start);
	weir_build_i64(b, at + 1, r->end);
	for (uint32_t i = 0; i < g->agg_count; i++) {
		const struct weir_agg *a = &g->agg[i];
		const char *why =
			a->cls->build(a, (const uint8_t *)r->state + a->offset, b, at + 2 + i);

		if (!reason)
			reason = why;
	}
	return reason;
}

/* ---- states as bytes: one after the other ---- */

static void aggregate_save(void *ctx, const void *state, struct weir_out *o)
{
	const struct aggregate *g = ctx;

	for (uint32_t i = 0; i < g->agg_count; i++) {
		const struct weir_agg *a = &g->agg[i];

		a->cls->save(a, (const uint8_t *)state + a->offset, o);
	}
}

static int aggregate_load(void *ctx, struct weir_slab *slab, void *state, struct weir_reader *r)
{
	const struct aggregate *g = ctx;

	for (uint32_t i = 0; i < g->agg_count; i++) {
		const struct weir_agg *a = &g->agg[i];
		int code = a->cls->load(a, slab, (uint8_t *)state + a->offset, r);

		if (code < 0) {
			/* Those that are not loaded yet are empty: nothing to give back. */
			aggregate_release(ctx, slab, state);
			memset(state, 0, g->bytes);
			return code;
		}
	}
	return 0;
}

static void sign_arg(struct weir_buf *b, const char *text, struct weir_typeinfo type)
{
	weir_buf_json_str(b, weir_str_c(text));
	weir_buf_char(b, ' ');
	weir_window_sign_type(b, type, false);
}

static void aggregate_sign(void *ctx, struct weir_buf *b)
{
	const struct aggregate *g = ctx;

	for (uint32_t i = 0; i < g->agg_count; i++) {
		const struct weir_agg_spec *s = &g->spec[i];

		weir_buf_lit(b, "aggregate ");
		weir_buf_json_str(b, weir_str_c(s->name));
		weir_buf_char(b, ' ');
		weir_buf_lit(b, g->agg[i].cls->name);
		weir_buf_char(b, '(');
		if (s->arg)
			sign_arg(b, s->arg, s->arg_type);
		if (s->by) {
			weir_buf_lit(b, ", ");
			sign_arg(b, s->by, s->by_type);
		}
		weir_buf_lit(b, ")\n");
	}
}

/* ---- the part of a global aggregate ---- */

static bool build_bytes(struct aggregate *g, struct weir_builder *b, unsigned field)
{
	uint32_t at;
	void *p = weir_build_tail(b, (size_t)g->bytes_out.bytes, 1, &at);

	if (p) {
		weir_out_copy(&g->bytes_out, p);
		weir_build_slot(b, field, (uint64_t)at | g->bytes_out.bytes << 32);
	}
	weir_out_fini(&g->bytes_out);
	return p != NULL;
}

static const char *part_build(void *ctx, const struct weir_window_result *r, uint32_t row,
			      struct weir_builder *b)
{
	struct aggregate *g = ctx;

	(void)row;
	weir_build_i64(b, WEIR_GLOBAL_KIND, WEIR_GLOBAL_PART);
	weir_build_i64(b, WEIR_GLOBAL_START, r->start);
	weir_build_i64(b, WEIR_GLOBAL_END, r->end);
	weir_out_put(&g->bytes_out, r->entry, 8);
	weir_window_key_save(r->key, r->entry, &g->bytes_out);
	if (!build_bytes(g, b, WEIR_GLOBAL_KEY))
		return NULL; /* full: the caller sees it */
	aggregate_save(g, r->state, &g->bytes_out);
	build_bytes(g, b, WEIR_GLOBAL_BODY);
	return NULL;
}

/* Records of these counters are in what is told from here on: nothing of them is state. */
static int part_closing(void *ctx, struct weir_node *n)
{
	struct aggregate *g = ctx;
	struct weir_global_counts now = {n->rows_in, n->late, n->rejects}, d;
	uint32_t cap;
	struct weir_builder b;
	void *mem;

	d = (struct weir_global_counts){now.in - g->told.in, now.late - g->told.late,
					now.rejected - g->told.rejected};
	if (!d.in && !d.late && !d.rejected)
		return 0;
	mem = weir_port_room(&n->port[0])
		      ? weir_port_claim(&n->port[0], WEIR_GLOBAL_COUNT_BYTES, &cap)
		      : NULL;
	if (!mem)
		return 1;
	weir_build_begin(&b, mem, cap, n->port[0].schema);
	weir_build_i64(&b, WEIR_GLOBAL_KIND, WEIR_GLOBAL_COUNT);
	weir_global_counts_put(&g->bytes_out, &d);
	build_bytes(g, &b, WEIR_GLOBAL_BODY);
	weir_assert(weir_build_end(&b));
	weir_port_keep(&n->port[0], weir_frame_stride(b.f));
	weir_port_push(&n->port[0], b.f);
	g->told = now;
	return 0;
}

static void part_sign(void *ctx, struct weir_buf *b)
{
	weir_buf_lit(b, "part 1 ");
	aggregate_sign(ctx, b);
}

/* ---- set-up ---- */

static void aggregate_fini(void *ctx)
{
	struct aggregate *g = ctx;

	for (uint32_t i = 0; i < g->column_count; i++)
		weir_expr_fini(g->column[i]->expr);
	g->column_count = 0;
}

static int column_get(struct aggregate *g, struct weir_node *n, const struct weir_op_env *env,
		      const struct weir_agg_spec *spec, const char *text, struct column **ret)
{
	struct weir_expr_env xe = {.schema = env->in, .regex = env->regex};
	struct weir_expr_error xerr;
	struct column *c;
	int r;

	for (uint32_t i = 0; i < g->column_count; i++) {
		if (strcmp(g->column[i]->text, text) == 0) {
			*ret = g->column[i];
			return 0;
		}
	}
	c = weir_region_new(env->region, struct column);
	r = weir_expr_compile(&xe, weir_str_c(text), env->region, &c->expr, &xerr);
	if (r < 0)
		return weir_err_set(&n->task->err, r, "step `%s`: aggregate `%s`: %s", n->step_name,
				    spec->name, xerr.text);
	c->text = text;
	c->field = weir_expr_field(c->expr);
	c->type = weir_expr_type(c->expr).type;
	if (c->field >= 0) {
		c->nullable = env->in->field[c->field].nullable;
		c->col.slot = c->slot;
		c->col.str = c->str;
		c->col.state = c->nullable ? c->state : NULL;
	} else if (!g->ev) {
		g->ev = weir_evaluator_new(env->region);
	}
	g->column[g->column_count++] = c;
	*ret = c;
	return 0;
}

static int agg_add(struct aggregate *g, struct weir_node *n, const struct weir_op_env *env,
		   const struct weir_agg_spec *spec)
{
	struct weir_agg *a = &g->agg[g->agg_count];
	struct column *c;
	int r = weir_agg_init(a, spec);

	if (r < 0)
		return weir_err_set(&n->task->err, r,
				    "step `%s`: aggregate `%s` does not take type %s", n->step_name,
				    spec->name, weir_type_name(spec->arg_type.type));
	if (spec->arg) {
		r = column_get(g, n, env, spec, spec->arg, &c);
		if (r < 0)
			return r;
		a->arg = &c->col;
	}
	if (spec->by) {
		r = column_get(g, n, env, spec, spec->by, &c);
		if (r < 0)
			return r;
		a->by = &c->col;
	}
	g->agg_count++;
	return 0;
}

int weir_aggregate_init(struct weir_node *n, const struct weir_op_env *env)
{
	const struct weir_aggregate_spec *spec = &env->step->aggregate;
	struct aggregate *g = weir_region_new(env->region, struct aggregate);
	struct weir_window_payload p = {
		.prepare = aggregate_prepare,
		.update = aggregate_update,
		.merge = aggregate_merge,
		.release = aggregate_release,
		.rows = aggregate_rows,
		.build = aggregate_build,
		.fini = aggregate_fini,
		.save = aggregate_save,
		.load = aggregate_load,
		.sign = aggregate_sign,
		.part = spec->global != NULL,
		.asked = !spec->global,
		.ctx = g,
	};

	g->in = env->in;
	g->spec = spec->agg;
	weir_out_init(&g->bytes_out, n->task->mem);
	if (spec->global) {
		p.build = part_build;
		p.closing = part_closing;
		p.sign = part_sign;
	}
	for (uint32_t i = 0; i < spec->agg_count; i++) {
		int r = agg_add(g, n, env, &spec->agg[i]);

		if (r < 0) {
			aggregate_fini(g);
			return r;
		}
		g->agg[i].offset = p.bytes;
		p.bytes += g->agg[i].size;
		p.slab |= g->agg[i].slab;
	}
	g->bytes = p.bytes;
	return weir_window_init(n, env, &spec->window, spec->key, spec->key_count, &p);
}
