/* SPDX-License-Identifier: Apache-2.0 */
/* One step of a pipeline file: its kind, the settings all kinds share, its outputs by name. */
#include "base/buf.h"
#include "engine/core/pipeline_int.h"
#include "engine/core/table.h"

#define KIND(k) (1u << WEIR_STEP_##k)
#define ANY_KIND (~0u)

/* Keys that say what a step does. key_by does so only when no other one is there. */
static const struct {
	const char *key;
	enum weir_step_kind kind;
} kind_key[] = {
	{"source", WEIR_STEP_SOURCE},	  {"filter", WEIR_STEP_FILTER},
	{"map", WEIR_STEP_MAP},		  {"select", WEIR_STEP_MAP},
	{"drop", WEIR_STEP_MAP},	  {"set", WEIR_STEP_MAP},
	{"flat_map", WEIR_STEP_FLAT_MAP}, {"union", WEIR_STEP_UNION},
	{"split", WEIR_STEP_SPLIT},	  {"aggregate", WEIR_STEP_AGGREGATE},
	{"top", WEIR_STEP_TOP},		  {"operator", WEIR_STEP_OPERATOR},
	{"sink", WEIR_STEP_SINK},	  {"table", WEIR_STEP_TABLE},
};

#define CAN_FAIL                                                                                   \
	(KIND(SOURCE) | KIND(FILTER) | KIND(MAP) | KIND(FLAT_MAP) | KIND(SPLIT) |                  \
	 KIND(AGGREGATE) | KIND(TOP) | KIND(OPERATOR) | KIND(TABLE))

/* The other keys, and the kinds they belong to. */
static const struct {
	const char *key;
	uint32_t kinds;
	const char *where;
} other_key[] = {
	{"from", ANY_KIND & ~KIND(SOURCE), "it is for steps that read other steps"},
	{"regions", ANY_KIND, ""},
	{"parallelism", ANY_KIND, ""},
	{"fuse", ANY_KIND, ""},
	{"on_error", CAN_FAIL, "records cannot fail there"},
	{"key_by", KIND(KEY_BY) | KIND(AGGREGATE) | KIND(TOP) | KIND(OPERATOR) | KIND(TABLE),
	 "it goes with aggregate, top, operator, table, or alone"},
	{"window", KIND(AGGREGATE) | KIND(TOP), "it goes with aggregate or top"},
	{"scope", KIND(AGGREGATE), "it goes with aggregate"},
	{"provisional", KIND(AGGREGATE), "it goes with an aggregate that says `scope: global`"},
	{"schema", KIND(SOURCE), "it goes with source"},
	{"schemas", KIND(SOURCE), "it goes with source"},
	{"type_field", KIND(SOURCE), "it goes with source"},
	{"event_time", KIND(SOURCE), "it goes with source"},
	{"rate", KIND(SOURCE), "it goes with source"},
};

bool weir_step_has_rejects(enum weir_step_kind kind)
{
	return (1u << kind) & (KIND(SOURCE) | KIND(FILTER) | KIND(MAP) | KIND(FLAT_MAP) |
			       KIND(SPLIT) | KIND(AGGREGATE));
}

bool weir_step_has_late(enum weir_step_kind kind)
{
	return kind == WEIR_STEP_AGGREGATE || kind == WEIR_STEP_TOP;
}

/* ---- keys ---- */

static const char *key_hint(struct weir_build *b, struct weir_str key)
{
	const char *known[WEIR_COUNT_OF(kind_key) + WEIR_COUNT_OF(other_key)];
	size_t n = 0;

	for (size_t i = 0; i < WEIR_COUNT_OF(kind_key); i++)
		known[n++] = kind_key[i].key;
	for (size_t i = 0; i < WEIR_COUNT_OF(other_key); i++)
		known[n++] = other_key[i].key;
	return weir_walk_hint(b, key, known, n);
}

static int find_kind(struct weir_str key)
{
	for (size_t i = 0; i < WEIR_COUNT_OF(kind_key); i++) {
		if (weir_str_is(key, kind_key[i].key))
			return (int)i;
	}
	return -1;
}

