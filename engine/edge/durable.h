/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/durable.h - names in a directory that a power cut does not take back.
 *
 * A rename is atomic but not durable: the bytes of the file have to be synced before it, the directory after
 * it. All code that puts a file in place calls these two functions, so that nobody forgets a step.
 * Errors: -errno. After a failed sync nothing is known about the file: do not try again, give up.
 * Thread: any.
 */
#ifndef WEIR_ENGINE_EDGE_DURABLE_H
#define WEIR_ENGINE_EDGE_DURABLE_H

#include "base/base.h"

/*
 * Syncs dir/from, renames it to dir/to, syncs the directory. fd: of the file, or -1: opened here. replace
 * false: -EEXIST when `to` exists, and nothing was changed.
 */
int weir_durable_rename(int dir_fd, int fd, const char *from, const char *to, bool replace);

/* What was made or removed in the directory stays so. */
int weir_durable_dir(int dir_fd);

#endif
