#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The demonstration behind `make run`: run.sh BUILD [WORK]
# Five regions as processes on this machine, joined over encrypted links on loopback. One is cut off and heals while it runs;
# in the end every event is accounted for. No privileges. Everything is in WORK (default out/demo).
set -eu
bin=$(cd "$1/bin" && pwd)
root=$(pwd)
work=${2:-out/demo}
regions="eu us ap sa af"
events=250000 # of each region; 46 of 50 are bids
cut_at=6 cut_for=8

rm -rf "$work"
mkdir -p "$work/examples/clusters"
cp "$root/examples/regions.yaml" "$work/examples/"
cp "$root/examples/clusters/five.yaml" "$work/examples/clusters/"
cd "$work"
# Sockets have short paths; the folder may be deep.
WEIR_RUN_DIR=$(mktemp -d /tmp/weir-demo-XXXXXX)
export WEIR_RUN_DIR
pids=
frozen=
finish() {
	[ -z "$frozen" ] || kill -CONT "$frozen" 2>/dev/null || :
	# shellcheck disable=SC2086 # a list
	[ -z "$pids" ] || kill $pids 2>/dev/null || :
	wait
	rm -rf "$WEIR_RUN_DIR"
}
trap finish EXIT
trap 'exit 1' INT TERM

# sum DIR FIELD: over all parts of a result; header lines do not count.
sum() {
	cat "$1"/part-* 2>/dev/null | awk -F, -v f="$2" '$f ~ /^[0-9]+$/ { n += $f } END { print n + 0 }'
}
short() {
	awk -v n="$1" 'BEGIN { if (n >= 1e6) printf "%.2f M", n / 1e6; else printf "%d k", n / 1e3 }'
}

echo "five regions, each with an engine and a gateway; the cluster: examples/clusters/five.yaml, the pipeline: examples/regions.yaml"
"$bin/weir" certs init examples/clusters/five.yaml >certs.log
engines=
for r in $regions; do
	"$bin/weir" run --fresh -q --metrics off --cluster examples/clusters/five.yaml --region "$r" examples/regions.yaml >"$r.out" 2>"$r.err" &
	engines="$engines $!"
	pids="$pids $!"
	"$bin/weir" gateway --cluster examples/clusters/five.yaml --region "$r" bids >"$r.gateway.log" 2>&1 &
	pids="$pids $!"
	[ "$r" != af ] || gateway=$!
done

running() {
	for p in $engines; do
		if kill -0 "$p" 2>/dev/null; then
			return 0
		fi
	done
	return 1
}
start=$(date +%s)
said=-1
state="all regions are joined"
printf '%6s  %-34s %s\n' "time" "" "bids counted so far, by region: its own / those of all regions that fall to it"
while running; do
	t=$(($(date +%s) - start))
	if [ $t -ge $cut_at ] && [ -z "$frozen" ] && [ "$state" = "all regions are joined" ]; then
		kill -STOP "$gateway"
		frozen=$gateway
		state="af is cut off from all others"
	elif [ -n "$frozen" ] && [ $t -ge $((cut_at + cut_for)) ]; then
		kill -CONT "$frozen"
		frozen=
		state="af is back"
	fi
	if [ $t -ge $((said + 2)) ]; then
		said=$t
		line=
		for r in $regions; do
			line="$line  $r $(short "$(sum "out/regions/$r/own" 4)") / $(short "$(sum "out/regions/$r/everywhere" 4)")"
		done
		printf '%4d s  %-34s %s\n' "$t" "$state" "$line"
	fi
	if [ $t -ge 120 ]; then
		echo "this takes too long: see $work/*.err and *.gateway.log" >&2
		exit 1
	fi
	sleep 0.5
done
for p in $engines; do
	if ! wait "$p"; then
		echo "a region failed: see $work/*.err" >&2
		exit 1
	fi
done

# ---- the audit: every bid made again, counted by other means, and compared row by row ----
echo
"$bin/weir" generate nexmark --events $events --only bid --format csv --out bids.csv
cat out/regions/*/everywhere/part-* >everywhere.csv
awk -F, '
	FNR == 1 { file++ }
	file == 1 && FNR == 1 { for (i = 1; i <= NF; i++) { if ($i == "auction") a = i; if ($i ~ /^(dateTime|date_time)$/) t = i } next }
	file == 1 {
		split($t, p, /[T:.Z]/)
		w = int((p[2] * 3600 + p[3] * 60 + p[4]) / 2)
		made[$a " " w] += 5
		next
	}
	$1 ~ /^[0-9]+$/ {
		split($2, p, /[T:.Z]/)
		got[$1 " " int((p[2] * 3600 + p[3] * 60 + p[4]) / 2)] += $4
	}
	END {
		for (k in made) { n++; m += made[k]; g += got[k]; if (got[k] < made[k]) lost += made[k] - got[k]; if (got[k] > made[k]) doubled += got[k] - made[k] }
		for (k in got) if (!(k in made)) strange += got[k]
		printf "%d %d %d %d %d %d\n", n, m, g, lost, doubled, strange
	}' bids.csv everywhere.csv >audit
read -r groups made counted lost doubled strange <audit
bids=$((made / 5))
echo "audit: bids that each region made, and where they were counted"
printf '  %-10s %14s %18s %22s\n' region "made there" "counted there" "of all, falls to it"
for r in $regions; do
	printf '  %-10s %14d %18d %22d\n' "$r" "$bids" "$(sum "out/regions/$r/own" 4)" "$(sum "out/regions/$r/everywhere" 4)"
done
printf '  %-10s %14d %18d %22d\n' all "$made" "$(cat out/regions/*/own/part-* | awk -F, '$4 ~ /^[0-9]+$/ { n += $4 } END { print n }')" "$counted"
echo "  compared in $groups groups of auction and window: $lost lost, $doubled doubled, $strange from nowhere"
echo
echo "what they said: $work/*.err, *.gateway.log; next: README.md, docs/pipeline.md#regions, and for one region: $bin/weir run examples/first.yaml"
[ "$lost $doubled $strange" = "0 0 0" ] && [ "$made" -gt 0 ]
