/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/decode_lib.h"

static struct bench *jsonl(const char *schema)
{
	struct bench *b = bench_new(WEIR_FORMAT_JSONL);

	schema_of(&b->schema[0], schema);
	bench_open(b);
	return b;
}

static void check(const char *schema, const char *text, const char *want)
{
	struct bench *b = jsonl(schema);

	expect(b, text, want);
	bench_free(b);
}

static void test_members_in_any_order_and_unknown_ones_skipped(void **state)
{
	(void)state;
	check("a:int64 b:string",
	      "{\"a\":1,\"b\":\"x\"}\n"
	      "{\"b\":\"y\",\"a\":2}\r\n"
	      " { \"z\" : {\"q\":[1,{\"r\":[]},\"\\u00e9\"]} , \"b\" : \"\" ,\t\"a\" : -3 } \n"
	      "\n  \t\r\n"
	      "{\"b\":\"w\",\"n\":null,\"t\":true,\"f\":false,\"e\":[],\"o\":{},\"a\":4}",
	      "{\"a\":1,\"b\":\"x\"}\n{\"a\":2,\"b\":\"y\"}\n{\"a\":-3,\"b\":\"\"}\n"
	      "{\"a\":4,\"b\":\"w\"}\n");
}

static void test_byte_order_mark_is_skipped(void **state)
{
	(void)state;
	check("a:int64", "\xef\xbb\xbf{\"a\":1}\n", "{\"a\":1}\n");
	check("a:int64", "\xef\xbb\xbf", "");
	check("a:int64", "\xef\xbb",
	      "! 1:1 expected '{' (one JSON object a line), found byte 0xef "
	      "[\xef\xbb]\n");
}

static void test_long_names_and_many_fields(void **state)
{
	char schema[4096] = "", text[8192] = "{", want[8192] = "{";

	(void)state;
	/* The last first, so that the learned order is put to use on the second line. */
	for (int i = 0; i < 100; i++) {
		char one[64];

		snprintf(one, sizeof(one), "%sfield_with_a_long_name_%03d:int64", i ? " " : "", i);
		strcat(schema, one);
		snprintf(one, sizeof(one), "%s\"field_with_a_long_name_%03d\":%d", i ? "," : "",
			 99 - i, i);
		strcat(text, one);
		snprintf(one, sizeof(one), "%s\"field_with_a_long_name_%03d\":%d", i ? "," : "", i,
			 99 - i);
		strcat(want, one);
	}
	strcat(text, "}\n");
	strcat(want, "}\n");
	{
		char twice[16400], want_twice[16400];

		snprintf(twice, sizeof(twice), "%s%s", text, text);
		snprintf(want_twice, sizeof(want_twice), "%s%s", want, want);
		check(schema, twice, want_twice);
	}
}

static void test_names_with_escapes(void **state)
{
	struct bench *b = bench_new(WEIR_FORMAT_JSONL);
	struct weir_schema *s = &b->schema[0];

	(void)state;
	weir_schema_add(s, WEIR_STR("q\"q"), weir_type_of(WEIR_INT64), false);
	weir_schema_add(s, WEIR_STR("\xc3\xa9"), weir_type_of(WEIR_INT64), false);
	weir_schema_seal(s);
	bench_open(b);
	expect(b,
	       "{\"q\\\"q\":1,\"\\u00e9\":2}\n{\"\xc3\xa9\":3,\"\\u0071\\u0022q\":4}\n"
	       "{\"\xc3\xa9\":5,\"q\\\"q\":6,"
	       "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\\n\":6}\n",
	       "{\"q\\\"q\":1,\"\xc3\xa9\":2}\n{\"q\\\"q\":4,\"\xc3\xa9\":3}\n"
	       "{\"q\\\"q\":6,\"\xc3\xa9\":5}\n");
	bench_free(b);
}

static void test_null_missing_and_twice(void **state)
{
	(void)state;
	check("a:int64 b:string?",
	      "{\"a\":1}\n{\"a\":1,\"b\":null}\n{\"b\":\"x\"}\n{\"a\":null}\n{}\n"
	      "{\"a\":1,\"a\":2}\n{\"x\":1,\"a\":5,\"x\":2}\n{\"a\":1,\"b\":nul}\n",
	      "{\"a\":1,\"b\":null}\n{\"a\":1,\"b\":null}\n"
	      "! 3:0 field a is missing [{\"b\":\"x\"}]\n"
	      "! 4:6 field a is null [{\"a\":null}]\n"
	      "! 5:0 field a is missing [{}]\n"
	      "! 6:12 field a is there twice [{\"a\":1,\"a\":2}]\n"
	      "{\"a\":5,\"b\":null}\n"
	      "! 8:12 expected a value, found 'n' [{\"a\":1,\"b\":nul}]\n");
}

