/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/campaign.h"

#include <stdlib.h>
#include <time.h>

#include "tests/sim/hooks.h"
#include "tests/sim/mem.h"

#define CALM_RUNS 6 /* of a user's pipeline */

double sim_cpu_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void sim_campaign_seed(const struct sim_run *run, bool once, struct sim_verdict *ret)
{
	struct sim_run again = *run;
	struct sim_verdict second;

	sim_world_run(run, ret);
	if (once)
		return;
	again.lines = again.golden = again.dump = NULL;
	sim_world_run(&again, &second);
	if (weir_hash128_eq(ret->hash, second.hash) && ret->end == second.end)
		return;
	ret->end = SIM_FAILED;
	snprintf(ret->id, sizeof(ret->id), "SAME");
	snprintf(ret->text, sizeof(ret->text),
		 "two runs of the seed differ: %llu and %llu events, traces %016llx and %016llx",
		 (unsigned long long)ret->events, (unsigned long long)second.events,
		 (unsigned long long)ret->hash.lo, (unsigned long long)second.hash.lo);
}

static void add(struct sim_tally *t, uint64_t seed, const struct sim_verdict *v)
{
	t->seeds++;
	t->events += v->events;
	t->sim_ns += v->sim_ns;
	t->epochs += v->epochs;
	t->lives += v->lives;
	t->faults += v->faults;
	t->damage += v->damage_found;
	t->rows += v->rows;
	if (v->end != SIM_FAILED)
		return;
	if (!t->failed++) {
		t->first_failed = seed;
		t->first = *v;
	}
}

static void print_failure(uint64_t seed, const struct sim_verdict *v)
{
	printf("seed %llu FAILED %s: %s\n", (unsigned long long)seed, v->id, v->text);
}

static void print_detail(const struct sim_verdict *v)
{
	printf("  result     %s%s%s\n"
	       "  run        %.3f s simulated, %llu events, %llu starts, %llu faults, %llu epochs, "
	       "%llu rows in sinks\n"
	       "  trace      %016llx%016llx\n",
	       v->end == SIM_FAILED ? "FAILED " : "fine", v->end == SIM_FAILED ? v->id : "",
	       v->end == SIM_FAILED ? "" : "", (double)v->sim_ns / 1e9,
	       (unsigned long long)v->events, (unsigned long long)v->lives,
	       (unsigned long long)v->faults, (unsigned long long)v->epochs,
	       (unsigned long long)v->rows, (unsigned long long)v->hash.hi,
	       (unsigned long long)v->hash.lo);
}

/* For somebody who wants to know about a pipeline, not about the engine. */
static void print_pipeline(const struct sim_tally *t, bool twice, const struct sim_user *u)
{
	uint32_t compared = 0;

	for (uint32_t i = 0; i < u->sums; i++)
		compared += !u->sum[i].varies;
	printf("%llu runs with faults%s: %llu starts, %llu faults, %llu records in sinks; %.1f s CPU\n",
	       (unsigned long long)t->seeds, twice ? ", each twice" : "",
	       (unsigned long long)t->lives, (unsigned long long)t->faults,
	       (unsigned long long)t->rows, t->cpu_s);
	if (t->failed)
		printf("%llu of them FAILED\n", (unsigned long long)t->failed);
	else
		printf("nothing found: in all of them %u of %u sinks had the very records they get "
		       "without faults\n",
		       compared, u->sums);
}

static void print_tally(const struct sim_tally *t, bool twice)
{
	double cpu = t->cpu_s > 0 ? t->cpu_s : 1e-9, runs = twice ? 2 : 1;

	printf("%llu seeds%s, %llu failed; %llu starts, %llu faults, %llu damages reported, %llu epochs, "
	       "%llu rows in sinks\n",
	       (unsigned long long)t->seeds, twice ? ", each twice" : "",
	       (unsigned long long)t->failed, (unsigned long long)t->lives,
	       (unsigned long long)t->faults, (unsigned long long)t->damage,
	       (unsigned long long)t->epochs, (unsigned long long)t->rows);
	printf("%.1f s CPU: %.0f simulated seconds per CPU second, %.0f seeds per CPU minute, %.0f events "
	       "per second\n",
	       t->cpu_s, (double)t->sim_ns * runs / 1e9 / cpu, (double)t->seeds * 60 / cpu,
	       (double)t->events * runs / cpu);
}

static void print_json(const struct sim_tally *t, bool twice)
{
	double cpu = t->cpu_s > 0 ? t->cpu_s : 1e-9, runs = twice ? 2 : 1;
	const struct sim_site *site;
	uint32_t n = sim_sites(&site), never = 0;

	for (uint32_t i = 0; i < n; i++)
		never += site[i].hits == 0;
	printf("{\"seeds\": %llu, \"failed\": %llu, \"first_failed\": %llu, \"invariant\": \"%s\", "
	       "\"starts\": %llu, \"faults\": %llu, \"damage_reported\": %llu, \"epochs\": %llu, "
	       "\"rows\": %llu, \"events\": %llu, \"cpu_seconds\": %.2f, \"simulated_per_cpu_second\": "
	       "%.1f, \"seeds_per_cpu_minute\": %.1f, \"sites\": %u, \"sites_never_hit\": %u}\n",
	       (unsigned long long)t->seeds, (unsigned long long)t->failed,
	       (unsigned long long)t->first_failed, t->failed ? t->first.id : "",
	       (unsigned long long)t->lives, (unsigned long long)t->faults,
	       (unsigned long long)t->damage, (unsigned long long)t->epochs,
	       (unsigned long long)t->rows, (unsigned long long)t->events, t->cpu_s,
	       (double)t->sim_ns * runs / 1e9 / cpu, (double)t->seeds * 60 / cpu, n, never);
}

