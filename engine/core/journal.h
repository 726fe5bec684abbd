/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/journal.h - the append-only log of bundles of a cell.
 *
 *   superblock       4 copies: identity, name of the pipeline, fence, where replay starts
 *   commits          ring of commit records once more: a damaged last commit is not taken for a torn tail
 *   journal-NNNNNNNN segments, preallocated; units of at most 1 MiB, each with its own address, checksums and the
 *                    hash of the unit before it; a bundle is its units and then a commit unit
 *   quarantine/      repair moves files here that are no part of the journal
 *   lock             the edge's; the journal leaves it alone
 *
 * Bytes:   docs/formats/journal.md.
 * Use:     open -> start -> replay -> append, step ... -> close. One process at a time (the edge holds a lock).
 * Durable: append(n) only takes the bytes over. Epoch n is durable when weir_journal_durable() >= n: all units of
 *          the bundle were durable before its commit unit was written, and the commit unit and its copy in
 *          the ring are durable. Several epochs may be on the way; they become durable in order.
 * Faults:  correctness.md 1.10. What lies above the last commit record is a torn tail: start() takes a new fence, and
 *          nothing of the tail can continue the chain of that fence. Damage at or below it is never cut: open()
 *          fails with WEIR_E_CORRUPT and the report says file, offset, epochs and what would repair it. A commit
 *          record that one of its two places lost is taken from the other. A failed write, also a segment that
 *          cannot be made when it is needed, makes every later call fail with WEIR_E_IO, and no epoch durable.
 * Pure:    over struct weir_disk. Thread: one thread.
 */
#ifndef WEIR_ENGINE_CORE_JOURNAL_H
#define WEIR_ENGINE_CORE_JOURNAL_H

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/err.h"
#include "engine/core/disk.h"

#define WEIR_JOURNAL_SEGMENT_MIN ((uint64_t)4 << 20)
#define WEIR_JOURNAL_SEGMENT_DEFAULT ((uint64_t)32 << 20)
#define WEIR_JOURNAL_BUNDLE_MAX ((uint64_t)4 << 30)

struct weir_journal;

struct weir_journal_options {
	/* Name; an existing journal of another name is refused. NULL (read_only): any. */
	const char *pipeline;
	/* Of new segments; 0: the default. 64 KiB and more work (simulator), the pipeline file takes
	 * WEIR_JOURNAL_SEGMENT_MIN and more. */
	uint64_t segment_bytes;
	uint8_t identity
		[16]; /* of a new journal: time in ms (48 bits, big endian), then random bytes */
	/* Bytes that may be on their way to the disk; 0: 16 MiB; at least 2 MiB are used. */
	uint32_t in_flight;
	bool read_only; /* weir verify, weir epochs: writes nothing, also no cut */
};

/* One finding of open() or verify: superblock, then segments in order, then commit records, then other files. */
struct weir_journal_finding {
	enum weir_journal_fault {
		WEIR_JOURNAL_TORN = 1, /* above every commit record: no part of the journal */
		WEIR_JOURNAL_DAMAGED, /* at or below the frontier: nothing is changed */
		WEIR_JOURNAL_COPY, /* one of several copies (superblock, commit record): start() rewrites it */
		WEIR_JOURNAL_MISSING, /* a file is gone; only `commits` can be made again */
		WEIR_JOURNAL_STRANGE, /* a file that is not ours: left alone */
	} fault;
	char file[64];
	uint64_t offset, bytes;
	uint64_t epoch_first, epoch_last; /* that it touches; 0: none */
	char text[200]; /* what is wrong, and what would repair it */
};

struct weir_journal_report {
	uint32_t count;
	bool more; /* there were more */
	struct weir_journal_finding finding[32];
};

/* An empty directory: makes a new journal. ret_report is filled also on errors. WEIR_E_CORRUPT, WEIR_E_VERSION,
 * WEIR_E_CONFIG (other pipeline), -errno; text in err. */
int weir_journal_open(const struct weir_journal_options *o, const struct weir_disk *keep_disk,
		      const struct weir_mem *keep_mem, struct weir_journal **ret,
		      struct weir_journal_report *ret_report, struct weir_err *err);

/* Committed bundles from the replay start to the frontier, oldest first. fn <0 ends it with that code. Reads each
 * bundle whole into memory. As often as wanted, while nothing is on the way to the disk. */
