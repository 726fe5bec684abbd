/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/edge/certs.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/edge/certs_file.h"
#include "host/clock.h"

#define HOUR_S 3600
#define DAY_S ((int64_t)24 * HOUR_S)
#define PREFIX "weir://"

struct pair {
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t crt;
};

static void pair_fini(struct pair *p)
{
	if (p->key)
		gnutls_x509_privkey_deinit(p->key);
	if (p->crt)
		gnutls_x509_crt_deinit(p->crt);
}

static int tls_err(struct weir_err *err, const char *what, int r)
{
	return weir_err_set(err, WEIR_E_CONFIG, "%s: %s", what, gnutls_strerror(r));
}

/* "weir://CLUSTER/REGION" */
static int parse_uri(const char *p, size_t n, struct weir_certs_id *ret)
{
	const size_t prefix = strlen(PREFIX);
	const char *cluster = p + prefix, *slash;
	size_t cluster_n, region_n;

	if (n <= prefix || memcmp(p, PREFIX, prefix) || memchr(p, 0, n))
		return WEIR_E_FORMAT;
	slash = (const char *)memchr(cluster, '/', n - prefix);
	if (!slash)
		return WEIR_E_FORMAT;
	cluster_n = (size_t)(slash - cluster);
	region_n = n - prefix - cluster_n - 1;
	if (!cluster_n || cluster_n > WEIR_NAME_MAX || !region_n || region_n > WEIR_REGION_MAX ||
	    memchr(slash + 1, '/', region_n))
		return WEIR_E_FORMAT;
	*ret = (struct weir_certs_id){0};
	memcpy(ret->cluster, cluster, cluster_n);
	memcpy(ret->region, slash + 1, region_n);
	return 0;
}

static int identity(gnutls_x509_crt_t crt, struct weir_certs_id *ret)
{
	unsigned found = 0;

	for (unsigned i = 0;; i++) {
		char name[256];
		size_t n = sizeof(name);
		unsigned critical;
		int type = gnutls_x509_crt_get_subject_alt_name(crt, i, name, &n, &critical);

		if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			break;
		if (type == GNUTLS_E_SHORT_MEMORY_BUFFER) /* too long for one of ours */
			continue;
		if (type < 0)
			return WEIR_E_FORMAT;
		if (type == GNUTLS_SAN_URI && n >= strlen(PREFIX) &&
		    !memcmp(name, PREFIX, strlen(PREFIX)) && (found++ || parse_uri(name, n, ret)))
			return WEIR_E_FORMAT;
	}
	return found == 1 ? 0 : WEIR_E_FORMAT;
}

int weir_certs_identity(const void *der, size_t n, struct weir_certs_id *ret)
{
	gnutls_datum_t in = {(unsigned char *)(uintptr_t)der, (unsigned)n};
	gnutls_x509_crt_t crt;
	int r = WEIR_E_FORMAT;

	if (gnutls_x509_crt_init(&crt) < 0)
		return WEIR_E_FORMAT;
	if (gnutls_x509_crt_import(crt, &in, GNUTLS_X509_FMT_DER) == 0)
		r = identity(crt, ret);
	gnutls_x509_crt_deinit(crt);
	return r;
}

/* Key, serial number, validity, name: what both kinds have. Valid from an hour ago: clocks differ. */
static int begin(struct pair *p, const char *organization, const char *name, uint32_t days)
{
	int64_t now = weir_wall_ns() / WEIR_NS_PER_S;
	uint8_t serial[16], id[20];
	size_t id_n = sizeof(id);
	int r;

	if ((r = gnutls_x509_privkey_init(&p->key)) < 0 ||
	    (r = gnutls_x509_crt_init(&p->crt)) < 0 ||
	    (r = gnutls_x509_privkey_generate(p->key, GNUTLS_PK_ECDSA,
					      GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1),
					      0)) < 0 ||
	    (r = gnutls_rnd(GNUTLS_RND_RANDOM, serial, sizeof(serial))) < 0)
		return r;
	serial[0] = (serial[0] & 0x3f) | 0x40; /* positive, and of full length */
	if ((r = gnutls_x509_crt_set_version(p->crt, 3)) < 0 ||
	    (r = gnutls_x509_crt_set_serial(p->crt, serial, sizeof(serial))) < 0 ||
	    (r = gnutls_x509_crt_set_activation_time(p->crt, now - HOUR_S)) < 0 ||
	    (r = gnutls_x509_crt_set_expiration_time(p->crt, now + days * DAY_S)) < 0 ||
	    (r = gnutls_x509_crt_set_dn_by_oid(p->crt, GNUTLS_OID_X520_ORGANIZATION_NAME, 0,
					       organization, (unsigned)strlen(organization))) < 0 ||
	    (r = gnutls_x509_crt_set_dn_by_oid(p->crt, GNUTLS_OID_X520_COMMON_NAME, 0, name,
					       (unsigned)strlen(name))) < 0 ||
	    (r = gnutls_x509_crt_set_key(p->crt, p->key)) < 0 ||
	    (r = gnutls_x509_crt_get_key_id(p->crt, 0, id, &id_n)) < 0 ||
	    (r = gnutls_x509_crt_set_subject_key_id(p->crt, id, id_n)) < 0)
		return r;
	return 0;
}

