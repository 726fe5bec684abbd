/* SPDX-License-Identifier: Apache-2.0 */
#include "host/heap.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void *heap_alloc(void *ctx, size_t size, size_t align)
{
	void *p;

	(void)ctx;
	if (align <= 16) {
		p = calloc(1, size);
	} else {
		p = aligned_alloc(align, WEIR_ALIGN_UP(size, align));
		if (p)
			memset(p, 0, size);
	}
	if (!p) {
		fprintf(stderr, "weir: out of memory (%zu bytes)\n", size);
		_exit(1);
	}
	return p;
}

static void heap_free(void *ctx, void *p, size_t size)
{
	(void)ctx;
	(void)size;
	free(p);
}

const struct weir_mem weir_heap_mem = {.alloc = heap_alloc, .free = heap_free};
