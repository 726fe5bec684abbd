/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/oprig.h"

#include "base/buf.h"

#define RECORD_MAX 4096u
#define STALLS_MAX 1000000u

int weir_oprig_init(struct weir_oprig *rig, weir_op_init_fn init, const struct weir_step *keep_step,
		    const struct weir_schema *keep_in)
{
	struct weir_op_env env = {
		.step = keep_step,
		.in = keep_in,
		.region = &rig->region,
		.late_port = keep_step->late_port,
		.rejects_port = keep_step->rejects_port,
		.instances = 1,
	};

	memset(rig, 0, sizeof(*rig));
	weir_region_init(&rig->region, &weir_test_mem);
	rig->in = keep_in;
	rig->room = WEIR_BATCH_ROWS;
	rig->task.mem = &weir_test_mem;
	rig->task.record_max = RECORD_MAX;
	rig->task.node = rig->node;
	rig->task.node_count = 1 + keep_step->port_count;
	assert_true(keep_step->port_count <= WEIR_OPRIG_PORTS);
	for (uint32_t i = 0; i < keep_step->port_count; i++) {
		struct weir_port *p = &rig->port[i];

		rig->target[i] = &rig->node[1 + i];
		rig->target[i]->task = &rig->task;
		p->name = keep_step->port[i].name;
		p->schema = keep_step->port[i].schema;
		p->target = &rig->target[i];
		p->target_count = 1;
		p->scratch_cap = RECORD_MAX * 4;
		p->scratch = weir_region_alloc(&rig->region, p->scratch_cap);
	}
	rig->node[0].task = &rig->task;
	rig->node[0].port = rig->port;
	rig->node[0].port_count = keep_step->port_count;
	rig->node[0].step_name = keep_step->name;
	rig->node[0].watermark = WEIR_TIME_MIN;
	return init(&rig->node[0], &env);
}

static void held_free(struct weir_oprig *rig)
{
	for (uint32_t i = 0; i < rig->held_count; i++)
		free(rig->held[i]);
	rig->held_count = 0;
}

void weir_oprig_fini(struct weir_oprig *rig)
{
	if (rig->node[0].cls && rig->node[0].cls->fini)
		rig->node[0].cls->fini(&rig->node[0]);
	for (uint32_t p = 0; p < WEIR_OPRIG_PORTS; p++) {
		for (uint32_t i = 0; i < rig->out[p].count; i++)
			free(rig->out[p].frame[i]);
		free(rig->out[p].frame);
	}
	held_free(rig);
	weir_region_fini(&rig->region);
}

static void out_add(struct weir_oprig_out *o, const struct weir_frame *f)
{
	if (o->count == o->cap) {
		o->cap = o->cap ? o->cap * 2 : 64;
		o->frame = realloc(o->frame, o->cap * sizeof(*o->frame));
		assert_non_null(o->frame);
	}
	o->frame[o->count] = malloc(f->size);
	assert_non_null(o->frame[o->count]);
	memcpy(o->frame[o->count++], f, f->size);
	o->rows += f->kind == WEIR_FRAME_DATA;
}

static uint32_t room_next(struct weir_oprig *rig)
{
	if (!rig->seed)
		return rig->room;
	rig->seed = rig->seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(rig->seed >> 33) % (rig->room + 1);
}

/* One call of the operator with a limited room in each port. */
static int call(struct weir_oprig *rig)
{
	struct weir_node *n = &rig->node[0];
	uint32_t used[WEIR_OPRIG_PORTS];
	int r;

	for (uint32_t p = 0; p < n->port_count; p++) {
		used[p] = WEIR_BATCH_ROWS - room_next(rig);
		rig->target[p]->in.pos = 0;
		rig->target[p]->in.count = used[p];
		rig->port[p].scratch_used = 0;
	}
	r = n->cls->run(n);
	for (uint32_t p = 0; p < n->port_count; p++) {
		struct weir_batch *b = &rig->target[p]->in;

		/* A full batch that was never touched may have been wound back to 0. */
		for (uint32_t i = used[p]; i < b->count; i++)
			out_add(&rig->out[p], b->row[i]);
		if (b->ctl.kind) {
			struct weir_frame f = {
				.size = sizeof(f), .kind = b->ctl.kind, .time_ns = b->ctl.value};

			out_add(&rig->out[p], &f);
			b->ctl.kind = 0;
		}
	}
	return r;
}

