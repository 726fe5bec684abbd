/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "engine/edge/input_impl.h"
#include "engine/edge/output.h"

#define LOOK_NS (50 * WEIR_NS_PER_MS) /* between looks for new, cut or replaced files */

static int fail(struct weir_byte_input *in, struct weir_err *err, int code, const char *what)
{
	weir_err_set(&in->failed, code, "cannot %s %s: %s", what, in->name, weir_strerror(code));
	if (err)
		*err = in->failed;
	return code;
}

static int open_descriptor(struct weir_byte_input *in, const struct weir_input_options *o)
{
	struct stat st;

	in->from_fd = true;
	in->fd = o->fd;
	in->fd_name = strdup(o->name ? o->name : "stdin");
	if (fstat(o->fd, &st) == 0 && S_ISREG(st.st_mode))
		in->list.bytes = (uint64_t)st.st_size;
	return in->fd_name ? 0 : -ENOMEM;
}

static int open_path(struct weir_byte_input *in, const struct weir_input_options *o,
		     struct weir_err *err)
{
	int rc = weir_input_list_open(&in->list, o->path, o->follow, err);

	if (rc)
		return rc;
	in->follow = o->follow;
	if (o->follow && !in->list.several &&
	    (o->compression > WEIR_COMPRESSION_NONE ||
	     (o->compression == WEIR_COMPRESSION_AUTO &&
	      weir_compression_of(o->path) != WEIR_COMPRESSION_NONE)))
		return weir_err_set(err, WEIR_E_CONFIG,
				    "%s: a packed file cannot be followed while it grows", o->path);
	return 0;
}

int weir_input_open(const struct weir_input_options *o, struct weir_byte_input **ret,
		    struct weir_err *err)
{
	struct weir_byte_input *in = calloc(1, sizeof(*in));
	int rc;

	if (!in)
		return weir_err_set(err, -ENOMEM, "no memory left for the input");
	in->fd = -1;
	in->name = "";
	in->compression = o->compression;
	in->instance = o->instance;
	in->instances = o->instances ? o->instances : 1;
	in->window_max = o->window_max ? o->window_max : WEIR_INPUT_WINDOW_DEFAULT;
	rc = o->path ? open_path(in, o, err) : open_descriptor(in, o);
	if (rc)
		goto fail;
	/* Aligned, so that raw frames in the window are. */
	if (posix_memalign((void **)&in->buf, 4096,
			   WEIR__INPUT_PAST + in->window_max + WEIR_INPUT_CHUNK)) {
		in->buf = NULL;
		rc = -ENOMEM;
	}
	if (rc) {
		weir_err_set(err, rc, "no memory left for the input");
		goto fail;
	}
	*ret = in;
	return 0;
fail:
	weir_input_close(in);
	return rc;
}

static void close_file(struct weir_byte_input *in)
{
	if (in->open && !in->from_fd)
		close(in->fd);
	weir_unpack_close(in->unpack);
	in->unpack = NULL;
	in->open = false;
}

void weir_input_close(struct weir_byte_input *in)
{
	if (!in)
		return;
	close_file(in);
	weir_input_list_close(&in->list);
	free(in->fd_name);
	free(in->packed);
	free(in->buf);
	free(in);
}

/* ---- going from file to file ---- */

/* Files that appear later get their place by name: others may see them in another order. */
bool weir__input_ours(const struct weir_byte_input *in, uint32_t i)
{
	uint32_t h = 2166136261u;

	if (i < in->dealt)
		return true;
	if (!in->follow)
		return i % in->instances == in->instance;
	for (const char *p = in->list.name[i]; *p; p++)
		h = (h ^ (uint8_t)*p) * 16777619u;
	return h % in->instances == in->instance;
}

/* Steps to our next file; false: there is none. */
static bool has_next(struct weir_byte_input *in)
{
	while (in->next < in->list.count && !weir__input_ours(in, in->next))
		in->next++;
	return in->next < in->list.count;
}

static bool time_to_look(struct weir_byte_input *in)
{
	struct timespec t;
	uint64_t now;

	clock_gettime(CLOCK_MONOTONIC, &t);
	now = (uint64_t)t.tv_sec * (uint64_t)WEIR_NS_PER_S + (uint64_t)t.tv_nsec;
	if (in->looked_ns && now - in->looked_ns < (uint64_t)LOOK_NS)
		return false;
	in->looked_ns = now;
	return true;
}

