/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/expr.h"

#include "engine/core/expr_impl.h"

static void free_regexes(const struct weir_regex_ops *ops, struct weir_expr_regex *re)
{
	for (; re; re = re->next)
		ops->free(ops->ctx, re->re);
}

static struct weir_expr *compile(struct weir_expr_cx *cx)
{
	struct weir_expr_node *n = weir__expr_parse(cx);
	struct weir_expr *e;

	if (!n || weir__expr_check(cx, n))
		return NULL;
	if (n->kind == WEIR_N_LIST) {
		weir__expr_fail(cx, WEIR_E_TYPE, n->offset, n->length,
				"a list can only be written on the right of 'in'");
		return NULL;
	}
	if (n->type.type == WEIR_NONE) {
		weir__expr_fail(cx, WEIR_E_TYPE, n->offset, n->length, "null alone has no type");
		return NULL;
	}
	e = weir_region_new(cx->region, struct weir_expr);
	if (weir__expr_emit(cx, n, cx->region, e))
		return NULL;
	e->schema = cx->env->schema;
	e->regex = cx->env->regex;
	e->regexes = cx->regexes;
	e->type = n->type;
	e->nullable = n->nullable;
	/* int(b) and bytes(s) are the same field, but another type. */
	e->field = n->kind == WEIR_N_FIELD && n->type.type == e->schema->field[n->field].type.type
			   ? (int)n->field
			   : -1;
	return e;
}

int weir_expr_compile(const struct weir_expr_env *keep_env, struct weir_str text,
		      struct weir_region *region, struct weir_expr **ret_expr,
		      struct weir_expr_error *err)
{
	struct weir_expr_cx cx = {.env = keep_env, .region = region, .text = text, .err = err};
	struct weir_expr *e;

	if (err)
		memset(err, 0, sizeof(*err));
	if (text.n > WEIR_EXPR_TEXT_MAX)
		return weir__expr_fail(&cx, WEIR_E_LIMIT, 0, text.n,
				       "the expression has %zu bytes, at most %d are possible",
				       text.n, WEIR_EXPR_TEXT_MAX);
	weir_region_init(&cx.scratch, region->mem);
	e = compile(&cx);
	weir_region_fini(&cx.scratch);
	if (!e) {
		free_regexes(keep_env->regex, cx.regexes);
		return cx.code;
	}
	*ret_expr = e;
	return 0;
}

void weir_expr_fini(struct weir_expr *e)
{
	if (!e)
		return;
	free_regexes(e->regex, e->regexes);
	e->regexes = NULL;
}

struct weir_typeinfo weir_expr_type(const struct weir_expr *e)
{
	return e->type;
}

bool weir_expr_nullable(const struct weir_expr *e)
{
	return e->nullable;
}

int weir_expr_field(const struct weir_expr *e)
{
	return e->field;
}
