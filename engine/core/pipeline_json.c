/* SPDX-License-Identifier: Apache-2.0 */
/* Options of an operator as JSON text. */
#include "base/assert.h"
#include "base/buf.h"
#include "engine/core/pipeline_int.h"

static size_t digits(struct weir_str s, size_t at)
{
	size_t n = 0;

	while (at + n < s.n && s.p[at + n] >= '0' && s.p[at + n] <= '9')
		n++;
	return n;
}

/* The number grammar of RFC 8259: what it does not take ("012", "1.") stays a text. */
static bool is_json_number(struct weir_str s)
{
	size_t at = s.n && s.p[0] == '-', n = digits(s, at);

	if (n == 0 || (n > 1 && s.p[at] == '0'))
		return false;
	at += n;
	if (at < s.n && s.p[at] == '.') {
		n = digits(s, at + 1);
		if (n == 0)
			return false;
		at += 1 + n;
	}
	if (at < s.n && (s.p[at] == 'e' || s.p[at] == 'E')) {
		at++;
		at += at < s.n && (s.p[at] == '+' || s.p[at] == '-');
		n = digits(s, at);
		if (n == 0)
			return false;
		at += n;
	}
	return at == s.n;
}

static void put(struct weir_buf *out, const struct weir_doc *d)
{
	switch (d->kind) {
	case WEIR_DOC_SCALAR:
		if (!d->quoted && (weir_str_is(d->text, "true") || weir_str_is(d->text, "false") ||
				   is_json_number(d->text)))
			weir_buf_str(out, d->text);
		else
			weir_buf_json_str(out, d->text);
		break;
	case WEIR_DOC_LIST:
		weir_buf_char(out, '[');
		for (uint32_t i = 0; i < d->count; i++) {
			if (i)
				weir_buf_char(out, ',');
			put(out, d->item[i]);
		}
		weir_buf_char(out, ']');
		break;
	case WEIR_DOC_MAP:
		weir_buf_char(out, '{');
		for (uint32_t i = 0; i < d->count; i++) {
			if (i)
				weir_buf_char(out, ',');
			weir_buf_json_str(out, d->entry[i].key);
			weir_buf_char(out, ':');
			put(out, d->entry[i].value);
		}
		weir_buf_char(out, '}');
		break;
	default:
		weir_buf_lit(out, "null");
		break;
	}
}

/* Room that surely suffices: a byte of a text takes at most six ("\u0000"). */
static size_t room(const struct weir_doc *d)
{
	size_t n = 8 + 6 * d->text.n;

	for (uint32_t i = 0; i < d->count; i++) {
		if (d->kind == WEIR_DOC_LIST)
			n += 1 + room(d->item[i]);
		else
			n += 8 + 6 * d->entry[i].key.n + room(d->entry[i].value);
	}
	return n;
}

const char *weir_doc_json(struct weir_build *b, const struct weir_doc *doc)
{
	size_t cap = room(doc);
	char *text = weir_region_alloc(b->region, cap + 1);
	struct weir_buf out = weir_buf_of(text, cap);

	put(&out, doc);
	weir_assert(!out.full);
	text[out.len] = 0;
	return text;
}
