/* SPDX-License-Identifier: Apache-2.0 */
/* engine/edge/status.h - the state of a running pipeline as JSON and as OpenMetrics text. */
#ifndef WEIR_ENGINE_EDGE_STATUS_H
#define WEIR_ENGINE_EDGE_STATUS_H

#include "base/buf.h"
#include "engine/edge/engine.h"

/* One object; docs/control.md names the members. metrics: address or "". */
void weir_status_json(struct weir_buf *b, struct weir_engine *e, const struct weir_engine_stats *s,
		      const char *metrics);
void weir_status_metrics(struct weir_buf *b, struct weir_engine *e,
			 const struct weir_engine_stats *s);

#endif
