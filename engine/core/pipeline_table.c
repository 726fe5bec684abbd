/* SPDX-License-Identifier: Apache-2.0 */
/* `table`: fields with their types and verbs, and the step T+ops that comes before it. */
#include <stdio.h>

#include "base/assert.h"
#include "engine/core/pipeline_int.h"
#include "engine/core/table_int.h"

#define WINDOW_MIN ((uint64_t)4 << 10)
#define WINDOW_MAX ((uint64_t)1 << 30)
#define DIGEST_MIN ((uint64_t)(100 * WEIR_NS_PER_MS))
#define DIGEST_MAX ((uint64_t)(3600 * WEIR_NS_PER_S))
#define CONFLICTS_MAX UINT64_C(10000000)
#define LIMIT_MAX 65536

enum takes { TAKES_AMOUNT, TAKES_VALUE, TAKES_BOOL, TAKES_NUMBER };

/* What the file may say of a type. */
static const struct kind {
	enum weir_crdt_type type;
	enum takes takes;
	bool limit;
	struct {
		const char *key;
		enum weir_crdt_verb verb;
	} verb[WEIR_TABLE_OPS_MAX];
} kinds[] = {
	{WEIR_CRDT_PCOUNT, TAKES_AMOUNT, false, {{"add", WEIR_CRDT_ADD}, {"sub", WEIR_CRDT_SUB}}},
	{WEIR_CRDT_BCOUNT, TAKES_AMOUNT, false, {{"add", WEIR_CRDT_ADD}, {"sub", WEIR_CRDT_SUB}}},
	{WEIR_CRDT_MAX, TAKES_VALUE, false, {{"set", WEIR_CRDT_SET}, {NULL, 0}}},
	{WEIR_CRDT_MIN, TAKES_VALUE, false, {{"set", WEIR_CRDT_SET}, {NULL, 0}}},
	{WEIR_CRDT_FLAG, TAKES_BOOL, false, {{"set", WEIR_CRDT_SET}, {NULL, 0}}},
	{WEIR_CRDT_FLAG_OFF, TAKES_BOOL, false, {{"set", WEIR_CRDT_SET}, {NULL, 0}}},
	{WEIR_CRDT_LWW, TAKES_VALUE, false, {{"set", WEIR_CRDT_SET}, {NULL, 0}}},
	{WEIR_CRDT_MV, TAKES_VALUE, false, {{"set", WEIR_CRDT_SET}, {NULL, 0}}},
	{WEIR_CRDT_ORSET,
	 TAKES_VALUE,
	 true,
	 {{"add", WEIR_CRDT_ADD}, {"remove", WEIR_CRDT_REMOVE}}},
	{WEIR_CRDT_LOG, TAKES_VALUE, true, {{"add", WEIR_CRDT_ADD}, {NULL, 0}}},
	{WEIR_CRDT_HLL, TAKES_VALUE, false, {{"add", WEIR_CRDT_ADD}, {NULL, 0}}},
	{WEIR_CRDT_DDSKETCH, TAKES_NUMBER, false, {{"add", WEIR_CRDT_ADD}, {NULL, 0}}},
};

static const struct kind *find_kind(struct weir_build *b, const struct weir_doc *type)
{
	const char *known[WEIR_COUNT_OF(kinds)];

	for (size_t i = 0; i < WEIR_COUNT_OF(kinds); i++) {
		known[i] = weir_crdt_name(kinds[i].type);
		if (weir_str_is(type->text, known[i]))
			return &kinds[i];
	}
	weir_diag(b->diags, type->pos, "`type`: there is no type `%s`%s", weir_show(b, type->text),
		  weir_walk_hint(b, type->text, known, WEIR_COUNT_OF(known)));
	return NULL;
}

/* ---- one field ---- */

static bool type_fits(struct weir_build *b, const struct weir_doc *doc, const struct kind *k,
		      struct weir_typeinfo type)
{
	const char *name = weir_crdt_name(k->type);

