/* SPDX-License-Identifier: Apache-2.0 */
#include "state/crdt_laws.h"

#include <stdio.h>

#include "state/crdt_laws_int.h"

#define STEPS_MAX 16u
#define BAG_MAX 48u
#define QUEUE_MAX 3u

struct message {
	uint32_t from;
	struct weir_str part, twin;
	uint64_t seen[LAWS_WRITERS];
};

struct copy {
	struct weir_str x, twin; /* the twin is never pruned */
	uint64_t version, hlc;
	uint64_t seen[LAWS_WRITERS]; /* version of each writer that was applied here */
	uint64_t said[LAWS_WRITERS][LAWS_WRITERS]; /* the same of each other one, as it said */
	uint32_t queued[LAWS_WRITERS]; /* from each other one */
	struct message queue[LAWS_WRITERS][QUEUE_MAX];
};

struct run {
	struct laws *l;
	bool pruning;
	struct copy c[LAWS_WRITERS];
	uint32_t bag_n;
	struct message bag[BAG_MAX];
};

/* ---- laws of single functions ---- */

static void join_laws(struct laws *l, struct weir_str a, struct weir_str b, struct weir_str c)
{
	struct weir_str ab = weir__laws_join(l, a, b), bc = weir__laws_join(l, b, c);

	weir__laws_same(l, "join is idempotent", weir__laws_join(l, a, a), a);
	weir__laws_same(l, "join is commutative", ab, weir__laws_join(l, b, a));
	weir__laws_same(l, "join is associative", weir__laws_join(l, ab, c),
			weir__laws_join(l, a, bc));
	weir__laws_same(l, "join is above what it joins", weir__laws_join(l, ab, a), ab);
	weir__laws_same(l, "the empty value joins to the other",
			weir__laws_join(l, a, (struct weir_str){"", 0}), a);
}

static void own_laws(struct laws *l, struct weir_str v)
{
	struct weir_str all = {"", 0};

	for (uint32_t i = 0; i < l->n; i++)
		all = weir__laws_join(l, weir__laws_own(l, v, l->writer[i]), all);
	weir__laws_same(l, "own parts build the value again", all, v);
}

static void apply_laws(struct laws *l, struct weir_str before, struct weir_str after, weir_writer w)
{
	weir__laws_same(l, "a change is above what was there", weir__laws_join(l, before, after),
			after);
	weir__laws_same(l, "own() tells all of a change",
			weir__laws_join(l, before, weir__laws_own(l, after, w)), after);
	if (weir_crdt_check(l->t, after))
		weir__laws_fail(l, "what apply() gives is canonical", before, after);
}

/* ---- copies ---- */

struct asker {
	const struct run *r;
	uint32_t at;
};

static uint64_t stable(void *ctx, weir_writer w)
{
	const struct asker *a = ctx;
	const struct copy *c = &a->r->c[a->at];
	const struct laws *l = a->r->l;
	uint64_t min;
	uint32_t of = 0;

	while (of < l->n && l->writer[of] != w)
		of++;
	if (of == l->n)
		return 0;
	min = c->seen[of];
	for (uint32_t q = 0; q < l->n; q++)
		if (q != a->at)
			min = WEIR_MIN(min, c->said[q][of]);
	return min;
}

static void prune(struct run *r, uint32_t at)
{
	struct copy *c = &r->c[at];
	struct asker a = {r, at};
	struct weir_str p = weir__laws_prune(r->l, c->x, stable, &a);

	if (weir__laws_read(r->l, p) != weir__laws_read(r->l, c->x))
		weir__laws_fail(r->l, "pruning changes nothing that is read", c->x, p);
	weir__laws_same(r->l, "pruned twice is pruned once", weir__laws_prune(r->l, p, stable, &a),
			p);
	weir__laws_same(r->l, "what was pruned is below what it was",
			weir__laws_join(r->l, p, c->x), c->x);
	c->x = p;
}

