/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a link: dial or accept, TLS, HELLO, UP; and its end, which the peer is told once and again when it asks. */
#include <gnutls/crypto.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "gateway/edge/quic_priv.h"
#include "host/address.h"
#include "host/heap.h"

#define FAREWELL_MIN_NS (100 * (uint64_t)WEIR_NS_PER_MS)
#define FAREWELL_MAX_NS (3 * (uint64_t)WEIR_NS_PER_S)
#define STREAMS_FLOW                                                                               \
	(UINT64_C(1) << 16) /* of the control stream and headers, on top of a stream's credit */

enum { CODE_CLOSED = 1, CODE_REFUSED = 2 };

uint32_t weir_quic__payload_max(const struct weir_quic *q)
{
	uint32_t n = q->o.io->payload_max;

	/* Larger ones would need a path of jumbo frames; the library's search ends at an Ethernet's. */
	n = WEIR_MIN(n, (uint32_t)NGTCP2_MAX_PMTUD_UDP_PAYLOAD_SIZE);
	return WEIR_MAX(n, (uint32_t)NGTCP2_MAX_UDP_PAYLOAD_SIZE);
}

static struct weir_quic_link *link_new(struct weir_quic *q, bool ours)
{
	struct weir_quic_link *l =
		(struct weir_quic_link *)weir_heap_mem.alloc(NULL, sizeof(*l), 16);
	struct weir_quic_link **bucket;

	l->q = q;
	l->id = q->next_link++;
	weir_assert(q->next_link); /* four billion links of one process */
	l->ours = ours;
	l->region = l->gateway = l->refusal = -1;
	l->control.qid = -1;
	l->tls = q->tls;
	l->tls->refs++;
	l->born_ns = q->now;
	l->deadline_ns = UINT64_MAX;
	bucket = &q->link_bucket[l->id % WEIR_QUIC_LINK_BUCKETS];
	l->id_next = *bucket;
	*bucket = l;
	l->next = q->links;
	if (l->next)
		l->next->prev = l;
	q->links = l;
	q->link_count++;
	return l;
}

static void forget_work(struct weir_quic_link **at, struct weir_quic_link *l)
{
	for (; *at; at = &(*at)->work_next)
		if (*at == l) {
			*at = l->work_next;
			return;
		}
}

/* What a link needs as long as packets go: not what it needs to answer late ones. */
static void drop_conn(struct weir_quic_link *l)
{
	while (l->streams)
		weir_quic__stream_free(l->streams);
	if (l->conn)
		ngtcp2_conn_del(l->conn);
	if (l->session)
		gnutls_deinit(l->session);
	l->conn = NULL;
	l->session = NULL;
	weir_quic__control_free(l);
	weir_quic__tls_unref(l->tls);
	l->tls = NULL;
}

void weir_quic__link_free(struct weir_quic_link *l)
{
	struct weir_quic *q = l->q;
	struct weir_quic_link **at = &q->link_bucket[l->id % WEIR_QUIC_LINK_BUCKETS];

	while (*at != l)
		at = &(*at)->id_next;
	*at = l->id_next;
	if (l->working) {
		forget_work(&q->work_first, l);
		forget_work(&q->work_now, l);
	}
	if (l->prev)
		l->prev->next = l->next;
	else
		q->links = l->next;
	if (l->next)
		l->next->prev = l->prev;
	if (l->state == WEIR_QUIC_CLOSED)
		q->closed_count--;
	else
		q->link_count--;
	drop_conn(l);
	while (l->cids)
		weir_quic__cid_remove(l, &l->cids->cid);
	if (l->farewell)
		weir_heap_mem.free(NULL, l->farewell, l->farewell_n);
	weir_heap_mem.free(NULL, l, sizeof(*l));
}

