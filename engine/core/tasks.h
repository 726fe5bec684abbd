/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/tasks.h - from the graph of a pipeline to chains, tasks and rings.
 *
 * A chain is a tree of steps without an exchange between them: they run fused, one task for each
 * parallel instance. Links join chains: each is a bundle of rings from every task of one chain to the
 * tasks of another.
 *
 * A step joins the chain of the step it reads from when that is its only input, both have the same
 * parallelism, no records have to change places (not keyed, or one task), and `fuse` is not false.
 * Parallelism where the file leaves it open: keyed steps and generators take one task per worker, steps
 * keyed by nothing take one, others take what their input has, sinks take one.
 *
 * Pure. Memory from the region.
 */
#ifndef WEIR_ENGINE_CORE_TASKS_H
#define WEIR_ENGINE_CORE_TASKS_H

#include "engine/core/outlet.h"
#include "engine/core/pipeline.h"

struct weir_chain {
	uint32_t step_count;
	uint16_t *step; /* parents before children; step[0] is the root */
	uint32_t parallelism;
	uint32_t first_task;
	uint32_t weight; /* for placement */
};

struct weir_link {
	uint16_t from_step, from_port, to_step;
	uint32_t from_chain, to_chain;
	enum weir_spread spread;
	/* Ring from task a of the producer to task b of the consumer: first_ring + a * per_task + b,
	 * per_task is 1 for WEIR_SPREAD_FORWARD (and b = 0), else the consumer's parallelism. */
	uint32_t first_ring, per_task, ring_count;
};

struct weir_tasks {
	uint32_t chain_count, link_count, task_count, ring_count;
	struct weir_chain *chain;
	struct weir_link *link;
	uint32_t *step_chain; /* step -> chain */
	uint32_t *step_parallelism; /* step -> resolved parallelism */
	uint32_t *task_chain; /* task -> chain */
};

/* workers: at least 1. 0, or with text WEIR_E_LIMIT (too many tasks or rings), WEIR_E_CONFIG (a pipeline for several regions
 * that weir_regions_plan() has not seen). */
int weir_tasks_plan(const struct weir_pipeline *p, uint32_t workers, struct weir_region *region,
		    struct weir_tasks *ret, struct weir_err *err);

/* Rings that end in a task, over all links, in a fixed order: count, and the ring of each. */
uint32_t weir_tasks_inputs(const struct weir_tasks *t, uint32_t task, uint32_t *ret_ring,
			   uint32_t cap);

/* Task that writes (0) or reads (1) a ring. */
uint32_t weir_tasks_ring_end(const struct weir_tasks *t, uint32_t ring, int reader);
const struct weir_link *weir_tasks_ring_link(const struct weir_tasks *t, uint32_t ring);

const char *weir_spread_name(unsigned spread);

#endif
