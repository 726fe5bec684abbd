/* SPDX-License-Identifier: Apache-2.0 */
/* The disk where the system refuses something: space, writes, syncs, O_DIRECT, io_uring. */
#include "tests/unit/engine/disk_lib.h"

static void test_quarantine_is_a_file(void **state)
{
	struct weir_disk d = open_disk(WEIR_DISK_THREADS);

	(void)state;
	write_file("quarantine", "");
	write_file("a", "");
	assert_int_equal(d.ops->rename(d.ctx, "a", "quarantine/a"), -ENOTDIR);
	assert_int_equal(unlink(path_of("quarantine")), 0);
	fault.fsync = 1;
	assert_int_equal(d.ops->rename(d.ctx, "a", "quarantine/a"), -EIO);
	weir_disk_close(&d);
}

static void test_create_is_whole_or_not_at_all(void **state)
{
	(void)state;
	EACH_KIND(d)
	{
		static const int failing[] = {-ENOSPC, -EIO};
		uint8_t *p = d.ops->buffer(d.ctx, 3 * BLOCK);
		struct names n = {.count = 0};
		int f;

		for (size_t i = 0; i < WEIR_COUNT_OF(failing); i++) {
			fault.fallocate = failing[i];
			assert_int_equal(d.ops->open(d.ctx, "a", BLOCK), failing[i]);
		}
		fault.fallocate = 0;
		fault.fsync = 1;
		assert_int_equal(d.ops->open(d.ctx, "a", BLOCK), -EIO);
		fault.renameat2 = -EIO;
		assert_int_equal(d.ops->open(d.ctx, "a", BLOCK), -EIO);
		fault.renameat2 = 0;
		assert_int_equal(d.ops->list(d.ctx, on_name, &n), 0);
		assert_int_equal(n.count, 0);
		assert_int_equal(access(path_of(".new-a"), F_OK), -1);
		fault.fsync = 2; /* the directory */
		assert_int_equal(d.ops->open(d.ctx, "a", BLOCK), -EIO);
		clear_files();

		/* Without fallocate zeroes are written; what a crash has left is in nobody's way. */
		fault.fallocate = -EOPNOTSUPP;
		write_file(".new-a", "rest");
		f = d.ops->open(d.ctx, "a", 3 * BLOCK);
		assert_true(f >= 0);
		memset(p, 1, 3 * BLOCK);
		assert_int_equal(d.ops->read(d.ctx, f, 0, p, 3 * BLOCK), 0);
		for (size_t i = 0; i < 3 * BLOCK; i++)
			assert_int_equal(p[i], 0);
		d.ops->close(d.ctx, f);
		fault.pwrite = -ENOSPC;
		assert_int_equal(d.ops->open(d.ctx, "b", BLOCK), -ENOSPC);
		fault.pwrite = 0;
		fault.fallocate = 0;
		d.ops->buffer_free(d.ctx, p, 3 * BLOCK);
		clear_files();
	}
}

static void test_failed_writes(void **state)
{
	struct weir_disk d = open_disk(WEIR_DISK_THREADS);
	uint8_t *p = d.ops->buffer(d.ctx, 2 * BLOCK);
	int f = d.ops->open(d.ctx, "a", 4 * BLOCK);

	(void)state;
	fault.pwrite = -EIO;
	assert_int_equal(write_one(&d, f, 0, p, BLOCK), -EIO);
	fault.pwrite = -ENOSPC;
	assert_int_equal(write_one(&d, f, 0, p, BLOCK), -ENOSPC);
	fault.pwrite = -EAGAIN; /* half of it: a short write is an error, not a reason to go on */
	assert_int_equal(write_one(&d, f, 0, p, 2 * BLOCK), -EIO);
	fault.pwrite = 0;
	assert_int_equal(write_one(&d, f, 0, p, BLOCK), 0);
	weir_disk_close(&d);
}

