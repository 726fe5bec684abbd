/* SPDX-License-Identifier: Apache-2.0 */
#include <time.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/time.h"
#include "tests/lib/test.h"

#define S WEIR_NS_PER_S
/* 2016-01-01T00:30:04Z */
#define NEW_YEAR INT64_C(1451608204)

static struct weir_str tight(const char *text)
{
	size_t n = strlen(text);
	char *p = n ? malloc(n) : NULL;

	if (n)
		memcpy(p, text, n);
	return (struct weir_str){p, n};
}

static void parse_gives(const char *text, const char *format, int code, int64_t want)
{
	struct weir_str s = tight(text);
	int64_t v = 77;
	int rc = format ? weir_time_parse(s, format, &v) : weir_time_parse_rfc3339(s, &v);

	if (rc != code || v != (code ? 77 : want))
		fail_msg("\"%s\" by \"%s\": code %d, value %lld", text,
			 format ? format : "RFC 3339", rc, (long long)v);
	free((char *)s.p);
}

static void rfc_is(const char *text, int64_t want)
{
	parse_gives(text, NULL, 0, want);
}

static void test_time_civil_agrees_with_libc(void **state)
{
	/* A prime step, so that all fields take many values. */
	const int64_t step = INT64_C(86399) * 997;

	(void)state;
	for (int64_t s = INT64_MIN / S; s < INT64_MAX / S - step; s += step) {
		struct weir_civil c;
		struct tm tm;
		time_t t = (time_t)s;
		int64_t back;

		gmtime_r(&t, &tm);
		weir_time_to_civil(s * S + 5, &c);
		assert_int_equal(c.year, tm.tm_year + 1900);
		assert_int_equal(c.month, tm.tm_mon + 1);
		assert_int_equal(c.day, tm.tm_mday);
		assert_int_equal(c.hour, tm.tm_hour);
		assert_int_equal(c.minute, tm.tm_min);
		assert_int_equal(c.second, tm.tm_sec);
		assert_int_equal(c.weekday, tm.tm_wday);
		assert_int_equal(c.yearday, tm.tm_yday);
		assert_int_equal(c.ns, 5);
		assert_int_equal(weir_time_from_civil(&c, &back), 0);
		assert_int_equal(back, s * S + 5);
	}
}

static void test_time_civil_ends(void **state)
{
	static const int64_t edge[] = {INT64_MIN, INT64_MIN + 1, -S - 1, -S, -1, 0, 1,
				       S,	  INT64_MAX};
	struct weir_civil c;
	int64_t t;

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(edge); i++) {
		weir_time_to_civil(edge[i], &c);
		assert_int_equal(weir_time_from_civil(&c, &t), 0);
		assert_int_equal(t, edge[i]);
	}
	weir_time_to_civil(INT64_MIN, &c);
	assert_int_equal(c.year, 1677);
	c.ns--;
	assert_int_equal(weir_time_from_civil(&c, &t), WEIR_E_RANGE);
	weir_time_to_civil(INT64_MAX, &c);
	assert_int_equal(c.year, 2262);
	c.ns++;
	assert_int_equal(weir_time_from_civil(&c, &t), WEIR_E_RANGE);
}

static void test_time_civil_refuses(void **state)
{
	static const struct weir_civil bad[] = {
		{.year = 2016, .month = 0, .day = 1},
		{.year = 2016, .month = 13, .day = 1},
		{.year = 2016, .month = 4, .day = 31},
		{.year = 2016, .month = 4, .day = 0},
		{.year = 2015, .month = 2, .day = 29},
		{.year = 1900, .month = 2, .day = 29},
		{.year = 2016, .month = 2, .day = 30},
		{.year = 2016, .month = 1, .day = 1, .hour = 24},
		{.year = 2016, .month = 1, .day = 1, .minute = 60},
		{.year = 2016, .month = 1, .day = 1, .second = 60},
		{.year = 2016, .month = 1, .day = 1, .ns = 1000000000},
		{.year = 2300, .month = 1, .day = 1},
		{.year = 1600, .month = 1, .day = 1},
		{.year = INT32_MAX, .month = 1, .day = 1},
		{.year = INT32_MIN, .month = 1, .day = 1},
	};
	struct weir_civil fine = {.year = 2000, .month = 2, .day = 29};
	int64_t t = 77;

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(bad); i++)
		assert_int_equal(weir_time_from_civil(&bad[i], &t), WEIR_E_RANGE);
	assert_int_equal(t, 77);
	assert_int_equal(weir_time_from_civil(&fine, &t), 0);
}

