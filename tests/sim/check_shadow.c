/* SPDX-License-Identifier: Apache-2.0 */
/*
 * I4 while the engine runs: at the freeze of some epochs each node also says all it has, behind the simulator's back
 * only for the journal: the epoch's own part is written first and to its end, then everything is touched and written
 * once more, for the checker. When that epoch is durable, bundles are read by a reader of the checker's own into a
 * second set of tasks, which must have the very same state.
 *
 * A node with a base round under way is left out: touching all would end its round. So is the last freeze of a task:
 * what it still has is never needed again, and a base may leave it out.
 */
#include "engine/core/freeze.h"
#include "tests/sim/life.h"
#include "tests/sim/situation.h"

#define EVERY 24 /* epochs, about */
#define PIECE ((size_t)1 << 30)

struct shadow_op {
	struct weir_op_class cls; /* first: nodes point here */
	struct weir_state_ops ops;
	const struct weir_state_ops *real;
	struct sim_life *life;
	bool whole; /* the part at hand is already complete */
};

static struct shadow_op *op_of(const struct weir_node *n)
{
	return (struct shadow_op *)(uintptr_t)n->cls;
}

/* ---- what a node has ---- */

void sim_digest(struct weir_node *n, const struct weir_state_ops *ops, const struct weir_mem *mem,
		struct sim_digest *ret)
{
	struct weir_out out, *part = n->part;
	bool begin = true;

	memset(ret, 0, sizeof(*ret));
	weir_out_init(&out, mem);
	n->part = &out;
	while (ops->touch && !ops->touch(n, begin, PIECE))
		begin = false;
	ops->freeze(n, &out);
	while (ops->encode && !ops->encode(n, &out, PIECE))
		;
	n->part = part;
	ret->bytes = out.bytes;
	for (const struct weir_out_chunk *c = out.first; c; c = c->next)
		for (uint32_t i = 0; i < c->used; i++)
			ret->count[c->data[i]]++;
	weir_out_fini(&out);
}

static bool sampled(struct sim_life *l, uint64_t epoch)
{
	struct sim_shadow *sh = &l->shadow;
	struct weir_prng p = {.state = l->s->seed * 31 + epoch};

	if (sh->epoch && sh->epoch != epoch)
		return false;
	if (!sh->epoch && (epoch <= sh->done || weir_prng_below(&p, EVERY) != 0))
		return false;
	sh->epoch = epoch;
	return true;
}

static void shadow_freeze(struct weir_node *n, struct weir_out *o)
{
	struct shadow_op *w = op_of(n);
	struct sim_life *l = w->life;
	const struct weir_unit *u = (const void *)n->task; /* its first member */
	struct sim_shadow *sh = &l->shadow;
	struct sim_shadow_node *k;

	w->real->freeze(n, o);
	w->whole = false;
	if (!l->cell_open || l != l->s->life || !sampled(l, n->task->epoch) || u->final ||
	    u->round_at > u->round || sh->count == WEIR_COUNT_OF(sh->node))
		return;
	while (w->real->encode && !w->real->encode(n, o, PIECE))
		;
	w->whole = true;
	k = &sh->node[sh->count++];
	k->task = (uint32_t)(u - l->unit);
	k->node = (uint32_t)(n - u->task.node);
	k->watermark = n->watermark;
	sim_digest(n, w->real, &l->mem.mem, &k->digest);
}

static bool shadow_encode(struct weir_node *n, struct weir_out *o, size_t budget)
{
	struct shadow_op *w = op_of(n);

	return w->whole || !w->real->encode || w->real->encode(n, o, budget);
}

void sim_shadow_wrap(struct sim_life *l)
{
	for (uint32_t t = 0; t < l->tasks.task_count; t++)
		for (uint32_t i = 0; i < l->unit[t].task.node_count; i++) {
			struct weir_node *n = &l->unit[t].task.node[i];
			struct shadow_op *w;

			if (!*n->step_name || !n->cls->state || n->cls->source || n->cls->sink)
				continue;
			w = weir_region_new(&l->region, struct shadow_op);
			w->cls = *n->cls;
			w->real = n->cls->state;
			w->ops = *w->real;
			w->ops.freeze = shadow_freeze;
			w->ops.encode = shadow_encode;
			w->cls.state = &w->ops;
			w->life = l;
			n->cls = &w->cls;
		}
}

const struct weir_state_ops *sim_shadow_real(const struct weir_node *n)
{
	return n->cls->state->freeze == shadow_freeze ? op_of(n)->real : n->cls->state;
}

/* ---- the reader ---- */

struct reading {
	struct sim_life *l;
	struct weir_bundle_head *head;
	int32_t step_now[WEIR_STEPS_MAX];
	uint64_t upto;
	bool found;
	struct weir_err err;
};

