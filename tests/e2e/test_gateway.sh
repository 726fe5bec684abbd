#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# weir gateway as a process: usage, links between two of them, an engine that comes and goes, metrics, signals.
# shellcheck disable=SC2016,SC2317 # messages quote names in backquotes; functions are called by name
set -u
# shellcheck source=tests/e2e/lib.sh
. tests/e2e/lib.sh
begin gateway
p1=$(free_port) p2=$(free_port) p3=$(free_port)
cat >"$dir/two.yaml" <<X
cluster: two
certs: certs
regions:
  eu: {data: data-eu, gateways: [{listen: "127.0.0.1:$p1"}, {listen: "127.0.0.1:$p2"}]}
  us: {data: data-us, gateways: [{listen: "127.0.0.1:$p3"}]}
links: {heartbeat: 100ms, suspect: 400ms, dead: 1s}
X
sed 's/^certs: .*//' "$dir/two.yaml" >"$dir/bare.yaml"
pipe shop <<'X'
pipeline: shop
workers: 1
steps:
  events: {source: {nexmark: {events: 100000000, rate: 2000}}}
  all: {from: {step: events.bid, regions: all}, filter: price > 0}
  out: {from: all, sink: blackhole}
X

# ---- usage ----
ok "help" gateway --help
has "help: how" "$dir/out" "usage: weir gateway --cluster FILE --region NAME"
ok "version" gateway --version
refused "nothing" 2 "--cluster FILE and --region NAME are needed" gateway
refused "no pipeline" 2 "which pipeline?" gateway --cluster "$dir/two.yaml" --region eu
refused "unknown option" 2 "not known" gateway --fast shop
refused "log format" 2 "logfmt or json" gateway --log-format xml shop
refused "log level" 2 "info, warn or error" gateway --log-level loud shop
refused "no such region" 2 'no region `ap`' gateway --cluster "$dir/two.yaml" --region ap shop
refused "no such gateway" 2 'no gateway `gw7`' gateway --cluster "$dir/two.yaml" --region eu --gateway gw7 shop
refused "no such file" 1 "none.yaml" gateway --cluster "$dir/none.yaml" --region eu shop
echo "cluster: x" >"$dir/bad.yaml"
refused "wrong file" 3 "bad.yaml:1" gateway --cluster "$dir/bad.yaml" --region eu shop
refused "no certificates named" 3 'weir certs init' gateway --cluster "$dir/bare.yaml" --region eu shop
refused "no certificates made" 1 "certs" gateway --cluster "$dir/two.yaml" --region eu shop
ok "certs" certs init "$dir/two.yaml"
refused "metrics at a wrong address" 1 "metrics" gateway --cluster "$dir/two.yaml" --region eu --metrics nowhere shop

# gateway NAME REGION ARGS...: in the background, log in $dir/NAME.err, pid in $pid
gateway() {
	name=$1 region=$2
	shift 2
	"$weir" gateway --cluster "$dir/two.yaml" --region "$region" --metrics 127.0.0.1:0 "$@" shop >"$dir/$name.out" 2>"$dir/$name.err" </dev/null &
	pid=$!
	pids="$pids $pid"
}
logs() { grep -qF -e "$2" "$dir/$1.err"; }
metrics_at() { sed -n 's/.*metrics=\([0-9.:]*\).*/\1/p' "$dir/$1.err" | head -n 1; }
# metric NAME SERIES: its value
metric() {
	curl -s -H "Accept: application/openmetrics-text" "http://$(metrics_at "$1")/metrics" | grep -F -e "$2" | sed 's/.*} //' | head -n 1
}
is_metric() { [ "$(metric "$1" "$2")" = "$3" ]; }

