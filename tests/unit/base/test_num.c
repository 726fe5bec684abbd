/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/num.h"
#include "tests/lib/test.h"

/* An exact-size copy on the heap, so that the sanitizer sees every byte read outside. */
static struct weir_str tight(const char *text, size_t n)
{
	char *p = n ? malloc(n) : NULL;

	if (n)
		memcpy(p, text, n);
	return (struct weir_str){p, n};
}

#define WITH_TIGHT(s, text, call)                                                                  \
	do {                                                                                       \
		struct weir_str s = tight(text, strlen(text));                                     \
		call;                                                                              \
		free((char *)s.p);                                                                 \
	} while (0)

static void i64_is(const char *text, int64_t want)
{
	int64_t v = 77;

	WITH_TIGHT(s, text, assert_int_equal(weir_parse_i64(s, &v), 0));
	assert_int_equal(v, want);
}

static void i64_fails(const char *text, int code)
{
	int64_t v = 77;

	WITH_TIGHT(s, text, assert_int_equal(weir_parse_i64(s, &v), code));
	assert_int_equal(v, 77);
}

static void test_num_i64_values(void **state)
{
	(void)state;
	i64_is("0", 0);
	i64_is("-0", 0);
	i64_is("+7", 7);
	i64_is("012", 12);
	i64_is("12345678", 12345678);
	i64_is("-123456789012345678", -123456789012345678);
	i64_is("9223372036854775807", INT64_MAX);
	i64_is("-9223372036854775808", INT64_MIN);
	i64_is("00000000000000000000000000000000042", 42);
}

static void test_num_i64_refuses(void **state)
{
	static const char *const bad[] = {
		"",    "-",    "+",	    "--1",
		"+-1", "1 ",   " 1",	    "1.0",
		"1e3", "0x1",  "1234567:",  "1234567/",
		"a",   "\xb1", "12345678x", "123456789012345678901234567890x"};

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(bad); i++)
		i64_fails(bad[i], WEIR_E_FORMAT);
	i64_fails("9223372036854775808", WEIR_E_RANGE);
	i64_fails("-9223372036854775809", WEIR_E_RANGE);
	i64_fails("18446744073709551616", WEIR_E_RANGE);
	i64_fails("99999999999999999999999999", WEIR_E_RANGE);
}

/* Each place of a text of every length holds every byte once. */
static void test_num_i64_every_byte_at_every_place(void **state)
{
	(void)state;
	for (size_t n = 1; n <= 19; n++) {
		for (size_t at = 0; at < n; at++) {
			for (unsigned c = 0; c < 256; c++) {
				char text[20];
				int64_t v = 0, want = 0;
				bool sign = at == 0 && n > 1 && (c == '-' || c == '+');
				bool fine = (c >= '0' && c <= '9') || sign;
				int rc;

				memset(text, '1', n);
				text[at] = (char)c;
				rc = weir_parse_i64((struct weir_str){text, n}, &v);
				assert_int_equal(rc, fine ? 0 : WEIR_E_FORMAT);
				if (!fine)
					continue;
				for (size_t i = sign; i < n; i++)
					want = want * 10 + (text[i] - '0');
				assert_int_equal(v, c == '-' ? -want : want);
			}
		}
	}
}

static void f64_is(const char *text, double want)
{
	double v = 77;

	WITH_TIGHT(s, text, assert_int_equal(weir_parse_f64(s, &v), 0));
	if (memcmp(&v, &want, 8))
		fail_msg("%s reads as %a, not %a", text, v, want);
}

static void f64_fails(const char *text, int code)
{
	double v = 77;

	WITH_TIGHT(s, text, assert_int_equal(weir_parse_f64(s, &v), code));
	assert_true(v == 77);
}

