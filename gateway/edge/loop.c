/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/edge/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/prng.h"
#include "gateway/edge/attach.h"
#include "gateway/edge/gateway_metrics.h"
#include "gateway/edge/quic.h"
#include "host/clock.h"
#include "host/heap.h"
#include "host/log.h"

#define LOOK_NS (25 * (uint64_t)WEIR_NS_PER_MS) /* for the engine's death, free lanes; counters */
#define RETRY_NS (100 * (uint64_t)WEIR_NS_PER_MS) /* for an engine that is not there */
#define SHOW_NS (250 * (uint64_t)WEIR_NS_PER_MS) /* for /metrics */
#define BIND_NS (3 * (uint64_t)WEIR_NS_PER_S)
#define ROUNDS 64u /* without a look at the clock's other duties */

struct weir_loop {
	struct weir_loop_options opt;
	char instance[2 * WEIR_NAME_MAX];
	const char *region_name[WEIR_REGIONS_MAX];
	uint32_t gateway_count[WEIR_REGIONS_MAX];
	const char *gateway_name[WEIR_REGIONS_MAX][WEIR_GATEWAYS_MAX];
	const char *const *gateway_names[WEIR_REGIONS_MAX];
	struct weir_dgram_io *io;
	struct weir_quic *quic;
	struct weir_gate *gate;
	struct weir_attach *attach; /* NULL: no engine */
	struct weir_gateway_metrics *metrics; /* NULL: none */
	struct weir_prng prng;
	uint64_t look_ns, retry_ns, show_ns;
	bool missing_said; /* that there is no engine */
	char missing[200]; /* why, as it was said */
	bool events; /* the last step gave some */
	volatile sig_atomic_t stop, reload;
};

/* ---- what is said ---- */

static const char *health_name(enum weir_gate_health h)
{
	static const char *const name[] = {"unknown", "alive", "suspected", "dead"};

	return name[h];
}

static void edge_text(char *ret, size_t cap, uint64_t edge)
{
	snprintf(ret, cap, "%016llx", (unsigned long long)edge);
}

static void note(void *ctx, const struct weir_gate_note *n)
{
	char edge[24];

	(void)ctx;
	edge_text(edge, sizeof(edge), n->edge);
	switch (n->kind) {
	case WEIR_GATE_NOTE_LINK_UP:
		weir_log(WEIR_LOG_INFO, "link up", "region", n->region, "gateway", n->gateway,
			 NULL);
		break;
	case WEIR_GATE_NOTE_LINK_DOWN:
		/* A dial that failed is tried again and again: said when it was up. */
		if (n->was_up)
			weir_log(WEIR_LOG_WARN, "link down", "region", n->region, "gateway",
				 n->gateway, "why", n->text ? n->text : "", NULL);
		break;
	case WEIR_GATE_NOTE_HEALTH:
		weir_log(n->health == WEIR_GATE_ALIVE ? WEIR_LOG_INFO : WEIR_LOG_WARN, "region",
			 "region", n->region, "is", health_name(n->health), NULL);
		break;
	case WEIR_GATE_NOTE_LANE_OPEN:
		weir_log(WEIR_LOG_INFO, "lane open", "region", n->region, "edge", edge, "over",
			 n->text && *n->text ? n->text : "direct", NULL);
		break;
	case WEIR_GATE_NOTE_LANE_CLOSED:
		weir_log(WEIR_LOG_INFO, "lane closed", "region", n->region, "edge", edge, "why",
			 n->text ? n->text : "", NULL);
		break;
	case WEIR_GATE_NOTE_REFUSED:
		weir_log(WEIR_LOG_WARN, "refused", "region", n->region, "gateway", n->gateway,
			 "why", n->text ? n->text : "", NULL);
		break;
	}
}

/* ---- opening ---- */

static void event(void *ctx, const struct weir_link_event *e)
{
	struct weir_loop *l = ctx;

	l->events = true;
	weir_gate_event(l->gate, e, weir_mono_ns());
}

static uint32_t peek(void *ctx, weir_stream_id stream, uint64_t offset, const uint8_t **ret_p)
{
	struct weir_loop *l = ctx;

	return weir_gate_peek(l->gate, stream, offset, ret_p);
}

static void names(struct weir_loop *l)
{
	const struct weir_cluster *c = l->opt.cluster;

	for (uint32_t i = 0; i < c->region_count; i++) {
		l->region_name[i] = c->region[i].name;
		l->gateway_count[i] = c->region[i].gateway_count;
		for (uint32_t k = 0; k < c->region[i].gateway_count; k++)
			l->gateway_name[i][k] = c->region[i].gateway[k].name;
		l->gateway_names[i] = l->gateway_name[i];
	}
}

