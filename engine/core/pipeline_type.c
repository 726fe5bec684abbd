/* SPDX-License-Identifier: Apache-2.0 */
/* Schemas and expressions of the steps, in topological order. */
#include "base/buf.h"
#include "engine/core/pipeline_int.h"

/* ---- inputs ---- */

static const struct weir_port_def *input_port(const struct weir_build *b,
					      const struct weir_input *in)
{
	const struct weir_draft *from = &b->draft[in->step];

	return from->ports_known ? &from->step->port[in->port] : NULL;
}

static bool input_timed(const struct weir_build *b, const struct weir_input *in)
{
	const struct weir_step *s = b->draft[in->step].step;

	return s->timed && in->port != s->rejects_port;
}

static const char *input_name(struct weir_build *b, const struct weir_input *in)
{
	const struct weir_step *s = b->draft[in->step].step;
	const char *port = s->port[in->port].name;

	return weir_region_printf(b->region, "%s%s%s", s->name, *port ? "." : "", port);
}

/* First difference of two schemas, as a sentence. */
static const char *difference(struct weir_build *b, const struct weir_schema *x, const char *x_name,
			      const struct weir_schema *y, const char *y_name)
{
	unsigned n = WEIR_MIN(x->field_count, y->field_count);

	for (unsigned i = 0; i < n; i++) {
		const struct weir_field *f = &x->field[i], *g = &y->field[i];

		if (strcmp(f->name, g->name))
			return weir_region_printf(b->region,
						  "field %u is `%s` in `%s` and `%s` in `%s`",
						  i + 1, f->name, x_name, g->name, y_name);
		if (memcmp(&f->type, &g->type, sizeof(f->type)) || f->nullable != g->nullable)
			return weir_region_printf(
				b->region, "field `%s` is %s%s in `%s` and %s%s in `%s`", f->name,
				weir_type_text(b, f->type), f->nullable ? "?" : "", x_name,
				weir_type_text(b, g->type), g->nullable ? "?" : "", y_name);
	}
	return weir_region_printf(b->region, "`%s` has %u field%s, `%s` has %u", x_name,
				  x->field_count, x->field_count == 1 ? "" : "s", y_name,
				  y->field_count);
}

/* The schema all inputs share; NULL: not known, or reported. */
static struct weir_schema *input_schema(struct weir_build *b, struct weir_draft *d)
{
	const struct weir_step *s = d->step;
	struct weir_schema *in = NULL;
	uint32_t first = 0;

	for (uint32_t i = 0; i < s->input_count; i++) {
		const struct weir_port_def *p = input_port(b, &s->input[i]);

		if (!p || !p->schema)
			return NULL;
		if (!in) {
			in = p->schema;
			first = i;
			continue;
		}
		if (weir_schema_same(in, p->schema))
			continue;
		weir_diag(b->diags, d->from_pos[i],
			  "the inputs of `%s` must have the same fields: %s", s->name,
			  difference(b, in, input_name(b, &s->input[first]), p->schema,
				     input_name(b, &s->input[i])));
		return NULL;
	}
	return in;
}

/* Why an input has no event times, and what to do about it. */
static const char *untimed_reason(struct weir_build *b, const struct weir_input *in)
{
	/* The order is topological, so this walk ends. */
	for (;;) {
		const struct weir_step *s = b->draft[in->step].step;

		if (in->port == s->rejects_port)
			return weir_region_printf(b->region, "`%s.rejects` has none", s->name);
		if (s->kind == WEIR_STEP_TABLE)
			return weir_region_printf(b->region, "the rows of table `%s` have none",
						  s->name);
		if (s->kind == WEIR_STEP_SOURCE)
			return weir_region_printf(
				b->region, "add `event_time: FIELD` to source `%s`", s->name);
		for (uint32_t i = 0; i < s->input_count; i++) {
			if (!input_timed(b, &s->input[i])) {
				in = &s->input[i];
				break;
			}
		}
	}
}

bool weir_need_times(struct weir_build *b, struct weir_draft *d)
{
	struct weir_step *s = d->step;

	if (s->timed)
		return true;
	/* Said once; what comes behind is not to blame. */
	s->timed = true;
	for (uint32_t i = 0; i < s->input_count; i++) {
		if (input_timed(b, &s->input[i]))
			continue;
		weir_diag(b->diags, s->pos, "the window of `%s` needs event times: %s", s->name,
			  untimed_reason(b, &s->input[i]));
		return false;
	}
	return true;
}

/* ---- keys and fields ---- */

