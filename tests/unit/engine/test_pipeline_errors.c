/* SPDX-License-Identifier: Apache-2.0 */
/* Wrong pipeline files, and word for word what is said about them: keys, values, sources, sinks. */
#include "tests/unit/engine/pipeline_case.h"

#define HEAD "pipeline: p\nsteps:\n"
/* Three lines: what is tested begins in the fourth. */
#define SOURCE                                                                                     \
	HEAD "  s: {source: {file: {path: a.jsonl}}, schema: {t: timestamp, k: string, v: int64, " \
	     "f: float64, l: list<string>}, event_time: t}\n"
#define OUT "  o: {from: x, sink: blackhole}\n"
#define REST "pipeline: p\nsteps:\n  s: {source: nexmark}\n  o: {from: s.bid, sink: blackhole}\n"

static const struct error_case the_file_as_a_whole_cases[] = {
	{"empty file", "", "1:1: expected a mapping with `pipeline` and `steps`, found nothing\n"},
	{"a list",
	 "- a\n"
	 "- b\n",
	 "1:1: expected a mapping with `pipeline` and `steps`, found a list\n"},
	{"a text", "hello\n",
	 "1:1: expected a mapping with `pipeline` and `steps`, found a text\n"},
	{"empty mapping", "{}\n",
	 "1:1: a pipeline file needs `pipeline`\n"
	 "1:1: a pipeline file needs `steps`\n"},
	{"no steps",
	 "pipeline: p\n"
	 "steps: {}\n",
	 "2:8: `steps`: the mapping is empty\n"},
	{"steps is a list", HEAD "  - source: nexmark\n",
	 "3:3: `steps`: expected a mapping, found a list\n"},
	{"pipeline name",
	 "pipeline: 9 lives\n"
	 "steps: {s: {source: nexmark}, o: {from: s.bid, sink: stdout}}\n",
	 "1:11: the pipeline name `9 lives` may only have letters, digits, `_` and `-`, and begin "
	 "with a letter or `_`\n"},
	{"pipeline name is a mapping",
	 "pipeline: {name: p}\n"
	 "steps: {s: {source: nexmark}, o: {from: s.bid, sink: stdout}}\n",
	 "1:11: `pipeline`: expected a text, found a mapping\n"},
	{"unknown top key", "worker: 3\n" REST,
	 "1:1: unknown key `worker` in a pipeline file; did you mean `workers`?\n"},
	{"unknown top key, nothing near", "zebra: 3\n" REST,
	 "1:1: unknown key `zebra` in a pipeline file; known are pipeline, steps, workers, "
	 "parallelism, ring_size, record_max, metrics, on_error, guarantee, state\n"},
	{"misspelt required key",
	 "pipelin: p\n"
	 "steps: {s: {source: nexmark}, o: {from: s.bid, sink: stdout}}\n",
	 "1:1: unknown key `pipelin` in a pipeline file; did you mean `pipeline`?\n"},
	{"step is a list",
	 HEAD "  s: [source]\n"
	      "  o: {from: s, sink: stdout}\n",
	 "3:6: step `s`: expected a mapping, found a list\n"},
	{"step is empty",
	 HEAD "  s:\n"
	      "  o: {from: s, sink: stdout}\n",
	 "3:5: step `s`: expected a mapping, found nothing\n"},
	{"step names",
	 HEAD "  1s: {source: nexmark}\n"
	      "  o o: {from: 1s.bid, sink: stdout}\n"
	      "  aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: {from: "
	      "1s.bid, sink: stdout}\n",
	 "3:3: the step name `1s` may only have letters, digits, `_` and `-`, and begin with a "
	 "letter or `_`\n"
	 "4:3: the step name `o o` may only have letters, digits, `_` and `-`, and begin with a "
	 "letter or `_`\n"
	 "5:3: the step name has 72 bytes; at most 63 are allowed\n"},
	{"a key twice",
	 HEAD "  s: {source: nexmark}\n"
	      "  o: {from: s.bid, sink: stdout}\n"
	      "  o: {from: s.bid, sink: blackhole}\n",
	 "5:3: key `o` is given twice; the first is at 4:3\n"},
};

static void test_pipeline_errors_the_file_as_a_whole(void **state)
{
	(void)state;
	expect_all(the_file_as_a_whole_cases, WEIR_COUNT_OF(the_file_as_a_whole_cases));
}

