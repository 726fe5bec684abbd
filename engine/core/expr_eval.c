/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The evaluator: a pool of registers and text memory.
 *
 * Registers: an evaluation takes the first free ones; the one with the result then moves to the
 * end of the used part, which grows by one per evaluation until the reset. The pool grows when an
 * expression is evaluated for the first time, and never again.
 *
 * Text: each lane may make WEIR_EXPR_LANE_TEXT bytes per evaluation. The limit is per lane, not
 * per batch, so that what a record evaluates to never depends on its neighbours. Memory comes in
 * chunks from the region; it grows to the largest need seen and is used again after a reset.
 */
#include "engine/core/expr_impl.h"

struct chunk {
	struct chunk *next;
	size_t size, used;
};

struct weir_evaluator {
	struct weir_region *region;
	struct weir_vec **vec;
	uint32_t vec_count, vec_cap, used;
	struct chunk *first, *at;
	uint8_t *masks; /* WEIR_EXPR_MASKS_MAX times WEIR_EXPR_LANES */
	uint32_t lane_text[WEIR_EXPR_LANES];
};

struct weir_evaluator *weir_evaluator_new(struct weir_region *region)
{
	struct weir_evaluator *ev = weir_region_new(region, struct weir_evaluator);

	ev->region = region;
	return ev;
}

void weir_evaluator_reset(struct weir_evaluator *ev)
{
	ev->used = 0;
	for (struct chunk *c = ev->first; c; c = c->next)
		c->used = 0;
	ev->at = ev->first;
}

static void need_registers(struct weir_evaluator *ev, uint32_t count)
{
	if (weir_likely(count <= ev->vec_count))
		return;
	if (count > ev->vec_cap) {
		uint32_t cap = WEIR_MAX(WEIR_MAX(ev->vec_cap * 2, 16u), count);
		struct weir_vec **bigger = weir_region_array(ev->region, struct weir_vec *, cap);

		if (ev->vec_count)
			memcpy(bigger, ev->vec, ev->vec_count * sizeof(*bigger));
		ev->vec = bigger;
		ev->vec_cap = cap;
	}
	while (ev->vec_count < count)
		ev->vec[ev->vec_count++] = weir_region_new(ev->region, struct weir_vec);
}

static void next_chunk(struct weir_evaluator *ev, size_t need)
{
	struct chunk *c = ev->at ? ev->at->next : NULL;

	if (!c || c->size < need) {
		/* In front of a chunk that is too small for this, which stays for later. */
		size_t size = WEIR_MAX(need, WEIR_EXPR_TEXT_CHUNK);
		struct chunk *fresh = weir_region_alloc(
			ev->region, WEIR_ALIGN_UP(sizeof(*fresh), (size_t)16) + size);

		fresh->size = size;
		fresh->next = c;
		if (ev->at)
			ev->at->next = fresh;
		else
			ev->first = fresh;
		c = fresh;
	}
	ev->at = c;
}

void *weir__expr_text(struct weir_expr_run *r, uint32_t lane, size_t n, size_t align)
{
	struct weir_evaluator *ev = r->ev;
	struct chunk *c = ev->at;
	size_t at;

	if (weir_unlikely(n > WEIR_EXPR_LANE_TEXT - ev->lane_text[lane]))
		return NULL;
	at = c ? WEIR_ALIGN_UP(c->used, align) : 0;
	if (weir_unlikely(!c || at > c->size || n > c->size - at)) {
		next_chunk(ev, n);
		c = ev->at;
		at = 0;
	}
	ev->lane_text[lane] += (uint32_t)n;
	c->used = at + n;
	return (uint8_t *)c + WEIR_ALIGN_UP(sizeof(*c), (size_t)16) + at;
}

uint8_t *weir__expr_mask_room(struct weir_expr_run *r, unsigned level)
{
	struct weir_evaluator *ev = r->ev;

	weir_assert(level < WEIR_EXPR_MASKS_MAX);
	if (!ev->masks)
		ev->masks = weir_region_alloc(ev->region,
					      (size_t)WEIR_EXPR_MASKS_MAX * WEIR_EXPR_LANES);
	return ev->masks + (size_t)level * WEIR_EXPR_LANES;
}

