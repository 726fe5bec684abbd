/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/engine/cell_case.h - a cell with played tasks and sinks, over a disk and stores that outlive it.
 *
 *   src      position: written whole at each barrier
 *   keys     SLOTS values, one or more tasks: only changed slots are written, all of them after a base round was seen
 *   tail     behind keys in the same tasks; its part is always the same byte
 *   out      a sink with a cursor, prepare, finish and a position that it reads back
 *   pipe     a sink without a cursor of its own
 *
 * With c->streams the sinks of its bits stream instead: what they apply is on its way until case_arrive(), or until their
 * cursor is asked for when the store is `near`.
 *
 * Use:    case_new(); case_up() is a start, case_down() a kill. case_feed() makes rows, case_tick() lets tasks report, the
 *         cell step, the disk work and sinks run, and 10 ms pass. Each of them can be held back.
 * Checks: the tasks' state at each barrier is remembered; after a start it must be that of the newest durable epoch. A
 *         row's text says in which life it was made, so that a row of an epoch that never became durable is
 *         seen in a sink. `out` must at all times have exactly the rows up to the epoch of its cursor.
 */
#ifndef WEIR_TESTS_UNIT_ENGINE_CELL_CASE_H
#define WEIR_TESTS_UNIT_ENGINE_CELL_CASE_H

#include "tests/lib/test.h"

#include "base/hooks.h"
#include "engine/core/cell.h"
#include "engine/core/freeze.h"
#include "engine/core/journal_format.h"
#include "tests/lib/memdisk.h"

#define MS ((uint64_t)WEIR_NS_PER_MS)
#define SLOTS 8
#define EPOCHS 4096
#define TASKS 8
#define TEXT 65536

enum { SRC, KEYS, OUT, PIPE, TAIL, STEPS };

/* What stands behind a sink. */
struct store {
	char text[TEXT];
	size_t n;
	uint64_t cursor, fence, known;
	bool fresh;
	struct { /* answers of the next calls of a kind */
		int result;
		uint32_t times, calls;
	} job[5];
	bool lands; /* an apply of unknown outcome has happened */
	int open_result;
	uint64_t open_cursor; /* 0: as it is */
	uint64_t prepared;
	bool got[EPOCHS];
	/* streams */
	struct { /* on its way */
		uint64_t epoch;
		uint8_t *part;
		size_t n;
	} way[EPOCHS];
	uint32_t way_count;
	bool near;
	uint64_t given, told; /* newest given; as the cell was told */
	bool afresh; /* from `told` on */
	uint64_t say; /* the cursor it tells; 0: its own */
	uint32_t applied; /* times it was given an epoch */
	struct weir_sink_flow flow;
	uint64_t resumed;
	size_t resumed_bytes;
	int resume_result;
};

/* A task at its barriers. */
struct snapshot {
	bool there;
	uint64_t slot[SLOTS];
	int64_t watermark;
	size_t rows;
};

struct played {
	struct weir_unit unit;
	struct weir_node node[2]; /* of keys: and the step behind it */
	struct ccase *c;
	uint32_t step, task, index;
	uint64_t slot[SLOTS];
	bool changed[SLOTS];
	int64_t watermark;
	struct weir_out rows; /* of a sink */
	size_t rows_all;
	uint64_t said; /* out: rows at its newest part */
	uint64_t epoch, round;
	bool final, end, slow;
	uint32_t restored;
	int restore_result, restored_result;
};

