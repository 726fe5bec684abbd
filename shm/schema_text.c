/* SPDX-License-Identifier: Apache-2.0 */
#include "shm/schema_text.h"

#include "base/num.h"

static bool text_plain(unsigned char c, bool blank_plain)
{
	if (c == ' ')
		return blank_plain;
	return c > ' ' && c != '\\' && c != 0x7f;
}

static void text_put(struct weir_buf *b, struct weir_str s, bool blank_plain)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (text_plain(c, blank_plain))
			weir_buf_char(b, (char)c);
		else
			weir_buf_printf(b, "\\x%02x", c);
	}
}

void weir_buf_schema_text(struct weir_buf *b, const struct weir_schema *s)
{
	weir_buf_printf(b, "stream %u\n", s->stream);
	for (unsigned i = 0; i < s->field_count; i++) {
		char type[WEIR_FORMAT_MAX + 64];
		struct weir_buf t = weir_buf_of(type, sizeof(type));

		weir_buf_type(&t, &s->field[i]);
		b->full |= t.full;
		text_put(b, weir_str_c(s->field[i].name), false);
		weir_buf_char(b, ' ');
		text_put(b, (struct weir_str){t.p, t.len}, true);
		weir_buf_char(b, '\n');
	}
}

static int text_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* Undoes text_put(). false: not something it writes, or longer than cap. */
static bool text_get(struct weir_str s, char *ret, size_t cap, size_t *ret_n)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '\\') {
			int hi, lo;

			if (s.n - i < 4 || s.p[i + 1] != 'x')
				return false;
			hi = text_hex(s.p[i + 2]);
			lo = text_hex(s.p[i + 3]);
			if (hi < 0 || lo < 0)
				return false;
			c = (char)(hi << 4 | lo);
			i += 3;
		}
		if (n == cap || c == 0)
			return false;
		ret[n++] = c;
	}
	*ret_n = n;
	return true;
}

/* Cuts the next line off *inout; false at the end, or when the last line has no newline. */
static bool text_line(struct weir_str *inout, struct weir_str *ret)
{
	const char *end = inout->n ? memchr(inout->p, '\n', inout->n) : NULL;

	if (!end)
		return false;
	*ret = (struct weir_str){inout->p, (size_t)(end - inout->p)};
	inout->n -= ret->n + 1;
	inout->p = end + 1;
	return true;
}

static int text_field(struct weir_str line, struct weir_schema *s, struct weir_err *err)
{
	const char *blank = line.n ? memchr(line.p, ' ', line.n) : NULL;
	char name[WEIR_NAME_MAX], type[WEIR_FORMAT_MAX + 64];
	struct weir_field f = {0};
	size_t name_n, type_n;
	int i, r;

	if (!blank ||
	    !text_get((struct weir_str){line.p, (size_t)(blank - line.p)}, name, sizeof(name),
		      &name_n) ||
	    !text_get((struct weir_str){blank + 1, (size_t)(line.p + line.n - blank - 1)}, type,
		      sizeof(type), &type_n))
		return weir_err_set(err, WEIR_E_FORMAT, "not a \"name type\" line");
	r = weir_type_parse((struct weir_str){type, type_n}, &f, err);
	if (r < 0)
		return r;
	i = weir_schema_add(s, (struct weir_str){name, name_n}, f.type, f.nullable);
	if (i < 0)
		return weir_err_set(err, WEIR_E_FORMAT, "empty or doubled name, or too many");
	memcpy(s->field[i].format, f.format, sizeof(f.format));
	return 0;
}

int weir_schema_text_parse(struct weir_str text, struct weir_schema *ret, struct weir_err *err)
{
	struct weir_schema s = {0};
	struct weir_str line;
	uint64_t stream;
	int r;

	if (!text_line(&text, &line) || line.n < 8 || memcmp(line.p, "stream ", 7) != 0 ||
	    weir_parse_count((struct weir_str){line.p + 7, line.n - 7}, &stream) < 0 ||
	    stream > UINT16_MAX)
		return weir_err_set(err, WEIR_E_FORMAT, "schema: no stream line");
	s.stream = (uint16_t)stream;
	while (text_line(&text, &line)) {
		r = text_field(line, &s, err);
		if (r < 0) {
			weir_err_prefix(err, "schema: field %u", s.field_count);
			return r;
		}
	}
	if (text.n)
		return weir_err_set(err, WEIR_E_FORMAT, "schema: last line has no end");
	weir_schema_seal(&s);
	*ret = s;
	return 0;
}

bool weir_schema_text_at(struct weir_str all, uint32_t i, struct weir_str *ret)
{
	for (;; i--) {
		const char *end = all.n ? memchr(all.p, 0, all.n) : NULL;

		if (!end)
			return false;
		if (i == 0) {
			*ret = (struct weir_str){all.p, (size_t)(end - all.p)};
			return true;
		}
		all.n -= (size_t)(end - all.p) + 1;
		all.p = end + 1;
	}
}
