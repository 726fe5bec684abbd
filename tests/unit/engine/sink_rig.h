/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/engine/sink_rig.h - a sink by hand, with the journal of its epochs.
 *
 * A rig outlives its node: rig_up() makes a node as a start of the engine does, rig_down() drops it as a crash does
 * (what was committed stays). Rows are numbered: row k is {"n":k,"s":"..."}.
 */
#ifndef WEIR_TESTS_UNIT_ENGINE_SINK_RIG_H
#define WEIR_TESTS_UNIT_ENGINE_SINK_RIG_H

#include "tests/unit/engine/file_lib.h"

#include "base/hooks.h"
#include "engine/edge/input.h"
#include "engine/edge/sink.h"

#define RIG_EPOCHS 64
#define RIG_TEXT "abcdefghijklmnopqrstuvwxyz0123456789"

struct rig_epoch {
	uint64_t epoch, prev;
	uint8_t *part;
	size_t bytes;
	bool committed;
};

struct rig {
	/* the pipeline file */
	struct weir_pipeline pipeline;
	struct weir_step step;
	struct weir_schema schema;
	uint32_t instance, instances;
	/* the state directory */
	uint64_t fence, known, epoch;
	uint32_t count;
	struct rig_epoch e[RIG_EPOCHS];
	/* one life */
	struct weir_region region;
	struct weir_task task;
	struct weir_node node;
	struct weir_out part;
	uint64_t cursor, now_ns;
	bool is_up;
	int64_t n; /* the next row */
	struct weir_err err;
};

static inline void rig_init(struct rig *r, enum weir_connector c, enum weir_format format)
{
	memset(r, 0, sizeof(*r));
	strcpy(r->pipeline.name, "quakes");
	r->pipeline.state.guarantee = WEIR_GUARANTEE_EXACTLY_ONCE;
	strcpy(r->step.name, "out");
	r->step.kind = WEIR_STEP_SINK;
	r->step.sink.connector = c;
	r->step.sink.format = format;
	r->step.sink.path = scratch_dir;
	r->step.sink.part_bytes = (uint64_t)1 << 30;
	r->step.sink.csv =
		(struct weir_csv_options){.delimiter = ',', .header = true, .null_text = ""};
	r->instances = 1;
	r->now_ns = 1000;
	weir_schema_add(&r->schema, WEIR_STR("n"), weir_type_of(WEIR_INT64), false);
	weir_schema_add(&r->schema, WEIR_STR("s"), weir_type_of(WEIR_STRING), false);
	weir_schema_seal(&r->schema);
}

/* The node alone; <0 with the text in r->err. */
static inline int rig_make(struct rig *r, bool fresh)
{
	struct weir_conn_env env = {.pipeline = &r->pipeline,
				    .step = &r->step,
				    .in = &r->schema,
				    .region = &r->region,
				    .instance = r->instance,
				    .instances = r->instances,
				    .fresh = fresh};
	int k;

	weir_region_init(&r->region, &weir_test_mem);
	memset(&r->task, 0, sizeof(r->task));
	memset(&r->node, 0, sizeof(r->node));
	r->task.mem = &weir_test_mem;
	r->task.record_max = 4096;
	r->node.task = &r->task;
	r->node.step_name = r->step.name;
	r->is_up = true;
	k = weir_sink_open(&r->node, &env);
	if (r->pipeline.state.guarantee > WEIR_GUARANTEE_NONE) {
		weir_out_init(&r->part, &weir_test_mem);
		r->node.part = &r->part;
	}
	r->err = r->task.err;
	return k;
}

static inline void rig_down(struct rig *r)
{
	if (!r->is_up)
		return;
	if (r->node.cls && r->node.cls->fini)
		r->node.cls->fini(&r->node);
	if (r->part.mem)
		weir_out_fini(&r->part);
	weir_region_fini(&r->region);
	r->is_up = false;
	/* What was not committed never happened; its numbers are not used again. */
	while (r->count && !r->e[r->count - 1].committed)
		free(r->e[--r->count].part);
}

static inline void rig_fini(struct rig *r)
{
	rig_down(r);
	while (r->count)
		free(r->e[--r->count].part);
}

