#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# State that is kept: pipelines that are killed, stopped, changed and damaged, and what they say and give then.
# shellcheck disable=SC2016,SC2317 # messages quote names in backquotes; functions are called by name
set -u
# shellcheck source=tests/e2e/lib.sh
. tests/e2e/lib.sh
begin state

# work NAME [RATE [LINES]]: windows per channel over 200000 events into $dir/NAME.res; LINES: more of the top level.
work() {
	more="state: {epoch: 50ms}"
	pipe "$1" <<X
pipeline: $1
metrics: off
${3:-$more}
steps:
  events: {source: {nexmark: {events: 200000, rate: ${2:-0}}}}
  cheap: {from: events.bid, filter: price < 1000000}
  per_channel:
    from: cheap
    key_by: [channel]
    window: {tumbling: 1s}
    aggregate: {n: count(), top: max(price), bidders: distinct(bidder)}
  out: {from: per_channel, sink: {file: {path: $1.res}}}
X
}
sorted() {
	cat "$dir/$1"/part-* | sort
}
frontier() {
	"$weir" epochs -o json "$1" | sed -n "s/.*\"$2\":\([0-9]*\).*/\1/p"
}
# durable NAME: it commits epochs that hold something now.
durable() {
	[ "$("$weir" status -o json "$1" | sed -n 's/.*"durable":\([0-9]*\).*/\1/p')" -gt "${2:-2}" ]
}
# halfway NAME: it has started, read a part of its input, and committed since.
halfway() {
	comes "$1 answers" "$weir" status "$1"
	from=$(frontier "$1" durable)
	comes "$1 commits" durable "$1" $((from + 4))
}

work want 0 "guarantee: none"
ok "undisturbed, without state" run -q "$dir/want.yaml"
sorted want.res >"$dir/want"
check "there is something to compare" [ "$(lines "$dir/want")" -gt 1000 ]

# ---- killed, stopped, with other numbers of workers, and it goes on ----
work work 60000
start w1 --workers 2 "$dir/work.yaml"
halfway work
ok "weir epochs" epochs work
for word in "exactly_once" ".weir/work" "durable" "out"; do
	has "weir epochs: $word" "$dir/out" "$word"
done
ok "weir epochs, the only one that runs" epochs
ok "weir epochs as JSON" epochs -o json work
is "weir epochs: a ladder" "$(json "$dir/out" "j['kept'], j['guarantee'], j['open'] >= j['aligned'] >= j['durable'] >= j['covered'], len(j['sinks']) > 0")" \
	"True exactly_once True True"
is "and in the status" "$(status_of work "s['epochs']['fence']")" 1
refused "weir epochs of a directory in use" 1 "in use by process $pid" epochs --dir "$dir/.weir/work"
refused "weir verify of a directory in use" 1 "in use by process $pid" verify "$dir/.weir/work"
sed 's/work/other/' "$dir/work.yaml" >"$dir/other.yaml"
refused "a second engine on the directory" 1 \
	"the state directory $dir/.weir/work is in use by process $pid: stop that first, or choose another directory" \
	run --state "$dir/.weir/work" "$dir/other.yaml"
kill -KILL "$pid"
wait "$pid" 2>/dev/null

start w2 --workers 1 "$dir/work.yaml"
halfway work
has "after a kill it goes on" "$dir/w2.err" "going on where the last run stopped"
is "with a fence of its own" "$(frontier work fence)" 2
kill -TERM "$pid"
ends "SIGTERM" "$pid" 0
has "SIGTERM: one more epoch" "$dir/w2.err" "stopping after one more epoch"
has "SIGTERM: it says what was done" "$dir/w2.err" "work: "
ok "weir epochs --dir" epochs --dir "$dir/.weir/work"
has "weir epochs --dir: bundles" "$dir/out" "EPOCH"
ok "weir epochs --dir as JSON" epochs -o json --dir "$dir/.weir/work"
is "weir epochs --dir: epochs rise" "$(json "$dir/out" "j['ok'], j['fence'], [b['epoch'] for b in j['bundles']] == sorted({b['epoch'] for b in j['bundles']}), j['bundles'][-1]['epoch'] == j['durable'], j['bundles'][-1]['ended']")" \
	"True 2 True True False"
