/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/num.h"
#include "base/schema.h"
#include "base/time.h"

static const char base64_digit[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* RFC 4648 section 4, with padding. */
static void buf_base64(struct weir_buf *b, struct weir_str s)
{
	const uint8_t *p = (const uint8_t *)s.p;

	weir_buf_char(b, '"');
	for (size_t i = 0; i < s.n && !b->full; i += 3) {
		size_t left = s.n - i;
		uint32_t v = (uint32_t)p[i] << 16;
		char q[4];

		if (left > 1)
			v |= (uint32_t)p[i + 1] << 8;
		if (left > 2)
			v |= p[i + 2];
		q[0] = base64_digit[v >> 18];
		q[1] = base64_digit[v >> 12 & 63];
		q[2] = left > 1 ? base64_digit[v >> 6 & 63] : '=';
		q[3] = left > 2 ? base64_digit[v & 63] : '=';
		weir_buf_put(b, q, 4);
	}
	weir_buf_char(b, '"');
}

static void buf_plain(struct weir_buf *b, const struct weir_frame *f, uint64_t slot, unsigned type,
		      unsigned scale)
{
	double d;

	switch (type) {
	case WEIR_BOOL:
		weir_buf_lit(b, slot ? "true" : "false");
		break;
	case WEIR_INT64:
		weir_buf_i64(b, (int64_t)slot);
		break;
	case WEIR_FLOAT64:
		memcpy(&d, &slot, 8);
		weir_buf_json_f64(b, d);
		break;
	case WEIR_DECIMAL:
		weir_buf_decimal(b, (int64_t)slot, scale);
		break;
	case WEIR_STRING:
		weir_buf_json_str(b, weir_slot_str(f, slot));
		break;
	case WEIR_BYTES:
		buf_base64(b, weir_slot_str(f, slot));
		break;
	case WEIR_TIMESTAMP:
		weir_buf_char(b, '"');
		weir_buf_time(b, (int64_t)slot);
		weir_buf_char(b, '"');
		break;
	case WEIR_DURATION:
		weir_buf_char(b, '"');
		weir_buf_duration(b, (int64_t)slot);
		weir_buf_char(b, '"');
		break;
	default:
		weir_buf_lit(b, "null");
		break;
	}
}

void weir_buf_value_json(struct weir_buf *b, const struct weir_frame *f, uint64_t slot,
			 struct weir_typeinfo type)
{
	const uint8_t *elem;
	uint64_t count;

	if (type.type != WEIR_LIST) {
		buf_plain(b, f, slot, type.type, type.scale);
		return;
	}
	elem = weir_payload(f) + (uint32_t)slot;
	count = slot >> 32;
	weir_buf_char(b, '[');
	for (uint64_t k = 0; k < count && !b->full; k++) {
		uint64_t v;

		memcpy(&v, elem + 8 * k, 8);
		if (k)
			weir_buf_char(b, ',');
		buf_plain(b, f, v, type.elem, type.scale);
	}
	weir_buf_char(b, ']');
}

void weir_buf_record_json(struct weir_buf *b, const struct weir_frame *f,
			  const struct weir_schema *s)
{
	weir_buf_char(b, '{');
	for (unsigned i = 0; i < s->field_count && !b->full; i++) {
		if (i)
			weir_buf_char(b, ',');
		weir_buf_json_str(b, weir_str_c(s->field[i].name));
		weir_buf_char(b, ':');
		if (weir_null(f, s, i))
			weir_buf_lit(b, "null");
		else
			weir_buf_value_json(b, f, weir_slot(f, s, i), s->field[i].type);
	}
	weir_buf_char(b, '}');
}
