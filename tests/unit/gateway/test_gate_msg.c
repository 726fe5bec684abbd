/* SPDX-License-Identifier: Apache-2.0 */
/* Control messages, stream headers, and the bytes a relay holds. */
#include <string.h>

#include "gateway/core/gate_fifo.h"
#include "gateway/core/gate_msg.h"
#include "tests/lib/test.h"

static uint8_t bytes[WEIR_LINK_CONTROL_MAX + 8];

static struct weir_gate_msg hello(void)
{
	return (struct weir_gate_msg){.kind = WEIR_GATE_MSG_HELLO,
				      .hello = {.version = WEIR_GATE_VERSION,
						.incarnation = UINT64_C(0x1122334455667788),
						.cluster = WEIR_STR("shop"),
						.region = WEIR_STR("eu"),
						.gateway = WEIR_STR("gw0")}};
}

static struct weir_gate_msg beat(void)
{
	return (struct weir_gate_msg){
		.kind = WEIR_GATE_MSG_BEAT,
		.beat = {.time = 7,
			 .echo = 8,
			 .held = 9,
			 .count = 2,
			 .of = {{WEIR_STR("eu"), WEIR_GATE_ALIVE | WEIR_GATE_REACH},
				{WEIR_STR("us"), WEIR_GATE_DEAD}}}};
}

/* Every shorter message, and one with a byte more, is none. */
static void exact(uint32_t n)
{
	struct weir_gate_msg m;

	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(weir_gate_msg_read(bytes, i, &m), WEIR_E_CORRUPT);
	bytes[n] = 0;
	assert_int_equal(weir_gate_msg_read(bytes, n + 1, &m), WEIR_E_CORRUPT);
	assert_int_equal(weir_gate_msg_read(bytes, n, &m), 0);
}

static void test_hello(void **state)
{
	struct weir_gate_msg m = hello(), r;
	uint32_t n = weir_gate_msg_put(bytes, &m);

	(void)state;
	/* The published form, byte by byte. */
	assert_memory_equal(bytes,
			    "\x01\x01\x00\x88\x77\x66\x55\x44\x33\x22\x11\x04shop\x02"
			    "eu\x03gw0",
			    n);
	assert_int_equal(n, 23);
	exact(n);
	assert_int_equal(weir_gate_msg_read(bytes, n, &r), 0);
	assert_int_equal(r.kind, WEIR_GATE_MSG_HELLO);
	assert_int_equal(r.hello.incarnation, m.hello.incarnation);
	assert_true(weir_str_is(r.hello.cluster, "shop"));
	assert_true(weir_str_is(r.hello.region, "eu"));
	assert_true(weir_str_is(r.hello.gateway, "gw0"));
	/* Of another version only the version is read. */
	bytes[1] = 2;
	memset(bytes + 11, 0xff, 12);
	assert_int_equal(weir_gate_msg_read(bytes, n, &r), 0);
	assert_int_equal(r.hello.version, 2);
	assert_int_equal(r.hello.cluster.n, 0);
	/* A region's name that is too long, an empty one. */
	m.hello.region = WEIR_STR("a-very-long-name");
	n = weir_gate_msg_put(bytes, &m);
	assert_int_equal(weir_gate_msg_read(bytes, n, &r), WEIR_E_CORRUPT);
	m.hello.region = WEIR_STR("");
	n = weir_gate_msg_put(bytes, &m);
	assert_int_equal(weir_gate_msg_read(bytes, n, &r), WEIR_E_CORRUPT);
}

static void test_beat(void **state)
{
	struct weir_gate_msg m = beat(), r;
	uint32_t n = weir_gate_msg_put(bytes, &m);

	(void)state;
	exact(n);
	assert_int_equal(weir_gate_msg_read(bytes, n, &r), 0);
	assert_int_equal(r.beat.time, 7);
	assert_int_equal(r.beat.echo, 8);
	assert_int_equal(r.beat.held, 9);
	assert_int_equal(r.beat.count, 2);
	assert_true(weir_str_is(r.beat.of[1].region, "us"));
	assert_int_equal(r.beat.of[0].state, WEIR_GATE_ALIVE | WEIR_GATE_REACH);
	assert_int_equal(r.beat.of[1].state, WEIR_GATE_DEAD);
	bytes[n - 1] = 4; /* no health */
	assert_int_equal(weir_gate_msg_read(bytes, n, &r), WEIR_E_CORRUPT);
	bytes[25] = 33; /* more regions than there can be */
	assert_int_equal(weir_gate_msg_read(bytes, sizeof(bytes) - 8, &r), WEIR_E_CORRUPT);
}