	switch (k->takes) {
	case TAKES_AMOUNT:
		if (type.type == WEIR_INT64 || type.type == WEIR_DECIMAL ||
		    type.type == WEIR_DURATION)
			return true;
		weir_diag(
			b->diags, doc->pos,
			"%s counts int64, decimal or duration, but this is %s%s", name,
			weir_type_text(b, type),
			type.type == WEIR_FLOAT64
				? ": sums of floats depend on the order, which differs from region "
				  "to region"
				: "");
		return false;
	case TAKES_BOOL:
		if (type.type == WEIR_BOOL)
			return true;
		weir_diag(b->diags, doc->pos, "%s is set by a condition (bool), but this is %s",
			  name, weir_type_text(b, type));
		return false;
	case TAKES_NUMBER:
		if (type.type == WEIR_INT64 || type.type == WEIR_FLOAT64)
			return true;
		weir_diag(b->diags, doc->pos, "%s takes int64 or float64, but this is %s", name,
			  weir_type_text(b, type));
		return false;
	default:
		if (type.type != WEIR_LIST)
			return true;
		weir_diag(b->diags, doc->pos, "%s does not take %s", name, weir_type_text(b, type));
		return false;
	}
}

static bool read_verb(struct weir_build *b, const struct weir_doc *doc, const struct kind *k,
		      uint32_t which, const struct weir_schema *in, struct weir_table_field *f)
{
	struct weir_table_verb *v = &f->verb[f->verb_count];
	struct weir_expr_info info;

	if (!weir_expr_check_doc(b, doc, k->verb[which].key, in, &v->text, &info))
		return false;
	if (info.type.type == WEIR_NONE) {
		weir_diag(b->diags, doc->pos, "`%s`: null alone has no type", k->verb[which].key);
		return false;
	}
	if (!type_fits(b, doc, k, info.type))
		return false;
	if (f->verb_count && (f->type.type != info.type.type || f->type.scale != info.type.scale)) {
		weir_diag(b->diags, doc->pos, "`%s` is %s and `%s` is %s: they must be the same",
			  k->verb[0].key, weir_type_text(b, f->type), k->verb[which].key,
			  weir_type_text(b, info.type));
		return false;
	}
	v->verb = k->verb[which].verb;
	f->type = info.type;
	f->verb_count++;
	return true;
}

/* The keys of a field of this type. */
static bool check_keys(struct weir_build *b, const struct weir_doc *doc, const struct kind *k,
		       struct weir_table_field *f)
{
	struct weir_opt opt[2 + WEIR_TABLE_OPS_MAX] = {{.key = "type", .required = true}};
	struct weir_walk walk = {.opt = opt, .count = 1};
	bool ok = true;

	walk.what = weir_region_printf(b->region, "a field of type %s", weir_crdt_name(k->type));
	for (uint32_t i = 0; i < WEIR_TABLE_OPS_MAX && k->verb[i].key; i++)
		opt[walk.count++] = (struct weir_opt){.key = k->verb[i].key};
	if (k->limit)
		opt[walk.count++] =
			(struct weir_opt)WEIR_OPTION("limit", WEIR_OPT_U32, struct weir_table_field,
						     crdt.limit, .min = 1, .max = LIMIT_MAX);
	weir_walk_options(b, doc, &walk, f, &ok);
	return ok;
}

static bool read_field(struct weir_build *b, const struct weir_doc_entry *e,
		       const struct weir_schema *in, struct weir_table_field *f)
{
	const struct weir_doc *doc = e->value, *type;
	const struct kind *k;
	bool ok;

	if (!weir_walk_field_name(b, e->key, e->pos))
		return false;
	weir_name_copy(f->name, e->key);
	if (doc->kind != WEIR_DOC_MAP) {
		weir_diag(b->diags, doc->pos,
			  "`%s`: expected a mapping such as {type: lww, set: price}, found %s",
			  f->name, weir_doc_kind_name(doc));
		return false;
	}
	type = weir_doc_get(doc, "type");
	if (!type) {
		weir_diag(b->diags, doc->pos, "`%s` needs `type`, such as pcount or lww", f->name);
		return false;
	}
	if (!weir_walk_text(b, type, "type"))
		return false;
	k = find_kind(b, type);
	if (!k)
		return false;
	f->crdt.type = k->type;
	ok = check_keys(b, doc, k, f);
	for (uint32_t i = 0; i < WEIR_TABLE_OPS_MAX && k->verb[i].key; i++) {
		const struct weir_doc *v = weir_doc_get(doc, k->verb[i].key);

		if (v)
			ok = read_verb(b, v, k, i, in, f) && ok;
	}
	if (ok && !f->verb_count) {
		weir_diag(b->diags, doc->pos, "`%s` never changes: it needs `%s`%s%s%s", f->name,
			  k->verb[0].key, k->verb[1].key ? " or `" : "",
			  k->verb[1].key ? k->verb[1].key : "", k->verb[1].key ? "`" : "");
		return false;
	}
	return ok;
}

