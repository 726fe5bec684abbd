/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/memdisk.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/assert.h"

#define SECTOR 512u

struct memdisk_file *memdisk_find(struct memdisk *d, const char *name)
{
	for (uint32_t i = 0; i < MEMDISK_FILES; i++)
		if (d->file[i].name[0] && strcmp(d->file[i].name, name) == 0)
			return &d->file[i];
	return NULL;
}

static struct memdisk_file *make(struct memdisk *d, const char *name, uint64_t bytes)
{
	uint32_t i = 0;

	while (d->file[i].name[0] || d->file[i].handles)
		weir_assert(++i < MEMDISK_FILES);
	weir_assert(strlen(name) < sizeof(d->file[i].name));
	memset(&d->file[i], 0, sizeof(d->file[i]));
	memcpy(d->file[i].name, name, strlen(name));
	d->file[i].bytes = bytes;
	d->file[i].data = calloc(1, bytes ? bytes : 1);
	weir_assert(d->file[i].data);
	return &d->file[i];
}

void memdisk_put(struct memdisk *d, const char *name, const void *p, uint64_t n, uint64_t bytes)
{
	struct memdisk_file *f = make(d, name, bytes);

	if (n)
		memcpy(f->data, p, n);
}

void memdisk_remove(struct memdisk *d, const char *name)
{
	struct memdisk_file *f = memdisk_find(d, name);

	free(f->data);
	f->data = NULL;
	f->name[0] = 0;
}

/* A completion or a change of the directory; true: the power is gone. */
static bool step(struct memdisk *d)
{
	if (!d->dead && d->die_at && ++d->steps >= d->die_at)
		d->dead = true;
	return d->dead;
}

static int once(int *error)
{
	int e = *error;

	*error = 0;
	return e;
}

static bool due(uint32_t *at)
{
	return *at == 0 || --*at == 0;
}

static int on_list(void *ctx, void (*fn)(void *fn_ctx, const char *name, uint64_t bytes),
		   void *fn_ctx)
{
	struct memdisk *d = ctx;

	if (d->list_error && due(&d->list_error_at))
		return once(&d->list_error);
	for (uint32_t i = 0; i < MEMDISK_FILES; i++)
		if (d->file[i].name[0] && !strchr(d->file[i].name, '/'))
			fn(fn_ctx, d->file[i].name, d->file[i].bytes);
	return 0;
}

static int on_open(void *ctx, const char *name, uint64_t bytes)
{
	struct memdisk *d = ctx;
	struct memdisk_file *f = memdisk_find(d, name);

	if (d->open_error && due(&d->open_error_at))
		return once(&d->open_error);
	if (bytes && d->create_error)
		return once(&d->create_error);
	if (bytes) {
		if (step(d))
			return -EIO;
		if (f)
			return -EEXIST;
		if (bytes > d->space)
			return -ENOSPC;
		d->space -= bytes;
		f = make(d, name, bytes);
	}
	if (!f)
		return -ENOENT;
	f->handles++;
	d->open_files++;
	weir_assert(d->open_files <= WEIR_DISK_FILES_MAX);
	return (int)(f - d->file);
}

static void on_close(void *ctx, int file)
{
	struct memdisk *d = ctx;

	weir_assert(d->file[file].handles);
	d->file[file].handles--;
	d->open_files--;
}

static int on_read(void *ctx, int file, uint64_t offset, void *buf, size_t n)
{
	struct memdisk *d = ctx;
	const struct memdisk_file *f = &d->file[file];

	weir_assert(f->handles && offset % WEIR_DISK_BLOCK == 0 && n % WEIR_DISK_BLOCK == 0);
	d->reads++;
	if (offset > f->bytes || f->bytes - offset < n)
		return -EIO;
	if (d->read_bad && strcmp(d->read_bad, f->name) == 0 && d->read_bad_at >= offset &&
	    d->read_bad_at < offset + n)
		return d->read_error ? d->read_error : -EIO;
	memcpy(buf, f->data + offset, n);
	return 0;
}

static void on_write(void *ctx, int file, uint64_t offset, const void *buf, size_t n,
		     uint64_t token)
{
	struct memdisk *d = ctx;
	struct memdisk_write *w = &d->pending[d->pending_count++];

	weir_assert(d->pending_count < MEMDISK_PENDING && d->file[file].handles);
	weir_assert(n && n % WEIR_DISK_BLOCK == 0 && offset % WEIR_DISK_BLOCK == 0);
	weir_assert(offset + n <= d->file[file].bytes);
	*w = (struct memdisk_write){file, offset, token, ++d->writes, n, buf, malloc(n), d->dead};
	weir_assert(w->copy);
	memcpy(w->copy, buf, n);
}

static void apply(struct memdisk *d, const struct memdisk_write *w)
{
	struct memdisk_file *f = &d->file[w->file];
	uint64_t at = w->offset;

	if (w->number == d->lose_write || w->late || !f->data)
		return;
	if (w->number == d->misdirect_write)
		at += (uint64_t)(d->misdirect_by * (int64_t)WEIR_DISK_BLOCK);
	if (at <= f->bytes && w->n <= f->bytes - at)
		memcpy(f->data + at, w->copy, w->n);
}

static struct memdisk_write take(struct memdisk *d, uint32_t i)
{
	struct memdisk_write w = d->pending[i];

	d->pending_count--;
	memmove(&d->pending[i], &d->pending[i + 1], (d->pending_count - i) * sizeof(w));
	return w;
}

