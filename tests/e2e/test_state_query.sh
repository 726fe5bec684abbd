#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Asking a running pipeline for its state: on the command line, and over HTTP.
# shellcheck disable=SC2016,SC2317 # messages quote names in backquotes; functions are called by name
set -u
# shellcheck source=tests/e2e/lib.sh
. tests/e2e/lib.sh
begin state_query

# A source that stays open: what it has sent is all there is, and the windows stay open.
pipe ask <<X
pipeline: ask
workers: 2
metrics: 127.0.0.1:0
steps:
  in:
    source: {tcp: {listen: "127.0.0.1:0", format: jsonl}}
    schema: {at: timestamp, who: string, room: int64, score: float64}
    event_time: {field: at}
  rooms:
    from: in
    key_by: [room]
    window: {tumbling: 1h}
    aggregate: {n: count(), best: max(score), huge: max(score * 1e18), odd: "min(0.1 * room)", who: first(who)}
  both:
    from: in
    key_by: [who, room]
    window: {sliding: 1h, every: 30m}
    aggregate: {n: count()}
  visits:
    from: in
    key_by: [who]
    window: {session: 10m}
    aggregate: {n: count()}
  all:
    from: in
    window: {tumbling: 1h}
    aggregate: {n: count()}
  first: {from: in, key_by: [who], window: {tumbling: 1h}, top: {k: 1, by: score}}
  o1: {from: rooms, sink: {file: {path: o1}}}
  o2: {from: both, sink: {file: {path: o2}}}
  o3: {from: visits, sink: {file: {path: o3}}}
  o4: {from: all, sink: {file: {path: o4}}}
  o5: {from: first, sink: {file: {path: o5}}}
