/* SPDX-License-Identifier: Apache-2.0 */
/*
 * min, max, first, last, arg_min, arg_max: the value with the best rank.
 *
 *              rank          better         equal ranks
 *   min, max   the value     less, greater  the same value
 *   first      event time    less           smaller value
 *   last       event time    greater        larger value
 *   arg_min    by            less           smaller value
 *   arg_max    by            greater        smaller value
 *
 * Floats are turned into integers of the same order, so that there are two kinds of values only:
 * integers and text.
 *
 * Bytes: 0, or 1, the rank if there is one beside the value, the value; 8 bytes each, or a text.
 */
#include "engine/core/agg_fn.h"

/* min and max of fixed-size types: the common case. */
struct best_fixed {
	uint64_t has;
	int64_t value;
};

union cell {
	int64_t fixed;
	struct weir_agg_text text;
};

struct best {
	uint64_t has;
	union cell rank, value; /* rank is not used by min and max of text */
};

/* A candidate: either part is fixed or text, as the types say. */
struct candidate {
	int64_t rank, value;
	struct weir_str rank_text, value_text;
};

static bool is_text(struct weir_typeinfo t)
{
	return weir_type_is_text(t.type);
}

static int64_t to_rank(struct weir_typeinfo t, uint64_t slot, bool nan_low)
{
	return t.type == WEIR_FLOAT64 ? weir_f64_rank(slot, nan_low) : (int64_t)slot;
}

static uint64_t from_rank(struct weir_typeinfo t, int64_t rank)
{
	return t.type == WEIR_FLOAT64 ? weir_f64_unrank(rank) : (uint64_t)rank;
}

/* ---- min and max, fixed size ---- */

weir_inline void fixed_update(const struct weir_agg *a, const struct weir_agg_rows *rows, bool max,
			      bool f64)
{
	const struct weir_agg_col *c = a->arg;

	for (uint32_t i = 0; i < rows->count; i++) {
		uint32_t lane = rows->lane[i];
		struct best_fixed *s = (struct best_fixed *)(void *)(rows->at[i] + a->offset);
		int64_t v;

		if (weir__agg_null(c, lane))
			continue;
		v = f64 ? weir_f64_rank(c->slot[lane], max) : (int64_t)c->slot[lane];
		if (!s->has || (max ? v > s->value : v < s->value))
			s->value = v;
		s->has = 1;
	}
}

static void min_update(const struct weir_agg *a, const struct weir_agg_rows *rows)
{
	fixed_update(a, rows, false, false);
}

static void max_update(const struct weir_agg *a, const struct weir_agg_rows *rows)
{
	fixed_update(a, rows, true, false);
}

static void min_f64_update(const struct weir_agg *a, const struct weir_agg_rows *rows)
{
	fixed_update(a, rows, false, true);
}

static void max_f64_update(const struct weir_agg *a, const struct weir_agg_rows *rows)
{
	fixed_update(a, rows, true, true);
}

static void min_merge(const struct weir_agg *a, struct weir_slab *slab, void *dst, const void *src)
{
	struct best_fixed *d = dst;
	const struct best_fixed *s = src;

	(void)a;
	(void)slab;
	if (s->has && (!d->has || s->value < d->value))
		*d = *s;
}

static void max_merge(const struct weir_agg *a, struct weir_slab *slab, void *dst, const void *src)
{
	struct best_fixed *d = dst;
	const struct best_fixed *s = src;

	(void)a;
	(void)slab;
	if (s->has && (!d->has || s->value > d->value))
		*d = *s;
}

static const char *fixed_build(const struct weir_agg *a, const void *state, struct weir_builder *b,
			       unsigned i)
{
	const struct best_fixed *s = state;

	if (s->has)
		weir_build_slot(b, i, from_rank(a->arg_type, s->value));
	else
		weir_build_null(b, i);
	return NULL;
}

static void fixed_save(const struct weir_agg *a, const void *state, struct weir_out *o)
{
	const struct best_fixed *s = state;

	(void)a;
	weir_out_u8(o, (uint8_t)s->has);
	if (s->has)
		weir_out_i64(o, s->value);
}

static int fixed_load(const struct weir_agg *a, void *state, struct weir_reader *r, bool max)
{
	struct best_fixed *s = state;
	uint8_t has = weir_read_u8(r);
	int64_t value = has ? weir_read_i64(r) : 0;

	if (r->bad || has > 1 || !weir_agg_rank_fine(a->arg_type, value, max))
		return WEIR_E_CORRUPT;
	s->has = has;
	s->value = value;
	return 0;
}

static int min_load(const struct weir_agg *a, struct weir_slab *slab, void *state,
		    struct weir_reader *r)
{
	(void)slab;
	return fixed_load(a, state, r, false);
}

