/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets of a link: control bytes first, then streams in turn; full ones of one size leave as one burst (GSO). Pacing and
 * congestion are the library's: it gives no packet when none may go. Bytes that fill no packet wait for more, at most
 * `linger`, unless something goes anyway.
 */
#include "gateway/edge/quic_priv.h"

#define TURN_PACKETS 16u /* of one stream, before the next has its turn */
#define ROOM_FOR_HEAD 60u /* of a packet that is not data: headers, tag, frame heads */

/* The cipher's callback is not told whose packet it is. */
static _Thread_local struct weir_quic_link *writing;

int weir_quic__encrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead,
		       const ngtcp2_crypto_aead_ctx *ctx, const uint8_t *p, size_t n,
		       const uint8_t *nonce, size_t nonce_n, const uint8_t *aad, size_t aad_n)
{
	if (writing && aad_n && !(aad[0] & 0x80)) /* not of the handshake */
		writing->framed += weir_quic__count_stream_bytes(p, n);
	return ngtcp2_crypto_encrypt_cb(dest, aead, ctx, p, n, nonce, nonce_n, aad, aad_n);
}

struct burst {
	uint32_t start, end, seg; /* in q->out */
	uint8_t ecn;
	ngtcp2_path_storage ps;
};

static void flush(struct weir_quic_link *l, struct burst *b)
{
	struct weir_quic *q = l->q;
	struct sockaddr_storage to = {0};

	if (b->end > b->start) {
		memcpy(&to, b->ps.path.remote.addr, b->ps.path.remote.addrlen);
		weir_quic__send(q, &to, b->ps.path.remote.addrlen, q->out + b->start,
				b->end - b->start, b->seg, b->ecn);
	}
	b->start = b->end;
	if (!q->held_count)
		b->start = b->end = 0;
}

/* Puts the packet at b->end, n bytes, into the burst, or sends the burst and begins another one with it. */
static void add_packet(struct weir_quic_link *l, struct burst *b, uint32_t n,
		       const ngtcp2_path_storage *ps, uint8_t ecn)
{
	uint32_t count = b->seg ? (b->end - b->start) / b->seg : 0;

	if (b->end > b->start &&
	    (n > b->seg || ecn != b->ecn || !ngtcp2_path_eq(&ps->path, &b->ps.path))) {
		uint32_t at = b->end;

		flush(l, b);
		if (b->end != at) /* it was sent: the new packet goes to the front */
			memmove(l->q->out, l->q->out + at, n);
		count = 0;
	}
	if (b->end == b->start) {
		b->seg = n;
		b->ecn = ecn;
		ngtcp2_path_storage_zero(&b->ps);
		ngtcp2_path_copy(&b->ps.path, &ps->path);
	}
	b->end += n;
	if (n < b->seg || count + 1 >= WEIR_DGRAM_SEGS)
		flush(l, b);
}

/* What goes next, and from where. -1: nothing of a stream. */
static int64_t next_source(struct weir_quic_link *l, bool data, ngtcp2_vec *v, size_t *ret_count,
			   struct weir_quic_stream **ret_s)
{
	struct weir_quic_stream *s;
	const uint8_t *p;
	uint32_t n;

	*ret_s = NULL;
	*ret_count = weir_quic__control_peek(l, v);
	if (*ret_count)
		return l->control.qid;
	while (data && (s = l->run_first)) {
		if (s->ours && s->header_sent < s->header.have) {
			p = s->header.buf + s->header_sent;
			n = s->header.have - s->header_sent;
		} else {
			n = weir_quic__stage_peek(s, &p);
		}
		if (n) {
			v[0].base = (uint8_t *)(uintptr_t)p;
			v[0].len = n;
			*ret_count = 1;
			*ret_s = s;
			return s->qid;
		}
		weir_quic__run_remove(s); /* nothing more: until ready() */
	}
	return -1;
}

static void advance(struct weir_quic_link *l, struct weir_quic_stream *s, uint64_t n)
{
	if (!s)
		l->control.sent += n;
	else if (s->ours && s->header_sent < s->header.have)
		s->header_sent += (uint32_t)n;
	else
		s->sent += n;
}

