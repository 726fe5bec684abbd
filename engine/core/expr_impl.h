/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/expr_impl.h - what the files of the expression language share; private to expr*.c.
 *
 *   text ──lex──▶ tokens ──parse──▶ tree ──check──▶ tree of instructions, constants folded
 *        ──emit──▶ register program ──eval──▶ vectors of up to 256 lanes
 *
 * expr_lex.c    tokens, literals               expr_check.c      fields, logic, choice, lists
 * expr_parse.c  grammar to tree                expr_check_ops.c  arithmetic, comparison
 * expr_types.c  names, conversions of types    expr_func.c       table of functions
 * expr_fold.c   constant subtrees              expr_emit.c       tree to program, registers
 * expr_eval.c   evaluator, registers, text     expr.c            the public calls
 * Kernels: expr_num.c arithmetic, comparison; expr_logic.c loads, && || ?: null, lists;
 *          expr_text.c strings; expr_conv.c conversions, time.
 *
 * Invariant of all kernels: a lane that is not WEIR_LANE_OK still holds a valid value (any number; a
 * string whose bytes may be read; an empty list), so kernels may compute on all lanes and look at
 * the states afterwards. A destination register is never one of the operands.
 */
#ifndef WEIR_ENGINE_CORE_EXPR_IMPL_H
#define WEIR_ENGINE_CORE_EXPR_IMPL_H

#include "base/num.h"
#include "base/assert.h"
#include "engine/core/expr.h"

#define WEIR_EXPR_HEIGHT_MAX 512 /* of the tree: a chain like a + b + c + ... is that high */
#define WEIR_EXPR_REGS_MAX 250
#define WEIR_EXPR_MASKS_MAX 16 /* nested branches that are evaluated only where needed */
#define WEIR_EXPR_CONCAT_MAX 16 /* operands of one concatenation */
#define WEIR_EXPR_ARGS_MAX 64 /* of one call */
#define WEIR_EXPR_GROUPS_MAX 32 /* of a regular expression, the whole match included */
#define WEIR_EXPR_INS_MAX 16384
#define WEIR_EXPR_LANE_TEXT (256 * 1024) /* bytes of text one lane may make in one evaluation */
#define WEIR_EXPR_TEXT_CHUNK ((size_t)256 * 1024)

/*
 * name, kernel. Where an instruction has a form with a constant second operand, that form follows
 * it directly and is named with a K.
 */
