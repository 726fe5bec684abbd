/* SPDX-License-Identifier: Apache-2.0 */
/* Outboxes: what an epoch gave for a sink is kept until the sink's own cursor says that it is in. */
#include "engine/core/cell_int.h"
#include "engine/core/freeze.h"

const char *weir_guarantee_name(unsigned g)
{
	static const char *const name[] = {"?", "none", "at_least_once", "exactly_once"};

	return g < WEIR_COUNT_OF(name) ? name[g] : name[0];
}

static bool streams(const struct cell_sink *s)
{
	return s->node->cls->sink->streams;
}

/* Its own cursor is not there when the cell starts: what the bundles say counts. */
static bool told_by_bundles(const struct cell_sink *s)
{
	return streams(s) || s->node->cls->sink->best < WEIR_GUARANTEE_EXACTLY_ONCE;
}

static uint32_t count_sinks(const struct weir_cell *c)
{
	uint32_t n = 0;

	for (uint32_t t = 0; t < c->tasks->task_count; t++)
		for (uint32_t i = 0; i < c->unit[t]->task.node_count; i++)
			n += c->unit[t]->task.node[i].cls->sink != NULL;
	return n;
}

void weir__cell_sinks_init(struct weir_cell *c)
{
	uint32_t n = 0;

	c->sink_count = count_sinks(c);
	c->own->sink = weir_region_array(c->region, struct cell_sink, c->sink_count);
	for (uint32_t t = 0; t < c->tasks->task_count; t++) {
		const struct weir_chain *chain = &c->tasks->chain[c->tasks->task_chain[t]];

		for (uint32_t i = 0; i < c->unit[t]->task.node_count; i++) {
			struct weir_node *node = &c->unit[t]->task.node[i];

			if (!node->cls->sink)
				continue;
			c->own->sink[n] = (struct cell_sink){
				.node = node, .step = node->step, .task = t - chain->first_task};
			weir_out_init(&c->own->sink[n].collect, c->mem);
			weir_out_init(&c->own->sink[n].state, c->mem);
			n++;
		}
	}
}

struct cell_sink *weir__cell_sink_of(struct weir_cell *c, uint32_t step, uint32_t task)
{
	for (uint32_t i = 0; i < c->sink_count; i++)
		if (c->own->sink[i].step == step && c->own->sink[i].task == task)
			return &c->own->sink[i];
	return NULL;
}

void weir__cell_sink_collect(struct weir_cell *c, uint32_t step, uint32_t task,
			     struct weir_out *part)
{
	struct cell_sink *s = weir__cell_sink_of(c, step, task);

	weir_assert(s);
	weir_out_append(&s->collect, part);
}

/* Without its bytes. */
static struct cell_output *output_new(struct weir_cell *c, struct cell_sink *s, uint64_t epoch,
				      uint64_t prev, size_t bytes, uint64_t from)
{
	struct cell_output *o = c->mem->alloc(c->mem->ctx, sizeof(*o), 16);

	/* I27: the outbox is an unbroken chain of epochs above the cursor. */
	weir_assert(epoch > prev && prev == (s->newest ? s->newest->epoch : s->cursor));
	*o = (struct cell_output){.epoch = epoch, .prev = prev, .bytes = bytes, .from = from};
	if (s->newest)
		s->newest->next = o;
	else
		s->first = o;
	s->newest = o;
	s->waiting++;
	s->waiting_bytes += bytes;
	if (streams(s))
		weir__cell_stream_added(s, o);
	return o;
}

void weir__cell_output_drop(struct weir_cell *c, struct cell_sink *s)
{
	struct cell_output *o = s->first;

	if (streams(s))
		weir__cell_stream_drop(c, s);
	weir__cell_output_release(c, s, o);
	s->first = o->next;
	if (!s->first)
		s->newest = NULL;
	s->waiting--;
	s->waiting_bytes -= o->bytes;
	c->mem->free(c->mem->ctx, o, sizeof(*o));
}

/* What the next start gives the node back when nothing newer comes. */
static void keep_state(struct cell_sink *s, struct weir_reader part, bool is_brief)
{
	const struct weir_op_class *cls = s->node->cls;

	if (!cls->state || !cls->state->restore)
		return;
	weir_out_fini(&s->state);
	if (cls->sink->brief && !is_brief)
		cls->sink->brief(s->node, part, &s->state);
	else
		weir_out_put(&s->state, part.p, weir_reader_left(&part));
}

/* has: 0 no output, 1 output of this epoch, 2 an older part once more. The output is taken over. */
static void sink_part(struct weir_cell *c, const struct cell_sink *s, uint64_t prev, uint8_t has,
		      struct weir_out *output, struct weir_out *bundle)
{
	struct weir_out part;

