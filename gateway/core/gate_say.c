/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/core/gate_int.h"

/* ---- what we say ---- */

static bool say(struct weir_gate *g, struct gate_link *k, const struct weir_gate_msg *m)
{
	uint8_t bytes[WEIR_LINK_CONTROL_MAX];
	uint32_t n = weir_gate_msg_put(bytes, m);

	if (g->o.link->control(g->o.link->ctx, k->id, bytes, n))
		return true;
	weir__gate_due(g, g->now + GATE_AGAIN);
	return false;
}

bool weir__gate_say_hello(struct weir_gate *g, struct gate_link *k)
{
	struct weir_gate_msg m = {
		.kind = WEIR_GATE_MSG_HELLO,
		.hello = {.version = WEIR_GATE_VERSION,
			  .incarnation = g->o.incarnation,
			  .cluster = weir_str_c(g->o.cluster),
			  .region = weir_str_c(g->o.region[g->o.here]),
			  .gateway = weir_str_c(g->o.gateway_name[g->o.here][g->o.gateway])}};

	return say(g, k, &m);
}

bool weir__gate_say_beat(struct weir_gate *g, struct gate_link *k)
{
	struct weir_gate_msg m = {.kind = WEIR_GATE_MSG_BEAT,
				  .beat = {.time = g->now,
					   .echo = k->their_time,
					   .held = k->their_time ? g->now - k->their_time_ns : 0,
					   .count = g->o.region_count}};

	for (uint32_t i = 0; i < g->o.region_count; i++) {
		m.beat.of[i].region = weir_str_c(g->o.region[i]);
		m.beat.of[i].state = (uint8_t)weir__gate_health(g, i);
	}
	for (uint32_t i = 0; i < g->peer_count; i++)
		if (g->peer[i].link && !weir_planted(GATE_NO_REACH))
			m.beat.of[g->peer[i].region].state |= WEIR_GATE_REACH;
	return say(g, k, &m);
}

bool weir__gate_say_lanes(struct weir_gate *g, struct gate_link *k)
{
	uint8_t id[WEIR_GATE_LANES_MAX * 8];
	struct weir_gate_msg m = {.kind = WEIR_GATE_MSG_LANES,
				  .held = {.count = g->lane_count, .id = id}};

	for (uint32_t i = 0; i < g->lane_count; i++)
		memcpy(id + (size_t)i * 8, &g->lane[i]->is.edge, 8);
	return say(g, k, &m);
}

/* ---- how a region does, as seen from here ---- */

enum weir_gate_health weir__gate_health(const struct weir_gate *g, uint32_t region)
{
	const struct gate_region *r = &g->region[region];
	uint64_t silent = g->now - (r->heard_ns ? r->heard_ns : g->start_ns);

	if (region == g->o.here)
		return WEIR_GATE_ALIVE;
	if (silent >= g->o.dead_ns)
		return WEIR_GATE_DEAD;
	if (r->heard_ns == 0)
		return WEIR_GATE_UNKNOWN;
	return silent >= g->o.suspect_ns ? WEIR_GATE_SUSPECT : WEIR_GATE_ALIVE;
}

void weir__gate_region_step(struct weir_gate *g, uint32_t i)
{
	struct gate_region *r = &g->region[i];
	enum weir_gate_health h = weir__gate_health(g, i);
	uint64_t since = r->heard_ns ? r->heard_ns : g->start_ns;

	if (h == WEIR_GATE_ALIVE)
		weir__gate_due(g, since + g->o.suspect_ns);
	else if (h != WEIR_GATE_DEAD)
		weir__gate_due(g, since + g->o.dead_ns);
	if (h == r->noted)
		return;
	r->noted = h;
	weir__gate_note(g, &(struct weir_gate_note){.kind = WEIR_GATE_NOTE_HEALTH,
						    .region = g->o.region[i],
						    .health = h});
}
