/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/expr_lib.h"

#define RANGE "error: index out of range"
#define OE "\xc3\xb6"
#define EURO "\xe2\x82\xac"

EXPR_CASES(test_questions, {"s.startsWith('Hell')", "bool true"}, {"s.startsWith(e)", "bool true"},
	   {"s.startsWith('hell')", "bool false"}, {"e.startsWith(s)", "bool false"},
	   {"s.endsWith('rld')", "bool true"}, {"s.endsWith(s)", "bool true"},
	   {"s.endsWith('x' + s)", "bool false"}, {"s.contains('lo, W')", "bool true"},
	   {"s.contains('')", "bool true"}, {"e.contains('a')", "bool false"},
	   {"s.contains('z')", "bool false"}, {"s.contains('o')", "bool true"},
	   {"size(s)", "int64 12"}, {"size(e)", "int64 0"}, {"size(y)", "int64 2"},
	   {"bytes(s).size()", "int64 13"},
	   {"size('" OE OE OE OE OE OE OE OE OE EURO "')", "int64 10"},
	   {"size(s + s + s)", "int64 36"}, {"s.indexOf('W')", "int64 7"},
	   {"s.indexOf('rld')", "int64 9"}, {"s.indexOf('x')", "int64 -1"},
	   {"s.indexOf('')", "int64 0"}, {"e.indexOf('a')", "int64 -1"},
	   {"s.count('l')", "int64 3"}, {"s.count('ll')", "int64 1"},
	   {"'aaaaa'.count('aa')", "int64 2"}, {"s.count('')", "int64 0"},
	   {"e.count('a')", "int64 0"})

EXPR_CASES(test_changes, {"s.lowerAscii()", "string hello, w\\xc3\\xb6rld"},
	   {"s.upperAscii()", "string HELLO, W\\xc3\\xb6RLD"},
	   {"'abc[`{@'.upperAscii()", "string ABC[`{@"}, {"e.upperAscii()", "string "},
	   {"'\\t a b \\n'.trim()", "string a b"}, {"'   '.trim()", "string "},
	   {"s.trim() == s", "bool true"}, {"s + e", "string Hello, W\\xc3\\xb6rld"},
	   {"e + e", "string "}, {"'a' + s + 'b' + e + 'c'", "string aHello, W\\xc3\\xb6rldbc"},
	   {"y + b'x'", "bytes \\x01\\xffx"},
	   {"s.replace('l', 'LL')", "string HeLLLLo, W\\xc3\\xb6rLLd"},
	   {"s.replace('l', '')", "string Heo, W\\xc3\\xb6rd"},
	   {"s.replace('x', 'y')", "string Hello, W\\xc3\\xb6rld"},
	   {"s.replace('', 'y')", "string Hello, W\\xc3\\xb6rld"}, {"s.replace(s, e)", "string "},
	   {"'aXbX'.replace('X', '" OE "')", "string a\\xc3\\xb6b\\xc3\\xb6"},
	   {"e.replace('a', 'b')", "string "},
	   {"'1' + '2' + '3' + '4' + '5' + '6' + '7' + '8' + '9' + '10' + '11' + '12' + '13' + "
	    "'14' + '15' + '16' + '17' + s.substring(0, 1)",
	    "string 1234567891011121314151617H"},
	   {"s.substring(0, 1) + '2' + '3' + '4' + '5' + '6' + '7' + '8' + '9' + '10' + '11' + "
	    "'12' + '13' + '14' + '15' + '16' + '17' + '18'",
	    "string H23456789101112131415161718"})

