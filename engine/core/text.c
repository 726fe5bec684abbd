/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/text.h"

#include "base/buf.h"

static bool is_tail(char c)
{
	return ((uint8_t)c & 0xc0) == 0x80;
}

/* Bytes of the well-formed character at p, or 0. Table 3-7 of the Unicode standard. */
static size_t utf8_length(const char *p, size_t n)
{
	uint8_t a = (uint8_t)p[0], b;

	if (a < 0x80)
		return 1;
	if (a < 0xc2 || a > 0xf4 || n < 2)
		return 0;
	b = (uint8_t)p[1];
	if (!is_tail(p[1]))
		return 0;
	if (a < 0xe0)
		return 2;
	if (n < 3 || !is_tail(p[2]))
		return 0;
	if (a < 0xf0) {
		if ((a == 0xe0 && b < 0xa0) || (a == 0xed && b > 0x9f))
			return 0;
		return 3;
	}
	if (n < 4 || !is_tail(p[3]))
		return 0;
	if ((a == 0xf0 && b < 0x90) || (a == 0xf4 && b > 0x8f))
		return 0;
	return 4;
}

size_t weir__utf8_check(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n) {
		size_t k;

		if (n - i >= 16 && weir__mask_high(p + i) == 0) {
			i += 16;
			continue;
		}
		k = utf8_length(p + i, n - i);
		if (k == 0)
			return i;
		i += k;
	}
	return n;
}

static const char base64_digit[64] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* 0..63, or a number above. */
static uint32_t base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (uint32_t)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (uint32_t)(c - 'a') + 26;
	if (c >= '0' && c <= '9')
		return (uint32_t)(c - '0') + 52;
	return c == '+' ? 62 : c == '/' ? 63 : 255;
}

ptrdiff_t weir__base64_decode(char *dst, const char *src, size_t n)
{
	char *out = dst;

	if (n % 4)
		return -1;
	for (size_t i = 0; i < n; i += 4) {
		bool last = i + 4 == n;
		unsigned pad = !last ? 0 : src[i + 3] != '=' ? 0 : src[i + 2] != '=' ? 1 : 2;
		uint32_t a = base64_value(src[i]), b = base64_value(src[i + 1]);
		uint32_t c = pad == 2 ? 0 : base64_value(src[i + 2]);
		uint32_t d = pad ? 0 : base64_value(src[i + 3]);
		uint32_t v = a << 18 | b << 12 | c << 6 | d;

		if ((a | b | c | d) > 63)
			return -1;
		if ((pad == 1 && (v & 0xff)) || (pad == 2 && (v & 0xffff)))
			return -1;
		*out++ = (char)(v >> 16);
		if (pad < 2)
			*out++ = (char)(v >> 8);
		if (pad < 1)
			*out++ = (char)v;
	}
	return out - dst;
}

void weir__buf_base64(struct weir_buf *b, struct weir_str s)
{
	for (size_t i = 0; i < s.n; i += 3) {
		size_t left = s.n - i;
		uint32_t v = (uint32_t)(uint8_t)s.p[i] << 16;
		char text[4];

		if (left > 1)
			v |= (uint32_t)(uint8_t)s.p[i + 1] << 8;
		if (left > 2)
			v |= (uint32_t)(uint8_t)s.p[i + 2];
		text[0] = base64_digit[v >> 18];
		text[1] = base64_digit[v >> 12 & 63];
		text[2] = left > 1 ? base64_digit[v >> 6 & 63] : '=';
		text[3] = left > 2 ? base64_digit[v & 63] : '=';
		weir_buf_put(b, text, 4);
	}
}
