/* SPDX-License-Identifier: Apache-2.0 */
/* tests/sim/campaign.h - many seeds, planted bugs, shrinking; what the command line asks for. */
#ifndef WEIR_TESTS_SIM_CAMPAIGN_H
#define WEIR_TESTS_SIM_CAMPAIGN_H

#include "tests/sim/user.h"
#include "tests/sim/world.h"

struct sim_campaign {
	uint64_t first, last;
	bool given; /* seeds were given */
	uint64_t seconds; /* of CPU time; 0: no limit */
	bool detail, once, trace, shrink, plants, probes, json;
	unsigned plant;
	uint32_t regions; /* 0: one */
	const struct sim_story *story;
	const char *pipeline;
};

struct sim_tally {
	uint64_t seeds, failed, first_failed;
	uint64_t events, sim_ns, epochs, lives, faults, damage, rows;
	double cpu_s;
	struct sim_verdict first; /* of the first seed that failed */
};

int sim_campaign_run(const struct sim_campaign *c);
/* plant.c */
int sim_campaign_plants(const struct sim_campaign *c);
bool sim_plant_set(unsigned plant); /* false: not in this build */
unsigned sim_plant_find(const char *name); /* 0: none */
const char *sim_plant_name(unsigned plant);
const char *sim_plant_text(unsigned plant);
/* Seeds first .. last until one fails; its number among them from 1, or 0. */
uint64_t sim_plant_seeds(unsigned plant, uint32_t regions, uint64_t first, uint64_t last,
			 struct sim_verdict *ret);

/* Once, or twice with traces that must be equal. */
void sim_campaign_seed(const struct sim_run *run, bool once, struct sim_verdict *ret);
double sim_cpu_seconds(void);

/* shrink.c: the faults that are left when all others are dropped; prints them. */
void sim_shrink(uint64_t seed, uint32_t regions, struct sim_user *user,
		const struct sim_verdict *failed, FILE *to);

#endif
