/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels: constants, loading fields, branches, logic, choice, null tests, lists. */
#include "engine/core/expr_impl.h"

#define DST(r, in) ((r)->reg[(in)->dst])
#define A(r, in) ((const struct weir_vec *)(r)->reg[(in)->a])
#define B(r, in) ((const struct weir_vec *)(r)->reg[(in)->b])
#define C(r, in) ((const struct weir_vec *)(r)->reg[(in)->c])

void weir__k_const(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);

	d->clean = !in->k2;
	if (in->k2)
		memset(d->state, WEIR_LANE_NULL, sizeof(d->state));
	if (in->n == WEIR_LIST) {
		memset(d->list, 0, r->n * sizeof(d->list[0]));
	} else if (weir_type_is_text(in->n)) {
		struct weir_str s = in->k2 ? WEIR_STR("") : in->k.s;

		for (uint32_t i = 0; i < r->n; i++)
			d->str[i] = s;
	} else {
		WEIR_EXPR_EACH(o, i, r->n)
		d->i64[o + i] = in->k.i;
	}
}

/* ---- fields ---- */

static void load_nulls(const struct weir_expr_run *r, const struct weir_expr_ins *in,
		       struct weir_vec *d)
{
	size_t word = sizeof(struct weir_frame) + 8 * ((uint64_t)in->k.i / 64);
	unsigned bit = (unsigned)in->k.i % 64;
	uint64_t any = 0;

	d->clean = true;
	if (!in->k2)
		return;
	for (uint32_t i = 0; i < r->n; i++) {
		uint64_t w;

		memcpy(&w, (const uint8_t *)r->row[i] + word, 8);
		w = w >> bit & 1;
		any |= w;
		d->state[i] = (uint8_t)w; /* WEIR_LANE_NULL is 1 */
	}
	d->clean = !any;
}

static size_t slot_at(const struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	return sizeof(struct weir_frame) + 8 * (r->e->schema->null_words + (size_t)in->k.i);
}

void weir__k_load(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	size_t at = slot_at(r, in);

	for (uint32_t i = 0; i < r->n; i++)
		memcpy(&d->i64[i], (const uint8_t *)r->row[i] + at, 8);
	load_nulls(r, in, d);
}

void weir__k_load_bool(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	size_t at = slot_at(r, in);

	for (uint32_t i = 0; i < r->n; i++) {
		uint64_t v;

		memcpy(&v, (const uint8_t *)r->row[i] + at, 8);
		d->i64[i] = v != 0;
	}
	load_nulls(r, in, d);
}

void weir__k_load_str(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	size_t at = slot_at(r, in);

	for (uint32_t i = 0; i < r->n; i++) {
		uint64_t v;

		memcpy(&v, (const uint8_t *)r->row[i] + at, 8);
		d->str[i] = weir_slot_str(r->row[i], v);
	}
	load_nulls(r, in, d);
}

/* Text elements are left in the record (str stays NULL) until somebody looks at them. */
void weir__k_load_list(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	size_t at = slot_at(r, in);

	for (uint32_t i = 0; i < r->n; i++) {
		uint64_t v;

		memcpy(&v, (const uint8_t *)r->row[i] + at, 8);
		d->list[i] = (struct weir_list){
			.slot = (const void *)(weir_payload(r->row[i]) + (uint32_t)v),
			.count = (uint32_t)(v >> 32)};
	}
	load_nulls(r, in, d);
}

static struct weir_str list_str(const struct weir_expr_run *r, uint32_t lane,
				const struct weir_list *l, uint32_t k)
{
	return l->str ? l->str[k] : weir_slot_str(r->row[lane], l->slot[k]);
}

/* A result list of texts gets its array of texts, which callers read. */
void weir__k_list_text(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const struct weir_vec *a = A(r, in);

	weir__vec_copy_state(d, a, r->n);
	for (uint32_t i = 0; i < r->n; i++) {
		struct weir_list l = a->list[i];
		struct weir_str *s;

		if (!l.str && l.count && weir_vec_state(a, i) == WEIR_LANE_OK) {
			s = weir__expr_text(r, i, (size_t)l.count * sizeof(*s), 8);
			if (s) {
				for (uint32_t k = 0; k < l.count; k++)
					s[k] = list_str(r, i, &l, k);
			} else {
				weir__vec_mark(d, i, WEIR_LANE_LIMIT);
				l.count = 0;
			}
			l.str = s;
			l.slot = NULL;
		}
		d->list[i] = l;
	}
}

/* ---- branches ---- */

void weir__k_mask(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	const struct weir_vec *a = A(r, in);
	uint8_t *mask = weir__expr_mask_room(r, r->masks);

	for (uint32_t i = 0; i < r->n; i++) {
		unsigned state = weir_vec_state(a, i);
		bool ok = state == WEIR_LANE_OK, on = false;

		switch (in->k.i) {
		case WEIR_MASK_TRUE:
			on = ok && a->i64[i];
			break;
		case WEIR_MASK_FALSE:
			on = ok && !a->i64[i];
			break;
		case WEIR_MASK_NULL:
			on = state == WEIR_LANE_NULL;
			break;
		case WEIR_MASK_NOT_FALSE:
			on = !ok || a->i64[i];
			break;
		default:
			on = !ok || !a->i64[i];
			break;
		}
		mask[i] = on && weir__expr_active(r, i);
	}
	r->masks++;
	r->mask = mask;
}

