/* SPDX-License-Identifier: Apache-2.0 */
/* Frames built and read: whole, cut, with every bit wrong; fields that cannot be. Neighbours and the host are in test_ip_host.c. */
#include <string.h>

#include "gateway/edge/ip_sum.h"
#include "tests/lib/test.h"

static const struct weir_mac mac_a = {{2, 0, 0, 0, 0, 0xa}}, mac_b = {{2, 0, 0, 0, 0, 0xb}};
static const struct weir_ip a4 = {.b = {10, 1, 0, 1}}, b4 = {.b = {10, 1, 0, 2}};
static const struct weir_ip a6 = {.b = {0x20, 1, 0xd, 0xb8, [15] = 1}, .v6 = true};
static const struct weir_ip b6 = {.b = {0x20, 1, 0xd, 0xb8, [13] = 7, [14] = 8, [15] = 9},
				  .v6 = true};

static uint8_t frame[2048];
static uint32_t len;

/* Parses a copy of exactly this size, so that a read beyond it is seen. */
static enum weir_ip_kind parse(const uint8_t *p, size_t n, unsigned checked,
			       struct weir_ip_frame *ret, uint8_t *ret_payload)
{
	uint8_t *exact = malloc(n ? n : 1);
	enum weir_ip_kind k;

	memcpy(exact, p, n);
	k = weir_ip_parse(exact, n, checked, ret);
	assert_int_equal(k, ret->kind);
	if (ret_payload && k == WEIR_IP_UDP)
		memcpy(ret_payload, ret->p, ret->n);
	free(exact);
	return k;
}

static enum weir_ip_kind kind(void)
{
	struct weir_ip_frame f;

	return parse(frame, len, 0, &f, NULL);
}

static void make_udp(bool v6, uint32_t n, uint8_t ecn)
{
	struct weir_ip_flow flow = {.from_mac = mac_a,
				    .to_mac = mac_b,
				    .from = v6 ? a6 : a4,
				    .to = v6 ? b6 : b4,
				    .from_port = 7400,
				    .to_port = 7401};
	uint32_t head = weir_ip_udp_head(v6);

	for (uint32_t i = 0; i < n; i++)
		frame[head + i] = (uint8_t)(i * 13 + n);
	weir_ip_put_udp(frame, &flow, ecn, frame + head, n, 0);
	len = head + n;
}

/* Sets the checksums right after a field was changed. */
static void fix_v4(void)
{
	size_t head = (size_t)(frame[14] & 15) * 4;

	weir_put16(frame + 24, 0);
	weir_ip_put_sum(frame + 24, (uint16_t)~weir_ip_fold(weir_ip_sum(0, frame + 14, head)));
}

static void fix_icmp6(void)
{
	struct weir_ip from = {.v6 = true}, to = {.v6 = true};
	uint32_t n = weir_get16(frame + 18);

	memcpy(from.b, frame + 22, 16);
	memcpy(to.b, frame + 38, 16);
	weir_put16(frame + 56, 0);
	weir_ip_put_sum(frame + 56,
			(uint16_t)~weir_ip_fold(weir_ip_sum(
				weir_ip_pseudo(&from, &to, WEIR_PROTO_ICMP6, n), frame + 54, n)));
}

static void test_sum(void **state)
{
	/* A head from the wild, with the sum b861; and one byte at a time the same. */
	static const uint8_t head[] = {0x45, 0, 0,   0x73, 0, 0, 0x40, 0,   0x40, 0x11,
				       0,    0, 192, 168,  0, 1, 192,  168, 0,	  199};
	uint8_t out[2];
	uint32_t slow = 0;

	(void)state;
	weir_ip_put_sum(out, (uint16_t)~weir_ip_fold(weir_ip_sum(0, head, sizeof(head))));
	assert_int_equal(weir_get16(out), 0xb861);
	for (size_t n = 0; n <= 40; n++) {
		uint8_t p[40];

		slow = 0;
		for (size_t i = 0; i < n; i++) {
			p[i] = (uint8_t)(0xff - i * 31);
			slow += (uint32_t)p[i] << (i % 2 ? 0 : 8);
		}
		while (slow >> 16)
			slow = (slow & 0xffff) + (slow >> 16);
		weir_ip_put_sum(out, weir_ip_fold(weir_ip_sum(0, p, n)));
		assert_int_equal(weir_get16(out), slow);
	}
	/* Carries that carry again. */
	assert_int_equal(weir_ip_fold(UINT64_C(0xffffffffffff)), 0xffff);
	assert_int_equal(weir_ip_fold(UINT64_C(0x1ffffffff)), 1);
}

