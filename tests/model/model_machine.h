/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/model/model_machine.h - the machine that model.c runs threads on. Private to model.c.
 *
 * Holds: message histories of the atomic locations, the views of the threads, who touched which data
 *        when, and a hash of all of it, by which a state is known again.
 */
#ifndef WEIR_TESTS_MODEL_MODEL_MACHINE_H
#define WEIR_TESTS_MODEL_MODEL_MACHINE_H

#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#include "tests/model/model.h"

#define LOCS_MAX 24
#define MSGS_MAX 48
#define STEPS_MAX 600
#define CHOICES_MAX (3 * STEPS_MAX)
#define AREAS_MAX 4
#define AREA_GRAINS_MAX 1024
#define LOOKS_MAX 8
#define NO_LOC UINT8_MAX

enum op_kind {
	OP_LOAD,
	OP_STORE,
	OP_RMW,
	OP_FENCE,
	OP_FUTEX_WAIT,
	OP_FUTEX_WAKE,
	OP_JOIN,
	OP_RESUME,
	OP_KILL, /* not an operation: the death of the thread */
};

/* What a thread knows: the newest message seen of every location, and what happened before. The two
 * differ only by seq_cst fences, which move messages and order no plain data. */
struct view {
	uint8_t msg[LOCS_MAX];
	uint32_t clock[MODEL_THREADS_MAX];
};

struct msg {
	uint64_t value;
	struct view view; /* what an acquiring reader learns */
	uint8_t place; /* in the modification order */
	bool rmw_follows; /* read by a read-modify-write, which stays right behind it */
};

struct loc {
	const void *p;
	const char *name;
	size_t size;
	unsigned count; /* 0: not touched yet */
	struct msg msg[MSGS_MAX];
	uint8_t order[MSGS_MAX]; /* message numbers in modification order */
};

enum thread_state { READY, SLEEPING, ENDED, DEAD };

struct seen {
	uint8_t loc, msg;
};

struct thread {
	ucontext_t ctx;
	enum thread_state state;
	/* What it knows; what it would know after an acquire fence; what it knew at its last fence. */
	struct view cur, acq, rel;
	enum op_kind op;
	uint8_t op_loc;
	unsigned op_thread; /* OP_JOIN */
	const char *op_func;
	/* Spin loops: what this iteration and the last one looked at. */
	struct seen look[LOOKS_MAX], last_look[LOOKS_MAX];
	unsigned look_count, last_count;
	bool awaiting, clock_handed_out;
	uint64_t history; /* stands for the local state: what was read since model_at() */
};

struct grain {
	uint64_t execution;
	uint64_t content;
	uint32_t write_clock, read_clock[MODEL_THREADS_MAX];
	uint32_t writer; /* MODEL_THREADS_MAX: nobody */
};

struct area {
	const uint8_t *p;
	uint64_t bytes;
	unsigned copies, grain;
	uint64_t hash; /* sum over the grains */
	struct grain shadow[AREA_GRAINS_MAX];
};

struct step {
	const char *func;
	uint64_t value;
	uint8_t thread, kind, loc;
	bool old;
};

/* Transition t is the operation of thread t, t + MODEL_THREADS_MAX its death. */
struct choice {
	uint32_t enabled, tried; /* which transition; enabled 0: a plain choice of `count` */
	uint16_t chosen, count;
};

/* Open addressing; 0 is never a hash. */
struct visited {
	uint64_t *slot, count, size;
};

struct machine {
	const struct model_scenario *scenario;
	struct model_result *result;
	ucontext_t main;
	struct thread thread[MODEL_THREADS_MAX];
	unsigned self;
	bool in_prologue, in_finish, died, cut;
	struct view fences; /* the global view of seq_cst fences */
	struct loc loc[LOCS_MAX];
	unsigned loc_count;
	struct choice choice[CHOICES_MAX];
	unsigned depth, at;
	struct step step[STEPS_MAX];
	unsigned step_count;
	uint64_t execution;
	struct area area[AREAS_MAX];
	unsigned area_count;
	struct visited visited;
};

static struct machine m;

/* A mistake in a scenario or in the checker itself, not a finding. */
static _Noreturn void broken(const char *what)
{
	fprintf(stderr, "model: %s: %s\n", m.scenario ? m.scenario->name : "-", what);
	abort();
}

static bool is_gone(const struct thread *t)
{
	return t->state == ENDED || t->state == DEAD;
}

/* ---- views ---- */

static unsigned place(unsigned l, uint8_t msg)
{
	return m.loc[l].msg[msg].place;
}

static uint8_t newest(unsigned l)
{
	return m.loc[l].order[m.loc[l].count - 1];
}

static void msgs_join(struct view *a, const struct view *b)
{
	for (unsigned l = 0; l < m.loc_count; l++)
		if (m.loc[l].count && place(l, b->msg[l]) > place(l, a->msg[l]))
			a->msg[l] = b->msg[l];
}

static void view_join(struct view *a, const struct view *b)
{
	msgs_join(a, b);
	for (unsigned i = 0; i < MODEL_THREADS_MAX; i++)
		a->clock[i] = WEIR_MAX(a->clock[i], b->clock[i]);
}

