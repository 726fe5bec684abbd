/* SPDX-License-Identifier: Apache-2.0 */
/* `scope: global` in a file: what is wrong, the steps it becomes, whose records are in it. */
#include "engine/core/global.h"
#include "engine/core/tasks.h"
#include "tests/unit/engine/regions_case.h"

#define A "  a: {from: s, key_by: k, window: {tumbling: 1m}, scope: global, aggregate: {n: count()}"
#define O "  o: {from: a, sink: blackhole}\n"

static const struct error_case cases[] = {
	{"scope",
	 SOURCE
	 "  a: {from: s, key_by: k, window: {tumbling: 1m}, scope: world, aggregate: {n: count()}}\n"
	 "  b: {from: s, key_by: k, window: {tumbling: 1m}, provisional: 1s, aggregate: {n: "
	 "count()}}\n"
	 "  c: {from: s, window: {tumbling: 1m}, scope: global, top: {by: v}}\n"
	 "  o: {from: [a, b], sink: blackhole}\n"
	 "  p: {from: c, sink: blackhole}\n",
	 "4:58: `scope`: unknown value `world`; known are region, global\n"
	 "5:64: `provisional` goes with `scope: global`: results of one region are given when its "
	 "window closes\n"
	 "6:40: `scope` does not belong to a top step; it goes with aggregate\n"},
	{"provisional",
	 SOURCE A
	 ", provisional: 1ms}\n"
	 "  b: {from: s, window: {session: 1m}, scope: global, aggregate: {n: count()}}\n" O
	 "  p: {from: b, sink: blackhole}\n",
	 "4:104: `provisional`: 1ms is out of range; allowed are 10ms to 24h0m0s\n"
	 "5:46: `scope`: session windows cannot be global: where a session ends would be known only "
	 "with the records of all regions; use a tumbling or a sliding window\n"},
	{"without epochs",
	 "pipeline: p\nguarantee: none\nsteps:\n"
	 "  s: {source: {file: {path: a.jsonl}}, schema: {t: timestamp, k: string, v: int64}, "
	 "event_time: t}\n" A "}\n" O,
	 "5:58: `scope: global` needs epochs, which `guarantee: none` has not; leave it out, or say "
	 "at_least_once\n"},
	{"names that are taken",
	 HEAD
	 "  s: {source: {file: {path: a.jsonl}}, schema: {t: timestamp, missing: string}, "
	 "event_time: t}\n"
	 "  a: {from: s, key_by: missing, window: {tumbling: 1m}, scope: global, aggregate: {n: "
	 "count(), final: count()}}\n" O,
	 "4:24: `missing`: a global result has a field of this name, which says how complete it is; "
	 "choose another one\n"
	 "4:96: `final`: a global result has a field of this name, which says how complete it is; "
	 "choose another one\n"},
	{"input",
	 SOURCE A
	 "}\n"
	 "  b: {from: a, filter: final}\n"
	 "  c: {from: b, window: {tumbling: 1h}, scope: global, aggregate: {n: sum(n)}}\n"
	 "  d: {from: {step: s, regions: all}, window: {tumbling: 1h}, scope: global, aggregate: {n: "
	 "count()}}\n"
	 "  o: {from: c, sink: blackhole}\n"
	 "  p: {from: d, sink: blackhole}\n",
	 "6:13: `from`: `b` has the results of all regions in each region, and `scope: global` would "
	 "count them once for each; leave `scope` out\n"
	 "7:20: `from`: with `scope: global` each region takes its own `s`, and the results are put "
	 "together; say `from: s`\n"},
	{"results from several regions",
	 SOURCE A "}\n"
		  "  x: {from: a, filter: final}\n"
		  "  b: {from: {step: x, regions: [eu, us]}, sink: blackhole}\n"
		  "  c: {from: {step: a, region: eu}, sink: blackhole}\n"
		  "  d: {from: {step: a, regions: all}, sink: blackhole}\n"
		  "  e: {regions: eu, from: a, filter: final}\n"
		  "  f: {from: {step: e, regions: all}, sink: blackhole}\n",
	 "6:20: `from`: `x` has the results of all regions in each region; read it there with `from: "
	 "x`, or from one of them with {step: x, region: NAME}\n"
	 "8:20: `from`: `a` has the results of all regions in each region; read it there with `from: "
	 "a`, or from one of them with {step: a, region: NAME}\n"},
	{"a long name",
	 SOURCE "  a23456789012345678901234567890123456789012345678901234567890: {from: s, window: "
		"{tumbling: 1m}, scope: global, aggregate: {n: count()}}\n"
		"  o: {from: a23456789012345678901234567890123456789012345678901234567890, sink: "
		"blackhole}\n",
	 "4:3: `a23456789012345678901234567890123456789012345678901234567890+part`, a step of the global "
	 "aggregate, has a name of 65 bytes; at most 63 are allowed: give the step a shorter name\n"
	 "4:3: `a23456789012345678901234567890123456789012345678901234567890+mark`, a step of the global "
	 "aggregate, has a name of 65 bytes; at most 63 are allowed: give the step a shorter name\n"},
};

