/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/op.h - nodes, batches and ports: how fused steps pass records to each other.
 *
 * A task is a small tree of nodes. Each node has one input batch; each of its ports feeds the input
 * batches of the nodes behind it. A batch is up to WEIR_BATCH_ROWS pointers to frames, then at most
 * one control (watermark, barrier, end). The frames themselves stay where they are: in the input
 * ring, or in the scratch memory of the port that made them.
 *
 *      ring or source ──▶ [in│node 0│port]──▶ [in│node 1│port]──▶ [in│outlet] ──▶ rings
 *                                      │port "late"]──▶ [in│outlet] ──▶ rings
 *
 * run() contract: consume rows in->pos .. in->count, emit through the ports while weir_port_room()
 * is not 0, and stop without blocking when a port has no room; it will be called again. When all
 * rows are consumed and nothing of the node's own is pending, pass the control on with
 * weir_node_forward_ctl() (a window first emits what the watermark closes; that may take several
 * calls). Rows emitted must stay valid until the port's targets have consumed them: pass input
 * rows through, or build new ones with weir_port_claim(). State kept beyond the call is copied.
 *
 * Pure: no I/O, no clock; memory from node->task->mem only at create and when state grows.
 * Thread: one task runs on one worker at a time.
 */
#ifndef WEIR_ENGINE_CORE_OP_H
#define WEIR_ENGINE_CORE_OP_H

#include "base/err.h"
#include "base/mem.h"
#include "base/schema.h"

#define WEIR_BATCH_ROWS 256
#define WEIR_PORT_TARGETS_MAX 64

struct weir_node;
struct weir_task;

struct weir_ctl {
	uint8_t kind; /* 0: none; else WEIR_FRAME_WATERMARK, _BARRIER, _EOS, _MARKER, _IDLE */
	int64_t value; /* time for a watermark, epoch for a barrier */
};

struct weir_batch {
	uint32_t pos, count; /* rows [pos, count) are still to be consumed */
	struct weir_ctl ctl; /* comes after the rows */
	const struct weir_frame *row[WEIR_BATCH_ROWS];
};

weir_inline bool weir_batch_empty(const struct weir_batch *b)
{
	return b->pos == b->count && b->ctl.kind == 0;
}

struct weir_port {
	const char *name; /* "" is the main output */
	const struct weir_schema *schema;
	struct weir_node **target;
	uint32_t target_count;
	uint32_t scratch_used, scratch_cap;
	uint8_t *scratch; /* scratch_cap bytes, 8-byte aligned */
	uint64_t rows; /* emitted so far */
};

struct weir_state_ops;
struct weir_sink_ops;
struct weir_query;
struct weir_query_out;
struct weir_out;

struct weir_op_class {
	const char *name;
	/* >0: made progress (rows consumed or emitted, control passed); 0: nothing to do or no
	 * room; <0: error, text in node->task->err, the pipeline stops. */
	int (*run)(struct weir_node *n);
	void (*fini)(struct weir_node *n); /* may be NULL */
	/* Called between turns, about ten times a second, on nodes that keep something back (a sink's
	 * buffer); may be NULL. <0: error as in run(). */
	int (*tick)(struct weir_node *n);
	/* Of a source: its `durable` has grown; tells those who wait for that. Also called while the source may not
	 * emit. May be NULL. */
	void (*settled)(struct weir_node *n);
	/* Of a source: called once a turn, whatever else the turn may do: while the source may not emit, while the task waits
	 * for room, and when all its input has been handed on. For what has to go on in any case (answers to other
	 * processes). quiet: nobody holds rows that run() emitted. >0: did something; <0: error as in run(). May be NULL. */
	int (*attend)(struct weir_node *n, bool quiet);
	bool source; /* run() makes rows out of nothing: called by the task's turn, not by drain */
	const struct weir_state_ops *state; /* engine/core/freeze.h; NULL: nothing to keep */
	const struct weir_sink_ops *sink; /* engine/core/sink_ops.h; NULL: not a sink */
	/* Shows state, a piece at a time, between turns; changes nothing (engine/core/query.h). NULL: cannot be asked. */
	int (*query)(struct weir_node *n, const struct weir_query *q, struct weir_query_out *out);
};

struct weir_node {
	const struct weir_op_class *cls;
	void *op; /* the operator's own structure */
	struct weir_task *task;
	struct weir_port *port; /* port[0] is the main output */
	uint32_t port_count;
	uint32_t step; /* index in the pipeline */
	const char *step_name; /* "" for nodes that belong to no step (outlets) */
	uint64_t rows_in;
	uint64_t late, rejects; /* counted by the operator */
	int64_t watermark; /* last one forwarded */
	struct weir_out
		*part; /* what freeze() and encode() wrote for the epoch at hand; NULL: no epochs */
	bool frozen; /* the barrier of the epoch at hand is through */
	uint64_t held; /* sink: bytes of output collected for the open epoch, not yet handed over */
	struct weir_batch in;
};

/* How many rows the port takes now; 0 also while a control waits in a target, or the scratch
 * memory is used up and a target still holds rows. */
uint32_t weir_port_room(struct weir_port *p);

weir_inline void weir_batch_add(struct weir_node *n, const struct weir_frame *f)
{
	n->in.row[n->in.count++] = f;
}

