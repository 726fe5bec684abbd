/* SPDX-License-Identifier: Apache-2.0 */
/* The table of functions, and the types of those that need more than a fixed list of them. */
#include <stdio.h>

#include "engine/core/expr_impl.h"

struct func;
typedef int (*func_check)(struct weir_expr_cx *cx, struct weir_expr_node *n, const struct func *f);

enum { METHOD = 1, GLOBAL = 2 };

struct func {
	const char *name;
	uint8_t form;
	uint8_t min, max; /* arguments, the receiver included */
	uint8_t result; /* enum weir_type */
	uint8_t arg[3]; /* enum weir_type; used when check is NULL */
	uint16_t op;
	func_check check;
};

static int wrong_arg(struct weir_expr_cx *cx, const struct func *f, const struct weir_expr_node *n,
		     unsigned i, const char *wanted, struct weir_typeinfo to)
{
	const struct weir_expr_node *a = n->arg[i];
	const char *what = i == 0 && n->method ? "works on" : "takes";

	return weir__expr_fail(cx, WEIR_E_TYPE, a->offset, a->length, "%s() %s %s, not %s%s",
			       f->name, what, wanted, weir__expr_type_text(a->type).text,
			       weir__expr_hint(a->type, to));
}

static int need(struct weir_expr_cx *cx, const struct func *f, const struct weir_expr_node *n,
		unsigned i, unsigned type)
{
	if (n->arg[i]->type.type == type)
		return 0;
	return wrong_arg(cx, f, n, i, weir_type_name(type), weir_type_of(type));
}

/* ---- size, coalesce, min, max, abs, has ---- */

static int check_size(struct weir_expr_cx *cx, struct weir_expr_node *n, const struct func *f)
{
	static const uint16_t op[WEIR_TYPE_COUNT] = {[WEIR_STRING] = WEIR_X_SIZE_STR,
						     [WEIR_BYTES] = WEIR_X_SIZE_BYTES,
						     [WEIR_LIST] = WEIR_X_SIZE_LIST};
	unsigned t = n->arg[0]->type.type;

	if (!op[t])
		return wrong_arg(cx, f, n, 0, "string, bytes or a list", weir_type_of(WEIR_NONE));
	return weir__expr_become(cx, n, op[t], weir_type_of(WEIR_INT64));
}

static int check_has(struct weir_expr_cx *cx, struct weir_expr_node *n, const struct func *f)
{
	(void)f;
	weir__expr_become(cx, n, WEIR_X_NOT_NULL, weir_type_of(WEIR_BOOL));
	n->nullable = false;
	return 0;
}

static int check_coalesce(struct weir_expr_cx *cx, struct weir_expr_node *n, const struct func *f)
{
	struct weir_typeinfo t;
	unsigned op = WEIR_X_COALESCE;
	bool nullable = true;
	int rc = weir__expr_unify(cx, n, 0, f->name, &t);

	if (rc)
		return rc;
	for (unsigned i = 0; i < n->count; i++)
		nullable &= n->arg[i]->nullable;
	if (t.type == WEIR_LIST)
		op = WEIR_X_COALESCE_LIST;
	else if (weir_type_is_text(t.type))
		op = WEIR_X_COALESCE_STR;
	weir__expr_become(cx, n, op, t);
	if (n->kind == WEIR_N_INS)
		n->nullable = nullable;
	return 0;
}

static int check_min_max(struct weir_expr_cx *cx, struct weir_expr_node *n, const struct func *f)
{
	struct weir_typeinfo t;
	unsigned op = WEIR_X_MIN_I;
	int rc = weir__expr_unify(cx, n, 0, f->name, &t);

	if (rc)
		return rc;
	if (t.type == WEIR_LIST || t.type == WEIR_BOOL)
		return wrong_arg(cx, f, n, 0, "numbers, times or texts", weir_type_of(WEIR_NONE));
	if (t.type == WEIR_FLOAT64)
		op = WEIR_X_MIN_F;
	else if (weir_type_is_text(t.type))
		op = WEIR_X_MIN_S;
	return weir__expr_become(cx, n, op + f->op, t); /* f->op: 1 for max */
}