static void drain(struct weir_oprig *rig)
{
	struct weir_node *n = &rig->node[0];
	uint32_t stalls = 0;

	while (!rig->failed && !weir_batch_empty(&n->in)) {
		int r = call(rig);

		if (r < 0)
			rig->failed = r;
		stalls = r == 0 ? stalls + 1 : 0;
		assert_true(stalls < STALLS_MAX);
	}
	n->in.pos = n->in.count = 0;
	held_free(rig);
}

struct weir_frame *weir_oprig_frame(const struct weir_schema *s, int64_t time_ns,
				    const struct weir_oprig_value *value)
{
	struct weir_frame *f = aligned_alloc(8, 65536);
	struct weir_builder b;

	assert_non_null(f);
	weir_build_begin(&b, f, 65536, s);
	for (unsigned i = 0; i < s->field_count; i++) {
		if (value[i].null)
			weir_build_null(&b, i);
		else if (weir_type_is_text(s->field[i].type.type))
			weir_build_str(&b, i, weir_str_c(value[i].text));
		else if (s->field[i].type.type == WEIR_FLOAT64)
			weir_build_f64(&b, i, value[i].f);
		else
			weir_build_i64(&b, i, value[i].i);
	}
	assert_true(weir_build_end(&b));
	f->flags = WEIR_FRAME_F_TIMED;
	f->time_ns = time_ns;
	return f;
}

static void put_own(struct weir_oprig *rig, struct weir_frame *f)
{
	struct weir_node *n = &rig->node[0];

	/* In a block of its own size: reading behind the frame is an error. */
	rig->held[rig->held_count] = malloc(weir_frame_stride(f));
	assert_non_null(rig->held[rig->held_count]);
	memcpy(rig->held[rig->held_count], f, weir_frame_stride(f));
	n->in.row[n->in.count++] = rig->held[rig->held_count++];
	if (n->in.count == WEIR_BATCH_ROWS)
		drain(rig);
}

void weir_oprig_put_frame(struct weir_oprig *rig, const struct weir_frame *f)
{
	put_own(rig, (struct weir_frame *)(uintptr_t)f);
}

void weir_oprig_put(struct weir_oprig *rig, int64_t time_ns, const struct weir_oprig_value *value)
{
	struct weir_frame *f = weir_oprig_frame(rig->in, time_ns, value);

	put_own(rig, f);
	free(f);
}

void weir_oprig_run(struct weir_oprig *rig)
{
	drain(rig);
}

void weir_oprig_ctl(struct weir_oprig *rig, uint8_t kind, int64_t value)
{
	rig->node[0].in.ctl = (struct weir_ctl){.kind = kind, .value = value};
	drain(rig);
}

void weir_oprig_watermark(struct weir_oprig *rig, int64_t watermark)
{
	weir_oprig_ctl(rig, WEIR_FRAME_WATERMARK, watermark);
}

void weir_oprig_eos(struct weir_oprig *rig)
{
	weir_oprig_ctl(rig, WEIR_FRAME_EOS, 0);
}

const char *weir_oprig_json(struct weir_oprig *rig, const struct weir_frame *f,
			    const struct weir_schema *s)
{
	char text[16384];
	struct weir_buf b = weir_buf_of(text, sizeof(text));

	weir_buf_record_json(&b, f, s);
	assert_false(b.full);
	return weir_region_strdup(&rig->region, (struct weir_str){text, b.len});
}

const char *weir_oprig_text(struct weir_oprig *rig, uint32_t port, uint32_t i)
{
	const struct weir_frame *f;

	assert_true(i < rig->out[port].count);
	f = rig->out[port].frame[i];
	switch (f->kind) {
	case WEIR_FRAME_DATA:
		return weir_oprig_json(rig, f, rig->port[port].schema);
	case WEIR_FRAME_EOS:
		return "eos";
	case WEIR_FRAME_WATERMARK:
		return weir_region_printf(&rig->region, "watermark %lld", (long long)f->time_ns);
	default:
		return weir_region_printf(&rig->region, "control %u", f->kind);
	}
}
