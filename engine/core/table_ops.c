/* SPDX-License-Identifier: Apache-2.0 */
/*
 * T+ops, the node before a table: records become changes.
 *
 *   record of kind CHANGE:  key | body: 1: delete, else 0 u8 | (value varint, verb u8, amount i64, value text) ...
 *
 * Expressions are evaluated over a batch; a verb whose value is null is left out. Values are bytes whose order is memcmp's.
 */
#include "base/assert.h"
#include "engine/core/expr.h"
#include "engine/core/table_int.h"

struct verb {
	struct weir_expr *expr;
	const struct weir_vec *vec; /* of the batch at hand */
	unsigned type; /* enum weir_type */
	uint8_t verb;
	uint32_t value; /* field + 1 */
	bool flag; /* a bool that is on or off */
	bool amount;
	bool number; /* a float, also when the expression is not */
};

struct ops {
	const struct weir_table_spec *spec;
	const struct weir_schema *in, *out;
	struct weir_evaluator *ev;
	struct weir_expr *gone;
	const struct weir_vec *gone_vec;
	uint32_t verb_count;
	struct verb *verb;
	enum weir_on_error policy;
	struct weir_out a;
};

static void value_put(const struct verb *v, uint32_t lane, struct weir_out *o)
{
	uint8_t bytes[8];

	if (v->flag) {
		weir_out_text(o, v->vec->i64[lane] ? WEIR_STR("\1") : WEIR_STR(""));
		return;
	}
	if (weir_type_is_text(v->type)) {
		weir_out_text(o, v->vec->str[lane]);
		return;
	}
	if (v->type == WEIR_FLOAT64)
		weir_crdt_f64(v->vec->f64[lane], bytes);
	else if (v->number)
		weir_crdt_f64((double)v->vec->i64[lane], bytes);
	else
		weir_crdt_i64(v->vec->i64[lane], bytes);
	weir_out_text(o, (struct weir_str){(const char *)bytes, 8});
}

static void body_put(const struct ops *o, uint32_t lane, bool gone, struct weir_out *out)
{
	weir_out_u8(out, gone);
	for (uint32_t i = 0; i < o->verb_count && !gone; i++) {
		const struct verb *v = &o->verb[i];

		if (weir_vec_state(v->vec, lane) != WEIR_LANE_OK)
			continue;
		weir_out_varint(out, v->value);
		weir_out_u8(out, v->verb);
		weir_out_i64(out, v->amount ? v->vec->i64[lane] : 0);
		if (v->amount)
			weir_out_text(out, WEIR_STR(""));
		else
			value_put(v, lane, out);
	}
}

/* What an output holds, as a field of the record. false: no room in it. */
static bool build_out(struct weir_builder *b, unsigned field, struct weir_out *o)
{
	uint32_t at;
	void *p = weir_build_tail(b, (size_t)o->bytes, 1, &at);

	if (p) {
		weir_out_copy(o, p);
		weir_build_slot(b, field, (uint64_t)at | o->bytes << 32);
	}
	weir_out_fini(o);
	return p != NULL;
}

static const char *build(struct ops *o, struct weir_node *n, struct weir_builder *b,
			 const struct weir_frame *f, uint32_t lane)
{
	bool gone = o->gone && weir_vec_state(o->gone_vec, lane) == WEIR_LANE_OK &&
		    o->gone_vec->i64[lane];

	weir_rtable_key_of(f, o->in, o->spec->key, o->spec->key_count, &o->a);
	if (o->a.bytes > n->task->record_max / 4) {
		weir_out_fini(&o->a);
		return "the key is larger than a quarter of record_max";
	}
	build_out(b, WEIR_TABLE_F_KEY, &o->a);
	body_put(o, lane, gone, &o->a);
	if (!build_out(b, WEIR_TABLE_F_BODY, &o->a) || !weir_build_end(b))
		return "record larger than record_max";
	return NULL;
}

static const char *bad_lane(const struct ops *o, uint32_t lane)
{
	if (o->gone && weir_vec_state(o->gone_vec, lane) > WEIR_LANE_NULL)
		return weir_lane_error(weir_vec_state(o->gone_vec, lane));
	for (uint32_t i = 0; i < o->verb_count; i++)
		if (weir_vec_state(o->verb[i].vec, lane) > WEIR_LANE_NULL)
			return weir_lane_error(weir_vec_state(o->verb[i].vec, lane));
	return NULL;
}

