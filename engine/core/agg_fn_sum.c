/* SPDX-License-Identifier: Apache-2.0 */
/* sum and avg: exact in 128 bit for integers, compensated for floats. */
#include "base/num.h"
#include "engine/core/agg_fn.h"

#define F64_NAN UINT64_C(0x7ff8000000000000)

/* States are 8-byte aligned, one less than the compiler would take for granted. */
typedef weir_i128 sum_i128 __attribute__((aligned(8)));

struct sum_int {
	sum_i128 sum;
	uint64_t count;
};

struct sum_f64 {
	double sum, lost; /* lost: what rounding took away so far */
	uint64_t count;
};

_Static_assert(sizeof(struct sum_int) == 24 && sizeof(struct sum_f64) == 24, "layout");

static void int_update(const struct weir_agg *a, const struct weir_agg_rows *rows)
{
	const struct weir_agg_col *c = a->arg;

	for (uint32_t i = 0; i < rows->count; i++) {
		uint32_t lane = rows->lane[i];
		struct sum_int *s = (struct sum_int *)(void *)(rows->at[i] + a->offset);

		if (weir__agg_null(c, lane))
			continue;
		s->sum += (int64_t)c->slot[lane];
		s->count++;
	}
}

static void int_merge(const struct weir_agg *a, struct weir_slab *slab, void *dst, const void *src)
{
	struct sum_int *d = dst;
	const struct sum_int *s = src;

	(void)a;
	(void)slab;
	d->sum += s->sum;
	d->count += s->count;
}

static const char *int_sum_build(const struct weir_agg *a, const void *state,
				 struct weir_builder *b, unsigned i)
{
	const struct sum_int *s = state;
	weir_i128 limit = INT64_MAX;

	if (s->count == 0) {
		weir_build_null(b, i);
		return NULL;
	}
	if (a->result_type.type == WEIR_DECIMAL)
		limit = weir_pow10[a->result_type.precision] - 1;
	if (s->sum > limit ||
	    s->sum < (a->result_type.type == WEIR_DECIMAL ? -limit : (weir_i128)INT64_MIN))
		return a->result_type.type == WEIR_DECIMAL
			       ? "sum has more digits than its decimal type"
			       : "sum overflows 64 bits";
	weir_build_i64(b, i, (int64_t)s->sum);
	return NULL;
}

static const char *int_avg_build(const struct weir_agg *a, const void *state,
				 struct weir_builder *b, unsigned i)
{
	const struct sum_int *s = state;

	if (s->count == 0) {
		weir_build_null(b, i);
	} else if (a->result_type.type == WEIR_FLOAT64) {
		unsigned scale = a->arg_type.type == WEIR_DECIMAL ? a->arg_type.scale : 0;
		weir_i128 by = (weir_i128)s->count * weir_pow10[scale];

		weir_build_f64(b, i, (double)s->sum / (double)by);
	} else {
		/* A duration or a time: to the nearest, halves away from zero. */
		weir_i128 half = (weir_i128)(s->count / 2);

		weir_build_i64(
			b, i,
			(int64_t)((s->sum + (s->sum < 0 ? -half : half)) / (weir_i128)s->count));
	}
	return NULL;
}

static void f64_add(struct sum_f64 *s, double x)
{
	double t = s->sum + x;

	if (__builtin_fabs(s->sum) >= __builtin_fabs(x))
		s->lost += (s->sum - t) + x;
	else
		s->lost += (x - t) + s->sum;
	s->sum = t;
}

static void f64_update(const struct weir_agg *a, const struct weir_agg_rows *rows)
{
	const struct weir_agg_col *c = a->arg;

	for (uint32_t i = 0; i < rows->count; i++) {
		uint32_t lane = rows->lane[i];
		struct sum_f64 *s = (struct sum_f64 *)(void *)(rows->at[i] + a->offset);
		double x;

		if (weir__agg_null(c, lane))
			continue;
		memcpy(&x, &c->slot[lane], 8);
		f64_add(s, x);
		s->count++;
	}
}

static void f64_merge(const struct weir_agg *a, struct weir_slab *slab, void *dst, const void *src)
{
	struct sum_f64 *d = dst;
	const struct sum_f64 *s = src;

	(void)a;
	(void)slab;
	f64_add(d, s->sum);
	d->lost += s->lost;
	d->count += s->count;
}

/* Once the sum is infinite or NaN, what was lost has no meaning. */
static double f64_total(const struct sum_f64 *s)
{
	return __builtin_isfinite(s->sum) ? s->sum + s->lost : s->sum;
}

static void f64_build(struct weir_builder *b, unsigned i, double d)
{
	if (d != d)
		weir_build_slot(b, i, F64_NAN);
	else
		weir_build_f64(b, i, d);
}

static const char *f64_sum_build(const struct weir_agg *a, const void *state,
				 struct weir_builder *b, unsigned i)
{
	const struct sum_f64 *s = state;

	(void)a;
	if (s->count == 0)
		weir_build_null(b, i);
	else
		f64_build(b, i, f64_total(s));
	return NULL;
}