static int find_field(struct weir_build *b, struct weir_str name, struct weir_doc_pos pos,
		      const char *what, const struct weir_schema *in)
{
	int f = weir_schema_find(in, name);

	if (f < 0)
		weir_diag(b->diags, pos, "`%s`: there is no field `%s`%s", what, weir_show(b, name),
			  weir_walk_field_hint(b, name, in));
	return f;
}

bool weir_keys_type(struct weir_build *b, struct weir_draft *d, const struct weir_schema *in)
{
	struct weir_step *s = d->step;
	struct weir_str *name;
	struct weir_doc_pos *pos;
	bool ok = true;
	uint32_t n;

	if (!d->key_by)
		return true;
	n = weir_walk_names(b, d->key_by, "key_by", &name, &pos);
	if (n > WEIR_KEYS_MAX) {
		weir_diag(b->diags, d->key_by->pos, "`key_by`: more than %d fields", WEIR_KEYS_MAX);
		return false;
	}
	for (uint32_t i = 0; i < n; i++) {
		int f = find_field(b, name[i], pos[i], "key_by", in);

		if (f >= 0 && in->field[f].type.type == WEIR_LIST) {
			weir_diag(b->diags, pos[i],
				  "`key_by`: field `%s` is a list, which cannot be "
				  "a key",
				  in->field[f].name);
			f = -1;
		}
		ok = ok && f >= 0;
		if (f >= 0)
			s->key[s->key_count++] = (uint16_t)f;
	}
	return ok && n > 0;
}