static int find_other(struct weir_str key)
{
	for (size_t i = 0; i < WEIR_COUNT_OF(other_key); i++) {
		if (weir_str_is(key, other_key[i].key))
			return (int)i;
	}
	return -1;
}

/* Finds out what the step does. */
static bool read_kind(struct weir_build *b, struct weir_draft *d)
{
	const struct weir_doc *key_by = weir_doc_get(d->doc, "key_by");
	bool unknown = false;

	for (uint32_t e = 0; e < d->doc->count; e++) {
		const struct weir_doc_entry *entry = &d->doc->entry[e];
		int i = find_kind(entry->key);

		if (i < 0 && find_other(entry->key) < 0) {
			weir_diag(b->diags, entry->pos, "unknown key `%s` in step `%s`%s",
				  weir_show(b, entry->key), d->step->name, key_hint(b, entry->key));
			unknown = true;
		}
		if (i < 0)
			continue;
		if (d->kind_key) {
			weir_diag(b->diags, entry->pos,
				  "step `%s` has `%s` already; a step does one thing, so `%s` must "
				  "be "
				  "a step of its own",
				  d->step->name, d->kind_key, kind_key[i].key);
			d->kind_key = NULL;
			return false;
		}
		d->kind_key = kind_key[i].key;
		d->value = entry->value;
		d->step->kind = kind_key[i].kind;
	}
	if (!d->kind_key && key_by) {
		d->kind_key = "key_by";
		d->value = key_by;
		d->step->kind = WEIR_STEP_KEY_BY;
	}
	/* A misspelt kind was reported as an unknown key. */
	if (!d->kind_key && !unknown)
		weir_diag(
			b->diags, d->step->pos,
			"step `%s` does nothing; it needs one of source, filter, map, select, "
			"drop, "
			"set, flat_map, union, split, key_by, aggregate, top, operator, table, sink",
			d->step->name);
	d->broken = unknown;
	return d->kind_key != NULL;
}

const struct weir_doc *weir_draft_meant(const struct weir_draft *d, const char *key)
{
	const struct weir_doc *v = weir_doc_get(d->doc, key);

	for (uint32_t e = 0; !v && e < d->doc->count; e++) {
		struct weir_str k = d->doc->entry[e].key;

		if (find_kind(k) < 0 && find_other(k) < 0 && weir_str_suggest(k, &key, 1))
			v = d->doc->entry[e].value;
	}
	return v;
}

/* Keys that belong to other kinds. */
static bool check_keys(struct weir_build *b, struct weir_draft *d)
{
	bool ok = true;

	for (uint32_t e = 0; e < d->doc->count; e++) {
		const struct weir_doc_entry *entry = &d->doc->entry[e];
		int i = find_other(entry->key);

		if (i < 0 || (other_key[i].kinds & (1u << d->step->kind)))
			continue;
		weir_diag(b->diags, entry->pos, "`%s` does not belong to a %s step; %s",
			  other_key[i].key, d->kind_key, other_key[i].where);
		ok = false;
	}
	if (d->step->kind != WEIR_STEP_SOURCE && !weir_draft_meant(d, "from")) {
		weir_diag(b->diags, d->step->pos,
			  "step `%s` needs `from`: the step whose records it takes", d->step->name);
		ok = false;
	}
	if (weir_step_has_late(d->step->kind) && !weir_draft_meant(d, "window")) {
		weir_diag(b->diags, d->step->pos,
			  "step `%s` needs `window`, such as {tumbling: 1m}", d->step->name);
		ok = false;
	}
	return ok;
}

static const struct weir_choice on_error_choice[] = {
	{"stop", WEIR_ON_ERROR_STOP},
	{"skip", WEIR_ON_ERROR_SKIP},
	{"route", WEIR_ON_ERROR_ROUTE},
	{NULL, 0},
};

static const struct weir_opt common_opt[] = {
	WEIR_OPTION("parallelism", WEIR_OPT_U32, struct weir_step, parallelism, .min = 1,
		    .max = WEIR_PARALLELISM_MAX),
	WEIR_OPTION("fuse", WEIR_OPT_BOOL, struct weir_step, fuse),
	WEIR_OPTION("on_error", WEIR_OPT_CHOICE, struct weir_step, on_error,
		    .choice = on_error_choice),
};

