/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "engine/core/tasks.h"
#include "tests/lib/test.h"

struct fixture {
	struct weir_region region;
	struct weir_pipeline p;
	struct weir_tasks t;
	struct weir_err err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	weir_region_init(&f->region, &weir_test_mem);
	f->p.step = calloc(WEIR_STEPS_MAX, sizeof(*f->p.step));
	assert_non_null(f->p.step);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	weir_region_fini(&f->region);
	free(f->p.step);
	free(f);
	return 0;
}

/* Appends a step that reads the main output of `from` (-1: none). */
static struct weir_step *step(struct fixture *f, enum weir_step_kind kind, int from)
{
	struct weir_step *s = &f->p.step[f->p.step_count++];

	s->kind = kind;
	s->fuse = true;
	if (from >= 0)
		s->input[s->input_count++].step = (uint16_t)from;
	if (kind == WEIR_STEP_SOURCE)
		s->source.connector = WEIR_CONN_FILE;
	if (kind == WEIR_STEP_SINK)
		s->sink.connector = WEIR_CONN_FILE;
	return s;
}

static struct weir_step *keyed(struct weir_step *s, uint32_t keys)
{
	s->keyed = true;
	s->key_count = keys;
	return s;
}

/* Every ring has one writer and one reader; the readers' lists name each ring once. */
static void check_rings(struct fixture *f)
{
	struct weir_tasks *t = &f->t;
	uint32_t *ring = calloc(t->ring_count + 1, sizeof(*ring)), total = 0;
	uint8_t *seen = calloc(t->ring_count + 1, 1);

	for (uint32_t task = 0; task < t->task_count; task++) {
		uint32_t n = weir_tasks_inputs(t, task, NULL, 0);

		assert_true(n <= t->ring_count);
		assert_int_equal(weir_tasks_inputs(t, task, ring, n), n);
		for (uint32_t i = 0; i < n; i++) {
			const struct weir_link *l = weir_tasks_ring_link(t, ring[i]);
			uint32_t writer = weir_tasks_ring_end(t, ring[i], 0), a, b;

			assert_int_equal(seen[ring[i]]++, 0);
			assert_int_equal(weir_tasks_ring_end(t, ring[i], 1), task);
			assert_int_equal(t->task_chain[task], l->to_chain);
			assert_int_equal(t->task_chain[writer], l->from_chain);
			a = writer - t->chain[l->from_chain].first_task;
			b = task - t->chain[l->to_chain].first_task;
			if (l->spread == WEIR_SPREAD_FORWARD) {
				assert_int_equal(a, b);
				b = 0;
			}
			assert_int_equal(l->first_ring + a * l->per_task + b, ring[i]);
		}
		total += n;
	}
	assert_int_equal(total, t->ring_count);
	free(ring);
	free(seen);
}

static void plan(struct fixture *f, uint32_t workers)
{
	assert_int_equal(weir_tasks_plan(&f->p, workers, &f->region, &f->t, &f->err), 0);
	check_rings(f);
}

static void test_tasks_a_plain_chain_is_one_task(void **state)
{
	struct fixture *f = *state;

	step(f, WEIR_STEP_SOURCE, -1);
	step(f, WEIR_STEP_FILTER, 0);
	step(f, WEIR_STEP_MAP, 1);
	step(f, WEIR_STEP_SINK, 2);
	plan(f, 8);
	assert_int_equal(f->t.chain_count, 1);
	assert_int_equal(f->t.task_count, 1);
	assert_int_equal(f->t.ring_count, 0);
	assert_int_equal(f->t.link_count, 0);
	assert_int_equal(f->t.chain[0].step_count, 4);
	for (uint16_t i = 0; i < 4; i++)
		assert_int_equal(f->t.chain[0].step[i], i);
}

