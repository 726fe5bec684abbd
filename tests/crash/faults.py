#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Disks that fail and disks that are full.

faults.py BUILD [--runs N] [--seed N] [--work DIR]

errors      N engines whose N-th write or sync of the journal or of a sink fails once (tests/lib/iofault.c): the engine must
            stop at once, exit 1, and say what failed; the next one, without the fault, goes on; books as ever
full state  the state directory on a small file system of its own, which fills up: input stops and says so, goes on when
            there is room; killed while it is full, too
full sink   the same for the sinks' files: exit 1 with the reason, and the next start goes on
Mounting needs root: without it the last two are skipped. Exit: 0 or 1.
"""
import argparse
import collections
import os
import random
import re
import shutil
import subprocess
import sys
import time

import rig

MIB = 1 << 20

# operation, error, path, after how many calls at most
RULES = (
    ("pwrite", "EIO", "/state/journal-", 40), ("pwrite", "EIO", "/state/commits", 25), ("pwrite", "EIO", "/state/superblock", 6),
    ("pwrite", "ENOSPC", "/state/journal-", 40), ("pwrite", "SHORT", "/state/journal-", 40),
    ("fsync", "EIO", "/state", 10), ("fallocate", "ENOSPC", "/state", 4), ("fallocate", "EIO", "/state", 4),
    ("write", "EIO", "/out/all/", 25), ("write", "ENOSPC", "/out/windows/", 20), ("write", "SHORT", "/out/all/", 25),
    ("write", "SHORT", "/out/copy/", 20), ("fdatasync", "EIO", "/out/all/", 20), ("fdatasync", "EIO", "/out/spans/", 20),
    ("fsync", "EIO", "/out/all", 40), ("fsync", "EIO", "/out/windows", 30), ("write", "EIO", "manifest", 20),
)
SAYS = {"EIO": "Input/output error", "ENOSPC": "No space left on device"}


def io_error(case, rng, count):
    op, error, path, most = rng.choice(RULES)
    after = rng.randrange(most + 1)
    rule = "%s:%s:after=%d:count=1:path=%s" % (op, error, after, path)
    began = time.monotonic()
    case.start(env={"WEIR_DISK": "threads", "LD_PRELOAD": case.build.iofault, "WEIR_IOFAULT": rule,
                    "ASAN_OPTIONS": "verify_asan_link_order=0"})
    code = case.wait(60)
    said = rig.text_of(case.log)
    key = "%s %s of %s: " % (op, error, path)
    if code == 0:
        count[key + "went through"] += 1
    elif code != 1:
        raise rig.Failed("%s: exit %s: %s" % (rule, code, said))
    elif SAYS.get(error, "") not in said.strip().splitlines()[-1]:
        raise rig.Failed("%s: stopped without a clear reason: %s" % (rule, said))
    else:
        count[key + "stopped, " + re.sub(r"\d+", "N", said.strip().splitlines()[-1].replace(case.dir, "DIR"))[:100]] += 1
    count["seconds until the stop, at most"] = max(count["seconds until the stop, at most"],
                                                  round(time.monotonic() - began, 1) if code else 0)
    case.finish()


# ---- full disks ----

class Small:
    """An ext4 of its own in a file."""

    def __init__(self, folder, mib):
        self.dir, self.image = folder, folder + ".img"
        os.makedirs(folder)
        with open(self.image, "wb") as f:
            f.truncate(mib * MIB)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", self.image], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        self.mounted = False
        subprocess.run(["mount", "-o", "loop", self.image, folder], check=True, stderr=subprocess.PIPE)
        self.mounted = True
        self.ballast = os.path.join(folder, "ballast")

    def fill(self, leave):
        """Until only so many bytes are free."""
        n = max(0, shutil.disk_usage(self.dir).free - leave)
        fd = os.open(self.ballast, os.O_CREAT | os.O_WRONLY, 0o600)
        size = os.fstat(fd).st_size
        while n > 0:
            try:
                os.posix_fallocate(fd, size, n)
                break
            except OSError:
                n //= 2  # what is free needs blocks for itself
        os.close(fd)

    def free(self):
        if os.path.exists(self.ballast):
            os.unlink(self.ballast)

    def close(self):
        for _ in range(50 if self.mounted else 0):
            if subprocess.run(["umount", self.dir], stderr=subprocess.DEVNULL).returncode == 0:
                break
            time.sleep(0.1)
        os.unlink(self.image)
        os.rmdir(self.dir)


def why_no_mounts(folder):
    if os.geteuid() != 0:
        return "mounting needs root"
    try:
        Small(folder, 8).close()
        return None
    except (OSError, subprocess.CalledProcessError) as e:
        return "cannot mount a file: %s" % e


def await_text(case, text, seconds=30):
    end = time.monotonic() + seconds
    while text not in rig.text_of(case.log, 1 << 16):
        if case.process.poll() is not None or time.monotonic() > end:
            raise rig.Failed("no `%s` (exit %s): %s" % (text, case.process.poll(), rig.text_of(case.log)))
        time.sleep(0.01)


def held(case):
    """Input is held, and stays so: nothing comes in any more."""
    before = case.status()
    time.sleep(0.5)
    after = case.status()
    return before and after and after["hold"] and after["space_low"]


def full_state(case, small, rng, count):
    """Nearly full while it runs: input stops. Then there is room, in another run a kill while it is full."""
    case.start()
    case.await_running()
    time.sleep(rng.uniform(0.1, 0.4))
    small.fill(rng.randrange(1, 32) * MIB)
    await_text(case, "the disk of the state directory is nearly full: input stops")
    if not held(case):
        raise rig.Failed("the disk is nearly full, but input is not held: %s" % case.status())
    count["full state: input held"] += 1
    small.free()
    await_text(case, "the disk of the state directory has room again: input goes on")
    count["full state: went on by itself"] += 1
    time.sleep(0.2)
    small.fill(0)
    time.sleep(rng.uniform(0, 1))
    if case.process.poll() is not None:
        case.expect(case.process.returncode, 1)
        if "No space left" not in rig.text_of(case.log):
            raise rig.Failed("full: stopped without a clear reason: %s" % rig.text_of(case.log))
        count["full state: stopped with the reason"] += 1
    else:
        case.kill()
        count["full state: killed while full"] += 1
    case.start()
    time.sleep(1)
    if case.process.poll() is None:
        count["full state: start while full holds input"] += 1
        small.free()
        time.sleep(rng.uniform(0.3, 1.3))
        case.kill() if case.process.poll() is None else case.expect(case.process.returncode)
    else:
        case.expect(case.process.returncode, 1)
        if "No space left" not in rig.text_of(case.log):
            raise rig.Failed("full: a start was refused without a clear reason: %s" % rig.text_of(case.log))
        count["full state: start while full refused"] += 1
        small.free()
    case.finish()


def full_sink(case, small, rng, count):
    case.start()
    case.await_running()
    time.sleep(rng.uniform(0.1, 0.5))
    small.fill(rng.choice((0, 0, 64 << 10)))
    code = case.wait(60)
    if code == 0:
        raise rig.Failed("the sinks' disk was full, and the engine ended well")
    case.expect(code, 1)
    said = rig.text_of(case.log).strip().splitlines()[-1]
    if "No space left" not in said or "step `" not in said:
        raise rig.Failed("full: stopped without a clear reason: %s" % said)
    count["full sink: stopped with the reason"] += 1
    case.start()
    code = case.wait(60)
    case.expect(code, 1)
    count["full sink: start while full stopped, too"] += 1
    small.free()
    case.finish()


def one(title, case, seed, do):
    """True when it went well; the folder of a bad one is kept."""
    good = True
    try:
        do(case)
        print("%s (seed %d): books right" % (title, seed), flush=True)
    except (rig.Failed, RuntimeError) as e:
        good = False
        print("FAILED: %s: seed %d: %s\n  kept: %s" % (title, seed, e, case.dir), flush=True)
    case.close(keep=not good)
    return good


def main():
    a = argparse.ArgumentParser()
    a.add_argument("build")
    a.add_argument("--runs", type=int, default=100)
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--work")
    a = a.parse_args()
    build, count = rig.Build(a.build), collections.Counter()
    work = a.work or os.path.join(build.dir, "test", "faults")
    shutil.rmtree(work, ignore_errors=True)
    bad = 0
    for i in range(a.runs):
        seed = a.seed * 1000 + i
        rng = random.Random("fault %d" % seed)
        case = rig.Case(build, os.path.join(work, "error-%d" % seed), seed, 6000, rate=15000)
        bad += not one("errors", case, seed, lambda c: io_error(c, rng, count))
    why = why_no_mounts(os.path.join(work, "probe"))
    if why:
        print("SKIP: full disks: %s" % why)
    for i in range(0 if why else max(1, a.runs // 25)):
        seed = a.seed * 1000 + 500 + i
        rng = random.Random("full %d" % seed)
        for title, do in (("full state", full_state), ("full sink", full_sink)):
            folder = os.path.join(work, "%s-%d" % (title.replace(" ", "-"), seed))
            small = Small(folder + ".disk", 160 if do == full_state else 24)
            inside = {"state" if do == full_state else "out": os.path.join(small.dir, "here")}
            case = rig.Case(build, folder, seed, 20000, rate=6000, **inside)
            bad += not one(title, case, seed, lambda c: do(c, small, rng, count))
            small.close()
    for k in sorted(count):
        print("  %-110s %s" % (k, count[k]))
    print("faults: %s" % ("%d FAILED" % bad if bad else "all books right"))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
