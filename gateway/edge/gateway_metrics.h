/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/edge/gateway_metrics.h - a gateway over HTTP: /metrics (OpenMetrics text), /livez, /readyz (host/metrics_http.h). docs/gateway.md
 *
 * Use:    the loop calls show() now and then; the server answers with what was shown last.
 * Ready:  while there is an engine.
 * Thread: open, show, close: one; the server has its own.
 */
#ifndef WEIR_GATEWAY_EDGE_GATEWAY_METRICS_H
#define WEIR_GATEWAY_EDGE_GATEWAY_METRICS_H

#include "gateway/core/gate.h"
#include "gateway/edge/quic.h"

struct weir_gateway_now {
	const struct weir_cluster *cluster;
	uint32_t region, gateway;
	const char *instance; /* "PIPELINE@REGION" */
	const struct weir_gate *gate;
	const struct weir_quic *quic;
	struct weir_dgram_io *io;
	bool engine; /* is there */
	uint32_t lanes; /* held */
};

struct weir_gateway_metrics;
/* address "127.0.0.1:9465"; port 0 picks one. */
int weir_gateway_metrics_open(const char *address, struct weir_gateway_metrics **ret,
			      struct weir_err *err);
const char *weir_gateway_metrics_address(const struct weir_gateway_metrics *m);
void weir_gateway_metrics_show(struct weir_gateway_metrics *m, const struct weir_gateway_now *now);
void weir_gateway_metrics_close(struct weir_gateway_metrics *m); /* NULL is fine */

#endif
