/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "numa/bind.h"
#include "numa/topo.h"

static struct weir_topo topo;

static int load(void **state)
{
	(void)state;
	return weir_topo_load(&topo, NULL);
}

static void test_pin(void **state)
{
	cpu_set_t before, now;
	int rc = 0;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	for (uint32_t i = 0; i < topo.cpu_count && rc == 0; i++) {
		rc = weir_bind_thread(topo.cpu[i].os_index);
		if (rc)
			break;
		assert_int_equal(sched_getaffinity(0, sizeof(now), &now), 0);
		assert_int_equal(CPU_COUNT(&now), 1);
		assert_true(CPU_ISSET(topo.cpu[i].os_index, &now));
		assert_int_equal(sched_getcpu(), topo.cpu[i].os_index);
	}
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	if (rc == -EPERM || rc == -ENOSYS)
		WEIR_SKIP("this machine refuses to pin threads: %s", weir_strerror(rc));
	assert_int_equal(rc, 0);
}

static void test_pin_refused(void **state)
{
	cpu_set_t before, after;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	assert_int_equal(weir_bind_thread(60000), -EINVAL); /* no such cpu */
	assert_int_equal(weir_bind_thread(65536), -EINVAL);
	assert_int_equal(weir_bind_thread(UINT32_MAX), -EINVAL);
	assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
	assert_true(CPU_EQUAL(&before, &after));
}

/* What get_mempolicy() says of one address: mode, and the first word of the node mask. */
static int policy_of(void *p, int *ret_mode, unsigned long *ret_nodes)
{
	unsigned long mask[1024 / (8 * sizeof(unsigned long))] = {0};

	/* 2 is MPOL_F_ADDR. */
	if (syscall(SYS_get_mempolicy, ret_mode, mask, 1024ul, p, 2ul))
		return -errno;
	*ret_nodes = mask[0];
	return 0;
}

static void test_memory(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *p =
		mmap(NULL, 8 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned node = topo.node_os[topo.cpu[0].node];
	unsigned long nodes = 0;
	int mode = -1, rc;

	(void)state;
	assert_ptr_not_equal(p, MAP_FAILED);
	/* Whole pages inside only: pages 2, 3 and 4 of 1.5 .. 5.5. */
	rc = weir_bind_memory(p + page + page / 2, 4 * page, node);
	if (rc == -ENOSYS || rc == -EPERM) {
		munmap(p, 8 * page);
		WEIR_SKIP("this machine has no memory policies: %s", weir_strerror(rc));
	}
	assert_int_equal(rc, 0);
	for (size_t i = 0; i < 8; i++) {
		rc = policy_of(p + i * page, &mode, &nodes);
		if (rc == -ENOSYS || rc == -EPERM)
			break;
		assert_int_equal(rc, 0);
		assert_int_equal(mode, i >= 2 && i <= 4 ? 1 : 0); /* preferred, else default */
		if (mode == 1)
			assert_int_equal(nodes, 1ul << node);
	}
	memset(p, 1, 8 * page);
	munmap(p, 8 * page);
}

static void test_memory_edges(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *p =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(weir_bind_memory(p, 0, 0), 0);
	assert_int_equal(weir_bind_memory(p + 1, page, 0), 0); /* no whole page in it */
	assert_int_equal(weir_bind_memory(p, SIZE_MAX, 0), -EINVAL);
	assert_int_equal(weir_bind_memory(p, page, 65536), -EINVAL);
	assert_true(weir_bind_memory(p, page, 1000) < 0); /* no such node */
	munmap(p, 2 * page);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup(test_pin, load),
	cmocka_unit_test(test_pin_refused),
	cmocka_unit_test_setup(test_memory, load),
	cmocka_unit_test(test_memory_edges),
};

WEIR_TEST_MAIN("numa_bind", tests)
