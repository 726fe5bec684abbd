/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source: tcp. Listens; each connection sends records, one per line, and is read only as fast as the
 * pipeline takes them: a full ring stops the reading, and the producer feels it in its socket.
 * With `ack` producers say who they are and are told what is durable (docs/formats/ingress.md); without,
 * what was received and is in no durable epoch is lost with the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/address.h"
#include "engine/edge/producers.h"
#include "engine/edge/records.h"

#define CONNS_MAX 256u
#define BUFFER_BYTES ((size_t)1 << 20)
#define HELLO_MAX 256u /* bytes of the first line */
#define PATIENCE_NS                                                                                \
	(10 * (uint64_t)WEIR_NS_PER_S) /* for a first line, or for an answer to be read */

#define NOBODY UINT32_MAX

struct conn {
	int fd;
	bool eof, gone; /* gone: closed once its last words are sent */
	char name[64]; /* peer, for rejects */
	char *buf;
	size_t n;
	uint64_t offset;
	struct weir_decoder *decoder; /* lines of several connections are half there at a time */

	/* ack */
	uint32_t who; /* in the list of producers, or NOBODY */
	uint64_t skip; /* bytes it sends again that were taken already */
	uint64_t told; /* durable offset it knows */
	uint64_t since_ns; /* of the connection, or of the words that wait; monotonic */
	char words[160];
	uint32_t words_n, words_at;
};

struct source_tcp {
	struct weir_records r;
	int listen_fd;
	char address[128];
	bool ack;
	struct weir_producers producers;
	struct weir_region *region;
	uint32_t count, next;
	struct conn conn[CONNS_MAX]; /* behind count: their decoders are used again */
};

