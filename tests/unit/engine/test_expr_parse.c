/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/expr_lib.h"

EXPR_CASES(test_literals, {"1", "int64 1"}, {"0", "int64 0"}, {"-1", "int64 -1"},
	   {"9223372036854775807", "int64 9223372036854775807"},
	   {"-9223372036854775808", "int64 -9223372036854775808"},
	   {"- 9223372036854775808", "int64 -9223372036854775808"}, {"0xff", "int64 255"},
	   {"0XfF", "int64 255"}, {"-0x8000000000000000", "int64 -9223372036854775808"},
	   {"2.5", "float64 2.5"}, {".5", "float64 0.5"}, {"-.5", "float64 -0.5"},
	   {"1e3", "float64 1000"}, {"1.5E-3", "float64 0.0015"}, {"2e+2", "float64 200"},
	   {"true", "bool true"}, {"false", "bool false"}, {"'a\"b'", "string a\"b"},
	   {"\"a'b\"", "string a'b"}, {"''", "string "}, {"'''a'b''c'''", "string a'b''c"},
	   {"\"\"\"x\ny\"\"\"", "string x\\x0ay"}, {"r'a\\d'", "string a\\d"},
	   {"R\"\\\"", "string \\"},
	   {"'\\a\\b\\f\\n\\r\\t\\v\\\\\\?\\\"\\'\\`'",
	    "string \\x07\\x08\\x0c\\x0a\\x0d\\x09\\x0b\\?\"'`"},
	   {"'\\x41\\X42\\u00e9\\U0001F600\\101'", "string AB\\xc3\\xa9\\xf0\\x9f\\x98\\x80A"},
	   {"b'\\xff\\377a'", "bytes \\xff\\xffa"}, {"B\"a\"", "bytes a"}, {"br'\\x'", "bytes \\x"},
	   {"rb'\\x'", "bytes \\x"}, {"b'\xc3\xb6'", "bytes \\xc3\\xb6"})

EXPR_CASES(test_bad_literals,
	   {"9223372036854775808", "0+19 FORMAT: number does not fit into int64"},
	   {"-9223372036854775809", "0+20 FORMAT: number does not fit into int64"},
	   {"99999999999999999999999", "0+23 FORMAT: number does not fit into int64"},
	   {"0xffffffffffffffff", "0+18 FORMAT: number does not fit into int64"},
	   {"0x1ffffffffffffffff", "0+19 FORMAT: number does not fit into int64"},
	   {"0x", "0+2 FORMAT: a hexadecimal number is 0x and digits 0-9, a-f"},
	   {"0x1g", "0+4 FORMAT: a hexadecimal number is 0x and digits 0-9, a-f"},
	   {"012", "0+3 FORMAT: a number has no leading zeros"},
	   {"00.5", "0+4 FORMAT: a number has no leading zeros"},
	   {"1e999", "0+5 FORMAT: number does not fit into float64"},
	   {"5u", "0+2 FORMAT: there are no unsigned integers: leave out the u"},
	   {"t + 10s",
	    "4+3 FORMAT: '10s' is not a number (a time span is written duration(\"10s\"))"},
	   {"1e", "0+2 FORMAT: '1e' is not a number (a time span is written duration(\"10s\"))"},
	   {"'abc", "0+4 FORMAT: string has no end"}, {"'abc\\'", "0+6 FORMAT: string has no end"},
	   {"'", "0+1 FORMAT: string has no end"}, {"'''ab''", "0+7 FORMAT: string has no end"},
	   {"'a\nb'", "0+2 FORMAT: string has no end on its line (use \\n, or three quotes)"},
	   {"'\\q'", "1+2 FORMAT: unknown escape: \\\\ is a backslash, r\"...\" a raw string"},
	   {"'\\x4'", "1+4 FORMAT: this escape needs 2 hexadecimal digits"},
	   {"'\\18'", "1+3 FORMAT: this escape needs 3 octal digits"},
	   {"'\\ud800'", "1+6 FORMAT: not a Unicode character"},
	   {"'\\U00110000'", "1+10 FORMAT: not a Unicode character"},
	   {"b'\\u0041'", "2+2 FORMAT: \\u is for strings; in bytes use \\x"},
	   {"'\xff'", "0+3 FORMAT: string is not valid UTF-8"},
	   {"'\xc3'", "0+3 FORMAT: string is not valid UTF-8"},
	   {"'\xe0\x80\x80'", "0+5 FORMAT: string is not valid UTF-8"},
	   {"'\xc3('", "0+4 FORMAT: string is not valid UTF-8"})