static void settings(const struct weir_quic_link *l, ngtcp2_settings *s, ngtcp2_transport_params *p)
{
	const struct weir_quic *q = l->q;
	const struct weir_cluster *c = q->o.cluster;

	ngtcp2_settings_default(s);
	s->initial_ts = q->now;
	s->cc_algo = c->cubic ? NGTCP2_CC_ALGO_CUBIC : WEIR_NG_CC_BBR;
	s->max_tx_udp_payload_size = weir_quic__payload_max(q);
	s->handshake_timeout = 2 * WEIR_QUIC_HANDSHAKE_NS; /* ours comes first */
	s->max_window = 0; /* credit is ours: nothing grows by itself */
	s->max_stream_window = 0;
	ngtcp2_transport_params_default(p);
	p->initial_max_streams_bidi = WEIR_QUIC_STREAMS_MAX + 1; /* and the control stream */
	p->initial_max_stream_data_bidi_local = WEIR_QUIC_WINDOW_FIRST;
	p->initial_max_stream_data_bidi_remote = WEIR_QUIC_WINDOW_FIRST;
	p->initial_max_data = WEIR_MAX(c->window_bytes, WEIR_STREAM_CREDIT);
	/* The timer may be set anew by the first packet sent into silence, a heartbeat later at most. */
	p->max_idle_timeout = c->dead_ns - WEIR_MIN(c->heartbeat_ns, c->dead_ns / 2);
	p->active_connection_id_limit = 4;
}

static ngtcp2_path path_of(const struct weir_quic *q, const struct sockaddr_storage *peer,
			   socklen_t peer_len)
{
	return (ngtcp2_path){.local = {(struct sockaddr *)(uintptr_t)&q->o.io->local,
				       q->o.io->local_len},
			     .remote = {(struct sockaddr *)(uintptr_t)peer, peer_len}};
}

static int client(struct weir_quic_link *l)
{
	ngtcp2_path path = path_of(l->q, &l->peer, l->peer_len);
	ngtcp2_callbacks calls;
	ngtcp2_settings s;
	ngtcp2_transport_params p;
	ngtcp2_cid dcid = {.datalen = 18}, scid = {.datalen = WEIR_QUIC_CID};

	weir_quic__callbacks(&calls);
	settings(l, &s, &p);
	if (gnutls_rnd(GNUTLS_RND_RANDOM, dcid.data, dcid.datalen) < 0 ||
	    gnutls_rnd(GNUTLS_RND_RANDOM, scid.data, scid.datalen) < 0 ||
	    ngtcp2_conn_client_new(&l->conn, &dcid, &scid, &path, NGTCP2_PROTO_VER_V1, &calls, &s,
				   &p, NULL, l))
		return -1;
	weir_quic__cid_add(l, &scid);
	return weir_quic__session(l);
}

struct weir_quic_link *weir_quic__dial(struct weir_quic *q, uint32_t region, uint32_t gateway)
{
	struct weir_quic_link *l = link_new(q, true);

	weir_assert(region < q->o.cluster->region_count && region != q->o.region &&
		    gateway < q->o.cluster->region[region].gateway_count);
	l->region = (int)region;
	l->gateway = (int)gateway;
	weir_quic__work(l);
	return l;
}

/* With the next step, which knows the time. false: l->why says why not. */
static bool dial_now(struct weir_quic_link *l)
{
	struct weir_quic *q = l->q;
	uint32_t region = (uint32_t)l->region, gateway = (uint32_t)l->gateway;
	struct weir_err err = {0};

	l->born_ns = q->now;
	if (q->link_count > q->o.links_max) {
		snprintf(l->why, sizeof(l->why), "there are %u links already", q->link_count - 1);
	} else if (weir_quic__resolve(q, region, gateway, &err) < 0) {
		snprintf(l->why, sizeof(l->why), "%.*s", (int)sizeof(l->why) - 1, err.text);
	} else {
		l->peer = q->address[region][gateway].sa;
		l->peer_len = q->address[region][gateway].len;
		if (client(l))
			snprintf(l->why, sizeof(l->why), "QUIC or TLS could not be set up");
	}
	return !l->why[0];
}