static void test_global_plan_errors(void **state)
{
	(void)state;
	expect_all(cases, WEIR_COUNT_OF(cases));
}

/* "s:source a+part:aggregate<s ..." */
static void expect_steps(const struct weir_pipeline *p, const char *expected)
{
	static char text[4096];
	struct weir_buf b = weir_buf_of(text, sizeof(text) - 1);
	uint32_t inputs = 0, uses = 0;

	for (uint32_t i = 0; i < p->step_count; i++) {
		const struct weir_step *s = &p->step[i];

		weir_buf_printf(&b, "%s%s:%s", i ? " " : "", s->name, weir_step_kind_name(s->kind));
		for (uint32_t k = 0; k < s->input_count; k++) {
			const struct weir_step *from = &p->step[s->input[k].step];
			const char *port = from->port[s->input[k].port].name;

			assert_true(s->input[k].step < i);
			weir_buf_printf(&b, "%s%s%s%s", k ? "," : "<", from->name, *port ? "." : "",
					port);
		}
		inputs += s->input_count;
		for (uint32_t k = 0; k < s->port_count; k++)
			uses += s->port[k].uses;
	}
	text[b.len] = 0;
	assert_string_equal(text, expected);
	assert_int_equal(inputs, uses);
}

static void test_global_plan_three_steps(void **state)
{
	const struct weir_step *s;
	struct weir_tasks tasks;
	struct weir_err err;

	(void)state;
	parse(SOURCE
	      "  a: {from: s, key_by: k, window: {tumbling: 1m}, scope: global, provisional: off, "
	      "on_error: route, aggregate: {n: sum(v)}}\n"
	      "  l: {from: a.late, sink: blackhole}\n"
	      "  r: {from: a.rejects, sink: blackhole}\n" O);
	expect_steps(
		parsed.p,
		"s:source a+part:aggregate<s a+mark:mark<a+part a:merge<a+mark l:sink<a+part.late "
		"r:sink<a.rejects,a+part.rejects o:sink<a");
	assert_false(weir_regions_used(parsed.p));
	assert_int_equal(weir_tasks_plan(parsed.p, 4, &parsed.region, &tasks, &err), 0);
	assert_int_equal(tasks.step_parallelism[1], 4);
	assert_int_equal(tasks.step_parallelism[2], 1);
	assert_int_equal(tasks.step_parallelism[3], 1);
	s = &parsed.p->step[3];
	assert_int_equal(s->aggregate.global->provisional_ns, 0);
	assert_int_equal(s->aggregate.global->member_count, 1);
	assert_string_equal(s->aggregate.global->member[0], "local");
	assert_int_equal(s->port[0].schema->field_count, 3 + 1 + 4);
	assert_ptr_equal(parsed.p->step[1].port[0].schema, weir_global_schema());
	assert_ptr_equal(parsed.p->step[2].port[0].schema, weir_global_schema());
}

