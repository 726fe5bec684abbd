/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/engine/global_world.h - a global aggregate in several regions, without engines: the three nodes of each, joined by
 * queues that are slow, cut, and say things twice. Regions freeze, become durable some time later, crash and come back from
 * their parts. What is sent to others is what is durable.
 */
#ifndef WEIR_TESTS_UNIT_ENGINE_GLOBAL_WORLD_H
#define WEIR_TESTS_UNIT_ENGINE_GLOBAL_WORLD_H

#include <stdarg.h>

#include "base/prng.h"
#include "engine/core/global_int.h"
#include "tests/lib/oprig.h"
#include "tests/unit/engine/regions_case.h"
#include "tests/unit/engine/save_case.h"

#define WORLD_REGIONS 3
#define WORLD_KEYS 5
#define WORLD_EPOCHS 400
#define WORLD_INPUT 160
#define WORLD_MS INT64_C(1000000)

struct world_frames {
	struct weir_frame **frame;
	uint32_t count, cap;
};

struct world_input {
	int64_t time;
	uint32_t key;
	int64_t v;
	double f;
	uint32_t s;
	int64_t watermark; /* of the region before it */
};

enum { WORLD_PART, WORLD_MARK, WORLD_MERGE, WORLD_NODES };

/* What comes back after a crash. */
struct world_saved {
	uint32_t input_at, log, out, epoch;
	uint32_t cursor[WORLD_REGIONS];
	int64_t watermark[WORLD_NODES];
	bool ended;
};

struct world_region {
	struct weir_step step[WORLD_NODES];
	const struct weir_schema *in[WORLD_NODES];
	struct weir_oprig rig[WORLD_NODES];
	struct weir_out part[WORLD_NODES];
	struct saved bytes[WORLD_NODES][WORLD_EPOCHS];
	uint32_t base[WORLD_NODES]; /* epochs before are not needed */
	bool rebasing[WORLD_NODES];
	uint32_t taken[WORLD_NODES]; /* outputs of the rig that went on */
	struct world_frames log, out;
	struct world_saved now, frozen, durable;
	bool encoding;
};

struct world {
	struct weir_prng rnd;
	struct world_region region[WORLD_REGIONS];
	struct world_input input[WORLD_REGIONS][WORLD_INPUT];
	bool cut[WORLD_REGIONS][WORLD_REGIONS]; /* from, to */
	bool can_crash, can_cut, can_repeat;
	int64_t now_ns, size, slide, lateness;
	char why[256];
};

static struct {
	struct weir_out *out;
} world_making;

static bool world_dice(struct world *w, uint64_t of, uint64_t in)
{
	return weir_prng_chance(&w->rnd, of, in);
}

static void world_wrong(struct world *w, const char *fmt, ...)
{
	va_list ap;

	if (w->why[0])
		return;
	va_start(ap, fmt);
	vsnprintf(w->why, sizeof(w->why), fmt, ap);
	va_end(ap);
}

/* ---- frames ---- */

static void frames_add(struct world_frames *l, const struct weir_frame *f)
{
	uint32_t n = weir_frame_stride(f);

	if (l->count == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 64;
		l->frame = realloc(l->frame, l->cap * sizeof(*l->frame));
		assert_non_null(l->frame);
	}
	l->frame[l->count] = calloc(1, n);
	assert_non_null(l->frame[l->count]);
	memcpy(l->frame[l->count++], f, f->size);
}

static void frames_cut(struct world_frames *l, uint32_t count)
{
	while (l->count > count)
		free(l->frame[--l->count]);
}

/* ---- nodes ---- */

static int world_make(struct weir_node *n, const struct weir_op_env *env)
{
	static const weir_op_init_fn init[] = {
		[WEIR_STEP_AGGREGATE] = weir_aggregate_init,
		[WEIR_STEP_GLOBAL_MARK] = weir_global_mark_init,
		[WEIR_STEP_GLOBAL_MERGE] = weir_global_merge_init,
	};
	struct weir_op_env e = *env;

	e.epochs = true;
	n->part = world_making.out;
	return init[env->step->kind](n, &e);
}

static void region_stop(struct world_region *r)
{
	for (int i = 0; i < WORLD_NODES; i++) {
		weir_oprig_fini(&r->rig[i]);
		weir_out_fini(&r->part[i]);
	}
}