static const struct error_case numbers_cases[] = {
	{"leading zero", "workers: 012\n" REST,
	 "1:10: `workers`: expected a whole number, found `012`; a leading zero is not allowed, "
	 "write 12\n"},
	{"hexadecimal", "workers: 0x10\n" REST,
	 "1:10: `workers`: expected a whole number, found `0x10`; write it in decimal digits\n"},
	{"exponent", "workers: 1e3\n" REST,
	 "1:10: `workers`: expected a whole number, found `1e3`; write all the digits\n"},
	{"fraction", "workers: 2.5\n" REST,
	 "1:10: `workers`: expected a whole number, found `2.5`; fractions are not allowed\n"},
	{"negative", "workers: -1\n" REST,
	 "1:10: `workers`: expected a whole number, found `-1`; it cannot be negative\n"},
	{"plus", "workers: +1\n" REST,
	 "1:10: `workers`: expected a whole number, found `+1`; write it without `+`\n"},
	{"separators", "workers: 1_000\n" REST,
	 "1:10: `workers`: expected a whole number, found `1_000`; write the digits without "
	 "separators\n"},
	{"zero", "workers: 0\n" REST,
	 "1:10: `workers`: 0 is out of range; allowed are 1 to 1024\n"},
	{"too many", "parallelism: 100000\n" REST,
	 "1:14: `parallelism`: 100000 is out of range; allowed are 1 to 1024\n"},
	{"far too many", "workers: 99999999999999999999999\n" REST,
	 "1:10: `workers`: 99999999999999999999999 is out of range; allowed are 1 to 1024\n"},
	{"a word", "workers: all\n" REST,
	 "1:10: `workers`: expected a whole number, found `all`\n"},
	{"nothing", "workers:\n" REST, "1:9: `workers`: expected a whole number, found nothing\n"},
	{"a list", "workers: [1]\n" REST,
	 "1:10: `workers`: expected a whole number, found a list\n"},
	{"size without sense", "ring_size: big\n" REST,
	 "1:12: `ring_size`: expected a size, found `big`; write it as 64MiB, 10kB or 512\n"},
	{"size with one letter", "ring_size: 64M\n" REST,
	 "1:12: `ring_size`: expected a size, found `64M`; `M` has two meanings, write 64MiB "
	 "(1024) or 64MB (1000)\n"},
	{"size with small letter", "ring_size: 64k\n" REST,
	 "1:12: `ring_size`: expected a size, found `64k`; `k` has two meanings, write 64KiB "
	 "(1024) or 64kB (1000)\n"},
	{"size with wrong case", "ring_size: 64mib\n" REST,
	 "1:12: `ring_size`: expected a size, found `64mib`; write 64MiB\n"},
	{"size with fraction", "ring_size: 1.5GiB\n" REST,
	 "1:12: `ring_size`: expected a size, found `1.5GiB`; fractions are not allowed, write "
	 "1536MiB\n"},
	{"size with odd fraction", "ring_size: 1.55555MiB\n" REST,
	 "1:12: `ring_size`: expected a size, found `1.55555MiB`; fractions are not allowed, use a "
	 "smaller unit\n"},
	{"size with decimal fraction", "ring_size: 0.5MB\n" REST,
	 "1:12: `ring_size`: expected a size, found `0.5MB`; fractions are not allowed, write "
	 "500kB\n"},
	{"size with space", "ring_size: 64 MiB\n" REST,
	 "1:12: `ring_size`: expected a size, found `64 MiB`; write it without spaces\n"},
	{"size with leading zero", "ring_size: 064KiB\n" REST,
	 "1:12: `ring_size`: expected a size, found `064KiB`; a leading zero is not allowed, write "
	 "64KiB\n"},
	{"size with unknown unit", "ring_size: 64pages\n" REST,
	 "1:12: `ring_size`: expected a size, found `64pages`; units are KiB MiB GiB TiB (1024) "
	 "and kB MB GB TB (1000)\n"},
	{"size too small", "ring_size: 512\n" REST,
	 "1:12: `ring_size`: 512 is out of range; allowed are 4KiB to 16GiB\n"},
	{"size too large", "ring_size: 99999TiB\n" REST,
	 "1:12: `ring_size`: 99999TiB is out of range; allowed are 4KiB to 16GiB\n"},
	{"size beyond 64 bits", "ring_size: 99999999999TiB\n" REST,
	 "1:12: `ring_size`: 99999999999TiB is out of range; allowed are 4KiB to 16GiB\n"},
	{"not a power of two", "ring_size: 3MiB\n" REST,
	 "1:12: `ring_size`: 3MiB is not a power of two, such as 512KiB or 1MiB\n"},
	{"record larger than a ring takes", "record_max: 1MiB\n" REST,
	 "1:13: a ring must hold 4 records of `record_max`, so `ring_size` must be at least "
	 "4MiB\n"},
	{"record size not a multiple", "record_max: 1025\n" REST,
	 "1:13: `record_max`: 1025 is not a multiple of 8\n"},
	{"ring smaller than records", "ring_size: 64KiB\n" REST,
	 "1:12: a ring must hold 4 records of `record_max`, so `ring_size` must be at least "
	 "256KiB\n"},
	{"live without a rate",
	 "pipeline: p\nsteps:\n  e: {source: {nexmark: {live: true}}}\n"
	 "  o: {from: e.bid, sink: blackhole}\n",
	 "3:3: source `e`: `live: true` needs `rate`: events per second\n"},
	{"metrics", "metrics: yes please\n" REST,
	 "1:10: `metrics`: expected an address and a port such as 127.0.0.1:9000, found `yes "
	 "please`\n"},
	{"metrics port", "metrics: 127.0.0.1:99999\n" REST,
	 "1:10: `metrics`: expected an address and a port such as 127.0.0.1:9000, found "
	 "`127.0.0.1:99999`\n"},
	{"metrics without port", "metrics: 127.0.0.1\n" REST,
	 "1:10: `metrics`: expected an address and a port such as 127.0.0.1:9000, found "
	 "`127.0.0.1`\n"},
	{"metrics v6 without brackets", "metrics: '::1:9000'\n" REST,
	 "1:10: `metrics`: expected an address and a port such as 127.0.0.1:9000, found "
	 "`::1:9000`\n"},
	{"default route", "on_error: route\n" REST,
	 "1:11: `on_error`: route is for single steps, whose rejects somebody reads; the default "
	 "for all steps is stop or skip\n"},
	{"default unknown", "on_error: stopp\n" REST,
	 "1:11: `on_error`: unknown value `stopp`; did you mean `stop`?\n"},
};