static void test_num_f64_values(void **state)
{
	(void)state;
	f64_is("0", 0.0);
	f64_is("-0", -0.0);
	f64_is("-0.000e5", -0.0);
	f64_is("1", 1.0);
	f64_is("+1.5", 1.5);
	f64_is("012.50", 12.5);
	f64_is("0.1", 0.1);
	f64_is("2.91", 2.91);
	f64_is("-122.8123", -122.8123);
	f64_is("1e22", 1e22);
	f64_is("1e23", 1e23);
	f64_is("1E-22", 1e-22);
	f64_is("1e+5", 1e5);
	f64_is("9007199254740992", 0x1p53);
	f64_is("9007199254740993", 0x1p53);
	f64_is("9007199254740993.0000000000000000000000000000001", 0x1.0000000000001p53);
	f64_is("1.7976931348623157e308", 0x1.fffffffffffffp1023);
	f64_is("2.2250738585072011e-308", 0x0.fffffffffffffp-1022);
	f64_is("4.9406564584124654e-324", 0x1p-1074);
	f64_is("5e-324", 0x1p-1074);
	f64_is("1e-400", 0.0);
	f64_is("-1e-999999999999999999999999", -0.0);
	f64_is("0e999999999999999999999999", 0.0);
	f64_is("0.3", 0.3);
	f64_is("12345678901234567890", 12345678901234567890.0);
	f64_is("0.000000000000000000000000000000000000001", 1e-39);
	f64_is("179769313486231580793e288", 0x1.fffffffffffffp1023);
}

static void test_num_f64_specials(void **state)
{
	double v;

	(void)state;
	f64_is("inf", INFINITY);
	f64_is("-Infinity", -INFINITY);
	f64_is("+INF", INFINITY);
	assert_int_equal(weir_parse_f64(WEIR_STR("NaN"), &v), 0);
	assert_true(isnan(v));
	assert_int_equal(weir_parse_f64(WEIR_STR("-nan"), &v), 0);
	assert_true(isnan(v));
}

static void test_num_f64_refuses(void **state)
{
	static const char *const bad[] = {"",	  "-",	   "+",	   ".",	   ".5",      "5.",
					  "1.e5", "1e",	   "1e+",  "1e-",  "1.5 ",    " 1.5",
					  "1,5",  "0x1p3", "1e5x", "nano", "infinit", "infinityx",
					  "-",	  "1e1.5", "1..2", "--1"};

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(bad); i++)
		f64_fails(bad[i], WEIR_E_FORMAT);
	f64_fails("1e309", WEIR_E_RANGE);
	f64_fails("-1.7976931348623159e308", WEIR_E_RANGE);
	f64_fails("1e99999999999999999999", WEIR_E_RANGE);
}

/* Texts that no fixed-size copy holds: leading and trailing zeros, a decision in the last digit. */
static void test_num_f64_very_long(void **state)
{
	static char text[300100];
	double v;
	size_t n;

	(void)state;
	memset(text, '0', sizeof(text));
	memcpy(text, "0.", 2);
	n = 2 + 200000;
	memcpy(text + n, "15e200001", 9);
	assert_int_equal(weir_parse_f64((struct weir_str){text, n + 9}, &v), 0);
	assert_true(v == 1.5);

	/* 2^53 + 1 lies half way between two doubles; one digit far behind decides. */
	memset(text, '0', sizeof(text));
	memcpy(text, "9007199254740993.", 17);
	assert_int_equal(weir_parse_f64((struct weir_str){text, 5000}, &v), 0);
	assert_true(v == 0x1p53);
	text[4999] = '1';
	assert_int_equal(weir_parse_f64((struct weir_str){text, 5000}, &v), 0);
	assert_true(v == 0x1.0000000000001p53);

	memset(text, '1', 400);
	assert_int_equal(weir_parse_f64((struct weir_str){text, 400}, &v), WEIR_E_RANGE);
	assert_int_equal(weir_parse_f64((struct weir_str){text, 300}, &v), 0);
	text[300] = 0;
	assert_true(v == strtod(text, NULL));
}

static uint64_t next_random(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

/* Against the C library, which rounds right: short, long, small, large. */
static void test_num_f64_agrees_with_strtod(void **state)
{
	uint64_t seed = 88172645463325252u;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		char text[64];
		uint64_t r = next_random(&seed), m = next_random(&seed) >> (r & 63);
		int n = snprintf(text, sizeof(text), "%llu.%llue%d", (unsigned long long)m,
				 (unsigned long long)(r >> 40 >> (r >> 6 & 15)),
				 (int)(r >> 10 & 63) - 32);
		double v, want = strtod(text, NULL);

		assert_int_equal(weir_parse_f64((struct weir_str){text, (size_t)n}, &v), 0);
		if (v != want)
			fail_msg("%s reads as %a, not %a", text, v, want);
	}
	/* 16 to 19 digits, more than a double holds, with the point anywhere. */
	for (int i = 0; i < 200000; i++) {
		char text[64];
		uint64_t r = next_random(&seed),
			 m = UINT64_C(1000000000000000) + (r >> 1 >> (i & 7));
		int n = snprintf(text, sizeof(text), "%llue%d", (unsigned long long)(m >> (i & 3)),
				 (int)(r % 41) - 20);
		double v, want = strtod(text, NULL);

		assert_int_equal(weir_parse_f64((struct weir_str){text, (size_t)n}, &v), 0);
		if (v != want)
			fail_msg("%s reads as %a, not %a", text, v, want);
	}
	/* Half way between two doubles: to the even one. */
	for (uint64_t i = 0; i < 1000; i++) {
		char text[64];
		uint64_t odd = (((next_random(&seed) >> 12) | UINT64_C(1) << 52) << 1) + 1;
		double v, want;

		snprintf(text, sizeof(text), "%llu.5e0", (unsigned long long)(odd >> 2));
		want = strtod(text, NULL);
		assert_int_equal(weir_parse_f64(weir_str_c(text), &v), 0);
		assert_true(v == want);
		snprintf(text, sizeof(text), "%llu", (unsigned long long)(odd << (i & 7)));
		want = strtod(text, NULL);
		assert_int_equal(weir_parse_f64(weir_str_c(text), &v), 0);
		assert_true(v == want);
	}
}

