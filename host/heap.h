/* SPDX-License-Identifier: Apache-2.0 */
/* host/heap.h - malloc behind struct weir_mem, for set-up structures; out of memory ends the program. Thread: any. */
#ifndef WEIR_HOST_HEAP_H
#define WEIR_HOST_HEAP_H

#include "base/mem.h"

extern const struct weir_mem weir_heap_mem;

#endif
