/* SPDX-License-Identifier: Apache-2.0 */
/* Batches packed for the way and unpacked again; bytes from elsewhere. */
#include "engine/edge/lane_pack.h"
#include "host/cluster.h"
#include "tests/lib/test.h"

#define BATCH 32768u

static uint8_t in[BATCH], out[BATCH], back[BATCH + 64];

static uint64_t next(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *seed >> 33;
}

/* Each byte comes so many times in a row. */
static void fill(unsigned times)
{
	uint64_t seed = 3;

	for (uint32_t i = 0; i < BATCH; i++)
		in[i] = i % times ? in[i - 1] : (uint8_t)next(&seed);
}

static struct weir_lane_pack *pack_of(int mode)
{
	static struct weir_cluster c;
	struct weir_err err = {0};
	struct weir_lane_pack *p;

	c.compression = mode;
	p = weir_lane_pack_new(&c, NULL, &err);
	assert_non_null(p);
	return p;
}

static void test_lane_pack_there_and_back(void **state)
{
	static const int mode[] = {WEIR_COMPRESS_LZ4, WEIR_COMPRESS_ZSTD, WEIR_COMPRESS_AUTO};
	static const uint8_t codec[] = {WEIR_LANE_LZ4, WEIR_LANE_ZSTD, WEIR_LANE_ZSTD};

	(void)state;
	fill(32);
	for (size_t i = 0; i < WEIR_COUNT_OF(mode); i++) {
		struct weir_lane_pack *p = pack_of(mode[i]), *q = pack_of(WEIR_COMPRESS_NONE);
		const struct weir_lane_codecs *c = weir_lane_pack_codecs(p);
		uint8_t how = 0;
		uint32_t n = c->pack(c->ctx, in, BATCH, out, BATCH - 1, &how);

		assert_true(n > 0 && n < BATCH / 2);
		assert_int_equal(how, codec[i]);
		/* The other side may be configured otherwise. */
		c = weir_lane_pack_codecs(q);
		assert_null(c->pack);
		memset(back, 0, sizeof(back));
		assert_true(c->unpack(c->ctx, how, out, n, back, BATCH));
		assert_memory_equal(back, in, BATCH);
		/* Another length than was said, bytes that are missing, damage: refused, and nothing is written behind. */
		memset(back, 0xee, sizeof(back));
		assert_false(c->unpack(c->ctx, how, out, n, back, BATCH - 8));
		assert_int_equal(back[BATCH - 8], 0xee);
		assert_false(c->unpack(c->ctx, how, out, n, back, BATCH + 8));
		for (uint32_t cut = 0; cut < n; cut += 97)
			assert_false(c->unpack(c->ctx, how, out, cut, back, BATCH));
		assert_false(c->unpack(c->ctx, WEIR_LANE_PLAIN, out, n, back, BATCH));
		assert_false(c->unpack(c->ctx, 9, out, n, back, BATCH));
		weir_lane_pack_free(p);
		weir_lane_pack_free(q);
	}
}

/* What does not shrink goes as it is, also when it would shrink by a little; and soon most is not tried. */
static void test_lane_pack_no_gain(void **state)
{
	static const int mode[] = {WEIR_COMPRESS_LZ4, WEIR_COMPRESS_ZSTD, WEIR_COMPRESS_AUTO};

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(mode); i++) {
		struct weir_lane_pack *p = pack_of(mode[i]);
		const struct weir_lane_codecs *c = weir_lane_pack_codecs(p);
		uint32_t tried = 0;
		uint8_t how = 0;

		fill(1);
		for (int k = 0; k < 8; k++)
			assert_int_equal(c->pack(c->ctx, in, BATCH, out, BATCH - 1, &how), 0);
		fill(32);
		while (!c->pack(c->ctx, in, BATCH, out, BATCH - 1, &how))
			assert_true(++tried < 32);
		assert_true(tried > 8);
		/* Now that it is worth it again, each one is. */
		assert_true(c->pack(c->ctx, in, BATCH, out, BATCH - 1, &how) > 0);
		/* No more room than there is. */
		assert_int_equal(c->pack(c->ctx, in, BATCH, out, 16, &how), 0);
		weir_lane_pack_free(p);
	}
	weir_lane_pack_free(NULL);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_lane_pack_there_and_back),
	cmocka_unit_test(test_lane_pack_no_gain),
};

WEIR_TEST_MAIN("lane_pack", tests)