static void test_pipeline_errors_numbers(void **state)
{
	(void)state;
	expect_all(numbers_cases, WEIR_COUNT_OF(numbers_cases));
}

static const struct error_case durations_cases[] = {
	{"bare number",
	 SOURCE "  x: {from: s, window: {tumbling: 10}, aggregate: {n: count()}}\n" OUT,
	 "4:35: `tumbling`: expected a duration, found `10`; which unit? write 10s, 10ms, 10m "
	 "...\n"},
	{"word unit",
	 SOURCE "  x: {from: s, window: {tumbling: 10sec}, aggregate: {n: count()}}\n" OUT,
	 "4:35: `tumbling`: expected a duration, found `10sec`; write 10s\n"},
	{"fraction",
	 SOURCE "  x: {from: s, window: {tumbling: 1.5s}, aggregate: {n: count()}}\n" OUT,
	 "4:35: `tumbling`: expected a duration, found `1.5s`; fractions are not allowed, write "
	 "1500ms\n"},
	{"fraction of a day",
	 SOURCE "  x: {from: s, window: {tumbling: 0.5d}, aggregate: {n: count()}}\n" OUT,
	 "4:35: `tumbling`: expected a duration, found `0.5d`; fractions are not allowed, write "
	 "12h\n"},
	{"negative",
	 SOURCE "  x: {from: s, window: {tumbling: -1s}, aggregate: {n: count()}}\n" OUT,
	 "4:35: `tumbling`: -1s is negative\n"},
	{"zero", SOURCE "  x: {from: s, window: {tumbling: 0s}, aggregate: {n: count()}}\n" OUT,
	 "4:35: `tumbling`: 0s is too short; it must be more than 0\n"},
	{"too long",
	 SOURCE "  x: {from: s, window: {tumbling: 4000d}, aggregate: {n: count()}}\n" OUT,
	 "4:35: `tumbling`: 4000d is out of range; allowed are 1ns to 87840h0m0s\n"},
	{"unknown unit",
	 SOURCE "  x: {from: s, window: {tumbling: 3w}, aggregate: {n: count()}}\n" OUT,
	 "4:35: `tumbling`: expected a duration, found `3w`; write it as 10s, 250ms or 1h30m; "
	 "units are d h m s ms us ns\n"},
};

static void test_pipeline_errors_durations(void **state)
{
	(void)state;
	expect_all(durations_cases, WEIR_COUNT_OF(durations_cases));
}

static const struct error_case steps_cases[] = {
	{"does nothing", SOURCE "  x: {from: s, parallelism: 2}\n" OUT,
	 "4:3: step `x` does nothing; it needs one of source, filter, map, select, drop, set, "
	 "flat_map, union, split, key_by, aggregate, top, operator, table, sink\n"},
	{"two kinds", SOURCE "  x: {from: s, filter: v > 1, map: {a: v}}\n" OUT,
	 "4:31: step `x` has `filter` already; a step does one thing, so `map` must be a step of "
	 "its own\n"},
	{"misspelt kind", SOURCE "  x: {from: s, filtre: v > 1}\n" OUT,
	 "4:16: unknown key `filtre` in step `x`; did you mean `filter`?\n"},
	{"unknown key", SOURCE "  x: {from: s, filter: v > 1, zebra: 1}\n" OUT,
	 "4:31: unknown key `zebra` in step `x`; known are source, filter, map, select, drop, set, "
	 "flat_map, union, split, aggregate, top, operator, sink, table, from, regions, parallelism, fuse, "
	 "on_error, key_by, window, scope, provisional, schema, schemas, type_field, event_time, rate\n"},
	{"window in a filter", SOURCE "  x: {from: s, filter: v > 1, window: {tumbling: 1s}}\n" OUT,
	 "4:31: `window` does not belong to a filter step; it goes with aggregate or top\n"},
	{"key_by in a filter", SOURCE "  x: {from: s, filter: v > 1, key_by: [k]}\n" OUT,
	 "4:31: `key_by` does not belong to a filter step; it goes with aggregate, top, operator, "
	 "table, or alone\n"},
	{"schema in a filter", SOURCE "  x: {from: s, filter: v > 1, schema: {a: int64}}\n" OUT,
	 "4:31: `schema` does not belong to a filter step; it goes with source\n"},
	{"on_error in a sink", SOURCE "  o: {from: s, sink: stdout, on_error: skip}\n",
	 "4:30: `on_error` does not belong to a sink step; records cannot fail there\n"},
	{"from in a source",
	 HEAD "  s: {source: nexmark, from: o}\n"
	      "  o: {from: s.bid, sink: stdout}\n",
	 "3:24: `from` does not belong to a source step; it is for steps that read other steps\n"},
	{"no from",
	 SOURCE "  x: {filter: v > 1}\n"
		"  o: {from: [x, s], sink: blackhole}\n",
	 "4:3: step `x` needs `from`: the step whose records it takes\n"},
	{"no window", SOURCE "  x: {from: s, aggregate: {n: count()}}\n" OUT,
	 "4:3: step `x` needs `window`, such as {tumbling: 1m}\n"},
	{"misspelt from and window",
	 SOURCE "  x: {form: s, windw: {tumbling: 1s}, aggregate: {n: count()}}\n"
		"  o: {from: [x], sink: blackhole}\n",
	 "4:7: unknown key `form` in step `x`; did you mean `from`?\n"
	 "4:16: unknown key `windw` in step `x`; did you mean `window`?\n"},
	{"parallelism without keys",
	 SOURCE
	 "  x: {from: s, aggregate: {n: count()}, window: {tumbling: 1s}, parallelism: 2}\n" OUT,
	 "4:78: `parallelism`: without `key_by` all records go to one task; add `key_by`, or leave "
	 "it out\n"},
	{"fuse is not a bool", SOURCE "  x: {from: s, filter: v > 1, fuse: no}\n" OUT,
	 "4:37: `fuse`: expected true or false, found `no`\n"},
	{"quoted bool", SOURCE "  x: {from: s, filter: v > 1, fuse: 'true'}\n" OUT,
	 "4:37: `fuse`: expected true or false, found `true` in quotes\n"},
	{"on_error unknown", SOURCE "  x: {from: s, filter: v > 1, on_error: rout}\n" OUT,
	 "4:41: `on_error`: unknown value `rout`; did you mean `route`?\n"},
	{"route in top",
	 SOURCE "  x: {from: s, top: {by: v}, window: {tumbling: 1s}, on_error: route}\n" OUT,
	 "4:64: `on_error`: a top step has no output for rejects; use stop or skip\n"},
	{"route without reader", SOURCE "  x: {from: s, filter: v > 1, on_error: route}\n" OUT,
	 "4:41: nobody reads `x.rejects`: add a step with `from: x.rejects`, or say `on_error: "
	 "skip`\n"},
};

