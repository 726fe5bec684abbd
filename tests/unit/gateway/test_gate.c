/* SPDX-License-Identifier: Apache-2.0 */
/* The gate over a network in memory: links, health, lanes, relays, what comes and goes. */
#include "tests/unit/gateway/gate_world.h"

#define EDGE UINT64_C(0x1111)

static void both_hold(uint32_t a, uint32_t b, uint64_t edge, uint32_t frame_max, uint64_t cap)
{
	uint32_t ra = w.node[a].region, rb = w.node[b].region;

	w_engine_start(ra);
	w_engine_start(rb);
	w_lane_add(ra, edge, rb, frame_max, cap);
	w_lane_add(rb, edge, ra, frame_max, cap);
	w_hold(a, 1);
	w_hold(b, 1);
}

static void test_links_come_up_once(void **state)
{
	(void)state;
	/* With and without a delay in which both dial. */
	for (uint64_t d = 0; d < 400 * W_MS; d += 60 * W_MS) {
		w_begin(3, (const uint32_t[]){2, 1, 2}, d, 1 + d);
		w_run(4 * W_S);
		for (uint32_t i = 0; i < w.nodes; i++)
			for (uint32_t j = 0; j < i; j++)
				assert_int_equal(w_links(i, j),
						 w.node[i].region != w.node[j].region);
		for (uint32_t i = 0; i < w.nodes; i++) {
			for (uint32_t r = 0; r < 3; r++) {
				struct weir_gate_region_info info = w_info(i, r);

				assert_int_equal(info.health, WEIR_GATE_ALIVE);
				assert_int_equal(info.refused, 0);
				if (r == w.node[i].region)
					continue;
				assert_int_equal(info.links, w.gateways[r]);
				/* Everybody says so. */
				for (uint32_t k = 0; k < 3; k++)
					assert_int_equal(info.seen_by[k], WEIR_GATE_ALIVE);
				if (d > 0)
					assert_in_range(info.rtt_ns, 2 * d, 2 * d + 20 * W_MS);
			}
			/* A link that came up stays, but for one that another one replaced. */
			assert_in_range(w.node[i].downs, 0, w.nodes - w.gateways[w.node[i].region]);
		}
		w_end();
	}
}

static void test_health_in_time(void **state)
{
	uint64_t cut, heal;

	(void)state;
	w_begin(2, (const uint32_t[]){1, 1}, 10 * W_MS, 3);
	w_run(2 * W_S);
	assert_int_equal(w.node[0].noted[1], WEIR_GATE_ALIVE);
	cut = w.now;
	w_cut_regions(0, 1, true);
	w_run(700 * W_MS);
	assert_int_equal(w_info(0, 1).health, WEIR_GATE_ALIVE);
	w_run(600 * W_MS);
	assert_int_equal(w_info(0, 1).health, WEIR_GATE_SUSPECT);
	assert_in_range(w.node[0].noted_ns[1] - cut, 740 * W_MS, 1020 * W_MS);
	/* In time, not at the next heartbeat. */
	assert_in_range(w.node[0].noted_ns[1] - w_info(0, 1).heard_ns, W_S, W_S + 5 * W_MS);
	assert_int_equal(w_info(0, 1).links, 1);
	w_run(2 * W_S);
	assert_int_equal(w_info(0, 1).health, WEIR_GATE_DEAD);
	assert_in_range(w.node[0].noted_ns[1] - w_info(0, 1).heard_ns, 3 * W_S, 3 * W_S + 5 * W_MS);
	assert_in_range(w.node[0].down_ns - w_info(0, 1).heard_ns, 3 * W_S, 3 * W_S + 5 * W_MS);
	assert_in_range(w.node[0].noted_ns[1] - cut, 2740 * W_MS, 3020 * W_MS);
	assert_int_equal(w_info(0, 1).links, 0);
	assert_int_equal(w_info(0, 1).seen_by[1], WEIR_GATE_UNKNOWN);
	assert_string_equal(w_info(0, 1).last_error, "silent");
	w_run(20 * W_S);
	heal = w.now;
	w_cut_regions(0, 1, false);
	w_run(9 * W_S);
	assert_int_equal(w_info(0, 1).health, WEIR_GATE_ALIVE);
	assert_in_range(w.node[0].noted_ns[1] - heal, 0, 8 * W_S);
	assert_int_equal(w_links(0, 1), 1);
	w_end();
}

