#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
command -v shellcheck >/dev/null || { echo "skipped: no shellcheck"; exit 0; }
git ls-files '*.sh' .ci/run | xargs shellcheck
