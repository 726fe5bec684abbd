/* SPDX-License-Identifier: Apache-2.0 */
/* Right pipeline files and the graph they give. */
#include "tests/unit/engine/pipeline_case.h"

#define HEAD "pipeline: p\nsteps:\n"
#define SOURCE                                                                                     \
	HEAD "  s: {source: {file: {path: a.jsonl}}, schema: {t: timestamp, k: \"string?\", "      \
	     "v: int64, d: duration, m: \"decimal(10,2)\", l: list<string>, f: \"float64?\"}, "    \
	     "event_time: t}\n"
#define OUT "  o: {from: x, sink: blackhole}\n"
#define REST HEAD "  s: {source: nexmark}\n  o: {from: s.bid, sink: blackhole}\n"

static struct parsed parsed;

/* Parses or fails with all messages. */
static const struct weir_pipeline *parse_in(const char *yaml, const char *dir)
{
	static char text[16384];

	parse_with(&parsed, yaml, dir, &played_ops);
	if (parsed.rc) {
		show_errors(&parsed, text, sizeof(text));
		print_error("%s\n%s\n", yaml, text);
	}
	assert_int_equal(parsed.rc, 0);
	return parsed.p;
}

static const struct weir_pipeline *parse(const char *yaml)
{
	return parse_in(yaml, "");
}

static int teardown(void **state)
{
	(void)state;
	parsed_free(&parsed);
	return 0;
}

static const struct weir_step *step(const struct weir_pipeline *p, const char *name)
{
	int i = weir_pipeline_find(p, weir_str_c(name));

	assert_true(i >= 0);
	return &p->step[i];
}

/* "a:int64 b:string?" */
static void expect_schema(const struct weir_schema *s, const char *expected)
{
	char text[2048] = "";
	struct weir_buf b = weir_buf_of(text, sizeof(text) - 1);

	assert_non_null(s);
	for (unsigned i = 0; i < s->field_count; i++) {
		if (i)
			weir_buf_char(&b, ' ');
		weir_buf_lit(&b, s->field[i].name);
		weir_buf_char(&b, ':');
		weir_buf_type(&b, &s->field[i]);
	}
	assert_string_equal(text, expected);
	/* Sealed: rows can be built with it. */
	assert_int_equal(s->fixed_size, 8u * (s->null_words + s->field_count));
}

/* "s > x.late": one line per input, in the order of the steps. */
static void expect_edges(const struct weir_pipeline *p, const char *expected)
{
	char text[2048] = "";
	struct weir_buf b = weir_buf_of(text, sizeof(text) - 1);

	for (uint32_t i = 0; i < p->step_count; i++) {
		const struct weir_step *s = &p->step[i];

		for (uint32_t k = 0; k < s->input_count; k++) {
			const struct weir_step *from = &p->step[s->input[k].step];
			const char *port = from->port[s->input[k].port].name;

			/* Inputs come before their readers. */
			assert_true(s->input[k].step < i);
			weir_buf_printf(&b, "%s%s%s>%s ", from->name, *port ? "." : "", port,
					s->name);
		}
	}
	assert_string_equal(text, expected);
}

