/* SPDX-License-Identifier: Apache-2.0 */
/* "{region}" in paths, addresses and tables: the name of the region that the pipeline is planned for. */
#include "base/assert.h"
#include "engine/core/regions_int.h"

#define MARK "{region}"

static const char *mark(const char *text)
{
	return text ? strstr(text, MARK) : NULL;
}

/* What a step may say of its region. */
static uint32_t texts(struct weir_step *s, const char **ret[4])
{
	if (s->kind == WEIR_STEP_SOURCE) {
		ret[0] = &s->source.path;
		ret[1] = &s->source.listen;
		ret[2] = &s->source.nexmark.region;
		return 3;
	}
	if (s->kind == WEIR_STEP_SINK) {
		ret[0] = &s->sink.path;
		ret[1] = &s->sink.address;
		ret[2] = &s->sink.connection;
		ret[3] = &s->sink.table;
		return 4;
	}
	return 0;
}

bool weir__regions_texts_used(const struct weir_step *s)
{
	struct weir_step copy = *s;
	const char **at[4];
	uint32_t n = texts(&copy, at);

	for (uint32_t i = 0; i < n; i++)
		if (mark(*at[i]))
			return true;
	return false;
}

void weir__regions_texts(struct weir__regions *x, struct weir_step *s)
{
	const char **at[4];
	uint32_t n = texts(s, at);

	for (uint32_t i = 0; i < n; i++)
		for (const char *m = mark(*at[i]); m; m = mark(*at[i]))
			*at[i] = weir_region_printf(x->region, "%.*s%s%s", (int)(m - *at[i]),
						    *at[i], x->env->region[x->env->here],
						    m + sizeof(MARK) - 1);
}
