#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One edge between two regions, beside what else could carry the bytes: link.py BUILD OUT [--seconds 6] [--only PART,..] [--rounds 2]

bare     64-byte records over an edge, against the gateways' transport alone (perf/micro/quic_bench.c), on loopback, in turns
links    the same through the lab for each back end, and TCP (iperf3) and TLS over TCP (openssl) through the same two namespaces
loss     goodput at a round trip of 100 ms and 200 Mbit/s with 0, 1 and 5 % loss, against TCP with bbr and cubic
latency  records that carry the time they were made, at a round trip of 100 ms, for two epoch intervals
idle     what a gateway takes when nothing is to be carried

Everything shares the machine's cores: engines, gateways, and in the lab the emulated network, which takes most of them. Figures of
the lab are for comparing what is in one table. Writes OUT/link.json.
"""
import argparse
import json
import os
import resource
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench  # noqa: E402
from regions import Regions  # noqa: E402

NAMES = ["ie", "us"]
HEAD = "pipeline: link\nstate: {epoch: %s}\nmetrics: off\nworkers: 1\nsteps:\n  e:\n    regions: ie\n    parallelism: 1\n"
FLOOD = (HEAD + "    source: {memory: {path: %s, format: raw, loop: 1000000000}}\n"
         "  out:\n    regions: us\n    from: {step: e, region: ie}\n    sink: blackhole\n")
LIVE = (HEAD + "    source: {nexmark: {events: %d, rate: %d, live: true}}\n"
        "  probe:\n    regions: us\n    from: {step: e.bid, region: ie}\n"
        "    operator: {library: %s, name: probe, options: {out: %s, skip: '3'}}\n"
        "  out: {regions: us, from: probe, sink: blackhole}\n")
WAN = "rtt=100ms rate=200Mbit limit=3000"


def edge_rate(r, seconds, warm=2.0):
    """Records and bytes a second over the one edge, CPU of the processes a second."""
    def look():
        e = r.status("us")["edges"][0]
        cpu = {k: r.cpu(*k) for k in r.proc}
        return time.monotonic(), e["records"], e["raw_bytes"], e["wire_in_bytes"], cpu
    time.sleep(warm)
    a = look()
    time.sleep(seconds)
    z = look()
    t = z[0] - a[0]
    return {"records_s": (z[1] - a[1]) / t, "goodput_bit_s": (z[2] - a[2]) * 8 / t, "wire_bit_s": (z[3] - a[3]) * 8 / t,
            "cpu": {"%s %s" % k: (z[4][k] - a[4][k]) / t for k in z[4]}}


def flood(r, o):
    r.pipeline(FLOOD % ("200ms", bench.hop_raw()))
    r.start()
    try:
        return edge_rate(r, o.seconds)
    finally:
        r.stop()


def bare(r, o):
    """The transport alone; the same shape of answer."""
    tool = os.path.abspath(os.path.join(o.build, "perf", "quic_bench"))
    take = subprocess.Popen(r.inside("us") + [tool, "recv", "cluster.yaml", "us", str(int(o.seconds))], cwd=r.dir, env=r.env,
                            stdout=subprocess.PIPE, universal_newlines=True)
    time.sleep(0.3)
    give = subprocess.Popen(r.inside("ie") + [tool, "send", "cluster.yaml", "ie", "us"], cwd=r.dir, env=r.env,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(1.5)
        before, t = cpu_of(give.pid), time.monotonic()
        time.sleep(o.seconds - 1)
        sender = (cpu_of(give.pid) - before) / (time.monotonic() - t)
        got = json.loads(take.communicate(timeout=60)[0])
    finally:
        for p in (take, give):
            p.terminate()
            p.wait()
    rate = got["bytes"] / got["seconds"]
    return {"records_s": rate / 64, "goodput_bit_s": rate * 8,
            "cpu": {"sender": sender, "receiver": got["cpu_s"] / got["seconds"]}}


def cpu_of(pid):
    with open("/proc/%d/stat" % pid) as f:
        w = f.read().rsplit(")", 1)[1].split()
    return (int(w[11]) + int(w[12])) / os.sysconf("SC_CLK_TCK")


def iperf(r, o, *options):
    serve = subprocess.Popen(r.inside("us") + ["iperf3", "-s", "-1", "-p", "5301"], env=r.env, stdout=subprocess.DEVNULL)
    time.sleep(0.5)
    try:
        got = subprocess.run(r.inside("ie") + ["iperf3", "-J", "-c", "10.77.2.1", "-p", "5301", "-t", str(int(o.seconds)), "-O", "2", *options],
                             env=r.env, stdout=subprocess.PIPE, universal_newlines=True, timeout=60)
    finally:
        serve.terminate()
        serve.wait()
    j = json.loads(got.stdout)
    if "error" in j:
        return {"error": j["error"]}
    end = j["end"]
    return {"goodput_bit_s": end["sum_received"]["bits_per_second"],
            "cpu": {"sender": end["cpu_utilization_percent"]["host_total"] / 100,
                    "receiver": end["cpu_utilization_percent"]["remote_total"] / 100}}


def tls(r, megabytes):
    """openssl at both ends; its own CPU time and the time for so many bytes."""
    where = "10.77.2.1:5302"
    serve = subprocess.Popen(r.inside("us") + ["openssl", "s_server", "-accept", where, "-quiet", "-naccept", "1", "-tls1_3", "-cert",
                                               "certs/us.pem", "-key", "certs/us.key"],
                             cwd=r.dir, env=r.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.PIPE)
    time.sleep(0.5)
    cpu = []
    t = time.monotonic()
    give = subprocess.Popen(r.inside("ie") + ["sh", "-c", "head -c %dM /dev/zero | openssl s_client -connect %s -quiet -no_ign_eof" % (megabytes, where)],
                            cwd=r.dir, env=r.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for p in (give, serve):
        _, status, used = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
        cpu.append(used.ru_utime + used.ru_stime)
    t = time.monotonic() - t
    return {"goodput_bit_s": megabytes * 2**20 * 8 / t, "cpu": {"sender": cpu[0] / t, "receiver": cpu[1] / t}}


def say(what, x, gateways=False):
    if "error" in x:
        print("  %-34s %s" % (what, x["error"]), flush=True)
        return
    both = [v for k, v in x["cpu"].items() if not gateways or k.startswith("gateway")]
    gbit = x["goodput_bit_s"] / 1e9
    x["cpu_s_per_gbit"] = sum(both) / gbit if gbit else None
    print("  %-34s %8.3f Gbit/s  %s  %.2f CPU-s per Gbit (both ends)" % (
        what, gbit, "%6.2f M records/s" % (x["records_s"] / 1e6) if "records_s" in x else " " * 18, x["cpu_s_per_gbit"] or 0), flush=True)


def part_bare(o, out):
    print("An edge against its transport alone: 64-byte records over loopback, %d rounds" % o.rounds)
    for backend in ("io_uring", "epoll"):
        rounds = []
        for _ in range(o.rounds):
            with Regions(o.build, NAMES, backend=backend, edges="compression: none", lab=False) as r:
                rounds.append({"bare": bare(r, o), "edge": flood(r, o)})
        for what in ("bare", "edge"):
            x = sorted((k[what] for k in rounds), key=lambda v: v["records_s"])[len(rounds) // 2]
            say("%s, %s" % (what, backend), x, what == "edge")
        ratios = [k["edge"]["records_s"] / k["bare"]["records_s"] for k in rounds]
        print("  %-34s %.2f of the bare transport (%.2f to %.2f)" % ("", bench.median(ratios), min(ratios), max(ratios)), flush=True)
        out[backend] = {"rounds": rounds, "ratio": bench.median(ratios)}


def part_links(o, out):
    print("Through the lab, no delay: gateways of each back end, and TCP through the same namespaces")
    for backend in ("io_uring", "epoll", "dpdk"):
        with Regions(o.build, NAMES, backend=backend, edges="compression: none", wan=["all rtt=0ms"]) as r:
            if not r.lab:
                print("  " + r.why)
                return
            out[backend] = {"edge": flood(r, o), "bare": bare(r, o)}
            say("edge, " + backend, out[backend]["edge"], True)
            say("bare transport, " + backend, out[backend]["bare"])
            if backend == "io_uring":
                out["tcp"] = iperf(r, o)
                say("TCP, iperf3", out["tcp"])
                out["tls"] = tls(r, 256)
                say("TLS 1.3 over TCP, openssl", out["tls"])


def part_loss(o, out):
    print("Goodput at 100 ms, 200 Mbit/s")
    for loss in ("0%", "1%", "5%"):
        with Regions(o.build, NAMES, edges="compression: none", wan=["all %s loss=%s" % (WAN, loss)]) as r:
            if not r.lab:
                print("  " + r.why)
                return
            x = out[loss] = {}
            r.pipeline(FLOOD % ("200ms", bench.hop_raw()))
            r.start()
            x["edge"] = edge_rate(r, max(o.seconds, 10), 5)
            r.stop()
            for c in ("bbr", "cubic"):
                x[c] = iperf(r, o, "-C", c)
            for k in x:
                say("%s loss, %s" % (loss, k), x[k], k == "edge")


def part_latency(o, out):
    rate, seconds = 2000, int(max(o.seconds, 8)) + 3
    print("From the making of a record in one region to an operator in the other: round trip 100 ms, %d records/s" % rate)
    probe = os.path.abspath(os.path.join(o.build, "perf", "probe.so"))
    for epoch in ("200ms", "50ms", "20ms"):
        with Regions(o.build, NAMES, wan=["all rtt=100ms"]) as r:
            if not r.lab:
                print("  " + r.why)
                return
            r.pipeline(LIVE % (epoch, rate * seconds, rate, probe, r.path("hist")))
            r.start()
            r.wait_for_ends(seconds + 60)
            pairs = bench.histogram(r.path("hist"))
            x = {("p%g" % p): bench.percentile(pairs, p) / 1e6 for p in (50, 99, 99.9)}
            out[epoch] = x
            print("  epochs of %-6s p50 %.0f ms  p99 %.0f ms  p99.9 %.0f ms; over the emulated 50 ms one way: p50 %.0f ms, p99 %.0f ms" % (
                epoch, x["p50"], x["p99"], x["p99.9"], x["p50"] - 50, x["p99"] - 50), flush=True)


def part_idle(o, out):
    print("A gateway without anything to carry, part of a core")
    for backend in ("io_uring", "epoll", "dpdk"):
        with Regions(o.build, NAMES, backend=backend, wan=["all rtt=10ms"]) as r:
            if backend == "dpdk" and not r.lab:
                print("  " + r.why)
                return
            r.pipeline(FLOOD.replace("memory: {path: %s, format: raw, loop: 1000000000}", "tcp: {listen: '127.0.0.1:0', format: jsonl}}\n"
                                     "    schema: {a: int64") % "200ms")
            r.start()
            time.sleep(2)
            a, t = {n: r.cpu("gateway", n) for n in NAMES}, time.monotonic()
            time.sleep(max(o.seconds, 10))
            t = time.monotonic() - t
            out[backend] = {n: (r.cpu("gateway", n) - a[n]) / t for n in NAMES}
            print("  %-10s %s" % (backend, "  ".join("%s %.2f %%" % (n, 100 * v) for n, v in out[backend].items())), flush=True)


def main():
    parts = {"bare": part_bare, "links": part_links, "loss": part_loss, "latency": part_latency, "idle": part_idle}
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("build")
    a.add_argument("out")
    a.add_argument("--seconds", type=float, default=6, help="of each measurement")
    a.add_argument("--rounds", type=int, default=2)
    a.add_argument("--only", default=",".join(parts))
    o = a.parse_args()
    bench.WEIR, bench.WORK = os.path.abspath(os.path.join(o.build, "bin", "weir")), os.path.abspath(o.out)
    os.makedirs(o.out, exist_ok=True)
    result = {"benchmark": "link", "commit": os.environ.get("BENCH_COMMIT", ""), "seconds": o.seconds, "time": int(time.time())}
    for name in o.only.split(","):
        try:
            parts[name](o, result.setdefault(name, {}))
        except (RuntimeError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as e:
            result[name]["failed"] = str(e)
            print("  FAILED: %s" % e, flush=True)
    result["cpu_s"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    with open(os.path.join(o.out, "link.json"), "w") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    sys.exit(1 if any("failed" in result[n] for n in o.only.split(",")) else 0)


if __name__ == "__main__":
    main()
