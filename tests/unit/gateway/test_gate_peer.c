/* SPDX-License-Identifier: Apache-2.0 */
/* A gate and peers that say what they must not: by hand, event by event. What it costs is their own link or stream. */
#include <string.h>

#include "gateway/core/gate_msg.h"
#include "tests/lib/test.h"

#define MS UINT64_C(1000000)
#define HERE "ap"
#define EDGE_EU 5u /* a lane with eu, which opens */
#define EDGE_US 6u
#define EDGE_SA 7u /* a lane with sa, which we open */

static struct {
	struct weir_gate *g;
	uint64_t now;
	uint32_t dials, closed[64], shut[4096], opened, closes, shuts;
	char why[128];
	uint8_t header[256];
	uint32_t header_n;
	weir_link_id header_link;
	bool no_open, in_full;
	uint64_t credit, kept;
	_Alignas(8) uint8_t in[1 << 20];
} t;

static weir_link_id dial(void *ctx, uint32_t region, uint32_t gateway)
{
	(void)ctx;
	(void)region;
	(void)gateway;
	return 1000 + ++t.dials;
}

static void close_link(void *ctx, weir_link_id link, const char *why)
{
	(void)ctx;
	t.closed[t.closes++ % 64] = link;
	snprintf(t.why, sizeof(t.why), "%s", why);
}

static bool control(void *ctx, weir_link_id link, const void *p, uint32_t n)
{
	(void)ctx;
	(void)link;
	(void)p;
	(void)n;
	return true;
}

static weir_stream_id open_stream(void *ctx, weir_link_id link, const void *header, uint32_t n)
{
	(void)ctx;
	if (t.no_open)
		return 0;
	t.header_link = link;
	memcpy(t.header, header, n);
	t.header_n = n;
	return 100000 + ++t.opened;
}

static void shut(void *ctx, weir_stream_id stream, const char *why)
{
	(void)ctx;
	t.shut[t.shuts++ % 4096] = stream;
	snprintf(t.why, sizeof(t.why), "%s", why);
}

static void ready(void *ctx, weir_stream_id stream)
{
	(void)ctx;
	(void)stream;
}

static void credit(void *ctx, weir_stream_id stream, uint64_t bytes)
{
	(void)ctx;
	(void)stream;
	t.credit += bytes;
}

static uint64_t out_peek(void *ctx, uint32_t lane, uint64_t skip, const uint8_t **ret_p)
{
	(void)ctx;
	(void)lane;
	(void)skip;
	(void)ret_p;
	return 0;
}

static void out_done(void *ctx, uint32_t lane, uint64_t bytes)
{
	(void)ctx;
	(void)lane;
	(void)bytes;
	fail();
}

static void *in_claim(void *ctx, uint32_t lane, uint32_t size)
{
	(void)ctx;
	(void)lane;
	return !t.in_full && size <= sizeof(t.in) ? t.in : NULL;
}

static void in_keep(void *ctx, uint32_t lane, uint32_t size)
{
	(void)ctx;
	(void)lane;
	(void)size;
	t.kept++;
}

static uint64_t in_used(void *ctx, uint32_t lane)
{
	(void)ctx;
	(void)lane;
	return 0;
}

static const struct weir_link_ops link_ops = {.dial = dial,
					      .close = close_link,
					      .control = control,
					      .open = open_stream,
					      .shut = shut,
					      .ready = ready,
					      .credit = credit};
static const struct weir_gate_lane_ops lane_ops = {.out_peek = out_peek,
						   .out_done = out_done,
						   .in_claim = in_claim,
						   .in_keep = in_keep,
						   .in_used = in_used};
static const struct weir_gate_lane lanes[] = {
	{.edge = EDGE_SA, .peer = 3, .frame_max = 65536, .in_bytes = 1 << 20},
	{.edge = EDGE_EU, .peer = 0, .frame_max = 65536, .in_bytes = 1 << 20},
	{.edge = EDGE_US, .peer = 1, .frame_max = 65536, .in_bytes = 1 << 20},
};

static uint64_t step(uint64_t ns)
{
	t.now += ns;
	return weir_gate_step(t.g, t.now, 17);
}

