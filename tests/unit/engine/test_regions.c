/* SPDX-License-Identifier: Apache-2.0 */
/* One pipeline for all regions, and what each of them makes of it. */
#include "base/keyhash.h"
#include "engine/core/edge.h"
#include "engine/core/tasks.h"
#include "tests/unit/engine/regions_case.h"

static void show_step(struct weir_buf *b, const struct weir_pipeline *p, const struct weir_step *s)
{
	weir_buf_printf(b, "%s:%s", s->name, weir_step_kind_name(s->kind));
	for (uint32_t i = 0; i < s->input_count; i++) {
		const struct weir_step *from = &p->step[s->input[i].step];
		const char *port = from->port[s->input[i].port].name;

		weir_buf_printf(b, "%s%s%s%s", i ? "," : "<", from->name, *port ? "." : "", port);
	}
}

/* "s:source x:filter<s": what runs in a region. */
static void expect_steps(uint32_t here, const char *expected)
{
	static char text[16384];
	struct weir_buf b = weir_buf_of(text, sizeof(text) - 1);
	const struct weir_pipeline *p = plan_of(here, REGIONS);

	if (!p) {
		show_errors(&parsed, text, sizeof(text));
		print_error("%s\n", text);
	}
	assert_non_null(p);
	for (uint32_t i = 0; i < p->step_count; i++) {
		if (i)
			weir_buf_char(&b, ' ');
		show_step(&b, p, &p->step[i]);
	}
	text[b.len] = 0;
	assert_string_equal(text, expected);
}

/* ---- both ends of every edge ---- */

static struct weir_str hello(const struct weir_pipeline *p, const struct weir_edge_spec *e,
			     const struct weir_schema *s)
{
	struct weir_out o;
	char *text;
	size_t n;

	weir_out_init(&o, &weir_test_mem);
	weir_edge_hello_put(&o, p->cluster, p->name, e->of, e->port, e->from, e->to, s);
	n = (size_t)o.bytes;
	text = weir_region_alloc(&parsed.region, n);
	weir_out_copy(&o, text);
	weir_out_fini(&o);
	return (struct weir_str){text, n};
}

static const struct weir_schema *edge_schema(const struct weir_pipeline *p,
					     const struct weir_edge_spec *e)
{
	const struct weir_step *s = &p->step[e->step];

	if (!e->out)
		return s->port[0].schema;
	return p->step[s->input[0].step].port[s->input[0].port].schema;
}

/* A planned pipeline holds what the engine relies on. */
static void check_planned(const struct weir_pipeline *p)
{
	uint32_t inputs = 0, uses = 0;

	assert_false(weir_regions_used(p));
	for (uint32_t i = 0; i < p->step_count; i++) {
		const struct weir_step *s = &p->step[i];
		const struct weir_schema *in = NULL;

		inputs += s->input_count;
		for (uint32_t k = 0; k < s->port_count; k++)
			uses += s->port[k].uses;

		assert_int_equal(weir_pipeline_find(p, weir_str_c(s->name)), (int)i);
		assert_int_equal(s->input_count == 0, s->kind == WEIR_STEP_SOURCE);
		for (uint32_t k = 0; k < s->input_count; k++) {
			const struct weir_port_def *from;

			assert_true(s->input[k].step < i);
			assert_true(s->input[k].port < p->step[s->input[k].step].port_count);
			from = &p->step[s->input[k].step].port[s->input[k].port];
			assert_true(from->uses > 0);
			assert_true(!in || weir_schema_same(in, from->schema));
			in = from->schema;
		}
	}
	assert_int_equal(uses, inputs);
}

