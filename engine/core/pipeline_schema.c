/* SPDX-License-Identifier: Apache-2.0 */
/* schema: and event_time: of a source. */
#include "engine/core/pipeline_int.h"

bool weir_schema_read(struct weir_build *b, const struct weir_doc *doc, struct weir_schema *ret)
{
	bool ok = true;

	if (!weir_walk_map(b, doc, "schema"))
		return false;
	for (uint32_t i = 0; i < doc->count; i++) {
		const struct weir_doc_entry *e = &doc->entry[i];
		struct weir_field f;
		struct weir_err err;

		if (weir_expr_is_rest(doc, i))
			continue;
		if (!weir_walk_field_name(b, e->key, e->pos) ||
		    !weir_walk_text(b, e->value, weir_show(b, e->key)) ||
		    weir_expr_cut(b, e->value)) {
			ok = false;
			continue;
		}
		if (weir_type_parse(e->value->text, &f, &err)) {
			weir_diag(b->diags, e->value->pos, "field `%s`: %s", weir_show(b, e->key),
				  weir_show_error(b, err.text));
			ok = false;
			continue;
		}
		if (ret->field_count == WEIR_FIELDS_MAX) {
			weir_diag(b->diags, e->pos, "`schema`: more than %d fields",
				  WEIR_FIELDS_MAX);
			return false;
		}
		weir_schema_add(ret, e->key, f.type, f.nullable);
		memcpy(ret->field[ret->field_count - 1].format, f.format, sizeof(f.format));
	}
	weir_schema_seal(ret);
	return ok;
}

/* ---- event_time ---- */

struct time_options {
	const char *field;
	int64_t lateness_ns, idle_ns;
};

#define LATENESS_MAX ((uint64_t)(3660 * 86400 * WEIR_NS_PER_S))

static const struct weir_opt time_opt[] = {
	WEIR_OPTION("field", WEIR_OPT_TEXT, struct time_options, field),
	WEIR_OPTION("lateness", WEIR_OPT_DURATION, struct time_options, lateness_ns,
		    .max = LATENESS_MAX),
	WEIR_OPTION("idle", WEIR_OPT_DURATION, struct time_options, idle_ns, .max = LATENESS_MAX),
};

/* Index of the field in one stream, or -1 (reported). */
static int32_t time_field(struct weir_build *b, const struct weir_port_def *port, const char *name,
			  struct weir_doc_pos pos)
{
	const struct weir_schema *s = port->schema;
	const char *in = port->name[0] ? weir_region_printf(b->region, " in `%s`", port->name) : "";
	int i = weir_schema_find(s, weir_str_c(name));

	if (i < 0) {
		weir_diag(b->diags, pos, "`event_time`: there is no field `%s`%s%s",
			  weir_show(b, weir_str_c(name)), in,
			  weir_walk_field_hint(b, weir_str_c(name), s));
		return -1;
	}
	if (s->field[i].type.type != WEIR_TIMESTAMP) {
		weir_diag(
			b->diags, pos,
			"`event_time`: field `%s`%s is %s; it must be a timestamp (in the schema: "
			"`%s: timestamp` or `\"timestamp(FORMAT)\"`)",
			name, in, weir_type_text(b, s->field[i].type), name);
		return -1;
	}
	if (s->field[i].nullable) {
		weir_diag(
			b->diags, pos,
			"`event_time`: field `%s`%s may be null, but every record needs its time; "
			"remove the `?` from its type",
			name, in);
		return -1;
	}
	return i;
}

bool weir_event_time_read(struct weir_build *b, struct weir_draft *d, const struct weir_doc *doc,
			  const char *time_name)
{
	struct weir_source_spec *s = &d->step->source;
	struct weir_walk walk = {"`event_time`", time_opt, WEIR_COUNT_OF(time_opt)};
	struct time_options o = {time_name, s->lateness_ns, s->idle_ns};
	struct weir_doc_pos pos = doc->pos;
	bool ok = true;

	if (doc->kind == WEIR_DOC_MAP) {
		const struct weir_doc *field = weir_doc_get(doc, "field");

		weir_walk_options(b, doc, &walk, &o, &ok);
		if (field)
			pos = field->pos;
	} else if (weir_walk_text(b, doc, "event_time")) {
		o.field = weir_region_strdup(b->region, doc->text);
	} else {
		ok = false;
	}
	if (ok && !o.field) {
		weir_diag(b->diags, pos, "event_time needs `field`: the timestamp field");
		ok = false;
	}
	if (!ok)
		return false;
	s->lateness_ns = o.lateness_ns;
	s->idle_ns = o.idle_ns;
	for (uint32_t i = 0; i < d->plain_ports; i++) {
		int32_t f;

		/* Reported with the schema. */
		if (!d->step->port[i].schema)
			continue;
		f = time_field(b, &d->step->port[i], o.field, pos);
		ok = ok && f >= 0;
		if (i == 0)
			s->time_field = f;
	}
	return ok;
}
