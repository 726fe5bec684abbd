/* SPDX-License-Identifier: Apache-2.0 */
/* Types of arithmetic and comparison. */
#include "engine/core/expr_impl.h"

/* ---- arithmetic ---- */

/* Both operands as decimals; false: they do not mix. */
static bool both_decimal(struct weir_expr_cx *cx, struct weir_expr_node *n, const char *lead)
{
	for (unsigned i = 0; i < 2; i++) {
		if (n->arg[i]->type.type == WEIR_FLOAT64 && !weir__expr_float_literal(n->arg[i])) {
			weir__expr_mismatch(cx, n, lead, n->arg[0], n->arg[1]);
			return false;
		}
		n->arg[i] = weir__expr_as_decimal(cx, n->arg[i]);
		if (!n->arg[i])
			return false;
	}
	return true;
}

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
		n->arg[0] = weir__expr_as_f64(cx, n->arg[0]);
		n->arg[1] = weir__expr_as_f64(cx, n->arg[1]);
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
		r = weir__expr_decimal_type(a.precision + (unsigned)b.precision, scale);
		n->k3 = weir_pow10[r.precision];
		return weir__expr_become(cx, n, WEIR_X_MUL_D, r);
	}
	scale = WEIR_MAX(a.scale, b.scale);
	r = weir__expr_decimal_type(
		WEIR_MAX(a.precision - a.scale, b.precision - b.scale) + scale + 1u, scale);
	n->k = weir_pow10[scale - a.scale];
	n->k2 = weir_pow10[scale - b.scale];
	n->k3 = weir_pow10[r.precision];
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
		n->arg[0] = weir__expr_as_f64(cx, n->arg[0]);
		n->arg[1] = weir__expr_as_f64(cx, n->arg[1]);
		return weir__expr_become(cx, n, float_op[n->op - WEIR_TOK_PLUS],
					 weir_type_of(WEIR_FLOAT64));
	}
	return weir__expr_become(cx, n, int_op[n->op - WEIR_TOK_PLUS], weir_type_of(WEIR_INT64));
}

static bool is_concat(const struct weir_expr_node *n)
{
	return n->kind == WEIR_N_INS && n->op == WEIR_X_CONCAT;
}

/* a + b + c of texts becomes one instruction, so that no text is made twice. */
static int check_concat(struct weir_expr_cx *cx, struct weir_expr_node *n)
{
	struct weir_typeinfo type = n->arg[0]->type;
	struct weir_expr_node **arg;
	unsigned count = 0;

	for (unsigned i = 0; i < 2; i++)
		count += is_concat(n->arg[i]) ? n->arg[i]->count : 1;
	if (count > 2 && count <= WEIR_EXPR_CONCAT_MAX) {
		arg = weir_region_array(&cx->scratch, struct weir_expr_node *, count);
		count = 0;
		for (unsigned i = 0; i < 2; i++) {
			struct weir_expr_node *a = n->arg[i];

			if (is_concat(a)) {
				memcpy(arg + count, a->arg, a->count * sizeof(*arg));
				count += a->count;
			} else {
				arg[count++] = a;
			}
		}
		n->arg = arg;
		n->count = count;
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

int weir__expr_check_arith(struct weir_expr_cx *cx, struct weir_expr_node *n)
{
	static const uint16_t int_op[] = {WEIR_X_ADD_I, WEIR_X_SUB_I, WEIR_X_MUL_I, WEIR_X_DIV_I};
	struct weir_typeinfo a = n->arg[0]->type, b = n->arg[1]->type;
	unsigned time = time_arith(n->op, a.type, b.type);

	if (time)
		return weir__expr_become(cx, n, int_op[n->op - WEIR_TOK_PLUS], weir_type_of(time));
	if (n->op == WEIR_TOK_PLUS && a.type == b.type && weir_type_is_text(a.type))
		return check_concat(cx, n);
	if (weir__expr_is_numeric(a) && weir__expr_is_numeric(b))
		return check_numeric(cx, n);
	return weir__expr_mismatch(cx, n, arith_lead(n->op), n->arg[0], n->arg[1]);
}

int weir__expr_check_unary(struct weir_expr_cx *cx, struct weir_expr_node *n)
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
	if (weir__expr_is_numeric(t) || t.type == WEIR_DURATION)
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
	if (weir__expr_is_null(n->arg[0]))
		swap_args(n, &rel);
	if (weir__expr_is_null(n->arg[0])) {
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
	if (weir__expr_is_literal(i) && weir__expr_cmp_if(i->value.i, (double)i->value.i) == 0) {
		n->arg[0] = weir__expr_as_f64(cx, i);
		swap_args(n, &rel);
		return weir__expr_become(cx, n, WEIR_X_EQ_F + 2 * rel, type);
	}
	if (weir__expr_is_literal(f) && f->value.f >= -0x1p53 && f->value.f <= 0x1p53 &&
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

static int compare_decimal(struct weir_expr_cx *cx, struct weir_expr_node *n, unsigned rel)
{
	struct weir_typeinfo type = weir_type_of(WEIR_BOOL);
	unsigned sa, sb, s;

	if (!both_decimal(cx, n, "cannot compare"))
		return cx->code;
	for (unsigned i = 0; i < 2; i++) {
		if (weir__expr_is_literal(n->arg[i])) {
			struct weir_expr_node *c =
				weir_region_new(&cx->scratch, struct weir_expr_node);

			*c = *n->arg[i];
			n->arg[i] = c;
			weir__expr_widen_literal(c, n->arg[1 - i]->type.scale);
		}
	}
	sa = n->arg[0]->type.scale;
	sb = n->arg[1]->type.scale;
	if (sa == sb)
		return weir__expr_become(cx, n, WEIR_X_EQ_I + 2 * rel, type);
	s = WEIR_MAX(sa, sb);
	n->k = weir_pow10[s - sa];
	n->k2 = weir_pow10[s - sb];
	n->k3 = rel_mask(rel);
	return weir__expr_become(cx, n, WEIR_X_CMP_D, type);
}

int weir__expr_check_compare(struct weir_expr_cx *cx, struct weir_expr_node *n, unsigned rel)
{
	struct weir_typeinfo a = n->arg[0]->type, b = n->arg[1]->type;
	struct weir_typeinfo type = weir_type_of(WEIR_BOOL);

	if (weir__expr_is_null(n->arg[0]) || weir__expr_is_null(n->arg[1]))
		return compare_null(cx, n, rel);
	if (weir__expr_is_numeric(a) && weir__expr_is_numeric(b)) {
		if (a.type == WEIR_DECIMAL || b.type == WEIR_DECIMAL)
			return compare_decimal(cx, n, rel);
		if (a.type != b.type)
			return compare_int_float(cx, n, rel);
	}
	if (a.type != b.type)
		return weir__expr_mismatch(cx, n, "cannot compare", n->arg[0], n->arg[1]);
	if (a.type == WEIR_LIST)
		return weir__expr_fail(
			cx, WEIR_E_TYPE, n->offset, n->length,
			"lists cannot be compared: compare elements, or use x in list");
	if (weir_type_is_text(a.type))
		return weir__expr_become(cx, n, WEIR_X_EQ_S + rel, type);
	if (weir__expr_is_literal(n->arg[0]))
		swap_args(n, &rel);
	return weir__expr_become(
		cx, n, (a.type == WEIR_FLOAT64 ? WEIR_X_EQ_F : WEIR_X_EQ_I) + 2 * rel, type);
}
