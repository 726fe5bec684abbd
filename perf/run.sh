#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# All benchmarks, or those named: run.sh [ring] [hop] [count] [nexmark] [latency] [json] [journal]
# [guarantee] [barrier] [recovery] [instructions] [backpressure] [link] [crdt] [shared]
# Results also go to build/perf/ as JSON lines, headed by machine and commit.
set -eu
cd "$(dirname "$0")/.."
sh tests/lib/deps.sh build bench
[ $# -gt 0 ] || set -- ring json journal count nexmark hop latency guarantee barrier recovery instructions link backpressure crdt shared
b=build/release
out=build/perf
mkdir -p "$out"
make -s all
machine() {
	cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
	echo "machine: $(nproc) x $cpu, $(sed -n 's/^PRETTY_NAME=//p' /etc/os-release | tr -d '"'), kernel $(uname -r)"
	echo "huge pages: $(sed -n 's/^HugePages_Free: *//p' /proc/meminfo) free of 2 MiB"
	echo "commit: $(git rev-parse --short HEAD 2>/dev/null || echo unknown)$(git diff --quiet 2>/dev/null || echo ' with changes')"
	echo "load before: $(cut -d' ' -f1-3 /proc/loadavg)"
}
BENCH_COMMIT=$(git describe --always --dirty 2>/dev/null || echo unknown)
export BENCH_COMMIT
machine | tee "$out/machine.txt"
for what in "$@"; do
	echo
	case $what in
	ring)
		make -s $b/perf/ring_bench
		$b/perf/ring_bench --json "$out/ring.jsonl"
		;;
	json)
		make -s $b/perf/json_bench
		[ -f "$out/bid.jsonl" ] || $b/bin/weir generate nexmark --events 500000 --only bid --out "$out/bid.jsonl"
		echo "JSON lines of Nexmark bids into values, one core"
		$b/perf/json_bench "$out/bid.jsonl" 9 2>"$out/json.jsonl"
		;;
	journal)
		make -s $b/perf/journal_bench
		echo "bundles into the journal, against bare io_uring appends"
		$b/perf/journal_bench --json "$out/journal.jsonl" "$out"
		;;
	count | nexmark | hop | latency)
		make -s $b/perf/hop_bench $b/perf/probe.so
		python3 perf/e2e/bench.py "$what" $b "$out"
		;;
	guarantee | barrier | recovery)
		make -s $b/perf/probe.so
		python3 perf/e2e/guarantee.py "$what" $b "$out"
		;;
	backpressure)
		make -s $b/perf/slow.so
		# shellcheck disable=SC2086 # options: OPTIONS="--long"
		python3 perf/e2e/backpressure.py $b "$out" ${OPTIONS:-}
		;;
	shared)
		make -s $b/perf/probe.so
		# shellcheck disable=SC2086
		python3 perf/e2e/shared.py $b "$out" ${OPTIONS:-}
		;;
	link)
		make -s $b/perf/probe.so $b/perf/quic_bench
		# shellcheck disable=SC2086
		python3 perf/e2e/link.py $b "$out" ${OPTIONS:-}
		;;
	crdt)
		make -s $b/perf/crdt_bench
		echo "merges of shared state, one core"
		$b/perf/crdt_bench --json "$out/crdt.jsonl"
		;;
	instructions)
		perf/e2e/instructions.sh $b "$out"
		;;
	*)
		echo "run.sh: ring, hop, count, nexmark, latency, json, journal, guarantee, barrier, recovery, instructions, backpressure, link or crdt" >&2
		exit 2
		;;
	esac
done
