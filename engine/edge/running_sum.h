/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/running_sum.h - checksum of a file that grows, known at any length.
 *
 * The bytes are taken in blocks of 64 KiB: the sum is the chain (weir_hash128_chain, from zero) over the hashes of
 * all blocks, the last of which may be shorter. It does not depend on the pieces in which the bytes came.
 * Thread: plain data.
 */
#ifndef WEIR_ENGINE_EDGE_RUNNING_SUM_H
#define WEIR_ENGINE_EDGE_RUNNING_SUM_H

#include "base/checksum.h"

#define WEIR_RUNNING_SUM_BLOCK ((size_t)64 << 10)

struct weir_running_sum {
	struct weir_hash128 chain; /* of the whole blocks */
	uint64_t bytes;
	size_t fill; /* of the block at hand */
	uint8_t block[WEIR_RUNNING_SUM_BLOCK];
};

void weir_running_sum_start(struct weir_running_sum *s);
void weir_running_sum_add(struct weir_running_sum *s, const void *p, size_t n);
struct weir_hash128 weir_running_sum_get(const struct weir_running_sum *s);

/* The first `bytes` of a file into *s. 1: done, 0: the file is shorter, -errno. */
int weir_running_sum_read(struct weir_running_sum *s, int fd, uint64_t bytes);

#endif
