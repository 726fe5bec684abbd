/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/lane_pack.h - batches of an edge, packed for the way (struct weir_lane_codecs).
 *
 * `compression` of the cluster file: none, lz4, zstd, or auto (default): zstd as long as it takes less than a third of the
 * thread's time or the link is what everything waits for (the lane's ring is more than half full), else lz4. Batches that do not
 * shrink by a sixteenth go as they are, and after a few of those most are not even tried.
 * Both codecs are unpacked whatever is configured.
 * Memory: the heap. Thread: one (each end of an edge has its own).
 */
#ifndef WEIR_ENGINE_EDGE_LANE_PACK_H
#define WEIR_ENGINE_EDGE_LANE_PACK_H

#include "engine/edge/lane_end.h"

struct weir_lane_pack;
struct weir_cluster;

/* cluster NULL: auto. keep_lane may be NULL. NULL and err: no memory. */
struct weir_lane_pack *weir_lane_pack_new(const struct weir_cluster *cluster,
					  const struct weir_lane_end *keep_lane,
					  struct weir_err *err);
void weir_lane_pack_free(struct weir_lane_pack *p); /* NULL is fine */
const struct weir_lane_codecs *weir_lane_pack_codecs(const struct weir_lane_pack *p);

#endif
