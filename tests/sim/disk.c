/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/disk.h"

#include <errno.h>
#include <stdlib.h>

#include "tests/sim/life.h"
#include "tests/sim/moment.h"
#include "tests/sim/pages.h"
#include "tests/sim/situation.h"

struct sim_buffer {
	struct sim_buffer *next;
	uint8_t *p;
	size_t n;
	bool reads; /* only reads fill it: used says how far */
	size_t used;
};

/* ---- files ---- */

struct sim_file *sim_disk_find(const struct sim_disk *d, const char *name)
{
	for (uint32_t i = 0; i < d->file_count; i++)
		if (d->file[i]->there && strcmp(d->file[i]->name, name) == 0)
			return d->file[i];
	if (d->view_truth && d->lost && strcmp(d->lost->name, name) == 0)
		return d->lost;
	return NULL;
}

int sim_disk_slot(const struct sim_disk *d, const struct sim_file *f)
{
	for (uint32_t i = 0; i < d->file_count; i++)
		if (d->file[i] == f)
			return (int)i;
	return -1;
}

static void file_free(struct sim_file *f)
{
	sim_pages_give(f->image, f->room);
	sim_pages_give(f->old, f->room);
	free(f->written);
	free(f);
}

static bool under_way(const struct sim_disk *d, const struct sim_file *f)
{
	for (uint32_t i = 0; i < d->way_count; i++)
		if (d->way[i].file == f)
			return true;
	return false;
}

static struct sim_file *create(struct sim_disk *d, const char *name, uint64_t bytes)
{
	struct sim_file *f = sim_alloc(sizeof(*f));
	uint32_t at;

	for (at = 0; at < d->file_count; at++)
		if (!d->file[at]->there && !d->file[at]->open && d->file[at] != d->lost &&
		    !under_way(d, d->file[at]))
			break;
	sim_check(d->s, at < SIM_FILES_MAX, "L5", "more than %d files", SIM_FILES_MAX);
	if (at < d->file_count)
		file_free(d->file[at]);
	else
		d->file_count++;
	snprintf(f->name, sizeof(f->name), "%s", name);
	f->id = ++d->next_id;
	f->bytes = f->room = bytes;
	f->image = sim_pages_take(bytes);
	f->old = sim_pages_take(bytes);
	f->written = sim_alloc(bytes / WEIR_DISK_BLOCK);
	f->there = true;
	d->file[at] = f;
	return f;
}

static bool is_full(struct sim_disk *d)
{
	bool full = d->s->now < d->full_until_ns && !d->s->calm;

	d->full_seen |= full;
	return full;
}

int sim_disk_list(void *ctx, void (*fn)(void *fn_ctx, const char *name, uint64_t bytes),
		  void *fn_ctx)
{
	struct sim_disk *d = ctx;

	for (uint32_t i = 0; i < d->file_count; i++)
		if ((d->file[i]->there || (d->view_truth && d->file[i] == d->lost)) &&
		    !strchr(d->file[i]->name, '/'))
			fn(fn_ctx, d->file[i]->name, d->file[i]->bytes);
	return 0;
}

static int handle_of(struct sim_disk *d, struct sim_file *f)
{
	sim_check(d->s, ++d->handles <= WEIR_DISK_FILES_MAX, "L5", "more than %d open files",
		  WEIR_DISK_FILES_MAX);
	f->open++;
	return sim_disk_slot(d, f);
}

static int disk_open(void *ctx, const char *name, uint64_t bytes)
{
	struct sim_disk *d = ctx;
	struct sim_file *f = sim_disk_find(d, name);

	if (bytes) {
		sim_moment(d->s, SIM_AT_DISK);
		if (f)
			return -EEXIST;
		if (is_full(d))
			return -ENOSPC;
		f = create(d, name, WEIR_ALIGN_UP(bytes, (uint64_t)WEIR_DISK_BLOCK));
		sim_trace(d->s, SIM_EV_CREATE, f->id, f->bytes, 0);
		f->making = true;
		if (strncmp(name, "journal-", 8) == 0)
			sim_moment(d->s, SIM_AT_MAKE);
		f->making = false;
		sim_moment(d->s, SIM_AT_DISK);
		return handle_of(d, f);
	}
	return f ? handle_of(d, f) : -ENOENT;
}

