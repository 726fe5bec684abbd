#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Looking at a pipeline while it runs, and ending it.
# shellcheck disable=SC2016,SC2317 # messages quote names in backquotes; functions are called by name
set -u
# shellcheck source=tests/e2e/lib.sh
. tests/e2e/lib.sh
begin live

pipe live <<'X'
pipeline: live
workers: 2
metrics: 127.0.0.1:0
steps:
  events: {source: {nexmark: {rate: 20000}}}
  cheap: {from: events.bid, filter: price < 100000, fuse: false}
  per_channel:
    from: cheap
    key_by: [channel]
    window: {tumbling: 1h}
    aggregate: {n: count(), highest: max(price)}
  out: {from: per_channel, sink: {file: {path: live}}}
X
start live -o json "$dir/live.yaml"
live=$pid
comes "it answers" "$weir" status live
flows() {
	[ "$(status_of live "step['per_channel']['records_in']")" -gt "${1:-0}" ]
}
comes "records flow" flows

# ---- status ----
ok "status" status live
has "status: a step" "$dir/out" "per_channel"
has "status: running" "$dir/out" "running"
ok "status of all" status
has "status of all" "$dir/out" "live  pid $live"
ok "status as JSON" status -o json live
check "status: JSON" "$python" -m json.tool "$dir/out"
is "status: who" "$(json "$dir/out" "j['pipeline'], j['pid'], j['running'], j['failed'], len(j['steps']), len(j['workers'])")" \
	"live $live True False 4 2"
is "status: watermark is a time" "$(status_of live "step['per_channel']['watermark'][:10]")" "2015-07-15"

# ---- top ----
ok "top" top --count 2 live
is "top: two samples" "$(grep -c '^STEP ' "$dir/out")" 2
has "top: rates" "$dir/out" "IN/s"
ok "top as JSON" top --count 2 -o json
is "top: JSON, one object a sample" "$("$python" -c '
import json, sys
print(*[json.loads(x)["pipeline"] for x in open(sys.argv[1])])' "$dir/out")" "live live"

# ---- tap ----
ok "tap" tap --count 20 live cheap
is "tap: records of the step" "$("$python" -c '
import json, sys
r = [json.loads(x) for x in open(sys.argv[1])]
print(len(r), all(x["price"] < 100000 and "url" in x for x in r))' "$dir/out")" "20 True"
ok "tap of a stream of the source" tap --count 3 live events.bid
is "tap of a stream: records" "$(lines "$dir/out" | tr -d ' ')" 3
ok "tap of the source takes a stream that is read" tap --count 3 live events
has "tap of the source" "$dir/out" '"bidder":'
refused "tap: a stream nobody reads" 1 "nobody reads" tap --count 3 live events.person
refused "tap: no such step" 1 'no step `cheep`' tap live cheep
refused "tap: no such output" 1 'has no output `bids`' tap live events.bids
refused "tap: a sink" 1 "a sink emits nothing" tap live out
refused "tap: no name at all" 2 "is no step name" tap live 'a"b'
"$weir" tap live cheap >"$dir/tap1" 2>&1 &
tap=$!
pids="$pids $tap"
comes "a tap without an end" [ -s "$dir/tap1" ]
refused "a second tap" 1 "another tap is open" tap --count 1 live cheap
kill "$tap"
wait "$tap" 2>/dev/null
again() {
	"$weir" tap --count 5 live cheap
}
comes "a tap after a tap" again
more() {
	flows_from=$(status_of live "step['per_channel']['records_in']")
	comes "$1" flows $((flows_from + 1000))
}
more "the pipeline still flows"

# ---- rings ----
ok "rings list" rings list
has "rings list: the pipeline" "$dir/out" "live"
ok "rings list of one" rings list -o json live
check "rings list: JSON" "$python" -m json.tool "$dir/out"
ok "rings stat" rings stat live
has "rings stat: a ring by its steps" "$dir/out" "events.bid.0>cheap.0"
ok "rings stat as JSON" rings stat -o json live
check "rings stat: JSON" "$python" -m json.tool "$dir/out"
ok "rings check of a live segment" rings check live
ok "rings dump" rings dump -l 5 live
ok "rings copy" rings copy live "$dir/copy.seg"
ok "rings check of a copy" rings check "$dir/copy.seg"
ok "rings watch" rings watch -n 2 -i 100ms live
refused "rings of nobody" 1 "nobody" rings stat nobody

