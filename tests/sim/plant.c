/* SPDX-License-Identifier: Apache-2.0 */
/* Planted bugs: how many seeds it takes to find each. */
#include <stdlib.h>
#include <time.h>

#include "tests/sim/campaign.h"
#include "tests/sim/mem.h"

#define SEEDS_MAX 5000 /* tried for each */

static const char *const name_of[] = {
#define WEIR_PLANT_X(name, text) #name,
	WEIR_PLANT_LIST(WEIR_PLANT_X) WEIR_EDGE_PLANT_LIST(WEIR_PLANT_X)
		WEIR_GATE_PLANT_LIST(WEIR_PLANT_X)
#undef WEIR_PLANT_X
};

static const char *const text_of[] = {
#define WEIR_PLANT_X(name, text) text,
	WEIR_PLANT_LIST(WEIR_PLANT_X) WEIR_EDGE_PLANT_LIST(WEIR_PLANT_X)
		WEIR_GATE_PLANT_LIST(WEIR_PLANT_X)
#undef WEIR_PLANT_X
};

const char *sim_plant_name(unsigned plant)
{
	return plant < WEIR_GATE_PLANT_END ? name_of[plant] : "?";
}

const char *sim_plant_text(unsigned plant)
{
	return plant < WEIR_GATE_PLANT_END ? text_of[plant] : "?";
}

unsigned sim_plant_find(const char *name)
{
	for (unsigned i = 1; i < WEIR_GATE_PLANT_END; i++)
		if (strcmp(name_of[i], name) == 0)
			return i;
	return 0;
}

bool sim_plant_set(unsigned p)
{
#ifdef WEIR_PLANTED
	weir_plant_now = (enum weir_plant)p;
	return true;
#else
	(void)p;
	return false;
#endif
}

uint64_t sim_plant_seeds(unsigned p, uint32_t regions, uint64_t first, uint64_t last,
			 struct sim_verdict *ret)
{
	uint64_t found = 0;

	if (!sim_plant_set(p)) {
		fprintf(stderr,
			"weir-sim: no bugs are planted in this build: make VARIANT=planted\n");
		return 0;
	}
	for (uint64_t seed = first; seed <= last && !found; seed++) {
		struct sim_run run = {.seed = seed, .regions = regions};

		sim_world_run(&run, ret);
		if (ret->end == SIM_FAILED)
			found = seed - first + 1;
	}
	sim_plant_set(WEIR_PLANT_NONE);
	return found;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int sim_campaign_plants(const struct sim_campaign *c)
{
	uint64_t need[WEIR_GATE_PLANT_END], last = c->given ? c->last : c->first + SEEDS_MAX - 1;
	/* With regions those in edges and gateways, and the canary; with one the others. */
	unsigned end = c->regions ? WEIR_GATE_PLANT_END : WEIR_PLANT_COUNT, n = 0, missed = 0;

	if (!sim_plant_set(WEIR_PLANT_NONE)) {
		fprintf(stderr,
			"weir-sim: no bugs are planted in this build: make VARIANT=planted\n");
		return 2;
	}
	printf("%-20s %6s  %-7s %s\n", "bug", "seeds", "by", "how it showed");
	for (unsigned p = 1; p < end; p++) {
		struct sim_verdict v = {0};
		uint64_t found;

		if (c->regions && p > WEIR_PLANT_CANARY && p <= WEIR_PLANT_EDGES)
			continue;
		found = sim_plant_seeds(p, c->regions, c->first, last, &v);

		if (found)
			printf("%-20s %6llu  %-7s %.110s\n", name_of[p], (unsigned long long)found,
			       v.id, v.text);
		else
			printf("%-20s %6s  %-7s %s\n", name_of[p], "-", "-", "NOT FOUND");
		fflush(stdout);
		missed += found == 0;
		need[n++] = found ? found : UINT64_MAX;
	}
	qsort(need, n, sizeof(*need), by_number);
	printf("%u of %u found, median %llu seeds\n", n - missed, n,
	       (unsigned long long)need[n / 2]);
	sim_mem_free();
	return missed ? 1 : 0;
}
