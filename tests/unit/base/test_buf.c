/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "base/buf.h"
#include "tests/lib/test.h"

static char mem[4096];
static struct weir_buf b;

static int set_up(void **state)
{
	(void)state;
	b = weir_buf_of(mem, sizeof(mem));
	return 0;
}

static void text_is(const char *want)
{
	assert_false(b.full);
	weir_buf_char(&b, 0);
	assert_string_equal(b.p, want);
	b.len = 0;
}

static void test_buf_drops_what_does_not_fit(void **state)
{
	(void)state;
	b = weir_buf_of(mem, 4);
	weir_buf_lit(&b, "abc");
	assert_false(b.full);
	weir_buf_lit(&b, "de");
	assert_true(b.full);
	assert_int_equal(b.len, 3);
	/* A later shorter piece may still go in; full stays set. */
	weir_buf_char(&b, 'f');
	assert_int_equal(b.len, 4);
	assert_true(b.full);
	assert_memory_equal(mem, "abcf", 4);

	b = weir_buf_of(NULL, 0);
	weir_buf_put(&b, NULL, 0);
	assert_false(b.full);
	weir_buf_printf(&b, "%d", 1);
	assert_true(b.full);
}

static void test_buf_printf(void **state)
{
	char *long_text = malloc(3001);

	(void)state;
	weir_buf_printf(&b, "%s-%d", "x", 42);
	weir_buf_str(&b, WEIR_STR("!"));
	text_is("x-42!");

	memset(long_text, 'y', 3000);
	long_text[3000] = 0;
	weir_buf_printf(&b, "%s", long_text);
	text_is(long_text);
	b = weir_buf_of(mem, 2999);
	weir_buf_printf(&b, "%s", long_text);
	assert_true(b.full);
	assert_int_equal(b.len, 0);
	b = weir_buf_of(mem, 3);
	weir_buf_printf(&b, "%s", "abc");
	assert_false(b.full);
	assert_int_equal(b.len, 3);
	free(long_text);
}

static void test_buf_integers(void **state)
{
	uint64_t v = 0;

	(void)state;
	for (int digits = 1; digits <= 20; digits++) {
		char want[32];

		v = v * 10 + (uint64_t)(digits % 10);
		snprintf(want, sizeof(want), "%llu", (unsigned long long)v);
		weir_buf_u64(&b, v);
		text_is(want);
		snprintf(want, sizeof(want), "%lld", -(long long)(v / 2));
		weir_buf_i64(&b, -(int64_t)(v / 2));
		text_is(want);
	}
	weir_buf_u64(&b, UINT64_MAX);
	text_is("18446744073709551615");
	weir_buf_u64(&b, 0);
	text_is("0");
	weir_buf_i64(&b, INT64_MIN);
	text_is("-9223372036854775808");
	weir_buf_i64(&b, INT64_MAX);
	text_is("9223372036854775807");
	b = weir_buf_of(mem, 2);
	weir_buf_i64(&b, 100);
	assert_true(b.full);
	assert_int_equal(b.len, 0);
}

static void test_buf_f64_texts(void **state)
{
	static const struct {
		double v;
		const char *text;
	} row[] = {
		{0.0, "0"},
		{-0.0, "-0"},
		{1.0, "1"},
		{-1.5, "-1.5"},
		{0.1, "0.1"},
		{0.3, "0.3"},
		{0.1 + 0.2, "0.30000000000000004"},
		{2.91, "2.91"},
		{-122.8123, "-122.8123"},
		{1.0 / 3, "0.3333333333333333"},
		{100, "100"},
		{123456789012345.0, "123456789012345"},
		{0x1p53, "9007199254740992"},
		{1e20, "100000000000000000000"},
		{1e21, "1e21"},
		{1.5e300, "1.5e300"},
		{0.000001, "0.000001"},
		{0.0000015, "0.0000015"},
		{0.00000123456, "0.00000123456"},
		{1e-7, "1e-7"},
		{-1.25e-9, "-1.25e-9"},
		{0x1.fffffffffffffp1023, "1.7976931348623157e308"},
		{0x1p-1022, "2.2250738585072014e-308"},
		{0x1p-1074, "5e-324"},
		/* The nearest decimal of 16 digits does not read back; another one does. */
		{0x1p-44, "5.684341886080802e-14"},
		/* Seventeen digits are needed. */
		{5e-324 * 3, "1.5e-323"},
		{9007199254740993.0 * 2, "18014398509481984"},
		{0.1 * 3, "0.30000000000000004"},
		{INFINITY, "Infinity"},
		{-INFINITY, "-Infinity"},
		{NAN, "NaN"},
	};

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(row); i++) {
		weir_buf_f64(&b, row[i].v);
		text_is(row[i].text);
	}
}

