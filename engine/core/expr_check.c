/* SPDX-License-Identifier: Apache-2.0 */
/* Types of fields and operators. Every node is resolved into an instruction, bottom up. */
#include <stdio.h>

#include "engine/core/expr_impl.h"

struct weir_expr_type_name weir__expr_type_text(struct weir_typeinfo t)
{
	struct weir_expr_type_name n;

	if (t.type == WEIR_NONE) {
		snprintf(n.text, sizeof(n.text), "null");
	} else if (t.type == WEIR_DECIMAL) {
		snprintf(n.text, sizeof(n.text), "decimal(%u,%u)", t.precision, t.scale);
	} else if (t.type == WEIR_LIST) {
		struct weir_typeinfo e = t;
		struct weir_expr_type_name inner;

		e.type = t.elem;
		inner = weir__expr_type_text(e);
		snprintf(n.text, sizeof(n.text), "list<%.24s>", inner.text);
	} else {
		snprintf(n.text, sizeof(n.text), "%.30s", weir_type_name(t.type));
	}
	return n;
}

/* The conversion function between two types, or NULL. */
static const char *conversion(struct weir_typeinfo from, struct weir_typeinfo to)
{
#define FROM(t) (1u << WEIR_##t)
	static const struct {
		const char *call;
		unsigned from;
	} to_type[WEIR_TYPE_COUNT] = {
		[WEIR_BOOL] = {"bool(x)", FROM(INT64) | FROM(STRING)},
		[WEIR_INT64] = {"int(x)", FROM(BOOL) | FROM(FLOAT64) | FROM(DECIMAL) |
						  FROM(STRING) | FROM(TIMESTAMP) | FROM(DURATION)},
		[WEIR_FLOAT64] = {"double(x)", FROM(INT64) | FROM(DECIMAL) | FROM(STRING)},
		[WEIR_DECIMAL] = {"decimal(x, precision, scale)",
				  FROM(INT64) | FROM(FLOAT64) | FROM(STRING)},
		[WEIR_STRING] = {"string(x)", FROM(BOOL) | FROM(INT64) | FROM(FLOAT64) |
						      FROM(DECIMAL) | FROM(BYTES) |
						      FROM(TIMESTAMP) | FROM(DURATION)},
		[WEIR_BYTES] = {"bytes(x)", FROM(STRING)},
		[WEIR_TIMESTAMP] = {"timestamp(x)", FROM(INT64) | FROM(STRING)},
		[WEIR_DURATION] = {"duration(x)", FROM(STRING)},
	};
#undef FROM
	return to_type[to.type].from >> from.type & 1 ? to_type[to.type].call : NULL;
}

const char *weir__expr_hint(struct weir_typeinfo from, struct weir_typeinfo to)
{
	static const char *const text[WEIR_TYPE_COUNT] = {
		[WEIR_BOOL] = ": convert with bool(x)",
		[WEIR_INT64] = ": convert with int(x)",
		[WEIR_FLOAT64] = ": convert with double(x)",
		[WEIR_DECIMAL] = ": convert with decimal(x, precision, scale)",
		[WEIR_STRING] = ": convert with string(x)",
		[WEIR_BYTES] = ": convert with bytes(x)",
		[WEIR_TIMESTAMP] = ": convert with timestamp(x)",
		[WEIR_DURATION] = ": convert with duration(x)",
	};

	return conversion(from, to) ? text[to.type] : "";
}

/* "<lead> <a> and <b>: convert ..." over the whole of n, whose arguments do not fit together. */
static int mismatch(struct weir_expr_cx *cx, const struct weir_expr_node *n, const char *lead,
		    const struct weir_expr_node *a, const struct weir_expr_node *b)
{
	const char *second = conversion(b->type, a->type), *first = conversion(a->type, b->type);
	struct weir_expr_type_name ta = weir__expr_type_text(a->type);
	struct weir_expr_type_name tb = weir__expr_type_text(b->type);
	char how[120] = "";

	if (a->type.type == WEIR_NONE || b->type.type == WEIR_NONE)
		snprintf(how, sizeof(how), ": give null a value with coalesce(x, value)");
	else if (second && first)
		snprintf(how, sizeof(how), ": convert the second with %s or the first with %s",
			 second, first);
	else if (second || first)
		snprintf(how, sizeof(how), ": convert the %s with %s", second ? "second" : "first",
			 second ? second : first);
	return weir__expr_fail(cx, WEIR_E_TYPE, n->offset, n->length, "%s %s and %s%s", lead,
			       ta.text, tb.text, how);
}

/* ---- building ---- */

/* Text functions and regular expressions: worth leaving out for lanes that do not need them. */
static bool op_costly(unsigned op)
{
	return op == WEIR_X_CONCAT || (op >= WEIR_X_CONTAINS && op <= WEIR_X_SPLIT_AT) ||
	       (op >= WEIR_X_S_TO_I && op <= WEIR_X_BYTES_TO_S) || op == WEIR_X_F_TO_D;
}

