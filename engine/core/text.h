/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/text.h - looking at 16 bytes of text at once; UTF-8 and base64.
 *
 * The masks have bit i set when byte i is one of those asked for. With SSE2 each is a handful of
 * instructions; the portable form gives the same bits, so everything above is written once.
 * WEIR_TEXT_PORTABLE forces the portable form (tests).
 * Pure; any thread.
 */
#ifndef WEIR_ENGINE_CORE_TEXT_H
#define WEIR_ENGINE_CORE_TEXT_H

#include "base/base.h"
#include "base/str.h"

#if defined(__SSE2__) && !defined(WEIR_TEXT_PORTABLE)
#include <emmintrin.h>
#define WEIR__TEXT_SSE2 1
#else
#define WEIR__TEXT_SSE2 0
#endif

/* Quotes, backslashes and control bytes; *ret_high: bytes of 0x80 and above. Reads 16 bytes. */
weir_inline uint32_t weir__mask_json(const char *p, uint32_t *ret_high)
{
#if WEIR__TEXT_SSE2
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
	__m128i q = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
	__m128i b = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
	__m128i c = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);

	*ret_high = (uint32_t)_mm_movemask_epi8(v);
	return (uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(q, b), c));
#else
	uint32_t mask = 0, high = 0;

	for (unsigned i = 0; i < 16; i++) {
		uint8_t c = (uint8_t)p[i];

		mask |= (uint32_t)(c == '"' || c == '\\' || c < 0x20) << i;
		high |= (uint32_t)(c >> 7) << i;
	}
	*ret_high = high;
	return mask;
#endif
}

/* Delimiters, quotes and line feeds. Reads 16 bytes. */
weir_inline uint32_t weir__mask_csv(const char *p, char delimiter)
{
#if WEIR__TEXT_SSE2
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
	__m128i d = _mm_cmpeq_epi8(v, _mm_set1_epi8(delimiter));
	__m128i q = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
	__m128i n = _mm_cmpeq_epi8(v, _mm_set1_epi8('\n'));

	return (uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(d, q), n));
#else
	uint32_t mask = 0;

	for (unsigned i = 0; i < 16; i++)
		mask |= (uint32_t)(p[i] == delimiter || p[i] == '"' || p[i] == '\n') << i;
	return mask;
#endif
}

/* Bytes equal to those of pattern. Reads 16 bytes of each. */
weir_inline uint32_t weir__mask_equal(const char *p, const char *pattern)
{
#if WEIR__TEXT_SSE2
	__m128i a = _mm_loadu_si128((const __m128i *)(const void *)p);
	__m128i b = _mm_loadu_si128((const __m128i *)(const void *)pattern);

	return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(a, b));
#else
	uint32_t mask = 0;

	for (unsigned i = 0; i < 16; i++)
		mask |= (uint32_t)(p[i] == pattern[i]) << i;
	return mask;
#endif
}

/* Bytes of 0x80 and above. Reads 16 bytes. */
weir_inline uint32_t weir__mask_high(const char *p)
{
#if WEIR__TEXT_SSE2
	return (uint32_t)_mm_movemask_epi8(_mm_loadu_si128((const __m128i *)(const void *)p));
#else
	uint32_t high = 0;

	for (unsigned i = 0; i < 16; i++)
		high |= (uint32_t)((uint8_t)p[i] >> 7) << i;
	return high;
#endif
}

/*
 * Copies n bytes and tells whether any is not ASCII. Up to 15 bytes behind both texts may be read
 * and overwritten as long as they lie below src_limit and dst_limit.
 */
weir_inline bool weir__copy_text(char *dst, const char *dst_limit, const char *src,
				 const char *src_limit, size_t n)
{
	uint32_t high = 0;
	size_t i = 0;

	while (i < n && src_limit - src - (ptrdiff_t)i >= 16 &&
	       dst_limit - dst - (ptrdiff_t)i >= 16) {
		uint32_t h = weir__mask_high(src + i);

		memcpy(dst + i, src + i, 16);
		if (n - i < 16)
			h &= (1u << (n - i)) - 1;
		high |= h;
		i += 16;
	}
	for (; i < n; i++) {
		dst[i] = src[i];
		high |= (uint32_t)(uint8_t)src[i] & 0x80;
	}
	return high != 0;
}

/* Index of the first byte that does not belong to well-formed UTF-8 (RFC 3629), or n. */
size_t weir__utf8_check(const char *p, size_t n);

#define WEIR__BASE64_ROOM(n) (((n) + 3) / 4 * 3) /* bytes that decoding n characters may take */

/* Base64 of RFC 4648 section 4: padded, no line breaks, unused bits zero. Bytes, or -1. dst may be
 * the text's own memory. */
ptrdiff_t weir__base64_decode(char *dst, const char *src, size_t n);

struct weir_buf;
void weir__buf_base64(struct weir_buf *b, struct weir_str s);

#endif
