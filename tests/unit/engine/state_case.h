/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/engine/state_case.h - a keyed step that is killed and comes back from its parts, with any number of tasks.
 *
 * A case is a list of rows, watermarks and barriers. state_case_run() plays it once without epochs (the
 * reference), and once in lives: each life restores the parts of the durable epochs, plays on from the last
 * of them, encodes and touches in random pieces between the rows, and is dropped somewhere. What it gave up to the
 * last barrier whose parts were complete counts. Both must be the same (I4), sorted: the order within a window is
 * that of the table. Parts from before the newest base round that is durable are thrown away.
 */
#ifndef WEIR_TESTS_UNIT_ENGINE_STATE_CASE_H
#define WEIR_TESTS_UNIT_ENGINE_STATE_CASE_H

#include "base/keyhash.h"
#include "base/prng.h"
#include "engine/core/freeze.h"
#include "tests/lib/oprig.h"
#include "tests/unit/engine/save_case.h"

#define STATE_TASKS_MAX 3
#define STATE_STEPS_MAX 20000
#define STATE_PARTS_MAX 4000

enum state_step_kind { STATE_ROW, STATE_RUN, STATE_WATERMARK, STATE_BARRIER };

struct state_step {
	enum state_step_kind kind;
	struct weir_frame *row;
	int64_t watermark;
};

struct state_part {
	uint64_t epoch;
	uint32_t instance, instances;
	struct saved bytes;
};

/* Lines of text that are compared without their order. */
struct state_lines {
	char **line;
	size_t count, cap;
};

/* ---- the step under test; set by the test ---- */

static weir_op_init_fn state_init;
static const struct weir_step *state_step;
static const struct weir_schema *state_in;
static uint16_t state_key[WEIR_KEYS_MAX];
static uint32_t state_keys;

/* ---- the case ---- */

static struct state_step steps[STATE_STEPS_MAX];
static uint32_t step_count;
static struct state_part parts[STATE_PARTS_MAX];
static uint32_t part_count;
static uint64_t base_from; /* epochs before are not needed */

static struct state_step *state_add(enum state_step_kind kind)
{
	assert_true(step_count < STATE_STEPS_MAX);
	steps[step_count] = (struct state_step){.kind = kind};
	return &steps[step_count++];
}

static void parts_drop(uint64_t below)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < part_count; i++) {
		if (parts[i].epoch < below)
			saved_free(&parts[i].bytes);
		else
			parts[n++] = parts[i];
	}
	part_count = n;
}

static void state_case_clear(void)
{
	for (uint32_t i = 0; i < step_count; i++)
		free(steps[i].row);
	step_count = 0;
	parts_drop(UINT64_MAX);
	base_from = 0;
}

/* ---- lines ---- */

static void lines_add(struct state_lines *l, const char *text)
{
	if (l->count == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 256;
		l->line = realloc(l->line, l->cap * sizeof(*l->line));
		assert_non_null(l->line);
	}
	l->line[l->count] = strdup(text);
	assert_non_null(l->line[l->count++]);
}

static void lines_free(struct state_lines *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->line[i]);
	free(l->line);
	*l = (struct state_lines){0};
}

static int line_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void lines_equal(struct state_lines *a, struct state_lines *b)
{
	if (a->count)
		qsort(a->line, a->count, sizeof(*a->line), line_cmp);
	if (b->count)
		qsort(b->line, b->count, sizeof(*b->line), line_cmp);
	for (size_t i = 0; i < a->count && i < b->count; i++)
		assert_string_equal(a->line[i], b->line[i]);
	assert_int_equal(a->count, b->count);
}

/* ---- the tasks of a life ---- */

