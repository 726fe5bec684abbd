# SPDX-License-Identifier: Apache-2.0
"""Every cmocka program and test script as one pytest test (make pytest-report). Exit 77 is a skip."""
import os
import subprocess

import pytest

BUILD = os.environ.get("WEIR_BUILD", "build/release")
PROGRAMS = os.environ.get("WEIR_PROGRAMS", "").split()


@pytest.mark.parametrize("program", PROGRAMS)
def test_program(program):
    r = subprocess.run([program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       timeout=900, env=dict(os.environ, WEIR_BUILD=BUILD))
    text = r.stdout.decode(errors="replace")
    if r.returncode == 77:
        pytest.skip(text.strip().splitlines()[-1] if text.strip() else "skipped")
    assert r.returncode == 0, text[-4000:]
