/* SPDX-License-Identifier: Apache-2.0 */
/* From the journal back into the nodes. */
#include <stdio.h>

#include "engine/core/cell_int.h"
#include "engine/core/freeze.h"

/* ---- what fits ---- */

static void change(struct weir_state_change *ret, uint32_t cap, uint32_t *n, unsigned what,
		   const char *step, const char *text)
{
	if (*n < cap) {
		ret[*n].what = what;
		ret[*n].step = step;
		snprintf(ret[*n].text, sizeof(ret[*n].text), "%s", text);
	}
	++*n;
}

static int find_then(const struct weir_bundle_head *then, const char *name)
{
	for (uint32_t i = 0; i < then->step_count; i++)
		if (weir_str_is(then->step[i].name, name))
			return (int)i;
	return -1;
}

/* Where two texts begin to differ, at a word. */
static size_t differ_at(struct weir_str a, struct weir_str b)
{
	size_t i = 0, word = 0;

	for (; i < a.n && i < b.n && a.p[i] == b.p[i]; i++)
		if (a.p[i] == ' ' || a.p[i] == '\n')
			word = i + 1;
	return word;
}

/* The rest of that line; nothing when only the other text has it. */
static struct weir_str line_at(struct weir_str sign, size_t at)
{
	size_t n = at;

	while (n < sign.n && sign.p[n] != '\n')
		n++;
	return n > at ? (struct weir_str){sign.p + at, n - at} : (struct weir_str){0};
}

static void compare_step(const struct weir_bundle_step *then, const char *name,
			 const struct weir_str *sign, uint32_t tasks, struct weir_state_change *ret,
			 uint32_t cap, uint32_t *n)
{
	char text[200];

	if (!then || (!then->sign.n && sign->n)) {
		if (sign->n)
			change(ret, cap, n, WEIR_STATE_NEW, name, "starts empty");
		return;
	}
	if (!then->sign.n)
		return;
	if (!weir_str_eq(then->sign, *sign)) {
		size_t at = differ_at(then->sign, *sign);
		struct weir_str was = line_at(then->sign, at), is = line_at(*sign, at);

		snprintf(text, sizeof(text), "means something else now: was `%.*s`, is `%.*s`",
			 (int)WEIR_MIN(was.n, (size_t)70), was.n ? was.p : "",
			 (int)WEIR_MIN(is.n, (size_t)70), is.n ? is.p : "");
		change(ret, cap, n, WEIR_STATE_DROPPED, name, text);
	} else if (tasks && then->tasks != tasks) {
		snprintf(text, sizeof(text), "state of %u tasks is dealt out to %u", then->tasks,
			 tasks);
		change(ret, cap, n, WEIR_STATE_CONVERTED, name, text);
	} else {
		change(ret, cap, n, WEIR_STATE_KEPT, name, "");
	}
}

uint32_t weir_state_compare(const struct weir_bundle_head *then, const struct weir_bundle_head *now,
			    const char **gone_name, struct weir_state_change *ret, uint32_t cap)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < now->step_count; i++) {
		int k = find_then(then, now->step[i].name.p);

		compare_step(k < 0 ? NULL : &then->step[k], now->step[i].name.p, &now->step[i].sign,
			     now->step[i].tasks, ret, cap, &n);
	}
	for (uint32_t i = 0; i < then->step_count; i++) {
		bool there = false;

		for (uint32_t k = 0; k < now->step_count; k++)
			there |= weir_str_eq(then->step[i].name, now->step[k].name);
		if (!there && then->step[i].sign.n)
			change(ret, cap, &n, WEIR_STATE_DROPPED, gone_name[i],
			       "the pipeline has no step of this name any more");
	}
	return n;
}

/* ---- the newest bundle ---- */

struct newest {
	struct weir_cell *c;
	struct weir_region *region;
	struct weir_bundle_head *head; /* texts copied to the region */
	uint64_t epoch;
	struct cell_known *known; /* per sink */
	struct weir_err *err;
};

static bool same_meaning(const struct weir_cell *c, const struct weir_bundle_step *then, int now)
{
	return weir_str_eq(then->sign, c->own->head.step[now].sign);
}

