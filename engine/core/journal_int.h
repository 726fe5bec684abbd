/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/journal_int.h - what the files of the journal share.
 *
 *   journal_format.c  bytes: heads, commit records, superblock, names
 *   journal_file.c    files of the directory, handles, reading units (the one way in: I33)
 *   journal_super.c   superblock: vote, write; a new journal
 *   journal_scan.c    recovery: follows the chain, decides what is torn and what is damage
 *   journal_write.c   append, commit, completions
 *   journal_heal.c    commit records: the lost one of two
 *   journal_base.c    reading bundles back, the base, giving segments back
 *   journal_fetch.c   a piece of one bundle, by its epoch
 *   journal_verify.c  weir verify
 *   journal.c         open, start, replay, close
 *
 * Thread: one. Pure.
 */
#ifndef WEIR_ENGINE_CORE_JOURNAL_INT_H
#define WEIR_ENGINE_CORE_JOURNAL_INT_H

#include "engine/core/journal.h"
#include "engine/core/journal_format.h"

#define WEIR_JNL_QUEUE 64u /* bundles between append() and durable */
#define WEIR_JNL_SPARES 2u /* segments kept ready behind the one that is written */
#define WEIR_JNL_WAIT_NS ((uint64_t)WEIR_NS_PER_S)

/* Tokens of writes. Units: their number in io[]. */
#define WEIR_JNL_TOKEN_COMMIT ((uint64_t)1 << 32)
#define WEIR_JNL_TOKEN_RING ((uint64_t)2 << 32)
#define WEIR_JNL_TOKEN_WAIT ((uint64_t)3 << 32)

struct weir_jnl_segment {
	uint32_t number;
	uint32_t writes; /* on their way */
	uint64_t bytes; /* of the file */
	int file; /* -1: not open */
};

/* A committed bundle that a recovery would read. */
struct weir_jnl_bundle {
	uint64_t number, epoch, fence, bytes, units;
	struct weir_jnl_pos start, commit, next; /* first unit, commit unit, behind it */
	struct weir_hash128 before, heads, after; /* chain before it, over its units, behind it */
	uint64_t log_end; /* bytes of the log up to its end, since open() */
	bool unit_bad, slot_bad; /* one of the two commit records: start() writes it again */
};

struct weir_jnl_slot {
	enum weir_jnl_bad bad;
	bool zero; /* never written */
	struct weir_jnl_head head;
	struct weir_jnl_commit commit;
};

/* A unit as it was read; body points into the journal's window until the next read. */
struct weir_jnl_unit {
	struct weir_jnl_head head;
	struct weir_hash128 hash;
	const uint8_t *body;
	bool head_ok; /* also when the body is bad */
};

/* Reads one bundle back, unit by unit. */
struct weir_jnl_cursor {
	struct weir_jnl_pos at;
	struct weir_hash128 chain, heads;
	uint64_t units, bytes;
};

struct weir_jnl_io {
	uint8_t *mem; /* WEIR_JNL_UNIT_MAX bytes */
	bool busy;
	struct weir_jnl_pos at;
	uint64_t bundle; /* number in the queue */
};

struct weir_jnl_queued {
	struct weir_out rest; /* bytes that are in no unit yet */
	uint32_t used; /* of the first chunk */
	uint32_t writes; /* units on their way */
	struct weir_jnl_bundle b;
	struct weir_jnl_head head; /* of the commit unit */
	struct weir_jnl_commit commit;
};

struct weir_jnl_sync {
	int file;
	const char *name;
	uint64_t offset;
	const void *p;
};

typedef void (*weir_jnl_tell)(void *ctx, const struct weir_journal_finding *f);

struct weir_journal {
	const struct weir_disk *disk;
	const struct weir_mem *mem;
	bool read_only, started;
	uint64_t segment_bytes;

	/* findings of open() */
	weir_jnl_tell tell;
	void *tell_ctx;

	/* files */
	struct weir_jnl_segment *segment; /* by number */
	uint32_t segment_count, segment_cap;
	int super_file, ring_file;
	bool has_super, has_super_new, has_ring, ring_short;
	uint32_t ring_writes;
	int hard; /* an error that says nothing about the bytes (no handles, no rights) */
	uint32_t reading; /* the segment that was read last */
	uint8_t *window; /* WEIR_JNL_UNIT_MAX bytes */
	struct weir_jnl_pos window_at;
	uint64_t window_bytes;
	uint64_t window_epoch; /* that was durable when it was read */
	uint8_t *page; /* WEIR_JNL_COPIES blocks for writes that are waited for */

	/* superblock */
	struct weir_jnl_super super;
	bool copy_ok[WEIR_JNL_COPIES];
	uint64_t sequence, fence_seen; /* highest in any copy */

	/* recovery */
	struct weir_jnl_slot slot[WEIR_JNL_SLOTS];
	struct weir_jnl_bundle *live; /* oldest first; numbers without gaps */
	uint64_t live_first, live_count, live_cap;
	bool torn;
	bool damaged;

	/* where the log ends: the next unit */
	struct weir_jnl_pos end;
	struct weir_hash128 chain, commit_chain;
	uint64_t number, epoch; /* of the last bundle that was placed */
	uint64_t log_start, log_end;
	uint64_t durable, fence;

