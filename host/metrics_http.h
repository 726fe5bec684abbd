/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host/metrics_http.h - HTTP for monitoring: /metrics, /livez, /readyz, /healthz, and /state/STEP of an engine. libmicrohttpd.
 *
 * Serves: GET and HEAD; at most 32 connections, idle ones closed after 10 s. No authentication.
 * Errors: start() names the address. A text that does not fit is answer 500.
 * Thread: the library's own calls ops: metrics, alive and ready one at a time; with a state() there is a thread for each
 *         connection, since a call of it may wait.
 */
#ifndef WEIR_HOST_METRICS_HTTP_H
#define WEIR_HOST_METRICS_HTTP_H

#include "base/buf.h"
#include "base/err.h"

#define WEIR_HTTP_KEYS_MAX 64u

/* GET /state/STEP?key=A&key=B, or ?prefix= &limit= &next=. What was not said is NULL. Valid during the call. */
struct weir_http_state {
	const char *step;
	uint32_t key_count;
	const char *key[WEIR_HTTP_KEYS_MAX];
	const char *prefix, *limit, *next;
};

struct weir_metrics_http_ops {
	void (*metrics)(void *ctx, struct weir_buf *b); /* OpenMetrics text with its end */
	bool (*alive)(void *ctx); /* false: /livez is 503 */
	bool (*ready)(void *ctx);
	/* May be NULL: no /state. Status of HTTP, and a body of JSON in malloc memory (NULL: out of memory). */
	unsigned (*state)(void *ctx, const struct weir_http_state *q, char **ret_body);
	void *ctx;
};

struct weir_metrics_http;

/* address "127.0.0.1:9464"; port 0 picks one. cap: bytes the text may have. */
int weir_metrics_http_start(const char *address, const struct weir_metrics_http_ops *ops,
			    size_t cap, struct weir_metrics_http **ret, struct weir_err *err);
const char *weir_metrics_http_address(const struct weir_metrics_http *m); /* as bound */
void weir_metrics_http_stop(struct weir_metrics_http *m); /* no call is under way afterwards */

#endif
