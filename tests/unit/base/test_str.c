/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "tests/lib/test.h"

static void test_str_equality(void **state)
{
	(void)state;
	assert_true(weir_str_eq(WEIR_STR("abc"), weir_str_c("abc")));
	assert_false(weir_str_eq(WEIR_STR("abc"), WEIR_STR("abd")));
	assert_false(weir_str_eq(WEIR_STR("abc"), WEIR_STR("ab")));
	assert_true(weir_str_eq((struct weir_str){NULL, 0}, WEIR_STR("")));
	assert_true(weir_str_is(WEIR_STR("a"), "a"));
	assert_false(weir_str_is(WEIR_STR("a\0"), "a"));
}

static void test_str_cmp_is_byte_order(void **state)
{
	(void)state;
	assert_true(weir_str_cmp(WEIR_STR("a"), WEIR_STR("b")) < 0);
	assert_true(weir_str_cmp(WEIR_STR("b"), WEIR_STR("a")) > 0);
	assert_true(weir_str_cmp(WEIR_STR("a"), WEIR_STR("aa")) < 0);
	assert_true(weir_str_cmp(WEIR_STR("aa"), WEIR_STR("a")) > 0);
	assert_true(weir_str_cmp(WEIR_STR("z"), WEIR_STR("\xc3")) < 0);
	assert_int_equal(weir_str_cmp(WEIR_STR("aa"), WEIR_STR("aa")), 0);
	assert_int_equal(weir_str_cmp((struct weir_str){NULL, 0}, WEIR_STR("")), 0);
}

static unsigned distance(const char *a, const char *b)
{
	unsigned d = weir_str_distance(weir_str_c(a), weir_str_c(b));

	assert_int_equal(d, weir_str_distance(weir_str_c(b), weir_str_c(a)));
	return d;
}

static void test_str_distance_in_half_steps(void **state)
{
	char sixty_four[65];

	(void)state;
	assert_int_equal(distance("", ""), 0);
	assert_int_equal(distance("abc", "abc"), 0);
	assert_int_equal(distance("", "abc"), 6);
	assert_int_equal(distance("abc", "abd"), 2);
	assert_int_equal(distance("abc", "ab"), 2);
	assert_int_equal(distance("abc", "aBc"), 1);
	assert_int_equal(distance("filter", "fitler"), 2);
	assert_int_equal(distance("kitten", "sitting"), 6);
	memset(sixty_four, 'a', 64);
	sixty_four[64] = 0;
	assert_int_equal(distance(sixty_four, "a"), 1000);
	sixty_four[63] = 0;
	assert_int_equal(distance(sixty_four, sixty_four), 0);
}

static void test_str_suggest(void **state)
{
	static const char *const word[] = {"filter", "from", "sink", "source", "key_by"};

	(void)state;
	assert_string_equal(weir_str_suggest(WEIR_STR("fliter"), word, 5), "filter");
	assert_string_equal(weir_str_suggest(WEIR_STR("form"), word, 5), "from");
	assert_string_equal(weir_str_suggest(WEIR_STR("Source"), word, 5), "source");
	assert_string_equal(weir_str_suggest(WEIR_STR("keyby"), word, 5), "key_by");
	assert_null(weir_str_suggest(WEIR_STR("parallelism"), word, 5));
	assert_null(weir_str_suggest(WEIR_STR(""), word, 5));
	assert_null(weir_str_suggest(WEIR_STR("x"), NULL, 0));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_str_equality),
	cmocka_unit_test(test_str_cmp_is_byte_order),
	cmocka_unit_test(test_str_distance_in_half_steps),
	cmocka_unit_test(test_str_suggest),
};

WEIR_TEST_MAIN("base_str", tests)
