/* SPDX-License-Identifier: Apache-2.0 */
/* engine/core/edge_int.h - insides of an edge's two ends; only engine/core/edge_*.c use it. */
#ifndef WEIR_ENGINE_CORE_EDGE_INT_H
#define WEIR_ENGINE_CORE_EDGE_INT_H

#include "base/assert.h"
#include "base/hooks.h"
#include "engine/core/edge.h"

/* When nothing is heard: first after this, then twice as long each time, up to the last. */
#define EDGE_WAIT_FIRST (500 * (uint64_t)WEIR_NS_PER_MS)
#define EDGE_WAIT_LAST (5 * (uint64_t)WEIR_NS_PER_S)
#define EDGE_TELL_NS (20 * (uint64_t)WEIR_NS_PER_MS) /* RECEIVED not more often */
#define EDGE_HEAD ((uint32_t)sizeof(struct weir_lane_head))
#define EDGE_DATA_HEAD (EDGE_HEAD + (uint32_t)sizeof(struct weir_lane_data))
#define EDGE_CREDIT ((uint32_t)4 << 20)
#define EDGE_BLOCKED_MAX (2 * WEIR_NAME_MAX - 1)

/* A moment that comes again, later each time. */
struct edge_timer {
	uint64_t at_ns; /* 0: not set */
	uint64_t wait_ns;
};

weir_inline void edge_timer_start(struct edge_timer *t, uint64_t now)
{
	t->wait_ns = EDGE_WAIT_FIRST;
	t->at_ns = now + t->wait_ns;
}

weir_inline void edge_timer_again(struct edge_timer *t, uint64_t now)
{
	t->wait_ns = WEIR_MAX(WEIR_MIN(t->wait_ns * 2, EDGE_WAIT_LAST), EDGE_WAIT_FIRST);
	t->at_ns = now + t->wait_ns;
}

weir_inline bool edge_timer_due(const struct edge_timer *t, uint64_t now)
{
	return t->at_ns && now >= t->at_ns;
}

/* Kinds of frames that are records of an edge. */
bool weir__edge_record_kind(unsigned kind);
/* What is different, as a piece of a sentence. */
void weir__edge_hello_differ(struct weir_str ours, struct weir_str theirs, char *ret, size_t cap);
/* A text from the other end or the gateway: cut, 0-terminated, control bytes replaced. */
void weir__edge_text(const struct weir_lane_head *h, char *ret, size_t cap);
/* Fills a head from *fields (edge, session, epoch, seq, fence, chain, count), writes it with its body. false: no room. */
bool weir__edge_write(const struct weir_lane_io *io, enum weir_lane_type type,
		      const struct weir_lane_head *fields, struct weir_str body);

weir_inline uint64_t edge_session(const struct weir_lane_head *h)
{
	return (uint64_t)h->f.time_ns;
}

weir_inline uint64_t edge_lineage(uint64_t fence)
{
	return fence >> WEIR_EDGE_LINEAGE_SHIFT;
}

/* ---- sending end ---- */

struct edge_epoch {
	uint64_t epoch;
	struct weir_edge_pos end;
	uint64_t staged; /* credit that its batches hold in this session */
};

/* A place the receiver asked for: seq is count records into the batch that begins at seq - count. chain: behind that batch, or
 * with count 0 before seq. */
struct edge_asked {
	uint64_t seq, chain;
	uint32_t count;
};

struct weir_edge_out {
	uint64_t edge, fence;
	bool renewable;
	uint32_t frame_max;
	const struct weir_lane_codecs *codecs;
	const struct weir_mem *mem;
	uint8_t *hello;
	size_t hello_bytes;
	struct weir_err fail; /* code: the edge has stopped */

	/* what is kept for the receiver */
	struct edge_epoch *table; /* ring of WEIR_EDGE_EPOCHS */
	uint32_t first, count;
	uint64_t cursor; /* newest epoch that is durable there, whole */
	struct weir_edge_pos base; /* behind it */

	/* the session */
	uint64_t highest_session; /* since OPEN */
	bool unsure; /* `asked` was not compared with our chain yet */
	struct edge_asked asked;
	uint64_t floor; /* where the session began */
	uint64_t next; /* start of the batch to send next */
	uint64_t committed; /* COMMIT below this was sent since the receiver last asked */
	bool knows_end;
	uint64_t confirmable; /* the receiver can have nothing above applied */
	uint64_t credit, staged;
	bool again;

	/* where the walk through a part stopped */
	struct weir_edge_walk walk;
	uint64_t walk_epoch;
	size_t walk_at, walk_bytes;

