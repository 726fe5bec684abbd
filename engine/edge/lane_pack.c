/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/lane_pack.h"

#include <errno.h>
#include <lz4.h>
#include <stdlib.h>
#include <zstd.h>

#include "host/clock.h"
#include "host/cluster.h"

#define ZSTD_LEVEL 1
#define WINDOW_NS (100 * (uint64_t)WEIR_NS_PER_MS)
#define ZSTD_SHARE 3 /* of a window: one in so many parts */
#define POOR_MAX 8u /* batches that did not shrink, before most are left alone */
#define POOR_TRY 16u /* then one in so many is tried */

struct weir_lane_pack {
	struct weir_lane_codecs codecs;
	const struct weir_lane_end *lane;
	int mode; /* WEIR_COMPRESS_* */
	ZSTD_CCtx *c;
	ZSTD_DCtx *d;
	uint64_t window_ns, spent_ns; /* of zstd in this window */
	uint32_t poor, skipped;
	char lz4[]; /* LZ4_sizeofState() */
};

static bool link_is_full(const struct weir_lane_end *l)
{
	return l && l->tx.tail - l->tx.head_cache > l->tx.capacity / 2;
}

static bool choose_zstd(struct weir_lane_pack *p, uint64_t now)
{
	if (p->mode != WEIR_COMPRESS_AUTO)
		return p->mode == WEIR_COMPRESS_ZSTD;
	if (now - p->window_ns > WINDOW_NS) {
		p->window_ns = now;
		p->spent_ns = 0;
	}
	return p->spent_ns < WINDOW_NS / ZSTD_SHARE || link_is_full(p->lane);
}

static uint32_t with_zstd(struct weir_lane_pack *p, const void *in, uint32_t n, void *out,
			  uint32_t cap)
{
	size_t r = ZSTD_compressCCtx(p->c, out, cap, in, n, ZSTD_LEVEL);

	return ZSTD_isError(r) ? 0 : (uint32_t)r;
}

static uint32_t with_lz4(struct weir_lane_pack *p, const void *in, uint32_t n, void *out,
			 uint32_t cap)
{
	int r = LZ4_compress_fast_extState(p->lz4, in, out, (int)n, (int)cap, 1);

	return r > 0 ? (uint32_t)r : 0;
}

static uint32_t lane_pack(void *ctx, const void *in, uint32_t n, void *out, uint32_t cap,
			  uint8_t *ret_codec)
{
	struct weir_lane_pack *p = ctx;
	uint32_t most = WEIR_MIN(cap, n - n / 16), got;
	uint64_t from = 0;
	bool zstd;

	if (p->poor >= POOR_MAX && ++p->skipped % POOR_TRY)
		return 0;
	if (p->mode == WEIR_COMPRESS_AUTO)
		from = weir_mono_ns();
	zstd = choose_zstd(p, from);
	/* No more room than it may take: both give up early then. */
	got = zstd ? with_zstd(p, in, n, out, most) : with_lz4(p, in, n, out, most);
	if (zstd && p->mode == WEIR_COMPRESS_AUTO)
		p->spent_ns += weir_mono_ns() - from;
	p->poor = got ? 0 : p->poor + 1;
	*ret_codec = zstd ? WEIR_LANE_ZSTD : WEIR_LANE_LZ4;
	return got;
}

static bool lane_unpack(void *ctx, uint8_t codec, const void *in, uint32_t n, void *out,
			uint32_t raw)
{
	struct weir_lane_pack *p = ctx;

	if (codec == WEIR_LANE_LZ4)
		return LZ4_decompress_safe(in, out, (int)n, (int)raw) == (int)raw;
	if (codec == WEIR_LANE_ZSTD)
		return ZSTD_decompressDCtx(p->d, out, raw, in, n) == raw;
	return false;
}

struct weir_lane_pack *weir_lane_pack_new(const struct weir_cluster *cluster,
					  const struct weir_lane_end *keep_lane,
					  struct weir_err *err)
{
	struct weir_lane_pack *p = calloc(1, sizeof(*p) + (size_t)LZ4_sizeofState());

	if (p) {
		p->c = ZSTD_createCCtx();
		p->d = ZSTD_createDCtx();
	}
	if (!p || !p->c || !p->d) {
		weir_lane_pack_free(p);
		weir_err_set(err, -ENOMEM, "no memory to pack records of an edge");
		return NULL;
	}
	p->lane = keep_lane;
	p->mode = cluster ? (int)cluster->compression : WEIR_COMPRESS_AUTO;
	p->codecs = (struct weir_lane_codecs){
		.pack = p->mode == WEIR_COMPRESS_NONE ? NULL : lane_pack,
		.unpack = lane_unpack,
		.ctx = p,
	};
	return p;
}

void weir_lane_pack_free(struct weir_lane_pack *p)
{
	if (!p)
		return;
	ZSTD_freeCCtx(p->c);
	ZSTD_freeDCtx(p->d);
	free(p);
}

const struct weir_lane_codecs *weir_lane_pack_codecs(const struct weir_lane_pack *p)
{
	return &p->codecs;
}
