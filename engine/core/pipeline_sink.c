/* SPDX-License-Identifier: Apache-2.0 */
/* sink: file, stdout, tcp, postgres, blackhole. */
#include "engine/core/pipeline_int.h"

#define PART_BYTES_DEFAULT (UINT64_C(256) << 20)
#define PART_BYTES_MIN UINT64_C(4096)
#define PART_BYTES_MAX (UINT64_C(1) << 40)
#define PART_NS_DEFAULT (10 * WEIR_NS_PER_S)
#define PART_NS_MAX (366 * 86400 * WEIR_NS_PER_S)

static const struct weir_choice compression_choice[] = {
	{"none", WEIR_COMPRESSION_NONE},
	{"gzip", WEIR_COMPRESSION_GZIP},
	{"zstd", WEIR_COMPRESSION_ZSTD},
	{NULL, 0},
};

#define FORMAT                                                                                     \
	WEIR_OPTION("format", WEIR_OPT_CHOICE, struct weir_sink_spec, format,                      \
		    .choice = weir_format_choice)
#define CSV WEIR_OPTION_ANY("delimiter"), WEIR_OPTION_ANY("header"), WEIR_OPTION_ANY("null")

static const struct weir_opt file_opt[] = {
	WEIR_OPTION("path", WEIR_OPT_PATH, struct weir_sink_spec, path, .required = true),
	FORMAT,
	WEIR_OPTION("compression", WEIR_OPT_CHOICE, struct weir_sink_spec, compression,
		    .choice = compression_choice),
	WEIR_OPTION("part_size", WEIR_OPT_SIZE, struct weir_sink_spec, part_bytes,
		    .min = PART_BYTES_MIN, .max = PART_BYTES_MAX),
	WEIR_OPTION("part_interval", WEIR_OPT_DURATION, struct weir_sink_spec, part_ns,
		    .max = PART_NS_MAX),
	CSV,
};

static const struct weir_opt stdout_opt[] = {FORMAT, CSV};

static const struct weir_opt tcp_opt[] = {
	WEIR_OPTION("address", WEIR_OPT_ADDRESS, struct weir_sink_spec, address, .required = true),
	FORMAT,
	CSV,
};

static const struct weir_choice on_fresh_choice[] = {
	{"append", 0},
	{"truncate", 1},
	{NULL, 0},
};

static const struct weir_opt postgres_opt[] = {
	WEIR_OPTION("connection", WEIR_OPT_TEXT, struct weir_sink_spec, connection,
		    .required = true),
	WEIR_OPTION("table", WEIR_OPT_TEXT, struct weir_sink_spec, table, .required = true),
	WEIR_OPTION_ANY("on_fresh"),
};

static const struct weir_connector_def sink_def[] = {
	{"file", WEIR_CONN_FILE, {"a file sink", file_opt, WEIR_COUNT_OF(file_opt)}},
	{"stdout", WEIR_CONN_STDIO, {"a stdout sink", stdout_opt, WEIR_COUNT_OF(stdout_opt)}},
	{"tcp", WEIR_CONN_TCP, {"a tcp sink", tcp_opt, WEIR_COUNT_OF(tcp_opt)}},
	{"postgres",
	 WEIR_CONN_POSTGRES,
	 {"a postgres sink", postgres_opt, WEIR_COUNT_OF(postgres_opt)}},
	{"blackhole", WEIR_CONN_BLACKHOLE, {"a blackhole sink", NULL, 0}},
};

/* "table" or "schema.table": one or two names, as they are in the database. */
static bool table_ok(struct weir_str name)
{
	const char *dot = memchr(name.p, '.', name.n);
	size_t first = dot ? (size_t)(dot - name.p) : name.n;
	size_t second = dot ? name.n - first - 1 : 1;

	if (first == 0 || second == 0 || first > WEIR_NAME_MAX || second > WEIR_NAME_MAX ||
	    (dot && memchr(dot + 1, '.', second)))
		return false;
	for (size_t i = 0; i < name.n; i++) {
		if ((unsigned char)name.p[i] < ' ' || strchr("\"'`\\;\x7f", name.p[i]))
			return false;
	}
	return true;
}

static bool postgres_read(struct weir_build *b, const struct weir_doc *options,
			  struct weir_sink_spec *s)
{
	const struct weir_doc *on_fresh = weir_doc_get(options, "on_fresh");
	int truncate = 0;
	bool ok = true;

	if (s->table && !table_ok(weir_str_c(s->table))) {
		weir_diag(b->diags, weir_doc_get(options, "table")->pos,
			  "`table`: expected TABLE or SCHEMA.TABLE, without quotes and spelt as in "
			  "the database, found `%s`",
			  weir_show(b, weir_str_c(s->table)));
		ok = false;
	}
	if (on_fresh) {
		ok = weir_value_choice(b, on_fresh, "on_fresh", on_fresh_choice, &truncate) && ok;
		s->truncate = truncate;
	}
	return ok;
}

bool weir_sink_read(struct weir_build *b, struct weir_draft *d)
{
	struct weir_sink_spec *s = &d->step->sink;
	const struct weir_doc *options;
	const struct weir_connector_def *def = weir_connector_pick(
		b, d->value, "sink", sink_def, WEIR_COUNT_OF(sink_def), &options);
	bool ok = true;

	if (!def)
		return false;
	s->connector = def->connector;
	s->format = WEIR_FORMAT_JSONL;
	s->compression = WEIR_COMPRESSION_NONE;
	s->part_bytes = PART_BYTES_DEFAULT;
	s->part_ns = PART_NS_DEFAULT;
	weir_walk_options(b, options, &def->walk, s, &ok);
	if (s->connector == WEIR_CONN_TCP && s->format == WEIR_FORMAT_RAW) {
		weir_diag(b->diags, weir_doc_get(options, "format")->pos,
			  "`format`: tcp carries one record per line; use jsonl or csv");
		ok = false;
	}
	if (s->connector == WEIR_CONN_BLACKHOLE)
		return ok;
	if (s->connector == WEIR_CONN_POSTGRES)
		return postgres_read(b, options, s) && ok;
	/* A tcp sink fits to a tcp source, which takes no header line. */
	return weir_csv_read(b, options, (int)s->format, s->connector != WEIR_CONN_TCP, &s->csv) &&
	       ok;
}
