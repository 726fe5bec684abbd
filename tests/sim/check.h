/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/check.h - independent checkers; each fails the run with the id of its invariant (correctness.md 2).
 *
 *   I1  the ladder is ordered and only grows            I2  (fence, epoch) only grows
 *   I4  state read back = state that was written        I5  positions = rows that entered, per committed epoch
 *   I6  epochs in flight                                I7  nothing is let go that is not durable
 *   I25 one epoch after the other, same bytes           I26 each input has exactly one effect, one nonce
 *   I27 the outbox holds what the sink has not got      I33 damage is found; no damage is not
 *   I34 nothing committed is cut                        I35 after an error nothing becomes durable
 *   I36 segments go only when a newer base was read     L1, L3, L5  it ends, in time, in bounds
 */
#ifndef WEIR_TESTS_SIM_CHECK_H
#define WEIR_TESTS_SIM_CHECK_H

#include "engine/core/cell.h"
#include "tests/sim/stores.h"

#define SIM_TASKS_MAX 64

struct sim_check {
	/* of all lives */
	uint64_t durable; /* newest epoch any process called durable (I34) */
	uint64_t fence; /* of the last one that started */
	struct sim_marks position[SIM_TASKS_MAX]; /* of source tasks: rows up to an epoch */
	uint32_t asked[8]; /* a story's own: how often a sink was asked for an epoch */
	/* of this life */
	uint64_t open, aligned, live_durable, covered, folded;
	uint64_t flying[WEIR_EPOCHS_IN_FLIGHT_MAX * 2]; /* aligned, not durable */
	uint32_t flying_count;
	bool folding; /* a folded epoch's parts wait for the next one */
	uint64_t recovered; /* epochs up to this one came back when a recovery was tried out */
	uint64_t open_since_ns;
	bool error_told; /* the disk has told an error before the last step */
	uint64_t covered_reads; /* bytes read back when `covered` last moved */
};

void sim_check_life(struct sim *s, uint64_t fence, uint64_t epoch); /* a process has started */
void sim_check_cell(struct sim *s, const struct weir_cell *c); /* after every step */
void sim_check_position(struct sim *s, uint32_t task, uint64_t epoch, uint64_t rows);
/* A sink is told to apply the epoch. */
void sim_check_release(struct sim *s, uint64_t epoch);
/* A store is about to take it. */
void sim_check_apply(struct sim *s, const struct sim_store *t, const struct sim_request *r);
/* check_disk.c: what a recovery would find on the disk now (damage apart): newest epoch; fails the run when it could not
 * start. */
uint64_t sim_check_recovery(struct sim *s, const char *id);
/* The disk has just been damaged. */
void sim_check_damage(struct sim *s);

/* check_disk.c: the bundles on the disk (damage apart), oldest first. */
int sim_check_replay(struct sim *s,
		     int (*fn)(void *ctx, uint64_t epoch, uint64_t fence,
			       struct weir_reader *bundle),
		     void *ctx, struct weir_err *err);

/* check_shadow.c: I4 while the engine runs. */
struct sim_life;
struct sim_digest { /* the order of entries follows from the history of a table: it is left out */
	uint64_t bytes;
	uint64_t count[256];
};
struct sim_shadow { /* of one epoch at a time */
	uint64_t epoch, done; /* epoch 0: none */
	uint32_t count;
	struct sim_shadow_node {
		uint32_t task, node;
		int64_t watermark;
		struct sim_digest digest;
	} node[SIM_TASKS_MAX];
};
void sim_digest(struct weir_node *n, const struct weir_state_ops *ops, const struct weir_mem *mem,
		struct sim_digest *ret);
void sim_shadow_wrap(struct sim_life *l); /* once its nodes are built */
const struct weir_state_ops *sim_shadow_real(const struct weir_node *n);
/* After a step; same_base: it did not move `covered`. */
void sim_shadow_check(struct sim *s, const struct weir_cell *c, bool same_base);

/* check_state.c: I4 of a life that stands still, against the one that comes after it. */
void sim_check_state(struct sim *s, struct sim_life *then, struct sim_life *now);

/* check_end.c: everything has come to its end: I5, I22, I26, I27 over the stores. */
void sim_check_end(struct sim *s);

#endif
