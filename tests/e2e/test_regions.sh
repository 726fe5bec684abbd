#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# One pipeline for several regions: check, explain, and runs that are called PIPELINE@REGION.
# shellcheck disable=SC2016 # messages quote names in backquotes
set -u
# shellcheck source=tests/e2e/lib.sh
. tests/e2e/lib.sh
begin regions

five=$PWD/examples/clusters/five.yaml
cat >"$dir/two.yaml" <<'X'
cluster: two
regions:
  eu: {data: data-eu, gateways: [{listen: "127.0.0.1:7401"}]}
  us: {gateways: [{listen: "127.0.0.1:7402"}]}
edges: {buffer: 8MiB, spill: 2GiB}
X
pipe shop <<'X'
pipeline: shop
workers: 2
steps:
  events: {source: {nexmark: {events: 20000}}}
  cheap: {from: events.bid, filter: price < 1000}
  per_channel:
    regions: [eu, us]
    from: {step: cheap, regions: all, spread: keys}
    key_by: [channel]
    window: {tumbling: 1s}
    aggregate: {n: count()}
  all: {regions: eu, from: [per_channel, {step: per_channel, region: us}], union: true}
  out: {regions: eu, from: all, sink: blackhole}
X

# ---- check ----
ok "check in all regions" check --cluster "$five" "$dir/shop.yaml"
has "check: the file" "$dir/out" 'pipeline `shop` with 5 steps is right'
has "check: eu" "$dir/out" "  eu              5 steps, edges: 1 out, 5 in"
has "check: us" "$dir/out" "  us              3 steps, edges: 2 out, 4 in"
has "check: af" "$dir/out" "  af              2 steps, edges: 2 out, 0 in"
ok "check in one region" check --cluster "$five" --region ap "$dir/shop.yaml"
hasnt "check in one region: not the others" "$dir/out" "  eu "
ok "check as JSON" check --cluster "$five" -o json "$dir/shop.yaml"
is "check as JSON: regions" "$(json "$dir/out" "[(r['region'], r['steps'], r['edges_out'], r['edges_in']) for r in j['regions']][:2]")" \
	"[('eu', 5, 1, 5), ('us', 3, 2, 4)]"
is "check as JSON: as many ends out as in" "$(json "$dir/out" "sum(r['edges_out'] - r['edges_in'] for r in j['regions'])")" 0

refused "check without a cluster" 2 "is for several regions: --cluster FILE names them" check "$dir/shop.yaml"
refused "check: no such region" 2 "has no such region; it has eu, us" check --cluster "$dir/two.yaml" --region ap "$dir/shop.yaml"
refused "check: a region of nothing" 2 "of which cluster?" check --region eu "$dir/shop.yaml"
refused "check: no such cluster file" 3 "cannot open $dir/none.yaml" check --cluster "$dir/none.yaml" "$dir/shop.yaml"

pipe wrong <<'X'
pipeline: wrong
steps:
  s: {source: nexmark}
  x: {regions: [eu, mars], from: s.bid, filter: true}
  o: {from: {step: x, region: venus}, sink: blackhole}
X
refused "errors of the plan have places" 3 "wrong.yaml:4:21: cluster \`two\` has no region \`mars\`; its regions are eu, us" \
	check --cluster "$dir/two.yaml" "$dir/wrong.yaml"
run check --cluster "$dir/two.yaml" -o json "$dir/wrong.yaml"
is "errors of the plan as JSON: code" "$code" 3
is "errors of the plan as JSON" "$(json "$dir/out" "j['ok'], j['errors'][0]['line'], j['errors'][0]['column']")" "False 4 21"
cat >"$dir/bad.yaml" <<'X'
cluster: two
regions:
  eu: {gateways: [{listen: "0.0.0.0:7401"}]}
  us: {gateways: [{listen: "127.0.0.1:7402", speed: 3}]}
X
refused "errors of the cluster file" 3 'bad.yaml:3:28: `listen`: 0.0.0.0 is any address of the host' check --cluster "$dir/bad.yaml" "$dir/shop.yaml"
has "all errors of the cluster file" "$dir/err" 'bad.yaml:4:46: unknown key `speed` in a gateway'
run check --cluster "$dir/bad.yaml" -o json "$dir/shop.yaml"
is "errors of the cluster file as JSON" "$(json "$dir/out" "j['ok'], [e['line'] for e in j['errors']]")" "False [3, 4]"

