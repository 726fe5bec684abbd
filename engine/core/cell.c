/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/cell.h"

#include "engine/core/cell_int.h"
#include "engine/core/freeze.h"

#define TOUCH_MIN ((uint64_t)1 << 20) /* bytes of a base round per epoch, over all tasks */

static struct cell_bundle *bundle_at(struct weir_cell_private *own, uint32_t i)
{
	return &own->bundle[(own->first + i) % WEIR_EPOCHS_IN_FLIGHT_MAX];
}

/* ---- life ---- */

static void defaults(struct weir_cell_options *o)
{
	o->epoch_ns = o->epoch_ns ? o->epoch_ns : (uint64_t)(200 * WEIR_NS_PER_MS);
	o->epoch_bytes = o->epoch_bytes ? o->epoch_bytes : (uint64_t)64 << 20;
	o->in_flight = o->in_flight ? WEIR_MIN(o->in_flight, WEIR_EPOCHS_IN_FLIGHT_MAX / 2) : 4;
	o->deadline_ns = o->deadline_ns ? o->deadline_ns : (uint64_t)(10 * WEIR_NS_PER_S);
	o->base_bytes = o->base_bytes ? o->base_bytes : (uint64_t)64 << 20;
	o->stream_memory = o->stream_memory ? o->stream_memory : (uint64_t)64 << 20;
	o->space_min = o->space_min ? o->space_min : (uint64_t)64 << 20;
}

/* One of the nodes of a step: each has some. */
static const struct weir_node *node_of(const struct weir_tasks *tasks,
				       struct weir_unit *const *unit, uint32_t step)
{
	const struct weir_task *t = &unit[tasks->chain[tasks->step_chain[step]].first_task]->task;
	uint32_t i = 0;

	while (t->node[i].step != step || !*t->node[i].step_name)
		weir_assert(++i < t->node_count);
	return &t->node[i];
}

/* What the parts of a step mean. */
static struct weir_str sign_of(const struct weir_node *n, struct weir_region *region)
{
	char text[60000]; /* a bundle takes texts up to 64 KiB */
	struct weir_buf b = weir_buf_of(text, sizeof(text));
	struct weir_str s;

	if (!n->cls->state || !n->cls->state->sign)
		return (struct weir_str){0};
	n->cls->state->sign(n, &b);
	s = (struct weir_str){b.p, b.len};
	s.p = weir_region_strdup(region, s);
	return s;
}

void weir_cell_step_table(const struct weir_pipeline *p, const struct weir_tasks *tasks,
			  struct weir_unit *const *unit, struct weir_region *region,
			  struct weir_bundle_head *ret)
{
	ret->step_count = p->step_count;
	for (uint32_t i = 0; i < ret->step_count; i++)
		ret->step[i] =
			(struct weir_bundle_step){.name = weir_str_c(p->step[i].name),
						  .sign = sign_of(node_of(tasks, unit, i), region),
						  .tasks = tasks->step_parallelism[i],
						  .kind = (uint8_t)p->step[i].kind};
}

int weir_cell_open(struct weir_cell *c, const struct weir_cell_options *opt,
		   const struct weir_pipeline *p, const struct weir_tasks *tasks,
		   struct weir_unit **unit, struct weir_journal *journal,
		   const struct weir_mem *mem, struct weir_region *region, struct weir_err *err)
{
	struct weir_cell_private *own = weir_region_new(region, struct weir_cell_private);
	int r;

	memset(c, 0, sizeof(*c));
	c->opt = *opt;
	defaults(&c->opt);
	c->p = p;
	c->tasks = tasks;
	c->unit = unit;
	c->journal = journal;
	c->mem = mem;
	c->region = region;
	c->own = own;
	own->task_count = own->live = tasks->task_count;
	own->task_final = weir_region_array(region, bool, tasks->task_count);
	own->task_in = weir_region_array(region, bool, tasks->task_count);
	own->task_round = weir_region_array(region, uint64_t, tasks->task_count);
	weir_out_init(&own->body, mem);
	weir__cell_sinks_init(c);
	weir__cell_streams_init(c);
	weir_cell_step_table(p, tasks, unit, region, &own->head);
	r = weir__cell_restore(c, err);
	if (r < 0)
		return r;
	/* Numbers of epochs that were open when earlier processes ended are not used again (I2): none of them went
	 * further than this without a durable bundle, and each took a fence. */
	c->durable = weir_journal_durable(journal);
	own->gap = WEIR_EPOCHS_IN_FLIGHT_MAX *
		   (weir_journal_fence(journal) - WEIR_MAX(own->newest_fence, (uint64_t)1));
	c->open = c->durable + own->gap;
	c->aligned = c->barrier = c->open;
	c->covered = weir_journal_covered(journal);
	own->released = c->durable;
	for (uint32_t t = 0; t < tasks->task_count; t++)
		unit[t]->epoch = c->open;
	if (c->ended) {
		/* Nothing runs any more; what sinks have not got yet is all that is left. */
		own->ending = true;
		own->live = 0;
		memset(own->task_final, true, tasks->task_count * sizeof(bool));
		c->finished = weir__cell_sinks_done(c, true) && weir__cell_sinks_finished(c);
	}
	return 0;
}

