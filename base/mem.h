/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/mem.h - where pure code gets memory from, and the region (bump allocator).
 *
 * Use:    core code never calls malloc; it is handed a struct weir_mem. Set-up structures live in
 *         a region that is dropped as a whole; run-time state uses state/slab.h.
 * Errors: alloc() never returns NULL. A host that has no memory left says so and ends the program
 *         (the engine: message and exit 1), because nothing above could go on.
 * Thread: one region, one thread.
 */
#ifndef WEIR_BASE_MEM_H
#define WEIR_BASE_MEM_H

#include "base/base.h"
#include "base/str.h"

struct weir_mem {
	/* align is a power of two. The memory is zeroed. */
	void *(*alloc)(void *ctx, size_t size, size_t align);
	/* size as given to alloc. */
	void (*free)(void *ctx, void *p, size_t size);
	/* As alloc, with anything in it: for what is written before it is read. NULL: alloc. */
	void *(*raw)(void *ctx, size_t size, size_t align);
	void *ctx;
};

weir_inline void *weir_mem_raw(const struct weir_mem *m, size_t size, size_t align)
{
	return (m->raw ? m->raw : m->alloc)(m->ctx, size, align);
}

struct weir_region_chunk;

struct weir_region {
	const struct weir_mem *mem; /* keeps */
	struct weir_region_chunk *chunks;
	uint8_t *at, *end;
	size_t bytes; /* taken from mem so far */
};

void weir_region_init(struct weir_region *r, const struct weir_mem *keep_mem);
void weir_region_fini(struct weir_region *r); /* gives everything back; r may be reused by init */

/* Zeroed, aligned to 16 bytes. size 0 gives a valid pointer. */
void *weir_region_alloc(struct weir_region *r, size_t size);
/* A type that wants more alignment than that does not compile. */
#define weir_region_size(type) (sizeof(type) + 0 * sizeof(char[_Alignof(type) <= 16 ? 1 : -1]))
#define weir_region_new(r, type) ((type *)weir_region_alloc((r), weir_region_size(type)))
#define weir_region_array(r, type, n)                                                              \
	((type *)weir_region_alloc((r), weir_region_size(type) * (size_t)(n)))

/* Copies; the copy is 0-terminated behind its length. */
char *weir_region_strdup(struct weir_region *r, struct weir_str s);
char *weir_region_printf(struct weir_region *r, const char *fmt, ...) weir_printf_like(2, 3);

#endif
