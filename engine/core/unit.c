/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/unit.h"

#include "base/assert.h"
#include "engine/core/unit_epoch.h"

/* A paced source looks at most so often: a wake-up per record would cost more than the records. */
#define PACE_NS_MIN (100 * (uint64_t)WEIR_NS_PER_US)
/* A barrier waits until the source's last batch is through: smaller ones when that takes so long. */
#define BATCH_NS (20 * (uint64_t)WEIR_NS_PER_MS)
#define BATCH_ROWS_MIN 8u

static void control(struct weir_node *n, unsigned kind, int64_t value)
{
	weir_assert(weir_batch_empty(&n->in));
	n->in.ctl = (struct weir_ctl){.kind = (uint8_t)kind, .value = value};
	/* The unit only comes here when all nodes are empty, so nobody holds a control. */
	weir_assert(weir_node_forward_ctl(n));
}

/* Rows the pace allows now. */
static uint32_t rate_budget(struct weir_source *s, uint64_t now)
{
	uint64_t due;

	if (s->rate == 0)
		return WEIR_BATCH_ROWS;
	if (s->rate_from_ns == 0 || now - s->rate_from_ns > 60 * (uint64_t)WEIR_NS_PER_S) {
		s->rate_from_ns = now;
		s->rate_rows = s->rows;
	}
	due = (uint64_t)((weir_u128)(now - s->rate_from_ns) * s->rate / (uint64_t)WEIR_NS_PER_S);
	/* After a stall at most a tenth of a second is made up for at once. */
	if (due > s->rows - s->rate_rows + s->rate / 10 + WEIR_BATCH_ROWS) {
		s->rate_from_ns = now;
		s->rate_rows = s->rows;
		return 1;
	}
	due -= WEIR_MIN(due, s->rows - s->rate_rows);
	return (uint32_t)WEIR_MIN(due, (uint64_t)WEIR_BATCH_ROWS);
}

/* true: a watermark is on its way. */
static bool tell_watermark(struct weir_node *n, struct weir_source *s, uint64_t now, bool quiet)
{
	if (!s->timed || s->watermark == WEIR_TIME_MIN || s->watermark <= n->watermark)
		return false;
	if (!quiet && s->rows - s->rows_told < WEIR_WATERMARK_ROWS &&
	    now - s->told_ns < WEIR_WATERMARK_NS)
		return false;
	s->rows_told = s->rows;
	s->told_ns = now;
	control(n, WEIR_FRAME_WATERMARK, s->watermark);
	return true;
}

/* An edge behind the source is full: it takes its turns more rarely. */
static bool braked(struct weir_unit *u, uint64_t now)
{
	uint64_t wait = weir_pace_wait(&u->pace);

	if (!wait)
		return false;
	u->wait_until_ns = now + wait;
	/* Not its own silence. */
	if (!u->source->idle)
		u->source->active_ns = now;
	return true;
}

/* Rows of the next batch at most: the last one is through. */
static uint32_t batch_rows(struct weir_unit *u, uint64_t now)
{
	uint32_t rows = WEIR_BATCH_ROWS - u->batch_less;

	if (u->stuck && now - u->batch_ns > BATCH_NS)
		rows = WEIR_MAX(rows / 2, BATCH_ROWS_MIN);
	else
		rows = WEIR_MIN(rows * 2, WEIR_BATCH_ROWS);
	u->batch_less = WEIR_BATCH_ROWS - rows;
	u->batch_ns = now;
	u->stuck = false;
	return rows;
}

/* The barrier of the epoch that is due; it comes before anything else, also from a source at rest. */
static bool tell_barrier(struct weir_unit *u)
{
	if (!u->epochs || u->barrier_want <= u->epoch)
		return false;
	/* One epoch at a time: the last one was handed over before the next is asked for. */
	weir_assert(u->phase == WEIR_FREEZE_NONE && u->barrier_want == u->epoch + 1);
	weir__unit_barrier(u, u->barrier_want);
	control(&u->task.node[0], WEIR_FRAME_BARRIER, (int64_t)u->barrier_want);
	return true;
}

