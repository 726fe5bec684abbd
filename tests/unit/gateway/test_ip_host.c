/* SPDX-License-Identifier: Apache-2.0 */
/* Neighbours over time, and two hosts that find each other and talk, frame by frame. */
#include <string.h>

#include "gateway/edge/ip_host.h"
#include "gateway/edge/ip_sum.h"
#include "tests/lib/test.h"

#define S ((uint64_t)WEIR_NS_PER_S)
#define MS ((uint64_t)WEIR_NS_PER_MS)

static struct weir_ip ip4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return (struct weir_ip){.b = {a, b, c, d}};
}

static struct weir_ip ip6(uint8_t net, uint8_t host)
{
	return (struct weir_ip){.b = {0x20, 1, 0xd, 0xb8, [7] = net, [15] = host}, .v6 = true};
}

static struct weir_mac mac_of(uint8_t n)
{
	return (struct weir_mac){{2, 0, 0, 0, 0, n}};
}

static void test_neigh_time(void **state)
{
	static struct weir_neigh_table t;
	struct weir_ip ip = ip4(10, 0, 0, 1);
	struct weir_mac mac = mac_of(1), got;
	uint32_t asks = 0;
	bool ask;

	(void)state;
	t = (struct weir_neigh_table){0};
	/* Asked at 0, 250, 500, 750 ms, then each second from the last. */
	for (uint64_t now = 10 * S; now < 14 * S; now += 10 * MS) {
		assert_false(weir_neigh_find(&t, &ip, now, &got, &ask));
		asks += ask;
		if (now == 10 * S + 750 * MS)
			assert_int_equal(asks, 4);
	}
	assert_int_equal(asks, 7);
	/* Known; not asked while fresh. */
	weir_neigh_learn(&t, &ip, &mac, false, 20 * S);
	assert_true(weir_neigh_find(&t, &ip, 20 * S, &got, &ask));
	assert_true(weir_mac_same(&got, &mac) && !ask);
	assert_true(weir_neigh_find(&t, &ip, 50 * S - 1, &got, &ask));
	assert_false(ask);
	/* In use and old: asked, still used. */
	assert_true(weir_neigh_find(&t, &ip, 50 * S, &got, &ask));
	assert_true(ask);
	assert_true(weir_neigh_find(&t, &ip, 50 * S + 1, &got, &ask));
	assert_false(ask);
	mac = mac_of(2);
	weir_neigh_learn(&t, &ip, &mac, false, 55 * S);
	assert_true(weir_neigh_find(&t, &ip, 84 * S, &got, &ask));
	assert_true(weir_mac_same(&got, &mac) && !ask);
	/* No answer any more. */
	assert_true(weir_neigh_find(&t, &ip, 115 * S - 1, &got, &ask));
	assert_false(weir_neigh_find(&t, &ip, 115 * S, &got, &ask));
}

static void test_neigh_full(void **state)
{
	static struct weir_neigh_table t;
	struct weir_mac mac = mac_of(1), got;
	bool ask;

	(void)state;
	t = (struct weir_neigh_table){0};
	/* Nobody looked for it. */
	weir_neigh_learn(&t, &(struct weir_ip){.b = {10, 9, 9, 9}}, &mac, false, S);
	assert_false(t.of[0].used);
	for (uint32_t i = 0; i < WEIR_NEIGH_MAX; i++) {
		struct weir_ip ip = ip4(10, 0, (uint8_t)(i >> 8), (uint8_t)i);

		weir_neigh_find(&t, &ip, S + i, &got, &ask);
		weir_neigh_learn(&t, &ip, &mac, false, S + i);
	}
	/* Who asks us drives out none in use, later the oldest. */
	weir_neigh_learn(&t, &(struct weir_ip){.b = {10, 8, 0, 1}}, &mac, true, 2 * S);
	assert_true(weir_neigh_find(&t, &(struct weir_ip){.b = {10, 0, 0, 1}}, 3 * S, &got, &ask));
	weir_neigh_learn(&t, &(struct weir_ip){.b = {10, 8, 0, 1}}, &mac, true, 62 * S);
	assert_true(weir_neigh_find(&t, &(struct weir_ip){.b = {10, 8, 0, 1}}, 62 * S, &got, &ask));
	assert_true(t.of[1].used && t.of[1].ip.b[3] == 1); /* used at 3 s */
	assert_int_equal(t.of[0].ip.b[1], 8);
	/* Who is looked for drives out the oldest at once. */
	weir_neigh_find(&t, &(struct weir_ip){.b = {10, 8, 0, 2}}, 62 * S, &got, &ask);
	assert_true(ask);
	assert_int_equal(t.of[2].ip.b[3], 2);
	assert_int_equal(t.of[2].ip.b[1], 8);
}

