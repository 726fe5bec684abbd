/* SPDX-License-Identifier: Apache-2.0 */
#include "base/checksum.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Bit by bit: only for processors without the instruction. */
static uint32_t crc_byte(uint32_t crc, uint8_t b)
{
	crc ^= b;
	for (int i = 0; i < 8; i++)
		crc = crc >> 1 ^ (UINT32_C(0x82f63b78) & (0 - (crc & 1)));
	return crc;
}

uint32_t weir_crc32c_plain(uint32_t crc, const void *p, size_t n)
{
	const uint8_t *at = p;

	crc = ~crc;
	while (n--)
		crc = crc_byte(crc, *at++);
	return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_sse42(uint32_t crc, const uint8_t *p,
							    size_t n)
{
	uint64_t c = crc;

	for (; n >= 8; n -= 8, p += 8) {
		uint64_t v;

		memcpy(&v, p, 8);
		c = __builtin_ia32_crc32di(c, v);
	}
	crc = (uint32_t)c;
	while (n--)
		crc = __builtin_ia32_crc32qi(crc, *p++);
	return crc;
}
#endif

uint32_t weir_crc32c(uint32_t crc, const void *p, size_t n)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		return ~crc_sse42(~crc, p, n);
#endif
	return weir_crc32c_plain(crc, p, n);
}

struct weir_hash128 weir_hash128(const void *p, size_t n)
{
	XXH128_hash_t h = XXH3_128bits(p, n);

	return (struct weir_hash128){.lo = h.low64, .hi = h.high64};
}

uint64_t weir_hash64_seed(const void *p, size_t n, uint64_t seed)
{
	return XXH3_64bits_withSeed(p, n, seed);
}

struct weir_hash128 weir_hash128_chain(struct weir_hash128 h, struct weir_hash128 next)
{
	struct weir_hash128 both[2] = {h, next};

	return weir_hash128(both, sizeof(both));
}
