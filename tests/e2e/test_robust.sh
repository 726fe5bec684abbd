#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Pipelines that are held up, stopped or asked for nonsense: taps behind a full ring, sinks that fail at the
# last moment, clients of the control socket that misbehave, the second signal.
# shellcheck disable=SC2317 # functions are called by comes
set -u
# shellcheck source=tests/e2e/lib.sh
. tests/e2e/lib.sh
begin robust

# ---- a tap shows what passes also where the task is never idle, because what is behind is slow ----
pipe slow <<'X'
pipeline: slow
guarantee: none
steps:
  in: {source: {nexmark: {}}}
  kept: {from: in.bid, filter: price >= 0}
  out: {from: kept, fuse: false, sink: {stdout: {format: jsonl}}}
X
mkfifo "$dir/slow.pipe"
python3 -c '
import os, sys, time
fd = os.open(sys.argv[1], os.O_RDONLY)
while os.read(fd, 65536):
    time.sleep(0.01)' "$dir/slow.pipe" &
reader=$!
"$weir" run -q --metrics off --workers 2 "$dir/slow.yaml" >"$dir/slow.pipe" 2>"$dir/slow.err" </dev/null &
pid=$!
pids="$pids $pid $reader"
up slow
held() {
	[ "$(status_of slow "step['kept']['blocked_ns'] > 300000000")" = True ]
}
comes "the filter is held up" held
for _ in 1 2; do
	limit=20 ok "tap of a step that is held up" tap --count 3 slow kept
	is "records of the tap" "$(lines "$dir/out")" 3
done
kill -TERM "$pid"
comes "the first signal drains" grep -q "draining" "$dir/slow.err"
kill -TERM "$pid" 2>/dev/null
check "the slow one ends" until_ok 60 gone "$pid"
kill "$reader" 2>/dev/null
wait "$pid" "$reader" 2>/dev/null

# ---- a receiver that never reads: the pipeline waits, and the second signal ends it ----
cat >"$dir/deaf.py" <<'X'
import os, socket, sys, time
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen()
with open(sys.argv[1] + ".new", "w") as f:
    f.write(str(s.getsockname()[1]))
os.rename(sys.argv[1] + ".new", sys.argv[1])
c, _ = s.accept()
time.sleep(300)
X
python3 "$dir/deaf.py" "$dir/port" &
reader=$!
pids="$pids $reader"
comes "the receiver listens" test -s "$dir/port"
pipe deaf <<X
pipeline: deaf
guarantee: none
steps:
  in: {source: {nexmark: {}}}
  out: {from: in.bid, sink: {tcp: {address: "127.0.0.1:$(cat "$dir/port")", format: jsonl}}}
X
start deaf -q --metrics off --workers 1 "$dir/deaf.yaml"
up deaf
blocked() {
	[ "$(status_of deaf "step['out']['blocked_ns'] > 100000000")" = True ]
}
comes "the sink is held up" blocked
kill -TERM "$pid"
comes "the first signal drains" grep -q "draining" "$dir/deaf.err"
check "and waits for the receiver" kill -0 "$pid"
kill -TERM "$pid"
ends "the second one stops at once" "$pid" 1
has "what is missing is told" "$dir/deaf.err" "stopped before everything was processed"
kill "$reader" 2>/dev/null
wait "$reader" 2>/dev/null

# ---- a part that cannot get its name ----
pipe rename <<'X'
pipeline: rename
guarantee: none
steps:
  in: {source: {stdin: {format: jsonl}}, schema: {a: int64}}
  out: {from: in, sink: {file: {path: rename, format: jsonl}}}
X
mkfifo "$dir/rename.pipe"
"$weir" run -q --metrics off "$dir/rename.yaml" <"$dir/rename.pipe" >"$dir/rename.out" 2>"$dir/rename.err" &
pid=$!
pids="$pids $pid"
exec 9>"$dir/rename.pipe"
echo '{"a":1}' >&9
comes "the part is begun" test -e "$dir/rename/.part-out-00000001.jsonl.tmp"
mkdir "$dir/rename/part-out-00000001.jsonl"
exec 9>&-
ends "rename fails" "$pid" 1
has "which part" "$dir/rename.err" "cannot put in place"
is "nothing unfinished is left" "$(ls -A "$dir/rename")" part-out-00000001.jsonl
# With state nothing is lost: it goes on once the place is free.
echo '{"a":1}' >"$dir/one.jsonl"
pipe taken <<'X'
pipeline: taken
steps:
  in: {source: {file: {path: one.jsonl, follow: true}}, schema: {a: int64}}
  out: {from: in, sink: {file: {path: taken, part_interval: 100ms}}}
