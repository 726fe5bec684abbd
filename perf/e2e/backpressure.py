#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A slow step in one region: who slows down, who does not, who is named, and how it ends.

backpressure.py BUILD OUT [--seconds 20] [--long | --slowed 60] [--rate 4000] [--dir /dev/shm] [--name backpressure]

Five regions, each with two sources: `hot` goes to the step `slow` in us, `cold` to a step in jp. A third source, `first` in ie,
goes to us over de (two hops). The step takes COST us a record (perf/e2e/slow.c), ten times as much in the middle phase.
Everything is seen from outside, by the status of the engines, four times a second. Writes OUT/NAME.json, .tsv and .png;
exit 1 when a check fails.
"""
import argparse
import collections
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from regions import Regions  # noqa: E402

NAMES = ["ie", "de", "us", "jp", "au"]
EVERY = 0.25
PAGE = os.sysconf("SC_PAGE_SIZE")
COST = 20
PATIENCE_S = 30
MEMORY_S = 120  # a shorter time says nothing about memory
PIPELINE = """\
pipeline: pressure
state: {epoch: 200ms}
workers: 4
metrics: off
record_max: 4KiB
steps:
  hot:
    parallelism: 1
    source: {nexmark: {events: 1000000000, rate: RATE, region: "{region}"}}
  cold:
    parallelism: 1
    source: {nexmark: {events: 1000000000, rate: RATE, region: "{region}"}}
  first:
    regions: ie
    parallelism: 1
    source: {nexmark: {events: 1000000000, rate: RATE, region: "{region}"}}
  relay:
    regions: de
    from: {step: first.bid, region: ie}
    parallelism: 1
    filter: price > 0
  slow:
    regions: us
    from: [{step: hot.bid, regions: all}, {step: relay, region: de}]
    parallelism: 1
    operator: {library: LIBRARY, name: slow, options: {knob: KNOB}}
  slow_out: {regions: us, from: slow, sink: blackhole}
  other:
    regions: jp
    from: {step: cold.bid, regions: all}
    parallelism: 1
    select: [region, dateTime, auction, price]
  other_out: {regions: jp, from: other, sink: blackhole}
"""
HOT = ["hot@" + r for r in NAMES] + ["first@ie"]
COLD = ["cold@" + r for r in NAMES]
HOT_EDGES = ["hot.bid>us@" + r for r in NAMES if r != "us"] + ["first.bid>de@ie", "relay>us@de"]
COLD_EDGES = ["cold.bid>jp@" + r for r in NAMES if r != "jp"]
ROOT = "slow@us"


class Failed(Exception):
    pass


# ---- sampling ----


def sample(r, begin):
    """One look at everything: counters so far, and what holds now."""
    s = {"t": time.monotonic() - begin, "count": {}, "edge": {}, "rss": {}, "own": {}, "root": {}}
    for region in r.names:
        x = r.status(region)
        if x and x["failed"]:
            raise Failed("%s has failed%s" % (region, r.said()))
        if not x:
            r.alive()
            return None
        s["root"][region] = x["root"] or ""
        for step in x["steps"]:
            name = "%s@%s" % (step["step"], region)
            if step["kind"] == "source" and name in HOT + COLD:
                s["count"][name] = step["records_out"]
            elif step["step"] == "slow":
                s["count"]["slow"] = step["records_in"]
        for e in x["edges"]:
            name = "%s@%s" % (e["step"], region)
            s["count"][name] = e["records"]
            if e["direction"] == "out":
                s["edge"][name] = {"outstanding": e["outstanding_bytes"], "fill": e["fill"], "blocked_by": e["blocked_by"]}
        s.setdefault("align", {})[region] = x["epochs"]["align_ns"] / 1e9
        s.setdefault("commit", {})[region] = x["epochs"]["commit_ns"] / 1e9
        s.setdefault("durable", {})[region] = x["epochs"]["durable"]
    for kind, region in r.proc:
        name = "%s@%s" % (kind, region)
        s["rss"][name], s["own"][name] = memory(r.proc[kind, region].pid)
    s["waited"] = waited_for_cores()
    s["load"] = os.getloadavg()[0]
    return s


def memory(pid):
    """Resident bytes, and those of them that are the process's own: rings are shared, and count as soon as they were touched once."""
    try:
        with open("/proc/%d/statm" % pid) as f:
            words = [int(x) for x in f.read().split()]
    except (OSError, ValueError) as e:
        raise Failed("a process is gone: %s" % e) from e
    return words[1] * PAGE, (words[1] - words[2]) * PAGE


