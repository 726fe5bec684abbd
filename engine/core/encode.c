/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/num.h"
#include "base/time.h"
#include "engine/core/decode_impl.h"
#include "engine/core/raw_head.h"
#include "engine/core/text.h"

/* ---- csv ---- */

/* Does the text need quotes to be read back as it is? */
static bool needs_quotes(const char *p, size_t n, char delimiter)
{
	size_t i = 0;

	for (; n - i >= 16; i += 16) {
		if (weir__mask_csv(p + i, delimiter))
			return true;
	}
	for (; i < n; i++) {
		if (p[i] == delimiter || p[i] == '"' || p[i] == '\n')
			return true;
	}
	if (n && memchr(p, '\r', n))
		return true;
	/* A byte order mark at the start of the file would be taken off. */
	return n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0;
}

/* Puts the text from start on in quotes, where it stands. */
static void quote_from(struct weir_buf *b, size_t start)
{
	size_t n = b->len - start, extra = 2;
	char *from, *to;

	for (size_t i = 0; i < n; i++)
		extra += b->p[start + i] == '"';
	if (b->full || extra > b->cap - b->len) {
		b->full = true;
		return;
	}
	from = b->p + start + n;
	to = from + extra;
	b->len += extra;
	*--to = '"';
	while (from > b->p + start) {
		*--to = *--from;
		if (*from == '"')
			*--to = '"';
	}
	*--to = '"';
}

static void csv_value(struct weir_buf *b, const struct weir_frame *f,
		      const struct weir_field *field, uint64_t slot)
{
	double d;

	switch (field->type.type) {
	case WEIR_BOOL:
		weir_buf_lit(b, slot ? "true" : "false");
		break;
	case WEIR_INT64:
		weir_buf_i64(b, (int64_t)slot);
		break;
	case WEIR_FLOAT64:
		memcpy(&d, &slot, 8);
		weir_buf_f64(b, d);
		break;
	case WEIR_DECIMAL:
		weir_buf_decimal(b, (int64_t)slot, field->type.scale);
		break;
	case WEIR_STRING:
		weir_buf_str(b, weir_slot_str(f, slot));
		break;
	case WEIR_BYTES:
		weir__buf_base64(b, weir_slot_str(f, slot));
		break;
	case WEIR_TIMESTAMP:
		if (field->format[0])
			weir__buf_time_format(b, (int64_t)slot, field->format);
		else
			weir_buf_time(b, (int64_t)slot);
		break;
	case WEIR_DURATION:
		weir_buf_duration(b, (int64_t)slot);
		break;
	default:
		weir_buf_value_json(b, f, slot, field->type);
		break;
	}
}

static void csv_record(const struct weir_encoder_spec *e, struct weir_buf *b,
		       const struct weir_frame *f, const struct weir_schema *s)
{
	const char *null_text = e->csv.null_text ? e->csv.null_text : "";

	for (unsigned i = 0; i < s->field_count && !b->full; i++) {
		const struct weir_field *field = &s->field[i];
		size_t start, n;

		if (i)
			weir_buf_char(b, e->csv.delimiter);
		start = b->len;
		if (weir_null(f, s, i)) {
			weir_buf_lit(b, null_text);
			continue;
		}
		csv_value(b, f, field, weir_slot(f, s, i));
		n = b->len - start;
		/* Empty, or like a null, and yet a value: quotes tell. */
		if ((n == 0 && field->nullable) ||
		    (field->nullable &&
		     weir_str_is((struct weir_str){b->p + start, n}, null_text)) ||
		    needs_quotes(b->p + start, n, e->csv.delimiter))
			quote_from(b, start);
	}
}

static void csv_end(struct weir_buf *b, size_t line)
{
	/* An empty line would not be taken for a record. */
	if (b->len == line)
		weir_buf_lit(b, "\"\"");
	weir_buf_char(b, '\n');
}

static void csv_head(const struct weir_encoder_spec *e, struct weir_buf *b)
{
	const struct weir_schema *s = e->schema[0];

	if (!e->csv.header)
		return;
	for (unsigned i = 0; i < s->field_count; i++) {
		const char *name = s->field[i].name;
		size_t start;

		if (i)
			weir_buf_char(b, e->csv.delimiter);
		start = b->len;
		weir_buf_lit(b, name);
		if (needs_quotes(name, strlen(name), e->csv.delimiter))
			quote_from(b, start);
	}
	weir_buf_char(b, '\n');
}

/* ---- jsonl ---- */

static void jsonl_record(const struct weir_encoder_spec *e, struct weir_buf *b,
			 const struct weir_frame *f, uint32_t stream)
{
	const struct weir_schema *s = e->schema[stream];
	size_t brace;

	if (!e->type_field || weir_schema_find(s, weir_str_c(e->type_field)) >= 0) {
		weir_buf_record_json(b, f, s);
		return;
	}
	weir_buf_char(b, '{');
	weir_buf_json_str(b, weir_str_c(e->type_field));
	weir_buf_char(b, ':');
	weir_buf_json_str(b, weir_str_c(e->stream_name[stream]));
	brace = b->len;
	weir_buf_record_json(b, f, s);
	/* The record's own opening brace becomes the comma behind the stream's name. */
	if (!b->full)
		b->p[brace] = ',';
}

/* ---- raw ---- */

static void raw_record(struct weir_buf *b, const struct weir_frame *f, uint32_t stream)
{
	static const char zero[8];
	struct weir_frame h = *f;

	if (weir_frame_stride(f) > b->cap - b->len) {
		b->full = true;
		return;
	}
	h.stream = (uint16_t)stream;
	h.flags &= WEIR_FRAME_F_TIMED;
	h.key_hash = 0;
	if (!h.flags)
		h.time_ns = 0;
	weir_buf_put(b, &h, sizeof(h));
	weir_buf_put(b, f + 1, f->size - sizeof(h));
	weir_buf_put(b, zero, weir_frame_stride(f) - f->size);
}

/* ---- all ---- */

void weir_encode_head(const struct weir_encoder_spec *e, struct weir_buf *b)
{
	if (e->format == WEIR_FORMAT_CSV)
		csv_head(e, b);
	else if (e->format == WEIR_FORMAT_RAW)
		weir__raw_head_write(b, e->stream_count, e->schema, e->stream_name);
}

void weir_encode_record(const struct weir_encoder_spec *e, struct weir_buf *b,
			const struct weir_frame *f)
{
	uint32_t stream = 0;
	size_t start = b->len;

	if (f->kind != WEIR_FRAME_DATA)
		return;
	while (stream + 1 < e->stream_count && e->schema[stream]->stream != f->stream)
		stream++;
	switch (e->format) {
	case WEIR_FORMAT_CSV:
		csv_record(e, b, f, e->schema[stream]);
		csv_end(b, start);
		break;
	case WEIR_FORMAT_JSONL:
		jsonl_record(e, b, f, stream);
		weir_buf_char(b, '\n');
		break;
	default:
		raw_record(b, f, stream);
		break;
	}
}