static void test_udp(void **state)
{
	static const uint32_t sizes[] = {0, 1, 2, 3, 17, 18, 1200, 1472, 1473};

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		for (size_t i = 0; i < WEIR_COUNT_OF(sizes); i++) {
			uint8_t got[2048];
			struct weir_ip_frame f;

			make_udp(v6, sizes[i], i & 3);
			/* A frame is padded to 60 bytes: what is behind does not matter. */
			for (uint32_t pad = 0; pad < 40; pad += 39) {
				memset(frame + len, 0x5a, pad);
				assert_int_equal(parse(frame, len + pad, 0, &f, got), WEIR_IP_UDP);
				assert_int_equal(f.n, sizes[i]);
				assert_memory_equal(got, frame + weir_ip_udp_head(v6), f.n);
				assert_int_equal(f.from_port, 7400);
				assert_int_equal(f.to_port, 7401);
				assert_int_equal(f.ecn, i & 3);
				assert_true(weir_ip_same(&f.from, v6 ? &a6 : &a4));
				assert_true(weir_ip_same(&f.to, v6 ? &b6 : &b4));
				assert_true(weir_mac_same(&f.from_mac, &mac_a));
				assert_true(weir_mac_same(&f.to_mac, &mac_b));
			}
		}
	}
}

static void test_cut(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct weir_ip_frame f;

		make_udp(v6, 50, 0);
		for (size_t n = 0; n < len; n++)
			assert_int_equal(parse(frame, n, 0, &f, NULL), WEIR_IP_BAD);
	}
}

/* The MACs have no checksum, nor have traffic class, flow and hops of IPv6. */
static void test_bits(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		make_udp(v6, 60, 1);
		for (uint32_t bit = 12 * 8; bit < len * 8; bit++) {
			uint32_t byte = bit / 8;

			if (v6 && ((byte >= 14 && byte < 18 && bit >= 14 * 8 + 4) || byte == 21))
				continue;
			frame[byte] ^= (uint8_t)(0x80 >> bit % 8);
			/* The type may become another one, the IPv6 protocol too; both are of no interest then. */
			if (byte < 14 || (v6 && byte == 20))
				assert_int_not_equal(kind(), WEIR_IP_UDP);
			else
				assert_int_equal(kind(), WEIR_IP_BAD);
			frame[byte] ^= (uint8_t)(0x80 >> bit % 8);
		}
		assert_int_equal(kind(), WEIR_IP_UDP);
	}
}

static void test_udp_fields(void **state)
{
	struct weir_ip_frame f;

	(void)state;
	/* Without a checksum: IPv4 only. What the device has checked is not checked again. */
	for (int v6 = 0; v6 < 2; v6++) {
		uint8_t *udp = frame + (v6 ? 54 : 34);

		make_udp(v6, 20, 0);
		weir_put16(udp + 6, 0);
		assert_int_equal(kind(), v6 ? WEIR_IP_BAD : WEIR_IP_UDP);
		weir_put16(udp + 6, 1);
		assert_int_equal(kind(), WEIR_IP_BAD);
		assert_int_equal(parse(frame, len, WEIR_IP_UDP_CHECKED, &f, NULL), WEIR_IP_UDP);
		/* Shorter than a head, longer than the packet. */
		weir_put16(udp + 4, 7);
		assert_int_equal(parse(frame, len, WEIR_IP_UDP_CHECKED, &f, NULL), WEIR_IP_BAD);
		weir_put16(udp + 4, 29);
		assert_int_equal(parse(frame, len, WEIR_IP_UDP_CHECKED, &f, NULL), WEIR_IP_BAD);
		/* No port to answer to. */
		make_udp(v6, 20, 0);
		weir_put16(udp, 0);
		assert_int_equal(parse(frame, len, WEIR_IP_UDP_CHECKED, &f, NULL), WEIR_IP_BAD);
		/* Less than a UDP head. */
		make_udp(v6, 20, 0);
		weir_put16(frame + (v6 ? 18 : 16), v6 ? 7 : 27);
		if (!v6)
			fix_v4();
		assert_int_equal(kind(), WEIR_IP_BAD);
		/* From a group. */
		make_udp(v6, 20, 0);
		frame[6] |= 1;
		assert_int_equal(kind(), WEIR_IP_BAD);
	}
}

