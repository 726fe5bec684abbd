/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include <string.h>

#include "engine/edge/regex.h"

static void *compile(const char *pattern)
{
	const struct weir_regex_ops *ops = weir_regex_pcre2();
	struct weir_err err = {0};
	void *re = ops->compile(ops->ctx, weir_str_c(pattern), &err);

	if (!re)
		fail_msg("%s: %s", pattern, err.text);
	return re;
}

static int match(void *re, struct weir_str s, struct weir_str *group, unsigned groups)
{
	const struct weir_regex_ops *ops = weir_regex_pcre2();

	return ops->match(ops->ctx, re, s, group, groups);
}

static void done(void *re)
{
	weir_regex_pcre2()->free(NULL, re);
}

static void test_regex_groups(void **state)
{
	struct weir_str g[5];
	void *re = compile("(a)(x)?(b*)");

	(void)state;
	assert_int_equal(weir_regex_pcre2()->groups(NULL, re), 3);
	assert_int_equal(match(re, WEIR_STR("zzabb"), g, 5), 1);
	assert_true(weir_str_is(g[0], "abb"));
	assert_true(weir_str_is(g[1], "a"));
	assert_null(g[2].p);
	assert_true(weir_str_is(g[3], "bb"));
	assert_null(g[4].p);
	assert_int_equal(match(re, WEIR_STR("ac"), g, 4), 1);
	assert_true(g[3].p && g[3].n == 0);
	assert_int_equal(match(re, WEIR_STR("none"), g, 4), 0);
	assert_int_equal(match(re, WEIR_STR("a"), NULL, 0), 1);
	done(re);
	done(NULL);
}

static void test_regex_empty_subject(void **state)
{
	void *re = compile("^$");

	(void)state;
	assert_int_equal(match(re, (struct weir_str){0}, NULL, 0), 1);
	assert_int_equal(match(re, WEIR_STR("a"), NULL, 0), 0);
	done(re);
}

static void test_regex_utf8(void **state)
{
	void *re = compile("^.\xc3\xb6$");

	(void)state;
	assert_int_equal(match(re, WEIR_STR("\xe2\x82\xac\xc3\xb6"), NULL, 0), 1);
	assert_int_equal(match(re, WEIR_STR("\xff\xc3\xb6"), NULL, 0), 0);
	done(re);
}

static void test_regex_bad_patterns(void **state)
{
	static const char *const bad[] = {"(", "[a", "a{2,1}", "\\C", "\xff", "(?<n>a)(?<n>b)",
					  "*"};
	const struct weir_regex_ops *ops = weir_regex_pcre2();
	static char longest[20000];

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(bad); i++) {
		struct weir_err err = {0};

		assert_null(ops->compile(NULL, weir_str_c(bad[i]), &err));
		assert_int_equal(err.code, WEIR_E_FORMAT);
		assert_non_null(strstr(err.text, "of the pattern"));
		assert_null(ops->compile(NULL, weir_str_c(bad[i]), NULL));
	}
	memset(longest, 'a', sizeof(longest));
	{
		struct weir_err err = {0};

		assert_null(ops->compile(NULL, (struct weir_str){longest, sizeof(longest)}, &err));
		assert_int_equal(err.code, WEIR_E_LIMIT);
	}
}

/* Patterns that take exponential time are stopped, not waited for. */
static void test_regex_limits(void **state)
{
	void *re = compile("^(a|a?)+$");
	char text[41];

	(void)state;
	memset(text, 'a', 40);
	text[40] = '!';
	assert_true(match(re, (struct weir_str){text, 41}, NULL, 0) < 0);
	assert_int_equal(match(re, WEIR_STR("aaa"), NULL, 0), 1);
	done(re);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_regex_groups), cmocka_unit_test(test_regex_empty_subject),
	cmocka_unit_test(test_regex_utf8),   cmocka_unit_test(test_regex_bad_patterns),
	cmocka_unit_test(test_regex_limits),
};

WEIR_TEST_MAIN("regex", tests)
