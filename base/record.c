/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/err.h"
#include "base/schema.h"

/* ---- building ---- */

void *weir_build_tail(struct weir_builder *b, size_t n, unsigned align, uint32_t *ret_offset)
{
	uint8_t *payload = (uint8_t *)(b->f + 1);
	uint64_t at, room;

	weir_assert(align == 1 || align == 8);
	if (weir_unlikely(b->full))
		return NULL;
	at = WEIR_ALIGN_UP((uint64_t)b->tail, (uint64_t)align);
	room = b->cap - sizeof(struct weir_frame);
	if (weir_unlikely(at > room || n > room - at)) {
		b->full = true;
		return NULL;
	}
	/* Equal records have equal bytes: the gap before an aligned list is always zero. */
	while (b->tail < at)
		payload[b->tail++] = 0;
	b->tail = (uint32_t)(at + n);
	*ret_offset = (uint32_t)at;
	return payload + at;
}

static uint64_t read_slot(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

static void copy_list(struct weir_builder *b, unsigned i, const struct weir_frame *f, uint64_t slot,
		      unsigned elem)
{
	const uint8_t *from = weir_payload(f) + (uint32_t)slot;
	uint64_t count = slot >> 32;
	uint32_t offset;
	uint8_t *to;

	if (count == 0) {
		weir_build_slot(b, i, 0);
		return;
	}
	to = weir_build_tail(b, 8 * count, 8, &offset);
	if (!to)
		return;
	weir_build_slot(b, i, (uint64_t)offset | count << 32);
	if (!weir_type_is_text(elem)) {
		memcpy(to, from, 8 * count);
		return;
	}
	for (uint64_t k = 0; k < count; k++) {
		struct weir_str text = weir_slot_str(f, read_slot(from + 8 * k));
		uint64_t v;
		void *p = weir_build_tail(b, text.n, 1, &offset);

		if (!p)
			return;
		if (text.n)
			memcpy(p, text.p, text.n);
		v = (uint64_t)offset | (uint64_t)text.n << 32;
		memcpy(to + 8 * k, &v, 8);
	}
}

void weir_build_copy(struct weir_builder *b, unsigned i, const struct weir_frame *f,
		     const struct weir_schema *s, unsigned si)
{
	struct weir_typeinfo t = s->field[si].type;
	uint64_t slot;

	weir_assert(i < b->s->field_count && si < s->field_count);
	weir_assert(b->s->field[i].type.type == t.type && b->s->field[i].type.elem == t.elem);
	if (weir_null(f, s, si)) {
		weir_build_null(b, i);
		return;
	}
	slot = weir_slot(f, s, si);
	if (weir_type_is_text(t.type))
		weir_build_str(b, i, weir_slot_str(f, slot));
	else if (t.type == WEIR_LIST)
		copy_list(b, i, f, slot, t.elem);
	else
		weir_build_slot(b, i, slot);
}

/* ---- checking ---- */

struct span {
	const uint8_t *payload;
	uint32_t fixed, size; /* of the payload */
};

/* Bytes named by a slot lie behind the slots and inside the frame; nothing is always fine. */
static bool inside(const struct span *sp, uint64_t offset, uint64_t bytes)
{
	if (bytes == 0)
		return offset <= sp->size;
	return offset >= sp->fixed && offset <= sp->size && bytes <= sp->size - offset;
}

static bool value_fine(const struct span *sp, uint64_t slot, unsigned type)
{
	if (type == WEIR_BOOL)
		return slot <= 1;
	if (weir_type_is_text(type))
		return inside(sp, (uint32_t)slot, slot >> 32);
	return true;
}

static bool list_fine(const struct span *sp, uint64_t slot, unsigned elem)
{
	uint32_t offset = (uint32_t)slot;
	uint64_t count = slot >> 32;

	if (offset % 8 || !inside(sp, offset, 8 * count))
		return false;
	if (elem != WEIR_BOOL && !weir_type_is_text(elem))
		return true;
	for (uint64_t k = 0; k < count; k++)
		if (!value_fine(sp, read_slot(sp->payload + offset + 8 * k), elem))
			return false;
	return true;
}

static bool fields_fine(const struct span *sp, const struct weir_schema *s)
{
	uint64_t word = 0;

	for (unsigned i = 0; i < s->field_count; i++) {
		const struct weir_field *f = &s->field[i];
		uint64_t slot = read_slot(sp->payload + 8 * (s->null_words + i));

		if (s->null_words) {
			if (i % 64 == 0)
				word = read_slot(sp->payload + 8 * (i / 64));
			if (word >> (i % 64) & 1) {
				if (!f->nullable || slot != 0)
					return false;
				continue;
			}
		}
		if (f->type.type == WEIR_LIST ? !list_fine(sp, slot, f->type.elem)
					      : !value_fine(sp, slot, f->type.type))
			return false;
	}
	/* Null bits of fields that do not exist. */
	if (s->null_words && s->field_count % 64)
		return word >> (s->field_count % 64) == 0;
	return true;
}

int weir_frame_check(const void *f, size_t available, const struct weir_schema *s)
{
	struct weir_frame h;
	struct span sp;

	if (available < sizeof(h))
		return WEIR_E_TOO_SMALL;
	memcpy(&h, f, sizeof(h));
	if (h.kind == WEIR_FRAME_NONE || h.kind >= WEIR_FRAME_KIND_COUNT)
		return WEIR_E_CORRUPT;
	if (h.size < sizeof(h) || h.size > UINT32_MAX - 7)
		return WEIR_E_CORRUPT;
	if (h.kind != WEIR_FRAME_DATA && h.kind != WEIR_FRAME_MARKER && h.size != sizeof(h) &&
	    h.size != WEIR_CONTROL_BYTES)
		return WEIR_E_CORRUPT;
	/* With its padding, so that a loop may step by the stride without a second check. */
	if (weir_frame_stride(&h) > available)
		return WEIR_E_TOO_SMALL;
	if (h.kind != WEIR_FRAME_DATA || !s)
		return 0;
	sp.payload = (const uint8_t *)f + sizeof(h);
	sp.size = h.size - (uint32_t)sizeof(h);
	sp.fixed = s->fixed_size;
	if (sp.size < sp.fixed)
		return WEIR_E_CORRUPT;
	return fields_fine(&sp, s) ? 0 : WEIR_E_CORRUPT;
}