# ---- metrics ----
where=$(status_of live "s['metrics']")
fetch() {
	curl -sS -m 20 -o "$dir/body" -w '%{http_code}' "$@"
}
is "livez" "$(fetch "http://$where/livez")" 200
is "healthz" "$(fetch "http://$where/healthz")" 200
is "readyz" "$(fetch "http://$where/readyz")" 200
is "another path" "$(fetch "http://$where/")" 404
is "another method" "$(fetch -X POST "http://$where/metrics")" 405
is "metrics" "$(fetch "http://$where/metrics")" 200
cp "$dir/body" "$dir/metrics"
check "metrics: a counter" grep -qE '^weir_step_records_in_total\{pipeline="live",step="cheap"\} [0-9]+$' "$dir/metrics"
check "metrics: a gauge" grep -qE '^weir_step_watermark_timestamp_seconds\{pipeline="live",step="per_channel"\} 14369' "$dir/metrics"
has "metrics: running" "$dir/metrics" 'weir_pipeline_running{pipeline="live"} 1'
check "metrics: no value twice" sh -c "! grep -v '^#' '$dir/metrics' | sed 's/ [^ ]*\$//' | sort | uniq -d | grep ."
if promtool=$(sh tests/lib/promtool.sh); then
	if "$promtool" check metrics <"$dir/metrics" >"$dir/promtool" 2>&1; then
		pass
	else
		fail "promtool check metrics" "$dir/promtool"
	fi
	is "promtool says nothing" "$(wc -c <"$dir/promtool" | tr -d ' ')" 0
else
	skip "promtool check metrics: $promtool"
fi
is "metrics as OpenMetrics" "$(fetch -H 'Accept: application/openmetrics-text; version=1.0.0' -D "$dir/head" "http://$where/metrics")" 200
check "metrics: type" grep -qi '^content-type: application/openmetrics-text' "$dir/head"
is "metrics: end mark" "$(tail -n 1 "$dir/body")" "# EOF"

# ---- the same name twice ----
refused "the same pipeline twice" 1 'a pipeline `live` runs already on this host' run "$dir/live.yaml"
refused "the same pipeline twice, results to be replaced" 1 "runs already" run --fresh "$dir/live.yaml"
more "the first one goes on"

# ---- SIGTERM stops: what was read is committed, the input has not ended ----
"$weir" tap live cheap >"$dir/tap2" 2>&1 &
tap=$!
pids="$pids $tap"
comes "a tap that is open" [ -s "$dir/tap2" ]
kill -TERM "$live"
ends "SIGTERM" "$live" 0
has "SIGTERM is told" "$dir/live.err" "stopping after one more epoch"
ends "a tap ends with its pipeline" "$tap" 0
is "open windows stay open" "$(find "$dir/live" -name 'part-*' | wc -l | tr -d ' ')" 0
is "all is committed" "$(json "$dir/live.err" "j['epochs']['open'] == j['epochs']['durable'] > 0")" True
check "the socket is gone" [ ! -e "$WEIR_RUN_DIR/live.sock" ]
refused "and nobody answers" 1 'no pipeline `live` runs' status live
check "the port is closed" sh -c "! curl -s -m 5 http://$where/livez"

# ---- without state SIGTERM drains ----
sed -e 's/^pipeline: live/pipeline: drained\nguarantee: none/' -e 's/path: live/path: drained/' "$dir/live.yaml" >"$dir/drained.yaml"
start drained -o json "$dir/drained.yaml"
comes "drained: it answers" "$weir" status drained
is "it keeps no state" "$(status_of drained "s['epochs']")" "{'kept': False}"
drained_flows() {
	[ "$(status_of drained "step['per_channel']['records_in']")" -gt 1000 ]
}
comes "drained: records flow" drained_flows
kill -TERM "$pid"
ends "SIGTERM without state" "$pid" 0
has "draining is told" "$dir/drained.err" "draining"
check "open windows are written" [ "$(lines "$dir/drained")" -gt 3 ]
is "and hold every record" "$(cat "$dir/drained"/part-* | "$python" -c '
import json, sys
print(sum(json.loads(x)["n"] for x in sys.stdin))')" \
	"$(json "$dir/drained.err" "{x['step']: x for x in j['steps']}['per_channel']['records_in']")"

