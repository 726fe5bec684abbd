/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink: tcp. One connection, one record per line. A receiver that does not read stops the sink, and so
 * the pipeline behind it; a connection that breaks stops the pipeline (nothing tells what arrived).
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/edge/address.h"
#include "engine/edge/sink.h"

#define CONNECT_MS 5000

struct sink_tcp {
	struct weir_sink_text text;
	const char *address;
	int fd;
	size_t sent; /* bytes of the buffer already out */
	bool headed;
};

/* 1: all out, 0: the receiver is slow, <0: error. */
static int push_out(struct weir_node *n, struct sink_tcp *o)
{
	while (o->sent < o->text.buf.len) {
		ssize_t w = send(o->fd, o->text.buf.p + o->sent, o->text.buf.len - o->sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (w < 0 && (errno == EAGAIN || errno == EINTR)) {
			n->task->retry_ns = (uint64_t)WEIR_NS_PER_MS;
			return 0;
		}
		if (w < 0)
			return weir_err_set(&n->task->err, -errno,
					    "step `%s`: connection to %s: %s", n->step_name,
					    o->address, weir_strerror(-errno));
		o->sent += (size_t)w;
	}
	o->sent = o->text.buf.len = 0;
	return 1;
}

static int sink_tcp_run(struct weir_node *n)
{
	struct sink_tcp *o = n->op;
	int progress = 0, r;

	if (!o->headed) {
		weir_encode_head(&o->text.enc, &o->text.buf);
		o->headed = true;
	}
	if (o->sent == 0)
		progress += (int)weir_sink_text_take(&o->text, n);
	r = push_out(n, o);
	if (r < 0)
		return r;
	if (n->in.pos == n->in.count && n->in.ctl.kind) {
		if (n->in.ctl.kind == WEIR_FRAME_EOS && r == 0)
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
}

static const struct weir_op_class sink_tcp_class = {
	.name = "tcp", .run = sink_tcp_run, .tick = sink_tcp_tick, .fini = sink_tcp_fini};

int weir_sink_tcp_open(struct weir_node *n, const struct weir_conn_env *env)
{
	struct sink_tcp *o = weir_region_new(env->region, struct sink_tcp);
	int r;

	n->cls = &sink_tcp_class;
	n->op = o;
	o->fd = -1;
	o->address = env->step->sink.address;
	weir_sink_text_init(&o->text, n, env);
	o->headed = o->text.enc.format == WEIR_FORMAT_CSV && !env->step->sink.csv.header;
	r = weir_address_connect(o->address, CONNECT_MS, &o->fd, &n->task->err);
	if (r < 0)
		weir_err_prefix(&n->task->err, "step `%s`", n->step_name);
	return r;
}
