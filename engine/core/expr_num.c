/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels: arithmetic and comparison. The loops run over all lanes whatever their state, find out
 * whether anything overflowed, and only then look for the lanes where it happened.
 */
#include "engine/core/expr_impl.h"

#define DST(r, in) ((r)->reg[(in)->dst])
#define A(r, in) ((const struct weir_vec *)(r)->reg[(in)->a])
#define B(r, in) ((const struct weir_vec *)(r)->reg[(in)->b])

/* ---- int64 ---- */

/*
 * Wrapping sum or difference of lanes; the sign bit of the result says that some lane went wrong
 * (Hacker's Delight 2-13). Written without the overflow builtins, which gcc does not vectorise.
 */
#define WRAP_LANES(name, WRAPPED, WRONG)                                                           \
	weir_inline bool name##_lanes(int64_t *restrict z, const int64_t *restrict x,              \
				      const int64_t *restrict y, size_t n)                         \
	{                                                                                          \
		uint64_t over = 0;                                                                 \
                                                                                                   \
		WEIR_EXPR_EACH(o, i, n)                                                            \
		{                                                                                  \
			uint64_t p = (uint64_t)x[o + i], q = (uint64_t)y[o + i], s = WRAPPED;      \
                                                                                                   \
			z[o + i] = (int64_t)s;                                                     \
			over |= WRONG;                                                             \
		}                                                                                  \
		return over >> 63;                                                                 \
	}                                                                                          \
	weir_inline bool name##k_lanes(int64_t *restrict z, const int64_t *restrict x, int64_t k,  \
				       size_t n)                                                   \
	{                                                                                          \
		uint64_t over = 0, q = (uint64_t)k;                                                \
                                                                                                   \
		WEIR_EXPR_EACH(o, i, n)                                                            \
		{                                                                                  \
			uint64_t p = (uint64_t)x[o + i], s = WRAPPED;                              \
                                                                                                   \
			z[o + i] = (int64_t)s;                                                     \
			over |= WRONG;                                                             \
		}                                                                                  \
		return over >> 63;                                                                 \
	}

WRAP_LANES(add_i, p + q, (p ^ s) & (q ^ s))
WRAP_LANES(sub_i, p - q, (p ^ q) & (p ^ s))

#define STATE_VV                                                                                   \
	const int64_t *y = B(r, in)->i64;                                                          \
	weir__vec_state2(d, A(r, in), B(r, in), r->n)
#define STATE_VK                                                                                   \
	const int64_t y = in->k.i;                                                                 \
	weir__vec_copy_state(d, A(r, in), r->n)
#define VECTOR_Y(at) y[at]
#define CONST_Y(at) y

