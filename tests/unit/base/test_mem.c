/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "tests/lib/test.h"

/* Counts what is out, so that a forgotten or doubly returned chunk shows. */
struct counter {
	size_t bytes;
	unsigned chunks;
};

static void *count_alloc(void *ctx, size_t size, size_t align)
{
	struct counter *c = ctx;

	c->bytes += size;
	c->chunks++;
	return weir_test_mem.alloc(NULL, size, align);
}

static void count_free(void *ctx, void *p, size_t size)
{
	struct counter *c = ctx;

	assert_true(c->chunks > 0 && c->bytes >= size);
	c->bytes -= size;
	c->chunks--;
	weir_test_mem.free(NULL, p, size);
}

static void test_region_gives_zeroed_aligned_memory(void **state)
{
	struct counter c = {0};
	const struct weir_mem mem = {.alloc = count_alloc, .free = count_free, .ctx = &c};
	struct weir_region r;
	uint8_t *before = NULL;

	(void)state;
	weir_region_init(&r, &mem);
	assert_int_equal(c.chunks, 0);
	for (size_t size = 0; size < 2000; size++) {
		uint8_t *p = weir_region_alloc(&r, size);

		assert_non_null(p);
		assert_ptr_not_equal(p, before);
		assert_int_equal((uintptr_t)p % 16, 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, size);
		before = p;
	}
	assert_true(c.chunks > 1);
	assert_int_equal(r.bytes, c.bytes);
	weir_region_fini(&r);
	assert_int_equal(c.chunks, 0);
	assert_int_equal(c.bytes, 0);
	assert_int_equal(r.bytes, 0);
	/* Empty again, and usable again. */
	assert_non_null(weir_region_alloc(&r, 1));
	weir_region_fini(&r);
	weir_region_fini(&r);
	assert_int_equal(c.chunks, 0);
}

static void test_region_takes_large_pieces(void **state)
{
	struct weir_region r;
	uint8_t *p;

	(void)state;
	weir_region_init(&r, &weir_test_mem);
	p = weir_region_alloc(&r, 1000000);
	memset(p, 1, 1000000);
	p = (uint8_t *)weir_region_array(&r, uint64_t, 1000);
	memset(p, 1, 8000);
	assert_true(r.bytes >= 1008000);
	weir_region_fini(&r);
}

static void test_region_texts(void **state)
{
	struct weir_region r;
	char long_text[3000];
	char *p;

	(void)state;
	weir_region_init(&r, &weir_test_mem);
	p = weir_region_strdup(&r, (struct weir_str){"abcdef", 3});
	assert_string_equal(p, "abc");
	assert_string_equal(weir_region_strdup(&r, (struct weir_str){NULL, 0}), "");
	assert_string_equal(weir_region_printf(&r, "%d %s", 42, "x"), "42 x");
	memset(long_text, 'y', sizeof(long_text));
	long_text[sizeof(long_text) - 1] = 0;
	assert_string_equal(weir_region_printf(&r, "%s", long_text), long_text);
	weir_region_fini(&r);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_region_gives_zeroed_aligned_memory),
	cmocka_unit_test(test_region_takes_large_pieces),
	cmocka_unit_test(test_region_texts),
};

WEIR_TEST_MAIN("base_mem", tests)
