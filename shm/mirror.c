/* SPDX-License-Identifier: Apache-2.0 */
#include "shm/mirror.h"

#include <errno.h>
#include <sys/mman.h>

int weir_mirror_map(int fd, uint64_t offset, uint64_t size, uint64_t align, bool writable,
		    uint8_t **ret_base)
{
	int prot = writable ? PROT_READ | PROT_WRITE : PROT_READ;
	uint64_t room = 2 * size + align, skip;
	uint8_t *all, *base;

	if (size == 0 || size > UINT64_MAX / 4 || align > UINT64_MAX / 4)
		return -EINVAL;
	/* Address space only, so that nobody else is mapped between the two halves. */
	all = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (all == MAP_FAILED)
		return -errno;
	skip = WEIR_ALIGN_UP((uintptr_t)all, align) - (uintptr_t)all;
	base = all + skip;
	for (int half = 0; half < 2; half++) {
		void *p = mmap(base + (uint64_t)half * size, size, prot, MAP_SHARED | MAP_FIXED, fd,
			       (off_t)offset);

		if (p == MAP_FAILED) {
			int r = -errno;

			munmap(all, room);
			return r;
		}
	}
	if (skip)
		munmap(all, skip);
	if (align > skip)
		munmap(base + 2 * size, align - skip);
	*ret_base = base;
	return 0;
}

void weir_mirror_unmap(uint8_t *base, uint64_t size)
{
	if (base)
		munmap(base, 2 * size);
}