X
start ask -o json "$dir/ask.yaml"
comes "it answers" "$weir" status ask
to=$(status_of ask "step['in']['address']")
"$python" - "$to" >"$dir/sender.out" 2>&1 <<'X' &
import json, socket, sys, time
host, port = sys.argv[1].rsplit(":", 1)
s = socket.create_connection((host, int(port)))
for i in range(1200):
    row = {"at": "2024-01-01T00:%02d:%02dZ" % (i // 60, i % 60), "who": ["ann", "bob", 'c,"d'][i % 3], "room": i % 400, "score": i + 0.5}
    s.sendall((json.dumps(row) + "\n").encode())
time.sleep(600)
X
pids="$pids $!"
arrived() {
	for step in visits both rooms all; do
		[ "$(status_of ask "step['$step']['records_in']")" = 1200 ] || return 1
	done
}
comes "all has arrived" arrived

# ---- get ----
ok "get" state get rooms 7
has "get: names" "$dir/out" "room  window_start          window_end            n   best"
has "get: the row" "$dir/out" "   7  2024-01-01T00:00:00Z  2024-01-01T01:00:00Z  3  807.5"
has "get: title" "$dir/out" "rooms (aggregate): 1 row"
ok "get as JSON" state get -o json --pipeline ask rooms 7 399 400
has "get as JSON: floats as they are, shortest" "$dir/out" '"huge":807500000000000000000,"odd":0.7000000000000001,"who":"bob"'
is "get: rows by key" "$(json "$dir/out" "[(r['room'], r['n'], r['best']) for r in j['rows']], j['more'], j['next']")" \
	"[(7, 3, 807.5), (399, 3, 1199.5)] False None"
ok "get: a key of two fields" state get -o json both 'ann,0' '"c,""d",2'
is "get: two fields" "$(json "$dir/out" "[(r['who'], r['room'], r['window_end'][11:16], r['n']) for r in j['rows']]")" \
	"[('ann', 0, '00:30', 1), ('ann', 0, '01:00', 1), ('c,\"d', 2, '00:30', 1), ('c,\"d', 2, '01:00', 1)]"
ok "get: a text is its key as it is" state get -o json visits 'c,"d'
is "get: a session" "$(json "$dir/out" "j['rows'][0]['n']")" 400
ok "get: without key fields" state get -o json all
is "get: one state" "$(json "$dir/out" "[r['n'] for r in j['rows']]")" "[1200]"
ok "get: nothing of the key" state get -o json visits nobody
is "get: no rows" "$(json "$dir/out" "j['rows']")" "[]"
# More keys than one request takes.
# shellcheck disable=SC2046 # words on purpose
ok "get: many keys" state get -o json rooms $(seq 0 399)
is "get: all of them" "$(json "$dir/out" "len(j['rows']), sum(r['n'] for r in j['rows'])")" "400 1200"

# ---- list ----
ok "list" state list ask rooms
is "list: 100, a title and the names" "$(lines "$dir/out" | tr -d ' ')" 102
has "list: there are more" "$dir/err" "there are more: --limit N"
ok "list all" state list --limit 1000 -o json rooms
is "list: each key once" "$(json "$dir/out" "len(j['rows']), len({r['room'] for r in j['rows']}), j['more']")" "400 400 False"
ok "list: sliding" state list --limit 100000 -o json both
is "list: each key once in both windows" \
	"$(json "$dir/out" "len(j['rows']), len({(r['who'], r['room'], r['window_start']) for r in j['rows']}), sum(r['n'] for r in j['rows'])")" \
	"2400 2400 2400"
ok "list: prefix" state list --prefix 39 -o json rooms
is "list: what begins so" "$(json "$dir/out" "sorted(r['room'] for r in j['rows'])")" \
	"[39, 390, 391, 392, 393, 394, 395, 396, 397, 398, 399]"

# ---- what cannot be asked ----
refused "top" 1 'step `first` (top) cannot be asked' state get first ann
refused "no step" 1 'no step `nope` in this pipeline' state list nope
refused "no key" 1 'which key? It is `room`' state get rooms
refused "no number" 1 '`x` is no value of `room`, which is int64' state get rooms x
refused "not two fields" 1 '`ann` is no key: it is `who,room`' state get both ann
refused "a key too many" 1 'ask without a key' state get all 1
refused "no pipeline" 1 'no pipeline `nope` runs' state get -p nope rooms 1
refused "a key too long" 1 'longer than 3000 bytes' state get visits "$(printf '%04000d' 7)"
refused "conflicts" 1 'only tables have conflicts' conflicts rooms
refused "conflicts, followed" 1 'only tables have conflicts' conflicts --follow --key 1 --field n -o json ask rooms
for args in 'state' 'state put rooms' 'state get' 'state list' 'state get --limit 3 rooms' 'state list ask rooms 7' 'state list --limit 0 rooms' \
	'state list -o yaml rooms' 'state list --nope' 'conflicts' 'conflicts --limit x rooms' 'conflicts -o yaml rooms' 'conflicts a b c' 'conflicts -z'; do
	# shellcheck disable=SC2086 # words on purpose
	run $args
	is "usage: $args" "$code" 2
done
ok "help" state --help
has "help" "$dir/out" "weir state get"
ok "help of conflicts" conflicts --help

# ---- the socket ----
# All requests at once: the answers come in order.
sock() {
	"$python" -c '
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall("".join(x + "\n" for x in sys.argv[2:]).encode())
f = s.makefile()
for _ in sys.argv[2:]:
    a = json.loads(f.readline())
    print(a["error"] if "error" in a else (len(a["rows"]), a["more"]) if "rows" in a else a["ok"])' "$WEIR_RUN_DIR/ask.sock" "$@"
}
sock '{"cmd":"state","step":"rooms","limit":5}' '{"cmd":"status"}' '{"cmd":"state","step":"rooms","keys":["1","2"]}' \
	'{"cmd":"state","step":"rooms","limit":0}' '{"cmd":"state","step":"rooms","keys":[1]}' '{"cmd":"state","step":"rooms","keys":"1"}' \
	'{"cmd":"state","step":5}' '{"cmd":"state"}' '{"cmd":"state","step":"rooms","next":"0.9.0.0.0"}' '{"cmd":"state","step":"rooms","next":"x"}' \
	'{"cmd":"state","step":"rooms","limit":10000}' >"$dir/sock" 2>&1
cat >"$dir/sock.want" <<'X'
(5, True)
True
(2, False)
`limit` is not a number from 1 to 10000
a key in `keys` is not a text
`keys` is not a list of at most 64 texts
`step` is not a text
no step `` in this pipeline
`next` is not what an earlier answer to this question gave
`next` is not what an earlier answer to this question gave
(400, False)
X
same "requests of the socket, in order" "$dir/sock" "$dir/sock.want"
"$python" -c '
import socket, sys
for i in range(50):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.sendall(b"{\"cmd\":\"state\",\"step\":\"both\",\"limit\":10000}\n" * 90)
    s.close()' "$WEIR_RUN_DIR/ask.sock" 2>/dev/null
ok "clients that leave before their answers" status ask

# ---- HTTP ----
http=$("$weir" status -o json ask | "$python" -c 'import json, sys; print(json.load(sys.stdin)["metrics"])')
# get PATH: the status, then the body.
get() {
	"$python" -c '
import sys, urllib.error, urllib.request
try:
    r = urllib.request.urlopen(sys.argv[1], timeout=20)
except urllib.error.HTTPError as e:
    r = e
print(r.status, r.headers["Content-Type"])
print(r.read().decode())' "http://$http$1" >"$dir/http"
}
get '/state/rooms?key=7&key=8'
has "HTTP: fine" "$dir/http" "200 application/json"
is "HTTP: rows" "$(json "$dir/http" "[(r['room'], r['n']) for r in j['rows']]")" "[(7, 3), (8, 3)]"
get '/state/rooms?prefix=39&limit=3'
is "HTTP: list" "$(json "$dir/http" "len(j['rows']), j['more']")" "3 True"
get "/state/rooms?prefix=39&limit=100&next=$(json "$dir/http" "j['next']")"
is "HTTP: the rest" "$(json "$dir/http" "len(j['rows']), j['more']")" "8 False"
get '/state/both?key=ann%2C0'
is "HTTP: escaped" "$(json "$dir/http" "len(j['rows'])")" 2
for want in '404 /state/nope' '404 /state/' '404 /state' '400 /state/first?key=1' '400 /state/rooms?key=x' '400 /state/rooms?limit=0' \
	'400 /state/rooms?limit=99999' '400 /state/rooms?nope=1' '400 /state/rooms?next=1' '400 /state/rooms?key'; do
	get "${want#* }"
	is "HTTP: ${want#* }" "$(head -n 1 "$dir/http" | cut -c1-3)" "${want%% *}"
done
is "HTTP: only GET" "$("$python" -c '
import http.client, sys
c = http.client.HTTPConnection(sys.argv[1])
c.request("POST", "/state/rooms", "x")
print(c.getresponse().status)' "$http")" 405
is "HTTP: many at once, with scrapes between them" "$("$python" -c '
import concurrent.futures, sys, urllib.request
def one(i):
    path = "/metrics" if i % 5 == 0 else "/state/rooms?limit=1000" if i % 5 == 1 else "/state/rooms?key=%d" % (i % 400)
    return urllib.request.urlopen(sys.argv[1] + path, timeout=30).status
with concurrent.futures.ThreadPoolExecutor(8) as ex:
    print(*sorted(set(ex.map(one, range(300)))))' "http://$http")" 200

finish
