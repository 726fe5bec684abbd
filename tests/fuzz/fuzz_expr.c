/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as an expression over a schema with fields of all types. What compiles is evaluated over
 * a few rows; lanes must not depend on their neighbours, states must be known ones, and
 * values must be readable and storable.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/err.h"
#include "engine/core/expr.h"
#include "engine/edge/regex.h"

#define ROWS 5
#define ROW_BYTES 2048
#define OUT_BYTES ((size_t)1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *alloc(void *ctx, size_t size, size_t align)
{
	void *p = NULL;

	(void)ctx;
	weir_assert(posix_memalign(&p, align < 16 ? 16 : align, size) == 0);
	memset(p, 0, size);
	return p;
}

static void release(void *ctx, void *p, size_t size)
{
	(void)ctx;
	(void)size;
	free(p);
}

static const struct weir_mem mem = {.alloc = alloc, .free = release};

static const char *const fields[][2] = {
	{"i", "int64"},
	{"j", "int64?"},
	{"f", "float64"},
	{"g", "float64?"},
	{"b", "bool"},
	{"c", "bool?"},
	{"s", "string"},
	{"r", "string?"},
	{"y", "bytes"},
	{"t", "timestamp"},
	{"u", "timestamp?"},
	{"d", "duration"},
	{"p", "decimal(10,2)"},
	{"q", "decimal(18,9)?"},
	{"li", "list<int64>"},
	{"ls", "list<string>"},
	{"lf", "list<float64>?"},
};

static struct weir_schema schema;
static uint64_t row_mem[ROWS][ROW_BYTES / 8];
static const struct weir_frame *row[ROWS];

static void set_list(struct weir_builder *b, unsigned i, const uint64_t *v, uint32_t n)
{
	uint32_t at;
	void *p = weir_build_tail(b, n * 8, 8, &at);

	weir_assert(p);
	memcpy(p, v, n * 8);
	weir_build_slot(b, i, (uint64_t)at | (uint64_t)n << 32);
}

static void build_row(unsigned k)
{
	static const int64_t ints[ROWS] = {0, 7, -1, INT64_MAX, INT64_MIN};
	static const double floats[ROWS] = {0, 2.5, -1e300, 9007199254740993.0, -0.0};
	static const char *const texts[ROWS] = {"", "a", "gr\xc3\xbcn,rot,a=1&b=2", "\xff\x80\xc3",
						"0123456789 abcdefghijklmnop ABC -1.5e3 "};
	uint64_t v[3] = {3, (uint64_t)ints[k], 7}, text[2];
	struct weir_str s = weir_str_c(texts[k]);
	struct weir_builder b;

	weir_build_begin(&b, row_mem[k], ROW_BYTES, &schema);
	for (unsigned i = 0; i < schema.field_count; i++) {
		const struct weir_field *f = &schema.field[i];

		if (f->nullable && k % 2 == 0) {
			weir_build_null(&b, i);
		} else if (weir_type_is_text(f->type.type)) {
			weir_build_str(&b, i, s);
		} else if (f->type.type == WEIR_FLOAT64) {
			weir_build_f64(&b, i, floats[k]);
		} else if (f->type.type == WEIR_BOOL) {
			weir_build_i64(&b, i, k % 2);
		} else if (f->type.type == WEIR_DECIMAL) {
			weir_build_i64(&b, i, ints[k] % 1000);
		} else if (f->type.type == WEIR_LIST && f->type.elem == WEIR_STRING) {
			uint32_t at;
			char *p = weir_build_tail(&b, s.n, 1, &at);

			memcpy(p, s.p, s.n);
			text[0] = text[1] = (uint64_t)at | (uint64_t)s.n << 32;
			set_list(&b, i, text, k % 3);
		} else if (f->type.type == WEIR_LIST) {
			set_list(&b, i, v, k % 4);
		} else {
			weir_build_i64(&b, i, ints[k]);
		}
	}
	weir_assert(weir_build_end(&b));
	row[k] = (const struct weir_frame *)row_mem[k];
}

static void set_up(void)
{
	if (schema.field_count)
		return;
	for (size_t i = 0; i < WEIR_COUNT_OF(fields); i++) {
		struct weir_field f;

		weir_assert(weir_type_parse(weir_str_c(fields[i][1]), &f, NULL) == 0);
		weir_schema_add(&schema, weir_str_c(fields[i][0]), f.type, f.nullable);
	}
	weir_schema_seal(&schema);
	for (unsigned k = 0; k < ROWS; k++)
		build_row(k);
}

static uint64_t sum_bytes(struct weir_str s)
{
	uint64_t h = s.n;

	for (size_t i = 0; i < s.n; i++)
		h = h * 31 + (uint8_t)s.p[i];
	return h;
}

/* Touches everything of a lane. */
static uint64_t digest(const struct weir_vec *v, struct weir_typeinfo t, uint32_t lane)
{
	unsigned state = weir_vec_state(v, lane);
	uint64_t h = 0;

	weir_assert(state < WEIR_LANE_STATE_COUNT);
	if (state != WEIR_LANE_OK)
		return state;
	if (t.type == WEIR_BOOL)
		weir_assert(v->i64[lane] == 0 || v->i64[lane] == 1);
	if (weir_type_is_text(t.type))
		return sum_bytes(v->str[lane]);
	if (t.type != WEIR_LIST)
		return (uint64_t)v->i64[lane];
	for (uint32_t k = 0; k < v->list[lane].count; k++)
		h = h * 31 + (weir_type_is_text(t.elem) ? sum_bytes(v->list[lane].str[k])
							: v->list[lane].slot[k]);
	return h;
}

static void evaluate(const struct weir_expr *e, struct weir_region *region)
{
	struct weir_evaluator *all = weir_evaluator_new(region), *one = weir_evaluator_new(region);
	const struct weir_vec *v = weir_expr_eval(e, all, row, ROWS);
	struct weir_typeinfo t = weir_expr_type(e);
	struct weir_schema out = {0};
	void *mem_out = malloc(OUT_BYTES);

	weir_schema_add(&out, WEIR_STR("x"), t, true);
	weir_schema_seal(&out);
	for (uint32_t k = 0; k < ROWS; k++) {
		const struct weir_vec *alone = weir_expr_eval(e, one, &row[k], 1);
		struct weir_builder b;

		weir_assert(weir_vec_state(v, k) != WEIR_LANE_NULL || weir_expr_nullable(e));
		weir_assert(digest(v, t, k) == digest(alone, t, 0));
		weir_build_begin(&b, mem_out, OUT_BYTES, &out);
		weir_vec_store(v, t, k, &b, 0);
		if (weir_build_end(&b))
			weir_assert(weir_frame_check(mem_out, OUT_BYTES, &out) == 0);
		weir_evaluator_reset(one);
	}
	free(mem_out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_expr_env env = {.schema = &schema, .regex = weir_regex_pcre2()};
	struct weir_expr_error err;
	struct weir_region region;
	struct weir_expr *e = NULL;
	int rc;

	set_up();
	weir_region_init(&region, &mem);
	rc = weir_expr_compile(&env, (struct weir_str){(const char *)data, size}, &region, &e,
			       &err);
	if (rc == 0) {
		evaluate(e, &region);
		weir_expr_fini(e);
	} else {
		weir_assert(rc == WEIR_E_FORMAT || rc == WEIR_E_TYPE || rc == WEIR_E_UNKNOWN ||
			    rc == WEIR_E_LIMIT);
		weir_assert(err.text[0] && err.offset <= size && err.length <= size - err.offset);
	}
	weir_region_fini(&region);
	return 0;
}
