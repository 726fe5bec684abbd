/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/hooks.h"

#include <stdlib.h>

#include "base/keyhash.h"
#include "tests/sim/situation.h"

static struct sim_site site[] = {
#define SIM_SITE_probe(name_) {.name = name_},
#define SIM_SITE_buggify(name_) {.name = name_, .kind = SIM_SITE_BUGGIFY},
#include "tests/sim/names.inc"
#define SIM_SITUATION_X(name_, text_) {.name = text_, .kind = SIM_SITE_SITUATION},
	SIM_SITUATION_LIST(SIM_SITUATION_X)
#undef SIM_SITUATION_X
};

#define SITES WEIR_COUNT_OF(site)
#define SITUATIONS (&site[SITES - SIM_SITUATION_COUNT])
#define SLOTS 1024u

static struct sim_site
	*slot[SLOTS]; /* by name; several places in the code have one name's text each */
static uint64_t run_number;

static uint32_t slot_of(const char *name)
{
	uint64_t h = weir_hash_text((struct weir_str){name, strlen(name)});

	return (uint32_t)h & (SLOTS - 1);
}

static struct sim_site *find(const char *name)
{
	for (uint32_t i = slot_of(name); slot[i]; i = (i + 1) & (SLOTS - 1))
		if (strcmp(slot[i]->name, name) == 0)
			return slot[i];
	fprintf(stderr, "weir-sim: `%s` is in no list: build again\n", name);
	abort();
}

static void fill(void)
{
	if (run_number)
		return;
	for (uint32_t i = 0; i < SITES; i++) {
		uint32_t at = slot_of(site[i].name);

		while (slot[at])
			at = (at + 1) & (SLOTS - 1);
		slot[at] = &site[i];
	}
}

static void hit(struct sim_site *p)
{
	p->hits++;
	p->runs += p->last_run != run_number;
	p->last_run = run_number;
}

const struct sim_site *sim_site_find(const char *name)
{
	return find(name);
}

void sim_situation(enum sim_situation what)
{
	hit(&SITUATIONS[what]);
}

static void on_probe(void *ctx, const char *name)
{
	(void)ctx;
	hit(find(name));
}

static bool on_buggify(void *ctx, const char *name)
{
	struct sim *s = sim_now; /* of several regions the one that runs */
	struct sim_site *p = find(name);

	(void)ctx;
	if (!p->on || !sim_fault(s, SIM_BUGGIFY, s->opt.hook_rate))
		return false;
	hit(p);
	return true;
}

static struct weir_hooks hooks = {.probe = on_probe, .buggify = on_buggify};

void sim_hooks_begin(struct sim *s)
{
	struct weir_prng p = weir_prng_of(s->seed, "sites");

	fill();
	run_number++;
	for (uint32_t i = 0; i < SITES; i++)
		site[i].on = weir_prng_chance(&p, 1, 4);
	weir_hooks = &hooks;
}

uint32_t sim_sites(const struct sim_site **ret)
{
	*ret = site;
	return SITES;
}

uint32_t sim_sites_print(FILE *to, bool all)
{
	static const char *const kind[] = {"probe", "buggify", "sometimes"};
	uint32_t never = 0;

	for (uint32_t i = 0; i < SITES; i++) {
		never += site[i].hits == 0;
		if (all || site[i].hits == 0)
			fprintf(to, "  %-9s %-48s %10llu in %llu runs%s\n", kind[site[i].kind],
				site[i].name, (unsigned long long)site[i].hits,
				(unsigned long long)site[i].runs, site[i].hits ? "" : "  NEVER");
	}
	return never;
}
