/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/source.h - what all sources share: pace, watermark, idleness, end.
 *
 * struct weir_source is the first member of each source's own structure (node->op). The source's run()
 * emits at most `budget` rows, keeps `watermark` up to date, and sets `ended` when there will never be
 * more. The unit (engine/core/unit.c) turns that into controls.
 */
#ifndef WEIR_ENGINE_CORE_SOURCE_H
#define WEIR_ENGINE_CORE_SOURCE_H

#include "engine/core/op.h"

struct weir_source {
	uint32_t budget; /* rows this run() may emit; set by the unit */
	bool drains; /* has read ahead: asked to stop, it finishes what it holds and then sets ended */
	bool stopping; /* set by the unit: take nothing new from outside */
	bool ended; /* nothing will ever come again; set by the source */
	bool cut; /* it ended because it was asked to stop: a later run goes on behind this place */
	bool silent; /* the source itself knows that its input is idle: told once; false: it goes on */
	bool timed; /* records carry event times */
	int64_t watermark; /* no later record has a time at or below; set by the source */
	int64_t lateness_ns;
	int64_t idle_ns; /* 0: never idle */
	uint64_t wait_ns; /* when run() gave nothing: look again after so long; 0: at once */
	uint64_t rate; /* rows per second for this task, 0: no limit */
	uint64_t rows; /* emitted; set by the source */
	uint64_t durable; /* newest epoch that is durable; weir_source_settle() */

	/* the unit's own */
	uint64_t rows_told; /* rows when the last watermark went out */
	uint64_t told_ns, active_ns; /* monotonic */
	uint64_t rate_from_ns, rate_rows;
	bool idle;
};

/* Raises the watermark after a record with this time. */
weir_inline void weir_source_saw(struct weir_source *s, int64_t time_ns)
{
	int64_t w;

	if (__builtin_sub_overflow(time_ns, s->lateness_ns, &w) || w == INT64_MIN)
		return;
	if (w - 1 > s->watermark)
		s->watermark = w - 1;
}

/* Epochs up to here are durable. */
weir_inline void weir_source_settle(struct weir_node *n, uint64_t durable)
{
	struct weir_source *s = (struct weir_source *)n->op;

	if (durable <= s->durable)
		return;
	s->durable = durable;
	if (n->cls->settled)
		n->cls->settled(n);
}

#endif
