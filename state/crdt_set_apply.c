/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of sets and maps: the writer's elements without those that others removed, and runs around what this change removes. */
#include "state/crdt_set_int.h"

struct change {
	const struct crdt_sets *s;
	const struct weir_crdt_op *op;
	const struct weir_dot *dot;
	struct weir_str key, mine; /* mine: my context */
	uint32_t me; /* index, or s->n */
	bool put, clear;
};

static void elem_put(const struct change *c, const struct crdt_elem *e, struct weir_out *o)
{
	weir_out_text(o, e->key);
	weir_out_varint(o, e->version);
	if (c->s->map) {
		weir_out_u64(o, e->hlc);
		weir_out_text(o, e->value);
	}
}

/* Does a key not below the last one asked for live? */
static bool key_lives(struct crdt_walk *w, bool *has, struct weir_str key)
{
	while (*has && weir_str_cmp(w->key, key) < 0)
		*has = weir__crdt_walk_next(w);
	return *has && weir_str_eq(w->key, key);
}

/* My elements after the change. Those that others have replaced stay while the key lives: who hears of me before it hears of the others
 * must not see the key vanish. ret_dead: some whose key is gone were left out. */
static void elements(const struct change *c, struct weir_out *o, bool *ret_dead)
{
	struct crdt_walk walk;
	bool has;
	struct crdt_elem new = {c->key, c->op->value, c->dot->version, c->dot->hlc}, e;
	struct weir_reader r = {0};
	bool put = c->put;

	weir__crdt_walk_start(c->s, &walk);
	has = weir__crdt_walk_next(&walk);
	if (c->me < c->s->n)
		r = crdt_reader(c->s->s[c->me].elements);
	while (weir__crdt_elem_next(&r, c->s->map, &e)) {
		int order = weir_str_cmp(e.key, c->key);

		if (!key_lives(&walk, &has, e.key)) {
			*ret_dead = true;
			continue;
		}
		if (c->clear || order == 0)
			continue;
		if (put && order > 0) {
			elem_put(c, &new, o);
			put = false;
		}
		elem_put(c, &e, o);
	}
	if (put)
		elem_put(c, &new, o);
}

/* What of part u is dead for me by this change; false: nothing. */
static bool run_of(const struct change *c, uint32_t u, struct crdt_run *ret)
{
	const struct crdt_set *s = &c->s->s[u];
	struct weir_reader r = crdt_reader(s->elements);
	uint64_t version = 0;
	struct crdt_elem e;

	*ret = (struct crdt_run){1, s->part->version};
	if (c->clear)
		return true;
	/* An element of a set has no value to be replaced. */
	if (c->put && !c->s->map)
		return false;
	while (!version && weir__crdt_elem_next(&r, c->s->map, &e))
		if (weir_str_eq(e.key, c->key))
			version = e.version;
	/* Also what others removed already: who hears of me need not have heard of them. */
	if (!version ||
	    weir__crdt_runs_hold(weir__crdt_runs_of(c->mine, s->part->writer), version, version))
		return false;
	r = crdt_reader(s->elements);
	while (weir__crdt_elem_next(&r, c->s->map, &e)) {
		if (e.version == version || !weir__crdt_set_lives(c->s, u, e.version))
			continue;
		if (e.version < version)
			ret->first = WEIR_MAX(ret->first, e.version + 1);
		else
			ret->last = WEIR_MIN(ret->last, e.version - 1);
	}
	return true;
}

static void run_put(struct crdt_run run, struct weir_out *o)
{
	weir_out_varint(o, run.first);
	weir_out_varint(o, run.last - run.first);
}

/* Runs and one more, as few as possible. */
static void runs_put(weir_writer w, struct weir_str runs, const struct crdt_run *more,
		     struct weir_out *o)
{
	struct weir_reader r = crdt_reader(runs);
	struct crdt_run run, add = {0};
	struct weir_out out, hold;
	bool has = more;

	if (more)
		add = *more;
	weir_out_init(&out, o->mem);
	while (weir__crdt_run_next(&r, &run)) {
		if (!has || run.last + 1 < add.first) {
			run_put(run, &out);
		} else if (add.last + 1 < run.first) {
			run_put(add, &out);
			run_put(run, &out);
			has = false;
		} else {
			add.first = WEIR_MIN(add.first, run.first);
			add.last = WEIR_MAX(add.last, run.last);
		}
	}
	if (has)
		run_put(add, &out);
	weir_out_varint(o, w);
	weir_out_text(o, weir__crdt_flat(&out, &hold));
	weir_out_fini(&hold);
	weir_out_fini(&out);
}