/* Appends a row to every target. Needs room. */
weir_inline void weir_port_push(struct weir_port *p, const struct weir_frame *f)
{
	p->rows++;
	if (weir_likely(p->target_count == 1)) {
		weir_batch_add(p->target[0], f);
		return;
	}
	for (uint32_t i = 0; i < p->target_count; i++)
		weir_batch_add(p->target[i], f);
}

/* The same for n rows; needs room for all of them. */
weir_inline void weir_port_push_rows(struct weir_port *p, const struct weir_frame *const *row,
				     uint32_t n)
{
	p->rows += n;
	for (uint32_t i = 0; i < p->target_count; i++) {
		struct weir_batch *b = &p->target[i]->in;

		memcpy(b->row + b->count, row, n * sizeof(*row));
		b->count += n;
	}
}

/* Scratch memory for one new frame: pointer and its size in *ret_cap (a multiple of 8). NULL when it
 * must wait until the targets have drained. A port that has room and drained targets always gives
 * at least the task's record_max. */
void *weir_port_claim(struct weir_port *p, uint32_t want, uint32_t *ret_cap);
/* Keeps the first `bytes` of the last claim (a frame's stride). */
weir_inline void weir_port_keep(struct weir_port *p, uint32_t bytes)
{
	p->scratch_used += bytes;
}

/* Passes in->ctl to all ports and clears it; the watermark of a marked node only grows. false (and
 * nothing done) when a target already holds a control. Call only when all rows are consumed. */
bool weir_node_forward_ctl(struct weir_node *n);

/* What a failing record does. */
enum weir_on_error {
	WEIR_ON_ERROR_STOP = 0,
	WEIR_ON_ERROR_SKIP = 1,
	WEIR_ON_ERROR_ROUTE = 2,
};

/* Schema of every "rejects" port: reason string, step string, source string?, line int64?,
 * offset int64?, record string (the line, or the record as JSON). */
const struct weir_schema *weir_rejects_schema(void);

struct weir_task {
	const struct weir_mem *mem;
	struct weir_err err;
	uint32_t record_max; /* bytes of the largest frame */
	uint32_t node_count;
	struct weir_node *node; /* parents before children; node[0] is the root */
	int64_t now_ns; /* wall clock of this turn, given by the edge */
	uint64_t mono_ns; /* monotonic clock of this turn */
	uint64_t retry_ns; /* a node waits for the outside: look again after so long; 0: no */
	bool closing; /* the pipeline stops: what an epoch gives from now on had better be seen */
	uint64_t epoch; /* the one being frozen; set by the unit before freeze() */
};

/* Runs the nodes, last first, until none makes progress. Number of progress steps, or <0. */
int weir_task_drain(struct weir_task *t);

/* The barrier (or the end) has reached this node and all rows before it are through: freezes it. Called by
 * weir_node_forward_ctl(); nodes that pass no control on (sinks) call it themselves. */
void weir_node_freeze(struct weir_node *n);

/* True when no node holds rows or controls: the input frames may be given back. */
bool weir_task_idle(const struct weir_task *t);

/*
 * A record failed in node n: applies the policy. `reject_port` is the index of the node's rejects
 * port, or -1 when nobody listens. Text of `reason` goes into the reject or the error.
 * 0: handled (skipped or routed), 1: no room in the rejects port, call again; <0: stop.
 */
int weir_node_reject(struct weir_node *n, enum weir_on_error policy, int reject_port,
		     const char *reason, const struct weir_frame *f, const struct weir_schema *s);

/* The same for a piece of input that never became a record: straight to the rejects port. source may
 * be NULL, line 0, offset negative when unknown. 0 or 1 as above. */
int weir_node_reject_text(struct weir_node *n, int reject_port, const char *reason,
			  const char *source, uint64_t line, int64_t offset,
			  struct weir_str record);

/* What a node's operator is made from; engine/core/build.c fills it. */
struct weir_step;
struct weir_regex_ops;
struct weir_op_env {
	const struct weir_step *step; /* keeps */
	const struct weir_schema *in; /* keeps; NULL for a source */
	struct weir_region *region; /* lives as long as the task */
	const struct weir_regex_ops *regex;
	bool hashed; /* input frames carry key_hash for this step's key */
	int late_port, rejects_port; /* ports of the node, -1: nobody listens */
	uint32_t instance, instances; /* which one of the step's parallel tasks */
	bool epochs; /* the node will have a part: state must say what changed (engine/core/freeze.h) */
};

/*
 * Each operator has one of these (filter.c, map.c, ...; aggregate.c, top.c): sets node->cls and
 * node->op; node->task, port and port_count are already there. 0, or a code with node->task->err.
 */
int weir_filter_init(struct weir_node *n, const struct weir_op_env *env);
int weir_map_init(struct weir_node *n, const struct weir_op_env *env);
int weir_flat_map_init(struct weir_node *n, const struct weir_op_env *env);
int weir_split_init(struct weir_node *n, const struct weir_op_env *env);
int weir_pass_init(struct weir_node *n, const struct weir_op_env *env); /* union, key_by */
int weir_keys_init(struct weir_node *n, const struct weir_op_env *env);
int weir_aggregate_init(struct weir_node *n, const struct weir_op_env *env);
int weir_top_init(struct weir_node *n, const struct weir_op_env *env);

#endif
