/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/sink.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/core/freeze.h"
#include "tests/sim/check.h"
#include "tests/sim/moment.h"
#include "tests/sim/world.h"

struct sim_sink {
	struct sim *s;
	struct sim_store *store;
	struct weir_out rows; /* of the open epoch */
	uint32_t count;
	uint64_t restored; /* hidden file of the last part that came back */
	uint64_t prev; /* of the epoch that was asked for last */
};

struct sim_store *sim_sink_store(const struct weir_node *n)
{
	return ((const struct sim_sink *)n->op)->store;
}

/* ---- the worker's side ---- */

static int sink_run(struct weir_node *n)
{
	struct sim_sink *k = n->op;
	struct weir_batch *in = &n->in;
	int progress = in->pos < in->count;

	for (; in->pos < in->count; in->pos++) {
		const struct weir_frame *f = in->row[in->pos];

		weir_out_put(&k->rows, f, weir_frame_stride(f));
		k->count++;
		k->store->taken++;
		n->rows_in++;
	}
	n->held = k->rows.bytes;
	if (!in->ctl.kind)
		return progress;
	if (in->ctl.kind == WEIR_FRAME_BARRIER)
		weir_node_freeze(n);
	in->ctl.kind = 0;
	return 1;
}

static void hide(struct sim_sink *k, struct sim_piece *p)
{
	struct sim_hidden *h = sim_hidden_new(k->store);

	for (const struct weir_out_chunk *c = k->rows.first; c; c = c->next)
		sim_bytes_put(&h->bytes, c->data, c->used);
	h->rows = k->count;
	p->hidden = h->id;
	p->hash = weir_hash128(h->bytes.p, h->bytes.n);
	weir_out_fini(&k->rows);
}

static void sink_freeze(struct weir_node *n, struct weir_out *o)
{
	struct sim_sink *k = n->op;
	struct sim_piece p = {.rows = k->count, .bytes = k->rows.bytes};
	uint32_t magic = SIM_PIECE_MAGIC;

	sim_mark(&k->store->frozen, n->task->epoch, k->store->taken);
	n->held = 0;
	if (!k->count)
		return;
	if (k->store->file_like) {
		hide(k, &p);
	} else {
		uint8_t *copy = sim_alloc(p.bytes);

		weir_out_copy(&k->rows, copy);
		p.hash = weir_hash128(copy, p.bytes);
		free(copy);
	}
	weir_out_put(o, &magic, 4);
	weir_out_put(o, &p.rows, 4);
	weir_out_put(o, &p.bytes, 8);
	weir_out_put(o, &p.hidden, 8);
	weir_out_put(o, &p.hash, 16);
	weir_out_append(o, &k->rows);
	k->count = 0;
}

static void sink_fini(struct weir_node *n)
{
	weir_out_fini(&((struct sim_sink *)n->op)->rows);
}

static void sink_sign(const struct weir_node *n, struct weir_buf *b)
{
	(void)n;
	weir_buf_lit(b, "sim sink");
}

static const struct weir_state_ops sink_state = {.freeze = sink_freeze, .sign = sink_sign};

/* ---- the cell's side ---- */

/* The store does not answer. */
static bool away(struct sim_sink *k)
{
	struct sim *s = k->s;

	if (s->calm)
		return false;
	if (s->now >= k->store->away_until_ns && sim_fault(s, SIM_SINK_AWAY, s->opt.sink_rate / 50))
		k->store->away_until_ns =
			s->now + sim_fault_pick(s, SIM_SINK_AWAY, 1000) * WEIR_NS_PER_MS;
	if (s->now >= k->store->away_until_ns)
		return false;
	s->stores->away_seen = true;
	return true;
}

static int unknown(struct sim_sink *k, uint64_t epoch)
{
	k->store->unknown = true;
	k->store->asked_epoch = epoch;
	sim_trace(k->s, SIM_EV_UNKNOWN, k->store->number, epoch, 0);
	return WEIR_SINK_UNKNOWN;
}

