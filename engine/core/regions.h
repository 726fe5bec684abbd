/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/regions.h - from one pipeline for all regions to the pipeline of one region.
 *
 * In the file a step may say
 *   regions: [eu, us]            where it runs; default: every region of the cluster
 *   from: {step: X, region: eu}  input from X as it runs in eu
 *   from: {step: X, regions: all, spread: keys}   from X in all regions where it runs (or a list); spread: keys sends each
 *                                record only to the region that owns its key group (the step is keyed and runs in several
 *                                regions), copy (default) to every region where this step runs
 * A plain `from: X` is X in the same region. Weir's rule: regions of a step own the key groups in equal, contiguous parts, in the
 * order of the cluster file.
 *
 * weir_regions_plan() makes the region's own pipeline of it: steps that run elsewhere are gone; input from another region is
 * a source step "X@eu" (connector WEIR_CONN_EDGE), output that another region takes is a sink step "X>us" (and ">us#keys"
 * when only keys go there). Both have parallelism 1. From the same region it is a plain input; with spread: keys a filter by
 * key group comes before it ("X=keys"). Everything behind knows nothing of regions.
 *
 * Checks: regions exist, X runs there, no cycle over regions and steps that would deadlock (the graph of steps is acyclic anyway),
 * guarantee is not none where edges are, names do not collide. Errors with places, all at once.
 * Pure. Memory: the region's.
 */
#ifndef WEIR_ENGINE_CORE_REGIONS_H
#define WEIR_ENGINE_CORE_REGIONS_H

#include "engine/core/pipeline.h"

struct weir_regions_env {
	const char *cluster;
	const char *const *region; /* names, in the order of the cluster file */
	uint32_t region_count;
	uint32_t here; /* index */
};

/* p was built from the file (weir_pipeline_build() accepts the keys above; without a cluster they are an error of `run`).
 * *ret: a pipeline like any other; its name is p's. 0 or WEIR_E_CONFIG. */
int weir_regions_plan(const struct weir_pipeline *p, const struct weir_regions_env *env,
		      struct weir_region *region, struct weir_pipeline **ret,
		      struct weir_diags *diags);
/* Does p need a cluster at all? Also when a path or an address has "{region}" in it. */
bool weir_regions_used(const struct weir_pipeline *p);

/* Edges of a planned pipeline, for `explain`, status and the gateway's lanes. */
struct weir_edge_spec {
	uint64_t id; /* weir_edge_id() */
	bool out; /* a sink here; else a source */
	uint16_t step; /* in the planned pipeline */
	const char *of, *port; /* step and port as the file says */
	const char *from, *to; /* regions */
	bool keys; /* only key groups the receiver owns */
	uint32_t key_first, key_last; /* of WEIR_KEY_GROUPS, inclusive */
};
/* Writes at most cap; returns how many there are. */
uint32_t weir_regions_edges(const struct weir_pipeline *planned, struct weir_edge_spec *ret,
			    uint32_t cap);

#endif