static void disk_close(void *ctx, int file)
{
	struct sim_disk *d = ctx;

	sim_check(d->s, d->file[file]->open > 0, "L5", "a file is closed twice");
	d->file[file]->open--;
	d->handles--;
}

static int disk_read(void *ctx, int file, uint64_t offset, void *buf, size_t n)
{
	struct sim_disk *d = ctx;
	struct sim_file *f = d->file[file];

	sim_moment(d->s, SIM_AT_DISK);
	d->reading = d->s->life && d->s->life->cell_open;
	if (d->reading)
		sim_moment(d->s, SIM_AT_READ);
	d->reading = false;
	if (offset % WEIR_DISK_BLOCK || n % WEIR_DISK_BLOCK)
		sim_fail(d->s, "D2", "a read is not aligned");
	if (offset > f->bytes || n > f->bytes - offset)
		return -EIO;
	sim_trace(d->s, SIM_EV_READ, f->id, offset / WEIR_DISK_BLOCK, n / WEIR_DISK_BLOCK);
	if (sim_fault(d->s, SIM_READ_ERROR, d->s->opt.disk_rate / 4)) {
		d->read_failed = true;
		return -EIO;
	}
	d->s->now += 20000 + n / 4;
	d->reads_bytes += n;
	memcpy(buf, f->image + offset, n);
	return 0;
}

/* ---- writes ---- */

static uint64_t latency(struct sim_disk *d, size_t n)
{
	uint64_t ns = weir_prng_range(&d->s->prng_disk, 20000, 300000) + n / 2;

	if (!d->s->calm && d->s->now < d->slow_until_ns)
		ns *= 100;
	return ns;
}

static void disk_write(void *ctx, int file, uint64_t offset, const void *buf, size_t n,
		       uint64_t token)
{
	struct sim_disk *d = ctx;
	struct sim_file *f = d->file[file];
	struct sim_write *w;

	sim_moment(d->s, SIM_AT_DISK);
	sim_check(d->s, n && offset % WEIR_DISK_BLOCK == 0 && n % WEIR_DISK_BLOCK == 0, "D2",
		  "a write is not aligned");
	sim_check(d->s, (f->there || f == d->lost) && offset + n <= f->bytes, "D2",
		  "a write past the end of %s", f->name);
	for (uint32_t i = 0; i < d->way_count; i++)
		sim_check(d->s,
			  d->way[i].file != f || d->way[i].offset >= offset + n ||
				  offset >= d->way[i].offset + d->way[i].n,
			  "D2", "two writes to %s block %llu are under way at once", f->name,
			  (unsigned long long)(offset / WEIR_DISK_BLOCK));
	sim_check(d->s, d->way_count < SIM_WRITES_MAX, "L5", "too many writes under way");
	w = &d->way[d->way_count++];
	*w = (struct sim_write){.file = f, .offset = offset, .n = n, .buf = buf, .token = token};
	w->copy = sim_alloc(n);
	memcpy(w->copy, buf, n);
	w->due_ns = d->s->now + latency(d, n);
	d->writes++;
	d->bytes += n;
	sim_trace(d->s, SIM_EV_WRITE, f->id, offset / WEIR_DISK_BLOCK, n / WEIR_DISK_BLOCK);
	if (d->write_failed || sim_fault(d->s, SIM_WRITE_ERROR, d->s->opt.disk_rate / 8)) {
		d->write_failed = true;
		w->result = -EIO;
	}
	sim_moment(d->s, SIM_AT_DISK);
}

static enum sim_write_end broken_end(struct sim_disk *d, bool torn)
{
	uint64_t pick = weir_prng_below(&d->s->prng_disk, 4);

	if (pick == 0)
		return SIM_WRITE_LOST;
	if (pick == 1)
		return SIM_WRITE_WHOLE;
	if (!d->s->opt.on[SIM_TORN] || !sim_fault(d->s, SIM_TORN, 900000))
		return pick == 2 ? SIM_WRITE_LOST : SIM_WRITE_WHOLE;
	return torn ? SIM_WRITE_TORN : SIM_WRITE_PREFIX;
}

