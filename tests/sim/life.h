/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/life.h - one process of the engine: the production code, from start to end.
 *
 * Memory: everything a life takes is in one list and is gone with it, so that a kill needs nobody's help.
 */
#ifndef WEIR_TESTS_SIM_LIFE_H
#define WEIR_TESTS_SIM_LIFE_H

#include "engine/core/assemble.h"
#include "engine/core/cell.h"
#include "tests/sim/check.h"

struct sim_mem_block;
struct sim_mem {
	struct weir_mem mem; /* ctx is this */
	struct sim_mem_block *blocks;
	size_t bytes, bytes_max;
};

struct sim_task {
	uint64_t starved_until_ns;
	bool rung; /* its next turn may find something to do */
	bool moved; /* its last turn did something */
	struct weir_report *report; /* the one on its way, or NULL */
	uint64_t report_ns;
};

struct sim_job {
	bool busy;
	bool parked; /* of a sink that streams: it changed nothing, and is run again at due_ns */
	uint64_t due_ns;
	struct weir_job job;
};

struct sim_life {
	struct sim *s;
	struct sim_mem mem;
	struct weir_region region;
	struct weir_disk disk;
	struct weir_pipeline *p;
	struct weir_tasks tasks;
	struct weir_unit *unit;
	struct weir_unit **units;
	struct weir_assembled *assembled;
	struct sim_ring **ring; /* per ring of the plan */
	struct sim_task *task;
	struct weir_report *report_mem; /* per task */
	struct sim_job job[SIM_STORES_MAX];
	const struct sim_store
		*store[SIM_STORES_MAX]; /* of the cell's sinks; NULL: not looked up yet */
	struct weir_journal *journal;
	struct weir_cell cell;
	bool cell_open;
	bool cell_rung; /* its next step may find something to do */
	uint64_t look_ns; /* everybody gets a turn at this time */
	bool rest; /* the input had ended before: no task runs any more */
	struct weir_journal_report found;
	struct weir_err err;
	uint32_t parallelism;
	bool stop;
	struct sim_shadow shadow;
	struct sim_lanes *lanes; /* of a region: the rings to its gateways */
};

/* A process starts and reads everything back. 0, or <0 with text in l->err. The life is to be ended in any case. */
int sim_life_start(struct sim *s, uint32_t parallelism, struct sim_life **ret);
/* Tasks only, for a checker: no journal, no cell. 0 or <0; s->life_shadow until it is ended. */
int sim_life_shadow(struct sim *s, uint32_t parallelism, struct sim_life **ret);
/* Everything it had is gone; nothing is written or closed. */
void sim_life_end(struct sim_life *l);
/* Lets go of files the nodes hold (sources of a user's pipeline). */
void sim_life_close_nodes(struct sim_life *l);

/*
 * A turn that finds nothing to do changes nothing, so it can be left out: as workers sleep until a bell rings. Bells:
 * what another task did, the cell's word, the time it asked for; and now and then for everybody without any reason.
 */
void sim_life_look(struct sim_life *l);
bool sim_life_rung(const struct sim_life *l, uint32_t task);
bool sim_life_cell_rung(const struct sim_life *l);
/* Work of one task: progress or <0 (err). */
int sim_life_turn(struct sim_life *l, uint32_t task, uint32_t batches);
/* Hands a ready report over, maybe later. true: something happened. */
bool sim_life_report(struct sim_life *l, uint32_t task);
int sim_life_step(struct sim_life *l);
/* Begins and ends jobs of sink i. >0: something happened, <0. */
int sim_life_sink(struct sim_life *l, uint32_t i);
/* When something is due; 0: nothing. */
uint64_t sim_life_next(const struct sim_life *l);
void sim_life_dump(const struct sim_life *l, FILE *to); /* who waits for whom */

#endif
