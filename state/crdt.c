/* SPDX-License-Identifier: Apache-2.0 */
#include "state/crdt.h"

#include "base/assert.h"
#include "state/crdt_int.h"

const struct crdt_class *const weir__crdt_classes[WEIR_CRDT_TYPE_COUNT] = {
	[WEIR_CRDT_PCOUNT] = &weir__crdt_pcount,
	[WEIR_CRDT_MAX] = &weir__crdt_max,
	[WEIR_CRDT_MIN] = &weir__crdt_min,
	[WEIR_CRDT_FLAG] = &weir__crdt_flag,
	[WEIR_CRDT_FLAG_OFF] = &weir__crdt_flag_off,
	[WEIR_CRDT_LWW] = &weir__crdt_lww,
	[WEIR_CRDT_MV] = &weir__crdt_mv,
	[WEIR_CRDT_ORSET] = &weir__crdt_orset,
	[WEIR_CRDT_ORMAP] = &weir__crdt_ormap,
	[WEIR_CRDT_BCOUNT] = &weir__crdt_bcount,
	[WEIR_CRDT_LOG] = &weir__crdt_log,
	[WEIR_CRDT_HLL] = &weir__crdt_hll,
	[WEIR_CRDT_DDSKETCH] = &weir__crdt_ddsketch,
	[WEIR_CRDT_COUNTMIN] = &weir__crdt_countmin,
	[WEIR_CRDT_TOPK] = &weir__crdt_topk,
	[WEIR_CRDT_CUSTOM] = &weir__crdt_custom,
};

static const char *const names[WEIR_CRDT_TYPE_COUNT] = {
	[WEIR_CRDT_PCOUNT] = "pcount",
	[WEIR_CRDT_MAX] = "max",
	[WEIR_CRDT_MIN] = "min",
	[WEIR_CRDT_FLAG] = "flag",
	[WEIR_CRDT_FLAG_OFF] = "flag_off",
	[WEIR_CRDT_LWW] = "lww",
	[WEIR_CRDT_MV] = "mv",
	[WEIR_CRDT_ORSET] = "orset",
	[WEIR_CRDT_ORMAP] = "ormap",
	[WEIR_CRDT_BCOUNT] = "bcount",
	[WEIR_CRDT_LOG] = "log",
	[WEIR_CRDT_HLL] = "hll",
	[WEIR_CRDT_DDSKETCH] = "ddsketch",
	[WEIR_CRDT_COUNTMIN] = "countmin",
	[WEIR_CRDT_TOPK] = "topk",
	[WEIR_CRDT_CUSTOM] = "custom",
};

static const struct crdt_class *class_of(const struct weir_crdt *t)
{
	weir_assert(t->type > 0 && t->type < WEIR_CRDT_TYPE_COUNT);
	return weir__crdt_classes[t->type];
}

const char *weir_crdt_name(unsigned type)
{
	return type > 0 && type < WEIR_CRDT_TYPE_COUNT ? names[type] : "?";
}

int weir_crdt_find(struct weir_str name)
{
	for (int i = 1; i < WEIR_CRDT_TYPE_COUNT; i++)
		if (weir_str_is(name, names[i]))
			return i;
	return -1;
}

int weir_crdt_check(const struct weir_crdt *t, struct weir_str v)
{
	struct crdt_parts parts;

	class_of(t);
	return weir__crdt_parse_all(t, v, &parts);
}

/* Which of two copies of a part counts. Of one version there is one part, whole or pruned: what is whole wins. The last comparison
 * decides between bytes that no writer made, so that join stays a join. */
static const struct crdt_part *newer(const struct crdt_part *a, const struct crdt_part *b)
{
	int c = crdt_order(a->version, b->version);

	if (!c)
		c = crdt_order(a->body.n, b->body.n);
	if (!c && a->body.n)
		c = memcmp(a->body.p, b->body.p, a->body.n);
	return c >= 0 ? a : b;
}

static int parts_join(const struct crdt_parts *a, const struct crdt_parts *b,
		      struct crdt_parts *ret)
{
	uint32_t i = 0, k = 0;

	ret->n = 0;
	ret->has_merged = false;
	while (i < a->n || k < b->n) {
		const struct crdt_part *p;

		if (k == b->n || (i < a->n && a->p[i].writer < b->p[k].writer))
			p = &a->p[i++];
		else if (i == a->n || b->p[k].writer < a->p[i].writer)
			p = &b->p[k++];
		else
			p = newer(&a->p[i++], &b->p[k++]);
		if (ret->n == WEIR_CRDT_PARTS)
			return WEIR_E_RANGE;
		ret->p[ret->n++] = *p;
	}
	return 0;
}

/* Writes v; of custom also what is made from it. */
static void finish(const struct weir_crdt *t, struct crdt_parts *v, struct weir_out *o)
{
	struct weir_out hold;

	weir_out_init(&hold, o->mem);
	v->has_merged = false;
	if (t->type == WEIR_CRDT_CUSTOM)
		weir__crdt_custom_merge(t, v, &hold);
	weir__crdt_write(v, o);
	weir_out_fini(&hold);
}

int weir_crdt_join(const struct weir_crdt *t, struct weir_str a, struct weir_str b,
		   struct weir_out *o, const struct weir_crdt_conflicts *conflicts)
{
	const struct crdt_class *cls = class_of(t);
	struct crdt_parts pa, pb, v;
	int rc = weir__crdt_parse_all(t, a, &pa);

