/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/core/gate_int.h"

static unsigned rank(enum weir_gate_health h)
{
	static const uint8_t of[] = {[WEIR_GATE_UNKNOWN] = 0,
				     [WEIR_GATE_DEAD] = 1,
				     [WEIR_GATE_SUSPECT] = 2,
				     [WEIR_GATE_ALIVE] = 3};

	return of[h];
}

void weir_gate_region(const struct weir_gate *g, uint32_t region, struct weir_gate_region_info *ret)
{
	const struct gate_region *r;

	weir_assert(region < g->o.region_count);
	r = &g->region[region];
	*ret = (struct weir_gate_region_info){.health = weir__gate_health(g, region),
					      .heard_ns = r->heard_ns,
					      .link_ups = r->link_ups,
					      .link_downs = r->link_downs,
					      .bad_frames = r->bad_frames,
					      .refused = r->refused,
					      .relayed_bytes = r->relayed_bytes,
					      .bytes_out = r->bytes_out,
					      .bytes_in = r->bytes_in,
					      .last_error = r->last_error};
	ret->seen_by[g->o.here] = ret->health;
	for (uint32_t i = 0; i < g->peer_count; i++) {
		const struct gate_link *k = g->peer[i].link;
		enum weir_gate_health h, *seen = &ret->seen_by[g->peer[i].region];

		if (!k)
			continue;
		h = (enum weir_gate_health)(k->view[region] & ~WEIR_GATE_REACH);
		if (rank(h) > rank(*seen))
			*seen = h;
		if (g->peer[i].region != region)
			continue;
		ret->links++;
		if (k->rtt_ns && (ret->rtt_ns == 0 || k->rtt_ns < ret->rtt_ns))
			ret->rtt_ns = k->rtt_ns;
	}
	for (const struct gate_relay *a = g->relay; a; a = a->next)
		ret->relays += !a->gone && a->from == region;
}

void weir_gate_lane_info(const struct weir_gate *g, uint32_t lane, struct weir_gate_lane_info *ret)
{
	const struct gate_lane *l = NULL;

	for (uint32_t i = 0; i < g->lane_count; i++)
		if (g->lane[i]->index == lane)
			l = g->lane[i];
	weir_assert(l);
	*ret = (struct weir_gate_lane_info){.bytes_out = l->bytes_out,
					    .bytes_in = l->bytes_in,
					    .opened = l->opened,
					    .why = l->stream ? "" : l->why};
	if (!l->stream)
		return;
	ret->state = l->relayed ? WEIR_GATE_LANE_RELAYED : WEIR_GATE_LANE_OPEN;
	ret->link = l->link->id;
	ret->rtt_ns = l->link->rtt_ns;
}
