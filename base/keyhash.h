/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/keyhash.h - the hash that decides key groups. Frozen: state, files and peers depend on it.
 *
 * Fold over the key fields in order, h starts at 0x9e3779b97f4a7c15:
 *   null: h = mix(h ^ 0x6e756c6c) ; string, bytes: h = mix(h ^ XXH3_64bits(bytes)) ;
 *   others: h = mix(h ^ slot) ; float64: -0.0 counts as 0.0 and every NaN as one value.
 * mix is the 64-bit finaliser of MurmurHash3 (Austin Appleby, public domain). Text hash: xxHash.
 * The key group is the top 12 bits (4096 groups); tables index by the bits below.
 */
#ifndef WEIR_BASE_KEYHASH_H
#define WEIR_BASE_KEYHASH_H

#include "base/schema.h"

#define WEIR_KEY_GROUPS 4096u
#define WEIR_KEYHASH_SEED UINT64_C(0x9e3779b97f4a7c15)
#define WEIR_KEYHASH_NULL UINT64_C(0x6e756c6c)

weir_inline uint64_t weir_hash_mix(uint64_t h)
{
	h ^= h >> 33;
	h *= UINT64_C(0xff51afd7ed558ccd);
	h ^= h >> 33;
	h *= UINT64_C(0xc4ceb9fe1a85ec53);
	h ^= h >> 33;
	return h;
}

weir_inline uint32_t weir_key_group(uint64_t hash)
{
	return (uint32_t)(hash >> 52);
}

uint64_t weir_hash_text(struct weir_str s); /* XXH3_64bits */

/* Canonical slot of a float64: -0.0 to 0.0, NaNs to one. */
uint64_t weir_hash_f64_slot(uint64_t slot);

uint64_t weir_key_hash(const struct weir_frame *f, const struct weir_schema *s, const uint16_t *key,
		       uint32_t key_count);

/* The same for n rows; fast for one fixed-size key. */
void weir_key_hash_rows(const struct weir_frame *const *row, uint32_t n,
			const struct weir_schema *s, const uint16_t *key, uint32_t key_count,
			uint64_t *ret_hash);

#endif
