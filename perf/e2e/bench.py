#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""End-to-end benchmarks: bench.py count|nexmark|hop|latency BUILD WORKDIR

Every figure is a ratio or stands beside something measured in the same run. CPU time is user and system time
of the whole process (getrusage), so start-up and loading count too; inputs are replayed from memory often
enough that they do not matter. One JSON line a result goes to WORKDIR/results.jsonl.
"""
import json
import os
import random
import re
import resource
import statistics
import subprocess
import sys
import time

ROUNDS = int(os.environ.get("ROUNDS", "5"))
WEIR = ""
WORK = ""


def emit(name, **figures):
    figures["benchmark"] = name
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], stdout=subprocess.PIPE,
                            universal_newlines=True).stdout.strip()
    figures.update(commit=commit, machine=os.uname().nodename, time=int(time.time()))
    with open(os.path.join(WORK, "results.jsonl"), "a") as f:
        f.write(json.dumps(figures) + "\n")


def run(text, name, *options):
    """Runs a pipeline; (status JSON, CPU seconds, seconds)."""
    path = os.path.join(WORK, name + ".yaml")
    with open(path, "w") as f:
        f.write(text)
    before, t = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    r = subprocess.run([WEIR, "run", "--fresh", "-o", "json", *options, path], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, universal_newlines=True)
    t = time.monotonic() - t
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if r.returncode:
        sys.exit("%s: exit %d\n%s" % (path, r.returncode, r.stderr[-2000:]))
    status = json.loads([x for x in r.stderr.splitlines() if x.startswith("{")][-1])
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return status, cpu, t


def steps(status):
    return {s["step"]: s for s in status["steps"]}


def median(values):
    return statistics.median(values)


def million(v):
    return "%7.2f M" % (v / 1e6)


def generate(name, *args):
    path = os.path.join(WORK, name)
    if not os.path.exists(path):
        subprocess.run([WEIR, "generate", "nexmark", *args, "--out", path], check=True)
    return path


# ---- keyed windowed count, the shape of the Yahoo streaming benchmark ---------------------------

YSB_SCHEMA = ("{user_id: int64, page_id: int64, ad_id: int64, ad_type: string, event_type: string, "
              "event_time: timestamp, ip: string}")


def ysb_raw():
    raw = os.path.join(WORK, "ysb.raw")
    if os.path.exists(raw):
        return raw
    rnd, source = random.Random(1), os.path.join(WORK, "ysb.csv")
    with open(source, "w") as f:
        f.write("user_id,page_id,ad_id,ad_type,event_type,event_time,ip\n")
        for n in range(1000000):
            us = n * 10  # 100 000 events a second
            f.write("%d,%d,%d,%s,%s,2015-07-15T00:00:%02d.%06dZ,1.2.3.4\n" % (
                rnd.randrange(100), rnd.randrange(100), rnd.randrange(1000),
                rnd.choice(("banner", "modal", "sponsored-search", "mail", "mobile")),
                rnd.choice(("view", "click", "purchase")), us // 1000000, us % 1000000))
    run("pipeline: ysb-make\nsteps:\n  e:\n    source: {file: {path: %s}}\n    schema: %s\n"
        "    event_time: event_time\n  out: {from: e, sink: {file: {path: %s, format: raw, part_size: 1TiB, "
        "part_interval: 0}}}\n" % (source, YSB_SCHEMA, os.path.join(WORK, "ysb")), "ysb-make")
    part = os.path.join(WORK, "ysb", os.listdir(os.path.join(WORK, "ysb"))[0])
    os.rename(part, raw)
    return raw


def bench_count():
    loops = 100
    head = ("pipeline: ysb\nworkers: 1\nparallelism: 1\nsteps:\n  ads:\n    source: {memory: {path: %s, "
            "format: raw, loop: %d}}\n    event_time: event_time\n" % (ysb_raw(), loops))
    cases = {
        "pass": "  out: {from: ads, sink: blackhole}\n",
        "filter": "  views: {from: ads, filter: event_type == 'view'}\n  out: {from: views, sink: blackhole}\n",
        "count": "  per_campaign:\n    from: ads\n    key_by: [ad_id]\n    window: {tumbling: 10s}\n"
                 "    aggregate: {n: count()}\n  out: {from: per_campaign, sink: blackhole}\n",
        "yahoo": "  views: {from: ads, filter: event_type == 'view'}\n"
                 "  campaigns: {from: views, map: {campaign: ad_id / 10}}\n"
                 "  per_campaign:\n    from: campaigns\n    key_by: [campaign]\n    window: {tumbling: 10s}\n"
                 "    aggregate: {n: count()}\n  out: {from: per_campaign, sink: blackhole}\n",
    }
    events = 1000000 * loops
    print("Keyed windowed count: %d M events from memory, one worker; events per CPU-second" % (events // 10**6))
    rates = {c: [] for c in cases}
    for _ in range(ROUNDS):
        for c, text in cases.items():
            _, cpu, _ = run(head + text, "ysb-" + c)
            rates[c].append(events / cpu)
    for c in cases:
        print("  %-8s %s   (%.2f of passing the records on)" % (
            c, million(median(rates[c])), median(rates[c]) / median(rates["pass"])))
        emit("count", case=c, events_per_cpu_second=median(rates[c]), low=min(rates[c]), high=max(rates[c]))


# ---- Nexmark ----------------------------------------------------------------------------------

NEXMARK_JSON = """    schemas:
      person: {id: int64, name: string, emailAddress: string, creditCard: string, city: string, state: string,
               dateTime: timestamp, extra: string, region: string}
      auction: {id: int64, itemName: string, description: string, initialBid: int64, reserve: int64,
                dateTime: timestamp, expires: timestamp, seller: int64, category: int64, extra: string,
                region: string}
      bid: {auction: int64, bidder: int64, price: int64, channel: string, url: string, dateTime: timestamp,
            extra: string, region: string}
    type_field: type
