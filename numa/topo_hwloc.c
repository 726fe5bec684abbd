/* SPDX-License-Identifier: Apache-2.0 */
#include "numa/topo.h"

#include <errno.h>
#include <hwloc.h>
#include <stdio.h>
#include <unistd.h>

/* Logical number of the ancestor of that type; `none` when there is none. */
static uint16_t ancestor_number(hwloc_topology_t t, hwloc_obj_t pu, hwloc_obj_type_t type,
				unsigned none)
{
	hwloc_obj_t o = hwloc_get_ancestor_obj_by_type(t, type, pu);

	return (uint16_t)(o ? o->logical_index : none);
}

/* Node 0 for a cpu that has none of its own. The first one when there are several (fast and slow
 * memory on one node of cpus): hwloc lists the ordinary one first. */
static unsigned node_of(hwloc_topology_t t, hwloc_obj_t pu)
{
	hwloc_obj_t node = NULL;

	while ((node = hwloc_get_next_obj_by_type(t, HWLOC_OBJ_NUMANODE, node)))
		if (hwloc_bitmap_isset(node->cpuset, pu->os_index))
			return node->logical_index;
	return 0;
}

/* "0-3,8": numbers and ranges, all of the text. hwloc's own reader accepts much more. */
static int parse_list(const char *text, hwloc_bitmap_t ret_set)
{
	const char *s = text;

	hwloc_bitmap_zero(ret_set);
	for (;;) {
		unsigned bound[2] = {0, 0};
		int n = 0;

		do {
			unsigned v = 0;
			const char *digits = s;

			for (; *s >= '0' && *s <= '9'; s++) {
				v = v * 10 + (unsigned)(*s - '0');
				if (v > UINT16_MAX)
					return WEIR_E_RANGE;
			}
			if (s == digits)
				return WEIR_E_FORMAT;
			bound[n++] = v;
		} while (n < 2 && *s == '-' && *s++);
		if (n == 1)
			bound[1] = bound[0];
		if (bound[1] < bound[0])
			return WEIR_E_FORMAT;
		hwloc_bitmap_set_range(ret_set, bound[0], (int)bound[1]);
		if (*s == '\0')
			return 0;
		if (*s++ != ',')
			return WEIR_E_FORMAT;
	}
}

/* How many different values there are among the allowed cpus; numbers stay below 2^16. */
static unsigned count_distinct(const struct weir_topo *topo, size_t member)
{
	uint64_t seen[(UINT16_MAX + 1) / 64];
	unsigned n = 0;

	memset(seen, 0, sizeof(seen));
	for (uint32_t i = 0; i < topo->cpu_count; i++) {
		uint16_t v;

		memcpy(&v, (const char *)&topo->cpu[i] + member, sizeof(v));
		if (seen[v / 64] & UINT64_C(1) << (v % 64))
			continue;
		seen[v / 64] |= UINT64_C(1) << (v % 64);
		n++;
	}
	return n;
}

static const char *plural(unsigned n)
{
	return n == 1 ? "" : "s";
}

static void summarise(struct weir_topo *topo)
{
	unsigned cores = count_distinct(topo, offsetof(struct weir_cpu, core));
	unsigned packages = count_distinct(topo, offsetof(struct weir_cpu, package));
	unsigned nodes = count_distinct(topo, offsetof(struct weir_cpu, node));
	unsigned l3s = count_distinct(topo, offsetof(struct weir_cpu, l3));
	char of[24] = "", on[32] = "";

	if (topo->machine_cpu_count != topo->cpu_count)
		snprintf(of, sizeof(of), " of %u", topo->machine_cpu_count);
	if (cores != topo->cpu_count)
		snprintf(on, sizeof(on), ", %u core%s", cores, plural(cores));
	snprintf(topo->summary, sizeof(topo->summary),
		 "%u%s cpu%s%s, %u package%s, %u node%s, %u L3", topo->cpu_count, of,
		 plural(of[0] ? topo->machine_cpu_count : topo->cpu_count), on, packages,
		 plural(packages), nodes, plural(nodes), l3s);
}

/* Plain data out of a loaded topology, for the cpus in `allowed`. */
static int fill(hwloc_topology_t t, hwloc_const_bitmap_t allowed, struct weir_topo *ret,
		struct weir_err *err)
{
	int l3s = hwloc_get_nbobjs_by_type(t, HWLOC_OBJ_L3CACHE);
	int cores = hwloc_get_nbobjs_by_type(t, HWLOC_OBJ_CORE);
	hwloc_obj_t node = NULL, pu = NULL;

