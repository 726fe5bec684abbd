/* SPDX-License-Identifier: Apache-2.0 */
#include "base/keyhash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t weir_hash_text(struct weir_str s)
{
	return XXH3_64bits(s.p, s.n);
}

uint64_t weir_hash_f64_slot(uint64_t slot)
{
	double d;

	memcpy(&d, &slot, 8);
	if (d == 0.0)
		return 0;
	if (d != d)
		return UINT64_C(0x7ff8000000000000);
	return slot;
}

static uint64_t field_hash(uint64_t h, const struct weir_frame *f, const struct weir_schema *s,
			   unsigned i)
{
	uint64_t slot = weir_slot(f, s, i);

	if (weir_null(f, s, i))
		return weir_hash_mix(h ^ WEIR_KEYHASH_NULL);
	switch (s->field[i].type.type) {
	case WEIR_STRING:
	case WEIR_BYTES:
		return weir_hash_mix(h ^ weir_hash_text(weir_slot_str(f, slot)));
	case WEIR_FLOAT64:
		return weir_hash_mix(h ^ weir_hash_f64_slot(slot));
	default:
		return weir_hash_mix(h ^ slot);
	}
}

uint64_t weir_key_hash(const struct weir_frame *f, const struct weir_schema *s, const uint16_t *key,
		       uint32_t key_count)
{
	uint64_t h = WEIR_KEYHASH_SEED;

	for (uint32_t k = 0; k < key_count; k++)
		h = field_hash(h, f, s, key[k]);
	return h;
}

static bool plain_slot(const struct weir_schema *s, unsigned i)
{
	unsigned t = s->field[i].type.type;

	return !s->field[i].nullable && !weir_type_is_text(t) && t != WEIR_FLOAT64;
}

void weir_key_hash_rows(const struct weir_frame *const *row, uint32_t n,
			const struct weir_schema *s, const uint16_t *key, uint32_t key_count,
			uint64_t *ret_hash)
{
	if (key_count == 1 && plain_slot(s, key[0])) {
		for (uint32_t i = 0; i < n; i++)
			ret_hash[i] =
				weir_hash_mix(WEIR_KEYHASH_SEED ^ weir_slot(row[i], s, key[0]));
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		ret_hash[i] = weir_key_hash(row[i], s, key, key_count);
}
