/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/lib/iofault.c - a preloaded library that makes writes and syncs of a program fail.
 *
 *   LD_PRELOAD=build/release/tests/iofault.so WEIR_DISK=threads WEIR_IOFAULT="pwrite:EIO:after=100" weir run ...
 *
 * WEIR_IOFAULT: rules with a comma between them, OPERATION:ERROR[:OPTION]...
 *   OPERATION    write (also writev), pwrite (also pwritev, pwritev2), fsync, fdatasync, fallocate
 *   ERROR        EIO, ENOSPC, EDQUOT or EROFS; SHORT lets half of a write or pwrite through
 *   after=N      the first N calls go through (0)
 *   count=N      then N calls fail, and the rest goes through (all fail)
 *   path=TEXT    only descriptors whose file has TEXT in its path; others are not counted
 * A rule that cannot be read ends the program with 2: a test must not pass for that. io_uring goes past the C
 * library, hence WEIR_DISK=threads.
 * Thread: any; calls are counted with atomics.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define RULES_MAX 8
#define SHORT (-1)

enum operation { OP_WRITE, OP_PWRITE, OP_FSYNC, OP_FDATASYNC, OP_FALLOCATE, OP_COUNT };

struct rule {
	enum operation op;
	int error; /* errno, or SHORT */
	uint64_t after, count;
	char path[256];
	atomic_ullong calls;
};

static const char *const op_name[OP_COUNT] = {"write", "pwrite", "fsync", "fdatasync", "fallocate"};
static struct rule rule[RULES_MAX];
static unsigned rule_count;

static struct {
	ssize_t (*write)(int, const void *, size_t);
	ssize_t (*writev)(int, const struct iovec *, int);
	ssize_t (*pwrite)(int, const void *, size_t, off_t);
	ssize_t (*pwritev)(int, const struct iovec *, int, off_t);
	ssize_t (*pwritev2)(int, const struct iovec *, int, off_t, int);
	int (*fsync)(int);
	int (*fdatasync)(int);
	int (*fallocate)(int, int, off_t, off_t);
} real;

/* ---- the rules ---- */

static void refuse(const char *text)
{
	fprintf(stderr, "iofault: cannot read `%s` of WEIR_IOFAULT\n", text);
	_exit(2);
}

static uint64_t number(const char *text)
{
	char *end;
	unsigned long long v = strtoull(text, &end, 10);

	if (*text < '0' || *text > '9' || *end)
		refuse(text);
	return v;
}

static int error_of(const char *text)
{
	static const struct {
		const char *name;
		int error;
	} list[] = {{"EIO", EIO},
		    {"ENOSPC", ENOSPC},
		    {"EDQUOT", EDQUOT},
		    {"EROFS", EROFS},
		    {"SHORT", SHORT}};

	for (size_t i = 0; text && i < sizeof(list) / sizeof(list[0]); i++)
		if (!strcmp(text, list[i].name))
			return list[i].error;
	refuse(text ? text : "a rule without an error");
	return 0;
}

static void read_rule(char *text)
{
	struct rule *r = &rule[rule_count++];
	char *save, *part = strtok_r(text, ":", &save);
	int op = 0;

	while (part && op < OP_COUNT && strcmp(part, op_name[op]))
		op++;
	if (!part || op == OP_COUNT)
		refuse(part ? part : "an empty rule");
	r->op = (enum operation)op;
	r->error = error_of(strtok_r(NULL, ":", &save));
	r->count = UINT64_MAX;
	if (r->error == SHORT && r->op > OP_PWRITE)
		refuse("SHORT of what is no write");
	while ((part = strtok_r(NULL, ":", &save))) {
		if (!strncmp(part, "after=", 6))
			r->after = number(part + 6);
		else if (!strncmp(part, "count=", 6))
			r->count = number(part + 6);
		else if (!strncmp(part, "path=", 5) && strlen(part + 5) < sizeof(r->path))
			strcpy(r->path, part + 5);
		else
			refuse(part);
	}
}

static void find(void *ret, const char *name)
{
	*(void **)ret = dlsym(RTLD_NEXT, name);
}

