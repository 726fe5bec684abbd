/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lab/wan.h - a wide-area network between regions, as a pure queue: what happens to a frame, and when it comes out.
 *
 * Paths:  one for each ordered pair of regions: delay, jitter, loss, duplicates, reordering, corruption, rate, queue limit, cut.
 *         Frames of a path leave in order unless jitter or reordering say otherwise. A reordered frame skips the delay, as in netem.
 * Rate:   a token clock; a frame counts with 24 bytes for preamble, gap and checksum. Frames that wait for the rate or the delay
 *         count against the limit; above it they are dropped, as a router's queue does.
 * Chance: one generator for each path, from the seed and the pair: what happens to one path does not depend on another.
 * Memory: frames are copied; at most frames_max wait in all.
 * Pure. Thread: one.
 */
#ifndef WEIR_LAB_WAN_H
#define WEIR_LAB_WAN_H

#include "base/mem.h"

#define WEIR_WAN_FRAME_MAX 9216u
#define WEIR_WAN_REGIONS_MAX 32u

struct weir_wan_path {
	uint64_t delay_ns, jitter_ns; /* uniform in delay +- jitter */
	uint32_t loss, dup, reorder, corrupt; /* per million */
	uint64_t rate; /* bits per second; 0: no limit */
	uint32_t limit; /* frames; default 10000 */
	bool cut;
};

struct weir_wan_stats {
	uint64_t in, out, bytes_out;
	uint64_t lost, cut, full, duplicated, reordered, corrupted;
	uint64_t waiting;
};

struct weir_wan_frame {
	uint32_t from, to;
	uint64_t due_ns;
	uint32_t n;
	const uint8_t *p; /* valid until the next call */
};

struct weir_wan;
struct weir_wan *weir_wan_new(uint32_t regions, uint64_t seed, uint32_t frames_max,
			      const struct weir_mem *keep_mem);
void weir_wan_free(struct weir_wan *w);

struct weir_wan_path *weir_wan_path(struct weir_wan *w, uint32_t from,
				    uint32_t to); /* may be changed at any time */
void weir_wan_stats(const struct weir_wan *w, uint32_t from, uint32_t to,
		    struct weir_wan_stats *ret);

/* A frame enters. Longer ones than WEIR_WAN_FRAME_MAX are dropped and counted as full. */
void weir_wan_put(struct weir_wan *w, uint32_t from, uint32_t to, const void *p, uint32_t n,
		  uint64_t now_ns);
/* The next frame that is due. */
bool weir_wan_next(struct weir_wan *w, uint64_t now_ns, struct weir_wan_frame *ret);
uint64_t weir_wan_due(const struct weir_wan *w); /* of the first frame; UINT64_MAX: none waits */

#endif
