/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/operator.h - operators from shared objects (engine/weir.h is what they see).
 *
 * Load: dlopen, symbol lookup and the version check happen while the pipeline file is checked, so that
 *       a missing library is an error with a place. The handle stays open until the process ends.
 */
#ifndef WEIR_ENGINE_EDGE_OPERATOR_H
#define WEIR_ENGINE_EDGE_OPERATOR_H

#include "engine/core/pipeline.h"

/* struct weir_build_ops.operator_schema. */
int weir_operator_schema(void *ctx, struct weir_step *step, const struct weir_schema *in,
			 struct weir_schema *ret_out, struct weir_err *err);

int weir_operator_init(struct weir_node *n, const struct weir_op_env *env);

#endif
