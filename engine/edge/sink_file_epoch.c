/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File sink, the worker's side of epochs. A part goes on over many epochs; a bundle only says how long it is and
 * which bytes it holds. After a crash it is cut back to that length.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "engine/edge/sink_file.h"

#define STATE_VERSION 1
#define STATE_HEADED 1u
#define STATE_OPEN 2u
#define PART_BYTES 32u

static void part_write(struct weir_out *o, uint64_t number, const struct weir_running_sum *s)
{
	struct weir_hash128 h = weir_running_sum_get(s);

	weir_out_u64(o, number);
	weir_out_u64(o, s->bytes);
	weir_out_u64(o, h.lo);
	weir_out_u64(o, h.hi);
}

struct weir_file_part weir__file_part_read(struct weir_reader *r)
{
	struct weir_file_part p;

	p.number = weir_read_u64(r);
	p.length = weir_read_u64(r);
	p.sum.lo = weir_read_u64(r);
	p.sum.hi = weir_read_u64(r);
	return p;
}

int weir__file_state_read(struct weir_reader *r, struct weir_file_state *ret)
{
	const void *id;
	uint8_t version, flags;

	if (!r->bad && weir_reader_left(r) == 0)
		return 0;
	version = weir_read_u8(r);
	flags = weir_read_u8(r);
	id = weir_read(r, WEIR_FILE_ID_BYTES);
	*ret = (struct weir_file_state){.headed = flags & STATE_HEADED,
					.has_open = flags & STATE_OPEN};
	ret->serial = weir_read_u64(r);
	ret->number = weir_read_varint(r);
	ret->sealed_count = weir_read_u32(r);
	ret->sealed = weir_read_part(r, (size_t)ret->sealed_count * PART_BYTES);
	if (ret->has_open)
		ret->open = weir__file_part_read(r);
	if (r->bad || version != STATE_VERSION || flags > (STATE_HEADED | STATE_OPEN))
		return WEIR_E_CORRUPT;
	memcpy(ret->id, id, WEIR_FILE_ID_BYTES);
	return 1;
}

/* ---- forward ---- */

/* Ends what a packer holds back: the file may be cut here. */
static int cut(struct weir_file_sink *o)
{
	int r = weir_output_cut(o->out, &o->task->err);

	return r < 0 ? weir__file_failed(o, r) : 0;
}

int weir__file_seal(struct weir_file_sink *o)
{
	int r = cut(o);

	if (r < 0)
		return r;
	weir_assert(o->node->part); /* a pipeline with a guarantee has epochs */
	if (!o->sealed.mem)
		weir_out_init(&o->sealed, o->node->part->mem);
	part_write(&o->sealed, o->number, o->sum);
	o->sealed_count++;
	weir_output_close(o->out);
	o->out = NULL;
	close(o->fd); /* the sink thread syncs it by name */
	o->fd = -1;
	o->frozen = 0;
	return 0;
}

int weir__file_collect(struct weir_file_sink *o, bool end)
{
	uint64_t now = o->task->mono_ns;
	int r = weir__file_write_out(o);

	if (r < 0 || !o->out)
		return r;
	r = cut(o);
	if (r < 0)
		return r;
	if (o->opened_ns == 0)
		o->opened_ns = now;
	if (end || o->task->closing || o->sum->bytes >= o->spec->part_bytes ||
	    (o->spec->part_ns && now - o->opened_ns >= (uint64_t)o->spec->part_ns))
		return weir__file_seal(o);
	return 0;
}

static void file_freeze(struct weir_node *n, struct weir_out *out)
{
	struct weir_file_sink *o = n->op;

	weir_assert(o->text.buf.len == 0);
	n->held = 0;
	if (!o->touched && o->sealed_count == 0 && (!o->out || o->sum->bytes == o->frozen))
		return;
	weir_out_u8(out, STATE_VERSION);
	weir_out_u8(out, (o->headed ? STATE_HEADED : 0) | (o->out ? STATE_OPEN : 0));
	weir_out_put(out, o->id, sizeof(o->id));
	weir_out_u64(out, ++o->serial);
	weir_out_varint(out, o->number);
	weir_out_u32(out, o->sealed_count);
	if (o->sealed_count)
		weir_out_append(out, &o->sealed);
	if (o->out) {
		part_write(out, o->number, o->sum);
		o->frozen = o->sum->bytes;
	}
	o->sealed_count = 0;
	o->touched = false;
}

static bool file_touch(struct weir_node *n, bool begin, size_t budget)
{
	struct weir_file_sink *o = n->op;

	(void)begin;
	(void)budget;
	o->touched = o->number > 0;
	return true;
}

/* ---- back ---- */

static void pending_add(struct weir_file_sink *o, struct weir_file_part p)
{
	if (o->pending_count == o->pending_cap) {
		o->pending_cap = WEIR_MAX(16u, o->pending_cap * 2);
		o->pending = realloc(o->pending, o->pending_cap * sizeof(*o->pending));
		weir_assert(o->pending);
	}
	o->pending[o->pending_count++] = p;
}

