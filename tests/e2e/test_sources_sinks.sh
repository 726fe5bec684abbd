#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What goes in and comes out: files, streams, sockets; steps with several outputs; late records.
# shellcheck disable=SC2016,SC2317 # messages quote names in backquotes; functions are called by name
set -u
# shellcheck source=tests/e2e/lib.sh
. tests/e2e/lib.sh
begin sources-sinks

result() {
	cat "$dir/$1"/part-*
}

# reads NAME PATH [OPTIONS]: from a file to $dir/out-NAME, in one task each
reads() {
	pipe "$1" <<X
pipeline: $1
parallelism: 1
steps:
  in: {source: {file: {path: "$2"${3:+, $3}}}, schema: {id: int64, text: "string?", price: "decimal(8,2)?"}}
  out: {from: in, sink: {file: {path: out-$1}}}
X
}

# ---- files ----
cat >"$dir/a.csv" <<'X'
price,more,id,text
1.50,x,1,"a ""quoted"" one, with
a new line"
,y,2,
-0.05,z,3,plain
X
cat >"$dir/a.want" <<'X'
{"id":1,"text":"a \"quoted\" one, with\na new line","price":1.50}
{"id":2,"text":null,"price":null}
{"id":3,"text":"plain","price":-0.05}
X
reads csv a.csv
ok "csv" run "$dir/csv.yaml"
result out-csv >"$dir/got"
same "csv: quotes, order of columns, nulls" "$dir/got" "$dir/a.want"
printf '7;-;1.25\n8;x;-\n' >"$dir/b.txt"
reads semi b.txt "format: csv, delimiter: ';', header: false, 'null': '-'"
ok "csv without a header" run "$dir/semi.yaml"
is "csv: options" "$(result out-semi | tr -d '\n')" \
	'{"id":7,"text":null,"price":1.25}{"id":8,"text":"x","price":null}'
printf '\357\273\277id,text,price\r\n1,one,2.00\r\n2,two,3.00' >"$dir/dos.csv"
reads dos dos.csv
ok "csv with a mark, carriage returns, no last line end" run "$dir/dos.yaml"
is "csv: foreign line ends" "$(result out-dos | tr -d '\n')" \
	'{"id":1,"text":"one","price":2.00}{"id":2,"text":"two","price":3.00}'

# many FROM TO: lines of JSON
many() {
	seq "$1" "$2" | sed 's/.*/{"id":&,"text":"line &","price":null}/'
}
many 1 30000 >"$dir/all"
mkdir "$dir/parts"
many 1 10000 | gzip >"$dir/parts/1.jsonl.gz"
many 10001 20000 | zstd -q >"$dir/parts/2.jsonl.zst"
many 20001 30000 >"$dir/parts/3.jsonl"
echo "not for us" >"$dir/parts/.hidden"
mkdir "$dir/parts/folder"
reads folder parts "format: jsonl"
ok "folder" run "$dir/folder.yaml"
result out-folder >"$dir/got"
same "folder: all files, in order, packed or not" "$dir/got" "$dir/all"
reads glob "parts/[12].json*"
sed -i 's/json\*"/json*", format: jsonl/' "$dir/glob.yaml"
ok "pattern" run "$dir/glob.yaml"
result out-glob >"$dir/got"
head -n 20000 "$dir/all" >"$dir/want"
same "pattern: the files it names" "$dir/got" "$dir/want"
sed -e 's/parallelism: 1/parallelism: 3/' -e 's/: glob/: wide/' -e 's/out-glob/out-wide/' "$dir/glob.yaml" >"$dir/wide.yaml"
ok "pattern, three tasks for two files" run "$dir/wide.yaml"
result out-wide | sort >"$dir/got"
sort "$dir/want" >"$dir/want2"
same "three tasks read each file once" "$dir/got" "$dir/want2"
{ gzip -c "$dir/parts/3.jsonl"; many 1 10 | gzip; } >"$dir/members.jsonl.gz"
reads members members.jsonl.gz
ok "gzip of two members" run "$dir/members.yaml"
is "gzip of two members" "$(lines "$dir/out-members" | tr -d ' ')" 10010