static int sink_open(struct weir_node *n, uint64_t fence, uint64_t known, bool fresh,
		     uint64_t *ret_cursor, struct weir_err *err)
{
	struct sim_sink *k = n->op;
	struct sim_store *t = k->store;

	(void)fresh;
	sim_moment(k->s, SIM_AT_SINK);
	if (away(k))
		return weir_err_set(err, -ETIMEDOUT, "sink %s does not answer", t->step);
	/* I7: what a sink has, the journal has. I2, I28: every start has a new fence. */
	sim_check(k->s, t->cursor <= known, "I7",
		  "sink %s.%u has epoch %llu, but the journal ends its output at %llu", t->step,
		  t->task, (unsigned long long)t->cursor, (unsigned long long)known);
	if (t->loose) {
		*ret_cursor = known;
		return 0;
	}
	sim_check(k->s, fence > t->fence, "I2",
		  "sink %s.%u: an engine starts with fence %llu after %llu", t->step, t->task,
		  (unsigned long long)fence, (unsigned long long)t->fence);
	t->fence = fence;
	*ret_cursor = t->cursor;
	sim_trace(k->s, SIM_EV_SINK_OPEN, t->number, t->cursor, fence);
	sim_moment(k->s, SIM_AT_SINK);
	return 0;
}

static int sink_prepare(struct weir_node *n, const struct weir_sink_epoch *e, struct weir_err *err)
{
	struct sim_sink *k = n->op;
	struct sim_piece p;
	size_t at = 0, size = weir_reader_left(&e->part);

	(void)err;
	sim_moment(k->s, SIM_AT_SINK);
	while (sim_piece_next(k->s, e->part.p, size, &at, &p)) {
		struct sim_hidden *h = p.hidden ? sim_hidden_find(k->store, p.hidden) : NULL;

		if (!p.hidden)
			continue;
		sim_check(k->s, h && !h->gone, "I26", "hidden output to prepare is not there");
		h->durable = true;
	}
	sim_trace(k->s, SIM_EV_PREPARE, k->store->number, e->epoch, 0);
	sim_moment(k->s, SIM_AT_SINK);
	return 0;
}

static struct sim_request request_of(const struct weir_sink_epoch *e)
{
	return (struct sim_request){.epoch = e->epoch,
				    .prev = e->prev,
				    .fence = e->fence,
				    .part = {.p = (uint8_t *)(uintptr_t)e->part.p,
					     .n = weir_reader_left(&e->part)}};
}

static int sink_apply(struct weir_node *n, const struct weir_sink_epoch *e, struct weir_err *err)
{
	struct sim_sink *k = n->op;
	struct sim *s = k->s;
	struct sim_store *t = k->store;
	struct sim_request r = request_of(e);
	enum sim_answer a;
	bool effect = false;

	k->prev = e->prev;
	sim_moment(s, SIM_AT_SINK);
	/* I25: after an unknown outcome the cursor is read before anything else is tried. */
	sim_check(
		s, !t->unknown || t->loose, "I25",
		"sink %s.%u: epoch %llu is tried after an unknown outcome of %llu, and the cursor was "
		"not read",
		t->step, t->task, (unsigned long long)e->epoch, (unsigned long long)t->asked_epoch);
	sim_check_release(s, e->epoch);
	if (s->story && s->story->unknown && s->story->unknown(s, e->epoch, &effect)) {
		if (effect)
			sim_store_apply(s, t, &r);
		return unknown(k, e->epoch);
	}
	if (away(k))
		return unknown(k, e->epoch);
	if (sim_fault(s, SIM_SINK_LATE, s->opt.sink_rate / 8)) {
		sim_store_late(s, t, &r, sim_fault_pick(s, SIM_SINK_LATE, 500) * WEIR_NS_PER_MS);
		return unknown(k, e->epoch);
	}
	if (sim_fault(s, SIM_SINK_LOST, s->opt.sink_rate / 4))
		return unknown(k, e->epoch);
	a = sim_store_apply(s, t, &r);
	if (sim_fault(s, SIM_SINK_ACK, s->opt.sink_rate / 4))
		return unknown(k, e->epoch);
	sim_moment(s, SIM_AT_SINK);
	if (a == SIM_ANSWER_DONE || a == SIM_ANSWER_ALREADY)
		return 0;
	return weir_err_set(
		err, WEIR_E_CONFIG,
		"sink %s.%u: epoch %llu after %llu, but its cursor is %llu (fence %llu, ours %llu)",
		t->step, t->task, (unsigned long long)e->epoch, (unsigned long long)e->prev,
		(unsigned long long)t->cursor, (unsigned long long)t->fence,
		(unsigned long long)e->fence);
}

