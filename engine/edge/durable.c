/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int weir_durable_dir(int dir_fd)
{
	return fsync(dir_fd) ? -errno : 0;
}

static int sync_file(int dir_fd, int fd, const char *name)
{
	int own = fd, r;

	if (fd < 0)
		own = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (own < 0)
		return -errno;
	r = fsync(own) ? -errno : 0;
	if (own != fd)
		close(own);
	return r;
}

static int rename_noreplace(int dir_fd, const char *from, const char *to)
{
	if (renameat2(dir_fd, from, dir_fd, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* A file system without the flag (NFS, old FUSE). A crash in between leaves both names on one file. */
	if (linkat(dir_fd, from, dir_fd, to, 0))
		return -errno;
	return unlinkat(dir_fd, from, 0) ? -errno : 0;
}

int weir_durable_rename(int dir_fd, int fd, const char *from, const char *to, bool replace)
{
	int r = sync_file(dir_fd, fd, from);

	if (r < 0)
		return r;
	if (!replace)
		r = rename_noreplace(dir_fd, from, to);
	else if (renameat(dir_fd, from, dir_fd, to))
		r = -errno;
	return r < 0 ? r : weir_durable_dir(dir_fd);
}
