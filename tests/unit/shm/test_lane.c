/* SPDX-License-Identifier: Apache-2.0 */
#include "base/checksum.h"
#include "base/err.h"
#include "base/prng.h"
#include "shm/lane.h"
#include "tests/lib/test.h"

#define BODY 512

struct frame {
	struct weir_lane_head h;
	union {
		struct weir_lane_data d;
		uint8_t body[BODY];
	};
};

static void put_text(struct frame *f, enum weir_lane_type type, const char *text)
{
	memset(f, 0xee, sizeof(*f));
	memset(&f->h, 0, sizeof(f->h));
	memcpy(f->body, text, strlen(text));
	weir_lane_seal_body(&f->h, type, (uint32_t)strlen(text));
}

/* One record of 48 bytes, plain. */
static void put_data(struct frame *f)
{
	memset(f, 0, sizeof(*f));
	f->h.count = 1;
	f->d.raw_bytes = 48;
	f->body[sizeof(f->d)] = 48;
	weir_lane_seal_body(&f->h, WEIR_LANE_DATA, sizeof(f->d) + 48);
}

static int check(const struct frame *f)
{
	return weir_lane_check(&f->h, weir_frame_stride(&f->h.f));
}

static void test_lane_offsets_are_the_documented_ones(void **state)
{
	(void)state;
	assert_int_equal(offsetof(struct weir_lane_head, f.size), 0);
	assert_int_equal(offsetof(struct weir_lane_head, f.kind), 4);
	assert_int_equal(offsetof(struct weir_lane_head, f.flags), 5);
	assert_int_equal(offsetof(struct weir_lane_head, f.stream), 6);
	assert_int_equal(offsetof(struct weir_lane_head, f.key_hash), 8);
	assert_int_equal(offsetof(struct weir_lane_head, f.time_ns), 16);
	assert_int_equal(offsetof(struct weir_lane_head, epoch), 24);
	assert_int_equal(offsetof(struct weir_lane_head, seq), 32);
	assert_int_equal(offsetof(struct weir_lane_head, fence), 40);
	assert_int_equal(offsetof(struct weir_lane_head, chain), 48);
	assert_int_equal(offsetof(struct weir_lane_head, count), 56);
	assert_int_equal(offsetof(struct weir_lane_head, crc), 60);
	assert_int_equal(offsetof(struct weir_lane_data, raw_bytes), 4);
	assert_int_equal(offsetof(struct weir_lane_data, codec), 8);
}

static void test_lane_a_sealed_frame_passes(void **state)
{
	struct frame f;

	(void)state;
	memset(&f, 0, sizeof(f));
	weir_lane_seal(&f.h, WEIR_LANE_COMMIT, 0);
	assert_int_equal(f.h.f.size, 64);
	assert_int_equal(f.h.f.stream, 1);
	assert_int_equal(f.h.crc, weir_crc32c(0, &f, 60));
	assert_int_equal(weir_lane_stride(&f, 64, 64), 64);
	assert_int_equal(check(&f), 0);

	put_text(&f, WEIR_LANE_STATUS, "step@eu");
	assert_int_equal(weir_lane_stride(&f, 64, 4096), 72);
	assert_int_equal(f.body[7], 0); /* padding, where 0xee was */
	assert_int_equal(check(&f), 0);

	put_data(&f);
	assert_int_equal(weir_lane_stride(&f, 64, 4096), 128);
	assert_int_equal(check(&f), 0);
	assert_int_equal(weir_lane_check(&f.h, sizeof(f)), 0);
	assert_int_equal(weir_lane_check(&f.h, 120), WEIR_E_CORRUPT);
}

static void test_lane_stride_needs_a_whole_head(void **state)
{
	struct frame f;

	(void)state;
	put_text(&f, WEIR_LANE_HELLO, "hello");
	for (uint64_t n = 0; n < 64; n++)
		assert_int_equal(weir_lane_stride(&f, n, 4096), 0);
	assert_int_equal(weir_lane_check(&f.h, 63), WEIR_E_CORRUPT);
	assert_int_equal(weir_lane_stride(&f, 64, 69), 72);
	assert_int_equal(weir_lane_stride(&f, 64, 68), WEIR_E_CORRUPT);
}