	memset(ret, 0, sizeof(*ret));
	while ((node = hwloc_get_next_obj_by_type(t, HWLOC_OBJ_NUMANODE, node)) &&
	       ret->node_count < WEIR_NODES_MAX) {
		ret->node_os[ret->node_count] = (uint16_t)node->os_index;
		ret->node_bytes[ret->node_count] = node->attr->numanode.local_memory;
		ret->node_count++;
	}
	/* In hwloc's order neighbours stand next to each other, threads of a core above all. */
	while ((pu = hwloc_get_next_obj_by_type(t, HWLOC_OBJ_PU, pu))) {
		struct weir_cpu *cpu = &ret->cpu[ret->cpu_count];
		unsigned home = node_of(t, pu);

		ret->machine_cpu_count++;
		/* What lies beyond our limits is left out; the summary shows it as "n of m". */
		if (!hwloc_bitmap_isset(allowed, pu->os_index) || pu->os_index > UINT16_MAX ||
		    ret->cpu_count == WEIR_CPUS_MAX || home >= WEIR_NODES_MAX)
			continue;
		cpu->os_index = (uint16_t)pu->os_index;
		cpu->node = (uint16_t)home;
		cpu->package = ancestor_number(t, pu, HWLOC_OBJ_PACKAGE, 0);
		cpu->core = ancestor_number(t, pu, HWLOC_OBJ_CORE,
					    (unsigned)WEIR_MAX(cores, 0) + pu->logical_index);
		cpu->l3 = ancestor_number(t, pu, HWLOC_OBJ_L3CACHE,
					  (unsigned)WEIR_MAX(l3s, 0) + cpu->package);
		if (ret->cpu_count > 0 && cpu[-1].core == cpu->core)
			cpu->smt = (uint16_t)(cpu[-1].smt + 1);
		ret->cpu_count++;
	}
	if (ret->cpu_count == 0)
		return weir_err_set(err, WEIR_E_RANGE, "none of the %u cpus is allowed",
				    ret->machine_cpu_count);
	summarise(ret);
	return 0;
}

int weir_topo_load(struct weir_topo *ret, struct weir_err *err)
{
	hwloc_topology_t t = NULL;
	hwloc_bitmap_t allowed = hwloc_bitmap_alloc();
	hwloc_bitmap_t bound = hwloc_bitmap_alloc();
	int rc;

	/* All of the machine is loaded, so that numbers mean the same in every container; what the
	 * cgroup and the affinity mask leave of it is picked by fill(). */
	if (!allowed || !bound || hwloc_topology_init(&t) ||
	    hwloc_topology_set_flags(t, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED) ||
	    hwloc_topology_load(t)) {
		rc = errno ? -errno : -EIO;
		weir_err_set(err, rc, "cannot read the topology of this machine: %s",
			     weir_strerror(rc));
	} else {
		hwloc_bitmap_copy(allowed, hwloc_topology_get_allowed_cpuset(t));
		/* The main thread's mask: this thread may be pinned already, or be a test's. */
		if (hwloc_topology_is_thissystem(t) &&
		    hwloc_get_proc_cpubind(t, getpid(), bound, HWLOC_CPUBIND_THREAD) == 0)
			hwloc_bitmap_and(allowed, allowed, bound);
		rc = fill(t, allowed, ret, err);
	}
	if (t)
		hwloc_topology_destroy(t);
	hwloc_bitmap_free(bound);
	hwloc_bitmap_free(allowed);
	return rc;
}

int weir_topo_synthetic(const char *description, const char *allowed, struct weir_topo *ret,
			struct weir_err *err)
{
	hwloc_topology_t t = NULL;
	hwloc_bitmap_t set = hwloc_bitmap_alloc();
	int rc;

	if (!set || hwloc_topology_init(&t)) {
		rc = weir_err_set(err, -ENOMEM, "no memory for a topology");
	} else if (hwloc_topology_set_synthetic(t, description) || hwloc_topology_load(t)) {
		rc = weir_err_set(err, WEIR_E_FORMAT,
				  "\"%s\" is not a topology; one looks like "
				  "\"package:2 numa:2 l3:1 core:8 pu:2\"",
				  description);
	} else {
		rc = 0;
		if (allowed)
			rc = parse_list(allowed, set);
		else
			hwloc_bitmap_copy(set, hwloc_topology_get_topology_cpuset(t));
		if (rc)
			weir_err_set(err, rc, "\"%s\" is not a list of cpus like \"0-3,8\"",
				     allowed);
		else
			rc = fill(t, set, ret, err);
	}
	if (t)
		hwloc_topology_destroy(t);
	hwloc_bitmap_free(set);
	return rc;
}
