/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>

#include "base/num.h"
#include "engine/core/expr_impl.h"

int weir__expr_fail(struct weir_expr_cx *cx, int code, size_t offset, size_t length,
		    const char *fmt, ...)
{
	va_list ap;

	if (cx->code)
		return cx->code;
	cx->code = code;
	if (!cx->err)
		return code;
	cx->err->offset = WEIR_MIN(offset, cx->text.n);
	cx->err->length = WEIR_MIN(length, cx->text.n - cx->err->offset);
	va_start(ap, fmt);
	vsnprintf(cx->err->text, sizeof(cx->err->text), fmt, ap);
	va_end(ap);
	return code;
}

static int format_error(struct weir_expr_cx *cx, size_t offset, size_t length, const char *text)
{
	return weir__expr_fail(cx, WEIR_E_FORMAT, offset, length, "%s", text);
}

/* Byte at a position; 0 behind the end (a 0 byte in the text is no token either). */
static char peek(const struct weir_expr_cx *cx, size_t at)
{
	return at < cx->text.n ? cx->text.p[at] : 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name(char c)
{
	return is_name_start(c) || is_digit(c);
}

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static void skip_space(struct weir_expr_cx *cx)
{
	for (;;) {
		char c = peek(cx, cx->at);

		if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
			cx->at++;
		} else if (c == '/' && peek(cx, cx->at + 1) == '/') {
			while (cx->at < cx->text.n && cx->text.p[cx->at] != '\n')
				cx->at++;
		} else {
			return;
		}
	}
}

/* ---- numbers ---- */

static int lex_hex(struct weir_expr_cx *cx)
{
	size_t start = cx->at, digits = 0;
	uint64_t v = 0;
	bool over = false;

	cx->at += 2;
	for (int d; (d = hex_value(peek(cx, cx->at))) >= 0; cx->at++, digits++) {
		over |= v >> 60 != 0;
		v = v << 4 | (uint64_t)d;
	}
	if (digits == 0 || is_name(peek(cx, cx->at)))
		return format_error(cx, start, cx->at - start + 1,
				    "a hexadecimal number is 0x and digits 0-9, a-f");
	if (over)
		return weir__expr_fail(cx, WEIR_E_FORMAT, start, cx->at - start,
				       "number does not fit into int64");
	cx->tok.kind = WEIR_TOK_INT;
	cx->tok.i = v;
	return 0;
}

static int bad_number_tail(struct weir_expr_cx *cx, size_t start)
{
	size_t end = cx->at;

	while (is_name(peek(cx, end)))
		end++;
	if (end - cx->at == 1 && (cx->text.p[cx->at] | 0x20) == 'u')
		return format_error(cx, start, end - start,
				    "there are no unsigned integers: leave out the u");
	return weir__expr_fail(cx, WEIR_E_FORMAT, start, end - start,
			       "'%.*s' is not a number (a time span is written duration(\"10s\"))",
			       (int)WEIR_MIN(end - start, (size_t)40), cx->text.p + start);
}

