#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The step `table`: check and explain with and without a cluster, mistakes in the file, one region alone.
# shellcheck disable=SC2016,SC2317 # messages quote names in backquotes; functions are called by name
set -u
# shellcheck source=tests/e2e/lib.sh
. tests/e2e/lib.sh
begin table

cat >"$dir/in.jsonl" <<'X'
{"item":"a","qty":3,"price":1.5,"tag":"x","kind":"sale"}
{"item":"b","qty":1,"price":2.5,"tag":"y","kind":"sale"}
{"item":"a","qty":-1,"price":1.25,"tag":"z","kind":"sale"}
{"item":"c","qty":4,"price":9.5,"tag":"q","kind":"sale"}
{"item":"c","qty":4,"price":9.5,"tag":"q","kind":"gone"}
X
pipe stock <<'X'
pipeline: stock
workers: 1
metrics: off
steps:
  orders:
    source: {file: {path: in.jsonl}}
    schema: {item: string, qty: int64, price: float64, tag: string, kind: string}
  stock:
    from: orders
    key_by: [item]
    table:
      fields:
        sold: {type: pcount, add: qty}
        price: {type: lww, set: price}
        best: {type: max, set: price}
        tags: {type: orset, add: tag, remove: "kind == 'untag' ? tag : null"}
      delete: "kind == 'gone'"
  out: {from: stock, sink: {file: {path: rows}}}
X
ok "check" check "$dir/stock.yaml"
ok "run" run "$dir/stock.yaml"
is "rows as they are now" "$(cat "$dir"/rows/part-* | sort)" \
	'{"item":"a","sold":2,"price":1.25,"best":1.5,"tags":["x","z"],"deleted":false}
{"item":"b","sold":1,"price":2.5,"best":2.5,"tags":["y"],"deleted":false}'

five=$PWD/examples/clusters/five.yaml
ok "check in all regions" check --cluster "$five" "$dir/stock.yaml"
has "each region tells all others" "$dir/out" "edges: 4 out, 4 in"
ok "explain in a region" explain --cluster "$five" --region eu "$dir/stock.yaml"
has "explain: a source" "$dir/out" "stock+peers@us"
has "explain: a sink" "$dir/out" "stock+peers>us"
ok "the example" check --cluster "$five" examples/tables.yaml

sed 's/add: qty/add: price/' "$dir/stock.yaml" >"$dir/bad.yaml"
refused "floats are not counted" 3 "bad.yaml:13:35: pcount counts int64, decimal or duration, but this is float64" check "$dir/bad.yaml"
sed 's/type: lww/type: lwx/' "$dir/stock.yaml" >"$dir/bad.yaml"
refused "no such type" 3 'there is no type `lwx`; did you mean `lww`?' check "$dir/bad.yaml"
sed '/key_by/d' "$dir/stock.yaml" >"$dir/bad.yaml"
refused "no key" 3 'step `stock` needs `key_by`' check "$dir/bad.yaml"

# ---- three regions: one is cut off, one is killed ----
regions="ie us jp"
if [ ! -x "$build/bin/weir-gateway" ]; then
	skip "three regions: no weir-gateway in $build"
	finish
fi
{
	printf 'cluster: three\ncerts: certs\nregions:\n'
	for r in $regions; do
		printf '  %s: {gateways: [{listen: "127.0.0.1:%s"}]}\n' "$r" "$(free_port)"
	done
	printf 'links: {heartbeat: 100ms, suspect: 400ms, dead: 1s}\n'
} >"$dir/three.yaml"
pipe bids <<'X'
pipeline: bids
metrics: off
workers: 1
state: {epoch: 100ms}
steps:
  bids:
    source: {file: {path: "in-{region}.csv"}}
    schema: {auction: int64, price: int64, channel: string}
    rate: 4000
  auctions:
    from: bids
    key_by: [auction]
    table:
      digest: 500ms
      fields:
        n: {type: pcount, add: price / price}
        total: {type: pcount, add: price}
        last: {type: lww, set: price}
        highest: {type: max, set: price}
        channels: {type: orset, add: "price % 3 > 0 ? channel : null", remove: "price % 3 == 0 ? channel : null"}
  rows: {from: auctions, sink: {file: {path: "rows-{region}", part_interval: 500ms}}}
  lost: {from: auctions.conflicts, sink: {file: {path: "lost-{region}", part_interval: 500ms}}}
