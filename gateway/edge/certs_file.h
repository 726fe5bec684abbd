/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/edge/certs_file.h - files of the certificates' folder: whole, private, and never half written.
 *
 * Errors: text with the path. Nothing of a file's content is ever in a text.
 */
#ifndef WEIR_GATEWAY_EDGE_CERTS_FILE_H
#define WEIR_GATEWAY_EDGE_CERTS_FILE_H

#include "base/err.h"

/* Makes the folder with mode 0700, or takes one that is there. */
int weir_certs_folder(const char *dir, struct weir_err *err);
/* -EEXIST when NAME.pem or NAME.key is there and not to be replaced. */
int weir_certs_absent(const char *dir, const char *name, bool force, struct weir_err *err);
/* Mode 0600; written beside and renamed. Without force an existing file stays: -EEXIST. */
int weir_certs_store(const char *dir, const char *name, const char *ending, const void *p, size_t n,
		     bool force, struct weir_err *err);

#endif