/* A region that never was there: unknown, then dead. Dials: 100 ms, doubling to 5 s, each a quarter more or less. */
static void test_dials_with_patience(void **state)
{
	uint64_t expect = 100 * W_MS;

	(void)state;
	w_begin(2, (const uint32_t[]){1, 1}, W_MS, 4);
	w_kill(1);
	w.refuse[1] = true;
	w_run(W_S);
	assert_int_equal(w_info(0, 1).health, WEIR_GATE_UNKNOWN);
	w_run(3 * W_S);
	assert_int_equal(w_info(0, 1).health, WEIR_GATE_DEAD);
	assert_string_equal(w_info(0, 1).last_error, "refused");
	w_run(40 * W_S);
	assert_in_range(w.node[0].dials, 10, 18);
	for (uint32_t i = 1; i < w.node[0].dials; i++) {
		assert_in_range(w.node[0].dial_ns[i] - w.node[0].dial_ns[i - 1], expect * 3 / 4,
				expect * 5 / 4 + 20 * W_MS);
		expect = WEIR_MIN(2 * expect, 5 * W_S);
	}
	/* Without an answer a dial is given up after dead_ns. */
	w.refuse[1] = false;
	w_run(20 * W_S);
	assert_string_equal(w_info(0, 1).last_error, "no answer");
	w_end();
}

static void test_lane_both_ways(void **state)
{
	struct w_lane *a, *b;

	(void)state;
	w_begin(2, (const uint32_t[]){1, 1}, 5 * W_MS, 5);
	both_hold(0, 1, EDGE, WEIR_LANE_FRAME_MIN_MAX, 4 << 20);
	w_run(W_S);
	a = &w.engine[0].lane[0];
	b = &w.engine[1].lane[0];
	assert_true(a->open && b->open);
	assert_int_equal(a->opens, 1);
	/* The engine is told first that nothing is open. */
	assert_int_equal(a->closes, 1);
	assert_int_equal(w_lane_info(0, 0).state, WEIR_GATE_LANE_OPEN);
	for (uint32_t i = 0; i < 400; i++) {
		w_write(a, 64 + i * 37);
		w_write(b, 64);
		if (i % 50 == 0)
			w_run(5 * W_MS);
	}
	w_run(2 * W_S);
	assert_int_equal(b->got, 400);
	assert_int_equal(a->got, 400);
	assert_int_equal(a->out_head, a->out_tail);
	assert_int_equal(w_lane_info(0, 0).bytes_out, a->out_tail);
	assert_int_equal(w_lane_info(1, 0).bytes_in, a->out_tail);
	assert_int_equal(w_info(0, 1).bytes_out, a->out_tail);
	assert_int_equal(w_info(0, 1).bytes_in, b->out_tail);
	assert_int_equal(w_lane_info(0, 0).opened, 1);
	assert_true(w_lane_info(0, 0).rtt_ns > 0);
	assert_int_equal(w.resent, 0);
	/* What was given back is not there any more. */
	assert_int_equal(weir_gate_peek(w.node[0].g, 1, 0, &(const uint8_t *){NULL}), 0);
	w_end();
}

/* An engine that reads nothing: its ring fills, the sender's ring keeps the rest, other lanes go on. */
static void test_credit_is_the_ring(void **state)
{
	struct w_lane *a, *b;
	uint64_t sent;

	(void)state;
	w_begin(2, (const uint32_t[]){1, 1}, 2 * W_MS, 6);
	w.chunk = 16384;
	both_hold(0, 1, EDGE, WEIR_LANE_FRAME_MIN_MAX, 2 << 20);
	w_lane_add(0, EDGE + 1, 1, WEIR_LANE_FRAME_MIN_MAX, 2 << 20);
	w_lane_add(1, EDGE + 1, 0, WEIR_LANE_FRAME_MIN_MAX, 2 << 20);
	w_hold(0, 3);
	w_hold(1, 3);
	w_run(W_S);
	a = &w.engine[0].lane[0];
	b = &w.engine[1].lane[0];
	assert_int_equal(a->opens, 1); /* the set changed, the stream did not */
	for (uint32_t i = 0; i < 300; i++)
		w_write(a, 40000);
	w_run_slow(3 * W_S, true);
	sent = w_lane_info(1, 0).bytes_in;
	assert_in_range(sent, (2 << 20) - 400000, 2 << 20);
	assert_in_range(b->in_tail - b->in_head, (2 << 20) - 400000, 2 << 20);
	w_write(&w.engine[0].lane[1], 5000);
	w_run_slow(W_S, true);
	w_read(&w.engine[1].lane[1], 100);
	assert_int_equal(w.engine[1].lane[1].got, 1);
	/* Little by little. */
	for (uint32_t i = 0; i < 2000 && b->got < 300; i++) {
		w_read(b, 1);
		w_run_slow(10 * W_MS, true);
	}
	assert_int_equal(b->got, 300);
	w_end();
}

