/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/core/gate.h - the gateway as a pure state machine: links to peers, lanes of the engine, streams that join them.
 *
 *   lanes (rings of the segment) ◀─▶ [ gate ] ◀─▶ links (gateway/core/link.h)
 *
 * Links:  each gateway keeps one link to every gateway of every other region. Of two that dialled each other at once the one dialled by
 *         the smaller name ("region/gateway") stays; a link of a newer start of the peer always replaces the older one. A link that
 *         is down is dialled again after 100 ms, doubling to 5 s, with jitter from the caller's random number.
 * Health: heartbeats as control messages every heartbeat_ns; a region is suspected when none came over any of its links for
 *         suspect_ns, dead for dead_ns. A link that is silent for dead_ns is closed. What others say about a region (their own
 *         view travels in the heartbeat) is kept: weir_gate_region().
 * Lanes:  lanes() gives the gate the lanes this gateway holds. Every gateway announces on each link which lanes it holds and which
 *         regions it reaches. The sender's side of an edge (its region comes first in the cluster file; it opens, whichever way
 *         records flow) opens a stream to a gateway that announced the lane, the one that said so last; streams carry lane frames
 *         both ways. A new stream for a lane replaces the one before it.
 * Relay:  when no link leads to a holder of the lane and a gateway of the peer region is out of reach, a gateway of a third region
 *         that reaches that region is asked to relay: the stream's header names the final region, and the relay opens the second
 *         half. Bytes are passed on within both credits; a relay has no lane. Never over two relays. A direct link that comes back
 *         replaces it (the stream is shut; sessions resume by themselves).
 * Frames: bytes from a stream become whole frames in the in ring (weir_lane_stride()); a broken frame shuts the stream and is
 *         counted against the peer. Bytes are given back as credit when the engine has consumed them. What is given to a stream from
 *         the out ring stays there until the peer has acknowledged the whole frame; a new stream begins at the first frame that
 *         was not (the receiver drops frames of an older session).
 * Engine: is told OPEN and CLOSED (with the reason) through the in ring, when there is room; CLOSED first after lanes().
 * Peers:  are trusted to be who their certificate says, and with nothing else: what is broken, too much or not theirs costs them
 *         their stream or link, and is counted.
 * Calls:  the gate calls link ops from weir_gate_step() only, lane ops from any call. Events of links and streams that it has closed
 *         are ignored. After weir_gate_lanes() the memory of rings that are gone may still be read by the transport until a
 *         step has shut their streams.
 * Holds nothing durable. Pure: time and random numbers are arguments. Thread: one.
 */
#ifndef WEIR_GATEWAY_CORE_GATE_H
#define WEIR_GATEWAY_CORE_GATE_H

#include "base/err.h"
#include "base/mem.h"
#include "gateway/core/link.h"

#define WEIR_GATE_REGIONS_MAX 32u
#define WEIR_GATE_LANES_MAX 480u /* of one gateway: what one control message can announce */
#define WEIR_GATE_RELAYS_MAX 256u

enum weir_gate_health { WEIR_GATE_UNKNOWN, WEIR_GATE_ALIVE, WEIR_GATE_SUSPECT, WEIR_GATE_DEAD };

/* What happens, for logs and counters. Texts are valid during the call. */
enum weir_gate_note_kind {
	WEIR_GATE_NOTE_LINK_UP, /* region, gateway */
	WEIR_GATE_NOTE_LINK_DOWN, /* and text; also a dial that failed: links with ours */
	WEIR_GATE_NOTE_HEALTH, /* region; health */
	WEIR_GATE_NOTE_LANE_OPEN, /* region: the peer; edge, text: "", or the relay's region */
	WEIR_GATE_NOTE_LANE_CLOSED, /* and text */
	WEIR_GATE_NOTE_REFUSED, /* region, gateway, text */
};
struct weir_gate_note {
	enum weir_gate_note_kind kind;
	const char *region, *gateway, *text;
	enum weir_gate_health health;
	uint64_t edge;
	bool was_up; /* LINK_DOWN */
};

