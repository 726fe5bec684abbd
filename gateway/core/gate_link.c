/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "gateway/core/gate_int.h"

#define CONTROLS_PER_S 64u /* of one link, beside what heartbeats need */
#define OPENS_PER_S (4 * WEIR_GATE_LANES_MAX)

static const char *region_of(const struct weir_gate *g, const struct gate_peer *p)
{
	return g->o.region[p->region];
}

static const char *name_of(const struct weir_gate *g, const struct gate_peer *p)
{
	return g->o.gateway_name[p->region][p->gateway];
}

/* Is "a/b" the smaller name of the two? */
static bool name_before(const char *region_a, const char *gateway_a, const char *region_b,
			const char *gateway_b)
{
	char a[WEIR_REGION_MAX + WEIR_NAME_MAX + 3], b[sizeof(a)];

	snprintf(a, sizeof(a), "%s/%s", region_a, gateway_a);
	snprintf(b, sizeof(b), "%s/%s", region_b, gateway_b);
	return strcmp(a, b) < 0;
}

void weir__gate_links_init(struct weir_gate *g)
{
	const struct weir_mem *m = g->o.mem;
	uint32_t n = 0;

	for (uint32_t r = 0; r < g->o.region_count; r++)
		n += r == g->o.here ? 0 : g->o.gateway_count[r];
	g->peer_count = n;
	g->link_count = n * GATE_LINKS_PER_PEER;
	if (n == 0)
		return;
	g->peer = (struct gate_peer *)m->alloc(m->ctx, n * sizeof(*g->peer),
					       _Alignof(struct gate_peer));
	g->link = (struct gate_link *)m->alloc(m->ctx, g->link_count * sizeof(*g->link),
					       _Alignof(struct gate_link));
	n = 0;
	for (uint32_t r = 0; r < g->o.region_count; r++)
		for (uint32_t i = 0; r != g->o.here && i < g->o.gateway_count[r]; i++) {
			struct gate_peer *p = &g->peer[n++];

			p->region = r;
			p->gateway = i;
			p->backoff_ns = GATE_BACKOFF_MIN;
			p->first = name_before(g->o.region[g->o.here],
					       g->o.gateway_name[g->o.here][g->o.gateway],
					       region_of(g, p), name_of(g, p));
		}
}

static void announced_free(struct weir_gate *g, struct gate_link *k)
{
	if (k->lane_count)
		g->o.mem->free(g->o.mem->ctx, k->lane, k->lane_count * sizeof(*k->lane));
	k->lane = NULL;
	k->lane_count = 0;
}

void weir__gate_links_fini(struct weir_gate *g)
{
	const struct weir_mem *m = g->o.mem;

	for (uint32_t i = 0; i < g->link_count; i++)
		announced_free(g, &g->link[i]);
	if (g->peer_count == 0)
		return;
	m->free(m->ctx, g->link, g->link_count * sizeof(*g->link));
	m->free(m->ctx, g->peer, g->peer_count * sizeof(*g->peer));
}

struct gate_link *weir__gate_link_find(struct weir_gate *g, weir_link_id id)
{
	for (uint32_t i = 0; i < g->link_count; i++)
		if (g->link[i].state != GATE_LINK_FREE && g->link[i].id == id)
			return &g->link[i];
	return NULL;
}

/* NULL: this peer has enough. */
static struct gate_link *slot_take(struct weir_gate *g, struct gate_peer *p, weir_link_id id,
				   enum gate_link_state state, bool ours)
{
	struct gate_link *k = &g->link[(size_t)(p - g->peer) * GATE_LINKS_PER_PEER];

	for (uint32_t i = 0; i < GATE_LINKS_PER_PEER; i++, k++)
		if (k->state == GATE_LINK_FREE) {
			*k = (struct gate_link){.id = id,
						.state = state,
						.ours = ours,
						.peer = p,
						.up_ns = g->now,
						.heard_ns = g->now};
			return k;
		}
	return NULL;
}

uint64_t weir__gate_random(struct weir_gate *g, uint64_t around)
{
	return around - around / 4 + weir_prng_below(&g->prng, around / 2 + 1);
}

static void link_error(struct weir_gate *g, const struct gate_link *k, const char *why)
{
	struct gate_region *r = &g->region[k->peer->region];

	snprintf(r->last_error, sizeof(r->last_error), "%s", why);
}

