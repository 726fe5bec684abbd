/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include <sched.h>
#include <unistd.h>

#include "numa/topo.h"

#define BIG "package:2 numa:2 l3:1 core:8 pu:2"

static struct weir_topo topo;
static struct weir_err err;

static void test_one_core(void **state)
{
	(void)state;
	assert_int_equal(weir_topo_synthetic("package:1 core:1 pu:1", NULL, &topo, &err), 0);
	assert_int_equal(topo.cpu_count, 1);
	assert_int_equal(topo.machine_cpu_count, 1);
	assert_int_equal(topo.node_count, 1);
	assert_int_equal(topo.cpu[0].os_index, 0);
	assert_int_equal(topo.cpu[0].smt, 0);
	assert_int_equal(topo.cpu[0].l3, 0);
	assert_string_equal(topo.summary, "1 cpu, 1 package, 1 node, 1 L3");
}

static void test_two_cores(void **state)
{
	(void)state;
	assert_int_equal(weir_topo_synthetic("package:1 l3:1 core:2 pu:1", NULL, &topo, &err), 0);
	assert_int_equal(topo.cpu_count, 2);
	assert_int_equal(topo.cpu[0].core, 0);
	assert_int_equal(topo.cpu[1].core, 1);
	assert_int_equal(topo.cpu[1].l3, topo.cpu[0].l3);
	assert_string_equal(topo.summary, "2 cpus, 1 package, 1 node, 1 L3");
}

static void test_big(void **state)
{
	(void)state;
	assert_int_equal(weir_topo_synthetic(BIG, NULL, &topo, &err), 0);
	assert_int_equal(topo.cpu_count, 64);
	assert_int_equal(topo.node_count, 4);
	for (uint32_t i = 0; i < topo.cpu_count; i++) {
		assert_int_equal(topo.cpu[i].os_index, i);
		assert_int_equal(topo.cpu[i].smt, i % 2);
		assert_int_equal(topo.cpu[i].core, i / 2);
		assert_int_equal(topo.cpu[i].l3, i / 16);
		assert_int_equal(topo.cpu[i].node, i / 16);
		assert_int_equal(topo.cpu[i].package, i / 32);
	}
	for (uint32_t n = 0; n < topo.node_count; n++) {
		assert_int_equal(topo.node_os[n], n);
		assert_true(topo.node_bytes[n] > 0);
	}
	assert_string_equal(topo.summary, "64 cpus, 32 cores, 2 packages, 4 nodes, 4 L3");
}

static void test_holes(void **state)
{
	static const uint16_t expect[] = {1, 3, 4, 5, 40, 41, 63};

	(void)state;
	/* Cpu 0 is not allowed, so its sibling 1 is the first thread of core 0. */
	assert_int_equal(weir_topo_synthetic(BIG, "1,3-5,40-41,63", &topo, &err), 0);
	assert_int_equal(topo.cpu_count, WEIR_COUNT_OF(expect));
	assert_int_equal(topo.machine_cpu_count, 64);
	for (uint32_t i = 0; i < topo.cpu_count; i++)
		assert_int_equal(topo.cpu[i].os_index, expect[i]);
	assert_int_equal(topo.cpu[0].smt, 0);
	assert_int_equal(topo.cpu[0].core, 0);
	assert_int_equal(topo.cpu[1].smt, 0);
	assert_int_equal(topo.cpu[2].smt, 0);
	assert_int_equal(topo.cpu[3].smt, 1);
	assert_int_equal(topo.cpu[4].node, 2);
	assert_int_equal(topo.cpu[6].node, 3);
	/* Nodes keep the machine's numbers. */
	assert_int_equal(topo.node_count, 4);
	assert_string_equal(topo.summary, "7 of 64 cpus, 5 cores, 2 packages, 3 nodes, 3 L3");
}

/* Without an L3 the package stands for it. */
static void test_no_l3(void **state)
{
	(void)state;
	assert_int_equal(weir_topo_synthetic("package:2 core:2 pu:1", NULL, &topo, &err), 0);
	assert_int_equal(topo.cpu[0].l3, 0);
	assert_int_equal(topo.cpu[1].l3, 0);
	assert_int_equal(topo.cpu[2].l3, 1);
	assert_int_equal(topo.cpu[3].l3, 1);
}

