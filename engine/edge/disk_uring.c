/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disk through io_uring. Writes wait in a queue of ours, then in the ring until the kernel took them (handed),
 * then in the kernel; what was refused on the way ends with the error that refused it.
 */
#include <errno.h>
#include <liburing.h>
#include <stdio.h>

#include "base/assert.h"
#include "engine/edge/disk_impl.h"
#include "engine/edge/engine.h"

#define WAIT_MAX_NS ((uint64_t)1000000 * WEIR_NS_PER_S)
#define REGISTER_MIN ((size_t)1 << 20)

struct uring {
	struct weir_disk_base base; /* first: it is the ctx */
	struct io_uring ring;
	uint32_t depth;
	uint32_t in_ring; /* handed, or in the kernel */
	uint32_t in_kernel;
	int broken; /* -errno: the kernel takes nothing any more */
	struct weir_disk_queue todo, handed, ended;
};

static void uring_write(void *ctx, int file, uint64_t offset, const void *buf, size_t n,
			uint64_t token)
{
	struct uring *u = ctx;
	struct weir_disk_op *op = weir_disk_op_new(&u->base, file, offset, buf, n, token);

	op->result = u->base.read_only ? -EROFS : u->broken;
	weir_disk_push(op->result ? &u->ended : &u->todo, op);
}

static bool registered(const struct uring *u, const struct weir_disk_op *op)
{
	size_t at = (size_t)((uintptr_t)op->buf - (uintptr_t)u->base.pool.p);

	return at < u->base.pool.registered && op->n <= u->base.pool.registered - at;
}

/* From our queue into the ring. */
static void hand_over(struct uring *u)
{
	while (u->in_ring < u->depth && u->todo.first) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
		struct weir_disk_op *op;

		if (!sqe)
			return;
		op = weir_disk_pop(&u->todo);
		if (registered(u, op))
			io_uring_prep_write_fixed(sqe, op->fd, op->buf, (unsigned)op->n, op->offset,
						  0);
		else
			io_uring_prep_write(sqe, op->fd, op->buf, (unsigned)op->n, op->offset);
		io_uring_sqe_set_data(sqe, op);
		weir_disk_push(&u->handed, op);
		u->in_ring++;
	}
}

/* No second try: what the kernel did not take fails, and all that comes later. */
static void break_down(struct uring *u, int code)
{
	struct weir_disk_op *op;

	u->broken = code;
	while ((op = weir_disk_pop(&u->handed))) {
		u->in_ring--;
		op->result = code;
		weir_disk_push(&u->ended, op);
	}
	while ((op = weir_disk_pop(&u->todo))) {
		op->result = code;
		weir_disk_push(&u->ended, op);
	}
}

static void submit(struct uring *u)
{
	while (u->handed.first && !u->broken) {
		int r = io_uring_submit(&u->ring);

		/* Short of memory, or completions wait: they go with the next poll. */
		if (r == 0 || r == -EAGAIN || r == -EBUSY || r == -EINTR)
			return;
		if (r < 0)
			break_down(u, r);
		for (; r > 0; r--) {
			weir_assert(weir_disk_pop(&u->handed));
			u->in_kernel++;
		}
	}
}

static uint32_t reap(struct uring *u, struct weir_disk_done *ret, uint32_t cap)
{
	struct io_uring_cqe *cqe;
	uint32_t n = 0;

	while (n < cap && u->ended.first)
		weir_disk_op_end(&u->base, weir_disk_pop(&u->ended), &ret[n++]);
	while (n < cap && u->in_kernel && io_uring_peek_cqe(&u->ring, &cqe) == 0) {
		struct weir_disk_op *op = io_uring_cqe_get_data(cqe);

		op->result = weir_disk_wrote(op, cqe->res);
		io_uring_cqe_seen(&u->ring, cqe);
		u->in_kernel--;
		u->in_ring--;
		weir_disk_op_end(&u->base, op, &ret[n++]);
	}
	return n;
}

static uint32_t uring_poll(void *ctx, uint64_t wait_ns, struct weir_disk_done *ret, uint32_t cap)
{
	struct uring *u = ctx;
	struct io_uring_cqe *cqe;
	struct __kernel_timespec ts;
	uint32_t n;

	if (!u->base.pending)
		return 0;
	hand_over(u);
	submit(u);
	n = reap(u, ret, cap);
	if (n || !wait_ns || !cap || !u->in_kernel)
		return n;
	wait_ns = WEIR_MIN(wait_ns, WAIT_MAX_NS);
	ts.tv_sec = (long long)(wait_ns / WEIR_NS_PER_S);
	ts.tv_nsec = (long long)(wait_ns % WEIR_NS_PER_S);
	/* A timeout or a signal ends it as well: what is there counts. */
	io_uring_wait_cqe_timeout(&u->ring, &cqe, &ts);
	return reap(u, ret, cap);
}

static void uring_fini(struct weir_disk_base *b)
{
	struct uring *u = (struct uring *)(void *)b;
	struct weir_disk_done done;
	struct io_uring_cqe *cqe;

	break_down(u, -ECANCELED);
	while (b->pending) {
		if (!reap(u, &done, 1))
			io_uring_wait_cqe(&u->ring, &cqe);
	}
	/* By itself the ring gives RLIMIT_MEMLOCK back some time after its end: too late for a next one. */
	if (b->pool.registered)
		io_uring_unregister_buffers(&u->ring);
	io_uring_queue_exit(&u->ring);
	weir_disk_base_fini(b);
	weir_heap_mem.free(NULL, u, sizeof(*u));
}

/* Registered memory counts against RLIMIT_MEMLOCK: as much of the pool as is allowed. */
static void uring_ready(struct weir_disk_base *b)
{
	struct uring *u = (struct uring *)(void *)b;
	struct iovec v = {.iov_base = b->pool.p, .iov_len = b->pool.bytes};

	if (b->read_only)
		return;
	for (; v.iov_len >= WEIR_MIN(REGISTER_MIN, b->pool.bytes); v.iov_len /= 2) {
		if (io_uring_register_buffers(&u->ring, &v, 1) == 0) {
			b->pool.registered = v.iov_len;
			snprintf(b->how, sizeof(b->how), "io_uring, registered buffers");
			return;
		}
	}
}

static const struct weir_disk_ops uring_ops = {WEIR_DISK_BASE_OPS, .write = uring_write,
					       .poll = uring_poll};

int weir_disk_uring_new(const struct weir_disk_options *o, struct weir_disk_base **ret,
			const struct weir_disk_ops **ret_ops)
{
	struct uring *u = weir_heap_mem.alloc(NULL, sizeof(*u), sizeof(void *));
	int r = io_uring_queue_init(o->depth, &u->ring, 0);

	/* A wait with a timeout must not need an entry of the ring: Linux 5.11. */
	if (r == 0 && !(u->ring.features & IORING_FEAT_EXT_ARG)) {
		io_uring_queue_exit(&u->ring);
		r = -ENOSYS;
	}
	if (r < 0) {
		weir_heap_mem.free(NULL, u, sizeof(*u));
		return r;
	}
	u->depth = o->depth;
	u->base.fini = uring_fini;
	u->base.ready = uring_ready;
	u->base.dir_fd = u->base.quarantine_fd = -1;
	snprintf(u->base.how, sizeof(u->base.how), "io_uring");
	*ret = &u->base;
	*ret_ops = &uring_ops;
	return 0;
}
