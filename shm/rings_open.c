/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/num.h"
#include "shm/rings_tool.h"
#include "shm/rundir.h"

/*
 * A file that is not sealed may become shorter while it is mapped. Touching what is gone raises
 * SIGBUS; then zeros take the place of the missing part, and the end of the verb reports it.
 */
static struct {
	uint8_t *map;
	uint64_t size, page;
	volatile sig_atomic_t was_cut;
} guard;

static void guard_handler(int sig, siginfo_t *info, void *context)
{
	uint8_t *at = info->si_addr;
	uint64_t off;

	(void)context;
	if (guard.map && at >= guard.map && at < guard.map + guard.size) {
		off = (uint64_t)(at - guard.map) / guard.page * guard.page;
		guard.was_cut = 1;
		if (mmap(guard.map + off, guard.size - off, PROT_READ,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED)
			return;
	}
	signal(sig, SIG_DFL); /* not ours: comes again, and ends the program */
}

static void guard_set(void *map, uint64_t size, int fd)
{
	struct sigaction sa = {.sa_sigaction = guard_handler, .sa_flags = SA_SIGINFO};
	struct statfs fs;

	guard.map = map;
	guard.size = size;
	guard.was_cut = 0;
	guard.page = (uint64_t)sysconf(_SC_PAGESIZE);
	if (fstatfs(fd, &fs) == 0 && fs.f_type == HUGETLBFS_MAGIC)
		guard.page = (uint64_t)fs.f_bsize;
	sigaction(SIGBUS, &sa, NULL);
}

bool rings_was_cut(void)
{
	return guard.was_cut;
}

int rings_open_fd(int keep_fd, struct rings_segment *ret, struct weir_err *err)
{
	struct rings_segment s = {.fd = keep_fd, .map = MAP_FAILED, .schema_index = UINT32_MAX};
	struct stat st;
	int r;

	if (fstat(keep_fd, &st) < 0) {
		r = weir_err_set(err, -errno, "%s", strerror(errno));
		goto fail;
	}
	if (!S_ISREG(st.st_mode)) {
		r = weir_err_set(err, WEIR_E_FORMAT, "not a weir segment (not a file)");
		goto fail;
	}
	s.size = (uint64_t)st.st_size;
	if (s.size > 0)
		s.map = mmap(NULL, s.size, PROT_READ, MAP_SHARED, keep_fd, 0);
	if (s.size > 0 && s.map == MAP_FAILED) {
		r = weir_err_set(err, -errno, "cannot map it: %s", strerror(errno));
		goto fail;
	}
	guard_set(s.map, s.size, keep_fd);
	r = weir_inspect_open(&s.in, s.size ? s.map : NULL, s.size, err);
	if (r < 0)
		goto fail;
	*ret = s;
	return 0;
fail:
	guard.map = NULL;
	if (s.map != MAP_FAILED)
		munmap(s.map, s.size);
	close(keep_fd);
	return r;
}

void rings_close(struct rings_segment *s)
{
	guard.map = NULL;
	munmap(s->map, s->size);
	close(s->fd);
}

static int open_path(const char *path, struct rings_segment *ret, struct weir_err *err)
{
	/* Not blocking: the path may name a fifo. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return weir_err_set(err, -errno, "%s", strerror(errno));
	return rings_open_fd(fd, ret, err);
}

/* "1234:5" */
static bool pid_fd_path(const char *text, char *ret, size_t cap)
{
	const char *colon = strchr(text, ':');
	uint64_t pid, fd;

	if (!colon || weir_parse_count((struct weir_str){text, (size_t)(colon - text)}, &pid) < 0 ||
	    weir_parse_count(weir_str_c(colon + 1), &fd) < 0)
		return false;
	snprintf(ret, cap, "/proc/%llu/fd/%llu", (unsigned long long)pid, (unsigned long long)fd);
	return true;
}

int rings_open(const char *segment, struct rings_segment *ret, struct weir_err *err)
{
	char path[256];
	int fd, r;

	if (strchr(segment, '/'))
		return open_path(segment, ret, err);
	if (pid_fd_path(segment, path, sizeof(path)))
		return open_path(path, ret, err);
	r = weir_run_socket(segment, path, sizeof(path), err);
	if (r < 0)
		return r;
	r = rings_ask(path, &fd, err);
	if (r == 0)
		return rings_open_fd(fd, ret, err);
	if (r == -ENOENT && access(segment, F_OK) == 0)
		return open_path(segment, ret, err);
	if (r == -ENOENT)
		return weir_err_set(err, r, "no pipeline of this name runs (%s), and no such file",
				    path);
	return r;
}

const struct weir_schema *rings_schema(struct rings_segment *s, uint32_t index)
{
	if (index == UINT32_MAX)
		return NULL;
	if (index != s->schema_index) {
		if (weir_inspect_schema(&s->in, index, &s->schema, NULL) < 0)
			return NULL;
		s->schema_index = index;
	}
	return &s->schema;
}

int rings_fail(struct rings_tool *t, const char *fmt, ...)
{
	va_list ap;

	fputs("weir-rings: ", t->err);
	va_start(ap, fmt);
	vfprintf(t->err, fmt, ap);
	va_end(ap);
	fputc('\n', t->err);
	return RINGS_PROBLEM;
}

int rings_begin(struct rings_tool *t, struct rings_segment *ret)
{
	struct weir_err err = {0};

	if (rings_open(t->arg[0], ret, &err) < 0)
		return rings_fail(t, "%s: %s", t->arg[0], err.text);
	return 0;
}

int rings_end(struct rings_tool *t, struct rings_segment *s, int code)
{
	rings_close(s);
	if (rings_was_cut())
		code = rings_fail(t, "%s: the file became shorter while it was read", t->arg[0]);
	if (fflush(t->out) != 0 || ferror(t->out))
		code = rings_fail(t, "cannot write the output: %s", strerror(errno));
	return code;
}

bool rings_wanted(const struct rings_tool *t, uint32_t index, const struct weir_inspect_ring *r)
{
	uint64_t n;

	if (!t->ring || strcmp(t->ring, r->b.name) == 0)
		return true;
	return weir_parse_count(weir_str_c(t->ring), &n) == 0 && n == index;
}