/* What the user's pipeline gives without faults, several times: other tasks, other orders. */
static bool reference(const struct sim_campaign *c, struct sim_user *u)
{
	struct sim_options o;
	struct sim_verdict v;

	u->path = c->pipeline;
	u->collect = true;
	for (uint64_t i = 0; i < CALM_RUNS; i++) {
		struct sim_run run = {.seed = i + 1, .opt = &o, .user = u};

		sim_options_of(&o, run.seed);
		sim_options_calm(&o);
		o.parallelism = 1 + (uint32_t)i % 4;
		sim_world_run(&run, &v);
		if (v.end == SIM_FAILED) {
			fprintf(stderr, "weir-sim: %s\n", v.text);
			return false;
		}
	}
	u->collect = false;
	for (uint32_t i = 0; i < u->sums; i++)
		if (u->sum[i].varies)
			fprintf(stderr,
				"weir-sim: sink `%s`: %s compared: also without faults its records "
				"differ from run to run, with the order in which tasks get them\n",
				u->sum[i].step,
				u->sum[i].rows_vary ? "nothing is"
						    : "only the number of its records is");
	return true;
}

static int finish(const struct sim_campaign *c, struct sim_tally *t, struct sim_user *user)
{
	if (c->json)
		print_json(t, !c->once);
	else if (user)
		print_pipeline(t, !c->once, user);
	else
		print_tally(t, !c->once);
	if (c->shrink && t->failed)
		sim_shrink(t->first_failed, c->regions, user, &t->first, stdout);
	if (c->probes) {
		uint32_t never = sim_sites_print(stdout, true);

		printf("  %u of them never hit\n", never);
	}
	if (t->failed && !c->json) {
		char regions[24] = "";

		if (c->regions)
			snprintf(regions, sizeof(regions), "--regions %u ", c->regions);
		printf("again: weir-sim %s--seed %llu%s%s (with --trace: every event; with "
		       "--shrink: the faults that are needed)\n",
		       regions, (unsigned long long)t->first_failed, c->pipeline ? " " : "",
		       c->pipeline ? c->pipeline : "");
	}
	sim_mem_free();
	return t->failed ? 1 : 0;
}

static int one_plant(const struct sim_campaign *c)
{
	struct sim_verdict v;
	uint64_t n = sim_plant_seeds(c->plant, c->regions, c->first, c->last, &v),
		 seed = c->first + n - 1;

	if (!n) {
		printf("%s: not found by seeds %llu-%llu\n", sim_plant_name(c->plant),
		       (unsigned long long)c->first, (unsigned long long)c->last);
		return 1;
	}
	printf("%s: found by seed %llu (number %llu): %s: %s\n", sim_plant_name(c->plant),
	       (unsigned long long)seed, (unsigned long long)n, v.id, v.text);
	if (c->shrink) {
		sim_plant_set(c->plant);
		sim_shrink(seed, c->regions, NULL, &v, stdout);
	}
	sim_mem_free();
	return 0;
}

int sim_campaign_run(const struct sim_campaign *c)
{
	struct sim_tally t = {0};
	struct sim_user *user = c->pipeline ? sim_alloc(sizeof(*user)) : NULL;
	double from = sim_cpu_seconds();
	bool detail = c->detail;
	int r;

	if (c->plant)
		return one_plant(c);
	if (c->seconds)
		detail = false;
	if (user && !reference(c, user)) {
		free(user);
		return 2;
	}
	for (uint64_t seed = c->first; c->seconds || seed <= c->last; seed++) {
		struct sim_run run = {.seed = seed,
				      .user = user,
				      .regions = c->regions,
				      .lines = c->trace ? stdout : NULL,
				      .dump = detail ? stdout : NULL};
		struct sim_verdict v;

		if (detail && !c->json) {
			struct sim_options o;

			if (c->regions)
				sim_options_regions(&o, seed, c->regions);
			else
				sim_options_of(&o, seed);
			printf("seed %llu\n", (unsigned long long)seed);
			sim_options_print(&o, !user, stdout);
			fflush(stdout);
		}
		sim_campaign_seed(&run, c->once, &v);
		add(&t, seed, &v);
		if (v.end == SIM_FAILED && !c->json)
			print_failure(seed, &v);
		if (detail && !c->json)
			print_detail(&v);
		t.cpu_s = sim_cpu_seconds() - from;
		if (c->seconds && t.cpu_s >= (double)c->seconds)
			break;
	}
	r = finish(c, &t, user);
	free(user);
	return r;
}