/* The context: what I had, and the runs of this change, by writer. */
static bool context(const struct change *c, struct weir_out *o)
{
	struct weir_reader r = crdt_reader(c->mine);
	weir_writer w = weir_reader_left(&r) ? weir_read_varint(&r) : 0;
	struct crdt_run run;
	bool any = false;

	for (uint32_t u = 0; u < c->s->n; u++) {
		weir_writer at = c->s->s[u].part->writer;
		bool add = u != c->me && run_of(c, u, &run);

		any |= add;
		for (; w && w < at; w = weir_reader_left(&r) ? weir_read_varint(&r) : 0)
			runs_put(w, weir_read_text(&r), NULL, o);
		if (w == at) {
			runs_put(w, weir_read_text(&r), add ? &run : NULL, o);
			w = weir_reader_left(&r) ? weir_read_varint(&r) : 0;
		} else if (add) {
			runs_put(at, (struct weir_str){"", 0}, &run, o);
		}
	}
	for (; w; w = weir_reader_left(&r) ? weir_read_varint(&r) : 0)
		runs_put(w, weir_read_text(&r), NULL, o);
	return any;
}

static weir_writer writer_next(struct weir_reader *r)
{
	return weir_reader_left(r) ? weir_read_varint(r) : 0;
}

/* Where nothing lives, another copy may be empty already, pruned: what begins anew covers all that was, so that both become equal. */
static void context_all(const struct change *c, struct weir_out *o)
{
	struct weir_reader r = crdt_reader(c->mine);
	weir_writer mine = writer_next(&r), w;
	uint32_t u = 0, i = 0;

	for (;;) {
		struct crdt_run run = {.first = 1};
		struct weir_str runs = {"", 0};

		w = mine ? mine : UINT64_MAX;
		if (u < c->s->n)
			w = WEIR_MIN(w, c->s->s[u].part->writer);
		if (i < c->op->seen_count)
			w = WEIR_MIN(w, c->op->seen[i].writer);
		if (w == UINT64_MAX)
			return;
		if (mine == w) {
			runs = weir_read_text(&r);
			mine = writer_next(&r);
		}
		if (u < c->s->n && c->s->s[u].part->writer == w)
			run.last = c->s->s[u++].part->version;
		if (i < c->op->seen_count && c->op->seen[i].writer == w) {
			run.last = WEIR_MAX(run.last, c->op->seen[i].version);
			run.last = WEIR_MIN(run.last, UINT64_MAX - 1);
			i++;
		}
		if (w != c->dot->writer && (runs.n || run.last))
			runs_put(w, runs, run.last ? &run : NULL, o);
	}
}

static bool nothing_lives(const struct crdt_sets *s)
{
	struct crdt_walk w;

	weir__crdt_walk_start(s, &w);
	return !weir__crdt_walk_next(&w);
}

static int verb_of(const struct weir_crdt *t, struct change *c)
{
	bool map = t->type == WEIR_CRDT_ORMAP;

	c->put = c->op->verb == (map ? WEIR_CRDT_PUT : WEIR_CRDT_ADD);
	c->clear = c->op->verb == WEIR_CRDT_CLEAR;
	c->key = c->clear ? (struct weir_str){"", 0} : map ? c->op->key : c->op->value;
	return c->put || c->clear || c->op->verb == WEIR_CRDT_REMOVE ? 0 : WEIR_E_RANGE;
}

/* More keys than allowed, if this one is new? */
static bool is_full(const struct weir_crdt *t, const struct change *c)
{
	struct crdt_walk w;
	uint64_t n = 1;

	weir__crdt_walk_start(c->s, &w);
	while (weir__crdt_walk_next(&w)) {
		if (weir_str_eq(w.key, c->key))
			return false;
		n++;
	}
	return n > weir__crdt_set_limit(t);
}

int weir__crdt_set_apply(const struct weir_crdt *t, const struct crdt_parts *v,
			 const struct crdt_part *mine, const struct weir_crdt_op *op,
			 const struct weir_dot *dot, struct weir_out *body)
{
	struct crdt_sets s;
	struct change c = {.s = &s, .op = op, .dot = dot};
	bool dead = false, all, any, mine_too;
	struct weir_out elems, ctx, hold;
	struct weir_str flat;

	if (verb_of(t, &c))
		return WEIR_E_RANGE;
	weir__crdt_sets_of(t, v, &s);
	c.me = mine ? (uint32_t)(mine - v->p) : v->n;
	c.mine = mine ? s.s[c.me].ctx : (struct weir_str){"", 0};
	if (c.put && is_full(t, &c))
		return WEIR_E_RANGE;
	weir_out_init(&elems, body->mem);
	weir_out_init(&ctx, body->mem);
	elements(&c, &elems, &dead);
	all = s.n == 0 || (c.put && nothing_lives(&s));
	any = !all && context(&c, &ctx);
	if (all)
		context_all(&c, &ctx);
	flat = weir__crdt_flat(&elems, &hold);
	mine_too = mine && flat.n != s.s[c.me].elements.n;
	weir_out_text(body, flat);
	weir_out_append(body, &ctx);
	weir_out_fini(&hold);
	weir_out_fini(&elems);
	return c.put || any || dead || mine_too ? 0 : 1;
}