/* The ring still holds what an earlier stream brought: the next one's first credit finds no room in it. */
static void test_new_stream_into_a_full_ring(void **state)
{
	struct w_lane *a, *b;

	(void)state;
	w_begin(2, (const uint32_t[]){1, 1}, 2 * W_MS, 7);
	w.chunk = 16384;
	both_hold(0, 1, EDGE, WEIR_LANE_FRAME_MIN_MAX, 1 << 20);
	w_run(W_S);
	a = &w.engine[0].lane[0];
	b = &w.engine[1].lane[0];
	for (uint32_t i = 0; i < 150; i++)
		w_write(a, 30000);
	w_run_slow(W_S, true);
	assert_in_range(b->in_tail - b->in_head, 900000, 1 << 20);
	w_kill(0);
	w_start(0);
	w_hold(0, 1);
	w_run_slow(2 * W_S, true);
	assert_in_range(w_lane_info(1, 0).bytes_in, 1, UINT64_MAX);
	assert_int_equal(w_lane_info(1, 0).state, WEIR_GATE_LANE_OPEN);
	w_run(3 * W_S);
	/* What was in the gateway's hands at its death is in the ring of the sender or came. */
	assert_int_equal(b->highest, 150);
	assert_int_equal(b->opens, 2);
	assert_true(b->open);
	w_end();
}

static void test_large_frames(void **state)
{
	struct w_lane *a, *b;

	(void)state;
	w_begin(2, (const uint32_t[]){1, 1}, 3 * W_MS, 8);
	w.chunk = 7000;
	/* Larger than a stream's first credit, and as large as the ring almost is. */
	both_hold(0, 1, EDGE, WEIR_LANE_FRAME_LIMIT, WEIR_LANE_FRAME_LIMIT + 128);
	w_run(W_S);
	a = &w.engine[0].lane[0];
	b = &w.engine[1].lane[0];
	w_write(a, WEIR_LANE_FRAME_LIMIT);
	w_write(a, WEIR_LANE_FRAME_LIMIT - 5);
	w_write(a, 64);
	w_run(5 * W_S);
	assert_int_equal(b->got, 3);
	w_end();
}

/* A large frame behind a small one that is still in the ring: when that is read, there is room for the large one but hardly
 * anything to give, and it must come all the same. */
static void test_large_frame_behind_a_small_one(void **state)
{
	const uint64_t window = WEIR_LANE_FRAME_LIMIT + 128;
	struct w_lane *a, *b;

	(void)state;
	w_begin(2, (const uint32_t[]){1, 1}, 3 * W_MS, 8);
	w.chunk = 65536;
	both_hold(0, 1, EDGE, WEIR_LANE_FRAME_LIMIT, window);
	w_run(W_S);
	a = &w.engine[0].lane[0];
	b = &w.engine[1].lane[0];
	w_write(a, 1000);
	w_write(a, WEIR_LANE_FRAME_LIMIT);
	w_write(a, WEIR_LANE_FRAME_LIMIT);
	w_run_slow(2 * W_S, true);
	assert_in_range(w_lane_info(1, 0).bytes_in, window - 128, window); /* OPEN was in it */
	w_read(b, 1);
	assert_int_equal(b->got, 1);
	w_run_slow(2 * W_S, true);
	assert_int_equal(w_lane_info(1, 0).bytes_in, window + 1000);
	assert_int_equal(b->in_tail - b->in_head, WEIR_LANE_FRAME_LIMIT);
	w_run(2 * W_S);
	assert_int_equal(b->got, 3);
	w_end();
}

