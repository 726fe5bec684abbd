/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of our own on a link, in pieces of all sizes, and what is refused; the counting of stream bytes in packets. */
#include "gateway/edge/quic_priv.h"
#include "tests/lib/test.h"

static struct weir_quic_message hello(const char *gateway, const char *wanted)
{
	return (struct weir_quic_message){.kind = WEIR_QUIC_HELLO,
					  .gateway = weir_str_c(gateway),
					  .wanted = weir_str_c(wanted)};
}

static void test_round_trip(void **state)
{
	static uint8_t wire[3 * WEIR_QUIC_FRAME_MAX], big[WEIR_LINK_CONTROL_MAX];
	static struct weir_quic_framer f;
	struct weir_quic_message in[5] = {hello("gw0", "fast"),
					  {.kind = WEIR_QUIC_MESSAGE, .body = big, .n = 4096},
					  {.kind = WEIR_QUIC_MESSAGE},
					  {.kind = WEIR_QUIC_SHUT,
					   .stream = (INT64_C(1) << 62) - 1,
					   .why = WEIR_STR("because")},
					  hello("", "")};
	uint32_t n = 0;

	(void)state;
	for (uint32_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)(i * 7);
	for (int i = 0; i < 5; i++)
		n += weir_quic_message_put(wire + n, &in[i]);
	for (uint32_t piece = 1; piece <= n; piece = piece * 3 / 2 + 1) {
		int got = 0;

		for (uint32_t at = 0; at < n; at += piece) {
			const uint8_t *p = wire + at, *end = wire + WEIR_MIN(at + piece, n);
			struct weir_quic_message m;
			int r;

			while ((r = weir_quic_framer_next(&f, &p, end, &m)) > 0) {
				const struct weir_quic_message *w = &in[got++];

				assert_int_equal(m.kind, w->kind);
				assert_int_equal(m.n, w->n);
				if (m.n)
					assert_memory_equal(m.body, w->body, m.n);
				assert_true(weir_str_eq(m.gateway, w->gateway));
				assert_true(weir_str_eq(m.wanted, w->wanted));
				assert_true(weir_str_eq(m.why, w->why));
				assert_true(m.stream == w->stream);
			}
			assert_int_equal(r, 0);
			assert_ptr_equal(p, end);
		}
		assert_int_equal(got, 5);
	}
}

static void test_published(void **state)
{
	static const uint8_t want[] = {9, 0, 1, 1, 3, 'g', 'w', '0', 2, 'a', 'b'};
	static const uint8_t shut[] = {6, 0, 3, 0x80, 0x02, 2, 'n', 'o'};
	struct weir_quic_message m = hello("gw0", "ab");
	uint8_t wire[WEIR_QUIC_FRAME_MAX];

	(void)state;
	assert_int_equal(weir_quic_message_put(wire, &m), sizeof(want));
	assert_memory_equal(wire, want, sizeof(want));
	m = (struct weir_quic_message){
		.kind = WEIR_QUIC_SHUT, .stream = 256, .why = WEIR_STR("no")};
	assert_int_equal(weir_quic_message_put(wire, &m), sizeof(shut));
	assert_memory_equal(wire, shut, sizeof(shut));
}

static int feed(const void *p, size_t n)
{
	struct weir_quic_framer f = {0};
	struct weir_quic_message m;
	const uint8_t *at = (const uint8_t *)p;

	return weir_quic_framer_next(&f, &at, at + n, &m);
}

static void test_refused(void **state)
{
	static uint8_t buf[300];

	(void)state;
	assert_int_equal(feed("", 0), 0);
	assert_int_equal(feed("\0\0", 2), WEIR_E_CORRUPT); /* empty */
	assert_int_equal(feed("\2\20", 2), WEIR_E_CORRUPT); /* 4098 */
	assert_int_equal(feed("\1\20", 2), 0); /* 4097 */
	assert_int_equal(feed("\1\0\0", 3), WEIR_E_CORRUPT); /* kinds */
	assert_int_equal(feed("\1\0\4", 3), WEIR_E_CORRUPT);
	assert_int_equal(feed("\1\0\1", 3), WEIR_E_CORRUPT); /* a hello cut short */
	assert_int_equal(feed("\4\0\1\1\0\0", 6), 1);
	assert_int_equal(feed("\5\0\1\1\0\0\0", 7), WEIR_E_CORRUPT); /* bytes behind it */
	assert_int_equal(feed("\4\0\1\2\0\0", 6), WEIR_E_CORRUPT); /* version */
	assert_int_equal(feed("\4\0\1\1\1\0", 6), WEIR_E_CORRUPT); /* text past the end */
	assert_int_equal(feed("\3\0\3\0\0", 5), 1);
	assert_int_equal(feed("\2\0\3\0", 4), WEIR_E_CORRUPT);
	memcpy(buf, "\104\0\1\1\100", 5); /* a name of 64 bytes */
	assert_int_equal(feed(buf, 2 + 68), WEIR_E_CORRUPT);
	memcpy(buf, "\174\0\3\0\171", 5); /* a reason of 121 bytes */
	assert_int_equal(feed(buf, 2 + 124), WEIR_E_CORRUPT);
	memcpy(buf, "\173\0\3\0\170", 5); /* of 120 */
	assert_int_equal(feed(buf, 2 + 123), 1);
	/* A stream number that QUIC does not have. */
	assert_int_equal(feed("\13\0\3\200\200\200\200\200\200\200\200\100\0", 13), WEIR_E_CORRUPT);
}

