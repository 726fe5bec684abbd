/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/engine/stream_case.h - cells with sinks that stream: feeding, draining, what an outbox must look like. */
#ifndef WEIR_TESTS_UNIT_ENGINE_STREAM_CASE_H
#define WEIR_TESTS_UNIT_ENGINE_STREAM_CASE_H

#include "engine/core/cell_int.h"
#include "tests/unit/engine/cell_case.h"

static const struct weir_hooks hooks = {.probe = case_on_probe, .buggify = case_on_buggify};

static inline struct ccase *begin(uint32_t streams)
{
	struct ccase *c = case_new();

	weir_hooks = &hooks;
	c->streams = streams;
	c->opt.epoch_ns = 40 * MS;
	return c;
}

static inline struct ccase *start(uint32_t streams)
{
	struct ccase *c = begin(streams);

	case_up(c);
	return c;
}

static inline struct weir_cell_sink_info info(struct ccase *c, uint32_t i)
{
	struct weir_cell_sink_info ret;

	weir_cell_sink_info(&c->cell, i, &ret);
	return ret;
}

static inline void answer(struct store *s, enum weir_job_kind kind, int result, uint32_t times)
{
	s->job[kind].result = result;
	s->job[kind].times = times;
	s->job[kind].calls = 0;
}

/* Rows in every tick, so that each epoch has output. */
static inline void feed(struct ccase *c, uint32_t ticks)
{
	while (ticks--) {
		case_feed(c);
		case_tick(c);
	}
}

/* Until the store has all that was fed. */
static inline void drain(struct ccase *c, uint32_t i)
{
	struct store *s = &c->store[i];

	s->near = true;
	for (uint32_t k = 0;
	     k < 3000 && (s->n < case_task(c, OUT + i)->rows_all || info(c, i).waiting); k++)
		case_tick(c);
	assert_int_equal(s->n, case_task(c, OUT + i)->rows_all);
	assert_memory_equal(s->text, c->expect[i], s->n);
	assert_int_equal(info(c, i).waiting, 0);
	assert_int_equal(info(c, i).unsent, 0);
	assert_int_equal(info(c, i).memory_bytes, 0);
	s->near = false;
}

static inline const struct cell_sink *inside(const struct ccase *c, uint32_t i)
{
	return &c->cell.own->sink[i];
}

/* What cell_stream.c promises of an outbox. */
static inline void check_outbox(const struct ccase *c, uint32_t i)
{
	const struct cell_sink *s = inside(c, i);
	const struct cell_stream *st = &s->stream;
	uint32_t part = 0, unsent = 0, count = 0; /* old, give, load, fresh */
	uint64_t memory = 0, bytes = 0;

	for (const struct cell_output *o = s->first; o; o = o->next) {
		part = o == st->old ? WEIR_MAX(part, 1u) : part;
		part = o == st->give ? WEIR_MAX(part, 2u) : part;
		part = o == st->load ? 3 : part;
		part = o == st->fresh ? 4 : part;
		assert_int_equal(o->data != NULL, part == 1 || part == 2 || part == 4);
		assert_true(o->data || o->epoch <= c->cell.durable);
		unsent += part >= 2;
		memory += o->data ? o->bytes : 0;
		bytes += o->bytes;
		count++;
	}
	assert_int_equal(unsent, st->give ? st->unsent : 0);
	assert_int_equal(st->unsent, unsent);
	assert_int_equal(memory, st->memory);
	assert_int_equal(bytes, s->waiting_bytes);
	assert_int_equal(count, s->waiting);
}

#endif