static int max_load(const struct weir_agg *a, struct weir_slab *slab, void *state,
		    struct weir_reader *r)
{
	(void)slab;
	return fixed_load(a, state, r, true);
}

#define FIXED(which, type)                                                                         \
	static const struct weir_agg_class which##type##_class = {                                 \
		.update = which##type##_update,                                                    \
		.merge = which##_merge,                                                            \
		.build = fixed_build,                                                              \
		.save = fixed_save,                                                                \
		.load = which##_load,                                                              \
		.name = #which,                                                                    \
	}

FIXED(min, );
FIXED(max, );
FIXED(min, _f64);
FIXED(max, _f64);

/* ---- the others ---- */

struct order {
	bool rank; /* there is one beside the value */
	bool time; /* it is the event time */
	bool greater; /* the greater rank is better */
	bool value_greater; /* among equal ranks, the greater value */
};

static int cmp_fixed(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static struct weir_str cell_text(const union cell *c)
{
	return (struct weir_str){c->text.p, c->text.n};
}

weir_inline bool better(const struct weir_agg *a, struct order o, const struct best *s,
			const struct candidate *c)
{
	int r = 0;

	if (!s->has)
		return true;
	if (o.rank && !o.time && is_text(a->by_type))
		r = weir_str_cmp(c->rank_text, cell_text(&s->rank));
	else if (o.rank)
		r = cmp_fixed(c->rank, s->rank.fixed);
	if (r)
		return o.greater ? r > 0 : r < 0;
	if (is_text(a->arg_type))
		r = weir_str_cmp(c->value_text, cell_text(&s->value));
	else
		r = cmp_fixed(c->value, s->value.fixed);
	return o.value_greater ? r > 0 : r < 0;
}

weir_inline void offer(const struct weir_agg *a, struct order o, struct weir_slab *slab,
		       struct best *s, const struct candidate *c)
{
	if (!better(a, o, s, c))
		return;
	s->has = 1;
	if (o.rank && !o.time && is_text(a->by_type))
		weir_agg_text_set(&s->rank.text, slab, c->rank_text);
	else
		s->rank.fixed = c->rank;
	if (is_text(a->arg_type))
		weir_agg_text_set(&s->value.text, slab, c->value_text);
	else
		s->value.fixed = c->value;
}

weir_inline void best_update(const struct weir_agg *a, const struct weir_agg_rows *rows,
			     struct order o)
{
	bool by = o.rank && !o.time;

	for (uint32_t i = 0; i < rows->count; i++) {
		uint32_t lane = rows->lane[i];
		struct candidate c = {0};

		if (weir__agg_null(a->arg, lane) || (by && weir__agg_null(a->by, lane)))
			continue;
		if (o.time)
			c.rank = rows->frame[lane]->time_ns;
		else if (by && is_text(a->by_type))
			c.rank_text = a->by->str[lane];
		else if (by)
			c.rank = to_rank(a->by_type, a->by->slot[lane], o.greater);
		if (is_text(a->arg_type))
			c.value_text = a->arg->str[lane];
		else
			c.value = to_rank(a->arg_type, a->arg->slot[lane], false);
		offer(a, o, a->slab ? rows->slab[i] : NULL,
		      (struct best *)(void *)(rows->at[i] + a->offset), &c);
	}
}

weir_inline void best_merge(const struct weir_agg *a, struct weir_slab *slab, void *dst,
			    const void *src, struct order o)
{
	const struct best *s = src;
	struct candidate c = {0};

	if (!s->has)
		return;
	if (o.rank && !o.time && is_text(a->by_type))
		c.rank_text = cell_text(&s->rank);
	else
		c.rank = s->rank.fixed;
	if (is_text(a->arg_type))
		c.value_text = cell_text(&s->value);
	else
		c.value = s->value.fixed;
	offer(a, o, slab, dst, &c);
}

static const char *best_build(const struct weir_agg *a, const void *state, struct weir_builder *b,
			      unsigned i)
{
	const struct best *s = state;

	if (!s->has)
		weir_build_null(b, i);
	else if (is_text(a->arg_type))
		weir_build_str(b, i, cell_text(&s->value));
	else
		weir_build_slot(b, i, from_rank(a->arg_type, s->value.fixed));
	return NULL;
}

/* by_type is WEIR_NONE without `by`. */
static void best_release(const struct weir_agg *a, struct weir_slab *slab, void *state)
{
	struct best *s = state;

	if (is_text(a->arg_type))
		weir_agg_text_free(&s->value.text, slab);
	if (is_text(a->by_type))
		weir_agg_text_free(&s->rank.text, slab);
}

static void cell_save(struct weir_typeinfo t, const union cell *c, struct weir_out *o)
{
	if (is_text(t))
		weir_out_text(o, cell_text(c));
	else
		weir_out_i64(o, c->fixed);
}

static bool cell_load(struct weir_typeinfo t, bool nan_low, union cell *c, struct weir_slab *slab,
		      struct weir_reader *r)
{
	if (is_text(t))
		return weir_agg_text_load(&c->text, slab, r);
	c->fixed = weir_read_i64(r);
	return !r->bad && weir_agg_rank_fine(t, c->fixed, nan_low);
}

/* The event time has no type of its own: by_type is WEIR_NONE, any integer is fine. */
static void best_save(const struct weir_agg *a, const void *state, struct weir_out *o,
		      struct order order)
{
	const struct best *s = state;

	weir_out_u8(o, (uint8_t)s->has);
	if (!s->has)
		return;
	if (order.rank)
		cell_save(a->by_type, &s->rank, o);
	cell_save(a->arg_type, &s->value, o);
}

static int best_load(const struct weir_agg *a, struct weir_slab *slab, void *state,
		     struct weir_reader *r, struct order order)
{
	struct best *s = state;
	uint8_t has = weir_read_u8(r);

	if (r->bad || has > 1)
		return WEIR_E_CORRUPT;
	if (!has)
		return 0;
	s->has = 1;
	if ((!order.rank || cell_load(a->by_type, order.greater, &s->rank, slab, r)) &&
	    cell_load(a->arg_type, false, &s->value, slab, r))
		return 0;
	best_release(a, slab, s);
	*s = (struct best){0};
	return WEIR_E_CORRUPT;
}

#define BEST(fn, type, ...)                                                                        \
	static void fn##type##_update(const struct weir_agg *a, const struct weir_agg_rows *rows)  \
	{                                                                                          \
		best_update(a, rows, (struct order){__VA_ARGS__});                                 \
	}                                                                                          \
	static void fn##type##_merge(const struct weir_agg *a, struct weir_slab *slab, void *dst,  \
				     const void *src)                                              \
	{                                                                                          \
		best_merge(a, slab, dst, src, (struct order){__VA_ARGS__});                        \
	}                                                                                          \
	static void fn##type##_save(const struct weir_agg *a, const void *state,                   \
				    struct weir_out *o)                                            \
	{                                                                                          \
		best_save(a, state, o, (struct order){__VA_ARGS__});                               \
	}                                                                                          \
	static int fn##type##_load(const struct weir_agg *a, struct weir_slab *slab, void *state,  \
				   struct weir_reader *r)                                          \
	{                                                                                          \
		return best_load(a, slab, state, r, (struct order){__VA_ARGS__});                  \
	}                                                                                          \
	static const struct weir_agg_class fn##type##_class = {                                    \
		.update = fn##type##_update,                                                       \
		.merge = fn##type##_merge,                                                         \
		.build = best_build,                                                               \
		.release = best_release,                                                           \
		.save = fn##type##_save,                                                           \
		.load = fn##type##_load,                                                           \
		.name = #fn,                                                                       \
	}

