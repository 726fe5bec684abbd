/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/tasks.h"

#include "base/assert.h"
#include "engine/core/regions.h"

#define TASKS_MAX 16384u
#define RINGS_MAX 65536u

static uint32_t source_parallelism(const struct weir_step *s, uint32_t workers)
{
	return s->source.connector == WEIR_CONN_NEXMARK ? workers : 1;
}

static uint32_t widest_input(const struct weir_step *s, const uint32_t *par)
{
	uint32_t n = 1;

	for (uint32_t i = 0; i < s->input_count; i++)
		n = WEIR_MAX(n, par[s->input[i].step]);
	return n;
}

static uint32_t step_parallelism(const struct weir_pipeline *p, const struct weir_step *s,
				 const uint32_t *par, uint32_t workers)
{
	if (s->keyed && s->key_count == 0)
		return 1; /* one key: one task, whatever was asked for */
	if (s->parallelism)
		return s->parallelism;
	if (s->kind == WEIR_STEP_SINK)
		return s->sink.connector == WEIR_CONN_BLACKHOLE ? widest_input(s, par) : 1;
	if (s->kind == WEIR_STEP_SOURCE && s->source.connector != WEIR_CONN_NEXMARK)
		return source_parallelism(s, workers);
	if (p->parallelism && (s->keyed || s->kind == WEIR_STEP_SOURCE))
		return p->parallelism;
	if (s->keyed)
		return workers;
	if (s->kind == WEIR_STEP_SOURCE)
		return source_parallelism(s, workers);
	return widest_input(s, par);
}

static bool fuses(const struct weir_step *s, uint32_t index, const uint32_t *par)
{
	if (s->kind == WEIR_STEP_SOURCE || s->input_count != 1 || !s->fuse)
		return false;
	if (par[s->input[0].step] != par[index])
		return false;
	return !s->keyed || par[index] == 1;
}

/* A guess that only has to order the steps: parsing and keyed state cost more than passing on. */
static uint32_t step_weight(const struct weir_step *s)
{
	switch (s->kind) {
	case WEIR_STEP_SOURCE:
		return s->source.format == WEIR_FORMAT_RAW ? 4 : 12;
	case WEIR_STEP_AGGREGATE:
	case WEIR_STEP_TOP:
	case WEIR_STEP_OPERATOR:
	case WEIR_STEP_TABLE:
		return 6;
	case WEIR_STEP_SINK:
		return s->sink.connector == WEIR_CONN_BLACKHOLE ? 1 : 4;
	default:
		return 2;
	}
}

static void plan_chains(const struct weir_pipeline *p, struct weir_tasks *t,
			struct weir_region *region)
{
	t->chain = weir_region_array(region, struct weir_chain, p->step_count);
	for (uint32_t i = 0; i < p->step_count; i++) {
		const struct weir_step *s = &p->step[i];
		struct weir_chain *c;

		if (fuses(s, i, t->step_parallelism)) {
			t->step_chain[i] = t->step_chain[s->input[0].step];
		} else {
			t->step_chain[i] = t->chain_count++;
			t->chain[t->step_chain[i]].parallelism = t->step_parallelism[i];
			t->chain[t->step_chain[i]].step =
				weir_region_array(region, uint16_t, p->step_count);
		}
		c = &t->chain[t->step_chain[i]];
		c->step[c->step_count++] = (uint16_t)i;
		c->weight += step_weight(s);
	}
	for (uint32_t i = 0; i < t->chain_count; i++) {
		t->chain[i].first_task = t->task_count;
		t->task_count += t->chain[i].parallelism;
	}
}

static enum weir_spread link_spread(const struct weir_step *to, uint32_t from_par, uint32_t to_par)
{
	if (to->keyed && to_par > 1)
		return WEIR_SPREAD_KEY;
	return from_par == to_par ? WEIR_SPREAD_FORWARD : WEIR_SPREAD_TURN;
}

/* Number of rings, which may be more than ring_count can say. */
static uint64_t plan_links(const struct weir_pipeline *p, struct weir_tasks *t,
			   struct weir_region *region)
{
	uint64_t rings = 0;
	uint32_t cap = 0;

