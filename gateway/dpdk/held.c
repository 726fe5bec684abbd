/* SPDX-License-Identifier: Apache-2.0 */
/* Frames whose neighbour is being asked for. Few, and not for long. */
#include "gateway/dpdk/port.h"

static void drop_first(struct weir_dpdk_io *d)
{
	rte_pktmbuf_free(d->held[0].m);
	d->stats.out_dropped++;
	d->held_count--;
	memmove(d->held, d->held + 1, d->held_count * sizeof(d->held[0]));
}

static void drop_old(struct weir_dpdk_io *d, uint64_t now_ns)
{
	while (d->held_count && now_ns - d->held[0].since_ns >= WEIR_DPDK_HELD_NS)
		drop_first(d);
}

void weir_dpdk_hold(struct weir_dpdk_io *d, struct rte_mbuf *m, const struct weir_ip *to,
		    uint64_t now_ns)
{
	drop_old(d, now_ns);
	if (d->held_count == WEIR_DPDK_HELD_MAX)
		drop_first(d);
	d->held[d->held_count++] = (struct weir_dpdk_held){.m = m, .to = *to, .since_ns = now_ns};
}

void weir_dpdk_release(struct weir_dpdk_io *d, uint64_t now_ns)
{
	struct rte_mbuf *go[WEIR_DPDK_HELD_MAX];
	uint32_t stay = 0, n = 0;

	drop_old(d, now_ns);
	for (uint32_t i = 0; i < d->held_count; i++) {
		uint8_t ask[WEIR_IP_SMALL];
		struct weir_mac mac;
		uint32_t asked;
		bool known =
			weir_ip_host_route(&d->host, &d->held[i].to, now_ns, &mac, ask, &asked) > 0;

		if (asked)
			weir_dpdk_send_frame(d, ask, asked);
		if (known) {
			memcpy(rte_pktmbuf_mtod(d->held[i].m, uint8_t *), mac.b, sizeof(mac.b));
			go[n++] = d->held[i].m;
		} else {
			d->held[stay++] = d->held[i];
		}
	}
	d->held_count = stay;
	weir_dpdk_send_burst(d, go, n);
}

void weir_dpdk_held_fini(struct weir_dpdk_io *d)
{
	while (d->held_count)
		drop_first(d);
}
