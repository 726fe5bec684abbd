/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/agg_fn.h"

#include "base/keyhash.h"

static void count_update(const struct weir_agg *a, const struct weir_agg_rows *rows)
{
	const struct weir_agg_col *c = a->arg;

	if (!c || !c->state) {
		for (uint32_t i = 0; i < rows->count; i++)
			++*(uint64_t *)(void *)(rows->at[i] + a->offset);
		return;
	}
	for (uint32_t i = 0; i < rows->count; i++)
		*(uint64_t *)(void *)(rows->at[i] + a->offset) +=
			c->state[rows->lane[i]] == WEIR_LANE_OK;
}

static void count_merge(const struct weir_agg *a, struct weir_slab *slab, void *dst,
			const void *src)
{
	(void)a;
	(void)slab;
	*(uint64_t *)dst += *(const uint64_t *)src;
}

static const char *count_build(const struct weir_agg *a, const void *state, struct weir_builder *b,
			       unsigned i)
{
	(void)a;
	weir_build_slot(b, i, *(const uint64_t *)state);
	return NULL;
}

bool weir__agg_count_load(struct weir_reader *r, uint64_t *ret)
{
	*ret = weir_read_varint(r);
	return !r->bad && *ret <= INT64_MAX;
}

static void count_save(const struct weir_agg *a, const void *state, struct weir_out *o)
{
	(void)a;
	weir_out_varint(o, *(const uint64_t *)state);
}

static int count_load(const struct weir_agg *a, struct weir_slab *slab, void *state,
		      struct weir_reader *r)
{
	uint64_t count;

	(void)a;
	(void)slab;
	if (!weir__agg_count_load(r, &count))
		return WEIR_E_CORRUPT;
	*(uint64_t *)state = count;
	return 0;
}

static const struct weir_agg_class count_class = {
	.update = count_update,
	.merge = count_merge,
	.build = count_build,
	.save = count_save,
	.load = count_load,
	.name = "count",
};

int weir_agg_init(struct weir_agg *a, const struct weir_agg_spec *spec)
{
	memset(a, 0, sizeof(*a));
	a->arg_type = spec->arg_type;
	a->by_type = spec->by_type;
	a->result_type = spec->result_type;
	switch (spec->fn) {
	case WEIR_AGG_COUNT:
		a->cls = &count_class;
		a->size = 8;
		return 0;
	case WEIR_AGG_SUM:
	case WEIR_AGG_AVG:
		return weir__agg_sum_init(a, spec);
	case WEIR_AGG_MIN:
	case WEIR_AGG_MAX:
	case WEIR_AGG_FIRST:
	case WEIR_AGG_LAST:
	case WEIR_AGG_ARG_MIN:
	case WEIR_AGG_ARG_MAX:
		return weir__agg_order_init(a, spec);
	case WEIR_AGG_DISTINCT:
		return weir__agg_distinct_init(a, spec);
	default:
		return WEIR_E_TYPE;
	}
}

int64_t weir_f64_rank(uint64_t slot, bool nan_low)
{
	double d;

	memcpy(&d, &slot, 8);
	if (d != d) {
		if (nan_low)
			return INT64_MIN;
		slot = UINT64_C(0x7ff8000000000000);
	}
	return (int64_t)(slot ^ ((slot >> 63) * UINT64_C(0x7fffffffffffffff)));
}

uint64_t weir_f64_unrank(int64_t rank)
{
	uint64_t slot = (uint64_t)rank;

	if (rank == INT64_MIN)
		return UINT64_C(0x7ff8000000000000);
	return slot ^ ((slot >> 63) * UINT64_C(0x7fffffffffffffff));
}

bool weir_agg_rank_fine(struct weir_typeinfo type, int64_t rank, bool nan_low)
{
	if (type.type == WEIR_FLOAT64)
		return weir_f64_rank(weir_f64_unrank(rank), nan_low) == rank;
	return type.type != WEIR_BOOL || (rank >= 0 && rank <= 1);
}

void weir_agg_text_set(struct weir_agg_text *t, struct weir_slab *slab, struct weir_str s)
{
	if (s.n > t->cap || !t->p) {
		weir_slab_free(slab, t->p, t->cap);
		t->cap = (uint32_t)weir_slab_size(s.n);
		t->p = weir_slab_alloc(slab, t->cap);
	}
	if (s.n)
		memmove(t->p, s.p, s.n);
	t->n = (uint32_t)s.n;
}

void weir_agg_text_free(struct weir_agg_text *t, struct weir_slab *slab)
{
	weir_slab_free(slab, t->p, t->cap);
	*t = (struct weir_agg_text){0};
}

bool weir_agg_text_load(struct weir_agg_text *t, struct weir_slab *slab, struct weir_reader *r)
{
	struct weir_str s = weir_read_text(r);

	if (r->bad || s.n > WEIR_OUT_TEXT_MAX)
		return false;
	weir_agg_text_set(t, slab, s);
	return true;
}
