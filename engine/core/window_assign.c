/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/window_assign.h"

static int64_t gcd(int64_t a, int64_t b)
{
	while (b) {
		int64_t r = a % b;

		a = b;
		b = r;
	}
	return a;
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static bool length_ok(int64_t ns)
{
	return ns >= 1 && ns <= WEIR_WINDOW_LENGTH_MAX;
}

int weir_slicing_init(struct weir_slicing *s, const struct weir_window_spec *spec)
{
	int64_t margin;

	s->size = spec->size_ns;
	s->slide = spec->kind == WEIR_WINDOW_SLIDING ? spec->slide_ns : spec->size_ns;
	s->offset = spec->kind == WEIR_WINDOW_SESSION ? 0 : spec->offset_ns;
	s->lateness = spec->lateness_ns;
	if (!length_ok(s->size) || !length_ok(s->slide) || s->lateness < 0 ||
	    s->lateness > WEIR_WINDOW_LENGTH_MAX || s->offset < 0 || s->offset >= s->slide)
		return WEIR_E_RANGE;
	s->slice = gcd(s->size, s->slide);
	s->per_window = s->size / s->slice;
	s->per_slide = s->slide / s->slice;
	margin = 2 * (s->size + s->slide) + s->lateness;
	s->time_min = WEIR_TIME_MIN + margin;
	s->time_max = WEIR_TIME_MAX - margin;
	return 0;
}

int64_t weir_slice_of(const struct weir_slicing *s, int64_t t)
{
	return floor_div(t - s->offset, s->slice);
}

int64_t weir_slice_window_first(const struct weir_slicing *s, int64_t slice)
{
	/* Smallest j with j * per_slide + per_window > slice. */
	return floor_div(slice - s->per_window, s->per_slide) + 1;
}

int64_t weir_slice_window_last(const struct weir_slicing *s, int64_t slice)
{
	return floor_div(slice, s->per_slide);
}

int64_t weir_watermark_less(int64_t watermark, int64_t lateness)
{
	return watermark < WEIR_TIME_MIN + lateness ? WEIR_TIME_MIN : watermark - lateness;
}

int64_t weir_window_open(const struct weir_slicing *s, int64_t watermark)
{
	/* Windows of times in range lie between these, so that a clamped watermark decides alike. */
	int64_t low = WEIR_TIME_MIN + s->size + s->slide;
	int64_t high = WEIR_TIME_MAX - s->size - s->slide;

	watermark = WEIR_MIN(WEIR_MAX(watermark, low), high);
	/* Smallest j with offset + j * slide + size - 1 > watermark. */
	return floor_div(watermark - s->offset - s->size + 1, s->slide) + 1;
}

int64_t weir_window_kept(const struct weir_slicing *s, int64_t watermark)
{
	return weir_window_open(s, weir_watermark_less(watermark, s->lateness));
}