/* ---- the step ---- */

static bool add_column(struct weir_build *b, struct weir_schema *out, const struct weir_field *f,
		       struct weir_doc_pos pos)
{
	int at = weir_schema_add(out, weir_str_c(f->name), f->type, f->nullable);

	if (at >= 0)
		return true;
	if (out->field_count == WEIR_FIELDS_MAX)
		weir_diag(b->diags, pos, "`fields`: a row has more than %d fields",
			  WEIR_FIELDS_MAX);
	else
		weir_diag(
			b->diags, pos,
			"`%s`: a row has a field of this name already (key fields, those before it "
			"and `deleted`)",
			f->name);
	return false;
}

static bool read_fields(struct weir_build *b, const struct weir_doc *doc,
			const struct weir_schema *in, struct weir_table_spec *spec,
			struct weir_schema *out)
{
	bool ok = true;

	if (!weir_walk_map(b, doc, "fields"))
		return false;
	if (doc->count > WEIR_TABLE_FIELDS_MAX) {
		weir_diag(b->diags, doc->entry[WEIR_TABLE_FIELDS_MAX].pos,
			  "`fields`: more than %d fields", WEIR_TABLE_FIELDS_MAX);
		return false;
	}
	spec->field = weir_region_array(b->region, struct weir_table_field, doc->count);
	for (uint32_t i = 0; i < doc->count; i++) {
		struct weir_table_field *f = &spec->field[spec->field_count];
		struct weir_field column[2];
		uint32_t n;

		if (!read_field(b, &doc->entry[i], in, f)) {
			ok = false;
			continue;
		}
		n = weir_rtable_columns(f, column);
		for (uint32_t k = 0; k < n; k++)
			ok = add_column(b, out, &column[k], doc->entry[i].pos) && ok;
		spec->field_count++;
	}
	return ok;
}

static const struct weir_opt table_opt[] = {
	{.key = "fields", .required = true},
	WEIR_OPTION_ANY("delete"),
	WEIR_OPTION("send_window", WEIR_OPT_SIZE, struct weir_table_spec, send_window,
		    .min = WINDOW_MIN, .max = WINDOW_MAX),
	WEIR_OPTION("digest", WEIR_OPT_DURATION, struct weir_table_spec, digest_ns,
		    .min = DIGEST_MIN, .max = DIGEST_MAX),
	WEIR_OPTION("conflicts", WEIR_OPT_U64, struct weir_table_spec, conflicts, .min = 1,
		    .max = CONFLICTS_MAX),
};

static bool read_delete(struct weir_build *b, const struct weir_doc *doc,
			const struct weir_schema *in, struct weir_table_spec *spec)
{
	struct weir_expr_info info;

	if (!doc)
		return true;
	if (!weir_expr_check_doc(b, doc, "delete", in, &spec->delete_text, &info))
		return false;
	if (info.type.type == WEIR_BOOL)
		return true;
	weir_diag(b->diags, doc->pos, "`delete`: expected a condition (bool), but this is %s",
		  weir_type_text(b, info.type));
	return false;
}

/* Key fields come first. */
static bool read_key(struct weir_build *b, struct weir_draft *d, const struct weir_schema *in,
		     struct weir_table_spec *spec, struct weir_schema *out)
{
	struct weir_step *s = d->step;

	if (!d->key_by) {
		weir_diag(b->diags, s->pos, "step `%s` needs `key_by`: the fields that name a row",
			  s->name);
		return false;
	}
	if (!weir_keys_type(b, d, in))
		return false;
	spec->key_count = s->key_count;
	memcpy(spec->key, s->key, sizeof(spec->key));
	for (uint32_t i = 0; i < s->key_count; i++)
		out->field[out->field_count++] = in->field[s->key[i]];
	/* All of it is in one task: T+ops says which row a change belongs to. */
	s->key_count = 0;
	return true;
}

