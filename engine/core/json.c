/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/json.h"

#include <stdio.h>

const char *weir__json_expected(struct weir__json *c, const char *p, const char *what)
{
	char found[32];
	uint8_t b = (uint8_t)weir__json_at(c, p);

	if (p >= c->end)
		snprintf(found, sizeof(found), "the end of the line");
	else if (b >= 0x20 && b < 0x7f)
		snprintf(found, sizeof(found), "'%c'", b);
	else
		snprintf(found, sizeof(found), "byte 0x%02x", b);
	weir__reject(c->ret, p, "expected %s, found %s", what, found);
	return NULL;
}

bool weir__json_word(const struct weir__json *c, const char *p, const char *word, size_t n)
{
	return (size_t)(c->end - p) >= n && memcmp(p, word, n) == 0;
}

/* ---- strings ---- */

static int hex4(const struct weir__json *c, const char *p)
{
	int v = 0;

	if (c->end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char h = p[i];

		if (h >= '0' && h <= '9')
			v = v * 16 + (h - '0');
		else if (h >= 'a' && h <= 'f')
			v = v * 16 + (h - 'a' + 10);
		else if (h >= 'A' && h <= 'F')
			v = v * 16 + (h - 'A' + 10);
		else
			return -1;
	}
	return v;
}

static size_t utf8_write(uint32_t code, char out[4])
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 63));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 63));
		out[2] = (char)(0x80 | (code & 63));
		return 3;
	}
	out[0] = (char)(0xf0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 63));
	out[2] = (char)(0x80 | (code >> 6 & 63));
	out[3] = (char)(0x80 | (code & 63));
	return 4;
}

/* p is at the backslash; out gets the UTF-8 bytes meant. */
static const char *escape(struct weir__json *c, const char *p, char out[4], size_t *ret_n)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	char e = weir__json_at(c, p + 1);
	const char *at = memchr(from, e, sizeof(from) - 1);
	int high, low;

	if (at) {
		out[0] = to[at - from];
		*ret_n = 1;
		return p + 2;
	}
	if (e != 'u') {
		weir__reject(c->ret, p, "unknown escape in a string");
		return NULL;
	}
	high = hex4(c, p + 2);
	if (high < 0) {
		weir__reject(c->ret, p, "\\u is not followed by four hexadecimal digits");
		return NULL;
	}
	if (high < 0xd800 || high > 0xdfff) {
		*ret_n = utf8_write((uint32_t)high, out);
		return p + 6;
	}
	low = weir__json_word(c, p + 6, "\\u", 2) ? hex4(c, p + 8) : -1;
	if (high > 0xdbff || low < 0xdc00 || low > 0xdfff) {
		weir__reject(c->ret, p, "\\u%04x is half of a surrogate pair", (unsigned)high);
		return NULL;
	}
	*ret_n = utf8_write(0x10000 + (uint32_t)(high - 0xd800) * 0x400 + (uint32_t)(low - 0xdc00),
			    out);
	return p + 12;
}

/* p is at a byte that stops a run of plain ones, and it is neither quote nor backslash. */
static const char *string_bad(struct weir__json *c, const char *p)
{
	if (p >= c->end)
		weir__reject(c->ret, p, "the string is not closed");
	else
		weir__reject(c->ret, p, "control byte 0x%02x in a string", (uint8_t)*p);
	return NULL;
}

static bool utf8_fine(struct weir__json *c, const char *at, const char *p, size_t n)
{
	size_t good = weir__utf8_check(p, n);

	if (weir_likely(good == n))
		return true;
	weir__reject(c->ret, at + (at == p ? good : 0), "the string is not valid UTF-8");
	return false;
}

const char *weir__json_string_skip(struct weir__json *c, const char *p, bool *ret_escaped)
{
	const char *start = p;
	uint32_t high = 0, h;
	bool escaped = false;

	for (;;) {
		if (weir_likely(c->limit - p >= 16)) {
			uint32_t mask = weir__mask_json(p, &h);

			if (!mask) {
				high |= h;
				p += 16;
				continue;
			}
			high |= h & (mask ^ (mask - 1));
			p += __builtin_ctz(mask);
		} else if (p < c->end && *p != '"' && *p != '\\' && (uint8_t)*p >= 0x20) {
			high |= (uint8_t)*p & 0x80u;
			p++;
			continue;
		}
		if (weir__json_at(c, p) == '"')
			break;
		if (weir__json_at(c, p) == '\\') {
			char out[4];
			size_t n;

			escaped = true;
			p = escape(c, p, out, &n);
			if (!p)
				return NULL;
			continue;
		}
		return string_bad(c, p);
	}
	if (weir_unlikely(high) && !utf8_fine(c, start, start, (size_t)(p - start)))
		return NULL;
	*ret_escaped = escaped;
	return p + 1;
}

