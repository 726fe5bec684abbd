/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lab/space.h - regions as network namespaces, with one cable each to the hub.
 *
 * A region is a process that holds a namespace and sleeps; it dies with the lab (PR_SET_PDEATHSIG), and the namespace and its devices
 *        with it. Nothing is left in /run or on the host, also after SIGKILL. Without root a user namespace is made first.
 * Addresses: those of the region's gateways in the cluster file, each /32 (/128), with a route to every other region's. A gateway
 *        with DPDK answers for its address itself: the kernel does not get it.
 * Cables: veth pairs "e0" in the region and "wan<i>" in the hub, MTU 1500, checksums made by the sender (what comes out of an AF_PACKET
 *        socket has to be right).
 */
#ifndef WEIR_LAB_SPACE_H
#define WEIR_LAB_SPACE_H

#include <sys/types.h>

#include "base/err.h"
#include "host/cluster.h"

struct weir_lab_region {
	pid_t pid; /* holds the namespace */
};

/* The calling process becomes the hub: a namespace of its own. */
int weir_lab_space_hub(struct weir_err *err);
int weir_lab_space_region(const struct weir_cluster *c, uint32_t region,
			  struct weir_lab_region *ret, struct weir_err *err);
/* Programs in the regions: SIGTERM, and SIGKILL to those that are there two seconds later. */
void weir_lab_space_clear(const struct weir_lab_region *r, uint32_t count);
void weir_lab_space_end(struct weir_lab_region *r);
/* The calling process goes into the region held by pid. */
int weir_lab_space_enter(pid_t pid, struct weir_err *err);

#endif
