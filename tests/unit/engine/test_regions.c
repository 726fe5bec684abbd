/* SPDX-License-Identifier: Apache-2.0 */
/* One pipeline for all regions, and what each of them makes of it. */
#include "base/keyhash.h"
#include "engine/core/edge.h"
#include "engine/core/regions.h"
#include "engine/core/tasks.h"
#include "tests/unit/engine/pipeline_case.h"

#define REGIONS 5
static const char *const five[REGIONS] = {"eu", "us", "ap", "sa", "af"};

#define HEAD "pipeline: p\nsteps:\n"
#define SOURCE                                                                                      \
	HEAD "  s: {source: {file: {path: a.jsonl}}, schema: {t: timestamp, k: string, v: int64}, " \
	     "event_time: t}\n"
#define UNTIMED HEAD "  s: {source: {file: {path: a.jsonl}}, schema: {k: string, v: int64}}\n"

static struct parsed parsed;

static int teardown(void **state)
{
	(void)state;
	parsed_free(&parsed);
	return 0;
}

static void parse(const char *yaml)
{
	static char text[16384];

	parse_with(&parsed, yaml, "", &played_ops);
	if (parsed.rc) {
		show_errors(&parsed, text, sizeof(text));
		print_error("%s\n%s\n", yaml, text);
	}
	assert_int_equal(parsed.rc, 0);
}

/* Plan of one region, NULL: errors, which are in parsed.diags. */
static const struct weir_pipeline *plan_of(uint32_t here, uint32_t regions)
{
	struct weir_regions_env env = {
		.cluster = "c", .region = five, .region_count = regions, .here = here};
	struct weir_pipeline *p = NULL;

	weir_diags_init(&parsed.diags, &parsed.region);
	parsed.rc = weir_regions_plan(parsed.p, &env, &parsed.region, &p, &parsed.diags);
	assert_int_equal(parsed.rc, p ? 0 : WEIR_E_CONFIG);
	assert_true(!p == (parsed.diags.count > 0));
	return p;
}

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

/* ---- what is wrong about the file alone ---- */