static void test_pipeline_quakes(void **state)
{
	const struct weir_pipeline *p = parse_in(
		"pipeline: quakes\n"
		"steps:\n"
		"  readings:\n"
		"    source: {file: {path: earthquakes.csv, format: csv}}\n"
		"    schema: {DateTime: \"timestamp(%Y/%m/%d %H:%M:%S)\", Magnitude: float64, "
		"Source: "
		"string, EventID: string}\n"
		"    event_time: {field: DateTime, lateness: 10s}\n"
		"  felt:\n"
		"    from: readings\n"
		"    filter: Magnitude >= 2.5\n"
		"  per_network:\n"
		"    from: felt\n"
		"    key_by: [Source]\n"
		"    window: {tumbling: 1h}\n"
		"    aggregate: {n: count(), strongest: max(Magnitude), mean: avg(Magnitude)}\n"
		"  out:\n"
		"    from: per_network\n"
		"    sink: {file: {path: out/quakes, format: jsonl}}\n",
		"some/folder");
	const struct weir_step *s;

	(void)state;
	assert_string_equal(p->name, "quakes");
	assert_string_equal(p->file, "test.yaml");
	assert_int_equal(p->workers, 0);
	assert_int_equal(p->parallelism, 0);
	assert_int_equal(p->ring_bytes, 1 << 20);
	assert_int_equal(p->record_max, 64 << 10);
	assert_null(p->metrics);
	assert_int_equal(p->step_count, 4);
	expect_edges(p, "readings>felt felt>per_network per_network>out ");

	s = step(p, "readings");
	assert_int_equal(s->kind, WEIR_STEP_SOURCE);
	assert_int_equal(s->pos.line, 3);
	assert_int_equal(s->pos.column, 3);
	assert_int_equal(s->source.connector, WEIR_CONN_FILE);
	assert_int_equal(s->source.format, WEIR_FORMAT_CSV);
	assert_int_equal(s->source.compression, WEIR_COMPRESSION_AUTO);
	assert_string_equal(s->source.path, "some/folder/earthquakes.csv");
	assert_int_equal(s->source.stream_count, 1);
	assert_null(s->source.type_field);
	assert_int_equal(s->source.time_field, 0);
	assert_int_equal(s->source.lateness_ns, 10 * WEIR_NS_PER_S);
	assert_int_equal(s->source.idle_ns, 0);
	assert_int_equal(s->source.csv.delimiter, ',');
	assert_true(s->source.csv.header);
	assert_string_equal(s->source.csv.null_text, "");
	assert_true(s->timed);
	assert_false(s->keyed);
	assert_true(s->fuse);
	assert_int_equal(s->on_error, WEIR_ON_ERROR_STOP);
	assert_int_equal(s->parallelism, 0);
	assert_int_equal(s->port_count, 1);
	assert_int_equal(s->port[0].uses, 1);
	expect_schema(s->port[0].schema, "DateTime:timestamp(%Y/%m/%d %H:%M:%S) Magnitude:float64 "
					 "Source:string EventID:string");

	s = step(p, "felt");
	assert_int_equal(s->kind, WEIR_STEP_FILTER);
	assert_string_equal(s->filter.text, "Magnitude >= 2.5");
	assert_ptr_equal(s->port[0].schema, step(p, "readings")->port[0].schema);

	s = step(p, "per_network");
	assert_int_equal(s->kind, WEIR_STEP_AGGREGATE);
	assert_true(s->keyed);
	assert_int_equal(s->key_count, 1);
	assert_int_equal(s->key[0], 2);
	assert_int_equal(s->aggregate.key_count, 1);
	assert_int_equal(s->aggregate.key[0], 2);
	assert_int_equal(s->aggregate.window.kind, WEIR_WINDOW_TUMBLING);
	assert_int_equal(s->aggregate.window.size_ns, 3600 * WEIR_NS_PER_S);
	assert_int_equal(s->aggregate.window.slide_ns, 3600 * WEIR_NS_PER_S);
	assert_int_equal(s->aggregate.agg_count, 3);
	assert_int_equal(s->aggregate.agg[0].fn, WEIR_AGG_COUNT);
	assert_null(s->aggregate.agg[0].arg);
	assert_int_equal(s->aggregate.agg[1].fn, WEIR_AGG_MAX);
	assert_string_equal(s->aggregate.agg[1].arg, "Magnitude");
	assert_string_equal(s->aggregate.agg[1].name, "strongest");
	expect_schema(s->port[0].schema,
		      "Source:string window_start:timestamp "
		      "window_end:timestamp n:int64 strongest:float64 mean:float64");
	assert_int_equal(s->port_count, 2);
	assert_int_equal(s->late_port, 1);
	assert_int_equal(s->rejects_port, -1);
	assert_string_equal(s->port[1].name, "late");
	assert_ptr_equal(s->port[1].schema, step(p, "felt")->port[0].schema);

	s = step(p, "out");
	assert_int_equal(s->kind, WEIR_STEP_SINK);
	assert_int_equal(s->sink.connector, WEIR_CONN_FILE);
	assert_string_equal(s->sink.path, "some/folder/out/quakes");
	assert_int_equal(s->sink.format, WEIR_FORMAT_JSONL);
	assert_int_equal(s->sink.compression, WEIR_COMPRESSION_NONE);
	assert_int_equal(s->sink.part_bytes, 256 << 20);
	assert_int_equal(s->sink.part_ns, 10 * WEIR_NS_PER_S);
	assert_int_equal(s->port_count, 0);
}

static void test_pipeline_settings(void **state)
{
	const struct weir_pipeline *p =
		parse("pipeline: p-1_x\nworkers: 3\nparallelism: 2\nring_size: 256KiB\n"
		      "record_max: 4096\nmetrics: \"[::1]:0\"\non_error: skip\n"
		      "steps:\n"
		      "  s: {source: nexmark, fuse: false}\n"
		      "  f: {from: s.bid, filter: price > 1, on_error: stop, parallelism: 7}\n"
		      "  k: {from: f, key_by: auction}\n"
		      "  o: {from: k, sink: stdout}\n");

	(void)state;
	assert_string_equal(p->name, "p-1_x");
	assert_int_equal(p->workers, 3);
	assert_int_equal(p->parallelism, 2);
	assert_int_equal(p->ring_bytes, 256 << 10);
	assert_int_equal(p->record_max, 4096);
	assert_string_equal(p->metrics, "[::1]:0");
	assert_int_equal(step(p, "s")->on_error, WEIR_ON_ERROR_SKIP);
	assert_false(step(p, "s")->fuse);
	assert_int_equal(step(p, "f")->on_error, WEIR_ON_ERROR_STOP);
	assert_int_equal(step(p, "f")->parallelism, 7);
	assert_int_equal(step(p, "k")->on_error, WEIR_ON_ERROR_STOP);
	assert_int_equal(step(p, "k")->kind, WEIR_STEP_KEY_BY);
	assert_true(step(p, "k")->keyed);
	assert_int_equal(step(p, "k")->key_count, 1);
	assert_ptr_equal(step(p, "k")->port[0].schema, step(p, "f")->port[0].schema);
}