static void test_lane_every_flipped_bit_is_seen(void **state)
{
	struct frame f;
	uint32_t n;

	(void)state;
	put_data(&f);
	n = weir_frame_stride(&f.h.f);
	for (uint32_t bit = 0; bit < 8 * n; bit++) {
		uint8_t *p = (uint8_t *)&f + bit / 8;

		*p ^= (uint8_t)(1u << bit % 8);
		/* Of the bytes of the frame alone: a longer size must not be believed. */
		assert_int_equal(weir_lane_check(&f.h, n), WEIR_E_CORRUPT);
		if (bit < 8 * 64)
			assert_int_equal(weir_lane_stride(&f, n, UINT32_MAX), WEIR_E_CORRUPT);
		*p ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(check(&f), 0);
	/* Padding has no checksum, it must be zero. */
	put_text(&f, WEIR_LANE_CLOSED, "abc");
	f.body[5] = 1;
	assert_int_equal(check(&f), WEIR_E_CORRUPT);
}

/* Right checksum, wrong content. */
static void reseal(struct frame *f)
{
	f->h.crc = weir_crc32c(0, &f->h, 60);
}

static void test_lane_a_head_that_makes_no_sense(void **state)
{
	struct frame f;

	(void)state;
#define BAD(change)                                                                                \
	put_text(&f, WEIR_LANE_HELLO, "hello");                                                    \
	f.h.change;                                                                                \
	reseal(&f);                                                                                \
	assert_int_equal(weir_lane_stride(&f, 64, UINT32_MAX), WEIR_E_CORRUPT);                    \
	assert_int_equal(weir_lane_check(&f.h, sizeof(f)), WEIR_E_CORRUPT)
	BAD(f.kind = WEIR_FRAME_DATA);
	BAD(f.stream = 2);
	BAD(f.flags = 0);
	BAD(f.flags = WEIR_LANE_TYPE_COUNT);
	BAD(f.flags = 255);
	BAD(f.size = 63);
	BAD(f.size = 0);
	BAD(f.size = WEIR_LANE_FRAME_LIMIT + 1);
	BAD(f.size = UINT32_MAX);
	/* A body where none belongs. */
	BAD(f.flags = WEIR_LANE_COMMIT);
	BAD(f.flags = WEIR_LANE_RESUME);
#undef BAD
}

static void test_lane_data_that_makes_no_sense(void **state)
{
	struct frame f;

	(void)state;
#define BAD(change)                                                                                \
	put_data(&f);                                                                              \
	f.change;                                                                                  \
	weir_lane_seal_body(&f.h, WEIR_LANE_DATA, f.h.f.size - 64);                                \
	assert_int_equal(weir_lane_stride(&f, 64, 4096), 128);                                     \
	assert_int_equal(check(&f), WEIR_E_CORRUPT)
	BAD(h.count = 0);
	BAD(h.count = 3); /* 48 bytes hold two heads */
	BAD(d.raw_bytes = 40); /* plain, and not the body's size */
	BAD(d.codec = 3);
	BAD(d.reserved[6] = 1);
	BAD(d.raw_bytes = 0; f.d.codec = WEIR_LANE_LZ4);
	BAD(d.raw_bytes = 16; f.d.codec = WEIR_LANE_LZ4);
	BAD(d.raw_bytes = 44; f.d.codec = WEIR_LANE_LZ4);
	BAD(d.raw_bytes = WEIR_LANE_FRAME_LIMIT + 8; f.d.codec = WEIR_LANE_ZSTD);
#undef BAD
	put_data(&f);
	f.d.codec = WEIR_LANE_ZSTD;
	f.d.raw_bytes = 4096;
	f.h.count = 4096 / 24;
	weir_lane_seal_body(&f.h, WEIR_LANE_DATA, f.h.f.size - 64);
	assert_int_equal(check(&f), 0);
	/* Nothing behind the data head. */
	put_data(&f);
	f.h.f.size = 80;
	reseal(&f);
	assert_int_equal(weir_lane_check(&f.h, 80), WEIR_E_CORRUPT);
	f.h.f.size = 64;
	reseal(&f);
	assert_int_equal(weir_lane_check(&f.h, 80), WEIR_E_CORRUPT);
}

static void test_lane_random_bytes_are_refused(void **state)
{
	struct weir_prng rnd = weir_prng_of(1, "lane");
	struct frame f;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		uint64_t *p = (uint64_t *)(void *)&f;

		for (size_t k = 0; k < sizeof(f) / 8; k++)
			p[k] = weir_prng_u64(&rnd);
		if (i & 1) {
			f.h.f.kind = WEIR_FRAME_LANE;
			f.h.f.stream = WEIR_LANE_VERSION;
			f.h.f.size = 64 + (uint32_t)weir_prng_below(&rnd, BODY + 64);
			f.h.f.flags = WEIR_LANE_DATA;
			reseal(&f);
		}
		assert_int_equal(weir_lane_check(&f.h, sizeof(f)), WEIR_E_CORRUPT);
	}
}

