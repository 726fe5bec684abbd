/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/edge/ip_host.h"

/* The asker of our address will send: we need not ask back. */
static void learn(struct weir_ip_host *h, const struct weir_ip_frame *f, bool make, uint64_t now_ns)
{
	const struct weir_ip *who = f->kind == WEIR_IP_ND_SAY ? &f->target : &f->from;

	if (f->has_said && weir_ip_is_host(who) && !weir_ip_same(who, &h->ip))
		weir_neigh_learn(&h->neigh, who, &f->said, make, now_ns);
}

static enum weir_ip_took asked(struct weir_ip_host *h, const struct weir_ip_frame *f,
			       uint64_t now_ns, uint8_t *reply, size_t cap, uint32_t *ret_reply)
{
	bool ours = weir_ip_same(&f->target, &h->ip);

	learn(h, f, ours, now_ns);
	if (!ours || cap < WEIR_IP_SMALL)
		return WEIR_IP_HEARD;
	if (f->kind == WEIR_IP_ARP_ASK)
		*ret_reply = weir_ip_put_arp(reply, true, &h->mac, &h->ip, &f->from_mac, &f->from);
	else
		*ret_reply = weir_ip_put_nd_say(reply, &h->mac, &h->ip, &f->from_mac,
						weir_ip_is_host(&f->from) ? &f->from : NULL);
	return WEIR_IP_REPLY;
}

enum weir_ip_took weir_ip_host_in(struct weir_ip_host *h, const uint8_t *p, size_t n,
				  unsigned checked, uint64_t now_ns, struct weir_ip_frame *f,
				  uint8_t *reply, size_t cap, uint32_t *ret_reply)
{
	enum weir_ip_kind kind = weir_ip_parse(p, n, checked, f);
	bool to_us = weir_mac_same(&f->to_mac, &h->mac);

	*ret_reply = 0;
	/* Some devices show what the host itself sends. */
	if (weir_mac_same(&f->from_mac, &h->mac))
		return WEIR_IP_NOT_OURS;
	switch (kind) {
	case WEIR_IP_BAD:
		return to_us ? WEIR_IP_DAMAGED : WEIR_IP_NOT_OURS;
	case WEIR_IP_OTHER:
		break;
	case WEIR_IP_ARP_ASK:
	case WEIR_IP_ND_ASK:
		return asked(h, f, now_ns, reply, cap, ret_reply);
	case WEIR_IP_ARP_SAY:
	case WEIR_IP_ND_SAY:
		learn(h, f, false, now_ns);
		return WEIR_IP_HEARD;
	case WEIR_IP_ECHO:
		if (!to_us || !weir_ip_same(&f->to, &h->ip))
			break;
		*ret_reply = weir_ip_put_echo(reply, cap, f);
		return *ret_reply ? WEIR_IP_REPLY : WEIR_IP_NOT_OURS;
	case WEIR_IP_UDP:
		if (to_us && weir_ip_same(&f->to, &h->ip) && f->to_port == h->port)
			return WEIR_IP_DATAGRAM;
		break;
	}
	return WEIR_IP_NOT_OURS;
}

static bool same_prefix(const struct weir_ip *a, const struct weir_ip *b, uint32_t bits)
{
	uint32_t bytes = bits / 8, rest = bits % 8;

	return memcmp(a->b, b->b, bytes) == 0 &&
	       (rest == 0 || (a->b[bytes] ^ b->b[bytes]) >> (8 - rest) == 0);
}

static bool on_link(const struct weir_ip_host *h, const struct weir_ip *to)
{
	return !h->has_router || same_prefix(&h->ip, to, h->prefix) ||
	       (to->v6 && to->b[0] == 0xfe && to->b[1] >> 6 == 2);
}

int weir_ip_host_route(struct weir_ip_host *h, const struct weir_ip *to, uint64_t now_ns,
		       struct weir_mac *ret, uint8_t *ask, uint32_t *ret_ask)
{
	const struct weir_ip *next = on_link(h, to) ? to : &h->router;
	bool known, now;

	*ret_ask = 0;
	if (to->v6 != h->ip.v6 || !weir_ip_is_host(to) || weir_ip_same(to, &h->ip))
		return -1;
	known = weir_neigh_find(&h->neigh, next, now_ns, ret, &now);
	if (now && next->v6)
		*ret_ask = weir_ip_put_nd_ask(ask, &h->mac, &h->ip, known ? ret : NULL, next);
	else if (now)
		*ret_ask = weir_ip_put_arp(ask, false, &h->mac, &h->ip, known ? ret : &weir_mac_all,
					   next);
	return known;
}

uint32_t weir_ip_host_announce(const struct weir_ip_host *h, uint8_t *ret)
{
	if (h->ip.v6)
		return weir_ip_put_nd_say(ret, &h->mac, &h->ip, NULL, NULL);
	return weir_ip_put_arp(ret, false, &h->mac, &h->ip, &weir_mac_all, &h->ip);
}
