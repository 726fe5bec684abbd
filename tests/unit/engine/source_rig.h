/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/engine/source_rig.h - a source driven by hand: runs with a budget, a node per port that collects the
 * rows as text, parts that are frozen and given to the next source.
 *
 * "Process": everything of a rig but the parts. rig_kill() throws it away, rig_start() makes the next one and
 *            restores it from the parts.
 */
#ifndef WEIR_TESTS_UNIT_ENGINE_SOURCE_RIG_H
#define WEIR_TESTS_UNIT_ENGINE_SOURCE_RIG_H

#include "tests/unit/engine/file_lib.h"

#include "engine/core/freeze.h"
#include "engine/core/source_state.h"
#include "engine/edge/connector.h"

#define RIG_PORTS 4
#define RIG_PARTS 4096
#define RIG_RECORD_MAX 4096

struct source_rig {
	/* set by the test */
	struct weir_step step;
	struct weir_port_def def[RIG_PORTS];
	struct weir_schema schema[RIG_PORTS];
	uint32_t instance, instances;
	bool epochs;
	int only_port; /* rows of others are not kept; -1: all */

	/* what survives: parts, and the text of the rows up to the newest of them */
	uint8_t *part[RIG_PARTS];
	size_t part_bytes[RIG_PARTS];
	uint32_t parts;
	uint64_t epoch;
	size_t text_frozen;
	char *text; /* one line a row */
	size_t text_len, text_cap;
	uint32_t kills;

	/* the process */
	bool alive;
	struct weir_region region;
	struct weir_task task;
	struct weir_node node[1 + RIG_PORTS];
	struct weir_port port[RIG_PORTS];
	struct weir_node *target[RIG_PORTS];
};

static inline void rig_init(struct source_rig *g, enum weir_connector connector,
			    enum weir_format format)
{
	memset(g, 0, sizeof(*g));
	strcpy(g->step.name, "src");
	g->step.kind = WEIR_STEP_SOURCE;
	g->step.late_port = g->step.rejects_port = -1;
	g->step.port = g->def;
	g->step.port_count = 1;
	g->step.source.connector = connector;
	g->step.source.format = format;
	g->step.source.loop = 1;
	g->step.source.stream_count = 1;
	g->step.source.time_field = -1;
	g->step.source.csv =
		(struct weir_csv_options){.delimiter = ',', .header = true, .null_text = ""};
	weir_schema_add(&g->schema[0], WEIR_STR("k"), weir_type_of(WEIR_INT64), false);
	weir_schema_add(&g->schema[0], WEIR_STR("s"), weir_type_of(WEIR_STRING), false);
	weir_schema_seal(&g->schema[0]);
	g->def[0].schema = &g->schema[0];
	g->def[0].uses = 1;
	g->instances = 1;
	g->epochs = true;
	g->only_port = -1;
	g->text_cap = 1 << 16;
	g->text = calloc(1, g->text_cap);
}

static inline struct weir_source *rig_source(struct source_rig *g)
{
	return g->node[0].op;
}

static inline void rig_build(struct source_rig *g)
{
	memset(&g->task, 0, sizeof(g->task));
	memset(g->node, 0, sizeof(g->node));
	memset(g->port, 0, sizeof(g->port));
	weir_region_init(&g->region, &weir_test_mem);
	g->task.mem = &weir_test_mem;
	g->task.node = g->node;
	g->task.node_count = 1 + g->step.port_count;
	g->task.record_max = RIG_RECORD_MAX;
	for (uint32_t i = 0; i < g->task.node_count; i++)
		g->node[i].task = &g->task;
	g->node[0].step_name = g->step.name;
	g->node[0].watermark = WEIR_TIME_MIN;
	g->node[0].port = g->port;
	g->node[0].port_count = g->step.port_count;
	for (uint32_t i = 0; i < g->step.port_count; i++) {
		g->target[i] = &g->node[1 + i];
		g->port[i] = (struct weir_port){.name = "",
						.schema = g->def[i].schema,
						.target = &g->target[i],
						.target_count = 1,
						.scratch_cap = 65536};
		g->port[i].scratch = weir_region_alloc(&g->region, g->port[i].scratch_cap);
	}
}

/* Opens the source. Its code; the text is in g->task.err. */
static inline int rig_open(struct source_rig *g)
{
	struct weir_conn_env env = {.step = &g->step,
				    .region = &g->region,
				    .rejects_port = g->step.rejects_port,
				    .instance = g->instance,
				    .instances = g->instances,
				    .epochs = g->epochs};

	rig_build(g);
	g->alive = true;
	return weir_source_open(&g->node[0], &env);
}

static inline int rig_restore_bytes(struct source_rig *g, const void *p, size_t n)
{
	struct weir_restore r = {.in = weir_reader_of(p, n),
				 .instance_then = g->instance,
				 .instances_then = g->instances,
				 .instance = g->instance,
				 .instances = g->instances};

	return g->node[0].cls->state->restore(&g->node[0], &r);
}

static inline int rig_restored(struct source_rig *g)
{
	const struct weir_state_ops *ops = g->node[0].cls->state;

	return ops->restored ? ops->restored(&g->node[0]) : 0;
}

static inline void rig_kill(struct source_rig *g)
{
	if (!g->alive)
		return;
	if (g->node[0].cls && g->node[0].cls->fini)
		g->node[0].cls->fini(&g->node[0]);
	weir_region_fini(&g->region);
	g->alive = false;
	g->kills++;
}

/* A new process from the parts. Its code. */
static inline int rig_try_start(struct source_rig *g)
{
	int rc;

	rig_kill(g);
	g->text_len = g->text_frozen;
	rc = rig_open(g);
	for (uint32_t i = 0; i < g->parts && rc == 0; i++)
		rc = rig_restore_bytes(g, g->part[i], g->part_bytes[i]);
	return rc ? rc : rig_restored(g);
}

