/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/graph.h - the pipeline of a run: a text made from the options, read by the real parser.
 *
 *   src ─▶ stamp ─┬─▶ audit                      every record with its nonce
 *                 ├─▶ win ─┬─▶ wins              windows per key
 *                 │        └─▶ lates             what came too late for them
 *                 ├─▶ sums ─▶ sumout             an operator with state and timers
 *                 ├─▶ marks ─▶ marked            an operator that drops keys it has not looked at
 *                 ├─▶ best ─▶ bests              the largest ids per key and window
 *                 └─▶ parts ─▶ part1, part2      split by sign and joined again
 *
 * stamp draws a nonce from the world for each record it sees: another one when a record is processed again.
 */
#ifndef WEIR_TESTS_SIM_GRAPH_H
#define WEIR_TESTS_SIM_GRAPH_H

#include "engine/core/pipeline.h"
#include "tests/sim/sim.h"

/* Window step and its sink get this many tasks; 0 has no meaning. */
size_t sim_graph_text(const struct sim_options *o, uint32_t parallelism, char *to, size_t cap);
/* Parses; text of the first mistake in err. 0 or <0. */
int sim_graph_build(const struct sim_options *o, uint32_t parallelism, struct weir_region *region,
		    struct weir_pipeline **ret, struct weir_err *err);

/* ops.c: the operators by name. */
struct weir_operator;
const struct weir_operator *sim_operator(const char *name);
int sim_operator_init(struct sim *s, struct weir_node *n, const struct weir_op_env *env);

#endif
