/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/metrics.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/num.h"
#include "engine/edge/engine_impl.h"
#include "engine/edge/query.h"
#include "engine/edge/status.h"
#include "host/metrics_http.h"

struct weir_metrics {
	struct weir_engine *e;
	struct weir_metrics_http *http;
	struct weir_region region;
	struct weir_engine_stats *stats; /* the server uses it in one thread at a time */
	_Atomic bool stopping; /* whoever waits for an answer leaves */
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

/* ---- state ---- */

static unsigned refused(const struct weir_err *err, char **ret_body)
{
	char text[1280];
	struct weir_buf b = weir_buf_of(text, sizeof(text) - 1);

	weir_buf_lit(&b, "{\"ok\":false,\"error\":");
	weir_buf_json_str(&b, weir_str_c(err->text));
	weir_buf_lit(&b, "}\n");
	text[b.len] = 0;
	*ret_body = strdup(text);
	if (err->code == -ENOENT)
		return 404;
	return err->code == WEIR_E_BUSY || err->code == WEIR_E_STOPPED ? 503 : 400;
}

static int question(const struct weir_http_state *h, struct weir_ask_question *q,
		    struct weir_err *err)
{
	uint64_t limit = WEIR_ASK_LIMIT;

	_Static_assert(WEIR_HTTP_KEYS_MAX <= WEIR_ASK_KEYS_MAX, "keys of a question");
	*q = (struct weir_ask_question){.verb = h->key_count ? WEIR_QUERY_GET : WEIR_QUERY_LIST,
					.step = h->step,
					.key_count = h->key_count,
					.prefix = h->prefix,
					.next = h->next};
	memcpy(q->key, h->key, h->key_count * sizeof(*h->key));
	if (h->limit && (weir_parse_count(weir_str_c(h->limit), &limit) < 0 || limit < 1 ||
			 limit > WEIR_ASK_LIMIT_MAX))
		return weir_err_set(err, WEIR_E_USAGE, "limit: a number from 1 to %u",
				    WEIR_ASK_LIMIT_MAX);
	q->limit = (uint32_t)limit;
	return 0;
}

/* In a thread of the connection, which may wait. */
static unsigned state(void *ctx, const struct weir_http_state *h, char **ret_body)
{
	const struct timespec nap = {.tv_nsec = WEIR_ASK_POLL_NS};
	struct weir_metrics *m = ctx;
	struct weir_ask_question q;
	struct weir_ask *ask = NULL;
	struct weir_err err = {0};
	struct weir_str text;
	int r = question(h, &q, &err);

	if (r == 0)
		r = weir_ask_begin(m->e, &q, &ask, &err);
	while (r == 0 && !weir_ask_poll(ask)) {
		if (atomic_load(&m->stopping))
			r = weir_err_set(&err, WEIR_E_STOPPED, "the pipeline ends");
		nanosleep(&nap, NULL);
	}
	if (r == 0)
		r = weir_ask_answer(ask, &text, &err);
	if (r == 0)
		*ret_body = strndup(text.p, text.n);
	weir_ask_end(ask);
	return r < 0 ? refused(&err, ret_body) : 200;
}

int weir_metrics_start(struct weir_engine *keep_e, const char *address, struct weir_metrics **ret,
		       struct weir_err *err)
{
	struct weir_metrics *m = calloc(1, sizeof(*m));
	struct weir_metrics_http_ops ops = {
		.metrics = text, .alive = alive, .ready = ready, .state = state, .ctx = m};
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
	atomic_store(&m->stopping, true);
	weir_metrics_http_stop(m->http);
	weir_region_fini(&m->region);
	free(m);
}
