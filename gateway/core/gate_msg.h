/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/core/gate_msg.h - what gateways say to each other beside the lanes: control messages, and the header of a stream.
 *
 * Format: docs/formats/gateway.md; little endian, texts are varint length and bytes (base/bytes.h).
 * Trust:  the reader is given bytes of another host: it checks every bound and value, and what it returns points into them.
 * Fuzzed: tests/fuzz/fuzz_gate.c. Pure.
 */
#ifndef WEIR_GATEWAY_CORE_GATE_MSG_H
#define WEIR_GATEWAY_CORE_GATE_MSG_H

#include "base/bytes.h"
#include "base/err.h"
#include "gateway/core/gate.h"

#define WEIR_GATE_VERSION 1u
#define WEIR_GATE_HEADER_MAX 255u /* bytes of a stream's header */
#define WEIR_GATE_REACH 0x80u /* beside the health of a region: a link to it is up */

enum weir_gate_msg_kind {
	WEIR_GATE_MSG_HELLO = 1, /* the first one on each link, each way, once */
	WEIR_GATE_MSG_BEAT = 2, /* a heartbeat */
	WEIR_GATE_MSG_LANES = 3, /* the lanes the sender holds: all of them */
};

struct weir_gate_hello {
	uint16_t version;
	uint64_t incarnation; /* differs for each start of a gateway */
	struct weir_str cluster, region, gateway; /* of the sender */
};

struct weir_gate_view {
	struct weir_str region;
	uint8_t state; /* enum weir_gate_health, WEIR_GATE_REACH */
};

struct weir_gate_beat {
	uint64_t time; /* the sender's clock */
	uint64_t echo, held; /* time of the last beat it got (0: none), and ns since it came */
	uint32_t count;
	struct weir_gate_view of[WEIR_GATE_REGIONS_MAX];
};

struct weir_gate_held {
	uint32_t count;
	const uint8_t *id; /* count times 8 bytes, strictly ascending: weir_gate_held_id() */
};

struct weir_gate_msg {
	enum weir_gate_msg_kind kind;
	union {
		struct weir_gate_hello hello;
		struct weir_gate_beat beat;
		struct weir_gate_held held;
	};
};

/* Bytes written; p has WEIR_LINK_CONTROL_MAX. held.id as in the message: little endian. */
uint32_t weir_gate_msg_put(void *p, const struct weir_gate_msg *m);
/* 0, 1: a kind of a later version, to be passed over, or WEIR_E_CORRUPT. */
int weir_gate_msg_read(const void *p, uint32_t n, struct weir_gate_msg *ret);

weir_inline uint64_t weir_gate_held_id(const struct weir_gate_held *h, uint32_t i)
{
	uint64_t v;

	memcpy(&v, h->id + (size_t)i * 8, 8);
	return v;
}

enum weir_gate_hop {
	WEIR_GATE_DIRECT = 0, /* from the lane's holder to the other one */
	WEIR_GATE_ASKS = 1, /* to a relay: pass it on to `to` */
	WEIR_GATE_RELAYED = 2, /* from a relay, on behalf of `from` */
};

struct weir_gate_header {
	uint8_t hop; /* enum weir_gate_hop */
	uint64_t edge;
	struct weir_str from, to; /* regions of the lane's ends: opener, other */
};

uint32_t weir_gate_header_put(void *p, const struct weir_gate_header *h);
int weir_gate_header_read(const void *p, uint32_t n, struct weir_gate_header *ret);

#endif