struct weir_quic_link *weir_quic__accept(struct weir_quic *q, const struct weir_dgram *d,
					 const ngtcp2_pkt_hd *hd, const ngtcp2_cid *odcid)
{
	struct weir_quic_link *l = link_new(q, false);
	ngtcp2_path path;
	ngtcp2_callbacks calls;
	ngtcp2_settings s;
	ngtcp2_transport_params p;
	ngtcp2_cid scid = {.datalen = WEIR_QUIC_CID};

	q->half_open++;
	l->peer = d->peer;
	l->peer_len = d->peer_len;
	path = path_of(q, &l->peer, l->peer_len);
	weir_quic__callbacks(&calls);
	settings(l, &s, &p);
	weir_ng_set_original_dcid(&p, odcid ? odcid : &hd->dcid);
	if (odcid) {
		weir_ng_set_token(&s, hd);
		p.retry_scid = hd->dcid;
		p.retry_scid_present = 1;
	}
	p.stateless_reset_token_present = 1;
	if (gnutls_rnd(GNUTLS_RND_RANDOM, scid.data, scid.datalen) < 0 ||
	    ngtcp2_crypto_generate_stateless_reset_token(p.stateless_reset_token, q->reset_secret,
							 sizeof(q->reset_secret), &scid) ||
	    ngtcp2_conn_server_new(&l->conn, &hd->scid, &scid, &path, hd->version, &calls, &s, &p,
				   NULL, l) ||
	    weir_quic__session(l)) {
		q->half_open--;
		q->stats.refused[WEIR_QUIC_REFUSED_PROTOCOL]++;
		weir_quic__link_free(l);
		return NULL;
	}
	weir_quic__cid_add(l, &scid);
	weir_quic__cid_add(l, &hd->dcid); /* until the client has ours */
	return l;
}

void weir_quic__up(struct weir_quic_link *l)
{
	struct weir_quic *q = l->q;

	l->state = WEIR_QUIC_UP;
	if (l->ours) {
		q->stats.dialled++;
	} else {
		q->stats.accepted++;
		q->half_open--;
	}
	ngtcp2_conn_set_keep_alive_timeout(l->conn, q->o.cluster->heartbeat_ns);
	weir_quic__emit(q, &(struct weir_link_event){
				   .kind = WEIR_LINK_UP,
				   .link = l->id,
				   .ours = l->ours,
				   .region = weir_quic__region_name(q, l->region),
				   .gateway = weir_quic__gateway_name(q, l->region, l->gateway)});
}

void weir_quic__refuse(struct weir_quic_link *l, enum weir_quic_refusal r, const char *fmt, ...)
{
	va_list ap;

	if (l->refusal >= 0 || l->want_close)
		return;
	l->refusal = (int)r;
	va_start(ap, fmt);
	vsnprintf(l->why, sizeof(l->why), fmt, ap);
	va_end(ap);
	weir_quic__work(l);
}

/* Everything of the link but its ids and its last words goes. */
static void close_state(struct weir_quic_link *l, const uint8_t *farewell, size_t n)
{
	struct weir_quic *q = l->q;
	enum weir_quic_state was = l->state;
	uint64_t pto = l->conn ? ngtcp2_conn_get_pto(l->conn) : 0;

	if (was == WEIR_QUIC_HANDSHAKE && !l->ours)
		q->half_open--;
	l->state = WEIR_QUIC_CLOSED;
	q->link_count--;
	q->closed_count++;
	l->deadline_ns = q->now + WEIR_MIN(WEIR_MAX(3 * pto, FAREWELL_MIN_NS), FAREWELL_MAX_NS);
	if (n) {
		l->farewell = (uint8_t *)weir_heap_mem.alloc(NULL, n, 1);
		memcpy(l->farewell, farewell, n);
		l->farewell_n = (uint32_t)n;
		weir_quic__send(q, &l->peer, l->peer_len, l->farewell, l->farewell_n, l->farewell_n,
				0);
	}
	drop_conn(l);
	if (was == WEIR_QUIC_UP || l->ours)
		weir_quic__emit(q, &(struct weir_link_event){
					   .kind = WEIR_LINK_DOWN, .link = l->id, .text = l->why});
}

