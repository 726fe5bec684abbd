/* SPDX-License-Identifier: Apache-2.0 */
/* The disk as checkers look at it: no faults, no time, nothing is written. */
#include <errno.h>

#include "tests/sim/disk.h"

static int view_open(void *ctx, const char *name, uint64_t bytes)
{
	struct sim_disk *d = ctx;
	struct sim_file *f = sim_disk_find(d, name);

	if (bytes)
		return -EROFS;
	return f ? sim_disk_slot(d, f) : -ENOENT;
}

static void view_close(void *ctx, int file)
{
	(void)ctx;
	(void)file;
}

static int view_read(void *ctx, int file, uint64_t offset, void *buf, size_t n)
{
	struct sim_disk *d = ctx;
	const struct sim_file *f = d->file[file];

	if (offset > f->bytes || n > f->bytes - offset)
		return -EIO;
	memcpy(buf, f->image + offset, n);
	sim_disk_buffer_filled(d, buf, n);
	if (d->view_truth)
		sim_disk_truth(d, f, offset, buf, n);
	return 0;
}

static void view_write(void *ctx, int file, uint64_t offset, const void *buf, size_t n,
		       uint64_t token)
{
	struct sim_disk *d = ctx;

	(void)file;
	(void)offset;
	(void)buf;
	(void)n;
	(void)token;
	sim_fail(d->s, "I33", "a journal opened for reading only writes");
}

static uint32_t view_poll(void *ctx, uint64_t wait_ns, struct weir_disk_done *ret, uint32_t cap)
{
	(void)ctx;
	(void)wait_ns;
	(void)ret;
	(void)cap;
	return 0;
}

static int view_rename(void *ctx, const char *from, const char *to)
{
	(void)ctx;
	(void)from;
	(void)to;
	return -EROFS;
}

static int view_unlink(void *ctx, const char *name)
{
	(void)ctx;
	(void)name;
	return -EROFS;
}

static uint64_t view_space(void *ctx)
{
	(void)ctx;
	return SIM_DISK_PLENTY;
}

/* A journal that only reads puts nothing into them but what it reads. */
static void *view_buffer(void *ctx, size_t n)
{
	struct sim_disk *d = ctx;
	void *p = sim_disk_buffer(ctx, n);

	sim_disk_buffer_for_reads(d, p);
	return p;
}

static const struct weir_disk_ops view_ops = {
	.list = sim_disk_list,
	.open = view_open,
	.close = view_close,
	.read = view_read,
	.write = view_write,
	.poll = view_poll,
	.rename = view_rename,
	.unlink = view_unlink,
	.buffer = view_buffer,
	.buffer_free = sim_disk_buffer_free,
	.space = view_space,
	.describe = sim_disk_describe,
};

struct weir_disk sim_disk_view(struct sim_disk *d)
{
	return (struct weir_disk){.ops = &view_ops, .ctx = d};
}
