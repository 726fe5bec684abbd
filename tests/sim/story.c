/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/story.h"

#include "tests/sim/disk.h"
#include "tests/sim/life.h"
#include "tests/sim/mem.h"

/* One key, few records, an epoch every 100 ms: short enough to read. */
static void small(struct sim_options *o)
{
	*o = (struct sim_options){
		.records = 40,
		.sources = 1,
		.keys = 2,
		.text_max = 10,
		.spread_ns = (uint64_t)10 * WEIR_NS_PER_MS,
		.window = WEIR_WINDOW_TUMBLING,
		.window_ns = (uint64_t)100 * WEIR_NS_PER_MS,
		.slide_ns = (uint64_t)100 * WEIR_NS_PER_MS,
		.parallelism = 1,
		.sink_tasks = 1,
		.ring_bytes = 16384,
		.record_max = 1024,
		.run_ns = (uint64_t)400 * WEIR_NS_PER_MS,
		.epoch_ns = (uint64_t)100 * WEIR_NS_PER_MS,
		.epoch_bytes = (uint64_t)64 << 20,
		.deadline_ns = (uint64_t)10 * WEIR_NS_PER_S,
		.base_bytes = (uint64_t)64 << 20,
		.segment_bytes = 65536,
		.in_flight = 4,
		.journal_bytes = (uint32_t)2 << 20,
		.kill_every_ns = (uint64_t)1000 * WEIR_NS_PER_S,
		.fault_ns = (uint64_t)60 * WEIR_NS_PER_S,
	};
}

static uint64_t durable(const struct sim *s)
{
	return s->life && s->life->cell_open ? s->life->cell.durable : 0;
}

/* ---- killed behind the commit, before any sink has the epoch ---- */

static bool kill_before_apply(struct sim *s, enum sim_moment at, bool *ret_power)
{
	*ret_power = false;
	return at == SIM_AT_SINK && s->life_count == 1 && durable(s) == 2;
}

/* ---- a power cut while a bundle is being written ---- */

static void torn_options(struct sim_options *o)
{
	small(o);
	o->on[SIM_TORN] = true;
}

static bool cut_in_write(struct sim *s, enum sim_moment at, bool *ret_power)
{
	*ret_power = true;
	return at == SIM_AT_ROUND && s->life_count == 1 && durable(s) == 2 && s->disk->way_count;
}

/* ---- a base round, then a restart ---- */

static void base_options(struct sim_options *o)
{
	small(o);
	o->records = 600;
	o->text_max = 300;
	o->run_ns = (uint64_t)800 * WEIR_NS_PER_MS;
	o->base_bytes = 65536;
}

static bool kill_after_base(struct sim *s, enum sim_moment at, bool *ret_power)
{
	*ret_power = true;
	return at == SIM_AT_ROUND && s->life_count == 1 && s->life && s->life->cell_open &&
	       s->life->cell.covered > 0;
}

/* ---- an answer is lost, with and without the effect ---- */

static bool lose_answers(struct sim *s, uint64_t epoch, bool *ret_effect)
{
	*ret_effect = epoch == 2;
	return s->check->asked[epoch % 8]++ == 0 && (epoch == 2 || epoch == 3);
}

/* ---- a task reports behind the deadline ---- */

static void fold_options(struct sim_options *o)
{
	small(o);
	o->deadline_ns = (uint64_t)20 * WEIR_NS_PER_MS;
}

static bool report_late(struct sim *s, uint32_t task, uint64_t epoch)
{
	(void)s;
	return task == 0 && epoch == 2;
}

static const struct sim_story stories[] = {
	{.name = "plain", .text = "nothing happens", .options = small},
	{.name = "kill-before-apply",
	 .text = "killed between the commit of an epoch and its way into the sinks",
	 .options = small,
	 .kill = kill_before_apply},
	{.name = "torn-tail",
	 .text = "a power cut tears a bundle that was being written",
	 .options = torn_options,
	 .kill = cut_in_write},
	{.name = "base-and-restart",
	 .text = "a base round, a segment goes, a power cut, everything comes back from the base",
	 .options = base_options,
	 .kill = kill_after_base},
	{.name = "unknown-outcome",
	 .text = "answers of a sink are lost: once behind the effect, once before it",
	 .options = small,
	 .unknown = lose_answers},
	{.name = "folded-epoch",
	 .text = "a task is late: its epoch is folded into the next one",
	 .options = fold_options,
	 .late_report = report_late},
};

const struct sim_story *sim_story_find(const char *name)
{
	for (unsigned i = 0; i < WEIR_COUNT_OF(stories); i++)
		if (strcmp(stories[i].name, name) == 0)
			return &stories[i];
	return NULL;
}

int sim_story_list(void)
{
	for (unsigned i = 0; i < WEIR_COUNT_OF(stories); i++)
		printf("%-20s %s\n", stories[i].name, stories[i].text);
	return 0;
}

int sim_story_run(const struct sim_story *story, bool lines)
{
	struct sim_options o;
	struct sim_run run = {.seed = 1,
			      .opt = &o,
			      .story = story,
			      .golden = lines ? NULL : stdout,
			      .lines = lines ? stdout : NULL,
			      .dump = stderr};
	struct sim_verdict v;

	story->options(&o);
	printf("# %s\n", story->text);
	sim_world_run(&run, &v);
	if (v.end == SIM_FAILED)
		printf("FAILED %s: %s\n", v.id, v.text);
	sim_mem_free();
	return v.end == SIM_FAILED;
}
