/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/decode_lib.h"

#include "base/time.h"
#include "engine/core/decode_impl.h"

/* One record from a line of jsonl, then encoded by e; the text is valid until the next call. */
static const char *encoded(struct bench *b, const struct weir_encoder_spec *e, const char *line)
{
	static char text[4096];
	static uint64_t mem[FRAME_CAP / 8];
	struct weir_buf buf = weir_buf_of(text, sizeof(text) - 1);
	struct weir_decoded r;
	struct weir_err err = {0};

	weir_decoder_restart(b->d);
	assert_int_equal(weir_decode(b->d, line, strlen(line), true, mem, sizeof(mem), &r, &err),
			 0);
	if (r.kind != WEIR_DECODE_RECORD)
		fail_msg("%s: %s", line, r.reason);
	weir_encode_record(e, &buf, (const struct weir_frame *)(void *)mem);
	assert_false(buf.full);
	text[buf.len] = 0;
	return text;
}

static struct weir_encoder_spec spec_of(struct bench *b, enum weir_format format)
{
	return (struct weir_encoder_spec){.format = format,
					  .csv = b->spec.csv,
					  .stream_count = 1,
					  .schema = b->schemas,
					  .stream_name = b->names};
}

static void test_csv_quotes_only_where_needed(void **state)
{
	struct bench *b = bench_new(WEIR_FORMAT_JSONL);
	struct weir_encoder_spec e;

	(void)state;
	schema_of(&b->schema[0], "a:string? b:string n:int64?");
	bench_open(b);
	e = spec_of(b, WEIR_FORMAT_CSV);
	assert_string_equal(encoded(b, &e, "{\"a\":\"x y\",\"b\":\"\",\"n\":1}"), "x y,,1\n");
	assert_string_equal(encoded(b, &e, "{\"a\":\"\",\"b\":\"a,b\",\"n\":null}"),
			    "\"\",\"a,b\",\n");
	assert_string_equal(encoded(b, &e, "{\"a\":null,\"b\":\"say \\\"hi\\\"\",\"n\":-5}"),
			    ",\"say \"\"hi\"\"\",-5\n");
	assert_string_equal(encoded(b, &e, "{\"a\":\"a\\nb\",\"b\":\"a\\rb\",\"n\":0}"),
			    "\"a\nb\",\"a\rb\",0\n");
	assert_string_equal(encoded(b, &e, "{\"a\":\"\\ufeffx\",\"b\":\"0123456789abcde,\"}"),
			    "\"\xef\xbb\xbfx\",\"0123456789abcde,\",\n");
	e.csv.null_text = "NULL";
	e.csv.delimiter = ';';
	assert_string_equal(encoded(b, &e, "{\"a\":\"NULL\",\"b\":\"NULL\",\"n\":null}"),
			    "\"NULL\";NULL;NULL\n");
	assert_string_equal(encoded(b, &e, "{\"a\":\"a,b\",\"b\":\"c;d\"}"), "a,b;\"c;d\";NULL\n");
	e.csv.null_text = NULL;
	assert_string_equal(encoded(b, &e, "{\"a\":null,\"b\":\"c\"}"), ";c;\n");
	bench_free(b);
}

static void test_csv_of_every_type(void **state)
{
	struct bench *b = bench_new(WEIR_FORMAT_JSONL);
	struct weir_encoder_spec e;

	(void)state;
	schema_of(&b->schema[0], "b:bool i:int64 f:float64 d:decimal(5,2) y:bytes t:timestamp "
				 "u:timestamp(%Y/%m/%d~%H:%M:%S) v:duration l:list<string>");
	bench_open(b);
	e = spec_of(b, WEIR_FORMAT_CSV);
	assert_string_equal(
		encoded(b, &e,
			"{\"b\":true,\"i\":-7,\"f\":\"NaN\",\"d\":1.5,\"y\":\"AAE=\","
			"\"t\":\"2016-01-01T00:00:00.5Z\",\"u\":\"2016/01/01 01:02:03\","
			"\"v\":\"90s\",\"l\":[\"a\",\"b\"]}"),
		"true,-7,NaN,1.50,AAE=,2016-01-01T00:00:00.5Z,2016/01/01 01:02:03,1m30s,"
		"\"[\"\"a\"\",\"\"b\"\"]\"\n");
	bench_free(b);
}

static void test_heads(void **state)
{
	struct bench *b = bench_new(WEIR_FORMAT_CSV);
	struct weir_encoder_spec e;
	char text[256];
	struct weir_buf buf = weir_buf_of(text, sizeof(text));

	(void)state;
	schema_of(&b->schema[0], "a:int64 b,c:string d:bool");
	e = spec_of(b, WEIR_FORMAT_CSV);
	weir_encode_head(&e, &buf);
	text[buf.len] = 0;
	assert_string_equal(text, "a,\"b,c\",d\n");
	buf.len = 0;
	e.csv.header = false;
	weir_encode_head(&e, &buf);
	assert_int_equal(buf.len, 0);
	e.format = WEIR_FORMAT_JSONL;
	weir_encode_head(&e, &buf);
	assert_int_equal(buf.len, 0);
	bench_free(b);
}