static void see(struct thread *t, uint8_t l, uint8_t msg)
{
	if (place(l, msg) > place(l, t->cur.msg[l]))
		t->cur.msg[l] = msg;
	if (place(l, msg) > place(l, t->acq.msg[l]))
		t->acq.msg[l] = msg;
}

/* The clock moves only between a store, which may hand it to others, and a later touch of data. */
static uint32_t now(struct thread *t)
{
	unsigned i = (unsigned)(t - m.thread);

	if (t->clock_handed_out) {
		t->acq.clock[i] = ++t->cur.clock[i];
		t->clock_handed_out = false;
	}
	return t->cur.clock[i];
}

/* ---- hashing ---- */

static uint64_t mix(uint64_t h, uint64_t v)
{
	weir_u128 x =
		(weir_u128)(h ^ UINT64_C(0x9e3779b97f4a7c15)) * (v ^ UINT64_C(0xd1b54a32d192ed03));

	return ((uint64_t)x ^ (uint64_t)(x >> 64)) + (h << 17 | h >> 47) + v;
}

static uint64_t mix_bytes(uint64_t h, const void *p, size_t n)
{
	const uint8_t *b = p;
	uint64_t v;

	for (; n >= 8; n -= 8, b += 8) {
		memcpy(&v, b, 8);
		h = mix(h, v);
	}
	v = 0;
	memcpy(&v, b, n);
	return n ? mix(h, v) : h;
}

static uint64_t grain_hash(const struct grain *w, uint64_t at)
{
	return mix_bytes(mix(at, w->content), &w->write_clock,
			 sizeof(*w) - offsetof(struct grain, write_clock));
}

/* Views are hashed as places counted from the oldest message that anybody can still read. */
static uint64_t mix_view(uint64_t h, const struct view *v, const unsigned *oldest)
{
	uint8_t at[LOCS_MAX];

	for (unsigned l = 0; l < m.loc_count; l++) {
		unsigned at_place = m.loc[l].count ? place(l, v->msg[l]) : 0;

		at[l] = (uint8_t)(at_place > oldest[l] ? at_place - oldest[l] : 0);
	}
	h = mix_bytes(h, at, m.loc_count);
	return mix_bytes(h, v->clock, sizeof(v->clock));
}

static uint64_t mix_thread(uint64_t h, const struct thread *t, const unsigned *oldest)
{
	h = mix(h, t->state);
	h = mix_view(h, &t->cur, oldest); /* also of one that is gone: a joiner learns it */
	if (is_gone(t))
		return m.scenario->no_merge ? mix(h, t->history) : h;
	h = mix_view(h, &t->acq, oldest);
	h = mix_view(h, &t->rel, oldest);
	h = mix(h, t->history);
	h = mix(h, (uint64_t)t->op << 16 | (uint64_t)t->op_loc << 8 |
			   (uint64_t)t->clock_handed_out << 1 | t->awaiting);
	for (unsigned k = 0; k < t->last_count; k++)
		h = mix(h, (uint64_t)t->last_look[k].loc << 8 |
				   (place(t->last_look[k].loc, t->last_look[k].msg) -
				    oldest[t->last_look[k].loc]));
	return h;
}

/* Everything that what follows can depend on. */
static uint64_t state_hash(void)
{
	unsigned oldest[LOCS_MAX];
	uint64_t h = 1;

	for (unsigned l = 0; l < m.loc_count; l++) {
		oldest[l] = 0;
		if (m.loc[l].count == 0)
			continue;
		oldest[l] = m.loc[l].count - 1;
		for (unsigned i = 0; i < m.scenario->thread_count; i++)
			if (!is_gone(&m.thread[i]))
				oldest[l] = WEIR_MIN(oldest[l], place(l, m.thread[i].cur.msg[l]));
	}
	for (unsigned l = 0; l < m.loc_count; l++) {
		const struct loc *x = &m.loc[l];

		h = mix(h, x->count - oldest[l]);
		for (unsigned i = oldest[l]; i < x->count; i++) {
			const struct msg *y = &x->msg[x->order[i]];

			h = mix(mix(h, y->value), y->rmw_follows);
			h = mix_view(h, &y->view, oldest);
		}
	}
	for (unsigned i = 0; i < m.scenario->thread_count; i++)
		h = mix_thread(h, &m.thread[i], oldest);
	h = mix_view(h, &m.fences, oldest);
	for (unsigned i = 0; i < m.area_count; i++)
		h = mix(h, m.area[i].hash);
	return h ? h : 1;
}

static bool visited_add(struct visited *v, uint64_t h)
{
	uint64_t i = h & (v->size - 1);

	for (; v->slot[i]; i = (i + 1) & (v->size - 1))
		if (v->slot[i] == h)
			return false;
	v->slot[i] = h;
	v->count++;
	return true;
}

/* false: the machine has been in this state before. */
static bool visit(uint64_t h)
{
	struct visited *v = &m.visited;

	if (2 * (v->count + 1) > v->size) {
		struct visited bigger = {.size = v->size ? 2 * v->size : 1 << 12};

		bigger.slot = calloc(bigger.size, sizeof(*bigger.slot));
		if (!bigger.slot)
			broken("no memory left");
		for (uint64_t i = 0; i < v->size; i++)
			if (v->slot[i])
				visited_add(&bigger, v->slot[i]);
		free(v->slot);
		*v = bigger;
	}
	return visited_add(v, h);
}

#endif
