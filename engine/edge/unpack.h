/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/unpack.h - gzip (RFC 1952) and zstd (RFC 8878) to plain bytes, piece by piece. Several
 * members or frames behind each other are one text, as the tools do it.
 *
 * Memory: own, through the libraries. Thread: one.
 */
#ifndef WEIR_ENGINE_EDGE_UNPACK_H
#define WEIR_ENGINE_EDGE_UNPACK_H

#include "base/err.h"
#include "engine/core/pipeline.h"

struct weir_unpack;

/* c: GZIP or ZSTD. */
int weir_unpack_open(enum weir_compression c, struct weir_unpack **ret, struct weir_err *err);
void weir_unpack_close(struct weir_unpack *u); /* NULL is fine */

/*
 * Takes bytes from in, gives bytes to out; both counts are room on entry and use on return. 0, or
 * WEIR_E_CORRUPT with a text that says what is wrong ("is not gzip data").
 */
int weir_unpack_run(struct weir_unpack *u, const char *in, size_t *in_n, char *out, size_t *out_n,
		    struct weir_err *err);

/* The packed data may end here: a whole number of members was read, at least one. */
bool weir_unpack_whole(const struct weir_unpack *u);
const char *weir_unpack_name(const struct weir_unpack *u); /* "gzip", "zstd" */

#endif