int weir_journal_replay(struct weir_journal *j,
			int (*fn)(void *ctx, uint64_t epoch, uint64_t fence,
				  struct weir_reader *bundle),
			void *ctx, struct weir_err *err);

/* The newest committed bundle alone; fn is not called when there is none. */
int weir_journal_newest(struct weir_journal *j,
			int (*fn)(void *ctx, uint64_t epoch, uint64_t fence,
				  struct weir_reader *bundle),
			void *ctx, struct weir_err *err);

/* Takes the next fence (durable when this returns) and makes the journal ready for append(). */
int weir_journal_start(struct weir_journal *j, struct weir_err *err);

/* Takes over the bytes of one epoch: bundle is empty afterwards, its chunks are given back as they are copied into
 * I/O memory. epoch must be above all before (WEIR_E_RANGE). WEIR_E_BUSY: too much is on the way, call again after
 * step(). After BUSY, RANGE and LIMIT bundle is untouched. */
int weir_journal_append(struct weir_journal *j, uint64_t epoch, struct weir_out *bundle,
			struct weir_err *err);

/* Completions; waits up to wait_ns for one, not at all when nothing is on the way. Starts what comes next (units, commit
 * records, new segments). 0 or <0. */
int weir_journal_step(struct weir_journal *j, uint64_t wait_ns, struct weir_err *err);

/*
 * The base: bundles above `epoch` hold all state; epoch must be below durable (WEIR_E_RANGE). Reads (epoch, durable]
 * back and checks it, about 4 MiB a call; then the superblock says so (waited for), and segments that are not needed
 * are given back. 1: call again with the same epoch, 0: done, also when epoch is covered, <0: nothing was given back,
 * or the journal has failed.
 */
int weir_journal_base(struct weir_journal *j, uint64_t epoch, struct weir_err *err);

/*
 * Bytes [from, from + n) of the bundle of one committed epoch, to `to`. Reads and checks about 1 MiB a call; one at a time: a
 * call with other arguments begins anew. 1: call again with the same arguments, 0: done, WEIR_E_RANGE: no such bytes (never
 * committed, or given back), WEIR_E_CORRUPT.
 */
int weir_journal_fetch(struct weir_journal *j, uint64_t epoch, uint64_t from, void *to, uint64_t n,
		       struct weir_err *err);

uint64_t weir_journal_durable(const struct weir_journal *j); /* newest epoch; 0: none */
uint64_t weir_journal_covered(const struct weir_journal *j); /* epochs up to here are in the base */
uint64_t weir_journal_fence(const struct weir_journal *j);
/* 16 bytes; the first six are the time the journal was made (ms since the Unix epoch, big endian). */
const uint8_t *weir_journal_identity(const struct weir_journal *j);
bool weir_journal_idle(const struct weir_journal *j); /* nothing is on the way */

/* Bytes of the log behind the bundle of that epoch, or of the newest one below it. */
uint64_t weir_journal_bytes_above(const struct weir_journal *j, uint64_t epoch);

struct weir_journal_stats {
	uint64_t bytes_written, units_written, commits, segments, segment_bytes;
	uint64_t bytes_live; /* from the replay start to the end: what a recovery would read */
	uint64_t space_free; /* of the file system, when last looked at */
};
void weir_journal_stats(const struct weir_journal *j, struct weir_journal_stats *ret);

/* Waits for nothing; what is on the way may or may not arrive (struct weir_disk_ops buffer_free()). */
void weir_journal_close(struct weir_journal *j);

/* ---- weir verify ---- */

/*
 * Reads everything: all segments, the superblock's copies, the commit ring. fn for each finding. repair: does what
 * is safe (bad copies rewritten from good ones, torn tails zeroed, files that are no part of the journal
 * moved to quarantine/); fn2 tells what was done. 0: nothing below the frontier is wrong, WEIR_E_CORRUPT
 * otherwise, or another code when it could not be read.
 */
int weir_journal_verify(const struct weir_disk *disk, const struct weir_mem *mem, bool repair,
			void (*fn)(void *ctx, const struct weir_journal_finding *f),
			void (*done)(void *ctx, const char *what), void *ctx, struct weir_err *err);

#endif
