/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/decode_lib.h"

static struct bench *csv(const char *schema)
{
	struct bench *b = bench_new(WEIR_FORMAT_CSV);

	schema_of(&b->schema[0], schema);
	return b;
}

static void check(const char *schema, const char *text, const char *want)
{
	struct bench *b = csv(schema);

	bench_open(b);
	expect(b, text, want);
	bench_free(b);
}

static void test_header_chooses_the_columns(void **state)
{
	(void)state;
	check("a:int64 b:string", "b,x,a\nhello,9,1\nworld,,-2\n",
	      "{\"a\":1,\"b\":\"hello\"}\n{\"a\":-2,\"b\":\"world\"}\n");
	check("a:int64", "\xef\xbb\xbf\"a\"\r\n1\r\n\r\n2", "{\"a\":1}\n{\"a\":2}\n");
	check("a:int64", "a", "");
	check("a:int64", "", "");
}

static void test_header_that_does_not_fit(void **state)
{
	char wide[20000] = "a";

	(void)state;
	check("price:int64", "id,Price,name\n1,2,3\n",
	      "E the header has no column price; did you mean Price? It has: id, Price, name\n");
	check("quantity:int64", "id,name\n",
	      "E the header has no column quantity; it has: id, name\n");
	check("a:int64", "a,b,a\n1,2,3\n", "E the header has the column a twice\n");
	check("a:int64", "b,b,a\n1,2,3\n", "{\"a\":3}\n");
	check("a:int64", "a,\"b\"c\n",
	      "E the header is not csv: text behind a closing quote, column 6\n");
	check("a:int64", "a,\"b\n1,2\n",
	      "E the header is not csv: the quote is not closed, column 3\n");
	check("z:int64",
	      "a_name_longer_than_any_field_may_have_a_name_longer_than_any_field_may_have,b\n",
	      "E the header has no column z; did you mean b? It has: ..., b\n");
	for (int i = 0; i < 4096; i++)
		strcpy(wide + 1 + 2 * i, ",b");
	strcpy(wide + 1 + 2 * 4096, "\n");
	check("a:int64", wide, "E the header has more than 4096 columns\n");
	{
		struct bench *b = csv("zz:int64");

		/* The list of names in the message is cut. */
		bench_open(b);
		assert_non_null(strstr(transcript(b, weir_str_c(wide + 2), SIZE_MAX, FRAME_CAP),
				       "b, b, b, ..."));
		bench_free(b);
		b = csv("a:int64");
		b->spec.text_max = 16;
		bench_open(b);
		expect(b, "a,b,c,d,e,f,g,h,i,j,k,l\n", "E the header is longer than 16 bytes\n");
		bench_free(b);
	}
}

static void test_without_header_columns_are_those_of_the_schema(void **state)
{
	struct bench *b = csv("a:int64 b:string?");

	(void)state;
	b->spec.csv.header = false;
	bench_open(b);
	expect(b, "1,x\n2\n3,y,z\n4,\n",
	       "{\"a\":1,\"b\":\"x\"}\n! 2:0 1 columns, but the schema has 2 [2]\n"
	       "! 3:0 3 columns, but the schema has 2 [3,y,z]\n{\"a\":4,\"b\":null}\n");
	bench_free(b);
}

static void test_rows_with_another_number_of_columns(void **state)
{
	(void)state;
	check("a:int64", "a,b\n1\n1,2,3\n4,5\n\"6\",7,8\n",
	      "! 2:0 1 columns, but the header has 2 [1]\n"
	      "! 3:0 3 columns, but the header has 2 [1,2,3]\n{\"a\":4}\n"
	      "! 5:0 3 columns, but the header has 2 [\"6\",7,8]\n");
}

