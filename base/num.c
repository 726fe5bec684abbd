/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"

#include "base/buf.h"
#include "base/err.h"

const int64_t weir_pow10[19] = {
	1,
	10,
	100,
	1000,
	10000,
	100000,
	1000000,
	10000000,
	100000000,
	1000000000,
	10000000000,
	100000000000,
	1000000000000,
	10000000000000,
	100000000000000,
	1000000000000000,
	10000000000000000,
	100000000000000000,
	1000000000000000000,
};

#define PLAIN_DIGITS 18 /* this many decimal digits always fit 63 bits */

static inline bool is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}

static inline char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool same_word(struct weir_str s, const char *lower_word)
{
	size_t i = 0;

	for (; i < s.n && lower_word[i]; i++)
		if (lower(s.p[i]) != lower_word[i])
			return false;
	return i == s.n && !lower_word[i];
}

/* ---- integers ---- */

/*
 * Eight digits at once: neighbours are joined to pairs, pairs to fours, fours to eight, in one
 * word. false when one of them is no digit. After D. Lemire, "Quickly parsing eight digits".
 */
static inline bool eight_digits(const char *p, uint64_t *ret)
{
	uint64_t w;

	memcpy(&w, p, 8);
	if (((w & UINT64_C(0xf0f0f0f0f0f0f0f0)) |
	     (((w + UINT64_C(0x0606060606060606)) & UINT64_C(0xf0f0f0f0f0f0f0f0)) >> 4)) !=
	    UINT64_C(0x3333333333333333))
		return false;
	w = (w & UINT64_C(0x0f0f0f0f0f0f0f0f)) * 2561 >> 8;
	w = (w & UINT64_C(0x00ff00ff00ff00ff)) * 6553601 >> 16;
	*ret = (w & UINT64_C(0x0000ffff0000ffff)) * UINT64_C(42949672960001) >> 32;
	return true;
}

/* At most PLAIN_DIGITS digits and nothing else. */
static inline bool plain_digits(const char *p, size_t n, uint64_t *ret)
{
	uint64_t v = 0, part;

	for (; n >= 8; p += 8, n -= 8) {
		if (!eight_digits(p, &part))
			return false;
		v = v * 100000000 + part;
	}
	for (; n; p++, n--) {
		if (!is_digit(*p))
			return false;
		v = v * 10 + (uint64_t)(*p - '0');
	}
	*ret = v;
	return true;
}

/* All digits, at least one; any number of them. */
static int parse_digits(const char *p, size_t n, uint64_t *ret)
{
	uint64_t v = 0;
	bool over = false;

	if (n == 0)
		return WEIR_E_FORMAT;
	if (weir_likely(n <= PLAIN_DIGITS))
		return plain_digits(p, n, ret) ? 0 : WEIR_E_FORMAT;
	/* A wrong byte behind an overflow is still the better thing to report. */
	for (size_t i = 0; i < n; i++) {
		if (!is_digit(p[i]))
			return WEIR_E_FORMAT;
		over |= __builtin_mul_overflow(v, UINT64_C(10), &v);
		over |= __builtin_add_overflow(v, (uint64_t)(p[i] - '0'), &v);
	}
	if (over)
		return WEIR_E_RANGE;
	*ret = v;
	return 0;
}

/* Magnitude and sign to int64; INT64_MIN is the one value whose magnitude does not fit. */
static int with_sign(uint64_t v, bool negative, int64_t *ret)
{
	if (v > (uint64_t)INT64_MAX + negative)
		return WEIR_E_RANGE;
	*ret = (int64_t)(negative ? -v : v);
	return 0;
}

int weir_parse_i64(struct weir_str s, int64_t *ret)
{
	uint64_t v;
	size_t sign;
	int rc;

	if (s.n == 0)
		return WEIR_E_FORMAT;
	sign = s.p[0] == '-' || s.p[0] == '+';
	rc = parse_digits(s.p + sign, s.n - sign, &v);
	return rc ? rc : with_sign(v, s.p[0] == '-', ret);
}

