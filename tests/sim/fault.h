/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/fault.h - decisions to do harm: by class, counted, and each can be masked.
 *
 * A decision that says yes gets a number within its class, whether it is masked or not; the shrinker switches
 * classes and then single numbers off and looks whether the same invariant still fails.
 */
#ifndef WEIR_TESTS_SIM_FAULT_H
#define WEIR_TESTS_SIM_FAULT_H

#include "base/prng.h"

#define SIM_FAULT_LIST(X)                                                                          \
	X(KILL, "the engine is killed")                                                            \
	X(KILL_AT, "the kill waits for a certain moment")                                          \
	X(KILL_START, "the engine is killed again while it starts")                                \
	X(POWER, "a kill is a power cut")                                                          \
	X(TORN, "an unfinished write is torn")                                                     \
	X(WRITE_ERROR, "writes fail from now on")                                                  \
	X(READ_ERROR, "a read fails")                                                              \
	X(ROT, "bits of a block at rest change")                                                   \
	X(STALE, "a write is acknowledged and did not happen")                                     \
	X(MISDIRECT, "a write goes to another place of the file")                                  \
	X(FULL, "the disk is full for a while")                                                    \
	X(SLOW_DISK, "writes take a hundred times longer")                                         \
	X(SINK_LOST, "a request to a sink is lost")                                                \
	X(SINK_ACK, "the answer of a sink is lost")                                                \
	X(SINK_LATE, "a request to a sink takes effect much later")                                \
	X(SINK_AWAY, "a sink is away for a while")                                                 \
	X(SINK_SLOW, "a sink is slow")                                                             \
	X(ZOMBIE, "a job of a killed engine still reaches its sink")                               \
	X(CLOCK, "the wall clock jumps")                                                           \
	X(SUSPEND, "the machine is suspended: the monotonic clock jumps")                          \
	X(STARVE, "a task is not run for a while")                                                 \
	X(LATE_REPORT, "what a task reports is late")                                              \
	X(STOP, "the engine is stopped in good order and started again")                           \
	X(RESCALE, "keyed steps start again with another number of tasks")                         \
	X(BUGGIFY, "the unlikely in the code is made likely")                                      \
	/* between regions (regions.h) */                                                          \
	X(GATE_KILL, "a gateway is killed")                                                        \
	X(GATE_SLOW, "a gateway does not run for a while")                                         \
	X(LINK_BREAK, "a link breaks")                                                             \
	X(LINK_CUT, "two regions do not reach each other for a while")                             \
	X(LINK_ONE_WAY, "nothing gets from a region to another one for a while")                   \
	X(LINK_ISLE, "a region is cut off from all others for a while")                            \
	X(LINK_SWIZZLE, "regions are cut off one after the other, and come back in another order") \
	X(LINK_CLOG, "what is on its way between two regions takes long")                          \
	X(LINK_JITTER, "some packets take longer, or are sent again")                              \
	X(LINK_HANG, "a dialled link gets no answer")                                              \
	X(LANE_LOSE, "a gateway loses a frame; its stream breaks soon")                            \
	X(LANE_TWICE, "a gateway hands a frame over twice")                                        \
	X(LANE_FORGE, "a gateway hands over another frame than was sent")                          \
	X(REGION_SLOW, "a region does not run for a while")                                        \
	X(LINK_SILENT, "a link breaks, and only silence tells")                                    \
	X(LINK_ROT, "a bit of a stream changes on its way")                                        \
	X(LINK_DARK, "two regions never reach each other: all goes over others")                   \
	X(LANE_FULL, "a ring has no room for a moment")                                            \
	X(LANE_BACK, "a gateway doubles, loses or forges what receivers answer")

enum sim_fault_class {
#define SIM_FAULT_X(name, text) SIM_##name,
	SIM_FAULT_LIST(SIM_FAULT_X)
#undef SIM_FAULT_X
		SIM_FAULT_COUNT,
	SIM_FAULT_BETWEEN = SIM_GATE_KILL /* and all behind it: of regions only */
};

#define SIM_MASK_MAX 4096 /* numbers that can be masked, per class */

struct sim_mask {
	bool off[SIM_FAULT_COUNT]; /* whole classes */
	uint64_t one[SIM_FAULT_COUNT][SIM_MASK_MAX / 64];
};

struct sim_faults {
	struct weir_prng prng[SIM_FAULT_COUNT];
	uint32_t count[SIM_FAULT_COUNT]; /* yes so far, masked ones too */
	uint32_t done; /* that were not masked */
	const struct sim_mask *mask; /* NULL: none */
};

struct sim;

void sim_faults_init(struct sim_faults *f, uint64_t seed, const struct sim_mask *keep_mask);
/* One opportunity: true in `per_million` of a million cases (when the class takes part, and only before the
 * liveness phase). */
bool sim_fault(struct sim *s, enum sim_fault_class c, uint32_t per_million);
/* A number for a fault that was decided on: 0 .. n-1. */
uint64_t sim_fault_pick(struct sim *s, enum sim_fault_class c, uint64_t n);

const char *sim_fault_name(unsigned c);
const char *sim_fault_text(unsigned c);

#endif
