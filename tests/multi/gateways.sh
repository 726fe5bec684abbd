# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# shellcheck disable=SC2154 # variables of lib.sh and of the script
# What scripts with gateways share; sourced behind tests/e2e/lib.sh. $cluster is the file of the cluster, $pipeline the name.

# gateway NAME REGION ARGS...: in the background; log in $dir/NAME.err, pid in $pid.
gateway() {
	name=$1 region=$2
	shift 2
	"$weir" gateway --cluster "$cluster" --region "$region" --metrics 127.0.0.1:0 "$@" "$pipeline" >"$dir/$name.out" 2>"$dir/$name.err" </dev/null &
	pid=$!
	pids="$pids $pid"
}

# engine NAME REGION ARGS...: likewise.
engine() {
	name=$1 region=$2
	shift 2
	start "$name" -q --metrics off --cluster "$cluster" --region "$region" "$@" "$dir/$pipeline.yaml"
}

# logs NAME TEXT: its log has the text.
logs() {
	grep -qF -e "$2" "$dir/$1.err"
}

metrics_at() {
	sed -n 's/.*metrics=\([0-9.:]*\).*/\1/p' "$dir/$1.err" | head -n 1
}

# metric NAME SERIES [LABEL]: the sum of a gateway's values of a series, with this label only.
metric() {
	curl -s -m 5 "http://$(metrics_at "$1")/metrics" | awk -v name="$2" -v label="${3:-}" \
		'index($1, name "{") == 1 && index($1, label) { n += $2 } END { print n + 0 }'
}

# metric_is NAME SERIES LABEL VALUE; metric_above likewise.
metric_is() {
	[ "$(metric "$1" "$2" "$3")" = "$4" ]
}

metric_above() {
	[ "$(metric "$1" "$2" "$3")" -gt "$4" ]
}

# rss PID: KiB
rss() {
	sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status"
}

# rows FILE...: of csv parts, without their headers, sorted.
rows() {
	cat "$@" 2>/dev/null | grep -v '[a-z]$' | sort
}

# reference EVENTS TIMES: $dir/want has bids per auction and window as one region counts them, for so many regions with the same bids.
reference() {
	pipe reference <<X
pipeline: reference
metrics: off
steps:
  events: {source: {nexmark: {events: $1}}}
  counts: {from: events.bid, key_by: [auction], window: {tumbling: 2s}, aggregate: {n: count(), highest: max(price)}}
  out: {from: counts, sink: {file: {path: reference, format: csv}}}
X
	ok "the reference" run -q --fresh "$dir/reference.yaml"
	rows "$dir"/reference/part-* | awk -F, -v OFS=, -v times="$2" '{ $4 *= times; print }' | sort >"$dir/want"
}
