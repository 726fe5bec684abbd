/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#define PRINTF_LOCAL 256

void weir_buf_printf(struct weir_buf *b, const char *fmt, ...)
{
	char text[PRINTF_LOCAL];
	size_t room = b->cap - b->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(text)) {
		weir_buf_put(b, text, (size_t)n);
		return;
	}
	/* Long texts go straight to the place; one byte more is needed for the final 0. */
	if (n < 0 || (size_t)n >= room) {
		b->full = true;
		return;
	}
	va_start(ap, fmt);
	vsnprintf(b->p + b->len, room, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

/* ---- integers ---- */

static const char digit_pair[] = "00010203040506070809"
				 "10111213141516171819"
				 "20212223242526272829"
				 "30313233343536373839"
				 "40414243444546474849"
				 "50515253545556575859"
				 "60616263646566676869"
				 "70717273747576777879"
				 "80818283848586878889"
				 "90919293949596979899";

/* Writes the digits so that they end before end; returns where they start. */
static char *digits_before(char *end, uint64_t v)
{
	while (v >= 100) {
		end -= 2;
		memcpy(end, digit_pair + 2 * (v % 100), 2);
		v /= 100;
	}
	if (v >= 10) {
		end -= 2;
		memcpy(end, digit_pair + 2 * v, 2);
	} else {
		*--end = (char)('0' + v);
	}
	return end;
}

void weir_buf_u64(struct weir_buf *b, uint64_t v)
{
	char text[20];
	char *p = digits_before(text + sizeof(text), v);

	weir_buf_put(b, p, (size_t)(text + sizeof(text) - p));
}

void weir_buf_i64(struct weir_buf *b, int64_t v)
{
	char text[21];
	char *p = digits_before(text + sizeof(text), v < 0 ? -(uint64_t)v : (uint64_t)v);

	if (v < 0)
		*--p = '-';
	weir_buf_put(b, p, (size_t)(text + sizeof(text) - p));
}

/* ---- JSON strings ---- */

#define EACH_BYTE(c) (UINT64_C(0x0101010101010101) * (c))
#define HIGH_BITS EACH_BYTE(0x80)

/* Nonzero when one of the eight bytes is below 0x20, '"', '\\' or not ASCII. The borrow of a
 * subtraction can only mark bytes above one that is marked already, so "none" is exact. */
static inline uint64_t special_bytes(uint64_t w)
{
	uint64_t quote = w ^ EACH_BYTE('"'), slash = w ^ EACH_BYTE('\\');

	return (w | (w - EACH_BYTE(0x20)) | (quote - EACH_BYTE(1)) | (slash - EACH_BYTE(1))) &
	       HIGH_BITS;
}

static inline bool special_byte(uint8_t c)
{
	return c < 0x20 || c == '"' || c == '\\' || c >= 0x80;
}

static inline size_t plain_run(const uint8_t *p, size_t n)
{
	size_t i = 0;

	for (; i + 8 <= n; i += 8) {
		uint64_t w;

		memcpy(&w, p + i, 8);
		if (special_bytes(w))
			break;
	}
	while (i < n && !special_byte(p[i]))
		i++;
	return i;
}

static inline bool tail_byte(uint8_t c)
{
	return (c & 0xc0) == 0x80;
}

/* Length of the UTF-8 sequence (RFC 3629) at p, first byte >= 0x80; 0 when it is not one. */
static size_t utf8_len(const uint8_t *p, size_t n)
{
	uint8_t c = p[0];

	if (c < 0xc2 || c > 0xf4 || n < 2 || !tail_byte(p[1]))
		return 0;
	if (c < 0xe0)
		return 2;
	if (n < 3 || !tail_byte(p[2]))
		return 0;
	if (c < 0xf0) {
		if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f))
			return 0;
		return 3;
	}
	if (n < 4 || !tail_byte(p[3]))
		return 0;
	if ((c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] > 0x8f))
		return 0;
	return 4;
}

static void buf_escape(struct weir_buf *b, uint8_t c)
{
	static const char hex[] = "0123456789abcdef";
	char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

	switch (c) {
	case '"':
	case '\\':
		text[1] = (char)c;
		break;
	case '\n':
		text[1] = 'n';
		break;
	case '\r':
		text[1] = 'r';
		break;
	case '\t':
		text[1] = 't';
		break;
	case '\b':
		text[1] = 'b';
		break;
	case '\f':
		text[1] = 'f';
		break;
	default:
		weir_buf_put(b, text, 6);
		return;
	}
	weir_buf_put(b, text, 2);
}

void weir_buf_json_str(struct weir_buf *b, struct weir_str s)
{
	const uint8_t *p = (const uint8_t *)s.p;
	size_t n = s.n, len;

	weir_buf_char(b, '"');
	while (n && !b->full) {
		len = plain_run(p, n);
		while (len < n && p[len] >= 0x80) {
			size_t more = utf8_len(p + len, n - len);

			if (!more)
				break;
			len += more;
		}
		if (len) {
			weir_buf_put(b, p, len);
		} else if (p[0] >= 0x80) {
			weir_buf_put(b, "\xef\xbf\xbd", 3);
			len = 1;
		} else {
			buf_escape(b, p[0]);
			len = 1;
		}
		p += len;
		n -= len;
	}
	weir_buf_char(b, '"');
}
