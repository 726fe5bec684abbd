#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What weir says and returns when something is wrong: exit 1 the work failed, 2 usage, 3 the file is wrong.
# shellcheck disable=SC2016 # messages quote names in backquotes
set -u
# shellcheck source=tests/e2e/lib.sh
. tests/e2e/lib.sh
begin bad-input

# ---- usage ----
refused "no verb" 2 "usage: weir VERB"
refused "unknown verb" 2 'unknown verb `fly`' fly
refused "unknown option" 2 'unknown option `--fly`' run --fly x.yaml
refused "unknown letter" 2 'unknown option `-z`' run -z x.yaml
refused "option without its value" 2 '`--workers` needs a value' run --workers
refused "no file" 2 "which pipeline file?" run
refused "two files" 2 "one pipeline file at a time" run a b
refused "no number of workers" 2 "--workers many: a number from 1 to 1024" run --workers many x.yaml
refused "workers out of range" 2 "a number from 1 to 1024" run --workers 0 x.yaml
refused "unknown idle" 2 "adaptive or poll" run --idle lazy x.yaml
refused "unknown output form" 2 "text or json" check -o xml x.yaml
refused "unknown generator" 2 "only \`nexmark\` is known" generate ysb
refused "csv of all streams" 2 "add --only bid" generate nexmark --format csv
refused "wrong duration" 2 "--out-of-order soon" generate nexmark --out-of-order soon
refused "wrong topology" 2 "--topology" explain --topology "core:x" x.yaml
refused "unknown ring verb" 2 "fly" rings fly
refused "nothing runs: status" 1 'no pipeline `none` runs' status none
refused "nothing runs: top" 1 "no pipeline runs on this host" top
refused "nothing runs: tap" 1 "no pipeline runs on this host" tap step

# ---- the pipeline file ----
refused "missing pipeline file" 3 "No such file" run "$dir/none.yaml"
refused "pipeline file is a directory" 3 "Is a directory" run "$dir"
refused "pipeline file in a missing folder" 3 "No such file" check "$dir/none/x.yaml"

pipe keys <<'X'
pipeline: keys
worker: 3
steps:
  in: {source: {file: {path: a.csv, delimeter: ';'}}, schema: {a: int64}}
  big: {from: in, filtre: a > 1}
  out: {from: big, sink: {blackhole: {}}}
X
refused "unknown key" 3 'keys.yaml:2:1: unknown key `worker` in a pipeline file; did you mean `workers`?' \
	run "$dir/keys.yaml"
has "all are told at once: option" "$dir/err" 'keys.yaml:4:37: unknown key `delimeter`'
has "all are told at once: step" "$dir/err" 'keys.yaml:5:19: unknown key `filtre` in step `big`; did you mean `filter`?'
refused "the same from check" 3 "keys.yaml:2:1:" check "$dir/keys.yaml"
refused "the same from explain" 3 "keys.yaml:2:1:" explain "$dir/keys.yaml"

