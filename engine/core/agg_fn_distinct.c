/* SPDX-License-Identifier: Apache-2.0 */
/* distinct: exact count by a set, an open-addressing table in the slab. */
#include "base/assert.h"
#include "base/keyhash.h"
#include "engine/core/agg_fn.h"

#define SLOTS_MIN 4u
#define SLOTS_MAX (1u << 30)

/* Of fixed-size values the slots hold the values, 0 is kept apart; of text, pointers to pieces. */
struct set {
	uint64_t *slot;
	uint32_t count; /* in the slots */
	uint32_t slots; /* a power of two, or 0 */
	uint64_t zero; /* the value 0 is in the set */
};

struct piece {
	uint64_t hash;
	uint64_t n;
	char text[];
};

static uint64_t slot_hash(bool text, uint64_t v)
{
	return text ? ((const struct piece *)(uintptr_t)v)->hash : weir_hash_mix(v);
}

static void set_grow(struct set *s, struct weir_slab *slab, bool text)
{
	uint32_t slots = s->slots ? s->slots * 2 : SLOTS_MIN;
	uint64_t *slot = weir_slab_alloc(slab, slots * sizeof(uint64_t));

	weir_assert(slots <= SLOTS_MAX);
	memset(slot, 0, slots * sizeof(uint64_t));
	for (uint32_t i = 0; i < s->slots; i++) {
		uint32_t at;

		if (!s->slot[i])
			continue;
		at = (uint32_t)slot_hash(text, s->slot[i]) & (slots - 1);
		while (slot[at])
			at = (at + 1) & (slots - 1);
		slot[at] = s->slot[i];
	}
	weir_slab_free(slab, s->slot, s->slots * sizeof(uint64_t));
	s->slot = slot;
	s->slots = slots;
}

static void fixed_add(struct set *s, struct weir_slab *slab, uint64_t v)
{
	uint32_t at;

	if (v == 0) {
		s->zero = 1;
		return;
	}
	if (s->slots) {
		for (at = (uint32_t)weir_hash_mix(v) & (s->slots - 1); s->slot[at];
		     at = (at + 1) & (s->slots - 1))
			if (s->slot[at] == v)
				return;
	}
	if (s->count + 1 > s->slots / 4 * 3)
		set_grow(s, slab, false);
	at = (uint32_t)weir_hash_mix(v) & (s->slots - 1);
	while (s->slot[at])
		at = (at + 1) & (s->slots - 1);
	s->slot[at] = v;
	s->count++;
}

static void text_add(struct set *s, struct weir_slab *slab, struct weir_str v, uint64_t hash)
{
	struct piece *piece;
	uint32_t at;

	if (s->slots) {
		for (at = (uint32_t)hash & (s->slots - 1); s->slot[at];
		     at = (at + 1) & (s->slots - 1)) {
			piece = (struct piece *)(uintptr_t)s->slot[at];
			if (piece->hash == hash &&
			    weir_str_eq((struct weir_str){piece->text, piece->n}, v))
				return;
		}
	}
	if (s->count + 1 > s->slots / 4 * 3)
		set_grow(s, slab, true);
	piece = weir_slab_alloc(slab, sizeof(*piece) + v.n);
	piece->hash = hash;
	piece->n = v.n;
	if (v.n)
		memcpy(piece->text, v.p, v.n);
	at = (uint32_t)hash & (s->slots - 1);
	while (s->slot[at])
		at = (at + 1) & (s->slots - 1);
	s->slot[at] = (uint64_t)(uintptr_t)piece;
	s->count++;
}

static void fixed_update(const struct weir_agg *a, const struct weir_agg_rows *rows)
{
	bool f64 = a->arg_type.type == WEIR_FLOAT64;

	for (uint32_t i = 0; i < rows->count; i++) {
		uint32_t lane = rows->lane[i];
		uint64_t v;

		if (weir__agg_null(a->arg, lane))
			continue;
		v = a->arg->slot[lane];
		fixed_add((struct set *)(void *)(rows->at[i] + a->offset), rows->slab[i],
			  f64 ? weir_hash_f64_slot(v) : v);
	}
}

static void text_update(const struct weir_agg *a, const struct weir_agg_rows *rows)
{
	for (uint32_t i = 0; i < rows->count; i++) {
		uint32_t lane = rows->lane[i];

		if (weir__agg_null(a->arg, lane))
			continue;
		text_add((struct set *)(void *)(rows->at[i] + a->offset), rows->slab[i],
			 a->arg->str[lane], weir_hash_text(a->arg->str[lane]));
	}
}

static void fixed_merge(const struct weir_agg *a, struct weir_slab *slab, void *dst,
			const void *src)
{
	struct set *d = dst;
	const struct set *s = src;

	(void)a;
	d->zero |= s->zero;
	for (uint32_t i = 0; i < s->slots; i++)
		if (s->slot[i])
			fixed_add(d, slab, s->slot[i]);
}

static void text_merge(const struct weir_agg *a, struct weir_slab *slab, void *dst, const void *src)
{
	const struct set *s = src;

	(void)a;
	for (uint32_t i = 0; i < s->slots; i++) {
		const struct piece *p = (const struct piece *)(uintptr_t)s->slot[i];

		if (p)
			text_add(dst, slab, (struct weir_str){p->text, p->n}, p->hash);
	}
}

static const char *set_build(const struct weir_agg *a, const void *state, struct weir_builder *b,
			     unsigned i)
{
	const struct set *s = state;

	(void)a;
	weir_build_i64(b, i, (int64_t)(s->count + s->zero));
	return NULL;
}

