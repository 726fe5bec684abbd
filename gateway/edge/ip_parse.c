/* SPDX-License-Identifier: Apache-2.0 */
/* Frames to fields. Every length is compared with what is there before a byte is read. */
#include "gateway/edge/ip_sum.h"

#define TYPE_V4 0x0800u
#define TYPE_ARP 0x0806u
#define TYPE_V6 0x86ddu
#define HEAD_V4 20u
#define HEAD_V6 40u
#define HEAD_UDP 8u
#define HEAD_ICMP 8u
#define ARP_BYTES 28u
#define ND_BYTES 24u
#define MORE_OR_OFFSET 0x3fffu /* of the fragment field: all but "don't" and the reserved bit */

const struct weir_mac weir_mac_all = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

static struct weir_ip ip_at(const uint8_t *p, bool v6)
{
	struct weir_ip ip = {.v6 = v6};

	memcpy(ip.b, p, v6 ? 16 : 4);
	return ip;
}

static bool is_none(const struct weir_ip *ip)
{
	static const struct weir_ip none;

	return memcmp(ip->b, none.b, sizeof(none.b)) == 0;
}

bool weir_ip_is_host(const struct weir_ip *ip)
{
	/* From 224.0.0.0 on: multicast, reserved, broadcast. */
	return !is_none(ip) && ip->b[0] < (ip->v6 ? 0xff : 224);
}

/* The device's MAC is never one of a group. */
static bool is_station(const struct weir_mac *m)
{
	return !(m->b[0] & 1);
}

static enum weir_ip_kind parse_arp(const uint8_t *p, size_t n, struct weir_ip_frame *f)
{
	static const uint8_t ethernet_v4[6] = {0, 1, 8, 0, 6, 4};
	uint16_t op;

	if (n < ARP_BYTES)
		return WEIR_IP_BAD;
	op = weir_get16(p + 6);
	if (memcmp(p, ethernet_v4, sizeof(ethernet_v4)) || op < 1 || op > 2)
		return WEIR_IP_OTHER;
	memcpy(f->said.b, p + 8, 6);
	f->from = ip_at(p + 14, false);
	f->target = f->to = ip_at(p + 24, false);
	f->has_said = true;
	/* A probe (RFC 5227) has no sender. */
	if (!is_station(&f->said) ||
	    (!weir_ip_is_host(&f->from) && !(op == 1 && is_none(&f->from))))
		return WEIR_IP_BAD;
	if (op == 2)
		f->target = f->from;
	return op == 1 ? WEIR_IP_ARP_ASK : WEIR_IP_ARP_SAY;
}

static enum weir_ip_kind parse_udp(const uint8_t *p, size_t n, unsigned checked,
				   struct weir_ip_frame *f)
{
	uint16_t len, sum;

	if (n < HEAD_UDP)
		return WEIR_IP_BAD;
	len = weir_get16(p + 4);
	sum = weir_get16(p + 6);
	if (len < HEAD_UDP || len > n)
		return WEIR_IP_BAD;
	/* Without a checksum: allowed for IPv4 only. */
	if (sum == 0 && f->from.v6)
		return WEIR_IP_BAD;
	if (sum != 0 && !(checked & WEIR_IP_UDP_CHECKED) &&
	    weir_ip_fold(weir_ip_sum(weir_ip_pseudo(&f->from, &f->to, WEIR_PROTO_UDP, len), p,
				     len)) != 0xffff)
		return WEIR_IP_BAD;
	f->from_port = weir_get16(p);
	f->to_port = weir_get16(p + 2);
	f->p = p + HEAD_UDP;
	f->n = len - HEAD_UDP;
	return f->from_port ? WEIR_IP_UDP : WEIR_IP_BAD;
}

static enum weir_ip_kind parse_icmp(const uint8_t *p, size_t n, struct weir_ip_frame *f)
{
	if (n < HEAD_ICMP || weir_ip_fold(weir_ip_sum(0, p, n)) != 0xffff)
		return WEIR_IP_BAD;
	f->p = p;
	f->n = (uint32_t)n;
	return p[0] == 8 && p[1] == 0 ? WEIR_IP_ECHO : WEIR_IP_OTHER;
}

/* Source link address of a question (1), target link address of an answer (2). */
static bool parse_nd_options(const uint8_t *p, size_t n, uint8_t wanted, struct weir_ip_frame *f)
{
	while (n) {
		size_t bytes;

		if (n < 8)
			return false;
		bytes = (size_t)p[1] * 8;
		if (bytes == 0 || bytes > n)
			return false;
		if (p[0] == wanted && bytes == 8) {
			memcpy(f->said.b, p + 2, 6);
			f->has_said = true;
		}
		p += bytes;
		n -= bytes;
	}
	return !f->has_said || is_station(&f->said);
}

static enum weir_ip_kind parse_nd(const uint8_t *p, size_t n, uint8_t hops, struct weir_ip_frame *f)
{
	bool ask = p[0] == 135;

