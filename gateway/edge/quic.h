/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/edge/quic.h - links between gateways over QUIC v1 (RFC 9000), TLS 1.3 with certificates on both sides.
 *
 *   gate (gateway/core/gate.h) ◀─ link.h ─▶ [ quic ] ◀─ datagram.h ─▶ sockets, DPDK, memory
 *
 * Who:    certificates of a private CA, one per region, that name "weir://CLUSTER/REGION" (gateway/edge/certs.h). A dialled
 *         peer must be of the dialled region; one that dials must be of the cluster, and of another region than ours. The
 *         gateway's name comes in the first control message, and is one of the cluster file's. docs/formats/link.md
 * Use:    open; in a loop: weir_quic_step() until nothing moves, then io->ops->wait() until the deadline it gave, with
 *         want_send = weir_quic_wants_send(). Events come from inside step() only; the event function and peek() may call ops.
 *         close() of the ops is followed by DOWN like every other end of a link, shut() by no event at our end.
 * Memory: what io, cluster and certs point to must stay. Bytes from peek() are sent from where they are and read again for
 *         repetitions until STREAM_ACKED, shut() or DOWN. Handshakes and links are bounded (options).
 * Errors: open and reload say in words which file is wrong. A link that fails is DOWN with a text; who was refused is counted.
 * Thread: one. Time is an argument; certificates are checked against the wall clock.
 */
#ifndef WEIR_GATEWAY_EDGE_QUIC_H
#define WEIR_GATEWAY_EDGE_QUIC_H

#include "base/err.h"
#include "gateway/core/link.h"
#include "gateway/edge/datagram.h"
#include "host/cluster.h"

#define WEIR_QUIC_ALPN "weir/1"
#define WEIR_QUIC_HANDSHAKE_NS (3 * (uint64_t)WEIR_NS_PER_S) /* from the first packet to UP */
#define WEIR_QUIC_STREAMS_MAX 1024u /* that one peer may have open over one link */

/* Why a peer did not become a link, as seen from here. */
enum weir_quic_refusal {
	WEIR_QUIC_REFUSED_CA, /* certificate not signed by our CA, or not valid for this use */
	WEIR_QUIC_REFUSED_EXPIRED, /* or not valid yet */
	WEIR_QUIC_REFUSED_MISSING, /* no certificate */
	WEIR_QUIC_REFUSED_CLUSTER, /* of another cluster, or no name of ours in it */
	WEIR_QUIC_REFUSED_REGION, /* not the dialled region, not in the cluster file, or our own */
	WEIR_QUIC_REFUSED_GATEWAY, /* not the dialled gateway, or not in the cluster file */
	WEIR_QUIC_REFUSED_ALPN, /* speaks something else than weir/1 */
	WEIR_QUIC_REFUSED_PROTOCOL, /* other errors of TLS, QUIC or our hello */
	WEIR_QUIC_REFUSED_TIMEOUT, /* no end of the handshake within WEIR_QUIC_HANDSHAKE_NS */
	WEIR_QUIC_REFUSED_BUSY, /* too many handshakes or links */
	WEIR_QUIC_REFUSALS
};
const char *weir_quic_refusal_name(enum weir_quic_refusal r); /* "ca", "expired".. for metrics */

struct weir_quic_stats {
	uint64_t refused[WEIR_QUIC_REFUSALS];
	uint64_t dialled, accepted; /* that came up */
	uint64_t unknown; /* datagrams of no connection of ours (late ones too) */
	uint64_t garbage; /* datagrams that are no QUIC v1, empty, too short.. */
	uint64_t retries,
		resets; /* answers without a connection: address checks, stateless resets */
	uint64_t held; /* datagrams for which the socket had no room at first */
	uint32_t half_open, links; /* now */
};

struct weir_quic_options {
	struct weir_dgram_io *io;
	/* heartbeat (keep-alive), dead (idle time-out), linger, window, congestion are the cluster's. */
	const struct weir_cluster *cluster;
	uint32_t region, gateway; /* which of the cluster's we are */
	const char *certs; /* NULL: the cluster's folder */
	struct weir_stream_source source;
	void (*event)(void *ctx, const struct weir_link_event *e);
	void *ctx;
	uint32_t
		half_open_max; /* handshakes of peers that dial; 0: 64. Half of it without proof of address */
	uint32_t links_max; /* all; 0: 512 */
};

struct weir_quic_link_info {
	uint64_t rtt_ns, rtt_min_ns, rtt_var_ns;
	uint64_t cwnd, in_flight; /* bytes */
	uint64_t bytes_in, bytes_out; /* UDP payload */
	uint64_t datagrams_in, datagrams_out;
	uint64_t lost; /* packets */
	uint64_t retransmitted; /* bytes of streams that were sent again */
	uint32_t streams;
	uint32_t payload; /* bytes of a full datagram on this path, as found so far */
	bool up, ours;
	const char *region, *gateway; /* "" not known yet */
	const char *congestion; /* "bbr2", "bbr", "cubic" */
	struct sockaddr_storage peer;
	socklen_t peer_len;
};

struct weir_quic;

int weir_quic_open(const struct weir_quic_options *o, struct weir_quic **ret, struct weir_err *err);
/* Tells peers (once, without waiting) and frees; no events any more. The datagrams' io stays open. NULL is fine. */
void weir_quic_close(struct weir_quic *q, uint64_t mono_ns);

const struct weir_link_ops *weir_quic_ops(struct weir_quic *q);

/* Takes what came in, gives events, sends what may be sent. Returns when to call again without news (UINT64_MAX: never;
 * mono_ns: there is more at once). */
uint64_t weir_quic_step(struct weir_quic *q, uint64_t mono_ns);
bool weir_quic_wants_send(const struct weir_quic *q); /* the socket had no room */

/* Reads certificates and key (and addresses that are names) again, for links from now on. On an error the old ones stay. */
int weir_quic_reload(struct weir_quic *q, struct weir_err *err);

bool weir_quic_link_info(const struct weir_quic *q, weir_link_id link,
			 struct weir_quic_link_info *ret); /* false: no such link */
/* The newest link with a gateway that is up. false: none. */
bool weir_quic_peer_info(const struct weir_quic *q, uint32_t region, uint32_t gateway,
			 struct weir_quic_link_info *ret);
void weir_quic_stats(const struct weir_quic *q, struct weir_quic_stats *ret);

#endif
