/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A user's type: registers with a context (crdt_reg.c), and the user's merge where writes are concurrent. What it gives is kept with the
 * value (merged), and made anew from the parts with every change: the parts alone travel. They are folded in the order of writers.
 * base, for merges of three: what the writer had when it began. It stays while the writer only replaces what it wrote itself, since others
 * may have begun there, too.
 */
#include "state/crdt_int.h"

#define BYTES_DEFAULT 65536u

static size_t cap_of(const struct weir_crdt *t)
{
	return t->limit ? t->limit : BYTES_DEFAULT;
}

/* Living writes with a value. */
static void valued(const struct crdt_parts *v, struct crdt_regs *ret)
{
	uint32_t n = 0;

	weir__crdt_reg_live(v, ret);
	for (uint32_t i = 0; i < ret->n; i++)
		if (ret->r[i].has_value)
			ret->r[n++] = ret->r[i];
	ret->n = n;
}

bool weir__crdt_custom_canonical(const struct crdt_parts *v)
{
	struct crdt_regs live;

	valued(v, &live);
	return v->has_merged == (live.n > 1);
}

static bool saw_all(const struct crdt_reg *r, struct weir_str ctx)
{
	struct weir_reader in = crdt_reader(ctx);

	while (weir_reader_left(&in)) {
		weir_writer w = weir_read_varint(&in);

		if (!weir__crdt_reg_saw(r, w, weir_read_varint(&in)))
			return false;
	}
	return true;
}

static bool ctx_holds(struct weir_str ctx, struct weir_str other)
{
	struct weir_reader in = crdt_reader(other);

	while (weir_reader_left(&in)) {
		weir_writer w = weir_read_varint(&in);

		if (weir__crdt_ctx_of(ctx, w) < weir_read_varint(&in))
			return false;
	}
	return true;
}

/* The newest base that all have seen. */
static struct weir_str common_base(const struct crdt_regs *live)
{
	const struct crdt_reg *best = NULL;

	for (uint32_t i = 0; i < live->n; i++) {
		const struct crdt_reg *r = &live->r[i];
		bool common = r->has_base;

		for (uint32_t k = 0; common && k < live->n; k++)
			common = saw_all(&live->r[k], r->base_ctx);
		if (common && (!best || ctx_holds(r->base_ctx, best->base_ctx)))
			best = r;
	}
	return best ? best->base : (struct weir_str){"", 0};
}

static int64_t ask(const struct weir_crdt *t, struct weir_str base, struct weir_str a,
		   struct weir_str b, uint8_t *out, size_t cap)
{
	const struct weir_crdt_custom *c = t->custom;

	if (c && c->join)
		return c->join(c->ctx, a.p, a.n, b.p, b.n, out, cap);
	if (c && c->merge3)
		return c->merge3(c->ctx, base.p, base.n, a.p, a.n, b.p, b.n, out, cap);
	return -1;
}

void weir__crdt_custom_merge(const struct weir_crdt *t, struct crdt_parts *v, struct weir_out *hold)
{
	size_t cap = cap_of(t);
	struct weir_dot dot;
	struct crdt_regs live;
	struct weir_str acc, base;
	uint8_t *room;

	valued(v, &live);
	v->has_merged = live.n > 1;
	if (!v->has_merged)
		return;
	base = common_base(&live);
	room = weir_out_claim(hold, 2 * cap);
	acc = live.r[0].value;
	dot = live.r[0].dot;
	for (uint32_t i = 1; i < live.n; i++) {
		uint8_t *out = room + (i & 1) * cap;
		bool later = weir__crdt_dot_cmp(&live.r[i].dot, &dot) > 0;
		int64_t n = ask(t, base, acc, live.r[i].value, out, cap);

		if (n >= 0 && (uint64_t)n <= cap)
			acc = (struct weir_str){(const char *)out, (size_t)n};
		else if (later)
			acc = live.r[i].value;
		if (later)
			dot = live.r[i].dot;
	}
	v->merged = acc;
}

/* What a write on v is based on; false: nothing. */
static bool base_of(const struct crdt_parts *v, const struct crdt_part *mine, struct weir_out *ctx,
		    struct weir_str *ret)
{
	const struct weir_crdt_op none = {.verb = WEIR_CRDT_SET};
	struct crdt_regs live;

	valued(v, &live);
	if (!live.n)
		return false;
	if (live.n == 1 && live.r[0].part == mine) {
		weir_out_put(ctx, live.r[0].base_ctx.p, live.r[0].base_ctx.n);
		*ret = live.r[0].base;
		return live.r[0].has_base;
	}
	weir__crdt_ctx_put(v, &none, 0, ctx);
	*ret = v->has_merged ? v->merged : live.r[0].value;
	return true;
}

static int custom_apply(const struct weir_crdt *t, const struct crdt_parts *v,
			const struct crdt_part *mine, const struct weir_crdt_op *op,
			const struct weir_dot *dot, struct weir_out *body)
{
	bool set = op->verb == WEIR_CRDT_SET, has_base = false;
	struct weir_str base = {"", 0}, ctx, base_ctx;
	struct weir_out out, base_out, hold, base_hold;

	if ((!set && op->verb != WEIR_CRDT_CLEAR) || op->value.n > cap_of(t))
		return WEIR_E_RANGE;
	weir_out_init(&out, body->mem);
	weir_out_init(&base_out, body->mem);
	weir__crdt_ctx_put(v, op, dot->writer, &out);
	if (set && t->custom && t->custom->merge3 && !t->custom->join)
		has_base = base_of(v, mine, &base_out, &base);
	ctx = weir__crdt_flat(&out, &hold);
	base_ctx = weir__crdt_flat(&base_out, &base_hold);
	weir__crdt_reg_put(body, dot, set ? &op->value : NULL, ctx, has_base ? &base : NULL,
			   base_ctx);
	weir_out_fini(&base_hold);
	weir_out_fini(&hold);
	weir_out_fini(&base_out);
	weir_out_fini(&out);
	return 0;
}

static bool custom_value(const struct weir_crdt *t, const struct crdt_parts *v,
			 struct weir_str *ret)
{
	struct crdt_regs live;

	(void)t;
	valued(v, &live);
	if (!live.n)
		return false;
	*ret = v->has_merged ? v->merged : live.r[0].value;
	return true;
}

const struct crdt_class weir__crdt_custom = {.check = weir__crdt_reg_check,
					     .apply = custom_apply,
					     .prune = weir__crdt_reg_prune,
					     .conflicts = weir__crdt_reg_conflicts,
					     .value = custom_value};
