/* SPDX-License-Identifier: Apache-2.0 */
/* Mappings, lists and names of a pipeline file: unknown keys, missing keys, wrong kinds. */
#include "base/assert.h"
#include "base/buf.h"
#include "engine/core/pipeline_int.h"

#define SHOW_MAX 60 /* bytes of a wrong value that are shown */
#define KEYS_MAX 32

/* A message is one line, whatever the file has in it. */
static const char *one_line(char *text)
{
	for (char *c = text; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	}
	return text;
}

const char *weir_show(struct weir_build *b, struct weir_str s)
{
	size_t n = s.n;
	char *p;

	if (n > SHOW_MAX) {
		/* Not inside a character. */
		for (n = SHOW_MAX; n > 0 && ((unsigned char)s.p[n] & 0xc0) == 0x80;)
			n--;
	}
	p = weir_region_printf(b->region, "%.*s%s", (int)n, s.p, n < s.n ? "..." : "");
	return one_line(p);
}

const char *weir_show_error(struct weir_build *b, const char *text)
{
	return one_line(weir_region_strdup(b->region, weir_str_c(text)));
}

const char *weir_doc_kind_name(const struct weir_doc *d)
{
	switch (d->kind) {
	case WEIR_DOC_SCALAR:
		return "a text";
	case WEIR_DOC_LIST:
		return "a list";
	case WEIR_DOC_MAP:
		return "a mapping";
	default:
		return "nothing";
	}
}

static bool wrong_kind(struct weir_build *b, const struct weir_doc *d, const char *what,
		       const char *expected)
{
	weir_diag(b->diags, d->pos, "`%s`: expected %s, found %s", what, expected,
		  weir_doc_kind_name(d));
	return false;
}

bool weir_walk_map(struct weir_build *b, const struct weir_doc *d, const char *what)
{
	if (d->kind != WEIR_DOC_MAP)
		return wrong_kind(b, d, what, "a mapping");
	if (d->count == 0) {
		weir_diag(b->diags, d->pos, "`%s`: the mapping is empty", what);
		return false;
	}
	return true;
}

bool weir_walk_list(struct weir_build *b, const struct weir_doc *d, const char *what)
{
	if (d->kind != WEIR_DOC_LIST)
		return wrong_kind(b, d, what, "a list");
	if (d->count == 0) {
		weir_diag(b->diags, d->pos, "`%s`: the list is empty", what);
		return false;
	}
	return true;
}

bool weir_walk_text(struct weir_build *b, const struct weir_doc *d, const char *what)
{
	return weir_walk_scalar(b, d, what, "a text");
}

bool weir_walk_scalar(struct weir_build *b, const struct weir_doc *d, const char *what,
		      const char *expected)
{
	if (d->kind != WEIR_DOC_SCALAR)
		return wrong_kind(b, d, what, expected);
	if (d->text.n == 0) {
		weir_diag(b->diags, d->pos, "`%s`: the text is empty", what);
		return false;
	}
	/* Texts end up as C strings. */
	if (memchr(d->text.p, 0, d->text.n)) {
		weir_diag(b->diags, d->pos, "`%s`: the text contains a zero byte", what);
		return false;
	}
	return true;
}

/* ---- names ---- */

static bool name_byte(char c, bool first)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
	       (!first && ((c >= '0' && c <= '9') || c == '-'));
}

bool weir_name_ok(struct weir_str name)
{
	bool ok = name.n > 0 && name.n <= WEIR_NAME_MAX;

	for (size_t i = 0; ok && i < name.n; i++)
		ok = name_byte(name.p[i], i == 0);
	return ok;
}

bool weir_walk_name(struct weir_build *b, struct weir_str name, struct weir_doc_pos pos,
		    const char *what)
{
	if (name.n == 0) {
		weir_diag(b->diags, pos, "the %s is empty", what);
		return false;
	}
	if (name.n > WEIR_NAME_MAX) {
		weir_diag(b->diags, pos, "the %s has %zu bytes; at most %d are allowed", what,
			  name.n, WEIR_NAME_MAX);
		return false;
	}
	if (!weir_name_ok(name)) {
		weir_diag(b->diags, pos,
			  "the %s `%s` may only have letters, digits, `_` and `-`, and begin "
			  "with a letter or `_`",
			  what, weir_show(b, name));
		return false;
	}
	return true;
}

