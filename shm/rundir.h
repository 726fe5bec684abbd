/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shm/rundir.h - where running pipelines are found: one control socket per pipeline in the run directory.
 *
 * $WEIR_RUN_DIR, else $XDG_RUNTIME_DIR/weir, else /run/weir for root, else /tmp/weir-UID.
 */
#ifndef WEIR_SHM_RUNDIR_H
#define WEIR_SHM_RUNDIR_H

#include "base/err.h"

/* 0 or -ENAMETOOLONG. */
int weir_run_dir(char *ret, size_t cap);
/* DIR/NAME.sock; must fit a socket address. 0 or -ENAMETOOLONG. */
int weir_run_socket(const char *pipeline, char *ret, size_t cap, struct weir_err *err);

#endif
