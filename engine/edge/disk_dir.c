/* SPDX-License-Identifier: Apache-2.0 */
/* The directory behind a disk: names, renames, removals, quarantine/, and what the file system can do. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/assert.h"
#include "engine/edge/disk_impl.h"
#include "engine/edge/state_dir.h"

#define PROBE WEIR_DISK_NEW "probe"

static bool name_ok(const char *name)
{
	size_t n = strlen(name);

	return n && n <= WEIR_DISK_NAME_MAX && name[0] != '.' && !strchr(name, '/');
}

/* quarantine/ is made by the first file that goes there. */
static int open_quarantine(struct weir_disk_base *b, bool make)
{
	if (b->quarantine_fd >= 0)
		return 0;
	if (make) {
		if (mkdirat(b->dir_fd, WEIR_DISK_QUARANTINE, 0700) == 0) {
			if (fsync(b->dir_fd))
				return -errno;
		} else if (errno != EEXIST) {
			return -errno;
		}
	}
	b->quarantine_fd = openat(b->dir_fd, WEIR_DISK_QUARANTINE,
				  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return b->quarantine_fd < 0 ? -errno : 0;
}

int weir_disk_place_of(struct weir_disk_base *b, const char *name, bool make,
		       struct weir_disk_place *ret)
{
	static const char q[] = WEIR_DISK_QUARANTINE "/";
	bool inside = !strncmp(name, q, sizeof(q) - 1);
	int r;

	ret->name = inside ? name + sizeof(q) - 1 : name;
	ret->dir = b->dir_fd;
	if (!name_ok(ret->name))
		return -EINVAL;
	if (!inside)
		return strcmp(name, WEIR_STATE_DIR_LOCK) && strcmp(name, WEIR_DISK_QUARANTINE)
			       ? 0
			       : -EINVAL;
	r = open_quarantine(b, make);
	ret->dir = b->quarantine_fd;
	return r;
}

int weir_disk_move(struct weir_disk_place from, struct weir_disk_place to)
{
	struct stat st;

	if (renameat2(from.dir, from.name, to.dir, to.name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* A file system without that flag: nobody else makes files here, so looking first is enough. */
	if (fstatat(to.dir, to.name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	if (errno != ENOENT)
		return -errno;
	return renameat(from.dir, from.name, to.dir, to.name) ? -errno : 0;
}

int weir_disk_rename(void *ctx, const char *from, const char *to)
{
	struct weir_disk_base *b = ctx;
	struct weir_disk_place f, t;
	int r;

	if (b->read_only)
		return -EROFS;
	r = weir_disk_place_of(b, from, false, &f);
	if (r == 0)
		r = weir_disk_place_of(b, to, true, &t);
	if (r == 0)
		r = weir_disk_move(f, t);
	/* The new name first: after a power cut between the two the file has a name in any case. */
	if (r == 0 && fsync(t.dir))
		r = -errno;
	if (r == 0 && f.dir != t.dir && fsync(f.dir))
		r = -errno;
	return r;
}

int weir_disk_unlink(void *ctx, const char *name)
{
	struct weir_disk_base *b = ctx;
	struct weir_disk_place p;
	int r;

	if (b->read_only)
		return -EROFS;
	r = weir_disk_place_of(b, name, false, &p);
	if (r < 0)
		return r;
	return unlinkat(p.dir, p.name, 0) || fsync(p.dir) ? -errno : 0;
}

/* A stream of its own, from the start; NULL and errno. */
static DIR *open_list(const struct weir_disk_base *b)
{
	int fd = openat(b->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d && fd >= 0)
		close(fd);
	return d;
}

int weir_disk_list(void *ctx, void (*fn)(void *fn_ctx, const char *name, uint64_t bytes),
		   void *fn_ctx)
{
	struct weir_disk_base *b = ctx;
	DIR *d = open_list(b);
	struct dirent *e;
	int r = 0;

	if (!d)
		return -errno;
	while (r == 0 && (errno = 0, e = readdir(d))) {
		struct stat st;

		if (!name_ok(e->d_name) || !strcmp(e->d_name, WEIR_STATE_DIR_LOCK))
			continue;
		if (fstatat(b->dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW))
			r = -errno;
		else if (S_ISREG(st.st_mode))
			fn(fn_ctx, e->d_name, (uint64_t)st.st_size);
	}
	if (r == 0)
		r = -errno;
	closedir(d);
	return r;
}

uint64_t weir_disk_space(void *ctx)
{
	struct weir_disk_base *b = ctx;
	struct statvfs v;

	return fstatvfs(b->dir_fd, &v) ? 0 : (uint64_t)v.f_bavail * v.f_frsize;
}

const char *weir_disk_describe(void *ctx)
{
	struct weir_disk_base *b = ctx;

	snprintf(b->about, sizeof(b->about), "%s, %s%s", b->how,
		 b->direct ? "O_DIRECT" : "no O_DIRECT on this file system",
		 b->read_only ? ", read only" : "");
	return b->about;
}

/* What a create() left that did not come to its end. */
static int remove_unfinished(struct weir_disk_base *b)
{
	DIR *d = open_list(b);
	struct dirent *e;
	int r = 0;

	if (!d)
		return -errno;
	while (r == 0 && (errno = 0, e = readdir(d)))
		if (!strncmp(e->d_name, WEIR_DISK_NEW, strlen(WEIR_DISK_NEW)) &&
		    unlinkat(b->dir_fd, e->d_name, 0))
			r = -errno;
	if (r == 0)
		r = -errno;
	closedir(d);
	return r;
}

/* One block is written: some file systems take O_DIRECT and then refuse the write. On a full disk
 * there is no answer, but the journal has its space already and must open. */
static int probe(struct weir_disk_base *b)
{
	struct weir_disk_place p = {.dir = b->dir_fd, .name = PROBE};
	uint8_t *block = weir_disk_pool_get(&b->pool, WEIR_DISK_BLOCK);
	int fd = weir_disk_open_at(b, p, O_CREAT | O_EXCL);

	weir_assert(block); /* the pool is empty yet */
	if (fd >= 0) {
		if (pwrite(fd, block, WEIR_DISK_BLOCK, 0) < 0 && errno == EINVAL)
			b->direct = false;
		close(fd);
		unlinkat(b->dir_fd, PROBE, 0);
	}
	weir_disk_pool_put(&b->pool, block, WEIR_DISK_BLOCK);
	return fd == -ENOSPC || fd == -EDQUOT ? 0 : WEIR_MIN(fd, 0);
}

int weir_disk_base_init(struct weir_disk_base *b, const char *dir,
			const struct weir_disk_options *o, struct weir_err *err)
{
	int r;

	b->read_only = o->read_only;
	b->direct = true;
	r = weir_disk_pool_init(&b->pool, o->pool_bytes);
	if (r < 0)
		return weir_err_set(err, r, "no memory for reading and writing %s: %s", dir,
				    weir_strerror(r));
	b->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b->dir_fd < 0)
		return weir_err_set(err, -errno, "cannot open the state directory %s: %s", dir,
				    weir_strerror(-errno));
	if (b->read_only)
		return 0;
	r = remove_unfinished(b);
	if (r == 0)
		r = probe(b);
	if (r < 0)
		return weir_err_set(err, r, "cannot make files in the state directory %s: %s", dir,
				    weir_strerror(r));
	return 0;
}

void weir_disk_base_fini(struct weir_disk_base *b)
{
	for (int i = 0; i < WEIR_DISK_FILES_MAX; i++)
		if (b->file[i].used)
			close(b->file[i].fd);
	if (b->quarantine_fd >= 0)
		close(b->quarantine_fd);
	if (b->dir_fd >= 0)
		close(b->dir_fd);
	weir_disk_release_retired(b);
	weir_disk_pool_fini(&b->pool);
	weir_disk_ops_free(b);
}
