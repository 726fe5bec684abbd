/* SPDX-License-Identifier: Apache-2.0 */
#include "host/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_all(int fd, char *p, size_t cap, size_t *ret_n)
{
	size_t n = 0;

	while (n < cap) {
		ssize_t got = read(fd, p + n, cap - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	*ret_n = n;
	return 0;
}

int weir_text_file_read(const char *path, size_t max, struct weir_region *region,
			struct weir_str *ret, struct weir_err *err)
{
	bool is_stdin = strcmp(path, "-") == 0;
	size_t cap = max + 1, n = 0;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *p;
	int rc;

	if (fd < 0)
		return weir_err_set(err, -errno, "cannot open %s: %s", path, weir_strerror(-errno));
	/* A regular file's size is known, so that a small file takes little memory. */
	if (!is_stdin && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size < cap)
		cap = (size_t)st.st_size + 1;
	p = weir_region_alloc(region, cap);
	rc = read_all(fd, p, cap, &n);
	if (!is_stdin)
		close(fd);
	if (rc)
		return weir_err_set(err, rc, "cannot read %s: %s", is_stdin ? "stdin" : path,
				    weir_strerror(rc));
	*ret = (struct weir_str){p, n};
	return 0;
}

const char *weir_text_file_folder(const char *path, struct weir_region *region)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return "";
	if (slash == path)
		return "/";
	return weir_region_strdup(region, (struct weir_str){path, (size_t)(slash - path)});
}