/* ---- hosts --------------------------------------------------------------------------------- */

static struct weir_ip_host a, b;
static struct weir_ip_frame f;
static uint8_t reply[2048], ask[WEIR_IP_SMALL];
static uint32_t n;

static void hosts(bool v6)
{
	a = (struct weir_ip_host){.mac = mac_of(0xa), .port = 7400};
	b = (struct weir_ip_host){.mac = mac_of(0xb), .port = 7401};
	a.ip = v6 ? ip6(0, 1) : ip4(10, 1, 0, 1);
	b.ip = v6 ? ip6(0, 2) : ip4(10, 1, 0, 2);
}

static enum weir_ip_took in(struct weir_ip_host *h, const uint8_t *p, uint32_t bytes, uint64_t now)
{
	static uint8_t exact[2048];

	memcpy(exact, p, bytes);
	return weir_ip_host_in(h, exact, bytes, 0, now, &f, reply, sizeof(reply), &n);
}

static uint32_t datagram(uint8_t *p, const struct weir_ip_host *from, const struct weir_ip_host *to,
			 const struct weir_mac *to_mac)
{
	struct weir_ip_flow flow = {.from_mac = from->mac,
				    .to_mac = *to_mac,
				    .from = from->ip,
				    .to = to->ip,
				    .from_port = from->port,
				    .to_port = to->port};
	uint32_t head = weir_ip_udp_head(from->ip.v6);

	memcpy(p + head, "hello", 5);
	weir_ip_put_udp(p, &flow, 2, p + head, 5, 0);
	return head + 5;
}

static void test_find_each_other(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		uint8_t p[128], asked[WEIR_IP_SMALL];
		struct weir_mac to;
		uint32_t bytes, asked_bytes;

		hosts(v6);
		assert_int_equal(0, weir_ip_host_route(&a, &b.ip, S, &to, asked, &asked_bytes));
		assert_true(asked_bytes > 0);
		assert_int_equal(in(&b, asked, asked_bytes, S), WEIR_IP_REPLY);
		memcpy(p, reply, n);
		assert_int_equal(in(&a, p, n, S), WEIR_IP_HEARD);
		assert_int_equal(1, weir_ip_host_route(&a, &b.ip, S, &to, ask, &n));
		assert_int_equal(n, 0);
		assert_true(weir_mac_same(&to, &b.mac));
		bytes = datagram(p, &a, &b, &to);
		assert_int_equal(in(&b, p, bytes, S), WEIR_IP_DATAGRAM);
		assert_int_equal(f.n, 5);
		assert_int_equal(f.ecn, 2);
		assert_memory_equal(f.p, "hello", 5);
		assert_true(weir_ip_same(&f.from, &a.ip) && f.from_port == 7400);
		/* The one that was asked knows the asker. */
		assert_int_equal(1, weir_ip_host_route(&b, &a.ip, S, &to, ask, &n));
		assert_true(weir_mac_same(&to, &a.mac));
		/* Later it is asked directly. */
		assert_int_equal(1,
				 weir_ip_host_route(&a, &b.ip, 40 * S, &to, asked, &asked_bytes));
		assert_true(asked_bytes > 0);
		assert_memory_equal(asked, b.mac.b, 6);
		assert_int_equal(in(&b, asked, asked_bytes, 40 * S), WEIR_IP_REPLY);
		/* Damaged on the way. */
		p[bytes - 1] ^= 1;
		assert_int_equal(in(&b, p, bytes, S), WEIR_IP_DAMAGED);
		p[5] ^= 1;
		assert_int_equal(in(&b, p, bytes, S), WEIR_IP_NOT_OURS);
	}
}