static void test_int64(void **state)
{
	(void)state;
	check("a:int64",
	      "{\"a\":0}\n{\"a\":-0}\n{\"a\":9223372036854775807}\n{\"a\":-9223372036854775808}\n"
	      "{\"a\":1.0}\n{\"a\":1e3}\n{\"a\":1.50e1}\n{\"a\":12000e-3}\n{\"a\":0e99999999999}\n"
	      "{\"a\":100000000000000000000e-2}\n{\"a\":0.000000000000000000000000010e26}\n"
	      "{\"a\":1.00000000000000000000000000000000}\n",
	      "{\"a\":0}\n{\"a\":0}\n{\"a\":9223372036854775807}\n{\"a\":-9223372036854775808}\n"
	      "{\"a\":1}\n{\"a\":1000}\n{\"a\":15}\n{\"a\":12}\n{\"a\":0}\n"
	      "{\"a\":1000000000000000000}\n{\"a\":1}\n{\"a\":1}\n");
	check("a:int64",
	      "{\"a\":9223372036854775808}\n{\"a\":-9223372036854775809}\n{\"a\":1.5}\n"
	      "{\"a\":1e-1}\n{\"a\":1e19}\n{\"a\":18446744073709551616}\n"
	      "{\"a\":1.00000000000000000000000000000001}\n{\"a\":123456789012345678901e-1}\n",
	      "! 1:6 field a: \"9223372036854775808\" does not fit int64 "
	      "[{\"a\":9223372036854775808}]\n"
	      "! 2:6 field a: \"-9223372036854775809\" does not fit int64 "
	      "[{\"a\":-9223372036854775809}]\n"
	      "! 3:6 field a: \"1.5\" does not fit int64 [{\"a\":1.5}]\n"
	      "! 4:6 field a: \"1e-1\" does not fit int64 [{\"a\":1e-1}]\n"
	      "! 5:6 field a: \"1e19\" does not fit int64 [{\"a\":1e19}]\n"
	      "! 6:6 field a: \"18446744073709551616\" does not fit int64 "
	      "[{\"a\":18446744073709551616}]\n"
	      "! 7:6 field a: \"1.00000000000000000000000000000001\" does not fit int64 "
	      "[{\"a\":1.00000000000000000000000000000001}]\n"
	      "! 8:6 field a: \"123456789012345678901e-1\" does not fit int64 "
	      "[{\"a\":123456789012345678901e-1}]\n");
	check("a:int64",
	      "{\"a\":01}\n{\"a\":+1}\n{\"a\":1.}\n{\"a\":.5}\n{\"a\":1e}\n{\"a\":-}\n{\"a\":0x1}\n"
	      "{\"a\":\"1\"}\n{\"a\":true}\n{\"a\":[1]}\n{\"a\":NaN}\n{\"a\":}\n",
	      "! 1:6 expected a value, found '0' [{\"a\":01}]\n"
	      "! 2:6 expected a value, found '+' [{\"a\":+1}]\n"
	      "! 3:6 expected a value, found '1' [{\"a\":1.}]\n"
	      "! 4:6 expected a value, found '.' [{\"a\":.5}]\n"
	      "! 5:6 expected a value, found '1' [{\"a\":1e}]\n"
	      "! 6:6 expected a value, found '-' [{\"a\":-}]\n"
	      "! 7:7 expected ',' or '}', found 'x' [{\"a\":0x1}]\n"
	      "! 8:6 field a: \"\\\"1\\\"\" is not a valid int64 [{\"a\":\"1\"}]\n"
	      "! 9:6 field a: \"true\" is not a valid int64 [{\"a\":true}]\n"
	      "! 10:6 field a: \"[1]\" is not a valid int64 [{\"a\":[1]}]\n"
	      "! 11:6 expected a value, found 'N' [{\"a\":NaN}]\n"
	      "! 12:6 expected a value, found '}' [{\"a\":}]\n");
}

static void test_float64(void **state)
{
	(void)state;
	check("a:float64",
	      "{\"a\":1}\n{\"a\":-1.5e3}\n{\"a\":0.1}\n{\"a\":1E400}\n{\"a\":\"NaN\"}\n"
	      "{\"a\":\"Infinity\"}\n{\"a\":\"-Infi\\u006eity\"}\n{\"a\":\"1\"}\n"
	      "{\"a\":179769313486231570000e288}\n{\"a\":3.14159265358979323846264338327950288}\n"
	      "{\"a\":1e-400}\n{\"a\":-0.0}\n{\"a\":1e22}\n{\"a\":\"nan\"}\n{\"a\":"
	      "9007199254740993}\n",
	      "{\"a\":1}\n{\"a\":-1500}\n{\"a\":0.1}\n"
	      "! 4:6 field a: \"1E400\" does not fit float64 [{\"a\":1E400}]\n"
	      "{\"a\":\"NaN\"}\n{\"a\":\"Infinity\"}\n{\"a\":\"-Infinity\"}\n"
	      "! 8:6 field a: \"\\\"1\\\"\" is not a valid float64 [{\"a\":\"1\"}]\n"
	      "{\"a\":1.7976931348623157e308}\n{\"a\":3.141592653589793}\n"
	      "{\"a\":0}\n{\"a\":-0}\n{\"a\":1e22}\n"
	      "! 14:6 field a: \"\\\"nan\\\"\" is not a valid float64 [{\"a\":\"nan\"}]\n"
	      "{\"a\":9007199254740992}\n");
}