/* Only now that something overflowed: which lanes? */
#define WRAP_KERNEL(name, builtin, PICK_Y, STATE)                                                  \
	void weir__k_##name(struct weir_expr_run *r, const struct weir_expr_ins *in)               \
	{                                                                                          \
		struct weir_vec *d = DST(r, in);                                                   \
		const int64_t *x = A(r, in)->i64;                                                  \
                                                                                                   \
		STATE;                                                                             \
		if (weir_likely(!name##_lanes(d->i64, x, y, r->n)))                                \
			return;                                                                    \
		for (uint32_t i = 0; i < r->n; i++) {                                              \
			int64_t sink;                                                              \
                                                                                                   \
			if (builtin(x[i], PICK_Y(i), &sink))                                       \
				weir__vec_mark(d, i, WEIR_LANE_OVERFLOW);                          \
		}                                                                                  \
	}

WRAP_KERNEL(add_i, __builtin_add_overflow, VECTOR_Y, STATE_VV)
WRAP_KERNEL(add_ik, __builtin_add_overflow, CONST_Y, STATE_VK)
WRAP_KERNEL(sub_i, __builtin_sub_overflow, VECTOR_Y, STATE_VV)
WRAP_KERNEL(sub_ik, __builtin_sub_overflow, CONST_Y, STATE_VK)

#define MUL_KERNEL(name, PICK_Y, STATE)                                                            \
	void weir__k_##name(struct weir_expr_run *r, const struct weir_expr_ins *in)               \
	{                                                                                          \
		struct weir_vec *d = DST(r, in);                                                   \
		const int64_t *x = A(r, in)->i64;                                                  \
		bool over = false;                                                                 \
                                                                                                   \
		STATE;                                                                             \
		for (uint32_t i = 0; i < r->n; i++)                                                \
			over |= __builtin_mul_overflow(x[i], PICK_Y(i), &d->i64[i]);               \
		if (weir_likely(!over))                                                            \
			return;                                                                    \
		for (uint32_t i = 0; i < r->n; i++) {                                              \
			int64_t sink;                                                              \
                                                                                                   \
			if (__builtin_mul_overflow(x[i], PICK_Y(i), &sink))                        \
				weir__vec_mark(d, i, WEIR_LANE_OVERFLOW);                          \
		}                                                                                  \
	}

MUL_KERNEL(mul_i, VECTOR_Y, STATE_VV)
MUL_KERNEL(mul_ik, CONST_Y, STATE_VK)

void weir__k_div_i(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const int64_t *x = A(r, in)->i64, *y = B(r, in)->i64;

	weir__vec_state2(d, A(r, in), B(r, in), r->n);
	for (uint32_t i = 0; i < r->n; i++) {
		if (weir_unlikely(y[i] == 0)) {
			d->i64[i] = 0;
			weir__vec_mark(d, i, WEIR_LANE_DIV_ZERO);
		} else if (weir_unlikely(y[i] == -1)) {
			if (__builtin_sub_overflow(0, x[i], &d->i64[i]))
				weir__vec_mark(d, i, WEIR_LANE_OVERFLOW);
		} else {
			d->i64[i] = x[i] / y[i];
		}
	}
}

void weir__k_mod_i(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const int64_t *x = A(r, in)->i64, *y = B(r, in)->i64;

	weir__vec_state2(d, A(r, in), B(r, in), r->n);
	for (uint32_t i = 0; i < r->n; i++) {
		if (weir_unlikely(y[i] == 0)) {
			d->i64[i] = 0;
			weir__vec_mark(d, i, WEIR_LANE_DIV_ZERO);
		} else {
			/* The processor traps on INT64_MIN % -1; the remainder is 0. */
			d->i64[i] = y[i] == -1 ? 0 : x[i] % y[i];
		}
	}
}

/* The constant is neither 0 nor -1. Numbers that fit into 32 bits divide several times faster. */
void weir__k_div_ik(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const int64_t *x = A(r, in)->i64;
	int64_t k = in->k.i;

	weir__vec_copy_state(d, A(r, in), r->n);
	for (uint32_t i = 0; i < r->n; i++) {
		if (((uint64_t)x[i] | (uint64_t)k) >> 32 == 0)
			d->i64[i] = (uint32_t)x[i] / (uint32_t)k;
		else
			d->i64[i] = x[i] / k;
	}
}

void weir__k_mod_ik(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const int64_t *x = A(r, in)->i64;
	int64_t k = in->k.i;

	weir__vec_copy_state(d, A(r, in), r->n);
	for (uint32_t i = 0; i < r->n; i++) {
		if (((uint64_t)x[i] | (uint64_t)k) >> 32 == 0)
			d->i64[i] = (uint32_t)x[i] % (uint32_t)k;
		else
			d->i64[i] = x[i] % k;
	}
}

void weir__k_neg_i(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const int64_t *x = A(r, in)->i64;

	weir__vec_copy_state(d, A(r, in), r->n);
	for (uint32_t i = 0; i < r->n; i++)
		if (weir_unlikely(__builtin_sub_overflow(0, x[i], &d->i64[i])))
			weir__vec_mark(d, i, WEIR_LANE_OVERFLOW);
}

void weir__k_abs_i(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const int64_t *x = A(r, in)->i64;

	weir__vec_copy_state(d, A(r, in), r->n);
	for (uint32_t i = 0; i < r->n; i++) {
		d->i64[i] = x[i];
		if (x[i] < 0 && weir_unlikely(__builtin_sub_overflow(0, x[i], &d->i64[i])))
			weir__vec_mark(d, i, WEIR_LANE_OVERFLOW);
	}
}

/* ---- float64: IEEE 754, no errors ---- */

#define BINARY_KERNEL(name, member, type, out, out_type, constant, op)                             \
	weir_inline void name##_lanes(out_type *restrict z, const type *restrict x,                \
				      const type *restrict y, size_t n)                            \
	{                                                                                          \
		WEIR_EXPR_EACH(o, i, n)                                                            \
		z[o + i] = x[o + i] op y[o + i];                                                   \
	}                                                                                          \
	weir_inline void name##k_lanes(out_type *restrict z, const type *restrict x, type k,       \
				       size_t n)                                                   \
	{                                                                                          \
		WEIR_EXPR_EACH(o, i, n)                                                            \
		z[o + i] = x[o + i] op k;                                                          \
	}                                                                                          \
	void weir__k_##name(struct weir_expr_run *r, const struct weir_expr_ins *in)               \
	{                                                                                          \
		struct weir_vec *d = DST(r, in);                                                   \
                                                                                                   \
		weir__vec_state2(d, A(r, in), B(r, in), r->n);                                     \
		name##_lanes(d->out, A(r, in)->member, B(r, in)->member, r->n);                    \
	}                                                                                          \
	void weir__k_##name##k(struct weir_expr_run *r, const struct weir_expr_ins *in)            \
	{                                                                                          \
		struct weir_vec *d = DST(r, in);                                                   \
                                                                                                   \
		weir__vec_copy_state(d, A(r, in), r->n);                                           \
		name##k_lanes(d->out, A(r, in)->member, in->k.constant, r->n);                     \
	}