static int lex_number(struct weir_expr_cx *cx)
{
	size_t start = cx->at;
	bool is_float = false, over = false;
	uint64_t v = 0;
	struct weir_str text;

	if (peek(cx, start) == '0' && (peek(cx, start + 1) | 0x20) == 'x')
		return lex_hex(cx);
	for (; is_digit(peek(cx, cx->at)); cx->at++) {
		uint64_t d = (uint64_t)(cx->text.p[cx->at] - '0');

		over |= __builtin_mul_overflow(v, 10, &v);
		over |= __builtin_add_overflow(v, d, &v);
	}
	if (peek(cx, cx->at) == '.' && is_digit(peek(cx, cx->at + 1))) {
		is_float = true;
		cx->at++;
		while (is_digit(peek(cx, cx->at)))
			cx->at++;
	}
	if ((peek(cx, cx->at) | 0x20) == 'e') {
		size_t at = cx->at + 1;

		if (peek(cx, at) == '+' || peek(cx, at) == '-')
			at++;
		if (is_digit(peek(cx, at))) {
			is_float = true;
			while (is_digit(peek(cx, at)))
				at++;
			cx->at = at;
		}
	}
	if (is_name_start(peek(cx, cx->at)))
		return bad_number_tail(cx, start);
	text = (struct weir_str){cx->text.p + start, cx->at - start};
	if (text.n > 1 && text.p[0] == '0' && is_digit(text.p[1]))
		return format_error(cx, start, text.n, "a number has no leading zeros");
	if (!is_float) {
		if (over)
			return weir__expr_fail(cx, WEIR_E_FORMAT, start, text.n,
					       "number does not fit into int64");
		cx->tok.kind = WEIR_TOK_INT;
		cx->tok.i = v;
		return 0;
	}
	cx->tok.kind = WEIR_TOK_FLOAT;
	cx->tok.s = text;
	if (text.p[0] == '.') {
		/* The number reader wants a digit in front. */
		char *with_zero = weir_region_alloc(&cx->scratch, text.n + 1);

		with_zero[0] = '0';
		memcpy(with_zero + 1, text.p, text.n);
		cx->tok.s = text = (struct weir_str){with_zero, text.n + 1};
	}
	if (weir_parse_f64(text, &cx->tok.f) != 0)
		return weir__expr_fail(cx, WEIR_E_FORMAT, start, cx->at - start,
				       "number does not fit into float64");
	return 0;
}

/* ---- strings ---- */

bool weir__utf8_valid(struct weir_str s)
{
	const uint8_t *p = (const uint8_t *)s.p, *end = p + s.n;

	while (p < end) {
		unsigned c = *p, more;
		uint32_t min, v;

		if (c < 0x80) {
			p++;
			continue;
		}
		if (c >= 0xc2 && c <= 0xdf) {
			more = 1, min = 0x80, v = c & 0x1f;
		} else if ((c & 0xf0) == 0xe0) {
			more = 2, min = 0x800, v = c & 0x0f;
		} else if (c >= 0xf0 && c <= 0xf4) {
			more = 3, min = 0x10000, v = c & 0x07;
		} else {
			return false;
		}
		if ((size_t)(end - p) <= more)
			return false;
		for (unsigned i = 1; i <= more; i++) {
			if ((p[i] & 0xc0) != 0x80)
				return false;
			v = v << 6 | (p[i] & 0x3f);
		}
		if (v < min || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
			return false;
		p += more + 1;
	}
	return true;
}

static char *put_utf8(char *out, uint32_t c)
{
	if (c < 0x80) {
		*out++ = (char)c;
	} else if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
		*out++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*out++ = (char)(0xe0 | c >> 12);
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	} else {
		*out++ = (char)(0xf0 | c >> 18);
		*out++ = (char)(0x80 | (c >> 12 & 0x3f));
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	}
	return out;
}

static int simple_escape(char c)
{
	static const char from[] = "abfnrtv\\?\"'`", to[] = "\a\b\f\n\r\t\v\\?\"'`";
	const char *p = c ? strchr(from, c) : NULL;

	return p ? to[p - from] : -1;
}