const char *weir__json_string_copy(struct weir__json *c, const char *p, char *dst, size_t room,
				   size_t *ret_n, bool *ret_full)
{
	const char *start = p;
	uint32_t high = 0, h;
	bool ignored;
	size_t n = 0;

	for (;;) {
		if (weir_likely(c->limit - p >= 16 && room - n >= 16)) {
			uint32_t mask = weir__mask_json(p, &h);

			memcpy(dst + n, p, 16);
			if (!mask) {
				high |= h;
				p += 16;
				n += 16;
				continue;
			}
			high |= h & (mask ^ (mask - 1));
			n += (size_t)__builtin_ctz(mask);
			p += __builtin_ctz(mask);
		} else if (p < c->end && *p != '"' && *p != '\\' && (uint8_t)*p >= 0x20) {
			if (n == room)
				goto full;
			high |= (uint8_t)*p & 0x80u;
			dst[n++] = *p++;
			continue;
		}
		if (weir__json_at(c, p) == '"')
			break;
		if (weir__json_at(c, p) == '\\') {
			char out[4];
			size_t k;

			p = escape(c, p, out, &k);
			if (!p)
				return NULL;
			if (k > room - n)
				goto full;
			memcpy(dst + n, out, k);
			n += k;
			continue;
		}
		return string_bad(c, p);
	}
	/* An escape never makes half a character, so the result is valid when the text was. */
	if (weir_unlikely(high) && !utf8_fine(c, start, dst, n))
		return NULL;
	*ret_n = n;
	return p + 1;
full:
	*ret_full = true;
	*ret_n = 0;
	return weir__json_string_skip(c, start, &ignored);
}

/* ---- values that are only walked over ---- */

static const char *skip_scalar(struct weir__json *c, const char *p)
{
	struct weir__num num;
	const char *next;
	bool escaped;

	switch (weir__json_at(c, p)) {
	case '"':
		return weir__json_string_skip(c, p + 1, &escaped);
	case 't':
		if (weir__json_word(c, p, "true", 4))
			return p + 4;
		break;
	case 'f':
		if (weir__json_word(c, p, "false", 5))
			return p + 5;
		break;
	case 'n':
		if (weir__json_word(c, p, "null", 4))
			return p + 4;
		break;
	default:
		next = weir__num_scan(p, c->end, &num);
		if (next)
			return next;
		break;
	}
	return weir__json_expected(c, p, "a value");
}

static const char *skip_name(struct weir__json *c, const char *p)
{
	bool escaped;

	if (weir__json_at(c, p) != '"')
		return weir__json_expected(c, p, "a member name in quotes");
	p = weir__json_string_skip(c, p + 1, &escaped);
	if (!p)
		return NULL;
	p = weir__json_space(c, p);
	if (weir__json_at(c, p) != ':')
		return weir__json_expected(c, p, "':'");
	return weir__json_space(c, p + 1);
}

/* Without recursion: bit i of `objects` says what level i is. */
const char *weir__json_skip(struct weir__json *c, const char *p, unsigned depth)
{
	uint64_t objects = 0;
	unsigned level = 0;

	for (;;) {
		char b = weir__json_at(c, p);

		if (b == '{' || b == '[') {
			bool object = b == '{';

			if (depth + level >= WEIR__JSON_DEPTH_MAX) {
				weir__reject(c->ret, p, "nested deeper than %d levels",
					     WEIR__JSON_DEPTH_MAX);
				return NULL;
			}
			p = weir__json_space(c, p + 1);
			if (weir__json_at(c, p) != (object ? '}' : ']')) {
				objects = objects << 1 | object;
				level++;
				p = object ? skip_name(c, p) : p;
				if (!p)
					return NULL;
				continue;
			}
			p++;
		} else {
			p = skip_scalar(c, p);
			if (!p)
				return NULL;
		}
		/* A value ends here; close what ends with it. */
		for (;;) {
			bool object = objects & 1;

			if (level == 0)
				return p;
			p = weir__json_space(c, p);
			b = weir__json_at(c, p);
			if (b == ',') {
				p = weir__json_space(c, p + 1);
				p = object ? skip_name(c, p) : p;
				if (!p)
					return NULL;
				break;
			}
			if (b != (object ? '}' : ']'))
				return weir__json_expected(c, p,
							   object ? "',' or '}'" : "',' or ']'");
			p++;
			objects >>= 1;
			level--;
		}
	}
}
