#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The command line: help, JSON, plans, generated events.
# shellcheck disable=SC2016 # messages quote names in backquotes
set -u
# shellcheck source=tests/e2e/lib.sh
. tests/e2e/lib.sh
begin cli

# ---- help and version ----
for verb in run check explain generate status top tap epochs verify rings; do
	ok "help of $verb" "$verb" --help
	check "help of $verb says how to call it" grep -qi '^usage: weir' "$dir/out"
	is "help of $verb is no message" "$(wc -c <"$dir/err" | tr -d ' ')" 0
	check "$verb is in the list of verbs" sh -c "'$weir' --help | grep -q '^  $verb '"
done
for verb in list stat watch dump check copy; do
	ok "help of rings $verb" rings "$verb" --help
done
ok "short help" run -h
ok "version" --version
has "version" "$dir/out" "weir $(cat VERSION)"
check "version of the engine" "$build/bin/weir-engine" --version

# ---- check, explain ----
pipe count <<'X'
pipeline: count
workers: 2
steps:
  events: {source: {nexmark: {events: 100000}}}
  cheap: {from: events.bid, filter: price < 1000}
  per_channel:
    from: cheap
    key_by: [channel]
    window: {tumbling: 1s}
    aggregate: {n: count(), top: max(price)}
  out: {from: per_channel, sink: {file: {path: count}}}
X
printf 'pipeline: bad\nsteps: {a: {sorce: nexmark}}\n' >"$dir/bad.yaml"
ok "check" check "$dir/count.yaml"
has "check tells" "$dir/out" 'pipeline `count` with 4 steps is right'
ok "check as JSON" check -o json "$dir/count.yaml"
check "check: JSON" "$python" -m json.tool "$dir/out"
refused "check of several goes on" 3 "bad.yaml:2:13" check "$dir/bad.yaml" "$dir/count.yaml"
has "check of several: the right one" "$dir/out" "is right"
run check -o json "$dir/bad.yaml"
is "wrong file as JSON: exit code" "$code" 3
is "wrong file as JSON" "$(json "$dir/out" "j['ok'], j['errors'][0]['line'], j['errors'][0]['column']")" "False 2 13"
run check -o json "$dir/none.yaml"
is "missing file as JSON: exit code" "$code" 3
is "missing file as JSON" "$(json "$dir/out" "j['ok'], 'No such file' in j['errors'][0]['message']")" "False True"
check "check from standard input" sh -c "'$weir' check - <'$dir/count.yaml'"
check "check of the examples" sh -c "'$weir' check examples/first.yaml examples/nexmark/*.yaml"
is "nothing was written" "$(find "$dir/count" 2>/dev/null | wc -l)" 0

ok "explain" explain "$dir/count.yaml"
has "explain: chains" "$dir/out" "chain 0, 2 tasks"
has "explain: exchange" "$dir/out" "rings cheap -> per_channel: 4, by key"
ok "explain as JSON" explain -o json "$dir/count.yaml"
check "explain: JSON" "$python" -m json.tool "$dir/out"
is "explain: links" "$(json "$dir/out" "j['links'][0]['spread'], j['links'][0]['rings']")" "key 4"
ok "explain as a graph" explain --dot "$dir/count.yaml"
is "explain: graph" "$("$python" - "$dir/out" <<'X'
import re, sys
t = open(sys.argv[1]).read()
print(t.startswith('digraph "count" {'), t.count("{") == t.count("}"), len(re.findall(r' -> ', t)))
X
)" "True True 3"
if command -v dot >/dev/null 2>&1; then
	check "explain: graphviz takes the graph" dot -Tsvg "$dir/out"
fi
ok "explain: more workers" explain --workers 3 -o json "$dir/count.yaml"
is "explain: workers of the option" "$(json "$dir/out" "len(j['workers'])")" 3