struct weir_expr_node *weir__expr_ins(struct weir_expr_cx *cx, unsigned op,
				      const struct weir_expr_node *like, struct weir_typeinfo type,
				      unsigned count, struct weir_expr_node *const *arg)
{
	struct weir_expr_node *n = weir__expr_node(cx, WEIR_N_INS, like->offset, like->length);

	n->op = (uint16_t)op;
	n->type = type;
	n->count = count;
	n->arg = weir_region_array(&cx->scratch, struct weir_expr_node *, count);
	n->height = like->height; /* conversions are few per level: they do not count */
	n->costly = op_costly(op);
	for (unsigned i = 0; i < count; i++) {
		n->arg[i] = arg[i];
		n->nullable |= arg[i]->nullable;
		n->costly |= arg[i]->costly;
	}
	return n;
}

int weir__expr_become(struct weir_expr_cx *cx, struct weir_expr_node *n, unsigned op,
		      struct weir_typeinfo type)
{
	n->kind = WEIR_N_INS;
	n->op = (uint16_t)op;
	n->type = type;
	n->nullable = false;
	n->costly = op_costly(op);
	for (unsigned i = 0; i < n->count; i++) {
		n->nullable |= n->arg[i]->nullable;
		n->costly |= n->arg[i]->costly;
	}
	weir__expr_fold(cx, n);
	return 0;
}

static bool is_literal(const struct weir_expr_node *n)
{
	return n->kind == WEIR_N_LITERAL && !n->nullable;
}

static bool is_null(const struct weir_expr_node *n)
{
	return n->type.type == WEIR_NONE;
}

static bool is_numeric(struct weir_typeinfo t)
{
	return t.type == WEIR_INT64 || t.type == WEIR_FLOAT64 || t.type == WEIR_DECIMAL;
}

/* The same value as float64. A decimal of many digits is rounded to the nearest. */
static struct weir_expr_node *as_f64(struct weir_expr_cx *cx, struct weir_expr_node *n)
{
	struct weir_expr_node *c;

	if (n->type.type == WEIR_FLOAT64)
		return n;
	c = weir__expr_ins(cx, n->type.type == WEIR_DECIMAL ? WEIR_X_D_TO_F : WEIR_X_I_TO_F, n,
			   weir_type_of(WEIR_FLOAT64), 1, &n);
	c->k = n->type.scale;
	weir__expr_fold(cx, c);
	return c;
}

static struct weir_typeinfo decimal_type(unsigned precision, unsigned scale)
{
	precision = WEIR_MAX(WEIR_MIN(precision, (unsigned)WEIR_DECIMAL_PRECISION_MAX), scale);
	return (struct weir_typeinfo){.type = WEIR_DECIMAL,
				      .precision = (uint8_t)WEIR_MAX(precision, 1u),
				      .scale = (uint8_t)scale};
}

/* As a decimal of its own precision: int64 fields count as 18 digits, literals as what they are.
 * NULL (and the error is set) for a float64 that is no exact literal. */
static struct weir_expr_node *as_decimal(struct weir_expr_cx *cx, struct weir_expr_node *n)
{
	struct weir_expr_node *c;
	unsigned precision, scale;
	int64_t v;

	if (n->type.type == WEIR_DECIMAL)
		return n;
	if (n->type.type == WEIR_FLOAT64) {
		if (!weir__expr_decimal_literal(n->text, &v, &precision, &scale)) {
			weir__expr_fail(cx, WEIR_E_TYPE, n->offset, n->length,
					"%.*s is not a decimal of at most %d digits",
					(int)WEIR_MIN(n->text.n, (size_t)60), n->text.p,
					WEIR_DECIMAL_PRECISION_MAX);
			return NULL;
		}
		c = weir__expr_node(cx, WEIR_N_LITERAL, n->offset, n->length);
		c->value.i = n->value.f < 0 ? -v : v;
		c->type = decimal_type(precision, scale);
		return c;
	}
	c = weir_region_new(&cx->scratch, struct weir_expr_node);
	*c = *n;
	precision = WEIR_DECIMAL_PRECISION_MAX;
	if (is_literal(n)) {
		uint64_t m = n->value.i < 0 ? 0 - (uint64_t)n->value.i : (uint64_t)n->value.i;

		for (precision = 1; precision < 18 && m >= (uint64_t)weir__pow10[precision];)
			precision++;
	}
	c->type = decimal_type(precision, 0);
	return c;
}

/* Literals as written in the source may become decimals; computed float64 values may not. */
static bool float_literal(const struct weir_expr_node *n)
{
	return n->type.type == WEIR_FLOAT64 && is_literal(n) && n->text.n;
}