struct ccase {
	struct memdisk d;
	struct store store[2];
	struct snapshot snap[TASKS][EPOCHS];
	char expect[2][TEXT]; /* rows of this lineage */
	uint32_t life;
	/* the pipeline file */
	struct weir_cell_options opt;
	const char *keys_name, *keys_sign;
	uint32_t keys_tasks;
	const char *out_sign;
	bool pipe_unsigned;
	uint32_t streams; /* 1: out, 2: pipe */
	bool brief;
	/* one life */
	struct weir_region region;
	struct weir_pipeline p;
	struct weir_step step[STEPS];
	struct weir_chain chain[STEPS];
	struct weir_tasks tasks;
	uint32_t task_chain[TASKS], step_parallelism[STEPS], step_chain[STEPS];
	struct weir_op_class cls[STEPS];
	struct weir_state_ops ops[STEPS];
	struct played played[TASKS];
	struct weir_unit *unit[TASKS];
	struct weir_cell cell;
	struct weir_cell_now now;
	struct weir_job job[2];
	bool is_up, has_job[2];
	bool no_reports, no_disk, no_sinks; /* held back */
	uint64_t last_ladder[4];
	struct weir_err err;
};

/* ---- probes and buggify ---- */

static struct {
	const char *name[64], *make;
	uint32_t count;
	uint32_t made;
} case_seen;

static void case_on_probe(void *ctx, const char *name)
{
	(void)ctx;
	for (uint32_t i = 0; i < case_seen.count; i++)
		if (strcmp(case_seen.name[i], name) == 0)
			return;
	assert_true(case_seen.count < WEIR_COUNT_OF(case_seen.name));
	case_seen.name[case_seen.count++] = name;
}

static bool case_on_buggify(void *ctx, const char *name)
{
	(void)ctx;
	if (!case_seen.make || strcmp(case_seen.make, name) != 0)
		return false;
	case_seen.made++;
	return true;
}

static inline bool case_probed(const char *name)
{
	for (uint32_t i = 0; i < case_seen.count; i++)
		if (strcmp(case_seen.name[i], name) == 0)
			return true;
	return false;
}

/* ---- tasks ---- */

static void played_sign(const struct weir_node *n, struct weir_buf *b)
{
	const struct played *p = n->op;
	const char *sign[STEPS] = {"src", p->c->keys_sign, p->c->out_sign, "pipe", "tail"};

	weir_buf_str(b, weir_str_c(sign[n->step]));
}

static void played_freeze(struct weir_node *n, struct weir_out *o)
{
	struct played *p = n->op;

	for (uint8_t i = 0; i < SLOTS; i++) {
		if (!p->changed[i])
			continue;
		weir_out_u8(o, i);
		weir_out_u64(o, p->slot[i]);
		p->changed[i] = p->step == SRC && i == 0;
	}
}

static int played_restore(struct weir_node *n, struct weir_restore *r)
{
	struct played *p = n->op;

	if (p->restore_result)
		return p->restore_result;
	p->restored++;
	if (p->step == OUT) {
		/* Of several parts in a row the last one counts. */
		while (weir_reader_left(&r->in) && !r->in.bad) {
			uint64_t said = weir_read_u64(&r->in);
			struct weir_str rows = weir_read_text(&r->in);

			if (!r->in.bad && rows.n)
				p->said = said;
		}
		return r->in.bad ? WEIR_E_CORRUPT : 0;
	}
	while (weir_reader_left(&r->in)) {
		uint8_t i = weir_read_u8(&r->in);
		uint64_t v = weir_read_u64(&r->in);

		if (r->in.bad || i >= SLOTS)
			return weir_err_set(&n->task->err, WEIR_E_CORRUPT, "played state");
		if (r->instances == r->instances_then || i % r->instances == r->instance)
			p->slot[i] = v;
	}
	return 0;
}

static int tail_restore(struct weir_node *n, struct weir_restore *r)
{
	return weir_read_u8(&r->in) == 't' && n->step == TAIL ? 0 : WEIR_E_CORRUPT;
}

static int played_restored(struct weir_node *n)
{
	struct played *p = n->op;

	return p->restored_result;
}

/* ---- sinks ---- */

static int played_answer(struct store *s, enum weir_job_kind kind, struct weir_err *err)
{
	s->job[kind].calls++;
	if (!s->job[kind].times)
		return 0;
	s->job[kind].times--;
	if (s->job[kind].result < 0)
		return weir_err_set(err, s->job[kind].result, "played sink");
	return s->job[kind].result;
}

static struct store *store_of(struct weir_node *n)
{
	struct played *p = n->op;