EXPR_CASES(test_substring, {"s.substring(7)", "string W\\xc3\\xb6rld"},
	   {"s.substring(9)", "string rld"}, {"s.substring(8, 9)", "string \\xc3\\xb6"},
	   {"s.substring(0, 5)", "string Hello"},
	   {"s.substring(0)", "string Hello, W\\xc3\\xb6rld"}, {"s.substring(12)", "string "},
	   {"s.substring(12, 12)", "string "}, {"s.substring(13)", RANGE},
	   {"s.substring(-1)", RANGE}, {"s.substring(5, 4)", RANGE}, {"s.substring(0, 13)", RANGE},
	   {"e.substring(0)", "string "}, {"e.substring(1)", RANGE},
	   {"s.substring(i)", "string W\\xc3\\xb6rld"}, {"s.substring(max64)", RANGE},
	   {"s.substring(0, i)", "string Hello, "}, {"s.substring(ni)", "null"},
	   {"s.substring(0, ni)", "null"}, {"s.substring(i / z)", "error: division by zero"},
	   {"s.substring(ni, i / z)", "error: division by zero"},
	   {"'0123456789abcdef'.substring(i + 3, 15)", "string abcde"},
	   {"('0123456789abcdef' + e).substring(i + 10)", RANGE})

EXPR_CASES(test_split, {"s.split(', ')", "list<string> Hello,W\\xc3\\xb6rld"},
	   {"s.split('x')", "list<string> Hello, W\\xc3\\xb6rld"},
	   {"e.split(',')", "list<string> "}, {"size(e.split(','))", "int64 1"},
	   {"size(e.split(''))", "int64 0"}, {"',a,'.split(',')", "list<string> ,a,"},
	   {"size(',a,'.split(','))", "int64 3"},
	   {"'a" OE EURO "'.split('')", "list<string> a,\\xc3\\xb6,\\xe2\\x82\\xac"},
	   {"url.split('/')[2]", "string a.example"}, {"url.split('/')[0]", "string https:"},
	   {"url.split('/')[4]", "string y?channel_id=42&k=v"}, {"url.split('/')[5]", RANGE},
	   {"url.split('/')[-1]", RANGE}, {"e.split('')[0]", RANGE}, {"e.split(',')[0]", "string "},
	   {"s.split('')[8]", "string \\xc3\\xb6"}, {"s.split('')[12]", RANGE},
	   {"s.split(e)[i]", "string W"}, {"url.split('://')[1].split('/')[1]", "string x"},
	   {"ns.split(',')", "null"}, {"s.split(ns)", "null"}, {"s.split(',')[ni]", "null"},
	   {"s.split(',')[i / z]", "error: division by zero"},
	   {"'red' in 'green red'.split(' ')", "bool true"},
	   {"coalesce(s.split(',')[0], e)", "string Hello"})

EXPR_CASES(test_regex, {"s.matches('^H.*d$')", "bool true"}, {"s.matches('W')", "bool true"},
	   {"s.matches('^W')", "bool false"}, {"matches(s, 'l{2}')", "bool true"},
	   {"e.matches('')", "bool true"}, {"s.matches('W.rld')", "bool true"},
	   {"s.matches('(?i)HELLO')", "bool true"}, {"ns.matches('a')", "null"},
	   {"url.extract('channel_id=([0-9]+)', 1)", "string 42"},
	   {"url.extract('(&|^)k=([^&]*)', 2)", "string v"},
	   {"url.extract('nothing=([0-9]+)', 1)", "null"}, {"url.extract('k=.')", "string k=v"},
	   {"url.extract('k=.', 0)", "string k=v"}, {"s.extract('(x)?W', 1)", "null"},
	   {"s.extract('(x)|(W)', 1)", "null"}, {"s.extract('(x)|(W)', 2)", "string W"},
	   {"s.extract('(x*)W', 1)", "string "}, {"s.extract('W(.)', 1)", "string \\xc3\\xb6"},
	   {"ns.extract('a')", "null"}, {"coalesce(s.extract('no'), 'none')", "string none"},
	   {"s.extract('a\\\\Kb|He(?=llo)')", "string He"},
	   {"(s + s).matches('(?:[^x]*)*y')", "bool false"},
	   {"'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'.matches('^(a|a?)+$')",
	    "error: text or pattern limit reached"},
	   {"'ab'.extract('a(b)', 1)", "string b"}, {"'" OE "'.matches('^.$')", "bool true"})

