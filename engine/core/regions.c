/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/regions.h"

#include "base/assert.h"
#include "engine/core/regions_int.h"

bool weir_regions_used(const struct weir_pipeline *p)
{
	for (uint32_t i = 0; i < p->step_count; i++) {
		const struct weir_step *s = &p->step[i];

		if (s->regions.count || weir__regions_texts_used(s))
			return true;
		for (uint32_t k = 0; k < s->input_count; k++)
			if (s->input[k].remote && !s->input[k].remote->own)
				return true;
	}
	return false;
}

/* PIPELINE@REGION is a name like others: of a socket, in the journal's head, in the segment. */
static void check_instance(struct weir__regions *x)
{
	const char *longest = "";
	size_t n;

	for (uint32_t i = 0; i < x->env->region_count; i++)
		if (strlen(x->env->region[i]) > strlen(longest))
			longest = x->env->region[i];
	n = strlen(x->p->name) + 1 + strlen(longest);
	if (n > WEIR_NAME_MAX)
		weir_diag(x->diags, x->p->pos,
			  "`pipeline`: `%s@%s`, the name of a run in a region, has %zu bytes; at "
			  "most %d are allowed",
			  x->p->name, longest, n, WEIR_NAME_MAX);
}

static struct weir_pipeline *make(struct weir__regions *x)
{
	const struct weir_regions_env *env = x->env;
	struct weir_pipeline *ret = weir_region_new(x->region, struct weir_pipeline);
	const char *here = env->region[env->here];
	const char *instance = weir_region_printf(x->region, "%s@%s", x->p->name, here);

	weir_assert(strlen(instance) <= WEIR_NAME_MAX); /* as was checked */
	*ret = *x->p;
	if (!weir__regions_steps(x, &ret->step, &ret->step_count))
		return NULL;
	for (uint32_t i = 0; i < ret->step_count; i++)
		weir__regions_texts(x, &ret->step[i]);
	ret->cluster = weir_region_strdup(x->region, weir_str_c(env->cluster));
	ret->region = weir_region_strdup(x->region, weir_str_c(here));
	memcpy(ret->instance, instance, strlen(instance) + 1);
	return ret;
}

int weir_regions_plan(const struct weir_pipeline *p, const struct weir_regions_env *env,
		      struct weir_region *region, struct weir_pipeline **ret,
		      struct weir_diags *diags)
{
	struct weir__regions x = {.p = p, .env = env, .region = region, .diags = diags};
	struct weir_pipeline *made = NULL;

	weir_assert(env->region_count <= WEIR__REGIONS_MAX && env->here < env->region_count);
	weir_assert(!p->region);
	check_instance(&x);
	if (weir__regions_check(&x) && diags->count == 0)
		made = make(&x);
	weir_diags_sort(diags);
	if (!made)
		return WEIR_E_CONFIG;
	*ret = made;
	return 0;
}

static const struct weir_edge_end *edge_of(const struct weir_step *s)
{
	if (s->kind == WEIR_STEP_SOURCE && s->source.connector == WEIR_CONN_EDGE)
		return &s->source.edge;
	if (s->kind == WEIR_STEP_SINK && s->sink.connector == WEIR_CONN_EDGE)
		return &s->sink.edge;
	return NULL;
}

uint32_t weir_regions_edges(const struct weir_pipeline *planned, struct weir_edge_spec *ret,
			    uint32_t cap)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < planned->step_count; i++) {
		const struct weir_edge_end *e = edge_of(&planned->step[i]);

		if (!e)
			continue;
		if (n < cap)
			ret[n] = (struct weir_edge_spec){
				.id = e->id,
				.out = planned->step[i].kind == WEIR_STEP_SINK,
				.step = (uint16_t)i,
				.of = e->of,
				.port = e->port,
				.from = e->from,
				.to = e->to,
				.keys = e->keys,
				.key_first = e->key_first,
				.key_last = e->key_last,
			};
		n++;
	}
	return n;
}