static void region_start(struct world *w, struct world_region *r)
{
	for (int i = 0; i < WORLD_NODES; i++) {
		struct weir_node *n = &r->rig[i].node[0];

		weir_out_init(&r->part[i], &weir_test_mem);
		world_making.out = &r->part[i];
		assert_int_equal(weir_oprig_init(&r->rig[i], world_make, &r->step[i], r->in[i]), 0);
		r->rig[i].room = 1 + (uint32_t)weir_prng_below(&w->rnd, 40);
		r->rig[i].seed = weir_prng_u64(&w->rnd) | 1;
		r->taken[i] = 0;
		r->rebasing[i] = false;
		for (uint32_t e = r->base[i]; e < r->durable.epoch; e++) {
			struct weir_restore in = {.in = weir_reader_of(r->bytes[i][e].p,
								       r->bytes[i][e].n),
						  .instances_then = 1,
						  .instances = 1};

			if (n->cls->state->restore(n, &in) < 0)
				world_wrong(w, "restore: %s", r->rig[i].task.err.text);
		}
		if (n->cls->state->restored && n->cls->state->restored(n) < 0)
			world_wrong(w, "restored: %s", r->rig[i].task.err.text);
		if (r->durable.epoch)
			n->watermark = r->durable.watermark[i];
	}
	r->now = r->frozen = r->durable;
	r->encoding = false;
	frames_cut(&r->log, r->durable.log);
	frames_cut(&r->out, r->durable.out);
}

static void region_crash(struct world *w, struct world_region *r)
{
	region_stop(r);
	for (int i = 0; i < WORLD_NODES; i++)
		for (uint32_t e = r->durable.epoch; e < WORLD_EPOCHS; e++) {
			saved_free(&r->bytes[i][e]);
			r->bytes[i][e] = (struct saved){0};
		}
	region_start(w, r);
}

static void check_failed(struct world *w, struct world_region *r)
{
	for (int i = 0; i < WORLD_NODES; i++)
		if (r->rig[i].failed)
			world_wrong(w, "node %d: %s", i, r->rig[i].task.err.text);
}

/* A record or control of a queue into a node; barriers are the caller's. */
static void node_takes(struct world_region *r, int node, const struct weir_frame *f)
{
	struct world_frames padded = {0};

	if (f->kind == WEIR_FRAME_DATA) {
		/* An output of a rig ends with its last byte. */
		frames_add(&padded, f);
		weir_oprig_put_frame(&r->rig[node], padded.frame[0]);
		frames_cut(&padded, 0);
		free(padded.frame);
	} else if (f->kind != WEIR_FRAME_BARRIER) {
		weir_oprig_ctl(&r->rig[node], f->kind, f->time_ns);
	}
}

/* What the part gave goes to the mark, what that gives to the log, and from there to the own merge. */
static void region_flow(struct world_region *r)
{
	struct weir_oprig_out *part = &r->rig[WORLD_PART].out[0], *mark;

	for (; r->taken[WORLD_PART] < part->count; r->taken[WORLD_PART]++)
		node_takes(r, WORLD_MARK, part->frame[r->taken[WORLD_PART]]);
	mark = &r->rig[WORLD_MARK].out[0];
	for (; r->taken[WORLD_MARK] < mark->count; r->taken[WORLD_MARK]++)
		if (mark->frame[r->taken[WORLD_MARK]]->kind != WEIR_FRAME_BARRIER)
			frames_add(&r->log, mark->frame[r->taken[WORLD_MARK]]);
}

static void merge_takes(struct world_region *r, uint32_t from, const struct world_frames *log,
			uint32_t until)
{
	for (; r->now.cursor[from] < until; r->now.cursor[from]++)
		/* The end of one is not the end of all. */
		if (log->frame[r->now.cursor[from]]->kind != WEIR_FRAME_EOS)
			node_takes(r, WORLD_MERGE, log->frame[r->now.cursor[from]]);
	weir_oprig_run(&r->rig[WORLD_MERGE]);
}

/* ---- epochs ---- */

