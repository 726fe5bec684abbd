/* SPDX-License-Identifier: Apache-2.0 */
#include "host/heap.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void *must(void *p, size_t size)
{
	if (p)
		return p;
	fprintf(stderr, "weir: out of memory (%zu bytes)\n", size);
	_exit(1);
}

static void *heap_raw(void *ctx, size_t size, size_t align)
{
	(void)ctx;
	return must(align <= 16 ? malloc(size) : aligned_alloc(align, WEIR_ALIGN_UP(size, align)),
		    size);
}

static void *heap_alloc(void *ctx, size_t size, size_t align)
{
	if (align <= 16)
		return must(calloc(1, size), size);
	return memset(heap_raw(ctx, size, align), 0, size);
}

static void heap_free(void *ctx, void *p, size_t size)
{
	(void)ctx;
	(void)size;
	free(p);
}

const struct weir_mem weir_heap_mem = {.alloc = heap_alloc, .free = heap_free, .raw = heap_raw};
