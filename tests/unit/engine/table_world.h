/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/engine/table_world.h - several regions with a table each, joined by queues as edges are: in order, exactly once, seen
 * only after the commit of the sender. A crash takes a region back to its newest bundle, with what it had taken and given since; a
 * wiped region starts empty, with another writer, and what it had on its way is lost.
 */
#ifndef WEIR_TESTS_UNIT_ENGINE_TABLE_WORLD_H
#define WEIR_TESTS_UNIT_ENGINE_TABLE_WORLD_H

#include <stdio.h>
#include <stdlib.h>

#include "base/prng.h"
#include "engine/core/table_node.h"
#include "tests/lib/test.h"

#define TW_REGIONS 5
#define TW_PARTS 4000
#define TW_MS WEIR_NS_PER_MS
#define TW_RECORD_MAX 4096u

enum { TW_COUNT, TW_MAX, TW_LWW, TW_SET, TW_FIELDS };
static const struct weir_crdt tw_crdt[TW_FIELDS] = {
	{.type = WEIR_CRDT_PCOUNT},
	{.type = WEIR_CRDT_MAX},
	{.type = WEIR_CRDT_LWW},
	{.type = WEIR_CRDT_ORSET},
};

struct tw_msg {
	struct weir_rtable_msg m;
	char bytes[];
};

struct tw_queue {
	struct tw_msg **msg;
	uint32_t count, cap;
	uint32_t taken, taken_for_good;
	bool paused;
};

struct tw_part {
	uint8_t *p;
	size_t n;
};

struct tw_region {
	bool up;
	struct weir_task task;
	struct weir_node node;
	struct weir_out part;
	struct weir_region region;
	struct weir_rtable_machine t;
	struct tw_part saved[TW_PARTS];
	uint32_t saved_count;
	int64_t skew_ns;
	uint32_t op_count, op_committed; /* of the world's list: own ops since the barrier */
};

struct tw_op {
	uint32_t region;
	bool committed;
	uint8_t key;
	uint8_t field; /* TW_FIELDS: delete */
	bool remove;
	bool clears; /* a delete that found something in the register: it writes nothing into it */
	int64_t amount;
	uint64_t version, hlc;
	uint64_t seen[TW_REGIONS]; /* of the others' ops on this key */
};

#define TW_OPS 4000
struct tw_world {
	uint64_t seed;
	struct weir_prng rnd;
	uint32_t regions, keys;
	int64_t now_ns;
	bool deletable, crashes, wipes, skews, corrupts, pauses, small_window;
	struct tw_region r[TW_REGIONS];
	struct tw_queue q[TW_REGIONS][TW_REGIONS];
	uint32_t op_count;
	struct tw_op op[TW_OPS];
	bool wiped, corrupted;
	uint64_t missing; /* buckets without what was said to be there */
	char why[300];
};

#define tw_wrong(w, ...)                                                                           \
	do {                                                                                       \
		if (!(w)->why[0])                                                                  \
			snprintf((w)->why, sizeof((w)->why), __VA_ARGS__);                         \
	} while (0)

static inline bool tw_dice(struct tw_world *w, uint64_t n, uint64_t of)
{
	return weir_prng_chance(&w->rnd, n, of);
}

static inline int64_t tw_now(const struct tw_world *w, uint32_t r)
{
	return w->now_ns + w->r[r].skew_ns;
}

/* ---- queues ---- */

static inline void tw_queue_drop(struct tw_queue *q, uint32_t from)
{
	for (uint32_t i = from; i < q->count; i++)
		free(q->msg[i]);
	q->count = WEIR_MIN(q->count, from);
}

struct tw_io {
	struct tw_world *w;
	uint32_t from;
	uint32_t room;
};

static inline bool tw_put(void *ctx, uint32_t peer, const struct weir_rtable_msg *m)
{
	struct tw_io *io = ctx;
	struct tw_world *w = io->w;
	struct tw_queue *q = &w->q[io->from][w->r[io->from].t.peer[peer].region];
	size_t n = m->key.n + m->body.n;
	struct tw_msg *x;

	assert_true(n + WEIR_TABLE_BODY_FIXED <= TW_RECORD_MAX);
	if (tw_dice(w, 1, 8))
		return false; /* no room now */
	x = malloc(sizeof(*x) + n + 1);
	assert_non_null(x);
	x->m = *m;
	memcpy(x->bytes, m->key.p, m->key.n);
	memcpy(x->bytes + m->key.n, m->body.p, m->body.n);
	x->m.key.p = x->bytes;
	x->m.body.p = x->bytes + m->key.n;
	if (q->count == q->cap) {
		q->cap = q->cap ? 2 * q->cap : 64;
		q->msg = realloc(q->msg, q->cap * sizeof(struct tw_msg *));
		assert_non_null(q->msg);
	}
	q->msg[q->count++] = x;
	return true;
}

