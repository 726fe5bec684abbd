/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HyperLogLog: 2^12 registers of the writer. body with fewer than 1024 registers above 0: u24 (register << 8 | rank) each, ascending; else 4096 ranks
 * of 6 bits, packed from the lowest bit on. Hash: XXH3-64, register: its top 12 bits, rank: zeroes behind them, and 1.
 * Estimate: Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017), algorithm 6 without the term of the highest rank.
 */
#include "base/checksum.h"
#include "state/crdt_int.h"

#define BITS 12u
#define REGISTERS (1u << BITS)
#define RANK_MAX (64u - BITS + 1)
#define SPARSE_MAX 1024u /* as many as dense has bytes */
#define DENSE_BYTES (REGISTERS * 6 / 8)

static bool is_dense(struct weir_str body)
{
	return body.n == DENSE_BYTES && body.n != 0;
}

static uint32_t sparse_at(struct weir_str body, size_t i)
{
	const uint8_t *p = (const uint8_t *)body.p + 3 * i;

	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
}

static unsigned dense_at(struct weir_str body, uint32_t i)
{
	const uint8_t *p = (const uint8_t *)body.p + i / 4 * 3;
	uint32_t four = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;

	return four >> (6 * (i % 4)) & 63;
}

/* The larger of each register. */
static void add_registers(struct weir_str body, uint8_t reg[REGISTERS])
{
	/* 1024 registers of 3 bytes are as long as all with 6 bits: 3072 bytes are always dense. */
	if (is_dense(body)) {
		for (uint32_t i = 0; i < REGISTERS; i++)
			reg[i] = (uint8_t)WEIR_MAX(reg[i], dense_at(body, i));
		return;
	}
	for (size_t i = 0; i < body.n / 3; i++) {
		uint32_t e = sparse_at(body, i);

		reg[e >> 8] = (uint8_t)WEIR_MAX(reg[e >> 8], e & 0xff);
	}
}

static bool hll_check(const struct weir_crdt *t, const struct crdt_part *p)
{
	uint32_t used = 0, last = 0;

	(void)t;
	if (is_dense(p->body)) {
		for (uint32_t i = 0; i < REGISTERS; i++) {
			unsigned rank = dense_at(p->body, i);

			if (rank > RANK_MAX)
				return false;
			used += rank > 0;
		}
		return used >= SPARSE_MAX;
	}
	if (p->body.n % 3 || p->body.n / 3 >= SPARSE_MAX || !p->body.n)
		return false;
	for (size_t i = 0; i < p->body.n / 3; i++) {
		uint32_t e = sparse_at(p->body, i);

		if ((e & 0xff) == 0 || (e & 0xff) > RANK_MAX || e >> 8 >= REGISTERS ||
		    (i && e >> 8 <= last))
			return false;
		last = e >> 8;
	}
	return true;
}

static void registers_put(const uint8_t reg[REGISTERS], struct weir_out *o)
{
	uint32_t used = 0;
	bool dense;

	for (uint32_t i = 0; i < REGISTERS; i++)
		used += reg[i] > 0;
	dense = used >= SPARSE_MAX;
	for (uint32_t i = 0; i < REGISTERS; i += dense ? 4 : 1) {
		uint32_t e = dense ? reg[i] | (uint32_t)reg[i + 1] << 6 |
					     (uint32_t)reg[i + 2] << 12 | (uint32_t)reg[i + 3] << 18
				   : i << 8 | reg[i];
		uint8_t b[3] = {(uint8_t)e, (uint8_t)(e >> 8), (uint8_t)(e >> 16)};

		if (dense || reg[i])
			weir_out_put(o, b, 3);
	}
}

static int hll_apply(const struct weir_crdt *t, const struct crdt_parts *v,
		     const struct crdt_part *mine, const struct weir_crdt_op *op,
		     const struct weir_dot *dot, struct weir_out *body)
{
	uint64_t h = weir_hash64_seed(op->value.p, op->value.n, 0);
	uint64_t rest = h << BITS | UINT64_C(1) << (BITS - 1);
	unsigned rank = (unsigned)__builtin_clzll(rest) + 1;
	uint32_t at = (uint32_t)(h >> (64 - BITS));
	uint8_t reg[REGISTERS] = {0};

	(void)t;
	(void)v;
	(void)dot;
	if (op->verb != WEIR_CRDT_ADD)
		return WEIR_E_RANGE;
	if (mine)
		add_registers(mine->body, reg);
	if (reg[at] >= rank)
		return 1;
	reg[at] = (uint8_t)rank;
	registers_put(reg, body);
	return 0;
}

/* x + x^2 + 2 x^4 + 4 x^8 ...: what registers that are 0 stand for; x below 1. */
static double sigma(double x)
{
	double y = 1, z = x, before;

	do {
		x *= x;
		before = z;
		z += x * y;
		y += y;
	} while (z != before);
	return z;
}

static int hll_number(const struct weir_crdt *t, const struct crdt_parts *v, int64_t *ret)
{
	uint32_t count[RANK_MAX + 1] = {0};
	uint8_t reg[REGISTERS] = {0};
	double z = 0, m = REGISTERS;

	(void)t;
	for (uint32_t i = 0; i < v->n; i++)
		add_registers(v->p[i].body, reg);
	for (uint32_t i = 0; i < REGISTERS; i++)
		count[reg[i]]++;
	if (count[0] == REGISTERS)
		return 0;
	for (unsigned k = RANK_MAX; k >= 1; k--)
		z = 0.5 * (z + count[k]);
	z += m * sigma(count[0] / m);
	/* 1 / (2 ln 2) */
	z = 0.72134752044448170368 * m * m / z;
	*ret = z >= 9e18 ? INT64_MAX : (int64_t)(z + 0.5);
	return 0;
}

const struct crdt_class weir__crdt_hll = {
	.check = hll_check, .apply = hll_apply, .number = hll_number};