struct state_tasks {
	uint32_t count;
	bool epochs;
	struct weir_oprig rig[STATE_TASKS_MAX];
	struct weir_out out[STATE_TASKS_MAX];
	bool encoding[STATE_TASKS_MAX], touching[STATE_TASKS_MAX];
	uint32_t durable[STATE_TASKS_MAX]
			[WEIR_OPRIG_PORTS]; /* outputs up to the newest durable barrier */
	uint32_t frozen[STATE_TASKS_MAX][WEIR_OPRIG_PORTS]; /* up to the newest barrier */
	uint64_t epoch, round_from, round_through;
	uint32_t at; /* step being played */
	uint32_t frozen_at, durable_at; /* first step behind the barrier */
	uint64_t durable_epoch;
};

static struct {
	struct weir_out *out;
	uint32_t instance, instances;
	bool epochs;
} state_making;

static int state_make(struct weir_node *n, const struct weir_op_env *env)
{
	struct weir_op_env e = *env;

	e.epochs = state_making.epochs;
	e.instance = state_making.instance;
	e.instances = state_making.instances;
	n->part = e.epochs ? state_making.out : NULL;
	return state_init(n, &e);
}

static void tasks_start(struct state_tasks *t, uint32_t count, bool epochs)
{
	memset(t, 0, sizeof(*t));
	t->count = count;
	t->epochs = epochs;
	for (uint32_t i = 0; i < count; i++) {
		weir_out_init(&t->out[i], &weir_test_mem);
		state_making.out = &t->out[i];
		state_making.instance = i;
		state_making.instances = count;
		state_making.epochs = epochs;
		assert_int_equal(weir_oprig_init(&t->rig[i], state_make, state_step, state_in), 0);
	}
}

static void tasks_stop(struct state_tasks *t)
{
	for (uint32_t i = 0; i < t->count; i++) {
		weir_oprig_fini(&t->rig[i]);
		weir_out_fini(&t->out[i]);
	}
}

static const struct weir_state_ops *ops_of(struct state_tasks *t, uint32_t i)
{
	return t->rig[i].node[0].cls->state;
}

static int part_restore(struct state_tasks *t, uint32_t i, const struct state_part *p)
{
	struct weir_restore r = {.in = weir_reader_of(p->bytes.p, p->bytes.n),
				 .instance_then = p->instance,
				 .instances_then = p->instances,
				 .instance = i,
				 .instances = t->count};

	return ops_of(t, i)->restore(&t->rig[i].node[0], &r);
}

static void tasks_restore(struct state_tasks *t, uint64_t epoch)
{
	for (uint32_t i = 0; i < t->count; i++) {
		for (uint32_t k = 0; k < part_count; k++) {
			const struct state_part *p = &parts[k];

			if (p->epoch < base_from || p->epoch > epoch)
				continue;
			if (p->instances == t->count && p->instance != i)
				continue;
			if (part_restore(t, i, p) < 0)
				fail_msg("%s", t->rig[i].task.err.text);
		}
		assert_int_equal(ops_of(t, i)->restored(&t->rig[i].node[0]), 0);
	}
	t->epoch = epoch;
}

static void outputs_count(struct state_tasks *t, uint32_t to[][WEIR_OPRIG_PORTS])
{
	for (uint32_t i = 0; i < t->count; i++)
		for (uint32_t p = 0; p < WEIR_OPRIG_PORTS; p++)
			to[i][p] = t->rig[i].out[p].count;
}

static void outputs_take(struct state_tasks *t, uint32_t upto[][WEIR_OPRIG_PORTS],
			 struct state_lines *l)
{
	for (uint32_t i = 0; i < t->count; i++) {
		for (uint32_t p = 0; p < WEIR_OPRIG_PORTS; p++) {
			for (uint32_t k = 0; k < upto[i][p]; k++)
				if (t->rig[i].out[p].frame[k]->kind == WEIR_FRAME_DATA)
					lines_add(l, weir_oprig_text(&t->rig[i], p, k));
		}
	}
}