/* A to B is cut, both reach C: the lane goes over C, and comes back. */
static void test_relay_and_heal(void **state)
{
	struct w_lane *a, *b;
	uint64_t cut;

	(void)state;
	w_begin(3, (const uint32_t[]){1, 1, 1}, 4 * W_MS, 9);
	both_hold(0, 1, EDGE, WEIR_LANE_FRAME_MIN_MAX, 4 << 20);
	w_run(W_S);
	a = &w.engine[0].lane[0];
	b = &w.engine[1].lane[0];
	cut = w.now;
	w_cut_regions(0, 1, true);
	while (w_lane_info(0, 0).state != WEIR_GATE_LANE_RELAYED) {
		w_write(a, 500);
		w_run(20 * W_MS);
		assert_true(w.now - cut < 4 * W_S);
	}
	w_run(W_S);
	assert_int_equal(w_lane_info(1, 0).state, WEIR_GATE_LANE_RELAYED);
	assert_true(a->open && b->open);
	/* Each sees that the other's neighbour sees it. */
	assert_int_equal(w_info(0, 1).health, WEIR_GATE_DEAD);
	assert_int_equal(w_info(0, 1).seen_by[2], WEIR_GATE_ALIVE);
	assert_int_equal(w_info(2, 0).relays, 1);
	for (uint32_t i = 0; i < 2000; i++) {
		w_write(a, 1000);
		w_write(b, 700);
	}
	w_run(4 * W_S);
	assert_int_equal(b->highest, a->next_out);
	assert_int_equal(a->got, 2000);
	assert_in_range(w_info(2, 0).relayed_bytes, 2000000, UINT64_MAX);
	w_cut_regions(0, 1, false);
	w_run(9 * W_S);
	assert_int_equal(w_lane_info(0, 0).state, WEIR_GATE_LANE_OPEN);
	assert_int_equal(w_lane_info(1, 0).state, WEIR_GATE_LANE_OPEN);
	assert_int_equal(w_info(2, 0).relays, 0);
	for (uint32_t i = 0; i < 100; i++)
		w_write(a, 1000);
	w_run(W_S);
	assert_int_equal(b->highest, a->next_out);
	w_end();
}

/* What flows over a relay is bounded by both credits, and stops at a slow engine. */
static void test_relay_to_a_slow_engine(void **state)
{
	struct w_lane *a, *b;

	(void)state;
	w_begin(3, (const uint32_t[]){1, 1, 1}, W_MS, 10);
	w.chunk = 16384;
	w_cut_regions(0, 1, true);
	both_hold(0, 1, EDGE, WEIR_LANE_FRAME_MIN_MAX, 2 << 20);
	w_run(2 * W_S);
	a = &w.engine[0].lane[0];
	b = &w.engine[1].lane[0];
	assert_int_equal(w_lane_info(0, 0).state, WEIR_GATE_LANE_RELAYED);
	for (uint32_t i = 0; i < 300; i++)
		w_write(a, 60000);
	w_run_slow(4 * W_S, true);
	assert_in_range(w_lane_info(1, 0).bytes_in, 1500000, 2 << 20);
	assert_in_range(w_info(2, 0).relayed_bytes - w_lane_info(1, 0).bytes_in, 900000, 1 << 20);
	w_run(10 * W_S);
	assert_int_equal(b->got, 300);
	/* Its gateway goes: the relay's other half ends, and nothing is kept for it. */
	w_kill(1);
	w_run(4 * W_S);
	assert_int_equal(w_info(2, 0).relays, 0);
	assert_false(a->open);
	w_end();
}