static void test_num_bool(void **state)
{
	static const char *const yes[] = {"true", "TRUE", "True", "1", "t", "T", "yes", "Yes"};
	static const char *const no[] = {"false", "FALSE", "0", "f", "F", "no", "NO"};
	static const char *const bad[] = {"", "2", "tru", "truee", "y", "n", "on", " true", "00"};
	bool v;

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(yes); i++) {
		v = false;
		assert_int_equal(weir_parse_bool(weir_str_c(yes[i]), &v), 0);
		assert_true(v);
	}
	for (size_t i = 0; i < WEIR_COUNT_OF(no); i++) {
		v = true;
		assert_int_equal(weir_parse_bool(weir_str_c(no[i]), &v), 0);
		assert_false(v);
	}
	for (size_t i = 0; i < WEIR_COUNT_OF(bad); i++)
		assert_int_equal(weir_parse_bool(weir_str_c(bad[i]), &v), WEIR_E_FORMAT);
}

static void decimal_gives(const char *text, unsigned p, unsigned s, int code, int64_t want)
{
	int64_t v = 77;

	WITH_TIGHT(t, text, assert_int_equal(weir_parse_decimal(t, p, s, &v), code));
	assert_int_equal(v, code ? 77 : want);
}

static void test_num_decimal(void **state)
{
	(void)state;
	decimal_gives("12.5", 10, 2, 0, 1250);
	decimal_gives("-12.50", 10, 2, 0, -1250);
	decimal_gives("+12.500000", 10, 2, 0, 1250);
	decimal_gives("0", 1, 1, 0, 0);
	decimal_gives("-0.0", 1, 1, 0, 0);
	decimal_gives("7", 1, 0, 0, 7);
	decimal_gives("7.000", 1, 0, 0, 7);
	decimal_gives("00000000000000000000000099.99", 4, 2, 0, 9999);
	decimal_gives("999999999999999999", 18, 0, 0, 999999999999999999);
	decimal_gives("-0.999999999999999999", 18, 18, 0, -999999999999999999);

	decimal_gives("100.00", 4, 2, WEIR_E_RANGE, 0);
	decimal_gives("100", 4, 2, WEIR_E_RANGE, 0);
	decimal_gives("12.505", 10, 2, WEIR_E_RANGE, 0);
	decimal_gives("1000000000000000000", 18, 0, WEIR_E_RANGE, 0);
	decimal_gives("123456789012345678901234567890", 18, 0, WEIR_E_RANGE, 0);
	decimal_gives("9.999", 3, 3, WEIR_E_RANGE, 0);
	decimal_gives("1", 3, 3, WEIR_E_RANGE, 0);

	decimal_gives("", 10, 2, WEIR_E_FORMAT, 0);
	decimal_gives("-", 10, 2, WEIR_E_FORMAT, 0);
	decimal_gives(".5", 10, 2, WEIR_E_FORMAT, 0);
	decimal_gives("5.", 10, 2, WEIR_E_FORMAT, 0);
	decimal_gives("1e2", 10, 2, WEIR_E_FORMAT, 0);
	decimal_gives("1.2.3", 10, 2, WEIR_E_FORMAT, 0);
	decimal_gives("1.2x", 10, 2, WEIR_E_FORMAT, 0);
	decimal_gives("99999999999999999999x", 10, 2, WEIR_E_FORMAT, 0);
}