/* The epoch's parts are all complete: it is durable. */
static void epoch_durable(struct state_tasks *t)
{
	memcpy(t->durable, t->frozen, sizeof(t->durable));
	t->durable_at = t->frozen_at;
	t->durable_epoch = t->epoch;
	if (t->round_through == t->epoch) {
		base_from = t->round_from;
		parts_drop(base_from);
		t->round_from = t->round_through = 0;
	}
}

static void task_encode(struct state_tasks *t, uint32_t i, size_t budget)
{
	struct weir_node *n = &t->rig[i].node[0];

	if (!t->encoding[i] || !ops_of(t, i)->encode(n, n->part, budget))
		return;
	t->encoding[i] = n->frozen = false;
	assert_true(part_count < STATE_PARTS_MAX);
	parts[part_count++] = (struct state_part){.epoch = t->epoch,
						  .instance = i,
						  .instances = t->count,
						  .bytes = saved_of(&t->out[i])};
	for (uint32_t k = 0; k < t->count; k++)
		if (t->encoding[k])
			return;
	epoch_durable(t);
}

static void tasks_encode(struct state_tasks *t, size_t budget)
{
	for (uint32_t i = 0; i < t->count; i++)
		while (t->encoding[i])
			task_encode(t, i, budget);
}

static void tasks_barrier(struct state_tasks *t)
{
	bool through;

	tasks_encode(t, 100);
	through = t->round_from != 0;
	t->epoch++;
	for (uint32_t i = 0; i < t->count; i++) {
		weir_oprig_ctl(&t->rig[i], WEIR_FRAME_BARRIER, (int64_t)t->epoch);
		assert_true(t->rig[i].node[0].frozen);
		t->encoding[i] = true;
		through &= !t->touching[i];
	}
	if (through && !t->round_through)
		t->round_through = t->epoch;
	t->frozen_at = t->at + 1;
	outputs_count(t, t->frozen);
}

/* Some work between two rows. */
static void tasks_work(struct state_tasks *t, struct weir_prng *p)
{
	for (uint32_t i = 0; i < t->count; i++)
		if (weir_prng_chance(p, 1, 4))
			task_encode(t, i, weir_prng_below(p, 300));
	if (!t->round_from && weir_prng_chance(p, 1, 40)) {
		t->round_from = t->epoch + 1;
		for (uint32_t i = 0; i < t->count; i++)
			t->touching[i] = !ops_of(t, i)->touch(&t->rig[i].node[0], true, 0);
	}
	for (uint32_t i = 0; i < t->count; i++)
		if (t->touching[i] && weir_prng_chance(p, 1, 4))
			t->touching[i] = !ops_of(t, i)->touch(&t->rig[i].node[0], false,
							      weir_prng_below(p, 400));
}

static uint32_t task_of(const struct state_tasks *t, const struct weir_frame *f)
{
	uint64_t hash = weir_key_hash(f, state_in, state_key, state_keys);

	return (uint32_t)((uint64_t)weir_key_group(hash) * t->count / WEIR_KEY_GROUPS);
}

static void tasks_play(struct state_tasks *t, const struct state_step *s)
{
	if (s->kind == STATE_ROW)
		weir_oprig_put_frame(&t->rig[task_of(t, s->row)], s->row);
	for (uint32_t i = 0; i < t->count; i++) {
		if (s->kind == STATE_RUN || s->kind == STATE_BARRIER)
			weir_oprig_run(&t->rig[i]);
		else if (s->kind == STATE_WATERMARK)
			weir_oprig_watermark(&t->rig[i], s->watermark);
		assert_int_equal(t->rig[i].failed, 0);
	}
	if (s->kind == STATE_BARRIER && t->epochs)
		tasks_barrier(t);
}

/* ---- full saves ---- */

struct state_save {
	struct state_lines heads, records;
};

static void save_free(struct state_save *s)
{
	lines_free(&s->heads);
	lines_free(&s->records);
}

static void line_hex(struct state_lines *l, const uint8_t *p, size_t n)
{
	char *text = malloc(2 * n + 1);

	assert_non_null(text);
	text[0] = 0;
	for (size_t i = 0; i < n; i++)
		sprintf(text + 2 * i, "%02x", p[i]);
	lines_add(l, text);
	free(text);
}