pipe syntax <<'X'
pipeline: syntax
steps: {in: [1, 2
X
refused "broken YAML" 3 "syntax.yaml:3:1:" check "$dir/syntax.yaml"

pipe types <<'X'
pipeline: types
workers: 2.5
ring_size: 64M
steps:
  in: {source: {file: {path: a.csv}}, schema: {a: int64, s: string, w: integer}}
  f: {from: in, filter: s > 1}
  g: {from: in, filter: a + 1}
  h: {from: in, filter: b == 1}
  w: {from: in, key_by: [a], window: {tumbling: 10}, aggregate: {n: sum(s)}}
  out: {from: [f, g, h, w], sink: {blackhole: {}}}
X
refused "wrong type of a setting" 3 'types.yaml:2:10: `workers`: expected a whole number, found `2.5`' \
	check "$dir/types.yaml"
has "unit with two meanings" "$dir/err" 'types.yaml:3:12: `ring_size`'
has "unknown type" "$dir/err" 'types.yaml:5:72:'
has "no unit" "$dir/err" 'which unit? write 10s'

pipe exprs <<'X'
pipeline: exprs
steps:
  in: {source: {file: {path: a.csv}}, schema: {a: int64, s: string}}
  f: {from: in, filter: s > 1}
  g: {from: in, filter: a + 1}
  h: {from: in, filter: aa == 1}
  i: {from: in, map: {x: size(a)}}
  f2: {from: f, sink: {blackhole: {}}}
  g2: {from: g, sink: {blackhole: {}}}
  h2: {from: h, sink: {blackhole: {}}}
  i2: {from: i, sink: {blackhole: {}}}
X
refused "wrong types in an expression" 3 "exprs.yaml:4:2" check "$dir/exprs.yaml"
has "a condition is a bool" "$dir/err" "exprs.yaml:5:2"
has "unknown field" "$dir/err" "exprs.yaml:6:2"
has "wrong argument" "$dir/err" "exprs.yaml:7:3"

pipe cycle <<'X'
pipeline: cycle
steps:
  in: {source: nexmark}
  a: {from: [in.bid, c], union: true}
  b: {from: a, filter: price > 1}
  c: {from: b, filter: price > 2}
  out: {from: c, sink: {blackhole: {}}}
X
refused "cycle" 3 "cycle.yaml:" check "$dir/cycle.yaml"
has "a cycle is called so" "$dir/err" "cycle"

pipe missing <<'X'
pipeline: missing
steps:
  events: {source: nexmark}
  out: {from: event.bid, sink: {blackhole: {}}}
  two: {from: events.bids, sink: {blackhole: {}}}
  lost: {from: nowhere, sink: {blackhole: {}}}
X
refused "missing step" 3 'missing.yaml:4:15:' check "$dir/missing.yaml"
has "a near name is proposed" "$dir/err" 'did you mean `events'
has "missing output" "$dir/err" 'missing.yaml:5:15:'
has "nothing near" "$dir/err" 'missing.yaml:6:16:'

# ---- input that is not there, or is something else ----
# reads NAME PATH [OPTIONS [SCHEMA]]: a pipeline from a file to nowhere.
reads() {
	pipe "$1" <<X
pipeline: $1
steps:
  in:
    source: {file: {path: $2${3:+, $3}}}
    schema: ${4:-{a: int64, b: string\}}
  out: {from: in, sink: {blackhole: {}}}
X
}
reads nofile none.csv
refused "missing input" 1 'cannot open' run "$dir/nofile.yaml"
has "the missing input is named" "$dir/err" "none.csv: No such file"
reads nofolder none/a.csv
refused "input in a missing folder" 1 "none/a.csv: No such file" run "$dir/nofolder.yaml"
mkdir "$dir/empty"
reads emptydir empty "format: csv"
refused "empty input folder" 1 "no file is there" run "$dir/emptydir.yaml"
reads noglob "'empty/*.csv'"
refused "pattern without a file" 1 "no file is there" run "$dir/noglob.yaml"
# It opens, as any file would, and every read of its first page fails: a stand-in for a bad disk.
reads unreadable /proc/self/mem "format: csv"
refused "input that cannot be read" 1 "cannot read /proc/self/mem" run "$dir/unreadable.yaml"
reads noraw none.raw
sed -i '/schema/d' "$dir/noraw.yaml"
refused "missing raw file" 3 "none.raw" check "$dir/noraw.yaml"
echo "this is no raw file at all, whatever its name says" >"$dir/fake.raw"
reads fakeraw fake.raw
sed -i '/schema/d' "$dir/fakeraw.yaml"
refused "a raw file that is none" 3 "fake.raw" run "$dir/fakeraw.yaml"

# ---- a schema that does not fit the file ----
printf 'x,b\n1,one\n' >"$dir/column.csv"
reads column column.csv
refused "missing column" 1 "column.csv" run "$dir/column.yaml"
has "the column is named" "$dir/err" "the header has no column a"
printf 'a,b\n1,one\ntwo,two\n3,three\n' >"$dir/type.csv"
reads type type.csv
refused "wrong type in a column" 1 "type.csv:3:" run "$dir/type.yaml"
has "what is wrong with it" "$dir/err" 'field a: "two" is not a valid int64'
has "what to do" "$dir/err" "on_error: skip or route"
printf 'a,b\n1,one\n2\n3,three\n' >"$dir/short.csv"
reads short short.csv
refused "missing fields in a line" 1 "short.csv:3:" run "$dir/short.yaml"
: >"$dir/void.csv"
reads void void.csv
ok "an empty csv file is an empty input" run "$dir/void.yaml"

# ---- packed input ----
seq 100000 | sed 's/.*/{"a": &, "b": "some text"}/' >"$dir/good.jsonl"
gzip -c "$dir/good.jsonl" >"$dir/whole.jsonl.gz"
head -c 100000 "$dir/whole.jsonl.gz" >"$dir/cut.jsonl.gz"
reads cut cut.jsonl.gz
refused "gzip cut short" 1 "cut.jsonl.gz is gzip data cut short" run "$dir/cut.yaml"
head -c 1000 "$dir/good.jsonl" >"$dir/not.jsonl.gz"
reads not not.jsonl.gz
refused "not gzip at all" 1 "not.jsonl.gz" run "$dir/not.yaml"
zstd -q "$dir/good.jsonl" -o "$dir/whole.jsonl.zst"
head -c 10000 "$dir/whole.jsonl.zst" >"$dir/cut.jsonl.zst"
reads cutzst cut.jsonl.zst
refused "zstd cut short" 1 "cut short" run "$dir/cutzst.yaml"

# ---- lines that cannot be used ----
cat >"$dir/dirty.jsonl" <<'X'
{"a": 1, "b": "one"}
this is no JSON
{"a": "two", "b": "two"}
{"a": 3, "b": "three"}

{"a": 4}
{"a": 5, "b": "five"
{"a": 99999999999999999999, "b": "six"}
{"a": 7, "b": "seven", "more": [1, {"x": null}]}
X
dirty() {
	pipe "dirty-$1" <<X
pipeline: dirty-$1
steps:
  in:
    source: {file: {path: dirty.jsonl}}
    schema: {a: int64, b: string}
    on_error: $1
  out: {from: in, sink: {file: {path: dirty-$1}}}
X
}
dirty stop
refused "garbage stops" 1 "dirty.jsonl:2:" run "$dir/dirty-stop.yaml"
has "the line is shown" "$dir/err" "this is no JSON"
is "no part of a failed run is shown" "$(lines "$dir/dirty-stop")" 0
dirty skip
ok "garbage is skipped" run -o json "$dir/dirty-skip.yaml"
is "skipped lines are counted" "$(json "$dir/err" "j['steps'][0]['rejected'], j['records_in']")" "5 3"
is "good lines pass" "$(cat "$dir/dirty-skip"/part-* | tr -d '\n')" \
	'{"a":1,"b":"one"}{"a":3,"b":"three"}{"a":7,"b":"seven"}'
dirty route
refused "route without a reader" 3 "nobody reads \`in.rejects\`" check "$dir/dirty-route.yaml"
cat >>"$dir/dirty-route.yaml" <<'X'
  bad: {from: in.rejects, sink: {file: {path: dirty-rejects}}}
X
ok "garbage is routed" run -o json "$dir/dirty-route.yaml"
is "routed lines are counted" "$(json "$dir/err" "j['steps'][0]['rejected']")" 5
is "good lines pass by" "$(lines "$dir/dirty-route")" 3
cat "$dir/dirty-rejects"/part-* >"$dir/rejects"
is "rejects: lines" "$("$python" -c '
import json, sys
print(*[json.loads(x)["line"] for x in open(sys.argv[1])])' "$dir/rejects")" "2 3 6 7 8"
is "rejects: offsets and records" "$("$python" - "$dir/rejects" "$dir/dirty.jsonl" <<'X'
import json, sys
text = open(sys.argv[2], "rb").read()
good = 0
for x in open(sys.argv[1]):
    r = json.loads(x)
    line = text.splitlines()[r["line"] - 1]
    good += text[r["offset"]:].startswith(line) and r["record"] == line.decode() and len(r["reason"]) > 5 \
        and r["source"].endswith("dirty.jsonl")
print(good)
X
)" 5

# ---- full disk ----
pipe full <<'X'
pipeline: full
guarantee: none
steps:
  in: {source: {nexmark: {events: 20000}}, parallelism: 1}
  out: {from: in.bid, sink: {file: {path: full}}}
X
mkdir -p "$dir/full"
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=512k weir "$dir/full" 2>/dev/null; then
	refused "full disk" 1 "No space left on device" run "$dir/full.yaml"
	has "the step is named" "$dir/err" 'step `out`'
	is "nothing half-written stays" "$(find "$dir/full" -type f | wc -l)" 0
	# With state it goes on when there is room.
	sed -i '/^guarantee/d' "$dir/full.yaml"
	refused "full disk, with state" 1 "No space left on device" run "$dir/full.yaml"
	has "the step is named, with state" "$dir/err" 'step `out`'
	mount -o remount,size=64m "$dir/full"
	ok "there is room again" run "$dir/full.yaml"
	"$weir" generate nexmark --events 20000 --seed 0 --only bid >"$dir/want"
	cat "$dir/full"/part-* >"$dir/got"
	same "nothing lost, nothing doubled" "$dir/got" "$dir/want"
	umount "$dir/full"
else
	skip "full disk: a file system of our own needs root and mount"
fi
if [ -w /dev/full ]; then
	pipe fullout <<'X'
pipeline: fullout
steps:
  in: {source: {nexmark: {events: 100000}}}
  out: {from: in.bid, sink: {stdout: {}}}
X
	timeout 60 "$weir" run "$dir/fullout.yaml" >/dev/full 2>"$dir/err"
	is "full standard output" "$?" 1
	has "full standard output is told" "$dir/err" "No space left on device"
	refused "generate to a full disk" 1 "No space left on device" generate nexmark --events 100000 --out /dev/full
else
	skip "/dev/full is not there"
fi
echo >"$dir/file"
pipe sinkfile <<'X'
pipeline: sinkfile
steps:
  in: {source: {nexmark: {events: 1000}}}
  out: {from: in.bid, sink: {file: {path: file/parts}}}
X
refused "a file where a folder should be" 1 "Not a directory" run "$dir/sinkfile.yaml"
refused "generate into a missing folder" 1 "No such file" generate nexmark --out "$dir/none/x.jsonl"

# ---- busy port ----
"$python" -c '
import socket, sys, time
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen()
print(s.getsockname()[1], flush=True)
time.sleep(600)' >"$dir/port" &
busy=$!
pids="$pids $busy"
until_ok 30 grep -q . "$dir/port"
port=$(cat "$dir/port")
pipe port <<X
pipeline: port
steps:
  in: {source: {tcp: {listen: "127.0.0.1:$port", format: jsonl}}, schema: {a: int64}}
  out: {from: in, sink: {blackhole: {}}}
X
refused "busy port of a source" 1 "cannot listen on 127.0.0.1:$port: Address already in use" run "$dir/port.yaml"
has "the step of the busy port" "$dir/err" 'step `in`'
pipe quick <<'X'
pipeline: quick
steps:
  in: {source: {nexmark: {events: 100000}}}
  out: {from: in.bid, sink: {blackhole: {}}}
X
refused "busy port of the metrics" 1 "metrics: cannot listen on 127.0.0.1:$port" \
	run --metrics "127.0.0.1:$port" "$dir/quick.yaml"
refused "no address" 1 "host:port" run --metrics nonsense "$dir/quick.yaml"
kill "$busy"
pipe unsent <<X
pipeline: unsent
steps:
  in: {source: {nexmark: {events: 100000}}}
  out: {from: in.bid, sink: {tcp: {address: "127.0.0.1:$(free_port)"}}}
X
refused "nobody listens for a tcp sink" 1 "Connection refused" run "$dir/unsent.yaml"

# ---- the machine has less than asked for ----
ok "no huge pages are no error" run "$dir/quick.yaml"
free=$(cat /sys/kernel/mm/hugepages/hugepages-*/free_hugepages 2>/dev/null | sort -n | tail -n 1)
if [ "${free:-0}" = 0 ]; then
	has "and the line at the start says why" "$dir/err" "no free huge pages"
else
	skip "no huge pages: there are $free free ones"
fi
ok "huge pages not wanted" run --no-huge "$dir/quick.yaml"
has "that is said too" "$dir/err" "huge pages not asked for"
if [ "$(nproc)" -lt 64 ]; then
	sed 's/^pipeline.*/pipeline: many\nworkers: 64/' "$dir/quick.yaml" >"$dir/many.yaml"
	ok "fewer cores than asked for" run "$dir/many.yaml"
	has "a warning says so" "$dir/err" "more workers than allowed cpus"
	has "and it worked" "$dir/err" "92000 records in, 92000 out"
else
	skip "fewer cores than asked for: here are $(nproc)"
fi
refused "segment in a missing folder" 1 "none/seg" run --segment "$dir/none/seg" "$dir/quick.yaml"
finish