static const struct error_case file_cases[] = {
	{"regions of a step",
	 SOURCE "  a: {regions: [], from: s, sink: blackhole}\n"
		"  b: {regions: [EU, 1, all], from: s, sink: blackhole}\n"
		"  c: {regions: {eu: 1}, from: s, sink: blackhole}\n"
		"  d: {regions: [us, us], from: s, sink: blackhole}\n"
		"  e: {regions: a-name-of-16-byt, from: s, sink: blackhole}\n"
		"  f: {regions: all, from: s, sink: blackhole}\n",
	 "4:16: `regions`: the list is empty\n"
	 "5:17: `regions`: `EU` cannot be a region: names have at most 15 small letters, digits and "
	 "`-`, and begin with a letter\n"
	 "5:21: `regions`: `1` cannot be a region: names have at most 15 small letters, digits and "
	 "`-`, and begin with a letter\n"
	 "5:24: `regions`: `all` is no region; all of them are `regions: all`, not in a list\n"
	 "6:16: `regions`: expected a name or a list of names, found a mapping\n"
	 "7:21: `regions`: `us` is listed twice\n"
	 "8:16: `regions`: `a-name-of-16-byt` cannot be a region: names have at most 15 small "
	 "letters, digits and `-`, and begin with a letter\n"},
	{"keys of from",
	 SOURCE "  a: {from: {step: s, regoin: eu}, sink: blackhole}\n"
		"  b: {from: {region: eu}, sink: blackhole}\n"
		"  c: {from: {}, sink: blackhole}\n"
		"  d: {from: {step: [s], region: eu}, sink: blackhole}\n"
		"  e: {from: {step: s, region: eu, regions: all}, sink: blackhole}\n"
		"  f: {from: {step: s, region: all}, sink: blackhole}\n"
		"  g: {from: {step: s, region: [eu]}, sink: blackhole}\n"
		"  h: {from: {step: zebra, region: eu}, sink: blackhole}\n"
		"  i: {from: {step: s.foo, region: eu}, sink: blackhole}\n"
		"  j: {from: [[s]], sink: blackhole}\n"
		"  k: {from: , sink: blackhole}\n",
	 "4:23: unknown key `regoin` in `from`; did you mean `region`?\n"
	 "5:13: `from` needs `step`\n"
	 "6:13: `from`: the mapping is empty\n"
	 "7:20: `step`: expected a text, found a list\n"
	 "8:44: `from`: `region` is for one, `regions` for several; leave one of them out\n"
	 "9:31: `region`: `all` is no region; all of them are `regions: all`, not in a list\n"
	 "10:31: `region`: expected a text, found a list\n"
	 "11:20: `from`: there is no step `zebra`; known are s, a, b, c, d, e, f, g, h, i, j, k\n"
	 "12:20: step `s` has no output `foo`; its outputs are: s\n"
	 "13:14: `from`: expected a text, found a list\n"
	 "14:13: `from`: expected a name, a mapping or a list of these, found nothing\n"},
	{"spread",
	 SOURCE "  a: {from: {step: s, spread: keys}, key_by: k}\n"
		"  b: {from: {step: s, regions: all, spread: keys}, filter: v > 1}\n"
		"  c: {from: {step: s, regions: all, spread: hash}, key_by: k}\n"
		"  o: {from: [a, b, c], sink: blackhole}\n",
	 "4:31: `spread` goes with `region` or `regions`: input from the same region is not spread\n"
	 "5:45: `spread: keys` needs `key_by` in step `b`: the key says which region a record "
	 "belongs to\n"
	 "6:45: `spread`: unknown value `hash`; known are copy, keys\n"},
	{"twice and alone",
	 SOURCE "  a: {from: [s, {step: s}], sink: blackhole}\n"
		"  b: {from: {step: s, region: eu}, union: true}\n"
		"  c: {from: {step: s, regions: [eu]}, union: true}\n"
		"  o: {from: [b, c], sink: blackhole}\n"
		"  x: {from: {step: x, region: eu}, filter: true}\n"
		"  p: {from: x, sink: blackhole}\n",
	 "4:24: `from`: `s` is listed twice\n"
	 "5:20: union `b` needs at least two inputs\n"
	 "6:20: union `c` needs at least two inputs\n"
	 "8:20: step `x` reads itself\n"},
};

static void test_regions_errors_of_the_file(void **state)
{
	(void)state;
	expect_all(file_cases, WEIR_COUNT_OF(file_cases));
}

/* ---- what is wrong with a cluster of eu, us, ap, sa, af ---- */

