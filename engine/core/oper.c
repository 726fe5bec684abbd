/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/oper.h"

#include "base/assert.h"
#include "base/buf.h"
#include "engine/core/window_key.h"
#include "state/slab.h"
#include "state/table.h"

#define TIMER_ROOM 16u /* records the writer can take when a timer fires */

_Static_assert(sizeof(struct weir_record) == sizeof(struct weir_frame), "the same bytes");
_Static_assert(offsetof(struct weir_record, time_ns) == offsetof(struct weir_frame, time_ns), "same");
_Static_assert(offsetof(struct weir_record, key_hash) == offsetof(struct weir_frame, key_hash), "same");
_Static_assert((int)WEIR_VALUE_LIST == (int)WEIR_LIST && (int)WEIR_VALUE_BOOL == (int)WEIR_BOOL, "same");

struct timer {
	int64_t time_ns;
	uint32_t entry;
	uint32_t generation; /* of the key's entry; another one: the key was dropped */
};

struct weir_writer {
	struct weir_port *port;
	struct weir_builder b;
	const struct weir_schema *schema;
	uint32_t record_max;
	bool begun;
};

struct weir_context {
	struct weir_node *node;
	const struct weir_operator *op;
	const struct weir_schema *in;
	void *self;
	struct weir_window_key key;
	struct weir_table table; /* entry: key, generation (8 bytes), state */
	struct weir_slab slab;
	uint32_t state_at;
	struct timer *heap; /* binary heap by (time, entry) */
	uint32_t timers, timer_cap, generation;
	struct weir_writer writer;
};

/* ---- schemas ---- */

