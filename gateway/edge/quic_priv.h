/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/edge/quic_priv.h - inside of the QUIC transport. Only quic*.c and its tests include this.
 *
 *   quic.c        open, step, ops                quic_tls.c     certificates, who the peer is
 *   quic_demux.c  datagram to link, unknown ones quic_link.c    a link's life: dial, accept, fail, close
 *   quic_write.c  packets, bursts, linger        quic_stream.c  streams: header, bytes, credit, shut
 *   quic_control.c  the control stream           quic_wire.c    its bytes
 *   quic_stage.c  bytes that outlive shut()      quic_count.c   what is sent again
 *   quic_callbacks.c  what ngtcp2 calls          quic_peer.c    addresses and names of peers
 *
 * Calls:  ngtcp2 calls back from read and write; the core may call ops from an event. So callbacks and ops only note what is to
 *         be done, and put the link on the list of links with work; weir_quic__link_work() does it from step().
 * Names:  link and stream numbers are the core's; `qid` is a stream's number of QUIC.
 */
#ifndef WEIR_GATEWAY_EDGE_QUIC_PRIV_H
#define WEIR_GATEWAY_EDGE_QUIC_PRIV_H

#include <gnutls/gnutls.h>

#include "gateway/edge/ngtcp2_compat.h"
#include "gateway/edge/quic.h"
#include "gateway/edge/quic_wire.h"

#define WEIR_QUIC_CID 8u /* bytes of the connection ids we give out */
#define WEIR_QUIC_CID_BUCKETS 4096u
#define WEIR_QUIC_STREAM_BUCKETS 1024u
#define WEIR_QUIC_LINK_BUCKETS 256u
#define WEIR_QUIC_OUT_BYTES (1u << 16) /* a burst */
#define WEIR_QUIC_CONTROL_RING (1u << 16) /* control bytes that wait or are not acknowledged */
#define WEIR_QUIC_CLOSED_MAX 256u /* ended links that still answer with their close */
/*
 * The library announces credit in steps of half a stream's first window. So that a small credit is never held back from a sender
 * who needs just that to finish a frame, the peer may always send more than was granted: the header and one such step. What
 * comes beyond the grant is kept here.
 */
#define WEIR_QUIC_WINDOW_STEP (1u << 15)
#define WEIR_QUIC_WINDOW_FIRST (2 * WEIR_QUIC_WINDOW_STEP)
#define WEIR_QUIC_SLACK (WEIR_QUIC_WINDOW_STEP + 1024u)
#define WEIR_QUIC_STAGE_CHUNK (1u << 15)
#define WEIR_QUIC_SPARE_CHUNKS 256u

struct weir_quic_tls {
	uint32_t refs;
	gnutls_certificate_credentials_t cred;
	gnutls_priority_t prio;
};

struct weir_quic_cid {
	struct weir_quic_cid *next; /* of the bucket */
	struct weir_quic_cid *link_next;
	struct weir_quic_link *link;
	ngtcp2_cid cid;
};

/* Send bytes of a stream that were copied: [at, at + used) since the stream's first data byte. */
struct weir_quic_chunk {
	struct weir_quic_chunk *next;
	uint64_t at;
	uint32_t used;
	uint8_t data[WEIR_QUIC_STAGE_CHUNK];
};

struct weir_quic_stream {
	weir_stream_id id;
	struct weir_quic_stream *id_next; /* bucket */
	struct weir_quic_stream *prev, *next; /* of the link */
	struct weir_quic_stream *run_next; /* streams that may have bytes to send */
	struct weir_quic_link *link;
	int64_t qid; /* -1: not opened yet */
	struct weir_quic_stream *todo_next; /* streams with something to do besides sending */
	bool ours; /* we opened it: our header goes out, none comes in */
	bool known; /* the core has the id */
	bool todo, queued, blocked;
	bool shut; /* by the core; dead for it */
	bool gone; /* the peer ended it; CLOSED is due */
	bool reset; /* we told ngtcp2 that it ends */
	bool closed; /* nothing of it is left in ngtcp2 */
	struct weir_quic_header header;
	uint32_t header_sent; /* bytes of header.buf, when ours */
	uint64_t sent, acked; /* data bytes, without the header */
	uint64_t credit; /* to announce with the next work */
	uint64_t granted, got; /* data bytes the core may get, and got */
	uint8_t *excess; /* what came beyond that: WEIR_QUIC_SLACK bytes, or NULL */
	uint32_t excess_n;
	uint64_t ready_ns; /* since when bytes wait */
	struct weir_quic_chunk *stage_first, *stage_last, *stage_now; /* WEIR_NG_STAGES */
	char why[WEIR_QUIC_WHY_MAX + 1];
};