static void test_pipeline_errors_steps(void **state)
{
	(void)state;
	expect_all(steps_cases, WEIR_COUNT_OF(steps_cases));
}

static const struct error_case sources_cases[] = {
	{"unknown connector", HEAD "  x: {source: {fil: {path: a.csv}}, schema: {a: int64}}\n" OUT,
	 "3:16: `source`: unknown connector `fil`; did you mean `file`?\n"},
	{"unknown connector word", HEAD "  x: {source: kafka, schema: {a: int64}}\n" OUT,
	 "3:15: `source`: unknown connector `kafka`; known are file, stdin, tcp, http, "
	 "nexmark, memory\n"},
	{"two connectors",
	 HEAD
	 "  x: {source: {file: {path: a.csv}, stdin: {format: csv}}, schema: {a: int64}}\n" OUT,
	 "3:37: `source`: one connector is enough; `file` is there already\n"},
	{"no connector", HEAD "  x: {source: {}, schema: {a: int64}}\n" OUT,
	 "3:15: `source`: expected a connector and its options, such as {file: {path: in.csv}}, "
	 "found an empty mapping\n"},
	{"list of connectors", HEAD "  x: {source: [file], schema: {a: int64}}\n" OUT,
	 "3:15: `source`: expected a connector and its options, such as {file: {path: in.csv}}, "
	 "found a list\n"},
	{"path as the value", HEAD "  x: {source: {file: a.csv}, schema: {a: int64}}\n" OUT,
	 "3:22: `file`: expected a mapping of options such as {path: NAME}, found a text\n"},
	{"no path", HEAD "  x: {source: {file: {format: csv}}, schema: {a: int64}}\n" OUT,
	 "3:22: a file source needs `path`\n"},
	{"shorthand that lacks keys", HEAD "  x: {source: file, schema: {a: int64}}\n" OUT,
	 "3:15: a file source needs `path`\n"},
	{"unknown option",
	 HEAD "  x: {source: {file: {path: a.csv, delimeter: ';'}}, schema: {a: int64}}\n" OUT,
	 "3:36: unknown key `delimeter` in a file source; did you mean `delimiter`?\n"},
	{"unknown format",
	 HEAD "  x: {source: {file: {path: a.csv, format: json}}, schema: {a: int64}}\n" OUT,
	 "3:44: `format`: unknown value `json`; did you mean `jsonl`?\n"},
	{"format not said", HEAD "  x: {source: {file: {path: data}}, schema: {a: int64}}\n" OUT,
	 "3:22: the name `data` does not say the format; add `format: csv`, `jsonl` or `raw`\n"},
	{"no format on stdin", HEAD "  x: {source: {stdin: {}}, schema: {a: int64}}\n" OUT,
	 "3:23: a stdin source needs `format`: csv or jsonl\n"},
	{"no format on tcp",
	 HEAD "  x: {source: {tcp: {listen: 'localhost:0'}}, schema: {a: int64}}\n" OUT,
	 "3:21: a tcp source needs `format`: csv or jsonl\n"},
	{"raw on stdin", HEAD "  x: {source: {stdin: {format: raw}}}\n" OUT,
	 "3:32: `format`: raw data says its schema in its head, so it must be a file; use csv or "
	 "jsonl here\n"},
	{"bad listen address",
	 HEAD "  x: {source: {tcp: {listen: 9000, format: csv}}, schema: {a: int64}}\n" OUT,
	 "3:30: `listen`: expected an address and a port such as 127.0.0.1:9000, found `9000`\n"},
	{"csv option of jsonl",
	 HEAD "  x: {source: {file: {path: a.jsonl.gz, header: false}}, schema: {a: int64}}\n" OUT,
	 "3:41: `header` is for csv only; the format here is jsonl\n"},
	{"delimiter too long",
	 HEAD "  x: {source: {file: {path: a.csv, delimiter: ';;'}}, schema: {a: int64}}\n" OUT,
	 "3:47: `delimiter`: expected one ASCII character, neither a quote nor a line break, found "
	 "`;;`\n"},
	{"delimiter tab",
	 HEAD "  x: {source: {file: {path: a.csv, delimiter: '\\t'}}, schema: {a: int64}}\n" OUT,
	 "3:47: `delimiter`: write a tab as \"\\t\", in double quotes\n"},
	{"delimiter is a quote",
	 HEAD "  x: {source: {file: {path: a.csv, delimiter: '\"'}}, schema: {a: int64}}\n" OUT,
	 "3:47: `delimiter`: expected one ASCII character, neither a quote nor a line break, found "
	 "`\"`\n"},
	{"null text",
	 HEAD "  x: {source: {file: {path: a.csv, null: '\"'}}, schema: {a: int64}}\n" OUT,
	 "3:42: `null`: the text has a quote, a line break or a zero byte in it\n"},
	{"null nothing",
	 HEAD "  x: {source: {file: {path: a.csv, null: }}, schema: {a: int64}}\n" OUT,
	 "3:42: `null`: expected a text in quotes, found nothing\n"},
	{"header not bool",
	 HEAD "  x: {source: {file: {path: a.csv, header: 1}}, schema: {a: int64}}\n" OUT,
	 "3:44: `header`: expected true or false, found `1`\n"},
	{"follow a compressed file",
	 HEAD "  x: {source: {file: {path: a.csv.gz, follow: true}}, schema: {a: int64}}\n" OUT,
	 "3:39: `follow`: a compressed file cannot be followed while it grows\n"},
	{"follow in memory",
	 HEAD "  x: {source: {memory: {path: a.csv, follow: true}}, schema: {a: int64}}\n" OUT,
	 "3:38: unknown key `follow` in a memory source; known are path, format, compression, "
	 "delimiter, header, null, loop\n"},
	{"header over tcp",
	 HEAD "  x: {source: {tcp: {listen: 'h:1', format: csv, header: true}}, schema: {a: "
	      "int64}}\n" OUT,
	 "3:58: `header`: csv over tcp has no header line; leave it out or write false\n"},
	{"header over http",
	 HEAD "  x: {source: {http: {listen: 'h:1', format: csv, header: true}}, schema: {a: "
	      "int64}}\n" OUT,
	 "3:59: `header`: csv over http has no header line; leave it out or write false\n"},
	{"http without format",
	 HEAD "  x: {source: {http: {listen: 'h:1'}}, schema: {a: int64}}\n" OUT,
	 "3:22: an http source needs `format`: csv or jsonl\n"},
	{"http without listen",
	 HEAD "  x: {source: {http: {format: jsonl}}, schema: {a: int64}}\n" OUT,
	 "3:22: an http source needs `listen`\n"},
	{"raw over http", HEAD "  x: {source: {http: {listen: 'h:1', format: raw}}}\n" OUT,
	 "3:46: `format`: raw data says its schema in its head, so it must be a file; use csv or "
	 "jsonl here\n"},
	{"ack over http",
	 HEAD "  x: {source: {http: {listen: 'h:1', format: jsonl, ack: true}}, schema: {a: "
	      "int64}}\n" OUT,
	 "3:53: unknown key `ack` in an http source; known are listen, format, delimiter, header, "
	 "null\n"},
	{"ack that is no bool",
	 HEAD "  x: {source: {tcp: {listen: 'h:1', format: jsonl, ack: durable}}, schema: {a: "
	      "int64}}\n" OUT,
	 "3:57: `ack`: expected true or false, found `durable`\n"},
	{"ack without epochs",
	 "guarantee: none\n" HEAD
	 "  x: {source: {tcp: {listen: 'h:1', format: jsonl, ack: true}}, schema: {a: int64}}\n" OUT,
	 "4:52: `ack` tells producers what is durable, which nothing is with `guarantee: none`; "
	 "leave one of them out\n"},
	{"loop zero",
	 HEAD "  x: {source: {memory: {path: a.csv, loop: 0}}, schema: {a: int64}}\n" OUT,
	 "3:44: `loop`: 0 is out of range; allowed are 1 to 1000000000000\n"},
	{"two readers of stdin",
	 HEAD "  x: {source: {stdin: {format: csv}}, schema: {a: int64}, parallelism: 2}\n" OUT,
	 "3:72: `parallelism`: stdin has one reader; leave it out or write 1\n"},
	{"raw with schema",
	 HEAD "  x: {source: {file: {path: one.raw}}, schema: {a: int64}, type_field: x}\n" OUT,
	 "3:40: `schema` does not go with this source: a raw file carries its schemas\n"
	 "3:60: `type_field` does not go with this source: a raw file knows the stream of each "
	 "record\n"},
	{"raw that cannot be read", HEAD "  x: {source: {file: {path: gone.raw}}}\n" OUT,
	 "3:29: gone.raw: no such file\n"},
	{"raw with strange names", HEAD "  x: {source: {file: {path: strange-two.raw}}}\n" OUT,
	 "3:29: the name of a stream in the raw file `strange name` may only have letters, digits, "
	 "`_` and `-`, and begin with a letter or `_`\n"},
	{"nexmark with schema",
	 HEAD "  x: {source: nexmark, schema: {a: int64}, rate: 10}\n"
	      "  o: {from: x.bid, sink: blackhole}\n",
	 "3:24: `schema` does not go with this source: nexmark has its own\n"
	 "3:44: `rate` does not go with this source: write it as {nexmark: {rate: N}}\n"},
	{"nexmark options",
	 HEAD "  x: {source: {nexmark: {events: 1M, base_time: yesterday, hot_auction_ratio: 0, "
	      "out_of_order: 5, evnts: 1}}}\n"
	      "  o: {from: x.bid, sink: blackhole}\n",
	 "3:34: `events`: expected a whole number, found `1M`\n"
	 "3:49: `base_time`: expected a time such as 2024-01-31T12:00:00Z, found `yesterday`\n"
	 "3:79: `hot_auction_ratio`: 0 is out of range; allowed are 1 to 1000000\n"
	 "3:96: `out_of_order`: expected a duration, found `5`; which unit? write 5s, 5ms, 5m ...\n"
	 "3:99: unknown key `evnts` in a nexmark source; did you mean `events`?\n"},
	{"rate", HEAD "  x: {source: {file: {path: a.csv}}, schema: {a: int64}, rate: 0}\n" OUT,
	 "3:64: `rate`: 0 is out of range; allowed are 1 to 1000000000000\n"},
};

