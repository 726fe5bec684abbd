/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/expr_lib.h"

EXPR_CASES(
	test_operand_errors,
	{"i + s", "0+5 TYPE: cannot apply + to int64 and string: convert the second with int(x) or "
		  "the first with string(x)"},
	{"1 + (s - i)", "5+5 TYPE: cannot apply - to string and int64: convert the second with "
			"string(x) or the first with int(x)"},
	{"s * 2", "0+5 TYPE: cannot apply * to string and int64: convert the second with string(x) "
		  "or the first with int(x)"},
	{"s / s", "0+5 TYPE: cannot apply / to string and string"},
	{"f % 2",
	 "0+5 TYPE: % needs int64 on both sides, not float64 and int64: convert with int(x)"},
	{"p % 2",
	 "0+5 TYPE: % needs int64 on both sides, not decimal(10,2) and int64: convert with int(x)"},
	{"s % s", "0+5 TYPE: cannot apply % to string and string"},
	{"b + 1", "0+5 TYPE: cannot apply + to bool and int64: convert the second with bool(x) or "
		  "the first with int(x)"},
	{"t + t", "0+5 TYPE: cannot apply + to timestamp and timestamp"},
	{"d - t", "0+5 TYPE: cannot apply - to duration and timestamp"},
	{"t + 1", "0+5 TYPE: cannot apply + to timestamp and int64: convert the second with "
		  "timestamp(x) or the first with int(x)"},
	{"d * 2.5", "0+7 TYPE: cannot apply * to duration and float64"},
	{"null + 1",
	 "0+8 TYPE: cannot apply + to null and int64: give null a value with coalesce(x, value)"},
	{"s + y", "0+5 TYPE: cannot apply + to string and bytes: convert the second with string(x) "
		  "or the first with bytes(x)"},
	{"p * f", "0+5 TYPE: cannot apply * to decimal(10,2) and float64: convert the second with "
		  "decimal(x, precision, scale) or the first with double(x)"},
	{"li + 1", "0+6 TYPE: cannot apply + to list<int64> and int64"},
	{"-s", "0+2 TYPE: - needs a number or a duration, not string"},
	{"-t", "0+2 TYPE: - needs a number or a duration, not timestamp"},
	{"!i", "0+2 TYPE: ! needs bool, not int64: convert with bool(x)"})

EXPR_CASES(test_comparison_errors,
	   {"s == 1", "0+6 TYPE: cannot compare string and int64: convert the second with "
		      "string(x) or the first with int(x)"},
	   {"t > '2016-01-01'", "0+16 TYPE: cannot compare timestamp and string: convert the "
				"second with timestamp(x) or the first with string(x)"},
	   {"p < f", "0+5 TYPE: cannot compare decimal(10,2) and float64: convert the second with "
		     "decimal(x, precision, scale) or the first with double(x)"},
	   {"d < 10", "0+6 TYPE: cannot compare duration and int64: convert the first with int(x)"},
	   {"li == li", "0+8 TYPE: lists cannot be compared: compare elements, or use x in list"},
	   {"ni < null", "0+9 TYPE: null has no order: only == null and != null are possible"},
	   {"1 < 2 < 3", "0+9 TYPE: cannot compare bool and int64: convert the second with bool(x) "
			 "or the first with int(x)"},
	   {"p == 1.1234567890123456789",
	    "5+21 TYPE: 1.1234567890123456789 is not a decimal of at most 18 digits"},
	   {"p == f * 2.0", "0+12 TYPE: cannot compare decimal(10,2) and float64: convert the "
			    "second with decimal(x, precision, scale) or the first with double(x)"})

