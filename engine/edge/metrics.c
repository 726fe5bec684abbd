/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/metrics.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <unistd.h>

#include "host/address.h"
#include "engine/edge/engine_impl.h"
#include "engine/edge/status.h"

#define CONNECTIONS_MAX 32
#define TIMEOUT_S 10

struct weir_metrics {
	struct weir_engine *e;
	struct MHD_Daemon *daemon;
	char address[128];
	struct weir_region region;
	struct weir_engine_stats *stats; /* the library's one thread uses it */
	char *out;
	size_t out_cap;
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

static enum MHD_Result reply_metrics(struct weir_metrics *m, struct MHD_Connection *c)
{
	const char *accept = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Accept");
	bool open = accept && strstr(accept, "application/openmetrics-text");
	struct weir_buf b = weir_buf_of(m->out, m->out_cap);

	weir_engine_stats_read(m->e, m->stats);
	weir_status_metrics(&b, m->e, m->stats);
	if (b.full)
		return reply_text(c, 500, "the metrics do not fit the buffer\n");
	return reply(c, 200,
		     open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
			  : "text/plain; version=0.0.4; charset=utf-8",
		     b.p, b.len);
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *c, const char *url,
			      const char *method, const char *version, const char *data,
			      size_t *size, void **state)
{
	struct weir_metrics *m = cls;

	(void)version;
	(void)data;
	(void)size;
	(void)state;
	if (strcmp(method, "GET") && strcmp(method, "HEAD"))
		return reply_text(c, 405, "only GET\n");
	if (!strcmp(url, "/metrics"))
		return reply_metrics(m, c);
	if (!strcmp(url, "/livez") || !strcmp(url, "/healthz")) {
		weir_engine_stats_read(m->e, m->stats);
		return m->stats->failed ? reply_text(c, 503, "failed\n")
					: reply_text(c, 200, "ok\n");
	}
	if (!strcmp(url, "/readyz")) {
		weir_engine_stats_read(m->e, m->stats);
		return m->stats->running && !m->stats->failed ? reply_text(c, 200, "ok\n")
							      : reply_text(c, 503, "not running\n");
	}
	return reply_text(c, 404, "/metrics /livez /readyz /healthz\n");
}

int weir_metrics_start(struct weir_engine *keep_e, const char *address, struct weir_metrics **ret,
		       struct weir_err *err)
{
	struct weir_metrics *m = calloc(1, sizeof(*m));
	int fd, r;

	if (!m)
		return weir_err_set(err, -ENOMEM, "out of memory");
	r = weir_address_listen(address, false, &fd, m->address, sizeof(m->address), err);
	if (r < 0) {
		weir_err_prefix(err, "metrics");
		free(m);
		return r;
	}
	m->e = keep_e;
	weir_region_init(&m->region, &weir_heap_mem);
	m->stats = weir_engine_stats_new(keep_e, &m->region);
	m->out_cap = ((size_t)1 << 18) + (size_t)m->stats->step_count * 4096 +
		     (size_t)weir_engine_plan_of(keep_e)->tasks.ring_count * 768 +
		     (size_t)m->stats->edge_count * 8192;
	m->out = weir_region_alloc(&m->region, m->out_cap);
	m->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL, 0, NULL, NULL,
				     handle, m, MHD_OPTION_LISTEN_SOCKET, fd,
				     MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
				     MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S,
				     MHD_OPTION_END);
	if (!m->daemon) {
		close(fd);
		weir_region_fini(&m->region);
		free(m);
		return weir_err_set(err, -EIO, "metrics: cannot start the HTTP server on %s",
				    address);
	}
	*ret = m;
	return 0;
}

const char *weir_metrics_address(const struct weir_metrics *m)
{
	return m ? m->address : "";
}

void weir_metrics_stop(struct weir_metrics *m)
{
	if (!m)
		return;
	MHD_stop_daemon(m->daemon);
	weir_region_fini(&m->region);
	free(m);
}
