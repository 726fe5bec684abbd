/* SPDX-License-Identifier: Apache-2.0 */
/* filter: passes the records for which the expression is true; null counts as false. */
#include "engine/core/expr.h"
#include "engine/core/op.h"
#include "engine/core/pipeline.h"

struct filter {
	struct weir_expr *expr;
	struct weir_evaluator *ev;
	const struct weir_schema *in;
	enum weir_on_error policy;
	int rejects;
};

/* No nulls and no errors: the rows are written down without a branch on the answer. */
static uint32_t pass_clean(struct weir_port *out, const struct weir_frame *const *row,
			   const struct weir_vec *v, uint32_t k)
{
	uint64_t passed = 0;

	for (uint32_t i = 0; i < k; i++)
		passed += v->i64[i] != 0;
	out->rows += passed;
	for (uint32_t t = 0; t < out->target_count; t++) {
		struct weir_batch *b = &out->target[t]->in;
		uint32_t count = b->count;

		for (uint32_t i = 0; i < k; i++) {
			b->row[count] = row[i];
			count += v->i64[i] != 0;
		}
		b->count = count;
	}
	return k;
}

static int filter_run(struct weir_node *n)
{
	struct filter *o = n->op;
	struct weir_batch *in = &n->in;
	struct weir_port *out = &n->port[0];
	int progress = 0;

	if (in->pos < in->count) {
		uint32_t k = WEIR_MIN(in->count - in->pos, weir_port_room(out)), i;
		const struct weir_frame *const *row = in->row + in->pos;
		const struct weir_vec *v;

		if (k == 0)
			return 0;
		v = weir_expr_eval(o->expr, o->ev, row, k);
		i = v->clean ? pass_clean(out, row, v, k) : 0;
		for (; i < k; i++) {
			unsigned state = weir_vec_state(v, i);

			if (weir_likely(state == WEIR_LANE_OK)) {
				if (v->i64[i])
					weir_port_push(out, row[i]);
			} else if (state != WEIR_LANE_NULL) {
				int r = weir_node_reject(n, o->policy, o->rejects,
							 weir_lane_error(state), row[i], o->in);

				if (r < 0)
					return r;
				if (r)
					break;
			}
		}
		weir_evaluator_reset(o->ev);
		in->pos += i;
		n->rows_in += i;
		progress = i > 0;
	}
	if (in->pos == in->count && in->ctl.kind && weir_node_forward_ctl(n))
		progress = 1;
	return progress;
}

static void filter_fini(struct weir_node *n)
{
	struct filter *o = n->op;

	weir_expr_fini(o->expr);
}

static const struct weir_op_class filter_class = {
	.name = "filter", .run = filter_run, .fini = filter_fini};

int weir_filter_init(struct weir_node *n, const struct weir_op_env *env)
{
	struct filter *o = weir_region_new(env->region, struct filter);
	struct weir_expr_env xe = {.schema = env->in, .regex = env->regex};
	struct weir_expr_error xerr;
	int r = weir_expr_compile(&xe, weir_str_c(env->step->filter.text), env->region, &o->expr,
				  &xerr);

	if (r < 0)
		return weir_err_set(&n->task->err, r, "step `%s`: filter: %s", env->step->name,
				    xerr.text);
	o->ev = weir_evaluator_new(env->region);
	o->in = env->in;
	o->policy = env->step->on_error;
	o->rejects = env->rejects_port;
	n->cls = &filter_class;
	n->op = o;
	return 0;
}