static void test_udp_sum_zero(void **state)
{
	(void)state;
	/* A sum that comes out as 0 is sent as ffff: some payload of two bytes does that. */
	for (int v6 = 0; v6 < 2; v6++) {
		struct weir_ip_flow flow = {
			.from = v6 ? a6 : a4, .to = v6 ? b6 : b4, .from_port = 1};
		uint8_t *udp = frame + (v6 ? 54 : 34), *payload = udp + 8;
		bool met = false;

		for (uint32_t v = 0; v < 65536; v++) {
			weir_put16(payload, v);
			weir_ip_put_udp(frame, &flow, 0, payload, 2, 0);
			assert_int_not_equal(weir_get16(udp + 6), 0);
			if (weir_get16(udp + 6) == 0xffff) {
				met = true;
				len = weir_ip_udp_head(v6) + 2;
				assert_int_equal(kind(), WEIR_IP_UDP);
			}
		}
		assert_true(met);
	}
}

static void test_offload(void **state)
{
	struct weir_ip_flow flow = {.from = a4, .to = b4, .from_port = 5, .to_port = 6};
	struct weir_ip_frame f;
	uint8_t sum[2];

	(void)state;
	memset(frame, 7, 100);
	weir_ip_put_udp(frame, &flow, 0, frame + 42, 10,
			WEIR_IP_HEAD_OFFLOAD | WEIR_IP_UDP_OFFLOAD);
	assert_int_equal(weir_get16(frame + 24), 0);
	weir_ip_put_sum(sum, weir_ip_fold(weir_ip_pseudo(&a4, &b4, WEIR_PROTO_UDP, 18)));
	assert_memory_equal(frame + 40, sum, 2);
	assert_int_equal(parse(frame, 52, WEIR_IP_HEAD_CHECKED | WEIR_IP_UDP_CHECKED, &f, NULL),
			 WEIR_IP_UDP);
	assert_int_equal(parse(frame, 52, WEIR_IP_UDP_CHECKED, &f, NULL), WEIR_IP_BAD);
	/* What the device makes of it: the head's sum, and the sum over UDP with the pseudo header's in its field. */
	fix_v4();
	weir_ip_put_sum(frame + 40, (uint16_t)~weir_ip_fold(weir_ip_sum(0, frame + 34, 18)));
	assert_int_equal(parse(frame, 52, 0, &f, NULL), WEIR_IP_UDP);
}

static void test_v4_fields(void **state)
{
	static const struct {
		uint8_t at, value;
		enum weir_ip_kind kind;
	} pokes[] = {
		{14, 0x65, WEIR_IP_BAD}, /* version */
		{14, 0x44, WEIR_IP_BAD}, /* head too short */
		{14, 0x4f, WEIR_IP_BAD}, /* head longer than what there is of sums right for it */
		{17, 19, WEIR_IP_BAD}, /* total shorter than the head */
		{17, 200, WEIR_IP_BAD}, /* more than came: a super-packet that was cut */
		{20, 0x20, WEIR_IP_OTHER}, /* more fragments */
		{21, 1, WEIR_IP_OTHER}, /* an offset */
		{23, 6, WEIR_IP_OTHER}, /* TCP */
		{26, 224, WEIR_IP_BAD}, /* from a group */
		{26, 255, WEIR_IP_BAD},
	};
	struct weir_ip_frame f;
	uint8_t options[64];

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(pokes); i++) {
		make_udp(false, 20, 0);
		frame[pokes[i].at] = pokes[i].value;
		fix_v4();
		assert_int_equal(kind(), pokes[i].kind);
	}
	make_udp(false, 20, 0);
	memset(frame + 26, 0, 4);
	fix_v4();
	assert_int_equal(kind(), WEIR_IP_BAD);
	/* Options are skipped. */
	make_udp(false, 20, 3);
	memcpy(options, frame + 34, 28);
	memset(frame + 34, 1, 8);
	memcpy(frame + 42, options, 28);
	frame[14] = 0x47;
	weir_put16(frame + 16, 56);
	fix_v4();
	len += 8;
	assert_int_equal(parse(frame, len, 0, &f, NULL), WEIR_IP_UDP);
	assert_int_equal(f.n, 20);
	/* Other types. */
	weir_put16(frame + 12, 0x8100);
	assert_int_equal(kind(), WEIR_IP_OTHER);
}

