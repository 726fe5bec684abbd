/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/state_dir.h - the directory with the state of one pipeline: made, locked, emptied.
 *
 * Files:  superblock, commits, journal-NNNNNNNN and quarantine/ of the journal, `lock` of this file. Mode 0700, files
 *         0600; missing directories above it are made with 0750.
 * Lock:   flock() on `lock`, which holds the process id of its owner for messages. It ends with the process,
 *         however that ends. Two engines on one directory would each write a journal of their own.
 * Thread: one thread.
 */
#ifndef WEIR_ENGINE_EDGE_STATE_DIR_H
#define WEIR_ENGINE_EDGE_STATE_DIR_H

#include "base/err.h"

#define WEIR_STATE_DIR_LOCK "lock"

enum weir_state_dir_use {
	WEIR_STATE_DIR_RUN, /* makes it when it is missing; alone */
	WEIR_STATE_DIR_REPAIR, /* it exists; alone */
	WEIR_STATE_DIR_READ, /* it exists; together with other readers, never with an engine */
};

struct weir_state_dir {
	int fd, lock_fd; /* lock_fd -1: a copy without `lock` is being read */
	char path[4096];
};

/* WEIR_E_BUSY: another process has it; -errno. Text in err. On errors there is nothing to close. */
int weir_state_dir_open(const char *path, enum weir_state_dir_use use, struct weir_state_dir *ret,
			struct weir_err *err);

/*
 * --fresh: removes the journal. Only files that are ours by name; when there is anything else, nothing is removed and
 * the result is -ENOTEMPTY. quarantine/ stays: damaged files are never deleted. Of RUN and REPAIR.
 */
int weir_state_dir_clear(struct weir_state_dir *d, struct weir_err *err);

void weir_state_dir_close(struct weir_state_dir *d);

#endif
