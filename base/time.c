/* SPDX-License-Identifier: Apache-2.0 */
#include "base/time.h"

#include "base/buf.h"
#include "base/err.h"

#define DAY_S INT64_C(86400)
#define YEAR_MIN 1677
#define YEAR_MAX 2262

static inline bool leap(int64_t y)
{
	return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

static unsigned month_days(int64_t y, unsigned m)
{
	static const uint8_t days[13] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return days[m] + (m == 2 && leap(y));
}

/* Days since 1970-01-01; years start in March, so that the leap day is the last. */
static inline int64_t days_from_civil(int64_t y, unsigned m, unsigned d)
{
	int64_t era;
	unsigned yoe, doy, doe;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = (unsigned)(y - era * 400);
	doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
	doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
	return era * 146097 + (int64_t)doe - 719468;
}

static inline void civil_from_days(int64_t z, struct weir_civil *ret)
{
	int64_t era;
	unsigned doe, yoe, doy, mp;

	z += 719468;
	era = (z >= 0 ? z : z - 146096) / 146097;
	doe = (unsigned)(z - era * 146097);
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	ret->day = (uint8_t)(doy - (153 * mp + 2) / 5 + 1);
	ret->month = (uint8_t)(mp < 10 ? mp + 3 : mp - 9);
	ret->year = (int32_t)((int64_t)yoe + era * 400 + (ret->month <= 2));
}

/* Floor division: the parts below are never negative. */
static inline int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static inline void clock_parts(int64_t t_ns, struct weir_civil *ret, int64_t *ret_days)
{
	int64_t s = floor_div(t_ns, WEIR_NS_PER_S);
	unsigned day_s;

	*ret_days = floor_div(s, DAY_S);
	day_s = (unsigned)(s - *ret_days * DAY_S);
	/* Unsigned: s * 10^9 may lie just below INT64_MIN. */
	ret->ns = (uint32_t)((uint64_t)t_ns - (uint64_t)s * (uint64_t)WEIR_NS_PER_S);
	ret->hour = (uint8_t)(day_s / 3600);
	ret->minute = (uint8_t)(day_s / 60 % 60);
	ret->second = (uint8_t)(day_s % 60);
	civil_from_days(*ret_days, ret);
}

void weir_time_to_civil(int64_t t_ns, struct weir_civil *ret)
{
	int64_t days;

	clock_parts(t_ns, ret, &days);
	ret->weekday = (uint8_t)((days % 7 + 11) % 7); /* day 0 was a Thursday */
	ret->yearday = (uint16_t)(days - days_from_civil(ret->year, 1, 1));
}

static int civil_ns(const struct weir_civil *c, int64_t offset_s, int64_t *ret_ns)
{
	weir_i128 t;
	int64_t s;

	if (c->year < YEAR_MIN || c->year > YEAR_MAX || c->month < 1 || c->month > 12 ||
	    c->day < 1 || c->day > month_days(c->year, c->month) || c->hour > 23 ||
	    c->minute > 59 || c->second > 59 || c->ns >= WEIR_NS_PER_S)
		return WEIR_E_RANGE;
	s = days_from_civil(c->year, c->month, c->day) * DAY_S + c->hour * INT64_C(3600) +
	    c->minute * INT64_C(60) + c->second - offset_s;
	t = (weir_i128)s * WEIR_NS_PER_S + c->ns;
	if (t < INT64_MIN || t > INT64_MAX)
		return WEIR_E_RANGE;
	*ret_ns = (int64_t)t;
	return 0;
}

int weir_time_from_civil(const struct weir_civil *c, int64_t *ret_ns)
{
	return civil_ns(c, 0, ret_ns);
}

/* ---- reading ---- */

/* What a text has said so far. */
struct reading {
	const char *p, *end;
	struct weir_civil c;
	int64_t offset_s;
	int64_t unix_ns;
	uint16_t yearday; /* 1..366; 0: not given */
	bool unix_given, pm, twelve, month_given;
};

static inline bool is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}

/* min to max digits (at most 4). */
static inline int number(struct reading *r, unsigned min, unsigned max, unsigned *ret)
{
	unsigned v = 0, n = 0;

	for (; n < max && r->p < r->end && is_digit(*r->p); n++)
		v = v * 10 + (unsigned)(*r->p++ - '0');
	*ret = v;
	return n < min ? WEIR_E_FORMAT : 0;
}

/* Two digits, or with min 1 also one. */
static inline int small(struct reading *r, unsigned min, uint8_t *ret)
{
	unsigned v;
	int rc;

	if (weir_likely(r->end - r->p >= 2 && is_digit(r->p[0]) && is_digit(r->p[1]))) {
		*ret = (uint8_t)((r->p[0] - '0') * 10 + (r->p[1] - '0'));
		r->p += 2;
		return 0;
	}
	rc = number(r, min, 2, &v);
	*ret = (uint8_t)v;
	return rc;
}

