/* SPDX-License-Identifier: Apache-2.0 */
/* host/clock.h - the only place that asks what time it is. Thread: any. */
#ifndef WEIR_HOST_CLOCK_H
#define WEIR_HOST_CLOCK_H

#include <pthread.h>

#include "base/base.h"

uint64_t weir_mono_ns(void);
int64_t weir_wall_ns(void);
/* A condition whose waits end by the monotonic clock: the wall clock may be set back by hours. */
void weir_cond_init(pthread_cond_t *c);
/* 0: woken (perhaps for nothing), ETIMEDOUT. */
int weir_cond_wait_until(pthread_cond_t *c, pthread_mutex_t *lock, uint64_t mono_ns);

#endif
