/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

#include "base/assert.h"

#define CHUNK_FIRST 1024u
#define CHUNK_MAX (256u * 1024)

void weir_out_init(struct weir_out *o, const struct weir_mem *keep_mem)
{
	*o = (struct weir_out){.mem = keep_mem};
}

void weir_out_fini(struct weir_out *o)
{
	struct weir_out_chunk *c = o->first;

	while (c) {
		struct weir_out_chunk *next = c->next;

		o->mem->free(o->mem->ctx, c, sizeof(*c) + c->cap);
		c = next;
	}
	weir_out_init(o, o->mem);
}

void *weir_out__grow(struct weir_out *o, size_t n)
{
	size_t cap = o->last ? WEIR_MIN((size_t)o->last->cap * 2, (size_t)CHUNK_MAX) : CHUNK_FIRST;
	struct weir_out_chunk *c;

	weir_assert(n < (1u << 30));
	cap = WEIR_MAX(cap, WEIR_ALIGN_UP(n, (size_t)64));
	/* Zeroing large pieces costs an allocator more than all else: it gives them back to the system first. */
	c = weir_mem_raw(o->mem, sizeof(*c) + cap, 16);
	c->next = NULL;
	c->used = 0;
	c->cap = (uint32_t)cap;
	if (o->last)
		o->last->next = c;
	else
		o->first = c;
	o->last = c;
	return c->data;
}

void weir_out_append(struct weir_out *dst, struct weir_out *src)
{
	if (!src->first)
		return;
	if (dst->last)
		dst->last->next = src->first;
	else
		dst->first = src->first;
	dst->last = src->last;
	dst->bytes += src->bytes;
	weir_out_init(src, src->mem);
}

void weir_out_copy(const struct weir_out *o, void *p)
{
	uint8_t *to = p;

	for (const struct weir_out_chunk *c = o->first; c; c = c->next) {
		memcpy(to, c->data, c->used);
		to += c->used;
	}
}

void weir_out_varint(struct weir_out *o, uint64_t v)
{
	uint8_t b[10];
	unsigned n = 0;

	while (v >= 0x80) {
		b[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	b[n++] = (uint8_t)v;
	weir_out_put(o, b, n);
}

void weir_out_text(struct weir_out *o, struct weir_str s)
{
	weir_out_varint(o, s.n);
	weir_out_put(o, s.p, s.n);
}

uint64_t weir_read_varint(struct weir_reader *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t b = weir_read_u8(r);

		if (r->bad || (shift == 63 && b > 1) || (shift && b == 0))
			break;
		v |= (uint64_t)(b & 0x7f) << shift;
		if (b < 0x80)
			return v;
	}
	r->bad = true;
	return 0;
}

struct weir_str weir_read_text(struct weir_reader *r)
{
	uint64_t n = weir_read_varint(r);
	const void *p = n <= weir_reader_left(r) ? weir_read(r, (size_t)n) : NULL;

	if (!p) {
		r->bad = true;
		return (struct weir_str){0};
	}
	return (struct weir_str){p, (size_t)n};
}

struct weir_reader weir_read_part(struct weir_reader *r, size_t n)
{
	const void *p = weir_read(r, n);
	struct weir_reader part = weir_reader_of(p ? p : (const void *)r->end, p ? n : 0);

	part.bad = !p;
	return part;
}
