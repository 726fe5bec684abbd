#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Says whether sinks hold exactly what the input gives. Uses no code of the engine.

reconcile.py DIR [--pg CONNECTION --schema NAME]
reconcile.py --self-test DIR     damages a copy of right results in many ways; each must be found

DIR/in/*.jsonl is the input (generate.py); DIR/out/NAME/part-* are file sinks, SCHEMA.NAME the same in PostgreSQL:

  all, copy          stamped records (jsonl, csv): each id once, with the same nonce, place and time everywhere
  windows, spans     tumbling and session windows, recomputed here from the stamped records but the late ones
  late, late_spans   what came behind its window; never a record within the allowed disorder

Exit: 0 all is right, 1 it is not, 2 it cannot be read.
"""
import argparse
import collections
import csv
import glob
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile

import generate as gen

EXAMPLES = 5
STAMPED = ("id", "key", "kind", "amount", "t", "nonce", "seq", "stamped")
WINDOW = ("key", "window_start", "window_end", "n", "total", "mix", "lo", "hi")
_seconds = {}


def micros(text):
    """RFC 3339 in UTC to microseconds."""
    whole, _, rest = text[:-1].partition(".")
    if whole not in _seconds:
        import calendar
        import time
        _seconds[whole] = calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S"))
    if len(rest) > 6 and rest[6:].strip("0"):
        raise ValueError("%s: below a microsecond" % text)
    return _seconds[whole] * 1000000 + int((rest[:6] or "0").ljust(6, "0"))


class Problems:
    """Counts by kind, with the first few of each."""

    def __init__(self):
        self.count = collections.Counter()
        self.example = collections.defaultdict(list)

    def add(self, kind, what, n=1):
        if n <= 0:
            return
        self.count[kind] += n
        if len(self.example[kind]) < EXAMPLES:
            self.example[kind].append(what)


# ---- reading ----

def parts(folder):
    return sorted(glob.glob(os.path.join(folder, "part-*")))


def read_jsonl(folder, fields, bad, name):
    rows = []
    for path in parts(folder):
        with open(path, "rb") as f:
            data = f.read()
        if data and not data.endswith(b"\n"):
            bad.add("torn", "%s: its last line has no end" % path)
        for line in data.splitlines():
            try:
                x = json.loads(line)
                rows.append(tuple(x[k] for k in fields))
                if len(x) != len(fields):
                    raise ValueError
            except (ValueError, KeyError, TypeError):
                bad.add("torn", "%s: %r" % (name, line[:100]))
    return rows


def read_csv(folder, fields, bad, name):
    rows = []
    for path in parts(folder):
        with open(path, newline="") as f:
            text = f.read()
        if text and not text.endswith("\n"):
            bad.add("torn", "%s: its last line has no end" % path)
        for row in csv.reader(io.StringIO(text)):
            if row == list(fields):
                continue
            if len(row) != len(fields):
                bad.add("torn", "%s: %r" % (path, row))
                continue
            rows.append(tuple(row))
    return rows


def psql(connection, sql):
    p = subprocess.run(["psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-d", connection, "-c", sql],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    if p.returncode:
        raise RuntimeError("psql: " + p.stderr.strip())
    return p.stdout


def read_pg(connection, schema, table, columns):
    sql = "COPY (SELECT %s FROM %s.%s) TO STDOUT (FORMAT csv)" % (", ".join(columns), schema, table)
    return [tuple(r) for r in csv.reader(io.StringIO(psql(connection, sql)))]


def stamped_row(r):
    """id -> key, kind, amount, event time, nonce, seq, time of processing"""
    return int(r[0]), (r[1], r[2], int(r[3]), r[4] if isinstance(r[4], int) else micros(r[4]), int(r[5]), int(r[6]),
                       r[7] if isinstance(r[7], int) else micros(r[7]))


def window_row(r):
    return (r[0], r[1] if isinstance(r[1], int) else micros(r[1]), r[2] if isinstance(r[2], int) else micros(r[2]),
            int(r[3]), int(r[4]), int(r[5]), int(r[6]), int(r[7]))


def pg_time(name):
    return "(extract(epoch FROM %s) * 1000000)::bigint" % name


def load(out, bad, pg=None, schema=None):
    sinks = {}
    for name in ("all", "late", "late_spans"):
        sinks[name] = [stamped_row(r) for r in read_jsonl(os.path.join(out, name), STAMPED, bad, name)]
    for name in ("windows", "spans"):
        sinks[name] = [window_row(r) for r in read_jsonl(os.path.join(out, name), WINDOW, bad, name)]
    sinks["copy"] = [stamped_row(r) for r in read_csv(os.path.join(out, "copy"), STAMPED, bad, "copy")]
    if pg:
        columns = [pg_time(c) if c in ("t", "stamped") else c for c in STAMPED]
        sinks["pg.all"] = [pg_stamped(r) for r in read_pg(pg, schema, "\"all\"", columns)]
        columns = [pg_time(c) if c.startswith("window_") else c for c in WINDOW]
        for name in ("windows", "spans"):
            sinks["pg." + name] = [window_row((r[0], int(r[1]), int(r[2])) + r[3:])
                                   for r in read_pg(pg, schema, name, columns)]
    return sinks


def pg_stamped(r):
    return stamped_row(r[:4] + (int(r[4]),) + r[5:7] + (int(r[7]),))


def read_input(folder):
    ids = {}
    for path in sorted(glob.glob(os.path.join(folder, "in", "*.jsonl"))):
        with open(path) as f:
            for line in f:
                x = json.loads(line)
                ids[x["id"]] = (x["key"], x["kind"], x["amount"], micros(x["t"]))
    return ids


# ---- checks ----

def check_stamped(name, rows, ids, first, bad, complete=True):
    """Each input id once, as it came in, and stamped as the first sink has it. Returns what is there by id."""
    seen = {}
    for number, row in rows:
        if number not in ids:
            bad.add("phantom", "%s: id %d was never an input" % (name, number))
        elif number in seen:
            bad.add("doubled", "%s: id %d" % (name, number))
        elif row[:4] != ids[number]:
            bad.add("wrong", "%s: id %d is %s, was %s" % (name, number, row[:4], ids[number]))
        elif first is not None and number in first and first[number] != row:
            bad.add("nonce split", "%s: id %d is %s, elsewhere %s" % (name, number, row[4:], first[number][4:]))
        seen[number] = row
    for number in ids if complete else ():
        if number not in seen:
            bad.add("lost", "%s: id %d" % (name, number))
    return seen


def check_places(stamped, bad):
    """The operator's state counts the records of a key: 1, 2, 3 ..., none twice."""
    places = collections.defaultdict(list)
    for row in stamped.values():
        places[row[0]].append(row[5])
    for key, seqs in places.items():
        if sorted(seqs) != list(range(1, len(seqs) + 1)):
            bad.add("count", "key %s: %d records, places %s" % (key, len(seqs), sorted(seqs)[-5:]))


def summed(rows):
    return (len(rows), sum(r[2] for r in rows), sum(r[4] for r in rows), min(r[5] for r in rows),
            max(r[5] for r in rows))


def tumbling(stamped, late):
    groups = collections.defaultdict(list)
    size = gen.WINDOW_MS * 1000
    for number, row in stamped.items():
        if number not in late:
            groups[row[0], row[3] // size * size].append(row)
    return {(key, start, start + size): summed(rows) for (key, start), rows in groups.items()}


def sessions(stamped, late):
    by_key = collections.defaultdict(list)
    gap, out = gen.GAP_MS * 1000, {}
    for number, row in stamped.items():
        if number not in late and row[1] != "mid":
            by_key[row[0]].append(row)
    for key, rows in by_key.items():
        rows.sort(key=lambda r: r[3])
        begin = 0
        for i in range(1, len(rows) + 1):
            if i == len(rows) or rows[i][3] - rows[i - 1][3] >= gap:
                out[key, rows[begin][3], rows[i - 1][3] + gap] = summed(rows[begin:i])
                begin = i
    return out


def check_windows(name, rows, want, again, bad):
    """again: late records may give a window a second result, with more in it. The last one counts."""
    got, versions = {}, set()
    for r in rows:
        window, n = r[:3], r[3]
        if (window, n) in versions or (window in got and not again):
            bad.add("doubled", "%s: window %s with %d records" % (name, window, n))
        versions.add((window, n))
        if window not in got or got[window][0] < n:
            got[window] = r[3:]
    for window, value in want.items():
        if window not in got:
            bad.add("lost", "%s: window %s: %s" % (name, window, value))
        elif got[window] != value:
            bad.add("wrong", "%s: window %s is %s, should be %s" % (name, window, got[window], value))
    for window in got:
        if window not in want:
            bad.add("phantom", "%s: window %s: %s" % (name, window, got[window]))


def check_late(name, rows, ids, stamped, bad):
    late = check_stamped(name, rows, ids, stamped, bad, complete=False)
    for number, row in late.items():
        if row[1] == "ok":
            bad.add("late in time", "%s: id %d is within the allowed disorder" % (name, number))
        if row[1] == "mid" and name == "late_spans":
            bad.add("phantom", "%s: id %d was filtered out" % (name, number))
    return late


def check(ids, sinks, bad):
    stamped = check_stamped("all", sinks["all"], ids, None, bad)
    for name in ("copy", "pg.all"):
        if name in sinks:
            check_stamped(name, sinks[name], ids, stamped, bad)
    check_places(stamped, bad)
    late = check_late("late", sinks["late"], ids, stamped, bad)
    late_spans = check_late("late_spans", sinks["late_spans"], ids, stamped, bad)
    for name, want, again in (("windows", tumbling(stamped, late), True), ("spans", sessions(stamped, late_spans), False)):
        check_windows(name, sinks[name], want, again, bad)
        if "pg." + name not in sinks:
            continue
        check_windows("pg." + name, sinks["pg." + name], want, again, bad)
        a, b = collections.Counter(sinks[name]), collections.Counter(sinks["pg." + name])
        for row in (a - b) + (b - a):
            bad.add("nonce split", "%s: %s is in one of file and table only" % (name, row))
    return {"records": len(ids), "late": len(late), "late_spans": len(late_spans), "windows": len(sinks["windows"]),
            "spans": len(sinks["spans"]), "sinks": len(sinks)}


def reconcile(folder, out, pg=None, schema=None, ids=None):
    """Numbers and Problems of a finished run."""
    bad = Problems()
    ids = ids or read_input(folder)
    return check(ids, load(out, bad, pg, schema), bad), bad


def so_far(out, ids):
    """Problems of a run that is not finished: files that are visible by now hold nothing twice, changed or made up."""
    bad = Problems()
    sinks = load(out, bad)
    stamped = check_stamped("all", sinks["all"], ids, None, bad, complete=False)
    for name in ("copy", "late", "late_spans"):
        check_stamped(name, sinks[name], ids, stamped, bad, complete=False)
    return bad


def report(numbers, bad):
    print("%(records)d records in %(sinks)d sinks, %(windows)d + %(spans)d windows, %(late)d + %(late_spans)d late: " % numbers
          + "%d lost, %d doubled, %d phantom" % tuple(bad.count[k] for k in ("lost", "doubled", "phantom"))
          + "".join(", %d %s" % (n, k) for k, n in bad.count.items() if k not in ("lost", "doubled", "phantom")))
    for kind, list_ in bad.example.items():
        for what in list_:
            print("  %s: %s" % (kind, what))


# ---- the reconciler's own test ----

def edit(folder, name, change, last=False):
    path = parts(os.path.join(folder, "out", name))[-1 if last else 0]
    with open(path) as f:
        lines = f.readlines()
    first = 1 if path.endswith(".csv") else 0
    lines[first:] = change(lines[first:])
    with open(path, "w") as f:
        f.writelines(lines)


def with_field(name, value):
    def change(lines):
        x = json.loads(lines[0])
        x[name] = value(x[name])
        return [json.dumps(x) + "\n"] + lines[1:]
    return change


def planted():
    """What a wrong engine would do: where, how, and as what it must be found."""
    yield "all", lambda l: l[1:], "lost"
    yield "all", lambda l: l + l[:1], "doubled"
    yield "all", with_field("id", lambda v: v + 500 * gen.ID_STEP), "phantom"
    yield "all", with_field("nonce", lambda v: v ^ 1), "nonce split"
    yield "all", with_field("seq", lambda v: v + 1), "count"
    yield "all", with_field("amount", lambda v: v + 1), "wrong"
    yield "all", with_field("t", lambda v: "2001-01-01T00:00:00Z"), "wrong"
    yield "all", lambda l: l[:-1] + [l[-1][:-5]], "torn"
    yield "copy", lambda l: l[1:], "lost"
    yield "copy", lambda l: l + l[-1:], "doubled"
    yield "windows", lambda l: l[1:], "lost"
    yield "windows", lambda l: l + l[:1], "doubled"
    yield "windows", with_field("mix", lambda v: v + 1), "wrong"
    yield "windows", with_field("total", lambda v: v - 1), "wrong"
    yield "windows", with_field("key", lambda v: "k99999"), "phantom"
    yield "spans", lambda l: l[1:], "lost"
    yield "spans", lambda l: l + l[:1], "doubled"
    yield "spans", with_field("n", lambda v: v + 1), "wrong"
    yield "late", lambda l: l[1:], "wrong"
    yield "late", lambda l: l + l[:1], "doubled"


def self_test(folder):
    """True when right results pass and each planted mistake is found."""
    ids, ok = read_input(folder), True
    numbers, bad = reconcile(folder, os.path.join(folder, "out"), ids=ids)
    if bad.count or not numbers["late"]:
        report(numbers, bad)
        return False
    for i, (name, change, kind) in enumerate(planted()):
        with tempfile.TemporaryDirectory() as tmp:
            shutil.copytree(os.path.join(folder, "out"), os.path.join(tmp, "out"))
            edit(tmp, name, change, last=kind == "torn")
            _, bad = reconcile(tmp, os.path.join(tmp, "out"), ids=ids)
            # A window that lost a record is wrong or, when it was its only one, too many.
            if not bad.count[kind] and not (kind == "wrong" and bad.count["lost"]):
                print("planted mistake %d (%s in %s) was not found: %s" % (i, kind, name, dict(bad.count)))
                ok = False
    return ok


def main():
    a = argparse.ArgumentParser()
    a.add_argument("dir")
    a.add_argument("--pg")
    a.add_argument("--schema")
    a.add_argument("--self-test", action="store_true")
    a = a.parse_args()
    if a.self_test:
        return 0 if self_test(a.dir) else 1
    try:
        numbers, bad = reconcile(a.dir, os.path.join(a.dir, "out"), a.pg, a.schema)
    except (OSError, ValueError, RuntimeError) as e:
        print("cannot reconcile %s: %s" % (a.dir, e))
        return 2
    report(numbers, bad)
    return 1 if bad.count else 0


if __name__ == "__main__":
    sys.exit(main())