static int give_part(struct reading *x, const struct weir_part *part, uint32_t task, uint64_t epoch)
{
	uint32_t step = (uint32_t)x->step_now[part->step];
	const struct weir_tasks *tasks = &x->l->tasks;
	struct weir_unit *u = &x->l->unit[tasks->chain[tasks->step_chain[step]].first_task + task];
	struct weir_restore how = {.in = part->in,
				   .instance_then = part->task,
				   .instances_then = x->head->step[part->step].tasks,
				   .instance = task,
				   .instances = tasks->step_parallelism[step],
				   .epoch = epoch,
				   .step_now = x->step_now,
				   .step_count = x->head->step_count};

	if (part->kind == WEIR_PART_TASK)
		return u->task.node[0].step == step ? weir_unit_restore(u, &how) : 0;
	for (uint32_t i = 0; i < u->task.node_count; i++) {
		struct weir_node *n = &u->task.node[i];

		if (n->step == step && *n->step_name && n->cls->state && n->cls->state->restore &&
		    !n->cls->source && !n->cls->sink)
			return n->cls->state->restore(n, &how);
	}
	return 0;
}

static int read_bundle(void *ctx, uint64_t epoch, uint64_t fence, struct weir_reader *bundle)
{
	struct reading *x = ctx;
	struct weir_part part;
	int r;

	(void)fence;
	if (epoch > x->upto)
		return 0;
	x->found |= epoch == x->upto;
	r = weir_bundle_head_read(bundle, x->head, &x->err);
	for (uint32_t i = 0; r >= 0 && i < x->head->step_count; i++)
		x->step_now[i] = weir_pipeline_find(x->l->p, x->head->step[i].name);
	while (r >= 0 && (r = weir_bundle_part_read(bundle, x->head, &part, &x->err)) > 0) {
		uint32_t now = x->l->tasks.step_parallelism[x->step_now[part.step]];

		if (part.kind == WEIR_PART_SINK)
			continue;
		if (now == x->head->step[part.step].tasks)
			r = give_part(x, &part, part.task, epoch);
		for (uint32_t t = 0; now != x->head->step[part.step].tasks && t < now && r >= 0;
		     t++)
			r = give_part(x, &part, t, epoch);
	}
	return r < 0 ? r : 0;
}

static void compare(struct sim *s, struct sim_life *l, const struct sim_shadow *sh)
{
	for (uint32_t i = 0; i < sh->count; i++) {
		const struct sim_shadow_node *k = &sh->node[i];
		struct weir_node *n = &l->unit[k->task].task.node[k->node];
		const struct weir_state_ops *ops = n->cls->state;
		struct sim_digest d;

		if (ops->restored && ops->restored(n) < 0)
			sim_fail(s, "I4", "step `%s`: its state cannot be put together again",
				 n->step_name);
		sim_digest(n, ops, &l->mem.mem, &d);
		sim_check(s, memcmp(&d, &k->digest, sizeof(d)) == 0, "I4",
			  "epoch %llu, step `%s`: %llu bytes of state were frozen, the journal has "
			  "%llu other ones",
			  (unsigned long long)sh->epoch, n->step_name,
			  (unsigned long long)k->digest.bytes, (unsigned long long)d.bytes);
		sim_check(
			s, n->watermark == k->watermark, "I4",
			"epoch %llu, step `%s`: the watermark was %lld, in the journal it is %lld",
			(unsigned long long)sh->epoch, n->step_name, (long long)k->watermark,
			(long long)n->watermark);
	}
}

void sim_shadow_check(struct sim *s, const struct weir_cell *c, bool same_base)
{
	struct sim_shadow *sh = &s->life->shadow;
	const struct weir_hooks *hooks = weir_hooks;
	struct reading x = {.upto = sh->epoch};
	int r;

	if (!sh->epoch || c->durable < sh->epoch)
		return;
	/* A base that is newer than the epoch: what is left may begin behind it. */
	if (sh->count && (same_base || c->durable == sh->epoch)) {
		weir_hooks = NULL; /* the checker's own work is no part of the run */
		r = sim_life_shadow(s, s->life->parallelism, &x.l);
		sim_check(s, r == 0, "I4", "a second set of tasks: %s", x.l->err.text);
		x.head = weir_region_new(&x.l->region, struct weir_bundle_head);
		r = sim_check_replay(s, read_bundle, &x, &x.err);
		sim_check(s, r >= 0, "I4", "epoch %llu cannot be read back: %s",
			  (unsigned long long)sh->epoch, x.err.text);
		if (x.found) {
			compare(s, x.l, sh);
			sim_situation(SIM_SAW_SHADOW);
		}
		sim_life_end(x.l);
		s->life_shadow = NULL;
		weir_hooks = hooks;
	}
	sh->done = sh->epoch;
	sh->epoch = 0;
	sh->count = 0;
}