/* ---- one region ---- */

static inline void tw_start(struct tw_world *w, uint32_t i)
{
	struct tw_region *r = &w->r[i];
	struct weir_rtable_machine *t = &r->t;

	memset(&r->task, 0, sizeof(r->task));
	memset(&r->node, 0, sizeof(r->node));
	memset(t, 0, sizeof(*t));
	r->task.mem = &weir_test_mem;
	r->task.record_max = TW_RECORD_MAX;
	r->task.node = &r->node;
	r->task.node_count = 1;
	r->node.task = &r->task;
	r->node.step_name = "t";
	weir_out_init(&r->part, &weir_test_mem);
	r->node.part = &r->part;
	weir_region_init(&r->region, &weir_test_mem);
	weir_rtable_store_init(&t->store, &r->node, true, tw_crdt, TW_FIELDS, w->deletable, 60,
			       &r->region);
	t->here = i;
	t->send_window = w->small_window ? 600 : 1 << 20;
	t->digest_ns = 10 * WEIR_NS_PER_S;
	t->record_max = TW_RECORD_MAX - WEIR_TABLE_BODY_FIXED;
	t->sign = 77;
	t->peer = weir_region_array(&r->region, struct weir_rtable_peer, TW_REGIONS);
	for (uint32_t k = 0; k < w->regions; k++) {
		if (k == i)
			continue;
		t->peer[t->peer_count].ack_serial = UINT64_MAX;
		t->peer[t->peer_count].ours_serial = UINT64_MAX;
		t->peer[t->peer_count++].region = k;
	}
	t->store.cursor_count = t->peer_count;
	r->up = true;
}

static inline void tw_stop(struct tw_world *w, struct tw_region *r)
{
	for (uint32_t i = 0; i < r->t.peer_count; i++)
		if (r->t.peer[i].seen_cap)
			weir_test_mem.free(weir_test_mem.ctx, r->t.peer[i].seen,
					   r->t.peer[i].seen_cap *
						   sizeof(struct weir_rtable_version));
	w->missing += r->t.info.missing;
	weir_rtable_store_fini(&r->t.store);
	weir_out_fini(&r->part);
	weir_region_fini(&r->region);
	r->up = false;
}

static inline void tw_restore(struct tw_world *w, uint32_t i)
{
	struct tw_region *r = &w->r[i];

	for (uint32_t k = 0; k < r->saved_count; k++) {
		struct weir_restore x = {.in = weir_reader_of(r->saved[k].p, r->saved[k].n),
					 .instances = 1,
					 .instances_then = 1,
					 .epoch = k + 1};
		struct weir_reader head = weir_read_part(&x.in, weir_read_u32(&x.in));

		if (weir_rtable_head_get(&r->t, &head) < 0 ||
		    weir_rtable_entries_get(&r->t, &x) < 0)
			tw_wrong(w, "region %u does not come back: %s", i, r->task.err.text);
	}
	weir_rtable_restored(&r->t);
}

/* Back to the newest bundle. */
static inline void tw_crash(struct tw_world *w, uint32_t i)
{
	tw_stop(w, &w->r[i]);
	for (uint32_t k = 0; k < w->regions; k++)
		w->q[k][i].taken = w->q[k][i].taken_for_good;
	for (uint32_t k = w->r[i].op_committed; k < w->op_count; k++)
		if (w->op[k].region == i && !w->op[k].committed)
			w->op[k].region = UINT32_MAX;
	tw_start(w, i);
	tw_restore(w, i);
}

/* All that it had is gone, and what nobody has taken of it. */
static inline void tw_wipe(struct tw_world *w, uint32_t i)
{
	struct tw_region *r = &w->r[i];

	w->wiped = true;
	tw_stop(w, r);
	for (uint32_t k = 0; k < r->saved_count; k++)
		free(r->saved[k].p);
	r->saved_count = 0;
	for (uint32_t k = 0; k < w->regions; k++) {
		tw_queue_drop(&w->q[i][k], w->q[i][k].taken);
		w->q[k][i].taken = w->q[k][i].taken_for_good = w->q[k][i].count;
	}
	/* No two lives in one second: they could not be told apart. */
	w->now_ns += WEIR_NS_PER_S + (int64_t)weir_prng_below(&w->rnd, 3000) * TW_MS;
	tw_start(w, i);
}

