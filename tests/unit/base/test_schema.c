/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/err.h"
#include "base/schema.h"
#include "tests/lib/test.h"

static void test_schema_add_and_find(void **state)
{
	static struct weir_schema s;
	char long_name[WEIR_NAME_MAX + 2];

	(void)state;
	memset(&s, 0, sizeof(s));
	memset(long_name, 'n', sizeof(long_name));
	assert_int_equal(weir_schema_add(&s, WEIR_STR("a"), weir_type_of(WEIR_INT64), false), 0);
	assert_int_equal(weir_schema_add(&s, WEIR_STR("b"), weir_type_of(WEIR_STRING), true), 1);
	assert_int_equal(weir_schema_add(&s, WEIR_STR("a"), weir_type_of(WEIR_BOOL), false), -1);
	assert_int_equal(weir_schema_add(&s, WEIR_STR(""), weir_type_of(WEIR_BOOL), false), -1);
	assert_int_equal(weir_schema_add(&s, WEIR_STR("a\0b"), weir_type_of(WEIR_BOOL), false), -1);
	assert_int_equal(weir_schema_add(&s, (struct weir_str){long_name, WEIR_NAME_MAX + 1},
					 weir_type_of(WEIR_BOOL), false),
			 -1);
	assert_int_equal(weir_schema_add(&s, (struct weir_str){long_name, WEIR_NAME_MAX},
					 weir_type_of(WEIR_BOOL), false),
			 2);
	assert_int_equal(s.field_count, 3);
	assert_int_equal(weir_schema_find(&s, WEIR_STR("b")), 1);
	assert_int_equal(weir_schema_find(&s, WEIR_STR("c")), -1);
	assert_int_equal(weir_schema_find(&s, WEIR_STR("")), -1);
}

static void test_schema_add_stops_when_full(void **state)
{
	static struct weir_schema s;
	char name[16];

	(void)state;
	memset(&s, 0, sizeof(s));
	for (int i = 0; i < WEIR_FIELDS_MAX; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		assert_int_equal(
			weir_schema_add(&s, weir_str_c(name), weir_type_of(WEIR_INT64), false), i);
	}
	assert_int_equal(weir_schema_add(&s, WEIR_STR("more"), weir_type_of(WEIR_INT64), false),
			 -1);
	weir_schema_seal(&s);
	assert_int_equal(s.null_words, 0);
	assert_int_equal(s.fixed_size, 8 * WEIR_FIELDS_MAX);
	s.field[0].nullable = true;
	weir_schema_seal(&s);
	assert_int_equal(s.null_words, 2);
	assert_int_equal(s.fixed_size, 8 * (WEIR_FIELDS_MAX + 2));
	s.field_count = 64;
	weir_schema_seal(&s);
	assert_int_equal(s.null_words, 1);
	s.field_count = 65;
	weir_schema_seal(&s);
	assert_int_equal(s.null_words, 2);
}

static void test_schema_empty(void **state)
{
	static struct weir_schema s;

	(void)state;
	memset(&s, 0, sizeof(s));
	weir_schema_seal(&s);
	assert_int_equal(s.null_words, 0);
	assert_int_equal(s.fixed_size, 0);
}

static void one_field(struct weir_schema *s, const char *name, const char *type)
{
	struct weir_field f;

	memset(s, 0, sizeof(*s));
	assert_int_equal(weir_type_parse(weir_str_c(type), &f, NULL), 0);
	assert_int_equal(weir_schema_add(s, weir_str_c(name), f.type, f.nullable), 0);
	memcpy(s->field[0].format, f.format, sizeof(f.format));
	weir_schema_seal(s);
}