static void test_pipeline_errors_sources(void **state)
{
	(void)state;
	expect_all(sources_cases, WEIR_COUNT_OF(sources_cases));
}

static const struct error_case schemas_cases[] = {
	{"no schema", HEAD "  x: {source: {file: {path: a.csv}}}\n" OUT,
	 "3:3: source `x` needs `schema`: its fields and their types, such as {name: string, age: "
	 "\"int64?\"}\n"},
	{"misspelt schema", HEAD "  x: {source: {file: {path: a.csv}}, shema: {a: int64}}\n" OUT,
	 "3:38: unknown key `shema` in step `x`; did you mean `schema`?\n"},
	{"schema is a list", HEAD "  x: {source: {file: {path: a.csv}}, schema: [a, b]}\n" OUT,
	 "3:46: `schema`: expected a mapping, found a list\n"},
	{"empty schema", HEAD "  x: {source: {file: {path: a.csv}}, schema: {}}\n" OUT,
	 "3:46: `schema`: the mapping is empty\n"},
	{"unknown type",
	 HEAD "  x: {source: {file: {path: a.csv}}, schema: {a: int32, b: strng, c: "
	      "'list<list<int64>>', d: , e: {}}}\n" OUT,
	 "3:50: field `a`: unknown type \"int32\"; known are bool, int64, float64, decimal(p,s), "
	 "string, bytes, timestamp, duration, list<type>\n"
	 "3:60: field `b`: unknown type \"strng\"; did you mean \"string\"?\n"
	 "3:70: field `c`: a list cannot hold lists\n"
	 "3:94: `d`: expected a text, found nothing\n"
	 "3:99: `e`: expected a text, found a mapping\n"},
	{"unknown type of two lines",
	 HEAD "  x: {source: {file: {path: a.csv}}, schema: {a: \"in\\nt64\"}}\n" OUT,
	 "3:50: field `a`: unknown type \"in?t64\"; did you mean \"int64\"?\n"},
	{"cut by a comma",
	 HEAD "  x: {source: {file: {path: a.csv}}, schema: {a: decimal(10,2), b: int64}}\n" OUT,
	 "3:50: `decimal(10`: a `(` is not closed; inside { } a comma ends a text, so put it in "
	 "quotes\n"},
	{"field twice",
	 HEAD "  x: {source: {file: {path: a.csv}}, schema: {a: int64, b: int64, a: string}}\n" OUT,
	 "3:67: key `a` is given twice; the first is at 3:47\n"},
	{"bad field names",
	 HEAD "  x: {source: {file: {path: a.csv}}, schema: {' a': int64, 'b`': int64}}\n" OUT,
	 "3:47: a field name needs at least one character, no control characters or backquotes in "
	 "it, and no spaces around it\n"
	 "3:60: a field name needs at least one character, no control characters or backquotes in "
	 "it, and no spaces around it\n"},
	{"list in csv", HEAD "  x: {source: {file: {path: a.csv}}, schema: {a: list<int64>}}\n" OUT,
	 "3:46: field `a` is a list, which csv cannot hold; use jsonl\n"},
	{"schema and schemas",
	 HEAD "  x: {source: {file: {path: a.jsonl}}, schema: {a: int64}, schemas: {x: {a: "
	      "int64}}}\n" OUT,
	 "3:60: `schema` is there already; `schemas` is for jsonl with several streams\n"},
	{"schemas of csv",
	 HEAD "  x: {source: {file: {path: a.csv}}, schemas: {x: {a: int64}}, type_field: t}\n" OUT,
	 "3:38: `schemas` is for jsonl only; csv has one stream: use `schema`\n"},
	{"schemas without type_field",
	 HEAD "  x: {source: {file: {path: a.jsonl}}, schemas: {x: {a: int64}}}\n" OUT,
	 "3:3: `schemas` needs `type_field`: the member that names the stream of a record\n"},
	{"type_field without schemas",
	 HEAD "  x: {source: {file: {path: a.jsonl}}, schema: {a: int64}, type_field: t}\n" OUT,
	 "3:60: `type_field` does not go with this source: it goes with `schemas`\n"},
	{"stream names",
	 HEAD "  x: {source: {file: {path: a.jsonl}}, schemas: {rejects: {a: int64}}, type_field: "
	      "t}\n" OUT,
	 "3:50: `schemas`: the stream name `rejects` is taken\n"},
	{"event_time field",
	 HEAD
	 "  x: {source: {file: {path: a.csv}}, schema: {time: timestamp}, event_time: tme}\n" OUT,
	 "3:77: `event_time`: there is no field `tme`; did you mean `time`?\n"},
	{"event_time type",
	 HEAD "  x: {source: {file: {path: a.csv}}, schema: {time: string}, event_time: {field: "
	      "time}}\n" OUT,
	 "3:82: `event_time`: field `time` is string; it must be a timestamp (in the schema: "
	 "`time: timestamp` or `\"timestamp(FORMAT)\"`)\n"},
	{"event_time nullable",
	 HEAD "  x: {source: {file: {path: a.csv}}, schema: {time: \"timestamp?\"}, event_time: "
	      "time}\n" OUT,
	 "3:80: `event_time`: field `time` may be null, but every record needs its time; remove "
	 "the `?` from its type\n"},
	{"event_time options",
	 HEAD "  x: {source: {file: {path: a.csv}}, schema: {time: timestamp}, event_time: "
	      "{lateness: 10, idel: 1s}}\n" OUT,
	 "3:88: `lateness`: expected a duration, found `10`; which unit? write 10s, 10ms, 10m ...\n"
	 "3:92: unknown key `idel` in `event_time`; did you mean `idle`?\n"},
	{"event_time nothing",
	 HEAD "  x: {source: {file: {path: a.csv}}, schema: {time: timestamp}, event_time: }\n" OUT,
	 "3:77: `event_time`: expected a text, found nothing\n"},
	{"event_time in one stream only",
	 HEAD "  x: {source: {file: {path: a.jsonl}}, schemas: {a: {t: timestamp}, b: {u: "
	      "timestamp}}, type_field: y, event_time: t}\n"
	      "  o: {from: x.a, sink: blackhole}\n",
	 "3:116: `event_time`: there is no field `t` in `b`; did you mean `u`?\n"},
};