X
seed=0
for r in $regions; do
	seed=$((seed + 1))
	"$weir" generate nexmark --events 24000 --seed $seed --only bid --format csv --out "$dir/in-$r.csv" >/dev/null 2>&1
done
# What sqlite makes of all input together: auction,n,total,highest.
cat >"$dir/want.py" <<'PYTHON'
import csv, sqlite3, sys

db = sqlite3.connect(":memory:")
db.execute("create table bid (auction int, price int)")
for name in sys.argv[1:]:
    with open(name, encoding="utf-8") as f:
        db.executemany("insert into bid values (?, ?)", ((int(r["auction"]), int(r["price"])) for r in csv.DictReader(f)))
for row in db.execute("select auction, count(*), sum(price), max(price) from bid group by auction order by auction"):
    print(*row, sep=",")
PYTHON
# rows.py DIR: the newest row of each key in WHOLE, its sums on standard output.
cat >"$dir/rows.py" <<'PYTHON'
import glob, json, sys

last = {}
for name in sorted(glob.glob(sys.argv[1] + "/part-*")):
    with open(name, encoding="utf-8") as f:
        for line in f:
            row = json.loads(line)
            last[row["auction"]] = row
with open(sys.argv[2], "w", encoding="utf-8") as whole:
    for key in sorted(last):
        r = last[key]
        r["channels"].sort()
        print(json.dumps(r, sort_keys=True), file=whole)
        print(r["auction"], r["n"], r["total"], r["highest"], sep=",")
PYTHON
# agree: every region has what sqlite has, and the same rows.
agree() {
	for r in $regions; do
		"$python" "$dir/rows.py" "$dir/rows-$r" "$dir/$r.rows" >"$dir/$r.sums" && cmp -s "$dir/$r.sums" "$dir/want" || return 1
		cmp -s "$dir/$r.rows" "$dir/ie.rows" || return 1
	done
}
# engine REGION: in the background
engine() {
	start "$1" --cluster "$dir/three.yaml" --region "$1" "$dir/bids.yaml"
	eval "engine_$1=$pid"
}
"$python" "$dir/want.py" "$dir"/in-*.csv >"$dir/want"
ok "certificates" certs init "$dir/three.yaml"
for r in $regions; do
	engine "$r"
	"$weir" gateway --cluster "$dir/three.yaml" --region "$r" bids >"$dir/$r.gateway.out" 2>"$dir/$r.gateway" </dev/null &
	pids="$pids $!"
	eval "gateway_$r=$!"
done
check "ie: is up" up bids@ie
"$weir" conflicts --follow -o json -p bids@ie auctions >"$dir/follow" 2>"$dir/follow.err" </dev/null &
follow=$!
pids="$pids $follow"
sleep 1.5
# shellcheck disable=SC2154 # set by eval
kill -STOP "$gateway_jp"
sleep 1.5
# shellcheck disable=SC2154
kill -KILL "$engine_us"
wait "$engine_us" 2>/dev/null
cp "$dir/us.err" "$dir/us-killed.err"
engine us
sleep 2.5
kill -CONT "$gateway_jp"
comes "rows of three regions agree, and are what sqlite counts" agree
check "many rows" sh -c "[ \$(wc -l <'$dir/want') -gt 500 ]"
for r in $regions; do
	same "$r: sums" "$dir/$r.sums" "$dir/want"
	same "$r: rows" "$dir/$r.rows" "$dir/ie.rows"
done

# ---- asking ----
# asked.py FILE: rows of an answer as rows.py writes them.
cat >"$dir/asked.py" <<'PYTHON'
import json, sys

rows = json.load(open(sys.argv[1], encoding="utf-8"))["rows"]
for r in sorted(rows, key=lambda r: r["auction"]):
    r["channels"].sort()
    print(json.dumps(r, sort_keys=True))