	/* Hop limit 255: it comes from this link. */
	if (hops != 255 || n < ND_BYTES)
		return WEIR_IP_BAD;
	f->target = ip_at(p + 8, true);
	if (!weir_ip_is_host(&f->target) ||
	    !parse_nd_options(p + ND_BYTES, n - ND_BYTES, ask ? 1 : 2, f))
		return WEIR_IP_BAD;
	/* Who has no address yet (duplicate detection) names no link address, who answers has one. */
	if (is_none(&f->from) && (!ask || f->has_said))
		return WEIR_IP_BAD;
	return ask ? WEIR_IP_ND_ASK : WEIR_IP_ND_SAY;
}

static enum weir_ip_kind parse_icmp6(const uint8_t *p, size_t n, uint8_t hops,
				     struct weir_ip_frame *f)
{
	uint64_t sum = weir_ip_pseudo(&f->from, &f->to, WEIR_PROTO_ICMP6, (uint32_t)n);

	if (n < HEAD_ICMP || weir_ip_fold(weir_ip_sum(sum, p, n)) != 0xffff)
		return WEIR_IP_BAD;
	f->p = p;
	f->n = (uint32_t)n;
	if (p[1] == 0 && (p[0] == 135 || p[0] == 136))
		return parse_nd(p, n, hops, f);
	if (is_none(&f->from))
		return WEIR_IP_BAD;
	return p[0] == 128 && p[1] == 0 ? WEIR_IP_ECHO : WEIR_IP_OTHER;
}

static enum weir_ip_kind parse_v4(const uint8_t *p, size_t n, unsigned checked,
				  struct weir_ip_frame *f)
{
	size_t head, total;

	if (n < HEAD_V4)
		return WEIR_IP_BAD;
	head = (size_t)(p[0] & 15) * 4;
	total = weir_get16(p + 2);
	if (p[0] >> 4 != 4 || head < HEAD_V4 || total < head || total > n)
		return WEIR_IP_BAD;
	if (!(checked & WEIR_IP_HEAD_CHECKED) && weir_ip_fold(weir_ip_sum(0, p, head)) != 0xffff)
		return WEIR_IP_BAD;
	f->from = ip_at(p + 12, false);
	f->to = ip_at(p + 16, false);
	f->ecn = p[1] & 3;
	if (!weir_ip_is_host(&f->from))
		return WEIR_IP_BAD;
	if (weir_get16(p + 6) & MORE_OR_OFFSET)
		return WEIR_IP_OTHER;
	if (p[9] == WEIR_PROTO_UDP)
		return parse_udp(p + head, total - head, checked, f);
	if (p[9] == WEIR_PROTO_ICMP)
		return parse_icmp(p + head, total - head, f);
	return WEIR_IP_OTHER;
}

static enum weir_ip_kind parse_v6(const uint8_t *p, size_t n, unsigned checked,
				  struct weir_ip_frame *f)
{
	size_t len;

	if (n < HEAD_V6)
		return WEIR_IP_BAD;
	len = weir_get16(p + 4);
	if (p[0] >> 4 != 6 || len > n - HEAD_V6)
		return WEIR_IP_BAD;
	f->from = ip_at(p + 8, true);
	f->to = ip_at(p + 24, true);
	f->ecn = p[1] >> 4 & 3;
	if (f->from.b[0] == 0xff)
		return WEIR_IP_BAD;
	if (p[6] == WEIR_PROTO_UDP)
		return is_none(&f->from) ? WEIR_IP_BAD : parse_udp(p + HEAD_V6, len, checked, f);
	if (p[6] == WEIR_PROTO_ICMP6)
		return parse_icmp6(p + HEAD_V6, len, p[7], f);
	return WEIR_IP_OTHER;
}

enum weir_ip_kind weir_ip_parse(const uint8_t *p, size_t n, unsigned checked,
				struct weir_ip_frame *ret)
{
	*ret = (struct weir_ip_frame){.kind = WEIR_IP_BAD};
	if (n < WEIR_ETH_HEAD)
		return WEIR_IP_BAD;
	memcpy(ret->to_mac.b, p, 6);
	memcpy(ret->from_mac.b, p + 6, 6);
	switch (weir_get16(p + 12)) {
	case TYPE_V4:
		ret->kind = parse_v4(p + WEIR_ETH_HEAD, n - WEIR_ETH_HEAD, checked, ret);
		break;
	case TYPE_V6:
		ret->kind = parse_v6(p + WEIR_ETH_HEAD, n - WEIR_ETH_HEAD, checked, ret);
		break;
	case TYPE_ARP:
		ret->kind = parse_arp(p + WEIR_ETH_HEAD, n - WEIR_ETH_HEAD, ret);
		break;
	default:
		ret->kind = WEIR_IP_OTHER;
	}
	/* Who sends from a group's address is nobody. */
	if (!is_station(&ret->from_mac))
		ret->kind = WEIR_IP_BAD;
	return ret->kind;
}
