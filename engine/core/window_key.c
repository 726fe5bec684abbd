/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/window_key.h"

int weir_window_key_init(struct weir_window_key *k, const struct weir_schema *keep_in,
			 const uint16_t *field, uint32_t count)
{
	uint32_t at = 8;

	memset(k, 0, sizeof(*k));
	k->in = keep_in;
	k->count = count;
	for (uint32_t i = 0; i < count; i++)
		if (keep_in->field[field[i]].nullable)
			k->null_at = 8;
	at += k->null_at;
	for (uint32_t i = 0; i < count; i++) {
		unsigned type = keep_in->field[field[i]].type.type;

		if (type == WEIR_LIST)
			return WEIR_E_TYPE;
		k->field[i] = field[i];
		k->at[i] = (uint16_t)at;
		k->type[i] = (uint8_t)type;
		k->text |= weir_type_is_text(type);
		at += weir_type_is_text(type) ? (uint32_t)sizeof(struct weir_str) : 8;
	}
	k->bytes = at;
	k->single = count == 1 && !k->null_at && !k->text && k->type[0] != WEIR_FLOAT64;
	return 0;
}

static uint64_t key_slot(const struct weir_window_key *k, const struct weir_frame *f, uint32_t i)
{
	uint64_t slot = weir_slot(f, k->in, k->field[i]);

	return k->type[i] == WEIR_FLOAT64 ? weir_hash_f64_slot(slot) : slot;
}

static uint64_t key_nulls(const struct weir_window_key *k, const struct weir_frame *f)
{
	uint64_t nulls = 0;

	for (uint32_t i = 0; i < k->count; i++)
		nulls |= (uint64_t)weir_null(f, k->in, k->field[i]) << i;
	return nulls;
}

void weir_window_key_store(const struct weir_window_key *k, const struct weir_frame *f,
			   struct weir_slab *slab, void *entry)
{
	uint8_t *e = entry;
	uint64_t nulls = k->null_at ? key_nulls(k, f) : 0;

	if (k->null_at)
		memcpy(e + k->null_at, &nulls, 8);
	for (uint32_t i = 0; i < k->count; i++) {
		if (nulls >> i & 1)
			continue;
		if (weir_type_is_text(k->type[i])) {
			struct weir_str s = weir_get_str(f, k->in, k->field[i]);
			char *p = weir_slab_alloc(slab, s.n);

			if (s.n)
				memcpy(p, s.p, s.n);
			s.p = p;
			memcpy(e + k->at[i], &s, sizeof(s));
		} else {
			uint64_t slot = key_slot(k, f, i);

			memcpy(e + k->at[i], &slot, 8);
		}
	}
}

static struct weir_str entry_text(const struct weir_window_key *k, const void *entry, uint32_t i)
{
	struct weir_str s;

	memcpy(&s, (const uint8_t *)entry + k->at[i], sizeof(s));
	return s;
}

static uint64_t entry_nulls(const struct weir_window_key *k, const void *entry)
{
	uint64_t nulls = 0;

	if (k->null_at)
		memcpy(&nulls, (const uint8_t *)entry + k->null_at, 8);
	return nulls;
}

void weir_window_key_release(const struct weir_window_key *k, struct weir_slab *slab, void *entry)
{
	if (!k->text)
		return;
	for (uint32_t i = 0; i < k->count; i++) {
		if (weir_type_is_text(k->type[i])) {
			struct weir_str s = entry_text(k, entry, i);

			weir_slab_free(slab, (void *)(uintptr_t)s.p, s.n);
		}
	}
}

bool weir_window_key_is_frame(const void *entry, const void *frame, const void *key)
{
	const struct weir_window_key *k = key;
	uint64_t nulls = entry_nulls(k, entry);

	if (k->null_at && nulls != key_nulls(k, frame))
		return false;
	for (uint32_t i = 0; i < k->count; i++) {
		if (nulls >> i & 1)
			continue;
		if (weir_type_is_text(k->type[i])) {
			if (!weir_str_eq(entry_text(k, entry, i),
					 weir_get_str(frame, k->in, k->field[i])))
				return false;
		} else {
			uint64_t slot;

			memcpy(&slot, (const uint8_t *)entry + k->at[i], 8);
			if (slot != key_slot(k, frame, i))
				return false;
		}
	}
	return true;
}

bool weir_window_key_is_entry(const void *entry, const void *other, const void *key)
{
	const struct weir_window_key *k = key;

	if (!k->text)
		return memcmp((const uint8_t *)entry + 8, (const uint8_t *)other + 8,
			      k->bytes - 8) == 0;
	if (entry_nulls(k, entry) != entry_nulls(k, other))
		return false;
	for (uint32_t i = 0; i < k->count; i++) {
		if (weir_type_is_text(k->type[i])) {
			if (!weir_str_eq(entry_text(k, entry, i), entry_text(k, other, i)))
				return false;
		} else if (memcmp((const uint8_t *)entry + k->at[i],
				  (const uint8_t *)other + k->at[i], 8) != 0) {
			return false;
		}
	}
	return true;
}

