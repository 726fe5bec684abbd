/* SPDX-License-Identifier: Apache-2.0 */
#include "host/yaml.h"

#include <stdlib.h>
#include <yaml.h>

#include "base/assert.h"
#include "base/err.h"

/* An open mapping or list. Its children wait on the value stack from `first` on. */
struct level {
	struct weir_doc *doc;
	size_t first;
	struct weir_str key;
	struct weir_doc_pos key_pos;
	bool have_key;
	bool skip_value; /* the key was refused */
};

struct reader {
	struct weir_region *region;
	struct weir_diags *diags;
	yaml_parser_t parser;
	struct level level[WEIR_YAML_DEPTH_MAX];
	unsigned depth;
	struct weir_doc_entry *stack; /* children of the open levels */
	size_t stack_count, stack_cap;
	size_t nodes;
	struct weir_doc *root;
	bool failed; /* reported, but reading goes on */
};

#define SHOWN_MAX 100 /* bytes of a key or tag in a message */

static struct weir_doc_pos pos_of(const yaml_mark_t *m)
{
	return (struct weir_doc_pos){(uint32_t)m->line + 1, (uint32_t)m->column + 1};
}

/* ---- text that libyaml would describe only by an offset ---- */

/* Length of the UTF-8 sequence at p (RFC 3629), or 0. */
static size_t utf8_length(const unsigned char *p, size_t n)
{
	unsigned char c = p[0];
	size_t len = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

	if (len == 0 || len > n)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) ||
	    (c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

static bool control_byte(unsigned char c)
{
	return (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
}

/* Reports the first byte that cannot stand in the file. */
static bool check_text(struct weir_str text, struct weir_diags *diags)
{
	struct weir_doc_pos pos = {1, 1};
	const unsigned char *p = (const unsigned char *)text.p;

	if (text.n > WEIR_YAML_BYTES_MAX) {
		weir_diag(diags, (struct weir_doc_pos){1, 1},
			  "the file has %zu bytes; at most %zu are read", text.n,
			  WEIR_YAML_BYTES_MAX);
		return false;
	}
	if (text.n >= 2 && ((p[0] == 0xff && p[1] == 0xfe) || (p[0] == 0xfe && p[1] == 0xff))) {
		weir_diag(diags, pos, "the file is in UTF-16; save it as UTF-8");
		return false;
	}
	for (size_t i = 0; i < text.n;) {
		size_t len = utf8_length(p + i, text.n - i);

		if (len == 0) {
			weir_diag(diags, pos, "byte 0x%02x is not UTF-8; save the file as UTF-8",
				  p[i]);
			return false;
		}
		if (control_byte(p[i])) {
			weir_diag(diags, pos,
				  "control byte 0x%02x; in a text in double quotes write \\x%02x",
				  p[i], p[i]);
			return false;
		}
		if (p[i] == '\n' || (p[i] == '\r' && (i + 1 == text.n || p[i + 1] != '\n'))) {
			pos.line++;
			pos.column = 1;
		} else {
			pos.column++;
		}
		i += len;
	}
	return true;
}

/* ---- syntax errors ---- */

/* What to do about it, for the messages that users meet most. */
static const char *syntax_hint(const char *problem)
{
	static const struct {
		const char *problem, *hint;
	} hint[] = {
		{"mapping values are not allowed",
		 "; a text with `: ` in it must stand in quotes, and a nested key on its own line"},
		{"cannot start any token",
		 "; indent with spaces, and put a text that begins with %, @ or ` in quotes"},
		{"did not find expected alphabetic or numeric character",
		 "; put a text that begins with * or & in quotes"},
		{"did not find expected ',' or '}'",
		 "; inside { } put a text with , [ ] { or } in quotes"},
		{"did not find expected ',' or ']'",
		 "; inside [ ] put a text with , [ ] { or } in quotes"},
		{"did not find expected key", "; keys of one mapping begin in the same column"},
		{"could not find expected ':'", "; write `key: value`"},
		{"found unexpected end of stream", "; a quote or bracket is not closed"},
		{"did not find expected '-' indicator",
		 "; entries of one list begin in the same column"},
	};

	for (size_t i = 0; i < WEIR_COUNT_OF(hint); i++) {
		if (strstr(problem, hint[i].problem))
			return hint[i].hint;
	}
	return "";
}

static void report_syntax(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	const char *problem = p->problem ? p->problem : "not YAML";
	bool context = p->context && (p->context_mark.line != p->problem_mark.line ||
				      p->context_mark.column != p->problem_mark.column);

	if (p->error == YAML_MEMORY_ERROR) {
		weir_diag(r->diags, (struct weir_doc_pos){1, 1}, "no memory to read the file");
		return;
	}
	if (context)
		weir_diag(r->diags, pos_of(&p->problem_mark), "%s (%s at %zu:%zu)%s", problem,
			  p->context, p->context_mark.line + 1, p->context_mark.column + 1,
			  syntax_hint(problem));
	else
		weir_diag(r->diags, pos_of(&p->problem_mark), "%s%s", problem,
			  syntax_hint(problem));
}

/* ---- building the document ---- */

static bool stack_push(struct reader *r, struct weir_doc_entry e)
{
	if (r->stack_count == r->stack_cap) {
		size_t cap = r->stack_cap ? 2 * r->stack_cap : 256;
		struct weir_doc_entry *s = reallocarray(r->stack, cap, sizeof(*s));

		if (!s) {
			weir_diag(r->diags, e.pos, "no memory to read the file");
			return false;
		}
		r->stack = s;
		r->stack_cap = cap;
	}
	r->stack[r->stack_count++] = e;
	return true;
}

static struct weir_doc *node_new(struct reader *r, enum weir_doc_kind kind, const yaml_mark_t *m)
{
	struct weir_doc *d;

	if (++r->nodes > WEIR_YAML_NODES_MAX) {
		weir_diag(r->diags, pos_of(m), "the file has more than %d values",
			  WEIR_YAML_NODES_MAX);
		return NULL;
	}
	d = weir_region_new(r->region, struct weir_doc);
	d->kind = kind;
	d->pos = pos_of(m);
	return d;
}

/* A finished or just opened value goes to where it belongs. */
static bool place(struct reader *r, struct weir_doc *d)
{
	struct level *l;
	struct weir_doc_entry e = {.value = d, .pos = d->pos};

	if (r->depth == 0) {
		r->root = d;
		return true;
	}
	l = &r->level[r->depth - 1];
	if (l->doc->kind == WEIR_DOC_MAP) {
		weir_assert(l->have_key);
		l->have_key = false;
		e.key = l->key;
		e.pos = l->key_pos;
		if (l->skip_value)
			return true;
	}
	return stack_push(r, e);
}

static bool expects_key(const struct reader *r)
{
	const struct level *l = r->depth ? &r->level[r->depth - 1] : NULL;

	return l && l->doc->kind == WEIR_DOC_MAP && !l->have_key;
}

/* Text from the file for a message: one line, and not too long. */
static const char *shown(struct reader *r, struct weir_str s)
{
	size_t n = s.n;
	char *p;

	if (n > SHOWN_MAX) {
		/* Not inside a character. */
		for (n = SHOWN_MAX; n > 0 && ((unsigned char)s.p[n] & 0xc0) == 0x80;)
			n--;
	}
	p = weir_region_strdup(r->region, (struct weir_str){s.p, n});
	for (size_t i = 0; i < n; i++) {
		if (control_byte((unsigned char)p[i]) || p[i] == '\n' || p[i] == '\r')
			p[i] = '?';
	}
	return p;
}

static void refuse(struct reader *r, const yaml_mark_t *m, const char *fmt, const char *name)
{
	r->failed = true;
	weir_diag(r->diags, pos_of(m), fmt, name);
}

static void check_properties(struct reader *r, const yaml_mark_t *m, const yaml_char_t *anchor,
			     const yaml_char_t *tag)
{
	if (anchor)
		refuse(r, m,
		       "anchor `&%s`: anchors are not used here; write the value out, or put a "
		       "text that begins with & in quotes",
		       shown(r, weir_str_c((const char *)anchor)));
	if (tag)
		refuse(r, m,
		       "tag `%s`: tags are not used here; put a text that begins with ! in "
		       "quotes",
		       shown(r, weir_str_c((const char *)tag)));
}

static bool is_null(struct weir_str s)
{
	return s.n == 0 || weir_str_is(s, "~") || weir_str_is(s, "null");
}

/* True when the text stands in the file on one line, character for character. */
static bool is_verbatim(const yaml_event_t *e, struct weir_str s)
{
	size_t quotes = 0, chars = 0;

	switch (e->data.scalar.style) {
	case YAML_PLAIN_SCALAR_STYLE:
		break;
	case YAML_SINGLE_QUOTED_SCALAR_STYLE:
	case YAML_DOUBLE_QUOTED_SCALAR_STYLE:
		quotes = 2;
		break;
	default:
		return false;
	}
	for (size_t i = 0; i < s.n; i++)
		chars += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return e->start_mark.line == e->end_mark.line &&
	       e->end_mark.column - e->start_mark.column == chars + quotes;
}

static bool on_key(struct reader *r, const yaml_event_t *e, struct weir_str text)
{
	struct level *l = &r->level[r->depth - 1];

	/* Keys count as values: they need memory too. */
	if (++r->nodes > WEIR_YAML_NODES_MAX) {
		weir_diag(r->diags, pos_of(&e->start_mark), "the file has more than %d values",
			  WEIR_YAML_NODES_MAX);
		return false;
	}
	l->have_key = true;
	l->skip_value = false;
	l->key = (struct weir_str){weir_region_strdup(r->region, text), text.n};
	l->key_pos = pos_of(&e->start_mark);
	if (text.n == 0) {
		refuse(r, &e->start_mark, "the key is empty%s", "");
		l->skip_value = true;
	} else if (weir_str_is(text, "<<") && e->data.scalar.plain_implicit) {
		refuse(r, &e->start_mark, "merge keys (%s) are not used here; write the keys out",
		       "<<");
		l->skip_value = true;
	}
	return true;
}

static bool on_scalar(struct reader *r, const yaml_event_t *e)
{
	struct weir_str text = {(const char *)e->data.scalar.value, e->data.scalar.length};
	bool plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	bool untagged = !e->data.scalar.tag && !e->data.scalar.anchor;
	struct weir_doc *d;

	check_properties(r, &e->start_mark, e->data.scalar.anchor, e->data.scalar.tag);
	if (expects_key(r))
		return on_key(r, e, text);
	d = node_new(r, plain && untagged && is_null(text) ? WEIR_DOC_NULL : WEIR_DOC_SCALAR,
		     &e->start_mark);
	if (!d)
		return false;
	d->quoted = !plain;
	d->verbatim = is_verbatim(e, text);
	d->text = (struct weir_str){weir_region_strdup(r->region, text), text.n};
	return place(r, d);
}

static bool on_open(struct reader *r, enum weir_doc_kind kind, const yaml_event_t *e)
{
	struct weir_doc *d;

	if (expects_key(r)) {
		weir_diag(r->diags, pos_of(&e->start_mark),
			  "a key must be a text, not a %s; put a text that begins with { or [ in "
			  "quotes",
			  kind == WEIR_DOC_MAP ? "mapping" : "list");
		return false;
	}
	if (r->depth == WEIR_YAML_DEPTH_MAX) {
		weir_diag(r->diags, pos_of(&e->start_mark), "nested deeper than %d levels",
			  WEIR_YAML_DEPTH_MAX);
		return false;
	}
	d = node_new(r, kind, &e->start_mark);
	if (!d || !place(r, d))
		return false;
	r->level[r->depth++] = (struct level){.doc = d, .first = r->stack_count};
	return true;
}

static uint64_t hash_text(struct weir_str s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
	return h ^ h >> 32;
}

/* Reports and removes keys that stand there twice; time is linear in the number of entries. */
static bool check_keys(struct reader *r, struct weir_doc *map)
{
	uint32_t cap = 8, kept = 0;
	uint32_t *slot;

	while (cap < 2 * map->count)
		cap *= 2;
	slot = calloc(cap, sizeof(*slot));
	if (!slot) {
		weir_diag(r->diags, map->pos, "no memory to read the file");
		return false;
	}
	for (uint32_t i = 0; i < map->count; i++) {
		const struct weir_doc_entry e = map->entry[i];
		uint32_t at = (uint32_t)hash_text(e.key) & (cap - 1);

		while (slot[at] && !weir_str_eq(map->entry[slot[at] - 1].key, e.key))
			at = (at + 1) & (cap - 1);
		if (slot[at]) {
			const struct weir_doc_entry *first = &map->entry[slot[at] - 1];

			r->failed = true;
			weir_diag(r->diags, e.pos, "key `%s` is given twice; the first is at %u:%u",
				  shown(r, e.key), first->pos.line, first->pos.column);
			continue;
		}
		map->entry[kept++] = e;
		slot[at] = kept;
	}
	map->count = kept;
	free(slot);
	return true;
}

static bool on_close(struct reader *r)
{
	struct level *l = &r->level[--r->depth];
	const struct weir_doc_entry *child = r->stack ? r->stack + l->first : NULL;
	struct weir_doc *d = l->doc;
	size_t n = r->stack_count - l->first;

	d->count = (uint32_t)n;
	r->stack_count = l->first;
	if (d->kind == WEIR_DOC_LIST) {
		d->item = weir_region_array(r->region, struct weir_doc *, n);
		for (size_t i = 0; i < n; i++)
			d->item[i] = child[i].value;
		return true;
	}
	d->entry = weir_region_array(r->region, struct weir_doc_entry, n);
	if (n)
		memcpy(d->entry, child, n * sizeof(*child));
	return check_keys(r, d);
}

static bool on_document(struct reader *r, const yaml_event_t *e)
{
	if (r->root) {
		weir_diag(r->diags, pos_of(&e->start_mark),
			  "a second document begins here; a file holds one");
		return false;
	}
	if (e->data.document_start.version_directive ||
	    e->data.document_start.tag_directives.start !=
		    e->data.document_start.tag_directives.end)
		refuse(r, &e->start_mark, "directives (%s) are not used here; remove the line",
		       "%");
	return true;
}

/* false: stop reading (reported). */
static bool on_event(struct reader *r, const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		return on_document(r, e);
	case YAML_SCALAR_EVENT:
		return on_scalar(r, e);
	case YAML_MAPPING_START_EVENT:
		check_properties(r, &e->start_mark, e->data.mapping_start.anchor,
				 e->data.mapping_start.tag);
		return on_open(r, WEIR_DOC_MAP, e);
	case YAML_SEQUENCE_START_EVENT:
		check_properties(r, &e->start_mark, e->data.sequence_start.anchor,
				 e->data.sequence_start.tag);
		return on_open(r, WEIR_DOC_LIST, e);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		return on_close(r);
	case YAML_ALIAS_EVENT:
		weir_diag(r->diags, pos_of(&e->start_mark),
			  "alias `*%s`: aliases are not used here; write the value out, or put a "
			  "text that begins with * in quotes",
			  shown(r, weir_str_c((const char *)e->data.alias.anchor)));
		return false;
	default:
		return true;
	}
}

int weir_yaml_parse(struct weir_str text, struct weir_region *region, struct weir_doc **ret_doc,
		    struct weir_diags *diags)
{
	struct reader r = {.region = region, .diags = diags};
	bool more = true, ok = true;

	*ret_doc = NULL;
	if (!check_text(text, diags))
		return WEIR_E_CONFIG;
	if (!yaml_parser_initialize(&r.parser)) {
		weir_diag(diags, (struct weir_doc_pos){1, 1}, "no memory to read the file");
		return WEIR_E_CONFIG;
	}
	/* A byte order mark is no column. */
	if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0) {
		text.p += 3;
		text.n -= 3;
	}
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text.p, text.n);
	while (ok && more) {
		yaml_event_t e;

		if (!yaml_parser_parse(&r.parser, &e)) {
			report_syntax(&r);
			ok = false;
			break;
		}
		more = e.type != YAML_STREAM_END_EVENT;
		ok = on_event(&r, &e);
		yaml_event_delete(&e);
	}
	yaml_parser_delete(&r.parser);
	free(r.stack);
	if (!ok)
		return WEIR_E_CONFIG;
	if (!r.root) {
		r.root = weir_region_new(region, struct weir_doc);
		r.root->pos = (struct weir_doc_pos){1, 1};
	}
	*ret_doc = r.root;
	return r.failed ? WEIR_E_CONFIG : 0;
}
