/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text of a value to its slot, and the reasons when it has none. Timestamps of the usual shape take a
 * short cut; what that does not recognise goes to the strict reader of base, which also decides
 * what is an error.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/num.h"
#include "base/time.h"
#include "engine/core/decode_impl.h"

#define M_STEP_MAX UINT64_C(1000000000000000000) /* below this one more digit fits into m */
#define EXP10_MAX 100000000 /* far above what any record has digits; sums stay in 32 bits */

static const double pow10_f64[] = {1e0,	 1e1,  1e2,  1e3,  1e4,	 1e5,  1e6,  1e7,
				   1e8,	 1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
				   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* ---- timestamps ---- */

/* "%Y?%m?%d?%H:%M:%S" is the only shape with a short cut; RFC 3339 ("") has it too. */
static void time_shape(struct weir__reader *r, const char *format)
{
	static const char shape[] = "%Y.%m.%d.%H:%M:%S";

	r->number = strcmp(format, "%s") == 0 || strcmp(format, "%Q") == 0;
	if (format[0] == 0) {
		memcpy(r->sep, "--T", 3);
		r->fixed = r->zone = true;
		return;
	}
	if (strlen(format) != sizeof(shape) - 1)
		return;
	for (size_t i = 0; i < sizeof(shape) - 1; i++) {
		if (shape[i] == '.' ? format[i] == '%' || is_digit(format[i])
				    : format[i] != shape[i])
			return;
	}
	r->sep[0] = format[2];
	r->sep[1] = format[5];
	r->sep[2] = format[8];
	r->fixed = true;
}

/* Two digits, or a value above 99. */
static uint32_t two(const char *p)
{
	uint32_t a = (uint32_t)(uint8_t)p[0] - '0', b = (uint32_t)(uint8_t)p[1] - '0';

	return a > 9 || b > 9 ? 1000 : a * 10 + b;
}

/* Days from civil, Howard Hinnant; valid dates only. */
static int64_t days_of(uint32_t year, uint32_t month, uint32_t day)
{
	uint32_t y = year - (month <= 2), era = y / 400, yoe = y - era * 400;
	uint32_t doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	uint32_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

	return (int64_t)era * 146097 + (int64_t)doe - 719468;
}

static bool time_day(struct weir__reader *r, const char *p, int64_t *ret_ns)
{
	static const uint8_t length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	uint32_t year, month, day;

	if (r->day_known && memcmp(p, r->day, 10) == 0) {
		*ret_ns = r->day_ns;
		return true;
	}
	if (p[4] != r->sep[0] || p[7] != r->sep[1])
		return false;
	if (two(p) > 99 || two(p + 2) > 99)
		return false;
	year = two(p) * 100 + two(p + 2);
	month = two(p + 5);
	day = two(p + 8);
	/* Years in which every day fits into 64 bits of nanoseconds. */
	if (year < 1678 || year > 2261 || month < 1 || month > 12 || day < 1)
		return false;
	if (day > length[month - 1]) {
		bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

		if (month != 2 || day != 29 || !leap)
			return false;
	}
	r->day_ns = days_of(year, month, day) * 86400 * WEIR_NS_PER_S;
	memcpy(r->day, p, 10);
	r->day_known = true;
	*ret_ns = r->day_ns;
	return true;
}

/* false: not of the fixed shape, or not valid; the general reader decides. */
static bool time_fixed(struct weir__reader *r, struct weir_str s, int64_t *ret_ns)
{
	const char *p = s.p, *end = s.p + s.n;
	uint32_t hour, minute, second, ns = 0;
	int64_t day_ns;

	if (s.n < 19 || !time_day(r, p, &day_ns))
		return false;
	if (p[10] != r->sep[2] || p[13] != ':' || p[16] != ':')
		return false;
	hour = two(p + 11);
	minute = two(p + 14);
	second = two(p + 17);
	if (hour > 23 || minute > 59 || second > 59)
		return false;
	p += 19;
	if (p < end && *p == '.') {
		uint32_t digits = 0;

		for (p++; p < end && is_digit(*p) && digits < 9; p++, digits++)
			ns = ns * 10 + (uint32_t)(*p - '0');
		if (digits == 0)
			return false;
		for (; digits < 9; digits++)
			ns *= 10;
	}
	if (r->zone) {
		if (p == end || *p != 'Z')
			return false;
		p++;
	}
	if (p != end)
		return false;
	*ret_ns = day_ns + (int64_t)(hour * 3600 + minute * 60 + second) * WEIR_NS_PER_S + ns;
	return true;
}

static int time_read(struct weir__reader *r, struct weir_str s, int64_t *ret_ns)
{
	if (r->fixed && time_fixed(r, s, ret_ns))
		return 0;
	if (r->field->format[0] == 0)
		return weir_time_parse_rfc3339(s, ret_ns);
	return weir_time_parse(s, r->field->format, ret_ns);
}

/* ---- numbers ---- */

const char *weir__num_scan(const char *p, const char *end, struct weir__num *ret)
{
	uint64_t m = 0;
	int32_t exp10 = 0;
	bool exact = true;

	ret->neg = p < end && *p == '-';
	p += ret->neg;
	if (p == end || !is_digit(*p))
		return NULL;
	if (*p == '0') {
		p++;
		if (p < end && is_digit(*p))
			return NULL;
	} else {
		for (; p < end && is_digit(*p); p++) {
			if (weir_likely(m < M_STEP_MAX)) {
				m = m * 10 + (uint64_t)(*p - '0');
			} else {
				/* Only as long as zeros follow is m * 10^exp10 the number. */
				exact = exact && *p == '0';
				exp10 += exp10 < EXP10_MAX;
			}
		}
	}
	ret->plain = true;
	if (p < end && *p == '.') {
		ret->plain = false;
		p++;
		if (p == end || !is_digit(*p))
			return NULL;
		for (; p < end && is_digit(*p); p++) {
			if (weir_likely(m < M_STEP_MAX && exact && exp10 <= 0)) {
				m = m * 10 + (uint64_t)(*p - '0');
				exp10 -= exp10 > -EXP10_MAX;
			} else {
				exact = exact && *p == '0';
			}
		}
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		bool neg;
		int32_t e = 0;

		ret->plain = false;
		p++;
		neg = p < end && *p == '-';
		if (p < end && (*p == '-' || *p == '+'))
			p++;
		if (p == end || !is_digit(*p))
			return NULL;
		for (; p < end && is_digit(*p); p++)
			e = e < EXP10_MAX ? e * 10 + (*p - '0') : e;
		exp10 += neg ? -e : e;
	}
	ret->m = m;
	ret->exp10 = exp10;
	ret->exact = exact;
	return p;
}

/* m * 10^exp10 as a whole number; RANGE: too large or not whole. */
static int num_whole(uint64_t m, int32_t exp10, uint64_t *ret)
{
	if (m == 0)
		exp10 = 0;
	for (; exp10 < 0; exp10++) {
		if (m % 10)
			return WEIR_E_RANGE;
		m /= 10;
	}
	for (; exp10 > 0; exp10--) {
		if (__builtin_mul_overflow(m, UINT64_C(10), &m))
			return WEIR_E_RANGE;
	}
	*ret = m;
	return 0;
}

int weir__num_i64(const struct weir__num *v, int64_t *ret)
{
	uint64_t m = v->m;

	if (weir_unlikely(!v->exact))
		return WEIR_E_RANGE;
	if (weir_unlikely(v->exp10 != 0) && num_whole(v->m, v->exp10, &m))
		return WEIR_E_RANGE;
	if (m > (uint64_t)INT64_MAX + v->neg)
		return WEIR_E_RANGE;
	*ret = v->neg ? (int64_t)(0 - m) : (int64_t)m;
	return 0;
}

/* Exact when mantissa and power of ten are doubles themselves (Clinger 1990); else the slow way. */
int weir__num_f64(const struct weir__num *v, struct weir_str text, double *ret)
{
	double d;

	if (!v->exact || v->m > UINT64_C(1) << 53 || v->exp10 < -22 || v->exp10 > 22)
		return weir_parse_f64(text, ret);
	d = (double)v->m;
	d = v->exp10 < 0 ? d / pow10_f64[-v->exp10] : d * pow10_f64[v->exp10];
	*ret = v->neg ? -d : d;
	return 0;
}

int weir__num_decimal(const struct weir__num *v, struct weir_typeinfo type, int64_t *ret)
{
	uint64_t m, limit = 1;

	if (!v->exact || num_whole(v->m, v->exp10 + type.scale, &m))
		return WEIR_E_RANGE;
	for (unsigned i = 0; i < type.precision; i++)
		limit *= 10;
	if (m >= limit)
		return WEIR_E_RANGE;
	*ret = v->neg ? -(int64_t)m : (int64_t)m;
	return 0;
}

/* ---- one value ---- */

void weir__reader_init(struct weir__reader *r, const struct weir_field *f)
{
	memset(r, 0, sizeof(*r));
	r->field = f;
	r->type = f->type.type;
	r->elem = f->type.elem;
	r->nullable = f->nullable;
	if (r->type == WEIR_TIMESTAMP || r->elem == WEIR_TIMESTAMP)
		time_shape(r, f->format);
}

int weir__value_read(struct weir__reader *r, unsigned type, struct weir_str s, uint64_t *ret_slot)
{
	int64_t i = 0;
	double d = 0;
	bool b = false;
	int code;

	switch (type) {
	case WEIR_BOOL:
		code = weir_parse_bool(s, &b);
		*ret_slot = b;
		return code;
	case WEIR_INT64:
		code = weir_parse_i64(s, &i);
		break;
	case WEIR_FLOAT64:
		code = weir_parse_f64(s, &d);
		memcpy(ret_slot, &d, 8);
		return code;
	case WEIR_DECIMAL:
		code = weir_parse_decimal(s, r->field->type.precision, r->field->type.scale, &i);
		break;
	case WEIR_TIMESTAMP:
		code = time_read(r, s, &i);
		break;
	default:
		weir_assert(type == WEIR_DURATION);
		code = weir_parse_duration(s, &i);
		break;
	}
	*ret_slot = (uint64_t)i;
	return code;
}

/* ---- rejects ---- */

void weir__reject(struct weir_decoded *ret, const char *at, const char *fmt, ...)
{
	va_list ap;

	ret->kind = WEIR_DECODE_REJECT;
	ret->column = at && at >= ret->record.p ? (uint32_t)(at - ret->record.p) + 1 : 0;
	va_start(ap, fmt);
	vsnprintf(ret->reason, sizeof(ret->reason), fmt, ap);
	va_end(ap);
}

void weir__quote(struct weir_str s, char *dst, size_t cap)
{
	struct weir_buf b = weir_buf_of(dst, cap - 1);
	struct weir_str head = {s.p, WEIR_MIN(s.n, (size_t)40)};

	/* Not in the middle of a character. */
	while (head.n < s.n && head.n > 0 && ((uint8_t)s.p[head.n] & 0xc0) == 0x80)
		head.n--;
	weir_buf_json_str(&b, head);
	if (head.n < s.n)
		weir_buf_lit(&b, "...");
	dst[b.len] = 0;
}

void weir__reject_value(struct weir_decoded *ret, const struct weir__reader *r, unsigned type,
			struct weir_str text, int code)
{
	struct weir_field f = *r->field;
	char shown[80] = "", type_text[100];
	struct weir_buf b = weir_buf_of(type_text, sizeof(type_text) - 1);

	f.nullable = false;
	f.type.type = (uint8_t)type;
	weir_buf_type(&b, &f);
	type_text[b.len] = 0;
	weir__quote(text, shown, sizeof(shown));
	weir__reject(ret, text.p, "field %s: %s %s %s", f.name, shown,
		     code == WEIR_E_RANGE ? "does not fit" : "is not a valid", type_text);
}

void weir__finish(const struct weir__stream *s, struct weir_builder *b, struct weir_decoded *ret)
{
	if (weir_unlikely(!weir_build_end(b))) {
		weir__reject(ret, NULL, "the record is larger than record_max (%u bytes)", b->cap);
		return;
	}
	if (s->time_field >= 0) {
		unsigned i = (unsigned)s->time_field;

		if (weir_unlikely(weir_null(b->f, s->schema, i))) {
			weir__reject(ret, NULL, "event time field %s is null",
				     s->schema->field[i].name);
			return;
		}
		b->f->time_ns = weir_get_i64(b->f, s->schema, i);
		b->f->flags = WEIR_FRAME_F_TIMED;
	}
	ret->kind = WEIR_DECODE_RECORD;
}
