/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outboxes of sinks that stream (edges to other regions): many epochs are handed over before the first is confirmed.
 *
 *   first          old           give               load              fresh          newest
 *     │ handed over │ handed over │ to be handed over │ to be handed    │ not judged yet  │
 *     │ journal only│ memory      │ memory            │ over, journal   │ memory          │
 *     └─────────────┴─────────────┴───────────────────┴─────────────────┴─────────────────┘
 *
 * first .. old    given, bytes given up; they are needed only when the other side asks for them again
 * old .. give     given, still in memory: the first to go when there is too much
 * give .. load    next to go out
 * load .. fresh   the hole: read back from the journal, one output after the other; NULL: there is none
 * fresh ..        the epoch is not durable yet, so the journal cannot give it back. When it is, the output joins the run before it,
 *                 or the hole when there is one or memory is full
 *
 * Outputs leave at the front when the sink's cursor moves. WEIR_SINK_AGAIN: give = first.
 */
#include "base/checksum.h"
#include "engine/core/cell_int.h"

#define LOAD_BYTES ((uint64_t)1 << 20) /* read back in one step, about */

/* ---- bytes of outputs ---- */

void weir__cell_output_bytes(struct weir_cell *c, struct cell_sink *s, struct cell_output *o)
{
	o->data = c->mem->alloc(c->mem->ctx, WEIR_MAX(o->bytes, (size_t)1), 16);
	s->stream.memory += o->bytes;
}

void weir__cell_output_release(struct weir_cell *c, struct cell_sink *s, struct cell_output *o)
{
	if (!o->data)
		return;
	c->mem->free(c->mem->ctx, o->data, WEIR_MAX(o->bytes, (size_t)1));
	o->data = NULL;
	s->stream.memory -= o->bytes;
}

/* The journal has them. */
static void give_up(struct weir_cell *c, struct cell_sink *s, struct cell_output *o)
{
	weir_assert(o->epoch <= c->durable);
	o->sum = weir_hash128(o->data, o->bytes);
	weir__cell_output_release(c, s, o);
}

/* Room for `more` bytes, at the cost of what was handed over. */
static bool room(struct weir_cell *c, struct cell_sink *s, uint64_t more)
{
	struct cell_stream *st = &s->stream;

	while (st->memory + more > c->opt.stream_memory && st->old != st->give) {
		weir_probe("cell.stream_forgets");
		give_up(c, s, st->old);
		st->old = st->old->next;
	}
	return st->memory + more <= c->opt.stream_memory;
}

static void load_stop(struct weir_cell *c, struct cell_stream *st)
{
	if (st->loading)
		c->mem->free(c->mem->ctx, st->loading, WEIR_MAX(st->load->bytes, (size_t)1));
	st->loading = NULL;
}

void weir__cell_stream_added(struct cell_sink *s, struct cell_output *o)
{
	struct cell_stream *st = &s->stream;

	st->give = st->give ? st->give : o;
	st->old = st->old ? st->old : o;
	st->fresh = st->fresh ? st->fresh : o;
	st->unsent++;
}

/* Outputs that have become durable: kept in memory, or not. */
static void judge(struct weir_cell *c, struct cell_sink *s)
{
	struct cell_stream *st = &s->stream;

	while (st->fresh && st->fresh->epoch <= c->durable) {
		struct cell_output *o = st->fresh;

		/* The job has its bytes. */
		if (s->busy && s->busy_epoch == o->epoch)
			return;
		st->fresh = o->next;
		if (!st->load && (room(c, s, 0) || o == st->give))
			continue;
		weir_probe("cell.stream_spills");
		give_up(c, s, o);
		st->load = st->load ? st->load : o;
	}
}

/* The output at the front is in the sink. */
void weir__cell_stream_drop(struct weir_cell *c, struct cell_sink *s)
{
	struct cell_stream *st = &s->stream;
	struct cell_output *o = s->first, *next = o->next;

	if (o == st->load) {
		load_stop(c, st);
		st->load = next == st->fresh ? NULL : next;
	}
	if (o == st->give) {
		/* Not by this session: by an earlier one. */
		st->give = next;
		st->unsent--;
	}
	st->old = o == st->old ? next : st->old;
	st->fresh = o == st->fresh ? next : st->fresh;
	weir__cell_output_release(c, s, o);
}

