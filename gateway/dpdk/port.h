/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/dpdk/port.h - inside weir-dpdk.so: one DPDK port as a datagram back end.
 *
 * Parts:  eal.c starts DPDK, port.c the device, io.c moves packets, held.c keeps those whose neighbour is being asked
 *         for, wait.c sleeps, plugin.c joins them. What a frame
 *         means is in gateway/edge/ip*.h, without DPDK.
 * Memory: packets are in DPDK's buffers; what recv() handed out is lent until its next call.
 * Thread: one. DPDK's own threads touch only the log.
 */
#ifndef WEIR_GATEWAY_DPDK_PORT_H
#define WEIR_GATEWAY_DPDK_PORT_H

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "gateway/edge/datagram_plugin.h"
#include "gateway/edge/dpdk_args.h"
#include "gateway/edge/ip_host.h"

#define WEIR_DPDK_FRAME_MAX (WEIR_DPDK_MTU_MAX + WEIR_ETH_HEAD)

enum weir_dpdk_sleep {
	WEIR_DPDK_BUSY, /* never */
	WEIR_DPDK_SOCKETS, /* in poll(), on the driver's own sockets */
	WEIR_DPDK_INTERRUPTS,
	WEIR_DPDK_NAPS, /* short ones: the driver has nothing to wait on */
};

#define WEIR_DPDK_HELD_MAX 64u
#define WEIR_DPDK_HELD_NS ((uint64_t)WEIR_NS_PER_S)

/* A frame without its destination MAC. */
struct weir_dpdk_held {
	struct rte_mbuf *m;
	struct weir_ip to;
	uint64_t since_ns;
};

struct weir_dpdk_io {
	struct weir_dgram_io io; /* first */
	struct weir_dgram_ops ops;
	char name[80]; /* of ops */
	struct weir_ip_host host;
	struct weir_dgram_stats stats;
	/* the device */
	uint16_t port, queues;
	uint32_t mtu;
	unsigned offload; /* WEIR_IP_*_OFFLOAD */
	bool started;
	struct rte_eth_dev_info info;
	struct rte_mempool *pool;
	/* packets */
	struct rte_mbuf *lent[WEIR_DGRAM_BURST];
	struct rte_mbuf *ready[WEIR_DGRAM_BURST]; /* came while waiting */
	uint32_t lent_count, ready_count, ready_at;
	uint16_t next_queue;
	struct weir_dpdk_held held[WEIR_DPDK_HELD_MAX];
	uint32_t held_count;
	uint8_t reply[WEIR_DPDK_FRAME_MAX];
	/* waiting */
	enum weir_dpdk_sleep sleep;
	int fd[WEIR_DPDK_QUEUES_MAX + 1], fd_count; /* SOCKETS: theirs; INTERRUPTS: one epoll */
	int64_t nap_ns;
};

/*
 * eal.c. Starting fails for good after the first time in a process. There is no end: rte_eal_cleanup() takes the memory away
 * while DPDK's interrupt thread may still be in a driver that was closed (seen with net_virtio_user), and the process gives
 * back all it would.
 */
int weir_dpdk_eal_start(const struct weir_dgram_options *o, const struct weir_dpdk_device *d,
			const struct weir_dpdk_program *program, bool *ret_huge,
			struct weir_err *err);
/* What DPDK said went wrong since it was asked before; "" nothing. */
const char *weir_dpdk_eal_words(void);
/* From now on, what it says goes to the program. */
void weir_dpdk_eal_running(void);

/* port.c */
int weir_dpdk_port_start(struct weir_dpdk_io *d, const struct weir_dpdk_device *dev,
			 struct weir_err *err);
void weir_dpdk_port_stop(struct weir_dpdk_io *d);

/* io.c */
int weir_dpdk_recv(struct weir_dgram_io *io, struct weir_dgram *ret, uint32_t cap);
int weir_dpdk_send(struct weir_dgram_io *io, const struct weir_dgram *d, uint32_t count);
void weir_dpdk_stats(struct weir_dgram_io *io, struct weir_dgram_stats *ret);
/* Sends a frame of our own (ARP and the like). */
void weir_dpdk_send_frame(struct weir_dpdk_io *d, const uint8_t *p, uint32_t n);
/* Sends datagrams and counts them. n at most WEIR_DGRAM_BURST. */
void weir_dpdk_send_burst(struct weir_dpdk_io *d, struct rte_mbuf **m, uint32_t n);
/* Looks into the queues in turn; how many packets came. */
uint32_t weir_dpdk_look(struct weir_dpdk_io *d, struct rte_mbuf **ret, uint32_t cap);

/* held.c: the first datagrams to a neighbour wait for its answer, or a handshake would begin with a pause. */
void weir_dpdk_hold(struct weir_dpdk_io *d, struct rte_mbuf *m, const struct weir_ip *to,
		    uint64_t now_ns);
/* After something was heard: sends what can be sent, drops what is old. */
void weir_dpdk_release(struct weir_dpdk_io *d, uint64_t now_ns);
void weir_dpdk_held_fini(struct weir_dpdk_io *d);

/* wait.c */
/* Before the port is configured: whether to ask the device for interrupts. */
bool weir_dpdk_wait_interrupts(const struct weir_dpdk_io *d);
/* When it runs: the way of sleeping that works. */
void weir_dpdk_wait_init(struct weir_dpdk_io *d, bool interrupts);
void weir_dpdk_wait_fini(struct weir_dpdk_io *d);
const char *weir_dpdk_wait_text(const struct weir_dpdk_io *d);
int weir_dpdk_wait(struct weir_dgram_io *io, int other_fd, bool want_send, int64_t timeout_ns);

#endif
