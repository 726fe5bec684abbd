/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/engine/expr_lib.h - one record with a field of every type, and expressions on it
 * whose results are compared as text: "int64 7", "null", "error: division by zero", or for a
 * compile error "3+2 TYPE: message" (offset, length, code).
 */
#ifndef WEIR_TESTS_UNIT_ENGINE_EXPR_LIB_H
#define WEIR_TESTS_UNIT_ENGINE_EXPR_LIB_H

#include "tests/lib/test.h"

#include <string.h>

#include "base/buf.h"
#include "base/num.h"
#include "base/time.h"
#include "engine/core/expr.h"
#include "engine/edge/regex.h"

struct expr_case {
	const char *text, *want;
};

struct expr_world {
	struct weir_region region;
	struct weir_schema schema;
	struct weir_expr_env env;
	uint64_t row[512];
	const struct weir_frame *rows[WEIR_EXPR_LANES];
};

static const char *const expr_fields[][2] = {
	{"i", "int64"},
	{"j", "int64"},
	{"z", "int64"},
	{"ni", "int64?"},
	{"f", "float64"},
	{"nan", "float64"},
	{"nf", "float64?"},
	{"b", "bool"},
	{"nb", "bool?"},
	{"s", "string"},
	{"e", "string"},
	{"ns", "string?"},
	{"y", "bytes"},
	{"t", "timestamp"},
	{"nt", "timestamp?"},
	{"d", "duration"},
	{"p", "decimal(10,2)"},
	{"q", "decimal(18,6)"},
	{"np", "decimal(10,2)?"},
	{"li", "list<int64>"},
	{"ls", "list<string>"},
	{"lf", "list<float64>"},
	{"lp", "list<decimal(10,2)>"},
	{"nl", "list<int64>?"},
	{"odd name", "int64"},
	{"max64", "int64"},
	{"min64", "int64"},
	{"url", "string"},
	{"lt", "list<timestamp>"},
	{"ly", "list<bytes>"},
};

static unsigned expr_field(const struct expr_world *w, const char *name)
{
	int i = weir_schema_find(&w->schema, weir_str_c(name));

	assert_true(i >= 0);
	return (unsigned)i;
}

static void expr_put_list(struct weir_builder *b, unsigned i, const uint64_t *v, uint32_t n)
{
	uint32_t at;
	void *p = weir_build_tail(b, n * 8, 8, &at);

	assert_non_null(p);
	memcpy(p, v, n * 8);
	weir_build_slot(b, i, (uint64_t)at | (uint64_t)n << 32);
}

static void expr_put_texts(struct weir_builder *b, unsigned i, const char *const *v, uint32_t n)
{
	uint64_t slot[8];

	for (uint32_t k = 0; k < n; k++) {
		uint32_t at;
		void *p = weir_build_tail(b, strlen(v[k]), 1, &at);

		assert_non_null(p);
		memcpy(p, v[k], strlen(v[k]));
		slot[k] = (uint64_t)at | (uint64_t)strlen(v[k]) << 32;
	}
	expr_put_list(b, i, slot, n);
}

