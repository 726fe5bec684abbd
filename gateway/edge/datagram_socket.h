/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/edge/datagram_socket.h - what the epoll and io_uring back ends share: the UDP socket, messages, control data.
 *
 * Use:    a back end's struct starts with struct weir_dgram_socket; it brings recv(), wait() and a push() for send.
 * Socket: bound to the one address given, non-blocking, don't-fragment (the protocol above looks for the path's MTU itself), ECN
 *         bits in both directions, UDP_SEGMENT and UDP_GRO when the kernel has them (Linux 4.18 and 5.0).
 * Thread: one.
 */
#ifndef WEIR_GATEWAY_EDGE_DATAGRAM_SOCKET_H
#define WEIR_GATEWAY_EDGE_DATAGRAM_SOCKET_H

#include "gateway/edge/datagram.h"

#define WEIR_DGRAM_RECV_BYTES 65536u /* a message as GRO makes it is smaller */
#define WEIR_DGRAM_CONTROL_BYTES 64u

struct weir_dgram_socket {
	struct weir_dgram_io io; /* first */
	int fd;
	bool gro;
	struct weir_dgram_stats stats;
};

/* One message to send: an entry, or one datagram of it when the socket has no GSO. */
struct weir_dgram_out {
	struct msghdr h;
	struct iovec v;
	uint64_t control[WEIR_DGRAM_CONTROL_BYTES / 8]; /* aligned */
	uint32_t entry, parts;
	int result; /* 0, -errno; -EAGAIN: no room */
};

/* The address of options; an error for a wildcard. Also used by dpdk. */
int weir_dgram_resolve(const struct weir_dgram_options *o, struct sockaddr_storage *ret,
		       socklen_t *ret_len, struct weir_err *err);
/* *s was zeroed. name is of the ops, why (or NULL) goes to the text. On error nothing is open. */
int weir_dgram_socket_open(struct weir_dgram_socket *s, const struct weir_dgram_options *o,
			   const struct weir_dgram_ops *ops, struct weir_err *err);
void weir_dgram_socket_close(struct weir_dgram_socket *s);
void weir_dgram_socket_stats(struct weir_dgram_io *io, struct weir_dgram_stats *ret);
/*
 * Sends entries in order; push() sets result of each message and stops trying when it likes (-EAGAIN for the rest). Of an entry
 * that was begun, and of entries before one that was sent, what found no room is dropped: nothing is sent twice.
 */
int weir_dgram_socket_send(struct weir_dgram_socket *s, const struct weir_dgram *d, uint32_t count,
			   void (*push)(struct weir_dgram_socket *s, struct weir_dgram_out *m,
					uint32_t n));
/* A received message as an entry: seg and ecn from its control data; counts it. false: it was cut off, drop it. */
bool weir_dgram_socket_took(struct weir_dgram_socket *s, const struct msghdr *h, uint32_t n,
			    struct weir_dgram *ret);

#endif
