/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a failing seed to few faults: whole classes are dropped first, then ever smaller pieces of the list of single
 * faults (delta debugging, Zeller and Hildebrandt 2002), each time only when the same invariant still fails.
 */
#include <stdlib.h>

#include "tests/sim/campaign.h"

#define RUNS_MAX 600

struct shrink {
	uint64_t seed;
	uint32_t regions;
	struct sim_user *user;
	const char *id;
	struct sim_mask mask;
	uint32_t runs;
	uint32_t count[SIM_FAULT_COUNT]; /* of the last failing run */
	uint32_t count_now[SIM_FAULT_COUNT];
};

static bool still_fails(struct shrink *k, const struct sim_mask *mask)
{
	struct sim_run run = {.seed = k->seed,
			      .regions = k->regions,
			      .mask = mask,
			      .user = k->user,
			      .counts = k->count_now};
	struct sim_verdict v;

	if (k->runs++ >= RUNS_MAX)
		return false;
	sim_world_run(&run, &v);
	if (v.end != SIM_FAILED || strcmp(v.id, k->id) != 0)
		return false;
	memcpy(k->count, k->count_now, sizeof(k->count));
	return true;
}

static void drop_classes(struct shrink *k)
{
	for (unsigned c = 0; c < SIM_FAULT_COUNT; c++) {
		struct sim_mask try = k->mask;

		if (!k->count[c])
			continue;
		try.off[c] = true;
		if (still_fails(k, &try))
			k->mask = try;
	}
}

static bool is_off(const struct sim_mask *m, unsigned c, uint32_t i)
{
	return m->off[c] || (i < SIM_MASK_MAX && (m->one[c][i / 64] >> (i % 64) & 1));
}

/* Pieces of one class, half as large each time. */
static void drop_singles(struct shrink *k, unsigned c)
{
	uint32_t n = WEIR_MIN(k->count[c], (uint32_t)SIM_MASK_MAX);

	for (uint32_t piece = n; piece > 0; piece /= 2)
		for (uint32_t at = 0; at < n; at += piece) {
			struct sim_mask try = k->mask;
			bool some = false;

			for (uint32_t i = at; i < WEIR_MIN(at + piece, n); i++) {
				some |= !is_off(&try, c, i);
				try.one[c][i / 64] |= UINT64_C(1) << (i % 64);
			}
			if (some && still_fails(k, &try))
				k->mask = try;
		}
}

static void print_rest(const struct shrink *k, FILE *to)
{
	uint32_t n = 0;

	for (unsigned c = 0; c < SIM_FAULT_COUNT; c++) {
		if (k->mask.off[c])
			continue;
		for (uint32_t i = 0; i < k->count[c]; i++) {
			if (is_off(&k->mask, c, i))
				continue;
			if (n++ < 50)
				fprintf(to, "  %s %u: %s\n", sim_fault_name(c), i,
					sim_fault_text(c));
		}
	}
	fprintf(to, "  %u faults are left, after %u runs\n", n, k->runs);
}

void sim_shrink(uint64_t seed, uint32_t regions, struct sim_user *user,
		const struct sim_verdict *failed, FILE *to)
{
	struct shrink *k = sim_alloc(sizeof(*k));
	struct sim_run run = {
		.seed = seed, .regions = regions, .user = user, .golden = to, .mask = &k->mask};
	struct sim_verdict v;

	k->seed = seed;
	k->regions = regions;
	k->user = user;
	k->id = failed->id;
	fprintf(to, "shrinking seed %llu, %s:\n", (unsigned long long)seed, failed->id);
	if (!still_fails(k, &k->mask)) {
		fprintf(to, "  it does not fail again\n");
		free(k);
		return;
	}
	drop_classes(k);
	for (unsigned c = 0; c < SIM_FAULT_COUNT; c++)
		if (!k->mask.off[c])
			drop_singles(k, c);
	drop_classes(k);
	print_rest(k, to);
	fprintf(to, "what happens then:\n");
	sim_world_run(&run, &v);
	fprintf(to, "  %s: %s\n", v.id, v.text);
	free(k);
}