/* Every end has one other end, in the region it names, and both say the same. How many edges there are. */
static uint32_t check_edges(uint32_t regions)
{
	static struct weir_edge_spec e[REGIONS][WEIR_STEPS_MAX];
	const struct weir_pipeline *p[REGIONS];
	uint32_t n[REGIONS], outs = 0, ins = 0;

	for (uint32_t r = 0; r < regions; r++) {
		p[r] = plan_of(r, regions);
		assert_non_null(p[r]);
		check_planned(p[r]);
		n[r] = weir_regions_edges(p[r], e[r], WEIR_STEPS_MAX);
		assert_int_equal(weir_regions_edges(p[r], NULL, 0), n[r]);
		for (uint32_t i = 0; i < n[r]; i++)
			ins += !e[r][i].out;
	}
	for (uint32_t r = 0; r < regions; r++) {
		for (uint32_t i = 0; i < n[r]; i++) {
			const struct weir_edge_spec *a = &e[r][i];
			uint32_t peer = 0, same = 0;

			assert_string_equal(a->out ? a->from : a->to, five[r]);
			for (uint32_t k = 0; k < i; k++)
				assert_int_not_equal(e[r][k].id, a->id);
			outs += a->out;
			if (!a->out)
				continue;
			while (strcmp(five[peer], a->to))
				peer++;
			for (uint32_t k = 0; k < n[peer]; k++) {
				const struct weir_edge_spec *b = &e[peer][k];

				if (b->id != a->id)
					continue;
				same++;
				assert_false(b->out);
				assert_string_equal(a->of, b->of);
				assert_string_equal(a->port, b->port);
				assert_string_equal(a->from, b->from);
				assert_string_equal(a->to, b->to);
				assert_int_equal(a->keys, b->keys);
				assert_int_equal(a->key_first, b->key_first);
				assert_int_equal(a->key_last, b->key_last);
				assert_true(
					weir_str_eq(hello(p[r], a, edge_schema(p[r], a)),
						    hello(p[peer], b, edge_schema(p[peer], b))));
			}
			assert_int_equal(same, 1);
		}
	}
	assert_int_equal(outs, ins);
	return outs;
}

/* ---- plans ---- */

static void test_regions_not_used(void **state)
{
	const struct weir_pipeline *p;

	(void)state;
	parse(SOURCE "  x: {from: s, filter: v > 1}\n  o: {from: {step: x}, sink: blackhole}\n");
	assert_false(weir_regions_used(parsed.p));
	assert_string_equal(weir_pipeline_instance(parsed.p), "p");
	expect_steps(3, "s:source x:filter<s o:sink<x");
	assert_int_equal(check_edges(REGIONS), 0);
	p = plan_of(3, REGIONS);
	assert_string_equal(p->name, "p");
	assert_string_equal(weir_pipeline_instance(p), "p@sa");
	assert_string_equal(p->region, "sa");
	assert_string_equal(p->cluster, "c");
	assert_string_equal(p->file, "test.yaml");
}

