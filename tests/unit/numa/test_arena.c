/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "numa/arena.h"
#include "numa/topo.h"

#define MIB ((size_t)1 << 20)

static struct weir_arena *open_arena(int node, bool huge)
{
	struct weir_arena *a = NULL;
	struct weir_err err = {0};

	assert_int_equal(weir_arena_open(node, huge, &a, &err), 0);
	assert_non_null(a);
	return a;
}

static bool all_zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

static void test_sizes_and_alignment(void **state)
{
	static const size_t size[] = {0,    1,	   7,	   8,	63,	 64,	      65,     4096,
				      5000, 65536, 100000, MIB, 2 * MIB, 3 * MIB + 1, 9 * MIB};
	static const size_t align[] = {1, 8, 16, 64, 4096, 2 * MIB};
	struct weir_arena *a = open_arena(-1, true);
	const struct weir_mem *mem = weir_arena_mem(a);

	(void)state;
	for (size_t s = 0; s < WEIR_COUNT_OF(size); s++) {
		for (size_t k = 0; k < WEIR_COUNT_OF(align); k++) {
			uint8_t *p = mem->alloc(mem->ctx, size[s], align[k]);

			assert_non_null(p);
			assert_int_equal((uintptr_t)p % align[k], 0);
			assert_true(all_zero(p, size[s]));
			memset(p, 0xa5, size[s]);
			mem->free(mem->ctx, p, size[s]);
		}
	}
	weir_arena_close(a);
}

/* Memory that was used before comes back zeroed, and nothing is lost on the way round. */
static void test_reuse_is_zeroed(void **state)
{
	struct weir_arena *a = open_arena(-1, true);
	const struct weir_mem *mem = weir_arena_mem(a);
	uint64_t after_first = 0;

	(void)state;
	for (int round = 0; round < 20; round++) {
		uint8_t *p[64];

		for (size_t i = 0; i < 64; i++) {
			p[i] = mem->alloc(mem->ctx, 1000 * (i + 1), 8);
			assert_true(all_zero(p[i], 1000 * (i + 1)));
			memset(p[i], 0xff, 1000 * (i + 1));
		}
		if (round == 1)
			after_first = weir_arena_bytes(a);
		for (size_t i = 0; i < 64; i++)
			mem->free(mem->ctx, p[i], 1000 * (i + 1));
	}
	assert_true(weir_arena_bytes(a) <= after_first);
	weir_arena_close(a);
}

static void test_blocks_do_not_overlap(void **state)
{
	struct weir_arena *a = open_arena(-1, false);
	const struct weir_mem *mem = weir_arena_mem(a);
	uint8_t *p[200];
	size_t size[200];
	uint64_t x = 1;

	(void)state;
	for (size_t i = 0; i < 200; i++) {
		x = x * UINT64_C(6364136223846793005) + 1442695040888963407u;
		size[i] = (x >> 33) % 300000 + 1;
		p[i] = mem->alloc(mem->ctx, size[i], 16);
		memset(p[i], (int)i, size[i]);
	}
	for (size_t i = 0; i < 200; i++) {
		for (size_t k = 0; k < size[i]; k++)
			assert_int_equal(p[i][k], (uint8_t)i);
		mem->free(mem->ctx, p[i], size[i]);
	}
	mem->free(mem->ctx, NULL, 0); /* like free(3) */
	weir_arena_close(a);
}

/* Closing gives all of it back, also what was never freed. */
static void test_many_arenas(void **state)
{
	(void)state;
	if (!WEIR_WITH_JEMALLOC)
		WEIR_SKIP("built without jemalloc: what is not freed is a leak here");
	for (int i = 0; i < 50; i++) {
		struct weir_arena *a = open_arena(-1, i % 2);
		const struct weir_mem *mem = weir_arena_mem(a);

		memset(mem->alloc(mem->ctx, 16 * MIB, 64), 1, 16 * MIB);
		memset(mem->alloc(mem->ctx, 100, 8), 1, 100);
		assert_true(weir_arena_bytes(a) >= 16 * MIB);
		assert_true(weir_arena_bytes(a) <= 64 * MIB);
		weir_arena_close(a);
	}
}

static void *churn(void *arg)
{
	const struct weir_mem *mem = arg;
	uint8_t *p[32] = {0};

	for (size_t i = 0; i < 20000; i++) {
		size_t k = i % 32, size = i * 37 % 9000 + 1, old = (i - 32) * 37 % 9000 + 1;

		if (p[k]) {
			if (p[k][0] != (uint8_t)k || p[k][old - 1] != (uint8_t)k)
				return (void *)"damaged";
			mem->free(mem->ctx, p[k], old);
		}
		p[k] = mem->alloc(mem->ctx, size, 8);
		if (p[k][0] || p[k][size - 1])
			return (void *)"not zeroed";
		p[k][0] = p[k][size - 1] = (uint8_t)k;
	}
	for (size_t k = 0; k < 32; k++)
		mem->free(mem->ctx, p[k], (20000 - 32 + k) * 37 % 9000 + 1);
	return NULL;
}