static void test_decimal(void **state)
{
	(void)state;
	check("a:decimal(5,2)",
	      "{\"a\":1}\n{\"a\":1.5}\n{\"a\":-999.99}\n{\"a\":\"12.34\"}\n{\"a\":1.230}\n"
	      "{\"a\":1e2}\n{\"a\":1000}\n{\"a\":0.001}\n{\"a\":\"1e2\"}\n{\"a\":false}\n"
	      "{\"a\":\"12.345\"}\n{\"a\":12345678901234567890123}\n",
	      "{\"a\":1.00}\n{\"a\":1.50}\n{\"a\":-999.99}\n{\"a\":12.34}\n{\"a\":1.23}\n"
	      "{\"a\":100.00}\n"
	      "! 7:6 field a: \"1000\" does not fit decimal(5,2) [{\"a\":1000}]\n"
	      "! 8:6 field a: \"0.001\" does not fit decimal(5,2) [{\"a\":0.001}]\n"
	      "! 9:7 field a: \"1e2\" is not a valid decimal(5,2) [{\"a\":\"1e2\"}]\n"
	      "! 10:6 field a: \"false\" is not a valid decimal(5,2) [{\"a\":false}]\n"
	      "! 11:7 field a: \"12.345\" does not fit decimal(5,2) [{\"a\":\"12.345\"}]\n"
	      "! 12:6 field a: \"12345678901234567890123\" does not fit decimal(5,2) "
	      "[{\"a\":12345678901234567890123}]\n");
}

static void test_bool_and_duration(void **state)
{
	(void)state;
	check("a:bool b:duration?",
	      "{\"a\":true}\n{\"a\":false,\"b\":\"1h30m\"}\n{\"a\":\"true\"}\n{\"a\":1}\n"
	      "{\"a\":tru}\n{\"a\":true,\"b\":5}\n{\"a\":true,\"b\":\"5\"}\n{\"a\":truex}\n",
	      "{\"a\":true,\"b\":null}\n{\"a\":false,\"b\":\"1h30m0s\"}\n"
	      "! 3:6 field a: \"\\\"true\\\"\" is not a valid bool [{\"a\":\"true\"}]\n"
	      "! 4:6 field a: \"1\" is not a valid bool [{\"a\":1}]\n"
	      "! 5:6 expected a value, found 't' [{\"a\":tru}]\n"
	      "! 6:15 field b: \"5\" is not a valid duration [{\"a\":true,\"b\":5}]\n"
	      "! 7:16 field b: \"5\" is not a valid duration [{\"a\":true,\"b\":\"5\"}]\n"
	      "! 8:10 expected ',' or '}', found 'x' [{\"a\":truex}]\n");
}