static int sign(struct pair *p, const struct pair *by)
{
	return gnutls_x509_crt_sign2(p->crt, by->crt, by->key, GNUTLS_DIG_SHA256, 0);
}

static int store(const char *dir, const char *name, const struct pair *p, bool force,
		 struct weir_err *err)
{
	gnutls_datum_t crt = {0}, key = {0};
	int r = gnutls_x509_crt_export2(p->crt, GNUTLS_X509_FMT_PEM, &crt);

	if (r >= 0)
		r = gnutls_x509_privkey_export2_pkcs8(p->key, GNUTLS_X509_FMT_PEM, NULL,
						      GNUTLS_PKCS_PLAIN, &key);
	if (r < 0)
		r = tls_err(err, "cannot encode a certificate", r);
	else
		r = weir_certs_store(dir, name, "key", key.data, key.size, force, err);
	if (r == 0)
		r = weir_certs_store(dir, name, "pem", crt.data, crt.size, force, err);
	if (key.data)
		gnutls_memset(key.data, 0, key.size);
	gnutls_free(key.data);
	gnutls_free(crt.data);
	return r;
}

int weir_certs_make_ca(const char *dir, const char *cluster, uint32_t days, bool force,
		       struct weir_err *err)
{
	struct pair ca = {0};
	char name[WEIR_NAME_MAX + 16];
	int r = weir_certs_folder(dir, err);

	if (r < 0)
		return r;
	r = weir_certs_absent(dir, "ca", force, err);
	if (r < 0)
		return r;
	snprintf(name, sizeof(name), "%s CA", cluster);
	if ((r = begin(&ca, cluster, name, WEIR_MAX(days, WEIR_CERTS_CA_DAYS))) < 0 ||
	    (r = gnutls_x509_crt_set_basic_constraints(ca.crt, 1, 0)) < 0 ||
	    (r = gnutls_x509_crt_set_key_usage(ca.crt, GNUTLS_KEY_KEY_CERT_SIGN |
							       GNUTLS_KEY_CRL_SIGN)) < 0 ||
	    (r = sign(&ca, &ca)) < 0)
		r = tls_err(err, "cannot make a CA", r);
	else
		r = store(dir, "ca", &ca, force, err);
	pair_fini(&ca);
	return r;
}

static int load(const char *dir, const char *name, struct pair *ret, struct weir_err *err)
{
	uint8_t *p;
	gnutls_datum_t in;
	size_t n;
	int r = weir_certs_file(dir, name, "pem", &p, &n, err);

	if (r < 0)
		return r;
	in = (gnutls_datum_t){p, (unsigned)n};
	r = gnutls_x509_crt_init(&ret->crt);
	if (r >= 0)
		r = gnutls_x509_crt_import(ret->crt, &in, GNUTLS_X509_FMT_PEM);
	free(p);
	if (r < 0)
		return weir_err_set(err, WEIR_E_FORMAT, "%s/%s.pem is no certificate: %s", dir,
				    name, gnutls_strerror(r));
	return 0;
}

static int load_key(const char *dir, const char *name, struct pair *ret, struct weir_err *err)
{
	uint8_t *p;
	gnutls_datum_t in;
	size_t n;
	int r = weir_certs_file(dir, name, "key", &p, &n, err);

	if (r < 0)
		return r;
	in = (gnutls_datum_t){p, (unsigned)n};
	r = gnutls_x509_privkey_init(&ret->key);
	if (r >= 0)
		r = gnutls_x509_privkey_import(ret->key, &in, GNUTLS_X509_FMT_PEM);
	gnutls_memset(p, 0, n);
	free(p);
	if (r < 0)
		return weir_err_set(err, WEIR_E_FORMAT, "%s/%s.key is no key: %s", dir, name,
				    gnutls_strerror(r));
	return 0;
}

