/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/output.h - writes bytes to a descriptor, packed with gzip or zstd on demand.
 *
 * Use:     the file sink opens a part file, writes encoded records, and finishes. Without
 *          compression bytes are gathered and written in large pieces.
 * Memory:  own (malloc), bounded.
 * Errors:  a negative code and a sentence that names the file ("cannot write x: No space left on
 *          device"). An error stays: every later call gives it again, so that a file with a hole
 *          is never taken as whole. Interrupted and short writes are carried on.
 * Thread:  one output, one thread. The descriptor blocks, or -EAGAIN is waited for with poll.
 */
#ifndef WEIR_ENGINE_EDGE_OUTPUT_H
#define WEIR_ENGINE_EDGE_OUTPUT_H

#include "base/err.h"
#include "engine/core/pipeline.h"

struct weir_output;

struct weir_output_options {
	int fd; /* not closed by us */
	const char *name; /* for messages, and the extension for AUTO; copied */
	enum weir_compression compression;
	int level; /* 0: the library's fast default (gzip 6, zstd 3) */
	/* Told of all bytes that went to the descriptor, in order; may be NULL. */
	void (*wrote)(void *ctx, const void *p, size_t n);
	void *ctx;
};

int weir_output_open(const struct weir_output_options *o, struct weir_output **ret,
		     struct weir_err *err);

/* Takes all n bytes or fails. They may stay in the buffer. */
int weir_output_write(struct weir_output *out, const void *p, size_t n, struct weir_err *err);

/* Everything given so far goes to the descriptor, in a form a reader can unpack. */
int weir_output_flush(struct weir_output *out, struct weir_err *err);

/*
 * Ends the packed stream and flushes: the file may be cut here and continued. What comes next begins a new gzip
 * member or zstd frame, which readers take for the same stream. Nothing given since the last cut: writes nothing.
 */
int weir_output_cut(struct weir_output *out, struct weir_err *err);

/* Ends the packed stream and flushes. Afterwards only close is allowed. */
int weir_output_finish(struct weir_output *out, struct weir_err *err);

/* Frees without writing anything more; NULL is fine. */
void weir_output_close(struct weir_output *out);

uint64_t weir_output_bytes_in(const struct weir_output *out); /* given to write */
uint64_t weir_output_bytes_written(const struct weir_output *out); /* at the descriptor */

/* ".gz", ".zst" or "": extension of a part file. AUTO and NONE give "". */
const char *weir_compression_extension(enum weir_compression c);

#endif
