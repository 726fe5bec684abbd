/* SPDX-License-Identifier: Apache-2.0 */
/* Everything is durable and applied everywhere: the sinks of all regions against the inputs of all regions. */
#include <stdlib.h>

#include "base/hooks.h"
#include "tests/sim/regions.h"
#include "tests/sim/source.h"

struct group { /* records of a key and a window, of all regions */
	int64_t k, start, n, amounts, nonces;
	bool got;
};

struct end {
	struct sim_regions *w;
	const struct sim_options *o;
	uint32_t first[SIM_REGIONS_MAX + 1]; /* numbers of records */
	struct sim_record *rec;
	int64_t *nonce; /* of each; -1: not seen */
	uint8_t *seen; /* in the sink at hand */
	struct group *group;
	uint32_t groups;
};

static int64_t get(const struct sim_store *t, const struct weir_frame *f, const char *name)
{
	int i = weir_schema_find(&t->schema, weir_str_c(name));

	return i < 0 ? INT64_MIN : weir_get_i64(f, &t->schema, (unsigned)i);
}

static uint32_t index_of(struct end *e, const struct sim_store *t, int64_t id)
{
	uint64_t region = (uint64_t)id >> 40, task = (uint64_t)id >> 32 & 255, i = (uint32_t)id;
	uint32_t at;

	sim_regions_check(id >= 0 && region < e->w->count && task < e->o->sources &&
				  i < sim_record_count(e->o, (uint32_t)task),
			  "I26", "sink %s: a record with id %lld was never in the input", t->step,
			  (long long)id);
	at = e->first[region];
	for (uint32_t p = 0; p < task; p++)
		at += sim_record_count(e->o, p);
	return at + (uint32_t)i;
}

/* A whole record: once in this sink, with the nonce it has everywhere. */
static void whole(struct end *e, const struct sim_store *t, const struct weir_frame *f,
		  uint32_t region)
{
	int64_t id = get(t, f, "id"), nonce = get(t, f, "nonce");
	uint32_t i = index_of(e, t, id);

	sim_regions_check(!e->seen[i], "I26", "record %lld is in sink %s@r%u twice", (long long)id,
			  t->step, region);
	e->seen[i] = 1;
	sim_regions_check(get(t, f, "t") == e->rec[i].t && get(t, f, "k") == e->rec[i].k &&
				  get(t, f, "amount") == e->rec[i].amount,
			  "I26", "sink %s@r%u: record %lld has other fields than in the input",
			  t->step, region, (long long)id);
	if (e->nonce[i] < 0)
		e->nonce[i] = nonce;
	sim_regions_check(e->nonce[i] == nonce, "I26",
			  "record %lld has nonce %lld in sink %s@r%u, and %lld elsewhere",
			  (long long)id, (long long)nonce, t->step, region, (long long)e->nonce[i]);
}

static void window(struct end *e, const struct sim_store *t, const struct weir_frame *f,
		   uint32_t region)
{
	int64_t k = get(t, f, "k"), start = get(t, f, "window_start");
	struct group *g = NULL;
	uint32_t low = 0, high = e->groups;

	while (low < high) {
		uint32_t mid = (low + high) / 2;
		const struct group *m = &e->group[mid];

		if (m->k < k || (m->k == k && m->start < start))
			low = mid + 1;
		else
			high = mid;
	}
	if (low < e->groups && e->group[low].k == k && e->group[low].start == start)
		g = &e->group[low];
	sim_regions_check(g, "I22", "sink %s@r%u: a window of key %lld that has no records",
			  t->step, region, (long long)k);
	sim_regions_check(!g->got, "I23", "sink %s@r%u: window %lld of key %lld is there twice",
			  t->step, region, (long long)start, (long long)k);
	g->got = true;
	sim_regions_check(get(t, f, "n") == g->n && get(t, f, "amounts") == g->amounts &&
				  get(t, f, "nonces") == g->nonces,
			  "I22",
			  "sink %s@r%u: window %lld of key %lld has %lld records of %lld, nonces "
			  "%lld of %lld",
			  t->step, region, (long long)start, (long long)k,
			  (long long)get(t, f, "n"), (long long)g->n,
			  (long long)get(t, f, "nonces"), (long long)g->nonces);
}