static void test_quotes(void **state)
{
	(void)state;
	check("a:string b:string",
	      "a,b\n\"x,y\",\"he said \"\"no\"\"\"\n\"line\nbreak\",\"\r\n\"\r\n\"\",\"\"\"\"\n"
	      "plain,\"last\"",
	      "{\"a\":\"x,y\",\"b\":\"he said \\\"no\\\"\"}\n"
	      "{\"a\":\"line\\nbreak\",\"b\":\"\\r\\n\"}\n{\"a\":\"\",\"b\":\"\\\"\"}\n"
	      "{\"a\":\"plain\",\"b\":\"last\"}\n");
	/* A quoted break counts as a line; the record has the number of its first. */
	check("a:string b:int64", "a,b\n\"1\n2\",x\n\"\n\n\",5\nz,y\n",
	      "! 2:7 field b: \"x\" is not a valid int64 [\"1\n2\",x]\n{\"a\":\"\\n\\n\",\"b\":5}\n"
	      "! 7:3 field b: \"y\" is not a valid int64 [z,y]\n");
	/* In quotes too long for the 16-byte steps, with the delimiter inside. */
	check("a:string b:string", "a,b\n0123456789abcdef0123,\"0123456789abcdef,0123456789\"\n",
	      "{\"a\":\"0123456789abcdef0123\",\"b\":\"0123456789abcdef,0123456789\"}\n");
	check("a:string", "a\nx\r", "{\"a\":\"x\"}\n");
	check("a:string", "a\n\"x\"\r", "{\"a\":\"x\"}\n");
	check("a:string b:string", "a,b\nx\ry,z\r\n", "{\"a\":\"x\\ry\",\"b\":\"z\"}\n");
}

static void test_broken_quotes(void **state)
{
	(void)state;
	check("a:string", "a\nx\"y\nok\n\"x\"y\n\"x\" \n\"open\nnext\n",
	      "! 2:2 quote inside a field that is not in quotes [x\"y]\n{\"a\":\"ok\"}\n"
	      "! 4:4 text behind a closing quote [\"x\"y]\n"
	      "! 5:4 text behind a closing quote [\"x\" ]\n"
	      "! 6:1 the quote is not closed [\"open\nnext\n]\n");
	check("a:string", "a\n\"x\"\ry\nz\n",
	      "! 2:4 text behind a closing quote [\"x\"\ry]\n{\"a\":\"z\"}\n");
}

static void test_types_and_their_rejects(void **state)
{
	(void)state;
	check("i:int64 f:float64 d:decimal(5,2) b:bool t:timestamp u:duration y:bytes",
	      "i,f,d,b,t,u,y\n"
	      "012,-1.5e3,1.5,TRUE,2016-01-01T00:00:00Z,10s,AAE=\n"
	      "+7,NaN,-0.01,0,2016-01-01 00:00:00+01:00,1h30m,\n"
	      "\"8\",\"Infinity\",\"2\",\"yes\",\"2016-01-01T00:00:00Z\",\"0\",\"AA==\"\n",
	      "{\"i\":12,\"f\":-1500,\"d\":1.50,\"b\":true,\"t\":\"2016-01-01T00:00:00Z\",\"u\":"
	      "\"10s\","
	      "\"y\":\"AAE=\"}\n"
	      "{\"i\":7,\"f\":\"NaN\",\"d\":-0.01,\"b\":false,\"t\":\"2015-12-31T23:00:00Z\","
	      "\"u\":\"1h30m0s\",\"y\":\"\"}\n"
	      "{\"i\":8,\"f\":\"Infinity\",\"d\":2.00,\"b\":true,\"t\":\"2016-01-01T00:00:00Z\","
	      "\"u\":\"0s\",\"y\":\"AA==\"}\n");
	check("i:int64", "i,x\n1.5,\n 1,\n9223372036854775808,\n,\n\"1\"\"2\",\n",
	      "! 2:1 field i: \"1.5\" is not a valid int64 [1.5,]\n"
	      "! 3:1 field i: \" 1\" is not a valid int64 [ 1,]\n"
	      "! 4:1 field i: \"9223372036854775808\" does not fit int64 [9223372036854775808,]\n"
	      "! 5:1 field i: \"\" is not a valid int64 [,]\n"
	      "! 6:2 field i: \"1\\\"2\" is not a valid int64 [\"1\"\"2\",]\n");
	check("y:bytes", "y\nAB==\n", "! 2:1 field y: the text is not valid base64 [AB==]\n");
	check("t:timestamp(%d.%m.%Y~%H:%M)", "t\n03.02.2016 04:05\n3.2.16 04:05\n",
	      "{\"t\":\"2016-02-03T04:05:00Z\"}\n"
	      "! 3:1 field t: \"3.2.16 04:05\" is not a valid timestamp(%d.%m.%Y %H:%M) "
	      "[3.2.16 04:05]\n");
	/* Long text is cut in the reason, between characters. */
	check("i:int64", "i\n012345678901234567890123456789012345678\xc3\xa9xyz\n",
	      "! 2:1 field i: \"012345678901234567890123456789012345678\"... is not a valid int64 "
	      "[012345678901234567890123456789012345678\xc3\xa9xyz]\n");
}

