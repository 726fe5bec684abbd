#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Results of pipelines against the same questions in SQL (SQLite), row by row.

sql_compare.py nexmark BUILD WORKDIR [EVENTS]    the queries in examples/nexmark
sql_compare.py quakes BUILD WORKDIR CSV          three pipelines over a file of earthquakes

Each pipeline runs with parallelism 1, 2 and 4, and once more from a file whose records are shuffled within
the allowed disorder. Text, integers and decimals must be equal, floats up to 1e-9 of their size. Nexmark
results of parallelism 1 are compared with SQL, the others with those to the byte.
"""
import collections
import csv
import datetime
import glob
import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys

NS = 10**9
EPOCH = datetime.datetime(1970, 1, 1)
failures = 0
checks = 0


def to_ns(text):
    """RFC 3339 in UTC to nanoseconds."""
    d, frac = text[:19], text[19:].rstrip("Z").lstrip(".")
    s = (datetime.datetime.strptime(d.replace("T", " "), "%Y-%m-%d %H:%M:%S") - EPOCH)
    return (s.days * 86400 + s.seconds) * NS + int((frac + "0" * 9)[:9] or 0)


def to_text(ns):
    s, frac = divmod(ns, NS)
    t = (EPOCH + datetime.timedelta(seconds=s)).strftime("%Y-%m-%dT%H:%M:%S")
    return t + ("." + ("%09d" % frac).rstrip("0") if frac else "") + "Z"


def sh(*args):
    r = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    if r.returncode:
        print("%s: exit %d\n%s" % (" ".join(args), r.returncode, r.stderr[-3000:]))
        sys.exit(1)
    return r


def close(a, b):
    if isinstance(a, float) or isinstance(b, float):
        if a is None or b is None:
            return a is b
        return abs(a - b) <= 1e-9 * max(abs(a), abs(b), 1e-300)
    return a == b


def texts(row):
    return tuple(x for x in row if not isinstance(x, (int, float)))


def compare(what, got, want):
    """Multisets of rows. Rows that are not the same to the last bit are paired by their texts."""
    global failures, checks
    checks += 1
    extra, missing = collections.Counter(got), collections.Counter(want)
    both = extra & missing
    extra, missing = extra - both, missing - both
    if extra and missing:
        rest = collections.defaultdict(list)
        for row in missing.elements():
            rest[texts(row)].append(row)
        for row in list(extra.elements()):
            for w in rest.get(texts(row), []):
                if w in missing and all(close(a, b) for a, b in zip(row, w)):
                    extra -= collections.Counter([row])
                    missing -= collections.Counter([w])
                    break
    if extra or missing:
        failures += 1
        print("FAILED %s: %d rows too much, %d missing" % (what, sum(extra.values()), sum(missing.values())))
        for row in list(extra)[:3]:
            print("   too much: %r" % (row,))
        for row in list(missing)[:3]:
            print("   missing:  %r" % (row,))
    else:
        print("ok %s: %d rows" % (what, len(got)))
    sys.stdout.flush()


def run(weir, text, name, work):
    """Runs a pipeline text; its sink writes to the returned folder."""
    path = os.path.join(work, name + ".yaml")
    with open(path, "w") as f:
        f.write(text)
    out = os.path.join(work, "out", name)
    shutil.rmtree(out, ignore_errors=True)
    text = re.sub(r"path: out/\S+,", "path: out/%s," % name, text)
    with open(path, "w") as f:
        f.write(text)
    sh(weir, "run", "-q", "--fresh", path)
    return out


def rows_of(out, columns, decimals=float):
    rows = []
    for part in sorted(glob.glob(os.path.join(out, "part-*"))):
        with open(part) as f:
            for line in f:
                r = json.loads(line, parse_float=decimals)
                rows.append(tuple(r[c] for c in columns))
    return rows


def same_lines(what, out, other):
    """The same lines in any order, to the byte."""
    global failures, checks
    checks += 1
    digest = []
    for d in (out, other):
        r = subprocess.run("cat %s/part-* | LC_ALL=C sort | sha256sum" % d, shell=True, stdout=subprocess.PIPE)
        digest.append(r.stdout)
    if digest[0] == digest[1]:
        print("ok %s: the same lines" % what)
    else:
        failures += 1
        print("FAILED %s: other lines than with parallelism 1" % what)
    sys.stdout.flush()


def with_parallelism(text, n):
    return text.replace("\nsteps:\n", "\nparallelism: %d\nsteps:\n" % n, 1)


# ---- Nexmark ----------------------------------------------------------------------------------

BID = ["auction", "bidder", "price", "channel", "url", "dateTime", "extra", "region"]
BID_SCHEMA = ("{auction: int64, bidder: int64, price: int64, channel: string, url: string, "
              "dateTime: timestamp, extra: string, region: string}")


def hop_sql():
    hops = " UNION ALL ".join("SELECT %d AS k" % k for k in range(5))
    return """
    WITH w AS (SELECT auction, (ns / {s} - k) * {s} AS ws FROM bid, ({h}) WHERE ns < (ns / {s} - k) * {s} + {z}),
    counts AS (SELECT auction, ws, COUNT(*) AS num FROM w GROUP BY auction, ws),
    best AS (SELECT ws, MAX(num) AS num FROM counts GROUP BY ws)
    SELECT auction, c.num, rfc(c.ws), rfc(c.ws + {z}) FROM counts c JOIN best b ON b.ws = c.ws AND b.num = c.num
    """.format(s=2 * NS, z=10 * NS, h=hops)


QUERIES = {
    "q0": ("SELECT * FROM (SELECT {all} FROM bid)", None),
    "q1": ("SELECT {q1} FROM bid", None),
    "q2": ("SELECT auction, price FROM bid WHERE auction % 123 = 0", None),
    "q5": (hop_sql(), ["auction", "num", "window_start", "window_end"]),
    "q7": ("""WITH m AS (SELECT ns / {t} AS w, MAX(price) AS p FROM bid GROUP BY ns / {t})
        SELECT auction, price, bidder, dateTime, extra FROM bid JOIN m ON m.w = ns / {t} AND m.p = price
        """.replace("{t}", str(10 * NS)), ["auction", "price", "bidder", "dateTime", "extra"]),
    "q11": ("""WITH s AS (SELECT bidder, ns, CASE WHEN ns - LAG(ns) OVER (PARTITION BY bidder ORDER BY ns) < {g}
          THEN 0 ELSE 1 END AS fresh FROM bid),
        t AS (SELECT bidder, ns, SUM(fresh) OVER (PARTITION BY bidder ORDER BY ns
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS session FROM s)
        SELECT bidder, COUNT(*), rfc(MIN(ns)), rfc(MAX(ns) + {g}) FROM t GROUP BY bidder, session
        """.replace("{g}", str(10 * NS)), ["bidder", "bid_count", "window_start", "window_end"]),
    "q14": ("""SELECT auction, bidder, dec3(908 * price),
          CASE WHEN hour >= 8 AND hour <= 18 THEN 'dayTime' WHEN hour <= 6 OR hour >= 20 THEN 'nightTime'
               ELSE 'otherTime' END, dateTime, extra, LENGTH(extra) - LENGTH(REPLACE(extra, 'c', ''))
        FROM (SELECT *, ns / 3600000000000 % 24 AS hour FROM bid)
        WHERE 908 * price > 1000000000 AND 908 * price < 50000000000""",
            ["auction", "bidder", "price", "bidTimeType", "dateTime", "extra", "c_counts"]),
    "q21": ("""SELECT * FROM (SELECT auction, bidder, price, channel, CASE
          WHEN LOWER(channel) = 'apple' THEN '0' WHEN LOWER(channel) = 'google' THEN '1'
          WHEN LOWER(channel) = 'facebook' THEN '2' WHEN LOWER(channel) = 'baidu' THEN '3'
          ELSE channel_id(url) END AS channel_id FROM bid) WHERE channel_id IS NOT NULL""",
            ["auction", "bidder", "price", "channel", "channel_id"]),
    "q22": ("SELECT auction, bidder, price, channel, part(url, 3), part(url, 4), part(url, 5) FROM bid",
            ["auction", "bidder", "price", "channel", "dir1", "dir2", "dir3"]),
}


def channel_id(url):
    m = re.search("(&|^)channel_id=([^&]*)", url)
    return m.group(2) if m else None


def database(bids):
    db = sqlite3.connect(":memory:")
    db.create_function("rfc", 1, to_text)
    db.create_function("channel_id", 1, channel_id)
    db.create_function("part", 2, lambda s, i: (s.split("/") + [None] * 9)[i])
    # Thousandths as a decimal text, as the pipeline writes decimals.
    db.create_function("dec3", 1, lambda v: "%d.%03d" % divmod(v, 1000))
    db.execute("CREATE TABLE bid (auction INT, bidder INT, price INT, channel TEXT, url TEXT, dateTime TEXT,"
               " extra TEXT, region TEXT, ns INT)")
    with open(bids, newline="") as f:
        rows = csv.reader(f)
        head = next(rows)
        assert head == BID, head
        db.executemany("INSERT INTO bid VALUES (?,?,?,?,?,?,?,?,?)", (r + [to_ns(r[5])] for r in rows))
    db.execute("CREATE INDEX t ON bid (bidder, ns)")
    return db


def shuffled(source, to, disorder_ns, seed):
    """The same lines, each moved so that none is more than disorder_ns behind a later one."""
    rnd = random.Random(seed)
    with open(source, newline="") as f:
        head = f.readline()
        lines = f.readlines()
    keyed = []
    for line in lines:
        row = next(csv.reader([line]))
        keyed.append((to_ns(row[5]) + rnd.randrange(disorder_ns), line))
    keyed.sort(key=lambda x: x[0])
    with open(to, "w") as f:
        f.write(head)
        f.writelines(x[1] for x in keyed)


def from_file(text, path, lateness):
    """The pipeline with a csv file instead of the generator."""
    source = ("  events:\n    source: {file: {path: %s, format: csv}}\n    schema: %s\n"
              "    event_time: {field: dateTime, lateness: %s}\n" % (path, BID_SCHEMA, lateness))
    text = re.sub(r"  events:\n    source:(.|\n)*?(?=\n  \w+:\n)", lambda m: source.rstrip("\n"), text, count=1)
    return text.replace("from: events.bid", "from: events")


def nexmark(build, work, events):
    weir = os.path.join(build, "bin", "weir")
    made = {}
    os.makedirs(work, exist_ok=True)
    for name, (sql, columns) in QUERIES.items():
        with open("examples/nexmark/%s.yaml" % name) as f:
            text = f.read()
        text = re.sub(r"events: 1000000", "events: %d" % events, text)
        options = []
        m = re.search(r"events_per_second: (\d+)", text)
        if m:
            options += ["--events-per-second", m.group(1)]
        m = re.search(r'base_time: "([^"]+)"', text)
        if m:
            options += ["--base-time", m.group(1)]
        key = " ".join(options)
        if key not in made:
            path = os.path.join(work, "bid%d.csv" % len(made))
            sh(weir, "generate", "nexmark", "--events", str(events), "--only", "bid", "--out", path, *options)
            if os.path.exists(path + ".shuffled"):
                os.remove(path + ".shuffled")
            made[key] = (path, database(path))
        path, db = made[key]
        if name == "q0":
            columns = re.search(r"select: \[([^]]*)\]", text)
            columns = [c.strip() for c in columns.group(1).split(",")] if columns else BID
            sql = sql.format(all=", ".join(columns))
        if name == "q1":
            columns = [c for c in re.findall(r"^      (\w+): ", text, re.M)]
            sql = sql.format(q1=", ".join("dec3(908 * price)" if c == "price" else c for c in columns))
        columns = columns or ["auction", "price"]
        want = [tuple(r) for r in db.execute(sql)]
        first = run(weir, with_parallelism(text, 1), name + "-p1", work)
        # Decimals are compared as the texts they are.
        compare("%s parallelism 1" % name, rows_of(first, columns, str), want)
        for n in (2, 4):
            same_lines("%s parallelism %d" % (name, n), first,
                       run(weir, with_parallelism(text, n), "%s-p%d" % (name, n), work))
        mixed = path + ".shuffled"
        if not os.path.exists(mixed):
            shuffled(path, mixed, 2 * NS, 7)
        same_lines("%s from a shuffled csv file" % name, first,
                   run(weir, with_parallelism(from_file(text, mixed, "2s"), 2), name + "-shuffled", work))
        shutil.rmtree(os.path.join(work, "out"), ignore_errors=True)


# ---- earthquakes ------------------------------------------------------------------------------

QUAKE_SOURCE = """pipeline: quakes
steps:
  readings:
    source: {file: {path: %s, format: csv}}
    schema: {DateTime: "timestamp(%%Y/%%m/%%d %%H:%%M:%%S)", Magnitude: float64, Source: string, EventID: string}
    event_time: {field: DateTime, lateness: %s}
"""
QUAKE_STEPS = {
    "hourly": ("""  per_network:
    from: readings
    key_by: [Source]
    window: {tumbling: 1h}
    aggregate: {n: count(), strongest: max(Magnitude), mean: avg(Magnitude)}
  out: {from: per_network, sink: {file: {path: out/quakes, format: jsonl}}}
""", """SELECT Source, rfc(ns / {h} * {h}), rfc(ns / {h} * {h} + {h}), COUNT(*), MAX(mag), AVG(mag)
        FROM quake GROUP BY Source, ns / {h}""".replace("{h}", str(3600 * NS)),
        ["Source", "window_start", "window_end", "n", "strongest", "mean"]),
    "strong": ("""  strong: {from: readings, filter: Magnitude >= 4}
  per_day:
    from: strong
    window: {sliding: 24h, every: 1h}
    aggregate: {n: count()}
  out: {from: per_day, sink: {file: {path: out/quakes, format: jsonl}}}
""", """WITH RECURSIVE k(k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM k WHERE k < 23)
        SELECT rfc((ns / {h} - k) * {h}), rfc((ns / {h} - k + 24) * {h}), COUNT(*) FROM quake, k
        WHERE mag >= 4 GROUP BY ns / {h} - k""".replace("{h}", str(3600 * NS)),
        ["window_start", "window_end", "n"]),
    "swarms": ("""  swarms:
    from: readings
    key_by: [Source]
    window: {session: 30m}
    aggregate: {n: count(), strongest: max(Magnitude)}
  out: {from: swarms, sink: {file: {path: out/quakes, format: jsonl}}}
""", """WITH s AS (SELECT Source, mag, ns, CASE WHEN ns - LAG(ns) OVER (PARTITION BY Source ORDER BY ns) < {g}
          THEN 0 ELSE 1 END AS fresh FROM quake),
        t AS (SELECT Source, mag, ns, SUM(fresh) OVER (PARTITION BY Source ORDER BY ns
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS session FROM s)
        SELECT Source, rfc(MIN(ns)), rfc(MAX(ns) + {g}), COUNT(*), MAX(mag) FROM t GROUP BY Source, session
        """.replace("{g}", str(1800 * NS)), ["Source", "window_start", "window_end", "n", "strongest"]),
}


def quake_ns(text):
    return to_ns(text.replace("/", "-"))


def quakes(build, work, path):
    weir = os.path.join(build, "bin", "weir")
    os.makedirs(work, exist_ok=True)
    db = sqlite3.connect(":memory:")
    db.create_function("rfc", 1, to_text)
    db.execute("CREATE TABLE quake (ns INT, mag REAL, Source TEXT)")
    with open(path, newline="") as f:
        lines = f.readlines()
    rows = list(csv.DictReader(lines))
    times = [quake_ns(r["DateTime"]) for r in rows]
    db.executemany("INSERT INTO quake VALUES (?,?,?)",
                   ((t, float(r["Magnitude"]), r["Source"]) for t, r in zip(times, rows)))
    # What the file itself needs, and a shuffled copy that needs a day more.
    top, need = -1 << 62, 0
    for t in times:
        top = max(top, t)
        need = max(need, top - t)
    rnd = random.Random(11)
    day = 86400 * NS
    order = sorted(range(len(times)), key=lambda i: times[i] + rnd.randrange(day))
    mixed = os.path.join(work, "shuffled.csv")
    with open(mixed, "w") as f:
        f.write(lines[0])
        f.writelines(lines[i + 1] for i in order)
    for name, (steps, sql, columns) in QUAKE_STEPS.items():
        want = [tuple(r) for r in db.execute(sql)]
        for n in (1, 2, 4):
            text = QUAKE_SOURCE % (path, "%ds" % (need // NS + 1)) + steps
            compare("%s parallelism %d" % (name, n),
                    rows_of(run(weir, with_parallelism(text, n), "quakes-%s-p%d" % (name, n), work), columns),
                    want)
        text = QUAKE_SOURCE % (mixed, "24h") + steps
        compare("%s from a shuffled file" % name,
                rows_of(run(weir, with_parallelism(text, 2), "quakes-%s-shuffled" % name, work), columns), want)


def main():
    kind, build, work = sys.argv[1], sys.argv[2], os.path.abspath(sys.argv[3])
    if kind == "nexmark":
        nexmark(build, work, int(sys.argv[4]) if len(sys.argv) > 4 else 1000000)
    else:
        quakes(build, work, os.path.abspath(sys.argv[4]))
    print("%d passed, %d failed" % (checks - failures, failures))
    sys.exit(1 if failures else 0)


main()
