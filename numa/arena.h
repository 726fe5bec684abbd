/* SPDX-License-Identifier: Apache-2.0 */
/*
 * numa/arena.h - memory for state: one jemalloc arena per NUMA node whose extents come from huge
 * pages bound to that node.
 *
 * Backing ladder: MAP_HUGETLB 2 MiB, else transparent huge pages, else plain pages; said in
 * weir_arena_text(). Sanitizer builds use malloc, so that every block is watched (arena_plain.c).
 * Errors: no memory left: message on stderr and exit 1 (base/mem.h says why).
 * Thread: weir_arena_mem() may be used from any thread.
 */
#ifndef WEIR_NUMA_ARENA_H
#define WEIR_NUMA_ARENA_H

#include "base/err.h"
#include "base/mem.h"

struct weir_arena;

/* os_node -1: no binding. */
int weir_arena_open(int os_node, bool huge, struct weir_arena **ret, struct weir_err *err);
const struct weir_mem *weir_arena_mem(struct weir_arena *a);
const char *weir_arena_text(const struct weir_arena *a); /* one line: what backs it */
uint64_t weir_arena_bytes(const struct weir_arena *a); /* mapped extents */
void weir_arena_close(struct weir_arena *a);

#endif
