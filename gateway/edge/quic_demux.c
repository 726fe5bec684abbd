/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a datagram to its link, by the connection id that we gave out. What belongs to no link gets little: the first packet of a
 * handshake within bounds, a proof of address (Retry) when half of them are used up, a stateless reset for what looks like a
 * packet of an earlier process; the answers are limited, and always smaller than what asked for them.
 */
#include <gnutls/crypto.h>
#include <netinet/in.h>

#include "base/keyhash.h"
#include "gateway/edge/quic_priv.h"
#include "host/heap.h"

#define ANSWERS_PER_S 200u
#define ANSWERS_MAX 100u
#define RETRY_VALID_NS (10 * (uint64_t)WEIR_NS_PER_S)
#define RESET_MAX 43u /* bytes of ours; a longer packet is no reset */
#define RESET_LOOK 64u

static struct weir_quic_cid **cid_bucket(const struct weir_quic *q, const uint8_t *p, size_t n)
{
	uint64_t h = q->cid_seed;

	for (size_t i = 0; i < n; i += 8) {
		uint64_t word = 0;

		memcpy(&word, p + i, WEIR_MIN(n - i, (size_t)8));
		h = weir_hash_mix(h ^ word);
	}
	return (struct weir_quic_cid **)(uintptr_t)&q->cid_bucket[h % WEIR_QUIC_CID_BUCKETS];
}

struct weir_quic_link *weir_quic__cid_find(const struct weir_quic *q, const uint8_t *p, size_t n)
{
	const struct weir_quic_cid *c = *cid_bucket(q, p, n);

	while (c && (c->cid.datalen != n || memcmp(c->cid.data, p, n)))
		c = c->next;
	return c ? c->link : NULL;
}

void weir_quic__cid_add(struct weir_quic_link *l, const ngtcp2_cid *cid)
{
	struct weir_quic_cid **bucket = cid_bucket(l->q, cid->data, cid->datalen);
	struct weir_quic_cid *c = (struct weir_quic_cid *)weir_heap_mem.alloc(NULL, sizeof(*c), 16);

	*c = (struct weir_quic_cid){.next = *bucket, .link_next = l->cids, .link = l, .cid = *cid};
	*bucket = c;
	l->cids = c;
}

void weir_quic__cid_remove(struct weir_quic_link *l, const ngtcp2_cid *cid)
{
	struct weir_quic_cid **at = &l->cids, **bucket = cid_bucket(l->q, cid->data, cid->datalen);
	struct weir_quic_cid *c;

	while (*at && !ngtcp2_cid_eq(&(*at)->cid, cid))
		at = &(*at)->link_next;
	c = *at;
	if (!c)
		return;
	*at = c->link_next;
	while (*bucket != c)
		bucket = &(*bucket)->next;
	*bucket = c->next;
	weir_heap_mem.free(NULL, c, sizeof(*c));
}

static bool may_answer(struct weir_quic *q)
{
	uint64_t add = (q->now - q->answer_ns) / (WEIR_NS_PER_S / ANSWERS_PER_S);

	if (add || !q->answer_ns) {
		q->answer_tokens =
			q->answer_ns ? WEIR_MIN(q->answer_tokens + add, ANSWERS_MAX) : ANSWERS_MAX;
		q->answer_ns = q->now;
	}
	if (!q->answer_tokens)
		return false;
	q->answer_tokens--;
	return true;
}

static void send_retry(struct weir_quic *q, const struct weir_dgram *d, const ngtcp2_pkt_hd *hd)
{
	uint8_t token[NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN], out[256];
	ngtcp2_cid scid = {.datalen = WEIR_QUIC_CID};
	const struct sockaddr *peer = (const struct sockaddr *)&d->peer;
	ngtcp2_ssize n;

	if (!may_answer(q) || gnutls_rnd(GNUTLS_RND_RANDOM, scid.data, scid.datalen) < 0)
		return;
	n = ngtcp2_crypto_generate_retry_token(token, q->token_secret, sizeof(q->token_secret),
					       hd->version, peer, d->peer_len, &scid, &hd->dcid,
					       q->now);
	if (n < 0)
		return;
	n = ngtcp2_crypto_write_retry(out, sizeof(out), hd->version, &hd->scid, &scid, &hd->dcid,
				      token, (size_t)n);
	if (n <= 0)
		return;
	q->stats.retries++;
	weir_quic__send(q, &d->peer, d->peer_len, out, (uint32_t)n, (uint32_t)n, 0);
}

static bool same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET6)
		return !memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr,
			       &((const struct sockaddr_in6 *)b)->sin6_addr,
			       sizeof(struct in6_addr));
	return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
	       ((const struct sockaddr_in *)b)->sin_addr.s_addr;
}