static void test_global_plan_defaults(void **state)
{
	(void)state;
	parse(SOURCE A "}\n" O);
	assert_int_equal(parsed.p->step[3].aggregate.global->provisional_ns,
			 5 * (int64_t)WEIR_NS_PER_S);
	parsed_free(&parsed);
	parse(SOURCE
	      "  a: {from: s, key_by: k, window: {tumbling: 1m}, scope: region, aggregate: {n: "
	      "count()}}\n" O);
	expect_steps(parsed.p, "s:source a:aggregate<s o:sink<a");
}

static void test_global_plan_regions(void **state)
{
	const struct weir_global_spec *g;
	const struct weir_pipeline *p;

	(void)state;
	/* Counted in us and ap, merged in eu and ap. */
	parse(HEAD
	      "  s: {regions: [ap, us], source: {file: {path: a.jsonl}}, schema: {t: timestamp, k: "
	      "string, v: int64}, event_time: t}\n" A ", regions: [eu, ap]}\n"
	      "  o: {regions: [eu, ap], from: a, sink: blackhole}\n");
	p = plan_of(0, 3);
	assert_non_null(p);
	expect_steps(p, "a+mark@us:source a+mark@ap:source a:merge<a+mark@us,a+mark@ap o:sink<a");
	g = p->step[2].aggregate.global;
	assert_int_equal(g->member_count, 2);
	assert_string_equal(g->member[0], "us");
	assert_string_equal(g->member[1], "ap");
	assert_string_equal(g->here, "eu");
	p = plan_of(1, 3);
	assert_non_null(p);
	expect_steps(p, "s:source a+part:aggregate<s a+mark:mark<a+part a+mark>eu:sink<a+mark "
			"a+mark>ap:sink<a+mark");
	assert_string_equal(p->step[2].aggregate.global->here, "us");
	p = plan_of(2, 3);
	assert_non_null(p);
	expect_steps(p, "s:source a+part:aggregate<s a+mark:mark<a+part a+mark>eu:sink<a+mark "
			"a+mark@us:source a:merge<a+mark@us,a+mark o:sink<a");
}

static void test_global_plan_limits(void **state)
{
	static char text[65536];
	struct weir_buf b = weir_buf_of(text, sizeof(text) - 1);
	struct parsed r;
	char errors[300];

	(void)state;
	weir_buf_lit(&b, SOURCE A "}\n" O);
	for (int i = 0; i < 252; i++)
		weir_buf_printf(&b, "  f%d: {from: s, sink: blackhole}\n", i);
	text[b.len] = 0;
	parse_with(&r, text, "", &played_ops);
	show_errors(&r, errors, sizeof(errors));
	assert_string_equal(
		errors, "1:11: with those of global aggregates there are more than 256 steps\n");
	parsed_free(&r);

	/* 64 inputs, one of which is two. */
	b.len = 0;
	weir_buf_lit(
		&b, SOURCE
		"  a: {from: s, key_by: k, window: {tumbling: 1m}, scope: global, on_error: route, "
		"aggregate: {n: sum(v)}}\n" O);
	for (int i = 0; i < 63; i++)
		weir_buf_printf(
			&b,
			"  f%d: {from: s, set: {k: k}, on_error: route}\n  g%d: {from: f%d, sink: "
			"blackhole}\n",
			i, i, i);
	weir_buf_lit(&b, "  x: {from: [a.rejects");
	for (int i = 0; i < 63; i++)
		weir_buf_printf(&b, ", f%d.rejects", i);
	weir_buf_lit(&b, "], sink: blackhole}\n");
	text[b.len] = 0;
	parse_with(&r, text, "", &played_ops);
	show_errors(&r, errors, sizeof(errors));
	assert_non_null(strstr(errors, "`from`: more than 64 inputs\n"));
	parsed_free(&r);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_global_plan_errors),
	cmocka_unit_test_teardown(test_global_plan_three_steps, teardown),
	cmocka_unit_test_teardown(test_global_plan_defaults, teardown),
	cmocka_unit_test_teardown(test_global_plan_regions, teardown),
	cmocka_unit_test(test_global_plan_limits),
};

WEIR_TEST_MAIN("engine/global_plan", tests)