/* Both operands as decimals; false: they do not mix. */
static bool both_decimal(struct weir_expr_cx *cx, struct weir_expr_node *n, const char *lead)
{
	for (unsigned i = 0; i < 2; i++) {
		if (n->arg[i]->type.type == WEIR_FLOAT64 && !float_literal(n->arg[i])) {
			mismatch(cx, n, lead, n->arg[0], n->arg[1]);
			return false;
		}
		n->arg[i] = as_decimal(cx, n->arg[i]);
		if (!n->arg[i])
			return false;
	}
	return true;
}

/* ---- arithmetic ---- */

static const char *arith_lead(unsigned tok)
{
	static const char *const text[] = {"cannot apply + to", "cannot apply - to",
					   "cannot apply * to", "cannot apply / to",
					   "cannot apply % to"};

	return text[tok - WEIR_TOK_PLUS];
}

static int check_decimal_arith(struct weir_expr_cx *cx, struct weir_expr_node *n)
{
	struct weir_typeinfo a, b, r;
	unsigned scale, op;

	if (n->op == WEIR_TOK_SLASH) {
		n->arg[0] = as_f64(cx, n->arg[0]);
		n->arg[1] = as_f64(cx, n->arg[1]);
		return weir__expr_become(cx, n, WEIR_X_DIV_FZ, weir_type_of(WEIR_FLOAT64));
	}
	if (!both_decimal(cx, n, arith_lead(n->op)))
		return cx->code;
	a = n->arg[0]->type;
	b = n->arg[1]->type;
	if (n->op == WEIR_TOK_STAR) {
		scale = a.scale + (unsigned)b.scale;
		if (scale > WEIR_DECIMAL_PRECISION_MAX)
			return weir__expr_fail(
				cx, WEIR_E_TYPE, n->offset, n->length,
				"%s * %s would need %u fraction digits, %d are possible: round one "
				"with decimal(x, precision, scale), or use double(x)",
				weir__expr_type_text(a).text, weir__expr_type_text(b).text, scale,
				WEIR_DECIMAL_PRECISION_MAX);
		r = decimal_type(a.precision + (unsigned)b.precision, scale);
		n->k3 = weir__pow10[r.precision];
		return weir__expr_become(cx, n, WEIR_X_MUL_D, r);
	}
	scale = WEIR_MAX(a.scale, b.scale);
	r = decimal_type(WEIR_MAX(a.precision - a.scale, b.precision - b.scale) + scale + 1u,
			 scale);
	n->k = weir__pow10[scale - a.scale];
	n->k2 = weir__pow10[scale - b.scale];
	n->k3 = weir__pow10[r.precision];
	op = n->op == WEIR_TOK_PLUS ? WEIR_X_ADD_D : WEIR_X_SUB_D;
	return weir__expr_become(cx, n, op, r);
}

static int check_numeric(struct weir_expr_cx *cx, struct weir_expr_node *n)
{
	static const uint16_t int_op[] = {WEIR_X_ADD_I, WEIR_X_SUB_I, WEIR_X_MUL_I, WEIR_X_DIV_I,
					  WEIR_X_MOD_I};
	static const uint16_t float_op[] = {WEIR_X_ADD_F, WEIR_X_SUB_F, WEIR_X_MUL_F, WEIR_X_DIV_F};
	unsigned a = n->arg[0]->type.type, b = n->arg[1]->type.type;

	if (n->op == WEIR_TOK_PERCENT && (a != WEIR_INT64 || b != WEIR_INT64))
		return weir__expr_fail(
			cx, WEIR_E_TYPE, n->offset, n->length,
			"%% needs int64 on both sides, not %s and %s: convert with int(x)",
			weir__expr_type_text(n->arg[0]->type).text,
			weir__expr_type_text(n->arg[1]->type).text);
	if (a == WEIR_DECIMAL || b == WEIR_DECIMAL) {
		/* decimal / float64 needs no exactness: the result is float64 anyway. */
		return check_decimal_arith(cx, n);
	}
	if (a == WEIR_FLOAT64 || b == WEIR_FLOAT64) {
		n->arg[0] = as_f64(cx, n->arg[0]);
		n->arg[1] = as_f64(cx, n->arg[1]);
		return weir__expr_become(cx, n, float_op[n->op - WEIR_TOK_PLUS],
					 weir_type_of(WEIR_FLOAT64));
	}
	return weir__expr_become(cx, n, int_op[n->op - WEIR_TOK_PLUS], weir_type_of(WEIR_INT64));
}

/* a + b + c of texts becomes one instruction, so that no text is made twice. */
static int check_concat(struct weir_expr_cx *cx, struct weir_expr_node *n)
{
	struct weir_expr_node *left = n->arg[0], *right = n->arg[1];
	struct weir_typeinfo type = left->type;

	if (left->kind == WEIR_N_INS && left->op == WEIR_X_CONCAT &&
	    left->count < WEIR_EXPR_CONCAT_MAX) {
		struct weir_expr_node **arg =
			weir_region_array(&cx->scratch, struct weir_expr_node *, left->count + 1);

		memcpy(arg, left->arg, left->count * sizeof(*arg));
		arg[left->count] = right;
		n->arg = arg;
		n->count = left->count + 1;
	}
	return weir__expr_become(cx, n, WEIR_X_CONCAT, type);
}