void weir__cell_stream_fini(struct weir_cell *c, struct cell_sink *s)
{
	load_stop(c, &s->stream);
}

/* ---- reading back ---- */

/* 1: there is more to read of this output. */
static int load(struct weir_cell *c, struct cell_sink *s, struct weir_err *err)
{
	struct cell_stream *st = &s->stream;
	struct cell_output *o = st->load;
	struct weir_hash128 sum;
	int r;

	if (!st->loading)
		st->loading = c->mem->alloc(c->mem->ctx, WEIR_MAX(o->bytes, (size_t)1), 16);
	r = weir_journal_fetch(c->journal, o->epoch, o->from, st->loading, o->bytes, err);
	if (r)
		return r;
	sum = weir_hash128(st->loading, o->bytes);
	if (!weir_hash128_eq(sum, o->sum))
		return weir_err_set(err, WEIR_E_CORRUPT,
				    "step `%s`: the output of epoch %llu is not the same when it "
				    "is read back from the journal; restore the state directory "
				    "from a backup, or start over with `weir run --fresh`",
				    s->node->step_name, (unsigned long long)o->epoch);
	weir_probe("cell.stream_reads_back");
	o->data = st->loading;
	st->loading = NULL;
	st->memory += o->bytes;
	st->load = o->next == st->fresh ? NULL : o->next;
	return 0;
}

static bool wants_load(struct weir_cell *c, struct cell_sink *s)
{
	struct cell_stream *st = &s->stream;

	return s->node->cls->sink->streams && st->load &&
	       (st->loading || room(c, s, st->load->bytes) || st->load == st->give);
}

/* One sink until its output is there: the journal reads one piece at a time. */
static int load_some(struct weir_cell *c, struct weir_err *err)
{
	struct weir_cell_private *own = c->own;
	uint64_t bytes = 0;

	for (uint32_t n = 0; n < c->sink_count; n++) {
		struct cell_sink *s = &own->sink[own->loading % c->sink_count];

		while (wants_load(c, s)) {
			uint64_t size = s->stream.load->bytes;
			int r = bytes < LOAD_BYTES ? load(c, s, err) : 1;

			if (r < 0)
				return r;
			if (r) {
				c->next_ns = 1; /* at once */
				return 0;
			}
			bytes += WEIR_MAX(size, (uint64_t)WEIR_DISK_BLOCK);
		}
		own->loading++;
	}
	return 0;
}

/* ---- how full ---- */

void weir__cell_streams_flow(struct weir_cell *c)
{
	for (uint32_t i = 0; i < c->stream_count; i++) {
		struct weir_cell_stream *x = &c->stream[i];
		const struct cell_sink *s = &c->own->sink[x->sink];
		const struct weir_sink_flow *f = &s->stream.flow;
		uint64_t low = x->outstanding = s->waiting_bytes +
						s->waiting * (uint64_t)CELL_STREAM_COST +
						s->collect.bytes;

		/* After a long cut the backlog drains while input goes on slowly: the limit follows it downwards. */
		low += f->buffer_bytes / 2;
		if (!f->open)
			x->limit = f->spill_bytes;
		else
			x->limit = WEIR_MAX(f->buffer_bytes, WEIR_MIN(x->limit, low));
	}
}

int weir__cell_streams_step(struct weir_cell *c, struct weir_err *err)
{
	if (!c->stream_count)
		return 0;
	for (uint32_t i = 0; i < c->stream_count; i++)
		judge(c, &c->own->sink[c->stream[i].sink]);
	return load_some(c, err);
}

/* ---- jobs ---- */

static struct cell_output *unshipped(const struct cell_sink *s)
{
	struct cell_output *o = s->stream.give;

	while (o && o->shipped == s->stream.session)
		o = o->next;
	return o;
}

