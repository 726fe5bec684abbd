/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/expr.h - typed expressions: a subset of CEL (Common Expression Language), checked
 * against a schema before anything runs, compiled once, evaluated over spans of records.
 *
 * Language: docs/expressions.md. Literals, fields, arithmetic with overflow detected, comparison,
 *           && || ! ?:, null tests, string functions, conversions, timestamps and durations,
 *           lists and indexing. No loops, no side effects.
 * Nulls:    a null operand makes the result null, except: == null and != null; && and || with a
 *           deciding other side; coalesce(a, b, ...). filter takes a null as false.
 * Errors:   overflow, division by zero, a failed conversion mark the lane, not the batch; && || and
 *           ?: absorb errors of the side that does not decide (as CEL says).
 * Memory:   compiled form in the caller's region; evaluation in a weir_evaluator (one per task).
 * Pure:     the regular expression engine is passed in.
 */
#ifndef WEIR_ENGINE_CORE_EXPR_H
#define WEIR_ENGINE_CORE_EXPR_H

#include "base/err.h"
#include "base/mem.h"
#include "base/schema.h"
#include "engine/core/op.h"

#define WEIR_EXPR_LANES WEIR_BATCH_ROWS
#define WEIR_EXPR_TEXT_MAX 65536 /* bytes of one expression */
#define WEIR_EXPR_DEPTH_MAX 64 /* nesting; deeper is an error, not a stack overflow */

struct weir_expr;

/* Regular expressions (engine/edge/regex.c wraps PCRE2; tests may pass their own). */
struct weir_regex_ops {
	/* NULL on a bad pattern: message in err. Keeps nothing of pattern. */
	void *(*compile)(void *ctx, struct weir_str pattern, struct weir_err *err);
	/* >0: matches somewhere; group[0..groups) filled (an unmatched group has p NULL); 0: no;
	 * <0: limit reached. */
	int (*match)(void *ctx, void *re, struct weir_str subject, struct weir_str *group,
		     unsigned groups);
	void (*free)(void *ctx, void *re);
	void *ctx;
	/* Highest group number of the pattern. NULL: not known, extract() is not checked against it. */
	unsigned (*groups)(void *ctx, void *re);
};

struct weir_expr_env {
	const struct weir_schema *schema;
	const struct weir_regex_ops *regex; /* NULL: matches() and extract() are errors */
};

struct weir_expr_error {
	size_t offset; /* bytes into the text where the trouble is */
	size_t length; /* bytes of the piece, at least 1 when there is any */
	char text[256];
};

/*
 * 0, or WEIR_E_FORMAT (syntax), WEIR_E_TYPE, WEIR_E_UNKNOWN (field or function; err suggests),
 * WEIR_E_LIMIT. keep_env->schema and ->regex must outlive the expression.
 */
int weir_expr_compile(const struct weir_expr_env *keep_env, struct weir_str text,
		      struct weir_region *region, struct weir_expr **ret_expr,
		      struct weir_expr_error *err);

/* Gives compiled regular expressions back; memory goes with the region. NULL is fine. */
void weir_expr_fini(struct weir_expr *e);

struct weir_typeinfo weir_expr_type(const struct weir_expr *e);
bool weir_expr_nullable(const struct weir_expr *e);
/* The expression is just this field: its index, else -1 (so that callers can copy it directly). */
int weir_expr_field(const struct weir_expr *e);

enum weir_lane_state {
	WEIR_LANE_OK = 0,
	WEIR_LANE_NULL = 1,
	WEIR_LANE_OVERFLOW = 2,
	WEIR_LANE_DIV_ZERO = 3,
	WEIR_LANE_CONVERT = 4,
	WEIR_LANE_INDEX = 5,
	WEIR_LANE_LIMIT = 6, /* regex or string too large */
	WEIR_LANE_STATE_COUNT
};
const char *weir_lane_error(unsigned state); /* "arithmetic overflow", ... */

/* A list value: elements as slots; string elements are weir_str in `str`. */
struct weir_list {
	const uint64_t *slot; /* bool, int64, float64, decimal, timestamp, duration */
	const struct weir_str *str; /* string, bytes */
	uint32_t count;
};

/* One value per lane. Which array is used follows from the expression's type. */
struct weir_vec {
	bool clean; /* all lanes are WEIR_LANE_OK; state[] is not filled then */
	uint8_t state[WEIR_EXPR_LANES];
	union {
		int64_t i64[WEIR_EXPR_LANES]; /* bool as 0/1, int64, decimal, timestamp, duration */
		double f64[WEIR_EXPR_LANES];
		struct weir_str str[WEIR_EXPR_LANES]; /* string, bytes */
		struct weir_list list[WEIR_EXPR_LANES];
	};
};

weir_inline unsigned weir_vec_state(const struct weir_vec *v, uint32_t lane)
{
	return v->clean ? WEIR_LANE_OK : v->state[lane];
}

struct weir_evaluator; /* registers and text scratch memory */

/* One evaluator serves any number of expressions of one task, one evaluation at a time... */
struct weir_evaluator *weir_evaluator_new(struct weir_region *region);

/*
 * ...and results stay valid until weir_evaluator_reset(). Strings in results may point into the
 * rows. n <= WEIR_EXPR_LANES. Never fails as a whole; look at the lane states.
 */
const struct weir_vec *weir_expr_eval(const struct weir_expr *e, struct weir_evaluator *ev,
				      const struct weir_frame *const *row, uint32_t n);
void weir_evaluator_reset(struct weir_evaluator *ev);

/* Stores lane `lane` into field i of a builder (types must be equal, as checked at compile time). */
void weir_vec_store(const struct weir_vec *v, struct weir_typeinfo type, uint32_t lane,
		    struct weir_builder *b, unsigned i);

#endif
