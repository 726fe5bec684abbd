/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/query.h - questions to a running node about its state, and the rows of the answer.
 *
 *   engine/edge/query.c ──▶ cls->query(n, question, out) ──▶ rows of JSON, and where to go on
 *
 * A node answers between two turns of its task, in pieces: of a piece the rows fit WEIR_QUERY_BYTES, and the work is
 * bounded by weir_query_room(). Nothing of the node changes; what is shown is of the open epoch.
 *
 * In a hook:
 *         for (; there is another; next) {
 *                 if (!weir_query_room(out, work it takes)) { out->at = here; return 1; }
 *                 weir_buf_...(weir_query_row(out), ...);      one JSON object
 *                 if (!weir_query_row_end(out)) { out->at = here; return 1; }
 *         }
 *         out->at = behind the last one; return 0;
 *
 * Places: out->at comes back as q->at of the next piece. In between the state may have changed, rows may be gone, and
 *         the place may come from somebody who made it up: any value must be safe. All zeroes is the beginning.
 * Memory: the caller's; texts of a question live as long as the call.
 * Thread: the node's. Pure.
 */
#ifndef WEIR_ENGINE_CORE_QUERY_H
#define WEIR_ENGINE_CORE_QUERY_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define WEIR_QUERY_BYTES 65536u /* of the rows of a piece */
#define WEIR_QUERY_WORK 1024 /* entries looked at in a piece, about */
#define WEIR_QUERY_ROWS 256u /* of a piece */

struct weir_node;

enum weir_query_verb {
	WEIR_QUERY_GET, /* what there is of one key */
	WEIR_QUERY_LIST, /* all keys */
	WEIR_QUERY_CONFLICTS, /* of a table: writes that lost; out->at at the end is where new ones will be */
};

struct weir_query_at {
	uint64_t n[3];
};

struct weir_query {
	enum weir_query_verb verb;
	/* GET: the key. CONFLICTS: only those of this key. Text as weir_window_key_parse() takes it; p is NULL without. */
	struct weir_str key;
	struct weir_str prefix; /* LIST: the first field of the key begins with it; may be empty */
	struct weir_str field; /* CONFLICTS: only those of this field; may be empty */
	struct weir_query_at at;
};

struct weir_query_out {
	struct weir_buf rows; /* JSON objects, with commas between */
	uint32_t count, limit;
	int32_t work; /* that is left in this piece */
	size_t mark; /* where the row at hand begins */
	struct weir_query_at at;
	/* GET: the hash of the key, when the step's tasks share keys by key group: the owner is asked next. */
	uint64_t hash;
	bool hashed;
	struct weir_err err; /* of a hook that gives a code: what is wrong with the question */
};

/* The hook of struct weir_op_class. 0: these are the last rows; 1: there may be more; <0: refused, text in out->err; the
 * pipeline goes on. */
typedef int (*weir_query_fn)(struct weir_node *n, const struct weir_query *q,
			     struct weir_query_out *out);

/* rows: WEIR_QUERY_BYTES of memory. limit: at least 1; more than WEIR_QUERY_ROWS is cut to that. */
void weir_query_out_init(struct weir_query_out *out, void *rows, uint32_t limit);

/* May one more entry be looked at, which costs about `work` (1: a look at one entry)? Counts it. The first time in a
 * piece always: every piece gets on. */
bool weir_query_room(struct weir_query_out *out, uint32_t work);

/* Begins a row: one JSON object is written to what it gives. */
struct weir_buf *weir_query_row(struct weir_query_out *out);
/* false: it did not fit and is not there; the piece ends, and the next one begins with it. A row that fits no piece is
 * replaced by one with a member "error". */
bool weir_query_row_end(struct weir_query_out *out);

/* int64 as a place and back, so that 0 is the lowest value and the order is kept. */
weir_inline uint64_t weir_query_place(int64_t v)
{
	return (uint64_t)v ^ UINT64_C(1) << 63;
}

weir_inline int64_t weir_query_value(uint64_t place)
{
	return (int64_t)(place ^ UINT64_C(1) << 63);
}

#endif