static int open_unpack(struct weir_byte_input *in, struct weir_err *err)
{
	enum weir_compression c = in->compression;
	int rc;

	if (c == WEIR_COMPRESSION_AUTO)
		c = in->from_fd ? WEIR_COMPRESSION_NONE : weir_compression_of(in->name);
	if (c == WEIR_COMPRESSION_NONE)
		return 0;
	if (!in->packed)
		in->packed = malloc(WEIR_INPUT_CHUNK);
	if (!in->packed)
		return fail(in, err, -ENOMEM, "unpack");
	in->packed_at = in->packed_n = 0;
	in->packed_end = false;
	rc = weir_unpack_open(c, &in->unpack, &in->failed);
	if (rc && err)
		*err = in->failed;
	return rc;
}

int weir__input_open_next(struct weir_byte_input *in, struct weir_err *err)
{
	struct stat st;
	int rc;

	if (in->from_fd) {
		if (in->next++)
			return WEIR_INPUT_END;
		in->name = in->fd_name;
	} else {
		if (!in->again) {
			if (!has_next(in) && in->follow && time_to_look(in)) {
				rc = weir_input_list_again(&in->list, &in->failed);
				if (rc)
					goto fail;
			}
			if (!has_next(in))
				return in->follow ? WEIR_INPUT_WAIT : WEIR_INPUT_END;
			in->name = in->list.name[in->next];
		} else if (!time_to_look(in)) {
			return WEIR_INPUT_WAIT;
		}
		in->fd = open(in->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		if (in->fd < 0 && in->again && errno == ENOENT)
			return WEIR_INPUT_WAIT;
		if (in->fd < 0)
			return fail(in, err, -errno, "open");
		in->next += !in->again;
		in->opened += !in->again;
		in->again = false;
	}
	in->open = true;
	if (fstat(in->fd, &st))
		return fail(in, err, -errno, "read");
	if (S_ISDIR(st.st_mode))
		return fail(in, err, -EISDIR, "read");
	in->regular = S_ISREG(st.st_mode);
	in->dev = st.st_dev;
	in->ino = st.st_ino;
	in->eof = false;
	in->at = WEIR__INPUT_PAST;
	in->n = 0;
	in->offset = in->file_bytes = 0;
	rc = open_unpack(in, err);
	return rc ? rc : WEIR_INPUT_FILE;
fail:
	if (err)
		*err = in->failed;
	return rc;
}

/* ---- following ---- */

static int end_here(struct weir_byte_input *in)
{
	in->eof = true;
	return WEIR_INPUT_BYTES;
}

static int restart(struct weir_byte_input *in, const char *what)
{
	snprintf(in->note, sizeof(in->note), "%.500s was %s: reading it from the start", in->name,
		 what);
	in->noted = true;
	in->again = true;
	/* The next look may come at once. */
	in->looked_ns = 0;
	return end_here(in);
}

/* No more bytes now. Was the file cut or replaced, or has another one begun? */
static int at_growing_end(struct weir_byte_input *in, struct weir_err *err)
{
	struct stat st;
	int rc;

	if (has_next(in))
		return end_here(in);
	if (!time_to_look(in))
		return WEIR_INPUT_WAIT;
	if (fstat(in->fd, &st) == 0 && (uint64_t)st.st_size < in->file_bytes)
		return restart(in, "truncated");
	if (stat(in->name, &st) == 0 && (st.st_dev != in->dev || st.st_ino != in->ino))
		return restart(in, "replaced");
	rc = weir_input_list_again(&in->list, &in->failed);
	if (rc) {
		if (err)
			*err = in->failed;
		return rc;
	}
	if (has_next(in)) {
		in->looked_ns = 0;
		/* Its last bytes may have come after our last read; the next fill decides. */
		return WEIR_INPUT_BYTES;
	}
	return WEIR_INPUT_WAIT;
}

/* ---- reading ---- */

/* k bytes have come behind the window. */
static void grew(struct weir_byte_input *in, size_t k)
{
	uint64_t pos = in->offset + in->n;

	if (pos < WEIR__INPUT_PAST)
		memcpy(in->head + pos, in->buf + in->at + in->n,
		       WEIR_MIN(k, WEIR__INPUT_PAST - (size_t)pos));
	in->n += k;
}

/* The window, and what was consumed last, to the front. */
void weir__input_slide(struct weir_byte_input *in)
{
	size_t past = weir__input_past(in);

	if (in->at == WEIR__INPUT_PAST)
		return;
	memmove(in->buf + WEIR__INPUT_PAST - past, in->buf + in->at - past, past + in->n);
	in->at = WEIR__INPUT_PAST;
}

/* Up to room bytes: >0, 0 at the end, -EAGAIN: none now, or another code. */
static ssize_t read_some(struct weir_byte_input *in, char *dst, size_t room)
{
	struct pollfd pfd = {.fd = in->fd, .events = POLLIN};
	ssize_t k;

	if (!in->regular && poll(&pfd, 1, 0) == 0)
		return -EAGAIN;
	k = read(in->fd, dst, room);
	if (k < 0)
		return errno == EINTR || errno == EWOULDBLOCK ? -EAGAIN : -errno;
	in->file_bytes += (uint64_t)k;
	in->bytes += (uint64_t)k;
	return k;
}

static int fill_plain(struct weir_byte_input *in, struct weir_err *err)
{
	ssize_t k = read_some(in, in->buf + in->at + in->n, WEIR_INPUT_CHUNK);

	if (k == -EAGAIN)
		return WEIR_INPUT_WAIT;
	if (k < 0)
		return fail(in, err, (int)k, "read");
	if (k > 0) {
		grew(in, (size_t)k);
		return WEIR_INPUT_BYTES;
	}
	if (in->follow && in->regular)
		return at_growing_end(in, err);
	return end_here(in);
}

static int fill_packed(struct weir_byte_input *in, struct weir_err *err)
{
	size_t in_n, out_n = WEIR_INPUT_CHUNK;
	struct weir_err why = {0};
	ssize_t k;
	int rc;

	if (in->packed_n == 0 && !in->packed_end) {
		k = read_some(in, in->packed, WEIR_INPUT_CHUNK);
		if (k == -EAGAIN)
			return WEIR_INPUT_WAIT;
		if (k < 0)
			return fail(in, err, (int)k, "read");
		in->packed_at = 0;
		in->packed_n = (size_t)k;
		in->packed_end = k == 0;
	}
	in_n = in->packed_n;
	rc = weir_unpack_run(in->unpack, in->packed + in->packed_at, &in_n,
			     in->buf + in->at + in->n, &out_n, &why);
	in->packed_at += in_n;
	in->packed_n -= in_n;
	grew(in, out_n);
	if (rc) {
		weir_err_set(&in->failed, rc, "%s %s, near byte %llu", in->name, why.text,
			     (unsigned long long)(in->file_bytes - in->packed_n));
	} else if (in->packed_end && out_n == 0) {
		if (weir_unpack_whole(in->unpack))
			return end_here(in);
		rc = weir_err_set(&in->failed, WEIR_E_CORRUPT,
				  "%s is %s data cut short at byte %llu", in->name,
				  weir_unpack_name(in->unpack), (unsigned long long)in->file_bytes);
	}
	/* What was good comes first, the error with the next call. */
	if (rc && out_n == 0) {
		if (err)
			*err = in->failed;
		return rc;
	}
	return WEIR_INPUT_BYTES;
}

int weir__input_more(struct weir_byte_input *in, struct weir_err *err)
{
	return in->unpack ? fill_packed(in, err) : fill_plain(in, err);
}

int weir_input_fill(struct weir_byte_input *in, struct weir_err *err)
{
	in->noted = false;
	if (in->failed.code) {
		if (err)
			*err = in->failed;
		return in->failed.code;
	}
	if (in->open && in->eof) {
		if (in->n)
			return WEIR_INPUT_BYTES;
		close_file(in);
	}
	if (!in->open)
		return weir__input_open_next(in, err);
	if (in->n >= in->window_max) {
		weir_err_set(&in->failed, WEIR_E_LIMIT,
			     "%s: the record at byte %llu is longer than %zu bytes", in->name,
			     (unsigned long long)in->offset, in->window_max);
		if (err)
			*err = in->failed;
		return WEIR_E_LIMIT;
	}
	if (in->n == 0 || in->window_max + WEIR__INPUT_PAST < in->at + in->n)
		weir__input_slide(in);
	return weir__input_more(in, err);
}

void weir_input_window(const struct weir_byte_input *in, struct weir_input_window *ret)
{
	ret->p = in->buf + in->at;
	ret->n = in->n;
	ret->eof = in->eof;
	ret->offset = in->offset;
}

void weir_input_consume(struct weir_byte_input *in, size_t n)
{
	weir_assert(n <= in->n);
	in->at += n;
	in->n -= n;
	in->offset += n;
}

const char *weir_input_name(const struct weir_byte_input *in)
{
	return in->name;
}

const char *weir_input_note(struct weir_byte_input *in)
{
	bool noted = in->noted;

	in->noted = false;
	return noted ? in->note : NULL;
}

uint32_t weir_input_file_count(const struct weir_byte_input *in)
{
	return in->from_fd ? 1 : in->list.count;
}

uint64_t weir_input_bytes(const struct weir_byte_input *in)
{
	return in->bytes;
}

uint64_t weir_input_total_bytes(const struct weir_byte_input *in)
{
	return in->list.bytes;
}