# plan WORKERS-WANTED CPUS TEXT [ALLOWED]: the plan for another machine
sed '/^workers/d' "$dir/count.yaml" >"$dir/free.yaml"
plan() {
	ok "plan for $3" explain --topology "$3" ${4:+--allowed "$4"} -o json "$dir/free.yaml"
	check "plan for $3: JSON" "$python" -m json.tool "$dir/out"
	is "plan for $3${4:+ allowed $4}: workers" "$(json "$dir/out" "len(j['workers'])")" "$1"
	is "plan for $3${4:+ allowed $4}: cpus" "$(json "$dir/out" "' '.join(str(w['cpu']) for w in j['workers'])")" "$2"
	is "plan for $3: not crowded" "$(json "$dir/out" "j['oversubscribed']")" False
}
plan 1 "0" "package:1 core:1 pu:1"
plan 2 "0 1" "package:1 core:2 pu:1"
plan 2 "0 3" "package:1 core:8 pu:1" "0,3"
plan 2 "0 2" "package:1 core:2 pu:2"
ok "plan for two sockets" explain --topology "package:2 numa:2 l3:1 core:8 pu:2" -o json "$dir/free.yaml"
is "plan for two sockets: a worker a core" "$(json "$dir/out" "len(j['workers']), all(w['cpu'] % 2 == 0 for w in j['workers'])")" "32 True"
ok "plan with holes" explain --topology "package:2 numa:2 l3:1 core:8 pu:2" --allowed "2-5,40,41" "$dir/free.yaml"
has "plan with holes: cpus" "$dir/out" "(cpu 40)"
refused "explain of a wrong list" 2 "--topology" explain --topology "package:1 core:2 pu:1" --allowed "x" "$dir/free.yaml"

# ---- run ----
ok "run, summary as JSON" run -q -o json "$dir/count.yaml"
check "run: JSON" "$python" -m json.tool "$dir/err"
is "run: nothing but JSON" "$(wc -l <"$dir/err" | tr -d ' ')" 1
is "run: counts" "$(json "$dir/err" "j['records_in'], j['failed'], j['steps'][0]['watermark'], j['pipeline']")" "92000 False end count"
cat "$dir/count"/part-* | sort >"$dir/first"
ok "once more: nothing is left to do" run "$dir/count.yaml"
has "and that is told" "$dir/err" "an earlier run has processed the whole input; --fresh starts over"
has "nothing was read" "$dir/err" "count: 0 records in, 0 out"
cat "$dir/count"/part-* | sort >"$dir/second"
same "results stay as they are" "$dir/first" "$dir/second"
ok "unless it shall start over" run --fresh "$dir/count.yaml"
cat "$dir/count"/part-* | sort >"$dir/second"
same "and they are the same again" "$dir/first" "$dir/second"
ok "with one worker" run --fresh --workers 1 "$dir/count.yaml"
cat "$dir/count"/part-* | sort >"$dir/second"
same "one worker, same results" "$dir/first" "$dir/second"
ok "polling, not pinned" run --fresh --idle poll --no-pin --no-huge "$dir/count.yaml"
cat "$dir/count"/part-* | sort >"$dir/second"
same "polling, same results" "$dir/first" "$dir/second"
ok "segment in a file" run --fresh --segment "$dir/segment" "$dir/count.yaml"
ok "log as JSON" run --fresh --log-format json "$dir/count.yaml"
check "log: JSON" sh -c "head -n 1 '$dir/err' | '$python' -m json.tool"
ok "log as logfmt" run --fresh "$dir/count.yaml"
check "log: logfmt" grep -qE '^time=[0-9T:.Z-]+ level=info msg=running pipeline=count ' "$dir/err"
ok "progress" run --fresh --progress "$dir/count.yaml"
has "summary" "$dir/err" "count: 92000 records in, "
ok "quiet" run --fresh -q "$dir/count.yaml"
is "quiet" "$(wc -c <"$dir/err" | tr -d ' ')" 0

# ---- status without a pipeline ----
ok "nothing runs" status
has "nothing runs" "$dir/out" "no pipeline runs on this host"
ok "nothing runs, as JSON" status -o json
is "nothing runs, as JSON" "$(wc -c <"$dir/out" | tr -d ' ')" 0
ok "rings: nothing runs" rings list

