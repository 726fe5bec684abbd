#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A short run of the simulator: golden traces, some seeds twice each, a pipeline of its own, the command line.
# In a build with planted bugs also: some of them, and the canary, must be found.
set -u
build=${WEIR_BUILD:-build/release}
sim=$build/bin/weir-sim
seeds=${WEIR_SIM_SEEDS:-1-40}
passed=0 failed=0
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

ok() {
	if [ "$2" = "$3" ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: $1: $2, expected $3"
	fi
}

for story in $("$sim" --list-stories | cut -d' ' -f1); do
	"$sim" --story "$story" >"$dir/story"
	ok "story $story: exit code" $? 0
	diff -u "tests/sim/golden/$story.txt" "$dir/story"
	ok "story $story: as in tests/sim/golden" $? 0
done

"$sim" --seeds "$seeds" >"$dir/out" 2>&1
ok "seeds $seeds" $? 0
cat "$dir/out"
ok "speed is said" "$(grep -c 'simulated seconds per CPU second' "$dir/out")" 1

"$sim" --regions 3 --seeds "${WEIR_SIM_REGION_SEEDS:-1-20}" >"$dir/out" 2>&1
ok "three regions" $? 0
cat "$dir/out"
"$sim" --regions 5 --seeds "${WEIR_SIM_REGION5_SEEDS:-1-4}" >"$dir/out" 2>&1
ok "five regions" $? 0
"$sim" --regions 16 --seeds 1-1 --once >"$dir/out" 2>&1
ok "sixteen regions" $? 0

cat >"$dir/mine.yaml" <<'END'
pipeline: mine
steps:
  events:
    source: {nexmark: {events: 5000}}
  per_auction:
    from: events.bid
    key_by: [auction]
    window: {sliding: 100ms, every: 50ms}
    aggregate: {n: count(), highest: max(price)}
  out:
    from: per_auction
    sink: {file: {path: out}}
END
"$sim" --seeds 1-5 "$dir/mine.yaml" >"$dir/out" 2>&1
ok "a pipeline of one's own" $? 0
[ $failed = 0 ] || cat "$dir/out"
"$sim" "$dir/none.yaml" >"$dir/out" 2>&1
ok "a pipeline that is not there" $? 2

"$sim" --help >"$dir/out"
ok "--help" $? 0
"$sim" --nothing >"$dir/out" 2>&1
ok "unknown option" $? 2
"$sim" --seeds 5-1 >"$dir/out" 2>&1
ok "seeds the wrong way round" $? 2
"$sim" --regions 2 >"$dir/out" 2>&1
ok "too few regions" $? 2
"$sim" --seed 1 -o json --once | python3 -m json.tool >"$dir/out"
ok "-o json is JSON" $? 0

if "$sim" --plant CANARY --seeds 1-1 >"$dir/out" 2>&1; then
	for bug in NO_ALIGN LOSE_TOUCHED RELEASE_EARLY ACK_BEFORE_DURABLE NO_BODY_CHECK SINK_ASSUME; do
		"$sim" --plant $bug --seeds 1-200 >"$dir/out"
		ok "planted: $bug" $? 0
	done
	for bug in EDGE_SHIP_BEFORE_COMMIT EDGE_HIGH_WATERMARK EDGE_TRIM_ON_RECEIPT EDGE_NO_CHAIN \
		LANE_GIVE_EARLY LANE_KEEPS_HALF LANE_CREDIT_EARLY GATE_NO_REACH; do
		"$sim" --plant $bug --regions 3 --seeds 1-100 >"$dir/out"
		ok "planted: $bug" $? 0
	done
elif grep -q 'VARIANT=planted' "$dir/out"; then
	echo "no bugs are planted in this build: the canary was left out"
else
	ok "the canary is found" no yes
fi
echo "$passed passed, $failed failed"
[ $failed = 0 ]
