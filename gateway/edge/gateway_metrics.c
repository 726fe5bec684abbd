/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/edge/gateway_metrics.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "host/metrics_http.h"

#define TEXT_MAX ((size_t)256 << 10)

struct weir_gateway_metrics {
	struct weir_metrics_http *http;
	pthread_mutex_t lock; /* shown, shown_len, engine */
	char *shown, *next; /* next: the loop's */
	size_t shown_len;
	bool engine;
};

struct page {
	struct weir_buf b;
	const struct weir_gateway_now *now;
	/* Of each region, asked once. */
	struct weir_gate_region_info region[WEIR_REGIONS_MAX];
};

/* ---- text ---- */

static void head(struct page *p, const char *name, const char *type, const char *help)
{
	weir_buf_printf(&p->b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Names have no character that would have to be quoted. */
static void labels(struct page *p, const char *name)
{
	const struct weir_gateway_now *n = p->now;
	const struct weir_cluster_region *here = &n->cluster->region[n->region];

	weir_buf_printf(&p->b, "%s{pipeline=\"%s\",gateway=\"%s\"", name, n->instance,
			here->gateway[n->gateway].name);
}

static void value(struct page *p, const char *name, const char *label, const char *is, uint64_t v)
{
	labels(p, name);
	if (label)
		weir_buf_printf(&p->b, ",%s=\"%s\"", label, is);
	weir_buf_printf(&p->b, "} %llu\n", (unsigned long long)v);
}

static void seconds(struct page *p, const char *name, const char *region, uint64_t ns)
{
	labels(p, name);
	weir_buf_printf(&p->b, ",region=\"%s\"} %llu.%09llu\n", region,
			(unsigned long long)(ns / WEIR_NS_PER_S),
			(unsigned long long)(ns % WEIR_NS_PER_S));
}

/* One value of each other region, at an offset in its info. */
static void regions(struct page *p, const char *name, bool counter, const char *help, size_t at,
		    size_t size)
{
	const struct weir_cluster *c = p->now->cluster;

	head(p, name, counter ? "counter" : "gauge", help);
	for (uint32_t i = 0; i < c->region_count; i++) {
		const uint8_t *from = (const uint8_t *)&p->region[i] + at;
		uint64_t v = 0;

		if (i == p->now->region)
			continue;
		memcpy(&v, from, size);
		value(p, name, "region", c->region[i].name, v);
	}
}

#define REGIONS(p, name, counter, field, help)                                                     \
	regions((p), (name), (counter), (help), offsetof(struct weir_gate_region_info, field),     \
		sizeof(((struct weir_gate_region_info *)0)->field))

static void put_regions(struct page *p)
{
	const struct weir_cluster *c = p->now->cluster;

	REGIONS(p, "weir_gateway_region_health", false, health,
		"As seen from here: 0 unknown, 1 alive, 2 suspected, 3 dead.");
	REGIONS(p, "weir_gateway_links", false, links, "Links to its gateways that are up.");
	REGIONS(p, "weir_gateway_link_ups_total", true, link_ups, "Links that came up.");
	REGIONS(p, "weir_gateway_link_downs_total", true, link_downs,
		"Links that were up and ended.");
	REGIONS(p, "weir_gateway_sent_bytes_total", true, bytes_out,
		"Bytes of lanes given to the transport, again counts again.");
	REGIONS(p, "weir_gateway_received_bytes_total", true, bytes_in,
		"Bytes of lanes that came.");
	REGIONS(p, "weir_gateway_relays", false, relays, "Its streams that are passed on.");
	REGIONS(p, "weir_gateway_relayed_bytes_total", true, relayed_bytes,
		"Bytes that came from it and were passed on.");
	REGIONS(p, "weir_gateway_refused_total", true, refused,
		"Messages, streams and frames of it that were refused.");
	REGIONS(p, "weir_gateway_bad_frames_total", true, bad_frames,
		"Lane frames that were broken.");
	head(p, "weir_gateway_rtt_seconds", "gauge",
	     "Round trip to its nearest gateway, smoothed; absent without one.");
	for (uint32_t i = 0; i < c->region_count; i++)
		if (p->region[i].rtt_ns)
			seconds(p, "weir_gateway_rtt_seconds", c->region[i].name,
				p->region[i].rtt_ns);
}

static void put_lanes(struct page *p)
{
	static const char *const state[] = {"waits", "open", "relayed"};
	uint64_t count[3] = {0};

	for (uint32_t i = 0; i < p->now->lanes; i++) {
		struct weir_gate_lane_info info;

		weir_gate_lane_info(p->now->gate, i, &info);
		count[info.state]++;
	}
	head(p, "weir_gateway_engine_up", "gauge", "1 while the pipeline's engine is there.");
	value(p, "weir_gateway_engine_up", NULL, NULL, p->now->engine);
	head(p, "weir_gateway_lanes", "gauge", "Lanes this gateway holds.");
	for (unsigned i = 0; i < 3; i++)
		value(p, "weir_gateway_lanes", "state", state[i], count[i]);
}

static void one(struct page *p, const char *name, uint64_t v, const char *help)
{
	head(p, name, "counter", help);
	value(p, name, NULL, NULL, v);
}

static void put_transport(struct page *p)
{
	struct weir_dgram_stats d;
	struct weir_quic_stats q;

	p->now->io->ops->stats(p->now->io, &d);
	weir_quic_stats(p->now->quic, &q);
	head(p, "weir_gateway_connections_refused_total", "counter",
	     "Peers that did not become a link, by reason.");
	for (unsigned i = 0; i < WEIR_QUIC_REFUSALS; i++)
		value(p, "weir_gateway_connections_refused_total", "reason",
		      weir_quic_refusal_name((enum weir_quic_refusal)i), q.refused[i]);
	head(p, "weir_gateway_handshakes", "gauge", "Connections that are being set up.");
	value(p, "weir_gateway_handshakes", NULL, NULL, q.half_open);
	one(p, "weir_gateway_datagrams_sent_total", d.out, "Datagrams sent.");
	one(p, "weir_gateway_datagrams_received_total", d.in, "Datagrams received.");
	one(p, "weir_gateway_datagram_sent_bytes_total", d.out_bytes, "Their UDP payload.");
	one(p, "weir_gateway_datagram_received_bytes_total", d.in_bytes, "Their UDP payload.");
	one(p, "weir_gateway_datagrams_dropped_total", d.in_dropped + d.out_dropped,
	    "Dropped by this host, as far as known.");
	one(p, "weir_gateway_datagrams_garbage_total", d.in_bad + q.garbage,
	    "That were nothing of this protocol.");
}

void weir_gateway_metrics_show(struct weir_gateway_metrics *m, const struct weir_gateway_now *now)
{
	struct page p = {.b = weir_buf_of(m->next, TEXT_MAX), .now = now};
	char *old;

	for (uint32_t i = 0; i < now->cluster->region_count; i++)
		weir_gate_region(now->gate, i, &p.region[i]);
	put_lanes(&p);
	put_regions(&p);
	put_transport(&p);
	head(&p, "weir_build_info", "gauge", "Version of the gateway.");
	weir_buf_printf(&p.b, "weir_build_info{version=\"%s\"} 1\n# EOF\n", WEIR_VERSION);
	pthread_mutex_lock(&m->lock);
	old = m->shown;
	m->shown = m->next;
	m->shown_len = p.b.len;
	m->engine = now->engine;
	m->next = old;
	pthread_mutex_unlock(&m->lock);
}

/* ---- the server's thread ---- */

static void text(void *ctx, struct weir_buf *b)
{
	struct weir_gateway_metrics *m = ctx;

	pthread_mutex_lock(&m->lock);
	weir_buf_put(b, m->shown, m->shown_len);
	pthread_mutex_unlock(&m->lock);
}

static bool alive(void *ctx)
{
	(void)ctx;
	return true;
}

static bool ready(void *ctx)
{
	struct weir_gateway_metrics *m = ctx;
	bool engine;

	pthread_mutex_lock(&m->lock);
	engine = m->engine;
	pthread_mutex_unlock(&m->lock);
	return engine;
}

/* ---- life ---- */

int weir_gateway_metrics_open(const char *address, struct weir_gateway_metrics **ret,
			      struct weir_err *err)
{
	struct weir_gateway_metrics *m = calloc(1, sizeof(*m));
	struct weir_metrics_http_ops ops = {
		.metrics = text, .alive = alive, .ready = ready, .ctx = m};
	int r;

	if (!m)
		return weir_err_set(err, -ENOMEM, "out of memory");
	m->shown = malloc(TEXT_MAX);
	m->next = malloc(TEXT_MAX);
	pthread_mutex_init(&m->lock, NULL);
	r = m->shown && m->next ? weir_metrics_http_start(address, &ops, TEXT_MAX, &m->http, err)
				: weir_err_set(err, -ENOMEM, "out of memory");
	if (r < 0) {
		weir_gateway_metrics_close(m);
		return r;
	}
	*ret = m;
	return 0;
}

const char *weir_gateway_metrics_address(const struct weir_gateway_metrics *m)
{
	return weir_metrics_http_address(m->http);
}

void weir_gateway_metrics_close(struct weir_gateway_metrics *m)
{
	if (!m)
		return;
	if (m->http)
		weir_metrics_http_stop(m->http);
	pthread_mutex_destroy(&m->lock);
	free(m->shown);
	free(m->next);
	free(m);
}