static void each(struct end *e, uint32_t region, const char *step,
		 void (*fn)(struct end *, const struct sim_store *, const struct weir_frame *,
			    uint32_t))
{
	const struct sim_stores *st = e->w->region[region].s->stores;

	for (uint32_t i = 0; i < st->count; i++) {
		const struct sim_store *t = st->store[i];

		if (strcmp(t->step, step) != 0)
			continue;
		e->w->s->verdict.rows += t->rows;
		for (size_t at = 0; at < t->bytes.n;) {
			const struct weir_frame *f = (const void *)(t->bytes.p + at);

			sim_regions_check(weir_frame_check(f, t->bytes.n - at, &t->schema) == 0,
					  "I26", "sink %s has a record that is none", step);
			fn(e, t, f, region);
			if (weir_planted(CANARY) && at == 0)
				fn(e, t, f, region);
			at += weir_frame_stride(f);
		}
	}
}

/* All records of these regions, and no others, are in this sink. */
static void sink(struct end *e, uint32_t region, const char *step, uint32_t set)
{
	memset(e->seen, 0, e->first[e->w->count]);
	each(e, region, step, whole);
	for (uint32_t r = 0; r < e->w->count; r++)
		for (uint32_t i = e->first[r]; i < e->first[r + 1]; i++)
			sim_regions_check(e->seen[i] == (set >> r & 1), "I26",
					  "record %lld of r%u is %s sink %s@r%u",
					  (long long)e->rec[i].id, r,
					  e->seen[i] ? "wrongly in" : "not in", step, region);
}

static int by_group(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	if (x->k != y->k)
		return x->k < y->k ? -1 : 1;
	return x->start < y->start ? -1 : x->start > y->start;
}

static void windows(struct end *e)
{
	uint32_t n = e->first[e->w->count], count = 0;
	int64_t size = (int64_t)e->o->window_ns;

	e->group = sim_scratch(e->w->s, n * sizeof(*e->group));
	for (uint32_t i = 0; i < n; i++)
		e->group[i] = (struct group){.k = e->rec[i].k,
					     .start = e->rec[i].t - e->rec[i].t % size,
					     .n = 1,
					     .amounts = e->rec[i].amount,
					     .nonces = e->nonce[i]};
	qsort(e->group, n, sizeof(*e->group), by_group);
	for (uint32_t i = 0; i < n; i++) {
		struct group *g = count ? &e->group[count - 1] : NULL;

		if (!g || by_group(g, &e->group[i]) != 0) {
			e->group[count++] = e->group[i];
			continue;
		}
		g->n++;
		g->amounts += e->group[i].amounts;
		g->nonces += e->group[i].nonces;
	}
	e->groups = count;
	for (uint32_t r = 0; r < e->w->count; r++)
		each(e, r, "keyedout", window);
	for (uint32_t i = 0; i < count; i++)
		sim_regions_check(e->group[i].got, "I22", "window %lld of key %lld is nowhere",
				  (long long)e->group[i].start, (long long)e->group[i].k);
}

static void edges(struct sim_regions *w)
{
	for (uint32_t i = 0; i < w->edge_count; i++) {
		const struct sim_edge *e = &w->edge[i];
		uint64_t got = sim_mark_at(&e->applied, w->region[e->to].s->check->durable);

		sim_regions_check(got == e->rows, "I12", "edge %s: %llu records have come of %u",
				  e->name, (unsigned long long)got, e->rows);
	}
}

void sim_regions_end(struct sim_regions *w)
{
	struct end e = {.w = w, .o = &w->s->opt};
	uint32_t n = 0, all = (1u << w->count) - 1;

	edges(w);
	e.rec = sim_scratch(w->s, w->count * e.o->records * sizeof(*e.rec));
	e.nonce = sim_scratch(w->s, w->count * e.o->records * sizeof(*e.nonce));
	e.seen = sim_scratch(w->s, w->count * e.o->records + 1);
	for (uint32_t r = 0; r < w->count; r++) {
		e.first[r] = n;
		for (uint32_t p = 0; p < e.o->sources; p++)
			for (uint32_t i = 0; i < sim_record_count(e.o, p); i++) {
				e.nonce[n] = -1;
				sim_record_of(w->region[r].s, p, i, &e.rec[n++]);
			}
	}
	e.first[w->count] = n;
	for (uint32_t r = 0; r < w->count; r++)
		sink(&e, r, "audit", 1u << r);
	for (uint32_t r = 0; r < w->count; r++)
		if (e.o->all_set >> r & 1)
			sink(&e, r, "all", all);
	sink(&e, e.o->hop[2], "hopout", 1u << e.o->hop[0]);
	windows(&e);
}