/* Result type of arithmetic with times, 0: not defined. */
static unsigned time_arith(unsigned op, unsigned a, unsigned b)
{
	bool ta = a == WEIR_TIMESTAMP, da = a == WEIR_DURATION, ia = a == WEIR_INT64;
	bool tb = b == WEIR_TIMESTAMP, db = b == WEIR_DURATION, ib = b == WEIR_INT64;

	switch (op) {
	case WEIR_TOK_PLUS:
		if (da && db)
			return WEIR_DURATION;
		return (ta && db) || (da && tb) ? WEIR_TIMESTAMP : 0;
	case WEIR_TOK_MINUS:
		if ((da && db) || (ta && tb))
			return WEIR_DURATION;
		return ta && db ? WEIR_TIMESTAMP : 0;
	case WEIR_TOK_STAR:
		return (da && ib) || (ia && db) ? WEIR_DURATION : 0;
	case WEIR_TOK_SLASH:
		return da && ib ? WEIR_DURATION : 0;
	default:
		return 0;
	}
}

static int check_arith(struct weir_expr_cx *cx, struct weir_expr_node *n)
{
	static const uint16_t int_op[] = {WEIR_X_ADD_I, WEIR_X_SUB_I, WEIR_X_MUL_I, WEIR_X_DIV_I};
	struct weir_typeinfo a = n->arg[0]->type, b = n->arg[1]->type;
	unsigned time = time_arith(n->op, a.type, b.type);

	if (time)
		return weir__expr_become(cx, n, int_op[n->op - WEIR_TOK_PLUS], weir_type_of(time));
	if (n->op == WEIR_TOK_PLUS && a.type == b.type && weir_type_is_text(a.type))
		return check_concat(cx, n);
	if (is_numeric(a) && is_numeric(b))
		return check_numeric(cx, n);
	return mismatch(cx, n, arith_lead(n->op), n->arg[0], n->arg[1]);
}

static int check_unary(struct weir_expr_cx *cx, struct weir_expr_node *n)
{
	struct weir_typeinfo t = n->arg[0]->type;

	if (n->op == WEIR_TOK_NOT) {
		if (t.type == WEIR_BOOL)
			return weir__expr_become(cx, n, WEIR_X_NOT, t);
		return weir__expr_fail(cx, WEIR_E_TYPE, n->offset, n->length,
				       "! needs bool, not %s%s", weir__expr_type_text(t).text,
				       weir__expr_hint(t, weir_type_of(WEIR_BOOL)));
	}
	if (t.type == WEIR_FLOAT64)
		return weir__expr_become(cx, n, WEIR_X_NEG_F, t);
	if (is_numeric(t) || t.type == WEIR_DURATION)
		return weir__expr_become(cx, n, WEIR_X_NEG_I, t);
	return weir__expr_fail(cx, WEIR_E_TYPE, n->offset, n->length,
			       "- needs a number or a duration, not %s",
			       weir__expr_type_text(t).text);
}

/* ---- comparison ---- */

static unsigned flip(unsigned rel)
{
	static const uint8_t flipped[] = {WEIR_REL_EQ, WEIR_REL_NE, WEIR_REL_GT,
					  WEIR_REL_GE, WEIR_REL_LT, WEIR_REL_LE};

	return flipped[rel];
}

/* Bit 0: less, 1: equal, 2: greater, 3: not comparable (NaN). */
static int64_t rel_mask(unsigned rel)
{
	static const uint8_t mask[] = {2, 1 | 4 | 8, 1, 1 | 2, 4, 4 | 2};

	return mask[rel];
}

static void swap_args(struct weir_expr_node *n, unsigned *rel)
{
	struct weir_expr_node *a = n->arg[0];

	n->arg[0] = n->arg[1];
	n->arg[1] = a;
	*rel = flip(*rel);
}

static int compare_null(struct weir_expr_cx *cx, struct weir_expr_node *n, unsigned rel)
{
	if (rel != WEIR_REL_EQ && rel != WEIR_REL_NE)
		return weir__expr_fail(cx, WEIR_E_TYPE, n->offset, n->length,
				       "null has no order: only == null and != null are possible");
	if (is_null(n->arg[0]))
		swap_args(n, &rel);
	if (is_null(n->arg[0])) {
		n->kind = WEIR_N_LITERAL;
		n->type = weir_type_of(WEIR_BOOL);
		n->value.i = rel == WEIR_REL_EQ;
		n->count = 0;
		return 0;
	}
	n->count = 1;
	weir__expr_become(cx, n, rel == WEIR_REL_EQ ? WEIR_X_IS_NULL : WEIR_X_NOT_NULL,
			  weir_type_of(WEIR_BOOL));
	n->nullable = false;
	return 0;
}