struct weir_quic_control {
	int64_t qid; /* -1: no stream yet */
	struct weir_quic_framer in;
	uint8_t *ring; /* WEIR_QUIC_CONTROL_RING bytes */
	uint64_t acked, sent, tail; /* positions in the stream */
	bool blocked;
	uint64_t hello_end; /* where our HELLO ends; 0: not said yet */
};

enum weir_quic_state {
	WEIR_QUIC_HANDSHAKE, /* until HELLO came; dialled ones have no ngtcp2 object before the first step */
	WEIR_QUIC_UP,
	WEIR_QUIC_CLOSED, /* answers with its close for a while; no ngtcp2 object */
};

struct weir_quic_link {
	struct weir_quic *q;
	weir_link_id id;
	struct weir_quic_link *id_next;
	struct weir_quic_link *prev, *next;
	struct weir_quic_link *work_next;
	bool working; /* on the list of links with work */
	enum weir_quic_state state;
	bool ours; /* we dialled */
	bool more; /* the last write stopped for its quantum */
	int region, gateway; /* of the peer: dialled or told; -1 unknown */
	int refusal; /* enum weir_quic_refusal noted in a callback; -1 */
	char why[256]; /* of the end */
	bool want_close; /* by the core, or from a callback */
	ngtcp2_conn *conn;
	ngtcp2_crypto_conn_ref ref;
	gnutls_session_t session;
	struct weir_quic_tls *tls;
	struct weir_quic_cid *cids;
	struct sockaddr_storage peer;
	socklen_t peer_len;
	uint64_t born_ns, deadline_ns, linger_ns; /* linger_ns: when held bytes go; 0 none are */
	struct weir_quic_control control;
	struct weir_quic_stream *streams;
	uint32_t stream_count;
	struct weir_quic_stream *run_first, *run_last, *todo_first, *todo_last;
	uint32_t turn; /* packets in a row for the first of them */
	/* counters; framed: of the packet in the making */
	uint64_t bytes_in, bytes_out, datagrams_in, datagrams_out, lost, retransmitted;
	uint64_t framed;
	/* CLOSED */
	uint8_t *farewell;
	uint32_t farewell_n, farewell_asked;
};

struct weir_quic {
	struct weir_quic_options o;
	const char *alpn;
	struct weir_link_ops ops;
	struct weir_quic_tls *tls;
	char here[WEIR_NAME_MAX + WEIR_REGION_MAX + 16]; /* "weir://CLUSTER/REGION" */
	uint64_t now;
	bool more; /* of this step */
	weir_link_id next_link;
	weir_stream_id next_stream;
	struct weir_quic_link *links; /* all, also CLOSED ones */
	uint32_t link_count, closed_count, half_open;
	struct weir_quic_link *work_first, *work_now;
	struct weir_quic_link *link_bucket[WEIR_QUIC_LINK_BUCKETS];
	struct weir_quic_stream *stream_bucket[WEIR_QUIC_STREAM_BUCKETS];
	struct weir_quic_cid *cid_bucket[WEIR_QUIC_CID_BUCKETS];
	uint64_t cid_seed;
	uint8_t token_secret[32]; /* of this process */
	uint8_t reset_secret[32]; /* the same after a restart */
	uint64_t answer_tokens, answer_ns; /* how many answers without a connection are left */
	struct {
		struct sockaddr_storage sa;
		socklen_t len; /* 0: not resolved */
		uint64_t tried_ns;
	} address[WEIR_REGIONS_MAX][WEIR_GATEWAYS_MAX];
	struct weir_quic_chunk *spare_chunk;
	uint32_t spare_chunks;
	struct weir_quic_stats stats;
	struct weir_dgram held[4]; /* bursts in `out` the socket had no room for */
	uint32_t held_count;
	bool closing; /* no events any more */
	uint8_t out[WEIR_QUIC_OUT_BYTES];
};

/* quic.c */
void weir_quic__emit(struct weir_quic *q, const struct weir_link_event *e);
void weir_quic__work(struct weir_quic_link *l); /* something is to be done for it */
void weir_quic__send(struct weir_quic *q, const struct sockaddr_storage *to, socklen_t to_len,
		     const uint8_t *p, uint32_t n, uint32_t seg, uint8_t ecn);
struct weir_quic_link *weir_quic__link_find(const struct weir_quic *q, weir_link_id id);
struct weir_quic_stream *weir_quic__stream_find(const struct weir_quic *q, weir_stream_id id);

/* quic_peer.c */
int weir_quic__resolve(struct weir_quic *q, uint32_t region, uint32_t gateway,
		       struct weir_err *err);
void weir_quic__resolve_all(struct weir_quic *q);
const char *weir_quic__region_name(const struct weir_quic *q, int region); /* "" for -1 */
const char *weir_quic__gateway_name(const struct weir_quic *q, int region, int gateway);

/* quic_tls.c */
int weir_quic__tls_load(const struct weir_quic *q, struct weir_quic_tls **ret,
			struct weir_err *err);
