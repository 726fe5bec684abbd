/* SPDX-License-Identifier: Apache-2.0 */
/* tests/sim/moment.h - moments at which an armed kill may strike; world.c decides. */
#ifndef WEIR_TESTS_SIM_MOMENT_H
#define WEIR_TESTS_SIM_MOMENT_H

#include <stdbool.h>

enum sim_moment {
	SIM_AT_ROUND = 0, /* between two turns */
	SIM_AT_DISK, /* before or after a call of the disk */
	SIM_AT_SINK, /* before or after a call of a sink */
	SIM_AT_REPORT, /* between a task's report and the cell */
	SIM_AT_MAKE, /* a segment has a name, and not yet its length */
	SIM_AT_READ, /* the engine at work reads a base back */
	SIM_AT_COUNT
};

struct sim;
/* May not return: the engine is killed here. */
void sim_moment(struct sim *s, enum sim_moment at);
/* A segment was unlinked: what is left must do (I36). whole: it was not cut short when it was made. */
void sim_unlinked(struct sim *s, const char *name, bool whole);

#endif