static void test_v6_fields(void **state)
{
	(void)state;
	make_udp(true, 20, 0);
	frame[14] = 0x40;
	assert_int_equal(kind(), WEIR_IP_BAD);
	make_udp(true, 20, 0);
	frame[20] = 6;
	assert_int_equal(kind(), WEIR_IP_OTHER);
	frame[20] = 44; /* a fragment */
	assert_int_equal(kind(), WEIR_IP_OTHER);
	frame[22] = 0xff;
	assert_int_equal(kind(), WEIR_IP_BAD);
	make_udp(true, 20, 0);
	memset(frame + 22, 0, 16);
	assert_int_equal(kind(), WEIR_IP_BAD);
}

static void test_arp(void **state)
{
	struct weir_ip_frame f;

	(void)state;
	len = weir_ip_put_arp(frame, false, &mac_a, &a4, &weir_mac_all, &b4);
	assert_int_equal(len, 60);
	assert_int_equal(parse(frame, len, 0, &f, NULL), WEIR_IP_ARP_ASK);
	assert_true(weir_mac_same(&f.to_mac, &weir_mac_all) && weir_mac_same(&f.said, &mac_a));
	assert_true(weir_ip_same(&f.from, &a4) && weir_ip_same(&f.target, &b4) && f.has_said);
	len = weir_ip_put_arp(frame, true, &mac_b, &b4, &mac_a, &a4);
	assert_int_equal(parse(frame, len, 0, &f, NULL), WEIR_IP_ARP_SAY);
	assert_true(weir_ip_same(&f.target, &b4) && weir_mac_same(&f.said, &mac_b));
	for (size_t n = 0; n < 42; n++)
		assert_int_equal(parse(frame, n, 0, &f, NULL), WEIR_IP_BAD);
	assert_int_equal(parse(frame, 42, 0, &f, NULL), WEIR_IP_ARP_SAY);
	for (size_t at = 14; at < 20; at++) {
		frame[at] ^= 0x40;
		assert_int_equal(kind(), WEIR_IP_OTHER);
		frame[at] ^= 0x40;
	}
	frame[21] = 3;
	assert_int_equal(kind(), WEIR_IP_OTHER);
	frame[21] = 0;
	assert_int_equal(kind(), WEIR_IP_OTHER);
	/* A probe has no sender; an answer must have one, and its MAC is of one station. */
	frame[21] = 1;
	memset(frame + 28, 0, 4);
	assert_int_equal(kind(), WEIR_IP_ARP_ASK);
	frame[21] = 2;
	assert_int_equal(kind(), WEIR_IP_BAD);
	frame[28] = 224;
	frame[21] = 1;
	assert_int_equal(kind(), WEIR_IP_BAD);
	len = weir_ip_put_arp(frame, true, &mac_b, &b4, &mac_a, &a4);
	frame[22] |= 1;
	assert_int_equal(kind(), WEIR_IP_BAD);
}

