/* SPDX-License-Identifier: Apache-2.0 */
/* The only place where the engine asks what time it is. */
#include <time.h>

#include "host/clock.h"

static int64_t clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * WEIR_NS_PER_S + t.tv_nsec;
}

uint64_t weir_mono_ns(void)
{
	return (uint64_t)clock_ns(CLOCK_MONOTONIC);
}

int64_t weir_wall_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

void weir_cond_init(pthread_cond_t *c)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
}

int weir_cond_wait_until(pthread_cond_t *c, pthread_mutex_t *lock, uint64_t mono_ns)
{
	struct timespec ts = {.tv_sec = (time_t)(mono_ns / WEIR_NS_PER_S),
			      .tv_nsec = (long)(mono_ns % WEIR_NS_PER_S)};

	return pthread_cond_timedwait(c, lock, &ts);
}
