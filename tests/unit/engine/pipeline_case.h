/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/engine/pipeline_case.h - pipeline files as texts in tests: parse, look, compare.
 *
 * Raw files and operators are played: a path with "gone" in it is not there, "two" has two streams,
 * "strange" has names that cannot be outputs.
 */
#ifndef WEIR_TESTS_UNIT_ENGINE_PIPELINE_CASE_H
#define WEIR_TESTS_UNIT_ENGINE_PIPELINE_CASE_H

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "engine/edge/pipeline_file.h"
#include "tests/lib/test.h"

struct parsed {
	struct weir_region region;
	struct weir_diags diags;
	struct weir_err err;
	struct weir_pipeline *p; /* NULL: errors */
	int rc;
};

static int played_raw(void *ctx, const char *path, struct weir_region *region,
		      struct weir_schema **ret_schema, const char ***ret_name, uint32_t *ret_count,
		      struct weir_err *err)
{
	uint32_t n = strstr(path, "two") ? 2 : 1;

	(void)ctx;
	if (strstr(path, "gone"))
		return weir_err_set(err, -ENOENT, "%s: no such file", path);
	if (strstr(path, "many"))
		n = 17;
	*ret_count = n;
	*ret_schema = weir_region_array(region, struct weir_schema, n);
	*ret_name = weir_region_array(region, const char *, n);
	for (uint32_t i = 0; i < n; i++) {
		struct weir_schema *s = &(*ret_schema)[i];

		s->stream = (uint16_t)i;
		weir_schema_add(s, WEIR_STR("t"), weir_type_of(WEIR_TIMESTAMP), false);
		weir_schema_add(s, WEIR_STR("a"), weir_type_of(WEIR_INT64), i > 0);
		weir_schema_seal(s);
		(*ret_name)[i] = strstr(path, "strange") ? "strange name" : i ? "right" : "left";
	}
	return 0;
}

/* Adds a field "score" to whatever comes in. */
static int played_operator(void *ctx, struct weir_step *step, const struct weir_schema *in,
			   struct weir_schema *ret_out, struct weir_err *err)
{
	(void)ctx;
	if (strstr(step->oper.library, "gone"))
		return weir_err_set(err, -ENOENT, "operator %s: no such file", step->oper.library);
	*ret_out = *in;
	weir_schema_add(ret_out, WEIR_STR("score"), weir_type_of(WEIR_FLOAT64), false);
	weir_schema_seal(ret_out);
	step->oper.handle = step;
	return 0;
}

static const struct weir_build_ops played_ops = {
	.raw_schemas = played_raw,
	.operator_schema = played_operator,
};

static inline void parse_with(struct parsed *r, const char *yaml, const char *dir,
			      const struct weir_build_ops *ops)
{
	memset(r, 0, sizeof(*r));
	weir_region_init(&r->region, &weir_test_mem);
	r->rc = weir_pipeline_parse(weir_str_c(yaml), "test.yaml", dir, ops, &r->region, &r->p,
				    &r->diags, &r->err);
}

static inline void parsed_free(struct parsed *r)
{
	weir_region_fini(&r->region);
}

/* All diagnostics as lines "line:column: message". */
static inline void show_errors(const struct parsed *r, char *text, size_t cap)
{
	struct weir_buf b = weir_buf_of(text, cap - 1);

	for (uint32_t i = 0; i < r->diags.count; i++)
		weir_buf_printf(&b, "%u:%u: %s\n", r->diags.diag[i].pos.line,
				r->diags.diag[i].pos.column, r->diags.diag[i].text);
	text[b.len] = 0;
}

struct error_case {
	const char *name, *yaml, *errors;
};

static inline void expect_all(const struct error_case *c, size_t count)
{
	static char text[65536];

	for (size_t i = 0; i < count; i++) {
		struct parsed r;

		parse_with(&r, c[i].yaml, "", &played_ops);
		show_errors(&r, text, sizeof(text));
		if (strcmp(text, c[i].errors)) {
			print_error("case `%s`:\n%s\nexpected:\n%s\ngot:\n%s\n", c[i].name,
				    c[i].yaml, c[i].errors, text);
			fail();
		}
		assert_int_equal(r.rc, WEIR_E_CONFIG);
		assert_null(r.p);
		parsed_free(&r);
	}
}

#endif
