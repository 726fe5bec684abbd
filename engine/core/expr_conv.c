/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels: conversions and times. */
#include "base/buf.h"
#include "base/num.h"
#include "base/time.h"
#include "engine/core/expr_impl.h"

#define DST(r, in) ((r)->reg[(in)->dst])
#define A(r, in) ((const struct weir_vec *)(r)->reg[(in)->a])
#define B(r, in) ((const struct weir_vec *)(r)->reg[(in)->b])

#define NS_PER_DAY (INT64_C(86400) * WEIR_NS_PER_S)

/* Lane has an operand and is needed. */
static bool wanted(const struct weir_expr_run *r, const struct weir_vec *d, uint32_t i)
{
	return weir_vec_state(d, i) == WEIR_LANE_OK && weir__expr_active(r, i);
}

/* ---- decimal digits ---- */

/* mantissa * 10^exponent. */
struct digits {
	uint64_t mantissa;
	int exponent;
	bool minus;
};

/* digits[.digits][e[+-]digits] with an optional sign, at most 18 significant digits. */
static bool read_digits(struct weir_str s, struct digits *ret)
{
	struct digits d = {0};
	bool point = false;
	size_t i = 0;

	if (i < s.n && (s.p[i] == '-' || s.p[i] == '+'))
		d.minus = s.p[i++] == '-';
	for (; i < s.n && s.p[i] != 'e' && s.p[i] != 'E'; i++) {
		if (s.p[i] == '.') {
			point = true;
			continue;
		}
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		if (d.mantissa >= (uint64_t)weir_pow10[17])
			return false;
		d.mantissa = d.mantissa * 10 + (uint64_t)(s.p[i] - '0');
		d.exponent -= point;
	}
	if (i < s.n) {
		int64_t e;

		if (weir_parse_i64((struct weir_str){s.p + i + 1, s.n - i - 1}, &e) || e > 999 ||
		    e < -999)
			return false;
		d.exponent += (int)e;
	}
	*ret = d;
	return true;
}

bool weir__expr_decimal_literal(struct weir_str s, int64_t *ret_v, unsigned *ret_precision,
				unsigned *ret_scale)
{
	struct digits d;
	unsigned scale, precision = 1;

	if (!read_digits(s, &d) || d.exponent < -WEIR_DECIMAL_PRECISION_MAX)
		return false;
	for (; d.exponent > 0 && d.mantissa; d.exponent--) {
		if (d.mantissa >= (uint64_t)weir_pow10[17])
			return false;
		d.mantissa *= 10;
	}
	scale = d.exponent < 0 ? (unsigned)-d.exponent : 0;
	while (precision < 18 && d.mantissa >= (uint64_t)weir_pow10[precision])
		precision++;
	*ret_v = (int64_t)d.mantissa;
	*ret_precision = WEIR_MAX(precision, scale);
	*ret_scale = scale;
	return true;
}

/* The shortest text of a double has at most 17 digits. Rounds half away from zero. */
static bool decimal_from_f64(double v, unsigned precision, unsigned scale, int64_t *ret)
{
	char text[64];
	struct weir_buf b = weir_buf_of(text, sizeof(text));
	struct digits d;
	weir_u128 m;
	int shift;

	if (v - v != 0)
		return false; /* NaN, infinity */
	if (v >= 1e18 || v <= -1e18)
		return false; /* long texts end here too */
	weir_buf_f64(&b, v);
	if (!read_digits((struct weir_str){text, b.len}, &d)) {
		/* A tiny number written out with more than 18 digits. */
		*ret = 0;
		return v < 1e-18 && v > -1e-18;
	}
	m = d.mantissa;
	shift = d.exponent + (int)scale;
	for (; shift > 0 && m; shift--) {
		m *= 10;
		if (m >= (weir_u128)weir_pow10[18])
			return false;
	}
	if (shift < 0) {
		weir_u128 by = 1;

		if (shift < -20)
			m = 0;
		for (; shift < 0 && m; shift++)
			by *= 10;
		m = (m + by / 2) / by;
	}
	if (m >= (weir_u128)weir_pow10[precision])
		return false;
	*ret = d.minus ? -(int64_t)m : (int64_t)m;
	return true;
}

double weir__expr_decimal_f64(int64_t v, unsigned scale)
{
	char text[48];
	struct weir_buf b = weir_buf_of(text, sizeof(text));
	double d = (double)v;

	/* Both are exact, so the division rounds once. */
	if (v >= -(INT64_C(1) << 53) && v <= INT64_C(1) << 53)
		return d / (double)weir_pow10[scale];
	weir_buf_decimal(&b, v, scale);
	if (weir_parse_f64((struct weir_str){text, b.len}, &d))
		d = (double)v / (double)weir_pow10[scale];
	return d;
}

/* ---- between numbers ---- */

void weir__k_i_to_f(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const int64_t *x = A(r, in)->i64;

	weir__vec_copy_state(d, A(r, in), r->n);
	for (uint32_t i = 0; i < r->n; i++)
		d->f64[i] = (double)x[i];
}