static bool key_fits(const struct pair *p)
{
	uint8_t a[20], b[20];
	size_t a_n = sizeof(a), b_n = sizeof(b);

	return gnutls_x509_crt_get_key_id(p->crt, 0, a, &a_n) == 0 &&
	       gnutls_x509_privkey_get_key_id(p->key, 0, b, &b_n) == 0 && a_n == b_n &&
	       !memcmp(a, b, a_n);
}

static int region_cert(struct pair *p, const struct pair *ca, const char *cluster,
		       const char *region, uint32_t days)
{
	char uri[WEIR_NAME_MAX + WEIR_REGION_MAX + 16];
	uint8_t id[20];
	size_t id_n = sizeof(id);
	int r;

	snprintf(uri, sizeof(uri), PREFIX "%s/%s", cluster, region);
	if ((r = begin(p, cluster, region, days)) < 0 ||
	    (r = gnutls_x509_crt_set_basic_constraints(p->crt, 0, -1)) < 0 ||
	    (r = gnutls_x509_crt_set_key_usage(p->crt, GNUTLS_KEY_DIGITAL_SIGNATURE)) < 0 ||
	    (r = gnutls_x509_crt_set_key_purpose_oid(p->crt, GNUTLS_KP_TLS_WWW_SERVER, 0)) < 0 ||
	    (r = gnutls_x509_crt_set_key_purpose_oid(p->crt, GNUTLS_KP_TLS_WWW_CLIENT, 0)) < 0 ||
	    (r = gnutls_x509_crt_set_subject_alt_name(
		     p->crt, GNUTLS_SAN_URI, uri, (unsigned)strlen(uri), GNUTLS_FSAN_SET)) < 0 ||
	    (r = gnutls_x509_crt_get_key_id(ca->crt, 0, id, &id_n)) < 0 ||
	    (r = gnutls_x509_crt_set_authority_key_id(p->crt, id, id_n)) < 0)
		return r;
	return sign(p, ca);
}

int weir_certs_make_region(const char *dir, const char *cluster, const char *region, uint32_t days,
			   bool force, struct weir_err *err)
{
	struct pair ca = {0}, p = {0};
	int r = weir_certs_absent(dir, region, force, err);

	if (r == 0)
		r = load(dir, "ca", &ca, err);
	if (r == 0)
		r = load_key(dir, "ca", &ca, err);
	if (r == 0 && !key_fits(&ca))
		r = weir_err_set(err, WEIR_E_CONFIG, "%s/ca.key does not belong to %s/ca.pem", dir,
				 dir);
	if (r == 0) {
		r = region_cert(&p, &ca, cluster, region, days);
		if (r < 0)
			r = tls_err(err, "cannot make a certificate", r);
		else
			r = store(dir, region, &p, force, err);
	}
	pair_fini(&p);
	pair_fini(&ca);
	return r;
}

int weir_certs_read(const char *dir, const char *name, struct weir_certs_info *ret,
		    struct weir_err *err)
{
	struct pair p = {0}, ca = {0};
	char path[4096];
	struct stat st;
	unsigned status = 0;
	int r = load(dir, name, &p, err);

	*ret = (struct weir_certs_info){.ca = !strcmp(name, "ca")};
	if (r < 0) {
		pair_fini(&p);
		return r;
	}
	ret->from_s = gnutls_x509_crt_get_activation_time(p.crt);
	ret->until_s = gnutls_x509_crt_get_expiration_time(p.crt);
	if (!ret->ca)
		identity(p.crt, &ret->id);
	if (load(dir, "ca", &ca, NULL) == 0)
		ret->signed_by_ca = gnutls_x509_crt_list_verify(&p.crt, 1, &ca.crt, 1, NULL, 0,
								GNUTLS_VERIFY_DISABLE_TIME_CHECKS,
								&status) == 0 &&
				    status == 0;
	ret->key = load_key(dir, name, &p, NULL) == 0 && key_fits(&p);
	snprintf(path, sizeof(path), "%s/%s.key", dir, name);
	ret->open = stat(path, &st) == 0 && (st.st_mode & 077) != 0;
	pair_fini(&p);
	pair_fini(&ca);
	return 0;
}
