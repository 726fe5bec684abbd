#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A region with a valid certificate that does all that it should not, and noise from nobody: the gateway stays as it is, others do not
# notice, everything is counted, and the same region is welcome when it behaves.
set -u
# shellcheck source=tests/e2e/lib.sh
. tests/e2e/lib.sh
begin hostile
# shellcheck source=tests/multi/gateways.sh
. tests/multi/gateways.sh

# Its limits are of memory and pace: a sanitizer has both for itself. What a peer may send is fuzzed with sanitizers.
case $(basename "$build") in
asan | tsan)
	skip "hostile: limits of memory and pace mean nothing under a sanitizer"
	finish
	;;
esac
tool=$build/tests/multi/hostile_tool
if [ ! -x "$tool" ]; then
	echo "no $tool: make tests"
	exit 1
fi
cluster=$dir/siege.cluster pipeline=siege
guests=20000
cat >"$cluster" <<X
cluster: siege
certs: certs
regions:
  aa: {gateways: [{listen: "127.0.0.9:$(free_port)"}]}
  eu: {gateways: [{listen: "127.0.0.1:$(free_port)"}]}
  us: {gateways: [{listen: "127.0.0.1:$(free_port)"}]}
links: {heartbeat: 100ms, suspect: 10s, dead: 20s}
X
pipe siege <<X
pipeline: siege
state: {epoch: 100ms}
workers: 1
steps:
  events: {regions: us, parallelism: 1, source: {nexmark: {events: 10000000, rate: 2000}}}
  ours: {regions: eu, from: {step: events.bid, region: us}, filter: price > 0}
  ours_out: {regions: eu, from: ours, sink: {file: {path: ours, format: jsonl, part_interval: 1s}}}
  theirs: {regions: aa, parallelism: 1, source: {nexmark: {events: $guests}}}
  guests: {regions: eu, from: {step: theirs.bid, region: aa}, filter: price > 0}
  guests_out: {regions: eu, from: guests, sink: {file: {path: guests, format: jsonl, part_interval: 1s}}}
X
ok "certificates" certs init "$cluster"
gateway eu eu
eu=$pid
gateway us us
us=$pid
engine eu-engine eu
eu_engine=$pid
engine us-engine us
us_engine=$pid
comes "the two are joined" metric_is eu weir_gateway_lanes 'state="open"' 1

# Records that have come from us.
received() {
	status_of siege@eu "step['events.bid@us']['records_out']" 2>/dev/null || echo 0
}
flows() { # shellcheck disable=SC2317 # called by name
	[ "$(received)" -gt 500 ]
}
comes "records flow" flows
before=$(rss "$eu")
# Both dial at the start, and one of the two links goes: what counts is what comes after that.
last=none
until downs=$(metric eu weir_gateway_link_downs_total 'region="us"') && [ "$downs" = "$last" ]; do
	last=$downs
	sleep 1
done

# besiege MODE SECONDS: what it is told is in $dir/MODE.said.
besiege() {
	timeout 30 "$tool" "$1" "$cluster" aa eu "$2" >"$dir/$1.said" 2>&1
}
# unmoved MODE RECORDS: nothing has happened to anybody else; so many had come before.
unmoved() {
	more=$(($(received) - $2))
	check "$1: records kept flowing ($more)" [ "$more" -gt 100 ]
	check "$1: the gateway is there" kill -0 "$eu"
	is "$1: the link with us is the same" "$(metric eu weir_gateway_link_downs_total 'region="us"')" "$downs"
}
siege() {
	at=$(received)
	if besiege "$1" "$2"; then
		pass
	else
		fail "$1: the tool" "$dir/$1.said"
	fi
	unmoved "$1" "$at"
}
# told MODE TEXT
told() {
	has "$1: it was told" "$dir/$1.said" "$2"
}
# counted WHAT SERIES LABEL: has grown since it was marked.
last=0
mark() {
	last=$(metric eu "$1" "$2")
}
counted() {
	comes "$1: counted" metric_above eu "$2" "$3" "$last"
}

mark weir_gateway_bad_frames_total 'region="aa"'
siege frames 2
told frames "a lane frame that is broken or too large"
told frames "a lane frame that does not belong there"
told frames "a lane frame whose body is broken"
told frames "a stream for a lane that it may not open"
counted frames weir_gateway_bad_frames_total 'region="aa"'

mark weir_gateway_refused_total 'region="aa"'
siege headers 2
told headers "a stream whose header makes no sense"
told headers "a stream between regions it cannot be between"
told headers "a stream for a lane that is not held here"
told headers "a relay to where it is"
counted headers weir_gateway_refused_total 'region="aa"'

mark weir_gateway_refused_total 'region="aa"'
siege streams 2
told streams "it opens streams too fast"
counted streams weir_gateway_refused_total 'region="aa"'

mark weir_gateway_refused_total 'region="aa"'
siege messages 2
told messages "its messages come too fast"
counted messages weir_gateway_refused_total 'region="aa"'

mark weir_gateway_refused_total 'region="aa"'
siege nonsense 2
told nonsense "its messages make no sense"
told nonsense "a hello on a link that is open"
counted nonsense weir_gateway_refused_total 'region="aa"'

mark weir_gateway_connections_refused_total 'reason="protocol"'
siege control 2
told control "a malformed control message"
counted control weir_gateway_connections_refused_total 'reason="protocol"'

mark weir_gateway_refused_total 'region="aa"'
siege hello 2
told hello "it belongs to cluster"
told hello "it speaks version"
told hello "its hello names another gateway than its certificate"
counted hello weir_gateway_refused_total 'region="aa"'

siege silent 2

# Handshakes that hang: one host has at most 16, the others of it are refused, and all end. (The gateway itself dials, too.)
mark weir_gateway_connections_refused_total 'reason="busy"'
at=$(received)
besiege slow 5 &
besieger=$!
comes "slow: handshakes hang" metric_above eu weir_gateway_handshakes '' 8
most=$(metric eu weir_gateway_handshakes '')
check "slow: at most 16 of one host ($most)" [ "$most" -le 18 ]
counted "slow: too many" weir_gateway_connections_refused_total 'reason="busy"'
comes "slow: given up" metric_above eu weir_gateway_connections_refused_total 'reason="timeout"' 0
wait "$besieger"
is "slow: the tool" $? 0
unmoved slow "$at"

siege replay 3
mark weir_gateway_datagrams_garbage_total ''
siege flood 3
counted flood weir_gateway_datagrams_garbage_total ''
after=$(rss "$eu")
check "memory is bounded: $before KiB, then $after KiB" [ "$after" -lt $((before + 65536)) ]
is "us has seen nothing of it" "$(metric us weir_gateway_refused_total '')" 0

# ---- the same region behaves ----
gateway aa aa
engine aa-engine aa
ends "aa: all its records are durable at eu" "$pid" 0
kill -TERM "$eu_engine" "$us_engine"
ends "eu" "$eu_engine" 0
ends "us" "$us_engine" 0
kill -TERM "$eu" "$us"
ends "the gateway of eu stops" "$eu" 0
ends "the gateway of us stops" "$us" 0
"$weir" generate nexmark --events $guests --only bid >"$dir/guests.want"
cat "$dir"/guests/part-* >"$dir/guests.got"
same "every record of aa once, in order" "$dir/guests.want" "$dir/guests.got"
cat "$dir"/ours/part-* >"$dir/ours.got"
n=$(wc -l <"$dir/ours.got")
"$weir" generate nexmark --events $((n * 2)) --only bid | head -n "$n" >"$dir/ours.want"
same "every record of us once, in order" "$dir/ours.want" "$dir/ours.got"
finish
