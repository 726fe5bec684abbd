/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows with quotes, by all rules of RFC 4180. Rows without take the short cut in csv.c; both give
 * the same cells.
 */
#include "engine/core/decode_impl.h"

/* Behind the line end at or after p; NULL: none in the window. */
static const char *line_end(const char *p, const char *limit, bool eof, struct weir__csv_row *row)
{
	const char *eol = memchr(p, '\n', (size_t)(limit - p));

	if (!eol && !eof)
		return NULL;
	row->end = eol ? eol : limit;
	row->next = eol ? eol + 1 : limit;
	row->lines += eol != NULL;
	return row->next;
}

/* A row that breaks the rules at p goes on to its line end. false: that is not in the window. */
static bool bad_row(const char *p, const char *limit, bool eof, struct weir__csv_row *row,
		    struct weir_decoded *ret, const char *reason)
{
	const char *at = p;

	if (!line_end(p, limit, eof, row))
		return false;
	weir__reject(ret, at, "%s", reason);
	return true;
}

/*
 * p is behind the opening quote. The place behind the closing quote, or NULL: not closed within the
 * window.
 */
static const char *quoted_cell(const char *p, const char *limit, struct weir__cell *cell,
			       uint64_t *lines)
{
	const char *q;

	cell->p = p;
	cell->quoted = true;
	for (;;) {
		q = memchr(p, '"', (size_t)(limit - p));
		if (!q)
			return NULL;
		for (const char *l = p; (l = memchr(l, '\n', (size_t)(q - l))); l++)
			++*lines;
		if (q + 1 == limit || q[1] != '"')
			break;
		cell->doubled = true;
		p = q + 2;
	}
	cell->n = (uint32_t)(q - cell->p);
	return q + 1;
}

/* End of an unquoted cell: its delimiter, line feed or quote, or limit. */
static const char *plain_cell(const char *p, const char *limit, char delimiter)
{
	while (p < limit && *p != delimiter && *p != '\n' && *p != '"')
		p++;
	return p;
}

bool weir__csv_row(char delimiter, const char *p, size_t n, bool eof, weir__csv_cell_fn fn,
		   void *ctx, struct weir__csv_row *row, struct weir_decoded *ret)
{
	const char *limit = p + n;

	*row = (struct weir__csv_row){0};
	for (;;) {
		struct weir__cell cell = {.p = p};

		if (p < limit && *p == '"') {
			const char *start = p;

			p = quoted_cell(p + 1, limit, &cell, &row->lines);
			if (!p && !eof)
				return false;
			if (!p) {
				row->end = row->next = limit;
				weir__reject(ret, start, "the quote is not closed");
				return true;
			}
			if (p == limit && !eof)
				return false;
			/* A carriage return only counts together with its line feed. */
			if (p < limit && *p == '\r') {
				if (p + 1 == limit && !eof)
					return false;
				if (p + 1 == limit || p[1] == '\n')
					p++;
			}
			if (p < limit && *p != delimiter && *p != '\n')
				return bad_row(p, limit, eof, row, ret,
					       "text behind a closing quote");
		} else {
			p = plain_cell(p, limit, delimiter);
			if (p < limit && *p == '"')
				return bad_row(p, limit, eof, row, ret,
					       "quote inside a field that is not in quotes");
			if (p == limit && !eof)
				return false;
			cell.n = (uint32_t)(p - cell.p);
			if ((p == limit || *p == '\n') && cell.n && p[-1] == '\r')
				cell.n--;
		}
		fn(ctx, row->columns++, &cell);
		if (p == limit || *p == '\n') {
			line_end(p, limit, eof, row);
			return true;
		}
		p++;
	}
}

bool weir__csv_text(const struct weir__cell *cell, char *dst, size_t cap, size_t *ret_n)
{
	size_t n = 0;

	for (uint32_t i = 0; i < cell->n; i++) {
		if (n == cap)
			return false;
		dst[n++] = cell->p[i];
		/* Inside quotes a quote is always doubled. */
		i += cell->doubled && cell->p[i] == '"';
	}
	*ret_n = n;
	return true;
}
