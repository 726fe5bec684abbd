/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/pace.h - how fast a source may be while an edge behind it is full: evenly, not on and off.
 *
 *   brake 0 .. 512   no brake
 *         .. 1024    how full the edge is
 *
 * Two meters; the lower one counts:
 *   time   runs slower than the clock: at full speed at 512, not at all at 1024. A source with a `rate` gets its rows by this time, so
 *          that it is slowed down in proportion and does not make up for it later.
 *   base   rows per second. Twice the base at 512, the base at 768, nothing at 1024. The base is what the source gave while it was free;
 *          with a brake it falls while the edge is fuller than 768 and does not empty, and grows while it is emptier and does
 *          not fill. So it comes to what the edge takes, however much faster the source could be, and the edge stays at 768. A brake
 *          alone would have to be held to a thousandth for a source that is a thousand times too fast, and would let it run and
 *          stop with each confirmation instead.
 *
 * Use:    weir_pace_turn() once a turn, or more often; before rows are read weir_pace_wait(), and at most weir_pace_rows() of
 *         them; weir_pace_took() behind it.
 * Thread: the unit's. Pure.
 */
#ifndef WEIR_ENGINE_CORE_PACE_H
#define WEIR_ENGINE_CORE_PACE_H

#include "base/base.h"

#define WEIR_BRAKE_MAX 1024u
#define WEIR_PACE_NS_MIN (UINT64_C(1000) * 1000) /* a shorter wait costs more than it is worth */
#define WEIR_PACE_NS_MAX (UINT64_C(5) * 1000 * 1000) /* the brake is looked at so often */
#define WEIR_PACE_BASE_MIN UINT64_C(200) /* rows per second: so that there is something to grow */

struct weir_pace {
	uint64_t time_ns; /* the source's time */
	uint64_t at_ns; /* clock of the last turn; 0: none yet */
	uint32_t brake; /* 0 .. 1024 */
	uint64_t base; /* rows per second; 0: not known yet */
	uint64_t credit; /* rows it may read now, in billionths; counts with a brake only */
	/* looks at it, some a second */
	uint64_t looked_ns, rows; /* the last one; rows read since */
	uint64_t rate; /* rows per second, over about a second */
	uint32_t fast, slow; /* brake of the last half second and of the last seconds, times 1024 */
};

void weir_pace_turn(struct weir_pace *p, uint32_t brake, uint64_t now_ns);
/* 0: go on; else come again after so long. */
uint64_t weir_pace_wait(const struct weir_pace *p);
/* Rows that may be read now, `most` at most; 0 only when weir_pace_wait() is not. */
uint32_t weir_pace_rows(const struct weir_pace *p, uint32_t most);
void weir_pace_took(struct weir_pace *p, uint64_t rows);

#endif
