# SPDX-License-Identifier: Apache-2.0
"""Regions for benchmarks: engines and gateways of a lab (network namespaces), or on loopback where these are not allowed.

    with Regions(BUILD, ["ie", "us"], backend="io_uring", wan=["all rtt=10ms"]) as r:
        r.pipeline(text)          # then start() engines and gateways
        r.start()
        r.status("ie")["edges"]   # what `weir status -o json` prints, over the control socket
"""
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
DPDK = ', backend: dpdk, eal: "--vdev net_af_packet0,iface=e0,framecnt=2048"'


class Regions:
    def __init__(self, build, names, backend="auto", wan=(), edges="", links="", lab=True):
        self.names, self.backend, self.wan = names, backend, list(wan)
        self.bin = os.path.abspath(os.path.join(build, "bin"))
        self.dir = tempfile.mkdtemp(prefix="weir-bench-")
        self.env = dict(os.environ, WEIR_RUN_DIR=self.path("run"))
        self.name = "bench%d" % os.getpid()
        self.edges, self.links, self.lab, self.why = edges, links, lab, ""
        self.proc, self.made = {}, None

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def weir(self, *args, check=True):
        r = subprocess.run([os.path.join(self.bin, "weir"), *args], cwd=self.dir, env=self.env, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, universal_newlines=True, timeout=120)
        if check and r.returncode:
            raise RuntimeError("weir %s: exit %d: %s" % (" ".join(args), r.returncode, r.stderr.strip()))
        return r

    def address(self, i):
        return "10.77.%d.1:7400" % (i + 1) if self.lab else "127.0.0.1:%d" % (7500 + i)

    def files(self):
        extra = DPDK if self.backend == "dpdk" else "" if self.backend == "auto" else ", backend: " + self.backend
        with open(self.path("cluster.yaml"), "w") as f:
            f.write("cluster: %s\ncerts: certs\nregions:\n" % self.name)
            for i, r in enumerate(self.names):
                f.write('  %s: {data: state/%s, gateways: [{listen: "%s"%s}]}\n' % (r, r, self.address(i), extra))
            for key, what in (("links", self.links), ("edges", self.edges)):
                if what:
                    f.write("%s: {%s}\n" % (key, what))
        with open(self.path("wan"), "w") as f:
            f.write("".join(line + "\n" for line in self.wan))

    def __enter__(self):
        try:
            self.files()
            if self.lab:
                r = self.weir("lab", "up", "cluster.yaml", "--wan", "wan", check=False)
                if r.returncode:
                    if self.backend == "dpdk" or self.wan:
                        self.why = "no namespaces here (%s): on loopback, without the emulated network" % r.stderr.strip()
                    self.lab = False
                    self.files()
            self.weir("certs", "init", "cluster.yaml")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for p in self.proc.values():
            if p.poll() is None:
                p.kill()
                p.wait()
        if self.lab:
            self.weir("lab", "down", self.name, check=False)
        if os.environ.get("KEEP"):
            print("kept: " + self.dir)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)

    def inside(self, region):
        """The words before a command that is to run in a region."""
        return [os.path.join(self.bin, "weir"), "lab", "exec", self.name, region, "--"] if self.lab else []

    def net(self, *words):
        self.weir("lab", "net", self.name, *words)

    # ---- engines and gateways ----

    def pipeline(self, text):
        self.made = text.split("pipeline:", 1)[1].split()[0]
        with open(self.path("p.yaml"), "w") as f:
            f.write(text)

    def spawn(self, kind, region, command, cwd=None):
        with open(self.path("%s.%s.log" % (region, kind)), "a") as log:
            self.proc[kind, region] = subprocess.Popen(self.inside(region) + command, cwd=cwd or self.dir, env=self.env, stdout=log,
                                                       stderr=log, stdin=subprocess.DEVNULL)

    def start(self, patience=60, each=False):
        """each: engines run in folders of their own, at-REGION."""
        weir = os.path.join(self.bin, "weir")
        for r in self.names:
            at = self.path("at-" + r) if each else self.dir
            os.makedirs(at, exist_ok=True)
            self.spawn("engine", r, [weir, "run", "--fresh", "-q", "--cluster", self.path("cluster.yaml"), "--region", r, self.path("p.yaml")], at)
            self.spawn("gateway", r, [weir, "gateway", "--cluster", "cluster.yaml", "--region", r, self.made])
        end = time.monotonic() + patience
        while time.monotonic() < end:
            time.sleep(0.2)
            s = [self.status(r) for r in self.names]
            if all(s) and all(e["state"] == "live" for x in s for e in x["edges"]):
                return
        raise RuntimeError("not all edges are live after %d s: %s" % (patience, self.said()))

    def stop(self):
        for p in self.proc.values():
            if p.poll() is None:
                p.kill()
                p.wait()
        self.proc = {}

    def said(self):
        text = ""
        for kind, region in self.proc:
            with open(self.path("%s.%s.log" % (region, kind))) as f:
                text += "".join("\n%s of %s: %s" % (kind, region, x.rstrip()) for x in f.readlines()[-3:])
        return text

    def alive(self):
        for (kind, region), p in self.proc.items():
            if p.poll() is not None:
                raise RuntimeError("%s of %s ended with %d%s" % (kind, region, p.returncode, self.said()))

    def wait_for_ends(self, patience):
        """Until all engines are done; seconds."""
        begin = time.monotonic()
        for (kind, region), p in self.proc.items():
            if kind == "engine":
                left = patience - (time.monotonic() - begin)
                if p.wait(timeout=max(left, 1)) != 0:
                    raise RuntimeError("%s failed%s" % (region, self.said()))
        return time.monotonic() - begin

    def status(self, region):
        """None: it does not answer."""
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(5)
                s.connect(self.path("run", "%s@%s.sock" % (self.made, region)))
                s.sendall(b'{"cmd":"status"}\n')
                got = b""
                while not got.endswith(b"\n"):
                    piece = s.recv(1 << 16)
                    if not piece:
                        return None
                    got += piece
                return json.loads(got)
        except OSError:
            return None

    # ---- what the system says of a process ----

    def rss(self, kind, region):
        with open("/proc/%d/statm" % self.proc[kind, region].pid) as f:
            return int(f.read().split()[1]) * PAGE

    def cpu(self, kind, region):
        """Seconds of user and system time so far."""
        with open("/proc/%d/stat" % self.proc[kind, region].pid) as f:
            w = f.read().rsplit(")", 1)[1].split()
        return (int(w[11]) + int(w[12])) / TICK