static int set_up(void **state)
{
	static const char *const region[] = {"eu", "us", HERE, "sa"};
	static const char *const gw[] = {"gw0", "gw1"};
	static const char *const *const names[] = {gw, gw, gw, gw};
	static const uint32_t count[] = {1, 1, 1, 2};
	struct weir_gate_options o = {.cluster = "shop",
				      .region_count = 4,
				      .here = 2,
				      .region = region,
				      .gateway_count = count,
				      .gateway = 0,
				      .gateway_name = names,
				      .heartbeat_ns = 250 * MS,
				      .suspect_ns = 1000 * MS,
				      .dead_ns = 3000 * MS,
				      .incarnation = 9,
				      .mem = &weir_test_mem,
				      .link = &link_ops};

	(void)state;
	memset(&t, 0, sizeof(t));
	t.now = 1000 * MS;
	t.g = weir_gate_new(&o);
	assert_int_equal(weir_gate_lanes(t.g, lanes, 3, &lane_ops, t.now), 0);
	step(0);
	step(MS);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	weir_gate_free(t.g);
	return 0;
}

static void event(struct weir_link_event e)
{
	weir_gate_event(t.g, &e, t.now);
	step(0);
}

static void up(weir_link_id link, const char *region, const char *gateway)
{
	event((struct weir_link_event){
		.kind = WEIR_LINK_UP, .link = link, .region = region, .gateway = gateway});
}

static void say(weir_link_id link, const void *p, uint32_t n)
{
	event((struct weir_link_event){.kind = WEIR_LINK_CONTROL, .link = link, .data = p, .n = n});
}

static void say_msg(weir_link_id link, struct weir_gate_msg m)
{
	uint8_t bytes[WEIR_LINK_CONTROL_MAX];

	say(link, bytes, weir_gate_msg_put(bytes, &m));
}

static void say_hello(weir_link_id link, const char *cluster, const char *region,
		      const char *gateway, uint64_t incarnation)
{
	say_msg(link, (struct weir_gate_msg){.kind = WEIR_GATE_MSG_HELLO,
					     .hello = {.version = 1,
						       .incarnation = incarnation,
						       .cluster = weir_str_c(cluster),
						       .region = weir_str_c(region),
						       .gateway = weir_str_c(gateway)}});
}

/* Up and greeted. */
static void linked(weir_link_id link, const char *region, const char *gateway)
{
	up(link, region, gateway);
	say_hello(link, "shop", region, gateway, 3);
}

static void say_lanes(weir_link_id link, const uint64_t *id, uint32_t count)
{
	say_msg(link, (struct weir_gate_msg){.kind = WEIR_GATE_MSG_LANES,
					     .held = {.count = count, .id = (const uint8_t *)id}});
}

static void open_by(weir_link_id link, weir_stream_id stream, uint8_t hop, uint64_t edge,
		    const char *from, const char *to)
{
	uint8_t bytes[255];
	struct weir_gate_header h = {
		.hop = hop, .edge = edge, .from = weir_str_c(from), .to = weir_str_c(to)};
	uint32_t n = weir_gate_header_put(bytes, &h);

	event((struct weir_link_event){.kind = WEIR_LINK_STREAM_OPEN,
				       .link = link,
				       .stream = stream,
				       .data = bytes,
				       .n = n});
}

static void data(weir_stream_id stream, const void *p, uint32_t n)
{
	event((struct weir_link_event){
		.kind = WEIR_LINK_STREAM_DATA, .stream = stream, .data = p, .n = n});
}

static struct weir_gate_region_info info(uint32_t region)
{
	struct weir_gate_region_info i;

	weir_gate_region(t.g, region, &i);
	return i;
}

static unsigned lane_state(uint32_t lane)
{
	struct weir_gate_lane_info i;

	weir_gate_lane_info(t.g, lane, &i);
	return i.state;
}

/* The last thing asked for was to close this link, for this reason. */
static void assert_closed(weir_link_id link, const char *why)
{
	assert_true(t.closes > 0);
	assert_int_equal(t.closed[(t.closes - 1) % 64], link);
	assert_non_null(strstr(t.why, why));
}

static void assert_shut(weir_stream_id stream, const char *why)
{
	assert_true(t.shuts > 0);
	assert_int_equal(t.shut[(t.shuts - 1) % 4096], stream);
	assert_non_null(strstr(t.why, why));
}