	return &p->c->store[p->step - OUT];
}

static int played_open(struct weir_node *n, uint64_t fence, uint64_t known, bool fresh,
		       uint64_t *ret_cursor, struct weir_err *err)
{
	struct store *s = store_of(n);

	assert_true(fence > s->fence);
	s->fence = fence;
	s->known = known;
	s->fresh = fresh;
	*ret_cursor = s->open_cursor ? s->open_cursor : s->cursor;
	if (s->open_result < 0)
		return weir_err_set(err, s->open_result, "played sink is gone");
	return 0;
}

static int played_prepare(struct weir_node *n, const struct weir_sink_epoch *e,
			  struct weir_err *err)
{
	struct store *s = store_of(n);
	int r = played_answer(s, WEIR_JOB_PREPARE, err);

	assert_int_equal(e->fence, s->fence);
	if (r == 0) {
		/* Before the commit, and in order. */
		assert_true(e->epoch >
			    weir_journal_durable(((struct played *)n->op)->c->cell.journal));
		assert_true(e->epoch > s->prepared || e->fence > 1);
		s->prepared = e->epoch;
	}
	return r;
}

static void store_take(struct store *s, const struct weir_sink_epoch *e)
{
	struct weir_reader in = e->part;

	while (weir_reader_left(&in)) {
		struct weir_str rows;

		weir_read_u64(&in);
		rows = weir_read_text(&in);
		assert_false(in.bad);
		assert_true(s->n + rows.n <= TEXT);
		memcpy(s->text + s->n, rows.p, rows.n);
		s->n += rows.n;
	}
	s->got[e->epoch] = true;
	s->cursor = e->epoch;
}

static int played_apply(struct weir_node *n, const struct weir_sink_epoch *e, struct weir_err *err)
{
	struct played *p = n->op;
	struct store *s = store_of(n);
	int r = played_answer(s, WEIR_JOB_APPLY, err);

	assert_true(e->epoch <= weir_journal_durable(p->c->cell.journal)); /* I7 */
	if (p->step == OUT)
		assert_int_equal(e->prev, s->cursor); /* I25 */
	else
		s->cursor = e->prev; /* it only knows what it was told in this life */
	assert_int_equal(e->fence, s->fence ? s->fence : e->fence);
	if (r == 0 || (r == WEIR_SINK_UNKNOWN && s->lands))
		store_take(s, e);
	return r;
}

static int played_cursor(struct weir_node *n, uint64_t *ret_cursor, struct weir_err *err)
{
	struct store *s = store_of(n);

	*ret_cursor = s->cursor;
	return played_answer(s, WEIR_JOB_CURSOR, err);
}

static int played_finish(struct weir_node *n, struct weir_err *err)
{
	return played_answer(store_of(n), WEIR_JOB_FINISH, err);
}

static const struct weir_sink_ops out_ops = {.best = WEIR_GUARANTEE_EXACTLY_ONCE,
					     .open = played_open,
					     .prepare = played_prepare,
					     .apply = played_apply,
					     .cursor = played_cursor,
					     .finish = played_finish};
static const struct weir_sink_ops pipe_ops = {
	.best = WEIR_GUARANTEE_AT_LEAST_ONCE, .apply = played_apply, .cursor = played_cursor};

#include "tests/unit/engine/cell_case_stream.h"

static inline const struct weir_sink_ops *case_sink_ops(const struct ccase *c, uint32_t step)
{
	if (step == OUT)
		return !(c->streams & 1) ? &out_ops
		       : c->brief	 ? &stream_brief_ops
					 : &stream_out_ops;
	return step != PIPE ? NULL : c->streams & 2 ? &stream_pipe_ops : &pipe_ops;
}

/* ---- a life ---- */

