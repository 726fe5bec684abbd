/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doubles as text: the shortest that reads back, and of these the nearest. Three ways, fastest
 * first:
 *
 *   few decimals   r / 10^k with r below 10^15 is rounded once, as a reader would, and any text of
 *                  at most 15 digits is the only one of its length (W. Clinger, "How to read
 *                  floating point numbers accurately", 1990);
 *   1e-6 to 2^53   both ends of the interval that reads back, scaled to 17 digits, are exact in 128
 *                  bits; the largest power of ten with a multiple inside gives the digits;
 *   the rest       15, 16 and 17 digits of the C library, read back.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

#define FRACTION_MAX 9
#define EXACT_BELOW 1e15
#define PLAIN_FROM 1e-6
#define DIGITS_MAX 18 /* 17, and one more where rounding up carries */

/* The value is 0.d[0]d[1]... * 10^point. */
struct digits {
	char d[DIGITS_MAX];
	int count, point;
};

static const double pow10_of[FRACTION_MAX + 1] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};

/* v = r / 10^k with k <= 9 and r < 10^15, smallest k first. */
static bool buf_exact(struct weir_buf *b, double v)
{
	double a = fabs(v);

	if (!(a < EXACT_BELOW) || (a < PLAIN_FROM && a != 0))
		return false;
	for (unsigned k = 0; k <= FRACTION_MAX; k++) {
		double scaled = a * pow10_of[k];
		char text[24], *p = text + sizeof(text);
		uint64_t r;

		if (scaled >= EXACT_BELOW)
			return false;
		r = (uint64_t)(scaled + 0.5);
		/* The product is off by less than one rounding; the division decides. */
		if (fabs(scaled - (double)r) > scaled * 0x1p-51 || (double)r / pow10_of[k] != a)
			continue;
		for (unsigned i = 0; i < k; i++, r /= 10)
			*--p = (char)('0' + r % 10);
		if (k)
			*--p = '.';
		do {
			*--p = (char)('0' + r % 10);
			r /= 10;
		} while (r);
		if (signbit(v))
			*--p = '-';
		weir_buf_put(b, p, (size_t)(text + sizeof(text) - p));
		return true;
	}
	return false;
}

static weir_u128 big_pow10(int k)
{
	weir_u128 v = 1;

	for (; k >= 9; k -= 9)
		v *= 1000000000;
	return v * (uint64_t)pow10_of[k];
}

/* Largest j so that a multiple of 10^j lies in [low, high]; there is an integer inside. */
static unsigned widest_step(uint64_t low, uint64_t high, uint64_t *ret_step)
{
	uint64_t step = 1;
	unsigned j = 0;

	while (high / (step * 10) * (step * 10) >= low) {
		step *= 10;
		j++;
	}
	*ret_step = step;
	return j;
}

static void put_digits(uint64_t v, int exp10, struct digits *ret)
{
	int n = 0;

	for (uint64_t left = v; left; left /= 10)
		n++;
	ret->count = n;
	ret->point = n + exp10;
	for (; n > 0; v /= 10)
		ret->d[--n] = (char)('0' + v % 10);
}

/*
 * a = m * 2^e in [1e-6, 2^53), m of 53 bits and not 2^52 (there the interval is lopsided).
 * Everything between (2m - 1) * 2^(e-1) and (2m + 1) * 2^(e-1) reads back as a, the ends themselves
 * if m is even. Times 10^k, so that a has 17 digits before the point: 54 bits and 74 bits (k <= 22)
 * fit 128.
 */
static void shortest_exact(double a, struct digits *ret)
{
	int exp2, k, shift;
	uint64_t m = (uint64_t)(frexp(a, &exp2) * 0x1p53), low, high, center, step, half;
	weir_u128 scale, at, ends, mask;
	unsigned j;

	shift = 54 - exp2;
	mask = ((weir_u128)1 << shift) - 1;
	/* log10(2) is a little more than 1233 / 4096: k may come out one too large. */
	k = 16 - (((exp2 - 1) * 1233) >> 12);
	k = WEIR_MIN(k, 22);
	for (;; k--) {
		scale = big_pow10(k);
		at = 2 * m * scale;
		if (at >> shift < UINT64_C(100000000000000000))
			break;
	}
	ends = at - scale;
	low = (uint64_t)(ends >> shift);
	if ((ends & mask) != 0 || (m & 1))
		low++;
	ends = at + scale;
	high = (uint64_t)(ends >> shift);
	if ((ends & mask) == 0 && (m & 1))
		high--;
	j = widest_step(low, high, &step);
	/* The multiple nearest to a; of two equally near ones the even. */
	center = (uint64_t)(at >> shift);
	half = center % step;
	center /= step;
	at = (((weir_u128)half << shift) | (at & mask)) * 2;
	ends = (weir_u128)step << shift;
	if (at > ends || (at == ends && (center & 1)))
		center++;
	put_digits(center, (int)j - k, ret);
}

