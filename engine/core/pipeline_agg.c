/* SPDX-License-Identifier: Apache-2.0 */
/* aggregate and top: functions, types, output schemas. */
#include "base/assert.h"
#include "base/buf.h"
#include "engine/core/pipeline_int.h"

#define ARGS_MAX 3
#define TOP_K_MAX 100000

/* ---- fn(args) ---- */

struct call {
	struct weir_str fn;
	uint32_t count;
	struct weir_str arg[ARGS_MAX];
	size_t fn_at, arg_at[ARGS_MAX]; /* bytes into the text */
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

static void add_arg(struct call *c, struct weir_str s, size_t from, size_t to)
{
	while (from < to && is_space(s.p[from]))
		from++;
	while (to > from && is_space(s.p[to - 1]))
		to--;
	if (c->count < ARGS_MAX) {
		c->arg[c->count] = (struct weir_str){s.p + from, to - from};
		c->arg_at[c->count] = from;
	}
	c->count++;
}

/* Splits "fn(a, b)". NULL, or what is wrong at *ret_at. */
static const char *parse_call(struct weir_str s, struct call *c, size_t *ret_at)
{
	size_t at = 0, start, depth = 0;

	memset(c, 0, sizeof(*c));
	while (at < s.n && is_space(s.p[at]))
		at++;
	c->fn_at = at;
	while (at < s.n && is_word(s.p[at]))
		at++;
	c->fn = (struct weir_str){s.p + c->fn_at, at - c->fn_at};
	while (at < s.n && is_space(s.p[at]))
		at++;
	*ret_at = c->fn_at;
	if (c->fn.n == 0 || at == s.n || s.p[at] != '(')
		return "expected an aggregate function and its arguments, such as sum(price)";
	start = ++at;
	while (at < s.n && !(depth == 0 && s.p[at] == ')')) {
		char ch = s.p[at];

		if (ch == '"' || ch == '\'' || ch == '`') {
			at = weir_expr_skip_quoted(s, at);
			continue;
		}
		if (ch == '(' || ch == '[')
			depth++;
		else if ((ch == ')' || ch == ']') && depth > 0)
			depth--;
		else if (ch == ',' && depth == 0) {
			add_arg(c, s, start, at);
			start = at + 1;
		}
		at++;
	}
	*ret_at = start - 1;
	if (at >= s.n)
		return "this `(` is not closed";
	/* "()" has no arguments, "( )" neither. */
	add_arg(c, s, start, at);
	if (c->count == 1 && c->arg[0].n == 0)
		c->count = 0;
	at++;
	while (at < s.n && is_space(s.p[at]))
		at++;
	*ret_at = at;
	if (at < s.n)
		return "an aggregate is one function call; compute with its result in a `map` "
		       "behind it";
	return NULL;
}

/* ---- functions ---- */

static const struct fn {
	const char *name;
	enum weir_agg_fn fn;
	uint32_t min, max; /* arguments */
	const char *usage;
} fns[] = {
	{"count", WEIR_AGG_COUNT, 0, 1, "count() or count(x)"},
	{"sum", WEIR_AGG_SUM, 1, 1, "sum(x)"},
	{"min", WEIR_AGG_MIN, 1, 1, "min(x)"},
	{"max", WEIR_AGG_MAX, 1, 1, "max(x)"},
	{"avg", WEIR_AGG_AVG, 1, 1, "avg(x)"},
	{"first", WEIR_AGG_FIRST, 1, 1, "first(x)"},
	{"last", WEIR_AGG_LAST, 1, 1, "last(x)"},
	{"arg_min", WEIR_AGG_ARG_MIN, 2, 2, "arg_min(x, by)"},
	{"arg_max", WEIR_AGG_ARG_MAX, 2, 2, "arg_max(x, by)"},
	{"distinct", WEIR_AGG_DISTINCT, 1, 1, "distinct(x)"},
};

static const struct fn *find_fn(struct weir_build *b, struct weir_str name, struct weir_doc_pos pos)
{
	const char *known[WEIR_COUNT_OF(fns)];

	for (size_t i = 0; i < WEIR_COUNT_OF(fns); i++) {
		if (weir_str_is(name, fns[i].name))
			return &fns[i];
		known[i] = fns[i].name;
	}
	weir_diag(b->diags, pos, "unknown aggregate function `%s`%s", weir_show(b, name),
		  weir_walk_hint(b, name, known, WEIR_COUNT_OF(known)));
	return NULL;
}

/* What the function makes of its argument's type; WEIR_NONE: it does not take it. */
static struct weir_typeinfo result_type(enum weir_agg_fn fn, struct weir_typeinfo arg)
{
	struct weir_typeinfo none = {0};