# ---- follow ----
many 1 3 >"$dir/grow.jsonl"
pipe follow <<'X'
pipeline: follow
parallelism: 1
steps:
  in: {source: {file: {path: grow.jsonl, follow: true}}, schema: {id: int64, text: string}}
  out: {from: in, sink: stdout}
X
start follow "$dir/follow.yaml"
comes "follow: what is there" grep -q '"id":3,' "$dir/follow.out"
many 4 5 >>"$dir/grow.jsonl"
comes "follow: what is added" grep -q '"id":5,' "$dir/follow.out"
printf '{"id":6,' >>"$dir/grow.jsonl"
many 1000 1000 >"$dir/marker"
printf '"text":"in two pieces"}\n' >>"$dir/grow.jsonl"
comes "follow: a line in two pieces" grep -q 'in two pieces' "$dir/follow.out"
many 7 7 >"$dir/grow.jsonl"
comes "follow: a file that was cut" grep -q '"id":7,' "$dir/follow.out"
has "follow: cutting is told" "$dir/follow.err" "truncated"
mv "$dir/grow.jsonl" "$dir/grow.old"
many 8 8 >"$dir/grow.jsonl"
comes "follow: a file that was replaced" grep -q '"id":8,' "$dir/follow.out"
kill -TERM "$pid"
ends "follow" "$pid" 0
is "follow: each record once" "$(sed 's/.*"id":\([0-9]*\).*/\1/' "$dir/follow.out" | tr '\n' ' ')" "1 2 3 4 5 6 7 8 "

mkdir "$dir/inbox"
sed -e 's/: follow$/: inbox/' -e 's/path: grow.jsonl/path: inbox, format: jsonl/' "$dir/follow.yaml" >"$dir/inbox.yaml"
start inbox "$dir/inbox.yaml"
comes "an empty folder is waited for" "$weir" status inbox
many 1 2 >"$dir/inbox/b.jsonl"
comes "a file appears" grep -q '"id":2,' "$dir/inbox.out"
many 3 4 | gzip >"$dir/late.gz"
mv "$dir/late.gz" "$dir/inbox/a.jsonl.gz"
comes "another one, packed" grep -q '"id":4,' "$dir/inbox.out"
kill -TERM "$pid"
ends "folder" "$pid" 0

# ---- standard input ----
pipe stdin <<'X'
pipeline: stdin
steps:
  in: {source: {stdin: {format: csv}}, schema: {id: int64, text: string}}
  big: {from: in, filter: id > 1}
  out: {from: big, sink: {stdout: {format: csv}}}
X
printf 'id,text\n1,one\n2,"t,wo"\n3,three\n' | timeout 60 "$weir" run -q "$dir/stdin.yaml" >"$dir/got" 2>"$dir/err"
is "stdin: exit code" "$?" 0
printf 'id,text\n2,"t,wo"\n3,three\n' >"$dir/want"
same "stdin to stdout, csv, one header" "$dir/got" "$dir/want"

# ---- tcp ----
pipe tcp <<'X'
pipeline: tcp
steps:
  in:
    source: {tcp: {listen: "127.0.0.1:0", format: jsonl}}
    schema: {id: int64, text: string}
    on_error: skip
    parallelism: 1
  out: {from: in, sink: {file: {path: tcp, part_interval: 100ms}}, parallelism: 1}
X
address() {
	status_of "$1" "step['in']['address']"
}
start tcp "$dir/tcp.yaml"
comes "tcp source is up" "$weir" status tcp
check "tcp source: the log says where" grep -qF "msg=listening step=in address=$(address tcp)" "$dir/tcp.err"
"$python" - "$(address tcp)" <<'X'
import socket, sys
host, port = sys.argv[1].split(":")
conns = [socket.create_connection((host, int(port))) for _ in range(20)]
for k in range(50):
    for c, s in enumerate(conns):
        line = b'{"id":%d,"text":"from %d"}\n' % (k, c)
        s.sendall(line[:7])
    for c, s in enumerate(conns):
        line = b'{"id":%d,"text":"from %d"}\n' % (k, c)
        s.sendall(line[7:])
conns[0].sendall(b'garbage\n{"id":1000,"text":"without a line end"}')
for s in conns:
    s.close()
