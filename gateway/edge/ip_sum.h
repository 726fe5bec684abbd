/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/edge/ip_sum.h - the Internet checksum (RFC 1071), and 16-bit fields in network order.
 *
 * Shape: a sum grows over pieces of even length (the last may be odd), in the machine's order; folded and stored as it is, it is
 *        right on either order.
 * Thread: any.
 */
#ifndef WEIR_GATEWAY_EDGE_IP_SUM_H
#define WEIR_GATEWAY_EDGE_IP_SUM_H

#include "gateway/edge/ip.h"

enum { WEIR_PROTO_ICMP = 1, WEIR_PROTO_UDP = 17, WEIR_PROTO_ICMP6 = 58 };

weir_inline uint64_t weir_ip_sum(uint64_t sum, const uint8_t *p, size_t n)
{
	uint32_t w;
	uint16_t h = 0;

	for (; n >= 4; p += 4, n -= 4) {
		memcpy(&w, p, 4);
		sum += w;
	}
	if (n >= 2) {
		memcpy(&h, p, 2);
		sum += h;
		p += 2;
		n -= 2;
		h = 0;
	}
	memcpy(&h, p, n);
	return sum + h;
}

weir_inline uint16_t weir_ip_fold(uint64_t sum)
{
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)((sum & UINT16_MAX) + (sum >> 16));
}

/* Stored as it is. */
weir_inline void weir_ip_put_sum(uint8_t *p, uint16_t v)
{
	memcpy(p, &v, 2);
}

weir_inline void weir_put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

weir_inline uint16_t weir_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* Of the pseudo header: addresses, protocol, length. */
weir_inline uint64_t weir_ip_pseudo(const struct weir_ip *from, const struct weir_ip *to,
				    uint8_t proto, uint32_t n)
{
	size_t bytes = from->v6 ? 16 : 4;
	uint8_t tail[8] = {0};

	weir_put16(tail, n >> 16);
	weir_put16(tail + 2, n);
	tail[7] = proto;
	return weir_ip_sum(weir_ip_sum(weir_ip_sum(0, from->b, bytes), to->b, bytes), tail, 8);
}

#endif
