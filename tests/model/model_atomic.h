/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/model/model_atomic.h - shm/atomic.h for the model checker.
 *
 * Use:    shm/atomic.h includes this instead of <stdatomic.h> when WEIR_MODEL is defined, so that the
 *         production code of the ring and the doorbell runs inside the checker.
 * Names:  every operation hands over the name of the function it stands in. A test can weaken "the
 *         release store in weir_ring_publish" by that name (model_weaken) without touching the code.
 * Types:  plain integers; the message history of every location lives in model.c.
 */
#ifndef WEIR_TESTS_MODEL_MODEL_ATOMIC_H
#define WEIR_TESTS_MODEL_MODEL_ATOMIC_H

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

typedef uint64_t weir_atomic_u64;
typedef uint32_t weir_atomic_u32;

enum model_order {
	MODEL_RELAXED = 0,
	MODEL_ACQUIRE = 1,
	MODEL_RELEASE = 2,
	MODEL_ACQ_REL = 3,
};

uint64_t model_load(const void *p, size_t size, unsigned order, const char *func);
void model_store(void *p, size_t size, uint64_t v, unsigned order, const char *func);
uint64_t model_exchange(void *p, size_t size, uint64_t v, unsigned order, const char *func);
uint64_t model_fetch_add(void *p, size_t size, uint64_t v, unsigned order, const char *func);
bool model_cas(void *p, size_t size, uint64_t expected, uint64_t v, unsigned order,
	       const char *func, uint64_t *ret_seen);
void model_fence_seq_cst(const char *func);
void model_fence_acquire(const char *func);
void model_data_written(const void *p, uint64_t n, const char *func);
void model_data_read(const void *p, uint64_t n, const char *func);

#define weir_load_relaxed(p)                                                                       \
	((__typeof__(*(p)))model_load((p), sizeof(*(p)), MODEL_RELAXED, __func__))
#define weir_load_acquire(p)                                                                       \
	((__typeof__(*(p)))model_load((p), sizeof(*(p)), MODEL_ACQUIRE, __func__))
#define weir_store_relaxed(p, v) model_store((p), sizeof(*(p)), (v), MODEL_RELAXED, __func__)
#define weir_store_release(p, v) model_store((p), sizeof(*(p)), (v), MODEL_RELEASE, __func__)
#define weir_exchange_acq_rel(p, v)                                                                \
	((__typeof__(*(p)))model_exchange((p), sizeof(*(p)), (v), MODEL_ACQ_REL, __func__))
#define weir_add_acq_rel(p, v)                                                                     \
	((void)model_fetch_add((p), sizeof(*(p)), (v), MODEL_ACQ_REL, __func__))
#define weir_cas_acq_rel(p, expected, v)                                                           \
	({                                                                                         \
		uint64_t weir_seen_;                                                               \
		bool weir_ok_ = model_cas((p), sizeof(*(p)), *(expected), (v), MODEL_ACQ_REL,      \
					  __func__, &weir_seen_);                                  \
		*(expected) = (__typeof__(*(p)))weir_seen_;                                        \
		weir_ok_;                                                                          \
	})
#define weir_fence_seq_cst() model_fence_seq_cst(__func__)
#define weir_fence_acquire() model_fence_acquire(__func__)
#define weir_data_written(p, n) model_data_written((p), (n), __func__)
#define weir_data_read(p, n) model_data_read((p), (n), __func__)

#endif