static void test_regions_all_to_one(void **state)
{
	const struct weir_pipeline *p;
	const struct weir_step *s;
	struct weir_tasks tasks;
	struct weir_err err = {0};

	(void)state;
	parse(SOURCE
	      "  x: {from: s, filter: v > 1}\n"
	      "  sum: {regions: [us], from: {step: x, regions: all}, window: {tumbling: 1m}, "
	      "aggregate: {n: count()}}\n"
	      "  o: {regions: us, from: sum, sink: blackhole}\n");
	assert_true(weir_regions_used(parsed.p));
	assert_int_equal(weir_tasks_plan(parsed.p, 1, &parsed.region, &tasks, &err), WEIR_E_CONFIG);
	assert_non_null(strstr(err.text, "is for several regions"));
	assert_int_equal(weir_tasks_plan(plan_of(1, REGIONS), 2, &parsed.region, &tasks, &err), 0);
	expect_steps(0, "s:source x:filter<s x>us:sink<x");
	expect_steps(1, "s:source x:filter<s x@eu:source x@ap:source x@sa:source x@af:source "
			"sum:aggregate<x@eu,x,x@ap,x@sa,x@af o:sink<sum");
	expect_steps(4, "s:source x:filter<s x>us:sink<x");
	assert_int_equal(check_edges(REGIONS), 4);
	p = plan_of(1, REGIONS);
	s = &p->step[2];
	assert_int_equal(s->source.connector, WEIR_CONN_EDGE);
	assert_int_equal(s->parallelism, 1);
	assert_int_equal(s->source.time_field, -1);
	assert_int_equal(s->source.stream_count, 1);
	assert_true(s->timed);
	assert_int_equal(s->late_port, -1);
	assert_int_equal(s->rejects_port, -1);
	assert_string_equal(s->source.edge.of, "x");
	assert_string_equal(s->source.edge.port, "");
	assert_string_equal(s->source.edge.from, "eu");
	assert_string_equal(s->source.edge.to, "us");
	assert_false(s->source.edge.keys);
	assert_int_equal(s->source.edge.key_first, 0);
	assert_int_equal(s->source.edge.key_last, WEIR_KEY_GROUPS - 1);
	assert_true(weir_schema_same(s->port[0].schema, p->step[0].port[0].schema));
	assert_int_equal(s->source.edge.id, weir_edge_id("c", "p", "x", "", "eu", "us", 0, "copy"));
	p = plan_of(0, REGIONS);
	assert_int_equal(p->step[2].sink.connector, WEIR_CONN_EDGE);
	assert_int_equal(p->step[2].parallelism, 1);
}

static void test_regions_names_in_texts(void **state)
{
	const struct weir_pipeline *p;

	(void)state;
	parse("pipeline: p\nsteps:\n"
	      "  s: {source: {file: {path: \"in/{region}/{region}.csv\"}}, schema: {v: int64}}\n"
	      "  t: {source: {tcp: {listen: \"{region}.example.org:1\", format: csv}}, schema: {v: int64}}\n"
	      "  o: {from: s, sink: {file: {path: \"out/{region}\"}}}\n"
	      "  q: {from: t, sink: blackhole}\n");
	assert_true(weir_regions_used(parsed.p));
	p = plan_of(1, REGIONS);
	assert_false(weir_regions_used(p));
	assert_non_null(strstr(p->step[0].source.path, "in/us/us.csv"));
	assert_string_equal(p->step[1].source.listen, "us.example.org:1");
	assert_non_null(strstr(p->step[2].sink.path, "out/us"));
	/* The file's own texts stay. */
	assert_non_null(strstr(parsed.p->step[2].sink.path, "out/{region}"));
}

static void test_regions_nothing_in_a_region(void **state)
{
	(void)state;
	parse(HEAD "  s: {regions: [eu], source: nexmark}\n"
		   "  o: {regions: [eu], from: s.bid, sink: blackhole}\n");
	expect_steps(0, "s:source o:sink<s.bid");
	expect_steps(1, "");
	assert_int_equal(check_edges(REGIONS), 0);
}

static void test_regions_everywhere_from_everywhere(void **state)
{
	(void)state;
	parse(UNTIMED "  o: {from: {step: s, regions: all}, sink: blackhole}\n");
	expect_steps(2, "s:source s>eu:sink<s s>us:sink<s s>sa:sink<s s>af:sink<s s@eu:source "
			"s@us:source s@sa:source s@af:source o:sink<s@eu,s@us,s,s@sa,s@af");
	assert_int_equal(check_edges(REGIONS), 20);
	assert_false(plan_of(2, REGIONS)->step[5].timed);
	assert_int_equal(check_edges(2), 2);
	assert_int_equal(check_edges(1), 0);
}

