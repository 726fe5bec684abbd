/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS of links: credentials of the certificates' folder, a session for each link, and the decision whether the peer is who it
 * should be. No session tickets: a new link checks certificates anew, so that an expired or replaced one is out for good.
 */
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/edge/certs.h"
#include "gateway/edge/quic_priv.h"
#include "host/heap.h"

static const char priorities[] =
	"NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:"
	"-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:%DISABLE_TLS13_COMPAT_MODE";

struct pem {
	uint8_t *p;
	size_t n;
};

static void pem_free(struct pem *f)
{
	if (f->p)
		gnutls_memset(f->p, 0, f->n);
	free(f->p);
	*f = (struct pem){0};
}

/* Our own certificate must say who we are: peers would refuse it otherwise, with less to go on. */
static int check_own(const struct weir_quic *q, const struct pem *cert, struct weir_err *err)
{
	const char *region = q->o.cluster->region[q->o.region].name;
	gnutls_datum_t in = {cert->p, (unsigned)cert->n}, der = {0};
	gnutls_x509_crt_t crt;
	struct weir_certs_id id;
	int r = WEIR_E_FORMAT;

	if (gnutls_x509_crt_init(&crt) == 0) {
		if (gnutls_x509_crt_import(crt, &in, GNUTLS_X509_FMT_PEM) == 0 &&
		    gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &der) == 0) {
			r = weir_certs_identity(der.data, der.size, &id);
			gnutls_free(der.data);
		}
		gnutls_x509_crt_deinit(crt);
	}
	if (r < 0)
		return weir_err_set(
			err, WEIR_E_CONFIG,
			"%s/%s.pem is no certificate for %s: make one with `weir certs`",
			q->o.certs, region, q->here);
	if (strcmp(id.cluster, q->o.cluster->name) || strcmp(id.region, region))
		return weir_err_set(err, WEIR_E_CONFIG,
				    "%s/%s.pem is for weir://%s/%s, and %s is wanted", q->o.certs,
				    region, id.cluster, id.region, q->here);
	return 0;
}

static int set_files(const struct weir_quic *q, struct weir_quic_tls *t, const struct pem *ca,
		     const struct pem *cert, const struct pem *key, struct weir_err *err)
{
	const char *region = q->o.cluster->region[q->o.region].name;
	gnutls_datum_t d_ca = {ca->p, (unsigned)ca->n}, d_cert = {cert->p, (unsigned)cert->n},
		       d_key = {key->p, (unsigned)key->n};
	int r = gnutls_certificate_set_x509_trust_mem(t->cred, &d_ca, GNUTLS_X509_FMT_PEM);

	if (r <= 0)
		return weir_err_set(err, WEIR_E_CONFIG, "%s/ca.pem holds no certificate: %s",
				    q->o.certs, r ? gnutls_strerror(r) : "it is empty");
	r = check_own(q, cert, err);
	if (r < 0)
		return r;
	r = gnutls_certificate_set_x509_key_mem(t->cred, &d_cert, &d_key, GNUTLS_X509_FMT_PEM);
	if (r < 0)
		return weir_err_set(err, WEIR_E_CONFIG,
				    "%s/%s.pem and %s.key do not go together: %s", q->o.certs,
				    region, region, gnutls_strerror(r));
	return 0;
}