static void complete(struct sim_disk *d, uint32_t i)
{
	struct sim_write w = d->way[i];

	memmove(&d->way[i], &d->way[i + 1], (d->way_count - i - 1) * sizeof(*d->way));
	d->way_count--;
	sim_check(d->s, memcmp(w.copy, w.buf, w.n) == 0, "D2",
		  "the buffer of a write under way was changed");
	if (w.result)
		sim_disk_put(d, &w, broken_end(d, true));
	else
		sim_disk_complete(d, &w);
	free(w.copy);
	sim_trace(d->s, SIM_EV_WRITTEN, w.file->id, w.offset / WEIR_DISK_BLOCK,
		  (uint64_t)(int64_t)w.result);
	d->done[d->done_count++] = (struct weir_disk_done){.token = w.token, .result = w.result};
	sim_check(d->s, d->done_count < SIM_WRITES_MAX, "L5", "completions are not taken");
}

uint64_t sim_disk_next(const struct sim_disk *d)
{
	uint64_t least = 0;

	for (uint32_t i = 0; i < d->way_count; i++)
		if (!least || d->way[i].due_ns < least)
			least = d->way[i].due_ns;
	return least;
}

void sim_disk_settle(struct sim_disk *d)
{
	for (;;) {
		uint32_t least = UINT32_MAX;

		for (uint32_t i = 0; i < d->way_count; i++)
			if (d->way[i].due_ns <= d->s->now &&
			    (least == UINT32_MAX || d->way[i].due_ns < d->way[least].due_ns))
				least = i;
		if (least == UINT32_MAX)
			return;
		complete(d, least);
	}
}

bool sim_disk_news(const struct sim_disk *d)
{
	return d->done_count > 0;
}

static uint32_t disk_poll(void *ctx, uint64_t wait_ns, struct weir_disk_done *ret, uint32_t cap)
{
	struct sim_disk *d = ctx;
	uint64_t next;
	uint32_t n;

	sim_moment(d->s, SIM_AT_DISK);
	sim_disk_settle(d);
	next = sim_disk_next(d);
	if (!d->done_count && wait_ns && next) {
		uint64_t until =
			wait_ns > UINT64_MAX - d->s->now ? UINT64_MAX : d->s->now + wait_ns;

		d->s->now = WEIR_MAX(d->s->now, WEIR_MIN(next, until));
		sim_disk_settle(d);
	}
	n = WEIR_MIN(cap, d->done_count);
	memcpy(ret, d->done, n * sizeof(*ret));
	for (uint32_t i = 0; i < n; i++)
		d->error_told |= ret[i].result < 0;
	memmove(d->done, d->done + n, (d->done_count - n) * sizeof(*ret));
	d->done_count -= n;
	return n;
}

static int disk_rename(void *ctx, const char *from, const char *to)
{
	struct sim_disk *d = ctx;
	struct sim_file *f = sim_disk_find(d, from);

	sim_moment(d->s, SIM_AT_DISK);
	if (!f)
		return -ENOENT;
	if (sim_disk_find(d, to))
		return -EEXIST;
	snprintf(f->name, sizeof(f->name), "%s", to);
	sim_trace(d->s, SIM_EV_RENAME, f->id, 0, 0);
	sim_unlinked(d->s, from,
		     f->bytes == f->room); /* a segment is used again under another name */
	sim_moment(d->s, SIM_AT_DISK);
	return 0;
}

static int disk_unlink(void *ctx, const char *name)
{
	struct sim_disk *d = ctx;
	struct sim_file *f = sim_disk_find(d, name);

	sim_moment(d->s, SIM_AT_DISK);
	if (!f)
		return -ENOENT;
	f->there = false;
	sim_disk_forget_file(d, f);
	sim_trace(d->s, SIM_EV_UNLINK, f->id, 0, 0);
	sim_unlinked(d->s, f->name, f->bytes == f->room);
	sim_moment(d->s, SIM_AT_DISK);
	return 0;
}

/* ---- memory ---- */

void *sim_disk_buffer(void *ctx, size_t n)
{
	struct sim_disk *d = ctx;
	struct sim_buffer *b = sim_alloc(sizeof(*b));

	b->p = sim_pages_take(n);
	b->n = n;
	b->next = d->buffers;
	d->buffers = b;
	return b->p;
}

static void buffer_end(struct sim_buffer *b)
{
	if (b->reads)
		sim_pages_give_used(b->p, b->n, b->used);
	else
		sim_pages_give(b->p, b->n);
	free(b);
}

