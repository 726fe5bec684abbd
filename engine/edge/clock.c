/* SPDX-License-Identifier: Apache-2.0 */
/* The only place where the engine asks what time it is. */
#include <time.h>

#include "engine/edge/engine_impl.h"

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
