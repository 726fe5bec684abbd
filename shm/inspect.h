/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shm/inspect.h - reading a segment that nobody vouches for: live, copied, cut or damaged.
 *
 * Use:    over any bytes: a read-only mapping of a live segment, or a file. Never writes.
 * Trust:  none. Every offset is bounded by the size that is really there; constants are copied
 *         once and checked as copies; what does not fit is reported, not guessed.
 * Live:   the segment may change at any instant. Positions are sampled until both are of one
 *         moment. A frame is copied out, then head is read again: when it has passed the frame, the
 *         producer may have been writing there, and the copy is called changed, never valid.
 *         (The producer writes a byte only after it has seen a head behind that byte. A reader that
 *         got the new byte therefore also gets the new head, on every machine on which stores
 *         become visible to all others at once: x86, ARMv8, RISC-V.)
 * Memory: mem is 128-byte aligned and borrowed as long as the inspector is used.
 * Errors: WEIR_E_TOO_SMALL: the bytes end before it. WEIR_E_FORMAT, WEIR_E_VERSION,
 *         WEIR_E_CORRUPT. err (may be NULL) says what and where.
 * Pure, except weir_inspect_check() when it looks for processes.
 */
#ifndef WEIR_SHM_INSPECT_H
#define WEIR_SHM_INSPECT_H

#include "base/err.h"
#include "base/schema.h"
#include "shm/layout.h"

struct weir_inspect {
	const uint8_t *mem;
	uint64_t size; /* bytes at mem */
	struct weir_seg_header h; /* verified copy; total_size may be more than size */
};

struct weir_inspect_role {
	unsigned state; /* enum weir_role_state, or garbage */
	uint32_t generation; /* claims so far */
	uint32_t pid;
	uint64_t start_time;
	uint64_t state_gen; /* for weir_role_judge() */
};

struct weir_inspect_ring {
	struct weir_ring_block b; /* copy; head and tail as below */
	bool verified; /* constants are fine: data_off, capacity and so on may be used */
	bool steady; /* head and tail are of one moment */
	bool positions_ok; /* R1, and multiples of 8 */
	uint64_t head, tail;
	uint64_t blocked_since_ns, blocked_ns;
	struct weir_inspect_role producer, consumer;
};

struct weir_inspect_counter {
	char name[128];
	uint32_t kind;
	uint64_t value;
};

int weir_inspect_open(struct weir_inspect *ret, const void *borrow_mem, uint64_t size,
		      struct weir_err *err);

/* Still the segment that was opened? */
bool weir_inspect_same(const struct weir_inspect *in);

uint32_t weir_inspect_state(const struct weir_inspect *in); /* enum weir_seg_state, or garbage */

/* On WEIR_E_CORRUPT *ret is filled all the same, with verified false. inout_data_end (may be NULL):
 * finds overlaps when rings are read in order, see weir_seg_verify_ring(). */
int weir_inspect_ring(const struct weir_inspect *in, uint32_t i, uint64_t *inout_data_end,
		      struct weir_inspect_ring *ret, struct weir_err *err);

int weir_inspect_counter(const struct weir_inspect *in, uint32_t i,
			 struct weir_inspect_counter *ret, struct weir_err *err);
int weir_inspect_doorbell(const struct weir_inspect *in, uint32_t i, uint32_t *ret_word,
			  bool *ret_sleeping, struct weir_err *err);
int weir_inspect_schema(const struct weir_inspect *in, uint32_t i, struct weir_schema *ret,
			struct weir_err *err);

/* Copies n bytes at position pos of the ring (wrapping) to ret, 8-byte aligned like pos and n.
 * WEIR_E_TOO_SMALL when they are not all there. The ring must be verified. */
int weir_inspect_bytes(const struct weir_inspect *in, const struct weir_inspect_ring *r,
		       uint64_t pos, uint64_t n, void *ret);

/* The ring's head now; may be anything. */
uint64_t weir_inspect_head(const struct weir_inspect *in, const struct weir_inspect_ring *r);

/* ---- frames ---- */

struct weir_inspect_frames {
	const struct weir_inspect *in;
	struct weir_inspect_ring ring;
	const struct weir_schema *schema; /* NULL: headers only */
	void *buf; /* 8-byte aligned */
	uint64_t cap;
	uint64_t pos, end;
};

enum weir_inspect_step {
	WEIR_INSPECT_END = 0,
	WEIR_INSPECT_FRAME = 1, /* *ret_frame: a checked private copy */
	WEIR_INSPECT_LARGE = 2, /* only its header was copied: it does not fit into buf */
	WEIR_INSPECT_CHANGED = 3, /* given back while it was read; goes on at the new head */
	WEIR_INSPECT_BAD = 4, /* err says why; goes on behind it if its size makes sense */
};

/* From head to tail of a ring that was read before. buf is borrowed, at least 24 bytes. A ring that
 * is not verified or whose positions are wrong has no frames. */
void weir_inspect_frames(struct weir_inspect_frames *c, const struct weir_inspect *borrow_in,
			 const struct weir_inspect_ring *ring,
			 const struct weir_schema *borrow_schema, void *borrow_buf, uint64_t cap);

/* *ret_pos: where the frame (or what is wrong) begins; c->pos: where it goes on. */
enum weir_inspect_step weir_inspect_next(struct weir_inspect_frames *c,
					 const struct weir_frame **ret_frame, uint64_t *ret_pos,
					 struct weir_err *err);

/* ---- all of it ---- */

struct weir_finding {
	bool problem; /* else: worth knowing */
	uint32_t ring; /* UINT32_MAX: not about a ring */
	char text[300];
};

typedef void (*weir_finding_fn)(void *ctx, const struct weir_finding *f);

/*
 * Checks everything an inspector can: offsets and overlaps, R1 to R3, the frame chain from head to
 * tail, counters, schemas, and (processes set) whether creator and ring ends are alive. buf as
 * for frames. Returns the number of problems.
 */
uint64_t weir_inspect_check(const struct weir_inspect *in, bool processes, void *borrow_buf,
			    uint64_t cap, weir_finding_fn fn, void *ctx);

#endif