void weir__k_f_to_i(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const double *x = A(r, in)->f64;

	weir__vec_copy_state(d, A(r, in), r->n);
	for (uint32_t i = 0; i < r->n; i++) {
		bool fits = x[i] >= -0x1p63 && x[i] < 0x1p63; /* false for NaN */

		d->i64[i] = fits ? (int64_t)x[i] : 0;
		if (weir_unlikely(!fits))
			weir__vec_mark(d, i, WEIR_LANE_CONVERT);
	}
}

void weir__k_d_to_i(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const int64_t *x = A(r, in)->i64, by = weir_pow10[in->k.i];

	weir__vec_copy_state(d, A(r, in), r->n);
	for (uint32_t i = 0; i < r->n; i++)
		d->i64[i] = x[i] / by;
}

void weir__k_d_to_f(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const int64_t *x = A(r, in)->i64;

	weir__vec_copy_state(d, A(r, in), r->n);
	for (uint32_t i = 0; i < r->n; i++)
		d->f64[i] = weir__expr_decimal_f64(x[i], (unsigned)in->k.i);
}

void weir__k_i_to_b(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const int64_t *x = A(r, in)->i64;

	weir__vec_copy_state(d, A(r, in), r->n);
	for (uint32_t i = 0; i < r->n; i++)
		d->i64[i] = x[i] != 0;
}

/* One that can fail: CONVERT is true when the value is in *to. */
#define CONVERT_KERNEL(name, from, to, type, CONVERT)                                              \
	void weir__k_##name(struct weir_expr_run *r, const struct weir_expr_ins *in)               \
	{                                                                                          \
		struct weir_vec *d = DST(r, in);                                                   \
		const struct weir_vec *a = A(r, in);                                               \
                                                                                                   \
		weir__vec_copy_state(d, a, r->n);                                                  \
		for (uint32_t i = 0; i < r->n; i++) {                                              \
			type v = 0;                                                                \
                                                                                                   \
			if (wanted(r, d, i) && !(CONVERT(a->from[i], &v)))                         \
				weir__vec_mark(d, i, WEIR_LANE_CONVERT);                           \
			d->to[i] = v;                                                              \
		}                                                                                  \
	}

static bool bool_from_text(struct weir_str s, int64_t *ret)
{
	bool b;

	if (weir_parse_bool(s, &b))
		return false;
	*ret = b;
	return true;
}

#define F_TO_D(x, out) decimal_from_f64(x, (unsigned)in->k.i, (unsigned)in->k2, out)
#define S_TO_D(x, out) (weir_parse_decimal(x, (unsigned)in->k.i, (unsigned)in->k2, out) == 0)
#define S_TO_I(x, out) (weir_parse_i64(x, out) == 0)
#define S_TO_F(x, out) (weir_parse_f64(x, out) == 0)
#define S_TO_TIME(x, out) (weir_time_parse_rfc3339(x, out) == 0)
#define S_TO_DURATION(x, out) (weir_parse_duration(x, out) == 0)
#define I_TO_TIME(x, out) (!__builtin_mul_overflow(x, WEIR_NS_PER_S, out))

CONVERT_KERNEL(f_to_d, f64, i64, int64_t, F_TO_D)
CONVERT_KERNEL(s_to_d, str, i64, int64_t, S_TO_D)
CONVERT_KERNEL(s_to_i, str, i64, int64_t, S_TO_I)
CONVERT_KERNEL(s_to_f, str, f64, double, S_TO_F)
CONVERT_KERNEL(s_to_b, str, i64, int64_t, bool_from_text)
CONVERT_KERNEL(s_to_time, str, i64, int64_t, S_TO_TIME)
CONVERT_KERNEL(s_to_duration, str, i64, int64_t, S_TO_DURATION)
CONVERT_KERNEL(i_to_time, i64, i64, int64_t, I_TO_TIME)

/* ---- to text ---- */

static void put_text(struct weir_expr_run *r, struct weir_vec *d, uint32_t i,
		     const struct weir_buf *b)
{
	char *p = weir__expr_text(r, i, b->len, 1);

	if (p) {
		memcpy(p, b->p, b->len);
		d->str[i] = (struct weir_str){p, b->len};
	} else {
		weir__vec_mark(d, i, WEIR_LANE_LIMIT);
	}
}

#define TEXT_KERNEL(name, member, WRITE)                                                           \
	void weir__k_##name(struct weir_expr_run *r, const struct weir_expr_ins *in)               \
	{                                                                                          \
		struct weir_vec *d = DST(r, in);                                                   \
		const struct weir_vec *a = A(r, in);                                               \
                                                                                                   \
		weir__vec_copy_state(d, a, r->n);                                                  \
		for (uint32_t i = 0; i < r->n; i++) {                                              \
			char text[64];                                                             \
			struct weir_buf b = weir_buf_of(text, sizeof(text));                       \
                                                                                                   \
			d->str[i] = WEIR_STR("");                                                  \
			if (!wanted(r, d, i))                                                      \
				continue;                                                          \
			WRITE(&b, a->member[i]);                                                   \
			put_text(r, d, i, &b);                                                     \
		}                                                                                  \
	}