static int check_abs(struct weir_expr_cx *cx, struct weir_expr_node *n, const struct func *f)
{
	struct weir_typeinfo t = n->arg[0]->type;

	if (t.type == WEIR_FLOAT64)
		return weir__expr_become(cx, n, WEIR_X_ABS_F, t);
	if (t.type == WEIR_INT64 || t.type == WEIR_DECIMAL || t.type == WEIR_DURATION)
		return weir__expr_become(cx, n, WEIR_X_ABS_I, t);
	return wrong_arg(cx, f, n, 0, "a number or a duration", weir_type_of(WEIR_NONE));
}

/* ---- regular expressions ---- */

static int compile_regex(struct weir_expr_cx *cx, struct weir_expr_node *n, const struct func *f)
{
	const struct weir_regex_ops *ops = cx->env->regex;
	const struct weir_expr_node *pattern = n->arg[1];
	struct weir_expr_regex *re;
	struct weir_err err = {0};
	void *compiled;

	if (pattern->type.type != WEIR_STRING || !weir__expr_is_literal(pattern))
		return weir__expr_fail(cx, WEIR_E_TYPE, pattern->offset, pattern->length,
				       "the pattern of %s() must be a string literal", f->name);
	if (!ops)
		return weir__expr_fail(cx, WEIR_E_UNKNOWN, n->name_offset, strlen(f->name),
				       "%s() cannot be used here: there are no regular expressions",
				       f->name);
	compiled = ops->compile(ops->ctx, pattern->value.s, &err);
	if (!compiled)
		return weir__expr_fail(cx, WEIR_E_FORMAT, pattern->offset, pattern->length,
				       "bad regular expression: %.200s", err.text);
	re = weir_region_new(cx->region, struct weir_expr_regex);
	re->re = compiled;
	re->next = cx->regexes;
	cx->regexes = re;
	n->p = compiled;
	return 0;
}

static int check_matches(struct weir_expr_cx *cx, struct weir_expr_node *n, const struct func *f)
{
	if (need(cx, f, n, 0, WEIR_STRING) || compile_regex(cx, n, f))
		return cx->code;
	n->count = 1;
	return weir__expr_become(cx, n, WEIR_X_MATCHES, weir_type_of(WEIR_BOOL));
}

static int check_extract(struct weir_expr_cx *cx, struct weir_expr_node *n, const struct func *f)
{
	const struct weir_regex_ops *ops = cx->env->regex;
	const struct weir_expr_node *group = n->count == 3 ? n->arg[2] : NULL;

	if (need(cx, f, n, 0, WEIR_STRING) || compile_regex(cx, n, f))
		return cx->code;
	if (group) {
		unsigned most = ops->groups ? ops->groups(ops->ctx, (void *)n->p)
					    : WEIR_EXPR_GROUPS_MAX - 1;

		most = WEIR_MIN(most, WEIR_EXPR_GROUPS_MAX - 1u);
		if (group->type.type != WEIR_INT64 || !weir__expr_is_literal(group))
			return weir__expr_fail(cx, WEIR_E_TYPE, group->offset, group->length,
					       "the group of extract() must be an integer literal");
		if (group->value.i < 0 || group->value.i > most)
			return weir__expr_fail(cx, WEIR_E_TYPE, group->offset, group->length,
					       "the pattern has groups 0 to %u", most);
		n->k = group->value.i;
	}
	n->count = 1;
	weir__expr_become(cx, n, WEIR_X_EXTRACT, weir_type_of(WEIR_STRING));
	n->nullable |= n->kind == WEIR_N_INS;
	return 0;
}

/* ---- conversions ---- */

/* A conversion of a literal that fails would fail for every record: say so now. */
static int become_checked(struct weir_expr_cx *cx, struct weir_expr_node *n, const struct func *f,
			  unsigned op, struct weir_typeinfo t)
{
	const struct weir_expr_node *a = n->arg[0];
	bool literal = weir__expr_is_literal(a);

	n->count = 1;
	weir__expr_become(cx, n, op, t);
	if (!literal || n->kind == WEIR_N_LITERAL)
		return 0;
	if (a->type.type == WEIR_STRING)
		return weir__expr_fail(
			cx, WEIR_E_TYPE, a->offset, a->length, "'%.*s' is not a valid %s%s",
			(int)WEIR_MIN(a->value.s.n, (size_t)60), a->value.s.p,
			weir__expr_type_text(t).text,
			t.type == WEIR_TIMESTAMP
				? ": write it like 2016-01-31T10:00:00Z"
				: (t.type == WEIR_DURATION ? ": write it like 1h30m or 10s" : ""));
	return weir__expr_fail(cx, WEIR_E_TYPE, n->offset, n->length,
			       "%s() fails: the value does not fit into %s", f->name,
			       weir__expr_type_text(t).text);
}