static const struct error_case plan_cases[] = {
	{"no such region",
	 SOURCE "  a: {regions: [eu, uss], from: s, sink: blackhole}\n"
		"  b: {regions: zebra, from: s, sink: blackhole}\n",
	 "4:21: cluster `c` has no region `uss`; did you mean `us`?\n"
	 "5:16: cluster `c` has no region `zebra`; its regions are eu, us, ap, sa, af\n"},
	{"no such region to read from",
	 SOURCE "  a: {from: [{step: s, region: zebra}, {step: s, regions: [eu, mars]}], sink: "
		"blackhole}\n",
	 "4:32: cluster `c` has no region `zebra`; its regions are eu, us, ap, sa, af\n"
	 "4:64: cluster `c` has no region `mars`; its regions are eu, us, ap, sa, af\n"},
	{"does not run there",
	 SOURCE "  x: {regions: [eu, us], from: s, filter: v > 1}\n"
		"  a: {regions: [us, ap], from: x, sink: blackhole}\n"
		"  b: {from: [x], sink: blackhole}\n"
		"  c: {from: {step: x, region: ap}, sink: blackhole}\n"
		"  d: {from: {step: x, regions: [sa, eu, af]}, sink: blackhole}\n",
	 "5:32: `from`: `x` does not run in region ap, where `a` runs; say `regions: [eu, us]` "
	 "there, or read from other regions with {step: x, regions: all}\n"
	 "6:14: `from`: `x` does not run in regions ap, sa, af, where `b` runs; say "
	 "`regions: [eu, us]` there, or read from other regions with {step: x, regions: all}\n"
	 "7:31: `from`: `x` does not run in region ap; it runs in eu, us\n"
	 "8:33: `from`: `x` does not run in region sa; it runs in eu, us\n"
	 "8:41: `from`: `x` does not run in region af; it runs in eu, us\n"},
	{"read twice",
	 SOURCE
	 "  a: {from: [s, {step: s, regions: all}], sink: blackhole}\n"
	 "  b: {regions: us, from: [s, {step: s, region: eu}, {step: s, regions: [ap, eu]}], "
	 "sink: blackhole}\n"
	 "  c: {regions: us, from: [s, {step: s, region: us}], sink: blackhole}\n"
	 "  d: {regions: us, from: [s, {step: s, region: eu}], sink: blackhole}\n"
	 "  e: {from: [{step: s, regions: all, spread: keys}, {step: s, regions: all}], "
	 "key_by: k}\n"
	 "  f: {from: e, sink: blackhole}\n",
	 "4:24: `from`: `s` of regions eu, us, ap, sa, af is read twice\n"
	 "5:60: `from`: `s` of region eu is read twice\n"
	 "6:37: `from`: `s` of region us is read twice\n"
	 "8:60: `from`: `s` of regions eu, us, ap, sa, af is read twice\n"},
	{"keys of one region",
	 SOURCE "  a: {regions: us, from: {step: s, regions: all, spread: keys}, key_by: k}\n"
		"  b: {regions: us, from: a, sink: blackhole}\n",
	 "4:33: `spread: keys` is for steps that run in several regions, and `a` runs in us only\n"},
	{"nobody reads",
	 SOURCE "  x: {from: s, filter: v > 1}\n"
		"  a: {regions: [eu, us], from: x, sink: blackhole}\n",
	 "4:3: nobody reads `x` in regions ap, sa, af: say `regions: [eu, us]`, or add a step that "
	 "reads it there\n"},
	{"nobody reads an output",
	 HEAD
	 "  s: {source: {file: {path: a.jsonl}}, schema: {v: int64}, on_error: route}\n"
	 "  n: {from: s, split: {big: v > 10, small: v < 5}}\n"
	 "  a: {from: n.small, sink: blackhole}\n"
	 "  b: {regions: [eu, us, sa, af], from: n.big, sink: blackhole}\n"
	 "  c: {regions: eu, from: {step: s.rejects, regions: [eu, us, ap]}, sink: blackhole}\n",
	 "3:3: nobody reads `s.rejects` in regions sa, af: add a step that reads it there\n"
	 "4:3: nobody reads `n.big` in region ap: add a step that reads it there\n"},
	{"no guarantee",
	 "guarantee: none\n" SOURCE
	 "  a: {regions: us, from: {step: s, regions: all}, sink: blackhole}\n"
	 "  b: {regions: us, from: {step: s, region: eu}, sink: blackhole}\n",
	 "5:33: input from another region needs epochs: `guarantee: none` keeps nothing that could "
	 "be sent again; leave it out, or say at_least_once\n"},
	{"records too large",
	 "record_max: 4MiB\nring_size: 16MiB\n" SOURCE
	 "  a: {from: {step: s, regions: all}, sink: blackhole}\n",
	 "6:20: input from another region has records of at most 4194216 bytes: lower "
	 "`record_max`\n"},
	{"name of a run",
	 "pipeline: a-name-of-sixty-two-bytes-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\nsteps:\n"
	 "  s: {source: nexmark}\n"
	 "  a: {from: s.bid, sink: blackhole}\n",
	 "1:11: `pipeline`: `a-name-of-sixty-two-bytes-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx@eu`, the "
	 "name of a run in a region, has 65 bytes; at most 63 are allowed\n"},
	{"names of ends",
	 HEAD
	 "  a-step-with-a-name-of-sixty-one-bytes-xxxxxxxxxxxxxxxxxxxxxxx: {source: {file: {path: a.csv}}, "
	 "schema: {v: int64}}\n"
	 "  a: {regions: us, from: {step: "
	 "a-step-with-a-name-of-sixty-one-bytes-xxxxxxxxxxxxxxxxxxxxxxx, regions: all}, sink: "
	 "blackhole}\n",
	 "3:3: `a-step-with-a-name-of-sixty-one-bytes-xxxxxxxxxxxxxxxxxxxxxxx>us`, the name of an end "
	 "of an edge, has 64 bytes; at most 63 are allowed: give the step a shorter name\n"},
};

