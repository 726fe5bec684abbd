/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/engine/cell_case_stream.h - the played sinks that stream; a part of cell_case.h. */
#ifndef WEIR_TESTS_UNIT_ENGINE_CELL_CASE_STREAM_H
#define WEIR_TESTS_UNIT_ENGINE_CELL_CASE_STREAM_H

static inline void case_lose(struct store *s)
{
	for (uint32_t i = 0; i < s->way_count; i++)
		free(s->way[i].part);
	s->way_count = 0;
}

/* The first n of those on their way. */
static inline void case_arrive(struct store *s, uint32_t n)
{
	n = WEIR_MIN(n, s->way_count);
	for (uint32_t i = 0; i < n; i++) {
		struct weir_sink_epoch e = {.epoch = s->way[i].epoch,
					    .part = weir_reader_of(s->way[i].part, s->way[i].n)};

		if (e.epoch > s->cursor)
			store_take(s, &e);
		free(s->way[i].part);
	}
	s->way_count -= n;
	memmove(s->way, s->way + n, s->way_count * sizeof(s->way[0]));
}

static int stream_answer(struct store *s, enum weir_job_kind kind, struct weir_err *err)
{
	int r = played_answer(s, kind, err);

	if (r == WEIR_SINK_AGAIN) {
		case_lose(s);
		s->afresh = true;
	}
	return r;
}

static int stream_resume(struct weir_node *n, uint64_t cursor, struct weir_reader first,
			 struct weir_err *err)
{
	struct store *s = store_of(n);

	assert_true(cursor <= s->cursor);
	s->given = s->told = s->resumed = cursor;
	s->resumed_bytes = weir_reader_left(&first);
	if (s->resume_result < 0)
		return weir_err_set(err, s->resume_result, "played lane");
	return 0;
}

static int stream_prepare(struct weir_node *n, const struct weir_sink_epoch *e,
			  struct weir_err *err)
{
	struct store *s = store_of(n);

	assert_true(weir_reader_left(&e->part) > 0);
	s->prepared = e->epoch;
	return stream_answer(s, WEIR_JOB_PREPARE, err);
}

static int stream_apply(struct weir_node *n, const struct weir_sink_epoch *e, struct weir_err *err)
{
	struct played *p = n->op;
	struct store *s = store_of(n);
	int r = stream_answer(s, WEIR_JOB_APPLY, err);

	assert_true(e->epoch <= weir_journal_durable(p->c->cell.journal)); /* I7 */
	if (r)
		return r;
	assert_int_equal(e->prev, s->afresh ? s->told : WEIR_MAX(s->given, s->told));
	assert_true(s->way_count < EPOCHS);
	s->way[s->way_count].epoch = s->given = e->epoch;
	s->way[s->way_count].n = weir_reader_left(&e->part);
	s->way[s->way_count].part = malloc(weir_reader_left(&e->part));
	memcpy(s->way[s->way_count++].part, e->part.p, weir_reader_left(&e->part));
	s->afresh = false;
	s->applied++;
	return 0;
}

static int stream_cursor(struct weir_node *n, uint64_t *ret_cursor, struct weir_err *err)
{
	struct store *s = store_of(n);
	int r = stream_answer(s, WEIR_JOB_CURSOR, err);

	if (r)
		return r;
	if (s->near)
		case_arrive(s, EPOCHS);
	s->told = s->cursor;
	*ret_cursor = s->say ? s->say : s->told;
	return 0;
}

static void stream_flow(struct weir_node *n, struct weir_sink_flow *ret)
{
	*ret = store_of(n)->flow;
}

/* The rows at its end, and one that is not there. */
static void stream_brief(const struct weir_node *n, struct weir_reader part, struct weir_out *o)
{
	uint64_t said = 0;

	(void)n;
	while (weir_reader_left(&part)) {
		said = weir_read_u64(&part);
		weir_read_text(&part);
	}
	assert_false(part.bad);
	weir_out_u64(o, said);
	weir_out_text(o, WEIR_STR("-"));
}

static const struct weir_sink_ops stream_out_ops = {.streams = true,
						    .best = WEIR_GUARANTEE_EXACTLY_ONCE,
						    .open = played_open,
						    .prepare = stream_prepare,
						    .apply = stream_apply,
						    .cursor = stream_cursor,
						    .finish = played_finish,
						    .resume = stream_resume,
						    .flow = stream_flow};
static const struct weir_sink_ops stream_brief_ops = {.streams = true,
						      .best = WEIR_GUARANTEE_EXACTLY_ONCE,
						      .open = played_open,
						      .prepare = stream_prepare,
						      .apply = stream_apply,
						      .cursor = stream_cursor,
						      .finish = played_finish,
						      .resume = stream_resume,
						      .flow = stream_flow,
						      .brief = stream_brief};
static const struct weir_sink_ops stream_pipe_ops = {.streams = true,
						     .best = WEIR_GUARANTEE_EXACTLY_ONCE,
						     .apply = stream_apply,
						     .cursor = stream_cursor};

#endif
