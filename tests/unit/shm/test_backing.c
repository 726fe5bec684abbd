/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is below a segment: the ladder of page sizes (shm/backing.h) and the data area that is mapped
 * twice in a row (shm/mirror.h).
 */
#include <errno.h>
#include <sys/mman.h>

#include "shm/backing.h"
#include "shm/mirror.h"
#include "tests/unit/shm/seg.h"

/* ---- backings ---- */

static void test_segment_huge_never_fails(void **state)
{
	struct weir_err err = {0};
	struct weir_segment s, t;
	struct seg_options o;
	const char *text;

	(void)state;
	seg_options(&o);
	o.opt.huge = true;
	o.ring[1].capacity = 2 << 20;
	if (weir_segment_create(&o.opt, &s, &err) < 0)
		fail_msg("%s", err.text);
	text = weir_segment_backing_text(&s);
	assert_int_equal(strncmp(text, weir_backing_name(s.header->backing),
				 strlen(weir_backing_name(s.header->backing))),
			 0);
	if (s.header->backing < WEIR_BACKING_2M)
		assert_non_null(strchr(text, ':')); /* and why */
	assert_null(strchr(text, '\n'));
	assert_int_equal(weir_segment_map_ring(&s, 1, &err), 0);
	assert_int_equal((uintptr_t)s.ring_base[1] % (2 << 20), 0);
	s.ring_base[1][0] = 42;
	assert_int_equal(s.ring_base[1][s.ring[1].capacity], 42);
	assert_int_equal(weir_segment_attach(dup(s.fd), true, &t, &err), 0);
	assert_int_equal(weir_segment_map_ring(&t, 1, &err), 0);
	assert_int_equal(t.ring_base[1][0], 42);
	weir_segment_close(&t);
	weir_segment_close(&s);
}

static void test_segment_plain_says_that_nobody_asked(void **state)
{
	struct weir_segment s;

	(void)state;
	seg_create(&s);
	assert_string_equal(weir_segment_backing_text(&s), "4 KiB pages: huge pages not asked for");
	weir_segment_close(&s);
}

static uint64_t free_huge_pages(void)
{
	FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "r");
	unsigned long long n = 0;

	if (f && fscanf(f, "%llu", &n) != 1)
		n = 0;
	if (f)
		fclose(f);
	return n;
}

static void test_backing_huge_pages_are_reserved(void **state)
{
	char text[WEIR_BACKING_TEXT_MAX] = "";
	uint64_t n = free_huge_pages(), size = n << 21;
	uint8_t *p;
	int fd;

	(void)state;
	if (n < 2)
		WEIR_SKIP("fewer than 2 free huge pages of 2 MiB (vm.nr_hugepages)");
	assert_int_equal(weir_backing_memfd(WEIR_BACKING_2M, "t", (n + 100) << 21, &fd, text),
			 -ENOMEM);
	assert_non_null(strstr(text, "needed"));
	assert_int_equal(weir_backing_memfd(WEIR_BACKING_2M, "t", size, &fd, text), 0);
	/* All are taken now, though none was touched. */
	assert_int_not_equal(weir_backing_memfd(WEIR_BACKING_2M, "t", 1 << 21, &(int){0}, text), 0);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(p != MAP_FAILED);
	for (uint64_t i = 0; i < n; i++)
		p[i << 21] = 1;
	munmap(p, size);
	close(fd);
}

static void test_backing_without_huge_pages_says_why(void **state)
{
	char text[WEIR_BACKING_TEXT_MAX] = "";
	uint64_t total = UINT64_C(1) << 40;
	int fd;

	(void)state;
	assert_int_equal(weir_backing_memfd(WEIR_BACKING_2M, "t", total, &fd, text), -ENOMEM);
	assert_int_not_equal(text[0], 0);
	text[0] = 0;
	assert_int_equal(weir_backing_memfd(WEIR_BACKING_1G, "t", total, &fd, text), -ENOMEM);
	assert_int_not_equal(text[0], 0);
	text[0] = 0;
	assert_int_equal(weir_backing_memfd(WEIR_BACKING_PAGES, "t", UINT64_MAX, &fd, text),
			 -EINVAL);
	assert_int_not_equal(text[0], 0);
	assert_string_equal(weir_backing_name(99), "unknown pages");
}

