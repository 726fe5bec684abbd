/* SPDX-License-Identifier: Apache-2.0 */
/* Wrong pipeline files, and word for word what is said about them: graph, fields, windows, aggregates. */
#include "tests/unit/engine/pipeline_case.h"

#define HEAD "pipeline: p\nsteps:\n"
/* Three lines: what is tested begins in the fourth. */
#define SOURCE                                                                                     \
	HEAD "  s: {source: {file: {path: a.jsonl}}, schema: {t: timestamp, k: string, v: int64, " \
	     "f: float64, l: list<string>}, event_time: t}\n"
#define OUT "  o: {from: x, sink: blackhole}\n"

static const struct error_case graph_cases[] = {
	{"unknown step",
	 SOURCE "  x: {from: s, filter: v > 1}\n"
		"  o: {from: xx, sink: blackhole}\n",
	 "5:13: `from`: there is no step `xx`; did you mean `x`?\n"},
	{"unknown step, nothing near",
	 SOURCE "  o: {from: zebra, sink: blackhole}\n"
		"  q: {from: s, sink: blackhole}\n",
	 "4:13: `from`: there is no step `zebra`; known are s, o, q\n"},
	{"unknown output", SOURCE "  o: {from: s.foo, sink: blackhole}\n",
	 "4:13: step `s` has no output `foo`; its outputs are: s\n"},
	{"empty output", SOURCE "  o: {from: s., sink: blackhole}\n",
	 "4:13: `from`: the name of an output is missing behind `s.`\n"},
	{"several outputs",
	 HEAD "  s: {source: nexmark}\n"
	      "  o: {from: s, sink: blackhole}\n",
	 "4:13: `s` has several outputs; choose one of: s.person, s.auction, s.bid\n"},
	{"rejects without route",
	 SOURCE "  o: {from: [s.rejects], sink: blackhole}\n"
		"  q: {from: s, sink: blackhole}\n",
	 "4:14: `s.rejects` is there only when step `s` says `on_error: route`\n"},
	{"late of a filter",
	 SOURCE "  x: {from: s, filter: v > 1}\n"
		"  o: {from: x.late, sink: blackhole}\n",
	 "5:13: step `x` has no output `late`; its outputs are: x\n"},
	{"from a sink",
	 SOURCE "  o: {from: s, sink: blackhole}\n"
		"  q: {from: o, sink: blackhole}\n",
	 "5:13: `from`: `o` is a sink, which has no output\n"},
	{"itself", SOURCE "  x: {from: [s, x], filter: v > 1}\n" OUT,
	 "4:17: step `x` reads itself\n"},
	{"cycle",
	 SOURCE "  a: {from: [s, c], filter: v > 1}\n"
		"  b: {from: a, filter: v > 1}\n"
		"  c: {from: b, filter: v > 1}\n"
		"  d: {from: c, filter: v > 1}\n"
		"  o: {from: d, sink: blackhole}\n",
	 "4:14: the steps form a cycle: a -> b -> c -> a; records would run around forever\n"},
	{"two cycles",
	 SOURCE "  a: {from: b, filter: v > 1}\n"
		"  b: {from: a, filter: v > 1}\n"
		"  c: {from: d, filter: v > 1}\n"
		"  d: {from: c, filter: v > 1}\n"
		"  o: {from: [s, b, d], sink: blackhole}\n",
	 "4:13: the steps form a cycle: a -> b -> a; records would run around forever\n"
	 "6:13: the steps form a cycle: c -> d -> c; records would run around forever\n"},
	{"listed twice", SOURCE "  o: {from: [s, s], sink: blackhole}\n",
	 "4:17: `from`: `s` is listed twice\n"},
	{"from is a mapping",
	 SOURCE "  o: {from: {s: x}, sink: blackhole}\n"
		"  q: {from: s, sink: blackhole}\n",
	 "4:13: `from` needs `step`\n"
	 "4:14: unknown key `s` in `from`; known are step, region, regions, spread\n"},
	{"from is empty",
	 SOURCE "  o: {from: [], sink: blackhole}\n"
		"  q: {from: s, sink: blackhole}\n",
	 "4:13: `from`: the list is empty\n"},
	{"nobody reads",
	 SOURCE "  x: {from: s, filter: v > 1}\n"
		"  y: {from: s, split: {a: v > 1, b: v > 2}}\n"
		"  o: {from: y.a, sink: blackhole}\n",
	 "4:3: nobody reads `x`: add a sink, or drop the step\n"
	 "5:3: nobody reads `y.b`: add a sink, or drop the output\n"},
	{"union of one", SOURCE "  x: {from: s, union: true}\n" OUT,
	 "4:13: union `x` needs at least two inputs\n"},
	{"union false", SOURCE "  x: {from: [s], union: false}\n" OUT,
	 "4:14: union `x` needs at least two inputs\n"
	 "4:25: `union`: only true makes sense here\n"},
	{"schemas differ in names",
	 SOURCE "  a: {from: s, select: [k, v]}\n"
		"  b: {from: s, select: [v, k]}\n"
		"  o: {from: [a, b], sink: blackhole}\n",
	 "6:17: the inputs of `o` must have the same fields: field 1 is `k` in `a` and `v` in "
	 "`b`\n"},
	{"schemas differ in types",
	 SOURCE "  a: {from: s, map: {k: k}}\n"
		"  b: {from: s, map: {k: v}}\n"
		"  o: {from: [a, b], sink: blackhole}\n",
	 "6:17: the inputs of `o` must have the same fields: field `k` is string in `a` and int64 "
	 "in `b`\n"},
	{"schemas differ in size",
	 SOURCE "  a: {from: s, select: [k]}\n"
		"  b: {from: s, select: [k, v]}\n"
		"  u: {from: [a, b], union: true}\n"
		"  o: {from: u, sink: blackhole}\n",
	 "6:17: the inputs of `u` must have the same fields: `a` has 1 field, `b` has 2\n"},
};