/* One escape at cx->at (on the backslash). Writes at most 4 bytes; an escape has at least 2. */
static int lex_escape(struct weir_expr_cx *cx, bool bytes, char **out)
{
	size_t start = cx->at;
	char c = peek(cx, start + 1);
	int simple = simple_escape(c);
	unsigned digits = 0, base = 16;
	uint32_t v = 0;

	if (simple >= 0) {
		*(*out)++ = (char)simple;
		cx->at += 2;
		return 0;
	}
	cx->at += 2;
	switch (c) {
	case 'x':
	case 'X':
		digits = 2;
		break;
	case 'u':
		digits = 4;
		break;
	case 'U':
		digits = 8;
		break;
	case '0':
	case '1':
	case '2':
	case '3':
		digits = 3;
		base = 8;
		cx->at = start + 1;
		break;
	default:
		return format_error(cx, start, 2,
				    "unknown escape: \\\\ is a backslash, r\"...\" a raw string");
	}
	if (bytes && digits != 2 && base == 16)
		return format_error(cx, start, 2, "\\u is for strings; in bytes use \\x");
	for (unsigned i = 0; i < digits; i++, cx->at++) {
		int d = hex_value(peek(cx, cx->at));

		if (d < 0 || d >= (int)base)
			return weir__expr_fail(cx, WEIR_E_FORMAT, start, cx->at - start + 1,
					       "this escape needs %u %s digits", digits,
					       base == 8 ? "octal" : "hexadecimal");
		v = v * base + (uint32_t)d;
	}
	if (bytes) {
		*(*out)++ = (char)v;
		return 0;
	}
	if (v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
		return format_error(cx, start, cx->at - start, "not a Unicode character");
	*out = put_utf8(*out, v);
	return 0;
}

static bool at_closing(const struct weir_expr_cx *cx, size_t at, char quote, bool triple)
{
	if (peek(cx, at) != quote)
		return false;
	return !triple || (peek(cx, at + 1) == quote && peek(cx, at + 2) == quote);
}

static int lex_string(struct weir_expr_cx *cx, size_t prefix, bool raw, bool bytes)
{
	size_t start = cx->at, quotes, end;
	char quote = cx->text.p[start + prefix], *buf, *out;
	bool triple =
		peek(cx, start + prefix + 1) == quote && peek(cx, start + prefix + 2) == quote;

	quotes = triple ? 3 : 1;
	cx->at = start + prefix + quotes;
	for (end = cx->at; end < cx->text.n && !at_closing(cx, end, quote, triple); end++)
		if (!raw && cx->text.p[end] == '\\')
			end++;
	/* No escape gets longer than it was written: \u has 6 bytes and gives at most 3. */
	buf = out = weir_region_alloc(cx->region, WEIR_MIN(end, cx->text.n) - cx->at + 1);
	while (!at_closing(cx, cx->at, quote, triple)) {
		char c;
		int rc;

		if (cx->at >= cx->text.n)
			return format_error(cx, start, cx->text.n - start, "string has no end");
		c = cx->text.p[cx->at];
		if ((c == '\n' || c == '\r') && !triple)
			return format_error(
				cx, start, cx->at - start,
				"string has no end on its line (use \\n, or three quotes)");
		if (c != '\\' || raw) {
			*out++ = c;
			cx->at++;
			continue;
		}
		rc = lex_escape(cx, bytes, &out);
		if (rc)
			return rc;
	}
	cx->at += quotes;
	cx->tok.kind = bytes ? WEIR_TOK_BYTES : WEIR_TOK_STRING;
	cx->tok.s = (struct weir_str){buf, (size_t)(out - buf)};
	if (!bytes && !weir__utf8_valid(cx->tok.s))
		return format_error(cx, start, cx->at - start, "string is not valid UTF-8");
	return 0;
}

/* ---- names ---- */

static int lex_quoted_name(struct weir_expr_cx *cx)
{
	size_t start = cx->at;
	const char *end = memchr(cx->text.p + start + 1, '`', cx->text.n - start - 1);

	if (!end || end == cx->text.p + start + 1)
		return format_error(cx, start, 1, "a quoted name is written `name`");
	cx->tok.kind = WEIR_TOK_NAME;
	cx->tok.quoted = true;
	cx->tok.s =
		(struct weir_str){cx->text.p + start + 1, (size_t)(end - cx->text.p) - start - 1};
	cx->at = (size_t)(end - cx->text.p) + 1;
	return 0;
}

static int lex_name(struct weir_expr_cx *cx)
{
	static const struct {
		const char *word;
		uint8_t kind;
	} words[] = {{"true", WEIR_TOK_TRUE},
		     {"false", WEIR_TOK_FALSE},
		     {"null", WEIR_TOK_NULL},
		     {"in", WEIR_TOK_IN}};
	size_t start = cx->at;

	while (is_name(peek(cx, cx->at)))
		cx->at++;
	cx->tok.kind = WEIR_TOK_NAME;
	cx->tok.s = (struct weir_str){cx->text.p + start, cx->at - start};
	for (size_t i = 0; i < WEIR_COUNT_OF(words); i++)
		if (weir_str_is(cx->tok.s, words[i].word))
			cx->tok.kind = words[i].kind;
	return 0;
}

/* r, b, br, rb in any case, directly before a quote. Length of the prefix, 0: none. */
static size_t string_prefix(const struct weir_expr_cx *cx, bool *ret_raw, bool *ret_bytes)
{
	size_t n = 0;

	*ret_raw = *ret_bytes = false;
	for (; n < 2; n++) {
		char c = (char)(peek(cx, cx->at + n) | 0x20);

		if (c == 'r' && !*ret_raw)
			*ret_raw = true;
		else if (c == 'b' && !*ret_bytes)
			*ret_bytes = true;
		else
			break;
	}
	if (peek(cx, cx->at + n) == '"' || peek(cx, cx->at + n) == '\'')
		return n;
	*ret_raw = *ret_bytes = false;
	return 0;
}

/* ---- operators ---- */

static int lex_operator(struct weir_expr_cx *cx)
{
	static const struct {
		char text[3];
		uint8_t kind;
	} ops[] = {{"==", WEIR_TOK_EQ},	      {"!=", WEIR_TOK_NE},     {"<=", WEIR_TOK_LE},
		   {">=", WEIR_TOK_GE},	      {"&&", WEIR_TOK_AND},    {"||", WEIR_TOK_OR},
		   {"<", WEIR_TOK_LT},	      {">", WEIR_TOK_GT},      {"!", WEIR_TOK_NOT},
		   {"+", WEIR_TOK_PLUS},      {"-", WEIR_TOK_MINUS},   {"*", WEIR_TOK_STAR},
		   {"/", WEIR_TOK_SLASH},     {"%", WEIR_TOK_PERCENT}, {"?", WEIR_TOK_QUESTION},
		   {":", WEIR_TOK_COLON},     {",", WEIR_TOK_COMMA},   {".", WEIR_TOK_DOT},
		   {"(", WEIR_TOK_OPEN},      {")", WEIR_TOK_CLOSE},   {"[", WEIR_TOK_OPEN_LIST},
		   {"]", WEIR_TOK_CLOSE_LIST}};
	size_t at = cx->at;
	char c = peek(cx, at), d = peek(cx, at + 1);

	if (c == '<' && d == '>')
		return format_error(cx, at, 2, "not equal is written !=");
	for (size_t i = 0; i < WEIR_COUNT_OF(ops); i++) {
		size_t n = ops[i].text[1] ? 2 : 1;

		if (c == ops[i].text[0] && (n == 1 || d == ops[i].text[1])) {
			cx->tok.kind = ops[i].kind;
			cx->at += n;
			return 0;
		}
	}
	if (c == '=')
		return format_error(cx, at, 1, "equality is written ==");
	if (c == '&' || c == '|')
		return weir__expr_fail(cx, WEIR_E_FORMAT, at, 1,
				       "'%c' alone is no operator: use %c%c", c, c, c);
	if (c > 0x20 && c < 0x7f)
		return weir__expr_fail(cx, WEIR_E_FORMAT, at, 1, "'%c' has no meaning here", c);
	return weir__expr_fail(
		cx, WEIR_E_FORMAT, at, 1,
		"byte 0x%02x has no meaning here (a name with such letters is written "
		"in backticks)",
		(unsigned)(uint8_t)c);
}

int weir__expr_next(struct weir_expr_cx *cx)
{
	bool raw, bytes;
	size_t prefix;
	char c;
	int rc;

	skip_space(cx);
	memset(&cx->tok, 0, sizeof(cx->tok));
	cx->tok.offset = (uint32_t)cx->at;
	c = peek(cx, cx->at);
	prefix = string_prefix(cx, &raw, &bytes);
	if (cx->at >= cx->text.n) {
		cx->tok.kind = WEIR_TOK_END;
		return 0;
	}
	if (prefix || c == '"' || c == '\'')
		rc = lex_string(cx, prefix, raw, bytes);
	else if (is_digit(c) || (c == '.' && is_digit(peek(cx, cx->at + 1))))
		rc = lex_number(cx);
	else if (is_name_start(c))
		rc = lex_name(cx);
	else if (c == '`')
		rc = lex_quoted_name(cx);
	else
		rc = lex_operator(cx);
	cx->tok.length = (uint32_t)(cx->at - cx->tok.offset);
	return rc;
}