static int restore_one(struct weir_file_sink *o, struct weir_file_state *s)
{
	if (memcmp(s->id, o->id, sizeof(o->id)) != 0)
		return weir_err_set(
			&o->task->err, WEIR_E_CONFIG,
			"step `%s`: %s/%s belongs to another state directory than this "
			"one: give the path that belongs to it, or start over with --fresh",
			o->dir.step, o->dir.path, o->dir.manifest);
	for (uint32_t i = 0; i < s->sealed_count; i++) {
		struct weir_file_part p = weir__file_part_read(&s->sealed);

		if (p.number > o->box.m.part)
			pending_add(o, p);
	}
	if (s->serial < o->serial)
		return 0;
	o->serial = s->serial;
	o->headed = s->headed;
	o->number = s->number;
	o->restored = s->has_open ? s->open : (struct weir_file_part){0};
	return 0;
}

static int file_restore(struct weir_node *n, struct weir_restore *r)
{
	struct weir_file_sink *o = n->op;
	struct weir_file_state s;
	int k;

	weir_assert(o->box.open);
	if (r->instances != r->instances_then)
		return weir_err_set(
			&o->task->err, WEIR_E_CONFIG,
			"step `%s`: its files were written by %u tasks, and now it has %u: "
			"set its parallelism back, or start over with --fresh",
			o->dir.step, r->instances_then, r->instances);
	while ((k = weir__file_state_read(&r->in, &s)) > 0) {
		k = restore_one(o, &s);
		if (k < 0)
			return k;
	}
	if (k < 0)
		return weir_err_set(&o->task->err, k,
				    "step `%s`: its part of epoch %llu in the journal is damaged",
				    o->dir.step, (unsigned long long)r->epoch);
	return 0;
}

static int spoilt(struct weir_file_sink *o, const char *how)
{
	return weir_err_set(&o->task->err, WEIR_E_CORRUPT,
			    "step `%s`: %s/%s %s: put it back from a copy (more at its end does no "
			    "harm), or start over with --fresh",
			    o->dir.step, o->dir.path, o->tmp, how);
}

/* The open file: as long as it was, the same bytes, and nothing behind them. */
static int cut_back(struct weir_file_sink *o, const struct weir_file_part *p)
{
	int r = weir_running_sum_read(o->sum, o->fd, p->length);

	if (r < 0)
		return weir__file_fail(&o->dir, &o->task->err, r, "read", o->tmp);
	if (r == 0)
		return spoilt(o, "is shorter than when its epoch was committed");
	if (!weir_hash128_eq(weir_running_sum_get(o->sum), p->sum))
		return spoilt(o, "holds other bytes than when its epoch was committed");
	if (ftruncate(o->fd, (off_t)p->length) || lseek(o->fd, 0, SEEK_END) < 0)
		return weir__file_fail(&o->dir, &o->task->err, -errno, "cut", o->tmp);
	return 0;
}

static int go_on_with(struct weir_file_sink *o, const struct weir_file_part *p)
{
	int r;

	weir__file_name(&o->dir, p->number, false, o->name);
	weir__file_name(&o->dir, p->number, true, o->tmp);
	o->fd = openat(o->dir.fd, o->tmp, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (o->fd < 0 && errno == ENOENT)
		return spoilt(o, "is gone");
	if (o->fd < 0)
		return weir__file_fail(&o->dir, &o->task->err, -errno, "open", o->tmp);
	r = cut_back(o, p);
	if (r < 0)
		return r;
	o->frozen = p->length;
	o->opened_ns = 0;
	return weir__file_output(o);
}

static int by_number(const void *a, const void *b)
{
	const struct weir_file_part *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

/*
 * All committed parts are in: those that a crash kept from becoming visible do so now, so that the cursor that
 * open() gave is true before the first new epoch.
 */
static int file_restored(struct weir_node *n)
{
	struct weir_file_sink *o = n->op;
	struct weir_err *err = &o->task->err;
	int r = 0;

	weir_assert(o->box.open);
	if (o->pending_count) {
		qsort(o->pending, o->pending_count, sizeof(*o->pending), by_number);
		r = weir__file_show(o, o->pending, o->pending_count, o->box.known, true, err);
	}
	free(o->pending);
	o->pending = NULL;
	o->pending_count = o->pending_cap = 0;
	if (r == 0 && o->restored.number)
		r = go_on_with(o, &o->restored);
	return r < 0 ? r : weir__file_clean(&o->dir, false, o->restored.number, err);
}

/* Files are gone on with only when the bytes behind fit to those before. Where they are may change. */
static void file_sign(const struct weir_node *n, struct weir_buf *b)
{
	const struct weir_file_sink *o = n->op;

	weir_buf_lit(b, "file ");
	weir_buf_str(b, weir_str_c(o->dir.suffix + strcspn(o->dir.suffix, ".")));
	weir_sink_text_sign(&o->text, b);
}

const struct weir_state_ops weir__file_state_ops = {.freeze = file_freeze,
						    .touch = file_touch,
						    .restore = file_restore,
						    .restored = file_restored,
						    .sign = file_sign};
