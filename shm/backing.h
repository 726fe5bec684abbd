/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shm/backing.h - the memory object below a segment: huge pages when there are some, else others.
 *
 * Ladder:  1 GiB pages (only when they waste little), 2 MiB pages, transparent huge pages, 4 KiB
 *          pages. A rung is taken only when all of its pages can be reserved, so that a later page
 *          fault never ends in SIGBUS. With a path there is no ladder: the file system decides.
 * Use:     for each rung the caller computes the total size for weir_backing_align() and opens it.
 */
#ifndef WEIR_SHM_BACKING_H
#define WEIR_SHM_BACKING_H

#include "base/err.h"
#include "shm/layout.h"

#define WEIR_BACKING_TEXT_MAX 200

/* Alignment of data areas, which is the page size of the backing. */
uint64_t weir_backing_align(enum weir_backing b);

/*
 * Opens a memfd of total bytes with this backing, sized, mode 0600, sealed against growing and
 * shrinking. 0, or negative errno with the reason ("no free huge pages (vm.nr_hugepages is 0)") in
 * ret_text. WEIR_BACKING_PAGES fails only when the system has no memory or descriptors left.
 */
int weir_backing_memfd(enum weir_backing b, const char *name, uint64_t total, int *ret_fd,
		       char ret_text[WEIR_BACKING_TEXT_MAX]);

/* Creates a file for exactly one owner. -EEXIST, or what open(2) says. *ret_backing: by the file
 * system. weir_backing_file_size() then sizes it and reserves all of it. */
int weir_backing_file(const char *path, int *ret_fd, enum weir_backing *ret_backing,
		      struct weir_err *err);
int weir_backing_file_size(int fd, enum weir_backing b, uint64_t total, const char *path,
			   struct weir_err *err);

/* NUMA node for pages of fd that are not there yet, for all processes. Best effort. */
void weir_backing_prefer_node(int fd, uint64_t total, int node);

/* What /sys/kernel/mm/hugepages says about one size. */
struct weir_backing_pages {
	uint64_t nr, overcommit, free, reserved, surplus;
};

/* Are `need` pages to be had? 0, or -ENOMEM with the reason. Pure. */
int weir_backing_enough(enum weir_backing b, uint64_t need, const struct weir_backing_pages *p,
			char ret_text[WEIR_BACKING_TEXT_MAX]);
/* setting: "always within_size [advise] never deny force". 0, or -EOPNOTSUPP and why. Pure. */
int weir_backing_thp_allowed(const char *setting, char ret_text[WEIR_BACKING_TEXT_MAX]);

/* "2 MiB huge pages" */
const char *weir_backing_name(unsigned backing);

#endif
