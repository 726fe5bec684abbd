/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include "numa/plan.h"

#define BIG "package:2 numa:2 l3:1 core:8 pu:2"
#define TASKS_MAX 400
#define LINKS_MAX 4000

static struct weir_topo topo;
static struct weir_region region;
static struct weir_plan plan;
static struct weir_plan_task task[TASKS_MAX];
static struct weir_plan_link link_[LINKS_MAX];
static uint32_t tasks, links;

static int setup(void **state)
{
	(void)state;
	weir_region_init(&region, &weir_test_mem);
	tasks = links = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	weir_region_fini(&region);
	return 0;
}

static void machine(const char *description, const char *allowed)
{
	assert_int_equal(weir_topo_synthetic(description, allowed, &topo, NULL), 0);
}

static uint32_t add_task(uint32_t weight, uint32_t group)
{
	assert_true(tasks < TASKS_MAX);
	task[tasks] = (struct weir_plan_task){weight, group};
	return tasks++;
}

static void add_link(uint32_t from, uint32_t to, uint32_t weight)
{
	assert_true(links < LINKS_MAX);
	link_[links++] = (struct weir_plan_link){from, to, weight};
}

static int place(uint32_t workers)
{
	return weir_plan_place(&topo, workers, task, tasks, link_, links, &region, &plan);
}

static const struct weir_cpu *cpu(uint32_t worker)
{
	return &topo.cpu[plan.worker_cpu[worker]];
}

static uint64_t load(uint32_t worker)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < tasks; i++)
		sum += plan.task_worker[i] == worker ? task[i].weight : 0;
	return sum;
}

static void test_one_core(void **state)
{
	(void)state;
	machine("package:1 core:1 pu:1", NULL);
	for (uint32_t i = 0; i < 5; i++)
		add_task(1 + i, i);
	assert_int_equal(place(0), 0);
	assert_int_equal(plan.worker_count, 1);
	assert_int_equal(plan.worker_cpu[0], 0);
	assert_false(plan.oversubscribed);
	assert_int_equal(load(0), 15);
}

static void test_two_cores(void **state)
{
	uint32_t a, b, c, d;

	(void)state;
	machine("package:1 l3:1 core:2 pu:1", NULL);
	a = add_task(1, 0);
	b = add_task(1, 1);
	c = add_task(1, 2);
	d = add_task(1, 3);
	add_link(a, b, 1);
	add_link(c, d, 1);
	assert_int_equal(place(0), 0);
	assert_int_equal(plan.worker_count, 2);
	assert_int_not_equal(plan.worker_cpu[0], plan.worker_cpu[1]);
	/* Even, and those that talk stay together. */
	assert_int_equal(load(0), 2);
	assert_int_equal(plan.task_worker[a], plan.task_worker[b]);
	assert_int_equal(plan.task_worker[c], plan.task_worker[d]);
	assert_int_not_equal(plan.task_worker[a], plan.task_worker[c]);
}

/* The greedy pass separates them (it takes heavy tasks first); the later passes bring them home. */
static void test_improvement(void **state)
{
	uint32_t a, b, a2, b2;

	(void)state;
	machine("package:1 l3:1 core:2 pu:1", NULL);
	a = add_task(20, 0);
	b = add_task(20, 1);
	a2 = add_task(3, 2);
	b2 = add_task(2, 3);
	add_link(a, b2, 1);
	add_link(b2, a2, 5);
	add_link(b, b2, 9);
	assert_int_equal(place(0), 0);
	assert_int_not_equal(plan.task_worker[a], plan.task_worker[b]);
	assert_int_equal(plan.task_worker[a2], plan.task_worker[b2]);
	assert_int_equal(plan.task_worker[b2], plan.task_worker[b]);
}

static void test_fewer_tasks_than_cores(void **state)
{
	(void)state;
	machine(BIG, NULL);
	for (uint32_t i = 0; i < 3; i++)
		add_task(1, i);
	assert_int_equal(place(0), 0);
	assert_int_equal(plan.worker_count, 3);
}

/* 0: one per core, siblings left out; and all siblings only after all cores. */
static void test_smt(void **state)
{
	bool used[64] = {false};

	(void)state;
	machine(BIG, NULL);
	for (uint32_t i = 0; i < 100; i++)
		add_task(1, i);
	assert_int_equal(place(0), 0);
	assert_int_equal(plan.worker_count, 32);
	for (uint32_t w = 0; w < 32; w++) {
		assert_int_equal(cpu(w)->smt, 0);
		assert_false(used[plan.worker_cpu[w]]);
		used[plan.worker_cpu[w]] = true;
	}
	assert_int_equal(place(40), 0);
	assert_false(plan.oversubscribed);
	for (uint32_t w = 0; w < 40; w++)
		assert_int_equal(cpu(w)->smt, w >= 32);
}