static inline void tw_save(struct tw_world *w, uint32_t i)
{
	struct tw_region *r = &w->r[i];
	struct weir_rtable_store *s = &r->t.store;
	struct weir_out head;
	struct tw_part *p = &r->saved[r->saved_count++];
	size_t left;

	assert_true(r->saved_count < TW_PARTS);
	weir_out_init(&head, &weir_test_mem);
	weir_rtable_head_put(&r->t, &head);
	weir_out_u32(&r->part, (uint32_t)head.bytes);
	weir_out_append(&r->part, &head);
	weir_track_freeze(&s->track, &r->part);
	weir_tracked_freeze(&s->rows);
	do {
		left = 1 + weir_prng_below(&w->rnd, 300);
	} while (!weir_tracked_encode(&s->track, &s->rows, &left));
	weir_track_done(&s->track);
	p->n = (size_t)r->part.bytes;
	p->p = malloc(p->n);
	assert_non_null(p->p);
	weir_out_copy(&r->part, p->p);
	weir_out_fini(&r->part);
}

/* A barrier, and its commit. */
static inline void tw_barrier(struct tw_world *w, uint32_t i)
{
	struct tw_region *r = &w->r[i];
	struct tw_io ctx = {.w = w, .from = i};
	const struct weir_rtable_io io = {.put = tw_put, .ctx = &ctx};

	weir_rtable_begin(&r->t, tw_now(w, i));
	for (uint32_t p = 0; p < r->t.peer_count; p++)
		while (!weir_rtable_say(&r->t, p, &io, tw_now(w, i)))
			;
	for (uint32_t k = 0; k < r->t.store.out_count; k++)
		weir_rtable_at(&r->t.store, r->t.store.out[k])->flags &= ~WEIR_TABLE_OUT;
	r->t.store.out_count = 0;
	weir_rtable_end(&r->t);
	tw_save(w, i);
	for (uint32_t k = 0; k < w->regions; k++)
		w->q[k][i].taken_for_good = w->q[k][i].taken;
	for (uint32_t k = r->op_committed; k < w->op_count; k++)
		if (w->op[k].region == i)
			w->op[k].committed = true;
	r->op_committed = w->op_count;
}

static inline void tw_hear(struct tw_world *w, uint32_t from, uint32_t to)
{
	struct tw_queue *q = &w->q[from][to];
	struct weir_rtable_machine *t = &w->r[to].t;
	uint32_t peer = from < to ? from : from - 1;

	if (q->taken == q->count)
		return;
	if (!t->store.me)
		weir_rtable_begin(t, tw_now(w, to));
	if (weir_rtable_hear(t, peer, &q->msg[q->taken++]->m, tw_now(w, to)) < 0)
		tw_wrong(w, "region %u stops: %s", to, w->r[to].task.err.text);
}

/* ---- changes ---- */

static inline struct weir_str tw_key(uint8_t key, char bytes[2])
{
	bytes[0] = WEIR_TABLE_KEY_ROW;
	bytes[1] = (char)('a' + key);
	return (struct weir_str){bytes, 2};
}

static inline uint64_t tw_seen(struct tw_world *w, uint32_t at, uint32_t number, uint32_t of)
{
	const struct weir_rtable_store *s = &w->r[at].t.store;
	const struct weir_rtable_writer *x = NULL;
	uint64_t n = 0;

	for (uint32_t i = 0; i < s->writer_count; i++)
		if (weir_writer_region(s->writer[i].id) == of)
			x = &s->writer[i];
	if (!x)
		return 0;
	if (number == WEIR_TABLE_NONE)
		return x->version;
	for (uint32_t i = 0; i < s->values; i++)
		n = WEIR_MAX(n, weir_crdt_seen(&s->crdt[i], weir_rtable_at(s, number)->value[i],
					       x->id));
	return n;
}

