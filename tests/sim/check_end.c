/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything is durable and applied: the stores against the input, computed again from the seed. Nothing of the
 * engine's windows is used here.
 */
#include <stdlib.h>

#include "base/hooks.h"
#include "base/keyhash.h"
#include "tests/sim/check.h"
#include "tests/sim/disk.h"
#include "tests/sim/source.h"
#include "tests/sim/user.h"

struct group { /* records of a key and a window */
	int64_t k, start, end;
	uint64_t n, late_n;
	int64_t amounts, nonces, late_amounts, late_nonces;
	int64_t newest, second, least; /* ids */
	/* what the sink says */
	uint64_t got_n, got_rows, tops;
	int64_t got_amounts, got_nonces, got_newest, got_ids, got_least;
};

struct total {
	int64_t n, amounts, nonces;
};

struct end {
	struct sim *s;
	struct sim_record *rec; /* by source task, then number */
	int64_t *nonce; /* of each; -1: not seen */
	uint8_t *joined, *marked;
	uint32_t first[SIM_TASKS_MAX + 1];
	struct group *group;
	uint32_t *table; /* group + 1 */
	size_t group_cap, table_size;
	uint32_t group_count;
	struct total *want, *got; /* per key */
};

static bool late_mode(const struct sim_options *o)
{
	return o->lateness_ns < o->disorder_ns;
}

/* ---- groups ---- */

static struct group *find(struct end *e, int64_t k, int64_t start, int64_t end, bool make)
{
	uint64_t h = weir_hash_mix(weir_hash_mix((uint64_t)k ^ (uint64_t)start) ^ (uint64_t)end);
	struct group *g;
	size_t at;

	for (at = h & (e->table_size - 1); e->table[at]; at = (at + 1) & (e->table_size - 1)) {
		g = &e->group[e->table[at] - 1];
		if (g->k == k && g->start == start && g->end == end)
			return g;
	}
	if (!make)
		return NULL;
	sim_check(e->s, e->group_count < e->group_cap, "L5", "too many windows to check");
	g = &e->group[e->group_count++];
	memset(g, 0, sizeof(*g));
	g->k = k;
	g->start = start;
	g->end = end;
	g->newest = g->second = -1;
	g->least = INT64_MAX;
	e->table[at] = e->group_count;
	return g;
}

static void add(struct end *e, int64_t start, int64_t end, const struct sim_record *r,
		int64_t nonce)
{
	struct group *g = find(e, r->k, start, end, true);

	g->n++;
	g->amounts += r->amount;
	g->nonces += nonce;
	g->least = WEIR_MIN(g->least, r->id);
	if (r->id > g->newest) {
		g->second = g->newest;
		g->newest = r->id;
	} else if (r->id > g->second) {
		g->second = r->id;
	}
}

static int64_t floor_to(int64_t t, int64_t step)
{
	int64_t r = t % step;

	return t - (r < 0 ? r + step : r);
}

