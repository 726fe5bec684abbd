/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/base.h - small things every file needs: integer names, alignment, limits, branch hints.
 *
 * Use:   included by every other header. No I/O, no allocation, no threads, no state.
 */
#ifndef WEIR_BASE_BASE_H
#define WEIR_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WEIR_CACHELINE 64
#define WEIR_NAME_MAX 63 /* bytes of a step, field or pipeline name, without the final 0 */

#define weir_likely(x) __builtin_expect(!!(x), 1)
#define weir_unlikely(x) __builtin_expect(!!(x), 0)
#define weir_inline static inline __attribute__((always_inline))
#define weir_noinline __attribute__((noinline))
#define weir_printf_like(f, a) __attribute__((format(printf, f, a)))
#define WEIR_API __attribute__((visibility("default")))

#define WEIR_COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define WEIR_MIN(a, b) ((a) < (b) ? (a) : (b))
#define WEIR_MAX(a, b) ((a) > (b) ? (a) : (b))

/* a must be a power of two. In the type of x: a narrower a must not cut the upper half off. */
#define WEIR_ALIGN_UP(x, a)                                                                        \
	((__typeof__(x))(((x) + ((__typeof__(x))(a)-1)) & ~((__typeof__(x))(a)-1)))
#define WEIR_IS_POW2(x) ((x) != 0 && (((x) & ((x)-1)) == 0))

#define WEIR_NS_PER_US INT64_C(1000)
#define WEIR_NS_PER_MS INT64_C(1000000)
#define WEIR_NS_PER_S INT64_C(1000000000)

/* Event times are int64 nanoseconds since the Unix epoch, UTC. */
#define WEIR_TIME_MIN INT64_MIN /* "no watermark yet" */
#define WEIR_TIME_MAX INT64_MAX /* the watermark of an ended stream */

typedef __int128 weir_i128;
typedef unsigned __int128 weir_u128;

#endif
