/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/stores.h"

#include <stdlib.h>

#include "tests/sim/check.h"
#include "tests/sim/situation.h"

void *sim_alloc(size_t n)
{
	void *p = malloc(n ? n : 1);

	if (!p)
		abort();
	/* calloc() of jemalloc drops pages to clear them: faults cost more than this. */
	return memset(p, 0, n);
}

void *sim_grow(void *p, size_t *cap, size_t want, size_t item)
{
	if (want <= *cap)
		return p;
	*cap = WEIR_MAX(want, *cap ? *cap * 2 : 16);
	p = realloc(p, *cap * item);
	if (!p)
		abort();
	return p;
}

void sim_bytes_put(struct sim_bytes *b, const void *p, size_t n)
{
	b->p = sim_grow(b->p, &b->cap, b->n + n, 1);
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
}

void sim_mark(struct sim_marks *m, uint64_t epoch, uint64_t rows)
{
	if (m->count && m->m[m->count - 1].epoch == epoch) {
		m->m[m->count - 1].rows = rows;
		return;
	}
	m->m = sim_grow(m->m, &m->cap, m->count + 1u, sizeof(*m->m));
	m->m[m->count++] = (struct sim_mark){.epoch = epoch, .rows = rows};
}

uint64_t sim_mark_at(const struct sim_marks *m, uint64_t epoch)
{
	for (uint32_t i = m->count; i-- > 0;)
		if (m->m[i].epoch <= epoch)
			return m->m[i].rows;
	return 0;
}

void sim_mark_cut(struct sim_marks *m, uint64_t epoch)
{
	while (m->count && m->m[m->count - 1].epoch > epoch)
		m->count--;
}

/* ---- stores ---- */

struct sim_stores *sim_stores_new(struct sim *s)
{
	struct sim_stores *st = sim_alloc(sizeof(*st));

	st->s = s;
	return st;
}

void sim_stores_free(struct sim_stores *st)
{
	for (uint32_t i = 0; i < st->count; i++) {
		struct sim_store *t = st->store[i];

		for (uint32_t k = 0; k < t->hidden_count; k++)
			free(t->hidden[k].bytes.p);
		sim_store_lose(t);
		free(t->way);
		free(t->hidden);
		free(t->batch);
		free(t->frozen.m);
		free(t->bytes.p);
		free(t);
	}
	for (uint32_t i = 0; i < st->late_count; i++)
		free(st->late[i].r.part.p);
	free(st);
}

struct sim_store *sim_store_find(const struct sim *s, const char *step, uint32_t task)
{
	const struct sim_stores *st = s->stores;

	for (uint32_t i = 0; i < st->count; i++)
		if (st->store[i]->task == task && strcmp(st->store[i]->step, step) == 0)
			return st->store[i];
	return NULL;
}

struct sim_store *sim_store_of(struct sim *s, const char *step, uint32_t task,
			       const struct weir_schema *schema)
{
	struct sim_stores *st = s->stores;
	struct sim_store *t = sim_store_find(s, step, task);

	if (t)
		return t;
	sim_check(s, st->count < SIM_STORES_MAX, "L5", "more than %d sink tasks", SIM_STORES_MAX);
	t = sim_alloc(sizeof(*t));
	snprintf(t->step, sizeof(t->step), "%s", step);
	t->task = task;
	t->number = st->count;
	t->schema = *schema;
	st->store[st->count++] = t;
	return t;
}

struct sim_hidden *sim_hidden_new(struct sim_store *t)
{
	struct sim_hidden *h;

	t->hidden = sim_grow(t->hidden, &t->hidden_cap, t->hidden_count + 1u, sizeof(*t->hidden));
	h = &t->hidden[t->hidden_count++];
	memset(h, 0, sizeof(*h));
	h->id = ++t->hidden_next;
	return h;
}

struct sim_hidden *sim_hidden_find(struct sim_store *t, uint64_t id)
{
	for (uint32_t i = t->hidden_count; i-- > 0;)
		if (t->hidden[i].id == id)
			return &t->hidden[i];
	return NULL;
}

bool sim_piece_next(struct sim *s, const uint8_t *part, size_t n, size_t *at, struct sim_piece *ret)
{
	const uint8_t *p = part + *at;
	uint32_t magic;

	if (*at == n)
		return false;
	sim_check(s, n - *at >= SIM_PIECE_HEAD, "I25", "a sink's part is cut short");
	memcpy(&magic, p, 4);
	memcpy(&ret->rows, p + 4, 4);
	memcpy(&ret->bytes, p + 8, 8);
	memcpy(&ret->hidden, p + 16, 8);
	memcpy(&ret->hash, p + 24, 16);
	sim_check(s, magic == SIM_PIECE_MAGIC, "I25", "a sink's part is not what freeze() wrote");
	*at += SIM_PIECE_HEAD;
	ret->p = NULL;
	if (ret->hidden)
		return true;
	sim_check(s, ret->bytes <= n - *at, "I25", "a sink's part is cut short");
	ret->p = part + *at;
	*at += ret->bytes;
	sim_check(s, weir_hash128_eq(weir_hash128(ret->p, ret->bytes), ret->hash), "I25",
		  "rows in a sink's part have changed");
	return true;
}

static void take_piece(struct sim *s, struct sim_store *t, struct sim_piece *p)
{
	struct sim_hidden *h = NULL;

	if (p->hidden) {
		h = sim_hidden_find(t, p->hidden);
		sim_check(s, h && !h->gone, "I26", "hidden output %llu of sink %s.%u is not there",
			  (unsigned long long)p->hidden, t->step, t->task);
		sim_check(s, h->durable, "I7", "output of sink %s.%u is applied but not durable",
			  t->step, t->task);
		sim_check(s,
			  h->bytes.n == p->bytes &&
				  weir_hash128_eq(weir_hash128(h->bytes.p, h->bytes.n), p->hash),
			  "I25", "hidden output of sink %s.%u has changed", t->step, t->task);
		p->p = h->bytes.p;
		h->gone = true;
	}
	sim_bytes_put(&t->bytes, p->p, p->bytes);
	t->rows += p->rows;
}