static void test_timestamp_short_cut_agrees_with_the_reader(void **state)
{
	(void)state;
	check("t:timestamp(%Y/%m/%d~%H:%M:%S)",
	      "t\n1966/07/01 09:41:20.82\n1966/07/01 09:41:21\n1966/07/01 9:41:21\n"
	      "1966/13/01 09:41:21\n1966/02/29 09:41:21\n1968/02/29 09:41:21\n1966-07/01 09:41:21\n"
	      "1966/07/01 09:60:21\n1966/07/01 09:41:21.\n1966/07/01 09:41:21Z\n"
	      "1600/07/01 09:41:21\n1678/01/01 00:00:00\n2100/02/29 00:00:00\n19a6/07/01 09:41:20\n"
	      "1966/07/01 09-41:20\n1966/07/01 09:41:21.123456789\n1966/07/00 00:00:00\n",
	      "{\"t\":\"1966-07-01T09:41:20.82Z\"}\n{\"t\":\"1966-07-01T09:41:21Z\"}\n"
	      "{\"t\":\"1966-07-01T09:41:21Z\"}\n"
	      "! 5:1 field t: \"1966/13/01 09:41:21\" does not fit timestamp(%Y/%m/%d %H:%M:%S) "
	      "[1966/13/01 09:41:21]\n"
	      "! 6:1 field t: \"1966/02/29 09:41:21\" does not fit timestamp(%Y/%m/%d %H:%M:%S) "
	      "[1966/02/29 09:41:21]\n"
	      "{\"t\":\"1968-02-29T09:41:21Z\"}\n"
	      "! 8:1 field t: \"1966-07/01 09:41:21\" is not a valid timestamp(%Y/%m/%d %H:%M:%S) "
	      "[1966-07/01 09:41:21]\n"
	      "! 9:1 field t: \"1966/07/01 09:60:21\" does not fit timestamp(%Y/%m/%d %H:%M:%S) "
	      "[1966/07/01 09:60:21]\n"
	      "! 10:1 field t: \"1966/07/01 09:41:21.\" is not a valid "
	      "timestamp(%Y/%m/%d %H:%M:%S) [1966/07/01 09:41:21.]\n"
	      "! 11:1 field t: \"1966/07/01 09:41:21Z\" is not a valid "
	      "timestamp(%Y/%m/%d %H:%M:%S) [1966/07/01 09:41:21Z]\n"
	      "! 12:1 field t: \"1600/07/01 09:41:21\" does not fit timestamp(%Y/%m/%d %H:%M:%S) "
	      "[1600/07/01 09:41:21]\n"
	      "{\"t\":\"1678-01-01T00:00:00Z\"}\n"
	      "! 14:1 field t: \"2100/02/29 00:00:00\" does not fit timestamp(%Y/%m/%d %H:%M:%S) "
	      "[2100/02/29 00:00:00]\n"
	      "! 15:1 field t: \"19a6/07/01 09:41:20\" is not a valid "
	      "timestamp(%Y/%m/%d %H:%M:%S) [19a6/07/01 09:41:20]\n"
	      "! 16:1 field t: \"1966/07/01 09-41:20\" is not a valid "
	      "timestamp(%Y/%m/%d %H:%M:%S) [1966/07/01 09-41:20]\n"
	      "{\"t\":\"1966-07-01T09:41:21.123456789Z\"}\n"
	      "! 18:1 field t: \"1966/07/00 00:00:00\" does not fit timestamp(%Y/%m/%d %H:%M:%S) "
	      "[1966/07/00 00:00:00]\n");
}

