#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Two regions at work, and a third whose certificates are wrong in several ways, until they are right. Gateways and an engine of the
# two are killed meanwhile; in the end every record was counted once.
set -u
# shellcheck source=tests/e2e/lib.sh
. tests/e2e/lib.sh
begin peers
# shellcheck source=tests/multi/gateways.sh
. tests/multi/gateways.sh

tool=$build/tests/multi/hostile_tool
if [ ! -x "$tool" ]; then
	echo "no $tool: make tests"
	exit 1
fi
cluster=$dir/three.cluster pipeline=shop
events=40000
pe=$(free_port)
cat >"$cluster" <<X
cluster: three
certs: certs
regions:
  ap: {gateways: [{listen: "127.0.0.9:$(free_port)"}]}
  eu: {gateways: [{listen: "127.0.0.1:$pe"}]}
  us: {gateways: [{listen: "127.0.0.1:$(free_port)"}]}
links: {heartbeat: 100ms, suspect: 10s, dead: 20s}
X
sed 's/^certs:.*/certs: theirs/' "$cluster" >"$dir/theirs.cluster"
pipe shop <<X
pipeline: shop
state: {epoch: 100ms}
workers: 1
steps:
  events: {regions: [eu, us], parallelism: 1, source: {nexmark: {events: $events, rate: 4000}}}
  counts:
    regions: [eu, us]
    from: {step: events.bid, regions: [eu, us], spread: keys}
    key_by: [auction]
    window: {tumbling: 2s}
    aggregate: {n: count(), highest: max(price)}
  counts_out: {regions: [eu, us], from: counts, sink: {file: {path: "counts-{region}", format: csv, part_interval: 1s}}}
X
ok "certificates" certs init "$cluster"
ok "certificates of somebody else" certs init --dir "$dir/theirs" "$cluster"
gateway eu eu
eu=$pid
gateway us us
us=$pid
engine eu-engine eu
eu_engine=$pid
engine us-engine us
us_engine=$pid
comes "the two are joined" metric_is eu weir_gateway_lanes 'state="open"' 2
refused "a port that is taken" 1 "127.0.0.1:$pe" gateway --cluster "$cluster" --region eu --metrics off shop

# ---- what a link says of itself ----
curl -s -H 'Accept: application/openmetrics-text' "http://$(metrics_at eu)/metrics" >"$dir/metrics"
for name in rtt_seconds cwnd_bytes streams sent_bytes_total received_bytes_total lost_packets_total retransmitted_bytes_total; do
	has "metrics: $name" "$dir/metrics" "weir_gateway_link_$name{pipeline=\"shop@eu\",gateway=\"gw0\",region=\"us\",peer=\"gw0\"}"
done
check "metrics: bytes were sent" metric_above eu weir_gateway_link_sent_bytes_total 'region="us"' 1000
comes "metrics: what others see" metric_is eu weir_gateway_region_seen 'region="eu",by="us"' 1
check "metrics: no value twice" sh -c "! grep -v '^#' '$dir/metrics' | sed 's/ [^ ]*\$//' | sort | uniq -d | grep ."
if promtool=$(sh tests/lib/promtool.sh); then
	"$promtool" check metrics <"$dir/metrics" >"$dir/promtool" 2>&1
	is "promtool says nothing" "$(cat "$dir/promtool")" ""
else
	skip "promtool check metrics: $promtool"
fi

# ---- another CA ----
cluster=$dir/theirs.cluster gateway other ap
other=$pid
comes "another CA: counted" metric_above eu weir_gateway_connections_refused_total 'reason="ca"' 0
is "another CA: no link" "$(metric eu weir_gateway_links 'region="ap"')" 0
kill -TERM "$other"
ends "another CA: its gateway stops" "$other" 0

# ---- our CA, but not any more; and then again, without a restart ----
rm -rf "$dir/theirs"
cp -R "$dir/certs" "$dir/theirs"
check "a certificate that is over" "$tool" expired "$dir/theirs" three ap
sleep 1.1
cluster=$dir/theirs.cluster gateway late ap
late=$pid
comes "expired: counted" metric_above eu weir_gateway_connections_refused_total 'reason="expired"' 0
is "expired: no link" "$(metric eu weir_gateway_links 'region="ap"')" 0
cp "$dir/certs/ap.pem" "$dir/certs/ap.key" "$dir/theirs"
kill -HUP "$late"
comes "new files are read" logs late "certificates were read again"
comes "and good for a link" metric_is eu weir_gateway_links 'region="ap"' 1
echo "nothing" >"$dir/theirs/ap.pem"
kill -HUP "$late"
comes "wrong files are not" logs late "certificates stay as they were"
is "and the link stays" "$(metric eu weir_gateway_links 'region="ap"')" 1
kill -TERM "$late"
ends "the gateway of ap stops" "$late" 0

# ---- somebody else's certificate ----
cp "$dir/certs/us.pem" "$dir/theirs/ap.pem"
cp "$dir/certs/us.key" "$dir/theirs/ap.key"
refused "the certificate of another region" 1 "ap.pem" gateway --cluster "$dir/theirs.cluster" --region ap --metrics off shop

# ---- the port of the metrics, when nobody names one ----
for name in first second; do
	"$weir" gateway --cluster "$cluster" --region ap --listen "127.0.0.9:$(free_port)" none >"$dir/$name.out" 2>"$dir/$name.err" </dev/null &
	pids="$pids $!"
	comes "$name without --metrics" logs "$name" "metrics=127.0.0.1:"
done
check "a taken port is told" logs second "metrics go to a free port"

# ---- the two go on, whatever dies ----
kill -KILL "$eu"
gateway eu-again eu
eu=$pid
comes "a new gateway takes the lanes" metric_is eu-again weir_gateway_lanes 'state="open"' 2
kill -KILL "$us_engine"
comes "the engine's death is seen" logs us "the engine is gone"
engine us-again us
us_engine=$pid
ends "us" "$us_engine" 0
ends "eu" "$eu_engine" 0
kill -TERM "$eu" "$us"
ends "the gateway of eu stops" "$eu" 0
ends "the gateway of us stops" "$us" 0
reference $events 2
rows "$dir"/counts-eu/part-* "$dir"/counts-us/part-* >"$dir/got"
same "every record once" "$dir/want" "$dir/got"
check "and there were some" [ "$(wc -l <"$dir/want")" -gt 100 ]
finish