static void test_who_comes_up(void **state)
{
	(void)state;
	up(1, "eu", "gw7");
	assert_closed(1, "no gateway of another region");
	up(2, HERE, "gw0");
	assert_closed(2, "no gateway of another region");
	/* Events of what was closed are nothing. */
	say(1, "\1", 1);
	open_by(1, 5, 0, 5, "eu", HERE);
	event((struct weir_link_event){.kind = WEIR_LINK_DOWN, .link = 1, .text = "x"});
	assert_int_equal(t.closes, 2);
	/* Our dials: every name is larger than ours. */
	assert_int_equal(t.dials, 4);
	event((struct weir_link_event){.kind = WEIR_LINK_UP,
				       .link = 1002,
				       .ours = true,
				       .region = "eu",
				       .gateway = "gw0"});
	assert_closed(1002, "another gateway answers");
	assert_int_equal(info(1).refused, 1);
	event((struct weir_link_event){
		.kind = WEIR_LINK_UP, .link = 77, .ours = true, .region = "eu", .gateway = "gw0"});
	assert_closed(77, "no longer wanted");
	/* Three links of one gateway that say nothing; a fourth is too many. */
	event((struct weir_link_event){.kind = WEIR_LINK_DOWN, .link = 1001, .text = "no"});
	up(11, "eu", "gw0");
	up(12, "eu", "gw0");
	up(13, "eu", "gw0");
	up(14, "eu", "gw0");
	assert_closed(14, "too many");
	/* The dial that is due finds no place either. */
	t.closes = 0;
	step(200 * MS);
	assert_closed(1000 + t.dials, "too many");
	t.closes = 0;
	step(3000 * MS);
	assert_true(t.closes >= 3);
	assert_string_equal(info(0).last_error, "silent");
}

static void test_hello_that_is_wrong(void **state)
{
	static const struct {
		const char *cluster, *region, *gateway, *why;
	} wrong[] = {{"farm", "eu", "gw0", "belongs to cluster `farm`, this one to `shop`"},
		     {"shop", "us", "gw0", "another gateway than its certificate"},
		     {"shop", "eu", "gw1", "another gateway than its certificate"}};

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		up(i + 1, "eu", "gw0");
		say_hello(i + 1, wrong[i].cluster, wrong[i].region, wrong[i].gateway, 3);
		assert_closed(i + 1, wrong[i].why);
		assert_int_equal(info(0).refused, i + 1);
		assert_non_null(strstr(info(0).last_error, wrong[i].why));
	}
	up(5, "eu", "gw0");
	say_msg(5, (struct weir_gate_msg){.kind = WEIR_GATE_MSG_HELLO,
					  .hello = {.version = 9,
						    .cluster = WEIR_STR("c"),
						    .region = WEIR_STR("r"),
						    .gateway = WEIR_STR("g")}});
	assert_closed(5, "speaks version 9");
	linked(6, "eu", "gw0");
	assert_int_equal(info(0).links, 1);
	say_hello(6, "shop", "eu", "gw0", 3);
	assert_closed(6, "a hello on a link that is open");
	assert_int_equal(info(0).links, 0);
	/* It is dialled again, but not soon. */
	t.dials = 0;
	step(3000 * MS);
	assert_int_equal(info(1).links, 0);
}

static void test_messages_that_are_wrong(void **state)
{
	(void)state;
	say(1001, "\2", 1); /* it was only dialled */
	assert_closed(1001, "before the link was up");
	up(1, "eu", "gw0");
	say(1, "\2", 1);
	assert_closed(1, "make no sense");
	up(2, "eu", "gw0");
	say(2, "\x63", 1); /* even what may be ignored later */
	assert_closed(2, "make no sense");
	linked(3, "eu", "gw0");
	say(3, "\x63", 1);
	assert_int_equal(info(0).links, 1);
	say(3, "", 0);
	assert_closed(3, "make no sense");
	assert_int_equal(info(0).refused, 4);
	assert_int_equal(info(1).refused + info(3).refused, 0);
}

static void test_too_fast(void **state)
{
	uint32_t n = 0;

	(void)state;
	linked(1, "eu", "gw0");
	linked(2, "us", "gw0");
	while (info(0).links && n++ < 1000)
		say(1, "\x63", 1);
	assert_in_range(n, 64, 200);
	assert_closed(1, "too fast");
	/* Slowly it may go on for ever. */
	for (n = 0; n < 1000; n++) {
		step(20 * MS);
		say(2, "\x63", 1);
	}
	assert_int_equal(info(1).links, 1);
	for (n = 0; info(1).links && n < 10000; n++)
		open_by(2, 1 + n, 0, 99, "us", HERE);
	assert_closed(2, "opens streams too fast");
	assert_in_range(n, 480, 4000);
	assert_int_equal(info(3).refused, 0);
}