static const weir_expr_kernel kernels[WEIR_X_COUNT] = {
#define WEIR_EXPR_OP_ENTRY(name, kernel) [WEIR_X_##name] = weir__k_##kernel,
	WEIR_EXPR_OPS(WEIR_EXPR_OP_ENTRY)
#undef WEIR_EXPR_OP_ENTRY
};

const struct weir_vec *weir_expr_eval(const struct weir_expr *e, struct weir_evaluator *ev,
				      const struct weir_frame *const *row, uint32_t n)
{
	struct weir_expr_run r = {.e = e, .ev = ev, .row = row, .n = n};
	struct weir_vec *result;

	weir_assert(n <= WEIR_EXPR_LANES);
	need_registers(ev, ev->used + e->reg_count);
	r.reg = ev->vec + ev->used;
	if (ev->first)
		memset(ev->lane_text, 0, sizeof(ev->lane_text));
	for (uint32_t i = 0; i < e->ins_count; i++)
		kernels[e->ins[i].op](&r, &e->ins[i]);
	result = r.reg[e->result];
	r.reg[e->result] = r.reg[0];
	r.reg[0] = result;
	ev->used++;
	return result;
}

void weir__vec_merge_state(struct weir_vec *d, const struct weir_vec *a, const struct weir_vec *b,
			   uint32_t n)
{
	d->clean = false;
	if (a->clean) {
		memcpy(d->state, b->state, n);
	} else if (b->clean) {
		memcpy(d->state, a->state, n);
	} else {
		for (uint32_t i = 0; i < n; i++)
			d->state[i] = WEIR_MAX(a->state[i], b->state[i]);
	}
}

void weir__vec_mark(struct weir_vec *d, uint32_t lane, unsigned state)
{
	if (d->clean) {
		memset(d->state, 0, sizeof(d->state));
		d->clean = false;
	}
	if (d->state[lane] == WEIR_LANE_OK)
		d->state[lane] = (uint8_t)state;
}

const char *weir_lane_error(unsigned state)
{
	static const char *const text[WEIR_LANE_STATE_COUNT] = {
		[WEIR_LANE_OK] = "no error",
		[WEIR_LANE_NULL] = "null",
		[WEIR_LANE_OVERFLOW] = "arithmetic overflow",
		[WEIR_LANE_DIV_ZERO] = "division by zero",
		[WEIR_LANE_CONVERT] = "conversion failed",
		[WEIR_LANE_INDEX] = "index out of range",
		[WEIR_LANE_LIMIT] = "text or pattern limit reached",
	};

	return state < WEIR_LANE_STATE_COUNT ? text[state] : "unknown state";
}

static void store_list(const struct weir_list *l, struct weir_typeinfo type, struct weir_builder *b,
		       unsigned i)
{
	bool text = weir_type_is_text(type.elem);
	uint32_t offset, at;
	uint8_t *slots;

	if (b->full)
		return;
	if (l->count > UINT32_MAX / 8) {
		b->full = true;
		return;
	}
	slots = weir_build_tail(b, (size_t)l->count * 8, 8, &offset);
	if (!slots)
		return;
	for (uint32_t k = 0; k < l->count; k++) {
		uint64_t slot;

		if (text) {
			uint8_t *p = weir_build_tail(b, l->str[k].n, 1, &at);

			if (!p)
				return;
			if (l->str[k].n)
				memcpy(p, l->str[k].p, l->str[k].n);
			slot = (uint64_t)at | (uint64_t)l->str[k].n << 32;
		} else {
			slot = l->slot[k];
		}
		memcpy(slots + (size_t)k * 8, &slot, 8);
	}
	weir_build_slot(b, i, (uint64_t)offset | (uint64_t)l->count << 32);
}

void weir_vec_store(const struct weir_vec *v, struct weir_typeinfo type, uint32_t lane,
		    struct weir_builder *b, unsigned i)
{
	if (weir_vec_state(v, lane) != WEIR_LANE_OK)
		weir_build_null(b, i);
	else if (type.type == WEIR_LIST)
		store_list(&v->list[lane], type, b, i);
	else if (weir_type_is_text(type.type))
		weir_build_str(b, i, v->str[lane]);
	else
		weir_build_i64(b, i, v->i64[lane]); /* float64 too: the same bits */
}
