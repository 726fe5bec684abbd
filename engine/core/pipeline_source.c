/* SPDX-License-Identifier: Apache-2.0 */
/* source: file, stdin, tcp, http, nexmark, memory; its streams and their schemas. */
#include "base/buf.h"
#include "engine/core/nexmark.h"
#include "engine/core/pipeline_int.h"

#define RATE_MAX UINT64_C(1000000000000)

static const struct weir_choice compression_choice[] = {
	{"auto", WEIR_COMPRESSION_AUTO},
	{"none", WEIR_COMPRESSION_NONE},
	{"gzip", WEIR_COMPRESSION_GZIP},
	{"zstd", WEIR_COMPRESSION_ZSTD},
	{NULL, 0},
};

#define SPEC struct weir_source_spec
#define FORMAT WEIR_OPTION("format", WEIR_OPT_CHOICE, SPEC, format, .choice = weir_format_choice)
#define CSV WEIR_OPTION_ANY("delimiter"), WEIR_OPTION_ANY("header"), WEIR_OPTION_ANY("null")
#define FILE_OPTIONS                                                                               \
	WEIR_OPTION("path", WEIR_OPT_PATH, SPEC, path, .required = true), FORMAT,                  \
		WEIR_OPTION("compression", WEIR_OPT_CHOICE, SPEC, compression,                     \
			    .choice = compression_choice),                                         \
		CSV

static const struct weir_opt file_opt[] = {
	FILE_OPTIONS,
	WEIR_OPTION("follow", WEIR_OPT_BOOL, SPEC, follow),
};

static const struct weir_opt memory_opt[] = {
	FILE_OPTIONS,
	WEIR_OPTION("loop", WEIR_OPT_U64, SPEC, loop, .min = 1, .max = RATE_MAX),
};

static const struct weir_opt stdin_opt[] = {FORMAT, CSV};

static const struct weir_opt tcp_opt[] = {
	WEIR_OPTION("listen", WEIR_OPT_ADDRESS, SPEC, listen, .required = true),
	FORMAT,
	CSV,
	WEIR_OPTION("ack", WEIR_OPT_BOOL, SPEC, ack),
};

static const struct weir_opt http_opt[] = {
	WEIR_OPTION("listen", WEIR_OPT_ADDRESS, SPEC, listen, .required = true),
	FORMAT,
	CSV,
};

/* Read into struct weir_source_spec, as the other connectors. */
#define N(field) nexmark.field
static const struct weir_opt nexmark_opt[] = {
	WEIR_OPTION("events", WEIR_OPT_U64, SPEC, N(events), .max = INT64_MAX),
	WEIR_OPTION("first_event", WEIR_OPT_U64, SPEC, N(first_event), .max = INT64_MAX),
	WEIR_OPTION("seed", WEIR_OPT_U64, SPEC, N(seed), .max = UINT64_MAX),
	WEIR_OPTION("rate", WEIR_OPT_U64, SPEC, N(rate), .max = RATE_MAX),
	WEIR_OPTION("live", WEIR_OPT_BOOL, SPEC, N(live)),
	WEIR_OPTION("base_time", WEIR_OPT_TIME, SPEC, N(base_time_ns)),
	WEIR_OPTION("events_per_second", WEIR_OPT_U64, SPEC, N(events_per_second), .min = 1,
		    .max = WEIR_NS_PER_S),
	WEIR_OPTION("out_of_order", WEIR_OPT_DURATION, SPEC, N(out_of_order_ns),
		    .max = 86400 * WEIR_NS_PER_S),
	WEIR_OPTION("region", WEIR_OPT_TEXT, SPEC, N(region)),
	WEIR_OPTION("hot_auction_ratio", WEIR_OPT_U32, SPEC, N(hot_auction_ratio), .min = 1,
		    .max = 1000000),
	WEIR_OPTION("hot_bidder_ratio", WEIR_OPT_U32, SPEC, N(hot_bidder_ratio), .min = 1,
		    .max = 1000000),
	WEIR_OPTION("hot_seller_ratio", WEIR_OPT_U32, SPEC, N(hot_seller_ratio), .min = 1,
		    .max = 1000000),
};

