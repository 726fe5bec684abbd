# SPDX-License-Identifier: Apache-2.0
"""What the crash tests share: a pipeline over generated input in a folder of its own, engines that are started, killed and
watched, a private PostgreSQL server."""
import ctypes
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import zlib

import generate as gen
import reconcile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SINKS = ("all", "copy", "windows", "spans", "late", "late_spans")
TABLES = """
CREATE SCHEMA {s};
CREATE TABLE {s}."all" (id bigint, key text, kind text, amount bigint, t timestamptz, nonce bigint, seq bigint,
	stamped timestamptz);
CREATE TABLE {s}.windows (key text, window_start timestamptz, window_end timestamptz, n bigint, total bigint, mix bigint,
	lo bigint, hi bigint);
CREATE TABLE {s}.spans (LIKE {s}.windows);
"""

PIPELINE = """pipeline: {name}
workers: {workers}
metrics: "off"
state: {{dir: {state}, epoch: {epoch}ms, in_flight: {in_flight}, segment_size: {segment}MiB, base_size: {base}MiB}}
steps:
  events:
    source: {{file: {{path: "in/*.jsonl"}}}}
    parallelism: 2{rate}
    schema: {{id: int64, key: string, kind: string, amount: int64, t: timestamp, pad: string}}
    event_time: {{field: t, lateness: {disorder}ms}}
  stamped:
    from: events
    key_by: [key]{stamped}
    operator: {{library: {nonce}, name: nonce}}
  tumbling:
    from: stamped
    key_by: [key]{tumbling}
    window: {{tumbling: {window}ms, lateness: {lateness}ms}}
    aggregate: {{n: count(), total: sum(amount), mix: sum(nonce), lo: min(seq), hi: max(seq)}}
  timely: {{from: stamped, filter: "kind != 'mid'"}}
  sessions:
    from: timely
    key_by: [key]{sessions}
    window: {{session: {gap}ms}}
    aggregate: {{n: count(), total: sum(amount), mix: sum(nonce), lo: min(seq), hi: max(seq)}}
  all: {{from: stamped, sink: {{file: {{path: {out}/all, part_interval: {part}ms}}}}}}
  copy: {{from: stamped, sink: {{file: {{path: {out}/copy, format: csv, part_interval: 1s, part_size: 64KiB}}}}}}
  windows: {{from: tumbling, sink: {{file: {{path: {out}/windows, part_interval: {part}ms}}}}}}
  spans: {{from: sessions, sink: {{file: {{path: {out}/spans, part_interval: {part}ms}}}}}}
  late: {{from: tumbling.late, sink: {{file: {{path: {out}/late, part_interval: 200ms}}}}}}
  late_spans: {{from: sessions.late, sink: {{file: {{path: {out}/late_spans, part_interval: 200ms}}}}}}
"""

PIPELINE_PG = """  pg_all: {{from: stamped, sink: {{postgres: {{connection: "{pg}", table: {schema}.all}}}}}}
  pg_windows: {{from: tumbling, sink: {{postgres: {{connection: "{pg}", table: {schema}.windows}}}}}}
  pg_spans: {{from: sessions, sink: {{postgres: {{connection: "{pg}", table: {schema}.spans}}}}}}
"""


class Failed(Exception):
    """The engine did what it must not do."""


def text_of(path, most=4000):
    try:
        with open(path, "rb") as f:
            f.seek(0, os.SEEK_END)
            f.seek(max(0, f.tell() - most))
            return f.read().decode("utf-8", "replace")
    except OSError:
        return ""


class Build:
    def __init__(self, folder):
        self.dir = os.path.abspath(folder)
        self.weir = os.path.join(self.dir, "bin", "weir")
        self.nonce = os.path.join(self.dir, "tests", "crash", "nonce.so")
        self.iofault = os.path.join(self.dir, "tests", "iofault.so")
        for path in (self.weir, self.nonce):
            if not os.path.exists(path):
                sys.exit("no %s: make crash-programs" % path)


# ---- PostgreSQL ----

