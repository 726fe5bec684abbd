/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pipeline of all regions, as a text, and what weir_regions_plan() makes of it for one of them.
 *
 *   src ─▶ stamp ─┬─▶ audit                  each region its own records
 *                 ├═▶ all                    those of all regions, in some regions
 *                 ├═▶ keyed ─▶ keyedout      windows per key, in the region that owns the key
 *                 └═▶ hop ═▶ hopout          from a region over another one to a third
 */
#include "tests/sim/graph.h"

#include <stdlib.h>

#include "base/buf.h"
#include "engine/core/oper.h"
#include "engine/edge/pipeline_file.h"
#include "tests/sim/regions.h"

#define FIELDS "{t: timestamp, id: int64, k: int64, ks: string, amount: int64, note: string}"

static void set_text(struct weir_buf *b, uint32_t set)
{
	const char *sep = "";

	for (uint32_t i = 0; i < SIM_REGIONS_MAX; i++)
		if (set & 1u << i) {
			weir_buf_printf(b, "%sr%u", sep, i);
			sep = ", ";
		}
}

size_t sim_regions_text(const struct sim_options *o, uint32_t parallelism, char *to, size_t cap)
{
	struct weir_buf b = weir_buf_of(to, cap);

	weir_buf_printf(&b, "pipeline: sim\nworkers: 1\nparallelism: %u\n", parallelism);
	weir_buf_printf(&b, "record_max: %u\nring_size: %u\nsteps:\n", o->record_max,
			o->ring_bytes);
	weir_buf_printf(&b,
			"  src:\n    source: {file: {path: input.jsonl}}\n    schema: " FIELDS
			"\n    parallelism: %u\n    event_time: {field: t, lateness: %lluns}\n",
			o->sources, (unsigned long long)o->lateness_ns);
	weir_buf_printf(&b,
			"  stamp:\n    from: src\n    parallelism: %u\n"
			"    operator: {library: sim, name: stamp}\n",
			o->sources);
	weir_buf_printf(&b,
			"  audit:\n    from: stamp\n    parallelism: %u\n"
			"    sink: {file: {path: audit}}\n",
			o->sink_tasks);
	weir_buf_lit(&b, "  all:\n    regions: [");
	set_text(&b, o->all_set);
	weir_buf_printf(&b,
			"]\n    from: {step: stamp, regions: all}\n    parallelism: %u\n"
			"    sink: {file: {path: all}}\n",
			o->sink_tasks);
	weir_buf_printf(&b,
			"  keyed:\n    from: {step: stamp, regions: all, spread: keys}\n"
			"    key_by: [k]\n    window: {tumbling: %lluns}\n"
			"    aggregate: {n: count(), amounts: sum(amount), nonces: sum(nonce)}\n"
			"  keyedout:\n    from: keyed\n    parallelism: %u\n"
			"    sink: {file: {path: keyedout}}\n",
			(unsigned long long)o->window_ns, o->sink_tasks);
	weir_buf_printf(&b,
			"  hop:\n    regions: [r%u]\n    from: {step: stamp, region: r%u}\n"
			"    filter: id >= 0\n"
			"  hopout:\n    regions: [r%u]\n    from: {step: hop, region: r%u}\n"
			"    parallelism: 1\n    sink: {file: {path: hopout}}\n",
			o->hop[1], o->hop[0], o->hop[2], o->hop[1]);
	return b.full ? 0 : b.len;
}

static int operator_schema(void *ctx, struct weir_step *step, const struct weir_schema *in,
			   struct weir_schema *ret_out, struct weir_err *err)
{
	const struct weir_operator *op = sim_operator(step->oper.symbol);

	if (!op)
		return weir_err_set(err, WEIR_E_CONFIG, "no operator `%s`", step->oper.symbol);
	step->oper.handle = (void *)(uintptr_t)op;
	return weir_oper_schema(op, step->oper.options, in, ret_out, ctx, err);
}

static int first_mistake(const struct weir_diags *d, int r, struct weir_err *err)
{
	if (r == WEIR_E_CONFIG && d->count)
		weir_err_set(err, r, "line %u: %s", d->diag[0].pos.line, d->diag[0].text);
	return r;
}

int sim_region_build(struct sim_life *l)
{
	struct weir_build_ops ops = {.operator_schema = operator_schema, .ctx = &l->region};
	const struct sim_regions *w = l->s->region->w;
	struct weir_regions_env env = {.cluster = w->cluster.name,
				       .region = w->name,
				       .region_count = w->count,
				       .here = l->s->region->number};
	struct weir_diags diags;
	struct weir_pipeline *p;
	char *text = sim_alloc(16384);
	size_t n = sim_regions_text(&l->s->opt, l->parallelism, text, 16384);
	int r = weir_pipeline_parse((struct weir_str){text, n}, "sim", "", &ops, &l->region, &p,
				    &diags, &l->err);

	free(text);
	if (r < 0)
		return first_mistake(&diags, r, &l->err);
	weir_diags_init(&diags, &l->region);
	r = weir_regions_plan(p, &env, &l->region, &l->p, &diags);
	if (r < 0)
		return first_mistake(&diags, r, &l->err);
	sim_lanes_new(l);
	return 0;
}
