/* SPDX-License-Identifier: Apache-2.0 */
#include "state/slab.h"

#include "base/assert.h"

#define SMALL_MAX 128u /* classes of 8 bytes up to here */
#define CHUNK_MIN 1024u
#define CHUNK_MAX (256u * 1024)

struct weir_slab_chunk {
	struct weir_slab_chunk *next;
	size_t bytes; /* with this header */
	bool single; /* holds one large piece: given back by reset */
};

struct weir_slab_piece {
	struct weir_slab_piece *next;
};

_Static_assert(sizeof(struct weir_slab_chunk) % 8 == 0, "pieces are 8-byte aligned");

/* Class of a size and the bytes of that class. */
static unsigned size_class(size_t size, size_t *ret_bytes)
{
	unsigned log, step;

	if (size <= SMALL_MAX) {
		size_t words = size ? (size + 7) / 8 : 1;

		*ret_bytes = words * 8;
		return (unsigned)words - 1;
	}
	/* Sizes in (2^log, 2^(log+1)] in four steps. */
	log = 63 - (unsigned)__builtin_clzll((unsigned long long)(size - 1));
	step = (unsigned)((size - 1 - ((size_t)1 << log)) >> (log - 2));
	*ret_bytes = ((size_t)1 << log) + ((size_t)(step + 1) << (log - 2));
	return SMALL_MAX / 8 + (log - 7) * 4 + step;
}

size_t weir_slab_size(size_t size)
{
	size_t bytes;

	size_class(size, &bytes);
	return bytes;
}

void weir_slab_init(struct weir_slab *s, const struct weir_mem *keep_mem)
{
	memset(s, 0, sizeof(*s));
	s->mem = keep_mem;
	s->chunk_bytes = CHUNK_MIN;
}

static void chunk_give_back(struct weir_slab *s, struct weir_slab_chunk *c)
{
	s->bytes -= c->bytes;
	s->mem->free(s->mem->ctx, c, c->bytes);
}

static void list_give_back(struct weir_slab *s, struct weir_slab_chunk *c)
{
	while (c) {
		struct weir_slab_chunk *next = c->next;

		chunk_give_back(s, c);
		c = next;
	}
}

void weir_slab_fini(struct weir_slab *s)
{
	list_give_back(s, s->chunks);
	list_give_back(s, s->spare);
	weir_slab_init(s, s->mem);
}

void weir_slab_reset(struct weir_slab *s)
{
	struct weir_slab_chunk *c = s->chunks;

	while (c) {
		struct weir_slab_chunk *next = c->next;

		if (c->single) {
			chunk_give_back(s, c);
		} else {
			c->next = s->spare;
			s->spare = c;
		}
		c = next;
	}
	s->chunks = NULL;
	s->at = s->end = NULL;
	s->used = 0;
	memset(s->free, 0, sizeof(s->free));
}

static struct weir_slab_chunk *chunk_new(struct weir_slab *s, size_t bytes)
{
	struct weir_slab_chunk *c = s->mem->alloc(s->mem->ctx, bytes, 16);

	c->bytes = bytes;
	s->bytes += bytes;
	return c;
}

/* A chunk with room for `bytes`. What is left of the present one is lost until the reset. */
static void chunk_start(struct weir_slab *s, size_t bytes)
{
	size_t need = bytes + sizeof(struct weir_slab_chunk);
	struct weir_slab_chunk *c = s->spare;

	if (c && c->bytes >= need) {
		s->spare = c->next;
	} else {
		c = chunk_new(s, WEIR_MAX(need, (size_t)s->chunk_bytes));
		if (s->chunk_bytes < CHUNK_MAX)
			s->chunk_bytes *= 2;
	}
	c->next = s->chunks;
	s->chunks = c;
	s->at = (uint8_t *)(c + 1);
	s->end = (uint8_t *)c + c->bytes;
}

void *weir_slab_alloc(struct weir_slab *s, size_t size)
{
	size_t bytes;
	unsigned class = size_class(size, &bytes);
	void *p;

	weir_assert(class < WEIR_SLAB_CLASSES);
	s->used += bytes;
	if (s->free[class]) {
		p = s->free[class];
		s->free[class] = s->free[class]->next;
		return p;
	}
	if (bytes > CHUNK_MAX / 4) {
		/* A chunk of its own behind the present one, which stays in use. */
		struct weir_slab_chunk *c = chunk_new(s, bytes + sizeof(struct weir_slab_chunk));

		c->single = true;
		if (s->chunks) {
			c->next = s->chunks->next;
			s->chunks->next = c;
		} else {
			s->chunks = c;
		}
		return c + 1;
	}
	if ((size_t)(s->end - s->at) < bytes)
		chunk_start(s, bytes);
	p = s->at;
	s->at += bytes;
	return p;
}

void weir_slab_free(struct weir_slab *s, void *p, size_t size)
{
	size_t bytes;
	unsigned class = size_class(size, &bytes);
	struct weir_slab_piece *piece = p;

	if (!p)
		return;
	s->used -= bytes;
	piece->next = s->free[class];
	s->free[class] = piece;
}
