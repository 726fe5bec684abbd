/* SPDX-License-Identifier: Apache-2.0 */
/* engine/edge/lanes_impl.h - inside of the lanes; only engine/edge/lanes*.c. */
#ifndef WEIR_ENGINE_EDGE_LANES_IMPL_H
#define WEIR_ENGINE_EDGE_LANES_IMPL_H

#include "engine/edge/lanes.h"

#define LANES_GATEWAYS 16 /* processes whose life is remembered */

/* A process that holds or held lanes. */
struct lanes_gateway {
	uint32_t pid; /* 0: none */
	uint64_t start_time;
	bool lives;
	uint32_t lanes; /* that it holds */
};

struct engine_lanes {
	struct weir_engine *engine;
	uint32_t count, opened;
	struct engine_lane *lane;
	uint32_t gateways; /* of this region */
	uint32_t edges_bell, gateway_bell; /* numbers of doorbells */
	uint32_t bell_counter;

	/* the thread's */
	pthread_t thread;
	bool started;
	struct weir_region region;
	struct weir_engine_stats *stats;
	struct lanes_gateway gateway[LANES_GATEWAYS];
	bool ever; /* a gateway has been here */
	uint64_t cause_ns; /* when the cause was looked for */

	pthread_mutex_t lock; /* quit */
	pthread_cond_t cond, farewell;
	bool quit, hurry;
};

#endif