static void change(struct run *r, uint32_t at)
{
	struct laws *l = r->l;
	struct copy *c = &r->c[at];
	struct weir_crdt_seen seen[LAWS_WRITERS];
	struct weir_crdt_op op = {.seen = seen, .seen_count = l->n};
	struct weir_dot dot = {.writer = l->writer[at]};
	struct weir_str after, twin = c->twin;

	for (uint32_t i = 0; i < l->n; i++)
		seen[i] = (struct weir_crdt_seen){l->writer[i], c->seen[i]};
	/* Clocks differ and stand still: they must decide nothing but ties. */
	c->hlc += weir_prng_below(&l->rnd, 3);
	dot.hlc = c->hlc;
	dot.version = c->version + 1 + weir_prng_below(&l->rnd, 2);
	weir__laws_op(l, &op);
	if (!weir__laws_apply(l, c->x, &op, &dot, &after))
		return;
	apply_laws(l, c->x, after, dot.writer);
	if (r->pruning && weir__laws_apply(l, c->twin, &op, &dot, &twin))
		c->twin = twin;
	c->x = after;
	c->version = c->seen[at] = dot.version;
}

static struct message say(struct run *r, uint32_t from)
{
	struct copy *c = &r->c[from];
	struct message m = {.from = from, .part = weir__laws_own(r->l, c->x, r->l->writer[from])};

	if (r->pruning)
		m.twin = weir__laws_own(r->l, c->twin, r->l->writer[from]);
	memcpy(m.seen, c->seen, sizeof(m.seen));
	return m;
}

static void hear(struct run *r, uint32_t at, const struct message *m)
{
	struct laws *l = r->l;
	struct copy *c = &r->c[at];
	weir_writer from = l->writer[m->from];
	uint64_t version = weir_crdt_seen(l->t, m->part, from);
	bool old = version <= weir_crdt_seen(l->t, c->x, from);
	struct asker asker = {r, at};
	struct weir_str x;

	/* A part that was pruned here is not taken again. */
	if (r->pruning && !weir_crdt_seen(l->t, c->x, from) && version <= stable(&asker, from))
		x = c->x;
	else
		x = weir__laws_join(l, c->x, m->part);
	if (old)
		weir__laws_same(l, "an older part changes nothing", x, c->x);
	c->x = x;
	if (r->pruning)
		c->twin = weir__laws_join(l, c->twin, m->twin);
	c->seen[m->from] = WEIR_MAX(c->seen[m->from], m->seen[m->from]);
	memcpy(c->said[m->from], m->seen, sizeof(m->seen));
}

static void tell(struct run *r, uint32_t from, uint32_t to)
{
	struct copy *c = &r->c[to];

	if (from != to && c->queued[from] < QUEUE_MAX)
		c->queue[from][c->queued[from]++] = say(r, from);
}

static void listen(struct run *r, uint32_t from, uint32_t to)
{
	struct copy *c = &r->c[to];

	if (!c->queued[from])
		return;
	hear(r, to, &c->queue[from][0]);
	c->queued[from]--;
	memmove(&c->queue[from][0], &c->queue[from][1], c->queued[from] * sizeof(struct message));
}

static uint32_t any(struct run *r)
{
	return (uint32_t)weir_prng_below(&r->l->rnd, r->l->n);
}

static void step(struct run *r)
{
	uint32_t at = any(r), other = any(r);
	uint64_t what = weir_prng_below(&r->l->rnd, 8);

	if (what < 3) {
		change(r, at);
	} else if (r->pruning) {
		if (what < 5)
			tell(r, at, other);
		else if (what < 7)
			listen(r, other, at);
		else
			prune(r, at);
		if (weir__laws_read(r->l, r->c[at].x) != weir__laws_read(r->l, r->c[at].twin))
			weir__laws_fail(r->l, "who pruned reads what others read", r->c[at].x,
					r->c[at].twin);
	} else if (what < 5 && r->bag_n < BAG_MAX) {
		r->bag[r->bag_n++] = say(r, at);
	} else if (r->bag_n) {
		hear(r, at, &r->bag[weir_prng_below(&r->l->rnd, r->bag_n)]);
	}
}

/* Everybody tells everybody, in any order; three times, so that all know that all know. */
static void settle(struct run *r)
{
	uint32_t n = r->l->n;

	for (uint32_t k = 0; k < 3 * n * n; k++) {
		uint32_t i = k % (n * n) / n, from = k % n;
		struct message m;

		while (r->pruning && r->c[i].queued[from])
			listen(r, from, i);
		m = say(r, from);
		if (i != from)
			hear(r, i, &m);
		if (k % 5 == 0 && r->pruning)
			prune(r, i);
	}
	for (uint32_t i = 0; r->pruning && i < n; i++)
		prune(r, i);
}