# ---- generate ----
gen() {
	ok "generate $*" generate nexmark --events 10000 "$@"
}
gen --out "$dir/e.jsonl"
gen --out "$dir/e2.jsonl"
same "generate: same bytes again" "$dir/e.jsonl" "$dir/e2.jsonl"
is "generate: events" "$(lines "$dir/e.jsonl" | tr -d ' ')" 10000
gen --seed 2 --out "$dir/e2.jsonl"
check "generate: another seed, other bytes" sh -c "! cmp -s '$dir/e.jsonl' '$dir/e2.jsonl'"
ok "generate: a piece of it" generate nexmark --events 5000 --first 5000 --out "$dir/e2.jsonl"
tail -n 5000 "$dir/e.jsonl" >"$dir/tail.jsonl"
same "generate: event n depends on n alone" "$dir/e2.jsonl" "$dir/tail.jsonl"
gen --out "$dir/e.jsonl.gz"
gzip -dc "$dir/e.jsonl.gz" >"$dir/e2.jsonl"
same "generate: gzip" "$dir/e.jsonl" "$dir/e2.jsonl"
gen --out "$dir/e.jsonl.zst"
zstd -qdc "$dir/e.jsonl.zst" >"$dir/e2.jsonl"
same "generate: zstd" "$dir/e.jsonl" "$dir/e2.jsonl"
ok "generate to standard output" generate nexmark --events 10000
same "generate to standard output" "$dir/out" "$dir/e.jsonl"
gen --out-of-order 2s --region eu --base-time 2024-01-01T00:00:00Z --events-per-second 50 --only bid --out "$dir/o.jsonl"
is "generate: options" "$("$python" - "$dir/o.jsonl" <<'X'
import json, sys
r = [json.loads(x) for x in open(sys.argv[1])]
t = [x["dateTime"] for x in r]
print(len(r), min(t)[:18], {x["region"] for x in r}, t == sorted(t))
X
)" "9200 2024-01-01T00:00:0 {'eu'} False"

# raw, jsonl and csv hold the same
gen --out "$dir/e.raw"
gen --only bid --out "$dir/bid.csv"
gen --only bid --out "$dir/bid.jsonl"
gen --only bid --out "$dir/bid.raw"
pipe back <<'X'
pipeline: back
steps:
  raw: {source: {file: {path: bid.raw}}, parallelism: 1}
  out: {from: raw, sink: {file: {path: back}}, parallelism: 1}
X
ok "raw to jsonl" run "$dir/back.yaml"
cat "$dir/back"/part-* >"$dir/back.jsonl"
same "raw -> weir -> jsonl is what generate says in jsonl" "$dir/back.jsonl" "$dir/bid.jsonl"
pipe streams <<'X'
pipeline: streams
steps:
  raw: {source: {file: {path: e.raw}}, parallelism: 1}
  bids: {from: raw.bid, sink: {file: {path: streams}}, parallelism: 1}
X
ok "raw with three streams" run "$dir/streams.yaml"
cat "$dir/streams"/part-* >"$dir/back.jsonl"
same "the bids among them" "$dir/back.jsonl" "$dir/bid.jsonl"
pipe three <<'X'
pipeline: three
steps:
  in:
    source: {file: {path: bid.csv}}
    parallelism: 1
    schema: &schema {auction: int64, bidder: int64, price: int64, channel: string, url: string,
      dateTime: timestamp, extra: string, region: string}
  out: {from: in, sink: {file: {path: three-csv}}, parallelism: 1}
X
sed -i 's/&schema //' "$dir/three.yaml"
ok "csv to jsonl" run "$dir/three.yaml"
cat "$dir/three-csv"/part-* >"$dir/back.jsonl"
same "csv -> weir -> jsonl is the same" "$dir/back.jsonl" "$dir/bid.jsonl"
sed -e 's/: three$/: toraw/' -e 's/bid.csv/bid.jsonl/' -e 's/{path: three-csv}/{path: three-raw, format: raw}/' "$dir/three.yaml" >"$dir/toraw.yaml"
ok "jsonl to raw" run "$dir/toraw.yaml"
cp "$dir/three-raw"/part-*.raw "$dir/bid.raw"
ok "and back" run --fresh "$dir/back.yaml"
cat "$dir/back"/part-* >"$dir/back.jsonl"
same "jsonl -> raw -> jsonl is the same" "$dir/back.jsonl" "$dir/bid.jsonl"
sed -e 's/: three$/: tocsv/' -e 's/bid.csv/bid.jsonl/' -e 's/{path: three-csv}/{path: three-csv2, format: csv}/' "$dir/three.yaml" >"$dir/tocsv.yaml"
ok "jsonl to csv" run "$dir/tocsv.yaml"
cat "$dir/three-csv2"/part-* >"$dir/back.csv"
same "jsonl -> csv is what generate says in csv" "$dir/back.csv" "$dir/bid.csv"
finish