#define FLOAT_KERNEL(name, op) BINARY_KERNEL(name, f64, double, f64, double, f, op)

FLOAT_KERNEL(add_f, +)
FLOAT_KERNEL(sub_f, -)
FLOAT_KERNEL(mul_f, *)
FLOAT_KERNEL(div_f, /)

/* Division of decimals: exact operands, so a zero is an error and not an infinity. */
void weir__k_div_fz(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const double *x = A(r, in)->f64, *y = B(r, in)->f64;

	weir__vec_state2(d, A(r, in), B(r, in), r->n);
	for (uint32_t i = 0; i < r->n; i++) {
		d->f64[i] = x[i] / y[i];
		if (weir_unlikely(y[i] == 0))
			weir__vec_mark(d, i, WEIR_LANE_DIV_ZERO);
	}
}

void weir__k_neg_f(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const double *x = A(r, in)->f64;
	double *restrict z = d->f64;

	weir__vec_copy_state(d, A(r, in), r->n);
	WEIR_EXPR_EACH(o, i, r->n)
	z[o + i] = -x[o + i];
}

void weir__k_abs_f(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const double *x = A(r, in)->f64;
	double *restrict z = d->f64;

	weir__vec_copy_state(d, A(r, in), r->n);
	WEIR_EXPR_EACH(o, i, r->n)
	z[o + i] = __builtin_fabs(x[o + i]);
}

/* ---- decimal: value * 10^-scale, |value| < k3 = 10^precision ---- */

static void decimal_put(struct weir_vec *d, uint32_t i, weir_i128 v, int64_t limit, unsigned state)
{
	if (weir_likely(v > -(weir_i128)limit && v < limit)) {
		d->i64[i] = (int64_t)v;
		return;
	}
	d->i64[i] = 0;
	weir__vec_mark(d, i, state);
}

/* k and k2 bring the operands to the scale of the result: at most 2^63 * 10^18 < 2^123. */
void weir__k_add_d(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const int64_t *x = A(r, in)->i64, *y = B(r, in)->i64;

	weir__vec_state2(d, A(r, in), B(r, in), r->n);
	for (uint32_t i = 0; i < r->n; i++)
		decimal_put(d, i, (weir_i128)x[i] * in->k.i + (weir_i128)y[i] * in->k2, in->k3,
			    WEIR_LANE_OVERFLOW);
}

void weir__k_sub_d(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const int64_t *x = A(r, in)->i64, *y = B(r, in)->i64;

	weir__vec_state2(d, A(r, in), B(r, in), r->n);
	for (uint32_t i = 0; i < r->n; i++)
		decimal_put(d, i, (weir_i128)x[i] * in->k.i - (weir_i128)y[i] * in->k2, in->k3,
			    WEIR_LANE_OVERFLOW);
}

void weir__k_mul_d(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const int64_t *x = A(r, in)->i64, *y = B(r, in)->i64;

	weir__vec_state2(d, A(r, in), B(r, in), r->n);
	for (uint32_t i = 0; i < r->n; i++)
		decimal_put(d, i, (weir_i128)x[i] * y[i], in->k3, WEIR_LANE_OVERFLOW);
}

/* A conversion: times k, or divided by k2 and rounded half away from zero. */
void weir__k_rescale_d(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const int64_t *x = A(r, in)->i64;
	int64_t by = in->k2;

	weir__vec_copy_state(d, A(r, in), r->n);
	for (uint32_t i = 0; i < r->n; i++) {
		weir_i128 v = (weir_i128)x[i] * in->k.i;

		if (by != 1) {
			int64_t rest = x[i] % by;

			v = x[i] / by;
			if ((rest < 0 ? -rest : rest) >= by / 2)
				v += x[i] < 0 ? -1 : 1;
		}
		decimal_put(d, i, v, in->k3, WEIR_LANE_CONVERT);
	}
}

/* ---- comparison ---- */

#define COMPARE_KERNEL(name, member, type, constant, op)                                           \
	BINARY_KERNEL(name, member, type, i64, int64_t, constant, op)