int weir_quic__tls_load(const struct weir_quic *q, struct weir_quic_tls **ret, struct weir_err *err)
{
	const char *region = q->o.cluster->region[q->o.region].name, *dir = q->o.certs;
	struct weir_quic_tls *t;
	struct pem ca = {0}, cert = {0}, key = {0};
	int r;

	if (!dir || !dir[0])
		return weir_err_set(err, WEIR_E_CONFIG,
				    "the cluster file names no `certs` folder: gateways need one "
				    "(`weir certs init` makes it)");
	t = (struct weir_quic_tls *)weir_heap_mem.alloc(NULL, sizeof(*t), 16);
	t->refs = 1;
	r = weir_certs_file(dir, "ca", "pem", &ca.p, &ca.n, err);
	if (r == 0)
		r = weir_certs_file(dir, region, "pem", &cert.p, &cert.n, err);
	if (r == 0)
		r = weir_certs_file(dir, region, "key", &key.p, &key.n, err);
	if (r == 0 && (gnutls_certificate_allocate_credentials(&t->cred) < 0 ||
		       gnutls_priority_init(&t->prio, priorities, NULL) < 0))
		r = weir_err_set(err, WEIR_E_CONFIG,
				 "this GnuTLS cannot do TLS 1.3 as links need it: %s", priorities);
	if (r == 0)
		r = set_files(q, t, &ca, &cert, &key, err);
	pem_free(&ca);
	pem_free(&cert);
	pem_free(&key);
	if (r < 0) {
		weir_quic__tls_unref(t);
		return r;
	}
	*ret = t;
	return 0;
}

void weir_quic__tls_unref(struct weir_quic_tls *t)
{
	if (!t || --t->refs)
		return;
	if (t->cred)
		gnutls_certificate_free_credentials(t->cred);
	if (t->prio)
		gnutls_priority_deinit(t->prio);
	weir_heap_mem.free(NULL, t, sizeof(*t));
}

/* Of the key and our name: the same after a restart, another one for each gateway (else one could be made to reset the links of
 * another: RFC 9000, section 21.11). */
int weir_quic__reset_secret(const struct weir_quic *q, uint8_t *ret, struct weir_err *err)
{
	const char *region = q->o.cluster->region[q->o.region].name;
	char label[256];
	struct pem key = {0};
	int r = weir_certs_file(q->o.certs, region, "key", &key.p, &key.n, err);

	if (r < 0)
		return r;
	snprintf(label, sizeof(label), "weir stateless reset %s %s", q->here,
		 q->o.cluster->region[q->o.region].gateway[q->o.gateway].name);
	r = gnutls_hmac_fast(GNUTLS_MAC_SHA256, key.p, key.n, label, strlen(label), ret);
	pem_free(&key);
	return r < 0 ? weir_err_set(err, WEIR_E_CONFIG, "GnuTLS has no HMAC-SHA256") : 0;
}

static bool chain_fits(struct weir_quic_link *l)
{
	gnutls_typed_vdata_st purpose = {
		.type = GNUTLS_DT_KEY_PURPOSE_OID,
		.data = (unsigned char *)(uintptr_t)(l->ours ? GNUTLS_KP_TLS_WWW_SERVER
							     : GNUTLS_KP_TLS_WWW_CLIENT)};
	const unsigned when = GNUTLS_CERT_EXPIRED | GNUTLS_CERT_NOT_ACTIVATED;
	unsigned status = 0;
	int r = gnutls_certificate_verify_peers(l->session, &purpose, 1, &status);

	if (r == GNUTLS_E_NO_CERTIFICATE_FOUND) {
		weir_quic__refuse(l, WEIR_QUIC_REFUSED_MISSING, "there is no certificate");
	} else if (r < 0) {
		weir_quic__refuse(l, WEIR_QUIC_REFUSED_CA, "the certificate cannot be checked: %s",
				  gnutls_strerror(r));
	} else if (status & ~(when | GNUTLS_CERT_INVALID)) {
		weir_quic__refuse(l, WEIR_QUIC_REFUSED_CA,
				  status & GNUTLS_CERT_PURPOSE_MISMATCH
					  ? "the certificate is not for this use"
					  : "the certificate is not signed by the cluster's CA");
	} else if (status & when) {
		weir_quic__refuse(l, WEIR_QUIC_REFUSED_EXPIRED,
				  status & GNUTLS_CERT_EXPIRED
					  ? "the certificate has expired"
					  : "the certificate is not valid yet: compare the clocks");
	} else {
		return !status;
	}
	return false;
}

