/* SPDX-License-Identifier: Apache-2.0 */
/*
 * numa/arena_oom.h - the end of a process whose memory is used up (base/mem.h says why it must end).
 *
 * Use: by the two arena implementations only. No allocation, no atexit handlers: the journal, not
 *      a handler that may itself want memory, is what makes this safe.
 */
#ifndef WEIR_NUMA_ARENA_OOM_H
#define WEIR_NUMA_ARENA_OOM_H

#include <stdio.h>
#include <unistd.h>

#include "base/base.h"

_Noreturn static inline void weir_arena_oom(size_t size, uint64_t have_bytes)
{
	char line[128];
	int n = snprintf(line, sizeof(line),
			 "weir: out of memory: %zu bytes wanted, %llu bytes in use by this arena\n",
			 size, (unsigned long long)have_bytes);

	if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0)
		n = 0;
	_exit(1);
}

#endif