static void test_gateway_restarts(void **state)
{
	struct w_lane *a, *b;

	(void)state;
	w_begin(2, (const uint32_t[]){1, 1}, 5 * W_MS, 11);
	both_hold(0, 1, EDGE, WEIR_LANE_FRAME_MIN_MAX, 4 << 20);
	w_run(W_S);
	a = &w.engine[0].lane[0];
	b = &w.engine[1].lane[0];
	for (unsigned round = 0; round < 6; round++) {
		uint32_t node = round % 2;
		uint64_t at;

		for (uint32_t i = 0; i < 200; i++)
			w_write(a, 900);
		w_run(10 * W_MS);
		w_kill(node);
		w_start(node);
		w_hold(node, 1);
		at = w.now;
		/* The other one still has the old link: the new one takes its place. */
		do
			w_run(10 * W_MS);
		while (w_lane_info(0, 0).state != WEIR_GATE_LANE_OPEN ||
		       w_lane_info(1, 0).state != WEIR_GATE_LANE_OPEN);
		assert_in_range(w.now - at, 0, 400 * W_MS);
		w_run(W_S);
		assert_true(a->open && b->open);
		assert_int_equal(b->highest, a->next_out);
		assert_int_equal(w_links(0, 1), 1);
	}
	w_end();
}

/* Two gateways each; one of B dies, the other one takes its lane and says so: the sender moves before the dead link is noticed. */
static void test_lanes_move_between_gateways(void **state)
{
	struct w_lane *a, *b;

	(void)state;
	w_begin(2, (const uint32_t[]){2, 2}, 5 * W_MS, 12);
	both_hold(0, 2, EDGE, WEIR_LANE_FRAME_MIN_MAX, 4 << 20);
	w_lane_add(0, EDGE + 1, 1, WEIR_LANE_FRAME_MIN_MAX, 4 << 20);
	w_lane_add(1, EDGE + 1, 0, WEIR_LANE_FRAME_MIN_MAX, 4 << 20);
	w_hold(1, 2);
	w_hold(3, 2);
	w_run(W_S);
	a = &w.engine[0].lane[0];
	b = &w.engine[1].lane[0];
	assert_true(a->open && b->open && w.engine[0].lane[1].open && w.engine[1].lane[1].open);
	w_kill(2);
	w_run(100 * W_MS);
	w_hold(3, 3);
	w_run(200 * W_MS);
	assert_int_equal(w_lane_info(0, 0).state, WEIR_GATE_LANE_OPEN);
	assert_int_equal(b->opens, 2);
	assert_int_equal(w_info(0, 1).links, 2); /* the dead one is not known yet */
	w_write(a, 640);
	w_run(W_S);
	assert_int_equal(b->got, 1);
	/* The other lane did not notice. */
	assert_int_equal(w.engine[1].lane[1].opens, 1);
	/* And on the sender's side. */
	w_kill(0);
	w_hold(1, 3);
	w_run(W_S);
	assert_true(a->open && b->open);
	assert_int_equal(w_lane_info(1, 0).state, WEIR_GATE_LANE_OPEN);
	assert_int_equal(w.engine[1].lane[1].opens, 1);
	w_run(4 * W_S);
	assert_true(a->open && b->open);
	/* Gateways that come back hold nothing and disturb nothing. */
	w_start(0);
	w_start(2);
	w_run(4 * W_S);
	assert_int_equal(b->opens, 3);
	assert_int_equal(w_info(0, 1).links, 2);
	w_end();
}

/* A holder that lives on but cannot be reached from here: the lane goes over the third region. */
static void test_relay_to_one_gateway(void **state)
{
	(void)state;
	w_begin(3, (const uint32_t[]){1, 2, 1}, 5 * W_MS, 13);
	both_hold(0, 2, EDGE, WEIR_LANE_FRAME_MIN_MAX, 4 << 20); /* gw1 of us */
	w_run(W_S);
	assert_int_equal(w_lane_info(0, 0).state, WEIR_GATE_LANE_OPEN);
	w.cut[0][2] = w.cut[2][0] = true;
	w_run(5 * W_S);
	assert_int_equal(w_info(0, 1).links, 1);
	assert_int_equal(w_info(0, 1).health, WEIR_GATE_ALIVE);
	assert_int_equal(w_lane_info(0, 0).state, WEIR_GATE_LANE_RELAYED);
	w_end();
}

