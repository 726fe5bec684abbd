/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/query.h - asking a running step for its state (docs/control.md, "State").
 *
 *   control.c, metrics.c ──▶ weir_ask_begin(), _poll() ... ──▶ query_box.h ──▶ weir__query_serve() in the worker
 *
 * An ask goes over the tasks of a step one after the other, piece by piece, until it has `limit` rows or has used its time or
 * its buffer; then the answer says where to go on. GET goes to the task that owns the key. A task that does not answer for
 * WEIR_ASK_BUSY_NS is WEIR_E_BUSY.
 * Life:   begin -> poll until true -> answer -> end. end() at any time; no worker has anything of the ask afterwards. All
 *         asks end before the engine is closed.
 * Thread: an ask belongs to one thread; any number at once.
 */
#ifndef WEIR_ENGINE_EDGE_QUERY_H
#define WEIR_ENGINE_EDGE_QUERY_H

#include "engine/core/query.h"
#include "engine/edge/engine.h"

#define WEIR_ASK_KEYS_MAX 64u
#define WEIR_ASK_LIMIT 100u /* rows, when the question does not say */
#define WEIR_ASK_LIMIT_MAX 10000u
#ifndef WEIR_ASK_BUSY_NS /* a test is shorter */
#define WEIR_ASK_BUSY_NS (5 * (uint64_t)WEIR_NS_PER_S)
#endif
#define WEIR_ASK_POLL_NS (WEIR_NS_PER_MS / 2) /* how often it is worth a look */

struct weir_ask_question {
	enum weir_query_verb verb;
	const char *step;
	/* GET: each key; none of a step without key fields. CONFLICTS: none or one. */
	uint32_t key_count;
	const char *key[WEIR_ASK_KEYS_MAX];
	const char *prefix, *field, *next; /* NULL or "": none */
	uint32_t limit; /* 1 .. WEIR_ASK_LIMIT_MAX */
};

struct weir_ask;

/* Copies the question. 0, or with text: -ENOENT (no such step), WEIR_E_USAGE (it cannot be asked, or not this). */
int weir_ask_begin(struct weir_engine *e, const struct weir_ask_question *q, struct weir_ask **ret,
		   struct weir_err *err);
/* Never waits. true: there is an answer. Call it again after WEIR_ASK_POLL_NS. */
bool weir_ask_poll(struct weir_ask *a);
/* One JSON object. 0, or with text: WEIR_E_BUSY, WEIR_E_STOPPED (the step has ended), or what the step says of the question. */
int weir_ask_answer(const struct weir_ask *a, struct weir_str *ret, struct weir_err *err);
/* NULL is fine. */
void weir_ask_end(struct weir_ask *a);

struct engine_task;
/* Worker: answers what is in the box of the task. */
void weir__query_serve(struct engine_task *t);

#endif
