/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers: lww, mv, flags, and the parts of custom. body = u8 flags (1 value, 2 base), u64 hlc, text ctx, [text base_ctx, text base],
 * value. ctx = (varint writer, varint version)*, ascending: what the write had seen of others. A write lives while no other one has
 * seen it. A context never loses an entry: a newer version of a part must stand above all that the older one stood above.
 */
#include "state/crdt_int.h"

#define HAS_VALUE 1u
#define HAS_BASE 2u

static bool ctx_check(struct weir_str ctx, weir_writer not_me)
{
	struct weir_reader r = crdt_reader(ctx);
	weir_writer last = 0;

	while (!r.bad && weir_reader_left(&r)) {
		weir_writer w = weir_read_varint(&r);

		r.bad |= weir_read_varint(&r) == 0 || w <= last || w == not_me;
		last = w;
	}
	return !r.bad;
}

uint64_t weir__crdt_ctx_of(struct weir_str ctx, weir_writer w)
{
	struct weir_reader r = crdt_reader(ctx);

	while (weir_reader_left(&r)) {
		weir_writer at = weir_read_varint(&r);
		uint64_t version = weir_read_varint(&r);

		if (at >= w)
			return at == w ? version : 0;
	}
	return 0;
}

static bool reg_parse(const struct crdt_part *p, struct crdt_reg *ret)
{
	struct weir_reader r = crdt_reader(p->body);
	uint8_t flags = weir_read_u8(&r);
	struct weir_str none = {"", 0};

	ret->part = p;
	ret->dot = (struct weir_dot){p->writer, p->version, weir_read_u64(&r)};
	ret->has_value = flags & HAS_VALUE;
	ret->has_base = flags & HAS_BASE;
	ret->ctx = weir_read_text(&r);
	ret->base_ctx = ret->has_base ? weir_read_text(&r) : none;
	ret->base = ret->has_base ? weir_read_text(&r) : none;
	ret->value = (struct weir_str){(const char *)r.p, weir_reader_left(&r)};
	return !r.bad && flags <= (HAS_VALUE | HAS_BASE);
}

void crdt_reg_read(const struct crdt_part *p, struct crdt_reg *ret)
{
	reg_parse(p, ret);
}

bool weir__crdt_reg_check(const struct weir_crdt *t, const struct crdt_part *p)
{
	bool flag = t->type == WEIR_CRDT_FLAG || t->type == WEIR_CRDT_FLAG_OFF;
	struct crdt_reg r;

	if (!reg_parse(p, &r) || !ctx_check(r.ctx, p->writer))
		return false;
	if (r.value.n && (!r.has_value || flag))
		return false;
	return !r.has_base || (t->type == WEIR_CRDT_CUSTOM && ctx_check(r.base_ctx, 0));
}

void weir__crdt_reg_put(struct weir_out *o, const struct weir_dot *dot,
			const struct weir_str *value, struct weir_str ctx,
			const struct weir_str *base, struct weir_str base_ctx)
{
	weir_out_u8(o, (uint8_t)((value ? HAS_VALUE : 0) | (base ? HAS_BASE : 0)));
	weir_out_u64(o, dot->hlc);
	weir_out_text(o, ctx);
	if (base) {
		weir_out_text(o, base_ctx);
		weir_out_text(o, *base);
	}
	if (value)
		weir_out_put(o, value->p, value->n);
}

bool weir__crdt_reg_saw(const struct crdt_reg *r, weir_writer w, uint64_t version)
{
	return (r->part->writer == w ? r->part->version : weir__crdt_ctx_of(r->ctx, w)) >= version;
}

static void reg_all(const struct crdt_parts *v, struct crdt_regs *ret)
{
	ret->n = v->n;
	for (uint32_t i = 0; i < v->n; i++)
		crdt_reg_read(&v->p[i], &ret->r[i]);
}

static bool reg_over(const struct crdt_reg *above, const struct crdt_reg *r)
{
	return above != r && weir__crdt_reg_saw(above, r->dot.writer, r->dot.version);
}

void weir__crdt_reg_live(const struct crdt_parts *v, struct crdt_regs *ret)
{
	bool dead[WEIR_CRDT_PARTS] = {0};
	uint32_t n = 0;

	reg_all(v, ret);
	for (uint32_t i = 0; i < ret->n; i++)
		for (uint32_t k = 0; k < ret->n && !dead[i]; k++)
			dead[i] = reg_over(&ret->r[k], &ret->r[i]);
	for (uint32_t i = 0; i < ret->n; i++)
		if (!dead[i])
			ret->r[n++] = ret->r[i];
	ret->n = n;
}