	switch (fn) {
	case WEIR_AGG_COUNT:
		return weir_type_of(WEIR_INT64);
	case WEIR_AGG_DISTINCT:
		return arg.type == WEIR_LIST ? none : weir_type_of(WEIR_INT64);
	case WEIR_AGG_SUM:
		if (arg.type == WEIR_DECIMAL) {
			arg.precision = WEIR_DECIMAL_PRECISION_MAX;
			return arg;
		}
		return arg.type == WEIR_INT64 || arg.type == WEIR_FLOAT64 ||
				       arg.type == WEIR_DURATION
			       ? arg
			       : none;
	case WEIR_AGG_AVG:
		if (arg.type == WEIR_DURATION)
			return arg;
		return arg.type == WEIR_INT64 || arg.type == WEIR_FLOAT64 ||
				       arg.type == WEIR_DECIMAL
			       ? weir_type_of(WEIR_FLOAT64)
			       : none;
	default:
		return arg.type == WEIR_LIST ? none : arg;
	}
}

static bool check_args(struct weir_build *b, const struct weir_doc *doc, const struct call *c,
		       const struct fn *fn, const struct weir_schema *in, struct weir_agg_spec *a)
{
	struct weir_expr_info info[2] = {{.field = -1}, {.field = -1}};

	for (uint32_t i = 0; i < c->count; i++) {
		if (c->arg[i].n == 0) {
			weir_diag(b->diags, weir_doc_at(doc, c->arg_at[i]),
				  "argument %u of %s is empty", i + 1, fn->name);
			return false;
		}
		if (!weir_expr_check(b, doc, c->arg_at[i], c->arg[i], in, &info[i]))
			return false;
		if (info[i].type.type == WEIR_NONE) {
			weir_diag(b->diags, weir_doc_at(doc, c->arg_at[i]),
				  "argument %u of %s is null, which has no type", i + 1, fn->name);
			return false;
		}
	}
	a->fn = fn->fn;
	a->result_type = result_type(fn->fn, info[0].type);
	if (a->result_type.type == WEIR_NONE) {
		weir_diag(b->diags, weir_doc_at(doc, c->arg_at[0]), "%s does not take %s", fn->name,
			  weir_type_text(b, info[0].type));
		return false;
	}
	if (c->count > 1 && info[1].type.type == WEIR_LIST) {
		weir_diag(b->diags, weir_doc_at(doc, c->arg_at[1]), "%s cannot order by %s",
			  fn->name, weir_type_text(b, info[1].type));
		return false;
	}
	if (c->count > 0) {
		a->arg = weir_region_strdup(b->region, c->arg[0]);
		a->arg_type = info[0].type;
		a->arg_nullable = info[0].nullable;
	}
	if (c->count > 1) {
		a->by = weir_region_strdup(b->region, c->arg[1]);
		a->by_type = info[1].type;
		a->by_nullable = info[1].nullable;
	}
	a->result_nullable = fn->fn != WEIR_AGG_COUNT && fn->fn != WEIR_AGG_DISTINCT &&
			     (a->arg_nullable || a->by_nullable);
	return true;
}

static bool read_agg(struct weir_build *b, const struct weir_doc_entry *e,
		     const struct weir_schema *in, struct weir_agg_spec *a)
{
	const struct weir_doc *doc = e->value;
	const struct fn *fn;
	const char *wrong;
	struct call c;
	size_t at;

	if (!weir_walk_field_name(b, e->key, e->pos))
		return false;
	weir_name_copy(a->name, e->key);
	if (doc->kind != WEIR_DOC_SCALAR) {
		weir_diag(b->diags, doc->pos, "`%s`: expected a function such as count(), found %s",
			  a->name, weir_doc_kind_name(doc));
		return false;
	}
	if (!weir_walk_text(b, doc, a->name) || weir_expr_cut(b, doc))
		return false;
	wrong = parse_call(doc->text, &c, &at);
	if (wrong) {
		weir_diag(b->diags, weir_doc_at(doc, at), "`%s`: %s", a->name, wrong);
		return false;
	}
	fn = find_fn(b, c.fn, weir_doc_at(doc, c.fn_at));
	if (!fn)
		return false;
	if (c.count < fn->min || c.count > fn->max) {
		weir_diag(b->diags, weir_doc_at(doc, c.fn_at), "%s has %u argument%s; write %s",
			  fn->name, c.count, c.count == 1 ? "" : "s", fn->usage);
		return false;
	}
	return check_args(b, doc, &c, fn, in, a);
}

/* ---- output schemas ---- */

static bool add_field(struct weir_schema *s, const char *name, struct weir_typeinfo type,
		      bool nullable)
{
	return weir_schema_add(s, weir_str_c(name), type, nullable) >= 0;
}

/* Adds window_start and window_end. The caller has seen to the names. */
static bool add_window(struct weir_schema *s)
{
	return add_field(s, "window_start", weir_type_of(WEIR_TIMESTAMP), false) &&
	       add_field(s, "window_end", weir_type_of(WEIR_TIMESTAMP), false);
}

static bool is_window_name(const char *name)
{
	return strcmp(name, "window_start") == 0 || strcmp(name, "window_end") == 0;
}

static struct weir_schema *begin_output(struct weir_build *b, struct weir_draft *d,
					const struct weir_schema *in)
{
	struct weir_schema *out = weir_region_new(b->region, struct weir_schema);

	for (uint32_t i = 0; i < d->step->key_count; i++) {
		const struct weir_field *f = &in->field[d->step->key[i]];

		if (is_window_name(f->name)) {
			weir_diag(
				b->diags, d->key_by->pos,
				"`key_by`: the result has a `%s` of its own; rename the field with "
				"a `map` before",
				f->name);
			return NULL;
		}
		out->field[out->field_count++] = *f;
	}
	add_window(out);
	return out;
}

bool weir_aggregate_type(struct weir_build *b, struct weir_draft *d, const struct weir_schema *in)
{
	struct weir_aggregate_spec *spec = &d->step->aggregate;
	struct weir_schema *out;
	bool ok = weir_need_times(b, d);

	d->step->keyed = true;
	ok = weir_keys_type(b, d, in) && ok;
	out = begin_output(b, d, in);
	spec->key_count = d->step->key_count;
	memcpy(spec->key, d->step->key, sizeof(spec->key));
	if (!weir_walk_map(b, d->value, "aggregate"))
		return false;
	for (uint32_t i = 0; i < d->value->count; i++) {
		const struct weir_doc_entry *e = &d->value->entry[i];
		struct weir_agg_spec *a = &spec->agg[spec->agg_count];

		if (weir_expr_is_rest(d->value, i))
			continue;
		if (spec->agg_count == WEIR_AGGREGATES_MAX) {
			weir_diag(b->diags, e->pos, "`aggregate`: more than %d aggregates",
				  WEIR_AGGREGATES_MAX);
			return false;
		}
		if (!read_agg(b, e, in, a)) {
			ok = false;
			continue;
		}
		if (out && weir_schema_find(out, e->key) >= 0) {
			weir_diag(b->diags, e->pos,
				  "`%s`: the result has %s of this name; choose another one",
				  a->name,
				  is_window_name(a->name) ? "a window bound" : "a key field");
			ok = false;
			continue;
		}
		spec->agg_count++;
		if (out)
			weir_assert(add_field(out, a->name, a->result_type, a->result_nullable));
	}
	d->step->timed = true;
	if (!ok || !out || (spec->global && !weir_global_type(b, d, in, out)))
		return false;
	weir_schema_seal(out);
	d->step->port[0].schema = out;
	return true;
}

/* ---- top ---- */

static const struct weir_opt top_opt[] = {
	WEIR_OPTION("k", WEIR_OPT_U32, struct weir_top_spec, k, .min = 1, .max = TOP_K_MAX),
	WEIR_OPTION("smallest", WEIR_OPT_BOOL, struct weir_top_spec, smallest),
	WEIR_OPTION("ties", WEIR_OPT_BOOL, struct weir_top_spec, ties),
	{.key = "by", .required = true},
};

bool weir_top_type(struct weir_build *b, struct weir_draft *d, const struct weir_schema *in)
{
	struct weir_walk walk = {"`top`", top_opt, WEIR_COUNT_OF(top_opt)};
	struct weir_top_spec *spec = &d->step->top;
	struct weir_expr_info info;
	struct weir_schema *out;
	const struct weir_doc *by;
	bool ok = weir_need_times(b, d);

	d->step->keyed = true;
	d->step->timed = true;
	ok = weir_keys_type(b, d, in) && ok;
	spec->key_count = d->step->key_count;
	memcpy(spec->key, d->step->key, sizeof(spec->key));
	spec->k = 1;
	spec->ties = true;
	if (!weir_walk_map(b, d->value, "top"))
		return false;
	weir_walk_options(b, d->value, &walk, spec, &ok);
	by = weir_doc_get(d->value, "by");
	if (!by)
		return false;
	if (!weir_expr_check_doc(b, by, "by", in, &spec->by, &info))
		return false;
	if (info.type.type == WEIR_LIST || info.type.type == WEIR_NONE) {
		weir_diag(b->diags, by->pos, "`by`: records cannot be ordered by %s",
			  weir_type_text(b, info.type));
		return false;
	}
	for (unsigned i = 0; i < in->field_count; i++) {
		if (!is_window_name(in->field[i].name))
			continue;
		weir_diag(b->diags, d->step->pos,
			  "the input of `%s` has a field `%s`, which the result has too; rename or "
			  "drop it before",
			  d->step->name, in->field[i].name);
		return false;
	}
	if (in->field_count + 2 > WEIR_FIELDS_MAX) {
		weir_diag(b->diags, d->step->pos,
			  "the result of `%s` has more than %d fields; drop some before",
			  d->step->name, WEIR_FIELDS_MAX);
		return false;
	}
	if (!ok)
		return false;
	out = weir_region_new(b->region, struct weir_schema);
	*out = *in;
	out->stream = 0;
	weir_assert(add_window(out));
	weir_schema_seal(out);
	d->step->port[0].schema = out;
	return true;
}
