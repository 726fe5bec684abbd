/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/global.h - an aggregate over the input of all regions: `scope: global`. docs/formats/global.md
 *
 *   A+part   the aggregate as it is (aggregate.c), but a firing gives its accumulators as bytes
 *      │     PART, COUNT
 *   A+mark   one task: numbers what comes (version), says whose it is (region), and tells how far the region is
 *      │     PART, MARK          here, and over an edge to each region where A runs
 *   A        one task: keeps each region's newest accumulators of a window and key, folds them in the order of the
 *            regions; a result is final when every region's MARK is past the window
 *
 * The graph is made by weir_global_rewrite() (pipeline_global.c), regions are filled in by regions_global.c; without a
 * cluster there is one region.
 *
 * Bytes from another region are checked: what is none of these records stops the pipeline with WEIR_E_CORRUPT.
 * Pure. Thread: the task's.
 */
#ifndef WEIR_ENGINE_CORE_GLOBAL_H
#define WEIR_ENGINE_CORE_GLOBAL_H

#include "base/bytes.h"
#include "engine/core/pipeline.h"
#include "engine/core/query.h"

#define WEIR_GLOBAL_MEMBERS_MAX 32u /* bits of a mask */
#define WEIR_GLOBAL_ALONE "local" /* the only region of a pipeline without a cluster */

/* Fields of a record between the three steps. */
enum {
	WEIR_GLOBAL_KIND,
	WEIR_GLOBAL_REGION, /* weir_global_region_id(); 0 before A+mark */
	WEIR_GLOBAL_VERSION, /* of the region, growing; 0 before A+mark */
	WEIR_GLOBAL_KEY, /* key hash u64, key as weir_window_key_save() writes it */
	WEIR_GLOBAL_START,
	WEIR_GLOBAL_END, /* of the window; of a MARK the region's watermark */
	WEIR_GLOBAL_BODY,
	WEIR_GLOBAL_FIELDS
};

enum weir_global_kind {
	WEIR_GLOBAL_PART = 1, /* body: the accumulators, save() of each aggregate in order */
	WEIR_GLOBAL_MARK = 2, /* body: varint records in, late, rejected; since the beginning */
	WEIR_GLOBAL_COUNT = 3, /* A+part to A+mark only; body as MARK, since the last COUNT */
};

/* The largest MARK or COUNT; a record may always be so long. */
#define WEIR_GLOBAL_COUNT_BYTES 256u

const struct weir_schema *weir_global_schema(void);

/* A region in records and in state, whatever its place in the cluster file: never 0. */
int64_t weir_global_region_id(const char *name);

/* Records, and what became of those that are in no window. */
struct weir_global_counts {
	uint64_t in, late, rejected;
};
void weir_global_counts_put(struct weir_out *o, const struct weir_global_counts *c);
/* false: these are none. */
bool weir_global_counts_get(struct weir_str body, struct weir_global_counts *ret);

int weir_global_mark_init(struct weir_node *n, const struct weir_op_env *env);
int weir_global_merge_init(struct weir_node *n, const struct weir_op_env *env);

/* The answer of A+part and A+mark to every question: ask A. */
int weir_global_query_elsewhere(struct weir_node *n, const struct weir_query *q,
				struct weir_query_out *out);

#endif
