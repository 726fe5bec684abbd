/* SPDX-License-Identifier: Apache-2.0 */
/* Global aggregates: whose records are in them. engine/core/global.h */
#include "base/assert.h"
#include "engine/core/regions_int.h"

void weir__regions_global(struct weir__regions *x, uint32_t step, struct weir_step *s)
{
	const struct weir_regions_env *env = x->env;
	/* A mark runs where its part runs; a merge takes from wherever its mark runs. */
	uint32_t set = s->kind == WEIR_STEP_GLOBAL_MARK ? x->runs[step] : x->from[step][0];
	struct weir_global_spec *g = weir_region_new(x->region, struct weir_global_spec);
	const char **member = weir_region_array(x->region, const char *, env->region_count);

	weir_assert(s->aggregate.global && set);
	*g = *s->aggregate.global;
	g->member_count = 0;
	for (uint32_t r = 0; r < env->region_count; r++)
		if (set & weir__region_bit(r))
			member[g->member_count++] =
				weir_region_strdup(x->region, weir_str_c(env->region[r]));
	g->member = member;
	g->here = weir_region_strdup(x->region, weir_str_c(env->region[env->here]));
	s->aggregate.global = g;
}