/* ---- contexts ---- */

/* The next writer behind `last` that is seen at all, and how far. */
struct ctx_at {
	weir_writer last, me, writer;
	uint64_t version;
};

static void ctx_take(struct ctx_at *c, weir_writer w, uint64_t version)
{
	if (w <= c->last || w == c->me || !version || (c->writer && w > c->writer))
		return;
	if (w < c->writer || !c->writer)
		c->version = 0;
	c->writer = w;
	c->version = WEIR_MAX(c->version, version);
}

void weir__crdt_ctx_put(const struct crdt_parts *v, const struct weir_crdt_op *op, weir_writer me,
			struct weir_out *o)
{
	struct ctx_at c = {.me = me};
	struct crdt_regs all;

	reg_all(v, &all);
	for (;;) {
		c.writer = 0;
		for (uint32_t i = 0; i < all.n; i++) {
			struct weir_reader r = crdt_reader(all.r[i].ctx);

			ctx_take(&c, all.r[i].dot.writer, all.r[i].dot.version);
			while (weir_reader_left(&r)) {
				weir_writer w = weir_read_varint(&r);

				ctx_take(&c, w, weir_read_varint(&r));
			}
		}
		for (uint32_t i = 0; !all.n && i < op->seen_count; i++)
			ctx_take(&c, op->seen[i].writer, op->seen[i].version);
		if (!c.writer)
			return;
		weir_out_varint(o, c.writer);
		weir_out_varint(o, c.version);
		c.last = c.writer;
	}
}

/* ---- what the types have in common ---- */

static int reg_apply(const struct weir_crdt *t, const struct crdt_parts *v,
		     const struct crdt_part *mine, const struct weir_crdt_op *op,
		     const struct weir_dot *dot, struct weir_out *body)
{
	bool flag = t->type == WEIR_CRDT_FLAG || t->type == WEIR_CRDT_FLAG_OFF;
	bool has = op->verb == WEIR_CRDT_SET && (!flag || op->value.n);
	struct weir_str on = {"", 0}, none = {"", 0};
	struct weir_out ctx, hold;

	(void)mine;
	if (op->verb != WEIR_CRDT_SET && op->verb != WEIR_CRDT_CLEAR)
		return WEIR_E_RANGE;
	weir_out_init(&ctx, body->mem);
	weir__crdt_ctx_put(v, op, dot->writer, &ctx);
	weir__crdt_reg_put(body, dot, has ? flag ? &on : &op->value : NULL,
			   weir__crdt_flat(&ctx, &hold), NULL, none);
	weir_out_fini(&hold);
	weir_out_fini(&ctx);
	return 0;
}

static const struct crdt_reg *winner(const struct crdt_regs *live)
{
	const struct crdt_reg *w = NULL;

	for (uint32_t i = 0; i < live->n; i++)
		if (!w || weir__crdt_dot_cmp(&live->r[i].dot, &w->dot) > 0)
			w = &live->r[i];
	return w;
}

/* Does the value read as if nobody had written it? */
static bool reads_empty(const struct weir_crdt *t, const struct crdt_regs *live)
{
	uint32_t with = 0;

	for (uint32_t i = 0; i < live->n; i++)
		with += live->r[i].has_value;
	if (t->type == WEIR_CRDT_LWW)
		return !live->n || !winner(live)->has_value;
	return t->type == WEIR_CRDT_FLAG_OFF ? with < live->n : with == 0;
}

static bool ctx_stable(struct weir_str ctx, const struct crdt_stable *s)
{
	struct weir_reader r = crdt_reader(ctx);

	while (weir_reader_left(&r)) {
		weir_writer w = weir_read_varint(&r);

		if (!weir__crdt_is_stable(s, w, weir_read_varint(&r)))
			return false;
	}
	return true;
}

