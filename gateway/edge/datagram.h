/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/edge/datagram.h - UDP datagrams in and out behind one table: io_uring or epoll sockets, DPDK, memory.
 *
 * Shape:  a burst of datagrams at a time. A send entry may hold several datagrams of one size to one address (segment size seg,
 *         the last may be shorter): a socket sends it as one GSO call, others cut it.
 * Memory: received bytes are valid until the next call of recv(). Sent bytes are copied or gone when send() returns.
 * Addresses: struct sockaddr_storage of AF_INET or AF_INET6.
 * Errors: open() says in words what is missing and what would help. A datagram that cannot be sent is dropped and counted: the
 *         protocol above repeats it.
 * Thread: one.
 */
#ifndef WEIR_GATEWAY_EDGE_DATAGRAM_H
#define WEIR_GATEWAY_EDGE_DATAGRAM_H

#include <sys/socket.h>

#include "base/err.h"
#include "host/cluster.h"

#define WEIR_DGRAM_BURST 64u

struct weir_dgram {
	struct sockaddr_storage peer;
	socklen_t peer_len;
	const uint8_t *p;
	uint32_t n;
	uint16_t seg; /* 0: one datagram */
	uint8_t ecn; /* of the IP header */
};

struct weir_dgram_stats {
	uint64_t in, in_bytes, out, out_bytes; /* datagrams on the wire */
	uint64_t in_dropped, out_dropped; /* by us or the device, as far as known */
	uint64_t in_bad; /* wrong checksum, address, length: not ours */
};

struct weir_dgram_options {
	const char *listen; /* "host:port" */
	enum weir_net_backend backend;
	const char *eal, *device, *wait;
	uint32_t buffer_bytes; /* of the socket; 0: 4 MiB asked for */
};

struct weir_dgram_io;
struct weir_dgram_ops {
	const char *name; /* "io_uring", "epoll", "dpdk net_af_packet0", "memory" */
	int (*recv)(struct weir_dgram_io *io, struct weir_dgram *ret,
		    uint32_t cap); /* how many; <0 */
	/* How many were taken (also those dropped); fewer: no room, wait() with want_send says when. */
	int (*send)(struct weir_dgram_io *io, const struct weir_dgram *d, uint32_t count);
	/* Sleeps until something can be received (or sent), other_fd (-1: none) is readable, or timeout_ns passed (<0: never).
	 * 0 or <0. */
	int (*wait)(struct weir_dgram_io *io, int other_fd, bool want_send, int64_t timeout_ns);
	void (*stats)(struct weir_dgram_io *io, struct weir_dgram_stats *ret);
	void (*close)(struct weir_dgram_io *io);
};
struct weir_dgram_io {
	const struct weir_dgram_ops *ops;
	struct sockaddr_storage local; /* really bound */
	socklen_t local_len;
	uint32_t payload_max; /* UDP payload a datagram may have on this path's first hop */
	bool gso;
	char text[160]; /* one line for the start: what is used, and why not something better */
};

/* auto: io_uring, else epoll; dpdk only when asked for (its plug-in is loaded then). */
int weir_dgram_open(const struct weir_dgram_options *o, struct weir_dgram_io **ret,
		    struct weir_err *err);
int weir_dgram_uring_open(const struct weir_dgram_options *o, struct weir_dgram_io **ret,
			  struct weir_err *err);
int weir_dgram_epoll_open(const struct weir_dgram_options *o, struct weir_dgram_io **ret,
			  struct weir_err *err);
int weir_dgram_dpdk_open(const struct weir_dgram_options *o, struct weir_dgram_io **ret,
			 struct weir_err *err);
/* Two ends joined in this process, for tests: loss in 1/65536ths from a seed. */
void weir_dgram_memory_pair(struct weir_dgram_io **ret_a, struct weir_dgram_io **ret_b,
			    uint32_t loss, uint64_t seed);

#endif