static void test_lane_types_have_names(void **state)
{
	(void)state;
	assert_string_equal(weir_lane_type_name(WEIR_LANE_HELLO), "hello");
	assert_string_equal(weir_lane_type_name(WEIR_LANE_CLOSED), "closed");
	for (unsigned i = 1; i < WEIR_LANE_TYPE_COUNT; i++)
		assert_string_not_equal(weir_lane_type_name(i), "?");
	assert_string_equal(weir_lane_type_name(0), "?");
	assert_string_equal(weir_lane_type_name(WEIR_LANE_TYPE_COUNT), "?");
}

static void test_lane_ring_names(void **state)
{
	char name[72], peer[WEIR_REGION_MAX + 1];
	uint64_t edge = 0;
	bool out = false;

	(void)state;
	weir_lane_ring_name(name, sizeof(name), true, 0x0123456789abcdef, "eu-west-1", "orders");
	assert_string_equal(name, "lane-out 0123456789abcdef eu-west-1 orders");
	assert_true(weir_lane_ring_parse(name, &out, &edge, peer));
	assert_true(out);
	assert_true(edge == 0x0123456789abcdef);
	assert_string_equal(peer, "eu-west-1");

	/* The longest peer, a step that is cut. */
	weir_lane_ring_name(name, sizeof(name), false, 7, "abcdefghijklmno",
			    "a-step-with-a-name-of-sixty-three-bytes-which-is-the-longest");
	assert_int_equal(strlen(name), 71);
	assert_true(weir_lane_ring_parse(name, &out, &edge, peer));
	assert_false(out);
	assert_true(edge == 7);
	assert_string_equal(peer, "abcdefghijklmno");
}

static void test_lane_other_ring_names(void **state)
{
	static const char *const bad[] = {
		"",
		"lane-out",
		"lane-out ",
		"lane-up 0123456789abcdef eu step",
		"lane-out 0123456789abcde eu step",
		"lane-out 0123456789abcdeF eu step",
		"lane-out 0123456789abcdef",
		"lane-out 0123456789abcdef ",
		"lane-out 0123456789abcdef0eu step",
		"lane-out 0123456789abcdef eu",
		"lane-out 0123456789abcdef 1eu step",
		"lane-out 0123456789abcdef -eu step",
		"lane-out 0123456789abcdef eU step",
		"lane-out 0123456789abcdef  step",
		"lane-in 0123456789abcdef abcdefghijklmnop step",
		"orders to window 3",
	};

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(bad); i++) {
		char peer[WEIR_REGION_MAX + 1];
		uint64_t edge;
		bool out;

		assert_false(weir_lane_ring_parse(bad[i], &out, &edge, peer));
	}
}

static void test_lane_counter_names(void **state)
{
	char name[64];

	(void)state;
	weir_lane_counter_name(name, sizeof(name), 0xab, WEIR_LANE_WIRE_OUT);
	assert_string_equal(name, "lane.00000000000000ab.wire_out");
	weir_lane_counter_name(name, sizeof(name), 0xab, WEIR_LANE_WIRE_IN);
	assert_string_equal(name, "lane.00000000000000ab.wire_in");
	weir_lane_counter_name(name, sizeof(name), UINT64_MAX, WEIR_LANE_RTT_NS);
	assert_string_equal(name, "lane.ffffffffffffffff.rtt_ns");
	weir_lane_counter_name(name, sizeof(name), 0, WEIR_LANE_STATE);
	assert_string_equal(name, "lane.0000000000000000.state");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_lane_offsets_are_the_documented_ones),
	cmocka_unit_test(test_lane_a_sealed_frame_passes),
	cmocka_unit_test(test_lane_stride_needs_a_whole_head),
	cmocka_unit_test(test_lane_every_flipped_bit_is_seen),
	cmocka_unit_test(test_lane_a_head_that_makes_no_sense),
	cmocka_unit_test(test_lane_data_that_makes_no_sense),
	cmocka_unit_test(test_lane_random_bytes_are_refused),
	cmocka_unit_test(test_lane_types_have_names),
	cmocka_unit_test(test_lane_ring_names),
	cmocka_unit_test(test_lane_other_ring_names),
	cmocka_unit_test(test_lane_counter_names),
};

WEIR_TEST_MAIN("shm/lane", tests)