static void test_cut(void **state)
{
	static char name[300];
	static struct weir_quic_framer f;
	uint8_t wire[WEIR_QUIC_FRAME_MAX];
	const uint8_t *p = wire;
	struct weir_quic_message m;
	uint32_t n;

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	m = (struct weir_quic_message){.kind = WEIR_QUIC_SHUT, .why = weir_str_c(name)};
	n = weir_quic_message_put(wire, &m);
	assert_int_equal(weir_quic_framer_next(&f, &p, wire + n, &m), 1);
	assert_int_equal(m.why.n, WEIR_QUIC_WHY_MAX);
}

static void test_header(void **state)
{
	(void)state;
	for (uint32_t n = 0; n <= 255; n += 51)
		for (uint32_t piece = 1; piece < 300; piece += 37) {
			struct weir_quic_header out, in = {0};
			uint8_t text[255], wire[400];
			uint32_t at = 0, used = 0;

			memset(text, (int)n, sizeof(text));
			memset(wire, 0xaa, sizeof(wire));
			weir_quic_header_set(&out, text, n);
			assert_int_equal(out.have, n + 1);
			memcpy(wire, out.buf, out.have);
			for (; at < sizeof(wire); at += piece)
				used += (uint32_t)weir_quic_header_feed(
					&in, wire + at,
					WEIR_MIN(piece, (uint32_t)sizeof(wire) - at));
			assert_true(in.done);
			assert_int_equal(used, n + 1); /* and nothing of the data */
			assert_memory_equal(in.buf, out.buf, n + 1);
		}
	assert_int_equal(weir_quic_header_feed(&(struct weir_quic_header){0}, NULL, 0), 0);
}

static void test_why(void **state)
{
	char ret[WEIR_QUIC_WHY_MAX + 1], *want;
	uint8_t all[300];

	(void)state;
	memset(all, 'a', sizeof(all));
	memcpy(all, "x\n\0\x1b\x7f\xffy", 7);
	weir_quic_why_clean(ret, all, sizeof(all));
	assert_int_equal(strlen(ret), WEIR_QUIC_WHY_MAX);
	want = (char *)"x?????ya";
	assert_memory_equal(ret, want, 8);
	weir_quic_why_clean(ret, NULL, 0);
	assert_string_equal(ret, "");
}

#define COUNT(lit) weir_quic__count_stream_bytes((const uint8_t *)(lit), sizeof(lit) - 1)

static void test_count(void **state)
{
	(void)state;
	assert_int_equal(COUNT(""), 0);
	assert_int_equal(COUNT("\0\0\0\1"), 0); /* padding, ping */
	assert_int_equal(COUNT("\x08\4abc"), 3); /* to the end */
	assert_int_equal(COUNT("\x0a\4\2abc"), 2); /* with a length, then something unknown */
	assert_int_equal(COUNT("\x0e\4\7\2ab\x0f\4\7\3abc"), 5);
	assert_int_equal(COUNT("\2\5\0\0\3\x0a\4\1a"), 1); /* ack without further ranges */
	assert_int_equal(COUNT("\2\5\0\2\3\1\1\1\1\x0a\4\1a"), 1);
	assert_int_equal(COUNT("\3\5\0\0\3\1\2\3\x0a\4\1a"), 1); /* with ECN */
	assert_int_equal(COUNT("\4\1\2\3\5\1\2\x10\1\x11\1\2\x12\1\x13\1\x14\1\x15\1\2\x16\1\x17\1"
			       "\x19\1\x0a\4\1a"),
			 1);
	assert_int_equal(COUNT("\6\0\2ab\7\2ab\x1e\x1a"
			       "12345678\x1b"
			       "12345678\x0a\4\1a"),
			 1);
	assert_int_equal(COUNT("\x18\1\0\4abcd0123456789abcdef\x0a\4\1a"), 1);
	assert_int_equal(COUNT("\x0a\4\x40\3abc"), 3); /* a length of two bytes */
	assert_int_equal(COUNT("\x1c\1\2\x0a\4\1a"), 0); /* a close is the last */
	/* Cut short anywhere: no byte too far. */
	assert_int_equal(COUNT("\x0a\4\x40"), 0);
	assert_int_equal(COUNT("\x0a\4\x09"
			       "abc"),
			 3);
	assert_int_equal(COUNT("\2\5\0\xbf\xff\xff\xff\3"), 0);
	assert_int_equal(COUNT("\6\0\x3f"), 0);
	assert_int_equal(COUNT("\x18\1\0"), 0);
	assert_int_equal(COUNT("\x40"), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_round_trip), cmocka_unit_test(test_published),
	cmocka_unit_test(test_refused),	   cmocka_unit_test(test_cut),
	cmocka_unit_test(test_header),	   cmocka_unit_test(test_why),
	cmocka_unit_test(test_count),
};

WEIR_TEST_MAIN("gateway/quic_wire", tests)