static void test_not_ours(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct weir_ip_host c;
		struct weir_mac other = mac_of(0xc);
		uint8_t p[128];

		hosts(v6);
		c = b;
		/* Flooded, to another address, to another port, to a group; from ourselves. */
		assert_int_equal(in(&b, p, datagram(p, &a, &b, &other), S), WEIR_IP_NOT_OURS);
		c.ip.b[v6 ? 15 : 3] = 9;
		assert_int_equal(in(&b, p, datagram(p, &a, &c, &b.mac), S), WEIR_IP_NOT_OURS);
		c = b;
		c.port++;
		assert_int_equal(in(&b, p, datagram(p, &a, &c, &b.mac), S), WEIR_IP_NOT_OURS);
		assert_int_equal(in(&b, p, datagram(p, &a, &b, &weir_mac_all), S),
				 WEIR_IP_NOT_OURS);
		c = a;
		c.mac = b.mac;
		assert_int_equal(in(&b, p, datagram(p, &c, &b, &b.mac), S), WEIR_IP_NOT_OURS);
		/* A type nobody knows. */
		datagram(p, &a, &b, &b.mac);
		p[12] = 0x12;
		assert_int_equal(in(&b, p, 60, S), WEIR_IP_NOT_OURS);
	}
}

static void test_asked(void **state)
{
	struct weir_ip other4 = ip4(10, 1, 0, 77), other6 = ip6(0, 77), none = {.v6 = true};
	struct weir_mac to;
	uint8_t p[WEIR_IP_SMALL];
	uint32_t bytes;

	(void)state;
	/* About somebody else: no answer, and the asker is not remembered. */
	hosts(false);
	bytes = weir_ip_put_arp(p, false, &a.mac, &a.ip, &weir_mac_all, &other4);
	assert_int_equal(in(&b, p, bytes, S), WEIR_IP_HEARD);
	assert_int_equal(0, weir_ip_host_route(&b, &a.ip, S, &to, ask, &n));
	/* Now that it was looked for, it is learned by the way. */
	assert_int_equal(in(&b, p, bytes, S), WEIR_IP_HEARD);
	assert_int_equal(1, weir_ip_host_route(&b, &a.ip, S, &to, ask, &n));
	/* Somebody with our address: not learned. */
	bytes = weir_ip_put_arp(p, true, &a.mac, &b.ip, &b.mac, &b.ip);
	assert_int_equal(in(&b, p, bytes, S), WEIR_IP_HEARD);
	assert_int_equal(-1, weir_ip_host_route(&b, &b.ip, S, &to, ask, &n));
	assert_int_equal(n, 0);
	/* A probe is answered. No room for an answer. */
	bytes = weir_ip_put_arp(p, false, &a.mac, &(struct weir_ip){0}, &weir_mac_all, &b.ip);
	assert_int_equal(in(&b, p, bytes, S), WEIR_IP_REPLY);
	assert_int_equal(weir_ip_host_in(&b, p, bytes, 0, S, &f, reply, WEIR_IP_SMALL - 1, &n),
			 WEIR_IP_HEARD);
	hosts(true);
	bytes = weir_ip_put_nd_ask(p, &a.mac, &a.ip, NULL, &other6);
	assert_int_equal(in(&b, p, bytes, S), WEIR_IP_HEARD);
	/* Duplicate detection: answered to all. */
	bytes = weir_ip_put_nd_ask(p, &a.mac, &a.ip, NULL, &b.ip);
	memset(p + 22, 0, 16);
	weir_put16(p + 18, 24);
	weir_put16(p + 56, 0);
	weir_ip_put_sum(
		p + 56,
		(uint16_t)~weir_ip_fold(weir_ip_sum(
			weir_ip_pseudo(&none,
				       &(struct weir_ip){.b = {0xff, 2, [11] = 1, 0xff, [15] = 2},
							 .v6 = true},
				       WEIR_PROTO_ICMP6, 24),
			p + 54, 24)));
	assert_int_equal(in(&b, p, bytes, S), WEIR_IP_REPLY);
	assert_int_equal(reply[0], 0x33);
}

