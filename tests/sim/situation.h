/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/situation.h - combinations that a good campaign comes through now and then, counted like probes.
 *
 * One that never comes says that the models or the options leave something out.
 */
#ifndef WEIR_TESTS_SIM_SITUATION_H
#define WEIR_TESTS_SIM_SITUATION_H

#define SIM_SITUATION_LIST(X)                                                                      \
	X(SHADOW, "state compared while running")                                                  \
	X(KILL_BASE_READ, "killed while a base was read back")                                     \
	X(KILL_ROUND, "killed in a base round")                                                    \
	X(KILL_FOLDED, "killed while a folded epoch waits")                                        \
	X(KILL_STARTING, "killed while starting, twice in a row")                                  \
	X(KILL_STOPPING, "killed while stopping")                                                  \
	X(KILL_HELD, "killed while sources were held")                                             \
	X(POWER_WRITES, "power cut with several writes under way")                                 \
	X(UNKNOWN_RESTART, "unknown outcome over a restart")                                       \
	X(OUTBOX_TWO, "start with output for two sinks")                                           \
	X(OUTBOX_OLD, "start with output of two epochs for a sink")                                \
	X(ENDED_OUTBOX, "start behind the end with output left")                                   \
	X(RESCALE_SESSIONS, "rescaled with sessions open")                                         \
	X(RESCALE_BACK, "rescaled twice")                                                          \
	X(FENCED, "a dead engine's request was refused")                                           \
	X(SHORT_FILE, "file cut short while it was made")                                          \
	X(KILL_STREAM, "killed with output on its way to another region")                          \
	X(BRAKE_FULL, "sources stand still for an edge")                                           \
	X(DAMAGE_SEEN, "damage reported at a start")

enum sim_situation {
#define SIM_SITUATION_X(name, text) SIM_SAW_##name,
	SIM_SITUATION_LIST(SIM_SITUATION_X)
#undef SIM_SITUATION_X
		SIM_SITUATION_COUNT
};

void sim_situation(enum sim_situation what);

#endif
