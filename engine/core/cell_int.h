/* SPDX-License-Identifier: Apache-2.0 */
/* engine/core/cell_int.h - inside of the cell; only engine/core/cell*.c. */
#ifndef WEIR_ENGINE_CORE_CELL_INT_H
#define WEIR_ENGINE_CORE_CELL_INT_H

#include "base/assert.h"
#include "base/hooks.h"
#include "engine/core/cell.h"

#define CELL_WAITING_MAX 64u /* epochs a sink may be behind before no new ones are opened */
#define CELL_RETRY_MIN_NS ((uint64_t)WEIR_NS_PER_MS * 10)
#define CELL_RETRY_MAX_NS ((uint64_t)WEIR_NS_PER_S * 2)
#define CELL_STREAM_COST 512u /* bytes that an unconfirmed output counts beside its own */
#define CELL_QUIET_INTERVALS 16u /* epochs of a pipeline without input come this much more rarely */

/* Output of one epoch for one sink, kept until the sink's cursor covers it (I27). */
struct cell_output {
	struct cell_output *next;
	uint64_t epoch, prev;
	size_t bytes;
	uint64_t from; /* they begin at this byte of the epoch's bundle */
	bool prepared;
	uint32_t shipped; /* streams: session in which it was handed over before its commit */
	struct weir_hash128 sum; /* of bytes that were given up */
	uint8_t *data; /* NULL: given up, the journal has them (sinks that stream) */
};

/* cell_stream.c */
struct cell_stream {
	struct cell_output *old, *give, *load, *fresh; /* NULL: behind the newest; load: no hole */
	uint64_t memory; /* bytes of outputs that are there */
	uint32_t session, unsent;
	uint8_t *loading; /* bytes of `load` while they are read back; NULL: not begun */
	struct weir_sink_flow flow;
};

struct cell_reach {
	uint32_t count, *stream;
};

struct cell_sink {
	struct weir_node *node;
	uint32_t step, task;
	uint64_t last; /* newest epoch with output */
	uint64_t cursor, said; /* in the sink; as the newest bundle says */
	struct cell_output *first, *newest;
	uint32_t waiting;
	uint64_t waiting_bytes;
	struct weir_out collect; /* of the epoch being aligned, and of folded ones before it */
	struct weir_out state; /* newest part: said again when a base round begins */
	enum weir_job_kind busy; /* on its way */
	uint64_t busy_epoch; /* of its output; 0: none */
	struct cell_stream stream; /* sinks that stream */
	bool unknown;
	bool finished;
	uint64_t retry_ns, backoff_ns;
};

/* A bundle between alignment and durability. */
struct cell_bundle {
	uint64_t epoch;
	uint64_t opened_ns, aligned_ns;
	struct weir_out bytes;
	bool appended;
	bool ended;
};

/* A part of a task that reports no more. */
struct cell_kept {
	struct cell_kept *next;
	enum weir_part_kind kind;
	uint32_t step, task;
	struct weir_out out;
};

struct weir_cell_private {
	uint32_t task_count;
	bool *task_final; /* has reported for the last time */
	bool *task_in; /* has reported the epoch being aligned */
	uint64_t *task_round;
	uint64_t gap; /* open - durable at the start: numbers that are not used again */
	uint64_t newest_fence; /* of the newest bundle at the start; 0: none */
	uint32_t live; /* tasks that are not final */

	bool aligning;
	uint32_t missing;
	uint64_t opened_ns, opened_rows;
	uint64_t folded_from; /* oldest epoch whose parts are in body; 0: none */
	struct weir_out body;
	struct weir_report *early; /* last reports for the epoch that is not open yet */

	struct cell_bundle bundle[WEIR_EPOCHS_IN_FLIGHT_MAX]; /* ring: first, count */
	uint32_t first, count;

	struct cell_sink *sink;
	uint64_t released; /* sinks may apply epochs up to here */
	struct cell_kept *kept;
	struct cell_reach *reach; /* per task: streams its records get to; of sources */
	uint32_t loading; /* sink whose output is read back, modulo sinks */

	bool stopping, ending, sealed;
	uint64_t stop_epoch; /* the last one of a stop */

	uint64_t round_covers; /* bundles above it hold all state once the round is through */
	uint64_t round_epoch; /* the epoch that completed it; 0: not yet */
	uint64_t live_after_base;
	uint64_t round_bytes; /* it waits for sinks: what it left of the log */
	bool round_done;
	bool restate_due; /* the next bundle says again what no task will say */

