/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/world.h - one run: the schedule, the faults in time, lives of the engine one after the other.
 *
 * Safety phase: faults, until opt.fault_ns. Liveness phase: none any more; it must end by itself within a time (L1).
 */
#ifndef WEIR_TESTS_SIM_WORLD_H
#define WEIR_TESTS_SIM_WORLD_H

#include <stdio.h>

#include "tests/sim/sim.h"

struct sim_run {
	uint64_t seed;
	const struct sim_options *opt; /* NULL: of the seed */
	const struct sim_mask *mask;
	const struct sim_story *story;
	struct sim_user *user;
	uint32_t regions; /* so many, and links between them (regions.h); 0: one */
	uint32_t *counts; /* SIM_FAULT_COUNT: faults decided on per class; may be NULL */
	FILE *lines, *golden;
	FILE *dump; /* who waits for whom, when it hangs; NULL: nothing is written */
};

void sim_world_run(const struct sim_run *run, struct sim_verdict *ret);

/* Parts of a run, for a world of several regions. Between open and close sim_now is the caller's to set; step() and what follows
 * a kill may jump to s->out. */
void sim_world_open(struct sim *s, const struct sim_run *run);
void sim_world_begin(struct sim *s); /* before the first step, and after each kill */
bool sim_world_step(
	struct sim *s); /* false: everything is through, in this life and in one after it */
void sim_world_killed(struct sim *s); /* somebody jumped with SIM_JUMP_KILL */
void sim_world_calm(struct sim *s); /* faults end */
void sim_world_close(struct sim *s);

/* schedule.c: one round of everybody, or the clock moves on. 0 or <0: the engine must stop (life->err). */
int sim_round(struct sim *s);

/* A scripted scenario decides about kills itself. */
struct sim_story {
	const char *name, *text;
	void (*options)(struct sim_options *o);
	/* Looked at after every round and moment: true kills (power: a power cut). */
	bool (*kill)(struct sim *s, enum sim_moment at, bool *ret_power);
	/* An answer of a sink: true makes it unknown (effect: it has happened). */
	bool (*unknown)(struct sim *s, uint64_t epoch, bool *ret_effect);
	bool (*late_report)(struct sim *s, uint32_t task, uint64_t epoch);
};

#endif
