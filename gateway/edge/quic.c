/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/edge/quic.h"

#include <gnutls/crypto.h>
#include <stdio.h>

#include "base/assert.h"
#include "gateway/edge/quic_priv.h"
#include "host/heap.h"

#define RECV_ROUNDS 4
#define HALF_OPEN_DEFAULT 64u
#define LINKS_DEFAULT 512u

const char *weir_quic_refusal_name(enum weir_quic_refusal r)
{
	static const char *const name[WEIR_QUIC_REFUSALS] = {"ca",	"expired",  "missing",
							     "cluster", "region",   "gateway",
							     "alpn",	"protocol", "timeout",
							     "busy"};

	weir_assert(r < WEIR_QUIC_REFUSALS);
	return name[r];
}

void weir_quic__emit(struct weir_quic *q, const struct weir_link_event *e)
{
	if (!q->closing)
		q->o.event(q->o.ctx, e);
}

void weir_quic__work(struct weir_quic_link *l)
{
	if (l->working || l->state == WEIR_QUIC_CLOSED)
		return;
	l->working = true;
	l->work_next = l->q->work_first;
	l->q->work_first = l;
}

struct weir_quic_link *weir_quic__link_find(const struct weir_quic *q, weir_link_id id)
{
	struct weir_quic_link *l = q->link_bucket[id % WEIR_QUIC_LINK_BUCKETS];

	while (l && l->id != id)
		l = l->id_next;
	return l && l->state != WEIR_QUIC_CLOSED ? l : NULL;
}

struct weir_quic_stream *weir_quic__stream_find(const struct weir_quic *q, weir_stream_id id)
{
	struct weir_quic_stream *s = q->stream_bucket[id % WEIR_QUIC_STREAM_BUCKETS];

	while (s && s->id != id)
		s = s->id_next;
	return s;
}

/* A burst of `out` that finds no room stays there until it does; anything else is dropped then, as a network would. */
void weir_quic__send(struct weir_quic *q, const struct sockaddr_storage *to, socklen_t to_len,
		     const uint8_t *p, uint32_t n, uint32_t seg, uint8_t ecn)
{
	struct weir_dgram d = {.peer = *to,
			       .peer_len = to_len,
			       .p = p,
			       .n = n,
			       .seg = n > seg ? (uint16_t)seg : 0,
			       .ecn = ecn};
	bool mine = p >= q->out && p < q->out + sizeof(q->out);

	if (!q->held_count && q->o.io->ops->send(q->o.io, &d, 1))
		return;
	q->stats.held += weir_dgram_count(&d);
	if (mine && q->held_count < WEIR_COUNT_OF(q->held))
		q->held[q->held_count++] = d;
}

static void flush_held(struct weir_quic *q)
{
	uint32_t done = 0;

	while (done < q->held_count && q->o.io->ops->send(q->o.io, &q->held[done], 1))
		done++;
	q->held_count -= done;
	memmove(q->held, q->held + done, q->held_count * sizeof(q->held[0]));
}

static void receive(struct weir_quic *q)
{
	struct weir_dgram d[WEIR_DGRAM_BURST];

	for (int round = 0; round < RECV_ROUNDS; round++) {
		int count = q->o.io->ops->recv(q->o.io, d, WEIR_DGRAM_BURST);

		for (int i = 0; i < count; i++) {
			const uint8_t *p;
			uint32_t at = 0, n;

			while (weir_dgram_next(&d[i], &at, &p, &n))
				weir_quic__datagram(q, &d[i], p, n);
		}
		if (count < (int)WEIR_DGRAM_BURST)
			return;
	}
	q->more = true;
}

static void timers(struct weir_quic *q)
{
	struct weir_quic_link *l = q->links, *next;

	for (; l; l = next) {
		next = l->next; /* a timer frees no other link than its own */
		if (l->deadline_ns <= q->now)
			weir_quic__link_timer(l);
	}
}

static void work(struct weir_quic *q)
{
	q->work_now = q->work_first;
	q->work_first = NULL;
	while (q->work_now && !q->held_count) {
		struct weir_quic_link *l = q->work_now;

		q->work_now = l->work_next;
		l->working = false;
		weir_quic__link_work(l);
	}
	while (q->work_now) { /* the socket is full */
		struct weir_quic_link *l = q->work_now;

		q->work_now = l->work_next;
		l->working = false;
		weir_quic__work(l);
	}
	if (q->work_first && !q->held_count)
		q->more = true;
}

