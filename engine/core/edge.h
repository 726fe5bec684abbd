/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/edge.h - an edge: records from a step in one region to another region, exactly once and in order.
 *
 *   sender's cell                                                             receiver's cell
 *   sink ─part(numbered, chained)─▶ edge_out ══ lane, gateways, lane ══▶ edge_in ─▶ source ─▶ step
 *        ◀──────── cursor ───────────┘     ◀── RESUME, RECEIVED, DURABLE ──┘ ◀─ place in the bundle
 *
 * Rules (correctness.md 1.2; invariants I8 to I13 are asserted in both ends):
 *  1 Records are numbered 0,1,2.. per edge when their epoch is frozen; controls (watermark, idle, end) are records too.
 *    A batch is the unit of the chain: chain' = XXH3-64(batch bytes, seed chain + first seq). Batches are cut when the part is
 *    made and stay as they are for ever.
 *  2 DATA may go out before the commit, within the staging credit of the session; COMMIT after it. The receiver applies nothing
 *    above the newest COMMIT. Batches of committed epochs need no credit.
 *    COMMIT may also come first: the batches below it are then applied as they come.
 *  3 The receiver takes the next batch only (what lies below is dropped); above: GAP, discard. A place inside of a batch is how
 *    many of its records are through, and the chain behind it (those records were of this batch and no other): the sender sends
 *    the whole batch, its front is cut off.
 *  4 A session begins with the receiver's RESUME; frames of another session are dropped. The sender compares chains: FORK stops
 *    the edge at both ends, keeping everything.
 *  5 RECEIVED drives the credit, DURABLE the cursor. The outbox is trimmed on DURABLE only (I10).
 *  6 RESUME below what was trimmed: TRIMMED; the receiver stops with an error and never skips.
 *  7 A fence below the highest seen is refused (FENCED); the highest is part of the receiver's place (I11).
 *  8 A renewable edge survives the loss of a state directory at either end, because what it carries says by itself what is
 *    missing (engine/core/table.h). Its fences begin with a lineage: when the sender's directory was made. A newer lineage begins at
 *    0 at the receiver; a receiver that has nothing of a lineage takes the place TRIMMED names. On all other edges both are errors.
 * Sessions: OPEN at both ends; the sender says HELLO (session 0) until the receiver answers RESUME (session s); it says HELLO (s)
 *    once more, and only then batches: so a session belongs to one life of the sender, whose fence HELLO tells. The receiver numbers
 *    sessions upwards; one that goes wrong (more than the credit, another fence) is given up for a new one.
 * Both ends are pure step machines: time is an argument, frames come in one by one and go out through struct weir_lane_io.
 * Thread: each end one thread (sender: the edges' thread, receiver: the worker of the source).
 */
#ifndef WEIR_ENGINE_CORE_EDGE_H
#define WEIR_ENGINE_CORE_EDGE_H

#include "base/bytes.h"
#include "base/err.h"
#include "shm/lane.h"

/* Where an end writes its frames. */
struct weir_lane_io {
	/* size bytes (a multiple of 8) or NULL: no room now. Nothing is kept yet. */
	void *(*claim)(void *ctx, uint32_t size);
	void (*keep)(void *ctx,
		     uint32_t size); /* of the last claim; visible at once or at the next flush */
	void *ctx;
};

/* Packs a batch; NULL functions: plain only. */
struct weir_lane_codecs {
	/* Bytes written to out (at most cap), 0: no gain or no room; *ret_codec says how. */
	uint32_t (*pack)(void *ctx, const void *in, uint32_t n, void *out, uint32_t cap,
			 uint8_t *ret_codec);
	/* false: damaged. out has exactly raw bytes. */
	bool (*unpack)(void *ctx, uint8_t codec, const void *in, uint32_t n, void *out,
		       uint32_t raw);
	void *ctx;
};

/* ---- parts: what the sending sink writes into a bundle (docs/formats/edge.md) ---- */

#define WEIR_EDGE_BATCH_BYTES                                                                      \
	((uint32_t)32 << 10) /* a batch is cut here; a larger record is a batch of its own */

struct weir_edge_pos {
	uint64_t seq; /* next record */
	uint64_t chain; /* after the record before it */
};
/* Numbers and chains records into batches. */
struct weir_edge_writer {
	struct weir_edge_pos pos; /* saved and restored with the sink's state */
	struct weir_edge_pos part; /* where the open part began */
	struct weir_out out; /* batches of the open part */
	uint8_t *batch; /* room for one batch */
	uint32_t used, count, cap;
};
/* cap: multiple of 8; batches are cut at the smaller of it and WEIR_EDGE_BATCH_BYTES. */
void weir_edge_writer_init(struct weir_edge_writer *w, const struct weir_mem *keep_mem,
			   void *keep_batch, uint32_t cap);
/* f: DATA, WATERMARK, IDLE or EOS. Copied. */
void weir_edge_writer_add(struct weir_edge_writer *w, const struct weir_frame *f);
/* Closes the batch and moves the part out; nothing when no record came. */
void weir_edge_writer_part(struct weir_edge_writer *w, struct weir_out *ret_part);
/* From the newest part of an earlier run: the writer goes on behind it. 0 or WEIR_E_CORRUPT. */
int weir_edge_writer_restore(struct weir_edge_writer *w, struct weir_reader part);

struct weir_edge_batch {
	uint64_t seq;
	uint32_t count, bytes;
	uint64_t chain_before, chain_after;
	const uint8_t *p; /* frames, each padded to 8; where the part lies, so of any alignment */
};
/* Walks a part, which may be several parts one behind the other. 1: *ret is the next batch, 0: that was all,
 * <0 WEIR_E_CORRUPT. */
struct weir_edge_walk {
	struct weir_reader in;
	struct weir_edge_pos at, end; /* next batch; behind the part */
	struct weir_edge_pos stop; /* behind the section: a part of folded epochs has several */
	uint64_t left; /* bytes of batches left in the section */
};
int weir_edge_walk_begin(struct weir_edge_walk *w, struct weir_reader part);
int weir_edge_walk_next(struct weir_edge_walk *w, struct weir_edge_batch *ret);
uint64_t weir_edge_chain(uint64_t chain, uint64_t seq, const void *batch, uint32_t bytes);

/* ---- sending end ---- */

/* Fence of a renewable edge: lineage is a time in seconds, fence that of the cell. */
#define WEIR_EDGE_LINEAGE_SHIFT 24
weir_inline uint64_t weir_edge_fence(uint64_t lineage, uint64_t fence)
{
	return lineage << WEIR_EDGE_LINEAGE_SHIFT | fence;
}

struct weir_edge_out_options {
	uint64_t edge, fence;
	bool renewable;
	/* Everything that was committed before this start ends at `end`. Without that, a receiver that is ahead of a sender whose
	 * state directory is too old is seen only when the sender's new records have come to the same number, and a confirmation
	 * of what was never committed is not seen. */
	bool knows_end;
	uint64_t end;
	struct weir_str hello; /* body of HELLO: weir_edge_hello_put() */
	uint32_t frame_max;
	const struct weir_lane_codecs *codecs;
	const struct weir_mem *mem;
};
/* What a batch takes of the staging credit beside its bytes. */
#define WEIR_EDGE_BATCH_COST 128u
#define WEIR_EDGE_EPOCHS 4096u /* unconfirmed epochs one end keeps account of */
struct weir_edge_out; /* opaque; made in mem */

/* cursor: newest epoch that was confirmed; base: where the first unconfirmed record stands. */
struct weir_edge_out *weir_edge_out_new(const struct weir_edge_out_options *o, uint64_t cursor,
					struct weir_edge_pos base);
void weir_edge_out_free(struct weir_edge_out *o);

/* One whole frame from the in ring (weir_lane_stride() of it is there; checked here). 0, or <0: the edge must stop (text in err;
 * step() still tells the other end): fork, fenced, a broken confirmation. Anything else that does not belong here is counted and
 * dropped. */
int weir_edge_out_receive(struct weir_edge_out *o, const struct weir_lane_head *h, uint64_t mono_ns,
			  struct weir_err *err);
/* Writes what is due and was not asked for by offer(): HELLO after OPEN, TRIMMED, repeats. */
void weir_edge_out_step(struct weir_edge_out *o, const struct weir_lane_io *io, uint64_t mono_ns);
/*
 * Hands over one epoch's part, in order, each as often as it takes. committed false: ship early what the credit allows (always
 * returns 0); true: everything and COMMIT. 0: all is on its way, WEIR_EDGE_LATER: no room, no session; call again, <0.
 */
#define WEIR_EDGE_LATER 1
int weir_edge_out_offer(struct weir_edge_out *o, uint64_t epoch, uint64_t prev,
			struct weir_reader part, bool committed, const struct weir_lane_io *io,
			uint64_t mono_ns, struct weir_err *err);
uint64_t weir_edge_out_cursor(
	const struct weir_edge_out *o); /* newest epoch that is durable at the receiver, whole */
/* A new session: epochs above the cursor have to be offered again, from the first. Reading it clears it. */
bool weir_edge_out_again(struct weir_edge_out *o);

struct weir_edge_out_info {
	bool lane_open, in_session;
	uint64_t session, next_seq, received, durable; /* sequences */
	uint64_t frames_out, bytes_out, raw_bytes_out, resent, gaps, dropped, sessions;
	uint64_t open_since_ns, closed_since_ns;
	char blocked_by[2 * WEIR_NAME_MAX]; /* as the receiver says: "step@region", "" */
	char reason[120]; /* why the lane is closed */
};
void weir_edge_out_info(const struct weir_edge_out *o, struct weir_edge_out_info *ret);

/* ---- receiving end ---- */

struct weir_edge_in_options {
	uint64_t edge;
	bool renewable; /* as at the other end: part of what HELLO must say */
	uint64_t
		life; /* not 0, below 2^44, and larger with every start (the cell's fence, or ms since the
			* Unix epoch): sessions are numbered from it, so that none comes twice */
	struct weir_str hello; /* what the sender's HELLO must say: else WEIR_E_CONFIG */
	uint32_t frame_max;
	uint32_t staging_bytes; /* uncommitted batches; 0: 4 MiB; the credit of each session */
	uint32_t ready_bytes; /* committed batches that wait for the source; 0: 4 MiB */
	const struct weir_schema *schema; /* every record is checked against it */
	const struct weir_lane_codecs *codecs;
	const struct weir_mem *mem;
};
struct weir_edge_in;
struct weir_edge_in *weir_edge_in_new(const struct weir_edge_in_options *o);
void weir_edge_in_free(struct weir_edge_in *i);

/* The source's place: next record to be emitted, with the chains around its batch, the highest fence, the newest session. */
void weir_edge_in_put(const struct weir_edge_in *i, struct weir_out *o);
int weir_edge_in_restore(struct weir_edge_in *i, struct weir_reader *in);
/* Freeze of epoch n was taken; epoch n is durable here. */
void weir_edge_in_frozen(struct weir_edge_in *i, uint64_t epoch);
void weir_edge_in_durable(struct weir_edge_in *i, uint64_t epoch);

/* May another frame be given in? false: enough is ready for the source: leave it in the ring, the credit of the link does the
 * rest. (What is staged is bounded by the credit of the session.) */
bool weir_edge_in_room(const struct weir_edge_in *i);
/* One whole frame from the in ring (weir_lane_stride() of it is there; checked here). 0, or <0: the edge must stop (text in err;
 * step() still tells the other end): fork, trimmed, a sender whose records mean something else, records that are no records. */
int weir_edge_in_receive(struct weir_edge_in *i, const struct weir_lane_head *h, uint64_t mono_ns,
			 struct weir_err *err);
/* Next records that may be applied, at most cap, up to the next control: rows (valid until the next call of take or receive) in
 * ret_row, or one control in *ret_ctl (a frame of a control kind) with 0 rows. 0 and NULL: nothing. */
uint32_t weir_edge_in_take(struct weir_edge_in *i, const struct weir_frame **ret_row, uint32_t cap,
			   const struct weir_frame **ret_ctl);
/* Writes what is due: RESUME after OPEN or when nothing of the session was heard for a while, RECEIVED, DURABLE, STATUS. */
void weir_edge_in_step(struct weir_edge_in *i, const struct weir_lane_io *io,
		       const char *blocked_by, uint64_t mono_ns);
/* Monotonic time of the next thing to do without news; 0: nothing. */
uint64_t weir_edge_in_deadline(const struct weir_edge_in *i);

struct weir_edge_in_info {
	bool lane_open, in_session;
	uint64_t session, next_seq, durable, fence;
	uint64_t frames_in, bytes_in, duplicates, gaps, dropped, sessions;
	uint32_t staged_bytes, ready_bytes;
	uint64_t closed_since_ns;
	char reason[120];
};
void weir_edge_in_info(const struct weir_edge_in *i, struct weir_edge_in_info *ret);

/* What both ends must agree on: cluster and pipeline name, step, port, schema text. Compared as bytes. */
void weir_edge_hello_put(struct weir_out *o, const char *cluster, const char *pipeline,
			 const char *step, const char *port, const char *from, const char *to,
			 const struct weir_schema *schema);
/* The id of an edge: hash of the same without the schema, and of task and spread. */
uint64_t weir_edge_id(const char *cluster, const char *pipeline, const char *step, const char *port,
		      const char *from, const char *to, uint32_t task, const char *spread);

#endif
