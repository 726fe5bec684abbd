/* SPDX-License-Identifier: Apache-2.0 */
/*
 * numa/topo.h - what the machine looks like: processing units, cores, caches, nodes.
 *
 * topo_hwloc.c is the only file that includes hwloc.h. The result is plain data, so that the plan
 * (numa/plan.h) can be tested on machines nobody has.
 */
#ifndef WEIR_NUMA_TOPO_H
#define WEIR_NUMA_TOPO_H

#include "base/err.h"

#define WEIR_CPUS_MAX 1024
#define WEIR_NODES_MAX 64

struct weir_cpu {
	uint16_t os_index; /* as in sched_setaffinity() */
	uint16_t core; /* logical core number over the machine */
	uint16_t l3; /* logical number of the L3 (of the package when there is no L3) */
	uint16_t node; /* logical NUMA node number */
	uint16_t package;
	uint16_t smt; /* 0: first allowed thread of its core */
};

struct weir_topo {
	uint32_t cpu_count; /* only cpus this process may run on */
	struct weir_cpu cpu[WEIR_CPUS_MAX];
	uint32_t node_count;
	uint16_t node_os[WEIR_NODES_MAX]; /* OS index of each logical node */
	uint64_t node_bytes[WEIR_NODES_MAX];
	uint32_t machine_cpu_count; /* all online ones */
	char summary[128]; /* "2 cpus, 1 package, 1 node, 1 L3" */
};

/* This machine, restricted to the allowed cpuset. */
int weir_topo_load(struct weir_topo *ret, struct weir_err *err);

/* An hwloc synthetic description ("package:2 numa:2 l3:1 core:8 pu:2"); allowed: list of os indexes
 * ("0-3,8"), or NULL for all. For tests and `weir explain --topology`. */
int weir_topo_synthetic(const char *description, const char *allowed, struct weir_topo *ret,
			struct weir_err *err);

#endif
