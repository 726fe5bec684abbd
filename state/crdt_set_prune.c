/* SPDX-License-Identifier: Apache-2.0 */
/* What sets and maps need no more. */
#include "state/crdt_set_int.h"

static bool runs_stable(const struct crdt_set *s, const struct crdt_stable *stable)
{
	struct weir_reader r = crdt_reader(s->ctx);

	while (weir_reader_left(&r)) {
		weir_writer w = weir_read_varint(&r);
		struct weir_reader runs = crdt_reader(weir_read_text(&r));
		struct crdt_run run;

		while (weir__crdt_run_next(&runs, &run))
			if (!weir__crdt_is_stable(stable, w, run.last))
				return false;
	}
	return true;
}

/* Does w say all that u says, and more? */
static bool set_over(const struct crdt_set *w, const struct crdt_set *u, bool map)
{
	struct weir_reader r = crdt_reader(u->ctx), e = crdt_reader(w->elements);
	struct weir_str mine = weir__crdt_runs_of(u->ctx, w->part->writer);
	struct crdt_elem elem;

	if (!weir__crdt_runs_hold(weir__crdt_runs_of(w->ctx, u->part->writer), 1, u->part->version))
		return false;
	while (weir__crdt_elem_next(&e, map, &elem))
		if (weir__crdt_runs_hold(mine, elem.version, elem.version))
			return false;
	while (weir_reader_left(&r)) {
		weir_writer x = weir_read_varint(&r);
		struct weir_reader runs = crdt_reader(weir_read_text(&r));
		struct crdt_run run;

		while (weir__crdt_run_next(&runs, &run))
			if (x == w->part->writer
				    ? run.last > w->part->version
				    : !weir__crdt_runs_hold(weir__crdt_runs_of(w->ctx, x),
							    run.first, run.last))
				return false;
	}
	return true;
}

void weir__crdt_set_prune(const struct weir_crdt *t, struct crdt_parts *v,
			  const struct crdt_stable *st)
{
	bool gone[WEIR_CRDT_PARTS] = {0}, stable[WEIR_CRDT_PARTS], all = true;
	struct crdt_walk w;
	struct crdt_sets s;

	weir__crdt_sets_of(t, v, &s);
	for (uint32_t i = 0; i < v->n; i++) {
		stable[i] = weir__crdt_is_stable(st, v->p[i].writer, v->p[i].version);
		all = all && stable[i] && runs_stable(&s.s[i], st);
	}
	weir__crdt_walk_start(&s, &w);
	if (all && !weir__crdt_walk_next(&w)) {
		v->n = 0;
		return;
	}
	for (uint32_t i = 0; i < v->n; i++)
		for (uint32_t k = 0; k < v->n && stable[i] && !gone[i]; k++)
			gone[i] = k != i && stable[k] && !gone[k] &&
				  set_over(&s.s[k], &s.s[i], s.map);
	weir__crdt_drop(v, gone);
}
