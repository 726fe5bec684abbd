/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/window_assign.h - arithmetic of tumbling and sliding windows and their slices.
 *
 *   slice k   = [offset + k * slice, + slice)           slice = size, or gcd(size, slide)
 *   window j  = [offset + j * slide, + size)            = slices [j * per_slide, + per_window)
 *
 * A record is kept in one slice; a window is put together from its slices when it fires. Slices and
 * windows are numbered from the offset (Unix epoch), rounding down, so that negative times work too.
 * Source: panes, Li et al., "No Pane, No Gain", SIGMOD Record 2005; slices, Traub et al., "Scotty", 2018.
 * Limits: lengths up to 2^60 ns (36 years). Times nearer than a few lengths to the ends of int64 are
 *         out of range: nothing below overflows for the others.
 * Pure.
 */
#ifndef WEIR_ENGINE_CORE_WINDOW_ASSIGN_H
#define WEIR_ENGINE_CORE_WINDOW_ASSIGN_H

#include "engine/core/pipeline.h"

#define WEIR_WINDOW_LENGTH_MAX (INT64_C(1) << 60)

struct weir_slicing {
	int64_t size, slide, slice, offset, lateness;
	int64_t per_window; /* slices in a window */
	int64_t per_slide; /* slices from one window's start to the next */
	int64_t time_min, time_max;
};

/* Also for sessions (slide_ns not used). WEIR_E_RANGE when a length is not in 1 .. 2^60. */
int weir_slicing_init(struct weir_slicing *s, const struct weir_window_spec *spec);

weir_inline bool weir_slicing_in_range(const struct weir_slicing *s, int64_t t)
{
	return t >= s->time_min && t <= s->time_max;
}

/* The functions below take times in range, and slices and windows of such times. */
int64_t weir_slice_of(const struct weir_slicing *s, int64_t t);

weir_inline int64_t weir_slice_start(const struct weir_slicing *s, int64_t slice)
{
	return s->offset + slice * s->slice;
}

/* First and last window that contain the slice; with gaps between windows (slide > size) the first
 * is behind the last for a slice in a gap. */
int64_t weir_slice_window_first(const struct weir_slicing *s, int64_t slice);
int64_t weir_slice_window_last(const struct weir_slicing *s, int64_t slice);

weir_inline int64_t weir_window_start(const struct weir_slicing *s, int64_t window)
{
	return s->offset + window * s->slide;
}

weir_inline int64_t weir_window_end(const struct weir_slicing *s, int64_t window)
{
	return weir_window_start(s, window) + s->size;
}

/* First window the watermark (any value) has not closed: end - 1 > watermark. */
int64_t weir_window_open(const struct weir_slicing *s, int64_t watermark);
/* First window that is still kept: end - 1 + lateness > watermark. */
int64_t weir_window_kept(const struct weir_slicing *s, int64_t watermark);

/* watermark - lateness without overflow. */
int64_t weir_watermark_less(int64_t watermark, int64_t lateness);

#endif