static void test_tasks_keyed_steps_take_one_task_per_worker(void **state)
{
	struct fixture *f = *state;

	step(f, WEIR_STEP_SOURCE, -1);
	step(f, WEIR_STEP_FILTER, 0);
	keyed(step(f, WEIR_STEP_AGGREGATE, 1), 1);
	step(f, WEIR_STEP_FILTER, 2); /* as wide as its input: fused */
	step(f, WEIR_STEP_SINK, 3);
	plan(f, 4);
	assert_int_equal(f->t.chain_count, 3);
	assert_int_equal(f->t.step_parallelism[2], 4);
	assert_int_equal(f->t.step_parallelism[3], 4);
	assert_int_equal(f->t.step_parallelism[4], 1);
	assert_int_equal(f->t.step_chain[3], f->t.step_chain[2]);
	assert_int_equal(f->t.link_count, 2);
	assert_int_equal(f->t.link[0].spread, WEIR_SPREAD_KEY);
	assert_int_equal(f->t.link[0].from_step, 1);
	assert_int_equal(f->t.link[0].ring_count, 4);
	assert_int_equal(f->t.link[1].spread, WEIR_SPREAD_TURN);
	assert_int_equal(f->t.link[1].ring_count, 4);
	assert_int_equal(f->t.task_count, 1 + 4 + 1);
	/* One worker: a keyed step needs no exchange. */
	memset(&f->t, 0, sizeof(f->t));
	plan(f, 1);
	assert_int_equal(f->t.chain_count, 1);
}

static void test_tasks_defaults_of_parallelism(void **state)
{
	struct fixture *f = *state;

	step(f, WEIR_STEP_SOURCE, -1); /* 0: 1 */
	step(f, WEIR_STEP_SOURCE, -1)->source.connector = WEIR_CONN_NEXMARK; /* 1: workers */
	keyed(step(f, WEIR_STEP_TOP, 1), 0)->parallelism = 7; /* 2: 1 */
	keyed(step(f, WEIR_STEP_AGGREGATE, 1), 2)->parallelism = 3; /* 3: 3 */
	step(f, WEIR_STEP_UNION, 0)->input[1].step = 3; /* 4: the widest */
	f->p.step[4].input_count = 2;
	step(f, WEIR_STEP_SINK, 4)->sink.connector = WEIR_CONN_BLACKHOLE; /* 5: its input's */
	step(f, WEIR_STEP_SINK, 4); /* 6: 1 */
	step(f, WEIR_STEP_SINK, 4)->parallelism = 2; /* 7 */
	keyed(step(f, WEIR_STEP_KEY_BY, 4), 1); /* 8: workers */
	plan(f, 5);
	{
		static const uint32_t expected[] = {1, 5, 1, 3, 3, 3, 1, 2, 5};

		for (size_t i = 0; i < WEIR_COUNT_OF(expected); i++)
			assert_int_equal(f->t.step_parallelism[i], expected[i]);
	}
	/* The pipeline's own default is for generators and keyed steps. */
	f->p.parallelism = 2;
	plan(f, 5);
	{
		static const uint32_t expected[] = {1, 2, 1, 3, 3, 3, 1, 2, 2};

		for (size_t i = 0; i < WEIR_COUNT_OF(expected); i++)
			assert_int_equal(f->t.step_parallelism[i], expected[i]);
	}
}

static void test_tasks_fusion_can_be_forbidden(void **state)
{
	struct fixture *f = *state;

	step(f, WEIR_STEP_SOURCE, -1)->source.connector = WEIR_CONN_NEXMARK;
	step(f, WEIR_STEP_FILTER, 0)->fuse = false;
	step(f, WEIR_STEP_MAP, 1);
	plan(f, 3);
	assert_int_equal(f->t.chain_count, 2);
	assert_int_equal(f->t.step_chain[2], f->t.step_chain[1]);
	assert_int_equal(f->t.link[0].spread, WEIR_SPREAD_FORWARD);
	assert_int_equal(f->t.link[0].per_task, 1);
	assert_int_equal(f->t.link[0].ring_count, 3);
}

static void test_tasks_unions_and_branches(void **state)
{
	struct fixture *f = *state;
	struct weir_step *u;

	step(f, WEIR_STEP_SOURCE, -1);
	step(f, WEIR_STEP_SPLIT, 0);
	step(f, WEIR_STEP_FILTER, 1);
	step(f, WEIR_STEP_FILTER, 1)->input[0].port = 2;
	u = step(f, WEIR_STEP_UNION, 2);
	u->input[1] = (struct weir_input){.step = 3};
	u->input[2] = (struct weir_input){.step = 1, .port = 1};
	u->input_count = 3;
	step(f, WEIR_STEP_SINK, 4);
	plan(f, 2);
	/* Both branches are fused with the split; the union is behind three rings. */
	assert_int_equal(f->t.chain_count, 2);
	assert_int_equal(f->t.chain[0].step_count, 4);
	assert_int_equal(f->t.chain[1].step_count, 2);
	assert_int_equal(f->t.link_count, 3);
	assert_int_equal(f->t.link[2].from_step, 1);
	assert_int_equal(f->t.link[2].from_port, 1);
	assert_int_equal(f->t.ring_count, 3);
	assert_true(f->t.chain[0].weight > f->t.chain[1].weight);
}