# ---- which step holds the others up ----
pipe busy <<'X'
pipeline: busy
workers: 2
steps:
  events: {source: nexmark, parallelism: 1}
  light: {from: events.bid, filter: price > 0, fuse: false, parallelism: 1}
  heavy: {from: light, filter: 'url.matches("(.*[a-z]){5}.*[0-9]$") || price > 0', fuse: false, parallelism: 1}
  last: {from: heavy, filter: price > 0, fuse: false, parallelism: 1}
  out: {from: last, sink: blackhole}
X
start busy "$dir/busy.yaml"
comes "busy: it answers" "$weir" status busy
named() {
	[ "$(status_of busy "s['bottleneck']")" = heavy ]
}
comes "the bottleneck is named" named
named_in_top() {
	"$weir" top --count 1 busy | grep -q 'bottleneck: heavy'
}
comes "and top names it" named_in_top
check "the steps before it are blocked" [ "$(status_of busy "step['events']['blocked_ns'] > step['last']['blocked_ns']")" = True ]

# ---- kill -9 ----
kill -KILL "$pid"
wait "$pid" 2>/dev/null
check "a killed pipeline leaves its socket" [ -S "$WEIR_RUN_DIR/busy.sock" ]
refused "but does not answer" 1 'no pipeline `busy` runs' status busy
ok "status leaves it out" status
has "status leaves it out" "$dir/out" "no pipeline runs"
run rings list
is "the rings show it: exit code" "$code" 1
has "the rings show it" "$dir/out" "no answer"
start busy "$dir/busy.yaml"
comes "and it can be started again" "$weir" status busy
kill -TERM "$pid"
ends "after the restart" "$pid" 0
check "the socket is gone this time" [ ! -e "$WEIR_RUN_DIR/busy.sock" ]

# ---- a second SIGTERM ----
# The receiver never reads: draining cannot come to its end. With state it need not: the output is committed.
"$python" -c '
import socket, time
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen()
print(s.getsockname()[1], flush=True)
kept = [s.accept() for _ in range(2)]
time.sleep(600)' >"$dir/port" &
pids="$pids $!"
until_ok 30 grep -q . "$dir/port"
pipe stuck <<X
pipeline: stuck
guarantee: none
steps:
  events: {source: nexmark, parallelism: 1}
  out: {from: events.bid, sink: {tcp: {address: "127.0.0.1:$(cat "$dir/port")"}}, parallelism: 1}
X
start stuck "$dir/stuck.yaml"
comes "stuck: it answers" "$weir" status stuck
stands() {
	was=$(status_of stuck "s['records_out']")
	[ "${was:-0}" -gt 0 ] && sleep 0.2 && [ "$(status_of stuck "s['records_out']")" = "$was" ]
}
comes "the receiver holds it up" stands
kill -TERM "$pid"
comes "it drains" grep -q draining "$dir/stuck.err"
check "it does not end while draining" kill -0 "$pid"
kill -TERM "$pid"
ends "a second SIGTERM ends it at once" "$pid" 1
has "that is told" "$dir/stuck.err" "stopped before everything was processed"
sed -i -e 's/: stuck/: kept/' -e '/^guarantee/d' "$dir/stuck.yaml"
start kept "$dir/stuck.yaml"
comes "kept: it answers" "$weir" status kept
held() {
	[ "$(status_of kept "s['epochs']['hold']")" = True ]
}
comes "with state, input is held when the receiver has left too much waiting" held
kill -TERM "$pid"
ends "with state, SIGTERM leaves what waits to the next start" "$pid" 0
has "and says so" "$dir/kept.err" "output is committed and not handed over yet: the next start does it"

# A reader of standard output that stands still must not keep it either.
pipe full <<'X'
pipeline: full
guarantee: none
steps:
  events: {source: nexmark, parallelism: 1}
  out: {from: events.bid, sink: stdout, parallelism: 1}
X
mkfifo "$dir/fifo"
"$weir" run "$dir/full.yaml" >"$dir/fifo" 2>"$dir/full.err" </dev/null &
pid=$!
pids="$pids $pid"
exec 4<>"$dir/fifo"
comes "full: it answers" "$weir" status full
kill -INT "$pid"
comes "SIGINT drains too" grep -q draining "$dir/full.err"
kill -TERM "$pid"
ends "a full pipe does not keep it" "$pid" 1
exec 4<&-
finish
