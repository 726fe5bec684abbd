/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/edge/datagram.h - UDP datagrams in and out behind one table: io_uring or epoll sockets, DPDK, memory.
 *
 * Shape:  a burst of datagrams at a time. An entry may hold several datagrams of one size to or from one address: segment
 *         size seg, the last may be shorter, at most WEIR_DGRAM_SEGS. Sockets send it as one GSO call and receive it as the kernel
 *         joined it (GRO); others cut it. A receiver walks every entry with weir_dgram_next().
 * Memory: received bytes are valid until the next call of recv(). Sent bytes are copied or gone when send() returns.
 * Addresses: struct sockaddr_storage of AF_INET or AF_INET6.
 * Errors: open() says in words what is missing and what would help. A datagram that cannot be sent is dropped and counted: the
 *         protocol above repeats it. recv(), send() and wait() fail only when the back end is of no use any more.
 * Thread: one; the ends of a memory pair may be used by one each.
 */
#ifndef WEIR_GATEWAY_EDGE_DATAGRAM_H
#define WEIR_GATEWAY_EDGE_DATAGRAM_H

#include <sys/socket.h>

#include "base/err.h"
#include "host/cluster.h"

#define WEIR_DGRAM_BURST 64u
#define WEIR_DGRAM_SEGS 64u /* datagrams in one entry */
#define WEIR_DGRAM_BYTES_MAX 65000u /* of one entry: what one GSO call takes with any header */
#define WEIR_DGRAM_PAYLOAD_V4 1472u /* of an Ethernet frame of 1500 bytes */
#define WEIR_DGRAM_PAYLOAD_V6 1452u

struct weir_dgram {
	struct sockaddr_storage peer;
	socklen_t peer_len;
	const uint8_t *p;
	uint32_t n;
	uint16_t seg; /* 0: one datagram */
	uint8_t ecn; /* of the IP header: 0 none, 1 ECT(1), 2 ECT(0), 3 CE */
};

struct weir_dgram_stats {
	uint64_t in, in_bytes, out, out_bytes; /* datagrams on the wire */
	uint64_t in_dropped, out_dropped; /* by us or the device, as far as known */
	uint64_t in_bad; /* wrong checksum, address, length: not ours */
};

struct weir_dgram_options {
	const char *listen; /* "host:port"; no wildcard */
	enum weir_net_backend backend;
	const char *eal, *device, *wait; /* of dpdk; NULL is "" */
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
	 * It may also return early for nothing. 0 or <0. */
	int (*wait)(struct weir_dgram_io *io, int other_fd, bool want_send, int64_t timeout_ns);
	void (*stats)(struct weir_dgram_io *io, struct weir_dgram_stats *ret);
	void (*close)(struct weir_dgram_io *io);
};
struct weir_dgram_io {
	const struct weir_dgram_ops *ops;
	struct sockaddr_storage local; /* really bound */
	socklen_t local_len;
	uint32_t payload_max; /* UDP payload a datagram may have on this path's first hop */
	bool gso; /* entries with seg leave as one call */
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
/*
 * Two ends joined in this process, for tests: 192.0.2.1:7400 and 192.0.2.2:7400. Loss in 1/65536ths from a seed, for each
 * datagram; each direction has its own numbers. Datagrams of one entry that follow each other arrive as one entry. What is sent
 * to another address, or is larger than payload_max, is dropped. A full queue (4096 entries) drops like a network.
 */
void weir_dgram_memory_pair(struct weir_dgram_io **ret_a, struct weir_dgram_io **ret_b,
			    uint32_t loss, uint64_t seed);

/* The next datagram of an entry; *at starts as 0. false: no more. An empty datagram is none. */
weir_inline bool weir_dgram_next(const struct weir_dgram *d, uint32_t *at, const uint8_t **ret_p,
				 uint32_t *ret_n)
{
	uint32_t left = d->n - *at;

	*ret_p = d->p + *at;
	*ret_n = d->seg && d->seg < left ? d->seg : left;
	*at += *ret_n;
	return left > 0;
}

/* How many datagrams an entry is on the wire. */
weir_inline uint32_t weir_dgram_count(const struct weir_dgram *d)
{
	return d->seg && d->n ? (d->n + d->seg - 1) / d->seg : 1;
}

#endif