X
comes "tcp: all records of 20 connections" sh -c "'$weir' status -o json tcp | grep -q '\"records_in\": *1001,'"
is "tcp: garbage is counted" "$(status_of tcp "step['in']['rejected']")" 1
written() {
	[ "$(lines "$dir/tcp")" -eq 1001 ]
}
comes "tcp: written" written
kill -TERM "$pid"
ends "tcp source" "$pid" 0
is "tcp: connections do not mix" "$(result tcp | sed 's/.*"text":"\(.*\)"}/\1/' | sort | uniq -c | awk '$1 == 50' | wc -l | tr -d ' ')" 20

# A receiver that does not read stops the sink, the ring, the source, and at last the producer.
cat >"$dir/receiver.py" <<'X'
"""Accepts one connection, reads nothing until the file GO is there, then counts lines to the end."""
import os, socket, sys, time
go = sys.argv[1]
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen()
print(s.getsockname()[1], flush=True)
c, _ = s.accept()
while not os.path.exists(go):
    time.sleep(0.02)
n, last = 0, b""
while True:
    b = c.recv(1 << 20)
    if not b:
        break
    n += b.count(b"\n")
print("lines", n, flush=True)
X
cat >"$dir/producer.py" <<'X'
"""Sends N lines; says BLOCKED with the bytes taken when nothing has been taken for a second."""
import select, socket, sys
host, port = sys.argv[1].split(":")
s = socket.create_connection((host, int(port)))
s.setblocking(False)
text = "x" * 200
n, sent, told = int(sys.argv[2]), 0, False
i, buf = 0, b""
while i < n or buf:
    if not buf:
        k = min(n, i + 1000)
        buf = b"".join(b'{"id":%d,"text":"%s"}\n' % (j, text.encode()) for j in range(i, k))
        i = k
    if not select.select([], [s], [], None if told else 1)[1]:
        print("blocked", sent, flush=True)
        told = True
        continue
    w = s.send(buf)
    sent += w
    buf = buf[w:]
print("sent", sent, flush=True)
X
"$python" "$dir/receiver.py" "$dir/go" >"$dir/receiver" &
receiver=$!
pids="$pids $receiver"
until_ok 30 grep -q . "$dir/receiver"
pipe slow <<X
pipeline: slow
guarantee: none
ring_size: 256KiB
steps:
  in:
    source: {tcp: {listen: "127.0.0.1:0", format: jsonl}}
    schema: {id: int64, text: string}
    parallelism: 1
  even: {from: in, filter: id % 2 == 0, fuse: false}
  out: {from: even, sink: {tcp: {address: "127.0.0.1:$(head -n 1 "$dir/receiver")"}}, parallelism: 1}
X
start slow "$dir/slow.yaml"
comes "slow pipeline is up" "$weir" status slow
before=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status")
"$python" "$dir/producer.py" "$(address slow)" 500000 >"$dir/producer" &
producer=$!
pids="$pids $producer"
comes "a receiver that does not read blocks the producer" grep -q blocked "$dir/producer"
taken=$(sed -n 's/blocked //p' "$dir/producer")
check "what was taken is bounded: ${taken:-?} bytes of 110 MB" [ "${taken:-1000000000}" -lt 60000000 ]
after=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status")
check "memory is bounded: $before kB, then $after kB" [ "$after" -lt $((before + 65536)) ]
check "the blocked pipeline answers" "$weir" status slow
touch "$dir/go"
comes "the producer goes on once the receiver reads" grep -q sent "$dir/producer"
comes "everything is on its way" sh -c "'$weir' status -o json slow | grep -q '\"records_in\": *500000,'"
kill -TERM "$pid"
ends "slow pipeline" "$pid" 0
comes "the receiver has all of it" grep -q "lines 250000" "$dir/receiver"

"$python" -c '
import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen()
print(s.getsockname()[1], flush=True)
c, _ = s.accept()
c.recv(100)
c.close()' >"$dir/rude" &
pids="$pids $!"
until_ok 30 grep -q . "$dir/rude"
pipe rude <<X
pipeline: rude
steps:
  in: {source: nexmark}
  out: {from: in.bid, sink: {tcp: {address: "127.0.0.1:$(cat "$dir/rude")"}}}
