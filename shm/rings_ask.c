/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shm/rings_ask.c - the segment of a running pipeline, by its control socket: one line out, one
 * line and a descriptor back.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "shm/rings_tool.h"

#define ASK_LINE "{\"cmd\":\"segment\"}\n"
#define ASK_SECONDS 5

static int ask_connect(const char *path, struct weir_err *err)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = ASK_SECONDS};
	int fd, r;

	if (strlen(path) >= sizeof(un.sun_path))
		return weir_err_set(err, -ENAMETOOLONG, "%s: too long for a socket", path);
	strcpy(un.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return weir_err_set(err, -errno, "%s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0) {
		r = weir_err_set(err, -errno, "%s: %s", path, strerror(errno));
		close(fd);
		return r;
	}
	return fd;
}

/* Takes the first descriptor, closes any other. */
static void ask_take_fds(struct msghdr *m, int *inout_fd)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (*inout_fd < 0)
				*inout_fd = fd;
			else
				close(fd);
		}
	}
}

/* Reads up to a newline. Length, or negative. */
static ssize_t ask_read(int sock, char *line, size_t cap, int *inout_fd)
{
	size_t len = 0;

	while (len < cap - 1) {
		union {
			struct cmsghdr align;
			char bytes[CMSG_SPACE(4 * sizeof(int))];
		} control;
		struct iovec iov = {line + len, cap - 1 - len};
		struct msghdr m = {.msg_iov = &iov,
				   .msg_iovlen = 1,
				   .msg_control = &control,
				   .msg_controllen = sizeof(control)};
		ssize_t n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);

		if (n < 0)
			return -errno;
		ask_take_fds(&m, inout_fd);
		if (n == 0)
			break;
		len += (size_t)n;
		if (memchr(line, '\n', len))
			break;
	}
	line[len] = 0;
	line[strcspn(line, "\n")] = 0;
	return (ssize_t)len;
}

int rings_ask(const char *socket_path, int *ret_fd, struct weir_err *err)
{
	int sock = ask_connect(socket_path, err), fd = -1;
	char line[1024];
	ssize_t n;
	int r = 0;

	if (sock < 0)
		return sock;
	if (send(sock, ASK_LINE, sizeof(ASK_LINE) - 1, MSG_NOSIGNAL) < 0)
		n = -errno;
	else
		n = ask_read(sock, line, sizeof(line), &fd);
	close(sock);
	if (n == -EAGAIN)
		r = weir_err_set(err, -ETIMEDOUT, "%s: no answer for %d seconds", socket_path,
				 ASK_SECONDS);
	else if (n < 0)
		r = weir_err_set(err, (int)n, "%s: %s", socket_path, weir_strerror((int)n));
	else if (strncmp(line, "{\"ok\":true", 10) != 0)
		r = weir_err_set(err, WEIR_E_PEER, "%s: the engine says: %.200s", socket_path,
				 line);
	else if (fd < 0)
		r = weir_err_set(err, WEIR_E_PEER, "%s: the engine sent no descriptor",
				 socket_path);
	if (r < 0) {
		if (fd >= 0)
			close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}