void weir__k_unmask(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	(void)in;
	r->masks--;
	r->mask = r->masks ? weir__expr_mask_room(r, r->masks - 1) : NULL;
}

/* ---- logic ---- */

/* A side that decides wins over null and errors of the other; an error wins over null. */
static void logic_mixed(const struct weir_expr_run *r, const struct weir_expr_ins *in, bool decides)
{
	struct weir_vec *d = DST(r, in);
	const struct weir_vec *a = A(r, in), *b = B(r, in);

	d->clean = false;
	for (uint32_t i = 0; i < r->n; i++) {
		unsigned sa = weir_vec_state(a, i), sb = weir_vec_state(b, i);
		bool x = a->i64[i], y = b->i64[i];

		if ((sa == WEIR_LANE_OK && x == decides) || (sb == WEIR_LANE_OK && y == decides)) {
			d->state[i] = WEIR_LANE_OK;
			d->i64[i] = decides;
		} else {
			d->state[i] = (uint8_t)WEIR_MAX(sa, sb);
			d->i64[i] = !decides;
		}
	}
}

#define LOGIC_KERNEL(name, op, decides)                                                            \
	weir_inline void name##_lanes(int64_t *restrict z, const int64_t *restrict x,              \
				      const int64_t *restrict y, size_t n)                         \
	{                                                                                          \
		WEIR_EXPR_EACH(o, i, n)                                                            \
		z[o + i] = x[o + i] op y[o + i];                                                   \
	}                                                                                          \
	void weir__k_##name(struct weir_expr_run *r, const struct weir_expr_ins *in)               \
	{                                                                                          \
		struct weir_vec *d = DST(r, in);                                                   \
		const struct weir_vec *a = A(r, in), *b = B(r, in);                                \
                                                                                                   \
		if (weir_unlikely(!(a->clean && b->clean))) {                                      \
			logic_mixed(r, in, decides);                                               \
			return;                                                                    \
		}                                                                                  \
		d->clean = true;                                                                   \
		name##_lanes(d->i64, a->i64, b->i64, r->n);                                        \
	}

LOGIC_KERNEL(and, &, false)
LOGIC_KERNEL(or, |, true)

void weir__k_not(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const struct weir_vec *a = A(r, in);

	weir__vec_copy_state(d, a, r->n);
	for (uint32_t i = 0; i < r->n; i++)
		d->i64[i] = !a->i64[i];
}

static void null_test(const struct weir_expr_run *r, const struct weir_expr_ins *in, bool when_null)
{
	struct weir_vec *d = DST(r, in);
	const struct weir_vec *a = A(r, in);

	d->clean = a->clean;
	for (uint32_t i = 0; i < r->n; i++) {
		unsigned s = weir_vec_state(a, i);

		d->i64[i] = (s == WEIR_LANE_NULL) == when_null;
		if (!a->clean)
			d->state[i] = (uint8_t)(s == WEIR_LANE_NULL ? WEIR_LANE_OK : s);
	}
}

void weir__k_is_null(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	null_test(r, in, true);
}

void weir__k_not_null(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	null_test(r, in, false);
}

/* ---- choice ---- */

/* State of c ? a : b. Lanes whose condition is not known take either value, which is valid. */
static void select_state(const struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const struct weir_vec *c = A(r, in), *a = B(r, in), *b = C(r, in);

	d->clean = c->clean && a->clean && b->clean;
	if (weir_likely(d->clean))
		return;
	for (uint32_t i = 0; i < r->n; i++) {
		unsigned s = weir_vec_state(c, i);

		if (s == WEIR_LANE_OK)
			s = weir_vec_state(c->i64[i] ? a : b, i);
		d->state[i] = (uint8_t)s;
	}
}

#define SELECT_KERNEL(name, member)                                                                \
	void weir__k_##name(struct weir_expr_run *r, const struct weir_expr_ins *in)               \
	{                                                                                          \
		struct weir_vec *d = DST(r, in);                                                   \
		const struct weir_vec *c = A(r, in), *a = B(r, in), *b = C(r, in);                 \
                                                                                                   \
		for (uint32_t i = 0; i < r->n; i++)                                                \
			d->member[i] = c->i64[i] ? a->member[i] : b->member[i];                    \
		select_state(r, in);                                                               \
	}

SELECT_KERNEL(select, i64)
SELECT_KERNEL(select_str, str)
SELECT_KERNEL(select_list, list)

static void coalesce_state(const struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const struct weir_vec *a = A(r, in), *b = B(r, in);

	d->clean = a->clean;
	if (a->clean)
		return;
	for (uint32_t i = 0; i < r->n; i++)
		d->state[i] =
			a->state[i] == WEIR_LANE_NULL ? (uint8_t)weir_vec_state(b, i) : a->state[i];
}

