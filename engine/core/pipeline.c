/* SPDX-License-Identifier: Apache-2.0 */
/* The top level of a pipeline file, and the order in which it is checked. */
#include "engine/core/pipeline.h"

#include "base/buf.h"
#include "base/num.h"
#include "engine/core/pipeline_int.h"

#define RING_BYTES_DEFAULT (UINT64_C(1) << 20)
#define RING_BYTES_MIN (UINT64_C(1) << 12)
#define RING_BYTES_MAX (UINT64_C(1) << 34)
#define RECORD_BYTES_DEFAULT (UINT64_C(64) << 10)
#define RECORD_BYTES_MIN UINT64_C(1024)
#define RECORD_BYTES_MAX (UINT64_C(256) << 20)
#define RING_RECORDS 4 /* a ring holds at least so many of the largest records */
#define WORKERS_MAX 1024

const char *weir_step_kind_name(unsigned kind)
{
	static const char *const name[WEIR_STEP_KIND_COUNT] = {
		[WEIR_STEP_SOURCE] = "source",	  [WEIR_STEP_FILTER] = "filter",
		[WEIR_STEP_MAP] = "map",	  [WEIR_STEP_FLAT_MAP] = "flat_map",
		[WEIR_STEP_UNION] = "union",	  [WEIR_STEP_SPLIT] = "split",
		[WEIR_STEP_KEY_BY] = "key_by",	  [WEIR_STEP_AGGREGATE] = "aggregate",
		[WEIR_STEP_TOP] = "top",	  [WEIR_STEP_OPERATOR] = "operator",
		[WEIR_STEP_SINK] = "sink",	  [WEIR_STEP_KEYS] = "keys",
		[WEIR_STEP_GLOBAL_MARK] = "mark", [WEIR_STEP_GLOBAL_MERGE] = "merge",
		[WEIR_STEP_TABLE] = "table",	  [WEIR_STEP_TABLE_OPS] = "table_ops",
	};

	return kind < WEIR_STEP_KIND_COUNT && name[kind] ? name[kind] : "unknown";
}

const char *weir_pipeline_instance(const struct weir_pipeline *p)
{
	return p->instance[0] ? p->instance : p->name;
}

int weir_pipeline_find(const struct weir_pipeline *p, struct weir_str name)
{
	for (uint32_t i = 0; i < p->step_count; i++) {
		if (weir_str_is(name, p->step[i].name))
			return (int)i;
	}
	return -1;
}

/* ---- settings ---- */

struct settings {
	uint32_t workers, parallelism;
	uint64_t ring_bytes, record_bytes;
};

static const struct weir_opt top_opt[] = {
	{.key = "pipeline", .required = true},
	{.key = "steps", .required = true},
	WEIR_OPTION("workers", WEIR_OPT_U32, struct settings, workers, .min = 1,
		    .max = WORKERS_MAX),
	WEIR_OPTION("parallelism", WEIR_OPT_U32, struct settings, parallelism, .min = 1,
		    .max = WEIR_PARALLELISM_MAX),
	WEIR_OPTION("ring_size", WEIR_OPT_SIZE, struct settings, ring_bytes, .min = RING_BYTES_MIN,
		    .max = RING_BYTES_MAX),
	WEIR_OPTION("record_max", WEIR_OPT_SIZE, struct settings, record_bytes,
		    .min = RECORD_BYTES_MIN, .max = RECORD_BYTES_MAX),
	WEIR_OPTION_ANY("metrics"),
	WEIR_OPTION_ANY("on_error"),
	WEIR_OPTION_ANY("guarantee"),
	WEIR_OPTION_ANY("state"),
};

static const struct weir_choice on_error_choice[] = {
	{"stop", WEIR_ON_ERROR_STOP},
	{"skip", WEIR_ON_ERROR_SKIP},
	{NULL, 0},
};

static void read_name(struct weir_build *b, const struct weir_doc *doc)
{
	b->p->pos = doc->pos;
	if (weir_walk_text(b, doc, "pipeline") &&
	    weir_walk_name(b, doc->text, doc->pos, "pipeline name"))
		weir_name_copy(b->p->name, doc->text);
}

static void read_metrics(struct weir_build *b, const struct weir_doc *doc)
{
	if (doc->kind == WEIR_DOC_SCALAR && weir_str_is(doc->text, "off")) {
		b->p->metrics = "";
		return;
	}
	weir_value_address(b, doc, "metrics", &b->p->metrics);
}

static void read_on_error(struct weir_build *b, const struct weir_doc *doc)
{
	int policy;

	if (doc->kind == WEIR_DOC_SCALAR && weir_str_is(doc->text, "route")) {
		weir_diag(
			b->diags, doc->pos,
			"`on_error`: route is for single steps, whose rejects somebody reads; the "
			"default for all steps is stop or skip");
		return;
	}
	if (weir_value_choice(b, doc, "on_error", on_error_choice, &policy))
		b->on_error = (enum weir_on_error)policy;
}

