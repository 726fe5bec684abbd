/* SPDX-License-Identifier: Apache-2.0 */
#include "host/address.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

int weir_address_split(const char *address, char *ret_host, size_t host_cap, char *ret_port,
		       size_t port_cap, struct weir_err *err)
{
	const char *colon = strrchr(address, ':');
	size_t host_len;

	if (!colon || colon[1] == 0 || strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
	    strlen(colon + 1) >= port_cap)
		return weir_err_set(err, WEIR_E_FORMAT,
				    "`%s` is no address: write host:port, as in 127.0.0.1:9000",
				    address);
	host_len = (size_t)(colon - address);
	if (host_len >= 2 && address[0] == '[' && colon[-1] == ']') {
		address++;
		host_len -= 2;
	}
	if (host_len == 0 || host_len >= host_cap)
		return weir_err_set(err, WEIR_E_FORMAT,
				    "`%s` names no host: write host:port, as in 127.0.0.1:9000",
				    address);
	memcpy(ret_host, address, host_len);
	ret_host[host_len] = 0;
	strcpy(ret_port, colon + 1);
	return 0;
}

void weir_address_text(const struct sockaddr *sa, socklen_t len, char *ret, size_t cap)
{
	char host[64], port[8];

	if (getnameinfo(sa, len, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV))
		snprintf(ret, cap, "?");
	else
		snprintf(ret, cap, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

static int resolve(const char *address, bool passive, struct addrinfo **ret, struct weir_err *err)
{
	struct addrinfo hint = {.ai_socktype = SOCK_STREAM, .ai_flags = passive ? AI_PASSIVE : 0};
	char host[256], port[8];
	int r = weir_address_split(address, host, sizeof(host), port, sizeof(port), err);

	if (r < 0)
		return r;
	r = getaddrinfo(host, port, &hint, ret);
	if (r)
		return weir_err_set(err, -EADDRNOTAVAIL, "cannot resolve %s: %s", address,
				    gai_strerror(r));
	return 0;
}

int weir_address_listen(const char *address, bool share, int *ret_fd, char *ret_text,
			size_t text_cap, struct weir_err *err)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct addrinfo *ai;
	int r = resolve(address, true, &ai, err), fd, one = 1;

	if (r < 0)
		return r;
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		r = -errno;
		freeaddrinfo(ai);
		return weir_err_set(err, r, "cannot open a socket: %s", weir_strerror(r));
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (share)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	r = bind(fd, ai->ai_addr, ai->ai_addrlen) || listen(fd, 128) ? -errno : 0;
	freeaddrinfo(ai);
	if (r < 0) {
		close(fd);
		return weir_err_set(
			err, r, "cannot listen on %s: %s%s", address, weir_strerror(r),
			r == -EADDRINUSE
				? " (another program has this port; port 0 picks a free one)"
				: "");
	}
	getsockname(fd, (struct sockaddr *)&sa, &len);
	weir_address_text((struct sockaddr *)&sa, len, ret_text, text_cap);
	*ret_fd = fd;
	return 0;
}

static int connect_one(const struct addrinfo *ai, int timeout_ms, int *ret_fd)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), e = 0,
	    one = 1;
	socklen_t len = sizeof(e);
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	if (fd < 0)
		return -errno;
	if (connect(fd, ai->ai_addr, ai->ai_addrlen)) {
		e = errno;
		if (e == EINPROGRESS) {
			e = poll(&p, 1, timeout_ms) > 0 ? 0 : ETIMEDOUT;
			if (!e)
				getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len);
		}
	}
	if (e) {
		close(fd);
		return -e;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	*ret_fd = fd;
	return 0;
}

int weir_address_connect(const char *address, int timeout_ms, int *ret_fd, struct weir_err *err)
{
	struct addrinfo *list;
	int r = resolve(address, false, &list, err);

	if (r < 0)
		return r;
	r = -EADDRNOTAVAIL;
	for (struct addrinfo *ai = list; ai && r < 0; ai = ai->ai_next)
		r = connect_one(ai, timeout_ms, ret_fd);
	freeaddrinfo(list);
	if (r < 0)
		return weir_err_set(err, r, "cannot connect to %s: %s", address, weir_strerror(r));
	return 0;
}
