/* SPDX-License-Identifier: Apache-2.0 */
/* engine/cli/guarantee.h - what a pipeline promises at each of its ends, and what that rests on. */
#ifndef WEIR_ENGINE_CLI_GUARANTEE_H
#define WEIR_ENGINE_CLI_GUARANTEE_H

#include "engine/core/pipeline.h"

/* false: the step is neither a source nor a sink. */
bool weir_guarantee_of(const struct weir_pipeline *p, const struct weir_step *s,
		       enum weir_guarantee *ret, const char **ret_text);
void weir_guarantee_print(const struct weir_pipeline *p);

#endif
