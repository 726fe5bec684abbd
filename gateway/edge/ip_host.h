/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/edge/ip_host.h - one IP address on a link of frames: what is ours, what is answered, where a datagram goes next.
 *
 * Use:    weir_ip_host_in() for every frame that came, weir_ip_host_route() for every datagram to send, then weir_ip_put_udp().
 *         The caller sends the frames they hand back.
 * Ours:   UDP to our MAC, address and port. ARP and neighbour questions for our address and echo requests to it are answered.
 *         All else is left alone: no ICMP errors, no forwarding, no duplicate address detection.
 * Route:  to the neighbour itself when its address is in our prefix (or no router is set), else to the router.
 * Thread: plain data. Pure: time is handed in.
 */
#ifndef WEIR_GATEWAY_EDGE_IP_HOST_H
#define WEIR_GATEWAY_EDGE_IP_HOST_H

#include "gateway/edge/ip_neigh.h"

struct weir_ip_host {
	struct weir_mac mac;
	struct weir_ip ip;
	uint16_t port;
	bool has_router;
	struct weir_ip router;
	uint8_t prefix; /* bits; of no meaning without a router */
	struct weir_neigh_table neigh;
};

enum weir_ip_took {
	WEIR_IP_NOT_OURS = 0,
	WEIR_IP_DATAGRAM, /* in *f: from, from_port, ecn, p, n */
	WEIR_IP_REPLY, /* send the frame in reply */
	WEIR_IP_HEARD, /* about a neighbour */
	WEIR_IP_DAMAGED, /* to our MAC, but wrong: counted */
};

/* reply: cap bytes (as much as a frame may have), *ret_reply of them used with REPLY. */
enum weir_ip_took weir_ip_host_in(struct weir_ip_host *h, const uint8_t *p, size_t n,
				  unsigned checked, uint64_t now_ns, struct weir_ip_frame *f,
				  uint8_t *reply, size_t cap, uint32_t *ret_reply);
/* 1: *ret is where to send it; 0: it was asked for, the answer will be HEARD; -1: nowhere. *ret_ask bytes of ask (WEIR_IP_SMALL) are
 * a question to send first, 0: none. */
int weir_ip_host_route(struct weir_ip_host *h, const struct weir_ip *to, uint64_t now_ns,
		       struct weir_mac *ret, uint8_t *ask, uint32_t *ret_ask);
/* Tells the link where we are: neighbours that knew another MAC for our address learn it. Gives its length. */
uint32_t weir_ip_host_announce(const struct weir_ip_host *h, uint8_t *ret);

#endif
