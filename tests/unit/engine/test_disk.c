/* SPDX-License-Identifier: Apache-2.0 */
/* The disk on a real directory, with both back ends. What the system seldom does wrong is put in its place below. */
#include "tests/unit/engine/file_lib.h"

#include <dlfcn.h>
#include <errno.h>
#include <liburing.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "base/err.h"
#include "base/prng.h"
#include "engine/edge/disk.h"

#define BLOCK ((size_t)WEIR_DISK_BLOCK)
#define SECOND ((uint64_t)WEIR_NS_PER_S)

/* ---- faults: these definitions go before those of the libraries ---- */

static struct {
	int fallocate, renameat2, queue_init, submit, direct, pwrite; /* -errno; 0: as it is */
	int fsync; /* the n-th from now on fails */
	size_t memlock; /* more bytes are not registered; 0: no limit */
} fault;

int fallocate(int fd, int mode, off_t offset, off_t n)
{
	if (fault.fallocate) {
		errno = -fault.fallocate;
		return -1;
	}
	return (int)syscall(SYS_fallocate, fd, mode, offset, n);
}

int renameat2(int from, const char *a, int to, const char *b, unsigned flags)
{
	if (fault.renameat2) {
		errno = -fault.renameat2;
		return -1;
	}
	return (int)syscall(SYS_renameat2, from, a, to, b, flags);
}

int fsync(int fd)
{
	if (fault.fsync && --fault.fsync == 0) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fsync, fd);
}

int openat(int dir, const char *path, int flags, ...)
{
	va_list ap;
	int mode = 0;

	va_start(ap, flags);
	if (flags & O_CREAT)
		mode = va_arg(ap, int);
	va_end(ap);
	if (fault.direct && (flags & O_DIRECT)) {
		errno = -fault.direct;
		return -1;
	}
	return (int)syscall(SYS_openat, dir, path, flags, mode);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t offset)
{
	if (fault.pwrite == -EAGAIN) /* short */
		n /= 2;
	else if (fault.pwrite) {
		errno = -fault.pwrite;
		return -1;
	}
	return syscall(SYS_pwrite64, fd, p, n, offset);
}

int io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags)
{
	struct io_uring_params p = {.flags = flags};

	return fault.queue_init ? fault.queue_init : io_uring_queue_init_params(entries, ring, &p);
}

int io_uring_register_buffers(struct io_uring *ring, const struct iovec *v, unsigned n)
{
	if (fault.memlock && v->iov_len > fault.memlock)
		return -ENOMEM;
	return syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_BUFFERS, v, n) ? -errno
											    : 0;
}

int io_uring_submit(struct io_uring *ring)
{
	int (*real)(struct io_uring *);

	*(void **)&real = dlsym(RTLD_NEXT, "io_uring_submit");
	return fault.submit ? fault.submit : real(ring);
}

/* ---- helpers ---- */

static enum weir_disk_kind kinds[] = {WEIR_DISK_URING, WEIR_DISK_THREADS};

static bool have_uring(void)
{
	struct io_uring ring;

	if (io_uring_queue_init(4, &ring, 0))
		return false;
	io_uring_queue_exit(&ring);
	return true;
}

static int setup(void **state)
{
	memset(&fault, 0, sizeof(fault));
	unsetenv("WEIR_DISK");
	return scratch_open(state);
}

static int teardown(void **state)
{
	DIR *d;
	struct dirent *e;

	memset(&fault, 0, sizeof(fault));
	umount2(path_of("tmpfs"), MNT_DETACH); /* of a test that failed */
	d = opendir(path_of("quarantine"));
	while (d && (e = readdir(d))) {
		char name[300];

		snprintf(name, sizeof(name), "quarantine/%.250s", e->d_name);
		unlink(path_of(name));
	}
	if (d)
		closedir(d);
	return scratch_close(state);
}

static struct weir_disk open_disk_with(struct weir_disk_options o)
{
	struct weir_disk d;
	struct weir_err err = {0};

