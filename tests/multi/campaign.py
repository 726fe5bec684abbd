#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Regions under fire: engines and gateways of a lab are killed, frozen and cut off; in the end every record is accounted for.

campaign.py BUILD [--regions 5] [--seconds 60] [--seed 1] [--backend io_uring|epoll|dpdk] [--loss 2%] [--away 600] [--runs N] [--keep]

Each region makes the same bids with its own name in them. One step gives all bids of all regions to the first region, record by
record (copy); another counts bids per auction and window where the auction's key group lives (keys). The reconciler, here, computes
both from `weir generate` and compares: nothing lost, nothing doubled, nothing out of order within an edge.
Everything that is done is decided by the seed; when it happens in a process is not.
"""
import argparse
import collections
import csv
import glob
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

NAMES = ["ie", "de", "us", "jp", "au", "br", "za", "in", "ca", "sg"]
PIPELINE = """\
pipeline: chaos
state: {epoch: 100ms}
workers: 2
metrics: off
steps:
  events:
    parallelism: 1
    source: {nexmark: {events: EVENTS, rate: RATE, region: "{region}"}}
  all:
    regions: [FIRST]
    from: {step: events.bid, regions: all}
    parallelism: 1
    select: [region, dateTime, auction, price]
  all_out:
    regions: [FIRST]
    from: all
    sink: {file: {path: "out/{region}/all", format: csv, part_interval: 2s}}
  counts:
    from: {step: events.bid, regions: all, spread: keys}
    key_by: [auction]
    window: {tumbling: 2s}
    aggregate: {n: count(), prices: sum(price)}
  counts_out:
    from: counts
    sink: {file: {path: "out/{region}/counts", format: csv, part_interval: 2s}}
