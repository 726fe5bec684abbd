/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/core/gate_fifo.h"

#include "base/assert.h"

#define CHUNK_BYTES ((uint32_t)16 << 10)

struct weir_gate_chunk {
	struct weir_gate_chunk *next;
	uint64_t start; /* offset of the first byte */
	uint32_t used;
	uint8_t data[CHUNK_BYTES];
};

void weir_gate_fifo_init(struct weir_gate_fifo *f, const struct weir_mem *keep_mem)
{
	*f = (struct weir_gate_fifo){.mem = keep_mem};
}

static void free_first(struct weir_gate_fifo *f)
{
	struct weir_gate_chunk *c = f->first;

	f->first = c->next;
	if (f->seen == c)
		f->seen = NULL;
	if (!f->first)
		f->last = NULL;
	f->mem->free(f->mem->ctx, c, sizeof(*c));
}

void weir_gate_fifo_fini(struct weir_gate_fifo *f)
{
	while (f->first)
		free_first(f);
	f->start = f->end = 0;
}

void weir_gate_fifo_put(struct weir_gate_fifo *f, const void *p, uint32_t n)
{
	const uint8_t *from = (const uint8_t *)p;

	while (n > 0) {
		struct weir_gate_chunk *c = f->last;
		uint32_t take;

		if (!c || c->used == CHUNK_BYTES) {
			c = (struct weir_gate_chunk *)f->mem->alloc(f->mem->ctx, sizeof(*c),
								    _Alignof(uint64_t));
			c->start = f->end;
			if (f->last)
				f->last->next = c;
			else
				f->first = c;
			f->last = c;
		}
		take = WEIR_MIN(n, CHUNK_BYTES - c->used);
		memcpy(c->data + c->used, from, take);
		c->used += take;
		f->end += take;
		from += take;
		n -= take;
	}
}

uint32_t weir_gate_fifo_peek(struct weir_gate_fifo *f, uint64_t offset, const uint8_t **ret_p)
{
	struct weir_gate_chunk *c = f->seen;

	weir_assert(offset >= f->start && offset <= f->end);
	if (offset == f->end)
		return 0;
	if (!c || offset < c->start)
		c = f->first;
	while (offset - c->start >= c->used)
		c = c->next;
	f->seen = c;
	*ret_p = c->data + (offset - c->start);
	return c->used - (uint32_t)(offset - c->start);
}

void weir_gate_fifo_drop(struct weir_gate_fifo *f, uint64_t offset)
{
	weir_assert(offset >= f->start && offset <= f->end);
	f->start = offset;
	while (f->first && f->first->start + f->first->used <= offset && f->first->next)
		free_first(f);
	/* The last one is used again: a slow relay should not ask for memory with every frame. */
	if (f->first && f->start == f->end) {
		f->first->start = offset;
		f->first->used = 0;
	}
}