/* A part: `head` bytes, the list of what is gone, records. */
static void part_lines(const struct saved *part, size_t head, struct state_save *s)
{
	struct weir_reader r = weir_reader_of(part->p, part->n);
	const uint8_t *p = weir_read(&r, head);

	assert_non_null(p);
	line_hex(&s->heads, p, head);
	assert_non_null(weir_read(&r, weir_read_varint(&r)));
	while (weir_reader_left(&r)) {
		size_t n = weir_read_u32(&r);

		p = weir_read(&r, n);
		assert_non_null(p);
		line_hex(&s->records, p, n);
	}
}

/* All state, written as an epoch that is not kept. The tasks go no further. */
static void tasks_save(struct state_tasks *t, size_t head, struct state_save *s)
{
	uint32_t keep;

	tasks_encode(t, 1000);
	keep = part_count;
	t->round_from = t->round_through = 0;
	for (uint32_t i = 0; i < t->count; i++)
		assert_true(ops_of(t, i)->touch(&t->rig[i].node[0], true, SIZE_MAX));
	tasks_barrier(t);
	tasks_encode(t, SIZE_MAX);
	while (part_count > keep) {
		part_lines(&parts[--part_count].bytes, head, s);
		saved_free(&parts[part_count].bytes);
	}
}

/* ---- the property ---- */

struct state_run {
	uint64_t seed;
	size_t head; /* bytes of a part before what is gone */
	uint32_t lives;
	const uint32_t *tasks; /* of each life, round and round */
	uint32_t task_counts;
};

static void reference_run(struct state_lines *ret_output)
{
	static struct state_tasks t;

	tasks_start(&t, 1, false);
	for (uint32_t i = 0; i < step_count; i++)
		tasks_play(&t, &steps[i]);
	weir_oprig_eos(&t.rig[0]);
	outputs_count(&t, t.durable);
	outputs_take(&t, t.durable, ret_output);
	tasks_stop(&t);
}

/* I4: restored into any number of tasks, the state is the same bytes as in those that wrote it. */
static void same_saves(uint64_t epoch, size_t head, uint32_t writers, struct state_save *saved)
{
	static struct state_tasks t;

	for (uint32_t count = 1; count <= (state_keys ? STATE_TASKS_MAX : 1); count++) {
		struct state_save here = {0};

		tasks_start(&t, count, true);
		tasks_restore(&t, epoch);
		tasks_save(&t, head, &here);
		lines_equal(&here.records, &saved->records);
		if (count == writers)
			lines_equal(&here.heads, &saved->heads);
		tasks_stop(&t);
		save_free(&here);
	}
}

/* A barrier right here, whose state others must come to as well. Nothing may be played behind it. */
static void life_ends_with_save(const struct state_run *run, struct state_tasks *t, uint32_t until)
{
	struct state_tasks mark;
	struct state_save saved = {0};

	t->at = until - 1;
	tasks_barrier(t);
	tasks_encode(t, 77);
	mark = *t;
	tasks_save(t, run->head, &saved);
	memcpy(t->durable, mark.durable, sizeof(t->durable));
	t->durable_at = mark.durable_at;
	t->durable_epoch = mark.durable_epoch;
	same_saves(t->durable_epoch, run->head, t->count, &saved);
	save_free(&saved);
}