static int by_key_and_time(const void *a, const void *b, void *ctx)
{
	const struct end *e = ctx;
	const struct sim_record *x = &e->rec[*(const uint32_t *)a],
				*y = &e->rec[*(const uint32_t *)b];

	if (x->k != y->k)
		return x->k < y->k ? -1 : 1;
	if (x->t != y->t)
		return x->t < y->t ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static void sessions(struct end *e, uint32_t n)
{
	int64_t gap = (int64_t)e->s->opt.window_ns;
	uint32_t *order = sim_alloc(n * sizeof(*order));

	for (uint32_t i = 0; i < n; i++)
		order[i] = i;
	qsort_r(order, n, sizeof(*order), by_key_and_time, e);
	for (uint32_t i = 0, k; i < n; i = k) {
		int64_t last = e->rec[order[i]].t;

		for (k = i + 1; k < n && e->rec[order[k]].k == e->rec[order[i]].k &&
				e->rec[order[k]].t < last + gap;
		     k++)
			last = e->rec[order[k]].t;
		for (uint32_t m = i; m < k; m++)
			add(e, e->rec[order[i]].t, last + gap, &e->rec[order[m]],
			    e->nonce[order[m]]);
	}
	free(order);
}

static void expected(struct end *e)
{
	const struct sim_options *o = &e->s->opt;
	int64_t size = (int64_t)o->window_ns, slide = (int64_t)o->slide_ns;

	if (o->window == WEIR_WINDOW_SESSION) {
		sessions(e, o->records);
		return;
	}
	for (uint32_t i = 0; i < o->records; i++)
		for (int64_t start = floor_to(e->rec[i].t, slide); start + size > e->rec[i].t;
		     start -= slide)
			add(e, start, start + size, &e->rec[i], e->nonce[i]);
}

/* ---- rows of the stores ---- */

static int64_t get(const struct sim_store *t, const struct weir_frame *f, const char *name)
{
	int i = weir_schema_find(&t->schema, weir_str_c(name));

	return i < 0 ? INT64_MIN : weir_get_i64(f, &t->schema, (unsigned)i);
}

/* The key, from k or from the text. */
static int64_t key_in(struct sim *s, const struct sim_store *t, const struct weir_frame *f)
{
	int i = weir_schema_find(&t->schema, weir_str_c("ks"));
	int64_t k = get(t, f, "k");
	char want[512], text[512];
	struct weir_str ks;

	if (i < 0)
		return k;
	ks = weir_get_str(f, &t->schema, (unsigned)i);
	sim_check(s, ks.n > 4 && ks.n < sizeof(text), "I26", "a key has become another text");
	memcpy(text, ks.p, ks.n);
	text[ks.n] = 0;
	if (k == INT64_MIN)
		k = strtoll(text + 4, NULL, 10);
	sim_key_text(k, want, sizeof(want));
	sim_check(s, strcmp(want, text) == 0, "I26", "a key has become another text");
	return k;
}

static uint32_t index_of(struct end *e, int64_t id)
{
	uint64_t task = (uint64_t)id >> 32, i = (uint32_t)id;

	sim_check(e->s,
		  id >= 0 && task < e->s->opt.sources && i < e->first[task + 1] - e->first[task],
		  "I26", "a record with id %lld was never in the input", (long long)id);
	return e->first[task] + (uint32_t)i;
}

static bool same_note(const struct sim_store *t, const struct weir_frame *f,
		      const struct sim_record *r)
{
	int at = weir_schema_find(&t->schema, weir_str_c("note"));
	struct weir_str note = weir_get_str(f, &t->schema, (unsigned)at);

	if (note.n != r->note)
		return false;
	for (size_t i = 0; i < note.n; i++)
		if (note.p[i] != 'a' + (int)((uint32_t)r->id % 26))
			return false;
	return true;
}

/* A whole record in some sink: its fields, and the one nonce it has everywhere. */
static uint32_t whole(struct end *e, const struct sim_store *t, const struct weir_frame *f)
{
	uint32_t i = index_of(e, get(t, f, "id"));
	const struct sim_record *r = &e->rec[i];

	sim_check(e->s,
		  get(t, f, "t") == r->t && get(t, f, "amount") == r->amount &&
			  key_in(e->s, t, f) == r->k && same_note(t, f, r),
		  "I26", "sink %s: record %lld has other fields than in the input", t->step,
		  (long long)r->id);
	sim_check(
		e->s, e->nonce[i] < 0 || e->nonce[i] == get(t, f, "nonce"), "I26",
		"record %lld has nonce %lld in sink %s, and %lld elsewhere: it was processed twice",
		(long long)r->id, (long long)get(t, f, "nonce"), t->step, (long long)e->nonce[i]);
	return i;
}

static void audit_row(struct end *e, const struct sim_store *t, const struct weir_frame *f)
{
	uint32_t i;

	sim_check(e->s, e->nonce[index_of(e, get(t, f, "id"))] < 0, "I26",
		  "record %lld is in sink %s twice", (long long)get(t, f, "id"), t->step);
	i = whole(e, t, f);
	e->nonce[i] = get(t, f, "nonce");
	e->want[e->rec[i].k].n++;
	e->want[e->rec[i].k].amounts += e->rec[i].amount;
	e->want[e->rec[i].k].nonces += e->nonce[i];
}

static void joined_row(struct end *e, const struct sim_store *t, const struct weir_frame *f)
{
	uint32_t i = whole(e, t, f);

	sim_check(e->s, !e->joined[i] || t->loose, "I26", "record %lld is in sink %s twice",
		  (long long)e->rec[i].id, t->step);
	e->joined[i] = 1;
}

static void mark_row(struct end *e, const struct sim_store *t, const struct weir_frame *f)
{
	int64_t id = get(t, f, "id");
	uint32_t i = index_of(e, id);

	sim_check(e->s, SIM_MARKED(id) && !e->marked[i], "I26",
		  "record %lld is in sink %s twice, or not to be said", (long long)id, t->step);
	e->marked[i] = 1;
}

static void sum_row(struct end *e, const struct sim_store *t, const struct weir_frame *f)
{
	int64_t k = get(t, f, "k");

	sim_check(e->s, k >= 0 && k < e->s->opt.keys, "I26", "sink %s: key %lld was never there",
		  t->step, (long long)k);
	e->got[k].n += get(t, f, "n");
	e->got[k].amounts += get(t, f, "amounts");
	e->got[k].nonces += get(t, f, "nonces");
}

static struct group *window_of(struct end *e, const struct sim_store *t, const struct weir_frame *f)
{
	int64_t k = key_in(e->s, t, f), from = get(t, f, "window_start"),
		to = get(t, f, "window_end");
	struct group *g = find(e, k, from, to, false);

	sim_check(e->s, g, "I22", "sink %s: window [%lld, %lld) of key %lld has no records",
		  t->step, (long long)from, (long long)to, (long long)k);
	return g;
}

static void win_row(struct end *e, const struct sim_store *t, const struct weir_frame *f)
{
	struct group *g = window_of(e, t, f);
	uint64_t n = (uint64_t)get(t, f, "n");
	bool again = e->s->opt.window_late_ns && late_mode(&e->s->opt);

	sim_check(e->s, n != g->got_n && (again || !g->got_rows), "I23",
		  "sink %s: window [%lld, %lld) of key %lld is there twice (%llu and %llu records)",
		  t->step, (long long)g->start, (long long)g->end, (long long)g->k,
		  (unsigned long long)g->got_n, (unsigned long long)n);
	g->got_rows++;
	if (n < g->got_n)
		return;
	g->got_n = n;
	g->got_amounts = get(t, f, "amounts");
	g->got_nonces = get(t, f, "nonces");
	g->got_newest = get(t, f, "newest");
	g->got_ids = get(t, f, "ids");
	g->got_least = get(t, f, "least");
}

static void late_row(struct end *e, const struct sim_store *t, const struct weir_frame *f)
{
	uint32_t i = whole(e, t, f);
	int64_t start = floor_to(e->rec[i].t, (int64_t)e->s->opt.window_ns);
	struct group *g = find(e, e->rec[i].k, start, start + (int64_t)e->s->opt.window_ns, false);

	sim_check(e->s, late_mode(&e->s->opt) && g, "I22", "record %lld is late and cannot be",
		  (long long)e->rec[i].id);
	g->late_n++;
	g->late_amounts += e->rec[i].amount;
	g->late_nonces += e->nonce[i];
}

static void best_row(struct end *e, const struct sim_store *t, const struct weir_frame *f)
{
	uint32_t i = whole(e, t, f);
	struct group *g = window_of(e, t, f);
	uint64_t bit = e->rec[i].id == g->newest ? 1 : e->rec[i].id == g->second ? 2 : 0;

	if (late_mode(&e->s->opt))
		return;
	sim_check(e->s, bit && !(g->tops & bit), "I22",
		  "sink %s: record %lld is not one of the two largest, or is there twice", t->step,
		  (long long)e->rec[i].id);
	g->tops |= bit;
}

static void each(struct end *e, const char *step,
		 void (*fn)(struct end *, const struct sim_store *, const struct weir_frame *))
{
	for (uint32_t i = 0; i < e->s->stores->count; i++) {
		const struct sim_store *t = e->s->stores->store[i];

		if (strcmp(t->step, step) != 0)
			continue;
		for (size_t at = 0; at < t->bytes.n;) {
			const struct weir_frame *f = (const void *)(t->bytes.p + at);

			sim_check(e->s, weir_frame_check(f, t->bytes.n - at, &t->schema) == 0,
				  "I26", "sink %s has a record that is none", step);
			fn(e, t, f);
			if (weir_planted(CANARY) && at == 0)
				fn(e, t, f);
			at += weir_frame_stride(f);
		}
	}
}

/* ---- verdicts ---- */

static void check_group(struct end *e, const struct group *g)
{
	struct sim *s = e->s;
	bool late = late_mode(&s->opt);

	sim_check(
		s,
		g->got_n + g->late_n == g->n && g->got_amounts + g->late_amounts == g->amounts &&
			g->got_nonces + g->late_nonces == g->nonces,
		"I22",
		"window [%lld, %lld) of key %lld: %llu records and %llu late ones of %llu; nonces %lld "
		"and %lld of %lld",
		(long long)g->start, (long long)g->end, (long long)g->k,
		(unsigned long long)g->got_n, (unsigned long long)g->late_n,
		(unsigned long long)g->n, (long long)g->got_nonces, (long long)g->late_nonces,
		(long long)g->nonces);
	if (late)
		return;
	sim_check(s,
		  g->got_newest == e->nonce[index_of(e, g->newest)] &&
			  g->got_ids == (int64_t)g->n && g->got_least == g->least,
		  "I22", "window [%lld, %lld) of key %lld: other aggregates than its records give",
		  (long long)g->start, (long long)g->end, (long long)g->k);
	sim_check(s, !s->opt.top || g->tops == (g->n > 1 ? 3u : 1u), "I22",
		  "window [%lld, %lld) of key %lld: the largest records are missing",
		  (long long)g->start, (long long)g->end, (long long)g->k);
}

static void check_records(struct end *e)
{
	const struct sim_options *o = &e->s->opt;

	for (uint32_t i = 0; i < o->records; i++) {
		sim_check(e->s, e->nonce[i] >= 0, "I26", "record %lld is lost",
			  (long long)e->rec[i].id);
		sim_check(e->s, !o->split || e->joined[i], "I26",
			  "record %lld is not in sink joined", (long long)e->rec[i].id);
		sim_check(e->s, !o->marks || e->marked[i] == SIM_MARKED(e->rec[i].id), "I26",
			  "record %lld is not in sink marked", (long long)e->rec[i].id);
	}
	for (uint32_t k = 0; o->sums && k < o->keys; k++)
		sim_check(e->s, memcmp(&e->want[k], &e->got[k], sizeof(e->want[k])) == 0, "I26",
			  "sums of key %u: %lld records of %lld", k, (long long)e->got[k].n,
			  (long long)e->want[k].n);
}

static void input(struct end *e)
{
	const struct sim_options *o = &e->s->opt;
	uint32_t n = 0;

	for (uint32_t p = 0; p < o->sources; p++) {
		e->first[p] = n;
		for (uint32_t i = 0; i < sim_record_count(o, p); i++) {
			e->nonce[n] = -1;
			sim_record_of(e->s, p, i, &e->rec[n++]);
		}
	}
	e->first[o->sources] = n;
}

void sim_check_end(struct sim *s)
{
	const struct sim_options *o = &s->opt;
	struct end e = {.s = s};

	if (s->user) {
		sim_user_check(s);
		return;
	}
	for (uint32_t i = 0; i < s->stores->count; i++)
		s->verdict.rows += s->stores->store[i]->rows;
	/* One block, so that a failure leaves nothing behind but what the run's end frees. */
	e.rec = sim_scratch(s, o->records * sizeof(*e.rec));
	e.nonce = sim_scratch(s, o->records * sizeof(*e.nonce));
	e.joined = sim_scratch(s, o->records);
	e.marked = sim_scratch(s, o->records);
	e.want = sim_scratch(s, o->keys * sizeof(*e.want));
	e.got = sim_scratch(s, o->keys * sizeof(*e.got));
	for (e.table_size = 1024; e.table_size < (size_t)o->records * 16; e.table_size *= 2)
		;
	e.table = sim_scratch(s, e.table_size * sizeof(*e.table));
	input(&e);
	each(&e, "audit", audit_row);
	each(&e, "joined", joined_row);
	each(&e, "marked", mark_row);
	each(&e, "sumout", sum_row);
	check_records(&e);
	e.group_cap = (size_t)o->records * 10 + 16; /* a record is in 10 windows at most */
	e.group = sim_scratch(s, e.group_cap * sizeof(*e.group));
	expected(&e);
	each(&e, "wins", win_row);
	each(&e, "lates", late_row);
	each(&e, "bests", best_row);
	for (uint32_t i = 0; i < e.group_count; i++)
		check_group(&e, &e.group[i]);
}