static uint64_t next_random(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static unsigned digits_in(const char *text)
{
	unsigned n = 0, zeros = 0;

	for (; *text && *text != 'e'; text++) {
		if (*text < '0' || *text > '9' || (n == 0 && *text == '0'))
			continue;
		n++;
		zeros = *text == '0' ? zeros + 1 : 0;
	}
	return n - zeros;
}

/* Reads back, and no text with one digit less does. */
static void shortest_and_exact(double v)
{
	char shorter[64];
	unsigned n;

	b.len = 0;
	weir_buf_f64(&b, v);
	weir_buf_char(&b, 0);
	assert_false(b.full);
	if (strtod(b.p, NULL) != v)
		fail_msg("%a is written as %s", v, b.p);
	n = digits_in(b.p);
	if (n < 2)
		return;
	snprintf(shorter, sizeof(shorter), "%.*e", (int)n - 2, v);
	if (strtod(shorter, NULL) == v)
		fail_msg("%a is written as %s, but %s is enough", v, b.p, shorter);
}

static void test_buf_f64_is_shortest(void **state)
{
	uint64_t seed = 88172645463325252u;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		uint64_t r = next_random(&seed);
		double v;

		memcpy(&v, &r, 8);
		if (isfinite(v))
			shortest_and_exact(v);
		shortest_and_exact((double)(int64_t)r / 1e6);
		shortest_and_exact((double)(r >> 44) / 1000);
		shortest_and_exact((double)(r >> 60) * 1e-8);
	}
	for (int e = -1074; e < 1024; e++)
		shortest_and_exact(ldexp(1.0, e));
}

static void test_buf_json_f64(void **state)
{
	(void)state;
	weir_buf_json_f64(&b, 2.5);
	text_is("2.5");
	weir_buf_json_f64(&b, NAN);
	text_is("\"NaN\"");
	weir_buf_json_f64(&b, -INFINITY);
	text_is("\"-Infinity\"");
}

static void json_is(const char *in, size_t n, const char *want)
{
	char *p = malloc(n ? n : 1);

	memcpy(p, in, n);
	weir_buf_json_str(&b, (struct weir_str){p, n});
	text_is(want);
	free(p);
}

#define JSON_IS(lit, want) json_is(lit, sizeof(lit) - 1, want)
#define FFFD "\xef\xbf\xbd"

static void test_buf_json_str(void **state)
{
	(void)state;
	JSON_IS("", "\"\"");
	JSON_IS("plain text, longer than eight bytes", "\"plain text, longer than eight bytes\"");
	JSON_IS("a\"b\\c", "\"a\\\"b\\\\c\"");
	JSON_IS("\n\r\t\b\f\x01\x1f\x7f", "\"\\n\\r\\t\\b\\f\\u0001\\u001f\x7f\"");
	JSON_IS("a\0b", "\"a\\u0000b\"");
	JSON_IS("Gr\xc3\xb6\xc3\x9f"
		"e \xe2\x82\xac \xf0\x9f\x8c\x8a",
		"\"Gr\xc3\xb6\xc3\x9f"
		"e \xe2\x82\xac \xf0\x9f\x8c\x8a\"");
	weir_buf_json_str(&b, (struct weir_str){NULL, 0});
	text_is("\"\"");
}

