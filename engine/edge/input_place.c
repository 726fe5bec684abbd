/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an input is, as bytes, and back.
 *
 *   names   varint number of the first one, then (u8 1, text) each, then u8 0; without the list's base
 *   place   u8 enum weir__input_where, varint files opened so far;
 *           in a file also: varint offset, varint bytes of the file read (packed), hash of the first
 *           4 KiB before the offset, hash of the last 4 KiB before it
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/edge/input_impl.h"

/* ---- writing ---- */

static void put_hash(struct weir_out *o, struct weir_hash128 h)
{
	weir_out_u64(o, h.lo);
	weir_out_u64(o, h.hi);
}

static struct weir_hash128 head_hash(const struct weir_byte_input *in)
{
	return weir_hash128(in->head, weir__input_past(in));
}

static struct weir_hash128 past_hash(const struct weir_byte_input *in)
{
	size_t n = weir__input_past(in);

	return weir_hash128(in->buf + in->at - n, n);
}

static void put_names(struct weir_byte_input *in, struct weir_out *o)
{
	size_t base = strlen(in->list.base);

	weir_out_varint(o, in->told);
	for (; in->told_at < in->list.count; in->told_at++) {
		if (!weir__input_ours(in, in->told_at))
			continue;
		weir_out_u8(o, 1);
		weir_out_text(o, weir_str_c(in->list.name[in->told_at] + base));
		in->told++;
	}
	weir_out_u8(o, 0);
}

void weir_input_freeze(struct weir_byte_input *in, struct weir_out *o)
{
	enum weir__input_where where = WEIR__INPUT_IN_FILE;
	uint32_t opened = in->opened;

	if (in->from_fd)
		return;
	put_names(in, o);
	if (in->again && in->n == 0)
		where = WEIR__INPUT_AGAIN;
	else if (!in->open || (in->eof && in->n == 0))
		where = WEIR__INPUT_BETWEEN;
	if (where == WEIR__INPUT_IN_FILE && !in->regular) {
		where = WEIR__INPUT_BETWEEN;
		opened--; /* a pipe is opened again */
	}
	weir_out_u8(o, (uint8_t)where);
	weir_out_varint(o, opened);
	if (where != WEIR__INPUT_IN_FILE)
		return;
	weir_out_varint(o, in->offset);
	weir_out_varint(o, in->file_bytes);
	put_hash(o, head_hash(in));
	put_hash(o, past_hash(in));
}

void weir_input_touch(struct weir_byte_input *in)
{
	in->told_at = in->told = 0;
}

/* ---- reading ---- */

static int damaged(struct weir_err *err, const char *what)
{
	return weir_err_set(err, WEIR_E_CORRUPT, "the saved position of the input is damaged (%s)",
			    what);
}

static bool same_name(const struct weir_byte_input *in, uint64_t i, struct weir_str rest)
{
	return weir_str_is(rest, in->list.name[i] + strlen(in->list.base));
}

/* All parts since the last base come in order: the first ones may lack names that a later one brings. */
static int get_names(struct weir_byte_input *in, struct weir_reader *r, struct weir_err *err)
{
	struct weir__input_saved *s = &in->saved;
	uint64_t i = weir_read_varint(r);
	int rc;

	if (!s->there || i == 0)
		weir_input_list_clear(&in->list);
	s->gap = i && (s->gap || i > in->list.count);
	s->there = true;
	for (; weir_read_u8(r) == 1; i++) {
		struct weir_str rest = weir_read_text(r);

		if (r->bad || (rest.n && memchr(rest.p, 0, rest.n)) || rest.n > 65536)
			return damaged(err, "a name");
		if (s->gap)
			continue;
		if (i < in->list.count && !same_name(in, i, rest))
			return damaged(err, "two names for one file");
		rc = i < in->list.count ? 0 : weir_input_list_put(&in->list, rest, err);
		if (rc)
			return rc;
	}
	return 0;
}

static struct weir_hash128 get_hash(struct weir_reader *r)
{
	struct weir_hash128 h = {.lo = weir_read_u64(r)};

	h.hi = weir_read_u64(r);
	return h;
}

int weir_input_restore(struct weir_byte_input *in, struct weir_reader *r, struct weir_err *err)
{
	struct weir__input_saved *s = &in->saved;
	int rc;

	if (in->from_fd)
		return 0;
	rc = get_names(in, r, err);
	if (rc)
		return rc;
	s->where = weir_read_u8(r);
	s->opened = weir_read_varint(r);
	if (s->where == WEIR__INPUT_IN_FILE) {
		s->offset = weir_read_varint(r);
		s->file_bytes = weir_read_varint(r);
		s->head = get_hash(r);
		s->past = get_hash(r);
	}
	if (r->bad)
		return damaged(err, "too short");
	if (s->where > WEIR__INPUT_AGAIN)
		return damaged(err, "an unknown kind");
	return 0;
}