static int source_turn(struct weir_unit *u)
{
	struct weir_node *n = &u->task.node[0];
	struct weir_source *s = u->source;
	uint64_t before = s->rows, now = u->task.mono_ns;
	uint32_t most;
	int r = 0;

	weir_source_settle(n, u->durable);
	if (tell_barrier(u))
		return 1;
	weir_pace_turn(&u->pace, u->brake, now);
	if (u->hold)
		return 0;
	s->stopping = u->stopping;
	if (s->ended || (u->stopping && !s->drains)) {
		control(n, WEIR_FRAME_EOS, 0);
		u->ended = true;
		return 1;
	}
	if (u->wait_until_ns > now)
		return 0;
	u->wait_until_ns = 0;
	if (braked(u, now))
		return 0;
	most = weir_pace_rows(&u->pace, batch_rows(u, now));
	s->budget = rate_budget(s, u->pace.time_ns);
	s->budget = WEIR_MIN(s->budget, most);
	if (s->budget) {
		r = n->cls->run(n);
		if (r < 0)
			return r;
	} else {
		u->wait_until_ns = now + WEIR_MAX(WEIR_MIN((uint64_t)WEIR_NS_PER_S / s->rate,
							   (uint64_t)WEIR_NS_PER_MS),
						  PACE_NS_MIN);
	}
	weir_pace_took(&u->pace, s->rows - before);
	if (s->rows != before || s->active_ns == 0) {
		s->active_ns = now;
		s->idle = false;
	}
	if (r == 0 && s->wait_ns && s->budget)
		u->wait_until_ns = now + s->wait_ns;
	/* Rows just emitted are still in the batches behind; a control has to come after them. */
	if (s->rows == before) {
		if (tell_watermark(n, s, now, true))
			return 1;
		if (!s->idle &&
		    (s->silent || (s->idle_ns && now - s->active_ns >= (uint64_t)s->idle_ns))) {
			s->idle = true;
			control(n, WEIR_FRAME_IDLE, 0);
			return 1;
		}
	} else {
		/* All batches behind the source hold rows now; a control may follow them. */
		for (uint32_t i = 0; i < n->port_count; i++)
			for (uint32_t k = 0; k < n->port[i].target_count; k++)
				weir_assert(n->port[i].target[k]->in.ctl.kind == 0);
		tell_watermark(n, s, now, false);
	}
	return r > 0 || s->rows != before;
}

/* One batch. >0: progress; 0: nothing to do; <0. *ret_blocked: a full output stands in the way. */
static int one_batch(struct weir_unit *u, bool *ret_blocked)
{
	struct weir_node *root = &u->task.node[0];
	int progress = weir_task_drain(&u->task), r;

	*ret_blocked = false;
	if (weir_unlikely(progress < 0))
		return progress;
	if (!weir_task_idle(&u->task)) {
		*ret_blocked = u->stuck = true;
		return progress;
	}
	weir__unit_idle(u);
	if (u->ended) {
		u->passed = true;
		u->done = !u->epochs;
		return progress + 1;
	}
	if (u->source) {
		r = source_turn(u);
		return r < 0 ? r : progress + r;
	}
	weir_inlet_release(&u->inlet);
	if (!weir_inlet_fill(&u->inlet, &root->in))
		return progress;
	u->ended = root->in.ctl.kind == WEIR_FRAME_EOS;
	if (root->in.ctl.kind == WEIR_FRAME_BARRIER)
		weir__unit_barrier(u, (uint64_t)root->in.ctl.value);
	return progress + 1;
}

/* What a source does in any case. */
static int attend(struct weir_unit *u)
{
	struct weir_node *n = &u->task.node[0];

	if (!n->cls->attend)
		return 0;
	weir_source_settle(n, u->durable);
	return n->cls->attend(n, weir_task_idle(&u->task));
}

int weir_unit_turn(struct weir_unit *u, uint32_t batches)
{
	int progress = 0, r = 1;

	u->blocked = false;
	u->task.retry_ns = 0;
	if (!u->source)
		u->wait_until_ns = 0;
	if (u->source) {
		progress = attend(u);
		if (weir_unlikely(progress < 0))
			return progress;
	}
	for (uint32_t i = 0; i < batches && r > 0 && !u->blocked && !u->passed; i++) {
		r = one_batch(u, &u->blocked);
		if (r < 0)
			return r;
		progress += r;
	}
	/* Leave as little as possible waiting for the next turn. */
	if (!u->passed && !u->blocked && r > 0) {
		r = weir_task_drain(&u->task);
		if (weir_unlikely(r < 0))
			return r;
		progress += r;
		u->blocked = !weir_task_idle(&u->task);
		u->stuck |= u->blocked;
		if (!u->blocked)
			weir__unit_idle(u);
	}
	if (!u->source && !u->blocked)
		weir_inlet_release(&u->inlet);
	if (u->epochs)
		progress += weir__unit_epoch_work(u);
	return progress;
}