static void region_encode(struct world *w, struct world_region *r, size_t budget)
{
	bool all = true;

	if (!r->encoding)
		return;
	for (int i = 0; i < WORLD_NODES; i++) {
		struct weir_node *n = &r->rig[i].node[0];

		if (n->frozen &&
		    (!n->cls->state->encode || n->cls->state->encode(n, n->part, budget))) {
			r->bytes[i][r->frozen.epoch - 1] = saved_of(&r->part[i]);
			n->frozen = false;
		}
		all = all && !n->frozen;
	}
	if (!all)
		return;
	r->encoding = false;
	r->durable = r->frozen;
	for (int i = 0; i < WORLD_NODES; i++) {
		if (!r->rebasing[i])
			continue;
		r->base[i] = r->durable.epoch - 1;
		r->rebasing[i] = false;
	}
	(void)w;
}

static void region_barrier(struct world *w, struct world_region *r)
{
	struct weir_oprig_out *out = &r->rig[WORLD_MERGE].out[0];
	uint32_t self = (uint32_t)(r - w->region);

	while (r->encoding)
		region_encode(w, r, 200);
	if (r->now.epoch == WORLD_EPOCHS)
		return;
	/* Everything counts as changed: this epoch stands alone. */
	for (int i = 0; i < WORLD_NODES; i++) {
		struct weir_node *n = &r->rig[i].node[0];

		weir_oprig_run(&r->rig[i]);
		if (!n->cls->state->touch)
			continue;
		r->rebasing[i] = world_dice(w, 1, 8);
		if (r->rebasing[i])
			for (bool begin = true; !n->cls->state->touch(n, begin, 100);)
				begin = false;
	}
	r->now.epoch++;
	weir_oprig_ctl(&r->rig[WORLD_PART], WEIR_FRAME_BARRIER, r->now.epoch);
	region_flow(r);
	weir_oprig_ctl(&r->rig[WORLD_MARK], WEIR_FRAME_BARRIER, r->now.epoch);
	region_flow(r);
	r->rig[WORLD_MERGE].task.now_ns = w->now_ns;
	merge_takes(r, self, &r->log, r->log.count);
	weir_oprig_ctl(&r->rig[WORLD_MERGE], WEIR_FRAME_BARRIER, r->now.epoch);
	for (; r->taken[WORLD_MERGE] < out->count; r->taken[WORLD_MERGE]++)
		frames_add(&r->out, out->frame[r->taken[WORLD_MERGE]]);
	r->now.log = r->log.count;
	r->now.out = r->out.count;
	for (int i = 0; i < WORLD_NODES; i++)
		r->now.watermark[i] = r->rig[i].node[0].watermark;
	r->frozen = r->now;
	r->encoding = true;
	check_failed(w, r);
}

/* ---- input ---- */

static void world_row(struct world_region *r, const struct world_input *in)
{
	static const char *const text[WORLD_KEYS] = {"a", "", "key", "another key", NULL};
	static const char *const who[] = {"x", "y", "zz", ""};
	struct weir_oprig_value v[] = {
		WEIR_ROW_I(in->time), WEIR_ROW_S(text[in->key]), WEIR_ROW_I(in->v),
		WEIR_ROW_F(in->f),    WEIR_ROW_S(who[in->s]),
	};

	v[1].null = !text[in->key];
	weir_oprig_put(&r->rig[WORLD_PART], in->time, v);
}

static void region_read(struct world *w, struct world_region *r, uint32_t rows)
{
	const struct world_input *input = w->input[r - w->region];

	for (; rows && r->now.input_at < WORLD_INPUT; rows--, r->now.input_at++) {
		const struct world_input *in = &input[r->now.input_at];

		if (in->watermark > (r->now.input_at ? in[-1].watermark : WEIR_TIME_MIN))
			weir_oprig_watermark(&r->rig[WORLD_PART], in->watermark);
		world_row(r, in);
	}
	if (r->now.input_at == WORLD_INPUT && !r->now.ended) {
		weir_oprig_eos(&r->rig[WORLD_PART]);
		r->now.ended = true;
	}
	region_flow(r);
	check_failed(w, r);
}