static void set_release(const struct weir_agg *a, struct weir_slab *slab, void *state)
{
	struct set *s = state;

	if (weir_type_is_text(a->arg_type.type)) {
		for (uint32_t i = 0; i < s->slots; i++) {
			struct piece *p = (struct piece *)(uintptr_t)s->slot[i];

			if (p)
				weir_slab_free(slab, p, sizeof(*p) + p->n);
		}
	}
	weir_slab_free(slab, s->slot, s->slots * sizeof(uint64_t));
	*s = (struct set){0};
}

/*
 * ---- bytes: varint number of values, then the values in ascending order ----
 *
 *   fixed size   varint of the first as an unsigned number, of the others what is between it and
 *                the one before
 *   text         each as a text, by bytes
 */

static struct weir_str slot_text(uint64_t slot)
{
	const struct piece *p = (const struct piece *)(uintptr_t)slot;

	return (struct weir_str){p->text, p->n};
}

weir_inline bool slot_less(uint64_t a, uint64_t b, bool text)
{
	return text ? weir_str_cmp(slot_text(a), slot_text(b)) < 0 : a < b;
}

/* Merge sort, from the bottom. v holds the values, other has the same room; returns which of the two
 * is sorted. */
static uint64_t *slots_sort(uint64_t *v, uint64_t *other, size_t n, bool text)
{
	for (size_t run = 1; run < n; run *= 2) {
		uint64_t *sorted = other;

		for (size_t at = 0; at < n; at += 2 * run) {
			size_t i = at, middle = WEIR_MIN(at + run, n);
			size_t j = middle, end = WEIR_MIN(at + 2 * run, n);

			for (size_t k = at; k < end; k++) {
				bool right =
					i == middle || (j < end && slot_less(v[j], v[i], text));

				sorted[k] = right ? v[j++] : v[i++];
			}
		}
		other = v;
		v = sorted;
	}
	return v;
}

static void values_save(const uint64_t *v, size_t n, bool text, bool zero, struct weir_out *o)
{
	uint64_t before = 0;

	weir_out_varint(o, n + zero);
	if (zero)
		weir_out_varint(o, 0);
	for (size_t i = 0; i < n; i++) {
		if (text)
			weir_out_text(o, slot_text(v[i]));
		else
			weir_out_varint(o, v[i] - before - (zero || i));
		before = v[i];
	}
}

static void set_save(const struct weir_agg *a, const void *state, struct weir_out *o)
{
	const struct set *s = state;
	bool text = weir_type_is_text(a->arg_type.type);
	size_t n = 0, bytes = (size_t)s->count * 2 * sizeof(uint64_t);
	uint64_t *v, *sorted;

	if (s->count == 0) {
		values_save(NULL, 0, text, s->zero, o);
		return;
	}
	v = o->mem->alloc(o->mem->ctx, bytes, 16);
	for (uint32_t i = 0; i < s->slots; i++)
		if (s->slot[i])
			v[n++] = s->slot[i];
	weir_assert(n == s->count);
	sorted = slots_sort(v, v + n, n, text);
	values_save(sorted, n, text, s->zero, o);
	o->mem->free(o->mem->ctx, v, bytes);
}

static bool fixed_values_load(const struct weir_agg *a, struct weir_slab *slab, struct set *s,
			      uint64_t n, struct weir_reader *r)
{
	uint64_t v = 0;

	for (uint64_t i = 0; i < n; i++) {
		uint64_t step = weir_read_varint(r);
		bool over = __builtin_add_overflow(v, step, &v);

		if (i)
			over |= __builtin_add_overflow(v, UINT64_C(1), &v);
		if (r->bad || over || (a->arg_type.type == WEIR_BOOL && v > 1))
			return false;
		if (a->arg_type.type == WEIR_FLOAT64 && weir_hash_f64_slot(v) != v)
			return false;
		fixed_add(s, slab, v);
	}
	return true;
}

static bool text_values_load(struct weir_slab *slab, struct set *s, uint64_t n,
			     struct weir_reader *r)
{
	struct weir_str before = {0};

	for (uint64_t i = 0; i < n; i++) {
		struct weir_str v = weir_read_text(r);

		if (r->bad || v.n > WEIR_OUT_TEXT_MAX || (i && weir_str_cmp(before, v) >= 0))
			return false;
		text_add(s, slab, v, weir_hash_text(v));
		before = v;
	}
	return true;
}

static int set_load(const struct weir_agg *a, struct weir_slab *slab, void *state,
		    struct weir_reader *r)
{
	uint64_t n = weir_read_varint(r);
	bool fine = !r->bad && n <= SLOTS_MAX / 4 * 3;

	if (weir_type_is_text(a->arg_type.type))
		fine = fine && text_values_load(slab, state, n, r);
	else
		fine = fine && fixed_values_load(a, slab, state, n, r);
	if (fine)
		return 0;
	set_release(a, slab, state);
	return WEIR_E_CORRUPT;
}

static const struct weir_agg_class fixed_class = {
	.update = fixed_update,
	.merge = fixed_merge,
	.build = set_build,
	.release = set_release,
	.save = set_save,
	.load = set_load,
	.name = "distinct",
};

static const struct weir_agg_class text_class = {
	.update = text_update,
	.merge = text_merge,
	.build = set_build,
	.release = set_release,
	.save = set_save,
	.load = set_load,
	.name = "distinct",
};

int weir__agg_distinct_init(struct weir_agg *a, const struct weir_agg_spec *spec)
{
	if (spec->arg_type.type == WEIR_LIST)
		return WEIR_E_TYPE;
	a->slab = true;
	a->size = sizeof(struct set);
	a->cls = weir_type_is_text(spec->arg_type.type) ? &text_class : &fixed_class;
	return 0;
}
