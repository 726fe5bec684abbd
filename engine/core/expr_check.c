/* SPDX-License-Identifier: Apache-2.0 */
/* Types of fields, logic, choice and lists; every node becomes an instruction, bottom up. */
#include <stdio.h>

#include "engine/core/expr_impl.h"

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

		if (n->type.type == WEIR_FLOAT64 && !weir__expr_float_literal(n))
			return weir_type_of(WEIR_NONE);
		d = weir__expr_as_decimal(cx, n);
		if (!d)
			return weir_type_of(WEIR_NONE);
		if (t.type == WEIR_NONE)
			return d->type;
		scale = WEIR_MAX(t.scale, d->type.scale);
		whole = WEIR_MAX(t.precision - (unsigned)t.scale,
				 d->type.precision - (unsigned)d->type.scale);
		return weir__expr_decimal_type(whole + scale, scale);
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

	if (weir__expr_is_null(n)) {
		n->type = t;
		return n;
	}
	if (t.type == WEIR_FLOAT64)
		return weir__expr_as_f64(cx, n);
	if (t.type != WEIR_DECIMAL || same_type(n->type, t))
		return n;
	d = weir__expr_as_decimal(cx, n);
	c = weir__expr_ins(cx, WEIR_X_RESCALE_D, n, t, 1, &d);
	c->k = weir_pow10[t.scale - d->type.scale];
	c->k2 = 1;
	c->k3 = weir_pow10[t.precision];
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

		if (weir__expr_is_null(a))
			continue;
		if (!typed && !(decimals && weir__expr_is_numeric(a->type)))
			r = a->type;
		else if (!typed)
			r = join_numeric(cx, t, a, decimals);
		else if (weir__expr_is_numeric(a->type) && weir__expr_is_numeric(t))
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
			return weir__expr_mismatch(cx, a, lead, typed ? typed : a, a);
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
		if (weir__expr_check_compare(cx, t, WEIR_REL_EQ))
			return cx->code;
		test[i] = t;
		el[i] = t->count == 2 ? t->arg[1] : NULL;
		ints &= t->kind == WEIR_N_INS && t->op == WEIR_X_EQ_I &&
			weir__expr_is_literal(el[i]) && t->arg[0] == x;
		texts &= t->kind == WEIR_N_INS && t->op == WEIR_X_EQ_S &&
			 weir__expr_is_literal(el[i]);
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

	if (weir__expr_is_null(x))
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
	if (elem.type == WEIR_FLOAT64 && x->type.type == WEIR_INT64 && weir__expr_is_literal(x) &&
	    weir__expr_cmp_if(x->value.i, (double)x->value.i) == 0)
		n->arg[0] = x = weir__expr_as_f64(cx, x);
	if (elem.type == WEIR_DECIMAL &&
	    (x->type.type == WEIR_INT64 || weir__expr_float_literal(x)) &&
	    weir__expr_is_literal(x)) {
		x = weir__expr_as_decimal(cx, x);
		if (!x)
			return cx->code;
		weir__expr_widen_literal(x, elem.scale);
		n->arg[0] = x;
	}
	if (x->type.type != elem.type || x->type.scale != elem.scale) {
		struct weir_expr_node e = *list;

		e.type = elem;
		return weir__expr_mismatch(cx, n, "'in' needs one type, not", x, &e);
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
		return weir__expr_check_unary(cx, n);
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
			return weir__expr_check_compare(cx, n, n->op - WEIR_TOK_EQ);
		return weir__expr_check_arith(cx, n);
	default:
		return 0;
	}
}
