/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/cell.h - epochs of a cell: when a barrier is due, what makes a bundle, what may be released.
 *
 *        tasks ──report──▶ ┌──────┐ ──append──▶ journal
 *   barrier, hold, round ◀─│ cell │ ◀─durable──
 *                          └──────┘ ──job──▶ sinks (prepare, apply, read the cursor)
 *
 * Ladder: open >= aligned >= durable (L) >= covered (C), each only grows (I1).
 *         open     newest barrier the sources were asked for
 *         aligned  all tasks have reported the epoch: frozen and encoded
 *         durable  the journal says so; only now weir_cell__release() lets sinks apply it (I7)
 *         covered  in a base that was read back
 * Rules:  one epoch is aligned at a time; up to `in_flight` epochs are between open and durable (I6).
 *         An epoch that takes longer than `deadline_ns` to align is folded: no bundle of its own, its parts go
 *         into the next one, its number is never used again (I2). Not when that would be more than `epoch_bytes`.
 *         `hold` asks the sources to emit nothing: an epoch has become large and the next cannot be opened, the
 *         disk is nearly full, or the pipeline stops.
 * Life:   open (journal, sinks' cursors, state back into the nodes) -> start -> step ... until `finished`.
 * Env:    time is an argument, the disk is struct weir_disk, sinks are struct weir_sink_ops; the simulator runs this
 *         file as it is.
 * Thread: one: the cell's thread. Reports and job results are handed over to it (engine/edge/cell_thread.c).
 * Pure.
 */
#ifndef WEIR_ENGINE_CORE_CELL_H
#define WEIR_ENGINE_CORE_CELL_H

#include "engine/core/bundle.h"
#include "engine/core/journal.h"
#include "engine/core/sink_ops.h"
#include "engine/core/tasks.h"
#include "engine/core/unit.h"

#define WEIR_EPOCHS_IN_FLIGHT_MAX 64

struct weir_cell_options {
	uint64_t epoch_ns; /* default 200 ms */
	uint64_t epoch_bytes; /* an epoch whose output is larger ends early; default 64 MiB */
	uint32_t in_flight; /* default 4 */
	uint64_t deadline_ns; /* default 10 s */
	uint64_t
		base_bytes; /* a base round is due when this much lies behind the last one; default 64 MiB */
	uint64_t stream_memory; /* per sink that streams: outputs in memory; default 64 MiB */
	uint64_t space_min; /* free bytes of the disk below which input stops; default 64 MiB */
	bool fresh; /* sinks replace what earlier runs left there */
	bool accept_loss; /* steps whose state means something else now start empty */
};

/* What the owner knows at a step. */
struct weir_cell_now {
	uint64_t mono_ns;
	int64_t wall_ns;
	uint64_t output_bytes; /* that sinks hold for the open epoch */
	uint64_t input_rows; /* that sources have emitted: while it stands still, epochs are rare */
	/* A sink that streams holds a good part of what may be unconfirmed in the open epoch: it ends early. */
	bool urge;
	bool stop; /* finish with one more epoch and without the end of the input */
};

/* What a task hands over for one epoch; made by weir_unit_take(). */
struct weir_report {
	uint32_t task;
	uint64_t epoch;
	uint64_t round; /* newest base round that was through before this epoch's freeze */
	bool final; /* the task has ended: it reports no more */
	uint32_t part_count;
	struct weir_report_part {
		enum weir_part_kind kind;
		uint32_t step;
		struct weir_out out;
	} part[WEIR_REPORT_PARTS_MAX];
	struct weir_report *next; /* the owner's */
};

enum weir_job_kind {
	WEIR_JOB_NONE = 0,
	WEIR_JOB_PREPARE,
	WEIR_JOB_APPLY,
	WEIR_JOB_CURSOR,
	WEIR_JOB_FINISH,
};

/* Work for a sink; run with weir_job_run() in any thread, then given to weir_cell_job_done(). */
struct weir_job {
	enum weir_job_kind kind;
	struct weir_node *node;
	struct weir_sink_epoch e;
	/* of sinks that stream */
	uint64_t known; /* the cursor, as the cell knows it */
	struct weir_sink_flow flow_known;
	bool waiting; /* something is unconfirmed */
	/* set by weir_job_run() */
	int result;
	uint64_t cursor;
	bool cursor_read, again; /* of sinks that stream, in any kind of job */
	struct weir_sink_flow flow;
	struct weir_err err;
};

/* A sink task that streams. */
struct weir_cell_stream {
	uint32_t sink; /* of the cell */
	uint32_t task;
	const struct weir_node *node;
	uint64_t outstanding; /* bytes of closed epochs that are not confirmed */
	uint64_t limit; /* at which the sources that feed it stop */
};

struct weir_cell {
	/* read by the owner after each step */
	uint64_t barrier; /* sources: the newest epoch whose barrier is due */
	bool hold; /* sources: emit nothing */
	bool closing; /* a stop was asked for: the epoch at hand or the next one is the last */
	bool space_low; /* because the disk is nearly full */
	uint64_t round; /* tasks: base round to work on; 0: none */
	size_t touch_bytes; /* per task and epoch */
	uint64_t open, aligned, durable, covered;
	bool ended; /* the input has ended, in this run or before it was opened */
	bool finished; /* ended or stopped, everything is durable and applied */
	uint64_t next_ns; /* call step() again at this time at the latest; 0: nothing is due */
	uint32_t sink_count;
	uint32_t stream_count; /* sinks that stream */
	struct weir_cell_stream *stream;
	/* statistics */
	uint64_t folded, bundle_bytes, bundles, last_bundle_bytes;
	uint64_t align_ns, align_max_ns, commit_ns, apply_ns; /* of the last epoch */

	/* the cell's own */
	struct weir_cell_options opt;
	const struct weir_pipeline *p;
	const struct weir_tasks *tasks;
	struct weir_unit **unit; /* per task */
	struct weir_journal *journal;
	const struct weir_mem *mem;
	struct weir_region *region;
	struct weir_cell_private *own;
};

/* Step table of the newest bundle, before tasks are planned: fn may set what has to stay as it was (parallelism of
 * sources and sinks). 1: there is one, 0: new state directory, <0. */
int weir_cell_recall(struct weir_journal *j, struct weir_bundle_head *scratch,
		     int (*fn)(void *ctx, const struct weir_bundle_head *h, uint64_t epoch),
		     void *ctx, struct weir_err *err);

/*
 * Keeps everything it is given. Nodes of all units are built. Checks that steps with state still mean the same,
 * opens the sinks, replays the journal into the nodes, takes the fence. mem must be thread-safe. 0 or <0 with text
 * that names the step and what would help. c->finished is set when the pipeline had ended before and nothing is left
 * to do.
 */
int weir_cell_open(struct weir_cell *c, const struct weir_cell_options *opt,
		   const struct weir_pipeline *p, const struct weir_tasks *tasks,
		   struct weir_unit **unit, struct weir_journal *journal,
		   const struct weir_mem *mem, struct weir_region *region, struct weir_err *err);

/* Takes the report over (its outputs are moved, the report itself stays the caller's). */
void weir_cell_report(struct weir_cell *c, struct weir_report *r);

/* Does what is due. 0 or <0: the pipeline must stop (text in err). */
int weir_cell_step(struct weir_cell *c, const struct weir_cell_now *now, struct weir_err *err);

/* Completions of the journal; waits up to wait_ns. 0 or <0. Then call weir_cell_step(). */
int weir_cell_journal(struct weir_cell *c, uint64_t wait_ns, struct weir_err *err);

/*
 * Next work of sink i (0 .. sink_count-1); false while one is on its way or nothing is due.
 * Of a sink that streams there is always some (it looks at its lane); the owner paces it: when weir_job_changes_nothing(), the
 * same job is run again when there is news or after a while, and need not be given to weir_cell_job_done() until
 * weir_cell_job_stale().
 */
bool weir_cell_job(struct weir_cell *c, uint32_t i, uint64_t mono_ns, struct weir_job *ret);
void weir_job_run(struct weir_job *job);
bool weir_job_changes_nothing(const struct weir_job *job);
bool weir_cell_job_stale(const struct weir_cell *c, uint32_t i, const struct weir_job *job);
/* 0 or <0: the pipeline must stop. */
int weir_cell_job_done(struct weir_cell *c, uint32_t i, uint64_t mono_ns,
		       const struct weir_job *job, struct weir_err *err);

struct weir_cell_sink_info {
	uint32_t step, task;
	uint64_t cursor; /* newest epoch that is in the sink */
	uint32_t waiting; /* epochs that are not */
	uint64_t waiting_bytes;
	bool unknown; /* its last outcome is being looked up */
	bool streams;
	uint32_t unsent; /* streams: of the waiting ones, not handed over in this session */
	uint64_t memory_bytes; /* of the waiting ones, the rest lies in the journal only */
};
void weir_cell_sink_info(const struct weir_cell *c, uint32_t i, struct weir_cell_sink_info *ret);

/* Streams (index in c->stream) that records of a source's task can get to. */
uint32_t weir_cell_reached(const struct weir_cell *c, uint32_t task, const uint32_t **ret);
/* How full a stream is, 0 .. 1024; held: what its node has of the open epoch. For unit->brake: the largest counts. */
weir_inline uint32_t weir_cell_fill(uint64_t outstanding, uint64_t held, uint64_t limit)
{
	uint64_t all = outstanding + held;

	return all >= limit ? 1024 : (uint32_t)((weir_u128)all * 1024 / limit);
}
/* struct weir_cell_now, urge. */
weir_inline bool weir_cell_urges(uint64_t held, uint64_t limit)
{
	return held > limit / 4;
}

void weir_cell_close(struct weir_cell *c); /* gives memory back; closes the journal */

/* ---- what changed between a state directory and a pipeline (weir check --against, weir run) ---- */

struct weir_state_change {
	enum { WEIR_STATE_KEPT, WEIR_STATE_CONVERTED, WEIR_STATE_DROPPED, WEIR_STATE_NEW } what;
	const char *step;
	char text[200];
};
/* Step tables then and now; names of `then` once more as 0-terminated texts. Writes at most cap changes; returns how
 * many there are. */
uint32_t weir_state_compare(const struct weir_bundle_head *then, const struct weir_bundle_head *now,
			    const char **then_name, struct weir_state_change *ret, uint32_t cap);
/* The step table of tasks that are built (and perhaps not opened). Texts in the region. */
void weir_cell_step_table(const struct weir_pipeline *p, const struct weir_tasks *tasks,
			  struct weir_unit *const *unit, struct weir_region *region,
			  struct weir_bundle_head *ret);

#endif