	weir_out_init(&part, c->mem);
	weir_out_u64(&part, prev);
	weir_out_u64(&part, s->cursor);
	weir_out_u8(&part, has);
	weir_out_append(&part, output);
	weir_bundle_part_put(bundle, WEIR_PART_SINK, s->step, s->task, &part);
}

static void sink_close(struct weir_cell *c, struct cell_sink *s, uint64_t epoch,
		       struct weir_out *bundle, bool restate)
{
	struct weir_out again;
	struct cell_output *o;

	if (s->collect.bytes) {
		o = output_new(c, s, epoch, s->last, (size_t)s->collect.bytes, 0);
		weir__cell_output_bytes(c, s, o);
		weir_out_copy(&s->collect, o->data);
		keep_state(s, weir_reader_of(o->data, o->bytes), false);
		sink_part(c, s, s->last, 1, &s->collect, bundle);
		o->from = bundle->bytes - o->bytes;
		/* What goes to another region early is a gift: no commit waits for it. */
		o->prepared = streams(s) || !s->node->cls->sink->prepare;
		s->last = epoch;
		return;
	}
	weir_out_init(&again, c->mem);
	if (restate && s->state.bytes) {
		weir_probe("cell.sink_restated");
		for (const struct weir_out_chunk *x = s->state.first; x; x = x->next)
			weir_out_put(&again, x->data, x->used);
		sink_part(c, s, s->last, 2, &again, bundle);
	} else {
		sink_part(c, s, s->last, 0, &again, bundle);
	}
}

void weir__cell_sinks_close(struct weir_cell *c, uint64_t epoch, struct weir_out *bundle,
			    bool restate)
{
	for (uint32_t i = 0; i < c->sink_count; i++) {
		sink_close(c, &c->own->sink[i], epoch, bundle, restate);
		c->own->sink[i].said = c->own->sink[i].cursor;
	}
}

bool weir__cell_sinks_prepared(const struct weir_cell *c, uint64_t epoch)
{
	for (uint32_t i = 0; i < c->sink_count; i++) {
		const struct cell_sink *s = &c->own->sink[i];

		for (const struct cell_output *o = s->first; o && !streams(s); o = o->next)
			if (o->epoch <= epoch && !o->prepared)
				return false;
	}
	return true;
}

/* The only door: what is not durable does not leave the cell (I7). */
void weir__cell_release(struct weir_cell *c)
{
	uint64_t up_to = weir_planted(RELEASE_EARLY) ? c->aligned : c->durable;

	weir_assert(up_to >= c->own->released);
	c->own->released = up_to;
}

/* Of those that stream, each holds the sources that feed it (weir_cell_reached()), and them only. */
bool weir__cell_sinks_full(const struct weir_cell *c)
{
	for (uint32_t i = 0; i < c->sink_count; i++) {
		const struct cell_sink *s = &c->own->sink[i];

		if (!streams(s) &&
		    (s->waiting >= CELL_WAITING_MAX || s->waiting_bytes > c->opt.epoch_bytes * 4))
			return true;
	}
	return false;
}

uint64_t weir__cell_sinks_need(const struct weir_cell *c)
{
	uint64_t need = UINT64_MAX;

	for (uint32_t i = 0; i < c->sink_count; i++)
		if (c->own->sink[i].first &&
		    !(weir_planted(STREAM_UNKEPT) && streams(&c->own->sink[i])))
			need = WEIR_MIN(need, c->own->sink[i].first->epoch);
	return need;
}

bool weir__cell_sinks_done(const struct weir_cell *c, bool patient)
{
	for (uint32_t i = 0; i < c->sink_count; i++) {
		const struct cell_sink *s = &c->own->sink[i];

		/* A sink that streams always has a job; what it has not confirmed is in the journal. */
		if (streams(s) ? s->first && patient
			       : s->busy || (s->first && (patient || !s->unknown)))
			return false;
	}
	return true;
}

/* A sink without a cursor of its own has got more than the newest bundle says. */
bool weir__cell_sinks_unsaid(const struct weir_cell *c)
{
	for (uint32_t i = 0; i < c->sink_count; i++) {
		const struct cell_sink *s = &c->own->sink[i];

		if (told_by_bundles(s) && s->said < s->cursor)
			return true;
	}
	return false;
}

bool weir__cell_sinks_finished(const struct weir_cell *c)
{
	for (uint32_t i = 0; i < c->sink_count; i++)
		if (c->own->sink[i].node->cls->sink->finish && !c->own->sink[i].finished)
			return false;
	return true;
}

/* ---- jobs ---- */

static struct cell_output *unprepared(const struct cell_sink *s)
{
	struct cell_output *o = s->first;

	while (o && o->prepared)
		o = o->next;
	return o;
}