static void test_headers(void **state)
{
	static const struct {
		uint8_t hop;
		uint64_t edge;
		const char *from, *to, *why;
	} wrong[] = {
		{0, EDGE_EU, "xx", HERE, "cannot be between"},
		{0, EDGE_EU, "eu", "xx", "cannot be between"},
		{0, EDGE_EU, "eu", "eu", "cannot be between"},
		{2, EDGE_EU, HERE, "eu", "cannot be between"},
		{0, EDGE_EU, "us", HERE, "in the name of another region"},
		{1, EDGE_EU, "us", "sa", "in the name of another region"},
		{2, EDGE_EU, "eu", HERE, "in the name of another region"},
		{0, EDGE_EU, "eu", "us", "not held here"},
		{2, EDGE_US, "us", "sa", "not held here"}, /* never over two relays */
		{0, 4, "eu", HERE, "not held here"},
		{0, EDGE_US, "eu", HERE, "may not open"}, /* a lane of another pair */
		{1, EDGE_EU, "eu", HERE, "a relay to where it is"},
		{1, EDGE_EU, "eu", "us", "cannot be reached"},
	};
	uint32_t n = WEIR_COUNT_OF(wrong);

	(void)state;
	up(1, "eu", "gw0");
	open_by(1, 1, 0, EDGE_EU, "eu", HERE);
	assert_shut(1, "before the hello");
	say_hello(1, "shop", "eu", "gw0", 3);
	event((struct weir_link_event){.kind = WEIR_LINK_STREAM_OPEN,
				       .link = 1,
				       .stream = 2,
				       .data = (const uint8_t *)"",
				       .n = 0});
	assert_shut(2, "makes no sense");
	for (uint32_t i = 0; i < n; i++) {
		open_by(1, 10 + i, wrong[i].hop, wrong[i].edge, wrong[i].from, wrong[i].to);
		assert_shut(10 + i, wrong[i].why);
	}
	assert_int_equal(info(0).refused, 2 + n);
	/* We open this one: the other side may not. */
	linked(2, "sa", "gw0");
	open_by(2, 40, 0, EDGE_SA, "sa", HERE);
	assert_shut(40, "may not open");
	/* The link itself is fine, and so is what it may do; also in the name of us. */
	assert_int_equal(info(0).links, 1);
	t.shuts = 0;
	open_by(1, 50, 0, EDGE_EU, "eu", HERE);
	open_by(1, 51, 2, EDGE_US, "us", HERE);
	assert_int_equal(t.shuts, 0);
	assert_int_equal(lane_state(1), WEIR_GATE_LANE_OPEN);
	assert_int_equal(lane_state(2), WEIR_GATE_LANE_RELAYED);
	/* Another stream for it replaces it. */
	open_by(1, 52, 0, EDGE_EU, "eu", HERE);
	assert_shut(50, "another stream");
	assert_int_equal(lane_state(1), WEIR_GATE_LANE_OPEN);
}

static uint32_t frame(uint8_t *p, enum weir_lane_type type, uint64_t edge, uint32_t body)
{
	struct weir_lane_head *h = (struct weir_lane_head *)(void *)p;

	memset(h, 0, sizeof(*h));
	memset(h + 1, 1, body);
	h->f.key_hash = edge;
	weir_lane_seal_body(h, type, body);
	return WEIR_ALIGN_UP(h->f.size, 8u);
}