/* Plays on from step *at until it is dropped, or the end. Leaves *at and *epoch at what is durable. */
static void life_run(const struct state_run *run, uint32_t life, struct weir_prng *p, uint32_t *at,
		     uint64_t *epoch, struct state_lines *output)
{
	static struct state_tasks t;
	bool last = life + 1 == run->lives;
	uint32_t left = step_count - *at;
	uint32_t until = last ? step_count : *at + (uint32_t)weir_prng_below(p, left / 2 + 1);

	tasks_start(&t, run->tasks[life % run->task_counts], true);
	tasks_restore(&t, *epoch);
	t.durable_at = *at;
	t.durable_epoch = *epoch;
	for (uint32_t i = 0; i < t.count; i++) {
		t.rig[i].seed = run->seed + life;
		t.rig[i].room = 20 + (uint32_t)weir_prng_below(p, 40);
	}
	for (t.at = *at; t.at < until; t.at++) {
		tasks_play(&t, &steps[t.at]);
		tasks_work(&t, p);
	}
	if (until > *at && !last && steps[until - 1].kind != STATE_ROW)
		life_ends_with_save(run, &t, until);
	if (last) {
		for (uint32_t i = 0; i < t.count; i++)
			weir_oprig_eos(&t.rig[i]);
		outputs_count(&t, t.durable);
	}
	outputs_take(&t, t.durable, output);
	*at = t.durable_at;
	*epoch = t.durable_epoch;
	tasks_stop(&t);
}

static void state_case_run(const struct state_run *run)
{
	struct weir_prng p = weir_prng_of(run->seed, "lives");
	struct state_lines expected = {0}, output = {0};
	uint32_t at = 0;
	uint64_t epoch = 0;

	reference_run(&expected);
	for (uint32_t life = 0; life < run->lives; life++) {
		life_run(run, life, &p, &at, &epoch, &output);
		/* Parts of an epoch that did not become complete. */
		while (part_count && parts[part_count - 1].epoch > epoch)
			saved_free(&parts[--part_count].bytes);
	}
	lines_equal(&output, &expected);
	lines_free(&output);
	lines_free(&expected);
}

/* ---- what the bytes mean, and damage ---- */

static const char *state_sign(void)
{
	static struct state_tasks t;
	static char text[4096];
	struct weir_buf b = weir_buf_of(text, sizeof(text) - 1);

	tasks_start(&t, 1, true);
	ops_of(&t, 0)->sign(&t.rig[0].node[0], &b);
	tasks_stop(&t);
	assert_false(b.full);
	text[b.len] = 0;
	return text;
}

/* Restores these bytes as a part of the only task; the text of its error. */
static const char *state_refused(const void *p, size_t n)
{
	static struct state_tasks t;
	static struct weir_err err;
	struct state_part part = {
		.epoch = 1, .instances = 1, .bytes = {.p = (uint8_t *)(uintptr_t)p, .n = n}};

	tasks_start(&t, 1, true);
	assert_int_equal(part_restore(&t, 0, &part), WEIR_E_CORRUPT);
	err = t.rig[0].task.err;
	tasks_stop(&t);
	return err.text;
}

/* Parts cut short and changed: restored or refused with a text, and played on with what was taken. */
static void state_case_damage(uint64_t seed, uint32_t rounds)
{
	static struct state_tasks t;
	struct weir_prng p = weir_prng_of(seed, "damage");

	for (uint32_t i = 0; i < rounds; i++) {
		const struct state_part *from = &parts[weir_prng_below(&p, part_count)];
		struct state_part bad = *from;
		int r;

		if (weir_prng_chance(&p, 1, 2))
			bad.bytes = saved_copy(&from->bytes, weir_prng_below(&p, from->bytes.n));
		else
			bad.bytes = saved_damaged(&from->bytes, &p);
		tasks_start(&t, 1, true);
		r = part_restore(&t, 0, from);
		assert_int_equal(r, 0);
		r = part_restore(&t, 0, &bad);
		if (r < 0) {
			assert_int_equal(r, WEIR_E_CORRUPT);
			assert_memory_equal(t.rig[0].task.err.text, "step `", 6);
		} else if (ops_of(&t, 0)->restored(&t.rig[0].node[0]) == 0) {
			weir_oprig_eos(&t.rig[0]);
		}
		tasks_stop(&t);
		saved_free(&bad.bytes);
	}
}

#endif