X
sed -i 's/sink: {tcp/parallelism: 1, sink: {tcp/' "$dir/rude.yaml"
refused "a receiver that hangs up" 1 'step `out`: connection to 127.0.0.1:' run "$dir/rude.yaml"

# ---- parts of a file sink ----
pipe sized <<'X'
pipeline: sized
parallelism: 1
steps:
  in: {source: {nexmark: {events: 20000}}}
  out: {from: in.bid, sink: {file: {path: sized, format: csv, part_size: 64KiB}}}
X
ok "parts by size" run "$dir/sized.yaml"
"$weir" generate nexmark --events 20000 --only bid --seed 0 --format csv >"$dir/want"
result sized >"$dir/got"
same "all parts together are the result, with one header" "$dir/got" "$dir/want"
check "there are several" [ "$(find "$dir/sized" -name 'part-out-*.csv' | wc -l)" -gt 5 ]
temporary() {
	find "$dir/$1" -name '.part-*' -type f | wc -l | tr -d ' '
}
is "no temporary name stays" "$(temporary sized)" 0
echo "half a part" >"$dir/sized/.part-out-00000099.csv.tmp"
echo "not ours" >"$dir/sized/part-other-00000001.csv"
ok "it is finished" run "$dir/sized.yaml"
result sized | grep -v "not ours" >"$dir/got"
same "earlier results stay" "$dir/got" "$dir/want"
rm -rf "$dir/.weir/sized"
refused "results without the state they belong to" 1 "--fresh" run "$dir/sized.yaml"
result sized | grep -v "not ours" >"$dir/got"
same "they stay too" "$dir/got" "$dir/want"
ok "and are replaced with --fresh" run --fresh "$dir/sized.yaml"
is "leftovers of a crash go" "$(temporary sized)" 0
is "parts of another step stay" "$(cat "$dir/sized/part-other-00000001.csv")" "not ours"
for kind in gzip zstd; do
	sed -e "s/: sized/: $kind/" -e "s/format: csv/format: csv, compression: $kind/" "$dir/sized.yaml" >"$dir/$kind.yaml"
	ok "parts packed with $kind" run "$dir/$kind.yaml"
	"$kind" -dc "$dir/$kind"/part-* >"$dir/got"
	same "$kind: the same result" "$dir/got" "$dir/want"
done
sed -e 's/^parallelism.*/parallelism: 3/' -e 's/: sized/: tasks/' "$dir/sized.yaml" >"$dir/tasks.yaml"
ok "parts of three tasks" run "$dir/tasks.yaml"
result tasks | sort >"$dir/got"
sort "$dir/want" >"$dir/want2"
same "three tasks: the same records, one header" "$dir/got" "$dir/want2"

pipe timed <<'X'
pipeline: timed
guarantee: none
parallelism: 1
steps:
  in: {source: {nexmark: {rate: 2000}}}
  out: {from: in.bid, sink: {file: {path: timed, part_interval: 200ms}}}
X
start timed "$dir/timed.yaml"
three_parts() {
	[ "$(find "$dir/timed" -name 'part-*' | wc -l)" -ge 3 ]
}
comes "parts by time, while it runs" three_parts
kill -TERM "$pid"
ends "parts by time" "$pid" 0
written=$(tail -n 1 "$dir/timed.err" | sed 's/.* in, \([0-9]*\) out.*/\1/')
is "parts by time: all that came out" "$(lines "$dir/timed" | tr -d ' ')" "$written"
is "parts by time: no temporary name stays" "$(find "$dir/timed" -name '.*' -type f | wc -l | tr -d ' ')" 0

# ---- stdout of several tasks ----
pipe wideout <<'X'
pipeline: wideout
steps:
  in: {source: {nexmark: {events: 100000}}, parallelism: 4}
  out: {from: in.bid, sink: {stdout: {format: csv}}, parallelism: 4}
X
timeout 60 "$weir" run -q "$dir/wideout.yaml" | sort >"$dir/got"
"$weir" generate nexmark --events 100000 --only bid --seed 0 --format csv | sort >"$dir/want"
same "records of four tasks do not mix in a pipe" "$dir/got" "$dir/want"