static void test_num_count(void **state)
{
	uint64_t v = 77;

	(void)state;
	assert_int_equal(weir_parse_count(WEIR_STR("0"), &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(weir_parse_count(WEIR_STR("18446744073709551615"), &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(weir_parse_count(WEIR_STR("18446744073709551616"), &v), WEIR_E_RANGE);
	assert_true(v == UINT64_MAX);
	assert_int_equal(weir_parse_count(WEIR_STR("012"), &v), WEIR_E_FORMAT);
	assert_int_equal(weir_parse_count(WEIR_STR("00"), &v), WEIR_E_FORMAT);
	assert_int_equal(weir_parse_count(WEIR_STR("0x10"), &v), WEIR_E_FORMAT);
	assert_int_equal(weir_parse_count(WEIR_STR("+1"), &v), WEIR_E_FORMAT);
	assert_int_equal(weir_parse_count(WEIR_STR("-1"), &v), WEIR_E_FORMAT);
	assert_int_equal(weir_parse_count(WEIR_STR("1_000"), &v), WEIR_E_FORMAT);
	assert_int_equal(weir_parse_count(WEIR_STR(""), &v), WEIR_E_FORMAT);
}

static void size_gives(const char *text, int code, uint64_t want)
{
	uint64_t v = 77;

	assert_int_equal(weir_parse_size(weir_str_c(text), &v), code);
	assert_true(v == (code ? 77 : want));
}

static void test_num_size(void **state)
{
	(void)state;
	size_gives("512", 0, 512);
	size_gives("0", 0, 0);
	size_gives("512B", 0, 512);
	size_gives("64MiB", 0, UINT64_C(64) << 20);
	size_gives("1KiB", 0, 1024);
	size_gives("3GiB", 0, UINT64_C(3) << 30);
	size_gives("2TiB", 0, UINT64_C(2) << 40);
	size_gives("10kB", 0, 10000);
	size_gives("10MB", 0, 10000000);
	size_gives("1GB", 0, 1000000000);
	size_gives("1TB", 0, UINT64_C(1000000000000));
	size_gives("16777216TiB", WEIR_E_RANGE, 0);
	size_gives("18446744073709551616", WEIR_E_RANGE, 0);
	size_gives("", WEIR_E_FORMAT, 0);
	size_gives("MiB", WEIR_E_FORMAT, 0);
	size_gives("1.5MiB", WEIR_E_FORMAT, 0);
	size_gives("1 MiB", WEIR_E_FORMAT, 0);
	size_gives("64M", WEIR_E_FORMAT, 0);
	size_gives("64mib", WEIR_E_FORMAT, 0);
	size_gives("KB", WEIR_E_FORMAT, 0);
	size_gives("064MiB", WEIR_E_FORMAT, 0);
	size_gives("-1", WEIR_E_FORMAT, 0);
}

static void duration_gives(const char *text, int code, int64_t want)
{
	int64_t v = 77;

	WITH_TIGHT(s, text, assert_int_equal(weir_parse_duration(s, &v), code));
	assert_int_equal(v, code ? 77 : want);
}

static void test_num_duration(void **state)
{
	(void)state;
	duration_gives("10s", 0, 10 * WEIR_NS_PER_S);
	duration_gives("1h30m", 0, 5400 * WEIR_NS_PER_S);
	duration_gives("250ms", 0, 250 * WEIR_NS_PER_MS);
	duration_gives("5us", 0, 5000);
	duration_gives("7ns", 0, 7);
	duration_gives("2d", 0, 172800 * WEIR_NS_PER_S);
	duration_gives("1d2h3m4s5ms6us7ns", 0, 93784 * WEIR_NS_PER_S + 5006007);
	duration_gives("0", 0, 0);
	duration_gives("0s", 0, 0);
	duration_gives("-10s", 0, -10 * WEIR_NS_PER_S);
	duration_gives("9223372036854775807ns", 0, INT64_MAX);
	duration_gives("-9223372036854775808ns", 0, INT64_MIN);

	duration_gives("9223372036854775808ns", WEIR_E_RANGE, 0);
	duration_gives("106752d", WEIR_E_RANGE, 0);
	duration_gives("99999999999999999999s", WEIR_E_RANGE, 0);
	duration_gives("10000000000000d", WEIR_E_RANGE, 0);

	duration_gives("", WEIR_E_FORMAT, 0);
	duration_gives("-", WEIR_E_FORMAT, 0);
	duration_gives("10", WEIR_E_FORMAT, 0);
	duration_gives("00", WEIR_E_FORMAT, 0);
	duration_gives("s", WEIR_E_FORMAT, 0);
	duration_gives("1.5s", WEIR_E_FORMAT, 0);
	duration_gives("01s", WEIR_E_FORMAT, 0);
	duration_gives("1s1s", WEIR_E_FORMAT, 0);
	duration_gives("30m1h", WEIR_E_FORMAT, 0);
	duration_gives("1h30", WEIR_E_FORMAT, 0);
	duration_gives("10 s", WEIR_E_FORMAT, 0);
	duration_gives("10S", WEIR_E_FORMAT, 0);
	duration_gives("10weeks", WEIR_E_FORMAT, 0);
	duration_gives("1h-30m", WEIR_E_FORMAT, 0);
}

static void text_is(struct weir_buf *b, const char *want)
{
	assert_false(b->full);
	weir_buf_char(b, 0);
	assert_string_equal(b->p, want);
	b->len = 0;
}

static void test_num_write_duration(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} row[] = {
		{0, "0s"},
		{1, "1ns"},
		{250 * WEIR_NS_PER_MS, "250ms"},
		{1500000, "1ms500us"},
		{10 * WEIR_NS_PER_S, "10s"},
		{5400 * WEIR_NS_PER_S, "1h30m0s"},
		{3600 * WEIR_NS_PER_S, "1h0m0s"},
		{60 * WEIR_NS_PER_S, "1m0s"},
		{3601 * WEIR_NS_PER_S + 5, "1h0m1s5ns"},
		{172800 * WEIR_NS_PER_S, "48h0m0s"},
		{-90 * WEIR_NS_PER_S, "-1m30s"},
		{INT64_MIN, "-2562047h47m16s854ms775us808ns"},
	};
	char mem[64];
	struct weir_buf b = weir_buf_of(mem, sizeof(mem));

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(row); i++) {
		weir_buf_duration(&b, row[i].ns);
		text_is(&b, row[i].text);
		duration_gives(row[i].text, 0, row[i].ns);
	}
}

static void test_num_write_size(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} row[] = {
		{0, "0B"},
		{512, "512B"},
		{1024, "1KiB"},
		{12345, "12345B"},
		{UINT64_C(2) << 20, "2MiB"},
		{UINT64_C(1536) << 10, "1536KiB"},
		{UINT64_C(1) << 30, "1GiB"},
		{UINT64_C(5) << 40, "5TiB"},
		{UINT64_MAX, "18446744073709551615B"},
	};
	char mem[64];
	struct weir_buf b = weir_buf_of(mem, sizeof(mem));

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(row); i++) {
		weir_buf_size(&b, row[i].bytes);
		text_is(&b, row[i].text);
		size_gives(row[i].text, 0, row[i].bytes);
	}
}

