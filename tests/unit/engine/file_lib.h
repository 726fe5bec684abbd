/* SPDX-License-Identifier: Apache-2.0 */
/* A scratch directory for tests of files: made by scratch_open(), gone with scratch_close(). */
#ifndef WEIR_TESTS_UNIT_ENGINE_FILE_LIB_H
#define WEIR_TESTS_UNIT_ENGINE_FILE_LIB_H

#include "tests/lib/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_CAP 512

static char scratch_dir[256];

static inline int scratch_open(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(scratch_dir, sizeof(scratch_dir), "%s/weir-test-XXXXXX",
		 tmp && *tmp ? tmp : "/tmp");
	return mkdtemp(scratch_dir) ? 0 : -1;
}

static inline int scratch_close(void **state)
{
	DIR *d = opendir(scratch_dir);
	struct dirent *e;

	(void)state;
	while (d && (e = readdir(d))) {
		char path[PATH_CAP];

		snprintf(path, sizeof(path), "%.255s/%.250s", scratch_dir, e->d_name);
		if (e->d_name[0] != '.' || strlen(e->d_name) > 2)
			if (unlink(path))
				rmdir(path);
	}
	if (d)
		closedir(d);
	return rmdir(scratch_dir);
}

/* One of a few static texts, used in turn. */
static inline const char *path_of(const char *name)
{
	static char path[8][PATH_CAP];
	static unsigned turn;
	char *p = path[turn++ % 8];

	snprintf(p, PATH_CAP, "%.255s/%.250s", scratch_dir, name);
	return p;
}

static inline void write_file_by(const char *name, const void *p, size_t n, int flags)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | flags, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, n), n);
	close(fd);
}

static inline void write_file(const char *name, const char *text)
{
	write_file_by(name, text, strlen(text), O_TRUNC);
}

static inline void append_file(const char *name, const char *text)
{
	write_file_by(name, text, strlen(text), O_APPEND);
}

#endif