	if (!rc)
		rc = weir__crdt_parse_all(t, b, &pb);
	if (!rc)
		rc = parts_join(&pa, &pb, &v);
	if (rc)
		return rc;
	if (conflicts && cls->conflicts)
		cls->conflicts(t, &pa, &pb, &v, conflicts);
	finish(t, &v, o);
	return 0;
}

/* Puts the new part of a writer in its place. */
static int part_set(struct crdt_parts *v, const struct crdt_part *p)
{
	uint32_t i = 0;

	while (i < v->n && v->p[i].writer < p->writer)
		i++;
	if (i == v->n || v->p[i].writer != p->writer) {
		if (v->n == WEIR_CRDT_PARTS)
			return WEIR_E_RANGE;
		memmove(&v->p[i + 1], &v->p[i], (v->n - i) * sizeof(v->p[0]));
		v->n++;
	}
	v->p[i] = *p;
	return 0;
}

int weir_crdt_apply(const struct weir_crdt *t, struct weir_str v, const struct weir_crdt_op *op,
		    const struct weir_dot *dot, struct weir_out *o)
{
	const struct crdt_class *cls = class_of(t);
	const struct crdt_part *mine;
	struct crdt_part part = {.writer = dot->writer, .version = dot->version};
	struct crdt_parts parts;
	struct weir_out body, flat;
	int rc = weir__crdt_parse_all(t, v, &parts);

	if (rc)
		return rc;
	mine = weir__crdt_part_of(&parts, dot->writer);
	if (!dot->writer || dot->version <= (mine ? mine->version : 0) ||
	    dot->version == UINT64_MAX)
		return WEIR_E_RANGE;
	weir_out_init(&body, o->mem);
	rc = cls->apply(t, &parts, mine, op, dot, &body);
	if (rc == 0) {
		part.body = weir__crdt_flat(&body, &flat);
		rc = part_set(&parts, &part);
		if (rc == 0)
			finish(t, &parts, o);
		weir_out_fini(&flat);
	} else if (rc == 1) {
		weir_out_put(o, v.p, v.n);
		rc = 0;
	}
	weir_out_fini(&body);
	return rc;
}

int weir_crdt_own(const struct weir_crdt *t, struct weir_str v, weir_writer w, struct weir_out *o)
{
	const struct crdt_part *p;
	struct crdt_parts parts, own = {0};
	int rc = weir__crdt_parse_all(t, v, &parts);

	class_of(t);
	if (rc)
		return rc;
	p = weir__crdt_part_of(&parts, w);
	if (p) {
		own.p[own.n++] = *p;
		weir__crdt_write(&own, o);
	}
	return 0;
}

uint64_t weir_crdt_seen(const struct weir_crdt *t, struct weir_str v, weir_writer w)
{
	const struct crdt_part *p;
	struct crdt_parts parts;

	if (weir__crdt_parse(t, v, &parts))
		return 0;
	p = weir__crdt_part_of(&parts, w);
	return p ? p->version : 0;
}

int weir_crdt_prune(const struct weir_crdt *t, struct weir_str v, crdt_stable_fn stable, void *ctx,
		    struct weir_out *o)
{
	const struct crdt_class *cls = class_of(t);
	struct crdt_stable s = {.of = stable, .ctx = ctx};
	struct crdt_parts parts;
	int rc = weir__crdt_parse_all(t, v, &parts);

	if (rc)
		return rc;
	if (cls->prune)
		cls->prune(t, &parts, &s);
	finish(t, &parts, o);
	return 0;
}

/* ---- reading ---- */

int weir_crdt_number(const struct weir_crdt *t, struct weir_str v, int64_t *ret)
{
	const struct crdt_class *cls = class_of(t);
	struct crdt_parts parts;
	int rc = weir__crdt_parse_all(t, v, &parts);

	*ret = 0;
	if (rc)
		return rc;
	return cls->number ? cls->number(t, &parts, ret) : WEIR_E_RANGE;
}

bool weir_crdt_value(const struct weir_crdt *t, struct weir_str v, struct weir_str *ret)
{
	const struct crdt_class *cls = class_of(t);
	struct crdt_parts parts;

	*ret = (struct weir_str){"", 0};
	return cls->value && weir__crdt_parse_all(t, v, &parts) == 0 && cls->value(t, &parts, ret);
}

bool weir_crdt_next(const struct weir_crdt *t, struct weir_str v, uint64_t *at,
		    struct weir_crdt_item *ret)
{
	const struct crdt_class *cls = class_of(t);
	struct crdt_parts parts;

	*ret = (struct weir_crdt_item){0};
	/* Whole checks at the beginning only: v must stay as it is between the calls. */
	if (!cls->next ||
	    (*at ? weir__crdt_parse(t, v, &parts) : weir__crdt_parse_all(t, v, &parts)))
		return false;
	return cls->next(t, &parts, at, ret);
}

int weir_crdt_each(const struct weir_crdt *t, struct weir_str v, weir_crdt_item_fn fn, void *ctx)
{
	const struct crdt_class *cls = class_of(t);
	struct weir_crdt_item item = {0};
	struct crdt_parts parts;
	uint64_t at = 0;
	int rc = weir__crdt_parse_all(t, v, &parts);

	if (rc)
		return rc;
	if (cls->each)
		cls->each(t, &parts, fn, ctx);
	else if (cls->next)
		while (cls->next(t, &parts, &at, &item) && fn(ctx, &item))
			item = (struct weir_crdt_item){0};
	return 0;
}