static void test_pipeline_errors_schemas(void **state)
{
	(void)state;
	expect_all(schemas_cases, WEIR_COUNT_OF(schemas_cases));
}

static const struct error_case sinks_cases[] = {
	{"unknown sink", SOURCE "  o: {from: s, sink: stdot}\n",
	 "4:22: `sink`: unknown connector `stdot`; did you mean `stdout`?\n"},
	{"sink without path", SOURCE "  o: {from: s, sink: {file: {}}}\n",
	 "4:29: a file sink needs `path`\n"},
	{"sink option", SOURCE "  o: {from: s, sink: {file: {path: out, part_sze: 1MiB}}}\n",
	 "4:41: unknown key `part_sze` in a file sink; did you mean `part_size`?\n"},
	{"part too small", SOURCE "  o: {from: s, sink: {file: {path: out, part_size: 1B}}}\n",
	 "4:52: `part_size`: 1B is out of range; allowed are 4KiB to 1TiB\n"},
	{"compression", SOURCE "  o: {from: s, sink: {file: {path: out, compression: lz4}}}\n",
	 "4:54: `compression`: unknown value `lz4`; known are none, gzip, zstd\n"},
	{"blackhole with options", SOURCE "  o: {from: s, sink: {blackhole: {path: x}}}\n",
	 "4:35: unknown key `path` in a blackhole sink; it takes none\n"},
	{"tcp raw", SOURCE "  o: {from: s, sink: {tcp: {address: 'h:1', format: raw}}}\n",
	 "4:53: `format`: tcp carries one record per line; use jsonl or csv\n"},
	{"tcp without address", SOURCE "  o: {from: s, sink: {tcp: }}\n",
	 "4:23: a tcp sink needs `address`\n"},
	{"postgres without anything", SOURCE "  o: {from: s, sink: postgres}\n",
	 "4:22: a postgres sink needs `connection`\n"
	 "4:22: a postgres sink needs `table`\n"},
	{"postgres option",
	 SOURCE "  o: {from: s, sink: {postgres: {connection: dbname=x, table: t, format: csv}}}\n",
	 "4:66: unknown key `format` in a postgres sink; known are connection, table, on_fresh\n"},
	{"postgres on_fresh",
	 SOURCE "  o: {from: s, sink: {postgres: {connection: dbname=x, table: t, on_fresh: "
		"delete}}}\n",
	 "4:76: `on_fresh`: unknown value `delete`; known are append, truncate\n"},
	{"postgres table with three names",
	 SOURCE "  o: {from: s, sink: {postgres: {connection: dbname=x, table: a.b.c}}}\n",
	 "4:63: `table`: expected TABLE or SCHEMA.TABLE, without quotes and spelt as in the "
	 "database, found `a.b.c`\n"},
	{"postgres table without a name",
	 SOURCE "  o: {from: s, sink: {postgres: {connection: dbname=x, table: a.}}}\n",
	 "4:63: `table`: expected TABLE or SCHEMA.TABLE, without quotes and spelt as in the "
	 "database, found `a.`\n"},
	{"postgres table in quotes",
	 SOURCE "  o: {from: s, sink: {postgres: {connection: dbname=x, table: '\"Big\"'}}}\n",
	 "4:63: `table`: expected TABLE or SCHEMA.TABLE, without quotes and spelt as in the "
	 "database, found `\"Big\"`\n"},
	{"csv with a list", SOURCE "  o: {from: s, sink: {stdout: {format: csv}}}\n",
	 "4:22: field `l` is a list, which csv cannot hold; use jsonl\n"},
	{"csv options", SOURCE "  o: {from: s, sink: {stdout: {delimiter: ';'}}}\n",
	 "4:32: `delimiter` is for csv only; the format here is jsonl\n"},
	{"raw csv options",
	 SOURCE "  o: {from: s, sink: {file: {path: x, format: raw, header: true}}}\n",
	 "4:52: `header` is for csv only; the format here is raw\n"},
};

