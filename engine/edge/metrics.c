/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/metrics.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/edge/engine_impl.h"
#include "engine/edge/status.h"
#include "host/metrics_http.h"

struct weir_metrics {
	struct weir_engine *e;
	struct weir_metrics_http *http;
	struct weir_region region;
	struct weir_engine_stats *stats; /* the server's one thread uses it */
};

static void text(void *ctx, struct weir_buf *b)
{
	struct weir_metrics *m = ctx;

	weir_engine_stats_read(m->e, m->stats);
	weir_status_metrics(b, m->e, m->stats);
}

static bool alive(void *ctx)
{
	struct weir_metrics *m = ctx;

	weir_engine_stats_read(m->e, m->stats);
	return !m->stats->failed;
}

static bool ready(void *ctx)
{
	struct weir_metrics *m = ctx;

	return alive(m) && m->stats->running;
}

int weir_metrics_start(struct weir_engine *keep_e, const char *address, struct weir_metrics **ret,
		       struct weir_err *err)
{
	struct weir_metrics *m = calloc(1, sizeof(*m));
	struct weir_metrics_http_ops ops = {
		.metrics = text, .alive = alive, .ready = ready, .ctx = m};
	size_t cap;
	int r;

	if (!m)
		return weir_err_set(err, -ENOMEM, "out of memory");
	m->e = keep_e;
	weir_region_init(&m->region, &weir_heap_mem);
	m->stats = weir_engine_stats_new(keep_e, &m->region);
	cap = ((size_t)1 << 18) + (size_t)m->stats->step_count * 4096 +
	      (size_t)weir_engine_plan_of(keep_e)->tasks.ring_count * 768 +
	      (size_t)m->stats->edge_count * 8192;
	r = weir_metrics_http_start(address, &ops, cap, &m->http, err);
	if (r < 0) {
		weir_region_fini(&m->region);
		free(m);
		return r;
	}
	*ret = m;
	return 0;
}

const char *weir_metrics_address(const struct weir_metrics *m)
{
	return m ? weir_metrics_http_address(m->http) : "";
}

void weir_metrics_stop(struct weir_metrics *m)
{
	if (!m)
		return;
	weir_metrics_http_stop(m->http);
	weir_region_fini(&m->region);
	free(m);
}