static void test_pipeline_errors_graph(void **state)
{
	(void)state;
	expect_all(graph_cases, WEIR_COUNT_OF(graph_cases));
}

static const struct error_case fields_and_expressions_cases[] = {
	{"filter is not a condition", SOURCE "  x: {from: s, filter: v}\n" OUT,
	 "4:24: `filter`: expected a condition (bool), but this is int64\n"},
	{"filter is a mapping", SOURCE "  x: {from: s, filter: {v: 1}}\n" OUT,
	 "4:24: `filter`: expected an expression, found a mapping\n"},
	{"filter is empty", SOURCE "  x: {from: s, filter: }\n" OUT,
	 "4:24: `filter`: expected an expression, found nothing\n"},
	{"unknown field", SOURCE "  x: {from: s, filter: vv > 1}\n" OUT,
	 "4:24: no field 'vv', did you mean 'v'?\n"},
	{"unknown field in quotes", SOURCE "  x: {from: s, filter: 'é' , on_error: skip}\n" OUT,
	 "4:25: byte 0xc3 has no meaning here (a name with such letters is written in "
	 "backticks)\n"},
	{"syntax", SOURCE "  x: {from: s, filter: \"v > (1\"}\n" OUT,
	 "4:31: the expression ends, ')' expected\n"},
	{"select", SOURCE "  x: {from: s, select: [k, vv]}\n" OUT,
	 "4:28: `select`: there is no field `vv`; did you mean `v`?\n"},
	{"select twice", SOURCE "  x: {from: s, select: [k, k]}\n" OUT,
	 "4:28: `select`: `k` is listed twice\n"},
	{"drop all", SOURCE "  x: {from: s, drop: [t, k, v, f, l]}\n" OUT,
	 "4:22: `drop`: no field would be left\n"},
	{"drop unknown", SOURCE "  x: {from: s, drop: [kk]}\n" OUT,
	 "4:23: `drop`: there is no field `kk`; did you mean `k`?\n"},
	{"map names", SOURCE "  x: {from: s, map: {' a': v, b: vv, c: null, d: 'null'}}\n" OUT,
	 "4:22: a field name needs at least one character, no control characters or backquotes in "
	 "it, and no spaces around it\n"
	 "4:34: no field 'vv', did you mean 'v'?\n"
	 "4:41: `c`: expected an expression, found nothing\n"
	 "4:51: null alone has no type\n"},
	{"map is a list", SOURCE "  x: {from: s, map: [v]}\n" OUT,
	 "4:21: `map`: expected a mapping, found a list\n"},
	{"map is empty", SOURCE "  x: {from: s, map: {}}\n" OUT,
	 "4:21: `map`: the mapping is empty\n"},
	{"map cut", SOURCE "  x: {from: s, map: {a: coalesce(v, 1), b: v}}\n" OUT,
	 "4:25: `coalesce(v`: a `(` is not closed; inside { } a comma ends a text, so put it in "
	 "quotes\n"},
	{"flat_map of no list", SOURCE "  x: {from: s, flat_map: k}\n" OUT,
	 "4:26: `flat_map`: field `k` is string; it must be a list\n"},
	{"flat_map unknown", SOURCE "  x: {from: s, flat_map: ll}\n" OUT,
	 "4:26: `flat_map`: there is no field `ll`; did you mean `l`?\n"},
	{"flat_map as", SOURCE "  x: {from: s, flat_map: {field: l, as: k}}\n" OUT,
	 "4:41: `as`: there is a field `k` already\n"},
	{"flat_map without field", SOURCE "  x: {from: s, flat_map: {as: k}}\n" OUT,
	 "4:26: `flat_map` needs `field`\n"},
	{"flat_map list", SOURCE "  x: {from: s, flat_map: [l]}\n" OUT,
	 "4:26: `flat_map`: expected a text, found a list\n"},
	{"split", SOURCE "  x: {from: s, split: {a: v > 1, rest: v > 2, 'b c': v > 3}}\n" OUT,
	 "4:34: `split`: the output name `rest` is taken; `rest` gets all other records\n"
	 "4:47: the output name `b c` may only have letters, digits, `_` and `-`, and begin with a "
	 "letter or `_`\n"},
	{"split condition",
	 SOURCE "  x: {from: s, split: {a: v, b: v > 1}}\n"
		"  o: {from: [x.a, x.b], sink: blackhole}\n",
	 "4:27: `a`: expected a condition (bool), but this is int64\n"},
	{"key_by unknown", SOURCE "  x: {from: s, key_by: [kk]}\n" OUT,
	 "4:25: `key_by`: there is no field `kk`; did you mean `k`?\n"},
	{"key_by list field", SOURCE "  x: {from: s, key_by: [l]}\n" OUT,
	 "4:25: `key_by`: field `l` is a list, which cannot be a key\n"},
	{"key_by empty", SOURCE "  x: {from: s, key_by: []}\n" OUT,
	 "4:24: `key_by`: the list is empty\n"},
	{"key_by mapping", SOURCE "  x: {from: s, key_by: {k: v}}\n" OUT,
	 "4:24: `key_by`: expected a name or a list of names, found a mapping\n"},
	{"key_by too many",
	 SOURCE "  x: {from: s, key_by: [a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q]}\n" OUT,
	 "4:24: `key_by`: more than 16 fields\n"},
};

