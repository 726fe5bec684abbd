/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/window.h"

#include "base/assert.h"
#include "engine/core/window_query.h"

#define TEXT_WANT 256u /* first guess for the text of a result */

/* ---- results ---- */

static int result_reject(struct weir_window_op *op, struct weir_builder *b, const char *reason)
{
	if (b->full) {
		/* What does not fit cannot be shown: an empty record stands for it. */
		weir_build_begin(b, b->f, b->cap, op->out);
		weir_assert(weir_build_end(b));
	}
	return weir_node_reject(op->node, op->policy, op->rejects_port, reason, b->f, op->out);
}

static int result_row(struct weir_window_op *op, const struct weir_window_result *r)
{
	struct weir_port *p = &op->node->port[0];
	uint32_t record_max = op->node->task->record_max;
	uint32_t want = op->want;
	struct weir_builder b;
	const char *reason;

	for (;;) {
		uint32_t cap;
		void *mem = weir_port_claim(p, want, &cap);

		if (!mem)
			return 1;
		cap = WEIR_MIN(cap, record_max);
		weir_build_begin(&b, mem, cap, op->out);
		reason = op->payload.build(op->payload.ctx, r, op->cursor, &b);
		b.f->flags = WEIR_FRAME_F_TIMED;
		b.f->time_ns = r->end - 1;
		if (weir_likely(weir_build_end(&b)))
			break;
		if (cap == record_max) {
			reason = "window result larger than record_max";
			break;
		}
		want = record_max;
	}
	if (weir_unlikely(reason != NULL))
		return result_reject(op, &b, reason);
	weir_port_keep(p, weir_frame_stride(b.f));
	weir_port_push(p, b.f);
	return 0;
}

int weir_window_emit(struct weir_window_op *op, const void *entry, const void *state, int64_t start,
		     int64_t end)
{
	struct weir_window_result r = {
		.key = &op->key, .entry = entry, .state = state, .start = start, .end = end};
	uint32_t rows = op->payload.rows(op->payload.ctx, state);

	while (op->cursor < rows) {
		int rc;

		if (!weir_port_room(&op->node->port[0]))
			return 1;
		rc = result_row(op, &r);
		if (rc)
			return rc;
		op->cursor++;
	}
	op->cursor = 0;
	return 0;
}

/* ---- rows ---- */

int weir_window_late(struct weir_window_op *op, const struct weir_frame *f)
{
	struct weir_node *n = op->node;

	if (op->late_port >= 0) {
		struct weir_port *p = &n->port[op->late_port];

		if (!weir_port_room(p))
			return 1;
		weir_port_push(p, f);
	}
	n->late++;
	return 0;
}

int weir_window_reject(struct weir_window_op *op, const struct weir_frame *f, unsigned lane_state)
{
	return weir_node_reject(op->node, op->policy, op->rejects_port,
				lane_state ? weir_lane_error(lane_state)
					   : "event time out of range for the window",
				f, op->in);
}

static int window_rows(struct weir_window_op *op)
{
	struct weir_node *n = op->node;
	const struct weir_frame *const *row = n->in.row + n->in.pos;
	uint32_t count = n->in.count - n->in.pos;
	const uint8_t *bad;
	int r;

	if (op->hashed) {
		for (uint32_t i = 0; i < count; i++)
			op->hash[i] = row[i]->key_hash;
	} else {
		weir_key_hash_rows(row, count, op->in, op->key.field, op->key.count, op->hash);
	}
	bad = op->payload.prepare(op->payload.ctx, row, count);
	r = op->store->apply(op, row, count, bad, &op->applied);
	n->rows_in += op->applied;
	op->due = op->store->due(op);
	if (!op->due) {
		n->in.pos += op->applied;
		op->applied = 0;
	}
	return r;
}

static bool is_watermark(const struct weir_ctl *c)
{
	return c->kind == WEIR_FRAME_WATERMARK || c->kind == WEIR_FRAME_EOS;
}

static int window_fire(struct weir_window_op *op, int *progress)
{
	struct weir_node *n = op->node;
	uint64_t before = n->port[0].rows + n->rejects;
	int r = op->store->fire(op);

	*progress |= n->port[0].rows + n->rejects != before;
	if (r)
		return r;
	op->due = false;
	/* The rows that caused this stay in the input until their results are out, so that the task is
	 * not taken for idle. */
	n->in.pos += op->applied;
	op->applied = 0;
	if (op->closing)
		op->store->expire(op);
	*progress = 1;
	return 0;
}

