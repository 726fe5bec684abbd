/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/cli/state_rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "engine/cli/client.h"

#define PAGE 10000u /* rows an engine gives at once, at most */
#define COLUMNS_MAX 160

void weir_rows_join(json_t *answer, const json_t *more)
{
	json_array_extend(json_object_get(answer, "rows"), json_object_get(more, "rows"));
	json_object_set(answer, "more", json_object_get(more, "more"));
	json_object_set(answer, "next", json_object_get(more, "next"));
}

static json_t *page(int fd, const json_t *req, uint64_t limit, const char *next,
		    struct weir_err *err)
{
	json_t *r = json_copy((json_t *)(uintptr_t)req), *a;
	char *line;
	size_t n;

	json_object_set_new(r, "limit", json_integer((json_int_t)WEIR_MIN(limit, PAGE)));
	if (next && *next)
		json_object_set_new(r, "next", json_string(next));
	line = json_dumps(r, JSON_COMPACT);
	json_decref(r);
	if (!line) {
		weir_err_set(err, WEIR_E_USAGE, "names and keys must be UTF-8");
		return NULL;
	}
	n = strlen(line);
	line = realloc(line, n + 2);
	memcpy(line + n, "\n", 2);
	a = weir_client_ask(fd, line, err);
	free(line);
	return a;
}

json_t *weir_rows_ask(int fd, const json_t *req, uint64_t limit, char **io_next,
		      struct weir_err *err)
{
	json_t *all = NULL;
	uint64_t left;

	do {
		json_t *a;

		left = limit - (all ? json_array_size(json_object_get(all, "rows")) : 0);
		a = page(fd, req, left, *io_next, err);
		if (!a) {
			json_decref(all);
			return NULL;
		}
		if (all) {
			weir_rows_join(all, a);
			json_decref(a);
		} else {
			all = a;
		}
		free(*io_next);
		*io_next = json_is_string(json_object_get(all, "next"))
				   ? strdup(json_string_value(json_object_get(all, "next")))
				   : NULL;
	} while (json_is_true(json_object_get(all, "more")) &&
		 json_array_size(json_object_get(all, "rows")) < limit);
	return all;
}

/* ---- JSON: as the engine wrote it, floats with as many digits as they need ---- */

static void dump(FILE *f, const json_t *v)
{
	char text[64];
	struct weir_buf b = weir_buf_of(text, sizeof(text));
	const char *name, *comma = "";
	json_t *x;
	size_t i;

	if (json_is_real(v)) {
		weir_buf_json_f64(&b, json_real_value(v));
		fwrite(text, 1, b.len, f);
	} else if (json_is_object(v)) {
		putc('{', f);
		json_object_foreach((json_t *)(uintptr_t)v, name, x)
		{
			json_t *key = json_string(name);

			fputs(comma, f);
			json_dumpf(key, f, JSON_ENCODE_ANY);
			json_decref(key);
			putc(':', f);
			dump(f, x);
			comma = ",";
		}
		putc('}', f);
	} else if (json_is_array(v)) {
		putc('[', f);
		json_array_foreach(v, i, x)
		{
			fputs(comma, f);
			dump(f, x);
			comma = ",";
		}
		putc(']', f);
	} else {
		json_dumpf(v, f, JSON_ENCODE_ANY);
	}
}

void weir_rows_json(FILE *f, const json_t *v)
{
	dump(f, v);
	putc('\n', f);
}

/* ---- text ---- */

struct column {
	const char *name;
	size_t width;
	bool number;
};

struct table {
	struct column column[COLUMNS_MAX];
	size_t count;
};

/* Texts as in JSON, without the quotes: nothing in them reaches the terminal as a control. The caller frees it. */
static char *cell(const json_t *v)
{
	char *s = NULL;
	size_t n = 0;
	FILE *f;

	if (!v)
		return strdup("");
	if (json_is_null(v))
		return strdup("-");
	f = open_memstream(&s, &n);
	dump(f, v);
	fclose(f);
	if (json_is_string(v)) {
		memmove(s, s + 1, n - 2);
		s[n - 2] = 0;
	}
	return s;
}

/* Letters, not bytes. */
static size_t width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

static struct column *column_of(struct table *t, const char *name)
{
	for (size_t i = 0; i < t->count; i++)
		if (!strcmp(t->column[i].name, name))
			return &t->column[i];
	if (t->count == COLUMNS_MAX)
		return NULL;
	t->column[t->count] = (struct column){.name = name, .width = width(name), .number = true};
	return &t->column[t->count++];
}

static void measure(struct table *t, const json_t *rows)
{
	for (size_t i = 0; i < json_array_size(rows); i++) {
		json_t *row = json_array_get(rows, i), *v;
		const char *name;

		json_object_foreach(row, name, v)
		{
			struct column *c = column_of(t, name);
			char *s = cell(v);

			if (c) {
				c->width = WEIR_MAX(c->width, width(s));
				c->number = c->number && (json_is_number(v) || json_is_null(v));
			}
			free(s);
		}
	}
}

static void print_cell(FILE *f, const struct column *c, const char *s, bool last)
{
	int pad = (int)(c->width - width(s));

	if (c->number)
		fprintf(f, "%*s%s", pad, "", s);
	else
		fprintf(f, "%s%*s", s, last ? 0 : pad, "");
	fputs(last ? "\n" : "  ", f);
}

void weir_rows_print(FILE *f, const json_t *rows, bool head)
{
	struct table t = {.count = 0};

	measure(&t, rows);
	for (size_t k = 0; head && k < t.count; k++)
		print_cell(f, &t.column[k], t.column[k].name, k + 1 == t.count);
	for (size_t i = 0; i < json_array_size(rows); i++) {
		for (size_t k = 0; k < t.count; k++) {
			char *s = cell(json_object_get(json_array_get(rows, i), t.column[k].name));

			print_cell(f, &t.column[k], s, k + 1 == t.count);
			free(s);
		}
	}
}

void weir_rows_title(FILE *f, const json_t *answer)
{
	const json_t *durable = json_object_get(answer, "durable");
	size_t n = json_array_size(json_object_get(answer, "rows"));

	fprintf(f, "%s (%s): %zu row%s", json_string_value(json_object_get(answer, "step")),
		json_string_value(json_object_get(answer, "kind")), n, n == 1 ? "" : "s");
	if (json_is_number(durable))
		fprintf(f, ", as of now; epoch %.0f is durable", json_number_value(durable));
	putc('\n', f);
}
