/* SPDX-License-Identifier: Apache-2.0 */
/* The disk on a real directory, with both back ends. */
#include "tests/unit/engine/disk_lib.h"

static void test_bytes_are_there(void **state)
{
	(void)state;
	EACH_KIND(d)
	{
		enum { N = 100 };
		uint8_t *p = d.ops->buffer(d.ctx, N * BLOCK), *q = d.ops->buffer(d.ctx, N * BLOCK);
		int f = d.ops->open(d.ctx, "a", N * BLOCK), result[N];
		struct stat st;

		assert_true(f >= 0);
		assert_int_equal(stat(path_of("a"), &st), 0);
		assert_int_equal(st.st_size, N * BLOCK);
		assert_true((uint64_t)st.st_blocks * 512 >= N * BLOCK); /* real space */
		assert_int_equal(flags_of("a") & O_DSYNC, O_DSYNC);
		assert_int_equal(!strstr(d.ops->describe(d.ctx), ", O_DIRECT"),
				 !(flags_of("a") & O_DIRECT));
		assert_int_equal(st.st_mode & 0777, 0600);
		memset(q, 1, N * BLOCK);
		assert_int_equal(d.ops->read(d.ctx, f, 0, q, N * BLOCK), 0);
		for (size_t i = 0; i < N * BLOCK; i++)
			assert_int_equal(q[i], 0);

		/* All at once, in no order; more than the ring of two entries would hold. */
		fill(p, N * BLOCK, 1);
		for (int i = 0; i < N; i++) {
			int at = (i * 37) % N;

			result[i] = 1;
			d.ops->write(d.ctx, f, (uint64_t)at * BLOCK, p + (size_t)at * BLOCK, BLOCK,
				     (uint64_t)i);
		}
		wait_all(&d, N, result);
		for (int i = 0; i < N; i++)
			assert_int_equal(result[i], 0);
		assert_int_equal(d.ops->read(d.ctx, f, 0, q, N * BLOCK), 0);
		assert_memory_equal(p, q, N * BLOCK);
		d.ops->close(d.ctx, f);

		/* And after it was opened again. */
		f = d.ops->open(d.ctx, "a", 0);
		assert_true(f >= 0);
		memset(q, 0, N * BLOCK);
		assert_int_equal(d.ops->read(d.ctx, f, 5 * BLOCK, q, 10 * BLOCK), 0);
		assert_memory_equal(p + 5 * BLOCK, q, 10 * BLOCK);
		d.ops->close(d.ctx, f);
		d.ops->buffer_free(d.ctx, p, N * BLOCK);
		d.ops->buffer_free(d.ctx, q, N * BLOCK);
		assert_true(d.ops->space(d.ctx) > 0);
		clear_files();
	}
}

static void test_small_ring(void **state)
{
	struct weir_disk d;
	struct weir_disk_done done;
	uint8_t *p;
	int f, result[50];

	(void)state;
	if (!have_uring())
		WEIR_SKIP("io_uring is refused here");
	d = open_disk_with((struct weir_disk_options){.kind = WEIR_DISK_URING, .depth = 2});
	assert_int_equal(d.ops->poll(d.ctx, SECOND, &done, 1), 0); /* nothing to wait for */
	p = d.ops->buffer(d.ctx, BLOCK);
	f = d.ops->open(d.ctx, "a", 50 * BLOCK);
	for (uint64_t i = 0; i < 50; i++) {
		result[i] = 1;
		d.ops->write(d.ctx, f, i * BLOCK, p, BLOCK, i);
	}
	wait_all(&d, 50, result);
	for (int i = 0; i < 50; i++)
		assert_int_equal(result[i], 0);
	weir_disk_close(&d);
}

