/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/hooks.h - probes and buggify points of the production code, and situations of the simulator's own
 * (situation.h), counted over all runs.
 *
 * Names come from the source (a list made when this is built), so that those never hit are known.
 * Buggify: a site takes part in a run with a chance of 1 in 4, and then fires now and then.
 */
#ifndef WEIR_TESTS_SIM_HOOKS_H
#define WEIR_TESTS_SIM_HOOKS_H

#include <stdio.h>

#include "tests/sim/sim.h"

struct sim_site {
	const char *name;
	enum { SIM_SITE_PROBE = 0, SIM_SITE_BUGGIFY, SIM_SITE_SITUATION } kind;
	bool on; /* in this run */
	uint64_t hits, runs; /* runs: with at least one hit */
	uint64_t last_run;
};

void sim_hooks_begin(struct sim *s);
const struct sim_site *sim_site_find(const char *name); /* must be there */
uint32_t sim_sites(const struct sim_site **ret);
/* Counts; those never hit are marked. Returns how many. */
uint32_t sim_sites_print(FILE *to, bool all);

#endif