static void test_engine_goes_and_comes(void **state)
{
	struct w_lane *a, *b;

	(void)state;
	w_begin(2, (const uint32_t[]){1, 1}, 5 * W_MS, 14);
	both_hold(0, 1, EDGE, WEIR_LANE_FRAME_MIN_MAX, 4 << 20);
	w_run(W_S);
	a = &w.engine[0].lane[0];
	b = &w.engine[1].lane[0];
	w_hold(1, 0);
	w.node[1].engine = NULL;
	w_run(100 * W_MS);
	assert_false(a->open);
	assert_string_equal(a->why, "the engine is gone");
	assert_int_equal(w_links(0, 1), 1);
	assert_int_equal(w_lane_info(0, 0).state, WEIR_GATE_LANE_WAITS);
	assert_string_equal(w_lane_info(0, 0).why, "the engine is gone");
	w_run(5 * W_S);
	w_write(a, 320);
	/* A new one, with new rings. */
	w_engine_start(1);
	w_lane_add(1, EDGE, 0, WEIR_LANE_FRAME_MIN_MAX, 4 << 20);
	w_hold(1, 1);
	w_run(100 * W_MS);
	assert_true(a->open && b->open);
	assert_int_equal(b->got, 1);
	/* The same with the opener's. */
	w_hold(0, 0);
	w_run(100 * W_MS);
	assert_false(b->open);
	w_engine_start(0);
	w_lane_add(0, EDGE, 1, WEIR_LANE_FRAME_MIN_MAX, 4 << 20);
	w_hold(0, 1);
	w_run(100 * W_MS);
	assert_true(a->open && b->open);
	w_end();
}

/* The engine's ring is full when it should hear of the stream: it hears later, in order. */
static void test_told_when_there_is_room(void **state)
{
	struct w_lane *a, *b;

	(void)state;
	w_begin(2, (const uint32_t[]){1, 1}, 5 * W_MS, 15);
	both_hold(0, 1, EDGE, WEIR_LANE_FRAME_MIN_MAX, 4 << 20);
	w_run(W_S);
	a = &w.engine[0].lane[0];
	b = &w.engine[1].lane[0];
	b->in_cap = b->in_tail - b->in_head; /* not a byte */
	w_write(a, 128);
	w_run_slow(W_S, true);
	w_kill(0);
	w_start(0);
	w_hold(0, 1);
	w_run_slow(W_S, true);
	assert_int_equal(b->in_tail, b->in_head);
	assert_int_equal(w_lane_info(1, 0).opened, 2);
	b->in_cap =
		100; /* only for the first word: CLOSED with a short reason does not fit either */
	w_run_slow(W_S, true);
	b->in_cap = b->in_tail - b->in_head + 160; /* for CLOSED, not for OPEN behind it */
	w_run_slow(W_S, true);
	assert_true(b->in_tail > b->in_head);
	b->in_cap = 4 << 20;
	w_run(W_S);
	assert_int_equal(b->opens, 2);
	assert_int_equal(b->closes, 2);
	assert_true(b->open);
	/* What waited for room ended with its stream: the receiving engine asks for it (RESUME). */
	assert_int_equal(b->got, 0);
	w_write(a, 128);
	w_run(W_S);
	assert_int_equal(b->highest, 2);
	w_end();
}

static void test_stop_says_so(void **state)
{
	struct w_lane *a, *b;

	(void)state;
	w_begin(2, (const uint32_t[]){1, 1}, 5 * W_MS, 16);
	both_hold(0, 1, EDGE, WEIR_LANE_FRAME_MIN_MAX, 4 << 20);
	w_run(W_S);
	a = &w.engine[0].lane[0];
	b = &w.engine[1].lane[0];
	weir_gate_stop(w.node[0].g, "the gateway stops", w.now);
	w_run(100 * W_MS);
	assert_false(a->open);
	assert_false(b->open);
	assert_non_null(strstr(b->why, "the gateway stops"));
	assert_int_equal(w_links(0, 1), 0);
	/* Nobody gets in any more. */
	w_run(10 * W_S);
	assert_int_equal(w_links(0, 1), 0);
	assert_int_equal(w.node[0].ups, 1);
	w_end();
}

static void test_messages_that_are_not_taken(void **state)
{
	(void)state;
	w_begin(2, (const uint32_t[]){1, 1}, 5 * W_MS, 17);
	w.control_fails = 40;
	both_hold(0, 1, EDGE, WEIR_LANE_FRAME_MIN_MAX, 4 << 20);
	w_run(2 * W_S);
	assert_int_equal(w.control_fails, 0);
	assert_int_equal(w_lane_info(0, 0).state, WEIR_GATE_LANE_OPEN);
	w.control_fails = 3;
	w_run(W_S);
	assert_int_equal(w_info(0, 1).health, WEIR_GATE_ALIVE);
	w_end();
}

