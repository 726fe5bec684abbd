/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/input_list.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static int out_of_memory(struct weir_err *err)
{
	return weir_err_set(err, -ENOMEM, "no memory left for the list of input files");
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Takes name over. */
static int add(struct weir_input_list *l, char *name, uint64_t bytes, struct weir_err *err)
{
	if (!name)
		return out_of_memory(err);
	if (l->count == l->cap) {
		uint32_t cap = l->cap ? l->cap * 2 : 16;
		char **p = realloc(l->name, cap * sizeof(*p));

		if (!p) {
			free(name);
			return out_of_memory(err);
		}
		l->name = p;
		l->cap = cap;
	}
	l->name[l->count++] = name;
	l->bytes += bytes;
	return 0;
}

/* Listed among the first n? Those are not in one order any more after listing again. */
static bool known(const struct weir_input_list *l, uint32_t n, const char *name)
{
	for (uint32_t i = 0; i < n; i++) {
		if (strcmp(l->name[i], name) == 0)
			return true;
	}
	return false;
}

static int list_directory(struct weir_input_list *l, uint32_t old, struct weir_err *err)
{
	DIR *d = opendir(l->path);
	struct dirent *e;
	int rc = 0;

	if (!d)
		return weir_err_set(err, -errno, "cannot open %s: %s", l->path,
				    weir_strerror(-errno));
	while (!rc && (e = readdir(d))) {
		struct stat st;
		char *name;

		if (e->d_name[0] == '.')
			continue;
		if (asprintf(&name, "%s%s", l->base, e->d_name) < 0)
			name = NULL;
		if (name && (stat(name, &st) || !S_ISREG(st.st_mode) || known(l, old, name))) {
			free(name);
			continue;
		}
		rc = add(l, name, name ? (uint64_t)st.st_size : 0, err);
	}
	closedir(d);
	return rc;
}

static int list_pattern(struct weir_input_list *l, uint32_t old, struct weir_err *err)
{
	glob_t g;
	int rc = glob(l->path, GLOB_NOSORT, NULL, &g);

	if (rc == GLOB_NOMATCH)
		return 0;
	if (rc == GLOB_NOSPACE)
		return out_of_memory(err);
	if (rc)
		return weir_err_set(err, -EIO, "cannot list %s", l->path);
	for (size_t i = 0; !rc && i < g.gl_pathc; i++) {
		struct stat st;

		if (stat(g.gl_pathv[i], &st) || S_ISDIR(st.st_mode) || known(l, old, g.gl_pathv[i]))
			continue;
		rc = add(l, strdup(g.gl_pathv[i]), S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0,
			 err);
	}
	globfree(&g);
	return rc;
}

int weir_input_list_again(struct weir_input_list *l, struct weir_err *err)
{
	uint32_t old = l->count;
	struct stat st;
	int rc;

	if (!l->several)
		return 0;
	if (stat(l->path, &st) == 0 && S_ISDIR(st.st_mode))
		rc = list_directory(l, old, err);
	else
		rc = list_pattern(l, old, err);
	if (l->count > old)
		qsort(l->name + old, l->count - old, sizeof(*l->name), by_name);
	return rc;
}

/* The part of the path that stands in all names as it is. */
static char *base_of(const struct weir_input_list *l, bool directory)
{
	size_t n = strlen(l->path), k = l->several ? strcspn(l->path, "*?[\\") : n;
	char *base;

	if (directory)
		return asprintf(&base, "%s%s", l->path, n && l->path[n - 1] == '/' ? "" : "/") < 0
			       ? NULL
			       : base;
	while (l->several && k && l->path[k - 1] != '/')
		k--;
	return strndup(l->path, k);
}

int weir_input_list_open(struct weir_input_list *l, const char *path, bool may_be_empty,
			 struct weir_err *err)
{
	struct stat st = {0};
	int rc;

	memset(l, 0, sizeof(*l));
	l->path = strdup(path);
	if (!l->path)
		return out_of_memory(err);
	if (stat(path, &st) == 0) {
		l->several = S_ISDIR(st.st_mode);
	} else {
		rc = -errno;
		l->several = strpbrk(path, "*?[") != NULL;
		if (!l->several) {
			weir_input_list_close(l);
			return weir_err_set(err, rc, "cannot open %s: %s", path, weir_strerror(rc));
		}
	}
	l->base = base_of(l, S_ISDIR(st.st_mode));
	if (!l->base)
		rc = out_of_memory(err);
	else if (l->several)
		rc = weir_input_list_again(l, err);
	else
		rc = add(l, strdup(path), S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0, err);
	if (rc == 0 && l->count == 0 && !may_be_empty)
		rc = weir_err_set(err, WEIR_E_CONFIG, "%s: no file is there", path);
	if (rc)
		weir_input_list_close(l);
	return rc;
}

void weir_input_list_clear(struct weir_input_list *l)
{
	for (uint32_t i = 0; i < l->count; i++)
		free(l->name[i]);
	l->count = 0;
}

int weir_input_list_put(struct weir_input_list *l, struct weir_str rest, struct weir_err *err)
{
	char *name;

	if (asprintf(&name, "%s%.*s", l->base, (int)rest.n, rest.p) < 0)
		name = NULL;
	return add(l, name, 0, err);
}

void weir_input_list_close(struct weir_input_list *l)
{
	weir_input_list_clear(l);
	free(l->name);
	free(l->base);
	free(l->path);
	memset(l, 0, sizeof(*l));
}
