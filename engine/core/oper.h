/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/oper.h - runs an operator of struct weir_operator (engine/weir.h) as a node: spans, writer,
 * state per key, timers. Where it was loaded from is not known here (engine/edge/operator.c).
 */
#ifndef WEIR_ENGINE_CORE_OPER_H
#define WEIR_ENGINE_CORE_OPER_H

#include "engine/core/pipeline.h"
#include "engine/weir.h"

/* Describes a schema for an operator; arrays from the region. */
const struct weir_record_info *weir_oper_info(const struct weir_schema *s,
					      struct weir_region *region);

/* The table of functions. The same for all. */
const struct weir_host *weir_oper_host(void);

/* Output schema by the operator's own word. 0 or a code with text. */
int weir_oper_schema(const struct weir_operator *op, const char *options,
		     const struct weir_schema *in, struct weir_schema *ret_out,
		     struct weir_region *region, struct weir_err *err);

/* Sets the node up and calls open(). */
int weir_oper_init(struct weir_node *n, const struct weir_op_env *env,
		   const struct weir_operator *op);

#endif