static bool region_fits(struct weir_quic_link *l)
{
	const struct weir_quic *q = l->q;
	unsigned count = 0;
	const gnutls_datum_t *der = gnutls_certificate_get_peers(l->session, &count);
	struct weir_certs_id id;
	int region;

	if (!count || weir_certs_identity(der[0].data, der[0].size, &id) < 0) {
		weir_quic__refuse(l, WEIR_QUIC_REFUSED_CLUSTER,
				  "the certificate names no region of a cluster");
		return false;
	}
	if (strcmp(id.cluster, q->o.cluster->name)) {
		weir_quic__refuse(l, WEIR_QUIC_REFUSED_CLUSTER,
				  "the certificate is for cluster `%s`, and this is `%s`",
				  id.cluster, q->o.cluster->name);
		return false;
	}
	region = weir_cluster_find(q->o.cluster, weir_str_c(id.region));
	if (region < 0 || region == (int)q->o.region || (l->ours && region != l->region)) {
		weir_quic__refuse(l, WEIR_QUIC_REFUSED_REGION,
				  "the certificate is for region `%s`, %s%s", id.region,
				  l->ours      ? "dialled was "
				  : region < 0 ? "which the cluster file does not name"
					       : "which is our own",
				  l->ours ? q->o.cluster->region[l->region].name : "");
		return false;
	}
	l->region = region;
	return true;
}

static int verify(gnutls_session_t session)
{
	ngtcp2_crypto_conn_ref *ref = (ngtcp2_crypto_conn_ref *)gnutls_session_get_ptr(session);
	struct weir_quic_link *l = (struct weir_quic_link *)ref->user_data;
	gnutls_datum_t alpn = {0};

	if (gnutls_alpn_get_selected_protocol(session, &alpn) < 0 ||
	    alpn.size != strlen(l->q->alpn) || memcmp(alpn.data, l->q->alpn, alpn.size)) {
		weir_quic__refuse(l, WEIR_QUIC_REFUSED_ALPN, "it does not speak %s", l->q->alpn);
		return GNUTLS_E_CERTIFICATE_ERROR;
	}
	return chain_fits(l) && region_fits(l) ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}

static ngtcp2_conn *get_conn(ngtcp2_crypto_conn_ref *ref)
{
	return ((struct weir_quic_link *)ref->user_data)->conn;
}

int weir_quic__session(struct weir_quic_link *l)
{
	gnutls_datum_t alpn = {(unsigned char *)(uintptr_t)l->q->alpn,
			       (unsigned)strlen(l->q->alpn)};
	unsigned flags = GNUTLS_NO_TICKETS | GNUTLS_NO_END_OF_EARLY_DATA;
	gnutls_session_t s;

	if (gnutls_init(&l->session, flags | (l->ours ? GNUTLS_CLIENT : GNUTLS_SERVER)) < 0)
		return -1;
	s = l->session;
	if ((l->ours ? ngtcp2_crypto_gnutls_configure_client_session(s)
		     : ngtcp2_crypto_gnutls_configure_server_session(s)) ||
	    gnutls_priority_set(s, l->tls->prio) < 0 ||
	    gnutls_credentials_set(s, GNUTLS_CRD_CERTIFICATE, l->tls->cred) < 0 ||
	    gnutls_alpn_set_protocols(s, &alpn, 1, GNUTLS_ALPN_MANDATORY) < 0)
		return -1;
	l->ref = (ngtcp2_crypto_conn_ref){.get_conn = get_conn, .user_data = l};
	gnutls_session_set_ptr(s, &l->ref);
	gnutls_session_set_verify_function(s, verify);
	if (!l->ours) {
		gnutls_certificate_server_set_request(s, GNUTLS_CERT_REQUIRE);
		/* No names of CAs: a peer with a wrong certificate shows it, and can be told. */
		gnutls_certificate_send_x509_rdn_sequence(s, 1);
	}
	ngtcp2_conn_set_tls_native_handle(l->conn, s);
	return 0;
}