int weir_parse_bool(struct weir_str s, bool *ret)
{
	if (same_word(s, "true") || same_word(s, "t") || same_word(s, "yes") || same_word(s, "1"))
		*ret = true;
	else if (same_word(s, "false") || same_word(s, "f") || same_word(s, "no") ||
		 same_word(s, "0"))
		*ret = false;
	else
		return WEIR_E_FORMAT;
	return 0;
}

int weir_parse_decimal(struct weir_str s, unsigned precision, unsigned scale, int64_t *ret)
{
	bool negative = s.n && s.p[0] == '-', over = false;
	size_t i = s.n && (negative || s.p[0] == '+'), start = i;
	uint64_t v = 0, limit = 1;
	unsigned places = 0;

	for (unsigned k = 0; k < precision; k++)
		limit *= 10;
	for (; i < s.n && is_digit(s.p[i]); i++) {
		v = v * 10 + (uint64_t)(s.p[i] - '0');
		if (v >= limit) {
			over = true;
			v = 0;
		}
	}
	if (i == start)
		return WEIR_E_FORMAT;
	if (i < s.n && s.p[i] == '.') {
		start = ++i;
		for (; i < s.n && is_digit(s.p[i]); i++) {
			if (places < scale) {
				v = v * 10 + (uint64_t)(s.p[i] - '0');
				places++;
				if (v >= limit) {
					over = true;
					v = 0;
				}
			} else if (s.p[i] != '0') {
				over = true;
			}
		}
		if (i == start)
			return WEIR_E_FORMAT;
	}
	if (i != s.n)
		return WEIR_E_FORMAT;
	for (; places < scale; places++) {
		v *= 10;
		if (v >= limit) {
			over = true;
			v = 0;
		}
	}
	if (over)
		return WEIR_E_RANGE;
	*ret = negative ? -(int64_t)v : (int64_t)v;
	return 0;
}

/* ---- settings ---- */

int weir_parse_count(struct weir_str s, uint64_t *ret)
{
	if (s.n > 1 && s.p[0] == '0')
		return WEIR_E_FORMAT;
	return parse_digits(s.p, s.n, ret);
}

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit size_unit[] = {
	{"", 1},
	{"B", 1},
	{"KiB", UINT64_C(1) << 10},
	{"MiB", UINT64_C(1) << 20},
	{"GiB", UINT64_C(1) << 30},
	{"TiB", UINT64_C(1) << 40},
	{"kB", UINT64_C(1000)},
	{"MB", UINT64_C(1000000)},
	{"GB", UINT64_C(1000000000)},
	{"TB", UINT64_C(1000000000000)},
};

static size_t digit_run(struct weir_str s)
{
	size_t n = 0;

	while (n < s.n && is_digit(s.p[n]))
		n++;
	return n;
}

int weir_parse_size(struct weir_str s, uint64_t *ret_bytes)
{
	size_t n = digit_run(s);
	struct weir_str name;
	uint64_t v;
	int rc;

	if (n == 0)
		return WEIR_E_FORMAT;
	name = (struct weir_str){s.p + n, s.n - n};
	for (size_t i = 0; i < WEIR_COUNT_OF(size_unit); i++) {
		if (!weir_str_is(name, size_unit[i].name))
			continue;
		rc = weir_parse_count((struct weir_str){s.p, n}, &v);
		if (rc)
			return rc;
		if (__builtin_mul_overflow(v, size_unit[i].factor, &v))
			return WEIR_E_RANGE;
		*ret_bytes = v;
		return 0;
	}
	return WEIR_E_FORMAT;
}

