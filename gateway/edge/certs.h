/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/edge/certs.h - the private CA of a cluster and the certificates of its regions. docs/cluster.md
 *
 * Files:  in one folder (mode 0700), each mode 0600: ca.pem, ca.key, REGION.pem, REGION.key. A gateway needs ca.pem and the two of
 *         its region; ca.key is for making more, and belongs where certificates are made only.
 * Names:  a region's certificate names exactly one URI "weir://CLUSTER/REGION" as subject alternative name; that is what links
 *         check (byte by byte). ECDSA P-256, for both ends of TLS.
 * Errors: text with file and what to do. Existing files stay as they are (-EEXIST) unless force.
 */
#ifndef WEIR_GATEWAY_EDGE_CERTS_H
#define WEIR_GATEWAY_EDGE_CERTS_H

#include "base/err.h"
#include "shm/lane.h"

#define WEIR_CERTS_DAYS 365u
#define WEIR_CERTS_CA_DAYS 3650u /* at least; never shorter than the regions' */
#define WEIR_CERTS_DAYS_MAX 36500u

struct weir_certs_id {
	char cluster[WEIR_NAME_MAX + 1];
	char region[WEIR_REGION_MAX + 1];
};
/* Who a certificate (DER) is for. WEIR_E_FORMAT: no, or more than one, or a malformed name of ours. */
int weir_certs_identity(const void *der, size_t n, struct weir_certs_id *ret);

/* Makes the folder and ca.pem, ca.key for a cluster. */
int weir_certs_make_ca(const char *dir, const char *cluster, uint32_t days, bool force,
		       struct weir_err *err);
/* Signs REGION.pem, REGION.key with the folder's CA. */
int weir_certs_make_region(const char *dir, const char *cluster, const char *region, uint32_t days,
			   bool force, struct weir_err *err);

struct weir_certs_info {
	int64_t from_s, until_s; /* seconds since 1970 */
	bool ca;
	struct weir_certs_id id; /* not of a CA */
	bool signed_by_ca; /* by ca.pem beside it */
	bool key; /* the key file is there and fits */
	bool open; /* others may read the key */
};
/* Reads NAME.pem (name "ca": the CA) and what belongs to it. */
int weir_certs_read(const char *dir, const char *name, struct weir_certs_info *ret,
		    struct weir_err *err);

/* A whole file, at most 64 KiB. The caller frees *ret with free(). */
int weir_certs_file(const char *dir, const char *name, const char *ending, uint8_t **ret,
		    size_t *ret_n, struct weir_err *err);

#endif
