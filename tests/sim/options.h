/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/options.h - what one seed chooses: the workload and which faults take part.
 *
 * Swarm testing (Groce et al., ISSTA 2012): each class of faults is absent from half of the runs, so that none hides
 * another.
 */
#ifndef WEIR_TESTS_SIM_OPTIONS_H
#define WEIR_TESTS_SIM_OPTIONS_H

#include <stdio.h>

#include "engine/core/pipeline.h"
#include "tests/sim/fault.h"

enum sim_key { SIM_KEY_INT = 0, SIM_KEY_TEXT = 1, SIM_KEY_BOTH = 2 };

struct sim_options {
	/* workload */
	uint32_t records; /* of all source tasks */
	uint32_t sources; /* tasks of the source step */
	uint32_t keys;
	bool zipf;
	enum sim_key key;
	uint32_t text_max; /* bytes of the text field */
	uint64_t spread_ns; /* event time from one record of a task to the next */
	uint64_t disorder_ns;
	uint64_t lateness_ns; /* of the source: below the disorder, records come late */
	enum weir_window_kind window;
	uint64_t window_ns, slide_ns;
	uint64_t window_late_ns; /* allowed lateness of the window */
	bool top, sums, split, marks; /* further branches */
	uint32_t parallelism; /* of keyed steps */
	uint32_t sink_tasks;
	bool loose_sink; /* `joined` keeps no cursor */
	uint32_t
		stream_sinks; /* sinks that stream: 1 `audit`, 2 `sumout` and `bests`, 3 all of them */
	uint64_t stream_memory, stream_buffer, stream_spill;
	bool file_sink; /* the windows' sink is file-like */
	uint32_t ring_bytes, record_max;
	uint64_t run_ns; /* the source gives all its records in this time */
	/* epochs */
	uint64_t epoch_ns, epoch_bytes, deadline_ns, base_bytes, segment_bytes;
	uint32_t in_flight;
	uint32_t journal_bytes; /* that may be on their way to the disk */
	/* several regions (regions.h) */
	uint32_t regions; /* 0: one */
	uint32_t gateways; /* of each */
	uint32_t all_set; /* where `all` runs: bits */
	uint32_t hop[3]; /* from, over, to: regions */
	uint64_t lane_bytes;
	uint64_t buffer_bytes, spill_bytes; /* of an edge */
	uint32_t compression; /* enum of struct weir_cluster */
	uint64_t delay_ns; /* between regions, at most */
	uint32_t link_rate; /* per million */
	bool heavy; /* more than the credit of a stream is on its way */
	uint32_t dark[2]; /* regions that never reach each other (SIM_LINK_DARK) */
	/* faults */
	bool on[SIM_FAULT_COUNT];
	uint64_t kill_every_ns; /* mean */
	uint32_t damage_rate, disk_rate, sink_rate, task_rate,
		hook_rate; /* per million opportunities */
	uint64_t fault_ns; /* length of the safety phase */
};

void sim_options_of(struct sim_options *o, uint64_t seed);
/* No faults; the same workload. */
/* regions_options.c: what differs with several regions; of the world, and of one of them. */
void sim_options_regions(struct sim_options *o, uint64_t seed, uint32_t regions);
void sim_options_region(struct sim_options *ret, const struct sim_options *world, uint64_t seed,
			uint32_t number);
void sim_options_calm(struct sim_options *o);
/* The workload too, unless the pipeline is the user's. */
void sim_options_print(const struct sim_options *o, bool workload, FILE *to);

#endif
