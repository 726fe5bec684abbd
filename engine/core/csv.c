/* SPDX-License-Identifier: Apache-2.0 */
/*
 * csv rows. The short cut finds delimiters and the line end 16 bytes at a time and gives up at the
 * first quote; then csv_row.c does the row.
 */
#include "engine/core/decode_impl.h"
#include "engine/core/text.h"

int weir__csv_init(struct weir_decoder *d, struct weir_region *region, struct weir_err *err)
{
	const struct weir_schema *s = d->stream[0].schema;
	char delimiter = d->csv_options.delimiter;

	if (d->stream_count != 1)
		return weir_err_set(err, WEIR_E_CONFIG, "csv holds one stream only");
	if (delimiter == '"' || delimiter == '\n' || delimiter == '\r' || delimiter == 0)
		return weir_err_set(err, WEIR_E_CONFIG, "the csv delimiter cannot be %s",
				    delimiter == '"' ? "a quote"
				    : delimiter == 0 ? "empty"
						     : "a line break");
	for (unsigned i = 0; i < s->field_count; i++) {
		if (s->field[i].type.type == WEIR_LIST)
			return weir_err_set(err, WEIR_E_CONFIG,
					    "field %s: csv cannot hold a list, jsonl can",
					    s->field[i].name);
	}
	if (!d->csv_options.null_text)
		d->csv_options.null_text = "";
	d->csv.column = weir_region_array(region, uint16_t, WEIR__COLUMNS_MAX + 1);
	return 0;
}

/* ---- splitting ---- */

enum split { SPLIT_ROW, SPLIT_MORE, SPLIT_QUOTE };

weir_inline void put_cell(struct weir__csv *csv, uint32_t column, const char *p, const char *end)
{
	uint32_t i = csv->column[WEIR_MIN(column, (uint32_t)WEIR__COLUMNS_MAX)];

	csv->cell[i] = (struct weir__cell){.p = p, .n = (uint32_t)(end - p)};
}

static enum split split(struct weir__csv *csv, char delimiter, const char *p, size_t n, bool eof,
			struct weir__csv_row *row)
{
	const char *limit = p + n, *cell = p, *at = p;
	uint32_t column = 0;

	row->lines = 1;
	while (at < limit) {
		uint32_t mask;

		if (weir_likely(limit - at >= 16)) {
			mask = weir__mask_csv(at, delimiter);
		} else {
			char last[16] = {0};

			memcpy(last, at, (size_t)(limit - at));
			mask = weir__mask_csv(last, delimiter);
		}
		for (; mask; mask &= mask - 1) {
			const char *q = at + __builtin_ctz(mask);

			if (weir_likely(*q == delimiter)) {
				put_cell(csv, column++, cell, q);
				cell = q + 1;
			} else if (*q == '\n') {
				row->end = q;
				row->next = q + 1;
				goto done;
			} else {
				return SPLIT_QUOTE;
			}
		}
		at += 16;
	}
	if (!eof)
		return SPLIT_MORE;
	row->lines = 0;
	row->end = row->next = limit;
done:
	put_cell(csv, column, cell,
		 row->end > cell && row->end[-1] == '\r' ? row->end - 1 : row->end);
	row->columns = column + 1;
	return SPLIT_ROW;
}

static void keep_cell(void *ctx, uint32_t column, const struct weir__cell *cell)
{
	struct weir__csv *csv = ctx;

	csv->cell[csv->column[WEIR_MIN(column, (uint32_t)WEIR__COLUMNS_MAX)]] = *cell;
}

/* ---- values ---- */

/* Strings and bytes. false: ret is a reject. */
static bool read_tail(struct weir_builder *b, unsigned i, const struct weir__reader *r,
		      const struct weir__cell *cell, const char *limit, struct weir_decoded *ret)
{
	char *dst = (char *)(b->f + 1) + b->tail;
	size_t room = b->full ? 0 : b->cap - sizeof(struct weir_frame) - b->tail, n = cell->n;
	size_t good;
	bool high = true;
	ptrdiff_t bytes;

	if (weir_unlikely(cell->doubled)) {
		if (!weir__csv_text(cell, dst, room, &n))
			b->full = true;
	} else if (weir_unlikely(n > room)) {
		b->full = true;
	} else {
		high = weir__copy_text(dst, dst + room, cell->p, limit, n);
	}
	if (weir_unlikely(b->full))
		return true;
	if (r->type == WEIR_BYTES) {
		bytes = weir__base64_decode(dst, dst, n);
		if (bytes < 0) {
			weir__reject(ret, cell->p, "field %s: the text is not valid base64",
				     r->field->name);
			return false;
		}
		n = (size_t)bytes;
	} else if (weir_unlikely(high)) {
		good = weir__utf8_check(dst, n);
		if (good < n) {
			weir__reject(ret, cell->p + (cell->doubled ? 0 : good),
				     "field %s: the text is not valid UTF-8", r->field->name);
			return false;
		}
	}
	weir_build_slot(b, i, (uint64_t)b->tail | (uint64_t)n << 32);
	b->tail += (uint32_t)n;
	return true;
}