def waited_for_cores():
    """Seconds so far in which something had to wait for a core; 0 where the kernel does not say."""
    try:
        with open("/proc/pressure/cpu") as f:
            return int(f.readline().rsplit("total=", 1)[1]) / 1e6
    except (OSError, IndexError, ValueError):
        return 0.0


def watch(r, begin, samples, phase, seconds, until=None):
    end, due, seen = time.monotonic() + seconds, time.monotonic(), time.monotonic()
    while time.monotonic() < end:
        s = sample(r, begin)
        if s:
            seen = time.monotonic()
            s["phase"] = phase
            samples.append(s)
            if until and until(samples):
                return
        elif time.monotonic() - seen > PATIENCE_S:
            raise Failed("not all regions say how they are" + r.said())
        due = max(due + EVERY, time.monotonic())
        time.sleep(max(0, due - time.monotonic()))


# ---- reading what was sampled ----


def rate(samples, name):
    """Records per second over the whole of these samples."""
    a, b = samples[0], samples[-1]
    return (b["count"][name] - a["count"][name]) / (b["t"] - a["t"])


def windows(samples, name, width=1.0):
    """Rates over windows one after the other."""
    got, a = [], samples[0]
    for b in samples[1:]:
        if b["t"] - a["t"] >= width - EVERY / 4:
            got.append((b["count"][name] - a["count"][name]) / (b["t"] - a["t"]))
            a = b
    return got


def variation(values):
    m = statistics.fmean(values) if values else 0
    return statistics.pstdev(values) / m if m else float("inf")


def slope(samples, value):
    """Least squares, per second; and the mean."""
    t, v = [s["t"] for s in samples], [value(s) for s in samples]
    mt, mv = statistics.fmean(t), statistics.fmean(v)
    return sum((a - mt) * (b - mv) for a, b in zip(t, v)) / sum((a - mt) ** 2 for a in t), mv


def share(samples, condition):
    return sum(1 for s in samples if condition(s)) / len(samples)


def later_part(samples, phase, skip):
    """Of a phase, without its first `skip` seconds."""
    own = [s for s in samples if s["phase"] == phase]
    return [s for s in own if s["t"] >= own[0]["t"] + skip]


# ---- checks ----


class Checks:
    def __init__(self):
        self.rows = []

    def add(self, what, ok, text):
        """ok: None when it cannot be judged."""
        self.rows.append({"check": what, "ok": ok if ok is None else bool(ok), "text": text})
        print("  %-6s %s: %s" % ("-" if ok is None else "ok" if ok else "FAILED", what, text), flush=True)


def check_rates(c, base, slow, begin, capacity, out):
    out["baseline"] = {n: rate(base, n) for n in HOT + COLD + ["slow"]}
    out["slowed"] = {n: rate(slow, n) for n in HOT + COLD + ["slow"]}
    total, took = sum(out["slowed"][n] for n in HOT), out["slowed"]["slow"]
    # Sources count all events, and 46 of 50 are bids: the share is taken from the baseline.
    bids = out["baseline"]["slow"] / max(sum(out["baseline"][n] for n in HOT), 1)
    made = total * bids
    out.update(capacity=capacity, bids_of_events=bids, made_slowed=made)
    c.add("producers slow to what the step takes", abs(made - capacity) <= 0.15 * capacity,
          "they make %.0f bids/s, it takes %.0f, it can take %.0f; before: %.0f" % (
              made, took, capacity, out["baseline"]["slow"]))
    each = ["%s %.0f>%.0f" % (n, out["baseline"][n], out["slowed"][n]) for n in HOT]
    c.add("each of them slows down", all(out["slowed"][n] < 0.75 * out["baseline"][n] for n in HOT), ", ".join(each))
    kept = {n: rate(slow, n) / max(rate(base, n), 1) for n in COLD + COLD_EDGES}
    out["unrelated"] = kept
    # Not judged, but to be seen: while the rings in front of the step come to hold less, its region has no epochs.
    first = {n: min(windows(begin, n), default=0) / max(rate(base, n), 1) for n in COLD}
    out["unrelated_at_first"] = first
    worst = min(first, key=first.get)
    c.add("unrelated edges go on", min(kept.values()) >= 0.95, "the lowest keeps %.1f %%; before that, in the first %.0f s, "
          "%s was down to %.0f %% for a second" % (100 * min(kept.values()), begin[-1]["t"] - begin[0]["t"], worst, 100 * first[worst]))