static void test_lanes(void **state)
{
	uint64_t id[WEIR_GATE_LANES_MAX + 1];
	struct weir_gate_msg m = {.kind = WEIR_GATE_MSG_LANES,
				  .held = {.count = 0, .id = (const uint8_t *)id}},
			     r;
	uint32_t n = weir_gate_msg_put(bytes, &m);

	(void)state;
	exact(n);
	assert_int_equal(n, 3);
	for (uint32_t i = 0; i <= WEIR_GATE_LANES_MAX; i++)
		id[i] = i * 5;
	m.held.count = WEIR_GATE_LANES_MAX;
	n = weir_gate_msg_put(bytes, &m); /* as many as there may be fit */
	exact(n);
	assert_int_equal(weir_gate_msg_read(bytes, n, &r), 0);
	assert_int_equal(r.held.count, WEIR_GATE_LANES_MAX);
	assert_int_equal(weir_gate_held_id(&r.held, 479), 479 * 5);
	m.held.count++;
	n = weir_gate_msg_put(bytes, &m);
	assert_int_equal(weir_gate_msg_read(bytes, n, &r), WEIR_E_CORRUPT);
	/* Twice the same, or not in order. */
	m.held.count = 3;
	id[2] = id[1];
	n = weir_gate_msg_put(bytes, &m);
	assert_int_equal(weir_gate_msg_read(bytes, n, &r), WEIR_E_CORRUPT);
}

static void test_kinds(void **state)
{
	struct weir_gate_msg r;

	(void)state;
	memset(bytes, 0, sizeof(bytes));
	assert_int_equal(weir_gate_msg_read(bytes, 10, &r), WEIR_E_CORRUPT);
	bytes[0] = 77; /* of a later version */
	assert_int_equal(weir_gate_msg_read(bytes, 10, &r), 1);
	assert_int_equal(weir_gate_msg_read(bytes, WEIR_LINK_CONTROL_MAX + 1, &r), WEIR_E_CORRUPT);
}

static void test_header(void **state)
{
	struct weir_gate_header h = {.hop = WEIR_GATE_RELAYED,
				     .edge = UINT64_C(0x0102030405060708),
				     .from = WEIR_STR("eu"),
				     .to = WEIR_STR("us")},
				r;
	uint32_t n = weir_gate_header_put(bytes, &h);

	(void)state;
	assert_memory_equal(bytes,
			    "\x01\x02\x08\x07\x06\x05\x04\x03\x02\x01\x02"
			    "eu\x02us",
			    n);
	assert_int_equal(n, 16);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(weir_gate_header_read(bytes, i, &r), WEIR_E_CORRUPT);
	assert_int_equal(weir_gate_header_read(bytes, n + 1, &r), WEIR_E_CORRUPT);
	assert_int_equal(weir_gate_header_read(bytes, n, &r), 0);
	assert_int_equal(r.hop, WEIR_GATE_RELAYED);
	assert_int_equal(r.edge, h.edge);
	assert_true(weir_str_is(r.from, "eu") && weir_str_is(r.to, "us"));
	bytes[1] = 3;
	assert_int_equal(weir_gate_header_read(bytes, n, &r), WEIR_E_CORRUPT);
	bytes[0] = 2;
	assert_int_equal(weir_gate_header_read(bytes, n, &r), WEIR_E_VERSION);
}

/* The fifo against a plain array. */
static void test_fifo(void **state)
{
	static uint8_t all[400000];
	struct weir_gate_fifo f;
	uint64_t in = 0, out = 0, step = 1;
	const uint8_t *p;

	(void)state;
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (uint8_t)(i * 7 + i / 251);
	weir_gate_fifo_init(&f, &weir_test_mem);
	assert_int_equal(weir_gate_fifo_peek(&f, 0, &p), 0);
	weir_gate_fifo_drop(&f, 0);
	while (out < sizeof(all)) {
		uint32_t n = (uint32_t)WEIR_MIN(step * 37 % 50000, sizeof(all) - in);

		weir_gate_fifo_put(&f, all + in, n);
		in += n;
		assert_int_equal(weir_gate_fifo_bytes(&f), in - out);
		for (uint64_t at = out; at < in;) {
			uint32_t k = weir_gate_fifo_peek(&f, at, &p);

			assert_true(k > 0 && at + k <= in);
			assert_memory_equal(p, all + at, k);
			at += k;
		}
		/* Back to an earlier place, as for a repetition. */
		if (in > out) {
			assert_true(weir_gate_fifo_peek(&f, out, &p) > 0);
			assert_int_equal(*p, all[out]);
		}
		out = WEIR_MIN(in, out + step * 91 % 60000);
		weir_gate_fifo_drop(&f, out);
		step++;
	}
	assert_int_equal(weir_gate_fifo_bytes(&f), 0);
	weir_gate_fifo_put(&f, all, 3);
	assert_int_equal(weir_gate_fifo_peek(&f, in, &p), 3);
	weir_gate_fifo_fini(&f);
	assert_int_equal(f.end, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_hello), cmocka_unit_test(test_beat),   cmocka_unit_test(test_lanes),
	cmocka_unit_test(test_kinds), cmocka_unit_test(test_header), cmocka_unit_test(test_fifo),
};

WEIR_TEST_MAIN("gate_msg", tests)