static void test_schema_same(void **state)
{
	static const struct {
		const char *name_a, *type_a, *name_b, *type_b;
		bool same;
	} row[] = {
		{"a", "int64", "a", "int64", true},
		{"a", "int64", "b", "int64", false},
		{"a", "int64", "a", "float64", false},
		{"a", "int64", "a", "int64?", false},
		{"a", "decimal(10,2)", "a", "decimal(10,2)", true},
		{"a", "decimal(10,2)", "a", "decimal(10,3)", false},
		{"a", "decimal(10,2)", "a", "decimal(11,2)", false},
		{"a", "timestamp(%Y)", "a", "timestamp", true},
		{"a", "list<string>", "a", "list<string>", true},
		{"a", "list<string>", "a", "list<bytes>", false},
		{"a", "list<decimal(3,1)>", "a", "list<decimal(3,2)>", false},
	};
	static struct weir_schema a, b;

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(row); i++) {
		one_field(&a, row[i].name_a, row[i].type_a);
		one_field(&b, row[i].name_b, row[i].type_b);
		b.stream = 9;
		assert_int_equal(weir_schema_same(&a, &b), row[i].same);
		assert_int_equal(weir_schema_same(&b, &a), row[i].same);
	}
	b.field_count = 0;
	assert_false(weir_schema_same(&a, &b));
}

static void test_type_texts(void **state)
{
	static const struct {
		const char *in, *out;
		struct weir_typeinfo type;
		bool nullable;
	} row[] = {
		{"bool", "bool", {WEIR_BOOL, 0, 0, 0}, false},
		{"int64", "int64", {WEIR_INT64, 0, 0, 0}, false},
		{" float64? ", "float64?", {WEIR_FLOAT64, 0, 0, 0}, true},
		{"string", "string", {WEIR_STRING, 0, 0, 0}, false},
		{"bytes?", "bytes?", {WEIR_BYTES, 0, 0, 0}, true},
		{"duration", "duration", {WEIR_DURATION, 0, 0, 0}, false},
		{"timestamp", "timestamp", {WEIR_TIMESTAMP, 0, 0, 0}, false},
		{"decimal( 10 , 2 )", "decimal(10,2)", {WEIR_DECIMAL, 0, 10, 2}, false},
		{"decimal(18,18)?", "decimal(18,18)?", {WEIR_DECIMAL, 0, 18, 18}, true},
		{"timestamp(%Y/%m/%d %H:%M:%S)",
		 "timestamp(%Y/%m/%d %H:%M:%S)",
		 {WEIR_TIMESTAMP, 0, 0, 0},
		 false},
		{"timestamp((%Y)?)?", "timestamp((%Y)?)?", {WEIR_TIMESTAMP, 0, 0, 0}, true},
		{"list<string>", "list<string>", {WEIR_LIST, WEIR_STRING, 0, 0}, false},
		{"list< int64 >?", "list<int64>?", {WEIR_LIST, WEIR_INT64, 0, 0}, true},
		{"list<decimal(5,1)>",
		 "list<decimal(5,1)>",
		 {WEIR_LIST, WEIR_DECIMAL, 5, 1},
		 false},
		{"list<timestamp(%s)>",
		 "list<timestamp(%s)>",
		 {WEIR_LIST, WEIR_TIMESTAMP, 0, 0},
		 false},
	};
	char mem[128];

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(row); i++) {
		struct weir_buf b = weir_buf_of(mem, sizeof(mem));
		struct weir_field f = {.name = "kept"};

		assert_int_equal(weir_type_parse(weir_str_c(row[i].in), &f, NULL), 0);
		assert_memory_equal(&f.type, &row[i].type, sizeof(f.type));
		assert_int_equal(f.nullable, row[i].nullable);
		assert_string_equal(f.name, "kept");
		weir_buf_type(&b, &f);
		weir_buf_char(&b, 0);
		assert_string_equal(mem, row[i].out);
	}
}

