/* SPDX-License-Identifier: Apache-2.0 */
/* Fields to frames. */
#include <netinet/in.h>

#include "base/assert.h"
#include "gateway/edge/ip_sum.h"

#define HOPS 64u
#define HEAD_V4 20u
#define HEAD_V6 40u
#define DONT_FRAGMENT 0x4000u
#define ETH_MIN 60u
#define ND_ASK 135u
#define ND_SAY 136u
#define SOLICITED 0x40u
#define OVERRIDE 0x20u

/* Gives the place behind the Ethernet head. */
static uint8_t *put_eth(uint8_t *p, const struct weir_mac *to, const struct weir_mac *from,
			uint32_t type)
{
	memcpy(p, to->b, 6);
	memcpy(p + 6, from->b, 6);
	weir_put16(p + 12, type);
	return p + WEIR_ETH_HEAD;
}

/* n: bytes behind the head. */
static uint8_t *put_v4(uint8_t *p, const struct weir_ip *from, const struct weir_ip *to,
		       uint8_t proto, uint8_t ecn, uint32_t n, bool offload)
{
	memset(p, 0, HEAD_V4);
	p[0] = 0x45;
	p[1] = ecn & 3;
	weir_put16(p + 2, HEAD_V4 + n);
	/* The identification is of no meaning without fragments (RFC 6864). */
	weir_put16(p + 6, DONT_FRAGMENT);
	p[8] = HOPS;
	p[9] = proto;
	memcpy(p + 12, from->b, 4);
	memcpy(p + 16, to->b, 4);
	if (!offload)
		weir_ip_put_sum(p + 10, (uint16_t)~weir_ip_fold(weir_ip_sum(0, p, HEAD_V4)));
	return p + HEAD_V4;
}

static uint8_t *put_v6(uint8_t *p, const struct weir_ip *from, const struct weir_ip *to,
		       uint8_t proto, uint8_t ecn, uint32_t n, uint8_t hops)
{
	memset(p, 0, 8);
	p[0] = 0x60;
	p[1] = (uint8_t)((ecn & 3) << 4);
	weir_put16(p + 4, n);
	p[6] = proto;
	p[7] = hops;
	memcpy(p + 8, from->b, 16);
	memcpy(p + 24, to->b, 16);
	return p + HEAD_V6;
}

void weir_ip_put_udp(uint8_t *head, const struct weir_ip_flow *f, uint8_t ecn,
		     const uint8_t *payload, uint32_t n, unsigned offload)
{
	uint32_t len = n + 8;
	uint64_t sum = weir_ip_pseudo(&f->from, &f->to, WEIR_PROTO_UDP, len);
	uint16_t v;
	uint8_t *p;

	weir_assert(f->from.v6 == f->to.v6 && len + HEAD_V4 <= UINT16_MAX);
	p = put_eth(head, &f->to_mac, &f->from_mac, f->from.v6 ? 0x86dd : 0x0800);
	p = f->from.v6 ? put_v6(p, &f->from, &f->to, WEIR_PROTO_UDP, ecn, len, HOPS)
		       : put_v4(p, &f->from, &f->to, WEIR_PROTO_UDP, ecn, len,
				offload & WEIR_IP_HEAD_OFFLOAD);
	weir_put16(p, f->from_port);
	weir_put16(p + 2, f->to_port);
	weir_put16(p + 4, len);
	weir_put16(p + 6, 0);
	if (offload & WEIR_IP_UDP_OFFLOAD) {
		weir_ip_put_sum(p + 6, weir_ip_fold(sum));
		return;
	}
	v = (uint16_t)~weir_ip_fold(weir_ip_sum(weir_ip_sum(sum, p, 8), payload, n));
	/* 0 would mean: none. */
	weir_ip_put_sum(p + 6, v ? v : 0xffff);
}

uint32_t weir_ip_put_arp(uint8_t *ret, bool say, const struct weir_mac *my_mac,
			 const struct weir_ip *my_ip, const struct weir_mac *to_mac,
			 const struct weir_ip *to)
{
	static const uint8_t ethernet_v4[6] = {0, 1, 8, 0, 6, 4};
	uint8_t *p = put_eth(ret, to_mac, my_mac, 0x0806);

	memset(p, 0, ETH_MIN - WEIR_ETH_HEAD);
	memcpy(p, ethernet_v4, sizeof(ethernet_v4));
	weir_put16(p + 6, say ? 2 : 1);
	memcpy(p + 8, my_mac->b, 6);
	memcpy(p + 14, my_ip->b, 4);
	if (say)
		memcpy(p + 18, to_mac->b, 6);
	memcpy(p + 24, to->b, 4);
	return ETH_MIN;
}

/* Where a group of IPv6 listens: 33:33 and the last four bytes (RFC 2464). */
static struct weir_mac group_mac(const struct weir_ip *ip)
{
	struct weir_mac m = {{0x33, 0x33}};

