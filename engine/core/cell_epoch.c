/* SPDX-License-Identifier: Apache-2.0 */
/* From reports to a bundle. */
#include "engine/core/cell_int.h"

static struct cell_bundle *bundle_at(struct weir_cell_private *own, uint32_t i)
{
	return &own->bundle[(own->first + i) % WEIR_EPOCHS_IN_FLIGHT_MAX];
}

uint64_t weir__cell_numbers(const struct weir_cell *c)
{
	return c->open - c->durable - (c->bundles ? 0 : c->own->gap);
}

/* ---- parts of tasks that have ended: said again when a base round begins ---- */

static void keep(struct weir_cell *c, uint32_t task, struct weir_report_part *p)
{
	struct cell_kept *k = c->mem->alloc(c->mem->ctx, sizeof(*k), 16);
	size_t n = (size_t)p->out.bytes;
	uint8_t *copy = c->mem->alloc(c->mem->ctx, WEIR_MAX(n, (size_t)1), 16);

	weir_out_copy(&p->out, copy);
	k->kind = p->kind;
	k->step = p->step;
	k->task = task;
	weir_out_init(&k->out, c->mem);
	weir_out_put(&k->out, copy, n);
	c->mem->free(c->mem->ctx, copy, WEIR_MAX(n, (size_t)1));
	k->next = c->own->kept;
	c->own->kept = k;
}

static void say_kept(struct weir_cell *c)
{
	for (const struct cell_kept *k = c->own->kept; k; k = k->next) {
		struct weir_out again;

		weir_probe("cell.ended_task_restated");
		weir_out_init(&again, c->mem);
		for (const struct weir_out_chunk *x = k->out.first; x; x = x->next)
			weir_out_put(&again, x->data, x->used);
		weir_bundle_part_put(&c->own->body, k->kind, k->step, k->task, &again);
	}
}

void weir__cell_kept_fini(struct weir_cell *c)
{
	struct weir_cell_private *own = c->own;

	while (own->kept) {
		struct cell_kept *k = own->kept;

		own->kept = k->next;
		weir_out_fini(&k->out);
		c->mem->free(c->mem->ctx, k, sizeof(*k));
	}
	while (own->early) {
		struct weir_report *r = own->early;

		own->early = r->next;
		for (uint32_t i = 0; i < r->part_count; i++)
			weir_out_fini(&r->part[i].out);
		c->mem->free(c->mem->ctx, r, sizeof(*r));
	}
	weir_out_fini(&own->body);
	for (uint32_t i = 0; i < own->count; i++)
		weir_out_fini(&bundle_at(own, i)->bytes);
}

/* ---- reports ---- */

static void take_in(struct weir_cell *c, struct weir_report *r)
{
	struct weir_cell_private *own = c->own;
	uint32_t task = r->task - c->tasks->chain[c->tasks->task_chain[r->task]].first_task;

	weir_assert(own->aligning && r->epoch == c->open && !own->task_in[r->task]);
	own->task_in[r->task] = true;
	own->task_round[r->task] = r->round;
	own->missing--;
	for (uint32_t i = 0; i < r->part_count; i++) {
		struct weir_report_part *p = &r->part[i];

		if (p->kind == WEIR_PART_SINK) {
			weir__cell_sink_collect(c, p->step, task, &p->out);
			continue;
		}
		if (r->final)
			keep(c, task, p);
		weir_bundle_part_put(&own->body, p->kind, p->step, task, &p->out);
	}
	if (r->final) {
		weir_assert(!own->task_final[r->task]);
		own->task_final[r->task] = true;
		own->live--;
	}
}

void weir_cell_report(struct weir_cell *c, struct weir_report *r)
{
	struct weir_cell_private *own = c->own;
	struct weir_report *copy;

	weir_assert(!own->task_final[r->task]);
	if (own->aligning && r->epoch == c->open) {
		take_in(c, r);
		return;
	}
	/* A task that ended before the next barrier was asked for: it belongs to that epoch. */
	weir_assert(r->final && r->epoch == c->open + 1);
	weir_probe("cell.early_end");
	copy = c->mem->alloc(c->mem->ctx, sizeof(*copy), 16);
	*copy = *r;
	copy->next = own->early;
	own->early = copy;
}

void weir__cell_epoch_open(struct weir_cell *c, const struct weir_cell_now *now)
{
	struct weir_cell_private *own = c->own;
	struct weir_report *early = own->early;

	weir_assert(!own->aligning);
	c->open++;
	c->barrier = c->open;
	own->aligning = true;
	own->opened_ns = now->mono_ns;
	own->opened_rows = now->input_rows;
	own->missing = own->live;
	for (uint32_t i = 0; i < own->task_count; i++)
		own->task_in[i] = own->task_final[i];
	own->early = NULL;
	while (early) {
		struct weir_report *r = early;

		early = r->next;
		take_in(c, r);
		c->mem->free(c->mem->ctx, r, sizeof(*r));
	}
}

/* What the epoch and those folded into it have given so far. */
static uint64_t collected(const struct weir_cell *c)
{
	uint64_t bytes = c->own->body.bytes;

	for (uint32_t i = 0; i < c->sink_count; i++)
		bytes += c->own->sink[i].collect.bytes;
	return bytes;
}

/* Late ones in a row come to an end: something has to become durable, and fit into memory and a bundle until then. */
static bool may_fold(const struct weir_cell *c)
{
	return weir__cell_numbers(c) < WEIR_EPOCHS_IN_FLIGHT_MAX / 2 &&
	       collected(c) < c->opt.epoch_bytes;
}

/* A bundle of its own, or folded into the next one. */
void weir__cell_epoch_aligned(struct weir_cell *c, const struct weir_cell_now *now)
{
	struct weir_cell_private *own = c->own;
	bool last = own->live == 0 || own->stopping;
	bool late = now->mono_ns - own->opened_ns > c->opt.deadline_ns || weir_buggify("cell.fold");
	struct cell_bundle *b;

	own->aligning = false;
	c->aligned = c->open;
	c->align_ns = now->mono_ns - own->opened_ns;
	c->align_max_ns = WEIR_MAX(c->align_max_ns, c->align_ns);
	if (late && !last && may_fold(c)) {
		weir_probe("cell.folded");
		c->folded++;
		if (!own->folded_from)
			own->folded_from = c->open;
		if (weir_planted(FOLD_LOSES))
			weir_out_fini(&own->body);
		return;
	}
	weir_assert(own->count < c->opt.in_flight); /* I6 */
	b = bundle_at(own, own->count++);
	*b = (struct cell_bundle){.epoch = c->open,
				  .opened_ns = own->opened_ns,
				  .aligned_ns = now->mono_ns,
				  .ended = own->live == 0};
	own->head.flags = b->ended ? WEIR_BUNDLE_ENDED : 0;
	own->head.folded_from = own->folded_from ? own->folded_from : c->open;
	own->head.wall_ns = now->wall_ns;
	weir_out_init(&b->bytes, c->mem);
	weir_bundle_head_put(&b->bytes, &own->head);
	weir__cell_sinks_close(c, c->open, &b->bytes, own->restate_due);
	if (own->restate_due)
		say_kept(c);
	weir_out_append(&b->bytes, &own->body);
	own->folded_from = 0;
	own->restate_due = false;
}

/* The pipeline is at rest: one more bundle says what sinks without a cursor have got. */
void weir__cell_seal(struct weir_cell *c, const struct weir_cell_now *now)
{
	weir_probe("cell.sealed");
	c->open++;
	c->own->aligning = true;
	c->own->opened_ns = now->mono_ns;
	weir__cell_epoch_aligned(c, now);
}
