/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/edge/gateway_metrics.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "host/metrics_http.h"

#define TEXT_MAX                                                                                   \
	((size_t)2 << 20) /* 32 regions with 8 gateways each, and long names, take half of it */

struct weir_gateway_metrics {
	struct weir_metrics_http *http;
	pthread_mutex_t lock; /* shown, shown_len, engine */
	char *shown, *next; /* next: the loop's */
	size_t shown_len;
	bool engine;
	struct page *page; /* the loop's */
};

struct page {
	struct weir_buf b;
	const struct weir_gateway_now *now;
	/* Of each region, asked once. */
	struct weir_gate_region_info region[WEIR_REGIONS_MAX];
	struct weir_quic_link_info link[WEIR_REGIONS_MAX][WEIR_GATEWAYS_MAX]; /* up: there is one */
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

/* What others say about a region; nothing where nobody says anything. */
static void put_seen(struct page *p)
{
	const struct weir_cluster *c = p->now->cluster;

	head(p, "weir_gateway_region_seen", "gauge",
	     "As another region sees it: 1 alive, 2 suspected, 3 dead; absent when it does not say.");
	for (uint32_t i = 0; i < c->region_count; i++) {
		for (uint32_t by = 0; by < c->region_count; by++) {
			enum weir_gate_health h = p->region[i].seen_by[by];

			if (by == p->now->region || by == i || h == WEIR_GATE_UNKNOWN)
				continue;
			labels(p, "weir_gateway_region_seen");
			weir_buf_printf(&p->b, ",region=\"%s\",by=\"%s\"} %u\n", c->region[i].name,
					c->region[by].name, (unsigned)h);
		}
	}
}

enum link_value { LINK_NUMBER, LINK_U32, LINK_SECONDS };
static const struct link_series {
	const char *name, *type, *help;
	size_t at;
	enum link_value kind;
} link_series[] = {
#define LINK(name, type, field, kind, help)                                                        \
	{                                                                                          \
		"weir_gateway_link_" name, type, help,                                             \
			offsetof(struct weir_quic_link_info, field), kind                          \
	}
	LINK("rtt_seconds", "gauge", rtt_ns, LINK_SECONDS, "Round trip of the link, smoothed."),
	LINK("rtt_min_seconds", "gauge", rtt_min_ns, LINK_SECONDS, "The shortest one."),
	LINK("cwnd_bytes", "gauge", cwnd, LINK_NUMBER, "Bytes that may be on their way."),
	LINK("in_flight_bytes", "gauge", in_flight, LINK_NUMBER, "Bytes that are on their way."),
	LINK("streams", "gauge", streams, LINK_U32, "Streams that are open."),
	LINK("sent_bytes_total", "counter", bytes_out, LINK_NUMBER, "UDP payload sent over it."),
	LINK("received_bytes_total", "counter", bytes_in, LINK_NUMBER,
	     "UDP payload received over it."),
	LINK("sent_datagrams_total", "counter", datagrams_out, LINK_NUMBER,
	     "Datagrams sent over it."),
	LINK("received_datagrams_total", "counter", datagrams_in, LINK_NUMBER,
	     "Datagrams received over it."),
	LINK("lost_packets_total", "counter", lost, LINK_NUMBER,
	     "Packets that were not acknowledged in time."),
	LINK("retransmitted_bytes_total", "counter", retransmitted, LINK_NUMBER,
	     "Bytes of streams that were sent again."),
#undef LINK
};

static void link_value(struct page *p, const struct link_series *s, const char *region,
		       const char *peer, const struct weir_quic_link_info *info)
{
	const uint8_t *from = (const uint8_t *)info + s->at;
	uint64_t v = 0;

	memcpy(&v, from, s->kind == LINK_U32 ? sizeof(uint32_t) : sizeof(v));
	labels(p, s->name);
	weir_buf_printf(&p->b, ",region=\"%s\",peer=\"%s\"} ", region, peer);
	if (s->kind == LINK_SECONDS)
		weir_buf_printf(&p->b, "%llu.%09llu\n", (unsigned long long)(v / WEIR_NS_PER_S),
				(unsigned long long)(v % WEIR_NS_PER_S));
	else
		weir_buf_printf(&p->b, "%llu\n", (unsigned long long)v);
}

/* Of each link that is up; a new link begins at zero. */
static void put_links(struct page *p)
{
	const struct weir_cluster *c = p->now->cluster;

	for (unsigned s = 0; s < WEIR_COUNT_OF(link_series); s++) {
		head(p, link_series[s].name, link_series[s].type, link_series[s].help);
		for (uint32_t i = 0; i < c->region_count; i++)
			for (uint32_t k = 0; k < c->region[i].gateway_count; k++)
				if (p->link[i][k].up)
					link_value(p, &link_series[s], c->region[i].name,
						   c->region[i].gateway[k].name, &p->link[i][k]);
	}
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
	one(p, "weir_gateway_datagrams_unknown_total", q.unknown,
	    "Of no connection that is there; late ones too.");
	one(p, "weir_gateway_retries_total", q.retries,
	    "Peers that were asked to show their address.");
	one(p, "weir_gateway_resets_total", q.resets,
	    "Peers that were told that there is no such link.");
}

void weir_gateway_metrics_show(struct weir_gateway_metrics *m, const struct weir_gateway_now *now)
{
	const struct weir_cluster *c = now->cluster;
	struct page *p = m->page;
	char *old;

	p->b = weir_buf_of(m->next, TEXT_MAX);
	p->now = now;
	for (uint32_t i = 0; i < c->region_count; i++) {
		weir_gate_region(now->gate, i, &p->region[i]);
		for (uint32_t k = 0; k < c->region[i].gateway_count; k++)
			if (!weir_quic_peer_info(now->quic, i, k, &p->link[i][k]))
				p->link[i][k].up = false;
	}
	put_lanes(p);
	put_regions(p);
	put_seen(p);
	put_links(p);
	put_transport(p);
	head(p, "weir_build_info", "gauge", "Version of the gateway.");
	weir_buf_printf(&p->b, "weir_build_info{version=\"%s\"} 1\n# EOF\n", WEIR_VERSION);
	pthread_mutex_lock(&m->lock);
	old = m->shown;
	m->shown = m->next;
	m->shown_len = p->b.len;
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
	m->page = calloc(1, sizeof(*m->page));
	pthread_mutex_init(&m->lock, NULL);
	r = m->shown && m->next && m->page
		    ? weir_metrics_http_start(address, &ops, TEXT_MAX, &m->http, err)
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
	free(m->page);
	free(m);
}
