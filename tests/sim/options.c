/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/options.h"

#define MS ((uint64_t)WEIR_NS_PER_MS)

/* low .. high, small values more often. */
static uint64_t skewed(struct weir_prng *p, uint64_t low, uint64_t high)
{
	uint64_t span = high - low + 1, bits = 0;

	while (bits < 63 && span >> bits)
		bits++;
	span = WEIR_MIN(span, UINT64_C(1) << weir_prng_range(p, 1, bits));
	return low + weir_prng_below(p, span);
}

static void workload(struct sim_options *o, struct weir_prng *p)
{
	bool late = weir_prng_chance(p, 1, 3);

	o->records = (uint32_t)weir_prng_range(p, 200, weir_prng_chance(p, 1, 8) ? 20000 : 4000);
	o->sources = (uint32_t)weir_prng_range(p, 1, 4);
	o->keys = (uint32_t)skewed(p, 1, 1000);
	o->zipf = weir_prng_chance(p, 1, 2);
	o->key = (enum sim_key)weir_prng_below(p, 3);
	o->text_max = (uint32_t)skewed(p, 1, 300);
	o->run_ns = weir_prng_range(p, 300, 3000) * MS;
	o->spread_ns = skewed(p, 1, 20) * MS;
	o->disorder_ns = weir_prng_chance(p, 1, 2) ? o->spread_ns * skewed(p, 1, 200) : 0;
	o->lateness_ns = late ? weir_prng_below(p, o->disorder_ns + 1) : o->disorder_ns;
	o->window = (enum weir_window_kind)weir_prng_range(p, WEIR_WINDOW_TUMBLING,
							   WEIR_WINDOW_SESSION);
	/* Late records may be in one of a sliding window's windows and not in another: only tumbling
	 * windows can be counted then. */
	if (o->lateness_ns < o->disorder_ns)
		o->window = WEIR_WINDOW_TUMBLING;
	o->window_ns = o->spread_ns * weir_prng_range(p, 2, 400);
	o->slide_ns = o->window_ns;
	if (o->window == WEIR_WINDOW_SLIDING) {
		uint64_t ms = o->window_ns / weir_prng_range(p, 1, 5) / MS;

		o->slide_ns = WEIR_MAX(ms, (uint64_t)1) * MS;
	}
	o->window_late_ns = weir_prng_chance(p, 1, 3) ? o->spread_ns * skewed(p, 1, 100) : 0;
	o->top = weir_prng_chance(p, 1, 2);
	o->sums = weir_prng_chance(p, 2, 3);
	o->split = weir_prng_chance(p, 1, 3);
	o->parallelism = (uint32_t)weir_prng_range(p, 1, 4);
	o->sink_tasks = (uint32_t)weir_prng_range(p, 1, 2);
	o->file_sink = weir_prng_chance(p, 1, 2);
	o->loose_sink = o->split && weir_prng_chance(p, 1, 2);
	o->marks = weir_prng_chance(p, 1, 3);
	o->record_max = 1024;
	o->ring_bytes = 4096u << weir_prng_below(p, 6);
}

static void epochs(struct sim_options *o, struct weir_prng *p)
{
	o->epoch_ns = skewed(p, 2, 200) * MS;
	o->epoch_bytes = weir_prng_chance(p, 1, 4) ? skewed(p, 1024, 65536) : (uint64_t)64 << 20;
	o->in_flight = (uint32_t)weir_prng_range(p, 1, 6);
	o->deadline_ns = weir_prng_chance(p, 1, 3) ? weir_prng_range(p, 10, 100) * MS
						   : (uint64_t)10 * WEIR_NS_PER_S;
	o->base_bytes = weir_prng_chance(p, 3, 4) ? (uint64_t)4096 << weir_prng_below(p, 8)
						  : (uint64_t)64 << 20;
	o->segment_bytes = (uint64_t)65536 << weir_prng_below(p, 4);
	o->journal_bytes = (uint32_t)2 << (20 + weir_prng_below(p, 2));
}

/* The last choices: those before them stay what they were. */
static void streams(struct sim_options *o, struct weir_prng *p)
{
	o->stream_sinks = weir_prng_chance(p, 1, 2) ? (uint32_t)weir_prng_range(p, 1, 3) : 0;
	o->stream_memory = (uint64_t)1024 << weir_prng_below(p, 12);
	o->stream_buffer = (uint64_t)4096 << weir_prng_below(p, 10);
	o->stream_spill = o->stream_buffer << weir_prng_below(p, 6);
}