static const struct weir_connector_def source_def[] = {
	{"file", WEIR_CONN_FILE, {"a file source", file_opt, WEIR_COUNT_OF(file_opt)}},
	{"stdin", WEIR_CONN_STDIO, {"a stdin source", stdin_opt, WEIR_COUNT_OF(stdin_opt)}},
	{"tcp", WEIR_CONN_TCP, {"a tcp source", tcp_opt, WEIR_COUNT_OF(tcp_opt)}},
	{"http", WEIR_CONN_HTTP, {"an http source", http_opt, WEIR_COUNT_OF(http_opt)}},
	{"nexmark",
	 WEIR_CONN_NEXMARK,
	 {"a nexmark source", nexmark_opt, WEIR_COUNT_OF(nexmark_opt)}},
	{"memory", WEIR_CONN_MEMORY, {"a memory source", memory_opt, WEIR_COUNT_OF(memory_opt)}},
};

static bool reads_file(const struct weir_source_spec *s)
{
	return s->connector == WEIR_CONN_FILE || s->connector == WEIR_CONN_MEMORY;
}

static bool listens(const struct weir_source_spec *s)
{
	return s->connector == WEIR_CONN_TCP || s->connector == WEIR_CONN_HTTP;
}

static struct weir_doc_pos key_pos(const struct weir_doc *map, const char *key)
{
	for (uint32_t i = 0; i < map->count; i++) {
		if (weir_str_is(map->entry[i].key, key))
			return map->entry[i].pos;
	}
	return map->pos;
}

/* A key of the step that does not go with what the source is. */
static bool refuse(struct weir_build *b, const struct weir_draft *d, const char *key,
		   const char *why)
{
	if (!weir_doc_get(d->doc, key))
		return true;
	weir_diag(b->diags, key_pos(d->doc, key), "`%s` does not go with this source: %s", key,
		  why);
	return false;
}

/* ---- format ---- */

static bool check_format(struct weir_build *b, const struct weir_doc *options,
			 struct weir_source_spec *s)
{
	const struct weir_doc *given = weir_doc_get(options, "format");
	enum weir_compression c = s->compression;

	if (!given && reads_file(s))
		s->format = (enum weir_format)weir_format_of(s->path);
	/* A wrong one was reported. */
	if (!s->format && given)
		return false;
	if (!s->format) {
		if (reads_file(s))
			weir_diag(
				b->diags, options->pos,
				"the name `%s` does not say the format; add `format: csv`, `jsonl` "
				"or `raw`",
				weir_show(b, weir_str_c(s->path)));
		else
			weir_diag(b->diags, options->pos, "%s source needs `format`: csv or jsonl",
				  s->connector == WEIR_CONN_TCP	   ? "a tcp"
				  : s->connector == WEIR_CONN_HTTP ? "an http"
								   : "a stdin");
		return false;
	}
	if (s->format == WEIR_FORMAT_RAW && !reads_file(s)) {
		weir_diag(
			b->diags, given->pos,
			"`format`: raw data says its schema in its head, so it must be a file; use "
			"csv or jsonl here");
		return false;
	}
	if (c == WEIR_COMPRESSION_AUTO && s->path)
		c = weir_compression_of(s->path);
	/* New files of a pattern are complete when they appear; one file is not. */
	if (s->follow && !strpbrk(s->path, "*?[") &&
	    (c == WEIR_COMPRESSION_GZIP || c == WEIR_COMPRESSION_ZSTD)) {
		weir_diag(b->diags, key_pos(options, "follow"),
			  "`follow`: a compressed file cannot be followed while it grows");
		return false;
	}
	return true;
}

/* Clients of a tcp or http source come and go: a header line would be one more record. */
static bool read_csv(struct weir_build *b, const struct weir_doc *options,
		     struct weir_source_spec *s)
{
	bool ok = weir_csv_read(b, options, (int)s->format, !listens(s), &s->csv);

	if (!ok || !listens(s) || !s->csv.header)
		return ok;
	weir_diag(b->diags, weir_doc_get(options, "header")->pos,
		  "`header`: csv over %s has no header line; leave it out or write false",
		  s->connector == WEIR_CONN_TCP ? "tcp" : "http");
	return false;
}

/* Nothing is ever durable without epochs. */
static bool check_ack(struct weir_build *b, const struct weir_doc *options,
		      const struct weir_source_spec *s)
{
	if (!s->ack || b->p->state.guarantee != WEIR_GUARANTEE_NONE)
		return true;
	weir_diag(b->diags, key_pos(options, "ack"),
		  "`ack` tells producers what is durable, which nothing is with `guarantee: none`; "
		  "leave one of them out");
	return false;
}

/* ---- streams ---- */

