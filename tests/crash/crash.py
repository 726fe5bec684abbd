#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kills engines with SIGKILL until there have been enough, and checks the books after each input.

crash.py BUILD [--runs N] [--seed N] [--records N] [--no-postgres] [--work DIR]
crash.py BUILD --self-test     does the reconciler find planted mistakes?

A round is one input with settings of its own. Its engine is killed and started again until the input is through; seed + its
number repeats all choices (not the machine's timing). Kinds of kills:

  start    in the first moments: while the state is opened, read back, sinks take their fence
  random   at any time
  sink     at the moment a file of a sink is made, renamed or its manifest is replaced
  journal  at the moment a file of the journal is made, renamed or removed
  base     in the first epochs of a base round
  copy     while the server executes COPY, held up by a lock
  commit   while the server executes COMMIT: it goes on after the kill, the next start meets it
  server   the database server crashes, a moment later the engine, and both come back
  stop     SIGTERM, and SIGKILL before that is done
Between them: orderly stops, other numbers of workers and tasks, a second engine on the same state (must be refused).
Exit: 0 nothing lost, doubled or made up; 1 something was: the folder is kept.
"""
import argparse
import collections
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import reconcile
import rig

SLOW_COMMIT = """
CREATE TABLE IF NOT EXISTS {s}.slow (seconds float);
CREATE OR REPLACE FUNCTION {s}.wait() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN PERFORM pg_sleep(seconds) FROM {s}.slow; RETURN NULL; END $$;
DROP TRIGGER IF EXISTS slow ON {s}.weir_cursor;
CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON {s}.weir_cursor DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW WHEN (OLD.epoch IS DISTINCT FROM NEW.epoch) EXECUTE FUNCTION {s}.wait();
"""


class Campaign:
    def __init__(self, case, count):
        self.case, self.rng, self.count = case, case.rng, count
        self.start_seconds = 0.25
        self.rows = 0

    # ---- kinds of kills; each leaves a dead engine, or one that ended by itself ----

    def wait_for(self, seen, seconds=1.5, pause=0.0):
        """Until seen() is true; False when the engine ended or it took too long."""
        end = time.monotonic() + seconds
        while self.case.process.poll() is None and time.monotonic() < end:
            if seen():
                return True
            if pause:
                time.sleep(pause)
        return False

    def kill_start(self):
        time.sleep(self.rng.uniform(0, 1.3 * self.start_seconds))
        return True

    def kill_random(self):
        time.sleep(min(self.rng.expovariate(1 / 0.3), 1.5))
        return True

    def kill_watch(self, folder, mask, skip, seconds):
        watch = rig.Watch(folder, mask)
        try:
            hit = []

            def seen():
                hit.extend(watch.names())
                return len(hit) > skip
            return self.wait_for(seen, seconds)
        finally:
            watch.close()

    def kill_sink(self):
        folder = os.path.join(self.case.out, self.rng.choice(("all", "copy", "windows", "spans")))
        mask = self.rng.choice((rig.Watch.MADE, rig.Watch.MOVED, rig.Watch.MADE | rig.Watch.MOVED | rig.Watch.GONE))
        return os.path.isdir(folder) and self.kill_watch(folder, mask, self.rng.randrange(4), 1.5)

    def kill_journal(self):
        mask = self.rng.choice((rig.Watch.MADE, rig.Watch.MOVED, rig.Watch.GONE))
        return os.path.isdir(self.case.state) and self.kill_watch(self.case.state, mask, 0, 3)

    def kill_base(self):
        rounds = []

        def seen():
            s = self.case.status()
            if s:
                rounds.append(s["base_rounds"])
            return len(rounds) > 1 and rounds[-1] > rounds[0]
        hit = self.wait_for(seen, pause=0.001)
        time.sleep(self.rng.uniform(0, 0.05))
        return hit

    def active(self, what):
        return int(self.case.server.sql("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE "
                                        "'%s%%' AND application_name <> 'psql'" % what)) > 0

    def kill_copy(self):
        case = self.case
        name = "holder%d" % case.seed
        table = self.rng.choice(("\"all\"", "windows", "spans"))
        holder = subprocess.Popen(["psql", "-X", "-q", "-d", case.server.connection + " application_name=" + name, "-c",
                                   "BEGIN; LOCK TABLE %s.%s IN SHARE MODE; SELECT pg_sleep(20)" % (case.schema, table)],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            return self.wait_for(lambda: self.active("COPY"), 3)
        finally:
            if case.process.poll() is None:
                case.kill()
            if self.rng.random() < 0.5:
                time.sleep(0.1)
            case.server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '%s'" % name)
            holder.wait()

    def kill_commit(self):
        case = self.case
        try:
            case.server.sql("INSERT INTO %s.slow VALUES (0.3)" % case.schema)
            hit = self.wait_for(lambda: self.active("COMMIT"), 3)
            case.kill()
            return hit
        finally:
            case.server.sql("DELETE FROM %s.slow" % case.schema)

    def kill_server(self):
        case = self.case
        time.sleep(self.rng.uniform(0, 0.3))
        if case.server.script("crash").returncode:
            raise rig.Failed("the database server cannot be stopped")
        alive = case.process.poll() is None
        time.sleep(self.rng.uniform(0, 0.3))
        again = self.rng.random() < 0.5
        if again:
            case.server.script("again")
            time.sleep(self.rng.uniform(0, 1.2))
        if case.process.poll() is None:
            case.kill()
        if not again:
            case.server.script("again")
        return alive

    def kill_stop(self):
        time.sleep(self.rng.uniform(0, 0.5))
        self.case.process.send_signal(signal.SIGTERM)
        time.sleep(self.rng.uniform(0, 0.05))
        return True

    # ---- what is no kill ----

    def stop(self):
        """SIGTERM; a second one stops at once, which is said."""
        self.case.await_running()
        time.sleep(self.rng.uniform(0, 0.3))
        self.case.process.send_signal(signal.SIGTERM)
        twice = self.rng.random() < 0.3
        if twice:
            time.sleep(self.rng.uniform(0, 0.01))
            self.case.process.send_signal(signal.SIGTERM)
        code = self.case.wait(60)
        if not (twice and code == 1 and "stopped before everything was committed" in rig.text_of(self.case.log)):
            self.case.expect(code)
        self.count["orderly stops"] += 1

    def second_engine(self):
        """On the same state while the first one runs, or is frozen: refused, and the first one goes on."""
        case = self.case
        if not case.await_running():
            return
        frozen = self.rng.random() < 0.3
        if frozen:
            case.process.send_signal(signal.SIGSTOP)
        other = tempfile.mkdtemp(prefix="weir-c-", dir="/tmp")
        try:
            p, log = case.start(run_dir=other, log=os.path.join(case.dir, "second.log"), configure=False)
            try:
                code = p.wait(30)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
                raise rig.Failed("a second engine was not refused: it ran")
        finally:
            shutil.rmtree(other)
            if frozen:
                case.process.send_signal(signal.SIGCONT)
        if case.process.poll() is not None:
            return  # the input was through just now
        if code != 1 or "is in use by process %d" % case.process.pid not in rig.text_of(log):
            raise rig.Failed("a second engine was not refused: exit %s: %s" % (code, rig.text_of(log)))
        self.count["second engines refused"] += 1

    # ---- after a kill ----

    def classify(self, kind, hit, started):
        """Where it fell, as far as it can be seen."""
        self.count["kill: " + kind + ("" if hit else " (moment not met)")] += 1
        if not started:
            self.count["in start or recovery"] += 1
        case = self.case
        p = case.tool("epochs", "--dir", case.state, "-o", "json")
        try:
            j = json.loads(p.stdout)
        except ValueError:
            if "there is no journal" in p.stdout or "No such file" in p.stdout:
                self.count["before the journal was made"] += 1
                return
            raise rig.Failed("after a kill: %s" % p.stdout)
        if case.server:
            self.classify_pg(j["durable"])

    def classify_pg(self, durable):
        case = self.case
        rows = int(case.server.sql("SELECT count(*) FROM %s.\"all\"" % case.schema))
        if rows < self.rows:
            raise rig.Failed("the table had %d rows and has %d" % (self.rows, rows))
        self.rows = rows
        if case.server.sql("SELECT to_regclass('%s.weir_cursor')" % case.schema).strip():
            behind = case.server.sql("SELECT min(epoch) FROM %s.weir_cursor" % case.schema).strip()
            if behind and int(behind) < durable:
                self.count["between commit and sink"] += 1

    def warnings(self):
        for line in rig.text_of(self.case.log, 1 << 16).splitlines():
            m = re.search(r'level=warn msg=("(?:[^"\\]|\\.)*"|\S+)', line)
            if m:
                self.count["said: " + re.sub(r"\d+", "N", m.group(1).strip('"'))[:110]] += 1

    # ---- a round ----

    def kinds(self):
        kinds = [("start", 5), ("random", 5), ("sink", 4), ("journal", 2), ("base", 3), ("stop", 1)]
        if self.case.server:
            kinds += [("copy", 2), ("commit", 2), ("server", 0.7)]
        names, weights = zip(*kinds)
        return self.rng.choices(names, weights)[0]

    def one_kill(self):
        """False: the input is through."""
        case, kind = self.case, self.kinds()
        case.start()
        began = time.monotonic()
        if kind not in ("start", "journal", "random", "sink") and case.await_running():
            self.start_seconds += (time.monotonic() - began - self.start_seconds) / 4
        if self.rng.random() < 0.05:
            self.second_engine()
        if kind == "commit" and not case.server.sql("SELECT to_regclass('%s.slow')" % case.schema).strip():
            kind = "random"  # the trigger comes below, when no engine holds the table
        hit = getattr(self, "kill_" + kind)()
        code = case.kill() if case.process.poll() is None else case.process.wait()
        started = case.running()
        self.warnings()
        if code == 0:
            return kind == "stop"
        case.expect(code, -signal.SIGKILL)
        self.classify(kind, hit, started)
        self.count["kills"] += 1
        case.look()
        if case.server and not case.server.sql("SELECT to_regclass('%s.slow')" % case.schema).strip() and \
                case.server.sql("SELECT to_regclass('%s.weir_cursor')" % case.schema).strip():
            case.server.sql(SLOW_COMMIT.format(s=case.schema))
        return True

    def round(self, most):
        """Kills until the input is through, at most so many; then to the end."""
        done = self.count["kills"]
        while self.count["kills"] - done < most:
            if self.rng.random() < 0.06:
                self.case.start()
                self.stop()
            if not self.one_kill():
                break
        numbers = self.case.finish()
        for k in ("records", "windows", "spans", "late", "late_spans"):
            self.count[k] += numbers[k]
        self.count["rounds"] += 1


def self_test(build, work):
    """Right results, made wrong in each way the reconciler must find."""
    case = rig.Case(build, os.path.join(work, "self-test"), 1, 4000)
    case.start()
    case.expect(case.wait(60))
    ok = reconcile.self_test(case.dir)
    case.close()
    return ok


def main():
    a = argparse.ArgumentParser()
    a.add_argument("build")
    a.add_argument("--runs", type=int, default=500)
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--records", type=int, default=30000)
    a.add_argument("--no-postgres", action="store_true")
    a.add_argument("--self-test", action="store_true", help="only: does the reconciler find planted mistakes?")
    a.add_argument("--work")
    a = a.parse_args()
    build, count = rig.Build(a.build), collections.Counter()
    work = a.work or os.path.join(build.dir, "test", "crash")
    if a.self_test:
        return 0 if self_test(build, work) else 1
    server = None if a.no_postgres else rig.Server()
    if server and not server.connection:
        print("SKIP: kills around PostgreSQL: %s" % server.why)
        server = None
    began, number, good = time.monotonic(), 0, True
    try:
        while count["kills"] < a.runs and good:
            seed = a.seed + number
            case = rig.Case(build, os.path.join(work, "round-%d" % seed), seed, a.records, server,
                            rate=(8000, 16000, 4000)[number % 3])
            before = count["kills"]
            try:
                Campaign(case, count).round(a.runs - before)
                print("round %d (seed %d): %d kills, books right" % (number, seed, count["kills"] - before), flush=True)
            except (rig.Failed, RuntimeError) as e:
                good = False
                print("FAILED: seed %d, run %d: %s\n  kept: %s" % (seed, case.runs, e, case.dir))
            finally:
                case.close(keep=not good)
            number += 1
    finally:
        if server:
            server.close()
    print("%d kills in %d rounds, %.0f s, seeds %d to %d" % (count["kills"], count["rounds"], time.monotonic() - began, a.seed,
                                                           a.seed + number - 1))
    for k in sorted(count):
        if k not in ("kills", "rounds"):
            print("  %-60s %d" % (k, count[k]))
    print("crash: %s" % ("0 lost, 0 doubled, 0 phantom" if good else "FAILED"))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