/* The link is no more, whoever ended it. */
static void link_lost(struct weir_gate *g, struct gate_link *k, const char *why)
{
	struct gate_peer *p = k->peer;
	bool was_up = k->state == GATE_LINK_UP;

	if (was_up) {
		p->link = NULL;
		g->region[p->region].link_downs++;
		g->reach_changed = true;
		weir__gate_lanes_link_down(g, k, why);
		weir__gate_relays_link_down(g, k, why);
		if (g->now - k->up_ns >= GATE_STEADY)
			p->backoff_ns = GATE_BACKOFF_MIN;
	} else if (k->ours) {
		p->dialling = false;
	}
	announced_free(g, k);
	k->state = GATE_LINK_FREE;
	g->dirty = true;
	p->dial_ns = g->now + weir__gate_random(g, p->backoff_ns);
	p->backoff_ns = WEIR_MIN(2 * p->backoff_ns, GATE_BACKOFF_MAX);
	weir__gate_note(g, &(struct weir_gate_note){.kind = WEIR_GATE_NOTE_LINK_DOWN,
						    .region = region_of(g, p),
						    .gateway = name_of(g, p),
						    .text = why,
						    .was_up = was_up});
}

void weir__gate_link_close(struct weir_gate *g, struct gate_link *k, const char *why)
{
	weir__gate_request(g, GATE_CLOSE, k->id, why);
	link_lost(g, k, why);
}

/* The peer does what it must not. */
static void link_refuse(struct weir_gate *g, struct gate_link *k, const char *why)
{
	weir_probe("gate.link_refused");
	k->peer->backoff_ns = GATE_BACKOFF_MAX;
	weir__gate_refused(g, k->peer, why);
	/* Not GATE_STEADY: it would be dialled again at once. */
	k->up_ns = g->now;
	weir__gate_link_close(g, k, why);
}

bool weir__gate_link_rate(struct weir_gate *g, struct gate_link *k, bool open)
{
	uint64_t controls = CONTROLS_PER_S + 16000 * GATE_MS / g->o.heartbeat_ns;

	if (g->now - k->rate_ns >= 1000 * GATE_MS) {
		k->rate_ns = g->now;
		k->messages = k->opens = 0;
	}
	if (open ? ++k->opens <= OPENS_PER_S : ++k->messages <= controls)
		return true;
	link_refuse(g, k, open ? "it opens streams too fast" : "its messages come too fast");
	return false;
}

/* ---- up, hello: of two links one ---- */

static void link_up(struct weir_gate *g, const struct weir_link_event *e)
{
	struct gate_link *k = weir__gate_link_find(g, e->link);
	struct gate_peer *p = NULL;

	for (uint32_t i = 0; i < g->peer_count && !p; i++)
		if (!strcmp(region_of(g, &g->peer[i]), e->region) &&
		    !strcmp(name_of(g, &g->peer[i]), e->gateway))
			p = &g->peer[i];
	if (k && (k->state != GATE_LINK_DIALLING || p != k->peer)) {
		link_refuse(g, k, "another gateway answers there than the cluster file says");
		return;
	}
	if (!k && (e->ours || g->stopping)) /* closed meanwhile */
		return weir__gate_request(g, GATE_CLOSE, e->link, "no longer wanted");
	if (!p)
		return weir__gate_request(g, GATE_CLOSE, e->link,
					  "no gateway of another region in this cluster file");
	if (!k)
		k = slot_take(g, p, e->link, GATE_LINK_GREETING, false);
	if (!k) {
		weir_probe("gate.link_too_many");
		weir__gate_refused(g, p, "it has too many links");
		return weir__gate_request(g, GATE_CLOSE, e->link, "too many links");
	}
	k->state = GATE_LINK_GREETING;
	k->up_ns = k->heard_ns = g->now;
	k->hello_due = true;
	g->dirty = true;
}

/* Of two links with the same gateway: does the one that is there stay? */
static bool old_stays(const struct weir_gate *g, const struct gate_link *old,
		      const struct gate_link *k)
{
	if (old->incarnation != k->incarnation || old->ours == k->ours)
		return false; /* who dials again has lost the old one */
	if (g->now - old->heard_ns > 2 * g->o.heartbeat_ns)
		return false;
	return old->ours == k->peer->first;
}

static void link_establish(struct weir_gate *g, struct gate_link *k)
{
	struct gate_peer *p = k->peer;

	if (p->link) {
		if (old_stays(g, p->link, k)) {
			weir_probe("gate.link_old_stays");
			weir__gate_link_close(g, k, "another link between the two stays");
			return;
		}
		weir_probe("gate.link_replaced");
		weir__gate_link_close(g, p->link, "another link between the two takes its place");
	}
	if (k->ours)
		p->dialling = false;
	k->state = GATE_LINK_UP;
	k->up_ns = g->now;
	k->beat_ns = 0;
	k->lanes_due = true;
	p->link = k;
	g->region[p->region].link_ups++;
	g->reach_changed = true;
	g->dirty = true;
	weir__gate_note(g, &(struct weir_gate_note){.kind = WEIR_GATE_NOTE_LINK_UP,
						    .region = region_of(g, p),
						    .gateway = name_of(g, p)});
	/* What we are dialling would not stay beside this one. */
	for (uint32_t i = 0; p->dialling && !p->first && i < g->link_count; i++)
		if (g->link[i].peer == p && g->link[i].state == GATE_LINK_DIALLING) {
			weir_probe("gate.link_dial_dropped");
			weir__gate_link_close(g, &g->link[i], "the other side has dialled");
		}
}

