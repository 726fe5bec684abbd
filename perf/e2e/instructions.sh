#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Instructions per record on the hot paths, counted by callgrind: repeatable whatever else the machine does.
# instructions.sh BUILD OUT [--save]; compares with perf/baseline/instructions.txt; --save writes it.
set -eu
weir=$1/bin/weir-engine
out=$2
base=perf/baseline/instructions.txt
command -v valgrind >/dev/null || { echo "no valgrind: make deps-bench installs it"; exit 1; }
events=20000
mkdir -p "$out"
"$weir" generate nexmark --events $events --only bid --out "$out/ins.raw"
"$weir" generate nexmark --events $events --only bid --out "$out/ins.jsonl"
"$weir" generate nexmark --events $events --only bid --out "$out/ins.csv"
schema='{auction: int64, bidder: int64, price: int64, channel: string, url: string, dateTime: timestamp, extra: string, region: string}'

# The difference of two runs of different length leaves start-up out.
count() { # yaml with LOOP
	for loop in 1 3; do
		sed "s/LOOP/$loop/" >"$out/ins.yaml" <<TEXT
$1
TEXT
		valgrind --tool=callgrind --callgrind-out-file=/dev/null "$weir" run -q --no-huge --no-pin "$out/ins.yaml" 2>&1 |
			sed -n 's/.*Collected : //p'
	done | awk 'NR == 1 { a = $1 } NR == 2 { print $1 - a }'
}
head() { # source, schema line
	printf 'pipeline: ins\nworkers: 1\nparallelism: 1\nsteps:\n  e:\n    source: {memory: {path: ins.%s, loop: LOOP}}\n%s    event_time: dateTime\n' "$1" "$2"
}
raw=$(head raw "")
records=$(wc -l <"$out/ins.jsonl")
: >"$out/instructions.txt"
line() {
	n=$(count "$2")
	echo "$1 $((n / (2 * records)))" >>"$out/instructions.txt"
}
line pass_raw "$raw
  out: {from: e, sink: blackhole}"
line filter "$raw
  f: {from: e, filter: price > 1000}
  out: {from: f, sink: blackhole}"
line map_fixed "$raw
  m: {from: e, map: {a: auction, b: price * 2}}
  out: {from: m, sink: blackhole}"
line count_by_key "$raw
  c: {from: e, key_by: [auction], window: {tumbling: 10s}, aggregate: {n: count()}}
  out: {from: c, sink: blackhole}"
line hop_by_ring "$raw
  k: {from: e, key_by: [auction], parallelism: 1, fuse: false}
  out: {from: k, sink: blackhole}"
line read_jsonl "$(head jsonl "    schema: $schema
")
  out: {from: e, sink: blackhole}"
line read_csv "$(head csv "    schema: $schema
")
  out: {from: e, sink: blackhole}"
if [ "${3:-}" = --save ]; then
	cp "$out/instructions.txt" "$base"
fi
echo "Instructions per record (callgrind), against $base"
awk 'FILENAME == ARGV[1] { b[$1] = $2; next }
	{ printf "  %-14s %6d", $1, $2; if (b[$1]) printf "   %+.1f %%", 100 * ($2 - b[$1]) / b[$1]; print "" }' \
	"$([ -f $base ] && echo $base || echo /dev/null)" "$out/instructions.txt"