class Server:
    """A private server (tests/lib/postgres.sh), or None of it: `why` says so."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="weir-crash-pg-", dir="/tmp")
        os.chmod(self.dir, 0o755)
        p = self.script("start")
        self.connection = p.stdout.strip() if p.returncode == 0 else None
        self.why = (p.stdout + p.stderr).strip()
        if not self.connection:
            shutil.rmtree(self.dir, ignore_errors=True)

    def script(self, what):
        return subprocess.run([os.path.join(ROOT, "tests", "lib", "postgres.sh"), what, self.dir],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)

    def sql(self, sql):
        return reconcile.psql(self.connection, sql)

    def close(self):
        if self.connection:
            self.script("remove")


# ---- files as they change ----

class Watch:
    """inotify: waits until a name in a folder is made, moved or removed."""

    MADE, MOVED, GONE = 0x100, 0x80, 0x200
    _libc = ctypes.CDLL(None, use_errno=True)

    def __init__(self, folder, mask):
        self.fd = self._libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self.fd < 0 or self._libc.inotify_add_watch(self.fd, os.fsencode(folder), mask) < 0:
            raise OSError(ctypes.get_errno(), "inotify: %s" % folder)

    def names(self):
        try:
            data = os.read(self.fd, 65536)
        except BlockingIOError:
            return []
        names, at = [], 0
        while at < len(data):
            n = struct.unpack_from("iIII", data, at)[3]
            names.append(os.fsdecode(data[at + 16:at + 16 + n].rstrip(b"\0")))
            at += 16 + n
        return names

    def close(self):
        os.close(self.fd)


# ---- one input, from its first record to its last, over as many engines as it takes ----

class Case:
    """A folder with input, state, sinks and a log of each run. All choices come from the seed."""

    def __init__(self, build, folder, seed, records, server=None, rate=0, state=None, out=None, calm=False, like=None):
        """like: the same pipeline over the same input as that case."""
        self.build, self.dir, self.seed, self.rng = build, folder, seed, random.Random(seed)
        self.server, self.rate, self.calm = server, rate, calm
        self.name = like.name if like else "crash_%d" % seed
        self.schema = "s%d" % seed
        self.state = state or os.path.join(folder, "state")
        self.out = out or os.path.join(folder, "out")
        self.yaml = os.path.join(folder, "pipeline.yaml")
        self.run_dir = tempfile.mkdtemp(prefix="weir-c-", dir="/tmp")
        self.process, self.runs, self.log = None, 0, None
        self.visible = {}
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        if like:
            os.symlink(os.path.join(like.dir, "in"), os.path.join(folder, "in"))
        else:
            gen.generate(os.path.join(folder, "in"), records, seed)
        self.ids = like.ids if like else reconcile.read_input(folder)
        if server:
            server.sql("DROP SCHEMA IF EXISTS %s CASCADE;" % self.schema + TABLES.format(s=self.schema))

    def configure(self):
        """Everything a user may change between two runs is drawn anew."""
        r = self.rng

        def parallelism():
            n = 0 if self.calm else r.choice((0, 0, 1, 2, 3))
            return "\n    parallelism: %d" % n if n else ""

        knobs = dict(name=self.name, nonce=self.build.nonce, state=self.state, out=self.out, disorder=gen.DISORDER_MS,
                     window=gen.WINDOW_MS, lateness=gen.LATENESS_MS, gap=gen.GAP_MS,
                     workers=2 if self.calm else r.choice((1, 2, 2, 3, 4)), epoch=r.choice((5, 20, 20, 50)),
                     in_flight=r.choice((1, 4, 4, 8)), segment=r.choice((4, 4, 5, 8)), base=r.choice((1, 1, 2)),
                     part=r.choice((20, 60, 150)), stamped=parallelism(), tumbling=parallelism(), sessions=parallelism(),
                     rate="\n    rate: %d" % self.rate if self.rate else "")
        text = PIPELINE.format(**knobs)
        if self.server:
            text += PIPELINE_PG.format(pg=self.server.connection, schema=self.schema)
        with open(self.yaml, "w") as f:
            f.write(text)

    def start(self, env=None, log=None, run_dir=None, configure=True, args=()):
        """Starts an engine; the one before it has to be gone (but for tests of just that)."""
        if configure:
            self.configure()
        self.runs += 1
        log = log or os.path.join(self.dir, "run-%04d.log" % self.runs)
        e = dict(os.environ, WEIR_RUN_DIR=run_dir or self.run_dir)
        e.setdefault("WEIR_DISK", self.rng.choice(("threads", "", "")))
        e.update(env or {})
        with open(log, "wb") as f:
            p = subprocess.Popen([self.build.weir, "run", "--no-huge"] + list(args) + [self.yaml], stdin=subprocess.DEVNULL,
                                 stdout=f, stderr=f, env=e)
        if run_dir:
            return p, log
        self.process, self.log = p, log
        return p

    def running(self):
        """It has restored its state and started its workers."""
        return "msg=running" in text_of(self.log, 1 << 16)

    def await_running(self, seconds=60):
        end = time.monotonic() + seconds
        while self.process.poll() is None and not self.running():
            if time.monotonic() > end:
                raise Failed("no start within %d s" % seconds)
            time.sleep(0.002)
        return self.process.poll() is None

    def kill(self, sig=signal.SIGKILL):
        self.process.send_signal(sig)
        return self.process.wait()

    def wait(self, seconds):
        """Exit code; no end is a failure."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill(signal.SIGABRT)
            raise Failed("no end within %d s; see %s" % (seconds, self.log))

    def expect(self, code, wanted=0):
        if code != wanted:
            raise Failed("exit %s, not %s: %s" % (code, wanted, text_of(self.log, 1500)))

    def status(self):
        """The running engine's epochs, or None."""
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.settimeout(2)
        try:
            path = [f for f in os.listdir(self.run_dir) if f.endswith(".sock")]
            s.connect(os.path.join(self.run_dir, path[0]))
            s.sendall(b'{"cmd":"status"}\n')
            data = b""
            while not data.endswith(b"\n"):
                more = s.recv(65536)
                if not more:
                    return None
                data += more
            return json.loads(data)["epochs"]
        except (OSError, IndexError, ValueError, KeyError):
            return None
        finally:
            s.close()

    def tool(self, *args):
        return subprocess.run([self.build.weir] + list(args), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, universal_newlines=True, timeout=120,
                              env=dict(os.environ, WEIR_RUN_DIR=self.run_dir))

    def look(self):
        """What a reader of a sink has seen stays: parts that are visible never change, rows never go."""
        now = {}
        for name in SINKS:
            for path in reconcile.parts(os.path.join(self.out, name)):
                with open(path, "rb") as f:
                    now[path] = zlib.crc32(f.read())
        for path, crc in self.visible.items():
            if now.get(path) != crc:
                raise Failed("%s was visible and has %s" % (path, "changed" if path in now else "gone"))
        self.visible = now

    def finish(self, seconds=180):
        """Without faults to the end; the run after that has nothing to do; then the books are checked."""
        self.rate = 0
        self.start()
        self.expect(self.wait(seconds))
        self.look()
        self.start()
        self.expect(self.wait(60))
        if "an earlier run has processed the whole input" not in text_of(self.log):
            raise Failed("the input is through, but the next run does not say so")
        self.look()
        p = self.tool("verify", self.state)
        if p.returncode:
            raise Failed("verify after the end: %s" % p.stdout)
        return self.check()

    def check(self):
        numbers, bad = reconcile.reconcile(self.dir, self.out, self.server and self.server.connection, self.schema, self.ids)
        if bad.count:
            reconcile.report(numbers, bad)
            raise Failed("sinks are not what the input gives: %s" % dict(bad.count))
        return numbers

    def close(self, keep=False):
        if self.process and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.run_dir, ignore_errors=True)
        if keep:
            return
        shutil.rmtree(self.dir, ignore_errors=True)
        if self.server:
            self.server.sql("DROP SCHEMA IF EXISTS %s CASCADE" % self.schema)