EXPR_CASES(test_logic_errors,
	   {"i && b", "0+1 TYPE: && needs bool, not int64: compare it with something"},
	   {"b || s", "5+1 TYPE: || needs bool, not string: compare it with something"},
	   {"b || null", "5+4 TYPE: || needs bool, not null"},
	   {"i ? 1 : 2", "0+1 TYPE: the condition of ?: must be bool, not int64"},
	   {"b ? 1 : s", "8+1 TYPE: ?: needs one type, not int64 and string: convert the second "
			 "with int(x) or the first with string(x)"},
	   {"b ? null : null", "0+15 TYPE: ?: has only null: its type is not known"},
	   {"b ? li : lf", "9+2 TYPE: ?: needs one type, not list<int64> and list<float64>"},
	   {"b ? p : f", "8+1 TYPE: ?: needs one type, not decimal(10,2) and float64: convert the "
			 "second with decimal(x, precision, scale) or the first with double(x)"},
	   {"b ? f : p", "4+1 TYPE: ?: needs one type, not decimal(10,2) and float64: convert the "
			 "second with decimal(x, precision, scale) or the first with double(x)"},
	   {"b ? p : 1e30", "8+4 TYPE: 1e30 is not a decimal of at most 18 digits"},
	   {"coalesce(ns, 1)", "13+1 TYPE: coalesce needs one type, not string and int64: convert "
			       "the second with string(x) or the first with int(x)"},
	   {"coalesce(p, 's')",
	    "12+3 TYPE: coalesce needs one type, not decimal(10,2) and string: convert the second "
	    "with decimal(x, precision, scale) or the first with string(x)"},
	   {"coalesce(null)", "0+14 TYPE: coalesce has only null: its type is not known"},
	   {"null", "0+4 TYPE: null alone has no type"})

EXPR_CASES(test_list_errors, {"i in 5", "5+1 TYPE: 'in' needs a list on its right, not int64"},
	   {"'a' in s", "7+1 TYPE: 'in' needs a list on its right, not string: a part of a text is "
			"found with s.contains(part)"},
	   {"i in []", "5+2 TYPE: nothing is in an empty list"},
	   {"i in [1, null]", "9+4 TYPE: null is in no list: write x == null"},
	   {"null in [1]", "0+4 TYPE: null is in no list"},
	   {"i in [1, 'a']", "9+3 TYPE: cannot compare int64 and string: convert the second with "
			     "int(x) or the first with string(x)"},
	   {"s in li", "0+7 TYPE: 'in' needs one type, not string and int64: convert the second "
		       "with string(x) or the first with int(x)"},
	   {"f in li", "0+7 TYPE: 'in' needs one type, not float64 and int64: convert the second "
		       "with double(x) or the first with int(x)"},
	   {"q in lp", "0+7 TYPE: 'in' needs one type, not decimal(18,6) and decimal(10,2)"},
	   {"10.501 in lp", "0+12 TYPE: 'in' needs one type, not decimal(5,3) and decimal(10,2)"},
	   {"i in [[1]]", "6+3 TYPE: a list can only be written on the right of 'in'"},
	   {"[1]", "0+3 TYPE: a list can only be written on the right of 'in'"},
	   {"size([1])", "5+3 TYPE: a list can only be written on the right of 'in'"},
	   {"[1] in [1]", "0+3 TYPE: a list can only be written on the right of 'in'"},
	   {"s[0]",
	    "0+4 TYPE: [] needs a list, not string: a part of a text is s.substring(from, to)"},
	   {"i[0]", "0+4 TYPE: [] needs a list, not int64"},
	   {"li['a']", "3+3 TYPE: an index must be int64, not string: convert with int(x)"},
	   {"li[f]", "3+1 TYPE: an index must be int64, not float64: convert with int(x)"})

