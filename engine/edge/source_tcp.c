/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source: tcp. Listens; each connection sends records, one per line, and is read only as fast as the
 * pipeline takes them: a full ring stops the reading, and the producer feels it in its socket.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/edge/address.h"
#include "engine/edge/records.h"

#define CONNS_MAX 256u
#define BUFFER_BYTES ((size_t)1 << 20)

struct conn {
	int fd;
	bool eof;
	char name[64]; /* peer, for rejects */
	char *buf;
	size_t n;
	uint64_t offset;
};

struct source_tcp {
	struct weir_records r;
	int listen_fd;
	char address[128];
	uint32_t count, next;
	struct conn conn[CONNS_MAX];
};

static void accept_some(struct source_tcp *o)
{
	while (o->count < CONNS_MAX) {
		struct sockaddr_storage sa;
		socklen_t len = sizeof(sa);
		struct conn *c = &o->conn[o->count];
		int fd = accept4(o->listen_fd, (struct sockaddr *)&sa, &len,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		memset(c, 0, sizeof(*c));
		c->buf = malloc(BUFFER_BYTES);
		if (!c->buf) {
			close(fd);
			return;
		}
		c->fd = fd;
		weir_address_text((struct sockaddr *)&sa, len, c->name, sizeof(c->name));
		o->count++;
	}
}

static void drop(struct source_tcp *o, uint32_t i)
{
	close(o->conn[i].fd);
	free(o->conn[i].buf);
	o->conn[i] = o->conn[--o->count];
}

static bool receive(struct conn *c)
{
	ssize_t got;

	if (c->eof || c->n == BUFFER_BYTES)
		return false;
	got = recv(c->fd, c->buf + c->n, BUFFER_BYTES - c->n, 0);
	if (got > 0) {
		c->n += (size_t)got;
		return true;
	}
	if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
		c->eof = true;
		return true;
	}
	return false;
}

/* >0: did something, 0: nothing there, <0: error. */
static int serve(struct weir_node *n, struct source_tcp *o, uint32_t i)
{
	struct conn *c = &o->conn[i];
	bool news = !o->r.source.stopping && receive(c);
	size_t used = 0;
	int r = weir_records_emit(&o->r, n, c->buf, c->n, c->eof, c->name, (int64_t)c->offset,
				  &used);

	if (r < 0)
		return r;
	c->n -= used;
	c->offset += used;
	if (used && c->n)
		memmove(c->buf, c->buf + used, c->n);
	if (r == WEIR_RECORDS_MORE && (c->eof || c->n == BUFFER_BYTES)) {
		if (c->n == BUFFER_BYTES)
			fprintf(stderr,
				"weir: step `%s`: %s sent a record of more than %zu bytes: "
				"connection closed\n",
				n->step_name, c->name, BUFFER_BYTES);
		drop(o, i);
		return 1;
	}
	return news || used;
}

static int source_tcp_run(struct weir_node *n)
{
	struct source_tcp *o = n->op;
	uint64_t before = o->r.source.rows;
	int total = 0;

	if (!o->r.source.stopping)
		accept_some(o);
	o->r.fresh = true;
	for (uint32_t k = 0; k < o->count; k++) {
		int r = serve(n, o, o->next++ % o->count);

		if (r < 0)
			return r;
		total += r;
		if (o->r.source.rows != before)
			break; /* the others get their turn next time */
	}
	if (o->r.source.stopping && total == 0) {
		o->r.source.ended = true; /* only unfinished lines are left */
		return 1;
	}
	o->r.source.wait_ns = (uint64_t)WEIR_NS_PER_MS;
	return total > 0;
}

static void source_tcp_fini(struct weir_node *n)
{
	struct source_tcp *o = n->op;

	while (o->count)
		drop(o, 0);
	if (o->listen_fd >= 0)
		close(o->listen_fd);
}

static const struct weir_op_class source_tcp_class = {
	.name = "tcp", .run = source_tcp_run, .fini = source_tcp_fini, .source = true};

const char *weir_source_address(const struct weir_node *n)
{
	const struct source_tcp *o = n->op;

	return n->cls == &source_tcp_class ? o->address : "";
}

int weir_source_tcp_open(struct weir_node *n, const struct weir_conn_env *env)
{
	struct source_tcp *o = weir_region_new(env->region, struct source_tcp);
	int r;

	n->cls = &source_tcp_class;
	n->op = o;
	o->listen_fd = -1;
	o->r.source.drains = true;
	if (env->step->source.format == WEIR_FORMAT_CSV && env->step->source.csv.header)
		return weir_err_set(
			&n->task->err, WEIR_E_CONFIG,
			"step `%s`: csv over tcp has no header line: write `header: false`",
			env->step->name);
	r = weir_records_init(&o->r, n, env);
	if (r < 0)
		return r;
	r = weir_address_listen(env->step->source.listen, env->instances > 1, &o->listen_fd,
				o->address, sizeof(o->address), &n->task->err);
	if (r < 0)
		weir_err_prefix(&n->task->err, "step `%s`", n->step_name);
	return r;
}
