/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shm/doorbell.h - waking a thread that sleeps because its rings were empty (or full).
 *
 * Protocol (Dekker): the sleeper reads the word, sets `sleeping` to a fresh ticket, fence, looks at
 * its rings once more, waits while the word is still the same. The other side publishes, fence,
 * looks at `sleeping`. One of the two sees the other. Who sees a ticket adds 1 to the word, wakes,
 * and then takes the ticket away (a CAS, so that a late ringer cannot take away a newer one).
 * Cost on the busy path: one fence and one load per batch, and none with `--idle poll`.
 *
 * Invariant:  D0 while the owner waits on word w, sleeping is its ticket or the word is not w. So
 *             nobody skips a wake that is needed, also when a ringer dies in the middle of one.
 * Crash:      a peer may die after it published and before it rang. A sleeper whose peers are
 *             other processes waits with a limit and looks at weir_ring_role_peer() then.
 * Thread:     one sleeper per doorbell, any number of ringers, also in other processes.
 */
#ifndef WEIR_SHM_DOORBELL_H
#define WEIR_SHM_DOORBELL_H

#include "shm/layout.h"

/* Sleeper: announce, and get the word to wait on. Then look at the rings again. */
uint32_t weir_doorbell_prepare(struct weir_doorbell *d);
/* Sleeper: there was work after all, or the wait is over. */
void weir_doorbell_cancel(struct weir_doorbell *d);
/* Sleeper: sleeps until rung, or timeout_ns passed (0: do not sleep; negative: no limit). May come
 * back early (a signal): the caller looks at its rings and its clock again. Cancel afterwards. */
void weir_doorbell_wait(struct weir_doorbell *d, uint32_t word, int64_t timeout_ns);

void weir_doorbell__wake(struct weir_doorbell *d);

/* Ringer: after publish or release. */
weir_inline void weir_doorbell_ring(struct weir_doorbell *d)
{
	weir_fence_seq_cst(); /* D1: pairs with D2 in weir_doorbell_prepare() */
	if (weir_unlikely(weir_load_relaxed(&d->sleeping)))
		weir_doorbell__wake(d);
}

#endif