static void test_backing_pages_are_counted(void **state)
{
	static const struct {
		struct weir_backing_pages p;
		uint64_t need;
		const char *says; /* NULL: enough */
	} row[] = {
		{{.nr = 4, .free = 4}, 4, NULL},
		{{.nr = 4, .free = 4}, 5, "only 4 free 2 MiB huge pages, 5 needed"},
		{{.nr = 4, .free = 4, .reserved = 1}, 4, "only 3 free"},
		{{.nr = 4, .free = 2, .reserved = 3}, 1, "only 0 free"},
		{{.overcommit = 4}, 4, NULL},
		{{.overcommit = 4, .surplus = 3}, 2, "only 1 free"},
		{{.overcommit = 4, .surplus = 5}, 1, "only 0 free"},
		{{0}, 1, "vm.nr_hugepages is 0"},
	};
	char text[WEIR_BACKING_TEXT_MAX];

	(void)state;
	for (unsigned i = 0; i < WEIR_COUNT_OF(row); i++) {
		int r = weir_backing_enough(WEIR_BACKING_2M, row[i].need, &row[i].p, text);

		assert_int_equal(r, row[i].says ? -ENOMEM : 0);
		if (row[i].says)
			assert_non_null(strstr(text, row[i].says));
	}
}

static void test_backing_setting_is_read(void **state)
{
	char text[WEIR_BACKING_TEXT_MAX];

	(void)state;
	assert_int_equal(weir_backing_thp_allowed("always within_size [advise] never", text), 0);
	assert_int_equal(weir_backing_thp_allowed("[always] never", text), 0);
	assert_int_equal(weir_backing_thp_allowed("always [never] deny", text), -EOPNOTSUPP);
	assert_non_null(strstr(text, "shmem_enabled is never"));
	assert_int_equal(weir_backing_thp_allowed("always never [deny]", text), -EOPNOTSUPP);
	assert_int_equal(weir_backing_thp_allowed("", text), -EOPNOTSUPP);
	assert_non_null(strstr(text, "the kernel has no"));
	assert_int_equal(weir_backing_thp_allowed("[always", text), -EOPNOTSUPP);
}

static void test_backing_node_is_only_a_wish(void **state)
{
	struct weir_err err = {0};
	struct weir_segment s;
	struct seg_options o;
	static const int node[] = {0, 1000, 100000};

	(void)state;
	for (unsigned i = 0; i < WEIR_COUNT_OF(node); i++) {
		seg_options(&o);
		o.opt.node = node[i];
		assert_int_equal(weir_segment_create(&o.opt, &s, &err), 0);
		weir_segment_close(&s);
	}
	weir_backing_prefer_node(-1, 4096, 0);
}

/* ---- mirrored mapping ---- */

static void test_mirror_aligns_the_base(void **state)
{
	uint64_t align = UINT64_C(64) << 20;
	uint8_t *a = NULL, *b = NULL;
	int fd = memfd_create("m", 0);

	(void)state;
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(weir_mirror_map(fd, 0, 4096, align, true, &a), 0);
	assert_int_equal(weir_mirror_map(fd, 0, 4096, align, true, &b), 0);
	assert_int_equal((uintptr_t)a % align, 0);
	assert_int_equal((uintptr_t)b % align, 0);
	a[5] = 1;
	assert_int_equal(b[4096 + 5], 1);
	weir_mirror_unmap(a, 4096);
	weir_mirror_unmap(b, 4096);
	close(fd);
}

static void test_mirror_refuses_what_cannot_be_mapped(void **state)
{
	uint8_t *base = NULL;
	int fd = memfd_create("m", 0);

	(void)state;
	assert_int_equal(weir_mirror_map(fd, 0, 0, 4096, true, &base), -EINVAL);
	assert_int_equal(weir_mirror_map(fd, 0, UINT64_MAX / 2, 4096, true, &base), -EINVAL);
	assert_int_equal(weir_mirror_map(fd, 0, UINT64_C(1) << 60, 4096, true, &base), -ENOMEM);
	assert_int_equal(weir_mirror_map(fd, 1, 4096, 4096, true, &base), -EINVAL);
	assert_int_equal(weir_mirror_map(-1, 0, 4096, 4096, true, &base), -EBADF);
	assert_null(base);
	weir_mirror_unmap(NULL, 4096);
	close(fd);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_segment_huge_never_fails),
	cmocka_unit_test(test_segment_plain_says_that_nobody_asked),
	cmocka_unit_test(test_backing_huge_pages_are_reserved),
	cmocka_unit_test(test_backing_without_huge_pages_says_why),
	cmocka_unit_test(test_backing_pages_are_counted),
	cmocka_unit_test(test_backing_setting_is_read),
	cmocka_unit_test(test_backing_node_is_only_a_wish),
	cmocka_unit_test(test_mirror_aligns_the_base),
	cmocka_unit_test(test_mirror_refuses_what_cannot_be_mapped),
};

WEIR_TEST_MAIN("backing", tests)
