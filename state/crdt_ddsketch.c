/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quantiles within 1 %. body = (varint gap, varint count)*: the writer's buckets that are not empty, ascending. A bucket of positive numbers is a 50th
 * of a power of two, taken from the bits of the number: the same everywhere, and no wider than 1/50 of its lower end. The middle
 * is at most 1/101 off. gap = bucket - last bucket, the first - (-BUCKETS - 1).
 * Source: Masson, Rim, Lee, "DDSketch: a fast and fully-mergeable quantile sketch" (2019), with linear interpolation between
 * powers of two in the place of logarithms.
 */
#include "state/crdt_int.h"

#define STEPS 50
#define EXPONENTS 2046 /* of normal numbers; smaller ones count as 0 */
#define BUCKETS (STEPS * EXPONENTS)

/* -BUCKETS .. BUCKETS; 0: the number 0. false: not a number, or infinite. */
static bool bucket_of(double x, int32_t *ret)
{
	uint64_t u, mantissa;
	uint32_t exponent;

	memcpy(&u, &x, 8);
	exponent = (uint32_t)(u >> 52 & 0x7ff);
	mantissa = u & ((UINT64_C(1) << 52) - 1);
	if (exponent == 0x7ff)
		return false;
	*ret = 0;
	if (exponent)
		*ret = (int32_t)((exponent - 1) * STEPS + (uint32_t)(mantissa * STEPS >> 52) + 1);
	if (u >> 63)
		*ret = -*ret;
	return true;
}

/* What all numbers of a bucket are near to. */
static double middle(int32_t bucket)
{
	uint32_t b = (uint32_t)(bucket < 0 ? -bucket : bucket) - 1;
	uint64_t u = (uint64_t)(b / STEPS + 1) << 52;
	double base, low = 1 + (double)(b % STEPS) / STEPS, high = low + 1.0 / STEPS;

	if (!bucket)
		return 0;
	memcpy(&base, &u, 8);
	base *= 2 * low * high / (low + high);
	return bucket < 0 ? -base : base;
}

struct buckets {
	struct weir_reader r;
	int64_t at;
	uint64_t count;
};

static struct buckets buckets_of(const struct crdt_part *p)
{
	return (struct buckets){.r = crdt_reader(p->body), .at = -BUCKETS - 1};
}

static bool buckets_next(struct buckets *b)
{
	uint64_t gap;

	if (!weir_reader_left(&b->r))
		return false;
	gap = weir_read_varint(&b->r);
	b->count = weir_read_varint(&b->r);
	b->r.bad |= !gap || gap > 2 * BUCKETS + 1 || !b->count || b->count > INT64_MAX;
	b->at += (int64_t)gap;
	b->r.bad |= b->at > BUCKETS;
	return !b->r.bad;
}

static bool dd_check(const struct weir_crdt *t, const struct crdt_part *p)
{
	struct buckets b = buckets_of(p);

	(void)t;
	while (buckets_next(&b))
		;
	return !b.r.bad && p->body.n;
}

static void bucket_put(int64_t *last, int64_t at, uint64_t count, struct weir_out *o)
{
	weir_out_varint(o, (uint64_t)(at - *last));
	weir_out_varint(o, count);
	*last = at;
}

static int dd_apply(const struct weir_crdt *t, const struct crdt_parts *v,
		    const struct crdt_part *mine, const struct weir_crdt_op *op,
		    const struct weir_dot *dot, struct weir_out *body)
{
	const struct crdt_part none = {.body = {"", 0}};
	uint64_t add = op->amount ? (uint64_t)op->amount : 1;
	struct buckets b = buckets_of(mine ? mine : &none);
	int64_t last = b.at;
	int32_t at;

	(void)t;
	(void)v;
	(void)dot;
	if (op->verb != WEIR_CRDT_ADD || op->amount < 0 || op->value.n != 8 ||
	    !bucket_of(weir_crdt_f64_of((const uint8_t *)op->value.p), &at))
		return WEIR_E_RANGE;
	while (buckets_next(&b)) {
		if (add && b.at > at) {
			bucket_put(&last, at, add, body);
			add = 0;
		} else if (b.at == at) {
			b.count += add;
			add = 0;
			if (b.count > INT64_MAX)
				return WEIR_E_RANGE;
		}
		bucket_put(&last, b.at, b.count, body);
	}
	if (add)
		bucket_put(&last, at, add, body);
	return 0;
}

/* How many there are in buckets up to `to`. */
static weir_i128 below(const struct crdt_parts *v, int64_t to)
{
	weir_i128 n = 0;

	for (uint32_t i = 0; i < v->n; i++) {
		struct buckets b = buckets_of(&v->p[i]);

		while (buckets_next(&b) && b.at <= to)
			n += b.count;
	}
	return n;
}

static int dd_number(const struct weir_crdt *t, const struct crdt_parts *v, int64_t *ret)
{
	weir_i128 n = below(v, BUCKETS);

	(void)t;
	if (n > INT64_MAX)
		return WEIR_E_RANGE;
	*ret = (int64_t)n;
	return 0;
}

double weir_crdt_quantile(struct weir_str v, double q)
{
	struct weir_crdt t = {.type = WEIR_CRDT_DDSKETCH};
	int32_t low = -BUCKETS, high = BUCKETS;
	struct crdt_parts parts;
	weir_i128 n, rank;
	unsigned shift = 0;

	if (weir__crdt_parse_all(&t, v, &parts) || !(n = below(&parts, BUCKETS)) ||
	    !(q >= 0 && q <= 1))
		return __builtin_nan("");
	/* The rank-th smallest, from 0. Counts past 2^53 lose their last digits here. */
	while ((n - 1) >> shift > INT64_MAX / 2)
		shift++;
	rank = (weir_i128)(int64_t)((double)(int64_t)((n - 1) >> shift) * q) << shift;
	rank = WEIR_MIN(rank, n - 1);
	while (low < high) {
		int32_t at = low + (high - low) / 2;

		if (below(&parts, at) > rank)
			high = at;
		else
			low = at + 1;
	}
	return middle(low);
}

const struct crdt_class weir__crdt_ddsketch = {
	.check = dd_check, .apply = dd_apply, .number = dd_number};