static inline struct ccase *case_new(void)
{
	struct ccase *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	memset(&case_seen, 0, sizeof(case_seen));
	memdisk_init(&c->d, 1);
	c->keys_name = "keys";
	c->keys_sign = "keys";
	c->keys_tasks = 1;
	c->out_sign = "out";
	c->opt.space_min = 1;
	for (uint32_t i = 0; i < 2; i++)
		c->store[i].flow = (struct weir_sink_flow){true, 10000, 100000};
	c->now.mono_ns = 1000 * MS;
	return c;
}

static inline void case_pipeline(struct ccase *c)
{
	const enum weir_step_kind kind[STEPS] = {WEIR_STEP_SOURCE, WEIR_STEP_OPERATOR,
						 WEIR_STEP_SINK, WEIR_STEP_SINK, WEIR_STEP_MAP};
	const char *name[STEPS] = {"src", c->keys_name, "out", "pipe", "tail"};
	static uint16_t index[] = {SRC, KEYS, TAIL, OUT, PIPE};
	uint32_t t = 0;

	memset(&c->p, 0, sizeof(c->p));
	c->p.step = c->step;
	c->p.step_count = STEPS;
	c->tasks = (struct weir_tasks){.chain_count = TAIL,
				       .chain = c->chain,
				       .step_parallelism = c->step_parallelism,
				       .step_chain = c->step_chain,
				       .task_chain = c->task_chain};
	for (uint32_t i = 0; i < STEPS; i++) {
		memset(&c->step[i], 0, sizeof(c->step[i]));
		snprintf(c->step[i].name, sizeof(c->step[i].name), "%s", name[i]);
		c->step[i].kind = kind[i];
		c->step_chain[i] = i == TAIL ? KEYS : i;
		c->step_parallelism[i] = c->step_chain[i] == KEYS ? c->keys_tasks : 1;
	}
	/* Two ways from the source to `out`. */
	c->step[KEYS].input_count = c->step[TAIL].input_count = 1;
	c->step[KEYS].input[0].step = SRC;
	c->step[TAIL].input[0].step = KEYS;
	c->step[OUT].input_count = 2;
	c->step[OUT].input[0].step = TAIL;
	c->step[OUT].input[1].step = SRC;
	for (uint32_t i = 0; i < TAIL; i++) {
		c->chain[i] = (struct weir_chain){.step_count = i == KEYS ? 2 : 1,
						  .step = &index[i > KEYS ? i + 1 : i],
						  .parallelism = c->step_parallelism[i],
						  .first_task = t};
		for (uint32_t k = 0; k < c->step_parallelism[i]; k++)
			c->task_chain[t++] = i;
	}
	c->tasks.task_count = t;
	assert_true(t <= TASKS);
}

static inline void case_node(struct ccase *c, uint32_t t)
{
	struct played *p = &c->played[t];
	uint32_t step = c->task_chain[t];

	memset(p, 0, sizeof(*p));
	p->c = c;
	p->index = t;
	p->step = step;
	p->task = t - c->chain[step].first_task;
	p->watermark = p->node[0].watermark = WEIR_TIME_MIN;
	p->unit.task.node = p->node;
	p->unit.task.node_count = step == KEYS ? 2 : 1;
	p->unit.inlet.watermark = WEIR_TIME_MIN;
	p->node[0].task = &p->unit.task;
	p->node[0].step = step;
	p->node[0].step_name = c->step[step].name;
	p->node[0].op = p;
	p->node[0].cls = &c->cls[step];
	p->changed[0] = step == SRC;
	p->node[1] = p->node[0];
	p->node[1].step = TAIL;
	p->node[1].step_name = c->step[TAIL].name;
	p->node[1].cls = &c->cls[TAIL];
	weir_out_init(&p->rows, &weir_test_mem);
	c->unit[t] = &p->unit;
}

static inline void case_classes(struct ccase *c)
{
	for (uint32_t i = 0; i < STEPS; i++) {
		c->ops[i] = (struct weir_state_ops){.sign = played_sign};
		if (i == PIPE && c->pipe_unsigned)
			c->ops[i].sign = NULL;
		if (i != PIPE)
			c->ops[i].restore = i == TAIL ? tail_restore : played_restore;
		if (i == KEYS)
			c->ops[i].restored = played_restored;
		c->cls[i] = (struct weir_op_class){.name = "played",
						   .state = &c->ops[i],
						   .source = i == SRC,
						   .sink = case_sink_ops(c, i)};
	}
}

