/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/bytes.h - binary output that grows in chunks, and a bounded reader.
 *
 * Shapes: little-endian integers without padding; varint is LEB128; a text is varint length and bytes.
 * Use:    weir_out_*() append. weir_out_claim() gives contiguous room, weir_out_keep() what was used
 *         of it. weir_read_*() never leaves its bytes: past the end it gives zeroes and sets
 *         `bad`, which stays; check it once behind a group of reads.
 * Memory: chunks from mem (thread-safe when outputs move between threads); no chunk for no bytes.
 * Thread: plain data, one thread at a time.
 */
#ifndef WEIR_BASE_BYTES_H
#define WEIR_BASE_BYTES_H

#include "base/mem.h"

#define WEIR_OUT_TEXT_MAX ((1u << 30) - 1) /* what weir_out_text() takes */

struct weir_out_chunk {
	struct weir_out_chunk *next;
	uint32_t used, cap;
	uint8_t data[];
};

struct weir_out {
	const struct weir_mem *mem; /* keeps */
	struct weir_out_chunk *first, *last;
	uint64_t bytes;
};

void weir_out_init(struct weir_out *o, const struct weir_mem *keep_mem);
void weir_out_fini(struct weir_out *o); /* gives everything back; o may be used again */
/* All bytes of src behind those of dst, without copying; src is empty then. Same mem. */
void weir_out_append(struct weir_out *dst, struct weir_out *src);
/* Copies all bytes to p (o->bytes of them). */
void weir_out_copy(const struct weir_out *o, void *p);

void *weir_out__grow(struct weir_out *o, size_t n);

/* n contiguous bytes, never NULL; n below 1 GiB. */
weir_inline void *weir_out_claim(struct weir_out *o, size_t n)
{
	struct weir_out_chunk *c = o->last;

	if (weir_unlikely(!c || c->cap - c->used < n))
		return weir_out__grow(o, n);
	return c->data + c->used;
}

weir_inline void weir_out_keep(struct weir_out *o, size_t n)
{
	o->last->used += (uint32_t)n;
	o->bytes += n;
}

weir_inline void weir_out_put(struct weir_out *o, const void *p, size_t n)
{
	if (n) {
		memcpy(weir_out_claim(o, n), p, n);
		weir_out_keep(o, n);
	}
}

weir_inline void weir_out_u8(struct weir_out *o, uint8_t v)
{
	weir_out_put(o, &v, 1);
}

weir_inline void weir_out_u16(struct weir_out *o, uint16_t v)
{
	weir_out_put(o, &v, 2);
}

weir_inline void weir_out_u32(struct weir_out *o, uint32_t v)
{
	weir_out_put(o, &v, 4);
}

weir_inline void weir_out_u64(struct weir_out *o, uint64_t v)
{
	weir_out_put(o, &v, 8);
}

weir_inline void weir_out_i64(struct weir_out *o, int64_t v)
{
	weir_out_put(o, &v, 8);
}

void weir_out_varint(struct weir_out *o, uint64_t v);
void weir_out_text(struct weir_out *o, struct weir_str s);

struct weir_reader {
	const uint8_t *p, *end;
	bool bad;
};

weir_inline struct weir_reader weir_reader_of(const void *p, size_t n)
{
	return (struct weir_reader){.p = (const uint8_t *)p, .end = (const uint8_t *)p + n};
}

weir_inline size_t weir_reader_left(const struct weir_reader *r)
{
	return (size_t)(r->end - r->p);
}

/* n bytes in place, or NULL and bad. n 0: a valid pointer. */
weir_inline const void *weir_read(struct weir_reader *r, size_t n)
{
	const void *p = r->p;

	if (weir_unlikely(r->bad || (size_t)(r->end - r->p) < n)) {
		r->bad = true;
		return NULL;
	}
	r->p += n;
	return p;
}

#define WEIR__READ(name, type)                                                                     \
	weir_inline type weir_read_##name(struct weir_reader *r)                                   \
	{                                                                                          \
		type v = 0;                                                                        \
		const void *p = weir_read(r, sizeof(v));                                           \
                                                                                                   \
		if (p)                                                                             \
			memcpy(&v, p, sizeof(v));                                                  \
		return v;                                                                          \
	}
WEIR__READ(u8, uint8_t)
WEIR__READ(u16, uint16_t)
WEIR__READ(u32, uint32_t)
WEIR__READ(u64, uint64_t)
WEIR__READ(i64, int64_t)
#undef WEIR__READ

uint64_t weir_read_varint(struct weir_reader *r); /* longer than needed or past 64 bit: bad */
/* Points into the reader's bytes; empty when bad. */
struct weir_str weir_read_text(struct weir_reader *r);
/* A reader for the next n bytes; bad (and empty) when there are fewer. */
struct weir_reader weir_read_part(struct weir_reader *r, size_t n);

#endif
