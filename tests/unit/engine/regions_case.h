/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/engine/regions_case.h - plans of pipelines for regions in tests; a cluster `c` of up to five regions. */
#ifndef WEIR_TESTS_UNIT_ENGINE_REGIONS_CASE_H
#define WEIR_TESTS_UNIT_ENGINE_REGIONS_CASE_H

#include "engine/core/regions.h"
#include "tests/unit/engine/pipeline_case.h"

#define REGIONS 5
static const char *const five[REGIONS] = {"eu", "us", "ap", "sa", "af"};

#define HEAD "pipeline: p\nsteps:\n"
#define SOURCE                                                                                      \
	HEAD "  s: {source: {file: {path: a.jsonl}}, schema: {t: timestamp, k: string, v: int64}, " \
	     "event_time: t}\n"
#define UNTIMED HEAD "  s: {source: {file: {path: a.jsonl}}, schema: {k: string, v: int64}}\n"

static struct parsed parsed;

static inline int teardown(void **state)
{
	(void)state;
	parsed_free(&parsed);
	return 0;
}

static inline void parse(const char *yaml)
{
	static char text[16384];

	parse_with(&parsed, yaml, "", &played_ops);
	if (parsed.rc) {
		show_errors(&parsed, text, sizeof(text));
		print_error("%s\n%s\n", yaml, text);
	}
	assert_int_equal(parsed.rc, 0);
}

/* Plan of one region, NULL: errors, which are in parsed.diags. */
static inline const struct weir_pipeline *plan_of(uint32_t here, uint32_t regions)
{
	struct weir_regions_env env = {
		.cluster = "c", .region = five, .region_count = regions, .here = here};
	struct weir_pipeline *p = NULL;

	weir_diags_init(&parsed.diags, &parsed.region);
	parsed.rc = weir_regions_plan(parsed.p, &env, &parsed.region, &p, &parsed.diags);
	assert_int_equal(parsed.rc, p ? 0 : WEIR_E_CONFIG);
	assert_true(!p == (parsed.diags.count > 0));
	return p;
}

#endif
