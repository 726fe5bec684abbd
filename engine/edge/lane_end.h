/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/lane_end.h - the engine's end of a lane: whole frames out of the ring "in", frames into the ring "out", the
 * gateways' doorbells.
 *
 *   sink_edge, source_edge ──frame──▶ [lane end] ──ring "out"──▶ gateway
 *                          ◀──next──             ◀──ring "in"───
 *
 * Use:    next() until NULL, then whatever has to be written through `io`, then flush(): frames become visible, space goes
 *         back, and the gateways are rung, all at once. Of several gateways of a region any one may hold the lane: all are rung.
 * Trust:  the ring's other end is another process. Bytes that are no frame cost the connection: everything in the ring is dropped
 *         and a CLOSED is made up; the ends of the edge resume by themselves.
 * Death:  who watches the gateways (engine/edge/lanes.c) says so with gone(); next() then makes up the CLOSED that a gateway could
 *         not write any more.
 * Thread: one (that of the edge's end); gone() and weir_lane_end_say() from another one.
 */
#ifndef WEIR_ENGINE_EDGE_LANE_END_H
#define WEIR_ENGINE_EDGE_LANE_END_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/core/edge.h"
#include "shm/segment.h"

#define WEIR_LANE_CAUSE_MAX (2 * WEIR_NAME_MAX) /* "step@region" with its end */

struct weir_lane_end {
	/* fixed once it is open */
	struct weir_ring_tx tx;
	struct weir_ring_rx rx;
	struct weir_doorbell *bell; /* of the gateways: bells of them; NULL: none */
	uint32_t bells, frame_max;
	struct weir_lane_io io; /* writes to tx */
	/* what the end's node takes from outside; a simulator has its own, set behind open() */
	const struct weir_mem *mem; /* the heap */
	uint64_t (*now_ns)(void); /* the monotonic clock */
	const struct weir_lane_codecs *codecs; /* NULL: each node makes a weir_lane_pack */

	/* the end's own */
	uint64_t read; /* bytes of rx that next() has handed out, not yet consumed */
	uint32_t open_by; /* generation of the gateway's role when the last OPEN was read */
	bool is_open;
	uint32_t closed_at; /* newest `gone` that was acted on */
	uint64_t bad; /* times the ring held something that is no frame */
	uint64_t made_up[(sizeof(struct weir_lane_head) + 64) / 8];
	uint32_t said_no; /* number of the text at `said` */
	char said[WEIR_LANE_CAUSE_MAX];

	/* from the thread that watches */
	_Atomic uint32_t gone_by; /* generation of a gateway's role that is over */
	_Atomic uint32_t cause_no;
	pthread_mutex_t lock; /* cause */
	char cause[WEIR_LANE_CAUSE_MAX]; /* what holds this region up */
	uint32_t sure; /* times it was said, less those when there was none */
};

/* Rings are mapped. Fixed memory: the end stays where it is until close. */
void weir_lane_end_open(struct weir_lane_end *l, struct weir_ring_block *out, uint8_t *out_base,
			struct weir_ring_block *in, const uint8_t *in_base,
			struct weir_doorbell *keep_bell, uint32_t bells);
void weir_lane_end_close(struct weir_lane_end *l);

#define WEIR_LANE_CAUSE_SURE                                                                       \
	10u /* times without a cause until one is believed to be gone, at most */

/* Next whole frame, valid until the next call of next() or flush(); NULL: none now. Bodies are not checked. */
const struct weir_lane_head *weir_lane_end_next(struct weir_lane_end *l);
/* There are bytes that next() would look at. */
bool weir_lane_end_waiting(struct weir_lane_end *l);
/* true: something moved. */
bool weir_lane_end_flush(struct weir_lane_end *l);

/* The holder of the gateway's role with this generation is dead or has left. Any thread. */
void weir_lane_end_gone(struct weir_lane_end *l, uint32_t generation);
/*
 * Text for STATUS, as it was found just now; said again and again by one thread. What was found many times does not go away
 * because it was not found once: rings in front of a slow step are empty now and then.
 */
void weir_lane_end_say(struct weir_lane_end *l, const char *cause);
/* The newest such text. */
const char *weir_lane_end_cause(struct weir_lane_end *l);

#endif
