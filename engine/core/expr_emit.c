/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tree to register program, depth first: the operands of an instruction sit in registers that are
 * free again after it. Fields are loaded once per program and keep their register.
 */
#include "engine/core/expr_impl.h"

struct emit {
	struct weir_expr_cx *cx;
	struct weir_region *region;
	struct weir_expr_ins *ins;
	uint32_t count, cap;
	uint16_t reg_count, masks;
	uint16_t field_reg[WEIR_FIELDS_MAX]; /* plus 1 */
	uint8_t busy[WEIR_EXPR_REGS_MAX]; /* 0 free, 1 until used, 2 for good */
};

static int emit_node(struct emit *em, struct weir_expr_node *n);

static int too_complex(struct emit *em, const struct weir_expr_node *n)
{
	weir__expr_fail(em->cx, WEIR_E_LIMIT, n->offset, n->length,
			"the expression is too complex: split it into several steps");
	return -1;
}

static int take_reg(struct emit *em, const struct weir_expr_node *n)
{
	for (unsigned i = 0; i < WEIR_EXPR_REGS_MAX; i++) {
		if (em->busy[i])
			continue;
		em->busy[i] = 1;
		em->reg_count = (uint16_t)WEIR_MAX(em->reg_count, i + 1);
		return (int)i;
	}
	return too_complex(em, n);
}

static void drop_reg(struct emit *em, int reg)
{
	if (em->busy[reg] == 1)
		em->busy[reg] = 0;
}

/* NULL when the program gets too long. */
static struct weir_expr_ins *add_ins(struct emit *em, unsigned op, const struct weir_expr_node *n)
{
	struct weir_expr_ins *in;

	if (em->count == em->cap) {
		uint32_t cap = em->cap ? em->cap * 2 : 4;
		struct weir_expr_ins *bigger;

		if (cap > WEIR_EXPR_INS_MAX) {
			too_complex(em, n);
			return NULL;
		}
		bigger = weir_region_array(&em->cx->scratch, struct weir_expr_ins, cap);
		if (em->count)
			memcpy(bigger, em->ins, em->count * sizeof(*bigger));
		em->ins = bigger;
		em->cap = cap;
	}
	in = &em->ins[em->count++];
	memset(in, 0, sizeof(*in));
	in->op = (uint16_t)op;
	in->k.i = n->k;
	in->k2 = n->k2;
	in->k3 = n->k3;
	in->p = n->p;
	return in;
}

static int emit_literal(struct emit *em, const struct weir_expr_node *n)
{
	int dst = take_reg(em, n);
	struct weir_expr_ins *in = dst < 0 ? NULL : add_ins(em, WEIR_X_CONST, n);

	if (!in)
		return -1;
	in->dst = (uint16_t)dst;
	in->n = n->type.type;
	in->k = n->value;
	in->k2 = n->nullable;
	return dst;
}

static int emit_field(struct emit *em, const struct weir_expr_node *n)
{
	struct weir_expr_ins *in;
	const struct weir_field *f = &em->cx->env->schema->field[n->field];
	unsigned op = WEIR_X_LOAD, type = f->type.type;
	int dst;

	if (em->field_reg[n->field])
		return em->field_reg[n->field] - 1;
	dst = take_reg(em, n);
	if (dst < 0)
		return -1;
	if (type == WEIR_BOOL)
		op = WEIR_X_LOAD_BOOL;
	else if (weir_type_is_text(type))
		op = WEIR_X_LOAD_STR;
	else if (type == WEIR_LIST)
		op = WEIR_X_LOAD_LIST;
	in = add_ins(em, op, n);
	if (!in)
		return -1;
	in->dst = (uint16_t)dst;
	in->k.i = n->field;
	in->k2 = f->nullable;
	em->busy[dst] = 2;
	em->field_reg[n->field] = (uint16_t)(dst + 1);
	return dst;
}

/* ---- branches that are evaluated only for the lanes that need them ---- */

