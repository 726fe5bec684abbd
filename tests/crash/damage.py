#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Damages state directories of killed engines: a start must refuse with a report, or end with exactly right results.

damage.py BUILD [--runs N] [--seed N] [--work DIR]

Victims are a few inputs whose engines were killed in the middle; copies of their directories from earlier kills are kept for
stale files and blocks. A trial takes a copy, damages it in one to three ways, runs `weir verify` and starts an engine:

  right          the run ends with 0 and the books are right
  refused        exit 1 with a message; what is visible in the sinks is as it was, nothing wrong came after it. `weir verify
                 --repair` and another start are tried, too: again right or refused
  SILENT WRONG   the run ends with 0 and the books are wrong
  CRASHED        no orderly end: a signal, an assertion, no end at all
  NO REPORT      refused without naming a file
Exit: 0 when only the first two came up; else folders of the others are kept, and the seed of each is printed.
"""
import argparse
import collections
import os
import random
import re
import shutil
import sys
import tempfile
import time

import reconcile
import rig

BLOCK = 4096
VICTIMS = 6


# ---- damages: each changes files of a directory; False when it did not change anything ----

class Damage:
    def __init__(self, rng, folder, older):
        """older: earlier copies of the folder, oldest first."""
        self.rng, self.dir, self.older = rng, folder, older

    def names(self):
        return sorted(n for n in os.listdir(self.dir) if n != "lock" and os.path.isfile(os.path.join(self.dir, n)))

    def read(self, name, folder=None):
        with open(os.path.join(folder or self.dir, name), "rb") as f:
            return bytearray(f.read())

    def write(self, name, data):
        with open(os.path.join(self.dir, name), "wb") as f:
            f.write(data)

    def pick(self):
        """Mostly a file of the journal in which something is; the others have copies of what they hold."""
        names = self.names()
        weights = [0.3 if not self.read(n).strip(b"\0") else 4 if n.startswith("journal-") else 1 for n in names]
        return self.rng.choices(names, weights)[0] if names else None

    def place(self, data, name, size=BLOCK):
        """A block: mostly one that was written lately, so that the journal needs it, or at least holds something."""
        blocks = max(1, len(data) // size)
        newest = os.path.join(self.older[-1], name) if self.older else ""
        if self.rng.random() < 0.6 and os.path.isfile(newest):
            old = self.read(newest)
            fresh = [at for at in range(0, len(data), size) if data[at:at + size] != old[at:at + size]]
            if fresh:
                return self.rng.choice(fresh)
        for _ in range(200 if self.rng.random() < 0.85 else 0):
            at = self.rng.randrange(blocks) * size
            if data[at:at + size].strip(b"\0"):
                return at
        return self.rng.randrange(blocks) * size

    def edited(self, edit):
        name = self.pick()
        data = self.read(name) if name else None
        if not data:
            return False
        old = bytes(data)
        edit(data, name)
        self.write(name, data)
        return "%s" % name if bytes(data) != old else False

    def flip(self):
        def edit(data, name):
            at = self.place(data, name, 512)
            for _ in range(self.rng.choice((1, 1, 1, 2, 8))):
                data[min(len(data) - 1, at + self.rng.randrange(512))] ^= 1 << self.rng.randrange(8)
        return self.edited(edit)

    def zero(self):
        def edit(data, name):
            size = self.rng.choice((512, BLOCK, BLOCK, 4 * BLOCK, 32 * BLOCK))
            at = self.place(data, name)
            data[at:at + size] = bytes(len(data[at:at + size]))
        return self.edited(edit)

    def noise(self):
        def edit(data, name):
            at = self.place(data, name)
            n = len(data[at:at + BLOCK])
            data[at:at + n] = bytes(self.rng.randrange(256) for _ in range(n))
        return self.edited(edit)

    def swap(self):
        a, b = self.pick(), self.pick()
        if not a:
            return False
        x, y = self.read(a), self.read(b)
        if a == b:
            y = x
        i, j = self.place(x, a), self.place(y, b)
        p, q = bytes(x[i:i + BLOCK]), bytes(y[j:j + BLOCK])
        if p == q or len(p) != len(q):
            return False
        x[i:i + BLOCK] = q
        if self.rng.random() < 0.5:  # else: a block went to a wrong place, and its own was not written
            y[j:j + BLOCK] = p
            self.write(b, y)
        self.write(a, x)
        return "%s, %s" % (a, b)

    def truncate(self):
        name = self.pick()
        if not name:
            return False
        size = os.path.getsize(os.path.join(self.dir, name))
        to = self.rng.randrange(size + 1) if size else 0
        if self.rng.random() < 0.5:
            to = to // BLOCK * BLOCK
        if self.rng.random() < 0.1:
            to = size + self.rng.randrange(1, 3 * BLOCK)
        os.truncate(os.path.join(self.dir, name), to)
        return "%s" % name if to != size else False

    def remove(self):
        name = self.pick()
        if not name:
            return False
        os.unlink(os.path.join(self.dir, name))
        return name

    def copy(self):
        """One file with the content of another."""
        a, b = self.pick(), self.pick()
        if a == b:
            return False
        self.write(a, self.read(b))
        return "%s, %s" % (a, b)

    def old_file(self):
        name = self.pick()
        copies = [o for o in self.older if name and os.path.isfile(os.path.join(o, name))]
        if not copies:
            return False
        data = self.read(name, self.rng.choice(copies))
        if data == self.read(name):
            return False
        self.write(name, data)
        return name

    def old_block(self):
        """A write that was lost: some blocks are as they were."""
        name = self.pick()
        copies = [o for o in self.older if name and os.path.isfile(os.path.join(o, name))]
        if not copies:
            return False
        old, now = self.read(name, self.rng.choice(copies)), self.read(name)
        differ = [at for at in range(0, min(len(old), len(now)), BLOCK) if old[at:at + BLOCK] != now[at:at + BLOCK]]
        if not differ:
            return False
        for at in self.rng.sample(differ, min(len(differ), self.rng.choice((1, 1, 2, 16)))):
            now[at:at + BLOCK] = old[at:at + BLOCK]
        self.write(name, now)
        return name

    def rollback(self):
        """The whole directory is an earlier one."""
        if not self.older:
            return False
        shutil.rmtree(self.dir)
        shutil.copytree(self.rng.choice(self.older), self.dir)
        return "all files"


KINDS = (("flip", 8), ("zero", 4), ("noise", 2), ("swap", 3), ("truncate", 3), ("remove", 3), ("copy", 1), ("old_file", 3),
         ("old_block", 4), ("rollback", 1))


def damage(rng, folder, older):
    """What was done, as texts."""
    done = []
    d = Damage(rng, folder, older)
    names, weights = zip(*KINDS)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        for _ in range(20):
            kind = rng.choices(names, weights)[0]
            what = getattr(d, kind)()
            if what:
                done.append("%s(%s)" % (kind, what))
                break
        if done and done[-1].startswith("rollback"):
            break
    return done


# ---- victims ----

class Victim:
    """An input in the middle of its way: copies of state and sinks after each of some kills."""

    def __init__(self, build, folder, seed):
        self.case = rig.Case(build, folder, seed, 8000, rate=6000)
        self.copies = []
        rng = self.case.rng
        for i in range(4):
            self.case.start()
            if not self.case.await_running():
                self.case.expect(self.case.process.wait())
                break
            time.sleep(rng.uniform(0.05, 0.45))
            if self.case.kill() == 0:
                break
            copy = os.path.join(folder, "copy-%d" % i)
            os.makedirs(copy)
            shutil.copytree(self.case.state, os.path.join(copy, "state"))
            shutil.copytree(self.case.out, os.path.join(copy, "out"))
            self.copies.append(copy)
        if not self.copies:
            raise rig.Failed("no victim: %s" % folder)


# ---- a trial ----

def settle(case):
    """Starts once more. right, or why not."""
    case.start()
    try:
        code = case.wait(120)
    except rig.Failed:
        return "CRASHED", "no end within 120 s"
    said = rig.text_of(case.log, 3000)
    if code == 0:
        numbers, bad = reconcile.reconcile(case.dir, case.out, ids=case.ids)
        if bad.count:
            return "SILENT WRONG", "%s %s" % (dict(bad.count), dict(bad.example))
        return "right", ""
    if code != 1:
        return "CRASHED", "exit %d: %s" % (code, said)
    try:
        case.look()
    except rig.Failed as e:
        return "SILENT WRONG", "refused, but %s" % e
    bad = reconcile.so_far(case.out, case.ids)
    if bad.count:
        return "SILENT WRONG", "refused, but by then: %s %s" % (dict(bad.count), dict(bad.example))
    last = said.strip().splitlines()[-1]
    if not re.search(r"superblock|commits|journal-\d+|part-|/out/", said):
        return "NO REPORT", said
    return "refused", last


def see(case):
    """What is visible now stays visible: rig.Case.look() compares with this."""
    case.visible = {}
    case.look()


def pattern_of(text, folder):
    text = text.replace(folder, "DIR")
    return re.sub(r"\d+", "N", text)[:150]


def trial(build, work, victims, seed, count, words):
    rng = random.Random("trial %d" % seed)
    victim = victims[rng.randrange(len(victims))]
    at = rng.randrange(len(victim.copies))
    case = rig.Case(build, os.path.join(work, "trial-%d" % seed), seed, 0, like=victim.case)
    for name in ("state", "out"):
        shutil.copytree(os.path.join(victim.copies[at], name), os.path.join(case.dir, name))
    see(case)
    older = [os.path.join(c, "state") for c in victim.copies[:at]]
    done = damage(rng, case.state, older)
    if not done:
        case.close()
        return True
    first = done[0].split("(")[0] if len(done) == 1 else "several"
    verify = case.tool("verify", case.state)
    verdict, why = settle(case)
    if verify.returncode not in (0, 1):
        verdict, why = "CRASHED", "weir verify: exit %d: %s" % (verify.returncode, verify.stdout[-1500:])
    count[first, verdict, "sound" if verify.returncode == 0 else "damaged"] += 1
    if verdict == "refused":
        words[pattern_of(why, case.dir)] += 1
        repair = case.tool("verify", "--repair", case.state)
        verdict, why = settle(case)
        if repair.returncode not in (0, 1):
            verdict, why = "CRASHED", "weir verify --repair: exit %d: %s" % (repair.returncode, repair.stdout[-1500:])
        count["after --repair", verdict, ""] += 1
    ok = verdict in ("right", "refused")
    if not ok:
        print("%s: seed %d: victim %d, copy %d: %s\n  %s\n  kept: %s" % (verdict, seed, victim.case.seed, at, ", ".join(done), why,
                                                                      case.dir), flush=True)
        shutil.copytree(victim.copies[at], os.path.join(case.dir, "before"))
        shutil.copytree(os.path.join(victim.case.dir, "in"), os.path.join(case.dir, "input"))
    case.close(keep=not ok)
    return ok


def main():
    a = argparse.ArgumentParser()
    a.add_argument("build")
    a.add_argument("--runs", type=int, default=1000)
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--work")
    a = a.parse_args()
    build = rig.Build(a.build)
    memory = "/dev/shm" if os.path.isdir("/dev/shm") and shutil.disk_usage("/dev/shm").free > 1 << 30 else None
    work = tempfile.mkdtemp(prefix="weir-damage-", dir=a.work or memory)
    began, count, words, bad, victims = time.monotonic(), collections.Counter(), collections.Counter(), 0, []
    try:
        for i in range(min(VICTIMS, 1 + a.runs // 20)):
            victims.append(Victim(build, os.path.join(work, "victim-%d" % i), a.seed * 1000 + i))
        for i in range(a.runs):
            bad += 0 if trial(build, work, victims, a.seed * 1000000 + i, count, words) else 1
            if (i + 1) % 100 == 0:
                print("%d damages, %.0f s" % (i + 1, time.monotonic() - began), flush=True)
    finally:
        for v in victims:
            v.case.close(keep=bool(bad))
        if not bad:
            shutil.rmtree(work, ignore_errors=True)
    total = collections.Counter()
    print("%-16s %-14s %-10s" % ("DAMAGE", "OUTCOME", "VERIFY"))
    for (kind, verdict, verify), n in sorted(count.items()):
        print("%-16s %-14s %-10s %6d" % (kind, verdict, verify, n))
        total[verdict] += n if verify else 0
    print("what refusals say:")
    for text, n in words.most_common(15):
        print("  %5d  %s" % (n, text))
    print("damage: %d trials, %.0f s: %s" % (sum(total.values()), time.monotonic() - began,
                                            ", ".join("%d %s" % (n, k) for k, n in sorted(total.items()))))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
