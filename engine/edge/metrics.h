/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/metrics.h - the engine over HTTP: /metrics (OpenMetrics text), /livez, /readyz, /healthz, /state/STEP
 *                         (host/metrics_http.h).
 *
 * Thread: the library's own; they read the segment's counters, and ask workers for state (query.h).
 */
#ifndef WEIR_ENGINE_EDGE_METRICS_H
#define WEIR_ENGINE_EDGE_METRICS_H

#include "engine/edge/engine.h"

struct weir_metrics;

/* address "127.0.0.1:9464"; port 0 picks one. */
int weir_metrics_start(struct weir_engine *keep_e, const char *address, struct weir_metrics **ret,
		       struct weir_err *err);
const char *weir_metrics_address(const struct weir_metrics *m);
void weir_metrics_stop(struct weir_metrics *m); /* NULL is fine */

#endif
