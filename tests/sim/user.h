/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/user.h - a pipeline file of the user under the same faults.
 *
 * Its file, memory and nexmark sources are the real ones, its sinks are models; what they hold in the end is
 * compared, as a multiset per sink, with a run without faults.
 */
#ifndef WEIR_TESTS_SIM_USER_H
#define WEIR_TESTS_SIM_USER_H

#include "engine/core/pipeline.h"
#include "engine/core/source.h"
#include "tests/sim/sim.h"

struct sim_sum { /* of a sink's rows, in no order */
	char step[WEIR_NAME_MAX + 1];
	uint64_t rows, lo, hi;
	bool varies; /* also without faults: it depends on the order in which records arrive */
	bool rows_vary; /* not even their number */
};

struct sim_user {
	const char *path;
	bool collect; /* this is the run without faults */
	uint64_t input; /* rows its sources gave */
	struct sim_sum sum[64]; /* of that run */
	uint32_t sums;
};

int sim_user_build(struct sim *s, struct weir_region *region, struct weir_pipeline **ret,
		   struct weir_err *err);
int sim_user_source(struct sim *s, struct weir_node *n, const struct weir_op_env *env,
		    const struct weir_pipeline *p);
int sim_user_oper(struct weir_node *n, const struct weir_op_env *env);
const struct weir_regex_ops *sim_user_regex(void);
/* Spreads the input over the time of the run, so that faults meet it. */
void sim_user_pace(const struct sim *s, struct weir_source *source, uint32_t tasks);
void sim_user_check(struct sim *s); /* everything is applied: against the run without faults */

#endif
