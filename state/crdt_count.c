/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters. pcount: body = zigzag sum of the writer. bcount: body = varint minted, varint used, then (varint writer, varint amount) per
 * writer that got rights, ascending: the writer's row of the matrix of rights. All are absolute.
 */
#include "state/crdt_int.h"

static int64_t pcount_of(const struct crdt_part *p)
{
	struct weir_reader r = crdt_reader(p->body);

	return crdt_unzigzag(weir_read_varint(&r));
}

static bool pcount_check(const struct weir_crdt *t, const struct crdt_part *p)
{
	struct weir_reader r = crdt_reader(p->body);

	(void)t;
	weir_read_varint(&r);
	return !r.bad && !weir_reader_left(&r);
}

static int pcount_apply(const struct weir_crdt *t, const struct crdt_parts *v,
			const struct crdt_part *mine, const struct weir_crdt_op *op,
			const struct weir_dot *dot, struct weir_out *body)
{
	int64_t sum = mine ? pcount_of(mine) : 0;
	bool over;

	(void)t;
	(void)v;
	(void)dot;
	if (op->verb == WEIR_CRDT_ADD)
		over = __builtin_add_overflow(sum, op->amount, &sum);
	else
		over = op->verb != WEIR_CRDT_SUB || __builtin_sub_overflow(sum, op->amount, &sum);
	if (over)
		return WEIR_E_RANGE;
	weir_out_varint(body, crdt_zigzag(sum));
	return 0;
}

static int pcount_number(const struct weir_crdt *t, const struct crdt_parts *v, int64_t *ret)
{
	weir_i128 sum = 0;

	(void)t;
	for (uint32_t i = 0; i < v->n; i++)
		sum += pcount_of(&v->p[i]);
	if (sum > INT64_MAX || sum < INT64_MIN)
		return WEIR_E_RANGE;
	*ret = (int64_t)sum;
	return 0;
}

const struct crdt_class weir__crdt_pcount = {
	.check = pcount_check, .apply = pcount_apply, .number = pcount_number};

/* ---- bounded ---- */

struct row {
	int64_t minted, used;
	struct weir_reader grants; /* the first of them is next */
};

static int64_t amount_read(struct weir_reader *r)
{
	uint64_t v = weir_read_varint(r);

	r->bad |= v > INT64_MAX;
	return (int64_t)v;
}

static struct row row_of(const struct crdt_part *p)
{
	struct weir_reader r = crdt_reader(p->body);
	struct row row;

	row.minted = amount_read(&r);
	row.used = amount_read(&r);
	row.grants = r;
	return row;
}

static bool bcount_check(const struct weir_crdt *t, const struct crdt_part *p)
{
	struct row row = row_of(p);
	struct weir_reader r = row.grants;
	weir_writer last = 0;

	(void)t;
	while (!r.bad && weir_reader_left(&r)) {
		weir_writer w = weir_read_varint(&r);

		r.bad |= amount_read(&r) == 0 || w <= last || w == p->writer;
		last = w;
	}
	return !r.bad;
}

/* What the row gives to w, or to all (w 0). */
static weir_i128 granted(const struct row *row, weir_writer w)
{
	struct weir_reader r = row->grants;
	weir_i128 sum = 0;

	while (weir_reader_left(&r)) {
		weir_writer to = weir_read_varint(&r);
		int64_t amount = amount_read(&r);

		if (w == 0 || to == w)
			sum += amount;
	}
	return sum;
}

/* What w may still take or give, as far as seen here: others can only have given it more. */
static weir_i128 right_of(const struct crdt_parts *v, weir_writer w)
{
	weir_i128 right = 0;

	for (uint32_t i = 0; i < v->n; i++) {
		struct row row = row_of(&v->p[i]);

		if (v->p[i].writer == w)
			right += (weir_i128)row.minted - row.used - granted(&row, 0);
		else
			right += granted(&row, w);
	}
	return right;
}

/* The grants of a row, `more` of them to w. */
static int grants_put(const struct row *row, weir_writer w, int64_t more, struct weir_out *o)
{
	struct weir_reader r = row->grants;

	while (weir_reader_left(&r)) {
		weir_writer to = weir_read_varint(&r);
		int64_t amount = amount_read(&r);

		if (more && to >= w) {
			if (to > w) {
				weir_out_varint(o, w);
				weir_out_varint(o, (uint64_t)more);
			} else if (__builtin_add_overflow(amount, more, &amount)) {
				return WEIR_E_RANGE;
			}
			more = 0;
		}
		weir_out_varint(o, to);
		weir_out_varint(o, (uint64_t)amount);
	}
	if (more) {
		weir_out_varint(o, w);
		weir_out_varint(o, (uint64_t)more);
	}
	return 0;
}

static int bcount_apply(const struct weir_crdt *t, const struct crdt_parts *v,
			const struct crdt_part *mine, const struct weir_crdt_op *op,
			const struct weir_dot *dot, struct weir_out *body)
{
	struct row row = {0};
	int64_t give = 0;

	(void)t;
	if (mine)
		row = row_of(mine);
	if (op->amount <= 0)
		return WEIR_E_RANGE;
	switch ((int)op->verb) {
	case WEIR_CRDT_ADD:
		if (__builtin_add_overflow(row.minted, op->amount, &row.minted))
			return WEIR_E_RANGE;
		break;
	case WEIR_CRDT_SUB:
		if (right_of(v, dot->writer) < op->amount ||
		    __builtin_add_overflow(row.used, op->amount, &row.used))
			return WEIR_E_RANGE;
		break;
	case WEIR_CRDT_GRANT:
		if (right_of(v, dot->writer) < op->amount || !op->to || op->to == dot->writer)
			return WEIR_E_RANGE;
		give = op->amount;
		break;
	default:
		return WEIR_E_RANGE;
	}
	weir_out_varint(body, (uint64_t)row.minted);
	weir_out_varint(body, (uint64_t)row.used);
	return grants_put(&row, op->to, give, body);
}

static int bcount_number(const struct weir_crdt *t, const struct crdt_parts *v, int64_t *ret)
{
	weir_i128 left = 0;

	(void)t;
	for (uint32_t i = 0; i < v->n; i++) {
		struct row row = row_of(&v->p[i]);

		left += (weir_i128)row.minted - row.used;
	}
	if (left > INT64_MAX)
		return WEIR_E_RANGE;
	/* Less than none: a right was used that came from a writer not heard of yet. */
	*ret = left < 0 ? 0 : (int64_t)left;
	return 0;
}

const struct crdt_class weir__crdt_bcount = {
	.check = bcount_check, .apply = bcount_apply, .number = bcount_number};