void weir_cell_close(struct weir_cell *c)
{
	if (c->own) {
		weir__cell_kept_fini(c);
		weir__cell_sinks_fini(c);
	}
	weir_journal_close(c->journal);
	memset(c, 0, sizeof(*c));
}

/* ---- a step ---- */

static void durable_moved(struct weir_cell *c, const struct weir_cell_now *now)
{
	struct weir_cell_private *own = c->own;
	uint64_t durable = weir_journal_durable(c->journal);

	weir_assert(durable >= c->durable &&
		    (durable <= c->aligned || durable == c->durable)); /* I1 */
	c->durable = durable;
	while (own->count && bundle_at(own, 0)->appended && bundle_at(own, 0)->epoch <= durable) {
		struct cell_bundle *b = bundle_at(own, 0);

		c->commit_ns = now->mono_ns - b->aligned_ns;
		own->ending |= b->ended;
		c->ended |= b->ended;
		c->bundles++;
		own->first = (own->first + 1) % WEIR_EPOCHS_IN_FLIGHT_MAX;
		own->count--;
	}
	weir__cell_release(c);
}

static int append(struct weir_cell *c, struct weir_err *err)
{
	struct weir_cell_private *own = c->own;

	for (uint32_t i = 0; i < own->count; i++) {
		struct cell_bundle *b = bundle_at(own, i);
		uint64_t bytes = b->bytes.bytes;
		int r;

		if (b->appended)
			continue;
		if (!weir__cell_sinks_prepared(c, b->epoch))
			return 0;
		weir_assert(b->epoch > c->durable); /* I2 */
		r = weir_journal_append(c->journal, b->epoch, &b->bytes, err);
		if (r == WEIR_E_BUSY)
			return 0;
		if (r < 0)
			return r;
		weir_out_fini(&b->bytes);
		b->appended = true;
		c->bundle_bytes += bytes;
		c->last_bundle_bytes = bytes;
	}
	return 0;
}

/* ---- base rounds ---- */

static void round_begin(struct weir_cell *c)
{
	struct weir_cell_private *own = c->own;
	struct weir_journal_stats st;

	if (c->round && !own->round_done)
		return;
	weir_journal_stats(c->journal, &st);
	if (st.bytes_live < WEIR_MAX(c->opt.base_bytes, own->live_after_base * 2) &&
	    !weir_buggify("cell.base_early"))
		return;
	weir_probe("cell.base_round");
	c->round++;
	own->round_done = false;
	own->round_epoch = own->round_bytes = 0;
	own->round_covers = c->open;
	own->restate_due = true;
}

/* All tasks were through before they froze for the epoch that was just aligned. */
static void round_check(struct weir_cell *c)
{
	struct weir_cell_private *own = c->own;

	if (!c->round || own->round_done || own->round_epoch || own->folded_from)
		return;
	for (uint32_t i = 0; i < own->task_count; i++)
		if (!own->task_final[i] && own->task_round[i] < c->round)
			return;
	own->round_epoch = c->aligned;
}

static int round_end(struct weir_cell *c, struct weir_err *err)
{
	struct weir_cell_private *own = c->own;
	struct weir_journal_stats st;
	int r;

	if (own->round_done || !own->round_epoch || c->durable < own->round_epoch)
		return 0;
	if (weir__cell_sinks_need(c) <= own->round_covers) {
		/* The segments stay as long as a sink may need them, and what is said again is said once: no further round begins
		 * before this one has ended. What comes meanwhile is not part of the base. */
		if (!own->round_bytes)
			own->round_bytes = weir_journal_bytes_above(c->journal, own->round_covers);
		return 0;
	}
	r = weir_journal_base(c->journal, own->round_covers, err);
	if (r < 0)
		return r;
	if (r > 0) {
		c->next_ns = 1; /* at once */
		return 0;
	}
	own->round_done = true;
	c->covered = weir_journal_covered(c->journal);
	weir_assert(c->covered <= c->durable); /* I1 */
	weir_journal_stats(c->journal, &st);
	own->live_after_base = own->round_bytes ? own->round_bytes : st.bytes_live;
	return 0;
}