"""


def nexmark_text(query, source, extra):
    with open("examples/nexmark/%s.yaml" % query) as f:
        text = f.read()
    text = re.sub(r"  events:\n    source:(.|\n)*?(?=\n  \w+:\n)",
                  lambda m: "  events:\n    source: {memory: {%s}}\n%s    event_time: dateTime" % (source, extra),
                  text, count=1)
    text = re.sub(r"sink: \{file: .*\}\}", "sink: blackhole", text)
    return text.replace("\nsteps:\n", "\nworkers: 1\nparallelism: 1\nsteps:\n", 1)


def bench_nexmark():
    events, raw_loops = 1000000, 30
    raw = generate("nexmark.raw", "--events", str(events))
    jsonl = generate("nexmark.jsonl", "--events", str(events))
    print("Nexmark, all three streams, one worker; events per CPU-second")
    print("  query        raw         jsonl    raw/jsonl")
    figures = {}
    for _ in range(ROUNDS):
        for q in ("q0", "q1", "q2", "q5", "q7"):
            for form, source, extra, loops in (
                    ("raw", "path: %s, loop: %d" % (raw, raw_loops), "", raw_loops),
                    ("jsonl", "path: %s, format: jsonl" % jsonl, NEXMARK_JSON, 1)):
                _, cpu, _ = run(nexmark_text(q, source, extra), "nexmark-%s-%s" % (q, form))
                figures.setdefault((q, form), []).append(events * loops / cpu)
    for q in ("q0", "q1", "q2", "q5", "q7"):
        a, b = median(figures[q, "raw"]), median(figures[q, "jsonl"])
        print("  %-5s %s  %s   %8.1f" % (q, million(a), million(b), a / b))
        emit("nexmark", query=q, raw_events_per_cpu_second=a, jsonl_events_per_cpu_second=b)


# ---- a hop between cores ----------------------------------------------------------------------

HOP_SCHEMA = "{a: int64, b: int64, c: int64, d: int64, e: timestamp}"


def hop_raw():
    raw = os.path.join(WORK, "hop.raw")
    if os.path.exists(raw):
        return raw
    source = os.path.join(WORK, "hop.csv")
    with open(source, "w") as f:
        f.write("a,b,c,d,e\n")
        for n in range(4096):
            f.write("%d,%d,%d,%d,2015-07-15T00:00:%02d.%06dZ\n" % (n, n * 7, n % 13, 5, n // 1000000, n % 1000000))
    run("pipeline: hop-make\nsteps:\n  e:\n    source: {file: {path: %s}}\n    schema: %s\n    event_time: e\n"
        "  out: {from: e, sink: {file: {path: %s, format: raw, part_size: 1TiB, part_interval: 0}}}\n"
        % (source, HOP_SCHEMA, os.path.join(WORK, "hop")), "hop-make")
    os.rename(os.path.join(WORK, "hop", os.listdir(os.path.join(WORK, "hop"))[0]), raw)
    return raw


def bench_hop():
    """source | task > task > blackhole: 64-byte records over a ring between two cores, and the raw ring."""
    loops, build = 15000, os.path.dirname(os.path.dirname(WEIR))
    records = 4096 * loops
    head = ("pipeline: hop\nworkers: 2\nparallelism: 1\nsteps:\n  e:\n    source: {memory: {path: %s, format: raw, "
            "loop: %d}}\n" % (hop_raw(), loops))
    one = head + "  out: {from: e, sink: blackhole}\n"
    two = head + "  pass: {from: e, key_by: [a], parallelism: 1, fuse: false}\n  out: {from: pass, sink: blackhole}\n"
    def ring_rate():
        r = subprocess.run([os.path.join(build, "perf", "hop_bench")], stdout=subprocess.PIPE,
                           universal_newlines=True, check=True)
        r = json.loads(r.stdout)
        return r["class"], r["records_per_second"]

    # A virtual machine moves its cores about (perf/README.md): each hop stands between two runs of the bare
    # ring, and counts only when both saw the cores in the same place and agree on the rate.
    by_class, rounds, counted = {}, 0, 0
    before = ring_rate()
    while counted < 6 * ROUNDS and rounds < 20 * ROUNDS:
        rounds += 1
        status, _, _ = run(two, "hop-two", "--idle", "poll")
        hop, after = records / (status["uptime_ns"] / 1e9), ring_rate()
        if before[0] == after[0] != "mixed" and abs(before[1] - after[1]) < 0.2 * max(before[1], after[1]):
            by_class.setdefault(before[0], []).append((hop, (before[1] + after[1]) / 2))
            counted += 1
        before = after
    status, _, _ = run(one, "hop-one", "--idle", "poll")
    fused = records / (status["uptime_ns"] / 1e9)
    print("Hop: 64-byte records from one core to another, records per second; %d of %d rounds counted" % (
        counted, rounds))
    for c, pairs in sorted(by_class.items()):
        ring, hop = median([p[1] for p in pairs]), median([p[0] for p in pairs])
        ratio = median([p[0] / p[1] for p in pairs])
        print("  %-8s bare ring %s   pipeline %s   %.2f of the bare ring (median of %d)" % (
            c, million(ring), million(hop), ratio, len(pairs)))
        emit("hop", placement=c, ring=ring, hop=hop, ratio=ratio, rounds=len(pairs))
    print("  without a hop (one core) %s" % million(fused))
    emit("hop-fused", fused=fused)


# ---- latency ----------------------------------------------------------------------------------

PERCENTILES = (50, 90, 99, 99.9, 99.99)


def histogram(path):
    pairs = []
    if os.path.exists(path):
        with open(path) as f:
            pairs = [tuple(map(int, line.split())) for line in f]
    return pairs


def percentile(pairs, p):
    total, seen = sum(c for _, c in pairs), 0
    for v, c in pairs:
        seen += c
        if seen >= total * p / 100:
            return v
    return 0


def latency_text(rate, seconds, probe, out):
    return ("pipeline: latency\nworkers: 2\nparallelism: 1\nsteps:\n  events:\n    source: {nexmark: {events: %d, "
            "rate: %d, live: true}}\n  dear: {from: events.bid, filter: price > 100}\n"
            "  keyed: {from: dear, key_by: [auction], parallelism: 1, fuse: false}\n"
            "  probe: {from: keyed, operator: {library: %s, name: probe, options: {out: %s, skip: '2'}}}\n"
            "  out: {from: probe, sink: blackhole}\n" % (rate * seconds, rate, probe, out))


def bench_latency():
    build = os.path.dirname(os.path.dirname(WEIR))
    probe = os.path.abspath(os.path.join(build, "perf", "probe.so"))
    out = os.path.join(WORK, "latency.hist")
    seconds = int(os.environ.get("SECONDS_EACH", "15"))
    # Capacity of the same pipeline without a pace.
    text = latency_text(1000000, 20, probe, out).replace("rate: 1000000, live: true", "rate: 0")
    status, _, _ = run(text, "latency-capacity")
    capacity = 20 * 1000000 / (status["uptime_ns"] / 1e9)
    print("Latency from the intended send time (open loop), two cores; capacity %s events/s" % million(capacity))
    for idle in ("adaptive", "poll"):
        for share in (50, 90):
            rate = int(capacity * share / 100)
            run(latency_text(rate, seconds, probe, out), "latency-%d" % share, "--idle", idle)
            pairs = histogram(out)
            os.rename(out, os.path.join(WORK, "latency-%s-%d.hist" % (idle, share)))
            values = {("p%g" % p): percentile(pairs, p) for p in PERCENTILES}
            print("  %-8s %d %% load: %s" % (
                idle, share, "  ".join("%s %.0f us" % (k, v / 1e3) for k, v in values.items())))
            emit("latency", idle=idle, load_percent=share, rate=rate,
                 **{k + "_ns": v for k, v in values.items()})
    plot()


def plot():
    """latency.svg through gnuplot, when it is there."""
    script = """set terminal svg size 800,420 font 'sans-serif,12' background rgb 'white'
