/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets and maps. body = text elements, context. element = text key, varint version of its dot, [map: u64 hlc, text value], by key.
 * context = (varint writer, text runs)*, ascending; run = varint first, varint last - first: dots of that writer that this one has seen
 * dead or removed. Runs do not touch each other. There are no tombstones: what is removed is only below a run, and runs between
 * which nothing lives become one. An element lives while no other part has its dot in a run; a key lives while one of its
 * elements does. Runs are never taken back while the part is there.
 */
#include "state/crdt_set_int.h"

#define ELEMENTS_DEFAULT 65536u

void weir__crdt_sets_of(const struct weir_crdt *t, const struct crdt_parts *v,
			struct crdt_sets *ret)
{
	ret->n = v->n;
	ret->map = t->type == WEIR_CRDT_ORMAP;
	for (uint32_t i = 0; i < v->n; i++) {
		struct weir_reader r = crdt_reader(v->p[i].body);

		ret->s[i].part = &v->p[i];
		ret->s[i].elements = weir_read_text(&r);
		ret->s[i].ctx = (struct weir_str){(const char *)r.p, weir_reader_left(&r)};
	}
}

bool weir__crdt_elem_next(struct weir_reader *r, bool map, struct crdt_elem *ret)
{
	if (!weir_reader_left(r))
		return false;
	ret->key = weir_read_text(r);
	ret->version = weir_read_varint(r);
	ret->hlc = map ? weir_read_u64(r) : 0;
	ret->value = map ? weir_read_text(r) : (struct weir_str){"", 0};
	return !r->bad;
}

struct weir_str weir__crdt_runs_of(struct weir_str ctx, weir_writer w)
{
	struct weir_reader r = crdt_reader(ctx);

	while (weir_reader_left(&r)) {
		weir_writer at = weir_read_varint(&r);
		struct weir_str runs = weir_read_text(&r);

		if (at == w)
			return runs;
	}
	return (struct weir_str){"", 0};
}

bool weir__crdt_run_next(struct weir_reader *r, struct crdt_run *ret)
{
	if (!weir_reader_left(r))
		return false;
	ret->first = weir_read_varint(r);
	ret->last = ret->first + weir_read_varint(r);
	return !r->bad;
}

bool weir__crdt_runs_hold(struct weir_str runs, uint64_t first, uint64_t last)
{
	struct weir_reader r = crdt_reader(runs);
	struct crdt_run run;

	while (weir__crdt_run_next(&r, &run))
		if (run.first <= first && last <= run.last)
			return true;
	return false;
}

bool weir__crdt_set_lives(const struct crdt_sets *s, uint32_t u, uint64_t version)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (i != u &&
		    weir__crdt_runs_hold(weir__crdt_runs_of(s->s[i].ctx, s->s[u].part->writer),
					 version, version))
			return false;
	return true;
}

static bool runs_check(struct weir_str runs)
{
	struct weir_reader r = crdt_reader(runs);
	struct crdt_run run;
	uint64_t last = 0;

	if (!runs.n)
		return false;
	while (weir__crdt_run_next(&r, &run)) {
		if (run.first == 0 || run.last < run.first || run.last == UINT64_MAX ||
		    (last && run.first <= last) || (last && run.first - last < 2))
			return false;
		last = run.last;
	}
	return !r.bad;
}

static bool set_check(const struct weir_crdt *t, const struct crdt_part *p)
{
	struct weir_reader r = crdt_reader(p->body), e = crdt_reader(weir_read_text(&r));
	struct crdt_elem elem, prev = {0};
	weir_writer last = 0;

	for (bool first = true; weir__crdt_elem_next(&e, t->type == WEIR_CRDT_ORMAP, &elem);
	     first = false) {
		if (!elem.version || elem.version > p->version ||
		    (!first && weir_str_cmp(prev.key, elem.key) >= 0))
			return false;
		prev = elem;
	}
	while (!r.bad && weir_reader_left(&r)) {
		weir_writer w = weir_read_varint(&r);

		r.bad |= w <= last || w == p->writer || !runs_check(weir_read_text(&r));
		last = w;
	}
	return !r.bad && !e.bad;
}

/* ---- keys of all parts in order ---- */

void weir__crdt_walk_start(const struct crdt_sets *s, struct crdt_walk *w)
{
	w->s = s;
	for (uint32_t i = 0; i < s->n; i++) {
		w->r[i] = crdt_reader(s->s[i].elements);
		w->has[i] = weir__crdt_elem_next(&w->r[i], s->map, &w->e[i]);
	}
}

bool weir__crdt_walk_next(struct crdt_walk *w)
{
	const struct crdt_elem *min;

	do {
		min = NULL;
		w->n = 0;
		for (uint32_t i = 0; i < w->s->n; i++)
			if (w->has[i] && (!min || weir_str_cmp(w->e[i].key, min->key) < 0))
				min = &w->e[i];
		if (!min)
			return false;
		w->key = min->key;
		for (uint32_t i = 0; i < w->s->n; i++) {
			if (!w->has[i] || !weir_str_eq(w->e[i].key, w->key))
				continue;
			if (weir__crdt_set_lives(w->s, i, w->e[i].version)) {
				w->at[w->n] = i;
				w->live[w->n++] = w->e[i];
			}
			w->has[i] = weir__crdt_elem_next(&w->r[i], w->s->map, &w->e[i]);
		}
	} while (!w->n);
	return true;
}

