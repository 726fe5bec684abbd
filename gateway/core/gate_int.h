/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/core/gate_int.h - inside of the gate (gate.h): peers, links, lanes, relays.
 *
 *   gate.c        life, step, requests to the transport, stream numbers
 *   gate_link.c   peers and links: dial, hello, of two links one, what peers say
 *   gate_say.c    what we say: hello, heartbeats, lanes; health of regions
 *   gate_lane.c   lanes: which stream, when; what the engine is told; the out ring
 *   gate_in.c     bytes of a stream to frames in the in ring; credit
 *   gate_relay.c  streams passed on
 *   gate_info.c   what others may see of it
 * Time:   g->now is that of the call that is under way.
 */
#ifndef WEIR_GATEWAY_CORE_GATE_INT_H
#define WEIR_GATEWAY_CORE_GATE_INT_H

#include "base/assert.h"
#include "base/hooks.h"
#include "base/prng.h"
#include "gateway/core/gate.h"
#include "gateway/core/gate_fifo.h"
#include "gateway/core/gate_msg.h"

#define GATE_MS UINT64_C(1000000)
#define GATE_BACKOFF_MIN (100 * GATE_MS)
#define GATE_BACKOFF_MAX (5000 * GATE_MS)
#define GATE_STEADY (1000 * GATE_MS) /* what lived so long is tried again at once */
#define GATE_LINKS_PER_PEER 3u /* one, and two that are about to be settled */
#define GATE_STREAM_SLOTS 2048u /* of the table: at least twice what can be open */
#define GATE_WHY 120u
#define GATE_AGAIN (10 * GATE_MS) /* the transport took no message: look again */

_Static_assert(GATE_STREAM_SLOTS >= 2 * (WEIR_GATE_LANES_MAX + 2 * WEIR_GATE_RELAYS_MAX),
	       "a table half empty");

struct gate_announced {
	uint64_t edge, since;
};

enum gate_link_state { GATE_LINK_FREE = 0, GATE_LINK_DIALLING, GATE_LINK_GREETING, GATE_LINK_UP };

struct gate_peer;
struct gate_link {
	weir_link_id id;
	enum gate_link_state state;
	bool ours, hello_due, lanes_due; /* due: to be sent */
	struct gate_peer *peer;
	uint64_t up_ns; /* in this state since */
	uint64_t heard_ns;
	uint64_t incarnation; /* of the peer's start */
	uint64_t beat_ns, beat_sent_ns; /* next, last */
	uint64_t lanes_ns; /* announced last */
	uint64_t their_time, their_time_ns; /* of its last beat, when it came */
	uint64_t rtt_ns;
	uint64_t rate_ns; /* the second that is counted */
	uint32_t messages, opens; /* in it */
	uint8_t view[WEIR_GATE_REGIONS_MAX]; /* as in its last beat, by our numbers */
	uint32_t lane_count;
	struct gate_announced *lane; /* sorted by edge */
};

struct gate_peer {
	uint32_t region, gateway;
	bool first; /* our name is the smaller one: what we dialled stays */
	struct gate_link *link; /* up, or NULL */
	bool dialling;
	uint64_t dial_ns, backoff_ns;
};

struct gate_region {
	uint64_t heard_ns;
	enum weir_gate_health noted;
	uint64_t link_ups, link_downs, bad_frames, refused, relayed_bytes;
	uint64_t bytes_out, bytes_in;
	char last_error[GATE_WHY];
};

enum gate_told { GATE_TOLD_NOTHING = 0, GATE_TOLD_CLOSED, GATE_TOLD_OPEN };

struct gate_lane {
	struct weir_gate_lane is;
	uint32_t index; /* for ops */
	bool opens; /* our region comes first */
	bool broken; /* what the engine wrote is no lane frame */
	bool kept; /* weir_gate_lanes() */
	bool relayed;
	weir_stream_id stream; /* 0: none */
	struct gate_link *link; /* of the stream */
	uint64_t session; /* number of the opening; grows */
	uint64_t opened_ns, closed_ns, retry_ns, backoff_ns;
	uint32_t relay_turn;
	char why[GATE_WHY]; /* there is no stream */
	/* what the engine knows */
	enum gate_told told;
	uint64_t told_session;
	/* out: offsets of the stream */
	uint64_t out_done, out_seen, out_given, out_acked;
	/* in */
	uint64_t granted, received;
	_Alignas(8) uint8_t head[sizeof(struct weir_lane_head)];
	uint32_t head_n;
	uint8_t *frame; /* claimed; frame_n of frame_size bytes are there */
	uint32_t frame_n, frame_size;
	struct weir_gate_fifo hold; /* what found no room */
	uint64_t bytes_out, bytes_in, opened;
};

/* One way of a relay. */
struct gate_half {
	weir_stream_id stream; /* 0: not open yet */
	struct gate_link *link;
	struct weir_gate_fifo in; /* came on this stream, not acknowledged by the other's peer */
	uint64_t granted, credit; /* allowed so far; to be given at the next step */
	bool news; /* the other one has more to send */
};

struct gate_relay {
	struct gate_relay *next; /* gone: freed at the end of a step */
	uint64_t edge;
	uint32_t from, to; /* regions */
	struct gate_half half[2]; /* that asked, that was opened */
	bool gone;
};

enum gate_request_kind { GATE_CLOSE, GATE_SHUT };
struct gate_request {
	enum gate_request_kind kind;
	uint32_t id;
	char why[GATE_WHY];
};

enum gate_stream_kind { GATE_STREAM_LANE = 1, GATE_STREAM_RELAY };
struct gate_stream {
	weir_stream_id id; /* 0: free */
	enum gate_stream_kind kind;
	uint8_t half;
	union {
		struct gate_lane *lane;
		struct gate_relay *relay;
	};
};