bool weir_walk_field_name(struct weir_build *b, struct weir_str name, struct weir_doc_pos pos)
{
	bool bad = name.n == 0 || name.p[0] == ' ' || name.p[name.n - 1] == ' ';

	if (name.n > WEIR_NAME_MAX) {
		weir_diag(b->diags, pos,
			  "the field name `%s` has %zu bytes; at most %d are "
			  "allowed",
			  weir_show(b, name), name.n, WEIR_NAME_MAX);
		return false;
	}
	for (size_t i = 0; i < name.n; i++)
		bad = bad || (unsigned char)name.p[i] < ' ' || name.p[i] == 0x7f ||
		      name.p[i] == '`';
	if (bad)
		weir_diag(b->diags, pos,
			  "a field name needs at least one character, no control characters or "
			  "backquotes in it, and no spaces around it");
	return !bad;
}

void weir_name_copy(char *to, struct weir_str name)
{
	weir_assert(name.n <= WEIR_NAME_MAX);
	memcpy(to, name.p, name.n);
	to[name.n] = 0;
}

const char *weir_walk_hint(struct weir_build *b, struct weir_str name, const char *const *known,
			   size_t count)
{
	const char *near = weir_str_suggest(name, known, count);
	char text[1024];
	struct weir_buf out = weir_buf_of(text, sizeof(text));

	if (near)
		return weir_region_printf(b->region, "; did you mean `%s`?", near);
	if (count == 0)
		return "";
	weir_buf_lit(&out, "; known are ");
	for (size_t i = 0; i < count && !out.full; i++) {
		if (i)
			weir_buf_lit(&out, ", ");
		/* A long list is cut: the reader gets the idea. */
		if (i == 40) {
			weir_buf_lit(&out, "...");
			break;
		}
		weir_buf_lit(&out, known[i]);
	}
	return weir_region_strdup(b->region, (struct weir_str){text, out.len});
}

const char *weir_walk_field_hint(struct weir_build *b, struct weir_str name,
				 const struct weir_schema *s)
{
	const char *known[WEIR_FIELDS_MAX] = {NULL};

	for (unsigned i = 0; i < s->field_count; i++)
		known[i] = s->field[i].name;
	return weir_walk_hint(b, name, known, s->field_count);
}

uint32_t weir_walk_names(struct weir_build *b, const struct weir_doc *d, const char *what,
			 struct weir_str **ret_name, struct weir_doc_pos **ret_pos)
{
	const struct weir_doc *one[1] = {d};
	const struct weir_doc *const *item = one;
	uint32_t n = 1, kept = 0;

	if (d->kind != WEIR_DOC_SCALAR) {
		if (d->kind != WEIR_DOC_LIST) {
			wrong_kind(b, d, what, "a name or a list of names");
			return 0;
		}
		if (!weir_walk_list(b, d, what))
			return 0;
		item = (const struct weir_doc *const *)d->item;
		n = d->count;
	}
	*ret_name = weir_region_array(b->region, struct weir_str, n);
	*ret_pos = weir_region_array(b->region, struct weir_doc_pos, n);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t k = 0;

		if (!weir_walk_text(b, item[i], what))
			return 0;
		while (k < kept && !weir_str_eq((*ret_name)[k], item[i]->text))
			k++;
		if (k < kept) {
			weir_diag(b->diags, item[i]->pos, "`%s`: `%s` is listed twice", what,
				  weir_show(b, item[i]->text));
			continue;
		}
		(*ret_name)[kept] = item[i]->text;
		(*ret_pos)[kept++] = item[i]->pos;
	}
	return kept;
}

/* ---- options ---- */

