/* SPDX-License-Identifier: Apache-2.0 */
/* The device: found by name, configured with what it can, started. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_errno.h>

#include "gateway/dpdk/port.h"

#define CACHE 128u /* buffers a thread keeps at hand */

static int fail(struct weir_err *err, int code, const struct weir_dpdk_io *d, const char *what)
{
	const char *words = weir_dpdk_eal_words();

	return weir_err_set(err, WEIR_E_IO, "device %s: %s: %s%s%s", d->name + 5, what,
			    rte_strerror(-code), *words ? "; " : "", words);
}

/* The names there are, for who looks for another one. */
static int find(struct weir_dpdk_io *d, const char *name, struct weir_err *err)
{
	char have[256] = "", one[RTE_ETH_NAME_MAX_LEN];
	const char *words;
	uint16_t port;

	RTE_ETH_FOREACH_DEV(port)
	{
		size_t n = strlen(have);

		rte_eth_dev_get_name_by_port(port, one);
		if (!*name || !strcmp(name, one)) {
			d->port = port;
			snprintf(d->name, sizeof(d->name), "dpdk %s", one);
			return 0;
		}
		snprintf(have + n, sizeof(have) - n, " %s", one);
	}
	words = weir_dpdk_eal_words();
	if (!*have)
		return weir_err_set(err, WEIR_E_CONFIG,
				    "DPDK has no port%s%s: name one in eal, as --vdev "
				    "net_af_packet0,iface=NAME or -a PCI-ADDRESS",
				    *words ? "; " : "", words);
	return weir_err_set(err, WEIR_E_UNKNOWN, "DPDK has no port %s; it has:%s", name, have);
}

/* Of the kernel's interface below a virtual device; 0: none. DPDK does not look there. */
static uint32_t kernel_mtu(unsigned if_index)
{
	struct ifreq q = {0};
	int fd, r;

	if (!if_index || !if_indextoname(if_index, q.ifr_name))
		return 0;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	r = ioctl(fd, SIOCGIFMTU, &q);
	close(fd);
	return r == 0 && q.ifr_mtu > 0 ? (uint32_t)q.ifr_mtu : 0;
}

static int choose_mtu(struct weir_dpdk_io *d, const struct weir_dpdk_device *dev,
		      struct weir_err *err)
{
	uint32_t below = kernel_mtu(d->info.if_index);
	uint32_t most = below ? below : d->info.max_mtu ? d->info.max_mtu : RTE_ETHER_MTU;

	d->mtu = dev->mtu ? dev->mtu : WEIR_MIN(most, (uint32_t)RTE_ETHER_MTU);
	if (d->mtu > most)
		return weir_err_set(err, WEIR_E_CONFIG, "device %s: mtu=%u: it has at most %u%s",
				    d->name + 5, d->mtu, most,
				    below ? " (the interface's own)" : "");
	return 0;
}

static int choose_queues(struct weir_dpdk_io *d, const struct weir_dpdk_device *dev,
			 struct weir_err *err)
{
	/* This driver deals packets out to all queues it has, read or not. */
	bool all = !strcmp(d->info.driver_name, "net_af_packet");
	uint32_t most = WEIR_MIN((uint32_t)d->info.max_rx_queues, WEIR_DPDK_QUEUES_MAX);
	uint32_t n = dev->queues ? dev->queues : all ? most : 1;

	if (n > most)
		return weir_err_set(err, WEIR_E_CONFIG, "device %s: queues=%u: it has at most %u",
				    d->name + 5, n, most);
	d->queues = (uint16_t)n;
	return 0;
}

static bool is_xdp(const struct weir_dpdk_io *d)
{
	return !strcmp(d->info.driver_name, "net_af_xdp");
}

/* One is used; the XDP driver wants them in pairs. */
static uint16_t out_queues(const struct weir_dpdk_io *d)
{
	return is_xdp(d) ? d->queues : 1;
}

static int configure(struct weir_dpdk_io *d, bool interrupts)
{
	struct rte_eth_conf c = {0};
	uint64_t rx = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
	uint64_t tx = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;

	c.rxmode.mtu = d->mtu;
	c.rxmode.offloads = d->info.rx_offload_capa & rx;
	c.txmode.offloads = d->info.tx_offload_capa & tx;
	c.intr_conf.rxq = interrupts;
	if (d->queues > 1 && d->info.flow_type_rss_offloads) {
		c.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		c.rx_adv_conf.rss_conf.rss_hf =
			d->info.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP);
	}
	d->offload =
		(c.txmode.offloads & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM ? WEIR_IP_HEAD_OFFLOAD : 0) |
		(c.txmode.offloads & RTE_ETH_TX_OFFLOAD_UDP_CKSUM ? WEIR_IP_UDP_OFFLOAD : 0);
	return rte_eth_dev_configure(d->port, d->queues, out_queues(d), &c);
}