static void test_time_rfc3339(void **state)
{
	(void)state;
	rfc_is("1970-01-01T00:00:00Z", 0);
	rfc_is("2016-01-01T00:30:04Z", NEW_YEAR * S);
	rfc_is("2016-01-01T00:30:04.91Z", NEW_YEAR * S + 910000000);
	rfc_is("2016-01-01t00:30:04z", NEW_YEAR * S);
	rfc_is("2016-01-01 00:30:04.000000001Z", NEW_YEAR * S + 1);
	rfc_is("2016-01-01T01:30:04+01:00", NEW_YEAR * S);
	rfc_is("2015-12-31T18:45:04-05:45", NEW_YEAR * S);
	rfc_is("2016-01-01T00:30:04-00:00", NEW_YEAR * S);
	rfc_is("2016-01-01T00:30:04.9100000000000000Z", NEW_YEAR * S + 910000000);
	rfc_is("1969-12-31T23:59:59.5Z", -S / 2);
	rfc_is("2262-04-11T23:47:16.854775807Z", INT64_MAX);
	rfc_is("1677-09-21T00:12:43.145224192Z", INT64_MIN);
}

static void test_time_rfc3339_refuses(void **state)
{
	static const char *const bad[] = {
		"",
		"2016",
		"2016-01-01",
		"2016-01-01T",
		"2016-01-01T00:30:04",
		"2016-01-01X00:30:04Z",
		"2016/01/01T00:30:04Z",
		"2016-1-01T00:30:04Z",
		"2016-01-1T00:30:04Z",
		"16-01-01T00:30:04Z",
		"2016-01-01T00:30Z",
		"2016-01-01T0:30:04Z",
		"2016-01-01T00:30:04.Z",
		"2016-01-01T00:30:04,5Z",
		"2016-01-01T00:30:04Zx",
		"2016-01-01T00:30:04Z ",
		" 2016-01-01T00:30:04Z",
		"2016-01-01T00:30:04+0100",
		"2016-01-01T00:30:04+01",
		"2016-01-01T00:30:04+01:0",
		"2016-01-01T00:30:04+1:00",
		"2016-01-01T00:30:04+",
		"+2016-01-01T00:30:04Z",
		"-001-01-01T00:30:04Z",
		"2016-13-01T00:30:04?",
		"2016-01-01T00:30:04.0000000001?",
		"2016-01-01T00:30:04+24:00x",
	};
	static const char *const range[] = {
		"2016-13-01T00:30:04Z",		  "2016-00-01T00:30:04Z",
		"2016-04-31T00:30:04Z",		  "2015-02-29T00:30:04Z",
		"2016-01-01T24:00:00Z",		  "2016-01-01T00:60:04Z",
		"2016-12-31T23:59:60Z",		  "2016-01-01T00:30:04.0000000001Z",
		"2016-01-01T00:30:04+24:00",	  "2016-01-01T00:30:04+01:60",
		"2300-01-01T00:00:00Z",		  "0001-01-01T00:00:00Z",
		"2262-04-11T23:47:16.854775808Z", "1677-09-21T00:12:43.145224191Z",
		"2262-04-11T23:47:16-00:01",
	};

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(bad); i++)
		parse_gives(bad[i], NULL, WEIR_E_FORMAT, 0);
	for (size_t i = 0; i < WEIR_COUNT_OF(range); i++)
		parse_gives(range[i], NULL, WEIR_E_RANGE, 0);
}