static void test_nd(void **state)
{
	static const uint8_t group_mac[6] = {0x33, 0x33, 0xff, 7, 8, 9};
	static const uint8_t all_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
	struct weir_ip_frame f;

	(void)state;
	len = weir_ip_put_nd_ask(frame, &mac_a, &a6, NULL, &b6);
	assert_int_equal(parse(frame, len, 0, &f, NULL), WEIR_IP_ND_ASK);
	assert_memory_equal(f.to_mac.b, group_mac, 6);
	assert_int_equal(f.to.b[0], 0xff);
	assert_true(weir_ip_same(&f.target, &b6) && weir_ip_same(&f.from, &a6));
	assert_true(f.has_said && weir_mac_same(&f.said, &mac_a));
	len = weir_ip_put_nd_ask(frame, &mac_a, &a6, &mac_b, &b6);
	assert_int_equal(parse(frame, len, 0, &f, NULL), WEIR_IP_ND_ASK);
	assert_true(weir_mac_same(&f.to_mac, &mac_b) && weir_ip_same(&f.to, &b6));
	len = weir_ip_put_nd_say(frame, &mac_b, &b6, &mac_a, &a6);
	assert_int_equal(parse(frame, len, 0, &f, NULL), WEIR_IP_ND_SAY);
	assert_true(weir_ip_same(&f.target, &b6) && weir_mac_same(&f.said, &mac_b));
	assert_int_equal(frame[58], 0x60);
	len = weir_ip_put_nd_say(frame, &mac_b, &b6, NULL, NULL);
	assert_int_equal(parse(frame, len, 0, &f, NULL), WEIR_IP_ND_SAY);
	assert_memory_equal(f.to_mac.b, all_mac, 6);
	for (size_t n = 0; n < len; n++)
		assert_int_equal(parse(frame, n, 0, &f, NULL), WEIR_IP_BAD);
}

static void test_nd_fields(void **state)
{
	struct weir_ip_frame f;

	(void)state;
	/* From beyond a router. */
	len = weir_ip_put_nd_ask(frame, &mac_a, &a6, NULL, &b6);
	frame[21] = 254;
	assert_int_equal(kind(), WEIR_IP_BAD);
	/* Another code is another message. */
	len = weir_ip_put_nd_ask(frame, &mac_a, &a6, NULL, &b6);
	frame[55] = 1;
	fix_icmp6();
	assert_int_equal(kind(), WEIR_IP_OTHER);
	/* Shorter than a question. */
	len = weir_ip_put_nd_ask(frame, &mac_a, &a6, NULL, &b6);
	weir_put16(frame + 18, 20);
	fix_icmp6();
	assert_int_equal(kind(), WEIR_IP_BAD);
	/* Without options: no link address; with rest of one, or of no length, or too long: bad. */
	for (uint32_t n = 24; n < 32; n++) {
		len = weir_ip_put_nd_ask(frame, &mac_a, &a6, NULL, &b6);
		weir_put16(frame + 18, n);
		fix_icmp6();
		assert_int_equal(parse(frame, len, 0, &f, NULL),
				 n == 24 ? WEIR_IP_ND_ASK : WEIR_IP_BAD);
		assert_false(f.has_said);
	}
	for (uint8_t units = 0; units < 4; units += 2) {
		len = weir_ip_put_nd_ask(frame, &mac_a, &a6, NULL, &b6);
		frame[79] = units;
		fix_icmp6();
		assert_int_equal(kind(), WEIR_IP_BAD);
	}
	/* Another option is skipped; a link address of a group is none. */
	len = weir_ip_put_nd_ask(frame, &mac_a, &a6, NULL, &b6);
	frame[78] = 14;
	fix_icmp6();
	assert_int_equal(parse(frame, len, 0, &f, NULL), WEIR_IP_ND_ASK);
	assert_false(f.has_said);
	frame[78] = 1;
	frame[80] |= 1;
	fix_icmp6();
	assert_int_equal(kind(), WEIR_IP_BAD);
	/* The target is a group. */
	len = weir_ip_put_nd_ask(frame, &mac_a, &a6, NULL, &b6);
	frame[62] = 0xff;
	fix_icmp6();
	assert_int_equal(kind(), WEIR_IP_BAD);
	/* Who has no address asks without one, and does not answer, nor ping. */
	len = weir_ip_put_nd_ask(frame, &mac_a, &a6, NULL, &b6);
	memset(frame + 22, 0, 16);
	fix_icmp6();
	assert_int_equal(kind(), WEIR_IP_BAD);
	weir_put16(frame + 18, 24);
	fix_icmp6();
	assert_int_equal(kind(), WEIR_IP_ND_ASK);
	frame[54] = 136;
	fix_icmp6();
	assert_int_equal(kind(), WEIR_IP_BAD);
	frame[54] = 128;
	fix_icmp6();
	assert_int_equal(kind(), WEIR_IP_BAD);
	/* Less than ICMP has; a wrong sum. */
	weir_put16(frame + 18, 7);
	assert_int_equal(kind(), WEIR_IP_BAD);
	len = weir_ip_put_nd_ask(frame, &mac_a, &a6, NULL, &b6);
	frame[60] ^= 1;
	assert_int_equal(kind(), WEIR_IP_BAD);
}

