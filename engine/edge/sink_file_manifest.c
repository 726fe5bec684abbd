/* SPDX-License-Identifier: Apache-2.0 */
/* The manifest: text in one exact form, so that reading it is writing it again and comparing. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "engine/edge/durable.h"
#include "engine/edge/sink_file.h"

#define TEXT_CAP 1024
#define HEAD "weir file sink "

static int render(const struct weir_file_manifest *m, const char *pipeline, const char *step,
		  unsigned task, char text[TEXT_CAP])
{
	char id[2 * WEIR_FILE_ID_BYTES + 1];
	int n;

	for (int i = 0; i < WEIR_FILE_ID_BYTES; i++)
		snprintf(id + 2 * i, 3, "%02x", m->id[i]);
	n = snprintf(text, TEXT_CAP,
		     HEAD "1\npipeline %s\nstep %s\ntask %u\nid %s\nfence %llu\nepoch %llu\n"
			  "part %llu\n",
		     pipeline, step, task, id, (unsigned long long)m->fence,
		     (unsigned long long)m->epoch, (unsigned long long)m->part);
	return n + snprintf(text + n, (size_t)(TEXT_CAP - n), "check %08x\n",
			    weir_crc32c(0, text, (size_t)n));
}

static bool parse(const char *text, struct weir_file_manifest *m, char pipeline[64], char step[64],
		  unsigned *ret_task)
{
	unsigned long long fence, epoch, part;
	char id[2 * WEIR_FILE_ID_BYTES + 1], again[TEXT_CAP];

	if (sscanf(text,
		   HEAD "1 pipeline %63s step %63s task %u id %32[0-9a-f] fence %llu epoch %llu "
			"part %llu",
		   pipeline, step, ret_task, id, &fence, &epoch, &part) != 7)
		return false;
	*m = (struct weir_file_manifest){.fence = fence, .epoch = epoch, .part = part};
	for (int i = 0; i < WEIR_FILE_ID_BYTES; i++)
		if (sscanf(id + 2 * i, "%2hhx", &m->id[i]) != 1)
			return false;
	render(m, pipeline, step, *ret_task, again);
	return strcmp(text, again) == 0;
}

/* Bytes, or -errno. text is 0-terminated. */
static int load(const struct weir_file_dir *d, char text[TEXT_CAP])
{
	int fd = openat(d->fd, d->manifest, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n;
	int r;

	if (fd < 0)
		return -errno;
	do
		n = read(fd, text, TEXT_CAP - 1);
	while (n < 0 && errno == EINTR);
	r = n < 0 ? -errno : (int)n;
	close(fd);
	text[n < 0 ? 0 : n] = 0;
	return r;
}

int weir__file_manifest_read(const struct weir_file_dir *d, struct weir_file_manifest *ret,
			     struct weir_err *err)
{
	char text[TEXT_CAP], pipeline[64], step[64];
	unsigned task;
	int r = load(d, text);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return weir__file_fail(d, err, r, "read", d->manifest);
	if (!strncmp(text, HEAD, strlen(HEAD)) && strncmp(text + strlen(HEAD), "1\n", 2))
		return weir_err_set(err, WEIR_E_VERSION,
				    "step `%s`: %s/%s was written by a newer version of weir",
				    d->step, d->path, d->manifest);
	if (strlen(text) != (size_t)r || !parse(text, ret, pipeline, step, &task))
		return weir_err_set(
			err, WEIR_E_CORRUPT,
			"step `%s`: %s/%s is damaged: put it back from a copy, or start "
			"over with --fresh",
			d->step, d->path, d->manifest);
	if (strcmp(pipeline, d->pipeline) || strcmp(step, d->step) || task != d->instance)
		return weir_err_set(err, WEIR_E_CONFIG,
				    "step `%s`: %s holds results of step `%s` of pipeline `%s` "
				    "(task %u): choose another path, or --fresh replaces them",
				    d->step, d->path, step, pipeline, task);
	return 1;
}

static int put(int fd, const char *text, size_t n)
{
	while (n) {
		ssize_t k = write(fd, text, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		text += k;
		n -= (size_t)k;
	}
	return 0;
}

int weir__file_manifest_write(const struct weir_file_dir *d, const struct weir_file_manifest *m,
			      struct weir_err *err)
{
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, fd, n, r;
	char tmp[WEIR_FILE_NAME_CAP + 32], text[TEXT_CAP];

	/* One name per fence: two owners never write into one file. What is left of a crash goes first. */
	snprintf(tmp, sizeof(tmp), "%s.%llu.tmp", d->manifest, (unsigned long long)m->fence);
	fd = openat(d->fd, tmp, flags, 0640);
	if (fd < 0 && errno == EEXIST && unlinkat(d->fd, tmp, 0) == 0)
		fd = openat(d->fd, tmp, flags, 0640);
	if (fd < 0)
		return weir__file_fail(d, err, -errno, "create", tmp);
	n = render(m, d->pipeline, d->step, d->instance, text);
	r = put(fd, text, (size_t)n);
	if (r == 0)
		r = weir_durable_rename(d->fd, fd, tmp, d->manifest, true);
	close(fd);
	return r < 0 ? weir__file_fail(d, err, r, "write", d->manifest) : 0;
}