static void test_pipeline_metrics_off(void **state)
{
	(void)state;
	assert_string_equal(
		parse("metrics: off\n" SOURCE "  o: {from: s, sink: stdout}\n")->metrics, "");
}

static void test_pipeline_state_defaults(void **state)
{
	const struct weir_state_spec *s = &parse_in(REST, "some/folder")->state;

	(void)state;
	assert_int_equal(s->guarantee, WEIR_GUARANTEE_EXACTLY_ONCE);
	assert_string_equal(s->dir, "some/folder/.weir/p");
	assert_int_equal(s->epoch_ns, 200 * WEIR_NS_PER_MS);
	assert_int_equal(s->epoch_bytes, 64 << 20);
	assert_int_equal(s->in_flight, 4);
	assert_int_equal(s->deadline_ns, 10 * WEIR_NS_PER_S);
	assert_int_equal(s->segment_bytes, 32 << 20);
	assert_int_equal(s->base_bytes, 64 << 20);
}

static void test_pipeline_state(void **state)
{
	const struct weir_state_spec *s =
		&parse_in(
			 "guarantee: at_least_once\n"
			 "state: {dir: /var/lib/weir/p, epoch: 1s, epoch_size: 1MiB, in_flight: 2, "
			 "deadline: 1m, segment_size: 8MiB, base_size: 1GiB}\n" REST,
			 "some/folder")
			 ->state;

	(void)state;
	assert_int_equal(s->guarantee, WEIR_GUARANTEE_AT_LEAST_ONCE);
	assert_string_equal(s->dir, "/var/lib/weir/p");
	assert_int_equal(s->epoch_ns, WEIR_NS_PER_S);
	assert_int_equal(s->epoch_bytes, 1 << 20);
	assert_int_equal(s->in_flight, 2);
	assert_int_equal(s->deadline_ns, 60 * WEIR_NS_PER_S);
	assert_int_equal(s->segment_bytes, 8 << 20);
	assert_int_equal(s->base_bytes, 1 << 30);
}

static void test_pipeline_state_none(void **state)
{
	(void)state;
	assert_int_equal(parse("guarantee: none\n" REST)->state.guarantee, WEIR_GUARANTEE_NONE);
}

/* Nothing else changes when the file is JSON. */
static void test_pipeline_json(void **state)
{
	const struct weir_pipeline *p = parse(
		"{\"pipeline\": \"j\", \"workers\": 2, \"steps\": {\n"
		"\t\"s\": {\"source\": {\"nexmark\": {\"events\": 10}}},\n"
		"\t\"f\": {\"from\": [\"s.bid\"], \"filter\": \"price > 1\", \"fuse\": true},\n"
		"\t\"o\": {\"from\": \"f\", \"sink\": {\"stdout\": {}}}}}\n");

	(void)state;
	assert_int_equal(p->step_count, 3);
	assert_int_equal(step(p, "s")->source.nexmark.events, 10);
}

/* The order in the file is free. */
static void test_pipeline_order(void **state)
{
	const struct weir_pipeline *p = parse(HEAD "  o: {from: [b, c], sink: blackhole}\n"
						   "  c: {from: a, filter: price > 2}\n"
						   "  b: {from: a, filter: price > 1}\n"
						   "  a: {from: s.bid, filter: price > 0}\n"
						   "  s: {source: nexmark}\n");

	(void)state;
	expect_edges(p, "s.bid>a a>c a>b b>o c>o ");
	assert_int_equal(step(p, "a")->port[0].uses, 2);
	assert_int_equal(weir_pipeline_find(p, WEIR_STR("zz")), -1);
}

static void test_pipeline_map(void **state)
{
	const struct weir_pipeline *p =
		parse(SOURCE "  a: {from: s, map: {w: v * 2, t: t, big: v > 10, \"odd name\": v}}\n"
			     "  b: {from: a, set: {big: w, extra: \"1\"}}\n"
			     "  c: {from: b, select: [\"odd name\", t]}\n"
			     "  d: {from: b, drop: [w, extra]}\n"
			     "  oc: {from: c, sink: blackhole}\n"
			     "  od: {from: d, sink: blackhole}\n");
	const struct weir_step *s = step(p, "a");

	(void)state;
	assert_int_equal(s->kind, WEIR_STEP_MAP);
	assert_int_equal(s->map.count, 4);
	assert_string_equal(s->map.field[0].name, "w");
	assert_string_equal(s->map.field[0].text, "v * 2");
	assert_int_equal(s->map.field[0].pos.line, 4);
	assert_int_equal(s->map.field[0].pos.column, 25);
	expect_schema(s->port[0].schema, "w:int64 t:timestamp big:bool odd name:int64");
	assert_true(s->timed);

	s = step(p, "b");
	expect_schema(s->port[0].schema,
		      "w:int64 t:timestamp big:int64 odd name:int64 extra:int64");
	assert_string_equal(s->map.field[0].text, "w");
	assert_string_equal(s->map.field[2].text, "w");
	assert_string_equal(s->map.field[3].text, "`odd name`");
	assert_string_equal(s->map.field[4].text, "1");
	expect_schema(step(p, "c")->port[0].schema, "odd name:int64 t:timestamp");
	expect_schema(step(p, "d")->port[0].schema, "t:timestamp big:int64 odd name:int64");
}

