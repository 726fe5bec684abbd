/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/edge_end.h - edges as nodes: what the sink and the source of an edge share, and what others see of them.
 *
 *   sink "X>us":  rows and controls are numbered into the part of the epoch; the edges' thread ships it (sink_edge.c)
 *   source "X@eu": records come out of the lane; watermarks, idleness and the end are the sender's (source_edge.c)
 *
 * The protocol is engine/core/edge.h, the rings are engine/edge/lane_end.h.
 * Thread: views from any; the rest as for every connector.
 */
#ifndef WEIR_ENGINE_EDGE_EDGE_END_H
#define WEIR_ENGINE_EDGE_EDGE_END_H

#include "engine/core/edge.h"
#include "engine/core/sink_ops.h"
#include "engine/edge/connector.h"
#include "engine/edge/lane_end.h"

struct weir_edge_view {
	uint64_t records, raw_bytes; /* through the step in this run, as they are in memory */
	uint64_t
		unconfirmed_ns; /* sink: when the oldest unconfirmed epoch was handed over; 0: none */
	uint64_t newest_seq; /* sink: number of the next record to be taken */
	uint64_t bad; /* times the gateway wrote what is no frame */
	struct weir_edge_out_info out; /* sink */
	struct weir_edge_in_info in; /* source */
};
void weir_sink_edge_view(const struct weir_node *n, struct weir_edge_view *ret);
void weir_source_edge_view(const struct weir_node *n, struct weir_edge_view *ret);

extern const struct weir_sink_ops weir_sink_edge_ops;

/*
 * A source whose task is over goes on to answer: its input has ended, and the sender has not heard of all that has become
 * durable since. As struct weir_op_class's attend(); from the thread that took it over. 0 or <0 with the task's err.
 */
int weir_source_edge_attend(struct weir_node *n, bool quiet);

/* Largest frame of a lane whose records are at most so long; 0: too long for an edge. */
uint32_t weir_edge_frame_max(uint32_t record_max);
/* Body of HELLO, in the region. */
struct weir_str weir_edge_hello(const struct weir_edge_end *edge, const struct weir_conn_env *env,
				const struct weir_schema *s);
/* Of a renewable edge: when the state directory was made counts before how often it was opened. */
uint64_t weir_edge_renewable_fence(const struct weir_journal *j, uint64_t fence);
/* What a node's state means: the edge and its records. */
void weir_edge_sign(struct weir_buf *b, const struct weir_edge_end *edge,
		    const struct weir_schema *s);

#endif