# ---- explain ----
ok "explain" explain --cluster "$dir/two.yaml" --region eu "$dir/shop.yaml"
has "explain: name of the run" "$dir/out" "pipeline shop@eu"
has "explain: a source" "$dir/out" "cheap@us#keys"
has "explain: a sink" "$dir/out" "cheap>us#keys"
has "explain: who gets which keys" "$dir/out" "cheap=keys           keys from cheap"
has "explain: input from the same region" "$dir/out" "rings cheap=keys.eu -> per_channel"
has "explain: memory of the sender" "$dir/out" "buffer 8.0 MiB that us has not confirmed; 2.0 GiB, in the journal"
has "explain: memory of the receiver" "$dir/out" "staging 4.0 MiB from us"
has "explain: state in the region's folder" "$dir/out" "state in $dir/data-eu/shop"
ok "explain: the other region" explain --cluster "$dir/two.yaml" --region us "$dir/shop.yaml"
has "explain: default folder of a region" "$dir/out" "state in $dir/.weir/us/shop"
hasnt "explain: steps that run elsewhere are gone" "$dir/out" "  out  "
ok "explain as JSON" explain --cluster "$dir/two.yaml" --region us -o json "$dir/shop.yaml"
check "explain: JSON" "$python" -m json.tool "$dir/out"
is "explain as JSON: region" "$(json "$dir/out" "j['pipeline'], j['cluster'], j['region'], j['edge_memory']['buffer_bytes']")" \
	"shop two us 8388608"
ok "explain as a graph" explain --cluster "$dir/two.yaml" --region eu --dot "$dir/shop.yaml"
has "explain: graph" "$dir/out" '"per_channel@us" -> "all"'
if command -v dot >/dev/null 2>&1; then
	check "explain: graphviz takes the graph" dot -Tsvg "$dir/out"
fi
refused "explain without a cluster" 2 "is for several regions" explain "$dir/shop.yaml"
refused "explain without a region" 2 "which region is this?" explain --cluster "$dir/two.yaml" "$dir/shop.yaml"

# ---- run: two regions of one pipeline on this host, nothing crosses ----
pipe apart <<'X'
pipeline: apart
workers: 1
metrics: off
steps:
  events: {source: {nexmark: {rate: 20000}}}
  few: {from: events.bid, filter: price < 1000}
  here: {regions: eu, from: few, sink: {file: {path: out-eu}}}
  there: {regions: us, from: few, sink: {file: {path: out-us}}}
X
refused "run without a cluster" 2 "is for several regions" run "$dir/apart.yaml"
refused "run without a region" 2 "which region is this?" run --cluster "$dir/two.yaml" "$dir/apart.yaml"
sed 's/^  events: {/&regions: eu, /; s/^  few: {/&regions: eu, /; /^  there/d' "$dir/apart.yaml" >"$dir/alone.yaml"
refused "run where nothing runs" 2 "no step of $dir/alone.yaml runs there" run --cluster "$dir/two.yaml" --region us "$dir/alone.yaml"

start eu --cluster "$dir/two.yaml" --region eu "$dir/apart.yaml"
eu=$pid
start us --cluster "$dir/two.yaml" --region us "$dir/apart.yaml"
us=$pid
check "eu answers to its name" up apart@eu
check "us answers to its name" up apart@us
comes "eu reads" sh -c "[ \"\$('$weir' status -o json apart@eu | '$python' -c 'import json, sys; print(json.loads(sys.stdin.readline())[\"records_in\"])')\" -gt 1000 ]"
is "status: name and region" "$(status_of apart@us "s['pipeline'], s['region'], sorted(step)")" \
	"apart@us us ['events', 'few', 'there']"
ok "status of all" status
has "status of all: eu" "$dir/out" "apart@eu"
has "status of all: us" "$dir/out" "apart@us"
ok "tap" tap --count 3 apart@us few
is "tap: records" "$(wc -l <"$dir/out" | tr -d ' ')" 3
comes "epochs" "$weir" epochs apart@eu
check "rings" "$build/bin/weir-rings" stat apart@eu
refused "the name alone is nobody's" 1 'no pipeline `apart` runs on this host' status apart
refused "one region runs once" 1 'a pipeline `apart@eu` runs already' run --cluster "$dir/two.yaml" --region eu "$dir/apart.yaml"
kill -TERM "$eu" "$us"
ends "eu stops" "$eu" 0
ends "us stops" "$us" 0
has "log lines have the name" "$dir/eu.err" "pipeline=apart@eu"
check "state of eu" test -d "$dir/data-eu/apart"
check "state of us" test -d "$dir/.weir/us/apart"
check "output of both" sh -c "cat '$dir'/out-eu/part-* '$dir'/out-us/part-* | grep -q price"
refused "another region's state" 1 "apart@eu" run --cluster "$dir/two.yaml" --region us --state "$dir/data-eu/apart" "$dir/apart.yaml"
ok "check against the state of a region" check --cluster "$dir/two.yaml" --region eu --against "$dir/data-eu/apart" "$dir/apart.yaml"
refused "check against: which region" 2 "which region is this?" check --cluster "$dir/two.yaml" --against "$dir/data-eu/apart" "$dir/apart.yaml"

# A file without regions runs in each as it is.
printf 'pipeline: plain\nsteps: {e: {source: {nexmark: {events: 1000}}}, o: {from: e.bid, sink: {file: {path: plain}}}}\n' >"$dir/plain.yaml"
ok "a plain file in a region" run --cluster "$dir/two.yaml" --region us "$dir/plain.yaml"
has "a plain file in a region: its name" "$dir/err" "plain@us:"
check "a plain file in a region: its state" test -d "$dir/.weir/us/plain"
finish
