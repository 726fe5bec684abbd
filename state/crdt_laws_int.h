/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state/crdt_laws_int.h - one case of the law checker: values in a region, and the first law that failed.
 *
 * Pure.
 */
#ifndef WEIR_STATE_CRDT_LAWS_INT_H
#define WEIR_STATE_CRDT_LAWS_INT_H

#include "base/prng.h"
#include "state/crdt_laws.h"

#define LAWS_WRITERS 4u

struct laws {
	const struct weir_crdt *t;
	const struct weir_crdt_values *values;
	const struct weir_mem *mem;
	struct weir_region region;
	struct weir_prng rnd;
	uint32_t n; /* writers */
	weir_writer writer[LAWS_WRITERS];
	const char *failed; /* NULL: all is well */
	struct weir_str a, b; /* what failed */
};

/* Says which law failed, once. Always false. */
bool weir__laws_fail(struct laws *l, const char *law, struct weir_str a, struct weir_str b);
/* a and b are the same bytes, or the law failed. */
bool weir__laws_same(struct laws *l, const char *law, struct weir_str a, struct weir_str b);

/* The functions of crdt.h with results in the region; an error fails a law. */
struct weir_str weir__laws_join(struct laws *l, struct weir_str a, struct weir_str b);
struct weir_str weir__laws_own(struct laws *l, struct weir_str v, weir_writer w);
struct weir_str weir__laws_prune(struct laws *l, struct weir_str v,
				 uint64_t (*stable)(void *ctx, weir_writer w), void *ctx);
/* false: refused, v stays. */
bool weir__laws_apply(struct laws *l, struct weir_str v, const struct weir_crdt_op *op,
		      const struct weir_dot *dot, struct weir_str *ret);

/* crdt_laws_op.c: a change that the type can take, from `rnd`; values in the region. */
void weir__laws_op(struct laws *l, struct weir_crdt_op *op);
struct weir_str weir__laws_value(struct laws *l);
/* A hash of all that can be read. */
uint64_t weir__laws_read(struct laws *l, struct weir_str v);

/* crdt_laws_custom.c: the user's function by itself. */
void weir__laws_custom(struct laws *l);

#endif
