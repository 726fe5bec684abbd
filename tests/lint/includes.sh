#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Who may include whom (docs/ARCHITECTURE.md): a component includes itself and what is named here.
set -u
bad=0
allow() { # component, allowed prefixes
	files=$(git ls-files "$1/*.c" "$1/*.h")
	[ -n "$files" ] || return 0
	for f in $files; do
		grep -Hn '^#include "' "$f" | grep -Ev "#include \"($2)[/\"]" | grep -v 'tests/model/model_atomic.h' && bad=1
	done
}
allow base 'base'
allow shm 'base|shm'
allow numa 'base|numa'
allow state 'base|state'
allow host 'base|host|shm/lane.h'
allow engine/core 'base|state|engine/core|shm|engine/weir.h'
allow lab 'base|host|shm|lab'
allow gateway/core 'base|gateway/core|shm/lane.h'
allow gateway/edge 'base|host|shm|gateway/core|gateway/edge'
allow gateway/dpdk 'base|host|gateway/edge|gateway/dpdk'
allow engine/edge 'base|host|shm|numa|state|engine/core|engine/edge|engine'
allow engine/cli 'base|host|shm|numa|engine/core|engine/edge|engine/cli'
# Of shm the core takes ring and lane only: memory operations, no segments and no doorbells.
grep -n '#include "shm/' engine/core/*.[ch] | grep -Ev 'shm/(ring|lane).h' && bad=1
# One user of each library, so that it can be replaced in one place.
only() { # header, file
	git grep -ln "#include <$1" -- '*.c' '*.h' ':!tests' ':!perf' | grep -v "^$2\$" | sed "s|\$| includes $1, only $2 may|" | grep . && bad=1
}
only 'hwloc' 'numa/topo_hwloc.c'
only 'jemalloc' 'numa/arena_jemalloc.c'
only 'yaml.h' 'host/yaml.c'
only 'pcre2' 'engine/edge/regex.c'
only 'microhttpd' '\(host/metrics_http\|engine/edge/intake\).c'
only 'liburing' '\(engine/edge/disk\|gateway/edge/datagram\)_uring.c'
only 'libpq' 'engine/edge/postgres.c'
only 'rte_' 'gateway/dpdk/.*'
only 'ngtcp2' 'gateway/edge/ngtcp2_compat.h'
only 'lz4' 'engine/edge/lane_pack.c'
only 'zstd' 'engine/edge/\(output\|unpack\|lane_pack\).c'
only 'xxhash' 'base/\(keyhash\|checksum\).c'
exit $bad