static void on_hello(struct weir_gate *g, struct gate_link *k, const struct weir_gate_hello *h)
{
	char why[GATE_WHY];

	if (k->state != GATE_LINK_GREETING)
		return link_refuse(g, k, "a hello on a link that is open");
	if (h->version != WEIR_GATE_VERSION) {
		snprintf(why, sizeof(why), "it speaks version %u of the protocol, this one %u",
			 h->version, WEIR_GATE_VERSION);
		return link_refuse(g, k, why);
	}
	if (!weir_str_is(h->cluster, g->o.cluster)) {
		snprintf(why, sizeof(why), "it belongs to cluster `%.*s`, this one to `%s`",
			 (int)WEIR_MIN(h->cluster.n, 40), h->cluster.p, g->o.cluster);
		return link_refuse(g, k, why);
	}
	if (!weir_str_is(h->region, region_of(g, k->peer)) ||
	    !weir_str_is(h->gateway, name_of(g, k->peer)))
		return link_refuse(g, k, "its hello names another gateway than its certificate");
	k->incarnation = h->incarnation;
	link_establish(g, k);
}

/* ---- what peers say ---- */

static void on_beat(struct weir_gate *g, struct gate_link *k, const struct weir_gate_beat *b)
{
	k->their_time = b->time;
	k->their_time_ns = g->now;
	for (uint32_t i = 0; i < b->count; i++) {
		int r = weir__gate_region_find(g, b->of[i].region);

		/* A region that only its cluster file knows is none of ours. */
		if (r < 0)
			continue;
		if ((k->view[r] ^ b->of[i].state) & WEIR_GATE_REACH)
			g->dirty = true;
		k->view[r] = b->of[i].state;
	}
	if (b->echo >= k->up_ns && b->echo <= g->now && b->held <= g->now - b->echo) {
		uint64_t rtt = WEIR_MAX(g->now - b->echo - b->held, 1);

		k->rtt_ns = k->rtt_ns ? k->rtt_ns - k->rtt_ns / 8 + rtt / 8 : rtt;
	}
}