static void test_regions_errors_of_the_plan(void **state)
{
	static char text[65536];

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(plan_cases); i++) {
		const struct error_case *c = &plan_cases[i];

		parse(c->yaml);
		plan_of(0, REGIONS);
		show_errors(&parsed, text, sizeof(text));
		if (strcmp(text, c->errors))
			print_error("case `%s`:\n%s\nexpected:\n%s\ngot:\n%s\n", c->name, c->yaml,
				    c->errors, text);
		assert_string_equal(text, c->errors);
		assert_int_equal(parsed.rc, WEIR_E_CONFIG);
		parsed_free(&parsed);
	}
	parse(SOURCE "  a: {from: s, sink: blackhole}\n");
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

static void test_regions_limits(void **state)
{
	static char yaml[65536], text[65536];
	struct weir_buf b = weir_buf_of(yaml, sizeof(yaml) - 1);

	(void)state;
	/* 13 sources in 5 regions are 65 inputs. */
	weir_buf_lit(&b, HEAD);
	for (int i = 0; i < 13; i++)
		weir_buf_printf(&b, "  s%d: {source: {file: {path: a.csv}}, schema: {v: int64}}\n",
				i);
	weir_buf_lit(&b, "  o: {regions: us, sink: blackhole, from: [");
	for (int i = 0; i < 13; i++)
		weir_buf_printf(&b, "%s{step: s%d, regions: all}", i ? ", " : "", i);
	weir_buf_lit(&b, "]}\n");
	yaml[b.len] = 0;
	parse(yaml);
	assert_non_null(plan_of(0, REGIONS));
	assert_null(plan_of(1, REGIONS));
	show_errors(&parsed, text, sizeof(text));
	assert_non_null(strstr(text, "`from`: with those of other regions `o` has more than "
				     "64 inputs in region us\n"));
	assert_int_equal(parsed.diags.count, 1);
	parsed_free(&parsed);
	/* 60 steps that four others take are 300. */
	b.len = 0;
	weir_buf_lit(&b, HEAD);
	for (int i = 0; i < 60; i++)
		weir_buf_printf(&b,
				"  s%d: {source: {file: {path: a.csv}}, schema: {v: int64}}\n"
				"  o%d: {sink: blackhole, from: {step: s%d, region: eu}}\n"
				"  p%d: {sink: blackhole, from: s%d}\n",
				i, i, i, i, i);
	yaml[b.len] = 0;
	parse(yaml);
	assert_non_null(plan_of(1, REGIONS));
	assert_null(plan_of(0, REGIONS));
	assert_int_equal(parsed.diags.count, 1);
	assert_string_equal(parsed.diags.diag[0].text,
			    "with the ends of its edges region eu has more than 256 steps");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_teardown(test_regions_not_used, teardown),
	cmocka_unit_test_teardown(test_regions_all_to_one, teardown),
	cmocka_unit_test_teardown(test_regions_nothing_in_a_region, teardown),
	cmocka_unit_test_teardown(test_regions_everywhere_from_everywhere, teardown),
	cmocka_unit_test_teardown(test_regions_some_and_unions, teardown),
	cmocka_unit_test_teardown(test_regions_readers_share_edges, teardown),
	cmocka_unit_test_teardown(test_regions_other_outputs, teardown),
	cmocka_unit_test_teardown(test_regions_keys, teardown),
	cmocka_unit_test_teardown(test_regions_keys_and_copies, teardown),
	cmocka_unit_test_teardown(test_regions_are_deterministic, teardown),
	cmocka_unit_test(test_regions_errors_of_the_file),
	cmocka_unit_test_teardown(test_regions_errors_of_the_plan, teardown),
	cmocka_unit_test_teardown(test_regions_without_edges_need_no_guarantee, teardown),
	cmocka_unit_test_teardown(test_regions_limits, teardown),
};

WEIR_TEST_MAIN("regions", tests)