static void test_buffers(void **state)
{
	(void)state;
	EACH_KIND(d)
	{
		size_t big = (size_t)4 << 20; /* more than the pool */
		uint8_t *a = d.ops->buffer(d.ctx, (size_t)1 << 20), *b = d.ops->buffer(d.ctx, big);
		uint8_t *c = d.ops->buffer(d.ctx, 100), *e;
		int f = d.ops->open(d.ctx, "a", big);

		assert_int_equal((uintptr_t)a % BLOCK, 0);
		assert_int_equal((uintptr_t)b % BLOCK, 0);
		assert_int_equal((uintptr_t)c % BLOCK, 0);
		for (size_t i = 0; i < big; i++)
			assert_int_equal(b[i], 0);
		memset(a, 1, (size_t)1 << 20);
		d.ops->buffer_free(d.ctx, a, (size_t)1 << 20);
		e = d.ops->buffer(d.ctx, BLOCK); /* the same place again, zeroed */
		assert_ptr_equal(e, a);
		for (size_t i = 0; i < BLOCK; i++)
			assert_int_equal(e[i], 0);
		/* Memory that is not of the pool is written all the same. */
		fill(b, big, 2);
		assert_int_equal(write_one(&d, f, 0, b, big), 0);
		fill(e, BLOCK, 3);
		assert_int_equal(write_one(&d, f, 0, e, BLOCK), 0);
		memset(c, 0, BLOCK);
		assert_int_equal(d.ops->read(d.ctx, f, 0, c, BLOCK), 0);
		assert_memory_equal(c, e, BLOCK);
		assert_int_equal(d.ops->read(d.ctx, f, big - BLOCK, c, BLOCK), 0);
		assert_memory_equal(c, b + big - BLOCK, BLOCK);
		d.ops->close(d.ctx, f);
		d.ops->buffer_free(d.ctx, b, big);
		d.ops->buffer_free(d.ctx, c, 100);
		d.ops->buffer_free(d.ctx, e, BLOCK);
		clear_files();
	}
}

static void test_errors_of_files(void **state)
{
	(void)state;
	EACH_KIND(d)
	{
		uint8_t *p = d.ops->buffer(d.ctx, 4 * BLOCK);
		int f, many[WEIR_DISK_FILES_MAX];

		assert_int_equal(d.ops->open(d.ctx, "a", 0), -ENOENT);
		f = d.ops->open(d.ctx, "a", 2 * BLOCK);
		assert_true(f >= 0);
		assert_int_equal(d.ops->open(d.ctx, "a", BLOCK), -EEXIST);
		assert_int_equal(d.ops->read(d.ctx, f, BLOCK, p, 2 * BLOCK), -EIO);
		assert_int_equal(d.ops->read(d.ctx, f, 8 * BLOCK, p, BLOCK), -EIO);
		d.ops->close(d.ctx, f);

		/* An end in the middle of a block. */
		write_file("b", "short");
		f = d.ops->open(d.ctx, "b", 0);
		assert_true(f >= 0);
		assert_int_equal(d.ops->read(d.ctx, f, 0, p, BLOCK), -EIO);
		d.ops->close(d.ctx, f);

		/* What is no file, or no name. */
		assert_int_equal(symlink("b", path_of("c")), 0);
		assert_int_equal(d.ops->open(d.ctx, "c", 0), -EINVAL);
		assert_int_equal(d.ops->open(d.ctx, "c", BLOCK), -EEXIST);
		assert_int_equal(mkfifo(path_of("e"), 0600), 0);
		assert_int_equal(d.ops->open(d.ctx, "e", 0), -EINVAL);
		assert_int_equal(d.ops->open(d.ctx, "", BLOCK), -EINVAL);
		assert_int_equal(d.ops->open(d.ctx, ".a", BLOCK), -EINVAL);
		assert_int_equal(d.ops->open(d.ctx, "../a", BLOCK), -EINVAL);
		assert_int_equal(d.ops->open(d.ctx, "x/a", BLOCK), -EINVAL);
		assert_int_equal(d.ops->open(d.ctx, "lock", BLOCK), -EINVAL);
		assert_int_equal(d.ops->open(d.ctx, "quarantine", BLOCK), -EINVAL);
		assert_int_equal(d.ops->open(d.ctx, "quarantine/", 0), -EINVAL);
		assert_int_equal(d.ops->open(d.ctx, "quarantine/../a", 0), -EINVAL);
		assert_int_equal(d.ops->open(d.ctx, "quarantine/a", 0), -ENOENT);
		assert_int_equal(access(path_of("quarantine"), F_OK), -1);

		for (int i = 0; i < WEIR_DISK_FILES_MAX; i++) {
			many[i] = d.ops->open(d.ctx, "a", 0);
			assert_true(many[i] >= 0);
		}
		assert_int_equal(d.ops->open(d.ctx, "a", 0), -EMFILE);
		for (int i = 0; i < WEIR_DISK_FILES_MAX / 2; i++)
			d.ops->close(d.ctx, many[i]); /* the other half goes with the disk */
		d.ops->buffer_free(d.ctx, p, 4 * BLOCK);
		clear_files();
	}
}