BEST(min, _text, .value_greater = false);
BEST(max, _text, .value_greater = true);
BEST(first, , .rank = true, .time = true);
BEST(last, , .rank = true, .time = true, .greater = true, .value_greater = true);
BEST(arg_min, , .rank = true);
BEST(arg_max, , .rank = true, .greater = true);

int weir__agg_order_init(struct weir_agg *a, const struct weir_agg_spec *spec)
{
	bool f64 = spec->arg_type.type == WEIR_FLOAT64;
	bool by = spec->fn == WEIR_AGG_ARG_MIN || spec->fn == WEIR_AGG_ARG_MAX;

	if (!by)
		a->by_type = weir_type_of(WEIR_NONE);
	if (spec->arg_type.type == WEIR_LIST || a->by_type.type == WEIR_LIST)
		return WEIR_E_TYPE;
	a->slab = is_text(a->arg_type) || is_text(a->by_type);
	a->size = sizeof(struct best);
	switch (spec->fn) {
	case WEIR_AGG_MIN:
		a->cls = a->slab ? &min_text_class : f64 ? &min_f64_class : &min_class;
		break;
	case WEIR_AGG_MAX:
		a->cls = a->slab ? &max_text_class : f64 ? &max_f64_class : &max_class;
		break;
	case WEIR_AGG_FIRST:
		a->cls = &first_class;
		break;
	case WEIR_AGG_LAST:
		a->cls = &last_class;
		break;
	case WEIR_AGG_ARG_MIN:
		a->cls = &arg_min_class;
		break;
	default:
		a->cls = &arg_max_class;
		break;
	}
	if ((spec->fn == WEIR_AGG_MIN || spec->fn == WEIR_AGG_MAX) && !a->slab)
		a->size = sizeof(struct best_fixed);
	return 0;
}
