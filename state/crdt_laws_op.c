/* SPDX-License-Identifier: Apache-2.0 */
#include "base/checksum.h"
#include "state/crdt_laws_int.h"

#define VALUE_MAX 64u

static struct weir_str keep(struct laws *l, const void *p, size_t n)
{
	return (struct weir_str){weir_region_strdup(&l->region, (struct weir_str){p, n}), n};
}

struct weir_str weir__laws_value(struct laws *l)
{
	uint8_t b[VALUE_MAX];
	size_t n = (size_t)weir_prng_below(&l->rnd, 3);

	if (l->values) {
		n = l->values->value(l->values->ctx, weir_prng_u64(&l->rnd), b, sizeof(b));
		return keep(l, b, WEIR_MIN(n, sizeof(b)));
	}
	for (size_t i = 0; i < n; i++)
		b[i] = (uint8_t)('a' + weir_prng_below(&l->rnd, 3));
	return keep(l, b, n);
}

static struct weir_str number(struct laws *l, bool real)
{
	int64_t v = (int64_t)weir_prng_below(&l->rnd, 64) - 32;
	uint8_t b[8];

	if (real)
		weir_crdt_f64((double)v * 0.37, b);
	else
		weir_crdt_i64(v, b);
	return keep(l, b, 8);
}

/* Mostly small; now and then near the ends of int64. */
static int64_t amount(struct laws *l)
{
	if (weir_prng_chance(&l->rnd, 1, 40))
		return INT64_MAX - (int64_t)weir_prng_below(&l->rnd, 4);
	return (int64_t)weir_prng_below(&l->rnd, 10);
}

static enum weir_crdt_verb one_of(struct laws *l, const enum weir_crdt_verb *verbs, size_t n)
{
	return verbs[weir_prng_below(&l->rnd, n)];
}

#define ONE_OF(l, ...)                                                                             \
	one_of(l, (const enum weir_crdt_verb[]){__VA_ARGS__},                                      \
	       WEIR_COUNT_OF(((const enum weir_crdt_verb[]){__VA_ARGS__})))

void weir__laws_op(struct laws *l, struct weir_crdt_op *op)
{
	op->verb = WEIR_CRDT_ADD;
	op->key = weir__laws_value(l);
	op->value = weir__laws_value(l);
	op->amount = amount(l);
	op->to = l->writer[weir_prng_below(&l->rnd, l->n)];
	switch (l->t->type) {
	case WEIR_CRDT_PCOUNT:
		op->verb = ONE_OF(l, WEIR_CRDT_ADD, WEIR_CRDT_SUB);
		break;
	case WEIR_CRDT_BCOUNT:
		op->verb = ONE_OF(l, WEIR_CRDT_ADD, WEIR_CRDT_SUB, WEIR_CRDT_GRANT);
		break;
	case WEIR_CRDT_MAX:
	case WEIR_CRDT_MIN:
		op->verb = WEIR_CRDT_SET;
		op->value = number(l, false);
		break;
	case WEIR_CRDT_FLAG:
	case WEIR_CRDT_FLAG_OFF:
	case WEIR_CRDT_LWW:
	case WEIR_CRDT_MV:
	case WEIR_CRDT_CUSTOM:
		op->verb = ONE_OF(l, WEIR_CRDT_SET, WEIR_CRDT_SET, WEIR_CRDT_CLEAR);
		break;
	case WEIR_CRDT_ORSET:
		op->verb = ONE_OF(l, WEIR_CRDT_ADD, WEIR_CRDT_ADD, WEIR_CRDT_REMOVE,
				  WEIR_CRDT_REMOVE, WEIR_CRDT_CLEAR);
		break;
	case WEIR_CRDT_ORMAP:
		op->verb = ONE_OF(l, WEIR_CRDT_PUT, WEIR_CRDT_PUT, WEIR_CRDT_REMOVE,
				  WEIR_CRDT_REMOVE, WEIR_CRDT_CLEAR);
		break;
	case WEIR_CRDT_DDSKETCH:
		op->value = number(l, true);
		break;
	default:
		break;
	}
}

/* ---- what is read ---- */

static void mix(uint64_t *h, struct weir_str s)
{
	*h = weir_hash64_seed(s.p, s.n, *h + s.n + 1);
}

static bool mix_item(void *ctx, const struct weir_crdt_item *item)
{
	uint64_t number[4] = {(uint64_t)item->amount, item->dot.writer, item->dot.version,
			      item->dot.hlc};

	mix(ctx, item->key);
	mix(ctx, item->value);
	mix(ctx, (struct weir_str){(const char *)number, sizeof(number)});
	return true;
}

uint64_t weir__laws_read(struct laws *l, struct weir_str v)
{
	uint64_t h = 0;
	struct weir_str value;
	int64_t number[2] = {0};
	double q[3] = {0};

	number[1] = weir_crdt_number(l->t, v, &number[0]);
	if (weir_crdt_value(l->t, v, &value))
		mix(&h, value);
	weir_crdt_each(l->t, v, mix_item, &h);
	if (l->t->type == WEIR_CRDT_DDSKETCH)
		for (unsigned i = 0; i < 3; i++)
			q[i] = weir_crdt_quantile(v, 0.5 * i);
	if (l->t->type == WEIR_CRDT_COUNTMIN)
		number[0] = weir_crdt_estimate(v, WEIR_STR("a"));
	mix(&h, (struct weir_str){(const char *)number, sizeof(number)});
	mix(&h, (struct weir_str){(const char *)q, sizeof(q)});
	return h;
}