static void test_echo(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		uint8_t p[128], *icmp = p + (v6 ? 54 : 34);
		struct weir_ip_host c;
		uint32_t bytes;

		hosts(v6);
		for (int wrong = 0; wrong < 3; wrong++) {
			c = b;
			if (wrong == 1)
				c.ip.b[v6 ? 15 : 3] = 9;
			bytes = datagram(p, &a, &c, wrong == 2 ? &weir_mac_all : &b.mac);
			p[v6 ? 20 : 23] = v6 ? WEIR_PROTO_ICMP6 : WEIR_PROTO_ICMP;
			memset(icmp, 0, 8);
			icmp[0] = v6 ? 128 : 8;
			weir_ip_put_sum(
				icmp + 2,
				(uint16_t)~weir_ip_fold(weir_ip_sum(
					v6 ? weir_ip_pseudo(&a.ip, &c.ip, WEIR_PROTO_ICMP6, 13) : 0,
					icmp, 13)));
			if (!v6) {
				weir_put16(p + 24, 0);
				weir_ip_put_sum(p + 24, (uint16_t)~weir_ip_fold(
								weir_ip_sum(0, p + 14, 20)));
			}
			assert_int_equal(in(&b, p, bytes, S),
					 wrong ? WEIR_IP_NOT_OURS : WEIR_IP_REPLY);
			if (!wrong) {
				assert_int_equal(n, bytes);
				assert_int_equal(weir_ip_host_in(&b, p, bytes, 0, S, &f, reply, 20,
								 &n),
						 WEIR_IP_NOT_OURS);
			}
		}
	}
}

static void test_route(void **state)
{
	static const struct {
		uint8_t prefix;
		struct weir_ip to;
		bool direct;
	} cases[] = {
		{24, {.b = {10, 1, 0, 200}}, true}, {24, {.b = {10, 1, 1, 2}}, false},
		{20, {.b = {10, 1, 15, 2}}, true},  {20, {.b = {10, 1, 16, 2}}, false},
		{32, {.b = {10, 1, 0, 2}}, false},  {0, {.b = {99, 1, 16, 2}}, true},
		{31, {.b = {10, 1, 0, 0}}, true},
	};
	struct weir_ip router6 = ip6(0, 0xfe);
	struct weir_mac to;

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(cases); i++) {
		hosts(false);
		a.has_router = true;
		a.router = ip4(10, 1, 0, 254);
		a.prefix = cases[i].prefix;
		assert_int_equal(0, weir_ip_host_route(&a, &cases[i].to, S, &to, ask, &n));
		assert_int_equal(n, 60);
		assert_memory_equal(ask + 38, cases[i].direct ? cases[i].to.b : a.router.b, 4);
	}
	hosts(true);
	a.has_router = true;
	a.router = router6;
	a.prefix = 64;
	weir_ip_host_route(&a, &(struct weir_ip){.b = {0xfe, 0x80, [15] = 5}, .v6 = true}, S, &to,
			   ask, &n);
	assert_int_equal(ask[62], 0xfe); /* on every link */
	weir_ip_host_route(&a, &(struct weir_ip){.b = {0x20, 2, [15] = 5}, .v6 = true}, S, &to, ask,
			   &n);
	assert_memory_equal(ask + 62, router6.b, 16);
	/* Nowhere: the other version, a group, none. */
	assert_int_equal(-1, weir_ip_host_route(&a, &cases[0].to, S, &to, ask, &n));
	assert_int_equal(n, 0);
	assert_int_equal(-1, weir_ip_host_route(&a, &(struct weir_ip){.b = {0xff, 2}, .v6 = true},
						S, &to, ask, &n));
	assert_int_equal(n, 0);
	assert_int_equal(-1,
			 weir_ip_host_route(&a, &(struct weir_ip){.v6 = true}, S, &to, ask, &n));
	assert_int_equal(n, 0);
}

static void test_announce(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		uint8_t p[WEIR_IP_SMALL];
		struct weir_mac to;
		uint32_t bytes;

		hosts(v6);
		/* b knew another MAC for a. */
		weir_ip_host_route(&b, &a.ip, S, &to, ask, &n);
		weir_neigh_learn(&b.neigh, &a.ip, &b.mac, false, S);
		bytes = weir_ip_host_announce(&a, p);
		assert_int_equal(in(&b, p, bytes, S), WEIR_IP_HEARD);
		assert_int_equal(1, weir_ip_host_route(&b, &a.ip, S, &to, ask, &n));
		assert_true(weir_mac_same(&to, &a.mac));
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_neigh_time),	cmocka_unit_test(test_neigh_full),
	cmocka_unit_test(test_find_each_other), cmocka_unit_test(test_not_ours),
	cmocka_unit_test(test_asked),		cmocka_unit_test(test_echo),
	cmocka_unit_test(test_route),		cmocka_unit_test(test_announce),
};

WEIR_TEST_MAIN("ip_host", tests)