/* Whatever a kept field is called, its text compiles to just that field. */
static void test_pipeline_kept_fields_compile(void **state)
{
	const struct weir_pipeline *p = parse(
		HEAD "  s: {source: {file: {path: a.csv}}, schema: {in: int64, 'true': int64, "
		     "size: string, 9x: int64, \"a.b\": int64, \xc3\xa4: string, as: int64, "
		     "duration: int64, \"null\": int64, int: int64}}\n"
		     "  x: {from: s, set: {more: '1'}}\n" OUT);
	const struct weir_step *x = step(p, "x");
	struct weir_expr_env env = {.schema = step(p, "s")->port[0].schema};

	(void)state;
	assert_int_equal(x->map.count, 11);
	for (int i = 0; i < 10; i++) {
		struct weir_expr_error err;
		struct weir_expr *e;

		assert_int_equal(weir_expr_compile(&env, weir_str_c(x->map.field[i].text),
						   &parsed.region, &e, &err),
				 0);
		assert_int_equal(weir_expr_field(e), i);
		weir_expr_fini(e);
	}
}

static void test_pipeline_map_keeps_formats(void **state)
{
	const struct weir_pipeline *p =
		parse(HEAD "  s: {source: {file: {path: a.csv}}, schema: {t: \"timestamp(%Y)\"}}\n"
			   "  x: {from: s, map: {u: t}}\n" OUT);

	(void)state;
	expect_schema(step(p, "x")->port[0].schema, "u:timestamp(%Y)");
	assert_false(step(p, "x")->timed);
	assert_int_equal(step(p, "s")->source.time_field, -1);
}

static void test_pipeline_flat_map(void **state)
{
	const struct weir_pipeline *p =
		parse(SOURCE "  x: {from: s, flat_map: l}\n"
			     "  y: {from: s, flat_map: {field: l, as: word}, on_error: route}\n"
			     "  o: {from: x, sink: blackhole}\n"
			     "  q: {from: y, sink: blackhole}\n"
			     "  r: {from: y.rejects, sink: blackhole}\n");
	const struct weir_step *s = step(p, "x");

	(void)state;
	assert_int_equal(s->kind, WEIR_STEP_FLAT_MAP);
	assert_int_equal(s->flat_map.field, 5);
	assert_string_equal(s->flat_map.as, "l");
	expect_schema(s->port[0].schema, "t:timestamp k:string? v:int64 d:duration m:decimal(10,2) "
					 "l:string f:float64?");
	s = step(p, "y");
	assert_string_equal(s->flat_map.as, "word");
	expect_schema(s->port[0].schema, "t:timestamp k:string? v:int64 d:duration m:decimal(10,2) "
					 "word:string f:float64?");
	assert_int_equal(s->rejects_port, 1);
	assert_ptr_equal(s->port[1].schema, weir_rejects_schema());
	expect_edges(p, "s>x s>y x>o y>q y.rejects>r ");
}

static void test_pipeline_split_and_union(void **state)
{
	const struct weir_pipeline *p =
		parse(SOURCE "  x: {from: s, split: {big: v > 10, small: v < 2}, on_error: route}\n"
			     "  u: {from: [x.big, x.rest], union: true}\n"
			     "  f: {from: [u, x.small], filter: 'true'}\n"
			     "  o: {from: f, sink: blackhole}\n"
			     "  r: {from: x.rejects, sink: {file: {path: /tmp/r, format: csv}}}\n");
	const struct weir_step *s = step(p, "x");

	(void)state;
	assert_int_equal(s->kind, WEIR_STEP_SPLIT);
	assert_int_equal(s->split.count, 2);
	assert_string_equal(s->split.text[0], "v > 10");
	assert_string_equal(s->split.text[1], "v < 2");
	assert_int_equal(s->port_count, 4);
	assert_string_equal(s->port[2].name, "rest");
	assert_int_equal(s->rejects_port, 3);
	assert_int_equal(s->late_port, -1);
	assert_int_equal(step(p, "u")->kind, WEIR_STEP_UNION);
	assert_true(step(p, "u")->timed);
	assert_int_equal(step(p, "f")->kind, WEIR_STEP_FILTER);
	assert_int_equal(step(p, "f")->input_count, 2);
	assert_false(step(p, "r")->timed);
	expect_edges(p, "s>x x.big>u x.rest>u u>f x.small>f f>o x.rejects>r ");
}

/* `rest` may stay unread: these records are dropped on purpose. */
static void test_pipeline_split_drops_rest(void **state)
{
	const struct weir_pipeline *p = parse(SOURCE "  x: {from: s, split: {big: v > 10}}\n"
						     "  o: {from: x.big, sink: blackhole}\n");

	(void)state;
	assert_int_equal(step(p, "x")->port[1].uses, 0);
}

