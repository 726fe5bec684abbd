/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/edge/quic_wire.h - the bytes of our own on a link: messages of the control stream, the header of a stream.
 *
 * Control: u16 bytes that follow (1 .. WEIR_QUIC_MESSAGE_MAX), u8 kind, body. The first message of each direction is HELLO,
 *          and no other is. docs/formats/link.md
 * Header:  u8 bytes of header, the header; then the stream's data.
 * Use:     a framer takes bytes as they come and gives one message at a time; what it gives is valid until its next call.
 * Pure. Errors: WEIR_E_CORRUPT.
 */
#ifndef WEIR_GATEWAY_EDGE_QUIC_WIRE_H
#define WEIR_GATEWAY_EDGE_QUIC_WIRE_H

#include "base/err.h"
#include "base/str.h"
#include "gateway/core/link.h"

#define WEIR_QUIC_WIRE_VERSION 1u
#define WEIR_QUIC_MESSAGE_MAX (1u + WEIR_LINK_CONTROL_MAX) /* kind and body */
#define WEIR_QUIC_FRAME_MAX (2u + WEIR_QUIC_MESSAGE_MAX)
#define WEIR_QUIC_HEADER_MAX 255u
#define WEIR_QUIC_WHY_MAX 120u /* bytes of a reason that travel */

enum weir_quic_kind {
	WEIR_QUIC_HELLO = 1, /* u8 version, text gateway, text wanted */
	WEIR_QUIC_MESSAGE = 2, /* what the core sends */
	WEIR_QUIC_SHUT = 3, /* varint QUIC stream id, text why: says why a stream was reset */
};

struct weir_quic_message {
	enum weir_quic_kind kind;
	const uint8_t *body; /* MESSAGE */
	uint32_t n;
	struct weir_str gateway,
		wanted; /* HELLO: who speaks; who was dialled, "" from the dialled one */
	int64_t stream; /* SHUT */
	struct weir_str why;
};

struct weir_quic_framer {
	uint32_t have;
	uint8_t buf[WEIR_QUIC_FRAME_MAX];
};

/* Takes from *p up to end. 1: a message, call again; 0: all bytes are taken; WEIR_E_CORRUPT: the link cannot go on. */
int weir_quic_framer_next(struct weir_quic_framer *f, const uint8_t **p, const uint8_t *end,
			  struct weir_quic_message *ret);
/* One message with its length; ret has room for WEIR_QUIC_FRAME_MAX. Returns its bytes. Texts that are too long are cut. */
uint32_t weir_quic_message_put(uint8_t *ret, const struct weir_quic_message *m);

struct weir_quic_header {
	uint32_t have; /* bytes taken, the length byte too */
	bool done;
	uint8_t buf[1 + WEIR_QUIC_HEADER_MAX];
};

/* How many of n bytes belong to the header; done is set with the last one. */
size_t weir_quic_header_feed(struct weir_quic_header *h, const uint8_t *p, size_t n);
void weir_quic_header_set(struct weir_quic_header *h, const void *p, uint32_t n);

/* A reason from outside, as one line: printable ASCII, cut. ret has room for WEIR_QUIC_WHY_MAX + 1. */
void weir_quic_why_clean(char *ret, const void *p, size_t n);

#endif