/* One host may have a quarter of all handshakes. */
static bool too_many(const struct weir_quic *q, const struct weir_dgram *d)
{
	uint32_t same = 0;

	if (q->half_open >= q->o.half_open_max || q->link_count >= q->o.links_max)
		return true;
	for (const struct weir_quic_link *l = q->links; l; l = l->next)
		same += l->state == WEIR_QUIC_HANDSHAKE && !l->ours &&
			same_host(&l->peer, &d->peer);
	return same >= WEIR_MAX(q->o.half_open_max / 4, 1u);
}

static void first_packet(struct weir_quic *q, const struct weir_dgram *d, const uint8_t *p,
			 uint32_t n)
{
	const struct sockaddr *peer = (const struct sockaddr *)&d->peer;
	struct weir_quic_link *l;
	ngtcp2_pkt_hd hd;
	ngtcp2_cid odcid;
	const uint8_t *token;
	size_t token_n;

	if (ngtcp2_accept(&hd, p, n) || hd.version != NGTCP2_PROTO_VER_V1) {
		q->stats.garbage++;
		return;
	}
	token = weir_ng_token(&hd, &token_n);
	if (token_n && ngtcp2_crypto_verify_retry_token(
			       &odcid, token, token_n, q->token_secret, sizeof(q->token_secret),
			       hd.version, peer, d->peer_len, &hd.dcid, RETRY_VALID_NS, q->now)) {
		q->stats.garbage++;
		return;
	}
	if (too_many(q, d)) {
		q->stats.refused[WEIR_QUIC_REFUSED_BUSY]++;
		return;
	}
	if (!token_n && q->half_open >= q->o.half_open_max / 2) {
		send_retry(q, d, &hd);
		return;
	}
	l = weir_quic__accept(q, d, &hd, token_n ? &odcid : NULL);
	if (l)
		weir_quic__read(l, d, p, n);
}

static bool same_peer(const struct weir_quic_link *l, const struct weir_dgram *d)
{
	return l->conn && l->peer_len == d->peer_len && !memcmp(&l->peer, &d->peer, d->peer_len);
}

/* A stateless reset has no id that we know: it is for one of the links to that address, which knows its token. */
static bool maybe_reset(struct weir_quic *q, const struct weir_dgram *d, const uint8_t *p,
			uint32_t n)
{
	struct weir_quic_link *l = q->links, *next;
	bool looked = false;

	for (; n <= RESET_LOOK && l; l = next) {
		next = l->next;
		if (l->state == WEIR_QUIC_UP && same_peer(l, d)) {
			looked = true;
			weir_quic__read(l, d, p, n);
		}
	}
	return looked;
}

static void unknown(struct weir_quic *q, const struct weir_dgram *d, const uint8_t *p, uint32_t n)
{
	uint8_t token[NGTCP2_STATELESS_RESET_TOKENLEN], noise[RESET_MAX], out[RESET_MAX + 1];
	ngtcp2_cid cid;
	ngtcp2_ssize size;

	q->stats.unknown++;
	if (maybe_reset(q, d, p, n) || n <= RESET_MAX || !may_answer(q))
		return;
	ngtcp2_cid_init(&cid, p + 1, WEIR_QUIC_CID);
	if (gnutls_rnd(GNUTLS_RND_NONCE, noise, sizeof(noise)) < 0 ||
	    ngtcp2_crypto_generate_stateless_reset_token(token, q->reset_secret,
							 sizeof(q->reset_secret), &cid))
		return;
	size = ngtcp2_pkt_write_stateless_reset(out, sizeof(out), token, noise,
						RESET_MAX - NGTCP2_STATELESS_RESET_TOKENLEN - 1);
	if (size <= 0)
		return;
	q->stats.resets++;
	weir_quic__send(q, &d->peer, d->peer_len, out, (uint32_t)size, (uint32_t)size, 0);
}

void weir_quic__datagram(struct weir_quic *q, const struct weir_dgram *d, const uint8_t *p,
			 uint32_t n)
{
	ngtcp2_version_cid id;
	struct weir_quic_link *l;

	if (ngtcp2_pkt_decode_version_cid(&id, p, n, WEIR_QUIC_CID)) {
		q->stats.garbage++;
		return;
	}
	l = id.dcidlen ? weir_quic__cid_find(q, id.dcid, id.dcidlen) : NULL;
	if (l)
		weir_quic__read(l, d, p, n);
	else if (p[0] & 0x80)
		first_packet(q, d, p, n);
	else
		unknown(q, d, p, n);
}
