/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/oper_int.h"

#include "base/assert.h"
#include "base/buf.h"

#define TIMER_ROOM 16u /* records the writer can take when a timer fires */
#define TIMER_BYTES_MAX (16u << 20) /* of all but one of them; matters for a huge record_max only */
#define SCRATCH_EXTRA (128u * 1024) /* so that many small timers fire between two restarts */

_Static_assert(sizeof(struct weir_record) == sizeof(struct weir_frame), "the same bytes");
_Static_assert(offsetof(struct weir_record, time_ns) == offsetof(struct weir_frame, time_ns),
	       "same");
_Static_assert(offsetof(struct weir_record, key_hash) == offsetof(struct weir_frame, key_hash),
	       "same");
_Static_assert((int)WEIR_VALUE_LIST == (int)WEIR_LIST && (int)WEIR_VALUE_BOOL == (int)WEIR_BOOL,
	       "same");

/* ---- schemas ---- */

const struct weir_record_info *weir_oper_info(const struct weir_schema *s,
					      struct weir_region *region)
{
	struct weir_record_info *info = weir_region_new(region, struct weir_record_info);
	struct weir_field_info *f =
		weir_region_array(region, struct weir_field_info, s->field_count);

	for (uint32_t i = 0; i < s->field_count; i++) {
		const struct weir_field *from = &s->field[i];

		f[i] = (struct weir_field_info){.name = from->name,
						.type = from->type.type,
						.elem = from->type.elem,
						.precision = from->type.precision,
						.scale = from->type.scale,
						.nullable = from->nullable};
	}
	info->field_count = s->field_count;
	info->null_words = s->null_words;
	info->field = f;
	return info;
}

static bool type_fine(struct weir_typeinfo t)
{
	switch (t.type) {
	case WEIR_DECIMAL:
		return t.precision >= 1 && t.precision <= WEIR_DECIMAL_PRECISION_MAX &&
		       t.scale <= t.precision;
	case WEIR_LIST:
		t.type = t.elem;
		return t.elem != WEIR_LIST && type_fine(t);
	default:
		return t.type > WEIR_NONE && t.type < WEIR_LIST;
	}
}

static int host_add_field(void *out, const struct weir_field_info *field)
{
	struct weir_typeinfo type = {.type = field->type,
				     .elem = field->elem,
				     .precision = field->precision,
				     .scale = field->scale};

	if (!field->name || !type_fine(type))
		return -1;
	return weir_schema_add(out, weir_str_c(field->name), type, field->nullable) < 0 ? -1 : 0;
}

int weir_oper_schema(const struct weir_operator *op, const char *options,
		     const struct weir_schema *in, struct weir_schema *ret_out,
		     struct weir_region *region, struct weir_err *err)
{
	char text[256] = "";

	if (!op->schema) {
		*ret_out = *in;
		ret_out->stream = 0;
		return 0;
	}
	memset(ret_out, 0, sizeof(*ret_out));
	if (op->schema(weir_oper_host(), options, weir_oper_info(in, region), ret_out, text,
		       sizeof(text)) < 0)
		return weir_err_set(err, WEIR_E_CONFIG, "%.*s", (int)sizeof(text) - 1,
				    text[0] ? text : "the operator refuses its input or options");
	if (ret_out->field_count == 0)
		return weir_err_set(err, WEIR_E_CONFIG, "the operator declares no output fields");
	weir_schema_seal(ret_out);
	return 0;
}

/* ---- writing ---- */

/* process() is called again with the rest; a timer has fired for good, so nothing may be lost there. */
static int no_room(struct weir_writer *w)
{
	struct weir_node *n = w->context->node;

	if (w->in_timer && !n->task->err.code)
		weir_err_set(
			&n->task->err, WEIR_E_LIMIT,
			"step `%s`: one call of timer() gives more than %u records or %u bytes",
			n->step_name, TIMER_ROOM, w->context->timer_bytes);
	return 0;
}

static int host_begin(struct weir_writer *w)
{
	uint32_t cap;
	void *mem;

	if (w->begun)
		return 1; /* begun and not emitted: goes on with the same record */
	if (!weir_port_room(w->port))
		return no_room(w);
	mem = weir_port_claim(w->port, w->record_max, &cap);
	if (!mem)
		return no_room(w);
	weir_build_begin(&w->b, mem, WEIR_MIN(cap, w->record_max), w->schema);
	for (uint32_t i = 0; i < w->schema->field_count; i++)
		if (w->schema->field[i].nullable)
			weir_build_null(&w->b, i);
	w->begun = true;
	return 1;
}

/* Mistakes of the operator's author end the pipeline: a wrong slot would be read as a place in memory. */
static weir_noinline void misuse(struct weir_writer *w, const char *what, uint32_t field)
{
	struct weir_node *n = w->context->node;
	const struct weir_schema *s = w->schema;

	if (!n->task->err.code)
		weir_err_set(&n->task->err, WEIR_E_TYPE,
			     "step `%s`: the operator calls %s for field %u of its output, %s",
			     n->step_name, what, field,
			     !w->begun		       ? "without begin()"
			     : field >= s->field_count ? "which does not exist"
						       : weir_type_name(s->field[field].type.type));
}

