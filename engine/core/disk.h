/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/disk.h - the disk as the journal sees it: an interface with several back ends.
 *
 *   engine/edge/disk_uring.c     io_uring, O_DIRECT, registered buffers
 *   engine/edge/disk_threads.c   pwrite in threads, where io_uring is refused
 *   tests/sim/disk.c             a model with lost, torn, misdirected, stale and rotten writes
 *
 * Names:   plain file names inside one directory; "quarantine/NAME" is the only path with a slash.
 * Shapes:  offsets, lengths and buffers of write() and read() are multiples of WEIR_DISK_BLOCK.
 * Durable: a write that has completed with 0 survives a power cut (O_DSYNC); until then it may be there, not be
 *          there, or be torn at any 512 bytes. create(), rename() and unlink() are durable when they
 *          return: the directory is synced.
 * Errors:  -errno. An error of a write is final: the caller stops (never a second try).
 * Thread:  one thread.
 */
#ifndef WEIR_ENGINE_CORE_DISK_H
#define WEIR_ENGINE_CORE_DISK_H

#include "base/base.h"

#define WEIR_DISK_BLOCK 4096u
#define WEIR_DISK_FILES_MAX 64

struct weir_disk_done {
	uint64_t token;
	int result; /* 0 or -errno; a short write is -EIO */
};

struct weir_disk_ops {
	/* fn for each regular file (not of quarantine/), in any order. */
	int (*list)(void *ctx, void (*fn)(void *fn_ctx, const char *name, uint64_t bytes),
		    void *fn_ctx);
	/* Handle of a file, >= 0. bytes > 0: creates it (-EEXIST when it is there), reserves that much space, all
	 * zeroes, and syncs the directory. bytes 0: it must exist. */
	int (*open)(void *ctx, const char *name, uint64_t bytes);
	void (*close)(void *ctx, int file);
	/* Waits. Bytes behind the end of the file are -EIO. */
	int (*read)(void *ctx, int file, uint64_t offset, void *buf, size_t n);
	/* Starts a durable write; buf must stay until poll() gave the token back. */
	void (*write)(void *ctx, int file, uint64_t offset, const void *buf, size_t n,
		      uint64_t token);
	/* Completed writes, at most `cap`; waits up to wait_ns for the first one (0: does not wait). */
	uint32_t (*poll)(void *ctx, uint64_t wait_ns, struct weir_disk_done *ret, uint32_t cap);
	int (*rename)(void *ctx, const char *from, const char *to); /* never replaces: -EEXIST */
	int (*unlink)(void *ctx, const char *name);
	/* Zeroed I/O memory, block-aligned (registered where that helps); given back by buffer_free(). When a write from
	 * it is still on the way (the journal was closed), buffer_free() keeps the memory until that is over. */
	void *(*buffer)(void *ctx, size_t n);
	void (*buffer_free)(void *ctx, void *p, size_t n);
	uint64_t (*space)(void *ctx); /* free bytes in the file system */
	const char *(*describe)(void *ctx); /* "io_uring, O_DIRECT", one line */
};

struct weir_disk {
	const struct weir_disk_ops *ops;
	void *ctx;
};

#endif
