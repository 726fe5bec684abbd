/* SPDX-License-Identifier: Apache-2.0 */
#include "shm/backing.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/str.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB (21U << 26)
#endif
#ifndef MFD_HUGE_1GB
#define MFD_HUGE_1GB (30U << 26)
#endif
#define BACKING_MPOL_PREFERRED 1 /* linux/mempolicy.h */

uint64_t weir_backing_align(enum weir_backing b)
{
	switch (b) {
	case WEIR_BACKING_2M:
		return UINT64_C(1) << 21;
	case WEIR_BACKING_1G:
		return UINT64_C(1) << 30;
	default:
		return (uint64_t)sysconf(_SC_PAGESIZE);
	}
}

const char *weir_backing_name(unsigned backing)
{
	static const char *const name[] = {
		[WEIR_BACKING_PAGES] = "4 KiB pages",
		[WEIR_BACKING_THP] = "transparent huge pages",
		[WEIR_BACKING_2M] = "2 MiB huge pages",
		[WEIR_BACKING_1G] = "1 GiB huge pages",
	};

	return backing < WEIR_COUNT_OF(name) ? name[backing] : "unknown pages";
}

/* First bytes of a small system file; empty when it cannot be read. */
static void backing_read(const char *path, char *ret, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, ret, cap - 1);

	ret[n > 0 ? n : 0] = 0;
	if (fd >= 0)
		close(fd);
}

static uint64_t backing_hugetlb_count(enum weir_backing b, const char *what)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%ukB/%s",
		 (unsigned)(weir_backing_align(b) / 1024), what);
	backing_read(path, text, sizeof(text));
	return strtoull(text, NULL, 10);
}

int weir_backing_enough(enum weir_backing b, uint64_t need, const struct weir_backing_pages *p,
			char ret_text[WEIR_BACKING_TEXT_MAX])
{
	uint64_t have = (p->free > p->reserved ? p->free - p->reserved : 0) +
			(p->overcommit > p->surplus ? p->overcommit - p->surplus : 0);

	if (have >= need)
		return 0;
	if (p->nr + p->overcommit == 0)
		snprintf(ret_text, WEIR_BACKING_TEXT_MAX,
			 "no free huge pages (vm.nr_hugepages is 0)");
	else
		snprintf(ret_text, WEIR_BACKING_TEXT_MAX,
			 "only %llu free %s, %llu needed (vm.nr_hugepages is %llu)",
			 (unsigned long long)have, weir_backing_name(b), (unsigned long long)need,
			 (unsigned long long)p->nr);
	return -ENOMEM;
}

static int backing_hugetlb_enough(enum weir_backing b, uint64_t total, char *ret_text)
{
	struct weir_backing_pages p = {
		.nr = backing_hugetlb_count(b, "nr_hugepages"),
		.overcommit = backing_hugetlb_count(b, "nr_overcommit_hugepages"),
		.free = backing_hugetlb_count(b, "free_hugepages"),
		.reserved = backing_hugetlb_count(b, "resv_hugepages"),
		.surplus = backing_hugetlb_count(b, "surplus_hugepages"),
	};

	return weir_backing_enough(b, total / weir_backing_align(b), &p, ret_text);
}

/*
 * Reserves huge pages for the whole object: the kernel does it when a shared mapping is made, and
 * keeps it as long as the object lives. Nothing is touched, so pages still go where the thread that
 * first uses them, or a binding, wants them.
 */
static int backing_reserve(int fd, uint64_t total)
{
	void *p = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	munmap(p, total);
	return 0;
}

int weir_backing_thp_allowed(const char *setting, char ret_text[WEIR_BACKING_TEXT_MAX])
{
	const char *from = strchr(setting, '['), *to = from ? strchr(from, ']') : NULL;
	struct weir_str is;

	if (!to) {
		snprintf(ret_text, WEIR_BACKING_TEXT_MAX,
			 "the kernel has no transparent huge pages for shared memory");
		return -EOPNOTSUPP;
	}
	is = (struct weir_str){from + 1, (size_t)(to - from - 1)};
	if (!weir_str_is(is, "never") && !weir_str_is(is, "deny"))
		return 0;
	snprintf(ret_text, WEIR_BACKING_TEXT_MAX,
		 "transparent huge pages for shared memory are off (shmem_enabled is %.*s)",
		 (int)is.n, is.p);
	return -EOPNOTSUPP;
}