static int read_newest(void *ctx, uint64_t epoch, uint64_t fence, struct weir_reader *bundle)
{
	struct newest *x = ctx;
	struct weir_part part;
	int r = weir_bundle_head_read(bundle, x->head, x->err);

	if (r < 0)
		return r;
	x->epoch = epoch;
	x->c->own->newest_fence = fence;
	for (uint32_t i = 0; i < x->head->step_count; i++) {
		struct weir_bundle_step *s = &x->head->step[i];

		s->name.p = weir_region_strdup(x->region, s->name);
		s->sign.p = weir_region_strdup(x->region, s->sign);
	}
	while ((r = weir_bundle_part_read(bundle, x->head, &part, x->err)) > 0) {
		struct cell_sink *s;
		uint64_t prev, cursor;
		uint8_t has;
		int now;

		if (part.kind != WEIR_PART_SINK)
			continue;
		prev = weir_read_u64(&part.in);
		cursor = weir_read_u64(&part.in);
		has = weir_read_u8(&part.in);
		if (part.in.bad || prev >= epoch || cursor > epoch || has > 2)
			return weir_err_set(x->err, WEIR_E_CORRUPT,
					    "a bundle is damaged: head of a sink's part");
		now = weir_pipeline_find(x->c->p, x->head->step[part.step].name);
		s = now < 0 ? NULL : weir__cell_sink_of(x->c, (uint32_t)now, part.task);
		if (s)
			x->known[s - x->c->own->sink] = (struct cell_known){
				.epoch = has == 1 ? epoch : prev,
				.cursor = cursor,
				.lost = !same_meaning(x->c, &x->head->step[part.step], now)};
	}
	return r;
}

static int recall_head(void *ctx, uint64_t epoch, uint64_t fence, struct weir_reader *bundle)
{
	struct newest *x = ctx;

	(void)fence;
	x->epoch = epoch;
	return weir_bundle_head_read(bundle, x->head, x->err);
}

struct recall {
	struct newest x;
	int (*fn)(void *ctx, const struct weir_bundle_head *h, uint64_t epoch);
	void *ctx;
};

static int recall_one(void *ctx, uint64_t epoch, uint64_t fence, struct weir_reader *bundle)
{
	struct recall *q = ctx;
	int r = recall_head(&q->x, epoch, fence, bundle);

	/* The texts point into the bundle: they are there only now. */
	return r < 0 ? r : q->fn(q->ctx, q->x.head, epoch);
}

int weir_cell_recall(struct weir_journal *j, struct weir_bundle_head *scratch,
		     int (*fn)(void *ctx, const struct weir_bundle_head *h, uint64_t epoch),
		     void *ctx, struct weir_err *err)
{
	struct recall q = {.x = {.head = scratch, .err = err}, .fn = fn, .ctx = ctx};
	int r = weir_journal_newest(j, recall_one, &q, err);

	return r < 0 ? r : q.x.epoch != 0;
}

/* ---- replay ---- */

struct replay {
	struct weir_cell *c;
	struct weir_bundle_head *head;
	int32_t step_now[WEIR_STEPS_MAX]; /* -1: gone, or dropped */
	struct weir_err *err;
};

static struct weir_node *node_of(struct weir_cell *c, uint32_t step, uint32_t task,
				 struct weir_unit **ret_unit)
{
	const struct weir_chain *chain = &c->tasks->chain[c->tasks->step_chain[step]];
	struct weir_unit *u = c->unit[chain->first_task + task];
	uint32_t i = 0;

	weir_assert(task < chain->parallelism);
	while (u->task.node[i].step != step || !*u->task.node[i].step_name)
		weir_assert(++i < u->task.node_count);
	*ret_unit = u;
	return &u->task.node[i];
}

static int failed(struct replay *x, const struct weir_node *n, int r)
{
	if (n->task->err.code)
		*x->err = n->task->err;
	else
		weir_err_set(x->err, r, "step `%s`: its state cannot be read back: %s",
			     n->step_name, weir_strerror(r));
	return r;
}

static int give(struct replay *x, const struct weir_part *part, uint32_t step, uint32_t task,
		uint64_t epoch)
{
	struct weir_restore how = {.in = part->in,
				   .instance_then = part->task,
				   .instances_then = x->head->step[part->step].tasks,
				   .instance = task,
				   .instances = x->c->tasks->step_parallelism[step],
				   .epoch = epoch,
				   .step_now = x->step_now,
				   .step_count = x->head->step_count};
	struct weir_unit *u;
	struct weir_node *n = node_of(x->c, step, task, &u);
	int r = 0;

	if (part->kind == WEIR_PART_TASK && n == &u->task.node[0])
		r = weir_unit_restore(u, &how);
	else if (part->kind != WEIR_PART_TASK && n->cls->state && n->cls->state->restore)
		r = n->cls->state->restore(n, &how);
	return r < 0 ? failed(x, n, r) : 0;
}

static int give_all(struct replay *x, const struct weir_part *part, uint64_t epoch)
{
	uint32_t step = (uint32_t)x->step_now[part->step];
	uint32_t tasks = x->c->tasks->step_parallelism[step];
	int r = 0;

	if (tasks == x->head->step[part->step].tasks)
		return give(x, part, step, part->task, epoch);
	weir_probe("cell.rescaled");
	for (uint32_t t = 0; t < tasks && r == 0; t++)
		r = give(x, part, step, t, epoch);
	return r;
}