static void test_null_and_empty(void **state)
{
	struct bench *b = csv("n:int64? s:string? r:string");

	(void)state;
	bench_open(b);
	expect(b, "n,s,r\n,,\n\"\",\"\",\"\"\n1,x,y\n",
	       "{\"n\":null,\"s\":null,\"r\":\"\"}\n{\"n\":null,\"s\":\"\",\"r\":\"\"}\n"
	       "{\"n\":1,\"s\":\"x\",\"r\":\"y\"}\n");
	bench_free(b);
	b = csv("n:int64? s:string? r:string");
	b->spec.csv.null_text = "NULL";
	bench_open(b);
	expect(b, "n,s,r\nNULL,NULL,NULL\n,,\n\"NULL\",,\n1,\"NULL\",\n",
	       "{\"n\":null,\"s\":null,\"r\":\"NULL\"}\n{\"n\":null,\"s\":null,\"r\":\"\"}\n"
	       "! 4:2 field n: \"NULL\" is not a valid int64 [\"NULL\",,]\n"
	       "{\"n\":1,\"s\":\"NULL\",\"r\":\"\"}\n");
	bench_free(b);
	b = csv("n:int64?");
	b->spec.csv.null_text = NULL;
	bench_open(b);
	expect(b, "n,x\n,\n", "{\"n\":null}\n");
	bench_free(b);
}

static void test_text_must_be_utf8(void **state)
{
	struct bench *b = csv("s:string");
	static const char nul[] = "s,x\na\0b,\n";

	(void)state;
	bench_open(b);
	expect(b, "s,x\nh\xc3\xa9 0123456789abcdef \xe2\x82\xac,\xff\n",
	       "{\"s\":\"h\xc3\xa9 0123456789abcdef \xe2\x82\xac\"}\n");
	expect(b, "s\n0123456789abcdef01\xff\n\"a\"\"\xff\"\n",
	       "! 2:19 field s: the text is not valid UTF-8 [0123456789abcdef01\xff]\n"
	       "! 3:2 field s: the text is not valid UTF-8 [\"a\"\"\xff\"]\n");
	expect_bytes(b, (struct weir_str){nul, sizeof(nul) - 1}, "{\"s\":\"a\\u0000b\"}\n");
	bench_free(b);
}

static void test_other_delimiters(void **state)
{
	struct bench *b = csv("a:string b:int64");

	(void)state;
	b->spec.csv.delimiter = ';';
	bench_open(b);
	expect(b, "b;a\n1;x,y\n2;\"z;\"\n", "{\"a\":\"x,y\",\"b\":1}\n{\"a\":\"z;\",\"b\":2}\n");
	bench_free(b);
	b = csv("a:string b:int64");
	b->spec.csv.delimiter = '\t';
	bench_open(b);
	expect(b, "a\tb\nx y\t3\n", "{\"a\":\"x y\",\"b\":3}\n");
	bench_free(b);
}

static void test_spec_that_makes_no_sense(void **state)
{
	struct bench *b = csv("a:list<int64>");
	static const char bad[] = {'"', '\n', '\r', 0};

	(void)state;
	assert_string_equal(bench_open_error(b), "field a: csv cannot hold a list, jsonl can");
	for (size_t i = 0; i < sizeof(bad); i++) {
		b->spec.csv.delimiter = bad[i];
		assert_non_null(strstr(bench_open_error(b), "the csv delimiter cannot be"));
	}
	b->spec.csv.delimiter = ',';
	b->spec.stream_count = 2;
	b->schema[1] = b->schema[0];
	b->names[0] = b->names[1] = "x";
	assert_string_equal(bench_open_error(b), "csv holds one stream only");
	bench_free(b);
}

static void test_event_time(void **state)
{
	struct bench *b = csv("t:timestamp(%s)? a:int64");

	(void)state;
	b->time_field[0] = 0;
	bench_open(b);
	expect(b, "a,t\n1,2.5\n3,\n",
	       "@2500000000{\"t\":\"1970-01-01T00:00:02.5Z\",\"a\":1}\n"
	       "! 3:0 event time field t is null [3,]\n");
	bench_free(b);
}