static void test_pipeline_errors_sinks(void **state)
{
	(void)state;
	expect_all(sinks_cases, WEIR_COUNT_OF(sinks_cases));
}

static const struct error_case state_cases[] = {
	{"guarantee", "guarantee: exactly-once\n" REST,
	 "1:12: `guarantee`: unknown value `exactly-once`; did you mean `exactly_once`?\n"},
	{"guarantee nothing near", "guarantee: yes\n" REST,
	 "1:12: `guarantee`: unknown value `yes`; known are exactly_once, at_least_once, none\n"},
	{"state without a guarantee", "guarantee: none\nstate: {dir: x}\n" REST,
	 "2:8: `state` does not go with `guarantee: none`, which keeps nothing; leave one of them "
	 "out\n"},
	{"state is a text", "state: here\n" REST,
	 "1:8: `state`: expected a mapping, found a text\n"},
	{"state is empty", "state: {}\n" REST, "1:8: `state`: the mapping is empty\n"},
	{"state option", "state: {dir: x, epochs: 1s}\n" REST,
	 "1:17: unknown key `epochs` in `state`; did you mean `epoch`?\n"},
	{"state option, nothing near", "state: {zebra: 1s}\n" REST,
	 "1:9: unknown key `zebra` in `state`; known are dir, epoch, epoch_size, in_flight, "
	 "deadline, segment_size, base_size\n"},
	{"dir", "state: {dir: ''}\n" REST, "1:14: `dir`: the text is empty\n"},
	{"ranges, below",
	 "state:\n"
	 "  epoch: 100us\n"
	 "  epoch_size: 1KiB\n"
	 "  in_flight: 0\n"
	 "  deadline: 0s\n"
	 "  segment_size: 1MiB\n"
	 "  base_size: 4KiB\n" REST,
	 "2:10: `epoch`: 100us is out of range; allowed are 1ms to 1h0m0s\n"
	 "3:15: `epoch_size`: 1KiB is out of range; allowed are 64KiB to 1GiB\n"
	 "4:14: `in_flight`: 0 is out of range; allowed are 1 to 32\n"
	 "5:13: `deadline`: 0s is too short; it must be more than 0\n"
	 "6:17: `segment_size`: 1MiB is out of range; allowed are 4MiB to 4GiB\n"
	 "7:14: `base_size`: 4KiB is out of range; allowed are 1MiB to 1TiB\n"},
	{"ranges, above",
	 "state:\n"
	 "  epoch: 2h\n"
	 "  epoch_size: 2GiB\n"
	 "  in_flight: 65\n"
	 "  deadline: 2h\n"
	 "  segment_size: 5GiB\n"
	 "  base_size: 2TiB\n" REST,
	 "2:10: `epoch`: 2h is out of range; allowed are 1ms to 1h0m0s\n"
	 "3:15: `epoch_size`: 2GiB is out of range; allowed are 64KiB to 1GiB\n"
	 "4:14: `in_flight`: 65 is out of range; allowed are 1 to 32\n"
	 "5:13: `deadline`: 2h is out of range; allowed are 1ms to 1h0m0s\n"
	 "6:17: `segment_size`: 5GiB is out of range; allowed are 4MiB to 4GiB\n"
	 "7:14: `base_size`: 2TiB is out of range; allowed are 1MiB to 1TiB\n"},
	{"segment size", "state: {segment_size: 5000kB}\n" REST,
	 "1:23: `segment_size`: 5000kB is not a multiple of 1MiB\n"},
};

static void test_pipeline_errors_state(void **state)
{
	(void)state;
	expect_all(state_cases, WEIR_COUNT_OF(state_cases));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_pipeline_errors_the_file_as_a_whole),
	cmocka_unit_test(test_pipeline_errors_numbers),
	cmocka_unit_test(test_pipeline_errors_durations),
	cmocka_unit_test(test_pipeline_errors_steps),
	cmocka_unit_test(test_pipeline_errors_sources),
	cmocka_unit_test(test_pipeline_errors_schemas),
	cmocka_unit_test(test_pipeline_errors_sinks),
	cmocka_unit_test(test_pipeline_errors_state),
};

WEIR_TEST_MAIN("pipeline_errors", tests)
