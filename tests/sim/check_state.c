/* SPDX-License-Identifier: Apache-2.0 */
/*
 * I4: all state of tasks that stand still, against the state of tasks that were restored from the journal.
 *
 * Each node says all it has (touch, freeze, encode). The order of entries in a part follows from the history of a
 * table, so it is left out of the comparison: how often each byte occurs is compared, and the length.
 */
#include "engine/core/freeze.h"
#include "tests/sim/life.h"

static void compare_node(struct sim *s, struct sim_life *then, struct weir_node *a,
			 struct sim_life *now, struct weir_node *b)
{
	struct sim_digest da, db;

	if (!*a->step_name)
		return;
	sim_check(s, a->watermark == b->watermark, "I4",
		  "step `%s`: the watermark was %lld and comes back as %lld", a->step_name,
		  (long long)a->watermark, (long long)b->watermark);
	if (!a->cls->state || a->cls->sink || a->cls->source)
		return;
	sim_digest(a, sim_shadow_real(a), &then->mem.mem, &da);
	sim_digest(b, sim_shadow_real(b), &now->mem.mem, &db);
	sim_check(s, memcmp(&da, &db, sizeof(da)) == 0, "I4",
		  "step `%s`: state of %llu bytes comes back as %llu other ones", a->step_name,
		  (unsigned long long)da.bytes, (unsigned long long)db.bytes);
}

void sim_check_state(struct sim *s, struct sim_life *then, struct sim_life *now)
{
	sim_check(s, then->tasks.task_count == now->tasks.task_count, "I4", "other tasks");
	for (uint32_t t = 0; t < then->tasks.task_count; t++) {
		struct weir_unit *a = &then->unit[t], *b = &now->unit[t];

		for (uint32_t i = 0; i < a->inlet.ring_count; i++)
			sim_check(s,
				  a->inlet.ring[i].watermark == b->inlet.ring[i].watermark ||
					  a->inlet.ring[i].ended,
				  "I4", "task %u: the watermark of ring %u was %lld and is %lld", t,
				  i, (long long)a->inlet.ring[i].watermark,
				  (long long)b->inlet.ring[i].watermark);
		for (uint32_t i = 0; i < a->task.node_count; i++)
			compare_node(s, then, &a->task.node[i], now, &b->task.node[i]);
	}
}
