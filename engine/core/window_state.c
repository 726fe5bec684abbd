/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State of windows in bundles: what slices and sessions have in common.
 *
 *   part:  | watermark i64 | head of the store | what is gone | records ... |
 */
#include "base/assert.h"
#include "engine/core/window.h"

static void state_freeze(struct weir_node *n, struct weir_out *o)
{
	struct weir_window_op *op = n->op;

	weir_assert(op->track.on && !op->due && !op->applied);
	weir_out_i64(o, op->watermark);
	if (weir_planted(FREEZE_LATE))
		return;
	op->store->freeze(op, o);
}

static bool state_encode(struct weir_node *n, struct weir_out *o, size_t budget)
{
	struct weir_window_op *op = n->op;

	if (weir_planted(FREEZE_LATE) && !op->track.part)
		op->store->freeze(op, o);
	if (!op->store->encode(op, WEIR_MAX(budget, (size_t)1)))
		return false;
	weir_track_done(&op->track);
	return true;
}

static bool state_touch(struct weir_node *n, bool begin, size_t budget)
{
	struct weir_window_op *op = n->op;

	return op->store->touch(op, begin, WEIR_MAX(budget, (size_t)1));
}

static int state_restore(struct weir_node *n, struct weir_restore *r)
{
	struct weir_window_op *op = n->op;
	int64_t watermark;

	weir_assert(op->track.on);
	if (r->instances_then == r->instances && r->instance_then != r->instance)
		return 0;
	watermark = weir_read_i64(&r->in);
	if (r->in.bad)
		return weir_track_corrupt(&op->track, "it is cut short");
	/* Of all tasks and epochs: it never goes back. */
	op->watermark = WEIR_MAX(op->watermark, watermark);
	return op->store->restore(op, r);
}

static int state_restored(struct weir_node *n)
{
	struct weir_window_op *op = n->op;

	return op->store->restored(op);
}

static void state_sign(const struct weir_node *n, struct weir_buf *b)
{
	const struct weir_window_op *op = n->op;
	const struct weir_slicing *s = &op->slicing;

	weir_buf_printf(b, "%s 1 size=%lld slide=%lld offset=%lld key=(", op->store->sign,
			(long long)s->size, (long long)s->slide, (long long)s->offset);
	weir_window_key_sign(&op->key, b);
	weir_buf_lit(b, ") ");
	op->payload.sign(op->payload.ctx, b);
}

const struct weir_state_ops weir__window_state = {
	.freeze = state_freeze,
	.encode = state_encode,
	.touch = state_touch,
	.restore = state_restore,
	.restored = state_restored,
	.sign = state_sign,
};
