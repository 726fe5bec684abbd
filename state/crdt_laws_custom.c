/* SPDX-License-Identifier: Apache-2.0 */
#include "state/crdt_laws_int.h"

#define CAP_DEFAULT 65536u

struct answer {
	bool cannot;
	struct weir_str s;
};

/* base is not read by join(). */
static struct answer ask(struct laws *l, struct weir_str base, struct weir_str a, struct weir_str b)
{
	const struct weir_crdt_custom *c = l->t->custom;
	size_t cap = l->t->limit ? l->t->limit : CAP_DEFAULT;
	struct weir_out o;
	struct answer r;
	int64_t n;
	void *p;

	weir_out_init(&o, l->mem);
	p = weir_out_claim(&o, cap);
	if (c->join)
		n = c->join(c->ctx, a.p, a.n, b.p, b.n, p, cap);
	else
		n = c->merge3(c->ctx, base.p, base.n, a.p, a.n, b.p, b.n, p, cap);
	r.cannot = n < 0;
	if (n > (int64_t)cap)
		weir__laws_fail(l, "more bytes than there is room for", a, b);
	if (n < 0 || n > (int64_t)cap)
		n = 0;
	r.s.p = weir_region_strdup(&l->region, (struct weir_str){p, (size_t)n});
	r.s.n = (size_t)n;
	weir_out_fini(&o);
	return r;
}

static void same(struct laws *l, const char *law, struct answer a, struct answer b)
{
	if (a.cannot != b.cannot)
		weir__laws_fail(l, law, a.s, b.s);
	weir__laws_same(l, law, a.s, b.s);
}

void weir__laws_custom(struct laws *l)
{
	struct weir_str a = weir__laws_value(l), b = weir__laws_value(l), c = weir__laws_value(l);
	const struct weir_crdt_custom *f = l->t->custom;
	struct answer ab, bc, it;

	if (!f || (!f->join && !f->merge3))
		return;
	ab = ask(l, c, a, b);
	same(l, "the merge gives the same bytes when asked again", ab, ask(l, c, a, b));
	same(l, "the merge is commutative", ab, ask(l, c, b, a));
	it = ask(l, c, a, a);
	if (!it.cannot)
		weir__laws_same(l, "the merge is idempotent", it.s, a);
	if (!f->join) {
		it = ask(l, a, a, b);
		if (!it.cannot)
			weir__laws_same(l, "the merge takes the side that changed", it.s, b);
		return;
	}
	bc = ask(l, c, b, c);
	if (ab.cannot || bc.cannot)
		return;
	it = ask(l, c, ab.s, c);
	bc = ask(l, c, a, bc.s);
	if (!it.cannot && !bc.cannot)
		weir__laws_same(l, "the merge is associative", it.s, bc.s);
}
