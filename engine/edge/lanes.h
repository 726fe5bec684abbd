/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/lanes.h - the lanes of an engine: their place in the segment, and the thread that looks after them.
 *
 * In the segment (docs/formats/shm.md, "Lanes"): for each edge two rings, WEIR_LANE_COUNTERS counters, and behind the doorbells of
 * the workers one of the edges' thread and one for each gateway of this region, whose numbers stand in counters.
 *
 * The thread "weir-lanes" looks a few times a second
 *   - whether the gateways live: a death and a return are said once in the log, and the ends of the lanes are told;
 *   - what holds this region up, for the STATUS its sources send (engine/edge/roots.h);
 *   - after sources whose task is over: senders still wait to hear that all is durable (weir_source_edge_attend()).
 *
 * Thread: open, start, stop and close from the main thread; weir__lanes_task_done() from the workers, farewell from the cell's.
 */
#ifndef WEIR_ENGINE_EDGE_LANES_H
#define WEIR_ENGINE_EDGE_LANES_H

#include "engine/edge/edge_end.h"
#include "engine/edge/engine_impl.h"

#define WEIR_LANE_BYTES_DEFAULT                                                                    \
	((uint64_t)8 << 20) /* of the ring with the records: what may be under way */
#define WEIR_LANE_BACK_BYTES ((uint64_t)1 << 20) /* of the ring with the answers, at least */

struct engine_lane {
	const struct weir_edge_spec *edge;
	uint32_t out_ring, in_ring; /* in the segment */
	uint32_t counter; /* first of WEIR_LANE_COUNTERS */
	struct weir_lane_end end;
	struct weir_node *node; /* of its step; NULL: not built */
	struct engine_task *task;
	_Atomic bool orphan; /* source: its task is over, the lanes' thread attends to it */
	_Atomic uint64_t attended; /* times it did so */
	bool heard; /* the sender has, that all is durable here; the farewell's */
	uint32_t gateway; /* generation of the role as last seen to be over; the lanes' thread's */
};

struct engine_lanes;

/* Numbers of everything; nothing happens without edges. Before the segment is planned. */
void weir__lanes_plan(struct weir_engine *e);
uint32_t weir__lanes_count(const struct weir_engine *e);
struct engine_lane *weir__lane(const struct weir_engine *e, uint32_t i);
/* The lane of a step, NULL: it is no end of an edge. */
struct engine_lane *weir__lane_of(const struct weir_engine *e, uint32_t step);
/* What they add to the segment. */
uint32_t weir__lanes_doorbells(const struct weir_engine *e);
uint32_t weir__lanes_counters(const struct weir_engine *e);
void weir__lanes_counter_specs(struct weir_engine *e, struct weir_counter_spec *spec,
			       uint32_t first);
void weir__lanes_ring_specs(struct weir_engine *e, struct weir_ring_spec *spec, uint32_t first);

/* The segment is there: rings are mapped, ends opened. */
int weir__lanes_open(struct weir_engine *e, struct weir_err *err);
/* A task was built: its lanes know their nodes. */
void weir__lanes_built(struct weir_engine *e, struct engine_task *t);
int weir__lanes_start(struct weir_engine *e, struct weir_err *err);
/* The thread ends; nobody attends to lanes any more. */
void weir__lanes_stop(struct weir_engine *e);
void weir__lanes_close(struct weir_engine *e);

/* The worker will not touch the task any more. */
void weir__lanes_task_done(struct engine_task *t);
/* The input has ended and all is durable: waits until senders have heard of it, as long as that may be expected. */
void weir__lanes_farewell(struct weir_engine *e);

#endif
