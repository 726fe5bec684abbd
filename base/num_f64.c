/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading doubles, correctly rounded. Most texts in real data have few digits: then the digits are
 * an integer below 2^53, the power of ten is exact, and one multiplication or division rounds once
 * (W. Clinger, "How to read floating point numbers accurately", 1990). Up to 19 digits with a power
 * of ten of at most 19 either way are exact in 128 bits, and rounded from there. Everything else is
 * written into a bounded local text without a decimal point, which strtod() rounds right in every
 * locale.
 */
#include <math.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/num.h"

#define EXACT_POW10 22
#define EXACT_DIGITS 19 /* always below 2^64 */
#define WIDE_POW10 19 /* likewise */
/* No double's rounding depends on more than 767 digits and whether something nonzero follows. */
#define KEPT_DIGITS 780
#define EXP_MAX INT64_C(1000000000000000)

static const double pow10_of[EXACT_POW10 + 1] = {1e0,  1e1,  1e2,  1e3,	 1e4,  1e5,  1e6,  1e7,
						 1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
						 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

struct f64_text {
	const char *whole, *fraction;
	size_t whole_n, fraction_n;
	int64_t exp10; /* as written, clamped to +-EXP_MAX */
	uint64_t w; /* the digits as an integer when they are at most EXACT_DIGITS */
	bool negative;
};

static inline bool is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}

static const char *scan_exp(const char *p, const char *end, int64_t *ret)
{
	bool negative = false;
	int64_t v = 0;

	if (p < end && (*p == '+' || *p == '-'))
		negative = *p++ == '-';
	if (p == end || !is_digit(*p))
		return NULL;
	for (; p < end && is_digit(*p); p++)
		if (v < EXP_MAX)
			v = v * 10 + (*p - '0');
	v = WEIR_MIN(v, EXP_MAX);
	*ret = negative ? -v : v;
	return p;
}

static bool scan(struct weir_str s, struct f64_text *t)
{
	const char *p = s.p, *end = s.p + s.n;
	uint64_t w = 0;

	t->negative = false;
	t->exp10 = 0;
	t->fraction_n = 0;
	if (p < end && (*p == '-' || *p == '+'))
		t->negative = *p++ == '-';
	/* w wraps for long texts; it is looked at only when there are few enough digits. */
	t->whole = p;
	for (; p < end && is_digit(*p); p++)
		w = w * 10 + (uint64_t)(*p - '0');
	t->whole_n = (size_t)(p - t->whole);
	if (t->whole_n == 0)
		return false;
	if (p < end && *p == '.') {
		t->fraction = ++p;
		for (; p < end && is_digit(*p); p++)
			w = w * 10 + (uint64_t)(*p - '0');
		t->fraction_n = (size_t)(p - t->fraction);
		if (t->fraction_n == 0)
			return false;
	}
	t->w = w;
	if (p < end && (*p | 32) == 'e') {
		p = scan_exp(p + 1, end, &t->exp10);
		if (!p)
			return false;
	}
	return p == end;
}

static int special(struct weir_str s, double *ret)
{
	bool negative = s.p[0] == '-';
	size_t sign = (negative || s.p[0] == '+');
	char word[9];
	size_t n = s.n - sign;

	if (n > 8)
		return WEIR_E_FORMAT;
	for (size_t i = 0; i < n; i++)
		word[i] = (char)(s.p[sign + i] | 32);
	word[n] = 0;
	if (!strcmp(word, "nan"))
		*ret = NAN;
	else if (!strcmp(word, "inf") || !strcmp(word, "infinity"))
		*ret = negative ? -INFINITY : INFINITY;
	else
		return WEIR_E_FORMAT;
	return 0;
}

/* Significant digits in order, without leading zeros; what follows the last kept one is one bit. */
struct digit_sink {
	char text[KEPT_DIGITS + 32];
	size_t n;
	uint64_t dropped;
	bool sticky;
};

static void sink_digits(struct digit_sink *k, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (k->n == 0 && p[i] == '0')
			continue;
		if (k->n < KEPT_DIGITS) {
			k->text[k->n++] = p[i];
			continue;
		}
		k->dropped++;
		k->sticky |= p[i] != '0';
	}
}

static int parse_slow(const struct f64_text *t, double *ret)
{
	struct digit_sink k;
	struct weir_buf b;
	int64_t e;
	double v;

	k.n = 0;
	k.dropped = 0;
	k.sticky = false;
	sink_digits(&k, t->whole, t->whole_n);
	if (t->fraction_n)
		sink_digits(&k, t->fraction, t->fraction_n);
	if (k.n == 0) {
		*ret = t->negative ? -0.0 : 0.0;
		return 0;
	}
	e = t->exp10 - (int64_t)t->fraction_n + (int64_t)k.dropped;
	if (k.sticky) {
		k.text[k.n++] = '1';
		e--;
	}
	b = weir_buf_of(k.text, sizeof(k.text) - 1);
	b.len = k.n;
	weir_buf_char(&b, 'e');
	weir_buf_i64(&b, e);
	k.text[b.len] = 0;
	v = strtod(k.text, NULL);
	if (isinf(v))
		return WEIR_E_RANGE;
	*ret = t->negative ? -v : v;
	return 0;
}

static uint64_t int_pow10(int64_t k)
{
	uint64_t v = 1;

	while (k-- > 0)
		v *= 10;
	return v;
}

/*
 * w * 10^e with |e| <= 19, w > 0. The product is exact. The quotient has at least 63 bits, ten more
 * than are kept, so that the remainder only matters as "something follows": it goes to the last
 * bit. The conversion rounds once; scaling by a power of two is exact, the result is far from
 * subnormal.
 */
static double wide(uint64_t w, int64_t e)
{
	int shift = 64 + __builtin_clzll(w);
	weir_u128 n, q;
	uint64_t d;

	if (e >= 0)
		return (double)((weir_u128)w * int_pow10(e));
	d = int_pow10(-e);
	n = (weir_u128)w << shift;
	q = n / d;
	if (q * d != n)
		q |= 1;
	return ldexp((double)q, -shift);
}

int weir_parse_f64(struct weir_str s, double *ret)
{
	struct f64_text t;
	int64_t e;

	if (s.n == 0)
		return WEIR_E_FORMAT;
	if (weir_unlikely(!scan(s, &t)))
		return special(s, ret);
	e = t.exp10 - (int64_t)t.fraction_n;
	if (weir_likely(t.whole_n + t.fraction_n <= EXACT_DIGITS)) {
		double v;

		if (weir_likely(t.w <= UINT64_C(1) << 53 && e >= -EXACT_POW10 && e <= EXACT_POW10))
			v = e < 0 ? (double)t.w / pow10_of[-e] : (double)t.w * pow10_of[e];
		else if (e >= -WIDE_POW10 && e <= WIDE_POW10)
			v = wide(t.w, e);
		else
			return parse_slow(&t, ret);
		*ret = t.negative ? -v : v;
		return 0;
	}
	return parse_slow(&t, ret);
}