static void test_timestamps(void **state)
{
	(void)state;
	check("t:timestamp",
	      "{\"t\":\"2016-02-29T00:30:04.91Z\"}\n{\"t\":\"2016-02-29T23:59:59Z\"}\n"
	      "{\"t\":\"2016-02-29T01:00:00+01:00\"}\n{\"t\":\"2015-02-29T00:00:00Z\"}\n"
	      "{\"t\":\"2016-02-29T24:00:00Z\"}\n{\"t\":\"2016-02-29T00:00:00\"}\n"
	      "{\"t\":\"1900-01-01T00:00:00.000000001Z\"}\n{\"t\":\"2016-02-29t00:30:04z\"}\n"
	      "{\"t\":\"2016\\u002d02-29T00:30:04Z\"}\n{\"t\":12}\n{\"t\":\"\"}\n"
	      "{\"t\":\"2016-02-29T00:30:04.1234567891Z\"}\n{\"t\":\"2300-01-01T00:00:00Z\"}\n",
	      "{\"t\":\"2016-02-29T00:30:04.91Z\"}\n{\"t\":\"2016-02-29T23:59:59Z\"}\n"
	      "{\"t\":\"2016-02-29T00:00:00Z\"}\n"
	      "! 4:7 field t: \"2015-02-29T00:00:00Z\" does not fit timestamp "
	      "[{\"t\":\"2015-02-29T00:00:00Z\"}]\n"
	      "! 5:7 field t: \"2016-02-29T24:00:00Z\" does not fit timestamp "
	      "[{\"t\":\"2016-02-29T24:00:00Z\"}]\n"
	      "! 6:7 field t: \"2016-02-29T00:00:00\" is not a valid timestamp "
	      "[{\"t\":\"2016-02-29T00:00:00\"}]\n"
	      "{\"t\":\"1900-01-01T00:00:00.000000001Z\"}\n{\"t\":\"2016-02-29T00:30:04Z\"}\n"
	      "{\"t\":\"2016-02-29T00:30:04Z\"}\n"
	      "! 10:6 field t: \"12\" is not a valid timestamp [{\"t\":12}]\n"
	      "! 11:7 field t: \"\" is not a valid timestamp [{\"t\":\"\"}]\n"
	      "! 12:7 field t: \"2016-02-29T00:30:04.1234567891Z\" does not fit timestamp "
	      "[{\"t\":\"2016-02-29T00:30:04.1234567891Z\"}]\n"
	      "! 13:7 field t: \"2300-01-01T00:00:00Z\" does not fit timestamp "
	      "[{\"t\":\"2300-01-01T00:00:00Z\"}]\n");
	check("t:timestamp(%Y/%m/%d~%H:%M:%S)",
	      "{\"t\":\"2016/01/02 03:04:05.5\"}\n{\"t\":\"2016\\/01\\/02 03:04:05\"}\n"
	      "{\"t\":\"2016-01-02T03:04:05Z\"}\n{\"t\":\"2016/1/2  3:4:5\"}\n",
	      "{\"t\":\"2016-01-02T03:04:05.5Z\"}\n{\"t\":\"2016-01-02T03:04:05Z\"}\n"
	      "! 3:7 field t: \"2016-01-02T03:04:05Z\" is not a valid timestamp(%Y/%m/%d %H:%M:%S) "
	      "[{\"t\":\"2016-01-02T03:04:05Z\"}]\n"
	      "{\"t\":\"2016-01-02T03:04:05Z\"}\n");
	check("s:timestamp(%s) q:timestamp(%Q)",
	      "{\"s\":1451606400.25,\"q\":1451606400250}\n{\"s\":\"-1\",\"q\":\"0\"}\n"
	      "{\"s\":1e3,\"q\":0}\n{\"s\":true,\"q\":0}\n",
	      "{\"s\":\"2016-01-01T00:00:00.25Z\",\"q\":\"2016-01-01T00:00:00.25Z\"}\n"
	      "{\"s\":\"1969-12-31T23:59:59Z\",\"q\":\"1970-01-01T00:00:00Z\"}\n"
	      "! 3:6 field s: \"1e3\" is not a valid timestamp(%s) [{\"s\":1e3,\"q\":0}]\n"
	      "! 4:6 field s: \"true\" is not a valid timestamp(%s) [{\"s\":true,\"q\":0}]\n");
}

static void test_strings(void **state)
{
	(void)state;
	check("s:string",
	      "{\"s\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20AC\\uD83D\\uDE00\"}\n"
	      "{\"s\":\"0123456789abcdef0123456789abcdef0123456789\"}\n"
	      "{\"s\":\"0123456789abcdef\\n0123456789abcdef\\n\"}\n"
	      "{\"s\":\"h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 0123456789abcdef \xc3\xa9\"}\n"
	      "{\"s\":\"\\u0000x\"}\n",
	      "{\"s\":\"\\\"\\\\/\\b\\f\\n\\r\\tA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"}\n"
	      "{\"s\":\"0123456789abcdef0123456789abcdef0123456789\"}\n"
	      "{\"s\":\"0123456789abcdef\\n0123456789abcdef\\n\"}\n"
	      "{\"s\":\"h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 0123456789abcdef \xc3\xa9\"}\n"
	      "{\"s\":\"\\u0000x\"}\n");
	check("s:string",
	      "{\"s\":\"\\x\"}\n{\"s\":\"\\u12G4\"}\n{\"s\":\"\\ud83d\"}\n{\"s\":"
	      "\"\\ud83d\\u0041\"}\n"
	      "{\"s\":\"\\ude00\"}\n{\"s\":\"a\tb\"}\n{\"s\":\"open}\n{\"s\":\"\\\n{\"s\":7}\n"
	      "{\"s\":\"\\u00\n",
	      "! 1:7 unknown escape in a string [{\"s\":\"\\x\"}]\n"
	      "! 2:7 \\u is not followed by four hexadecimal digits [{\"s\":\"\\u12G4\"}]\n"
	      "! 3:7 \\ud83d is half of a surrogate pair [{\"s\":\"\\ud83d\"}]\n"
	      "! 4:7 \\ud83d is half of a surrogate pair [{\"s\":\"\\ud83d\\u0041\"}]\n"
	      "! 5:7 \\ude00 is half of a surrogate pair [{\"s\":\"\\ude00\"}]\n"
	      "! 6:8 control byte 0x09 in a string [{\"s\":\"a\tb\"}]\n"
	      "! 7:12 the string is not closed [{\"s\":\"open}]\n"
	      "! 8:7 unknown escape in a string [{\"s\":\"\\]\n"
	      "! 9:6 field s: \"7\" is not a valid string [{\"s\":7}]\n"
	      "! 10:7 \\u is not followed by four hexadecimal digits [{\"s\":\"\\u00]\n");
}