static void check_sizes(struct weir_build *b, const struct weir_doc *doc, const struct settings *s)
{
	const struct weir_doc *ring = weir_doc_get(doc, "ring_size");
	const struct weir_doc *record = weir_doc_get(doc, "record_max");
	uint64_t need = RING_RECORDS * s->record_bytes;
	char text[32] = "";
	struct weir_buf out = weir_buf_of(text, sizeof(text) - 1);

	if (ring && !WEIR_IS_POW2(s->ring_bytes)) {
		weir_diag(b->diags, ring->pos,
			  "`ring_size`: %s is not a power of two, such as 512KiB or 1MiB",
			  weir_show(b, ring->text));
		return;
	}
	if (s->record_bytes % 8) {
		weir_diag(b->diags, record->pos, "`record_max`: %s is not a multiple of 8",
			  weir_show(b, record->text));
		return;
	}
	if (s->ring_bytes >= need)
		return;
	weir_buf_size(&out, need);
	weir_diag(b->diags, record ? record->pos : ring->pos,
		  "a ring must hold %d records of `record_max`, so `ring_size` must be at least %s",
		  RING_RECORDS, text);
}

static void read_settings(struct weir_build *b, const struct weir_doc *doc)
{
	struct weir_walk walk = {"a pipeline file", top_opt, WEIR_COUNT_OF(top_opt)};
	struct settings s = {.ring_bytes = RING_BYTES_DEFAULT,
			     .record_bytes = RECORD_BYTES_DEFAULT};
	const struct weir_doc *name = weir_doc_get(doc, "pipeline");
	const struct weir_doc *metrics = weir_doc_get(doc, "metrics");
	const struct weir_doc *on_error = weir_doc_get(doc, "on_error");

	weir_walk_options(b, doc, &walk, &s, NULL);
	check_sizes(b, doc, &s);
	b->p->workers = s.workers;
	b->p->parallelism = s.parallelism;
	b->p->ring_bytes = s.ring_bytes;
	b->p->record_max = (uint32_t)s.record_bytes;
	b->p->metrics = NULL;
	if (name)
		read_name(b, name);
	if (metrics)
		read_metrics(b, metrics);
	if (on_error)
		read_on_error(b, on_error);
	weir_state_read(b, doc);
}

/* ---- steps ---- */

/* false: there are no steps to look at. */
static bool read_steps(struct weir_build *b, const struct weir_doc *steps)
{
	if (!weir_walk_map(b, steps, "steps"))
		return false;
	if (steps->count > WEIR_STEPS_MAX) {
		weir_diag(b->diags, steps->entry[WEIR_STEPS_MAX].pos, "`steps`: more than %d steps",
			  WEIR_STEPS_MAX);
		return false;
	}
	b->p->step_count = steps->count;
	b->p->step = weir_region_array(b->region, struct weir_step, steps->count);
	b->draft = weir_region_array(b->region, struct weir_draft, steps->count);
	for (uint32_t i = 0; i < steps->count; i++) {
		const struct weir_doc_entry *e = &steps->entry[i];
		struct weir_draft *d = &b->draft[i];

		d->step = &b->p->step[i];
		d->step->pos = e->pos;
		/* A name with a wrong character is kept, so that `from` finds the step. */
		if (weir_walk_name(b, e->key, e->pos, "step name") || e->key.n <= WEIR_NAME_MAX)
			weir_name_copy(d->step->name, e->key);
		if (e->value->kind == WEIR_DOC_MAP)
			d->doc = e->value;
		else
			weir_diag(b->diags, e->value->pos,
				  "step `%s`: expected a mapping, found %s", d->step->name,
				  weir_doc_kind_name(e->value));
		weir_draft_read(b, d);
	}
	return true;
}

static void build(struct weir_build *b, const struct weir_doc *doc)
{
	const struct weir_doc *steps;
	uint16_t order[WEIR_STEPS_MAX];
	uint32_t n;

	if (doc->kind != WEIR_DOC_MAP) {
		weir_diag(b->diags, doc->pos,
			  "expected a mapping with `pipeline` and `steps`, found %s",
			  weir_doc_kind_name(doc));
		return;
	}
	read_settings(b, doc);
	steps = weir_doc_get(doc, "steps");
	if (!steps || !read_steps(b, steps))
		return;
	n = weir_graph_resolve(b, order);
	for (uint32_t i = 0; i < n; i++)
		weir_draft_type(b, &b->draft[order[i]]);
	weir_graph_readers(b);
	if (b->diags->count == 0) {
		weir_graph_reorder(b, order);
		weir_table_expand(b);
	}
	if (b->diags->count == 0)
		weir_global_rewrite(b);
}

int weir_pipeline_build(const struct weir_doc *doc, const char *dir,
			const struct weir_build_ops *ops, struct weir_region *region,
			struct weir_pipeline **ret_pipeline, struct weir_diags *diags)
{
	struct weir_build b = {.region = region, .diags = diags, .ops = ops, .dir = dir};

	b.p = weir_region_new(region, struct weir_pipeline);
	b.p->file = "";
	build(&b, doc);
	weir_diags_sort(diags);
	if (diags->count)
		return WEIR_E_CONFIG;
	*ret_pipeline = b.p;
	return 0;
}