static void test_num_write_decimal(void **state)
{
	static const struct {
		int64_t v;
		unsigned scale;
		const char *text;
	} row[] = {
		{1250, 2, "12.50"},
		{-5, 2, "-0.05"},
		{0, 3, "0.000"},
		{7, 0, "7"},
		{-999999999999999999, 18, "-0.999999999999999999"},
		{INT64_MIN, 0, "-9223372036854775808"},
		{INT64_MIN, 18, "-9.223372036854775808"},
	};
	char mem[64];
	struct weir_buf b = weir_buf_of(mem, sizeof(mem));

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(row); i++) {
		weir_buf_decimal(&b, row[i].v, row[i].scale);
		text_is(&b, row[i].text);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_num_i64_values),
	cmocka_unit_test(test_num_i64_refuses),
	cmocka_unit_test(test_num_i64_every_byte_at_every_place),
	cmocka_unit_test(test_num_f64_values),
	cmocka_unit_test(test_num_f64_specials),
	cmocka_unit_test(test_num_f64_refuses),
	cmocka_unit_test(test_num_f64_very_long),
	cmocka_unit_test(test_num_f64_agrees_with_strtod),
	cmocka_unit_test(test_num_bool),
	cmocka_unit_test(test_num_decimal),
	cmocka_unit_test(test_num_count),
	cmocka_unit_test(test_num_size),
	cmocka_unit_test(test_num_duration),
	cmocka_unit_test(test_num_write_duration),
	cmocka_unit_test(test_num_write_size),
	cmocka_unit_test(test_num_write_decimal),
};

WEIR_TEST_MAIN("base_num", tests)
