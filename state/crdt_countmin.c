/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Count-min: 4 rows of 1024 counters of the writer. body = (varint gap, varint count)*: counters above 0, row by row, ascending; gap = place - last
 * place, the first - (-1). The row's hash is XXH3-64 with the row as seed, its counter the low 10 bits. An estimate is never too low;
 * it adds up the smallest counter of each writer, which is no more than the smallest sum.
 * Source: Cormode, Muthukrishnan, "An improved data stream summary: the count-min sketch and its applications" (2005).
 */
#include "base/checksum.h"
#include "state/crdt_int.h"

#define ROWS 4u
#define WIDTH 1024u

struct counters {
	struct weir_reader r;
	int64_t at;
	uint64_t count;
};

static struct counters counters_of(struct weir_str body)
{
	return (struct counters){.r = crdt_reader(body), .at = -1};
}

static bool counters_next(struct counters *c)
{
	uint64_t gap;

	if (!weir_reader_left(&c->r))
		return false;
	gap = weir_read_varint(&c->r);
	c->count = weir_read_varint(&c->r);
	c->r.bad |= !gap || gap > ROWS * WIDTH || !c->count || c->count > INT64_MAX;
	c->at += (int64_t)gap;
	c->r.bad |= c->at >= (int64_t)(ROWS * WIDTH);
	return !c->r.bad;
}

static bool cm_check(const struct weir_crdt *t, const struct crdt_part *p)
{
	struct counters c = counters_of(p->body);

	(void)t;
	while (counters_next(&c))
		;
	return !c.r.bad && p->body.n;
}

/* Ascending: one place per row. */
static void places(struct weir_str value, int64_t ret[ROWS])
{
	for (uint32_t row = 0; row < ROWS; row++)
		ret[row] = (int64_t)(row * WIDTH +
				     (weir_hash64_seed(value.p, value.n, row) & (WIDTH - 1)));
}

static void counter_put(int64_t *last, int64_t at, uint64_t count, struct weir_out *o)
{
	weir_out_varint(o, (uint64_t)(at - *last));
	weir_out_varint(o, count);
	*last = at;
}

static int cm_apply(const struct weir_crdt *t, const struct crdt_parts *v,
		    const struct crdt_part *mine, const struct weir_crdt_op *op,
		    const struct weir_dot *dot, struct weir_out *body)
{
	uint64_t add = op->amount ? (uint64_t)op->amount : 1;
	struct counters c = counters_of(mine ? mine->body : (struct weir_str){"", 0});
	int64_t last = -1, at[ROWS];
	uint32_t row = 0;

	(void)t;
	(void)v;
	(void)dot;
	if (op->verb != WEIR_CRDT_ADD || op->amount < 0)
		return WEIR_E_RANGE;
	places(op->value, at);
	while (counters_next(&c)) {
		while (row < ROWS && at[row] < c.at)
			counter_put(&last, at[row++], add, body);
		if (row < ROWS && at[row] == c.at) {
			c.count += add;
			row++;
			if (c.count > INT64_MAX)
				return WEIR_E_RANGE;
		}
		counter_put(&last, c.at, c.count, body);
	}
	while (row < ROWS)
		counter_put(&last, at[row++], add, body);
	return 0;
}

static uint64_t smallest(const struct crdt_part *p, const int64_t at[ROWS])
{
	struct counters c = counters_of(p->body);
	uint64_t min = UINT64_MAX;
	uint32_t row = 0;

	while (row < ROWS && counters_next(&c)) {
		if (at[row] < c.at)
			return 0;
		if (at[row] == c.at) {
			min = WEIR_MIN(min, c.count);
			row++;
		}
	}
	return row == ROWS ? min : 0;
}

int64_t weir_crdt_estimate(struct weir_str v, struct weir_str value)
{
	struct weir_crdt t = {.type = WEIR_CRDT_COUNTMIN};
	struct crdt_parts parts;
	weir_i128 sum = 0;
	int64_t at[ROWS];

	if (weir__crdt_parse_all(&t, v, &parts))
		return 0;
	places(value, at);
	for (uint32_t i = 0; i < parts.n; i++)
		sum += smallest(&parts.p[i], at);
	return sum > INT64_MAX ? INT64_MAX : (int64_t)sum;
}

const struct crdt_class weir__crdt_countmin = {.check = cm_check, .apply = cm_apply};
