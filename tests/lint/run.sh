#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# All checks of the tree; each is a script of its own here. Tools that are not there are named.
set -u
cd "$(dirname "$0")/../.." || exit 2
bad=0
for check in includes purity tidy format shell clang man; do
	if out=$(sh "tests/lint/$check.sh" 2>&1); then
		printf '  %-10s ok%s\n' "$check" "${out:+ ($out)}"
	else
		printf '  %-10s FAILED\n%s\n' "$check" "$out"
		bad=1
	fi
done
exit $bad