const struct weir_record_info *weir_oper_info(const struct weir_schema *s, struct weir_region *region)
{
	struct weir_record_info *info = weir_region_new(region, struct weir_record_info);
	struct weir_field_info *f = weir_region_array(region, struct weir_field_info, s->field_count);

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

static int host_add_field(void *out, const struct weir_field_info *field)
{
	struct weir_typeinfo type = {.type = field->type,
				     .elem = field->elem,
				     .precision = field->precision,
				     .scale = field->scale};

	if (field->type < WEIR_BOOL || field->type >= WEIR_TYPE_COUNT || !field->name)
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

static int host_begin(struct weir_writer *w)
{
	uint32_t cap;
	void *mem;

	if (w->begun)
		return 1; /* begun and not emitted: goes on with the same record */
	if (!weir_port_room(w->port))
		return 0;
	mem = weir_port_claim(w->port, w->record_max, &cap);
	if (!mem)
		return 0;
	weir_build_begin(&w->b, mem, WEIR_MIN(cap, w->record_max), w->schema);
	for (uint32_t i = 0; i < w->schema->field_count; i++)
		if (w->schema->field[i].nullable)
			weir_build_null(&w->b, i);
	w->begun = true;
	return 1;
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

static bool settable(const struct weir_writer *w, uint32_t field)
{
	return w->begun && !w->b.full && field < w->schema->field_count;
}

static void host_set_int(struct weir_writer *w, uint32_t field, int64_t v)
{
	if (!settable(w, field))
		return;
	weir_build_i64(&w->b, field, v);
	set_present(w, field);
}

static void host_set_float(struct weir_writer *w, uint32_t field, double v)
{
	if (!settable(w, field))
		return;
	weir_build_f64(&w->b, field, v);
	set_present(w, field);
}

static void host_set_text(struct weir_writer *w, uint32_t field, const char *p, size_t n)
{
	if (!settable(w, field) || !weir_type_is_text(w->schema->field[field].type.type))
		return;
	weir_build_str(&w->b, field, (struct weir_str){p, n});
	if (!w->b.full)
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
	if (!weir_port_room(w->port))
		return 0;
	weir_port_push(w->port, (const struct weir_frame *)(const void *)r);
	return 1;
}

/* ---- state and timers ---- */

static uint32_t find(struct weir_context *c, const struct weir_frame *f, uint64_t hash)
{
	if (!c->table.count)
		return WEIR_TABLE_NONE;
	return weir_table_find(&c->table, hash, weir_window_key_is_frame, f, &c->key);
}

static uint64_t hash_of(const struct weir_context *c, const struct weir_frame *f)
{
	return weir_key_hash(f, c->in, c->key.field, c->key.count);
}

static uint32_t find_or_add(struct weir_context *c, const struct weir_frame *f, int *ret_new)
{
	uint64_t hash = hash_of(c, f);
	uint32_t at = find(c, f, hash);
	uint64_t generation;

	if (ret_new)
		*ret_new = at == WEIR_TABLE_NONE;
	if (at != WEIR_TABLE_NONE)
		return at;
	at = weir_table_insert(&c->table, hash);
	weir_window_key_store(&c->key, f, &c->slab, weir_table_entry(&c->table, at));
	generation = ++c->generation;
	memcpy((uint8_t *)weir_table_entry(&c->table, at) + c->state_at - 8, &generation, 8);
	return at;
}

static uint64_t entry_generation(const struct weir_context *c, uint32_t at)
{
	uint64_t g;

	memcpy(&g, (uint8_t *)weir_table_entry(&c->table, at) + c->state_at - 8, 8);
	return g;
}

static void *host_state(struct weir_context *c, const struct weir_record *r, int *ret_new)
{
	uint32_t at = find_or_add(c, (const struct weir_frame *)(const void *)r, ret_new);

	return (uint8_t *)weir_table_entry(&c->table, at) + c->state_at;
}

static void drop_entry(struct weir_context *c, uint32_t at)
{
	uint64_t none = 0;

	memcpy((uint8_t *)weir_table_entry(&c->table, at) + c->state_at - 8, &none, 8);
	weir_window_key_release(&c->key, &c->slab, weir_table_entry(&c->table, at));
	weir_table_remove(&c->table, at);
}

static void host_state_drop(struct weir_context *c, const struct weir_record *r)
{
	const struct weir_frame *f = (const struct weir_frame *)(const void *)r;
	uint32_t at = find(c, f, hash_of(c, f));

	if (at != WEIR_TABLE_NONE)
		drop_entry(c, at);
}

static bool timer_before(const struct timer *a, const struct timer *b)
{
	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns;
	return a->generation < b->generation;
}

static void timer_up(struct timer *h, uint32_t i)
{
	while (i > 0 && timer_before(&h[i], &h[(i - 1) / 2])) {
		struct timer t = h[i];

		h[i] = h[(i - 1) / 2];
		h[(i - 1) / 2] = t;
		i = (i - 1) / 2;
	}
}

static void timer_down(struct timer *h, uint32_t n, uint32_t i)
{
	for (;;) {
		uint32_t least = i, l = 2 * i + 1;
		struct timer t;

		if (l < n && timer_before(&h[l], &h[least]))
			least = l;
		if (l + 1 < n && timer_before(&h[l + 1], &h[least]))
			least = l + 1;
		if (least == i)
			return;
		t = h[i];
		h[i] = h[least];
		h[least] = t;
		i = least;
	}
}

static void host_set_timer(struct weir_context *c, const struct weir_record *r, int64_t time_ns)
{
	const struct weir_mem *mem = c->node->task->mem;
	uint32_t at = find_or_add(c, (const struct weir_frame *)(const void *)r, NULL);

	if (c->timers == c->timer_cap) {
		uint32_t cap = c->timer_cap ? c->timer_cap * 2 : 256;
		struct timer *h = mem->alloc(mem->ctx, sizeof(*h) * cap, 16);

		if (c->heap) {
			memcpy(h, c->heap, sizeof(*h) * c->timers);
			mem->free(mem->ctx, c->heap, sizeof(*h) * c->timer_cap);
		}
		c->heap = h;
		c->timer_cap = cap;
	}
	c->heap[c->timers] = (struct timer){.time_ns = time_ns,
					    .entry = at,
					    .generation = (uint32_t)entry_generation(c, at)};
	timer_up(c->heap, c->timers++);
}

static int64_t host_watermark(struct weir_context *c)
{
	return c->node->watermark;
}

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
	.state = host_state,
	.state_drop = host_state_drop,
	.set_timer = host_set_timer,
	.watermark = host_watermark,
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
	while (c->timers && c->heap[0].time_ns <= watermark) {
		struct timer t = c->heap[0], *h = c->heap;
		bool live;
		uint32_t cap;

		if (weir_port_room(c->writer.port) < TIMER_ROOM ||
		    !weir_port_claim(c->writer.port, c->writer.record_max, &cap))
			return 0;
		h[0] = h[--c->timers];
		timer_down(h, c->timers, 0);
		/* The same time again for the same key counts once. */
		while (c->timers && h[0].time_ns == t.time_ns && h[0].generation == t.generation) {
			h[0] = h[--c->timers];
			timer_down(h, c->timers, 0);
		}
		live = t.entry < c->table.high && entry_generation(c, t.entry) == t.generation;
		if (live && c->op->timer) {
			uint8_t *state = (uint8_t *)weir_table_entry(&c->table, t.entry) + c->state_at;

			if (c->op->timer(c->self, c, c->op->state_bytes ? state : NULL, t.time_ns,
					 &c->writer))
				drop_entry(c, t.entry);
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
		uint32_t done = c->op->process(c->self, c, &span, &c->writer);

		if (n->task->err.code)
			return n->task->err.code;
		if (done > span.count)
			return weir_err_set(&n->task->err, WEIR_E_RANGE,
					    "step `%s`: the operator took %u of %u records",
					    n->step_name, done, span.count);
		n->in.pos += done;
		n->rows_in += done;
		progress = done > 0;
		if (n->in.pos < n->in.count)
			return progress || n->port[0].rows != before;
	}
	if (n->in.ctl.kind) {
		int64_t w = n->in.ctl.kind == WEIR_FRAME_EOS	     ? WEIR_TIME_MAX :
			    n->in.ctl.kind == WEIR_FRAME_WATERMARK ? n->in.ctl.value :
								     WEIR_TIME_MIN;
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
	weir_table_fini(&c->table);
	weir_slab_fini(&c->slab);
}

static const struct weir_op_class oper_class = {
	.name = "operator", .run = oper_run, .fini = oper_fini};

int weir_oper_init(struct weir_node *n, const struct weir_op_env *env, const struct weir_operator *op)
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
	weir_table_init(&c->table, n->task->mem,
			c->state_at + WEIR_ALIGN_UP(op->state_bytes, 8u));
	weir_slab_init(&c->slab, n->task->mem);
	c->writer = (struct weir_writer){.port = &n->port[0],
					 .schema = out,
					 .record_max = n->task->record_max};
	n->cls = &oper_class;
	n->op = c;
	if (op->open && op->open(&host, env->step->oper.options, weir_oper_info(env->in, env->region),
				 weir_oper_info(out, env->region), env->instance, env->instances,
				 &c->self, text, sizeof(text)) < 0)
		return weir_err_set(&n->task->err, WEIR_E_CONFIG, "step `%s`: %.*s", env->step->name,
				    (int)sizeof(text) - 1,
				    text[0] ? text : "the operator does not start");
	return 0;
}
