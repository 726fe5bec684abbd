/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink: tcp. One connection, one record per line. A receiver that does not read stops the sink, and so
 * the pipeline behind it; a connection that breaks stops the pipeline (nothing tells what arrived).
 * With epochs output counts as out when the receiver's system has acknowledged it: what lies in our own
 * is gone with a power cut.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/address.h"
#include "engine/edge/sink.h"

#define CONNECT_MS 5000
#define PATIENCE_MS 1000 /* of the sink thread with a receiver that does not read */

struct sink_tcp {
	struct weir_sink_collect c;
	const char *address;
	int fd;
	size_t sent; /* bytes of the buffer already out */
	_Atomic uint64_t total; /* bytes handed to the system so far */
};

static int broken(const struct weir_node *n, int code, struct weir_err *err)
{
	const struct sink_tcp *o = n->op;

	return weir_err_set(err, code, "step `%s`: connection to %s: %s", n->step_name, o->address,
			    weir_strerror(code));
}

/* Bytes taken; 0: there is no room, <0: error. */
static ssize_t send_some(struct weir_node *n, const void *p, size_t bytes, struct weir_err *err)
{
	struct sink_tcp *o = n->op;
	ssize_t w = send(o->fd, p, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (w < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (w < 0)
		return broken(n, -errno, err);
	atomic_fetch_add(&o->total, (uint64_t)w);
	return w;
}

/* ---- written when it comes ---- */

/* 1: all out, 0: the receiver is slow, <0: error. */
static int push_out(struct weir_node *n, struct sink_tcp *o)
{
	struct weir_buf *b = &o->c.text.buf;

	while (o->sent < b->len) {
		ssize_t w = send_some(n, b->p + o->sent, b->len - o->sent, &n->task->err);

		if (w < 0)
			return (int)w;
		if (w == 0) {
			n->task->retry_ns = (uint64_t)WEIR_NS_PER_MS;
			return 0;
		}
		o->sent += (size_t)w;
	}
	o->c.position += b->len;
	o->sent = b->len = 0;
	return 1;
}

static int sink_tcp_run(struct weir_node *n)
{
	struct sink_tcp *o = n->op;
	int progress = 0, r;

	if (!o->c.headed) {
		weir_encode_head(&o->c.text.enc, &o->c.text.buf);
		o->c.headed = true;
	}
	if (o->sent == 0)
		progress += (int)weir_sink_text_take(&o->c.text, n);
	r = push_out(n, o);
	if (r < 0)
		return r;
	if (n->in.pos == n->in.count && n->in.ctl.kind) {
		if (r == 0 &&
		    (n->in.ctl.kind == WEIR_FRAME_EOS || n->in.ctl.kind == WEIR_FRAME_BARRIER))
			return progress; /* not before the last byte is out */
		weir_sink_control(n);
		progress = 1;
	}
	return progress;
}

static int sink_tcp_tick(struct weir_node *n)
{
	int r = push_out(n, n->op);

	return r < 0 ? r : 0;
}

static void sink_tcp_fini(struct weir_node *n)
{
	struct sink_tcp *o = n->op;

	if (o->fd >= 0)
		close(o->fd);
	weir_sink_collect_fini(&o->c);
}

/* ---- the sink thread ---- */

/* Waits until the receiver's system has acknowledged the first `position` bytes. */
static int wait_acked(struct weir_node *n, uint64_t position, struct weir_err *err)
{
	struct sink_tcp *o = n->op;
	socklen_t size = sizeof(int);
	int code = 0;

	for (int ms = 0; ms < PATIENCE_MS; ms++) {
		/* First the sum: what the worker sends in between only makes the answer later. */
		uint64_t total = atomic_load(&o->total);
		int waiting = 0;

		if (ioctl(o->fd, SIOCOUTQ, &waiting))
			return broken(n, -errno, err);
		if (getsockopt(o->fd, SOL_SOCKET, SO_ERROR, &code, &size) == 0 && code)
			return broken(n, -code, err);
		if (total >= position + (uint64_t)waiting)
			return 0;
		poll(NULL, 0, 1);
	}
	return WEIR_SINK_UNKNOWN;
}

static int direct_prepare(struct weir_node *n, const struct weir_sink_epoch *e,
			  struct weir_err *err)
{
	uint64_t position;
	int r = weir_sink_direct_position(n, e, &position, err);

	return r < 0 ? r : wait_acked(n, position, err);
}

static int send_out(struct weir_node *n, const uint8_t *p, size_t bytes, size_t *ret_sent,
		    struct weir_err *err)
{
	const struct sink_tcp *o = n->op;
	struct pollfd pfd = {.fd = o->fd, .events = POLLOUT};

	*ret_sent = 0;
	while (*ret_sent < bytes) {
		ssize_t w = send_some(n, p + *ret_sent, bytes - *ret_sent, err);

		if (w < 0)
			return (int)w;
		*ret_sent += (size_t)w;
		if (w == 0 && poll(&pfd, 1, PATIENCE_MS) == 0)
			return WEIR_SINK_UNKNOWN;
	}
	return 0;
}

static int settle(struct weir_node *n, struct weir_err *err)
{
	const struct sink_tcp *o = n->op;

	return wait_acked(n, atomic_load(&o->total), err);
}

static int tcp_apply(struct weir_node *n, const struct weir_sink_epoch *e, struct weir_err *err)
{
	static const struct weir_sink_way way = {.send = send_out, .settle = settle};

	return weir_sink_collect_apply(n, e, &way, err);
}

const struct weir_sink_ops weir_sink_tcp_ops = {
	.best = WEIR_GUARANTEE_AT_LEAST_ONCE,
	.rests_on =
		"sent after the commit; a socket keeps no cursor: an epoch whose outcome a crash "
		"left unknown is sent again",
	.open = weir_sink_collect_open,
	.prepare = weir_sink_collect_prepare,
	.apply = tcp_apply,
	.cursor = weir_sink_collect_cursor,
};

const struct weir_sink_ops weir_sink_tcp_direct_ops = {
	.best = WEIR_GUARANTEE_AT_LEAST_ONCE,
	.rests_on = "sent at once, and acknowledged by the receiver's system before the epoch is "
		    "committed: after a crash what came behind the last commit is sent again",
	.open = weir_sink_collect_open,
	.prepare = direct_prepare,
	.apply = weir_sink_direct_apply,
	.cursor = weir_sink_collect_cursor,
};

static const struct weir_op_class tcp_class = {
	.name = "tcp", .run = sink_tcp_run, .tick = sink_tcp_tick, .fini = sink_tcp_fini};

static const struct weir_op_class tcp_direct_class = {.name = "tcp",
						      .run = sink_tcp_run,
						      .tick = sink_tcp_tick,
						      .fini = sink_tcp_fini,
						      .state = &weir_sink_collect_state,
						      .sink = &weir_sink_tcp_direct_ops};

static const struct weir_op_class tcp_collect_class = {.name = "tcp",
						       .run = weir_sink_collect_run,
						       .fini = sink_tcp_fini,
						       .state = &weir_sink_collect_state,
						       .sink = &weir_sink_tcp_ops};

int weir_sink_tcp_open(struct weir_node *n, const struct weir_conn_env *env)
{
	struct sink_tcp *o = weir_region_new(env->region, struct sink_tcp);
	enum weir_guarantee g = weir_sink_guarantee(env);
	int r;

	n->cls = g == WEIR_GUARANTEE_EXACTLY_ONCE    ? &tcp_collect_class
		 : g == WEIR_GUARANTEE_AT_LEAST_ONCE ? &tcp_direct_class
						     : &tcp_class;
	o->fd = -1;
	o->address = env->step->sink.address;
	weir_sink_collect_init(&o->c, n, env);
	o->c.headed = o->c.text.enc.format == WEIR_FORMAT_CSV && !env->step->sink.csv.header;
	if (env->dry)
		return 0;
	r = weir_address_connect(o->address, CONNECT_MS, &o->fd, &n->task->err);
	if (r < 0)
		weir_err_prefix(&n->task->err, "step `%s`", n->step_name);
	return r;
}