static void make_echo(bool v6, uint32_t n)
{
	uint8_t *icmp = frame + (v6 ? 54 : 34);

	make_udp(v6, n, 0); /* n + 8 bytes behind the IP head */
	frame[v6 ? 20 : 23] = v6 ? WEIR_PROTO_ICMP6 : WEIR_PROTO_ICMP;
	icmp[0] = v6 ? 128 : 8;
	memset(icmp + 1, 0, 7);
	if (v6) {
		fix_icmp6();
	} else {
		fix_v4();
		weir_ip_put_sum(icmp + 2, (uint16_t)~weir_ip_fold(weir_ip_sum(0, icmp, n + 8)));
	}
}

static void test_echo(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		uint8_t reply[1600], *icmp = frame + (v6 ? 54 : 34);
		struct weir_ip_frame f, g;
		uint32_t n;

		make_echo(v6, 57);
		assert_int_equal(weir_ip_parse(frame, len, 0, &f), WEIR_IP_ECHO);
		for (uint32_t cap = 0; cap < len; cap++)
			assert_int_equal(weir_ip_put_echo(reply, cap, &f), 0);
		n = weir_ip_put_echo(reply, len, &f);
		assert_int_equal(n, len);
		/* A reply is of no interest to us, but whole, and the other way round. */
		assert_int_equal(parse(reply, n, 0, &g, NULL), WEIR_IP_OTHER);
		assert_true(weir_ip_same(&g.to, &f.from) && weir_ip_same(&g.from, &f.to));
		assert_true(weir_mac_same(&g.to_mac, &mac_a) && weir_mac_same(&g.from_mac, &mac_b));
		assert_int_equal(reply[v6 ? 54 : 34], v6 ? 129 : 0);
		assert_memory_equal(reply + (v6 ? 58 : 38), icmp + 4, 61);
		icmp[9] ^= 1;
		assert_int_equal(kind(), WEIR_IP_BAD);
	}
	/* Less than a head. */
	make_echo(false, 0);
	weir_put16(frame + 16, 27);
	fix_v4();
	assert_int_equal(kind(), WEIR_IP_BAD);
	make_echo(false, 0);
	frame[34] = 3; /* unreachable */
	weir_put16(frame + 36, 0);
	weir_ip_put_sum(frame + 36, (uint16_t)~weir_ip_fold(weir_ip_sum(0, frame + 34, 8)));
	assert_int_equal(kind(), WEIR_IP_OTHER);
}

static void test_sockaddr(void **state)
{
	struct sockaddr_storage sa;
	struct weir_ip ip;
	uint16_t port;

	(void)state;
	assert_int_equal(weir_ip_sockaddr(&a4, 7400, &sa), 16);
	assert_true(weir_ip_of(&sa, &ip, &port) && weir_ip_same(&ip, &a4) && port == 7400);
	assert_int_equal(weir_ip_sockaddr(&b6, 7401, &sa), 28);
	assert_true(weir_ip_of(&sa, &ip, &port) && weir_ip_same(&ip, &b6) && port == 7401);
	sa.ss_family = AF_UNIX;
	assert_false(weir_ip_of(&sa, &ip, &port));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_sum),	   cmocka_unit_test(test_udp),
	cmocka_unit_test(test_cut),	   cmocka_unit_test(test_bits),
	cmocka_unit_test(test_udp_fields), cmocka_unit_test(test_udp_sum_zero),
	cmocka_unit_test(test_offload),	   cmocka_unit_test(test_v4_fields),
	cmocka_unit_test(test_v6_fields),  cmocka_unit_test(test_arp),
	cmocka_unit_test(test_nd),	   cmocka_unit_test(test_nd_fields),
	cmocka_unit_test(test_echo),	   cmocka_unit_test(test_sockaddr),
};

WEIR_TEST_MAIN("ip", tests)