static inline void expr_world_init(struct expr_world *w)
{
	static const char *const words[] = {"red", "", "gr\xc3\xbcn"};
	static const uint64_t ints[] = {3, 7, (uint64_t)-1}, prices[] = {250, 1099};
	static const double floats[] = {0.5, 7, -0.0};
	struct weir_builder b;
	uint64_t bits[3];
	int64_t t;

	memset(w, 0, sizeof(*w));
	weir_region_init(&w->region, &weir_test_mem);
	for (size_t k = 0; k < WEIR_COUNT_OF(expr_fields); k++) {
		struct weir_field f;

		assert_int_equal(weir_type_parse(weir_str_c(expr_fields[k][1]), &f, NULL), 0);
		assert_int_equal(weir_schema_add(&w->schema, weir_str_c(expr_fields[k][0]), f.type,
						 f.nullable),
				 k);
	}
	weir_schema_seal(&w->schema);
	w->env.schema = &w->schema;
	w->env.regex = weir_regex_pcre2();
	weir_build_begin(&b, w->row, sizeof(w->row), &w->schema);
#define F(name) expr_field(w, name)
	weir_build_i64(&b, F("i"), 7);
	weir_build_i64(&b, F("j"), -3);
	weir_build_null(&b, F("ni"));
	weir_build_f64(&b, F("f"), 2.5);
	weir_build_f64(&b, F("nan"), __builtin_nan(""));
	weir_build_null(&b, F("nf"));
	weir_build_i64(&b, F("b"), 1);
	weir_build_null(&b, F("nb"));
	weir_build_str(&b, F("s"), WEIR_STR("Hello, W\xc3\xb6rld"));
	weir_build_str(&b, F("e"), WEIR_STR(""));
	weir_build_null(&b, F("ns"));
	weir_build_str(&b, F("y"), WEIR_STR("\x01\xff"));
	assert_int_equal(weir_time_parse_rfc3339(WEIR_STR("2016-02-29T13:30:04.91Z"), &t), 0);
	weir_build_i64(&b, F("t"), t);
	weir_build_null(&b, F("nt"));
	weir_build_i64(&b, F("d"), 5400 * WEIR_NS_PER_S + 250 * WEIR_NS_PER_MS);
	weir_build_i64(&b, F("p"), 1050); /* 10.50 */
	weir_build_i64(&b, F("q"), -1234567); /* -1.234567 */
	weir_build_null(&b, F("np"));
	expr_put_list(&b, F("li"), ints, 3);
	expr_put_texts(&b, F("ls"), words, 3);
	memcpy(bits, floats, sizeof(bits));
	expr_put_list(&b, F("lf"), bits, 3);
	expr_put_list(&b, F("lp"), prices, 2);
	weir_build_null(&b, F("nl"));
	weir_build_i64(&b, F("odd name"), 99);
	weir_build_i64(&b, F("max64"), INT64_MAX);
	weir_build_i64(&b, F("min64"), INT64_MIN);
	weir_build_str(&b, F("url"), WEIR_STR("https://a.example/x/y?channel_id=42&k=v"));
	bits[0] = (uint64_t)t;
	expr_put_list(&b, F("lt"), bits, 1);
	expr_put_texts(&b, F("ly"), words, 3);
#undef F
	assert_true(weir_build_end(&b));
	assert_int_equal(weir_frame_check(w->row, sizeof(w->row), &w->schema), 0);
	for (unsigned k = 0; k < WEIR_EXPR_LANES; k++)
		w->rows[k] = (const struct weir_frame *)w->row;
}

static inline void expr_world_fini(struct expr_world *w)
{
	weir_region_fini(&w->region);
}

static const char *expr_code(int code)
{
	switch (code) {
	case WEIR_E_FORMAT:
		return "FORMAT";
	case WEIR_E_TYPE:
		return "TYPE";
	case WEIR_E_UNKNOWN:
		return "UNKNOWN";
	case WEIR_E_LIMIT:
		return "LIMIT";
	default:
		return "?";
	}
}

static void expr_print_bytes(struct weir_buf *out, struct weir_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if ((uint8_t)s.p[i] < 0x20 || (uint8_t)s.p[i] > 0x7e)
			weir_buf_printf(out, "\\x%02x", (uint8_t)s.p[i]);
		else
			weir_buf_char(out, s.p[i]);
	}
}

static void expr_print_slot(struct weir_buf *out, struct weir_typeinfo type, int64_t v)
{
	double f;

	memcpy(&f, &v, 8);
	switch (type.type) {
	case WEIR_BOOL:
		assert_true(v == 0 || v == 1);
		weir_buf_lit(out, v ? "true" : "false");
		break;
	case WEIR_FLOAT64:
		weir_buf_f64(out, f);
		break;
	case WEIR_DECIMAL:
		weir_buf_decimal(out, v, type.scale);
		break;
	case WEIR_TIMESTAMP:
		weir_buf_time(out, v);
		break;
	case WEIR_DURATION:
		weir_buf_duration(out, v);
		break;
	default:
		weir_buf_i64(out, v);
	}
}