# ---- steps with several outputs ----
cat >"$dir/orders.jsonl" <<'X'
{"id": 1, "kind": "a", "tags": ["x", "y"]}
{"id": 2, "kind": "b", "tags": []}
{"id": 30, "kind": "a", "tags": ["z"]}
{"id": 4, "kind": "c", "tags": null}
broken
{"id": 50, "kind": "c", "tags": ["u", "v", "w"]}
X
pipe outputs <<'X'
pipeline: outputs
parallelism: 1
steps:
  in: {source: {file: {path: orders.jsonl}}, schema: {id: int64, kind: string, tags: "list<string>?"}, on_error: route}
  sorted: {from: in, split: {large: id > 10, a: kind == "a"}}
  large: {from: sorted.large, sink: {file: {path: large}}}
  a: {from: sorted.a, sink: {file: {path: a}}}
  rest: {from: sorted.rest, sink: {file: {path: rest}}}
  again: {from: [sorted.large, sorted.rest], union: true}
  words: {from: again, flat_map: {field: tags, as: tag}}
  tags: {from: words, sink: {file: {path: tags}}}
  inverse: {from: in, map: {id: id, inverse: 100 / (id - 4)}, on_error: route}
  failed: {from: [in.rejects, inverse.rejects], sink: {file: {path: failed}}}
  good: {from: inverse, sink: {file: {path: good}}}
X
ok "several outputs" run -o json "$dir/outputs.yaml"
ids() {
	result "$1" | sed 's/.*"id":\([0-9]*\).*/\1/' | sort -n | tr '\n' ' '
}
is "split: first true one" "$(ids large)" "30 50 "
is "split: the others" "$(ids a)" "1 "
is "split: rest" "$(ids rest)" "2 4 "
is "union and flat_map" "$(result tags | sed 's/.*"tag":"\(.*\)"}/\1/' | sort | tr '\n' ' ')" "u v w z "
is "map" "$(ids good)" "1 2 30 50 "
is "rejects of two steps" "$(result failed | "$python" -c '
import json, sys
print(*sorted(json.loads(x)["step"] for x in sys.stdin))')" "in inverse"
is "rejects are counted where they happen" "$(json "$dir/err" "[s['rejected'] for s in j['steps'] if s['step'] in ('in', 'inverse')]")" "[1, 1]"

# ---- late records ----
pipe late <<'X'
pipeline: late
parallelism: 1
steps:
  in: {source: {stdin: {format: jsonl}}, schema: {t: timestamp, k: string, v: int64}, event_time: t}
  sums:
    from: in
    key_by: [k]
    window: {tumbling: 10s, lateness: 10s}
    aggregate: {n: count(), s: sum(v)}
  out: {from: sums, sink: stdout}
  late: {from: sums.late, sink: {file: {path: late}}}
X
mkfifo "$dir/pipe"
"$weir" run "$dir/late.yaml" <"$dir/pipe" >"$dir/late.out" 2>"$dir/late.err" &
pid=$!
pids="$pids $pid"
exec 3<>"$dir/pipe"
# event SECOND VALUE
event() {
	printf '{"t": "2024-01-01T00:00:%02dZ", "k": "a", "v": %d}\n' "$1" "$2" >&3
}
window() {
	grep -q "00:00:$1Z\",\"window_end\":.*\"n\":$2,\"s\":$3}" "$dir/late.out"
}
event 1 1
event 9 2
event 12 4
comes "a window fires when the watermark passes it" window 00 2 3
event 5 8
comes "a late record within the lateness fires it again" window 00 3 11
event 25 16
comes "the next window" window 10 1 4
event 3 32
late_one() {
	[ "$(status_of late "step['sums']['late']")" = 1 ]
}
comes "beyond the lateness it is late" late_one
event 15 64
comes "a late record of a window that is still kept" window 10 2 68
exec 3>&-
ends "late records" "$pid" 0
is "each result once" "$(lines "$dir/late.out" | tr -d ' ')" 5
is "late output" "$(result late)" '{"t":"2024-01-01T00:00:03Z","k":"a","v":32}'
finish