def check_even(c, slow, out):
    cv = {n: variation(windows(slow, n)) for n in HOT}
    low = min(min(windows(slow, n), default=0) / max(rate(slow, n), 1) for n in HOT)
    out["variation"], out["lowest_window"] = cv, low
    c.add("no on and off", max(cv.values()) < 0.5 and low > 0,
          "variation of the rate over windows of 1 s: %s; the emptiest has %.0f %% of the mean" % (
              ", ".join("%s %.2f" % x for x in cv.items()), 100 * low))


def growth(samples, what):
    """Of each process: mean bytes, and how many more they became, by least squares."""
    span = samples[-1]["t"] - samples[0]["t"]
    rows = {}
    for n in samples[0][what]:
        per_s, mean = slope(samples, lambda s: s[what][n])
        rows[n] = {"mean": mean, "per_minute": per_s * 60, "grown": per_s * span}
    return rows, span


def check_memory(c, slow, out):
    # Each ring is touched to its end once, which takes minutes at the pace of a slow step: all that is resident is looked at in the
    # second half only.
    for what, name, part in (("own", "memory is flat", slow), ("rss", "and with rings, in the second half", slow[len(slow) // 2:])):
        rows, span = growth(part, what)
        worst = max(rows, key=lambda n: rows[n]["grown"] / max(rows[n]["mean"], 1))
        flat = all(x["grown"] <= max(0.02 * x["mean"], 512 << 10) for x in rows.values())
        enough = span >= MEMORY_S * 0.95
        out[what] = rows
        c.add(name, flat if enough else None, "over %.0f s %s grew most: %+.0f KiB of %.1f MiB (%+.0f KiB a minute)%s" % (
            span, worst, rows[worst]["grown"] / 1024, rows[worst]["mean"] / 2**20, rows[worst]["per_minute"] / 1024,
            "" if enough else "; too short to judge"))
    out["outstanding_max"] = {n: max(s["edge"][n]["outstanding"] for s in slow) for n in HOT_EDGES + COLD_EDGES}


def check_names(c, base, slow, out):
    # Asked while somebody is held up: an edge that is not half full brakes nobody.
    full = {n: [s for s in slow if s["edge"][n]["fill"] >= 0.5] or slow for n in HOT_EDGES}
    held = {r: [s for s in slow if any(s["edge"][n]["fill"] >= 0.5 for n in HOT_EDGES if n.endswith(r))] or slow for r in NAMES}
    roots = {r: share(held[r], lambda s: s["root"][r] == ROOT) for r in NAMES}
    hops = {n: share(full[n], lambda s: s["edge"][n]["blocked_by"] == ROOT) for n in HOT_EDGES}
    cold = {n: share(slow, lambda s: s["edge"][n]["blocked_by"] != "") for n in COLD_EDGES}
    calm = share(base, lambda s: not any(s["root"].values()))
    said = {r: collections.Counter(s["root"][r] for s in held[r]) for r in NAMES}
    said.update({n: collections.Counter(s["edge"][n]["blocked_by"] for s in full[n]) for n in HOT_EDGES})
    out["named"] = {"regions": roots, "edges": hops, "unrelated": cold, "baseline_nobody": calm, "said": said}
    c.add("the root is named in every region", min(roots.values()) >= 0.95,
          ", ".join("%s %.0f %%" % (r, 100 * v) for r, v in roots.items()) + " of the samples")
    c.add("and at every hop", min(hops.values()) >= 0.95, ", ".join("%s %.0f %%" % (n, 100 * v) for n, v in hops.items()))
    c.add("and not at others", max(cold.values()) <= 0.05, ", ".join("%s %.0f %%" % (n, 100 * v) for n, v in cold.items()))


def check_machine(samples, out):
    """What else held the regions up: not judged, but a run on a busy machine says little."""
    a, b = samples[0], samples[-1]
    stalls = {}
    for r in NAMES:
        at, longest = a, 0
        for s in samples[1:]:
            if s["durable"][r] != at["durable"][r]:
                at = s
            longest = max(longest, s["t"] - at["t"])
        stalls[r] = longest
    loads = [s["load"] for s in samples]
    gap = max(y["t"] - x["t"] for x, y in zip(samples, samples[1:]))
    out["machine"] = {"cores": os.cpu_count(), "load_before": out.pop("load_before"), "load_median": statistics.median(loads),
                      "load_max": max(loads), "waited_for_cores": (b["waited"] - a["waited"]) / (b["t"] - a["t"]),
                      "longest_between_samples_s": gap, "longest_without_commit_s": stalls}
    print("  machine: %d cores, load before %.1f, in the run %.1f (at most %.1f); something waited for a core %.0f %% of the time; "
          "longest between two samples %.1f s" % (os.cpu_count(), out["machine"]["load_before"], statistics.median(loads),
                                                  max(loads), 100 * out["machine"]["waited_for_cores"], gap))
    print("  longest time without a commit: " + ", ".join("%s %.1f s" % x for x in stalls.items()), flush=True)


def recovered(base, calm_bytes):
    def yes(samples):
        own = [s for s in samples if s["phase"] == "release"][-13:]
        return (len(own) == 13 and all(rate(own, n) >= 0.95 * base[n] for n in HOT) and
                all(own[-1]["edge"][n]["outstanding"] <= calm_bytes for n in HOT_EDGES))
    return yes


# ---- output ----


def write_table(path, samples):
    """One line a sample, for gnuplot: t, rates of HOT and COLD (over a second), outstanding KiB, fill, RSS MiB."""
    names = list(samples[0]["rss"])
    with open(path, "w") as f:
        f.write("\t".join(["t"] + HOT + COLD + ["slow"] + HOT_EDGES + COLD_EDGES + ["fill " + n for n in HOT_EDGES] + names) + "\n")
        for i in range(4, len(samples)):
            a, b = samples[i - 4], samples[i]
            row = [b["t"]] + [(b["count"][n] - a["count"][n]) / (b["t"] - a["t"]) for n in HOT + COLD + ["slow"]]
            row += [b["edge"][n]["outstanding"] / 1024 for n in HOT_EDGES + COLD_EDGES]
            row += [b["edge"][n]["fill"] for n in HOT_EDGES] + [b["rss"][n] / 2**20 for n in names]
            f.write("\t".join("%.3f" % x for x in row) + "\n")


def plot(base, marks):
    here = os.path.dirname(os.path.abspath(__file__))
    say = "data='%s.tsv'; image='%s.png'; slowed=%.2f; released=%.2f" % (base, base, *marks)
    try:
        subprocess.run(["gnuplot", "-e", say, os.path.join(here, "backpressure.plot")], check=True)
        print("  plot: %s.png" % base)
    except (OSError, subprocess.CalledProcessError):
        print("  no plot: gnuplot is not there, or failed")


def knob(r, us):
    with open(r.path("knob.new"), "w") as f:
        f.write("%d\n" % us)
    os.rename(r.path("knob.new"), r.path("knob"))


def run(o, c, out):
    samples, settle = [], min(60 if out["slowed_s"] >= 300 else 10, out["slowed_s"] / 2)
    out["load_before"] = os.getloadavg()[0]
    with Regions(o.build, NAMES, wan=["all rtt=10ms"], edges="buffer: 2MiB, spill: 64MiB") as r:
        if r.why:
            print("  " + r.why)
        out["lab"] = r.lab
        knob(r, COST)
        library = os.path.abspath(os.path.join(o.build, "perf", "slow.so"))
        r.pipeline(PIPELINE.replace("RATE", str(o.rate)).replace("LIBRARY", library).replace("KNOB", r.path("knob")))
        r.start()
        time.sleep(3)
        begin = time.monotonic()
        watch(r, begin, samples, "baseline", o.seconds)
        knob(r, 10 * COST)
        slowed = time.monotonic() - begin
        watch(r, begin, samples, "slowed", out["slowed_s"])
        knob(r, COST)
        released = time.monotonic() - begin
        base = [s for s in samples if s["phase"] == "baseline"]
        calm = 1.5 * max(s["edge"][n]["outstanding"] for s in base for n in HOT_EDGES) + 65536
        watch(r, begin, samples, "release", 60, recovered({n: rate(base, n) for n in HOT}, calm))
        # Three seconds of samples are looked at.
        back = samples[-1]["t"] - released - 3
        done = recovered({n: rate(base, n) for n in HOT}, calm)(samples)
        watch(r, begin, samples, "after", 5)
    base_name = os.path.join(o.out, o.name)
    write_table(base_name + ".tsv", samples)
    slow = later_part(samples, "slowed", settle)
    out.update(settle_s=settle, phases={"slowed": slowed, "released": released, "end": samples[-1]["t"]})
    begin = [s for s in samples if s["phase"] == "slowed" and s["t"] <= slow[0]["t"]]
    check_rates(c, base, slow, begin, 1e6 / (10 * COST), out)
    check_even(c, slow, out)
    check_memory(c, slow, out)
    check_names(c, base, slow, out)
    check_machine(samples, out)
    out["back_s"] = back if done else None
    c.add("back to the baseline in 60 s", done, "after %.1f s" % back if done else "not at all")
    for what in ("align", "commit"):
        out[what + "_s"] = {n: {"median": statistics.median(s[what][n] for s in slow), "max": max(s[what][n] for s in slow)}
                            for n in NAMES}
    plot(base_name, (slowed, released))


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("build")
    a.add_argument("out")
    a.add_argument("--seconds", type=float, default=20, help="of the first two phases; the third ends by itself")
    a.add_argument("--long", action="store_true", help="the step is slow for 10 minutes")
    a.add_argument("--slowed", type=float, help="seconds the step is slow (default: --seconds)")
    a.add_argument("--dir", help="where the regions keep their state (default: $TMPDIR or /tmp): five journals on one busy disk hold "
                                 "regions up that have nothing to do with the slow step")
    a.add_argument("--rate", type=int, default=4000, help="events per second of each source")
    a.add_argument("--name", default="backpressure")
    o = a.parse_args()
    os.makedirs(o.out, exist_ok=True)
    if o.dir:
        tempfile.tempdir = os.path.abspath(o.dir)
    c, out = Checks(), {"benchmark": "backpressure", "seconds": o.seconds, "rate": o.rate,
                        "slowed_s": 600 if o.long else o.slowed or o.seconds, "dir": tempfile.gettempdir()}
    print("One step is ten times slower for %.0f s: five regions, %d events/s a source" % (out["slowed_s"], o.rate), flush=True)
    try:
        run(o, c, out)
    except (Failed, RuntimeError, OSError, subprocess.SubprocessError) as e:
        c.add("the run goes through", False, str(e))
    out.update(checks=c.rows, commit=os.environ.get("BENCH_COMMIT", ""), load=os.getloadavg(), time=int(time.time()))
    with open(os.path.join(o.out, o.name + ".json"), "w") as f:
        json.dump(out, f, indent=1)
        f.write("\n")
    sys.exit(0 if all(x["ok"] is not False for x in c.rows) else 1)


if __name__ == "__main__":
    main()