COMPARE_KERNEL(eq_i, i64, int64_t, i, ==)
COMPARE_KERNEL(ne_i, i64, int64_t, i, !=)
COMPARE_KERNEL(lt_i, i64, int64_t, i, <)
COMPARE_KERNEL(le_i, i64, int64_t, i, <=)
COMPARE_KERNEL(gt_i, i64, int64_t, i, >)
COMPARE_KERNEL(ge_i, i64, int64_t, i, >=)
COMPARE_KERNEL(eq_f, f64, double, f, ==)
COMPARE_KERNEL(ne_f, f64, double, f, !=)
COMPARE_KERNEL(lt_f, f64, double, f, <)
COMPARE_KERNEL(le_f, f64, double, f, <=)
COMPARE_KERNEL(gt_f, f64, double, f, >)
COMPARE_KERNEL(ge_f, f64, double, f, >=)

#define COMPARE_STR_KERNEL(name, test)                                                             \
	void weir__k_##name(struct weir_expr_run *r, const struct weir_expr_ins *in)               \
	{                                                                                          \
		struct weir_vec *d = DST(r, in);                                                   \
		const struct weir_str *x = A(r, in)->str, *y = B(r, in)->str;                      \
                                                                                                   \
		weir__vec_state2(d, A(r, in), B(r, in), r->n);                                     \
		for (uint32_t i = 0; i < r->n; i++)                                                \
			d->i64[i] = test;                                                          \
	}

COMPARE_STR_KERNEL(eq_s, weir_str_eq(x[i], y[i]))
COMPARE_STR_KERNEL(ne_s, !weir_str_eq(x[i], y[i]))
COMPARE_STR_KERNEL(lt_s, weir_str_cmp(x[i], y[i]) < 0)
COMPARE_STR_KERNEL(le_s, weir_str_cmp(x[i], y[i]) <= 0)
COMPARE_STR_KERNEL(gt_s, weir_str_cmp(x[i], y[i]) > 0)
COMPARE_STR_KERNEL(ge_s, weir_str_cmp(x[i], y[i]) >= 0)

int weir__expr_cmp_if(int64_t i, double d)
{
	int64_t whole;
	double rest;

	if (d != d)
		return 2;
	if (d >= 0x1p63)
		return -1;
	if (d < -0x1p63)
		return 1;
	whole = (int64_t)d;
	if (i != whole)
		return i < whole ? -1 : 1;
	/* A double with a fraction is below 2^53, so the difference is exact. */
	rest = d - (double)whole;
	return rest > 0 ? -1 : rest < 0;
}

/* in->k: what rel_mask() in expr_check.c says; bit 3 is "not comparable". */
void weir__k_cmp_if(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const int64_t *x = A(r, in)->i64;
	const double *y = B(r, in)->f64;

	weir__vec_state2(d, A(r, in), B(r, in), r->n);
	for (uint32_t i = 0; i < r->n; i++)
		d->i64[i] = in->k.i >> (weir__expr_cmp_if(x[i], y[i]) + 1) & 1;
}

void weir__k_cmp_d(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const int64_t *x = A(r, in)->i64, *y = B(r, in)->i64;

	weir__vec_state2(d, A(r, in), B(r, in), r->n);
	for (uint32_t i = 0; i < r->n; i++) {
		weir_i128 p = (weir_i128)x[i] * in->k.i, q = (weir_i128)y[i] * in->k2;

		d->i64[i] = in->k3 >> (p < q ? 0 : p > q ? 2 : 1) & 1;
	}
}

/* ---- smaller and larger ---- */

#define PICK_KERNEL(name, member, type, first)                                                     \
	void weir__k_##name(struct weir_expr_run *r, const struct weir_expr_ins *in)               \
	{                                                                                          \
		struct weir_vec *d = DST(r, in);                                                   \
		const type *x = A(r, in)->member, *y = B(r, in)->member;                           \
                                                                                                   \
		weir__vec_state2(d, A(r, in), B(r, in), r->n);                                     \
		for (uint32_t i = 0; i < r->n; i++)                                                \
			d->member[i] = (first) ? x[i] : y[i];                                      \
	}

/* A NaN on either side gives NaN. */
PICK_KERNEL(min_i, i64, int64_t, x[i] <= y[i])
PICK_KERNEL(max_i, i64, int64_t, x[i] >= y[i])
PICK_KERNEL(min_f, f64, double, x[i] <= y[i] || x[i] != x[i])
PICK_KERNEL(max_f, f64, double, x[i] >= y[i] || x[i] != x[i])
PICK_KERNEL(min_s, str, struct weir_str, weir_str_cmp(x[i], y[i]) <= 0)
PICK_KERNEL(max_s, str, struct weir_str, weir_str_cmp(x[i], y[i]) >= 0)
