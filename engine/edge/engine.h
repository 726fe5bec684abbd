/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/engine.h - a pipeline at work in this process: segment, tasks, workers.
 *
 * Life: open (plan, memory, files and sockets; nothing runs) -> start (threads) -> wait -> close.
 * Stop: weir_engine_stop(e, false): with a state directory input stops, one more epoch is committed and applied,
 *       and the next start goes on there. Without one it drains: sources end, everything on the way is
 *       finished, windows fire with what they have, sinks close. With true the workers leave at the next turn.
 * Thread: open, start, wait, close from one thread; stop and the statistics from any.
 */
#ifndef WEIR_ENGINE_EDGE_ENGINE_H
#define WEIR_ENGINE_EDGE_ENGINE_H

#include "engine/core/regions.h"
#include "engine/core/tasks.h"
#include "host/heap.h"
#include "numa/plan.h"
#include "shm/segment.h"

struct weir_cluster; /* host/cluster.h */

enum weir_idle { WEIR_IDLE_ADAPTIVE = 0, WEIR_IDLE_POLL = 1 };

struct weir_engine_options {
	uint32_t workers; /* 0: as the pipeline file says, else one per allowed core */
	enum weir_idle idle;
	bool no_huge; /* do not look for huge pages */
	bool no_pin;
	bool fresh; /* the state directory and the results of an earlier run go */
	bool drop_state; /* go on although state of changed steps is lost */
	const struct weir_topo *topo; /* NULL: this machine */
	const char *segment_path; /* NULL: memfd */
	const struct weir_regex_ops *regex;
	const struct weir_cluster *cluster; /* NULL: a pipeline without regions */
	uint32_t region; /* which of the cluster's this engine is */
};

struct weir_engine;

/* The plan alone: what `weir explain` prints. All in region. */
struct weir_engine_plan {
	struct weir_topo topo;
	struct weir_tasks tasks;
	struct weir_plan place;
	uint64_t ring_bytes; /* of one ring, as it will be */
	uint64_t ring_total, scratch_total;
	uint64_t
		segment_huge_total; /* rings, lanes and tap rings when each fills whole 2 MiB pages */
	uint32_t edge_count; /* to and from other regions */
	struct weir_edge_spec *edge;
	uint64_t lane_bytes, lane_back_bytes; /* of an edge's two rings: records, answers */
	uint32_t lane_frame_max;
};
int weir_engine_plan(const struct weir_pipeline *p, const struct weir_engine_options *opt,
		     struct weir_region *region, struct weir_engine_plan *ret,
		     struct weir_err *err);

int weir_engine_open(const struct weir_pipeline *keep_p, const struct weir_engine_options *opt,
		     struct weir_engine **ret, struct weir_err *err);
int weir_engine_start(struct weir_engine *e, struct weir_err *err);
void weir_engine_stop(struct weir_engine *e, bool now);
/* Waits up to timeout_ns (negative: for ever). 1: still running, 0: ended, <0: failed, text in err. */
int weir_engine_wait(struct weir_engine *e, int64_t timeout_ns, struct weir_err *err);
void weir_engine_close(struct weir_engine *e);

/* The pipeline keeps state; it goes on from an earlier run; that run had already ended (start() does nothing more than
 * bring sinks up to date). */
bool weir_engine_keeps_state(const struct weir_engine *e);
/* State directory, and how its disk is written ("io_uring, O_DIRECT"); "" without one. */
const char *weir_engine_state_dir(const struct weir_engine *e);
const char *weir_engine_disk(const struct weir_engine *e);
bool weir_engine_continued(const struct weir_engine *e);
bool weir_engine_had_ended(const struct weir_engine *e);

const struct weir_pipeline *weir_engine_pipeline(const struct weir_engine *e);
const struct weir_engine_plan *weir_engine_plan_of(const struct weir_engine *e);
const struct weir_segment *weir_engine_segment(const struct weir_engine *e);

