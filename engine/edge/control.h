/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/control.h - the control socket of a running pipeline.
 *
 * Protocol: Unix stream socket, mode 0600, one JSON object a line (docs/control.md):
 *   {"cmd":"status"}                          -> one status object
 *   {"cmd":"segment"}                         -> {"ok":true} with the segment's descriptor attached
 *   {"cmd":"tap","step":"S","count":N}        -> records, one object a line, until N or hang-up
 *   {"cmd":"state","step":"S",...}            -> rows of the step's state (query.h)
 *   {"cmd":"conflicts","step":"S",...}        -> writes that lost in a table
 *   anything else                             -> {"ok":false,"error":"..."}
 * Thread: one of its own; a client that does not read is dropped, never waited for.
 */
#ifndef WEIR_ENGINE_EDGE_CONTROL_H
#define WEIR_ENGINE_EDGE_CONTROL_H

#include "engine/edge/engine.h"

struct weir_control;

/* Claims the name of a pipeline, before anything else of it is touched: WEIR_E_BUSY when a pipeline of this
 * name runs already. Clients wait until weir_control_serve(). */
int weir_control_open(const char *pipeline, struct weir_control **ret, struct weir_err *err);
/* Answers clients from now on. metrics: address for the status, or "". */
int weir_control_serve(struct weir_control *c, struct weir_engine *keep_e, const char *keep_metrics,
		       struct weir_err *err);
/* Removes the socket. NULL is fine. */
void weir_control_stop(struct weir_control *c);

#endif
