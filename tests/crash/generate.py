#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Input of the crash tests.

generate.py DIR [--records N] [--seed N] [--files N] [--keys N]

Writes DIR/part-N.jsonl. Record i of file p depends on the seed, p and i alone: unique id, key (Zipf), amount, event time
with disorder of at most DISORDER_MS. Kinds: `ok`; `mid`: up to MID_MS behind, so perhaps behind its window but
within the lateness the window allows; `old`: a day behind, to the late records unless nothing came before it.
"""
import argparse
import bisect
import os
import random

BASE_MS = 1700000000000
DISORDER_MS = 200
MID_MS = 1200
STEP_MS = 2
WINDOW_MS = 1000
LATENESS_MS = 2000
GAP_MS = 400
ID_STEP = 10**9
PAD = "0123456789abcdef" * 4


def stamp(ms):
    """RFC 3339 of a time in ms."""
    day, rest = divmod(ms, 86400000)
    hour, rest = divmod(rest, 3600000)
    minute, rest = divmod(rest, 60000)
    second, ms = divmod(rest, 1000)
    return "%sT%02d:%02d:%02d.%03dZ" % (date_of(day), hour, minute, second, ms)


_dates = {}


def date_of(day):
    if day not in _dates:
        import datetime
        _dates[day] = (datetime.date(1970, 1, 1) + datetime.timedelta(days=day)).isoformat()
    return _dates[day]


def records(seed, part, count, keys):
    """Two files at a time cover the same stretch of time: one for each task of the source."""
    rng = random.Random("%d/%d" % (seed, part))
    begin = BASE_MS + part // 2 * count * STEP_MS
    total, steps = 0.0, []
    for k in range(keys):
        total += 1.0 / (k + 1)
        steps.append(total)
    for i in range(count):
        kind, ms = "ok", begin + i * STEP_MS - rng.randrange(DISORDER_MS)
        x = rng.random()
        if x < 0.002:
            kind, ms = "old", ms - 86400000
        elif x < 0.01:
            kind, ms = "mid", ms - rng.randrange(MID_MS)
        key = bisect.bisect(steps, rng.random() * total)
        yield part * ID_STEP + i, "k%05d" % key, kind, rng.randrange(-1000, 1001), ms


def generate(folder, count, seed, files=4, keys=3000):
    os.makedirs(folder, exist_ok=True)
    for part in range(files):
        with open(os.path.join(folder, "part-%02d.jsonl" % part), "w") as f:
            for number, key, kind, amount, ms in records(seed, part, count // files, keys):
                f.write('{"id":%d,"key":"%s","kind":"%s","amount":%d,"t":"%s","pad":"%s"}\n'
                        % (number, key, kind, amount, stamp(ms), PAD))


def main():
    a = argparse.ArgumentParser()
    a.add_argument("dir")
    a.add_argument("--records", type=int, default=20000)
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--files", type=int, default=4)
    a.add_argument("--keys", type=int, default=3000)
    a = a.parse_args()
    generate(a.dir, a.records, a.seed, a.files, a.keys)


if __name__ == "__main__":
    main()
