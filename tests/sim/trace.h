/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/trace.h - every event goes into one hash; on demand it is also a line.
 *
 * Two runs of a seed must give the same hash. Events marked as story make up the golden traces: no times and no
 * sizes in those lines, so that they only change when the story does.
 */
#ifndef WEIR_TESTS_SIM_TRACE_H
#define WEIR_TESTS_SIM_TRACE_H

#include <stdio.h>

#include "base/checksum.h"

#define SIM_EVENT_LIST(X)                                                                          \
	/* name, story, text; a, b, c are the event's numbers */                                   \
	X(TURN, 0, "task %llu: %llu steps of progress")                                            \
	X(STEP, 0, "cell: open %llu aligned %llu durable %llu")                                    \
	X(OPENED, 1, "epoch %llu opened")                                                          \
	X(REPORT, 0, "task %llu reports epoch %llu")                                               \
	X(ALIGNED, 1, "epoch %llu aligned")                                                        \
	X(DURABLE, 1, "epoch %llu durable")                                                        \
	X(COVERED, 1, "epoch %llu covered: the bundles above it hold all state")                   \
	X(FOLDED, 1, "an epoch was folded into the next one (%llu so far)")                        \
	X(ROUND, 1, "base round %llu begins")                                                      \
	X(WRITE, 0, "disk: write to file %llu, block %llu, %llu blocks")                           \
	X(WRITTEN, 0, "disk: file %llu, block %llu: done with %lld")                               \
	X(READ, 0, "disk: read of file %llu, block %llu, %llu blocks")                             \
	X(CREATE, 1, "disk: file %llu created")                                                    \
	X(UNLINK, 1, "disk: file %llu unlinked")                                                   \
	X(RENAME, 1, "disk: file %llu renamed")                                                    \
	X(CUT, 1, "disk: power cut, %llu writes were under way")                                   \
	X(DAMAGE, 1, "disk: file %llu damaged (kind %llu)")                                        \
	X(HEAL, 1, "disk: damage repaired from a good copy")                                       \
	X(START, 1, "engine starts (life %llu)")                                                   \
	X(READY, 1, "engine at work: fence %llu, newest epoch %llu")                               \
	X(KILL, 1, "engine killed (life %llu)")                                                    \
	X(STOPPED, 1, "engine stopped in good order (life %llu)")                                  \
	X(ERROR, 1, "engine stopped with code -%llu")                                              \
	X(JOB, 0, "sink %llu: job %llu begins, epoch %llu")                                        \
	X(JOB_DONE, 0, "sink %llu: job %llu ends with %lld")                                       \
	X(PREPARE, 1, "sink %llu prepares epoch %llu")                                             \
	X(APPLY, 1, "sink %llu applies epoch %llu, fence %llu")                                    \
	X(REFUSE, 1, "sink %llu refuses epoch %llu, fence %llu")                                   \
	X(UNKNOWN, 1, "sink %llu: outcome of epoch %llu unknown")                                  \
	X(CURSOR, 1, "sink %llu: cursor read, %llu")                                               \
	X(SINK_OPEN, 1, "sink %llu opened: cursor %llu, fence %llu")                               \
	X(NONCE, 0, "nonce of record %llu: %llu")                                                  \
	X(FAULT, 0, "fault: class %llu, number %llu")                                              \
	X(CALM, 1, "faults end")                                                                   \
	X(ENDED, 1, "everything is durable and applied")                                           \
	X(GATE_START, 1, "gateway %llu starts (life %llu)")                                        \
	X(GATE_KILL, 1, "gateway %llu killed (life %llu)")                                         \
	X(LANES, 1, "gateway %llu holds %llu lanes")                                               \
	X(PACKET, 0, "packet of kind %llu, stream %llu, %llu bytes")                               \
	X(BREAK, 1, "link %llu between gateways %llu and %llu breaks")                             \
	X(CONFIRMED, 1, "edge %llu: epoch %llu is confirmed")                                      \
	X(FORGED, 1, "lane of edge %llu: frame %llu forged (kind %llu)")

enum sim_event {
#define SIM_EVENT_X(name, story, text) SIM_EV_##name,
	SIM_EVENT_LIST(SIM_EVENT_X)
#undef SIM_EVENT_X
		SIM_EV_COUNT
};

struct sim_trace {
	struct weir_hash128 hash;
	uint64_t events;
	FILE *lines; /* every event as a line, or NULL */
	FILE *golden; /* story events only, or NULL */
	const char *tag; /* whose events: before each line; NULL: nothing */
};

struct sim;
void sim_trace(struct sim *s, enum sim_event e, uint64_t a, uint64_t b, uint64_t c);

#endif
