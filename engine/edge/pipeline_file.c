/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/pipeline_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/yaml.h"

/* Reads to the end, one byte more than may be parsed, so that a longer file is seen as such. */
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

static int read_file(const char *path, struct weir_region *region, struct weir_str *ret,
		     struct weir_err *err)
{
	bool is_stdin = strcmp(path, "-") == 0;
	size_t cap = WEIR_YAML_BYTES_MAX + 1, n = 0;
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

/* Folder of the file: paths in it are relative to that. "" is the working directory. */
static const char *folder_of(const char *path, struct weir_region *region)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return "";
	if (slash == path)
		return "/";
	return weir_region_strdup(region, (struct weir_str){path, (size_t)(slash - path)});
}

int weir_pipeline_parse(struct weir_str text, const char *name, const char *dir,
			const struct weir_build_ops *ops, struct weir_region *region,
			struct weir_pipeline **ret, struct weir_diags *diags, struct weir_err *err)
{
	struct weir_pipeline *p = NULL;
	struct weir_doc *doc;
	int rc, built = 0;

	weir_diags_init(diags, region);
	rc = weir_yaml_parse(text, region, &doc, diags);
	if (doc)
		built = weir_pipeline_build(doc, dir, ops, region, &p, diags);
	weir_diags_sort(diags);
	if (rc == 0)
		rc = built;
	if (rc)
		return weir_err_set(err, rc, "%s: %u %s", name, diags->count + diags->dropped,
				    diags->count + diags->dropped == 1 ? "error" : "errors");
	p->file = weir_region_strdup(region, weir_str_c(name));
	*ret = p;
	return 0;
}

int weir_pipeline_load(const char *path, const struct weir_build_ops *ops,
		       struct weir_region *region, struct weir_pipeline **ret,
		       struct weir_diags *diags, struct weir_err *err)
{
	bool is_stdin = strcmp(path, "-") == 0;
	struct weir_str text = {"", 0};
	int rc;

	weir_diags_init(diags, region);
	rc = read_file(path, region, &text, err);
	if (rc)
		return rc;
	return weir_pipeline_parse(text, is_stdin ? "stdin" : path,
				   is_stdin ? "" : folder_of(path, region), ops, region, ret, diags,
				   err);
}