static inline int rig_restore(struct rig *r)
{
	const struct weir_state_ops *ops = r->node.cls->state;
	int k = 0;

	for (uint32_t i = 0; i < r->count && k == 0; i++) {
		struct weir_restore in = {.in = weir_reader_of(r->e[i].part, r->e[i].bytes),
					  .instance_then = r->instance,
					  .instances_then = r->instances,
					  .instance = r->instance,
					  .instances = r->instances,
					  .epoch = r->e[i].epoch};

		k = ops->restore(&r->node, &in);
	}
	if (k == 0 && ops->restored)
		k = ops->restored(&r->node);
	r->err = r->task.err;
	return k;
}

/* As a start does it. fresh: the state directory is new, too. */
static inline int rig_start(struct rig *r, bool fresh)
{
	int k;

	if (fresh) {
		while (r->count)
			free(r->e[--r->count].part);
		r->known = 0;
	}
	k = rig_make(r, fresh);
	if (k == 0)
		k = r->node.cls->sink->open(&r->node, ++r->fence, r->known, fresh, &r->cursor,
					    &r->err);
	return k < 0 ? k : rig_restore(r);
}

static inline void rig_up(struct rig *r)
{
	int k = rig_start(r, false);

	if (k)
		fail_msg("%s", r->err.text);
	assert_int_equal(r->cursor, r->known);
}

static inline int rig_run(struct rig *r)
{
	int k;

	r->task.mono_ns = r->now_ns;
	k = r->node.cls->run(&r->node);
	r->err = r->task.err;
	return k;
}

static inline void rig_run_ok(struct rig *r)
{
	do
		if (rig_run(r) < 0)
			fail_msg("%s", r->err.text);
	while (!weir_batch_empty(&r->node.in));
	r->node.in.pos = r->node.in.count = 0;
}

static inline void rig_rows(struct rig *r, uint32_t count)
{
	static uint64_t mem[WEIR_BATCH_ROWS][24];

	while (count) {
		uint32_t k = WEIR_MIN(count, (uint32_t)WEIR_BATCH_ROWS);

		for (uint32_t i = 0; i < k; i++) {
			struct weir_builder b;

			weir_build_begin(&b, mem[i], sizeof(mem[i]), &r->schema);
			weir_build_i64(&b, 0, r->n);
			weir_build_str(&b, 1, (struct weir_str){RIG_TEXT, (size_t)(r->n++ % 37)});
			assert_true(weir_build_end(&b));
			weir_batch_add(&r->node, b.f);
		}
		rig_run_ok(r);
		count -= k;
	}
}

static inline void rig_ctl(struct rig *r, unsigned kind)
{
	r->node.in.ctl = (struct weir_ctl){.kind = (uint8_t)kind, .value = 0};
	rig_run_ok(r);
}

/* The part of the epoch at hand, as the cell keeps it; NULL when there is none. */
static inline struct rig_epoch *rig_take(struct rig *r)
{
	struct rig_epoch *e = &r->e[r->count];

	r->epoch++;
	assert_int_equal(r->node.held, 0);
	r->node.frozen = false;
	if (r->part.bytes == 0)
		return NULL;
	assert_true(r->count < RIG_EPOCHS);
	*e = (struct rig_epoch){.epoch = r->epoch, .bytes = r->part.bytes};
	e->prev = r->count ? r->e[r->count - 1].epoch : r->known;
	e->part = malloc(e->bytes);
	assert_non_null(e->part);
	weir_out_copy(&r->part, e->part);
	weir_out_fini(&r->part);
	r->count++;
	return e;
}

static inline struct rig_epoch *rig_barrier(struct rig *r)
{
	rig_ctl(r, WEIR_FRAME_BARRIER);
	assert_true(r->node.frozen);
	return rig_take(r);
}

static inline struct rig_epoch *rig_end(struct rig *r)
{
	rig_ctl(r, WEIR_FRAME_EOS);
	weir_node_freeze(&r->node);
	return rig_take(r);
}

static inline struct weir_sink_epoch rig_sink_epoch(const struct rig *r, const struct rig_epoch *e)
{
	return (struct weir_sink_epoch){.epoch = e->epoch,
					.prev = e->prev,
					.fence = r->fence,
					.part = weir_reader_of(e->part, e->bytes)};
}

static inline int rig_prepare(struct rig *r, const struct rig_epoch *e)
{
	struct weir_sink_epoch s = rig_sink_epoch(r, e);

	return r->node.cls->sink->prepare(&r->node, &s, &r->err);
}