static void test_names(void **state)
{
	(void)state;
	EACH_KIND(d)
	{
		struct names n = {.count = 0};
		struct stat st;
		int f;

		write_file("a", "12345");
		write_file("b", "1");
		write_file("lock", "1\n");
		write_file(".hidden", "");
		assert_int_equal(d.ops->rename(d.ctx, "a", "b"), -EEXIST);
		assert_int_equal(d.ops->rename(d.ctx, "nothing", "c"), -ENOENT);
		assert_int_equal(d.ops->rename(d.ctx, "a", ".c"), -EINVAL);
		assert_int_equal(d.ops->rename(d.ctx, "lock", "c"), -EINVAL);
		assert_int_equal(d.ops->rename(d.ctx, "a", "c"), 0);
		assert_int_equal(d.ops->rename(d.ctx, "b", "quarantine/b"), 0);
		assert_int_equal(stat(path_of("quarantine"), &st), 0);
		assert_int_equal(st.st_mode & 0777, 0700);
		assert_int_equal(d.ops->list(d.ctx, on_name, &n), 0);
		assert_int_equal(n.count, 1);
		assert_string_equal(n.text, "c");
		assert_int_equal(n.bytes, 5);
		f = d.ops->open(d.ctx, "quarantine/b", 0);
		assert_true(f >= 0);
		d.ops->close(d.ctx, f);
		assert_int_equal(d.ops->unlink(d.ctx, "c"), 0);
		assert_int_equal(d.ops->unlink(d.ctx, "c"), -ENOENT);
		assert_int_equal(d.ops->unlink(d.ctx, "lock"), -EINVAL);

		/* A file system that cannot rename without replacing. */
		fault.renameat2 = -EINVAL;
		write_file("a", "");
		write_file("b", "");
		assert_int_equal(d.ops->rename(d.ctx, "a", "b"), -EEXIST);
		assert_int_equal(d.ops->rename(d.ctx, "a", "c"), 0);
		assert_int_equal(access(path_of("c"), F_OK), 0);
		fault.renameat2 = 0;

		fault.fsync = 1;
		assert_int_equal(d.ops->unlink(d.ctx, "c"), -EIO);
		fault.fsync = 1;
		assert_int_equal(d.ops->rename(d.ctx, "b", "a"), -EIO);
		fault.fsync = 2; /* the second directory */
		assert_int_equal(d.ops->rename(d.ctx, "a", "quarantine/a"), -EIO);
		unlink(path_of("quarantine/a"));
		unlink(path_of("quarantine/b"));
		rmdir(path_of("quarantine"));
		clear_files();
	}
}

static void test_leftovers_go(void **state)
{
	struct weir_disk d;

	(void)state;
	write_file(".new-journal-00000001", "half");
	write_file(".mine", "not weir's");
	d = open_disk(WEIR_DISK_AUTO);
	assert_int_equal(access(path_of(".new-journal-00000001"), F_OK), -1);
	assert_int_equal(access(path_of(".new-probe"), F_OK), -1);
	assert_int_equal(access(path_of(".mine"), F_OK), 0);
	weir_disk_close(&d);
}