/* ---- statistics: read from the segment, so they also move while a task is stuck ---- */

struct weir_step_stats {
	uint64_t rows_in, rows_out, late, rejects;
	uint64_t busy_ns, blocked_ns; /* of its tasks; fused steps share them */
	int64_t watermark; /* lowest over the tasks, WEIR_TIME_MIN: none */
	uint32_t tasks;
	double ring_fill; /* fullest input ring, 0..1 */
	double out_fill; /* fullest output ring */
};

enum weir_edge_state {
	WEIR_EDGE_ALONE, /* no gateway has the lane */
	WEIR_EDGE_CLOSED, /* one has, and does not reach the other region */
	WEIR_EDGE_OPEN, /* it does; the two ends have not found each other yet */
	WEIR_EDGE_LIVE, /* records can go */
};
const char *weir_edge_state_name(enum weir_edge_state s);

struct weir_edge_stats {
	const struct weir_edge_spec *edge;
	enum weir_edge_state state;
	bool relayed;
	uint64_t records, raw_bytes; /* through this end in this run */
	uint64_t frames, bytes; /* of the lane, packed; sender: what went out again as well */
	uint64_t wire_out, wire_in; /* stream bytes, by the gateway */
	uint64_t sessions, resent, gaps, duplicates, dropped, broken;
	uint64_t outstanding_bytes; /* sender: unconfirmed; receiver: read and not handed on */
	uint64_t ready_bytes; /* receiver: of these, what the steps behind it may have */
	uint64_t outstanding_epochs; /* sender */
	uint64_t limit; /* sender: of outstanding_bytes, at which its sources stop */
	uint64_t age_ns; /* sender: of the oldest unconfirmed epoch */
	uint64_t lag; /* records that are not durable at the receiver */
	uint64_t rtt_ns; /* 0: unknown */
	double fill; /* sender: outstanding of limit; receiver: of the lane's ring; 0..1 */
	char blocked_by[2 * WEIR_NAME_MAX]; /* sender: as the receiver says, "" */
	char reason[120]; /* why it is closed */
};

struct weir_engine_stats {
	uint64_t mono_ns, started_ns, ended_ns; /* monotonic */
	int64_t wall_ns;
	bool running, failed;
	uint32_t step_count;
	struct weir_step_stats *step; /* step_count */
	uint32_t worker_count;
	struct {
		uint64_t busy_ns, sleep_ns;
		uint32_t cpu;
	} * worker;
	uint64_t state_bytes;
	int32_t bottleneck; /* step that holds the others up, or -1 */
	int32_t held_by; /* sink that keeps sources from emitting, or -1 */
	double *link_fill; /* per link of the plan: its fullest ring */
	uint32_t edge_count;
	struct weir_edge_stats *edge;
	uint64_t records_in, records_out; /* sources, sinks */
};

struct weir_engine_stats *weir_engine_stats_new(const struct weir_engine *e, struct weir_region *r);
void weir_engine_stats_read(struct weir_engine *e, struct weir_engine_stats *s);

/* Listening address of a tcp source ("127.0.0.1:43211"), "" when the step has none. */
const char *weir_engine_address(const struct weir_engine *e, uint32_t step);

/* ---- tap: a look at what a step emits; never slows it, drops instead ---- */

/* One tap at a time: WEIR_E_BUSY. Taps one output of all tasks of the step; -EINVAL when it has no reader. */
int weir_engine_tap_start(struct weir_engine *e, uint32_t step, uint32_t port,
			  struct weir_err *err);
void weir_engine_tap_stop(struct weir_engine *e);
/* Hands over frames seen since the last call; the frame is valid during fn. Number of frames; the dropped
 * ones are added to *ret_dropped. */
uint32_t weir_engine_tap_read(struct weir_engine *e,
			      void (*fn)(void *ctx, const struct weir_frame *f,
					 const struct weir_schema *s),
			      void *ctx, uint32_t most, uint64_t *ret_dropped);

#endif
