/* SPDX-License-Identifier: Apache-2.0 */
/* Packets in and out. A frame is looked at in its buffer and lent there; what is sent is copied once. */
#include "gateway/dpdk/port.h"
#include "host/clock.h"

#define ETH_MIN 60u

static struct weir_dpdk_io *dpdk_of(struct weir_dgram_io *io)
{
	return (struct weir_dpdk_io *)(void *)io;
}

uint32_t weir_dpdk_look(struct weir_dpdk_io *d, struct rte_mbuf **ret, uint32_t cap)
{
	uint32_t n = 0;

	/* Each queue once, beginning behind the one that filled the last burst. */
	for (uint16_t i = 0; i < d->queues && n < cap; i++) {
		n += rte_eth_rx_burst(d->port, d->next_queue, ret + n, (uint16_t)(cap - n));
		d->next_queue = (uint16_t)((d->next_queue + 1) % d->queues);
	}
	return n;
}

void weir_dpdk_send_frame(struct weir_dpdk_io *d, const uint8_t *p, uint32_t n)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(d->pool);
	uint32_t bytes = WEIR_MAX(n, ETH_MIN);
	char *at = m ? rte_pktmbuf_append(m, (uint16_t)bytes) : NULL;

	if (at) {
		memcpy(at, p, n);
		memset(at + n, 0, bytes - n);
		if (rte_eth_tx_burst(d->port, 0, &m, 1) == 1)
			return;
	}
	rte_pktmbuf_free(m);
}

/* GOOD, and NONE: the other end of a virtual cable left the sum out, and vouches for the bytes. */
static unsigned checked(const struct rte_mbuf *m)
{
	uint64_t head = m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
	uint64_t udp = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	unsigned r = 0;

	if (head == RTE_MBUF_F_RX_IP_CKSUM_GOOD || head == RTE_MBUF_F_RX_IP_CKSUM_NONE)
		r |= WEIR_IP_HEAD_CHECKED;
	if (udp == RTE_MBUF_F_RX_L4_CKSUM_GOOD || udp == RTE_MBUF_F_RX_L4_CKSUM_NONE)
		r |= WEIR_IP_UDP_CHECKED;
	return r;
}

/* true: a datagram, *ret points into m. */
static bool take(struct weir_dpdk_io *d, struct rte_mbuf *m, uint64_t now, struct weir_dgram *ret)
{
	struct weir_ip_frame f;
	uint32_t reply;

	/* Buffers are as large as a frame may be: more of them is none of ours. */
	if (m->nb_segs != 1) {
		d->stats.in_bad++;
		return false;
	}
	switch (weir_ip_host_in(&d->host, rte_pktmbuf_mtod(m, const uint8_t *), m->data_len,
				checked(m), now, &f, d->reply, d->mtu + WEIR_ETH_HEAD, &reply)) {
	case WEIR_IP_NOT_OURS:
		return false;
	case WEIR_IP_HEARD:
		weir_dpdk_release(d, now);
		return false;
	case WEIR_IP_DAMAGED:
		d->stats.in_bad++;
		return false;
	case WEIR_IP_REPLY:
		/* Whoever asks has said where he is. */
		weir_dpdk_send_frame(d, d->reply, reply);
		weir_dpdk_release(d, now);
		return false;
	case WEIR_IP_DATAGRAM:
		break;
	}
	ret->peer_len = weir_ip_sockaddr(&f.from, f.from_port, &ret->peer);
	ret->p = f.p;
	ret->n = f.n;
	ret->seg = 0;
	ret->ecn = f.ecn;
	d->stats.in++;
	d->stats.in_bytes += f.n;
	return true;
}

/* What came while waiting first. */
static uint32_t next_burst(struct weir_dpdk_io *d, struct rte_mbuf **ret, uint32_t cap)
{
	uint32_t n = WEIR_MIN(d->ready_count - d->ready_at, cap);

	if (!n)
		return weir_dpdk_look(d, ret, cap);
	memcpy(ret, d->ready + d->ready_at, n * sizeof(*ret));
	d->ready_at += n;
	return n;
}

int weir_dpdk_recv(struct weir_dgram_io *io, struct weir_dgram *ret, uint32_t cap)
{
	struct weir_dpdk_io *d = dpdk_of(io);
	struct rte_mbuf *m[WEIR_DGRAM_BURST];
	uint64_t now = weir_mono_ns();
	uint32_t n, count = 0;

	for (uint32_t i = 0; i < d->lent_count; i++)
		rte_pktmbuf_free(d->lent[i]);
	d->lent_count = 0;
	n = next_burst(d, m, WEIR_MIN(cap, WEIR_DGRAM_BURST));
	for (uint32_t i = 0; i < n; i++) {
		if (take(d, m[i], now, &ret[count])) {
			d->lent[d->lent_count++] = m[i];
			count++;
		} else {
			rte_pktmbuf_free(m[i]);
		}
	}
	return (int)count;
}

