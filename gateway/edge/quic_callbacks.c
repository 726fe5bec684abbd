/* SPDX-License-Identifier: Apache-2.0 */
/* What ngtcp2 calls. Nothing here writes packets or ends a link: that waits for weir_quic__link_work(). */
#include <gnutls/crypto.h>
#include <stdio.h>

#include "gateway/edge/quic_priv.h"

static void rand_cb(uint8_t *dest, size_t n, const ngtcp2_rand_ctx *ctx)
{
	(void)ctx;
	gnutls_rnd(GNUTLS_RND_NONCE, dest, n);
}

static int new_cid_cb(ngtcp2_conn *conn, ngtcp2_cid *cid, uint8_t *token, size_t n, void *user)
{
	struct weir_quic_link *l = (struct weir_quic_link *)user;

	(void)conn;
	cid->datalen = n;
	if (gnutls_rnd(GNUTLS_RND_RANDOM, cid->data, n) < 0 ||
	    ngtcp2_crypto_generate_stateless_reset_token(token, l->q->reset_secret,
							 sizeof(l->q->reset_secret), cid))
		return NGTCP2_ERR_CALLBACK_FAILURE;
	weir_quic__cid_add(l, cid);
	return 0;
}

static int remove_cid_cb(ngtcp2_conn *conn, const ngtcp2_cid *cid, void *user)
{
	(void)conn;
	weir_quic__cid_remove((struct weir_quic_link *)user, cid);
	return 0;
}

static int open_cb(ngtcp2_conn *conn, int64_t qid, void *user)
{
	struct weir_quic_link *l = (struct weir_quic_link *)user;
	struct weir_quic_stream *s;

	if (!l->ours && qid == 0) {
		weir_quic__control_open(l, qid);
	} else if (l->state != WEIR_QUIC_UP) {
		weir_quic__refuse(l, WEIR_QUIC_REFUSED_PROTOCOL, "a stream before the hello");
	} else {
		s = weir_quic__stream_new(l, false);
		ngtcp2_conn_set_stream_user_data(conn, qid, s);
		weir_quic__stream_begin(s, qid);
	}
	return 0;
}

static void ended(struct weir_quic_link *l, int64_t qid, struct weir_quic_stream *s)
{
	if (qid == l->control.qid)
		weir_quic__refuse(l, WEIR_QUIC_REFUSED_PROTOCOL, "the control stream has ended");
	if (!s)
		return;
	s->gone = true;
	weir_quic__run_remove(s);
	weir_quic__todo(s);
}

static int data_cb(ngtcp2_conn *conn, uint32_t flags, int64_t qid, uint64_t offset,
		   const uint8_t *p, size_t n, void *user, void *stream_user)
{
	struct weir_quic_link *l = (struct weir_quic_link *)user;
	struct weir_quic_stream *s = (struct weir_quic_stream *)stream_user;

	(void)offset;
	ngtcp2_conn_extend_max_offset(conn, n);
	if (qid == l->control.qid) {
		ngtcp2_conn_extend_max_stream_offset(conn, qid, n);
		weir_quic__control_data(l, p, n);
	} else if (s) {
		weir_quic__stream_data(s, p, n);
	}
	if (flags & NGTCP2_STREAM_DATA_FLAG_FIN)
		ended(l, qid, s);
	return 0;
}

static int acked_cb(ngtcp2_conn *conn, int64_t qid, uint64_t offset, uint64_t n, void *user,
		    void *stream_user)
{
	struct weir_quic_link *l = (struct weir_quic_link *)user;

	(void)conn;
	if (stream_user)
		weir_quic__stream_acked((struct weir_quic_stream *)stream_user, offset + n);
	else if (qid == l->control.qid)
		l->control.acked = offset + n;
	return 0;
}

static int reset_cb(ngtcp2_conn *conn, int64_t qid, uint64_t size, uint64_t code, void *user,
		    void *stream_user)
{
	(void)conn;
	(void)size;
	(void)code;
	ended((struct weir_quic_link *)user, qid, (struct weir_quic_stream *)stream_user);
	return 0;
}

static int stop_cb(ngtcp2_conn *conn, int64_t qid, uint64_t code, void *user, void *stream_user)
{
	(void)conn;
	(void)code;
	ended((struct weir_quic_link *)user, qid, (struct weir_quic_stream *)stream_user);
	return 0;
}

static int close_cb(ngtcp2_conn *conn, uint32_t flags, int64_t qid, uint64_t code, void *user,
		    void *stream_user)
{
	struct weir_quic_stream *s = (struct weir_quic_stream *)stream_user;

	(void)flags;
	(void)code;
	if (s)
		s->closed = true;
	ended((struct weir_quic_link *)user, qid, s);
	if (!ngtcp2_conn_is_local_stream(conn, qid))
		ngtcp2_conn_extend_max_streams_bidi(conn, 1);
	return 0;
}

static int credit_cb(ngtcp2_conn *conn, int64_t qid, uint64_t max, void *user, void *stream_user)
{
	struct weir_quic_link *l = (struct weir_quic_link *)user;
	struct weir_quic_stream *s = (struct weir_quic_stream *)stream_user;

	(void)conn;
	(void)max;
	if (s) {
		s->blocked = false;
		weir_quic__run(s);
	} else if (qid == l->control.qid) {
		l->control.blocked = false;
	}
	return 0;
}

static int path_challenge_cb(ngtcp2_conn *conn, uint8_t *data, void *user)
{
	(void)conn;
	(void)user;
	return gnutls_rnd(GNUTLS_RND_RANDOM, data, NGTCP2_PATH_CHALLENGE_DATALEN) < 0
		       ? NGTCP2_ERR_CALLBACK_FAILURE
		       : 0;
}

void weir_quic__callbacks(ngtcp2_callbacks *ret)
{
	*ret = (ngtcp2_callbacks){.client_initial = ngtcp2_crypto_client_initial_cb,
				  .recv_client_initial = ngtcp2_crypto_recv_client_initial_cb,
				  .recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb,
				  .encrypt = weir_quic__encrypt,
				  .decrypt = ngtcp2_crypto_decrypt_cb,
				  .hp_mask = ngtcp2_crypto_hp_mask_cb,
				  .recv_retry = ngtcp2_crypto_recv_retry_cb,
				  .version_negotiation = ngtcp2_crypto_version_negotiation_cb,
				  .update_key = ngtcp2_crypto_update_key_cb,
				  .delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb,
				  .delete_crypto_cipher_ctx =
					  ngtcp2_crypto_delete_crypto_cipher_ctx_cb,
				  .get_path_challenge_data = path_challenge_cb,
				  .rand = rand_cb,
				  .get_new_connection_id = new_cid_cb,
				  .remove_connection_id = remove_cid_cb,
				  .stream_open = open_cb,
				  .recv_stream_data = data_cb,
				  .acked_stream_data_offset = acked_cb,
				  .stream_reset = reset_cb,
				  .stream_stop_sending = stop_cb,
				  .stream_close = close_cb,
				  .extend_max_stream_data = credit_cb};
}
