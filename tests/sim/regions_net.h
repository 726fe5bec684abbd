/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/regions_net.h - inside of the network model; only tests/sim/regions_net.c and regions_fault.c.
 *
 * Link:    two ends; a dial that is answered makes the second one. Streams of a link are in order, each by itself; packets are
 *          never lost while the link lives (a transport repeats them), but a direction that is cut keeps them back.
 * Broken:  nothing more comes through from some byte on, and each end hears of it in its own time.
 */
#ifndef WEIR_TESTS_SIM_REGIONS_NET_H
#define WEIR_TESTS_SIM_REGIONS_NET_H

#include "tests/sim/regions.h"

enum net_kind {
	NET_DIAL,
	NET_ACCEPT,
	NET_CLOSE,
	NET_CONTROL,
	NET_OPEN,
	NET_DATA,
	NET_ACK,
	NET_CREDIT,
	NET_SHUT,
	NET_DOWN, /* the end itself finds that the link is broken */
};

struct net_packet {
	uint64_t due, order, sent, offset;
	enum net_kind kind;
	uint32_t link, stream, n;
	unsigned to; /* side */
	const uint8_t *
		from; /* DATA: where the sender's gateway keeps the bytes until they are acknowledged */
	uint8_t data[];
};

struct net_link {
	uint32_t node[2]; /* dialled, answered */
	uint32_t life[2]; /* of the gates, when it began */
	bool end[2]; /* this side has it */
	bool broken, cut[2]; /* cut: a packet to this side was cut short, nothing comes behind it */
	uint64_t last[2]; /* due time of the last control packet to side i */
	uint32_t flying[2]; /* bytes of streams on their way to side i */
};

struct net_stream {
	uint32_t link, node[2]; /* opened, accepted */
	bool end[2], ready[2], listed[2];
	uint64_t sent[2], credit[2]; /* by side i: so far, at most */
	uint64_t allowed[2]; /* what side i has allowed the other one to send, at most */
	uint64_t last[2]; /* due time of the last packet to side i */
	uint64_t edge; /* as its header says */
};

struct sim_net {
	struct weir_prng prng;
	struct net_packet **heap;
	uint32_t packets;
	size_t heap_cap;
	uint64_t order;
	struct net_link *link;
	uint32_t links;
	size_t link_cap;
	struct net_stream *stream;
	uint32_t streams;
	size_t stream_cap;
	struct net_ready {
		uint32_t stream;
		unsigned side;
	} * ready;
	uint32_t ready_count;
	size_t ready_cap;
	uint32_t chunk, window; /* bytes of a packet; on their way in one direction of a link */
	/* between regions, by direction */
	uint64_t delay[SIM_REGIONS_MAX][SIM_REGIONS_MAX];
	uint64_t cut_until[SIM_REGIONS_MAX][SIM_REGIONS_MAX];
	uint64_t clog_until[SIM_REGIONS_MAX][SIM_REGIONS_MAX];
	uint64_t next_fault;
	uint64_t rotten; /* packets that were changed: frames may be broken then */
	uint64_t breaks, delivered;
};

struct sim_gate *sim_net_gate(const struct sim_regions *w, uint32_t node);
bool sim_net_dark(const struct sim_regions *w, uint32_t a, uint32_t b);
/* Both ends find it broken within some time; why NULL: they have to find out by themselves. */
void sim_net_break(struct sim_regions *w, uint32_t link, const char *why);

#endif
