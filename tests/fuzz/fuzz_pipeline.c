/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a pipeline file. Either there are messages, each with a place and one line long and
 * sorted, or a graph in which everything holds that the engine relies on.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/buf.h"
#include "engine/core/global.h"
#include "engine/core/regions.h"
#include "engine/edge/pipeline_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *mem_alloc(void *ctx, size_t size, size_t align)
{
	void *p = NULL;

	(void)ctx;
	if (posix_memalign(&p, align < sizeof(void *) ? sizeof(void *) : align, size))
		abort();
	memset(p, 0, size);
	return p;
}

static void mem_free(void *ctx, void *p, size_t size)
{
	(void)ctx;
	(void)size;
	free(p);
}

static const struct weir_mem mem = {.alloc = mem_alloc, .free = mem_free};

/* Any file is there and has two streams; any operator passes records on. */
static int raw_schemas(void *ctx, const char *path, struct weir_region *region,
		       struct weir_schema **ret_schema, const char ***ret_name, uint32_t *ret_count,
		       struct weir_err *err)
{
	(void)ctx;
	(void)path;
	(void)err;
	*ret_count = 2;
	*ret_schema = weir_region_array(region, struct weir_schema, 2);
	*ret_name = weir_region_array(region, const char *, 2);
	for (unsigned i = 0; i < 2; i++) {
		weir_schema_add(&(*ret_schema)[i], WEIR_STR("a"), weir_type_of(WEIR_INT64), i > 0);
		weir_schema_add(&(*ret_schema)[i], WEIR_STR("t"), weir_type_of(WEIR_TIMESTAMP),
				false);
		weir_schema_seal(&(*ret_schema)[i]);
		(*ret_name)[i] = i ? "right" : "left";
	}
	return 0;
}

static int operator_schema(void *ctx, struct weir_step *step, const struct weir_schema *in,
			   struct weir_schema *ret_out, struct weir_err *err)
{
	(void)ctx;
	(void)err;
	weir_assert(step->oper.library && step->oper.symbol && step->oper.options);
	*ret_out = *in;
	return 0;
}

static const struct weir_build_ops ops = {
	.raw_schemas = raw_schemas,
	.operator_schema = operator_schema,
};

static void check_diags(const struct weir_diags *d)
{
	for (uint32_t i = 0; i < d->count; i++) {
		const struct weir_diag *x = &d->diag[i];

		weir_assert(x->pos.line >= 1 && x->pos.column >= 1);
		weir_assert(x->text[0] && !strchr(x->text, '\n'));
		if (i == 0)
			continue;
		weir_assert(x[-1].pos.line < x->pos.line ||
			    (x[-1].pos.line == x->pos.line && x[-1].pos.column <= x->pos.column));
	}
}

/* What was checked once compiles again. */
static struct weir_typeinfo compile(const char *text, const struct weir_schema *in,
				    struct weir_region *region)
{
	struct weir_expr_env env = {.schema = in};
	struct weir_expr_error err;
	struct weir_expr *e;
	struct weir_typeinfo type;

	weir_assert(weir_expr_compile(&env, weir_str_c(text), region, &e, &err) == 0);
	type = weir_expr_type(e);
	weir_expr_fini(e);
	return type;
}

static void check_window(const struct weir_window_spec *w)
{
	weir_assert(w->size_ns > 0 && w->lateness_ns >= 0);
	if (w->kind == WEIR_WINDOW_SESSION)
		return;
	weir_assert(w->slide_ns > 0 && w->offset_ns >= 0 && w->offset_ns < w->slide_ns);
	weir_assert((w->size_ns - 1) / w->slide_ns < 10000);
}

static void check_map(const struct weir_step *s, const struct weir_schema *in,
		      struct weir_region *region)
{
	const struct weir_schema *out = s->port[0].schema;

	weir_assert(s->map.count == out->field_count);
	for (uint32_t i = 0; i < s->map.count; i++) {
		struct weir_typeinfo type = compile(s->map.field[i].text, in, region);

		weir_assert(strcmp(s->map.field[i].name, out->field[i].name) == 0);
		weir_assert(memcmp(&type, &out->field[i].type, sizeof(type)) == 0);
	}
}

static void check_aggregate(const struct weir_step *s, const struct weir_schema *in,
			    struct weir_region *region)
{
	const struct weir_aggregate_spec *a = &s->aggregate;
	const struct weir_schema *out = s->port[0].schema;

	check_window(&a->window);
	weir_assert(a->key_count == s->key_count && a->agg_count > 0);
	if (a->global)
		weir_assert(out == weir_global_schema());
	else
		weir_assert(out->field_count == a->key_count + 2 + a->agg_count);
	for (uint32_t i = 0; i < a->agg_count; i++) {
		const struct weir_agg_spec *g = &a->agg[i];

		weir_assert(g->arg || g->fn == WEIR_AGG_COUNT);
		weir_assert(!g->by == (g->fn != WEIR_AGG_ARG_MIN && g->fn != WEIR_AGG_ARG_MAX));
		weir_assert(!g->arg || compile(g->arg, in, region).type == g->arg_type.type);
		weir_assert(!g->by || compile(g->by, in, region).type == g->by_type.type);
	}
}