/* ---- when the next epoch is due ---- */

static bool may_open(const struct weir_cell *c)
{
	const struct weir_cell_private *own = c->own;

	/* I6; folded numbers count as well, so that none is used again after a crash. A stop does not wait for
	 * sinks: it is one epoch. Nothing comes behind the end of all tasks. */
	return !own->aligning && !own->ending && !own->sealed && own->live &&
	       own->count < c->opt.in_flight &&
	       weir__cell_numbers(c) < WEIR_EPOCHS_IN_FLIGHT_MAX - 2 &&
	       (own->stopping || !weir__cell_sinks_full(c));
}

static uint64_t due_ns(const struct weir_cell *c, const struct weir_cell_now *now)
{
	const struct weir_cell_private *own = c->own;
	uint64_t interval = c->opt.epoch_ns;

	if (own->early || now->output_bytes >= c->opt.epoch_bytes || now->urge ||
	    (own->stopping && !own->stop_epoch))
		return now->mono_ns;
	/* Nothing came in: what may have changed (idleness, a window at its end) can wait a little. */
	if (now->input_rows == own->opened_rows && now->output_bytes == 0)
		interval *= CELL_QUIET_INTERVALS;
	return own->opened_ns + interval;
}

static void open_due(struct weir_cell *c, const struct weir_cell_now *now)
{
	struct weir_cell_private *own = c->own;
	uint64_t due = due_ns(c, now);

	if (own->stopping && own->stop_epoch)
		return;
	if (due > now->mono_ns) {
		/* Input may begin at any time: look once an interval. */
		if (!c->next_ns)
			c->next_ns = WEIR_MIN(due, now->mono_ns + c->opt.epoch_ns);
		return;
	}
	if (!may_open(c))
		return;
	round_begin(c);
	if (own->stopping)
		own->stop_epoch = c->open + 1;
	weir__cell_epoch_open(c, now);
	/* All tasks had ended before: nobody will report any more, so look again at once. */
	if (own->missing == 0)
		c->next_ns = 1;
	c->touch_bytes =
		(size_t)(WEIR_MAX(TOUCH_MIN, c->last_bundle_bytes) / own->task_count) + 4096;
}

static void admission(struct weir_cell *c, const struct weir_cell_now *now)
{
	struct weir_cell_private *own = c->own;
	struct weir_journal_stats st;

	weir_journal_stats(c->journal, &st);
	c->space_low = st.space_free < c->opt.space_min;
	if (c->space_low)
		weir_probe("cell.space_low");
	c->closing = own->stopping;
	c->hold = own->stopping || c->space_low ||
		  (now->output_bytes >= c->opt.epoch_bytes && !own->aligning && !may_open(c)) ||
		  now->output_bytes >= c->opt.epoch_bytes * 2;
}

/* Everything is committed and applied: seal if a sink needs it, then the end. */
static void finish(struct weir_cell *c, const struct weir_cell_now *now)
{
	struct weir_cell_private *own = c->own;
	bool stop = own->stopping && own->stop_epoch && c->durable >= own->stop_epoch;

	if (own->count || own->aligning || own->early || !(own->ending || stop || own->sealed))
		return;
	if (!weir__cell_sinks_done(c, !own->stopping) ||
	    (own->ending && !own->stopping && !weir__cell_sinks_finished(c)))
		return;
	if (!own->sealed && weir__cell_sinks_unsaid(c)) {
		own->sealed = true;
		weir__cell_seal(c, now);
		return;
	}
	c->finished = true;
}

int weir_cell_step(struct weir_cell *c, const struct weir_cell_now *now, struct weir_err *err)
{
	struct weir_cell_private *own = c->own;
	int r;

	c->next_ns = 0;
	own->stopping |= now->stop;
	durable_moved(c, now);
	if (own->aligning && own->missing == 0) {
		weir__cell_epoch_aligned(c, now);
		round_check(c);
	}
	r = append(c, err);
	if (r == 0)
		r = weir__cell_streams_step(c, err);
	if (r == 0)
		r = round_end(c, err);
	if (r < 0)
		return r;
	if (!c->finished)
		finish(c, now);
	if (!own->aligning && !c->finished)
		open_due(c, now);
	admission(c, now);
	weir__cell_streams_flow(c);
	weir_assert(c->open >= c->aligned && c->aligned >= c->durable &&
		    c->durable >= c->covered); /* I1 */
	return append(c, err);
}

int weir_cell_journal(struct weir_cell *c, uint64_t wait_ns, struct weir_err *err)
{
	return weir_journal_step(c->journal, wait_ns, err);
}