static enum weir_job_kind next_job(const struct weir_cell *c, const struct cell_sink *s,
				   const struct cell_output **ret)
{
	const struct weir_cell_private *own = c->own;
	const struct weir_sink_ops *ops = s->node->cls->sink;
	const struct cell_output *give = s->stream.give;

	*ret = give;
	if (give && give->epoch <= own->released) {
		weir_assert(give->epoch <= c->durable || weir_planted(RELEASE_EARLY)); /* I7 */
		if (give->data)
			return WEIR_JOB_APPLY;
	} else if (ops->prepare && unshipped(s)) {
		*ret = unshipped(s);
		return WEIR_JOB_PREPARE;
	} else if (!s->first && own->ending && !own->count && !own->aligning && !s->finished &&
		   ops->finish) {
		*ret = NULL;
		return WEIR_JOB_FINISH;
	}
	*ret = NULL;
	return WEIR_JOB_CURSOR;
}

bool weir__cell_stream_job(struct weir_cell *c, struct cell_sink *s, struct weir_job *ret)
{
	const struct cell_output *o;
	enum weir_job_kind kind = next_job(c, s, &o);

	weir__cell_job_of(c, s, kind, o, ret);
	ret->known = s->cursor;
	ret->flow_known = ret->flow = s->stream.flow;
	ret->waiting = s->first != NULL;
	return true;
}

void weir__cell_stream_run(struct weir_job *job)
{
	const struct weir_sink_ops *ops = job->node->cls->sink;
	int r;

	job->again = job->result == WEIR_SINK_AGAIN;
	if (job->kind != WEIR_JOB_CURSOR && job->result >= 0) {
		r = ops->cursor(job->node, &job->cursor, &job->err);
		job->cursor_read = r == 0;
		job->again |= r == WEIR_SINK_AGAIN;
		job->result = r < 0 ? r : job->result;
	} else {
		job->cursor_read = job->result == 0;
	}
	if (ops->flow)
		ops->flow(job->node, &job->flow);
}

bool weir_job_changes_nothing(const struct weir_job *job)
{
	bool idle = job->result == WEIR_SINK_LATER || job->result == WEIR_SINK_UNKNOWN ||
		    (job->kind == WEIR_JOB_CURSOR && job->result == 0);

	return idle && job->kind != WEIR_JOB_PREPARE && !job->again &&
	       (!job->cursor_read || job->cursor == job->known) &&
	       job->flow.open == job->flow_known.open;
}

bool weir_cell_job_stale(const struct weir_cell *c, uint32_t i, const struct weir_job *job)
{
	const struct cell_output *o;
	enum weir_job_kind kind = next_job(c, &c->own->sink[i], &o);

	return kind != job->kind || (o && o->epoch != job->e.epoch);
}

/* Everything above the cursor is to be handed over again. */
static void again(struct weir_cell *c, struct cell_sink *s)
{
	struct cell_stream *st = &s->stream;

	weir_probe("cell.stream_again");
	st->session++;
	st->unsent = s->waiting;
	if (st->old != s->first) {
		/* The first ones are not in memory: those behind them make room for them. */
		load_stop(c, st);
		for (struct cell_output *o = st->old; o != st->fresh && o->data; o = o->next)
			give_up(c, s, o);
		st->load = s->first;
	}
	st->old = s->first;
	if (!weir_planted(STREAM_GOES_ON))
		st->give = s->first;
}

static int moved(struct weir_cell *c, struct cell_sink *s, uint64_t cursor, struct weir_err *err)
{
	const struct cell_output *o = s->first;

	if (cursor == s->cursor)
		return 0;
	while (o && o->epoch < cursor)
		o = o->next;
	if (!o || o->epoch != cursor || cursor > c->own->released)
		return weir_err_set(err, WEIR_E_CORRUPT,
				    "step `%s`: the sink's cursor is at epoch %llu, expected %llu "
				    "or a later one up to %llu: something else writes there, or it "
				    "was set back",
				    s->node->step_name, (unsigned long long)cursor,
				    (unsigned long long)s->cursor,
				    (unsigned long long)c->own->released);
	while (s->first && s->first->epoch <= cursor)
		weir__cell_output_drop(c, s);
	s->cursor = cursor;
	return 0;
}

int weir__cell_stream_done(struct weir_cell *c, struct cell_sink *s, const struct weir_job *job,
			   struct weir_err *err)
{
	struct cell_stream *st = &s->stream;
	int r = 0;

