/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/edge/ip_neigh.h"

static struct weir_neigh *look_up(struct weir_neigh_table *t, const struct weir_ip *ip)
{
	if (t->of[t->last].used && weir_ip_same(&t->of[t->last].ip, ip))
		return &t->of[t->last];
	for (uint32_t i = 0; i < WEIR_NEIGH_MAX; i++) {
		if (t->of[i].used && weir_ip_same(&t->of[i].ip, ip)) {
			t->last = i;
			return &t->of[i];
		}
	}
	return NULL;
}

/* A free entry, or the one touched longest ago. */
static struct weir_neigh *oldest(struct weir_neigh_table *t)
{
	struct weir_neigh *e = &t->of[0];

	for (uint32_t i = 0; i < WEIR_NEIGH_MAX; i++) {
		if (!t->of[i].used)
			return &t->of[i];
		if (t->of[i].touched_ns < e->touched_ns)
			e = &t->of[i];
	}
	return e;
}

bool weir_neigh_find(struct weir_neigh_table *t, const struct weir_ip *ip, uint64_t now_ns,
		     struct weir_mac *ret, bool *ret_ask)
{
	struct weir_neigh *e = look_up(t, ip);
	uint64_t pause;

	if (!e) {
		e = oldest(t);
		*e = (struct weir_neigh){.ip = *ip, .used = true};
	}
	e->touched_ns = now_ns;
	if (e->known && now_ns - e->heard_ns >= WEIR_NEIGH_KNOWN_NS)
		e->known = false;
	pause = e->asks < WEIR_NEIGH_QUICK_ASKS ? WEIR_NEIGH_QUICK_NS : WEIR_NEIGH_SLOW_NS;
	*ret_ask = (!e->known || now_ns - e->heard_ns >= WEIR_NEIGH_FRESH_NS) &&
		   (e->asks == 0 || now_ns - e->asked_ns >= pause);
	if (*ret_ask) {
		e->asks++;
		e->asked_ns = now_ns;
	}
	*ret = e->mac;
	return e->known;
}

void weir_neigh_learn(struct weir_neigh_table *t, const struct weir_ip *ip,
		      const struct weir_mac *mac, bool make, uint64_t now_ns)
{
	struct weir_neigh *e = look_up(t, ip);

	if (!e && make) {
		e = oldest(t);
		if (e->used && now_ns - e->touched_ns < WEIR_NEIGH_KNOWN_NS)
			return;
		*e = (struct weir_neigh){.ip = *ip, .used = true, .touched_ns = now_ns};
	}
	if (!e)
		return;
	e->mac = *mac;
	e->known = true;
	e->asks = 0;
	e->heard_ns = now_ns;
}