static void test_frames(void **state)
{
	static _Alignas(8) uint8_t b[1 << 18];
	uint32_t n, bad = 0;

	(void)state;
	linked(1, "eu", "gw0");
	for (unsigned i = 0; i < 6; i++) {
		open_by(1, 10 + i, 0, EDGE_EU, "eu", HERE);
		n = frame(b, WEIR_LANE_HELLO, EDGE_EU, 101);
		switch (i) {
		case 0: /* a head of noise */
			memset(b, 0x3c, 64);
			break;
		case 1: /* larger than the lane takes */
			n = frame(b, WEIR_LANE_HELLO, EDGE_EU, 65536);
			break;
		case 2: /* of another edge */
			n = frame(b, WEIR_LANE_HELLO, EDGE_US, 101);
			break;
		case 3: /* what only a gateway says */
			n = frame(b, WEIR_LANE_CLOSED, EDGE_EU, 3);
			break;
		case 5:
			n = frame(b, WEIR_LANE_OPEN, EDGE_EU, 0);
			break;
		case 4: /* no zeros behind it */
			b[n - 1] = 1;
			break;
		}
		t.kept = 0;
		data(10 + i, b, n);
		bad++;
		assert_shut(10 + i, "lane frame");
		assert_int_equal(info(0).bad_frames, bad);
		assert_int_equal(info(0).refused, bad);
		assert_int_equal(t.kept, 1); /* CLOSED */
		data(10 + i, b, n); /* late */
	}
	/* A broken frame behind a good one, in pieces; the good one is there. */
	open_by(1, 20, 0, EDGE_EU, "eu", HERE);
	n = frame(b, WEIR_LANE_HELLO, EDGE_EU, 101);
	memset(b + n, 0x3c, 64);
	t.kept = 0;
	for (uint32_t i = 0; i < n + 64; i++)
		data(20, b + i, 1);
	assert_shut(20, "lane frame");
	assert_int_equal(t.kept, 2);
	/* More than it may: the ring takes nothing, and its credit is 1 MiB. */
	open_by(1, 21, 0, EDGE_EU, "eu", HERE);
	t.in_full = true;
	for (uint32_t i = 0; i < 16384; i++)
		data(21, b, 64);
	assert_int_equal(lane_state(1), WEIR_GATE_LANE_OPEN);
	data(21, b, 1);
	assert_shut(21, "more than its credit");
	/* The engine hears of all that when it can. */
	t.in_full = false;
	t.kept = 0;
	step(MS);
	assert_int_equal(t.kept, 1);
	assert_int_equal(info(0).links, 1);
}

/* A held frame turns out to be broken when room comes. */
static void test_broken_while_held(void **state)
{
	static _Alignas(8) uint8_t b[4096];
	uint32_t n;

	(void)state;
	linked(1, "eu", "gw0");
	open_by(1, 10, 0, EDGE_EU, "eu", HERE);
	t.in_full = true;
	n = frame(b, WEIR_LANE_HELLO, EDGE_EU, 101);
	b[n - 1] = 9;
	data(10, b, n);
	data(10, b, n);
	assert_int_equal(t.shuts, 0);
	t.in_full = false;
	step(MS);
	assert_shut(10, "whose body is broken");
	/* A whole frame without a body behind its head only. */
	open_by(1, 11, 0, EDGE_EU, "eu", HERE);
	t.in_full = true;
	n = frame(b, WEIR_LANE_COMMIT, EDGE_EU, 0);
	data(11, b, n);
	t.in_full = false;
	t.kept = 0;
	step(MS);
	assert_int_equal(t.kept, 1);
	t.in_full = true;
	b[16] ^= 1;
	data(11, b, 30);
	data(11, b + 30, n - 30); /* its head is judged at once */
	assert_shut(11, "broken or too large");
}

/* A peer acknowledges what was not sent, and bytes are asked for that are gone. */
static void test_offsets(void **state)
{
	const uint8_t *p;

	(void)state;
	linked(1, "eu", "gw0");
	open_by(1, 10, 0, EDGE_EU, "eu", HERE);
	event((struct weir_link_event){
		.kind = WEIR_LINK_STREAM_ACKED, .stream = 10, .offset = 1 << 20});
	assert_int_equal(lane_state(1), WEIR_GATE_LANE_OPEN);
	assert_int_equal(weir_gate_peek(t.g, 10, 0, &p), 0);
	assert_int_equal(weir_gate_peek(t.g, 4711, 0, &p), 0);
	event((struct weir_link_event){.kind = WEIR_LINK_STREAM_CLOSED, .stream = 10, .text = ""});
	assert_int_equal(lane_state(1), WEIR_GATE_LANE_WAITS);
}

static void beat_with(weir_link_id link, const char *region, uint8_t state)
{
	say_msg(link, (struct weir_gate_msg){.kind = WEIR_GATE_MSG_BEAT,
					     .beat = {.time = t.now,
						      .echo = UINT64_MAX,
						      .count = 2,
						      .of = {{weir_str_c(region), state},
							     {WEIR_STR("moon"), 1}}}});
}

