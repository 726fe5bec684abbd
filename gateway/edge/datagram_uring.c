/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams through io_uring. Two rings, so that what was sent is told apart from what arrived without a queue between.
 *
 * Receiving: one multishot recvmsg into a ring of provided buffers (Linux 6.0); in steady state no system call. A buffer is lent
 *            until the next recv(). Without buffers the request ends and is made again when some came back; datagrams wait in
 *            the socket meanwhile.
 * Sending:   a burst is one io_uring_enter(). MSG_DONTWAIT: each message ends in there, with -EAGAIN when there is no room,
 *            and no bytes are kept.
 * Waiting:   the other descriptor and room to send are polls in the receiving ring, armed once until they fire.
 */
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "gateway/edge/datagram_socket.h"
#include "host/heap.h"

#define BUFS 64u /* a power of two */
#define NAME_BYTES 32u /* keeps the control data behind it aligned */
#define BUF_BYTES                                                                                  \
	(sizeof(struct io_uring_recvmsg_out) + NAME_BYTES + WEIR_DGRAM_CONTROL_BYTES +             \
	 WEIR_DGRAM_RECV_BYTES)
#define BUFS_BYTES (BUFS * BUF_BYTES)
#define RING_BYTES 4096u
#define GROUP 0

_Static_assert(BUFS * sizeof(struct io_uring_buf) <= RING_BYTES, "the ring of buffers is a page");
_Static_assert(BUF_BYTES % 8 == 0, "control data is aligned in every buffer");
_Static_assert(sizeof(struct sockaddr_in6) <= NAME_BYTES, "every address fits");

/* user_data: what it is, and of a poll its number, as an old one may still end. */
enum { DO_RECV = 1, DO_OTHER, DO_ROOM, DO_CANCEL };
#define TAG(what, number) ((uint64_t)(number) << 8 | (what))

struct uring_io {
	struct weir_dgram_socket s; /* first */
	struct io_uring rx, tx;
	struct io_uring_buf_ring *ring;
	uint8_t *buf;
	struct msghdr shape;
	uint16_t lent[BUFS];
	uint32_t lent_count;
	bool armed, other_armed, room_armed;
	int other_fd;
	uint32_t other_number;
};

static struct uring_io *uring_of(struct weir_dgram_io *io)
{
	return (struct uring_io *)(void *)io;
}

/* The ring is larger than what can be in it. */
static struct io_uring_sqe *new_sqe(struct io_uring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	weir_assert(sqe);
	return sqe;
}

static void arm_recv(struct uring_io *u)
{
	struct io_uring_sqe *sqe = new_sqe(&u->rx);

	io_uring_prep_recvmsg_multishot(sqe, u->s.fd, &u->shape, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
	sqe->user_data = TAG(DO_RECV, 0);
	u->armed = true;
}

static void arm_poll(struct uring_io *u, int fd, unsigned events, uint64_t tag)
{
	struct io_uring_sqe *sqe = new_sqe(&u->rx);

	io_uring_prep_poll_add(sqe, fd, events);
	sqe->user_data = tag;
}

static void cancel(struct uring_io *u, uint64_t tag)
{
	struct io_uring_sqe *sqe = new_sqe(&u->rx);

	io_uring_prep_cancel64(sqe, tag, 0);
	sqe->user_data = TAG(DO_CANCEL, 0);
}

static void add_buffer(struct uring_io *u, uint16_t id, int at)
{
	io_uring_buf_ring_add(u->ring, u->buf + id * BUF_BYTES, BUF_BYTES, id,
			      io_uring_buf_ring_mask(BUFS), at);
}

static void give_back(struct uring_io *u)
{
	for (uint32_t i = 0; i < u->lent_count; i++)
		add_buffer(u, u->lent[i], (int)i);
	io_uring_buf_ring_advance(u->ring, (int)u->lent_count);
	u->lent_count = 0;
}

/* A completed poll. true: somebody waits for what it says. */
static bool ended_poll(struct uring_io *u, const struct io_uring_cqe *cqe)
{
	if (cqe->user_data == TAG(DO_OTHER, u->other_number)) {
		u->other_armed = false;
		return true;
	}
	if (cqe->user_data == TAG(DO_ROOM, 0)) {
		u->room_armed = false;
		return true;
	}
	return false;
}

/* 1: *ret is filled, 0: nothing for the caller in it, <0. */
static int took(struct uring_io *u, const struct io_uring_cqe *cqe, struct weir_dgram *ret)
{
	struct io_uring_recvmsg_out *o;
	struct msghdr h;
	uint16_t id = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);

	if (!(cqe->flags & IORING_CQE_F_MORE))
		u->armed = false;
	if (!(cqe->flags & IORING_CQE_F_BUFFER)) {
		/* Out of buffers or memory: the request is made again. */
		return cqe->res >= 0 || cqe->res == -ENOBUFS || cqe->res == -ENOMEM ||
				       cqe->res == -EAGAIN || cqe->res == -EINTR
			       ? 0
			       : cqe->res;
	}
	weir_assert(id < BUFS && u->lent_count < BUFS);
	u->lent[u->lent_count++] = id;
	o = cqe->res < 0 ? NULL
			 : io_uring_recvmsg_validate(u->buf + id * BUF_BYTES, cqe->res, &u->shape);
	if (!o)
		return 0;
	h = (struct msghdr){.msg_control = io_uring_recvmsg_cmsg_firsthdr(o, &u->shape),
			    .msg_controllen = o->controllen,
			    .msg_flags = (int)o->flags};
	if (!h.msg_control)
		h.msg_controllen = 0;
	if (!weir_dgram_socket_took(&u->s, &h,
				    io_uring_recvmsg_payload_length(o, cqe->res, &u->shape), ret))
		return 0;
	ret->peer_len = WEIR_MIN(o->namelen, NAME_BYTES);
	memcpy(&ret->peer, io_uring_recvmsg_name(o), ret->peer_len);
	ret->p = io_uring_recvmsg_payload(o, &u->shape);
	return 1;
}