/* Few workers stay on one L3; more on one package; both with the next free core as neighbour. */
static void test_compact(void **state)
{
	(void)state;
	machine(BIG, NULL);
	for (uint32_t i = 0; i < 64; i++)
		add_task(1, i);
	for (uint32_t n = 1; n <= 32; n++) {
		assert_int_equal(place(n), 0);
		for (uint32_t w = 0; w < n; w++) {
			if (n <= 8)
				assert_int_equal(cpu(w)->l3, cpu(0)->l3);
			if (n <= 16)
				assert_int_equal(cpu(w)->package, cpu(0)->package);
		}
	}
}

/* With holes: the part that fits best, not the first one. */
static void test_holes(void **state)
{
	(void)state;
	/* Cores: L3 0 has 1 (cpu 1), L3 1 has 3 (16, 18, 20), L3 2 has 8 (32..46), L3 3 has 2. */
	machine(BIG, "1,16,18,20,32-47,50-53");
	for (uint32_t i = 0; i < 20; i++)
		add_task(1, i);
	assert_int_equal(place(3), 0);
	for (uint32_t w = 0; w < 3; w++)
		assert_int_equal(cpu(w)->l3, 1);
	assert_int_equal(place(2), 0);
	for (uint32_t w = 0; w < 2; w++)
		assert_int_equal(cpu(w)->l3, 3);
	assert_int_equal(place(1), 0);
	assert_int_equal(cpu(0)->os_index, 1);
	assert_int_equal(place(9), 0);
	for (uint32_t w = 0; w < 9; w++)
		assert_int_equal(cpu(w)->package, 1);
	assert_int_equal(place(0), 0);
	assert_int_equal(plan.worker_count, 14);
	for (uint32_t w = 0; w < 14; w++)
		assert_int_equal(cpu(w)->smt, 0);
	assert_int_equal(place(24), 0);
	assert_false(plan.oversubscribed);
}

static void test_oversubscribed(void **state)
{
	uint32_t on_cpu[2] = {0, 0};

	(void)state;
	machine("package:1 l3:1 core:2 pu:1", NULL);
	for (uint32_t i = 0; i < 8; i++)
		add_task(1, i);
	assert_int_equal(place(6), 0);
	assert_true(plan.oversubscribed);
	assert_int_equal(plan.worker_count, 6);
	for (uint32_t w = 0; w < 6; w++)
		on_cpu[plan.worker_cpu[w]]++;
	assert_int_equal(on_cpu[0], 3);
	assert_int_equal(on_cpu[1], 3);
	/* More workers than tasks is the caller's wish. */
	assert_int_equal(place(20), 0);
	assert_int_equal(plan.worker_count, 20);
	assert_int_equal(place(1024), 0);
}

/* Four sources, four windows, all-to-all: one of each on every worker. */
static void test_groups_spread(void **state)
{
	(void)state;
	machine("package:1 l3:1 core:4 pu:1", NULL);
	for (uint32_t i = 0; i < 4; i++)
		add_task(1, 7);
	for (uint32_t i = 0; i < 4; i++)
		add_task(3, UINT32_MAX);
	for (uint32_t i = 0; i < 4; i++)
		for (uint32_t k = 0; k < 4; k++)
			add_link(i, 4 + k, 1);
	assert_int_equal(place(0), 0);
	for (uint32_t w = 0; w < 4; w++)
		assert_int_equal(load(w), 4);
	for (uint32_t i = 0; i < 4; i++)
		for (uint32_t k = 0; k < i; k++) {
			assert_int_not_equal(plan.task_worker[i], plan.task_worker[k]);
			assert_int_not_equal(plan.task_worker[4 + i], plan.task_worker[4 + k]);
		}
}

/* A task heavier than its share has a worker to itself; the rest is shared evenly. */
static void test_heavy_task(void **state)
{
	uint32_t heavy;

	(void)state;
	machine("package:1 l3:1 core:4 pu:1", NULL);
	for (uint32_t i = 0; i < 6; i++)
		add_task(1, i);
	heavy = add_task(10, 6);
	for (uint32_t i = 0; i < 6; i++)
		add_link(i, heavy, 100);
	assert_int_equal(place(0), 0);
	for (uint32_t i = 0; i < 6; i++)
		assert_int_not_equal(plan.task_worker[i], plan.task_worker[heavy]);
	for (uint32_t w = 0; w < 4; w++)
		assert_int_equal(load(w), w == plan.task_worker[heavy] ? 10 : 2);
}