static bool read_common(struct weir_build *b, struct weir_draft *d)
{
	struct weir_doc common = {.kind = WEIR_DOC_MAP, .pos = d->doc->pos};
	struct weir_doc_entry entry[WEIR_COUNT_OF(common_opt)];
	struct weir_walk walk = {"a step", common_opt, WEIR_COUNT_OF(common_opt)};
	const struct weir_doc *on_error = weir_doc_get(d->doc, "on_error");
	bool ok = true;

	d->step->fuse = true;
	if ((1u << d->step->kind) & CAN_FAIL)
		d->step->on_error = b->on_error;
	/* The walk sees only these keys; the others were checked above. */
	common.entry = entry;
	for (uint32_t e = 0; e < d->doc->count; e++) {
		for (size_t i = 0; i < WEIR_COUNT_OF(common_opt); i++) {
			if (weir_str_is(d->doc->entry[e].key, common_opt[i].key))
				entry[common.count++] = d->doc->entry[e];
		}
	}
	weir_walk_options(b, &common, &walk, d->step, &ok);
	if (!on_error || d->step->on_error != WEIR_ON_ERROR_ROUTE)
		return ok;
	d->route_pos = on_error->pos;
	if (!weir_step_has_rejects(d->step->kind)) {
		weir_diag(b->diags, on_error->pos,
			  "`on_error`: a %s step has no output for rejects; use stop or skip",
			  d->kind_key);
		d->step->on_error = WEIR_ON_ERROR_STOP;
		ok = false;
	}
	return ok;
}

/* ---- outputs ---- */

void weir_draft_ports(struct weir_build *b, struct weir_draft *d, const char *const *name,
		      uint32_t plain)
{
	struct weir_step *s = d->step;
	uint32_t n = plain;

	s->port = weir_region_array(b->region, struct weir_port_def, plain + 2);
	for (uint32_t i = 0; i < plain; i++)
		weir_name_copy(s->port[i].name, weir_str_c(name[i]));
	if (weir_step_has_late(s->kind)) {
		s->late_port = (int32_t)n;
		weir_name_copy(s->port[n++].name, WEIR_STR("late"));
	}
	if (s->kind == WEIR_STEP_TABLE) {
		weir_name_copy(s->port[n].name, WEIR_STR("conflicts"));
		s->port[n++].schema =
			(struct weir_schema *)(uintptr_t)weir_rtable_conflict_schema();
	}
	if (s->on_error == WEIR_ON_ERROR_ROUTE && weir_step_has_rejects(s->kind)) {
		s->rejects_port = (int32_t)n;
		weir_name_copy(s->port[n].name, WEIR_STR("rejects"));
		s->port[n++].schema = (struct weir_schema *)weir_rejects_schema();
	}
	s->port_count = n;
	d->plain_ports = plain;
	d->ports_known = true;
}

static bool read_split(struct weir_build *b, struct weir_draft *d)
{
	const char *name[WEIR_PORT_TARGETS_MAX];
	struct weir_step *s = d->step;
	uint32_t n = 0;
	bool ok = true;

	if (!weir_walk_map(b, d->value, "split"))
		return false;
	for (uint32_t i = 0; i < d->value->count; i++) {
		const struct weir_doc_entry *e = &d->value->entry[i];

		if (weir_expr_is_rest(d->value, i))
			continue;
		if (!weir_walk_name(b, e->key, e->pos, "output name")) {
			ok = false;
			continue;
		}
		if (weir_str_is(e->key, "rest") || weir_str_is(e->key, "rejects") ||
		    weir_str_is(e->key, "late")) {
			weir_diag(b->diags, e->pos, "`split`: the output name `%s` is taken; %s",
				  weir_show(b, e->key),
				  weir_str_is(e->key, "rest") ? "`rest` gets all other records"
							      : "choose another one");
			ok = false;
			continue;
		}
		if (n == WEIR_COUNT_OF(name) - 1) {
			weir_diag(b->diags, e->pos, "`split`: more than %zu outputs",
				  WEIR_COUNT_OF(name) - 1);
			return false;
		}
		name[n++] = weir_region_strdup(b->region, e->key);
	}
	s->split.count = n;
	name[n++] = "rest";
	if (ok)
		weir_draft_ports(b, d, name, n);
	return ok;
}