EXPR_CASES(test_function_errors,
	   {"i.startsWith('a')",
	    "0+1 TYPE: startsWith() works on string, not int64: convert with string(x)"},
	   {"s.startsWith(i)",
	    "13+1 TYPE: startsWith() takes string, not int64: convert with string(x)"},
	   {"size(i)", "5+1 TYPE: size() takes string, bytes or a list, not int64"},
	   {"s.matches(s)", "10+1 TYPE: the pattern of matches() must be a string literal"},
	   {"i.matches('a')",
	    "0+1 TYPE: matches() works on string, not int64: convert with string(x)"},
	   {"s.matches('(')", "10+3 FORMAT: bad regular expression: missing closing parenthesis "
			      "(at byte 1 of the pattern)"},
	   {"s.matches(r'\\C')", "10+5 FORMAT: bad regular expression: using \\C is disabled by "
				 "the application (at byte 2 of the pattern)"},
	   {"s.extract('(a)', 2)", "17+1 TYPE: the pattern has groups 0 to 1"},
	   {"s.extract('(a)', -1)", "17+2 TYPE: the pattern has groups 0 to 1"},
	   {"s.extract('(a)', i)", "17+1 TYPE: the group of extract() must be an integer literal"},
	   {"abs(s)", "4+1 TYPE: abs() takes a number or a duration, not string"},
	   {"min(b, b)", "4+1 TYPE: min() takes numbers, times or texts, not bool"},
	   {"max(li, li)", "4+2 TYPE: max() takes numbers, times or texts, not list<int64>"},
	   {"has(null)", "4+4 TYPE: null cannot be an argument of has()"},
	   {"int(y)", "4+1 TYPE: bytes cannot be converted with int()"},
	   {"double(b)", "7+1 TYPE: bool cannot be converted with double()"},
	   {"timestamp(f)", "10+1 TYPE: float64 cannot be converted with timestamp()"},
	   {"duration(1)", "9+1 TYPE: int64 cannot be converted with duration()"},
	   {"string(li)", "7+2 TYPE: list<int64> cannot be converted with string()"},
	   {"decimal(i, j, 2)", "11+1 TYPE: precision and scale must be integer literals"},
	   {"decimal(i, 19, 2)", "11+2 TYPE: the precision must be 1 to 18"},
	   {"decimal(i, 5, 6)", "14+1 TYPE: the scale must be 0 to the precision, 5"},
	   {"decimal(t, 5, 2)", "8+1 TYPE: decimal() takes a number or a string, not timestamp"},
	   {"s.getHours()", "0+1 TYPE: getHours() works on timestamp or duration, not string: "
			    "convert with timestamp(x)"},
	   {"d.getMonth()", "0+1 TYPE: getMonth() works on timestamp, not duration"},
	   {"t.truncate(3600)", "11+4 TYPE: truncate() takes duration, not int64"},
	   {"t.truncate(duration('0s'))", "11+14 TYPE: truncate() needs a duration above 0"},
	   {"i.truncate(d)",
	    "0+1 TYPE: truncate() works on timestamp, not int64: convert with timestamp(x)"},
	   {"s.split(1)", "8+1 TYPE: split() takes string, not int64: convert with string(x)"},
	   {"s.substring('a')",
	    "12+3 TYPE: substring() takes int64, not string: convert with int(x)"})

EXPR_CASES(test_literal_conversions_are_checked,
	   {"timestamp('2016-13-01T00:00:00Z')",
	    "10+22 TYPE: '2016-13-01T00:00:00Z' is not a valid timestamp: write it like "
	    "2016-01-31T10:00:00Z"},
	   {"duration('10')", "9+4 TYPE: '10' is not a valid duration: write it like 1h30m or 10s"},
	   {"int('x')", "4+3 TYPE: 'x' is not a valid int64"},
	   {"decimal('1.234', 10, 2)", "8+7 TYPE: '1.234' is not a valid decimal(10,2)"},
	   {"decimal(123.0, 2, 0)",
	    "0+20 TYPE: decimal() fails: the value does not fit into decimal(2,0)"},
	   {"decimal(123, 2, 0)",
	    "0+18 TYPE: decimal() fails: the value does not fit into decimal(2,0)"},
	   {"int(1e30)", "0+9 TYPE: int() fails: the value does not fit into int64"},
	   {"timestamp(10000000000)",
	    "0+22 TYPE: timestamp() fails: the value does not fit into timestamp"})