static void test_pipeline_aggregate_types(void **state)
{
	const struct weir_pipeline *p =
		parse(SOURCE "  x:\n"
			     "    from: s\n"
			     "    window: {sliding: 1h, every: 5m, offset: 1m, lateness: 2s}\n"
			     "    aggregate:\n"
			     "      n: count()\n"
			     "      nk: count( k )\n"
			     "      dk: distinct(k)\n"
			     "      sv: sum(v)\n"
			     "      sm: sum(m)\n"
			     "      sd: sum(d)\n"
			     "      sf: sum(f)\n"
			     "      av: avg(v + 1)\n"
			     "      am: avg(m)\n"
			     "      ad: avg(d)\n"
			     "      lo: min(t)\n"
			     "      hi: max(k)\n"
			     "      fst: first(m)\n"
			     "      lst: last(f)\n"
			     "      best: arg_max(v, f)\n"
			     "      least: \"arg_min((v + 1) * 2, v)\"\n"
			     "      nb: arg_min(k, v)\n"
			     "      tricky: \"max(k + \\\"),(\\\")\"\n" OUT);
	const struct weir_step *s = step(p, "x");

	(void)state;
	expect_schema(
		s->port[0].schema,
		"window_start:timestamp window_end:timestamp n:int64 nk:int64 dk:int64 sv:int64 "
		"sm:decimal(18,2) sd:duration sf:float64? av:float64 am:float64 ad:duration "
		"lo:timestamp hi:string? fst:decimal(10,2) lst:float64? best:int64? least:int64 "
		"nb:string? tricky:string?");
	assert_true(s->keyed);
	assert_int_equal(s->key_count, 0);
	assert_true(s->timed);
	assert_int_equal(s->aggregate.window.kind, WEIR_WINDOW_SLIDING);
	assert_int_equal(s->aggregate.window.size_ns, 3600 * WEIR_NS_PER_S);
	assert_int_equal(s->aggregate.window.slide_ns, 300 * WEIR_NS_PER_S);
	assert_int_equal(s->aggregate.window.offset_ns, 60 * WEIR_NS_PER_S);
	assert_int_equal(s->aggregate.window.lateness_ns, 2 * WEIR_NS_PER_S);
	assert_string_equal(s->aggregate.agg[1].arg, "k");
	assert_true(s->aggregate.agg[1].arg_nullable);
	assert_false(s->aggregate.agg[1].result_nullable);
	assert_string_equal(s->aggregate.agg[15].arg, "(v + 1) * 2");
	assert_string_equal(s->aggregate.agg[15].by, "v");
	assert_int_equal(s->aggregate.agg[14].by_type.type, WEIR_FLOAT64);
	assert_true(s->aggregate.agg[14].by_nullable);
	assert_false(s->aggregate.agg[14].arg_nullable);
	assert_string_equal(s->aggregate.agg[17].arg, "k + \"),(\"");
}

/* Quotes, raw strings, three quotes, backquotes, brackets: what is not a comma between arguments. */
static void test_pipeline_aggregate_arguments(void **state)
{
	const struct weir_pipeline *p =
		parse(SOURCE "  m: {from: s, set: {\"a,b\": v}}\n"
			     "  x:\n"
			     "    from: m\n"
			     "    window: {session: 30m, lateness: 1s}\n"
			     "    aggregate:\n"
			     "      a: arg_max('it\\'s, (' + k, v)\n"
			     "      b: arg_max(r'\\' + k, v)\n"
			     "      c: 'arg_max(\"\"\"a\", (\"\"\" + k, v)'\n"
			     "      d: arg_max(`a,b`, v)\n"
			     "      e: arg_max(l[0], v)\n"
			     "      f: |\n"
			     "        arg_max(\n"
			     "          k,\n"
			     "          v )\n" OUT);
	const struct weir_aggregate_spec *a = &step(p, "x")->aggregate;

	(void)state;
	assert_int_equal(a->window.kind, WEIR_WINDOW_SESSION);
	assert_int_equal(a->window.size_ns, 1800 * WEIR_NS_PER_S);
	assert_string_equal(a->agg[0].arg, "'it\\'s, (' + k");
	assert_string_equal(a->agg[1].arg, "r'\\' + k");
	assert_string_equal(a->agg[2].arg, "\"\"\"a\", (\"\"\" + k");
	assert_string_equal(a->agg[3].arg, "`a,b`");
	assert_string_equal(a->agg[4].arg, "l[0]");
	assert_string_equal(a->agg[5].arg, "k");
	for (uint32_t i = 0; i < a->agg_count; i++)
		assert_string_equal(a->agg[i].by, "v");
}

static void test_pipeline_top(void **state)
{
	const struct weir_pipeline *p = parse(
		SOURCE
		"  x: {from: s, key_by: [k], window: {tumbling: 10s}, top: {by: v}}\n"
		"  y: {from: x.late, window: {tumbling: 1d}, top: {k: 3, by: 0 - v, smallest: "
		"true, ties: false}, parallelism: 1}\n"
		"  o: {from: x, sink: blackhole}\n"
		"  q: {from: y, sink: blackhole}\n");
	const struct weir_step *s = step(p, "x");

	(void)state;
	assert_int_equal(s->kind, WEIR_STEP_TOP);
	assert_int_equal(s->top.k, 1);
	assert_false(s->top.smallest);
	assert_true(s->top.ties);
	assert_string_equal(s->top.by, "v");
	assert_int_equal(s->top.key_count, 1);
	assert_int_equal(s->top.key[0], 1);
	expect_schema(s->port[0].schema,
		      "t:timestamp k:string? v:int64 d:duration m:decimal(10,2) l:list<string> "
		      "f:float64? window_start:timestamp window_end:timestamp");
	expect_edges(p, "s>x x.late>y x>o y>q ");
	s = step(p, "y");
	assert_int_equal(s->top.k, 3);
	assert_true(s->top.smallest);
	assert_false(s->top.ties);
	assert_true(s->keyed);
	assert_int_equal(s->key_count, 0);
	assert_true(s->timed);
}

