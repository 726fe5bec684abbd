/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/trace.h"

#include "tests/sim/sim.h"

static const struct {
	const char *name, *text;
	bool story;
} event_info[] = {
#define SIM_EVENT_X(name_, story_, text_) {.name = #name_, .text = text_, .story = story_},
	SIM_EVENT_LIST(SIM_EVENT_X)
#undef SIM_EVENT_X
};

static void event_text(char *to, size_t cap, enum sim_event e, uint64_t a, uint64_t b, uint64_t c)
{
	if (e == SIM_EV_FAULT) {
		snprintf(to, cap, "fault %s %llu: %s", sim_fault_name((unsigned)a),
			 (unsigned long long)b, sim_fault_text((unsigned)a));
		return;
	}
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(to, cap, event_info[e].text, (unsigned long long)a, (unsigned long long)b,
		 (unsigned long long)c);
#pragma GCC diagnostic pop
}

void sim_trace(struct sim *s, enum sim_event e, uint64_t a, uint64_t b, uint64_t c)
{
	struct {
		uint64_t now, e, a, b, c;
	} ev = {s->now, e, a, b, c};
	struct sim_trace *t = &s->trace;
	char text[200];

	t->events++;
	t->hash = weir_hash128_chain(t->hash, weir_hash128(&ev, sizeof(ev)));
	if (weir_likely(!t->lines && !(t->golden && event_info[e].story)))
		return;
	event_text(text, sizeof(text), e, a, b, c);
	if (t->lines)
		fprintf(t->lines, "%14.6f  %s%-9s %s\n", (double)s->now / 1e9, t->tag ? t->tag : "",
			event_info[e].name, text);
	if (t->golden && event_info[e].story)
		fprintf(t->golden, "%s%s\n", t->tag ? t->tag : "", text);
}
