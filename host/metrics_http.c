/* SPDX-License-Identifier: Apache-2.0 */
#include "host/metrics_http.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "host/address.h"

#define CONNECTIONS_MAX 32
#define TIMEOUT_S 10

struct weir_metrics_http {
	struct weir_metrics_http_ops ops;
	struct MHD_Daemon *daemon;
	char address[128];
	size_t cap;
	pthread_mutex_t lock; /* out, and all of ops but state() */
	char out[];
};

static enum MHD_Result reply(struct MHD_Connection *c, unsigned code, const char *type,
			     const char *body, size_t n)
{
	struct MHD_Response *r =
		MHD_create_response_from_buffer(n, (void *)(uintptr_t)body, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result ok;

	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, "Content-Type", type);
	ok = MHD_queue_response(c, code, r);
	MHD_destroy_response(r);
	return ok;
}

static enum MHD_Result reply_text(struct MHD_Connection *c, unsigned code, const char *text)
{
	return reply(c, code, "text/plain; charset=utf-8", text, strlen(text));
}

static enum MHD_Result reply_metrics(struct weir_metrics_http *m, struct MHD_Connection *c)
{
	const char *accept = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Accept");
	bool open = accept && strstr(accept, "application/openmetrics-text");
	struct weir_buf b = weir_buf_of(m->out, m->cap);
	enum MHD_Result ok;

	pthread_mutex_lock(&m->lock);
	m->ops.metrics(m->ops.ctx, &b);
	if (b.full)
		ok = reply_text(c, 500, "the metrics do not fit the buffer\n");
	else
		ok = reply(c, 200,
			   open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
				: "text/plain; version=0.0.4; charset=utf-8",
			   b.p, b.len);
	pthread_mutex_unlock(&m->lock);
	return ok;
}

static bool check(struct weir_metrics_http *m, bool (*fn)(void *))
{
	bool yes;

	pthread_mutex_lock(&m->lock);
	yes = fn(m->ops.ctx);
	pthread_mutex_unlock(&m->lock);
	return yes;
}

/* An argument of /state. */
static enum MHD_Result argument(void *ctx, enum MHD_ValueKind kind, const char *name,
				const char *value)
{
	struct weir_http_state *q = ctx;

	(void)kind;
	if (!value)
		value = "";
	if (!strcmp(name, "prefix"))
		q->prefix = value;
	else if (!strcmp(name, "limit"))
		q->limit = value;
	else if (!strcmp(name, "next"))
		q->next = value;
	else if (!strcmp(name, "key") && q->key_count < WEIR_HTTP_KEYS_MAX)
		q->key[q->key_count++] = value;
	else
		q->step = NULL;
	return MHD_YES;
}

static enum MHD_Result reply_state(struct weir_metrics_http *m, struct MHD_Connection *c,
				   const char *step)
{
	struct weir_http_state q = {.step = step};
	enum MHD_Result ok;
	char *body = NULL;
	unsigned code;

	MHD_get_connection_values(c, MHD_GET_ARGUMENT_KIND, argument, &q);
	if (!q.step)
		return reply_text(c, 400, "key (at most 64), prefix, limit and next are known\n");
	code = m->ops.state(m->ops.ctx, &q, &body);
	if (!body)
		return reply_text(c, 500, "out of memory\n");
	ok = reply(c, code, "application/json", body, strlen(body));
	free(body);
	return ok;
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *c, const char *url,
			      const char *method, const char *version, const char *data,
			      size_t *size, void **state)
{
	struct weir_metrics_http *m = cls;

	(void)version;
	(void)data;
	(void)size;
	(void)state;
	if (strcmp(method, "GET") && strcmp(method, "HEAD"))
		return reply_text(c, 405, "only GET\n");
	if (!strcmp(url, "/metrics"))
		return reply_metrics(m, c);
	if (!strcmp(url, "/livez") || !strcmp(url, "/healthz"))
		return check(m, m->ops.alive) ? reply_text(c, 200, "ok\n")
					      : reply_text(c, 503, "failed\n");
	if (!strcmp(url, "/readyz"))
		return check(m, m->ops.ready) ? reply_text(c, 200, "ok\n")
					      : reply_text(c, 503, "not running\n");
	if (m->ops.state && !strncmp(url, "/state/", 7))
		return reply_state(m, c, url + 7);
	return reply_text(c, 404,
			  m->ops.state ? "/metrics /livez /readyz /healthz /state/STEP\n"
				       : "/metrics /livez /readyz /healthz\n");
}

int weir_metrics_http_start(const char *address, const struct weir_metrics_http_ops *ops,
			    size_t cap, struct weir_metrics_http **ret, struct weir_err *err)
{
	struct weir_metrics_http *m = calloc(1, sizeof(*m) + cap);
	unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL;
	int fd, r;

	if (!m)
		return weir_err_set(err, -ENOMEM, "out of memory");
	r = weir_address_listen(address, false, &fd, m->address, sizeof(m->address), err);
	if (r < 0) {
		weir_err_prefix(err, "metrics");
		free(m);
		return r;
	}
	m->ops = *ops;
	pthread_mutex_init(&m->lock, NULL);
	if (ops->state)
		flags |= MHD_USE_THREAD_PER_CONNECTION;
	m->cap = cap;
	m->daemon = MHD_start_daemon(flags, 0, NULL, NULL, handle, m, MHD_OPTION_LISTEN_SOCKET, fd,
				     MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
				     MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S,
				     MHD_OPTION_END);
	if (!m->daemon) {
		close(fd);
		pthread_mutex_destroy(&m->lock);
		free(m);
		return weir_err_set(err, -EIO, "metrics: cannot start the HTTP server on %s",
				    address);
	}
	*ret = m;
	return 0;
}

const char *weir_metrics_http_address(const struct weir_metrics_http *m)
{
	return m->address;
}

void weir_metrics_http_stop(struct weir_metrics_http *m)
{
	MHD_stop_daemon(m->daemon);
	pthread_mutex_destroy(&m->lock);
	free(m);
}