	if (weir_disk_open(scratch_dir, &o, &d, &err))
		fail_msg("%s", err.text);
	return d;
}

static struct weir_disk open_disk(enum weir_disk_kind kind)
{
	return open_disk_with(
		(struct weir_disk_options){.kind = kind, .pool_bytes = (size_t)2 << 20});
}

static void fill(uint8_t *p, size_t n, uint64_t seed)
{
	struct weir_prng r = weir_prng_of(seed, "disk");

	for (size_t i = 0; i < n; i += 8) {
		uint64_t v = weir_prng_u64(&r);

		memcpy(p + i, &v, 8);
	}
}

/* Waits for all `n` writes; results by token. */
static void wait_all(struct weir_disk *d, uint32_t n, int *result)
{
	for (uint32_t got = 0; got < n;) {
		struct weir_disk_done done[3];
		uint32_t k = d->ops->poll(d->ctx, 10 * SECOND, done, 3);

		assert_true(k > 0);
		for (uint32_t i = 0; i < k; i++) {
			assert_in_range(done[i].token, 0, n - 1);
			assert_int_equal(result[done[i].token], 1);
			result[done[i].token] = done[i].result;
		}
		got += k;
	}
}

static int write_one(struct weir_disk *d, int file, uint64_t offset, const void *p, size_t n)
{
	int result = 1;

	d->ops->write(d->ctx, file, offset, p, n, 0);
	wait_all(d, 1, &result);
	return result;
}

/* Of the descriptor that has this file open. */
static int flags_of(const char *name)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	int flags = -1;

	assert_non_null(d);
	while ((e = readdir(d))) {
		char path[PATH_CAP] = "";

		if (readlinkat(dirfd(d), e->d_name, path, sizeof(path) - 1) > 0 &&
		    !strcmp(path, path_of(name))) {
			flags = fcntl((int)strtol(e->d_name, NULL, 10), F_GETFL);
			assert_int_equal(fcntl((int)strtol(e->d_name, NULL, 10), F_GETFD),
					 FD_CLOEXEC);
		}
	}
	closedir(d);
	return flags;
}

#define EACH_KIND(d)                                                                               \
	for (size_t k_ = 0; k_ < WEIR_COUNT_OF(kinds); k_++)                                       \
		if (kinds[k_] == WEIR_DISK_URING && !have_uring())                                 \
			fprintf(stderr, "io_uring is refused here: threads only\n");               \
		else                                                                               \
			for (struct weir_disk d = open_disk(kinds[k_]); d.ctx; weir_disk_close(&d))

static void clear_files(void)
{
	static const char *const name[] = {"a", "b", "c", "e", "new", "full"};

	for (size_t i = 0; i < WEIR_COUNT_OF(name); i++)
		unlink(path_of(name[i]));
}

/* ---- tests ---- */

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

struct names {
	char text[256];
	uint64_t bytes;
	int count;
};

static void on_name(void *ctx, const char *name, uint64_t bytes)
{
	struct names *n = ctx;

	n->count++;
	n->bytes += bytes;
	strncat(n->text, name, sizeof(n->text) - strlen(n->text) - 1);
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
	fault.memlock = (size_t)1 << 20; /* half of it */
	d = open_disk(WEIR_DISK_URING);
	assert_non_null(strstr(d.ops->describe(d.ctx), "registered buffers"));
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
	T(test_bytes_are_there),
	T(test_small_ring),
	T(test_buffers),
	T(test_errors_of_files),
	T(test_names),
	T(test_quarantine_is_a_file),
	T(test_create_is_whole_or_not_at_all),
	T(test_leftovers_go),
	T(test_close_with_writes_on_the_way),
	T(test_buffers_of_writes_on_the_way),
	T(test_failed_writes),
	T(test_refused_submission),
	T(test_full_file_system),
	T(test_without_o_direct),
	T(test_read_only),
	T(test_which_back_end),
	T(test_no_directory),
};

WEIR_TEST_MAIN("disk", tests)
