/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/core/gate_fifo.h - bytes that wait: in at the end, seen from any offset, dropped from the front.
 *
 * Use:    what a relay has on its way, and what came for a lane whose ring is full. Offsets count bytes since the start; bytes stay
 *         where they are until dropped. How much may wait is the caller's business (a stream's credit).
 * Memory: chunks from mem, at most one when empty. Pure. Thread: one.
 */
#ifndef WEIR_GATEWAY_CORE_GATE_FIFO_H
#define WEIR_GATEWAY_CORE_GATE_FIFO_H

#include "base/mem.h"

struct weir_gate_chunk;
struct weir_gate_fifo {
	const struct weir_mem *mem; /* keeps */
	struct weir_gate_chunk *first, *last, *seen; /* seen: where the last peek was */
	uint64_t start, end; /* offsets of what is here */
};

void weir_gate_fifo_init(struct weir_gate_fifo *f, const struct weir_mem *keep_mem);
void weir_gate_fifo_fini(struct weir_gate_fifo *f); /* offsets start at 0 again */
void weir_gate_fifo_put(struct weir_gate_fifo *f, const void *p, uint32_t n);
/* Contiguous bytes at an offset, 0: none. offset is in [start, end]. */
uint32_t weir_gate_fifo_peek(struct weir_gate_fifo *f, uint64_t offset, const uint8_t **ret_p);
/* Everything below offset, which is at most end. */
void weir_gate_fifo_drop(struct weir_gate_fifo *f, uint64_t offset);

weir_inline uint64_t weir_gate_fifo_bytes(const struct weir_gate_fifo *f)
{
	return f->end - f->start;
}

#endif