struct weir_gate_options {
	const char *cluster;
	uint32_t region_count, here; /* as in the cluster file */
	const char *const *region;
	const uint32_t *gateway_count; /* per region */
	uint32_t gateway; /* which of our region's we are */
	const char *const *const *gateway_name; /* [region][gateway] */
	uint64_t heartbeat_ns, suspect_ns, dead_ns;
	uint64_t incarnation; /* a random number for this start of the gateway */
	const struct weir_mem *mem;
	const struct weir_link_ops *link;
	void (*note)(void *ctx, const struct weir_gate_note *n); /* NULL: nobody listens */
	void *ctx; /* of note */
};

/* One lane's rings, as the owner of the memory offers them. in_*: towards the engine. */
struct weir_gate_lane_ops {
	/* Bytes the engine has published and that were not given back: contiguous from `skip` on (a multiple of nothing). */
	uint64_t (*out_peek)(void *ctx, uint32_t lane, uint64_t skip, const uint8_t **ret_p);
	void (*out_done)(void *ctx, uint32_t lane,
			 uint64_t bytes); /* whole frames only: give back */
	/* NULL: no room. The same memory again until in_keep(). */
	void *(*in_claim)(void *ctx, uint32_t lane, uint32_t size);
	void (*in_keep)(void *ctx, uint32_t lane, uint32_t size); /* visible to the engine */
	/* Bytes that were kept and that the engine has not given back. */
	uint64_t (*in_used)(void *ctx, uint32_t lane);
	void *ctx;
};

struct weir_gate_lane {
	uint64_t edge;
	uint32_t peer; /* region */
	uint32_t frame_max;
	uint64_t
		in_bytes; /* capacity of the in ring: a stream's window, at least WEIR_STREAM_CREDIT */
};

struct weir_gate;
/* The names that options point to must stay. */
struct weir_gate *weir_gate_new(const struct weir_gate_options *o);
void weir_gate_free(struct weir_gate *g);

/*
 * The lanes this gateway holds now, by edge; replaces what it held. Streams of lanes that stay stay open as long as ops are the same
 * (ops and ctx; a lane's number for ops is its place in this list). ops may be NULL with count 0 (the engine is gone).
 * WEIR_E_LIMIT: more than WEIR_GATE_LANES_MAX, WEIR_E_RANGE: an edge twice, a peer that is not one; nothing is changed.
 */
int weir_gate_lanes(struct weir_gate *g, const struct weir_gate_lane *lane, uint32_t count,
		    const struct weir_gate_lane_ops *ops, uint64_t mono_ns);

void weir_gate_event(struct weir_gate *g, const struct weir_link_event *e, uint64_t mono_ns);
/* Timers, new bytes in rings, credit. Returns the time of the next thing to do without news. */
uint64_t weir_gate_step(struct weir_gate *g, uint64_t mono_ns, uint64_t random);
/* Closes every link at the next step, and dials no more. */
void weir_gate_stop(struct weir_gate *g, const char *why, uint64_t mono_ns);
/* For the transport. */
uint32_t weir_gate_peek(struct weir_gate *g, weir_stream_id stream, uint64_t offset,
			const uint8_t **ret_p);

struct weir_gate_region_info {
	enum weir_gate_health health; /* as seen from here */
	/* As others say, by region: the best of what their linked gateways say; unknown without a link to them. */
	enum weir_gate_health seen_by[WEIR_GATE_REGIONS_MAX];
	uint32_t links; /* up */
	uint64_t heard_ns; /* monotonic; 0: never */
	uint64_t link_ups, link_downs, bad_frames, refused;
	uint64_t rtt_ns; /* smoothed, of the nearest link; 0: none */
	uint64_t bytes_out,
		bytes_in; /* of streams of our lanes with it, resent ones too; relayed ones count */
	uint32_t relays; /* streams passed on for it */
	uint64_t relayed_bytes; /* that came from it and were passed on */
	const char *last_error; /* "" */
};
void weir_gate_region(const struct weir_gate *g, uint32_t region,
		      struct weir_gate_region_info *ret);
struct weir_gate_lane_info {
	enum { WEIR_GATE_LANE_WAITS, WEIR_GATE_LANE_OPEN, WEIR_GATE_LANE_RELAYED } state;
	weir_link_id link;
	uint64_t rtt_ns; /* of the link: to the relay, when relayed */
	uint64_t bytes_out, bytes_in, opened;
	const char *why; /* it waits */
};
void weir_gate_lane_info(const struct weir_gate *g, uint32_t lane, struct weir_gate_lane_info *ret);

#endif
