/* SPDX-License-Identifier: Apache-2.0 */
#include "state/crdt_laws_int.h"

bool weir__laws_fail(struct laws *l, const char *law, struct weir_str a, struct weir_str b)
{
	if (!l->failed) {
		l->failed = law;
		l->a = a;
		l->b = b;
	}
	return false;
}

bool weir__laws_same(struct laws *l, const char *law, struct weir_str a, struct weir_str b)
{
	return weir_str_eq(a, b) || weir__laws_fail(l, law, a, b);
}

/* The bytes of o, in the region; o is given back. */
static struct weir_str take(struct laws *l, struct weir_out *o)
{
	char *p = weir_region_alloc(&l->region, (size_t)o->bytes + 1);
	struct weir_str s = {p, (size_t)o->bytes};

	weir_out_copy(o, p);
	weir_out_fini(o);
	return s;
}

struct weir_str weir__laws_join(struct laws *l, struct weir_str a, struct weir_str b)
{
	struct weir_out o;

	weir_out_init(&o, l->mem);
	if (weir_crdt_join(l->t, a, b, &o, NULL))
		weir__laws_fail(l, "join takes what it gave", a, b);
	return take(l, &o);
}

struct weir_str weir__laws_own(struct laws *l, struct weir_str v, weir_writer w)
{
	struct weir_out o;

	weir_out_init(&o, l->mem);
	if (weir_crdt_own(l->t, v, w, &o))
		weir__laws_fail(l, "own takes what was given", v, v);
	return take(l, &o);
}

struct weir_str weir__laws_prune(struct laws *l, struct weir_str v,
				 uint64_t (*stable)(void *ctx, weir_writer w), void *ctx)
{
	struct weir_out o;

	weir_out_init(&o, l->mem);
	if (weir_crdt_prune(l->t, v, stable, ctx, &o))
		weir__laws_fail(l, "prune takes what was given", v, v);
	return take(l, &o);
}

bool weir__laws_apply(struct laws *l, struct weir_str v, const struct weir_crdt_op *op,
		      const struct weir_dot *dot, struct weir_str *ret)
{
	struct weir_out o;
	int rc;

	weir_out_init(&o, l->mem);
	rc = weir_crdt_apply(l->t, v, op, dot, &o);
	if (rc && rc != WEIR_E_RANGE)
		weir__laws_fail(l, "apply takes what it gave", v, v);
	if (rc && o.bytes)
		weir__laws_fail(l, "a change that is refused writes nothing", v, v);
	*ret = take(l, &o);
	return rc == 0;
}