/* Numbers of streams that fall into one place of the table, in every order of coming and going. */
static void test_stream_numbers(void **state)
{
	const weir_stream_id far = 1u << 27;
	uint64_t id[8];

	(void)state;
	for (uint32_t i = 0; i < 8; i++)
		id[i] = 1000 + i;
	linked(1, "eu", "gw0");
	linked(2, "sa", "gw1");
	say_lanes(2, id, 8);
	for (uint32_t round = 0; round < 50; round++) {
		weir_stream_id at = 1 + round * 16;
		bool here[8] = {false};

		for (uint32_t k = 0; k < 64; k++) {
			uint32_t i = (k * 7 + round * 3 + k * k / 5) % 8;
			weir_stream_id stream = at + i / 4 + i % 4 * far;

			if (!here[i]) {
				open_by(1, stream, 1, 1000 + i, "eu", "sa");
				data(stream, "x", 1);
			} else {
				event((struct weir_link_event){.kind = WEIR_LINK_STREAM_CLOSED,
							       .stream = stream,
							       .text = "done"});
			}
			here[i] = !here[i];
			assert_int_equal(info(0).relays, here[0] + here[1] + here[2] + here[3] +
								 here[4] + here[5] + here[6] +
								 here[7]);
		}
		/* Everything that is open is known, byte for byte, and ends. */
		event((struct weir_link_event){.kind = WEIR_LINK_DOWN, .link = 1, .text = "x"});
		assert_int_equal(info(0).relays, 0);
		linked(1, "eu", "gw0");
	}
	assert_int_equal(info(0).refused, 0);
}

/* eu asks us for a way to sa. */
static void test_relay_limits(void **state)
{
	static uint8_t bytes[1 << 20];
	uint64_t id[300];
	const uint8_t *p;

	(void)state;
	for (uint32_t i = 0; i < 300; i++)
		id[i] = 1000 + i;
	linked(1, "eu", "gw0");
	linked(2, "sa", "gw1");
	say_lanes(2, id, 300);
	for (uint32_t i = 0; i < WEIR_GATE_RELAYS_MAX; i++)
		open_by(1, 10 + i, 1, 1000 + i, "eu", "sa");
	assert_int_equal(t.opened, WEIR_GATE_RELAYS_MAX);
	assert_int_equal(t.header[1], WEIR_GATE_RELAYED);
	assert_int_equal(t.header_link, 2);
	assert_int_equal(info(0).relays, WEIR_GATE_RELAYS_MAX);
	open_by(1, 9000, 1, 1299, "eu", "sa");
	assert_shut(9000, "too many relays");
	/* The same once more takes the other one's place. */
	t.shuts = 0;
	open_by(1, 9001, 1, 1000, "eu", "sa");
	assert_int_equal(t.shuts, 2);
	assert_int_equal(info(0).relays, WEIR_GATE_RELAYS_MAX);
	assert_int_equal(t.opened, WEIR_GATE_RELAYS_MAX + 1);
	/* A way holds one credit, and not a byte more. */
	data(9001, bytes, 1 << 20);
	assert_int_equal(weir_gate_peek(t.g, 100000 + t.opened, 0, &p), 16384);
	event((struct weir_link_event){
		.kind = WEIR_LINK_STREAM_ACKED, .stream = 100000 + t.opened, .offset = 5000});
	assert_int_equal(t.credit, 5000);
	assert_int_equal(weir_gate_peek(t.g, 100000 + t.opened, 4999, &p), 0);
	assert_int_equal(weir_gate_peek(t.g, 100000 + t.opened, 1 << 21, &p), 0);
	event((struct weir_link_event){
		.kind = WEIR_LINK_STREAM_ACKED, .stream = 100000 + t.opened, .offset = 4000});
	event((struct weir_link_event){
		.kind = WEIR_LINK_STREAM_ACKED, .stream = 100000 + t.opened, .offset = 1 << 21});
	assert_int_equal(t.credit, 5000);
	data(9001, bytes, 5000);
	t.shuts = 0;
	data(9001, bytes, 1);
	assert_int_equal(t.shuts, 2);
	assert_int_equal(info(0).relays, WEIR_GATE_RELAYS_MAX - 1);
	assert_int_equal(info(0).refused, 2);
	/* One half ends, then the other side's link. */
	t.shuts = 0;
	event((struct weir_link_event){
		.kind = WEIR_LINK_STREAM_CLOSED, .stream = 11, .text = "no"});
	assert_int_equal(t.shuts, 1);
	assert_shut(100002, "no");
	event((struct weir_link_event){.kind = WEIR_LINK_DOWN, .link = 2, .text = "gone"});
	assert_int_equal(info(0).relays, 0);
	assert_int_equal(t.shuts, 1 + WEIR_GATE_RELAYS_MAX - 2);
	assert_int_equal(info(0).links, 1);
}

