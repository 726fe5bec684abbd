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
	/* streams */
	uint64_t sent, told; /* newest epoch on its way; newest that the engine was told to be in */
	bool down; /* the lane was closed: everything is asked for again when it is open */
	bool afresh; /* it was asked for again */
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

/* ---- a sink that streams: its store is far away, and the engine hears from it when it pleases ---- */

static int stream_open(struct weir_node *n, uint64_t fence, uint64_t known, bool fresh,
		       uint64_t *ret_cursor, struct weir_err *err)
{
	struct sim_sink *k = n->op;
	struct sim_store *t = k->store;

	(void)fresh;
	(void)ret_cursor; /* not known here */
	(void)err;
	sim_moment(k->s, SIM_AT_SINK);
	sim_check(k->s, t->cursor <= known, "I7",
		  "sink %s.%u has epoch %llu, but the journal ends its output at %llu", t->step,
		  t->task, (unsigned long long)t->cursor, (unsigned long long)known);
	sim_check(k->s, fence > t->fence, "I2",
		  "sink %s.%u: an engine starts with fence %llu after %llu", t->step, t->task,
		  (unsigned long long)fence, (unsigned long long)t->fence);
	t->fence = fence;
	sim_trace(k->s, SIM_EV_SINK_OPEN, t->number, t->cursor, fence);
	return 0;
}

/* All of the part is whole. */
static void stream_part(struct sim_sink *k, struct weir_reader part)
{
	size_t at = 0, size = weir_reader_left(&part);
	struct sim_piece p;

	while (sim_piece_next(k->s, part.p, size, &at, &p))
		sim_check(k->s, !p.hidden, "I25", "a part of another sink");
}

static int stream_resume(struct weir_node *n, uint64_t cursor, struct weir_reader first,
			 struct weir_err *err)
{
	struct sim_sink *k = n->op;

	(void)err;
	sim_check(k->s, cursor <= k->store->cursor, "I10",
		  "sink %s.%u has epoch %llu, but %llu is taken for confirmed", k->store->step,
		  k->store->task, (unsigned long long)k->store->cursor, (unsigned long long)cursor);
	stream_part(k, first);
	k->told = k->sent = cursor;
	return 0;
}

/* Closed now and then: what is on its way is lost, and everything is asked for again. */
static bool lane_down(struct sim_sink *k)
{
	struct sim *s = k->s;
	struct sim_store *t = k->store;

	if (s->calm)
		return false;
	if (s->now >= t->away_until_ns && sim_fault(s, SIM_SINK_AWAY, s->opt.sink_rate / 50)) {
		t->away_until_ns = s->now + sim_fault_pick(s, SIM_SINK_AWAY, 1000) * WEIR_NS_PER_MS;
		k->down = true;
		sim_store_lose(t);
	}
	return s->now < t->away_until_ns;
}

static bool stream_again(struct sim_sink *k)
{
	if (!k->down && !sim_fault(k->s, SIM_SINK_LOST, k->s->opt.sink_rate / 16))
		return false;
	k->down = false;
	k->afresh = true;
	sim_store_lose(k->store);
	sim_trace(k->s, SIM_EV_UNKNOWN, k->store->number, k->told, 0);
	return true;
}

static int stream_prepare(struct weir_node *n, const struct weir_sink_epoch *e,
			  struct weir_err *err)
{
	struct sim_sink *k = n->op;

	(void)err;
	sim_moment(k->s, SIM_AT_SINK);
	stream_part(k, e->part);
	if (lane_down(k))
		return sim_fault(k->s, SIM_SINK_LOST, 500000) ? WEIR_SINK_UNKNOWN : WEIR_SINK_LATER;
	return stream_again(k) ? WEIR_SINK_AGAIN : 0;
}