/* int64 with float64, exactly. A literal moves to the other side's type when that changes nothing. */
static int compare_int_float(struct weir_expr_cx *cx, struct weir_expr_node *n, unsigned rel)
{
	struct weir_typeinfo type = weir_type_of(WEIR_BOOL);
	struct weir_expr_node *i, *f, *c;

	if (n->arg[0]->type.type != WEIR_INT64)
		swap_args(n, &rel);
	i = n->arg[0];
	f = n->arg[1];
	if (is_literal(i) && weir__expr_cmp_if(i->value.i, (double)i->value.i) == 0) {
		n->arg[0] = as_f64(cx, i);
		swap_args(n, &rel);
		return weir__expr_become(cx, n, WEIR_X_EQ_F + 2 * rel, type);
	}
	if (is_literal(f) && f->value.f >= -0x1p53 && f->value.f <= 0x1p53 &&
	    (double)(int64_t)f->value.f == f->value.f) {
		c = weir__expr_node(cx, WEIR_N_LITERAL, f->offset, f->length);
		c->type = weir_type_of(WEIR_INT64);
		c->value.i = (int64_t)f->value.f;
		n->arg[1] = c;
		return weir__expr_become(cx, n, WEIR_X_EQ_I + 2 * rel, type);
	}
	n->k = rel_mask(rel);
	return weir__expr_become(cx, n, WEIR_X_CMP_IF, type);
}

/* A decimal literal with more fraction digits, if its value fits. */
static bool widen_literal(struct weir_expr_node *n, unsigned scale)
{
	int64_t v;

	if (!is_literal(n) || n->type.scale > scale ||
	    __builtin_mul_overflow(n->value.i, weir__pow10[scale - n->type.scale], &v))
		return false;
	n->value.i = v;
	n->type.scale = (uint8_t)scale;
	return true;
}

static int compare_decimal(struct weir_expr_cx *cx, struct weir_expr_node *n, unsigned rel)
{
	struct weir_typeinfo type = weir_type_of(WEIR_BOOL);
	unsigned sa, sb, s;

	if (!both_decimal(cx, n, "cannot compare"))
		return cx->code;
	for (unsigned i = 0; i < 2; i++) {
		if (is_literal(n->arg[i])) {
			struct weir_expr_node *c =
				weir_region_new(&cx->scratch, struct weir_expr_node);

			*c = *n->arg[i];
			n->arg[i] = c;
			widen_literal(c, n->arg[1 - i]->type.scale);
		}
	}
	sa = n->arg[0]->type.scale;
	sb = n->arg[1]->type.scale;
	if (sa == sb)
		return weir__expr_become(cx, n, WEIR_X_EQ_I + 2 * rel, type);
	s = WEIR_MAX(sa, sb);
	n->k = weir__pow10[s - sa];
	n->k2 = weir__pow10[s - sb];
	n->k3 = rel_mask(rel);
	return weir__expr_become(cx, n, WEIR_X_CMP_D, type);
}

static int check_compare(struct weir_expr_cx *cx, struct weir_expr_node *n, unsigned rel)
{
	struct weir_typeinfo a = n->arg[0]->type, b = n->arg[1]->type;
	struct weir_typeinfo type = weir_type_of(WEIR_BOOL);

	if (is_null(n->arg[0]) || is_null(n->arg[1]))
		return compare_null(cx, n, rel);
	if (is_numeric(a) && is_numeric(b)) {
		if (a.type == WEIR_DECIMAL || b.type == WEIR_DECIMAL)
			return compare_decimal(cx, n, rel);
		if (a.type != b.type)
			return compare_int_float(cx, n, rel);
	}
	if (a.type != b.type)
		return mismatch(cx, n, "cannot compare", n->arg[0], n->arg[1]);
	if (a.type == WEIR_LIST)
		return weir__expr_fail(
			cx, WEIR_E_TYPE, n->offset, n->length,
			"lists cannot be compared: compare elements, or use x in list");
	if (weir_type_is_text(a.type))
		return weir__expr_become(cx, n, WEIR_X_EQ_S + rel, type);
	if (is_literal(n->arg[0]))
		swap_args(n, &rel);
	return weir__expr_become(
		cx, n, (a.type == WEIR_FLOAT64 ? WEIR_X_EQ_F : WEIR_X_EQ_I) + 2 * rel, type);
}

/* ---- logic and choice ---- */

static int check_logic(struct weir_expr_cx *cx, struct weir_expr_node *n)
{
	for (unsigned i = 0; i < n->count; i++) {
		const struct weir_expr_node *a = n->arg[i];

		if (a->type.type != WEIR_BOOL)
			return weir__expr_fail(
				cx, WEIR_E_TYPE, a->offset, a->length, "%s needs bool, not %s%s",
				n->op == WEIR_TOK_AND ? "&&" : "||",
				weir__expr_type_text(a->type).text,
				a->type.type == WEIR_NONE ? "" : ": compare it with something");
	}
	return weir__expr_become(cx, n, n->op == WEIR_TOK_AND ? WEIR_X_AND : WEIR_X_OR,
				 weir_type_of(WEIR_BOOL));
}

