/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/sink_ops.h - what a sink does for exactly-once: outbox and cursor.
 *
 *   rows ──▶ run()     the epoch's output is collected (a buffer, a hidden file); nobody outside sees it
 *   barrier ▶ freeze() (node->cls->state) writes the part: the output itself, or where it lies with length and
 *                      checksum. Nothing at all when the epoch gave no output
 *   before the commit  prepare(): what the part refers to is durable, and still hidden
 *   ═══════ bundle is committed (and only then, engine/core/cell.h: release()) ═══════
 *   after it           apply(): ONE atomic action at the sink that requires cursor == prev and a fence not above
 *                      ours, makes the epoch's output visible, and sets cursor = epoch, fence = ours
 *   outcome unknown    cursor() is read; never assumed
 *   start              open(): takes the fence at the sink and reads the cursor; epochs above it come again
 *
 * A sink without a place for a cursor (a pipe, a socket) says so with `best`: it gets each epoch once per process
 * life, after the commit, and an epoch again when a crash leaves its outcome unknown.
 *
 * A sink that `streams` (an edge to another region) has its cursor far away: apply() only hands the epoch over, further
 * epochs follow at once, and the outbox shrinks when cursor() moves. Its prepare() never waits and never fails: it may
 * ship early what the other side keeps back until the commit. Any of its calls may answer WEIR_SINK_AGAIN: all epochs above the
 * cursor have to be applied again, from the first (the other side asked for it). Its calls are short; one thread serves all of
 * them (engine/edge/edges_thread.c), and cursor() is called a few hundred times a second while something is unconfirmed or the
 * lane has news, also behind each prepare() and apply(). A part it is given lies in memory during the call only: what has to be
 * applied again comes again, from memory or from the journal.
 *
 * Errors: 0 fine; WEIR_SINK_UNKNOWN: may or may not have happened, or the sink is away: the caller reads the
 *         cursor later and tries again; <0: the pipeline stops with the text in err.
 *         A cursor that is neither prev nor epoch, another fence, or other bytes under the same name: <0.
 * Thread: one call at a time per sink, from the cell's sink thread, while run() goes on in the worker: the two
 *         sides share only what freeze() handed over. Calls may block (files, a database).
 */
#ifndef WEIR_ENGINE_CORE_SINK_OPS_H
#define WEIR_ENGINE_CORE_SINK_OPS_H

#include "base/bytes.h"
#include "engine/core/pipeline.h"

#define WEIR_SINK_UNKNOWN 1
#define WEIR_SINK_LATER 2 /* streams: no room now, nothing is wrong: the same call again soon */
#define WEIR_SINK_AGAIN 3

struct weir_sink_epoch {
	uint64_t epoch;
	uint64_t prev; /* the epoch before it that had output for this sink task; 0: none */
	uint64_t fence;
	struct weir_reader part; /* as freeze() wrote it; valid during the call */
};

/* How much a sink that streams may have unconfirmed before the sources that feed it are slowed down. */
struct weir_sink_flow {
	bool open; /* the other side is there */
	uint64_t buffer_bytes; /* while it is */
	uint64_t spill_bytes; /* while it is not: what does not fit in memory lies in the journal */
};

struct weir_sink_ops {
	bool streams;
	enum weir_guarantee best; /* what this kind of sink can give */
	const char *rests_on; /* "rename without replacement and a manifest", for `weir explain` */
	/* known: the newest committed epoch that had output for this sink (0: none): a cursor above it means that
	 * the state directory is older than the sink, an error. *ret_cursor: newest epoch that is in. Sinks
	 * without a cursor answer `known`. fresh: results of earlier runs go. May be NULL. */
	int (*open)(struct weir_node *n, uint64_t fence, uint64_t known, bool fresh,
		    uint64_t *ret_cursor, struct weir_err *err);
	int (*prepare)(struct weir_node *n, const struct weir_sink_epoch *e, struct weir_err *err);
	int (*apply)(struct weir_node *n, const struct weir_sink_epoch *e, struct weir_err *err);
	int (*cursor)(struct weir_node *n, uint64_t *ret_cursor, struct weir_err *err);
	/* The last epoch is applied, the pipeline has ended (not merely stopped). Comes again at each later start;
	 * may be NULL. */
	int (*finish)(struct weir_node *n, struct weir_err *err);

	/* ---- of sinks that stream; each may be NULL ---- */
	/* At the start, when all state is back, from the main thread: where the outbox begins. cursor: as the bundles say it (the
	 * other side may have more: cursor() answers it later); first: the oldest part above it, empty when there is none. 0 or <0. */
	int (*resume)(struct weir_node *n, uint64_t cursor, struct weir_reader first,
		      struct weir_err *err);
	/* From the same thread as apply(). NULL: always open, with the defaults below. */
	void (*flow)(struct weir_node *n, struct weir_sink_flow *ret);
	/* What restore() has to be given when the part itself is needed no more, shorter than the part. From the cell's thread,
	 * while others call the node: looks at the bytes only. NULL: the part. */
	void (*brief)(const struct weir_node *n, struct weir_reader part, struct weir_out *o);
};

#define WEIR_SINK_BUFFER_DEFAULT ((uint64_t)64 << 20)
#define WEIR_SINK_SPILL_DEFAULT ((uint64_t)1 << 30)

const char *weir_guarantee_name(unsigned g); /* "exactly_once" ... */

#endif
