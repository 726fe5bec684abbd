#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# libFuzzer on each program for SECONDS: run.sh SECONDS PROGRAM... New inputs go to build/fuzz/corpus.
set -eu
seconds=$1
shift
for prog in "$@"; do
	name=$(basename "$prog" | sed 's/^run_fuzz_//')
	out=build/fuzz/corpus/$name
	mkdir -p "$out" build/fuzz/crash
	echo "== $name, $seconds s"
	"$prog" -max_total_time="$seconds" -max_len=65536 -rss_limit_mb=2048 -timeout=10 -print_final_stats=1 \
		-artifact_prefix="build/fuzz/crash/$name-" "$out" "tests/data/corpus/$name" 2>&1 |
		grep -E '^(stat::|==|SUMMARY|artifact|Test unit|.*ERROR)' || true
	if ls build/fuzz/crash/"$name"-* >/dev/null 2>&1; then
		echo "$name: crashes in build/fuzz/crash/"
		exit 1
	fi
done
