/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/pace.h - how fast a source may be while an edge behind it is full: evenly, not on and off.
 *
 *   brake 0 .. 512   no brake                duty 1
 *         .. 1024    falls linearly          duty 1 .. 0: the part of the time in which the source works
 *
 * Two meters, so that both kinds of sources are slowed down in proportion:
 *   time   runs slower than the clock by the duty; a source with a `rate` gets its rows by this time
 *   debt   a batch costs the time until the next turn and earns nothing more than the duty of it; the source goes on
 *          when the debt is paid. A batch is the smallest piece, so with a brake there is one batch a turn.
 *
 * Use:    weir_pace_turn() once a turn, or more often; before rows are read, weir_pace_through() (not in this turn any more) and
 *         weir_pace_wait(); `ran` is set behind them.
 * Thread: the unit's. Pure.
 */
#ifndef WEIR_ENGINE_CORE_PACE_H
#define WEIR_ENGINE_CORE_PACE_H

#include "base/base.h"

#define WEIR_BRAKE_MAX 1024u
#define WEIR_PACE_NS_MIN (UINT64_C(100) * 1000) /* a wait below this costs more than it is worth */
#define WEIR_PACE_NS_MAX (UINT64_C(5) * 1000 * 1000) /* the brake is looked at so often */

struct weir_pace {
	uint64_t time_ns; /* the source's time */
	uint64_t at_ns; /* clock of the last turn; 0: none yet */
	uint64_t debt_ns;
	uint32_t duty; /* 0 .. 1024 */
	bool ran; /* a batch was read in the turn at at_ns; set by the owner */
};

void weir_pace_turn(struct weir_pace *p, uint32_t brake, uint64_t now_ns);
/* The turn has had its batch. */
bool weir_pace_through(const struct weir_pace *p);
/* 0: go on; else come again after so long. */
uint64_t weir_pace_wait(const struct weir_pace *p);

#endif