static void test_time_formats(void **state)
{
	static const struct {
		const char *text, *format;
		int64_t ns;
	} row[] = {
		{"2016/01/01 00:30:04", "%Y/%m/%d %H:%M:%S", NEW_YEAR * S},
		{"2016/01/01 00:30:04.91", "%Y/%m/%d %H:%M:%S", NEW_YEAR * S + 910000000},
		{"2016/1/1   0:30:4", "%Y/%m/%d %H:%M:%S", NEW_YEAR * S},
		{"2016-01-01T00:30:04Z", "", NEW_YEAR * S},
		{"20160101003004", "%Y%m%d%H%M%S", NEW_YEAR * S},
		{"2016-01-01T00:30:04", "%FT%T", NEW_YEAR * S},
		{"2016-01-01T00:30:04.25", "%FT%T", NEW_YEAR * S + 250000000},
		{"2016-01-01T00:30:04.25", "%FT%T.%f", NEW_YEAR * S + 250000000},
		{"01/01/16 00:30:04.25", "%D %H:%M:%S.%f", NEW_YEAR * S + 250000000},
		{"01/01/16 00:30:04,25", "%D %H:%M:%S,%f", NEW_YEAR * S + 250000000},
		{"Jan  1 2016 12:30:04 AM", "%b %e %Y %I:%M:%S %p", NEW_YEAR * S},
		{"Jan  1 2016 12:30:04 pm", "%b %d %Y %I:%M:%S %p", (NEW_YEAR + 43200) * S},
		{"january 1 2016 1:30:04PM", "%B %e %Y %I:%M:%S%p", (NEW_YEAR + 46800) * S},
		{"1 MAY 2016", "%e %b %Y", INT64_C(1462060800) * S},
		{" 1 May 2016", "%e %B %Y", INT64_C(1462060800) * S},
		{"2016-001", "%Y-%j", INT64_C(1451606400) * S},
		{"2016-366", "%Y-%j", INT64_C(1483142400) * S},
		{"2015-60", "%Y-%j", INT64_C(1425168000) * S},
		{"2016-12-31 366", "%Y-%m-%d %j", INT64_C(1483142400) * S},
		{"2016-01-01 01:30:04 +0100", "%Y-%m-%d %H:%M:%S %z", NEW_YEAR * S},
		{"2016-01-01 01:30:04+01:00", "%Y-%m-%d %H:%M:%S%z", NEW_YEAR * S},
		{"2016-01-01 00:30:04Z", "%Y-%m-%d %H:%M:%S%z", NEW_YEAR * S},
		{"2015-12-31 19:30:04-05:00", "%Y-%m-%d %H:%M:%S%z", NEW_YEAR * S},
		{"2016-01-01 00:30:04 UTC", "%Y-%m-%d %H:%M:%S %Z", NEW_YEAR * S},
		{"2016-01-01 00:30:04 gmt", "%Y-%m-%d %H:%M:%S %Z", NEW_YEAR * S},
		{"1451608204", "%s", NEW_YEAR * S},
		{"1451608204.91", "%s", NEW_YEAR * S + 910000000},
		{"-1.5", "%s", -3 * S / 2},
		{"1451608204910", "%Q", NEW_YEAR * S + 910000000},
		{"-1", "%Q", -1000000},
		{"9223372036.854775807", "%s", INT64_MAX},
		{"-9223372036.854775808", "%s", INT64_MIN},
		{"69-01-01", "%y-%m-%d", INT64_C(-31536000) * S},
		{"68-01-01", "%y-%m-%d", INT64_C(3092601600) * S},
		{"100% 1970", "100%% %Y", 0},
		{"a 1970  b", "a   %Y b", 0},
		{"00:00:01", "%H:%M:%S", S},
		{"2016-01-01 00:30:04.000000000000", "%F %T", NEW_YEAR * S},
	};

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(row); i++)
		parse_gives(row[i].text, row[i].format, 0, row[i].ns);
}

static void test_time_formats_refuse(void **state)
{
	static const struct {
		const char *text, *format;
		int code;
	} row[] = {
		{"", "%Y", WEIR_E_FORMAT},
		{"", "", WEIR_E_FORMAT},
		{"2016/01/01 00:30:04", "%Y/%m/%d %H:%M", WEIR_E_FORMAT},
		{"2016/01/01 00:30", "%Y/%m/%d %H:%M:%S", WEIR_E_FORMAT},
		{"2016/01/01_00:30", "%Y/%m/%d %H:%M", WEIR_E_FORMAT},
		{"2016/01/0100:30", "%Y/%m/%d %H:%M", WEIR_E_FORMAT},
		{"216", "%Y", WEIR_E_FORMAT},
		{"6", "%y", WEIR_E_FORMAT},
		{"x", "%m", WEIR_E_FORMAT},
		{"x", "%d", WEIR_E_FORMAT},
		{"x", "%e", WEIR_E_FORMAT},
		{"x", "%j", WEIR_E_FORMAT},
		{"x", "%H", WEIR_E_FORMAT},
		{"x", "%I%p", WEIR_E_FORMAT},
		{"x", "%M", WEIR_E_FORMAT},
		{"x", "%S", WEIR_E_FORMAT},
		{"x", "%f", WEIR_E_FORMAT},
		{"x", "%s", WEIR_E_FORMAT},
		{"-", "%s", WEIR_E_FORMAT},
		{"x", "%Q", WEIR_E_FORMAT},
		{"1.5", "%Q", WEIR_E_FORMAT},
		{"1.", "%s", WEIR_E_FORMAT},
		{"x", "%z", WEIR_E_FORMAT},
		{"+", "%z", WEIR_E_FORMAT},
		{"+01", "%z", WEIR_E_FORMAT},
		{"CET", "%Z", WEIR_E_FORMAT},
		{"U", "%Z", WEIR_E_FORMAT},
		{"x", "%T", WEIR_E_FORMAT},
		{"00:00:", "%T", WEIR_E_FORMAT},
		{"x", "%D", WEIR_E_FORMAT},
		{"x", "%F", WEIR_E_FORMAT},
		{"x", "%%", WEIR_E_FORMAT},
		{"Foo", "%b", WEIR_E_FORMAT},
		{"Ja", "%b", WEIR_E_FORMAT},
		{"12 xm", "%I %p", WEIR_E_FORMAT},
		{"2016", "%q", WEIR_E_FORMAT},
		{"2016", "%Y%", WEIR_E_FORMAT},
		{"2016.5", "%Y", WEIR_E_FORMAT},
		{"13:00x", "%H:%M", WEIR_E_FORMAT},
		{"367 x", "%j y", WEIR_E_FORMAT},
		{"2015/02/29", "%Y/%m/%d", WEIR_E_RANGE},
		{"2016/00/01", "%Y/%m/%d", WEIR_E_RANGE},
		{"2016/01/32", "%Y/%m/%d", WEIR_E_RANGE},
		{"24:00", "%H:%M", WEIR_E_RANGE},
		{"00:60", "%H:%M", WEIR_E_RANGE},
		{"60", "%S", WEIR_E_RANGE},
		{"0 am", "%I %p", WEIR_E_RANGE},
		{"13 am", "%I %p", WEIR_E_RANGE},
		{"2015-366", "%Y-%j", WEIR_E_RANGE},
		{"2015-0", "%Y-%j", WEIR_E_RANGE},
		{"2016-367", "%Y-%j", WEIR_E_RANGE},
		{"9999-001", "%Y-%j", WEIR_E_RANGE},
		{"2016-12-31 365", "%Y-%m-%d %j", WEIR_E_RANGE},
		{"+25:00", "%z", WEIR_E_RANGE},
		{"0.1234567891", "%s", WEIR_E_RANGE},
		{"9223372037", "%s", WEIR_E_RANGE},
		{"99999999999999999999", "%s", WEIR_E_RANGE},
		{"99999999999999999999", "%Q", WEIR_E_RANGE},
		{"2400", "%Y", WEIR_E_RANGE},
	};

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(row); i++)
		parse_gives(row[i].text, row[i].format, row[i].code, 0);
}