void weir__cell_job_of(struct weir_cell *c, struct cell_sink *s, enum weir_job_kind kind,
		       const struct cell_output *o, struct weir_job *ret)
{
	weir_assert(!o || o->data);
	memset(ret, 0, sizeof(*ret));
	ret->kind = kind;
	ret->node = s->node;
	if (o)
		ret->e = (struct weir_sink_epoch){.epoch = o->epoch,
						  .prev = o->prev,
						  .fence = weir_journal_fence(c->journal),
						  .part = weir_reader_of(o->data, o->bytes)};
	s->busy = kind;
	s->busy_epoch = o ? o->epoch : 0;
}

bool weir_cell_job(struct weir_cell *c, uint32_t i, uint64_t mono_ns, struct weir_job *ret)
{
	struct cell_sink *s = &c->own->sink[i];
	const struct cell_output *o;

	if (s->busy || s->retry_ns > mono_ns)
		return false;
	if (streams(s))
		return weir__cell_stream_job(c, s, ret);
	o = unprepared(s);
	if (o) {
		weir__cell_job_of(c, s, WEIR_JOB_PREPARE, o, ret);
		return true;
	}
	o = s->first;
	if (o && o->epoch <= c->own->released) {
		weir_assert(o->epoch <= c->durable || weir_planted(RELEASE_EARLY)); /* I7 */
		weir__cell_job_of(c, s, s->unknown ? WEIR_JOB_CURSOR : WEIR_JOB_APPLY, o, ret);
		return true;
	}
	if (!o && c->own->ending && !c->own->count && !c->own->aligning && !s->finished &&
	    s->node->cls->sink->finish) {
		weir__cell_job_of(c, s, WEIR_JOB_FINISH, NULL, ret);
		return true;
	}
	return false;
}

void weir_job_run(struct weir_job *job)
{
	const struct weir_sink_ops *ops = job->node->cls->sink;

	switch (job->kind) {
	case WEIR_JOB_PREPARE:
		job->result = ops->prepare(job->node, &job->e, &job->err);
		break;
	case WEIR_JOB_APPLY:
		job->result = ops->apply(job->node, &job->e, &job->err);
		break;
	case WEIR_JOB_CURSOR:
		job->result = ops->cursor(job->node, &job->cursor, &job->err);
		break;
	default:
		weir_assert(job->kind == WEIR_JOB_FINISH);
		job->result = ops->finish(job->node, &job->err);
		break;
	}
	if (ops->streams)
		weir__cell_stream_run(job);
}

static void later(struct cell_sink *s, uint64_t mono_ns)
{
	s->backoff_ns = WEIR_MIN(WEIR_MAX(s->backoff_ns * 2, CELL_RETRY_MIN_NS), CELL_RETRY_MAX_NS);
	s->retry_ns = mono_ns + s->backoff_ns;
}

static void applied(struct weir_cell *c, struct cell_sink *s)
{
	weir_assert(s->cursor == s->first->prev); /* I25: one epoch after the other */
	s->cursor = s->first->epoch;
	s->unknown = false;
	s->backoff_ns = s->retry_ns = 0;
	weir__cell_output_drop(c, s);
}

static int cursor_read(struct weir_cell *c, struct cell_sink *s, uint64_t cursor,
		       struct weir_err *err)
{
	if (cursor == s->first->epoch) {
		weir_probe("cell.unknown_was_applied");
		applied(c, s);
		return 0;
	}
	if (cursor != s->first->prev)
		return weir_err_set(err, WEIR_E_CORRUPT,
				    "step `%s`: the sink's cursor is at epoch %llu, expected %llu "
				    "or %llu: something else writes there, or it was set back",
				    s->node->step_name, (unsigned long long)cursor,
				    (unsigned long long)s->first->prev,
				    (unsigned long long)s->first->epoch);
	weir_probe("cell.unknown_was_not_applied");
	s->unknown = false;
	s->retry_ns = 0;
	return 0;
}

int weir_cell_job_done(struct weir_cell *c, uint32_t i, uint64_t mono_ns,
		       const struct weir_job *job, struct weir_err *err)
{
	struct cell_sink *s = &c->own->sink[i];

	weir_assert(s->busy == job->kind);
	s->busy = WEIR_JOB_NONE;
	if (job->result < 0) {
		*err = job->err;
		return job->result;
	}
	if (streams(s))
		return weir__cell_stream_done(c, s, job, err);
	if (job->result == WEIR_SINK_UNKNOWN) {
		weir_probe("cell.unknown_outcome");
		if (weir_planted(SINK_ASSUME) && job->kind == WEIR_JOB_APPLY) {
			applied(c, s);
			return 0;
		}
		s->unknown |= job->kind == WEIR_JOB_APPLY && !weir_planted(SINK_RETRY);
		later(s, mono_ns);
		return 0;
	}
	switch (job->kind) {
	case WEIR_JOB_PREPARE:
		unprepared(s)->prepared = true;
		s->backoff_ns = s->retry_ns = 0;
		return 0;
	case WEIR_JOB_APPLY:
		applied(c, s);
		return 0;
	case WEIR_JOB_CURSOR:
		return cursor_read(c, s, job->cursor, err);
	default:
		s->finished = true;
		return 0;
	}
}