static uint32_t poll_dead(struct memdisk *d, struct weir_disk_done *ret, uint32_t cap)
{
	uint32_t n = 0;

	/* Each is told once; what becomes of it is decided by memdisk_cut(). */
	for (uint32_t i = 0; i < d->pending_count && n < cap; i++)
		if (d->pending[i].from) {
			ret[n++] = (struct weir_disk_done){d->pending[i].token, -EIO};
			d->pending[i].from = NULL;
		}
	return n;
}

static uint32_t on_poll(void *ctx, uint64_t wait_ns, struct weir_disk_done *ret, uint32_t cap)
{
	struct memdisk *d = ctx;
	uint32_t n = 0, want;

	if (d->dead)
		return poll_dead(d, ret, cap);
	want = WEIR_MIN(cap, d->pending_count);
	if (d->slow)
		want = WEIR_MIN(want, wait_ns ? 1u : 0u);
	else if (d->shuffle && want)
		want = (uint32_t)weir_prng_range(&d->prng, wait_ns ? 1 : 0, want);
	for (; n < want && !d->dead; n++) {
		uint32_t i = d->shuffle ? (uint32_t)weir_prng_below(&d->prng, d->pending_count) : 0;
		struct memdisk_write w;
		bool failed;

		if (step(d))
			break;
		w = take(d, i);
		failed = w.number == d->fail_write;
		weir_assert(w.from && memcmp(w.from, w.copy, w.n) == 0);
		if (!failed)
			apply(d, &w);
		free(w.copy);
		ret[n] = (struct weir_disk_done){w.token, failed ? -EIO : 0};
	}
	return n ? n : d->dead ? poll_dead(d, ret, cap) : 0;
}

static int on_rename(void *ctx, const char *from, const char *to)
{
	struct memdisk *d = ctx;
	struct memdisk_file *f = memdisk_find(d, from);

	if (d->rename_error)
		return once(&d->rename_error);
	if (step(d))
		return -EIO;
	if (!f)
		return -ENOENT;
	if (memdisk_find(d, to))
		return -EEXIST;
	memset(f->name, 0, sizeof(f->name));
	memcpy(f->name, to, strlen(to));
	return 0;
}

static int on_unlink(void *ctx, const char *name)
{
	struct memdisk *d = ctx;
	struct memdisk_file *f = memdisk_find(d, name);

	if (d->unlink_error)
		return once(&d->unlink_error);
	if (step(d))
		return -EIO;
	if (!f)
		return -ENOENT;
	weir_assert(!f->handles);
	d->space += f->bytes;
	memdisk_remove(d, name);
	return 0;
}

static void *on_buffer(void *ctx, size_t n)
{
	struct memdisk *d = ctx;
	/* Pages that nobody touches cost nothing. */
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	weir_assert(p != MAP_FAILED);
	d->buffers++;
	return p;
}

static void on_buffer_free(void *ctx, void *p, size_t n)
{
	struct memdisk *d = ctx;

	for (uint32_t i = 0; i < d->pending_count; i++)
		if (d->pending[i].from >= (uint8_t *)p && d->pending[i].from < (uint8_t *)p + n)
			d->pending[i].from = NULL;
	d->buffers--;
	munmap(p, n);
}

static uint64_t on_space(void *ctx)
{
	return ((struct memdisk *)ctx)->space;
}

static const char *on_describe(void *ctx)
{
	(void)ctx;
	return "memory";
}

static const struct weir_disk_ops ops = {on_list,   on_open,	    on_close,  on_read,
					 on_write,  on_poll,	    on_rename, on_unlink,
					 on_buffer, on_buffer_free, on_space,  on_describe};

void memdisk_init(struct memdisk *d, uint64_t seed)
{
	memset(d, 0, sizeof(*d));
	d->disk = (struct weir_disk){&ops, d};
	d->prng = weir_prng_of(seed, "memdisk");
	d->space = (uint64_t)1 << 40;
}

void memdisk_fini(struct memdisk *d)
{
	for (uint32_t i = 0; i < d->pending_count; i++)
		free(d->pending[i].copy);
	for (uint32_t i = 0; i < MEMDISK_FILES; i++)
		free(d->file[i].data);
	weir_assert(!d->buffers && !d->open_files);
}

/* Some sectors of the write are there. */
static void tear(struct memdisk *d, const struct memdisk_write *w)
{
	for (size_t at = 0; at < w->n; at += SECTOR)
		if (weir_prng_chance(&d->prng, 1, 2))
			memcpy(d->file[w->file].data + w->offset + at, w->copy + at, SECTOR);
}

void memdisk_cut(struct memdisk *d)
{
	while (d->pending_count) {
		struct memdisk_write w =
			take(d, (uint32_t)weir_prng_below(&d->prng, d->pending_count));
		uint64_t what = weir_prng_below(&d->prng, 3);

		if (what == 1)
			apply(d, &w);
		else if (what == 2 && !w.late && d->file[w.file].data)
			tear(d, &w);
		free(w.copy);
	}
	d->dead = false;
	d->die_at = 0;
}

void memdisk_copy(struct memdisk *dst, const struct memdisk *src)
{
	memdisk_init(dst, src->prng.state);
	dst->space = src->space;
	for (uint32_t i = 0; i < MEMDISK_FILES; i++)
		if (src->file[i].name[0])
			memdisk_put(dst, src->file[i].name, src->file[i].data, src->file[i].bytes,
				    src->file[i].bytes);
}