static int uring_recv(struct weir_dgram_io *io, struct weir_dgram *ret, uint32_t cap)
{
	struct uring_io *u = uring_of(io);
	struct io_uring_cqe *cqe;
	uint32_t n = 0;
	int r = 0;

	give_back(u);
	/* Twice: a request that ended is made again, and what waited in the socket comes at once. */
	for (int round = 0; round < 2; round++) {
		while (n < cap && u->lent_count < BUFS && r >= 0 &&
		       io_uring_peek_cqe(&u->rx, &cqe) == 0) {
			if (cqe->user_data == TAG(DO_RECV, 0)) {
				r = took(u, cqe, &ret[n]);
				n += r > 0;
			} else {
				ended_poll(u, cqe);
			}
			io_uring_cqe_seen(&u->rx, cqe);
		}
		if (u->armed || r < 0)
			break;
		arm_recv(u);
		io_uring_submit(&u->rx);
	}
	return r < 0 && !n ? r : (int)n;
}

static void uring_push(struct weir_dgram_socket *s, struct weir_dgram_out *m, uint32_t n)
{
	struct uring_io *u = (struct uring_io *)(void *)s;
	struct io_uring_cqe *cqe;
	uint32_t ended = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct io_uring_sqe *sqe = new_sqe(&u->tx);

		io_uring_prep_sendmsg(sqe, s->fd, &m[i].h, MSG_DONTWAIT);
		sqe->user_data = i;
	}
	/* The kernel may take fewer at once when it is short of memory; m must not be left behind in the ring. */
	while (ended < n) {
		int r = io_uring_submit_and_wait(&u->tx, io_uring_sq_ready(&u->tx) ? 0 : 1);

		weir_assert(r >= 0 || r == -EAGAIN || r == -EBUSY || r == -EINTR);
		while (io_uring_peek_cqe(&u->tx, &cqe) == 0) {
			m[cqe->user_data].result = WEIR_MIN(cqe->res, 0);
			io_uring_cqe_seen(&u->tx, cqe);
			ended++;
		}
	}
}

static int uring_send(struct weir_dgram_io *io, const struct weir_dgram *d, uint32_t count)
{
	return weir_dgram_socket_send(&uring_of(io)->s, d, count, uring_push);
}

/* Takes polls that ended from the front. true: one of them, or a datagram, ends a wait. */
static bool something(struct uring_io *u)
{
	struct io_uring_cqe *cqe;
	bool fired = false;

	while (io_uring_peek_cqe(&u->rx, &cqe) == 0) {
		if (cqe->user_data == TAG(DO_RECV, 0))
			return true;
		fired |= ended_poll(u, cqe);
		io_uring_cqe_seen(&u->rx, cqe);
	}
	return fired;
}

static int uring_wait(struct weir_dgram_io *io, int other_fd, bool want_send, int64_t timeout_ns)
{
	struct uring_io *u = uring_of(io);
	struct __kernel_timespec ts = {.tv_sec = timeout_ns / WEIR_NS_PER_S,
				       .tv_nsec = timeout_ns % WEIR_NS_PER_S};
	struct io_uring_cqe *cqe;
	int r;

	if (something(u))
		return 0;
	if (other_fd != u->other_fd) {
		if (u->other_armed)
			cancel(u, TAG(DO_OTHER, u->other_number));
		u->other_number++;
		u->other_armed = false;
		u->other_fd = other_fd;
	}
	if (other_fd >= 0 && !u->other_armed) {
		arm_poll(u, other_fd, POLLIN, TAG(DO_OTHER, u->other_number));
		u->other_armed = true;
	}
	if (want_send && !u->room_armed) {
		arm_poll(u, u->s.fd, POLLOUT, TAG(DO_ROOM, 0));
		u->room_armed = true;
	}
	r = io_uring_submit_and_wait_timeout(&u->rx, &cqe, 1, timeout_ns < 0 ? NULL : &ts, NULL);
	something(u);
	return r < 0 && r != -ETIME && r != -EINTR && r != -EAGAIN && r != -EBUSY ? r : 0;
}

