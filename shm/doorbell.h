/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shm/doorbell.h - waking a thread that sleeps because its rings were empty (or full).
 *
 * Protocol (Dekker): the sleeper sets `sleeping`, fence, looks at its rings once more, waits on the
 * futex word. The other side publishes, fence, looks at `sleeping`. One of the two sees the other.
 * Cost on the busy path: one fence and one load per batch, and none with `--idle poll`.
 * Thread: one sleeper per doorbell, any number of ringers, also in other processes.
 */
#ifndef WEIR_SHM_DOORBELL_H
#define WEIR_SHM_DOORBELL_H

#include "shm/layout.h"

/* Sleeper: announce, and get the word to wait on. Then look at the rings again. */
uint32_t weir_doorbell_prepare(struct weir_doorbell *d);
/* Sleeper: there was work after all, or the wait is over. */
void weir_doorbell_cancel(struct weir_doorbell *d);
/* Sleeper: sleeps until rung, or timeout_ns passed (0: do not sleep; negative: no limit). */
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
