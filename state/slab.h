/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state/slab.h - variable-size pieces of state: freelists by size class over chunks.
 *
 * Use:    strings, sets and lists behind the fixed entries of a table. One slab belongs to one
 *         life time (a slice, a session store); weir_slab_reset() drops all pieces at once and
 *         keeps the chunks, so that a slab in steady state takes nothing from its memory source.
 * Shapes: sizes up to 128 bytes are rounded up to 8, larger ones to a quarter of a power of two.
 *         Pieces are 8-byte aligned and not zeroed. A freed piece serves the same size class again.
 * Memory: chunks double from 1 KiB to 256 KiB; larger pieces are chunks of their own, which
 *         weir_slab_reset() gives back.
 * Thread: one slab, one thread. Pure.
 */
#ifndef WEIR_STATE_SLAB_H
#define WEIR_STATE_SLAB_H

#include "base/mem.h"

#define WEIR_SLAB_CLASSES 128

struct weir_slab_chunk;
struct weir_slab_piece;

struct weir_slab {
	const struct weir_mem *mem; /* keeps */
	struct weir_slab_chunk *chunks; /* in use, newest first */
	struct weir_slab_chunk *spare; /* kept by reset for the next round */
	uint8_t *at, *end;
	uint32_t chunk_bytes; /* size of the next new chunk */
	size_t bytes; /* taken from mem */
	size_t used; /* in pieces that are alive, rounded to their classes */
	struct weir_slab_piece *free[WEIR_SLAB_CLASSES];
};

void weir_slab_init(struct weir_slab *s, const struct weir_mem *keep_mem);
void weir_slab_fini(struct weir_slab *s); /* gives everything back; init may follow */

/* Forgets all pieces. */
void weir_slab_reset(struct weir_slab *s);

/* Never NULL, also for size 0. */
void *weir_slab_alloc(struct weir_slab *s, size_t size);

/* size as given to alloc; p NULL is fine. */
void weir_slab_free(struct weir_slab *s, void *p, size_t size);

/* What alloc(size) really gives: room to grow in place. */
size_t weir_slab_size(size_t size);

#endif
