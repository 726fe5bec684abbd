/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/encode_copy.h"

#include "base/num.h"
#include "base/time.h"
#include "engine/core/text.h"

#define NS_PER_US 1000

/* ---- escapes ---- */

/* What COPY itself takes apart. */
static char copy_escape(char c)
{
	switch (c) {
	case '\\':
		return '\\';
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	default:
		return 0;
	}
}

static void put_text(struct weir_buf *b, struct weir_str s)
{
	size_t from = 0;

	for (size_t i = 0; i < s.n; i++) {
		char e = copy_escape(s.p[i]);

		if (weir_likely(!e))
			continue;
		weir_buf_put(b, s.p + from, i - from);
		weir_buf_char(b, '\\');
		weir_buf_char(b, e);
		from = i + 1;
	}
	weir_buf_put(b, s.p + from, s.n - from);
}

/* In an array: always in quotes. The array's own backslashes are escaped once more for COPY. */
static void put_element_text(struct weir_buf *b, struct weir_str s)
{
	weir_buf_char(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		char e = copy_escape(s.p[i]);

		if (s.p[i] == '\\') {
			weir_buf_lit(b, "\\\\\\\\");
		} else if (s.p[i] == '"') {
			weir_buf_lit(b, "\\\\\"");
		} else if (e) {
			weir_buf_char(b, '\\');
			weir_buf_char(b, e);
		} else {
			weir_buf_char(b, s.p[i]);
		}
	}
	weir_buf_char(b, '"');
}

static void put_hex(struct weir_buf *b, struct weir_str s)
{
	static const char digit[] = "0123456789abcdef";

	if (2 * s.n > b->cap - b->len) {
		b->full = true;
		return;
	}
	for (size_t i = 0; i < s.n; i++) {
		b->p[b->len++] = digit[(uint8_t)s.p[i] >> 4];
		b->p[b->len++] = digit[(uint8_t)s.p[i] & 15];
	}
}

/* ---- times ---- */

static void put_time(struct weir_buf *b, int64_t t_ns)
{
	int64_t part = t_ns % NS_PER_US;

	/* Rounding up could carry the last instant of a window into the next one. */
	if (part < 0 && t_ns >= INT64_MIN + NS_PER_US)
		part += NS_PER_US;
	weir_buf_time(b, t_ns - part);
}

static void put_duration(struct weir_buf *b, int64_t ns)
{
	uint64_t us = (ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns) / NS_PER_US;
	char text[7];

	/* The sign is of the number as a whole, also of 0.5 seconds. */
	if (ns < 0)
		weir_buf_char(b, '-');
	weir_buf_u64(b, us / 1000000);
	us %= 1000000;
	text[0] = '.';
	for (unsigned i = 6; i > 0; i--, us /= 10)
		text[i] = (char)('0' + us % 10);
	weir_buf_put(b, text, sizeof(text));
	weir_buf_lit(b, " s");
}

/* ---- values ---- */

/* Neither text, bytes nor a list. */
static void put_scalar(struct weir_buf *b, struct weir_typeinfo type, unsigned kind, uint64_t slot,
		       bool whole_ns)
{
	double d;

	switch (kind) {
	case WEIR_BOOL:
		weir_buf_lit(b, slot ? "true" : "false");
		break;
	case WEIR_FLOAT64:
		memcpy(&d, &slot, 8);
		weir_buf_f64(b, d);
		break;
	case WEIR_DECIMAL:
		weir_buf_decimal(b, (int64_t)slot, type.scale);
		break;
	case WEIR_TIMESTAMP:
		if (!whole_ns) {
			put_time(b, (int64_t)slot);
			break;
		}
		weir_buf_i64(b, (int64_t)slot);
		break;
	case WEIR_DURATION:
		if (!whole_ns) {
			put_duration(b, (int64_t)slot);
			break;
		}
		weir_buf_i64(b, (int64_t)slot);
		break;
	default:
		weir_buf_i64(b, (int64_t)slot);
		break;
	}
}

static bool text_ok(struct weir_str s)
{
	return s.n == 0 || (!memchr(s.p, 0, s.n) && weir__utf8_check(s.p, s.n) == s.n);
}

static bool put_list(struct weir_buf *b, const struct weir_frame *f, struct weir_typeinfo type,
		     uint64_t list, bool whole_ns)
{
	const uint8_t *at = weir_payload(f) + (uint32_t)list;
	uint32_t count = (uint32_t)(list >> 32);

	weir_buf_char(b, '{');
	for (uint32_t i = 0; i < count && !b->full; i++) {
		struct weir_str s;
		uint64_t slot;

		memcpy(&slot, at + 8 * (size_t)i, 8);
		s = weir_slot_str(f, weir_type_is_text(type.elem) ? slot : 0);
		if (i)
			weir_buf_char(b, ',');
		if (type.elem == WEIR_STRING) {
			if (!text_ok(s))
				return false;
			put_element_text(b, s);
		} else if (type.elem == WEIR_BYTES) {
			weir_buf_lit(b, "\"\\\\\\\\x");
			put_hex(b, s);
			weir_buf_char(b, '"');
		} else {
			put_scalar(b, type, type.elem, slot, whole_ns);
		}
	}
	weir_buf_char(b, '}');
	return true;
}

static bool put_value(const struct weir_copy_spec *c, struct weir_buf *b,
		      const struct weir_frame *f, unsigned i)
{
	const struct weir_field *field = &c->schema->field[i];
	uint64_t slot = weir_slot(f, c->schema, i);

	switch (field->type.type) {
	case WEIR_STRING:
		if (!text_ok(weir_slot_str(f, slot)))
			return false;
		put_text(b, weir_slot_str(f, slot));
		return true;
	case WEIR_BYTES:
		weir_buf_lit(b, "\\\\x");
		put_hex(b, weir_slot_str(f, slot));
		return true;
	case WEIR_LIST:
		return put_list(b, f, field->type, slot, c->whole_ns[i]);
	default:
		put_scalar(b, field->type, field->type.type, slot, c->whole_ns[i]);
		return true;
	}
}

int weir_copy_record(const struct weir_copy_spec *c, struct weir_buf *b, const struct weir_frame *f)
{
	for (unsigned i = 0; i < c->schema->field_count && !b->full; i++) {
		if (i)
			weir_buf_char(b, '\t');
		if (weir_null(f, c->schema, i))
			weir_buf_lit(b, "\\N");
		else if (!put_value(c, b, f, i))
			return (int)i;
	}
	weir_buf_char(b, '\n');
	return -1;
}
