/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/cli/client.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "shm/rundir.h"

#define ANSWER_MAX ((size_t)64 << 20)

size_t weir_client_list(char (*ret_name)[64], size_t cap)
{
	char dir[256];
	struct dirent *e;
	size_t n = 0;
	DIR *d;

	if (weir_run_dir(dir, sizeof(dir)) < 0 || !(d = opendir(dir)))
		return 0;
	while (n < cap && (e = readdir(d))) {
		size_t len = strlen(e->d_name);

		if (len > 5 && len - 5 < 64 && !strcmp(e->d_name + len - 5, ".sock")) {
			memcpy(ret_name[n], e->d_name, len - 5);
			ret_name[n++][len - 5] = 0;
		}
	}
	closedir(d);
	return n;
}

static int connect_name(const char *name, struct weir_err *err)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int r = weir_run_socket(name, un.sun_path, sizeof(un.sun_path), err), fd;

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return weir_err_set(err, -errno, "cannot open a socket: %s", weir_strerror(-errno));
	if (connect(fd, (struct sockaddr *)&un, sizeof(un))) {
		r = -errno;
		close(fd);
		return weir_err_set(
			err, r,
			r == -EACCES ? "pipeline `%s` belongs to another user (%s)"
				     : "no pipeline `%s` runs on this host (%s does not answer)",
			name, un.sun_path);
	}
	return fd;
}

int weir_client_connect(const char *pipeline, struct weir_err *err)
{
	static char name[64][64];
	size_t n, alive = 0;
	int fd = -1;

	if (pipeline)
		return connect_name(pipeline, err);
	n = weir_client_list(name, 64);
	for (size_t i = 0; i < n; i++) {
		int f = connect_name(name[i], err);

		if (f < 0)
			continue;
		if (alive++)
			close(f);
		else
			fd = f;
	}
	if (alive == 1)
		return fd;
	if (fd >= 0)
		close(fd);
	if (alive == 0)
		return weir_err_set(err, -ENOENT, "no pipeline runs on this host");
	return weir_err_set(err, WEIR_E_USAGE, "%zu pipelines run on this host: which one?", alive);
}

json_t *weir_client_ask(int fd, const char *command, struct weir_err *err)
{
	size_t n = 0, cap = 65536, len = strlen(command);
	char *text = malloc(cap);
	json_t *answer = NULL;

	if (send(fd, command, len, MSG_NOSIGNAL) != (ssize_t)len) {
		weir_err_set(err, -EPIPE, "the pipeline ended");
		free(text);
		return NULL;
	}
	while (n < ANSWER_MAX) {
		/* Byte by byte would be slow, more than a line would eat what follows: only one answer
		 * is ever under way, so the line end closes the read. */
		ssize_t got = recv(fd, text + n, cap - n, 0);

		if (got <= 0)
			break;
		n += (size_t)got;
		if (memchr(text + n - got, '\n', (size_t)got))
			break;
		if (n == cap)
			text = realloc(text, cap *= 2);
	}
	answer = json_loadb(text, n, JSON_DISABLE_EOF_CHECK, NULL);
	/* A float beyond 2^63 looks like an integer and fits none: then numbers are what other readers take them for. */
	if (!answer)
		answer =
			json_loadb(text, n, JSON_DISABLE_EOF_CHECK | JSON_DECODE_INT_AS_REAL, NULL);
	free(text);
	if (!answer) {
		weir_err_set(err, WEIR_E_FORMAT,
			     "the pipeline ended, or its answer makes no sense");
	} else if (!json_is_true(json_object_get(answer, "ok"))) {
		const char *why = json_string_value(json_object_get(answer, "error"));

		weir_err_set(err, WEIR_E_REJECT, "%s", why ? why : "refused");
		json_decref(answer);
		answer = NULL;
	}
	return answer;
}