/* Field name as an expression: in backquotes when it is not a plain name. */
static const char *field_text(struct weir_build *b, const char *name)
{
	static const char *const word[] = {"true", "false", "null", "in"};
	bool plain = !(name[0] >= '0' && name[0] <= '9');

	for (const char *p = name; *p; p++)
		plain = plain && ((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') ||
				  (*p >= 'A' && *p <= 'Z') || *p == '_');
	for (size_t i = 0; i < WEIR_COUNT_OF(word); i++)
		plain = plain && strcmp(name, word[i]) != 0;
	return plain ? weir_region_strdup(b->region, weir_str_c(name))
		     : weir_region_printf(b->region, "`%s`", name);
}

/* ---- map, select, drop, set ---- */

struct map_build {
	struct weir_map_field *field;
	struct weir_schema *out;
};

static struct map_build map_begin(struct weir_build *b)
{
	return (struct map_build){
		.field = weir_region_array(b->region, struct weir_map_field, WEIR_FIELDS_MAX),
		.out = weir_region_new(b->region, struct weir_schema),
	};
}

/* Output field `at` (or a new one) is an input field as it is. */
static void keep_field(struct weir_build *b, struct map_build *m, const struct weir_field *f,
		       struct weir_doc_pos pos)
{
	struct weir_map_field *to = &m->field[m->out->field_count];

	weir_name_copy(to->name, weir_str_c(f->name));
	to->text = field_text(b, f->name);
	to->pos = pos;
	m->out->field[m->out->field_count++] = *f;
}

/* Output field `at` from an expression. */
static bool put_expr(struct weir_build *b, struct map_build *m, unsigned at,
		     const struct weir_doc_entry *e, const struct weir_schema *in)
{
	struct weir_map_field *to = &m->field[at];
	struct weir_field *f = &m->out->field[at];
	struct weir_expr_info info;

	if (!weir_expr_check_doc(b, e->value, weir_show(b, e->key), in, &to->text, &info))
		return false;
	if (info.type.type == WEIR_NONE) {
		weir_diag(
			b->diags, e->value->pos,
			"`%s`: null alone has no type; give it one with a conditional or leave the "
			"field out",
			weir_show(b, e->key));
		return false;
	}
	memset(f, 0, sizeof(*f));
	weir_name_copy(f->name, e->key);
	weir_name_copy(to->name, e->key);
	f->type = info.type;
	f->nullable = info.nullable;
	if (info.field >= 0)
		memcpy(f->format, in->field[info.field].format, sizeof(f->format));
	to->pos = e->value->pos;
	return true;
}

static bool type_exprs(struct weir_build *b, struct weir_draft *d, const struct weir_schema *in,
		       struct map_build *m)
{
	bool ok = true;

	if (!weir_walk_map(b, d->value, d->kind_key))
		return false;
	for (uint32_t i = 0; i < d->value->count; i++) {
		const struct weir_doc_entry *e = &d->value->entry[i];
		int at = weir_schema_find(m->out, e->key);

		if (weir_expr_is_rest(d->value, i))
			continue;
		if (!weir_walk_field_name(b, e->key, e->pos)) {
			ok = false;
			continue;
		}
		if (at < 0 && m->out->field_count == WEIR_FIELDS_MAX) {
			weir_diag(b->diags, e->pos, "`%s`: more than %d fields", d->kind_key,
				  WEIR_FIELDS_MAX);
			return false;
		}
		ok = put_expr(b, m, at < 0 ? m->out->field_count : (unsigned)at, e, in) && ok;
		if (at < 0)
			m->out->field_count++;
	}
	return ok;
}

static bool type_select(struct weir_build *b, struct weir_draft *d, const struct weir_schema *in,
			struct map_build *m, bool drop)
{
	bool listed[WEIR_FIELDS_MAX] = {false};
	struct weir_str *name;
	struct weir_doc_pos *pos;
	uint32_t n = weir_walk_names(b, d->value, d->kind_key, &name, &pos);
	bool ok = n > 0;

	for (uint32_t i = 0; i < n; i++) {
		int f = find_field(b, name[i], pos[i], d->kind_key, in);

		ok = ok && f >= 0;
		if (f < 0)
			continue;
		listed[f] = true;
		if (!drop)
			keep_field(b, m, &in->field[f], pos[i]);
	}
	for (unsigned f = 0; drop && f < in->field_count; f++) {
		if (!listed[f])
			keep_field(b, m, &in->field[f], d->value->pos);
	}
	if (ok && m->out->field_count == 0) {
		weir_diag(b->diags, d->value->pos, "`drop`: no field would be left");
		return false;
	}
	return ok;
}

static bool type_map(struct weir_build *b, struct weir_draft *d, const struct weir_schema *in)
{
	struct map_build m = map_begin(b);
	struct weir_step *s = d->step;
	bool ok;

	if (strcmp(d->kind_key, "select") == 0 || strcmp(d->kind_key, "drop") == 0) {
		ok = type_select(b, d, in, &m, d->kind_key[0] == 'd');
	} else {
		for (unsigned f = 0; d->kind_key[0] == 's' && f < in->field_count; f++)
			keep_field(b, &m, &in->field[f], d->value->pos);
		ok = type_exprs(b, d, in, &m);
	}
	if (!ok)
		return false;
	weir_schema_seal(m.out);
	s->map.count = m.out->field_count;
	s->map.field = m.field;
	s->port[0].schema = m.out;
	return true;
}

/* ---- the other kinds ---- */

static bool check_condition(struct weir_build *b, const struct weir_doc *doc, const char *what,
			    const struct weir_schema *in, const char **ret_text)
{
	struct weir_expr_info info;

	if (!weir_expr_check_doc(b, doc, what, in, ret_text, &info))
		return false;
	if (info.type.type == WEIR_BOOL)
		return true;
	weir_diag(b->diags, doc->pos, "`%s`: expected a condition (bool), but this is %s", what,
		  weir_type_text(b, info.type));
	return false;
}

static bool type_split(struct weir_build *b, struct weir_draft *d, struct weir_schema *in)
{
	struct weir_step *s = d->step;
	uint32_t n = 0;
	bool ok = true;

	if (!d->ports_known)
		return false;
	s->split.text = weir_region_array(b->region, const char *, s->split.count);
	for (uint32_t i = 0; i < d->value->count; i++) {
		const struct weir_doc_entry *e = &d->value->entry[i];

		if (weir_expr_is_rest(d->value, i))
			continue;
		ok = check_condition(b, e->value, s->port[n].name, in, &s->split.text[n]) && ok;
		n++;
	}
	for (uint32_t i = 0; i < d->plain_ports; i++)
		s->port[i].schema = in;
	return ok;
}

struct flat_map_options {
	const char *field, *as;
};

static const struct weir_opt flat_map_opt[] = {
	WEIR_OPTION("field", WEIR_OPT_TEXT, struct flat_map_options, field, .required = true),
	WEIR_OPTION("as", WEIR_OPT_TEXT, struct flat_map_options, as),
};

static bool type_flat_map(struct weir_build *b, struct weir_draft *d, const struct weir_schema *in)
{
	struct weir_walk walk = {"`flat_map`", flat_map_opt, WEIR_COUNT_OF(flat_map_opt)};
	struct flat_map_options o = {NULL, NULL};
	const struct weir_doc *field = d->value, *as = NULL;
	struct weir_step *s = d->step;
	struct weir_schema *out;
	bool ok = true;
	int f;

	if (d->value->kind == WEIR_DOC_MAP) {
		weir_walk_options(b, d->value, &walk, &o, &ok);
		field = weir_doc_get(d->value, "field");
		as = weir_doc_get(d->value, "as");
	} else if (weir_walk_text(b, d->value, "flat_map")) {
		o.field = weir_region_strdup(b->region, d->value->text);
	} else {
		return false;
	}
	if (!ok || (as && !weir_walk_field_name(b, as->text, as->pos)))
		return false;
	f = find_field(b, weir_str_c(o.field), field->pos, "flat_map", in);
	if (f < 0)
		return false;
	if (in->field[f].type.type != WEIR_LIST) {
		weir_diag(b->diags, field->pos, "`flat_map`: field `%s` is %s; it must be a list",
			  o.field, weir_type_text(b, in->field[f].type));
		return false;
	}
	if (as && !weir_str_is(as->text, o.field) && weir_schema_find(in, as->text) >= 0) {
		weir_diag(b->diags, as->pos, "`as`: there is a field `%s` already", o.as);
		return false;
	}
	out = weir_region_new(b->region, struct weir_schema);
	*out = *in;
	out->stream = 0;
	weir_name_copy(out->field[f].name, weir_str_c(as ? o.as : o.field));
	out->field[f].type.type = out->field[f].type.elem;
	out->field[f].type.elem = 0;
	out->field[f].nullable = false;
	weir_schema_seal(out);
	s->flat_map.field = (uint16_t)f;
	weir_name_copy(s->flat_map.as, weir_str_c(out->field[f].name));
	s->port[0].schema = out;
	return true;
}

static bool type_operator(struct weir_build *b, struct weir_draft *d, const struct weir_schema *in)
{
	struct weir_schema *out = weir_region_new(b->region, struct weir_schema);
	struct weir_step *s = d->step;
	struct weir_err err;
	bool ok = weir_keys_type(b, d, in);

	s->keyed = d->key_by != NULL;
	if (!ok || d->broken)
		return false;
	if (!b->ops || !b->ops->operator_schema) {
		weir_diag(b->diags, d->value->pos, "operators cannot be loaded here");
		return false;
	}
	if (b->ops->operator_schema(b->ops->ctx, s, in, out, &err)) {
		weir_diag(b->diags, d->value->pos, "%s", weir_show_error(b, err.text));
		return false;
	}
	s->port[0].schema = out;
	return true;
}

static bool type_own(struct weir_build *b, struct weir_draft *d, struct weir_schema *in)
{
	struct weir_step *s = d->step;

	switch (s->kind) {
	case WEIR_STEP_FILTER:
		s->port[0].schema = in;
		return check_condition(b, d->value, "filter", in, &s->filter.text);
	case WEIR_STEP_MAP:
		return type_map(b, d, in);
	case WEIR_STEP_FLAT_MAP:
		return type_flat_map(b, d, in);
	case WEIR_STEP_SPLIT:
		return type_split(b, d, in);
	case WEIR_STEP_UNION:
		s->port[0].schema = in;
		return true;
	case WEIR_STEP_KEY_BY:
		s->port[0].schema = in;
		s->keyed = true;
		return weir_keys_type(b, d, in);
	case WEIR_STEP_AGGREGATE:
		return weir_aggregate_type(b, d, in);
	case WEIR_STEP_TOP:
		return weir_top_type(b, d, in);
	case WEIR_STEP_OPERATOR:
		return type_operator(b, d, in);
	case WEIR_STEP_TABLE:
		return weir_table_type(b, d, in);
	case WEIR_STEP_SINK:
		return s->sink.connector == WEIR_CONN_BLACKHOLE ||
		       s->sink.format != WEIR_FORMAT_CSV || weir_csv_fits(b, in, d->value->pos);
	default:
		return true;
	}
}

void weir_draft_type(struct weir_build *b, struct weir_draft *d)
{
	struct weir_step *s = d->step;
	struct weir_schema *in;

	if (s->kind == WEIR_STEP_SOURCE || !d->kind_key)
		return;
	in = s->input_count ? input_schema(b, d) : NULL;
	if (!in) {
		d->broken = true;
		return;
	}
	s->timed = true;
	for (uint32_t i = 0; i < s->input_count; i++)
		s->timed = s->timed && input_timed(b, &s->input[i]);
	if (s->late_port >= 0)
		s->port[s->late_port].schema = in;
	if (!type_own(b, d, in))
		d->broken = true;
	/* Without keys there is one task, and nobody should believe in more. */
	if (s->keyed && !d->key_by && s->parallelism > 1)
		weir_diag(b->diags, weir_doc_get(d->doc, "parallelism")->pos,
			  "`parallelism`: without `key_by` all records go to one task; add "
			  "`key_by`, or "
			  "leave it out");
}
