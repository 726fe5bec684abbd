/* SPDX-License-Identifier: Apache-2.0 */
#include "state/slab.h"
#include "tests/lib/test.h"

/* Counts what is out, so that a leak or a wrong size shows. */
struct counted {
	size_t bytes, allocs;
};

static void *counted_alloc(void *ctx, size_t size, size_t align)
{
	struct counted *c = ctx;

	c->bytes += size;
	c->allocs++;
	return weir_test_mem.alloc(NULL, size, align);
}

static void counted_free(void *ctx, void *p, size_t size)
{
	struct counted *c = ctx;

	assert_true(c->bytes >= size);
	c->bytes -= size;
	weir_test_mem.free(NULL, p, size);
}

static void test_slab_size_rounds_up_by_class(void **state)
{
	(void)state;
	assert_int_equal(weir_slab_size(0), 8);
	assert_int_equal(weir_slab_size(1), 8);
	assert_int_equal(weir_slab_size(9), 16);
	assert_int_equal(weir_slab_size(128), 128);
	assert_int_equal(weir_slab_size(129), 160);
	assert_int_equal(weir_slab_size(160), 160);
	assert_int_equal(weir_slab_size(161), 192);
	assert_int_equal(weir_slab_size(256), 256);
	assert_int_equal(weir_slab_size(257), 320);
	for (size_t n = 1; n < 100000; n++) {
		size_t got = weir_slab_size(n);

		assert_true(got >= n && got % 8 == 0 && (n < 64 || got <= n + n / 4 + 8));
		assert_int_equal(weir_slab_size(got), got);
	}
}

static void test_slab_pieces_do_not_overlap_and_are_reused(void **state)
{
	struct counted c = {0};
	struct weir_mem mem = {.alloc = counted_alloc, .free = counted_free, .ctx = &c};
	struct weir_slab s;
	uint8_t *piece[500];
	size_t size[500];
	uint32_t seed = 1;
	size_t used;

	(void)state;
	weir_slab_init(&s, &mem);
	memset(piece, 0, sizeof(piece));
	for (int round = 0; round < 20000; round++) {
		uint32_t i;

		seed = seed * 1664525u + 1013904223u;
		i = (seed >> 8) % 500;
		if (piece[i]) {
			for (size_t k = 0; k < size[i]; k++)
				assert_int_equal(piece[i][k], (uint8_t)i);
			weir_slab_free(&s, piece[i], size[i]);
			piece[i] = NULL;
			continue;
		}
		size[i] = (seed >> 20) % 700;
		if (i == 0)
			size[i] = 300000;
		piece[i] = weir_slab_alloc(&s, size[i]);
		assert_int_equal((uintptr_t)piece[i] % 8, 0);
		memset(piece[i], (int)(uint8_t)i, size[i]);
	}
	used = 0;
	for (uint32_t i = 0; i < 500; i++)
		used += piece[i] ? weir_slab_size(size[i]) : 0;
	assert_int_equal(s.used, used);
	assert_int_equal(s.bytes, c.bytes);
	weir_slab_free(&s, NULL, 10);
	weir_slab_fini(&s);
	assert_int_equal(c.bytes, 0);
}

static void fill(struct weir_slab *s)
{
	for (int i = 0; i < 3000; i++)
		memset(weir_slab_alloc(s, (size_t)(i % 300)), 1, (size_t)(i % 300));
	memset(weir_slab_alloc(s, 100000), 2, 100000);
}

static void test_slab_reset_keeps_chunks_for_the_next_round(void **state)
{
	struct counted c = {0};
	struct weir_mem mem = {.alloc = counted_alloc, .free = counted_free, .ctx = &c};
	struct weir_slab s;
	size_t allocs, bytes;

	(void)state;
	weir_slab_init(&s, &mem);
	weir_slab_reset(&s);
	assert_int_equal(c.bytes, 0);
	for (int round = 0; round < 4; round++) {
		fill(&s);
		weir_slab_reset(&s);
	}
	allocs = c.allocs;
	bytes = c.bytes;
	for (int round = 0; round < 20; round++) {
		fill(&s);
		assert_true(s.used > 0);
		weir_slab_reset(&s);
		assert_int_equal(s.used, 0);
	}
	/* Large pieces may come anew each time, but nothing piles up. */
	assert_true(c.allocs - allocs <= 20);
	assert_true(c.bytes <= bytes + 200000);
	weir_slab_fini(&s);
	assert_int_equal(c.bytes, 0);
}

static void test_slab_gives_large_pieces_back(void **state)
{
	struct counted c = {0};
	struct weir_mem mem = {.alloc = counted_alloc, .free = counted_free, .ctx = &c};
	struct weir_slab s;
	void *p;

	(void)state;
	weir_slab_init(&s, &mem);
	p = weir_slab_alloc(&s, 1 << 20);
	memset(p, 1, 1 << 20);
	weir_slab_free(&s, p, 1 << 20);
	assert_ptr_equal(weir_slab_alloc(&s, 1 << 20), p);
	weir_slab_reset(&s);
	assert_int_equal(c.bytes, 0);
	weir_slab_fini(&s);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_slab_size_rounds_up_by_class),
	cmocka_unit_test(test_slab_pieces_do_not_overlap_and_are_reused),
	cmocka_unit_test(test_slab_reset_keeps_chunks_for_the_next_round),
	cmocka_unit_test(test_slab_gives_large_pieces_back),
};

WEIR_TEST_MAIN("state/slab", tests)