static bool read_union(struct weir_build *b, struct weir_draft *d)
{
	bool yes;

	if (!weir_value_bool(b, d->value, "union", &yes))
		return false;
	if (!yes) {
		weir_diag(b->diags, d->value->pos, "`union`: only true makes sense here");
		return false;
	}
	return true;
}

/* What the file calls name is the symbol of the operator. */
struct operator_options {
	const char *library, *symbol;
};

static const struct weir_opt operator_opt[] = {
	WEIR_OPTION("library", WEIR_OPT_PATH, struct operator_options, library, .required = true),
	WEIR_OPTION("name", WEIR_OPT_TEXT, struct operator_options, symbol, .required = true),
	WEIR_OPTION_ANY("options"),
};

static bool read_operator(struct weir_build *b, struct weir_draft *d)
{
	struct weir_walk walk = {"an operator", operator_opt, WEIR_COUNT_OF(operator_opt)};
	struct operator_options o = {NULL, NULL};
	const struct weir_doc *options;
	bool ok = true;

	if (!weir_walk_map(b, d->value, "operator"))
		return false;
	weir_walk_options(b, d->value, &walk, &o, &ok);
	d->step->oper.library = o.library;
	d->step->oper.symbol = o.symbol;
	d->step->oper.options = "{}";
	options = weir_doc_get(d->value, "options");
	if (!options)
		return ok;
	if (options->kind != WEIR_DOC_MAP) {
		weir_diag(b->diags, options->pos, "`options`: expected a mapping, found %s",
			  weir_doc_kind_name(options));
		return false;
	}
	d->step->oper.options = weir_doc_json(b, options);
	return ok;
}

/* The part that belongs to one kind and needs no schema. */
static bool read_own(struct weir_build *b, struct weir_draft *d)
{
	const struct weir_doc *window = weir_doc_get(d->doc, "window");

	switch (d->step->kind) {
	case WEIR_STEP_SOURCE:
		return weir_source_read(b, d);
	case WEIR_STEP_SINK:
		return weir_sink_read(b, d);
	case WEIR_STEP_SPLIT:
		return read_split(b, d);
	case WEIR_STEP_UNION:
		return read_union(b, d);
	case WEIR_STEP_OPERATOR:
		return read_operator(b, d);
	case WEIR_STEP_AGGREGATE:
		return (!window || weir_window_read(b, window, &d->step->aggregate.window)) &&
		       weir_global_read(b, d);
	case WEIR_STEP_TOP:
		return !window || weir_window_read(b, window, &d->step->top.window);
	default:
		return true;
	}
}

void weir_draft_read(struct weir_build *b, struct weir_draft *d)
{
	static const char *const main_port[1] = {""};
	bool ok;

	d->step->late_port = -1;
	d->step->rejects_port = -1;
	if (!d->doc || !read_kind(b, d)) {
		d->broken = true;
		/* What reads this step is not to blame: an output by any name will do. */
		d->step->kind = d->step->kind ? d->step->kind : WEIR_STEP_UNION;
		return;
	}
	d->key_by = weir_doc_get(d->doc, "key_by");
	ok = check_keys(b, d);
	ok = read_common(b, d) && ok;
	if (weir_doc_get(d->doc, "regions"))
		ok = weir_region_list_read(b, weir_doc_get(d->doc, "regions"), &d->step->regions) &&
		     ok;
	ok = read_own(b, d) && ok;
	d->broken = d->broken || !ok;
	if (d->step->kind == WEIR_STEP_SINK)
		d->ports_known = true;
	else if (d->step->kind != WEIR_STEP_SOURCE && d->step->kind != WEIR_STEP_SPLIT)
		weir_draft_ports(b, d, main_port, 1);
}