static void test_every_kind_of_wrong_utf8(void **state)
{
	static const char *const bad[] = {"\x80",
					  "\xc0\x80",
					  "\xc1\xbf",
					  "\xc3",
					  "\xe0\x80\x80",
					  "\xed\xa0\x80",
					  "\xe2\x82",
					  "\xf0\x80\x80\x80",
					  "\xf4\x90\x80\x80",
					  "\xf5\x80\x80\x80",
					  "\xff",
					  "\xf0\x9f\x98",
					  "\xc3(",
					  "\xe2(\x82",
					  "\xe2\x82(",
					  "\xf0(\x98\x80",
					  "\xf0\x9f(\x80",
					  "\xf0\x9f\x98("};
	struct bench *b = jsonl("s:string?");

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(bad); i++) {
		char text[128], want[256];

		/* As a value, in a member that is skipped, and as a name. */
		snprintf(text, sizeof(text), "{\"s\":\"%s\"}", bad[i]);
		assert_non_null(strstr(transcript(b, weir_str_c(text), 1, FRAME_CAP),
				       "the string is not valid UTF-8"));
		snprintf(text, sizeof(text), "{\"x\":[\"0123456789012345678%s\"]}\n", bad[i]);
		snprintf(want, sizeof(want), "! 1:27 the string is not valid UTF-8 [%.*s]\n",
			 (int)strlen(text) - 1, text);
		expect(b, text, want);
		snprintf(text, sizeof(text), "{\"%s\":1}\n", bad[i]);
		snprintf(want, sizeof(want), "! 1:3 the string is not valid UTF-8 [%.*s]\n",
			 (int)strlen(text) - 1, text);
		expect(b, text, want);
	}
	bench_free(b);
}

static void test_bytes(void **state)
{
	(void)state;
	check("b:bytes",
	      "{\"b\":\"\"}\n{\"b\":\"AA==\"}\n{\"b\":\"AAE=\"}\n{\"b\":\"AAEC\"}\n"
	      "{\"b\":\"+\\/+\\/\"}\n{\"b\":\"AA\"}\n{\"b\":\"AB==\"}\n{\"b\":\"AAF=\"}\n"
	      "{\"b\":\"A===\"}\n{\"b\":\"AA==AA==\"}\n{\"b\":\"A-EC\"}\n{\"b\":3}\n",
	      "{\"b\":\"\"}\n{\"b\":\"AA==\"}\n{\"b\":\"AAE=\"}\n{\"b\":\"AAEC\"}\n"
	      "{\"b\":\"+/+/\"}\n"
	      "! 6:6 field b: the text is not valid base64 [{\"b\":\"AA\"}]\n"
	      "! 7:6 field b: the text is not valid base64 [{\"b\":\"AB==\"}]\n"
	      "! 8:6 field b: the text is not valid base64 [{\"b\":\"AAF=\"}]\n"
	      "! 9:6 field b: the text is not valid base64 [{\"b\":\"A===\"}]\n"
	      "! 10:6 field b: the text is not valid base64 [{\"b\":\"AA==AA==\"}]\n"
	      "! 11:6 field b: the text is not valid base64 [{\"b\":\"A-EC\"}]\n"
	      "! 12:6 field b: \"3\" is not a valid bytes [{\"b\":3}]\n");
}