static void test_buf_json_str_repairs_utf8(void **state)
{
	(void)state;
	JSON_IS("a\xff"
		"b",
		"\"a" FFFD "b\"");
	JSON_IS("\x80", "\"" FFFD "\"");
	JSON_IS("\xc3", "\"" FFFD "\"");
	JSON_IS("\xc3(", "\"" FFFD "(\"");
	JSON_IS("\xe2\x82", "\"" FFFD FFFD "\"");
	JSON_IS("\xf0\x9f\x8c", "\"" FFFD FFFD FFFD "\"");
	/* Overlong forms, surrogates, above U+10FFFF. */
	JSON_IS("\xc0\x80", "\"" FFFD FFFD "\"");
	JSON_IS("\xc1\xbf", "\"" FFFD FFFD "\"");
	JSON_IS("\xe0\x9f\xbf", "\"" FFFD FFFD FFFD "\"");
	JSON_IS("\xf0\x8f\xbf\xbf", "\"" FFFD FFFD FFFD FFFD "\"");
	JSON_IS("\xed\xa0\x80", "\"" FFFD FFFD FFFD "\"");
	JSON_IS("\xf4\x90\x80\x80", "\"" FFFD FFFD FFFD FFFD "\"");
	JSON_IS("\xf5\x80", "\"" FFFD FFFD "\"");
	/* Their last good neighbours. */
	JSON_IS("\xe0\xa0\x80\xed\x9f\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
		"\"\xe0\xa0\x80\xed\x9f\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"");
}

/* Every byte at every place of a text around the word size: escaped or not, and nothing else. */
static void test_buf_json_str_every_byte_at_every_place(void **state)
{
	(void)state;
	for (size_t n = 1; n <= 17; n++) {
		for (size_t at = 0; at < n; at++) {
			for (unsigned c = 0; c < 256; c++) {
				char text[17], want[64], middle[8];

				memset(text, 'x', n);
				text[at] = (char)c;
				if (c == '"' || c == '\\')
					snprintf(middle, sizeof(middle), "\\%c", (char)c);
				else if (c >= 0x80)
					snprintf(middle, sizeof(middle), "%s", FFFD);
				else if (c >= 0x20)
					snprintf(middle, sizeof(middle), "%c", (char)c);
				else if (c && strchr("\b\t\n\f\r", (int)c))
					snprintf(middle, sizeof(middle), "\\%c",
						 "btn?fr"[c - '\b']);
				else
					snprintf(middle, sizeof(middle), "\\u%04x", c);
				snprintf(want, sizeof(want), "\"%.*s%s%.*s\"", (int)at,
					 "xxxxxxxxxxxxxxxxx", middle, (int)(n - at - 1),
					 "xxxxxxxxxxxxxxxxx");
				json_is(text, n, want);
			}
		}
	}
}

static void test_buf_json_str_full(void **state)
{
	(void)state;
	for (size_t cap = 0; cap < 12; cap++) {
		char *p = malloc(cap ? cap : 1);

		b = weir_buf_of(p, cap);
		weir_buf_json_str(&b, WEIR_STR("abc\ndef\x80"));
		assert_true(b.full);
		assert_true(b.len <= cap);
		free(p);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup(test_buf_drops_what_does_not_fit, set_up),
	cmocka_unit_test_setup(test_buf_printf, set_up),
	cmocka_unit_test_setup(test_buf_integers, set_up),
	cmocka_unit_test_setup(test_buf_f64_texts, set_up),
	cmocka_unit_test_setup(test_buf_f64_is_shortest, set_up),
	cmocka_unit_test_setup(test_buf_json_f64, set_up),
	cmocka_unit_test_setup(test_buf_json_str, set_up),
	cmocka_unit_test_setup(test_buf_json_str_repairs_utf8, set_up),
	cmocka_unit_test_setup(test_buf_json_str_every_byte_at_every_place, set_up),
	cmocka_unit_test_setup(test_buf_json_str_full, set_up),
};

WEIR_TEST_MAIN("base_buf", tests)
