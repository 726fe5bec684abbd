/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/edge_stats.h - what is known of edges: into the statistics, the status and the metrics.
 *
 * Sources: the two ends (engine/edge/edge_end.h), the outboxes of the cell, counters that gateways write.
 * Thread: any.
 */
#ifndef WEIR_ENGINE_EDGE_EDGE_STATS_H
#define WEIR_ENGINE_EDGE_EDGE_STATS_H

#include "base/buf.h"
#include "engine/edge/engine.h"

/* Fills s->edge and s->held_by, and adds the fill of edges to that of their steps. Behind everything else about rings. */
void weir__edge_stats_read(struct weir_engine *e, struct weir_engine_stats *s);

/* `,"root":..,"blocked_rings":[..],"edges":[..]` of the status object. */
void weir_edges_json(struct weir_buf *b, struct weir_engine *e, const struct weir_engine_stats *s);
void weir_edges_metrics(struct weir_buf *b, struct weir_engine *e,
			const struct weir_engine_stats *s);

#endif