static void test_lists(void **state)
{
	(void)state;
	check("l:list<int64>? s:list<string>?",
	      "{\"l\":[]}\n{\"l\":[ ]}\n{\"l\":[1, 2 "
	      ",3]}\n{\"s\":[\"a\",\"\",\"b\\n\"],\"l\":null}\n"
	      "{\"l\":[1,]}\n{\"l\":[1 2]}\n{\"l\":[1\n{\"l\":[null]}\n{\"l\":[[1]]}\n{\"l\":5}\n"
	      "{\"l\":[1,\"2\"]}\n{\"s\":[1]}\n{\"l\":[1e30]}\n",
	      "{\"l\":[],\"s\":null}\n{\"l\":[],\"s\":null}\n{\"l\":[1,2,3],\"s\":null}\n"
	      "{\"l\":null,\"s\":[\"a\",\"\",\"b\\n\"]}\n"
	      "! 5:9 expected a value, found ']' [{\"l\":[1,]}]\n"
	      "! 6:9 expected ',' or ']', found '2' [{\"l\":[1 2]}]\n"
	      "! 7:8 expected ',' or ']', found the end of the line [{\"l\":[1]\n"
	      "! 8:7 field l: a list cannot hold null [{\"l\":[null]}]\n"
	      "! 9:7 field l: \"[1]\" is not a valid int64 [{\"l\":[[1]]}]\n"
	      "! 10:6 field l: \"5\" is not a valid list<int64> [{\"l\":5}]\n"
	      "! 11:9 field l: \"\\\"2\\\"\" is not a valid int64 [{\"l\":[1,\"2\"]}]\n"
	      "! 12:7 field s: \"1\" is not a valid string [{\"s\":[1]}]\n"
	      "! 13:7 field l: \"1e30\" does not fit int64 [{\"l\":[1e30]}]\n");
}

static void test_broken_objects(void **state)
{
	(void)state;
	check("a:int64",
	      "[1]\n5\n{\n{\"a\"\n{\"a\":1\n{\"a\":1,}\n{\"a\":1}}\n{\"a\":1} x\n{a:1}\n{\"a\" 1}\n"
	      "{\"a\":1 \"b\":2}\n{\"b\":{\"c\":1,}}\n{\"b\":{\"c\" "
	      "1}}\n{\"b\":[1}}\n{\"b\":{1:2}}\n"
	      "{,}\nnull\n{\"x\":tru}\n{\"x\":fals}\n{\"x\":nul}\n{\"b\":{\"c\":1]}\n",
	      "! 1:1 expected '{' (one JSON object a line), found '[' [[1]]\n"
	      "! 2:1 expected '{' (one JSON object a line), found '5' [5]\n"
	      "! 3:2 expected a member name in quotes, found the end of the line [{]\n"
	      "! 4:5 expected ':', found the end of the line [{\"a\"]\n"
	      "! 5:7 expected ',' or '}', found the end of the line [{\"a\":1]\n"
	      "! 6:8 expected a member name in quotes, found '}' [{\"a\":1,}]\n"
	      "! 7:8 expected the end of the line, found '}' [{\"a\":1}}]\n"
	      "! 8:9 expected the end of the line, found 'x' [{\"a\":1} x]\n"
	      "! 9:2 expected a member name in quotes, found 'a' [{a:1}]\n"
	      "! 10:6 expected ':', found '1' [{\"a\" 1}]\n"
	      "! 11:8 expected ',' or '}', found '\"' [{\"a\":1 \"b\":2}]\n"
	      "! 12:13 expected a member name in quotes, found '}' [{\"b\":{\"c\":1,}}]\n"
	      "! 13:11 expected ':', found '1' [{\"b\":{\"c\" 1}}]\n"
	      "! 14:8 expected ',' or ']', found '}' [{\"b\":[1}}]\n"
	      "! 15:7 expected a member name in quotes, found '1' [{\"b\":{1:2}}]\n"
	      "! 16:2 expected a member name in quotes, found ',' [{,}]\n"
	      "! 17:1 expected '{' (one JSON object a line), found 'n' [null]\n"
	      "! 18:6 expected a value, found 't' [{\"x\":tru}]\n"
	      "! 19:6 expected a value, found 'f' [{\"x\":fals}]\n"
	      "! 20:6 expected a value, found 'n' [{\"x\":nul}]\n"
	      "! 21:12 expected ',' or '}', found ']' [{\"b\":{\"c\":1]}]\n");
}

static void test_depth_limit(void **state)
{
	struct bench *b = jsonl("a:int64");
	char text[256], want[400];

	(void)state;
	/* The object itself is level 1. */
	for (int depth = 63; depth <= 64; depth++) {
		size_t n = (size_t)snprintf(text, sizeof(text), "{\"x\":");

		memset(text + n, '[', (size_t)depth);
		memset(text + n + depth, ']', (size_t)depth);
		snprintf(text + n + 2 * depth, 20, ",\"a\":1}");
		snprintf(want, sizeof(want), "! 1:69 nested deeper than 64 levels [%s]\n", text);
		expect(b, text, depth == 63 ? "{\"a\":1}\n" : want);
	}
	bench_free(b);
}

static void test_event_time(void **state)
{
	struct bench *b = bench_new(WEIR_FORMAT_JSONL);

	(void)state;
	schema_of(&b->schema[0], "a:int64 t:timestamp?");
	b->time_field[0] = 1;
	bench_open(b);
	expect(b, "{\"a\":1,\"t\":\"1970-01-01T00:00:01Z\"}\n{\"a\":2}\n",
	       "@1000000000{\"a\":1,\"t\":\"1970-01-01T00:00:01Z\"}\n"
	       "! 2:0 event time field t is null [{\"a\":2}]\n");
	bench_free(b);
}