/* The kernel takes no more writes: what it has not got fails, and all that comes after. */
static void test_refused_submission(void **state)
{
	struct weir_disk d;
	struct weir_disk_done done;
	uint8_t *p;
	int f, result[4] = {1, 1, 1, 1};

	(void)state;
	if (!have_uring())
		WEIR_SKIP("io_uring is refused here");
	d = open_disk_with((struct weir_disk_options){.kind = WEIR_DISK_URING, .depth = 2});
	p = d.ops->buffer(d.ctx, BLOCK);
	f = d.ops->open(d.ctx, "a", 4 * BLOCK);
	fault.submit = -EAGAIN; /* not now */
	d.ops->write(d.ctx, f, 0, p, BLOCK, 0);
	assert_int_equal(d.ops->poll(d.ctx, 0, &done, 1), 0);
	fault.submit = 0;
	assert_int_equal(d.ops->poll(d.ctx, 10 * SECOND, &done, 1), 1);
	assert_int_equal(done.result, 0);
	fault.submit = -ENXIO;
	for (uint64_t i = 0; i < 3; i++) /* two in the ring, one behind */
		d.ops->write(d.ctx, f, i * BLOCK, p, BLOCK, i);
	wait_all(&d, 3, result);
	fault.submit = 0;
	assert_int_equal(write_one(&d, f, 0, p, BLOCK), -ENXIO);
	for (int i = 0; i < 3; i++)
		assert_int_equal(result[i], -ENXIO);
	weir_disk_close(&d);
}

static void test_full_file_system(void **state)
{
	char dir[PATH_CAP];

	(void)state;
	snprintf(dir, sizeof(dir), "%s", path_of("tmpfs"));
	assert_int_equal(mkdir(dir, 0700), 0);
	if (mount("tmpfs", dir, "tmpfs", 0, "size=1m")) {
		int e = errno;

		rmdir(dir);
		WEIR_SKIP("cannot mount a tmpfs: %s", strerror(e));
	}
	for (size_t i = 0; i < WEIR_COUNT_OF(kinds); i++) {
		struct weir_disk_options o = {.kind = kinds[i]};
		struct weir_disk d;
		struct weir_err err = {0};
		uint8_t *p;
		int f;

		if (kinds[i] == WEIR_DISK_URING && !have_uring())
			continue;
		assert_int_equal(weir_disk_open(dir, &o, &d, &err), 0);
		p = d.ops->buffer(d.ctx, BLOCK);
		assert_int_equal(d.ops->open(d.ctx, "big", (uint64_t)2 << 20), -ENOSPC);
		f = d.ops->open(d.ctx, "a", (uint64_t)512 << 10);
		assert_true(f >= 0);
		assert_in_range(d.ops->space(d.ctx), 1, 512 << 10);
		assert_int_equal(d.ops->open(d.ctx, "b", d.ops->space(d.ctx)) >= 0, 1);
		/* Full, and reserved space is written all the same; behind it there is none. */
		assert_int_equal(write_one(&d, f, (uint64_t)508 << 10, p, BLOCK), 0);
		assert_int_equal(write_one(&d, f, (uint64_t)512 << 10, p, BLOCK), -ENOSPC);
		/* A full disk still opens: recovery needs no space. */
		weir_disk_close(&d);
		assert_int_equal(weir_disk_open(dir, &o, &d, &err), 0);
		assert_int_equal(d.ops->unlink(d.ctx, "a"), 0);
		assert_int_equal(d.ops->unlink(d.ctx, "b"), 0);
		weir_disk_close(&d);
	}
	assert_int_equal(umount(dir), 0);
	rmdir(dir);
}

static void test_without_o_direct(void **state)
{
	(void)state;
	fault.direct = -EINVAL;
	EACH_KIND(d)
	{
		uint8_t *p = d.ops->buffer(d.ctx, BLOCK);
		int f = d.ops->open(d.ctx, "a", BLOCK);

		assert_non_null(strstr(d.ops->describe(d.ctx), "no O_DIRECT on this file system"));
		memset(p, 9, BLOCK);
		assert_int_equal(write_one(&d, f, 0, p, BLOCK), 0);
		assert_int_equal(flags_of("a") & (O_DIRECT | O_DSYNC), O_DSYNC);
		clear_files();
	}
	/* Refused by the write only, as some network file systems do. */
	fault.direct = 0;
	fault.pwrite = -EINVAL;
	EACH_KIND(d)
	assert_non_null(strstr(d.ops->describe(d.ctx), "no O_DIRECT"));
	fault.pwrite = 0;
}