static int make_pool(struct weir_dpdk_io *d, struct weir_err *err)
{
	uint64_t bytes;
	uint32_t n = weir_dpdk_buffers(d->queues, d->mtu, &bytes);
	uint32_t room = RTE_PKTMBUF_HEADROOM + WEIR_MAX(d->mtu + WEIR_ETH_HEAD + 8, 2048u);
	struct rte_pktmbuf_pool_private private = {.mbuf_data_room_size = (uint16_t)room};
	/*
	 * The XDP driver gives the kernel as many bytes as the buffers have together. With gaps between them (no buffer goes
	 * over the end of a page unless this flag is set) the last ones lie beyond, and what is sent in them is lost.
	 */
	unsigned flags = is_xdp(d) ? RTE_MEMPOOL_F_NO_IOVA_CONTIG : 0;

	d->pool = rte_mempool_create("weir", n, (unsigned)sizeof(struct rte_mbuf) + room, CACHE,
				     sizeof(private), rte_pktmbuf_pool_init, &private,
				     rte_pktmbuf_init, NULL, SOCKET_ID_ANY, flags);
	if (d->pool)
		return 0;
	return weir_err_set(err, -ENOMEM,
			    "device %s: no %llu MiB for %u buffers: reserve huge pages, or give "
			    "DPDK more memory in eal (-m MEGABYTES)",
			    d->name + 5, (unsigned long long)(bytes >> 20) + 1, n);
}

static int set_up_queues(struct weir_dpdk_io *d, struct weir_err *err)
{
	uint16_t in = WEIR_DPDK_RING, out = WEIR_DPDK_RING;
	int node = rte_eth_dev_socket_id(d->port), r;

	rte_eth_dev_adjust_nb_rx_tx_desc(d->port, &in, &out);
	for (uint16_t q = 0; q < d->queues; q++) {
		r = rte_eth_rx_queue_setup(d->port, q, in, (unsigned)node, NULL, d->pool);
		if (r < 0)
			return fail(err, r, d, "cannot set up a queue to receive");
	}
	for (uint16_t q = 0; q < out_queues(d); q++) {
		r = rte_eth_tx_queue_setup(d->port, q, out, (unsigned)node, NULL);
		if (r < 0)
			return fail(err, r, d, "cannot set up the queue to send");
	}
	return 0;
}

int weir_dpdk_port_start(struct weir_dpdk_io *d, const struct weir_dpdk_device *dev,
			 struct weir_err *err)
{
	struct rte_ether_addr mac;
	bool interrupts;
	int r = find(d, dev->name, err);

	if (r < 0)
		return r;
	r = rte_eth_dev_info_get(d->port, &d->info);
	if (r < 0)
		return fail(err, r, d, "says nothing about itself");
	r = choose_mtu(d, dev, err);
	r = r < 0 ? r : choose_queues(d, dev, err);
	r = r < 0 ? r : make_pool(d, err);
	if (r < 0)
		return r;
	interrupts = weir_dpdk_wait_interrupts(d);
	r = configure(d, interrupts);
	if (r < 0 && interrupts) {
		interrupts = false;
		r = configure(d, false);
	}
	if (r < 0)
		return fail(err, r, d, "cannot be configured");
	r = set_up_queues(d, err);
	if (r < 0)
		return r;
	r = rte_eth_dev_start(d->port);
	if (r < 0)
		return fail(err, r, d, "does not start");
	d->started = true;
	rte_eth_macaddr_get(d->port, &mac);
	memcpy(d->host.mac.b, mac.addr_bytes, 6);
	/* Neighbours ask for an IPv6 address by a group of its own. */
	if (d->host.ip.v6)
		rte_eth_allmulticast_enable(d->port);
	weir_dpdk_wait_init(d, interrupts);
	return 0;
}

void weir_dpdk_port_stop(struct weir_dpdk_io *d)
{
	for (uint32_t i = 0; i < d->lent_count; i++)
		rte_pktmbuf_free(d->lent[i]);
	for (uint32_t i = d->ready_at; i < d->ready_count; i++)
		rte_pktmbuf_free(d->ready[i]);
	weir_dpdk_held_fini(d);
	if (d->started) {
		weir_dpdk_wait_fini(d);
		rte_eth_dev_stop(d->port);
	}
	/* This driver closes under its own interrupt handler, which then reads what is gone. */
	if (d->started && !strcmp(d->info.driver_name, "net_virtio_user"))
		return;
	if (d->name[0])
		rte_eth_dev_close(d->port);
	rte_mempool_free(d->pool);
}
