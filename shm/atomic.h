/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shm/atomic.h - the few atomic operations shared memory needs, with the order in the name.
 *
 * The model checker (tests/model) compiles shm/ring.h with WEIR_MODEL and its own versions, so the
 * production algorithm itself is checked.
 */
#ifndef WEIR_SHM_ATOMIC_H
#define WEIR_SHM_ATOMIC_H

#include "base/base.h"

#ifdef WEIR_MODEL
#include "tests/model/model_atomic.h"
#else

#include <stdatomic.h>

#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
/* gcc warns that ThreadSanitizer does not model fences. No data is handed over by one here: they
 * order the doorbell's flags only, which are atomic themselves. */
#pragma GCC diagnostic ignored "-Wtsan"
#endif

typedef _Atomic uint64_t weir_atomic_u64;
typedef _Atomic uint32_t weir_atomic_u32;

#define weir_load_relaxed(p) atomic_load_explicit((p), memory_order_relaxed)
#define weir_load_acquire(p) atomic_load_explicit((p), memory_order_acquire)
#define weir_store_relaxed(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)
#define weir_store_release(p, v) atomic_store_explicit((p), (v), memory_order_release)
#define weir_exchange_acq_rel(p, v) atomic_exchange_explicit((p), (v), memory_order_acq_rel)
#define weir_add_acq_rel(p, v) atomic_fetch_add_explicit((p), (v), memory_order_acq_rel)
/* *expected is updated on failure. */
#define weir_cas_acq_rel(p, expected, v)                                                           \
	atomic_compare_exchange_strong_explicit((p), (expected), (v), memory_order_acq_rel,        \
						memory_order_acquire)
#define weir_fence_seq_cst() atomic_thread_fence(memory_order_seq_cst)
#define weir_fence_acquire() atomic_thread_fence(memory_order_acquire)
/* Data bytes handed over by the protocol: nothing to do outside the model. */
#define weir_data_written(p, n) ((void)(p), (void)(n))
#define weir_data_read(p, n) ((void)(p), (void)(n))

#endif

weir_inline void weir_cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield" ::: "memory");
#endif
}

#endif