static inline void case_make(struct ccase *c)
{
	weir_region_init(&c->region, &weir_test_mem);
	c->life++;
	case_pipeline(c);
	case_classes(c);
	for (uint32_t t = 0; t < c->tasks.task_count; t++)
		case_node(c, t);
}

static inline int case_try_journal(struct ccase *c, struct weir_journal **ret)
{
	struct weir_journal_options o = {
		.pipeline = "test", .segment_bytes = 65536, .identity = {1}};
	struct weir_journal_report report;

	return weir_journal_open(&o, &c->d.disk, &weir_test_mem, ret, &report, &c->err);
}

/* Nodes of task t must be as at that epoch. */
static inline void case_check_restored(struct ccase *c, uint64_t epoch)
{
	for (uint32_t t = 0; t < c->tasks.task_count; t++) {
		struct played *p = &c->played[t];
		uint64_t e = epoch;

		while (e && !c->snap[t][e].there)
			e--;
		assert_memory_equal(p->slot, c->snap[t][e].slot, sizeof(p->slot));
		if (e)
			assert_int_equal(p->node[0].watermark, c->snap[t][e].watermark);
		if (p->step == OUT)
			assert_int_equal(p->said, e ? c->snap[t][e].rows : 0);
	}
}

/* What had been after that epoch never happened. */
static inline void case_forget(struct ccase *c, uint64_t epoch)
{
	for (uint32_t t = 0; t < TASKS; t++)
		for (uint64_t e = epoch + 1; e < EPOCHS; e++)
			c->snap[t][e].there = false;
}

static inline size_t case_rows_at(const struct ccase *c, uint32_t t, uint64_t epoch)
{
	while (epoch && !c->snap[t][epoch].there)
		epoch--;
	return epoch ? c->snap[t][epoch].rows : 0;
}

/* Without a look at what came back. */
static inline int case_try_up(struct ccase *c)
{
	struct weir_journal *j;
	int r;

	case_make(c);
	memset(&c->cell, 0, sizeof(c->cell));
	r = case_try_journal(c, &j);
	if (r < 0)
		return r;
	c->is_up = true;
	c->has_job[0] = c->has_job[1] = false;
	memset(c->last_ladder, 0, sizeof(c->last_ladder));
	c->now.stop = false;
	c->now.input_rows = 0;
	return weir_cell_open(&c->cell, &c->opt, &c->p, &c->tasks, c->unit, j, &weir_test_mem,
			      &c->region, &c->err);
}

static inline void case_up(struct ccase *c)
{
	int r = case_try_up(c);

	if (r < 0)
		fprintf(stderr, "open: %s\n", c->err.text);
	assert_int_equal(r, 0);
	case_forget(c, c->cell.durable);
	for (uint32_t i = 0; i < 2; i++) {
		struct weir_cell_sink_info info;

		weir_cell_sink_info(&c->cell, i, &info);
		c->store[i].given = c->store[i].told = info.cursor;
		c->store[i].afresh = false;
	}
	for (uint32_t t = 0; t < c->tasks.task_count; t++) {
		struct played *p = &c->played[t];

		p->epoch = p->unit.epoch;
		p->watermark = p->node[0].watermark;
		p->rows_all = case_rows_at(c, t, c->cell.durable);
		assert_int_equal(p->epoch, c->cell.open);
	}
}

static inline void case_down(struct ccase *c)
{
	if (!c->is_up)
		return;
	weir_cell_close(&c->cell);
	for (uint32_t t = 0; t < c->tasks.task_count; t++)
		weir_out_fini(&c->played[t].rows);
	weir_region_fini(&c->region);
	memdisk_cut(&c->d);
	for (uint32_t i = 0; i < 2; i++)
		case_lose(&c->store[i]);
	c->is_up = false;
}