static void test_pipeline_errors_fields_and_expressions(void **state)
{
	(void)state;
	expect_all(fields_and_expressions_cases, WEIR_COUNT_OF(fields_and_expressions_cases));
}

static const struct error_case windows_cases[] = {
	{"no kind", SOURCE "  x: {from: s, window: {lateness: 1s}, aggregate: {n: count()}}\n" OUT,
	 "4:24: `window` needs one of {tumbling: 1h}, {sliding: 1h, every: 5m}, {session: 30m}\n"},
	{"two kinds",
	 SOURCE
	 "  x: {from: s, window: {tumbling: 1s, session: 1s}, aggregate: {n: count()}}\n" OUT,
	 "4:24: `window`: only one of tumbling, sliding and session can be used\n"},
	{"sliding without every",
	 SOURCE "  x: {from: s, window: {sliding: 1s}, aggregate: {n: count()}}\n" OUT,
	 "4:24: `window`: a sliding window needs `every`: how often a new one begins\n"},
	{"every without sliding",
	 SOURCE "  x: {from: s, window: {tumbling: 1s, every: 1s}, aggregate: {n: count()}}\n" OUT,
	 "4:39: `every` goes with a sliding window only: {sliding: 1h, every: 5m}\n"},
	{"offset of a session",
	 SOURCE "  x: {from: s, window: {session: 1s, offset: 1s}, aggregate: {n: count()}}\n" OUT,
	 "4:38: `offset` does not go with a session window, which is not aligned\n"},
	{"offset too long",
	 SOURCE "  x: {from: s, window: {sliding: 1h, every: 1m, offset: 1m}, aggregate: {n: "
		"count()}}\n" OUT,
	 "4:49: `offset` must be shorter than `every`, the step from window to window\n"},
	{"too many windows",
	 SOURCE "  x: {from: s, window: {sliding: 1d, every: 1s}, aggregate: {n: count()}}\n" OUT,
	 "4:38: `every`: each record would be in more than 10000 windows; use a longer `every`\n"},
	{"misspelt", SOURCE "  x: {from: s, window: {tumblin: 1s}, aggregate: {n: count()}}\n" OUT,
	 "4:25: unknown key `tumblin` in a window; did you mean `tumbling`?\n"},
	{"a text", SOURCE "  x: {from: s, window: 1m, aggregate: {n: count()}}\n" OUT,
	 "4:24: `window`: expected a mapping, found a text\n"},
	{"no event time",
	 HEAD "  s: {source: {file: {path: a.csv}}, schema: {v: int64}}\n"
	      "  f: {from: s, filter: v > 1}\n"
	      "  x: {from: f, window: {tumbling: 1s}, aggregate: {n: count()}}\n"
	      "  y: {from: x, window: {tumbling: 1s}, top: {by: n}}\n"
	      "  o: {from: y, sink: blackhole}\n",
	 "5:3: the window of `x` needs event times: add `event_time: FIELD` to source `s`\n"},
	{"rejects have no event time",
	 SOURCE "  f: {from: s, filter: v > 1, on_error: route}\n"
		"  x: {from: f.rejects, window: {tumbling: 1s}, aggregate: {n: count()}}\n"
		"  o: {from: x, sink: blackhole}\n"
		"  q: {from: f, sink: blackhole}\n",
	 "5:3: the window of `x` needs event times: `f.rejects` has none\n"},
};