static void check_step(const struct weir_step *s, const struct weir_schema *in,
		       struct weir_region *region)
{
	for (uint32_t i = 0; i < s->key_count; i++)
		weir_assert(s->key[i] < in->field_count &&
			    in->field[s->key[i]].type.type != WEIR_LIST);
	switch (s->kind) {
	case WEIR_STEP_SOURCE:
		weir_assert(s->source.stream_count >= 1 && s->source.stream_count <= s->port_count);
		weir_assert(s->timed == (s->source.time_field >= 0));
		break;
	case WEIR_STEP_FILTER:
		weir_assert(compile(s->filter.text, in, region).type == WEIR_BOOL);
		break;
	case WEIR_STEP_MAP:
		check_map(s, in, region);
		break;
	case WEIR_STEP_FLAT_MAP:
		weir_assert(in->field[s->flat_map.field].type.type == WEIR_LIST);
		break;
	case WEIR_STEP_SPLIT:
		weir_assert(s->split.count + 1 <= s->port_count);
		for (uint32_t i = 0; i < s->split.count; i++)
			weir_assert(compile(s->split.text[i], in, region).type == WEIR_BOOL);
		break;
	case WEIR_STEP_AGGREGATE:
		check_aggregate(s, in, region);
		break;
	case WEIR_STEP_TOP:
		check_window(&s->top.window);
		weir_assert(s->top.k >= 1 && compile(s->top.by, in, region).type != WEIR_LIST);
		break;
	default:
		break;
	}
}

static void check_pipeline(const struct weir_pipeline *p, struct weir_region *region)
{
	weir_assert(p->name[0] && p->step_count > 0 && WEIR_IS_POW2(p->ring_bytes));
	weir_assert(p->record_max >= 1024 && 4 * (uint64_t)p->record_max <= p->ring_bytes);
	for (uint32_t i = 0; i < p->step_count; i++) {
		const struct weir_step *s = &p->step[i];
		const struct weir_schema *in = NULL;

		weir_assert(weir_pipeline_find(p, weir_str_c(s->name)) == (int)i);
		weir_assert((s->input_count == 0) == (s->kind == WEIR_STEP_SOURCE));
		for (uint32_t k = 0; k < s->input_count; k++) {
			const struct weir_port_def *from;

			weir_assert(s->input[k].step < i);
			weir_assert(s->input[k].port < p->step[s->input[k].step].port_count);
			from = &p->step[s->input[k].step].port[s->input[k].port];
			weir_assert(from->uses > 0 && from->schema);
			weir_assert(!in || weir_schema_same(in, from->schema));
			in = in ? in : from->schema;
		}
		for (uint32_t k = 0; k < s->port_count; k++) {
			const struct weir_schema *out = s->port[k].schema;

			weir_assert(out->fixed_size == 8u * (out->null_words + out->field_count));
		}
		check_step(s, in, region);
	}
}

/* The other end of an edge is in the region it names. */
static void check_peer(struct weir_pipeline *const *planned, const char *const *name,
		       uint32_t regions, const struct weir_edge_spec *e)
{
	static struct weir_edge_spec there[WEIR_STEPS_MAX];
	uint32_t found = 0;

	for (uint32_t r = 0; r < regions; r++) {
		uint32_t n = weir_regions_edges(planned[r], there, WEIR_STEPS_MAX);

		for (uint32_t i = 0; i < n; i++)
			found += there[i].id == e->id && there[i].out != e->out &&
				 strcmp(name[r], e->out ? e->to : e->from) == 0;
	}
	weir_assert(found == 1);
}

/* As every region of a cluster sees it: all of them can make something of it, or each says what is wrong. */
static void check_regions(const struct weir_pipeline *p, struct weir_region *region)
{
	static const char *const name[] = {"eu", "us", "ap"};
	static struct weir_edge_spec edge[WEIR_STEPS_MAX];
	struct weir_pipeline *planned[WEIR_COUNT_OF(name)] = {NULL};
	uint32_t made = 0;

	for (uint32_t r = 0; r < WEIR_COUNT_OF(name); r++) {
		struct weir_regions_env env = {.cluster = "c",
					       .region = name,
					       .region_count = WEIR_COUNT_OF(name),
					       .here = r};
		struct weir_diags diags;
		int rc;

		weir_diags_init(&diags, region);
		rc = weir_regions_plan(p, &env, region, &planned[r], &diags);
		weir_assert((rc == 0) == (diags.count == 0) && (rc == 0) == (planned[r] != NULL));
		check_diags(&diags);
		if (rc)
			continue;
		weir_assert(!weir_regions_used(planned[r]));
		made++;
	}
	for (uint32_t r = 0; made == WEIR_COUNT_OF(name) && r < made; r++) {
		uint32_t n = weir_regions_edges(planned[r], edge, WEIR_STEPS_MAX);

		for (uint32_t i = 0; i < n; i++)
			check_peer(planned, name, made, &edge[i]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_pipeline *p = NULL;
	struct weir_region region;
	struct weir_diags diags;
	struct weir_err err;
	int rc;

	weir_region_init(&region, &mem);
	rc = weir_pipeline_parse((struct weir_str){(const char *)data, size}, "fuzz", "dir", &ops,
				 &region, &p, &diags, &err);
	weir_assert((rc == 0) == (diags.count == 0) && (rc == 0) == (p != NULL));
	check_diags(&diags);
	if (p) {
		check_pipeline(p, &region);
		check_regions(p, &region);
	}
	weir_region_fini(&region);
	return 0;
}