static bool push_mask(struct emit *em, const struct weir_expr_node *n, int on, unsigned which)
{
	struct weir_expr_ins *in;

	if (!n->costly || em->masks == WEIR_EXPR_MASKS_MAX)
		return false;
	in = add_ins(em, WEIR_X_MASK, n);
	if (!in)
		return false;
	in->a = (uint16_t)on;
	in->k.i = which;
	em->masks++;
	return true;
}

static int emit_masked(struct emit *em, struct weir_expr_node *n, int on, unsigned which)
{
	bool masked = push_mask(em, n, on, which);
	int reg = emit_node(em, n);

	if (masked) {
		em->masks--;
		if (!add_ins(em, WEIR_X_UNMASK, n))
			return -1;
	}
	return reg;
}

/* ---- instructions ---- */

/* The instruction has a form with a constant right side, and here is one. */
static bool constant_form(unsigned op, const struct weir_expr_node *k)
{
	if (!weir__expr_is_literal(k))
		return false;
	switch (op) {
	case WEIR_X_DIV_I:
	case WEIR_X_MOD_I: /* these divisors need checks */
		return k->value.i != 0 && k->value.i != -1;
	case WEIR_X_ADD_I:
	case WEIR_X_SUB_I:
	case WEIR_X_MUL_I:
	case WEIR_X_ADD_F:
	case WEIR_X_SUB_F:
	case WEIR_X_MUL_F:
	case WEIR_X_DIV_F:
		return true;
	default:
		return op >= WEIR_X_EQ_I && op <= WEIR_X_GE_FK;
	}
}

static bool commutes(unsigned op)
{
	return op == WEIR_X_ADD_I || op == WEIR_X_MUL_I || op == WEIR_X_ADD_F || op == WEIR_X_MUL_F;
}

static int emit_constant_form(struct emit *em, struct weir_expr_node *n, struct weir_expr_node *x,
			      const struct weir_expr_node *k)
{
	int a = emit_node(em, x), dst;
	struct weir_expr_ins *in;

	if (a < 0)
		return -1;
	dst = take_reg(em, n);
	in = dst < 0 ? NULL : add_ins(em, n->op + 1u, n);
	if (!in)
		return -1;
	in->dst = (uint16_t)dst;
	in->a = (uint16_t)a;
	in->k = k->value;
	drop_reg(em, a);
	return dst;
}

/* f(f(a, b), c) for what is written with many arguments. */
static int emit_chain(struct emit *em, struct weir_expr_node *n)
{
	int acc = emit_node(em, n->arg[0]);

	for (unsigned i = 1; i < n->count && acc >= 0; i++) {
		struct weir_expr_ins *in;
		int b, dst;

		if (n->op == WEIR_X_AND)
			b = emit_masked(em, n->arg[i], acc, WEIR_MASK_NOT_FALSE);
		else if (n->op == WEIR_X_OR)
			b = emit_masked(em, n->arg[i], acc, WEIR_MASK_NOT_TRUE);
		else if (n->op >= WEIR_X_COALESCE && n->op <= WEIR_X_COALESCE_LIST)
			b = emit_masked(em, n->arg[i], acc, WEIR_MASK_NULL);
		else
			b = emit_node(em, n->arg[i]);
		if (b < 0)
			return -1;
		dst = take_reg(em, n);
		in = dst < 0 ? NULL : add_ins(em, n->op, n);
		if (!in)
			return -1;
		in->dst = (uint16_t)dst;
		in->a = (uint16_t)acc;
		in->b = (uint16_t)b;
		drop_reg(em, acc);
		drop_reg(em, b);
		acc = dst;
	}
	return acc;
}

static int emit_concat(struct emit *em, struct weir_expr_node *n)
{
	uint16_t *operand = weir_region_array(em->region, uint16_t, n->count);
	struct weir_expr_ins *in;
	int dst;

	for (unsigned i = 0; i < n->count; i++) {
		int a = emit_node(em, n->arg[i]);

		if (a < 0)
			return -1;
		operand[i] = (uint16_t)a;
	}
	dst = take_reg(em, n);
	in = dst < 0 ? NULL : add_ins(em, WEIR_X_CONCAT, n);
	if (!in)
		return -1;
	in->dst = (uint16_t)dst;
	in->n = (uint16_t)n->count;
	in->p = operand;
	for (unsigned i = 0; i < n->count; i++)
		drop_reg(em, operand[i]);
	return dst;
}