static void test_pipeline_operator(void **state)
{
	const struct weir_pipeline *p = parse_in(
		SOURCE
		"  x:\n"
		"    from: s\n"
		"    key_by: [k, v]\n"
		"    operator:\n"
		"      library: ./ops/score.so\n"
		"      name: score\n"
		"      options: {n: 1, f: -1.5e-3, t: true, z: , s: text, q: '1', o: 012, d: 1., "
		"l: [a, {b: []}], \"k\\\"\": \"\\n\", e: 1e, m: '-', p: 1e+5}\n"
		"  y: {from: x, operator: {library: /lib/y.so, name: y}}\n"
		"  o: {from: y, sink: blackhole}\n",
		"/etc/weir/");
	const struct weir_step *s = step(p, "x");

	(void)state;
	assert_int_equal(s->kind, WEIR_STEP_OPERATOR);
	assert_string_equal(s->oper.library, "/etc/weir/./ops/score.so");
	assert_string_equal(s->oper.symbol, "score");
	assert_string_equal(
		s->oper.options,
		"{\"n\":1,\"f\":-1.5e-3,\"t\":true,\"z\":null,\"s\":\"text\",\"q\":\"1\","
		"\"o\":\"012\",\"d\":\"1.\",\"l\":[\"a\",{\"b\":[]}],\"k\\\"\":\"\\n\","
		"\"e\":\"1e\",\"m\":\"-\",\"p\":1e+5}");
	assert_true(s->keyed);
	assert_int_equal(s->key_count, 2);
	assert_non_null(s->oper.handle);
	s = step(p, "y");
	assert_string_equal(s->oper.library, "/lib/y.so");
	assert_string_equal(s->oper.options, "{}");
	assert_false(s->keyed);
	assert_int_equal(s->port[0].schema->field_count, 8);
}

/* ---- sources and sinks ---- */

static void test_pipeline_nexmark(void **state)
{
	const struct weir_pipeline *p = parse(
		HEAD "  s:\n"
		     "    source: {nexmark: {events: 1000, first_event: 5, seed: "
		     "18446744073709551615, rate: 50, base_time: 2020-01-01T00:00:00Z, "
		     "events_per_second: 100, out_of_order: 3s, region: eu, hot_auction_ratio: 7, "
		     "hot_bidder_ratio: 8, hot_seller_ratio: 9}}\n"
		     "    on_error: skip\n"
		     "  t: {source: nexmark, event_time: {lateness: 1s, idle: 2s}}\n"
		     "  o: {from: [s.bid, t.bid], sink: blackhole}\n"
		     "  q: {from: s.person, sink: {blackhole: }}\n");
	const struct weir_step *s = step(p, "s");
	const struct weir_nexmark_options *n = &s->source.nexmark;

	(void)state;
	assert_int_equal(s->source.connector, WEIR_CONN_NEXMARK);
	assert_int_equal(s->source.stream_count, 3);
	assert_int_equal(s->port_count, 3);
	assert_string_equal(s->port[WEIR_NEXMARK_BID].name, "bid");
	assert_int_equal(s->port[WEIR_NEXMARK_AUCTION].uses, 0);
	assert_true(s->timed);
	assert_int_equal(s->source.lateness_ns, 3 * WEIR_NS_PER_S);
	assert_string_equal(s->port[0].schema->field[s->source.time_field].name, "dateTime");
	assert_int_equal(n->events, 1000);
	assert_int_equal(n->first_event, 5);
	assert_true(n->seed == UINT64_MAX);
	assert_int_equal(n->rate, 50);
	assert_int_equal(n->base_time_ns, INT64_C(1577836800) * WEIR_NS_PER_S);
	assert_int_equal(n->events_per_second, 100);
	assert_int_equal(n->out_of_order_ns, 3 * WEIR_NS_PER_S);
	assert_int_equal(n->hot_auction_ratio, 7);
	assert_int_equal(n->hot_bidder_ratio, 8);
	assert_int_equal(n->hot_seller_ratio, 9);
	assert_string_equal(n->region, "eu");
	s = step(p, "t");
	assert_int_equal(s->source.nexmark.events_per_second, 10000);
	assert_int_equal(s->source.lateness_ns, WEIR_NS_PER_S);
	assert_int_equal(s->source.idle_ns, 2 * WEIR_NS_PER_S);
}

