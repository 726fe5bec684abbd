/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host/metrics_http.h - HTTP for monitoring: /metrics, /livez, /readyz, /healthz. libmicrohttpd.
 *
 * Serves: GET and HEAD; at most 32 connections, idle ones closed after 10 s. No authentication.
 * Errors: start() names the address. A text that does not fit is answer 500.
 * Thread: the library's own calls ops, one call at a time.
 */
#ifndef WEIR_HOST_METRICS_HTTP_H
#define WEIR_HOST_METRICS_HTTP_H

#include "base/buf.h"
#include "base/err.h"

struct weir_metrics_http_ops {
	void (*metrics)(void *ctx, struct weir_buf *b); /* OpenMetrics text with its end */
	bool (*alive)(void *ctx); /* false: /livez is 503 */
	bool (*ready)(void *ctx);
	void *ctx;
};

struct weir_metrics_http;

/* address "127.0.0.1:9464"; port 0 picks one. cap: bytes the text may have. */
int weir_metrics_http_start(const char *address, const struct weir_metrics_http_ops *ops,
			    size_t cap, struct weir_metrics_http **ret, struct weir_err *err);
const char *weir_metrics_http_address(const struct weir_metrics_http *m); /* as bound */
void weir_metrics_http_stop(struct weir_metrics_http *m); /* no call is under way afterwards */

#endif
