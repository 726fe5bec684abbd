/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/state_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/edge/disk.h"

/* mkdir() that a power cut does not undo. 0 also when it is there. */
static int make_dir(char *path, mode_t mode)
{
	char *slash;
	int fd, r;

	if (mkdir(path, mode))
		return errno == EEXIST ? 0 : -errno;
	slash = strrchr(path, '/');
	if (slash && slash != path)
		*slash = 0;
	fd = open(!slash ? "." : slash == path ? "/" : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (slash && slash != path)
		*slash = '/';
	if (fd < 0)
		return -errno;
	r = fsync(fd) ? -errno : 0;
	close(fd);
	return r;
}

static int make_dirs(const char *path)
{
	char p[sizeof(((struct weir_state_dir *)0)->path)];
	size_t n = strlen(path);
	int r;

	memcpy(p, path, n + 1);
	while (n > 1 && p[n - 1] == '/')
		p[--n] = 0;
	for (size_t i = 1; i < n; i++) {
		if (p[i] != '/' || p[i - 1] == '/')
			continue;
		p[i] = 0;
		r = make_dir(p, 0750);
		p[i] = '/';
		if (r < 0)
			return r;
	}
	return make_dir(p, 0700);
}

/* The process that has the lock, or 0. */
static long owner(int lock_fd)
{
	char text[32];
	ssize_t n = pread(lock_fd, text, sizeof(text) - 1, 0);
	long pid = 0;

	for (ssize_t i = 0; i < n && text[i] >= '0' && text[i] <= '9' && pid < 1000000000; i++)
		pid = pid * 10 + (text[i] - '0');
	return pid;
}

static int busy(const struct weir_state_dir *d, struct weir_err *err)
{
	char who[48] = "another process";
	long pid = owner(d->lock_fd);

	if (pid)
		snprintf(who, sizeof(who), "process %ld", pid);
	return weir_err_set(err, WEIR_E_BUSY,
			    "the state directory %s is in use by %s: stop that first, or choose "
			    "another directory",
			    d->path, who);
}

static int write_owner(int fd)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

	if (ftruncate(fd, 0))
		return -errno;
	/* On a full disk the message says "another process"; the lock holds all the same. */
	return pwrite(fd, text, (size_t)n, 0) < 0 && errno != ENOSPC && errno != EDQUOT ? -errno
											: 0;
}

static int take_lock(struct weir_state_dir *d, enum weir_state_dir_use use, struct weir_err *err)
{
	bool alone = use != WEIR_STATE_DIR_READ;
	int r;

	d->lock_fd =
		openat(d->fd, WEIR_STATE_DIR_LOCK,
		       (alone ? O_RDWR | O_CREAT : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
		       0600);
	/* Who runs has made one, so without it nobody runs. */
	if (d->lock_fd < 0 && errno == ENOENT && !alone)
		return 0;
	if (d->lock_fd < 0)
		return weir_err_set(err, -errno, "cannot open %s/" WEIR_STATE_DIR_LOCK ": %s",
				    d->path, weir_strerror(-errno));
	if (flock(d->lock_fd, (alone ? LOCK_EX : LOCK_SH) | LOCK_NB)) {
		if (errno == EWOULDBLOCK)
			return busy(d, err);
		return weir_err_set(err, -errno, "cannot lock %s/" WEIR_STATE_DIR_LOCK ": %s",
				    d->path, weir_strerror(-errno));
	}
	r = alone ? write_owner(d->lock_fd) : 0;
	return r < 0 ? weir_err_set(err, r, "cannot write %s/" WEIR_STATE_DIR_LOCK ": %s", d->path,
				    weir_strerror(r))
		     : 0;
}

int weir_state_dir_open(const char *path, enum weir_state_dir_use use, struct weir_state_dir *ret,
			struct weir_err *err)
{
	int r = 0;

	ret->fd = ret->lock_fd = -1;
	if (!*path || strlen(path) >= sizeof(ret->path))
		return weir_err_set(err, *path ? -ENAMETOOLONG : -EINVAL,
				    "the state directory's path is %s",
				    *path ? "too long" : "empty");
	strcpy(ret->path, path);
	if (use == WEIR_STATE_DIR_RUN)
		r = make_dirs(path);
	if (r < 0)
		return weir_err_set(err, r, "cannot make the state directory %s: %s", path,
				    weir_strerror(r));
	ret->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ret->fd < 0)
		return weir_err_set(err, -errno, "cannot open the state directory %s: %s", path,
				    weir_strerror(-errno));
	r = take_lock(ret, use, err);
	if (r < 0)
		weir_state_dir_close(ret);
	return r;
}

void weir_state_dir_close(struct weir_state_dir *d)
{
	if (d->lock_fd >= 0)
		close(d->lock_fd);
	if (d->fd >= 0)
		close(d->fd);
	d->fd = d->lock_fd = -1;
}

/* ---- --fresh ---- */

static bool journal_file(const char *name)
{
	static const char segment[] = "journal-";
	size_t digits;

	if (!strcmp(name, "superblock") || !strcmp(name, "commits"))
		return true;
	if (strncmp(name, segment, sizeof(segment) - 1))
		return false;
	name += sizeof(segment) - 1;
	digits = strspn(name, "0123456789");
	return digits >= 8 && name[digits] == 0;
}

enum kind { FOREIGN, STAYS, GOES };

static enum kind kind_of(const struct weir_state_dir *d, const char *name)
{
	struct stat st;

	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return STAYS;
	if (fstatat(d->fd, name, &st, AT_SYMLINK_NOFOLLOW))
		return FOREIGN;
	if (!strcmp(name, WEIR_DISK_QUARANTINE))
		return S_ISDIR(st.st_mode) ? STAYS : FOREIGN;
	if (!S_ISREG(st.st_mode))
		return FOREIGN;
	if (!strcmp(name, WEIR_STATE_DIR_LOCK))
		return STAYS;
	/* Unfinished: no program but weir begins names like that. */
	return journal_file(name) || !strncmp(name, WEIR_DISK_NEW, strlen(WEIR_DISK_NEW)) ? GOES
											  : FOREIGN;
}

/* remove: those that go; else: looks for foreign ones. */
static int walk(struct weir_state_dir *d, bool remove, struct weir_err *err)
{
	int fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!dir)
		r = -errno;
	while (r == 0 && (errno = 0, e = readdir(dir))) {
		enum kind k = kind_of(d, e->d_name);

		if (k == FOREIGN) {
			weir_err_set(err, -ENOTEMPTY,
				     "%s holds `%s`, which is not of weir's state: nothing was "
				     "removed; move it away, or choose another directory",
				     d->path, e->d_name);
			closedir(dir);
			return -ENOTEMPTY;
		}
		if (remove && k == GOES && unlinkat(d->fd, e->d_name, 0))
			r = -errno;
	}
	if (dir) {
		r = r ? r : -errno;
		closedir(dir);
	} else if (fd >= 0) {
		close(fd);
	}
	return r < 0 ? weir_err_set(err, r, "cannot empty the state directory %s: %s", d->path,
				    weir_strerror(r))
		     : 0;
}

int weir_state_dir_clear(struct weir_state_dir *d, struct weir_err *err)
{
	int r = walk(d, false, err);

	if (r == 0)
		r = walk(d, true, err);
	if (r == 0 && fsync(d->fd))
		r = weir_err_set(err, -errno, "cannot sync the state directory %s: %s", d->path,
				 weir_strerror(-errno));
	return r;
}