	st->flow = job->flow;
	if (job->kind == WEIR_JOB_PREPARE) {
		struct cell_output *o = unshipped(s);

		weir_assert(o && o->epoch == job->e.epoch);
		o->shipped = st->session;
	} else if (job->kind == WEIR_JOB_APPLY && job->result == 0) {
		weir_assert(st->give && st->give->epoch == job->e.epoch);
		st->give = st->give->next;
		st->unsent--;
	} else if (job->kind == WEIR_JOB_FINISH && job->result == 0) {
		s->finished = true;
	}
	if (job->cursor_read)
		r = moved(c, s, job->cursor, err);
	if (r == 0 && job->again)
		again(c, s);
	judge(c, s);
	return r;
}

/* ---- start ---- */

static void reach(struct weir_cell *c, uint32_t step, uint32_t stream, bool *seen)
{
	const struct weir_step *s = &c->p->step[step];
	const struct weir_chain *chain = &c->tasks->chain[c->tasks->step_chain[step]];

	if (seen[step])
		return;
	seen[step] = true;
	if (s->kind == WEIR_STEP_SOURCE)
		for (uint32_t t = 0; t < chain->parallelism; t++) {
			struct cell_reach *x = &c->own->reach[chain->first_task + t];

			x->stream[x->count++] = stream;
		}
	for (uint32_t i = 0; i < s->input_count; i++)
		reach(c, s->input[i].step, stream, seen);
}

void weir__cell_streams_init(struct weir_cell *c)
{
	uint32_t tasks = c->tasks->task_count;
	bool *seen = weir_region_array(c->region, bool, c->p->step_count);

	c->stream = weir_region_array(c->region, struct weir_cell_stream, c->sink_count);
	for (uint32_t i = 0; i < c->sink_count; i++)
		if (c->own->sink[i].node->cls->sink->streams)
			c->stream[c->stream_count++].sink = i;
	c->own->reach = weir_region_array(c->region, struct cell_reach, tasks);
	for (uint32_t t = 0; t < tasks; t++)
		c->own->reach[t].stream = weir_region_array(c->region, uint32_t, c->stream_count);
	for (uint32_t k = 0; k < c->stream_count; k++) {
		struct cell_sink *s = &c->own->sink[c->stream[k].sink];

		c->stream[k].node = s->node;
		c->stream[k].task =
			c->tasks->chain[c->tasks->step_chain[s->step]].first_task + s->task;
		s->stream.session = 1;
		s->stream.flow = (struct weir_sink_flow){.open = true,
							 .buffer_bytes = WEIR_SINK_BUFFER_DEFAULT,
							 .spill_bytes = WEIR_SINK_SPILL_DEFAULT};
		memset(seen, 0, c->p->step_count * sizeof(*seen));
		reach(c, s->step, k, seen);
	}
}

uint32_t weir_cell_reached(const struct weir_cell *c, uint32_t task, const uint32_t **ret)
{
	*ret = c->own->reach[task].stream;
	return c->own->reach[task].count;
}

int weir__cell_streams_resume(struct weir_cell *c, struct weir_err *err)
{
	for (uint32_t k = 0; k < c->stream_count; k++) {
		struct cell_sink *s = &c->own->sink[c->stream[k].sink];
		const struct weir_sink_ops *ops = s->node->cls->sink;
		struct weir_reader first = {0};
		int r = 0;

		if (s->first) /* the next to go out is never given up */
			first = weir_reader_of(s->first->data, s->first->bytes);
		if (ops->resume)
			r = ops->resume(s->node, s->cursor, first, err);
		if (r < 0)
			return r;
		if (ops->flow)
			ops->flow(s->node, &s->stream.flow);
		c->stream[k].limit = s->stream.flow.spill_bytes;
	}
	weir__cell_streams_flow(c);
	return 0;
}

/* An output of the journal: it is durable. */
void weir__cell_stream_replayed(struct weir_cell *c, struct cell_sink *s, struct cell_output *o,
				struct weir_reader in)
{
	struct cell_stream *st = &s->stream;

	o->sum = weir_hash128(in.p, o->bytes);
	st->fresh = NULL;
	if (!st->load && (o == st->give || st->memory + o->bytes <= c->opt.stream_memory)) {
		weir__cell_output_bytes(c, s, o);
		memcpy(o->data, in.p, o->bytes);
		return;
	}
	weir_probe("cell.stream_replay_spills");
	st->load = st->load ? st->load : o;
}
