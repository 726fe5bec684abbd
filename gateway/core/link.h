/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/core/link.h - what the gateway's core sees of a transport: links to gateways of other regions, streams on them.
 *
 * Implementations: QUIC (gateway/edge/quic*.c), and the simulator's network. Below is only what crosses; neither side calls the
 *        other while it is called: the transport queues events, the core queues requests.
 * Link:  one authenticated connection between two gateways. Region and name of the peer come from its certificate.
 * Stream: bytes both ways, reliable, in order, with its own credit. Bytes to send stay where they are (ring memory) until
 *        acknowledged; bytes received are handed over once and count against the credit until the receiver gives it back.
 */
#ifndef WEIR_GATEWAY_CORE_LINK_H
#define WEIR_GATEWAY_CORE_LINK_H

#include "base/base.h"
#include "base/str.h"
#include "shm/lane.h"

#define WEIR_LINK_CONTROL_MAX 4096u /* bytes of one control message */
#define WEIR_STREAM_CREDIT ((uint64_t)1 << 20) /* a stream's first credit */

typedef uint32_t weir_link_id; /* never reused within a process */
typedef uint32_t weir_stream_id; /* likewise, over all links */

enum weir_link_event_kind {
	WEIR_LINK_UP = 1, /* authenticated: region, gateway, ours */
	WEIR_LINK_DOWN, /* text says why; its streams are gone with it, no event for each */
	WEIR_LINK_CONTROL, /* one message of the control stream: data, n */
	WEIR_LINK_STREAM_OPEN, /* the peer opened a stream; data, n: its first bytes, the header given to open() */
	WEIR_LINK_STREAM_DATA, /* data, n: valid during the call */
	WEIR_LINK_STREAM_ACKED, /* the peer has all bytes below `offset` of those we sent */
	WEIR_LINK_STREAM_CLOSED, /* text says why */
};

struct weir_link_event {
	enum weir_link_event_kind kind;
	weir_link_id link;
	weir_stream_id stream;
	bool ours; /* UP: we dialled */
	const char *region, *gateway; /* UP */
	const uint8_t *data;
	uint32_t n;
	uint64_t offset;
	const char *text;
};

/* What the core asks of the transport. All return at once. */
struct weir_link_ops {
	/* Dials a gateway of the cluster file; UP or DOWN follows. Returns the link's id. */
	weir_link_id (*dial)(void *ctx, uint32_t region, uint32_t gateway);
	void (*close)(void *ctx, weir_link_id link, const char *why);
	/* false: too much waits; the message is dropped (messages are repeated or harmless to lose). */
	bool (*control)(void *ctx, weir_link_id link, const void *p, uint32_t n);
	/* header: at most 255 bytes, handed to the peer's STREAM_OPEN. 0: the link is down. */
	weir_stream_id (*open)(void *ctx, weir_link_id link, const void *header, uint32_t n);
	void (*shut)(void *ctx, weir_stream_id stream, const char *why);
	/* There is more to send: the transport calls peek() when it may send. */
	void (*ready)(void *ctx, weir_stream_id stream);
	/* The receiver is done with so many bytes more: the peer may send as many more. */
	void (*credit)(void *ctx, weir_stream_id stream, uint64_t bytes);
	void *ctx;
};

/* What the transport asks of the core when a stream may send: contiguous bytes from `offset` on (since the stream was opened),
 * 0: none now. They stay valid and unchanged until STREAM_ACKED passes them, or the stream is gone. */
struct weir_stream_source {
	uint32_t (*peek)(void *ctx, weir_stream_id stream, uint64_t offset, const uint8_t **ret_p);
	void *ctx;
};

#endif