static bool same_type(struct weir_typeinfo a, struct weir_typeinfo b)
{
	return a.type == b.type && (a.type != WEIR_LIST || a.elem == b.elem) &&
	       a.precision == b.precision && a.scale == b.scale;
}

/* Common numeric type of two; NONE when there is none. */
static struct weir_typeinfo join_numeric(struct weir_expr_cx *cx, struct weir_typeinfo t,
					 struct weir_expr_node *n, bool decimals)
{
	if (decimals) {
		struct weir_expr_node *d;
		unsigned whole, scale;

		if (n->type.type == WEIR_FLOAT64 && !float_literal(n))
			return weir_type_of(WEIR_NONE);
		d = as_decimal(cx, n);
		if (!d)
			return weir_type_of(WEIR_NONE);
		if (t.type == WEIR_NONE)
			return d->type;
		scale = WEIR_MAX(t.scale, d->type.scale);
		whole = WEIR_MAX(t.precision - (unsigned)t.scale,
				 d->type.precision - (unsigned)d->type.scale);
		return decimal_type(whole + scale, scale);
	}
	if (t.type == WEIR_NONE || n->type.type == WEIR_FLOAT64)
		return n->type;
	return t;
}

/* n as type t; the types are known to fit. */
static struct weir_expr_node *convert(struct weir_expr_cx *cx, struct weir_expr_node *n,
				      struct weir_typeinfo t)
{
	struct weir_expr_node *d, *c;

	if (is_null(n)) {
		n->type = t;
		return n;
	}
	if (t.type == WEIR_FLOAT64)
		return as_f64(cx, n);
	if (t.type != WEIR_DECIMAL || same_type(n->type, t))
		return n;
	d = as_decimal(cx, n);
	c = weir__expr_ins(cx, WEIR_X_RESCALE_D, n, t, 1, &d);
	c->k = weir__pow10[t.scale - d->type.scale];
	c->k2 = 1;
	c->k3 = weir__pow10[t.precision];
	weir__expr_fold(cx, c);
	return c;
}

int weir__expr_unify(struct weir_expr_cx *cx, struct weir_expr_node *n, unsigned first,
		     const char *what, struct weir_typeinfo *ret_type)
{
	struct weir_typeinfo t = weir_type_of(WEIR_NONE), r = t;
	const struct weir_expr_node *typed = NULL;
	bool decimals = false;

	for (unsigned i = first; i < n->count; i++)
		decimals |= n->arg[i]->type.type == WEIR_DECIMAL;
	for (unsigned i = first; i < n->count; i++) {
		struct weir_expr_node *a = n->arg[i];
		char lead[80];

		if (is_null(a))
			continue;
		if (!typed && !(decimals && is_numeric(a->type)))
			r = a->type;
		else if (!typed)
			r = join_numeric(cx, t, a, decimals);
		else if (is_numeric(a->type) && is_numeric(t))
			r = join_numeric(cx, t, a, decimals);
		else if (!same_type(a->type, t))
			r = weir_type_of(WEIR_NONE);
		if (cx->code)
			return cx->code;
		snprintf(lead, sizeof(lead), "%s needs one type, not", what);
		if (r.type == WEIR_NONE) {
			/* A float64 in front of the first decimal: name that one. */
			for (unsigned j = i + 1; !typed && j < n->count; j++)
				if (n->arg[j]->type.type == WEIR_DECIMAL)
					typed = n->arg[j];
			return mismatch(cx, a, lead, typed ? typed : a, a);
		}
		typed = a;
		t = r;
	}
	if (!typed)
		return weir__expr_fail(cx, WEIR_E_TYPE, n->offset, n->length,
				       "%s has only null: its type is not known", what);
	for (unsigned i = first; i < n->count; i++)
		n->arg[i] = convert(cx, n->arg[i], t);
	*ret_type = t;
	return 0;
}

static int check_cond(struct weir_expr_cx *cx, struct weir_expr_node *n)
{
	const struct weir_expr_node *c = n->arg[0];
	struct weir_typeinfo t;
	int rc;

	if (c->type.type != WEIR_BOOL)
		return weir__expr_fail(cx, WEIR_E_TYPE, c->offset, c->length,
				       "the condition of ?: must be bool, not %s",
				       weir__expr_type_text(c->type).text);
	rc = weir__expr_unify(cx, n, 1, "?:", &t);
	if (rc)
		return rc;
	if (t.type == WEIR_LIST)
		return weir__expr_become(cx, n, WEIR_X_SELECT_LIST, t);
	return weir__expr_become(cx, n,
				 weir_type_is_text(t.type) ? WEIR_X_SELECT_STR : WEIR_X_SELECT, t);
}