enum sim_answer sim_store_apply(struct sim *s, struct sim_store *t, const struct sim_request *r)
{
	struct sim_piece p;
	struct sim_batch *b;
	size_t at = 0;

	if (r->fence < t->fence) {
		sim_trace(s, SIM_EV_REFUSE, t->number, r->epoch, r->fence);
		return SIM_ANSWER_FENCED;
	}
	if (t->cursor == r->epoch && !t->loose)
		return SIM_ANSWER_ALREADY;
	if (t->cursor != r->prev && !t->loose) {
		sim_trace(s, SIM_EV_REFUSE, t->number, r->epoch, r->fence);
		return SIM_ANSWER_MISMATCH;
	}
	sim_check_apply(s, t, r);
	while (sim_piece_next(s, r->part.p, r->part.n, &at, &p))
		take_piece(s, t, &p);
	t->cursor = r->epoch;
	t->fence = r->fence;
	t->batch = sim_grow(t->batch, &t->batch_cap, t->batch_count + 1u, sizeof(*t->batch));
	b = &t->batch[t->batch_count++];
	*b = (struct sim_batch){.epoch = r->epoch, .fence = r->fence, .rows = t->rows};
	b->hash = weir_hash128(r->part.p, r->part.n);
	sim_trace(s, SIM_EV_APPLY, t->number, r->epoch, r->fence);
	return SIM_ANSWER_DONE;
}

/* ---- late requests ---- */

void sim_store_late(struct sim *s, struct sim_store *t, const struct sim_request *r, uint64_t in_ns)
{
	struct sim_stores *st = s->stores;
	struct sim_late *l;

	if (st->late_count == SIM_LATE_MAX)
		return;
	l = &st->late[st->late_count++];
	*l = (struct sim_late){.due_ns = s->now + in_ns, .store = t, .r = *r};
	l->r.part = (struct sim_bytes){0};
	sim_bytes_put(&l->r.part, r->part.p, r->part.n);
}

void sim_store_send(struct sim_store *t, const struct sim_request *r, uint64_t due_ns)
{
	struct sim_way *w;

	t->way = sim_grow(t->way, &t->way_cap, t->way_count + 1u, sizeof(*t->way));
	w = &t->way[t->way_count++];
	*w = (struct sim_way){.due_ns = due_ns, .r = *r};
	if (t->way_count > 1)
		w->due_ns = WEIR_MAX(due_ns, w[-1].due_ns);
	w->r.part = (struct sim_bytes){0};
	sim_bytes_put(&w->r.part, r->part.p, r->part.n);
}

void sim_store_lose(struct sim_store *t)
{
	for (uint32_t i = 0; i < t->way_count; i++)
		free(t->way[i].r.part.p);
	t->way_count = 0;
}

/* What has arrived. What is there already is dropped; a gap would be a hole in the stream. */
static void arrive(struct sim *s, struct sim_store *t)
{
	uint32_t n = 0;

	for (; n < t->way_count && t->way[n].due_ns <= s->now; n++) {
		struct sim_request *r = &t->way[n].r;
		enum sim_answer a = SIM_ANSWER_ALREADY;

		if (r->epoch > t->cursor)
			a = sim_store_apply(s, t, r);
		sim_check(s, a != SIM_ANSWER_MISMATCH, "I9",
			  "sink %s.%u is sent epoch %llu after %llu, and has %llu", t->step,
			  t->task, (unsigned long long)r->epoch, (unsigned long long)r->prev,
			  (unsigned long long)t->cursor);
		free(r->part.p);
	}
	t->way_count -= n;
	memmove(t->way, t->way + n, t->way_count * sizeof(*t->way));
}

uint64_t sim_stores_next(const struct sim_stores *st)
{
	uint64_t least = 0;

	for (uint32_t i = 0; i < st->count; i++)
		if (st->store[i]->way_count && (!least || st->store[i]->way[0].due_ns < least))
			least = st->store[i]->way[0].due_ns;

	for (uint32_t i = 0; i < st->late_count; i++)
		if (!least || st->late[i].due_ns < least)
			least = st->late[i].due_ns;
	return least;
}

void sim_stores_settle(struct sim_stores *st)
{
	for (uint32_t i = 0; i < st->count; i++)
		if (st->store[i]->way_count)
			arrive(st->s, st->store[i]);
	for (uint32_t i = 0; i < st->late_count;) {
		struct sim_late l = st->late[i];

		if (l.due_ns > st->s->now) {
			i++;
			continue;
		}
		st->late[i] = st->late[--st->late_count];
		if (sim_store_apply(st->s, l.store, &l.r) == SIM_ANSWER_FENCED)
			sim_situation(SIM_SAW_FENCED);
		free(l.r.part.p);
	}
}

void sim_stores_kill(struct sim_stores *st, bool power)
{
	for (uint32_t i = 0; i < st->count; i++) {
		struct sim_store *t = st->store[i];

		if (t->unknown)
			sim_situation(SIM_SAW_UNKNOWN_RESTART);
		if (t->way_count)
			sim_situation(SIM_SAW_KILL_STREAM);
		if (power)
			sim_store_lose(t);
		t->unknown = false; /* the next engine reads the cursor when it opens the sink */
		for (uint32_t k = 0; k < t->hidden_count; k++)
			if (power && !t->hidden[k].durable)
				t->hidden[k].gone = true;
	}
	st->away_seen = false;
}