/* count significant digits of a > 0. Only digits and exponent are taken: the locale's decimal
 * sign, wherever it comes from, does not matter. */
static void take_digits(double a, int count, struct digits *ret)
{
	char text[48];
	const char *p = text;

	snprintf(text, sizeof(text), "%.*e", count - 1, a);
	ret->count = 0;
	for (; *p && *p != 'e'; p++)
		if (*p >= '0' && *p <= '9' && ret->count < DIGITS_MAX)
			ret->d[ret->count++] = *p;
	ret->point = *p ? 1 + (int)strtol(p + 1, NULL, 10) : 1;
}

static bool reads_back(const struct digits *g, double a)
{
	char text[48];

	snprintf(text, sizeof(text), "%.*se%d", g->count, g->d, g->point - g->count);
	return strtod(text, NULL) == a;
}

/* The next decimal of that many digits; false for 99..9, which has none of the same count. */
static bool next_up(struct digits *g)
{
	int i = g->count - 1;

	while (i >= 0 && g->d[i] == '9')
		g->d[i--] = '0';
	if (i < 0)
		return false;
	g->d[i]++;
	return true;
}

static void shortest_by_trial(double a, bool power, struct digits *ret)
{
	int count = 15;

	/* Subnormal numbers have fewer digits to give: the shortest may be any. */
	if (a < 0x1p-1022)
		count = 1;
	for (; count < 17; count++) {
		struct digits up;

		take_digits(a, count, ret);
		if (reads_back(ret, a))
			break;
		/* Above a power of two the neighbour is twice as far as below: the nearest
		 * decimal may lie too far below while the next one above still fits. */
		up = *ret;
		if (power && next_up(&up) && reads_back(&up, a)) {
			*ret = up;
			break;
		}
	}
	if (count == 17)
		take_digits(a, count, ret);
}

static void shortest(double a, struct digits *ret)
{
	int exp2;
	bool power = frexp(a, &exp2) == 0.5;

	if (a >= PLAIN_FROM && a < 0x1p53 && !power)
		shortest_exact(a, ret);
	else
		shortest_by_trial(a, power, ret);
	while (ret->count > 1 && ret->d[ret->count - 1] == '0')
		ret->count--;
}

static void buf_zeros(struct weir_buf *b, int n)
{
	while (n-- > 0)
		weir_buf_char(b, '0');
}

/* Plain from 1e-6 to below 1e21, else with an exponent, as ECMAScript does. */
static void buf_digits(struct weir_buf *b, const struct digits *g)
{
	int n = g->count, point = g->point;

	if (point > 21 || point < -5) {
		weir_buf_char(b, g->d[0]);
		if (n > 1) {
			weir_buf_char(b, '.');
			weir_buf_put(b, g->d + 1, (size_t)n - 1);
		}
		weir_buf_char(b, 'e');
		weir_buf_i64(b, point - 1);
	} else if (point <= 0) {
		weir_buf_lit(b, "0.");
		buf_zeros(b, -point);
		weir_buf_put(b, g->d, (size_t)n);
	} else if (point >= n) {
		weir_buf_put(b, g->d, (size_t)n);
		buf_zeros(b, point - n);
	} else {
		weir_buf_put(b, g->d, (size_t)point);
		weir_buf_char(b, '.');
		weir_buf_put(b, g->d + point, (size_t)(n - point));
	}
}

void weir_buf_f64(struct weir_buf *b, double v)
{
	struct digits g;

	if (buf_exact(b, v))
		return;
	if (isnan(v)) {
		weir_buf_lit(b, "NaN");
		return;
	}
	if (v < 0)
		weir_buf_char(b, '-');
	if (isinf(v)) {
		weir_buf_lit(b, "Infinity");
		return;
	}
	shortest(fabs(v), &g);
	buf_digits(b, &g);
}

void weir_buf_json_f64(struct weir_buf *b, double v)
{
	bool number = isfinite(v);

	if (!number)
		weir_buf_char(b, '"');
	weir_buf_f64(b, v);
	if (!number)
		weir_buf_char(b, '"');
}