static inline void rig_start(struct source_rig *g)
{
	if (rig_try_start(g))
		fail_msg("%s", g->task.err.text);
}

static inline void rig_fini(struct source_rig *g)
{
	rig_kill(g);
	for (uint32_t i = 0; i < g->parts; i++)
		free(g->part[i]);
	free(g->text);
}

static inline void rig_take_rows(struct source_rig *g, uint32_t port)
{
	struct weir_batch *in = &g->node[1 + port].in;

	if (g->only_port >= 0 && (uint32_t)g->only_port != port)
		in->pos = in->count;
	for (; in->pos < in->count; in->pos++) {
		struct weir_buf b;

		if (g->text_cap - g->text_len < 16384) {
			g->text_cap *= 2;
			g->text = realloc(g->text, g->text_cap);
			assert_non_null(g->text);
		}
		b = weir_buf_of(g->text + g->text_len, g->text_cap - g->text_len - 1);
		weir_buf_printf(&b, "%u@%lld ", port, (long long)in->row[in->pos]->time_ns);
		weir_buf_record_json(&b, in->row[in->pos], g->def[port].schema);
		weir_buf_char(&b, '\n');
		assert_false(b.full);
		g->text_len += b.len;
	}
	in->pos = in->count = 0;
	g->text[g->text_len] = 0;
}

/* One run; what it returned. */
static inline int rig_run(struct source_rig *g, uint32_t budget)
{
	int r;

	rig_source(g)->budget = budget;
	r = g->node[0].cls->run(&g->node[0]);
	for (uint32_t i = 0; i < g->step.port_count; i++)
		rig_take_rows(g, i);
	return r;
}

static inline void rig_freeze(struct source_rig *g, bool touched)
{
	const struct weir_state_ops *ops = g->node[0].cls->state;
	struct weir_out out;

	weir_out_init(&out, &weir_test_mem);
	g->task.epoch = ++g->epoch;
	if (touched) {
		/* A base: what came before is not needed. */
		for (uint32_t i = 0; i < g->parts; i++)
			free(g->part[i]);
		g->parts = 0;
		for (bool begin = true; ops->touch && !ops->touch(&g->node[0], begin, 64);)
			begin = false;
	}
	ops->freeze(&g->node[0], &out);
	assert_true(g->parts < RIG_PARTS);
	g->part[g->parts] = malloc(out.bytes + 1);
	weir_out_copy(&out, g->part[g->parts]);
	g->part_bytes[g->parts++] = out.bytes;
	weir_out_fini(&out);
	g->text_frozen = g->text_len;
}

static inline uint64_t rig_random(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *seed >> 33;
}

/* Runs to the end in one go. The text is the caller's. */
static inline char *rig_whole(struct source_rig *g)
{
	char *text;

	g->text_len = g->text_frozen = 0;
	g->text[0] = 0;
	if (rig_open(g))
		fail_msg("%s", g->task.err.text);
	while (!rig_source(g)->ended)
		if (rig_run(g, 100) < 0)
			fail_msg("%s", g->task.err.text);
	text = strdup(g->text);
	rig_kill(g);
	g->text_len = g->text_frozen = 0;
	return text;
}

/* Runs to the end with kills at random places; the rows must be the same. */
static inline void rig_crash_and_compare(struct source_rig *g, const char *want, uint64_t seed,
					 uint32_t kills)
{
	uint32_t left = kills;
	int64_t rows = 0, watermark = 0;

	for (uint32_t i = 0; i < g->parts; i++)
		free(g->part[i]);
	g->parts = 0;
	g->text_len = g->text_frozen = 0;
	g->text[0] = 0;
	rig_start(g);
	while (!rig_source(g)->ended || left) {
		uint64_t what = rig_random(&seed) % 8;

		if (what == 0 && left) {
			left--;
			rig_start(g);
			if (g->parts) {
				assert_int_equal(rig_source(g)->rows, rows);
				assert_int_equal(rig_source(g)->watermark, watermark);
			}
		} else if (what < 4) {
			rig_freeze(g, rig_random(&seed) % 8 == 0);
			rows = (int64_t)rig_source(g)->rows;
			watermark = rig_source(g)->watermark;
		} else if (!rig_source(g)->ended) {
			if (rig_run(g, (uint32_t)(rig_random(&seed) % 40 + 1)) < 0)
				fail_msg("%s", g->task.err.text);
		}
	}
	rig_kill(g);
	assert_string_equal(g->text, want);
}

/* Any bytes in restore(): an error or not, never a crash. */
static inline void rig_damage(struct source_rig *g, uint64_t seed, int tries)
{
	uint8_t *p = malloc(g->part_bytes[g->parts - 1] + 64);

	for (int i = 0; i < tries; i++) {
		size_t n = g->part_bytes[g->parts - 1];

		memcpy(p, g->part[g->parts - 1], n);
		if (i % 4 == 0) {
			n = rig_random(&seed) % (n + 1);
		} else if (i % 4 == 1) {
			for (int k = 0; k < 64; k++)
				p[n++] = (uint8_t)rig_random(&seed);
		} else {
			for (int k = 0; k < i % 4 && n; k++)
				p[rig_random(&seed) % n] = (uint8_t)rig_random(&seed);
		}
		rig_kill(g);
		if (rig_open(g))
			fail_msg("%s", g->task.err.text);
		if (rig_restore_bytes(g, p, n) == 0 && rig_restored(g) == 0)
			for (int k = 0; k < 20 && !rig_source(g)->ended; k++)
				if (rig_run(g, 100) < 0)
					break;
		g->text_len = g->text_frozen;
	}
	rig_kill(g);
	free(p);
}

#endif
