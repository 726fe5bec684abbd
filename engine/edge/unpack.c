/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/unpack.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

struct weir_unpack {
	enum weir_compression kind;
	z_stream z;
	ZSTD_DStream *zstd;
	bool whole; /* at the end of a member */
	bool started; /* a member was recognised */
};

int weir_unpack_open(enum weir_compression c, struct weir_unpack **ret, struct weir_err *err)
{
	struct weir_unpack *u = calloc(1, sizeof(*u));

	if (!u)
		return weir_err_set(err, -ENOMEM, "no memory left for unpacking");
	u->kind = c;
	if (c == WEIR_COMPRESSION_GZIP) {
		/* 16: a gzip header is a must. */
		if (inflateInit2(&u->z, 15 + 16) != Z_OK)
			goto no_memory;
	} else {
		u->zstd = ZSTD_createDStream();
		if (!u->zstd)
			goto no_memory;
	}
	*ret = u;
	return 0;
no_memory:
	free(u);
	return weir_err_set(err, -ENOMEM, "no memory left for unpacking");
}

void weir_unpack_close(struct weir_unpack *u)
{
	if (!u)
		return;
	if (u->kind == WEIR_COMPRESSION_GZIP)
		inflateEnd(&u->z);
	else
		ZSTD_freeDStream(u->zstd);
	free(u);
}

static int damaged(const struct weir_unpack *u, const char *why, struct weir_err *err)
{
	if (!u->started)
		return weir_err_set(err, WEIR_E_CORRUPT, "is not %s data", weir_unpack_name(u));
	return weir_err_set(err, WEIR_E_CORRUPT, "is damaged %s data (%s)", weir_unpack_name(u),
			    why ? why : "unknown reason");
}

static int run_gzip(struct weir_unpack *u, const char *in, size_t *in_n, char *out, size_t *out_n,
		    struct weir_err *err)
{
	z_stream *z = &u->z;
	int rc;

	/* The library counts in 32 bits. */
	z->next_in = (Bytef *)(uintptr_t)in;
	z->avail_in = (uInt)WEIR_MIN(*in_n, (size_t)UINT32_MAX);
	z->next_out = (Bytef *)out;
	z->avail_out = (uInt)WEIR_MIN(*out_n, (size_t)UINT32_MAX);
	if (*in_n)
		u->whole = false;
	rc = inflate(z, Z_NO_FLUSH);
	*in_n = (size_t)((const char *)z->next_in - in);
	*out_n = (size_t)((char *)z->next_out - out);
	switch (rc) {
	case Z_STREAM_END:
		u->whole = u->started = true;
		inflateReset(z);
		return 0;
	case Z_OK:
	case Z_BUF_ERROR:
		u->started = u->started || z->total_in > 10;
		return 0;
	case Z_MEM_ERROR:
		return weir_err_set(err, -ENOMEM, "no memory left for unpacking");
	default:
		return damaged(u, z->msg, err);
	}
}

static int run_zstd(struct weir_unpack *u, const char *in, size_t *in_n, char *out, size_t *out_n,
		    struct weir_err *err)
{
	ZSTD_inBuffer from = {in, *in_n, 0};
	ZSTD_outBuffer to = {out, *out_n, 0};
	size_t rc;

	/* Asked at the end of a frame, without input, the library would say that it wants a new one. */
	if (u->whole && *in_n == 0) {
		*out_n = 0;
		return 0;
	}
	rc = ZSTD_decompressStream(u->zstd, &to, &from);
	*in_n = from.pos;
	*out_n = to.pos;
	if (ZSTD_isError(rc))
		return damaged(u, ZSTD_getErrorName(rc), err);
	u->started = u->started || from.pos > 4;
	u->whole = rc == 0;
	return 0;
}

int weir_unpack_run(struct weir_unpack *u, const char *in, size_t *in_n, char *out, size_t *out_n,
		    struct weir_err *err)
{
	if (u->kind == WEIR_COMPRESSION_GZIP)
		return run_gzip(u, in, in_n, out, out_n, err);
	return run_zstd(u, in, in_n, out, out_n, err);
}

bool weir_unpack_whole(const struct weir_unpack *u)
{
	return u->whole;
}

const char *weir_unpack_name(const struct weir_unpack *u)
{
	return u->kind == WEIR_COMPRESSION_GZIP ? "gzip" : "zstd";
}