set output '%s'
set logscale xy
set xlabel 'latency from intended send time, microseconds'
set ylabel 'share of records later than that'
set grid
set key top right
plot '%s' using ($1/1000):2 with lines lw 2 title '50 %% of capacity', \\
     '%s' using ($1/1000):2 with lines lw 2 title '90 %% of capacity'
"""
    files = []
    for share in (50, 90):
        pairs = histogram(os.path.join(WORK, "latency-adaptive-%d.hist" % share))
        total, seen, path = sum(c for _, c in pairs), 0, os.path.join(WORK, "latency-%d.ccdf" % share)
        with open(path, "w") as f:
            for v, c in pairs:
                seen += c
                if seen < total:
                    f.write("%d %.9f\n" % (v, 1 - seen / total))
        files.append(path)
    svg = os.path.join(WORK, "latency.svg")
    try:
        subprocess.run(["gnuplot"], input=script % (svg, *files), universal_newlines=True, check=True)
        print("  plot: %s" % svg)
    except (OSError, subprocess.CalledProcessError):
        print("  no plot: gnuplot is not there")


def main():
    global WEIR, WORK
    what, build, WORK = sys.argv[1], sys.argv[2], os.path.abspath(sys.argv[3])
    WEIR = os.path.abspath(os.path.join(build, "bin", "weir"))
    os.makedirs(WORK, exist_ok=True)
    {"count": bench_count, "nexmark": bench_nexmark, "hop": bench_hop, "latency": bench_latency}[what]()


if __name__ == "__main__":
    main()
