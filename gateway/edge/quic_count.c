/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library has no counter for repeated data. It is computed: bytes in the STREAM frames of a packet, as they go to the cipher,
 * without those that were handed over for this packet. Frames: RFC 9000, section 19.
 */
#include "gateway/edge/quic_priv.h"

static uint64_t varint(const uint8_t **p, const uint8_t *end)
{
	unsigned n;
	uint64_t v;

	if (*p == end || (size_t)(end - *p) < (n = 1u << (**p >> 6))) {
		*p = end;
		return 0;
	}
	v = *(*p)++ & 0x3f;
	while (--n)
		v = v << 8 | *(*p)++;
	return v;
}

static void skip(const uint8_t **p, const uint8_t *end, uint64_t n)
{
	*p += WEIR_MIN(n, (uint64_t)(end - *p));
}

static void ack(const uint8_t **p, const uint8_t *end, bool ecn)
{
	uint64_t ranges;

	varint(p, end);
	varint(p, end);
	ranges = varint(p, end);
	varint(p, end);
	for (uint64_t i = 0; i < 2 * ranges && *p < end; i++)
		varint(p, end);
	for (int i = 0; ecn && i < 3; i++)
		varint(p, end);
}

static uint64_t stream(const uint8_t **p, const uint8_t *end, uint64_t type)
{
	uint64_t n;

	varint(p, end);
	if (type & 4)
		varint(p, end);
	n = type & 2 ? varint(p, end) : (uint64_t)(end - *p);
	n = WEIR_MIN(n, (uint64_t)(end - *p));
	*p += n;
	return n;
}

uint64_t weir_quic__count_stream_bytes(const uint8_t *p, size_t n)
{
	/* Varints behind the type, for the frames that are nothing else. */
	static const uint8_t varints[0x20] = {
		[0x04] = 3, [0x05] = 2, [0x10] = 1, [0x11] = 2, [0x12] = 1, [0x13] = 1,
		[0x14] = 1, [0x15] = 2, [0x16] = 1, [0x17] = 1, [0x19] = 1};
	const uint8_t *end = p + n;
	uint64_t sum = 0;

	while (p < end) {
		uint64_t type = varint(&p, end);

		if (type >= 0x08 && type <= 0x0f) {
			sum += stream(&p, end, type);
		} else if (type == 0x02 || type == 0x03) {
			ack(&p, end, type == 0x03);
		} else if (type == 0x06) {
			varint(&p, end);
			skip(&p, end, varint(&p, end));
		} else if (type == 0x07) {
			skip(&p, end, varint(&p, end));
		} else if (type == 0x18) {
			varint(&p, end);
			varint(&p, end);
			if (p < end)
				skip(&p, end, 1u + *p + 16);
		} else if (type == 0x1a || type == 0x1b) {
			skip(&p, end, 8);
		} else if (type < 0x20 && (varints[type] || type <= 1 || type == 0x1e)) {
			for (unsigned i = 0; i < varints[type]; i++)
				varint(&p, end);
		} else {
			break; /* a close, or a frame this does not know */
		}
	}
	return sum;
}
