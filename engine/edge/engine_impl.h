/* SPDX-License-Identifier: Apache-2.0 */
/* engine/edge/engine_impl.h - inside of the engine; only engine/edge/{engine,build,worker,stats,tap}.c. */
#ifndef WEIR_ENGINE_EDGE_ENGINE_IMPL_H
#define WEIR_ENGINE_EDGE_ENGINE_IMPL_H

#include <pthread.h>

#include "engine/core/unit.h"
#include "engine/edge/engine.h"
#include "engine/edge/query_box.h"
#include "host/clock.h"
#include "numa/arena.h"

/* Counters of one step in one task, in this order in the segment. */
enum {
	WEIR_CNT_ROWS_IN,
	WEIR_CNT_ROWS_OUT,
	WEIR_CNT_LATE,
	WEIR_CNT_REJECTS,
	WEIR_CNT_WATERMARK,
	WEIR_CNT_STEP_COUNT
};
/* Counters of one task. */
enum { WEIR_CNT_BUSY_NS, WEIR_CNT_BLOCKED_NS, WEIR_CNT_TURNS, WEIR_CNT_TASK_COUNT };
/* Counters of one worker. */
enum { WEIR_CNT_W_BUSY_NS, WEIR_CNT_W_SLEEP_NS, WEIR_CNT_WORKER_COUNT };

struct engine_worker;

struct engine_task {
	struct weir_unit unit;
	struct weir_region region;
	struct weir_engine *engine;
	uint32_t index, chain, instance;
	struct engine_worker *worker;
	uint32_t outlet_count;
	struct weir_outlet **outlet;
	uint32_t **outlet_doorbell; /* per outlet, per ring: the reader's doorbell */
	uint32_t *inlet_doorbell; /* per input ring: the writer's doorbell */
	uint32_t step_node_count; /* nodes that belong to steps: the first ones */
	uint32_t counter; /* first counter of the task; those of its steps follow */
	uint64_t busy_ns, blocked_ns, turns;
	uint32_t turn_less; /* a turn has so many halvings fewer batches */
	uint64_t blocked_since_ns;
	struct weir_ring_block *blocked_at; /* ring it waits for, NULL: none */
	struct weir_node *tap_node; /* last node, unused until a tap starts */
	uint64_t tap_have; /* engine's tap_want as last acted on */
	bool tap_in;
	struct weir_query_box query; /* a question about its state */
};

struct engine_worker {
	struct weir_engine *engine;
	pthread_t thread;
	bool started;
	uint32_t index, os_cpu;
	uint32_t task_count;
	struct engine_task **task;
	struct weir_doorbell *doorbell;
	uint32_t counter;
	uint64_t busy_ns, sleep_ns;
	_Atomic bool left; /* it gives no more turns */
	struct weir_arena *arena;
	char pin_error[96];
};

struct weir_engine {
	const struct weir_pipeline *p;
	struct weir_engine_options opt;
	struct weir_mem mem; /* malloc */
	struct weir_region region;
	struct weir_engine_plan plan;
	struct weir_segment segment;
	bool segment_open;
	bool epochs; /* the pipeline keeps state: there is a cell */
	struct engine_cell *cell; /* cell_thread.h */
	struct engine_lanes *lanes; /* lanes.h; NULL: no edges */
	struct engine_task *task;
	struct engine_worker *worker;
	uint32_t arena_count;
	struct weir_arena **arena; /* one per NUMA node in use */

	/* shared between threads */
	_Atomic uint32_t stop; /* 0 run, 1 drain, 2 now */
	_Atomic uint32_t live; /* workers that still run */
	_Atomic uint32_t failed;
	pthread_mutex_t lock; /* err, start, end */
	pthread_cond_t ended;
	struct weir_err err;
	uint64_t started_ns, ended_ns;
	_Atomic uint64_t tap_want; /* number of the tap << 32 | step; step UINT32_MAX: none */
	uint32_t tap_number; /* counts taps */
	bool *tap_synced; /* the reader has seen this tap's marker in a ring */
	uint32_t tap_ring; /* first tap ring: one per task */
	struct weir_ring_rx *tap_rx;
	bool tap_active;
	_Atomic uint64_t tap_dropped;
};

/* engine.c: the cell's thread leaves; well: everything is committed and applied. */
void weir__engine_cell_ended(struct weir_engine *e, bool well);
/* engine_segment.c */
int weir__segment_open(struct weir_engine *e, struct weir_err *err);
uint64_t weir__tap_bytes(const struct weir_pipeline *p);
uint64_t weir__round_pow2(uint64_t v); /* at least 4096 */
/* build.c: nodes, ports and rings of one task; opens its connectors. */
int weir__task_build(struct weir_engine *e, struct engine_task *t, struct weir_err *err);
void weir__task_fini(struct engine_task *t);
/* tap.c */
void weir__tap_check(struct engine_task *t);
/* worker.c */
void *weir__worker_main(void *arg);
void weir__engine_fail(struct weir_engine *e, const struct weir_err *err);

#endif
