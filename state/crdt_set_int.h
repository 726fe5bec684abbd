/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state/crdt_set_int.h - elements and runs of sets and maps: what crdt_set.c reads, weir__crdt_set_apply.c writes and weir__crdt_set_prune.c leaves out.
 *
 * Pure.
 */
#ifndef WEIR_STATE_CRDT_SET_INT_H
#define WEIR_STATE_CRDT_SET_INT_H

#include "state/crdt_int.h"

struct crdt_elem {
	struct weir_str key, value;
	uint64_t version, hlc;
};
struct crdt_run {
	uint64_t first, last; /* both included */
};
struct crdt_set {
	const struct crdt_part *part;
	struct weir_str elements, ctx;
};
struct crdt_sets {
	uint32_t n;
	bool map;
	struct crdt_set s[WEIR_CRDT_PARTS];
};

/* Goes through living keys in order; live[0 .. n-1] are the living elements of `key`, of the parts at[]. */
struct crdt_walk {
	const struct crdt_sets *s;
	struct weir_str key;
	uint32_t n;
	uint32_t at[WEIR_CRDT_PARTS];
	struct crdt_elem live[WEIR_CRDT_PARTS];
	struct weir_reader r[WEIR_CRDT_PARTS];
	struct crdt_elem e[WEIR_CRDT_PARTS];
	bool has[WEIR_CRDT_PARTS];
};

void weir__crdt_sets_of(const struct weir_crdt *t, const struct crdt_parts *v,
			struct crdt_sets *ret);
bool weir__crdt_elem_next(struct weir_reader *r, bool map, struct crdt_elem *ret);
bool weir__crdt_run_next(struct weir_reader *r, struct crdt_run *ret);
struct weir_str weir__crdt_runs_of(struct weir_str ctx, weir_writer w); /* empty: none */
bool weir__crdt_runs_hold(struct weir_str runs, uint64_t first, uint64_t last);
bool weir__crdt_set_lives(const struct crdt_sets *s, uint32_t u, uint64_t version);
void weir__crdt_walk_start(const struct crdt_sets *s, struct crdt_walk *w);
bool weir__crdt_walk_next(struct crdt_walk *w);
struct weir_dot crdt_walk_dot(const struct crdt_walk *w, uint32_t i);
uint32_t weir__crdt_set_limit(const struct weir_crdt *t);

void weir__crdt_set_prune(const struct weir_crdt *t, struct crdt_parts *v,
			  const struct crdt_stable *st);
int weir__crdt_set_apply(const struct weir_crdt *t, const struct crdt_parts *v,
			 const struct crdt_part *mine, const struct weir_crdt_op *op,
			 const struct weir_dot *dot, struct weir_out *body);

#endif
