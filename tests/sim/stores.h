/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/stores.h - the systems behind the sinks. They belong to the world: what is in them survives the engine.
 *
 * A store is what one task of a sink step writes to, with a cursor and a fence:
 *   transactional  like a database: rows, cursor and fence change in one step, or not at all
 *   file-like      output is collected in hidden files; prepare() makes them durable, apply() renames them
 * Requests can be late: they take effect after the engine has given up on them, or has died (a zombie).
 */
#ifndef WEIR_TESTS_SIM_STORES_H
#define WEIR_TESTS_SIM_STORES_H

#include "base/schema.h"
#include "tests/sim/sim.h"

#define SIM_STORES_MAX 64
#define SIM_LATE_MAX 32

struct sim_bytes {
	uint8_t *p;
	size_t n, cap;
};

struct sim_hidden { /* output that nobody sees yet */
	uint64_t id;
	struct sim_bytes bytes;
	uint32_t rows;
	bool durable, gone;
};

struct sim_mark {
	uint64_t epoch, rows;
}; /* rows up to an epoch */
struct sim_marks {
	struct sim_mark *m;
	uint32_t count;
	size_t cap;
};

struct sim_batch { /* one applied epoch */
	uint64_t epoch, fence, rows;
	struct weir_hash128 hash;
};

struct sim_request {
	uint64_t epoch, prev, fence;
	struct sim_bytes part;
};

struct sim_store {
	char step[WEIR_NAME_MAX + 1];
	uint32_t task, number;
	bool file_like;
	bool loose; /* keeps no cursor: an epoch may come again (at least once) */
	struct weir_schema schema;
	uint64_t cursor, fence;
	struct sim_bytes bytes; /* frames, one after the other */
	uint64_t rows;
	struct sim_batch *batch;
	uint32_t batch_count;
	size_t batch_cap;
	struct sim_hidden *hidden;
	uint32_t hidden_count;
	size_t hidden_cap;
	uint64_t hidden_next;
	uint64_t away_until_ns;
	bool unknown; /* the last outcome is unknown, and the cursor has not been read since (I25) */
	uint64_t asked_epoch; /* of that outcome */
	/* streams: far away; requests are on their way to it, in order */
	bool streams;
	struct sim_way {
		uint64_t due_ns;
		struct sim_request r;
	} * way;
	uint32_t way_count;
	size_t way_cap;
	/* the engine's side, as the checker saw it */
	uint64_t taken; /* rows the sink node was given, in the lineage that counts */
	struct sim_marks frozen;
};

struct sim_stores {
	struct sim *s;
	struct sim_store *store[SIM_STORES_MAX];
	uint32_t count;
	struct sim_late {
		uint64_t due_ns;
		struct sim_store *store;
		struct sim_request r;
	} late[SIM_LATE_MAX];
	uint32_t late_count;
	bool away_seen; /* in this life; excuses an error */
};

struct sim_stores *sim_stores_new(struct sim *s);
void sim_stores_free(struct sim_stores *st);
struct sim_store *sim_store_find(const struct sim *s, const char *step, uint32_t task);
/* The store of a sink task; made on first use. */
struct sim_store *sim_store_of(struct sim *s, const char *step, uint32_t task,
			       const struct weir_schema *schema);

enum sim_answer {
	SIM_ANSWER_DONE = 0,
	SIM_ANSWER_ALREADY, /* the cursor is at the epoch */
	SIM_ANSWER_FENCED, /* a newer engine has been here */
	SIM_ANSWER_MISMATCH, /* the cursor is neither before nor at the epoch */
};
/* What the system itself does with a request: all or nothing. */
enum sim_answer sim_store_apply(struct sim *s, struct sim_store *t, const struct sim_request *r);
/* Keeps a copy: it takes effect later, whatever becomes of who sent it. */
void sim_store_late(struct sim *s, struct sim_store *t, const struct sim_request *r,
		    uint64_t in_ns);
/* The same, behind all that is on its way to a store that streams; and everything on its way is lost. */
void sim_store_send(struct sim_store *t, const struct sim_request *r, uint64_t due_ns);
void sim_store_lose(struct sim_store *t);
uint64_t sim_stores_next(const struct sim_stores *st); /* when something late is due; 0: nothing */
void sim_stores_settle(struct sim_stores *st);
/* The engine is gone; power: what was not durable is gone as well. */
void sim_stores_kill(struct sim_stores *st, bool power);

struct sim_hidden *sim_hidden_new(struct sim_store *t);
struct sim_hidden *sim_hidden_find(struct sim_store *t, uint64_t id);

void sim_bytes_put(struct sim_bytes *b, const void *p, size_t n);
void sim_mark(struct sim_marks *m, uint64_t epoch, uint64_t rows);
uint64_t sim_mark_at(const struct sim_marks *m, uint64_t epoch); /* 0 before the first */
void sim_mark_cut(struct sim_marks *m, uint64_t epoch); /* forgets what is above */

/* ---- parts (what a sink's freeze() writes): pieces, as many as epochs were folded together ----
 *   u32 magic, u32 rows, u64 bytes, u64 hidden file (0: the rows follow here), 16 bytes hash of the rows */
#define SIM_PIECE_MAGIC 0x57524f53u
#define SIM_PIECE_HEAD 40u
struct sim_piece {
	uint32_t rows;
	uint64_t bytes, hidden;
	struct weir_hash128 hash;
	const uint8_t *p; /* NULL: hidden */
};
/* The next piece of n bytes at *at; false at the end. Fails the run when it is damaged. */
bool sim_piece_next(struct sim *s, const uint8_t *part, size_t n, size_t *at,
		    struct sim_piece *ret);

#endif
