/* SPDX-License-Identifier: Apache-2.0 */
/* What sources and sinks share: choosing the connector, formats, csv options. */
#include "base/buf.h"
#include "engine/core/pipeline_int.h"

const struct weir_choice weir_format_choice[] = {
	{"csv", WEIR_FORMAT_CSV},
	{"jsonl", WEIR_FORMAT_JSONL},
	{"raw", WEIR_FORMAT_RAW},
	{NULL, 0},
};

static const struct weir_doc no_options = {.kind = WEIR_DOC_MAP};

/* The connector's options: nothing, {} and a missing value are the same. */
static bool options_of(struct weir_build *b, const struct weir_doc *value, const char *name,
		       struct weir_doc_pos pos, const struct weir_doc **ret)
{
	struct weir_doc *none;

	if (value && value->kind == WEIR_DOC_MAP) {
		*ret = value;
		return true;
	}
	if (value && value->kind != WEIR_DOC_NULL) {
		weir_diag(b->diags, value->pos, "`%s`: expected a mapping of options%s, found %s",
			  name, strcmp(name, "file") ? "" : " such as {path: NAME}",
			  weir_doc_kind_name(value));
		return false;
	}
	none = weir_region_new(b->region, struct weir_doc);
	*none = no_options;
	none->pos = pos;
	*ret = none;
	return true;
}

const struct weir_connector_def *weir_connector_pick(struct weir_build *b,
						     const struct weir_doc *value, const char *what,
						     const struct weir_connector_def *def,
						     size_t count,
						     const struct weir_doc **ret_options)
{
	const char *known[8];
	const struct weir_doc *options = NULL;
	struct weir_doc_pos pos = value->pos;
	struct weir_str name = value->text;

	if (value->kind == WEIR_DOC_MAP && value->count) {
		if (value->count > 1) {
			weir_diag(b->diags, value->entry[1].pos,
				  "`%s`: one connector is enough; `%s` is there already", what,
				  weir_show(b, value->entry[0].key));
			return NULL;
		}
		name = value->entry[0].key;
		pos = value->entry[0].pos;
		options = value->entry[0].value;
	} else if (value->kind != WEIR_DOC_SCALAR) {
		weir_diag(b->diags, value->pos,
			  "`%s`: expected a connector and its options, such as {%s}, found %s",
			  what, strcmp(what, "sink") ? "file: {path: in.csv}" : "file: {path: out}",
			  value->kind == WEIR_DOC_MAP ? "an empty mapping"
						      : weir_doc_kind_name(value));
		return NULL;
	}
	for (size_t i = 0; i < count; i++) {
		if (weir_str_is(name, def[i].name))
			return options_of(b, options, def[i].name, pos, ret_options) ? &def[i]
										     : NULL;
		known[i] = def[i].name;
	}
	weir_diag(b->diags, pos, "`%s`: unknown connector `%s`%s", what, weir_show(b, name),
		  weir_walk_hint(b, name, known, count));
	return NULL;
}

/* ---- formats ---- */

static bool ends(const char *path, size_t n, const char *tail)
{
	size_t t = strlen(tail);

	return n > t && memcmp(path + n - t, tail, t) == 0;
}

enum weir_compression weir_compression_of(const char *path)
{
	size_t n = strlen(path);

	if (ends(path, n, ".gz"))
		return WEIR_COMPRESSION_GZIP;
	if (ends(path, n, ".zst") || ends(path, n, ".zstd"))
		return WEIR_COMPRESSION_ZSTD;
	return WEIR_COMPRESSION_NONE;
}

int weir_format_of(const char *path)
{
	size_t n = strlen(path);

	if (ends(path, n, ".gz"))
		n -= 3;
	else if (ends(path, n, ".zst") || ends(path, n, ".zstd"))
		n -= 4;
	if (ends(path, n, ".csv"))
		return WEIR_FORMAT_CSV;
	if (ends(path, n, ".jsonl") || ends(path, n, ".ndjson"))
		return WEIR_FORMAT_JSONL;
	if (ends(path, n, ".raw"))
		return WEIR_FORMAT_RAW;
	return 0;
}

/* ---- csv ---- */

static bool read_delimiter(struct weir_build *b, const struct weir_doc *d, char *ret)
{
	char c;

	if (!weir_walk_text(b, d, "delimiter"))
		return false;
	c = d->text.p[0];
	if (weir_str_is(d->text, "\\t") || weir_str_is(d->text, "tab")) {
		weir_diag(b->diags, d->pos,
			  "`delimiter`: write a tab as \"\\t\", in double quotes");
		return false;
	}
	if (d->text.n != 1 || c == '"' || c == '\n' || c == '\r' || (unsigned char)c >= 0x80) {
		weir_diag(b->diags, d->pos,
			  "`delimiter`: expected one ASCII character, neither a quote nor a line "
			  "break, found `%s`",
			  weir_show(b, d->text));
		return false;
	}
	*ret = c;
	return true;
}

static bool read_null_text(struct weir_build *b, const struct weir_doc *d, const char **ret)
{
	/* Unlike other texts it may be empty. */
	if (d->kind != WEIR_DOC_SCALAR) {
		weir_diag(b->diags, d->pos, "`null`: expected a text in quotes, found %s",
			  weir_doc_kind_name(d));
		return false;
	}
	for (size_t i = 0; i < d->text.n; i++) {
		if (d->text.p[i] && !strchr("\"\r\n", d->text.p[i]))
			continue;
		weir_diag(b->diags, d->pos,
			  "`null`: the text has a quote, a line break or a zero "
			  "byte in it");
		return false;
	}
	*ret = weir_region_strdup(b->region, d->text);
	return true;
}

bool weir_csv_read(struct weir_build *b, const struct weir_doc *options, int format, bool header,
		   struct weir_csv_options *ret)
{
	bool ok = true;

	ret->delimiter = ',';
	ret->header = header;
	ret->null_text = "";
	for (uint32_t i = 0; i < options->count; i++) {
		const struct weir_doc_entry *e = &options->entry[i];
		bool delimiter = weir_str_is(e->key, "delimiter");
		bool head = weir_str_is(e->key, "header"), null = weir_str_is(e->key, "null");

		if (!delimiter && !head && !null)
			continue;
		if (format && format != WEIR_FORMAT_CSV) {
			weir_diag(b->diags, e->pos, "`%s` is for csv only; the format here is %s",
				  weir_show(b, e->key),
				  format == WEIR_FORMAT_JSONL ? "jsonl" : "raw");
			ok = false;
			continue;
		}
		if (delimiter)
			ok = read_delimiter(b, e->value, &ret->delimiter) && ok;
		else if (head)
			ok = weir_value_bool(b, e->value, "header", &ret->header) && ok;
		else
			ok = read_null_text(b, e->value, &ret->null_text) && ok;
	}
	return ok;
}

bool weir_csv_fits(struct weir_build *b, const struct weir_schema *s, struct weir_doc_pos pos)
{
	for (unsigned i = 0; i < s->field_count; i++) {
		if (s->field[i].type.type != WEIR_LIST)
			continue;
		weir_diag(b->diags, pos, "field `%s` is a list, which csv cannot hold; use jsonl",
			  s->field[i].name);
		return false;
	}
	return true;
}
