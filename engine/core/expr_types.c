/* SPDX-License-Identifier: Apache-2.0 */
/* Names of types, conversions between them, and what the checker builds its trees from. */
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
int weir__expr_mismatch(struct weir_expr_cx *cx, const struct weir_expr_node *n, const char *lead,
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

/* The same value as float64. A decimal of many digits is rounded to the nearest. */
struct weir_expr_node *weir__expr_as_f64(struct weir_expr_cx *cx, struct weir_expr_node *n)
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

struct weir_typeinfo weir__expr_decimal_type(unsigned precision, unsigned scale)
{
	precision = WEIR_MAX(WEIR_MIN(precision, (unsigned)WEIR_DECIMAL_PRECISION_MAX), scale);
	return (struct weir_typeinfo){.type = WEIR_DECIMAL,
				      .precision = (uint8_t)WEIR_MAX(precision, 1u),
				      .scale = (uint8_t)scale};
}

/* As a decimal of its own precision: int64 fields count as 18 digits, literals as what they are.
 * NULL (and the error is set) for a float64 that is no exact literal. */
struct weir_expr_node *weir__expr_as_decimal(struct weir_expr_cx *cx, struct weir_expr_node *n)
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
		c->type = weir__expr_decimal_type(precision, scale);
		return c;
	}
	precision = WEIR_DECIMAL_PRECISION_MAX;
	if (weir__expr_is_literal(n)) {
		uint64_t m = n->value.i < 0 ? 0 - (uint64_t)n->value.i : (uint64_t)n->value.i;

		c = weir__expr_node(cx, WEIR_N_LITERAL, n->offset, n->length);
		c->value = n->value;
		for (precision = 1; precision < 18 && m >= (uint64_t)weir_pow10[precision];)
			precision++;
	} else {
		c = weir__expr_ins(cx, 0, n, n->type, 1, &n);
		c->kind = WEIR_N_SAME;
	}
	c->type = weir__expr_decimal_type(precision, 0);
	return c;
}

/* Literals as written in the source may become decimals; computed float64 values may not. */
bool weir__expr_float_literal(const struct weir_expr_node *n)
{
	return n->type.type == WEIR_FLOAT64 && weir__expr_is_literal(n) && n->text.n;
}

/* A decimal literal with more fraction digits, if its value fits. */
bool weir__expr_widen_literal(struct weir_expr_node *n, unsigned scale)
{
	int64_t v;

	if (!weir__expr_is_literal(n) || n->type.scale > scale ||
	    __builtin_mul_overflow(n->value.i, weir_pow10[scale - n->type.scale], &v))
		return false;
	n->value.i = v;
	n->type.scale = (uint8_t)scale;
	return true;
}