"""


class Failure(Exception):
    pass


class Campaign:
    def __init__(self, o, seed):
        self.o, self.seed, self.rng = o, seed, random.Random(seed)
        self.regions = NAMES[: o.regions]
        self.bin = os.path.abspath(os.path.join(o.build, "bin"))
        self.dir = tempfile.mkdtemp(prefix="weir-multi-")
        self.env = dict(os.environ, WEIR_RUN_DIR=os.path.join(self.dir, "run"))
        self.proc, self.tally, self.up = {}, collections.Counter(), False
        self.away, self.back = None, 0.0

    # ---- building ----

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def weir(self, *args, check=True):
        r = subprocess.run([os.path.join(self.bin, "weir"), *args], cwd=self.dir, env=self.env, capture_output=True, text=True, timeout=60)
        if check and r.returncode:
            raise Failure("weir %s: exit %d: %s" % (" ".join(args), r.returncode, r.stderr.strip()))
        return r

    def files(self):
        extra = ""
        if self.o.backend == "dpdk":
            extra = ', backend: dpdk, eal: "--vdev net_af_packet0,iface=e0,framecnt=2048"'
        elif self.o.backend != "auto":
            extra = ", backend: " + self.o.backend
        with open(self.path("cluster.yaml"), "w") as f:
            f.write("cluster: multi%d\ncerts: certs\nregions:\n" % self.seed)
            for i, r in enumerate(self.regions):
                f.write('  %s: {data: state/%s, gateways: [{listen: "10.77.%d.1:7400"%s}]}\n' % (r, r, i + 1, extra))
        with open(self.path("wan"), "w") as f:
            f.write("seed %d\n" % self.seed)
            if self.o.rtt:
                f.write("all rtt=%s\n" % self.o.rtt)
            if self.o.loss != "0%":
                f.write("all loss=%s\n" % self.o.loss)
        with open(self.path("chaos.yaml"), "w") as f:
            f.write(PIPELINE.replace("EVENTS", str(self.o.rate * self.o.seconds)).replace("RATE", str(self.o.rate)).replace("FIRST", self.regions[0]))
        self.weir("certs", "init", "cluster.yaml")

    def start(self, kind, region, *args):
        log = open(self.path("%s.%s.log" % (region, kind)), "a")
        verb = ["run", "-q"] if kind == "engine" else ["gateway"]
        what = ["chaos.yaml"] if kind == "engine" else ["chaos"]
        cmd = [os.path.join(self.bin, "weir"), "lab", "exec", "multi%d" % self.seed, region, "--", os.path.join(self.bin, "weir")]
        cmd += verb + ["--cluster", "cluster.yaml", "--region", region, *args] + what
        self.proc[kind, region] = subprocess.Popen(cmd, cwd=self.dir, env=self.env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    # ---- trouble ----

    def alive(self, kind, region):
        p = self.proc.get((kind, region))
        return p is not None and p.poll() is None

    def kill(self, kind, region):
        p = self.proc[kind, region]
        if p.poll() is None:
            p.send_signal(signal.SIGKILL)
            p.wait()
            self.tally["%s killed" % kind] += 1

    def restart(self, kind, region):
        p = self.proc[kind, region]
        if p.poll() is not None and (kind == "gateway" or p.returncode != 0):
            if p.returncode not in (0, -signal.SIGKILL):
                raise Failure("%s of %s ended with %d: see %s" % (kind, region, p.returncode, self.path("%s.%s.log" % (region, kind))))
            self.start(kind, region)

    def net(self, *words):
        self.weir("lab", "net", "multi%d" % self.seed, *words)

    def trouble(self):
        r = self.rng
        kind = r.choice(["gateway", "gateway", "engine", "freeze", "cut pair", "cut one way", "cut region"])
        region, other = r.sample(self.regions, 2)
        if kind in ("gateway", "engine"):
            self.kill(kind, region)
            time.sleep(r.choice([0, 0, 0.2, 1.0]))
            self.restart(kind, region)
        elif kind == "freeze":
            p = self.proc["gateway", region]
            if p.poll() is None:
                p.send_signal(signal.SIGSTOP)
                time.sleep(r.uniform(0.1, 4))
                p.send_signal(signal.SIGCONT)
                self.tally["gateway frozen"] += 1
        else:
            words = {"cut pair": "%s,%s" % (region, other), "cut one way": "%s:%s" % (region, other), "cut region": region}[kind]
            self.net("cut", words)
            time.sleep(r.uniform(0.5, 5))
            self.net("heal", "all")
            self.stay_away()
            self.tally[kind] += 1

    def stay_away(self):
        """One region is cut off for long, whatever happens to the others."""
        if self.away and time.monotonic() >= self.back:
            self.net("heal", "all")
            self.tally["away for %d s" % self.o.away] += 1
            self.away = None
        if self.away:
            self.net("cut", self.away)

    # ---- one run ----

    def run(self):
        self.files()
        self.weir("lab", "up", "cluster.yaml", "--wan", "wan")
        self.up = True
        for r in self.regions:
            self.start("engine", r)
            self.start("gateway", r)
        begin = time.monotonic()
        if self.o.away:
            self.away, self.back = self.rng.choice(self.regions), begin + 5 + self.o.away
            time.sleep(5)
        while time.monotonic() - begin < self.o.seconds:
            time.sleep(self.rng.uniform(0.1, 1.5))
            self.stay_away()
            self.trouble()
        self.net("heal", "all")
        self.settle()
        return self.reconcile()

    def settle(self):
        deadline = time.monotonic() + self.o.settle
        while any(p.returncode != 0 for (k, _), p in self.proc.items() if k == "engine"):
            for r in self.regions:
                for kind in ("engine", "gateway"):
                    self.proc[kind, r].poll()
                    self.restart(kind, r)
            if time.monotonic() > deadline:
                raise Failure("after %d s without trouble not all is done: %s" % (self.o.settle, self.why()))
            time.sleep(0.2)

    def why(self):
        text = []
        for r in self.regions:
            if self.alive("engine", r):
                s = self.weir("status", "-o", "json", "chaos@" + r, check=False)
                try:
                    j = json.loads(s.stdout)
                    text.append("%s: " % r + ", ".join("%s %s %s epochs out, lag %s" % (e["step"], e["state"], e.get("outstanding_epochs"), e.get("lag_records")) for e in j["edges"]))
                except (ValueError, KeyError):
                    text.append("%s: no status" % r)
        return "; ".join(text)

    # ---- what should be there ----

    def reconcile(self):
        made = self.path("bids.csv")
        self.weir("generate", "nexmark", "--events", str(self.o.rate * self.o.seconds), "--only", "bid", "--format", "csv", "--out", made)
        with open(made, newline="") as f:
            bids = [(b["dateTime"], b["auction"], b["price"]) for b in csv.DictReader(f)]
        wrong = self.check_all(bids) + self.check_counts(bids)
        return len(bids) * len(self.regions), wrong

    def rows(self, step):
        for name in sorted(glob.glob(self.path("out", "*", step, "part-*"))):
            with open(name, newline="") as f:
                head = None
                for row in csv.reader(f):
                    if head is None and not row[-1].lstrip("-").isdigit():
                        head = row
                        continue
                    yield row

    def check_all(self, bids):
        """Every record of every region, once, and in the order in which its region made it."""
        got = collections.defaultdict(list)
        for region, at, auction, price in self.rows("all"):
            got[region].append((at, auction, price))
        wrong = []
        for r in self.regions:
            if got[r] == bids:
                continue
            have, want = collections.Counter(got[r]), collections.Counter(bids)
            wrong.append("all, from %s: %d lost, %d doubled or strange, %s" % (r, sum((want - have).values()), sum((have - want).values()), "out of order" if have == want else "%d of %d" % (len(got[r]), len(bids))))
        return wrong

    def check_counts(self, bids):
        want, have = collections.defaultdict(lambda: [0, 0]), collections.defaultdict(lambda: [0, 0])
        for at, auction, price in bids:
            seconds = int(at[11:13]) * 3600 + int(at[14:16]) * 60 + int(at[17:19])
            w = want[auction, seconds // 2]
            w[0] += len(self.regions)
            w[1] += int(price) * len(self.regions)
        for auction, start, _, n, prices in self.rows("counts"):
            seconds = int(start[11:13]) * 3600 + int(start[14:16]) * 60 + int(start[17:19])
            h = have[auction, seconds // 2]
            h[0] += int(n)
            h[1] += int(prices)
        bad = [k for k in want.keys() | have.keys() if want.get(k) != have.get(k)]
        return ["counts: %d of %d groups are wrong, first %s: %s, should be %s" % (len(bad), len(want), bad[0], have.get(bad[0]), want.get(bad[0]))] if bad else []

    def end(self, keep):
        for p in self.proc.values():
            if p.poll() is None:
                p.kill()
                p.wait()
        if self.up:
            self.weir("lab", "down", "multi%d" % self.seed, check=False)
        if keep:
            print("  kept: %s" % self.dir)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("build")
    a.add_argument("--regions", type=int, default=5)
    a.add_argument("--seconds", type=int, default=60)
    a.add_argument("--settle", type=int, default=120, help="seconds it may take afterwards")
    a.add_argument("--rate", type=int, default=2000, help="events per second and region")
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--runs", type=int, default=1)
    a.add_argument("--backend", default="auto")
    a.add_argument("--loss", default="1%")
    a.add_argument("--rtt", help="of all paths; default: published round trips")
    a.add_argument("--away", type=int, default=0, help="seconds for which one region is cut off beside all else; shorter than --seconds")
    a.add_argument("--keep", action="store_true")
    o = a.parse_args()
    failed = 0
    for seed in range(o.seed, o.seed + o.runs):
        c = Campaign(o, seed)
        begin, wrong, n = time.monotonic(), [], 0
        try:
            n, wrong = c.run()
        except Failure as e:
            wrong = [str(e)]
        finally:
            c.end(o.keep or (wrong != []))
        print("seed %d, %s: %d records, %s; %.0f s: %s" % (seed, o.backend, n, ", ".join("%d %s" % (v, k) for k, v in sorted(c.tally.items())), time.monotonic() - begin, "0 lost, 0 doubled, 0 out of order" if not wrong else "FAILED"), flush=True)
        for w in wrong:
            print("  " + w, flush=True)
        failed += bool(wrong)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
