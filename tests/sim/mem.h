/* SPDX-License-Identifier: Apache-2.0 */
/* tests/sim/mem.h - memory and rings of a life. */
#ifndef WEIR_TESTS_SIM_MEM_H
#define WEIR_TESTS_SIM_MEM_H

#include "shm/ring.h"
#include "tests/sim/life.h"

void sim_mem_init(struct sim_mem *m);
void sim_mem_fini(struct sim_mem *m);

struct sim_ring {
	struct sim_ring *next;
	uint64_t capacity;
	struct weir_ring_block *block;
	uint8_t *base;
	bool used;
};

struct sim_ring *sim_ring_take(uint64_t capacity, uint64_t reserve);
void sim_ring_give(struct sim_ring *r);
/* What runs keep for one another. */
void sim_mem_free(void);

#endif
