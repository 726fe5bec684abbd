/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/output.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define BUF_BYTES ((size_t)256 << 10)

struct weir_output {
	int fd;
	char *name;
	enum weir_compression kind;
	z_stream z;
	ZSTD_CStream *zstd;
	uint64_t bytes_in, bytes_written, cut_at; /* cut_at: of bytes_in */
	void (*wrote)(void *ctx, const void *p, size_t n);
	void *ctx;
	struct weir_err failed;
	size_t n; /* bytes in buf */
	char buf[];
};

enum mode { MODE_GO_ON, MODE_FLUSH, MODE_END };

static int say(const struct weir_output *out, struct weir_err *err)
{
	if (err)
		*err = out->failed;
	return out->failed.code;
}

static bool open_packer(struct weir_output *out, int level)
{
	switch (out->kind) {
	case WEIR_COMPRESSION_GZIP:
		return deflateInit2(&out->z, level ? level : 6, Z_DEFLATED, 15 + 16, 8,
				    Z_DEFAULT_STRATEGY) == Z_OK;
	case WEIR_COMPRESSION_ZSTD:
		out->zstd = ZSTD_createCStream();
		return out->zstd && !ZSTD_isError(ZSTD_CCtx_setParameter(
					    out->zstd, ZSTD_c_compressionLevel, level ? level : 3));
	default:
		return true;
	}
}

int weir_output_open(const struct weir_output_options *o, struct weir_output **ret,
		     struct weir_err *err)
{
	struct weir_output *out = calloc(1, sizeof(*out) + BUF_BYTES);

	if (!out)
		return weir_err_set(err, -ENOMEM, "no memory left for writing %s", o->name);
	out->fd = o->fd;
	out->wrote = o->wrote;
	out->ctx = o->ctx;
	out->kind = o->compression == WEIR_COMPRESSION_AUTO ? weir_compression_of(o->name)
							    : o->compression;
	out->name = strdup(o->name);
	if (!out->name || !open_packer(out, o->level)) {
		weir_output_close(out);
		return weir_err_set(err, -ENOMEM, "no memory left for writing %s", o->name);
	}
	*ret = out;
	return 0;
}

void weir_output_close(struct weir_output *out)
{
	if (!out)
		return;
	if (out->kind == WEIR_COMPRESSION_GZIP)
		deflateEnd(&out->z);
	ZSTD_freeCStream(out->zstd);
	free(out->name);
	free(out);
}

static int write_all(struct weir_output *out, const char *p, size_t n)
{
	while (n) {
		ssize_t k = write(out->fd, p, n);

		if (k < 0 && errno == EAGAIN) {
			struct pollfd pfd = {.fd = out->fd, .events = POLLOUT};

			poll(&pfd, 1, -1);
			continue;
		}
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return weir_err_set(&out->failed, -errno, "cannot write %s: %s", out->name,
					    weir_strerror(-errno));
		out->bytes_written += (uint64_t)k;
		if (out->wrote)
			out->wrote(out->ctx, p, (size_t)k);
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

static int empty_buffer(struct weir_output *out)
{
	int rc = write_all(out, out->buf, out->n);

	out->n = 0;
	return rc;
}

static int put_plain(struct weir_output *out, const char *p, size_t n)
{
	int rc;

	if (n > BUF_BYTES - out->n) {
		rc = empty_buffer(out);
		if (rc)
			return rc;
		if (n >= BUF_BYTES)
			return write_all(out, p, n);
	}
	if (n)
		memcpy(out->buf + out->n, p, n);
	out->n += n;
	return 0;
}

static int put_gzip(struct weir_output *out, const char *p, size_t n, enum mode mode)
{
	static const int flush[] = {Z_NO_FLUSH, Z_SYNC_FLUSH, Z_FINISH};
	z_stream *z = &out->z;
	int rc;

	z->next_in = (Bytef *)(uintptr_t)p;
	do {
		/* The library counts in 32 bits. */
		uInt piece = (uInt)WEIR_MIN(n, (size_t)1 << 30);

		z->avail_in = piece;
		do {
			z->next_out = (Bytef *)(out->buf + out->n);
			z->avail_out = (uInt)(BUF_BYTES - out->n);
			rc = deflate(z, piece == n ? flush[mode] : Z_NO_FLUSH);
			out->n = BUF_BYTES - z->avail_out;
			if (out->n == BUF_BYTES && empty_buffer(out))
				return out->failed.code;
		} while (z->avail_in || (z->avail_out == 0 && rc != Z_STREAM_END));
		n -= piece;
	} while (n);
	return 0;
}

static int put_zstd(struct weir_output *out, const char *p, size_t n, enum mode mode)
{
	static const ZSTD_EndDirective flush[] = {ZSTD_e_continue, ZSTD_e_flush, ZSTD_e_end};
	ZSTD_inBuffer from = {p, n, 0};
	size_t left;

	do {
		ZSTD_outBuffer to = {out->buf, BUF_BYTES, out->n};

		left = ZSTD_compressStream2(out->zstd, &to, &from, flush[mode]);
		if (ZSTD_isError(left))
			return weir_err_set(&out->failed, WEIR_E_LIMIT, "cannot pack %s: %s",
					    out->name, ZSTD_getErrorName(left));
		out->n = to.pos;
		if (out->n == BUF_BYTES && empty_buffer(out))
			return out->failed.code;
	} while (from.pos < n || (mode != MODE_GO_ON && left));
	return 0;
}

static int put(struct weir_output *out, const void *p, size_t n, enum mode mode,
	       struct weir_err *err)
{
	int rc;

	if (out->failed.code)
		return say(out, err);
	out->bytes_in += n;
	if (out->kind == WEIR_COMPRESSION_GZIP)
		rc = put_gzip(out, p, n, mode);
	else if (out->kind == WEIR_COMPRESSION_ZSTD)
		rc = put_zstd(out, p, n, mode);
	else
		rc = put_plain(out, p, n);
	if (!rc && mode != MODE_GO_ON)
		rc = empty_buffer(out);
	return rc ? say(out, err) : 0;
}

int weir_output_write(struct weir_output *out, const void *p, size_t n, struct weir_err *err)
{
	return n || out->failed.code ? put(out, p, n, MODE_GO_ON, err) : 0;
}

int weir_output_flush(struct weir_output *out, struct weir_err *err)
{
	return put(out, "", 0, MODE_FLUSH, err);
}

int weir_output_cut(struct weir_output *out, struct weir_err *err)
{
	int rc;

	if (out->cut_at == out->bytes_in && !out->failed.code)
		return 0;
	rc = put(out, "", 0, MODE_END, err);
	if (rc)
		return rc;
	out->cut_at = out->bytes_in;
	if (out->kind == WEIR_COMPRESSION_GZIP)
		deflateReset(&out->z);
	return 0;
}

int weir_output_finish(struct weir_output *out, struct weir_err *err)
{
	return put(out, "", 0, MODE_END, err);
}

uint64_t weir_output_bytes_in(const struct weir_output *out)
{
	return out->bytes_in;
}

uint64_t weir_output_bytes_written(const struct weir_output *out)
{
	return out->bytes_written;
}

const char *weir_compression_extension(enum weir_compression c)
{
	return c == WEIR_COMPRESSION_GZIP ? ".gz" : c == WEIR_COMPRESSION_ZSTD ? ".zst" : "";
}
