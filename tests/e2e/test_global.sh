#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# An aggregate over three regions: one of them is cut off for some seconds, one is killed and started again. Every region
# ends with the same bytes, and they are what sqlite makes of all input together.
# shellcheck disable=SC2016,SC2317 # messages quote names in backquotes; functions are called by name
set -u
# shellcheck source=tests/e2e/lib.sh
. tests/e2e/lib.sh
begin global

# ---- one region, without a cluster ----
pipe alone <<'X'
pipeline: alone
metrics: off
steps:
  events: {source: {nexmark: {events: 50000}}}
  per_auction:
    from: events.bid
    key_by: [auction]
    window: {tumbling: 1s}
    scope: global
    aggregate: {n: count(), total: sum(price)}
  plain:
    from: events.bid
    key_by: [auction]
    window: {tumbling: 1s}
    aggregate: {n: count(), total: sum(price)}
  whole: {from: per_auction, filter: final}
  out: {from: whole, sink: {file: {path: alone-out, format: csv, header: false}}}
  plain_out: {from: plain, sink: {file: {path: alone-plain, format: csv, header: false}}}
X
ok "check" check "$dir/alone.yaml"
has "check: steps of the file" "$dir/out" '`alone` with 6 steps is right'
ok "explain" explain "$dir/alone.yaml"
has "explain: the part" "$dir/out" "per_auction+part     aggregate from events.bid"
has "explain: the mark" "$dir/out" "per_auction+mark     mark from per_auction+part"
has "explain: the merge" "$dir/out" "per_auction          merge from per_auction+mark"
ok "one region" run --fresh "$dir/alone.yaml"
cut -d, -f1-5 "$dir"/alone-out/part-* | sort >"$dir/alone.csv"
sort "$dir"/alone-plain/part-* >"$dir/plain.csv"
same "one region: as without scope" "$dir/alone.csv" "$dir/plain.csv"
is "one region: it has a name" "$(cut -d, -f7- "$dir"/alone-out/part-* | sort -u)" "true,local,"

# ---- three regions ----
regions="ie us jp"
cut_at=3 cut_for=5 # seconds
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
    schema: {auction: int64, price: int64, dateTime: timestamp}
    event_time: {field: dateTime}
    rate: 4000
  tenths: {from: bids, set: {tenth: price * 0.1}}
  per_auction:
    from: tenths
    key_by: [auction]
    window: {tumbling: 500ms}
    scope: global
    provisional: 1s
    aggregate: {n: count(), total: sum(price), highest: max(price), tenth: sum(tenth)}
  finals: {from: per_auction, filter: final}
  out: {from: finals, sink: {file: {path: "out-{region}", format: csv, header: false}}}
  early: {from: per_auction, filter: "!final"}
  early_out: {from: early, sink: {file: {path: "early-{region}", format: csv, header: false}}}
X
seed=0
for r in $regions; do
	seed=$((seed + 1))
	"$weir" generate nexmark --events 45000 --seed $seed --only bid --format csv --out "$dir/in-$r.csv" >/dev/null 2>&1
done
ok "certificates" certs init "$dir/three.yaml"
ok "check with a cluster" check --cluster "$dir/three.yaml" "$dir/bids.yaml"
has "check: edges" "$dir/out" "  us              7 steps, edges: 2 out, 2 in"

# engine REGION: in the background
engine() {
	start "$1" --cluster "$dir/three.yaml" --region "$1" "$dir/bids.yaml"
}
for r in $regions; do
	engine "$r"
	eval "engine_$r=$pid"
	"$weir" gateway --cluster "$dir/three.yaml" --region "$r" bids >"$dir/$r.gateway.out" 2>"$dir/$r.gateway" </dev/null &
	pids="$pids $!"
	eval "gateway_$r=$!"