/* Q14, Q21 and Q22 of Nexmark. */
EXPR_CASES(test_nexmark_shapes,
	   {"t.getHours() >= 8 && t.getHours() <= 18 ? 'dayTime' : t.getHours() <= 6 || "
	    "t.getHours() >= 20 ? 'nightTime' : 'otherTime'",
	    "string dayTime"},
	   {"s.lowerAscii() == 'apple' ? '0' : s.lowerAscii() == 'google' ? '1' : "
	    "coalesce(url.extract('(&|\\\\?)channel_id=([^&]*)', 2), null)",
	    "string 42"},
	   {"i.string()", "2+6 UNKNOWN: string is called as string(x)"},
	   {"max64 % 123 == 0", "bool false"}, {"string(i).count('7')", "int64 1"})

/* A lane that makes too much text fails alone, whatever the batch. */
static void test_text_limit(void **state)
{
	struct expr_world *w = calloc(1, sizeof(*w));
	size_t big = 200 * 1024;
	static uint64_t mem[(260 * 1024) / 8];
	char *text = malloc(big);
	struct weir_evaluator *ev;
	struct weir_builder b;
	struct weir_expr *e;
	const struct weir_vec *v;

	(void)state;
	expr_world_init(w);
	memset(text, 'x', big);
	text[7] = ',';
	weir_build_begin(&b, mem, sizeof(mem), &w->schema);
	weir_build_str(&b, expr_field(w, "s"), (struct weir_str){text, big});
	assert_true(weir_build_end(&b));
	w->rows[3] = (const struct weir_frame *)mem;
	ev = weir_evaluator_new(&w->region);
	{
		static const struct {
			const char *text;
			bool fails;
		} cases[] = {{"s + 'a'", false},
			     {"s + s", true},
			     {"s.upperAscii()", false},
			     {"(s + 'a') + (s + 'b')", true},
			     {"s.upperAscii().lowerAscii()", true},
			     {"s.replace('x', 'yy')", true},
			     {"size(s.split(','))", false},
			     {"size(s.split('x'))", true},
			     {"s.split('x')[5]", false},
			     {"size(s) > 100 ? s : s + s", false},
			     {"size(s) < 100 && (s + s).size() > 5", false},
			     {"size(s) > 100 || (s + s).size() > 5", false},
			     {"coalesce(s, s + s)", false},
			     {"string(i) + (s + 'a')", false},
			     {"s.matches('x,x')", false}};

		for (size_t i = 0; i < WEIR_COUNT_OF(cases); i++) {
			assert_int_equal(weir_expr_compile(&w->env, weir_str_c(cases[i].text),
							   &w->region, &e, NULL),
					 0);
			v = weir_expr_eval(e, ev, w->rows, 20);
			for (uint32_t k = 0; k < 20; k++) {
				unsigned want =
					k == 3 && cases[i].fails ? WEIR_LANE_LIMIT : WEIR_LANE_OK;

				if (cases[i].text[0] == 's' && strstr(cases[i].text, "[5]") &&
				    k != 3)
					want = WEIR_LANE_INDEX;
				if (weir_vec_state(v, k) != want)
					fail_msg("%s: lane %u is %u", cases[i].text, k,
						 weir_vec_state(v, k));
			}
			weir_expr_fini(e);
			weir_evaluator_reset(ev);
		}
	}
	expr_world_fini(w);
	free(text);
	free(w);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_questions),  cmocka_unit_test(test_changes),
	cmocka_unit_test(test_substring),  cmocka_unit_test(test_split),
	cmocka_unit_test(test_regex),	   cmocka_unit_test(test_nexmark_shapes),
	cmocka_unit_test(test_text_limit),
};

WEIR_TEST_MAIN("expr_strings", tests)
