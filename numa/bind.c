/* SPDX-License-Identifier: Apache-2.0 */
#include "numa/bind.h"

#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

/* From linux/mempolicy.h; raw system call, so that libnuma is not needed. */
#define MPOL_PREFERRED_MODE 1

/* Far above WEIR_CPUS_MAX and any kernel limit; keeps the mask on the stack. */
#define OS_INDEX_MAX 65535u
#define WORD_BITS (8u * (unsigned)sizeof(unsigned long))

int weir_bind_thread(unsigned os_cpu)
{
	unsigned long mask[(OS_INDEX_MAX + 1) / WORD_BITS];
	size_t size;

	if (os_cpu > OS_INDEX_MAX)
		return -EINVAL;
	/* Only as many words as needed: the kernel ignores what lies behind its own limit. */
	size = (os_cpu / WORD_BITS + 1) * sizeof(mask[0]);
	memset(mask, 0, size);
	mask[os_cpu / WORD_BITS] = 1ul << (os_cpu % WORD_BITS);
	return sched_setaffinity(0, size, (const cpu_set_t *)mask) ? -errno : 0;
}

int weir_bind_memory(void *p, size_t size, unsigned os_node)
{
	unsigned long mask[(OS_INDEX_MAX + 1) / WORD_BITS];
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t from, to;
	unsigned words;

	if (os_node > OS_INDEX_MAX || size > UINTPTR_MAX - (uintptr_t)p)
		return -EINVAL;
	/* Only whole pages: the policy of what shares a page with a neighbour is not ours to set. */
	from = WEIR_ALIGN_UP((uintptr_t)p, page);
	to = ((uintptr_t)p + size) & ~(page - 1);
	if (from >= to)
		return 0;
	words = os_node / WORD_BITS + 1;
	memset(mask, 0, words * sizeof(mask[0]));
	mask[os_node / WORD_BITS] = 1ul << (os_node % WORD_BITS);
	/* The kernel reads one bit less than it is told. */
	if (syscall(SYS_mbind, from, to - from, MPOL_PREFERRED_MODE, mask,
		    (unsigned long)words * WORD_BITS + 1, 0ul))
		return -errno;
	return 0;
}