/* Replaces n by its argument, which already has the type. */
static int become_arg(struct weir_expr_node *n)
{
	struct weir_expr_node *a = n->arg[0];
	uint32_t offset = n->offset, length = n->length;

	*n = *a;
	n->offset = offset;
	n->length = length;
	return 0;
}

static int check_convert(struct weir_expr_cx *cx, struct weir_expr_node *n, const struct func *f)
{
	/* 0 (CONST, which converts nothing): not possible. */
	static const uint16_t table[WEIR_TYPE_COUNT][WEIR_TYPE_COUNT] = {
		[WEIR_INT64] = {[WEIR_FLOAT64] = WEIR_X_F_TO_I,
				[WEIR_DECIMAL] = WEIR_X_D_TO_I,
				[WEIR_STRING] = WEIR_X_S_TO_I,
				[WEIR_TIMESTAMP] = WEIR_X_TIME_TO_I},
		[WEIR_FLOAT64] = {[WEIR_INT64] = WEIR_X_I_TO_F,
				  [WEIR_DECIMAL] = WEIR_X_D_TO_F,
				  [WEIR_STRING] = WEIR_X_S_TO_F},
		[WEIR_STRING] = {[WEIR_BOOL] = WEIR_X_B_TO_S,
				 [WEIR_INT64] = WEIR_X_I_TO_S,
				 [WEIR_FLOAT64] = WEIR_X_F_TO_S,
				 [WEIR_DECIMAL] = WEIR_X_D_TO_S,
				 [WEIR_BYTES] = WEIR_X_BYTES_TO_S,
				 [WEIR_TIMESTAMP] = WEIR_X_TIME_TO_S,
				 [WEIR_DURATION] = WEIR_X_DURATION_TO_S},
		[WEIR_BOOL] = {[WEIR_STRING] = WEIR_X_S_TO_B, [WEIR_INT64] = WEIR_X_I_TO_B},
		[WEIR_TIMESTAMP] =
			{[WEIR_STRING] = WEIR_X_S_TO_TIME, [WEIR_INT64] = WEIR_X_I_TO_TIME},
		[WEIR_DURATION] = {[WEIR_STRING] = WEIR_X_S_TO_DURATION},
	};
	struct weir_typeinfo from = n->arg[0]->type, to = weir_type_of(f->result);
	unsigned op = table[to.type][from.type];

	if (from.type == to.type)
		return become_arg(n);
	/* The same bits: bool is 0 or 1, a duration counts nanoseconds, text is bytes. */
	if ((to.type == WEIR_INT64 && (from.type == WEIR_BOOL || from.type == WEIR_DURATION)) ||
	    (to.type == WEIR_BYTES && from.type == WEIR_STRING)) {
		become_arg(n);
		n->type = to;
		return 0;
	}
	if (!op)
		return weir__expr_fail(cx, WEIR_E_TYPE, n->arg[0]->offset, n->arg[0]->length,
				       "%s cannot be converted with %s()",
				       weir__expr_type_text(from).text, f->name);
	n->k = from.scale;
	return become_checked(cx, n, f, op, to);
}