static void test_no_core_level(void **state)
{
	(void)state;
	assert_int_equal(weir_topo_synthetic("pu:3", NULL, &topo, &err), 0);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(topo.cpu[i].core, i);
		assert_int_equal(topo.cpu[i].smt, 0);
		assert_int_equal(topo.cpu[i].package, 0);
	}
}

/* More than fits: the rest is left out and the summary says so. */
static void test_limits(void **state)
{
	(void)state;
	assert_int_equal(weir_topo_synthetic("numa:2 core:1024 pu:1", NULL, &topo, &err), 0);
	assert_int_equal(topo.cpu_count, WEIR_CPUS_MAX);
	assert_int_equal(topo.machine_cpu_count, 2048);
	assert_string_equal(topo.summary, "1024 of 2048 cpus, 1 package, 1 node, 1 L3");

	assert_int_equal(weir_topo_synthetic("numa:80 core:2 pu:1", NULL, &topo, &err), 0);
	assert_int_equal(topo.node_count, WEIR_NODES_MAX);
	assert_int_equal(topo.cpu_count, 2 * WEIR_NODES_MAX);
}

static void test_bad_description(void **state)
{
	(void)state;
	assert_int_equal(weir_topo_synthetic("two big sockets", NULL, &topo, &err), WEIR_E_FORMAT);
	assert_non_null(strstr(err.text, "\"two big sockets\" is not a topology"));
	assert_int_equal(weir_topo_synthetic("", NULL, &topo, NULL), WEIR_E_FORMAT);
}

static void test_bad_list(void **state)
{
	static const char *const bad[] = {"",	",",   "1,",  "a",     "1-",
					  "-1", "3-1", "1 2", "1-2-3", "0x1"};

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(bad); i++) {
		assert_int_equal(weir_topo_synthetic(BIG, bad[i], &topo, &err), WEIR_E_FORMAT);
		assert_non_null(strstr(err.text, "is not a list of cpus"));
	}
	assert_int_equal(weir_topo_synthetic(BIG, "99999999999999999999", &topo, &err),
			 WEIR_E_RANGE);
	assert_int_equal(weir_topo_synthetic(BIG, "64-70", &topo, &err), WEIR_E_RANGE);
	assert_non_null(strstr(err.text, "none of the 64 cpus is allowed"));
}

static void test_this_machine(void **state)
{
	cpu_set_t allowed;

	(void)state;
	assert_int_equal(weir_topo_load(&topo, &err), 0);
	assert_int_equal(sched_getaffinity(getpid(), sizeof(allowed), &allowed), 0);
	assert_true(topo.cpu_count >= 1 && topo.cpu_count <= topo.machine_cpu_count);
	assert_true(topo.node_count >= 1);
	assert_true(topo.summary[0] != '\0');
	for (uint32_t i = 0; i < topo.cpu_count; i++)
		assert_true(CPU_ISSET(topo.cpu[i].os_index, &allowed));
}

/* A mask set with taskset is respected, also by a process that is not in a cpuset. */
static void test_affinity_mask(void **state)
{
	cpu_set_t before, one;
	unsigned last;

	(void)state;
	assert_int_equal(weir_topo_load(&topo, &err), 0);
	if (topo.cpu_count < 2)
		WEIR_SKIP("only one cpu is allowed");
	last = topo.cpu[topo.cpu_count - 1].os_index;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	CPU_ZERO(&one);
	CPU_SET(last, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	assert_int_equal(weir_topo_load(&topo, &err), 0);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	assert_int_equal(topo.cpu_count, 1);
	assert_int_equal(topo.cpu[0].os_index, last);
	assert_int_equal(topo.cpu[0].smt, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_one_core),      cmocka_unit_test(test_two_cores),
	cmocka_unit_test(test_big),	      cmocka_unit_test(test_holes),
	cmocka_unit_test(test_no_l3),	      cmocka_unit_test(test_no_core_level),
	cmocka_unit_test(test_limits),	      cmocka_unit_test(test_bad_description),
	cmocka_unit_test(test_bad_list),      cmocka_unit_test(test_this_machine),
	cmocka_unit_test(test_affinity_mask),
};

WEIR_TEST_MAIN("numa_topo", tests)