void weir_buf_size(struct weir_buf *b, uint64_t bytes)
{
	unsigned i = 5; /* TiB */

	while (i > 1 && (bytes == 0 || bytes % size_unit[i].factor))
		i--;
	weir_buf_u64(b, bytes / size_unit[i].factor);
	weir_buf_lit(b, size_unit[i].name);
}

/* Largest first: the parts of a duration must come in this order, each at most once. */
static const struct unit time_unit[] = {
	{"d", UINT64_C(86400000000000)},
	{"h", UINT64_C(3600000000000)},
	{"m", UINT64_C(60000000000)},
	{"s", UINT64_C(1000000000)},
	{"ms", UINT64_C(1000000)},
	{"us", UINT64_C(1000)},
	{"ns", 1},
};

/* One part such as "30m" from the front of *s, with a unit behind *next. */
static int duration_part(struct weir_str *s, size_t *next, uint64_t *sum, bool *over)
{
	size_t n = digit_run(*s), end = n;
	struct weir_str name;
	uint64_t v;
	int rc = weir_parse_count((struct weir_str){s->p, n}, &v);

	if (rc == WEIR_E_RANGE) {
		*over = true;
		v = 0;
	} else if (rc) {
		return rc;
	}
	while (end < s->n && !is_digit(s->p[end]))
		end++;
	name = (struct weir_str){s->p + n, end - n};
	for (size_t i = *next; i < WEIR_COUNT_OF(time_unit); i++) {
		if (!weir_str_is(name, time_unit[i].name))
			continue;
		*over |= __builtin_mul_overflow(v, time_unit[i].factor, &v);
		*over |= __builtin_add_overflow(*sum, v, sum);
		*next = i + 1;
		s->p += end;
		s->n -= end;
		return 0;
	}
	return WEIR_E_FORMAT;
}

int weir_parse_duration(struct weir_str s, int64_t *ret_ns)
{
	bool negative = s.n && s.p[0] == '-', over = false;
	uint64_t sum = 0;
	size_t next = 0;
	int rc;

	if (weir_str_is(s, "0")) {
		*ret_ns = 0;
		return 0;
	}
	if (s.n <= negative)
		return WEIR_E_FORMAT;
	s.p += negative;
	s.n -= negative;
	while (s.n) {
		rc = duration_part(&s, &next, &sum, &over);
		if (rc)
			return rc;
	}
	return over ? WEIR_E_RANGE : with_sign(sum, negative, ret_ns);
}

static uint64_t buf_sign(struct weir_buf *b, int64_t v)
{
	if (v >= 0)
		return (uint64_t)v;
	weir_buf_char(b, '-');
	return -(uint64_t)v;
}

void weir_buf_duration(struct weir_buf *b, int64_t ns)
{
	uint64_t left = buf_sign(b, ns);
	bool begun = false;

	if (left == 0) {
		weir_buf_lit(b, "0s");
		return;
	}
	/* From the first part down to seconds none is left out: "1h0m0s"; below that zeros are.
	 * Hours are the largest, days read badly beside them. */
	for (size_t i = 1; i < WEIR_COUNT_OF(time_unit); i++) {
		uint64_t part = left / time_unit[i].factor;
		bool keep_zero = begun && time_unit[i].factor >= (uint64_t)WEIR_NS_PER_S;

		left %= time_unit[i].factor;
		if (!part && !keep_zero)
			continue;
		weir_buf_u64(b, part);
		weir_buf_lit(b, time_unit[i].name);
		begun = true;
	}
}

void weir_buf_decimal(struct weir_buf *b, int64_t v, unsigned scale)
{
	char text[32];
	char *p = text + sizeof(text);
	uint64_t left = buf_sign(b, v);

	for (unsigned i = 0; i < scale && i < PLAIN_DIGITS; i++, left /= 10)
		*--p = (char)('0' + left % 10);
	weir_buf_u64(b, left);
	if (scale) {
		weir_buf_char(b, '.');
		weir_buf_put(b, p, (size_t)(text + sizeof(text) - p));
	}
}