/* Two busy pairs on a machine with two nodes: each pair on one L3. */
static void test_near(void **state)
{
	uint32_t t[4];

	(void)state;
	machine("package:2 l3:1 core:2 pu:1", NULL);
	for (uint32_t i = 0; i < 4; i++)
		t[i] = add_task(10, i);
	add_link(t[0], t[3], 9);
	add_link(t[1], t[2], 9);
	assert_int_equal(place(0), 0);
	assert_int_equal(plan.worker_count, 4);
	for (uint32_t w = 0; w < 4; w++)
		assert_int_equal(load(w), 10);
	assert_int_equal(cpu(plan.task_worker[t[0]])->l3, cpu(plan.task_worker[t[3]])->l3);
}

static void test_refused(void **state)
{
	(void)state;
	machine("pu:2", NULL);
	assert_int_equal(place(0), WEIR_E_RANGE); /* no task */
	add_task(1, 0);
	assert_int_equal(place(1025), WEIR_E_RANGE);
	add_link(0, 1, 1);
	assert_int_equal(place(0), WEIR_E_RANGE); /* no task 1 */
	links = 0;
	assert_int_equal(weir_plan_place(&topo, 1, task, UINT32_MAX, NULL, 0, &region, &plan),
			 WEIR_E_RANGE);
	topo.cpu_count = 0;
	assert_int_equal(place(0), WEIR_E_RANGE);
}

static uint64_t rng;

static uint32_t draw(uint32_t n)
{
	rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((rng >> 33) % n);
}

/* A pipeline of chains with random parallelism, weights and exchanges. */
static void random_graph(uint64_t seed)
{
	uint32_t first = 0, count = 0;

	rng = seed;
	tasks = links = 0;
	for (uint32_t step = 0, steps = 1 + draw(8); step < steps; step++) {
		uint32_t n = 1 + draw(12), weight = 1 + draw(draw(4) ? 5 : 200), from = tasks;

		for (uint32_t i = 0; i < n; i++)
			add_task(weight, step);
		for (uint32_t i = 0; i < count; i++)
			for (uint32_t k = 0; k < n; k++)
				if (draw(3))
					add_link(first + i, from + k, 1 + draw(50));
		first = from;
		count = n;
	}
}

/*
 * Balance: nobody has more than the larger of 9/8 of the average and average plus one task; equal
 * instances of one group differ by at most one per worker when nothing else limits them.
 * Determinism: same input, same plan, whatever memory it lands in.
 */
static void test_properties(void **state)
{
	static const char *const shape[] = {"pu:1", "package:1 l3:1 core:2 pu:1", BIG,
					    "package:2 core:3 pu:1"};

	(void)state;
	for (uint64_t seed = 1; seed <= 400; seed++) {
		uint32_t workers, *copy;
		uint64_t total = 0, heaviest = 0;

		random_graph(seed);
		machine(shape[seed % WEIR_COUNT_OF(shape)], NULL);
		workers = draw(3) ? draw(20) : 0;
		assert_int_equal(place(workers), 0);
		assert_int_equal(plan.oversubscribed, plan.worker_count > topo.cpu_count);
		for (uint32_t i = 0; i < tasks; i++) {
			assert_true(plan.task_worker[i] < plan.worker_count);
			total += task[i].weight;
			heaviest = WEIR_MAX(heaviest, task[i].weight);
		}
		for (uint32_t w = 0; w < plan.worker_count; w++) {
			uint64_t bound = total / plan.worker_count + 1 + heaviest;

			assert_true(plan.worker_cpu[w] < topo.cpu_count);
			assert_true(load(w) <= WEIR_MAX(bound, 9 * total / plan.worker_count / 8));
		}
		copy = malloc(tasks * sizeof(*copy));
		memcpy(copy, plan.task_worker, tasks * sizeof(*copy));
		assert_int_equal(place(workers), 0);
		assert_memory_equal(copy, plan.task_worker, tasks * sizeof(*copy));
		free(copy);
		weir_region_fini(&region);
		weir_region_init(&region, &weir_test_mem);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static const struct CMUnitTest tests_[] = {
	TEST(test_one_core),
	TEST(test_two_cores),
	TEST(test_improvement),
	TEST(test_smt),
	TEST(test_fewer_tasks_than_cores),
	TEST(test_compact),
	TEST(test_holes),
	TEST(test_oversubscribed),
	TEST(test_groups_spread),
	TEST(test_heavy_task),
	TEST(test_near),
	TEST(test_refused),
	TEST(test_properties),
};

WEIR_TEST_MAIN("numa_plan", tests_)