void weir__crdt_reg_prune(const struct weir_crdt *t, struct crdt_parts *v,
			  const struct crdt_stable *s)
{
	bool gone[WEIR_CRDT_PARTS] = {0}, stable[WEIR_CRDT_PARTS], all = true;
	struct crdt_regs regs, live;

	reg_all(v, &regs);
	for (uint32_t i = 0; i < v->n; i++) {
		stable[i] = weir__crdt_is_stable(s, v->p[i].writer, v->p[i].version);
		all = all && stable[i] && ctx_stable(regs.r[i].ctx, s);
	}
	weir__crdt_reg_live(v, &live);
	if (all && reads_empty(t, &live)) {
		v->n = 0;
		return;
	}
	for (uint32_t i = 0; i < v->n; i++)
		for (uint32_t k = 0; k < v->n && stable[i] && !gone[i]; k++)
			gone[i] = stable[k] && !gone[k] && reg_over(&regs.r[k], &regs.r[i]);
	weir__crdt_drop(v, gone);
}

/* Has v both of them already? */
static bool met_in(const struct crdt_parts *v, const struct crdt_reg *a, const struct crdt_reg *b)
{
	const struct crdt_part *pa = weir__crdt_part_of(v, a->dot.writer);
	const struct crdt_part *pb = weir__crdt_part_of(v, b->dot.writer);

	return pa && pb && pa->version == a->dot.version && pb->version == b->dot.version;
}

void weir__crdt_reg_conflicts(const struct weir_crdt *t, const struct crdt_parts *a,
			      const struct crdt_parts *b, const struct crdt_parts *v,
			      const struct weir_crdt_conflicts *to)
{
	struct crdt_regs live;

	(void)t;
	weir__crdt_reg_live(v, &live);
	for (uint32_t i = 0; i < live.n; i++) {
		for (uint32_t k = i + 1; k < live.n; k++) {
			bool first = weir__crdt_dot_cmp(&live.r[i].dot, &live.r[k].dot) > 0;
			const struct crdt_reg *won = &live.r[first ? i : k];
			const struct crdt_reg *lost = &live.r[first ? k : i];
			struct weir_crdt_conflict c = {.won = won->dot,
						       .lost = lost->dot,
						       .won_value = won->value,
						       .lost_value = lost->value};

			if (!met_in(a, won, lost) && !met_in(b, won, lost))
				to->found(to->ctx, &c);
		}
	}
}

/* ---- reading ---- */

static bool lww_value(const struct weir_crdt *t, const struct crdt_parts *v, struct weir_str *ret)
{
	const struct crdt_reg *w;
	struct crdt_regs live;

	(void)t;
	weir__crdt_reg_live(v, &live);
	w = winner(&live);
	if (!w || !w->has_value)
		return false;
	*ret = w->value;
	return true;
}

static int flag_number(const struct weir_crdt *t, const struct crdt_parts *v, int64_t *ret)
{
	struct crdt_regs live;

	weir__crdt_reg_live(v, &live);
	*ret = live.n && !reads_empty(t, &live);
	return 0;
}

static int mv_number(const struct weir_crdt *t, const struct crdt_parts *v, int64_t *ret)
{
	struct crdt_regs live;

	(void)t;
	weir__crdt_reg_live(v, &live);
	for (uint32_t i = 0; i < live.n; i++)
		*ret += live.r[i].has_value;
	return 0;
}

static bool mv_next(const struct weir_crdt *t, const struct crdt_parts *v, uint64_t *at,
		    struct weir_crdt_item *ret)
{
	struct crdt_regs live;

	(void)t;
	weir__crdt_reg_live(v, &live);
	while (*at < live.n) {
		const struct crdt_reg *r = &live.r[(*at)++];

		if (!r->has_value)
			continue;
		ret->value = r->value;
		ret->dot = r->dot;
		return true;
	}
	return false;
}

const struct crdt_class weir__crdt_lww = {.check = weir__crdt_reg_check,
					  .apply = reg_apply,
					  .prune = weir__crdt_reg_prune,
					  .conflicts = weir__crdt_reg_conflicts,
					  .value = lww_value};
const struct crdt_class weir__crdt_mv = {.check = weir__crdt_reg_check,
					 .apply = reg_apply,
					 .prune = weir__crdt_reg_prune,
					 .number = mv_number,
					 .next = mv_next};
const struct crdt_class weir__crdt_flag = {.check = weir__crdt_reg_check,
					   .apply = reg_apply,
					   .prune = weir__crdt_reg_prune,
					   .number = flag_number};
const struct crdt_class weir__crdt_flag_off = {.check = weir__crdt_reg_check,
					       .apply = reg_apply,
					       .prune = weir__crdt_reg_prune,
					       .number = flag_number};
