/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shm/lane.h - what goes through the two rings that an engine and a gateway share for one edge.
 *
 * Lane:   ring "out" (engine produces, gateway consumes) and ring "in" (gateway produces, engine consumes) of one edge with
 *         one peer region. Both carry lane frames only, whole ones.
 * Frame:  64 bytes of head, then the body; the same bytes go over the wire. docs/formats/lane.md
 * Bytes:  little endian. size is the whole frame and at most the ring's frame_max; its stride is size rounded up to 8,
 *         padded with zeros, also on the wire.
 * Trust:  nothing from the wire or the other process is believed before weir_lane_check().
 * Pure (memory only). Thread: that of the ring's end.
 */
#ifndef WEIR_SHM_LANE_H
#define WEIR_SHM_LANE_H

#include "base/schema.h"

#define WEIR_LANE_VERSION 1u
#define WEIR_LANE_FRAME_MIN_MAX ((uint32_t)64 << 10) /* every lane takes frames of this size */
#define WEIR_LANE_FRAME_LIMIT ((uint32_t)4 << 20) /* and none takes more than this */
#define WEIR_REGION_MAX 15 /* bytes of a region's name: [a-z][a-z0-9-]* */

enum weir_lane_type {
	/* sender -> receiver */
	WEIR_LANE_HELLO =
		1, /* who sends, what the records look like; session 0: asks for RESUME, else: answers it;
		    * chain: XXH3-64 of the body, seed 0 */
	WEIR_LANE_DATA =
		2, /* one batch of records: seq .. seq+count-1 of epoch; chain: before them */
	WEIR_LANE_COMMIT =
		3, /* records below seq (epochs up to epoch) may be applied; chain: after them */
	WEIR_LANE_TRIMMED = 4, /* answer to RESUME: everything below seq is gone */
	/* receiver -> sender */
	WEIR_LANE_RESUME =
		5, /* opens a session: send from seq on. count 0: chain before seq; else seq is so many records into its
		    * batch, chain: behind that batch. epoch: bytes of staging the sender may fill */
	WEIR_LANE_RECEIVED =
		6, /* below seq: applied, not durable; epoch: bytes of staging the sender may fill in this session */
	WEIR_LANE_DURABLE = 7, /* below seq: durable here, the sender may forget it */
	WEIR_LANE_GAP =
		8, /* a batch is missing: the sender goes on there; seq, count, chain as in RESUME */
	WEIR_LANE_FENCED = 9, /* a newer sender (fence) was seen */
	WEIR_LANE_STATUS = 10, /* body: what holds the receiver up, "step@region", or nothing */
	/* either */
	WEIR_LANE_FORK = 11, /* chains differ at seq: the edge stops at both ends */
	/* gateway -> engine, never on the wire */
	WEIR_LANE_OPEN = 12, /* a stream to the peer is open; session: number of this opening */
	WEIR_LANE_CLOSED = 13, /* it is not; body: why */
	WEIR_LANE_TYPE_COUNT
};

struct weir_lane_head {
	struct weir_frame
		f; /* kind WEIR_FRAME_LANE, flags: enum weir_lane_type, stream: version, key_hash: edge id,
			      * time_ns: session */
	uint64_t epoch;
	uint64_t seq;
	uint64_t fence; /* the sender's, as it is or was last seen */
	uint64_t chain;
	uint32_t count;
	uint32_t crc; /* CRC32C of the 60 bytes before it */
};
_Static_assert(sizeof(struct weir_lane_head) == 64, "published format");

/* What stands before the batch in a DATA body. */
struct weir_lane_data {
	uint32_t crc; /* CRC32C of everything behind this field, without padding */
	uint32_t raw_bytes; /* of the batch */
	uint8_t codec; /* enum weir_lane_codec */
	uint8_t reserved[7];
};
_Static_assert(sizeof(struct weir_lane_data) == 16, "published format");

enum weir_lane_codec { WEIR_LANE_PLAIN = 0, WEIR_LANE_LZ4 = 1, WEIR_LANE_ZSTD = 2 };

/* Fills kind, version, size, type and the checksum of a head whose other fields are set. */
void weir_lane_seal(struct weir_lane_head *h, enum weir_lane_type type, uint32_t body_bytes);
/* The same for a head with its body behind it (and room for the padding): zeroes the padding, and sets the body's checksum of
 * DATA, whose struct weir_lane_data is otherwise filled in. */
void weir_lane_seal_body(struct weir_lane_head *h, enum weir_lane_type type, uint32_t body_bytes);

/* Bytes of the whole frame (its stride), 0: more bytes are needed than n to know it, <0 WEIR_E_CORRUPT: no lane frame, or larger
 * than max. */
int64_t weir_lane_stride(const void *p, uint64_t n, uint32_t max);
/* A whole frame in n bytes (at least its stride): head, sizes, body checksum of DATA, zero padding. 0 or WEIR_E_CORRUPT. h is
 * aligned to 8. */
int weir_lane_check(const struct weir_lane_head *h, uint64_t n);

const char *weir_lane_type_name(unsigned type);

/* Names of the rings of a lane: "lane-out ID PEER STEP", ID 16 hex digits, STEP cut to what fits. */
void weir_lane_ring_name(char *ret, size_t cap, bool out, uint64_t edge, const char *peer,
			 const char *step);
/* false: not a lane's. ret_peer has room for WEIR_REGION_MAX + 1. */
bool weir_lane_ring_parse(const char *name, bool *ret_out, uint64_t *ret_edge, char *ret_peer);

/* Counters that the gateway which holds the lane writes: "lane.ID.WHAT". */
enum weir_lane_counter {
	WEIR_LANE_WIRE_OUT, /* stream bytes given to the transport, resent ones too */
	WEIR_LANE_WIRE_IN,
	WEIR_LANE_RTT_NS, /* gauge: smoothed round trip of its link */
	WEIR_LANE_STATE, /* gauge: 0 no stream, 1 open, 2 over a relay */
	WEIR_LANE_COUNTERS
};
void weir_lane_counter_name(char *ret, size_t cap, uint64_t edge, enum weir_lane_counter c);

#endif
