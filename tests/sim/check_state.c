/* SPDX-License-Identifier: Apache-2.0 */
/*
 * I4: all state of tasks that stand still, against the state of tasks that were restored from the journal.
 *
 * Each node says all it has (touch, freeze, encode). The order of entries in a part follows from the history of a
 * table, so it is left out of the comparison: how often each byte occurs is compared, and the length.
 */
#include "engine/core/freeze.h"
#include "tests/sim/life.h"

struct digest {
	uint64_t bytes;
	uint64_t count[256];
};

static void digest_of(struct sim_life *l, struct weir_node *n, struct digest *d)
{
	const struct weir_state_ops *ops = n->cls->state;
	struct weir_out out, *part = n->part;
	bool begin = true;

	memset(d, 0, sizeof(*d));
	weir_out_init(&out, &l->mem.mem);
	n->part = &out;
	while (ops->touch && !ops->touch(n, begin, (size_t)1 << 30))
		begin = false;
	ops->freeze(n, &out);
	while (ops->encode && !ops->encode(n, &out, (size_t)1 << 30))
		;
	n->part = part;
	d->bytes = out.bytes;
	for (const struct weir_out_chunk *c = out.first; c; c = c->next)
		for (uint32_t i = 0; i < c->used; i++)
			d->count[c->data[i]]++;
	weir_out_fini(&out);
}

static void compare_node(struct sim *s, struct sim_life *then, struct weir_node *a,
			 struct sim_life *now, struct weir_node *b)
{
	struct digest da, db;

	if (!*a->step_name)
		return;
	sim_check(s, a->watermark == b->watermark, "I4",
		  "step `%s`: the watermark was %lld and comes back as %lld", a->step_name,
		  (long long)a->watermark, (long long)b->watermark);
	if (!a->cls->state || a->cls->sink || a->cls->source)
		return;
	digest_of(then, a, &da);
	digest_of(now, b, &db);
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
