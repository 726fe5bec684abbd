/* SPDX-License-Identifier: Apache-2.0 */
/* The part of `weir explain` that says what a pipeline promises, and what each end of it rests on. */
#include "engine/cli/guarantee.h"

#include <stdio.h>

#include "engine/edge/sink.h"

static const struct {
	enum weir_connector connector;
	enum weir_guarantee best;
	const char *rests_on;
} source_rests[] = {
	{WEIR_CONN_FILE, WEIR_GUARANTEE_EXACTLY_ONCE,
	 "files are read again from the committed place"},
	{WEIR_CONN_MEMORY, WEIR_GUARANTEE_EXACTLY_ONCE,
	 "the file is read again from the committed place"},
	{WEIR_CONN_NEXMARK, WEIR_GUARANTEE_EXACTLY_ONCE,
	 "events are made again from the committed number"},
	{WEIR_CONN_HTTP, WEIR_GUARANTEE_EXACTLY_ONCE,
	 "answered when durable; a client that repeats its Weir-Id is taken once"},
	{WEIR_CONN_EDGE, WEIR_GUARANTEE_EXACTLY_ONCE,
	 "the other region goes on from the committed place, and keeps what is not durable here"},
	{WEIR_CONN_TCP, WEIR_GUARANTEE_NONE,
	 "nobody sends again what was read and not committed before a crash (`ack: true` would)"},
	{WEIR_CONN_STDIO, WEIR_GUARANTEE_NONE,
	 "nobody sends again what was read and not committed before a crash"},
};

static void source_of(const struct weir_source_spec *s, enum weir_guarantee *ret_best,
		      const char **ret_text)
{
	*ret_best = WEIR_GUARANTEE_NONE;
	*ret_text = "";
	if (s->connector == WEIR_CONN_TCP && s->ack) {
		*ret_best = WEIR_GUARANTEE_EXACTLY_ONCE;
		*ret_text = "producers go on from the place that is durable";
		return;
	}
	for (size_t i = 0; i < WEIR_COUNT_OF(source_rests); i++) {
		if (source_rests[i].connector == s->connector) {
			*ret_best = source_rests[i].best;
			*ret_text = source_rests[i].rests_on;
		}
	}
}

bool weir_guarantee_of(const struct weir_pipeline *p, const struct weir_step *s,
		       enum weir_guarantee *ret, const char **ret_text)
{
	enum weir_guarantee best = WEIR_GUARANTEE_NONE;
	const struct weir_sink_ops *ops;

	if (s->kind == WEIR_STEP_SOURCE) {
		source_of(&s->source, &best, ret_text);
	} else if (s->kind == WEIR_STEP_SINK) {
		ops = weir_sink_ops_of(s->sink.connector, p->state.guarantee);
		best = ops ? ops->best : WEIR_GUARANTEE_NONE;
		*ret_text = ops ? ops->rests_on : "";
	} else {
		return false;
	}
	if (p->state.guarantee == WEIR_GUARANTEE_NONE)
		*ret_text = "no state is kept: a crash loses what was not written out";
	*ret = WEIR_MIN(best, p->state.guarantee);
	return true;
}

void weir_guarantee_print(const struct weir_pipeline *p)
{
	printf("\nguarantee: %s", weir_guarantee_name(p->state.guarantee));
	if (p->state.guarantee != WEIR_GUARANTEE_NONE)
		printf(", an epoch every %.0f ms, state in %s", (double)p->state.epoch_ns / 1e6,
		       p->state.dir);
	putchar('\n');
	for (uint32_t i = 0; i < p->step_count; i++) {
		enum weir_guarantee g;
		const char *text;

		if (weir_guarantee_of(p, &p->step[i], &g, &text))
			printf("  %-20s %s: %s%s%s\n", p->step[i].name,
			       weir_step_kind_name(p->step[i].kind), weir_guarantee_name(g),
			       *text ? ": " : "", text);
	}
}