/* bundle: where the part's bundle begins. */
static int sink_again(struct replay *x, struct weir_part *part, uint64_t epoch,
		      const uint8_t *bundle)
{
	uint32_t step = (uint32_t)x->step_now[part->step];
	uint64_t prev = weir_read_u64(&part->in);
	uint8_t has;
	struct cell_sink *s = weir__cell_sink_of(x->c, step, part->task);
	int r;

	weir_read_u64(&part->in); /* its cursor then */
	has = weir_read_u8(&part->in);
	if (part->in.bad || prev >= epoch || has > 2 || !s)
		return weir_err_set(x->err, WEIR_E_CORRUPT,
				    "epoch %llu: the part of sink `%s` does not fit",
				    (unsigned long long)epoch, x->c->p->step[step].name);
	if (!has)
		return 0;
	r = weir__cell_sink_replay(x->c, s, epoch, prev, has == 2, part->in,
				   (uint64_t)(part->in.p - bundle), x->err);
	return r < 0 ? r : give(x, part, step, part->task, epoch);
}

static int replay_bundle(void *ctx, uint64_t epoch, uint64_t fence, struct weir_reader *bundle)
{
	struct replay *x = ctx;
	const uint8_t *begin = bundle->p;
	struct weir_part part;
	int r = weir_bundle_head_read(bundle, x->head, x->err);

	(void)fence;
	if (r < 0 || (weir_planted(REPLAY_SKIPS) && epoch == weir_journal_durable(x->c->journal)))
		return r;
	for (uint32_t i = 0; i < x->head->step_count; i++) {
		int now = weir_pipeline_find(x->c->p, x->head->step[i].name);

		/* A step that means something else now takes nothing over. */
		if (now >= 0 && !same_meaning(x->c, &x->head->step[i], now))
			now = -1;
		x->step_now[i] = now;
	}
	while ((r = weir_bundle_part_read(bundle, x->head, &part, x->err)) > 0) {
		if (x->step_now[part.step] < 0)
			continue;
		r = part.kind == WEIR_PART_SINK ? sink_again(x, &part, epoch, begin)
						: give_all(x, &part, epoch);
		if (r < 0)
			return r;
	}
	x->c->ended = x->head->flags & WEIR_BUNDLE_ENDED;
	return r;
}

static int restored(struct weir_cell *c, struct replay *x)
{
	for (uint32_t t = 0; t < c->tasks->task_count; t++) {
		for (uint32_t i = 0; i < c->unit[t]->task.node_count; i++) {
			struct weir_node *n = &c->unit[t]->task.node[i];
			int r = 0;

			if (n->cls->state && n->cls->state->restored)
				r = n->cls->state->restored(n);
			if (r < 0)
				return failed(x, n, r);
		}
	}
	return 0;
}

static int refuse(struct weir_cell *c, const struct weir_bundle_head *then, struct weir_err *err)
{
	const uint32_t cap = 2 * WEIR_STEPS_MAX; /* all steps then and now */
	struct weir_state_change *ch = weir_region_array(c->region, struct weir_state_change, cap);
	const char *name[WEIR_STEPS_MAX];
	uint32_t n;

	for (uint32_t i = 0; i < then->step_count; i++)
		name[i] = then->step[i].name.p;
	n = weir_state_compare(then, &c->own->head, name, ch, cap);
	for (uint32_t i = 0; i < n; i++)
		if (ch[i].what == WEIR_STATE_DROPPED && !c->opt.accept_loss)
			return weir_err_set(err, WEIR_E_CONFIG,
					    "the pipeline has changed and state would be lost: "
					    "step `%s` %s. `weir check --against DIR` shows all; "
					    "--drop-state goes on without it, --fresh starts over",
					    ch[i].step, ch[i].text);
	return 0;
}

int weir__cell_restore(struct weir_cell *c, struct weir_err *err)
{
	struct cell_known *known = weir_region_array(c->region, struct cell_known, c->sink_count);
	struct weir_bundle_head *head = weir_region_new(c->region, struct weir_bundle_head);
	struct newest x = {.c = c, .region = c->region, .head = head, .known = known, .err = err};
	struct replay p = {.c = c, .head = head, .err = err};
	int r = weir_journal_newest(c->journal, read_newest, &x, err);

	if (r == 0 && x.epoch)
		r = refuse(c, head, err);
	if (r == 0)
		r = weir_journal_start(c->journal, err);
	if (r == 0)
		r = weir__cell_sink_open(c, weir_journal_fence(c->journal), known, err);
	if (r == 0)
		r = weir_journal_replay(c->journal, replay_bundle, &p, err);
	if (r == 0)
		r = weir__cell_sinks_replayed(c, err);
	if (r == 0 && x.epoch)
		r = restored(c, &p);
	if (r == 0)
		r = weir__cell_streams_resume(c, err);
	return r;
}