static void test_regions_some_and_unions(void **state)
{
	(void)state;
	parse(SOURCE "  x: {regions: [eu, us, ap], from: s, filter: v > 1}\n"
		     "  y: {regions: [sa, af], from: s, filter: v > 2}\n"
		     "  u: {regions: [us, sa], union: true, from: [{step: x, regions: [eu, us]}, "
		     "{step: y, region: af}, {step: s, region: ap}]}\n"
		     "  v: {regions: us, from: [x, {step: x, region: ap}], sink: blackhole}\n"
		     "  w: {regions: sa, from: y, sink: blackhole}\n"
		     "  o: {regions: [us, sa], from: u, sink: blackhole}\n");
	expect_steps(0, "s:source x:filter<s x>us:sink<x x>sa:sink<x");
	expect_steps(1, "s:source x:filter<s x>sa:sink<x x@eu:source y@af:source s@ap:source "
			"u:union<x@eu,x,y@af,s@ap x@ap:source v:sink<x,x@ap o:sink<u");
	expect_steps(2, "s:source s>us:sink<s s>sa:sink<s x:filter<s x>us:sink<x");
	expect_steps(3, "s:source y:filter<s x@eu:source x@us:source y@af:source s@ap:source "
			"u:union<x@eu,x@us,y@af,s@ap w:sink<y o:sink<u");
	expect_steps(4, "s:source y:filter<s y>us:sink<y y>sa:sink<y");
	assert_int_equal(check_edges(REGIONS), 8);
}

/* Two readers of the same records in one region share the edge. */
static void test_regions_readers_share_edges(void **state)
{
	(void)state;
	parse(SOURCE
	      "  a: {regions: us, from: {step: s, regions: [eu, us, ap, sa, af]}, sink: blackhole}\n"
	      "  b: {regions: us, from: {step: s, region: eu}, sink: blackhole}\n");
	expect_steps(0, "s:source s>us:sink<s");
	expect_steps(1, "s:source s@eu:source s@ap:source s@sa:source s@af:source "
			"a:sink<s@eu,s,s@ap,s@sa,s@af b:sink<s@eu");
	assert_int_equal(check_edges(REGIONS), 4);
	assert_int_equal(plan_of(1, REGIONS)->step[1].port[0].uses, 2);
}

static void test_regions_other_outputs(void **state)
{
	const struct weir_pipeline *p;

	(void)state;
	parse(HEAD
	      "  s: {source: {file: {path: a.jsonl}}, schema: {t: timestamp, v: int64}, "
	      "event_time: t, on_error: route}\n"
	      "  n: {from: s, split: {big: v > 10}}\n"
	      "  sum: {from: n.big, window: {tumbling: 1m}, aggregate: {c: count()}}\n"
	      "  o: {from: sum, sink: blackhole}\n"
	      "  l: {regions: eu, from: {step: sum.late, regions: all}, sink: blackhole}\n"
	      "  r: {regions: eu, from: {step: s.rejects, regions: all}, sink: blackhole}\n"
	      "  z: {regions: eu, from: [n.rest, {step: n.rest, region: us}], sink: blackhole}\n");
	expect_steps(1, "s:source s.rejects>eu:sink<s.rejects n:split<s n.rest>eu:sink<n.rest "
			"sum:aggregate<n.big sum.late>eu:sink<sum.late o:sink<sum");
	p = plan_of(0, 2);
	assert_true(p->step[weir_pipeline_find(p, WEIR_STR("sum.late@us"))].timed);
	assert_true(p->step[weir_pipeline_find(p, WEIR_STR("n.rest@us"))].timed);
	assert_false(p->step[weir_pipeline_find(p, WEIR_STR("s.rejects@us"))].timed);
	assert_int_equal(check_edges(2), 3);
	assert_int_equal(check_edges(REGIONS), 9);
}

/* ---- keys ---- */

static const struct weir_step *find(const struct weir_pipeline *p, const char *name)
{
	int i = weir_pipeline_find(p, weir_str_c(name));

	if (i < 0)
		print_error("no step %s\n", name);
	assert_true(i >= 0);
	return &p->step[i];
}