static int check_decimal(struct weir_expr_cx *cx, struct weir_expr_node *n, const struct func *f)
{
	const struct weir_expr_node *p = n->arg[1], *s = n->arg[2];
	struct weir_typeinfo from = n->arg[0]->type, to = weir_type_of(WEIR_DECIMAL);

	for (unsigned i = 1; i < 3; i++)
		if (n->arg[i]->type.type != WEIR_INT64 || !weir__expr_is_literal(n->arg[i]))
			return weir__expr_fail(cx, WEIR_E_TYPE, n->arg[i]->offset,
					       n->arg[i]->length,
					       "precision and scale must be integer literals");
	if (p->value.i < 1 || p->value.i > WEIR_DECIMAL_PRECISION_MAX)
		return weir__expr_fail(cx, WEIR_E_TYPE, p->offset, p->length,
				       "the precision must be 1 to %d", WEIR_DECIMAL_PRECISION_MAX);
	if (s->value.i < 0 || s->value.i > p->value.i)
		return weir__expr_fail(cx, WEIR_E_TYPE, s->offset, s->length,
				       "the scale must be 0 to the precision, %d", (int)p->value.i);
	to.precision = (uint8_t)p->value.i;
	to.scale = (uint8_t)s->value.i;
	if (from.type == WEIR_INT64 || from.type == WEIR_DECIMAL) {
		/* Fewer fraction digits: rounded half away from zero. */
		n->k = to.scale >= from.scale ? weir_pow10[to.scale - from.scale] : 1;
		n->k2 = to.scale < from.scale ? weir_pow10[from.scale - to.scale] : 1;
		n->k3 = weir_pow10[to.precision];
		return become_checked(cx, n, f, WEIR_X_RESCALE_D, to);
	}
	n->k = to.precision;
	n->k2 = to.scale;
	if (from.type == WEIR_FLOAT64)
		return become_checked(cx, n, f, WEIR_X_F_TO_D, to);
	if (from.type == WEIR_STRING)
		return become_checked(cx, n, f, WEIR_X_S_TO_D, to);
	return wrong_arg(cx, f, n, 0, "a number or a string", weir_type_of(WEIR_NONE));
}

/* ---- times ---- */

static int check_part(struct weir_expr_cx *cx, struct weir_expr_node *n, const struct func *f)
{
	unsigned t = n->arg[0]->type.type;

	if (n->count > 1)
		return weir__expr_fail(
			cx, WEIR_E_TYPE, n->arg[1]->offset, n->arg[1]->length,
			"times are UTC, there are no time zones: leave out the argument "
			"or add a duration");
	n->k = f->op;
	if (t == WEIR_TIMESTAMP)
		return weir__expr_become(cx, n, WEIR_X_TIME_PART, weir_type_of(WEIR_INT64));
	if (t == WEIR_DURATION && f->op >= WEIR_PART_HOURS)
		return weir__expr_become(cx, n, WEIR_X_DURATION_PART, weir_type_of(WEIR_INT64));
	return wrong_arg(cx, f, n, 0,
			 f->op >= WEIR_PART_HOURS ? "timestamp or duration" : "timestamp",
			 weir_type_of(WEIR_TIMESTAMP));
}

static int check_truncate(struct weir_expr_cx *cx, struct weir_expr_node *n, const struct func *f)
{
	if (need(cx, f, n, 0, WEIR_TIMESTAMP) || need(cx, f, n, 1, WEIR_DURATION))
		return cx->code;
	if (weir__expr_is_literal(n->arg[1]) && n->arg[1]->value.i <= 0)
		return weir__expr_fail(cx, WEIR_E_TYPE, n->arg[1]->offset, n->arg[1]->length,
				       "truncate() needs a duration above 0");
	return weir__expr_become(cx, n, WEIR_X_TRUNCATE, weir_type_of(WEIR_TIMESTAMP));
}

static int check_split(struct weir_expr_cx *cx, struct weir_expr_node *n, const struct func *f)
{
	struct weir_typeinfo t = weir_type_of(WEIR_LIST);

	t.elem = WEIR_STRING;
	if (need(cx, f, n, 0, WEIR_STRING) || need(cx, f, n, 1, WEIR_STRING))
		return cx->code;
	return weir__expr_become(cx, n, WEIR_X_SPLIT, t);
}

/* ---- the table ---- */

#define S WEIR_STRING
#define PART(name, part, max)                                                                      \
	{                                                                                          \
		name, METHOD, 1, max, WEIR_INT64, {0}, WEIR_PART_##part, check_part                \
	}

