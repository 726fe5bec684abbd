/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/edge/ip_neigh.h - who has which MAC address on this link (ARP cache, IPv6 neighbour cache).
 *
 * Use:    weir_neigh_find() for every datagram: it knows, and says when to ask. Answers and questions to us go to
 *         weir_neigh_learn(). No timers: what is not in use is not asked for.
 * Rules:  asked four times in a second, then once a second. Known for 60 s; from 30 s on a use asks again, so that a neighbour
 *         in use is never forgotten while it answers. Full: the entry that was used longest ago goes.
 * Source: RFC 826, and RFC 4861 reduced to what a link with few neighbours needs.
 * Thread: plain data. Time is handed in: nanoseconds of a monotonic clock.
 */
#ifndef WEIR_GATEWAY_EDGE_IP_NEIGH_H
#define WEIR_GATEWAY_EDGE_IP_NEIGH_H

#include "gateway/edge/ip.h"

#define WEIR_NEIGH_MAX 128u
#define WEIR_NEIGH_KNOWN_NS ((uint64_t)60 * WEIR_NS_PER_S)
#define WEIR_NEIGH_FRESH_NS ((uint64_t)30 * WEIR_NS_PER_S)
#define WEIR_NEIGH_QUICK_NS ((uint64_t)250 * WEIR_NS_PER_MS)
#define WEIR_NEIGH_SLOW_NS ((uint64_t)WEIR_NS_PER_S)
#define WEIR_NEIGH_QUICK_ASKS 4u

struct weir_neigh {
	struct weir_ip ip;
	struct weir_mac mac;
	bool used, known;
	uint32_t asks; /* since it was last heard */
	uint64_t heard_ns, asked_ns, touched_ns;
};

struct weir_neigh_table {
	struct weir_neigh of[WEIR_NEIGH_MAX];
	uint32_t last; /* found last: bursts go to one address */
};

/* true: *ret is its address. *ret_ask: ask for it now (counted as done); of a known one, ask it directly. */
bool weir_neigh_find(struct weir_neigh_table *t, const struct weir_ip *ip, uint64_t now_ns,
		     struct weir_mac *ret, bool *ret_ask);
/* make: also one that was not looked for yet, when that drives out none in use. */
void weir_neigh_learn(struct weir_neigh_table *t, const struct weir_ip *ip,
		      const struct weir_mac *mac, bool make, uint64_t now_ns);

#endif
