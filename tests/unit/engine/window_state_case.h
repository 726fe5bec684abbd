/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/engine/window_state_case.h - random rows for windows that are killed and come back (state_case.h). */
#ifndef WEIR_TESTS_UNIT_ENGINE_WINDOW_STATE_CASE_H
#define WEIR_TESTS_UNIT_ENGINE_WINDOW_STATE_CASE_H

#include "tests/lib/winref.h"
#include "tests/unit/engine/state_case.h"

static struct winref ref;

static const uint32_t state_tasks_same[] = {1};
static const uint32_t state_tasks_change[] = {1, 3, 2};
static const uint32_t state_tasks_three[] = {3};

static void windows_are(struct weir_window_spec spec, enum winref_key key, bool top)
{
	winref_init(&ref, spec, key);
	if (top)
		winref_top(&ref, "v", 2, false, false);
	state_init = top ? weir_top_init : weir_aggregate_init;
	state_step = &ref.step;
	state_in = &ref.in;
	state_keys = top ? ref.step.top.key_count : ref.step.aggregate.key_count;
	memcpy(state_key, top ? ref.step.top.key : ref.step.aggregate.key, sizeof(state_key));
}

/* Time goes on by up to `pace` from row to row, rows are up to `disorder` behind it. */
static void window_steps(uint64_t seed, uint32_t rows, int64_t pace, int64_t disorder)
{
	uint64_t random = seed;
	int64_t now = -100, told = WEIR_TIME_MIN;

	for (uint32_t i = 0; i < rows; i++) {
		uint64_t r = winref_rand(&random);
		int64_t t = now - (int64_t)(r >> 8 & 0xffff) % (disorder + 1);

		state_add(STATE_ROW)->row = winref_random(&ref, &random, t);
		now += (int64_t)(r % (uint64_t)(pace + 1));
		if (i % 50 == 49 || (r >> 30) % 10 == 0)
			state_add(STATE_RUN);
		if ((r >> 40) % 20 == 0 && now - disorder / 2 > told) {
			told = now - disorder / 2;
			state_add(STATE_WATERMARK)->watermark = told;
		}
		if ((r >> 50) % 12 == 0)
			state_add(STATE_BARRIER);
	}
	state_add(STATE_RUN);
}

struct window_case {
	struct weir_window_spec spec;
	enum winref_key key;
	bool top;
	int64_t pace, disorder;
};

static void window_case_run(const struct window_case *c, size_t head, uint64_t seed)
{
	struct state_run run = {.seed = seed,
				.head = head,
				.lives = 7,
				.tasks = state_tasks_same,
				.task_counts = 1};

	windows_are(c->spec, c->key, c->top);
	if (state_keys && seed % 3 == 0) {
		run.tasks = state_tasks_three;
	} else if (state_keys && seed % 3 == 1) {
		run.tasks = state_tasks_change;
		run.task_counts = 3;
	}
	window_steps(seed, 500, c->pace, c->disorder);
	state_case_run(&run);
	state_case_damage(seed, 12);
	state_case_clear();
	winref_fini(&ref);
}

#endif