static void test_relay_cannot_open(void **state)
{
	uint64_t id = 1000;

	(void)state;
	linked(1, "eu", "gw0");
	linked(2, "sa", "gw1");
	say_lanes(2, &id, 1);
	t.no_open = true;
	open_by(1, 10, 1, 1000, "eu", "sa");
	assert_shut(10, "other link is down");
	assert_int_equal(info(0).relays, 0);
}

/* We open the lane with sa: directly, moved to who said last that he has it, over us, refused. */
static void test_opening(void **state)
{
	static const uint8_t noise[64] = {1, 2, 3};
	uint64_t id = EDGE_SA;
	struct weir_gate_header h;

	(void)state;
	linked(1, "sa", "gw0");
	assert_int_equal(t.opened, 0);
	t.no_open = true;
	say_lanes(1, &id, 1);
	assert_int_equal(lane_state(0), WEIR_GATE_LANE_WAITS);
	t.no_open = false;
	step(300 * MS);
	assert_int_equal(t.opened, 1);
	assert_int_equal(t.header_link, 1);
	linked(2, "sa", "gw1");
	step(10 * MS);
	say_lanes(2, &id, 1);
	step(MS);
	assert_shut(100001, "moved to another gateway");
	assert_int_equal(t.opened, 2);
	assert_int_equal(t.header_link, 2);
	/* The same said again is no news. */
	say_lanes(1, &id, 1);
	say_lanes(2, &id, 1);
	step(MS);
	assert_int_equal(t.opened, 2);
	/* Shut by the peer: again after a while, longer each time. */
	event((struct weir_link_event){
		.kind = WEIR_LINK_STREAM_CLOSED, .stream = 100002, .text = "no"});
	step(70 * MS);
	assert_int_equal(t.opened, 2);
	step(60 * MS);
	assert_int_equal(t.opened, 3);
	/* Nobody has it, all gateways are linked: no relay. One is not: us is asked. */
	say_lanes(1, NULL, 0);
	say_lanes(2, NULL, 0);
	event((struct weir_link_event){
		.kind = WEIR_LINK_STREAM_CLOSED, .stream = 100003, .text = "gone"});
	linked(3, "us", "gw0");
	beat_with(3, "sa", WEIR_GATE_ALIVE | WEIR_GATE_REACH);
	beat_with(1, "eu", WEIR_GATE_ALIVE);
	beat_with(2, "eu", WEIR_GATE_ALIVE);
	step(900 * MS);
	assert_int_equal(t.opened, 3);
	assert_int_equal(info(3).seen_by[1], WEIR_GATE_ALIVE);
	event((struct weir_link_event){.kind = WEIR_LINK_DOWN, .link = 2, .text = "gone"});
	assert_int_equal(t.opened, 4);
	assert_int_equal(t.header_link, 3);
	assert_int_equal(lane_state(0), WEIR_GATE_LANE_RELAYED);
	assert_int_equal(weir_gate_header_read(t.header, t.header_n, &h), 0);
	assert_int_equal(h.hop, WEIR_GATE_ASKS);
	assert_true(weir_str_is(h.from, HERE) && weir_str_is(h.to, "sa"));
	/* It does not reach it any more, and refuses. */
	beat_with(3, "sa", WEIR_GATE_DEAD);
	event((struct weir_link_event){
		.kind = WEIR_LINK_STREAM_CLOSED, .stream = 100004, .text = "no"});
	step(1000 * MS);
	assert_int_equal(t.opened, 4);
	/* It does again, and sends rubbish: no more for a while. */
	beat_with(3, "sa", WEIR_GATE_ALIVE | WEIR_GATE_REACH);
	assert_int_equal(t.opened, 5);
	data(100005, noise, sizeof(noise));
	assert_shut(100005, "broken or too large");
	step(900 * MS);
	assert_int_equal(t.opened, 5);
	/* The direct way is there again: at once, however long the last ones took to fail. */
	say_lanes(1, &id, 1);
	step(MS);
	assert_int_equal(t.opened, 6);
	assert_int_equal(lane_state(0), WEIR_GATE_LANE_OPEN);
}

