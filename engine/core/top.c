/* SPDX-License-Identifier: Apache-2.0 */
/*
 * top: the k records with the largest (or smallest) `by` per key and window, best first.
 *
 * Equal `by`: earlier time first, then by the bytes of the record, so that the result does not depend
 * on the order of arrival. With ties, everything equal to the k-th stays. A record whose `by` is
 * null is left out; NaN comes after all numbers.
 */
#include "engine/core/window.h"

/* A kept record: a copy in the slab, and its `by`. */
struct kept {
	struct weir_frame *frame;
	int64_t rank;
	struct weir_agg_text text; /* of a text `by` */
};

struct top_state {
	struct kept *kept; /* best first */
	uint32_t count, cap;
};

struct top {
	const struct weir_schema *in;
	struct weir_evaluator *ev;
	struct weir_expr *by;
	const struct weir_vec *vec; /* of the batch at hand; not used for a field */
	const char *by_text;
	int field;
	struct weir_typeinfo type;
	uint32_t k;
	bool smallest, ties, text;
};

static const uint8_t *top_prepare(void *ctx, const struct weir_frame *const *row, uint32_t n)
{
	struct top *o = ctx;

	if (o->field >= 0)
		return NULL;
	weir_evaluator_reset(o->ev);
	o->vec = weir_expr_eval(o->by, o->ev, row, n);
	if (!o->vec->clean) {
		for (uint32_t i = 0; i < n; i++)
			if (o->vec->state[i] > WEIR_LANE_NULL)
				return o->vec->state;
	}
	return NULL;
}

/* `by` of a lane: false when null. Text is left where it is. */
weir_inline bool by_get(const struct top *o, const struct weir_frame *f, uint32_t lane,
			int64_t *ret_rank, struct weir_str *ret_text)
{
	uint64_t slot;

	*ret_rank = 0;
	*ret_text = (struct weir_str){0};
	if (o->field >= 0) {
		if (weir_null(f, o->in, (unsigned)o->field))
			return false;
		slot = weir_slot(f, o->in, (unsigned)o->field);
		if (o->text)
			*ret_text = weir_slot_str(f, slot);
	} else {
		if (weir_vec_state(o->vec, lane) != WEIR_LANE_OK)
			return false;
		if (o->text)
			*ret_text = o->vec->str[lane];
		slot = o->text ? 0 : (uint64_t)o->vec->i64[lane];
	}
	if (o->type.type == WEIR_FLOAT64)
		*ret_rank = weir_f64_rank(slot, !o->smallest);
	else if (!o->text)
		*ret_rank = (int64_t)slot;
	return true;
}

/* <0: the candidate is better than what is kept, by rank alone. */
static int cmp_rank(const struct top *o, int64_t rank, struct weir_str text, const struct kept *r)
{
	int c;

	if (o->text)
		c = weir_str_cmp(text, (struct weir_str){r->text.p, r->text.n});
	else
		c = (rank > r->rank) - (rank < r->rank);
	return o->smallest ? c : -c;
}

static int cmp_frame(const struct weir_frame *a, const struct weir_frame *b)
{
	size_t n = WEIR_MIN(a->size, b->size) - sizeof(*a);
	int c;

	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns ? -1 : 1;
	c = memcmp(a + 1, b + 1, n);
	if (c)
		return c;
	return (a->size > b->size) - (a->size < b->size);
}

static void kept_free(struct weir_slab *slab, struct kept *r)
{
	weir_slab_free(slab, r->frame, r->frame->size);
	weir_agg_text_free(&r->text, slab);
}

static void state_grow(struct top_state *s, struct weir_slab *slab)
{
	uint32_t cap = s->cap ? s->cap * 2 : 4;
	struct kept *kept = weir_slab_alloc(slab, cap * sizeof(*kept));

	if (s->count)
		memcpy(kept, s->kept, s->count * sizeof(*kept));
	weir_slab_free(slab, s->kept, s->cap * sizeof(*kept));
	s->kept = kept;
	s->cap = cap;
}