/* Each region has its own pace; records are up to 60 out of order, watermarks come now and then. */
static void world_inputs(struct world *w)
{
	static const double number[] = {0.1, 1e16, -1e16, 0.3, -0.7, 1e-9, 3.0, 2e15};

	for (uint32_t r = 0; r < WORLD_REGIONS; r++) {
		int64_t now = (int64_t)weir_prng_below(&w->rnd, 50), told = WEIR_TIME_MIN;

		for (uint32_t i = 0; i < WORLD_INPUT; i++) {
			now += (int64_t)weir_prng_below(&w->rnd, 12);
			if (world_dice(w, 1, 6) && now - 20 > told)
				told = now - 20;
			w->input[r][i] = (struct world_input){
				.time = now - (int64_t)weir_prng_below(&w->rnd, 60),
				.key = (uint32_t)weir_prng_below(&w->rnd, WORLD_KEYS),
				.v = (int64_t)weir_prng_below(&w->rnd, 400) - 200,
				.f = number[weir_prng_below(&w->rnd, WEIR_COUNT_OF(number))],
				.s = (uint32_t)weir_prng_below(&w->rnd, 4),
				.watermark = told,
			};
		}
	}
}

/* ---- set-up ---- */

static void world_steps(struct world *w, uint32_t here)
{
	const struct weir_pipeline *p = plan_of(here, WORLD_REGIONS);
	struct world_region *r = &w->region[here];
	static const char *const name[WORLD_NODES] = {"a+part", "a+mark", "a"};

	assert_non_null(p);
	for (int i = 0; i < WORLD_NODES; i++) {
		int at = weir_pipeline_find(p, weir_str_c(name[i]));
		const struct weir_input *in;

		assert_true(at >= 0);
		r->step[i] = p->step[at];
		in = &r->step[i].input[0];
		r->in[i] = p->step[in->step].port[in->port].schema;
	}
}

static void world_init(struct world *w, uint64_t seed)
{
	static const struct {
		const char *window;
		int64_t size, slide, lateness;
	} window[] = {{"tumbling: 100ns", 100, 100, 0},
		      {"tumbling: 80ns, lateness: 40ns", 80, 80, 40},
		      {"sliding: 90ns, every: 30ns, lateness: 30ns", 90, 30, 30},
		      {"sliding: 70ns, every: 30ns", 70, 30, 0},
		      {"tumbling: 100ns, lateness: 200ns", 100, 100, 200}};
	static const char *const provisional[] = {"off", "10ms", "40ms"};
	char text[1024];
	uint64_t k;

	memset(w, 0, sizeof(*w));
	w->rnd = weir_prng_of(seed, "global worlds");
	k = weir_prng_below(&w->rnd, WEIR_COUNT_OF(window));
	w->size = window[k].size;
	w->slide = window[k].slide;
	w->lateness = window[k].lateness;
	w->can_crash = world_dice(w, 2, 3);
	w->can_cut = world_dice(w, 2, 3);
	w->can_repeat = world_dice(w, 1, 2);
	w->now_ns = 1000 * WORLD_MS;
	snprintf(text, sizeof(text),
		 HEAD
		 "  s: {source: {file: {path: a.jsonl}}, schema: {t: timestamp, k: \"string?\", v: "
		 "int64, f: float64, s: string}, event_time: t}\n"
		 "  a:\n    from: s\n    key_by: [k]\n    window: {%s}\n    scope: global\n"
		 "    provisional: %s\n    aggregate: {low: min(v), n: count(), total: sum(v), f: "
		 "sum(f), who: \"arg_max(s, v)\", d: distinct(s), mean: avg(v)}\n"
		 "  o: {from: a, sink: blackhole}\n",
		 window[k].window, provisional[weir_prng_below(&w->rnd, 3)]);
	parse(text);
	world_inputs(w);
	for (uint32_t r = 0; r < WORLD_REGIONS; r++) {
		world_steps(w, r);
		region_start(w, &w->region[r]);
	}
}

static void world_fini(struct world *w)
{
	for (uint32_t k = 0; k < WORLD_REGIONS; k++) {
		struct world_region *r = &w->region[k];

		region_stop(r);
		for (int i = 0; i < WORLD_NODES; i++)
			for (uint32_t e = 0; e < WORLD_EPOCHS; e++)
				saved_free(&r->bytes[i][e]);
		frames_cut(&r->log, 0);
		frames_cut(&r->out, 0);
		free(r->log.frame);
		free(r->out.frame);
	}
	parsed_free(&parsed);
}

#endif