/* The link goes: another one that leads to a holder is used at once. */
static void test_another_link(void **state)
{
	uint64_t id = EDGE_SA;

	(void)state;
	linked(1, "sa", "gw0");
	linked(2, "sa", "gw1");
	say_lanes(1, &id, 1);
	step(MS);
	say_lanes(2, &id, 1);
	step(MS);
	assert_int_equal(t.opened, 2);
	assert_int_equal(t.header_link, 2);
	event((struct weir_link_event){.kind = WEIR_LINK_DOWN, .link = 2, .text = "gone"});
	assert_int_equal(t.opened, 3);
	assert_int_equal(t.header_link, 1);
}

/* Two links at once: which one stays, as seen from one end. "ap/gw0" is smaller than "eu/gw0". */
static void test_two_links(void **state)
{
	weir_link_id ours = 0;

	(void)state;
	/* Both of the same start: ours stays, whichever came first. */
	for (weir_link_id id = 1001; id <= 1000 + t.dials && !ours; id++) {
		event((struct weir_link_event){.kind = WEIR_LINK_UP,
					       .link = id,
					       .ours = true,
					       .region = "eu",
					       .gateway = "gw0"});
		if (t.closes == 0)
			ours = id;
		t.closes = 0;
	}
	if (!ours)
		fail();
	linked(2, "eu", "gw0");
	assert_int_equal(info(0).links, 1);
	say_hello(ours, "shop", "eu", "gw0", 3);
	assert_closed(2, "takes its place");
	linked(3, "eu", "gw0");
	assert_closed(3, "another link between the two stays");
	/* Nothing heard for two heartbeats: the new one. */
	step(600 * MS);
	linked(4, "eu", "gw0");
	assert_closed(ours, "takes its place");
	/* The peer dialled again: it has lost the old one. */
	linked(5, "eu", "gw0");
	assert_closed(4, "takes its place");
	/* Another start of the peer. */
	up(6, "eu", "gw0");
	say_hello(6, "shop", "eu", "gw0", 4);
	assert_closed(5, "takes its place");
	assert_int_equal(info(0).links, 1);
}

static void test_lanes_that_are_refused(void **state)
{
	static struct weir_gate_lane many[WEIR_GATE_LANES_MAX + 1];

	(void)state;
	for (uint32_t i = 0; i <= WEIR_GATE_LANES_MAX; i++)
		many[i] = (struct weir_gate_lane){.edge = 1000 - i, .peer = i % 2};
	assert_int_equal(weir_gate_lanes(t.g, many, WEIR_GATE_LANES_MAX + 1, &lane_ops, t.now),
			 WEIR_E_LIMIT);
	assert_int_equal(weir_gate_lanes(t.g, many, WEIR_GATE_LANES_MAX, &lane_ops, t.now), 0);
	many[1].edge = many[0].edge;
	assert_int_equal(weir_gate_lanes(t.g, many, 2, &lane_ops, t.now), WEIR_E_RANGE);
	many[1] = (struct weir_gate_lane){.edge = 1, .peer = 2};
	assert_int_equal(weir_gate_lanes(t.g, many, 2, &lane_ops, t.now), WEIR_E_RANGE);
	many[1].peer = 4;
	assert_int_equal(weir_gate_lanes(t.g, many, 2, &lane_ops, t.now), WEIR_E_RANGE);
	step(0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_who_comes_up, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_hello_that_is_wrong, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_messages_that_are_wrong, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_too_fast, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_headers, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_frames, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_broken_while_held, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_offsets, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_stream_numbers, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_relay_limits, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_relay_cannot_open, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_opening, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_another_link, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_two_links, set_up, tear_down),
	cmocka_unit_test_setup_teardown(test_lanes_that_are_refused, set_up, tear_down),
};

WEIR_TEST_MAIN("gate_peer", tests)