static void test_pipeline_source_options(void **state)
{
	const struct weir_pipeline *p = parse(
		HEAD
		"  f: {source: {file: {path: \"/data/*.csv.zst\", compression: zstd, delimiter: "
		"\"\\t\", header: false, null: NA}}, schema: {a: int64}, rate: 100, parallelism: "
		"3}\n"
		"  g: {source: {file: {path: \"log*.gz\", format: jsonl, follow: "
		"true}}, schema: {a: int64}}\n"
		"  m: {source: {memory: {path: x.ndjson.gz, loop: 3}}, schema: {a: int64}}\n"
		"  i: {source: {stdin: {format: csv, delimiter: ;}}, schema: {a: int64}, "
		"parallelism: 1}\n"
		"  t: {source: {tcp: {listen: \"127.0.0.1:0\", format: jsonl}}, schema: {a: "
		"int64}, on_error: route}\n"
		"  u: {source: {tcp: {listen: \"127.0.0.1:0\", format: csv, ack: true}}, schema: "
		"{a: int64}}\n"
		"  h: {source: {http: {listen: \"[::1]:80\", format: csv, delimiter: ;, null: NA}}, "
		"schema: {a: int64}}\n"
		"  o: {from: [f, g, m, i, t, u, h], sink: blackhole}\n"
		"  r: {from: t.rejects, sink: stdout}\n");
	const struct weir_source_spec *s = &step(p, "f")->source;

	(void)state;
	assert_string_equal(s->path, "/data/*.csv.zst");
	assert_int_equal(s->format, WEIR_FORMAT_CSV);
	assert_int_equal(s->compression, WEIR_COMPRESSION_ZSTD);
	assert_int_equal(s->csv.delimiter, '\t');
	assert_false(s->csv.header);
	assert_string_equal(s->csv.null_text, "NA");
	assert_int_equal(s->rate, 100);
	assert_false(s->follow);
	s = &step(p, "g")->source;
	assert_string_equal(s->path, "log*.gz");
	assert_int_equal(s->format, WEIR_FORMAT_JSONL);
	assert_int_equal(s->compression, WEIR_COMPRESSION_AUTO);
	assert_true(s->follow);
	s = &step(p, "m")->source;
	assert_int_equal(s->connector, WEIR_CONN_MEMORY);
	assert_int_equal(s->format, WEIR_FORMAT_JSONL);
	assert_int_equal(s->loop, 3);
	s = &step(p, "i")->source;
	assert_int_equal(s->connector, WEIR_CONN_STDIO);
	assert_int_equal(s->csv.delimiter, ';');
	assert_int_equal(s->loop, 1);
	s = &step(p, "t")->source;
	assert_int_equal(s->connector, WEIR_CONN_TCP);
	assert_string_equal(s->listen, "127.0.0.1:0");
	assert_false(s->csv.header);
	assert_false(s->ack);
	assert_int_equal(step(p, "t")->rejects_port, 1);
	assert_true(step(p, "u")->source.ack);
	s = &step(p, "h")->source;
	assert_int_equal(s->connector, WEIR_CONN_HTTP);
	assert_string_equal(s->listen, "[::1]:80");
	assert_int_equal(s->format, WEIR_FORMAT_CSV);
	assert_int_equal(s->csv.delimiter, ';');
	assert_false(s->csv.header);
	assert_string_equal(s->csv.null_text, "NA");
	expect_edges(p, "f>o g>o m>o i>o t>o u>o h>o t.rejects>r ");
}

static void test_pipeline_many_streams(void **state)
{
	const struct weir_pipeline *p = parse(
		HEAD
		"  s:\n"
		"    source: {file: {path: a.jsonl}}\n"
		"    type_field: kind\n"
		"    schemas: {left: {t: timestamp, a: int64}, right: {b: string, t: timestamp}}\n"
		"    event_time: t\n"
		"  one: {source: {file: {path: b.jsonl}}, type_field: kind, schemas: {only: {a: "
		"int64}}}\n"
		"  l: {from: s.left, sink: blackhole}\n"
		"  r: {from: s.right, sink: blackhole}\n"
		"  o: {from: one, sink: blackhole}\n"
		"  q: {from: one.only, sink: blackhole}\n");
	const struct weir_step *s = step(p, "s");

	(void)state;
	assert_string_equal(s->source.type_field, "kind");
	assert_int_equal(s->source.stream_count, 2);
	assert_int_equal(s->source.time_field, 0);
	expect_schema(s->port[1].schema, "b:string t:timestamp");
	assert_int_equal(s->port[1].schema->stream, 1);
	assert_string_equal(s->port[1].name, "right");
	expect_edges(p, "s.left>l s.right>r one.only>o one.only>q ");
	assert_int_equal(step(p, "one")->port[0].uses, 2);
}

static void test_pipeline_raw(void **state)
{
	const struct weir_pipeline *p =
		parse(HEAD "  a: {source: {file: {path: one.raw}}, event_time: t}\n"
			   "  b: {source: {memory: {path: two.raw.zst}}}\n"
			   "  c: {source: {file: {path: strange.raw}}}\n"
			   "  o: {from: [a, b.left, c], sink: {stdout: {format: raw}}}\n"
			   "  q: {from: b.right, sink: blackhole}\n");

	(void)state;
	expect_schema(step(p, "a")->port[0].schema, "t:timestamp a:int64");
	assert_string_equal(step(p, "a")->port[0].name, "left");
	assert_int_equal(step(p, "a")->source.time_field, 0);
	assert_int_equal(step(p, "b")->source.stream_count, 2);
	assert_int_equal(step(p, "b")->source.format, WEIR_FORMAT_RAW);
	/* A name that cannot be an output is not needed with one stream. */
	assert_string_equal(step(p, "c")->port[0].name, "");
	expect_edges(p, "a.left>o b.left>o c>o b.right>q ");
}