/* What the engine publishes is no lane frame: its lane ends, the others go on. */
static void test_broken_engine(void **state)
{
	struct w_lane *a;

	(void)state;
	w_begin(2, (const uint32_t[]){1, 1}, 5 * W_MS, 18);
	both_hold(0, 1, EDGE, WEIR_LANE_FRAME_MIN_MAX, 4 << 20);
	w_run(W_S);
	a = &w.engine[0].lane[0];
	memset(a->out + a->out_tail, 0x55, 4096);
	a->out_tail += 4096;
	w_run(5 * W_S);
	assert_false(a->open);
	assert_int_equal(w_info(1, 0).bad_frames, 1);
	assert_int_equal(w_info(1, 0).refused, 1);
	assert_int_equal(w_links(0, 1), 1);
	assert_int_equal(w.engine[1].lane[0].got, 0);
	w_end();
}

/* The same on the side that does not open: the other one tries again, and is not blamed. */
static void test_broken_engine_there(void **state)
{
	struct w_lane *b;

	(void)state;
	w_begin(2, (const uint32_t[]){1, 1}, 5 * W_MS, 19);
	both_hold(0, 1, EDGE, WEIR_LANE_FRAME_MIN_MAX, 4 << 20);
	w_run(W_S);
	b = &w.engine[1].lane[0];
	w_write(b, 64);
	memset(b->out + b->out_tail, 0x55, 4096);
	b->out_tail += 4096;
	w_run(20 * W_S);
	assert_false(b->open);
	assert_int_equal(w.engine[0].lane[0].got, 1);
	assert_int_equal(w_info(0, 1).bad_frames, 1);
	assert_in_range(w_info(1, 0).refused, 0, 0);
	assert_in_range(w_lane_info(0, 0).opened, 3, 20);
	assert_string_equal(w.engine[0].lane[0].why, "the engine's end is broken");
	w_end();
}

/* Nobody to talk to. */
static void test_one_region(void **state)
{
	(void)state;
	w_begin(1, (const uint32_t[]){2}, 5 * W_MS, 20);
	w_run(W_S);
	assert_int_equal(w_info(0, 0).health, WEIR_GATE_ALIVE);
	assert_int_equal(w.conns, 0);
	w_end();
	weir_gate_free(NULL);
}

/* Lanes that come and go quickly are told in few messages, and the last word counts. */
static void test_lanes_flutter(void **state)
{
	(void)state;
	w_begin(2, (const uint32_t[]){1, 1}, W_MS, 21);
	both_hold(0, 1, EDGE, WEIR_LANE_FRAME_MIN_MAX, 4 << 20);
	w_run(W_S);
	for (uint32_t i = 0; i < 201; i++) {
		w_hold(1, i % 2 ? 0 : 1);
		w_run(W_MS);
	}
	w_run(W_S);
	assert_int_equal(w_lane_info(0, 0).state, WEIR_GATE_LANE_OPEN);
	assert_int_equal(w_info(0, 1).refused, 0);
	assert_int_equal(w_links(0, 1), 1);
	w_end();
}

/* One step of chaos. */
static void chaos(struct weir_prng *p)
{
	uint32_t n = (uint32_t)weir_prng_below(p, w.nodes),
		 m = (uint32_t)weir_prng_below(p, w.nodes);

	switch (weir_prng_below(p, 8)) {
	case 0:
		w.cut[n][m] = w.cut[m][n] = true;
		return;
	case 1:
	case 2:
		w.cut[n][m] = w.cut[m][n] = false;
		return;
	case 3:
		if (w.node[n].alive)
			w_kill(n);
		return;
	case 4:
	case 5:
		if (!w.node[n].alive) {
			w_start(n);
			if (w.node[n].gateway == 0)
				w_hold(n, 3);
		}
		return;
	case 6: /* a link breaks, and both sides hear of it */
		for (uint32_t i = 1; i <= w.conns; i++)
			for (unsigned s = 0; s < 2; s++)
				if (w.conn[i].end[s] && w.conn[i].greeted[s] &&
				    w.conn[i].node[s] == n && weir_prng_chance(p, 1, 2))
					w_down(i, s, "broken");
		return;
	default:
		for (uint32_t r = 0; r < w.regions; r++)
			for (uint32_t i = 0; i < 2; i++)
				for (uint32_t k = 0; k < 20; k++)
					w_write(&w.engine[r].lane[i],
						64 + (uint32_t)weir_prng_below(p, 3000));
		return;
	}
}