/* ---- going there ---- */

int weir_input_changed(const struct weir_byte_input *in, struct weir_err *err, const char *why, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, why);
	vsnprintf(text, sizeof(text), why, ap);
	va_end(ap);
	return weir_err_set(
		err, WEIR_E_CONFIG,
		"the input %.200s is not the one that was read: %s; put that one back, or "
		"start over with --fresh",
		in->name, text);
}

int weir_input_reopen(struct weir_byte_input *in, struct weir_err *err)
{
	const struct weir__input_saved *s = &in->saved;
	bool begun = s->where != WEIR__INPUT_BETWEEN;
	struct weir_err why = {0};
	struct stat st;
	int rc;

	if (!s->there)
		return WEIR_INPUT_BYTES;
	if (s->gap)
		return damaged(err, "names are missing");
	if (s->opened > in->list.count || (begun && s->opened == 0))
		return damaged(err, "a file that is not in the list");
	in->dealt = in->told = in->told_at = in->list.count;
	in->next = in->opened = (uint32_t)s->opened - (s->where == WEIR__INPUT_IN_FILE);
	if (!begun)
		return WEIR_INPUT_BYTES;
	in->name = in->list.name[s->opened - 1];
	if (s->where == WEIR__INPUT_AGAIN) {
		in->again = true;
		return WEIR_INPUT_BYTES;
	}
	if (stat(in->name, &st))
		return weir_input_changed(in, err, "%s", weir_strerror(-errno));
	if (!S_ISREG(st.st_mode))
		return weir_input_changed(in, err, "it is no regular file");
	rc = weir__input_open_next(in, &why);
	if (rc < 0)
		return weir_err_set(err, rc, "%s", why.text);
	if ((uint64_t)st.st_size < s->file_bytes)
		return weir_input_changed(in, err, "it has %llu bytes, of which %llu had been read",
					  (unsigned long long)st.st_size,
					  (unsigned long long)s->file_bytes);
	return rc;
}

static bool read_at(int fd, char *p, size_t n, uint64_t at)
{
	while (n) {
		ssize_t k = pread(fd, p, n, (off_t)at);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return false;
		p += k;
		n -= (size_t)k;
		at += (uint64_t)k;
	}
	return true;
}

/* The file is at least offset bytes long. */
static int seek_plain(struct weir_byte_input *in, uint64_t offset, struct weir_err *err)
{
	size_t past;

	in->offset = in->file_bytes = offset;
	in->n = 0;
	in->at = WEIR__INPUT_PAST;
	past = weir__input_past(in);
	if (!read_at(in->fd, in->head, past, 0) ||
	    !read_at(in->fd, in->buf + in->at - past, past, offset - past) ||
	    lseek(in->fd, (off_t)offset, SEEK_SET) < 0)
		return weir_err_set(err, WEIR_E_IO, "cannot read %s: %s", in->name,
				    weir_strerror(-errno));
	return 0;
}

/* Unpacks and throws away. */
static int seek_packed(struct weir_byte_input *in, uint64_t offset, struct weir_err *err)
{
	while (in->offset < offset) {
		if (in->n) {
			weir_input_consume(in,
					   (size_t)WEIR_MIN((uint64_t)in->n, offset - in->offset));
			continue;
		}
		if (in->eof)
			return weir_input_changed(in, err,
						  "it ends after %llu bytes, %llu had been "
						  "read",
						  (unsigned long long)in->offset,
						  (unsigned long long)offset);
		if (in->failed.code) {
			*err = in->failed;
			return err->code;
		}
		weir__input_slide(in);
		if (weir__input_more(in, err) < 0)
			return err->code;
	}
	return 0;
}

int weir_input_seek(struct weir_byte_input *in, struct weir_err *err)
{
	const struct weir__input_saved *s = &in->saved;
	int rc;

	if (in->offset > s->offset)
		return weir_input_changed(in, err, "its head is longer");
	if (!in->unpack && s->offset > s->file_bytes)
		return damaged(err, "an offset");
	rc = in->unpack ? seek_packed(in, s->offset, err) : seek_plain(in, s->offset, err);
	if (rc)
		return rc;
	if (!weir_hash128_eq(head_hash(in), s->head))
		return weir_input_changed(in, err, "it begins with other bytes");
	if (!weir_hash128_eq(past_hash(in), s->past))
		return weir_input_changed(in, err, "other bytes stand before byte %llu",
					  (unsigned long long)s->offset);
	return 0;
}