static void test_pipeline_sink_options(void **state)
{
	const struct weir_pipeline *p = parse_in(
		HEAD "  s: {source: {file: {path: a.csv}}, schema: {a: int64}}\n"
		     "  f: {from: s, sink: {file: {path: out, format: csv, compression: gzip, "
		     "part_size: 64MiB, part_interval: 0, delimiter: \"|\", header: false, null: "
		     "\"-\"}}}\n"
		     "  t: {from: s, sink: {tcp: {address: \"example.org:99\"}}}\n"
		     "  o: {from: s, sink: {stdout: {format: csv}}}\n"
		     "  p: {from: s, sink: {postgres: {connection: \"host=/run dbname=x\", table: "
		     "Big.t-1}}}\n"
		     "  q: {from: s, sink: {postgres: {connection: \"postgresql:///x\", table: t, "
		     "on_fresh: truncate}}}\n",
		"/");
	const struct weir_sink_spec *s = &step(p, "f")->sink;

	(void)state;
	assert_string_equal(s->path, "/out");
	assert_int_equal(s->format, WEIR_FORMAT_CSV);
	assert_int_equal(s->compression, WEIR_COMPRESSION_GZIP);
	assert_int_equal(s->part_bytes, 64 << 20);
	assert_int_equal(s->part_ns, 0);
	assert_int_equal(s->csv.delimiter, '|');
	assert_false(s->csv.header);
	assert_string_equal(s->csv.null_text, "-");
	assert_string_equal(step(p, "t")->sink.address, "example.org:99");
	assert_int_equal(step(p, "t")->sink.format, WEIR_FORMAT_JSONL);
	assert_false(step(p, "t")->sink.csv.header);
	assert_int_equal(step(p, "o")->sink.connector, WEIR_CONN_STDIO);
	assert_true(step(p, "o")->sink.csv.header);
	s = &step(p, "p")->sink;
	assert_int_equal(s->connector, WEIR_CONN_POSTGRES);
	assert_string_equal(s->connection, "host=/run dbname=x");
	assert_string_equal(s->table, "Big.t-1");
	assert_false(s->truncate);
	assert_true(step(p, "q")->sink.truncate);
	assert_string_equal(step(p, "s")->source.path, "/a.csv");
}

static void test_pipeline_kind_names(void **state)
{
	(void)state;
	assert_string_equal(weir_step_kind_name(WEIR_STEP_SOURCE), "source");
	assert_string_equal(weir_step_kind_name(WEIR_STEP_SINK), "sink");
	assert_string_equal(weir_step_kind_name(0), "unknown");
	assert_string_equal(weir_step_kind_name(WEIR_STEP_KIND_COUNT), "unknown");
	parse(SOURCE "  o: {from: s, sink: stdout}\n");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_teardown(test_pipeline_quakes, teardown),
	cmocka_unit_test_teardown(test_pipeline_settings, teardown),
	cmocka_unit_test_teardown(test_pipeline_metrics_off, teardown),
	cmocka_unit_test_teardown(test_pipeline_state_defaults, teardown),
	cmocka_unit_test_teardown(test_pipeline_state, teardown),
	cmocka_unit_test_teardown(test_pipeline_state_none, teardown),
	cmocka_unit_test_teardown(test_pipeline_json, teardown),
	cmocka_unit_test_teardown(test_pipeline_order, teardown),
	cmocka_unit_test_teardown(test_pipeline_map, teardown),
	cmocka_unit_test_teardown(test_pipeline_kept_fields_compile, teardown),
	cmocka_unit_test_teardown(test_pipeline_map_keeps_formats, teardown),
	cmocka_unit_test_teardown(test_pipeline_flat_map, teardown),
	cmocka_unit_test_teardown(test_pipeline_split_and_union, teardown),
	cmocka_unit_test_teardown(test_pipeline_split_drops_rest, teardown),
	cmocka_unit_test_teardown(test_pipeline_aggregate_types, teardown),
	cmocka_unit_test_teardown(test_pipeline_aggregate_arguments, teardown),
	cmocka_unit_test_teardown(test_pipeline_top, teardown),
	cmocka_unit_test_teardown(test_pipeline_operator, teardown),
	cmocka_unit_test_teardown(test_pipeline_nexmark, teardown),
	cmocka_unit_test_teardown(test_pipeline_source_options, teardown),
	cmocka_unit_test_teardown(test_pipeline_many_streams, teardown),
	cmocka_unit_test_teardown(test_pipeline_raw, teardown),
	cmocka_unit_test_teardown(test_pipeline_sink_options, teardown),
	cmocka_unit_test_teardown(test_pipeline_kind_names, teardown),
};

WEIR_TEST_MAIN("pipeline_ok", tests)
