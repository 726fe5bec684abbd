/* SPDX-License-Identifier: Apache-2.0 */
#include "base/doc.h"
#include "tests/lib/test.h"

static struct weir_region region;
static struct weir_diags diags;

static int set_up(void **state)
{
	(void)state;
	weir_region_init(&region, &weir_test_mem);
	weir_diags_init(&diags, &region);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	weir_region_fini(&region);
	return 0;
}

static void test_diags_are_sorted_by_place(void **state)
{
	(void)state;
	weir_diag(&diags, (struct weir_doc_pos){3, 1}, "%s %d", "late", 1);
	weir_diag(&diags, (struct weir_doc_pos){1, 9}, "b");
	weir_diag(&diags, (struct weir_doc_pos){1, 2}, "a");
	weir_diag(&diags, (struct weir_doc_pos){3, 1}, "late 2");
	weir_diag(&diags, (struct weir_doc_pos){0, 0}, "whole file");
	weir_diags_sort(&diags);
	assert_int_equal(diags.count, 5);
	assert_string_equal(diags.diag[0].text, "whole file");
	assert_string_equal(diags.diag[1].text, "a");
	assert_string_equal(diags.diag[2].text, "b");
	assert_string_equal(diags.diag[3].text, "late 1");
	assert_string_equal(diags.diag[4].text, "late 2");
	assert_int_equal(diags.diag[4].pos.line, 3);
}

static void test_diags_beyond_the_limit_are_counted(void **state)
{
	(void)state;
	for (unsigned i = 0; i < WEIR_DIAGS_MAX + 7; i++)
		weir_diag(&diags, (struct weir_doc_pos){i + 1, 1}, "%u", i);
	assert_int_equal(diags.count, WEIR_DIAGS_MAX);
	assert_int_equal(diags.dropped, 7);
	assert_string_equal(diags.diag[WEIR_DIAGS_MAX - 1].text, "99");
	weir_diags_sort(&diags);
}

static void test_doc_get(void **state)
{
	struct weir_doc one = {.kind = WEIR_DOC_SCALAR}, two = {.kind = WEIR_DOC_LIST};
	struct weir_doc_entry entry[] = {
		{.key = WEIR_STR("a"), .value = &one},
		{.key = WEIR_STR("ab"), .value = &two},
	};
	struct weir_doc map = {.kind = WEIR_DOC_MAP, .entry = entry, .count = 2};

	(void)state;
	assert_ptr_equal(weir_doc_get(&map, "a"), &one);
	assert_ptr_equal(weir_doc_get(&map, "ab"), &two);
	assert_null(weir_doc_get(&map, "abc"));
	assert_null(weir_doc_get(&map, ""));
	assert_null(weir_doc_get(&one, "a"));
	assert_null(weir_doc_get(NULL, "a"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_diags_are_sorted_by_place, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_diags_beyond_the_limit_are_counted, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_doc_get, set_up, tear_down),
};

WEIR_TEST_MAIN("base_doc", tests)
