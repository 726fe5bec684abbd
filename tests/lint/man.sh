#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
command -v mandoc >/dev/null || { echo "skipped: no mandoc"; exit 0; }
mandoc -T lint -W warning docs/man/*.1
