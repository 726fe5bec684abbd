/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/graph.h"

#include <stdlib.h>

#include "base/buf.h"
#include "engine/core/oper.h"
#include "engine/edge/pipeline_file.h"

#define FIELDS "{t: timestamp, id: int64, k: int64, ks: string, amount: int64, note: string}"

static const char *const keys[] = {"[k]", "[ks]", "[k, ks]"};

static void window(struct weir_buf *b, const struct sim_options *o, bool top)
{
	unsigned long long ns = o->window_ns;

	if (o->window == WEIR_WINDOW_SLIDING)
		weir_buf_printf(b, "    window: {sliding: %lluns, every: %lluns", ns,
				(unsigned long long)o->slide_ns);
	else
		weir_buf_printf(b, "    window: {%s: %lluns",
				o->window == WEIR_WINDOW_SESSION ? "session" : "tumbling", ns);
	if (o->window_late_ns && !top)
		weir_buf_printf(b, ", lateness: %lluns", (unsigned long long)o->window_late_ns);
	weir_buf_lit(b, "}\n");
}

static void sink(struct weir_buf *b, const char *name, const char *from, uint32_t tasks)
{
	weir_buf_printf(b,
			"  %s:\n    from: %s\n    parallelism: %u\n    sink: {file: {path: %s}}\n",
			name, from, tasks, name);
}

size_t sim_graph_text(const struct sim_options *o, uint32_t parallelism, char *to, size_t cap)
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
	sink(&b, "audit", "stamp", o->sink_tasks);
	weir_buf_printf(&b, "  win:\n    from: stamp\n    key_by: %s\n", keys[o->key]);
	window(&b, o, false);
	weir_buf_lit(&b, "    aggregate: {n: count(), amounts: sum(amount), nonces: sum(nonce),"
			 " newest: \"arg_max(nonce, id)\", ids: distinct(id), least: min(id)}\n");
	sink(&b, "wins", "win", o->sink_tasks);
	sink(&b, "lates", "win.late", 1);
	if (o->sums) {
		weir_buf_printf(&b,
				"  sums:\n    from: stamp\n    key_by: %s\n"
				"    operator: {library: sim, name: sums}\n",
				keys[o->key]);
		sink(&b, "sumout", "sums", 1);
	}
	if (o->marks) {
		weir_buf_printf(&b,
				"  marks:\n    from: stamp\n    key_by: %s\n"
				"    operator: {library: sim, name: marks}\n",
				keys[o->key]);
		sink(&b, "marked", "marks", 1);
	}
	if (o->top) {
		weir_buf_printf(&b, "  best:\n    from: stamp\n    key_by: %s\n", keys[o->key]);
		window(&b, o, true);
		weir_buf_lit(&b, "    top: {k: 2, by: id}\n");
		sink(&b, "bests", "best", o->sink_tasks);
	}
	if (o->split) {
		weir_buf_lit(&b, "  parts:\n    from: stamp\n    split: {neg: amount < 0}\n"
				 "  again:\n    from: [parts.neg, parts.rest]\n    union: true\n");
		sink(&b, "joined", "again", 1);
	}
	return b.full ? 0 : b.len;
}

/* The operators live in this program: nothing is loaded. */
static int operator_schema(void *ctx, struct weir_step *step, const struct weir_schema *in,
			   struct weir_schema *ret_out, struct weir_err *err)
{
	const struct weir_operator *op = sim_operator(step->oper.symbol);

	if (!op)
		return weir_err_set(err, WEIR_E_CONFIG, "no operator `%s`", step->oper.symbol);
	step->oper.handle = (void *)(uintptr_t)op;
	return weir_oper_schema(op, step->oper.options, in, ret_out, ctx, err);
}

int sim_graph_build(const struct sim_options *o, uint32_t parallelism, struct weir_region *region,
		    struct weir_pipeline **ret, struct weir_err *err)
{
	struct weir_build_ops ops = {.operator_schema = operator_schema, .ctx = region};
	struct weir_diags diags;
	char *text = sim_alloc(16384);
	size_t n = sim_graph_text(o, parallelism, text, 16384);
	int r = weir_pipeline_parse((struct weir_str){text, n}, "sim", "", &ops, region, ret,
				    &diags, err);

	if (r == WEIR_E_CONFIG && diags.count)
		weir_err_set(err, r, "line %u: %s", diags.diag[0].pos.line, diags.diag[0].text);
	free(text);
	return r;
}