static struct gate_announced *announced_find(const struct gate_link *k, uint64_t edge)
{
	uint32_t low = 0, high = k->lane_count;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (k->lane[mid].edge == edge)
			return &k->lane[mid];
		if (k->lane[mid].edge < edge)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static void on_lanes(struct weir_gate *g, struct gate_link *k, const struct weir_gate_held *h)
{
	const struct weir_mem *m = g->o.mem;
	struct gate_announced *now = NULL;

	if (h->count)
		now = (struct gate_announced *)m->alloc(m->ctx, h->count * sizeof(*now),
							_Alignof(struct gate_announced));
	for (uint32_t i = 0; i < h->count; i++) {
		uint64_t edge = weir_gate_held_id(h, i);
		const struct gate_announced *old = announced_find(k, edge);

		now[i] = (struct gate_announced){.edge = edge, .since = old ? old->since : g->now};
	}
	announced_free(g, k);
	k->lane = now;
	k->lane_count = h->count;
	g->dirty = true;
}

static void on_control(struct weir_gate *g, struct gate_link *k, const struct weir_link_event *e)
{
	struct weir_gate_msg m;
	int r;

	if (k->state == GATE_LINK_DIALLING)
		return link_refuse(g, k, "a message before the link was up");
	if (!weir__gate_link_rate(g, k, false))
		return;
	m.kind = (enum weir_gate_msg_kind)0;
	r = weir_gate_msg_read(e->data, e->n, &m);
	if (r < 0 || (k->state == GATE_LINK_GREETING && m.kind != WEIR_GATE_MSG_HELLO))
		return link_refuse(g, k, "its messages make no sense");
	k->heard_ns = g->now;
	g->region[k->peer->region].heard_ns = g->now;
	if (r > 0)
		return;
	if (m.kind == WEIR_GATE_MSG_HELLO)
		on_hello(g, k, &m.hello);
	else if (m.kind == WEIR_GATE_MSG_BEAT)
		on_beat(g, k, &m.beat);
	else
		on_lanes(g, k, &m.held);
}

void weir__gate_link_event(struct weir_gate *g, const struct weir_link_event *e)
{
	struct gate_link *k;

	if (e->kind == WEIR_LINK_UP)
		return link_up(g, e);
	k = weir__gate_link_find(g, e->link);
	if (!k)
		return; /* closed meanwhile */
	if (e->kind == WEIR_LINK_CONTROL)
		return on_control(g, k, e);
	link_error(g, k, e->text);
	link_lost(g, k, e->text);
}

/* ---- time ---- */

void weir__gate_links_announce(struct weir_gate *g)
{
	for (uint32_t i = 0; i < g->link_count; i++)
		g->link[i].lanes_due = true;
	g->dirty = true;
}

static void link_step(struct weir_gate *g, struct gate_link *k, bool reach)
{
	/* Between two messages of a kind on one link, so that a storm of changes is one message. */
	uint64_t gap = g->o.heartbeat_ns / 4;

	if (weir_planted(GATE_PATIENT))
		k->heard_ns = g->now;
	if (g->now - k->heard_ns >= g->o.dead_ns) {
		const char *why = k->state == GATE_LINK_DIALLING ? "no answer" : "silent";

		weir_probe("gate.link_silent");
		link_error(g, k, why);
		return weir__gate_link_close(g, k, why);
	}
	weir__gate_due(g, k->heard_ns + g->o.dead_ns);
	if (k->state == GATE_LINK_DIALLING)
		return;
	if (k->hello_due)
		k->hello_due = !weir__gate_say_hello(g, k);
	if (k->hello_due || k->state != GATE_LINK_UP)
		return;
	if (k->lanes_ns && weir_planted(GATE_NO_ANNOUNCE))
		k->lanes_due = false;
	if (k->lanes_due && g->now >= k->lanes_ns + gap && weir__gate_say_lanes(g, k)) {
		k->lanes_due = false;
		k->lanes_ns = g->now;
	}
	if (k->lanes_due && g->now < k->lanes_ns + gap)
		weir__gate_due(g, k->lanes_ns + gap);
	if (reach)
		k->beat_ns = WEIR_MIN(k->beat_ns, k->beat_sent_ns + gap);
	if (g->now >= k->beat_ns && weir__gate_say_beat(g, k)) {
		k->beat_sent_ns = g->now;
		k->beat_ns = g->now + g->o.heartbeat_ns;
	}
	if (g->now < k->beat_ns)
		weir__gate_due(g, k->beat_ns);
}

static void peer_step(struct weir_gate *g, struct gate_peer *p)
{
	struct gate_link *k;
	weir_link_id id;

	if (p->link || p->dialling || g->stopping)
		return;
	if (p->dial_ns ==
	    0) /* the first one: the one whose link would not stay lets the other begin */
		p->dial_ns = g->now + (p->first ? 0 : GATE_BACKOFF_MIN);
	if (g->now < p->dial_ns)
		return weir__gate_due(g, p->dial_ns);
	id = g->o.link->dial(g->o.link->ctx, p->region, p->gateway);
	k = slot_take(g, p, id, GATE_LINK_DIALLING, true);
	if (!k) { /* links of its own that say nothing: they end in a moment */
		weir__gate_request(g, GATE_CLOSE, id, "too many links");
		p->dial_ns = g->now + GATE_BACKOFF_MAX;
		return weir__gate_due(g, p->dial_ns);
	}
	p->dialling = true;
	weir__gate_due(g, g->now + g->o.dead_ns);
}

void weir__gate_links_step(struct weir_gate *g)
{
	bool reach = g->reach_changed;

	g->reach_changed = false;
	for (uint32_t i = 0; i < g->o.region_count; i++)
		if (i != g->o.here)
			weir__gate_region_step(g, i);
	for (uint32_t i = 0; i < g->link_count; i++)
		if (g->link[i].state != GATE_LINK_FREE)
			link_step(g, &g->link[i], reach);
	for (uint32_t i = 0; i < g->peer_count; i++)
		peer_step(g, &g->peer[i]);
}

struct gate_link *weir__gate_link_to(struct weir_gate *g, uint32_t region, uint64_t edge,
				     uint64_t *ret_since)
{
	struct gate_link *best = NULL;

	for (uint32_t i = 0; i < g->peer_count; i++) {
		struct gate_link *k = g->peer[i].link;
		const struct gate_announced *a;

		if (g->peer[i].region != region || !k)
			continue;
		a = announced_find(k, edge);
		if (a && (!best || a->since > *ret_since)) {
			best = k;
			*ret_since = a->since;
		}
	}
	return best;
}
