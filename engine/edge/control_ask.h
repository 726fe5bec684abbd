/* SPDX-License-Identifier: Apache-2.0 */
/* engine/edge/control_ask.h - a request of the control socket for state or conflicts. Thread: the control thread. */
#ifndef WEIR_ENGINE_EDGE_CONTROL_ASK_H
#define WEIR_ENGINE_EDGE_CONTROL_ASK_H

#include <jansson.h>

#include "engine/edge/query.h"

/* Begins an ask. 0, or a code with text: a member is wrong, or as weir_ask_begin(). */
int weir_control_ask(struct weir_engine *e, const json_t *req, enum weir_query_verb verb,
		     struct weir_ask **ret, struct weir_err *err);

#endif
