/* SPDX-License-Identifier: Apache-2.0 */
#include "shm/lane.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/checksum.h"
#include "base/err.h"

#define HEAD ((uint32_t)sizeof(struct weir_lane_head))
#define DATA_HEAD ((uint32_t)sizeof(struct weir_lane_data))

static const char *const type_name[WEIR_LANE_TYPE_COUNT] = {
	[WEIR_LANE_HELLO] = "hello",	 [WEIR_LANE_DATA] = "data",
	[WEIR_LANE_COMMIT] = "commit",	 [WEIR_LANE_TRIMMED] = "trimmed",
	[WEIR_LANE_RESUME] = "resume",	 [WEIR_LANE_RECEIVED] = "received",
	[WEIR_LANE_DURABLE] = "durable", [WEIR_LANE_GAP] = "gap",
	[WEIR_LANE_FENCED] = "fenced",	 [WEIR_LANE_STATUS] = "status",
	[WEIR_LANE_FORK] = "fork",	 [WEIR_LANE_OPEN] = "open",
	[WEIR_LANE_CLOSED] = "closed",
};

const char *weir_lane_type_name(unsigned type)
{
	return type < WEIR_LANE_TYPE_COUNT && type_name[type] ? type_name[type] : "?";
}

static uint32_t head_crc(const struct weir_lane_head *h)
{
	return weir_crc32c(0, h, offsetof(struct weir_lane_head, crc));
}

/* Of everything in the body of DATA behind its own field. */
static uint32_t data_crc(const struct weir_lane_head *h)
{
	const uint8_t *body = (const uint8_t *)(h + 1);
	const uint32_t skip = sizeof(((struct weir_lane_data *)0)->crc);

	return weir_crc32c(0, body + skip, h->f.size - HEAD - skip);
}

void weir_lane_seal(struct weir_lane_head *h, enum weir_lane_type type, uint32_t body_bytes)
{
	weir_assert(type > 0 && type < WEIR_LANE_TYPE_COUNT);
	weir_assert(body_bytes <= WEIR_LANE_FRAME_LIMIT - HEAD);
	h->f.size = HEAD + body_bytes;
	h->f.kind = WEIR_FRAME_LANE;
	h->f.flags = (uint8_t)type;
	h->f.stream = WEIR_LANE_VERSION;
	h->crc = head_crc(h);
}

void weir_lane_seal_body(struct weir_lane_head *h, enum weir_lane_type type, uint32_t body_bytes)
{
	uint8_t *body = (uint8_t *)(h + 1);

	weir_lane_seal(h, type, body_bytes);
	memset(body + body_bytes, 0, WEIR_ALIGN_UP(body_bytes, 8u) - body_bytes);
	if (type == WEIR_LANE_DATA) {
		uint32_t crc;

		weir_assert(body_bytes > DATA_HEAD);
		crc = data_crc(h);
		memcpy(body, &crc, sizeof(crc));
	}
}

/* Types without a body must have none. */
static bool has_body(unsigned type)
{
	return type == WEIR_LANE_HELLO || type == WEIR_LANE_DATA || type == WEIR_LANE_STATUS ||
	       type == WEIR_LANE_CLOSED;
}

static bool head_fine(const struct weir_lane_head *h, uint32_t max)
{
	if (h->f.kind != WEIR_FRAME_LANE || h->f.stream != WEIR_LANE_VERSION)
		return false;
	if (h->f.flags == 0 || h->f.flags >= WEIR_LANE_TYPE_COUNT)
		return false;
	if (h->f.size < HEAD || h->f.size > WEIR_MIN(max, WEIR_LANE_FRAME_LIMIT))
		return false;
	if (h->f.size > HEAD && !has_body(h->f.flags))
		return false;
	return h->crc == head_crc(h);
}

int64_t weir_lane_stride(const void *p, uint64_t n, uint32_t max)
{
	struct weir_lane_head h;

	if (n < HEAD)
		return 0;
	memcpy(&h, p, HEAD);
	return head_fine(&h, max) ? (int64_t)weir_frame_stride(&h.f) : WEIR_E_CORRUPT;
}

static bool data_fine(const struct weir_lane_head *h)
{
	static const uint8_t zero[sizeof(((struct weir_lane_data *)0)->reserved)];
	uint32_t body = h->f.size - HEAD;
	struct weir_lane_data d;

	if (body <= DATA_HEAD)
		return false;
	memcpy(&d, h + 1, sizeof(d));
	if (d.crc != data_crc(h) || d.codec > WEIR_LANE_ZSTD ||
	    memcmp(d.reserved, zero, sizeof(zero)) != 0)
		return false;
	/* A batch is whole frames: at least one head, and each padded. */
	if (h->count == 0 || d.raw_bytes < sizeof(struct weir_frame) || d.raw_bytes % 8 ||
	    d.raw_bytes > WEIR_LANE_FRAME_LIMIT ||
	    d.raw_bytes / sizeof(struct weir_frame) < h->count)
		return false;
	return d.codec != WEIR_LANE_PLAIN || d.raw_bytes == body - DATA_HEAD;
}

int weir_lane_check(const struct weir_lane_head *h, uint64_t n)
{
	const uint8_t *p = (const uint8_t *)h;

	if (n < HEAD || !head_fine(h, WEIR_LANE_FRAME_LIMIT) || weir_frame_stride(&h->f) > n)
		return WEIR_E_CORRUPT;
	for (uint32_t i = h->f.size; i < weir_frame_stride(&h->f); i++)
		if (p[i] != 0)
			return WEIR_E_CORRUPT;
	return h->f.flags != WEIR_LANE_DATA || data_fine(h) ? 0 : WEIR_E_CORRUPT;
}

/* ---- names ---- */

void weir_lane_ring_name(char *ret, size_t cap, bool out, uint64_t edge, const char *peer,
			 const char *step)
{
	snprintf(ret, cap, "lane-%s %016llx %s %s", out ? "out" : "in", (unsigned long long)edge,
		 peer, step);
}

static bool hex16(const char *p, uint64_t *ret)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < 16; i++) {
		char c = p[i];

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false; /* also the end of the text */
	}
	*ret = v;
	return true;
}

bool weir_lane_ring_parse(const char *name, bool *ret_out, uint64_t *ret_edge, char *ret_peer)
{
	bool out = strncmp(name, "lane-out ", 9) == 0;
	uint64_t edge;
	size_t n = 0;

	if (!out && strncmp(name, "lane-in ", 8) != 0)
		return false;
	name += out ? 9 : 8;
	if (!hex16(name, &edge) || name[16] != ' ')
		return false;
	name += 17;
	while ((name[n] >= 'a' && name[n] <= 'z') ||
	       (n > 0 && ((name[n] >= '0' && name[n] <= '9') || name[n] == '-')))
		n++;
	if (n == 0 || n > WEIR_REGION_MAX || name[n] != ' ')
		return false;
	memcpy(ret_peer, name, n);
	ret_peer[n] = 0;
	*ret_out = out;
	*ret_edge = edge;
	return true;
}

void weir_lane_counter_name(char *ret, size_t cap, uint64_t edge, enum weir_lane_counter c)
{
	static const char *const what[WEIR_LANE_COUNTERS] = {
		[WEIR_LANE_WIRE_OUT] = "wire_out",
		[WEIR_LANE_WIRE_IN] = "wire_in",
		[WEIR_LANE_RTT_NS] = "rtt_ns",
		[WEIR_LANE_STATE] = "state",
	};

	weir_assert((unsigned)c < WEIR_LANE_COUNTERS);
	snprintf(ret, cap, "lane.%016llx.%s", (unsigned long long)edge, what[c]);
}