/* By itself a ring lets go of its socket some time after its end: too late for the next one who wants the port. */
static void stop(struct uring_io *u)
{
	struct io_uring_cqe *cqe;

	if (u->armed)
		cancel(u, TAG(DO_RECV, 0));
	if (u->other_armed)
		cancel(u, TAG(DO_OTHER, u->other_number));
	if (u->room_armed)
		cancel(u, TAG(DO_ROOM, 0));
	while (u->armed || u->other_armed || u->room_armed) {
		int r = io_uring_submit_and_wait(&u->rx, 1);

		weir_assert(r >= 0 || r == -EINTR || r == -EAGAIN || r == -EBUSY);
		while (io_uring_peek_cqe(&u->rx, &cqe) == 0) {
			if (cqe->user_data == TAG(DO_RECV, 0))
				u->armed = u->armed && (cqe->flags & IORING_CQE_F_MORE);
			else
				ended_poll(u, cqe);
			io_uring_cqe_seen(&u->rx, cqe);
		}
	}
}

static void uring_close(struct weir_dgram_io *io)
{
	struct uring_io *u = uring_of(io);

	stop(u);
	io_uring_unregister_buf_ring(&u->rx, GROUP);
	io_uring_queue_exit(&u->rx);
	io_uring_queue_exit(&u->tx);
	weir_dgram_socket_close(&u->s);
	munmap(u->ring, RING_BYTES);
	munmap(u->buf, BUFS_BYTES);
	weir_heap_mem.free(NULL, u, sizeof(*u));
}

static const struct weir_dgram_ops uring_ops = {
	.name = "io_uring",
	.recv = uring_recv,
	.send = uring_send,
	.wait = uring_wait,
	.stats = weir_dgram_socket_stats,
	.close = uring_close,
};

static void *pages(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static int open_rings(struct uring_io *u)
{
	struct io_uring_params p = {.flags = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
					     IORING_SETUP_CQSIZE,
				    .cq_entries = 4 * BUFS};
	struct io_uring_params q = p;
	int r = io_uring_queue_init_params(16, &u->rx, &p);

	if (r < 0)
		return r;
	r = io_uring_queue_init_params(WEIR_DGRAM_BURST, &u->tx, &q);
	if (r < 0)
		io_uring_queue_exit(&u->rx);
	return r;
}

static int register_buffers(struct uring_io *u)
{
	struct io_uring_buf_reg reg = {.ring_entries = BUFS, .bgid = GROUP};
	int r;

	u->ring = pages(RING_BYTES);
	u->buf = pages(BUFS_BYTES);
	if (!u->ring || !u->buf)
		return -ENOMEM;
	reg.ring_addr = (uint64_t)(uintptr_t)u->ring;
	r = io_uring_register_buf_ring(&u->rx, &reg, 0);
	if (r < 0)
		return r;
	io_uring_buf_ring_init(u->ring);
	for (uint16_t i = 0; i < BUFS; i++)
		add_buffer(u, i, i);
	io_uring_buf_ring_advance(u->ring, BUFS);
	return 0;
}

/* A kernel that knows no multishot receive says so at once. */
static int first_recv(struct uring_io *u)
{
	struct io_uring_cqe *cqe;
	int r;

	arm_recv(u);
	r = io_uring_submit(&u->rx);
	if (r >= 0 && io_uring_peek_cqe(&u->rx, &cqe) == 0 && cqe->res < 0 && cqe->res != -ENOBUFS)
		r = cqe->res;
	return WEIR_MIN(r, 0);
}

static int start(struct uring_io *u)
{
	int r = open_rings(u);

	if (r < 0)
		return r;
	u->other_fd = -1;
	u->shape = (struct msghdr){.msg_namelen = NAME_BYTES,
				   .msg_controllen = WEIR_DGRAM_CONTROL_BYTES};
	r = register_buffers(u);
	if (r == 0)
		r = first_recv(u);
	if (r < 0) {
		io_uring_queue_exit(&u->rx);
		io_uring_queue_exit(&u->tx);
	}
	return r;
}

int weir_dgram_uring_open(const struct weir_dgram_options *o, struct weir_dgram_io **ret,
			  struct weir_err *err)
{
	struct uring_io *u = weir_heap_mem.alloc(NULL, sizeof(*u), _Alignof(struct uring_io));
	int r = weir_dgram_socket_open(&u->s, o, &uring_ops, err);

	if (r < 0) {
		weir_heap_mem.free(NULL, u, sizeof(*u));
		return r;
	}
	r = start(u);
	if (r < 0) {
		weir_dgram_socket_close(&u->s);
		if (u->ring)
			munmap(u->ring, RING_BYTES);
		if (u->buf)
			munmap(u->buf, BUFS_BYTES);
		weir_heap_mem.free(NULL, u, sizeof(*u));
		return weir_err_set(err, r, "io_uring is refused: %s", weir_strerror(r));
	}
	*ret = &u->s.io;
	return 0;
}
