/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arena of builds without jemalloc: every block is its own malloc, so that the sanitizers see
 * its edges and its end.
 */
#include "numa/arena.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "numa/arena_oom.h"

struct weir_arena {
	struct weir_mem mem;
	atomic_uint_least64_t bytes; /* what is given out */
};

static void *plain_alloc(void *ctx, size_t size, size_t align)
{
	struct weir_arena *a = ctx;
	void *p = NULL;

	if (posix_memalign(&p, WEIR_MAX(align, sizeof(void *)), WEIR_MAX(size, (size_t)1)))
		weir_arena_oom(size, atomic_load_explicit(&a->bytes, memory_order_relaxed));
	memset(p, 0, size);
	atomic_fetch_add_explicit(&a->bytes, size, memory_order_relaxed);
	return p;
}

static void plain_free(void *ctx, void *p, size_t size)
{
	struct weir_arena *a = ctx;

	if (!p)
		return;
	atomic_fetch_sub_explicit(&a->bytes, size, memory_order_relaxed);
	free(p);
}

int weir_arena_open(int os_node, bool huge, struct weir_arena **ret, struct weir_err *err)
{
	struct weir_arena *a = calloc(1, sizeof(*a));

	(void)os_node;
	(void)huge;
	if (!a)
		return weir_err_set(err, -ENOMEM, "no memory for an arena");
	a->mem = (struct weir_mem){.alloc = plain_alloc, .free = plain_free, .ctx = a};
	*ret = a;
	return 0;
}

const struct weir_mem *weir_arena_mem(struct weir_arena *a)
{
	return &a->mem;
}

const char *weir_arena_text(const struct weir_arena *a)
{
	(void)a;
	return "malloc, not bound to a node (built without jemalloc)";
}

uint64_t weir_arena_bytes(const struct weir_arena *a)
{
	return atomic_load_explicit(&a->bytes, memory_order_relaxed);
}

void weir_arena_close(struct weir_arena *a)
{
	free(a);
}
