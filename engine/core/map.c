/* SPDX-License-Identifier: Apache-2.0 */
/* map, select, drop, set: builds a new record, each field from an expression over the old one. */
#include "base/assert.h"
#include "engine/core/expr.h"
#include "engine/core/op.h"
#include "engine/core/pipeline.h"

struct map_field {
	struct weir_expr *expr;
	const struct weir_vec *vec; /* of the batch at hand */
	int copy; /* field of the input that is taken as it is, or -1 */
	struct weir_typeinfo type;
};

struct map {
	struct map_field *field;
	struct weir_evaluator *ev;
	const struct weir_schema *in, *out;
	enum weir_on_error policy;
	int rejects;
	uint32_t count;
	uint32_t want; /* scratch bytes to ask for per record */
	bool fixed; /* no text, no nulls: slots only */
};

/* First field whose lane cannot be stored, or -1. A null can only be stored in a nullable field, and
 * the type check made the field nullable then. */
static int bad_lane(const struct map *o, uint32_t lane)
{
	for (uint32_t f = 0; f < o->count; f++) {
		const struct map_field *m = &o->field[f];

		if (m->copy < 0 && !m->vec->clean && m->vec->state[lane] > WEIR_LANE_NULL)
			return (int)f;
	}
	return -1;
}

static bool build_row(const struct map *o, struct weir_builder *b, const struct weir_frame *f,
		      uint32_t lane)
{
	for (uint32_t i = 0; i < o->count; i++) {
		const struct map_field *m = &o->field[i];

		if (m->copy >= 0)
			weir_build_copy(b, i, f, o->in, (unsigned)m->copy);
		else
			weir_vec_store(m->vec, m->type, lane, b, i);
	}
	return weir_build_end(b);
}

/* All slots and no lane to refuse: field by field over the whole batch. false: no room for all of it. */
static bool build_fixed(struct weir_node *n, const struct map *o,
			const struct weir_frame *const *row, uint32_t k)
{
	struct weir_port *out = &n->port[0];
	uint32_t cap;
	uint8_t *mem;

	if ((uint64_t)o->want * k > out->scratch_cap)
		return false;
	mem = weir_port_claim(out, o->want * k, &cap);
	if (!mem)
		return false;
	for (uint32_t i = 0; i < k; i++) {
		struct weir_frame *to = (struct weir_frame *)(void *)(mem + (size_t)i * o->want);

		*to = (struct weir_frame){.size = o->want,
					  .kind = WEIR_FRAME_DATA,
					  .flags = row[i]->flags & WEIR_FRAME_F_TIMED,
					  .stream = o->out->stream,
					  .time_ns = row[i]->time_ns};
		weir_port_push(out, to);
	}
	for (uint32_t f = 0; f < o->count; f++) {
		const struct map_field *m = &o->field[f];
		uint8_t *slot = mem + sizeof(struct weir_frame) + 8 * (size_t)f;

		if (m->copy >= 0) {
			size_t from = 8 * (size_t)(o->in->null_words + (unsigned)m->copy);

			for (uint32_t i = 0; i < k; i++)
				memcpy(slot + (size_t)i * o->want, weir_payload(row[i]) + from, 8);
		} else {
			for (uint32_t i = 0; i < k; i++)
				memcpy(slot + (size_t)i * o->want, &m->vec->i64[i], 8);
		}
	}
	weir_port_keep(out, o->want * k);
	return true;
}

static int map_rows(struct weir_node *n, struct map *o, uint32_t k)
{
	const struct weir_frame *const *row = n->in.row + n->in.pos;
	struct weir_port *out = &n->port[0];
	bool clean = true;
	uint32_t i;

	for (uint32_t f = 0; f < o->count; f++) {
		if (o->field[f].copy < 0) {
			o->field[f].vec = weir_expr_eval(o->field[f].expr, o->ev, row, k);
			clean &= o->field[f].vec->clean;
		}
	}
	i = o->fixed && clean && build_fixed(n, o, row, k) ? k : 0;
	for (; i < k; i++) {
		const char *reason = NULL;
		struct weir_builder b;
		int bad = clean ? -1 : bad_lane(o, i), r;
		uint32_t cap;
		void *mem;

		if (weir_unlikely(bad >= 0)) {
			reason = weir_lane_error(o->field[bad].vec->state[i]);
		} else {
			mem = weir_port_claim(out, o->want, &cap);
			if (!mem)
				break;
			weir_build_begin(&b, mem, WEIR_MIN(cap, n->task->record_max), o->out);
			if (!build_row(o, &b, row[i], i))
				reason = "record larger than record_max";
			if (weir_likely(!reason)) {
				b.f->time_ns = row[i]->time_ns;
				b.f->key_hash = 0;
				b.f->flags = row[i]->flags & WEIR_FRAME_F_TIMED;
				weir_port_keep(out, weir_frame_stride(b.f));
				weir_port_push(out, b.f);
				continue;
			}
		}
		r = weir_node_reject(n, o->policy, o->rejects, reason, row[i], o->in);
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

static int map_run(struct weir_node *n)
{
	struct map *o = n->op;
	int progress = 0;

	if (n->in.pos < n->in.count) {
		uint32_t k = WEIR_MIN(n->in.count - n->in.pos, weir_port_room(&n->port[0]));

		if (k == 0)
			return 0;
		progress = map_rows(n, o, k);
		if (progress < 0)
			return progress;
	}
	if (n->in.pos == n->in.count && n->in.ctl.kind && weir_node_forward_ctl(n))
		progress = 1;
	return progress;
}

static void map_fini(struct weir_node *n)
{
	struct map *o = n->op;

	for (uint32_t i = 0; i < o->count; i++)
		weir_expr_fini(o->field[i].expr);
}

static const struct weir_op_class map_class = {.name = "map", .run = map_run, .fini = map_fini};

int weir_map_init(struct weir_node *n, const struct weir_op_env *env)
{
	const struct weir_step *step = env->step;
	struct map *o = weir_region_new(env->region, struct map);
	struct weir_expr_env xe = {.schema = env->in, .regex = env->regex};

	o->count = step->map.count;
	o->field = weir_region_array(env->region, struct map_field, o->count);
	o->in = env->in;
	o->out = step->port[0].schema;
	o->policy = step->on_error;
	o->rejects = env->rejects_port;
	o->fixed = o->out->null_words == 0;
	for (uint32_t i = 0; i < o->count; i++) {
		struct map_field *m = &o->field[i];
		struct weir_expr_error xerr;
		int r = weir_expr_compile(&xe, weir_str_c(step->map.field[i].text), env->region,
					  &m->expr, &xerr);

		if (r < 0)
			return weir_err_set(&n->task->err, r, "step `%s`: field `%s`: %s",
					    step->name, step->map.field[i].name, xerr.text);
		m->type = weir_expr_type(m->expr);
		m->copy = weir_expr_field(m->expr);
		if (weir_type_is_text(m->type.type) || m->type.type == WEIR_LIST)
			o->fixed = false;
	}
	o->want = o->fixed ? (uint32_t)sizeof(struct weir_frame) + o->out->fixed_size
			   : n->task->record_max;
	o->ev = weir_evaluator_new(env->region);
	n->cls = &map_class;
	n->op = o;
	return 0;
}
