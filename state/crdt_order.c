/* SPDX-License-Identifier: Apache-2.0 */
/* Largest and smallest, in the order of bytes. body = the writer's value; a writer that would change nothing writes nothing. */
#include "state/crdt_int.h"

/* Is a further than b? */
static bool beats(const struct weir_crdt *t, struct weir_str a, struct weir_str b)
{
	int c = weir_str_cmp(a, b);

	return t->type == WEIR_CRDT_MAX ? c > 0 : c < 0;
}

static const struct crdt_part *best(const struct weir_crdt *t, const struct crdt_parts *v,
				    const struct crdt_stable *s)
{
	const struct crdt_part *b = NULL;

	for (uint32_t i = 0; i < v->n; i++) {
		if (s && !weir__crdt_is_stable(s, v->p[i].writer, v->p[i].version))
			continue;
		if (!b || beats(t, v->p[i].body, b->body))
			b = &v->p[i];
	}
	return b;
}

static bool order_check(const struct weir_crdt *t, const struct crdt_part *p)
{
	(void)t;
	(void)p;
	return true;
}

static int order_apply(const struct weir_crdt *t, const struct crdt_parts *v,
		       const struct crdt_part *mine, const struct weir_crdt_op *op,
		       const struct weir_dot *dot, struct weir_out *body)
{
	const struct crdt_part *b = best(t, v, NULL);

	(void)mine;
	(void)dot;
	if (op->verb != WEIR_CRDT_SET)
		return WEIR_E_RANGE;
	if (b && !beats(t, op->value, b->body))
		return 1;
	weir_out_put(body, op->value.p, op->value.n);
	return 0;
}

/* Of the parts that everybody has, one is enough. */
static void order_prune(const struct weir_crdt *t, struct crdt_parts *v,
			const struct crdt_stable *s)
{
	const struct crdt_part *b = best(t, v, s);
	bool gone[WEIR_CRDT_PARTS];

	for (uint32_t i = 0; i < v->n; i++)
		gone[i] = b && &v->p[i] != b &&
			  weir__crdt_is_stable(s, v->p[i].writer, v->p[i].version);
	weir__crdt_drop(v, gone);
}

static bool order_value(const struct weir_crdt *t, const struct crdt_parts *v, struct weir_str *ret)
{
	const struct crdt_part *b = best(t, v, NULL);

	if (b)
		*ret = b->body;
	return b != NULL;
}

static int order_number(const struct weir_crdt *t, const struct crdt_parts *v, int64_t *ret)
{
	const struct crdt_part *b = best(t, v, NULL);

	if (!b || b->body.n != 8)
		return WEIR_E_RANGE;
	*ret = weir_crdt_i64_of((const uint8_t *)b->body.p);
	return 0;
}

const struct crdt_class weir__crdt_max = {.check = order_check,
					  .apply = order_apply,
					  .prune = order_prune,
					  .number = order_number,
					  .value = order_value};
const struct crdt_class weir__crdt_min = {.check = order_check,
					  .apply = order_apply,
					  .prune = order_prune,
					  .number = order_number,
					  .value = order_value};
