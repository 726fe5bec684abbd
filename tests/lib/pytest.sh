#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# pytest over all test programs with pytest-json-report, in an environment of its own: pytest.sh BUILD PROGRAM...
# Writes build/pytest_results.json. Needs python3-venv, and PyPI the first time.
set -eu
WEIR_BUILD=$1
shift
WEIR_PROGRAMS="$*"
export WEIR_BUILD WEIR_PROGRAMS
if [ ! -x build/venv/bin/pytest ]; then
	python3 -m venv build/venv
	build/venv/bin/pip install -q pytest pytest-json-report
fi
build/venv/bin/pytest -q -p no:cacheprovider tests/lib/test_programs.py --json-report \
	--json-report-file=build/pytest_results.json
