/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/window_query.h"

#include "base/assert.h"
#include "engine/core/global.h"
#include "engine/core/window_key_text.h"

/* The result as a frame. Why it cannot be given, or NULL. */
static const char *build(struct weir_window_op *op, struct weir_window_ask *a,
			 const struct weir_window_result *r, struct weir_builder *b)
{
	uint32_t record_max = op->node->task->record_max;
	const char *reason;

	for (;;) {
		if (!a->frame) {
			a->frame_cap = a->frame_cap ? record_max : op->want;
			a->frame = weir_slab_alloc(&a->slab, a->frame_cap);
		}
		weir_build_begin(b, a->frame, a->frame_cap, op->out);
		reason = op->payload.build(op->payload.ctx, r, 0, b);
		if (weir_build_end(b))
			return reason;
		if (a->frame_cap == record_max)
			break;
		a->frame = NULL;
	}
	weir_build_begin(b, a->frame, a->frame_cap, op->out);
	weir_assert(weir_build_end(b));
	return "window result larger than record_max";
}

bool weir_window_ask_row(struct weir_window_op *op, struct weir_window_ask *a, const void *entry,
			 const void *state, int64_t start, int64_t end)
{
	struct weir_window_result r = {
		.key = &op->key, .entry = entry, .state = state, .start = start, .end = end};
	struct weir_builder b;
	const char *reason = build(op, a, &r, &b);
	struct weir_buf *row = weir_query_row(a->out);

	weir_buf_record_json(row, b.f, op->out);
	if (reason && !row->full) {
		row->len--; /* the brace */
		weir_buf_lit(row, ",\"error\":");
		weir_buf_json_str(row, weir_str_c(reason));
		weir_buf_char(row, '}');
	}
	return weir_query_row_end(a->out);
}

int weir__window_query(struct weir_node *n, const struct weir_query *q, struct weir_query_out *out)
{
	struct weir_window_op *op = n->op;
	struct weir_window_ask a = {.q = q, .out = out};
	int r = 0;

	if (op->payload.part)
		return weir_global_query_elsewhere(n, q, out);
	if (q->verb == WEIR_QUERY_CONFLICTS)
		return weir_err_set(&out->err, WEIR_E_USAGE,
				    "step `%s` is an aggregate: only tables have conflicts",
				    n->step_name);
	weir_slab_init(&a.slab, op->mem);
	if (q->verb == WEIR_QUERY_GET) {
		void *key = weir_slab_alloc(&a.slab, op->key.bytes);

		r = weir_window_key_parse(&op->key, q->key, &a.slab, key, &out->err);
		memcpy(&a.hash, key, 8);
		out->hash = a.hash;
		out->hashed = op->key.count > 0;
		a.key = key;
		if (r < 0)
			weir_err_prefix(&out->err, "step `%s`", n->step_name);
	}
	if (r == 0)
		r = op->store->query(op, &a);
	weir_slab_fini(&a.slab);
	return r;
}
