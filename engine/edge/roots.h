/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/roots.h - who holds whom up, also over regions.
 *
 * What waits for room waits for the step whose input is full while its own output is not. An edge to another region is "full" when
 * half of what may be unconfirmed is; whose fault that is says the other region (STATUS of engine/core/edge.h), which names the
 * root on its side in the same way, so that a root is found over any number of hops. An edge whose other side says nothing is
 * named itself: then it is the way between the regions.
 *
 * Texts: "step@region"; without regions "step"; "" nothing is held up. A chain of fused steps is named by its first step.
 * Statistics must have been read (weir_engine_stats_read()). Thread: any.
 */
#ifndef WEIR_ENGINE_EDGE_ROOTS_H
#define WEIR_ENGINE_EDGE_ROOTS_H

#include "engine/edge/engine_impl.h"

#define WEIR_ROOT_FULL 0.5 /* of a ring or an edge */
#define WEIR_ROOT_READY 8u /* of an edge's buffer: what has come over it and waits */

#define WEIR_ROOT_NARROW 4u /* of a ring: one that may hold less has a slow reader */

/* What a ring may hold now, in bytes: its outlet says. */
uint64_t weir__ring_limit(const struct weir_engine *e, uint32_t ring);

/* Step that holds the others up in this region, or -1. */
int32_t weir__bottleneck(const struct weir_engine *e, const struct weir_engine_stats *s);
/* The region as a whole. */
void weir_root(const struct weir_engine *e, const struct weir_engine_stats *s, char *ret,
	       size_t cap);
/* Whom one ring of the plan waits for. */
void weir_root_of_ring(const struct weir_engine *e, const struct weir_engine_stats *s,
		       uint32_t ring, char *ret, size_t cap);
/* Whom a source that is an edge from another region waits for: what its STATUS says. */
void weir_root_of_edge(const struct weir_engine *e, const struct weir_engine_stats *s,
		       uint32_t step, char *ret, size_t cap);

#endif
