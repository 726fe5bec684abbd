/* SPDX-License-Identifier: Apache-2.0 */
/* What the file sink is made of: the running checksum, the rename that lasts. */
#include <errno.h>

#include "engine/edge/durable.h"
#include "engine/edge/running_sum.h"
#include "tests/unit/engine/sink_rig.h"

static off_t size_of(const char *name)
{
	struct stat st;

	assert_int_equal(stat(path_of(name), &st), 0);
	return st.st_size;
}

static void test_running_sum(void **state)
{
	static struct weir_running_sum a, b;
	size_t n = 300000;
	uint8_t *p = malloc(n);
	int fd;

	(void)state;
	assert_non_null(p);
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 31 >> 3);
	weir_running_sum_start(&a);
	weir_running_sum_add(&a, p, n);
	for (size_t piece = 1; piece < n; piece = piece * 3 + 1) {
		weir_running_sum_start(&b);
		for (size_t at = 0; at < n; at += piece)
			weir_running_sum_add(&b, p + at, WEIR_MIN(piece, n - at));
		assert_true(weir_hash128_eq(weir_running_sum_get(&a), weir_running_sum_get(&b)));
		assert_int_equal(b.bytes, n);
	}
	write_file_by("f", p, n, O_TRUNC);
	fd = open(path_of("f"), O_RDONLY);
	assert_int_equal(weir_running_sum_read(&b, fd, n), 1);
	assert_true(weir_hash128_eq(weir_running_sum_get(&a), weir_running_sum_get(&b)));
	assert_int_equal(weir_running_sum_read(&b, fd, n + 1), 0);
	assert_int_equal(weir_running_sum_read(&b, -1, n), -EBADF);
	close(fd);
	free(p);
}

static void test_durable_rename(void **state)
{
	int dir = open(scratch_dir, O_RDONLY | O_DIRECTORY);

	(void)state;
	write_file("a", "new");
	write_file("b", "old");
	assert_int_equal(weir_durable_rename(dir, -1, "a", "b", false), -EEXIST);
	assert_int_equal(size_of("a"), 3);
	assert_int_equal(weir_durable_rename(dir, -1, "none", "c", false), -ENOENT);
	assert_int_equal(weir_durable_rename(dir, -1, "a", "c", false), 0);
	assert_int_equal(weir_durable_rename(dir, -1, "c", "b", true), 0);
	assert_int_not_equal(access(path_of("c"), F_OK), 0);
	assert_int_equal(weir_durable_dir(-1), -EBADF);
	close(dir);
}

#define IN_SCRATCH(f) cmocka_unit_test_setup_teardown(f, scratch_open, scratch_close)

static const struct CMUnitTest tests[] = {
	IN_SCRATCH(test_running_sum),
	IN_SCRATCH(test_durable_rename),
};

WEIR_TEST_MAIN("sink_pieces", tests)