static inline void case_again(struct ccase *c)
{
	case_down(c);
	case_up(c);
	case_check_restored(c, c->cell.durable);
}

static inline void case_free(struct ccase *c)
{
	case_down(c);
	weir_hooks = NULL;
	memdisk_fini(&c->d);
	free(c);
}

/* The first task of a step. */
static inline struct played *case_task(struct ccase *c, uint32_t step)
{
	return &c->played[c->chain[step].first_task];
}

/* ---- rows ---- */

static inline void case_set(struct played *p, uint32_t slot, uint64_t v)
{
	p->slot[slot] = v;
	p->changed[slot] = true;
}

/* One row into a sink. */
static inline void case_row(struct ccase *c, uint32_t step)
{
	struct played *p = case_task(c, step);
	char text[64], *all = c->expect[step - OUT];
	int n = snprintf(text, sizeof(text), "%zu:%u;", p->rows_all, c->life);

	assert_true(p->rows_all + (size_t)n < TEXT);
	memcpy(all + p->rows_all, text, (size_t)n);
	p->rows_all += (size_t)n;
	weir_out_put(&p->rows, text, (size_t)n);
	c->now.output_bytes += (uint64_t)n;
}

/* The source moves on, a key changes, sinks get a row. */
static inline void case_feed(struct ccase *c)
{
	struct played *src = case_task(c, SRC);
	uint64_t v = ++src->slot[0];

	src->watermark = (int64_t)v;
	c->now.input_rows++;
	for (uint32_t k = 0; k < c->keys_tasks; k++) {
		struct played *keys = case_task(c, KEYS) + k;

		keys->watermark = (int64_t)v;
		if (v % SLOTS % c->keys_tasks == k && !keys->final)
			case_set(keys, v % SLOTS, v << 8 | c->life);
	}
	case_row(c, OUT);
	case_row(c, PIPE);
}

/* ---- reports ---- */

static inline void part_of(struct weir_report *r, enum weir_part_kind kind, struct played *p)
{
	struct weir_report_part *x = &r->part[r->part_count++];

	x->kind = kind;
	x->step = p->step;
	weir_out_init(&x->out, &weir_test_mem);
}

static inline void played_rows(struct ccase *c, struct played *p, struct weir_out *o)
{
	size_t n = (size_t)p->rows.bytes;
	char *copy = malloc(n + 1);

	if (n) {
		weir_out_copy(&p->rows, copy);
		weir_out_u64(o, p->rows_all);
		weir_out_text(o, (struct weir_str){copy, n});
		weir_out_fini(&p->rows);
		c->now.output_bytes -= WEIR_MIN(c->now.output_bytes, n);
	}
	free(copy);
}

static inline void case_report(struct ccase *c, struct played *p, bool final)
{
	struct weir_report *r = calloc(1, sizeof(*r));
	struct weir_out *o;

	assert_non_null(r);
	r->task = p->index;
	r->epoch = ++p->epoch;
	r->round = final ? UINT64_MAX : p->round;
	r->final = p->final = final;
	part_of(r, WEIR_PART_TASK, p);
	o = &r->part[0].out;
	weir_out_varint(o, 0);
	weir_out_i64(o, p->watermark);
	weir_out_varint(o, p->step);
	weir_out_i64(o, p->watermark);
	part_of(r, p->step >= OUT ? WEIR_PART_SINK : WEIR_PART_NODE, p);
	if (p->step >= OUT)
		played_rows(c, p, &r->part[1].out);
	else
		played_freeze(&p->node[0], &r->part[1].out);
	if (p->step == KEYS) {
		part_of(r, WEIR_PART_NODE, p);
		r->part[2].step = TAIL;
		weir_out_u8(&r->part[2].out, 't');
	}
	assert_true(p->epoch < EPOCHS);
	c->snap[p->index][p->epoch].there = true;
	c->snap[p->index][p->epoch].watermark = p->watermark;
	memcpy(c->snap[p->index][p->epoch].slot, p->slot, sizeof(p->slot));
	c->snap[p->index][p->epoch].rows = p->rows_all;
	weir_cell_report(&c->cell, r);
	free(r);
}

