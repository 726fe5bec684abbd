#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What exactly-once costs, and how long a recovery takes: guarantee.py guarantee|barrier|recovery BUILD WORKDIR

guarantee: the same pipeline with `guarantee: none` and `exactly_once`, in turns; events per CPU-second and per second.
barrier:   how late records are behind an operator that keeps 64 bytes for each of many keys, at a steady rate, with and
           without epochs: what a barrier, and the encoding behind it, cost a record.
recovery:  a run is stopped with a state of known size, then the time from the start of the next one until its tasks
           run is taken (state directory on the work directory's disk, its files dropped from the page cache).
"""
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request

import bench
from bench import emit, generate, median, million, run, ysb_raw

EPOCH = os.environ.get("EPOCH", "200ms")
SIZES = [int(x) for x in os.environ.get("STATE_MB", "1 16 64 256 1024 4096").split()]


def cases():
    bids = generate("bids-1m.raw", "--events", "1000000", "--only", "bid", "--format", "raw")
    ysb = ("  ads:\n    source: {memory: {path: %s, format: raw, loop: %d}}\n    event_time: event_time\n"
           "  views: {from: ads, filter: event_type == 'view'}\n"
           "  campaigns: {from: views, map: {campaign: ad_id / 10}}\n"
           "  per:\n    from: campaigns\n    key_by: [campaign]\n    window: {tumbling: 10s}\n"
           "    aggregate: {n: count()}\n" % (ysb_raw(), 200))
    nex = ("  bids:\n    source: {memory: {path: %s, format: raw, loop: %d}}\n    event_time: dateTime\n"
           "  per:\n    from: bids\n    key_by: [%s]\n    window: {%s}\n    aggregate: {n: count(), top: max(price)}\n")
    return {
        "yahoo, 100 keys": (ysb, 200 * 10**6),
        "bids per auction, 10 s": (nex % (bids, 60, "auction", "tumbling: 10s"), 60 * 920000),
        "bids per bidder, sliding": (nex % (bids, 30, "bidder", "sliding: 10s, every: 2s"), 30 * 920000),
    }


def bench_guarantee():
    state = {"none": "", "exactly_once": "state: {dir: %s, epoch: %s}\n" % (
        os.path.join(bench.WORK, "guarantee-state"), EPOCH)}
    print("What exactly-once costs: epochs of %s, one worker, results to files; ratio to `guarantee: none`" % EPOCH)
    for name, (text, events) in cases().items():
        rates = {"none": [], "exactly_once": []}
        walls = {"none": [], "exactly_once": []}
        for _ in range(bench.ROUNDS):
            for g in rates:
                out = os.path.join(bench.WORK, "guarantee-out")
                status, cpu, t = run(
                    "pipeline: guarantee\nworkers: 1\nparallelism: 1\nguarantee: %s\n%ssteps:\n%s"
                    "  out: {from: per, sink: {file: {path: %s, format: raw}}}\n" % (g, state[g], text, out),
                    "guarantee")
                rates[g].append(status["records_in"] / cpu)
                walls[g].append(status["records_in"] / t)
        cpu = [a / b for a, b in zip(rates["exactly_once"], rates["none"])]
        wall = [a / b for a, b in zip(walls["exactly_once"], walls["none"])]
        print("  %-26s %s/CPU-s without, %s with: %.3f of it; by the clock %.3f   (%.3f to %.3f)" % (
            name, million(median(rates["none"])), million(median(rates["exactly_once"])), median(cpu), median(wall),
            min(cpu), max(cpu)))
        emit("guarantee", case=name, epoch=EPOCH, cpu_ratio=median(cpu), wall_ratio=median(wall), low=min(cpu),
             high=max(cpu), events=events)


def barrier_text(guarantee, rate, seconds, probe, out):
    state = "guarantee: none\n" if guarantee == "none" else "state: {dir: %s, epoch: %s}\n" % (
        os.path.join(bench.WORK, "barrier-state"), EPOCH)
    return ("pipeline: barrier\nworkers: 2\nparallelism: 1\n%ssteps:\n  events:\n    source: {nexmark: {events: %d, "
            "rate: %d, live: true}}\n"
            "  tally: {from: events.bid, key_by: [bidder, auction], parallelism: 1, operator: {library: %s, name: tally}}\n"
            "  probe: {from: tally, operator: {library: %s, name: probe, options: {out: %s, skip: '2'}}}\n"
            "  out: {from: probe, sink: blackhole}\n" % (state, rate * seconds, rate, probe, probe, out))


def bench_barrier():
    probe = os.path.join(os.path.dirname(os.path.dirname(bench.WEIR)), "perf", "probe.so")
    out = os.path.join(bench.WORK, "barrier.hist")
    rate, seconds = int(os.environ.get("RATE", "200000")), int(os.environ.get("SECONDS_EACH", "15"))
    print("Lateness behind a keyed operator at %d events/s, epochs of %s (open loop)" % (rate, EPOCH))
    rows = {"none": [], "exactly_once": []}
    for _ in range(3):
        for g in rows:
            run(barrier_text(g, rate, seconds, probe, out), "barrier-" + g)
            pairs = bench.histogram(out)
            rows[g].append([bench.percentile(pairs, p) / 1e3 for p in (50, 99, 99.9, 99.99)])
    for g, r in rows.items():
        m = [median(x) for x in zip(*r)]
        print("  %-13s p50 %.0f us  p99 %.0f us  p99.9 %.0f us  p99.99 %.0f us" % (g, *m))
        emit("barrier", guarantee=g, rate=rate, epoch=EPOCH, p50_us=m[0], p99_us=m[1], p999_us=m[2], p9999_us=m[3])


def state_pipeline(rate, state):
    # Every event is a key of its own: the state grows with the input.
    return ("pipeline: recovery\nworkers: 1\nparallelism: 1\nstate: {dir: %s, base_size: 64MiB}\nsteps:\n"
            "  src: {source: {nexmark: {rate: %d}}}\n"
            "  per:\n    from: src.bid\n    key_by: [dateTime, auction, bidder]\n    window: {tumbling: 3650d}\n"
            "    aggregate: {n: count()}\n  out: {from: per, sink: blackhole}\n" % (state, rate))


def until_running(path, stop_at_events=None):
    """Starts a run; (seconds until its tasks run, state bytes); killed then, or when so many records are in."""
    t = time.monotonic()
    p = subprocess.Popen([bench.WEIR, "run", "--metrics", "127.0.0.1:9499", path], stderr=subprocess.PIPE,
                         universal_newlines=True)
    running = None
    for line in p.stderr:
        if "msg=running" in line:
            running = time.monotonic() - t
            break
    state = 0
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline and p.poll() is None:
        time.sleep(0.1)
        try:
            text = urllib.request.urlopen("http://127.0.0.1:9499/metrics", timeout=5).read().decode()
        except OSError:
            text = ""
        m = re.search(r'^weir_state_bytes\{[^}]*\} ([0-9.e+]+)', text, re.M)
        state = float(m.group(1)) if m else 0
        if stop_at_events is None or state >= stop_at_events:
            break
    # The state has to be committed to be recovered; the restarts that are timed are killed.
    p.send_signal(signal.SIGKILL if stop_at_events is None else signal.SIGTERM)
    p.stderr.read()
    p.wait()
    return running, state


def bench_recovery():
    print("Recovery: from the start of the process until its tasks run")
    for mb in SIZES:
        state = os.path.join(bench.WORK, "recovery-state")
        subprocess.run(["rm", "-rf", state], check=True)
        path = os.path.join(bench.WORK, "recovery.yaml")
        with open(path, "w") as f:
            # Some seconds to the wanted size, however small it is, and never an end of the input.
            f.write(state_pipeline(min(mb, 64) * 20000, state))
        until_running(path, mb * 1048576)
        journal = sum(os.stat(os.path.join(state, x)).st_blocks * 512 for x in os.listdir(state)
                      if x.startswith("journal"))
        subprocess.run("sync; echo 3 > /proc/sys/vm/drop_caches", shell=True)
        times = []
        for _ in range(3):
            t, size = until_running(path)
            times.append(t)
        print("  state %7.0f MB, journal %7.0f MB: %.2f s  (%.2f to %.2f)" % (
            size / 1e6, journal / 1e6, median(times), min(times), max(times)))
        emit("recovery", state_bytes=size, journal_bytes=journal, seconds=median(times), low=min(times), high=max(times))
        subprocess.run(["rm", "-rf", state], check=True)


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in ("guarantee", "barrier", "recovery"):
        sys.exit(__doc__)
    bench.WEIR = os.path.abspath(os.path.join(sys.argv[2], "bin/weir"))
    bench.WORK = os.path.abspath(sys.argv[3])
    os.makedirs(bench.WORK, exist_ok=True)
    {"guarantee": bench_guarantee, "barrier": bench_barrier, "recovery": bench_recovery}[sys.argv[1]]()


if __name__ == "__main__":
    main()
