/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"

#define CHUNK_BYTES ((size_t)64 * 1024)

struct weir_region_chunk {
	struct weir_region_chunk *next;
	size_t size;
};

void weir_region_init(struct weir_region *r, const struct weir_mem *keep_mem)
{
	memset(r, 0, sizeof(*r));
	r->mem = keep_mem;
}

void weir_region_fini(struct weir_region *r)
{
	struct weir_region_chunk *c = r->chunks;

	while (c) {
		struct weir_region_chunk *next = c->next;

		r->mem->free(r->mem->ctx, c, c->size);
		c = next;
	}
	weir_region_init(r, r->mem);
}

void *weir_region_alloc(struct weir_region *r, size_t size)
{
	size_t need = WEIR_ALIGN_UP(size ? size : 1, (size_t)16);
	uint8_t *p;

	weir_assert(need >= size);
	if ((size_t)(r->end - r->at) < need) {
		size_t bytes = WEIR_MAX(need + 16, CHUNK_BYTES);
		struct weir_region_chunk *c = r->mem->alloc(r->mem->ctx, bytes, 16);

		c->next = r->chunks;
		c->size = bytes;
		r->chunks = c;
		r->bytes += bytes;
		r->at = (uint8_t *)c + 16;
		r->end = (uint8_t *)c + bytes;
	}
	p = r->at;
	r->at += need;
	return p;
}

char *weir_region_strdup(struct weir_region *r, struct weir_str s)
{
	char *p = weir_region_alloc(r, s.n + 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	return p;
}

char *weir_region_printf(struct weir_region *r, const char *fmt, ...)
{
	va_list ap;
	int n;
	char *p;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	weir_assert(n >= 0);
	p = weir_region_alloc(r, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}