	for (uint32_t i = 0; i < p->step_count; i++)
		cap += p->step[i].input_count;
	t->link = weir_region_array(region, struct weir_link, cap);
	for (uint32_t i = 0; i < p->step_count; i++) {
		const struct weir_step *s = &p->step[i];

		if (t->chain[t->step_chain[i]].step[0] != i)
			continue; /* fused: no ring */
		for (uint32_t k = 0; k < s->input_count; k++) {
			struct weir_link *l = &t->link[t->link_count++];
			uint32_t from = s->input[k].step;
			uint32_t from_par = t->step_parallelism[from];

			l->from_step = (uint16_t)from;
			l->from_port = s->input[k].port;
			l->to_step = (uint16_t)i;
			l->from_chain = t->step_chain[from];
			l->to_chain = t->step_chain[i];
			l->spread = link_spread(s, from_par, t->step_parallelism[i]);
			l->per_task = l->spread == WEIR_SPREAD_FORWARD ? 1 : t->step_parallelism[i];
			l->first_ring = t->ring_count;
			l->ring_count = from_par * l->per_task;
			t->ring_count += l->ring_count;
			rings += l->ring_count;
		}
	}
	return rings;
}

int weir_tasks_plan(const struct weir_pipeline *p, uint32_t workers, struct weir_region *region,
		    struct weir_tasks *ret, struct weir_err *err)
{
	struct weir_tasks t = {0};
	uint64_t rings;

	weir_assert(workers > 0);
	if (weir_regions_used(p))
		return weir_err_set(
			err, WEIR_E_CONFIG,
			"pipeline `%s` is for several regions: it runs with a cluster file, in one "
			"of them (weir run --cluster FILE --region NAME)",
			p->name);
	t.step_chain = weir_region_array(region, uint32_t, p->step_count);
	t.step_parallelism = weir_region_array(region, uint32_t, p->step_count);
	for (uint32_t i = 0; i < p->step_count; i++)
		t.step_parallelism[i] =
			step_parallelism(p, &p->step[i], t.step_parallelism, workers);
	plan_chains(p, &t, region);
	rings = plan_links(p, &t, region);
	if (t.task_count > TASKS_MAX || rings > RINGS_MAX)
		return weir_err_set(
			err, WEIR_E_LIMIT,
			"the pipeline needs %u tasks and %llu rings (at most %u and %u): "
			"lower `parallelism`",
			t.task_count, (unsigned long long)rings, TASKS_MAX, RINGS_MAX);
	t.task_chain = weir_region_array(region, uint32_t, t.task_count);
	for (uint32_t c = 0; c < t.chain_count; c++)
		for (uint32_t k = 0; k < t.chain[c].parallelism; k++)
			t.task_chain[t.chain[c].first_task + k] = c;
	*ret = t;
	return 0;
}

uint32_t weir_tasks_inputs(const struct weir_tasks *t, uint32_t task, uint32_t *ret_ring,
			   uint32_t cap)
{
	uint32_t chain = t->task_chain[task], n = 0;
	uint32_t b = task - t->chain[chain].first_task;

	for (uint32_t i = 0; i < t->link_count; i++) {
		const struct weir_link *l = &t->link[i];

		if (l->to_chain != chain)
			continue;
		if (l->spread == WEIR_SPREAD_FORWARD) {
			if (n < cap)
				ret_ring[n] = l->first_ring + b;
			n++;
			continue;
		}
		for (uint32_t a = 0; a < t->chain[l->from_chain].parallelism; a++) {
			if (n < cap)
				ret_ring[n] = l->first_ring + a * l->per_task + b;
			n++;
		}
	}
	return n;
}

const struct weir_link *weir_tasks_ring_link(const struct weir_tasks *t, uint32_t ring)
{
	for (uint32_t i = 0; i < t->link_count; i++)
		if (ring - t->link[i].first_ring < t->link[i].ring_count)
			return &t->link[i];
	weir_panic(__FILE__, __LINE__, "ring belongs to a link");
}

uint32_t weir_tasks_ring_end(const struct weir_tasks *t, uint32_t ring, int reader)
{
	const struct weir_link *l = weir_tasks_ring_link(t, ring);
	uint32_t a = (ring - l->first_ring) / l->per_task;
	uint32_t b = l->spread == WEIR_SPREAD_FORWARD ? a : (ring - l->first_ring) % l->per_task;

	return reader ? t->chain[l->to_chain].first_task + b
		      : t->chain[l->from_chain].first_task + a;
}

const char *weir_spread_name(unsigned spread)
{
	static const char *const name[WEIR_SPREAD_COUNT] = {"?", "forward", "key", "turn"};

	return spread < WEIR_SPREAD_COUNT ? name[spread] : "?";
}
