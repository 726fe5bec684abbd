/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/source.h - the replayable source: record i of task p is a pure function of (seed, p, i).
 *
 * Anybody can compute the whole input again; the checker does. Fields: t, id, k, ks, amount, note.
 */
#ifndef WEIR_TESTS_SIM_SOURCE_H
#define WEIR_TESTS_SIM_SOURCE_H

#include "engine/core/op.h"
#include "tests/sim/sim.h"

enum { SIM_F_T, SIM_F_ID, SIM_F_K, SIM_F_KS, SIM_F_AMOUNT, SIM_F_NOTE, SIM_F_NONCE };

#define SIM_TIME_BASE INT64_C(1700000000000000000)
#define SIM_ID(task, i) ((int64_t)(task) << 32 | (int64_t)(i))
#define SIM_REGION_ID(number) ((int64_t)(number) << 40)
#define SIM_MARKED(id) ((id) % 4 == 1) /* records the operator `marks` says */

struct sim_record {
	int64_t id, t, k, amount;
	uint32_t note; /* bytes of the note */
};

/* Records of a task of the source. */
uint32_t sim_record_count(const struct sim_options *o, uint32_t task);
void sim_record_of(const struct sim *s, uint32_t task, uint32_t i, struct sim_record *ret);
/* The text of key k: as long as `cap` allows; returns its length. */
size_t sim_key_text(int64_t k, char *to, size_t cap);

int sim_source_init(struct sim *s, struct weir_node *n, const struct weir_op_env *env);

#endif
