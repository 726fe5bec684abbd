/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/unit_epoch.h"

#include "base/hooks.h"
#include "engine/core/cell.h"
#include "engine/core/freeze.h"

#define PIECE_BYTES ((size_t)32 << 10) /* encoded or touched in one turn */

void weir_unit_epochs(struct weir_unit *u, struct weir_region *region,
		      const struct weir_mem *keep_out_mem)
{
	u->epochs = true;
	u->part = weir_region_array(region, struct weir_out, u->task.node_count);
	weir_out_init(&u->own, keep_out_mem);
	for (uint32_t i = 0; i < u->task.node_count; i++) {
		weir_out_init(&u->part[i], keep_out_mem);
		u->task.node[i].part = &u->part[i];
	}
}

void weir__unit_barrier(struct weir_unit *u, uint64_t epoch)
{
	weir_assert(u->epochs && u->phase == WEIR_FREEZE_NONE && epoch == u->epoch + 1);
	u->phase = WEIR_FREEZE_BARRIER;
	u->task.epoch = epoch;
	u->round_reported = u->round;
	for (uint32_t i = 0; i < u->task.node_count; i++)
		u->task.node[i].frozen = false;
}

static void task_part(struct weir_unit *u)
{
	struct weir_out *o = &u->own;

	weir_out_varint(o, u->inlet.ring_count);
	weir_out_i64(o, u->inlet.watermark);
	for (uint32_t i = 0; i < u->inlet.ring_count; i++)
		weir_out_i64(o, u->inlet.ring[i].watermark);
	for (uint32_t i = 0; i < u->task.node_count; i++) {
		const struct weir_node *n = &u->task.node[i];

		if (!*n->step_name)
			continue;
		weir_out_varint(o, n->step);
		weir_out_i64(o, n->watermark);
	}
}

void weir__unit_idle(struct weir_unit *u)
{
	if (u->phase != WEIR_FREEZE_BARRIER)
		return;
	for (uint32_t i = 0; i < u->task.node_count; i++)
		weir_assert(u->task.node[i].frozen || !u->task.node[i].cls->state);
	task_part(u);
	u->epoch = u->task.epoch;
	u->encode_node = 0;
	u->touch_left = u->touch_bytes;
	u->phase = WEIR_FREEZE_ENCODE;
}

/* The end of the input is the task's last barrier. */
static void freeze_last(struct weir_unit *u)
{
	weir__unit_barrier(u, u->epoch + 1);
	u->final = true;
	for (uint32_t i = 0; i < u->task.node_count; i++)
		weir_node_freeze(&u->task.node[i]);
	weir__unit_idle(u);
}

static void encode(struct weir_unit *u)
{
	for (; u->encode_node < u->task.node_count; u->encode_node++) {
		struct weir_node *n = &u->task.node[u->encode_node];

		if (weir_planted(BARRIER_OVERTAKES) && n->cls->source && !u->late) {
			u->late = true;
			return;
		}
		if (weir_planted(BARRIER_OVERTAKES) && n->cls->source)
			n->cls->state->freeze(n, n->part);
		u->late = false;
		if (n->cls->state && n->cls->state->encode &&
		    !n->cls->state->encode(n, n->part, PIECE_BYTES))
			return;
	}
	u->phase = WEIR_FREEZE_READY;
}

/* A piece of the base round; at most touch_bytes between two barriers. */
static bool touch(struct weir_unit *u)
{
	size_t piece = WEIR_MIN(u->touch_left, PIECE_BYTES);

	if (u->round_want <= u->round || u->phase == WEIR_FREEZE_BARRIER || piece == 0)
		return false;
	if (u->round_at != u->round_want) {
		u->round_at = u->round_want;
		u->round_node = 0;
		u->round_begun = false;
	}
	u->touch_left -= piece;
	while (u->round_node < u->task.node_count) {
		struct weir_node *n = &u->task.node[u->round_node];

		if (n->cls->state && n->cls->state->touch &&
		    !n->cls->state->touch(n, !u->round_begun, piece)) {
			u->round_begun = true;
			return true;
		}
		u->round_begun = false;
		u->round_node++;
	}
	u->round = u->round_at;
	return true;
}

int weir__unit_epoch_work(struct weir_unit *u)
{
	bool worked = false;

	if (u->phase == WEIR_FREEZE_ENCODE && !weir_buggify("unit.encode_later")) {
		encode(u);
		worked = true;
	}
	if (u->passed && !u->final && u->phase == WEIR_FREEZE_NONE) {
		freeze_last(u);
		worked = true;
	}
	if (!u->passed)
		worked |= touch(u);
	return worked;
}

static void take(struct weir_report *ret, enum weir_part_kind kind, uint32_t step,
		 struct weir_out *from)
{
	struct weir_report_part *p = &ret->part[ret->part_count++];

	weir_assert(ret->part_count <= WEIR_REPORT_PARTS_MAX);
	p->kind = kind;
	p->step = step;
	weir_out_init(&p->out, from->mem);
	weir_out_append(&p->out, from);
}

bool weir_unit_take(struct weir_unit *u, struct weir_report *ret)
{
	if (u->phase != WEIR_FREEZE_READY)
		return false;
	ret->epoch = u->epoch;
	/* Not `passed`: this epoch may have been frozen before the end came, and untouched. */
	ret->round = u->final ? UINT64_MAX : u->round_reported;
	ret->final = u->final;
	ret->part_count = 0;
	take(ret, WEIR_PART_TASK, u->task.node[0].step, &u->own);
	for (uint32_t i = 0; i < u->task.node_count; i++) {
		struct weir_node *n = &u->task.node[i];

		if (n->cls->sink)
			take(ret, WEIR_PART_SINK, n->step, n->part);
		else if (n->part && n->part->bytes) /* a tap has none */
			take(ret, WEIR_PART_NODE, n->step, n->part);
	}
	u->phase = WEIR_FREEZE_NONE;
	u->done = u->final;
	return true;
}

/* One of several tasks that make up this one: the lowest watermark counts. */
static int64_t join(bool first, int64_t have, int64_t w)
{
	return first ? w : WEIR_MIN(have, w);
}

static void restore_rings(struct weir_unit *u, struct weir_restore *r, bool first)
{
	uint64_t rings = weir_read_varint(&r->in);
	struct weir_inlet *in = &u->inlet;
	bool same = rings == in->ring_count && r->instances == r->instances_then;

	in->watermark = join(first, in->watermark, weir_read_i64(&r->in));
	for (uint64_t i = 0; i < rings && !r->in.bad; i++) {
		int64_t w = weir_read_i64(&r->in);

		if (same && !weir_planted(WATERMARK_LOST))
			in->ring[i].watermark = w;
	}
	for (uint32_t i = 0; i < in->ring_count && !same; i++)
		in->ring[i].watermark = in->watermark;
}

int weir_unit_restore(struct weir_unit *u, struct weir_restore *r)
{
	bool first = u->restored != r->epoch || r->instances == r->instances_then;

	restore_rings(u, r, first);
	while (weir_reader_left(&r->in)) {
		uint64_t step = weir_read_varint(&r->in);
		int64_t watermark = weir_read_i64(&r->in);

		if (r->in.bad || step >= r->step_count)
			return WEIR_E_CORRUPT;
		for (uint32_t i = 0; i < u->task.node_count; i++) {
			struct weir_node *n = &u->task.node[i];

			if (*n->step_name && r->step_now[step] == (int32_t)n->step)
				n->watermark = join(first, n->watermark, watermark);
		}
	}
	u->restored = r->epoch;
	return r->in.bad ? WEIR_E_CORRUPT : 0;
}