static const char *f64_avg_build(const struct weir_agg *a, const void *state,
				 struct weir_builder *b, unsigned i)
{
	const struct sum_f64 *s = state;

	(void)a;
	if (s->count == 0)
		weir_build_null(b, i);
	else
		f64_build(b, i, f64_total(s) / (double)s->count);
	return NULL;
}

/*
 * ---- bytes: varint count; nothing more when it is 0 ----
 *
 *   integers   length 0 .. 16, and as many bytes of the sum: the fewest that give it back by
 *              sign extension
 *   floats     sum and lost, 8 bytes each; NaN is one value; nothing is lost of what is not finite
 */

static unsigned int_bytes(weir_i128 v)
{
	unsigned n;

	if (v == 0)
		return 0;
	for (n = 1; n < 16 && (v < -128 || v > 127); n++)
		v >>= 8;
	return n;
}

static void int_save(const struct weir_agg *a, const void *state, struct weir_out *o)
{
	const struct sum_int *s = state;
	weir_i128 sum = s->sum;
	unsigned n = int_bytes(sum);

	(void)a;
	weir_out_varint(o, s->count);
	if (s->count == 0)
		return;
	weir_out_u8(o, (uint8_t)n);
	weir_out_put(o, &sum, n);
}

/* A sum of count numbers: so bounded, no addition to it can overflow. */
static bool int_sum_fine(weir_i128 sum, uint64_t count)
{
	return sum <= (weir_i128)count * INT64_MAX && sum >= (weir_i128)count * INT64_MIN;
}

static int int_load(const struct weir_agg *a, struct weir_slab *slab, void *state,
		    struct weir_reader *r)
{
	struct sum_int *s = state;
	weir_i128 sum = 0;
	uint64_t count;
	const uint8_t *p;
	unsigned n;

	(void)a;
	(void)slab;
	if (!weir__agg_count_load(r, &count))
		return WEIR_E_CORRUPT;
	if (count == 0)
		return 0;
	n = weir_read_u8(r);
	p = weir_read(r, n);
	if (!p || n > 16)
		return WEIR_E_CORRUPT;
	if (n && p[n - 1] & 0x80)
		sum = -1;
	memcpy(&sum, p, n);
	if (int_bytes(sum) != n || !int_sum_fine(sum, count))
		return WEIR_E_CORRUPT;
	s->sum = sum;
	s->count = count;
	return 0;
}

static void f64_save(const struct weir_agg *a, const void *state, struct weir_out *o)
{
	const struct sum_f64 *s = state;
	uint64_t sum, lost = 0;

	(void)a;
	weir_out_varint(o, s->count);
	if (s->count == 0)
		return;
	memcpy(&sum, &s->sum, 8);
	if (s->sum != s->sum)
		sum = F64_NAN;
	if (__builtin_isfinite(s->sum))
		memcpy(&lost, &s->lost, 8);
	weir_out_u64(o, sum);
	weir_out_u64(o, lost);
}

static int f64_load(const struct weir_agg *a, struct weir_slab *slab, void *state,
		    struct weir_reader *r)
{
	struct sum_f64 *s = state, in = {0};
	uint64_t sum, lost;

	(void)a;
	(void)slab;
	if (!weir__agg_count_load(r, &in.count))
		return WEIR_E_CORRUPT;
	if (in.count == 0)
		return 0;
	sum = weir_read_u64(r);
	lost = weir_read_u64(r);
	memcpy(&in.sum, &sum, 8);
	memcpy(&in.lost, &lost, 8);
	if (r->bad || (in.sum != in.sum && sum != F64_NAN))
		return WEIR_E_CORRUPT;
	if (__builtin_isfinite(in.sum) ? !__builtin_isfinite(in.lost) : lost != 0)
		return WEIR_E_CORRUPT;
	*s = in;
	return 0;
}

#define SUM(what, fn)                                                                              \
	static const struct weir_agg_class what##_##fn = {                                         \
		.update = what##_update,                                                           \
		.merge = what##_merge,                                                             \
		.build = what##_##fn##_build,                                                      \
		.save = what##_save,                                                               \
		.load = what##_load,                                                               \
		.name = #fn,                                                                       \
	}

SUM(int, sum);
SUM(int, avg);
SUM(f64, sum);
SUM(f64, avg);

int weir__agg_sum_init(struct weir_agg *a, const struct weir_agg_spec *spec)
{
	bool avg = spec->fn == WEIR_AGG_AVG;

	a->size = 24;
	switch (spec->arg_type.type) {
	case WEIR_FLOAT64:
		a->cls = avg ? &f64_avg : &f64_sum;
		return 0;
	case WEIR_INT64:
	case WEIR_DECIMAL:
	case WEIR_DURATION:
		a->cls = avg ? &int_avg : &int_sum;
		return 0;
	case WEIR_TIMESTAMP:
		a->cls = &int_avg;
		return avg ? 0 : WEIR_E_TYPE;
	default:
		return WEIR_E_TYPE;
	}
}
