#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The tree checks itself: licence lines, banned calls, leftovers, sizes, paths of a machine.
set -u
found=$(
	say() { sed "s/^/$1: /"; }

	for f in $(git ls-files '*.c' '*.h' '*.sh'); do
		head -n 3 "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' || echo "$f"
	done | say "no licence line"
	# gmtime and strtok keep state; sprintf, strcat and gets do not know the size; atoi hides errors.
	git grep -nE '\b(sprintf|strcat|gets|strtok|gmtime|localtime|alloca|atoi|atof|rand|srand|setlocale)\(' -- \
		'base/*.c' 'shm/*.c' 'numa/*.c' 'state/*.c' 'engine/*.c' | say "banned call"
	git grep -nE '\b(TO''DO|FIX''ME|X''XX)\b' -- '*.c' '*.h' '*.sh' '*.md' '*.py' | say "leftover"
	git grep -nE '(^|[^A-Za-z0-9_.])/(wo''rk|ho''me/[a-z]+|ro''ot)/' -- ':!LICENSE' | say "path of a machine"
	git grep -nE '[[:space:]]+$' -- '*.c' '*.h' '*.sh' '*.md' '*.yaml' | say "space at the end"
	git ls-files '*.c' '*.h' | while read -r f; do
		n=$(wc -l <"$f")
		[ "$n" -gt 900 ] && echo "$f has $n lines"
	done | say "too long"
	for h in $(git ls-files '*.h' | grep -v -e '^tests/' -e '^perf/'); do
		git grep -q "#include \"$h\"" -- '*.c' '*.h' '*.cpp' || echo "$h"
	done | say "nobody includes"
	git ls-files | grep -E '\.(o|a|so|log)$' | say "built file in the tree"
)
[ -z "$found" ] || { echo "$found"; exit 1; }