/* The descriptor lives until the last write came back; then its handle is free again. */
static void test_close_with_writes_on_the_way(void **state)
{
	(void)state;
	EACH_KIND(d)
	{
		uint8_t *p = d.ops->buffer(d.ctx, BLOCK);
		int f = d.ops->open(d.ctx, "a", 8 * BLOCK), g, result[8];
		struct weir_disk_done done;

		memset(p, 7, BLOCK);
		for (uint64_t i = 0; i < 8; i++) {
			result[i] = 1;
			d.ops->write(d.ctx, f, i * BLOCK, p, BLOCK, i);
		}
		d.ops->close(d.ctx, f);
		g = d.ops->open(d.ctx, "b", 8 * BLOCK);
		assert_true(g >= 0 && g != f);
		wait_all(&d, 8, result);
		for (int i = 0; i < 8; i++)
			assert_int_equal(result[i], 0);
		d.ops->close(d.ctx, g);
		assert_int_equal(d.ops->open(d.ctx, "a", 0), f);
		assert_int_equal(d.ops->read(d.ctx, f, 7 * BLOCK, p, BLOCK), 0);
		assert_int_equal(p[0], 7);
		/* And a disk that is closed with writes on the way waits for them. */
		for (uint64_t i = 0; i < 8; i++)
			d.ops->write(d.ctx, f, i * BLOCK, p, BLOCK, i);
		d.ops->poll(d.ctx, 0, &done, 1);
		clear_files();
	}
}

/* Memory that comes back too early is not given out again before all writes are over. */
static void test_buffers_of_writes_on_the_way(void **state)
{
	(void)state;
	EACH_KIND(d)
	{
		size_t big = (size_t)4 << 20; /* not of the pool */
		uint8_t *p = d.ops->buffer(d.ctx, BLOCK), *q = d.ops->buffer(d.ctx, big), *r;
		int f = d.ops->open(d.ctx, "a", 2 * big), result[2] = {1, 1};

		memset(p, 5, BLOCK);
		memset(q, 6, big);
		d.ops->write(d.ctx, f, 0, p, BLOCK, 0);
		d.ops->write(d.ctx, f, big, q, big, 1);
		d.ops->buffer_free(d.ctx, p, BLOCK);
		d.ops->buffer_free(d.ctx, q, big);
		r = d.ops->buffer(d.ctx, BLOCK);
		assert_ptr_not_equal(r, p);
		wait_all(&d, 2, result);
		assert_int_equal(result[0] | result[1], 0);
		assert_ptr_equal(d.ops->buffer(d.ctx, BLOCK), p);
		assert_int_equal(d.ops->read(d.ctx, f, 0, r, BLOCK), 0);
		assert_int_equal(r[BLOCK - 1], 5);
		assert_int_equal(d.ops->read(d.ctx, f, 2 * big - BLOCK, r, BLOCK), 0);
		assert_int_equal(r[BLOCK - 1], 6);
		/* The disk is closed before that. */
		d.ops->write(d.ctx, f, 0, r, BLOCK, 0);
		d.ops->buffer_free(d.ctx, r, BLOCK);
		clear_files();
	}
}

static void test_read_only(void **state)
{
	(void)state;
	write_file(".new-a", "rest");
	write_file_by("a", (const char[4096]){1}, 4096, O_TRUNC);
	for (size_t i = 0; i < WEIR_COUNT_OF(kinds); i++) {
		struct weir_disk d;
		uint8_t *p;
		int f;

		if (kinds[i] == WEIR_DISK_URING && !have_uring())
			continue;
		d = open_disk_with((struct weir_disk_options){.kind = kinds[i], .read_only = true});
		p = d.ops->buffer(d.ctx, BLOCK);
		assert_non_null(strstr(d.ops->describe(d.ctx), "read only"));
		f = d.ops->open(d.ctx, "a", 0);
		assert_true(f >= 0);
		assert_int_equal(d.ops->read(d.ctx, f, 0, p, BLOCK), 0);
		assert_int_equal(p[0], 1);
		assert_int_equal(write_one(&d, f, 0, p, BLOCK), -EROFS);
		assert_int_equal(d.ops->open(d.ctx, "b", BLOCK), -EROFS);
		assert_int_equal(d.ops->rename(d.ctx, "a", "b"), -EROFS);
		assert_int_equal(d.ops->unlink(d.ctx, "a"), -EROFS);
		assert_int_equal(access(path_of(".new-a"), F_OK), 0); /* it changes nothing */
		weir_disk_close(&d);
	}
}

static const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	T(test_bytes_are_there),
	T(test_small_ring),
	T(test_buffers),
	T(test_errors_of_files),
	T(test_names),
	T(test_leftovers_go),
	T(test_close_with_writes_on_the_way),
	T(test_buffers_of_writes_on_the_way),
	T(test_read_only),
};

WEIR_TEST_MAIN("disk", tests)