/* One digit or more: nanoseconds. Behind the ninth only zeros, nothing is cut off silently. */
static int fraction(struct reading *r, uint32_t *ret_ns)
{
	uint32_t v = 0;
	unsigned n = 0;
	bool lost = false;

	for (; r->p < r->end && is_digit(*r->p); r->p++, n++) {
		if (n < 9)
			v = v * 10 + (uint32_t)(*r->p - '0');
		else
			lost |= *r->p != '0';
	}
	if (n == 0)
		return WEIR_E_FORMAT;
	for (; n < 9; n++)
		v *= 10;
	*ret_ns = v;
	return lost ? WEIR_E_RANGE : 0;
}

static inline bool fraction_next(const struct reading *r)
{
	return r->end - r->p >= 2 && r->p[0] == '.' && is_digit(r->p[1]);
}

/* "Z", "+hh:mm", and with loose also "+hhmm". */
static int zone(struct reading *r, bool loose)
{
	unsigned h, m;
	bool west;

	if (r->p == r->end)
		return WEIR_E_FORMAT;
	if (*r->p == 'Z' || *r->p == 'z') {
		r->p++;
		return 0;
	}
	west = *r->p == '-';
	if (!west && *r->p != '+')
		return WEIR_E_FORMAT;
	r->p++;
	if (number(r, 2, 2, &h))
		return WEIR_E_FORMAT;
	if (r->p < r->end && *r->p == ':')
		r->p++;
	else if (!loose)
		return WEIR_E_FORMAT;
	if (number(r, 2, 2, &m))
		return WEIR_E_FORMAT;
	if (h > 23 || m > 59)
		return WEIR_E_RANGE;
	r->offset_s = (int64_t)(h * 60 + m) * (west ? -60 : 60);
	return 0;
}

static inline bool literal(struct reading *r, char c)
{
	if (r->p == r->end || *r->p != c)
		return false;
	r->p++;
	return true;
}

int weir_time_parse_rfc3339(struct weir_str s, int64_t *ret_ns)
{
	struct reading r = {.p = s.p, .end = s.p ? s.p + s.n : s.p};
	unsigned year;
	int rc, late = 0;

	if (number(&r, 4, 4, &year) || !literal(&r, '-') || small(&r, 2, &r.c.month) ||
	    !literal(&r, '-') || small(&r, 2, &r.c.day) || r.p == r.end)
		return WEIR_E_FORMAT;
	if (*r.p != 'T' && *r.p != 't' && *r.p != ' ')
		return WEIR_E_FORMAT;
	r.p++;
	if (small(&r, 2, &r.c.hour) || !literal(&r, ':') || small(&r, 2, &r.c.minute) ||
	    !literal(&r, ':') || small(&r, 2, &r.c.second))
		return WEIR_E_FORMAT;
	r.c.year = (int32_t)year;
	/* A text that is no time at all is said to be that, also when a number before was too big. */
	if (literal(&r, '.')) {
		late = fraction(&r, &r.c.ns);
		if (late == WEIR_E_FORMAT)
			return late;
	}
	rc = zone(&r, false);
	if (rc == WEIR_E_FORMAT || r.p != r.end)
		return WEIR_E_FORMAT;
	if (rc || late)
		return WEIR_E_RANGE;
	return civil_ns(&r.c, r.offset_s, ret_ns);
}

static const char month_name[12][10] = {
	"january", "february", "march",	    "april",   "may",	   "june",
	"july",	   "august",   "september", "october", "november", "december",
};

/* Bytes at r that equal the lower case word, all of it or 0. */
static size_t word_next(const struct reading *r, const char *word, size_t n)
{
	if ((size_t)(r->end - r->p) < n)
		return 0;
	for (size_t i = 0; i < n; i++)
		if ((r->p[i] | 32) != word[i])
			return 0;
	return n;
}

static int month_text(struct reading *r)
{
	for (unsigned m = 0; m < 12; m++) {
		size_t n = word_next(r, month_name[m], strlen(month_name[m]));

		if (!n)
			n = word_next(r, month_name[m], 3);
		if (n) {
			r->p += n;
			r->c.month = (uint8_t)(m + 1);
			r->month_given = true;
			return 0;
		}
	}
	return WEIR_E_FORMAT;
}

static int half_day(struct reading *r)
{
	if (!word_next(r, "am", 2) && !word_next(r, "pm", 2))
		return WEIR_E_FORMAT;
	r->pm = (*r->p | 32) == 'p';
	r->p += 2;
	return 0;
}