	memcpy(m.b + 2, ip->b + 12, 4);
	return m;
}

/* ICMPv6 with a target and one link address behind an IPv6 head. */
static uint32_t put_nd(uint8_t *ret, uint8_t type, uint8_t flags, const struct weir_mac *my_mac,
		       const struct weir_ip *my_ip, const struct weir_mac *to_mac,
		       const struct weir_ip *to, const struct weir_ip *target)
{
	enum { BYTES = 32 };
	uint8_t *p = put_eth(ret, to_mac, my_mac, 0x86dd);

	p = put_v6(p, my_ip, to, WEIR_PROTO_ICMP6, 0, BYTES, 255);
	memset(p, 0, BYTES);
	p[0] = type;
	p[4] = flags;
	memcpy(p + 8, target->b, 16);
	p[24] = type == ND_ASK ? 1 : 2;
	p[25] = 1;
	memcpy(p + 26, my_mac->b, 6);
	weir_ip_put_sum(p + 2,
			(uint16_t)~weir_ip_fold(weir_ip_sum(
				weir_ip_pseudo(my_ip, to, WEIR_PROTO_ICMP6, BYTES), p, BYTES)));
	return (uint32_t)(p + BYTES - ret);
}

uint32_t weir_ip_put_nd_ask(uint8_t *ret, const struct weir_mac *my_mac,
			    const struct weir_ip *my_ip, const struct weir_mac *to_mac,
			    const struct weir_ip *target)
{
	/* The solicited-node group: the last three bytes of the address. */
	struct weir_ip group = {.b = {0xff, 2, [11] = 1, [12] = 0xff}, .v6 = true};
	struct weir_mac group_at;

	if (to_mac)
		return put_nd(ret, ND_ASK, 0, my_mac, my_ip, to_mac, target, target);
	memcpy(group.b + 13, target->b + 13, 3);
	group_at = group_mac(&group);
	return put_nd(ret, ND_ASK, 0, my_mac, my_ip, &group_at, &group, target);
}

uint32_t weir_ip_put_nd_say(uint8_t *ret, const struct weir_mac *my_mac,
			    const struct weir_ip *my_ip, const struct weir_mac *to_mac,
			    const struct weir_ip *to)
{
	static const struct weir_ip all = {.b = {0xff, 2, [15] = 1}, .v6 = true};
	struct weir_mac all_at = group_mac(&all);

	if (to)
		return put_nd(ret, ND_SAY, SOLICITED | OVERRIDE, my_mac, my_ip, to_mac, to, my_ip);
	return put_nd(ret, ND_SAY, OVERRIDE, my_mac, my_ip, &all_at, &all, my_ip);
}

uint32_t weir_ip_put_echo(uint8_t *ret, size_t cap, const struct weir_ip_frame *in)
{
	bool v6 = in->from.v6;
	uint32_t head = WEIR_ETH_HEAD + (v6 ? HEAD_V6 : HEAD_V4);
	uint64_t sum = v6 ? weir_ip_pseudo(&in->to, &in->from, WEIR_PROTO_ICMP6, in->n) : 0;
	uint8_t *p;

	if (cap < head || in->n > cap - head)
		return 0;
	p = put_eth(ret, &in->from_mac, &in->to_mac, v6 ? 0x86dd : 0x0800);
	p = v6 ? put_v6(p, &in->to, &in->from, WEIR_PROTO_ICMP6, 0, in->n, HOPS)
	       : put_v4(p, &in->to, &in->from, WEIR_PROTO_ICMP, 0, in->n, false);
	memcpy(p, in->p, in->n);
	p[0] = v6 ? 129 : 0;
	weir_put16(p + 2, 0);
	weir_ip_put_sum(p + 2, (uint16_t)~weir_ip_fold(weir_ip_sum(sum, p, in->n)));
	return head + in->n;
}

bool weir_ip_of(const struct sockaddr_storage *sa, struct weir_ip *ret, uint16_t *ret_port)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)sa;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)sa;

	*ret = (struct weir_ip){.v6 = sa->ss_family == AF_INET6};
	if (ret->v6) {
		memcpy(ret->b, &v6->sin6_addr, 16);
		*ret_port = ntohs(v6->sin6_port);
		return true;
	}
	memcpy(ret->b, &v4->sin_addr, 4);
	*ret_port = ntohs(v4->sin_port);
	return sa->ss_family == AF_INET;
}

socklen_t weir_ip_sockaddr(const struct weir_ip *ip, uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

	*ret = (struct sockaddr_storage){0};
	if (ip->v6) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		memcpy(&v6->sin6_addr, ip->b, 16);
		return sizeof(*v6);
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons(port);
	memcpy(&v4->sin_addr, ip->b, 4);
	return sizeof(*v4);
}