EXPR_CASES(test_precedence, {"1 + 2 * 3", "int64 7"}, {"(1 + 2) * 3", "int64 9"},
	   {"10 - 4 - 3", "int64 3"}, {"100 / 10 / 5", "int64 2"}, {"7 % 4 * 2", "int64 6"},
	   {"-2 * 3", "int64 -6"}, {"--2", "int64 2"}, {"-(2)", "int64 -2"},
	   {"!true || true", "bool true"}, {"!!b", "bool true"},
	   {"true || true && false", "bool true"}, {"(true || true) && false", "bool false"},
	   {"1 + 1 == 2 && 3 > 2", "bool true"}, {"1 < 2 == true", "bool true"},
	   {"1 + 1 in [2, 3]", "bool true"}, {"true ? 1 : false ? 2 : 3", "int64 1"},
	   {"false ? 1 : false ? 2 : 3", "int64 3"}, {"b ? i : j ", "int64 7"},
	   {"true ? false ? 1 : 2 : 3", "13+1 FORMAT: '?' is not expected here, ':' is"},
	   {"true ? (false ? 1 : 2) : 3", "int64 2"}, {"1\t+\n 2 // sum\r\n + 3", "int64 6"},
	   {"// only\n4", "int64 4"}, {"'a' + 'b'.upperAscii()", "string aB"},
	   {"-i.abs()", "3+3 UNKNOWN: abs is called as abs(x)"}, {"-li[0]", "int64 -3"},
	   {"[1, 2,]", "0+7 TYPE: a list can only be written on the right of 'in'"},
	   {"i in [7,]", "bool true"}, {"`odd name` + 1", "int64 100"}, {"`i`", "int64 7"})

EXPR_CASES(test_syntax_errors, {"", "0+0 FORMAT: the expression is empty"},
	   {"  ", "0+0 FORMAT: the expression is empty"},
	   {"1 +", "3+0 FORMAT: the expression ends, a value expected"},
	   {"(1", "2+0 FORMAT: the expression ends, ')' expected"},
	   {"1)", "1+1 FORMAT: ')' is not expected here, an operator or the end is"},
	   {"1 2", "2+1 FORMAT: '2' is not expected here, an operator or the end is"},
	   {"i = 1", "2+1 FORMAT: equality is written =="},
	   {"i <> 1", "2+2 FORMAT: not equal is written !="},
	   {"b & b", "2+1 FORMAT: '&' alone is no operator: use &&"},
	   {"b | b", "2+1 FORMAT: '|' alone is no operator: use ||"},
	   {"b and b", "2+3 FORMAT: 'and' is written && here"},
	   {"b OR b", "2+2 FORMAT: 'OR' is written || here"},
	   {"not b", "0+3 FORMAT: 'not' is written ! here"},
	   {"ni is null", "3+2 FORMAT: 'is' is written == null here"},
	   {"i # 1", "2+1 FORMAT: '#' has no meaning here"},
	   {"i \xc3\xb6", "2+1 FORMAT: byte 0xc3 has no meaning here (a name with such letters is "
			  "written in backticks)"},
	   {"size(s", "6+0 FORMAT: the expression ends, ',' or ')' expected"},
	   {"size(,)", "5+1 FORMAT: ',' is not expected here, a value is"},
	   {"s.", "2+0 FORMAT: the expression ends, the name of a function expected"},
	   {"s.5", "1+2 FORMAT: '.5' is not expected here, an operator or the end is"},
	   {"s.name", "0+6 FORMAT: values have no members: a function is called as x.name(), a "
		      "field with a dot in its name is written in backticks"},
	   {"li[1", "4+0 FORMAT: the expression ends, ']' expected"},
	   {"li[]", "3+1 FORMAT: ']' is not expected here, a value is"},
	   {"b ? 1", "5+0 FORMAT: the expression ends, ':' expected"},
	   {"``", "0+1 FORMAT: a quoted name is written `name`"},
	   {"`i", "0+1 FORMAT: a quoted name is written `name`"},
	   {"1 == == 2", "5+2 FORMAT: '==' is not expected here, a value is"},
	   {"[1", "2+0 FORMAT: the expression ends, ',' or ']' expected"},
	   {"{'a': 1}", "0+1 FORMAT: '{' has no meaning here"})

EXPR_CASES(test_names, {"nosuch", "0+6 UNKNOWN: no field 'nosuch'"},
	   {"1 + urk", "4+3 UNKNOWN: no field 'urk', did you mean 'url'?"},
	   {"I", "0+1 UNKNOWN: no field 'I', did you mean 'i'?"},
	   {"`odd nme`", "0+9 UNKNOWN: no field 'odd nme', did you mean 'odd name'?"},
	   {"s.startswith('x')",
	    "2+10 UNKNOWN: no function 'startswith', did you mean 'startsWith'?"},
	   {"len(s)", "0+3 UNKNOWN: no function 'len', did you mean 'size'?"},
	   {"s.qwertz()", "2+6 UNKNOWN: no function 'qwertz'"},
	   {"s.int()", "2+3 UNKNOWN: int is called as int(x)"},
	   {"contains(s, 'a')", "0+8 UNKNOWN: contains is called as x.contains()"},
	   {"size()", "0+6 TYPE: size() takes 1 argument, not 0"},
	   {"s.size(1)", "0+9 TYPE: size() takes 0 arguments, not 1"},
	   {"min(1)", "0+6 TYPE: min() takes at least 2 arguments, not 1"},
	   {"coalesce()", "0+10 TYPE: coalesce() takes at least 1 argument, not 0"},
	   {"s.substring()", "0+13 TYPE: substring() takes 1 or 2 arguments, not 0"},
	   {"t.getHours('UTC')", "11+5 TYPE: times are UTC, there are no time zones: leave out the "
				 "argument or add a duration"},
	   {"t.getHours('a', 'b')", "0+20 TYPE: getHours() takes 0 arguments, not 2"})