PYTHON
for r in $regions; do
	ok "$r: list" state list --limit 10000 -o json -p "bids@$r" auctions
	"$python" "$dir/asked.py" "$dir/out" >"$dir/$r.asked"
	same "$r: all rows, as they were given" "$dir/$r.asked" "$dir/ie.rows"
done
ok "get" state get -o json -p bids@jp auctions 1009 17
"$python" "$dir/asked.py" "$dir/out" >"$dir/asked"
is "get: the row" "$(cat "$dir/asked")" "$(grep '"auction": 1009,' "$dir/ie.rows")"
ok "get as text" state get -p bids@jp auctions 1009
has "get as text: names" "$dir/out" "highest  channels"
ok "list: prefix" state list --limit 10000 --prefix 100 -o json -p bids@us auctions
is "list: what begins so" "$(json "$dir/out" "sorted(r['auction'] for r in j['rows'])")" \
	"$(cut -d, -f1 "$dir/want" | grep '^100' | tr '\n' ',' | sed 's/,$//; s/,/, /g; s/.*/[&]/')"
refused "no value" 1 '`x` is no value of `auction`, which is int64' state get -p bids@ie auctions x
refused "no field" 1 'the table has no field `nope`' conflicts --field nope -p bids@ie auctions
# log_of REGION: ids of its log of conflicts.
log_of() {
	"$weir" conflicts --limit 10000 -o json -p "bids@$1" auctions >"$dir/$1.page" || return 1
	timeout 2 "$weir" conflicts --follow -o json -p "bids@$1" auctions >"$dir/$1.log"
	sed 's/^{"id":"\([0-9a-f]*\)".*/\1/' "$dir/$1.log" | sort >"$dir/$1.ids"
}
for r in $regions; do
	log_of "$r" &
	eval "log_$r=$!"
done
for r in $regions; do
	eval "wait \$log_$r"
	check "$r: each conflict once" sh -c "[ -s '$dir/$r.ids' ] && [ -z \"\$(uniq -d '$dir/$r.ids')\" ]"
	same "$r: the log of conflicts" "$dir/$r.ids" "$dir/ie.ids"
done
cat "$dir"/lost-*/part-* | sed 's/^{"id":"\([0-9a-f]*\)".*/\1/' | sort -u >"$dir/decided.ids"
kill -TERM "$follow"
wait "$follow" 2>/dev/null
sed 's/^{"id":"\([0-9a-f]*\)".*/\1/' "$dir/follow" | sort >"$dir/follow.ids"
same "who followed from the beginning saw them all, once" "$dir/follow.ids" "$dir/ie.ids"
same "the log has what all regions decided" "$dir/ie.ids" "$dir/decided.ids"
ok "conflicts of a key and field" conflicts --limit 10000 -o json --key 1009 --field last -p bids@us auctions
is "only of these" "$(json "$dir/out" "sorted({(r['key'], r['field']) for r in j['rows']})")" "[('1009', 'last')]"
ok "conflicts of a field without" conflicts -o json --field total -p bids@us auctions
is "none" "$(json "$dir/out" "len(j['rows'])")" 0

# ---- a region that lost its state: it has new input, and learns the rest from the others ----
# shellcheck disable=SC2154 # set by eval
kill -KILL "$engine_jp"
wait "$engine_jp" 2>/dev/null
cp "$dir/jp.err" "$dir/jp-wiped.err"
rm -rf "$dir/.weir/jp" "$dir/rows-jp" "$dir/lost-jp"
cp "$dir/in-jp.csv" "$dir/jp-before.csv"
"$weir" generate nexmark --events 8000 --seed 9 --only bid --format csv --out "$dir/in-jp.csv" >/dev/null 2>&1
"$python" "$dir/want.py" "$dir"/in-*.csv "$dir/jp-before.csv" >"$dir/want"
engine jp
comes "a region without state: rows agree, and nothing is counted twice" agree

# ---- stop: only when told ----
for r in $regions; do
	eval "stop=\$engine_$r"
	# shellcheck disable=SC2154 # set by eval
	check "$r: still runs" kill -0 "$stop"
	kill -TERM "$stop"
done
for r in $regions; do
	eval "stop=\$engine_$r"
	ends "$r" "$stop" 0
done
finish
