#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Line coverage of the tests that ran in build/coverage: coverage.sh BUILD. Prints a table by component;
# BUILD/coverage.txt has every file, BUILD/coverage/index.html every line.
set -eu
build=$1
command -v gcovr >/dev/null || { echo "no gcovr: sh tests/lib/deps.sh lint installs it"; exit 1; }
mkdir -p "$build/coverage"
gcovr -r . --object-directory "$build" -f 'base/' -f 'shm/' -f 'numa/' -f 'state/' -f 'host/' -f 'engine/' -f 'gateway/' -f 'lab/' \
	--txt "$build/coverage.txt" --json-summary "$build/coverage.json" \
	--html-details "$build/coverage/index.html" "$build" >/dev/null 2>&1
python3 - "$build/coverage.json" <<'PY'
import collections, json, sys
total = collections.Counter(), collections.Counter()
for f in json.load(open(sys.argv[1]))["files"]:
    part = "/".join(f["filename"].split("/")[:-1])
    for key in (part, "all"):
        total[0][key] += f["line_covered"]
        total[1][key] += f["line_total"]
for key in sorted(total[1]):
    print("  %-14s %6d of %6d lines  %5.1f %%" % (key, total[0][key], total[1][key],
                                               100 * total[0][key] / max(1, total[1][key])))
PY
echo "  every file: $build/coverage.txt; every line: $build/coverage/index.html"