static void say_farewell(struct weir_quic_link *l, weir_ng_ccerr *e)
{
	uint8_t buf[NGTCP2_MAX_UDP_PAYLOAD_SIZE];
	ngtcp2_path_storage ps;
	ngtcp2_pkt_info pi = {0};
	ngtcp2_ssize n;

	ngtcp2_path_storage_zero(&ps);
	n = ngtcp2_conn_write_connection_close(l->conn, &ps.path, &pi, buf, sizeof(buf), e,
					       l->q->now);
	if (n > 0) { /* the peer may have moved */
		memcpy(&l->peer, ps.path.remote.addr, ps.path.remote.addrlen);
		l->peer_len = ps.path.remote.addrlen;
	}
	close_state(l, buf, n > 0 ? (size_t)n : 0);
}

void weir_quic__end(struct weir_quic_link *l)
{
	size_t n = strnlen(l->why, WEIR_QUIC_WHY_MAX);
	weir_ng_ccerr e;

	if (l->refusal >= 0)
		l->q->stats.refused[l->refusal]++;
	weir_ng_ccerr_app(&e, l->refusal >= 0 ? CODE_REFUSED : CODE_CLOSED,
			  (uint8_t *)(uintptr_t)l->why, n);
	say_farewell(l, &e);
}

/* The peer ended it: its words, or what its code means. */
static void peer_closed(struct weir_quic_link *l)
{
	char said[WEIR_QUIC_WHY_MAX + 1];
	weir_ng_ccerr e;

	weir_ng_ccerr_received(l->conn, &e);
	weir_quic_why_clean(said, e.reason, e.reasonlen);
	if (weir_ng_ccerr_is_app(&e))
		snprintf(l->why, sizeof(l->why), "%s by the peer: %s",
			 e.error_code == CODE_REFUSED ? "refused" : "closed", said);
	else if (e.error_code >= NGTCP2_CRYPTO_ERROR && e.error_code < NGTCP2_CRYPTO_ERROR + 256) {
		const char *alert = gnutls_alert_get_name(
			(gnutls_alert_description_t)(e.error_code - NGTCP2_CRYPTO_ERROR));

		snprintf(l->why, sizeof(l->why), "refused by the peer: %s",
			 said[0] ? said
			 : alert ? alert
				 : "TLS failed");
	} else {
		/* Code 0 without words: a stateless reset looks like that. */
		snprintf(l->why, sizeof(l->why), "the peer does not know this link any more: %s",
			 said[0] ? said : "it was started again, or had an error");
	}
	close_state(l, NULL, 0);
}

static void tls_failed(struct weir_quic_link *l)
{
	uint8_t alert = ngtcp2_conn_get_tls_alert(l->conn);
	const char *name = gnutls_alert_get_name((gnutls_alert_description_t)alert);
	weir_ng_ccerr e;

	if (alert == GNUTLS_A_NO_APPLICATION_PROTOCOL)
		weir_quic__refuse(l, WEIR_QUIC_REFUSED_ALPN, "it does not speak %s", l->q->alpn);
	else if (alert == GNUTLS_A_CERTIFICATE_REQUIRED)
		weir_quic__refuse(l, WEIR_QUIC_REFUSED_MISSING, "there is no certificate");
	else
		weir_quic__refuse(l, WEIR_QUIC_REFUSED_PROTOCOL, "TLS failed: %s",
				  name ? name : "unknown alert");
	l->q->stats.refused[l->refusal]++;
	weir_ng_ccerr_alert(&e, alert, (uint8_t *)(uintptr_t)l->why,
			    strnlen(l->why, WEIR_QUIC_WHY_MAX));
	say_farewell(l, &e);
}

static void silent(struct weir_quic_link *l)
{
	char address[80];

	weir_address_text((const struct sockaddr *)&l->peer, l->peer_len, address, sizeof(address));
	if (l->state == WEIR_QUIC_UP)
		snprintf(l->why, sizeof(l->why), "nothing was heard from %s for %u ms", address,
			 (unsigned)(l->q->o.cluster->dead_ns / WEIR_NS_PER_MS));
	else
		snprintf(l->why, sizeof(l->why), "no link to %s within %u ms", address,
			 (unsigned)(WEIR_QUIC_HANDSHAKE_NS / WEIR_NS_PER_MS));
	if (l->state != WEIR_QUIC_UP && !l->ours)
		l->q->stats.refused[WEIR_QUIC_REFUSED_TIMEOUT]++;
	close_state(l, NULL, 0);
}