static int stream_apply(struct weir_node *n, const struct weir_sink_epoch *e, struct weir_err *err)
{
	struct sim_sink *k = n->op;
	struct sim *s = k->s;
	struct sim_request r = request_of(e);
	uint64_t way = sim_fault_pick(s, SIM_SINK_LATE, 30) * WEIR_NS_PER_MS;

	(void)err;
	sim_moment(s, SIM_AT_SINK);
	sim_check_release(s, e->epoch);
	stream_part(k, e->part);
	if (lane_down(k))
		return WEIR_SINK_LATER;
	if (stream_again(k))
		return WEIR_SINK_AGAIN;
	/* In order; asked for again: from the first that the engine does not know to be in. */
	sim_check(s, e->prev == (k->afresh ? k->told : WEIR_MAX(k->told, k->sent)), "I9",
		  "sink %s.%u is given epoch %llu after %llu; it was told %llu and sent %llu",
		  k->store->step, k->store->task, (unsigned long long)e->epoch,
		  (unsigned long long)e->prev, (unsigned long long)k->told,
		  (unsigned long long)k->sent);
	if (sim_fault(s, SIM_SINK_SLOW, s->opt.sink_rate / 4))
		return WEIR_SINK_LATER;
	if (sim_fault(s, SIM_SINK_LATE, s->opt.sink_rate / 8))
		way *= 20;
	sim_store_send(k->store, &r, s->now + way);
	k->sent = e->epoch;
	k->afresh = false;
	sim_moment(s, SIM_AT_SINK);
	return 0;
}

static int stream_cursor(struct weir_node *n, uint64_t *ret_cursor, struct weir_err *err)
{
	struct sim_sink *k = n->op;
	struct sim *s = k->s;

	(void)err;
	sim_moment(s, SIM_AT_SINK);
	if (lane_down(k))
		return WEIR_SINK_LATER;
	if (stream_again(k))
		return WEIR_SINK_AGAIN;
	/* The word is on its way. */
	if (!sim_fault(s, SIM_SINK_ACK, s->opt.sink_rate))
		k->told = k->store->cursor;
	*ret_cursor = k->told;
	return 0;
}

static void stream_flow(struct weir_node *n, struct weir_sink_flow *ret)
{
	struct sim_sink *k = n->op;

	ret->open = k->s->calm || k->s->now >= k->store->away_until_ns;
	ret->buffer_bytes = k->s->opt.stream_buffer;
	ret->spill_bytes = k->s->opt.stream_spill;
}

static const struct weir_sink_ops stream_ops = {
	.streams = true,
	.best = WEIR_GUARANTEE_EXACTLY_ONCE,
	.rests_on = "a model of a lane",
	.open = stream_open,
	.prepare = stream_prepare,
	.apply = stream_apply,
	.cursor = stream_cursor,
	.resume = stream_resume,
	.flow = stream_flow,
};

static const struct weir_op_class stream_class = {.name = "sim stream sink",
						  .run = sink_run,
						  .fini = sink_fini,
						  .state = &sink_state,
						  .sink = &stream_ops};

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

static bool sink_streams(const struct sim_options *o, const char *name)
{
	if (strcmp(name, "audit") == 0)
		return o->stream_sinks & 1;
	return (o->stream_sinks & 2) && (strcmp(name, "sumout") == 0 || strcmp(name, "bests") == 0);
}

int sim_sink_init(struct sim *s, struct weir_node *n, const struct weir_op_env *env)
{
	struct sim_sink *k = weir_region_new(env->region, struct sim_sink);
	const char *name = env->step->name;

	k->s = s;
	k->store = sim_store_of(s, name, env->instance, env->in);
	k->store->file_like = s->opt.file_sink && (s->user || strcmp(name, "wins") == 0);
	k->store->loose = !s->user && s->opt.loose_sink && strcmp(name, "joined") == 0;
	weir_out_init(&k->rows, n->task->mem);
	k->store->streams = !s->user && sink_streams(&s->opt, name);
	n->cls = k->store->streams     ? &stream_class
		 : k->store->loose     ? &loose_class
		 : k->store->file_like ? &file_class
				       : &sink_class;
	n->op = k;
	return 0;
}

void sim_sink_zombie(struct sim *s, const struct weir_job *job, uint64_t in_ns)
{
	struct sim_request r = request_of(&job->e);

	if (job->kind == WEIR_JOB_APPLY && !sim_sink_store(job->node)->streams)
		sim_store_late(s, sim_sink_store(job->node), &r, in_ns);
}