static int sink_cursor(struct weir_node *n, uint64_t *ret_cursor, struct weir_err *err)
{
	struct sim_sink *k = n->op;
	struct sim *s = k->s;

	(void)err;
	sim_moment(s, SIM_AT_SINK);
	if (away(k) || sim_fault(s, SIM_SINK_LOST, s->opt.sink_rate / 4))
		return WEIR_SINK_UNKNOWN;
	k->store->unknown = false;
	/* Without a cursor the answer is what was applied before: the epoch comes again. */
	*ret_cursor = k->store->loose ? k->prev : k->store->cursor;
	sim_trace(s, SIM_EV_CURSOR, k->store->number, k->store->cursor, 0);
	return 0;
}

static const struct weir_sink_ops sink_ops = {
	.best = WEIR_GUARANTEE_EXACTLY_ONCE,
	.rests_on = "a model with a cursor",
	.open = sink_open,
	.prepare = sink_prepare,
	.apply = sink_apply,
	.cursor = sink_cursor,
};

/* Like files of real sinks: what lies where has to be said again in each base. */
static int sink_restore(struct weir_node *n, struct weir_restore *r)
{
	struct sim_sink *k = n->op;
	size_t at = 0, size = weir_reader_left(&r->in);
	struct sim_piece p;

	while (sim_piece_next(k->s, r->in.p, size, &at, &p))
		k->restored = p.hidden;
	sim_check(k->s, k->restored, "I27", "a part without a file comes back");
	return 0;
}

static const struct weir_state_ops file_state = {
	.freeze = sink_freeze, .restore = sink_restore, .sign = sink_sign};

static const struct weir_sink_ops loose_ops = {
	.best = WEIR_GUARANTEE_AT_LEAST_ONCE,
	.rests_on = "nothing",
	.open = sink_open,
	.apply = sink_apply,
	.cursor = sink_cursor,
};

static const struct weir_op_class file_class = {.name = "sim file sink",
						.run = sink_run,
						.fini = sink_fini,
						.state = &file_state,
						.sink = &sink_ops};

static const struct weir_op_class loose_class = {.name = "sim loose sink",
						 .run = sink_run,
						 .fini = sink_fini,
						 .state = &sink_state,
						 .sink = &loose_ops};

static const struct weir_op_class sink_class = {.name = "sim sink",
						.run = sink_run,
						.fini = sink_fini,
						.state = &sink_state,
						.sink = &sink_ops};

int sim_sink_init(struct sim *s, struct weir_node *n, const struct weir_op_env *env)
{
	struct sim_sink *k = weir_region_new(env->region, struct sim_sink);
	const char *name = env->step->name;

	k->s = s;
	k->store = sim_store_of(s, name, env->instance, env->in);
	k->store->file_like = s->opt.file_sink && (s->user || strcmp(name, "wins") == 0);
	k->store->loose = !s->user && s->opt.loose_sink && strcmp(name, "joined") == 0;
	weir_out_init(&k->rows, n->task->mem);
	n->cls = k->store->loose ? &loose_class : k->store->file_like ? &file_class : &sink_class;
	n->op = k;
	return 0;
}

void sim_sink_zombie(struct sim *s, const struct weir_job *job, uint64_t in_ns)
{
	struct sim_request r = request_of(&job->e);

	if (job->kind == WEIR_JOB_APPLY)
		sim_store_late(s, sim_sink_store(job->node), &r, in_ns);
}
