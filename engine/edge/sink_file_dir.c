/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the file sink. A step's name holds no dot, and a number at least 8 digits: no two steps share a file. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/edge/durable.h"
#include "engine/edge/sink_file.h"

int weir__file_fail(const struct weir_file_dir *d, struct weir_err *err, int code,
		    const char *doing, const char *what)
{
	return weir_err_set(err, code, "step `%s`: cannot %s %s%s%s: %s", d->step, doing, d->path,
			    *what ? "/" : "", what, weir_strerror(code));
}

void weir__file_name(const struct weir_file_dir *d, uint64_t number, bool hidden,
		     char ret[WEIR_FILE_NAME_CAP])
{
	snprintf(ret, WEIR_FILE_NAME_CAP, "%spart-%s-%08llu%s%s", hidden ? "." : "", d->step,
		 (unsigned long long)number, d->suffix, hidden ? ".tmp" : "");
}

/* A file of which task: mine when its number is ours, or nobody's and we are the first task. */
static bool task_mine(const struct weir_file_dir *d, bool numbered, unsigned long task)
{
	bool form = numbered == (d->instances > 1);

	if (form && task == d->instance)
		return true;
	return d->instance == 0 && (!form || task >= d->instances);
}

static const char *digits(const char *p)
{
	while (*p >= '0' && *p <= '9')
		p++;
	return p;
}

/* After the step's name: "-00000012-t3.csv.gz". */
static bool part_rest(const struct weir_file_dir *d, const char *p, struct weir_file_entry *e)
{
	const char *end = digits(p + (*p == '-'));
	unsigned long task = 0;
	bool numbered = false;

	if (*p != '-' || end - p - 1 < 8)
		return false;
	e->number = strtoull(p + 1, NULL, 10);
	if (end[0] == '-' && end[1] == 't' && digits(end + 2) > end + 2) {
		numbered = true;
		task = strtoul(end + 2, NULL, 10);
		end = digits(end + 2);
	}
	e->mine = task_mine(d, numbered, task);
	return *end == '.';
}

/* After the step's name: ".t3.manifest", perhaps with a temporary extension. */
static bool manifest_rest(const struct weir_file_dir *d, const char *p, struct weir_file_entry *e)
{
	unsigned long task = 0;
	bool numbered = p[0] == '.' && p[1] == 't';

	if (numbered) {
		task = strtoul(p + 2, NULL, 10);
		p = digits(p + 2);
	}
	e->mine = task_mine(d, numbered, task);
	return strncmp(p, ".manifest", 9) == 0;
}

struct weir_file_entry weir__file_entry(const struct weir_file_dir *d, const char *name)
{
	struct weir_file_entry e = {0};
	bool hidden = *name == '.';
	size_t step = strlen(d->step);

	name += hidden;
	if (!strncmp(name, "part-", 5) && !strncmp(name + 5, d->step, step) &&
	    part_rest(d, name + 5 + step, &e))
		e.kind = hidden ? WEIR_FILE_HIDDEN : WEIR_FILE_PART;
	else if (hidden && !strncmp(name, d->step, step) && manifest_rest(d, name + step, &e))
		e.kind = WEIR_FILE_MANIFEST;
	return e;
}

static DIR *list(const struct weir_file_dir *d, struct weir_err *err)
{
	int fd = dup(d->fd);
	DIR *ret = fd < 0 ? NULL : fdopendir(fd);

	if (!ret) {
		weir__file_fail(d, err, -errno, "read", "");
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	rewinddir(ret);
	return ret;
}

int weir__file_refuse(const struct weir_file_dir *d, bool manifests, struct weir_err *err)
{
	DIR *list_of = list(d, err);
	struct dirent *f;
	int r = 0;

	if (!list_of)
		return err->code;
	while (r == 0 && (errno = 0, f = readdir(list_of))) {
		struct weir_file_entry e = weir__file_entry(d, f->d_name);

		if (e.mine &&
		    (e.kind == WEIR_FILE_PART || (manifests && e.kind == WEIR_FILE_MANIFEST)))
			r = weir_err_set(err, -EEXIST,
					 "step `%s`: %s holds results of an earlier run (%s): "
					 "--fresh replaces them, or choose another path",
					 d->step, d->path, f->d_name);
	}
	if (r == 0 && errno)
		r = weir__file_fail(d, err, -errno, "read", "");
	closedir(list_of);
	return r;
}

int weir__file_clean(const struct weir_file_dir *d, bool all, uint64_t keep, struct weir_err *err)
{
	DIR *list_of = list(d, err);
	struct dirent *f;
	int r = 0;

	if (!list_of)
		return err->code;
	while (r == 0 && (errno = 0, f = readdir(list_of))) {
		struct weir_file_entry e = weir__file_entry(d, f->d_name);

		if (e.kind == WEIR_FILE_OTHER || !e.mine ||
		    (!all && (e.kind != WEIR_FILE_HIDDEN || e.number == keep)))
			continue;
		if (unlinkat(d->fd, f->d_name, 0))
			r = weir__file_fail(d, err, -errno, "remove", f->d_name);
	}
	if (r == 0 && errno)
		r = weir__file_fail(d, err, -errno, "read", "");
	closedir(list_of);
	if (r == 0 && (r = weir_durable_dir(d->fd)) < 0)
		weir__file_fail(d, err, r, "sync", "");
	return r;
}