static void test_threads(void **state)
{
	struct weir_arena *a = open_arena(-1, true);
	pthread_t thread[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, churn, (void *)weir_arena_mem(a)),
				 0);
	for (int i = 0; i < 4; i++) {
		void *what = NULL;

		assert_int_equal(pthread_join(thread[i], &what), 0);
		if (what)
			fail_msg("%s", (const char *)what);
	}
	weir_arena_close(a);
}

static void test_bound(void **state)
{
	static struct weir_topo topo;
	const struct weir_mem *mem;
	struct weir_arena *a;
	char node[32];
	void *p;

	(void)state;
	assert_int_equal(weir_topo_load(&topo, NULL), 0);
	a = open_arena(topo.node_os[0], true);
	mem = weir_arena_mem(a);
	p = mem->alloc(mem->ctx, 100, 8);
	memset(p, 1, 100);
	if (WEIR_WITH_JEMALLOC) {
		snprintf(node, sizeof(node), " on node %u", topo.node_os[0]);
		assert_non_null(strstr(weir_arena_text(a), node));
	}
	mem->free(mem->ctx, p, 100);
	weir_arena_close(a);
}

static void test_text(void **state)
{
	struct weir_arena *a = open_arena(-1, false);

	(void)state;
	if (!WEIR_WITH_JEMALLOC)
		assert_non_null(strstr(weir_arena_text(a), "malloc"));
	else
		assert_string_equal(weir_arena_text(a), "4 KiB pages");
	weir_arena_close(a);
}

static unsigned long meminfo(const char *name)
{
	FILE *f = fopen("/proc/meminfo", "re");
	unsigned long v = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, name, strlen(name)) == 0)
			sscanf(line + strlen(name), ": %lu", &v);
	if (f)
		fclose(f);
	return v;
}

static void test_huge_pages(void **state)
{
	struct weir_arena *a;

	(void)state;
	if (!WEIR_WITH_JEMALLOC)
		WEIR_SKIP("built without jemalloc");
	if (meminfo("HugePages_Free") <= meminfo("HugePages_Rsvd") + 4 ||
	    meminfo("Hugepagesize") != 2048)
		WEIR_SKIP("no free 2 MiB huge pages (vm.nr_hugepages)");
	a = open_arena(-1, true);
	memset(weir_arena_mem(a)->alloc(weir_arena_mem(a)->ctx, MIB, 8), 1, MIB);
	assert_non_null(strstr(weir_arena_text(a), "2 MiB huge pages"));
	weir_arena_close(a);
}

/* Runs fn in a child and gives its exit status and the start of what it wrote to stderr. */
static int in_child(void (*fn)(void), char *ret_text, size_t cap)
{
	int pipe_fd[2], status = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(pipe_fd), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(pipe_fd[1], STDERR_FILENO);
		fn();
		_exit(99);
	}
	close(pipe_fd[1]);
	n = read(pipe_fd[0], ret_text, cap - 1);
	ret_text[n > 0 ? n : 0] = '\0';
	close(pipe_fd[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void want_too_much(void)
{
	struct weir_arena *a = NULL;

	if (weir_arena_open(-1, false, &a, NULL) == 0)
		weir_arena_mem(a)->alloc(weir_arena_mem(a)->ctx, SIZE_MAX / 2 - 4096, 8);
}

static void hit_the_limit(void)
{
	struct rlimit limit = {512 * MIB, 512 * MIB};
	struct weir_arena *a = NULL;

	setrlimit(RLIMIT_AS, &limit);
	if (weir_arena_open(-1, true, &a, NULL))
		return;
	for (;;)
		weir_arena_mem(a)->alloc(weir_arena_mem(a)->ctx, 8 * MIB, 8);
}

static void test_out_of_memory(void **state)
{
	char text[256];

	(void)state;
	if (!WEIR_WITH_JEMALLOC)
		WEIR_SKIP("the sanitizer's malloc reports on its own");
	assert_int_equal(in_child(want_too_much, text, sizeof(text)), 1);
	assert_non_null(strstr(text, "weir: out of memory"));
	assert_int_equal(in_child(hit_the_limit, text, sizeof(text)), 1);
	assert_non_null(strstr(text, "weir: out of memory: 8388608 bytes wanted"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_sizes_and_alignment),
	cmocka_unit_test(test_reuse_is_zeroed),
	cmocka_unit_test(test_blocks_do_not_overlap),
	cmocka_unit_test(test_many_arenas),
	cmocka_unit_test(test_threads),
	cmocka_unit_test(test_bound),
	cmocka_unit_test(test_text),
	cmocka_unit_test(test_huge_pages),
	cmocka_unit_test(test_out_of_memory),
};

WEIR_TEST_MAIN("numa_arena", tests)
