/* SPDX-License-Identifier: Apache-2.0 */
/* Files of a disk: opened, made with real space, read; and memory for them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "engine/edge/disk_impl.h"
#include "engine/edge/engine.h"

#define ZEROES ((size_t)1 << 20) /* written at once where space cannot be reserved */

int weir_disk_open_at(struct weir_disk_base *b, struct weir_disk_place p, int flags)
{
	int fd;

	flags |= (b->read_only ? O_RDONLY : O_RDWR | O_DSYNC) | O_CLOEXEC | O_NOFOLLOW;
	if (b->direct) {
		fd = openat(p.dir, p.name, flags | O_DIRECT, 0600);
		if (fd >= 0 || errno != EINVAL)
			return fd < 0 ? -errno : fd;
		/* Some kernels make the file before they refuse the flag. */
		if (flags & O_CREAT)
			unlinkat(p.dir, p.name, 0);
		b->direct = false;
	}
	fd = openat(p.dir, p.name, flags, 0600);
	return fd < 0 ? -errno : fd;
}

static int write_zeroes(int fd, uint64_t bytes)
{
	uint8_t *zero = mmap(NULL, ZEROES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int r = 0;

	if (zero == MAP_FAILED)
		return -errno;
	for (uint64_t at = 0; at < bytes && r == 0;) {
		ssize_t w =
			pwrite(fd, zero, (size_t)WEIR_MIN((uint64_t)ZEROES, bytes - at), (off_t)at);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0 || w % WEIR_DISK_BLOCK)
			r = w < 0 ? -errno : -EIO;
		else
			at += (uint64_t)w;
	}
	munmap(zero, ZEROES);
	return r;
}

/* Space that a later write cannot miss (1.10: ENOSPC is met here, not in the middle of an epoch). */
static int reserve(int fd, uint64_t bytes)
{
	int r;

	do {
		r = fallocate(fd, 0, 0, (off_t)bytes) ? -errno : 0;
	} while (r == -EINTR);
	return r == -EOPNOTSUPP || r == -ENOSYS ? write_zeroes(fd, bytes) : r;
}

/*
 * Under another name until it is whole: after a power cut there is the file with all its space, or no file. The
 * descriptor stays valid through the rename.
 */
static int create(struct weir_disk_base *b, struct weir_disk_place p, uint64_t bytes)
{
	char tmp[sizeof(WEIR_DISK_NEW) + WEIR_DISK_NAME_MAX];
	struct weir_disk_place t = {.dir = p.dir, .name = tmp};
	struct stat st;
	int fd, r;

	if (fstatat(p.dir, p.name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	snprintf(tmp, sizeof(tmp), WEIR_DISK_NEW "%s", p.name);
	if (unlinkat(t.dir, tmp, 0) && errno != ENOENT)
		return -errno;
	fd = weir_disk_open_at(b, t, O_CREAT | O_EXCL);
	if (fd < 0)
		return fd;
	r = reserve(fd, bytes);
	if (r == 0 && fsync(fd))
		r = -errno;
	if (r == 0)
		r = weir_disk_move(t, p);
	if (r < 0)
		unlinkat(t.dir, tmp, 0);
	else if (fsync(p.dir))
		r = -errno;
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

static int open_existing(struct weir_disk_base *b, struct weir_disk_place p)
{
	struct stat st;

	/* Opening a pipe would wait for its other end. */
	if (fstatat(p.dir, p.name, &st, AT_SYMLINK_NOFOLLOW))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return weir_disk_open_at(b, p, 0);
}

int weir_disk_file_open(void *ctx, const char *name, uint64_t bytes)
{
	struct weir_disk_base *b = ctx;
	struct weir_disk_place p;
	int file = 0, r;

	weir_assert(bytes % WEIR_DISK_BLOCK == 0);
	if (bytes && b->read_only)
		return -EROFS;
	while (file < WEIR_DISK_FILES_MAX && b->file[file].used)
		file++;
	if (file == WEIR_DISK_FILES_MAX)
		return -EMFILE;
	r = weir_disk_place_of(b, name, bytes > 0, &p);
	if (r == 0)
		r = bytes ? create(b, p, bytes) : open_existing(b, p);
	if (r < 0)
		return r;
	b->file[file] = (struct weir_disk_file){.fd = r, .used = true};
	return file;
}

static struct weir_disk_file *file_of(struct weir_disk_base *b, int file)
{
	weir_assert(file >= 0 && file < WEIR_DISK_FILES_MAX);
	weir_assert(b->file[file].used && !b->file[file].closing);
	return &b->file[file];
}

void weir_disk_file_close(void *ctx, int file)
{
	struct weir_disk_file *f = file_of(ctx, file);

	if (f->pending) {
		f->closing = true; /* weir_disk_op_end() closes it */
		return;
	}
	close(f->fd);
	f->used = false;
}

int weir_disk_read(void *ctx, int file, uint64_t offset, void *buf, size_t n)
{
	const struct weir_disk_file *f = file_of(ctx, file);
	uint8_t *at = buf;

	weir_assert(offset % WEIR_DISK_BLOCK == 0 && n % WEIR_DISK_BLOCK == 0);
	weir_assert((uintptr_t)buf % WEIR_DISK_BLOCK == 0);
	while (n) {
		ssize_t got = pread(f->fd, at, n, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0 || got % WEIR_DISK_BLOCK) /* the end of the file */
			return -EIO;
		at += got;
		offset += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

void *weir_disk_buffer(void *ctx, size_t n)
{
	struct weir_disk_base *b = ctx;
	void *p;

	n = WEIR_ALIGN_UP(n, (size_t)WEIR_DISK_BLOCK);
	p = weir_disk_pool_get(&b->pool, n);
	if (p)
		return p;
	p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) { /* as weir_heap_mem does */
		fprintf(stderr, "weir: out of memory (%zu bytes)\n", n);
		_exit(1);
	}
	madvise(p, n, MADV_DONTFORK);
	return p;
}

static void release(struct weir_disk_base *b, void *p, size_t n)
{
	if (!weir_disk_pool_put(&b->pool, p, n))
		munmap(p, n);
}

void weir_disk_release_retired(struct weir_disk_base *b)
{
	struct weir_disk_retired *r;

	while ((r = b->retired)) {
		b->retired = r->next;
		release(b, r->p, r->n);
		weir_heap_mem.free(NULL, r, sizeof(*r));
	}
}

void weir_disk_buffer_free(void *ctx, void *p, size_t n)
{
	struct weir_disk_base *b = ctx;
	struct weir_disk_retired *r;

	n = WEIR_ALIGN_UP(n, (size_t)WEIR_DISK_BLOCK);
	if (!b->pending) {
		release(b, p, n);
		return;
	}
	/* A journal that stops does not wait: the device may still read this, whichever write it belongs to. */
	r = weir_heap_mem.alloc(NULL, sizeof(*r), sizeof(void *));
	*r = (struct weir_disk_retired){.next = b->retired, .p = p, .n = n};
	b->retired = r;
}