static bool slot_type(unsigned type)
{
	return type != WEIR_FLOAT64 && type != WEIR_LIST && !weir_type_is_text(type);
}

static void set_present(struct weir_writer *w, uint32_t field)
{
	uint64_t word;
	uint8_t *p = (uint8_t *)(w->b.f + 1) + 8 * (size_t)(field / 64);

	if (!w->schema->field[field].nullable)
		return;
	memcpy(&word, p, 8);
	word &= ~(UINT64_C(1) << (field % 64));
	memcpy(p, &word, 8);
}

static unsigned field_type(const struct weir_writer *w, uint32_t field)
{
	return w->begun && field < w->schema->field_count ? w->schema->field[field].type.type
							  : WEIR_NONE;
}

static void host_set_int(struct weir_writer *w, uint32_t field, int64_t v)
{
	unsigned type = field_type(w, field);

	if (weir_unlikely(type == WEIR_NONE || !slot_type(type))) {
		misuse(w, "set_int()", field);
		return;
	}
	if (weir_unlikely(w->b.full))
		return;
	weir_build_i64(&w->b, field, type == WEIR_BOOL ? v != 0 : v);
	set_present(w, field);
}

static void host_set_float(struct weir_writer *w, uint32_t field, double v)
{
	if (weir_unlikely(field_type(w, field) != WEIR_FLOAT64)) {
		misuse(w, "set_float()", field);
		return;
	}
	if (weir_unlikely(w->b.full))
		return;
	weir_build_f64(&w->b, field, v);
	set_present(w, field);
}

static void host_set_text(struct weir_writer *w, uint32_t field, const char *p, size_t n)
{
	if (weir_unlikely(!weir_type_is_text(field_type(w, field)))) {
		misuse(w, "set_text()", field);
		return;
	}
	weir_build_str(&w->b, field, (struct weir_str){p, n});
	if (weir_likely(!w->b.full))
		set_present(w, field);
}

static int host_emit(struct weir_writer *w, int64_t time_ns)
{
	if (!w->begun)
		return -1;
	w->begun = false;
	w->b.f->time_ns = time_ns;
	w->b.f->flags = WEIR_FRAME_F_TIMED;
	if (!weir_build_end(&w->b))
		return -1;
	weir_port_keep(w->port, weir_frame_stride(w->b.f));
	weir_port_push(w->port, w->b.f);
	return 0;
}

static int host_pass(struct weir_writer *w, const struct weir_record *r)
{
	struct weir_node *n = w->context->node;

	if (weir_unlikely(!w->same)) {
		weir_err_set(&n->task->err, WEIR_E_TYPE,
			     "step `%s`: the operator passes a record on, but its output has other "
			     "fields than its input",
			     n->step_name);
		return 0;
	}
	/* A record that was begun has its place already. */
	if (weir_port_room(w->port) <= (uint32_t)w->begun)
		return no_room(w);
	weir_port_push(w->port, (const struct weir_frame *)(const void *)r);
	return 1;
}

/* ---- calls ---- */

static void host_fail(struct weir_context *c, const char *text)
{
	struct weir_err *err = &c->node->task->err;

	if (!err->code)
		weir_err_set(err, WEIR_E_REJECT, "step `%s`: %s", c->node->step_name, text);
}

static const struct weir_host host = {
	.abi = WEIR_ABI,
	.size = sizeof(struct weir_host),
	.add_field = host_add_field,
	.begin = host_begin,
	.set_int = host_set_int,
	.set_float = host_set_float,
	.set_text = host_set_text,
	.emit = host_emit,
	.pass = host_pass,
	.state = weir_oper_state,
	.state_drop = weir_oper_state_drop,
	.set_timer = weir_oper_set_timer,
	.watermark = weir_oper_watermark,
	.fail = host_fail,
};

const struct weir_host *weir_oper_host(void)
{
	return &host;
}

/* ---- the node ---- */

/* Fires what the watermark has reached. 1: all fired, 0: no room, <0: failed. */
static int fire(struct weir_context *c, int64_t watermark)
{
	c->watermark = WEIR_MAX(c->watermark, watermark);
	while (c->timers && c->heap[0].time_ns <= watermark) {
		struct timer t = c->heap[0];
		bool live;
		uint32_t cap;

		if (weir_port_room(c->writer.port) < TIMER_ROOM ||
		    !weir_port_claim(c->writer.port, c->timer_bytes, &cap))
			return 0;
		c->writer.begun = false;
		live = weir_oper_timer_take(c);
		if (live && c->op->timer) {
			uint8_t *state = weir_oper_entry_state(c, t.entry);
			int drop;

			c->writer.in_timer = true;
			drop = c->op->timer(c->self, c, c->op->state_bytes ? state : NULL,
					    t.time_ns, &c->writer);
			c->writer.in_timer = false;
			if (drop)
				weir_oper_drop(c, t.entry);
		}
		if (c->node->task->err.code)
			return c->node->task->err.code;
	}
	return 1;
}

