/* SPDX-License-Identifier: Apache-2.0 */
/* tests/sim/sink.h - the sink nodes over the stores: struct weir_sink_ops with answers that get lost. */
#ifndef WEIR_TESTS_SIM_SINK_H
#define WEIR_TESTS_SIM_SINK_H

#include "engine/core/cell.h"
#include "tests/sim/stores.h"

int sim_sink_init(struct sim *s, struct weir_node *n, const struct weir_op_env *env);
struct sim_store *sim_sink_store(const struct weir_node *n);
/* The engine dies with this job at hand, and the request reaches the store all the same. */
void sim_sink_zombie(struct sim *s, const struct weir_job *job, uint64_t in_ns);

#endif