static void accept_some(struct weir_node *n, struct source_tcp *o)
{
	while (o->count < CONNS_MAX) {
		struct sockaddr_storage sa;
		socklen_t len = sizeof(sa);
		struct conn *c = &o->conn[o->count];
		struct weir_decoder *d = c->decoder;
		int one = 1;
		int fd = accept4(o->listen_fd, (struct sockaddr *)&sa, &len,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		memset(c, 0, sizeof(*c));
		c->decoder = d ? d : weir_records_decoder(&o->r, n, o->region);
		c->buf = malloc(BUFFER_BYTES);
		if (!c->buf || !c->decoder) {
			free(c->buf);
			close(fd);
			return;
		}
		weir_decoder_restart(c->decoder);
		c->fd = fd;
		c->who = NOBODY;
		c->since_ns = n->task->mono_ns;
		if (o->ack)
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		weir_address_text((struct sockaddr *)&sa, len, c->name, sizeof(c->name));
		o->count++;
	}
}

static void drop(struct source_tcp *o, uint32_t i)
{
	struct weir_decoder *d = o->conn[i].decoder;

	close(o->conn[i].fd);
	free(o->conn[i].buf);
	o->conn[i] = o->conn[--o->count];
	o->conn[o->count].decoder = d;
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

static void used_up(struct conn *c, size_t used)
{
	c->n -= used;
	if (used && c->n)
		memmove(c->buf, c->buf + used, c->n);
}

/* ---- named producers ---- */

/* The last words of a connection; what it was just told is not cut short for them. */
static void refuse(struct weir_node *n, struct conn *c, const char *why)
{
	c->gone = true;
	if (c->words_at < c->words_n)
		return;
	c->words_n = (uint32_t)snprintf(c->words, sizeof(c->words), "error %s\n", why);
	c->words_at = 0;
	c->since_ns = n->task->mono_ns;
}

static void say(struct weir_node *n, struct conn *c, const char *word, uint64_t offset)
{
	c->words_n = (uint32_t)snprintf(c->words, sizeof(c->words), "%s %llu\n", word,
					(unsigned long long)offset);
	c->words_at = 0;
	c->told = offset;
	c->since_ns = n->task->mono_ns;
}

static const char no_hello[] =
	"the first line must be: weir 1 NAME (1 to 200 visible ASCII characters)";

static void hello(struct weir_node *n, struct source_tcp *o, struct conn *c, struct weir_str line)
{
	struct weir_str name = {line.p, 0};
	const struct weir_producer *p;
	int64_t who;

	if (line.n > 7 && memcmp(line.p, "weir 1 ", 7) == 0)
		name = (struct weir_str){line.p + 7, line.n - 7};
	if (!weir_producer_name_ok(name)) {
		refuse(n, c, no_hello);
		return;
	}
	who = weir_producers_of(&o->producers, name);
	if (who < 0) {
		refuse(n, c,
		       who == WEIR_E_LIMIT ? "65536 producers have been here; no new names"
					   : "out of memory");
		return;
	}
	/* Who comes again has given up the connection before. */
	for (uint32_t i = 0; i < o->count; i++) {
		if (o->conn[i].who != (uint32_t)who)
			continue;
		o->conn[i].who = NOBODY;
		refuse(n, &o->conn[i], "another connection has this name");
	}
	p = &o->producers.p[who];
	c->who = (uint32_t)who;
	c->skip = p->taken - p->durable;
	weir_decoder_restart(c->decoder);
	weir_decoder_put_back(c->decoder, &p->place);
	say(n, c, "ok", p->durable);
}

/* >0: something was read. */
static int first_line(struct weir_node *n, struct source_tcp *o, struct conn *c)
{
	const char *end = memchr(c->buf, '\n', WEIR_MIN(c->n, (size_t)HELLO_MAX));

	if (!end) {
		if (c->n >= HELLO_MAX)
			refuse(n, c, no_hello);
		else if (c->eof || n->task->mono_ns - c->since_ns > PATIENCE_NS)
			c->gone = true;
		return c->gone;
	}
	hello(n, o, c, (struct weir_str){c->buf, (size_t)(end - c->buf)});
	used_up(c, (size_t)(end - c->buf) + 1);
	return 1;
}

/* Sends what waits; never waits itself. A client that does not read for long is dropped. >0: did something. */
static int speak(struct weir_node *n, struct source_tcp *o, struct conn *c)
{
	ssize_t k;

	if (c->who != NOBODY && c->words_at == c->words_n &&
	    o->producers.p[c->who].durable > c->told)
		say(n, c, "durable", o->producers.p[c->who].durable);
	if (c->words_at == c->words_n)
		return 0;
	k = send(c->fd, c->words + c->words_at, c->words_n - c->words_at,
		 MSG_NOSIGNAL | MSG_DONTWAIT);
	if (k > 0) {
		c->words_at += (uint32_t)k;
		c->since_ns = n->task->mono_ns;
		return 1;
	}
	if ((errno != EAGAIN && errno != EINTR) || n->task->mono_ns - c->since_ns > PATIENCE_NS) {
		c->words_at = c->words_n;
		c->gone = true;
		return 1;
	}
	return 0;
}

/* >0: did something, 0: nothing there, <0: error. */
static int serve_named(struct weir_node *n, struct source_tcp *o, uint32_t i)
{
	struct conn *c = &o->conn[i];
	int did = !c->gone && !o->r.source.stopping && receive(c), r = WEIR_RECORDS_MORE;

	if (c->who == NOBODY && !c->gone)
		did += first_line(n, o, c);
	if (c->who != NOBODY && !c->gone) {
		size_t k = (size_t)WEIR_MIN((uint64_t)c->n, c->skip), used;
		uint64_t at = o->producers.p[c->who].taken;

		c->skip -= k;
		used_up(c, k);
		o->r.decoder = c->decoder;
		/* The end of a connection is not the end of a line: the rest comes again. */
		r = c->skip ? WEIR_RECORDS_MORE
			    : weir_records_emit(&o->r, n, c->buf, c->n, false,
						o->producers.p[c->who].name, (int64_t)at, &used);
		if (r < 0)
			return r;
		if (!c->skip && used) {
			used_up(c, used);
			if (weir_producers_took(&o->producers, c->who, used, c->decoder))
				return weir_err_set(&n->task->err, -ENOMEM,
						    "step `%s`: out of memory", n->step_name);
			did++;
		}
	}
	did += speak(n, o, c);
	if (c->words_at < c->words_n)
		return did;
	/* Whoever has sent everything still hears that it is durable. */
	if (c->gone || (c->eof && r == WEIR_RECORDS_MORE &&
			(c->who == NOBODY || c->told >= o->producers.p[c->who].taken))) {
		drop(o, i);
		return 1;
	}
	return did;
}

/* ---- without names ---- */

/* >0: did something, 0: nothing there, <0: error. */
static int serve(struct weir_node *n, struct source_tcp *o, uint32_t i)
{
	struct conn *c = &o->conn[i];
	bool news = !o->r.source.stopping && receive(c);
	size_t used = 0;
	int r;

	o->r.decoder = c->decoder;
	r = weir_records_emit(&o->r, n, c->buf, c->n, c->eof, c->name, (int64_t)c->offset, &used);
	if (r < 0)
		return r;
	used_up(c, used);
	c->offset += used;
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
		accept_some(n, o);
	o->r.fresh = true;
	for (uint32_t k = 0; k < o->count; k++) {
		uint32_t i = o->next++ % o->count;
		int r = o->ack ? serve_named(n, o, i) : serve(n, o, i);

		if (r < 0)
			return r;
		total += r;
		if (o->r.source.rows != before)
			break; /* the others get their turn next time */
	}
	if (o->r.source.stopping && total == 0) {
		/* Only unfinished lines are left. */
		o->r.source.ended = o->r.source.cut = true;
		return 1;
	}
	o->r.source.wait_ns = (uint64_t)WEIR_NS_PER_MS;
	return total > 0;
}

static void source_tcp_settled(struct weir_node *n)
{
	struct source_tcp *o = n->op;

	weir_producers_settle(&o->producers, o->r.source.durable);
	for (uint32_t i = 0; o->ack && i < o->count; i++)
		speak(n, o, &o->conn[i]);
}

static void source_tcp_fini(struct weir_node *n)
{
	struct source_tcp *o = n->op;

	source_tcp_settled(n); /* what is still to be said */
	while (o->count)
		drop(o, 0);
	if (o->listen_fd >= 0)
		close(o->listen_fd);
	weir_producers_fini(&o->producers);
}

/* ---- state ---- */

static void source_tcp_freeze(struct weir_node *n, struct weir_out *out)
{
	struct source_tcp *o = n->op;

	weir_source_put(&o->r.source, out);
	if (o->ack)
		weir_producers_freeze(&o->producers, out, n->task->epoch);
}

static bool source_tcp_touch(struct weir_node *n, bool begin, size_t budget)
{
	struct source_tcp *o = n->op;

	return weir_producers_touch(&o->producers, begin, budget);
}

static int source_tcp_restore(struct weir_node *n, struct weir_restore *r)
{
	struct source_tcp *o = n->op;
	int rc = weir_source_get(n, r);

	if (rc)
		return rc;
	o->r.source.ended = false; /* a socket has no end */
	if (!o->ack)
		return weir_reader_left(&r->in) ? weir_source_damaged(n, "too long") : 0;
	rc = weir_producers_restore(&o->producers, &r->in);
	if (rc == -ENOMEM)
		return weir_err_set(&n->task->err, rc, "step `%s`: out of memory", n->step_name);
	return rc || weir_reader_left(&r->in) ? weir_source_damaged(n, "list of producers") : 0;
}

static void source_tcp_sign(const struct weir_node *n, struct weir_buf *b)
{
	const struct source_tcp *o = n->op;

	weir_buf_printf(b, "tcp%s", o->ack ? " ack" : "");
}

static const struct weir_state_ops source_tcp_state = {
	.freeze = source_tcp_freeze,
	.touch = source_tcp_touch,
	.restore = source_tcp_restore,
	.sign = source_tcp_sign,
};

static const struct weir_op_class source_tcp_class = {
	.name = "tcp",
	.run = source_tcp_run,
	.fini = source_tcp_fini,
	.settled = source_tcp_settled,
	.source = true,
	.state = &source_tcp_state,
};

const char *weir_source_address(const struct weir_node *n)
{
	const struct source_tcp *o = n->op;

	return n->cls == &source_tcp_class ? o->address : weir_source_http_address(n);
}

int weir_source_tcp_open(struct weir_node *n, const struct weir_conn_env *env)
{
	const struct weir_source_spec *s = &env->step->source;
	struct source_tcp *o = weir_region_new(env->region, struct source_tcp);
	int r;

	n->cls = &source_tcp_class;
	n->op = o;
	o->listen_fd = -1;
	o->r.source.drains = true;
	o->ack = s->ack;
	o->region = env->region;
	o->producers.immediate = !env->epochs;
	if (s->format == WEIR_FORMAT_CSV && s->csv.header)
		return weir_err_set(
			&n->task->err, WEIR_E_CONFIG,
			"step `%s`: csv over tcp has no header line: write `header: false`",
			env->step->name);
	if (s->ack && env->instances > 1)
		return weir_err_set(&n->task->err, WEIR_E_CONFIG,
				    "step `%s`: a producer must find its place again, so a tcp "
				    "source with `ack` has one task: write `parallelism: 1`",
				    env->step->name);
	r = weir_records_init(&o->r, n, env);
	if (r < 0 || env->dry)
		return r;
	r = weir_address_listen(s->listen, env->instances > 1, &o->listen_fd, o->address,
				sizeof(o->address), &n->task->err);
	if (r < 0)
		weir_err_prefix(&n->task->err, "step `%s`", n->step_name);
	return r;
}
