/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/fault.h"

#include <stdio.h>

#include "tests/sim/sim.h"

static const char *const name_of[] = {
#define SIM_FAULT_X(name, text) #name,
	SIM_FAULT_LIST(SIM_FAULT_X)
#undef SIM_FAULT_X
};

static const char *const text_of[] = {
#define SIM_FAULT_X(name, text) text,
	SIM_FAULT_LIST(SIM_FAULT_X)
#undef SIM_FAULT_X
};

const char *sim_fault_name(unsigned c)
{
	return c < SIM_FAULT_COUNT ? name_of[c] : "?";
}

const char *sim_fault_text(unsigned c)
{
	return c < SIM_FAULT_COUNT ? text_of[c] : "?";
}

void sim_faults_init(struct sim_faults *f, uint64_t seed, const struct sim_mask *keep_mask)
{
	char purpose[32];

	memset(f, 0, sizeof(*f));
	f->mask = keep_mask;
	for (unsigned c = 0; c < SIM_FAULT_COUNT; c++) {
		snprintf(purpose, sizeof(purpose), "fault.%s", name_of[c]);
		f->prng[c] = weir_prng_of(seed, purpose);
	}
}

static bool masked(const struct sim_mask *m, enum sim_fault_class c, uint32_t number)
{
	if (!m)
		return false;
	return m->off[c] ||
	       (number < SIM_MASK_MAX && (m->one[c][number / 64] >> (number % 64) & 1));
}

bool sim_fault(struct sim *s, enum sim_fault_class c, uint32_t per_million)
{
	struct sim_faults *f = &s->fault;
	uint32_t number;

	if (!s->opt.on[c] || s->calm || per_million == 0)
		return false;
	if (!weir_prng_chance(&f->prng[c], per_million, 1000000))
		return false;
	number = f->count[c]++;
	if (masked(f->mask, c, number))
		return false;
	f->done++;
	if (c != SIM_BUGGIFY)
		sim_trace(s, SIM_EV_FAULT, c, number, 0);
	return true;
}

uint64_t sim_fault_pick(struct sim *s, enum sim_fault_class c, uint64_t n)
{
	return weir_prng_below(&s->fault.prng[c], n);
}