	/* due */
	bool say_hello, say_trimmed, say_fork;
	uint64_t trimmed_session, fork_seq, fork_chain;
	struct edge_timer hello_timer;

	uint64_t sent; /* highest sequence that ever went out */
	struct weir_edge_out_info info;
};

weir_inline struct edge_epoch *edge_epoch_at(const struct weir_edge_out *o, uint32_t i)
{
	return &o->table[(o->first + i) % WEIR_EDGE_EPOCHS];
}

/* Takes what is durable off the table. */
void weir__edge_out_trim(struct weir_edge_out *o);
/* The chains differ at seq: remembered, to be told, and an error. */
int weir__edge_out_fork(struct weir_edge_out *o, uint64_t seq, uint64_t chain);
int weir__edge_out_fail(struct weir_edge_out *o, struct weir_err *err);
/* HELLO of this session (or the question for one) that has to go before everything else. false: no room. */
bool weir__edge_out_answers(struct weir_edge_out *o, const struct weir_lane_io *io, uint64_t now);
bool weir__edge_out_say(struct weir_edge_out *o, const struct weir_lane_io *io,
			enum weir_lane_type type, struct weir_lane_head *h, struct weir_str body);

/* ---- receiving end ---- */

struct edge_batch {
	struct edge_batch *next;
	uint64_t seq, fence;
	uint64_t chain_before, chain_after;
	uint32_t count, bytes;
	uint8_t data[] __attribute__((aligned(8)));
};

struct edge_list {
	struct edge_batch *first, *last;
	uint64_t cost;
};

struct edge_frozen {
	uint64_t epoch, seq;
};
#define EDGE_FROZEN 64u

struct weir_edge_in {
	uint64_t edge;
	bool renewable;
	uint32_t frame_max, staging_max, ready_max;
	const struct weir_schema *schema;
	const struct weir_lane_codecs *codecs;
	const struct weir_mem *mem;
	uint8_t *hello;
	size_t hello_bytes;
	struct weir_err fail;

	/* the place: next record to be emitted, in which batch */
	uint64_t next, chain; /* chain: before that batch */
	uint32_t skip; /* records of that batch before `next` */
	uint64_t behind; /* chain behind that batch, when skip is not 0: those records were of it */
	uint64_t fence; /* highest seen */

	struct edge_list ready, staged;
	struct edge_batch *spent; /* its rows may still be in use */
	uint32_t at; /* bytes of the first ready batch that were taken */

	struct weir_edge_pos expect; /* start of the batch to come next */
	uint32_t front; /* of its records, those before the place: only while nothing is ready */
	struct weir_edge_pos commit; /* what lies below may be applied */

	/* the session */
	uint64_t session_number; /* newest that was used, by this life or one before */
	bool heard; /* its HELLO came */
	bool early; /* frames of it came before */
	uint64_t session_fence;
	uint64_t
		doubt_ns; /* others are heard: when nothing of this session is until then, a new one; 0: no doubt */
	struct edge_timer resume_timer; /* while nothing was heard; or a new session at that time */
	bool broken; /* the session is over, the next one begins with the timer */
	uint64_t hole; /* batches up to here came and were not next */
	uint64_t asked; /* GAP was said for this place, plus one */
	struct edge_timer gap_timer;

	/* due */
	bool say_resume, say_gap, say_fork, say_fenced;
	uint64_t fenced_session, fork_seq, fork_chain;
	uint64_t told_received, told_durable; /* plus one; 0: nothing in this session */
	uint64_t tell_ns;
	char told_blocked[EDGE_BLOCKED_MAX + 1];

	struct edge_frozen frozen[EDGE_FROZEN];
	uint32_t frozen_count;
	uint64_t durable;
	struct weir_edge_in_info info;
};

/* A DATA frame that is next: unpacked, checked, in the list it belongs to. 0 or <0 (the edge stops), 1: more than the credit. */
int weir__edge_in_batch(struct weir_edge_in *i, const struct weir_lane_head *h);
/* Staged batches below the commit become ready. */
void weir__edge_in_promote(struct weir_edge_in *i);
void weir__edge_in_drop_staged(struct weir_edge_in *i);
void weir__edge_in_free_all(struct weir_edge_in *i);
/* Everything of the last session is over, the next number. */
void weir__edge_in_session(struct weir_edge_in *i, uint64_t now);
int weir__edge_in_fork(struct weir_edge_in *i, uint64_t seq, uint64_t chain);
int weir__edge_in_fail(struct weir_edge_in *i, struct weir_err *err);

#endif