void weir_quic__fail(struct weir_quic_link *l, int rv)
{
	weir_ng_ccerr e;

	switch (rv) {
	case NGTCP2_ERR_DRAINING:
	case NGTCP2_ERR_CLOSING:
		peer_closed(l);
		return;
	case NGTCP2_ERR_IDLE_CLOSE:
	case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
		silent(l);
		return;
	case NGTCP2_ERR_CRYPTO:
		tls_failed(l);
		return;
	default:
		break;
	}
	weir_quic__refuse(l, WEIR_QUIC_REFUSED_PROTOCOL, "QUIC failed: %s", ngtcp2_strerror(rv));
	if (l->refusal >= 0)
		l->q->stats.refused[l->refusal]++;
	if (rv == NGTCP2_ERR_DROP_CONN || rv == NGTCP2_ERR_RETRY ||
	    rv == NGTCP2_ERR_RECV_VERSION_NEGOTIATION) {
		close_state(l, NULL, 0);
		return;
	}
	weir_ng_ccerr_liberr(&e, rv, (uint8_t *)(uintptr_t)l->why,
			     strnlen(l->why, WEIR_QUIC_WHY_MAX));
	say_farewell(l, &e);
}

static void answer_late(struct weir_quic_link *l)
{
	/* Less and less often: both ends may be in this state. */
	l->farewell_asked++;
	if (l->farewell_n && WEIR_IS_POW2(l->farewell_asked))
		weir_quic__send(l->q, &l->peer, l->peer_len, l->farewell, l->farewell_n,
				l->farewell_n, 0);
}

void weir_quic__read(struct weir_quic_link *l, const struct weir_dgram *d, const uint8_t *p,
		     uint32_t n)
{
	ngtcp2_path path = path_of(l->q, &d->peer, d->peer_len);
	ngtcp2_pkt_info pi = {.ecn = d->ecn};
	int rv;

	if (l->state == WEIR_QUIC_CLOSED) {
		answer_late(l);
		return;
	}
	l->bytes_in += n;
	l->datagrams_in++;
	rv = ngtcp2_conn_read_pkt(l->conn, &path, &pi, p, n, l->q->now);
	if (rv)
		weir_quic__fail(l, rv);
	else
		weir_quic__work(l);
}

void weir_quic__link_timer(struct weir_quic_link *l)
{
	int rv;

	if (l->state == WEIR_QUIC_CLOSED) {
		weir_quic__link_free(l);
		return;
	}
	if (l->state == WEIR_QUIC_HANDSHAKE && l->q->now >= l->born_ns + WEIR_QUIC_HANDSHAKE_NS) {
		weir_quic__fail(l, NGTCP2_ERR_HANDSHAKE_TIMEOUT);
		return;
	}
	if (ngtcp2_conn_get_expiry(l->conn) <= l->q->now) {
		rv = ngtcp2_conn_handle_expiry(l->conn, l->q->now);
		if (rv) {
			weir_quic__fail(l, rv);
			return;
		}
	}
	weir_quic__work(l);
}

void weir_quic__link_work(struct weir_quic_link *l)
{
	if (l->state == WEIR_QUIC_CLOSED)
		return;
	if (!l->conn && (l->want_close || !dial_now(l))) {
		close_state(l, NULL, 0);
		return;
	}
	if (l->want_close || l->refusal >= 0) {
		weir_quic__end(l);
		return;
	}
	weir_quic__control_work(l);
	weir_quic__streams_work(l);
	weir_quic__write(l);
	if (l->state == WEIR_QUIC_CLOSED)
		return;
	l->deadline_ns = ngtcp2_conn_get_expiry(l->conn);
	if (l->linger_ns)
		l->deadline_ns = WEIR_MIN(l->deadline_ns, l->linger_ns);
	if (l->state == WEIR_QUIC_HANDSHAKE)
		l->deadline_ns = WEIR_MIN(l->deadline_ns, l->born_ns + WEIR_QUIC_HANDSHAKE_NS);
}