static int backing_memfd_open(const char *name, unsigned flags)
{
	/* Kernels before 6.3 do not know "never executable". */
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | flags);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);
	return fd < 0 ? -errno : fd;
}

int weir_backing_memfd(enum weir_backing b, const char *name, uint64_t total, int *ret_fd,
		       char ret_text[WEIR_BACKING_TEXT_MAX])
{
	char label[80], setting[128];
	unsigned flags = 0;
	int fd, r = 0;

	if (b == WEIR_BACKING_2M || b == WEIR_BACKING_1G) {
		r = backing_hugetlb_enough(b, total, ret_text);
		flags = MFD_HUGETLB | (b == WEIR_BACKING_2M ? MFD_HUGE_2MB : MFD_HUGE_1GB);
	} else if (b == WEIR_BACKING_THP) {
		backing_read("/sys/kernel/mm/transparent_hugepage/shmem_enabled", setting,
			     sizeof(setting));
		r = weir_backing_thp_allowed(setting, ret_text);
	}
	if (r < 0)
		return r;
	snprintf(label, sizeof(label), "weir:%s", name);
	fd = backing_memfd_open(label, flags);
	if (fd < 0) {
		snprintf(ret_text, WEIR_BACKING_TEXT_MAX, "memfd_create: %s", weir_strerror(fd));
		return fd;
	}
	if (fchmod(fd, 0600) < 0 || ftruncate(fd, (off_t)total) < 0)
		r = -errno;
	else if (flags)
		r = backing_reserve(fd, total);
	if (r == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		r = -errno;
	if (r < 0) {
		snprintf(ret_text, WEIR_BACKING_TEXT_MAX, "%llu bytes of %s: %s",
			 (unsigned long long)total, weir_backing_name(b), weir_strerror(r));
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int weir_backing_file(const char *path, int *ret_fd, enum weir_backing *ret_backing,
		      struct weir_err *err)
{
	struct statfs fs;
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	if (fd < 0)
		return weir_err_set(err, -errno, "%s: %s", path, strerror(errno));
	if (fstatfs(fd, &fs) < 0) {
		r = -errno;
		goto fail;
	}
	*ret_backing = WEIR_BACKING_PAGES;
	if (fs.f_type == HUGETLBFS_MAGIC) {
		if ((uint64_t)fs.f_bsize == weir_backing_align(WEIR_BACKING_2M)) {
			*ret_backing = WEIR_BACKING_2M;
		} else if ((uint64_t)fs.f_bsize == weir_backing_align(WEIR_BACKING_1G)) {
			*ret_backing = WEIR_BACKING_1G;
		} else {
			r = -EOPNOTSUPP;
			goto fail;
		}
	}
	*ret_fd = fd;
	return 0;
fail:
	unlink(path);
	close(fd);
	return weir_err_set(err, r, "%s: %s", path, weir_strerror(r));
}

int weir_backing_file_size(int fd, enum weir_backing b, uint64_t total, const char *path,
			   struct weir_err *err)
{
	char why[WEIR_BACKING_TEXT_MAX] = "";
	int r = ftruncate(fd, (off_t)total) < 0 ? -errno : 0;

	if (r == 0 && b == WEIR_BACKING_PAGES) {
		r = -posix_fallocate(fd, 0, (off_t)total);
	} else if (r == 0) {
		backing_hugetlb_enough(b, total, why);
		r = backing_reserve(fd, total);
	}
	if (r == 0)
		return 0;
	return weir_err_set(err, r, "%s: %llu bytes of %s: %s%s%s", path, (unsigned long long)total,
			    weir_backing_name(b), weir_strerror(r), why[0] ? ": " : "", why);
}

void weir_backing_prefer_node(int fd, uint64_t total, int node)
{
	unsigned long mask[16] = {0};
	void *p;

	if (node < 0 || node >= (int)(sizeof(mask) * 8))
		return;
	mask[(unsigned)node / 64] = 1UL << ((unsigned)node % 64);
	p = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return;
	/* For shared memory the policy belongs to the object and outlives this mapping. */
	(void)syscall(SYS_mbind, p, total, BACKING_MPOL_PREFERRED, mask, sizeof(mask) * 8, 0);
	munmap(p, total);
}
