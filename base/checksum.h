/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/checksum.h - CRC-32C for headers, a 128-bit hash for bodies and chains.
 *
 * Against accidents, not attackers. crc32c: Castagnoli polynomial, as in iSCSI (RFC 3720), with the
 * processor's instruction where there is one. Hash: XXH3-128 of xxHash, and XXH3-64 where a seed carries what came before.
 */
#ifndef WEIR_BASE_CHECKSUM_H
#define WEIR_BASE_CHECKSUM_H

#include "base/base.h"

uint32_t weir_crc32c(uint32_t crc, const void *p, size_t n); /* start with 0 */
uint32_t weir_crc32c_plain(uint32_t crc, const void *p, size_t n); /* without the instruction */

struct weir_hash128 {
	uint64_t lo, hi;
};

struct weir_hash128 weir_hash128(const void *p, size_t n);
uint64_t weir_hash64_seed(const void *p, size_t n, uint64_t seed);

weir_inline bool weir_hash128_eq(struct weir_hash128 a, struct weir_hash128 b)
{
	return a.lo == b.lo && a.hi == b.hi;
}

/* Hash of a sequence: h after another member. */
struct weir_hash128 weir_hash128_chain(struct weir_hash128 h, struct weir_hash128 next);

#endif
