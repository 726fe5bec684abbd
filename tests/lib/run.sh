#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs test programs and scripts one after the other, says what happened, and writes
# BUILD/test/NAME.xml (JUnit) and BUILD/test/NAME.json.
# usage: run.sh BUILD NAME PROGRAM...
# A program: exit 0 passed, 77 skipped, else failed. cmocka programs report each test; of others the
# last line "N passed, N failed[, N skipped]" is read when there is one, else they count as one test.
set -u
build=$1 name=$2
shift 2
dir=$build/test
mkdir -p "$dir/log" "$dir/xml"
rm -f "$dir/$name.list"
WEIR_BUILD=$build
export WEIR_BUILD
# Slow variants (sanitizers) may take longer.
limit=${WEIR_TEST_TIMEOUT:-600}
passed=0 failed=0 skipped=0

for prog in "$@"; do
	short=$(echo "$prog" | sed -e "s|^$build/tests/||" -e 's|^tests/||' -e 's|\.sh$||')
	file=$(echo "$short" | tr / _)
	log=$dir/log/$file.log
	start=$(date +%s%N)
	timeout -k 10 "$limit" "$prog" >"$log" 2>&1 </dev/null
	code=$?
	ms=$((($(date +%s%N) - start) / 1000000))
	# cmocka's closing lines (newer ones name the group first), or the plain one.
	p=$(sed -n 's/^\[  PASSED  \] .*\b\([0-9][0-9]*\) test(s).*/\1/p' "$log" | tail -n 1)
	s=$(sed -n 's/^\[  SKIPPED \] .*\b\([0-9][0-9]*\) test(s).*/\1/p' "$log" | tail -n 1)
	f=$(sed -n 's/^\[  FAILED  \] .*\b\([0-9][0-9]*\) test(s).*/\1/p' "$log" | tail -n 1)
	if [ -z "$p" ]; then
		line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
		p=$(echo "$line" | sed -n 's/^\([0-9]*\) passed.*/\1/p')
		f=$(echo "$line" | sed -n 's/.* \([0-9]*\) failed.*/\1/p')
		s=$(echo "$line" | sed -n 's/.* \([0-9]*\) skipped.*/\1/p')
	fi
	case $code in
	0) p=${p:-1} f=0 s=${s:-0} ;;
	77) p=${p:-0} f=0 s=${s:-1} ;;
	*)
		p=${p:-0} s=${s:-0}
		[ "${f:-0}" -gt 0 ] || f=1
		;;
	esac
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	verdict=ok
	[ "$s" -gt 0 ] && verdict="ok, $s skipped"
	if [ "$f" -gt 0 ]; then
		verdict=FAILED
		[ $code = 124 ] && verdict="FAILED (no end after $limit s)"
	fi
	printf '  %-44s %4s passed  %6d ms  %s\n' "$short" "$p" "$ms" "$verdict"
	if [ "$f" -gt 0 ]; then
		echo "    exit $code; the last lines of $log:"
		tail -n 25 "$log" | sed 's/^/    | /'
	fi
	grep -h '^SKIP: ' "$log" | sed 's/^/    /'
	printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$short" "$code" "$p" "$f" "$s" "$ms" "$log" >>"$dir/$name.list"
done
if command -v python3 >/dev/null 2>&1; then
	python3 tests/lib/report.py "$dir/$name.list" "$dir/$name" || failed=$((failed + 1))
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