/* One packet at `to`. Its bytes, 0: none may go now, <0: an error of the library. */
static ngtcp2_ssize packet(struct weir_quic_link *l, uint8_t *to, size_t cap, bool data,
			   ngtcp2_path_storage *ps, ngtcp2_pkt_info *pi)
{
	uint64_t fresh = 0;
	ngtcp2_ssize n, taken;

	l->framed = 0;
	for (;;) {
		struct weir_quic_stream *s;
		ngtcp2_vec v[2];
		size_t count;
		int64_t qid = next_source(l, data, v, &count, &s);

		taken = -1;
		n = ngtcp2_conn_writev_stream(l->conn, &ps->path, pi, to, cap, &taken,
					      qid < 0 ? NGTCP2_WRITE_STREAM_FLAG_NONE
						      : NGTCP2_WRITE_STREAM_FLAG_MORE,
					      qid, v, count, l->q->now);
		if (taken > 0) {
			advance(l, s, (uint64_t)taken);
			fresh += (uint64_t)taken;
		}
		if (n == NGTCP2_ERR_WRITE_MORE)
			continue;
		if (n == NGTCP2_ERR_STREAM_DATA_BLOCKED) {
			if (s) {
				s->blocked = true;
				weir_quic__run_remove(s);
			} else {
				l->control.blocked = true;
			}
			continue;
		}
		if (s && (n == NGTCP2_ERR_STREAM_SHUT_WR || n == NGTCP2_ERR_STREAM_NOT_FOUND)) {
			weir_quic__run_remove(s);
			continue;
		}
		break;
	}
	if (n > 0 && l->framed > fresh) {
		l->lost++;
		l->retransmitted += l->framed - fresh;
	}
	return n;
}

/* The first stream goes behind the others when it had its share. */
static void take_turns(struct weir_quic_link *l, const struct weir_quic_stream *first)
{
	struct weir_quic_stream *s = l->run_first;

	if (!s || s != first) {
		l->turn = 0;
	} else if (++l->turn >= TURN_PACKETS && s->run_next) {
		l->turn = 0;
		weir_quic__run_remove(s);
		weir_quic__run(s);
	} else {
		s->ready_ns = l->q->now; /* what is left has not waited yet */
	}
}

/* Whether streams have bytes that should not wait any longer; else sets l->linger_ns. */
static bool data_due(struct weir_quic_link *l)
{
	uint64_t linger = l->q->o.cluster->linger_ns, oldest = UINT64_MAX, sum = 0;
	uint64_t full = ngtcp2_conn_get_path_max_tx_udp_payload_size(l->conn) - ROOM_FOR_HEAD;
	struct weir_quic_stream *s = l->run_first, *next;

	l->linger_ns = 0;
	if (!linger || l->control.tail > l->control.sent)
		return true;
	for (; s; s = next) {
		uint64_t n;

		next = s->run_next;
		if (s->ours && s->header_sent < s->header.have)
			return true;
		n = weir_quic__waiting(s, full - sum);
		if (!n) {
			weir_quic__run_remove(s);
			continue;
		}
		sum += n;
		oldest = WEIR_MIN(oldest, s->ready_ns);
		if (sum >= full || oldest + linger <= l->q->now)
			return true;
	}
	if (sum)
		l->linger_ns = oldest + linger;
	return false;
}

void weir_quic__write(struct weir_quic_link *l)
{
	struct weir_quic *q = l->q;
	uint32_t max = weir_quic__payload_max(q), sum = 0;
	uint32_t quantum = (uint32_t)WEIR_MIN(ngtcp2_conn_get_send_quantum(l->conn),
					      (size_t)WEIR_DGRAM_BYTES_MAX - max);
	struct burst b = {0};
	ngtcp2_ssize n;

	writing = l;
	for (;;) {
		ngtcp2_path_storage ps;
		ngtcp2_pkt_info pi = {0};
		struct weir_quic_stream *first = l->run_first;

		if (q->held_count || b.end + max > sizeof(q->out) || sum >= quantum) {
			weir_quic__work(l); /* there may be more */
			n = 0;
			break;
		}
		ngtcp2_path_storage_zero(&ps);
		n = packet(l, q->out + b.end, max, data_due(l), &ps, &pi);
		if (n <= 0)
			break;
		sum += (uint32_t)n;
		l->datagrams_out++;
		l->bytes_out += (uint64_t)n;
		add_packet(l, &b, (uint32_t)n, &ps, (uint8_t)pi.ecn);
		take_turns(l, first);
	}
	writing = NULL;
	flush(l, &b);
	if (n < 0) {
		weir_quic__fail(l, (int)n);
		return;
	}
	ngtcp2_conn_update_pkt_tx_time(l->conn, q->now);
}
