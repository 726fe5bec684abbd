#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""State that five regions share, in the lab with published round trips: shared.py BUILD OUT [--seconds 20] [--only PART,..]

visible  a row of a table that is written in one region, until it leaves the table's step in each (a fifth of the rows are the region's own)
final    results of a global aggregate, from the end of their window until they leave the step in each region
traffic  bytes on the wire of counts per auction over all regions, beside those of the raw events (both compressed as usual)

Needs network namespaces; on a host with few cores the engines wait for each other, and the figures say so. Writes OUT/shared.json.
"""
import argparse
import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench  # noqa: E402
from regions import Regions  # noqa: E402

NAMES = ["ie", "de", "us", "jp", "au"]
HEAD = "pipeline: shared\nstate: {epoch: %s}\nmetrics: off\nworkers: 1\nsteps:\n  e:\n    source: {nexmark: {events: %d, rate: %d, live: true}}\n"
# Every bid is a row of its own.
TABLE = HEAD + """  rows:
    from: e.bid
    key_by: [auction, bidder, dateTime]
    table: {fields: {made: {type: lww, set: dateTime}}}
  probe: {from: rows, operator: {library: %s, name: probe, options: {out: hist, skip: '5', field: made}}}
  out: {from: probe, sink: blackhole}
"""
GLOBAL = HEAD + """  n:
    from: e.bid
    key_by: [auction]
    window: {tumbling: 1s}
    scope: global
    aggregate: {n: count()}
  f: {from: n, filter: final}
  probe: {from: f, operator: {library: %s, name: probe, options: {out: hist, skip: '5'}}}
  out: {from: probe, sink: blackhole}
"""
COUNTS = HEAD + """  n:
    from: e.bid
    key_by: [auction]
    window: {tumbling: 10s}
    scope: global
    aggregate: {n: count()}
  out: {from: n, sink: blackhole}
"""
RAW = HEAD + """  all: {from: {step: e.bid, regions: all}, union: true}
  out: {from: all, sink: blackhole}
"""


def end(r):
    """Stops the engines after one more epoch."""
    for (kind, _), p in r.proc.items():
        if kind == "engine" and p.poll() is None:
            p.send_signal(signal.SIGTERM)
    r.wait_for_ends(30)


def histograms(o, text, what, out):
    with Regions(o.build, NAMES) as r:
        if not r.lab:
            print("  " + r.why)
            return
        probe = os.path.abspath(os.path.join(o.build, "perf", "probe.so"))
        # Relative to where each engine runs: its own folder.
        r.pipeline(text % (o.epoch, 10 ** 9, o.rate, probe))
        r.start(each=True)
        begin = time.monotonic()
        cpu = sum(r.cpu(*k) for k in r.proc)
        time.sleep(5 + o.seconds)
        cpu = (sum(r.cpu(*k) for k in r.proc) - cpu) / (time.monotonic() - begin)
        end(r)
        for n in NAMES:
            pairs = bench.histogram(r.path("at-%s" % n, "hist"))
            x = out[n] = {("p%g" % p): bench.percentile(pairs, p) / 1e6 for p in (50, 99, 99.9)}
            x["records"] = sum(c for _, c in pairs)
            print("  %s in %s: p50 %.0f ms  p99 %.0f ms  p99.9 %.0f ms  (%d)" % (what, n, x["p50"], x["p99"], x["p99.9"], x["records"]), flush=True)
        out["cores"] = cpu
        print("  engines and gateways took %.2f cores" % cpu, flush=True)


def part_visible(o, out):
    print("Rows of a table, %d writes/s in each of 5 regions, epochs of %s" % (o.rate, o.epoch))
    histograms(o, TABLE, "visible", out)


def part_final(o, out):
    print("Final results of a global aggregate over windows of 1 s, %d events/s in each of 5 regions, epochs of %s" % (o.rate, o.epoch))
    histograms(o, GLOBAL, "final", out)


def part_traffic(o, out):
    rate = 10000
    print("Bytes on the wire, %d events/s in each of 5 regions, counts per auction in windows of 10 s" % rate)
    for name, text in (("counts", COUNTS), ("raw", RAW)):
        with Regions(o.build, NAMES, lab=False) as r:
            r.pipeline(text % (o.epoch, 10 ** 9, rate))
            r.start()
            def look():
                e = [x for n in NAMES for x in r.status(n)["edges"]]
                return sum(x["wire_out_bytes"] for x in e), time.monotonic()
            time.sleep(5)
            a = look()
            time.sleep(max(o.seconds, 30))
            z = look()
            out[name] = (z[0] - a[0]) / (z[1] - a[1])
            print("  %-7s %.1f kB/s, all edges" % (name, out[name] / 1e3), flush=True)
    out["ratio"] = out["counts"] / out["raw"]
    print("  counts are %.3f of the raw events" % out["ratio"], flush=True)


def main():
    parts = {"visible": part_visible, "final": part_final, "traffic": part_traffic}
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("build")
    a.add_argument("out")
    a.add_argument("--seconds", type=float, default=20)
    a.add_argument("--rate", type=int, default=200, help="events per second and region")
    a.add_argument("--epoch", default="50ms")
    a.add_argument("--only", default=",".join(parts))
    o = a.parse_args()
    bench.WEIR, bench.WORK = os.path.abspath(os.path.join(o.build, "bin", "weir")), os.path.abspath(o.out)
    os.makedirs(o.out, exist_ok=True)
    result = {"benchmark": "shared", "commit": os.environ.get("BENCH_COMMIT", ""), "seconds": o.seconds, "rate": o.rate, "epoch": o.epoch,
              "load": os.getloadavg()[0], "time": int(time.time())}
    for name in o.only.split(","):
        parts[name](o, result.setdefault(name, {}))
    with open(os.path.join(o.out, "shared.json"), "w") as f:
        json.dump(result, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()