/* One buffer that is registered, one that lies on the border. */
static void write_both_halves(struct weir_disk *d)
{
	size_t n = (size_t)768 << 10;
	uint8_t *a = d->ops->buffer(d->ctx, n), *b = d->ops->buffer(d->ctx, n);
	uint8_t *q = d->ops->buffer(d->ctx, 2 * n);
	int f = d->ops->open(d->ctx, "a", 2 * n);

	fill(a, n, 4);
	fill(b, n, 5);
	assert_int_equal(write_one(d, f, 0, a, n), 0);
	assert_int_equal(write_one(d, f, n, b, n), 0);
	assert_int_equal(d->ops->read(d->ctx, f, 0, q, 2 * n), 0);
	assert_memory_equal(q, a, n);
	assert_memory_equal(q + n, b, n);
	d->ops->buffer_free(d->ctx, q, 2 * n);
}

static void test_which_back_end(void **state)
{
	struct weir_disk d = {0};
	struct weir_disk_options o = {.kind = WEIR_DISK_URING};
	struct weir_err err = {0};
	bool all;

	(void)state;
	weir_disk_close(&d); /* nothing to close */
	d = open_disk(WEIR_DISK_THREADS);
	assert_int_equal(strncmp(d.ops->describe(d.ctx), "threads, ", 9), 0);
	weir_disk_close(&d);

	fault.queue_init = -EPERM;
	d = open_disk(WEIR_DISK_AUTO);
	assert_int_equal(strncmp(d.ops->describe(d.ctx),
				 "threads (io_uring refused: Operation not permitted), ", 53),
			 0);
	weir_disk_close(&d);
	assert_int_equal(weir_disk_open(scratch_dir, &o, &d, &err), -EPERM);
	assert_string_equal(err.text, "io_uring is refused: Operation not permitted");
	fault.queue_init = 0;

	setenv("WEIR_DISK", "threads", 1);
	assert_int_equal(weir_disk_open(scratch_dir, NULL, &d, &err), 0);
	assert_int_equal(strncmp(d.ops->describe(d.ctx), "threads, ", 9), 0);
	weir_disk_close(&d);
	setenv("WEIR_DISK", "paper", 1);
	assert_int_equal(weir_disk_open(scratch_dir, NULL, &d, &err), WEIR_E_CONFIG);
	assert_non_null(strstr(err.text, "`paper`"));
	unsetenv("WEIR_DISK");

	if (!have_uring())
		return;
	setenv("WEIR_DISK", "io_uring", 1);
	assert_int_equal(weir_disk_open(scratch_dir, NULL, &d, &err), 0);
	assert_int_equal(strncmp(d.ops->describe(d.ctx), "io_uring, ", 10), 0);
	weir_disk_close(&d);
	unsetenv("WEIR_DISK");
	d = open_disk(WEIR_DISK_URING);
	all = strstr(d.ops->describe(d.ctx), "registered buffers") != NULL; /* `ulimit -l` */
	weir_disk_close(&d);
	fault.memlock = (size_t)1 << 20; /* half of it */
	d = open_disk(WEIR_DISK_URING);
	assert_true(!all || strstr(d.ops->describe(d.ctx), "registered buffers"));
	write_both_halves(&d);
	weir_disk_close(&d);
	fault.memlock = 1;
	d = open_disk(WEIR_DISK_URING);
	assert_int_equal(strncmp(d.ops->describe(d.ctx), "io_uring, ", 10), 0);
	assert_null(strstr(d.ops->describe(d.ctx), "registered"));
	weir_disk_close(&d);
}

static void test_no_directory(void **state)
{
	struct weir_disk_options o = {.kind = WEIR_DISK_THREADS};
	struct weir_disk d;
	struct weir_err err = {0};

	(void)state;
	assert_int_equal(weir_disk_open(path_of("none"), &o, &d, &err), -ENOENT);
	assert_non_null(strstr(err.text, "cannot open the state directory"));
	assert_null(d.ctx);
	fault.direct = -EACCES;
	assert_int_equal(weir_disk_open(scratch_dir, &o, &d, &err), -EACCES);
	assert_non_null(strstr(err.text, "cannot make files in"));
	fault.direct = 0;
}

static const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	T(test_quarantine_is_a_file), T(test_create_is_whole_or_not_at_all),
	T(test_failed_writes),	      T(test_refused_submission),
	T(test_full_file_system),     T(test_without_o_direct),
	T(test_which_back_end),	      T(test_no_directory),
};

WEIR_TEST_MAIN("disk_faults", tests)
