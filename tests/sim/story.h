/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/story.h - scripted runs whose traces are worth reading (tests/sim/golden).
 *
 * Only story events are printed: no times, no sizes, so that a trace changes when the story does.
 */
#ifndef WEIR_TESTS_SIM_STORY_H
#define WEIR_TESTS_SIM_STORY_H

#include "tests/sim/world.h"

const struct sim_story *sim_story_find(const char *name);
int sim_story_list(void);
/* The story to stdout; lines: every event. 0, or 1 when an invariant failed. */
int sim_story_run(const struct sim_story *story, bool lines);

#endif