static int rows(struct weir_node *n, struct ops *o, uint32_t k)
{
	const struct weir_frame *const *row = n->in.row + n->in.pos;
	struct weir_port *out = &n->port[0];
	uint32_t i;

	if (o->gone)
		o->gone_vec = weir_expr_eval(o->gone, o->ev, row, k);
	for (i = 0; i < o->verb_count; i++)
		o->verb[i].vec = weir_expr_eval(o->verb[i].expr, o->ev, row, k);
	for (i = 0; i < k; i++) {
		const char *reason = bad_lane(o, i);
		struct weir_builder b;
		uint32_t cap;
		void *mem;
		int r;

		if (!reason) {
			mem = weir_port_claim(out, n->task->record_max, &cap);
			if (!mem)
				break;
			weir_build_begin(&b, mem, WEIR_MIN(cap, n->task->record_max), o->out);
			reason = build(o, n, &b, row[i], i);
			if (!reason) {
				weir_port_keep(out, weir_frame_stride(b.f));
				weir_port_push(out, b.f);
				continue;
			}
		}
		r = weir_node_reject(n, o->policy, -1, reason, row[i], o->in);
		if (r < 0)
			return r;
	}
	weir_evaluator_reset(o->ev);
	n->in.pos += i;
	n->rows_in += i;
	return i > 0;
}

static int ops_run(struct weir_node *n)
{
	struct ops *o = n->op;
	int progress = 0;

	if (n->in.pos < n->in.count) {
		uint32_t k = WEIR_MIN(n->in.count - n->in.pos, weir_port_room(&n->port[0]));

		if (k == 0)
			return 0;
		progress = rows(n, o, k);
		if (progress < 0)
			return progress;
	}
	if (n->in.pos == n->in.count && n->in.ctl.kind && weir_node_forward_ctl(n))
		progress = 1;
	return progress;
}

static void ops_fini(struct weir_node *n)
{
	struct ops *o = n->op;

	for (uint32_t i = 0; i < o->verb_count; i++)
		weir_expr_fini(o->verb[i].expr);
	weir_expr_fini(o->gone);
	weir_out_fini(&o->a);
}

static const struct weir_op_class ops_class = {
	.name = "table_ops", .run = ops_run, .fini = ops_fini};

static int compile(struct weir_node *n, const struct weir_op_env *env, const char *text,
		   struct weir_expr **ret)
{
	struct weir_expr_env xe = {.schema = env->in, .regex = env->regex};
	struct weir_expr_error xerr;
	int r = weir_expr_compile(&xe, weir_str_c(text), env->region, ret, &xerr);

	return r < 0 ? weir_err_set(&n->task->err, r, "step `%s`: %s", n->step_name, xerr.text) : 0;
}

static int add_verb(struct weir_node *n, const struct weir_op_env *env, struct ops *o,
		    uint32_t field, uint32_t which)
{
	const struct weir_table_field *f = &o->spec->field[field];
	struct verb *v = &o->verb[o->verb_count];
	int r = compile(n, env, f->verb[which].text, &v->expr);

	if (r < 0)
		return r;
	v->type = weir_expr_type(v->expr).type;
	v->verb = (uint8_t)f->verb[which].verb;
	v->value = field + 1;
	v->flag = f->crdt.type == WEIR_CRDT_FLAG || f->crdt.type == WEIR_CRDT_FLAG_OFF;
	v->amount = f->crdt.type == WEIR_CRDT_PCOUNT || f->crdt.type == WEIR_CRDT_BCOUNT;
	v->number = f->crdt.type == WEIR_CRDT_DDSKETCH;
	o->verb_count++;
	return 0;
}

int weir_rtable_ops_init(struct weir_node *n, const struct weir_op_env *env)
{
	struct ops *o = weir_region_new(env->region, struct ops);
	const struct weir_table_spec *spec = env->step->table;
	int r = 0;

	o->spec = spec;
	o->in = env->in;
	o->out = env->step->port[0].schema;
	o->policy = env->step->on_error;
	o->ev = weir_evaluator_new(env->region);
	o->verb = weir_region_array(env->region, struct verb,
				    spec->field_count * WEIR_TABLE_OPS_MAX + 1);
	weir_out_init(&o->a, n->task->mem);
	n->cls = &ops_class;
	n->op = o;
	if (spec->delete_text)
		r = compile(n, env, spec->delete_text, &o->gone);
	for (uint32_t i = 0; i < spec->field_count && r == 0; i++)
		for (uint32_t k = 0; k < spec->field[i].verb_count && r == 0; k++)
			r = add_verb(n, env, o, i, k);
	return r;
}
