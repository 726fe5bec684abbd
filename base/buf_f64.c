/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doubles as text. Any decimal of at most 15 significant digits survives the way through a normal
 * double, so the shortest text is found by trying: first exactly, with few decimals (W. Clinger, "How
 * to read floating point numbers accurately": an integer below 2^53 divided by 10^k, k <= 22, is
 * rounded once, as a reader would), then with 15, 16 and 17 digits from the C library.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

#define FRACTION_MAX 9
#define EXACT_BELOW 1e15
#define DIGITS_MAX 17

/* The value is 0.d[0]d[1]... * 10^point. */
struct digits {
	char d[DIGITS_MAX + 1];
	int count, point;
};

static const double pow10_of[FRACTION_MAX + 1] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};

/* v = r / 10^k with k <= 9 and r < 10^15, smallest k first. */
static bool buf_exact(struct weir_buf *b, double v)
{
	double a = fabs(v);

	if (!(a < EXACT_BELOW))
		return false;
	if (a < 1e-6 && a != 0)
		return false;
	for (unsigned k = 0; k <= FRACTION_MAX; k++) {
		double scaled = a * pow10_of[k];
		uint64_t r;

		if (scaled >= EXACT_BELOW)
			return false;
		r = (uint64_t)(scaled + 0.5);
		if ((double)r / pow10_of[k] == a) {
			char text[24];
			char *p = text + sizeof(text);

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
	}
	return false;
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

static void shortest(double a, struct digits *ret)
{
	int exp2, count = 15;
	bool power = frexp(a, &exp2) == 0.5;

	/* Subnormal numbers have fewer digits to give: the shortest may be any. */
	if (a < 0x1p-1022)
		count = 1;
	for (; count < DIGITS_MAX; count++) {
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
	if (count == DIGITS_MAX)
		take_digits(a, count, ret);
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