static int oper_run(struct weir_node *n)
{
	struct weir_context *c = n->op;
	uint64_t before = n->port[0].rows;
	int progress = 0;

	if (n->in.pos < n->in.count) {
		struct weir_span span = {
			.record = (const struct weir_record *const *)(const void *)(n->in.row +
										    n->in.pos),
			.count = n->in.count - n->in.pos};
		uint32_t done, cap;

		/* What was begun and not emitted in an earlier call is gone, and so is its memory. */
		c->writer.begun = false;
		done = c->op->process(c->self, c, &span, &c->writer);
		if (n->task->err.code)
			return n->task->err.code;
		if (done > span.count)
			return weir_err_set(&n->task->err, WEIR_E_RANGE,
					    "step `%s`: the operator took %u of %u records",
					    n->step_name, done, span.count);
		if (!done && n->port[0].rows == before && weir_port_room(&n->port[0]) &&
		    weir_port_claim(&n->port[0], n->task->record_max, &cap))
			return weir_err_set(
				&n->task->err, WEIR_E_DEADLOCK,
				"step `%s`: the operator took none of %u records and gave "
				"none, although there was room",
				n->step_name, span.count);
		n->in.pos += done;
		n->rows_in += done;
		progress = done > 0;
		if (n->in.pos < n->in.count)
			return progress || n->port[0].rows != before;
	}
	if (n->in.ctl.kind) {
		int64_t w = n->in.ctl.kind == WEIR_FRAME_EOS	     ? WEIR_TIME_MAX
			    : n->in.ctl.kind == WEIR_FRAME_WATERMARK ? n->in.ctl.value
								     : WEIR_TIME_MIN;
		int r = fire(c, w);

		if (r < 0)
			return r;
		if (r && weir_node_forward_ctl(n))
			progress = 1;
	}
	return progress || n->port[0].rows != before;
}

static void oper_fini(struct weir_node *n)
{
	struct weir_context *c = n->op;
	const struct weir_mem *mem = n->task->mem;

	if (c->self && c->op->close)
		c->op->close(c->self);
	if (c->heap)
		mem->free(mem->ctx, c->heap, sizeof(*c->heap) * c->timer_cap);
	weir_tracked_fini(&c->keys);
	weir_track_fini(&c->track);
	weir_slab_fini(&c->slab);
}

static const struct weir_op_class oper_class = {
	.name = "operator", .run = oper_run, .fini = oper_fini, .state = &weir__oper_state};

/* A timer that has fired cannot be asked again, so its records must find memory however large they
 * are: that of a port is made for one such record. Returns the bytes a timer needs. */
static uint32_t timer_room(struct weir_port *p, uint32_t record_max, struct weir_region *region)
{
	uint32_t need = record_max +
			WEIR_MIN(record_max, TIMER_BYTES_MAX / (TIMER_ROOM - 1)) * (TIMER_ROOM - 1);

	if (p->scratch_cap < need) {
		p->scratch_cap = need + SCRATCH_EXTRA;
		p->scratch = weir_region_alloc(region, p->scratch_cap);
	}
	return need;
}

int weir_oper_init(struct weir_node *n, const struct weir_op_env *env,
		   const struct weir_operator *op)
{
	struct weir_context *c = weir_region_new(env->region, struct weir_context);
	const struct weir_schema *out = env->step->port[0].schema;
	char text[256] = "";
	int r = weir_window_key_init(&c->key, env->in, env->step->key, env->step->key_count);

	if (r < 0)
		return weir_err_set(&n->task->err, r, "step `%s`: a list cannot be a key",
				    env->step->name);
	c->node = n;
	c->op = op;
	c->in = env->in;
	c->state_at = c->key.bytes + 8;
	c->step = env->step;
	weir_oper_keys_init(c, env->epochs);
	weir_slab_init(&c->slab, n->task->mem);
	c->watermark = WEIR_TIME_MIN;
	c->writer = (struct weir_writer){.context = c,
					 .port = &n->port[0],
					 .schema = out,
					 .record_max = n->task->record_max,
					 .same = weir_schema_same(env->in, out)};
	if (op->timer)
		c->timer_bytes = timer_room(&n->port[0], n->task->record_max, env->region);
	n->cls = &oper_class;
	n->op = c;
	if (op->open &&
	    op->open(&host, env->step->oper.options, weir_oper_info(env->in, env->region),
		     weir_oper_info(out, env->region), env->instance, env->instances, &c->self,
		     text, sizeof(text)) < 0) {
		c->self = NULL; /* not open: nothing to close */
		return weir_err_set(&n->task->err, WEIR_E_CONFIG, "step `%s`: %.*s",
				    env->step->name, (int)sizeof(text) - 1,
				    text[0] ? text : "the operator does not start");
	}
	return 0;
}