static inline void tw_change(struct tw_world *w, uint32_t i)
{
	struct weir_rtable_store *s = &w->r[i].t.store;
	struct tw_op *op = &w->op[w->op_count];
	struct weir_out body;
	char key[2], bytes[64];
	uint8_t value[8];
	uint32_t number, which;

	if (w->op_count == TW_OPS)
		return;
	memset(op, 0, sizeof(*op));
	op->region = i;
	op->key = (uint8_t)weir_prng_below(&w->rnd, w->keys);
	op->field = (uint8_t)weir_prng_below(&w->rnd, TW_FIELDS + (w->deletable ? 1 : 0));
	op->amount = (int64_t)weir_prng_below(&w->rnd, 9) - 2;
	op->remove = op->field == TW_SET && tw_dice(w, 1, 3);
	if (!s->me)
		weir_rtable_begin(&w->r[i].t, tw_now(w, i));
	number = weir_rtable_find_key(s, tw_key(op->key, key));
	if (op->field == TW_FIELDS && (number == WEIR_TABLE_NONE || weir_rtable_deleted(s, number)))
		return;
	op->clears = op->field == TW_FIELDS && weir_rtable_at(s, number)->value[TW_LWW + 1].n;
	for (uint32_t k = 0; k < w->regions; k++)
		op->seen[k] = k == i ? s->counter : tw_seen(w, i, number, k);
	weir_crdt_i64(op->amount, value);
	weir_out_init(&body, &weir_test_mem);
	weir_out_u8(&body, op->field == TW_FIELDS);
	if (op->field != TW_FIELDS) {
		weir_out_varint(&body, op->field + 1u);
		weir_out_u8(&body, op->field == TW_COUNT ? WEIR_CRDT_ADD
				   : op->field != TW_SET ? WEIR_CRDT_SET
				   : op->remove		 ? WEIR_CRDT_REMOVE
							 : WEIR_CRDT_ADD);
		weir_out_i64(&body, op->field == TW_COUNT ? op->amount : 0);
		weir_out_text(&body, op->field == TW_COUNT
					     ? WEIR_STR("")
					     : (struct weir_str){(const char *)value, 8});
	}
	/* Of its first dot: further ones may leave no trace (a set does not have what is removed). */
	op->version = s->counter + 1;
	assert_true(body.bytes <= sizeof(bytes));
	weir_out_copy(&body, bytes);
	if (weir_rtable_change(s, tw_key(op->key, key),
			       (struct weir_str){bytes, (size_t)body.bytes}, tw_now(w, i),
			       &which) < 0)
		tw_wrong(w, "region %u refuses a change", i);
	weir_out_fini(&body);
	op->hlc = s->hlc;
	w->op_count++;
}

/* ---- the second implementation: over the list of all changes ---- */

static inline bool tw_saw(const struct tw_op *later, const struct tw_op *earlier)
{
	return later != earlier && later->seen[earlier->region] >= earlier->version;
}

static inline bool tw_counts(const struct tw_op *o, uint8_t key)
{
	return o->region != UINT32_MAX && o->committed && o->key == key;
}

struct tw_expect {
	bool any, there, has_max, has_lww;
	int64_t count, max, lww;
	uint32_t set; /* bit amount + 2 */
};

static inline bool tw_writes(const struct tw_op *o)
{
	return o->field == TW_LWW || o->clears;
}

/* Has a later one of these taken it away? */
static inline bool tw_taken_back(const struct tw_world *w, const struct tw_op *o)
{
	for (uint32_t i = 0; i < w->op_count; i++) {
		const struct tw_op *d = &w->op[i];

		if (!tw_counts(d, o->key) || !tw_saw(d, o))
			continue;
		if (d->field == TW_FIELDS || (o->field == TW_SET && d->field == TW_SET &&
					      d->remove && d->amount == o->amount))
			return true;
	}
	return false;
}

/* Presence: what was seen of others counts with what those had seen. */
static inline bool tw_deleted_by(const struct tw_world *w, const struct tw_op *o)
{
	for (uint32_t i = 0; i < w->op_count; i++) {
		const struct tw_op *d = &w->op[i];

		if (!tw_counts(d, o->key) || d->field != TW_FIELDS)
			continue;
		if (tw_saw(d, o))
			return true;
		for (uint32_t k = 0; k < w->op_count; k++)
			if (tw_counts(&w->op[k], o->key) && tw_saw(d, &w->op[k]) &&
			    tw_saw(&w->op[k], o))
				return true;
	}
	return false;
}

static inline struct tw_expect tw_expected(const struct tw_world *w, uint8_t key)
{
	struct tw_expect e = {0};
	const struct tw_op *win = NULL;

	for (uint32_t i = 0; i < w->op_count; i++) {
		const struct tw_op *o = &w->op[i];

		if (!tw_counts(o, key))
			continue;
		if (o->field == TW_FIELDS)
			continue;
		e.any = true;
		e.there |= !w->deletable || !tw_deleted_by(w, o);
		if (o->field == TW_COUNT)
			e.count += o->amount;
		if (o->field == TW_MAX && (!e.has_max || o->amount > e.max)) {
			e.has_max = true;
			e.max = o->amount;
		}
		if (o->field == TW_SET && !o->remove && !tw_taken_back(w, o))
			e.set |= 1u << (o->amount + 2);
	}
	/* The register: of those that nobody has seen, the highest (clock, region). */
	for (uint32_t i = 0; i < w->op_count; i++) {
		const struct tw_op *o = &w->op[i];
		bool over = false;

		if (!tw_counts(o, key) || !tw_writes(o))
			continue;
		for (uint32_t k = 0; k < w->op_count && !over; k++)
			over = tw_counts(&w->op[k], key) && tw_writes(&w->op[k]) &&
			       tw_saw(&w->op[k], o);
		if (!over &&
		    (!win || o->hlc > win->hlc || (o->hlc == win->hlc && o->region > win->region)))
			win = o;
	}
	if (win && win->field == TW_LWW) {
		e.has_lww = true;
		e.lww = win->amount;
	}
	return e;
}

#endif
