#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""From the list that run.sh wrote to JUnit XML and JSON: report.py LIST OUT (OUT.xml, OUT.json)."""
import json
import re
import sys
from xml.sax.saxutils import escape, quoteattr

LINE = re.compile(r"^\[\s+(OK|FAILED|SKIPPED)\s+\] (\w+)\s*$")
CONTROL = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd]")


def cases(log):
    """Tests named in a cmocka log, in order: (name, verdict)."""
    seen = {}
    with open(log, errors="replace") as f:
        for line in f:
            m = LINE.match(line)
            if m and m.group(2) not in ("test",):
                seen[m.group(2)] = {"OK": "passed", "FAILED": "failed", "SKIPPED": "skipped"}[m.group(1)]
    return list(seen.items())


def main():
    rows, xml = [], ['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>"]
    for line in open(sys.argv[1]):
        name, code, p, f, s, ms, log = line.rstrip("\n").split("\t")
        with open(log, errors="replace") as h:
            text = CONTROL.sub("?", h.read()[-20000:])
        tests = cases(log) or [(name, "failed" if int(f) else "skipped" if int(code) == 77 else "passed")]
        rows.append({"program": name, "exit": int(code), "passed": int(p), "failed": int(f),
                     "skipped": int(s), "ms": int(ms), "tests": [{"name": n, "outcome": v} for n, v in tests],
                     "skips": re.findall(r"^SKIP: (.*)$", text, re.M)})
        xml.append('<testsuite name=%s tests="%d" failures="%s" skipped="%s" time="%.3f">' % (
            quoteattr(name), len(tests), f, s, int(ms) / 1000))
        for n, v in tests:
            xml.append('<testcase classname=%s name=%s>' % (quoteattr(name), quoteattr(n)))
            if v == "failed":
                xml.append("<failure>%s</failure>" % escape(text[-4000:]))
            elif v == "skipped":
                xml.append("<skipped/>")
            xml.append("</testcase>")
        xml.append("</testsuite>")
    xml.append("</testsuites>")
    total = {k: sum(r[k] for r in rows) for k in ("passed", "failed", "skipped")}
    with open(sys.argv[2] + ".json", "w") as f:
        json.dump({"summary": total, "programs": rows}, f, indent=1)
    with open(sys.argv[2] + ".xml", "w") as f:
        f.write("\n".join(xml) + "\n")


main()
