/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/intake.h - an HTTP server whose POST bodies go to a worker, and whose answers wait for it.
 *
 *   HTTP thread                                         worker
 *   body is read and checked ──▶ queue, a ticket ──▶ weir_intake_next()
 *   the connection sleeps                            records go through the pipeline, an epoch is durable
 *   200 {"records":N}        ◀───────────────────── weir_intake_settle(ticket)
 *
 * Tickets: 1, 2, ... in the order of the queue.
 * Answers: docs/formats/ingress.md.
 * Bounds:  256 connections, 8 MiB a body, 64 MiB for all bodies that are being read or wait.
 * Thread:  everything here but create, listen and free is called by the worker.
 */
#ifndef WEIR_ENGINE_EDGE_INTAKE_H
#define WEIR_ENGINE_EDGE_INTAKE_H

#include "base/buf.h"
#include "base/err.h"
#include "engine/edge/request_ids.h"

#define WEIR_INTAKE_BODY_MAX ((size_t)8 << 20)

struct weir_intake;

struct weir_intake_body {
	struct weir_intake_body *next;
	uint64_t ticket;
	size_t n;
	char data[];
};

struct weir_intake_options {
	const char *step; /* keeps */
	/* Is it all records? How many, or -1 and the members of a JSON object about the first that is not. In the HTTP
	 * thread, one call at a time. */
	int64_t (*check)(void *ctx, const char *p, size_t n, struct weir_buf *why);
	void *ctx;
};

/* 0 or -ENOMEM. */
int weir_intake_new(const struct weir_intake_options *o, struct weir_intake **ret);
/* Takes the socket over. 0 or -EIO. */
int weir_intake_listen(struct weir_intake *in, int fd);
/* Whatever has not been answered gets a 503. NULL is fine. */
void weir_intake_free(struct weir_intake *in);

/* The oldest body of the queue, which is the caller's then (free()), or NULL. */
struct weir_intake_body *weir_intake_next(struct weir_intake *in);
/* Requests up to this ticket are answered. */
void weir_intake_settle(struct weir_intake *in, uint64_t ticket);
/* Nothing more is taken; what is in the queue is refused. */
void weir_intake_close(struct weir_intake *in);

/* The ids, while the HTTP thread leaves them alone. */
struct weir_ids *weir_intake_ids_lock(struct weir_intake *in);
void weir_intake_ids_unlock(struct weir_intake *in);

#endif