#define WEIR_EXPR_OPS(X)                                                                           \
	X(CONST, const)                                                                            \
	X(LOAD, load)                                                                              \
	X(LOAD_BOOL, load_bool)                                                                    \
	X(LOAD_STR, load_str)                                                                      \
	X(LOAD_LIST, load_list)                                                                    \
	X(LIST_TEXT, list_text)                                                                    \
	X(MASK, mask)                                                                              \
	X(UNMASK, unmask)                                                                          \
	X(ADD_I, add_i)                                                                            \
	X(ADD_IK, add_ik)                                                                          \
	X(SUB_I, sub_i)                                                                            \
	X(SUB_IK, sub_ik)                                                                          \
	X(MUL_I, mul_i)                                                                            \
	X(MUL_IK, mul_ik)                                                                          \
	X(DIV_I, div_i)                                                                            \
	X(DIV_IK, div_ik)                                                                          \
	X(MOD_I, mod_i)                                                                            \
	X(MOD_IK, mod_ik)                                                                          \
	X(NEG_I, neg_i)                                                                            \
	X(ABS_I, abs_i)                                                                            \
	X(ADD_F, add_f)                                                                            \
	X(ADD_FK, add_fk)                                                                          \
	X(SUB_F, sub_f)                                                                            \
	X(SUB_FK, sub_fk)                                                                          \
	X(MUL_F, mul_f)                                                                            \
	X(MUL_FK, mul_fk)                                                                          \
	X(DIV_F, div_f)                                                                            \
	X(DIV_FK, div_fk)                                                                          \
	X(DIV_FZ, div_fz)                                                                          \
	X(NEG_F, neg_f)                                                                            \
	X(ABS_F, abs_f)                                                                            \
	X(ADD_D, add_d)                                                                            \
	X(SUB_D, sub_d)                                                                            \
	X(MUL_D, mul_d)                                                                            \
	X(RESCALE_D, rescale_d)                                                                    \
	X(EQ_I, eq_i)                                                                              \
	X(EQ_IK, eq_ik)                                                                            \
	X(NE_I, ne_i)                                                                              \
	X(NE_IK, ne_ik)                                                                            \
	X(LT_I, lt_i)                                                                              \
	X(LT_IK, lt_ik)                                                                            \
	X(LE_I, le_i)                                                                              \
	X(LE_IK, le_ik)                                                                            \
	X(GT_I, gt_i)                                                                              \
	X(GT_IK, gt_ik)                                                                            \
	X(GE_I, ge_i)                                                                              \
	X(GE_IK, ge_ik)                                                                            \
	X(EQ_F, eq_f)                                                                              \
	X(EQ_FK, eq_fk)                                                                            \
	X(NE_F, ne_f)                                                                              \
	X(NE_FK, ne_fk)                                                                            \
	X(LT_F, lt_f)                                                                              \
	X(LT_FK, lt_fk)                                                                            \
	X(LE_F, le_f)                                                                              \
	X(LE_FK, le_fk)                                                                            \
	X(GT_F, gt_f)                                                                              \
	X(GT_FK, gt_fk)                                                                            \
	X(GE_F, ge_f)                                                                              \
	X(GE_FK, ge_fk)                                                                            \
	X(EQ_S, eq_s)                                                                              \
	X(NE_S, ne_s)                                                                              \
	X(LT_S, lt_s)                                                                              \
	X(LE_S, le_s)                                                                              \
	X(GT_S, gt_s)                                                                              \
	X(GE_S, ge_s)                                                                              \
	X(CMP_IF, cmp_if)                                                                          \
	X(CMP_D, cmp_d)                                                                            \
	X(AND, and)                                                                                \
	X(OR, or)                                                                                  \
	X(NOT, not )                                                                               \
	X(IS_NULL, is_null)                                                                        \
	X(NOT_NULL, not_null)                                                                      \
	X(SELECT, select)                                                                          \
	X(SELECT_STR, select_str)                                                                  \
	X(SELECT_LIST, select_list)                                                                \
	X(COALESCE, coalesce)                                                                      \
	X(COALESCE_STR, coalesce_str)                                                              \
	X(COALESCE_LIST, coalesce_list)                                                            \
	X(MIN_I, min_i)                                                                            \
	X(MAX_I, max_i)                                                                            \
	X(MIN_F, min_f)                                                                            \
	X(MAX_F, max_f)                                                                            \
	X(MIN_S, min_s)                                                                            \
	X(MAX_S, max_s)                                                                            \
	X(IN_SET_I, in_set_i)                                                                      \
	X(IN_SET_S, in_set_s)                                                                      \
	X(IN_LIST, in_list)                                                                        \
	X(IN_LIST_F, in_list_f)                                                                    \
	X(IN_LIST_S, in_list_s)                                                                    \
	X(INDEX, index)                                                                            \
	X(INDEX_STR, index_str)                                                                    \
	X(SIZE_LIST, size_list)                                                                    \
	X(CONCAT, concat)                                                                          \
	X(SIZE_STR, size_str)                                                                      \
	X(SIZE_BYTES, size_bytes)                                                                  \
	X(STARTS, starts)                                                                          \
	X(ENDS, ends)                                                                              \
	X(CONTAINS, contains)                                                                      \
	X(COUNT_STR, count_str)                                                                    \
	X(INDEX_OF, index_of)                                                                      \
	X(MATCHES, matches)                                                                        \
	X(EXTRACT, extract)                                                                        \
	X(LOWER, lower)                                                                            \
	X(UPPER, upper)                                                                            \
	X(TRIM, trim)                                                                              \
	X(SUBSTRING, substring)                                                                    \
	X(REPLACE, replace)                                                                        \
	X(SPLIT, split)                                                                            \
	X(SPLIT_AT, split_at)                                                                      \
	X(I_TO_F, i_to_f)                                                                          \
	X(F_TO_I, f_to_i)                                                                          \
	X(D_TO_I, d_to_i)                                                                          \
	X(D_TO_F, d_to_f)                                                                          \
	X(F_TO_D, f_to_d)                                                                          \
	X(S_TO_I, s_to_i)                                                                          \
	X(S_TO_F, s_to_f)                                                                          \
	X(S_TO_B, s_to_b)                                                                          \
	X(S_TO_D, s_to_d)                                                                          \
	X(S_TO_TIME, s_to_time)                                                                    \
	X(S_TO_DURATION, s_to_duration)                                                            \
	X(I_TO_B, i_to_b)                                                                          \
	X(I_TO_TIME, i_to_time)                                                                    \
	X(TIME_TO_I, time_to_i)                                                                    \
	X(I_TO_S, i_to_s)                                                                          \
	X(F_TO_S, f_to_s)                                                                          \
	X(D_TO_S, d_to_s)                                                                          \
	X(B_TO_S, b_to_s)                                                                          \
	X(TIME_TO_S, time_to_s)                                                                    \
	X(DURATION_TO_S, duration_to_s)                                                            \
	X(BYTES_TO_S, bytes_to_s)                                                                  \
	X(TIME_PART, time_part)                                                                    \
	X(DURATION_PART, duration_part)                                                            \
	X(TRUNCATE, truncate)