void sim_options_of(struct sim_options *o, uint64_t seed)
{
	struct weir_prng p = weir_prng_of(seed, "options"), swarm = weir_prng_of(seed, "swarm");

	memset(o, 0, sizeof(*o));
	workload(o, &p);
	epochs(o, &p);
	for (unsigned c = 0; c < SIM_FAULT_COUNT; c++)
		o->on[c] = weir_prng_chance(&swarm, 1, 2);
	o->kill_every_ns = o->run_ns / skewed(&p, 1, 20);
	o->damage_rate = (uint32_t)weir_prng_range(&p, 1000, 10000);
	o->disk_rate = (uint32_t)skewed(&p, 100, 10000);
	o->sink_rate = (uint32_t)skewed(&p, 1000, 300000);
	o->task_rate = (uint32_t)skewed(&p, 50, 5000);
	o->hook_rate = (uint32_t)weir_prng_range(&p, 20000, 250000);
	o->fault_ns = o->run_ns * weir_prng_range(&p, 1, 3);
	streams(o, &p);
}

void sim_options_calm(struct sim_options *o)
{
	memset(o->on, 0, sizeof(o->on));
}

static void print_streams(const struct sim_options *o, FILE *to)
{
	static const char *const which[] = {"", "audit", "sumout, bests", "audit, sumout, bests"};

	if (o->stream_sinks)
		fprintf(to,
			"  streams    %s; %llu bytes in memory, %llu unconfirmed, %llu while the lane is closed\n",
			which[o->stream_sinks], (unsigned long long)o->stream_memory,
			(unsigned long long)o->stream_buffer, (unsigned long long)o->stream_spill);
}

static void print_workload(const struct sim_options *o, FILE *to)
{
	static const char *const window[] = {"?", "tumbling", "sliding", "session"};
	static const char *const key[] = {"int64", "text", "both"};

	fprintf(to,
		"  workload   %u records in %.0f ms from %u tasks, %u keys%s (%s), window %s %.0f ms every "
		"%.0f ms, lateness %.0f ms\n",
		o->records, (double)o->run_ns / 1e6, o->sources, o->keys, o->zipf ? " zipf" : "",
		key[o->key], window[o->window], (double)o->window_ns / 1e6,
		(double)o->slide_ns / 1e6, (double)o->window_late_ns / 1e6);
	fprintf(to,
		"  times      %.0f ms apart, disorder %.0f ms, watermark %.0f ms behind\n"
		"  graph      parallelism %u, sinks %u%s%s%s%s%s, rings %u bytes, text up to %u bytes\n",
		(double)o->spread_ns / 1e6, (double)o->disorder_ns / 1e6,
		(double)o->lateness_ns / 1e6, o->parallelism, o->sink_tasks,
		o->file_sink ? " file-like" : "", o->top ? ", top" : "", o->sums ? ", sums" : "",
		o->marks ? ", marks" : "",
		o->split ? (o->loose_sink ? ", split (at least once)" : ", split") : "",
		o->ring_bytes, o->text_max);
	print_streams(o, to);
}

void sim_options_print(const struct sim_options *o, bool with_workload, FILE *to)
{
	if (with_workload)
		print_workload(o, to);
	fprintf(to,
		"  epochs     every %.0f ms or %llu bytes, %u in flight, deadline %.0f ms, base after %llu bytes, "
		"segments of %llu bytes\n",
		(double)o->epoch_ns / 1e6, (unsigned long long)o->epoch_bytes, o->in_flight,
		(double)o->deadline_ns / 1e6, (unsigned long long)o->base_bytes,
		(unsigned long long)o->segment_bytes);
	fprintf(to, "  faults     for %.0f ms:", (double)o->fault_ns / 1e6);
	for (unsigned c = 0; c < (o->regions ? SIM_FAULT_COUNT : SIM_FAULT_BETWEEN); c++)
		if (o->on[c])
			fprintf(to, " %s", sim_fault_name(c));
	fprintf(to,
		"\n             a kill every %.0f ms; per million: damage %u, disk %u, sink %u, task %u, code %u\n",
		(double)o->kill_every_ns / 1e6, o->damage_rate, o->disk_rate, o->sink_rate,
		o->task_rate, o->hook_rate);
}
