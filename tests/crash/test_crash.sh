#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Real processes: 25 kills, 60 damaged state directories, failing and full disks. The long campaigns are
# make crash, make damage and make faults (docs/TESTING.md).
set -u
build=${WEIR_BUILD:-build/release}
seed=${SEED:-1}
kills=25 damages=60 faults=10
# Everything is slower there.
case $build in
*san | *coverage) kills=8 damages=15 faults=4 ;;
esac
passed=0 failed=0 skipped=0
# The interpreter itself: what is called python3 may be a slow wrapper.
python=$(python3 -c 'import sys; print(sys.executable)')
work=$(mktemp -d "$build/crash-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

# part NAME COMMAND...
part() {
	name=$1
	shift
	echo "== $name: $*"
	if "$@" >"$work/log" 2>&1; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: $name"
	fi
	cat "$work/log"
	skipped=$((skipped + $(grep -c '^SKIP: ' "$work/log")))
}

part "the reconciler finds planted mistakes" "$python" tests/crash/crash.py "$build" --self-test
part "kills" "$python" tests/crash/crash.py "$build" --runs $kills --seed "$seed"
part "damage" "$python" tests/crash/damage.py "$build" --runs $damages --seed "$seed"
part "disks" "$python" tests/crash/faults.py "$build" --runs $faults --seed "$seed"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
