/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions in a pipeline file: compiled once for their type, errors at their place in the file. */
#include "base/buf.h"
#include "engine/core/pipeline_int.h"

struct weir_doc_pos weir_doc_at(const struct weir_doc *d, size_t offset)
{
	struct weir_doc_pos pos = d->pos;

	/* A text with escapes or over several lines: only its beginning is known. */
	if (!d->verbatim)
		return pos;
	pos.column += d->quoted;
	for (size_t i = 0; i < offset && i < d->text.n; i++)
		pos.column += ((unsigned char)d->text.p[i] & 0xc0) != 0x80;
	return pos;
}

const char *weir_type_text(struct weir_build *b, struct weir_typeinfo type)
{
	struct weir_field f = {.type = type};
	char text[64];
	struct weir_buf out = weir_buf_of(text, sizeof(text));

	if (type.type == WEIR_NONE)
		return "null";
	weir_buf_type(&out, &f);
	return weir_region_strdup(b->region, (struct weir_str){text, out.len});
}

bool weir_expr_check(struct weir_build *b, const struct weir_doc *d, size_t from,
		     struct weir_str text, const struct weir_schema *schema,
		     struct weir_expr_info *ret)
{
	struct weir_expr_env env = {.schema = schema, .regex = b->ops ? b->ops->regex : NULL};
	struct weir_expr_error err = {0};
	struct weir_expr *e;

	if (weir_expr_compile(&env, text, b->region, &e, &err)) {
		weir_diag(b->diags, weir_doc_at(d, from + err.offset), "%s",
			  weir_show_error(b, err.text));
		return false;
	}
	ret->type = weir_expr_type(e);
	ret->nullable = weir_expr_nullable(e);
	ret->field = weir_expr_field(e);
	weir_expr_fini(e);
	return true;
}

bool weir_expr_check_doc(struct weir_build *b, const struct weir_doc *d, const char *what,
			 const struct weir_schema *schema, const char **ret_text,
			 struct weir_expr_info *ret)
{
	if (d->kind != WEIR_DOC_SCALAR) {
		weir_diag(b->diags, d->pos, "`%s`: expected an expression, found %s", what,
			  weir_doc_kind_name(d));
		return false;
	}
	if (!weir_walk_text(b, d, what) || weir_expr_cut(b, d) ||
	    !weir_expr_check(b, d, 0, d->text, schema, ret))
		return false;
	*ret_text = weir_region_strdup(b->region, d->text);
	return true;
}

/* ---- texts that a comma in { } has cut ---- */

size_t weir_expr_skip_quoted(struct weir_str s, size_t at)
{
	char q = s.p[at];
	bool raw = q == '`' || (at > 0 && (s.p[at - 1] == 'r' || s.p[at - 1] == 'R')) ||
		   (at > 1 && (s.p[at - 2] == 'r' || s.p[at - 2] == 'R') &&
		    (s.p[at - 1] == 'b' || s.p[at - 1] == 'B'));
	size_t quotes = q != '`' && at + 2 < s.n && s.p[at + 1] == q && s.p[at + 2] == q ? 3 : 1;

	for (at += quotes; at < s.n; at++) {
		if (s.p[at] == '\\' && !raw) {
			at++;
			continue;
		}
		if (s.p[at] != q)
			continue;
		if (quotes == 1)
			return at + 1;
		if (at + 2 < s.n && s.p[at + 1] == q && s.p[at + 2] == q)
			return at + 3;
	}
	return s.n;
}

static bool cut(const struct weir_doc *d)
{
	int open = 0;

	if (d->kind != WEIR_DOC_SCALAR || d->quoted)
		return false;
	for (size_t i = 0; i < d->text.n;) {
		char c = d->text.p[i];

		if (c == '"' || c == '\'' || c == '`') {
			i = weir_expr_skip_quoted(d->text, i);
			continue;
		}
		open += (c == '(') - (c == ')');
		i++;
	}
	return open > 0;
}

bool weir_expr_cut(struct weir_build *b, const struct weir_doc *d)
{
	if (!cut(d))
		return false;
	weir_diag(b->diags, d->pos,
		  "`%s`: a `(` is not closed; inside { } a comma ends a text, so put it in quotes",
		  weir_show(b, d->text));
	return true;
}

bool weir_expr_is_rest(const struct weir_doc *map, uint32_t entry)
{
	if (map->entry[entry].value->kind != WEIR_DOC_NULL)
		return false;
	while (entry > 0 && map->entry[entry].value->kind == WEIR_DOC_NULL)
		entry--;
	return cut(map->entry[entry].value);
}