static void state_offer(const struct top *o, struct top_state *s, struct weir_slab *slab,
			const struct weir_frame *f, int64_t rank, struct weir_str text)
{
	uint32_t low = 0, high = s->count;
	struct kept *r;

	if (s->count >= o->k) {
		int c = cmp_rank(o, rank, text, &s->kept[o->k - 1]);

		if (c > 0 || (c == 0 && !o->ties && cmp_frame(f, s->kept[o->k - 1].frame) >= 0))
			return;
	}
	while (low < high) {
		uint32_t mid = (low + high) / 2;
		int c = cmp_rank(o, rank, text, &s->kept[mid]);

		if (c == 0)
			c = cmp_frame(f, s->kept[mid].frame);
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	if (s->count == s->cap)
		state_grow(s, slab);
	r = &s->kept[low];
	memmove(r + 1, r, (s->count - low) * sizeof(*r));
	s->count++;
	memset(r, 0, sizeof(*r));
	r->frame = weir_slab_alloc(slab, f->size);
	memcpy(r->frame, f, f->size);
	r->rank = rank;
	if (o->text)
		weir_agg_text_set(&r->text, slab, text);
	while (s->count > o->k) {
		struct kept *last = &s->kept[s->count - 1], *edge = &s->kept[o->k - 1];

		if (o->ties && cmp_rank(o, last->rank,
					(struct weir_str){last->text.p, last->text.n}, edge) == 0)
			break;
		kept_free(slab, last);
		s->count--;
	}
}

static void top_update(void *ctx, const struct weir_agg_rows *rows)
{
	const struct top *o = ctx;

	for (uint32_t i = 0; i < rows->count; i++) {
		uint32_t lane = rows->lane[i];
		struct weir_str text;
		int64_t rank;

		if (by_get(o, rows->frame[lane], lane, &rank, &text))
			state_offer(o, (struct top_state *)(void *)rows->at[i], rows->slab[i],
				    rows->frame[lane], rank, text);
	}
}

static void top_merge(void *ctx, struct weir_slab *slab, void *dst, const void *src)
{
	const struct top_state *s = src;

	for (uint32_t i = 0; i < s->count; i++) {
		const struct kept *r = &s->kept[i];

		state_offer(ctx, dst, slab, r->frame, r->rank,
			    (struct weir_str){r->text.p, r->text.n});
	}
}

static void top_release(void *ctx, struct weir_slab *slab, void *state)
{
	struct top_state *s = state;

	(void)ctx;
	for (uint32_t i = 0; i < s->count; i++)
		kept_free(slab, &s->kept[i]);
	weir_slab_free(slab, s->kept, s->cap * sizeof(*s->kept));
	*s = (struct top_state){0};
}

static uint32_t top_rows(void *ctx, const void *state)
{
	(void)ctx;
	return ((const struct top_state *)state)->count;
}

static const char *top_build(void *ctx, const struct weir_window_result *r, uint32_t row,
			     struct weir_builder *b)
{
	const struct top *o = ctx;
	const struct weir_frame *f = ((const struct top_state *)r->state)->kept[row].frame;
	unsigned fields = o->in->field_count;

	for (unsigned i = 0; i < fields; i++)
		weir_build_copy(b, i, f, o->in, i);
	weir_build_i64(b, fields, r->start);
	weir_build_i64(b, fields + 1, r->end);
	return NULL;
}

/*
 * ---- bytes: varint number of records, then the records, best first ----
 *
 *   | event time, 8 bytes | varint length, payload of the frame | `by`: 8 bytes or a text |
 *
 * `by` is not there when it is a field. Of the frame's header only the time is kept: nothing else of it
 * reaches a result, and it may differ between two ways to the same state.
 */

static void top_save(void *ctx, const void *state, struct weir_out *out)
{
	const struct top *o = ctx;
	const struct top_state *s = state;

	weir_out_varint(out, s->count);
	for (uint32_t i = 0; i < s->count; i++) {
		const struct kept *r = &s->kept[i];

		weir_out_i64(out, r->frame->time_ns);
		weir_out_text(out, (struct weir_str){(const char *)weir_payload(r->frame),
						     r->frame->size - sizeof(*r->frame)});
		if (o->field >= 0)
			continue;
		if (o->text)
			weir_out_text(out, (struct weir_str){r->text.p, r->text.n});
		else
			weir_out_i64(out, r->rank);
	}
}

/* r is zeroed; what it has got when this fails is in it. */
static bool kept_load(const struct top *o, struct weir_slab *slab, struct kept *r,
		      struct weir_reader *in)
{
	int64_t time_ns = weir_read_i64(in);
	struct weir_str payload = weir_read_text(in), text;

	if (in->bad || payload.n > WEIR_OUT_TEXT_MAX)
		return false;
	r->frame = weir_slab_alloc(slab, sizeof(*r->frame) + payload.n);
	*r->frame = (struct weir_frame){.size = (uint32_t)(sizeof(*r->frame) + payload.n),
					.kind = WEIR_FRAME_DATA,
					.flags = WEIR_FRAME_F_TIMED,
					.stream = o->in->stream,
					.time_ns = time_ns};
	memcpy(r->frame + 1, payload.p, payload.n);
	if (weir_frame_check(r->frame, weir_frame_stride(r->frame), o->in) < 0)
		return false;
	if (o->field >= 0) {
		if (!by_get(o, r->frame, 0, &r->rank, &text))
			return false;
		if (o->text)
			weir_agg_text_set(&r->text, slab, text);
		return true;
	}
	if (o->text)
		return weir_agg_text_load(&r->text, slab, in);
	r->rank = weir_read_i64(in);
	return !in->bad && weir_agg_rank_fine(o->type, r->rank, !o->smallest);
}

/* Is the last record one that state_offer() would have left where it is? */
static bool last_fits(const struct top *o, const struct top_state *s)
{
	const struct kept *r = &s->kept[s->count - 1];
	struct weir_str text = {r->text.p, r->text.n};
	int c;

	if (s->count > 1) {
		c = cmp_rank(o, r->rank, text, r - 1);
		if (c < 0 || (c == 0 && cmp_frame(r->frame, r[-1].frame) < 0))
			return false;
	}
	return s->count <= o->k || (o->ties && cmp_rank(o, r->rank, text, &s->kept[o->k - 1]) == 0);
}

static int top_load(void *ctx, struct weir_slab *slab, void *state, struct weir_reader *in)
{
	const struct top *o = ctx;
	struct top_state *s = state;
	uint64_t n = weir_read_varint(in);
	bool fine = !in->bad && n <= weir_reader_left(in);

	for (uint64_t i = 0; fine && i < n; i++) {
		struct kept *r;

		if (s->count == s->cap)
			state_grow(s, slab);
		r = &s->kept[s->count];
		memset(r, 0, sizeof(*r));
		fine = kept_load(o, slab, r, in);
		if (r->frame)
			s->count++;
		fine = fine && last_fits(o, s);
	}
	if (fine)
		return 0;
	top_release(ctx, slab, s);
	return WEIR_E_CORRUPT;
}

static void top_sign(void *ctx, struct weir_buf *b)
{
	const struct top *o = ctx;

	weir_buf_printf(b, "top %u %s%s by ", o->k, o->smallest ? "smallest" : "largest",
			o->ties ? " ties" : "");
	weir_buf_json_str(b, weir_str_c(o->by_text));
	weir_buf_char(b, ' ');
	weir_window_sign_type(b, o->type, false);
	weir_buf_char(b, '\n');
	for (unsigned i = 0; i < o->in->field_count; i++) {
		const struct weir_field *f = &o->in->field[i];

		weir_buf_lit(b, "field ");
		weir_buf_json_str(b, weir_str_c(f->name));
		weir_buf_char(b, ' ');
		weir_window_sign_type(b, f->type, f->nullable);
		weir_buf_char(b, '\n');
	}
}

static void top_fini(void *ctx)
{
	struct top *o = ctx;

	weir_expr_fini(o->by);
	o->by = NULL;
}

int weir_top_init(struct weir_node *n, const struct weir_op_env *env)
{
	const struct weir_top_spec *spec = &env->step->top;
	struct top *o = weir_region_new(env->region, struct top);
	struct weir_expr_env xe = {.schema = env->in, .regex = env->regex};
	struct weir_expr_error xerr;
	struct weir_window_payload p = {
		.bytes = sizeof(struct top_state),
		.slab = true,
		.prepare = top_prepare,
		.update = top_update,
		.merge = top_merge,
		.release = top_release,
		.rows = top_rows,
		.build = top_build,
		.fini = top_fini,
		.save = top_save,
		.load = top_load,
		.sign = top_sign,
		.ctx = o,
	};
	int r = weir_expr_compile(&xe, weir_str_c(spec->by), env->region, &o->by, &xerr);

	if (r < 0)
		return weir_err_set(&n->task->err, r, "step `%s`: by: %s", n->step_name, xerr.text);
	o->in = env->in;
	o->by_text = spec->by;
	o->field = weir_expr_field(o->by);
	o->type = weir_expr_type(o->by);
	o->text = weir_type_is_text(o->type.type);
	o->k = WEIR_MAX(spec->k, 1u);
	o->smallest = spec->smallest;
	o->ties = spec->ties;
	if (o->field < 0)
		o->ev = weir_evaluator_new(env->region);
	if (o->type.type == WEIR_LIST) {
		top_fini(o);
		return weir_err_set(&n->task->err, WEIR_E_TYPE,
				    "step `%s`: by: a list has no order", n->step_name);
	}
	return weir_window_init(n, env, &spec->window, spec->key, spec->key_count, &p);
}
