/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/window_key.h - how the key of a record lies in a table entry.
 *
 *   | hash | null bits (if any key is nullable) | key fields: 8 bytes; text: pointer and length |
 *
 * Floats are kept canonical (-0.0 as 0.0, one NaN), so that equal keys are equal bytes.
 * Memory: the text of keys is in the slab given to weir_window_key_store().
 * Pure.
 */
#ifndef WEIR_ENGINE_CORE_WINDOW_KEY_H
#define WEIR_ENGINE_CORE_WINDOW_KEY_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/keyhash.h"
#include "engine/core/pipeline.h"
#include "state/slab.h"

struct weir_window_key {
	const struct weir_schema *in;
	uint32_t count;
	uint32_t bytes; /* of the entry up to the end of the key */
	uint32_t null_at; /* 0: no nullable key */
	bool text; /* any */
	bool single; /* one field, compared as a slot: the fast case */
	uint16_t field[WEIR_KEYS_MAX];
	uint16_t at[WEIR_KEYS_MAX];
	uint8_t type[WEIR_KEYS_MAX];
};

/* keep_in must outlive the key. WEIR_E_TYPE for a list. */
int weir_window_key_init(struct weir_window_key *k, const struct weir_schema *keep_in,
			 const uint16_t *field, uint32_t count);

/* Writes the key of the frame into a new entry behind its hash. */
void weir_window_key_store(const struct weir_window_key *k, const struct weir_frame *f,
			   struct weir_slab *slab, void *entry);
/* Gives the text back. */
void weir_window_key_release(const struct weir_window_key *k, struct weir_slab *slab, void *entry);

/* Equalities for weir_table_find(): key is a frame, or another entry; ctx is the weir_window_key. */
bool weir_window_key_is_frame(const void *entry, const void *frame, const void *key);
bool weir_window_key_is_entry(const void *entry, const void *other, const void *key);

weir_inline bool weir_window_key_is_single(const void *entry, const void *frame, const void *key)
{
	const struct weir_window_key *k = (const struct weir_window_key *)key;
	uint64_t slot;

	memcpy(&slot, (const uint8_t *)entry + 8, 8);
	return slot == weir_slot((const struct weir_frame *)frame, k->in, k->field[0]);
}

/* The key as fields 0 .. count-1 of a result. */
void weir_window_key_build(const struct weir_window_key *k, const void *entry,
			   struct weir_builder *b);

/* The key of an entry as bytes (without the hash), and back into an entry whose hash is set and whose
 * rest is zeroed. load: 0, or WEIR_E_CORRUPT (also when the hash is not that of the key): nothing is left
 * in the slab then, and the key is zeroed. */
void weir_window_key_save(const struct weir_window_key *k, const void *entry, struct weir_out *o);
int weir_window_key_load(const struct weir_window_key *k, struct weir_reader *r,
			 struct weir_slab *slab, void *entry);
/* Names and types of the fields, for signatures. Equality for weir_table_find() with a key made by load()
 * is weir_window_key_is_entry(). */
void weir_window_key_sign(const struct weir_window_key *k, struct weir_buf *b);

/* A type in a signature: without the format of a timestamp, which does not change what is kept. */
void weir_window_sign_type(struct weir_buf *b, struct weir_typeinfo type, bool nullable);

#endif