static void test_pipeline_errors_windows(void **state)
{
	(void)state;
	expect_all(windows_cases, WEIR_COUNT_OF(windows_cases));
}

static const struct error_case aggregates_cases[] = {
	{"unknown function",
	 SOURCE "  x: {from: s, window: {tumbling: 1s}, aggregate: {n: cuont()}}\n" OUT,
	 "4:55: unknown aggregate function `cuont`; did you mean `count`?\n"},
	{"number of arguments",
	 SOURCE "  x: {from: s, window: {tumbling: 1s}, aggregate: {a: \"sum(v, f)\", b: sum(), c: "
		"arg_min(v), d: \"count(v, v)\"}}\n" OUT,
	 "4:56: sum has 2 arguments; write sum(x)\n"
	 "4:71: sum has 0 arguments; write sum(x)\n"
	 "4:81: arg_min has 1 argument; write arg_min(x, by)\n"
	 "4:97: count has 2 arguments; write count() or count(x)\n"},
	{"argument types",
	 SOURCE "  x: {from: s, window: {tumbling: 1s}, aggregate: {a: sum(k), b: avg(t), c: "
		"max(l), d: distinct(l), e: \"arg_min(v, l)\", g: max(null)}}\n" OUT,
	 "4:59: sum does not take string\n"
	 "4:70: avg does not take timestamp\n"
	 "4:81: max does not take list<string>\n"
	 "4:97: distinct does not take list<string>\n"
	 "4:116: arg_min cannot order by list<string>\n"
	 "4:128: null alone has no type\n"},
	{"unknown argument",
	 SOURCE "  x: {from: s, window: {tumbling: 1s}, aggregate: {a: sum(vv), b: \"arg_max(v, "
		"ff)\"}}\n" OUT,
	 "4:59: no field 'vv', did you mean 'v'?\n"
	 "4:79: no field 'ff', did you mean 'f'?\n"},
	{"not a call",
	 SOURCE "  x: {from: s, window: {tumbling: 1s}, aggregate: {a: v, b: sum(v) + 1, c: "
		"\"sum(v\", d: \"arg_max(v, )\", e: {x: y}, g: }}\n" OUT,
	 "4:55: `a`: expected an aggregate function and its arguments, such as sum(price)\n"
	 "4:68: `b`: an aggregate is one function call; compute with its result in a `map` behind "
	 "it\n"
	 "4:80: `c`: this `(` is not closed\n"
	 "4:100: argument 2 of arg_max is empty\n"
	 "4:107: `e`: expected a function such as count(), found a mapping\n"
	 "4:118: `g`: expected a function such as count(), found nothing\n"},
	{"cut",
	 SOURCE
	 "  x: {from: s, window: {tumbling: 1s}, aggregate: {a: arg_max(v, f), b: count()}}\n" OUT,
	 "4:55: `arg_max(v`: a `(` is not closed; inside { } a comma ends a text, so put it in "
	 "quotes\n"},
	{"names",
	 SOURCE "  x: {from: s, key_by: [k], window: {tumbling: 1s}, aggregate: {k: count(), "
		"window_end: count(), ' x': count()}}\n" OUT,
	 "4:65: `k`: the result has a key field of this name; choose another one\n"
	 "4:77: `window_end`: the result has a window bound of this name; choose another one\n"
	 "4:98: a field name needs at least one character, no control characters or backquotes in "
	 "it, and no spaces around it\n"},
	{"key with a window name",
	 SOURCE "  m: {from: s, set: {window_start: v}}\n"
		"  x: {from: m, key_by: [window_start], window: {tumbling: 1s}, aggregate: {n: "
		"count()}}\n" OUT,
	 "5:24: `key_by`: the result has a `window_start` of its own; rename the field with a "
	 "`map` before\n"},
	{"no aggregates", SOURCE "  x: {from: s, window: {tumbling: 1s}, aggregate: {}}\n" OUT,
	 "4:51: `aggregate`: the mapping is empty\n"},
	{"top", SOURCE "  x: {from: s, window: {tumbling: 1s}, top: {k: 0, byy: v}}\n" OUT,
	 "4:49: `k`: 0 is out of range; allowed are 1 to 100000\n"
	 "4:52: unknown key `byy` in `top`; did you mean `by`?\n"},
	{"top without by", SOURCE "  x: {from: s, window: {tumbling: 1s}, top: {k: 1}}\n" OUT,
	 "4:45: `top` needs `by`\n"},
	{"top by a list", SOURCE "  x: {from: s, window: {tumbling: 1s}, top: {by: l}}\n" OUT,
	 "4:50: `by`: records cannot be ordered by list<string>\n"},
	{"top is a text", SOURCE "  x: {from: s, window: {tumbling: 1s}, top: v}\n" OUT,
	 "4:45: `top`: expected a mapping, found a text\n"},
	{"top after a window",
	 SOURCE "  m: {from: s, set: {window_end: v}}\n"
		"  x: {from: m, window: {tumbling: 1s}, top: {by: v}}\n" OUT,
	 "5:3: the input of `x` has a field `window_end`, which the result has too; rename or drop "
	 "it before\n"},
};