static void test_regions_keys(void **state)
{
	static const uint32_t first[3] = {0, 1366, 2731};
	const struct weir_pipeline *p;

	(void)state;
	parse(SOURCE "  sum: {regions: [ap, eu, us], from: {step: s, regions: all, spread: keys}, "
		     "key_by: [k], window: {tumbling: 1m}, aggregate: {n: count()}}\n"
		     "  o: {regions: [eu, us, ap], from: sum, sink: blackhole}\n");
	expect_steps(0, "s:source s=keys:keys<s s>us#keys:sink<s=keys.us s>ap#keys:sink<s=keys.ap "
			"s@us#keys:source s@ap#keys:source s@sa#keys:source s@af#keys:source "
			"sum:aggregate<s=keys.eu,s@us#keys,s@ap#keys,s@sa#keys,s@af#keys "
			"o:sink<sum");
	/* Keeps none itself: its own part is not there. */
	expect_steps(3, "s:source s=keys:keys<s s>eu#keys:sink<s=keys.eu s>us#keys:sink<s=keys.us "
			"s>ap#keys:sink<s=keys.ap");
	assert_int_equal(check_edges(REGIONS), 12);
	for (uint32_t r = 0; r < 3; r++) {
		char name[16];

		p = plan_of(3, REGIONS);
		snprintf(name, sizeof(name), "s>%s#keys", five[r]);
		assert_true(find(p, name)->sink.edge.keys);
		assert_int_equal(find(p, name)->sink.edge.key_first, first[r]);
		assert_int_equal(find(p, name)->sink.edge.key_last,
				 r < 2 ? first[r + 1] - 1 : WEIR_KEY_GROUPS - 1);
		/* As the keys step spreads them. */
		for (uint32_t g = 0; g < WEIR_KEY_GROUPS; g++)
			assert_int_equal(g * 3 / WEIR_KEY_GROUPS == r,
					 g >= find(p, name)->sink.edge.key_first &&
						 g <= find(p, name)->sink.edge.key_last);
	}
	assert_int_equal(find(p, "s=keys")->port_count, 3);
	assert_int_equal(find(p, "s=keys")->keys.key_count, 1);
	assert_int_equal(find(p, "s=keys")->keys.key[0], 1);
	assert_int_equal(find(p, "s=keys")->parallelism, 0);
	assert_true(find(p, "s=keys")->timed);
	assert_int_equal(find(p, "s>us#keys")->sink.edge.id,
			 weir_edge_id("c", "p", "s", "", "sa", "us", 0, "keys 1366-2730 k"));
	/* One region owns all: nothing to spread. */
	parsed_free(&parsed);
	parse(SOURCE "  sum: {from: {step: s, regions: all, spread: keys}, key_by: k, "
		     "window: {tumbling: 1m}, aggregate: {n: count()}}\n"
		     "  o: {from: sum, sink: blackhole}\n");
	assert_int_equal(check_edges(1), 0);
	p = plan_of(0, 1);
	assert_int_equal(p->step_count, 3);
	assert_int_equal(check_edges(2), 2);
}