static struct bench *streams(void)
{
	struct bench *b = bench_new(WEIR_FORMAT_JSONL);

	schema_of(&b->schema[0], "id:int64");
	schema_of(&b->schema[1], "price:float64 kind:string");
	schema_of(&b->schema[2], "x:int64");
	for (int i = 0; i < 3; i++)
		b->schema[i].stream = (uint16_t)(5 + i);
	b->names[0] = "person";
	b->names[1] = "bid";
	b->names[2] = "other";
	b->spec.stream_count = 3;
	b->spec.type_field = "kind";
	b->spec.want[2] = false;
	return b;
}

static void test_streams_by_type_field(void **state)
{
	struct bench *b = streams();

	(void)state;
	bench_open(b);
	expect(b,
	       "{\"kind\":\"person\",\"id\":1}\n{\"price\":1.5,\"kind\":\"bid\"}\n"
	       "{\"z\":{\"kind\":\"person\"},\"k\\u0069nd\":\"bi\\u0064\",\"price\":2}\n"
	       "{\"kind\":\"other\",broken\n{\"kind\":\"nobody\"}\n{\"id\":1}\n{\"kind\":5}\n{}\n"
	       "{\"kind\":\"person\",\"id\":1,\"kind\":\"bid\"}\n{\"x\":tru,\"kind\":\"bid\"}\n"
	       "{\"kind\":\"bid\",\"price\":1,\"kind\":\"bid\"}\n{\"kind\" 1}\n{\"kind\":\"\\x\"}\n"
	       "{\"a\":1;\"kind\":\"bid\"}\n",
	       "0{\"id\":1}\n1{\"price\":1.5,\"kind\":\"bid\"}\n1{\"price\":2,\"kind\":\"bid\"}\n"
	       "! 5:9 field kind: no stream has the name \"nobody\" [{\"kind\":\"nobody\"}]\n"
	       "! 6:0 field kind, which names the stream, is missing [{\"id\":1}]\n"
	       "! 7:9 expected the stream's name in quotes, found '5' [{\"kind\":5}]\n"
	       "! 8:0 field kind, which names the stream, is missing [{}]\n"
	       "0{\"id\":1}\n"
	       "! 10:6 expected a value, found 't' [{\"x\":tru,\"kind\":\"bid\"}]\n"
	       "! 11:32 field kind is there twice "
	       "[{\"kind\":\"bid\",\"price\":1,\"kind\":\"bid\"}]\n"
	       "! 12:9 expected ':', found '1' [{\"kind\" 1}]\n"
	       "! 13:10 unknown escape in a string [{\"kind\":\"\\x\"}]\n"
	       "! 14:7 expected ',' or '}', found ';' [{\"a\":1;\"kind\":\"bid\"}]\n");
	bench_free(b);
}

static void test_spec_that_makes_no_sense(void **state)
{
	struct bench *b = streams();

	(void)state;
	b->spec.type_field = NULL;
	assert_string_equal(bench_open_error(b),
			    "several streams need a field that names the stream");
	b->spec.type_field = "a234567890123456789012345678901234567890123456789012345678901234";
	assert_non_null(strstr(bench_open_error(b), "longer than 63 bytes"));
	b->spec.type_field = "kind";
	b->names[1] = NULL;
	assert_string_equal(bench_open_error(b), "stream 1 has no name");
	b->names[1] = "bid";
	b->time_field[0] = 0;
	assert_string_equal(bench_open_error(b), "the event time field is not a timestamp");
	b->time_field[0] = 9;
	assert_string_equal(bench_open_error(b), "the event time field is not a timestamp");
	b->time_field[0] = -1;
	b->schema[2].field_count = 0;
	assert_string_equal(bench_open_error(b), "the schema has no fields");
	b->spec.stream_count = 17;
	assert_string_equal(bench_open_error(b), "17 streams: between 1 and 16 are possible");
	b->spec.stream_count = 1;
	b->spec.format = (enum weir_format)9;
	assert_string_equal(bench_open_error(b), "unknown format");
	bench_free(b);
}