static void repeat(char *out, const char *head, const char *piece, unsigned times, const char *mid,
		   const char *tail, unsigned tails)
{
	strcpy(out, head);
	out += strlen(out);
	for (unsigned i = 0; i < times; i++, out += strlen(piece))
		strcpy(out, piece);
	strcpy(out, mid);
	out += strlen(out);
	for (unsigned i = 0; i < tails; i++, out += strlen(tail))
		strcpy(out, tail);
	*out = 0;
}

static void check_long(const char *head, const char *piece, unsigned times, const char *mid,
		       const char *tail, unsigned tails, const char *want)
{
	struct expr_world *w = calloc(1, sizeof(*w));
	char *text = malloc(strlen(piece) * times + strlen(tail) * tails + 200), got[1024];

	expr_world_init(w);
	repeat(text, head, piece, times, mid, tail, tails);
	expr_result(w, text, got, sizeof(got));
	if (want[0] != '*')
		assert_string_equal(got, want);
	else if (!strstr(got, want + 1))
		fail_msg("%s: got %s, want %s", piece, got, want);
	expr_world_fini(w);
	free(text);
	free(w);
}

static void test_nesting_is_limited(void **state)
{
	(void)state;
	check_long("", "(", 64, "1", ")", 64, "int64 1");
	check_long("", "(", 65, "1", ")", 65, "*LIMIT: nested more than 64 levels deep");
	check_long("", "!", 64, "b", "", 0, "bool true");
	check_long("", "!", 65, "b", "", 0, "*LIMIT: nested");
	check_long("", "-", 20000, "i", "", 0, "*LIMIT: nested");
	check_long("", "[", 30000, "1", "]", 1, "*LIMIT: nested");
	check_long("", "abs(", 10000, "1", ")", 10000, "*LIMIT: nested");
	check_long("", "li[", 10000, "1", "]", 10000, "*LIMIT: nested");
}

static void test_long_chains(void **state)
{
	(void)state;
	check_long("i", " + i", 400, "", "", 0, "int64 2807");
	check_long("i", " + i", 600, "", "", 0, "*LIMIT: more than 512 operators in a row");
	check_long("z == 1", " || i == 3", 4000, " || b", "", 0, "bool true");
	check_long("b", " && i != 3", 4000, "", "", 0, "bool true");
	check_long("s", " + e", 100, "", "", 0, "string Hello, W\\xc3\\xb6rld");
	check_long("", "i == 1 ? 2 : ", 100, "3", "", 0, "int64 3");
	check_long("", "i == 1 ? 2 : ", 600, "3", "", 0, "*LIMIT: more than 512");
	check_long("i in [-1", ", 1", 9000, ", 7]", "", 0, "bool true");
	check_long("i in [-1", ", i + 1", 4000, ", 7]", "", 0, "bool true");
	check_long("coalesce(ni", ", ni", 100, ")", "", 0, "*LIMIT: coalesce() takes at most 64");
	check_long("s", ".trim()", 600, "", "", 0, "*LIMIT: more than 512");
	check_long("f", " + 1.5 * i - f", 250, "", "", 0, "*float64 ");
	check_long("b", " && s.contains(string(i) + 'x') || b", 700, "", "", 0, "bool true");
	check_long("b", "||i+j*i-j*2==j", 4000, "", "", 0, "*LIMIT: the expression is too complex");
	check_long("'", "x", 70000, "'", "", 0, "*LIMIT: the expression has 70002 bytes");
}

/* Sharing of the left side of `in` must not double the program at every level. */
static void test_nested_in_stays_small(void **state)
{
	(void)state;
	check_long("", "(", 60, "b", " in [b, nb])", 60, "bool true");
	check_long("", "(", 30, "p == p", " in [b, nb] ? p : q) in [p, q, 1]", 30, "bool true");
	check_long("", "(", 60, "p == p", " ? i : j) in [p, q]", 60, "bool false");
}

static void test_null_error_pointer(void **state)
{
	struct expr_world *w = calloc(1, sizeof(*w));
	struct weir_expr *e;

	(void)state;
	expr_world_init(w);
	assert_int_equal(weir_expr_compile(&w->env, WEIR_STR("1 +"), &w->region, &e, NULL),
			 WEIR_E_FORMAT);
	weir_expr_fini(NULL);
	expr_world_fini(w);
	free(w);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_literals),
	cmocka_unit_test(test_bad_literals),
	cmocka_unit_test(test_precedence),
	cmocka_unit_test(test_syntax_errors),
	cmocka_unit_test(test_names),
	cmocka_unit_test(test_nesting_is_limited),
	cmocka_unit_test(test_long_chains),
	cmocka_unit_test(test_nested_in_stays_small),
	cmocka_unit_test(test_null_error_pointer),
};

WEIR_TEST_MAIN("expr_parse", tests)
