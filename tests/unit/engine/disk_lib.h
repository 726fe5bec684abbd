/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of the disk: both back ends on a scratch directory, and what the system seldom does wrong, when it is told to. */
#ifndef WEIR_TESTS_UNIT_ENGINE_DISK_LIB_H
#define WEIR_TESTS_UNIT_ENGINE_DISK_LIB_H

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

static inline bool have_uring(void)
{
	struct io_uring ring;

	if (io_uring_queue_init(4, &ring, 0))
		return false;
	io_uring_queue_exit(&ring);
	return true;
}

static inline int setup(void **state)
{
	memset(&fault, 0, sizeof(fault));
	unsetenv("WEIR_DISK");
	return scratch_open(state);
}

static inline int teardown(void **state)
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

static inline struct weir_disk open_disk_with(struct weir_disk_options o)
{
	struct weir_disk d;
	struct weir_err err = {0};

	if (weir_disk_open(scratch_dir, &o, &d, &err))
		fail_msg("%s", err.text);
	return d;
}

static inline struct weir_disk open_disk(enum weir_disk_kind kind)
{
	return open_disk_with(
		(struct weir_disk_options){.kind = kind, .pool_bytes = (size_t)2 << 20});
}

static inline void fill(uint8_t *p, size_t n, uint64_t seed)
{
	struct weir_prng r = weir_prng_of(seed, "disk");

	for (size_t i = 0; i < n; i += 8) {
		uint64_t v = weir_prng_u64(&r);

		memcpy(p + i, &v, 8);
	}
}

/* Waits for all `n` writes; results by token. */
static inline void wait_all(struct weir_disk *d, uint32_t n, int *result)
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

static inline int write_one(struct weir_disk *d, int file, uint64_t offset, const void *p, size_t n)
{
	int result = 1;

	d->ops->write(d->ctx, file, offset, p, n, 0);
	wait_all(d, 1, &result);
	return result;
}

/* Of the descriptor that has this file open. */
static inline int flags_of(const char *name)
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

static inline void clear_files(void)
{
	static const char *const name[] = {"a", "b", "c", "e", "new", "full"};

	for (size_t i = 0; i < WEIR_COUNT_OF(name); i++)
		unlink(path_of(name[i]));
}

struct names {
	char text[256];
	uint64_t bytes;
	int count;
};

static inline void on_name(void *ctx, const char *name, uint64_t bytes)
{
	struct names *n = ctx;

	n->count++;
	n->bytes += bytes;
	strncat(n->text, name, sizeof(n->text) - strlen(n->text) - 1);
}

#endif