static inline void rig_commit(struct rig *r, struct rig_epoch *e)
{
	assert_int_equal(rig_prepare(r, e), 0);
	e->committed = true;
	r->known = e->epoch;
}

static inline int rig_apply(struct rig *r, const struct rig_epoch *e)
{
	struct weir_sink_epoch s = rig_sink_epoch(r, e);

	return r->node.cls->sink->apply(&r->node, &s, &r->err);
}

/* A whole epoch. */
static inline void rig_epoch(struct rig *r, uint32_t rows)
{
	struct rig_epoch *e;

	rig_rows(r, rows);
	e = rig_barrier(r);
	if (!e)
		return;
	rig_commit(r, e);
	if (rig_apply(r, e))
		fail_msg("%s", r->err.text);
}

static inline void rig_finish(struct rig *r)
{
	struct rig_epoch *e = rig_end(r);

	if (!e)
		return;
	rig_commit(r, e);
	if (rig_apply(r, e))
		fail_msg("%s", r->err.text);
}

/* ---- what a reader of the directory sees ---- */

static inline int rig_visible(const struct dirent *e)
{
	return strncmp(e->d_name, "part-", 5) == 0;
}

static inline int rig_hidden(const struct dirent *e)
{
	return strncmp(e->d_name, ".part-", 6) == 0;
}

static inline int rig_count(int (*which)(const struct dirent *e))
{
	struct dirent **list;
	int n = scandir(scratch_dir, &list, which, alphasort);

	assert_true(n >= 0);
	for (int i = 0; i < n; i++)
		free(list[i]);
	free(list);
	return n;
}

static inline char *rig_read(const char *name, char *text, size_t *n)
{
	struct weir_input_options o = {.path = path_of(name)};
	struct weir_byte_input *in;
	struct weir_err err = {0};
	struct weir_input_window w = {0};

	assert_int_equal(weir_input_open(&o, &in, &err), 0);
	assert_int_equal(weir_input_fill(in, &err), WEIR_INPUT_FILE);
	while (!w.eof) {
		if (weir_input_fill(in, &err) < 0)
			fail_msg("%s", err.text);
		weir_input_window(in, &w);
		text = realloc(text, *n + w.n + 1);
		assert_non_null(text);
		memcpy(text + *n, w.p, w.n);
		*n += w.n;
		weir_input_consume(in, w.n);
	}
	weir_input_close(in);
	return text;
}

/* `cat part-*`, unpacked; freed by the caller. */
static inline char *rig_content(size_t *ret_n)
{
	struct dirent **list;
	int n = scandir(scratch_dir, &list, rig_visible, alphasort);
	char *text = calloc(1, 1);

	*ret_n = 0;
	assert_true(n >= 0 && text);
	for (int i = 0; i < n; i++) {
		text = rig_read(list[i]->d_name, text, ret_n);
		free(list[i]);
	}
	free(list);
	text[*ret_n] = 0;
	return text;
}

/* The rows 0 .. count-1, each once and in order, and nothing else (csv: behind one header). */
static inline void rig_check_rows(const struct rig *r, const char *text, size_t n, int64_t count)
{
	bool csv = r->step.sink.format == WEIR_FORMAT_CSV;
	const char *p = text, *end = text + n;
	char want[128];

	if (csv && r->step.sink.csv.header && count) {
		assert_true(n >= 4 && memcmp(p, "n,s\n", 4) == 0);
		p += 4;
	}
	for (int64_t k = 0; k < count; k++) {
		int w = snprintf(want, sizeof(want),
				 csv ? "%lld,%.*s\n" : "{\"n\":%lld,\"s\":\"%.*s\"}\n",
				 (long long)k, (int)(k % 37), RIG_TEXT);

		if (end - p < w || memcmp(p, want, (size_t)w) != 0)
			fail_msg("row %lld: not %.*s but %.*s", (long long)k, w, want,
				 (int)WEIR_MIN(end - p, 60), p);
		p += w;
	}
	if (p != end)
		fail_msg("behind the last row: %.*s", (int)WEIR_MIN(end - p, 60), p);
}

static inline void rig_check(const struct rig *r, int64_t count)
{
	size_t n;
	char *text = rig_content(&n);

	rig_check_rows(r, text, n, count);
	free(text);
}

#endif
