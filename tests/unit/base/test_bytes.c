/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

#include "base/prng.h"
#include "tests/lib/test.h"

static size_t taken; /* from mem, in bytes */

static void *mem_alloc(void *ctx, size_t size, size_t align)
{
	(void)ctx;
	taken += size;
	return weir_test_mem.alloc(NULL, size, align);
}

static void mem_free(void *ctx, void *p, size_t size)
{
	(void)ctx;
	assert_true(taken >= size);
	taken -= size;
	weir_test_mem.free(NULL, p, size);
}

static const struct weir_mem mem = {.alloc = mem_alloc, .free = mem_free};

/* The bytes in a block of their own size. */
static uint8_t *flat(const struct weir_out *o)
{
	uint8_t *p = malloc(o->bytes + !o->bytes);

	assert_non_null(p);
	weir_out_copy(o, p);
	return p;
}

static void expect(struct weir_out *o, const void *want, size_t n)
{
	uint8_t *p = flat(o);

	assert_int_equal(o->bytes, n);
	assert_memory_equal(p, want, n);
	free(p);
	weir_out_fini(o);
	assert_int_equal(taken, 0);
}

#define EXPECT(o, ...)                                                                             \
	expect((o), (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void test_integers_are_little_endian(void **state)
{
	struct weir_out o;

	(void)state;
	weir_out_init(&o, &mem);
	weir_out_u8(&o, 1);
	weir_out_u16(&o, 0x0203);
	weir_out_u32(&o, 0x04050607);
	weir_out_u64(&o, UINT64_C(0x08090a0b0c0d0e0f));
	weir_out_i64(&o, -2);
	EXPECT(&o, 1, 3, 2, 7, 6, 5, 4, 15, 14, 13, 12, 11, 10, 9, 8, 254, 255, 255, 255, 255, 255,
	       255, 255);
}

static void test_varints_are_leb128(void **state)
{
	struct weir_out o;

	(void)state;
	weir_out_init(&o, &mem);
	weir_out_varint(&o, 0);
	weir_out_varint(&o, 127);
	weir_out_varint(&o, 128);
	weir_out_varint(&o, 624485);
	EXPECT(&o, 0, 0x7f, 0x80, 1, 0xe5, 0x8e, 0x26);
	weir_out_varint(&o, UINT64_MAX);
	EXPECT(&o, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1);
	weir_out_text(&o, WEIR_STR("ab"));
	weir_out_text(&o, (struct weir_str){0});
	EXPECT(&o, 2, 'a', 'b', 0);
}

static void test_no_bytes_take_no_memory(void **state)
{
	struct weir_out o, other;

	(void)state;
	weir_out_init(&o, &mem);
	weir_out_init(&other, &mem);
	weir_out_put(&o, NULL, 0);
	weir_out_append(&o, &other);
	assert_null(o.first);
	assert_int_equal(taken, 0);
	weir_out_fini(&o);
}

static void test_random_values_come_back(void **state)
{
	struct weir_prng w = weir_prng_of(1, "write"), r = w;
	struct weir_out o;
	struct weir_reader in;
	uint8_t *p;

	(void)state;
	weir_out_init(&o, &mem);
	for (int i = 0; i < 20000; i++) {
		uint64_t v = weir_prng_u64(&w);

		weir_out_varint(&o, v >> (v & 63));
		weir_out_u32(&o, (uint32_t)v);
		weir_out_text(&o, (struct weir_str){(const char *)&v, v % 9});
	}
	p = flat(&o);
	in = weir_reader_of(p, o.bytes);
	for (int i = 0; i < 20000; i++) {
		uint64_t v = weir_prng_u64(&r);

		assert_true(weir_read_varint(&in) == v >> (v & 63));
		assert_int_equal(weir_read_u32(&in), (uint32_t)v);
		assert_true(weir_str_eq(weir_read_text(&in),
					(struct weir_str){(const char *)&v, v % 9}));
	}
	assert_false(in.bad);
	assert_int_equal(weir_reader_left(&in), 0);
	free(p);
	weir_out_fini(&o);
	assert_int_equal(taken, 0);
}

/* A piece larger than any chunk is contiguous, and what was not kept is not there. */
static void test_claimed_room_is_contiguous(void **state)
{
	struct weir_out o;
	uint8_t *p;

	(void)state;
	weir_out_init(&o, &mem);
	weir_out_u8(&o, 7);
	memset(weir_out_claim(&o, 1000000), 8, 1000000);
	weir_out_keep(&o, 999999);
	(void)weir_out_claim(&o, 5000000);
	weir_out_u8(&o, 9);
	assert_int_equal(o.bytes, 1000001);
	p = flat(&o);
	assert_int_equal(p[0], 7);
	for (size_t i = 1; i < 1000000; i++)
		assert_int_equal(p[i], 8);
	assert_int_equal(p[1000000], 9);
	free(p);
	weir_out_fini(&o);
	assert_int_equal(taken, 0);
}

static void test_append_moves_the_bytes(void **state)
{
	struct weir_out a, b;

	(void)state;
	weir_out_init(&a, &mem);
	weir_out_init(&b, &mem);
	weir_out_u8(&b, 1);
	weir_out_append(&a, &b); /* into an empty one */
	weir_out_u8(&b, 2);
	weir_out_u8(&b, 3);
	weir_out_append(&a, &b);
	assert_int_equal(b.bytes, 0);
	assert_null(b.first);
	weir_out_u8(&a, 4);
	EXPECT(&a, 1, 2, 3, 4);
}

static void test_a_reader_stays_bad(void **state)
{
	const uint8_t p[] = {1, 2, 3, 4, 5};
	struct weir_reader r = weir_reader_of(p, sizeof(p));

	(void)state;
	assert_ptr_equal(weir_read(&r, 0), p);
	assert_int_equal(weir_read_u16(&r), 0x0201);
	assert_int_equal(weir_read_u32(&r), 0);
	assert_true(r.bad);
	assert_int_equal(weir_read_u8(&r), 0); /* there is a byte, but no longer for us */
	assert_null(weir_read(&r, 0));
	assert_int_equal(weir_read_varint(&r), 0);
	assert_int_equal(weir_read_text(&r).n, 0);
	assert_true(weir_read_part(&r, 0).bad);
}

static void varint(const uint8_t *p, size_t n, bool fine, uint64_t want)
{
	struct weir_reader r = weir_reader_of(p, n);
	uint64_t v = weir_read_varint(&r);

	assert_int_equal(r.bad, !fine);
	assert_true(v == want);
	assert_true(!fine || weir_reader_left(&r) == 0);
}

#define VARINT(fine, want, ...)                                                                    \
	varint((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), fine, want)

static void test_each_number_has_one_varint(void **state)
{
	(void)state;
	VARINT(true, 0, 0);
	VARINT(true, 128, 0x80, 1);
	VARINT(true, UINT64_MAX, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1);
	VARINT(false, 0, 0x80);
	VARINT(false, 0, 0x80, 0);
	VARINT(false, 0, 0xff, 0x80, 0);
	VARINT(false, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2);
	VARINT(false, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0x81, 0);
	varint(NULL, 0, false, 0);
}

static void test_texts_and_parts_stay_inside(void **state)
{
	const uint8_t p[] = {2, 'a', 'b', 3, 'c', 'd'};
	struct weir_reader r = weir_reader_of(p, sizeof(p)), part;
	struct weir_str s;

	(void)state;
	part = weir_read_part(&r, 3);
	assert_int_equal(weir_reader_left(&part), 3);
	s = weir_read_text(&part);
	assert_true(weir_str_is(s, "ab"));
	assert_ptr_equal(s.p, p + 1);
	assert_int_equal(weir_read_u8(&part), 0);
	assert_true(part.bad && !r.bad);
	s = weir_read_text(&r);
	assert_true(r.bad && s.n == 0);
	r = weir_reader_of(p, sizeof(p));
	part = weir_read_part(&r, 7);
	assert_true(part.bad && r.bad);
	assert_int_equal(weir_reader_left(&part), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_integers_are_little_endian),
	cmocka_unit_test(test_varints_are_leb128),
	cmocka_unit_test(test_no_bytes_take_no_memory),
	cmocka_unit_test(test_random_values_come_back),
	cmocka_unit_test(test_claimed_room_is_contiguous),
	cmocka_unit_test(test_append_moves_the_bytes),
	cmocka_unit_test(test_a_reader_stays_bad),
	cmocka_unit_test(test_each_number_has_one_varint),
	cmocka_unit_test(test_texts_and_parts_stay_inside),
};

WEIR_TEST_MAIN("base/bytes", tests)
