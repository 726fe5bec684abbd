#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The whole tree compiles without a warning with gcc (the release build, WERROR=1) and with clang.
command -v clang >/dev/null || { echo "skipped: no clang"; exit 0; }
make -s -j"$(nproc)" VARIANT=clang WERROR=1 all 2>&1 | grep -E 'warning|error' | head -n 20 | grep . && exit 1
exit 0