	struct weir_bundle_head head; /* step table; texts in the region */
};

/* cell_sink.c */
void weir__cell_sinks_init(struct weir_cell *c);
void weir__cell_sink_collect(struct weir_cell *c, uint32_t step, uint32_t task,
			     struct weir_out *part);
/* The aligned epoch's output goes into the queues and, as SINK parts, into the bundle. */
void weir__cell_sinks_close(struct weir_cell *c, uint64_t epoch, struct weir_out *bundle,
			    bool restate);
bool weir__cell_sinks_prepared(const struct weir_cell *c, uint64_t epoch);
void weir__cell_release(struct weir_cell *c);
bool weir__cell_sinks_full(const struct weir_cell *c);
/* Oldest epoch a sink still needs; UINT64_MAX: none. */
uint64_t weir__cell_sinks_need(const struct weir_cell *c);
/* All epochs are applied; patient: also those of a sink that is away. */
bool weir__cell_sinks_done(const struct weir_cell *c, bool patient);
bool weir__cell_sinks_finished(const struct weir_cell *c);
bool weir__cell_sinks_unsaid(const struct weir_cell *c);

/* What the newest bundle says of a sink. */
struct cell_known {
	uint64_t epoch; /* newest with output */
	uint64_t cursor; /* applied for certain */
	bool lost; /* the step means something else now: what it had not got is given up */
};
int weir__cell_sink_open(struct weir_cell *c, uint64_t fence, const struct cell_known *known,
			 struct weir_err *err);
/* After the replay: the outbox leads from the cursor to the newest output (I27). */
int weir__cell_sinks_replayed(struct weir_cell *c, struct weir_err *err);
/* from: where `in` begins in its bundle. */
int weir__cell_sink_replay(struct weir_cell *c, struct cell_sink *s, uint64_t epoch, uint64_t prev,
			   bool again, struct weir_reader in, uint64_t from, struct weir_err *err);
void weir__cell_output_drop(struct weir_cell *c, struct cell_sink *s);
void weir__cell_job_of(struct weir_cell *c, struct cell_sink *s, enum weir_job_kind kind,
		       const struct cell_output *o, struct weir_job *ret);
void weir__cell_sinks_fini(struct weir_cell *c);
struct cell_sink *weir__cell_sink_of(struct weir_cell *c, uint32_t step, uint32_t task);

/* cell_stream.c */
void weir__cell_output_bytes(struct weir_cell *c, struct cell_sink *s, struct cell_output *o);
void weir__cell_output_release(struct weir_cell *c, struct cell_sink *s, struct cell_output *o);
void weir__cell_streams_init(struct weir_cell *c);
int weir__cell_streams_resume(struct weir_cell *c, struct weir_err *err);
/* A new output is the last one of the outbox; the first one leaves it. */
void weir__cell_stream_added(struct cell_sink *s, struct cell_output *o);
void weir__cell_stream_drop(struct weir_cell *c, struct cell_sink *s);
void weir__cell_stream_replayed(struct weir_cell *c, struct cell_sink *s, struct cell_output *o,
				struct weir_reader in);
/* What has become durable may leave memory; what is to go out comes back from the journal. 0 or <0. */
int weir__cell_streams_step(struct weir_cell *c, struct weir_err *err);
void weir__cell_streams_flow(struct weir_cell *c);
bool weir__cell_stream_job(struct weir_cell *c, struct cell_sink *s, struct weir_job *ret);
void weir__cell_stream_run(struct weir_job *job);
int weir__cell_stream_done(struct weir_cell *c, struct cell_sink *s, const struct weir_job *job,
			   struct weir_err *err);
void weir__cell_stream_fini(struct weir_cell *c, struct cell_sink *s);

/* cell_epoch.c */
/* Epochs opened in this run since the newest durable one. */
uint64_t weir__cell_numbers(const struct weir_cell *c);
void weir__cell_epoch_open(struct weir_cell *c, const struct weir_cell_now *now);
void weir__cell_epoch_aligned(struct weir_cell *c, const struct weir_cell_now *now);
void weir__cell_seal(struct weir_cell *c, const struct weir_cell_now *now);
void weir__cell_kept_fini(struct weir_cell *c);

/* cell_restore.c */
int weir__cell_restore(struct weir_cell *c, struct weir_err *err);

#endif