ok "weir verify" verify "$dir/.weir/work"
has "weir verify: fine" "$dir/out" "all committed epochs are there and whole"
ok "weir verify as JSON" verify -o json "$dir/.weir/work"
is "weir verify: JSON" "$(json "$dir/out" "j")" "{'findings': [], 'ok': True}"
cp -r "$dir/.weir/work" "$dir/copy"
mkdir "$dir/work.copy"
cp -r "$dir/work.res/." "$dir/work.copy"

start w3 --workers 3 "$dir/work.yaml"
halfway work
kill -KILL "$pid"
wait "$pid" 2>/dev/null
ok "to the end" run --workers 2 "$dir/work.yaml"
sorted work.res >"$dir/got"
same "killed twice, stopped once: as if nothing had been" "$dir/got" "$dir/want"

# ---- finished ----
ok "finished" run "$dir/work.yaml"
has "finished: told" "$dir/err" "an earlier run has processed the whole input; --fresh starts over"
has "finished: nothing read" "$dir/err" "work: 0 records in, 0 out"
sorted work.res >"$dir/got"
same "finished: results stay" "$dir/got" "$dir/want"
sed -i 's/rate: 60000/rate: 0/' "$dir/work.yaml"
ok "--fresh" run --fresh "$dir/work.yaml"
has "--fresh: all of it" "$dir/err" "work: 184000 records in"
sorted work.res >"$dir/got"
same "--fresh: results again, once" "$dir/got" "$dir/want"

# ---- --state, and a directory with something else ----
work elsewhere
ok "--state" run -q --state "$dir/deep/er/state" "$dir/elsewhere.yaml"
check "--state: there it is" [ -e "$dir/deep/er/state/superblock" ]
check "--state: and only there" [ ! -e "$dir/.weir/elsewhere" ]
refused "the state of another pipeline" 1 "elsewhere" run --state "$dir/deep/er/state" "$dir/other.yaml"
echo "mine" >"$dir/deep/er/state/letter.txt"
refused "--fresh in a directory with something else" 1 'holds `letter.txt`, which is not of weir' \
	run --fresh --state "$dir/deep/er/state" "$dir/elsewhere.yaml"
is "nothing was removed" "$(cat "$dir/deep/er/state/letter.txt")" mine
ok "nor any state" epochs --dir "$dir/deep/er/state"
refused "guarantee none has no state" 2 'says `guarantee: none` and keeps no state' run --state "$dir/deep/er/state" "$dir/want.yaml"

# ---- the pipeline has changed ----
work changed 60000
start changed "$dir/changed.yaml"
halfway changed
kill -TERM "$pid"
ends "before the change" "$pid" 0
sed -e 's/tumbling: 1s/tumbling: 2s/' -e 's/rate: 60000/rate: 0/' "$dir/changed.yaml" >"$dir/x.yaml"
refused "a window that means something else" 1 'step `per_channel` means something else now' run "$dir/x.yaml"
has "what to do" "$dir/err" "--drop-state goes on without it, --fresh starts over"
run check --against "$dir/.weir/changed" "$dir/x.yaml"
has "weir check --against" "$dir/out" "per_channel"
sed 's/price < 1000000/price < 1000/' "$dir/changed.yaml" >"$dir/y.yaml"
start changed2 "$dir/y.yaml"
halfway changed
kill -TERM "$pid"
ends "a filter may change" "$pid" 0
ok "--drop-state" run --drop-state "$dir/x.yaml"
check "the input was not read again" [ "$(sed -n 's/^changed: \([0-9]*\) records in.*/\1/p' "$dir/err")" -lt 184000 ]
check "the new windows are there" grep -q '"n"' "$dir/changed.res"/part-*

