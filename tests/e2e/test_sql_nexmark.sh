#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Nexmark queries against SQLite over the same million events.
set -eu
command -v python3 >/dev/null || { echo "SKIP: no python3"; exit 77; }
exec python3 tests/e2e/sql_compare.py nexmark "$WEIR_BUILD" "$WEIR_BUILD/test/sql-nexmark" "${WEIR_EVENTS:-1000000}"