/* Links that ended answer late packets for a while; of too many the oldest do not. */
static void forget_closed(struct weir_quic *q)
{
	while (q->closed_count > WEIR_QUIC_CLOSED_MAX) {
		struct weir_quic_link *oldest = NULL;

		for (struct weir_quic_link *l = q->links; l; l = l->next)
			if (l->state == WEIR_QUIC_CLOSED)
				oldest = l;
		weir_quic__link_free(oldest);
	}
}

uint64_t weir_quic_step(struct weir_quic *q, uint64_t mono_ns)
{
	uint64_t next = UINT64_MAX;

	q->now = mono_ns;
	q->more = false;
	flush_held(q);
	receive(q);
	timers(q);
	work(q);
	forget_closed(q);
	if (q->more)
		return mono_ns;
	for (const struct weir_quic_link *l = q->links; l; l = l->next)
		next = WEIR_MIN(next, l->deadline_ns);
	/* What is due waits for room in the socket, too. */
	return q->held_count ? WEIR_MAX(next, mono_ns + WEIR_NS_PER_MS) : next;
}

bool weir_quic_wants_send(const struct weir_quic *q)
{
	return q->held_count > 0;
}

static weir_link_id op_dial(void *ctx, uint32_t region, uint32_t gateway)
{
	return weir_quic__dial((struct weir_quic *)ctx, region, gateway)->id;
}

static void op_close(void *ctx, weir_link_id link, const char *why)
{
	struct weir_quic_link *l = weir_quic__link_find((struct weir_quic *)ctx, link);

	if (!l || l->want_close)
		return;
	l->want_close = true;
	weir_quic_why_clean(l->why, why, strlen(why));
	weir_quic__work(l);
}

static bool op_control(void *ctx, weir_link_id link, const void *p, uint32_t n)
{
	struct weir_quic_link *l = weir_quic__link_find((struct weir_quic *)ctx, link);
	struct weir_quic_message m = {
		.kind = WEIR_QUIC_MESSAGE, .body = (const uint8_t *)p, .n = n};

	weir_assert(n <= WEIR_LINK_CONTROL_MAX);
	return l && l->state == WEIR_QUIC_UP && weir_quic__control_put(l, &m);
}

static weir_stream_id op_open(void *ctx, weir_link_id link, const void *header, uint32_t n)
{
	struct weir_quic_link *l = weir_quic__link_find((struct weir_quic *)ctx, link);
	struct weir_quic_stream *s;

	if (!l || l->state != WEIR_QUIC_UP || l->want_close)
		return 0;
	s = weir_quic__stream_new(l, true);
	weir_quic_header_set(&s->header, header, n);
	weir_quic__todo(s);
	return s->id;
}

static void op_shut(void *ctx, weir_stream_id stream, const char *why)
{
	struct weir_quic_stream *s = weir_quic__stream_find((struct weir_quic *)ctx, stream);

	if (s)
		weir_quic__shut(s, why);
}

static void op_ready(void *ctx, weir_stream_id stream)
{
	struct weir_quic_stream *s = weir_quic__stream_find((struct weir_quic *)ctx, stream);

	if (s)
		weir_quic__run(s);
}

static void op_credit(void *ctx, weir_stream_id stream, uint64_t bytes)
{
	struct weir_quic_stream *s = weir_quic__stream_find((struct weir_quic *)ctx, stream);

	if (s && bytes) {
		s->credit += bytes;
		s->granted += bytes;
		weir_quic__todo(s);
	}
}

const struct weir_link_ops *weir_quic_ops(struct weir_quic *q)
{
	return &q->ops;
}