static void test_record_that_is_too_long_or_does_not_fit(void **state)
{
	struct bench *b = bench_new(WEIR_FORMAT_JSONL);
	const char *text = "{\"s\":\"0123456789012345678\"}\n{\"s\":\"1\"}\n"
			   "{\"s\":\"01234567890123456789\"}\r\n{\"s\":\"2\"}\n"
			   "{\"s\":\"012345678901234567890123456789012345678901234567890\"}";

	(void)state;
	schema_of(&b->schema[0], "s:string");
	b->spec.text_max = 28;
	bench_open(b);
	expect(b, text,
	       "{\"s\":\"0123456789012345678\"}\n{\"s\":\"1\"}\n"
	       "! 3:0 the record is longer than 28 bytes [{\"s\":\"01234567890123456789\"}]\n"
	       "{\"s\":\"2\"}\n"
	       "! 5:0 the record is longer than 28 bytes [{\"s\":\"0123456789012345678901]\n");
	/* Header 24, slot 8, and room for four bytes of text behind it. */
	assert_string_equal(
		transcript(b, weir_str_c("{\"s\":\"12345678\"}\n{\"s\":\"123456789\"}\n"), 1, 40),
		"{\"s\":\"12345678\"}\n! 2:0 the record is larger than record_max "
		"(40 bytes) [{\"s\":\"123456789\"}]\n");
	assert_string_equal(transcript(b, weir_str_c("{\"s\":\"\\u00e9\\u00e9\"}\n"), 99, 32),
			    "! 1:0 the record is larger than record_max (32 bytes) "
			    "[{\"s\":\"\\u00e9\\u00e9\"}]\n");
	assert_string_equal(
		transcript(b, weir_str_c("{\"s\":\"1\"}\n"), 99, 16),
		"! 1:0 the record is larger than record_max (16 bytes) [{\"s\":\"1\"}]\n");
	bench_free(b);
	b = jsonl("l:list<int64>? b:bytes? t:timestamp?");
	assert_non_null(strstr(transcript(b, weir_str_c("{\"l\":[1,2,3]}\n"), 99, 64),
			       "larger than record_max"));
	assert_non_null(
		strstr(transcript(b, weir_str_c("{\"b\":\"AAAAAAAAAAAAAAAAAAAAAAAA\"}\n"), 99, 64),
		       "larger than record_max"));
	bench_free(b);
}

static void test_long_text_for_a_short_type(void **state)
{
	struct bench *b = jsonl("t:timestamp");
	char text[600];

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "{\"t\":\"\\u0041", 12);
	memcpy(text + 400, "\"}\n", 4);
	assert_non_null(strstr(transcript(b, weir_str_c(text), 99, FRAME_CAP),
			       "field t: \"\" is not a valid timestamp"));
	memcpy(text, "{\"t\":\"ABCDEF", 12);
	assert_non_null(strstr(transcript(b, weir_str_c(text), 99, FRAME_CAP),
			       "field t: \"ABCDEFxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"... is not"));
	bench_free(b);
}

#define ALL_TYPES                                                                                  \
	"b:bool i:int64 f:float64 d:decimal(10,2) e:decimal(18,18) s:string y:bytes t:timestamp "  \
	"u:duration nb:bool? ni:int64? nf:float64? nd:decimal(3,0)? ns:string? ny:bytes? "         \
	"nt:timestamp? nu:duration? lb:list<bool> li:list<int64>? lf:list<float64> "               \
	"ld:list<decimal(5,1)> ls:list<string> ly:list<bytes>? lt:list<timestamp> "                \
	"lu:list<duration>"

static void test_encode_then_decode_gives_the_same(void **state)
{
	struct bench *b = jsonl(ALL_TYPES);

	(void)state;
	round_trip(b, 60);
	bench_free(b);

	b = streams();
	b->spec.type_field = "type";
	b->spec.want[2] = true;
	bench_open(b);
	round_trip(b, 30);
	bench_free(b);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_members_in_any_order_and_unknown_ones_skipped),
	cmocka_unit_test(test_byte_order_mark_is_skipped),
	cmocka_unit_test(test_long_names_and_many_fields),
	cmocka_unit_test(test_names_with_escapes),
	cmocka_unit_test(test_null_missing_and_twice),
	cmocka_unit_test(test_int64),
	cmocka_unit_test(test_float64),
	cmocka_unit_test(test_decimal),
	cmocka_unit_test(test_bool_and_duration),
	cmocka_unit_test(test_timestamps),
	cmocka_unit_test(test_strings),
	cmocka_unit_test(test_every_kind_of_wrong_utf8),
	cmocka_unit_test(test_bytes),
	cmocka_unit_test(test_lists),
	cmocka_unit_test(test_broken_objects),
	cmocka_unit_test(test_depth_limit),
	cmocka_unit_test(test_event_time),
	cmocka_unit_test(test_streams_by_type_field),
	cmocka_unit_test(test_spec_that_makes_no_sense),
	cmocka_unit_test(test_record_that_is_too_long_or_does_not_fit),
	cmocka_unit_test(test_long_text_for_a_short_type),
	cmocka_unit_test(test_encode_then_decode_gives_the_same),
};

WEIR_TEST_MAIN("jsonl", tests)
