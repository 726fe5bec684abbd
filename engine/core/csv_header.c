/* SPDX-License-Identifier: Apache-2.0 */
/* The header row of a csv file: which column holds which field. */
#include "base/buf.h"
#include "engine/core/decode_impl.h"

#define LISTED_MAX 32 /* names of the header kept for suggestions */

struct header {
	struct weir_decoder *d;
	const struct weir_schema *schema;
	uint64_t seen[2];
	int twice; /* field that came twice, or -1 */
	struct weir_buf list;
	char list_text[256];
	char name[LISTED_MAX][WEIR_NAME_MAX + 1];
	uint32_t names;
};

/* For messages; once the list is full nothing more comes. */
static void list_name(struct header *h, uint32_t column, struct weir_str name)
{
	size_t before = h->list.len;

	if (h->list.full)
		return;
	if (column)
		weir_buf_lit(&h->list, ", ");
	weir_buf_str(&h->list, name);
	if (h->list.full)
		h->list.len = before;
}

static void header_cell(void *ctx, uint32_t column, const struct weir__cell *cell)
{
	struct header *h = ctx;
	char text[WEIR_NAME_MAX + 1];
	struct weir_str name = {text, 0};
	bool fits = weir__csv_text(cell, text, WEIR_NAME_MAX, &name.n);
	int i;

	list_name(h, column, fits ? name : WEIR_STR("..."));
	/* Longer than any field's name: of nobody's interest. */
	if (!fits)
		return;
	if (h->names < LISTED_MAX) {
		memcpy(h->name[h->names], name.p, name.n);
		h->name[h->names++][name.n] = 0;
	}
	i = weir_schema_find(h->schema, name);
	if (i < 0 || column >= WEIR__COLUMNS_MAX)
		return;
	if (h->seen[i / 64] >> (i % 64) & 1)
		h->twice = i;
	h->seen[i / 64] |= UINT64_C(1) << (i % 64);
	h->d->csv.column[column] = (uint16_t)i;
}

static int missing(struct header *h, unsigned i, struct weir_err *err)
{
	const char *name = h->schema->field[i].name, *listed[LISTED_MAX], *near;

	for (uint32_t k = 0; k < h->names; k++)
		listed[k] = h->name[k];
	near = weir_str_suggest(weir_str_c(name), listed, h->names);
	h->list_text[h->list.len] = 0;
	if (near)
		return weir_err_set(err, WEIR_E_CONFIG,
				    "the header has no column %s; did you mean %s? It has: %s%s",
				    name, near, h->list_text, h->list.full ? ", ..." : "");
	return weir_err_set(err, WEIR_E_CONFIG, "the header has no column %s; it has: %s%s", name,
			    h->list_text, h->list.full ? ", ..." : "");
}

int weir__csv_header(struct weir_decoder *d, const char *p, size_t n, bool eof,
		     struct weir_decoded *ret, struct weir_err *err)
{
	struct weir__stream *s = &d->stream[0];
	struct header h = {.d = d, .schema = s->schema, .twice = -1};
	struct weir__csv_row row;

	h.list = weir_buf_of(h.list_text, sizeof(h.list_text) - 1);
	for (uint32_t i = 0; i <= WEIR__COLUMNS_MAX; i++)
		d->csv.column[i] = WEIR_FIELDS_MAX;
	if (!weir__csv_row(d->csv_options.delimiter, p, n, eof, header_cell, &h, &row, ret)) {
		if (n < d->text_max)
			return 0;
		return weir_err_set(err, WEIR_E_CONFIG, "the header is longer than %u bytes",
				    d->text_max);
	}
	if (ret->kind == WEIR_DECODE_REJECT)
		return weir_err_set(err, WEIR_E_CONFIG, "the header is not csv: %s, column %u",
				    ret->reason, ret->column);
	if (row.columns > WEIR__COLUMNS_MAX)
		return weir_err_set(err, WEIR_E_CONFIG, "the header has more than %d columns",
				    WEIR__COLUMNS_MAX);
	if (h.twice >= 0)
		return weir_err_set(err, WEIR_E_CONFIG, "the header has the column %s twice",
				    s->schema->field[h.twice].name);
	for (unsigned i = 0; i < s->schema->field_count; i++) {
		if (!(h.seen[i / 64] >> (i % 64) & 1))
			return missing(&h, i, err);
	}
	d->csv.header_done = true;
	d->csv.columns = row.columns;
	d->line += row.lines;
	ret->consumed = (size_t)(row.next - p);
	ret->kind = WEIR_DECODE_SKIP;
	return 0;
}
