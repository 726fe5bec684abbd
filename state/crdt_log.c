/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Append only. body = (varint version, u64 hlc, text value)*, versions ascend and hlc does not go back: the newest `limit` entries of
 * the writer. Read are the newest `limit` of all, by (hlc, writer, version).
 */
#include "state/crdt_int.h"

#define ENTRIES_DEFAULT 1000u

struct entry {
	uint64_t version, hlc;
	struct weir_str value;
};

struct walk {
	uint32_t n;
	const struct crdt_parts *v;
	struct weir_reader r[WEIR_CRDT_PARTS];
	struct entry e[WEIR_CRDT_PARTS];
	bool has[WEIR_CRDT_PARTS];
};

static bool entry_next(struct weir_reader *r, struct entry *ret)
{
	if (!weir_reader_left(r))
		return false;
	ret->version = weir_read_varint(r);
	ret->hlc = weir_read_u64(r);
	ret->value = weir_read_text(r);
	return !r->bad;
}

static uint32_t limit_of(const struct weir_crdt *t)
{
	return t->limit ? t->limit : ENTRIES_DEFAULT;
}

static bool log_check(const struct weir_crdt *t, const struct crdt_part *p)
{
	struct weir_reader r = crdt_reader(p->body);
	struct entry e, last = {0};

	(void)t;
	while (entry_next(&r, &e)) {
		if (e.version <= last.version || e.version > p->version || e.hlc < last.hlc)
			return false;
		last = e;
	}
	return !r.bad && last.version == p->version;
}

static uint64_t entries(const struct crdt_part *p)
{
	struct weir_reader r = crdt_reader(p->body);
	struct entry e;
	uint64_t n = 0;

	while (entry_next(&r, &e))
		n++;
	return n;
}

static int log_apply(const struct weir_crdt *t, const struct crdt_parts *v,
		     const struct crdt_part *mine, const struct weir_crdt_op *op,
		     const struct weir_dot *dot, struct weir_out *body)
{
	struct weir_reader r = {0};
	struct entry e = {0};
	uint64_t n = 0;

	(void)v;
	if (op->verb != WEIR_CRDT_ADD)
		return WEIR_E_RANGE;
	if (mine) {
		r = crdt_reader(mine->body);
		n = entries(mine);
	}
	for (; entry_next(&r, &e); n--) {
		if (n >= limit_of(t))
			continue;
		weir_out_varint(body, e.version);
		weir_out_u64(body, e.hlc);
		weir_out_text(body, e.value);
	}
	weir_out_varint(body, dot->version);
	weir_out_u64(body, WEIR_MAX(dot->hlc, e.hlc));
	weir_out_text(body, op->value);
	return 0;
}

static uint64_t total(const struct crdt_parts *v)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < v->n; i++)
		n += entries(&v->p[i]);
	return n;
}

static int log_number(const struct weir_crdt *t, const struct crdt_parts *v, int64_t *ret)
{
	uint64_t n = total(v);

	*ret = (int64_t)WEIR_MIN(n, (uint64_t)limit_of(t));
	return 0;
}

static bool walk_next(struct walk *w, struct weir_crdt_item *ret)
{
	const struct entry *min = NULL;
	uint32_t at = 0;

	for (uint32_t i = 0; i < w->n; i++) {
		/* Equal: the writer that comes first. */
		if (w->has[i] && (!min || w->e[i].hlc < min->hlc)) {
			min = &w->e[i];
			at = i;
		}
	}
	if (!min)
		return false;
	*ret = (struct weir_crdt_item){.value = min->value,
				       .dot = {w->v->p[at].writer, min->version, min->hlc}};
	w->has[at] = entry_next(&w->r[at], &w->e[at]);
	return true;
}

/* At the oldest entry that is read. */
static void walk_start(const struct weir_crdt *t, const struct crdt_parts *v, struct walk *w)
{
	uint64_t n = total(v), skip = n > limit_of(t) ? n - limit_of(t) : 0;
	struct weir_crdt_item item;

	w->n = v->n;
	w->v = v;
	for (uint32_t i = 0; i < v->n; i++) {
		w->r[i] = crdt_reader(v->p[i].body);
		w->has[i] = entry_next(&w->r[i], &w->e[i]);
	}
	while (skip-- && walk_next(w, &item))
		;
}

static bool log_next(const struct weir_crdt *t, const struct crdt_parts *v, uint64_t *at,
		     struct weir_crdt_item *ret)
{
	struct walk w;

	walk_start(t, v, &w);
	for (uint64_t i = 0; walk_next(&w, ret); i++) {
		if (i == *at) {
			++*at;
			return true;
		}
	}
	return false;
}

static void log_each(const struct weir_crdt *t, const struct crdt_parts *v, weir_crdt_item_fn fn,
		     void *ctx)
{
	struct weir_crdt_item item;
	struct walk w;

	walk_start(t, v, &w);
	while (walk_next(&w, &item) && fn(ctx, &item))
		;
}

const struct crdt_class weir__crdt_log = {.check = log_check,
					  .apply = log_apply,
					  .number = log_number,
					  .next = log_next,
					  .each = log_each};
