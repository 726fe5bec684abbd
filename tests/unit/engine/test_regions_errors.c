/* SPDX-License-Identifier: Apache-2.0 */
/* Pipelines for regions that are wrong, and word for word what is said about them; limits. */
#include "tests/unit/engine/regions_case.h"

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
	cmocka_unit_test(test_regions_errors_of_the_file),
	cmocka_unit_test_teardown(test_regions_errors_of_the_plan, teardown),
	cmocka_unit_test_teardown(test_regions_limits, teardown),
};

WEIR_TEST_MAIN("regions_errors", tests)
