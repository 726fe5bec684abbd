/* SPDX-License-Identifier: Apache-2.0 */
/*
 * numa/bind.h - pinning threads and binding memory. Best effort: what the kernel refuses is reported
 * once by the caller, and everything still works.
 */
#ifndef WEIR_NUMA_BIND_H
#define WEIR_NUMA_BIND_H

#include "base/err.h"

/* Pins the calling thread to one cpu (OS index). 0 or negative errno. */
int weir_bind_thread(unsigned os_cpu);
/* Prefers a NUMA node (OS index) for the pages of [p, p+size) not touched yet. */
int weir_bind_memory(void *p, size_t size, unsigned os_node);

#endif