static bool window_forward(struct weir_window_op *op)
{
	struct weir_node *n = op->node;

	if (op->payload.closing && n->in.ctl.kind != WEIR_FRAME_WATERMARK &&
	    op->payload.closing(op->payload.ctx, n))
		return false;
	return weir_node_forward_ctl(n);
}

static int window_run(struct weir_node *n)
{
	struct weir_window_op *op = n->op;
	int progress = 0;

	for (;;) {
		if (op->due) {
			int r = window_fire(op, &progress);

			if (r)
				return r < 0 ? r : progress;
		} else if (n->in.pos < n->in.count) {
			uint64_t before = n->rows_in;
			int r = window_rows(op);

			if (r < 0)
				return r;
			progress |= n->rows_in != before;
			if (r && !op->due)
				return progress;
		} else if (is_watermark(&n->in.ctl) && !op->closing) {
			int64_t w =
				n->in.ctl.kind == WEIR_FRAME_EOS ? WEIR_TIME_MAX : n->in.ctl.value;

			op->watermark = WEIR_MAX(op->watermark, w);
			op->closing = op->due = true;
		} else if (n->in.ctl.kind && window_forward(op)) {
			op->closing = false;
			return 1;
		} else {
			return progress;
		}
	}
}

/* ---- set-up ---- */

static void window_fini(struct weir_node *n)
{
	struct weir_window_op *op = n->op;

	op->store->fini(op);
	weir_track_fini(&op->track);
	if (op->payload.fini)
		op->payload.fini(op->payload.ctx);
}

static const struct weir_op_class window_class = {
	.name = "window", .run = window_run, .fini = window_fini, .state = &weir__window_state};
static const struct weir_op_class asked_class = {.name = "window",
						 .run = window_run,
						 .fini = window_fini,
						 .state = &weir__window_state,
						 .query = weir__window_query};

static bool has_text(const struct weir_schema *s)
{
	for (unsigned i = 0; i < s->field_count; i++)
		if (weir_type_is_text(s->field[i].type.type) || s->field[i].type.type == WEIR_LIST)
			return true;
	return false;
}

static int init_failed(struct weir_node *n, const struct weir_window_payload *payload, int code,
		       const char *what)
{
	if (payload->fini)
		payload->fini(payload->ctx);
	return weir_err_set(&n->task->err, code, "step `%s`: %s", n->step_name, what);
}

int weir_window_init(struct weir_node *n, const struct weir_op_env *env,
		     const struct weir_window_spec *spec, const uint16_t *key, uint32_t key_count,
		     const struct weir_window_payload *payload)
{
	struct weir_window_op *op = weir_region_new(env->region, struct weir_window_op);
	uint32_t smallest;

	op->node = n;
	op->mem = n->task->mem;
	op->payload = *payload;
	op->in = env->in;
	op->out = env->step->port[0].schema;
	op->policy = env->step->on_error;
	op->late_port = env->late_port;
	op->rejects_port = env->rejects_port;
	op->hashed = env->hashed;
	op->track.on = env->epochs;
	op->watermark = WEIR_TIME_MIN;
	if (weir_slicing_init(&op->slicing, spec) < 0)
		return init_failed(n, payload, WEIR_E_RANGE, "window length out of range");
	if (weir_window_key_init(&op->key, env->in, key, key_count) < 0)
		return init_failed(n, payload, WEIR_E_TYPE, "a list cannot be a key");
	smallest = (uint32_t)sizeof(struct weir_frame) + op->out->fixed_size;
	if (smallest > n->task->record_max)
		return init_failed(n, payload, WEIR_E_RANGE,
				   "window results are larger than record_max");
	op->want = WEIR_MIN(n->task->record_max, smallest + (has_text(op->out) ? TEXT_WANT : 0));
	op->store =
		spec->kind == WEIR_WINDOW_SESSION ? &weir__window_session : &weir__window_slices;
	op->store->init(op, env->region);
	n->cls = payload->asked || payload->part ? &asked_class : &window_class;
	n->op = op;
	return 0;
}