void sim_disk_buffer_for_reads(struct sim_disk *d, const void *p)
{
	for (struct sim_buffer *b = d->buffers; b; b = b->next)
		b->reads |= b->p == p;
}

void sim_disk_buffer_filled(struct sim_disk *d, const void *p, size_t n)
{
	const uint8_t *from = p;

	for (struct sim_buffer *b = d->buffers; b; b = b->next)
		if (from >= b->p && from < b->p + b->n)
			b->used = WEIR_MAX(b->used, (size_t)(from - b->p) + n);
}

static void buffers_free(struct sim_disk *d)
{
	while (d->buffers) {
		struct sim_buffer *b = d->buffers;

		d->buffers = b->next;
		buffer_end(b);
	}
}

void sim_disk_buffer_free(void *ctx, void *p, size_t n)
{
	struct sim_disk *d = ctx;

	(void)n;
	for (struct sim_buffer **at = &d->buffers; *at; at = &(*at)->next)
		if ((*at)->p == p) {
			struct sim_buffer *b = *at;

			*at = b->next;
			buffer_end(b);
			return;
		}
	sim_fail(d->s, "D2", "a buffer that is none is given back");
}

static uint64_t disk_space(void *ctx)
{
	return is_full(ctx) ? 65536 : SIM_DISK_PLENTY;
}

const char *sim_disk_describe(void *ctx)
{
	(void)ctx;
	return "simulated";
}

static const struct weir_disk_ops ops = {
	.list = sim_disk_list,
	.open = disk_open,
	.close = disk_close,
	.read = disk_read,
	.write = disk_write,
	.poll = disk_poll,
	.rename = disk_rename,
	.unlink = disk_unlink,
	.buffer = sim_disk_buffer,
	.buffer_free = sim_disk_buffer_free,
	.space = disk_space,
	.describe = sim_disk_describe,
};

struct weir_disk sim_disk_of(struct sim_disk *d)
{
	return (struct weir_disk){.ops = &ops, .ctx = d};
}

/* ---- life ---- */

struct sim_disk *sim_disk_new(struct sim *s)
{
	struct sim_disk *d = sim_alloc(sizeof(*d));

	d->s = s;
	d->way = sim_alloc(SIM_WRITES_MAX * sizeof(*d->way));
	d->done = sim_alloc(SIM_WRITES_MAX * sizeof(*d->done));
	return d;
}

/* Killed while it made the file. Only segments may be short: others are given their name when they are whole. */
static void unfinished(struct sim_disk *d, struct sim_file *f)
{
	uint64_t pick = weir_prng_below(&d->s->prng_disk, 4);

	f->making = false;
	if (pick == 0) {
		f->there = false;
	} else if (pick < 3 && strncmp(f->name, "journal-", 8) == 0 && d->s->opt.on[SIM_TORN]) {
		f->bytes = weir_prng_below(&d->s->prng_disk, f->bytes / WEIR_DISK_BLOCK) *
			   WEIR_DISK_BLOCK;
		sim_situation(SIM_SAW_SHORT_FILE);
	}
}

void sim_disk_kill(struct sim_disk *d, bool power)
{
	if (power)
		sim_trace(d->s, SIM_EV_CUT, d->way_count, 0, 0);
	if (power && d->way_count > 1)
		sim_situation(SIM_SAW_POWER_WRITES);
	for (uint32_t i = 0; i < d->way_count; i++) {
		sim_disk_put(d, &d->way[i], broken_end(d, power || d->way[i].result));
		free(d->way[i].copy);
	}
	d->way_count = d->done_count = d->handles = 0;
	for (uint32_t i = 0; i < d->file_count; i++)
		d->file[i]->open = 0;
	for (uint32_t i = 0; i < d->file_count; i++)
		if (d->file[i]->making)
			unfinished(d, d->file[i]);
	d->reading = false;
	buffers_free(d);
	d->write_failed = d->read_failed = d->full_seen = d->error_told = false;
	d->reads_bytes = 0;
}

void sim_disk_free(struct sim_disk *d)
{
	buffers_free(d);
	for (uint32_t i = 0; i < d->way_count; i++)
		free(d->way[i].copy);
	for (uint32_t i = 0; i < d->file_count; i++)
		file_free(d->file[i]);
	free(d->way);
	free(d->done);
	free(d->hurt);
	free(d);
}