void weir_dpdk_send_burst(struct weir_dpdk_io *d, struct rte_mbuf **m, uint32_t n)
{
	uint64_t bytes[WEIR_DGRAM_BURST];
	uint32_t head = weir_ip_udp_head(d->host.ip.v6), sent;

	/* A buffer that was sent is no longer ours. */
	for (uint32_t i = 0; i < n; i++)
		bytes[i] = m[i]->pkt_len - head;
	sent = n ? rte_eth_tx_burst(d->port, 0, m, (uint16_t)n) : 0;
	for (uint32_t i = 0; i < sent; i++)
		d->stats.out_bytes += bytes[i];
	/* No room, or the link is down: never tried again, it would be old. */
	for (uint32_t i = sent; i < n; i++)
		rte_pktmbuf_free(m[i]);
	d->stats.out += sent;
	d->stats.out_dropped += n - sent;
}

/* NULL: no buffer. */
static struct rte_mbuf *build(struct weir_dpdk_io *d, const struct weir_ip_flow *flow,
			      const uint8_t *p, uint32_t n, uint8_t ecn)
{
	uint32_t head = weir_ip_udp_head(flow->from.v6);
	struct rte_mbuf *m = rte_pktmbuf_alloc(d->pool);
	uint8_t *at;

	if (!m)
		return NULL;
	at = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(head + n));
	if (!at) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	memcpy(at + head, p, n);
	weir_ip_put_udp(at, flow, ecn, p, n, d->offload);
	if (d->offload) {
		m->l2_len = WEIR_ETH_HEAD;
		m->l3_len = flow->from.v6 ? 40 : 20;
		m->ol_flags |= flow->from.v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
		if (d->offload & WEIR_IP_UDP_OFFLOAD)
			m->ol_flags |= RTE_MBUF_F_TX_UDP_CKSUM;
		if ((d->offload & WEIR_IP_HEAD_OFFLOAD) && !flow->from.v6)
			m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
	}
	return m;
}

/* 1: there; 0: it was asked for; -1: nowhere. */
static int route(struct weir_dpdk_io *d, const struct weir_dgram *to, uint64_t now,
		 struct weir_ip_flow *ret)
{
	uint8_t ask[WEIR_IP_SMALL];
	uint32_t asked;
	int r;

	ret->from_mac = d->host.mac;
	ret->from = d->host.ip;
	ret->from_port = d->host.port;
	if (!weir_ip_of(&to->peer, &ret->to, &ret->to_port))
		return -1;
	r = weir_ip_host_route(&d->host, &ret->to, now, &ret->to_mac, ask, &asked);
	if (asked)
		weir_dpdk_send_frame(d, ask, asked);
	return r;
}

int weir_dpdk_send(struct weir_dgram_io *io, const struct weir_dgram *d, uint32_t count)
{
	struct weir_dpdk_io *s = dpdk_of(io);
	struct rte_mbuf *m[WEIR_DGRAM_BURST], *one;
	uint64_t now = weir_mono_ns();
	uint32_t have = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct weir_ip_flow flow;
		uint32_t at = 0, n;
		const uint8_t *p;
		int way = route(s, &d[i], now, &flow);

		if (way < 0) {
			s->stats.out_dropped += weir_dgram_count(&d[i]);
			continue;
		}
		while (weir_dgram_next(&d[i], &at, &p, &n)) {
			one = n <= io->payload_max ? build(s, &flow, p, n, d[i].ecn) : NULL;
			if (!one) {
				s->stats.out_dropped++;
			} else if (way == 0) {
				weir_dpdk_hold(s, one, &flow.to, now);
			} else {
				m[have++] = one;
			}
			if (have == WEIR_DGRAM_BURST) {
				weir_dpdk_send_burst(s, m, have);
				have = 0;
			}
		}
	}
	weir_dpdk_send_burst(s, m, have);
	return (int)count;
}

void weir_dpdk_stats(struct weir_dgram_io *io, struct weir_dgram_stats *ret)
{
	struct weir_dpdk_io *d = dpdk_of(io);
	struct rte_eth_stats s;

	*ret = d->stats;
	if (rte_eth_stats_get(d->port, &s) == 0) {
		ret->in_dropped += s.imissed + s.rx_nombuf;
		ret->out_dropped += s.oerrors;
	}
}
