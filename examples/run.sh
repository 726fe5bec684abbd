#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The example behind `make run`: run.sh BUILD
set -eu
bin=$1/bin
# State is kept in examples/.weir/first: without --fresh a second run would say that nothing is left to do.
"$bin/weir" run --fresh --progress examples/first.yaml
echo
# Parts of one step have one header line together: cat makes a whole csv file of them.
cat out/first/part-* | awk -F, '
	NR == 1 { n = NF; for (i = 1; i <= n; i++) name[i] = $i }
	NR <= 11 { for (i = 1; i <= n; i++) printf "%-*s", (i == 1 ? 10 : i <= 3 ? 22 : 20), substr($i, 1, 20); print "" }
	END { if (NR > 11) printf "... and %d rows more\n", NR - 11 }'
echo
echo "All of it: cat out/first/part-*        The pipeline: examples/first.yaml"
echo "Next: $bin/weir explain examples/first.yaml; $bin/weir --help; README.md"
