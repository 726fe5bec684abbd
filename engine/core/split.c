/* SPDX-License-Identifier: Apache-2.0 */
/* split: each record goes to the first output whose expression is true, else to "rest". */
#include "engine/core/expr.h"
#include "engine/core/op.h"
#include "engine/core/pipeline.h"

struct split {
	struct weir_expr **expr;
	const struct weir_vec **vec;
	struct weir_evaluator *ev;
	const struct weir_schema *in;
	uint32_t count;
	enum weir_on_error policy;
	int rejects;
};

/* Port of a lane, or -(lane state) when an expression that had to decide failed. */
static int choose(const struct split *o, uint32_t lane)
{
	for (uint32_t x = 0; x < o->count; x++) {
		unsigned state = weir_vec_state(o->vec[x], lane);

		if (state > WEIR_LANE_NULL)
			return -(int)state;
		if (state == WEIR_LANE_OK && o->vec[x]->i64[lane])
			return (int)x;
	}
	return (int)o->count;
}

static int split_rows(struct weir_node *n, struct split *o, uint32_t k)
{
	const struct weir_frame *const *row = n->in.row + n->in.pos;
	uint32_t i;

	for (uint32_t x = 0; x < o->count; x++)
		o->vec[x] = weir_expr_eval(o->expr[x], o->ev, row, k);
	for (i = 0; i < k; i++) {
		int port = choose(o, i), r;

		if (weir_likely(port >= 0)) {
			weir_port_push(&n->port[port], row[i]);
			continue;
		}
		r = weir_node_reject(n, o->policy, o->rejects, weir_lane_error((unsigned)-port),
				     row[i], o->in);
		if (r < 0)
			return r;
		if (r)
			break;
	}
	weir_evaluator_reset(o->ev);
	n->in.pos += i;
	n->rows_in += i;
	return i > 0;
}

static int split_run(struct weir_node *n)
{
	struct split *o = n->op;
	int progress = 0;

	if (n->in.pos < n->in.count) {
		uint32_t k = n->in.count - n->in.pos;

		for (uint32_t p = 0; p <= o->count; p++)
			k = WEIR_MIN(k, weir_port_room(&n->port[p]));
		if (k == 0)
			return 0;
		progress = split_rows(n, o, k);
		if (progress < 0)
			return progress;
	}
	if (n->in.pos == n->in.count && n->in.ctl.kind && weir_node_forward_ctl(n))
		progress = 1;
	return progress;
}

static void split_fini(struct weir_node *n)
{
	struct split *o = n->op;

	for (uint32_t x = 0; x < o->count; x++)
		weir_expr_fini(o->expr[x]);
}

static const struct weir_op_class split_class = {
	.name = "split", .run = split_run, .fini = split_fini};

int weir_split_init(struct weir_node *n, const struct weir_op_env *env)
{
	const struct weir_step *step = env->step;
	struct split *o = weir_region_new(env->region, struct split);
	struct weir_expr_env xe = {.schema = env->in, .regex = env->regex};

	o->count = step->split.count;
	o->expr = weir_region_array(env->region, struct weir_expr *, o->count);
	o->vec = weir_region_array(env->region, const struct weir_vec *, o->count);
	o->in = env->in;
	o->policy = step->on_error;
	o->rejects = env->rejects_port;
	for (uint32_t x = 0; x < o->count; x++) {
		struct weir_expr_error xerr;
		int r = weir_expr_compile(&xe, weir_str_c(step->split.text[x]), env->region,
					  &o->expr[x], &xerr);

		if (r < 0)
			return weir_err_set(&n->task->err, r, "step `%s`: split: %s", step->name,
					    xerr.text);
	}
	o->ev = weir_evaluator_new(env->region);
	n->cls = &split_class;
	n->op = o;
	return 0;
}
