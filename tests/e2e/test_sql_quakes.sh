#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Three pipelines over real earthquakes against SQLite. The data is not part of the tree: WEIR_DATA names the
# folder with earthquakes.csv, or it lies in shared/data beside the checkout.
set -eu
command -v python3 >/dev/null || { echo "SKIP: no python3"; exit 77; }
data=${WEIR_DATA:-../shared/data}/earthquakes.csv
[ -r "$data" ] || { echo "SKIP: no $data (WEIR_DATA names the folder with earthquakes.csv)"; exit 77; }
exec python3 tests/e2e/sql_compare.py quakes "$WEIR_BUILD" "$WEIR_BUILD/test/sql-quakes" "$data"
