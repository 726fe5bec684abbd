/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/edge/ip.h - Ethernet, ARP, IPv4, IPv6, ICMP, neighbour discovery and UDP heads: bytes to fields and back.
 *
 * Use:    under a network card that brings frames (DPDK). ip_host.h decides what is ours and what to answer.
 * Scope:  Ethernet II without VLAN. No fragments (datagrams are sent with don't-fragment), no IPv6 extension headers; IPv4
 *         options are skipped. Checksums, lengths and addresses are checked; a frame may be longer than its packet (padding),
 *         never shorter.
 * Memory: a parsed frame points into the caller's bytes. Pure: no state.
 * Sources: RFC 791, 768, 826, 792, 1071, 8200, 4443, 4861, 3168.
 * Fuzzed: tests/fuzz/fuzz_ip.c. Thread: any.
 */
#ifndef WEIR_GATEWAY_EDGE_IP_H
#define WEIR_GATEWAY_EDGE_IP_H

#include <sys/socket.h>

#include "base/base.h"

#define WEIR_ETH_HEAD 14u
#define WEIR_UDP_HEAD_V4 28u /* IPv4 and UDP */
#define WEIR_UDP_HEAD_V6 48u
#define WEIR_IP_SMALL 96u /* bytes that any frame of ours but a datagram or an echo fits in */

struct weir_mac {
	uint8_t b[6];
};

struct weir_ip {
	uint8_t b[16]; /* IPv4: the first four, zeroes behind */
	bool v6;
};

enum weir_ip_kind {
	WEIR_IP_BAD = 0, /* length, checksum, or an address or field that cannot be */
	WEIR_IP_OTHER, /* nothing a gateway looks at */
	WEIR_IP_ARP_ASK,
	WEIR_IP_ARP_SAY,
	WEIR_IP_ND_ASK,
	WEIR_IP_ND_SAY,
	WEIR_IP_ECHO, /* request */
	WEIR_IP_UDP,
};

/* Parsing: what the device has checked already. */
#define WEIR_IP_HEAD_CHECKED 1u
#define WEIR_IP_UDP_CHECKED 2u
/* Building: what the device computes; the UDP field then holds the sum of the pseudo header. */
#define WEIR_IP_HEAD_OFFLOAD 1u
#define WEIR_IP_UDP_OFFLOAD 2u

struct weir_ip_frame {
	enum weir_ip_kind kind;
	struct weir_mac from_mac,
		to_mac; /* of the Ethernet head; set unless the frame is shorter */
	struct weir_ip from, to; /* ARP: sender and target */
	/* ARP and ND */
	struct weir_ip target; /* whose address is asked for or told */
	struct weir_mac said; /* the address told, or the asker's */
	bool has_said;
	/* UDP */
	uint16_t from_port, to_port;
	uint8_t ecn;
	const uint8_t *p; /* UDP: payload; ECHO: ICMP message */
	uint32_t n;
};

struct weir_ip_flow {
	struct weir_mac from_mac, to_mac;
	struct weir_ip from, to; /* of one version */
	uint16_t from_port, to_port;
};

extern const struct weir_mac weir_mac_all; /* broadcast */

weir_inline bool weir_mac_same(const struct weir_mac *a, const struct weir_mac *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

weir_inline bool weir_ip_same(const struct weir_ip *a, const struct weir_ip *b)
{
	return a->v6 == b->v6 && memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

weir_inline uint32_t weir_ip_udp_head(bool v6)
{
	return WEIR_ETH_HEAD + (v6 ? WEIR_UDP_HEAD_V6 : WEIR_UDP_HEAD_V4);
}

/* kind; *ret is zeroed first. checked: WEIR_IP_*_CHECKED. */
enum weir_ip_kind weir_ip_parse(const uint8_t *p, size_t n, unsigned checked,
				struct weir_ip_frame *ret);

/* weir_ip_udp_head() bytes at head, for n bytes of payload that will be sent right behind them. offload: WEIR_IP_*_OFFLOAD. */
void weir_ip_put_udp(uint8_t *head, const struct weir_ip_flow *f, uint8_t ecn,
		     const uint8_t *payload, uint32_t n, unsigned offload);

/* The following write a frame into WEIR_IP_SMALL bytes and give its length. */
uint32_t weir_ip_put_arp(uint8_t *ret, bool say, const struct weir_mac *my_mac,
			 const struct weir_ip *my_ip, const struct weir_mac *to_mac,
			 const struct weir_ip *to);
/* to_mac NULL: to all that may have the address. */
uint32_t weir_ip_put_nd_ask(uint8_t *ret, const struct weir_mac *my_mac,
			    const struct weir_ip *my_ip, const struct weir_mac *to_mac,
			    const struct weir_ip *target);
/* to NULL: to all, unasked. */
uint32_t weir_ip_put_nd_say(uint8_t *ret, const struct weir_mac *my_mac,
			    const struct weir_ip *my_ip, const struct weir_mac *to_mac,
			    const struct weir_ip *to);
/* The answer to an ECHO frame; 0 when it has no room in cap. */
uint32_t weir_ip_put_echo(uint8_t *ret, size_t cap, const struct weir_ip_frame *in);

/* Unicast, and not "none". */
bool weir_ip_is_host(const struct weir_ip *ip);
/* false: neither AF_INET nor AF_INET6. */
bool weir_ip_of(const struct sockaddr_storage *sa, struct weir_ip *ret, uint16_t *ret_port);
socklen_t weir_ip_sockaddr(const struct weir_ip *ip, uint16_t port, struct sockaddr_storage *ret);

#endif
