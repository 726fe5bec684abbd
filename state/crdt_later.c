/* SPDX-License-Identifier: Apache-2.0 */
/* Types that are not there yet. */
#include "state/crdt_int.h"

static bool no_check(const struct weir_crdt *t, const struct crdt_part *p)
{
	(void)t;
	(void)p;
	return false;
}

static int no_apply(const struct weir_crdt *t, const struct crdt_parts *v,
		    const struct crdt_part *mine, const struct weir_crdt_op *op,
		    const struct weir_dot *dot, struct weir_out *body)
{
	(void)t;
	(void)v;
	(void)mine;
	(void)op;
	(void)dot;
	(void)body;
	return WEIR_E_RANGE;
}

#define LATER                                                                                      \
	{                                                                                          \
		.check = no_check, .apply = no_apply                                               \
	}
const struct crdt_class crdt_orset = LATER, crdt_ormap = LATER, crdt_log = LATER, crdt_hll = LATER,
			crdt_ddsketch = LATER, crdt_countmin = LATER, crdt_topk = LATER,
			crdt_custom = LATER;

void crdt_custom_merge(const struct weir_crdt *t, struct crdt_parts *v, struct weir_out *hold)
{
	(void)t;
	(void)v;
	(void)hold;
}

double weir_crdt_quantile(struct weir_str v, double q)
{
	(void)v;
	(void)q;
	return __builtin_nan("");
}

int64_t weir_crdt_estimate(struct weir_str v, struct weir_str value)
{
	(void)v;
	(void)value;
	return 0;
}