static bool raw_streams(struct weir_build *b, struct weir_draft *d, struct weir_doc_pos pos)
{
	struct weir_source_spec *s = &d->step->source;
	struct weir_schema *schema = NULL;
	const char **name = NULL;
	static const char *no_name[1] = {""};
	uint32_t count = 0;
	struct weir_err err;
	bool ok = refuse(b, d, "schema", "a raw file carries its schemas");

	ok = refuse(b, d, "schemas", "a raw file carries its schemas") && ok;
	ok = refuse(b, d, "type_field", "a raw file knows the stream of each record") && ok;
	if (!ok)
		return false;
	if (!b->ops || !b->ops->raw_schemas) {
		weir_diag(b->diags, pos, "raw files cannot be read here");
		return false;
	}
	if (b->ops->raw_schemas(b->ops->ctx, s->path, b->region, &schema, &name, &count, &err)) {
		weir_diag(b->diags, pos, "%s", weir_show_error(b, err.text));
		return false;
	}
	if (count == 0 || count > WEIR_STREAMS_MAX) {
		weir_diag(b->diags, pos, "%s: %u streams; 1 to %d are allowed",
			  weir_show(b, weir_str_c(s->path)), count, WEIR_STREAMS_MAX);
		return false;
	}
	/* A single stream needs no name. */
	if (count == 1 && (!name || !name[0] || !weir_name_ok(weir_str_c(name[0]))))
		name = no_name;
	/* Names come from outside and become outputs, so they must look like ones. */
	for (uint32_t i = 0; name != no_name && i < count; i++) {
		if (!weir_walk_name(b, weir_str_c(name[i]), pos,
				    "name of a stream in the raw file"))
			return false;
	}
	weir_draft_ports(b, d, name, count);
	for (uint32_t i = 0; i < count; i++)
		d->step->port[i].schema = &schema[i];
	s->stream_count = count;
	return true;
}

static bool nexmark_streams(struct weir_build *b, struct weir_draft *d)
{
	static const char *why = "nexmark has its own";
	const char *name[3];
	bool ok = refuse(b, d, "schema", why);

	ok = refuse(b, d, "schemas", why) && ok;
	ok = refuse(b, d, "type_field", why) && ok;
	ok = refuse(b, d, "rate", "write it as {nexmark: {rate: N}}") && ok;
	for (unsigned i = 0; i < 3; i++)
		name[i] = weir_nexmark_stream_name(i);
	if (d->step->source.nexmark.live && d->step->source.nexmark.rate == 0) {
		weir_diag(b->diags, d->step->pos,
			  "source `%s`: `live: true` needs `rate`: events per second",
			  d->step->name);
		ok = false;
	}
	weir_draft_ports(b, d, name, 3);
	for (unsigned i = 0; i < 3; i++)
		d->step->port[i].schema = (struct weir_schema *)weir_nexmark_schema(i);
	d->step->source.stream_count = 3;
	return ok;
}

/* schemas: {stream: {field: type}}, and type_field. */
static bool many_streams(struct weir_build *b, struct weir_draft *d, const struct weir_doc *schemas)
{
	struct weir_source_spec *s = &d->step->source;
	const struct weir_doc *type_field = weir_doc_get(d->doc, "type_field");
	const char *name[WEIR_STREAMS_MAX];
	struct weir_schema *schema;
	bool ok = true;

	if (s->format != WEIR_FORMAT_JSONL) {
		weir_diag(b->diags, key_pos(d->doc, "schemas"),
			  "`schemas` is for jsonl only; csv has one stream: use `schema`");
		return false;
	}
	if (!weir_draft_meant(d, "type_field")) {
		weir_diag(b->diags, d->step->pos,
			  "`schemas` needs `type_field`: the member that names the stream of a "
			  "record");
		ok = false;
	} else if (type_field && weir_walk_text(b, type_field, "type_field")) {
		s->type_field = weir_region_strdup(b->region, type_field->text);
	} else {
		ok = false;
	}
	if (!weir_walk_map(b, schemas, "schemas"))
		return false;
	if (schemas->count > WEIR_STREAMS_MAX) {
		weir_diag(b->diags, schemas->entry[WEIR_STREAMS_MAX].pos,
			  "`schemas`: more than %d streams", WEIR_STREAMS_MAX);
		return false;
	}
	schema = weir_region_array(b->region, struct weir_schema, schemas->count);
	for (uint32_t i = 0; i < schemas->count; i++) {
		const struct weir_doc_entry *e = &schemas->entry[i];

		schema[i].stream = (uint16_t)i;
		name[i] = weir_region_strdup(b->region, e->key);
		if (!weir_walk_name(b, e->key, e->pos, "stream name"))
			return false;
		if (weir_str_is(e->key, "rejects") || weir_str_is(e->key, "late")) {
			weir_diag(b->diags, e->pos, "`schemas`: the stream name `%s` is taken",
				  name[i]);
			return false;
		}
		ok = weir_schema_read(b, e->value, &schema[i]) && ok;
	}
	weir_draft_ports(b, d, name, schemas->count);
	s->stream_count = schemas->count;
	for (uint32_t i = 0; ok && i < schemas->count; i++)
		d->step->port[i].schema = &schema[i];
	return ok;
}