struct weir_dot crdt_walk_dot(const struct crdt_walk *w, uint32_t i)
{
	return (struct weir_dot){w->s->s[w->at[i]].part->writer, w->live[i].version,
				 w->live[i].hlc};
}

/* ---- reading ---- */

static int set_number(const struct weir_crdt *t, const struct crdt_parts *v, int64_t *ret)
{
	struct crdt_walk w;
	struct crdt_sets s;

	weir__crdt_sets_of(t, v, &s);
	weir__crdt_walk_start(&s, &w);
	while (weir__crdt_walk_next(&w))
		++*ret;
	return 0;
}

static void item_of(const struct crdt_walk *w, struct weir_crdt_item *ret)
{
	uint32_t best = 0;

	for (uint32_t i = 1; i < w->n; i++) {
		struct weir_dot a = crdt_walk_dot(w, i), b = crdt_walk_dot(w, best);

		if (weir__crdt_dot_cmp(&a, &b) > 0)
			best = i;
	}
	ret->key = w->s->map ? w->key : (struct weir_str){"", 0};
	ret->value = w->s->map ? w->live[best].value : w->key;
	ret->dot = crdt_walk_dot(w, best);
}

static bool set_next(const struct weir_crdt *t, const struct crdt_parts *v, uint64_t *at,
		     struct weir_crdt_item *ret)
{
	struct crdt_walk w;
	struct crdt_sets s;

	weir__crdt_sets_of(t, v, &s);
	weir__crdt_walk_start(&s, &w);
	for (uint64_t i = 0; weir__crdt_walk_next(&w); i++) {
		if (i < *at)
			continue;
		++*at;
		item_of(&w, ret);
		return true;
	}
	return false;
}

static void set_each(const struct weir_crdt *t, const struct crdt_parts *v, weir_crdt_item_fn fn,
		     void *ctx)
{
	struct weir_crdt_item item;
	struct crdt_walk w;
	struct crdt_sets s;

	weir__crdt_sets_of(t, v, &s);
	weir__crdt_walk_start(&s, &w);
	while (weir__crdt_walk_next(&w)) {
		memset(&item, 0, sizeof(item));
		item_of(&w, &item);
		if (!fn(ctx, &item))
			return;
	}
}

/* ---- conflicts (maps) ---- */

static bool has_dot(const struct crdt_sets *s, weir_writer w, struct weir_str key, uint64_t version)
{
	struct crdt_elem e;

	for (uint32_t i = 0; i < s->n; i++) {
		struct weir_reader r = crdt_reader(s->s[i].elements);

		if (s->s[i].part->writer != w)
			continue;
		while (weir__crdt_elem_next(&r, s->map, &e))
			if (weir_str_eq(e.key, key))
				return e.version == version;
	}
	return false;
}

static void map_pair(const struct crdt_walk *w, uint32_t i, uint32_t k, const struct crdt_sets *a,
		     const struct crdt_sets *b, const struct weir_crdt_conflicts *to)
{
	struct weir_dot di = crdt_walk_dot(w, i), dk = crdt_walk_dot(w, k);
	bool first = weir__crdt_dot_cmp(&di, &dk) > 0;
	struct weir_crdt_conflict c = {.won = first ? di : dk,
				       .lost = first ? dk : di,
				       .won_value = w->live[first ? i : k].value,
				       .lost_value = w->live[first ? k : i].value,
				       .key = w->key};

	if (!(has_dot(a, di.writer, w->key, di.version) &&
	      has_dot(a, dk.writer, w->key, dk.version)) &&
	    !(has_dot(b, di.writer, w->key, di.version) &&
	      has_dot(b, dk.writer, w->key, dk.version)))
		to->found(to->ctx, &c);
}

static void map_conflicts(const struct weir_crdt *t, const struct crdt_parts *a,
			  const struct crdt_parts *b, const struct crdt_parts *v,
			  const struct weir_crdt_conflicts *to)
{
	struct crdt_sets sa, sb, s;
	struct crdt_walk w;

	weir__crdt_sets_of(t, a, &sa);
	weir__crdt_sets_of(t, b, &sb);
	weir__crdt_sets_of(t, v, &s);
	weir__crdt_walk_start(&s, &w);
	while (weir__crdt_walk_next(&w))
		for (uint32_t i = 0; i < w.n; i++)
			for (uint32_t k = i + 1; k < w.n; k++)
				map_pair(&w, i, k, &sa, &sb, to);
}

uint32_t weir__crdt_set_limit(const struct weir_crdt *t)
{
	return t->limit ? t->limit : ELEMENTS_DEFAULT;
}

const struct crdt_class weir__crdt_orset = {.check = set_check,
					    .apply = weir__crdt_set_apply,
					    .prune = weir__crdt_set_prune,
					    .number = set_number,
					    .next = set_next,
					    .each = set_each};
const struct crdt_class weir__crdt_ormap = {.check = set_check,
					    .apply = weir__crdt_set_apply,
					    .prune = weir__crdt_set_prune,
					    .conflicts = map_conflicts,
					    .number = set_number,
					    .next = set_next,
					    .each = set_each};
