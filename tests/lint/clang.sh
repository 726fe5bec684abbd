#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The whole tree, tests too, compiles without a warning with clang; with gcc that is `make test WERROR=1`.
command -v clang >/dev/null || { echo "skipped: no clang"; exit 0; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT
make -s -k -j"$(nproc)" VARIANT=clang WERROR=1 all tests >"$log" 2>&1 && exit 0
grep -E '(warning|error): ' "$log" | head -n 20 | grep . || tail -n 20 "$log"
exit 1