void weir_window_key_build(const struct weir_window_key *k, const void *entry,
			   struct weir_builder *b)
{
	uint64_t nulls = entry_nulls(k, entry);

	for (uint32_t i = 0; i < k->count; i++) {
		if (nulls >> i & 1) {
			weir_build_null(b, i);
		} else if (weir_type_is_text(k->type[i])) {
			weir_build_str(b, i, entry_text(k, entry, i));
		} else {
			uint64_t slot;

			memcpy(&slot, (const uint8_t *)entry + k->at[i], 8);
			weir_build_slot(b, i, slot);
		}
	}
}

/* ---- bytes: the null bits as a varint if any key is nullable, then the fields that are not null ---- */

void weir_window_key_save(const struct weir_window_key *k, const void *entry, struct weir_out *o)
{
	uint64_t nulls = entry_nulls(k, entry);

	if (k->null_at)
		weir_out_varint(o, nulls);
	for (uint32_t i = 0; i < k->count; i++) {
		if (nulls >> i & 1)
			continue;
		if (weir_type_is_text(k->type[i]))
			weir_out_text(o, entry_text(k, entry, i));
		else
			weir_out_put(o, (const uint8_t *)entry + k->at[i], 8);
	}
}

static bool nulls_load(const struct weir_window_key *k, struct weir_reader *r, uint64_t *ret)
{
	uint64_t may = 0;

	*ret = k->null_at ? weir_read_varint(r) : 0;
	for (uint32_t i = 0; i < k->count; i++)
		may |= (uint64_t)k->in->field[k->field[i]].nullable << i;
	return !r->bad && !(*ret & ~may);
}

static bool text_load(struct weir_reader *r, struct weir_slab *slab, uint8_t *at, uint64_t *h)
{
	struct weir_str s = weir_read_text(r);
	char *p;

	if (r->bad || s.n > WEIR_OUT_TEXT_MAX)
		return false;
	*h = weir_hash_mix(*h ^ weir_hash_text(s));
	p = weir_slab_alloc(slab, s.n);
	memcpy(p, s.p, s.n);
	s.p = p;
	memcpy(at, &s, sizeof(s));
	return true;
}

static bool slot_load(struct weir_reader *r, unsigned type, uint8_t *at, uint64_t *h)
{
	uint64_t slot = weir_read_u64(r);

	if (r->bad || (type == WEIR_FLOAT64 && weir_hash_f64_slot(slot) != slot) ||
	    (type == WEIR_BOOL && slot > 1))
		return false;
	*h = weir_hash_mix(*h ^ slot);
	memcpy(at, &slot, 8);
	return true;
}

/* Stops at the first field that is wrong; what it has made is in the entry. */
static bool fields_load(const struct weir_window_key *k, struct weir_reader *r,
			struct weir_slab *slab, uint8_t *entry, uint64_t *ret_hash)
{
	uint64_t nulls, h = WEIR_KEYHASH_SEED;

	if (!nulls_load(k, r, &nulls))
		return false;
	if (k->null_at)
		memcpy(entry + k->null_at, &nulls, 8);
	for (uint32_t i = 0; i < k->count; i++) {
		bool fine = true;

		if (nulls >> i & 1)
			h = weir_hash_mix(h ^ WEIR_KEYHASH_NULL);
		else if (weir_type_is_text(k->type[i]))
			fine = text_load(r, slab, entry + k->at[i], &h);
		else
			fine = slot_load(r, k->type[i], entry + k->at[i], &h);
		if (!fine)
			return false;
	}
	*ret_hash = h;
	return true;
}

int weir_window_key_load(const struct weir_window_key *k, struct weir_reader *r,
			 struct weir_slab *slab, void *entry)
{
	uint64_t want, h;

	memcpy(&want, entry, 8);
	if (fields_load(k, r, slab, entry, &h) && h == want)
		return 0;
	weir_window_key_release(k, slab, entry);
	memset((uint8_t *)entry + 8, 0, k->bytes - 8);
	return WEIR_E_CORRUPT;
}

void weir_window_sign_type(struct weir_buf *b, struct weir_typeinfo type, bool nullable)
{
	struct weir_field f = {.type = type, .nullable = nullable};

	weir_buf_type(b, &f);
}

void weir_window_key_sign(const struct weir_window_key *k, struct weir_buf *b)
{
	weir_buf_lit(b, "key");
	for (uint32_t i = 0; i < k->count; i++) {
		const struct weir_field *f = &k->in->field[k->field[i]];

		weir_buf_lit(b, i ? ", " : " ");
		weir_buf_json_str(b, weir_str_c(f->name));
		weir_buf_char(b, ' ');
		weir_window_sign_type(b, f->type, f->nullable);
	}
	weir_buf_char(b, '\n');
}
