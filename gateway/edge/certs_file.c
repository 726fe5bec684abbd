/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/edge/certs_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/edge/certs.h"

#define FILE_MAX ((size_t)64 << 10)
#define PATH_BYTES 4096

static int path_of(char *ret, const char *dir, const char *name, const char *ending,
		   struct weir_err *err)
{
	if (snprintf(ret, PATH_BYTES, "%s/%s.%s", dir, name, ending) >= PATH_BYTES)
		return weir_err_set(err, -ENAMETOOLONG, "the folder's name is too long");
	return 0;
}

int weir_certs_folder(const char *dir, struct weir_err *err)
{
	struct stat st;

	if (mkdir(dir, 0700) == 0)
		return 0;
	if (errno != EEXIST)
		return weir_err_set(err, -errno, "cannot make the folder %s: %s", dir,
				    weir_strerror(-errno));
	if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode))
		return weir_err_set(err, -ENOTDIR, "%s is no folder", dir);
	if (st.st_mode & 077)
		return weir_err_set(err, -EPERM,
				    "others may look into %s: it will hold keys, `chmod 700` it",
				    dir);
	return 0;
}

int weir_certs_absent(const char *dir, const char *name, bool force, struct weir_err *err)
{
	static const char *const ending[] = {"pem", "key"};

	for (int i = 0; i < 2 && !force; i++) {
		char path[PATH_BYTES];
		int r = path_of(path, dir, name, ending[i], err);

		if (r < 0)
			return r;
		if (access(path, F_OK) == 0)
			return weir_err_set(err, -EEXIST,
					    "%s is there already; --force replaces it", path);
	}
	return 0;
}

static int write_all(int fd, const void *p, size_t n)
{
	const char *at = (const char *)p;

	while (n) {
		ssize_t k = write(fd, at, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		at += k;
		n -= (size_t)k;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

int weir_certs_store(const char *dir, const char *name, const char *ending, const void *p, size_t n,
		     bool force, struct weir_err *err)
{
	char path[PATH_BYTES], beside[PATH_BYTES + 8];
	int r = path_of(path, dir, name, ending, err), fd;

	if (r < 0)
		return r;
	snprintf(beside, sizeof(beside), "%s.tmp", path);
	unlink(beside);
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return weir_err_set(err, -errno, "cannot write %s: %s", beside,
				    weir_strerror(-errno));
	r = write_all(fd, p, n);
	if (r == 0 && force)
		r = rename(beside, path) < 0 ? -errno : 0;
	else if (r == 0) /* link() refuses what rename() would replace */
		r = link(beside, path) < 0 ? -errno : 0;
	close(fd);
	if (r < 0 || !force)
		unlink(beside);
	return r < 0 ? weir_err_set(err, r, "cannot write %s: %s", path, weir_strerror(r)) : 0;
}

int weir_certs_file(const char *dir, const char *name, const char *ending, uint8_t **ret,
		    size_t *ret_n, struct weir_err *err)
{
	char path[PATH_BYTES];
	uint8_t *p;
	size_t n = 0;
	ssize_t k = 0;
	int r = path_of(path, dir, name, ending, err), fd;

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return weir_err_set(err, -errno,
				    "cannot read %s: %s (`weir certs` makes such files)", path,
				    weir_strerror(-errno));
	p = (uint8_t *)malloc(FILE_MAX);
	if (!p)
		abort();
	while (n < FILE_MAX &&
	       ((k = read(fd, p + n, FILE_MAX - n)) > 0 || (k < 0 && errno == EINTR)))
		n += k > 0 ? (size_t)k : 0;
	r = k < 0 ? -errno : 0;
	close(fd);
	if (r < 0 || n == FILE_MAX) {
		free(p);
		return weir_err_set(err, r < 0 ? r : WEIR_E_RANGE, "cannot read %s: %s", path,
				    r < 0 ? weir_strerror(r) : "it is too large");
	}
	*ret = p;
	*ret_n = n;
	return 0;
}
