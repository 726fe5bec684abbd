/* SPDX-License-Identifier: Apache-2.0 */
/* engine/core/unit_epoch.h - the epoch side of a unit's turn; only engine/core/unit.c uses it. */
#ifndef WEIR_ENGINE_CORE_UNIT_EPOCH_H
#define WEIR_ENGINE_CORE_UNIT_EPOCH_H

#include "engine/core/unit.h"

/* The barrier is about to go through the nodes. */
void weir__unit_barrier(struct weir_unit *u, uint64_t epoch);
/* The task is empty: a barrier on its way has passed all nodes. */
void weir__unit_idle(struct weir_unit *u);
/* Encodes, touches, freezes for the last time: a bounded piece of it. Progress. */
int weir__unit_epoch_work(struct weir_unit *u);

#endif