struct weir_gate {
	struct weir_gate_options o;
	uint64_t now, start_ns; /* start: of the first call */
	struct weir_prng prng;
	bool stopping;
	bool reach_changed; /* others should know soon */
	bool dirty; /* links, announcements or lanes changed: look at every lane */
	uint64_t due; /* the next timer */

	struct gate_peer *peer;
	uint32_t peer_count;
	struct gate_link *link; /* slots */
	uint32_t link_count;
	struct gate_region region[WEIR_GATE_REGIONS_MAX];

	const struct weir_gate_lane_ops *ops;
	void *ops_ctx;
	struct gate_lane *lane[WEIR_GATE_LANES_MAX];
	uint32_t lane_count;

	struct gate_relay *relay;
	uint32_t relay_count;

	struct gate_request *request;
	uint32_t request_count, request_cap;
	struct gate_stream stream[GATE_STREAM_SLOTS];
};

/* ---- gate.c ---- */
void weir__gate_request(struct weir_gate *g, enum gate_request_kind kind, uint32_t id,
			const char *why);
struct gate_stream *weir__gate_stream_find(struct weir_gate *g, weir_stream_id id);
struct gate_stream *weir__gate_stream_add(struct weir_gate *g, weir_stream_id id,
					  enum gate_stream_kind kind);
void weir__gate_stream_remove(struct weir_gate *g, weir_stream_id id);
void weir__gate_due(struct weir_gate *g, uint64_t at); /* step() must come again then */
void weir__gate_note(struct weir_gate *g, const struct weir_gate_note *n);
void weir__gate_refused(struct weir_gate *g, const struct gate_peer *p, const char *why);
int weir__gate_region_find(const struct weir_gate *g, struct weir_str name);

/* ---- gate_link.c ---- */
void weir__gate_links_init(struct weir_gate *g);
void weir__gate_links_fini(struct weir_gate *g);
struct gate_link *weir__gate_link_find(struct weir_gate *g, weir_link_id id);
void weir__gate_link_event(struct weir_gate *g, const struct weir_link_event *e);
void weir__gate_link_close(struct weir_gate *g, struct gate_link *k, const char *why);
/* Counts a message or an opened stream. false: that was too many, the link is closed. */
bool weir__gate_link_rate(struct weir_gate *g, struct gate_link *k, bool open);
void weir__gate_links_step(struct weir_gate *g);
void weir__gate_links_announce(struct weir_gate *g); /* our lanes have changed */
/* A link to a gateway of the region that announced the edge, the one that did so last; NULL. */
struct gate_link *weir__gate_link_to(struct weir_gate *g, uint32_t region, uint64_t edge,
				     uint64_t *ret_since);
uint64_t weir__gate_random(struct weir_gate *g, uint64_t around); /* 3/4 to 5/4 of it */

/* ---- gate_say.c ---- */
/* false: the transport took no message; step() comes again. */
bool weir__gate_say_hello(struct weir_gate *g, struct gate_link *k);
bool weir__gate_say_beat(struct weir_gate *g, struct gate_link *k);
bool weir__gate_say_lanes(struct weir_gate *g, struct gate_link *k);
void weir__gate_region_step(struct weir_gate *g, uint32_t i); /* notes a change of health */
enum weir_gate_health weir__gate_health(const struct weir_gate *g, uint32_t region);

/* ---- gate_lane.c ---- */
void weir__gate_lanes_fini(struct weir_gate *g);
void weir__gate_lanes_step(struct weir_gate *g);
void weir__gate_lanes_link_down(struct weir_gate *g, const struct gate_link *k, const char *why);
/* The lane has no stream now. tell: the transport has to shut it. */
void weir__gate_lane_drop(struct weir_gate *g, struct gate_lane *l, const char *why, bool tell);
/* A stream that the peer opened. */
void weir__gate_lane_header(struct weir_gate *g, struct gate_link *k, weir_stream_id stream,
			    const void *p, uint32_t n);
void weir__gate_lane_acked(struct weir_gate *g, struct gate_lane *l, uint64_t offset);
uint32_t weir__gate_lane_peek(struct weir_gate *g, struct gate_lane *l, uint64_t offset,
			      const uint8_t **ret_p);

/* ---- gate_in.c ---- */
void weir__gate_in_data(struct weir_gate *g, struct gate_lane *l, const uint8_t *p, uint32_t n);
void weir__gate_in_step(struct weir_gate *g, struct gate_lane *l);
void weir__gate_in_reset(struct gate_lane *l);

/* ---- gate_relay.c ---- */
void weir__gate_relay_ask(struct weir_gate *g, struct gate_link *k, weir_stream_id stream,
			  const struct weir_gate_header *h);
void weir__gate_relay_data(struct weir_gate *g, struct gate_relay *r, unsigned half,
			   const uint8_t *p, uint32_t n);
void weir__gate_relay_acked(struct weir_gate *g, struct gate_relay *r, unsigned half,
			    uint64_t offset);
uint32_t weir__gate_relay_peek(struct gate_relay *r, unsigned half, uint64_t offset,
			       const uint8_t **ret_p);
/* half's stream is gone (2: neither); the other one is shut. */
void weir__gate_relay_drop(struct weir_gate *g, struct gate_relay *r, unsigned half,
			   const char *why);
void weir__gate_relays_step(struct weir_gate *g);
void weir__gate_relays_link_down(struct weir_gate *g, const struct gate_link *k, const char *why);
void weir__gate_relays_fini(struct weir_gate *g);

#endif