#define D_TO_S(b, x) weir_buf_decimal(b, x, (unsigned)in->k.i)

TEXT_KERNEL(i_to_s, i64, weir_buf_i64)
TEXT_KERNEL(f_to_s, f64, weir_buf_f64)
TEXT_KERNEL(d_to_s, i64, D_TO_S)
TEXT_KERNEL(time_to_s, i64, weir_buf_time)
TEXT_KERNEL(duration_to_s, i64, weir_buf_duration)

void weir__k_b_to_s(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const struct weir_vec *a = A(r, in);

	weir__vec_copy_state(d, a, r->n);
	for (uint32_t i = 0; i < r->n; i++)
		d->str[i] = a->i64[i] ? WEIR_STR("true") : WEIR_STR("false");
}

void weir__k_bytes_to_s(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const struct weir_vec *a = A(r, in);

	weir__vec_copy_state(d, a, r->n);
	for (uint32_t i = 0; i < r->n; i++) {
		d->str[i] = a->str[i];
		if (wanted(r, d, i) && !weir__utf8_valid(a->str[i]))
			weir__vec_mark(d, i, WEIR_LANE_CONVERT);
	}
}

/* ---- times ---- */

static int64_t floor_div(int64_t a, int64_t b)
{
	int64_t q = a / b;

	return q - (a % b < 0);
}

/* 0 <= result < b */
static int64_t floor_mod(int64_t a, int64_t b)
{
	int64_t m = a % b;

	return m < 0 ? m + b : m;
}

void weir__k_time_to_i(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const int64_t *x = A(r, in)->i64;

	weir__vec_copy_state(d, A(r, in), r->n);
	for (uint32_t i = 0; i < r->n; i++)
		d->i64[i] = floor_div(x[i], WEIR_NS_PER_S);
}

static int64_t time_part(int64_t t, enum weir_expr_part part)
{
	struct weir_civil c;

	switch (part) {
	case WEIR_PART_HOURS:
		return floor_mod(t, NS_PER_DAY) / (3600 * WEIR_NS_PER_S);
	case WEIR_PART_MINUTES:
		return floor_mod(t, 3600 * WEIR_NS_PER_S) / (60 * WEIR_NS_PER_S);
	case WEIR_PART_SECONDS:
		return floor_mod(t, 60 * WEIR_NS_PER_S) / WEIR_NS_PER_S;
	case WEIR_PART_MILLISECONDS:
		return floor_mod(t, WEIR_NS_PER_S) / WEIR_NS_PER_MS;
	case WEIR_PART_DAY_OF_WEEK: /* the epoch was a Thursday */
		return floor_mod(floor_div(t, NS_PER_DAY) + 4, 7);
	default:
		break;
	}
	weir_time_to_civil(t, &c);
	switch (part) {
	case WEIR_PART_YEAR:
		return c.year;
	case WEIR_PART_MONTH:
		return c.month - 1;
	case WEIR_PART_DATE:
		return c.day;
	case WEIR_PART_DAY_OF_MONTH:
		return c.day - 1;
	default:
		return c.yearday;
	}
}

void weir__k_time_part(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const int64_t *x = A(r, in)->i64;

	weir__vec_copy_state(d, A(r, in), r->n);
	for (uint32_t i = 0; i < r->n; i++)
		d->i64[i] = time_part(x[i], (enum weir_expr_part)in->k.i);
}

/* Whole hours, minutes, seconds of the span; but only the milliseconds of the last second, as in CEL. */
void weir__k_duration_part(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const int64_t *x = A(r, in)->i64;
	int64_t by = in->k.i == WEIR_PART_HOURS	    ? 3600 * WEIR_NS_PER_S
		     : in->k.i == WEIR_PART_MINUTES ? 60 * WEIR_NS_PER_S
						    : WEIR_NS_PER_S;

	weir__vec_copy_state(d, A(r, in), r->n);
	for (uint32_t i = 0; i < r->n; i++)
		d->i64[i] = in->k.i == WEIR_PART_MILLISECONDS
				    ? x[i] % WEIR_NS_PER_S / WEIR_NS_PER_MS
				    : x[i] / by;
}

void weir__k_truncate(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const int64_t *x = A(r, in)->i64, *y = B(r, in)->i64;

	weir__vec_state2(d, A(r, in), B(r, in), r->n);
	for (uint32_t i = 0; i < r->n; i++) {
		d->i64[i] = 0;
		if (weir_unlikely(y[i] <= 0))
			weir__vec_mark(d, i, y[i] == 0 ? WEIR_LANE_DIV_ZERO : WEIR_LANE_CONVERT);
		else if (weir_unlikely(
				 __builtin_sub_overflow(x[i], floor_mod(x[i], y[i]), &d->i64[i])))
			weir__vec_mark(d, i, WEIR_LANE_OVERFLOW);
	}
}