enum weir_expr_op {
#define WEIR_EXPR_OP_NAME(name, kernel) WEIR_X_##name,
	WEIR_EXPR_OPS(WEIR_EXPR_OP_NAME)
#undef WEIR_EXPR_OP_NAME
		WEIR_X_COUNT
};

/* Comparison; EQ_I + 2 * rel and so on. */
enum weir_expr_rel { WEIR_REL_EQ, WEIR_REL_NE, WEIR_REL_LT, WEIR_REL_LE, WEIR_REL_GT, WEIR_REL_GE };

/* Which lanes a branch is needed for, seen from the value that decides (the `k` of MASK). */
enum weir_expr_mask {
	WEIR_MASK_TRUE,
	WEIR_MASK_FALSE,
	WEIR_MASK_NULL,
	WEIR_MASK_NOT_FALSE,
	WEIR_MASK_NOT_TRUE,
};

/* Parts of a time; the numbers are the `k` of TIME_PART and DURATION_PART. */
enum weir_expr_part {
	WEIR_PART_YEAR,
	WEIR_PART_MONTH,
	WEIR_PART_DATE,
	WEIR_PART_DAY_OF_MONTH,
	WEIR_PART_DAY_OF_WEEK,
	WEIR_PART_DAY_OF_YEAR,
	WEIR_PART_HOURS,
	WEIR_PART_MINUTES,
	WEIR_PART_SECONDS,
	WEIR_PART_MILLISECONDS,
};

/* ---- tokens ---- */

enum weir_expr_tok {
	WEIR_TOK_END,
	WEIR_TOK_INT,
	WEIR_TOK_FLOAT,
	WEIR_TOK_STRING,
	WEIR_TOK_BYTES,
	WEIR_TOK_TRUE,
	WEIR_TOK_FALSE,
	WEIR_TOK_NULL,
	WEIR_TOK_NAME,
	WEIR_TOK_IN,
	WEIR_TOK_EQ, /* EQ .. GE in the order of enum weir_expr_rel */
	WEIR_TOK_NE,
	WEIR_TOK_LT,
	WEIR_TOK_LE,
	WEIR_TOK_GT,
	WEIR_TOK_GE,
	WEIR_TOK_AND,
	WEIR_TOK_OR,
	WEIR_TOK_NOT,
	WEIR_TOK_PLUS,
	WEIR_TOK_MINUS,
	WEIR_TOK_STAR,
	WEIR_TOK_SLASH,
	WEIR_TOK_PERCENT,
	WEIR_TOK_QUESTION,
	WEIR_TOK_COLON,
	WEIR_TOK_COMMA,
	WEIR_TOK_DOT,
	WEIR_TOK_OPEN,
	WEIR_TOK_CLOSE,
	WEIR_TOK_OPEN_LIST,
	WEIR_TOK_CLOSE_LIST,
};

struct weir_expr_token {
	uint8_t kind;
	bool quoted; /* a name in backticks */
	uint32_t offset, length;
	uint64_t i; /* INT: magnitude */
	double f; /* FLOAT */
	struct weir_str s; /* STRING, BYTES: decoded; NAME; FLOAT: its text */
};

/* ---- tree ---- */

union weir_expr_value {
	int64_t i;
	double f;
	struct weir_str s;
};

enum weir_expr_kind {
	WEIR_N_LITERAL, /* type NONE: null */
	WEIR_N_FIELD,
	WEIR_N_UNARY, /* op: token */
	WEIR_N_BINARY, /* op: token */
	WEIR_N_LOGIC, /* op: token AND or OR, two or more arguments */
	WEIR_N_COND,
	WEIR_N_CALL,
	WEIR_N_INDEX,
	WEIR_N_LIST,
	WEIR_N_INS, /* after the check: op is an enum weir_expr_op */
	WEIR_N_SAME, /* its argument, seen as another type */
};

struct weir_expr_node {
	uint8_t kind;
	bool nullable; /* a literal: it is null */
	bool method, costly;
	bool shared; /* used by several parents: emitted once */
	uint16_t reg; /* where emitted, plus 1 */
	uint16_t op, height;
	uint32_t offset, length;
	uint32_t count; /* arguments */
	uint32_t field;
	struct weir_expr_node **arg, *next;
	struct weir_typeinfo type;
	union weir_expr_value value; /* literal; string: also the name of a call or field */
	struct weir_str text; /* of a float literal, as written */
	uint32_t name_offset; /* where the name of a call stands */
	/* What the instruction needs beyond its operands. */
	int64_t k, k2, k3;
	const void *p;
};

