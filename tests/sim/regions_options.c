/* SPDX-License-Identifier: Apache-2.0 */
/* What a seed chooses for several regions. The workload is the same in all of them; epochs and rates are each one's own. */
#include "host/cluster.h"
#include "tests/sim/options.h"

#define MS ((uint64_t)WEIR_NS_PER_MS)

static const enum sim_fault_class single[] = {SIM_ROT,	   SIM_STALE,	SIM_MISDIRECT,
					      SIM_SUSPEND, SIM_RESCALE, SIM_ZOMBIE};

static void shape(struct sim_options *o, struct weir_prng *p, uint32_t n)
{
	uint32_t some = (uint32_t)weir_prng_range(p, 1, WEIR_MIN(n, 3u));

	o->regions = n;
	o->gateways = (uint32_t)weir_prng_range(p, 1, n > 8 ? 1 : 2);
	while ((uint32_t)__builtin_popcount(o->all_set) < some)
		o->all_set |= 1u << weir_prng_below(p, n);
	for (unsigned i = 0; i < 3; i++) {
		o->hop[i] = (uint32_t)weir_prng_below(p, n);
		while ((i > 0 && o->hop[i] == o->hop[0]) || (i > 1 && o->hop[i] == o->hop[1]))
			o->hop[i] = (o->hop[i] + 1) % n;
	}
	o->lane_bytes = (uint64_t)262144 << weir_prng_below(p, 3);
	o->buffer_bytes = (uint64_t)8192 << weir_prng_below(p, 9);
	o->spill_bytes = o->buffer_bytes << weir_prng_below(p, 4);
	o->compression = (uint32_t)weir_prng_range(p, WEIR_COMPRESS_NONE, WEIR_COMPRESS_ZSTD);
	o->delay_ns = weir_prng_range(p, 1, 150) * MS;
	o->link_rate = 200u << weir_prng_below(p, 6);
}

/* Records that fill the credit of streams, and rings, when somebody is slow. */
static void load(struct sim_options *o, struct weir_prng *p, uint32_t n)
{
	o->heavy = n <= 5 && weir_prng_chance(p, 1, 12);
	if (!o->heavy)
		return;
	o->records = (uint32_t)weir_prng_range(p, 3000, 8000);
	o->text_max = 480;
	o->lane_bytes = 262144;
	if (weir_prng_chance(p, 3, 4))
		o->compression = WEIR_COMPRESS_NONE;
	/* Then the outbox does not hold up what the link would take. */
	o->buffer_bytes = (uint64_t)4 << 20;
	o->spill_bytes = (uint64_t)16 << 20;
}

void sim_options_regions(struct sim_options *o, uint64_t seed, uint32_t n)
{
	struct weir_prng p = weir_prng_of(seed, "regions");

	sim_options_of(o, seed);
	shape(o, &p, n);
	o->records = (uint32_t)weir_prng_range(&p, 60, n > 8 ? 200 : 900);
	o->sources = (uint32_t)weir_prng_range(&p, 1, 2);
	o->keys = WEIR_MIN(o->keys, 200u);
	o->run_ns = weir_prng_range(&p, 300, 3000) * MS;
	o->fault_ns = o->run_ns * weir_prng_range(&p, 1, 3);
	o->kill_every_ns = WEIR_MAX(o->run_ns / weir_prng_range(&p, 1, 8), 200 * MS);
	/* Nothing is late: then windows can be counted whatever the order in which edges deliver. */
	o->lateness_ns = o->disorder_ns;
	o->window = WEIR_WINDOW_TUMBLING;
	o->slide_ns = o->window_ns;
	o->window_late_ns = 0;
	load(o, &p, n);
	o->dark[0] = (uint32_t)weir_prng_below(&p, n);
	o->dark[1] = (o->dark[0] + 1 + (uint32_t)weir_prng_below(&p, n - 1)) % n;
	/* Who has no direct link shows relays at their work: not in every other run. */
	o->on[SIM_LINK_DARK] &= weir_prng_chance(&p, 1, 2);
	o->top = o->sums = o->split = o->marks = o->loose_sink = o->file_sink = false;
	o->stream_sinks = 0;
	for (unsigned i = 0; i < WEIR_COUNT_OF(single); i++)
		o->on[single[i]] = false;
}

void sim_options_region(struct sim_options *ret, const struct sim_options *world, uint64_t seed,
			uint32_t number)
{
	struct sim_options own;

	sim_options_of(&own, seed);
	*ret = *world;
	ret->epoch_ns = WEIR_MAX(own.epoch_ns, 5 * MS);
	ret->epoch_bytes = own.epoch_bytes;
	ret->in_flight = own.in_flight;
	ret->deadline_ns = own.deadline_ns;
	ret->base_bytes = own.base_bytes;
	ret->segment_bytes = own.segment_bytes;
	ret->journal_bytes = own.journal_bytes;
	ret->stream_memory = own.stream_memory;
	ret->sink_rate = own.sink_rate;
	ret->task_rate = own.task_rate;
	ret->disk_rate = own.disk_rate;
	/* Not all regions are killed as often. */
	ret->kill_every_ns = world->kill_every_ns * (1 + (number + seed) % 3);
}
