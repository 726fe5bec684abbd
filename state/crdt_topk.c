/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The k values with the largest counts. body = (text value, varint count, varint over)*, by value: the writer's 8 k counters; a new value takes the place
 * of the smallest and its count, and `over` says how much of the count may be another's. Read are sums over writers of `count`, the k
 * largest, equal ones by value.
 * Source: Metwally, Agrawal, El Abbadi, "Efficient computation of frequent and top-k elements in data streams" (2005).
 */
#include "state/crdt_int.h"

#define K_DEFAULT 10u
#define COUNTERS_PER_K 8u

struct counter {
	struct weir_str value;
	uint64_t count, over;
};

static bool counter_next(struct weir_reader *r, struct counter *ret)
{
	if (!weir_reader_left(r))
		return false;
	ret->value = weir_read_text(r);
	ret->count = weir_read_varint(r);
	ret->over = weir_read_varint(r);
	return !r->bad;
}

static void counter_put(const struct counter *c, struct weir_out *o)
{
	weir_out_text(o, c->value);
	weir_out_varint(o, c->count);
	weir_out_varint(o, c->over);
}

static uint32_t k_of(const struct weir_crdt *t)
{
	return t->limit ? t->limit : K_DEFAULT;
}

static bool topk_check(const struct weir_crdt *t, const struct crdt_part *p)
{
	struct weir_reader r = crdt_reader(p->body);
	struct counter c, last = {0};

	(void)t;
	for (bool first = true; counter_next(&r, &c); first = false) {
		if (!c.count || c.count > INT64_MAX || c.over >= c.count ||
		    (!first && weir_str_cmp(last.value, c.value) >= 0))
			return false;
		last = c;
	}
	return !r.bad && p->body.n;
}

/* Is it there; how many; the smallest (of equal ones the last). */
static bool look(struct weir_str body, struct weir_str value, uint64_t *n, struct counter *min)
{
	struct weir_reader r = crdt_reader(body);
	struct counter c;
	bool found = false;

	while (counter_next(&r, &c)) {
		if (!*n || c.count <= min->count)
			*min = c;
		++*n;
		found |= weir_str_eq(c.value, value);
	}
	return found;
}

static int topk_apply(const struct weir_crdt *t, const struct crdt_parts *v,
		      const struct crdt_part *mine, const struct weir_crdt_op *op,
		      const struct weir_dot *dot, struct weir_out *body)
{
	struct weir_str old = mine ? mine->body : (struct weir_str){"", 0};
	struct counter new = {op->value, op->amount ? (uint64_t)op->amount : 1, 0}, min = {0}, c;
	struct weir_reader r = crdt_reader(old);
	bool found, put = true, full;
	uint64_t n = 0;

	(void)v;
	(void)dot;
	if (op->verb != WEIR_CRDT_ADD || op->amount < 0)
		return WEIR_E_RANGE;
	found = look(old, op->value, &n, &min);
	full = !found && n >= (uint64_t)k_of(t) * COUNTERS_PER_K;
	if (full) {
		new.over = min.count;
		new.count += min.count;
	}
	while (counter_next(&r, &c)) {
		int order = weir_str_cmp(c.value, op->value);

		if (order == 0) {
			new.count += c.count;
			new.over = c.over;
		}
		if (put && order >= 0) {
			counter_put(&new, body);
			put = false;
		}
		if (order && !(full && weir_str_eq(c.value, min.value)))
			counter_put(&c, body);
	}
	if (put)
		counter_put(&new, body);
	return new.count > INT64_MAX ? WEIR_E_RANGE : 0;
}

static int64_t sum_of(const struct crdt_parts *v, struct weir_str value)
{
	weir_i128 sum = 0;

	for (uint32_t i = 0; i < v->n; i++) {
		struct weir_reader r = crdt_reader(v->p[i].body);
		struct counter c;
		int order = -1;

		while (order < 0 && counter_next(&r, &c)) {
			order = weir_str_cmp(c.value, value);
			if (order == 0)
				sum += c.count;
		}
	}
	return sum > INT64_MAX ? INT64_MAX : (int64_t)sum;
}

/* Does a stand before b? */
static bool before(const struct weir_crdt_item *a, const struct weir_crdt_item *b)
{
	if (a->amount != b->amount)
		return a->amount > b->amount;
	return weir_str_cmp(a->value, b->value) < 0;
}

/* The first behind `last`; false: none. */
static bool first_behind(const struct crdt_parts *v, const struct weir_crdt_item *last,
			 struct weir_crdt_item *ret)
{
	bool any = false;

	for (uint32_t i = 0; i < v->n; i++) {
		struct weir_reader r = crdt_reader(v->p[i].body);
		struct counter c;

		while (counter_next(&r, &c)) {
			struct weir_crdt_item item = {.value = c.value,
						      .amount = sum_of(v, c.value)};

			if ((!last || before(last, &item)) && (!any || before(&item, ret))) {
				*ret = item;
				any = true;
			}
		}
	}
	return any;
}

static bool topk_next(const struct weir_crdt *t, const struct crdt_parts *v, uint64_t *at,
		      struct weir_crdt_item *ret)
{
	struct weir_crdt_item last;

	if (*at >= k_of(t) || !first_behind(v, NULL, ret))
		return false;
	for (uint64_t i = 0; i < *at; i++) {
		last = *ret;
		if (!first_behind(v, &last, ret))
			return false;
	}
	++*at;
	return true;
}

const struct crdt_class weir__crdt_topk = {
	.check = topk_check, .apply = topk_apply, .next = topk_next};