static void test_pipeline_errors_aggregates(void **state)
{
	(void)state;
	expect_all(aggregates_cases, WEIR_COUNT_OF(aggregates_cases));
}

static const struct error_case operators_cases[] = {
	{"no library", SOURCE "  x: {from: s, operator: {name: f}}\n" OUT,
	 "4:26: an operator needs `library`\n"},
	{"cannot be loaded", SOURCE "  x: {from: s, operator: {library: gone.so, name: f}}\n" OUT,
	 "4:26: operator gone.so: no such file\n"},
	{"options", SOURCE "  x: {from: s, operator: {library: a.so, name: f, options: [1]}}\n" OUT,
	 "4:60: `options`: expected a mapping, found a list\n"},
	{"unknown", SOURCE "  x: {from: s, operator: {lib: a.so, name: f}}\n" OUT,
	 "4:26: an operator needs `library`\n"
	 "4:27: unknown key `lib` in an operator; known are library, name, options\n"},
	{"text", SOURCE "  x: {from: s, operator: a.so}\n" OUT,
	 "4:26: `operator`: expected a mapping, found a text\n"},
	{"wrong key",
	 SOURCE "  x: {from: s, operator: {library: a.so, name: f}, key_by: [kk]}\n" OUT,
	 "4:61: `key_by`: there is no field `kk`; did you mean `k`?\n"},
};