__attribute__((constructor)) static void start(void)
{
	const char *env = getenv("WEIR_IOFAULT");
	char *text, *save, *part;

	find(&real.write, "write");
	find(&real.writev, "writev");
	find(&real.pwrite, "pwrite64");
	find(&real.pwritev, "pwritev64");
	find(&real.pwritev2, "pwritev64v2");
	find(&real.fsync, "fsync");
	find(&real.fdatasync, "fdatasync");
	find(&real.fallocate, "fallocate64");
	if (!env)
		return;
	text = strdup(env);
	for (part = strtok_r(text, ",", &save); part; part = strtok_r(NULL, ",", &save)) {
		if (rule_count == RULES_MAX)
			refuse(part);
		read_rule(part);
	}
	free(text);
}

/* ---- what fails ---- */

static bool of_path(const struct rule *r, int fd)
{
	char link[64], path[4096];
	ssize_t n;

	if (!r->path[0])
		return true;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n < 0 ? 0 : n] = 0;
	return strstr(path, r->path);
}

/* 0: goes through; else errno or SHORT. Every rule counts the call. */
static int fails(enum operation op, int fd)
{
	int before = errno, error = 0;

	for (unsigned i = 0; i < rule_count; i++) {
		struct rule *r = &rule[i];
		uint64_t n;

		if (r->op != op || !of_path(r, fd))
			continue;
		n = atomic_fetch_add(&r->calls, 1);
		if (!error && n >= r->after && n - r->after < r->count)
			error = r->error;
	}
	errno = before;
	return error;
}

static int fail(int error)
{
	errno = error;
	return -1;
}

/* A vector as it is cut to half: the first half of its first part. */
static struct iovec half_of(const struct iovec *v)
{
	return (struct iovec){.iov_base = v->iov_base, .iov_len = v->iov_len / 2};
}

EXPORT ssize_t write(int fd, const void *p, size_t n)
{
	int e = fails(OP_WRITE, fd);

	return e > 0 ? fail(e) : real.write(fd, p, e == SHORT ? n / 2 : n);
}

EXPORT ssize_t writev(int fd, const struct iovec *v, int count)
{
	int e = fails(OP_WRITE, fd);
	struct iovec half;

	if (e == SHORT && count > 0) {
		half = half_of(v);
		return real.writev(fd, &half, 1);
	}
	return e > 0 ? fail(e) : real.writev(fd, v, count);
}

EXPORT ssize_t pwrite(int fd, const void *p, size_t n, off_t offset)
{
	int e = fails(OP_PWRITE, fd);

	return e > 0 ? fail(e) : real.pwrite(fd, p, e == SHORT ? n / 2 : n, offset);
}

EXPORT ssize_t pwrite64(int fd, const void *p, size_t n, off64_t offset)
{
	return pwrite(fd, p, n, offset);
}

EXPORT ssize_t pwritev(int fd, const struct iovec *v, int count, off_t offset)
{
	int e = fails(OP_PWRITE, fd);
	struct iovec half;

	if (e == SHORT && count > 0) {
		half = half_of(v);
		return real.pwritev(fd, &half, 1, offset);
	}
	return e > 0 ? fail(e) : real.pwritev(fd, v, count, offset);
}

EXPORT ssize_t pwritev64(int fd, const struct iovec *v, int count, off64_t offset)
{
	return pwritev(fd, v, count, offset);
}

EXPORT ssize_t pwritev2(int fd, const struct iovec *v, int count, off_t offset, int flags)
{
	int e = fails(OP_PWRITE, fd);
	struct iovec half;

	if (e == SHORT && count > 0) {
		half = half_of(v);
		return real.pwritev2(fd, &half, 1, offset, flags);
	}
	return e > 0 ? fail(e) : real.pwritev2(fd, v, count, offset, flags);
}

EXPORT ssize_t pwritev64v2(int fd, const struct iovec *v, int count, off64_t offset, int flags)
{
	return pwritev2(fd, v, count, offset, flags);
}

EXPORT int fsync(int fd)
{
	int e = fails(OP_FSYNC, fd);

	return e ? fail(e) : real.fsync(fd);
}

EXPORT int fdatasync(int fd)
{
	int e = fails(OP_FDATASYNC, fd);

	return e ? fail(e) : real.fdatasync(fd);
}

EXPORT int fallocate(int fd, int mode, off_t offset, off_t n)
{
	int e = fails(OP_FALLOCATE, fd);

	return e ? fail(e) : real.fallocate(fd, mode, offset, n);
}

EXPORT int fallocate64(int fd, int mode, off64_t offset, off64_t n)
{
	return fallocate(fd, mode, offset, n);
}
