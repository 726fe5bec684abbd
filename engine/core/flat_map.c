/* SPDX-License-Identifier: Apache-2.0 */
/* flat_map: one record per element of a list field; an empty or null list gives none. */
#include "engine/core/op.h"
#include "engine/core/pipeline.h"

struct flat_map {
	const struct weir_schema *in, *out;
	uint16_t field;
	uint32_t next; /* element of the row at hand to go on with */
	enum weir_on_error policy;
	int rejects;
};

static bool build_element(const struct flat_map *o, struct weir_builder *b,
			  const struct weir_frame *f, uint64_t slot)
{
	for (unsigned i = 0; i < o->in->field_count; i++) {
		if (i != o->field)
			weir_build_copy(b, i, f, o->in, i);
		else if (weir_type_is_text(o->out->field[i].type.type))
			weir_build_str(b, i, weir_slot_str(f, slot));
		else
			weir_build_slot(b, i, slot);
	}
	b->f->time_ns = f->time_ns;
	b->f->flags = f->flags & WEIR_FRAME_F_TIMED;
	return weir_build_end(b);
}

/* 1: the row is done, 0: no room, <0: error. */
static int unfold(struct weir_node *n, struct flat_map *o, const struct weir_frame *f)
{
	struct weir_port *out = &n->port[0];
	uint64_t list = weir_slot(f, o->in, o->field);
	uint32_t count = weir_null(f, o->in, o->field) ? 0 : (uint32_t)(list >> 32);

	for (; o->next < count; o->next++) {
		struct weir_builder b;
		uint64_t slot;
		uint32_t cap;
		void *mem;

		if (!weir_port_room(out))
			return 0;
		mem = weir_port_claim(out, n->task->record_max, &cap);
		if (!mem)
			return 0;
		memcpy(&slot, weir_payload(f) + (uint32_t)list + 8 * (size_t)o->next, 8);
		weir_build_begin(&b, mem, WEIR_MIN(cap, n->task->record_max), o->out);
		if (build_element(o, &b, f, slot)) {
			weir_port_keep(out, weir_frame_stride(b.f));
			weir_port_push(out, b.f);
		} else {
			int r = weir_node_reject(n, o->policy, o->rejects,
						 "record larger than record_max", f, o->in);

			if (r)
				return r < 0 ? r : 0;
		}
	}
	o->next = 0;
	return 1;
}

static int flat_map_run(struct weir_node *n)
{
	struct flat_map *o = n->op;
	struct weir_batch *in = &n->in;
	uint64_t before = n->port[0].rows + n->rejects;
	int progress = 0;

	while (in->pos < in->count) {
		int r = unfold(n, o, in->row[in->pos]);

		if (r < 0)
			return r;
		if (r == 0)
			break;
		in->pos++;
		n->rows_in++;
		progress = 1;
	}
	if (in->pos == in->count && in->ctl.kind && weir_node_forward_ctl(n))
		progress = 1;
	return progress || n->port[0].rows + n->rejects != before;
}

static const struct weir_op_class flat_map_class = {.name = "flat_map", .run = flat_map_run};

int weir_flat_map_init(struct weir_node *n, const struct weir_op_env *env)
{
	struct flat_map *o = weir_region_new(env->region, struct flat_map);

	o->in = env->in;
	o->out = env->step->port[0].schema;
	o->field = env->step->flat_map.field;
	o->policy = env->step->on_error;
	o->rejects = env->rejects_port;
	n->cls = &flat_map_class;
	n->op = o;
	return 0;
}
