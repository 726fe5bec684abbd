/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/core/gate.h - the gateway as a pure state machine: links to peers, lanes of the engine, streams that join them.
 *
 *   lanes (rings of the segment) ◀─▶ [ gate ] ◀─▶ links (gateway/core/link.h)
 *
 * Links:  each gateway keeps one link to every gateway of every other region. Of two that dialled each other at once the one dialled by
 *         the smaller name ("region/gateway") stays. A link that is down is dialled again after 100 ms, doubling to 5 s, with jitter
 *         from the caller's random number.
 * Health: heartbeats as control messages every heartbeat_ns; a region is suspected when none came over any of its links for
 *         suspect_ns, dead for dead_ns. A link that is silent for dead_ns is closed. What others say about a region (their own
 *         view travels in the heartbeat) is kept: weir_gate_region().
 * Lanes:  attach() gives the gate the lanes this gateway holds. Every gateway announces on each link which lanes it holds and which
 *         regions it reaches. The sender's side of an edge (its region comes first in the cluster file; it opens, whichever way
 *         records flow) opens a stream to a gateway that announced the lane; streams carry lane frames both ways.
 * Relay:  when no link to the peer region is up, a gateway of a third region that reaches it is asked to relay: the stream's header names
 *         the final region, and the relay opens the second half. Bytes are passed on within both credits; a relay has no lane.
 *         Never over two relays. A direct link that comes back replaces it (the stream is shut; sessions resume by themselves).
 * Frames: bytes from a stream become whole frames in the in ring (weir_lane_stride()); a broken frame shuts the stream and is
 *         counted against the peer. Bytes are given back as credit when the engine has consumed them.
 * Holds nothing durable. Pure: time and random numbers are arguments. Thread: one.
 */
#ifndef WEIR_GATEWAY_CORE_GATE_H
#define WEIR_GATEWAY_CORE_GATE_H

#include "base/err.h"
#include "base/mem.h"
#include "gateway/core/link.h"

struct weir_gate_options {
	const char *cluster;
	uint32_t region_count, here; /* as in the cluster file */
	const char *const *region;
	const uint32_t *gateway_count; /* per region */
	uint32_t gateway; /* which of our region's we are */
	const char *const *const *gateway_name; /* [region][gateway] */
	uint64_t heartbeat_ns, suspect_ns, dead_ns;
	const struct weir_mem *mem;
	const struct weir_link_ops *link;
};

/* One lane's rings, as the owner of the memory offers them. in_*: towards the engine. */
struct weir_gate_lane_ops {
	/* Bytes the engine has published and that were not given back: contiguous from `skip` on (a multiple of nothing). */
	uint64_t (*out_peek)(void *ctx, uint32_t lane, uint64_t skip, const uint8_t **ret_p);
	void (*out_done)(void *ctx, uint32_t lane,
			 uint64_t bytes); /* whole frames only: give back */
	void *(*in_claim)(void *ctx, uint32_t lane, uint32_t size); /* NULL: no room */
	void (*in_keep)(void *ctx, uint32_t lane, uint32_t size); /* visible to the engine */
	uint64_t (*in_consumed)(void *ctx,
				uint32_t lane); /* bytes the engine has given back so far */
	void *ctx;
};

struct weir_gate_lane {
	uint64_t edge;
	uint32_t peer; /* region */
	uint32_t frame_max;
};

struct weir_gate;
struct weir_gate *weir_gate_new(const struct weir_gate_options *o);
void weir_gate_free(struct weir_gate *g);

/* The lanes this gateway holds now; replaces what it held. ops may be NULL with count 0 (the engine is gone). */
void weir_gate_lanes(struct weir_gate *g, const struct weir_gate_lane *lane, uint32_t count,
		     const struct weir_gate_lane_ops *ops, uint64_t mono_ns);

void weir_gate_event(struct weir_gate *g, const struct weir_link_event *e, uint64_t mono_ns);
/* Timers, new bytes in rings, credit. Returns the time of the next thing to do without news. */
uint64_t weir_gate_step(struct weir_gate *g, uint64_t mono_ns, uint64_t random);
/* For the transport. */
uint32_t weir_gate_peek(struct weir_gate *g, weir_stream_id stream, uint64_t offset,
			const uint8_t **ret_p);

enum weir_gate_health { WEIR_GATE_UNKNOWN, WEIR_GATE_ALIVE, WEIR_GATE_SUSPECT, WEIR_GATE_DEAD };
struct weir_gate_region_info {
	enum weir_gate_health health; /* as seen from here */
	enum weir_gate_health seen_by[32]; /* as others say, by region */
	uint32_t links; /* up */
	uint64_t heard_ns; /* monotonic */
	uint64_t link_ups, link_downs, bad_frames, refused;
	const char *last_error; /* "" */
};
void weir_gate_region(const struct weir_gate *g, uint32_t region,
		      struct weir_gate_region_info *ret);
struct weir_gate_lane_info {
	enum { WEIR_GATE_LANE_WAITS, WEIR_GATE_LANE_OPEN, WEIR_GATE_LANE_RELAYED } state;
	weir_link_id link;
	uint64_t bytes_out, bytes_in, opened;
};
void weir_gate_lane_info(const struct weir_gate *g, uint32_t lane, struct weir_gate_lane_info *ret);

#endif
