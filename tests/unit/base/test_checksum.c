/* SPDX-License-Identifier: Apache-2.0 */
/* The expected values are frozen: journals depend on them. */
#include "base/checksum.h"

#include "base/prng.h"
#include "tests/lib/test.h"

/* Of RFC 3720, B.4 (the CRC is sent with its lowest byte first). */
static void test_crc32c_vectors_of_rfc_3720(void **state)
{
	static const uint8_t read_pdu[48] = {0x01, 0xc0, 0, 0,	  0,	0, 0, 0,    0,	  0, 0, 0,
					     0,	   0,	 0, 0,	  0x14, 0, 0, 0,    0,	  0, 4, 0,
					     0,	   0,	 0, 0x14, 0,	0, 0, 0x18, 0x28, 0, 0, 0,
					     0,	   0,	 0, 0,	  2,	0, 0, 0,    0,	  0, 0, 0};
	uint8_t zeros[32], ones[32], up[32], down[32];
	const struct {
		const uint8_t *p;
		size_t n;
		uint32_t crc;
	} v[] = {
		{zeros, 32, 0x8a9136aa},
		{ones, 32, 0x62a8ab43},
		{up, 32, 0x46dd794e},
		{down, 32, 0x113fdb5c},
		{read_pdu, 48, 0xd9963a56},
		{zeros, 0, 0},
		{(const uint8_t *)"123456789", 9, 0xe3069283},
	};

	(void)state;
	for (uint8_t i = 0; i < 32; i++) {
		zeros[i] = 0;
		ones[i] = 0xff;
		up[i] = i;
		down[i] = 31 - i;
	}
	for (size_t i = 0; i < WEIR_COUNT_OF(v); i++) {
		assert_int_equal(weir_crc32c(0, v[i].p, v[i].n), v[i].crc);
		assert_int_equal(weir_crc32c_plain(0, v[i].p, v[i].n), v[i].crc);
	}
}

/* With and without the instruction, in one go and in two, from every place. */
static void test_crc32c_is_the_same_on_both_paths(void **state)
{
	struct weir_prng rnd = weir_prng_of(1, "crc");
	uint8_t p[300];

	(void)state;
	for (size_t i = 0; i < sizeof(p); i++)
		p[i] = (uint8_t)weir_prng_u64(&rnd);
	for (int i = 0; i < 2000; i++) {
		size_t at = weir_prng_below(&rnd, 20), n = weir_prng_below(&rnd, 280);
		size_t cut = weir_prng_below(&rnd, n + 1);
		uint32_t start = (uint32_t)weir_prng_u64(&rnd);
		uint32_t crc = weir_crc32c(start, p + at, n);

		assert_int_equal(weir_crc32c_plain(start, p + at, n), crc);
		assert_int_equal(
			weir_crc32c(weir_crc32c(start, p + at, cut), p + at + cut, n - cut), crc);
		assert_int_equal(weir_crc32c_plain(weir_crc32c_plain(start, p + at, cut),
						   p + at + cut, n - cut),
				 crc);
	}
}

static void same(struct weir_hash128 h, uint64_t lo, uint64_t hi)
{
	if (h.lo != lo || h.hi != hi)
		fail_msg("%016llx %016llx, not %016llx %016llx", (unsigned long long)h.lo,
			 (unsigned long long)h.hi, (unsigned long long)lo, (unsigned long long)hi);
}

static void test_hash128_is_frozen(void **state)
{
	uint8_t p[1000];

	(void)state;
	for (size_t i = 0; i < sizeof(p); i++)
		p[i] = (uint8_t)(i * 7);
	same(weir_hash128(NULL, 0), UINT64_C(0x6001c324468d497f), UINT64_C(0x99aa06d3014798d8));
	same(weir_hash128(p, 3), UINT64_C(0xc3489259e968ad9e), UINT64_C(0x656e81c56e41fe02));
	same(weir_hash128(p, 100), UINT64_C(0x3dc31a0ba04530cd), UINT64_C(0x858be3b5082c7eb7));
	same(weir_hash128(p, sizeof(p)), UINT64_C(0x10ad30264426c830),
	     UINT64_C(0xabee229cdadad76d));
}

static void test_hash64_seed_is_frozen(void **state)
{
	uint8_t p[1000];

	(void)state;
	for (size_t i = 0; i < sizeof(p); i++)
		p[i] = (uint8_t)(i * 7);
	assert_true(weir_hash64_seed(NULL, 0, 0) == UINT64_C(0x2d06800538d394c2));
	assert_true(weir_hash64_seed(p, 3, 1) == UINT64_C(0xdc7e936cd5b1f73a));
	assert_true(weir_hash64_seed(p, 100, 1) == UINT64_C(0xc185d02cc0dfae27));
	assert_true(weir_hash64_seed(p, sizeof(p), 1) == UINT64_C(0xd619d4c0fec48d50));
	assert_true(weir_hash64_seed(p, sizeof(p), 2) != weir_hash64_seed(p, sizeof(p), 1));
}

static void test_hash128_chain_depends_on_order(void **state)
{
	struct weir_hash128 a = weir_hash128("a", 1), b = weir_hash128("b", 1);
	struct weir_hash128 ab = weir_hash128_chain(a, b), ba = weir_hash128_chain(b, a);
	uint64_t word[4] = {a.lo, a.hi, b.lo, b.hi};

	(void)state;
	assert_false(weir_hash128_eq(a, b));
	assert_false(weir_hash128_eq(ab, ba));
	assert_false(weir_hash128_eq((struct weir_hash128){1, 2}, (struct weir_hash128){1, 3}));
	assert_false(weir_hash128_eq((struct weir_hash128){1, 2}, (struct weir_hash128){0, 2}));
	assert_true(weir_hash128_eq(ab, weir_hash128(word, sizeof(word))));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_crc32c_vectors_of_rfc_3720),
	cmocka_unit_test(test_crc32c_is_the_same_on_both_paths),
	cmocka_unit_test(test_hash128_is_frozen),
	cmocka_unit_test(test_hash64_seed_is_frozen),
	cmocka_unit_test(test_hash128_chain_depends_on_order),
};

WEIR_TEST_MAIN("base/checksum", tests)