weir_inline bool weir__expr_is_literal(const struct weir_expr_node *n)
{
	return n->kind == WEIR_N_LITERAL && !n->nullable;
}

/* The word null, which has no type. */
weir_inline bool weir__expr_is_null(const struct weir_expr_node *n)
{
	return n->type.type == WEIR_NONE;
}

weir_inline bool weir__expr_is_numeric(struct weir_typeinfo t)
{
	return t.type == WEIR_INT64 || t.type == WEIR_FLOAT64 || t.type == WEIR_DECIMAL;
}

/* ---- program ---- */

struct weir_expr_ins {
	uint16_t op, dst, a, b, c;
	uint16_t n;
	union weir_expr_value k; /* the constant of a K form */
	int64_t k2, k3;
	const void *p;
};

struct weir_expr_regex {
	struct weir_expr_regex *next;
	void *re;
};

/* A set of constants, sorted, for `x in [...]`. */
struct weir_expr_set {
	uint32_t count;
	const int64_t *i;
	const struct weir_str *s;
};

struct weir_expr {
	const struct weir_schema *schema;
	const struct weir_regex_ops *regex;
	struct weir_typeinfo type;
	bool nullable;
	int field;
	uint16_t reg_count, result;
	uint32_t ins_count;
	struct weir_expr_ins *ins;
	struct weir_expr_regex *regexes;
};

/* ---- compiler ---- */

struct weir_expr_cx {
	const struct weir_expr_env *env;
	struct weir_region *region; /* the caller's: what the program refers to */
	struct weir_region scratch; /* the tree and what folding needs; dropped at the end */
	struct weir_str text;
	struct weir_expr_error *err;
	int code; /* of the first error */
	size_t at;
	struct weir_expr_token tok;
	unsigned depth;
	struct weir_expr_regex *regexes;
	struct weir_evaluator *fold;
};

/* Keeps the first error only. Returns its code, never 0. */
int weir__expr_fail(struct weir_expr_cx *cx, int code, size_t offset, size_t length,
		    const char *fmt, ...) weir_printf_like(5, 6);

/* Reads the next token into cx->tok. 0 or an error code. */
int weir__expr_next(struct weir_expr_cx *cx);

/* The whole text. NULL on error. */
struct weir_expr_node *weir__expr_parse(struct weir_expr_cx *cx);
struct weir_expr_node *weir__expr_node(struct weir_expr_cx *cx, unsigned kind, size_t offset,
				       size_t length);
/* An instruction in the place of `like`, not folded. */
struct weir_expr_node *weir__expr_ins(struct weir_expr_cx *cx, unsigned op,
				      const struct weir_expr_node *like, struct weir_typeinfo type,
				      unsigned count, struct weir_expr_node *const *arg);

/* Resolves names and types; afterwards the tree consists of LITERAL, FIELD and INS. */
int weir__expr_check(struct weir_expr_cx *cx, struct weir_expr_node *n);
int weir__expr_check_call(struct weir_expr_cx *cx, struct weir_expr_node *n);
int weir__expr_check_unary(struct weir_expr_cx *cx, struct weir_expr_node *n);
int weir__expr_check_arith(struct weir_expr_cx *cx, struct weir_expr_node *n);
/* rel: enum weir_expr_rel. */
int weir__expr_check_compare(struct weir_expr_cx *cx, struct weir_expr_node *n, unsigned rel);
/* "<lead> <a> and <b>: convert ..." over the whole of n, whose arguments do not fit together. */
int weir__expr_mismatch(struct weir_expr_cx *cx, const struct weir_expr_node *n, const char *lead,
			const struct weir_expr_node *a, const struct weir_expr_node *b);
/* The same value as float64. A decimal of many digits is rounded to the nearest. */
struct weir_expr_node *weir__expr_as_f64(struct weir_expr_cx *cx, struct weir_expr_node *n);
/* As a decimal of its own precision: int64 fields count as 18 digits, literals as what they are.
 * NULL (and the error is set) for a float64 that is no exact literal. */
struct weir_expr_node *weir__expr_as_decimal(struct weir_expr_cx *cx, struct weir_expr_node *n);
struct weir_typeinfo weir__expr_decimal_type(unsigned precision, unsigned scale);
/* Literals as written in the source may become decimals; computed float64 values may not. */
bool weir__expr_float_literal(const struct weir_expr_node *n);
/* A decimal literal with more fraction digits, if its value fits. */
bool weir__expr_widen_literal(struct weir_expr_node *n, unsigned scale);
/* Turns n into the instruction `op` on its arguments; nullable when an argument is. Folds. */
int weir__expr_become(struct weir_expr_cx *cx, struct weir_expr_node *n, unsigned op,
		      struct weir_typeinfo type);