static const struct func funcs[] = {
	{"size", METHOD | GLOBAL, 1, 1, WEIR_INT64, {0}, 0, check_size},
	{"startsWith", METHOD, 2, 2, WEIR_BOOL, {S, S}, WEIR_X_STARTS, NULL},
	{"endsWith", METHOD, 2, 2, WEIR_BOOL, {S, S}, WEIR_X_ENDS, NULL},
	{"contains", METHOD, 2, 2, WEIR_BOOL, {S, S}, WEIR_X_CONTAINS, NULL},
	{"matches", METHOD | GLOBAL, 2, 2, WEIR_BOOL, {0}, 0, check_matches},
	{"extract", METHOD, 2, 3, WEIR_STRING, {0}, 0, check_extract},
	{"count", METHOD, 2, 2, WEIR_INT64, {S, S}, WEIR_X_COUNT_STR, NULL},
	{"indexOf", METHOD, 2, 2, WEIR_INT64, {S, S}, WEIR_X_INDEX_OF, NULL},
	{"lowerAscii", METHOD, 1, 1, S, {S}, WEIR_X_LOWER, NULL},
	{"upperAscii", METHOD, 1, 1, S, {S}, WEIR_X_UPPER, NULL},
	{"trim", METHOD, 1, 1, S, {S}, WEIR_X_TRIM, NULL},
	{"substring", METHOD, 2, 3, S, {S, WEIR_INT64, WEIR_INT64}, WEIR_X_SUBSTRING, NULL},
	{"replace", METHOD, 3, 3, S, {S, S, S}, WEIR_X_REPLACE, NULL},
	{"split", METHOD, 2, 2, WEIR_LIST, {0}, 0, check_split},
	{"int", GLOBAL, 1, 1, WEIR_INT64, {0}, 0, check_convert},
	{"double", GLOBAL, 1, 1, WEIR_FLOAT64, {0}, 0, check_convert},
	{"string", GLOBAL, 1, 1, WEIR_STRING, {0}, 0, check_convert},
	{"bool", GLOBAL, 1, 1, WEIR_BOOL, {0}, 0, check_convert},
	{"bytes", GLOBAL, 1, 1, WEIR_BYTES, {0}, 0, check_convert},
	{"timestamp", GLOBAL, 1, 1, WEIR_TIMESTAMP, {0}, 0, check_convert},
	{"duration", GLOBAL, 1, 1, WEIR_DURATION, {0}, 0, check_convert},
	{"decimal", GLOBAL, 3, 3, WEIR_DECIMAL, {0}, 0, check_decimal},
	{"coalesce", GLOBAL, 1, UINT8_MAX, 0, {0}, 0, check_coalesce},
	{"min", GLOBAL, 2, UINT8_MAX, 0, {0}, 0, check_min_max},
	{"max", GLOBAL, 2, UINT8_MAX, 0, {0}, 1, check_min_max},
	{"abs", GLOBAL, 1, 1, 0, {0}, 0, check_abs},
	{"has", GLOBAL, 1, 1, WEIR_BOOL, {0}, 0, check_has},
	{"truncate", METHOD, 2, 2, WEIR_TIMESTAMP, {0}, 0, check_truncate},
	PART("getFullYear", YEAR, 2),
	PART("getMonth", MONTH, 2),
	PART("getDate", DATE, 2),
	PART("getDayOfMonth", DAY_OF_MONTH, 2),
	PART("getDayOfWeek", DAY_OF_WEEK, 2),
	PART("getDayOfYear", DAY_OF_YEAR, 2),
	PART("getHours", HOURS, 2),
	PART("getMinutes", MINUTES, 2),
	PART("getSeconds", SECONDS, 2),
	PART("getMilliseconds", MILLISECONDS, 2),
};

#undef S
#undef PART