static inline void expr_print_lane(struct weir_buf *out, const struct weir_vec *v,
				   struct weir_typeinfo type, uint32_t lane)
{
	struct weir_field f = {.type = type};
	struct weir_typeinfo elem = weir_type_of(type.elem);
	unsigned state = weir_vec_state(v, lane);

	if (state == WEIR_LANE_NULL) {
		weir_buf_lit(out, "null");
		return;
	}
	if (state != WEIR_LANE_OK) {
		weir_buf_printf(out, "error: %s", weir_lane_error(state));
		return;
	}
	weir_buf_type(out, &f);
	weir_buf_char(out, ' ');
	if (weir_type_is_text(type.type)) {
		expr_print_bytes(out, v->str[lane]);
	} else if (type.type == WEIR_LIST) {
		elem.scale = type.scale;
		for (uint32_t k = 0; k < v->list[lane].count; k++) {
			weir_buf_lit(out, k ? "," : "");
			if (weir_type_is_text(type.elem))
				expr_print_bytes(out, v->list[lane].str[k]);
			else
				expr_print_slot(out, elem, (int64_t)v->list[lane].slot[k]);
		}
	} else {
		expr_print_slot(out, type, v->i64[lane]);
	}
}

/* Text of the result; ret_fresh as large as it needs. */
static inline void expr_result(struct expr_world *w, const char *text, char *ret, size_t size)
{
	struct weir_region region;
	struct weir_expr_error err;
	struct weir_expr *e;
	struct weir_buf out = weir_buf_of(ret, size - 1);
	int rc;

	weir_region_init(&region, &weir_test_mem);
	rc = weir_expr_compile(&w->env, weir_str_c(text), &region, &e, &err);
	if (rc) {
		weir_buf_printf(&out, "%zu+%zu %s: %s", err.offset, err.length, expr_code(rc),
				err.text);
	} else {
		struct weir_evaluator *ev = weir_evaluator_new(&region);
		const struct weir_vec *v = weir_expr_eval(e, ev, w->rows, 19);
		char last[1024];
		struct weir_buf other = weir_buf_of(last, sizeof(last));

		expr_print_lane(&out, v, weir_expr_type(e), 0);
		expr_print_lane(&other, v, weir_expr_type(e), 18);
		assert_int_equal(out.len, other.len);
		assert_memory_equal(out.p, other.p, out.len);
		if (weir_vec_state(v, 0) == WEIR_LANE_NULL && !weir_expr_nullable(e))
			fail_msg("%s: null, but not nullable", text);
		weir_expr_fini(e);
	}
	ret[out.len] = 0;
	weir_region_fini(&region);
}

static inline void expr_check_cases(const struct expr_case *c, size_t n)
{
	struct expr_world *w = calloc(1, sizeof(*w));
	unsigned wrong = 0;

	expr_world_init(w);
	for (size_t i = 0; i < n; i++) {
		char got[1024];

		expr_result(w, c[i].text, got, sizeof(got));
		if (strcmp(got, c[i].want) != 0) {
			print_error("%s\n  got  %s\n  want %s\n", c[i].text, got, c[i].want);
			wrong++;
		}
	}
	expr_world_fini(w);
	free(w);
	assert_int_equal(wrong, 0);
}

#define EXPR_CASES(name, ...)                                                                      \
	static void name(void **state)                                                             \
	{                                                                                          \
		static const struct expr_case cases[] = {__VA_ARGS__};                             \
                                                                                                   \
		(void)state;                                                                       \
		expr_check_cases(cases, WEIR_COUNT_OF(cases));                                     \
	}

#endif
