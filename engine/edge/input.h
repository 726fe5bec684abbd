/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/input.h - the bytes of one file after another, as a window that grows and slides.
 *
 * Use:     weir_input_open(), then in turns
 *
 *            switch (weir_input_fill(in, &err)) {
 *            case WEIR_INPUT_FILE:  weir_decoder_restart(d);     a new file starts
 *            case WEIR_INPUT_BYTES: break;                       the window grew, or eof was found
 *            case WEIR_INPUT_WAIT:  come back later;             nothing now
 *            case WEIR_INPUT_END:   no file is left;
 *            default:               error, the text is in err;
 *            }
 *            weir_input_window(in, &w);
 *            decode from w.p, w.n, w.eof; weir_input_consume(in, bytes used)
 *
 *          Call fill when the decoder wants more. The bytes of a file never mix with the next
 *          one's: while w.eof is set and bytes are left, fill answers WEIR_INPUT_BYTES and does
 *          nothing; once all are consumed, it goes on to the next file.
 * Input:   a file, a directory (all regular files in it whose name does not start with a dot, in
 *          byte order of their names) or a glob pattern (sorted likewise; directories are left out).
 *          A path that names an existing file is never taken as a pattern. Or a descriptor (stdin).
 *          .gz and .zst (or .zstd) are unpacked, also when several members follow each other.
 * Work:    one fill does at most one read of WEIR_INPUT_CHUNK bytes, or opens one file. It does
 *          not wait for a pipe or terminal. Files are read, not mapped: a file that is cut
 *          while it is mapped kills the process.
 * Follow:  like tail -F. At the end of the last file it waits for more bytes; a file that was
 *          truncated or replaced is read from its start (weir_input_note() says so; what was an
 *          unfinished record before is ended with eof first). With a directory or pattern, files that
 *          appear later are read too, and the one before then counts as complete; packed files
 *          there are read once. A file that was cut and has grown past the old place between two
 *          looks cannot be told from one that only grew (tail has the same blind spot).
 * Place:   weir_input_freeze() writes where the next record begins, weir_input_restore() reads it in a later
 *          process, and the reading goes on there:
 *
 *            weir_input_restore() for each part, in order
 *            if (weir_input_reopen(in, &err) == WEIR_INPUT_FILE) {
 *                    decode the head of the file, if its format has one
 *                    weir_input_seek(in, &err);
 *            }
 *
 *          The files that were listed are remembered by name, so an order or a share does not change when
 *          files come and go; only names that are new since the last part are written. What was read
 *          is compared with what is there by a hash of its first and of its last 4 KiB. Input that
 *          cannot be put back (a descriptor, a named pipe) is read as it comes.
 * Memory:  own (malloc): one buffer of window_max + WEIR_INPUT_CHUNK bytes, one more when unpacking.
 * Errors:  0 or more is a state, negative a code with a sentence that names the file. An error stays.
 * Thread:  one input, one thread.
 */
#ifndef WEIR_ENGINE_EDGE_INPUT_H
#define WEIR_ENGINE_EDGE_INPUT_H

#include "base/bytes.h"
#include "base/err.h"
#include "engine/core/pipeline.h"

#define WEIR_INPUT_CHUNK ((size_t)256 << 10)
#define WEIR_INPUT_WINDOW_DEFAULT ((size_t)1 << 20)

struct weir_byte_input;

struct weir_input_options {
	const char *path; /* keeps nothing */
	int fd; /* used when path is NULL; not closed by us */
	const char *name; /* of the descriptor in messages; NULL: "stdin" */
	enum weir_compression compression; /* AUTO by extension (descriptor: none) */
	bool follow; /* a single file must not be packed */
	size_t window_max; /* the window always takes as many unconsumed bytes; 0: the default. Give it
			    * at least the decoder's text_max. */
	/* Share of this input when several read the same path; 0, 0: all of it. */
	uint32_t instance, instances;
};

enum weir_input_state {
	WEIR_INPUT_END = 0, /* all files are read */
	WEIR_INPUT_BYTES = 1, /* look at the window */
	WEIR_INPUT_FILE = 2, /* a new file starts; the window is empty as yet */
	WEIR_INPUT_WAIT = 3, /* nothing now, there may be more later */
};

struct weir_input_window {
	const char *p; /* valid until the next fill or close */
	size_t n;
	bool eof; /* no byte of this file follows the window */
	uint64_t offset; /* of p in the (unpacked) file, bytes */
};

/*
 * Lists the files; opens none of them yet. 0, WEIR_E_CONFIG (nothing there, follow with
 * compression), or -errno. *ret is set only on success.
 */
int weir_input_open(const struct weir_input_options *o, struct weir_byte_input **ret,
		    struct weir_err *err);
void weir_input_close(struct weir_byte_input *in); /* NULL is fine */

/* enum weir_input_state, or a negative code. WEIR_E_LIMIT: window_max bytes and none consumed. */
int weir_input_fill(struct weir_byte_input *in, struct weir_err *err);

void weir_input_window(const struct weir_byte_input *in, struct weir_input_window *ret);
void weir_input_consume(struct weir_byte_input *in, size_t n); /* n <= window's n */

/* What is consumed is done with. */
void weir_input_freeze(struct weir_byte_input *in, struct weir_out *o);
/* The next freeze writes all names again. */
void weir_input_touch(struct weir_byte_input *in);
/* One part, before the first fill. WEIR_E_CORRUPT, -ENOMEM. The last part of several counts. */
int weir_input_restore(struct weir_byte_input *in, struct weir_reader *r, struct weir_err *err);
/* WEIR_INPUT_FILE: a file is open at its start. WEIR_INPUT_BYTES: go on with a fill. WEIR_E_CONFIG when the
 * file is gone, WEIR_E_CORRUPT. */
int weir_input_reopen(struct weir_byte_input *in, struct weir_err *err);
/* To the place. WEIR_E_CONFIG with a sentence when the file is not the one that was read. */
int weir_input_seek(struct weir_byte_input *in, struct weir_err *err);
/* That sentence. why: "it ends inside its head". */
int weir_input_changed(const struct weir_byte_input *in, struct weir_err *err, const char *why, ...)
	weir_printf_like(3, 4);

/* Name of the file being read ("" before the first). Valid until the next fill. */
const char *weir_input_name(const struct weir_byte_input *in);

/* A sentence about something that is not an error ("x was truncated: reading it from the start"),
 * once; NULL when there is none. Valid until the next fill. */
const char *weir_input_note(struct weir_byte_input *in);

uint32_t weir_input_file_count(const struct weir_byte_input *in); /* listed, over all instances */
uint64_t weir_input_bytes(const struct weir_byte_input *in); /* read so far, before unpacking */

/* Size of all listed files together, before unpacking; 0 when unknown (pipe). For progress. */
uint64_t weir_input_total_bytes(const struct weir_byte_input *in);

#endif
