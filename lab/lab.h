/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lab/lab.h - the lab as a process, and how to talk to it.
 *
 * The daemon is the hub: it holds the regions, the emulated network, and a socket DIR/CLUSTER.lab in the run directory (mode 0600).
 * Requests are one line: a command of lab/command.h, or "status", "pids", "down"; the answer is text, then "ok" or "error: why".
 */
#ifndef WEIR_LAB_LAB_H
#define WEIR_LAB_LAB_H

#include <stdio.h>

#include "host/cluster.h"
#include "lab/command.h"

struct weir_lab_start {
	const struct weir_cluster *cluster;
	const char *file; /* of commands; NULL: the default round trips */
	uint64_t seed; /* 0: of the file, or 1 */
};

/* Becomes the lab: returns when it is taken down (0) or cannot be made (<0). ready_fd gets "ok\n" or the reason, and is closed. */
int weir_lab_daemon(const struct weir_lab_start *s, int ready_fd, struct weir_err *err);

/* Sends a request; lines of the answer go to out (may be NULL). 0, WEIR_E_CONFIG (refused), WEIR_E_UNKNOWN: no such lab. */
int weir_lab_ask(const char *cluster, const char *request, FILE *out, struct weir_err *err);

#endif
