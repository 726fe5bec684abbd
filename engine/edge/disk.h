/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/disk.h - the real disk behind engine/core/disk.h: one directory, written with io_uring or threads.
 *
 * Use:     struct weir_disk d; weir_disk_open(dir, NULL, &d, &err); ... weir_disk_close(&d).
 *          The directory exists and is locked by the caller (engine/edge/state_dir.h).
 * Choice:  AUTO takes io_uring, and threads where the kernel or a seccomp profile refuses it; describe() says which.
 *          The environment WEIR_DISK=io_uring|threads decides for AUTO, for tests.
 * Write:   write() queues; poll() hands all that is queued to the kernel with one call. A poll() that has
 *          nothing to wait for returns at once.
 * Close:   close() of a file with writes on the way: they go on, the descriptor closes behind the last one.
 *          weir_disk_close() drops writes that were not started and waits for those that were.
 * Names:   at most WEIR_DISK_NAME_MAX bytes; a leading dot, "lock" and "quarantine" are refused with
 *          -EINVAL. A file that is being created is called ".new-NAME" until it is whole.
 * Thread:  one thread; the back end has its own behind it.
 */
#ifndef WEIR_ENGINE_EDGE_DISK_H
#define WEIR_ENGINE_EDGE_DISK_H

#include "base/err.h"
#include "engine/core/disk.h"

#define WEIR_DISK_NAME_MAX 200
#define WEIR_DISK_NEW ".new-" /* begins the names of unfinished files */
#define WEIR_DISK_QUARANTINE "quarantine"

enum weir_disk_kind { WEIR_DISK_AUTO, WEIR_DISK_URING, WEIR_DISK_THREADS };

struct weir_disk_options {
	enum weir_disk_kind kind;
	bool read_only; /* what would change something is -EROFS */
	uint32_t depth; /* io_uring: writes in the kernel at once; 0: 64 */
	uint32_t threads; /* threads: 2 to 4; 0: 4 */
	size_t pool_bytes; /* memory behind buffer(); more is mapped one by one; 0: 20 MiB */
};

/* o may be NULL. -errno or WEIR_E_CONFIG (WEIR_DISK); text in err. */
int weir_disk_open(const char *dir, const struct weir_disk_options *o, struct weir_disk *ret,
		   struct weir_err *err);
/* All buffers are gone then. d may be all zeroes. */
void weir_disk_close(struct weir_disk *d);

#endif