/* Another key, other owners, or all records: edges of their own. */
static void test_regions_keys_and_copies(void **state)
{
	(void)state;
	parse(SOURCE
	      "  a: {from: {step: s, regions: all, spread: keys}, key_by: [k]}\n"
	      "  b: {from: {step: s, region: eu, spread: keys}, key_by: [k]}\n"
	      "  c: {from: {step: s, regions: all, spread: keys}, key_by: [v]}\n"
	      "  d: {regions: [us, ap], from: {step: s, region: eu, spread: keys}, key_by: [v]}\n"
	      "  e: {regions: [us, ap], from: {step: s, region: eu, spread: copy}, key_by: [v]}\n"
	      "  o: {from: [a, b, c], sink: blackhole}\n"
	      "  p: {regions: [us, ap], from: [d, e], sink: blackhole}\n");
	expect_steps(0, "s:source s>us:sink<s s>ap:sink<s "
			"s=keys:keys<s s>us#keys:sink<s=keys.us s>ap#keys:sink<s=keys.ap "
			"s>sa#keys:sink<s=keys.sa s>af#keys:sink<s=keys.af "
			"s=keys2:keys<s s>us#keys2:sink<s=keys2.us s>ap#keys2:sink<s=keys2.ap "
			"s>sa#keys2:sink<s=keys2.sa s>af#keys2:sink<s=keys2.af "
			"s=keys3:keys<s s>us#keys3:sink<s=keys3.us s>ap#keys3:sink<s=keys3.ap "
			"s@us#keys:source s@ap#keys:source s@sa#keys:source s@af#keys:source "
			"a:key_by<s=keys.eu,s@us#keys,s@ap#keys,s@sa#keys,s@af#keys "
			"b:key_by<s=keys.eu "
			"s@us#keys2:source s@ap#keys2:source s@sa#keys2:source s@af#keys2:source "
			"c:key_by<s=keys2.eu,s@us#keys2,s@ap#keys2,s@sa#keys2,s@af#keys2 "
			"o:sink<a,b,c");
	assert_int_equal(check_edges(REGIONS), 20 + 20 + 2 + 2);
}

/* The same file, the same names and ids, whoever asks. */
static void test_regions_are_deterministic(void **state)
{
	struct weir_edge_spec a[WEIR_STEPS_MAX], b[WEIR_STEPS_MAX];
	const struct weir_pipeline *p, *q;
	uint32_t n;

	(void)state;
	parse(SOURCE "  a: {from: {step: s, regions: all, spread: keys}, key_by: [k, v]}\n"
		     "  o: {from: {step: a, regions: all}, sink: blackhole}\n");
	p = plan_of(2, REGIONS);
	q = plan_of(2, REGIONS);
	n = weir_regions_edges(p, a, WEIR_STEPS_MAX);
	assert_int_equal(n, 16);
	assert_int_equal(weir_regions_edges(q, b, WEIR_STEPS_MAX), n);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(a[i].id, b[i].id);
		assert_int_equal(a[i].step, b[i].step);
		assert_string_equal(p->step[a[i].step].name, q->step[b[i].step].name);
	}
	/* Less room than edges: as many as fit, and how many there are. */
	memset(b, 0, sizeof(b));
	assert_int_equal(weir_regions_edges(p, b, 3), n);
	assert_int_equal(b[2].id, a[2].id);
	assert_int_equal(b[3].id, 0);
}

/* A guarantee is needed for edges only; region lists alone cross nothing. */
static void test_regions_without_edges_need_no_guarantee(void **state)
{
	(void)state;
	parse("guarantee: none\n" SOURCE "  a: {regions: us, from: {step: s, region: us}, sink: "
	      "blackhole}\n  b: {from: s, sink: blackhole}\n");
	expect_steps(1, "s:source a:sink<s b:sink<s");
	assert_int_equal(check_edges(REGIONS), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_teardown(test_regions_not_used, teardown),
	cmocka_unit_test_teardown(test_regions_all_to_one, teardown),
	cmocka_unit_test_teardown(test_regions_names_in_texts, teardown),
	cmocka_unit_test_teardown(test_regions_nothing_in_a_region, teardown),
	cmocka_unit_test_teardown(test_regions_everywhere_from_everywhere, teardown),
	cmocka_unit_test_teardown(test_regions_some_and_unions, teardown),
	cmocka_unit_test_teardown(test_regions_readers_share_edges, teardown),
	cmocka_unit_test_teardown(test_regions_other_outputs, teardown),
	cmocka_unit_test_teardown(test_regions_keys, teardown),
	cmocka_unit_test_teardown(test_regions_keys_and_copies, teardown),
	cmocka_unit_test_teardown(test_regions_are_deterministic, teardown),
	cmocka_unit_test_teardown(test_regions_without_edges_need_no_guarantee, teardown),
};

WEIR_TEST_MAIN("regions", tests)