/* ---- start ---- */

int weir__cell_sink_open(struct weir_cell *c, uint64_t fence, const struct cell_known *known,
			 struct weir_err *err)
{
	for (uint32_t i = 0; i < c->sink_count; i++) {
		struct cell_sink *s = &c->own->sink[i];
		const struct weir_sink_ops *ops = s->node->cls->sink;
		int r = 0;

		s->cursor = known[i].epoch;
		if (ops->open)
			r = ops->open(s->node, fence, known[i].epoch, c->opt.fresh, &s->cursor,
				      err);
		if (r < 0)
			return r;
		/* What it had for certain: as was said, and what a base left behind. */
		if (told_by_bundles(s))
			s->cursor = known[i].epoch <= weir_journal_covered(c->journal)
					    ? known[i].epoch
					    : known[i].cursor;
		if (s->cursor > known[i].epoch)
			return weir_err_set(err, WEIR_E_CORRUPT,
					    "step `%s`: the sink has epoch %llu, the state "
					    "directory only knows %llu: it is older than the sink "
					    "(a backup?); `--fresh` starts over",
					    s->node->step_name, (unsigned long long)s->cursor,
					    (unsigned long long)known[i].epoch);
		s->said = known[i].cursor;
		s->last = known[i].lost ? s->cursor : known[i].epoch;
	}
	return 0;
}

static int set_back(const struct cell_sink *s, uint64_t from, struct weir_err *err)
{
	return weir_err_set(err, WEIR_E_CORRUPT,
			    "step `%s`: the sink's cursor is at epoch %llu, the journal goes on "
			    "from epoch %llu: the sink was set back (a restored backup?); "
			    "`--fresh` starts over",
			    s->node->step_name, (unsigned long long)s->cursor,
			    (unsigned long long)from);
}

int weir__cell_sinks_replayed(struct weir_cell *c, struct weir_err *err)
{
	for (uint32_t i = 0; i < c->sink_count; i++) {
		const struct cell_sink *s = &c->own->sink[i];

		if (s->last != (s->newest ? s->newest->epoch : s->cursor))
			return set_back(s, s->last, err);
	}
	return 0;
}

int weir__cell_sink_replay(struct weir_cell *c, struct cell_sink *s, uint64_t epoch, uint64_t prev,
			   bool again, struct weir_reader in, uint64_t from, struct weir_err *err)
{
	size_t n = weir_reader_left(&in);
	struct cell_output *o;

	keep_state(s, in, again);
	if (again || epoch <= s->cursor)
		return 0;
	weir_probe("cell.outbox_replayed");
	/* A base is only taken when sinks have all before it. */
	if (!s->newest && told_by_bundles(s) && prev <= weir_journal_covered(c->journal))
		s->cursor = WEIR_MAX(s->cursor, prev);
	if (prev != (s->newest ? s->newest->epoch : s->cursor))
		return set_back(s, prev, err);
	o = output_new(c, s, epoch, prev, n, from);
	o->prepared = true; /* it was, before the bundle was committed */
	if (streams(s)) {
		weir__cell_stream_replayed(c, s, o, in);
	} else {
		weir__cell_output_bytes(c, s, o);
		memcpy(o->data, in.p, n);
	}
	return 0;
}

void weir_cell_sink_info(const struct weir_cell *c, uint32_t i, struct weir_cell_sink_info *ret)
{
	const struct cell_sink *s = &c->own->sink[i];

	*ret = (struct weir_cell_sink_info){.step = s->step,
					    .task = s->task,
					    .cursor = s->cursor,
					    .waiting = s->waiting,
					    .waiting_bytes = s->waiting_bytes,
					    .unknown = s->unknown,
					    .streams = streams(s),
					    .unsent = s->stream.unsent,
					    .memory_bytes = s->stream.memory};
}

void weir__cell_sinks_fini(struct weir_cell *c)
{
	for (uint32_t i = 0; i < c->sink_count; i++) {
		struct cell_sink *s = &c->own->sink[i];

		while (s->first)
			weir__cell_output_drop(c, s);
		weir__cell_stream_fini(c, s);
		weir_out_fini(&s->collect);
		weir_out_fini(&s->state);
	}
}