static void test_type_errors_say_what_is_wrong(void **state)
{
	static const struct {
		const char *in;
		int code;
		const char *says;
	} row[] = {
		{"", WEIR_E_FORMAT, "empty"},
		{" ? ", WEIR_E_FORMAT, "empty"},
		{"strnig", WEIR_E_FORMAT, "did you mean \"string\""},
		{"Int64", WEIR_E_FORMAT, "did you mean \"int64\""},
		{"varchar", WEIR_E_FORMAT, "known are bool, int64"},
		{"none", WEIR_E_FORMAT, "unknown type"},
		{"int64??", WEIR_E_FORMAT, "unknown type"},
		{"int64(3)", WEIR_E_FORMAT, "nothing in brackets"},
		{"timestamp<%Y>", WEIR_E_FORMAT, "nothing in brackets"},
		{"timestamp()", WEIR_E_FORMAT, "format is empty"},
		{"timestamp(%Y %q)", WEIR_E_FORMAT, "\"%q\""},
		{"timestamp(%I:%M)", WEIR_E_FORMAT, "partner"},
		{"timestamp(%Y", WEIR_E_FORMAT, "closing bracket"},
		{"timestamp(1234567890123456789012345678901234567890123456789012345678901234)",
		 WEIR_E_RANGE, "longer than 63"},
		{"decimal", WEIR_E_FORMAT, "decimal(10,2)"},
		{"decimal()", WEIR_E_FORMAT, "decimal(10,2)"},
		{"decimal(10)", WEIR_E_FORMAT, "decimal(10,2)"},
		{"decimal(a,2)", WEIR_E_FORMAT, "decimal(10,2)"},
		{"decimal(10,)", WEIR_E_FORMAT, "decimal(10,2)"},
		{"decimal(10,-2)", WEIR_E_FORMAT, "decimal(10,2)"},
		{"decimal(0,0)", WEIR_E_RANGE, "1 to 18"},
		{"decimal(19,2)", WEIR_E_RANGE, "1 to 18"},
		{"decimal(3,4)", WEIR_E_RANGE, "above the precision, 3"},
		{"list", WEIR_E_FORMAT, "list<string>"},
		{"list<", WEIR_E_FORMAT, "closing bracket"},
		{"list<>", WEIR_E_FORMAT, "unknown type"},
		{"list(string)", WEIR_E_FORMAT, "list<string>"},
		{"list<list<int64>>", WEIR_E_FORMAT, "cannot hold lists"},
		{"list<int64?>", WEIR_E_FORMAT, "cannot be nullable"},
		{"list<foo>", WEIR_E_FORMAT, "unknown type"},
	};

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(row); i++) {
		struct weir_field f, before;
		struct weir_err err = {0};

		memset(&f, 0x5a, sizeof(f));
		before = f;
		if (weir_type_parse(weir_str_c(row[i].in), &f, &err) != row[i].code ||
		    err.code != row[i].code || !strstr(err.text, row[i].says))
			fail_msg("\"%s\" gives %d: %s", row[i].in, err.code, err.text);
		assert_memory_equal(&f, &before, sizeof(f));
		assert_int_equal(weir_type_parse(weir_str_c(row[i].in), &f, NULL), row[i].code);
	}
	assert_int_equal(weir_type_parse(WEIR_STR("timestamp(\0)"), &(struct weir_field){0}, NULL),
			 WEIR_E_FORMAT);
}

static void test_type_names(void **state)
{
	(void)state;
	assert_string_equal(weir_type_name(WEIR_NONE), "none");
	assert_string_equal(weir_type_name(WEIR_LIST), "list");
	assert_string_equal(weir_type_name(WEIR_TYPE_COUNT), "unknown");
	assert_string_equal(weir_type_name(UINT32_MAX), "unknown");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_schema_add_and_find),
	cmocka_unit_test(test_schema_add_stops_when_full),
	cmocka_unit_test(test_schema_empty),
	cmocka_unit_test(test_schema_same),
	cmocka_unit_test(test_type_texts),
	cmocka_unit_test(test_type_errors_say_what_is_wrong),
	cmocka_unit_test(test_type_names),
};

WEIR_TEST_MAIN("base_schema", tests)