static void test_record_that_is_too_long_or_does_not_fit(void **state)
{
	struct bench *b = csv("s:string");

	(void)state;
	b->spec.text_max = 12;
	bench_open(b);
	expect(b,
	       "s\n12345678901\n123456789012\nx\n\"1\n3\n5\n7\n9\n1\n3\"\ny\n\"\"\"\"\"\"\"\"\"\"\""
	       "\"\nz\n",
	       "{\"s\":\"12345678901\"}\n! 3:0 the record is longer than 12 bytes [123456789012]\n"
	       "{\"s\":\"x\"}\n! 5:0 the record is longer than 12 bytes [\"1\n3\n5\n7\n9\n1]\n"
	       "! 11:2 quote inside a field that is not in quotes [3\"]\n{\"s\":\"y\"}\n"
	       "! 13:0 the record is longer than 12 bytes [\"\"\"\"\"\"\"\"\"\"\"\"]\n"
	       "{\"s\":\"z\"}\n");
	assert_string_equal(transcript(b, weir_str_c("s\n12345678\n123456789\n\"1\"\"345678\"\n"),
				       1, 40),
			    "{\"s\":\"12345678\"}\n"
			    "! 3:0 the record is larger than record_max (40 bytes) [123456789]\n"
			    "{\"s\":\"1\\\"345678\"}\n");
	assert_string_equal(
		transcript(b, weir_str_c("s\n\"1\"\"34567\"\n"), 1, 32),
		"! 2:0 the record is larger than record_max (32 bytes) [\"1\"\"34567\"]\n");
	assert_string_equal(transcript(b, weir_str_c("s\n1\n"), 1, 24),
			    "! 2:0 the record is larger than record_max (24 bytes) [1]\n");
	bench_free(b);
	/* A text of another type is only unquoted as far as it may be long. */
	b = csv("i:int64");
	{
		char text[400] = "i\n\"";

		bench_open(b);
		memset(text + 3, '1', 300);
		strcpy(text + 303, "\"\"\"\n");
		assert_non_null(strstr(transcript(b, weir_str_c(text), SIZE_MAX, FRAME_CAP),
				       "field i: \"\" is not a valid int64"));
	}
	bench_free(b);
}

#define ALL_TYPES                                                                                  \
	"b:bool i:int64 f:float64 d:decimal(10,2) e:decimal(18,18) s:string y:bytes t:timestamp "  \
	"u:duration nb:bool? ni:int64? nf:float64? nd:decimal(3,0)? ns:string? ny:bytes? "         \
	"nt:timestamp? nu:duration?"

static void test_encode_then_decode_gives_the_same(void **state)
{
	static const char *const null_text[] = {"", "NULL", "0", "false"};

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(null_text); i++) {
		static const char delimiter[] = {',', ';', '\t', '.', ':'};

		for (size_t k = 0; k < sizeof(delimiter); k++) {
			struct bench *b = csv(ALL_TYPES);

			b->spec.csv.null_text = null_text[i];
			b->spec.csv.delimiter = delimiter[k];
			b->spec.csv.header = k != 1;
			bench_open(b);
			round_trip(b, 15);
			bench_free(b);
		}
	}
	{
		/* One column: no record may look like an empty line. */
		struct bench *b = csv("s:string");

		b->spec.csv.header = false;
		bench_open(b);
		round_trip(b, 100);
		bench_free(b);
		b = csv("i:int64?");
		bench_open(b);
		round_trip(b, 50);
		bench_free(b);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_header_chooses_the_columns),
	cmocka_unit_test(test_header_that_does_not_fit),
	cmocka_unit_test(test_without_header_columns_are_those_of_the_schema),
	cmocka_unit_test(test_rows_with_another_number_of_columns),
	cmocka_unit_test(test_quotes),
	cmocka_unit_test(test_broken_quotes),
	cmocka_unit_test(test_types_and_their_rejects),
	cmocka_unit_test(test_timestamp_short_cut_agrees_with_the_reader),
	cmocka_unit_test(test_null_and_empty),
	cmocka_unit_test(test_text_must_be_utf8),
	cmocka_unit_test(test_other_delimiters),
	cmocka_unit_test(test_spec_that_makes_no_sense),
	cmocka_unit_test(test_event_time),
	cmocka_unit_test(test_record_that_is_too_long_or_does_not_fit),
	cmocka_unit_test(test_encode_then_decode_gives_the_same),
};

WEIR_TEST_MAIN("csv", tests)