static inline void case_turn(struct ccase *c, struct played *p)
{
	if (p->final || p->slow || c->no_reports)
		return;
	if (c->cell.round > p->round && p->step < OUT) {
		for (uint32_t i = 0; i < SLOTS; i++)
			p->changed[i] |= p->slot[i] != 0;
		p->round = c->cell.round;
	} else if (c->cell.round > p->round) {
		p->round = c->cell.round;
	}
	if (p->end && p->epoch == c->cell.open - (c->cell.open > c->cell.aligned))
		case_report(c, p, true);
	else if (c->cell.barrier > p->epoch)
		case_report(c, p, false);
}

/* ---- sinks ---- */

/* `out` has the rows up to its cursor and no others. */
static inline void case_check_out(const struct ccase *c)
{
	const struct store *s = &c->store[0];
	size_t n = case_rows_at(c, c->chain[OUT].first_task, s->cursor);

	assert_int_equal(s->n, n);
	assert_memory_equal(s->text, c->expect[0], n);
}

static inline int case_sink(struct ccase *c, uint32_t i)
{
	uint64_t now = c->now.mono_ns;
	int r = 0;

	if (!c->has_job[i])
		c->has_job[i] = weir_cell_job(&c->cell, i, now, &c->job[i]);
	if (!c->has_job[i])
		return 0;
	assert_false(weir_cell_job(&c->cell, i, now, &(struct weir_job){0}));
	weir_job_run(&c->job[i]);
	c->has_job[i] = false;
	r = weir_cell_job_done(&c->cell, i, now, &c->job[i], &c->err);
	return r;
}

/* ---- time ---- */

static inline void case_check_ladder(struct ccase *c)
{
	const uint64_t now[4] = {c->cell.open, c->cell.aligned, c->cell.durable, c->cell.covered};

	for (uint32_t i = 0; i < 4; i++) {
		assert_true(now[i] >= c->last_ladder[i]); /* I1 */
		assert_true(i == 0 || now[i - 1] >= now[i]);
	}
	memcpy(c->last_ladder, now, sizeof(now));
}

static inline int case_try_tick(struct ccase *c)
{
	int r;

	for (uint32_t t = 0; t < c->tasks.task_count; t++)
		case_turn(c, &c->played[t]);
	r = weir_cell_step(&c->cell, &c->now, &c->err);
	if (r == 0 && !c->no_disk)
		r = weir_cell_journal(&c->cell, c->d.slow ? 1 : 0, &c->err);
	for (uint32_t i = 0; i < c->cell.sink_count && r == 0 && !c->no_sinks; i++)
		r = case_sink(c, i);
	c->now.mono_ns += 10 * MS;
	c->now.wall_ns += (int64_t)(10 * MS);
	return r;
}

static inline void case_tick(struct ccase *c)
{
	int r = case_try_tick(c);

	if (r < 0)
		fprintf(stderr, "tick: %s\n", c->err.text);
	assert_int_equal(r, 0);
	case_check_ladder(c);
	case_check_out(c);
}

static inline void case_ticks(struct ccase *c, uint32_t n)
{
	while (n--)
		case_tick(c);
}

/* Until the rows so far are in the sinks; epochs of 200 ms. */
static inline void case_settle(struct ccase *c)
{
	uint64_t open = c->cell.open;

	for (uint32_t i = 0; i < 2000; i++) {
		struct weir_cell_sink_info out, pipe;

		weir_cell_sink_info(&c->cell, 0, &out);
		weir_cell_sink_info(&c->cell, 1, &pipe);
		if (c->cell.finished ||
		    (c->cell.durable > open + 1 && out.waiting + pipe.waiting == 0))
			return;
		case_tick(c);
	}
	fail_msg("nothing comes to rest");
}

static inline void case_rows(struct ccase *c, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		case_feed(c);
		case_ticks(c, 7);
	}
}

#endif