static void test_pipeline_errors_operators(void **state)
{
	(void)state;
	expect_all(operators_cases, WEIR_COUNT_OF(operators_cases));
}

static const struct error_case cascades_cases[] = {
	{"a wrong schema gives one message",
	 HEAD "  s: {source: {file: {path: a.csv}}, schema: {a: int23}}\n"
	      "  f: {from: s, filter: nosuch > 1}\n"
	      "  w: {from: f, window: {tumbling: 1s}, aggregate: {n: count()}}\n"
	      "  o: {from: w, sink: blackhole}\n",
	 "3:50: field `a`: unknown type \"int23\"; known are bool, int64, float64, decimal(p,s), "
	 "string, bytes, timestamp, duration, list<type>\n"},
	{"all at once, sorted",
	 "pipeline: p\n"
	 "workers: 01\n"
	 "steps:\n"
	 "  o: {from: x, sink: stdot}\n"
	 "  x: {from: s, filter: v >}\n"
	 "  s: {source: {file: {path: a.csv, formt: csv}}, schema: {v: int64}}\n",
	 "2:10: `workers`: expected a whole number, found `01`; a leading zero is not allowed, "
	 "write 1\n"
	 "4:22: `sink`: unknown connector `stdot`; did you mean `stdout`?\n"
	 "5:27: the expression ends, a value expected\n"
	 "6:36: unknown key `formt` in a file source; did you mean `format`?\n"},
	{"a wrong step says nothing about others",
	 SOURCE "  f: {from: s, filtr: v > 1}\n"
		"  g: {from: f, map: {a: nosuch}}\n"
		"  h: {from: [g, s], aggregate: {n: count()}, window: {tumbling: 1s}}\n"
		"  o: {from: h, sink: blackhole}\n",
	 "4:16: unknown key `filtr` in step `f`; did you mean `filter`?\n"},
};

static void test_pipeline_errors_cascades(void **state)
{
	(void)state;
	expect_all(cascades_cases, WEIR_COUNT_OF(cascades_cases));
}

static const struct error_case syntax_cases[] = {
	{"tab", HEAD "\ts: {source: nexmark}\n",
	 "3:1: found character that cannot start any token; indent with spaces, and put a text "
	 "that begins with %, @ or ` in quotes\n"},
	{"open quote",
	 "pipeline: \"p\n"
	 "steps: {}\n",
	 "3:1: found unexpected end of stream (while scanning a quoted scalar at 1:11); a quote or "
	 "bracket is not closed\n"},
	{"anchor",
	 "pipeline: &p p\n"
	 "steps: {s: {source: nexmark}, o: {from: s.bid, sink: stdout}}\n",
	 "1:11: anchor `&p`: anchors are not used here; write the value out, or put a text that "
	 "begins with & in quotes\n"},
	{"zero byte",
	 "pipeline: \"a\\0b\"\n"
	 "steps: {s: {source: {file: {path: \"a\\0.csv\"}}, schema: {a: int64}}, o: {from: s, "
	 "sink: stdout}}\n",
	 "1:11: `pipeline`: the text contains a zero byte\n"
	 "2:35: `path`: the text contains a zero byte\n"},
};

static void test_pipeline_errors_syntax(void **state)
{
	(void)state;
	expect_all(syntax_cases, WEIR_COUNT_OF(syntax_cases));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_pipeline_errors_graph),
	cmocka_unit_test(test_pipeline_errors_fields_and_expressions),
	cmocka_unit_test(test_pipeline_errors_windows),
	cmocka_unit_test(test_pipeline_errors_aggregates),
	cmocka_unit_test(test_pipeline_errors_operators),
	cmocka_unit_test(test_pipeline_errors_cascades),
	cmocka_unit_test(test_pipeline_errors_syntax),
};

WEIR_TEST_MAIN("pipeline_errors_graph", tests)