const char *weir_walk_path(struct weir_build *b, struct weir_str path)
{
	size_t n = strlen(b->dir);

	if (n == 0 || path.p[0] == '/')
		return weir_region_strdup(b->region, path);
	return weir_region_printf(b->region, "%s%s%.*s", b->dir, b->dir[n - 1] == '/' ? "" : "/",
				  (int)path.n, path.p);
}

static bool option_u32(struct weir_build *b, const struct weir_doc *d, const struct weir_opt *o,
		       uint32_t *ret)
{
	uint64_t v;

	weir_assert(o->max <= UINT32_MAX);
	if (!weir_value_count(b, d, o->key, o->min, o->max, &v))
		return false;
	*ret = (uint32_t)v;
	return true;
}

static bool option_read(struct weir_build *b, const struct weir_doc *d, const struct weir_opt *o,
			void *to)
{
	switch (o->kind) {
	case WEIR_OPT_TEXT:
		if (!weir_walk_text(b, d, o->key))
			return false;
		*(const char **)to = weir_region_strdup(b->region, d->text);
		return true;
	case WEIR_OPT_PATH:
		if (!weir_walk_text(b, d, o->key))
			return false;
		*(const char **)to = weir_walk_path(b, d->text);
		return true;
	case WEIR_OPT_ADDRESS:
		return weir_value_address(b, d, o->key, to);
	case WEIR_OPT_BOOL:
		return weir_value_bool(b, d, o->key, to);
	case WEIR_OPT_U32:
		return option_u32(b, d, o, to);
	case WEIR_OPT_U64:
		return weir_value_count(b, d, o->key, o->min, o->max, to);
	case WEIR_OPT_SIZE:
		return weir_value_size(b, d, o->key, o->min, o->max, to);
	case WEIR_OPT_DURATION:
		return weir_value_duration(b, d, o->key, (int64_t)o->min, (int64_t)o->max, to);
	case WEIR_OPT_TIME:
		return weir_value_time(b, d, o->key, to);
	case WEIR_OPT_CHOICE:
		return weir_value_choice(b, d, o->key, o->choice, to);
	default:
		return true;
	}
}

/* The option that an unknown key is a misspelling of, as a bit; 0: none. */
static uint64_t option_meant(struct weir_str key, const char *const *known, size_t count)
{
	const char *near = weir_str_suggest(key, known, count);

	for (size_t i = 0; near && i < count; i++) {
		if (known[i] == near)
			return UINT64_C(1) << i;
	}
	return 0;
}

uint64_t weir_walk_options(struct weir_build *b, const struct weir_doc *map,
			   const struct weir_walk *w, void *out, bool *ret_ok)
{
	const char *known[KEYS_MAX];
	uint64_t given = 0, meant = 0;
	bool ok = true;

	weir_assert(w->count <= KEYS_MAX);
	for (size_t i = 0; i < w->count; i++)
		known[i] = w->opt[i].key;
	for (uint32_t e = 0; e < map->count; e++) {
		const struct weir_doc_entry *entry = &map->entry[e];
		size_t i = 0;

		while (i < w->count && !weir_str_is(entry->key, w->opt[i].key))
			i++;
		if (i == w->count) {
			meant |= option_meant(entry->key, known, w->count);
			weir_diag(b->diags, entry->pos, "unknown key `%s` in %s%s",
				  weir_show(b, entry->key), w->what,
				  w->count ? weir_walk_hint(b, entry->key, known, w->count)
					   : "; it takes none");
			ok = false;
			continue;
		}
		given |= UINT64_C(1) << i;
		if (!option_read(b, entry->value, &w->opt[i], (char *)out + w->opt[i].offset))
			ok = false;
	}
	for (size_t i = 0; i < w->count; i++) {
		/* A misspelt key is not missing as well. */
		if (!w->opt[i].required || ((given | meant) & UINT64_C(1) << i))
			continue;
		weir_diag(b->diags, map->pos, "%s needs `%s`", w->what, w->opt[i].key);
		ok = false;
	}
	if (ret_ok && !ok)
		*ret_ok = false;
	return given;
}