/* ---- lists ---- */

static int cmp_set_i(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

/* Shell sort: sets are small, and this runs once. */
static void sort_set(struct weir_expr_node **el, unsigned count, bool text)
{
	for (unsigned gap = count / 2; gap; gap /= 2) {
		for (unsigned i = gap; i < count; i++) {
			struct weir_expr_node *e = el[i];
			unsigned j = i;

			for (; j >= gap; j -= gap) {
				const union weir_expr_value *p = &el[j - gap]->value;

				if ((text ? weir_str_cmp(p->s, e->value.s)
					  : cmp_set_i(p->i, e->value.i)) <= 0)
					break;
				el[j] = el[j - gap];
			}
			el[j] = e;
		}
	}
}

static int make_set(struct weir_expr_cx *cx, struct weir_expr_node *n, struct weir_expr_node *x,
		    struct weir_expr_node **el, unsigned count, bool text)
{
	struct weir_expr_set *set = weir_region_new(cx->region, struct weir_expr_set);

	sort_set(el, count, text);
	set->count = count;
	if (text) {
		struct weir_str *s = weir_region_array(cx->region, struct weir_str, count);

		for (unsigned i = 0; i < count; i++)
			s[i] = el[i]->value.s;
		set->s = s;
	} else {
		int64_t *v = weir_region_array(cx->region, int64_t, count);

		for (unsigned i = 0; i < count; i++)
			v[i] = el[i]->value.i;
		set->i = v;
	}
	n->p = set;
	n->count = 1;
	n->arg[0] = x;
	return weir__expr_become(cx, n, text ? WEIR_X_IN_SET_S : WEIR_X_IN_SET_I,
				 weir_type_of(WEIR_BOOL));
}

/* x in [a, b] means x == a || x == b; a sorted set when all are constants of one kind. */
static int check_in_literal(struct weir_expr_cx *cx, struct weir_expr_node *n)
{
	struct weir_expr_node *x = n->arg[0], *list = n->arg[1], **test, **el;
	bool ints = true, texts = true;

	if (list->count == 0)
		return weir__expr_fail(cx, WEIR_E_TYPE, list->offset, list->length,
				       "nothing is in an empty list");
	test = weir_region_array(&cx->scratch, struct weir_expr_node *, list->count);
	el = weir_region_array(&cx->scratch, struct weir_expr_node *, list->count);
	for (unsigned i = 0; i < list->count; i++) {
		struct weir_expr_node *e = list->arg[i], *pair[2], *t;

		if (e->kind == WEIR_N_LITERAL && e->nullable)
			return weir__expr_fail(cx, WEIR_E_TYPE, e->offset, e->length,
					       "null is in no list: write x == null");
		pair[0] = x;
		pair[1] = e;
		t = weir__expr_ins(cx, WEIR_X_EQ_I, e, weir_type_of(WEIR_BOOL), 2, pair);
		t->height = n->height;
		if (check_compare(cx, t, WEIR_REL_EQ))
			return cx->code;
		test[i] = t;
		el[i] = t->count == 2 ? t->arg[1] : NULL;
		ints &= t->kind == WEIR_N_INS && t->op == WEIR_X_EQ_I && is_literal(el[i]) &&
			t->arg[0] == x;
		texts &= t->kind == WEIR_N_INS && t->op == WEIR_X_EQ_S && is_literal(el[i]);
	}
	if (ints || texts)
		return make_set(cx, n, x, el, list->count, texts);
	x->shared = true;
	n->arg = test;
	n->count = list->count;
	return weir__expr_become(cx, n, WEIR_X_OR, weir_type_of(WEIR_BOOL));
}

static int check_in(struct weir_expr_cx *cx, struct weir_expr_node *n)
{
	struct weir_expr_node *x = n->arg[0], *list = n->arg[1];
	struct weir_typeinfo elem = list->type;

	if (is_null(x))
		return weir__expr_fail(cx, WEIR_E_TYPE, x->offset, x->length, "null is in no list");
	if (list->kind == WEIR_N_LIST)
		return check_in_literal(cx, n);
	if (list->type.type != WEIR_LIST)
		return weir__expr_fail(cx, WEIR_E_TYPE, list->offset, list->length,
				       "'in' needs a list on its right, not %s%s",
				       weir__expr_type_text(list->type).text,
				       list->type.type == WEIR_STRING
					       ? ": a part of a text is found "
						 "with s.contains(part)"
					       : "");
	elem.type = list->type.elem;
	elem.elem = 0;
	if (elem.type == WEIR_FLOAT64 && x->type.type == WEIR_INT64 && is_literal(x) &&
	    weir__expr_cmp_if(x->value.i, (double)x->value.i) == 0)
		n->arg[0] = x = as_f64(cx, x);
	if (elem.type == WEIR_DECIMAL && (x->type.type == WEIR_INT64 || float_literal(x)) &&
	    is_literal(x)) {
		x = as_decimal(cx, x);
		if (!x)
			return cx->code;
		widen_literal(x, elem.scale);
		n->arg[0] = x;
	}
	if (x->type.type != elem.type || x->type.scale != elem.scale) {
		struct weir_expr_node e = *list;

		e.type = elem;
		return mismatch(cx, n, "'in' needs one type, not", x, &e);
	}
	if (weir_type_is_text(elem.type))
		return weir__expr_become(cx, n, WEIR_X_IN_LIST_S, weir_type_of(WEIR_BOOL));
	return weir__expr_become(cx, n,
				 elem.type == WEIR_FLOAT64 ? WEIR_X_IN_LIST_F : WEIR_X_IN_LIST,
				 weir_type_of(WEIR_BOOL));
}

static int check_index(struct weir_expr_cx *cx, struct weir_expr_node *n)
{
	struct weir_expr_node *list = n->arg[0], *i = n->arg[1];
	struct weir_typeinfo elem = list->type;

	if (list->type.type != WEIR_LIST)
		return weir__expr_fail(cx, WEIR_E_TYPE, n->offset, n->length,
				       "[] needs a list, not %s%s",
				       weir__expr_type_text(list->type).text,
				       list->type.type == WEIR_STRING
					       ? ": a part of a text is s.substring(from, to)"
					       : "");
	if (i->type.type != WEIR_INT64)
		return weir__expr_fail(cx, WEIR_E_TYPE, i->offset, i->length,
				       "an index must be int64, not %s%s",
				       weir__expr_type_text(i->type).text,
				       weir__expr_hint(i->type, weir_type_of(WEIR_INT64)));
	elem.type = list->type.elem;
	elem.elem = 0;
	if (list->kind == WEIR_N_INS && list->op == WEIR_X_SPLIT) {
		/* s.split(x)[i] finds the one piece without making the list. */
		struct weir_expr_node *arg[3] = {list->arg[0], list->arg[1], i};

		n->count = 3;
		n->arg = weir_region_array(&cx->scratch, struct weir_expr_node *, 3);
		memcpy(n->arg, arg, sizeof(arg));
		return weir__expr_become(cx, n, WEIR_X_SPLIT_AT, elem);
	}
	return weir__expr_become(
		cx, n, weir_type_is_text(elem.type) ? WEIR_X_INDEX_STR : WEIR_X_INDEX, elem);
}

/* ---- all ---- */

static int check_field(struct weir_expr_cx *cx, struct weir_expr_node *n)
{
	const struct weir_schema *s = cx->env->schema;
	const char *names[WEIR_FIELDS_MAX], *near;
	int i = weir_schema_find(s, n->value.s);

	if (i >= 0) {
		n->field = (uint32_t)i;
		n->type = s->field[i].type;
		n->nullable = s->field[i].nullable;
		return 0;
	}
	for (unsigned j = 0; j < s->field_count; j++)
		names[j] = s->field[j].name;
	near = weir_str_suggest(n->value.s, names, s->field_count);
	return weir__expr_fail(cx, WEIR_E_UNKNOWN, n->offset, n->length,
			       near ? "no field '%.*s', did you mean '%s'?" : "no field '%.*s'",
			       (int)WEIR_MIN(n->value.s.n, (size_t)WEIR_NAME_MAX + 1), n->value.s.p,
			       near);
}

int weir__expr_check(struct weir_expr_cx *cx, struct weir_expr_node *n)
{
	for (unsigned i = 0; i < n->count; i++) {
		struct weir_expr_node *a = n->arg[i];

		if (weir__expr_check(cx, a))
			return cx->code;
		if (a->kind == WEIR_N_LIST &&
		    !(n->kind == WEIR_N_BINARY && n->op == WEIR_TOK_IN && i == 1))
			return weir__expr_fail(cx, WEIR_E_TYPE, a->offset, a->length,
					       "a list can only be written on the right of 'in'");
	}
	switch (n->kind) {
	case WEIR_N_FIELD:
		return check_field(cx, n);
	case WEIR_N_UNARY:
		return check_unary(cx, n);
	case WEIR_N_LOGIC:
		return check_logic(cx, n);
	case WEIR_N_COND:
		return check_cond(cx, n);
	case WEIR_N_CALL:
		return weir__expr_check_call(cx, n);
	case WEIR_N_INDEX:
		return check_index(cx, n);
	case WEIR_N_BINARY:
		if (n->op == WEIR_TOK_IN)
			return check_in(cx, n);
		if (n->op >= WEIR_TOK_EQ && n->op <= WEIR_TOK_GE)
			return check_compare(cx, n, n->op - WEIR_TOK_EQ);
		return check_arith(cx, n);
	default:
		return 0;
	}
}