/* "%s" and "%Q": a signed count, for seconds with a fraction. unit_ns divides 10^9. */
static int unix_time(struct reading *r, int64_t unit_ns)
{
	bool negative = literal(r, '-'), over = false;
	const char *start = r->p;
	uint32_t ns = 0;
	int64_t v = 0;
	int rc = 0;

	for (; r->p < r->end && is_digit(*r->p); r->p++) {
		int64_t digit = *r->p - '0';

		over |= __builtin_mul_overflow(v, INT64_C(10), &v);
		over |= __builtin_add_overflow(v, negative ? -digit : digit, &v);
	}
	if (r->p == start)
		return WEIR_E_FORMAT;
	if (unit_ns == WEIR_NS_PER_S && fraction_next(r)) {
		r->p++;
		rc = fraction(r, &ns);
	}
	if (!over) {
		weir_i128 t = (weir_i128)v * unit_ns + (negative ? -(int64_t)ns : (int64_t)ns);

		over = t < INT64_MIN || t > INT64_MAX;
		r->unix_ns = (int64_t)t;
	}
	r->unix_given = true;
	return over ? WEIR_E_RANGE : rc;
}

static int seconds(struct reading *r, char next)
{
	if (small(r, 1, &r->c.second))
		return WEIR_E_FORMAT;
	/* "%S.%f" names the fraction itself. */
	if (next == '.' || !fraction_next(r))
		return 0;
	r->p++;
	return fraction(r, &r->c.ns);
}

static int by_format(struct reading *r, const char *f);

static int conversion(struct reading *r, char what, char next)
{
	unsigned v;

	switch (what) {
	case 'Y':
		if (number(r, 4, 4, &v))
			return WEIR_E_FORMAT;
		r->c.year = (int32_t)v;
		return 0;
	case 'y':
		if (number(r, 2, 2, &v))
			return WEIR_E_FORMAT;
		r->c.year = (int32_t)(v < 69 ? 2000 + v : 1900 + v);
		return 0;
	case 'm':
		r->month_given = true;
		return small(r, 1, &r->c.month);
	case 'b':
	case 'B':
		return month_text(r);
	case 'e':
		literal(r, ' ');
		return small(r, 1, &r->c.day);
	case 'd':
		return small(r, 1, &r->c.day);
	case 'j':
		if (number(r, 1, 3, &v))
			return WEIR_E_FORMAT;
		r->yearday = (uint16_t)v;
		return v >= 1 && v <= 366 ? 0 : WEIR_E_RANGE;
	case 'H':
		return small(r, 1, &r->c.hour);
	case 'I':
		r->twelve = true;
		if (small(r, 1, &r->c.hour))
			return WEIR_E_FORMAT;
		return r->c.hour >= 1 && r->c.hour <= 12 ? 0 : WEIR_E_RANGE;
	case 'p':
		return half_day(r);
	case 'M':
		return small(r, 1, &r->c.minute);
	case 'S':
		return seconds(r, next);
	case 'f':
		return fraction(r, &r->c.ns);
	case 'z':
		return zone(r, true);
	case 'Z':
		if (!word_next(r, "utc", 3) && !word_next(r, "gmt", 3))
			return WEIR_E_FORMAT;
		r->p += 3;
		return 0;
	case 's':
		return unix_time(r, WEIR_NS_PER_S);
	case 'Q':
		return unix_time(r, WEIR_NS_PER_MS);
	case 'T':
		if (by_format(r, "%H:%M:"))
			return WEIR_E_FORMAT;
		return seconds(r, next);
	case 'D':
		return by_format(r, "%m/%d/%y");
	case 'F':
		return by_format(r, "%Y-%m-%d");
	case '%':
		return literal(r, '%') ? 0 : WEIR_E_FORMAT;
	default:
		return WEIR_E_FORMAT;
	}
}

/* The plain form of the conversions that most formats are made of: full width, digits only. */
static inline const char *plain_field(const char *p, const char *end, char what,
				      struct weir_civil *c)
{
	unsigned v;

	if (end - p < 2 || !is_digit(p[0]) || !is_digit(p[1]))
		return NULL;
	v = (unsigned)(p[0] - '0') * 10 + (unsigned)(p[1] - '0');
	switch (what) {
	case 'Y':
		if (end - p < 4 || !is_digit(p[2]) || !is_digit(p[3]))
			return NULL;
		c->year = (int32_t)(v * 100 + (unsigned)(p[2] - '0') * 10 + (unsigned)(p[3] - '0'));
		return p + 4;
	case 'd':
		c->day = (uint8_t)v;
		return p + 2;
	case 'H':
		c->hour = (uint8_t)v;
		return p + 2;
	case 'M':
		c->minute = (uint8_t)v;
		return p + 2;
	default:
		return NULL;
	}
}