/* Names from other languages that are too far off to be found as misspellings. */
static const char *alias(struct weir_str name)
{
	static const char *const other[][2] = {{"len", "size"},
					       {"length", "size"},
					       {"lower", "lowerAscii"},
					       {"upper", "upperAscii"},
					       {"toLowerCase", "lowerAscii"},
					       {"toUpperCase", "upperAscii"},
					       {"substr", "substring"},
					       {"float", "double"},
					       {"float64", "double"},
					       {"int64", "int"},
					       {"str", "string"},
					       {"ifnull", "coalesce"},
					       {"nvl", "coalesce"},
					       {"year", "getFullYear"},
					       {"month", "getMonth"},
					       {"day", "getDate"},
					       {"hour", "getHours"},
					       {"minute", "getMinutes"},
					       {"second", "getSeconds"},
					       {"date_trunc", "truncate"},
					       {"find", "indexOf"},
					       {"regexp_extract", "extract"},
					       {"strip", "trim"},
					       {"cast", "int(x), double(x) or "
							"string(x)"}};

	for (size_t i = 0; i < WEIR_COUNT_OF(other); i++)
		if (weir_str_is(name, other[i][0]))
			return other[i][1];
	return NULL;
}

static int unknown(struct weir_expr_cx *cx, const struct weir_expr_node *n)
{
	const char *names[WEIR_COUNT_OF(funcs)], *near = alias(n->value.s);

	for (size_t i = 0; i < WEIR_COUNT_OF(funcs); i++)
		names[i] = funcs[i].name;
	if (!near)
		near = weir_str_suggest(n->value.s, names, WEIR_COUNT_OF(funcs));
	return weir__expr_fail(cx, WEIR_E_UNKNOWN, n->name_offset, n->value.s.n,
			       near ? "no function '%.*s', did you mean '%s'?"
				    : "no function '%.*s'",
			       (int)WEIR_MIN(n->value.s.n, (size_t)40), n->value.s.p, near);
}

static int check_count(struct weir_expr_cx *cx, const struct weir_expr_node *n,
		       const struct func *f)
{
	unsigned self = n->method ? 1 : 0;
	unsigned given = n->count - self, min = f->min - self, max = f->max - self;

	if (n->count > WEIR_EXPR_ARGS_MAX)
		return weir__expr_fail(cx, WEIR_E_LIMIT, n->offset, n->length,
				       "%s() takes at most %d arguments", f->name,
				       WEIR_EXPR_ARGS_MAX);
	if (given >= min && (given <= max || f->max == UINT8_MAX))
		return 0;
	/* The hidden time zone argument of the accessors is not offered. */
	if (f->check == check_part)
		max = 0;
	if (f->max == UINT8_MAX)
		return weir__expr_fail(cx, WEIR_E_TYPE, n->offset, n->length,
				       "%s() takes at least %u argument%s, not %u", f->name, min,
				       min == 1 ? "" : "s", given);
	if (min == max)
		return weir__expr_fail(cx, WEIR_E_TYPE, n->offset, n->length,
				       "%s() takes %u argument%s, not %u", f->name, min,
				       min == 1 ? "" : "s", given);
	return weir__expr_fail(cx, WEIR_E_TYPE, n->offset, n->length,
			       "%s() takes %u or %u arguments, not %u", f->name, min, max, given);
}

int weir__expr_check_call(struct weir_expr_cx *cx, struct weir_expr_node *n)
{
	const struct func *f = NULL;

	for (size_t i = 0; i < WEIR_COUNT_OF(funcs) && !f; i++)
		if (weir_str_is(n->value.s, funcs[i].name))
			f = &funcs[i];
	if (!f)
		return unknown(cx, n);
	if (!(f->form & (n->method ? METHOD : GLOBAL)))
		return weir__expr_fail(cx, WEIR_E_UNKNOWN, n->name_offset, n->value.s.n,
				       n->method ? "%s is called as %s(x)"
						 : "%s is called as x.%s()",
				       f->name, f->name);
	if (check_count(cx, n, f))
		return cx->code;
	for (unsigned i = 0; i < n->count; i++) {
		const struct weir_expr_node *a = n->arg[i];

		if (a->type.type == WEIR_NONE && f->check != check_coalesce &&
		    f->check != check_min_max)
			return weir__expr_fail(cx, WEIR_E_TYPE, a->offset, a->length,
					       "null cannot be an argument of %s()", f->name);
	}
	if (f->check)
		return f->check(cx, n, f);
	for (unsigned i = 0; i < n->count; i++)
		if (need(cx, f, n, i, f->arg[i]))
			return cx->code;
	return weir__expr_become(cx, n, f->op, weir_type_of(f->result));
}