static void test_jsonl_with_the_stream_in_front(void **state)
{
	struct bench *b = bench_new(WEIR_FORMAT_JSONL);
	struct weir_encoder_spec e;

	(void)state;
	schema_of(&b->schema[0], "a:int64 s:string?");
	b->names[0] = "the \"one\"";
	bench_open(b);
	e = spec_of(b, WEIR_FORMAT_JSONL);
	assert_string_equal(encoded(b, &e, "{\"a\":1}"), "{\"a\":1,\"s\":null}\n");
	e.type_field = "type";
	assert_string_equal(encoded(b, &e, "{\"a\":1}"),
			    "{\"type\":\"the \\\"one\\\"\",\"a\":1,\"s\":null}\n");
	/* A field of that name is the record's own business. */
	e.type_field = "s";
	assert_string_equal(encoded(b, &e, "{\"a\":1,\"s\":\"x\"}"), "{\"a\":1,\"s\":\"x\"}\n");
	bench_free(b);
}

static void test_control_frames_are_not_written(void **state)
{
	struct bench *b = bench_new(WEIR_FORMAT_JSONL);
	struct weir_frame f = {.size = sizeof(f), .kind = WEIR_FRAME_WATERMARK};
	char text[256];
	struct weir_buf buf = weir_buf_of(text, sizeof(text));

	(void)state;
	schema_of(&b->schema[0], "a:int64");
	for (int format = WEIR_FORMAT_CSV; format <= WEIR_FORMAT_RAW; format++) {
		struct weir_encoder_spec e = spec_of(b, (enum weir_format)format);

		weir_encode_record(&e, &buf, &f);
		assert_int_equal(buf.len, 0);
	}
	bench_free(b);
}

static void test_full_buffer_is_told(void **state)
{
	struct bench *b = bench_new(WEIR_FORMAT_JSONL);
	static const char *const line = "{\"s\":\"a,b\\\"c\",\"t\":\"x\"}\n";
	uint64_t mem[64];
	struct weir_decoded r;
	struct weir_err err = {0};

	(void)state;
	schema_of(&b->schema[0], "s:string t:string");
	bench_open(b);
	assert_int_equal(weir_decode(b->d, line, strlen(line), true, mem, sizeof(mem), &r, &err),
			 0);
	for (int format = WEIR_FORMAT_CSV; format <= WEIR_FORMAT_RAW; format++) {
		struct weir_encoder_spec e = spec_of(b, (enum weir_format)format);
		char text[256];
		struct weir_buf all = weir_buf_of(text, sizeof(text));

		weir_encode_record(&e, &all, (const struct weir_frame *)(void *)mem);
		assert_false(all.full);
		for (size_t cap = 0; cap <= all.len; cap++) {
			/* A block of its own, so that a sanitizer sees any byte too many. */
			char *small = malloc(cap ? cap : 1);
			struct weir_buf buf = weir_buf_of(small, cap);

			assert_non_null(small);
			weir_encode_record(&e, &buf, (const struct weir_frame *)(void *)mem);
			assert_int_equal(buf.full, cap < all.len);
			free(small);
		}
	}
	bench_free(b);
}

static void check_time(int64_t t, const char *format, const char *want)
{
	char text[128];
	struct weir_buf b = weir_buf_of(text, sizeof(text) - 1);
	int64_t back = 0;

	weir__buf_time_format(&b, t, format);
	text[b.len] = 0;
	assert_string_equal(text, want);
	if (strchr(format, 'Y') || strchr(format, 's') || strchr(format, 'F')) {
		assert_int_equal(weir_time_parse((struct weir_str){text, b.len}, format, &back), 0);
		assert_int_equal(back, t);
	}
}

static void test_times_by_format_read_back(void **state)
{
	const int64_t t = INT64_C(1451696645) * WEIR_NS_PER_S; /* 2016-01-02T01:04:05Z */

	(void)state;
	check_time(t, "%Y-%m-%dT%H:%M:%S%z", "2016-01-02T01:04:05Z");
	check_time(t + 250000000, "%Y-%m-%d %H:%M:%S", "2016-01-02 01:04:05.25");
	check_time(t + 250000000, "%Y-%m-%d %H:%M:%S.%f", "2016-01-02 01:04:05.25");
	check_time(t, "%Y-%m-%d %H:%M:%S.%f", "2016-01-02 01:04:05.0");
	check_time(t + 1, "%F %T", "2016-01-02 01:04:05.000000001");
	check_time(t, "%e %b %Y %H:%M:%S %Z", " 2 Jan 2016 01:04:05 UTC");
	check_time(t + 12 * 86400 * WEIR_NS_PER_S, "%e %B %Y %H:%M:%S", "14 January 2016 01:04:05");
	check_time(t, "%Y %j %I:%M:%S %p", "2016 002 01:04:05 AM");
	check_time(t - 3600 * WEIR_NS_PER_S, "%Y %j %I:%M:%S %p", "2016 002 12:04:05 AM");
	check_time(t + 12 * 3600 * WEIR_NS_PER_S, "%Y %j %I:%M:%S %p", "2016 002 01:04:05 PM");
	check_time(t, "%D %y", "01/02/16 16");
	check_time(t, "100%% %Y-%m-%d %H:%M:%S", "100% 2016-01-02 01:04:05");
	check_time(t, "%s", "1451696645");
	check_time(-1500000000, "%s", "-1.5");
	check_time(-500000000, "%s", "-0.5");
	check_time(INT64_MIN, "%s", "-9223372036.854775808");
	check_time(1451696645250999999, "%Q", "1451696645250");
	check_time(t, "%", "%");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_csv_quotes_only_where_needed),
	cmocka_unit_test(test_csv_of_every_type),
	cmocka_unit_test(test_heads),
	cmocka_unit_test(test_jsonl_with_the_stream_in_front),
	cmocka_unit_test(test_control_frames_are_not_written),
	cmocka_unit_test(test_full_buffer_is_told),
	cmocka_unit_test(test_times_by_format_read_back),
};

WEIR_TEST_MAIN("encode", tests)