void weir_quic__tls_unref(struct weir_quic_tls *t);
int weir_quic__reset_secret(const struct weir_quic *q, uint8_t *ret, struct weir_err *err);
int weir_quic__session(struct weir_quic_link *l); /* 0 or -1 */

/* quic_demux.c */
void weir_quic__datagram(struct weir_quic *q, const struct weir_dgram *d, const uint8_t *p,
			 uint32_t n);
void weir_quic__cid_add(struct weir_quic_link *l, const ngtcp2_cid *cid);
void weir_quic__cid_remove(struct weir_quic_link *l, const ngtcp2_cid *cid);
struct weir_quic_link *weir_quic__cid_find(const struct weir_quic *q, const uint8_t *p, size_t n);

/* quic_link.c */
struct weir_quic_link *weir_quic__dial(struct weir_quic *q, uint32_t region, uint32_t gateway);
/* A first packet whose header was read; odcid: the first id the client chose, when it proved its address (NULL: it did not). */
struct weir_quic_link *weir_quic__accept(struct weir_quic *q, const struct weir_dgram *d,
					 const ngtcp2_pkt_hd *hd, const ngtcp2_cid *odcid);
void weir_quic__read(struct weir_quic_link *l, const struct weir_dgram *d, const uint8_t *p,
		     uint32_t n);
/* Notes the end of a link from within a callback; the first note stays. */
void weir_quic__refuse(struct weir_quic_link *l, enum weir_quic_refusal r, const char *fmt, ...)
	weir_printf_like(3, 4);
/* Ends a link for a code of ngtcp2: says so to the peer when it can, counts, gives DOWN. */
void weir_quic__fail(struct weir_quic_link *l, int rv);
/* The same for a reason of ours, in l->why. */
void weir_quic__end(struct weir_quic_link *l);
void weir_quic__link_free(struct weir_quic_link *l);
void weir_quic__link_timer(struct weir_quic_link *l);
void weir_quic__link_work(struct weir_quic_link *l);
void weir_quic__up(struct weir_quic_link *l);
uint32_t weir_quic__payload_max(const struct weir_quic *q);

/* quic_callbacks.c */
void weir_quic__callbacks(ngtcp2_callbacks *ret);

/* quic_control.c */
void weir_quic__control_open(struct weir_quic_link *l, int64_t qid);
void weir_quic__control_free(struct weir_quic_link *l);
bool weir_quic__control_put(struct weir_quic_link *l, const struct weir_quic_message *m);
void weir_quic__control_work(struct weir_quic_link *l);
void weir_quic__control_data(struct weir_quic_link *l, const uint8_t *p, size_t n);
/* Bytes to send: one or two pieces. 0: none now. */
size_t weir_quic__control_peek(const struct weir_quic_link *l, ngtcp2_vec *ret);

/* quic_stream.c */
struct weir_quic_stream *weir_quic__stream_new(struct weir_quic_link *l, bool ours);
void weir_quic__stream_free(struct weir_quic_stream *s);
void weir_quic__stream_begin(struct weir_quic_stream *s, int64_t qid);
void weir_quic__stream_data(struct weir_quic_stream *s, const uint8_t *p, size_t n);
void weir_quic__stream_acked(struct weir_quic_stream *s, uint64_t upto); /* header included */
void weir_quic__stream_forget(struct weir_quic_stream *s); /* the core's id of it */
void weir_quic__todo(struct weir_quic_stream *s);
void weir_quic__streams_work(struct weir_quic_link *l);
void weir_quic__run(struct weir_quic_stream *s);
void weir_quic__run_remove(struct weir_quic_stream *s);
void weir_quic__shut(struct weir_quic_stream *s, const char *why);
void weir_quic__shut_told(struct weir_quic_link *l, const struct weir_quic_message *m);

/* quic_stage.c: bytes to send from `sent` on; 0 none now. */
uint32_t weir_quic__stage_peek(struct weir_quic_stream *s, const uint8_t **ret_p);
/* How many there are; counting ends at `enough`. */
uint64_t weir_quic__waiting(struct weir_quic_stream *s, uint64_t enough);
void weir_quic__stage_acked(struct weir_quic_stream *s);
void weir_quic__stage_free(struct weir_quic_stream *s);
void weir_quic__stage_fini(struct weir_quic *q);

/* quic_write.c */
void weir_quic__write(struct weir_quic_link *l);
int weir_quic__encrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead,
		       const ngtcp2_crypto_aead_ctx *ctx, const uint8_t *p, size_t n,
		       const uint8_t *nonce, size_t nonce_n, const uint8_t *aad, size_t aad_n);

/* quic_count.c: bytes of STREAM frames in the frames of a packet. */
uint64_t weir_quic__count_stream_bytes(const uint8_t *p, size_t n);

#endif
