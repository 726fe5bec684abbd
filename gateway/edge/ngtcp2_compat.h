/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/edge/ngtcp2_compat.h - one spelling for ngtcp2 0.12.1 (Debian 12) and 1.11.0 (Debian 13).
 *
 * Use:    instead of the library's own headers. weir_ng_*: what differs between the two.
 * Beyond names:
 *  - 0.12.1 repeats lost data of a stream that was reset (its loss recovery looks at the stream only, 1.11.0 at the reset
 *    too), so the bytes must outlive shut(): WEIR_NG_STAGES, gateway/edge/quic_stage.c.
 *  - 0.12.1 has BBR of 2016 and BBR2, 1.11.0 one BBR which is the second version.
 */
#ifndef WEIR_GATEWAY_EDGE_NGTCP2_COMPAT_H
#define WEIR_GATEWAY_EDGE_NGTCP2_COMPAT_H

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>

#include "base/base.h"

#if NGTCP2_VERSION_NUM >= 0x010b00
#define WEIR_NG_STAGES 0
#else
#define WEIR_NG_STAGES 1
#endif

struct weir_ng_stat {
	uint64_t rtt_ns, rtt_min_ns, rtt_var_ns, cwnd, in_flight;
};

#if NGTCP2_VERSION_NUM >= 0x010000

typedef ngtcp2_ccerr weir_ng_ccerr;
#define WEIR_NG_CC_BBR NGTCP2_CC_ALGO_BBR
#define WEIR_NG_CC_BBR_NAME "bbr2"
#define weir_ng_ccerr_liberr(e, rv, p, n) ngtcp2_ccerr_set_liberr((e), (rv), (p), (n))
#define weir_ng_ccerr_alert(e, alert, p, n) ngtcp2_ccerr_set_tls_alert((e), (alert), (p), (n))
#define weir_ng_ccerr_app(e, code, p, n) ngtcp2_ccerr_set_application_error((e), (code), (p), (n))
#define weir_ng_ccerr_is_app(e) ((e)->type == NGTCP2_CCERR_TYPE_APPLICATION)

weir_inline void weir_ng_ccerr_received(ngtcp2_conn *c, weir_ng_ccerr *ret)
{
	*ret = *ngtcp2_conn_get_ccerr(c);
}

weir_inline int weir_ng_shutdown_stream(ngtcp2_conn *c, int64_t stream, uint64_t code)
{
	return ngtcp2_conn_shutdown_stream(c, 0, stream, code);
}

weir_inline void weir_ng_set_token(ngtcp2_settings *s, const ngtcp2_pkt_hd *hd)
{
	s->token = hd->token;
	s->tokenlen = hd->tokenlen;
	s->token_type = NGTCP2_TOKEN_TYPE_RETRY;
}

weir_inline const uint8_t *weir_ng_token(const ngtcp2_pkt_hd *hd, size_t *ret_n)
{
	*ret_n = hd->tokenlen;
	return hd->token;
}

weir_inline void weir_ng_set_original_dcid(ngtcp2_transport_params *p, const ngtcp2_cid *cid)
{
	p->original_dcid = *cid;
	p->original_dcid_present = 1;
}

weir_inline void weir_ng_stat(ngtcp2_conn *c, struct weir_ng_stat *ret)
{
	ngtcp2_conn_info i;

	ngtcp2_conn_get_conn_info(c, &i);
	*ret = (struct weir_ng_stat){.rtt_ns = i.smoothed_rtt,
				     .rtt_min_ns = i.min_rtt,
				     .rtt_var_ns = i.rttvar,
				     .cwnd = i.cwnd,
				     .in_flight = i.bytes_in_flight};
}

#else

typedef ngtcp2_connection_close_error weir_ng_ccerr;
#define WEIR_NG_CC_BBR NGTCP2_CC_ALGO_BBR2
#define WEIR_NG_CC_BBR_NAME "bbr2"
#define weir_ng_ccerr_liberr(e, rv, p, n)                                                          \
	ngtcp2_connection_close_error_set_transport_error_liberr((e), (rv), (p), (n))
#define weir_ng_ccerr_alert(e, alert, p, n)                                                        \
	ngtcp2_connection_close_error_set_transport_error_tls_alert((e), (alert), (p), (n))
#define weir_ng_ccerr_app(e, code, p, n)                                                           \
	ngtcp2_connection_close_error_set_application_error((e), (code), (p), (n))
#define weir_ng_ccerr_is_app(e) ((e)->type == NGTCP2_CONNECTION_CLOSE_ERROR_CODE_TYPE_APPLICATION)

weir_inline void weir_ng_ccerr_received(ngtcp2_conn *c, weir_ng_ccerr *ret)
{
	ngtcp2_conn_get_connection_close_error(c, ret);
}

weir_inline int weir_ng_shutdown_stream(ngtcp2_conn *c, int64_t stream, uint64_t code)
{
	return ngtcp2_conn_shutdown_stream(c, stream, code);
}

weir_inline void weir_ng_set_token(ngtcp2_settings *s, const ngtcp2_pkt_hd *hd)
{
	s->token = hd->token;
}

weir_inline const uint8_t *weir_ng_token(const ngtcp2_pkt_hd *hd, size_t *ret_n)
{
	*ret_n = hd->token.len;
	return hd->token.base;
}

weir_inline void weir_ng_set_original_dcid(ngtcp2_transport_params *p, const ngtcp2_cid *cid)
{
	p->original_dcid = *cid;
}

weir_inline void weir_ng_stat(ngtcp2_conn *c, struct weir_ng_stat *ret)
{
	ngtcp2_conn_stat s;

	ngtcp2_conn_get_conn_stat(c, &s);
	*ret = (struct weir_ng_stat){.rtt_ns = s.smoothed_rtt,
				     .rtt_min_ns = s.min_rtt,
				     .rtt_var_ns = s.rttvar,
				     .cwnd = s.cwnd,
				     .in_flight = s.bytes_in_flight};
}

#endif

#endif