static bool check_name(struct weir_build *b, const struct weir_step *s)
{
	if (strlen(s->name) + strlen(WEIR_TABLE_NAME_TAIL) <= WEIR_NAME_MAX)
		return true;
	weir_diag(b->diags, s->pos, "the name of a table has at most %zu bytes",
		  WEIR_NAME_MAX - strlen(WEIR_TABLE_NAME_TAIL));
	return false;
}

bool weir_table_type(struct weir_build *b, struct weir_draft *d, const struct weir_schema *in)
{
	struct weir_walk walk = {"`table`", table_opt, WEIR_COUNT_OF(table_opt)};
	struct weir_table_spec *spec = weir_region_new(b->region, struct weir_table_spec);
	struct weir_schema *out = weir_region_new(b->region, struct weir_schema);
	const struct weir_field deleted = {.name = "deleted", .type = {.type = WEIR_BOOL}};
	const struct weir_doc *fields;
	bool ok = check_name(b, d->step);

	d->step->keyed = true;
	d->step->timed = false;
	d->step->table = spec;
	spec->send_window = WEIR_TABLE_WINDOW_DEFAULT;
	spec->digest_ns = WEIR_TABLE_DIGEST_DEFAULT;
	spec->conflicts = WEIR_TABLE_CONFLICTS_DEFAULT;
	ok = read_key(b, d, in, spec, out) && ok;
	if (!weir_walk_map(b, d->value, "table"))
		return false;
	weir_walk_options(b, d->value, &walk, spec, &ok);
	fields = weir_doc_get(d->value, "fields");
	if (fields)
		ok = read_fields(b, fields, in, spec, out) && ok;
	ok = read_delete(b, weir_doc_get(d->value, "delete"), in, spec) && ok;
	if (!ok || !fields)
		return false;
	if (!add_column(b, out, &deleted, d->step->pos))
		return false;
	weir_schema_seal(out);
	d->step->port[WEIR_TABLE_PORT_ROWS].schema = out;
	return true;
}

/* ---- T+ops ---- */

static struct weir_step *make_ops(struct weir_build *b, const struct weir_step *t)
{
	struct weir_step *s = weir_region_new(b->region, struct weir_step);

	*s = *t;
	snprintf(s->name, sizeof(s->name), "%.*s%s",
		 (int)(WEIR_NAME_MAX - strlen(WEIR_TABLE_NAME_TAIL)), t->name,
		 WEIR_TABLE_NAME_TAIL);
	s->kind = WEIR_STEP_TABLE_OPS;
	s->parallelism = 0;
	s->keyed = false;
	s->port_count = 1;
	s->port = weir_region_new(b->region, struct weir_port_def);
	s->port[0].schema = (struct weir_schema *)(uintptr_t)weir_rtable_schema();
	s->port[0].uses = 1;
	s->late_port = s->rejects_port = -1;
	return s;
}

void weir_table_expand(struct weir_build *b)
{
	struct weir_pipeline *p = b->p;
	uint32_t count = p->step_count, tables = 0, n = 0;
	uint16_t place[WEIR_STEPS_MAX];
	struct weir_step *step;

	for (uint32_t i = 0; i < count; i++)
		tables += p->step[i].kind == WEIR_STEP_TABLE;
	if (!tables)
		return;
	if (count + tables > WEIR_STEPS_MAX) {
		weir_diag(b->diags, p->pos,
			  "`steps`: each table counts as two, which makes more than %d steps",
			  WEIR_STEPS_MAX);
		return;
	}
	step = weir_region_array(b->region, struct weir_step, count + tables);
	for (uint32_t i = 0; i < count; i++) {
		struct weir_step *s = &p->step[i];

		/* Inputs come before those who read them. */
		for (uint32_t k = 0; k < s->input_count; k++)
			s->input[k].step = place[s->input[k].step];
		if (s->kind == WEIR_STEP_TABLE) {
			step[n++] = *make_ops(b, s);
			s->input_count = 1;
			s->input[0] = (struct weir_input){.step = (uint16_t)(n - 1), .pos = s->pos};
		}
		place[i] = (uint16_t)n;
		step[n++] = *s;
	}
	p->step = step;
	p->step_count = n;
}