static bool text_streams(struct weir_build *b, struct weir_draft *d)
{
	static const char *const main_port[1] = {""};
	const struct weir_doc *schema = weir_doc_get(d->doc, "schema");
	const struct weir_doc *schemas = weir_doc_get(d->doc, "schemas");
	struct weir_schema *s;

	if (schema && schemas) {
		weir_diag(b->diags, key_pos(d->doc, "schemas"),
			  "`schema` is there already; `schemas` is for jsonl with several streams");
		return false;
	}
	if (schemas)
		return many_streams(b, d, schemas);
	weir_draft_ports(b, d, main_port, 1);
	d->step->source.stream_count = 1;
	if (!schema) {
		if (weir_draft_meant(d, "schema"))
			return false;
		weir_diag(b->diags, d->step->pos,
			  "source `%s` needs `schema`: its fields and their types, such as {name: "
			  "string, age: \"int64?\"}",
			  d->step->name);
		return false;
	}
	if (!refuse(b, d, "type_field", "it goes with `schemas`"))
		return false;
	s = weir_region_new(b->region, struct weir_schema);
	if (!weir_schema_read(b, schema, s))
		return false;
	if (d->step->source.format == WEIR_FORMAT_CSV && !weir_csv_fits(b, s, schema->pos))
		return false;
	d->step->port[0].schema = s;
	return true;
}

static bool read_streams(struct weir_build *b, struct weir_draft *d, const struct weir_doc *options)
{
	struct weir_source_spec *s = &d->step->source;

	if (s->connector == WEIR_CONN_NEXMARK)
		return nexmark_streams(b, d);
	if (s->format == WEIR_FORMAT_RAW)
		return raw_streams(b, d, weir_doc_get(options, "path")->pos);
	return text_streams(b, d);
}

/* ---- all of it ---- */

static bool read_times(struct weir_build *b, struct weir_draft *d)
{
	struct weir_source_spec *s = &d->step->source;
	const struct weir_doc *doc = weir_doc_get(d->doc, "event_time");
	bool nexmark = s->connector == WEIR_CONN_NEXMARK;
	struct weir_doc none = {.kind = WEIR_DOC_MAP};

	if (nexmark)
		s->lateness_ns = s->nexmark.out_of_order_ns;
	if (!doc && !nexmark)
		return true;
	return weir_event_time_read(b, d, doc ? doc : &none, nexmark ? "dateTime" : NULL);
}

static bool read_rate(struct weir_build *b, struct weir_draft *d)
{
	const struct weir_doc *rate = weir_doc_get(d->doc, "rate");

	return !rate || d->step->source.connector == WEIR_CONN_NEXMARK ||
	       weir_value_count(b, rate, "rate", 1, RATE_MAX, &d->step->source.rate);
}

bool weir_source_read(struct weir_build *b, struct weir_draft *d)
{
	struct weir_source_spec *s = &d->step->source;
	const struct weir_doc *options;
	const struct weir_connector_def *def = weir_connector_pick(
		b, d->value, "source", source_def, WEIR_COUNT_OF(source_def), &options);
	bool ok = true;

	if (!def)
		return false;
	s->connector = def->connector;
	/* Also when the time field turns out to be wrong: windows behind are not to blame. */
	d->step->timed = s->connector == WEIR_CONN_NEXMARK || weir_doc_get(d->doc, "event_time");
	s->loop = 1;
	s->time_field = -1;
	weir_nexmark_defaults(&s->nexmark);
	weir_walk_options(b, options, &def->walk, s, &ok);
	if (s->connector == WEIR_CONN_STDIO && d->step->parallelism > 1) {
		weir_diag(b->diags, weir_doc_get(d->doc, "parallelism")->pos,
			  "`parallelism`: stdin has one reader; leave it out or write 1");
		ok = false;
	}
	ok = read_rate(b, d) && ok;
	if (s->connector != WEIR_CONN_NEXMARK) {
		if (!s->path && reads_file(s))
			return false;
		if (!check_format(b, options, s))
			return false;
		ok = read_csv(b, options, s) && ok;
		ok = check_ack(b, options, s) && ok;
	}
	ok = read_streams(b, d, options) && ok;
	return read_times(b, d) && ok;
}