/* One type for all arguments (?:, coalesce, min, max), converting what needs it. */
int weir__expr_unify(struct weir_expr_cx *cx, struct weir_expr_node *n, unsigned first,
		     const char *what, struct weir_typeinfo *ret_type);
/* Room in a buffer for a type's name. */
struct weir_expr_type_name {
	char text[32];
};
struct weir_expr_type_name weir__expr_type_text(struct weir_typeinfo t);
/* ": convert with int(x)" or "". */
const char *weir__expr_hint(struct weir_typeinfo from, struct weir_typeinfo to);

/* Replaces a subtree without fields by its value. Returns the lane state of the evaluation: an
 * error leaves the tree as it is, to fail when it is evaluated. */
unsigned weir__expr_fold(struct weir_expr_cx *cx, struct weir_expr_node *n);

/* Fills ins, ins_count, reg_count, result of e. The program goes to `region`. */
int weir__expr_emit(struct weir_expr_cx *cx, const struct weir_expr_node *n,
		    struct weir_region *region, struct weir_expr *e);

/* ---- evaluator ---- */

struct weir_expr_run {
	const struct weir_expr *e;
	struct weir_evaluator *ev;
	struct weir_vec **reg;
	const struct weir_frame *const *row;
	uint32_t n;
	uint32_t masks;
	const uint8_t *mask; /* NULL: all lanes; else lanes that matter are 1 */
};

typedef void (*weir_expr_kernel)(struct weir_expr_run *r, const struct weir_expr_ins *in);

#define WEIR_EXPR_OP_KERNEL(name, kernel)                                                          \
	void weir__k_##kernel(struct weir_expr_run *r, const struct weir_expr_ins *in);
WEIR_EXPR_OPS(WEIR_EXPR_OP_KERNEL)
#undef WEIR_EXPR_OP_KERNEL

/* n bytes of text memory for a lane; NULL (and nothing taken) beyond the lane's limit. */
void *weir__expr_text(struct weir_expr_run *r, uint32_t lane, size_t n, size_t align);
/* Room for the masks of nested branches. */
uint8_t *weir__expr_mask_room(struct weir_expr_run *r, unsigned level);

/*
 * Plain loops with a constant inner trip count, which gcc 12 turns into vector code at -O2; lanes
 * beyond n are computed too, from whatever the registers hold.
 */
#define WEIR_EXPR_BLOCK 16
#define WEIR_EXPR_EACH(o, i, n)                                                                    \
	for (size_t o = 0; o < (n); o += WEIR_EXPR_BLOCK) /* use [o + i] */                        \
		for (size_t i = 0; i < WEIR_EXPR_BLOCK; i++)

weir_inline bool weir__expr_active(const struct weir_expr_run *r, uint32_t lane)
{
	return !r->mask || r->mask[lane];
}

weir_inline void weir__vec_copy_state(struct weir_vec *d, const struct weir_vec *a, uint32_t n)
{
	d->clean = a->clean;
	if (weir_unlikely(!a->clean))
		memcpy(d->state, a->state, n);
}

/* States of two operands into the result's: an error wins over null, null over a value. */
void weir__vec_merge_state(struct weir_vec *d, const struct weir_vec *a, const struct weir_vec *b,
			   uint32_t n);

weir_inline void weir__vec_state2(struct weir_vec *d, const struct weir_vec *a,
				  const struct weir_vec *b, uint32_t n)
{
	d->clean = true;
	if (weir_unlikely(!(a->clean && b->clean)))
		weir__vec_merge_state(d, a, b, n);
}

/* Marks a lane that was fine; a lane with a state keeps it. */
void weir__vec_mark(struct weir_vec *d, uint32_t lane, unsigned state);

/* -1, 0, 1, or 2 when d is not a number. Exact. */
int weir__expr_cmp_if(int64_t i, double d);

/* digits[.digits][e..] as value * 10^-scale with as few digits as written. false: more than 18. */
bool weir__expr_decimal_literal(struct weir_str s, int64_t *ret_v, unsigned *ret_precision,
				unsigned *ret_scale);
/* Correctly rounded. */
double weir__expr_decimal_f64(int64_t v, unsigned scale);
/* Bytes are whole UTF-8 characters. */
bool weir__utf8_valid(struct weir_str s);

#endif