#define COALESCE_KERNEL(name, member)                                                              \
	void weir__k_##name(struct weir_expr_run *r, const struct weir_expr_ins *in)               \
	{                                                                                          \
		struct weir_vec *d = DST(r, in);                                                   \
		const struct weir_vec *a = A(r, in), *b = B(r, in);                                \
                                                                                                   \
		for (uint32_t i = 0; i < r->n; i++)                                                \
			d->member[i] = weir_vec_state(a, i) == WEIR_LANE_NULL ? b->member[i]       \
									      : a->member[i];      \
		coalesce_state(r, in);                                                             \
	}

COALESCE_KERNEL(coalesce, i64)
COALESCE_KERNEL(coalesce_str, str)
COALESCE_KERNEL(coalesce_list, list)

/* ---- lists ---- */

void weir__k_in_set_i(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const struct weir_vec *a = A(r, in);
	const struct weir_expr_set *set = in->p;

	weir__vec_copy_state(d, a, r->n);
	for (uint32_t i = 0; i < r->n; i++) {
		int64_t x = a->i64[i];
		uint32_t lo = 0, hi = set->count;

		/* The last element that is not above x. */
		while (hi - lo > 1) {
			uint32_t mid = lo + (hi - lo) / 2;

			if (set->i[mid] <= x)
				lo = mid;
			else
				hi = mid;
		}
		d->i64[i] = set->i[lo] == x;
	}
}

void weir__k_in_set_s(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const struct weir_vec *a = A(r, in);
	const struct weir_expr_set *set = in->p;

	weir__vec_copy_state(d, a, r->n);
	for (uint32_t i = 0; i < r->n; i++) {
		uint32_t lo = 0, hi = set->count;

		while (hi - lo > 1) {
			uint32_t mid = lo + (hi - lo) / 2;

			if (weir_str_cmp(set->s[mid], a->str[i]) <= 0)
				lo = mid;
			else
				hi = mid;
		}
		d->i64[i] = weir_str_eq(set->s[lo], a->str[i]);
	}
}

void weir__k_in_list(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const struct weir_vec *a = A(r, in), *b = B(r, in);

	weir__vec_state2(d, a, b, r->n);
	for (uint32_t i = 0; i < r->n; i++) {
		const struct weir_list *l = &b->list[i];
		int64_t found = 0;

		for (uint32_t k = 0; k < l->count; k++)
			found |= (int64_t)l->slot[k] == a->i64[i];
		d->i64[i] = found;
	}
}

static double slot_f64(uint64_t slot)
{
	double v;

	memcpy(&v, &slot, 8);
	return v;
}

void weir__k_in_list_f(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const struct weir_vec *a = A(r, in), *b = B(r, in);

	weir__vec_state2(d, a, b, r->n);
	for (uint32_t i = 0; i < r->n; i++) {
		const struct weir_list *l = &b->list[i];
		int64_t found = 0;

		for (uint32_t k = 0; k < l->count; k++)
			found |= slot_f64(l->slot[k]) == a->f64[i];
		d->i64[i] = found;
	}
}

void weir__k_in_list_s(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const struct weir_vec *a = A(r, in), *b = B(r, in);

	weir__vec_state2(d, a, b, r->n);
	for (uint32_t i = 0; i < r->n; i++) {
		const struct weir_list *l = &b->list[i];
		bool found = false;

		for (uint32_t k = 0; k < l->count && !found; k++)
			found = weir_str_eq(list_str(r, i, l, k), a->str[i]);
		d->i64[i] = found;
	}
}

/* Negative numbers become large ones. */
static bool in_list(const struct weir_list *l, int64_t index)
{
	return (uint64_t)index < l->count;
}

void weir__k_index(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const struct weir_vec *a = A(r, in), *b = B(r, in);

	weir__vec_state2(d, a, b, r->n);
	for (uint32_t i = 0; i < r->n; i++) {
		bool ok = in_list(&a->list[i], b->i64[i]);

		d->i64[i] = ok ? (int64_t)a->list[i].slot[b->i64[i]] : 0;
		if (!ok)
			weir__vec_mark(d, i, WEIR_LANE_INDEX);
	}
}

void weir__k_index_str(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const struct weir_vec *a = A(r, in), *b = B(r, in);

	weir__vec_state2(d, a, b, r->n);
	for (uint32_t i = 0; i < r->n; i++) {
		bool ok = in_list(&a->list[i], b->i64[i]);

		d->str[i] = ok ? list_str(r, i, &a->list[i], (uint32_t)b->i64[i]) : WEIR_STR("");
		if (!ok)
			weir__vec_mark(d, i, WEIR_LANE_INDEX);
	}
}

void weir__k_size_list(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const struct weir_vec *a = A(r, in);

	weir__vec_copy_state(d, a, r->n);
	for (uint32_t i = 0; i < r->n; i++)
		d->i64[i] = a->list[i].count;
}