static int emit_plain(struct emit *em, struct weir_expr_node *n)
{
	bool select = n->op >= WEIR_X_SELECT && n->op <= WEIR_X_SELECT_LIST;
	int arg[3] = {0, 0, 0}, dst;
	struct weir_expr_ins *in;

	weir_assert(n->count <= 3);
	for (unsigned i = 0; i < n->count; i++) {
		if (select && i)
			arg[i] = emit_masked(em, n->arg[i], arg[0],
					     i == 1 ? WEIR_MASK_TRUE : WEIR_MASK_FALSE);
		else
			arg[i] = emit_node(em, n->arg[i]);
		if (arg[i] < 0)
			return -1;
	}
	dst = take_reg(em, n);
	in = dst < 0 ? NULL : add_ins(em, n->op, n);
	if (!in)
		return -1;
	in->dst = (uint16_t)dst;
	in->a = (uint16_t)arg[0];
	in->b = (uint16_t)arg[1];
	in->c = (uint16_t)arg[2];
	in->n = (uint16_t)n->count;
	for (unsigned i = 0; i < n->count; i++)
		drop_reg(em, arg[i]);
	return dst;
}

static int emit_ins(struct emit *em, struct weir_expr_node *n)
{
	switch (n->op) {
	case WEIR_X_AND:
	case WEIR_X_OR:
	case WEIR_X_MIN_I:
	case WEIR_X_MAX_I:
	case WEIR_X_MIN_F:
	case WEIR_X_MAX_F:
	case WEIR_X_MIN_S:
	case WEIR_X_MAX_S:
	case WEIR_X_COALESCE:
	case WEIR_X_COALESCE_STR:
	case WEIR_X_COALESCE_LIST:
		return emit_chain(em, n);
	case WEIR_X_CONCAT:
		return emit_concat(em, n);
	default:
		break;
	}
	if (n->count == 2 && constant_form(n->op, n->arg[1]))
		return emit_constant_form(em, n, n->arg[0], n->arg[1]);
	if (n->count == 2 && commutes(n->op) && constant_form(n->op, n->arg[0]))
		return emit_constant_form(em, n, n->arg[1], n->arg[0]);
	return emit_plain(em, n);
}

static int emit_node(struct emit *em, struct weir_expr_node *n)
{
	int reg;

	while (n->kind == WEIR_N_SAME)
		n = n->arg[0];
	if (n->kind == WEIR_N_LITERAL)
		return emit_literal(em, n);
	if (n->kind == WEIR_N_FIELD)
		return emit_field(em, n);
	if (n->shared && n->reg)
		return n->reg - 1;
	reg = emit_ins(em, n);
	if (n->shared && reg >= 0) {
		/* The first use stands outside of the masks of the others. */
		em->busy[reg] = 2;
		n->reg = (uint16_t)(reg + 1);
	}
	return reg;
}

int weir__expr_emit(struct weir_expr_cx *cx, const struct weir_expr_node *n,
		    struct weir_region *region, struct weir_expr *e)
{
	struct emit em = {.cx = cx, .region = region};
	int reg = emit_node(&em, (struct weir_expr_node *)n);

	if (reg >= 0 && n->type.type == WEIR_LIST && weir_type_is_text(n->type.elem)) {
		int dst = take_reg(&em, n);
		struct weir_expr_ins *in = dst < 0 ? NULL : add_ins(&em, WEIR_X_LIST_TEXT, n);

		if (in) {
			in->dst = (uint16_t)dst;
			in->a = (uint16_t)reg;
		}
		reg = in ? dst : -1;
	}
	if (reg < 0)
		return cx->code;
	e->ins = weir_region_array(region, struct weir_expr_ins, em.count);
	memcpy(e->ins, em.ins, em.count * sizeof(*e->ins));
	e->ins_count = em.count;
	e->reg_count = em.reg_count;
	e->result = (uint16_t)reg;
	return 0;
}
