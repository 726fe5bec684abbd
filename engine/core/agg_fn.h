/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/agg_fn.h - aggregate functions over columns: add rows, merge, give the result.
 *
 * State:   a.size bytes per key and window, 8-byte aligned; all zeroes is the state of no input.
 *          Text and sets are pieces of the slab of the table the state lives in.
 * Nulls:   an input that is null is left out; the result of no input is null (count, distinct: 0).
 *          arg_min and arg_max leave a row out when either argument is null.
 * Order:   results do not depend on the order of rows or merges, except for the last bits of a
 *          float64 sum or average. Equal times (first, last) and equal `by` (arg_min, arg_max) are
 *          decided by the value: the smaller one, for last the larger one.
 * Floats:  NaN counts only when all inputs are NaN (min, max, arg_min, arg_max); sum and avg give NaN
 *          when any is; -0.0 is below 0.0 for the order, and the same value for distinct.
 * Numbers: sums of int64, decimal and duration are exact in 128 bit and checked at the end. Float sums
 *          are compensated (Neumaier, "Rundungsfehleranalyse einiger Verfahren zur Summation
 *          endlicher Summen", 1974).
 * Bytes:   save() is deterministic: the same rows give the same bytes in any order and with any merges,
 *          but for the rounding of float sums. load() takes only what saves as the same bytes again.
 * Pure.
 */
#ifndef WEIR_ENGINE_CORE_AGG_FN_H
#define WEIR_ENGINE_CORE_AGG_FN_H

#include "base/bytes.h"
#include "engine/core/expr.h"
#include "engine/core/pipeline.h"
#include "state/slab.h"

/* One argument over a batch, indexed by lane. */
struct weir_agg_col {
	const uint64_t *slot; /* fixed-size types */
	const struct weir_str *str; /* string, bytes */
	const uint8_t *state; /* WEIR_LANE_OK or _NULL per lane; NULL: all are OK */
};

/* The rows to add: row i is lane[i] of the columns and goes to the state at[i]. */
struct weir_agg_rows {
	uint32_t count;
	const uint16_t *lane;
	uint8_t *const *at; /* start of the group of states */
	struct weir_slab *const *slab; /* per row; only read by functions with `slab` set */
	const struct weir_frame *const *frame; /* by lane */
};

struct weir_agg {
	const struct weir_agg_class *cls;
	uint32_t offset; /* of its state in the group of states */
	uint32_t size;
	bool slab; /* uses the slab */
	struct weir_typeinfo arg_type, by_type, result_type;
	const struct weir_agg_col *arg, *by; /* set by the owner; arg NULL for count() */
};

struct weir_agg_class {
	void (*update)(const struct weir_agg *a, const struct weir_agg_rows *rows);
	/* Adds src to dst; src stays as it is. */
	void (*merge)(const struct weir_agg *a, struct weir_slab *slab, void *dst, const void *src);
	/* Stores the result into field i; NULL, or why it cannot be given (the field is zero then). */
	const char *(*build)(const struct weir_agg *a, const void *state, struct weir_builder *b,
			     unsigned i);
	/* Gives pieces back; NULL when there are none. */
	void (*release)(const struct weir_agg *a, struct weir_slab *slab, void *state);
	/* A state as bytes, and back into a zeroed one; the bytes say themselves where they end. load: 0, or
	 * WEIR_E_CORRUPT: the state is zeroed again then and has no pieces. */
	void (*save)(const struct weir_agg *a, const void *state, struct weir_out *o);
	int (*load)(const struct weir_agg *a, struct weir_slab *slab, void *state,
		    struct weir_reader *r);
	/* For signatures: the function. Bytes of another form need another name. */
	const char *name;
};

/* Fills cls, size, slab and the types; offset, arg and by are the owner's. WEIR_E_TYPE when the
 * function does not take the type. */
int weir_agg_init(struct weir_agg *a, const struct weir_agg_spec *spec);

/* ---- by family; used by weir_agg_init() ---- */
int weir__agg_sum_init(struct weir_agg *a, const struct weir_agg_spec *spec);
int weir__agg_order_init(struct weir_agg *a, const struct weir_agg_spec *spec);
int weir__agg_distinct_init(struct weir_agg *a, const struct weir_agg_spec *spec);

weir_inline bool weir__agg_null(const struct weir_agg_col *c, uint32_t lane)
{
	return c->state && c->state[lane] != WEIR_LANE_OK;
}

/* A float64 as an int64 of the same order: -0.0 below 0.0, every NaN above all or below all. */
int64_t weir_f64_rank(uint64_t slot, bool nan_low);
uint64_t weir_f64_unrank(int64_t rank);
/* Can a value of a fixed-size type have this rank? For bytes that nobody vouches for. */
bool weir_agg_rank_fine(struct weir_typeinfo type, int64_t rank, bool nan_low);

/* Text that a state owns: grows in its slab. All zeroes is none. */
struct weir_agg_text {
	char *p;
	uint32_t n, cap;
};
void weir_agg_text_set(struct weir_agg_text *t, struct weir_slab *slab, struct weir_str s);
void weir_agg_text_free(struct weir_agg_text *t, struct weir_slab *slab);
/* A text as weir_out_text() wrote it, into none; false and none when there is no such thing. */
bool weir_agg_text_load(struct weir_agg_text *t, struct weir_slab *slab, struct weir_reader *r);

/* How many records went in: what a result can show. */
bool weir__agg_count_load(struct weir_reader *r, uint64_t *ret);

#endif