static void agree(struct run *r)
{
	struct laws *l = r->l;

	for (uint32_t i = 1; i < l->n && !l->failed; i++) {
		weir__laws_same(l, "all copies agree in the end", r->c[0].x, r->c[i].x);
		if (!r->pruning)
			continue;
		weir__laws_same(l, "all copies that are not pruned agree in the end", r->c[0].twin,
				r->c[i].twin);
		if (weir__laws_read(l, r->c[i].x) != weir__laws_read(l, r->c[i].twin))
			weir__laws_fail(l, "who pruned reads what others read", r->c[i].x,
					r->c[i].twin);
	}
}

static void play(struct laws *l, uint64_t seed, uint64_t at, uint32_t steps)
{
	struct run *r = weir_region_new(&l->region, struct run);
	struct weir_prng rnd = weir_prng_of(seed, "crdt laws");

	rnd.state += at * UINT64_C(0xd1342543de82ef95);
	l->rnd = (struct weir_prng){.state = weir_prng_u64(&rnd)};
	r->l = l;
	l->n = 2 + (uint32_t)weir_prng_below(&l->rnd, LAWS_WRITERS - 1);
	r->pruning = weir_prng_chance(&l->rnd, 1, 2);
	for (uint32_t i = 0; i < l->n; i++) {
		l->writer[i] = weir_writer_of(1 + i / 2, 1 + i);
		r->c[i].x = r->c[i].twin = (struct weir_str){"", 0};
	}
	if (l->t->type == WEIR_CRDT_CUSTOM)
		weir__laws_custom(l);
	for (uint32_t i = 0; i < steps && !l->failed; i++)
		step(r);
	if (l->failed)
		return;
	join_laws(l, r->c[0].x, r->c[1].x, r->c[l->n - 1].x);
	if (!r->pruning && r->bag_n)
		join_laws(l, r->bag[0].part, r->c[0].x, r->bag[r->bag_n - 1].part);
	own_laws(l, r->c[any(r)].x);
	if (!l->failed)
		settle(r);
	agree(r);
}

/* ---- cases ---- */

static size_t hex(char *to, size_t cap, struct weir_str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n && n + 3 < cap; i++)
		n += (size_t)snprintf(to + n, cap - n, "%02x", (uint8_t)s.p[i]);
	to[n] = 0;
	return n;
}

static bool case_ok(struct laws *l, uint64_t seed, uint64_t at, uint32_t steps,
		    struct weir_err *err)
{
	char a[140], b[140];
	bool ok;

	weir_region_init(&l->region, l->mem);
	l->failed = NULL;
	play(l, seed, at, steps);
	ok = !l->failed;
	if (!ok) {
		hex(a, sizeof(a), l->a);
		hex(b, sizeof(b), l->b);
		weir_err_set(err, WEIR_E_FORMAT,
			     "%s: not so: %s (seed %llu, case %llu, %u steps): %s | %s",
			     weir_crdt_name(l->t->type), l->failed, (unsigned long long)seed,
			     (unsigned long long)at, steps, a, b);
	}
	weir_region_fini(&l->region);
	return ok;
}

int weir_crdt_laws_with(const struct weir_crdt *t, const struct weir_crdt_values *values,
			uint64_t seed, uint64_t cases, const struct weir_mem *mem,
			struct weir_err *err)
{
	struct laws l = {.t = t, .values = values, .mem = mem};

	for (uint64_t at = 0; at < cases; at++) {
		if (case_ok(&l, seed, at, STEPS_MAX, err))
			continue;
		/* The fewest steps; a function that answers by chance may not fail again. */
		for (uint32_t steps = 0; steps < STEPS_MAX; steps++)
			if (!case_ok(&l, seed, at, steps, err))
				break;
		return WEIR_E_FORMAT;
	}
	return 0;
}

int weir_crdt_laws(const struct weir_crdt *t, uint64_t seed, uint64_t cases,
		   const struct weir_mem *mem, struct weir_err *err)
{
	return weir_crdt_laws_with(t, NULL, seed, cases, mem, err);
}