static void test_tasks_random_graphs_have_consistent_rings(void **state)
{
	struct fixture *f = *state;
	uint64_t seed = 1;

	for (int round = 0; round < 200; round++) {
		uint32_t n;

		memset(f->p.step, 0, 40 * sizeof(*f->p.step));
		f->p.step_count = 0;
		n = 2 + (uint32_t)((seed = seed * 6364136223846793005u + 1) >> 60);
		for (uint32_t i = 0; i < n; i++) {
			uint64_t r = (seed = seed * 6364136223846793005u + 1) >> 20;
			bool source = i == 0 || r % 8 == 0;
			struct weir_step *s = step(
				f, source ? WEIR_STEP_SOURCE : WEIR_STEP_FILTER + (r >> 4) % 9, -1);

			s->parallelism = (uint32_t)((r >> 10) % 6);
			s->fuse = (r >> 13) % 4;
			if (source)
				continue;
			s->input_count = s->kind == WEIR_STEP_UNION ? 1 + (r >> 15) % 3 : 1;
			for (uint32_t k = 0; k < s->input_count; k++)
				s->input[k].step = (uint16_t)((r >> (16 + 4 * k)) % i);
			if ((r >> 30) % 3 == 0)
				keyed(s, (uint32_t)(r >> 33) % 2);
		}
		plan(f, 1 + (uint32_t)(seed >> 61));
		for (uint32_t i = 0; i < n; i++) {
			uint32_t c = f->t.step_chain[i];

			assert_int_equal(f->t.chain[c].parallelism, f->t.step_parallelism[i]);
		}
	}
}

static void test_tasks_limits(void **state)
{
	struct fixture *f = *state;

	step(f, WEIR_STEP_SOURCE, -1)->parallelism = 1024;
	for (int i = 0; i < 16; i++)
		step(f, WEIR_STEP_MAP, 0)->fuse = false;
	assert_int_equal(weir_tasks_plan(&f->p, 1, &f->region, &f->t, &f->err), WEIR_E_LIMIT);
	assert_string_equal(f->err.text,
			    "the pipeline needs 17408 tasks and 16384 rings (at most 16384 and "
			    "65536): lower `parallelism`");
	f->p.step_count = 2;
	keyed(&f->p.step[1], 1)->parallelism = 64;
	plan(f, 1);
	assert_int_equal(f->t.ring_count, 65536);
	f->p.step[1].parallelism = 65;
	assert_int_equal(weir_tasks_plan(&f->p, 1, &f->region, &f->t, &f->err), WEIR_E_LIMIT);
}

static void test_tasks_more_rings_than_can_be_counted(void **state)
{
	struct fixture *f = *state;

	/* 64 unions of 64 inputs, 1024 x 1024 rings each: 2^32, which 32 bits would take for none. The
	 * tasks alone are too many as well, so the text tells. */
	step(f, WEIR_STEP_SOURCE, -1)->parallelism = 1024;
	for (int i = 0; i < 64; i++) {
		struct weir_step *s = keyed(step(f, WEIR_STEP_AGGREGATE, 0), 1);

		s->parallelism = 1024;
		s->input_count = 64;
	}
	assert_int_equal(weir_tasks_plan(&f->p, 1, &f->region, &f->t, &f->err), WEIR_E_LIMIT);
	assert_non_null(strstr(f->err.text, "and 4294967296 rings"));
}

static void test_tasks_names_of_spreads(void **state)
{
	(void)state;
	assert_string_equal(weir_spread_name(WEIR_SPREAD_FORWARD), "forward");
	assert_string_equal(weir_spread_name(WEIR_SPREAD_KEY), "key");
	assert_string_equal(weir_spread_name(WEIR_SPREAD_TURN), "turn");
	assert_string_equal(weir_spread_name(0), "?");
	assert_string_equal(weir_spread_name(99), "?");
}

static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	TEST(test_tasks_a_plain_chain_is_one_task),
	TEST(test_tasks_keyed_steps_take_one_task_per_worker),
	TEST(test_tasks_defaults_of_parallelism),
	TEST(test_tasks_fusion_can_be_forbidden),
	TEST(test_tasks_unions_and_branches),
	TEST(test_tasks_random_graphs_have_consistent_rings),
	TEST(test_tasks_limits),
	TEST(test_tasks_more_rings_than_can_be_counted),
	TEST(test_tasks_names_of_spreads),
};

WEIR_TEST_MAIN("tasks", tests)
