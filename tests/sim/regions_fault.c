/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to links, gates and regions by itself. */
#include "tests/sim/regions_net.h"

#define MS ((uint64_t)WEIR_NS_PER_MS)
#define LOOK_NS (10 * MS)

static uint64_t span(struct sim_regions *w, enum sim_fault_class c, uint64_t most_ms)
{
	/* Short ones more often; some last until others lose patience. */
	uint64_t bits = 3 + sim_fault_pick(w->s, c, 10);

	return w->now + (1 + sim_fault_pick(w->s, c, WEIR_MIN(UINT64_C(1) << bits, most_ms))) * MS;
}

static void until(uint64_t *at, uint64_t t)
{
	*at = WEIR_MAX(*at, t);
}

/* Two different regions. */
static void pair(struct sim_regions *w, enum sim_fault_class c, uint32_t *a, uint32_t *b)
{
	*a = (uint32_t)sim_fault_pick(w->s, c, w->count);
	*b = (*a + 1 + (uint32_t)sim_fault_pick(w->s, c, w->count - 1)) % w->count;
}

static void isle(struct sim_regions *w, uint32_t a, uint64_t t)
{
	for (uint32_t i = 0; i < w->count; i++) {
		until(&w->net->cut_until[a][i], t);
		until(&w->net->cut_until[i][a], t);
	}
}

static void cuts(struct sim_regions *w, uint32_t rate)
{
	struct sim_net *n = w->net;
	uint32_t a, b;
	uint64_t t;

	if (sim_fault(w->s, SIM_LINK_CUT, rate)) {
		pair(w, SIM_LINK_CUT, &a, &b);
		t = span(w, SIM_LINK_CUT, 6000);
		until(&n->cut_until[a][b], t);
		until(&n->cut_until[b][a], t);
	}
	if (sim_fault(w->s, SIM_LINK_ONE_WAY, rate)) {
		pair(w, SIM_LINK_ONE_WAY, &a, &b);
		until(&n->cut_until[a][b], span(w, SIM_LINK_ONE_WAY, 6000));
	}
	if (sim_fault(w->s, SIM_LINK_ISLE, rate / 2)) {
		pair(w, SIM_LINK_ISLE, &a, &b);
		isle(w, a, span(w, SIM_LINK_ISLE, 6000));
	}
	if (sim_fault(w->s, SIM_LINK_SWIZZLE, rate / 4))
		for (uint32_t i = 0; i < w->count; i++)
			if (sim_fault_pick(w->s, SIM_LINK_SWIZZLE, 2))
				isle(w, i, span(w, SIM_LINK_SWIZZLE, 3000));
	if (sim_fault(w->s, SIM_LINK_CLOG, rate)) {
		pair(w, SIM_LINK_CLOG, &a, &b);
		until(&n->clog_until[a][b], span(w, SIM_LINK_CLOG, 2000));
	}
}

static void gates(struct sim_regions *w, uint32_t rate)
{
	for (uint32_t i = 0; i < w->count; i++)
		for (uint32_t k = 0; k < w->gates; k++) {
			struct sim_gate *g = w->region[i].gate[k];

			if (sim_fault(w->s, SIM_GATE_KILL, rate / 2))
				sim_gate_kill(w, g);
			if (sim_fault(w->s, SIM_GATE_SLOW, rate / 2))
				g->slow_until_ns = span(w, SIM_GATE_SLOW, 4000);
		}
}

void sim_net_faults(struct sim_regions *w)
{
	uint32_t rate = w->s->opt.link_rate * 3;

	if (w->now < w->net->next_fault || w->s->calm)
		return;
	w->net->next_fault = w->now + LOOK_NS;
	cuts(w, rate);
	gates(w, rate);
	if (w->net->links && sim_fault(w->s, SIM_LINK_BREAK, rate * 2)) {
		/* One of the newest: most of the others are over. */
		uint32_t back = (uint32_t)sim_fault_pick(
			w->s, SIM_LINK_BREAK, WEIR_MIN(w->net->links, 2 * w->count * w->count));

		sim_net_break(w, w->net->links - back, "connection lost");
	}
	if (w->net->links && sim_fault(w->s, SIM_LINK_SILENT, rate)) {
		uint32_t back = (uint32_t)sim_fault_pick(
			w->s, SIM_LINK_SILENT, WEIR_MIN(w->net->links, 2 * w->count * w->count));

		sim_net_break(w, w->net->links - back, NULL);
	}
	for (uint32_t i = 0; i < w->count; i++)
		if (sim_fault(w->s, SIM_REGION_SLOW, rate / 4))
			w->region[i].slow_until_ns = span(w, SIM_REGION_SLOW, 3000);
}

void sim_net_calm(struct sim_regions *w)
{
	/* Cuts end by themselves: else packets that wait would come behind those that were sent after them. */
	memset(w->net->clog_until, 0, sizeof(w->net->clog_until));
	for (uint32_t i = 0; i < w->count; i++) {
		w->region[i].slow_until_ns = 0;
		for (uint32_t k = 0; k < w->gates; k++)
			w->region[i].gate[k]->slow_until_ns = 0;
	}
}
