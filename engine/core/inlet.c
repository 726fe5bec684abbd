/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/hooks.h"
#include "engine/core/outlet.h"

void weir_inlet_init(struct weir_inlet *in, uint32_t ring_count, struct weir_region *region)
{
	memset(in, 0, sizeof(*in));
	in->ring_count = ring_count;
	in->ring = weir_region_array(region, struct weir_inlet_ring, ring_count);
	in->watermark = WEIR_TIME_MIN;
	for (uint32_t i = 0; i < ring_count; i++)
		in->ring[i].watermark = WEIR_TIME_MIN;
}

void weir_inlet_release(struct weir_inlet *in)
{
	struct weir_ring_rx *rx;

	if (!in->held_bytes)
		return;
	rx = &in->ring[in->held].rx;
	weir_ring_consume(rx, in->held_bytes);
	in->held_bytes = 0;
	/* Space goes back by the quarter ring, or when nothing more is waiting: each release moves a
	 * cache line that the producer polls. */
	if (rx->head - rx->released >= (rx->mask + 1) / 4 || rx->head == rx->tail_cache)
		weir_ring_release(rx);
}

/* Lowest watermark of the rings that count; *ret_counted 0 when all are idle. */
static int64_t merged_watermark(const struct weir_inlet *in, uint32_t *ret_counted)
{
	int64_t w = WEIR_TIME_MAX;
	uint32_t counted = 0;

	for (uint32_t i = 0; i < in->ring_count; i++) {
		const struct weir_inlet_ring *r = &in->ring[i];

		if (r->ended || r->idle)
			continue;
		counted++;
		w = WEIR_MIN(w, r->watermark);
	}
	*ret_counted = counted;
	return w;
}

/* A ring's state changed: what the task as a whole has to be told, if anything. */
static bool merge(struct weir_inlet *in, struct weir_ctl *ret)
{
	uint32_t counted, ended = 0;
	int64_t w;

	for (uint32_t i = 0; i < in->ring_count; i++)
		ended += in->ring[i].ended;
	if (ended == in->ring_count) {
		*ret = (struct weir_ctl){.kind = WEIR_FRAME_EOS};
		return true;
	}
	w = merged_watermark(in, &counted);
	if (counted == 0) {
		if (in->idle)
			return false;
		in->idle = true;
		*ret = (struct weir_ctl){.kind = WEIR_FRAME_IDLE};
		return true;
	}
	in->idle = false;
	if (w <= in->watermark)
		return false;
	in->watermark = w;
	*ret = (struct weir_ctl){.kind = WEIR_FRAME_WATERMARK, .value = w};
	return true;
}

static bool take_control(struct weir_inlet *in, struct weir_inlet_ring *r,
			 const struct weir_frame *f, struct weir_ctl *ret)
{
	switch (f->kind) {
	case WEIR_FRAME_WATERMARK:
		r->watermark = WEIR_MAX(r->watermark, f->time_ns);
		r->idle = false;
		return merge(in, ret);
	case WEIR_FRAME_IDLE:
		r->idle = true;
		return merge(in, ret);
	case WEIR_FRAME_EOS:
		r->ended = true;
		return merge(in, ret);
	case WEIR_FRAME_MARKER:
		*ret = (struct weir_ctl){.kind = WEIR_FRAME_MARKER, .value = f->time_ns};
		return true;
	default:
		weir_assert(f->kind == WEIR_FRAME_BARRIER);
		/* One epoch is aligned at a time, so all rings bring the same number. */
		weir_assert(!r->aligned && (in->barrier == 0 || in->barrier == f->key_hash));
		in->barrier = f->key_hash;
		r->aligned = true;
		return false;
	}
}

/* The barrier goes on when every ring has brought it or has ended. */
static bool barrier_due(struct weir_inlet *in, struct weir_ctl *ret)
{
	if (!in->barrier)
		return false;
	for (uint32_t i = 0; i < in->ring_count; i++)
		if (!in->ring[i].aligned && !in->ring[i].ended)
			return false;
	*ret = (struct weir_ctl){.kind = WEIR_FRAME_BARRIER, .value = (int64_t)in->barrier};
	in->barrier = 0;
	for (uint32_t i = 0; i < in->ring_count; i++)
		in->ring[i].aligned = false;
	return true;
}

/* Rows end the idleness of their ring, and of the task: a reader of this task sees the same rows, so
 * that it has to be told again when nothing more comes. */
static void rows_came(struct weir_inlet *in, struct weir_inlet_ring *r)
{
	r->idle = false;
	in->idle = false;
}

static void fill_from(struct weir_inlet *in, uint32_t index, const uint8_t *p, uint64_t bytes,
		      struct weir_batch *b)
{
	struct weir_inlet_ring *r = &in->ring[index];
	const uint8_t *at = p, *end = p + bytes;
	uint32_t before = 0; /* rows in front of the last control */

	b->pos = b->count = 0;
	b->ctl.kind = 0;
	while (at < end && b->count < WEIR_BATCH_ROWS) {
		const struct weir_frame *f = (const struct weir_frame *)(const void *)at;

		at += weir_frame_stride(f);
		if (weir_likely(f->kind == WEIR_FRAME_DATA)) {
			b->row[b->count++] = f;
			continue;
		}
		if (b->count > before)
			rows_came(in, r);
		before = b->count;
		if (take_control(in, r, f, &b->ctl))
			break;
		if (r->aligned && !weir_planted(NO_ALIGN))
			break;
	}
	if (b->count > before)
		rows_came(in, r);
	in->rows += b->count;
	in->held = index;
	in->held_bytes = (uint64_t)(at - p);
}

bool weir_inlet_fill(struct weir_inlet *in, struct weir_batch *b)
{
	weir_assert(weir_batch_empty(b) && in->held_bytes == 0);
	if (barrier_due(in, &b->ctl)) {
		b->pos = b->count = 0;
		return true;
	}
	for (uint32_t k = 0; k < in->ring_count; k++) {
		uint32_t i = in->next;
		const void *p;
		uint64_t n;

		in->next = in->next + 1 == in->ring_count ? 0 : in->next + 1;
		if (in->ring[i].aligned && !weir_planted(NO_ALIGN))
			continue;
		n = weir_ring_peek(&in->ring[i].rx, 1, &p);
		if (!n)
			continue;
		fill_from(in, i, p, n, b);
		if (!weir_batch_empty(b))
			return true;
		/* Only controls that changed nothing yet. */
		weir_inlet_release(in);
		if (barrier_due(in, &b->ctl))
			return true;
	}
	return false;
}