/* type, nullable, and which field it is. */
static void test_properties(void **state)
{
	static const struct {
		const char *text, *type;
		bool nullable;
		const char *field;
	} cases[] = {
		{"i", "int64", false, "i"},
		{"(ni)", "int64", true, "ni"},
		{"`odd name`", "int64", false, "odd name"},
		{"i + 0", "int64", false, NULL},
		{"i + ni", "int64", true, NULL},
		{"ni == null", "bool", false, NULL},
		{"has(ni)", "bool", false, NULL},
		{"ni == 1", "bool", true, NULL},
		{"b && nb", "bool", true, NULL},
		{"b ? i : ni", "int64", true, NULL},
		{"b ? i : j", "int64", false, NULL},
		{"b ? i : null", "int64", true, NULL},
		{"nb ? i : j", "int64", true, NULL},
		{"coalesce(ni, 0)", "int64", false, NULL},
		{"coalesce(ni, null)", "int64", true, NULL},
		{"coalesce(ni, f)", "float64", false, NULL},
		{"s.extract('a')", "string", true, NULL},
		{"'abc'.extract('b')", "string", false, NULL},
		{"s.split(',')", "list<string>", false, NULL},
		{"nl", "list<int64>", true, "nl"},
		{"lp[0]", "decimal(10,2)", false, NULL},
		{"min(i, f)", "float64", false, NULL},
		{"min(p, 3)", "decimal(10,2)", false, NULL},
		{"max(p, q)", "decimal(18,6)", false, NULL},
		{"max(p, i)", "decimal(18,2)", false, NULL},
		{"string(i)", "string", false, NULL},
		{"string(s)", "string", false, "s"},
		{"bytes(s)", "bytes", false, NULL},
		{"int(d)", "int64", false, NULL},
		{"int(b)", "int64", false, NULL},
		{"t - t", "duration", false, NULL},
		{"true ? null : 1", "int64", true, NULL},
	};
	struct expr_world *w = calloc(1, sizeof(*w));

	(void)state;
	expr_world_init(w);
	for (size_t i = 0; i < WEIR_COUNT_OF(cases); i++) {
		struct weir_expr *e;
		struct weir_field f = {0};
		char name[64] = "";
		struct weir_buf out = weir_buf_of(name, sizeof(name) - 1);
		int want = cases[i].field ? (int)expr_field(w, cases[i].field) : -1;

		assert_int_equal(weir_expr_compile(&w->env, weir_str_c(cases[i].text), &w->region,
						   &e, NULL),
				 0);
		f.type = weir_expr_type(e);
		weir_buf_type(&out, &f);
		assert_string_equal(name, cases[i].type);
		if (weir_expr_nullable(e) != cases[i].nullable)
			fail_msg("%s: nullable is %d", cases[i].text, weir_expr_nullable(e));
		assert_int_equal(weir_expr_field(e), want);
		weir_expr_fini(e);
	}
	expr_world_fini(w);
	free(w);
}

static void test_without_regular_expressions(void **state)
{
	struct expr_world *w = calloc(1, sizeof(*w));
	char got[512];

	(void)state;
	expr_world_init(w);
	w->env.regex = NULL;
	expr_result(w, "s.matches('a')", got, sizeof(got));
	assert_string_equal(got, "2+7 UNKNOWN: matches() cannot be used here: there are no regular "
				 "expressions");
	expr_world_fini(w);
	free(w);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_operand_errors),
	cmocka_unit_test(test_comparison_errors),
	cmocka_unit_test(test_logic_errors),
	cmocka_unit_test(test_list_errors),
	cmocka_unit_test(test_function_errors),
	cmocka_unit_test(test_literal_conversions_are_checked),
	cmocka_unit_test(test_properties),
	cmocka_unit_test(test_without_regular_expressions),
};

WEIR_TEST_MAIN("expr_types", tests)