done
asked_without_jp() {
	"$weir" state list --limit 10000 -o json -p bids@ie per_auction >"$dir/asked" &&
		[ "$(json "$dir/asked" "any(r['missing'] == 'jp' for r in j['rows'])")" = True ]
}
# shellcheck disable=SC2154 # set by eval
{
	sleep $cut_at
	kill -STOP "$gateway_jp"
	sleep 1
	# Windows that jp has not closed: they wait for it, and can be asked.
	comes "asked during the cut: a window waits for jp alone" asked_without_jp
	key=$(json "$dir/asked" "next(r['auction'] for r in j['rows'] if r['missing'] == 'jp')")
	ok "get during the cut" state get -o json -p bids@ie per_auction "$key"
	is "get: of this key, jp is missing" \
		"$(json "$dir/out" "{r['auction'] for r in j['rows']}, ('ie,us', 'jp', False) in [(r['regions'], r['missing'], r['final']) for r in j['rows']]")" \
		"{$key} True"
	refused "get of the part" 1 'holds only this region'"'"'s part: ask `per_auction`' state get -p bids@ie per_auction+part "$key"
	refused "list of the mark" 1 'holds only this region'"'"'s part: ask `per_auction`' state list -p bids@ie per_auction+mark
	sleep 1
	kill -KILL "$engine_us"
	wait "$engine_us" 2>/dev/null
	cp "$dir/us.err" "$dir/us-killed.err"
	engine us
	engine_us=$pid
	sleep $((cut_for - 2))
	kill -CONT "$gateway_jp"
	ends "ie" "$engine_ie" 0
	ends "us, which was killed once" "$engine_us" 0
	ends "jp, which was cut off" "$engine_jp" 0
}

# ---- the same everywhere, and right ----
for r in $regions; do
	cat "$dir/out-$r"/part-* >"$dir/$r.csv"
	is "$r: final results of all regions" "$(cut -d, -f9- "$dir/$r.csv" | sort -u)" 'true,"ie,us,jp",'
done
same "ie and us: the same bytes" "$dir/ie.csv" "$dir/us.csv"
same "ie and jp: the same bytes" "$dir/ie.csv" "$dir/jp.csv"
# shellcheck disable=SC2086 # a list
"$python" - "$dir" $regions >"$dir/want.csv" <<'PYTHON'
import csv, datetime, sqlite3, sys

db = sqlite3.connect(":memory:")
db.execute("create table bid (auction int, price int, half int)")
for region in sys.argv[2:]:
    with open(f"{sys.argv[1]}/in-{region}.csv", encoding="utf-8") as f:
        for row in csv.DictReader(f):
            second, _, part = row["dateTime"].rstrip("Z").partition(".")
            day = datetime.datetime.fromisoformat(second).replace(tzinfo=datetime.timezone.utc)
            ms = int(day.timestamp()) * 1000 + int((part + "000")[:3])
            db.execute("insert into bid values (?, ?, ?)", (int(row["auction"]), int(row["price"]), ms // 500))


def show(half):
    t = datetime.datetime.fromtimestamp(half // 2, datetime.timezone.utc)
    return t.strftime("%Y-%m-%dT%H:%M:%S") + (".5Z" if half % 2 else "Z")


for auction, half, n, total, highest in db.execute(
    "select auction, half, count(*), sum(price), max(price) from bid group by auction, half"
):
    print(f"{auction},{show(half)},{show(half + 1)},{n},{total},{highest}")
PYTHON
cut -d, -f1-6 "$dir/ie.csv" | sort >"$dir/got"
sort "$dir/want.csv" >"$dir/want"
same "as sqlite counts all input together" "$dir/got" "$dir/want"
check "many results" sh -c "[ \$(wc -l <'$dir/want') -gt 1000 ]"
is "no result is final twice" "$(cut -d, -f1-3 "$dir/ie.csv" | sort | uniq -d | wc -l | tr -d ' ')" 0
for r in $regions; do
	cat "$dir/early-$r"/part-* >"$dir/$r.early" 2>/dev/null
done
has "ie: early results without jp" "$dir/ie.early" ',false,"ie,us",jp'
has "jp: early results of what it has itself" "$dir/jp.early" ',false,jp,"ie,us"'
cat >"$dir/grow.py" <<'PYTHON'
import csv, sys

last = {}
for name in sys.argv[1:]:
    with open(name, encoding="utf-8") as f:
        for row in csv.reader(f):
            key, n, ver, mask = tuple(row[:3]), int(row[3]), int(row[7]), set(row[9].split(","))
            before = last.get(key, (0, 0, set()))
            assert n >= before[0] and ver > before[1] and mask >= before[2], row
            last[key] = (n, ver, mask - {""})
PYTHON
for r in $regions; do
	check "$r: results only grow" "$python" "$dir/grow.py" "$dir/$r.early" "$dir/$r.csv"
done
finish
