/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/cli/regions.h - --cluster and --region of the verbs that read a pipeline file.
 *
 * Use:    fill file and name from the options, weir_cli_cluster(), and for each pipeline weir_cli_region().
 * Memory: the caller's region. Errors: printed; the result is an exit code, 0 when fine.
 */
#ifndef WEIR_ENGINE_CLI_REGIONS_H
#define WEIR_ENGINE_CLI_REGIONS_H

#include "engine/core/regions.h"
#include "host/cluster.h"

struct weir_cli_regions {
	const char *file, *name; /* of --cluster, --region; NULL: not given */
	const struct weir_cluster *cluster; /* NULL: without */
	uint32_t region; /* the one that was named */
};

#define WEIR_CLI_REGIONS_USAGE                                                                     \
	"  --cluster FILE       the cluster file, for pipelines that run in several regions\n"     \
	"  --region NAME        which of its regions this is\n"

/* Reads the cluster file. one: a region must be named with it. */
int weir_cli_cluster(const char *verb, struct weir_cli_regions *r, bool one, bool json,
		     struct weir_region *region);

/* What region `index` makes of a pipeline; its state directory is the cluster's unless the file says one. */
int weir_cli_plan(const struct weir_cli_regions *r, uint32_t index, const char *file, bool json,
		  struct weir_region *region, struct weir_pipeline **p);

/*
 * For verbs that work on one region: *p becomes what the named region makes of it. Without a cluster it stays as it is, and a
 * pipeline that needs one is refused.
 */
int weir_cli_region(const char *verb, const struct weir_cli_regions *r, const char *file, bool json,
		    struct weir_region *region, struct weir_pipeline **p);

/* A pipeline for several regions, and no cluster. */
int weir_cli_needs_cluster(const char *verb, const char *file);

#endif