	/* writing */
	struct weir_jnl_io *io;
	uint32_t io_count;
	struct weir_jnl_queued queue[WEIR_JNL_QUEUE];
	uint64_t head, placing, tail; /* oldest; first that has bytes left; free */
	uint32_t flight; /* writes on their way */
	uint32_t commit_writes; /* of the commit record of `head` */
	bool commit_done; /* both of them are durable */
	uint8_t *commit_page; /* two blocks */
	bool ahead_failed;
	uint32_t wait_count;
	const struct weir_jnl_sync *wait;
	struct weir_err failed; /* code 0: nothing has failed */

	/* the base that is being read back */
	struct {
		bool active, open; /* open: cursor is inside `number` */
		uint64_t epoch, number, last;
		struct weir_jnl_cursor cursor;
	} base;

	/* the piece of a bundle that is being read */
	struct {
		bool active;
		uint64_t epoch, from, n;
		struct weir_jnl_cursor cursor;
	} fetch;

	uint64_t units_written, bytes_written, commits, space_free;
};

/* ---- journal_file.c ---- */
int weir_jnl_list(struct weir_journal *j, struct weir_err *err);
struct weir_jnl_segment *weir_jnl_segment_find(struct weir_journal *j, uint32_t number);
struct weir_jnl_segment *weir_jnl_segment_add(struct weir_journal *j, uint32_t number,
					      uint64_t bytes);
void weir_jnl_segment_drop(struct weir_journal *j, struct weir_jnl_segment *s);
int weir_jnl_segment_open(struct weir_journal *j, struct weir_jnl_segment *s); /* handle or <0 */
void weir_jnl_segment_close(struct weir_journal *j, struct weir_jnl_segment *s);
/* Makes sure that the segment is there to be written; creates it. */
int weir_jnl_segment_make(struct weir_journal *j, uint32_t number, struct weir_jnl_segment **ret);
/* n bytes (whole blocks) in the window, or NULL (unreadable or behind the end: *ret_bad). */
const uint8_t *weir_jnl_window(struct weir_journal *j, struct weir_jnl_pos at, uint32_t n,
			       enum weir_jnl_bad *ret_bad);
void weir_jnl_window_forget(struct weir_journal *j);
/* Every unit of a segment is read here: place, journal, bytes (I33). */
enum weir_jnl_bad weir_jnl_unit_read(struct weir_journal *j, struct weir_jnl_pos at,
				     struct weir_jnl_unit *ret);
/* The next unit's place, behind one at `at`. */
struct weir_jnl_pos weir_jnl_behind(const struct weir_jnl_head *h, struct weir_jnl_pos at);
bool weir_jnl_chain_ok(struct weir_hash128 a, struct weir_hash128 b);
bool weir_jnl_commit_fits(const struct weir_jnl_commit *c, const struct weir_jnl_head *h,
			  const struct weir_jnl_bundle *b);

/* ---- journal_super.c ---- */
int weir_jnl_super_vote(struct weir_journal *j, struct weir_err *err);
int weir_jnl_super_write(struct weir_journal *j, const struct weir_jnl_super *s);
int weir_jnl_super_repair(struct weir_journal *j); /* bad copies from good ones */
/* There is no superblock. 0: and there never was a bundle; WEIR_E_CORRUPT: it is lost. */
int weir_jnl_super_missing(struct weir_journal *j, struct weir_err *err);
int weir_jnl_create(struct weir_journal *j, const struct weir_journal_options *o,
		    struct weir_err *err);

/* ---- journal_scan.c ---- */
void weir_jnl_ring_read(struct weir_journal *j);
/* 0, or WEIR_E_CORRUPT when a committed bundle is damaged, or an error of reading. */
int weir_jnl_scan(struct weir_journal *j, struct weir_err *err);
void weir_jnl_tell_one(struct weir_journal *j, enum weir_journal_fault fault, const char *file,
		       uint64_t offset, uint64_t bytes, uint64_t first, uint64_t last,
		       const char *fmt, ...) weir_printf_like(8, 9);
void weir_jnl_live_add(struct weir_journal *j, const struct weir_jnl_bundle *b);
struct weir_jnl_bundle *weir_jnl_live(struct weir_journal *j, uint64_t i);

/* ---- journal_write.c ---- */
/* Writes whole blocks and waits for all of them. <0: the journal has failed. */
int weir_jnl_write_wait(struct weir_journal *j, const struct weir_jnl_sync *w, uint32_t count);
int weir_jnl_writer_open(struct weir_journal *j);
int weir_jnl_fail(struct weir_journal *j, const char *file, uint64_t offset, int code);
int weir_jnl_failed(const struct weir_journal *j, struct weir_err *err);

/* ---- journal_heal.c ---- */
/* Commit records that lack one of their two places; a ring that is gone. <0: the journal has failed. */
int weir_jnl_heal(struct weir_journal *j);

/* ---- journal_base.c ---- */
void weir_jnl_cursor_open(struct weir_jnl_cursor *c, const struct weir_jnl_bundle *b);
/* 1: a data unit, 0: the bundle is complete and right, <0. */
int weir_jnl_cursor_next(struct weir_journal *j, struct weir_jnl_cursor *c,
			 const struct weir_jnl_bundle *b, struct weir_jnl_unit *ret,
			 struct weir_err *err);
/* Gives back segments below the number. */
int weir_jnl_give_back(struct weir_journal *j, uint32_t below);

/* ---- journal_fetch.c ---- */
uint64_t weir_jnl_above(struct weir_journal *j,
			uint64_t epoch); /* index of the first live bundle above */

/* ---- journal.c ---- */
struct weir_journal *weir_jnl_new(const struct weir_disk *disk, const struct weir_mem *mem);

#endif