int weir_quic_open(const struct weir_quic_options *o, struct weir_quic **ret, struct weir_err *err)
{
	struct weir_quic *q = (struct weir_quic *)weir_heap_mem.alloc(NULL, sizeof(*q), 64);
	const struct weir_cluster *c = o->cluster;
	int r;

	weir_assert(o->region < c->region_count && o->gateway < c->region[o->region].gateway_count);
	q->o = *o;
	if (!q->o.certs)
		q->o.certs = c->certs;
	if (!q->o.half_open_max)
		q->o.half_open_max = HALF_OPEN_DEFAULT;
	if (!q->o.links_max)
		q->o.links_max = LINKS_DEFAULT;
	q->alpn = WEIR_QUIC_ALPN;
	q->next_link = 1;
	q->next_stream = 1;
	q->ops = (struct weir_link_ops){.dial = op_dial,
					.close = op_close,
					.control = op_control,
					.open = op_open,
					.shut = op_shut,
					.ready = op_ready,
					.credit = op_credit,
					.ctx = q};
	snprintf(q->here, sizeof(q->here), "weir://%s/%s", c->name, c->region[o->region].name);
	gnutls_rnd(GNUTLS_RND_RANDOM, q->token_secret, sizeof(q->token_secret));
	gnutls_rnd(GNUTLS_RND_RANDOM, &q->cid_seed, sizeof(q->cid_seed));
	r = weir_quic__tls_load(q, &q->tls, err);
	if (r == 0)
		r = weir_quic__reset_secret(q, q->reset_secret, err);
	if (r < 0) {
		weir_quic__tls_unref(q->tls);
		weir_heap_mem.free(NULL, q, sizeof(*q));
		return r;
	}
	weir_quic__resolve_all(q);
	*ret = q;
	return 0;
}

void weir_quic_close(struct weir_quic *q, uint64_t mono_ns)
{
	if (!q)
		return;
	q->now = mono_ns;
	q->closing = true;
	while (q->links) {
		struct weir_quic_link *l = q->links;

		if (l->conn) {
			snprintf(l->why, sizeof(l->why), "the gateway stops");
			weir_quic__end(l);
		}
		weir_quic__link_free(l);
	}
	weir_quic__stage_fini(q);
	weir_quic__tls_unref(q->tls);
	gnutls_memset(q->token_secret, 0, sizeof(q->token_secret));
	gnutls_memset(q->reset_secret, 0, sizeof(q->reset_secret));
	weir_heap_mem.free(NULL, q, sizeof(*q));
}

int weir_quic_reload(struct weir_quic *q, struct weir_err *err)
{
	struct weir_quic_tls *t = NULL;
	int r = weir_quic__tls_load(q, &t, err);

	if (r < 0)
		return r;
	weir_quic__tls_unref(q->tls);
	q->tls = t;
	weir_quic__resolve_all(q);
	return 0;
}

bool weir_quic_link_info(const struct weir_quic *q, weir_link_id link,
			 struct weir_quic_link_info *ret)
{
	const struct weir_quic_link *l = weir_quic__link_find(q, link);
	struct weir_ng_stat s = {0};

	if (!l)
		return false;
	if (l->conn)
		weir_ng_stat(l->conn, &s);
	*ret = (struct weir_quic_link_info){
		.rtt_ns = s.rtt_ns,
		.rtt_min_ns = s.rtt_min_ns == UINT64_MAX ? 0 : s.rtt_min_ns,
		.rtt_var_ns = s.rtt_var_ns,
		.cwnd = s.cwnd,
		.in_flight = s.in_flight,
		.bytes_in = l->bytes_in,
		.bytes_out = l->bytes_out,
		.datagrams_in = l->datagrams_in,
		.datagrams_out = l->datagrams_out,
		.lost = l->lost,
		.retransmitted = l->retransmitted,
		.streams = l->stream_count,
		.payload = l->conn ? (uint32_t)ngtcp2_conn_get_path_max_tx_udp_payload_size(l->conn)
				   : 0,
		.up = l->state == WEIR_QUIC_UP,
		.ours = l->ours,
		.region = weir_quic__region_name(q, l->region),
		.gateway = weir_quic__gateway_name(q, l->region, l->gateway),
		.congestion = q->o.cluster->cubic ? "cubic" : WEIR_NG_CC_BBR_NAME,
		.peer = l->peer,
		.peer_len = l->peer_len};
	return true;
}

bool weir_quic_peer_info(const struct weir_quic *q, uint32_t region, uint32_t gateway,
			 struct weir_quic_link_info *ret)
{
	weir_link_id newest = 0;

	for (const struct weir_quic_link *l = q->links; l; l = l->next)
		if (l->state == WEIR_QUIC_UP && l->region == (int)region &&
		    l->gateway == (int)gateway && l->id > newest)
			newest = l->id;
	return newest && weir_quic_link_info(q, newest, ret);
}

void weir_quic_stats(const struct weir_quic *q, struct weir_quic_stats *ret)
{
	*ret = q->stats;
	ret->half_open = q->half_open;
	ret->links = q->link_count;
}