static int open_io(struct weir_loop *l, struct weir_err *err)
{
	const struct weir_cluster_gateway *g =
		&l->opt.cluster->region[l->opt.region].gateway[l->opt.gateway];
	struct weir_dgram_options o = {.listen = l->opt.listen ? l->opt.listen : g->listen,
				       .backend = g->backend,
				       .eal = g->eal,
				       .device = g->device,
				       .wait = g->wait};

	/* A gateway that was killed a moment ago may still have the port: its ring is taken down behind its end. */
	for (uint64_t until = weir_mono_ns() + BIND_NS;; usleep(20000)) {
		int r = weir_dgram_open(&o, &l->io, err);

		if (r != -EADDRINUSE || weir_mono_ns() > until)
			return r;
	}
}

static int open_quic(struct weir_loop *l, struct weir_err *err)
{
	struct weir_quic_options o = {.io = l->io,
				      .cluster = l->opt.cluster,
				      .region = l->opt.region,
				      .gateway = l->opt.gateway,
				      .source = {.peek = peek, .ctx = l},
				      .event = event,
				      .ctx = l};

	return weir_quic_open(&o, &l->quic, err);
}

static int open_gate(struct weir_loop *l, struct weir_err *err)
{
	const struct weir_cluster *c = l->opt.cluster;
	struct weir_gate_options o = {.cluster = c->name,
				      .region_count = c->region_count,
				      .here = l->opt.region,
				      .region = l->region_name,
				      .gateway_count = l->gateway_count,
				      .gateway = l->opt.gateway,
				      .gateway_name = l->gateway_names,
				      .heartbeat_ns = c->heartbeat_ns,
				      .suspect_ns = c->suspect_ns,
				      .dead_ns = c->dead_ns,
				      .mem = &weir_heap_mem,
				      .link = weir_quic_ops(l->quic),
				      .note = note,
				      .ctx = l};
	uint64_t seed;

	if (getrandom(&o.incarnation, sizeof(o.incarnation), 0) != sizeof(o.incarnation) ||
	    getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return weir_err_set(err, -errno, "no random numbers: %s", strerror(errno));
	l->prng = weir_prng_of(seed, "gateway");
	l->gate = weir_gate_new(&o);
	return 0;
}

static int open_metrics(struct weir_loop *l, struct weir_err *err)
{
	int r = weir_gateway_metrics_open(l->opt.metrics, &l->metrics, err);

	if (r == 0 || !l->opt.metrics_free)
		return r;
	/* Nobody asked: a taken port is no reason not to run. */
	weir_log(WEIR_LOG_WARN, "metrics go to a free port", "why", err->text, NULL);
	if (weir_gateway_metrics_open("127.0.0.1:0", &l->metrics, err) < 0)
		weir_log(WEIR_LOG_WARN, "no metrics", "why", err->text, NULL);
	return 0;
}

int weir_loop_open(const struct weir_loop_options *o, struct weir_loop **ret, struct weir_err *err)
{
	struct weir_loop *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return weir_err_set(err, -ENOMEM, "out of memory");
	l->opt = *o;
	snprintf(l->instance, sizeof(l->instance), "%s@%s", o->pipeline,
		 o->cluster->region[o->region].name);
	names(l);
	r = open_io(l, err);
	if (r == 0)
		r = open_quic(l, err);
	if (r == 0)
		r = open_gate(l, err);
	if (r == 0 && o->metrics)
		r = open_metrics(l, err);
	if (r < 0) {
		weir_loop_close(l);
		return r;
	}
	*ret = l;
	return 0;
}

void weir_loop_close(struct weir_loop *l)
{
	weir_gateway_metrics_close(l->metrics);
	/* The transport reads rings until it is closed. */
	weir_quic_close(l->quic, weir_mono_ns());
	if (l->gate)
		weir_gate_free(l->gate);
	if (l->attach)
		weir_attach_close(l->attach);
	if (l->io)
		l->io->ops->close(l->io);
	free(l);
}

void weir_loop_stop(struct weir_loop *l)
{
	l->stop = 1;
}

void weir_loop_reload(struct weir_loop *l)
{
	l->reload = 1;
}

/* ---- the engine ---- */

static void lanes(struct weir_loop *l, uint64_t now)
{
	const struct weir_gate_lane *lane;
	const struct weir_gate_lane_ops *ops;
	uint32_t n = weir_attach_lanes(l->attach, &lane, &ops);
	int r = weir_gate_lanes(l->gate, lane, n, ops, now);
	char text[64];

	snprintf(text, sizeof(text), "%u of %u", n, weir_attach_count(l->attach));
	weir_log(r < 0 ? WEIR_LOG_ERROR : WEIR_LOG_INFO, "lanes held", "lanes", text, NULL);
}

static void engine_gone(struct weir_loop *l, uint64_t now)
{
	weir_log(WEIR_LOG_WARN, "the engine is gone", "pipeline", l->instance, NULL);
	weir_gate_lanes(l->gate, NULL, 0, NULL, now);
	/* Streams are shut before the memory they are sent from goes. */
	weir_gate_step(l->gate, now, weir_prng_u64(&l->prng));
	weir_quic_step(l->quic, now);
	weir_attach_close(l->attach);
	l->attach = NULL;
	l->retry_ns = now;
	l->missing_said = false;
}

static void engine_find(struct weir_loop *l, uint64_t now)
{
	struct weir_err err;
	char pid[16];
	int r = weir_attach_open(l->instance, l->opt.cluster, l->opt.region, l->opt.gateway,
				 &l->attach, &err);

	if (r < 0) {
		l->attach = NULL;
		l->retry_ns = now + RETRY_NS;
		if (!l->missing_said || strcmp(l->missing, err.text) != 0)
			weir_log(WEIR_LOG_WARN, "waiting for the engine", "pipeline", l->instance,
				 "why", err.text, NULL);
		l->missing_said = true;
		snprintf(l->missing, sizeof(l->missing), "%.199s", err.text);
		return;
	}
	snprintf(pid, sizeof(pid), "%u", weir_attach_pid(l->attach));
	weir_log(WEIR_LOG_INFO, "engine found", "pipeline", l->instance, "pid", pid, NULL);
	weir_attach_claim(l->attach, now);
	lanes(l, now);
}

static void show(struct weir_loop *l, uint64_t now)
{
	const struct weir_gate_lane *lane;
	const struct weir_gate_lane_ops *ops;
	struct weir_gateway_now n = {.cluster = l->opt.cluster,
				     .region = l->opt.region,
				     .gateway = l->opt.gateway,
				     .instance = l->instance,
				     .gate = l->gate,
				     .quic = l->quic,
				     .io = l->io,
				     .engine = l->attach != NULL};

	if (!l->metrics || now < l->show_ns)
		return;
	l->show_ns = now + SHOW_NS;
	if (l->attach)
		n.lanes = weir_attach_lanes(l->attach, &lane, &ops);
	weir_gateway_metrics_show(l->metrics, &n);
}

static void look(struct weir_loop *l, uint64_t now)
{
	struct weir_err err;

	if (l->attach && !weir_attach_alive(l->attach))
		engine_gone(l, now);
	if (!l->attach && now >= l->retry_ns)
		engine_find(l, now);
	if (l->attach && weir_attach_claim(l->attach, now))
		lanes(l, now);
	if (l->attach)
		weir_attach_show(l->attach, l->gate);
	show(l, now);
	if (l->reload) {
		l->reload = 0;
		if (weir_quic_reload(l->quic, &err) < 0)
			weir_log(WEIR_LOG_ERROR, "certificates stay as they were", "why", err.text,
				 NULL);
		else
			weir_log(WEIR_LOG_INFO, "certificates were read again", NULL);
	}
}

/* ---- the loop ---- */

/* Gate and links until nothing moves; returns when to come back. */
static uint64_t work(struct weir_loop *l)
{
	uint64_t due = 0, gate, now = weir_mono_ns();

	for (uint32_t i = 0; i < ROUNDS; i++) {
		gate = weir_gate_step(l->gate, now, weir_prng_u64(&l->prng));
		l->events = false;
		due = weir_quic_step(l->quic, now);
		due = WEIR_MIN(due, gate);
		now = weir_mono_ns();
		if (!l->events && due > now)
			return due;
		if (now >= l->look_ns)
			return now;
	}
	return now;
}

static int rest(struct weir_loop *l, uint64_t due)
{
	uint64_t now = weir_mono_ns();
	int r;

	due = WEIR_MIN(due, l->look_ns);
	if (due <= now)
		return 0;
	if (!l->attach)
		return l->io->ops->wait(l->io, -1, weir_quic_wants_send(l->quic),
					(int64_t)(due - now));
	weir_attach_sleep(l->attach);
	/* Once more behind the announcement: what the engine wrote before it saw that is found here. */
	due = WEIR_MIN(due, weir_gate_step(l->gate, now, weir_prng_u64(&l->prng)));
	l->events = false;
	due = WEIR_MIN(due, weir_quic_step(l->quic, now));
	now = weir_mono_ns();
	r = l->events || due <= now
		    ? 0
		    : l->io->ops->wait(l->io, weir_attach_bell_fd(l->attach),
				       weir_quic_wants_send(l->quic), (int64_t)(due - now));
	weir_attach_woke(l->attach);
	return r;
}

int weir_loop_run(struct weir_loop *l, struct weir_err *err)
{
	const char *const where = l->io->text;

	weir_log(WEIR_LOG_INFO, "gateway", "pipeline", l->instance, "gateway",
		 l->gateway_name[l->opt.region][l->opt.gateway], "datagrams", where, "metrics",
		 l->metrics ? weir_gateway_metrics_address(l->metrics) : "off", NULL);
	while (!l->stop) {
		uint64_t now = weir_mono_ns(), due;
		int r;

		if (now >= l->look_ns) {
			look(l, now);
			l->look_ns = now + LOOK_NS;
		}
		due = work(l);
		r = rest(l, due);
		if (r < 0 && r != -EINTR)
			return weir_err_set(err, r, "%s: %s", l->io->ops->name, weir_strerror(r));
	}
	weir_gate_stop(l->gate, "the gateway stops", weir_mono_ns());
	weir_gate_step(l->gate, weir_mono_ns(), weir_prng_u64(&l->prng));
	weir_quic_step(l->quic, weir_mono_ns());
	return 0;
}