/* Wrong text anywhere wins over a number out of range: it is the better thing to report. The place
 * is kept in a variable of its own, the struct only hears of it where a function needs it. */
static int by_format(struct reading *r, const char *f)
{
	const char *p = r->p, *end = r->end;
	int range = 0;

	while (*f) {
		if (*f == '%') {
			const char *next = plain_field(p, end, f[1], &r->c);
			int rc;

			if (next) {
				p = next;
				f += 2;
				continue;
			}
			r->p = p;
			rc = f[1] ? conversion(r, f[1], f[2]) : WEIR_E_FORMAT;
			if (rc == WEIR_E_FORMAT)
				return rc;
			range |= rc;
			p = r->p;
			f += 2;
			continue;
		}
		if (p == end || *p != *f)
			return WEIR_E_FORMAT;
		p++;
		if (*f++ == ' ') {
			while (p < end && *p == ' ')
				p++;
			while (*f == ' ')
				f++;
		}
	}
	r->p = p;
	return range;
}

static int day_of_year(struct reading *r)
{
	unsigned left = r->yearday, m = 1;

	if (r->c.year < YEAR_MIN || r->c.year > YEAR_MAX || left > 365u + leap(r->c.year))
		return WEIR_E_RANGE;
	while (left > month_days(r->c.year, m))
		left -= month_days(r->c.year, m++);
	/* Given twice, both must agree. */
	if (r->month_given && (r->c.month != m || r->c.day != left))
		return WEIR_E_RANGE;
	r->c.month = (uint8_t)m;
	r->c.day = (uint8_t)left;
	return 0;
}

int weir_time_parse(struct weir_str s, const char *format, int64_t *ret_ns)
{
	struct reading r = {.p = s.p, .end = s.p ? s.p + s.n : s.p};
	int rc;

	if (!*format)
		return weir_time_parse_rfc3339(s, ret_ns);
	r.c.year = 1970;
	r.c.month = 1;
	r.c.day = 1;
	rc = by_format(&r, format);
	if (rc == WEIR_E_FORMAT || r.p != r.end)
		return WEIR_E_FORMAT;
	if (rc)
		return rc;
	if (r.unix_given) {
		*ret_ns = r.unix_ns;
		return 0;
	}
	if (r.twelve)
		r.c.hour = (uint8_t)(r.c.hour % 12 + (r.pm ? 12 : 0));
	if (r.yearday && (rc = day_of_year(&r)))
		return rc;
	return civil_ns(&r.c, r.offset_s, ret_ns);
}

int weir_time_format_check(const char *format, size_t *ret_at)
{
	const char *twelve = NULL, *half = NULL;

	for (const char *f = format; *f; f++) {
		if (*f != '%')
			continue;
		if (!f[1] || !strchr("YmdHMSybBejzZIpfsQTDF%", f[1])) {
			*ret_at = (size_t)(f - format);
			return WEIR_E_FORMAT;
		}
		if (f[1] == 'I')
			twelve = f;
		if (f[1] == 'p')
			half = f;
		f++;
	}
	/* One without the other would read 3 in the afternoon as 3 in the morning. */
	if (!twelve == !half)
		return 0;
	*ret_at = (size_t)((twelve ? twelve : half) - format);
	return WEIR_E_FORMAT;
}

/* ---- writing ---- */

static inline char *two(char *p, unsigned v)
{
	p[0] = (char)('0' + v / 10);
	p[1] = (char)('0' + v % 10);
	return p + 2;
}

void weir_buf_time(struct weir_buf *b, int64_t t_ns)
{
	char text[32], *p = text;
	struct weir_civil c;
	int64_t days;

	clock_parts(t_ns, &c, &days);
	p = two(p, (unsigned)c.year / 100);
	p = two(p, (unsigned)c.year % 100);
	*p++ = '-';
	p = two(p, c.month);
	*p++ = '-';
	p = two(p, c.day);
	*p++ = 'T';
	p = two(p, c.hour);
	*p++ = ':';
	p = two(p, c.minute);
	*p++ = ':';
	p = two(p, c.second);
	if (c.ns) {
		unsigned left = c.ns, n = 9;

		/* Most times have milliseconds: three zeros at once. */
		while (left % 1000 == 0) {
			left /= 1000;
			n -= 3;
		}
		while (left % 10 == 0) {
			left /= 10;
			n--;
		}
		*p = '.';
		for (unsigned i = n; i > 0; i--, left /= 10)
			p[i] = (char)('0' + left % 10);
		p += 1 + n;
	}
	*p++ = 'Z';
	weir_buf_put(b, text, (size_t)(p - text));
}
