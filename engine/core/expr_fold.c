/* SPDX-License-Identifier: Apache-2.0 */
/* Constants are computed by the same kernels as records, over one lane. */
#include "engine/core/expr_impl.h"

static bool foldable(const struct weir_expr_node *n)
{
	if (n->kind != WEIR_N_INS || n->type.type == WEIR_LIST)
		return false;
	for (unsigned i = 0; i < n->count; i++)
		if (n->arg[i]->kind != WEIR_N_LITERAL)
			return false;
	return true;
}

unsigned weir__expr_fold(struct weir_expr_cx *cx, struct weir_expr_node *n)
{
	struct weir_expr e = {.schema = cx->env->schema, .regex = cx->env->regex};
	const struct weir_vec *v;
	unsigned state;

	if (cx->code || !foldable(n))
		return WEIR_LANE_OK;
	if (weir__expr_emit(cx, n, &cx->scratch, &e))
		return WEIR_LANE_OK;
	if (!cx->fold)
		cx->fold = weir_evaluator_new(&cx->scratch);
	v = weir_expr_eval(&e, cx->fold, NULL, 1);
	state = weir_vec_state(v, 0);
	if (state == WEIR_LANE_OK || state == WEIR_LANE_NULL) {
		n->kind = WEIR_N_LITERAL;
		n->nullable = state == WEIR_LANE_NULL;
		n->count = 0;
		n->text = (struct weir_str){0};
		if (weir_type_is_text(n->type.type)) {
			n->value.s = v->str[0];
			n->value.s.p = weir_region_strdup(cx->region, v->str[0]);
		} else {
			n->value.i = v->i64[0]; /* the bits of any 8-byte value */
		}
	}
	weir_evaluator_reset(cx->fold);
	return state;
}