X
start taken -q --metrics off "$dir/taken.yaml"
comes "a first part" test -e "$dir/taken/part-out-00000001.jsonl"
mkdir "$dir/taken/part-out-00000002.jsonl"
echo '{"a":2}' >>"$dir/one.jsonl"
ends "a name that is taken" "$pid" 1
has "which name" "$dir/taken.err" "part-out-00000002.jsonl"
rmdir "$dir/taken/part-out-00000002.jsonl"
start taken -q --metrics off "$dir/taken.yaml"
comes "nothing was lost" grep -qF '{"a":2}' "$dir/taken/part-out-00000002.jsonl"
kill -TERM "$pid"
ends "the name was free" "$pid" 0

# ---- a repeated stream goes on in event time, as far as times go ----
printf '{"t":"1950-01-01T00:00:00Z"}\n{"t":"2020-01-01T00:00:00Z"}\n' >"$dir/long.jsonl"
pipe make <<'X'
pipeline: make
steps:
  in: {source: {file: {path: long.jsonl}}, schema: {t: timestamp}, event_time: {field: t}}
  out: {from: in, sink: {file: {path: long, format: raw}}}
X
ok "two records, 70 years apart" run -q --metrics off "$dir/make.yaml"
mv "$dir"/long/part-* "$dir/long.raw"
for loop in 4 5; do
	pipe loop$loop <<X
pipeline: loop$loop
steps:
  in: {source: {memory: {path: long.raw, loop: $loop}}, event_time: {field: t}}
  days: {from: in, window: {tumbling: 1d}, aggregate: {n: count()}}
  out: {from: days, sink: stdout}
X
done
ok "rounds that fit" run -q --metrics off "$dir/loop4.yaml"
is "a round begins where the one before ended" \
	"$(json "$dir/out" "'%s %d' % (j['window_start'], j['n'])")" "2230-01-01T00:00:00Z 1"
refused "rounds that do not fit" 1 "event times leave the range" run -q --metrics off "$dir/loop5.yaml"

# ---- clients of the control socket ----
pipe asked <<'X'
pipeline: asked
steps:
  in: {source: {nexmark: {rate: 1000}}}
  kept: {from: in.bid, filter: price >= 0}
  out: {from: kept, sink: blackhole}
X
start asked -q --metrics off "$dir/asked.yaml"
up asked
cat >"$dir/clients.py" <<'X'
import json, os, socket
path = os.environ["WEIR_RUN_DIR"] + "/asked.sock"

def client(data):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(path)
    try:
        s.sendall(data)
    except OSError:
        pass
    return s

def line(s):
    return json.loads(s.makefile().readline())

for data in (b"\n", b"null\n", b"[]\n", b"{\n", b'{"cmd":["status"]}\n', b'{"cmd":"fly"}\n',
             bytes(range(128, 256)) + b"\n", b'{"cmd":"tap","step":7}\n',
             b'{"cmd":"tap","step":"' + b"x" * 3000 + b'"}\n', b'{"cmd":"tap","step":"out"}\n'):
    assert not line(client(data))["ok"], data

# A line without an end, and one that does not read its answers for long: both are dropped or served.
for data in (b"x" * 5000, b'{"cmd":"status"}\n' * 200):
    s = client(data)
    s.shutdown(socket.SHUT_WR)
    try:
        while s.recv(1 << 16):
            pass
    except ConnectionError:
        pass

# A tap that goes without a word makes place for the next; a second one meanwhile is refused.
for _ in range(3):
    a = client(b'{"cmd":"tap","step":"kept"}\n')
    assert line(a)["ok"]
    assert not line(client(b'{"cmd":"tap","step":"kept"}\n'))["ok"]
    a.close()
    while True:
        a = client(b'{"cmd":"tap","step":"kept","count":1}\n')
        if line(a)["ok"]:
            break
    a.close()
    while True:
        a = client(b'{"cmd":"tap","step":"kept"}\n')
        if line(a)["ok"]:
            break
    a.close()
    while True:
        a = client(b'{"cmd":"tap","step":"kept","count":1}\n')
        if line(a)["ok"]:
            break
    while a.recv(1 << 16):
        pass

assert line(client(b'{"cmd":"status"}\n'))["pipeline"] == "asked"
X
check "clients that misbehave" timeout 60 python3 "$dir/clients.py"
is "it still runs" "$(status_of asked "s['running']")" True
kill -TERM "$pid"
ends "and drains" "$pid" 0

finish
