/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams through sendmmsg() and recvmmsg(); epoll waits for the socket and one more descriptor. */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gateway/edge/datagram_socket.h"
#include "host/heap.h"

struct epoll_io {
	struct weir_dgram_socket s; /* first */
	int epoll, other_fd;
	bool want_send;
	uint8_t *buf; /* of WEIR_DGRAM_BURST messages; pages exist once touched */
	struct mmsghdr m[WEIR_DGRAM_BURST];
	struct iovec v[WEIR_DGRAM_BURST];
	struct sockaddr_storage from[WEIR_DGRAM_BURST];
	uint64_t control[WEIR_DGRAM_BURST][WEIR_DGRAM_CONTROL_BYTES / 8];
};

#define BUF_BYTES ((size_t)WEIR_DGRAM_BURST * WEIR_DGRAM_RECV_BYTES)

static struct epoll_io *epoll_of(struct weir_dgram_io *io)
{
	return (struct epoll_io *)(void *)io;
}

static int epoll_recv(struct weir_dgram_io *io, struct weir_dgram *ret, uint32_t cap)
{
	struct epoll_io *e = epoll_of(io);
	uint32_t count = 0;
	int n;

	cap = WEIR_MIN(cap, WEIR_DGRAM_BURST);
	for (uint32_t i = 0; i < cap; i++) {
		e->m[i].msg_hdr = (struct msghdr){.msg_name = &e->from[i],
						  .msg_namelen = sizeof(e->from[i]),
						  .msg_iov = &e->v[i],
						  .msg_iovlen = 1,
						  .msg_control = e->control[i],
						  .msg_controllen = sizeof(e->control[i])};
		e->v[i] = (struct iovec){.iov_base = e->buf + (size_t)i * WEIR_DGRAM_RECV_BYTES,
					 .iov_len = WEIR_DGRAM_RECV_BYTES};
	}
	n = recvmmsg(e->s.fd, e->m, cap, MSG_DONTWAIT, NULL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		struct weir_dgram *d = &ret[count];

		if (!weir_dgram_socket_took(&e->s, &e->m[i].msg_hdr, e->m[i].msg_len, d))
			continue;
		d->peer = e->from[i];
		d->peer_len = e->m[i].msg_hdr.msg_namelen;
		d->p = e->v[i].iov_base;
		count++;
	}
	return (int)count;
}

static void epoll_push(struct weir_dgram_socket *s, struct weir_dgram_out *m, uint32_t n)
{
	struct mmsghdr mm[WEIR_DGRAM_BURST];

	for (uint32_t i = 0; i < n; i++)
		mm[i] = (struct mmsghdr){.msg_hdr = m[i].h};
	for (uint32_t i = 0; i < n;) {
		int r = sendmmsg(s->fd, mm + i, n - i, MSG_DONTWAIT);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0) {
			m[i].result = -errno;
			if (errno == EAGAIN)
				return;
			i++;
			continue;
		}
		for (; r > 0; r--)
			m[i++].result = 0;
	}
}

static int epoll_send(struct weir_dgram_io *io, const struct weir_dgram *d, uint32_t count)
{
	return weir_dgram_socket_send(&epoll_of(io)->s, d, count, epoll_push);
}

/* What the kernel watches, as wanted now. */
static int watch(struct epoll_io *e, int other_fd, bool want_send)
{
	struct epoll_event sock = {.events = want_send ? EPOLLIN | EPOLLOUT : EPOLLIN};
	struct epoll_event other = {.events = EPOLLIN};

	if (want_send != e->want_send && epoll_ctl(e->epoll, EPOLL_CTL_MOD, e->s.fd, &sock) < 0)
		return -errno;
	e->want_send = want_send;
	if (other_fd == e->other_fd)
		return 0;
	/* It may be closed already: then it is gone from the set. */
	if (e->other_fd >= 0)
		epoll_ctl(e->epoll, EPOLL_CTL_DEL, e->other_fd, NULL);
	e->other_fd = -1;
	if (other_fd >= 0 && epoll_ctl(e->epoll, EPOLL_CTL_ADD, other_fd, &other) < 0)
		return -errno;
	e->other_fd = other_fd;
	return 0;
}

static int epoll_wait_(struct weir_dgram_io *io, int other_fd, bool want_send, int64_t timeout_ns)
{
	struct epoll_io *e = epoll_of(io);
	struct timespec ts = {.tv_sec = timeout_ns / WEIR_NS_PER_S,
			      .tv_nsec = timeout_ns % WEIR_NS_PER_S};
	struct epoll_event ev[2];
	int r = watch(e, other_fd, want_send), ms = -1;

	if (r < 0)
		return r;
	r = epoll_pwait2(e->epoll, ev, 2, timeout_ns < 0 ? NULL : &ts, NULL);
	/* Linux before 5.11: whole milliseconds. */
	if (r < 0 && errno == ENOSYS) {
		if (timeout_ns >= 0)
			ms = (int)WEIR_MIN(timeout_ns / WEIR_NS_PER_MS + 1, INT64_C(60000));
		r = epoll_wait(e->epoll, ev, 2, ms);
	}
	return r < 0 && errno != EINTR ? -errno : 0;
}

static void epoll_close(struct weir_dgram_io *io)
{
	struct epoll_io *e = epoll_of(io);

	close(e->epoll);
	weir_dgram_socket_close(&e->s);
	munmap(e->buf, BUF_BYTES);
	weir_heap_mem.free(NULL, e, sizeof(*e));
}

static const struct weir_dgram_ops epoll_ops = {
	.name = "epoll",
	.recv = epoll_recv,
	.send = epoll_send,
	.wait = epoll_wait_,
	.stats = weir_dgram_socket_stats,
	.close = epoll_close,
};

int weir_dgram_epoll_open(const struct weir_dgram_options *o, struct weir_dgram_io **ret,
			  struct weir_err *err)
{
	struct epoll_io *e = weir_heap_mem.alloc(NULL, sizeof(*e), _Alignof(struct epoll_io));
	struct epoll_event ev = {.events = EPOLLIN};
	int r = weir_dgram_socket_open(&e->s, o, &epoll_ops, err);

	if (r < 0) {
		weir_heap_mem.free(NULL, e, sizeof(*e));
		return r;
	}
	e->other_fd = -1;
	e->epoll = epoll_create1(EPOLL_CLOEXEC);
	e->buf = mmap(NULL, BUF_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (e->epoll < 0 || e->buf == MAP_FAILED ||
	    epoll_ctl(e->epoll, EPOLL_CTL_ADD, e->s.fd, &ev) < 0) {
		r = weir_err_set(err, -errno, "cannot wait for datagrams: %s",
				 weir_strerror(-errno));
		if (e->buf == MAP_FAILED)
			e->buf = NULL;
		if (e->buf)
			munmap(e->buf, BUF_BYTES);
		if (e->epoll >= 0)
			close(e->epoll);
		weir_dgram_socket_close(&e->s);
		weir_heap_mem.free(NULL, e, sizeof(*e));
		return r;
	}
	*ret = &e->s.io;
	return 0;
}