/*
 * An empty text is null where null is allowed; in quotes it is the empty string for strings and
 * bytes. The null text counts only without quotes.
 */
static bool is_null(const struct weir_decoder *d, const struct weir__reader *r,
		    const struct weir__cell *cell)
{
	if (!r->nullable)
		return false;
	if (cell->n == 0)
		return !cell->quoted || !weir_type_is_text(r->type);
	return !cell->quoted &&
	       weir_str_is((struct weir_str){cell->p, cell->n}, d->csv_options.null_text);
}

static bool read_cell(struct weir_decoder *d, struct weir_builder *b, unsigned i, const char *limit,
		      struct weir_decoded *ret)
{
	struct weir__reader *r = &d->stream[0].reader[i];
	const struct weir__cell *cell = &d->csv.cell[i];
	struct weir_str text = {cell->p, cell->n};
	uint64_t slot = 0;
	int code;

	if (is_null(d, r, cell)) {
		weir_build_null(b, i);
		return true;
	}
	if (weir_type_is_text(r->type))
		return read_tail(b, i, r, cell, limit, ret);
	if (weir_unlikely(cell->doubled)) {
		text = (struct weir_str){d->scratch, 0};
		if (!weir__csv_text(cell, d->scratch, sizeof(d->scratch), &text.n))
			text.n = 0;
	}
	code = weir__value_read(r, r->type, text, &slot);
	if (weir_unlikely(code)) {
		weir__reject_value(ret, r, r->type, text, code);
		ret->column = (uint32_t)(cell->p - ret->record.p) + 1;
		return false;
	}
	weir_build_slot(b, i, slot);
	return true;
}

/* ---- rows ---- */

static void decode_row(struct weir_decoder *d, const struct weir__csv_row *row, const char *limit,
		       void *mem, size_t cap, struct weir_decoded *ret)
{
	struct weir__stream *s = &d->stream[0];
	struct weir_builder b;

	if (weir_unlikely(row->columns != d->csv.columns)) {
		weir__reject(ret, NULL, "%u columns, but the %s %u", row->columns,
			     d->csv_options.header ? "header has" : "schema has", d->csv.columns);
		return;
	}
	weir_build_begin(&b, mem, cap, s->schema);
	for (unsigned i = 0; i < s->schema->field_count; i++) {
		if (weir_unlikely(!read_cell(d, &b, i, limit, ret)))
			return;
	}
	weir__finish(s, &b, ret);
}

static void columns_by_schema(struct weir_decoder *d)
{
	uint32_t n = d->stream[0].schema->field_count;

	for (uint32_t i = 0; i <= WEIR__COLUMNS_MAX; i++)
		d->csv.column[i] = (uint16_t)(i < n ? i : WEIR_FIELDS_MAX);
	d->csv.columns = n;
	d->csv.header_done = true;
}

int weir__csv_decode(struct weir_decoder *d, const char *p, size_t n, bool eof, void *mem,
		     size_t cap, struct weir_decoded *ret, struct weir_err *err)
{
	struct weir__csv *csv = &d->csv;
	struct weir__csv_row row;
	enum split how;

	if (weir_unlikely(!csv->header_done)) {
		if (d->csv_options.header)
			return weir__csv_header(d, p, n, eof, ret, err);
		columns_by_schema(d);
	}
	how = split(csv, d->csv_options.delimiter, p, n, eof, &row);
	if (how == SPLIT_MORE)
		return 0;
	if (weir_unlikely(how == SPLIT_QUOTE) &&
	    !weir__csv_row(d->csv_options.delimiter, p, n, eof, keep_cell, csv, &row, ret))
		return 0;
	ret->consumed = (size_t)(row.next - p);
	ret->record.n = (size_t)(row.end - p);
	if (ret->record.n && p[ret->record.n - 1] == '\r')
		ret->record.n--;
	d->line += row.lines;
	if (weir_unlikely(ret->kind == WEIR_DECODE_REJECT))
		return 0;
	if (weir_unlikely(ret->record.n == 0)) {
		ret->kind = WEIR_DECODE_SKIP;
		return 0;
	}
	decode_row(d, &row, p + n, mem, cap, ret);
	return 0;
}
