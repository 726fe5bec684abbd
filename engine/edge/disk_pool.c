/* SPDX-License-Identifier: Apache-2.0 */
/* One piece of I/O memory, mapped and registered once; first fit by blocks. */
#include <errno.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "engine/edge/disk_impl.h"
#include "engine/edge/engine.h"

#define HUGE ((size_t)2 << 20)

int weir_disk_pool_init(struct weir_disk_pool *p, size_t bytes)
{
	size_t all, front;
	uint8_t *at;

	bytes = WEIR_ALIGN_UP(bytes, (size_t)WEIR_DISK_BLOCK);
	all = bytes + HUGE;
	at = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return -errno;
	front = (size_t)(-(uintptr_t)at & (HUGE - 1));
	if (front)
		munmap(at, front);
	munmap(at + front + bytes, all - front - bytes);
	p->p = at + front;
	p->bytes = bytes;
	/* Both only help: fewer pages to pin; a fork must not move pages that the device reads. */
	madvise(p->p, bytes, MADV_HUGEPAGE);
	madvise(p->p, bytes, MADV_DONTFORK);
	p->used = weir_heap_mem.alloc(NULL, bytes / WEIR_DISK_BLOCK, 1);
	return 0;
}

void weir_disk_pool_fini(struct weir_disk_pool *p)
{
	if (!p->p)
		return;
	munmap(p->p, p->bytes);
	weir_heap_mem.free(NULL, p->used, p->bytes / WEIR_DISK_BLOCK);
	p->p = NULL;
}

void *weir_disk_pool_get(struct weir_disk_pool *p, size_t n)
{
	size_t want = n / WEIR_DISK_BLOCK, blocks = p->bytes / WEIR_DISK_BLOCK, run = 0;

	weir_assert(n && n % WEIR_DISK_BLOCK == 0);
	for (size_t i = 0; i < blocks; i++) {
		run = p->used[i] ? 0 : run + 1;
		if (run == want) {
			size_t first = i + 1 - want;

			memset(p->used + first, 1, want);
			return memset(p->p + first * WEIR_DISK_BLOCK, 0, n);
		}
	}
	return NULL;
}

bool weir_disk_pool_put(struct weir_disk_pool *p, void *at, size_t n)
{
	size_t offset = (size_t)((uintptr_t)at - (uintptr_t)p->p);

	if (offset >= p->bytes)
		return false;
	weir_assert(offset % WEIR_DISK_BLOCK == 0 && n && n <= p->bytes - offset);
	memset(p->used + offset / WEIR_DISK_BLOCK, 0, n / WEIR_DISK_BLOCK);
	return true;
}