# ---- damage ----
# flip FILE [OFFSET]: another byte there, by default in the body of a data unit in the middle of what is written (a commit
# unit would be made good from its copy). Prints the offset.
flip() {
	"$python" - "$@" <<'X'
import sys
f = open(sys.argv[1], "r+b")
data = f.read()
at = int(sys.argv[2]) if len(sys.argv) > 2 else len(data.rstrip(b"\0")) // 2 & -4096
while len(sys.argv) <= 2 and (data[at:at + 8] != b"weirjrnl" or data[at + 10] != 1):
    at += 4096
at += 128 if len(sys.argv) <= 2 else 0
f.seek(at)
f.write(bytes([data[at] ^ 0x5a]))
print(at)
X
}
rm -rf "$dir/.weir/work" "$dir/work.res"
mv "$dir/copy" "$dir/.weir/work"
mv "$dir/work.copy" "$dir/work.res"
cp -r "$dir/.weir/work" "$dir/broken"
segment=$(find "$dir/broken" -name 'journal-*' | sort | head -n 1)
segment=$(basename "$segment")
flip "$dir/broken/$segment" >"$dir/at"
refused "a damaged segment: verify" 1 "" verify "$dir/broken"
has "the file is named" "$dir/out" "damaged  $segment offset "
check "the place is told: the unit around the byte" "$python" - "$dir/out" "$(cat "$dir/at")" <<'X'
import re, sys
found = [(int(a), int(n)) for a, n in re.findall(r"offset (\d+), (\d+) bytes", open(sys.argv[1]).read())]
sys.exit(not any(a <= int(sys.argv[2]) < a + n for a, n in found))
X
run verify -o json "$dir/broken"
is "a damaged segment: JSON" "$(json "$dir/out" "j['ok'], j['findings'][0]['fault'], j['findings'][0]['file']")" "False damaged $segment"
refused "a damaged segment: run" 1 "$segment" run --state "$dir/broken" "$dir/work.yaml"
refused "a damaged segment: epochs" 1 "weir verify" epochs --dir "$dir/broken"
find "$dir/broken" -type f ! -name lock -exec cksum {} + | sort >"$dir/sums"
refused "a damaged segment: repair does not guess" 1 "" verify --repair "$dir/broken"
find "$dir/broken" -type f ! -name lock -exec cksum {} + | sort >"$dir/sums2"
same "and changes nothing of it" "$dir/sums2" "$dir/sums"

flip "$dir/.weir/work/superblock" 16 >/dev/null
echo "what is this" >"$dir/.weir/work/journal-99999999x"
ok "a damaged copy is no loss" verify "$dir/.weir/work"
has "it is told" "$dir/out" "copy     superblock"
has "with what to do" "$dir/out" "--repair does what is safe"
ok "--repair" verify --repair "$dir/.weir/work"
has "--repair says what it did" "$dir/out" "repaired "
ok "nothing is left to say" verify "$dir/.weir/work"
is "nothing at all" "$(wc -l <"$dir/out" | tr -d ' ')" 1
ok "and it goes on to the end" run "$dir/work.yaml"
sorted work.res >"$dir/got"
same "repaired: as if nothing had been" "$dir/got" "$dir/want"
refused "verify: no such directory" 1 "none" verify "$dir/none"
refused "verify: which?" 2 "which state directory?" verify
refused "epochs: nobody runs" 1 "no pipeline" epochs work

# ---- standard output keeps no cursor: at least once after a kill, once after a stop ----
pipe said <<'X'
pipeline: said
metrics: off
state: {epoch: 50ms}
steps:
  events: {source: {nexmark: {events: 100000, rate: 40000}}, parallelism: 1}
  out: {from: events.bid, sink: stdout, parallelism: 1}
X
"$weir" generate nexmark --events 100000 --seed 0 --only bid >"$dir/bids"
start s1 "$dir/said.yaml"
halfway said
kill -TERM "$pid"
ends "stdout, stopped" "$pid" 0
start s2 "$dir/said.yaml"
ends "stdout, to the end" "$pid" 0
cat "$dir/s1.out" "$dir/s2.out" >"$dir/got"
same "stdout: stopped and gone on, each record once" "$dir/got" "$dir/bids"
start s3 --fresh "$dir/said.yaml"
halfway said
kill -KILL "$pid"
wait "$pid" 2>/dev/null
start s4 "$dir/said.yaml"
ends "stdout, after a kill" "$pid" 0
# The last line of the killed one may be a part of a record: then it has no line end.
{ if [ -n "$(tail -c 1 "$dir/s3.out")" ]; then sed '$d' "$dir/s3.out"; else cat "$dir/s3.out"; fi; cat "$dir/s4.out"; } | sort -u >"$dir/got"
sort -u "$dir/bids" >"$dir/want2"
same "stdout: killed and gone on, nothing is missing" "$dir/got" "$dir/want2"

# ---- at least once ----
work atleast 60000 "guarantee: at_least_once
state: {epoch: 50ms}"
start a1 "$dir/atleast.yaml"
halfway atleast
is "at least once: the status says so" "$(status_of atleast "s['epochs']['guarantee']")" at_least_once
kill -KILL "$pid"
wait "$pid" 2>/dev/null
ok "at least once, to the end" run "$dir/atleast.yaml"
sorted atleast.res | sort -u >"$dir/got"
sort -u "$dir/want" >"$dir/want2"
same "at least once: nothing is missing" "$dir/got" "$dir/want2"
finish
