/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/epochs.h - frontiers, journal and sinks of a running cell: as JSON (weir status, weir epochs) and as metrics.
 *
 * Thread: any.
 */
#ifndef WEIR_ENGINE_EDGE_EPOCHS_H
#define WEIR_ENGINE_EDGE_EPOCHS_H

#include "base/buf.h"
#include "engine/edge/engine.h"

/* A JSON object; {"kept":false} for a pipeline without a state directory. */
void weir_epochs_json(struct weir_buf *b, struct weir_engine *e);
void weir_epochs_metrics(struct weir_buf *b, struct weir_engine *e);

#endif
