#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Pure components have no undefined symbols but plain memory and text functions and weir_*. Looked at in a
# build with -O0, in which the compiler removes no call.
set -u
make -s VARIANT=pure build/pure/libbase.a build/pure/libstate.a build/pure/libengine-core.a build/pure/libgateway-core.a >/dev/null || exit 1
bad=0
for lib in base state engine-core gateway-core; do
	# xxhash.h brings functions that nobody calls; without optimisation they stay, with their malloc.
	# What the processor can do is in __cpu_model, of the compiler's library.
	nm -Au "build/pure/lib$lib.a" | grep -Ev ':(keyhash|checksum)\.o: +U (malloc|free|__cpu_model)$' | awk '$2 == "U" { print $3 }' | sort -u |
		grep -Ev '^(weir_|mem(cpy|move|set|cmp|chr|rchr|mem)$|str(len|nlen|str|cmp|ncmp|chr|rchr|spn|cspn|pbrk|cpy|tod|errordesc_np|casecmp|ncasecmp|tol)$|memmem$|(frexp|ldexp)$|v?snprintf$|__(u?div|u?mod)ti[0-9]$|__popcountdi2$|__float|__(add|sub|mul)|_GLOBAL_OFFSET_TABLE_$|__stack_chk)' |
		sed "s/^/lib$lib.a uses /" | grep . && bad=1
done
exit $bad