/* Whatever happens: frames are whole and in order within an opening, and in the end everybody has what he should. */
static void test_chaos(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 12; seed++) {
		struct weir_prng p = weir_prng_of(seed, "chaos");

		w_begin(3, (const uint32_t[]){2, 1, 2}, 1 + weir_prng_below(&p, 80) * W_MS, seed);
		for (uint32_t r = 0; r < 3; r++)
			w_engine_start(r);
		/* eu-us, eu-ap, us-ap */
		for (uint32_t r = 0; r < 3; r++)
			for (uint32_t q = 0; q < 3; q++)
				if (r != q)
					w_lane_add(r, 100 + r + q, q, WEIR_LANE_FRAME_MIN_MAX,
						   2 << 20);
		w_hold(0, 3);
		w_hold(2, 3);
		w_hold(3, 3);
		for (unsigned i = 0; i < 100; i++) {
			chaos(&p);
			w_run(weir_prng_below(&p, 400) * W_MS);
		}
		memset(w.cut, 0, sizeof(w.cut));
		for (uint32_t i = 0; i < w.nodes; i++)
			if (!w.node[i].alive) {
				w_start(i);
				if (w.node[i].gateway == 0)
					w_hold(i, 3);
			}
		w_run(12 * W_S);
		for (uint32_t i = 0; i < w.nodes; i++) {
			for (uint32_t j = 0; j < i; j++)
				assert_int_equal(w_links(i, j),
						 w.node[i].region != w.node[j].region);
			for (uint32_t k = 0; k < 2 && w.node[i].gateway == 0; k++) {
				struct w_lane *l = &w.engine[w.node[i].region].lane[k];

				assert_int_equal(w_lane_info(i, k).state, WEIR_GATE_LANE_OPEN);
				assert_true(l->open);
				assert_int_equal(l->out_head, l->out_tail);
				w_write(l, 64);
			}
			assert_int_equal(w_info(i, (w.node[i].region + 1) % 3).bad_frames, 0);
		}
		w_run(W_S);
		for (uint32_t r = 0; r < 3; r++)
			for (uint32_t k = 0; k < 2; k++) {
				struct w_lane *l = &w.engine[r].lane[k];
				struct w_lane *o = w.engine[l->is.peer].lane;

				o += o->is.peer != r;
				assert_int_equal(o->highest, l->next_out);
			}
		w_end();
	}
	assert_true(w.frames > 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_links_come_up_once),
	cmocka_unit_test(test_health_in_time),
	cmocka_unit_test(test_dials_with_patience),
	cmocka_unit_test(test_lane_both_ways),
	cmocka_unit_test(test_credit_is_the_ring),
	cmocka_unit_test(test_new_stream_into_a_full_ring),
	cmocka_unit_test(test_large_frames),
	cmocka_unit_test(test_large_frame_behind_a_small_one),
	cmocka_unit_test(test_relay_and_heal),
	cmocka_unit_test(test_relay_to_a_slow_engine),
	cmocka_unit_test(test_gateway_restarts),
	cmocka_unit_test(test_lanes_move_between_gateways),
	cmocka_unit_test(test_relay_to_one_gateway),
	cmocka_unit_test(test_engine_goes_and_comes),
	cmocka_unit_test(test_told_when_there_is_room),
	cmocka_unit_test(test_stop_says_so),
	cmocka_unit_test(test_messages_that_are_not_taken),
	cmocka_unit_test(test_broken_engine),
	cmocka_unit_test(test_broken_engine_there),
	cmocka_unit_test(test_one_region),
	cmocka_unit_test(test_lanes_flutter),
	cmocka_unit_test(test_chaos),
};

WEIR_TEST_MAIN("gate", tests)