# ---- links, without engines ----
gateway eu0 eu
eu0=$pid
comes "it waits for the engine" logs eu0 "waiting for the engine"
gateway us us
us=$pid
comes "a link comes up" logs eu0 'msg="link up"'
comes "the region is alive" logs us "region=eu is=alive"
sleep 0.5
is "one line for an engine that is missing" "$(grep -c "waiting for the engine" "$dir/eu0.err")" 1
comes "metrics: links" is_metric us 'weir_gateway_links{pipeline="shop@us",gateway="gw0",region="eu"}' 1
comes "metrics: health" is_metric us 'weir_gateway_region_health{pipeline="shop@us",gateway="gw0",region="eu"}' 1
is "metrics: no engine" "$(metric us 'weir_gateway_engine_up{')" 0
is "ready without an engine" "$(curl -s -o "$dir/ready" -w '%{http_code}' "http://$(metrics_at us)/readyz")" 503
is "alive" "$(curl -s -o "$dir/live" -w '%{http_code}' "http://$(metrics_at us)/livez")" 200
is "no such page" "$(curl -s -o "$dir/page" -w '%{http_code}' "http://$(metrics_at us)/")" 404
curl -s -H "Accept: application/openmetrics-text" "http://$(metrics_at us)/metrics" >"$dir/metrics"
if promtool=$(sh tests/lib/promtool.sh); then
	check "promtool check metrics" "$promtool" check metrics <"$dir/metrics"
else
	skip "promtool check metrics: $promtool"
fi
is "metrics have an end" "$(tail -n 1 "$dir/metrics")" "# EOF"

# ---- engines ----
start eu-engine --fresh -q --metrics off --cluster "$dir/two.yaml" --region eu "$dir/shop.yaml"
eu_engine=$pid
start us-engine --fresh -q --metrics off --cluster "$dir/two.yaml" --region us "$dir/shop.yaml"
comes "the engine is found" logs eu0 'msg="engine found"'
comes "a lane opens" logs us 'msg="lane open"'
comes "lanes are held" is_metric us 'weir_gateway_lanes{pipeline="shop@us",gateway="gw0",state="open"}' 2
received() { [ "$(status_of shop@eu "step['events.bid@us']['records_out']" 2>/dev/null || echo 0)" -gt 1000 ]; }
comes "records come over" received
is "ready with an engine" "$(curl -s -o "$dir/ready" -w '%{http_code}' "http://$(metrics_at us)/readyz")" 200
kill -KILL "$eu_engine"
comes "the engine's death is said" logs eu0 "the engine is gone"
comes "links stay, lanes wait" is_metric us 'weir_gateway_lanes{pipeline="shop@us",gateway="gw0",state="waits"}' 2
is "links stay" "$(metric us 'weir_gateway_links{pipeline="shop@us",gateway="gw0",region="eu"}')" 1
start eu-again -q --metrics off --cluster "$dir/two.yaml" --region eu "$dir/shop.yaml"
comes "a new engine is found" sh -c "[ \$(grep -c 'engine found' '$dir/eu0.err') = 2 ]"
comes "lanes open again" is_metric us 'weir_gateway_lanes{pipeline="shop@us",gateway="gw0",state="open"}' 2

# ---- a second gateway takes over what a dead one held ----
gateway eu1 eu --gateway gw1 --log-format json
eu1=$pid
comes "the second one finds the engine" logs eu1 '"msg":"engine found"'
comes "it holds nothing yet" logs eu1 '"lanes":"0 of 2"'
kill -KILL "$eu0"
comes "it takes the lanes" logs eu1 '"lanes":"2 of 2"'
comes "they open over it" is_metric us 'weir_gateway_lanes{pipeline="shop@us",gateway="gw0",state="open"}' 2
comes "the dead one is noticed" is_metric us 'weir_gateway_links{pipeline="shop@us",gateway="gw0",region="eu"}' 1

# ---- stop ----
kill -TERM "$us"
ends "SIGTERM" "$us" 0
comes "the other side hears why" logs eu1 "the gateway stops"
kill -HUP "$eu1"
comes "certificates are read again" logs eu1 "certificates were read again"
kill -INT "$eu1"
ends "SIGINT" "$eu1" 0
finish