static void test_time_format_check(void **state)
{
	size_t at = 99;

	(void)state;
	assert_int_equal(weir_time_format_check("%Y/%m/%d %H:%M:%S", &at), 0);
	assert_int_equal(weir_time_format_check("", &at), 0);
	assert_int_equal(weir_time_format_check("%y%b%B%e%j%z%Z%I%p%f%s%Q%T%D%F%%", &at), 0);
	assert_int_equal(at, 99);
	assert_int_equal(weir_time_format_check("%Y-%q", &at), WEIR_E_FORMAT);
	assert_int_equal(at, 3);
	assert_int_equal(weir_time_format_check("%%%", &at), WEIR_E_FORMAT);
	assert_int_equal(at, 2);
	/* Half a clock: the afternoon would be read as the morning. */
	assert_int_equal(weir_time_format_check("%H %p", &at), WEIR_E_FORMAT);
	assert_int_equal(at, 3);
	assert_int_equal(weir_time_format_check("%I:%M", &at), WEIR_E_FORMAT);
	assert_int_equal(at, 0);
}

static void written_is(int64_t t, const char *want)
{
	char mem[40];
	struct weir_buf b = weir_buf_of(mem, sizeof(mem));

	weir_buf_time(&b, t);
	weir_buf_char(&b, 0);
	assert_string_equal(mem, want);
	rfc_is(want, t);
}

static void test_time_write(void **state)
{
	char mem[19];
	struct weir_buf b = weir_buf_of(mem, sizeof(mem));

	(void)state;
	written_is(0, "1970-01-01T00:00:00Z");
	written_is(NEW_YEAR * S + 910000000, "2016-01-01T00:30:04.91Z");
	written_is(1, "1970-01-01T00:00:00.000000001Z");
	written_is(-1, "1969-12-31T23:59:59.999999999Z");
	written_is(100, "1970-01-01T00:00:00.0000001Z");
	written_is(INT64_MIN, "1677-09-21T00:12:43.145224192Z");
	written_is(INT64_MAX, "2262-04-11T23:47:16.854775807Z");
	weir_buf_time(&b, 0);
	assert_true(b.full);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_time_civil_agrees_with_libc),
	cmocka_unit_test(test_time_civil_ends),
	cmocka_unit_test(test_time_civil_refuses),
	cmocka_unit_test(test_time_rfc3339),
	cmocka_unit_test(test_time_rfc3339_refuses),
	cmocka_unit_test(test_time_formats),
	cmocka_unit_test(test_time_formats_refuse),
	cmocka_unit_test(test_time_format_check),
	cmocka_unit_test(test_time_write),
};

WEIR_TEST_MAIN("base_time", tests)
