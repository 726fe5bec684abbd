/* SPDX-License-Identifier: Apache-2.0 */
/*
 * numa/plan.h - which task runs on which worker, and which worker on which cpu.
 *
 * Pure function of (topology, task graph): the same input gives the same plan on every machine.
 * Aims, in this order: no worker has much more weight than the others; tasks that talk share a
 * worker, else an L3, else a node, else a package; SMT siblings stay free while whole cores are.
 */
#ifndef WEIR_NUMA_PLAN_H
#define WEIR_NUMA_PLAN_H

#include "base/mem.h"
#include "numa/topo.h"

struct weir_plan_task {
	uint32_t weight; /* relative cost, at least 1 */
	uint32_t group; /* instances of one chain share a group: spread over the workers */
};

struct weir_plan_link {
	uint32_t from, to; /* tasks */
	uint32_t weight; /* relative traffic */
};

struct weir_plan {
	uint32_t worker_count;
	uint32_t *worker_cpu; /* worker -> index into topo->cpu */
	uint32_t *task_worker;
	bool oversubscribed; /* more workers were asked for than cpus are allowed */
};

/* workers 0: one per allowed core (SMT siblings left out), at most task_count. More workers than cpus:
 * honoured, oversubscribed is set. Memory from region. 0 or WEIR_E_RANGE (no cpu, no task, a link to
 * no task, more than 1024 workers, 2^24 tasks or 2^30 links). */
int weir_plan_place(const struct weir_topo *topo, uint32_t workers,
		    const struct weir_plan_task *task, uint32_t task_count,
		    const struct weir_plan_link *link, uint32_t link_count,
		    struct weir_region *region, struct weir_plan *ret);

#endif
